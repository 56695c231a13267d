//! Queries both ways: who answers, filters, acknowledgements, relays, sizes; and what is asked by queries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::world::{Agent, Kind, Wire, World, all_ways, at_once, has_peer};

/// What a query brought.
#[derive(PartialEq, Eq, Debug)]
struct Answers {
    acks: BTreeSet<String>,
    responses: BTreeMap<String, String>,
}

/// Asks with JSON output, until the answers are these. A query is a matter of packets sent once: an answer that a busy
/// machine is late with is asked for again.
fn asks(agent: &Agent, words: &[&str], acks: &[&str], responses: &[(&str, &str)]) {
    let mut command = vec!["query", "-format=json", "-timeout=1s"];
    command.extend(words);
    let want = Answers {
        acks: acks.iter().map(|&name| name.to_owned()).collect(),
        responses: responses.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect(),
    };
    let what = format!("{want:?} for {words:?} from {} ({:?})", agent.name, agent.kind);
    crate::world::wait_for(&what, || {
        let told: Value = serde_json::from_str(&agent.does(&command)).expect("JSON");
        let list = told["Acks"].as_array().cloned().unwrap_or_default();
        let map = told["Responses"].as_object().cloned().expect("a map");
        let text = |value: Value| value.as_str().expect("a text").to_owned();
        let acks = list.iter().cloned().map(text).collect::<BTreeSet<_>>();
        assert_eq!(acks.len(), list.len(), "nobody acknowledges twice");
        let responses = map.into_iter().map(|(name, payload)| (name, text(payload))).collect();
        let got = Answers { acks, responses };
        if got == want { Ok(()) } else { Err(got) }
    });
}

/// Four that know each other, two of each program; `a` and `b` answer.
fn four(world: &World, first: Kind, second: Kind) -> [Agent; 4] {
    let answering = |kind, name| {
        world
            .agent(kind, name)
            .recording()
            .handler("query:load=echo $SERF_SELF_NAME has $(cat) at $SERF_QUERY_LTIME")
            .handler("query:silent=cat > /dev/null")
            .handler("query:broken=echo no; exit 3")
            .handler("query:limit=head -c $(($(cat) - ${#SERF_SELF_NAME})) /dev/zero | tr '\\0' x")
    };
    let a = answering(first, "a").tag("role=web").tag("dc=east").start();
    let b = answering(second, "b").tag("role=db").joining(&a).start();
    let c = world.agent(first, "c").tag("role=web").joining(&b).start();
    let d = world.agent(second, "d").joining(&a).start();
    for name in ["a", "b", "c", "d"] {
        world.all_see(&[&a, &b, &c, &d], name, "alive");
    }
    a.sees_tags("c", &[("role", "web")]);
    b.sees_tags("c", &[("role", "web")]);
    [a, b, c, d]
}

#[test]
fn queries_find_their_nodes_and_bring_answers() {
    if !has_peer("queries_find_their_nodes_and_bring_answers") {
        return;
    }
    let ways: Vec<_> =
        all_ways().into_iter().filter(|(_, first, _)| *first == Kind::Ours).collect();
    at_once(&ways, |&(wire, first, second)| {
        let world = World::new(wire);
        let all = four(&world, first, second);
        // The handlers tell the query's time; each agent asks in its turn and every query is one step later.
        for agent in &all[..2] {
            let script = ["-node=a", "-node=d", "silent", "x"];
            asks(agent, &script, &["a", "d"], &[]);
            asks(agent, &["-node=a", "-node=b", "broken"], &["a", "b"], &[]);
            asks(agent, &["-tag", "role=web", "silent"], &["a", "c"], &[]);
            asks(agent, &["-tag", "role=w", "-tag", "dc=.", "silent"], &["a"], &[]);
            asks(agent, &["-tag", "role=web", "-node=b", "silent"], &[], &[]);
            asks(agent, &["-node=nobody", "silent"], &[], &[]);
            asks(agent, &["unknown"], &["a", "b", "c", "d"], &[]);
            asks(agent, &["-relay-factor=2", "unknown"], &["a", "b", "c", "d"], &[]);
        }
        for heard in [&all[0], &all[1]].map(|agent| agent.heard_of("unknown")).concat() {
            assert_eq!((heard.event.as_str(), heard.input), ("query", Vec::new()));
        }
    });
}

