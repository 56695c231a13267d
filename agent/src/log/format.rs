//! From an event to text: Serf's line, one JSON object, and the rest that goes to syslog.

use std::fmt::{Debug, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::clock::Wall;

/// Serf's name of a level.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The buffers in which records are put together, kept between records.
#[derive(Default)]
pub(crate) struct Scratch {
    message: String,
    fields: String,
    line: String,
    stamp: Stamp,
}

/// Beyond this a buffer is given back after the record.
const KEPT_BYTES: usize = 4096;

/// The local time as text; it is the same for all records of one second.
#[derive(Default)]
struct Stamp {
    second: Option<i64>,
    text: String,
}

impl Stamp {
    fn at(&mut self, now: Wall) -> &str {
        if self.second != Some(now.seconds) {
            self.second = Some(now.seconds);
            self.text.clear();
            now.local().log(&mut self.text);
        }
        &self.text
    }
}

impl Scratch {
    /// Serf's line without its final newline, and where the part for syslog begins in it.
    pub(crate) fn serf(&mut self, event: &Event<'_>, now: Wall) -> (&str, usize) {
        self.message.clear();
        self.fields.clear();
        event.record(&mut Text { message: &mut self.message, fields: &mut self.fields });
        let metadata = event.metadata();
        self.line.clear();
        self.line.push_str(self.stamp.at(now));
        let _ = write!(self.line, " [{}] ", level_name(*metadata.level()));
        let rest = self.line.len();
        if !metadata.target().is_empty() {
            self.line.push_str(metadata.target());
            self.line.push_str(": ");
        }
        self.line.push_str(&self.message);
        self.line.push_str(&self.fields);
        if self.line.ends_with('\n') {
            self.line.pop();
        }
        (&self.line, rest)
    }

    /// Gives back what one long record needed.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.message, &mut self.fields, &mut self.line] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = String::new();
            }
        }
    }
}

/// A record as one JSON object, without a newline. Fields named like its own members do not replace them.
pub(crate) fn json(event: &Event<'_>, now: Wall) -> String {
    let mut fields = Members::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let mut time = String::new();
    now.local().rfc3339(&mut time);
    let mut out = String::from("{");
    let own = [
        ("time", time.as_str()),
        ("level", level_name(*metadata.level())),
        ("subsystem", metadata.target()),
        ("message", &fields.message),
    ];
    for (name, value) in own {
        let _ = write!(out, "{}:{},", Value::from(name), Value::from(value));
        fields.others.remove(name);
    }
    for (name, value) in &fields.others {
        let _ = write!(out, "{}:{value},", Value::from(name.as_str()));
    }
    out.pop();
    out.push('}');
    out
}

/// That lines are missing, in Serf's form.
pub(crate) fn serf_note(now: Wall, lost: u64) -> String {
    let mut out = String::new();
    now.local().log(&mut out);
    out.push_str(" [WARN] agent: ");
    out + &missing(lost)
}

/// That lines are missing, as a JSON object.
pub(crate) fn json_note(now: Wall, lost: u64) -> String {
    let mut time = String::new();
    now.local().rfc3339(&mut time);
    let message = missing(lost);
    serde_json::json!({"time": time, "level": "WARN", "subsystem": "agent", "message": message})
        .to_string()
}

fn missing(lost: u64) -> String {
    format!("{lost} lines could not be written")
}

/// Collects the message, and the other fields as ` key=value`.
struct Text<'a> {
    message: &'a mut String,
    fields: &'a mut String,
}

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Collects the message, and the other fields as JSON values.
#[derive(Default)]
struct Members {
    message: String,
    others: Map<String, Value>,
}

impl Members {
    fn member(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.member(field, Value::from(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.member(field, Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, Value::from(value));
    }
}
