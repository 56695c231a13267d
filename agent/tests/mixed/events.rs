//! User events both ways: payloads, coalescing, sizes, replays.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::world::{Agent, BOTH_WAYS, Kind, Wire, World, all_ways, at_once, has_peer};

/// Everything that an argument can carry: each byte but NUL.
fn all_bytes() -> Vec<u8> {
    (1..=255).collect()
}

fn event(words: &[&str], payload: &[u8]) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec!["event".into()];
    command.extend(words.iter().map(OsString::from));
    command.push(OsStr::from_bytes(payload).to_owned());
    command
}

/// What a handler reads: the payload, with a line end if there is none.
fn as_input(payload: &[u8]) -> Vec<u8> {
    let mut input = payload.to_vec();
    if !payload.is_empty() && !payload.ends_with(b"\n") {
        input.push(b'\n');
    }
    input
}

/// Two agents that know each other.
fn pair(world: &World, first: Kind, second: Kind) -> [Agent; 2] {
    let host = world.agent(first, "host").recording().start();
    let guest = world.agent(second, "guest").recording().joining(&host).start();
    host.sees("guest", "alive");
    guest.sees("host", "alive");
    [host, guest]
}

#[test]
fn payloads_arrive_byte_for_byte() {
    if !has_peer("payloads_arrive_byte_for_byte") {
        return;
    }
    let ways: Vec<_> =
        all_ways().into_iter().filter(|(_, first, _)| *first == Kind::Ours).collect();
    at_once(&ways, |&(wire, first, second)| {
        let world = World::new(wire);
        let agents = pair(&world, first, second);
        let payloads: [(&str, &[u8]); 4] =
            [("bytes", &all_bytes()), ("empty", b""), ("line", b"one\n"), ("lines", b"one\ntwo")];
        // With a name of one byte: 512 bytes for the whole message. Not the same from both: sent before either has heard
        // of the other's, they would have one Lamport time and be one event.
        let largest = |from: &Agent| vec![from.name.as_bytes()[0]; 481];
        for from in &agents {
            let largest = largest(from);
            for (name, payload) in payloads.into_iter().chain([("m", &largest[..])]) {
                let name = format!("{}{name}", if name == "m" { "" } else { &from.name });
                let said = from.told_by(from.kind, &event(&["-coalesce=false", &name], payload));
                assert_eq!(
                    said.well(),
                    format!("Event '{name}' dispatched! Coalescing enabled: false\n")
                );
            }
        }
        for from in &agents {
            for (name, payload) in &payloads {
                let name = format!("{}{name}", from.name);
                for agent in &agents {
                    let heard = agent.hears(&name, 1);
                    assert_eq!(heard[0].event, "user");
                    assert_eq!(heard[0].input, as_input(payload), "{name} at {}", agent.name);
                }
            }
        }
        for agent in &agents {
            let mut inputs: Vec<_> = agent.hears("m", 2).into_iter().map(|it| it.input).collect();
            inputs.sort_unstable();
            let mut expected: Vec<_> = agents.iter().map(|from| as_input(&largest(from))).collect();
            expected.sort_unstable();
            assert_eq!(inputs, expected);
        }
    });
}

#[test]
fn without_coalescing_every_event_arrives_with_its_time() {
    if !has_peer("without_coalescing_every_event_arrives_with_its_time") {
        return;
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let [host, guest] = pair(&world, first, second);
        for number in ["1", "2", "3"] {
            host.does(&["event", "-coalesce=false", "deploy", number]);
        }
        let at_host = host.hears("deploy", 3);
        let mut at_guest = guest.hears("deploy", 3);
        // One packet may carry them in another order.
        at_guest.sort_by_key(|heard| heard.ltime);
        assert_eq!(at_host, at_guest);
        let seen: Vec<_> = at_host.iter().map(|heard| (heard.ltime, &heard.input[..])).collect();
        assert_eq!(seen, [(Some(1), &b"1\n"[..]), (Some(2), b"2\n"), (Some(3), b"3\n")]);
    });
}

#[test]
fn coalescing_leaves_the_newest_of_a_name() {
    if !has_peer("coalescing_leaves_the_newest_of_a_name") {
        return;
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let [host, guest] = pair(&world, first, second);
        // All at once, so that a busy machine does not stretch them over two windows.
        let mut commands = ["1", "2", "3", "4", "5", "6"]
            .map(|number| host.terminal_of(host.kind, &["event", "deploy", number]));
        for command in &mut commands {
            assert_eq!(command.ends(), Some(0));
            assert_eq!(command.shown(), "Event 'deploy' dispatched! Coalescing enabled: true\n");
        }
        for agent in [&host, &guest] {
            let what = format!("the newest event at {} ({:?})", agent.name, agent.kind);
            let heard = crate::world::wait_for(&what, || {
                let heard = agent.heard_of("deploy");
                let newest = heard.last().and_then(|it| it.ltime);
                if newest == Some(6) { Ok(heard) } else { Err(heard) }
            });
            assert!(heard.len() < 6, "nothing was coalesced: {heard:?}");
        }
        assert_eq!(host.heard_of("deploy").last(), guest.heard_of("deploy").last());
    });
}

#[test]
fn a_join_replays_old_events_only_when_asked_to() {
    if !has_peer("a_join_replays_old_events_only_when_asked_to") {
        return;
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let host = world.agent(first, "host").recording().start();
        host.does(&["event", "-coalesce=false", "old", "1"]);
        host.hears("old", 1);
        let deaf = world.agent(second, "deaf").recording().joining(&host).start();
        let curious = world.agent(second, "curious").recording().joining(&host).with("-replay");
        let curious = curious.start();
        let told = world.agent(second, "told").recording().start();
        told.does(&["join", "-replay", &host.ip.to_string()]);

        for agent in [&curious, &told] {
            assert_eq!(agent.hears("old", 1)[0].input, b"1\n");
        }
        // What comes later reaches all; the one that did not ask has heard of nothing else.
        deaf.sees("told", "alive");
        host.does(&["event", "-coalesce=false", "new", "2"]);
        for agent in [&host, &deaf, &curious, &told] {
            assert_eq!(agent.hears("new", 1)[0].input, b"2\n");
        }
        assert_eq!(deaf.heard_of("old"), []);
    });
}

#[test]
fn an_event_too_large_is_refused_alike() {
    if !has_peer("an_event_too_large_is_refused_alike") {
        return;
    }
    let world = World::new(Wire::Plain);
    let [ours, peer] = pair(&world, Kind::Ours, Kind::Peer);
    for size in [482, 511, 512] {
        let words = event(&["m"], &vec![b'x'; size]);
        let said = [&ours, &peer]
            .map(|agent| [Kind::Ours, Kind::Peer].map(|kind| agent.told_by(kind, &words)));
        assert_eq!(said[0][0].code, Some(1));
        assert!(said.iter().flatten().all(|it| *it == said[1][1]), "{size}: {said:?}");
    }
}
