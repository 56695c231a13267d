//! Compares questions and answers with those of the real agent (`tests/data/mdns.json`).

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::prelude::*;
use serde_json::Value;

use super::browse::{Browse, Learnt, question};
use super::name::parse;
use super::zone::Zone;

const DEMO: &str = "_serf_demo._tcp.local.";

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../tests/data/mdns.json")).unwrap()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The three agents of the recording.
fn zones() -> Vec<Zone> {
    [("demo", "m1", 7946), ("demo", "m2", 7947), ("other", "m3", 7948)]
        .map(|(cluster, node, port)| zone(cluster, node, &format!("127.0.0.1:{port}")))
        .into()
}

fn zone(cluster: &str, node: &str, addr: &str) -> Zone {
    Zone::new(cluster, node, "vm", addr.parse().unwrap())
}

/// A message after a way over the wire.
fn sent(message: &Message) -> Message {
    Message::from_vec(&message.to_vec().unwrap()).unwrap()
}

fn ask(name: Name, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, kind));
    message
}

/// The kinds of the records of the only reply; empty: silence.
fn kinds(zone: &Zone, request: &Message) -> Vec<RecordType> {
    let replies = zone.answer(&sent(request));
    assert!(replies.len() < 2, "{replies:?}");
    replies.iter().flat_map(|reply| reply.answers.iter().map(Record::record_type)).collect()
}

/// The records of a member of the cluster `demo`: PTR, SRV, A, TXT.
fn member(node: &str, port: u16, host: &str, ip: [u8; 4]) -> [Record; 4] {
    let service = parse(DEMO).unwrap();
    let instance = parse(&format!("{node}.{DEMO}")).unwrap();
    let host = parse(host).unwrap();
    let record = |name: &Name, data| Record::from_rdata(name.clone(), 120, data);
    [
        record(&service, RData::PTR(PTR(instance.clone()))),
        record(&instance, RData::SRV(SRV::new(10, 1, port, host.clone()))),
        record(&host, RData::A(A(Ipv4Addr::from(ip)))),
        record(&instance, RData::TXT(TXT::new(vec!["text".to_owned()]))),
    ]
}

fn message(records: &[Record]) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.insert_answers(records.to_vec());
    sent(&message)
}

fn browse() -> Browse {
    Browse::new(parse(DEMO).unwrap())
}

fn found(addresses: &[&str]) -> Learnt {
    let found = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Learnt { found, ask: Vec::new() }
}

#[test]
fn recorded_questions_are_asked() {
    let mut count = 0;
    for packet in recorded()["packets"].as_array().unwrap() {
        let bytes = unhex(&packet["hex"]);
        let message = Message::from_vec(&bytes).unwrap();
        if let [query] = &message.queries[..] {
            count += 1;
            assert_eq!(question(query.name().clone(), message.id).to_vec().unwrap(), bytes);
        }
    }
    assert_eq!(count, 3);
}

#[test]
fn recorded_probes_are_answered() {
    for probe in recorded()["probes"].as_array().unwrap() {
        let request = Message::from_vec(&unhex(&probe["query_hex"])).unwrap();
        let mut expected: Vec<_> =
            probe["answers"].as_array().unwrap().iter().map(|a| unhex(&a["hex"])).collect();
        let replies: Vec<_> = zones().iter().flat_map(|zone| zone.answer(&request)).collect();
        assert_eq!(replies.len(), expected.len(), "{probe}");
        for reply in replies {
            // Serf's library points back to the name in an SRV record, ours does not: so what is decoded is compared.
            let same = expected.iter().position(|e| Message::from_vec(e).unwrap() == sent(&reply));
            let same = expected.swap_remove(same.unwrap_or_else(|| panic!("{probe}: {reply}")));
            let bytes = reply.to_vec().unwrap();
            if same.windows(4).any(|four| four == b"\x02vm\0") && reply.answers.len() > 1 {
                assert!(bytes.len() <= same.len() + 4, "not compressed: {probe}");
            } else {
                assert_eq!(bytes, same, "{probe}");
            }
        }
    }
}

#[test]
fn recorded_answers_are_understood() {
    let mut members = Vec::new();
    let mut browse = browse();
    for packet in recorded()["packets"].as_array().unwrap() {
        let learnt = browse.take(&Message::from_vec(&unhex(&packet["hex"])).unwrap());
        assert_eq!(learnt.ask, []);
        members.extend(learnt.found);
    }
    let expected: Vec<SocketAddr> =
        vec!["127.0.0.1:7946".parse().unwrap(), "127.0.0.1:7947".parse().unwrap()];
    assert_eq!(members, expected);
}

