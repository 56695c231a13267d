//! The report as a whole, on synthetic results.

use std::sync::Arc;
use std::time::Duration;

use uwasa_core::config::{Config, Options, TimerPhase};
use uwasa_core::trace::MemberState;

use super::*;
use crate::analytic::{DetectionFloor, RandomPhase};
use crate::metrics::{
    ConvergencePoint, CoordinateErrors, CoordinateSample, Departure, EventSpread, FalseFailure,
    QuerySpread, Replies, Totals, Verdict,
};
use crate::outcome::Timing;
use crate::scenario::{
    Expect, ExpectKind, Fault, FaultKind, JoinPlan, Latency, Link, Nanos, Network, NodeSpec,
    OnDisk, Start, Work, WorkKind,
};

const SECOND: Nanos = 1_000_000_000;

/// SplitMix64: enough noise for pictures.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap();
        (f64::from(bits) + 0.5) / 4_294_967_296.0
    }
}

fn nanos(seconds: f64) -> Nanos {
    Duration::from_secs_f64(seconds.max(0.0)).as_nanos().try_into().unwrap()
}

fn config(phase: TimerPhase) -> Arc<Config> {
    let options = Options { timer_phase: phase, ..Options::lan() };
    Arc::new(options.validate().unwrap())
}

fn link(loss_ppm: u32) -> Link {
    Link {
        latency: Latency::Constant(500_000),
        jitter: 0,
        loss_ppm,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_delay: 0,
        stream_loss: false,
    }
}

fn scenario(name: &str, nodes: u32, loss_ppm: u32) -> Scenario {
    let node = |index: u32| NodeSpec {
        name: format!("host{}", index + 1),
        addr: format!("10.0.{}.{}:7946", index / 200, index % 200 + 1).parse().unwrap(),
        advertise: format!("10.0.{}.{}:7946", index / 200, index % 200 + 1).parse().unwrap(),
        region: 0,
        tags: uwasa_core::tags::Tags::new(),
        claim: None,
    };
    Scenario {
        name: name.into(),
        file: format!("scenarios/{name}.toml").into(),
        title: "A cluster starts, hears an event, loses a node".into(),
        description: "All nodes start together and find each other.\nThen one event is sent.".into(),
        text: "title = \"A cluster\"\n# <script>alert(1)</script> & more\n[[event]]\nname = \"deploy\"\n"
            .into(),
        config_hash: 0x0123_4567_89ab_cdef,
        seeds: vec![1],
        duration: 60 * SECOND,
        nodes: (0..nodes).map(node).collect(),
        start: Start::Warm,
        config: config(TimerPhase::Random),
        network: Network {
            regions: vec!["all".into()],
            links: vec![link(loss_ppm)],
            bandwidth: 0,
            receive_buffer: 0,
        },
        faults: Vec::new(),
        workload: Vec::new(),
        expects: Vec::new(),
        series_bucket: SECOND / 2,
    }
}

fn seed_result(seed: u64) -> SeedResult {
    SeedResult {
        seed,
        trace_hash: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        totals: Totals { engine_events: 1_234_567, datagrams_sent: 4_321, ..Totals::default() },
        events: Vec::new(),
        queries: Vec::new(),
        departures: Vec::new(),
        coordinates: Vec::new(),
        convergence: Vec::new(),
        converged_at: None,
        false_failures: Vec::new(),
        bytes_per_node: Vec::new(),
        verdicts: Vec::new(),
        invariants: Vec::new(),
        notes: Vec::new(),
    }
}

fn spread(name: &str, nodes: u32, loss: f64, noise: &mut Noise) -> EventSpread {
    let law = RandomPhase { nodes: f64::from(nodes), fanout: 3.4, interval: 0.2, loss };
    let shift = (noise.next() - 0.5) * 0.14;
    let mut delays: Vec<Nanos> = vec![0];
    for _ in 1..nodes {
        let u = noise.next().clamp(1.0 / f64::from(nodes), 1.0 - 0.3 / f64::from(nodes));
        delays.push(nanos(law.time_of(u) + shift));
    }
    let straggles = noise.next() < 0.03;
    if let (true, Some(last)) = (straggles, delays.last_mut()) {
        *last = nanos(5.0 + 20.0 * noise.next());
    }
    delays.sort_unstable();
    EventSpread {
        name: name.into(),
        from: "host1".into(),
        sent_at: 15 * SECOND,
        audience: nodes,
        delays,
        by_push_pull: u32::from(straggles),
        packets_per_node: 4.7,
    }
}

