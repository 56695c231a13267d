//! Wherever a crash cuts the file, it restores to a state that once was.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The state as a naive reader of the history sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Model {
    members: Vec<(String, String)>,
    clocks: Clocks,
}

impl Model {
    fn of(restored: &Restored) -> Self {
        let members =
            restored.members.iter().map(|(name, addr)| (name.to_string(), addr.to_string()));
        Self { members: members.collect(), clocks: restored.clocks }
    }

    fn apply(&mut self, record: &Record, rejoin: bool) {
        match record {
            Record::Alive { name, .. } | Record::NotAlive { name } if name.contains('\n') => {}
            Record::Alive { name, addr } => {
                self.members.retain(|(known, _)| **known != **name);
                self.members.push((name.to_string(), addr.to_string()));
                self.members.sort();
            }
            Record::NotAlive { name } => self.members.retain(|(known, _)| **known != **name),
            Record::Clock(time) => self.clocks.member = *time,
            Record::EventClock(time) => self.clocks.event = *time,
            Record::QueryClock(time) => self.clocks.query = *time,
            Record::Leave if rejoin => {}
            Record::Leave => *self = Self::default(),
        }
    }

    /// What a compaction has to keep: a leave does not set the clocks back.
    fn apply_live(&mut self, record: &Record, rejoin: bool) {
        let clocks = self.clocks;
        self.apply(record, rejoin);
        if *record == Record::Leave {
            self.clocks = clocks;
        }
    }
}

/// A journal with its file and the models of both.
struct Life {
    options: JournalOptions,
    journal: Journal,
    disk: Disk,
    live: Model,
    /// State of the part of the file that was there at the start or came with the last compaction.
    base: Model,
    base_bytes: usize,
    /// Records that came after it.
    tail: Vec<Record>,
    compactions: usize,
}

impl Life {
    fn begin(file: &[u8], options: JournalOptions) -> Self {
        let restored = Restored::read(file, options.rejoin_after_leave);
        let mut actions = Vec::new();
        let journal = Journal::open(&restored, options, &mut actions);
        let mut disk = Disk { file: file.to_vec(), synced: 0 };
        disk.carry_out(&mut actions);
        let model = Model::of(&restored);
        Self {
            options,
            journal,
            base_bytes: disk.file.len(),
            disk,
            live: model.clone(),
            base: model,
            tail: Vec::new(),
            compactions: 0,
        }
    }

    fn record(&mut self, record: &Record, now: Instant) {
        let rejoin = self.options.rejoin_after_leave;
        self.live.apply_live(record, rejoin);
        if record.fits_a_line() {
            self.tail.push(record.clone());
        }
        let mut actions = Vec::new();
        self.journal.append(record, now, &mut actions);
        for action in actions {
            let replaces = matches!(action, DiskAction::Replace(_));
            if replaces {
                self.check_every_cut();
            }
            self.disk.carry_out(&mut vec![action]);
            if replaces {
                let restored = Restored::read(&self.disk.file, rejoin);
                assert_eq!(Model::of(&restored), self.live, "a compaction loses nothing");
                assert_eq!(restored.skipped, 0);
                self.base = self.live.clone();
                self.base_bytes = self.disk.file.len();
                self.tail.clear();
                self.compactions += 1;
            }
        }
    }

    fn end(&mut self) {
        let mut actions = Vec::new();
        self.journal.shut_down(&mut actions);
        self.disk.carry_out(&mut actions);
        let restored = Restored::read(&self.disk.file, self.options.rejoin_after_leave);
        assert_eq!(Model::of(&restored), self.after(self.tail.len()), "nothing is lost");
        assert_eq!(restored.torn_bytes, 0);
    }

    /// The state after the first `count` records of the tail.
    fn after(&self, count: usize) -> Model {
        let mut model = self.base.clone();
        for record in &self.tail[..count] {
            model.apply(record, self.options.rejoin_after_leave);
        }
        model
    }

    /// The state after the first `lines` lines of a compacted file: it is a short history of its own, in which the
    /// members join in order of their names before the clocks are set.
    fn within_base(&self, lines: usize) -> Model {
        let count = self.base.members.len();
        let clock = |at: usize, time: u64| if lines > count + at { time } else { 0 };
        let Clocks { member, event, query } = self.base.clocks;
        Model {
            members: self.base.members.iter().take(lines).cloned().collect(),
            clocks: Clocks {
                member: clock(0, member),
                event: clock(1, event),
                query: clock(2, query),
            },
        }
    }

    /// Cuts the file at every byte.
    fn check_every_cut(&self) {
        let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
        for cut in 0..=self.disk.file.len() {
            let file = &self.disk.file[..cut];
            let restored = Restored::read(file, self.options.rejoin_after_leave);
            assert_eq!(restored.whole_bytes + restored.torn_bytes, cut as u64);
            if cut >= self.base_bytes {
                let expected = self.after(lines(&file[self.base_bytes..]));
                assert_eq!(Model::of(&restored), expected, "cut at {cut}");
            } else if self.compactions > 0 {
                assert_eq!(Model::of(&restored), self.within_base(lines(file)), "cut at {cut}");
            }
        }
    }
}

fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c", "d e", "f g 1.1.1.1:1"]).prop_map(Box::from),
        1 => prop::sample::select(vec!["", " ", "ä", "alive: a", "leave", "#", "\r", "x\nleave", "\n"])
            .prop_map(Box::from),
        1 => "\\PC{0,6}".prop_map(|name: String| name.into_boxed_str()),
    ]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..20_u64, 1 => any::<u64>()]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        6 => (name(), any::<(bool, [u8; 4], u16)>()).prop_map(|(name, (six, ip, port))| {
            let ip = core::net::Ipv4Addr::from(ip);
            let ip = if six { ip.to_ipv6_compatible().into() } else { ip.into() };
            Record::Alive { name, addr: SocketAddr::new(ip, port) }
        }),
        3 => name().prop_map(|name| Record::NotAlive { name }),
        2 => time().prop_map(Record::Clock),
        2 => time().prop_map(Record::EventClock),
        2 => time().prop_map(Record::QueryClock),
        1 => Just(Record::Leave),
    ]
}

fn history(len: usize) -> impl Strategy<Value = Vec<(Record, u64)>> {
    vec((record(), prop_oneof![3 => 0..10_u64, 1 => 400..700_u64]), 0..len)
}

fn journal_options() -> impl Strategy<Value = JournalOptions> {
    let sizes = prop_oneof![1 => Just(COMPACT_BYTES_MIN), 2 => 0..300_u64];
    (any::<bool>(), sizes).prop_map(|(rejoin_after_leave, compact_bytes_min)| JournalOptions {
        rejoin_after_leave,
        compact_bytes_min,
    })
}

/// Lets a life run through a history; `check` is called after each record.
fn live(life: &mut Life, history: &[(Record, u64)], check: impl Fn(&Life)) {
    let mut now = 0;
    for (record, gap) in history {
        now += gap;
        life.record(record, at(now));
        check(life);
    }
    life.end();
}

proptest! {
    #[test]
    fn a_file_cut_anywhere_restores_to_a_state_that_once_was(
        history in history(60),
        options in journal_options(),
    ) {
        let mut life = Life::begin(&[], options);
        live(&mut life, &history, |_| ());
        life.check_every_cut();
    }

    #[test]
    fn a_file_cut_anywhere_goes_on(
        history in history(12),
        next in history(12),
        options in journal_options(),
    ) {
        let mut life = Life::begin(&[], options);
        live(&mut life, &history, |_| ());
        for cut in 0..=life.disk.file.len() {
            let mut second = Life::begin(&life.disk.file[..cut], options);
            live(&mut second, &next, |_| ());
        }
    }

    #[test]
    fn what_waits_is_never_more_than_the_buffer(
        history in history(40),
        options in journal_options(),
    ) {
        let mut life = Life::begin(&[], options);
        live(&mut life, &history, |life| {
            let lines = life.base_bytes + written(&life.tail).len();
            assert!(life.disk.file.len() + 4_096 >= lines);
            assert!(life.disk.file.len() <= lines);
        });
    }

    #[test]
    fn what_is_written_is_read_back(records in vec(record(), 0..40), rejoin in any::<bool>()) {
        let mut model = Model::default();
        records.iter().for_each(|record| model.apply(record, rejoin));
        let restored = Restored::read(&written(&records), rejoin);
        prop_assert_eq!(Model::of(&restored), model);
        prop_assert_eq!((restored.skipped, restored.torn_bytes), (0, 0));
    }

    #[test]
    fn arbitrary_files_are_survived(
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "alive: ", "not-alive: ", "clock: ", "event-clock: ", "query-clock: ", "leave", "\n",
                " ", "#", "18446744073709551615", "18446744073709551616", "-1", "coordinate: ",
            ]).prop_map(|piece| piece.as_bytes().to_vec()),
        ], 0..40),
        rejoin in any::<bool>(),
    ) {
        let file = pieces.concat();
        let restored = Restored::read(&file, rejoin);
        prop_assert_eq!(restored.whole_bytes + restored.torn_bytes, file.len() as u64);
        let whole = usize::try_from(restored.whole_bytes).expect("a length");
        let again = Restored::read(&file[..whole], rejoin);
        prop_assert_eq!(&again, &Restored { torn_bytes: 0, ..restored.clone() });
        restored.seeds("").for_each(drop);
        let options = JournalOptions { rejoin_after_leave: rejoin, compact_bytes_min: 0 };
        let mut life = Life::begin(&file, options);
        live(&mut life, &[(Record::Clock(7), 0)], |_| ());
        prop_assert!(life.compactions <= 1);
    }
}
