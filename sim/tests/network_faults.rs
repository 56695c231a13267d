//! Network faults in whole worlds: each mechanism happens, repeats, and spares what it does not cover.

use std::path::Path;

use uwasa_sim::metrics::SeedResult;
use uwasa_sim::scenario::parse;
use uwasa_sim::world::run;

/// Twelve warm hosts; host1 sends an event after five seconds.
const HEAD: &str = "title = \"T\"\nnodes = 12\nduration = \"30s\"\nstart = \"warm\"\nnetwork = { latency = \"1ms\" }\n\n\
                    [[work]]\nat = \"5s\"\nevent = \"deploy\"\nfrom = \"host1\"\n\n";
const KEY: &str = "[config]\nencrypt = \"AAECAwQFBgcICQoLDA0ODw==\"\n\n";

fn go(faults: &str, seed: u64) -> SeedResult {
    go_for("30s", faults, seed)
}

fn go_for(duration: &str, faults: &str, seed: u64) -> SeedResult {
    let text = format!("{HEAD}{faults}");
    let sets = [format!("duration={duration}")];
    let scenario = parse(&text, Path::new("x.toml"), &sets).expect("it is right");
    run(&scenario, seed, &mut |_| {})
}

/// How many of the twelve hosts have got the event of host1, and after what time the last of them, in seconds.
fn reached(result: &SeedResult) -> (usize, u64) {
    let delays = &result.events[0].delays;
    (delays.len(), delays.last().map_or(0, |last| last / 1_000_000_000))
}

#[test]
fn every_mechanism_happens_and_the_same_seed_does_the_same() {
    let faults = "[[fault]]\nat = \"2s\"\nfor = \"20s\"\ndegrade = { loss = 0.02, latency = \"2ms\", duplicate = 0.05, \
                  reorder = 0.05, reorder_delay = \"50ms\", stream_loss = true, corrupt = 0.05, truncate = 0.05, \
                  replay = 0.05, mtu = 300, burst = { loss = 0.9, enter = 0.02, leave = 0.2 } }\n\n\
                  [[fault]]\nat = \"8s\"\nfor = \"6s\"\npartition = { ring = 3 }\n\n\
                  [[fault]]\nat = \"12s\"\nfor = \"6s\"\npartition = { bridge = [\"host3\"] }\n\n\
                  [[fault]]\nat = \"20s\"\nfor = \"6s\"\ncut = { to = [\"host4\"], transport = \"udp\" }\n";
    let (first, second, other) = (go(faults, 3), go(faults, 3), go(faults, 4));
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert_ne!(first.trace_hash, other.trace_hash);
    let totals = &first.totals;
    for (what, count) in [
        ("lost", totals.datagrams_lost),
        ("burst", totals.datagrams_burst),
        ("too long", totals.datagrams_too_long),
        ("damaged", totals.datagrams_damaged),
        ("replayed", totals.datagrams_replayed),
        ("duplicated", totals.datagrams_duplicated),
        ("blocked", totals.datagrams_unreachable),
    ] {
        assert!(count > 0, "{what}: {totals:?}");
    }
}

#[test]
fn mechanisms_that_are_off_and_scopes_that_cover_nothing_leave_the_trace_as_it_is() {
    let calm = go("", 1);
    for faults in [
        "degrade = { corrupt = 0.0, truncate = 0.0, replay = 0.0, duplicate = 0.0 }",
        "degrade = { from = [\"host3\"], to = [\"host3\"], loss = 1.0, mtu = 1 }",
        "cut = { from = [\"host3\"], to = [\"host3\"] }",
    ] {
        let faulty = go(&format!("[[fault]]\nat = \"2s\"\n{faults}\n"), 1);
        assert_eq!(faulty.trace_hash, calm.trace_hash, "{faults}");
    }
}

#[test]
fn with_a_key_every_damaged_datagram_is_refused() {
    for damage in ["corrupt = 1.0", "truncate = 1.0"] {
        let result = go(&format!("{KEY}[[fault]]\nat = \"0s\"\ndegrade = {{ {damage} }}\n"), 1);
        let totals = &result.totals;
        assert_eq!(totals.datagrams_damaged, totals.datagrams_sent, "{damage}");
        assert_eq!(totals.dropped_input, totals.datagrams_delivered, "{damage}");
    }
}

#[test]
fn a_cut_of_one_transport_leaves_the_other() {
    let calm = go("", 1);
    // Long enough for every host to exchange states three times.
    let cut = |transport| {
        let cut = format!("cut = {{ from = \"*\", transport = \"{transport}\" }}");
        go_for("95s", &format!("[[fault]]\nat = \"0s\"\n{cut}\n"), 1)
    };
    let (udp, tcp, both) = (cut("udp"), cut("tcp"), cut("both"));
    assert_eq!(reached(&calm), (12, 0));
    assert_eq!(reached(&tcp), (12, 0), "events travel in datagrams");
    let (nodes, seconds) = reached(&udp);
    assert!(nodes > 1 && seconds > 0, "push/pull carries them too, later: {nodes}, {seconds} s");
    assert_eq!(reached(&both), (1, 0));
    assert!(udp.totals.push_pulls > 0 && tcp.totals.push_pulls == 0);
    assert_eq!(udp.totals.datagrams_unreachable, udp.totals.datagrams_sent);
    assert_eq!((tcp.totals.datagrams_lost, tcp.totals.datagrams_unreachable), (0, 0));
}

#[test]
fn deaths_of_hosts_that_cannot_be_reached_by_datagrams_are_not_false() {
    let cut = "[[fault]]\nat = \"0s\"\ncut = { from = [\"host3\"] }\n";
    assert!(go(cut, 1).false_failures.iter().all(|death| death.subject != "host3"));
    let lossy = "[[fault]]\nat = \"0s\"\ndegrade = { from = [\"host3\"], loss = 1.0 }\n";
    let lossy = go(lossy, 1);
    assert!(lossy.false_failures.iter().any(|death| death.subject == "host3"), "lost, not cut off");
}
