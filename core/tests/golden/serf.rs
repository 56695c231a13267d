//! Messages and tags of the Serf layer.
//!
//! Each decoded message is shown as JSON in the words of the vectors and compared key by key, so that a further case of
//! a known kind needs no code.

use super::{bytes_of, hex, number, parse, section, text};
use serde_json::{Value, json};
use uwasa_core::config::is_strict_name;
use uwasa_core::msg::serf::{
    ConflictResponse, Filter, JoinIntent, KeyResponse, LeaveIntent, QueryMessage, QueryResponse,
    RelayHeader, UserEventMessage,
};
use uwasa_core::tags::Tags;
use uwasa_core::wire::msgpack::DecodeError;
use uwasa_core::wire::{serf, tags};

/// Kinds that hold network coordinates, which have a codec and tests of their own.
const COORDINATE_KINDS: [&str; 2] = ["ping_ack_payload", "coord"];

fn vectors() -> Value {
    parse(include_str!("../vectors/serf.json"))
}

/// A decoded body in the words of the vectors, and its canonical encoding without the type byte.
struct Seen {
    shown: Value,
    again: Vec<u8>,
}

/// Decodes what follows the type byte of a message of this kind. Lengths that senders compute are checked on the way.
fn decode(kind: &str, body: &[u8]) -> Result<Seen, DecodeError> {
    let mut again = Vec::new();
    let (shown, len) = match kind {
        "leave" => {
            let intent = serf::decode_leave_intent(body)?;
            serf::encode_leave_intent(&intent, &mut again);
            (show_leave(&intent), None)
        }
        "join" => {
            let intent = serf::decode_join_intent(body)?;
            serf::encode_join_intent(&intent, &mut again);
            (show_join(&intent), None)
        }
        "user_event" => {
            let event = serf::decode_user_event(body)?;
            serf::encode_user_event(&event, &mut again);
            (show_user_event(&event), Some(serf::user_event_len(&event)))
        }
        "query" => {
            let query = serf::decode_query(body)?;
            serf::encode_query(&query, &mut again);
            (show_query(&query), Some(serf::query_len(&query)))
        }
        "query_response" => {
            let response = serf::decode_query_response(body)?;
            serf::encode_query_response(&response, &mut again);
            (show_query_response(&response), Some(serf::query_response_len(&response)))
        }
        "relay" => {
            let (header, inner) = serf::decode_relay(body)?;
            serf::encode_relay(&header, inner, &mut again);
            (show_relay(&header, inner), Some(serf::relay_len(&header, inner.len())))
        }
        "conflict_response" | "member" => {
            let member = serf::decode_conflict_response(body)?;
            let known = (member != ConflictResponse::default()).then_some(&member);
            serf::encode_conflict_response(known, &mut again);
            (show_member(&member), None)
        }
        "key_request" => {
            let key = serf::decode_key_request(body)?;
            serf::encode_key_request(key, &mut again);
            (json!({ "Key_hex": hex(key) }), None)
        }
        "key_response" => {
            let response = serf::decode_key_response(body)?;
            serf::encode_key_response(&response, &mut again);
            (show_key_response(&response), Some(serf::key_response_len(&response)))
        }
        other => panic!("unknown kind {other}"),
    };
    assert!(len.is_none_or(|len| len == again.len()), "{kind}: {len:?} of {}", hex(&again));
    again.remove(0);
    Ok(Seen { shown, again })
}

fn hex_or_null(bytes: Option<&[u8]>) -> Value {
    bytes.map(hex).into()
}

/// An address, whose nil and empty forms are one to us.
fn show_addr(addr: &[u8]) -> Value {
    hex_or_null((!addr.is_empty()).then_some(addr))
}

fn show_leave(intent: &LeaveIntent<'_>) -> Value {
    json!({
        "LTime": intent.ltime.to_string(),
        "Node": intent.node,
        "Node_hex": hex(intent.node.as_bytes()),
        "Prune": intent.prune,
    })
}

fn show_join(intent: &JoinIntent<'_>) -> Value {
    json!({
        "LTime": intent.ltime.to_string(),
        "Node": intent.node,
        "Node_hex": hex(intent.node.as_bytes()),
    })
}

fn show_user_event(event: &UserEventMessage<'_>) -> Value {
    json!({
        "CC": event.coalesce,
        "LTime": event.ltime.to_string(),
        "Name": event.name,
        "Payload_hex": hex_or_null(event.payload),
    })
}

