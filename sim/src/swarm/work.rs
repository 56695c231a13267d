//! What users and operators do in a random scenario.

use toml::{Table, Value};

use super::document::{span, table, texts};
use super::draft::{Draft, name};
use super::draw::{Dice, Draws, SECOND};
use super::shape::Shape;
use crate::scenario::Nanos;

/// Stream of the first kind.
const FIRST_KIND: u64 = 1_001;
/// Stream of the event that is sent when all agree again.
const LATE: u64 = 2_001;

/// A kind of work: its label, and what adds one of it to a draft, if there is room.
type Kind = (&'static str, fn(&mut Dice, &Shape, &mut Draft, u64) -> bool);

/// Every kind with its stream and most pieces. A new kind takes a stream number of its own.
const KINDS: [(u64, u64, Kind); 7] = [
    (0, 8, ("work event", event)),
    (1, 6, ("work query", query)),
    (2, 3, ("work join", join)),
    (3, 4, ("work tags", set_tags)),
    (4, 4, ("work keys", keys)),
    (5, 3, ("work force-leave", force_leave)),
    (6, 2, ("work event storm", storm)),
];

pub(super) fn draw(draws: &Draws, shape: &Shape, draft: &mut Draft) {
    for (stream, most, (label, add)) in KINDS {
        let mut dice = draws.of(FIRST_KIND + stream);
        let there = dice.percent(if label == "work keys" { 25 } else { 45 });
        let count = dice.small(1, most);
        for number in 0..count {
            if there && add(&mut dice, shape, draft, number) {
                draft.labels.insert(label);
            }
        }
    }
}

/// An event of one of these nodes at a time at which all must agree again, so that it is due everywhere. In few scenarios,
/// as they last longer for it.
pub(super) fn late(draws: &Draws, stay: &[usize], at: Nanos) -> Option<Table> {
    let mut dice = draws.of(LATE);
    if !dice.percent(12) || stay.is_empty() {
        return None;
    }
    let who = dice.pick(stay);
    Some(table([("at", span(at)), ("event", "late".into()), from(who)]))
}

/// A time before the calm at which somebody acts, and who.
fn when(dice: &mut Dice, draft: &Draft) -> Option<(Nanos, usize)> {
    let at = draft.moment(dice, SECOND);
    draft.one_up(dice, at).map(|who| (at, who))
}

/// The same, now and then early in the calm: for what disturbs nobody.
fn any_time(dice: &mut Dice, draft: &Draft) -> Option<(Nanos, usize)> {
    let late = dice.percent(20);
    let calm = dice.time(draft.calm + SECOND, draft.calm + 20 * SECOND);
    let rough = when(dice, draft);
    if late { draft.one_up(dice, calm).map(|who| (calm, who)) } else { rough }
}

fn from(who: usize) -> (&'static str, Value) {
    ("from", Value::String(name(who)))
}

/// So many characters that compression does not shorten much.
fn text(dice: &mut Dice, len: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..len).map(|_| char::from(dice.pick(LETTERS))).collect()
}

fn event(dice: &mut Dice, _shape: &Shape, draft: &mut Draft, number: u64) -> bool {
    let bytes = dice.small(0, 300);
    let payload = format!("{number}{}", text(dice, bytes));
    let Some((at, who)) = any_time(dice, draft) else { return false };
    let payload = Value::String(payload);
    draft.work(at, [("event", "deploy".into()), ("payload", payload), from(who)]);
    true
}

fn storm(dice: &mut Dice, _shape: &Shape, draft: &mut Draft, number: u64) -> bool {
    let every = dice.time(10_000_000, 500_000_000);
    let count = dice.number(5, 40);
    let length = every.saturating_mul(count);
    // Large ones fill packets up to their limit.
    let bytes = dice.pick(&[0, 0, 100, 400]);
    let payload = format!("{{n}}{}", text(dice, bytes));
    let Some((at, who)) = draft.chance(dice, 1, length) else { return false };
    if at.saturating_add(length) > draft.calm {
        return false;
    }
    let count = Value::Integer(i64::try_from(count).unwrap_or(2));
    let what = Value::String(format!("storm{number}"));
    draft.work(
        at,
        [
            ("event", what),
            ("payload", Value::String(payload)),
            ("every", span(every)),
            ("count", count),
            from(who[0]),
        ],
    );
    true
}

