use std::sync::Arc;

use uwasa_core::config::Options;

use super::*;
use crate::net::Presence;
use crate::scenario::{Latency, Network, NodeSpec, Scenario, Start};

const MS: Nanos = 1_000_000;

/// Two nodes in one region: 10.0.0.1 and 10.0.0.2, one millisecond apart.
fn scenario(loss_ppm: u32) -> Scenario {
    let node = |index: u8| {
        let addr = SocketAddr::from(([10, 0, 0, index], 7946));
        let tags = uwasa_core::tags::Tags::new();
        NodeSpec {
            name: format!("host{index}"),
            addr,
            advertise: addr,
            region: 0,
            tags,
            claim: None,
        }
    };
    Scenario {
        name: "test".into(),
        file: std::path::PathBuf::new(),
        title: String::new(),
        description: String::new(),
        text: String::new(),
        config_hash: 0,
        seeds: vec![1],
        duration: 1_000 * MS,
        nodes: vec![node(1), node(2)],
        start: Start::Warm,
        config: Arc::new(Options::lan().validate().expect("the preset is valid")),
        network: Network {
            regions: vec!["default".into()],
            links: vec![Link {
                latency: Latency::Uniform { low: MS, high: 2 * MS },
                jitter: 0,
                loss_ppm,
                duplicate_ppm: 0,
                reorder_ppm: 0,
                reorder_delay: 0,
                stream_loss: true,
            }],
            bandwidth: 0,
            receive_buffer: 0,
        },
        faults: Vec::new(),
        workload: Vec::new(),
        expects: Vec::new(),
        series_bucket: MS,
    }
}

struct Lab {
    fabric: Fabric,
    streams: Streams,
}

impl Lab {
    fn new(loss_ppm: u32) -> Self {
        let scenario = scenario(loss_ppm);
        let mut fabric = Fabric::new(&scenario, [9; 32]);
        fabric.presence = vec![Presence::running(1); 2];
        Self { fabric, streams: Streams::new(2) }
    }

    fn act(&mut self, node: NodeIndex, id: u64, action: &StreamAction<'_>) {
        self.streams.act(node, StreamId(id), action, &mut self.fabric);
    }

    fn dial(&mut self) {
        let to = self.fabric.topology.addr(1);
        self.act(0, 2, &StreamAction::Dial { to });
    }

    /// Runs to `until`, collecting what reaches the nodes as text.
    fn run(&mut self, until: Nanos) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some((at, happening)) = self.fabric.queue.pop_until(until) {
            self.fabric.now = at;
            let Happening::Stream { connection, step } = happening else { continue };
            if let Some(delivery) = self.streams.step(connection, step, &mut self.fabric) {
                let what = match delivery.what {
                    Delivered::Data(bytes) => {
                        let text = format!("data {}", String::from_utf8_lossy(&bytes));
                        self.streams.recycle(bytes);
                        text
                    }
                    Delivered::Accepted(from) => format!("accepted {from}"),
                    Delivered::Connected => "connected".into(),
                    Delivered::Finished => "finished".into(),
                    Delivered::Failed(failure) => format!("failed {failure:?}"),
                };
                seen.push(format!("{}/{}: {what}", delivery.node, delivery.id.0));
            }
        }
        self.fabric.now = until;
        seen
    }
}

#[test]
fn a_dial_is_accepted_one_way_later_and_connected_after_the_way_back() {
    let mut lab = Lab::new(0);
    lab.dial();
    assert_eq!(lab.run(2 * MS), ["1/1: accepted 10.0.0.1:7946"]);
    assert_eq!(lab.run(4 * MS), ["0/2: connected"]);
}

