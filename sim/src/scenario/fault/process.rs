//! What the faults of a process take besides its nodes.

use super::super::field::Table;
use super::super::problem::Problems;
use crate::scenario::Cycle;

/// `cycle = { on = "512ms", off = "64ms" }`, if it is there. The outer `None`: it could not be read.
pub(super) fn cycle(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Option<Cycle>> {
    let Some(field) = table.field("cycle") else { return Some(None) };
    let mut table = field.table("a table such as { on = \"512ms\", off = \"64ms\" }", problems)?;
    let on = table.required("on", "on = \"512ms\", how long each anomaly lasts", problems);
    let off = table.required("off", "off = \"64ms\", the time between two", problems);
    table.finish(&[], problems);
    let on = on.and_then(|field| field.positive(problems));
    let off = off.and_then(|field| field.positive(problems));
    Some(Some(Cycle { on: on?, off: off? }))
}