fn crash(node: &str, at: f64, observers: u32, noise: &mut Noise) -> Departure {
    let floor = DetectionFloor {
        nodes: f64::from(observers + 1),
        probe_interval: 1.0,
        suspicion_mult: 4.0,
    };
    let first = floor.time_of(noise.next()) + 0.1;
    let mut delays: Vec<Nanos> =
        (0..observers).map(|_| nanos(first + 0.1 + 0.5 * noise.next())).collect();
    delays.sort_unstable();
    Departure {
        node: node.into(),
        kind: "crash",
        at: nanos(at),
        observers,
        first_suspicion: Some(nanos(first - floor.suspicion())),
        delays,
    }
}

fn leave(node: &str, at: f64, observers: u32, noise: &mut Noise) -> Departure {
    let mut delays: Vec<Nanos> = (0..observers).map(|_| nanos(0.1 + 0.6 * noise.next())).collect();
    delays.sort_unstable();
    let at = nanos(at);
    Departure { node: node.into(), kind: "leave", at, observers, first_suspicion: None, delays }
}

fn fault(at: f64, kind: FaultKind) -> Fault {
    Fault { at: nanos(at), until: None, kind }
}

fn event_work(at: f64, name: &str) -> Work {
    let kind = WorkKind::Event { from: None, name: name.into(), payload: Vec::new() };
    Work { at: nanos(at), kind }
}

fn cold(nodes: u32, stagger: Nanos) -> Start {
    let boot = (0..nodes).map(|node| stagger * u64::from(node) / u64::from(nodes)).collect();
    let join = JoinPlan::Discovered { limit: 5 };
    Start::Cold { boot, join_after: SECOND / 5, join, retry: SECOND }
}

/// A whole run: cold start, event, crash, return, leave.
fn demo(name: &str, nodes: u32, seeds: u64, loss: f64) -> (Scenario, Vec<SeedResult>) {
    let mut scenario = scenario(name, nodes, u32::try_from(nanos(loss) / 1_000).unwrap());
    scenario.faults = vec![
        fault(20.0, FaultKind::Crash { nodes: vec![2] }),
        fault(40.0, FaultKind::Restart { nodes: vec![2], snapshot: OnDisk::None, running: false }),
    ];
    scenario.start = cold(nodes, 0);
    let leave_work = WorkKind::Leave { nodes: vec![4], exit_after: 0 };
    scenario.workload =
        vec![event_work(15.0, "deploy"), Work { at: 50 * SECOND, kind: leave_work }];
    scenario.expects = vec![
        Expect {
            line: 31,
            reason: "the transmit budget leaves a straggler now and then".into(),
            seeds_ppm: 950_000,
            kind: ExpectKind::EventCoverage {
                event: "deploy".into(),
                coverage_ppm: 950_000,
                events_ppm: 1_000_000,
                within: SECOND,
            },
        },
        Expect {
            line: 38,
            reason: String::new(),
            seeds_ppm: 1_000_000,
            kind: ExpectKind::Detected {
                node: 2,
                state: MemberState::Dead,
                coverage_ppm: 1_000_000,
                within: 12 * SECOND,
            },
        },
    ];
    let results = (1..=seeds).map(|seed| demo_seed(seed, nodes, loss)).collect();
    (scenario, results)
}

fn demo_seed(seed: u64, nodes: u32, loss: f64) -> SeedResult {
    let mut noise = Noise(seed);
    let mut result = seed_result(seed);
    result.events = vec![spread("deploy", nodes, loss, &mut noise)];
    result.departures = vec![
        crash("host3", 20.0, nodes - 1, &mut noise),
        leave("host5", 50.0, nodes - 1, &mut noise),
    ];
    for step in 0..120 {
        let at = f64::from(step) / 2.0;
        let burst = if (15.0..15.9).contains(&at) { 900.0 } else { 0.0 };
        let joining = 1_500.0 * libm::exp(-at / 2.0);
        result.bytes_per_node.push(130.0 + burst + joining + 25.0 * noise.next());
        let mut share: f64 = (1.02 / (1.0 + 30.0 * libm::exp(-3.0 * at))).min(1.0);
        if (40.0..42.0).contains(&at) {
            share = 0.965 + 0.02 * noise.next();
        }
        result.convergence.push(ConvergencePoint { at: nanos(at), share, live: u64::from(nodes) });
    }
    result.converged_at = Some(nanos(3.0 + noise.next()));
    let last = result.departures[0].delays.last().copied();
    let late = last.unwrap_or(0) > 12 * SECOND;
    result.verdicts = vec![
        verdict(true, "52 of 52 nodes after 0.512 s", Some(SECOND / 2)),
        verdict(!late, "51 of 51 observers after 9.841 s", last),
    ];
    result.notes = vec!["host2 announced 10.0.2.15, an address nobody else can reach".into()];
    result
}

