//! All agents join one seed at the same moment.

use std::time::Duration;

use super::{Bench, Values, float};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::pace::CLUSTER_LIMIT;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let cluster = Cluster::alone(&mut bench.place, bench.pace.agents)?;
    let completion = cluster.join_at_once(CLUSTER_LIMIT)?;
    let missing = |time| float(cluster.agents.len() - completion.by(time));
    values.set("form.missing5", missing(Duration::from_secs(5)));
    values.set("form.missing60", missing(CLUSTER_LIMIT));
    values.set("form.complete", completion.all().unwrap_or(CLUSTER_LIMIT).as_secs_f64());
    let cluster = cluster.repaired(&completion, CLUSTER_LIMIT)?;
    bench.give_back(cluster);
    Ok(())
}
