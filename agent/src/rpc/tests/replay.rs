//! Recorded conversations: what real clients sent to Serf's agent is sent again, and what it answered must come back,
//! to the byte but for the order of maps, of members, and of independent records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uwasa_core::command::KeyReport;
use uwasa_core::coordinate::Coordinate;
use uwasa_core::wire::msgpack::Reader;

use super::clients::start;
use super::double::{Double, State, member};
use crate::agent::{AgentError, Joined, KeyOutcome, QueryRecord};
use crate::event::{AgentEvent, Member, MemberEventKind, QueryId};

const PATIENCE: Duration = Duration::from_secs(20);

/// What differs on purpose: newer agents take bytes for text, and so does this one, as a test of requests shows.
const DIFFERENT: [&str; 1] = ["header-command-bin"];

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn payload(value: &Value) -> bytes::Bytes {
    unhex(text(&value["$bin"])).into()
}

/// The next object with its maps sorted, and the members in lists of members.
fn canonical(reader: &mut Reader<'_>, sort: bool) -> Vec<u8> {
    let start = reader.rest();
    let header = |reader: &Reader<'_>| start[..start.len() - reader.rest().len()].to_vec();
    match start[0] {
        0x80..=0x8f | 0xde | 0xdf => {
            let count = reader.map().unwrap();
            let mut out = header(reader);
            let mut pairs = BTreeSet::new();
            for _ in 0..count {
                let is_members = reader.rest().starts_with(b"\xa7Members");
                let key = canonical(reader, false);
                pairs.insert((key, canonical(reader, is_members)));
            }
            pairs.into_iter().for_each(|(key, value)| out.extend([key, value].concat()));
            out
        }
        0x90..=0x9f | 0xdc | 0xdd => {
            let count = reader.array().unwrap();
            let mut out = header(reader);
            let mut items: Vec<_> = (0..count).map(|_| canonical(reader, false)).collect();
            if sort {
                items.sort();
            }
            out.extend(items.concat());
            out
        }
        _ => {
            reader.skip().unwrap();
            header(reader)
        }
    }
}

fn objects(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while !reader.rest().is_empty() {
        found.push(canonical(&mut reader, false));
    }
    found
}

/// Complete objects in what was received so far.
fn count(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    (0..).take_while(|_| reader.skip().is_ok()).count()
}

/// Responses and records, by their number: only those with the same one have an order.
fn by_seq(bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let (mut sorted, mut seq) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for object in objects(bytes) {
        if object.starts_with(b"\x82\xa3Seq") {
            let end = object.windows(6).position(|key| key == b"\xa5Error").unwrap();
            seq = object[..end].to_vec();
        }
        sorted.entry(seq.clone()).or_default().push(object);
    }
    sorted
}

fn recorded_member(value: &Value) -> Member {
    let addr = <[u8; 4]>::try_from(&payload(&value["Addr"])[..]).unwrap();
    let tags = value["Tags"].as_object().unwrap();
    let tags: Vec<_> = tags.iter().map(|(name, value)| (&**name, text(value))).collect();
    member(text(&value["Name"]), addr, &tags)
}

fn recorded_event(value: &Value) -> AgentEvent {
    let ltime = value["LTime"].as_u64().unwrap_or_default();
    let name = text(&value["Name"]).into();
    match text(&value["Event"]) {
        "user" => AgentEvent::User {
            ltime,
            name,
            payload: payload(&value["Payload"]),
            coalesce: value["Coalesce"].as_bool().unwrap(),
        },
        "query" => AgentEvent::Query {
            id: QueryId { ltime, id: 0 },
            name,
            payload: payload(&value["Payload"]),
        },
        kind => AgentEvent::Members {
            kind: match kind {
                "member-join" => MemberEventKind::Join,
                "member-leave" => MemberEventKind::Leave,
                "member-update" => MemberEventKind::Update,
                other => panic!("{other} was not recorded"),
            },
            members: value["Members"].as_array().unwrap().iter().map(recorded_member).collect(),
        },
    }
}

