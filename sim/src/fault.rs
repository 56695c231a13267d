//! Faults: what breaks, and how it comes back.

use uwasa_core::trace::MemberState;

use crate::fact::{End, Fact};
use crate::net::Power;
use crate::scenario::{FaultKind, NodeIndex};
use crate::world::World;

impl World<'_> {
    /// Fault number `index` begins.
    pub(crate) fn begin_fault(&mut self, index: u32) {
        self.tell(0, &Fact::FaultBegan(index));
        let fault = &self.scenario.faults[index as usize];
        self.oracle.disturbed(self.fabric.now);
        match &fault.kind {
            FaultKind::Crash { nodes } => nodes.iter().for_each(|&node| self.crash(node)),
            FaultKind::Restart { nodes, keep_state, .. } => {
                nodes.iter().for_each(|&node| self.restart(node, *keep_state));
            }
            FaultKind::Pause { .. } | FaultKind::Block { .. } => self.begin_phase(index, true),
            FaultKind::Partition { groups, one_way } => {
                self.fabric.topology.partition(index, groups, *one_way);
            }
            FaultKind::Degrade { loss_ppm, latency } => {
                self.fabric.topology.degrade(index, *loss_ppm, latency.as_ref());
            }
        }
    }

    /// Fault number `index` ends.
    pub(crate) fn end_fault(&mut self, index: u32) {
        self.tell(0, &Fact::FaultEnded(index));
        self.oracle.disturbed(self.fabric.now);
        match &self.scenario.faults[index as usize].kind {
            FaultKind::Pause { nodes, .. } => nodes.iter().for_each(|&node| self.resume(node)),
            FaultKind::Block { nodes, .. } => nodes.iter().for_each(|&node| self.unblock(node)),
            FaultKind::Partition { .. } => self.fabric.topology.heal(index),
            FaultKind::Degrade { .. } => self.fabric.topology.restore(index),
            FaultKind::Crash { .. } | FaultKind::Restart { .. } => {}
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

    /// The process starts again; if it still runs, it is killed first.
    fn restart(&mut self, node: NodeIndex, keep_state: bool) {
        if self.fabric.presence(node).is_up() {
            self.streams.stop(node, &mut self.fabric);
            self.oracle.replaced(self.fabric.now, node);
            self.end_node(node, Power::Down, End::Killed);
        }
        if let Some(disk) = &mut self.hosts[node as usize].disk {
            disk.kill();
            if !keep_state {
                disk.erase();
            }
        }
        self.bring_up(node);
    }
}
