//! The table of set-ups as a whole: all cases, what is not run, and what may differ.

use crate::acts::{Case, Difference};
use crate::agent_cases::AGENT_CASES;
use crate::command_cases::COMMAND_CASES;
use crate::play::KILLED;

/// The set-ups of all cases.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    AGENT_CASES.iter().chain(COMMAND_CASES)
}

/// Cases that are not run, with the reason.
pub(crate) static NOT_RUN: &[(&str, &str)] = &[];

/// Deliberate differences of this project's program from the recordings.
pub(crate) static DIFFERENCES: &[Difference] = &[
    Difference {
        case: "agent-config-errors",
        step: 15,
        from: "==> Error decoding '{DIR}/e16.json': 1 error(s) decoding:\n\n* '' has invalid keys: mdns\n",
        to: "==> mDNS interface specified without enabling mDNS discovery\n",
        exit: None,
        reason: NEWER_KEY,
    },
    Difference {
        case: "agent-config-errors",
        step: 16,
        from: "==> Error decoding '{DIR}/e17.json': 1 error(s) decoding:\n\n* '' has invalid keys: validate_node_names\n",
        to: RUNNING,
        exit: Some(KILLED),
        reason: NEWER_KEY,
    },
    Difference {
        case: "agent-signals",
        step: 8,
        from: "SIGQUIT: quit\n{GO STACK DUMP}\n",
        to: "SIGQUIT: quit\n",
        exit: None,
        reason: "there are no goroutines whose stacks could be shown",
    },
    dumped("[{INTERVAL}][G] 'serf-agent.runtime.malloc_count': {F}\n", NO_COLLECTOR),
    dumped("[{INTERVAL}][G] 'serf-agent.runtime.free_count': {F}\n", NO_COLLECTOR),
    dumped("[{INTERVAL}][G] 'serf-agent.runtime.heap_objects': {F}\n", NO_COLLECTOR),
    dumped(
        "[{INTERVAL}][S] 'serf-agent.serf.msgs.sent': Count: {F} Sum: {F} LastUpdated: {F}\n",
        NO_SIZES,
    ),
    dumped(
        "[{INTERVAL}][S] 'serf-agent.serf.msgs.sent': Count: {F} Min: {F} Mean: {F} Max: {F} Stddev: {F} Sum: {F} LastUpdated: {F}\n",
        NO_SIZES,
    ),
    dumped(
        "[{INTERVAL}][S] 'serf-agent.serf.msgs.received': Count: {F} Sum: {F} LastUpdated: {F}\n",
        NO_SIZES,
    ),
    dumped(
        "[{INTERVAL}][S] 'serf-agent.serf.msgs.received': Count: {F} Min: {F} Mean: {F} Max: {F} Stddev: {F} Sum: {F} LastUpdated: {F}\n",
        NO_SIZES,
    ),
    pushed("serf-agent.{HOST}.runtime.malloc_count:{F}|g\n", NO_COLLECTOR),
    pushed("serf-agent.{HOST}.runtime.free_count:{F}|g\n", NO_COLLECTOR),
    pushed("serf-agent.{HOST}.runtime.heap_objects:{F}|g\n", NO_COLLECTOR),
    pushed("serf-agent.serf.msgs.sent:{F}|ms\n", NO_SIZES),
    pushed("serf-agent.serf.msgs.received:{F}|ms\n", NO_SIZES),
];

const NEWER_KEY: &str = "newer versions of Serf know this key";
const NO_COLLECTOR: &str = "a figure of Go's memory manager";
const NO_SIZES: &str =
    "the sizes of Serf's messages are not measured apart from the packets they travel in";

/// What an agent shows that starts.
const RUNNING: &str = "==> Starting Serf agent...
==> Starting Serf agent RPC...
==> Serf agent running!
                      Node name: 'n30'
                      Bind addr: '127.0.77.30:7946'
                       RPC addr: '127.0.77.30:7373'
                      Encrypted: false
                       Snapshot: false
                        Profile: lan
    Message Compression Enabled: true

==> Log data will now stream in as it occurs:

    {TS} [INFO] agent: Serf agent starting
    {TS} [INFO] serf: EventMemberJoin: n30 127.0.77.30
    {TS} [INFO] agent: Received event: member-join
";

/// A line of the telemetry dump that does not come.
const fn dumped(from: &'static str, reason: &'static str) -> Difference {
    Difference { case: "agent-telemetry", step: 0, from, to: "", exit: None, reason }
}

/// A line that is not pushed to statsd and statsite.
const fn pushed(from: &'static str, reason: &'static str) -> Difference {
    Difference { case: "agent-telemetry", step: 1, from, to: "", exit: None, reason }
}

/// Values of the recordings that depend on how busy the machine is.
pub(crate) static LOOSE: &[(&str, &str)] = &[
    ("health_score = 0", "health_score = {N}"),
    ("\"health_score\": \"0\"", "\"health_score\": \"{N}\""),
];