#[test]
fn questions_are_answered_as_seen_in_runs() {
    use RecordType as T;
    let zone = zone("demo", "m1", "127.0.0.1:7946");
    let instance = &format!("m1.{DEMO}")[..];
    let services = "_services._dns-sd._udp.local.";
    for (name, kind, answer) in [
        (DEMO, T::ANY, &[T::PTR, T::SRV, T::A, T::TXT][..]),
        (DEMO, T::TXT, &[]),
        ("_SERF_demo._tcp.local.", T::PTR, &[]),
        (instance, T::ANY, &[T::SRV, T::A, T::TXT]),
        (instance, T::SRV, &[T::SRV, T::A]),
        (instance, T::A, &[T::A]),
        (instance, T::AAAA, &[]),
        (instance, T::TXT, &[T::TXT]),
        (instance, T::PTR, &[]),
        ("vm.", T::A, &[T::A]),
        ("vm.", T::AAAA, &[]),
        ("vm.", T::ANY, &[]),
        ("vm.local.", T::A, &[]),
        (services, T::ANY, &[T::PTR]),
        (services, T::A, &[]),
    ] {
        assert_eq!(kinds(&zone, &ask(parse(name).unwrap(), kind)), answer, "{name} {kind}");
    }
}

#[test]
fn ipv6_is_announced() {
    use RecordType as T;
    let zone = zone("demo", "m6", "[::1]:7946");
    let instance = parse(&format!("m6.{DEMO}")).unwrap();
    assert_eq!(kinds(&zone, &ask(instance.clone(), T::ANY)), [T::SRV, T::AAAA, T::TXT]);
    assert_eq!(kinds(&zone, &ask(instance.clone(), T::AAAA)), [T::AAAA]);
    assert_eq!(kinds(&zone, &ask(instance, T::A)), []);
    let reply = zone.answer(&ask(parse(DEMO).unwrap(), T::PTR)).remove(0);
    assert_eq!(browse().take(&sent(&reply)), found(&["[::1]:7946"]));
}

#[test]
fn header_decides_on_silence() {
    let zone = zone("demo", "m1", "127.0.0.1:7946");
    let request = ask(parse("vm.").unwrap(), RecordType::A);
    let changed = |change: fn(&mut Message)| {
        let mut request = request.clone();
        change(&mut request);
        kinds(&zone, &request).len()
    };
    assert_eq!(changed(|_| {}), 1);
    assert_eq!(changed(|m| m.metadata.recursion_desired = true), 1);
    assert_eq!(changed(|m| m.metadata.message_type = MessageType::Response), 1);
    assert_eq!(changed(|m| m.metadata.op_code = OpCode::Status), 0);
    assert_eq!(changed(|m| m.metadata.truncation = true), 0);
    assert_eq!(changed(|m| m.metadata.response_code = ResponseCode::FormErr), 0);
    assert_eq!(changed(|m| _ = m.queries[0].set_query_class(DNSClass::CH)), 1);
}

#[test]
fn unicast_questions_get_a_reply_of_their_own() {
    let zone = zone("demo", "m1", "127.0.0.1:7946");
    let mut request = ask(parse("vm.").unwrap(), RecordType::A);
    request.queries[0].set_query_class(DNSClass::Unknown(0x8001));
    request.add_query(Query::query(parse(DEMO).unwrap(), RecordType::PTR));
    let replies = zone.answer(&sent(&request));
    let seen: Vec<_> = replies.iter().map(|reply| (reply.id, reply.answers.len())).collect();
    assert_eq!(seen, [(0, 4), (7, 1)]);
}

#[test]
fn many_questions_make_no_large_reply() {
    let mut request = ask(parse(DEMO).unwrap(), RecordType::PTR);
    for _ in 0..1000 {
        request.add_query(request.queries[0].clone());
    }
    let replies = zone("demo", "m1", "127.0.0.1:7946").answer(&sent(&request));
    assert_eq!(replies.iter().map(|reply| reply.answers.len()).sum::<usize>(), 16 * 4);
}