fn query(dice: &mut Dice, shape: &Shape, draft: &mut Draft, number: u64) -> bool {
    let (ack, relays) = (dice.percent(60), dice.weighted(&[(6, 0), (2, 1), (2, 3)]));
    let (by_name, by_tag, silent) = (dice.percent(30), dice.percent(25), dice.percent(15));
    let timeout = dice.percent(30).then(|| dice.time(SECOND, 15 * SECOND));
    let asked = dice.some(draft.len(), draft.len().div_ceil(2));
    let Some((at, who)) = any_time(dice, draft).filter(|_| shape.queries) else { return false };
    let mut block = table([
        ("query", Value::String(format!("uptime{number}"))),
        from(who),
        ("at", span(at)),
        ("ack", Value::Boolean(ack)),
    ]);
    let mut add = |there: bool, key: &str, value: Value| {
        if there {
            block.insert(key.into(), value);
        }
    };
    add(relays > 0, "relay_factor", Value::Integer(relays));
    add(by_name, "nodes", texts(asked.into_iter().map(name)));
    add(by_tag, "tags", Value::Table(table([("role", "^d".into())])));
    add(silent, "answer", Value::Boolean(false));
    add(timeout.is_some(), "timeout", span(timeout.unwrap_or(SECOND)));
    for (label, there) in [
        ("work query by name", by_name),
        ("work query by tag", by_tag),
        ("work query relayed", relays > 0),
    ] {
        if there {
            draft.labels.insert(label);
        }
    }
    draft.works.push((at, block));
    true
}

fn join(dice: &mut Dice, _shape: &Shape, draft: &mut Draft, _number: u64) -> bool {
    let to = usize::try_from(dice.number(0, draft.len() as u64 - 1)).unwrap_or(0);
    let Some((at, who)) = when(dice, draft).filter(|(_, who)| *who != to) else { return false };
    draft.work(at, [("join", texts([name(who)])), ("to", texts([name(to)]))]);
    true
}

fn set_tags(dice: &mut Dice, _shape: &Shape, draft: &mut Draft, number: u64) -> bool {
    let role = dice.pick(&["db", "web", "cache"]);
    let Some((at, who)) = when(dice, draft) else { return false };
    let tags = table([("role", role.into()), ("version", Value::String(number.to_string()))]);
    draft.work(at, [("set_tags", Value::Table(tags)), ("nodes", texts([name(who)]))]);
    true
}

/// Only what harms nobody who misses it: keys that all have are made primary, others are added or listed.
fn keys(dice: &mut Dice, shape: &Shape, draft: &mut Draft, _number: u64) -> bool {
    use base64::Engine as _;
    let verb = dice.pick(&["install", "use", "list"]);
    let fresh = base64::engine::general_purpose::STANDARD.encode(dice.bytes::<32>());
    let relays = dice.pick(&[0, 0, 2]);
    if shape.keys.is_empty() || !shape.queries {
        return false;
    }
    let known = dice.pick(&shape.keys.iter().map(String::as_str).collect::<Vec<_>>());
    let key = if verb == "use" { known } else { fresh.as_str() };
    let Some((at, who)) = when(dice, draft) else { return false };
    let mut block = table([("keys", verb.into()), from(who), ("at", span(at))]);
    if verb != "list" {
        block.insert("key".into(), Value::String(key.into()));
    }
    if relays > 0 {
        block.insert("relay_factor".into(), Value::Integer(relays));
    }
    draft.works.push((at, block));
    true
}

fn force_leave(dice: &mut Dice, _shape: &Shape, draft: &mut Draft, _number: u64) -> bool {
    let whom = usize::try_from(dice.number(0, draft.len() as u64 - 1)).unwrap_or(0);
    let prune = dice.percent(40);
    let Some((at, who)) = when(dice, draft).filter(|(_, who)| *who != whom) else { return false };
    if prune {
        draft.labels.insert("work prune");
    }
    let whom = Value::String(name(whom));
    draft.work(at, [("force_leave", whom), ("prune", Value::Boolean(prune)), from(who)]);
    true
}
