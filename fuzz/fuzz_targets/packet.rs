//! The datagram pipeline on arbitrary bytes; the first byte chooses the receiver's settings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::rng::Rng;
use uwasa_core::stats::Stats;
use uwasa_core::wire::packet::{PARTS_MAX, Packer, PacketRules, Unpacked};
use uwasa_core::wire::seal::Sealer;

fuzz_target!(|input: &[u8]| {
    let Some((&settings, bytes)) = input.split_first() else { return };
    let keys = Keyring::with_primary(Key::new(&[1; 16]).expect("16 bytes"));
    let sealer = if settings & 1 == 0 { Sealer::default() } else { Sealer::new(&keys) };
    let rules = PacketRules {
        label: if settings & 2 == 0 { "" } else { "blue" },
        skip_inbound_label_check: settings & 4 != 0,
        sealer: &sealer,
        seal_version: settings >> 3 & 1,
        verify_incoming: settings & 16 == 0,
        verify_outgoing: true,
        compression: settings & 32 != 0,
    };
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    unpacked.unpack(bytes, &rules, &mut stats);
    let messages: Vec<Vec<u8>> = (0..unpacked.len().min(PARTS_MAX))
        .map(|index| unpacked.message(bytes, index).to_vec())
        .collect();
    if messages.is_empty() || messages.iter().any(|message| message.len() > 65_535) {
        return;
    }
    let mut packer = Packer::default();
    for message in &messages {
        packer.push(|out| out.extend_from_slice(message));
    }
    let packet = packer.seal(&rules, settings & 64 != 0, &mut Rng::from_seed([1; 32])).to_vec();
    let receiver = PacketRules { skip_inbound_label_check: false, ..rules };
    unpacked.unpack(&packet, &receiver, &mut stats);
    let again: Vec<Vec<u8>> =
        (0..unpacked.len()).map(|index| unpacked.message(&packet, index).to_vec()).collect();
    assert_eq!(again, messages);
});
