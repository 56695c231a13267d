//! Whole worlds with what Serf adds to membership: statuses, tags, forced leaves, snapshots, claimed names.

mod worlds;

use uwasa_sim::world::run;
use worlds::{held, read};

/// What the first expectation measured, and whether it held.
fn first_verdict(text: &str) -> (bool, String) {
    let result = run(&read(text), 1, &mut |_| {});
    (result.verdicts[0].held, result.verdicts[0].measured.clone())
}

#[test]
fn a_failed_member_is_forced_out_and_a_pruned_one_is_forgotten() {
    let text = |prune: bool, status: &str| {
        format!(
            "nodes = 10\nduration = \"90s\"\n[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n\
             [[work]]\nat = \"40s\"\nforce_leave = \"host3\"\nprune = {prune}\nfrom = \"host1\"\n\
             [[expect]]\nstatus = {{ subject = \"host3\", status = \"failed\", by = \"39s\" }}\n\
             [[expect]]\nstatus = {{ subject = \"host3\", status = \"{status}\", by = \"80s\" }}\n"
        )
    };
    held(&text(false, "left"));
    held(&text(true, "gone"));
    let (_, measured) = first_verdict(
        "nodes = 4\nduration = \"30s\"\n\
         [[expect]]\nstatus = { subject = \"host3\", status = \"gone\", by = \"20s\" }\n",
    );
    assert_eq!(measured, "at 20.000 s: 1 of 4 live nodes keep host3 as gone; host1 has alive");
}

#[test]
fn a_leave_is_seen_as_one_by_everybody() {
    held(
        "nodes = 10\nduration = \"30s\"\nstart = \"cold\"\n[[work]]\nat = \"10s\"\nleave = [\"host4\"]\n\
         [[expect]]\nstatus = { subject = \"host4\", status = \"alive\", by = \"9s\" }\n\
         [[expect]]\nstatus = { subject = \"host4\", status = \"left\", by = \"20s\" }\n\
         [[expect]]\nup = [\"host1..host3\", \"host5..host10\"]\n",
    );
    let (held, measured) = first_verdict(
        "nodes = 3\nduration = \"20s\"\n[[work]]\nat = \"5s\"\nleave = [\"host2\"]\n[[expect]]\nup = [\"*\"]\n",
    );
    assert!(!held);
    assert_eq!(measured, "2 of 3 processes run at the end; host2 does not");
}

#[test]
fn tags_are_known_from_the_start_and_after_a_change() {
    let results = held(
        "nodes = { count = 8, tags = { role = \"web\" } }\nduration = \"30s\"\n\
         [[work]]\nat = \"10s\"\nset_tags = { role = \"db\", dc = \"east\" }\nnodes = [\"host2\", \"host5\"]\n\
         [[expect]]\ntags = { nodes = [\"*\"], tags = { role = \"web\" }, by = \"9s\" }\n\
         [[expect]]\ntags = { nodes = [\"host2\", \"host5\"], tags = { role = \"db\" }, by = \"15s\" }\n\
         [[expect]]\ntags = { nodes = [\"host1\", \"host8\"], tags = { role = \"web\" }, by = \"15s\" }\n",
    );
    assert!(results.iter().all(|result| result.notes.is_empty()), "{:?}", results[0].notes);
    let (held, measured) = first_verdict(
        "nodes = 3\nduration = \"20s\"\n\
         [[expect]]\ntags = { nodes = [\"host2\"], tags = { role = \"db\" }, by = \"15s\" }\n",
    );
    assert!(!held);
    assert_eq!(
        measured,
        "at 15.000 s: 0 of 3 live nodes know the tags; host1 has other tags of host2"
    );
}

#[test]
fn a_node_rejoins_from_its_disk_even_if_the_start_plan_knows_nobody() {
    let text = |keep: bool| {
        format!(
            "nodes = 6\nduration = \"30s\"\nstart = {{ kind = \"cold\", join = [\"host1\"], retry = \"0s\" }}\n\
             config = {{ push_pull_interval = \"0s\", reconnect_interval = \"0s\" }}\n\
             [[fault]]\nat = \"20s\"\nrestart = [\"host1\"]\nevery = \"1s\"\nkeep_state = {keep}\n\
             [[expect]]\nconverged_by = \"22s\"\n"
        )
    };
    let results = held(&text(true));
    assert!(results.iter().all(|result| result.totals.snapshot_restarts == 1));
    let forgetful = run(&read(&text(false)), 1, &mut |_| {});
    assert_eq!((forgetful.totals.snapshot_restarts, forgetful.verdicts[0].held), (0, false));
}

#[test]
fn a_warm_node_has_a_full_disk_and_its_short_absence_goes_unnoticed() {
    let results = held(
        "nodes = 8\nduration = \"60s\"\n[[fault]]\nat = \"20s\"\nrestart = [\"*\"]\nevery = \"3s\"\nkeep_state = true\n\
         [[expect]]\nconverged_by = \"50s\"\n[[expect]]\nno_false_failures = true\n[[expect]]\nup = [\"*\"]\n",
    );
    assert!(results.iter().all(|result| result.totals.snapshot_restarts == 8));
}

#[test]
fn an_event_of_before_is_not_delivered_again_after_a_restart_from_disk() {
    let results = held(
        "nodes = 5\nduration = \"60s\"\n[[work]]\nat = \"5s\"\nevent = \"deploy\"\n\
         [[work]]\nat = \"9s\"\nevent = \"last\"\n\
         [[fault]]\nat = \"20s\"\nrestart = [\"host2\"]\nevery = \"1s\"\nkeep_state = true\n\
         [[expect]]\nevent_coverage = { event = \"deploy\", within = \"3s\" }\n[[expect]]\nconverged_by = \"59s\"\n",
    );
    for result in &results {
        assert_eq!(result.totals.events_delivered, 10, "five nodes, two events, each once");
    }
}

#[test]
fn a_restart_whose_members_are_all_gone_falls_back_to_the_start_plan() {
    // host2 remembers only host1, which is off; host3 and host4 have never heard of either.
    let results = held(
        "nodes = 4\nduration = \"80s\"\nstart = { kind = \"cold\", stagger = \"40s\", retry = \"5s\" }\n\
         [[fault]]\nat = \"15s\"\ncrash = [\"host2\"]\n[[fault]]\nat = \"16s\"\ncrash = [\"host1\"]\n\
         [[fault]]\nat = \"40s\"\nrestart = [\"host2\"]\nkeep_state = true\n\
         [[expect]]\nstate_at = { at = \"39s\", observer = \"host3\", subject = \"host2\", state = \"unknown\" }\n\
         [[expect]]\nconverged_by = \"70s\"\n",
    );
    assert!(results.iter().all(|result| result.totals.snapshot_restarts == 1));
}

#[test]
fn who_claims_a_name_spoils_no_ground_truth() {
    let text = "nodes = 6\nduration = \"20s\"\nconfig = { name_conflict_resolution = false }\n\
                [[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"5s\"\n\
                [[work]]\nat = \"15s\"\nevent = \"deploy\"\n\
                [[expect]]\nevent_coverage = { event = \"deploy\", within = \"3s\" }\n\
                [[expect]]\nno_false_failures = true\n[[expect]]\nup = [\"*\", \"rogue\"]\n";
    for result in held(text) {
        assert_eq!(result.events[0].audience, 6, "the host that claims a name is nobody");
        assert!(result.departures.is_empty());
    }
    let (a, b) = (run(&read(text), 9, &mut |_| {}), run(&read(text), 9, &mut |_| {}));
    assert_eq!(a.trace_hash, b.trace_hash);
}
