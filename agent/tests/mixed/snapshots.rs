//! The snapshot file: what one program wrote restores the other.

use crate::world::{Agent, BOTH_WAYS, Wire, World, at_once, has_peer, wait_for};

/// Waits until the snapshot has all these lines; it is written half a second late.
fn snapshot_has(world: &World, lines: &[String]) {
    wait_for("lines in the snapshot", || {
        let text = world.read("snapshot");
        let has = |line: &String| text.lines().any(|it| it == line);
        if lines.iter().all(has) { Ok(()) } else { Err(text) }
    });
}

fn snapshot_of(world: &World) -> std::ffi::OsString {
    format!("-snapshot={}", world.path("snapshot").display()).into()
}

#[test]
fn a_restart_from_the_others_snapshot_rejoins() {
    if !has_peer("a_restart_from_the_others_snapshot_rejoins") {
        return;
    }
    at_once(&BOTH_WAYS, |&(writes, restores)| {
        let world = World::new(Wire::Plain);
        let a = world.agent(restores, "a").recording().start();
        let b = world.agent(writes, "b").recording().joining(&a).start();
        let snapshot = snapshot_of(&world);
        let mut c = world.agent(writes, "c").with(&snapshot).recording().joining(&a).start();
        world.all_see(&[&a, &b, &c], "c", "alive");
        world.all_see(&[&a, &c], "b", "alive");
        a.does(&["event", "-coalesce=false", "first"]);
        b.does(&["event", "-coalesce=false", "second"]);
        c.hears("second", 1);
        let alive = |agent: &Agent| format!("alive: {} {}:7946", agent.name, agent.ip);
        snapshot_has(&world, &[alive(&a), alive(&b), alive(&c), "event-clock: 2".to_owned()]);
        c.halt();

        let again = world.agent(restores, "c").at(c.ip).with(&snapshot).recording().start();
        again.terminal.shows("[INFO] serf: Re-joined to previously known node: ");
        world.all_see(&[&a, &b, &again], "c", "alive");
        world.all_see(&[&again], "a", "alive");
        world.all_see(&[&again], "b", "alive");
        // Its clock goes on, and what was heard before is not heard again.
        a.does(&["event", "-coalesce=false", "third"]);
        assert_eq!(again.hears("third", 1)[0].ltime, Some(3));
        again.hears("second", 1);
        again.hears("first", 1);
        snapshot_has(&world, &["event-clock: 3".to_owned()]);
    });
}

#[test]
fn a_leave_in_the_others_snapshot_counts() {
    if !has_peer("a_leave_in_the_others_snapshot_counts") {
        return;
    }
    at_once(&BOTH_WAYS, |&(writes, restores)| {
        let world = World::new(Wire::Plain);
        let a = world.agent(restores, "a").start();
        let snapshot = snapshot_of(&world);
        let mut c = world.agent(writes, "c").with(&snapshot).joining(&a).start();
        a.sees("c", "alive");
        c.sees("a", "alive");
        snapshot_has(&world, &[format!("alive: a {}:7946", a.ip)]);
        assert_eq!(c.interrupt(), Some(0));
        a.sees("c", "left");
        snapshot_has(&world, &["leave".to_owned()]);
        let left = std::fs::read(world.path("snapshot")).expect("the snapshot");

        // A leave is a leave: alone after the restart.
        let mut alone = world.agent(restores, "c").at(c.ip).with(&snapshot).start();
        alone.terminal.shows("agent: Received event: member-join");
        assert_eq!(alone.members().len(), 1);
        alone.halt();
        assert_eq!(a.members()["c"]["status"], "left");

        // Unless it was told to rejoin.
        std::fs::write(world.path("snapshot"), left).expect("the snapshot again");
        let back = world.agent(restores, "c").at(c.ip).with(&snapshot).with("-rejoin").start();
        back.terminal.shows("[INFO] serf: Re-joined to previously known node: ");
        world.all_see(&[&a, &back], "c", "alive");
        back.sees("a", "alive");
    });
}
