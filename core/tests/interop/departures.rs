//! Members that are forced out or erased, and those that left while somebody did not listen.

use uwasa_core::command::QueryParams;

use super::*;

/// Forces `name` out and waits for the answer.
fn force_out(us: &Driver, name: &str, prune: bool) {
    let forced = answer(us, Command::ForceLeave { name: name.into(), prune });
    assert_eq!(forced, Ok(Reply::LeaveForced));
}

/// Three members, of which agent 2 was killed and is failed for the other two.
fn trio_with_a_failed_agent(lab: &Lab) -> (Driver, [Agent; 2]) {
    // Some transmissions go to the dead; enough must be left.
    let (us, [first, mut second]) = lab.trio_with(Options { retransmit_mult: 10, ..lab.options() });
    second.kill();
    wait_for_us(&us, "we see the killed agent fail", |view| {
        view.status(&second.name) == Some(MemberStatus::Failed)
    });
    wait_for_status(&first, &second.name, "failed");
    (us, [first, second])
}

/// Both of us tell this story of the killed agent, and nothing else happened.
fn assert_story(us: &Driver, agent: &Agent, killed: &Agent, expected: &[&str]) {
    wait_for_us(us, "our last report", |view| story(view, &killed.name).len() >= expected.len());
    assert_eq!(story(&us.look(), &killed.name), expected);
    wait_for("the agent's last report", || {
        Some(agent.story(&killed.name)).filter(|story| story.len() >= expected.len())
    });
    assert_eq!(agent.story(&killed.name), expected);
    wait_for_full_house(us, &[agent]);
    assert_mutual_understanding(us, &[agent]);
}

/// Left members are no longer counted as failed, here and there.
fn assert_counted(us: &Driver, agent: &Agent, members: u64, left: u64) {
    let info = us.look().info;
    let ours = [info.members, info.failed, info.left].map(|n| n as u64);
    assert_eq!(ours, [members, 0, left]);
    let theirs = ["members", "failed", "left"].map(|key| agent.info(key));
    assert_eq!(theirs, [Some(members), Some(0), Some(left)]);
}

/// Whether the status of a member that we knew has ever turned to `to`.
fn has_turned(view: &View, name: &str, to: MemberStatus) -> bool {
    view.traces.iter().any(|trace| {
        matches!(*trace, Trace::Status { subject, to: Some(now), from: Some(_), .. }
            if now == to && view.name(subject) == name)
    })
}

/// A failed agent that we force out has left, for us and for the other agent, and both report it once.
#[test]
fn we_force_a_failed_agent_out() {
    thrice(we_force_a_failed_agent_out_once);
}

fn we_force_a_failed_agent_out_once() {
    let Some(lab) = Lab::open("we_force_a_failed_agent_out", 21, PLAIN) else { return };
    let (us, [first, second]) = trio_with_a_failed_agent(&lab);
    force_out(&us, &second.name, false);
    assert_eq!(us.look().status(&second.name), Some(MemberStatus::Left));
    wait_for_status(&first, &second.name, "left");
    assert_story(&us, &first, &second, &["Join", "Failed", "Leave"]);
    first.wait_for_log(&handled("leave", &second.name));
    assert_counted(&us, &first, 3, 1);
}

/// The same the other way round.
#[test]
fn an_agent_forces_a_failed_agent_out() {
    thrice(an_agent_forces_a_failed_agent_out_once);
}

fn an_agent_forces_a_failed_agent_out_once() {
    let Some(lab) = Lab::open("an_agent_forces_a_failed_agent_out", 22, PLAIN) else { return };
    let (us, [first, second]) = trio_with_a_failed_agent(&lab);
    first.must("force-leave", &[&second.name]);
    wait_for_us(&us, "we hear of it", |view| view.status(&second.name) == Some(MemberStatus::Left));
    assert_story(&us, &first, &second, &["Join", "Failed", "Leave"]);
    assert_counted(&us, &first, 3, 1);
}

/// A failed agent that we prune is erased here and there, after its leave was reported. It can come back.
#[test]
fn we_prune_a_failed_agent() {
    thrice(we_prune_a_failed_agent_once);
}

