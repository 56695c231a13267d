//! Snapshot files of both sides, each read by the other.

use std::fs;
use std::path::{Path, PathBuf};

use uwasa_core::command::QueryParams;
use uwasa_core::snapshot::{Clocks, Restored};

use super::*;

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("uwasa-interop-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("nobody else has this folder");
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("snapshot")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(file: &Path, rejoin_after_leave: bool) -> Restored {
    let restored = Restored::read(&fs::read(file).expect("the file"), rejoin_after_leave);
    assert_eq!((restored.skipped, restored.torn_bytes), (0, 0), "every line means something");
    restored
}

/// The members a file names, with their addresses.
fn members(restored: &Restored) -> Vec<(&str, String)> {
    restored.members.iter().map(|(name, addr)| (&**name, addr.to_string())).collect()
}

/// The member whose file changes hands. Snapshot lines are cut at the last space.
const LEAVER: &str = "old böss";

/// A second node of ours, which keeps a snapshot.
fn writer(options: Options, (lab, file): (&Lab, &Path), addr: Option<SocketAddr>) -> Driver {
    let (udp, tcp) = addr.map_or_else(|| lab.network.bind(OUR_HOST + 1), bind_again);
    let options = Options { snapshot: true, ..options };
    Driver::start_with(LEAVER, options, udp, tcp, Some(file.to_owned()))
}

/// Sends an event and a query from the agent and waits until `node` has them.
fn make_history(agent: &Agent, node: &Driver) {
    for _ in 0..3 {
        agent.must("event", &["-coalesce=false", "history"]);
        agent.must("query", &["-timeout=50ms", "history"]);
    }
    wait_for_us(node, "the history", |view| {
        view.info.event_time == 4
            && view.info.query_time == 4
            && view.user_events("history").len() == 3
    });
}

/// A node of ours stops; an agent goes on under its name, at its address and with its file. It joins again by itself,
/// with clocks ahead and without delivering anything twice. Nobody notices.
#[test]
fn an_agent_goes_on_with_our_file() {
    thrice(an_agent_goes_on_with_our_file_once);
}

fn an_agent_goes_on_with_our_file_once() {
    let test = "an_agent_goes_on_with_our_file";
    let Some(lab) = Lab::open(test, 46, PLAIN) else { return };
    let folder = Folder::new(test);
    let (us, first) = lab.pair(lab.options());
    let node = writer(lab.options(), (&lab, &folder.file()), None);
    join(&node, &first);
    wait_for_status(&first, LEAVER, "alive");
    wait_for_us(&us, "our second node", |v| v.status(LEAVER) == Some(MemberStatus::Alive));
    wait_for_us(&node, "everybody", |view| view.members.len() == 3);
    make_history(&first, &node);
    let (addr, member_time) = (node.addr, node.look().info.member_time);
    drop(node);
    let restored = read(&folder.file(), false);
    let addrs = [(&*first.name, first.addr), (LEAVER, addr), (US, us.addr)];
    assert_eq!(members(&restored), addrs.map(|(name, addr)| (name, addr.to_string())));
    assert_eq!(restored.clocks, Clocks { member: member_time - 1, event: 3, query: 3 });

    let file = folder.file();
    let setup =
        Setup { name: Some(LEAVER), addr: Some(addr), snapshot: Some(&file), ..Setup::default() };
    let heir = lab.agent_with(3, &setup);
    wait_for_full_house(&us, &[&first, &heir]);
    assert_eq!(heir.wait_for_log("Re-joined to previously known node"), 1);
    wait_for("its clock goes on", || heir.info("member_time").filter(|&time| time >= member_time));
    let last = send_last(&us, &[&first, &heir]);
    assert_eq!(last, 4);
    assert_eq!(heir.logged("script output: got history"), 0, "it was delivered before");
    assert_eq!(first.story(LEAVER).iter().filter(|kind| *kind == "Leave").count(), 0);
    assert_mutual_understanding(&us, &[&first, &heir]);
}

/// Sends an event that all agents deliver; returns its time.
fn send_last(us: &Driver, agents: &[&Agent]) -> u64 {
    let command =
        Command::UserEvent { name: "last".into(), payload: Bytes::new(), coalesce: false };
    let Ok(Reply::EventSent { ltime }) = answer(us, command) else { panic!("it is sent") };
    for agent in agents {
        agent.wait_for_log(&delivery("last", ltime, ""));
    }
    ltime
}

/// The same the other way round: an agent is terminated, and a node of ours goes on with its file.
#[test]
fn we_go_on_with_an_agents_file() {
    thrice(we_go_on_with_an_agents_file_once);
}

fn we_go_on_with_an_agents_file_once() {
    let test = "we_go_on_with_an_agents_file";
    let Some(lab) = Lab::open(test, 47, PLAIN) else { return };
    let folder = Folder::new(test);
    let (us, first) = lab.pair(lab.options());
    let file = folder.file();
    let setup = Setup {
        name: Some(LEAVER),
        snapshot: Some(&file),
        join: Some(us.addr),
        ..Setup::default()
    };
    let mut agent = lab.agent_with(2, &setup);
    wait_for_full_house(&us, &[&first, &agent]);
    make_history(&first, &us);
    wait_for("the agent has the history", || {
        agent.info("event_time").zip(agent.info("query_time")).filter(|&times| times == (4, 4))
    });
    let member_time = wait_for("its clock", || agent.info("member_time"));
    agent.signal("TERM");
    agent.wait_for_end();
    let restored = read(&file, false);
    let addrs = [(&*first.name, first.addr), (LEAVER, agent.addr), (US, us.addr)];
    assert_eq!(members(&restored), addrs.map(|(name, addr)| (name, addr.to_string())));
    assert!(restored.clocks.member + 1 >= member_time, "{restored:?}");
    assert_eq!((restored.clocks.event, restored.clocks.query), (3, 3));

    let heir = writer(lab.options(), (&lab, &file), Some(agent.addr));
    wait_for_us(&heir, "it joins by itself", |view| {
        [US, &first.name].iter().all(|name| view.status(name) == Some(MemberStatus::Alive))
    });
    wait_for_status(&first, LEAVER, "alive");
    wait_for_us(&us, "it is alive", |view| view.status(LEAVER) == Some(MemberStatus::Alive));
    assert!(heir.look().info.member_time > restored.clocks.member);
    assert_eq!(send_last(&us, &[&first]), 4);
    wait_for_us(&heir, "the last event", |view| view.user_events("last").len() == 1);
    let Ok(Reply::EventSent { ltime }) = answer(
        &heir,
        Command::UserEvent { name: "next".into(), payload: Bytes::new(), coalesce: false },
    ) else {
        panic!("it is sent");
    };
    assert_eq!(ltime, 5);
    let query = QueryParams { name: "next".into(), ack: true, ..QueryParams::default() };
    let Ok(Reply::QueryDone(report)) = answer(&heir, Command::Query(query)) else {
        panic!("it ends with a report");
    };
    assert_eq!((report.id.ltime, report.acks), (4, 3));
    let view = heir.look();
    assert_eq!(view.user_events("history").len(), 0, "they were delivered before");
    assert!(view.stats.dropped(DropReason::EventTooOld) >= 3, "they came with the exchange");
    assert_mutual_understanding(&us, &[&first]);
}

/// A file with a leave in it, by either side: the members are forgotten, unless one asks for a rejoin.
#[test]
fn a_leave_in_the_file_is_understood() {
    thrice(a_leave_in_the_file_is_understood_once);
}

fn a_leave_in_the_file_is_understood_once() {
    let test = "a_leave_in_the_file_is_understood";
    let Some(lab) = Lab::open(test, 48, PLAIN) else { return };
    let folder = Folder::new(test);
    let (us, first) = lab.pair(lab.options());
    let node = writer(lab.options(), (&lab, &folder.file()), None);
    join(&node, &first);
    wait_for_us(&node, "everybody", |view| view.members.len() == 3);
    wait_for_status(&first, LEAVER, "alive");
    make_history(&first, &node);
    let addr = node.addr;
    assert_eq!(answer(&node, Command::Leave), Ok(Reply::Left));
    drop(node);
    let restored = read(&folder.file(), false);
    assert_eq!((members(&restored), restored.clocks.event, restored.clocks.query), (vec![], 0, 0));
    assert_eq!(members(&read(&folder.file(), true)).len(), 3);

    let file = folder.file();
    let setup =
        Setup { name: Some(LEAVER), addr: Some(addr), snapshot: Some(&file), ..Setup::default() };
    let mut stranger = lab.agent_with(3, &setup);
    assert_eq!(stranger.logged("Attempting re-join"), 0, "it took the leave for meant");
    stranger.signal("TERM");
    stranger.wait_for_end();
    assert_eq!(first.status(LEAVER).as_deref(), Some("left"));

    let setup = Setup { join: Some(first.addr), ..setup };
    let mut agent = lab.agent_with(3, &setup);
    wait_for_full_house(&us, &[&first, &agent]);
    agent.must("leave", &[]);
    agent.wait_for_end();
    assert_eq!(members(&read(&file, false)), []);
    assert_eq!(members(&read(&file, true)).len(), 3);

    let options = Options { rejoin_after_leave: true, ..lab.options() };
    let node = writer(options, (&lab, &file), Some(addr));
    wait_for_us(&node, "it joins by itself", |view| view.members.len() == 3);
    wait_for_status(&first, LEAVER, "alive");
    assert_eq!(answer(&node, Command::Leave), Ok(Reply::Left));
    drop(node);
    wait_for_status(&first, LEAVER, "left");

    let setup = Setup { join: None, rejoin: true, ..setup };
    let agent = lab.agent_with(3, &setup);
    wait_for_full_house(&us, &[&first, &agent]);
    assert_eq!(agent.wait_for_log("Re-joined to previously known node"), 1);
    assert_mutual_understanding(&us, &[&first, &agent]);
}
