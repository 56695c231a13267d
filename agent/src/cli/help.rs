//! The help texts of the commands: Serf's, byte for byte, and what the program says in addition under its own name.

use super::call::Program;

/// The help of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Help {
    /// As Serf prints it, with a newline at its end.
    serf: &'static str,
    /// Lines about the options that Serf does not have; empty if there are none.
    additional: &'static str,
}

impl Help {
    const fn new(serf: &'static str) -> Self {
        Self { serf, additional: "" }
    }

    const fn with_additional(self, additional: &'static str) -> Self {
        Self { additional, ..self }
    }

    /// The text for a program of this name, with a newline at its end.
    pub(super) fn text(&self, program: Program) -> String {
        match program {
            Program::Serf => self.serf.to_owned(),
            Program::Own => {
                let mut text =
                    self.serf.replace("serf agent", "agent run").replace("serf ", "agent ");
                if !self.additional.is_empty() {
                    text.push_str("\nAdditional options:\n\n");
                    text.push_str(self.additional);
                }
                text
            }
        }
    }
}

pub(super) const AGENT: Help = Help::new(include_str!("help/agent.txt"))
    .with_additional(include_str!("help/agent-additional.txt"));
pub(super) const EVENT: Help = Help::new(include_str!("help/event.txt"));
pub(super) const FORCE_LEAVE: Help = Help::new(include_str!("help/force-leave.txt"));
pub(super) const INFO: Help = Help::new(include_str!("help/info.txt"));
pub(super) const JOIN: Help = Help::new(include_str!("help/join.txt"));
pub(super) const KEYGEN: Help = Help::new(include_str!("help/keygen.txt"));
pub(super) const KEYS: Help = Help::new(include_str!("help/keys.txt"));
pub(super) const LEAVE: Help = Help::new(include_str!("help/leave.txt"));
pub(super) const MEMBERS: Help = Help::new(include_str!("help/members.txt"))
    .with_additional(include_str!("help/members-additional.txt"));
pub(super) const MONITOR: Help = Help::new(include_str!("help/monitor.txt"));
pub(super) const QUERY: Help = Help::new(include_str!("help/query.txt"));
pub(super) const REACHABILITY: Help = Help::new(include_str!("help/reachability.txt"));
pub(super) const RTT: Help = Help::new(include_str!("help/rtt.txt"));
pub(super) const SWARM: Help = Help::new(include_str!("help/swarm.txt"));
pub(super) const TAGS: Help = Help::new(include_str!("help/tags.txt"));
/// Serf has none for it.
pub(super) const VERSION: Help = Help::new("\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additional_options_show_under_the_own_name_only() {
        let help = Help::new("Usage: serf x\n\n  With \"serf agent\", of Serf.\n")
            .with_additional("  -y\n");
        assert_eq!(help.text(Program::Serf), "Usage: serf x\n\n  With \"serf agent\", of Serf.\n");
        assert_eq!(
            help.text(Program::Own),
            "Usage: agent x\n\n  With \"agent run\", of Serf.\n\nAdditional options:\n\n  -y\n"
        );
    }

    #[test]
    fn no_section_without_additional_options() {
        assert_eq!(EVENT.text(Program::Own), EVENT.serf.replace("serf ", "agent "));
    }
}