fn we_prune_a_failed_agent_once() {
    let Some(lab) = Lab::open("we_prune_a_failed_agent", 23, PLAIN) else { return };
    let (us, [first, second]) = trio_with_a_failed_agent(&lab);
    force_out(&us, &second.name, true);
    assert_eq!(us.look().status(&second.name), None);
    wait_for("the agent erases it", || first.status(&second.name).is_none().then_some(()));
    let story = ["Join", "Failed", "Leave", "Reap"];
    assert_story(&us, &first, &second, &story);
    first.wait_for_log(&handled("reap", &second.name));
    assert_counted(&us, &first, 2, 0);

    let addr = Some(second.addr);
    let back = lab.agent_with(2, &Setup { addr, join: Some(us.addr), ..Setup::default() });
    wait_for_full_house(&us, &[&first, &back]);
    assert_story(&us, &first, &back, &[&story[..], &["Join"]].concat());
}

/// The same the other way round, from a member that was forced out before.
#[test]
fn an_agent_prunes_an_agent_that_left() {
    thrice(an_agent_prunes_an_agent_that_left_once);
}

fn an_agent_prunes_an_agent_that_left_once() {
    let Some(lab) = Lab::open("an_agent_prunes_an_agent_that_left", 24, PLAIN) else { return };
    let (us, [first, second]) = trio_with_a_failed_agent(&lab);
    force_out(&us, &second.name, false);
    wait_for_status(&first, &second.name, "left");
    prune_at(&first, &second.name, &us);
    let story = ["Join", "Failed", "Leave", "Reap"];
    assert_story(&us, &first, &second, &story);
    assert_counted(&us, &first, 2, 0);

    let addr = Some(second.addr);
    let back = lab.agent_with(2, &Setup { addr, join: Some(first.addr), ..Setup::default() });
    wait_for_full_house(&us, &[&first, &back]);
    assert_story(&us, &first, &back, &[&story[..], &["Join"]].concat());
}

/// Members that are alive answer a forced leave with a newer join: an agent that we force, and we that an agent forces.
/// Nobody reports anything.
#[test]
fn the_living_refute_a_forced_leave() {
    thrice(the_living_refute_a_forced_leave_once);
}