#[test]
fn data_arrives_complete_and_in_order_under_heavy_loss() {
    let mut lab = Lab::new(400_000);
    lab.dial();
    lab.run(300_000 * MS);
    for number in 0..50 {
        lab.act(0, 2, &StreamAction::Send(format!("{number}").as_bytes()));
    }
    lab.act(0, 2, &StreamAction::Finish);
    let mut expected: Vec<_> = (0..50).map(|number| format!("1/1: data {number}")).collect();
    expected.push("1/1: finished".into());
    assert_eq!(lab.run(3_000_000 * MS), expected);
    lab.act(1, 1, &StreamAction::Finish);
    assert_eq!(lab.run(6_000_000 * MS), ["0/2: finished"]);
    assert_eq!(lab.streams.open_connections(), 0);
}

#[test]
fn large_data_travels_in_chunks() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.run(10 * MS);
    lab.act(0, 2, &StreamAction::Send(&[b'x'; 150_000]));
    let sizes: Vec<_> =
        lab.run(20 * MS).iter().map(|line| line.len() - "1/1: data ".len()).collect();
    assert_eq!(sizes, [65_536, 65_536, 18_928]);
}

#[test]
fn a_running_host_without_a_process_refuses_and_a_dark_one_stays_silent() {
    let mut lab = Lab::new(0);
    lab.fabric.presence[1].power = Power::Down;
    lab.dial();
    assert_eq!(lab.run(5 * MS), ["0/2: failed Refused"]);
    lab.fabric.presence[1].power = Power::Off;
    lab.act(0, 4, &StreamAction::Dial { to: SocketAddr::from(([10, 0, 0, 2], 7946)) });
    assert_eq!(lab.run(900 * MS), Vec::<String>::new());
    lab.fabric.presence[1].power = Power::Up;
    assert_eq!(lab.run(1_100 * MS), ["1/1: accepted 10.0.0.1:7946", "0/4: connected"]);
}

#[test]
fn data_waits_out_a_partition() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.run(10 * MS);
    lab.fabric.topology.partition(0, &[vec![0], vec![1]], false);
    lab.act(0, 2, &StreamAction::Send(b"a"));
    lab.act(0, 2, &StreamAction::Send(b"b"));
    assert!(lab.run(5_000 * MS).is_empty());
    lab.fabric.topology.heal(0);
    assert_eq!(lab.run(20_000 * MS), ["1/1: data a", "1/1: data b"]);
}

#[test]
fn a_restarted_node_resets_what_it_does_not_know() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.run(10 * MS);
    lab.streams.crash(1);
    lab.fabric.presence[1] = Presence { power: Power::Off, ..Presence::running(1) };
    lab.act(0, 2, &StreamAction::Send(b"lost"));
    assert!(lab.run(1_000 * MS).is_empty());
    lab.fabric.presence[1] = Presence::running(2);
    assert_eq!(lab.run(5_000 * MS), ["0/2: failed Reset"]);
    assert_eq!(lab.streams.open_connections(), 0);
}

#[test]
fn a_reset_follows_the_data_and_ends_both_sides() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.run(10 * MS);
    lab.act(0, 2, &StreamAction::Send(b"a"));
    lab.act(0, 2, &StreamAction::Reset);
    lab.act(0, 2, &StreamAction::Send(b"ignored"));
    assert_eq!(lab.run(20 * MS), ["1/1: data a", "1/1: failed Reset"]);
    assert_eq!(lab.streams.open_connections(), 0);
}

#[test]
fn a_dial_given_up_before_the_answer_leaves_nothing_behind() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.act(0, 2, &StreamAction::Reset);
    assert!(lab.run(100 * MS).is_empty());
    assert_eq!(lab.streams.open_connections(), 0);
}

#[test]
fn a_stopping_process_resets_its_streams() {
    let mut lab = Lab::new(0);
    lab.dial();
    lab.run(10 * MS);
    lab.streams.stop(0, &mut lab.fabric);
    lab.fabric.presence[0].power = Power::Down;
    assert_eq!(lab.run(20 * MS), ["1/1: failed Reset"]);
    assert_eq!(lab.streams.open_connections(), 0);
}
