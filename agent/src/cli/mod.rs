//! The command line: one file per command. This file decides what is to be done, in Serf's order.
//!
//! Called as `agent`, the program also shows what it has beyond Serf; under any other name it is Serf byte for byte.

mod agent;
mod call;
mod event;
mod force_leave;
mod help;
mod info;
mod join;
mod keygen;
mod keys;
mod leave;
mod members;
mod monitor;
mod output;
mod query;
mod reachability;
mod rpc;
mod rtt;
mod swarm;
mod table;
mod tags;
mod usage;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use call::print_error;
pub(crate) use call::{Call, Program};
use table::Entry;

/// The status for a command that does not exist.
const UNKNOWN_COMMAND: u8 = 127;

/// Runs the command that `args` (the program's name first) ask for. Bytes in them that are no UTF-8 become U+FFFD, except
/// in payloads.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let program = Program::called(args.next().as_deref());
    let args: Vec<OsString> = args.collect();
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    match decide(&words) {
        Decision::Usage { help } => {
            print_error(&usage::text(program));
            if help { ExitCode::SUCCESS } else { ExitCode::from(UNKNOWN_COMMAND) }
        }
        Decision::Help(entry) => {
            print_error(&entry.help.text(program));
            ExitCode::SUCCESS
        }
        Decision::Misplaced(entry) => {
            print_error(
                "Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the \
                 subcommand.\n\n",
            );
            print_error(&entry.help.text(program));
            ExitCode::FAILURE
        }
        Decision::Run(entry, words) => {
            let last = args.last().map(OsString::as_os_str);
            (entry.run)(&Call::new(entry, program, words, last))
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decision<'a> {
    /// The general usage: asked for, or because there is no such command.
    Usage { help: bool },
    /// The help of a command.
    Help(&'static Entry),
    /// Flags that stand before their command.
    Misplaced(&'static Entry),
    /// A command with its words.
    Run(&'static Entry, &'a [String]),
}

fn decide(words: &[String]) -> Decision<'_> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let help = words[..end].iter().any(|word| is_help(word));
    let version = words.iter().any(|word| matches!(word.as_str(), "-v" | "--version"));
    let (before, command, after) =
        if version { (&words[..0], Some("version"), words) } else { split_at_command(words, end) };
    let Some(command) = command else { return Decision::Usage { help } };
    let Some(entry) = table::find(command) else { return Decision::Usage { help: false } };
    let misplaced = before.iter().any(|word| word.starts_with('-') && word != "-version");
    if help {
        Decision::Help(entry)
    } else if misplaced {
        Decision::Misplaced(entry)
    } else {
        Decision::Run(entry, after)
    }
}

/// The words before the command, the command, and those after it.
fn split_at_command(words: &[String], end: usize) -> (&[String], Option<&str>, &[String]) {
    let command = words[..end].iter().position(|word| !word.is_empty() && !word.starts_with('-'));
    match command {
        Some(at) => (&words[..at], Some(&words[at]), &words[at + 1..]),
        None => (words, None, &[]),
    }
}

fn is_help(word: &str) -> bool {
    matches!(word, "-h" | "-help" | "--help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> String {
        let words: Vec<String> =
            line.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
        match decide(&words) {
            Decision::Usage { help: true } => "usage".to_owned(),
            Decision::Usage { help: false } => "unknown".to_owned(),
            Decision::Help(entry) => format!("help {}", entry.name),
            Decision::Misplaced(entry) => format!("misplaced {}", entry.name),
            Decision::Run(entry, words) => format!("run {} {}", entry.name, words.join(" ")),
        }
    }

    /// Beyond the recorded transcripts; seen in Serf 0.9.4 as well.
    #[test]
    fn decisions_are_serf_s() {
        for (line, decision) in [
            ("members -name x", "run members -name x"),
            ("'' members", "run members "),
            ("leave -- -h", "run leave -- -h"),
            ("-h bogus", "unknown"),
            ("bogus -h", "unknown"),
            ("-h --", "usage"),
            ("-x -h", "usage"),
            ("-- -h", "unknown"),
            ("-x -- members", "unknown"),
            ("-x bogus", "unknown"),
            ("-x members", "misplaced members"),
            ("-x version", "misplaced version"),
            ("- members", "misplaced members"),
            ("-h= members", "misplaced members"),
            ("-x -h members", "help members"),
            ("-x members -h", "help members"),
            ("-version members", "run members "),
            ("-x -v", "run version -x -v"),
            ("-- -v", "run version -- -v"),
            ("bogus --version", "run version bogus --version"),
            ("-h -v", "help version"),
            ("-- -h -v", "run version -- -h -v"),
            ("Members", "unknown"),
            ("run -h", "help run"),
            ("swarm -h", "help swarm"),
        ] {
            assert_eq!(outcome(line), decision, "{line}");
        }
    }
}