fn verdict(held: bool, measured: &str, at: Option<u64>) -> Verdict {
    Verdict { held, measured: measured.into(), at }
}

fn judge(scenario: &Scenario, results: &[SeedResult]) -> Outcome {
    Outcome::judge(scenario, results, Timing::default())
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("uwasa-report-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn render(scenario: &Scenario, results: &[SeedResult]) -> String {
    let folder = Folder::new(&scenario.name);
    let files = write(scenario, results, &judge(scenario, results), &folder.0).unwrap();
    assert!(files.iter().all(|file| file.is_file()));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), files.len(), "drafts are gone");
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "svg")) {
        well_formed(&fs::read_to_string(file).unwrap());
        assert!(fs::metadata(file).unwrap().len() < 150_000, "{}", file.display());
    }
    fs::read_to_string(folder.0.join("report.html")).unwrap()
}

/// Every tag is closed in order, and nothing is fetched or run.
fn well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        if tag.starts_with('!') || tag.starts_with('?') || tag.ends_with('/') {
            continue;
        }
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for fetch in ["http://", "https://", "<script", "<link", "<img", "url(", "@import", "src="] {
        assert!(!page.contains(fetch), "the page has {fetch}");
    }
}

#[test]
fn summary_of_a_tiny_run() {
    let mut scenario = scenario("tiny", 3, 100_000);
    scenario.file = "/home/somebody/tiny.toml".into();
    scenario.expects = vec![Expect {
        line: 7,
        reason: "one of two seeds is enough".into(),
        seeds_ppm: 500_000,
        kind: ExpectKind::EventCoverage {
            event: "deploy".into(),
            coverage_ppm: 1_000_000,
            events_ppm: 1_000_000,
            within: SECOND,
        },
    }];
    let mut results = vec![seed_result(1), seed_result(2)];
    for (result, held) in results.iter_mut().zip([true, false]) {
        let delays = if held { vec![0, SECOND / 8, SECOND / 4] } else { vec![0, SECOND / 2] };
        result.events = vec![EventSpread {
            name: "deploy".into(),
            from: "host1".into(),
            sent_at: 15 * SECOND,
            audience: 3,
            delays,
            by_push_pull: 0,
            packets_per_node: 4.5,
        }];
        result.departures = vec![Departure {
            node: "host3".into(),
            kind: "crash",
            at: 20 * SECOND,
            observers: 2,
            delays: vec![6 * SECOND],
            first_suspicion: Some(2 * SECOND),
        }];
        result.bytes_per_node = vec![100.0, 50.0];
        result.false_failures =
            vec![FalseFailure { at: SECOND, observer: "host1".into(), subject: "host2".into() }];
        let measured = if held { "3 of 3 nodes after 0.250 s" } else { "2 of 3 nodes after 1 s" };
        result.verdicts = vec![verdict(held, measured, held.then_some(SECOND / 4))];
        result.notes = vec!["seen".into()];
    }
    let text = summary::text(&scenario, &results, &judge(&scenario, &results)).unwrap();
    assert!(!text.contains("somebody") && !text.contains("wall"));
    insta::assert_snapshot!("summary", text);
}

#[test]
fn same_input_same_bytes() {
    let (scenario, results) = demo("same", 20, 5, 0.1);
    let outcome = judge(&scenario, &results);
    let timed = Outcome::judge(
        &scenario,
        &results,
        Timing { wall_s: 3.0, virtual_s: 1.0, virtual_per_wall: 0.3, jobs: 2 },
    );
    let (first, second) = (Folder::new("first"), Folder::new("second"));
    let one = write(&scenario, &results, &outcome, &first.0).unwrap();
    let two = write(&scenario, &results, &timed, &second.0).unwrap();
    assert_eq!(one.len(), 14);
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one.file_name(), two.file_name());
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap(), "{}", one.display());
    }
}

