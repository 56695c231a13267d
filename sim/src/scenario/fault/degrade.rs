//! `degrade`: the network gets worse for a while, for all packets or for those between some nodes.

use super::super::field::{Field, Table};
use super::super::latency;
use super::super::problem::Problems;
use super::super::select::Names;
use crate::scenario::{FaultKind, Latency, Link, Nanos, NodeIndex};

/// Largest payload of a UDP datagram over IPv4, in bytes.
const DATAGRAM_MAX: u64 = 65_507;

/// How the network gets worse. What is `None` stays as it is.
///
/// Where several cover a packet, each property is that of the one which started last among those that set it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Degradation {
    /// Whose packets; `None`: everybody's.
    pub from: Option<Vec<NodeIndex>>,
    /// To whom; `None`: to everybody.
    pub to: Option<Vec<NodeIndex>>,
    /// Lost packets per million.
    pub loss_ppm: Option<u32>,
    /// One-way delay.
    pub latency: Option<Latency>,
    /// Duplicated datagrams per million.
    pub duplicate_ppm: Option<u32>,
    /// Datagrams per million that are held back.
    pub reorder_ppm: Option<u32>,
    /// How long these are held back.
    pub reorder_delay: Option<Nanos>,
    /// Whether loss and bursts also hit segments of streams.
    pub stream_loss: Option<bool>,
    /// Loss that comes in bursts, beside the other.
    pub burst: Option<Burst>,
    /// Datagrams per million of which from one to four bits are flipped.
    pub corrupt_ppm: Option<u32>,
    /// Datagrams per million that lose their end.
    pub truncate_ppm: Option<u32>,
    /// Datagrams per million that an older one of the same sender follows, sent again to whom it was for.
    pub replay_ppm: Option<u32>,
    /// Longest datagram that gets through, in bytes of payload.
    pub mtu: Option<u32>,
}

/// Gilbert and Elliott's loss in bursts: a chain of two states for each sender. Every packet moves it one step and may
/// then be lost, in the bad state only. It starts in the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Lost packets per million in the bad state.
    pub loss_ppm: u32,
    /// Chance per packet, in millionths, that a burst begins.
    pub enter_ppm: u32,
    /// Chance per packet, in millionths, that it ends; so it lasts 1 / leave packets on average.
    pub leave_ppm: u32,
}

impl Degradation {
    /// Changes what it sets on `link`.
    pub fn worsen(&self, link: &mut Link) {
        link.loss_ppm = self.loss_ppm.unwrap_or(link.loss_ppm);
        link.duplicate_ppm = self.duplicate_ppm.unwrap_or(link.duplicate_ppm);
        link.reorder_ppm = self.reorder_ppm.unwrap_or(link.reorder_ppm);
        link.reorder_delay = self.reorder_delay.unwrap_or(link.reorder_delay);
        link.stream_loss = self.stream_loss.unwrap_or(link.stream_loss);
        if let Some(latency) = &self.latency {
            link.latency = latency.clone();
        }
    }

    /// Whether it sets nothing at all.
    fn is_empty(&self) -> bool {
        *self == Self { from: self.from.clone(), to: self.to.clone(), ..Self::default() }
    }
}

/// Reads the table of `degrade`.
pub(super) fn read(
    field: &Field<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let wanted = "a table such as { loss = 0.25, latency = \"50ms\" }";
    let mut table = field.table(wanted, problems)?;
    let refused = problems.len();
    let nodes = |field: Field<'_>, problems: &mut Problems<'_>| names.select(&field, problems);
    let duration = |field: Field<'_>, problems: &mut Problems<'_>| field.duration(problems);
    let degradation = Degradation {
        from: value(&mut table, "from", nodes, problems),
        to: value(&mut table, "to", nodes, problems),
        loss_ppm: share(&mut table, "loss", problems),
        latency: value(&mut table, "latency", |field, all| latency::read(&field, all), problems),
        duplicate_ppm: share(&mut table, "duplicate", problems),
        reorder_ppm: share(&mut table, "reorder", problems),
        reorder_delay: value(&mut table, "reorder_delay", duration, problems),
        stream_loss: value(&mut table, "stream_loss", |field, all| field.boolean(all), problems),
        burst: value(&mut table, "burst", |field, all| burst(&field, all), problems),
        corrupt_ppm: share(&mut table, "corrupt", problems),
        truncate_ppm: share(&mut table, "truncate", problems),
        replay_ppm: share(&mut table, "replay", problems),
        mtu: value(&mut table, "mtu", |field, all| mtu(&field, all), problems),
    };
    table.finish(&HINTS, problems);
    if problems.len() > refused {
        return None;
    }
    if degradation.is_empty() {
        field.refuse(
            "changes nothing: give it at least one of loss, latency, burst, duplicate, reorder, corrupt, truncate, \
             replay, mtu and stream_loss",
            problems,
        );
        return None;
    }
    Some(FaultKind::Degrade(degradation))
}

const HINTS: [(&str, &str); 2] = [
    ("jitter", "give `latency` a distribution such as { low = \"1ms\", high = \"5ms\" }"),
    ("transport", "it is for `cut`; loss spares streams with `stream_loss = false`"),
];

/// What `read` makes of a key, if it is there.
fn value<T>(
    table: &mut Table<'_>,
    key: &'static str,
    read: impl Fn(Field<'_>, &mut Problems<'_>) -> Option<T>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    table.field(key).and_then(|field| read(field, problems))
}

fn share(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> Option<u32> {
    value(table, key, |field, problems| field.share(problems), problems)
}

fn mtu(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    field.integer(1, DATAGRAM_MAX, problems).and_then(|bytes| u32::try_from(bytes).ok())
}

fn burst(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Burst> {
    let wanted = "a table such as { loss = 0.9, enter = 0.01, leave = 0.2 }";
    let mut table = field.table(wanted, problems)?;
    let loss = share(&mut table, "loss", problems);
    let enter = table.required("enter", "enter = 0.01, the chance that a burst begins", problems);
    let leave = table.required("leave", "leave = 0.2, the chance that it ends", problems);
    table.finish(&[], problems);
    let enter_ppm = above_zero(&enter?, "no burst would ever begin", problems);
    let leave_ppm = above_zero(&leave?, "the first burst would never end", problems);
    let loss_ppm = loss.unwrap_or(super::PPM);
    Some(Burst { loss_ppm, enter_ppm: enter_ppm?, leave_ppm: leave_ppm? })
}

fn above_zero(field: &Field<'_>, else_what: &str, problems: &mut Problems<'_>) -> Option<u32> {
    let share = field.share(problems)?;
    if share == 0 {
        field.refuse(
            format!("rounds to 0 millionths, so {else_what}: write a share from 0.000001 to 1"),
            problems,
        );
        return None;
    }
    Some(share)
}
