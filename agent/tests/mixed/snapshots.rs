//! The snapshot file: what one program wrote restores the other.

use crate::world::{Agent, BOTH_WAYS, Wire, World, at_once, has_peer, wait_for};

/// Waits until the snapshot has all these lines and an event time that is as late. What is new reaches the file with
/// something that comes later, so that an agent makes news.
fn snapshot_has(world: &World, agent: &Agent, lines: &[String], time: u64) {
    wait_for("lines in the snapshot", || {
        let text = world.read("snapshot");
        let has = |line: &String| text.lines().any(|it| it == line);
        if lines.iter().all(has) && event_clock(world) >= time {
            return Ok(());
        }
        agent.does(&["event", "-coalesce=false", "news"]);
        Err(text)
    });
}

/// The last event time that the snapshot has; it has not each of them, as events come in any order.
fn event_clock(world: &World) -> u64 {
    let text = world.read("snapshot");
    let mut times = text.lines().filter_map(|line| line.strip_prefix("event-clock: "));
    times.next_back().map_or(0, |time| time.parse().expect("a number"))
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
        snapshot_has(&world, &a, &[alive(&a), alive(&b), alive(&c)], 2);
        c.halt();

        let again = world.agent(restores, "c").at(c.ip).with(&snapshot).recording().start();
        again.terminal.shows("[INFO] serf: Re-joined to previously known node: ");
        world.all_see(&[&a, &b, &again], "c", "alive");
        world.all_see(&[&again], "a", "alive");
        world.all_see(&[&again], "b", "alive");
        // What was heard before is not heard again.
        a.does(&["event", "-coalesce=false", "third"]);
        let heard = again.hears("third", 1);
        assert_eq!(heard, a.hears("third", 1));
        again.hears("second", 1);
        again.hears("first", 1);
        let time = heard[0].ltime.expect("a time");
        snapshot_has(&world, &a, &[], time);
    });
}

#[test]
fn clocks_go_on_from_the_others_snapshot() {
    if !has_peer("clocks_go_on_from_the_others_snapshot") {
        return;
    }
    at_once(&BOTH_WAYS, |&(writes, restores)| {
        let world = World::new(Wire::Plain);
        let snapshot = snapshot_of(&world);
        let mut a = world.agent(writes, "a").with(&snapshot).start();
        a.terminal.shows("agent: Received event: member-join");
        snapshot_has(&world, &a, &[], 3);
        a.halt();
        let time = event_clock(&world);
        let again = world.agent(restores, "a").at(a.ip).with(&snapshot).recording().start();
        again.does(&["event", "-coalesce=false", "next"]);
        assert_eq!(again.hears("next", 1)[0].ltime, Some(time + 1));
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
        snapshot_has(&world, &c, &[format!("alive: a {}:7946", a.ip)], 0);
        assert_eq!(c.interrupt(), Some(0));
        a.sees("c", "left");
        // The end of the agent leaves nothing unwritten.
        assert!(world.read("snapshot").lines().any(|line| line == "leave"));
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