#[test]
fn page_is_well_formed_and_complete() {
    let (scenario, results) = demo("page", 52, 60, 0.0);
    let page = render(&scenario, &results);
    well_formed(&page);
    for part in [
        "PASS",
        "MISS",
        "sim run scenarios/page.toml --seeds 60",
        "10 more seeds in summary.json",
        "in 60 of 60 seeds",
        "1,234,567".replace("1,234,567", "74,074,020").as_str(),
        "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more",
    ] {
        assert!(page.contains(part), "the page lacks {part}");
    }
}

#[test]
fn hostile_names_are_escaped() {
    let evil = "<script>alert('x')</script>\u{1}\"&";
    let (mut scenario, mut results) = demo("evil", 5, 2, 0.0);
    scenario.title = evil.into();
    scenario.description = evil.into();
    scenario.workload = vec![event_work(15.0, evil)];
    scenario.nodes[2].name = evil.into();
    for result in &mut results {
        result.events[0].name = evil.into();
        let mut twin = result.events[0].clone();
        twin.name = "../../etc/passwd".into();
        result.events.push(twin);
        result.departures[0].node = evil.into();
        result.notes = vec![evil.into()];
        result.verdicts[1].measured = evil.into();
    }
    well_formed(&render(&scenario, &results));
}

#[test]
fn edge_cases_do_not_panic() {
    let none = render(&scenario("none", 0, 0), &[]);
    assert!(none.contains("No user event was sent in this run."));
    let empty = render(&scenario("empty", 1, 0), &[seed_result(1)]);
    assert!(empty.contains("Nobody crashed or left in this run."));
    assert!(empty.contains("it takes at least two nodes"));

    for (name, delays, audience) in [
        ("alone", vec![0], 1),
        ("silent", vec![], 0),
        ("unheard", vec![], 5),
        ("instant", vec![0; 52], 52),
        ("late", vec![0, 55 * SECOND], 2),
    ] {
        let mut result = seed_result(u64::MAX);
        let noise = &mut Noise(1);
        result.events = vec![EventSpread { delays, audience, ..spread("e", 2, 0.0, noise) }];
        result.departures = vec![crash("host1", 1.0, 0, noise), leave("host1", 1.0, 0, noise)];
        result.bytes_per_node = vec![0.0];
        result.convergence = vec![ConvergencePoint { at: 0, share: 0.0, live: 2 }];
        well_formed(&render(&scenario(name, audience, 1_000_000), &[result.clone()]));
        result.departures = vec![crash("host1", 1.0, 1, noise)];
        well_formed(&render(&scenario(name, audience, 0), &[result]));
    }
    let mut timeless = scenario("timeless", 2, 0);
    timeless.duration = 0;
    timeless.series_bucket = 0;
    well_formed(&render(&timeless, &[demo_seed(1, 5, 0.0)]));
}

#[test]
fn large_runs_stay_small() {
    let (mut scenario, mut results) = demo("large", 10_000, 20, 0.25);
    scenario.config = config(TimerPhase::Aligned);
    for result in &mut results {
        result.bytes_per_node = vec![1e6; 36_000];
    }
    let page = render(&scenario, &results);
    well_formed(&page);
    assert!(page.contains("10,000 nodes, 25 % loss, 20 seeds, timers in lockstep"));
}

#[test]
fn many_departures_are_pooled() {
    let (mut scenario, mut results) = demo("halt", 10, 3, 0.0);
    scenario.faults = (0..10_u32)
        .map(|node| fault(5.0 * f64::from(node), FaultKind::Crash { nodes: vec![node] }))
        .collect();
    for result in &mut results {
        let noise = &mut Noise(7);
        let crashes = (0..10).map(|node| crash(&format!("host{node}"), 5.0, 9, noise));
        result.departures.extend(crashes.collect::<Vec<_>>());
    }
    let page = render(&scenario, &results);
    assert!(page.contains("all 11 crashes"), "pooled by kind");
    assert!(page.contains("1 graceful leave"));
}

