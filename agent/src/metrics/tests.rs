//! Tests of telemetry: intervals under a clock of the test, the dump against Serf's, bounds, and sinks over loopback.

use std::collections::BTreeSet;
use std::sync::Mutex;

use metrics::{counter, gauge, histogram, with_local_recorder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::store::Moment;
use super::*;
use crate::log::clock::Wall;
use crate::log::{Format, Log, Syslog};
use tracing::Level;

/// A store whose time stands still until it is moved.
struct World {
    recorder: Recorder,
    nanos: Arc<Mutex<u64>>,
}

/// 2026-11-24 11:55:50 UTC, the start of an interval.
const START: i64 = 1_795_521_350;

impl World {
    fn new(host: Option<&str>) -> Self {
        let nanos = Arc::new(Mutex::new(0));
        let time = Arc::clone(&nanos);
        let clock = move || {
            let uptime = Duration::from_nanos(*time.lock().unwrap());
            let seconds = START + i64::try_from(uptime.as_secs()).unwrap();
            Moment { wall: Wall { seconds, nanos: uptime.subsec_nanos() }, uptime }
        };
        let store = Store::with_clock(host.map(Into::into), Vec::new(), Box::new(clock));
        Self { recorder: Recorder(Arc::new(store)), nanos }
    }

    fn at(&self, seconds: f64) -> &Self {
        let nanos = Duration::from_secs_f64(seconds).as_nanos();
        *self.nanos.lock().unwrap() = u64::try_from(nanos).unwrap();
        self
    }

    fn run(&self, f: impl FnOnce()) {
        with_local_recorder(&self.recorder, f);
    }

    /// The dump without the figures of the process.
    fn dump(&self) -> Vec<String> {
        let text = dump::text(&self.recorder.0);
        text.lines().filter(|line| !line.contains("runtime.")).map(str::to_owned).collect()
    }
}

/// As the zone of the process shows a second of the test.
fn local(after: i64, nanos: u32) -> String {
    let mut out = String::new();
    Wall { seconds: START + after, nanos }.local().go(&mut out);
    out
}

#[test]
fn dump_is_byte_for_byte_serfs() {
    let world = World::new(None);
    world.at(0.5).run(|| {
        counter!("agent.ipc.command").increment(1);
        counter!("serf.events.a b:c/d").increment(1);
        gauge!("memberlist.health.score").set(2);
    });
    world.at(3.010_920_603).run(|| {
        counter!("agent.ipc.command").increment(1);
        histogram!("agent.invoke.echo_hi").record(3.774);
        histogram!("agent.invoke.echo_hi").record(4.817);
        histogram!("equal").record(1.5);
        histogram!("equal").record(1.5);
    });
    assert_eq!(world.at(9.9).dump(), Vec::<String>::new(), "not complete");
    let (head, early) = (local(0, 0), local(0, 500_000_000));
    let late = local(3, 10_920_603);
    let expected = [
        format!("[{head}][G] 'serf-agent.memberlist.health.score': 2.000"),
        format!(
            "[{head}][C] 'serf-agent.agent.ipc.command': Count: 2 Sum: 2.000 \
             LastUpdated: {late} m=+3.010920603"
        ),
        format!(
            "[{head}][C] 'serf-agent.serf.events.a_b:c/d': Count: 1 Sum: 1.000 \
             LastUpdated: {early} m=+0.500000000"
        ),
        format!(
            "[{head}][S] 'serf-agent.agent.invoke.echo_hi': Count: 2 Min: 3.774 Mean: 4.296 \
             Max: 4.817 Stddev: 0.738 Sum: 8.591 LastUpdated: {late} m=+3.010920603"
        ),
        format!(
            "[{head}][S] 'serf-agent.equal': Count: 2 Sum: 3.000 \
             LastUpdated: {late} m=+3.010920603"
        ),
    ];
    assert_eq!(world.at(10.0).dump(), expected);
}

/// Replaces what the transcript replaces.
fn form(line: &str) -> String {
    let (_, rest) = line.split_once(']').unwrap();
    let (name, values) = rest.split_once("': ").unwrap();
    let mut out = format!("[{{INTERVAL}}]{name}':");
    if let Some((values, _)) = values.split_once("LastUpdated") {
        for word in values.split_whitespace() {
            out += if word.ends_with(':') { " " } else { " {F}" };
            out += if word.ends_with(':') { word } else { "" };
        }
        return out + " LastUpdated: {F}";
    }
    out + " {F}"
}

#[test]
fn lines_have_the_form_of_the_transcript() {
    let transcript = include_str!("../../tests/data/agent-telemetry.txt");
    let known: BTreeSet<&str> =
        transcript.lines().filter(|line| line.starts_with("[{INTERVAL}]")).collect();
    let world = World::new(None);
    world.at(1.0).run(|| {
        counter!("memberlist.udp.sent").increment(50);
        counter!("memberlist.udp.sent").increment(60);
        counter!("serf.events.deploy me").increment(1);
        histogram!("memberlist.gossip").record(1);
        histogram!("memberlist.gossip").record(2);
        histogram!("agent.invoke.echo_hi").record(2);
    });
    let text = dump::text(&world.at(10.0).recorder.0);
    let forms: Vec<String> = text.lines().map(form).collect();
    assert!(forms.len() >= 4 + 3, "{forms:?}");
    for form in &forms {
        assert!(known.contains(form.as_str()), "{form}");
    }
}

#[test]
fn the_figures_of_the_process_stand_in_the_last_complete_interval() {
    let world = World::new(None);
    let dump = |seconds| dump::text(&world.at(seconds).recorder.0);
    assert_eq!(dump(9.0), "");
    let head = format!("[{}][G] 'serf-agent.runtime.", local(20, 0));
    let text = dump(31.0);
    assert!(text.lines().count() >= 3);
    assert!(text.lines().all(|line| line.starts_with(&head)), "{text}");
}

#[test]
fn gauges_carry_the_host() {
    let world = World::new(Some("vm"));
    world.run(|| {
        gauge!("memberlist.health.score").set(1);
        counter!("serf.queries").increment(1);
    });
    let dump = world.at(10.0).dump();
    assert!(dump[0].contains("[G] 'serf-agent.vm.memberlist.health.score': 1.000"), "{dump:?}");
    assert!(dump[1].contains("[C] 'serf-agent.serf.queries': "), "{dump:?}");
}

#[test]
fn intervals_are_kept_for_a_minute() {
    let world = World::new(None);
    for seconds in 0..200 {
        world.at(f64::from(seconds)).run(|| counter!("x").increment(1));
    }
    let heads = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| line[1..].split_once(']').unwrap().0.to_owned()).collect()
    };
    let expected: Vec<String> = (0..5).map(|i| local(140 + i * 10, 0)).collect();
    assert_eq!(heads(world.at(199.0).dump()), expected);
    assert_eq!(
        heads(world.at(239.0).dump()),
        expected[4..].iter().cloned().chain([local(190, 0)]).collect::<Vec<_>>()
    );
    assert_eq!(world.at(1000.0).dump(), Vec::<String>::new());
}

