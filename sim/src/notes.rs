//! What a run has to say about itself at its end, in sentences.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::expect::seconds;
use crate::scenario::NodeIndex;
use crate::world::World;

/// Notes about one wrong address before the rest is summed up.
const ACCIDENTS_TOLD: usize = 4;

impl World<'_> {
    /// Tells of events that were sent twice but are one for the protocol.
    pub(crate) fn note_twins(&mut self) {
        let name = |node: NodeIndex| &self.scenario.nodes[node as usize].name;
        for (first, second) in self.oracle.events.twins() {
            self.notes.push(format!(
                "event `{}` sent at {} by {} is the same event for the protocol as that sent at {} by {}: same Lamport \
                 time, name and payload. Who has the one has the other.",
                second.name,
                seconds(second.sent_at),
                name(second.from),
                seconds(first.sent_at),
                name(first.from)
            ));
        }
    }

    /// Explains what became of nodes that announce an address that is not theirs.
    pub(crate) fn note_wrong_addresses(&mut self) {
        let nodes = self.scenario.members();
        let mut announced: BTreeMap<SocketAddr, Vec<NodeIndex>> = BTreeMap::new();
        for (node, spec) in (0..).zip(nodes) {
            if spec.addr != spec.advertise {
                announced.entry(spec.advertise).or_default().push(node);
            }
        }
        for (addr, who) in announced {
            let names: Vec<_> =
                who.iter().map(|&node| nodes[node as usize].name.as_str()).collect();
            let verb = match names.len() {
                1 => "announces",
                2 => "both announce",
                _ => "all announce",
            };
            let mut note = format!("{} {verb} {addr}", join_words(&names));
            let accidents = self.accidents(addr, &who);
            for accident in accidents.iter().take(ACCIDENTS_TOLD) {
                note += "; ";
                note += accident;
            }
            if let Some(more) = accidents.len().checked_sub(ACCIDENTS_TOLD).filter(|more| *more > 0)
            {
                note += &format!("; and {more} more of the same");
            }
            note += ". Give each host an address its peers can reach.";
            self.notes.push(note);
        }
    }

    fn accidents(&self, addr: SocketAddr, subjects: &[NodeIndex]) -> Vec<String> {
        let name = |node: NodeIndex| self.scenario.nodes[node as usize].name.as_str();
        let mut accidents = Vec::new();
        for &subject in subjects {
            for observer in (0..self.scenario.members_len()).filter(|&observer| observer != subject)
            {
                let Some(sighting) = self.oracle.sighting(observer, subject) else { continue };
                let Some(joined) = sighting.joined else { continue };
                let goes = match self.fabric.topology.resolve(observer, addr) {
                    Some(end) if end.node == observer => {
                        format!("which is {} itself", name(observer))
                    }
                    Some(end) => format!("which is {}", name(end.node)),
                    None => "which no host answers".into(),
                };
                let (who, whom) = (name(observer), name(subject));
                let mut accident = format!("{who}'s probes of {whom} go to {}, {goes}", addr.ip());
                accident += &match sighting.failed {
                    Some(failed) => format!(
                        ": {who} declared {whom} failed at {}, {} after it joined",
                        seconds(failed),
                        seconds(failed - joined)
                    ),
                    None => format!(": {who} saw {whom} join at {}", seconds(joined)),
                };
                accidents.push(accident);
            }
        }
        accidents
    }

    /// Tells of replies to queries that should not have come.
    pub(crate) fn note_queries(&mut self) {
        for asked in self.oracle.queries.asked() {
            let name = &asked.name;
            let sent = seconds(asked.sent_at);
            for (count, what) in [
                (asked.late, "reported after its end"),
                (asked.strangers, "came from nodes that it was not for"),
            ] {
                if count > 0 {
                    self.notes.push(format!(
                        "query `{name}` sent at {sent}: {count} acks and answers {what}."
                    ));
                }
            }
        }
    }
}

fn join_words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_string(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
