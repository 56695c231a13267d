//! What breaks in a random scenario. Each kind has its own stream, is there or not, and comes one to four times.

use toml::Value;

use super::document::{share, span, table, texts};
use super::draft::{Draft, name, nodes};
use super::draw::{Dice, Draws, SECOND};
use super::shape::Shape;
use crate::scenario::Nanos;

/// Stream that says which kinds exist.
const SUBSET: u64 = 100;
/// Stream of the first kind.
const FIRST_KIND: u64 = 101;
const MILLISECOND: Nanos = 1_000_000;
const FOREVER: Nanos = Nanos::MAX;

/// A kind of fault: its label, and what adds one of it to a draft, if there is room.
type Kind = (&'static str, fn(&mut Dice, &Shape, &mut Draft) -> bool);

/// Every kind. Those that end lives come first: the others look who is up. A new kind goes to the end of its group and
/// takes a stream number of its own.
const KINDS: [(u64, Kind); 28] = [
    (0, ("fault crash", crash)),
    (1, ("fault restart", restart)),
    (2, ("fault mass restart", mass_restart)),
    (3, ("fault leave and return", leave)),
    (4, ("fault name claimed", claim)),
    (5, ("fault move", moves)),
    (6, ("fault rekey", rekey)),
    (7, ("fault address taken", take_over)),
    (20, ("fault pause", pause)),
    (21, ("fault partition", partition)),
    (22, ("fault one-way partition", one_way)),
    (23, ("fault loss", loss)),
    (24, ("fault latency", latency)),
    (25, ("fault block", block)),
    (26, ("fault ring", ring)),
    (27, ("fault bridge", bridge)),
    (28, ("fault cut", cut)),
    (29, ("fault bursts", bursts)),
    (30, ("fault duplicates", duplicates)),
    (31, ("fault reordering", reordering)),
    (32, ("fault corruption", corruption)),
    (33, ("fault truncation", truncation)),
    (34, ("fault replay", replay)),
    (35, ("fault mtu", mtu)),
    (36, ("fault stream loss", stream_loss)),
    (37, ("fault slow", slow)),
    (38, ("fault clock drift", drift)),
    (39, ("fault clock jump", jump)),
];

pub(super) fn draw(draws: &Draws, shape: &Shape, draft: &mut Draft) {
    let mut subset = draws.of(SUBSET);
    let quiet = subset.percent(5);
    for (stream, (label, add)) in KINDS {
        let mut dice = draws.of(FIRST_KIND + stream);
        let there = dice.percent(18) && !quiet;
        let times = dice.small(1, 4);
        for _ in 0..times {
            if there && add(&mut dice, shape, draft) {
                draft.labels.insert(label);
            }
        }
    }
}

/// Seconds, stretched for settings that take their time.
fn seconds(dice: &mut Dice, shape: &Shape, low: u64, high: u64) -> Nanos {
    dice.time(low * SECOND, high * SECOND) * shape.pace / 10
}

/// Nodes that a fault hits: mostly one.
fn few(dice: &mut Dice, draft: &Draft) -> usize {
    let all = draft.len() as u64;
    let count = match dice.number(0, 9) {
        0..=6 => 1,
        7..=8 => dice.number(1, (all / 2).max(1)),
        _ => dice.number(1, all),
    };
    usize::try_from(count).unwrap_or(1)
}

/// Whether these nodes may stay away for good: somebody must be left, and who is named as a door must stay open.
pub(super) fn may_stay_away(shape: &Shape, draft: &Draft, chosen: &[usize]) -> bool {
    let left = draft.free(draft.begin, FOREVER).into_iter().filter(|node| !chosen.contains(node));
    let doors = shape.seeded && chosen.iter().any(|node| *node < 2);
    left.count() >= 2 && !doors
}

fn crash(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let count = few(dice, draft);
    let back = dice.percent(70);
    let length =
        if dice.percent(30) { seconds(dice, shape, 1, 5) } else { seconds(dice, shape, 5, 50) };
    let Some((at, chosen)) = draft.chance(dice, count, length) else { return false };
    let returns = back || !may_stay_away(shape, draft, &chosen);
    let until = if returns { at + length } else { FOREVER };
    if !chosen.iter().all(|node| draft.is_free(*node, at, until)) {
        return false;
    }
    draft.take(&chosen, at, until);
    let who = nodes(&chosen, draft.len());
    draft.fault(at, [("crash", who.clone())]);
    if returns {
        let snapshot = on_disk(dice, draft);
        draft.fault(until, [("restart", who), ("snapshot", snapshot)]);
    }
    true
}

/// What a process finds on its disk.
fn on_disk(dice: &mut Dice, draft: &mut Draft) -> Value {
    let (label, word) = dice.weighted(&[
        (5, ("fault restart without snapshot", "none")),
        (3, ("fault restart from snapshot", "kept")),
        (1, ("fault restart from torn snapshot", "torn")),
        (1, ("fault restart from stale snapshot", "stale")),
    ]);
    draft.labels.insert(label);
    word.into()
}

/// A process that runs is killed and started again.
fn restart(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let count = few(dice, draft);
    again(dice, shape, draft, count)
}

fn mass_restart(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let count = draft.len();
    again(dice, shape, draft, count)
}

fn again(dice: &mut Dice, shape: &Shape, draft: &mut Draft, count: usize) -> bool {
    let every = dice.weighted(&[(1, 10 * MILLISECOND), (1, 500 * MILLISECOND), (1, 3 * SECOND)]);
    let length = every * (count as u64 - 1) * shape.pace / 10 + SECOND;
    let every = (every * shape.pace / 10).max(MILLISECOND);
    let Some((at, chosen)) = draft.chance(dice, count, length) else { return false };
    if at.saturating_add(length) > draft.calm {
        return false;
    }
    draft.take(&chosen, at, at + length);
    let who = nodes(&chosen, draft.len());
    let snapshot = on_disk(dice, draft);
    draft.fault(at, [("restart", who), ("every", span(every)), ("snapshot", snapshot)]);
    true
}

/// A leave, and mostly a return.
fn leave(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let count = few(dice, draft);
    let back = dice.percent(60);
    let length = seconds(dice, shape, 8, 50);
    let stays_up = dice.time(0, 3 * SECOND);
    let Some((at, chosen)) = draft.chance(dice, count, length) else { return false };
    let returns = back || !may_stay_away(shape, draft, &chosen);
    let until = if returns { at + length } else { FOREVER };
    if !chosen.iter().all(|node| draft.is_free(*node, at, until)) {
        return false;
    }
    draft.take(&chosen, at, until);
    let who = nodes(&chosen, draft.len());
    draft.work(at, [("leave", who.clone()), ("exit_after", span(stays_up))]);
    draft.labels.insert("work leave");
    if returns {
        let snapshot = on_disk(dice, draft);
        draft.fault(until, [("restart", who), ("snapshot", snapshot)]);
    }
    returns
}

/// Another host starts with the name of a node.
fn claim(dice: &mut Dice, _shape: &Shape, draft: &mut Draft) -> bool {
    let at = draft.moment(dice, 20 * SECOND);
    let owner = dice.number(0, draft.len() as u64 - 1);
    // A vote needs a majority that knows the owner.
    if draft.len() < 4 || !draft.hosts.is_empty() {
        return false;
    }
    let owner = name(usize::try_from(owner).unwrap_or(0));
    draft.hosts.push(table([
        ("name", "copy".into()),
        ("claims", Value::String(owner)),
        ("at", span(at)),
    ]));
    true
}

/// A node is killed and started again at a new address.
fn moves(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let Some((at, chosen)) = draft.chance(dice, 1, SECOND) else { return false };
    let node = chosen[0];
    if shape.seeded && node < 2 {
        return false;
    }
    draft.take(&chosen, at, at + SECOND);
    // No two moves of a scenario go to one place.
    let to = format!("10.9.{}.{}:7946", draft.faults.len(), node + 1);
    let moved = table([("node", Value::String(name(node))), ("to", Value::String(to))]);
    let snapshot = on_disk(dice, draft);
    draft.fault(at, [("move", Value::Table(moved)), ("snapshot", snapshot)]);
    true
}

/// A process is started again with another of the keys that all have as the first.
fn rekey(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let count = few(dice, draft);
    let first = dice.number(0, shape.keys.len().saturating_sub(1) as u64);
    let Some((at, chosen)) = draft.chance(dice, count, SECOND).filter(|_| shape.keys.len() > 1)
    else {
        return false;
    };
    draft.take(&chosen, at, at + SECOND);
    let mut keys = shape.keys.clone();
    keys.rotate_left(usize::try_from(first).unwrap_or(0));
    let rekeyed = table([("nodes", nodes(&chosen, draft.len())), ("keys", texts(keys))]);
    let snapshot = on_disk(dice, draft);
    draft.fault(at, [("rekey", Value::Table(rekeyed)), ("snapshot", snapshot)]);
    true
}

/// A host of another cluster takes over the address of a node that is switched off for good.
fn take_over(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let wait = seconds(dice, shape, 1, 30);
    let Some((at, chosen)) = draft.chance(dice, 1, wait) else { return false };
    let free = draft.is_free(chosen[0], at, FOREVER) && may_stay_away(shape, draft, &chosen);
    if !free || !draft.hosts.is_empty() {
        return false;
    }
    draft.take(&chosen, at, FOREVER);
    let owner = Value::String(name(chosen[0]));
    draft.fault(at, [("crash", texts([name(chosen[0])]))]);
    draft.hosts.push(table([
        ("name", "stranger".into()),
        ("takes", owner),
        ("at", span(at + wait)),
    ]));
    true
}

/// When a fault that lasts begins and ends.
fn window(dice: &mut Dice, shape: &Shape, draft: &Draft, low: u64, high: u64) -> (Nanos, Nanos) {
    let length = seconds(dice, shape, low, high);
    let at = draft.moment(dice, length);
    (at, at.saturating_add(length).min(draft.calm))
}

fn pause(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    anomaly(dice, shape, draft, "pause")
}

fn block(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    anomaly(dice, shape, draft, "block")
}

/// A process that does not get on, once or in a cycle.
fn anomaly(dice: &mut Dice, shape: &Shape, draft: &mut Draft, key: &str) -> bool {
    let count = few(dice, draft);
    let (short, cycles) = (dice.percent(40), dice.percent(25));
    let length =
        if short { dice.time(100 * MILLISECOND, 3 * SECOND) } else { seconds(dice, shape, 2, 40) };
    let on = dice.pick(&[16, 128, 512, 2_048, 8_192]) * MILLISECOND;
    let off = dice.pick(&[1, 4, 64, 512, 4_096]) * MILLISECOND;
    let Some((at, chosen)) = draft.chance(dice, count, SECOND) else { return false };
    let until = at.saturating_add(length).min(draft.calm);
    if until <= at {
        return false;
    }
    let who = nodes(&chosen, draft.len());
    if cycles && !short {
        draft.labels.insert("fault in cycles");
        let cycle = Value::Table(table([("on", span(on)), ("off", span(off))]));
        draft.lasting(at, until, [(key, who), ("cycle", cycle)]);
    } else {
        draft.lasting(at, until, [(key, who)]);
    }
    true
}

fn slow(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let (count, length) = (few(dice, draft), seconds(dice, shape, 2, 40));
    let cost = span(dice.pick(&[1, 5, 20, 100, 500]) * MILLISECOND);
    let Some((at, chosen)) = draft.chance(dice, count, SECOND) else { return false };
    let until = at.saturating_add(length).min(draft.calm);
    if until <= at {
        return false;
    }
    let slow = table([("nodes", nodes(&chosen, draft.len())), ("per_input", cost)]);
    draft.lasting(at, until, [("slow", Value::Table(slow))]);
    true
}

fn drift(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let (count, length) = (few(dice, draft), seconds(dice, shape, 5, 60));
    let (ppm, behind) = (ppm(dice, 1_000, 100_000), dice.percent(50));
    let Some((at, chosen)) = draft.chance(dice, count, SECOND) else { return false };
    let until = at.saturating_add(length).min(draft.calm);
    if until <= at {
        return false;
    }
    let drift = f64::from(ppm) / 1_000_000.0;
    let drift = Value::Float(if behind { -drift } else { drift });
    let clock = table([("nodes", nodes(&chosen, draft.len())), ("drift", drift)]);
    draft.lasting(at, until, [("clock", Value::Table(clock))]);
    true
}

fn jump(dice: &mut Dice, _shape: &Shape, draft: &mut Draft) -> bool {
    let (count, jump) = (few(dice, draft), dice.time(SECOND, 60 * SECOND));
    let Some((at, chosen)) = draft.chance(dice, count, SECOND) else { return false };
    let clock = table([("nodes", nodes(&chosen, draft.len())), ("jump", span(jump))]);
    draft.fault(at, [("clock", Value::Table(clock))]);
    true
}

/// Two or three sides; nodes on none of them reach everybody.
fn sides(dice: &mut Dice, draft: &Draft) -> Option<Vec<Vec<usize>>> {
    let len = draft.len();
    let count = if len >= 4 && dice.percent(20) { 3 } else { 2 };
    let between = dice.percent(15);
    let mut sides = vec![Vec::new(); count];
    for node in 0..len {
        let side = dice.number(0, count as u64 - 1 + u64::from(between));
        if let Some(side) = sides.get_mut(usize::try_from(side).unwrap_or(0)) {
            side.push(node);
        }
    }
    sides.iter().all(|side| !side.is_empty()).then_some(sides)
}

fn partition(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    split(dice, shape, draft, false)
}

fn one_way(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    split(dice, shape, draft, true)
}

fn split(dice: &mut Dice, shape: &Shape, draft: &mut Draft, one_way: bool) -> bool {
    let (at, until) = window(dice, shape, draft, 3, 60);
    let alone = dice.percent(30);
    let sides = if alone {
        let one = usize::try_from(dice.number(0, draft.len() as u64 - 1)).unwrap_or(0);
        let others = (0..draft.len()).filter(|node| *node != one).collect();
        Some(vec![vec![one], others])
    } else {
        sides(dice, draft)
    };
    let Some(sides) = sides.filter(|_| until > at) else { return false };
    let sides = sides.iter().map(|side| texts(side.iter().map(|node| name(*node)))).collect();
    let sides = Value::Array(sides);
    if one_way {
        draft.lasting(at, until, [("partition", sides), ("one_way", Value::Boolean(true))]);
    } else {
        draft.lasting(at, until, [("partition", sides)]);
    }
    true
}

fn ring(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let (at, until) = window(dice, shape, draft, 3, 60);
    let most = (draft.len() as u64).saturating_sub(2) / 2;
    let reach = dice.number(1, most.max(1));
    if until <= at || most == 0 {
        return false;
    }
    let reach = Value::Integer(i64::try_from(reach).unwrap_or(1));
    draft.lasting(at, until, [("partition", Value::Table(table([("ring", reach)])))]);
    true
}

fn bridge(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let (at, until) = window(dice, shape, draft, 3, 60);
    let between = usize::try_from(dice.number(0, draft.len() as u64 - 1)).unwrap_or(0);
    if until <= at || draft.len() < 3 {
        return false;
    }
    let bridge = table([("bridge", texts([name(between)]))]);
    draft.lasting(at, until, [("partition", Value::Table(bridge))]);
    true
}

/// What some nodes send to others vanishes, on one transport or both.
fn cut(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let (at, until) = window(dice, shape, draft, 3, 60);
    let transport = dice.pick(&["udp", "tcp", "both"]);
    let (one_end, count) = (dice.pick(&["from", "to", "both"]), few(dice, draft));
    let first = dice.some(draft.len(), count);
    let second = dice.some(draft.len(), count);
    if until <= at {
        return false;
    }
    let mut cut = table([("transport", transport.into())]);
    if one_end != "to" {
        cut.insert("from".into(), nodes(&first, draft.len()));
    }
    if one_end != "from" {
        cut.insert("to".into(), nodes(&second, draft.len()));
    }
    draft.lasting(at, until, [("cut", Value::Table(cut))]);
    true
}

fn loss(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 10_000, 900_000);
    degrade(dice, shape, draft, [("loss", share(ppm))])
}

