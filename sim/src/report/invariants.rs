//! The table of invariants: what was checked in every run, and what broke it.

use std::fmt::Write as _;

use super::html::escape;
use super::stats::seconds;
use crate::outcome::{InvariantOutcome, Outcome};

/// The section with its heading; empty if nobody checked.
pub(super) fn section(outcome: &Outcome) -> String {
    let mut html = String::new();
    if outcome.invariants.is_empty() {
        return html;
    }
    html.push_str("<h2 id=\"invariants\">What must always hold</h2>\n");
    html.push_str("<div class=\"wide\"><table>\n<tr><th>Invariant</th><th>Verdict</th>");
    html.push_str("<th class=\"n\">Held in</th><th class=\"n\">Broken in</th>");
    html.push_str("<th class=\"n\">Not put to the test in</th></tr>\n");
    for invariant in &outcome.invariants {
        row(invariant, &mut html);
    }
    html.push_str("</table></div>\n");
    html
}

fn row(invariant: &InvariantOutcome, html: &mut String) {
    let InvariantOutcome { name, pass, fail, unknown, unchecked, too_large, first } = invariant;
    let (class, word) = match (fail, pass) {
        (0, 0) => ("none", "UNKNOWN"),
        (0, _) => ("pass", "PASS"),
        _ => ("miss", "FAIL"),
    };
    let mut about = String::from(*name);
    if *unchecked {
        about.push_str("<small>the scenario breaks it on purpose</small>");
    } else if *too_large {
        about.push_str("<small>not checked in so large a world</small>");
    }
    if let Some(first) = first {
        let at = seconds(first.at);
        let text = escape(&first.text);
        // Writing to a String cannot fail.
        let _ = write!(about, "<small>seed {} at {at:.3} s: {text}</small>", first.seed);
    }
    let _ = writeln!(
        html,
        "<tr><td>{about}</td><td><span class=\"tag {class}\">{word}</span></td><td class=\"n\">{pass}</td>\
         <td class=\"n\">{fail}</td><td class=\"n\">{unknown}</td></tr>"
    );
}
