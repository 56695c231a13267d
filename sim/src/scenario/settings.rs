//! `config`: a preset and every field of the core's `Options` by its own name, durations as strings.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
#[cfg(feature = "mutants")]
use uwasa_core::config::Mutant;
use uwasa_core::config::{Config, Lifeguard, Options, TimerPhase};
use uwasa_core::keyring::{Key, Keyring};

use super::document::Value;
use super::fault::Placed;
use super::field::{Field, Table};
use super::problem::{Place, Problems};
use crate::scenario::{Fault, FaultKind, NodeSpec};

/// Keys that people look for here and that live elsewhere.
const HINTS: [(&str, &str); 4] = [
    ("timer_phase", "write phase = \"random\" or \"lockstep\" at the top of the file"),
    ("trace", "tracing is always on in the simulator"),
    ("keyring", "write encrypt = \"…\" with a key in base64 or hexadecimal"),
    ("fanout", "the fanout is called `gossip_nodes`"),
];

/// The settings, and where those were written that depend on the rest of the scenario.
pub(super) struct Settings {
    pub(super) config: Arc<Config>,
    place: Place,
    places: Vec<(&'static str, Place)>,
}

impl Settings {
    /// A restart that keeps its state needs a snapshot to keep it in.
    pub(super) fn keep_snapshots(&mut self, faults: &[Placed<Fault>], problems: &mut Problems<'_>) {
        let keeps = |fault: &&Placed<Fault>| !fault.value.kind.snapshots_of().is_empty();
        let Some(fault) = faults.iter().find(keeps).filter(|_| !self.config.snapshot) else {
            return;
        };
        if let Some((_, place)) = self.places.iter().find(|(field, _)| *field == "snapshot") {
            problems.add(
                *place,
                "config.snapshot",
                format!(
                    "is false, and {} keeps state, which is in the snapshot: leave one out",
                    fault.path
                ),
            );
        }
        let options = Options { snapshot: true, ..Options::clone(&self.config) };
        self.config = validated(options, self.place, &self.places, problems);
    }

    /// Refuses keyrings that these settings do not go with.
    pub(super) fn check_rekeys(&self, faults: &[Placed<Fault>], problems: &mut Problems<'_>) {
        for fault in faults {
            let FaultKind::Rekey { keyring, .. } = &fault.value.kind else { continue };
            let options = Options { keyring: keyring.clone(), ..Options::clone(&self.config) };
            if let Err(error) = options.validate() {
                problems.add(fault.place, &format!("{}.rekey.keys", fault.path), error);
            }
        }
    }

