//! Faults of the network: partitions and degradations.

use super::super::document::Value;
use super::super::field::Field;
use super::super::latency;
use super::super::problem::Problems;
use super::super::select::Names;
use super::super::units::{PPM, parse_share};
use crate::scenario::{FaultKind, NodeIndex};

/// `[["host1"], ["host2..host9"]]`, or shares of the node list such as `[0.3, 0.7]`.
pub(super) fn groups(
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

pub(super) fn degrade(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<FaultKind> {
    let wanted = "a table such as { loss = 0.25, latency = \"50ms\" }";
    let mut table = field.table(wanted, problems)?;
    let loss = table.field("loss");
    let latency = table.field("latency");
    table.finish(&[], problems);
    if loss.is_none() && latency.is_none() {
        field.refuse("changes nothing: give it `loss`, `latency` or both", problems);
        return None;
    }
    Some(FaultKind::Degrade {
        loss_ppm: match loss {
            Some(field) => Some(field.share(problems)?),
            None => None,
        },
        latency: match latency {
            Some(field) => Some(latency::read(&field, problems)?),
            None => None,
        },
    })
}
