//! Judging what is expected of the Serf layer.

use uwasa_core::keyring::Keyring;
use uwasa_core::node::Node;
use uwasa_core::pool::NodeId;
use uwasa_core::tags::Tags;
use uwasa_core::trace::MemberStatus;
use uwasa_core::wire;

use super::{Scene, needed, seconds};
use crate::metrics::Verdict;
use crate::oracle::{Asked, Reach};
use crate::outcome::{percent, status_word};
use crate::scenario::{Nanos, NodeIndex};

pub(super) fn judge_query(
    asked: &Asked,
    acks_ppm: Option<u32>,
    responses_ppm: Option<u32>,
    now: Nanos,
) -> Verdict {
    let after = seconds(now.saturating_sub(asked.sent_at));
    let matching = asked.acks.steady().len();
    let mut parts = Vec::new();
    let mut slowest = Some(0);
    for (reach, ppm, word) in
        [(&asked.acks, acks_ppm, "acked"), (&asked.responses, responses_ppm, "answered")]
    {
        let Some(ppm) = ppm else { continue };
        let at = time_of_share(reach, ppm);
        parts.push(format!("{} {word}", reach.steady_heard()));
        slowest = slowest.zip(at).map(|(before, at)| before.max(at));
    }
    let mut measured =
        format!("of {matching} matching nodes {} after {after}", parts.join(" and "));
    if asked.refused {
        measured = "the asking node refused to send it".into();
    } else if asked.duplicates > 0 {
        measured += &format!("; {} replies came again", asked.duplicates);
    }
    Verdict { held: slowest.is_some(), measured, at: slowest }
}

fn time_of_share(reach: &Reach, ppm: u32) -> Option<Nanos> {
    reach.time_of(reach.steady(), needed(reach.steady().len(), ppm))
}

/// Why an expectation about a query was never judged.
pub(super) fn unexercised_query(name: &str, scene: Scene<'_>) -> String {
    if scene.oracle.queries.asked().iter().any(|asked| asked.name == name) {
        format!("query `{name}` did not end in this run")
    } else {
        format!("query `{name}` was never sent")
    }
}

/// The estimates must be good at every sample from `by` on.
pub(super) fn judge_coordinates(
    share_ppm: u32,
    error_ppm: u32,
    by: Nanos,
    scene: Scene<'_>,
) -> Verdict {
    let Some(within) = scene.oracle.coordinates.within(share_ppm, error_ppm) else {
        let measured = "no pair of nodes had a round-trip time to estimate".into();
        return Verdict { held: false, measured, at: None };
    };
    let (share, pairs) = (percent(share_ppm), within.pairs);
    let error = |error: f64| format!("{:.1} %", 100.0 * error);
    let end =
        format!("at the end {share} of {pairs} pairs are off by at most {}", error(within.last));
    let measured = match (within.since, within.missed) {
        (Some(since), _) => format!("good since {}; {end}", seconds(since)),
        (None, Some((at, missed))) => format!("at {} still {}; {end}", seconds(at), error(missed)),
        (None, None) => end,
    };
    let held = within.since.is_some_and(|since| since <= by);
    Verdict { held, measured, at: within.since }
}

pub(super) fn judge_keys(
    count: Option<u32>,
    primary: Option<&[u8]>,
    by: Nanos,
    scene: Scene<'_>,
) -> Verdict {
    let agrees = |ring: &Keyring| {
        count.is_none_or(|count| ring.keys().len() == count as usize)
            && primary.is_none_or(|key| ring.primary().is_some_and(|it| it.as_bytes() == key))
    };
    every_live_node(by, scene, "have the keyring", |node| {
        let ring = scene.nodes[node as usize].as_ref().map(Node::keyring)?;
        (!agrees(ring)).then(|| {
            let wrong_count = count.is_some_and(|count| ring.keys().len() != count as usize);
            let other = if wrong_count { "" } else { ", another one primary" };
            format!("{} keys{other}", ring.keys().len())
        })
    })
}

