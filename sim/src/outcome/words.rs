//! Expectations in words.

use uwasa_core::trace::{MemberState, MemberStatus};

use super::{PPM, seconds};
use crate::scenario::{ExpectKind, Nanos, NodeIndex, Scenario};

/// Most nodes that are named one by one.
const NAMES_SHOWN: usize = 3;

/// What an expectation demands, in words.
#[must_use]
pub fn expectation_in_words(scenario: &Scenario, kind: &ExpectKind) -> String {
    match kind {
        ExpectKind::EventCoverage { event, coverage_ppm, events_ppm, within } => {
            let share = match *events_ppm {
                PPM => String::new(),
                ppm => format!("{} of all times ", percent(ppm)),
            };
            format!(
                "{share}event \"{event}\" reaches {} of the nodes within {} s",
                percent(*coverage_ppm),
                short_seconds(*within)
            )
        }
        ExpectKind::Detected { node, state, coverage_ppm, within } => format!(
            "{} of the others mark {} {} within {} s",
            percent(*coverage_ppm),
            scenario.node_name(*node),
            state_word(Some(*state)),
            short_seconds(*within)
        ),
        ExpectKind::NoFalseFailures => "no live, reachable node is declared dead".into(),
        ExpectKind::ConvergedBy { by } => {
            format!(
                "at {} s every node sees exactly the live nodes as alive or suspect",
                short_seconds(*by)
            )
        }
        ExpectKind::StateAt { at, observer, subject, state } => {
            let who = observer.map_or("every other node", |node| scenario.node_name(node));
            format!(
                "at {} s {who} sees {} as {}",
                short_seconds(*at),
                scenario.node_name(*subject),
                state_word(*state)
            )
        }
        ExpectKind::Query { .. }
        | ExpectKind::Coordinates { .. }
        | ExpectKind::Keys { .. }
        | ExpectKind::Tags { .. }
        | ExpectKind::Status { .. }
        | ExpectKind::ShutDown { .. }
        | ExpectKind::ToldOnce { .. }
        | ExpectKind::Queues { .. }
        | ExpectKind::Up { .. } => serf_in_words(scenario, kind),
        ExpectKind::JoinedThenFailed { observer, subject, by } => format!(
            "{} sees {} join and then fail by {} s",
            scenario.node_name(*observer),
            scenario.node_name(*subject),
            short_seconds(*by)
        ),
    }
}

/// Expectations about the Serf layer; the others are put into words by [`expectation_in_words`].
fn serf_in_words(scenario: &Scenario, kind: &ExpectKind) -> String {
    match kind {
        ExpectKind::Query { query, acks_ppm, responses_ppm, within } => {
            let part = |ppm: &Option<u32>, verb: &str| {
                ppm.map(|ppm| format!("{} of the matching nodes {verb}", percent(ppm)))
            };
            let parts: Vec<String> = [part(acks_ppm, "ack"), part(responses_ppm, "answer")]
                .into_iter()
                .flatten()
                .collect();
            let within = within.map_or_else(
                || "before it ends".into(),
                |within| format!("within {} s", short_seconds(within)),
            );
            format!("query \"{query}\": {} {within}", parts.join(" and "))
        }
        ExpectKind::Coordinates { share_ppm, error_ppm, by } => format!(
            "from {} s on {} of the pairs estimate their round-trip time with an error of at most {}",
            short_seconds(*by),
            percent(*share_ppm),
            percent(*error_ppm)
        ),
        ExpectKind::Keys { count, primary, by } => {
            let count = count.map(|count| format!("{count} keys"));
            let primary = primary.as_ref().map(|_| "the given primary key".to_owned());
            let parts: Vec<String> = [count, primary].into_iter().flatten().collect();
            let parts = parts.join(" and ");
            format!("at {} s every live node has {parts}", short_seconds(*by))
        }
        ExpectKind::Tags { nodes, tags, by } => {
            let pairs: Vec<String> =
                tags.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
            format!(
                "at {} s every live node knows {} of {}",
                short_seconds(*by),
                pairs.join(", "),
                who(scenario, nodes)
            )
        }
        ExpectKind::Status { subject, status, by } => format!(
            "at {} s every other live node keeps {} as {}",
            short_seconds(*by),
            scenario.node_name(*subject),
            status_word(*status)
        ),
        ExpectKind::ShutDown { node, by } => {
            format!("{} shuts itself down by {} s", scenario.node_name(*node), short_seconds(*by))
        }
        ExpectKind::ToldOnce { event, nodes } => {
            format!(
                "at the end {} have delivered event \"{event}\" exactly once",
                who(scenario, nodes)
            )
        }
        ExpectKind::Queues { most, by } => format!(
            "at {} s no queue of a live node holds more than {most} messages",
            short_seconds(*by)
        ),
        ExpectKind::Up { nodes } => format!("at the end {} still run", who(scenario, nodes)),
        ExpectKind::EventCoverage { .. }
        | ExpectKind::Detected { .. }
        | ExpectKind::NoFalseFailures
        | ExpectKind::ConvergedBy { .. }
        | ExpectKind::StateAt { .. }
        | ExpectKind::JoinedThenFailed { .. } => expectation_in_words(scenario, kind),
    }
}

fn who(scenario: &Scenario, nodes: &[NodeIndex]) -> String {
    if nodes.len() > NAMES_SHOWN {
        return format!("{} nodes", nodes.len());
    }
    let names: Vec<&str> = nodes.iter().map(|node| scenario.node_name(*node)).collect();
    names.join(", ")
}

/// The word that scenario files and reports use for a member state.
#[must_use]
pub const fn state_word(state: Option<MemberState>) -> &'static str {
    match state {
        Some(MemberState::Alive) => "alive",
        Some(MemberState::Suspect) => "suspect",
        Some(MemberState::Dead) => "failed",
        Some(MemberState::Left) => "left",
        None => "unknown",
    }
}

/// The word that scenario files and reports use for a status.
#[must_use]
pub const fn status_word(status: Option<MemberStatus>) -> &'static str {
    match status {
        Some(status) => status.as_str(),
        None => "gone",
    }
}

/// Millionths as a percentage.
pub(crate) fn percent(ppm: u32) -> String {
    format!("{} %", f64::from(ppm) / 10_000.0)
}

/// Seconds with at most three decimals and no trailing zeros.
fn short_seconds(nanos: Nanos) -> String {
    let text = format!("{:.3}", seconds(nanos));
    text.trim_end_matches('0').trim_end_matches('.').into()
}
