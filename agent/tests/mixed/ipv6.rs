//! IPv6: agents of both programs at `[::1]`.

use crate::world::{BOTH_WAYS, Wire, World, at_once, has_peer, skip};

#[test]
fn agents_meet_on_ipv6() {
    let test = "agents_meet_on_ipv6";
    if !has_peer(test) {
        return;
    }
    if let Err(error) = std::net::TcpListener::bind("[::1]:0") {
        return skip(test, &format!("no IPv6 here: {error}"));
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Encrypted);
        let host = world.agent(first, "host").on_ipv6().tag("role=web").start();
        let mut guest = world.agent(second, "guest").on_ipv6().joining(&host).start();
        for name in ["host", "guest"] {
            world.all_see(&[&host, &guest], name, "alive");
        }
        for agent in [&host, &guest] {
            assert_eq!(agent.members()["host"]["addr"], format!("{}", host.gossip));
            let text = agent.does(&["members", "-name=host"]);
            assert_eq!(text, format!("host  {}  alive  role=web\n", host.gossip));
        }
        let joined = guest.does(&["join", &host.gossip.to_string()]);
        assert_eq!(joined, "Successfully joined cluster by contacting 1 nodes.\n");
        guest.does(&["event", "-coalesce=false", "six"]);
        host.terminal.shows("agent: Received event: user-event: six");
        guest.halt();
        host.sees("guest", "failed");
    });
}
