//! A small swarm of real agents: it settles, an event reaches everybody, a crash is seen by all, and nothing is left
//! behind.
//!
//! It counts tasks and descriptors of the whole process, so it is alone in its binary.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tracing::Level;
use uwasa_agent::swarm::plan::{Action, Plan, Rpc, Whom};
use uwasa_agent::swarm::report::Record;
use uwasa_agent::swarm::{self, Audience, Stop};
use uwasa_agent::task;
use uwasa_core::config::Options;

const NODES: usize = 20;

#[derive(Default)]
struct Records {
    all: Vec<Record>,
    troubles: Vec<String>,
}

impl Audience for Records {
    fn told(&mut self, record: &Record) {
        self.all.push(record.clone());
    }

    fn trouble(&mut self, text: &str) {
        self.troubles.push(text.to_owned());
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// A network of loopback addresses on which nobody seems to gossip.
fn free_base() -> std::net::SocketAddrV4 {
    let addrs =
        (140..=250).map(|network| format!("127.{network}.0.1:7946").parse().expect("an address"));
    addrs.into_iter().find(|addr| UdpSocket::bind(addr).is_ok()).expect("a free port 7946")
}

/// The fast profile, but with so many transmissions that gossip misses nobody: in the profile as it is, every third event
/// misses one of twenty agents until the next push/pull.
fn options() -> Options {
    Options { retransmit_mult: 8, trace: true, ..Options::local() }
}

fn plan() -> Plan {
    let event = Action::Event { name: "deploy".to_owned(), payload: "42".to_owned() };
    let steps = [
        (3, event),
        (4, Action::Kill(Whom::Seat(4))),
        (4, Action::Leave(Whom::Seat(5))),
        // One member after another probes each of the twenty within 20 s, and two of them must have found the crash.
        (24, Action::Start(Whom::All)),
    ];
    Plan {
        nodes: NODES,
        base: free_base(),
        profile: "local".to_owned(),
        config: Arc::new(options().validate().expect("valid")),
        join_every: Duration::from_millis(5),
        join_after: Duration::ZERO,
        contacts: 3,
        seeds: Vec::new(),
        rpc: Rpc::default(),
        log_level: Level::INFO,
        steps: steps.map(|(at, action)| (Duration::from_secs(at), action)).to_vec(),
        churn: 0,
        duration: Some(Duration::from_secs(34)),
        report: None,
    }
}

#[test]
fn a_swarm_settles_hears_notices_and_leaves_nothing_behind() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut records = Records::default();
    let end = runtime.block_on(async {
        // The runtime's own descriptors are open from here on.
        let before = open_files();
        let end = swarm::run(plan(), 2, &mut records, &mut Stop::never()).await.unwrap();
        assert_eq!(open_files(), before, "descriptors are left");
        end
    });
    assert_eq!((end.tasks, task::live()), (0, 0), "tasks are left");
    assert_eq!(records.troubles, Vec::<String>::new());

    let settled: Vec<usize> = records
        .all
        .iter()
        .filter_map(|it| if let Record::Settled { agents, .. } = it { Some(*agents) } else { None })
        .collect();
    assert_eq!(settled, [NODES, NODES - 2, NODES]);

    let events: Vec<_> = records
        .all
        .iter()
        .filter_map(|it| if let Record::Event(spread) = it { Some(spread) } else { None })
        .collect();
    let [spread] = events[..] else { panic!("one event: {events:?}") };
    assert_eq!((spread.audience, spread.delays_s.len()), (NODES, NODES));

    let departures: Vec<_> = records
        .all
        .iter()
        .filter_map(|it| if let Record::Departure(departure) = it { Some(departure) } else { None })
        .collect();
    let [leave, crash] = departures[..] else { panic!("two departures: {departures:?}") };
    for (departure, node, how) in [(leave, "node-6", "leave"), (crash, "node-5", "crash")] {
        assert_eq!((departure.node.as_str(), departure.how), (node, how));
        assert_eq!((departure.observers, departure.mistaken), (NODES - 2, 0), "{departure:?}");
        assert_eq!(departure.delays_s.len(), NODES - 2, "{departure:?}");
    }
    assert_eq!(end.false_failures, 0);
}