fn recorded_keys(value: &Value, error: &str) -> KeyOutcome {
    let messages = value["Messages"].as_object().unwrap();
    let keys = value["Keys"].as_object().into_iter().flatten();
    KeyOutcome {
        report: KeyReport {
            nodes: number(&value["NumNodes"]),
            responses: number(&value["NumResp"]),
            errors: number(&value["NumErr"]),
            messages: messages.iter().map(|(k, v)| (k.as_str().into(), text(v).into())).collect(),
            keys: keys.map(|(key, count)| (key.as_str().into(), number(count))).collect(),
            primary_keys: BTreeMap::new(),
        },
        error: failure(error).err(),
    }
}

fn recorded_coordinate(value: &Value) -> Option<Coordinate> {
    let part = |name: &str| value["Coord"][name].as_f64().unwrap();
    let vec: Vec<f64> =
        value["Coord"]["Vec"].as_array()?.iter().filter_map(Value::as_f64).collect();
    Some(Coordinate {
        vec: vec.try_into().unwrap(),
        error: part("Error"),
        adjustment: part("Adjustment"),
        height: part("Height"),
    })
}

fn recorded_stats(value: &Value) -> crate::agent::Stats {
    let sections = ["agent", "event_handlers", "runtime", "serf", "tags"];
    let figures = |section| {
        let figures = value[section].as_object().unwrap();
        figures.iter().map(|(name, value)| (name.clone(), text(value).to_owned())).collect()
    };
    sections.map(|section| (section, figures(section))).into()
}

fn failure(error: &str) -> Result<(), AgentError> {
    if error.is_empty() { Ok(()) } else { Err(AgentError(error.into())) }
}

fn frames<'c>(conversation: &'c Value, direction: &str) -> impl Iterator<Item = &'c Value> {
    let frames = conversation["frames"].as_array().unwrap().iter();
    frames
        .filter(move |frame| frame["dir"] == direction)
        .flat_map(|frame| frame["objects"].as_array().into_iter().flatten())
}

