//! Whole worlds with queries, keys, and votes about names.

mod worlds;

use uwasa_sim::world::run;
use worlds::{held, read};

const OLD_KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";
const NEW_KEY: &str = "EBESExQVFhcYGRobHB0eHw==";

#[test]
fn everybody_acks_and_answers_a_query() {
    for result in held(
        "nodes = 20\nduration = \"20s\"\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\nack = true\n\
         [[expect]]\nquery = { name = \"uptime\", acks = 1.0, responses = 1.0, within = \"3s\" }\n\
         [[expect]]\nquery = { name = \"uptime\", acks = 1.0, responses = 1.0 }\n",
    ) {
        assert_eq!(result.totals.queries, 1);
        assert_eq!((result.totals.query_acks, result.totals.query_responses), (20, 20));
        assert!(result.notes.is_empty(), "{:?}", result.notes);
    }
}

#[test]
fn filters_choose_who_answers() {
    for result in held(
        "nodes = { count = 12, tags = { role = \"web\" } }\nduration = \"20s\"\n\
         [[node]]\nnodes = [\"host1..host4\"]\ntags = { role = \"db\" }\n\
         [[work]]\nat = \"5s\"\nset_tags = { role = \"db\" }\nnodes = [\"host9\"]\n\
         [[work]]\nat = \"10s\"\nquery = \"uptime\"\nfrom = \"host12\"\nnodes = [\"host2..host10\"]\n\
         tags = { role = \"^db$\" }\n\
         [[expect]]\nquery = { name = \"uptime\", responses = 1.0 }\n",
    ) {
        assert_eq!((result.totals.query_acks, result.totals.query_responses), (0, 4));
        assert_eq!(
            result.verdicts[0].measured.split(" after").next(),
            Some("of 4 matching nodes 4 answered")
        );
    }
}

#[test]
fn silence_is_no_answer_and_a_silent_network_no_ack() {
    let scenario = read(
        "nodes = 5\nduration = \"20s\"\n[[fault]]\nat = \"4s\"\nfor = \"10s\"\npartition = [[\"host1\"], [\"host2..host5\"]]\n\
         [[work]]\nat = \"5s\"\nquery = \"uptime\"\nfrom = \"host1\"\nack = true\nanswer = false\ntimeout = \"2s\"\n\
         [[expect]]\nquery = { name = \"uptime\", acks = 0.9 }\n",
    );
    let result = run(&scenario, 1, &mut |_| {});
    assert!(!result.verdicts[0].held);
    assert_eq!(result.verdicts[0].measured, "of 5 matching nodes 1 acked after 2.000 s");
    assert_eq!(result.totals.query_responses, 0);
}

#[test]
fn relays_bring_answers_again() {
    for result in held(
        "nodes = 10\nduration = \"20s\"\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\nack = true\nrelay_factor = 2\n\
         [[expect]]\nquery = { name = \"uptime\", acks = 1.0, responses = 1.0 }\n",
    ) {
        assert!(result.totals.relayed > 20, "{} relayed", result.totals.relayed);
        assert!(result.totals.query_duplicates > 20, "{:?}", result.totals);
    }
}

#[test]
fn a_key_is_rotated_without_losing_anybody() {
    // Enough transmissions that no query misses anybody; with the usual four, one in twenty does in so small a cluster.
    let results = held(&format!(
        "nodes = 8\nduration = \"60s\"\nconfig = {{ encrypt = \"{OLD_KEY}\", keyring_file = true, retransmit_mult = 12 }}\n\
         [[work]]\nat = \"5s\"\nkeys = \"install\"\nkey = \"{NEW_KEY}\"\n\
         [[work]]\nat = \"15s\"\nkeys = \"use\"\nkey = \"{NEW_KEY}\"\n\
         [[work]]\nat = \"25s\"\nkeys = \"remove\"\nkey = \"{OLD_KEY}\"\n\
         [[work]]\nat = \"35s\"\nkeys = \"list\"\nfrom = \"host1\"\n\
         [[fault]]\nat = \"40s\"\nrestart = [\"host2\"]\nevery = \"1s\"\n\
         [[expect]]\nkeys = {{ count = 2, primary = \"{OLD_KEY}\", by = \"12s\" }}\n\
         [[expect]]\nkeys = {{ count = 2, primary = \"{NEW_KEY}\", by = \"22s\" }}\n\
         [[expect]]\nkeys = {{ count = 1, primary = \"{NEW_KEY}\", by = \"32s\" }}\n\
         [[expect]]\nkeys = {{ count = 1, primary = \"{NEW_KEY}\", by = \"59s\" }}\n\
         [[expect]]\nconverged_by = \"59s\"\n[[expect]]\nno_false_failures = true\n"
    ));
    for result in results {
        assert_eq!(result.totals.key_changes, 24, "eight members, three changes each");
        let listed = "host1 listed 1 keys, 1 of them on every member: 8/8 nodes reported success.";
        assert!(result.notes.iter().any(|note| note.ends_with(listed)), "{:?}", result.notes);
    }
}

#[test]
fn who_claims_a_name_loses_the_vote() {
    for result in held(
        "nodes = 6\nduration = \"60s\"\n[[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"5s\"\n\
         [[expect]]\nshut_down = { node = \"rogue\", by = \"40s\" }\n[[expect]]\nup = [\"*\"]\n\
         [[expect]]\nno_false_failures = true\n[[expect]]\nconverged_by = \"59s\"\n",
    ) {
        assert!(result.totals.conflict_votes >= 1);
        let note = result.notes.iter().find(|note| note.contains("rogue shut itself down"));
        assert!(
            note.is_some_and(|note| note.contains("carries the name host3")),
            "{:?}",
            result.notes
        );
    }
}

#[test]
fn what_the_asking_node_refuses_is_told() {
    let scenario = read(
        "nodes = 3\nduration = \"10s\"\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\nfrom = \"host2\"\n\
         tags = { role = \"a{1001}\" }\n\
         [[expect]]\nquery = { name = \"uptime\", responses = 1.0 }\n",
    );
    let result = run(&scenario, 1, &mut |_| {});
    assert!(!result.verdicts[0].held);
    assert_eq!(result.verdicts[0].measured, "the asking node refused to send it");
    assert!(result.notes[0].starts_with("at 5.000 s host2 refused: filter on tag \"role\""));
}

#[test]
fn the_same_seed_asks_and_answers_the_same() {
    let scenario = read(&format!(
        "nodes = 8\nduration = \"60s\"\nstart = \"cold\"\nconfig = {{ encrypt = \"{OLD_KEY}\" }}\n\
         [[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"15s\"\n\
         [[work]]\nat = \"5s\"\nquery = \"uptime\"\nack = true\nrelay_factor = 3\n\
         [[work]]\nat = \"8s\"\nkeys = \"install\"\nkey = \"{NEW_KEY}\"\n\
         [[fault]]\nat = \"20s\"\nrestart = [\"*\"]\nevery = \"2s\"\nkeep_state = true\n\
         [[fault]]\nat = \"45s\"\ncrash = [\"host5\"]\n\
         [[fault]]\nat = \"50s\"\nrestart = [\"host5\"]\nkeep_state = true\n\
         [[work]]\nat = \"52s\"\nforce_leave = \"host7\"\nprune = true\n"
    ));
    let hash = |seed| run(&scenario, seed, &mut |_| {}).trace_hash;
    assert_eq!(hash(4), hash(4));
    assert_ne!(hash(4), hash(5));
}
