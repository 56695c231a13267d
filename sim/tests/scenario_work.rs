//! What scenario files say about load: work that is repeated, and what is expected of many events at once.

use std::path::Path;

use uwasa_sim::metrics::SeedResult;
use uwasa_sim::scenario::{Scenario, WorkKind, parse};
use uwasa_sim::world::run;

const MS: u64 = 1_000_000;

fn read(text: &str) -> Scenario {
    let text = format!("title = \"T\"\nnetwork = {{ latency = \"1ms\" }}\n{text}");
    parse(&text, Path::new("scenarios/x.toml"), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn first(text: &str) -> SeedResult {
    run(&read(text), 1, &mut |_| {})
}

#[test]
fn repeated_work_is_numbered_and_spread_over_time() {
    let scenario = read(
        "nodes = 5\nduration = \"30s\"\n\
         [[work]]\nat = \"2s\"\nevent = \"e\"\npayload = \"{n} of {n}\"\nevery = \"10ms\"\ncount = 12\n\
         [[work]]\nat = \"1s\"\nquery = \"q\"\npayload = \"{n}\"\nevery = \"1s\"\ncount = 2\n\
         [[work]]\nat = \"5s\"\nevent = \"once\"\npayload = \"{n}\"\n",
    );
    let told: Vec<_> = scenario
        .workload
        .iter()
        .filter_map(|work| {
            let WorkKind::Event { name, payload, .. } = &work.kind else { return None };
            Some((work.at, name.as_str(), &**payload))
        })
        .collect();
    assert_eq!(told.len(), 13);
    assert_eq!(told[0], (2_000 * MS, "e", b"1 of 1".as_slice()));
    assert_eq!(told[11], (2_110 * MS, "e", b"12 of 12".as_slice()));
    assert_eq!(told[12], (5_000 * MS, "once", b"{n}".as_slice()), "it has no number");
    let asked: Vec<_> = scenario
        .workload
        .iter()
        .filter_map(|work| {
            let WorkKind::Query(query) = &work.kind else { return None };
            Some((work.at, query.payload.clone()))
        })
        .collect();
    assert_eq!(asked, [(1_000 * MS, b"1".to_vec()), (2_000 * MS, b"2".to_vec())]);
}

#[test]
fn leaves_come_one_after_the_other() {
    let scenario = read(
        "nodes = 5\nduration = \"30s\"\n\
         [[work]]\nat = \"2s\"\nleave = [\"host4\", \"host1..host2\"]\nevery = \"3s\"\nexit_after = \"0s\"\n",
    );
    let leaves: Vec<_> = scenario
        .workload
        .iter()
        .filter_map(|work| {
            let WorkKind::Leave { nodes, exit_after: 0 } = &work.kind else { return None };
            Some((work.at / (1_000 * MS), &**nodes))
        })
        .collect();
    assert_eq!(leaves, [(2, [3].as_slice()), (5, &[0]), (8, &[1])]);
}

#[test]
fn a_share_of_the_events_may_fall_short() {
    // Half of the events are sent while host3 to host5 are cut off for good.
    let text = |share: f64| {
        format!(
            "nodes = 5\nduration = \"30s\"\n\
             [[work]]\nat = \"5s\"\nevent = \"e\"\npayload = \"{{n}}\"\nfrom = \"host1\"\nevery = \"1s\"\ncount = 10\n\
             [[fault]]\nat = \"9500ms\"\npartition = [[\"host1..host2\"], [\"host3..host5\"]]\n\
             [[expect]]\nevent_coverage = {{ event = \"e\", events = {share}, within = \"400ms\" }}\n"
        )
    };
    let held = &first(&text(0.4)).verdicts[0];
    assert!(held.held, "{}", held.measured);
    let told = "5 of 10 events, of 6 needed; the first to miss: ";
    let missed = &first(&text(0.6)).verdicts[0];
    assert!(!missed.held && missed.measured.starts_with(told), "{}", missed.measured);
    assert_eq!(missed.at, None, "the sixth event never came so far");
}

#[test]
fn an_event_that_comes_again_after_a_restart_is_noticed() {
    let text = |fault: &str| {
        format!(
            "nodes = 5\nduration = \"90s\"\n[[work]]\nat = \"5s\"\nevent = \"deploy\"\n\
             {fault}[[fault]]\nat = \"30s\"\nrestart = [\"host2\"]\nkeep_state = true\nevery = \"1s\"\n\
             [[expect]]\ntold_once = {{ event = \"deploy\", nodes = [\"*\"] }}\n"
        )
    };
    let kept = &first(&text("")).verdicts[0];
    assert_eq!(
        (kept.held, &*kept.measured),
        (true, "5 of 5 times a node delivered it exactly once")
    );
    // A power cut takes the end of the file, which says that the event was delivered.
    let torn = &first(&text("[[fault]]\nat = \"20s\"\ncrash = [\"host2\"]\n")).verdicts[0];
    assert_eq!(
        (torn.held, &*torn.measured),
        (false, "4 of 5 times a node delivered it exactly once; host2 did 2 times")
    );
}

#[test]
fn the_depth_of_queues_is_looked_at() {
    let text = |most: u32| {
        format!(
            "nodes = 5\nduration = \"60s\"\nconfig = {{ queue_depth_max = 50 }}\n\
             [[work]]\nat = \"5s\"\nevent = \"e\"\npayload = \"{{n}}\"\nfrom = \"host1\"\nevery = \"1ms\"\ncount = 300\n\
             [[expect]]\nqueues = {{ most = {most}, by = \"5300ms\" }}\n\
             [[expect]]\nqueues = {{ most = 0, by = \"50s\" }}\n"
        )
    };
    let result = first(&text(50));
    assert!(result.verdicts.iter().all(|verdict| verdict.held), "{:?}", result.verdicts);
    let crowded = &first(&text(49)).verdicts[0];
    let told = "live nodes have at most 49 messages in every queue; host1 has 50";
    assert!(!crowded.held && crowded.measured.ends_with(told), "{}", crowded.measured);
}