#[test]
fn a_clock_that_jumps_back_does_not_let_intervals_grow() {
    let world = World::new(None);
    for step in 0..100 {
        world.at(f64::from(10_000 - step * 100)).run(|| counter!("x").increment(1));
        assert!(world.recorder.0.lock().intervals.len() <= 7);
    }
}

#[test]
fn gauges_and_absolute_counters() {
    let world = World::new(None);
    world.run(|| {
        gauge!("g").set(5);
        gauge!("g").increment(2);
        gauge!("g").decrement(1);
        counter!("c").absolute(7);
        counter!("c").absolute(9);
        counter!("c").absolute(3);
        histogram!("s").record(f64::NAN);
        histogram!("s").record(f64::INFINITY);
    });
    let text = prometheus::text(&world.recorder.0);
    assert!(text.contains("\nserf_agent_g 6\n"), "{text}");
    assert!(text.contains("\nserf_agent_c_total 9\n"), "{text}");
    assert!(text.contains("\nserf_agent_s_sum 0\nserf_agent_s_count 0\n"), "{text}");
}

#[test]
fn too_many_and_too_long_names_are_bounded() {
    let world = World::new(None);
    world.run(|| {
        for i in 0..3000 {
            counter!(format!("serf.events.{i}")).increment(1);
            histogram!(format!("agent.invoke.{i}")).record(1);
        }
        counter!("ü".repeat(1000)).increment(1);
    });
    let state = world.recorder.0.lock();
    assert_eq!(state.series.len(), 1026);
    assert!(state.series.iter().all(|series| series.name.len() <= 256));
    let others: Vec<u64> =
        state.series.iter().filter(|series| &*series.name == "other").map(|s| s.count).collect();
    assert_eq!(others.iter().sum::<u64>(), 6001 - 1024);
}

#[test]
fn prometheus_text() {
    let world = World::new(Some("vm"));
    world.at(1.5).run(|| {
        counter!("serf.events.deploy me").increment(1);
        counter!("serf.events.deploy_me").increment(2);
        gauge!("memberlist.health.score").set(3);
        histogram!("serf.coordinate.adjustment-ms").record(0.5);
        histogram!("serf.coordinate.adjustment-ms").record(2);
    });
    let text = prometheus::text(&world.recorder.0);
    let expected = "\
# TYPE serf_agent_memberlist_health_score gauge
serf_agent_memberlist_health_score 3
# TYPE serf_agent_serf_coordinate_adjustment_ms summary
serf_agent_serf_coordinate_adjustment_ms_sum 2.5
serf_agent_serf_coordinate_adjustment_ms_count 2
# TYPE serf_agent_serf_events_deploy_me_total counter
serf_agent_serf_events_deploy_me_total 3
";
    assert!(text.starts_with(expected), "{text}");
    let names = [
        "process_resident_memory_bytes",
        "process_open_fds",
        "uwasa_anonymous_memory_bytes",
        "uwasa_tasks",
        "uwasa_uptime_seconds",
    ];
    let own: Vec<&str> =
        text[expected.len()..].lines().filter(|line| !line.starts_with('#')).collect();
    let own: Vec<&str> = own.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(own, names);
    assert!(text.ends_with("uwasa_uptime_seconds 1.500\n"), "{text}");
}

