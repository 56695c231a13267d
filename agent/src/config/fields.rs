//! The keys of configuration files, each with its kind, and the rules by which two configurations are merged.

use std::collections::BTreeMap;

use super::Config;

/// How a key is decoded and merged, and where its value is.
pub(super) enum Kind {
    Text(fn(&mut Config) -> &mut String),
    Switch(fn(&mut Config) -> &mut bool),
    Integer(fn(&mut Config) -> &mut i64),
    /// Text in a file, nanoseconds in memory.
    Duration(fn(&mut Config) -> &mut i64),
    List(fn(&mut Config) -> &mut Vec<String>),
    Tags(fn(&mut Config) -> &mut BTreeMap<String, String>),
    /// A nested object.
    Section(&'static [Field]),
    /// A boolean that newer versions of Serf accept without effect.
    IgnoredSwitch,
}

pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
}

const fn field(key: &'static str, kind: Kind) -> Field {
    Field { key, kind }
}

/// All keys. Durations stand in the order in which Serf reads them, so that the first error is the same.
pub(super) const FIELDS: &[Field] = &[
    field("node_name", Kind::Text(|c| &mut c.node_name)),
    field("role", Kind::Text(|c| &mut c.role)),
    field("disable_coordinates", Kind::Switch(|c| &mut c.disable_coordinates)),
    field("tags", Kind::Tags(|c| &mut c.tags)),
    field("tags_file", Kind::Text(|c| &mut c.tags_file)),
    field("bind", Kind::Text(|c| &mut c.bind)),
    field("interface", Kind::Text(|c| &mut c.interface)),
    field("advertise", Kind::Text(|c| &mut c.advertise)),
    field("encrypt_key", Kind::Text(|c| &mut c.encrypt_key)),
    field("keyring_file", Kind::Text(|c| &mut c.keyring_file)),
    field("log_level", Kind::Text(|c| &mut c.log_level)),
    field("log_format", Kind::Text(|c| &mut c.log_format)),
    field("rpc_addr", Kind::Text(|c| &mut c.rpc_addr)),
    field("rpc_auth", Kind::Text(|c| &mut c.rpc_auth)),
    field("protocol", Kind::Integer(|c| &mut c.protocol)),
    field("replay_on_join", Kind::Switch(|c| &mut c.replay_on_join)),
    field("query_response_size_limit", Kind::Integer(|c| &mut c.query_response_size_limit)),
    field("query_size_limit", Kind::Integer(|c| &mut c.query_size_limit)),
    field("user_event_size_limit", Kind::Integer(|c| &mut c.user_event_size_limit)),
    field("start_join", Kind::List(|c| &mut c.start_join)),
    field("retry_join", Kind::List(|c| &mut c.retry_join)),
    field("retry_max_attempts", Kind::Integer(|c| &mut c.retry_max_attempts)),
    field("event_handlers", Kind::List(|c| &mut c.event_handlers)),
    field("handler_queue", Kind::Integer(|c| &mut c.handler_queue)),
    field("profile", Kind::Text(|c| &mut c.profile)),
    field("snapshot_path", Kind::Text(|c| &mut c.snapshot_path)),
    field("rejoin_after_leave", Kind::Switch(|c| &mut c.rejoin_after_leave)),
    field("leave_on_terminate", Kind::Switch(|c| &mut c.leave_on_terminate)),
    field("skip_leave_on_interrupt", Kind::Switch(|c| &mut c.skip_leave_on_interrupt)),
    field("discover", Kind::Text(|c| &mut c.discover)),
    field("mdns", Kind::Section(MDNS)),
    field("disable_name_resolution", Kind::Switch(|c| &mut c.disable_name_resolution)),
    field("enable_syslog", Kind::Switch(|c| &mut c.enable_syslog)),
    field("syslog_facility", Kind::Text(|c| &mut c.syslog_facility)),
    field("enable_compression", Kind::Switch(|c| &mut c.enable_compression)),
    field("statsite_addr", Kind::Text(|c| &mut c.statsite_addr)),
    field("statsd_addr", Kind::Text(|c| &mut c.statsd_addr)),
    field("metrics_addr", Kind::Text(|c| &mut c.metrics_addr)),
    field("validate_node_names", Kind::IgnoredSwitch),
    field("msgpackusenewtimeformat", Kind::IgnoredSwitch),
    field("reconnect_interval", Kind::Duration(|c| &mut c.reconnect_interval)),
    field("reconnect_timeout", Kind::Duration(|c| &mut c.reconnect_timeout)),
    field("tombstone_timeout", Kind::Duration(|c| &mut c.tombstone_timeout)),
    field("retry_interval", Kind::Duration(|c| &mut c.retry_interval)),
    field("broadcast_timeout", Kind::Duration(|c| &mut c.broadcast_timeout)),
    field("handler_timeout", Kind::Duration(|c| &mut c.handler_timeout)),
];

