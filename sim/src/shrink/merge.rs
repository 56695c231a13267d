//! Fewer faults by one that does the work of two: for what dropping alone cannot make small, as each of them is needed.

use toml::{Table, Value};

use super::Search;
use super::time::{block_end, later, time};
use crate::scenario::Nanos;
use crate::swarm::document::{Document, span};

const SECOND: Nanos = 1_000_000_000;
/// How much longer than the two of them one fault may have to last.
const LONGER: [Nanos; 2] = [0, 5 * SECOND];
/// A scenario with more faults is for ddmin first.
const FAULTS_MAX: usize = 8;

/// Replaces pairs of faults until none can be replaced.
pub(super) fn remove(search: &mut Search<'_>) {
    loop {
        let faults: Vec<Table> = search.best.document.blocks("fault").cloned().collect();
        if faults.len() < 2 || faults.len() > FAULTS_MAX {
            return;
        }
        let mut candidates = Vec::new();
        for one in 0..faults.len() {
            for other in one + 1..faults.len() {
                restarts(&search.best.document, &faults, (one, other), &mut candidates);
                longer(&search.best.document, &faults, (one, other), &mut candidates);
            }
        }
        if candidates.is_empty() || search.take_first(candidates).is_none() {
            return;
        }
    }
}

/// A crash and what starts the same hosts again are one restart.
fn restarts(
    document: &Document,
    faults: &[Table],
    (one, other): (usize, usize),
    candidates: &mut Vec<Document>,
) {
    let (Some(crash), Some(_)) = (faults[one].get("crash"), faults[other].get("restart")) else {
        return;
    };
    for at in [&faults[other], &faults[one]].map(|fault| fault.get("at").cloned()) {
        let mut restart = faults[other].clone();
        restart.insert("restart".into(), crash.clone());
        restart.insert("every".into(), span(SECOND));
        if let Some(at) = at {
            restart.insert("at".into(), at);
        }
        candidates.push(replaced(document, faults, (one, other), restart));
    }
}

/// One of two faults that last goes on for both, or longer; or a host stands still for that time.
fn longer(
    document: &Document,
    faults: &[Table],
    (one, other): (usize, usize),
    candidates: &mut Vec<Document>,
) {
    let window = |fault: &Table| Some((time(fault, "at")?, block_end(fault)?));
    let (Some(first), Some(second)) = (window(&faults[one]), window(&faults[other])) else {
        return;
    };
    let (at, until) = (first.0.min(second.0), first.1.max(second.1));
    let lasting = |what: &Table, until: Nanos| {
        let mut fault = what.clone();
        fault.remove("for");
        fault.insert("at".into(), span(at));
        fault.insert("until".into(), span(until));
        fault
    };
    let pause = |name: &Value| {
        let mut pause = Table::new();
        pause.insert("pause".into(), Value::Array(vec![name.clone()]));
        pause
    };
    let hosts = document.0.get("nodes").and_then(Value::as_array);
    let pauses: Vec<Table> = hosts.into_iter().flatten().map(pause).collect();
    for more in LONGER {
        for what in pauses.iter().chain([&faults[one], &faults[other]]) {
            let fault = lasting(what, until + more);
            // What follows waits for the end.
            let room = later(document, until, more);
            let faults: Vec<Table> = room.blocks("fault").cloned().collect();
            candidates.push(replaced(&room, &faults, (one, other), fault));
        }
    }
}

fn replaced(
    document: &Document,
    faults: &[Table],
    (one, other): (usize, usize),
    by: Table,
) -> Document {
    let mut faults = faults.to_vec();
    faults.remove(other);
    faults[one] = by;
    let mut fewer = document.clone();
    fewer.set_blocks("fault", faults);
    fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    type Make = fn(&Document, &[Table], (usize, usize), &mut Vec<Document>);

    fn faults(text: &str, make: Make) -> Vec<String> {
        let document = Document::parse(text).expect("valid TOML");
        let faults: Vec<Table> = document.blocks("fault").cloned().collect();
        let mut candidates = Vec::new();
        make(&document, &faults, (0, 1), &mut candidates);
        candidates.iter().map(Document::render).collect()
    }

    #[test]
    fn a_crash_and_a_start_become_one_restart() {
        let text = "nodes = 3\n\n[[fault]]\nat = \"1s\"\ncrash = [\"host1\"]\n\n[[fault]]\nat = \"5s\"\n\
                    restart = [\"host1\"]\n";
        let made = faults(text, restarts);
        let wanted = "nodes = 3\n\n[[fault]]\nat = \"5s\"\nevery = \"1s\"\nrestart = [\"host1\"]\n";
        assert_eq!(made.first().map(String::as_str), Some(wanted));
    }

    #[test]
    fn two_faults_that_last_become_one_and_what_follows_waits() {
        let text = "duration = \"9s\"\nnodes = [\"a\", \"b\"]\n\n[[fault]]\nat = \"1s\"\nuntil = \"2s\"\npause = [\"a\"]\n\n\
                    [[fault]]\nat = \"3s\"\nfor = \"1s\"\npause = [\"b\"]\n\n[[work]]\nat = \"6s\"\nleave = [\"a\"]\n";
        let made = faults(text, longer);
        assert_eq!(made.len(), 8);
        let wanted = "duration = \"14s\"\nnodes = [\"a\", \"b\"]\n\n[[fault]]\nat = \"1s\"\nuntil = \"9s\"\npause = [\"a\"]\n\n\
                      [[work]]\nat = \"11s\"\nleave = [\"a\"]\n";
        assert_eq!(made[4], wanted);
    }
}
