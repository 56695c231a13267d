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
    shares_of_nothing: with("[[work]]\nat = \"5s\"\nevent = \"deploy\"\n\n[[expect]]\nevent_coverage = { event = \"deploy\", share = 0.0, within = \"1s\" }\n\n[[expect]]\nseeds_share = 0\nevent_coverage = { event = \"deploy\", share = 1e-7, within = \"1s\" }\n");
    restless_joins: with("start = { kind = \"cold\", retry = \"1ns\", join_after = \"60s\" }\n");
    degradations: with("[[fault]]\nat = \"1s\"\ndegrade = { from = [\"host1\"] }\n\n[[fault]]\nat = \"2s\"\ndegrade = { burst = { loss = 0.9, enter = 0.0 }, mtu = 70000, corupt = 0.1, jitter = \"1ms\", to = [\"host99\"], reorder_delay = 5, stream_loss = \"no\", transport = \"udp\" }\n\n[[fault]]\nat = \"3s\"\ndegrade = { burst = { enter = 0.1, leave = 0 }, truncate = 5 }\n");
    cuts: with("[[fault]]\nat = \"1s\"\ncut = {}\n\n[[fault]]\nat = \"2s\"\ncut = { from = [\"host99\"], to = [], transport = \"icmp\", one_way = true }\n\n[[fault]]\nat = \"3s\"\nfor = \"90s\"\ncut = { from = \"host1\" }\n\n[[fault]]\nat = \"4s\"\ncut = [\"host1\"]\n\n[[fault]]\nat = \"5s\"\ncut = { from = \"host1\" }\none_way = true\n");
    rings_and_bridges: with("[[fault]]\nat = \"1s\"\npartition = { ring = 26 }\n\n[[fault]]\nat = \"2s\"\npartition = { ring = 2 }\none_way = true\n\n[[fault]]\nat = \"3s\"\npartition = { bridge = \"*\" }\n\n[[fault]]\nat = \"4s\"\npartition = { ring = 2, bridge = [\"host1\"] }\n\n[[fault]]\nat = \"5s\"\npartition = { rings = 2, neighbours = 3 }\n");
    rings_of_few: "title = \"T\"\nnodes = 3\nduration = \"60s\"\n[[fault]]\nat = \"1s\"\npartition = { ring = 1 }\n";
    names_that_grow: format!("title = \"T\"\nduration = \"10s\"\nnodes = {{ count = 1000, name = \"{}{{n}}{{n}}\" }}\n", "h".repeat(121));
    settings_against_nodes: with("config = { members_max = 51, cidrs_allowed = [\"10.0.0.0/27\", \"10.1.0.0/16\"] }\n\n[[node]]\nname = \"host3\"\nadvertise = \"192.168.0.3\"\n");
    crashes_after_leaves: with("[[work]]\nat = \"5s\"\nleave = [\"host1\", \"host2\", \"host3\"]\nexit_after = \"2s\"\n\n[[fault]]\nat = \"6s\"\ncrash = [\"host1\"]\n\n[[fault]]\nat = \"7s\"\ncrash = [\"host2\"]\n\n[[fault]]\nat = \"8s\"\nrestart = [\"host3\"]\n\n[[fault]]\nat = \"9s\"\ncrash = [\"host3\"]\n\n[[expect]]\ndetected = { node = \"host1\", within = \"10s\" }\n\n[[expect]]\ndetected = { node = \"host3\", within = \"10s\" }\n\n[[expect]]\njoined_then_failed = { observer = \"host4\", subject = \"host4\", by = \"30s\" }\n");
    two_blocks_for_one_node: with("[[node]]\nname = \"host2\"\naddr = \"10.1.0.1\"\n\n[[node]]\nname = \"host2\"\naddr = \"10.1.0.2\"\n");
    control_characters: "title = \"T\"\nduration = \"10s\"\nnodes = [\"a\\u001b[31m\", \"b\"]\nregions = [\"e\\nu\"]\n\n[[work]]\nat = \"1s\"\nevent = \"x\\u0000\"\n\n[[expect]]\nevent_coverage = { event = \"y\\u001b[2J\", within = \"1s\" }\n";
    the_same_event_twice: with("[[work]]\nat = \"5s\"\nevent = \"deploy\"\nfrom = \"host1\"\n\n[[work]]\nat = \"5s\"\nevent = \"deploy\"\nfrom = \"host2\"\n\n[[work]]\nat = \"5s\"\nevent = \"deploy\"\npayload = \"v2\"\n\n[[work]]\nat = \"6s\"\nevent = \"deploy\"\n");
    queries: with("[[work]]\nat = \"5s\"\nquery = \"\"\n\n[[work]]\nat = \"5s\"\nquery = \"_serf_ping\"\n\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\nfrom = \"host77\"\nnodes = [\"host3..host1\"]\ntags = { role = \"^web\", dc = 3 }\nack = 1\nrelay_factor = 256\ntimeout = \"0s\"\nanswer = true\n\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\ntags = { role = \"^(web\" }\n\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\ntags = {}\nto = [\"host1\"]\nanswr = \"x\"\n");
    queries_over_the_limit: with(&format!("[[work]]\nat = \"5s\"\nquery = \"uptime\"\npayload = \"{}\"\n\n[[work]]\nat = \"6s\"\nquery = \"uptime\"\nanswer = \"{}\"\n\n[[work]]\nat = \"7s\"\nquery = \"uptime\"\nnodes = [\"*\"]\npayload = \"{}\"\n", "x".repeat(1_100), "y".repeat(1_100), "z".repeat(600)));
    queries_of_old_protocols: with("config = { serf_protocol_version = 3 }\n\n[[work]]\nat = \"5s\"\nquery = \"uptime\"\n");
    new_tags: with(&format!("[[work]]\nat = \"5s\"\nset_tags = {{ role = \"db\" }}\n\n[[work]]\nat = \"5s\"\nset_tags = {{ role = 3 }}\nnodes = [\"host1\"]\n\n[[work]]\nat = \"5s\"\nset_tags = {{ role = \"{}\" }}\nnodes = [\"host1\"]\n\n[[work]]\nat = \"5s\"\nset_tags = \"db\"\nnodes = [\"host1\"]\nrole = \"db\"\n", "r".repeat(600)));
    keys_without_encryption: with("[[work]]\nat = \"5s\"\nkeys = \"instal\"\n\n[[work]]\nat = \"5s\"\nkeys = \"list\"\nkey = \"AAECAwQFBgcICQoLDA0ODw==\"\n");
    keys: with("config = { encrypt = \"AAECAwQFBgcICQoLDA0ODw==\" }\n\n[[work]]\nat = \"5s\"\nkeys = \"use\"\n\n[[work]]\nat = \"5s\"\nkeys = \"install\"\nkey = \"AAEC\"\nfrom = \"nobody\"\nrelay_factor = -1\n\n[[work]]\nat = \"5s\"\nkeys = \"remove\"\nkey = \"no key!\"\nprune = true\n");
    forced_leaves: with("[[work]]\nat = \"5s\"\nforce_leave = [\"host3\"]\n\n[[work]]\nat = \"5s\"\nforce_leave = \"hots3\"\nprune = 1\n\n[[work]]\nat = \"5s\"\nforce_leave = \"host3\"\nexit_after = \"1s\"\nkey = \"x\"\n");
    claims: with("start = { kind = \"cold\", join = [\"host1\"] }\n\n[[node]]\nname = \"host4\"\nclaims = \"host3\"\nat = \"5s\"\n\n[[node]]\nname = \"rogue\"\nclaims = \"host99\"\n\n[[node]]\nname = \"late\"\nclaims = \"host3\"\nat = \"2m\"\nboot = \"1s\"\n\n[[node]]\nname = \"host5\"\nat = \"5s\"\n");
    claims_are_no_members: with("[[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"20s\"\n\n[[fault]]\nat = \"10s\"\ncrash = [\"rogue\"]\n\n[[fault]]\nat = \"30s\"\npause = [\"host1..rogue\"]\n\n[[work]]\nat = \"30s\"\nevent = \"x\"\nfrom = \"rogue\"\n\n[[work]]\nat = \"30s\"\nset_tags = { role = \"db\" }\nnodes = [\"host1\", \"rogue\"]\n\n[[work]]\nat = \"30s\"\nforce_leave = \"rogue\"\n\n[[expect]]\nstate_at = { at = \"50s\", subject = \"rogue\", state = \"dead\" }\n\n[[expect]]\nstatus = { subject = \"rogue\", status = \"left\", by = \"50s\" }\n");
    claims_of_one_address: with("[[node]]\nname = \"rogue\"\nclaims = \"host3\"\nat = \"20s\"\naddr = \"10.0.0.7\"\n");
    tags_of_nodes: with("[[node]]\nnodes = [\"host1..host9\"]\naddr = \"10.1.0.1\"\ntags = { role = \"web\" }\n\n[[node]]\nname = \"host9\"\ntags = \"web\"\n\n[[node]]\nnodes = [\"host20..host18\"]\n\n[[node]]\nname = \"host30\"\ntags = { \"a\\u0007\" = \"b\" }\n");
    repeated_work: with("[[work]]\nat = \"5s\"\nevent = \"a\"\nevery = \"1s\"\n\n[[work]]\nat = \"5s\"\nquery = \"b\"\ncount = 3\n\n[[work]]\nat = \"5s\"\nevent = \"c\"\nevery = \"1s\"\ncount = 100\n\n[[work]]\nat = \"5s\"\nevent = \"d\"\nevery = \"0s\"\ncount = 1\n\n[[work]]\nat = \"5s\"\nleave = [\"host1..host20\"]\nevery = \"5s\"\ncount = 20\n\n[[work]]\nat = \"6s\"\njoin = [\"host1\"]\nto = [\"host2\"]\nevery = \"1s\"\ncount = 2\n");
    repeated_work_of_nobody: with("start = { kind = \"cold\", stagger = \"26s\" }\n\n[[work]]\nat = \"1s\"\nevent = \"a\"\nfrom = \"host52\"\nevery = \"1ms\"\ncount = 500\n");
    repeated_work_over_the_limit: with(&format!("[[work]]\nat = \"5s\"\nevent = \"a\"\npayload = \"{}{{n}}\"\nevery = \"1ms\"\ncount = 10000\n\n[[work]]\nat = \"5s\"\nquery = \"b\"\npayload = \"{}\"\nevery = \"1ms\"\ncount = 10000\n", "x".repeat(508), "{n}".repeat(240)));
    expectations_of_many_events: with("[[work]]\nat = \"5s\"\nevent = \"deploy\"\nevery = \"1s\"\ncount = 50\n\n[[expect]]\nevent_coverage = { event = \"deploy\", events = 0, within = \"1s\" }\n\n[[expect]]\nevent_coverage = { event = \"deploy\", within = \"10s\" }\n\n[[expect]]\ntold_once = { event = \"deplyo\", nodes = [\"host1\"] }\n\n[[expect]]\ntold_once = { event = \"deploy\", by = \"5s\" }\n\n[[expect]]\nqueues = { most = -1, at = \"5s\" }\n");
    rolling_restarts: with("[[fault]]\nat = \"5s\"\nrestart = [\"host1..host10\"]\nevery = \"10s\"\n\n[[fault]]\nat = \"5s\"\nrestart = [\"host1\"]\nevery = \"0s\"\n\n[[fault]]\nat = \"5s\"\ncrash = [\"host20\"]\nevery = \"1s\"\n");
    snapshots_that_are_off: with("config = { snapshot = false }\n\n[[fault]]\nat = \"5s\"\nrestart = [\"host1\"]\nevery = \"1s\"\nkeep_state = true\n");
    expectations_of_queries: with("[[work]]\nat = \"50s\"\nquery = \"uptime\"\nanswer = false\n\n[[expect]]\nquery = { name = \"uptme\", acks = 1.0 }\n\n[[expect]]\nquery = { name = \"uptime\", acks = 1.0, responses = 0.99, within = \"20s\" }\n\n[[expect]]\nquery = { name = \"uptime\", share = 1.0 }\n\n[[expect]]\nquery = { acks = 0.0, by = \"3s\" }\n\n[[expect]]\nquery = \"uptime\"\n");
    expectations_of_the_serf_layer: with("[[expect]]\nkeys = { by = \"50s\" }\n\n[[expect]]\nkeys = { count = 2, primary = \"AAEC\", by = \"2m\" }\n\n[[expect]]\ntags = { nodes = [\"host1\"], role = \"db\", by = \"50s\" }\n\n[[expect]]\nstatus = { node = \"host3\", status = \"dead\" }\n\n[[expect]]\nshut_down = \"host3\"\n\n[[expect]]\nup = [\"host53\"]\n");
    expectations_of_coordinates: with("[[expect]]\ncoordinates = { error = 0.0, within = \"9s\" }\n\n[[expect]]\ncoordinates = { error = 0.1, quantile = 0.5, by = \"2m\" }\n\n[[expect]]\ncoordinates = true\n");
    coordinates_that_are_off: "title = \"T\"\nnodes = 3\nduration = \"60s\"\nconfig = { coordinates = false }\n\n[[expect]]\ncoordinates = { error = 0.1, by = \"30s\" }\n";
    coordinates_of_short_runs: "title = \"T\"\nnodes = 3\nduration = \"19s\"\n\n[[expect]]\ncoordinates = { error = 0.1, by = \"9s\" }\n";
    very_long_times: "title = \"T\"\nnodes = 3\nduration = \"99999999999999999999d\"\n";
    deep_changes: with(""), set "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1";
    changes_on_the_command_line: with(""), set "network.los=0.25", set "duration=60", set "nodes", set "fault[0].at=5s", set "=3";
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    let error = uwasa_sim::scenario::load(Path::new("scenarios/nowhere.toml"), &[])
        .expect_err("no such file")
        .to_string();
    assert!(error.starts_with("scenarios/nowhere.toml: cannot be read: "), "{error}");
}

