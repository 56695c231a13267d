//! What people look at while something happens elsewhere.

use nix::sys::signal::Signal;

use crate::world::{Kind::Ours, Wire, World};

#[test]
fn a_second_terminal_watches_the_cluster() {
    let world = World::new(Wire::Plain);
    let host1 = world.agent(Ours, "host1").start();
    host1.terminal.shows("agent: Received event: member-join");
    let mut monitor = host1.terminal_of(Ours, &["monitor"]);
    monitor.shows("[INFO] agent: Serf agent starting\n");
    // Its own two requests come one after the other: the stream is there before the log.
    let mut host2 = world.agent(Ours, "host2").joining(&host1).start();
    monitor.shows(&format!("[INFO] serf: EventMemberJoin: host2 {}\n", host2.ip));
    monitor.shows("[INFO] agent: Received event: member-join\n");
    monitor.shows("\tEvent: \"member-join\"\n");
    host2.does(&["event", "-coalesce=false", "deploy", "hi"]);
    monitor.shows("[INFO] agent: Received event: user-event: deploy\n");
    monitor.shows("\tPayload: []byte{0x68, 0x69}\n");
    assert_eq!(host2.interrupt(), Some(0));
    monitor.shows(&format!("[INFO] serf: EventMemberLeave: host2 {}\n", host2.ip));
    monitor.shows("\tEvent: \"member-leave\"\n");
    assert!(!monitor.shown().contains("[DEBUG]"), "{}", monitor.shown());
    monitor.signal(Signal::SIGINT);
    assert_eq!(monitor.ends(), Some(0));
    // The agent does not mind.
    assert_eq!(host1.members().len(), 2);
}

#[test]
fn a_monitor_ends_with_its_agent() {
    let world = World::new(Wire::Plain);
    let mut host1 = world.agent(Ours, "host1").start();
    let mut monitor = host1.terminal_of(Ours, &["monitor", "-log-level=warn"]);
    host1.terminal.shows("agent.ipc: Accepted client: ");
    host1.does(&["leave"]);
    assert_eq!(host1.terminal.ends(), Some(0));
    assert_eq!(monitor.ends(), Some(1));
    let end = "\nRemote side ended the monitor! This usually means that the\n\
               remote side has exited or crashed.\n";
    assert!(monitor.shown().ends_with(end), "{}", monitor.shown());
}

#[test]
fn terminating_is_no_goodbye_unless_it_is_configured() {
    let world = World::new(Wire::Plain);
    let a = world.agent(Ours, "a").start();
    let polite = world.write("polite.json", r#"{"leave_on_terminate": true}"#);
    let silent = world.write("silent.json", r#"{"skip_leave_on_interrupt": true}"#);
    let mut rude = world.agent(Ours, "rude").joining(&a).start();
    let mut polite =
        world.agent(Ours, "polite").with("-config-file").with(polite).joining(&a).start();
    let mut silent =
        world.agent(Ours, "silent").with("-config-file").with(silent).joining(&a).start();
    for name in ["rude", "polite", "silent"] {
        a.sees(name, "alive");
    }
    rude.signal(Signal::SIGTERM);
    polite.signal(Signal::SIGTERM);
    silent.signal(Signal::SIGINT);
    assert_eq!(rude.terminal.ends(), Some(1));
    assert_eq!(polite.terminal.ends(), Some(0));
    assert_eq!(silent.terminal.ends(), Some(1));
    a.sees("polite", "left");
    a.sees("rude", "failed");
    a.sees("silent", "failed");
}
