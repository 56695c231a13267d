//! The stream reader on arbitrary bytes, at once and byte by byte; the first byte chooses side and settings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::wire::packet::PacketRules;
use uwasa_core::wire::seal::Sealer;
use uwasa_core::wire::stream::StreamReader;

fuzz_target!(|input: &[u8]| {
    let Some((&settings, bytes)) = input.split_first() else { return };
    let keys = Keyring::with_primary(Key::new(&[1; 16]).expect("16 bytes"));
    let sealer = if settings & 1 == 0 { Sealer::default() } else { Sealer::new(&keys) };
    let rules = PacketRules {
        label: if settings & 2 == 0 { "" } else { "blue" },
        skip_inbound_label_check: settings & 4 != 0,
        sealer: &sealer,
        seal_version: 1,
        verify_incoming: settings & 8 == 0,
        verify_outgoing: true,
        compression: false,
    };
    let new =
        || if settings & 16 == 0 { StreamReader::inbound() } else { StreamReader::outbound() };
    let at_once = new().push(bytes, &rules);
    let mut reader = new();
    let mut bytewise = Ok(None);
    for byte in bytes {
        bytewise = reader.push(std::slice::from_ref(byte), &rules);
        if !matches!(bytewise, Ok(None)) {
            break;
        }
    }
    assert_eq!(at_once, bytewise);
});
