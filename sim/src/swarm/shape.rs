//! The still part of a random scenario: size, settings, network, and how the cluster comes to be.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::{Table, Value};

use super::Bounds;
use super::document::{share, span, table, texts};
use super::draft::name;
use super::draw::{Dice, Draws, SECOND};
use crate::scenario::Nanos;

const SIZE: u64 = 1;
const CONFIG: u64 = 2;
const NETWORK: u64 = 3;
const START: u64 = 4;
const TAGS: u64 = 5;
const TIMES: u64 = 6;
const KEYS: u64 = 7;
const MILLISECOND: Nanos = 1_000_000;

/// What is drawn before any action.
#[derive(Debug)]
pub(super) struct Shape {
    /// How many nodes have a name of their own.
    pub(super) nodes: u32,
    /// Keys at the top of the file.
    pub(super) top: Table,
    /// `[[link]]` blocks.
    pub(super) links: Vec<Table>,
    /// `[[node]]` blocks about nodes that are there.
    pub(super) blocks: Vec<Table>,
    /// When each node boots.
    pub(super) boots: Vec<Nanos>,
    /// When the first action may be.
    pub(super) begin: Nanos,
    /// How long actions go on.
    pub(super) rough: Nanos,
    /// Whether nodes find others by a list of addresses, which must not be empty of live ones.
    pub(super) seeded: bool,
    /// Keys that every node has, in base64; empty: no encryption.
    pub(super) keys: Vec<String>,
    /// Whether queries are possible.
    pub(super) queries: bool,
    /// How much slower than the LAN preset everything is, in tenths.
    pub(super) pace: u64,
}

pub(super) fn draw(draws: &Draws, bounds: &Bounds, labels: &mut BTreeSet<&'static str>) -> Shape {
    let (low, high) = (u64::from(*bounds.nodes.start()), u64::from(*bounds.nodes.end()));
    let nodes = u32::try_from(draws.of(SIZE).small(low, high)).unwrap_or(u32::MAX);
    let mut times = draws.of(TIMES);
    let mut shape = Shape {
        nodes,
        top: Table::new(),
        links: Vec::new(),
        blocks: Vec::new(),
        boots: vec![0; nodes as usize],
        begin: 2 * SECOND,
        rough: 0,
        seeded: false,
        keys: Vec::new(),
        queries: true,
        pace: 10,
    };
    let mut config = config(draws, &mut shape, labels);
    shape.rough = times.time(60 * SECOND, 120 * SECOND) * shape.pace / 10;
    if let Some(mutant) = &bounds.mutant {
        config.insert("mutant".into(), Value::String(mutant.clone()));
    }
    if !config.is_empty() {
        shape.top.insert("config".into(), Value::Table(config));
    }
    network(&mut draws.of(NETWORK), &mut shape, labels);
    start(&mut draws.of(START), &mut shape, labels);
    tags(&mut draws.of(TAGS), &mut shape, labels);
    shape
}

/// Settings that the protocol must bear in every combination.
fn config(draws: &Draws, shape: &mut Shape, labels: &mut BTreeSet<&'static str>) -> Table {
    let mut dice = draws.of(CONFIG);
    let mut config = Table::new();
    let (preset, pace) = dice.weighted(&[(70, ("lan", 10)), (18, ("local", 8)), (12, ("wan", 30))]);
    shape.pace = pace;
    if preset != "lan" {
        labels.insert(if preset == "wan" { "config preset wan" } else { "config preset local" });
        config.insert("preset".into(), Value::String(preset.into()));
    }
    if dice.percent(30) {
        labels.insert("config encrypt");
        shape.keys = keys(&mut draws.of(KEYS));
        config.insert("encrypt".into(), texts(shape.keys.iter().cloned()));
    }
    // Drawn whether it is used or not, so that a new choice shifts no other.
    for (label, chance, key, value) in choices(&mut dice) {
        if dice.percent(chance) {
            labels.insert(label);
            config.insert(key.into(), value);
        }
    }
    if dice.percent(6) {
        labels.insert("config old serf protocol");
        shape.queries = false;
        config.insert("serf_protocol_version".into(), Value::Integer(3));
    }
    config
}

type Choice = (&'static str, u32, &'static str, Value);

/// Settings that are each there or not: label, chance in percent, key, value.
fn choices(dice: &mut Dice) -> Vec<Choice> {
    let whole = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let off = || Value::Boolean(false);
    let mut lifeguard = Table::new();
    let part = dice.pick(&["local_health", "suspicion_shrink", "buddy"]);
    lifeguard.insert(part.into(), off());
    vec![
        ("config label", 20, "label", Value::String("blue".into())),
        ("config no compression", 30, "compression", off()),
        ("config no coordinates", 30, "coordinates", off()),
        ("config snapshot", 30, "snapshot", Value::Boolean(true)),
        ("config rejoin after leave", 10, "rejoin_after_leave", Value::Boolean(true)),
        ("config no stream pings", 10, "tcp_pings", off()),
        ("config lifeguard", 10, "lifeguard", Value::Table(lifeguard)),
        ("config relays", 15, "indirect_checks", whole(dice.number(0, 5))),
        ("config transmissions", 15, "retransmit_mult", whole(dice.number(3, 8))),
        ("config fanout", 15, "gossip_nodes", whole(dice.number(2, 5))),
        ("config packet size", 10, "packet_bytes_max", whole(dice.number(1_000, 9_000))),
        ("config protocol version", 10, "protocol_version", whole(dice.number(1, 5))),
        ("config coalescing", 20, "coalesce_period", span(dice.time(SECOND, 3 * SECOND))),
        ("config coalescing", 20, "quiescent_period", span(dice.time(SECOND / 2, SECOND))),
        ("config user coalescing", 10, "user_coalesce_period", span(3 * SECOND)),
        ("config user coalescing", 10, "user_quiescent_period", span(SECOND)),
        ("config strict names", 5, "validate_node_names", Value::Boolean(true)),
        ("config reclaim", 10, "dead_node_reclaim", span(dice.time(SECOND, 30 * SECOND))),
        ("config tombstones", 15, "tombstone_timeout", span(dice.time(20 * SECOND, 60 * SECOND))),
        // Often, as convergence is then due soon.
        ("config push/pull", 75, "push_pull_interval", span(dice.time(4 * SECOND, 10 * SECOND))),
        ("config reconnect", 75, "reconnect_interval", span(dice.time(4 * SECOND, 10 * SECOND))),
        ("config buffers", 8, "event_buffer", whole(dice.number(32, 128))),
    ]
}

