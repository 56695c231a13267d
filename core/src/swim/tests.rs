//! Replays the recorded state-machine cases, version checks and formulas of the reference.

use core::time::Duration;

use serde_json::Value;

use super::*;
use crate::config::Options;
use crate::math;
use crate::pool::Vsn;
use crate::testing::vectors;
use crate::time::{MILLISECOND, SECOND};

struct World {
    now: Instant,
    config: Config,
    pool: Pool,
    rng: Rng,
    stats: Stats,
    timers: Timers,
    actions: Vec<Action>,
    swim: Swim,
}

macro_rules! split {
    ($world:expr) => {{
        let cx = SwimCx {
            now: $world.now,
            config: &$world.config,
            pool: &mut $world.pool,
            rng: &mut $world.rng,
            stats: &mut $world.stats,
            timers: &mut $world.timers,
            actions: &mut $world.actions,
        };
        (&mut $world.swim, cx)
    }};
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().expect("a number");
    T::try_from(number).unwrap_or_else(|_| panic!("{number} is out of range"))
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Addresses come dotted, or as raw bytes.
fn address(op: &Value) -> Option<WireAddr> {
    let addr = op.get("addr")?.as_str()?;
    if let Some(raw) = addr.strip_prefix("raw:") {
        return WireAddr::from_wire(&unhex(raw));
    }
    Some(WireAddr::from(addr.parse::<core::net::IpAddr>().ok()?))
}

impl World {
    fn new(config: &Value) -> Self {
        let allowed = config["CIDRsAllowed"].as_array().cloned().unwrap_or_default();
        let options = Options {
            dead_node_reclaim: Duration::from_millis(number(&config["DeadNodeReclaimTime_ms"])),
            gossip_to_the_dead: Duration::from_millis(number(&config["GossipToTheDeadTime_ms"])),
            suspicion_mult: number(&config["SuspicionMult"]),
            cidrs_allowed: allowed
                .iter()
                .map(|net| text(net).parse().expect("a network"))
                .collect(),
            ..Options::lan()
        };
        let config_value = options.validate().expect("valid");
        let me = Identity::new("self", "127.0.0.1:7946".parse().expect("an address"));
        let me = me.and_then(|me| me.with_meta(Bytes::new())).expect("an identity");
        let (mut pool, mut rng, mut stats) =
            (Pool::new(1), Rng::from_seed([1; 32]), Stats::default());
        let (mut timers, mut actions) = (Timers::default(), Vec::new());
        // The recorded local node announces a memberlist without a Serf layer.
        let now = Instant::from_nanos(1_000 * SECOND);
        let mut cx = SwimCx {
            now,
            config: &config_value,
            pool: &mut pool,
            rng: &mut rng,
            stats: &mut stats,
            timers: &mut timers,
            actions: &mut actions,
        };
        let mut swim = Swim::new(&me, &mut cx);
        let plain =
            Profile { vsn: Vsn([1, 5, 2, 0, 0, 0]), ..cx.pool.profile(swim.own().profile).clone() };
        let profile = cx.pool.intern_profile(plain);
        swim.table.update(swim.me, Member { profile, ..swim.own() }, now, cx.pool);
        actions.clear();
        let mut world = Self { now, config: config_value, pool, rng, stats, timers, actions, swim };
        if let Some(count) = config.get("forced_node_count") {
            for filler in 1..number::<usize>(count) {
                world.alive(
                    &format!("filler{filler}"),
                    1,
                    &serde_json::json!({
                        "addr": "10.9.0.1", "port": 7946, "vsn": "010502000000"
                    }),
                );
            }
        }
        world.forget_effects();
        world
    }

    fn forget_effects(&mut self) {
        self.actions.clear();
        self.swim.queue = BroadcastQueue::default();
    }

    /// The claim in an operation, unless its form is refused before the rules are asked (stricter than Go).
    fn claim<'a>(
        name: &'a str,
        incarnation: u32,
        op: &Value,
        meta: &'a [u8],
    ) -> Option<AliveClaim<'a>> {
        let vsn = Vsn(unhex(op.get("vsn")?.as_str()?).try_into().ok()?);
        let addr = address(op)?;
        let sane = vsn.protocol_min() > 0 && vsn.protocol_min() <= vsn.protocol_max();
        let port = number(&op["port"]);
        sane.then_some(AliveClaim { name, incarnation, addr, port, meta, vsn })
    }

    /// Applies an alive; false if its form is refused.
    fn alive(&mut self, name: &str, incarnation: u32, op: &Value) -> bool {
        let meta = op.get("meta").and_then(Value::as_str).map(unhex).unwrap_or_default();
        let Some(claim) = Self::claim(name, incarnation, op, &meta) else { return false };
        if incarnation == 0 {
            return false;
        }
        let known = self.pool.find(name);
        let (swim, mut cx) = split!(self);
        swim.on_alive(&claim, known, Cause::Gossip { from: None }, &mut cx);
        true
    }

    /// Applies one recorded operation; false if our side refuses its form.
    fn apply(&mut self, op: &Value) -> bool {
        let node = op.get("node").and_then(Value::as_str);
        let inc = op.get("inc").map_or(0, number::<u32>);
        match text(&op["op"]) {
            "alive" => return self.alive(node.expect("a node"), inc, op),
            "alive_self_copy" => {
                let own = self.pool.profile(self.swim.own().profile).clone();
                let mut copy = serde_json::json!({
                    "addr": own.addr.ip().to_string(),
                    "port": own.port,
                    "vsn": hex(&own.vsn.0),
                    "meta": hex(&own.meta),
                });
                for key in ["meta", "vsn"] {
                    if let Some(value) = op.get(key) {
                        copy[key] = value.clone();
                    }
                }
                return self.alive("self", inc, &copy);
            }
            "suspect" | "dead" => self.accuse(op, node.expect("a node"), inc),
            "push_pull_entry" => return self.push_pull_entry(op, node.expect("a node"), inc),
            "set_state" => self.set_state(op, node.expect("a node")),
            "reset" => {
                let age = duration_nanos(self.config.gossip_to_the_dead);
                self.swim.table.wrap(self.swim.me, self.now, age, &self.pool, &mut self.rng);
            }
            "leave_flag" => self.swim.has_left = true,
            "set_self_inc" => {
                self.swim.incarnation = inc;
                let member = Member { incarnation: inc, ..self.swim.own() };
                self.swim.table.update(self.swim.me, member, self.now, &self.pool);
            }
            other => panic!("unknown operation {other}"),
        }
        true
    }

    fn accuse(&mut self, op: &Value, node: &str, inc: u32) {
        let Some(node) = self.pool.find(node) else { return };
        let from = Name::new(&self.pool, text(&op["from"]));
        let cause = Cause::Gossip { from: from.id() };
        let dead = op["op"] == "dead";
        let (swim, mut cx) = split!(self);
        if dead {
            swim.on_dead(node, inc, &from, cause, &mut cx);
        } else {
            swim.on_suspect(node, inc, &from, cause, &mut cx);
        }
    }

    fn push_pull_entry(&mut self, op: &Value, node: &str, inc: u32) -> bool {
        let state = match text(&op["state"]) {
            "alive" => MemberState::Alive,
            "suspect" => MemberState::Suspect,
            "dead" => MemberState::Dead,
            "left" => MemberState::Left,
            other => panic!("unknown state {other}"),
        };
        let Some(claim) = Self::claim(node, inc, op, &[]) else { return false };
        let known = self.pool.find(node);
        let (swim, mut cx) = split!(self);
        swim.merge_entry(&RemoteEntry { claim, state }, known, &mut cx);
        true
    }

    fn set_state(&mut self, op: &Value, node: &str) {
        let state = match text(&op["state"]) {
            "alive" => MemberState::Alive,
            "suspect" => MemberState::Suspect,
            "dead" => MemberState::Dead,
            _ => MemberState::Left,
        };
        let id = self.pool.find(node).expect("known");
        let member = Member { state, ..self.swim.member(id).expect("known") };
        let ago = number::<u64>(&op["ago_ms"]) * MILLISECOND;
        let then = Instant::from_nanos(self.now.as_nanos() - ago);
        self.swim.table.update(id, member, then, &self.pool);
    }

    fn events(&self) -> Vec<String> {
        let name = |id: &NodeId| self.pool.name(*id).to_owned();
        let mut events: Vec<String> = self
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Upcall(Upcall::Joined(id)) => Some(format!("join:{}", name(id))),
                Action::Upcall(Upcall::Departed(id)) => Some(format!("leave:{}", name(id))),
                Action::Upcall(Upcall::Updated(id)) => Some(format!("update:{}", name(id))),
                Action::Upcall(Upcall::Conflict { .. })
                | Action::Trace(_)
                | Action::Event(_)
                | Action::Send(_)
                | Action::Persist(_)
                | Action::Done { .. }
                | Action::KeyringChanged { .. }
                | Action::Reconnect { .. }
                | Action::ShutDown(_) => None,
            })
            .collect();
        if self.stats.conflicts > 0 {
            events.push("conflict".into());
        }
        events
    }

    fn broadcasts(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let everything =
            crate::queue::Take { overhead: 0, room: usize::MAX / 2, parts_max: 1_000, limit: 0 };
        self.swim.queue.take(everything, |fact| facts.push(fact.clone()), |_| ());
        facts
    }
}

