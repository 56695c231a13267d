//! Members that come back under their old name, with clocks that start anew.

use super::*;

/// Agent 2 leaves and comes back at the address `at` chooses; it knows nothing but one member to join.
fn agent_returns(lab: &Lab, at: impl Fn(&Agent) -> Option<SocketAddr>) {
    let (us, [first, mut second]) = lab.trio();
    let addr = at(&second);
    second.must("leave", &[]);
    second.wait_for_end();
    wait_for_us(&us, "we hear that it left", |view| {
        view.status(&second.name) == Some(MemberStatus::Left)
    });
    wait_for_status(&first, &second.name, "left");

    let back = lab.agent_with(2, &Setup { addr, join: Some(us.addr), ..Setup::default() });
    wait_for_full_house(&us, &[&first, &back]);
    let view = us.look();
    assert_eq!(view.members[&back.name].addr, back.addr);
    assert_eq!(
        first.member(&back.name).expect("it shows it")["addr"],
        json!(back.addr.to_string())
    );
    assert_eq!(story(&view, &back.name), ["Join", "Leave", "Join"]);
    assert_eq!(first.story(&back.name), ["Join", "Leave", "Join"]);
    assert_eq!((view.info.left, first.info("left")), (0, Some(0)));
    assert_mutual_understanding(&us, &[&first, &back]);
}

/// An agent that left comes back at its old address.
#[test]
fn an_agent_comes_back() {
    thrice(an_agent_comes_back_once);
}

fn an_agent_comes_back_once() {
    let Some(lab) = Lab::open("an_agent_comes_back", 29, PLAIN) else { return };
    agent_returns(&lab, |agent| Some(agent.addr));
}

/// The same at another address: who has left gives its name free.
#[test]
fn an_agent_comes_back_elsewhere() {
    thrice(an_agent_comes_back_elsewhere_once);
}

fn an_agent_comes_back_elsewhere_once() {
    let Some(lab) = Lab::open("an_agent_comes_back_elsewhere", 30, PLAIN) else { return };
    agent_returns(&lab, |_| None);
}

/// We leave; a new node of ours joins under the same name, at the same address or another one. It refutes the leave
/// that the agents remember.
fn we_return(lab: &Lab, same_address: bool) {
    let (us, [first, second]) = lab.trio();
    assert_eq!(answer(&us, Command::Leave), Ok(Reply::Left));
    for agent in [&first, &second] {
        wait_for_status(agent, US, "left");
    }
    let old = us.addr;
    drop(us);

    let us = if same_address { lab.us_at(old) } else { lab.us() };
    join(&us, &second);
    wait_for_full_house(&us, &[&first, &second]);
    let refuted = |trace: &Trace| matches!(trace, Trace::IntentRefuted { .. });
    let view = us.look();
    assert!(view.traces.iter().any(refuted), "our old leave was news to us");
    for agent in [&first, &second] {
        assert_eq!(agent.member(US).expect("it shows us")["addr"], json!(us.addr.to_string()));
        assert_eq!(agent.story(US), ["Join", "Leave", "Join"]);
        assert_eq!(agent.info("left"), Some(0));
    }
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// We come back at our old address.
#[test]
fn we_come_back() {
    thrice(we_come_back_once);
}

fn we_come_back_once() {
    let Some(lab) = Lab::open("we_come_back", 31, PLAIN) else { return };
    we_return(&lab, true);
}

/// We come back at another address.
#[test]
fn we_come_back_elsewhere() {
    thrice(we_come_back_elsewhere_once);
}

fn we_come_back_elsewhere_once() {
    let Some(lab) = Lab::open("we_come_back_elsewhere", 32, PLAIN) else { return };
    we_return(&lab, false);
}

/// We stop without a goodbye and are failed; a new node of ours at the same address joins and is alive.
#[test]
fn we_come_back_from_the_dead() {
    thrice(we_come_back_from_the_dead_once);
}

fn we_come_back_from_the_dead_once() {
    let Some(lab) = Lab::open("we_come_back_from_the_dead", 33, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let old = us.addr;
    drop(us);
    for agent in [&first, &second] {
        wait_for_status(agent, US, "failed");
    }
    let us = lab.us_at(old);
    join(&us, &first);
    wait_for_full_house(&us, &[&first, &second]);
    for agent in [&first, &second] {
        assert_eq!(agent.story(US), ["Join", "Failed", "Join"]);
    }
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// An agent is killed and comes back under its name, at its old address: we see it fail and join.
#[test]
fn an_agent_comes_back_from_the_dead() {
    thrice(an_agent_comes_back_from_the_dead_once);
}

fn an_agent_comes_back_from_the_dead_once() {
    let Some(lab) = Lab::open("an_agent_comes_back_from_the_dead", 34, PLAIN) else { return };
    let (us, [first, mut second]) = lab.trio();
    second.kill();
    wait_for_us(&us, "we see it fail", |view| {
        view.status(&second.name) == Some(MemberStatus::Failed)
    });
    wait_for_status(&first, &second.name, "failed");
    let addr = Some(second.addr);
    let back = lab.agent_with(2, &Setup { addr, join: Some(first.addr), ..Setup::default() });
    wait_for_full_house(&us, &[&first, &back]);
    assert_eq!(story(&us.look(), &back.name), ["Join", "Failed", "Join"]);
    assert_eq!(first.story(&back.name), ["Join", "Failed", "Join"]);
    assert_mutual_understanding(&us, &[&first, &back]);
}
