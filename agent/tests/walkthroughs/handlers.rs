//! Event handlers as the guides have them: filters, roles, a deployment, queries.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::world::{Kind::Ours, Wire, World, wait_for};

/// Waits until a file has this text.
fn reads(world: &World, file: &str, want: &str) {
    wait_for(&format!("{want:?} in {file}"), || {
        let text = world.read(file);
        if text == want { Ok(()) } else { Err(text) }
    });
}

#[test]
fn an_event_deploys() {
    let world = World::new(Wire::Plain);
    let script = world.write(
        "foo.sh",
        "{ echo \"$SERF_EVENT $SERF_USER_EVENT $SERF_SELF_NAME $SERF_SELF_ROLE $SERF_TAG_DC\"\n\
         echo \"$SERF_TAG_ROLE $SERF_USER_LTIME<$(cat)>\"; } >> deployed-$SERF_SELF_NAME\n",
    );
    let handler = format!("user:deploy=cd {} && sh {}", world.folder().display(), script.display());
    let a = world.agent(Ours, "a").with("-role=web").tag("dc=east").handler(&handler).start();
    let b = world.agent(Ours, "b").tag("role=lb").handler(&handler).joining(&a).start();
    assert!(
        a.terminal
            .shown()
            .contains("==> Deprecation warning: 'Role' has been replaced with 'Tags'\n")
    );
    a.sees("b", "alive");
    a.sees_tags("a", &[("role", "web"), ("dc", "east")]);

    let said = b.does(&["event", "deploy", "45bc1d9"]);
    assert_eq!(said, "Event 'deploy' dispatched! Coalescing enabled: true\n");
    reads(&world, "deployed-a", "user deploy a web east\nweb 1<45bc1d9>\n");
    reads(&world, "deployed-b", "user deploy b lb \nlb 1<45bc1d9>\n");
    // Another event is no business of the script.
    a.does(&["event", "-coalesce=false", "restart"]);
    a.does(&["event", "-coalesce=false", "deploy", "v2"]);
    let two = |name: &str, first: &str| {
        let head = format!("user deploy {name} {first}");
        format!("{head}{{}} 1<45bc1d9>\n{head}{{}} 3<v2>\n")
    };
    reads(&world, "deployed-a", &two("a", "web east\n").replace("{}", "web"));
    reads(&world, "deployed-b", &two("b", "lb \n").replace("{}", "lb"));
}

#[test]
fn a_load_balancer_follows_its_members() {
    let world = World::new(Wire::Plain);
    // As blogs have it: name, address and role are the first three columns.
    let script = world.write(
        "lb.sh",
        "while read name ip role rest; do echo \"$SERF_EVENT $name $ip $role\" >> \"$1\"; done\n",
    );
    let notes = world.path("backends");
    let run = format!("sh {} {}", script.display(), notes.display());
    let handlers = serde_json::json!([
        format!("member-join={run}"),
        format!("member-leave,member-failed={run}"),
    ]);
    let config = serde_json::json!({ "role": "lb", "event_handlers": handlers });
    let config = world.write("lb.json", &config.to_string());
    let lb = world.agent(Ours, "lb").with("-config-file").with(config).start();
    lb.terminal.shows("agent: Received event: member-join");
    let mut web1 = world.agent(Ours, "web1").with("-role=web").joining(&lb).start();
    let joined = |name: &str, ip| format!("member-join {name} {ip} web\n");
    let mut want = format!("member-join lb {} lb\n{}", lb.ip, joined("web1", web1.ip));
    reads(&world, "backends", &want);
    let mut web2 = world.agent(Ours, "web2").with("-role=web").joining(&lb).start();
    want += &joined("web2", web2.ip);
    reads(&world, "backends", &want);
    assert_eq!(web1.interrupt(), Some(0));
    want += &format!("member-leave web1 {} web\n", web1.ip);
    reads(&world, "backends", &want);
    web2.halt();
    want += &format!("member-failed web2 {} web\n", web2.ip);
    reads(&world, "backends", &want);
}

#[test]
fn a_query_asks_the_scripts() {
    let world = World::new(Wire::Plain);
    let a = world.agent(Ours, "a").handler("query:uptime=echo up; echo two").start();
    let b = world.agent(Ours, "b").handler("query=printf '%s' \"$SERF_QUERY_NAME\"").joining(&a);
    let b = b.start();
    a.sees("b", "alive");
    b.sees("a", "alive");
    wait_for("answers of both", || {
        let text = a.does(&["query", "-timeout=1s", "uptime"]);
        let (head, tail) = ("Query 'uptime' dispatched\n", "Total Acks: 2\nTotal Responses: 2\n");
        let lines = [
            "Ack from 'a'\n",
            "Ack from 'b'\n",
            "Response from 'a': up\ntwo\n",
            "Response from 'b': uptime\n",
        ];
        let whole = text.len() == head.len() + lines.concat().len() + tail.len();
        let there = lines.iter().all(|line| text.contains(line));
        let framed = text.starts_with(head) && text.ends_with(tail);
        if whole && there && framed { Ok(()) } else { Err(text) }
    });
}

/// Payloads were read as text once: each byte that is no UTF-8 became three, and the event was too large in the end.
#[test]
fn payloads_that_are_no_utf8_arrive_unchanged() {
    let world = World::new(Wire::Plain);
    let agent = world.agent(Ours, "a").recording().start();
    let payload: Vec<u8> = (1..=255).collect();
    let payload = OsStr::from_bytes(&payload);
    let [event, query] = ["event", "query"].map(OsStr::new);
    agent.told_by(Ours, &[event, OsStr::new("told"), payload]).well();
    agent
        .told_by(Ours, &[query, OsStr::new("-timeout=100ms"), OsStr::new("asked"), payload])
        .well();
    let want = [payload.as_bytes(), b"\n"].concat();
    for name in ["told", "asked"] {
        assert_eq!(agent.hears(name, 1)[0].input, want, "{name}");
    }
}