/// Go's counter wraps to 0 when the largest incarnation is accused, and nobody accepts it again; ours saturates.
fn incarnation(expected: &Value, op: &Value) -> u32 {
    let accused_at_the_top = op.get("inc").and_then(Value::as_u64) == Some(u64::from(u32::MAX));
    match number(expected) {
        0 if accused_at_the_top => u32::MAX,
        other => other,
    }
}

fn check_record(world: &World, name: &str, step: &Value, context: &str) {
    let after = &step["after"];
    let member = world.pool.find(name).and_then(|id| Some((id, world.swim.member(id)?)));
    let Some((id, member)) = member else {
        assert!(after.is_null(), "{context}: no record, expected {after}");
        return;
    };
    assert!(!after.is_null(), "{context}: a record {member:?}, expected none");
    let profile = world.pool.profile(member.profile);
    let state = match member.state {
        MemberState::Alive => "alive",
        MemberState::Suspect => "suspect",
        MemberState::Dead => "dead",
        MemberState::Left => "left",
    };
    assert_eq!(state, text(&after["state"]), "{context}: state");
    let expected = incarnation(&after["inc"], &step["op"]);
    assert_eq!(member.incarnation, expected, "{context}: incarnation");
    assert_eq!(hex(&profile.meta), text(&after["meta"]), "{context}: meta");
    if let Some(addr) = after.get("addr") {
        assert_eq!(hex(profile.addr.as_bytes()), text(addr), "{context}: address");
        assert_eq!(profile.port, number::<u16>(&after["port"]), "{context}: port");
    }
    let vsn: Vec<u8> = after["vsn"].as_array().expect("a list").iter().map(number).collect();
    assert_eq!(profile.vsn.0.as_slice(), vsn, "{context}: versions");
    let timer = world.swim.suspicions.contains_key(&id);
    assert_eq!(Some(timer), after["suspicion_timer"].as_bool(), "{context}: suspicion timer");
}

