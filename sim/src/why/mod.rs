//! Why an observer thinks of a subject what it thinks: the chain of causes behind one row of a history, as text.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::history::document::{Document, view};

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time in microseconds.
    pub at: u64,
    /// What happened.
    pub text: String,
}

/// One change of the observer's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Time in microseconds.
    pub at: u64,
    /// The view from then on, as in [`view`].
    pub view: u8,
    /// The row that made it; `None`: it was so from the start.
    pub row: Option<u32>,
}

/// Reads a [`Document`] for questions.
#[derive(Debug)]
pub struct Why<'a> {
    document: &'a Document,
    /// Absolute time of every row.
    at: Vec<u64>,
}

/// Everything about one pair at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// All changes of the view, in order.
    pub changes: Vec<Change>,
    /// Which of them is explained.
    pub explained: usize,
    /// The causes, the first one first.
    pub lines: Vec<Line>,
}

impl<'a> Why<'a> {
    /// Ready for questions.
    #[must_use]
    pub fn new(document: &'a Document) -> Self {
        let mut now = 0;
        let sum = |step: &u64| {
            now += step;
            now
        };
        Self { document, at: document.rows.at.iter().map(sum).collect() }
    }

    /// Every view that `observer` had of `subject`, as indexes into the names. Never empty.
    #[must_use]
    pub fn changes(&self, observer: u32, subject: u32) -> Vec<Change> {
        let (rows, members) = (&self.document.rows, self.document.members);
        let warm = self.document.warm && observer < members && subject < members;
        let start = if warm { view::ALIVE } else { view::NONE };
        let mut changes = vec![Change { at: 0, view: start, row: None }];
        for (index, (node, view)) in rows.node.iter().zip(&rows.view).enumerate() {
            let about = *view == view::RESET || rows.subject[index] == subject + 1;
            if *node != observer || *view == view::SAME || !about {
                continue;
            }
            let seen = if *view == view::RESET { view::NONE } else { *view };
            if changes.last().is_some_and(|last| last.view != seen) {
                let row = u32::try_from(index).ok();
                changes.push(Change { at: self.at[index], view: seen, row });
            }
        }
        changes
    }

    /// What `observer` thought of `subject` at a moment, and why. Without a moment: its latest verdict against the
    /// subject, or else its last change of view.
    #[must_use]
    pub fn answer(&self, observer: u32, subject: u32, at: Option<u64>) -> Answer {
        let changes = self.changes(observer, subject);
        let against = |it: &Change| {
            matches!(it.view, view::SUSPECT | view::FAILED | view::LEAVING | view::LEFT)
        };
        let explained = match at {
            Some(at) => changes.iter().rposition(|it| it.at <= at),
            None => changes.iter().rposition(against),
        };
        let explained = explained.unwrap_or(changes.len() - 1);
        let lines = changes[explained].row.map_or_else(Vec::new, |row| self.chain(row));
        Answer { changes, explained, lines }
    }

    /// The causes of a row, itself last.
    #[must_use]
    pub fn chain(&self, row: u32) -> Vec<Line> {
        let mut rows = BTreeSet::new();
        let mut next = Some(row);
        while let Some(row) = next {
            rows.insert(row);
            rows.extend(self.document.notes.get(&row).into_iter().flatten());
            let back = self.document.rows.cause[row as usize];
            next = (back > 0).then(|| row - back);
        }
        let mut lines = Vec::new();
        for row in rows {
            for &(at, text) in self.document.details.get(&row).into_iter().flatten() {
                lines.push(Line { at, text: self.document.texts[text as usize].clone() });
            }
            lines.push(Line { at: self.at[row as usize], text: self.sentence(row) });
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// A row in words.
    #[must_use]
    pub fn sentence(&self, row: u32) -> String {
        let (document, index) = (self.document, row as usize);
        let rows = &document.rows;
        let name = |number: u32| document.names.get(number as usize).map_or("", String::as_str);
        let maybe = |number: u32| number.checked_sub(1).map_or("", name);
        let mut sentence = String::new();
        let mut rest = document.forms[usize::from(rows.form[index])].as_str();
        // Names are never searched for patterns: they are written once and not looked at again.
        while let Some((before, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}').unwrap_or((after, ""));
            sentence.push_str(before);
            match key {
                "node" => sentence.push_str(name(rows.node[index])),
                "subject" => sentence.push_str(maybe(rows.subject[index])),
                "teller" => sentence.push_str(maybe(rows.teller[index])),
                "serial" => sentence.push_str(&rows.serial[index].to_string()),
                "delay" => sentence.push_str(&milliseconds(rows.delay[index])),
                "text" => sentence.push_str(&document.texts[rows.text[index] as usize]),
                _ => {}
            }
            rest = after;
        }
        sentence.push_str(rest);
        sentence
    }

    /// The answer as text, ready to be printed.
    #[must_use]
    pub fn text(&self, observer: u32, subject: u32, at: Option<u64>) -> String {
        let answer = self.answer(observer, subject, at);
        let name =
            |number: u32| self.document.names.get(number as usize).map_or("", String::as_str);
        let (observer, subject) = (name(observer), name(subject));
        let mut text = format!("What {observer} thought of {subject}:\n");
        for (index, change) in answer.changes.iter().enumerate() {
            let mark = if index == answer.explained { "   <- why?" } else { "" };
            let word = word(change.view);
            text.push_str(&format!("  {:>10}  {word}{mark}\n", seconds(change.at)));
        }
        text.push('\n');
        match answer.lines.as_slice() {
            [] => text.push_str(Self::nothing(&answer)),
            lines => {
                for line in lines {
                    text.push_str(&format!("  {:>10}  {}\n", seconds(line.at), line.text));
                }
            }
        }
        if !self.document.omitted.is_empty() {
            text.push_str(&format!("\n{}\n", self.document.omitted));
        }
        text
    }

    /// What to say where no row explains the view.
    fn nothing(answer: &Answer) -> &'static str {
        if answer.changes[answer.explained].view == view::NONE {
            "Nothing to tell: it had not heard of it.\n"
        } else {
            "Nothing to tell: in this scenario everybody knew everybody from the start.\n"
        }
    }
}

/// The word for a view.
#[must_use]
pub fn word(number: u8) -> &'static str {
    view::WORDS.get(usize::from(number)).copied().unwrap_or("unknown")
}

/// `53.912 s`.
#[must_use]
pub fn seconds(micros: u64) -> String {
    let millis = micros / 1_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}
