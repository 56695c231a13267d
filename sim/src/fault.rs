//! Faults: what breaks, and how it comes back.

use uwasa_core::trace::MemberState;

use crate::fact::{End, Fact};
use crate::net::Power;
use crate::scenario::{FaultKind, Nanos, NodeIndex, OnDisk};
use crate::world::World;

impl World<'_> {
    /// Fault number `index` begins.
    pub(crate) fn begin_fault(&mut self, index: u32) {
        self.tell(0, &Fact::FaultBegan(index));
        let fault = &self.scenario.faults[index as usize];
        self.oracle.disturbed(self.fabric.now);
        match &fault.kind {
            FaultKind::Crash { nodes } => nodes.iter().for_each(|&node| self.crash(node)),
            FaultKind::Restart { nodes, snapshot, .. } => {
                nodes.iter().for_each(|&node| self.restart(node, *snapshot));
            }
            FaultKind::Pause { .. } | FaultKind::Block { .. } => self.begin_phase(index, true),
            FaultKind::Partition { groups, one_way } => {
                self.fabric.topology.partition(index, groups, *one_way);
            }
            FaultKind::Slow { nodes, per_input } => {
                nodes.iter().for_each(|&node| self.slow_down(node, index, *per_input));
            }
            FaultKind::Clock { nodes, drift_ppm, jump } => {
                for &node in nodes {
                    self.change_clock(node, index, *drift_ppm, *jump);
                }
            }
            FaultKind::Move { node, to, snapshot } => {
                self.kill(*node);
                self.fabric.packets.strand(*node);
                self.fabric.topology.relocate(*node, *to);
                self.restart(*node, *snapshot);
            }
            FaultKind::Rekey { nodes, keyring, snapshot } => {
                for &node in nodes {
                    let host = &mut self.hosts[node as usize];
                    host.configured.clone_from(keyring);
                    host.keyring.clone_from(keyring);
                    self.restart(node, *snapshot);
                }
            }
            FaultKind::Ring { reach } => {
                self.fabric.topology.ring(index, self.scenario.members_len(), *reach);
            }
            FaultKind::Cut { from, to, transport } => {
                let ends = [from.as_deref(), to.as_deref()];
                self.fabric.topology.cut(index, ends, *transport);
            }
            FaultKind::Degrade(degradation) => self.fabric.topology.degrade(index, degradation),
        }
    }

    /// Fault number `index` ends.
    pub(crate) fn end_fault(&mut self, index: u32) {
        self.tell(0, &Fact::FaultEnded(index));
        self.oracle.disturbed(self.fabric.now);
        match &self.scenario.faults[index as usize].kind {
            FaultKind::Partition { .. } | FaultKind::Ring { .. } | FaultKind::Cut { .. } => {
                self.fabric.topology.heal(index);
            }
            FaultKind::Degrade(_) => {
                self.fabric.topology.restore(index);
                self.fabric.hazards.forget(index);
            }
            FaultKind::Pause { nodes, .. } => nodes.iter().for_each(|&node| self.resume(node)),
            FaultKind::Block { nodes, .. } => nodes.iter().for_each(|&node| self.unblock(node)),
            FaultKind::Slow { nodes, .. } => {
                nodes.iter().for_each(|&node| self.speed_up(node, index));
            }
            FaultKind::Clock { nodes, .. } => {
                let now = self.fabric.now;
                for &node in nodes {
                    self.clocks[node as usize].steady(now, index);
                    self.plan_wake(node);
                }
            }
            FaultKind::Crash { .. }
            | FaultKind::Restart { .. }
            | FaultKind::Move { .. }
            | FaultKind::Rekey { .. } => {}
        }
    }

    /// The machine is switched off. What has left it already still arrives; what waits for its line does not.
    fn crash(&mut self, node: NodeIndex) {
        if self.fabric.presence(node).is_up() {
            self.depart(node, MemberState::Dead);
            self.streams.crash(node);
        }
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            disk.lose_power(&mut self.fault_rng);
        }
        self.fabric.cut_line(node);
        self.end_node(node, Power::Off, End::Crashed);
    }

    fn change_clock(&mut self, node: NodeIndex, index: u32, drift_ppm: i32, jump: Nanos) {
        let now = self.fabric.now;
        let clock = &mut self.clocks[node as usize];
        clock.jump(now, jump);
        if drift_ppm != 0 {
            clock.drift(now, index, drift_ppm);
        }
        // What is due now is due now; what comes sooner than planned is planned anew.
        self.plan_wake(node);
    }

    /// The process is killed, if there is one.
    fn kill(&mut self, node: NodeIndex) {
        if self.fabric.presence(node).is_up() {
            self.streams.stop(node, &mut self.fabric);
            self.oracle.replaced(self.fabric.now, node);
            self.end_node(node, Power::Down, End::Killed);
        }
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            disk.kill();
        }
    }

    /// The process starts again; if it still runs, it is killed first.
    fn restart(&mut self, node: NodeIndex, snapshot: OnDisk) {
        self.kill(node);
        let mut rng = self.disk_rng(node, self.fabric.presence(node).life);
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            match snapshot {
                OnDisk::Kept => {}
                OnDisk::None => disk.erase(),
                OnDisk::Torn => disk.tear(&mut rng),
                OnDisk::Stale => disk.turn_back(&mut rng),
            }
        }
        self.bring_up(node);
    }
}