fn check_suspicion(world: &World, name: &str, expected: &Value, context: &str) {
    let id = world.pool.find(name).expect("known");
    let suspicion = &world.swim.suspicions[&id];
    let (confirmations, confirmations_max) = suspicion.confirmations();
    assert_eq!(confirmations, number::<u32>(&expected["confirmations"]), "{context}");
    assert_eq!(confirmations_max, number::<u32>(&expected["k"]), "{context}");
    let (min, max) = suspicion.bounds();
    assert_eq!(min, number::<u64>(&expected["min_ms"]) * MILLISECOND, "{context}");
    assert_eq!(max, number::<u64>(&expected["max_ms"]) * MILLISECOND, "{context}");
}

fn check_broadcast(world: &World, fact: &Fact, expected: &Value, op: &Value, context: &str) {
    let (kind, node, sent, from) = match fact {
        Fact::Alive { profile, incarnation } => {
            let profile = world.pool.profile(*profile);
            if let Some(addr) = expected.get("Addr") {
                assert_eq!(hex(profile.addr.as_bytes()), text(addr), "{context}");
                assert_eq!(hex(&profile.vsn.0), text(&expected["Vsn"]), "{context}");
                let meta = expected["Meta"].as_str().unwrap_or_default();
                assert_eq!(hex(&profile.meta), meta, "{context}");
            }
            ("alive", profile.node, *incarnation, None)
        }
        Fact::Suspect { node, incarnation, from } => ("suspect", *node, *incarnation, Some(from)),
        Fact::Dead { node, incarnation, from } => ("dead", *node, *incarnation, Some(from)),
    };
    assert_eq!(kind, text(&expected["kind"]), "{context}");
    assert_eq!(world.pool.name(node), text(&expected["Node"]), "{context}");
    assert_eq!(sent, incarnation(&expected["Incarnation"], op), "{context}");
    if let Some(from) = from {
        assert_eq!(from.as_str(&world.pool), text(&expected["From"]), "{context}");
    }
}