    /// Refuses limits that a warm start, in which everybody knows everybody, would break from the first moment on.
    pub(super) fn check_warm(&self, nodes: &[NodeSpec], problems: &mut Problems<'_>) {
        let place = |key| self.places.iter().find(|(field, _)| *field == key).map(|(_, at)| *at);
        let limit = self.config.members_max;
        if nodes.len() > limit {
            problems.add(
                place("members_max").unwrap_or(self.place),
                "config.members_max",
                format!(
                    "{limit} is less than the {} nodes, who all know each other in a warm start: write {} or more, \
                     or start = \"cold\"",
                    nodes.len(),
                    nodes.len()
                ),
            );
        }
        let mut strangers = nodes.iter().filter(|node| !self.config.allows(node.advertise.ip()));
        if let Some(first) = strangers.next() {
            let others = match strangers.count() {
                0 => String::new(),
                1 => " (and 1 other)".into(),
                count => format!(" (and {count} others)"),
            };
            let allowed: Vec<String> =
                self.config.cidrs_allowed.iter().map(ToString::to_string).collect();
            problems.add(
                place("cidrs_allowed").unwrap_or(self.place),
                "config.cidrs_allowed",
                format!(
                    "{} does not contain {}, which {} announces{others}, and all know each other in a warm start: \
                     add a network that contains it, or write start = \"cold\"",
                    allowed.join(", "),
                    first.advertise.ip(),
                    first.name
                ),
            );
        }
    }
}

/// Reads `config` and `phase`. On problems the LAN preset stands in, so that the rest can be checked.
pub(super) fn read(root: &mut Table<'_>, problems: &mut Problems<'_>) -> Settings {
    let phases = [("random", TimerPhase::Random), ("lockstep", TimerPhase::Aligned)];
    let phase = root.field("phase").and_then(|field| field.word(&phases, problems));
    let mut options = Options::lan();
    let mut places = Vec::new();
    let mut place = root.place();
    let wanted = "a table such as { preset = \"lan\" }";
    if let Some(field) = root.field("config") {
        place = field.place();
        if let Some(mut table) = field.table(wanted, problems) {
            let presets = ["lan", "wan", "local"].map(|name| (name, name));
            match table.field("preset").and_then(|field| field.word(&presets, problems)) {
                Some("wan") => options = Options::wan(),
                Some("local") => options = Options::local(),
                _ => {}
            }
            Reader { table: &mut table, problems, places: &mut places }.options(&mut options);
            table.finish(&HINTS, problems);
        }
    }
    options.timer_phase = phase.unwrap_or_default();
    options.trace = true;
    Settings { config: validated(options, place, &places, problems), place, places }
}

fn validated(
    options: Options,
    place: Place,
    places: &[(&'static str, Place)],
    problems: &mut Problems<'_>,
) -> Arc<Config> {
    let errors = match options.validate() {
        Ok(config) => return Arc::new(config),
        Err(errors) => errors,
    };
    for error in &errors.0 {
        let written = places.iter().find(|(field, _)| *field == error.field);
        let place = written.map_or(place, |(_, place)| *place);
        let path = format!("config.{}", error.field);
        problems.add(place, &path, format!("{} {}", error.value, error.rule));
    }
    #[expect(clippy::expect_used, reason = "our own preset; a test of the core holds it valid")]
    Arc::new(Options::lan().validate().expect("the LAN preset is valid"))
}

/// Reads one field after the other and remembers where each was written, for the rules between fields.
struct Reader<'r, 't, 'p> {
    table: &'r mut Table<'t>,
    problems: &'r mut Problems<'p>,
    places: &'r mut Vec<(&'static str, Place)>,
}

impl<'t> Reader<'_, 't, '_> {
    fn options(&mut self, options: &mut Options) {
        self.durations(options);
        self.counts(options);
        self.sizes(options);
        self.switches(options);
        self.texts(options);
        if let Some(field) = self.field("lifeguard") {
            lifeguard(&field, &mut options.lifeguard, self.problems);
        }
        if let Some(field) = self.field("encrypt")
            && let Some(keyring) = keyring(&field, self.problems)
        {
            options.keyring = keyring;
        }
    }

