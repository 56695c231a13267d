//! The general usage: which commands there are.

use std::fmt::Write as _;

use super::call::Program;
use super::table::ENTRIES;

/// The text for a program of this name.
pub(super) fn text(program: Program) -> String {
    let shown = || ENTRIES.iter().filter(|entry| entry.serf || program == Program::Own);
    let width = shown().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "Usage: {} [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n",
        program.name()
    );
    for entry in shown() {
        let _ = writeln!(text, "    {:width$}    {}", entry.name, entry.synopsis);
    }
    text.push('\n');
    text
}
