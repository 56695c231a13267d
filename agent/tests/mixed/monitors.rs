//! `serf monitor` of each program at the other's agent.

use nix::sys::signal::Signal;

use crate::world::{BOTH_WAYS, Terminal, Wire, World, at_once, has_peer, wait_for};

/// The event blocks of a monitor: the fields of each, in order.
fn blocks(text: &str) -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "Event Info:" {
            let mut fields = Vec::new();
            while let Some(field) = lines.next_if(|line| line.starts_with('\t')) {
                fields.push(field.trim_start().to_owned());
            }
            fields.sort_unstable();
            blocks.push(fields);
        }
    }
    blocks
}

fn shows_block(monitor: &Terminal, want: &[&str]) {
    let what = format!("the block {want:?}");
    wait_for(&what, || {
        let shown = monitor.shown();
        if blocks(&shown).iter().any(|block| block == want) { Ok(()) } else { Err(shown) }
    });
}

#[test]
fn monitors_show_the_others_events_and_records() {
    if !has_peer("monitors_show_the_others_events_and_records") {
        return;
    }
    at_once(&BOTH_WAYS, |&(watches, runs)| {
        let world = World::new(Wire::Plain);
        let mut agent = world.agent(runs, "watched").tag("role=web").start();
        // Its own join is over before anybody watches.
        agent.terminal.shows("agent: Received event: member-join");
        let mut monitor = agent.terminal_of(watches, &["monitor", "-log-level=debug"]);
        let mut quiet = agent.terminal_of(watches, &["monitor", "-log-level=err"]);
        // Each monitor has its stream before its log; the quiet one has no log, and the agent tells of its client.
        monitor.shows("[INFO] agent: Serf agent starting");
        agent.terminal.shows_times("agent.ipc: Accepted client", 2);
        agent.does(&["event", "-coalesce=false", "wake"]);
        for monitor in [&monitor, &quiet] {
            let what = "the stream is open";
            wait_for(what, || {
                let shown = monitor.shown();
                if shown.contains("\"wake\"") {
                    return Ok(());
                }
                agent.does(&["event", "-coalesce=false", "wake"]);
                Err(shown)
            });
        }

        agent.does(&["event", "-coalesce=false", "deploy", "v1\u{e9}"]);
        agent.does(&["query", "-timeout=100ms", "load"]);
        let member = world.agent(watches, "new").joining(&agent).start();
        let [a, b, c, d] = match agent.ip {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => unreachable!("this world is IPv4"),
        };
        let members = format!(
            "Members: []interface {{}}{{map[interface {{}}]interface {{}}{{\
             \"Addr\":[]uint8{{{a:#x}, {b:#x}, {c:#x}, {:#x}}}, \
             \"DelegateCur\":5, \"DelegateMax\":5, \"DelegateMin\":2, \"Name\":\"new\", \
             \"Port\":0x1f0a, \"ProtocolCur\":2, \"ProtocolMax\":5, \"ProtocolMin\":1, \
             \"Status\":\"alive\", \"Tags\":map[interface {{}}]interface {{}}{{}}}}}}",
            d + 1
        );
        for monitor in [&monitor, &quiet] {
            shows_block(monitor, &["Event: \"member-join\"", &members]);
            let block = blocks(&monitor.shown())
                .into_iter()
                .find(|it| it.iter().any(|field| field == "Name: \"deploy\""));
            let block = block.expect("the event came before the member");
            let time = block.iter().find(|field| field.starts_with("LTime: ")).expect("a time");
            assert_eq!(
                block,
                [
                    "Coalesce: false",
                    "Event: \"user\"",
                    time,
                    "Name: \"deploy\"",
                    "Payload: []byte{0x76, 0x31, 0xc3, 0xa9}"
                ]
            );
            let query =
                ["Event: \"query\"", "ID: 1", "LTime: 1", "Name: \"load\"", "Payload: <nil>"];
            shows_block(monitor, &query);
        }
        monitor.shows(
            "[DEBUG] agent: Requesting user event send: deploy. Coalesced: false. Payload: \"v1é\"",
        );
        monitor.shows("[INFO] agent: Received event: query: load");
        monitor.shows("[INFO] serf: EventMemberJoin: new ");
        assert!(!quiet.shown().contains(" [INFO] "), "{}", quiet.shown());
        drop(member);

        // Ctrl-C at one; the other sees the agent end.
        monitor.signal(Signal::SIGINT);
        assert_eq!(monitor.ends(), Some(0));
        agent.halt();
        assert_eq!(quiet.ends(), Some(1));
        assert!(quiet.shown().ends_with(
            "\nRemote side ended the monitor! This usually means that the\n\
             remote side has exited or crashed.\n"
        ));
    });
}