/// Ends a test that would wait for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn prometheus_is_answered() {
    let sinks = Sinks { prometheus: Some("127.0.0.1:0".to_owned()), ..Sinks::default() };
    let (telemetry, recorder) = build(&sinks).unwrap();
    with_local_recorder(&recorder, || counter!("serf.queries").increment(4));
    let address = telemetry.prometheus_addr().unwrap();
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("\nserf_agent_serf_queries_total 4\n"), "{body}");
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        ("\r\n\r\n", "HTTP/1.1 405 "),
    ];
    for (request, expected) in cases {
        assert!(ask(address, request).await.starts_with(expected), "{request}");
    }

    let taken = Sinks { prometheus: Some(address.to_string()), ..Sinks::default() };
    let error = build(&taken).err().unwrap().to_string();
    let expected = format!(
        "Error starting metrics listener on {address}: address already in use: give another -metrics-addr"
    );
    assert_eq!(error, expected);
}

#[tokio::test]
async fn too_long_requests_and_too_many_connections_are_closed() {
    let sinks = Sinks { prometheus: Some("127.0.0.1:0".to_owned()), ..Sinks::default() };
    let (telemetry, _recorder) = build(&sinks).unwrap();
    let address = telemetry.prometheus_addr().unwrap();
    let mut long = TcpStream::connect(address).await.unwrap();
    let _ = long.write_all("x".repeat(20_000).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = soon(long.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");

    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let _ = soon(refused.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
    let text = prometheus::text(&telemetry.store);
    assert!(text.contains("serf_agent_telemetry_prometheus_refused_total 1\n"), "{text}");
}

#[tokio::test]
async fn statsd_gets_packets_of_whole_lines() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let sinks = Sinks { statsd: Some(address), hostname: true, ..Sinks::default() };
    let (_telemetry, recorder) = build(&sinks).unwrap();
    let mut expected = String::new();
    with_local_recorder(&recorder, || {
        for i in 0..200 {
            counter!("serf.events.deploy me").increment(i);
            expected += &format!("serf-agent.serf.events.deploy_me:{i}.000000|c\n");
        }
    });
    let mut got = String::new();
    let mut buffer = [0; 4096];
    while got.len() < expected.len() {
        let length = soon(server.recv(&mut buffer)).await.unwrap();
        assert!(length <= 1400 && buffer[..length].ends_with(b"\n"));
        got += std::str::from_utf8(&buffer[..length]).unwrap();
    }
    assert_eq!(got, expected);
    // Then the figures of the process, once a second.
    let length = soon(server.recv(&mut buffer)).await.unwrap();
    let host = process::host().unwrap();
    let start = format!("serf-agent.{host}.runtime.num_goroutines:");
    assert!(std::str::from_utf8(&buffer[..length]).unwrap().starts_with(&start));
}

#[tokio::test]
async fn statsite_is_connected_again() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let sinks = Sinks { statsite: Some(address), ..Sinks::default() };
    let (telemetry, recorder) = build(&sinks).unwrap();
    for round in 0..2 {
        with_local_recorder(&recorder, || histogram!("serf.msgs.sent").record(round));
        let (mut stream, _) = soon(server.accept()).await.unwrap();
        let expected = format!("serf-agent.serf.msgs.sent:{round}.000000|ms\n");
        let mut got = vec![0; expected.len()];
        soon(stream.read_exact(&mut got)).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    }
    let text = prometheus::text(&telemetry.store);
    assert!(!text.contains("telemetry_dropped"), "{text}");
}

#[tokio::test]
async fn servers_that_are_not_there_are_counted_and_stop_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [nobody.to_string(), "no address".to_owned()] {
        let sinks =
            Sinks { statsite: Some(address.clone()), statsd: Some(address), ..Sinks::default() };
        let (telemetry, recorder) = build(&sinks).unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !prometheus::text(&telemetry.store).contains("serf_agent_telemetry_dropped_total 2") {
            assert!(tokio::time::Instant::now() < deadline);
            with_local_recorder(&recorder, || counter!("serf.queries").increment(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[test]
fn records_that_syslog_does_not_take_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let _daemon = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(io::sink()));
    log.attach_syslog(Syslog::connect_to(vec![path], "USER").unwrap());
    let world = World::new(None);
    world.run(|| {
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(target: "agent", "fits");
            tracing::info!(target: "agent", "{}", "too long".repeat(1 << 20));
        });
    });
    let text = prometheus::text(&world.recorder.0);
    assert!(text.contains("\nserf_agent_log_syslog_dropped_total 1\n"), "{text}");
}

#[test]
fn held_lines_that_are_lost_are_counted() {
    let (_log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(io::sink()));
    let world = World::new(None);
    world.run(|| {
        tracing::dispatcher::with_default(&dispatch, || {
            for _ in 0..(1 << 16) + 3 {
                tracing::info!(target: "agent", "x");
            }
        });
    });
    let text = prometheus::text(&world.recorder.0);
    assert!(text.contains("\nserf_agent_log_held_dropped_total 3\n"), "{text}");
}
