//! One event for one handler: what the script is told, what the log says of it, and its answer to a query.

use core::time::Duration;
use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;

use crate::event::{AgentEvent, Member};
use crate::handlers::{Backend, Handler, process};

/// When a script counts as slow.
const SLOW: Duration = Duration::from_secs(1);

/// Runs the script of `handler` for `event`, to its end.
pub(super) async fn invoke<B: Backend>(
    backend: &B,
    handler: &Handler,
    event: &AgentEvent,
    timeout: Option<Duration>,
) {
    let script = &*handler.script;
    let environment = environment(&backend.local().await, event);
    let stdin = stdin(event);
    let started = Instant::now();
    let run = process::run(script, &environment, &stdin, timeout);
    let mut run = core::pin::pin!(run);
    let finished = match tokio::time::timeout(SLOW, &mut run).await {
        Ok(finished) => finished,
        Err(_) => {
            tracing::warn!(target: "agent", "Script '{script}' slow, execution exceeding 1s");
            run.await
        }
    };
    metrics::histogram!(format!("agent.invoke.{script}"))
        .record(started.elapsed().as_secs_f64() * 1e3);

    if let Some(output) = &finished.output {
        let text = String::from_utf8_lossy(output);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        tracing::debug!(target: "agent", "Event '{}' script output: {text}", event.kind());
    }
    match finished {
        process::Finished { error: Some(error), .. } => {
            tracing::error!(target: "agent", "Error invoking script '{script}': {error}");
        }
        process::Finished { error: None, output } => {
            answer(backend, event, output.unwrap_or_default()).await;
        }
    }
}

/// What a script wrote is its answer, if it was asked.
async fn answer<B: Backend>(backend: &B, event: &AgentEvent, output: Vec<u8>) {
    let AgentEvent::Query { id, .. } = event else {
        return;
    };
    if output.is_empty() {
        return;
    }
    if let Err(error) = backend.respond(*id, Bytes::from(output)).await {
        let label = event.label();
        tracing::warn!(target: "agent", "Failed to respond to query '{label}': {error}");
    }
}

/// Variables that a script gets on top of the agent's own.
fn environment(own: &Member, event: &AgentEvent) -> Vec<(String, String)> {
    let mut variables = vec![
        ("SERF_EVENT".to_owned(), event.kind().to_owned()),
        ("SERF_SELF_NAME".to_owned(), own.name.to_string()),
        ("SERF_SELF_ROLE".to_owned(), own.tags.get("role").unwrap_or_default().to_owned()),
    ];
    for (name, value) in &own.tags {
        variables.push((format!("SERF_TAG_{}", variable_name(name)), value.to_owned()));
    }
    match event {
        AgentEvent::Members { .. } => {}
        AgentEvent::User { ltime, name, .. } => {
            variables.push(("SERF_USER_EVENT".to_owned(), name.to_string()));
            variables.push(("SERF_USER_LTIME".to_owned(), ltime.to_string()));
        }
        AgentEvent::Query { id, name, .. } => {
            variables.push(("SERF_QUERY_NAME".to_owned(), name.to_string()));
            variables.push(("SERF_QUERY_LTIME".to_owned(), id.ltime.to_string()));
        }
    }
    variables
}

/// A tag's name in a variable's name: in upper case, whatever is not `A-Z0-9_` replaced by `_`.
fn variable_name(tag: &str) -> String {
    let letter = |c: char| {
        // A character whose upper case is several stays as it is in Go.
        let mut upper = c.to_uppercase();
        let upper = if upper.len() == 1 { upper.next().unwrap_or(c) } else { c };
        let plain = upper.is_ascii_uppercase() || upper.is_ascii_digit();
        if plain { upper } else { '_' }
    };
    tag.chars().map(letter).collect()
}

/// What a script reads.
fn stdin(event: &AgentEvent) -> Cow<'_, [u8]> {
    let payload = match event {
        AgentEvent::Members { members, .. } => {
            return Cow::Owned(members.iter().map(member_line).collect::<String>().into_bytes());
        }
        AgentEvent::User { payload, .. } | AgentEvent::Query { payload, .. } => &payload[..],
    };
    if payload.is_empty() || payload.ends_with(b"\n") {
        return Cow::Borrowed(payload);
    }
    Cow::Owned([payload, b"\n"].concat())
}

fn member_line(member: &Member) -> String {
    let addr = member.addr.map_or_else(|| "<nil>".to_owned(), |ip| ip.to_canonical().to_string());
    let tags: Vec<String> =
        member.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let role = member.tags.get("role").unwrap_or_default();
    format!("{}\t{addr}\t{}\t{}\n", escape(&member.name), escape(role), escape(&tags.join(",")))
}

/// Keeps a text in its field. Not reversible: backslashes stay as they are.
fn escape(text: &str) -> String {
    text.replace('\t', "\\t").replace('\n', "\\n")
}

#[cfg(test)]
#[path = "invoke_tests.rs"]
mod tests;
