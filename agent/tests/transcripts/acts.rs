//! The words in which the table of set-ups is written.

use nix::sys::signal::Signal;

use crate::compare::Shape;

/// An agent of a case's cluster: it binds 127.0.77.HOST:7946 and serves RPC at 127.0.77.HOST:7373 unless `args` differ.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) host: u8,
    pub(crate) args: &'static [&'static str],
}

/// Something done before, during or after a step.
pub(crate) enum Act {
    /// Lets time pass, in milliseconds: only where the recording did so and no sign could be waited for.
    Pause(u64),
    /// Waits for a text in the step's standard output.
    Line(&'static str),
    /// Sends a signal to the step's process.
    Signal(Signal),
    /// Writes a file, relative to the working directory.
    Write(&'static str, &'static str),
    Directory(&'static str),
    /// Runs a command that must succeed.
    Serf(&'static [&'static str]),
    /// Runs a command until its exit status is 0.
    Until(&'static [&'static str]),
    /// Runs a command and keeps its standard output under the label of a recorded capture.
    Keep(&'static str, &'static [&'static str]),
    /// As `Keep`, only the first lines of the output.
    KeepHead(&'static str, usize, &'static [&'static str]),
    /// Keeps a file under a label.
    KeepFile(&'static str, &'static str),
    /// The file is readable and writable for its owner alone.
    Private(&'static str),
    /// Starts a node of the cluster and waits for its log.
    Start(&'static str),
    /// Starts a node that is not in the cluster's list.
    StartAs(Node),
    /// Waits for a text in a node's standard output.
    NodeLine(&'static str, &'static str),
    Kill(&'static str),
    /// Stops a node without ending it.
    Freeze(&'static str),
    /// The node ends by itself with this status.
    Exit(&'static str, i32),
    /// Opens a connection to the node's RPC port and closes it again, as the recorder did to see whether it is up.
    Poll(&'static str),
    /// Waits until the node lists exactly these members (name, status).
    Members(&'static str, &'static [(&'static str, &'static str)]),
    /// Keeps a node's standard output under a label, from the line with the given text on.
    NodeLog(&'static str, &'static str, &'static str),
    /// Listens at an address and never says anything.
    Hold(&'static str),
    /// Listens for UDP datagrams at an address and keeps them as lines under a label.
    Datagrams(&'static str, &'static str),
    /// Listens for one TCP stream at an address and keeps it under a label.
    Stream(&'static str, &'static str),
    /// Makes the system's log sockets disappear for this case.
    NoSyslog,
    /// Keeps the log datagrams of one agent run, ended by an interrupt, under a label.
    Syslog(&'static str, &'static [&'static str]),
}

/// What happens around one step, by its number in the recording.
pub(crate) struct At {
    pub(crate) step: usize,
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Texts of log records that may come or not.
    pub(crate) free: &'static [&'static str],
    pub(crate) before: &'static [Act],
    pub(crate) during: &'static [Act],
    pub(crate) after: &'static [Act],
}

impl At {
    pub(crate) const PLAIN: Self =
        Self { step: 0, env: &[], free: &[], before: &[], during: &[], after: &[] };

    /// The labels of the captures taken around this step.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.before.iter().chain(self.during).chain(self.after).filter_map(|act| match act {
            Act::Keep(label, _) | Act::KeepHead(label, ..) | Act::KeepFile(label, _) => {
                Some(*label)
            }
            Act::NodeLog(label, ..) | Act::Syslog(label, _) => Some(*label),
            Act::Datagrams(label, _) | Act::Stream(label, _) => Some(*label),
            _ => None,
        })
    }
}

/// The set-up of one recorded case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The steps have nothing to do with each other: each gets the cluster for itself.
    pub(crate) apart: bool,
    /// The step whose agent runs from before the first step to after the last; it is the node "frame".
    pub(crate) frame: Option<usize>,
    /// Changes mounts, so it cannot be run where a case has no space of its own.
    pub(crate) needs_private: bool,
    pub(crate) cluster: &'static [Node],
    pub(crate) prepare: &'static [Act],
    pub(crate) around: &'static [At],
    /// Shape of captures that are not the output of a command.
    pub(crate) captures: &'static [(&'static str, Shape)],
}

impl Case {
    pub(crate) const PLAIN: Self = Self {
        name: "",
        apart: false,
        frame: None,
        needs_private: false,
        cluster: &[],
        prepare: &[],
        around: &[],
        captures: &[],
    };
}

/// A deliberate difference of this project's program: `from` in the recorded step (and in the case's captures) reads
/// `to`, and the step ends with `exit`.
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    pub(crate) step: usize,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) exit: Option<i32>,
    pub(crate) reason: &'static str,
}
