//! Expectations about the Serf layer: queries, statuses, tags, keys, and nodes that stop themselves.

use uwasa_core::trace::MemberStatus;

use super::{Around, check_room, instant, sent_event};
use crate::scenario::field::{Field, Table};
use crate::scenario::problem::{Problems, closest};
use crate::scenario::units::{PPM, format_duration};
use crate::scenario::{
    ExpectKind, Nanos, Query, WorkKind, coordinate_run_min, settings, tags as tag_table,
};

const STATUSES: [(&str, Option<MemberStatus>); 5] = [
    ("alive", Some(MemberStatus::Alive)),
    ("leaving", Some(MemberStatus::Leaving)),
    ("left", Some(MemberStatus::Left)),
    ("failed", Some(MemberStatus::Failed)),
    ("gone", None),
];

/// `by`, a time of the run.
fn by(table: &mut Table<'_>, around: &Around<'_>, problems: &mut Problems<'_>) -> Option<Nanos> {
    instant(table.required("by", "by = \"60s\"", problems), around, problems)
}

pub(super) fn query(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ name = \"uptime\", acks = 1.0, responses = 0.99, within = \"3s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let name_field = table.required("name", "name = \"uptime\"", problems);
    let mut share = |key| match table.field(key) {
        Some(field) => field.expected_share(problems).map(|share| Some((field, share))),
        None => Some(None),
    };
    let (acks, responses) = (share("acks"), share("responses"));
    let within_field = table.field("within");
    let hints = [
        ("by", "a query is measured from its sending: write `within`"),
        ("share", "write `acks`, `responses` or both"),
        ("query", "write name = \"uptime\""),
    ];
    table.finish(&hints, problems);
    let (acks, responses) = (acks?, responses?);
    if acks.is_none() && responses.is_none() {
        field.refuse("expects nothing: give it `acks`, `responses` or both", problems);
    }
    let within = match &within_field {
        Some(field) => Some(field.duration(problems)?),
        None => None,
    };
    let name_field = name_field?;
    let name = name_field.string("the name of a query", problems)?;
    let asked = sent(around).filter(|(query, _)| query.name == name);
    match asked.clone().map(|(_, at)| at).max() {
        Some(at) => check_room(within_field.as_ref(), "the query", at, within, around, problems),
        None if around.complete => refuse_unsent(&name_field, name, around, problems),
        None => {}
    }
    for (query, _) in asked {
        if let Some((field, _)) = acks.as_ref().filter(|_| !query.ack) {
            field.refuse(
                format!(
                    "query \"{name}\" does not ask for acks: add ack = true to its [[work]] block"
                ),
                problems,
            );
        }
        if let Some((field, _)) = &responses
            && query.answer == crate::scenario::Answer::Silence
        {
            field.refuse(
                format!(
                    "nobody answers query \"{name}\": take answer = false out of its [[work]] block"
                ),
                problems,
            );
        }
    }
    Some(ExpectKind::Query {
        query: name.into(),
        acks_ppm: acks.map(|(_, share)| share),
        responses_ppm: responses.map(|(_, share)| share),
        within,
    })
}

fn sent<'a>(around: &Around<'a>) -> impl Iterator<Item = (&'a Query, Nanos)> + Clone + use<'a> {
    around.workload.iter().filter_map(|work| match &work.value.kind {
        WorkKind::Query(query) => Some((query, work.value.at)),
        WorkKind::Event { .. }
        | WorkKind::Leave { .. }
        | WorkKind::Join { .. }
        | WorkKind::SetTags { .. }
        | WorkKind::Keys { .. }
        | WorkKind::ForceLeave { .. } => None,
    })
}

fn refuse_unsent(field: &Field<'_>, name: &str, around: &Around<'_>, problems: &mut Problems<'_>) {
    let hint = match closest(name, sent(around).map(|(query, _)| query.name.as_str())) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None => format!("add a [[work]] block with query = \"{name}\""),
    };
    field.refuse(format!("no query \"{name}\" is ever sent: {hint}"), problems);
}