#[test]
fn commands_name_the_seeds() {
    let mut scenario = scenario("x", 2, 0);
    assert_eq!(html::command(&scenario, &[1]), "sim run scenarios/x.toml --seeds 1");
    assert_eq!(html::command(&scenario, &[1, 2, 3]), "sim run scenarios/x.toml --seeds 3");
    assert_eq!(html::command(&scenario, &[5, 6]), "sim run scenarios/x.toml --seeds 5..6");
    assert_eq!(html::command(&scenario, &[9, 2]), "sim run scenarios/x.toml");
    scenario.file = "/tmp/my scenario.toml".into();
    assert_eq!(html::command(&scenario, &[]), "sim run 'my scenario.toml'");
}

#[test]
fn stale_pictures_go_and_other_files_stay() {
    let (scenario, results) = demo("stale", 5, 2, 0.0);
    let folder = Folder::new("stale-folder");
    fs::create_dir_all(&folder.0).unwrap();
    for name in ["convergence-old.png", "my.png", "notes.txt"] {
        fs::write(folder.0.join(name), "x").unwrap();
    }
    write(&scenario, &results, &judge(&scenario, &results), &folder.0).unwrap();
    let there = |name: &str| folder.0.join(name).exists();
    assert!(!there("convergence-old.png") && there("my.png") && there("notes.txt"));
}

#[test]
fn formation_is_drawn_for_cold_starts_only() {
    let (mut scenario, mut results) = demo("forms", 10, 5, 0.0);
    let page = render(&scenario, &results);
    assert!(page.contains("Every node boots at 0 s and joins others 0.2 s after its boot."));
    assert!(
        page.contains(
            "every pair at 2.50 s (medians of 5 runs; 95th percentile of every pair 2.50 s)"
        ),
        "{page}"
    );
    assert!(!page.contains("first boot"));

    scenario.start = cold(10, 2 * SECOND);
    results.truncate(1);
    for point in results[0].convergence.iter_mut().filter(|point| point.at < SECOND) {
        (point.live, point.share) = (1, 1.0);
    }
    let page = render(&scenario, &results);
    for part in ["first boot", "last boot", "nodes that have booted", "the last at 1.8 s"] {
        assert!(page.contains(part), "the page lacks {part}");
    }
    assert!(page.contains("Where the line is interrupted, fewer than two nodes are up."));

    for point in &mut results[0].convergence {
        point.share = point.share.min(0.9);
    }
    assert!(render(&scenario, &results).contains("In no run did every node see every other."));
    scenario.start = Start::Warm;
    assert!(!render(&scenario, &results).contains("How the cluster forms"));
}

fn sample(at: Nanos, own: f64) -> CoordinateSample {
    let errors = |p50: f64| CoordinateErrors { pairs: 45, p50, p95: 3.0 * p50 };
    let cached = (at > 0).then(|| errors(own + 0.01));
    CoordinateSample { at, own: errors(own), cached }
}

