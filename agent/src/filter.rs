//! Which events somebody wants to hear: the filters of event handlers and of RPC streams, in Serf's grammar.

use crate::event::AgentEvent;

/// Types of events that a filter may name.
const KINDS: [&str; 8] = [
    "member-join",
    "member-leave",
    "member-failed",
    "member-update",
    "member-reap",
    "user",
    "query",
    "*",
];

/// One filter: a type of event, for `user` and `query` optionally with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    kind: Box<str>,
    name: Option<Box<str>>,
}

impl Filter {
    /// Reads a list such as `member-join,user:deploy`; the empty text means `*`. Items are exact: blanks count.
    ///
    /// # Errors
    ///
    /// The first type that is none, as it was written.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, Box<str>> {
        let text = if text.is_empty() { "*" } else { text };
        text.split(',').map(Self::parse).collect()
    }

    fn parse(item: &str) -> Result<Self, Box<str>> {
        let (kind, name) = match item.split_once(':') {
            Some((kind @ ("user" | "query"), name)) => (kind, Some(name).filter(|n| !n.is_empty())),
            Some(_) | None => (item, None),
        };
        if !KINDS.contains(&kind) {
            return Err(kind.into());
        }
        Ok(Self { kind: kind.into(), name: name.map(Into::into) })
    }

    /// Whether it lets `event` pass.
    #[must_use]
    pub(crate) fn matches(&self, event: &AgentEvent) -> bool {
        if &*self.kind == "*" {
            return true;
        }
        let right_name = match (&self.name, event) {
            (None, _) | (Some(_), AgentEvent::Members { .. }) => true,
            (Some(wanted), AgentEvent::User { name, .. } | AgentEvent::Query { name, .. }) => {
                wanted == name
            }
        };
        &*self.kind == event.kind() && right_name
    }

    /// As `info` shows it: `member-join:`, `user:deploy`, `*:`.
    #[must_use]
    pub(crate) fn key(&self) -> String {
        format!("{}:{}", self.kind, self.name.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> AgentEvent {
        AgentEvent::User {
            ltime: 1,
            name: name.into(),
            payload: Default::default(),
            coalesce: true,
        }
    }

    #[test]
    fn a_name_narrows_user_events_and_queries_only() {
        let list = |text| Filter::parse_list(text);
        assert!(list("user:deploy").unwrap()[0].matches(&user("deploy")));
        assert!(!list("user:deploy").unwrap()[0].matches(&user("other")));
        assert!(list("user:").unwrap()[0].matches(&user("other")));
        assert!(list("").unwrap()[0].matches(&user("other")));
        assert!(!list("query:deploy").unwrap()[0].matches(&user("deploy")));
        assert_eq!(list("member-join, member-leave"), Err(" member-leave".into()));
        assert_eq!(list("foo:bar"), Err("foo:bar".into()));
        assert_eq!(list("member-join,user:a").unwrap()[1].key(), "user:a");
        assert_eq!(list("*").unwrap()[0].key(), "*:");
    }
}