fn keys(dice: &mut Dice) -> Vec<String> {
    let count = dice.number(1, 3);
    let key = |dice: &mut Dice| match dice.number(0, 2) {
        0 => STANDARD.encode(dice.bytes::<16>()),
        1 => STANDARD.encode(dice.bytes::<24>()),
        _ => STANDARD.encode(dice.bytes::<32>()),
    };
    (0..count).map(|_| key(dice)).collect()
}

fn network(dice: &mut Dice, shape: &mut Shape, labels: &mut BTreeSet<&'static str>) {
    let mut network = Table::new();
    network.insert("latency".into(), latency(dice));
    if dice.percent(30) {
        labels.insert("network jitter");
        network.insert("jitter".into(), span(dice.time(10 * MILLISECOND, 30 * MILLISECOND)));
    }
    for (label, key, chance, low, high) in [
        ("network loss", "loss", 8, 1_000, 50_000),
        ("network duplicates", "duplicate", 20, 1_000, 50_000),
        ("network reordering", "reorder", 20, 1_000, 100_000),
    ] {
        let ppm = u32::try_from(dice.small(low, high)).unwrap_or(0);
        if dice.percent(chance) {
            labels.insert(label);
            network.insert(key.into(), share(ppm));
        }
    }
    if dice.percent(5) {
        labels.insert("network bandwidth");
        network.insert("bandwidth".into(), Value::String("256KiB".into()));
    }
    if dice.percent(10) {
        labels.insert("network receive buffer");
        network.insert("receive_buffer".into(), Value::String("1MiB".into()));
    }
    shape.top.insert("network".into(), Value::Table(network));
    let far = dice.time(10 * MILLISECOND, 50 * MILLISECOND);
    let members = dice.some(shape.boots.len(), shape.boots.len() / 2);
    if dice.percent(15) && !members.is_empty() {
        labels.insert("network regions");
        shape.top.insert("regions".into(), texts(["near", "far"]));
        let link = [("from", "near".into()), ("to", "far".into()), ("latency", span(far))];
        shape.links.push(table(link));
        let nodes = texts(members.into_iter().map(name));
        shape.blocks.push(table([("nodes", nodes), ("region", "far".into())]));
    }
}

fn latency(dice: &mut Dice) -> Value {
    let low = dice.number(1, 20) * MILLISECOND / 2;
    match dice.weighted(&[(5, 0), (3, 1), (3, 2)]) {
        0 => span(low),
        1 => Value::Table(table([
            ("low", span(low / 10)),
            ("high", span(low + dice.number(0, 20) * MILLISECOND)),
        ])),
        _ => Value::Table(table([("median", span(low)), ("p99", span(low * dice.number(2, 10)))])),
    }
}

fn start(dice: &mut Dice, shape: &mut Shape, labels: &mut BTreeSet<&'static str>) {
    if dice.percent(12) {
        labels.insert("start lockstep");
        shape.top.insert("phase".into(), "lockstep".into());
    }
    let stagger = dice.time(0, 10 * SECOND);
    let (by_list, at_once) = (dice.percent(40), dice.percent(30));
    if !dice.percent(35) {
        return;
    }
    labels.insert("start cold");
    let stagger = if at_once { 0 } else { stagger };
    let count = shape.boots.len() as u64;
    shape.boots = (0..count).map(|index| stagger * index / count).collect();
    shape.begin = stagger + 5 * SECOND;
    let mut start =
        table([("kind", "cold".into()), ("stagger", span(stagger)), ("retry", span(5 * SECOND))]);
    if by_list {
        shape.seeded = true;
        start.insert("join".into(), texts([name(0), name(1)]));
    }
    shape.top.insert("start".into(), Value::Table(start));
}

fn tags(dice: &mut Dice, shape: &mut Shape, labels: &mut BTreeSet<&'static str>) {
    let few = dice.some(shape.boots.len(), shape.boots.len() / 3);
    if !dice.percent(40) || shape.top.contains_key("regions") || few.is_empty() {
        return;
    }
    labels.insert("tags");
    let role = Value::Table(table([("role", "db".into()), ("rack", "a1".into())]));
    let nodes = texts(few.into_iter().map(name));
    shape.blocks.push(table([("nodes", nodes), ("tags", role)]));
}
