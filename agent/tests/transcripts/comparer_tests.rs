//! Tests of the comparer: what it lets pass and what it does not.

use libtest_mimic::{Failed, Trial};

use crate::compare::{Names, Shape, compare};

struct Sample {
    name: &'static str,
    shape: Shape,
    expected: &'static str,
    same: &'static [&'static str],
    different: &'static [&'static str],
}

const BANNER: &str = "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n\
    \x20   {TS} [INFO] agent: Serf agent starting\n    {TS} [INFO] agent.ipc: Accepted client: 127.0.0.1:{PORT}\n\
    ==> Caught signal: interrupt\n    {TS} [INFO] agent: shutdown complete\n";

const SAMPLES: &[Sample] = &[
    Sample {
        name: "comparer/members",
        shape: Shape::Command,
        expected: "n1  1.2.3.4:1  alive   a=b,c=d\nn3  1.2.3.4:3  failed  a=b\nn4  1.2.3.4:4  left    \n",
        same: &[
            "n4  1.2.3.4:4  left    \nn3  1.2.3.4:3  failed  a=b\nn1  1.2.3.4:1  alive   c=d,a=b\n",
            "n1  1.2.3.4:1  alive   c=d,a=b\nn3  1.2.3.4:3  failed  a=b\nn4  1.2.3.4:4  left\n",
        ],
        different: &[
            "n4  1.2.3.4:4  left\nn3  1.2.3.4:3  failed  a=b\nn1  1.2.3.4:1  alive   c=d,a=b\n",
            "n4  1.2.3.4:4  left    \nn3  1.2.3.4:3  failed  a=b\nn1  1.2.3.4:1  alive   c=x,a=b\n",
            "n4  1.2.3.4:4  left    \nn1  1.2.3.4:1  alive   c=d,a=b\n",
            "n4 1.2.3.4:4  left    \nn3  1.2.3.4:3  failed  a=b\nn1  1.2.3.4:1  alive   c=d,a=b\n",
            "n4  1.2.3.4:4  left    \nn3  1.2.3.4:3  failed  a=b\nn1  1.2.3.4:1  alive   c=d,a=b",
        ],
    },
    Sample {
        name: "comparer/json",
        shape: Shape::Command,
        expected: "{\n  \"members\": [\n    {\n      \"name\": \"a\"\n    },\n    {\n      \"name\": \"b\"\n    }\n  ]\n}\n",
        same: &[
            "{\n  \"members\": [\n    {\n      \"name\": \"b\"\n    },\n    {\n      \"name\": \"a\"\n    }\n  ]\n}\n",
        ],
        different: &[
            "{\n  \"members\": [\n    {\n      \"name\": \"b\"\n    }\n    {\n      \"name\": \"a\"\n    }\n  ]\n}\n",
            "{\n  \"members\": [\n    {\n      \"name\": \"b\"\n    }\n  ]\n}\n",
        ],
    },
    Sample {
        name: "comparer/query",
        shape: Shape::Command,
        expected: "Query 'q' dispatched\nAck from 'a'\nResponse from 'a': x\ny\nTotal Acks: 1\nTotal Responses: 1\n",
        same: &[
            "Query 'q' dispatched\nResponse from 'a': x\ny\nAck from 'a'\nTotal Acks: 1\nTotal Responses: 1\n",
        ],
        different: &[
            "Query 'q' dispatched\nResponse from 'a': x\nAck from 'a'\ny\nTotal Acks: 1\nTotal Responses: 1\n",
            "Query 'q' dispatched\nResponse from 'a': x\ny\nAck from 'a'\nTotal Responses: 1\nTotal Acks: 1\n",
        ],
    },
    Sample {
        name: "comparer/placeholders",
        shape: Shape::Command,
        expected: "rtt: {MS} ms {DIR}/x of {HOST} {A*5}\n",
        same: &["rtt: 0.123 ms /d/x of h.x AAAAA\n"],
        different: &[
            "rtt: 0.12 ms /d/x of h.x AAAAA\n",
            "rtt: 0.123 ms /e/x of h.x AAAAA\n",
            "rtt: 0.123 ms /d/x of hox AAAAA\n",
            "rtt: 0.123 ms /d/x of h.x AAAA\n",
        ],
    },
    Sample {
        name: "comparer/log",
        shape: Shape::Log,
        expected: BANNER,
        same: &[
            "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n    2026/01/02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:5\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n    2026/01/02 03:04:05 [INFO] memberlist: anything\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
        ],
        different: &[
            "==> Serf agent running!\n    Name: 'm'\n\n==> Log data will now stream in as it occurs:\n\n    2026/01/02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:5\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
            "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
            "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n    2026/01/02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:5\n    2026/01/02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:6\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
            "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n    2026/01/02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:5\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
            "==> Serf agent running!\n    Name: 'n'\n\n==> Log data will now stream in as it occurs:\n\n    2026-01-02 03:04:05 [INFO] agent.ipc: Accepted client: 127.0.0.1:5\n    2026/01/02 03:04:05 [INFO] agent: Serf agent starting\n==> Caught signal: interrupt\n    2026/01/02 03:04:05 [INFO] agent: shutdown complete\n",
        ],
    },
    Sample {
        name: "comparer/monitor",
        shape: Shape::Log,
        expected: "Event Info:\n\tA: 1\n\tB: 2\n{TS} [WARN] agent: x\n\nRemote side ended the monitor!\nx\n",
        same: &[
            "2026/01/02 03:04:05 [WARN] agent: x\nEvent Info:\n\tB: 2\n\tA: 1\n\nRemote side ended the monitor!\nx\n",
        ],
        different: &[
            "2026/01/02 03:04:05 [WARN] agent: x\nEvent Info:\n\tB: 2\n\tA: 3\n\nRemote side ended the monitor!\nx\n",
            "2026/01/02 03:04:05 [WARN] agent: x\nEvent Info:\n\tB: 2\n\tA: 1\nRemote side ended the monitor!\nx\n",
        ],
    },
    Sample {
        name: "comparer/metrics",
        shape: Shape::Metrics,
        expected: "[{INTERVAL}][G] 'a': {F}\n[{INTERVAL}][C] 'b': Count: {F} Sum: {F} LastUpdated: {F}\n",
        same: &[
            "[2026-11-22 08:10:40 +0000 UTC][C] 'b': Count: 5 Sum: 5.000 LastUpdated: x\n[2026-11-22 08:10:40 +0000 UTC][G] 'a': 1.000\n",
        ],
        different: &[
            "[2026-11-22 08:10:40 +0000 UTC][G] 'a': 1.000\n",
            "[2026-11-22 08:10:40 +0000 UTC][C] 'b': Count: 5 Sum: 5.000 LastUpdated: x\n[2026-11-22 08:10:40 +0000 UTC][G] 'a': 1.0\n",
        ],
    },
    Sample {
        name: "comparer/distinct",
        shape: Shape::Distinct,
        expected: "a:{F}|c\nb:{F}|c\n",
        same: &["b:1.000000|c\na:2.000000|c\nb:3.000000|c\n"],
        different: &["b:1.000000|c\n", "a:1.0|c\nb:1.0|c\nc:1.0|c\n", "a:1.0|c\nb:1.0|g\n"],
    },
];

/// One trial per sample.
pub(crate) fn trials() -> Vec<Trial> {
    SAMPLES.iter().map(|sample| Trial::test(sample.name, move || check(sample))).collect()
}

fn check(sample: &Sample) -> Result<(), Failed> {
    let names = Names { dir: "/d".into(), host: "h.x".into(), free: &[] };
    for text in sample.same {
        compare(sample.shape, sample.expected, text, &names)?;
    }
    for text in sample.different {
        if compare(sample.shape, sample.expected, text, &names).is_ok() {
            return Err(format!("passes, but must not:\n{text}").into());
        }
    }
    Ok(())
}