fn show_query(query: &QueryMessage<'_>) -> Value {
    let filters: Vec<String> = query.filters.iter().copied().map(hex).collect();
    json!({
        "Addr_hex": show_addr(query.addr),
        "Filters_hex": (!filters.is_empty()).then_some(filters),
        "Flags": query.flags,
        "ID": query.id,
        "LTime": query.ltime.to_string(),
        "Name": query.name,
        "Payload_hex": hex_or_null(query.payload),
        "Payload_inner": show_inner(query.payload),
        "Port": query.port,
        "RelayFactor": query.relay_factor,
        "SourceNode": query.source_node,
        "Timeout_ns": query.timeout.to_string(),
    })
}

fn show_query_response(response: &QueryResponse<'_>) -> Value {
    json!({
        "Flags": response.flags,
        "From": response.from,
        "ID": response.id,
        "LTime": response.ltime.to_string(),
        "Payload_hex": hex_or_null(response.payload),
        "Payload_inner": show_inner(response.payload),
    })
}

/// The Serf message in a payload; null if it is none.
fn show_inner(payload: Option<&[u8]>) -> Value {
    let (kind, body) = match payload {
        Some([6, body @ ..]) => ("conflict_response", body),
        Some([7, body @ ..]) => ("key_request", body),
        Some([8, body @ ..]) => ("key_response", body),
        _ => return Value::Null,
    };
    decode(kind, body).map_or(Value::Null, |inner| inner.shown)
}

fn show_relay(header: &RelayHeader<'_>, inner: &[u8]) -> Value {
    let (&kind, body) = inner.split_first().expect("something to pass on");
    assert_eq!(kind, 5, "only answers are relayed");
    let addr = json!({ "IP_hex": show_addr(header.addr), "Port": header.port, "Zone": "" });
    json!({
        "header": { "DestAddr": addr, "DestName": header.node },
        "inner": decode("query_response", body).expect("a sound answer").shown,
        "inner_type": kind,
    })
}

fn show_member(member: &ConflictResponse<'_>) -> Value {
    let tags: Tags = member.tags.iter().copied().collect();
    json!({
        "Addr_hex": show_addr(member.addr),
        "DelegateMin": member.vsn[3],
        "DelegateMax": member.vsn[4],
        "DelegateCur": member.vsn[5],
        "Name": member.name,
        "Port": member.port,
        "ProtocolMin": member.vsn[0],
        "ProtocolMax": member.vsn[1],
        "ProtocolCur": member.vsn[2],
        "Status": member.status,
        "Tags": show_tags(&tags),
    })
}

fn show_key_response(response: &KeyResponse<'_>) -> Value {
    json!({
        "Keys": response.keys,
        "Message": response.message,
        "PrimaryKey": response.primary_key,
        "Result": response.result,
    })
}

fn show_filter(filter: &Filter<'_>) -> Value {
    match filter {
        Filter::Nodes(nodes) => json!({ "type": 0, "nodes": nodes }),
        Filter::Tag { tag, expr } => json!({ "type": 1, "Tag": tag, "Expr": expr }),
    }
}

