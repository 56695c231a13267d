//! Our node against real `serf agent` processes, over loopback sockets: membership, user events, failure detection,
//! refutation and leaving, plain and encrypted.
//!
//! The agents are Debian's binary, used as a black box. Without it every test here is skipped with one line, unless
//! `UWASA_REQUIRE_PEER=1` demands it.
//!
//! Real time and the protocol's own chances are part of these tests: the agents' profile sends a message twice and then
//! never again, so that a busy machine misses an intent, a query or a prune now and then, and the agents among
//! themselves do too. A test that fails is therefore run again in a new cluster, at most twice, and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "the core itself never touches sockets, threads, clocks or the environment; this driver must"
)]

#[path = "interop/conflicts.rs"]
mod conflicts;
#[path = "interop/departures.rs"]
mod departures;
#[path = "interop/disk.rs"]
mod disk;
#[path = "interop/driver.rs"]
mod driver;
#[path = "interop/figures.rs"]
mod figures;
#[path = "interop/peer.rs"]
mod peer;
#[path = "interop/queries.rs"]
mod queries;
#[path = "interop/returns.rs"]
mod returns;
#[path = "interop/snapshots.rs"]
mod snapshots;
#[path = "interop/tags.rs"]
mod tags;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::config::Options;
use uwasa_core::event::MemberEventKind;
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::stats::DropReason;
use uwasa_core::tags::Tags;
use uwasa_core::trace::{MemberStatus, ProbeOutcome, Trace};

use driver::{Driver, Told, View};
use peer::{
    Agent, Network, Setup, bind_again, complaints, delivery, handled, is_installed, pause,
    wait_for, wait_for_with,
};

/// How long we wait before we say something again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs a test until it passes, three times at most.
fn thrice(test: fn()) {
    for run in 1..3 {
        if std::panic::catch_unwind(test).is_ok() {
            return;
        }
        let _ = writeln!(
            std::io::stderr(),
            "run {run} failed, as shown above: once more in a new cluster"
        );
    }
    test();
}

const US: &str = "uwasa";
/// Our host number; agents count from 1.
const OUR_HOST: u8 = 100;
/// The tags we set.
fn our_tags() -> Tags {
    [("role", US)].into_iter().collect()
}

/// A key as both sides want to have it.
#[derive(Clone, Copy)]
struct KeyPair {
    bytes: &'static [u8],
    base64: &'static str,
}

const AES_128: KeyPair = KeyPair { bytes: b"sixteen byte key", base64: "c2l4dGVlbiBieXRlIGtleQ==" };
const AES_256: KeyPair = KeyPair {
    bytes: b"thirty-two bytes make an AES key",
    base64: "dGhpcnR5LXR3byBieXRlcyBtYWtlIGFuIEFFUyBrZXk=",
};

/// How the two sides are set up.
#[derive(Clone, Copy)]
struct Variant {
    key: Option<KeyPair>,
    our_compression: bool,
    agent_compression: bool,
}

const PLAIN: Variant = Variant { key: None, our_compression: true, agent_compression: true };

/// The place of one test.
struct Lab {
    network: Network,
    variant: Variant,
}

impl Lab {
    /// `number` is unique per test. `None`: there is no peer to test against.
    fn open(test: &str, number: u8, variant: Variant) -> Option<Self> {
        is_installed(test).then(|| Self { network: Network::new(number), variant })
    }

    fn options(&self) -> Options {
        let key = |pair: KeyPair| Key::new(pair.bytes).expect("16 or 32 bytes");
        let keyring = self.variant.key.map(|pair| Keyring::with_primary(key(pair)));
        Options {
            compression: self.variant.our_compression,
            keyring: keyring.unwrap_or_default(),
            ..Options::local()
        }
    }

    fn us(&self) -> Driver {
        self.us_with(self.options())
    }

    fn us_with(&self, options: Options) -> Driver {
        let (udp, tcp) = self.network.bind(OUR_HOST);
        Driver::start(US, options, udp, tcp)
    }

    /// Starts us at an address that was ours before.
    fn us_at(&self, addr: SocketAddr) -> Driver {
        let (udp, tcp) = bind_again(addr);
        Driver::start(US, self.options(), udp, tcp)
    }

    /// Starts agent number `host`, with a tag `role=web`.
    fn agent(&self, host: u8, join: Option<&Agent>) -> Agent {
        self.agent_at(host, join.map(|agent| agent.addr))
    }

