//! The table: how the world of every recorded case is set up.

use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

use crate::acts::Act::{
    Datagrams, Directory, Exit, Freeze, Hold, Keep, KeepFile, KeepHead, Kill, Line, Members,
    NoSyslog, NodeLine, NodeLog, Pause, Poll, Private, Serf, Signal, Start, StartAs, Stream,
    Syslog, Until, Write,
};
use crate::acts::{Act, At, Case, Difference, Node};
use crate::compare::Shape;

/// Cases that are not run, with the reason.
pub(crate) static NOT_RUN: &[(&str, &str)] = &[];

/// Deliberate differences of this project's program from the recordings.
pub(crate) static DIFFERENCES: &[Difference] = &[];

/// Values of the recordings that depend on how busy the machine is.
pub(crate) static LOOSE: &[(&str, &str)] = &[
    ("health_score = 0", "health_score = {N}"),
    ("\"health_score\": \"0\"", "\"health_score\": \"{N}\""),
];

const UP: Act = Line("agent: Received event: member-join");

const HANDLERS: &[&str] = &[
    "-event-handler=query:load=echo 0.5",
    r#"-event-handler=query:multi=printf "a\nb\n""#,
    "-event-handler=query:noout=true",
    "-event-handler=query:fail=echo x; exit 3",
    r#"-event-handler=query:html=printf "<a href=\"x\">&</a>""#,
    r#"-event-handler=query:bin=printf "\377\376""#,
    "-event-handler=query:echo=cat",
];

const N1: &[&str] = &concat_args(["-tag", "role=web", "-tag", "dc=east"], HANDLERS);
const N2: &[&str] =
    &concat_args(["-tag", "role=db", "-join=127.0.77.1", "-log-level=info"], HANDLERS);

const fn concat_args(first: [&'static str; 4], rest: &[&'static str]) -> [&'static str; 11] {
    let mut all = [""; 11];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < 4 { first[at] } else { rest[at - 4] };
        at += 1;
    }
    all
}

/// n1 to n5 of the recordings.
const WEB: Case = Case {
    cluster: &[
        Node { name: "n1", host: 1, args: N1 },
        Node { name: "n2", host: 2, args: N2 },
        Node { name: "n3", host: 3, args: &["-tag", "role=web", "-join=127.0.77.1"] },
        Node { name: "n4", host: 4, args: &["-join=127.0.77.1"] },
        Node { name: "n5", host: 5, args: &["-tag", "role=web", "-join=127.0.77.1"] },
    ],
    prepare: &[
        Start("n1"),
        Start("n2"),
        Start("n3"),
        Start("n4"),
        Start("n5"),
        Members("n1", ALL_ALIVE),
        Members("n2", ALL_ALIVE),
        Members("n4", ALL_ALIVE),
        Members("n5", ALL_ALIVE),
        Serf(&["leave", "-rpc-addr=127.0.77.4:7373"]),
        Kill("n3"),
        Members("n1", WEB_MEMBERS),
        Members("n2", WEB_MEMBERS),
        Members("n5", WEB_MEMBERS),
    ],
    ..Case::PLAIN
};

const ALL_ALIVE: &[(&str, &str)] =
    &[("n1", "alive"), ("n2", "alive"), ("n3", "alive"), ("n4", "alive"), ("n5", "alive")];

const WEB_MEMBERS: &[(&str, &str)] =
    &[("n1", "alive"), ("n2", "alive"), ("n3", "failed"), ("n4", "left"), ("n5", "alive")];

const fn web(name: &'static str, around: &'static [At]) -> Case {
    Case { name, around, ..WEB }
}

const fn alone(name: &'static str) -> Case {
    Case { name, ..Case::PLAIN }
}

const N31: &[Node] = &[Node { name: "n31", host: 31, args: &[] }];

const N15_ARGS: &[&str] = &["-tag", "role=web", "-event-handler=query=echo hi"];
const N30_HI: &[Node] = &[Node { name: "n30", host: 30, args: &["-event-handler=query=echo hi"] }];