fn show_tags(tags: &Tags) -> Value {
    tags.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// Whether `ours` has every key of `expected` with the same value. With `nil_is_empty`, null is any empty value.
fn covers(ours: &Value, expected: &Value, nil_is_empty: bool) -> bool {
    if let (Some(ours), Some(expected)) = (ours.as_object(), expected.as_object()) {
        return expected.iter().all(|(key, value)| {
            ours.get(key).is_some_and(|ours| covers(ours, value, nil_is_empty))
        });
    }
    ours == expected || (nil_is_empty && is_empty(ours) && is_empty(expected))
}

fn is_empty(value: &Value) -> bool {
    [json!(null), json!(""), json!([]), json!({})].contains(value)
}

/// A push/pull state, whose collections are read by iterators and whose slots without events are not kept: compares its
/// fields.
///
/// # Errors
/// If an item is malformed.
fn check_state(
    name: &str,
    state: &serf::State<'_>,
    decoded: &Value,
    nil_is_empty: bool,
) -> Result<(), DecodeError> {
    let left: Vec<&str> = state.left_members().collect::<Result<_, _>>()?;
    let status: Vec<(&str, u64)> = state.status_ltimes().collect::<Result<_, _>>()?;
    let events: Vec<Value> = state
        .events()
        .map(|event| {
            let (ltime, name, payload) = event?;
            let payload = hex_or_null(payload);
            Ok(json!({ "LTime": ltime.to_string(), "Name": name, "Payload_hex": payload }))
        })
        .collect::<Result<_, DecodeError>>()?;
    let status: Value = status
        .into_iter()
        .map(|(name, ltime)| (name.to_owned(), Value::from(ltime.to_string())))
        .collect();
    let shown = json!({
        "LTime": state.clocks.member.to_string(),
        "EventLTime": state.clocks.event.to_string(),
        "QueryLTime": state.clocks.query.to_string(),
        "LeftMembers": left,
        "StatusLTimes": status,
    });
    for (key, value) in decoded.as_object().expect(name) {
        match key.as_str() {
            "Events" => {
                let expected = flat_events(value);
                assert_eq!(events.len(), expected.len(), "{name}");
                for (ours, expected) in events.iter().zip(&expected) {
                    assert!(covers(ours, expected, nil_is_empty), "{name}: {ours}, {expected}");
                }
            }
            // A capture has a summary in words instead of its 512 slots.
            "Events_summary" => {
                let [only] = &events[..] else { panic!("{name}: {events:?}") };
                for (key, word) in
                    [("LTime", "LTime"), ("Name", "Name"), ("Payload_hex", "Payload")]
                {
                    let words = format!("{word} {}", text(only, key));
                    assert!(value.as_str().expect(name).contains(&words), "{name}: {words}");
                }
            }
            // Absent lists read as empty ones.
            _ => assert!(covers(&shown[key], value, true), "{name}: {key} {}", shown[key]),
        }
    }
    Ok(())
}

/// The events of all slots, each with the Lamport time of its slot.
fn flat_events(slots: &Value) -> Vec<Value> {
    let mut events = Vec::new();
    for slot in slots.as_array().into_iter().flatten().filter(|slot| slot.is_object()) {
        for event in slot["Events"].as_array().into_iter().flatten() {
            let mut event = event.clone();
            event["LTime"] = slot["LTime"].clone();
            events.push(event);
        }
    }
    events
}

fn encode_state(state: &serf::State<'_>, slots: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = serf::StateEncoder::start(&mut out, state.clocks.event, slots.len());
    let mut events = state.events().map(|event| event.expect("sound"));
    for slot in slots {
        if slot.is_null() {
            encoder.empty_slot();
            continue;
        }
        let ltime = text(slot, "LTime").parse().expect("a number");
        let count = slot["Events"].as_array().map_or(0, Vec::len);
        let slot_events = events.by_ref().take(count).map(|(_, name, payload)| (name, payload));
        encoder.slot(ltime, count, slot_events);
    }
    drop(events);
    encoder.member_clock(state.clocks.member);
    let left = state.left_members().map(|name| name.expect("sound"));
    encoder.left_members(state.left_members().count(), left);
    encoder.query_clock(state.clocks.query);
    let status = state.status_ltimes().map(|pair| pair.expect("sound"));
    encoder.status_ltimes(state.status_ltimes().count(), status);
    out
}

fn check_push_pull(name: &str, message: &[u8], decoded: &Value) {
    let state = serf::decode_state(&message[1..]).expect(name);
    check_state(name, &state, decoded, false).expect(name);
    let Some(slots) = decoded["Events"].as_array() else { return };
    let again = encode_state(&state, slots);
    // Absent lists come back as empty ones.
    let nils = decoded["LeftMembers"].is_null()
        || decoded["StatusLTimes"].is_null()
        || slots.iter().any(|slot| slot.is_object() && slot["Events"].is_null());
    assert!(nils || again == message, "{name}: {}", hex(&again));
    let twice = serf::decode_state(&again[1..]).expect(name);
    check_state(name, &twice, decoded, false).expect(name);
}

fn check_filter(name: &str, bytes: &[u8], decoded: &Value) {
    let filter = serf::decode_filter(bytes).expect(name);
    let shown = show_filter(&filter);
    assert!(covers(&shown, decoded, false), "{name}: {shown}");
    let mut again = Vec::new();
    serf::encode_filter(&filter, &mut again);
    assert_eq!(hex(&again), hex(bytes), "{name}");
}

/// Whether a text in the message is not UTF-8: Go keeps it as it is, and shows it with replacement characters or in hex;
/// we refuse the message.
fn has_foreign_text(decoded: &Value) -> bool {
    let node = bytes_of(decoded, "Node_hex");
    decoded.to_string().contains(char::REPLACEMENT_CHARACTER)
        || core::str::from_utf8(&node).is_err()
}

fn check_message(name: &str, kind: &str, message: &[u8], entry: &Value) {
    let decoded = &entry["decoded"];
    if has_foreign_text(decoded) {
        assert!(decode(kind, &message[1..]).is_err(), "{name}");
        return;
    }
    let seen = decode(kind, &message[1..]).expect(name);
    // A member that nobody knows is shown as null.
    if decoded.is_null() {
        assert!(covers(&seen.shown, &show_member(&ConflictResponse::default()), false), "{name}");
    } else {
        assert!(covers(&seen.shown, decoded, false), "{name}: {}", seen.shown);
    }
    assert_eq!(hex(&seen.again), hex(&message[1..]), "{name}");
    if entry["hex_newer_codec"].is_string() {
        let newer = decode(kind, &bytes_of(entry, "hex_newer_codec")[1..]).expect(name);
        assert_eq!(newer.shown, seen.shown, "{name}");
        assert_eq!(hex(&newer.again), hex(&seen.again), "{name}");
    }
}

/// The first byte of a message of this kind.
fn type_byte(kind: &str) -> u8 {
    let kinds = [
        "leave",
        "join",
        "push_pull",
        "user_event",
        "query",
        "query_response",
        "conflict_response",
        "key_request",
        "key_response",
        "relay",
    ];
    let at = kinds.iter().position(|known| *known == kind).expect("a known kind");
    u8::try_from(at).expect("ten kinds")
}

#[test]
fn messages_decode_to_their_fields_and_encode_back() {
    let vectors = vectors();
    let entries = section(&vectors, "messages");
    assert!(entries.len() >= 70, "the section is complete");
    for entry in entries {
        let (name, kind, message) =
            (text(entry, "name"), text(entry, "kind"), bytes_of(entry, "hex"));
        match kind {
            _ if COORDINATE_KINDS.contains(&kind) => {}
            "filter_node" | "filter_tag" => check_filter(name, &message, &entry["decoded"]),
            "meta" => {
                let found = tags::decode(&message);
                assert_eq!(show_tags(&found), entry["decoded"], "{name}");
                assert_eq!(tags::encode(&found, 5).expect(name).len(), message.len(), "{name}");
            }
            _ => {
                assert_eq!(message[0], type_byte(kind), "{name}");
                match kind {
                    "push_pull" => check_push_pull(name, &message, &entry["decoded"]),
                    _ => check_message(name, kind, &message, entry),
                }
            }
        }
    }
}

#[test]
fn odd_bodies_are_accepted_if_either_go_codec_does() {
    let vectors = vectors();
    let entries = section(&vectors, "decode_tolerance");
    assert!(entries.len() >= 60, "the section is complete");
    for entry in entries {
        let (name, kind, body) = (text(entry, "name"), text(entry, "kind"), bytes_of(entry, "hex"));
        let decoded = &entry["decoded"];
        let accepts = |codec: &str| entry[codec].as_bool().expect(name);
        let wanted = (accepts("codec_0_5_accepts") || accepts("codec_2_1_accepts"))
            && (kind == "tags" || !has_foreign_text(decoded));
        let accepted = match kind {
            _ if COORDINATE_KINDS.contains(&kind) => continue,
            "push_pull" => {
                serf::decode_state(&body).and_then(|state| check_state(name, &state, decoded, true))
            }
            // What is sound is kept, so there is no refusal.
            "tags" => {
                assert!(same_tags(&[&[0xff], &body[..]].concat(), decoded), "{name}");
                Ok(())
            }
            _ => decode(kind, &body).map(|seen| {
                assert!(covers(&seen.shown, decoded, true), "{name}: {}", seen.shown);
            }),
        };
        assert_eq!(accepted.is_ok(), wanted, "{name}: {accepted:?}");
    }
}

fn tags_of(value: &Value) -> Tags {
    let pairs = value.as_object().expect("tags are a map");
    pairs.iter().map(|(name, value)| (name, value.as_str().expect("text"))).collect()
}

/// Whether `meta` decodes to these tags. Go shows one replacement character per broken byte, we have one per broken
/// sequence, so runs of them count as one.
fn same_tags(meta: &[u8], expected: &Value) -> bool {
    let settled = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.dedup_by(|a, b| *a == *b && *a == char::REPLACEMENT_CHARACTER);
        chars.into_iter().collect::<String>()
    };
    let settled = |tags: &Tags| -> Tags {
        tags.iter().map(|(name, value)| (settled(name), settled(value))).collect()
    };
    settled(&tags::decode(meta)) == settled(&tags_of(expected))
}

