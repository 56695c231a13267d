//! Cuts of the network: `partition` and `cut`.

use super::super::document::Value;
use super::super::field::{Field, Table};
use super::super::problem::Problems;
use super::super::select::Names;
use super::super::units::{PPM, parse_share};
use crate::scenario::{FaultKind, NodeIndex};

/// Which packets a cut stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Segments of streams.
    Tcp,
    /// Both.
    Both,
}

impl Transport {
    /// Whether it is about datagrams.
    #[must_use]
    pub const fn datagrams(self) -> bool {
        matches!(self, Self::Udp | Self::Both)
    }

    /// Whether it is about streams.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Self::Tcp | Self::Both)
    }
}

/// Reads `partition`: sides, shares, a ring, or two halves and a bridge.
pub(super) fn partition(
    field: &Field<'_>,
    one_way: Option<Field<'_>>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let one_way_on = one_way.as_ref().and_then(|field| field.boolean(problems)).unwrap_or(false);
    if !matches!(field.item.value, Value::Table(_)) {
        let groups = groups(field, names, problems)?;
        return Some(FaultKind::Partition { groups, one_way: one_way_on });
    }
    let mut table = field.table("sides, { ring = 2 } or { bridge = [\"host1\"] }", problems)?;
    let shape = table.exactly_one(&["ring", "bridge"], problems);
    table.finish(&[("neighbours", "their number is the value of `ring`")], problems);
    match shape? {
        ("ring", ring) => {
            if let Some(one_way) = one_way.filter(|_| one_way_on) {
                one_way.refuse("is for sides: a ring has none, so leave it out", problems);
                return None;
            }
            let nodes = names.members().count() as u64;
            // With one neighbour less than half the others on each side, somebody is out of reach.
            let most = nodes.saturating_sub(2) / 2;
            if nodes == 0 {
                return None;
            }
            if most == 0 {
                ring.refuse(
                    format!("cuts nothing among {nodes} nodes: a ring takes 4 or more"),
                    problems,
                );
                return None;
            }
            let reach = ring.integer(1, most, problems)?;
            Some(FaultKind::Ring { reach: u32::try_from(reach).ok()? })
        }
        (_, bridge) => {
            let bridge_nodes = names.select_members(&bridge, problems)?;
            let others: Vec<NodeIndex> =
                names.members().filter(|node| !bridge_nodes.contains(node)).collect();
            if others.len() < 2 {
                bridge.refuse("leaves no two halves: name fewer nodes", problems);
                return None;
            }
            let (first, second) = others.split_at(others.len().div_ceil(2));
            let groups = vec![first.to_vec(), second.to_vec()];
            Some(FaultKind::Partition { groups, one_way: one_way_on })
        }
    }
}

/// Reads `cut`: what some nodes send to others vanishes.
pub(super) fn cut(
    field: &Field<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let wanted = "a table such as { from = [\"host3\"], to = [\"*\"], transport = \"udp\" }";
    let mut table = field.table(wanted, problems)?;
    let (from, to) = (table.field("from"), table.field("to"));
    let transport = transport(&mut table, problems);
    table.finish(&[("one_way", "a cut is always one-way")], problems);
    if from.is_none() && to.is_none() {
        field.refuse(
            "names no node: give it `from`, `to` or both; for all packets write from = \"*\"",
            problems,
        );
        return None;
    }
    // A missing end is everybody; a wrong one has been reported.
    let mut end = |field: Option<Field<'_>>| match field {
        Some(field) => names.select(&field, problems).map(Some),
        None => Some(None),
    };
    let (from, to) = (end(from), end(to));
    Some(FaultKind::Cut { from: from?, to: to?, transport: transport? })
}

fn transport(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Transport> {
    let Some(field) = table.field("transport") else { return Some(Transport::Both) };
    field.word(
        &[("udp", Transport::Udp), ("tcp", Transport::Tcp), ("both", Transport::Both)],
        problems,
    )
}

/// `[["host1"], ["host2..host9"]]`, or shares of the node list such as `[0.3, 0.7]`.
fn groups(
    field: &Field<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Vec<Vec<NodeIndex>>> {
    let wanted =
        "sides such as [[\"host1..host3\"], [\"host4..host9\"]] or shares such as [0.3, 0.7]";
    let sides = field.list(wanted, problems)?;
    if sides.len() < 2 {
        field.refuse(
            format!("has {} side, and must have two or more: {wanted}", sides.len()),
            problems,
        );
        return None;
    }
    let numbers = sides
        .iter()
        .filter(|side| matches!(side.item.value, Value::Float(_) | Value::Integer(_)))
        .count();
    if numbers == sides.len() {
        return shares(field, &sides, names, problems);
    }
    let groups: Vec<Option<Vec<NodeIndex>>> =
        sides.iter().map(|side| names.select(side, problems)).collect();
    let groups = groups.into_iter().collect::<Option<Vec<_>>>()?;
    let mut all: Vec<NodeIndex> = groups.iter().flatten().copied().collect();
    all.sort_unstable();
    if let Some(twice) = all.windows(2).find(|pair| pair[0] == pair[1]) {
        field.refuse(
            format!("{} is on two sides: every node may be on one", names.name(twice[0])),
            problems,
        );
        return None;
    }
    Some(groups)
}

/// Cuts the node list, in its own order, at the given shares.
fn shares(
    field: &Field<'_>,
    sides: &[Field<'_>],
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Vec<Vec<NodeIndex>>> {
    let mut shares = Vec::new();
    for side in sides {
        let share = if let Value::Float(value) = side.item.value {
            parse_share(value).map_err(|error| side.refuse(error, problems)).ok()?
        } else {
            side.share(problems)?
        };
        shares.push(u64::from(share));
    }
    let whole: u64 = shares.iter().sum();
    if whole > u64::from(PPM) {
        field.refuse("the shares add up to more than 1", problems);
        return None;
    }
    let nodes: Vec<NodeIndex> = names.members().collect();
    let cut = |share: u64| {
        let position = (nodes.len() as u64 * share + u64::from(PPM) / 2) / u64::from(PPM);
        usize::try_from(position).unwrap_or(nodes.len())
    };
    let mut groups = Vec::new();
    let mut before = 0;
    for share in shares {
        groups.push(nodes[cut(before)..cut(before + share)].to_vec());
        before += share;
    }
    if groups.iter().any(Vec::is_empty) && !nodes.is_empty() {
        field.refuse("one of the sides has no node: give it a larger share", problems);
        return None;
    }
    Some(groups)
}