#[test]
fn answers_are_what_the_handlers_wrote() {
    if !has_peer("answers_are_what_the_handlers_wrote") {
        return;
    }
    at_once(&crate::world::BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let all = four(&world, first, second);
        for agent in &all {
            let what = format!("answers from both to {} ({:?})", agent.name, agent.kind);
            crate::world::wait_for(&what, || {
                let words =
                    ["query", "-format=json", "-timeout=1s", "-no-ack", "load", "pay  load"];
                let told: Value = serde_json::from_str(&agent.does(&words)).expect("JSON");
                let time = told["Responses"]["a"].as_str().unwrap_or_default();
                let time = time.trim_end().rsplit(' ').next().unwrap_or_default();
                let want = json!({
                    "Acks": null,
                    "Responses": {
                        "a": format!("a has pay load at {time}\n"),
                        "b": format!("b has pay load at {time}\n"),
                    }
                });
                if told == want && !time.is_empty() { Ok(()) } else { Err(told) }
            });
        }
        // The same as text: the lines come in any order, the totals at the end.
        let text = all[0].does(&["query", "-timeout=1s", "-relay-factor=1", "-node=b", "load"]);
        let mut lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.remove(0), "Query 'load' dispatched");
        assert_eq!(lines.split_off(lines.len() - 2), ["Total Acks: 1", "Total Responses: 1"]);
        lines.sort_unstable();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0], "Ack from 'b'");
        assert!(lines[1].starts_with("Response from 'b': b has  at "), "{text}");
    });
}

#[test]
fn the_largest_answer_arrives_and_a_larger_one_is_refused() {
    if !has_peer("the_largest_answer_arrives_and_a_larger_one_is_refused") {
        return;
    }
    let world = World::new(Wire::Plain);
    let all = four(&world, Kind::Ours, Kind::Peer);
    for (asker, answerer) in [(0, "b"), (1, "a"), (2, "b"), (3, "a")] {
        let node = format!("-node={answerer}");
        let largest = "x".repeat(982);
        asks(&all[asker], &[&node, "limit", "983"], &[answerer], &[(answerer, &largest)]);
        asks(&all[asker], &[&node, "limit", "984"], &[answerer], &[]);
    }
    for agent in &all[..2] {
        agent.terminal.shows(
            "[WARN] agent: Failed to respond to query 'query: limit': \
             failed to respond to key query: response exceeds limit of 1024 bytes",
        );
    }
    // And the question itself.
    for payload in [984, 1000, 1024] {
        let payload = "q".repeat(payload);
        let said = [&all[0], &all[1]].map(|agent| {
            [Kind::Ours, Kind::Peer]
                .map(|kind| agent.told_by(kind, &["query", "-timeout=100ms", "silent", &payload]))
        });
        let codes = said.each_ref().map(|both| both.each_ref().map(|it| it.code));
        assert_eq!(codes[0], codes[1], "{said:?}");
        if codes[0] == [Some(1); 2] {
            assert!(said.iter().flatten().all(|it| *it == said[1][1]), "{said:?}");
        }
    }
}

#[test]
fn everybody_is_reachable_and_near() {
    if !has_peer("everybody_is_reachable_and_near") {
        return;
    }
    at_once(&crate::world::BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let a = world.agent(first, "a").start();
        let b = world.agent(second, "b").joining(&a).start();
        let c = world.agent(first, "c").joining(&a).start();
        let all = [&a, &b, &c];
        for name in ["a", "b", "c"] {
            world.all_see(&all, name, "alive");
        }
        for agent in all {
            for kind in [Kind::Ours, Kind::Peer] {
                let what = format!("all are reached from {} ({:?})", agent.name, agent.kind);
                crate::world::wait_for(&what, || {
                    let said = agent.told_by(kind, &["reachability"]);
                    let want = "Total members: 3, live members: 3\nStarting reachability test...\n\
                                Successfully contacted all live nodes\n";
                    if said.stdout == want && said.code == Some(0) { Ok(()) } else { Err(said) }
                });
            }
        }
        // Coordinates travel with probes, one a second.
        for agent in all {
            for kind in [Kind::Ours, Kind::Peer] {
                for other in all {
                    let what = format!("the distance {} - {}", agent.name, other.name);
                    crate::world::wait_for(&what, || {
                        let said = agent.told_by(kind, &["rtt", &other.name]);
                        let text = said.stdout.clone();
                        let head = format!("Estimated {} <-> {} rtt: ", other.name, agent.name);
                        let tail = text.strip_prefix(&head).and_then(|it| it.strip_suffix(" ms\n"));
                        let time = tail.and_then(|time| time.parse::<f64>().ok()).ok_or(said)?;
                        assert!((0.0..2000.0).contains(&time), "{text}");
                        Ok::<_, crate::world::Said>(())
                    });
                }
            }
        }
    });
}