#[test]
fn coordinates_are_drawn_where_they_were_measured() {
    let (scenario, mut results) = demo("coordinates", 10, 3, 0.0);
    let figure = "How well coordinates foretell round-trip times";
    assert!(!render(&scenario, &results).contains(figure));
    for (shift, result) in (0_u32..).zip(&mut results) {
        // Between 20 s and 40 s there was no pair.
        let at = (0..=60_u32).filter(|at| !(20..40).contains(at));
        let off = |at: u32| libm::exp(-f64::from(at + shift) / 20.0);
        result.coordinates = at.map(|at| sample(u64::from(at) * SECOND, off(at))).collect();
    }
    let folder = Folder::new("coordinates-files");
    let outcome = judge(&scenario, &results);
    let files = write(&scenario, &results, &outcome, &folder.0).unwrap();
    assert_eq!(files.len(), 16);
    let svg = fs::read_to_string(folder.0.join("coordinates.svg")).unwrap();
    well_formed(&svg);
    for part in
        ["relative error", "median pair", "95th percentile", "lowest to highest", "host3 off"]
    {
        assert!(svg.contains(part), "the figure lacks {part}");
    }
    let page = fs::read_to_string(folder.0.join("report.html")).unwrap();
    for part in [
        figure,
        "of up to 45 pairs",
        "at 60 s 4.7 %",
        "until 18 s",
        "is interrupted, no two",
        "4.7 %</td>",
    ] {
        assert!(page.contains(part), "the page lacks {part}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("summary.json")).unwrap()).unwrap();
    let over_seeds = &json["over_seeds"]["coordinates"];
    assert_eq!(over_seeds["error_p50"]["median"], json["runs"][1]["coordinates"]["error_p50"]);
    assert_eq!(json["runs"][0]["coordinates"]["at_s"], 60.0);
    assert_eq!(json["runs"][0]["coordinates"]["cached_pairs"], 45);

    // A later run into the same folder that measures nothing.
    results.iter_mut().for_each(|result| result.coordinates.clear());
    write(&scenario, &results, &judge(&scenario, &results), &folder.0).unwrap();
    assert!(!folder.0.join("coordinates.png").exists());
    let text = fs::read_to_string(folder.0.join("summary.json")).unwrap();
    assert!(!text.contains("coordinates\": {") && !text.contains("queries\": ["));

    // Exact estimates, and one sample only.
    results.truncate(1);
    results[0].coordinates = vec![sample(0, 0.0)];
    well_formed(&render(&scenario, &results));
}

fn query(name: &str, nodes: u32, slow: u64, ended_after: Option<Nanos>) -> QuerySpread {
    let delays = (0..u64::from(nodes)).map(|index| index * slow * SECOND / 100).collect();
    QuerySpread {
        name: name.into(),
        from: "host1".into(),
        sent_at: SECOND,
        ended_after,
        refused: false,
        acks: Some(Replies { audience: nodes, delays }),
        responses: None,
        duplicates: 0,
    }
}

#[test]
fn queries_are_drawn_up_to_their_deadlines() {
    let (scenario, mut results) = demo("queries", 10, 3, 0.0);
    let figure = "How queries are acked and answered";
    assert!(!render(&scenario, &results).contains(figure));
    let evil = "<b>&\u{1}";
    for result in &mut results {
        result.queries = vec![query("uptime", 10, 1, Some(6 * SECOND)), query(evil, 0, 1, None)];
        result.queries.push(query("uptime", 8, 2, Some(SECOND)));
        result.queries.push(QuerySpread { refused: true, ..query("odd", 3, 1, Some(0)) });
    }
    let page = render(&scenario, &results);
    for part in [
        figure,
        "uptime: acks",
        "uptime (2): acks",
        "deadlines: 1 s",
        ">\n6 s",
        "seconds since the query was sent (logarithmic axis)",
        "The asking node refused to send 3 queries.",
    ] {
        assert!(page.contains(part), "the page lacks {part}");
    }
    assert!(!page.contains("odd: acks"));
    let outcome = judge(&scenario, &results);
    let json: serde_json::Value =
        serde_json::from_str(&summary::text(&scenario, &results, &outcome).unwrap()).unwrap();
    let first = &json["runs"][0]["queries"][0];
    assert_eq!((&first["acks"]["came"], &first["acks"]["t100_s"]), (&10.into(), &0.09.into()));
    assert!(first["answers"].is_null());

    results.truncate(1);
    results[0].queries = (0..8).map(|_| query("late", 5, 90, Some(4 * SECOND))).collect();
    let page = render(&scenario, &results);
    assert!(page.contains("Of 8 queries the first 6 are drawn"));
    assert!(!page.contains("sent (logarithmic axis)") && page.contains("deadline: 4 s"));
    results[0].queries = vec![query("lost", 0, 1, None)];
    well_formed(&render(&scenario, &results));
}

#[test]
fn bytes_are_logarithmic_when_a_rush_dwarfs_the_rest() {
    let (scenario, mut results) = demo("rush", 10, 3, 0.0);
    let logarithmic = "(logarithmic axis)";
    assert!(!render(&scenario, &results).contains(logarithmic));
    for result in &mut results {
        result.bytes_per_node[0] = 50_000.0;
        result.bytes_per_node[60] = 0.0;
    }
    let page = render(&scenario, &results);
    assert!(page.contains(logarithmic));
    assert!(page.contains("The highest median is 100,000 bytes per second, at 0.25 s."));
    assert!(page.contains("silence too, is drawn at that number."));
}

#[test]
fn the_floor_is_explained_where_it_holds() {
    let (scenario, mut results) = demo("floor", 52, 3, 0.0);
    let formula = "0.69 T + T + shortest suspicion = 0.69 s + 1.00 s + 6.86 s = 8.55 s";
    assert!(render(&scenario, &results).contains(formula));
    // Crashes in a shrinking cluster have no floor in common.
    for result in &mut results {
        result.departures.push(crash("host9", 30.0, 20, &mut Noise(1)));
    }
    assert!(!render(&scenario, &results).contains("floor of the median after"));
}
