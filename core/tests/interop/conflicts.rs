//! Two members of one name: whoever loses the vote of the others shuts itself down.

use uwasa_core::event::{Event, ShutDownReason};

use super::*;

/// Why we shut ourselves down, if we did.
fn shut_down(view: &View) -> Option<ShutDownReason> {
    view.told.iter().find_map(|told| {
        let Told::Other(Event::ShutDown(reason)) = told else { return None };
        Some(*reason)
    })
}

/// How our votes about our name ended: whether we stay, with the answers and those for us.
fn votes(view: &View) -> Vec<(bool, u32, u32)> {
    let vote = |trace: &Trace| {
        let Trace::ConflictVote { responses, matching, stays } = *trace else { return None };
        Some((stays, responses, matching))
    };
    view.traces.iter().filter_map(vote).collect()
}

/// An agent takes our name and joins through us. Both ask the others, who know us: we stay, it shuts down.
#[test]
fn an_agent_under_our_name_shuts_down() {
    thrice(an_agent_under_our_name_shuts_down_once);
}

fn an_agent_under_our_name_shuts_down_once() {
    let Some(lab) = Lab::open("an_agent_under_our_name_shuts_down", 38, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let setup = Setup { name: Some(US), join: Some(us.addr), ..Setup::default() };
    let mut impostor = lab.agent_with(3, &setup);
    impostor.wait_for_end();
    impostor.wait_for_log("minority in name conflict resolution, quitting [0 / 2]");
    let view = wait_for_us(&us, "our vote", |view| !votes(view).is_empty());
    assert!(votes(&view).iter().all(|&vote| vote == (true, 2, 2)), "{:?}", votes(&view));
    assert_eq!(shut_down(&view), None);
    assert!(view.stats.conflicts > 0);
    wait_for_full_house(&us, &[&first, &second]);
    for agent in [&first, &second] {
        assert_eq!(agent.member(US).expect("it shows us")["addr"], json!(us.addr.to_string()));
        assert_eq!(agent.story(US), ["Join"]);
    }
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// Nobody else can vote: we and the agent of our name both shut down.
#[test]
fn without_voters_both_shut_down() {
    thrice(without_voters_both_shut_down_once);
}

fn without_voters_both_shut_down_once() {
    let Some(lab) = Lab::open("without_voters_both_shut_down", 39, PLAIN) else { return };
    let us = lab.us();
    let setup = Setup { name: Some(US), join: Some(us.addr), ..Setup::default() };
    let mut twin = lab.agent_with(3, &setup);
    twin.wait_for_end();
    let reason = wait_for("we shut down", || shut_down(&us.look()));
    assert_eq!(reason, ShutDownReason::NameConflict { responses: 0, matching: 0 });
    assert_eq!(answer(&us, Command::Leave), Err(OpError::ShutDown));
}

/// Without the vote we stay, whoever else carries our name; the agent still votes about itself.
#[test]
fn we_stay_without_the_vote() {
    thrice(we_stay_without_the_vote_once);
}

fn we_stay_without_the_vote_once() {
    let Some(lab) = Lab::open("we_stay_without_the_vote", 40, PLAIN) else { return };
    let us = lab.us_with(Options { name_conflict_resolution: false, ..lab.options() });
    let setup = Setup { name: Some(US), join: Some(us.addr), ..Setup::default() };
    let mut twin = lab.agent_with(3, &setup);
    twin.wait_for_end();
    let view = us.look();
    assert_eq!((shut_down(&view), votes(&view)), (None, vec![]));
    assert!(view.stats.conflicts > 0);
}
