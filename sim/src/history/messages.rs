//! News whose spread can be drawn: who heard it, and in which order.

use std::collections::BTreeMap;

use uwasa_core::trace::MemberState;

use super::Topic;
use super::document::Message;
use super::record::{Record, What};

/// Most pieces of news in a document.
const MESSAGES_MAX: usize = 200;
/// Most of them that are first contacts: in a cold start every pair makes one.
const JOINS_MAX: usize = 60;

/// Kinds of news, the most interesting first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Event,
    Query,
    Leave,
    Death,
    Refutation,
    Suspicion,
    Join,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Query => "query",
            Self::Leave => "leave",
            Self::Death => "death",
            Self::Refutation => "refutation",
            Self::Suspicion => "suspicion",
            Self::Join => "join",
        }
    }
}

/// One piece of news: kind, subject or topic, incarnation.
type Key = (Kind, u32, u32);

/// Sorts the records into news, each with two hearers or more.
pub(crate) fn collect(records: &[Record], topics: &[Topic], names: &[String]) -> Vec<Message> {
    let mut groups: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
    let mut starts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (index, record) in (0..).zip(records) {
        if let What::Started { .. } = record.what {
            starts.entry(record.node).or_default().push(index);
        }
        if let Some(key) = key_of(record, topics) {
            groups.entry(key).or_default().push(index);
        }
    }
    let mut joins = 0;
    let mut messages = Vec::new();
    for (key, mut rows) in groups.into_iter().filter(|(_, rows)| rows.len() > 1) {
        joins += usize::from(key.0 == Kind::Join);
        if messages.len() >= MESSAGES_MAX || joins > JOINS_MAX {
            break;
        }
        if key.0 == Kind::Join {
            let before =
                starts.get(&key.1).and_then(|all| all.iter().rev().find(|it| **it < rows[0]));
            rows.splice(0..0, before.copied());
        }
        messages.push(Message {
            title: title(key, topics, names),
            kind: key.0.word().into(),
            rows: distances(&rows),
        });
    }
    messages
}

fn distances(rows: &[u32]) -> Vec<u32> {
    let mut before = 0;
    rows.iter().map(|&row| row - std::mem::replace(&mut before, row)).collect()
}

fn key_of(record: &Record, topics: &[Topic]) -> Option<Key> {
    match record.what {
        What::Told { topic, .. } => {
            let query = topics.get(topic as usize)?.query;
            Some((if query { Kind::Query } else { Kind::Event }, topic, 0))
        }
        What::Edge { from, to, incarnation, .. } => {
            let kind = match (from, to?) {
                (_, MemberState::Dead) => Kind::Death,
                (_, MemberState::Left) => Kind::Leave,
                (_, MemberState::Suspect) => Kind::Suspicion,
                (None, MemberState::Alive) => Kind::Join,
                (Some(_), MemberState::Alive) => Kind::Refutation,
            };
            Some((kind, record.subject, incarnation))
        }
        What::Refuted { incarnation, .. } => Some((Kind::Refutation, record.node, incarnation)),
        What::Confirmed { .. }
        | What::LeaveIntent
        | What::Status
        | What::ProbeFailed { .. }
        | What::Started { .. }
        | What::Ended(_) => None,
    }
}

fn title((kind, about, incarnation): Key, topics: &[Topic], names: &[String]) -> String {
    let name = names.get(about as usize).map_or("", String::as_str);
    let topic = topics.get(about as usize);
    match kind {
        Kind::Event => format!("event {}", topic.map_or("", |it| it.name.as_str())),
        Kind::Query => topic.map_or_else(String::new, Topic::words),
        Kind::Leave => format!("{name} leaves"),
        Kind::Death => format!("{name} is dead (incarnation {incarnation})"),
        Kind::Refutation => format!("{name} is alive after all (incarnation {incarnation})"),
        Kind::Suspicion => format!("{name} is suspected (incarnation {incarnation})"),
        Kind::Join => format!("{name} is here (incarnation {incarnation})"),
    }
}
