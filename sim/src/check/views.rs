//! What live nodes take for true, compared with the truth. Used by the checkers of what is due in calm.

use uwasa_core::node::Node;
use uwasa_core::pool::NodeId;
use uwasa_core::trace::{MemberState, MemberStatus};

use super::Stage;
use crate::scenario::NodeIndex;

/// A record that is not as the truth is: whose, about whom, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) observer: NodeIndex,
    pub(super) subject: NodeIndex,
    pub(super) what: String,
}

/// The nodes that live, with their hosts.
pub(super) fn live<'a>(stage: Stage<'a>) -> impl Iterator<Item = (NodeIndex, &'a Node)> {
    let running = move |host: NodeIndex| Some((host, stage.scene.nodes[host as usize].as_ref()?));
    stage.phase.members().filter(move |&host| stage.phase.is_live(host)).filter_map(running)
}

/// Whether a live node takes a member that is away for alive.
pub(super) fn first_unnoticed(stage: Stage<'_>) -> Option<Wrong> {
    let away = |&subject: &NodeIndex| {
        let process = stage.phase.process(subject);
        process.life > 0 && !process.up
    };
    for subject in stage.phase.members().filter(away) {
        for (observer, node) in live(stage) {
            if let Some(state @ (MemberState::Alive | MemberState::Suspect)) =
                node.member_state(NodeId(subject))
            {
                let what = format!("as {state:?}, although it is away");
                return Some(Wrong { observer, subject, what });
            }
        }
    }
    None
}

/// The first record of a live node that differs from the truth.
pub(super) fn first_difference(stage: Stage<'_>) -> Option<Wrong> {
    for subject in stage.phase.members() {
        let process = stage.phase.process(subject);
        if process.pruned {
            continue;
        }
        for (observer, node) in live(stage) {
            let what = if stage.phase.is_live(subject) {
                let apart = !stage.phase.connected(observer, subject);
                if apart { None } else { about_living(node, subject, stage) }
            } else if process.life > 0 && !process.up {
                about_gone((observer, node), subject, stage)
            } else {
                None
            };
            if let Some(what) = what {
                return Some(Wrong { observer, subject, what });
            }
        }
    }
    None
}

/// Who lives is shown as leaving for good if it has heard of the leave by push/pull only: that carries the Lamport time and
/// not the kind of the intent, so the member takes it for a join, and has nothing to refute.
fn about_living(observer: &Node, subject: NodeIndex, stage: Stage<'_>) -> Option<String> {
    let pool = stage.scene.pool;
    let owner = stage.scene.nodes[subject as usize].as_ref()?;
    let truth = owner.member(owner.id(), pool)?;
    let Some(view) = observer.member(truth.id, pool) else { return Some("not at all".into()) };
    let leaving = view.status == MemberStatus::Leaving && view.status_ltime == truth.status_ltime;
    if (view.status != MemberStatus::Alive && !leaving) || view.state != Some(MemberState::Alive) {
        return Some(format!("as {}, although it lives", view.status.as_str()));
    }
    if view.incarnation != truth.incarnation {
        return Some(format!("at incarnation {}, not {}", view.incarnation, truth.incarnation));
    }
    // No gossip replaces a forged record of the member's own incarnation: only the member, once these two exchange states.
    let apart = view.profile != truth.profile && stage.phase.is_faithful();
    apart.then(|| "with tags or an address that it has not".into())
}

/// Who left is shown as failed for good if nobody who lives holds its leave: as when it left while nobody could hear it, or
/// when those who heard have erased it since. An observer that met the member for the first time while it left shows it as
/// failed too: it took the Lamport time of the leave for that of a join, as above, and the leave itself is not newer.
fn about_gone(
    (host, observer): (NodeIndex, &Node),
    subject: NodeIndex,
    stage: Stage<'_>,
) -> Option<String> {
    let process = stage.phase.process(subject);
    let view = observer.member(NodeId(subject), stage.scene.pool)?;
    match view.status {
        MemberStatus::Alive | MemberStatus::Leaving => {
            Some(format!("as {}, although it is away", view.status.as_str()))
        }
        MemberStatus::Failed if !process.forced => {
            let left = process.left.filter(|&ltime| view.status_ltime < ltime)?;
            holds_leave(host, subject, left, stage).then(|| "as failed, although it left".into())
        }
        MemberStatus::Failed | MemberStatus::Left => None,
    }
}

/// Whether somebody whom the observer is connected to must know of the leave of this Lamport time: it shows the member as
/// left by it, or was told of it in calm and has kept the record. Push/pull then tells the observer.
fn holds_leave(observer: NodeIndex, subject: NodeIndex, ltime: u64, stage: Stage<'_>) -> bool {
    live(stage).filter(|&(other, _)| stage.phase.connected(observer, other)).any(|(other, node)| {
        node.member(NodeId(subject), stage.scene.pool).is_some_and(|view| {
            let shown = view.status == MemberStatus::Left && view.status_ltime >= ltime;
            shown || stage.phase.was_told(other, subject)
        })
    })
}