    fn agent_at(&self, host: u8, join: Option<SocketAddr>) -> Agent {
        self.agent_with(host, &Setup { join, tags: &["role=web"], ..Setup::default() })
    }

    /// Starts an agent as `setup` says, with the key and the compression of this lab.
    fn agent_with(&self, host: u8, setup: &Setup<'_>) -> Agent {
        let setup = Setup {
            key: self.variant.key.map(|pair| pair.base64),
            no_compression: !self.variant.agent_compression,
            ..*setup
        };
        Agent::start(&self.network, host, &setup)
    }

    /// Agents 1 and 2 in one cluster, then us: everybody sees everybody alive.
    fn trio(&self) -> (Driver, [Agent; 2]) {
        self.trio_with(self.options())
    }

    fn trio_with(&self, options: Options) -> (Driver, [Agent; 2]) {
        let first = self.agent(1, None);
        let second = self.agent(2, Some(&first));
        let us = self.us_with(options);
        join(&us, &first);
        wait_for_full_house(&us, &[&first, &second]);
        (us, [first, second])
    }

    /// Agent 1 and us: with nobody to confirm a suspicion, a death takes the shortest timeout.
    fn pair(&self, options: Options) -> (Driver, Agent) {
        let agent = self.agent(1, None);
        let us = self.us_with(options);
        join(&us, &agent);
        wait_for_full_house(&us, &[&agent]);
        (us, agent)
    }
}

/// Waits for the answer to a command.
fn answer(us: &Driver, command: Command) -> Result<Reply, OpError> {
    let op = us.command(command);
    wait_for("an answer to our command", || us.look().answers.get(&op).cloned())
}

/// We join at `seed`.
fn join(us: &Driver, seed: &Agent) {
    let joined = answer(us, Command::Join { seeds: vec![seed.addr], replay_events: true });
    assert_eq!(joined, Ok(Reply::Joined { contacted: 1 }));
}

/// Waits until our node satisfies `holds`.
fn wait_for_us(us: &Driver, what: &str, holds: impl Fn(&View) -> bool) -> View {
    wait_for_with(what, &mut None, |last| {
        let view = us.look();
        let held = holds(&view).then(|| view.clone());
        *last = Some(view);
        held
    })
}

/// Has `agent` prune a dead member until we have erased it, too.
///
/// In this profile an agent sends a message only twice, and may send both copies to the dead: then nobody hears it, and
/// no exchange makes up for it.
fn prune_at(agent: &Agent, name: &str, us: &Driver) {
    wait_for("we erase what the agent prunes", || {
        agent.must("force-leave", &["-prune", name]);
        let end = Instant::now() + PATIENCE;
        while us.look().status(name).is_some() {
            if Instant::now() > end {
                return None;
            }
            pause();
        }
        Some(())
    });
}

/// Waits until `agent` shows `name` with `status`.
fn wait_for_status(agent: &Agent, name: &str, status: &str) {
    let what = format!("{} shows {name} as {status}", agent.name);
    wait_for(&what, || agent.status(name).filter(|found| found == status));
}

fn wait_for_full_house(us: &Driver, agents: &[&Agent]) {
    wait_for_us(us, "we see every agent alive", |view| {
        agents.iter().all(|agent| view.status(&agent.name) == Some(MemberStatus::Alive))
    });
    for agent in agents {
        wait_for_status(agent, US, "alive");
        for other in agents {
            wait_for_status(agent, &other.name, "alive");
        }
    }
}

/// Nobody got bytes it could not use, and we never saw anybody fail.
fn assert_mutual_understanding(us: &Driver, agents: &[&Agent]) {
    let view = us.look();
    for (reason, name) in DropReason::ALL {
        // An ack may come after its probe on a busy machine.
        if reason != DropReason::UnknownSeqNo {
            assert_eq!(view.stats.dropped(reason), 0, "we dropped input as {name}");
        }
    }
    for agent in agents {
        let log = agent.log();
        assert_eq!(complaints(&log), Vec::<&str>::new(), "{} understood us", agent.name);
    }
}

/// What we reported about one member, in order and in the words of [`Agent::story`].
fn story(view: &View, name: &str) -> Vec<String> {
    let kind = |told: &Told| {
        let Told::Member(kind, about) = told else { return None };
        (about == name).then(|| format!("{kind:?}"))
    };
    view.told.iter().filter_map(kind).collect()
}

