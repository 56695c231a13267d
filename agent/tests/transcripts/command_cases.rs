//! Set-ups of the recordings in which commands are given to a cluster.

use nix::sys::signal::Signal::SIGINT;

use crate::acts::Act::{
    Exit, Freeze, KeepFile, Kill, Line, Members, NodeLine, NodeLog, Pause, Poll, Serf, Signal,
    Start, StartAs, Until, Write,
};
use crate::acts::{At, Case, Node};
use crate::compare::Shape;

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

const N15_ARGS: &[&str] = &["-tag", "role=web", "-event-handler=query=echo hi"];

const fn alone(name: &'static str) -> Case {
    Case { name, ..Case::PLAIN }
}

pub(crate) static COMMAND_CASES: &[Case] = &[
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
        around: &[At {
            step: 16,
            // A command that goes before it has read a second refusal resets the connection.
            free: &["read: connection reset by peer"],
            after: &[NodeLog("n14 agent stdout", "n14", "")],
            ..At::PLAIN
        }],
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