fn latency(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let delay = span(dice.time(20 * MILLISECOND, 2 * SECOND));
    degrade(dice, shape, draft, [("latency", delay)])
}

fn bursts(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let burst = table([
        ("loss", share(ppm(dice, 300_000, 1_000_000))),
        ("enter", share(ppm(dice, 1_000, 50_000))),
        ("leave", share(ppm(dice, 20_000, 500_000))),
    ]);
    degrade(dice, shape, draft, [("burst", Value::Table(burst))])
}

fn duplicates(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 50_000, 1_000_000);
    degrade(dice, shape, draft, [("duplicate", share(ppm))])
}

fn reordering(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 50_000, 900_000);
    let delay = span(dice.time(20 * MILLISECOND, 3 * SECOND));
    degrade(dice, shape, draft, [("reorder", share(ppm)), ("reorder_delay", delay)])
}

fn corruption(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 1_000, 300_000);
    degrade(dice, shape, draft, [("corrupt", share(ppm))])
}

fn truncation(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 1_000, 300_000);
    degrade(dice, shape, draft, [("truncate", share(ppm))])
}

fn replay(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 1_000, 200_000);
    degrade(dice, shape, draft, [("replay", share(ppm))])
}

fn mtu(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let bytes = i64::try_from(dice.number(60, 1_400)).unwrap_or(600);
    degrade(dice, shape, draft, [("mtu", Value::Integer(bytes))])
}