fn count(view: &View, told: &Told) -> usize {
    view.told.iter().filter(|&found| found == told).count()
}

/// We join a cluster of two agents; both sides show each other with address and tags, and report each join once.
fn we_join(lab: &Lab) {
    let (us, [first, second]) = lab.trio();
    for agent in [&first, &second] {
        let shown = agent.member(US).expect("it shows us");
        assert_eq!(shown["addr"], json!(us.addr.to_string()));
        assert_eq!(shown["port"], json!(us.addr.port()));
        assert_eq!(shown["protocol"], json!({ "min": 2, "max": 5, "version": 5 }));
        assert_eq!(agent.wait_for_log(&format!("EventMemberJoin: {US} ")), 1);
    }
    let view = us.look();
    assert_eq!(view.members.len(), 3);
    for agent in [&first, &second] {
        let seen = &view.members[&agent.name];
        assert_eq!(seen.addr, agent.addr);
        assert_eq!(seen.meta, b"\xff\x81\xa4role\xa3web");
        assert_eq!(count(&view, &Told::Member(MemberEventKind::Join, agent.name.clone())), 1);
    }
    assert_eq!(answer(&us, Command::SetTags(our_tags())), Ok(Reply::TagsSet));
    for agent in [&first, &second] {
        wait_for("the agent shows our new tag", || {
            agent.member(US).filter(|shown| shown["tags"] == json!({ "role": US }))
        });
    }
    second.must("tags", &["-set", "role=db"]);
    wait_for_us(&us, "we hear of the agent's new tag", |view| {
        count(view, &Told::Member(MemberEventKind::Update, second.name.clone())) == 1
    });
    assert_eq!(us.look().members[&second.name].meta, b"\xff\x81\xa4role\xa2db");
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// One agent joins at our address when it starts, another one by command; everybody then sees everybody.
fn agents_join_us(lab: &Lab) {
    let us = lab.us();
    let early = lab.agent_at(1, Some(us.addr));
    let late = lab.agent(2, None);
    late.must("join", &[&us.addr.to_string()]);
    wait_for_full_house(&us, &[&early, &late]);
    let view = us.look();
    for agent in [&early, &late] {
        assert_eq!(view.members[&agent.name].addr, agent.addr);
        assert_eq!(agent.member(US).expect("it shows us")["addr"], json!(us.addr.to_string()));
    }
    assert_mutual_understanding(&us, &[&early, &late]);
}

/// Sends one event of ours and waits until both agents have run their handlers for it. Returns what they log.
fn send_ours(us: &Driver, agents: &[Agent; 2], name: &str, payload: &str) -> String {
    let command = Command::UserEvent {
        name: name.into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        coalesce: false,
    };
    let ltime = match answer(us, command) {
        Ok(Reply::EventSent { ltime }) => ltime,
        other => panic!("the event was not sent: {other:?}"),
    };
    let line = delivery(name, ltime, payload);
    for agent in agents {
        agent.wait_for_log(&line);
    }
    line
}

/// Events go both ways with their payload and Lamport time, and everybody delivers each of them once, although two
/// further full exchanges carry them again.
fn events_travel(lab: &Lab) {
    let (us, agents) = lab.trio();
    // Long and repetitive, so that compression pays; not ASCII, so that bytes are counted as bytes.
    let payload = format!("Grüße, {}", "release 42 ".repeat(35).trim_end());
    let ours = send_ours(&us, &agents, "from-us", &payload);

    agents[0].must("event", &["-coalesce=false", "from-go", &payload]);
    let view =
        wait_for_us(&us, "the agent's event", |view| !view.user_events("from-go").is_empty());
    let event = view.user_events("from-go")[0];
    assert_eq!(event.payload, payload.as_bytes());
    assert!(!event.coalesce);
    let theirs = delivery("from-go", event.ltime, &payload);

    agents[0].must("join", &["-replay", &us.addr.to_string()]);
    join(&us, &agents[1]);
    let last = send_ours(&us, &agents, "last", "");
    for line in [ours, theirs, last] {
        for agent in &agents {
            assert_eq!(agent.wait_for_log(&line), 1, "{} delivers once: {line}", agent.name);
        }
    }
    for name in ["from-us", "from-go", "last"] {
        assert_eq!(us.look().user_events(name).len(), 1, "we deliver {name} once");
    }
    assert_mutual_understanding(&us, &[&agents[0], &agents[1]]);
}

/// How our probes of `name` ended, in order.
fn outcomes(view: &View, name: &str) -> Vec<ProbeOutcome> {
    let outcome = |trace: &Trace| {
        let Trace::ProbeEnded { target, outcome, .. } = *trace else { return None };
        (view.name(target) == name).then_some(outcome)
    };
    view.traces.iter().filter_map(outcome).collect()
}

/// Joining in both directions and events, one cluster after the other.
fn everything(test: &str, number: u8, variant: Variant) {
    let Some(lab) = Lab::open(test, number, variant) else { return };
    we_join(&lab);
    agents_join_us(&lab);
    events_travel(&lab);
}

/// In plain text: our join, addresses, versions, tags and their updates, in both directions.
#[test]
fn we_join_a_running_cluster() {
    thrice(we_join_a_running_cluster_once);
}

fn we_join_a_running_cluster_once() {
    let Some(lab) = Lab::open("we_join_a_running_cluster", 1, PLAIN) else { return };
    we_join(&lab);
}

/// In plain text: we answer the first push/pull of an agent that joins at us.
#[test]
fn agents_join_at_our_address() {
    thrice(agents_join_at_our_address_once);
}

fn agents_join_at_our_address_once() {
    let Some(lab) = Lab::open("agents_join_at_our_address", 2, PLAIN) else { return };
    agents_join_us(&lab);
}

/// In plain text: user events arrive with their content in both directions, once each.
#[test]
fn user_events_travel_both_ways_once() {
    thrice(user_events_travel_both_ways_once_once);
}

fn user_events_travel_both_ways_once_once() {
    let Some(lab) = Lab::open("user_events_travel_both_ways_once", 3, PLAIN) else { return };
    events_travel(&lab);
}

/// The same with AES-128 on datagrams and streams.
#[test]
fn everything_works_with_aes_128() {
    thrice(everything_works_with_aes_128_once);
}

fn everything_works_with_aes_128_once() {
    everything("everything_works_with_aes_128", 4, Variant { key: Some(AES_128), ..PLAIN });
}

/// The same with AES-256, and with our side not compressing below the encryption.
#[test]
fn everything_works_with_aes_256_and_without_our_compression() {
    thrice(everything_works_with_aes_256_and_without_our_compression_once);
}

fn everything_works_with_aes_256_and_without_our_compression_once() {
    let variant = Variant { key: Some(AES_256), our_compression: false, ..PLAIN };
    everything("everything_works_with_aes_256_and_without_our_compression", 5, variant);
}

/// The same while only the agents compress.
#[test]
fn everything_works_without_our_compression() {
    thrice(everything_works_without_our_compression_once);
}

fn everything_works_without_our_compression_once() {
    let variant = Variant { our_compression: false, ..PLAIN };
    everything("everything_works_without_our_compression", 6, variant);
}

/// The same while only we compress: the agents read our LZW.
#[test]
fn everything_works_without_the_agents_compression() {
    thrice(everything_works_without_the_agents_compression_once);
}

fn everything_works_without_the_agents_compression_once() {
    let variant = Variant { agent_compression: false, ..PLAIN };
    everything("everything_works_without_the_agents_compression", 7, variant);
}

/// A node with another key stays outside: its join fails, and neither side shows the other.
#[test]
fn another_key_keeps_us_out() {
    thrice(another_key_keeps_us_out_once);
}

fn another_key_keeps_us_out_once() {
    let variant = Variant { key: Some(AES_256), ..PLAIN };
    let Some(lab) = Lab::open("another_key_keeps_us_out", 8, variant) else { return };
    let agent = lab.agent(1, None);
    let key = Key::new(AES_128.bytes).expect("16 bytes");
    let us = lab.us_with(Options { keyring: Keyring::with_primary(key), ..lab.options() });
    let joined = answer(&us, Command::Join { seeds: vec![agent.addr], replay_events: true });
    assert!(matches!(&joined, Err(OpError::JoinFailed { failures }) if failures.len() == 1));
    wait_for("the agent complains", || (!complaints(&agent.log()).is_empty()).then_some(()));
    assert_eq!(agent.status(US), None);
    assert_eq!(us.look().members.len(), 1);
}

/// An agent killed without goodbye becomes dead for us and failed for the other agent, once, and never "left". The
/// other agent, which we ask for help, reports that it hears nothing either.
#[test]
fn a_killed_agent_is_detected() {
    thrice(a_killed_agent_is_detected_once);
}

fn a_killed_agent_is_detected_once() {
    let Some(lab) = Lab::open("a_killed_agent_is_detected", 9, PLAIN) else { return };
    let (us, [first, mut second]) = lab.trio();
    second.kill();
    let view = wait_for_us(&us, "we declare the killed agent dead", |view| {
        view.status(&second.name) == Some(MemberStatus::Failed)
    });
    assert_eq!(count(&view, &Told::Member(MemberEventKind::Failed, second.name.clone())), 1);
    assert_eq!(count(&view, &Told::Member(MemberEventKind::Leave, second.name.clone())), 0);
    let nacked = |outcome: &ProbeOutcome| {
        matches!(*outcome, ProbeOutcome::Failed { nacks_expected: 1, nacks_received: 1 })
    };
    assert!(outcomes(&view, &second.name).iter().any(nacked), "{:?}", view.traces);
    wait_for_status(&first, &second.name, "failed");
    wait_for_full_house(&us, &[&first]);
    assert_mutual_understanding(&us, &[&first]);
}

/// When we fall silent, the agent marks us failed, and we it; after a new join both refute their own death.
#[test]
fn our_silence_is_detected_and_a_new_join_heals_it() {
    thrice(our_silence_is_detected_and_a_new_join_heals_it_once);
}

fn our_silence_is_detected_and_a_new_join_heals_it_once() {
    let test = "our_silence_is_detected_and_a_new_join_heals_it";
    let Some(lab) = Lab::open(test, 10, PLAIN) else { return };
    let (us, agent) = lab.pair(lab.options());
    us.faults.all.store(true, Ordering::SeqCst);
    wait_for_status(&agent, US, "failed");
    assert_eq!(agent.wait_for_log(&format!("EventMemberFailed: {US} ")), 1);
    wait_for_us(&us, "we declare the agent dead", |view| {
        view.status(&agent.name) == Some(MemberStatus::Failed)
    });

    us.faults.all.store(false, Ordering::SeqCst);
    join(&us, &agent);
    wait_for_full_house(&us, &[&agent]);
    let view = us.look();
    assert!(view.members[US].incarnation > 1, "we refuted");
    assert!(view.members[&agent.name].incarnation > 1, "the agent refuted");
    assert_eq!(count(&view, &Told::Member(MemberEventKind::Join, agent.name.clone())), 2);
}

/// While no datagram reaches us, both sides keep each other alive by stream pings.
fn streams_replace_datagrams(lab: &Lab) {
    // The stream ping gets the rest of the probe interval: enough of it for a busy machine.
    let interval = Duration::from_secs(3);
    let (us, agent) = lab.pair(Options { probe_interval: interval, ..lab.options() });
    us.faults.datagrams_in.store(true, Ordering::SeqCst);
    wait_for_us(&us, "a probe of ours that only the stream answered", |view| {
        outcomes(view, &agent.name).contains(&ProbeOutcome::Stream)
    });
    let warning = format!("Was able to connect to {US} ");
    agent.wait_for_log(&warning);
    us.faults.datagrams_in.store(false, Ordering::SeqCst);
    wait_for_full_house(&us, &[&agent]);
    assert_eq!(count(&us.look(), &Told::Member(MemberEventKind::Failed, agent.name.clone())), 0);
    assert_eq!(agent.logged("EventMemberFailed"), 0);
    assert_mutual_understanding(&us, &[&agent]);
}

/// With the path to one agent cut, the other one relays our probe and its ack. It does not fail us either.
#[test]
fn an_agent_relays_probes() {
    thrice(an_agent_relays_probes_once);
}

fn an_agent_relays_probes_once() {
    let Some(lab) = Lab::open("an_agent_relays_probes", 16, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    us.faults.cut.set(second.addr).expect("it is the first cut");
    wait_for_us(&us, "a probe of ours that a relay answered", |view| {
        outcomes(view, &second.name).contains(&ProbeOutcome::Late)
    });
    second.wait_for_log(&format!("Failed ping: {US} "));
    assert_eq!(count(&us.look(), &Told::Member(MemberEventKind::Failed, second.name.clone())), 0);
    wait_for_full_house(&us, &[&first, &second]);
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// In plain text: a stream ping stands in for a lost datagram, asked and answered.
#[test]
fn stream_pings_stand_in_for_datagrams() {
    thrice(stream_pings_stand_in_for_datagrams_once);
}

fn stream_pings_stand_in_for_datagrams_once() {
    let Some(lab) = Lab::open("stream_pings_stand_in_for_datagrams", 11, PLAIN) else { return };
    streams_replace_datagrams(&lab);
}

/// The same with encrypted streams.
#[test]
fn encrypted_stream_pings_stand_in_for_datagrams() {
    thrice(encrypted_stream_pings_stand_in_for_datagrams_once);
}

fn encrypted_stream_pings_stand_in_for_datagrams_once() {
    let variant = Variant { key: Some(AES_128), ..PLAIN };
    let test = "encrypted_stream_pings_stand_in_for_datagrams";
    let Some(lab) = Lab::open(test, 12, variant) else { return };
    streams_replace_datagrams(&lab);
}

/// Our refutations so far: the incarnations that were accused.
fn accused(view: &View) -> Vec<u32> {
    let accused = |trace: &Trace| {
        if let Trace::Refuted { accused, .. } = *trace { Some(accused) } else { None }
    };
    view.traces.iter().filter_map(accused).collect()
}

/// We answer no probe, but hear the suspicion and refute it. The agents believe us: the next suspicion names our new
/// incarnation. They never mark us failed.
#[test]
fn we_refute_suspicions() {
    thrice(we_refute_suspicions_once);
}

fn we_refute_suspicions_once() {
    let Some(lab) = Lab::open("we_refute_suspicions", 13, PLAIN) else { return };
    // Lost replies use up transmissions of a refutation that rides on them; enough must be left.
    let (us, [first, second]) = lab.trio_with(Options { retransmit_mult: 10, ..lab.options() });
    us.faults.replies.store(true, Ordering::SeqCst);
    us.faults.streams_in.store(true, Ordering::SeqCst);
    wait_for_us(&us, "a second suspicion that names the incarnation of our refutation", |view| {
        accused(view).last().is_some_and(|&last| last > 1)
    });
    us.faults.replies.store(false, Ordering::SeqCst);
    us.faults.streams_in.store(false, Ordering::SeqCst);

    let suspected = format!("Suspect {US} has failed, no acks received");
    wait_for("an agent logs the suspicion", || {
        (first.logged(&suspected) + second.logged(&suspected) > 0).then_some(())
    });
    wait_for_full_house(&us, &[&first, &second]);
    for agent in [&first, &second] {
        assert_eq!(agent.logged(&format!("EventMemberFailed: {US} ")), 0);
    }
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// After our leave the agents show us as left, without having suspected us.
#[test]
fn our_leave_is_heard() {
    thrice(our_leave_is_heard_once);
}

fn our_leave_is_heard_once() {
    let Some(lab) = Lab::open("our_leave_is_heard", 14, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    assert_eq!(answer(&us, Command::Leave), Ok(Reply::Left));
    for agent in [&first, &second] {
        wait_for_status(agent, US, "left");
        assert_eq!(agent.logged(&format!("EventMemberFailed: {US} ")), 0);
        assert_eq!(agent.logged(&format!("Suspect {US} has failed")), 0);
    }
    assert_eq!(us.look().status(US), Some(MemberStatus::Left));
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// An agent that leaves gracefully is *left* for us and for the other agent, and is reported once: we pass its intent on.
#[test]
fn a_leaving_agent_is_left() {
    thrice(a_leaving_agent_is_left_once);
}

fn a_leaving_agent_is_left_once() {
    let Some(lab) = Lab::open("a_leaving_agent_is_left", 15, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    second.must("leave", &[]);
    let view = wait_for_us(&us, "we hear that the agent left", |view| {
        view.status(&second.name) == Some(MemberStatus::Left)
    });
    assert_eq!(count(&view, &Told::Member(MemberEventKind::Leave, second.name.clone())), 1);
    assert_eq!(count(&view, &Told::Member(MemberEventKind::Failed, second.name.clone())), 0);
    wait_for_status(&first, &second.name, "left");
    assert_eq!(first.logged(&format!("Suspect {} has failed", second.name)), 0);
    wait_for_full_house(&us, &[&first]);
    assert_mutual_understanding(&us, &[&first, &second]);
}
