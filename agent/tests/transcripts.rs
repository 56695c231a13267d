//! Replays every recorded command-line case against the `serf` program and compares what it prints and how it exits.
//!
//! `UWASA_TRANSCRIPT_BIN` names another program to test; with the original one every case must pass, which is the proof
//! of the harness. Cases run at the same time, each in a network of its own, so the recorded addresses are used literally.
#![allow(clippy::unwrap_used, reason = "a test may stop at what must not happen")]
#![allow(clippy::wildcard_enum_match_arm, reason = "most acts concern one place only")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "transcripts/acts.rs"]
mod acts;
#[path = "transcripts/agent_cases.rs"]
mod agent_cases;
#[path = "transcripts/command_cases.rs"]
mod command_cases;
#[path = "transcripts/compare.rs"]
mod compare;
#[path = "transcripts/comparer_tests.rs"]
mod comparer_tests;
#[path = "transcripts/data.rs"]
mod data;
#[path = "transcripts/play.rs"]
mod play;
#[path = "transcripts/stage.rs"]
mod stage;
#[path = "transcripts/table.rs"]
mod table;

/// A case that real time spoilt, on a busy machine for instance, is played again from the start, at most twice.
const ATTEMPTS: usize = 3;

/// The cases mostly wait, so more of them run at once than there are processors.
const AT_ONCE: usize = 12;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let private = stage::private_networks();
    let threads = if private { AT_ONCE } else { 1 };
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(threads).min(threads));
    let mut trials = comparer_tests::trials();
    trials.push(Trial::test("every_case_is_run_or_listed", every_case_is_run_or_listed));
    trials.push(Trial::test("every_capture_is_compared", every_capture_is_compared));
    for (number, case) in data::recorded().cases.iter().enumerate() {
        let Some(setup) = table::cases().find(|c| c.name == case.case) else { continue };
        let all: Vec<usize> = (0..case.steps.len()).collect();
        let ignored = setup.needs_private && !private;
        if setup.apart {
            trials.extend(all.iter().map(|s| {
                trial(format!("{}/{s:02}", case.case), number, setup, vec![*s], private)
                    .with_ignored_flag(ignored)
            }));
        } else {
            trials.push(
                trial(case.case.clone(), number, setup, all, private).with_ignored_flag(ignored),
            );
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(
    name: String,
    number: usize,
    setup: &'static acts::Case,
    steps: Vec<usize>,
    private: bool,
) -> Trial {
    Trial::test(name, move || {
        let mut played = Ok(());
        for _ in 0..ATTEMPTS {
            let recorded = data::recorded().cases.swap_remove(number);
            let files = data::files().remove(setup.name).unwrap_or_default();
            let steps = steps.clone();
            played = stage::in_private_network(private, move || {
                play::play(setup, &recorded, &files, &steps)
            });
            match &played {
                Ok(()) => return Ok(()),
                Err(why) => eprintln!(
                    "{}, an attempt: {}",
                    setup.name,
                    why.lines().next().unwrap_or_default()
                ),
            }
        }
        played.map_err(Failed::from)
    })
}

fn every_case_is_run_or_listed() -> Result<(), Failed> {
    let recorded: Vec<String> = data::recorded().cases.into_iter().map(|c| c.case).collect();
    let listed = |name: &str| {
        table::cases().filter(|c| c.name == name).count()
            + table::NOT_RUN.iter().filter(|(n, reason)| *n == name && !reason.is_empty()).count()
    };
    for name in &recorded {
        if listed(name) != 1 {
            return Err(format!("{name} is listed {} times", listed(name)).into());
        }
    }
    for d in table::DIFFERENCES {
        if d.reason.is_empty() || !is_recorded(d) {
            return Err(format!("{}: no reason, or not recorded: {:?}", d.case, d.from).into());
        }
    }
    let unknown = table::cases().find(|c| !recorded.iter().any(|r| r == c.name));
    unknown.map_or(Ok(()), |c| Err(format!("{} is not recorded", c.name).into()))
}

/// Whether what a difference is about has been recorded.
fn is_recorded(difference: &acts::Difference) -> bool {
    let has = |text: &String| text.contains(difference.from);
    let captured = data::files().remove(difference.case).unwrap_or_default();
    let cases = data::recorded().cases;
    let case = cases.iter().find(|c| c.case == difference.case);
    let step = case.and_then(|c| c.steps.get(difference.step));
    step.is_some_and(|s| has(&s.stdout) || has(&s.stderr))
        || step.is_some() && captured.values().flatten().any(has)
}

fn every_capture_is_compared() -> Result<(), Failed> {
    for (case, files) in data::files() {
        let setup = table::cases().find(|c| c.name == case).ok_or(format!("{case} is not run"))?;
        let taken: Vec<&str> = setup.around.iter().flat_map(acts::At::labels).collect();
        for label in files.keys().filter(|l| !play::is_input(l)) {
            if !taken.contains(&label.as_str()) {
                return Err(format!("{case}: {label:?} is not compared").into());
            }
        }
    }
    Ok(())
}