#[test]
fn lists_of_nodes_have_an_end() {
    let names: Vec<String> = (0..=100_000).map(|n| format!("\"n{n}\"")).collect();
    let text = format!("title = \"T\"\nduration = \"1s\"\nnodes = [{}]\n", names.join(","));
    assert_eq!(
        errors(&text, &[]),
        "scenarios/x.toml:3:9: nodes: names 100001 nodes: at most 100000 are possible"
    );
}

#[test]
fn a_cold_start_may_try_the_limits() {
    let text = with(
        "start = \"cold\"\nconfig = { members_max = 10, cidrs_allowed = [\"10.0.0.0/28\"] }\n",
    );
    parse(&text, Path::new("x.toml"), &[])
        .expect("members beyond the limits are refused in the run");
}

#[test]
fn parts_from_the_command_line_have_a_place() {
    let sets = ["expect=[{ no_false_failures = true }]".to_owned()];
    let scenario = parse(&with(""), Path::new("scenarios/x.toml"), &sets).expect("a scenario");
    assert_eq!(scenario.place(scenario.expects[0].line), "scenarios/x.toml (--set)");
    assert_eq!(scenario.place(7), "scenarios/x.toml:7");
}

#[test]
fn too_many_regions_are_one_problem_and_no_abort() {
    let names: Vec<String> = (0..20_000).map(|n| format!("\"r{n}\"")).collect();
    let errors = errors(&with(&format!("regions = [{}]\n", names.join(", "))), &[]);
    let first = errors.lines().find(|line| line.contains("20000"));
    let wanted = "scenarios/x.toml:5:11: regions: has 20000 regions: at most 64 are possible";
    assert_eq!(first, Some(wanted));
    assert!(errors.lines().count() < 70, "{errors}");
}
