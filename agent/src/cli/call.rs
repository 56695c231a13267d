//! One command as it was called: its words, its help, and the ways in which a command refuses them.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::table::Entry;
use crate::go::flags;

/// The name under which the program was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// `agent`.
    Own,
    /// `serf`, or any other name: byte for byte what Serf prints.
    Serf,
}

impl Program {
    /// By the first argument of the process, a path.
    pub(super) fn called(path: Option<&OsStr>) -> Self {
        let stem = path.and_then(|path| Path::new(path).file_stem());
        if stem.is_some_and(|stem| stem == "agent") { Self::Own } else { Self::Serf }
    }

    /// As the program names itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "agent",
            Self::Serf => "serf",
        }
    }
}

/// A command and how it was called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    entry: &'static Entry,
    program: Program,
    words: &'a [String],
    last: Option<&'a OsStr>,
}

impl<'a> Call<'a> {
    /// `last`: the last argument of the process as it was given.
    pub(super) fn new(
        entry: &'static Entry,
        program: Program,
        words: &'a [String],
        last: Option<&'a OsStr>,
    ) -> Self {
        Self { entry, program, words, last }
    }

    /// The last word, byte for byte: payloads stand there, and are no texts.
    #[must_use]
    pub(crate) fn last_bytes(&self) -> &'a [u8] {
        self.last.map_or(&[], OsStrExt::as_bytes)
    }

    /// The words behind the command's name.
    #[must_use]
    pub(crate) fn words(&self) -> &'a [String] {
        self.words
    }

    /// The name under which the program was called.
    #[must_use]
    pub(crate) fn program(&self) -> Program {
        self.program
    }

    /// The command's help, with a newline at its end.
    #[must_use]
    pub(crate) fn help(&self) -> String {
        self.entry.help.text(self.program)
    }

    /// Reads the words by `command`; see [`flags::parse`].
    ///
    /// # Errors
    ///
    /// The words do not fit. All that is to be said is printed already: Go's line on standard error, and the help on
    /// standard output. The command ends with the status that comes back.
    pub(crate) fn flags(&self, command: Command) -> Result<ArgMatches, ExitCode> {
        flags::parse(command, self.words).map_err(|error| {
            if !error.0.is_empty() {
                print_error(&format!("{error}\n"));
            }
            // What the agent prints goes through its own writer, which marks it.
            let mark = if matches!(self.entry.name, "agent" | "run") { "==> " } else { "" };
            print(&format!("{mark}{}", self.help()));
            ExitCode::FAILURE
        })
    }

    /// Says on standard output why the words make no sense, and then the help.
    #[must_use]
    pub(crate) fn refuse(&self, why: &str) -> ExitCode {
        print(&format!("{why}\n\n{}", self.help()));
        ExitCode::FAILURE
    }
}

/// Writes to standard output. A reader that is gone is no error: there is nobody to tell. What streams must end then, and
/// writes by itself.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error, likewise.
pub(super) fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agent_is_the_program_s_own_name() {
        for path in ["agent", "/usr/bin/agent", "./agent", "agent.exe"] {
            assert_eq!(Program::called(Some(OsStr::new(path))), Program::Own, "{path}");
        }
        for path in ["serf", "/agent/serf", "Agent", "agents", "", "/"] {
            assert_eq!(Program::called(Some(OsStr::new(path))), Program::Serf, "{path}");
        }
        assert_eq!(Program::called(None), Program::Serf);
    }
}
