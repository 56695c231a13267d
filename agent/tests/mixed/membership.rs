//! Joining both ways, tags, and graceful leaves.

use crate::world::{BOTH_WAYS, Wire, World, all_ways, at_once, has_peer};

#[test]
fn each_side_joins_the_other_and_sees_its_tags() {
    if !has_peer("each_side_joins_the_other_and_sees_its_tags") {
        return;
    }
    at_once(&all_ways(), |&(wire, first, second)| {
        let world = World::new(wire);
        let host = world.agent(first, "host").tag("role=web").tag("dc=öst,1=2").recording().start();
        // One joins when it starts, the other is told to.
        let guest = world.agent(second, "guest").tag("role=db").joining(&host).start();
        guest.terminal.shows("Join completed. Synced with 1 initial agents");
        let late = world.agent(second, "late").start();
        let joined = late.does(&["join", &host.ip.to_string(), &guest.ip.to_string()]);
        assert_eq!(joined, "Successfully joined cluster by contacting 2 nodes.\n");

        let all = [&host, &guest, &late];
        for agent in all {
            world.all_see(&all, &agent.name, "alive");
            agent.sees_tags("host", &[("role", "web"), ("dc", "öst,1=2")]);
            agent.sees_tags("guest", &[("role", "db")]);
            agent.sees_tags("late", &[]);
            let members = agent.members();
            for (name, member) in &members {
                let versions = &member["protocol"];
                assert_eq!(*versions, serde_json::json!({"max": 5, "min": 2, "version": 5}));
                let ip = all.iter().find(|agent| agent.name == *name).expect("known").ip;
                assert_eq!(member["addr"], format!("{ip}:7946"));
            }
        }

        // Tags change on either side; a key with a new value, a new key, a lost key.
        guest.does(&["tags", "-set", "role=cache", "-set", "rack=7"]);
        host.does(&["tags", "-delete", "dc"]);
        for agent in all {
            agent.sees_tags("guest", &[("role", "cache"), ("rack", "7")]);
            agent.sees_tags("host", &[("role", "web")]);
        }
        host.hears_member("member-join", "guest");
        host.hears_member("member-join", "late");
        host.hears_member("member-update", "guest");
    });
}

#[test]
fn a_graceful_leave_is_a_leave_on_the_other_side() {
    if !has_peer("a_graceful_leave_is_a_leave_on_the_other_side") {
        return;
    }
    at_once(&all_ways(), |&(wire, stays, leaves)| {
        let world = World::new(wire);
        let stayer = world.agent(stays, "stayer").recording().start();
        let mut interrupted = world.agent(leaves, "interrupted").joining(&stayer).start();
        let mut told = world.agent(leaves, "told").joining(&stayer).start();
        for name in ["interrupted", "told", "stayer"] {
            world.all_see(&[&stayer, &interrupted, &told], name, "alive");
        }

        assert_eq!(interrupted.interrupt(), Some(0));
        world.all_see(&[&stayer, &told], "interrupted", "left");
        assert_eq!(told.does(&["leave"]), "Graceful leave complete\n");
        assert_eq!(told.terminal.ends(), Some(0));
        stayer.sees("told", "left");
        stayer.hears_member("member-leave", "interrupted");
        stayer.hears_member("member-leave", "told");
        let failures = stayer.heard().into_iter().filter(|heard| heard.event == "member-failed");
        assert_eq!(failures.collect::<Vec<_>>(), []);
    });
}

#[test]
fn who_left_comes_back() {
    if !has_peer("who_left_comes_back") {
        return;
    }
    at_once(&BOTH_WAYS, |&(stays, returns)| {
        let world = World::new(Wire::Plain);
        let stayer = world.agent(stays, "stayer").recording().start();
        let mut first = world.agent(returns, "back").tag("run=1").joining(&stayer).start();
        stayer.sees("back", "alive");
        assert_eq!(first.interrupt(), Some(0));
        stayer.sees("back", "left");

        let again = world.agent(returns, "back").at(first.ip).tag("run=2").joining(&stayer).start();
        stayer.sees("back", "alive");
        stayer.sees_tags("back", &[("run", "2")]);
        again.sees("stayer", "alive");
        again.sees("back", "alive");
    });
}
