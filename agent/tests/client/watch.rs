//! The live view of the members.

use crate::fake::{self, Frame};
use crate::support::{interrupt_after, serf};

fn answer(bytes: &[u8]) -> Frame {
    Frame {
        dir: "A>C".to_owned(),
        hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        event: None,
    }
}

/// A request of so many bytes.
fn request(len: usize) -> Frame {
    Frame { dir: "C>A".to_owned(), hex: "00".repeat(len), event: None }
}

#[test]
fn a_live_view_goes_on_when_the_agent_is_gone() {
    let handshake = request(34);
    let ask = request(52);
    let members = |seq: u8| {
        let header = [&b"\x82\xa5Error\xa0\xa3Seq"[..], &[seq]].concat();
        let body = b"\x81\xa7Members\x92\x82\xa4Name\xa1b\xa6Status\xa5alive\x82\xa4Name\xa1a\xa6Status\xa4left";
        answer(&[&header[..], body].concat())
    };
    let frames = vec![
        handshake,
        answer(b"\x82\xa5Error\xa0\xa3Seq\x01"),
        ask.clone(),
        members(2),
        ask,
        members(3),
    ];
    let (addr, agent) = fake::player(frames);
    let mut command = serf();
    command
        .args(["members", "-watch", "-watch-interval=100ms"])
        .env("SERF_RPC_ADDR", addr.to_string());
    let outcome = interrupt_after(&mut command, 13);
    drop(agent);
    assert_eq!(outcome.exit, Some(0));
    let text = String::from_utf8_lossy(&outcome.stdout);
    let mut frames = text.split("UTC\n");
    for lead in ["", "\n"] {
        let frame = frames.next().expect("a frame");
        let table = format!("{lead}a  :0  left   \nb  :0  alive\n\n1 alive, 1 left at ");
        assert!(frame.starts_with(&table), "{frame:?}");
    }
    let after = frames.next().expect("a frame");
    assert!(after.starts_with("\nError "), "{after:?}");
}
