//! What scenario files say about the Serf layer: queries, tags, keys, forced leaves, claimed names, restarts from disk.

use std::path::Path;

use uwasa_core::trace::MemberStatus;
use uwasa_sim::scenario::{
    Answer, ExpectKind, FaultKind, KeyVerb, OnDisk, Scenario, WorkKind, parse,
};

const S: u64 = 1_000_000_000;
const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

fn read(text: &str) -> Scenario {
    let text = format!("title = \"T\"\nduration = \"60s\"\n{text}");
    parse(&text, Path::new("scenarios/x.toml"), &[]).expect("a scenario")
}

#[test]
fn a_query_says_whom_it_is_for_and_what_comes_back() {
    let scenario = read(
        "nodes = 9\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\npayload = \"-p\"\nfrom = \"host2\"\n\
         nodes = [\"host3..host5\"]\ntags = { role = \"^web\" }\nack = true\nrelay_factor = 2\ntimeout = \"5s\"\n\
         answer = \"up\"\n[[work]]\nat = \"6s\"\nquery = \"load\"\nanswer = false\n\
         [[work]]\nat = \"7s\"\nquery = \"date\"\n",
    );
    let queries: Vec<_> = scenario
        .workload
        .iter()
        .filter_map(|work| if let WorkKind::Query(query) = &work.kind { Some(query) } else { None })
        .collect();
    let [first, silent, usual] = queries.as_slice() else { panic!("three queries") };
    assert_eq!((first.from, &first.nodes, first.timeout), (Some(1), &vec![2, 3, 4], 5 * S));
    assert_eq!((first.ack, first.relay_factor, &*first.payload), (true, 2, b"-p".as_slice()));
    assert_eq!(first.answer, Answer::Text("up".into()));
    assert_eq!((first.tags[0].tag.as_str(), first.tags[0].regex.as_str()), ("role", "^web"));
    assert_eq!((&silent.answer, &usual.answer), (&Answer::Silence, &Answer::Name));
    assert!(usual.nodes.is_empty() && usual.tags.is_empty() && !usual.ack && usual.timeout == 0);
}

#[test]
fn tags_come_with_all_nodes_a_group_or_one() {
    let scenario = read(
        "nodes = { count = 5, tags = { role = \"web\" } }\n\
         [[node]]\nnodes = [\"host2..host3\"]\ntags = { role = \"db\", dc = \"east\" }\n\
         [[node]]\nname = \"host5\"\naddr = \"10.9.0.1\"\n\
         [[work]]\nat = \"5s\"\nset_tags = { role = \"cache\" }\nnodes = [\"host1\", \"host4\"]\n",
    );
    let roles: Vec<_> = scenario.nodes.iter().map(|spec| spec.tags.get("role")).collect();
    assert_eq!(roles, ["web", "db", "db", "web", "web"].map(Some));
    assert_eq!(scenario.nodes[2].tags.get("dc"), Some("east"));
    let WorkKind::SetTags { nodes, tags } = &scenario.workload[0].kind else { panic!("new tags") };
    assert_eq!((nodes, tags.get("role")), (&vec![0, 3], Some("cache")));
}

#[test]
fn keys_are_changed_by_verb_and_need_encryption() {
    let mut text = format!("nodes = 3\nconfig = {{ encrypt = \"{KEY}\", keyring_file = true }}\n");
    for verb in ["install", "use", "remove"] {
        text += &format!("[[work]]\nat = \"5s\"\nkeys = \"{verb}\"\nkey = \"{KEY}\"\n");
    }
    text += "[[work]]\nat = \"5s\"\nkeys = \"list\"\nfrom = \"host1\"\nrelay_factor = 1\n";
    let scenario = read(&text);
    let verbs: Vec<_> = scenario
        .workload
        .iter()
        .filter_map(|work| {
            let WorkKind::Keys { verb, key, from, relay_factor } = &work.kind else { return None };
            Some((*verb, key.len(), *from, *relay_factor))
        })
        .collect();
    assert_eq!(
        verbs,
        [
            (KeyVerb::Install, 16, None, 0),
            (KeyVerb::Use, 16, None, 0),
            (KeyVerb::Remove, 16, None, 0),
            (KeyVerb::List, 0, Some(0), 1),
        ]
    );
    assert!(scenario.config.keyring_file);
}

