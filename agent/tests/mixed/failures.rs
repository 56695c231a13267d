//! Members that vanish: seen as failed, back as alive, forced out by the other side.

use crate::world::{BOTH_WAYS, Kind, Wire, World, all_ways, at_once, has_peer};

#[test]
fn a_killed_agent_fails_and_comes_back() {
    if !has_peer("a_killed_agent_fails_and_comes_back") {
        return;
    }
    at_once(&all_ways(), |&(wire, stays, dies)| {
        let world = World::new(wire);
        let stayer = world.agent(stays, "stayer").recording().start();
        let mut first = world.agent(dies, "phoenix").tag("run=1").joining(&stayer).start();
        stayer.sees("phoenix", "alive");
        first.halt();
        stayer.sees("phoenix", "failed");
        stayer.hears_member("member-failed", "phoenix");

        let again = world.agent(dies, "phoenix").at(first.ip).tag("run=2").joining(&stayer).start();
        stayer.sees("phoenix", "alive");
        stayer.sees_tags("phoenix", &[("run", "2")]);
        again.sees("stayer", "alive");
        again.sees("phoenix", "alive");
        again.sees_tags("phoenix", &[("run", "2")]);
    });
}

#[test]
fn a_failed_member_that_runs_again_is_called_back_without_a_join() {
    if !has_peer("a_failed_member_that_runs_again_is_called_back_without_a_join") {
        return;
    }
    at_once(&BOTH_WAYS, |&(stays, dies)| {
        let world = World::new(Wire::Plain);
        let config = world.write("reconnect.json", r#"{"reconnect_interval": "1s"}"#);
        let stayer = world.agent(stays, "stayer").with("-config-file").with(config).start();
        let mut first = world.agent(dies, "phoenix").joining(&stayer).start();
        stayer.sees("phoenix", "alive");
        first.halt();
        stayer.sees("phoenix", "failed");

        let again = world.agent(dies, "phoenix").at(first.ip).start();
        stayer.sees("phoenix", "alive");
        again.sees("stayer", "alive");
        stayer.terminal.shows(&format!("serf: attempting reconnect to phoenix {}:7946", first.ip));
    });
}

/// Who forces, who watches, who failed.
const FORCED: [(Kind, Kind, Kind); 4] = [
    (Kind::Ours, Kind::Peer, Kind::Peer),
    (Kind::Ours, Kind::Peer, Kind::Ours),
    (Kind::Peer, Kind::Ours, Kind::Ours),
    (Kind::Peer, Kind::Ours, Kind::Peer),
];

#[test]
fn failed_members_are_forced_out_by_either_side() {
    if !has_peer("failed_members_are_forced_out_by_either_side") {
        return;
    }
    at_once(&FORCED, |&(forces, watches, fails)| {
        let world = World::new(Wire::Plain);
        let forcer = world.agent(forces, "forcer").recording().start();
        let watcher = world.agent(watches, "watcher").recording().joining(&forcer).start();
        let mut victims = ["left-1", "pruned-1", "pruned-2"]
            .map(|name| world.agent(fails, name).joining(&forcer).start());
        let both = [&forcer, &watcher];
        for victim in &victims {
            world.all_see(&both, &victim.name, "alive");
        }
        for victim in &mut victims {
            victim.halt();
        }
        for victim in &victims {
            world.all_see(&both, &victim.name, "failed");
        }

        assert_eq!(forcer.does(&["force-leave", "left-1"]), "");
        world.all_see(&both, "left-1", "left");
        assert_eq!(forcer.does(&["force-leave", "-prune", "pruned-1"]), "");
        world.all_see(&both, "pruned-1", "gone");
        // The other program's command line, and a member that had left first.
        let other = if forces == Kind::Ours { Kind::Peer } else { Kind::Ours };
        forcer.told_by(other, &["force-leave", "pruned-2"]).well();
        world.all_see(&both, "pruned-2", "left");
        forcer.told_by(other, &["force-leave", "-prune", "pruned-2"]).well();
        world.all_see(&both, "pruned-2", "gone");

        for agent in both {
            agent.sees("left-1", "left");
            agent.hears_member("member-failed", "left-1");
            agent.hears_member("member-leave", "left-1");
            agent.hears_member("member-reap", "pruned-1");
        }
    });
}

#[test]
fn forcing_out_a_member_that_is_alive_does_not_last() {
    if !has_peer("forcing_out_a_member_that_is_alive_does_not_last") {
        return;
    }
    at_once(&BOTH_WAYS, |&(forces, lives)| {
        let world = World::new(Wire::Plain);
        let forcer = world.agent(forces, "forcer").start();
        let living = world.agent(lives, "living").recording().joining(&forcer).start();
        world.all_see(&[&forcer, &living], "living", "alive");
        world.all_see(&[&forcer, &living], "forcer", "alive");
        assert_eq!(forcer.does(&["force-leave", "living"]), "");
        // The member hears of its leave and says that it is still there.
        world.all_see(&[&forcer, &living], "living", "alive");
        forcer.does(&["event", "-coalesce=false", "still"]);
        living.hears("still", 1);
        world.all_see(&[&forcer, &living], "living", "alive");
    });
}