fn stream_loss(dice: &mut Dice, shape: &Shape, draft: &mut Draft) -> bool {
    let ppm = ppm(dice, 10_000, 500_000);
    let hits = dice.percent(50);
    degrade(dice, shape, draft, [("loss", share(ppm)), ("stream_loss", Value::Boolean(hits))])
}

/// A share in `low..=high` millionths, small ones more often.
fn ppm(dice: &mut Dice, low: u32, high: u32) -> u32 {
    u32::try_from(dice.small(low.into(), high.into())).unwrap_or(high)
}

/// A degradation of everything, or of what some nodes send or receive.
fn degrade<const N: usize>(
    dice: &mut Dice,
    shape: &Shape,
    draft: &mut Draft,
    what: [(&str, Value); N],
) -> bool {
    let (at, until) = window(dice, shape, draft, 3, 60);
    let end = dice.weighted(&[(6, ""), (2, "from"), (2, "to")]);
    let count = few(dice, draft);
    let chosen = dice.some(draft.len(), count);
    if until <= at {
        return false;
    }
    let mut degrade = table(what);
    if !end.is_empty() {
        degrade.insert(end.into(), nodes(&chosen, draft.len()));
    }
    draft.lasting(at, until, [("degrade", Value::Table(degrade))]);
    true
}