#[test]
fn tags_encode_to_metadata_and_back() {
    let vectors = vectors();
    let entries = section(&vectors, "tags_encode");
    assert!(entries.len() >= 10, "the section is complete");
    for entry in entries {
        let (name, meta) = (text(entry, "name"), bytes_of(entry, "hex"));
        let protocol = u8::try_from(number(entry, "protocol")).expect(name);
        let encoded = tags::encode(&tags_of(&entry["tags"]), protocol).expect(name);
        assert_eq!(encoded.len() as u64, number(entry, "length"), "{name}");
        assert_eq!(tags::decode(&encoded), tags_of(&entry["decoded"]), "{name}");
        assert_eq!(tags::decode(&meta), tags_of(&entry["decoded"]), "{name}");
        // Go writes several tags in random order.
        if entry["decoded"].as_object().expect(name).len() < 2 {
            assert_eq!(hex(&encoded), hex(&meta), "{name}");
        }
    }
}

#[test]
fn metadata_decodes_to_tags() {
    let vectors = vectors();
    let entries = section(&vectors, "tags_decode");
    assert!(entries.len() >= 9, "the section is complete");
    for entry in entries {
        let meta = bytes_of(entry, "hex");
        assert!(same_tags(&meta, &entry["tags"]), "{}", text(entry, "name"));
    }
}