pub(super) fn judge_tags(nodes: &[NodeIndex], tags: &Tags, by: Nanos, scene: Scene<'_>) -> Verdict {
    every_live_node(by, scene, "know the tags", |observer| {
        let Some(node) = &scene.nodes[observer as usize] else { return Some("nothing".into()) };
        let mut missing: Vec<NodeIndex> = nodes.to_vec();
        for member in node.members(scene.pool) {
            let known = wire::tags::decode(&member.profile.meta);
            if tags.iter().all(|(name, value)| known.get(name) == Some(value)) {
                missing.retain(|&node| NodeId(node) != member.id);
            }
        }
        missing.first().map(|&node| format!("other tags of {}", scene.name(node)))
    })
}

pub(super) fn judge_status(
    subject: NodeIndex,
    wanted: Option<MemberStatus>,
    by: Nanos,
    scene: Scene<'_>,
) -> Verdict {
    let what = format!("keep {} as {}", scene.name(subject), status_word(wanted));
    every_live_node(by, scene, &what, |observer| {
        let node = scene.nodes[observer as usize].as_ref();
        let status = node.and_then(|node| node.member_status(NodeId(subject)));
        (observer != subject && status != wanted).then(|| status_word(status).into())
    })
}

/// Judges something that must be so on every live node; `odd` says what a node has instead.
fn every_live_node(
    by: Nanos,
    scene: Scene<'_>,
    what: &str,
    odd: impl Fn(NodeIndex) -> Option<String>,
) -> Verdict {
    let (mut live, mut agreeing, mut first) = (0, 0, None);
    for node in scene.live() {
        live += 1;
        match odd(node) {
            None => agreeing += 1,
            Some(instead) => {
                first.get_or_insert((node, instead));
            }
        }
    }
    let mut measured = format!("at {}: {agreeing} of {live} live nodes {what}", seconds(by));
    if let Some((node, instead)) = first {
        measured += &format!("; {} has {instead}", scene.name(node));
    }
    let held = live > 0 && agreeing == live;
    Verdict { held, measured, at: held.then_some(by) }
}

pub(super) fn judge_told_once(event: &str, nodes: &[NodeIndex], scene: Scene<'_>) -> Verdict {
    let (mut pairs, mut once, mut odd) = (0_u32, 0_u32, None);
    for sent in scene.oracle.events.sent().iter().filter(|sent| sent.name == event) {
        for &node in nodes {
            let times = sent.deliveries(node);
            pairs += 1;
            once += u32::from(times == 1);
            if times != 1 {
                odd.get_or_insert((node, times));
            }
        }
    }
    let mut measured = format!("{once} of {pairs} times a node delivered it exactly once");
    if let Some((node, times)) = odd {
        measured += &format!("; {} did {times} times", scene.name(node));
    }
    Verdict { held: pairs > 0 && once == pairs, measured, at: None }
}

pub(super) fn judge_queues(most: u32, by: Nanos, scene: Scene<'_>) -> Verdict {
    let what = format!("have at most {most} messages in every queue");
    every_live_node(by, scene, &what, |node| {
        let info = scene.nodes[node as usize].as_ref()?.info();
        let deepest = info.intent_queue.max(info.query_queue).max(info.event_queue);
        (deepest > most as usize).then(|| deepest.to_string())
    })
}

pub(super) fn judge_shut_down(node: NodeIndex, by: Nanos, scene: Scene<'_>) -> Verdict {
    let name = scene.name(node);
    match scene.oracle.shut_down_at(node) {
        Some(at) => {
            let measured = format!("{name} shut itself down at {}", seconds(at));
            Verdict { held: at <= by, measured, at: Some(at) }
        }
        None => {
            let measured = format!("{name} had not shut itself down by {}", seconds(by));
            Verdict { held: false, measured, at: None }
        }
    }
}

pub(super) fn judge_up(nodes: &[NodeIndex], scene: Scene<'_>) -> Verdict {
    let runs = |node: &&NodeIndex| scene.nodes[**node as usize].is_some();
    let up = nodes.iter().filter(runs).count();
    let mut measured = format!("{up} of {} processes run at the end", nodes.len());
    if let Some(&down) = nodes.iter().find(|node| !runs(node)) {
        measured += &format!("; {} does not", scene.name(down));
    }
    Verdict { held: up == nodes.len(), measured, at: None }
}