#[test]
fn names_are_read_as_text() {
    let labels = |text| parse(text).map(|n| n.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
    let some = |labels: &[&str]| Some(labels.iter().map(|l| l.as_bytes().to_vec()).collect());
    assert_eq!(labels("a.b.local."), some(&["a", "b", "local"]));
    assert_eq!(labels("sp ace.local."), some(&["sp ace", "local"]));
    assert_eq!(labels("dö.local."), some(&["dö", "local"]));
    assert_eq!(labels("back\\slash.local."), some(&["backslash", "local"]));
    assert_eq!(labels("\\065z.local."), some(&["Az", "local"]));
    assert_eq!(labels("a\\.b.local."), some(&["a.b", "local"]));
    assert_eq!(labels("tr\\._tcp.local."), some(&["tr._tcp", "local"]));
    let long = format!("{}.local.", "x".repeat(64));
    for bad in ["a..local.", ".local.", "\\256.local.", &long, &"x.".repeat(128)] {
        assert_eq!(labels(bad), None, "{bad}");
    }
}

#[test]
fn name_that_dns_cannot_carry_is_silent() {
    use RecordType as T;
    for node in ["a..b", "trail.", &"x".repeat(70)] {
        let zone = zone("demo", node, "127.0.0.1:7946");
        assert_eq!(kinds(&zone, &ask(parse(DEMO).unwrap(), T::PTR)), [], "{node}");
        assert_eq!(kinds(&zone, &ask(parse("vm.").unwrap(), T::A)), [T::A], "{node}");
    }
    let zone = zone("a..b", "n", "127.0.0.1:7946");
    assert_eq!(zone.service(), None);
    assert_eq!(kinds(&zone, &ask(parse("vm.").unwrap(), T::A)), [T::A]);
}

#[test]
fn members_in_pieces_are_put_together() {
    let [pointer, location, address, text] = member("n", 1001, "hh.", [10, 0, 0, 1]);
    let mut browse = browse();
    let instance = parse(&format!("n.{DEMO}")).unwrap();
    assert_eq!(browse.take(&message(&[pointer])), Learnt { found: vec![], ask: vec![instance] });
    assert_eq!(browse.take(&message(&[address])), Learnt::default(), "asked for again only once");
    assert_eq!(browse.take(&message(&[text])), Learnt::default());
    let whole = std::slice::from_ref(&location);
    assert_eq!(browse.take(&message(whole)), found(&["10.0.0.1:1001"]));
    assert_eq!(browse.take(&message(whole)), Learnt::default(), "used only once");
}

#[test]
fn incomplete_members_are_not_used() {
    let whole = member("n", 1001, "hh.", [10, 0, 0, 1]);
    for missing in 1..4 {
        let mut records = whole.to_vec();
        records.remove(missing);
        assert_eq!(browse().take(&message(&records)).found, [], "without {missing}");
    }
    let learnt = browse().take(&message(&member("n", 0, "hh.", [10, 0, 0, 1])));
    assert_eq!((learnt.found.len(), learnt.ask.len()), (0, 1));
}

#[test]
fn additional_records_and_cache_flush_count() {
    let [pointer, mut location, address, text] = member("n", 1001, "hh.", [10, 0, 0, 1]);
    location.dns_class = DNSClass::Unknown(0x8001);
    let mut message = message(&[pointer]);
    message.insert_additionals(vec![location, address, text]);
    assert_eq!(browse().take(&sent(&message)), found(&["10.0.0.1:1001"]));
}

#[test]
fn other_services_are_not_joined() {
    let reply = zone("other", "n", "127.0.0.1:7946")
        .answer(&ask(parse("_serf_other._tcp.local.").unwrap(), RecordType::PTR))
        .remove(0);
    assert_eq!(browse().take(&sent(&reply)), Learnt::default());
}

#[test]
fn a_round_remembers_and_asks_for_a_limited_number() {
    let mut browse = browse();
    let mut asked = 0;
    for n in 0..5000 {
        let [pointer, ..] = member(&format!("n{n}"), 1, "hh.", [10, 0, 0, 1]);
        asked += browse.take(&message(&[pointer])).ask.len();
    }
    assert_eq!(asked, 64);
    let mut used = 0;
    for n in 0..5000 {
        used +=
            browse.take(&message(&member(&format!("n{n}"), 1, "hh.", [10, 0, 0, 1]))).found.len();
    }
    assert_eq!(used, 4096);
}

proptest! {
    #[test]
    fn bad_packets_do_no_harm(
        which in 0_usize..100,
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in any::<usize>(),
    ) {
        let recorded = recorded();
        let packets = recorded["packets"].as_array().unwrap();
        let mut bytes = unhex(&packets[which % packets.len()]["hex"]);
        let length = bytes.len();
        for (place, value) in changes {
            bytes[place % length] = value;
        }
        bytes.truncate(length - cut % length);
        if let Ok(message) = Message::from_vec(&bytes) {
            for reply in zones()[0].answer(&message) {
                prop_assert!(reply.to_vec().is_ok());
            }
            browse().take(&message);
        }
    }
}