    fn field(&mut self, key: &'static str) -> Option<Field<'t>> {
        let field = self.table.field(key)?;
        self.places.push((key, field.place()));
        Some(field)
    }

    fn durations(&mut self, options: &mut Options) {
        for (key, slot) in [
            ("tcp_timeout", &mut options.tcp_timeout),
            ("push_pull_interval", &mut options.push_pull_interval),
            ("probe_interval", &mut options.probe_interval),
            ("probe_timeout", &mut options.probe_timeout),
            ("gossip_interval", &mut options.gossip_interval),
            ("gossip_to_the_dead", &mut options.gossip_to_the_dead),
            ("dead_node_reclaim", &mut options.dead_node_reclaim),
            ("broadcast_timeout", &mut options.broadcast_timeout),
            ("leave_propagate_delay", &mut options.leave_propagate_delay),
            ("coalesce_period", &mut options.coalesce_period),
            ("quiescent_period", &mut options.quiescent_period),
            ("user_coalesce_period", &mut options.user_coalesce_period),
            ("user_quiescent_period", &mut options.user_quiescent_period),
            ("reap_interval", &mut options.reap_interval),
            ("reconnect_interval", &mut options.reconnect_interval),
            ("reconnect_timeout", &mut options.reconnect_timeout),
            ("tombstone_timeout", &mut options.tombstone_timeout),
            ("flap_timeout", &mut options.flap_timeout),
            ("recent_intent_timeout", &mut options.recent_intent_timeout),
            ("queue_check_interval", &mut options.queue_check_interval),
        ] {
            let field = self.field(key);
            if let Some(nanos) = field.and_then(|field| field.duration(self.problems)) {
                *slot = Duration::from_nanos(nanos);
            }
        }
    }

    /// A whole number; the core's own rules say which values make sense.
    fn number(&mut self, key: &'static str, high: u64) -> Option<u64> {
        self.field(key)?.integer(0, high, self.problems)
    }

    fn counts(&mut self, options: &mut Options) {
        for (key, slot) in [
            ("indirect_checks", &mut options.indirect_checks),
            ("retransmit_mult", &mut options.retransmit_mult),
            ("suspicion_mult", &mut options.suspicion_mult),
            ("suspicion_max_timeout_mult", &mut options.suspicion_max_timeout_mult),
            ("awareness_max_multiplier", &mut options.awareness_max_multiplier),
            ("gossip_nodes", &mut options.gossip_nodes),
            ("event_buffer", &mut options.event_buffer),
            ("query_buffer", &mut options.query_buffer),
            ("query_timeout_mult", &mut options.query_timeout_mult),
        ] {
            if let Some(number) = self.number(key, u32::MAX.into()) {
                *slot = u32::try_from(number).unwrap_or(u32::MAX);
            }
        }
        for (key, slot) in [
            ("protocol_version", &mut options.protocol_version),
            ("serf_protocol_version", &mut options.serf_protocol_version),
        ] {
            if let Some(number) = self.number(key, u8::MAX.into()) {
                *slot = u8::try_from(number).unwrap_or(u8::MAX);
            }
        }
        for (key, slot) in [
            ("queue_depth_warning", &mut options.queue_depth_warning),
            ("queue_depth_max", &mut options.queue_depth_max),
            ("queue_depth_min", &mut options.queue_depth_min),
            ("members_max", &mut options.members_max),
            ("streams_max", &mut options.streams_max),
        ] {
            if let Some(number) = self.number(key, u32::MAX.into()) {
                *slot = usize::try_from(number).unwrap_or(usize::MAX);
            }
        }
    }

    fn sizes(&mut self, options: &mut Options) {
        for (key, slot) in [
            ("packet_bytes_max", &mut options.packet_bytes_max),
            ("user_event_bytes_max", &mut options.user_event_bytes_max),
            ("query_bytes_max", &mut options.query_bytes_max),
            ("query_response_bytes_max", &mut options.query_response_bytes_max),
        ] {
            let Some(field) = self.field(key) else { continue };
            if let Some(bytes) = field.size(self.problems) {
                *slot = usize::try_from(bytes).unwrap_or(usize::MAX);
            }
        }
    }

    fn switches(&mut self, options: &mut Options) {
        for (key, slot) in [
            ("tcp_pings", &mut options.tcp_pings),
            ("verify_incoming", &mut options.verify_incoming),
            ("verify_outgoing", &mut options.verify_outgoing),
            ("compression", &mut options.compression),
            ("skip_inbound_label_check", &mut options.skip_inbound_label_check),
            ("snapshot", &mut options.snapshot),
            ("rejoin_after_leave", &mut options.rejoin_after_leave),
            ("name_conflict_resolution", &mut options.name_conflict_resolution),
            ("coordinates", &mut options.coordinates),
            ("keyring_file", &mut options.keyring_file),
            ("validate_node_names", &mut options.validate_node_names),
        ] {
            let field = self.field(key);
            if let Some(on) = field.and_then(|field| field.boolean(self.problems)) {
                *slot = on;
            }
        }
    }

    fn texts(&mut self, options: &mut Options) {
        let label = self.field("label");
        if let Some(text) = label.and_then(|field| field.string("a string", self.problems)) {
            options.label = text.into();
        }
        if let Some(field) = self.field("mutant") {
            mutant(&field, options, self.problems);
        }
        let Some(field) = self.field("cidrs_allowed") else { return };
        for one in field.list("a list such as [\"10.0.0.0/8\"]", self.problems).unwrap_or_default()
        {
            let Some(text) = one.string("a network such as \"10.0.0.0/8\"", self.problems) else {
                continue;
            };
            match text.parse() {
                Ok(network) => options.cidrs_allowed.push(network),
                Err(_) => one.refuse(
                    format!("\"{text}\" is no network: write one such as \"10.0.0.0/8\""),
                    self.problems,
                ),
            }
        }
    }
}

#[cfg(feature = "mutants")]
fn mutant(field: &Field<'_>, options: &mut Options, problems: &mut Problems<'_>) {
    options.mutant = field.word(&Mutant::ALL.map(|(mutant, name)| (name, mutant)), problems);
}

#[cfg(not(feature = "mutants"))]
fn mutant(field: &Field<'_>, _: &mut Options, problems: &mut Problems<'_>) {
    field.refuse(
        "is a planted bug, and this simulator was built without them: build it with --features mutants",
        problems,
    );
}

fn lifeguard(field: &Field<'_>, lifeguard: &mut Lifeguard, problems: &mut Problems<'_>) {
    if let Value::Bool(on) = field.item.value {
        let all = (on, on, on);
        (lifeguard.local_health, lifeguard.suspicion_shrink, lifeguard.buddy) = all;
        return;
    }
    let wanted = "true, false or a table such as { buddy = false }";
    let Some(mut table) = field.table(wanted, problems) else { return };
    for (key, slot) in [
        ("local_health", &mut lifeguard.local_health),
        ("suspicion_shrink", &mut lifeguard.suspicion_shrink),
        ("buddy", &mut lifeguard.buddy),
        ("scaled_period", &mut lifeguard.scaled_period),
    ] {
        if let Some(on) = table.field(key).and_then(|field| field.boolean(problems)) {
            *slot = on;
        }
    }
    if let Some(number) =
        table.field("confirmations").and_then(|field| field.integer(0, 64, problems))
    {
        lifeguard.confirmations = u32::try_from(number).ok();
    }
    table.finish(&[], problems);
}

/// One key in either spelling.
pub(super) fn key(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Key> {
    let text = field.string("a key in base64 or hexadecimal", problems)?;
    let Some(bytes) = hexadecimal(text).or_else(|| base64(text)) else {
        field.refuse("is neither base64 nor hexadecimal", problems);
        return None;
    };
    Key::new(&bytes).map_err(|error| field.refuse(error, problems)).ok()
}

/// One key, or a list whose first key seals.
pub(super) fn keyring(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Keyring> {
    let fields = if let Value::Array(_) = field.item.value {
        field.list("a list of keys", problems)?
    } else {
        vec![field.clone()]
    };
    let mut keyring = Keyring::default();
    for one in fields {
        keyring.install(key(&one, problems)?);
    }
    Some(keyring)
}

/// Only the three key lengths count as hexadecimal; anything else may be base64.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !matches!(text.len(), 32 | 48 | 64) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Base64 with or without its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_two_spellings() {
        assert_eq!(base64("AAECAwQFBgcICQoLDA0ODw=="), Some((0..16).collect()));
        assert_eq!(hexadecimal("000102030405060708090a0b0c0d0e0f"), Some((0..16).collect()));
        assert_eq!(base64("not base64!"), None);
    }

    /// Fails to compile when the core gains an option that scenario files cannot set yet.
    #[test]
    fn every_option_of_the_core_can_be_set() {
        let Options {
            protocol_version: _,
            serf_protocol_version: _,
            tcp_timeout: _,
            indirect_checks: _,
            retransmit_mult: _,
            suspicion_mult: _,
            suspicion_max_timeout_mult: _,
            push_pull_interval: _,
            probe_interval: _,
            probe_timeout: _,
            tcp_pings: _,
            awareness_max_multiplier: _,
            gossip_interval: _,
            gossip_nodes: _,
            gossip_to_the_dead: _,
            verify_incoming: _,
            verify_outgoing: _,
            compression: _,
            packet_bytes_max: _,
            dead_node_reclaim: _,
            cidrs_allowed: _,
            label: _,
            skip_inbound_label_check: _,
            keyring: _,
            lifeguard:
                Lifeguard {
                    local_health: _,
                    suspicion_shrink: _,
                    buddy: _,
                    scaled_period: _,
                    confirmations: _,
                },
            timer_phase: _,
            broadcast_timeout: _,
            leave_propagate_delay: _,
            coalesce_period: _,
            quiescent_period: _,
            user_coalesce_period: _,
            user_quiescent_period: _,
            reap_interval: _,
            reconnect_interval: _,
            reconnect_timeout: _,
            tombstone_timeout: _,
            flap_timeout: _,
            recent_intent_timeout: _,
            queue_check_interval: _,
            queue_depth_warning: _,
            queue_depth_max: _,
            queue_depth_min: _,
            event_buffer: _,
            user_event_bytes_max: _,
            query_buffer: _,
            query_timeout_mult: _,
            query_bytes_max: _,
            query_response_bytes_max: _,
            snapshot: _,
            rejoin_after_leave: _,
            name_conflict_resolution: _,
            coordinates: _,
            keyring_file: _,
            validate_node_names: _,
            members_max: _,
            streams_max: _,
            trace: _,
            #[cfg(feature = "mutants")]
                mutant: _,
        } = Options::lan();
    }
}
