//! Set-ups of the recordings in which agents are run.

use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

use crate::acts::Act::{
    Datagrams, Directory, Hold, Keep, KeepFile, KeepHead, Kill, Line, NoSyslog, NodeLine, NodeLog,
    Pause, Poll, Private, Serf, Signal, Start, StartAs, Stream, Syslog, Write,
};
use crate::acts::{Act, At, Case, Node};
use crate::compare::Shape;

const UP: Act = Line("agent: Received event: member-join");

const N31: &[Node] = &[Node { name: "n31", host: 31, args: &[] }];

const N30_HI: &[Node] = &[Node { name: "n30", host: 30, args: &["-event-handler=query=echo hi"] }];

const DIES: At = At { before: &[Start("n30")], during: &[Pause(1000), Kill("n30")], ..At::PLAIN };

const AFTER_UP_INT: &[Act] = &[UP, Signal(SIGINT)];
const AFTER_UP_TERM: &[Act] = &[UP, Signal(SIGTERM)];

const fn alone(name: &'static str) -> Case {
    Case { name, ..Case::PLAIN }
}

pub(crate) static AGENT_CASES: &[Case] = &[
    Case {
        name: "agent-banner",
        apart: true,
        // The second attempt ends the agent at the moment at which the event is due.
        around: &[At { step: 6, free: &["agent: Received event: member-join"], ..At::PLAIN }],
        ..Case::PLAIN
    },
    Case {
        name: "agent-busy-ports",
        apart: true,
        around: &[
            At { step: 0, before: &[Hold("127.0.77.30:7946")], ..At::PLAIN },
            At { step: 1, before: &[Hold("127.0.77.30:7373")], ..At::PLAIN },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-config-errors",
        prepare: &[
            Directory("dirbad"),
            Write("dirbad/10.json", "{}"),
            Write("dirbad/20.json", "{not json}"),
            Write("kr_empty.json", "[]"),
            Write("kr_bad.json", "["),
            Write("kr_b64.json", "[\"%%%\"]"),
            Write("kr_len.json", "[\"AAAA\"]"),
            Write("tf_bad.json", "{"),
        ],
        ..Case::PLAIN
    },
    alone("agent-default-node-name"),
    Case {
        name: "agent-dies-midway",
        apart: true,
        cluster: N30_HI,
        around: &[
            At { step: 0, ..DIES },
            At { step: 1, ..DIES },
            At { step: 2, ..DIES },
            At { step: 3, during: &[Line("member-join"), Kill("n30")], ..DIES },
            At { step: 4, ..DIES },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-leave-with-peer",
        cluster: &[Node { name: "n31", host: 31, args: &["-log-level=debug"] }],
        prepare: &[Start("n31"), Poll("n31")],
        around: &[At {
            during: &[UP, Signal(SIGINT)],
            after: &[
                NodeLine("n31", "agent: Received event: member-leave"),
                NodeLog("n31 stdout meanwhile (debug)", "n31", ""),
            ],
            ..At::PLAIN
        }],
        captures: &[("n31 stdout meanwhile (debug)", Shape::Log)],
        ..Case::PLAIN
    },
    Case {
        name: "agent-misc",
        prepare: &[Directory("emptydir"), Write("tf2.json", "{\"a\": \"b\"}")],
        around: &[
            At {
                step: 2,
                during: &[
                    UP,
                    Keep(
                        "output of the tags command",
                        &["tags", "-rpc-addr=127.0.77.30:7373", "-set", TOO_BIG],
                    ),
                ],
                after: &[KeepFile("tags file afterwards (abbreviated)", "tf2.json")],
                ..At::PLAIN
            },
            At {
                step: 4,
                env: &[("SERF_RPC_ADDR", "127.0.77.99:1"), ("SERF_RPC_AUTH", "x")],
                ..At::PLAIN
            },
            At {
                step: 5,
                before: &[Hold("127.0.77.99:7946")],
                during: &[Line("==> Joining cluster"), Pause(300), Signal(SIGINT)],
                ..At::PLAIN
            },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-name-conflict",
        cluster: &[
            Node { name: "x1", host: 31, args: &[] },
            Node { name: "x2", host: 32, args: &["-join=127.0.77.31"] },
            Node { name: "dup", host: 33, args: &["-join=127.0.77.31"] },
        ],
        prepare: &[
            Start("x1"),
            Poll("x1"),
            Start("x2"),
            Start("dup"),
            Poll("dup"),
            NodeLine("x1", "EventMemberJoin: dup"),
            NodeLine("x2", "EventMemberJoin: dup"),
            NodeLine("dup", "EventMemberJoin: x2"),
        ],
        around: &[At {
            after: &[
                NodeLog("x1 stdout (distinct lines)", "x1", ""),
                NodeLog("first dup stdout (distinct lines)", "dup", ""),
            ],
            ..At::PLAIN
        }],
        captures: &[
            ("x1 stdout (distinct lines)", Shape::Distinct),
            ("first dup stdout (distinct lines)", Shape::Distinct),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-protocol-flag",
        prepare: &[StartAs(Node { name: "n30", host: 30, args: &["-protocol=2"] })],
        around: &[At {
            step: 3,
            before: &[
                Kill("n30"),
                StartAs(Node {
                    name: "n30",
                    host: 30,
                    args: &["-protocol=2", "-tag", "role=web", "-tag", "dc=east"],
                }),
            ],
            ..At::PLAIN
        }],
        ..Case::PLAIN
    },
    Case {
        name: "agent-reload",
        apart: true,
        around: &[
            At {
                step: 0,
                before: &[
                    Directory("hup"),
                    Write("hup/a.json", "{\"event_handlers\": [\"echo one\"]}"),
                ],
                during: &[
                    UP,
                    Pause(300),
                    Write("hup/a.json", RELOADED),
                    Signal(SIGHUP),
                    Line("agent: Received event: member-update"),
                    Keep(
                        "members -format=json after first reload",
                        &["members", "-format=json", "-rpc-addr=127.0.77.30:7373"],
                    ),
                    Serf(&["event", "-coalesce=false", "-rpc-addr=127.0.77.30:7373", "go", "x"]),
                    Line("script output: two"),
                    KeepHead(
                        "info after first reload: event_handlers section still shows the handlers of startup",
                        4,
                        &["info", "-rpc-addr=127.0.77.30:7373"],
                    ),
                    Write("hup/a.json", "{\"oops\": 1}"),
                    Signal(SIGHUP),
                    Line("==> Failed to reload configs"),
                    Signal(SIGTERM),
                ],
                ..At::PLAIN
            },
            At {
                step: 1,
                before: &[Directory("hup"), Write("hup/a.json", "{\"leave_on_terminate\": true}")],
                during: &[
                    UP,
                    Write("hup/a.json", "{\"log_level\": \"nope\", \"tags\": {\"v\": \"3\"}}"),
                    Signal(SIGHUP),
                    Line("EventMemberUpdate"),
                    Signal(SIGTERM),
                ],
                ..At::PLAIN
            },
            At {
                step: 2,
                during: &[
                    UP,
                    Serf(&[
                        "tags",
                        "-set",
                        "runtime=yes",
                        "-delete",
                        "v",
                        "-rpc-addr=127.0.77.30:7373",
                    ]),
                    Keep(
                        "members before and after SIGHUP",
                        &["members", "-rpc-addr=127.0.77.30:7373"],
                    ),
                    Signal(SIGHUP),
                    Line("==> Reloading configuration...\n    2"),
                    Keep(
                        "members before and after SIGHUP",
                        &["members", "-rpc-addr=127.0.77.30:7373"],
                    ),
                ],
                ..At::PLAIN
            },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-signals",
        apart: true,
        around: &[
            At { step: 0, during: AFTER_UP_INT, ..At::PLAIN },
            At { step: 1, during: AFTER_UP_TERM, ..At::PLAIN },
            At { step: 2, during: AFTER_UP_TERM, ..At::PLAIN },
            At { step: 3, during: AFTER_UP_INT, ..At::PLAIN },
            At {
                step: 4,
                during: &[UP, Signal(SIGINT), Line("EventMemberLeave"), Signal(SIGINT)],
                ..At::PLAIN
            },
            At {
                step: 5,
                during: &[UP, Signal(SIGINT), Line("EventMemberLeave"), Signal(SIGTERM)],
                ..At::PLAIN
            },
            At {
                step: 6,
                during: &[UP, Signal(SIGINT), Line("EventMemberLeave"), Signal(SIGHUP)],
                ..At::PLAIN
            },
            At { step: 7, during: &[UP, Signal(SIGUSR1), Pause(100), Signal(SIGINT)], ..At::PLAIN },
            At { step: 8, during: &[UP, Signal(SIGQUIT)], ..At::PLAIN },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-snapshot",
        cluster: N31,
        prepare: &[Start("n31")],
        around: &[
            At {
                step: 0,
                during: &[
                    UP,
                    Serf(&["event", "-rpc-addr=127.0.77.30:7373", "go"]),
                    Line("agent: Received event: user-event: go"),
                    Serf(&["query", "-timeout=500ms", "-rpc-addr=127.0.77.30:7373", "q"]),
                    Pause(700),
                ],
                after: &[KeepFile("snapshot file", "snap1")],
                ..At::PLAIN
            },
            At {
                step: 1,
                during: &[UP, Line("serf: Re-joined"), Signal(SIGINT)],
                after: &[KeepFile("snapshot file", "snap1")],
                ..At::PLAIN
            },
            At { step: 2, during: AFTER_UP_TERM, ..At::PLAIN },
            At { step: 3, during: AFTER_UP_INT, ..At::PLAIN },
            At { step: 4, during: &[UP, Line("serf: Re-joined"), Signal(SIGTERM)], ..At::PLAIN },
            At {
                step: 5,
                before: &[Kill("n31")],
                during: &[UP, Line("serf: Failed to re-join"), Signal(SIGTERM)],
                ..At::PLAIN
            },
        ],
        captures: &[("snapshot file", Shape::Distinct)],
        ..Case::PLAIN
    },
    alone("agent-startup-errors"),
    Case {
        name: "agent-startup-join",
        apart: true,
        cluster: N31,
        prepare: &[Start("n31")],
        ..Case::PLAIN
    },
    Case {
        name: "agent-syslog",
        needs_private: true,
        captures: &[("datagrams for", Shape::Distinct)],
        prepare: &[
            NoSyslog,
            Write("sl2.json", "{\"enable_syslog\": true, \"syslog_facility\": \"daemon\"}"),
        ],
        around: &[At {
            step: 1,
            after: &[
                Syslog(
                    "datagrams for: serf agent -node=n30 -bind=127.0.77.30 -rpc-addr=127.0.77.30:7373 -syslog",
                    &["-syslog"],
                ),
                Syslog(
                    "datagrams for: serf agent -node=n30 -bind=127.0.77.30 -rpc-addr=127.0.77.30:7373 -syslog -log-level=warn",
                    &["-syslog", "-log-level=warn"],
                ),
                Syslog(
                    "datagrams for: serf agent -node=n30 -bind=127.0.77.30 -rpc-addr=127.0.77.30:7373 -config-file={DIR}/sl2.json",
                    &["-config-file={DIR}/sl2.json"],
                ),
            ],
            ..At::PLAIN
        }],
        ..Case::PLAIN
    },
    Case {
        name: "agent-tags-file",
        around: &[
            At {
                step: 0,
                during: &[
                    UP,
                    Serf(&[
                        "tags",
                        "-rpc-addr=127.0.77.30:7373",
                        "-set",
                        "role=web",
                        "-set",
                        "a<b=x&y",
                    ]),
                ],
                after: &[
                    KeepFile("tags.json (mode 0o600, no trailing newline)", "tags.json"),
                    Private("tags.json"),
                ],
                ..At::PLAIN
            },
            At {
                step: 1,
                during: &[UP, Keep("members", &["members", "-rpc-addr=127.0.77.30:7373"])],
                ..At::PLAIN
            },
            At {
                step: 2,
                during: &[
                    UP,
                    Signal(SIGHUP),
                    Line("EventMemberUpdate"),
                    Keep("members after SIGHUP", &["members", "-rpc-addr=127.0.77.30:7373"]),
                ],
                after: &[KeepFile("tags.json after SIGHUP", "tags.json")],
                ..At::PLAIN
            },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "agent-telemetry",
        apart: true,
        cluster: N31,
        around: &[
            At {
                step: 0,
                before: &[Start("n31")],
                during: &[
                    UP,
                    Serf(EVENT_ME),
                    Serf(QUERY_ME),
                    Serf(TAG_ME),
                    Line("agent: Received event: member-update"),
                    Serf(EVENT_ME),
                    Serf(QUERY_ME),
                    Serf(TAG_ME),
                    Pause(10_500),
                    Signal(SIGUSR1),
                    Pause(200),
                    Signal(SIGINT),
                ],
                ..At::PLAIN
            },
            At {
                step: 1,
                before: &[
                    Start("n31"),
                    Datagrams("distinct statsd lines", "127.0.77.40:8125"),
                    Stream("distinct statsite lines", "127.0.77.40:8126"),
                ],
                during: &[
                    UP,
                    Serf(EVENT_ME),
                    Serf(QUERY_ME),
                    Serf(TAG_ME),
                    Line("agent: Received event: member-update"),
                    Pause(2500),
                    Signal(SIGINT),
                ],
                ..At::PLAIN
            },
        ],
        captures: &[
            ("distinct statsd lines", Shape::Distinct),
            ("distinct statsite lines", Shape::Distinct),
        ],
        ..Case::PLAIN
    },
];

const EVENT_ME: &[&str] = &["event", "-rpc-addr=127.0.77.30:7373", "deploy me"];
const QUERY_ME: &[&str] = &["query", "-timeout=500ms", "-rpc-addr=127.0.77.30:7373", "load avg"];
const TAG_ME: &[&str] = &["tags", "-set", "k=v", "-rpc-addr=127.0.77.30:7373"];

const RELOADED: &str = r#"{"log_level": "debug", "tags": {"v": "2"}, "event_handlers": ["user=echo two"],
    "node_name": "other", "rpc_auth": "x", "leave_on_terminate": true}"#;

/// 600 times `y`.
const TOO_BIG: &str = "x={y*600}";