/// Whether a rule of section 15.2 makes us refuse what Go accepts; then nothing at all may change.
fn refused_by_form(world: &mut World, op: &Value, context: &str) -> bool {
    let before: Vec<_> = world.swim.members().collect();
    if world.apply(op) {
        return false;
    }
    let after: Vec<_> = world.swim.members().collect();
    assert_eq!(before, after, "{context}: a refused message changes nothing");
    assert!(world.actions.is_empty() && world.swim.queue.is_empty(), "{context}");
    true
}

#[test]
fn recorded_state_machine_cases() {
    let vectors = vectors();
    let cases = vectors["state_machine"]["cases"].as_array().expect("a list");
    assert!(!cases.is_empty());
    for case in cases {
        let mut world = World::new(&case["config"]);
        let watch = text(&case["watch"]);
        for (index, step) in case["steps"].as_array().expect("a list").iter().enumerate() {
            let context = format!("{} step {index} {}", case["name"], step["op"]);
            world.forget_effects();
            world.stats = Stats::default();
            if case["config"].get("forced_node_count").is_some() {
                make_room(&mut world, &step["op"]);
            }
            if refused_by_form(&mut world, &step["op"], &context) {
                // The rest of the case builds on a record we do not make.
                break;
            }
            check_record(&world, watch, step, &context);
            check_events(&world, step, &context);
            let facts = world.broadcasts();
            let expected = step["broadcasts"].as_array().expect("a list");
            assert_eq!(facts.len(), expected.len(), "{context}: {facts:?}");
            for (fact, expected) in facts.iter().zip(expected) {
                check_broadcast(&world, fact, expected, &step["op"], &context);
            }
            assert_eq!(world.swim.health(), number::<u32>(&step["health"]), "{context}: health");
            if let Some(expected) = step.get("suspicion").filter(|value| !value.is_null()) {
                check_suspicion(&world, watch, expected, &context);
            }
        }
    }
}