fn the_living_refute_a_forced_leave_once() {
    let Some(lab) = Lab::open("the_living_refute_a_forced_leave", 25, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    force_out(&us, &second.name, false);
    let view = wait_for_us(&us, "the agent's refutation", |view| {
        has_turned(view, &second.name, MemberStatus::Alive)
    });
    assert!(has_turned(&view, &second.name, MemberStatus::Leaving), "it was leaving first");

    first.must("force-leave", &[US]);
    let refuted = |trace: &Trace| matches!(trace, Trace::IntentRefuted { .. });
    wait_for_us(&us, "our refutation", |view| view.traces.iter().any(refuted));
    wait_for_full_house(&us, &[&first, &second]);
    for agent in [&first, &second] {
        assert_eq!(story(&us.look(), &agent.name), ["Join"]);
        assert_eq!(agent.story(US), ["Join"]);
        assert_eq!((agent.info("failed"), agent.info("left")), (Some(0), Some(0)));
    }
    assert_eq!(first.story(&second.name), ["Join"]);
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// A member that left before somebody joined stays unknown to the newcomer: to ours as well as to an agent, whether we
/// tell it or an agent does. Then it comes back: it refutes the old leave that everybody keeps.
#[test]
fn newcomers_are_not_told_of_departures() {
    thrice(newcomers_are_not_told_of_departures_once);
}

fn newcomers_are_not_told_of_departures_once() {
    let Some(lab) = Lab::open("newcomers_are_not_told_of_departures", 26, PLAIN) else { return };
    let first = lab.agent(1, None);
    let mut second = lab.agent(2, Some(&first));
    wait_for_status(&first, &second.name, "alive");
    second.must("leave", &[]);
    second.wait_for_end();
    wait_for_status(&first, &second.name, "left");

    let us = lab.us();
    join(&us, &first);
    let third = lab.agent(3, Some(&first));
    let fourth = lab.agent_at(4, Some(us.addr));
    wait_for_full_house(&us, &[&first, &third, &fourth]);
    assert_eq!(us.look().status(&second.name), None);
    for agent in [&third, &fourth] {
        assert_eq!(agent.status(&second.name), None, "{}", agent.name);
    }

    let back = lab.agent_with(2, &Setup { join: Some(us.addr), ..Setup::default() });
    wait_for_full_house(&us, &[&first, &third, &fourth, &back]);
    assert_mutual_understanding(&us, &[&first, &third, &fourth, &back]);
}

/// While we hear nothing an agent leaves: we take it for failed. The next exchange tells us better.
#[test]
fn we_learn_of_a_leave_by_exchange() {
    thrice(we_learn_of_a_leave_by_exchange_once);
}

fn we_learn_of_a_leave_by_exchange_once() {
    let Some(lab) = Lab::open("we_learn_of_a_leave_by_exchange", 27, PLAIN) else { return };
    let (us, [first, mut second]) = lab.trio();
    us.faults.all.store(true, Ordering::SeqCst);
    second.must("leave", &[]);
    second.wait_for_end();
    wait_for_status(&first, &second.name, "left");
    wait_for_us(&us, "we take both agents for failed", |view| view.info.failed == 2);
    us.faults.all.store(false, Ordering::SeqCst);
    join(&us, &first);
    wait_for_us(&us, "we learn better", |view| {
        view.status(&second.name) == Some(MemberStatus::Left)
    });
    assert_eq!(story(&us.look(), &second.name), ["Join", "Failed", "Leave"]);
    wait_for_full_house(&us, &[&first]);
    assert_eq!(first.story(&second.name), ["Join", "Leave"]);
}

/// The same for an agent that takes another one for failed: that one came back to us and left, and we tell it.
#[test]
fn an_agent_learns_of_a_leave_by_our_exchange() {
    thrice(an_agent_learns_of_a_leave_by_our_exchange_once);
}

fn an_agent_learns_of_a_leave_by_our_exchange_once() {
    let test = "an_agent_learns_of_a_leave_by_our_exchange";
    let Some(lab) = Lab::open(test, 28, PLAIN) else { return };
    let first = lab.agent(1, None);
    let mut second = lab.agent(2, Some(&first));
    wait_for_status(&first, &second.name, "alive");
    second.kill();
    wait_for_status(&first, &second.name, "failed");

    let us = lab.us();
    let mut back = lab.agent_at(2, Some(us.addr));
    wait_for_full_house(&us, &[&back]);
    // Its leave is newer than all that the first agent knows of it.
    back.must("join", &[&us.addr.to_string()]);
    back.must("leave", &[]);
    back.wait_for_end();
    wait_for_us(&us, "it leaves", |view| view.status(&back.name) == Some(MemberStatus::Left));

    first.must("join", &[&us.addr.to_string()]);
    wait_for_status(&first, &second.name, "left");
    wait_for_full_house(&us, &[&first]);
    assert_eq!(us.look().status(&second.name), Some(MemberStatus::Left));
    assert_eq!(first.story(&second.name), ["Join", "Failed", "Leave"]);
    assert_eq!((first.info("failed"), first.info("left")), (Some(0), Some(1)));
    assert_mutual_understanding(&us, &[&first, &back]);
}

/// An agent prunes another one that is alive. It holds its member lock until its wait is over, so it misses the
/// refutation and erases the record. We take the refutation in during our wait, and keep the record.
#[test]
fn we_keep_a_pruned_agent_that_is_alive() {
    thrice(we_keep_a_pruned_agent_that_is_alive_once);
}

fn we_keep_a_pruned_agent_that_is_alive_once() {
    let test = "we_keep_a_pruned_agent_that_is_alive";
    let Some(lab) = Lab::open(test, 52, PLAIN) else { return };
    let wait = Duration::from_secs(2);
    let options = Options { broadcast_timeout: wait, ..lab.options() };
    let prune_wait = wait + options.leave_propagate_delay;
    let (us, [first, second]) = lab.trio_with(options);
    let before = us.look().members[&second.name].status_ltime;
    first.must("force-leave", &["-prune", &second.name]);
    wait_for("the agent erases it", || first.status(&second.name).is_none().then_some(()));
    wait_for("it reports so", || (first.story(&second.name) == ["Join", "Reap"]).then_some(()));
    // The refutation may come before what it refutes.
    wait_for_us(&us, "the refutation", |view| {
        let seen = &view.members[&second.name];
        seen.status == MemberStatus::Alive && seen.status_ltime > before
    });
    // A query that outlasts our own wait.
    let timeout = prune_wait + Duration::from_millis(200);
    let query = QueryParams { name: "wait".into(), ack: true, timeout, ..QueryParams::default() };
    let Ok(Reply::QueryDone(report)) = answer(&us, Command::Query(query)) else {
        panic!("it ends with a report");
    };
    assert_eq!(report.acks, 3, "the pruned agent still belongs to the cluster");
    assert_eq!(us.look().status(&second.name), Some(MemberStatus::Alive));
    assert_eq!(story(&us.look(), &second.name), ["Join"]);
    assert_eq!(second.status(&second.name).as_deref(), Some("alive"));
    assert_mutual_understanding(&us, &[&first, &second]);
}
