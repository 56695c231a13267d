//! A whole node fed with datagrams, as they are and compressed, and with streams: it may drop them, never panic.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use uwasa_core::config::{Identity, Options};
use uwasa_core::io::{Cx, Input, Outbox, StreamId, StreamInput};
use uwasa_core::node::Node;
use uwasa_core::pool::Pool;
use uwasa_core::rng::Rng;
use uwasa_core::time::Instant;
use uwasa_core::wire::packet::{Packer, PacketRules};
use uwasa_core::wire::seal::Sealer;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Options::lan().validate() else { return };
    let addr = ([10, 0, 0, 1], 7946).into();
    let Ok(me) = Identity::new("n", addr) else { return };
    let (mut pool, mut out) = (Pool::new(1), Outbox::new());
    let now = Instant::ZERO;
    let mut node =
        Node::new(Arc::new(config), me, [1; 32], &mut Cx { now, pool: &mut pool, out: &mut out });
    while out.pop().is_some() {}
    let mut inputs = vec![data.to_vec()];
    if !data.is_empty() && data.len() < 60_000 {
        inputs.push(compressed(data));
    }
    for (bytes, id) in inputs.iter().zip([1, 3]) {
        feed(&mut node, &mut pool, &mut out, now, Input::Datagram { from: addr, bytes });
        let id = StreamId(id);
        for event in [
            StreamInput::Accepted { from: addr },
            StreamInput::Data(bytes),
            StreamInput::Finished,
        ] {
            feed(&mut node, &mut pool, &mut out, now, Input::Stream { id, event });
        }
    }
    for second in 1..60 {
        let now = Instant::from_nanos(second * 1_000_000_000);
        feed(&mut node, &mut pool, &mut out, now, Input::Timeout);
    }
});

fn feed(node: &mut Node, pool: &mut Pool, out: &mut Outbox, now: Instant, input: Input<'_>) {
    node.handle(input, &mut Cx { now, pool, out });
    while out.pop().is_some() {}
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let sealer = Sealer::new(&Default::default());
    let rules = PacketRules {
        label: "",
        skip_inbound_label_check: false,
        sealer: &sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: true,
    };
    let mut packer = Packer::default();
    packer.push(|out| out.extend_from_slice(message));
    packer.seal(&rules, false, &mut Rng::from_seed([1; 32])).to_vec()
}