/// A forced member count stays what it is when the case adds a member of its own: a filler makes room.
fn make_room(world: &mut World, op: &Value) {
    let stranger = op
        .get("node")
        .and_then(Value::as_str)
        .is_some_and(|name| world.pool.find(name).is_none_or(|id| world.swim.member(id).is_none()));
    let filler = world
        .swim
        .members()
        .map(|(id, _)| id)
        .filter(|&id| world.pool.name(id).starts_with("filler"))
        .last();
    if let (true, Some(id)) = (stranger && op["op"] == "alive", filler) {
        let dead = Member { state: MemberState::Dead, ..world.swim.member(id).expect("known") };
        world.swim.table.update(id, dead, Instant::ZERO, &world.pool);
        let age = duration_nanos(world.config.gossip_to_the_dead);
        world.swim.table.wrap(world.swim.me, world.now, age, &world.pool, &mut world.rng);
    }
}

fn check_events(world: &World, step: &Value, context: &str) {
    let expected: Vec<&str> = step["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| {
            let event = text(event);
            if event.starts_with("conflict") { "conflict" } else { event }
        })
        .collect();
    assert_eq!(world.events(), expected, "{context}: events");
}

#[test]
fn recorded_version_checks() {
    let vectors = vectors();
    for case in vectors["verify_protocol"].as_array().expect("a list") {
        let mut table = MemberTable::default();
        let (mut pool, mut rng) = (Pool::new(1), Rng::from_seed([1; 32]));
        for (index, vsn) in case["local_vsns"].as_array().expect("a list").iter().enumerate() {
            let vsn = Vsn(unhex(text(vsn)).try_into().unwrap_or_default());
            let node = pool.intern(&format!("local{index}"));
            let addr = WireAddr::from(core::net::IpAddr::from([10, 0, 0, 1]));
            let profile = Profile { node, addr, port: 1, vsn, meta: Bytes::new() };
            let profile = pool.intern_profile(profile);
            let member = Member { profile, incarnation: 1, state: MemberState::Alive };
            table.insert(node, member, Instant::ZERO, &pool, &mut rng);
        }
        let remote: Vec<RemoteVersions> = case["remote_vsns"]
            .as_array()
            .expect("a list")
            .iter()
            .zip(case["remote_states"].as_array().expect("a list"))
            .map(|(vsn, state)| RemoteVersions {
                vsn: unhex(text(vsn)).try_into().ok().map(Vsn),
                alive: state == "alive",
            })
            .collect();
        let mut world = World::new(&serde_json::json!({
            "DeadNodeReclaimTime_ms": 0, "GossipToTheDeadTime_ms": 15_000, "SuspicionMult": 4
        }));
        world.swim.table = table;
        assert_eq!(
            Some(world.swim.admits_versions(&remote)),
            case["ok"].as_bool(),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn recorded_formulas() {
    let vectors = vectors();
    let formulas = &vectors["formulas"];
    let list = |name: &str| formulas[name].as_array().expect("a list");
    for case in list("retransmit_limit") {
        let limit = math::retransmit_limit(number(&case["retransmit_mult"]), number(&case["n"]));
        assert_eq!(limit, number::<u32>(&case["limit"]), "{case}");
    }
    for case in list("push_pull_scale") {
        let base = number::<u64>(&case["interval_ms"]);
        let scaled = math::push_pull_interval(base, number(&case["n"]));
        assert_eq!(scaled, number::<u64>(&case["scaled_ms"]), "{case}");
    }
    for case in list("suspicion_timeout") {
        let interval = number::<u64>(&case["probe_interval_ms"]) * MILLISECOND;
        let mult = number(&case["suspicion_mult"]);
        let timeout = math::suspicion_timeout(mult, number(&case["n"]), interval);
        assert_eq!(timeout, number::<u64>(&case["timeout_ns"]), "{case}");
    }
    for case in list("remaining_suspicion") {
        let ms = |key: &str| case[key].as_i64().expect("a number");
        let nanos = |key: &str| number::<u64>(&case[key]) * MILLISECOND;
        let total = math::shrunk_suspicion(
            nanos("min_ms"),
            nanos("max_ms"),
            number(&case["n"]),
            number(&case["k"]),
        );
        let total = i64::try_from(total / MILLISECOND).expect("small");
        assert_eq!(total - ms("elapsed_ms"), ms("remaining_ms"), "{case}");
    }
}