const DIES: At = At { before: &[Start("n30")], during: &[Pause(1000), Kill("n30")], ..At::PLAIN };

const AFTER_UP_INT: &[Act] = &[UP, Signal(SIGINT)];
const AFTER_UP_TERM: &[Act] = &[UP, Signal(SIGTERM)];

pub(crate) static CASES: &[Case] = &[
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
    web("event", &[]),
    alone("flag-errors"),
    web("force-leave", &[]),
    Case {
        name: "handler-behaviour",
        frame: Some(18),
        prepare: &[Poll("frame"), NodeLine("frame", "script output: order1")],
        around: &[
            At { step: 10, after: &[NodeLine("frame", "script output: order2")], ..At::PLAIN },
            At {
                step: 14,
                after: &[NodeLine("frame", "response is past the deadline")],
                ..At::PLAIN
            },
            At { step: 18, during: &[Signal(SIGINT)], ..At::PLAIN },
        ],
        ..Case::PLAIN
    },
    alone("help-forms"),
    alone("help-texts"),
    web("info", &[]),
    web("join", &[]),
    Case {
        name: "join-address-forms",
        prepare: &[
            StartAs(Node {
                name: "j1",
                host: 21,
                args: &["-bind=127.0.0.1:7946", "-rpc-addr=127.0.0.1:7373"],
            }),
            StartAs(Node { name: "j2", host: 22, args: &["-bind=127.0.0.1:7947"] }),
        ],
        ..Case::PLAIN
    },
    alone("keygen"),
    Case {
        name: "keys",
        cluster: &[
            Node { name: "n11", host: 11, args: &["-keyring-file={DIR}/kr11.json"] },
            Node {
                name: "n12",
                host: 12,
                args: &["-keyring-file={DIR}/kr12.json", "-join=127.0.77.11"],
            },
        ],
        prepare: &[
            Write("kr11.json", "[\"HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=\"]"),
            Write(
                "kr12.json",
                "[\"HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=\", \"T9jncgl9mbLus+baTTa7q7nPSUrXwbDi2dhbtqir37s=\"]",
            ),
            Start("n11"),
            Poll("n11"),
            Start("n12"),
            NodeLine("n11", "EventMemberJoin: n12"),
            NodeLine("n11", "agent: Received event: member-join"),
        ],
        around: &[At {
            step: 18,
            after: &[
                KeepFile("n11 keyring file afterwards", "kr11.json"),
                KeepFile("n12 keyring file afterwards", "kr12.json"),
                NodeLog("n11 agent stdout", "n11", ""),
            ],
            ..At::PLAIN
        }],
        captures: &[("n11 agent stdout", Shape::Log)],
        ..Case::PLAIN
    },
    Case {
        name: "keys-unencrypted",
        prepare: &[StartAs(Node { name: "n13", host: 13, args: &[] })],
        ..Case::PLAIN
    },
    Case {
        name: "leave",
        around: &[At {
            // What n5 had seen before the recording began.
            free: &["agent: Received event: member-update"],
            after: &[
                Exit("n5", 0),
                NodeLog(
                    "n5 agent stdout (tail: last 12 lines)",
                    "n5",
                    "agent.ipc: Graceful leave triggered",
                ),
                Members(
                    "n1",
                    &[
                        ("n1", "alive"),
                        ("n2", "alive"),
                        ("n3", "failed"),
                        ("n4", "left"),
                        ("n5", "left"),
                    ],
                ),
            ],
            ..At::PLAIN
        }],
        captures: &[("n5 agent stdout", Shape::Log)],
        ..WEB
    },
    web("members-errors", &[]),
    Case {
        name: "members-ipv6",
        prepare: &[StartAs(Node {
            name: "n30",
            host: 30,
            args: &["-bind=[::1]:7950", "-rpc-addr=[::1]:7373"],
        })],
        ..Case::PLAIN
    },
    web("members-json", &[]),
    web("members-text", &[]),
    Case {
        name: "monitor",
        prepare: &[
            StartAs(Node { name: "n15", host: 15, args: N15_ARGS }),
            Poll("n15"),
            NodeLine("n15", "agent: Received event: member-join"),
        ],
        around: &[
            At {
                step: 0,
                during: &[
                    Line("agent.ipc: Accepted client: 127.0.0.1:"),
                    Serf(&[
                        "event",
                        "-coalesce=false",
                        "-rpc-addr=127.0.77.15:7373",
                        "deploy",
                        "v1",
                    ]),
                    Serf(&["query", "-timeout=500ms", "-rpc-addr=127.0.77.15:7373", "q", "pp"]),
                    Serf(&["tags", "-set", "x=y", "-rpc-addr=127.0.77.15:7373"]),
                    Line("\"member-update\""),
                    Line("agent: Received event: member-update"),
                    Signal(SIGINT),
                ],
                ..At::PLAIN
            },
            At {
                step: 1,
                during: &[
                    Line("agent: Received event: member-update"),
                    Serf(&["event", "-coalesce=false", "-rpc-addr=127.0.77.15:7373", "deploy"]),
                    Line("<nil>"),
                    Line("Payload: \"\"\n"),
                    Pause(100),
                    Signal(SIGINT),
                ],
                ..At::PLAIN
            },
            At { step: 2, during: &[Pause(800), Signal(SIGINT)], ..At::PLAIN },
        ],
        ..Case::PLAIN
    },
    Case {
        name: "monitor-agent-exit",
        prepare: &[
            StartAs(Node { name: "n15", host: 15, args: &["-tag", "role=web", "-tag", "x=y"] }),
            NodeLine("n15", "agent: Received event: member-join"),
        ],
        around: &[At {
            during: &[Pause(500), Serf(&["leave", "-rpc-addr=127.0.77.15:7373"])],
            ..At::PLAIN
        }],
        ..Case::PLAIN
    },
    alone("no-agent"),
    web("query-json", &[]),
    web("query-text", &[]),
    web(
        "reachability",
        &[At {
            step: 3,
            during: &[Line("Starting reachability test..."), Pause(300), Signal(SIGINT)],
            ..At::PLAIN
        }],
    ),
    web(
        "reachability-missing",
        &[At {
            before: &[
                Serf(&["force-leave", "-prune", "-rpc-addr=127.0.77.1:7373", "n3"]),
                Serf(&["force-leave", "-prune", "-rpc-addr=127.0.77.1:7373", "n4"]),
                Members("n1", &[("n1", "alive"), ("n2", "alive"), ("n5", "alive")]),
                Freeze("n5"),
            ],
            ..At::PLAIN
        }],
    ),
    Case {
        name: "rpc-auth",
        prepare: &[
            Write("auth.json", "{\"rpc_auth\": \"s3cret\"}"),
            StartAs(Node { name: "n14", host: 14, args: &["-config-file={DIR}/auth.json"] }),
            Poll("n14"),
            NodeLine("n14", "agent: Received event: member-join"),
        ],
        around: &[At { step: 16, after: &[NodeLog("n14 agent stdout", "n14", "")], ..At::PLAIN }],
        captures: &[("n14 agent stdout", Shape::Log)],
        ..Case::PLAIN
    },
    web(
        "rtt",
        &[At { before: &[Until(&["rtt", "-rpc-addr=127.0.77.1:7373", "n2"])], ..At::PLAIN }],
    ),
    web("tags", &[]),
    alone("top-level"),
];

const EVENT_ME: &[&str] = &["event", "-rpc-addr=127.0.77.30:7373", "deploy me"];
const QUERY_ME: &[&str] = &["query", "-timeout=500ms", "-rpc-addr=127.0.77.30:7373", "load avg"];
const TAG_ME: &[&str] = &["tags", "-set", "k=v", "-rpc-addr=127.0.77.30:7373"];

const RELOADED: &str = r#"{"log_level": "debug", "tags": {"v": "2"}, "event_handlers": ["user=echo two"],
    "node_name": "other", "rpc_auth": "x", "leave_on_terminate": true}"#;

/// 600 times `y`.
const TOO_BIG: &str = "x={y*600}";