/// What the agent must have answered to the session for this conversation to happen.
fn agent_of(conversation: &Value) -> State {
    let mut state = State::default();
    let mut members = BTreeMap::new();
    let nodes = match text(&conversation["agent"]) {
        "n60" => vec![
            member("n60", [127, 0, 77, 60], &[("role", "web"), ("dc", "east")]),
            member("n62", [127, 0, 77, 62], &[]),
        ],
        "n64" => vec![member("n64", [127, 0, 77, 64], &[])],
        _ => vec![member("n65", [127, 0, 77, 65], &[])],
    };
    members.extend(nodes.into_iter().map(|member| (member.name.clone(), member)));
    let mut seq = (0, "");
    // By number: errors of responses without body, and what followed.
    let mut errors = BTreeMap::<u64, Vec<&str>>::new();
    let mut events = BTreeMap::<u64, Vec<AgentEvent>>::new();
    let mut logs = BTreeMap::<u64, Vec<Arc<str>>>::new();
    let mut queries = BTreeMap::<u64, Vec<QueryRecord>>::new();
    for object in frames(conversation, "A>C") {
        let has = |field: &str| object.get(field).is_some();
        if has("Seq") {
            seq = (object["Seq"].as_u64().unwrap(), text(&object["Error"]));
            errors.entry(seq.0).or_default().push(seq.1);
        } else if has("Event") {
            events.entry(seq.0).or_default().push(recorded_event(object));
        } else if has("Log") {
            logs.entry(seq.0).or_default().push(text(&object["Log"]).into());
        } else if has("From") {
            let (from, payload) = (text(&object["From"]).into(), payload(&object["Payload"]));
            queries.entry(seq.0).or_default().push(match text(&object["Type"]) {
                "ack" => QueryRecord::Ack { from },
                "response" => QueryRecord::Response { from, payload },
                _ => QueryRecord::Done,
            });
        } else if has("Members") {
            for found in object["Members"].as_array().unwrap() {
                let found = recorded_member(found);
                members.insert(found.name.clone(), found);
            }
        } else if has("Num") {
            let contacted = number(&object["Num"]);
            state.joins.push_back(Joined { contacted, error: failure(seq.1).err() });
        } else if has("Keys") {
            state.keys.push_back(recorded_keys(object, seq.1));
        } else if has("Coord") {
            state.coordinates.push_back(recorded_coordinate(object));
        } else {
            state.stats.push_back(recorded_stats(object));
        }
    }
    state.members = members.into_values().collect();
    let mut requests = frames(conversation, "C>A").peekable();
    while let Some(request) = requests.next() {
        let seq = request["Seq"].as_u64().unwrap_or_default();
        let error = errors.get(&seq).and_then(|errors| errors.first().copied()).unwrap_or_default();
        match text(&request["Command"]) {
            "respond" if error == "No pending queries matching ID" => {
                let is_late = requests.peek().is_some_and(|body| body["ID"] == 1);
                let text = "failed to respond to key query: response is past the deadline";
                state.results.extend(is_late.then(|| failure(text)));
            }
            "event" | "force-leave" | "tags" | "respond" | "leave" => {
                state.results.push_back(failure(error));
            }
            "stream" if error.is_empty() => {
                state.events.push_back(events.remove(&seq).unwrap_or_default());
            }
            // A refused one looks at the log too.
            "monitor" if error != "Unknown log level: NOPE" => {
                let lines = if error.is_empty() { logs.remove(&seq) } else { None };
                state.logs.push_back(lines.unwrap_or_default());
            }
            "query" => {
                let records = queries.remove(&seq).unwrap_or_default();
                state.queries.push_back(failure(error).map(|()| records));
            }
            _ => {}
        }
    }
    state
}

/// Plays one conversation; returns what came back.
async fn play(conversation: &Value) -> Vec<u8> {
    let auth = if conversation["agent"] == "n65" { "s3cret" } else { "" };
    let double = Double::new(agent_of(conversation));
    let (server, addr) = start(auth, double.clone()).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let (mut received, mut expected) = (Vec::new(), 0);
    let mut server = Some(server);
    for frame in conversation["frames"].as_array().unwrap() {
        let is_end = frame.get("event").is_some();
        if frame["dir"] == "C>A" {
            if is_end {
                let _ = client.shutdown().await;
            } else {
                client.write_all(&unhex(text(&frame["hex"]))).await.unwrap();
            }
            continue;
        }
        expected += frame["objects"].as_array().map_or(0, Vec::len);
        while is_end || count(&received) < expected {
            if double.state().is_shut_down {
                server = None;
            }
            if client.read_buf(&mut received).await.unwrap() == 0 {
                break;
            }
        }
    }
    drop(server);
    received
}

#[tokio::test]
async fn recorded_conversations_go_as_with_serf() {
    let recording: Value =
        serde_json::from_str(include_str!("../../../tests/data/rpc.json")).unwrap();
    let conversations = recording["conversations"].as_array().unwrap();
    assert!(conversations.len() >= 131);
    for conversation in conversations {
        let name = text(&conversation["name"]);
        if DIFFERENT.contains(&name) {
            continue;
        }
        let received = timeout(PATIENCE, play(conversation)).await;
        let received = received.unwrap_or_else(|_| panic!("{name} does not end"));
        let sent: Vec<&str> = conversation["frames"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|frame| frame["dir"] == "A>C")
            .map(|frame| text(&frame["hex"]))
            .collect();
        let (received, expected) = (by_seq(&received), by_seq(&unhex(&sent.concat())));
        assert!(received == expected, "{name}:\n{received:?}\n{expected:?}");
    }
}
