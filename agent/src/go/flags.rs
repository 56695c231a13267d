//! Go's flag grammar over clap: clap defines the flags and holds their values, this module reads the words.

use clap::{ArgMatches, Command};

/// Words that do not fit the flags: the one line that Go prints.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FlagError(pub String);

/// Reads `words` (without the name of the command) by the long flags of `command`. A flag whose action is `SetTrue` is
/// boolean; `Set` keeps the last value, `Append` all. Positional words are all those from the first one on; they are the
/// values of the argument `words`, which `command` declares as trailing.
///
/// # Errors
///
/// Go's text, such as `flag provided but not defined: -bogus`.
pub fn parse(command: Command, words: &[String]) -> Result<ArgMatches, FlagError> {
    let _ = (command, words);
    unimplemented!()
}