const MDNS: &[Field] = &[
    field("interface", Kind::Text(|c| &mut c.mdns.interface)),
    field("disable_ipv4", Kind::Switch(|c| &mut c.mdns.disable_ipv4)),
    field("disable_ipv6", Kind::Switch(|c| &mut c.mdns.disable_ipv6)),
];

impl Config {
    /// Lays `later` over this: what it says wins, switches stay on, lists are joined, tags are united.
    #[must_use]
    pub(crate) fn merge(mut self, mut later: Self) -> Self {
        later.protocol = later.protocol.max(0);
        let compression = later.enable_compression;
        merge_fields(FIELDS, &mut self, &mut later);
        self.enable_compression = compression;
        self
    }
}

fn merge_fields(fields: &[Field], earlier: &mut Config, later: &mut Config) {
    for field in fields {
        match &field.kind {
            Kind::Text(of) => {
                let text = std::mem::take(of(later));
                if !text.is_empty() {
                    *of(earlier) = text;
                }
            }
            Kind::Switch(of) => *of(earlier) |= *of(later),
            Kind::Integer(of) | Kind::Duration(of) => {
                if *of(later) != 0 {
                    *of(earlier) = *of(later);
                }
            }
            Kind::List(of) => {
                let mut list = std::mem::take(of(later));
                of(earlier).append(&mut list);
            }
            Kind::Tags(of) => {
                let tags = std::mem::take(of(later));
                of(earlier).extend(tags);
            }
            Kind::Section(inner) => merge_fields(inner, earlier, later),
            Kind::IgnoredSwitch => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(earlier: Config, later: Config) -> Config {
        earlier.merge(later)
    }

    #[test]
    fn later_text_replaces_and_empty_text_never_clears() {
        let a = Config { node_name: "a".into(), rpc_auth: "t".into(), ..Config::default() };
        let b = Config { node_name: "b".into(), ..Config::default() };
        let both = merged(a, b);
        assert_eq!((both.node_name.as_str(), both.rpc_auth.as_str()), ("b", "t"));
    }

    #[test]
    fn switches_only_turn_on() {
        let on = Config { leave_on_terminate: true, ..Config::default() };
        assert!(merged(on.clone(), Config::default()).leave_on_terminate);
        assert!(merged(Config::default(), on).leave_on_terminate);
        let mut section = Config::default();
        section.mdns.disable_ipv6 = true;
        assert!(merged(section, Config::default()).mdns.disable_ipv6);
    }

    #[test]
    fn compression_is_always_the_later_one_s() {
        let on = Config { enable_compression: true, ..Config::default() };
        assert!(!merged(on.clone(), Config::default()).enable_compression);
        assert!(merged(Config::default(), on).enable_compression);
    }

    #[test]
    fn numbers_replace_unless_zero_and_a_protocol_must_be_above_zero() {
        let a =
            Config { protocol: 4, retry_max_attempts: 3, retry_interval: 9, ..Config::default() };
        let b = Config { protocol: -2, retry_max_attempts: -1, ..Config::default() };
        let both = merged(a, b);
        assert_eq!((both.protocol, both.retry_max_attempts, both.retry_interval), (4, -1, 9));
    }

    #[test]
    fn lists_are_joined_and_tags_united() {
        let tags = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let a = Config {
            start_join: vec!["x".into()],
            tags: tags(&[("k", "1"), ("l", "1")]),
            ..Config::default()
        };
        let b = Config {
            start_join: vec!["x".into(), "y".into()],
            tags: tags(&[("k", "2")]),
            ..Config::default()
        };
        let both = merged(a, b);
        assert_eq!(both.start_join, ["x", "x", "y"]);
        assert_eq!(both.tags, tags(&[("k", "2"), ("l", "1")]));
    }
}
