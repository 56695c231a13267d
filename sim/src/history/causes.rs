//! Which record led to which.
//!
//! A node tells of a subject what it learned last: its queue holds one message per subject, and a newer one replaces an
//! older one. So the cause of what a datagram brought is the sender's latest fitting record about the subject before
//! that datagram was sent; numbers of datagrams order the whole run.

use std::collections::BTreeMap;

use uwasa_core::trace::{Accusation, Cause, MemberState};

use super::record::{Record, Source, What};

/// How far back a fitting record is looked for.
const LOOK_BACK: usize = 16;

/// What the records led to.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    /// By record: the one that led to it.
    pub(crate) parents: Vec<Option<u32>>,
    /// By record: further ones that had a part in it.
    pub(crate) notes: BTreeMap<u32, Vec<u32>>,
    /// By record: who made the accusation.
    pub(crate) accusers: BTreeMap<u32, u32>,
}

/// What came before.
enum Before {
    /// A datagram with this number.
    Datagram(u64),
    /// The record being explained.
    Now,
}

struct Finder<'a> {
    records: &'a [Record],
    about: BTreeMap<(u32, u32), Vec<u32>>,
    told: BTreeMap<(u32, u32), u32>,
}

/// Finds the cause of every record.
pub(crate) fn find(records: &[Record]) -> Causes {
    let mut finder = Finder { records, about: BTreeMap::new(), told: BTreeMap::new() };
    let mut causes = Causes::default();
    for (index, record) in (0..).zip(records) {
        let parent = finder.parent(record);
        causes.parents.push(parent);
        if let Some(accuser) = finder.accuser(record, parent, &causes) {
            causes.accusers.insert(index, accuser);
        }
        if let What::Edge { cause: Cause::SuspicionTimer, .. } = record.what {
            causes.notes.insert(index, finder.confirmations(record, parent));
        }
        if let What::Told { topic, .. } = record.what {
            finder.told.entry((record.node, topic)).or_insert(index);
        } else {
            finder.about.entry((record.node, record.subject)).or_default().push(index);
        }
    }
    causes
}

impl Finder<'_> {
    fn at(&self, index: u32) -> &Record {
        &self.records[index as usize]
    }

    fn parent(&self, record: &Record) -> Option<u32> {
        let (node, subject) = (record.node, record.subject);
        match record.what {
            What::Told { topic, .. } => {
                let teller = record.source.teller()?;
                self.told.get(&(teller, topic)).copied()
            }
            What::Edge { cause: Cause::Probe { .. }, .. } => self.failed_probe(record),
            What::Confirmed { .. } if record.source == Source::Timer => self.failed_probe(record),
            What::Edge { cause: Cause::SuspicionTimer, .. } => {
                self.latest(node, subject, &Before::Now, |it| {
                    matches!(it, What::Edge { to: Some(MemberState::Suspect), .. })
                })
            }
            What::Edge { to: Some(MemberState::Left), .. } if node == subject => {
                self.latest(node, subject, &Before::Now, |it| matches!(it, What::LeaveIntent))
            }
            What::ProbeFailed { .. } | What::Started { .. } | What::Ended(_) => None,
            What::Edge { .. }
            | What::Confirmed { .. }
            | What::Refuted { .. }
            | What::LeaveIntent
            | What::Status => {
                let teller = record.source.teller()?;
                let before = match record.source {
                    Source::Datagram { serial, .. } => Before::Datagram(serial),
                    Source::Stream { .. } | Source::Timer | Source::Command | Source::World => {
                        Before::Now
                    }
                };
                self.latest(teller, subject, &before, |it| fits(&record.what, it))
            }
        }
    }

    fn failed_probe(&self, record: &Record) -> Option<u32> {
        let found = self.latest(record.node, record.subject, &Before::Now, |it| {
            matches!(it, What::ProbeFailed { .. })
        });
        found.filter(|&index| self.at(index).input == record.input)
    }

    fn latest(
        &self,
        node: u32,
        subject: u32,
        before: &Before,
        fits: impl Fn(&What) -> bool,
    ) -> Option<u32> {
        let all = self.about.get(&(node, subject))?;
        let end = match before {
            Before::Datagram(serial) => all.partition_point(|&it| self.at(it).after < *serial),
            Before::Now => all.len(),
        };
        all[..end].iter().rev().take(LOOK_BACK).copied().find(|&it| fits(&self.at(it).what))
    }

    /// What shortened a suspicion that ran out.
    fn confirmations(&self, record: &Record, suspected: Option<u32>) -> Vec<u32> {
        let Some(all) = self.about.get(&(record.node, record.subject)) else { return Vec::new() };
        let since = suspected.unwrap_or(0);
        let recent = all.iter().rev().copied().take_while(|&it| it > since);
        let mut found: Vec<u32> =
            recent.filter(|&it| matches!(self.at(it).what, What::Confirmed { .. })).collect();
        found.reverse();
        found
    }

    fn accuser(&self, record: &Record, parent: Option<u32>, causes: &Causes) -> Option<u32> {
        let inherited = || parent.and_then(|it| causes.accusers.get(&it).copied());
        match record.what {
            What::Edge {
                to: Some(MemberState::Suspect | MemberState::Dead),
                cause,
                accuser,
                ..
            } => match cause {
                Cause::Gossip { .. } => accuser.or_else(inherited),
                Cause::PushPull
                | Cause::Probe { .. }
                | Cause::SuspicionTimer
                | Cause::Local
                | Cause::Reap => Some(record.node),
            },
            What::Confirmed { .. } if record.source == Source::Timer => Some(record.node),
            What::Confirmed { .. } => inherited(),
            What::Refuted { accuser, .. } => accuser.or_else(inherited),
            What::Edge { .. }
            | What::LeaveIntent
            | What::Status
            | What::ProbeFailed { .. }
            | What::Told { .. }
            | What::Started { .. }
            | What::Ended(_) => None,
        }
    }
}

/// Whether a record of the teller can be what it told.
const fn fits(told: &What, known: &What) -> bool {
    let accuses =
        matches!(known, What::Confirmed { .. } | What::Edge { to: Some(MemberState::Suspect), .. });
    let dead = matches!(known, What::Edge { to: Some(MemberState::Dead), .. });
    match told {
        // A push/pull turns "dead" into an accusation.
        What::Edge { to: Some(MemberState::Suspect), cause: Cause::PushPull, .. } => {
            accuses || dead
        }
        What::Edge { to: Some(MemberState::Suspect), .. } | What::Confirmed { .. } => accuses,
        What::Refuted { accusation: Accusation::Dead, .. } => dead,
        What::Refuted { .. } => accuses || dead,
        What::Edge { to: Some(MemberState::Dead), .. } => dead,
        What::Edge { to: Some(MemberState::Left), .. } => {
            matches!(known, What::Edge { to: Some(MemberState::Left), .. })
        }
        What::Edge { to: Some(MemberState::Alive), .. } => matches!(
            known,
            What::Refuted { .. }
                | What::Started { .. }
                | What::Edge { to: Some(MemberState::Alive), .. }
        ),
        What::LeaveIntent | What::Status => matches!(known, What::LeaveIntent | What::Status),
        What::Edge { to: None, .. }
        | What::ProbeFailed { .. }
        | What::Told { .. }
        | What::Started { .. }
        | What::Ended(_) => false,
    }
}