pub(super) fn coordinates(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ error = 0.25, by = \"120s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let error_ppm = table
        .required("error", "error = 0.25", problems)
        .and_then(|field| field.expected_share(problems));
    let share_ppm = match table.field("share") {
        Some(field) => field.expected_share(problems),
        None => Some(PPM / 2),
    };
    let by = by(&mut table, around, problems);
    let hints = [
        ("within", "write `error` for how far off, and `by` for when"),
        ("at", "write `by`: it must be so from then to the end"),
        (
            "quantile",
            "write `share`, the part of all pairs that must be so good; a half unless given",
        ),
    ];
    table.finish(&hints, problems);
    match (coordinate_run_min(around.config), around.duration) {
        (None, _) => field.refuse(
            "nothing is estimated in this run: take config.coordinates = false and config.probe_interval = \"0s\" out",
            problems,
        ),
        (Some(shortest), Some(duration)) if duration < shortest => field.refuse(
            format!(
                "the run is too short to learn round-trip times: make `duration` \"{}\" at least",
                format_duration(shortest)
            ),
            problems,
        ),
        (Some(_), _) => {}
    }
    Some(ExpectKind::Coordinates { share_ppm: share_ppm?, error_ppm: error_ppm?, by: by? })
}

pub(super) fn status(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ subject = \"host3\", status = \"left\", by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let subject = table
        .required("subject", "subject = \"host3\"", problems)
        .and_then(|field| around.names.member(&field, problems));
    let status = table
        .required("status", "status = \"left\"", problems)
        .and_then(|field| field.word(&STATUSES, problems));
    let by = by(&mut table, around, problems);
    let hints = [
        ("node", "write `subject`"),
        ("state", "write `status`; the state that SWIM keeps is for `state_at`"),
        ("at", "write `by`"),
        ("observer", "it is for `state_at`: a status is what every live node sees"),
    ];
    table.finish(&hints, problems);
    Some(ExpectKind::Status { subject: subject?, status: status?, by: by? })
}

pub(super) fn tags(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ nodes = [\"host3\"], tags = { role = \"db\" }, by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let nodes = table
        .required("nodes", "nodes = [\"host3\"]", problems)
        .and_then(|field| around.names.select_members(&field, problems));
    let tags = table
        .required("tags", "tags = { role = \"db\" }", problems)
        .and_then(|field| tag_table::read(&field, problems));
    let by = by(&mut table, around, problems);
    table.finish(&[("role", "it is a tag: write tags = { role = \"db\" }")], problems);
    Some(ExpectKind::Tags { nodes: nodes?, tags: tags?, by: by? })
}

pub(super) fn keys(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ count = 2, primary = \"…\", by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let count = match table.field("count") {
        Some(field) => field.integer(0, 1_000, problems).map(|it| u32::try_from(it).ok()),
        None => Some(None),
    };
    let primary = match table.field("primary") {
        Some(field) => settings::key(&field, problems).map(|key| Some(key.as_bytes().to_vec())),
        None => Some(None),
    };
    let by = by(&mut table, around, problems);
    table.finish(&[("primary_key", "write `primary`"), ("key", "write `primary`")], problems);
    let (count, primary) = (count?, primary?);
    if count.is_none() && primary.is_none() {
        field.refuse("expects nothing: give it `count`, `primary` or both", problems);
    }
    Some(ExpectKind::Keys { count, primary, by: by? })
}

pub(super) fn told_once(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ event = \"deploy\", nodes = [\"host1..host5\"] }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let event = table.required("event", "event = \"deploy\"", problems);
    let nodes = table
        .required("nodes", "nodes = [\"*\"]", problems)
        .and_then(|field| around.names.select_members(&field, problems));
    let hints = [
        ("by", "it is judged at the end of the run"),
        ("within", "it is judged at the end of the run"),
    ];
    table.finish(&hints, problems);
    let (name, _) = sent_event(&event?, around, problems)?;
    Some(ExpectKind::ToldOnce { event: name.into(), nodes: nodes? })
}

pub(super) fn queues(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ most = 400, by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let most = table
        .required("most", "most = 400, the messages of the deepest queue", problems)
        .and_then(|field| field.integer(0, u32::MAX.into(), problems))
        .and_then(|most| u32::try_from(most).ok());
    let by = by(&mut table, around, problems);
    table.finish(&[("at", "write `by`")], problems);
    Some(ExpectKind::Queues { most: most?, by: by? })
}

pub(super) fn shut_down(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ node = \"host3\", by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let node = table
        .required("node", "node = \"host3\"", problems)
        .and_then(|field| around.names.node(&field, problems));
    let by = by(&mut table, around, problems);
    table.finish(&[], problems);
    Some(ExpectKind::ShutDown { node: node?, by: by? })
}
