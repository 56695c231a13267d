//! Compares recorded and seen answers: what must be equal to the byte, what has no order, and what varies.

use regex::Regex;
use rmpv::Value;

/// One answer: a header and the body that belongs to it.
pub(crate) struct Message {
    pub(crate) header: Object,
    pub(crate) body: Option<Object>,
}

/// A decoded object with the bytes it came from.
pub(crate) struct Object {
    pub(crate) value: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    /// Whether it is a log line of a monitor: what these say and how many there are depends on the agent's past.
    pub(crate) fn is_log(&self) -> bool {
        self.body.as_ref().is_some_and(|b| field(&b.value, "Log").is_some())
    }

    /// Whether it is one of the empty records that the original program can emit as a query's channels close.
    pub(crate) fn is_spurious(&self) -> bool {
        let from = self.body.as_ref().and_then(|b| field(&b.value, "From"));
        from.and_then(Value::as_str) == Some("") && !self.is_done()
    }

    pub(crate) fn is_done(&self) -> bool {
        let kind = self.body.as_ref().and_then(|b| field(&b.value, "Type"));
        kind.and_then(Value::as_str) == Some("done")
    }
}

/// Takes the complete objects off the front of the bytes.
pub(crate) fn take_objects(bytes: &mut Vec<u8>) -> Vec<Object> {
    let mut objects = Vec::new();
    loop {
        let mut rest = &bytes[..];
        let Ok(value) = rmpv::decode::read_value(&mut rest) else { return objects };
        let used = bytes.len() - rest.len();
        objects.push(Object { value, bytes: bytes.drain(..used).collect() });
    }
}

/// Puts headers and bodies together.
pub(crate) fn messages(objects: Vec<Object>) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    for object in objects {
        let is_header = field(&object.value, "Error").is_some_and(Value::is_str)
            && field(&object.value, "Seq").is_some();
        match all.last_mut() {
            Some(last) if !is_header && last.body.is_none() => last.body = Some(object),
            _ => all.push(Message { header: object, body: None }),
        }
    }
    all
}

pub(crate) fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
}

/// Whether two messages say the same.
pub(crate) fn alike(expected: &Message, seen: &Message) -> bool {
    let bodies = match (&expected.body, &seen.body) {
        (None, None) => true,
        (Some(e), Some(s)) => object_alike(e, s),
        _ => false,
    };
    bodies && object_alike(&expected.header, &seen.header)
}

/// Equal values must be encoded alike too: clients of many ages read them.
fn object_alike(expected: &Object, seen: &Object) -> bool {
    if expected.value == seen.value {
        expected.bytes == seen.bytes
    } else {
        value_alike("", &expected.value, &seen.value)
    }
}

fn value_alike(key: &str, expected: &Value, seen: &Value) -> bool {
    match (expected, seen) {
        (Value::Map(e), Value::Map(s)) => map_alike(key, e, s),
        (Value::Array(e), Value::Array(s)) if key == "Members" => {
            e.len() == s.len() && members_alike(e, s)
        }
        (Value::Array(e), Value::Array(s)) if key == "Updated" => {
            !s.is_empty() && members_alike(e, s)
        }
        (Value::Array(e), Value::Array(s)) => {
            e.len() == s.len() && e.iter().zip(s).all(|(e, s)| value_alike(key, e, s))
        }
        (Value::F64(_), Value::F64(_)) => true,
        (Value::Integer(_), Value::Integer(s)) if key == "LTime" => s.is_u64(),
        (Value::String(e), Value::String(s)) => {
            e == s || string_varies(key, s.as_str().unwrap_or_default())
        }
        _ => expected == seen,
    }
}

/// Structures come in the byte order of their names; maps of the program's user have none.
fn map_alike(key: &str, expected: &[(Value, Value)], seen: &[(Value, Value)]) -> bool {
    let structure = expected
        .iter()
        .all(|(k, _)| k.as_str().is_some_and(|k| k.starts_with(|c: char| c.is_ascii_uppercase())));
    let known = field(&Value::Map(expected.to_vec()), "Ok") != Some(&Value::Boolean(false));
    // The original tells members again that had been updated before; who does not is right as well.
    let event =
        field(&Value::Map(expected.to_vec()), "Event").and_then(Value::as_str).map(str::to_owned);
    let updates = event.as_deref() == Some("member-update");
    expected.len() == seen.len()
        && (0..seen.len()).all(|at| {
            let (e_key, e) = &expected[at];
            let pair = if structure && key != "Tags" {
                seen.get(at)
            } else {
                seen.iter().find(|(k, _)| k == e_key)
            };
            pair.is_some_and(|(s_key, s)| {
                let name = match e_key.as_str().unwrap_or_default() {
                    "Members" if updates => "Updated",
                    name => name,
                };
                e_key == s_key && if known { value_alike(name, e, s) } else { e == s }
            })
        })
}

/// Members in any order.
fn members_alike(expected: &[Value], seen: &[Value]) -> bool {
    let known = |s: &Value| expected.iter().any(|e| value_alike("Member", e, s));
    let twice = |s: &Value| seen.iter().filter(|other| *other == s).count() > 1;
    seen.iter().all(|s| known(s) && !twice(s))
}

fn string_varies(key: &str, seen: &str) -> bool {
    const NUMBERS: [&str; 9] = [
        "cpu_count",
        "goroutines",
        "max_procs",
        "health_score",
        "event_queue",
        "intent_queue",
        "query_queue",
        "event_time",
        "query_time",
    ];
    let stamp =
        Regex::new(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(TRACE|DEBUG|INFO|WARN|ERR)\] ").unwrap();
    match key {
        "version" => !seen.is_empty(),
        "Log" => stamp.is_match(seen),
        _ => (NUMBERS.contains(&key) || key == "member_time") && seen.parse::<u64>().is_ok(),
    }
}
