//! What a user reads when a scenario file is wrong: every problem at once, each with place, key, rule and fix.

use std::path::Path;

use uwasa_sim::scenario::parse;

/// The messages for `text`, one per line.
fn errors(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    parse(text, Path::new("scenarios/x.toml"), &sets)
        .expect_err("the scenario is wrong")
        .to_string()
}

/// A correct head; the wrong part starts on line 5.
fn with(text: &str) -> String {
    format!("title = \"T\"\nnodes = 52\nduration = \"60s\"\n\n{text}")
}

macro_rules! error_texts {
    ($($name:ident: $text:expr $(, set $set:expr)*;)*) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), errors(&$text, &[$($set),*]));
        })*
    };
}

error_texts! {
    the_empty_file: "";
    broken_toml: "title = \"T\nnodes = 3\nduration = ,\n";
    misspelt_keys: with("nodez = 3\nlatency = \"1ms\"\nzebra = 1\nnetwork = { los = 0.1, latency = { low = \"1ms\", hi = \"2ms\" } }\n\n[[fualt]]\nat = \"1s\"\n");
    misspelt_keys_in_blocks: with("[[fault]]\nat = \"1s\"\npartitoin = [0.5, 0.5]\n\n[[work]]\nat = \"1s\"\nevnt = \"x\"\n\n[[expect]]\nconverged = \"5s\"\n");
    wrong_durations: "title = \"T\"\nnodes = 3\nduration = 60\nnetwork = { latency = \"-1ms\", jitter = \"5 sec\", reorder_delay = 1.5 }\nconfig = { probe_timeout = \"90d\", gossip_interval = \"200\", probe_interval = true }\n";
    wrong_shares_and_sizes: with("network = { loss = 25, duplicate = 1.5, reorder = -0.1, bandwidth = \"fast\", receive_buffer = -1 }\n");
    unknown_nodes: with("[[fault]]\nat = \"5s\"\nfor = \"5s\"\npartition = [[\"host1..host26\"], [\"host27..host77\"]]\n\n[[fault]]\nat = \"5s\"\ncrash = [\"host3\", \"hots4\"]\n\n[[work]]\nat = \"6s\"\nevent = \"x\"\nfrom = \"alice\"\n");
    unknown_nodes_of_few: "title = \"T\"\nnodes = [\"alpha\", \"beta\"]\nduration = \"10s\"\n[[fault]]\nat = \"5s\"\ncrash = \"alpa\"\n";
    selectors: with("[[fault]]\nat = \"5s\"\ncrash = []\n\n[[fault]]\nat = \"6s\"\npause = [\"host9..host3\"]\n\n[[fault]]\nat = \"7s\"\nfor = \"1s\"\npartition = [[\"host1..host5\"], [\"host5..host9\"]]\n\n[[fault]]\nat = \"8s\"\npartition = [0.9, 0.9]\n\n[[fault]]\nat = \"9s\"\npartition = [[\"host1\"]]\n");
    impossible_times: with("[[fault]]\nat = \"61s\"\ncrash = [\"host1\"]\n\n[[fault]]\nat = \"50s\"\nfor = \"20s\"\npause = [\"host2\"]\n\n[[fault]]\nat = \"30s\"\nuntil = \"20s\"\npause = [\"host3\"]\n\n[[work]]\nat = \"2m\"\nevent = \"x\"\n\n[[expect]]\nconverged_by = \"90s\"\n");
    windows_of_instants: with("[[fault]]\nat = \"1s\"\nfor = \"5s\"\ncrash = [\"host1\"]\n\n[[fault]]\nat = \"1s\"\nfor = \"5s\"\nuntil = \"6s\"\npause = [\"host2\"]\n");
    lives: with("[[fault]]\nat = \"5s\"\nrestart = [\"host1\"]\n\n[[fault]]\nat = \"6s\"\ncrash = [\"host2\"]\n\n[[fault]]\nat = \"9s\"\ncrash = [\"host2\"]\n\n[[work]]\nat = \"7s\"\nevent = \"x\"\nfrom = \"host2\"\n\n[[work]]\nat = \"8s\"\nleave = [\"host2\"]\n");
    not_booted_yet: with("start = { kind = \"cold\", stagger = \"26s\" }\n\n[[fault]]\nat = \"5s\"\ncrash = [\"host52\"]\n");
    events_over_the_limit: with(&format!("[[work]]\nat = \"5s\"\nevent = \"deploy\"\npayload = \"{}\"\n\n[[work]]\nat = \"6s\"\nevent = \"deploy\"\npayload = \"{}\"\n", "x".repeat(600), "x".repeat(490)));
    too_many_kinds: with("[[fault]]\nat = \"1s\"\n\n[[fault]]\nat = \"1s\"\ncrash = [\"host1\"]\npause = [\"host2\"]\n\n[[expect]]\nseeds_share = 0.9\n");
    expectations_about_nothing: with("[[work]]\nat = \"5s\"\nevent = \"deploy\"\n\n[[expect]]\nevent_coverage = { event = \"deplyo\", within = \"1s\" }\n\n[[expect]]\ndetected = { node = \"host3\", within = \"10s\" }\n\n[[expect]]\nno_false_failures = false\n");
    expectations_beyond_the_end: with("[[work]]\nat = \"55s\"\nevent = \"deploy\"\n\n[[expect]]\nevent_coverage = { event = \"deploy\", within = \"10s\" }\n\n[[expect]]\nstate_at = { at = \"70s\", subject = \"host1\", state = \"dead\" }\n");
    settings: with("phase = \"aligned\"\nconfig = { preset = \"lann\", protocol_version = 9, probe_timeout = \"2s\", packet_bytes_max = 10, timer_phase = \"random\", lifeguard = { budy = false }, encrypt = \"abc\", cidrs_allowed = [\"10.0.0.0\", \"nonsense\"] }\n");
    nodes_as_a_table: "title = \"T\"\nduration = \"10s\"\nnodes = { count = 3, name = \"host\", addr = \"0.0.0.0\", port = 0, prot = 1 }\n";
    same_addresses: "title = \"T\"\nduration = \"10s\"\nnodes = 3\n[[node]]\nname = \"host2\"\naddr = \"10.0.0.1\"\n[[node]]\nname = \"host9\"\naddr = \"nowhere\"\n";
    address_overflow: "title = \"T\"\nduration = \"10s\"\nnodes = { count = 10, addr = \"255.255.255.250\" }\n";
    regions: with("regions = [\"eu\", \"us\"]\n\n[[link]]\nfrom = \"eu\"\nto = \"asia\"\nlatency = \"80ms\"\nbandwidth = \"1MB\"\n");
    seeds: with("seeds = \"9..3\"\n");
    seed_twice: with("seeds = [1, 2, 1]\n");
    wrong_kinds: "title = 5\nnodes = true\nduration = \"10s\"\nstart = \"luke\"\nnetwork = 1\nfault = 3\nexpect = [1]\nseeds = 1979-05-27\n";
    joins: with("start = { kind = \"cold\", join = [\"host1\"], discover_limit = 3 }\n\n[[work]]\nat = \"1s\"\njoin = [\"host2\"]\nseeds = [\"host1\"]\n");
    warm_starts_do_not_join: with("start = { kind = \"warm\", stagger = \"5s\" }\n");
    latencies: with("network = { latency = { low = \"2ms\", high = \"1ms\" } }\n\n[[fault]]\nat = \"1s\"\ndegrade = {}\n\n[[fault]]\nat = \"2s\"\ndegrade = { latency = { median = \"0s\", p99 = \"1s\" } }\n");
    changes_on_the_command_line: with(""), set "network.los=0.25", set "duration=60", set "nodes", set "fault[0].at=5s", set "=3";
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    let error = uwasa_sim::scenario::load(Path::new("scenarios/nowhere.toml"), &[])
        .expect_err("no such file")
        .to_string();
    assert!(error.starts_with("scenarios/nowhere.toml: cannot be read: "), "{error}");
}
