//! `query`: what is asked, of whom, and what the simulated applications answer.

use std::time::Duration;

use uwasa_core::config::{Config, QUERY_SERF_PROTOCOL};
use uwasa_core::msg::serf::{Filter, QueryMessage, QueryResponse};
use uwasa_core::wire::serf::{encode_filter, query_len, query_response_len};

use super::{Around, LTIME_MAX, from, relay_factor, repeat, switch};
use crate::scenario::document::Value;
use crate::scenario::field::{Field, Table};
use crate::scenario::problem::Problems;
use crate::scenario::tags;
use crate::scenario::{Answer, Query};

/// Names that start so are answered by the protocol itself.
const INTERNAL: &str = "_serf_";
/// Largest number a query draws for itself.
const ID_MAX: u32 = (1 << 31) - 1;
/// Timeout assumed for the size of a query that leaves it to the protocol.
const TIMEOUT_USUAL: Duration = Duration::from_secs(60);

pub(super) fn read(
    field: &Field<'_>,
    table: &mut Table<'_>,
    times: u32,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Query> {
    let name = field.string("the name of the query", problems);
    let payload = match table.field("payload") {
        Some(field) => field.string("a string", problems),
        None => Some(""),
    };
    let from = from(table, around, problems);
    let nodes = match table.field("nodes") {
        Some(field) => around.names.select_members(&field, problems),
        None => Some(Vec::new()),
    };
    let tags = match table.field("tags") {
        Some(field) => tags::filter(&field, problems),
        None => Some(Vec::new()),
    };
    let ack = switch(table, "ack", problems);
    let relay_factor = relay_factor(table, problems);
    let timeout = match table.field("timeout") {
        Some(field) => field.positive(problems),
        None => Some(0),
    };
    let answer_field = table.field("answer");
    let answer = match &answer_field {
        Some(field) => answer(field, problems),
        None => Some(Answer::Name),
    };
    let query = Query {
        from: from?,
        name: name?.into(),
        payload: payload?.into(),
        nodes: nodes?,
        tags: tags?,
        ack: ack?,
        relay_factor: relay_factor?,
        timeout: timeout?,
        answer: answer?,
    };
    let payload = repeat::longest(&query.payload, times);
    check(&Query { payload, ..query.clone() }, field, around, problems);
    if let Some(field) = answer_field {
        check_answer(&query, &field, around.config, problems);
    }
    Some(query)
}

fn answer(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Answer> {
    match &field.item.value {
        Value::Bool(false) => Some(Answer::Silence),
        Value::String(text) => Some(Answer::Text(text.clone())),
        Value::Bool(true)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Other(_)
        | Value::Array(_)
        | Value::Table(_) => {
            field.refuse(
                format!(
                    "is {}, and must be a text, or false if nobody answers; leave it out to answer with the own name",
                    field.item.value.kind()
                ),
                problems,
            );
            None
        }
    }
}

fn check(query: &Query, field: &Field<'_>, around: &Around<'_>, problems: &mut Problems<'_>) {
    let (name, version) = (&query.name, around.config.serf_protocol_version);
    field.refuse_controls(name, problems);
    if name.is_empty() {
        field.refuse("is empty: a query needs a name", problems);
    } else if name.starts_with(INTERNAL) {
        field.refuse(
            format!(
                "\"{name}\" starts with {INTERNAL}, and such queries never reach an application: choose another name"
            ),
            problems,
        );
    }
    if version < QUERY_SERF_PROTOCOL {
        field.refuse(
            format!(
                "needs config.serf_protocol_version {QUERY_SERF_PROTOCOL} or more, and it is {version}: raise it"
            ),
            problems,
        );
    }
    let (size, limit) = (encoded_len(query, around), around.config.query_bytes_max);
    if size > limit {
        field.refuse(
            format!(
                "query \"{name}\" is {size} bytes on the wire, and the limit is {limit} (config.query_bytes_max): \
                 shorten name, payload or filters, or raise the limit"
            ),
            problems,
        );
    }
}

/// Size of the encoded message at its largest: long numbers, sent by the node with the longest name.
fn encoded_len(query: &Query, around: &Around<'_>) -> usize {
    let names: Vec<&str> = query.nodes.iter().map(|node| around.names.name(*node)).collect();
    let by_name = (!names.is_empty()).then_some(Filter::Nodes(names));
    let by_tag = query.tags.iter().map(|it| Filter::Tag { tag: &it.tag, expr: it.regex.as_str() });
    let filters: Vec<Vec<u8>> = by_name
        .into_iter()
        .chain(by_tag)
        .map(|filter| {
            let mut bytes = Vec::new();
            encode_filter(&filter, &mut bytes);
            bytes
        })
        .collect();
    let timeout = match query.timeout {
        0 => i64::try_from(TIMEOUT_USUAL.as_nanos()).unwrap_or(i64::MAX),
        nanos => i64::try_from(nanos).unwrap_or(i64::MAX),
    };
    query_len(&QueryMessage {
        ltime: LTIME_MAX,
        id: ID_MAX,
        addr: &[0; 16],
        port: u16::MAX,
        source_node: longest_name(query, around),
        filters: filters.iter().map(Vec::as_slice).collect(),
        flags: 1,
        relay_factor: query.relay_factor,
        timeout,
        name: &query.name,
        payload: Some(&query.payload),
    })
}

fn longest_name<'a>(query: &Query, around: &'a Around<'_>) -> &'a str {
    if let Some(from) = query.from {
        return around.names.name(from);
    }
    let names = around.specs.iter().map(|spec| spec.name.as_str());
    names.max_by_key(|name| name.len()).unwrap_or_default()
}

fn check_answer(query: &Query, field: &Field<'_>, config: &Config, problems: &mut Problems<'_>) {
    let Answer::Text(text) = &query.answer else { return };
    let size = query_response_len(&QueryResponse {
        ltime: LTIME_MAX,
        id: ID_MAX,
        from: "",
        flags: 0,
        payload: Some(text.as_bytes()),
    });
    let limit = config.query_response_bytes_max;
    if size > limit {
        field.refuse(
            format!(
                "is {size} bytes on the wire and more with the name of who answers, and the limit is {limit} \
                 (config.query_response_bytes_max): shorten it, or raise the limit"
            ),
            problems,
        );
    }
}
