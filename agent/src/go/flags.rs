//! Go's flag grammar over clap: clap defines the flags and holds their values, this module reads the words.
//!
//! A command declares its flags with [`text`], [`list`], [`switch`], [`integer`] and [`duration`], has [`parse`] read its
//! words, and asks clap's matches for the values: `get_one::<String>`, `get_many::<String>`, `get_one::<bool>` and
//! `get_one::<i64>` for the last two. [`words`] gives the positional words.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::quote::quote;
use super::{duration as go_duration, integer as go_integer};

/// Where the positional words are in the matches.
const WORDS: &str = "words";

/// Words that do not fit the flags: the one line that Go prints. It is empty for a call for help that only the flags
/// understand, such as `-h=1`: Go prints no line then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FlagError(pub String);

/// A flag that takes text; the last value counts.
#[must_use]
pub(crate) fn text(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::Set)
}

/// A flag that takes text and may be given many times; all values count, in order.
#[must_use]
pub(crate) fn list(name: &'static str) -> Arg {
    text(name).action(ArgAction::Append)
}

/// A boolean flag, `bool` in the matches. It is false unless the caller sets another `default_value`.
#[must_use]
pub(crate) fn switch(name: &'static str) -> Arg {
    text(name).num_args(0..=1).require_equals(true).default_value("false").value_parser(
        move |value: &str| {
            boolean(value).ok_or_else(|| {
                FlagError(format!(
                    "invalid boolean value {} for -{name}: parse error",
                    quote(value)
                ))
            })
        },
    )
}

/// A flag that takes an integer, `i64` in the matches.
#[must_use]
pub(crate) fn integer(name: &'static str) -> Arg {
    text(name).value_parser(move |value: &str| {
        go_integer::parse(value).map_err(|error| invalid(name, value, &error))
    })
}

/// A flag that takes a duration, nanoseconds as `i64` in the matches.
#[must_use]
pub(crate) fn duration(name: &'static str) -> Arg {
    text(name).value_parser(move |value: &str| {
        go_duration::parse(value).map_err(|_| invalid(name, value, &"parse error"))
    })
}

fn invalid(name: &str, value: &str, why: &dyn std::fmt::Display) -> FlagError {
    FlagError(format!("invalid value {} for flag -{name}: {why}", quote(value)))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads `words` (without the name of the command) by the long flags of `command`, which are made by the functions of
/// this module. Positional words are all those from the first one on; see [`words`].
///
/// # Errors
///
/// Go's text for the first word that does not fit, such as `flag provided but not defined: -bogus`.
pub(crate) fn parse(command: Command, words: &[String]) -> Result<ArgMatches, FlagError> {
    let positional = Arg::new(WORDS).num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    let mut command = command
        .arg(positional)
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true);
    let (clap_words, misfit) = translate(&command, words);
    // A bad value that clap finds stands before the word that ended the translation.
    let matches = command.try_get_matches_from_mut(clap_words).map_err(|error| describe(&error))?;
    match misfit {
        Some(error) => Err(error),
        None => Ok(matches),
    }
}

/// The positional words that [`parse`] found.
pub(crate) fn words(matches: &ArgMatches) -> impl ExactSizeIterator<Item = &str> {
    matches.get_many::<String>(WORDS).unwrap_or_default().map(String::as_str)
}

/// The words in the one form that clap understands without doubt, `--name=value … -- word …`, up to the first word that
/// does not fit.
fn translate(command: &Command, words: &[String]) -> (Vec<String>, Option<FlagError>) {
    let mut translated = Vec::with_capacity(words.len() + 1);
    let mut rest = words.iter();
    loop {
        let before = rest.as_slice();
        let Some(word) = rest.next() else { break };
        if word == "--" {
            break;
        }
        if word.len() < 2 || !word.starts_with('-') {
            rest = before.iter();
            break;
        }
        match translate_flag(command, word, &mut rest) {
            Ok(flag) => translated.push(flag),
            Err(error) => return (translated, Some(error)),
        }
    }
    translated.push("--".to_owned());
    translated.extend(rest.cloned());
    (translated, None)
}

