//! Processes: how the node on a host starts, and how it ends.

use std::sync::Arc;

use uwasa_core::config::{Config, Identity, Options};
use uwasa_core::event::ShutDownReason;
use uwasa_core::io::Cx;
use uwasa_core::node::{Node, WarmView};
use uwasa_core::pool::NodeId;
use uwasa_core::rng::Rng;
use uwasa_core::snapshot::Restored;
use uwasa_core::time::Instant;
use uwasa_core::trace::MemberState;
use uwasa_core::wire;

use crate::expect::seconds;
use crate::fact::{End, Fact, Refusal};
use crate::host::Alarm;
use crate::metrics::Totals;
use crate::net::{Power, Presence, Waiting};
use crate::scenario::NodeIndex;
use crate::streams::Delivered;
use crate::world::World;

/// Number of the first node stream.
const NODE_STREAMS: u64 = 1 << 32;
/// Number of the first stream of damage to snapshots; one per host follows. Link streams lie below.
const DISK_STREAMS: u64 = 3 << 32;

impl World<'_> {
    /// Builds every member in the middle of a cluster that has been there for long.
    pub(crate) fn start_warm(&mut self) {
        let count = self.scenario.members_len();
        let identities: Vec<_> = (0..count).map(|node| self.identity(node)).collect();
        let view = WarmView::new(&self.scenario.config, &identities, &mut self.pool);
        self.oracle.start_warm();
        for node in 0..count {
            self.fabric.presence[node as usize] = Presence::running(1);
            self.fill_disk(node);
            let seed = self.node_seed(node, 1);
            let mut cx = Cx { now: Instant::ZERO, pool: &mut self.pool, out: &mut self.outbox };
            let config = self.scenario.config.clone();
            let built = Node::warm(config, &identities[node as usize], seed, &view, &mut cx);
            self.nodes[node as usize] = Some(built);
            self.tell(node, &Fact::Started { life: 1, restored: None });
            self.after_input(node);
        }
    }

    /// What a process that has been running for long has on its disk: everybody.
    fn fill_disk(&mut self, node: NodeIndex) {
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            let members = self.scenario.members().iter();
            disk.fill(members.map(|spec| (spec.name.as_str(), spec.advertise)));
            disk.open(self.scenario.config.rejoin_after_leave);
        }
    }

    /// Builds the node of a process that starts now, with what is on its disk; whether it finds members there to rejoin.
    pub(crate) fn start_node(&mut self, node: NodeIndex) -> bool {
        let presence = &mut self.fabric.presence[node as usize];
        *presence = Presence { slow: presence.slow, ..Presence::running(presence.life + 1) };
        let life = presence.life;
        self.oracle.started(self.fabric.now, node, life);
        let rejoin_after_leave = self.scenario.config.rejoin_after_leave;
        let host = &mut self.hosts[node as usize];
        host.tags = self.scenario.nodes[node as usize].tags.clone();
        let restored = host.disk.as_mut().map(|disk| disk.open(rejoin_after_leave));
        let restored = restored.filter(|it| *it != Restored::default());
        self.fabric.totals.snapshot_restarts += u64::from(restored.is_some());
        let (identity, seed) = (self.identity(node), self.node_seed(node, life));
        let config = self.config_of(node);
        let now = self.local_now(node);
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.outbox };
        let built = match &restored {
            Some(restored) => Node::restore(config, &identity, seed, restored, &mut cx),
            None => Node::new(config, identity, seed, &mut cx),
        };
        self.nodes[node as usize] = Some(built);
        let clocks = restored.as_ref().map(|it| it.clocks);
        self.tell(node, &Fact::Started { life, restored: clocks });
        self.after_input(node);
        let own_name = self.scenario.protocol_name(node);
        restored.is_some_and(|it| it.seeds(own_name).next().is_some())
    }

    /// A node was to rejoin by itself. If it has not, because nobody whom it remembers is there any more, it joins by the
    /// start plan.
    pub(crate) fn on_lonely(&mut self, node: NodeIndex, life: u32) {
        let presence = self.fabric.presence(node);
        let Some(state) = &self.nodes[node as usize] else { return };
        let me = state.id();
        let is_alive = |other: u32| {
            let state = state.member_state(NodeId(other));
            other != me.0 && matches!(state, Some(MemberState::Alive | MemberState::Suspect))
        };
        let alone = !(0..self.scenario.members_len()).any(is_alive);
        if presence.life == life && alone {
            self.on_join(node, life);
        }
    }

    /// A node has stopped itself: its process ends in good order, and others will find it dead.
    pub(crate) fn on_shut_down(&mut self, node: NodeIndex, reason: ShutDownReason) {
        let now = self.fabric.now;
        let ShutDownReason::NameConflict { responses, matching } = reason;
        let handle = self.scenario.node_name(node);
        let name = self.scenario.protocol_name(node);
        self.notes.push(format!(
            "at {} {handle} shut itself down: another host carries the name {name}, and {matching} of {responses} \
             members that voted know {handle} under it.",
            seconds(now)
        ));
        self.oracle.shut_down(now, node);
        self.depart(node, MemberState::Dead);
        self.quit(node, End::ShutDown);
    }

    /// A process ends in good order; its host stays on.
    pub(crate) fn quit(&mut self, node: NodeIndex, how: End) {
        let now = self.local_now(node);
        if let Some(state) = self.nodes[node as usize].as_mut() {
            state.stop(&mut Cx { now, pool: &mut self.pool, out: &mut self.outbox });
            self.drain(node);
            self.forget_answers();
        }
        self.streams.stop(node, &mut self.fabric);
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            disk.close();
        }
        self.end_node(node, Power::Down, how);
    }

    /// Ends a process: its node is dropped, its counters are kept.
    pub(crate) fn end_node(&mut self, node: NodeIndex, power: Power, how: End) {
        if let Some(old) = self.nodes[node as usize].take() {
            add_stats(&mut self.fabric.totals, &old);
            self.tell(node, &Fact::Ended(how));
        }
        let presence = &mut self.fabric.presence[node as usize];
        (presence.power, presence.blocked) = (power, false);
        let host = &mut self.hosts[node as usize];
        (host.paused_until, host.blocked_until) = (0, 0);
        host.exit_overdue = false;
        host.held.clear();
        host.stuck = false;
        self.alarms[node as usize] = Alarm::OFF;
        host.processor.stop();
        for waiting in host.backlog.take(false) {
            match waiting {
                Waiting::Packet { packet, .. } => self.refuse(packet, Refusal::Down),
                Waiting::Stream(delivery) => {
                    if let Delivered::Data(buffer) = delivery.what {
                        self.streams.recycle(buffer);
                    }
                }
                Waiting::Command(operation) => {
                    self.operations.remove(&operation);
                }
            }
        }
    }

    fn identity(&self, node: NodeIndex) -> Identity {
        let spec = &self.scenario.nodes[node as usize];
        let version = self.scenario.config.serf_protocol_version;
        let meta = wire::tags::encode(&spec.tags, version)
            .expect("the scenario was validated: tags fit, in the older form too");
        Identity::new(self.scenario.protocol_name(node), self.fabric.topology.advertise(node))
            .and_then(|identity| identity.with_meta(meta))
            .expect("the scenario was validated: names and addresses are usable")
    }

    /// The settings of a process that starts: the scenario's, and the keyring file if there is one.
    fn config_of(&mut self, node: NodeIndex) -> Arc<Config> {
        let (config, host) = (&self.scenario.config, &mut self.hosts[node as usize]);
        if !config.keyring_file {
            host.keyring = host.configured.clone();
        }
        if host.keyring == config.keyring {
            return config.clone();
        }
        let options = Options { keyring: host.keyring.clone(), ..Options::clone(config) };
        Arc::new(options.validate().expect("other keys of the same kind break no rule"))
    }

    /// The draws that damage the snapshot which the `life`th process on a host left behind.
    pub(crate) fn disk_rng(&self, node: NodeIndex, life: u32) -> Rng {
        let mut rng = Rng::from_seed_stream(self.key, DISK_STREAMS + u64::from(node));
        for _ in 1..life {
            rng.next_u64();
        }
        rng
    }

    /// The seed of one life of a node: draw number `life` of the node's own stream.
    fn node_seed(&self, node: NodeIndex, life: u32) -> [u8; 32] {
        let mut rng = Rng::from_seed_stream(self.key, NODE_STREAMS + u64::from(node));
        let mut seed = [0; 32];
        for _ in 0..life {
            rng.fill(&mut seed);
        }
        seed
    }
}

/// Adds the counters of one node to those of the run.
pub(crate) fn add_stats(totals: &mut Totals, node: &Node) {
    let stats = node.stats();
    totals.probes += stats.probes;
    totals.probes_indirect += stats.probes_indirect;
    totals.probes_failed += stats.probes_failed;
    totals.suspicions += stats.suspicions;
    totals.refutations += stats.refutations;
    totals.push_pulls += stats.push_pulls;
    totals.dropped_input += stats.dropped_total();
    totals.events_delivered += stats.events_delivered;
    totals.query_acks += stats.query_acks;
    totals.query_responses += stats.query_responses;
    totals.query_duplicates +=
        stats.query_duplicate_acks.saturating_add(stats.query_duplicate_responses);
    totals.relayed += stats.relayed;
    totals.intents_accepted += stats.intents_accepted;
    totals.intents_refuted += stats.intents_refuted;
    totals.member_reaps += stats.member_reaps;
    totals.flaps += stats.flaps;
    totals.conflict_votes += stats.conflict_votes;
}
