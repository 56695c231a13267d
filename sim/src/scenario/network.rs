//! The network: default link, links between regions, limits of every node.

use super::field::{Field, Table};
use super::latency;
use super::nodes::region_index;
use super::problem::Problems;
use crate::scenario::{Latency, Link, Network};

/// Delay of a link unless the file says otherwise: half a millisecond, as in one data centre.
const LATENCY_DEFAULT: Latency = Latency::Constant(500_000);
/// How long a reordered datagram is held back unless the file says otherwise.
const REORDER_DELAY_DEFAULT: u64 = 5_000_000;

/// Reads `network` and `[[link]]`.
pub(super) fn read(
    root: &mut Table<'_>,
    regions: &[String],
    problems: &mut Problems<'_>,
) -> Network {
    let mut default = Link {
        latency: LATENCY_DEFAULT,
        jitter: 0,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_delay: REORDER_DELAY_DEFAULT,
        stream_loss: true,
    };
    let (mut bandwidth, mut receive_buffer) = (0, 0);
    let wanted = "a table such as { latency = \"1ms\", loss = 0.01 }";
    if let Some(mut table) = root.field("network").and_then(|field| field.table(wanted, problems)) {
        read_link(&mut table, &mut default, problems);
        let mut size = |key| table.field(key).and_then(|field| field.size(problems)).unwrap_or(0);
        bandwidth = size("bandwidth");
        receive_buffer = size("receive_buffer");
        table.finish(&[], problems);
    }
    let count = regions.len();
    let mut links = vec![default.clone(); count * count];
    if let Some(field) = root.field("link") {
        for field in field.list("[[link]] blocks", problems).unwrap_or_default() {
            read_between(&field, &default, regions, &mut links, problems);
        }
    }
    Network { regions: regions.to_vec(), links, bandwidth, receive_buffer }
}

fn read_link(table: &mut Table<'_>, link: &mut Link, problems: &mut Problems<'_>) {
    if let Some(latency) = table.field("latency").and_then(|field| latency::read(&field, problems))
    {
        link.latency = latency;
    }
    for (key, slot) in [("jitter", &mut link.jitter), ("reorder_delay", &mut link.reorder_delay)] {
        if let Some(nanos) = table.field(key).and_then(|field| field.duration(problems)) {
            *slot = nanos;
        }
    }
    for (key, slot) in [
        ("loss", &mut link.loss_ppm),
        ("duplicate", &mut link.duplicate_ppm),
        ("reorder", &mut link.reorder_ppm),
    ] {
        if let Some(share) = table.field(key).and_then(|field| field.share(problems)) {
            *slot = share;
        }
    }
    if let Some(on) = table.field("stream_loss").and_then(|field| field.boolean(problems)) {
        link.stream_loss = on;
    }
}

fn read_between(
    field: &Field<'_>,
    default: &Link,
    regions: &[String],
    links: &mut [Link],
    problems: &mut Problems<'_>,
) {
    let Some(mut table) = field.table("a [[link]] block", problems) else { return };
    let from = table
        .required("from", "from = \"eu\"", problems)
        .and_then(|field| region_index(&field, regions, problems));
    let to = table
        .required("to", "to = \"us\"", problems)
        .and_then(|field| region_index(&field, regions, problems));
    let both = table.field("both").and_then(|field| field.boolean(problems)).unwrap_or(true);
    let mut link = default.clone();
    read_link(&mut table, &mut link, problems);
    let hint = "it belongs to the node, not to the link: write it in `network`";
    table.finish(&[("bandwidth", hint), ("receive_buffer", hint)], problems);
    let (Some(from), Some(to)) = (from.map(usize::from), to.map(usize::from)) else { return };
    if both {
        links[to * regions.len() + from] = link.clone();
    }
    links[from * regions.len() + to] = link;
}
