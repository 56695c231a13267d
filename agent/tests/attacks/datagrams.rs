//! Garbage by UDP, as fast as the loopback carries it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use uwasa_core::msg::serf::UserEventMessage;
use uwasa_core::msg::swim::{Ack, Alive, Compress, IndirectPing, MessageType, Ping, Suspect};
use uwasa_core::rng::Rng;
use uwasa_core::wire::lzw::Compressor;
use uwasa_core::wire::serf::user_event::encode_user_event;
use uwasa_core::wire::swim::{
    encode_ack, encode_alive, encode_compress, encode_indirect_ping, encode_ping, encode_suspect,
};

use crate::siege::{Agent, Siege, heavy};

/// Senders at the same time.
const SENDERS: usize = 2;
/// Resident memory of an agent that keeps nothing of what it gets, in KiB: the program's own pages (4 to 10 MiB by how it
/// was built), and what its buffers for one datagram grow to.
const MEMORY_MAX: u64 = 24 * 1_024;

fn duration() -> Duration {
    Duration::from_secs(if heavy() { 10 } else { 2 })
}

/// Makes many datagrams, so that the senders only send.
fn many(make: impl Fn(&mut Rng) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut rng = Rng::from_seed([7; 32]);
    (0..1_024).map(|_| make(&mut rng)).collect()
}

fn random(rng: &mut Rng, bytes_max: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.index(bytes_max + 1)];
    rng.fill(&mut bytes);
    bytes
}

fn text(rng: &mut Rng) -> String {
    format!("{:016x}", rng.next_u64())
}

/// Sends `datagrams` again and again; how many left.
fn flood(to: SocketAddr, datagrams: &[Vec<u8>]) -> u64 {
    let sent = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let sent = &sent;
            scope.spawn(move || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(to).unwrap();
                for datagram in datagrams.iter().cycle().skip(sender * datagrams.len() / SENDERS) {
                    if start.elapsed() > duration() {
                        break;
                    }
                    if socket.send(datagram).is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    sent.into_inner()
}

/// Endures a flood; `reasons` are those for which the agent must have dropped something.
fn endure(siege: &mut Siege, memory_max: u64, datagrams: &[Vec<u8>], reasons: &[&str]) {
    let mut sent = 0;
    let received = |agent: &Agent| agent.counted("uwasa.datagrams");
    let before = received(&siege.victim);
    siege.endure(memory_max, |victim| sent = flood(victim.gossip(), datagrams));
    let seconds = duration().as_secs();
    let received = (received(&siege.victim) - before) / seconds;
    eprintln!("datagrams per second: {} sent, {received} received", sent / seconds);
    for reason in reasons {
        let dropped = siege.victim.counted(&format!("uwasa.dropped.{reason}"));
        assert!(dropped > 0, "nothing was dropped as {reason}");
    }
}

#[test]
fn random_bytes() {
    let mut siege = Siege::lay(&[]);
    let datagrams = many(|rng| random(rng, 200));
    endure(&mut siege, MEMORY_MAX, &datagrams, &["empty", "message_type", "decode", "compound"]);
    let complaints = siege.victim.log().matches("dropped from").count() as u64;
    assert!(complaints <= 20 * (duration().as_secs() + 2), "{complaints} lines of log");
}

#[test]
fn messages_cut_off_or_with_random_bytes_after_their_type() {
    let mut siege = Siege::lay(&[]);
    let datagrams = many(|rng| {
        let mut bytes = random(rng, 400);
        let types = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 244];
        if let Some(first) = bytes.first_mut() {
            *first = types[rng.index(types.len())];
        }
        bytes
    });
    let reasons = ["decode", "compound", "decompress", "checksum", "label", "serf_message_type"];
    endure(&mut siege, MEMORY_MAX, &datagrams, &reasons);
}

#[test]
fn compressed_bombs_of_one_mebibyte_each() {
    let mut siege = Siege::lay(&[]);
    let mut bomb = Vec::new();
    let mut compressed = Vec::new();
    Compressor::default().compress(&vec![0xc1; 1 << 21], &mut compressed);
    encode_compress(&Compress { algo: 0, buf: Some(&compressed) }, &mut bomb);
    // Two inflated messages at once, of at most a mebibyte together, and their doubled buffers.
    endure(&mut siege, MEMORY_MAX + 8 * 1_024, &[bomb], &["decompress"]);
}

#[test]
fn a_cluster_with_keys_hears_strangers() {
    let key = "-encrypt=HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=";
    let mut siege = Siege::lay_encrypted(key);
    let datagrams = many(|rng| {
        let mut bytes = random(rng, 1_400);
        if let Some(first) = bytes.first_mut() {
            *first %= 2;
        }
        bytes
    });
    endure(&mut siege, MEMORY_MAX, &datagrams, &["decrypt"]);
}

#[test]
fn well_formed_messages_that_concern_nobody() {
    let mut siege = Siege::lay(&[]);
    let datagrams = many(|rng| {
        let (mut out, name) = (Vec::new(), text(rng));
        match rng.below(5) {
            0 => {
                let ping = Ping { seq_no: rng.next_u32(), node: &name, ..Ping::default() };
                encode_ping(&ping, &mut out);
            }
            1 => encode_ack(&Ack { seq_no: rng.next_u32(), payload: Some(&[1; 60]) }, &mut out),
            2 => {
                let suspect = Suspect { incarnation: 1, node: &name, from: "nobody" };
                encode_suspect(&suspect, &mut out);
            }
            3 => {
                let ping = IndirectPing {
                    seq_no: rng.next_u32(),
                    target: Some(&[127, 0, 0, 1]),
                    port: 9,
                    node: &name,
                    nack: true,
                    ..IndirectPing::default()
                };
                encode_indirect_ping(&ping, &mut out);
            }
            _ => {
                out.push(MessageType::User as u8);
                let event = UserEventMessage {
                    ltime: u64::MAX - rng.below(9),
                    name: &name,
                    ..UserEventMessage::default()
                };
                encode_user_event(&event, &mut out);
            }
        }
        out
    });
    let reasons = ["wrong_name", "unknown_seq_no", "lamport_time"];
    // Relays under way and the datagrams for them.
    endure(&mut siege, MEMORY_MAX + 8 * 1_024, &datagrams, &reasons);
}

#[test]
fn members_that_do_not_exist() {
    let mut siege = Siege::lay(&[]);
    let datagrams = many(|rng| {
        let mut out = Vec::new();
        let alive = Alive {
            incarnation: 1,
            node: &text(rng),
            addr: Some(&[127, 250, 250, 250]),
            port: 9,
            meta: Some(&[255, 128]),
            vsn: Some(&[1, 5, 2, 2, 5, 4]),
        };
        encode_alive(&alive, &mut out);
        out
    });
    // A thousand members, about a kilobyte each on both sides of the answer to a client, and their news.
    endure(&mut siege, MEMORY_MAX + 8 * 1_024, &datagrams, &[]);
}

#[test]
fn events_that_somebody_invents() {
    let mut siege = Siege::lay(&[]);
    let datagrams = many(|rng| {
        let mut out = vec![MessageType::User as u8];
        let (ltime, name) = (1 + rng.below(100_000), text(rng));
        let event =
            UserEventMessage { ltime, name: &name, payload: Some(&[7; 200]), coalesce: false };
        encode_user_event(&event, &mut out);
        out
    });
    // The buffer of recent events, and the queue of those to spread.
    endure(&mut siege, MEMORY_MAX + 8 * 1_024, &datagrams, &["event_too_old"]);
}
