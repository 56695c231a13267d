//! `serf agent` with a folder of configuration, and what operators do with it.

use nix::sys::signal::Signal;

use crate::world::{Kind::Ours, Wire, World, wait_for};

#[test]
fn an_agent_reads_a_folder_of_configuration() {
    let world = World::new(Wire::Plain);
    let folder = world.path("serf.d");
    std::fs::create_dir(&folder).expect("a folder");
    world.write(
        "serf.d/10-node.json",
        r#"{"tags": {"role": "web", "dc": "east"}, "log_level": "err"}"#,
    );
    world.write(
        "serf.d/20-site.json",
        r#"{"tags": {"dc": "west"}, "event_handlers": ["user=true"]}"#,
    );
    world.write("serf.d/30-not.json.off", "no JSON");
    let host = world.agent(Ours, "host").start();
    let join = serde_json::json!({ "start_join": [host.ip.to_string()] });
    world.write("serf.d/40-join.json", &join.to_string());
    let agent = world.agent(Ours, "configured").with("-config-dir").with(&folder).start();
    // Flags win: the level of the command line is debug.
    assert!(agent.terminal.shown().contains("    Join completed. Synced with 1 initial agents\n"));
    host.sees_tags("configured", &[("role", "web"), ("dc", "west")]);
    let info = agent.does(&["info"]);
    assert!(
        info.contains("event_handlers:\n\tuser: = true\n") || info.contains("\tuser = true\n"),
        "{info}"
    );

    // New tags, and a reload.
    world.write("serf.d/20-site.json", r#"{"tags": {"dc": "north", "rack": "1"}}"#);
    agent.signal(Signal::SIGHUP);
    agent.terminal.shows("==> Caught signal: hangup\n");
    agent.terminal.shows("==> Reloading configuration...\n");
    host.sees_tags("configured", &[("role", "web"), ("dc", "north"), ("rack", "1")]);

    // A mistake in it changes nothing.
    world.write("serf.d/20-site.json", r#"{"tagz": {}}"#);
    agent.signal(Signal::SIGHUP);
    agent.terminal.shows("==> Failed to reload configs\n");
    host.sees_tags("configured", &[("role", "web"), ("dc", "north"), ("rack", "1")]);
    let said = world.agent(Ours, "broken").with("-config-dir").with(&folder).run();
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("tagz"), "{said:?}");
}

#[test]
fn members_are_piped_to_awk() {
    let world = World::new(Wire::Plain);
    let lb = world.agent(Ours, "lb").with("-role=lb").start();
    let web1 = world.agent(Ours, "web1").with("-role=web").joining(&lb).start();
    let mut web2 = world.agent(Ours, "web2").with("-role=web").joining(&lb).start();
    lb.sees("web1", "alive");
    lb.sees("web2", "alive");
    web2.halt();
    lb.sees("web2", "failed");
    let script = "\"$SERF\" members -rpc-addr=\"$ADDR\" -tag role=web | awk '$3 == \"alive\" {print $1, $2, $4}'; \
                  \"$SERF\" members -rpc-addr=\"$ADDR\" | awk '{print $3}' | sort | uniq -c | awk '{print $1, $2}'";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).env("SERF", Ours.program()).env("ADDR", lb.rpc.to_string());
    let said = crate::world::run(world.folder(), command).well();
    assert_eq!(said, format!("web1 {}:7946 role=web\n2 alive\n1 failed\n", web1.ip));
}

#[test]
fn tags_change_while_the_agent_runs_and_live_in_a_file() {
    let world = World::new(Wire::Plain);
    let a = world.agent(Ours, "a").start();
    let file = world.path("tags.json");
    let spec = || world.agent(Ours, "b").with("-tags-file").with(&file).joining(&a);
    let mut b = spec().start();
    assert_eq!(
        b.does(&["tags", "-set", "color=blue", "-set", "n=1"]),
        "Successfully updated agent tags\n"
    );
    a.sees_tags("b", &[("color", "blue"), ("n", "1")]);
    b.does(&["tags", "-delete", "n"]);
    a.sees_tags("b", &[("color", "blue")]);
    assert_eq!(world.read("tags.json"), "{\n  \"color\": \"blue\"\n}");
    let ip = b.ip;
    assert_eq!(b.interrupt(), Some(0));
    a.sees("b", "left");
    let b = spec().at(ip).start();
    b.terminal.shows("[INFO] agent: Restored 1 tag(s) from ");
    a.sees("b", "alive");
    wait_for("the tag at the other", || {
        let text = a.does(&["members", "-name=b", "-tag", "color=blue"]);
        if text.contains("alive") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn a_cluster_with_a_key_keeps_others_out() {
    let world = World::new(Wire::Plain);
    let said = std::process::Command::new(Ours.program()).arg("keygen").output().expect("it runs");
    let key = String::from_utf8(said.stdout).expect("text");
    let with =
        |name: &str, key: &str| world.agent(Ours, name).with(format!("-encrypt={}", key.trim()));
    let a = with("a", &key).start();
    assert!(a.terminal.shown().contains("                      Encrypted: true\n"));
    let b = with("b", &key).joining(&a).start();
    a.sees("b", "alive");
    b.sees("a", "alive");
    for stranger in [world.agent(Ours, "c"), with("d", crate::world::KEY)] {
        let said = stranger.joining(&a).run();
        assert_eq!(said.code, Some(1));
        assert!(said.stdout.contains("==> 1 error occurred:\n"), "{said:?}");
    }
    assert_eq!(a.members().len(), 2);
}
