//! Two hosts: joined by address, by name, by discovery; one leaves, one dies.

use crate::world::{Kind::Ours, Wire, World, multicast_works, run, skip};

#[test]
fn two_hosts_join_by_address() {
    let world = World::new(Wire::Plain);
    let mut host1 = world.agent(Ours, "host1").start();
    let mut host2 = world.agent(Ours, "host2").start();
    assert_eq!(host1.does(&["members"]), format!("host1  {}:7946  alive\n", host1.ip));

    let joined = host2.does(&["join", &host1.ip.to_string()]);
    assert_eq!(joined, "Successfully joined cluster by contacting 1 nodes.\n");
    for agent in [&host1, &host2] {
        agent.sees("host1", "alive");
        agent.sees("host2", "alive");
        let text = agent.does(&["members"]);
        let mut lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        let want = [&host1, &host2].map(|it| format!("{}  {}:7946  alive", it.name, it.ip));
        assert_eq!(lines, want);
    }
    host1.terminal.shows(&format!("[INFO] serf: EventMemberJoin: host2 {}", host2.ip));
    host2.terminal.shows("[INFO] agent: joined: 1 nodes");
    host2.terminal.shows(&format!("[INFO] agent: joining: [{}] replay: false", host1.ip));

    // Ctrl-C at the second host.
    assert_eq!(host2.interrupt(), Some(0));
    let shown = host2.terminal.shown();
    for line in ["==> Caught signal: interrupt\n", "==> Gracefully shutting down agent...\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    host1.sees("host2", "left");
    host1.terminal.shows(&format!("[INFO] serf: EventMemberLeave: host2 {}", host2.ip));
    assert_eq!(
        host1.does(&["members", "-status=left"]),
        format!("host2  {}:7946  left\n", host2.ip)
    );
    assert_eq!(host1.does(&["members", "-status=failed"]), "\n");

    // The last one leaves alone.
    assert_eq!(host1.interrupt(), Some(0));
}

#[test]
fn a_join_of_a_host_that_is_not_there_says_so() {
    let world = World::new(Wire::Plain);
    let host1 = world.agent(Ours, "host1").start();
    let empty = world.empty_ip();
    let said = host1.told(&["join", &empty.to_string()]);
    let error = format!(
        "Error joining the cluster: 1 error occurred:\n\
         \t* Failed to join {empty}: dial tcp {empty}:7946: connect: connection refused\n\n\n"
    );
    assert_eq!((said.code, said.stdout, said.stderr), (Some(1), error, String::new()));

    // A name that nobody knows: no DNS is asked for names under `.invalid` that would know it.
    let said = host1.told(&["join", "host2.invalid"]);
    let start = "Error joining the cluster: 1 error occurred:\n\
                 \t* Failed to resolve host2.invalid: lookup host2.invalid";
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.starts_with(start), "{}", said.stdout);
    assert!(said.stdout.ends_with("\n\n\n"), "{}", said.stdout);
    host1.terminal.shows("[WARN] agent: error joining: 1 error occurred:");

    // No agent at all.
    let mut command = std::process::Command::new(Ours.program());
    command.args(["members", "-rpc-addr", &format!("{empty}:7373")]);
    let said = run(world.folder(), command);
    let error = format!(
        "Error connecting to Serf agent: dial tcp {empty}:7373: connect: connection refused\n"
    );
    assert_eq!((said.code, said.stdout), (Some(1), error));

    // An agent that is told to join nobody does not start.
    let said = world.agent(Ours, "host2").with(format!("-join={empty}")).run();
    assert_eq!(said.code, Some(1));
    let error = format!(
        "==> Joining cluster...(replay: false)\n==> 1 error occurred:\n\
         \t* Failed to join {empty}: dial tcp {empty}:7946: connect: connection refused\n\n\n"
    );
    assert!(said.stdout.ends_with(&error), "{}", said.stdout);
}

#[test]
fn a_killed_host_fails() {
    let world = World::new(Wire::Plain);
    let host1 = world.agent(Ours, "host1").start();
    let mut host2 = world.agent(Ours, "host2").joining(&host1).start();
    host1.sees("host2", "alive");
    host2.halt();
    host1.sees("host2", "failed");
    host1.terminal.shows("[INFO] memberlist: Suspect host2 has failed, no acks received");
    host1.terminal.shows("[INFO] memberlist: Marking host2 as failed, suspect timeout reached");
    host1.terminal.shows(&format!("[INFO] serf: EventMemberFailed: host2 {}", host2.ip));
    let text = host1.does(&["members", "-status=failed"]);
    assert_eq!(text, format!("host2  {}:7946  failed\n", host2.ip));
    assert_eq!(host1.does(&["force-leave", "host2"]), "");
    host1.sees("host2", "left");
}

#[test]
fn two_hosts_discover_each_other() {
    if let Err(error) = multicast_works() {
        let why = format!("multicast does not work here: {error}");
        return skip("two_hosts_discover_each_other", &why);
    }
    let world = World::new(Wire::Plain);
    let name = format!("-discover={}", world.unique());
    let host1 = world.agent(Ours, "host1").with(&name).start();
    host1.terminal.shows(&format!("                   mDNS cluster: {}\n", world.unique()));
    host1.terminal.shows("[INFO] agent.mdns: Joined 1 hosts");
    let host2 = world.agent(Ours, "host2").with(&name).start();
    for agent in [&host1, &host2] {
        agent.sees("host1", "alive");
        agent.sees("host2", "alive");
    }
}