#[test]
fn tags_have_a_limit() {
    let vectors = vectors();
    let entries = section(&vectors, "tags_limit");
    assert!(entries.len() >= 2, "the section is complete");
    for entry in entries {
        let described = text(entry, "tags").strip_suffix(" bytes").expect("a length");
        let (name, len) = described.split_once(" = ").expect("a name and a length");
        let value = "v".repeat(len.parse().expect("a number"));
        let encoded = tags::encode(&[(name, value)].into_iter().collect(), 5);
        assert_eq!(Some(encoded.is_ok()), entry["create_ok"].as_bool(), "{entry}");
        assert_eq!(Some(encoded.is_ok()), entry["set_tags_ok"].as_bool(), "{entry}");
        let len = encoded.map_or_else(|refused| refused.len, |meta| meta.len());
        assert_eq!(len as u64, number(entry, "encoded_length"), "{entry}");
    }
}

#[test]
fn user_events_have_the_lengths_that_limits_count() {
    let vectors = vectors();
    let rows = section(&vectors, "user_event_encoded_length");
    assert!(rows.len() >= 7, "the section is complete");
    for row in rows {
        let [name, payload] = ["name_length", "payload_length"]
            .map(|key| usize::try_from(number(row, key)).expect("small"));
        let (name, payload) = ("n".repeat(name), vec![0; payload]);
        let event = UserEventMessage {
            ltime: number(row, "ltime"),
            name: &name,
            payload: Some(&payload),
            coalesce: true,
        };
        assert_eq!(serf::user_event_len(&event) as u64, number(row, "encoded_length"), "{row}");
    }
}

/// The largest payload whose encoded length, as `len` gives it, keeps the limit.
fn largest_payload(limit: u64, len: impl Fn(&[u8]) -> usize) -> u64 {
    let fits = |payload: &usize| len(&vec![0; *payload]) as u64 <= limit;
    (0..4_096).take_while(fits).last().expect("an empty payload fits") as u64
}

#[test]
fn answers_fill_the_limit_exactly() {
    let vectors = vectors();
    let row = &vectors["query_response_limit"];
    let limit = number(row, "QueryResponseSizeLimit");
    let from = text(row, "from");
    let response_len = |payload: &[u8]| {
        let id = u32::try_from(number(row, "id")).expect("32 bits");
        let ltime = number(row, "ltime");
        let payload = Some(payload);
        serf::query_response_len(&QueryResponse { ltime, id, from, flags: 0, payload })
    };
    let direct = number(row, "largest_payload_without_relay");
    assert_eq!(largest_payload(limit, response_len), direct);
    let header = RelayHeader { addr: &[127, 0, 0, 1], port: 9, node: "src" };
    let relayed = number(row, "largest_payload_with_relay_factor_2_to_src_at_127.0.0.1:9");
    let relay_len = |payload: &[u8]| serf::relay_len(&header, response_len(payload));
    assert_eq!(largest_payload(limit, relay_len), relayed);
}

#[test]
fn strict_names_are_those_that_serf_validates() {
    let vectors = vectors();
    let rows = section(&vectors, "validate_node_names");
    assert!(rows.len() >= 8, "the section is complete");
    for row in rows {
        let described = text(row, "name");
        // Long names are described as a count and a letter.
        let name = match described.split_once(" x '") {
            Some((count, letter)) => {
                letter.trim_end_matches('\'').repeat(count.parse().expect("a number"))
            }
            None => described.to_owned(),
        };
        assert_eq!(Some(is_strict_name(&name)), row["ok"].as_bool(), "{row}");
    }
}