#[test]
fn a_host_that_claims_a_name_is_a_node_but_no_member() {
    let scenario = read(
        "nodes = 4\nstart = { kind = \"cold\", stagger = \"4s\" }\n\
         [[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"20s\"\n\
         [[fault]]\nat = \"30s\"\nfor = \"5s\"\npartition = [[\"rogue\"], [\"*\"]]\n\
         [[expect]]\nshut_down = { node = \"rogue\", by = \"60s\" }\n[[expect]]\nup = [\"*\"]\n",
    );
    assert_eq!((scenario.nodes.len(), scenario.members_len()), (5, 4));
    assert_eq!((scenario.node_name(4), scenario.protocol_name(4)), ("rogue", "host3"));
    assert_eq!(scenario.nodes[4].addr.to_string(), "10.0.0.5:7946");
    let claim = scenario.nodes[4].claim.expect("a claim");
    assert_eq!((claim.owner, claim.boot), (2, 20 * S));
    let FaultKind::Partition { groups, .. } = &scenario.faults[0].kind else { panic!("a cut") };
    assert_eq!(groups, &[vec![4], vec![0, 1, 2, 3]]);
    assert!(matches!(scenario.expects[0].kind, ExpectKind::ShutDown { node: 4, .. }));
    assert!(
        matches!(&scenario.expects[1].kind, ExpectKind::Up { nodes } if *nodes == [0, 1, 2, 3])
    );
}

#[test]
fn a_rolling_restart_is_one_restart_after_the_other_and_keeps_snapshots() {
    let scenario = read(
        "nodes = 4\n[[fault]]\nat = \"10s\"\nrestart = [\"host4\", \"host1..host2\"]\nevery = \"2s\"\nkeep_state = true\n",
    );
    let restarts: Vec<_> = scenario
        .faults
        .iter()
        .filter_map(|fault| {
            let FaultKind::Restart { nodes, snapshot: OnDisk::Kept, running: true } = &fault.kind
            else {
                return None;
            };
            Some((fault.at, nodes.clone()))
        })
        .collect();
    assert_eq!(restarts, [(10 * S, vec![3]), (12 * S, vec![0]), (14 * S, vec![1])]);
    assert!(scenario.config.snapshot, "it is forced on");
    let forgetful =
        read("nodes = 2\n[[fault]]\nat = \"9s\"\nrestart = [\"host1\"]\nevery = \"1s\"\n");
    assert!(!forgetful.config.snapshot);
}

#[test]
fn what_a_run_does_decides_its_hash() {
    let hash = |text: &str| read(&format!("nodes = 3\n{text}")).config_hash;
    let query = |more: &str| hash(&format!("[[work]]\nat = \"5s\"\nquery = \"x\"\n{more}\n"));
    let key = |key: &str| {
        hash(&format!(
            "config = {{ encrypt = \"{KEY}\" }}\n[[work]]\nat = \"5s\"\nkeys = \"use\"\nkey = \"{key}\"\n"
        ))
    };
    let mut hashes = vec![
        hash(""),
        hash("[[node]]\nname = \"host1\"\ntags = { a = \"b\" }\n"),
        hash("[[node]]\nname = \"rogue\"\nclaims = \"host1\"\nat = \"1s\"\n"),
        hash("[[node]]\nname = \"rogue\"\nclaims = \"host2\"\nat = \"1s\"\n"),
        query(""),
        query("ack = true"),
        query("answer = false"),
        query("tags = { a = \"b\" }"),
        query("tags = { a = \"c\" }"),
        key(KEY),
        key("AQECAwQFBgcICQoLDA0ODw=="),
    ];
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all);
}

#[test]
fn expectations_about_the_serf_layer_are_read() {
    let scenario = read(&format!(
        "nodes = 3\nconfig = {{ encrypt = \"{KEY}\" }}\n\
         [[work]]\nat = \"5s\"\nquery = \"uptime\"\nack = true\n\
         [[expect]]\nquery = {{ name = \"uptime\", acks = 1.0, responses = 0.99, within = \"3s\" }}\n\
         [[expect]]\nkeys = {{ count = 2, primary = \"{KEY}\", by = \"30s\" }}\n\
         [[expect]]\ntags = {{ nodes = [\"host2\"], tags = {{ role = \"db\" }}, by = \"40s\" }}\n\
         [[expect]]\nstatus = {{ subject = \"host3\", status = \"gone\", by = \"50s\" }}\n\
         [[expect]]\nstatus = {{ subject = \"host3\", status = \"left\", by = \"50s\" }}\n"
    ));
    let kinds: Vec<_> = scenario.expects.iter().map(|expect| &expect.kind).collect();
    let [query, keys, tags, gone, left] = kinds.as_slice() else { panic!("five expectations") };
    assert!(matches!(
        query,
        ExpectKind::Query { acks_ppm: Some(1_000_000), responses_ppm: Some(990_000), .. }
    ));
    assert!(matches!(keys, ExpectKind::Keys { count: Some(2), primary: Some(key), by }
        if key.len() == 16 && *by == 30 * S));
    assert!(matches!(tags, ExpectKind::Tags { nodes, .. } if *nodes == [1]));
    assert!(matches!(gone, ExpectKind::Status { subject: 2, status: None, .. }));
    let wanted = Some(MemberStatus::Left);
    assert!(matches!(left, ExpectKind::Status { status, .. } if *status == wanted));
}