fn translate_flag<'a>(
    command: &Command,
    word: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<String, FlagError> {
    let body = word.strip_prefix("--").unwrap_or(&word[1..]);
    if body.is_empty() || body.starts_with(['-', '=']) {
        return Err(FlagError(format!("bad flag syntax: {word}")));
    }
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (body, None),
    };
    let Some(flag) = command.get_arguments().find(|arg| arg.get_long() == Some(name)) else {
        return Err(FlagError(match name {
            "h" | "help" => String::new(),
            _ => format!("flag provided but not defined: -{name}"),
        }));
    };
    let value = match value {
        Some(value) => value,
        None if is_boolean(flag) => "true",
        None => rest.next().ok_or_else(|| FlagError(format!("flag needs an argument: -{name}")))?,
    };
    Ok(format!("--{name}={value}"))
}

/// Only [`switch`] makes flags whose value may be left out.
fn is_boolean(flag: &Arg) -> bool {
    flag.get_num_args().is_some_and(|range| range.min_values() == 0)
}

/// Go's words for what clap found; the readers of values above speak Go already.
fn describe(error: &clap::Error) -> FlagError {
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<FlagError>());
    match source {
        Some(value_error) if error.kind() == ErrorKind::ValueValidation => value_error.clone(),
        _ => FlagError(error.kind().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command() -> Command {
        Command::new("test")
            .arg(text("name"))
            .arg(text("rpc-addr").default_value("127.0.0.1:7373"))
            .arg(list("tag"))
            .arg(switch("detailed"))
            .arg(switch("coalesce").default_value("true"))
            .arg(integer("relay-factor"))
            .arg(duration("timeout"))
    }

    fn read(words: &[&str]) -> Result<ArgMatches, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        parse(command(), &words).map_err(|error| error.to_string())
    }

    fn name(words: &[&str]) -> Option<String> {
        read(words).expect("fits").get_one::<String>("name").cloned()
    }

    fn positional(given: &[&str]) -> Vec<String> {
        words(&read(given).expect("fits")).map(str::to_owned).collect()
    }

    #[test]
    fn defaults_hold_without_words() {
        let matches = read(&[]).expect("fits");
        assert_eq!(matches.get_one::<String>("name"), None);
        assert_eq!(matches.get_one::<String>("rpc-addr").expect("present"), "127.0.0.1:7373");
        assert!(matches.get_many::<String>("tag").is_none());
        assert_eq!(matches.get_one::<bool>("detailed"), Some(&false));
        assert_eq!(matches.get_one::<bool>("coalesce"), Some(&true));
        assert_eq!(matches.get_one::<i64>("relay-factor"), None);
        assert_eq!(words(&matches).len(), 0);
    }

    #[test]
    fn a_value_is_given_in_four_ways() {
        for words in [["-name=x", ""], ["--name=x", ""], ["-name", "x"], ["--name", "x"]] {
            assert_eq!(name(&words).as_deref(), Some("x"), "{words:?}");
        }
    }

    #[test]
    fn a_value_may_be_anything() {
        assert_eq!(name(&["-name="]).as_deref(), Some(""));
        assert_eq!(name(&["-name", ""]).as_deref(), Some(""));
        assert_eq!(name(&["-name", "-detailed"]).as_deref(), Some("-detailed"));
        assert_eq!(name(&["-name", "--"]).as_deref(), Some("--"));
        assert_eq!(name(&["-name=a=b"]).as_deref(), Some("a=b"));
        assert_eq!(name(&["-name=a,b c"]).as_deref(), Some("a,b c"));
    }

    #[test]
    fn the_last_scalar_wins_and_lists_collect() {
        assert_eq!(name(&["-name=a", "-name=b"]).as_deref(), Some("b"));
        let matches = read(&["-tag=a,b", "-tag", "c", "--tag="]).expect("fits");
        let tags: Vec<&String> = matches.get_many("tag").expect("present").collect();
        assert_eq!(tags, ["a,b", "c", ""]);
        let matches =
            read(&["-detailed=false", "-detailed", "-coalesce", "-coalesce=F"]).expect("fits");
        assert_eq!(matches.get_one::<bool>("detailed"), Some(&true));
        assert_eq!(matches.get_one::<bool>("coalesce"), Some(&false));
    }

    #[test]
    fn a_boolean_takes_no_word() {
        let matches = read(&["-detailed", "false"]).expect("fits");
        assert_eq!(matches.get_one::<bool>("detailed"), Some(&true));
        assert_eq!(words(&matches).collect::<Vec<_>>(), ["false"]);
    }

    #[test]
    fn flags_end_at_the_first_positional_word() {
        assert_eq!(positional(&["-detailed", "n4", "-prune"]), ["n4", "-prune"]);
        assert_eq!(positional(&["a", "--", "-name=x"]), ["a", "--", "-name=x"]);
        assert_eq!(positional(&["--", "-name", "--"]), ["-name", "--"]);
        assert_eq!(positional(&["-", "-bogus"]), ["-", "-bogus"]);
        assert_eq!(positional(&["", "-bogus"]), ["", "-bogus"]);
        assert_eq!(positional(&["--"]), [""; 0]);
        assert_eq!(name(&["a", "-name=x"]), None);
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let matches = read(&["-relay-factor=0x1_f", "-timeout", "1m30s"]).expect("fits");
        assert_eq!(matches.get_one::<i64>("relay-factor"), Some(&31));
        assert_eq!(matches.get_one::<i64>("timeout"), Some(&90_000_000_000));
        let matches = read(&["-relay-factor", "-1", "-timeout=-1s"]).expect("fits");
        assert_eq!(matches.get_one::<i64>("relay-factor"), Some(&-1));
        assert_eq!(matches.get_one::<i64>("timeout"), Some(&-1_000_000_000));
    }

    #[test]
    fn errors_are_go_s() {
        for (words, error) in [
            (&["-bogus"][..], "flag provided but not defined: -bogus"),
            (&["--bogus=1"], "flag provided but not defined: -bogus"),
            (&["-nam=1"], "flag provided but not defined: -nam"),
            (&["-words=1"], "flag provided but not defined: -words"),
            (&["-version"], "flag provided but not defined: -version"),
            (&["---name=x"], "bad flag syntax: ---name=x"),
            (&["-=x"], "bad flag syntax: -=x"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["-name"], "flag needs an argument: -name"),
            (&["-detailed", "-tag"], "flag needs an argument: -tag"),
            (&["-coalesce=maybe"], r#"invalid boolean value "maybe" for -coalesce: parse error"#),
            (&["-detailed="], r#"invalid boolean value "" for -detailed: parse error"#),
            (&["-timeout=abc"], r#"invalid value "abc" for flag -timeout: parse error"#),
            (&["-timeout=5"], r#"invalid value "5" for flag -timeout: parse error"#),
            (
                &["-relay-factor", "é\n"],
                r#"invalid value "é\n" for flag -relay-factor: parse error"#,
            ),
            (
                &["-relay-factor=99999999999999999999"],
                r#"invalid value "99999999999999999999" for flag -relay-factor: value out of range"#,
            ),
            (&["-h=1"], ""),
            (&["--help=x"], ""),
        ] {
            assert_eq!(read(words).expect_err("misfit"), error, "{words:?}");
        }
    }

    #[test]
    fn the_first_misfit_is_told() {
        let bad_value = r#"invalid value "x" for flag -timeout: parse error"#;
        assert_eq!(read(&["-timeout=x", "-bogus"]).expect_err("misfit"), bad_value);
        assert_eq!(read(&["-timeout=x", "-timeout=1s"]).expect_err("misfit"), bad_value);
        assert_eq!(
            read(&["-bogus", "-timeout=x"]).expect_err("misfit"),
            "flag provided but not defined: -bogus"
        );
    }

    proptest! {
        #[test]
        fn no_words_panic(words in prop::collection::vec("-{0,3}(name|tag|detailed|timeout|é)?=?[-a-z0-9é]{0,3}", 0..5)) {
            let _ = parse(command(), &words);
        }

        #[test]
        fn words_behind_two_dashes_are_kept(given in prop::collection::vec(".{0,8}", 0..5)) {
            let all: Vec<String> = std::iter::once("--".to_owned()).chain(given.iter().cloned()).collect();
            let matches = parse(command(), &all).expect("present");
            prop_assert_eq!(words(&matches).collect::<Vec<_>>(), given);
        }
    }
}
