//! What a user reads when a fault of a process or of an identity is wrong.

use std::path::Path;

use uwasa_sim::scenario::{Cycle, FaultKind, OnDisk, Scenario, parse};

const HEAD: &str = "title = \"T\"\nnodes = 9\nduration = \"60s\"\n\n";

fn errors(text: &str) -> String {
    parse(&format!("{HEAD}{text}"), Path::new("scenarios/x.toml"), &[])
        .expect_err("the scenario is wrong")
        .to_string()
}

fn read(text: &str) -> Scenario {
    parse(&format!("{HEAD}{text}"), Path::new("scenarios/x.toml"), &[])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

macro_rules! error_texts {
    ($($name:ident: $text:expr;)*) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), errors(&$text));
        })*
    };
}

error_texts! {
    cycles: "[[fault]]\nat = \"1s\"\nblock = [\"host1\"]\ncycle = { on = \"0s\", of = \"1s\" }\n\n[[fault]]\nat = \"1s\"\npause = [\"host1\"]\ncycle = \"1s\"\n\n[[fault]]\nat = \"1s\"\ncrash = [\"host1\"]\ncycle = { on = \"1s\", off = \"1s\" }\n";
    slow_processors: "[[fault]]\nat = \"1s\"\nslow = [\"host1\"]\nper_input = \"1ms\"\n\n[[fault]]\nat = \"1s\"\nslow = { nodes = [\"host99\"], per_input = \"0s\" }\n\n[[fault]]\nat = \"1s\"\nslow = { per_inptu = \"1ms\" }\n";
    clocks: "[[fault]]\nat = \"1s\"\nclock = { nodes = [\"host1\"] }\n\n[[fault]]\nat = \"1s\"\nfor = \"5s\"\nclock = { nodes = [\"host1\"], jump = \"30s\" }\n\n[[fault]]\nat = \"1s\"\nclock = { nodes = [\"host1\"], drift = 1, jump = \"-1s\" }\n\n[[fault]]\nat = \"1s\"\nclock = { nodes = [\"host1\"], drift = -0.6 }\n\n[[fault]]\nat = \"1s\"\nclock = { nodes = [\"host1\"], drift = 0.0 }\n";
    snapshots: "[[fault]]\nat = \"1s\"\nrestart = [\"host1\"]\nevery = \"1s\"\nsnapshot = \"broken\"\n\n[[fault]]\nat = \"1s\"\nrestart = [\"host2\"]\nevery = \"1s\"\nsnapshot = \"torn\"\nkeep_state = true\n\n[[fault]]\nat = \"1s\"\npause = [\"host2\"]\nsnapshot = \"torn\"\n";
    moves: "[[fault]]\nat = \"1s\"\nmove = { node = \"host3\", to = \"10.0.0.5\" }\n\n[[fault]]\nat = \"2s\"\ncrash = [\"host4\"]\n\n[[fault]]\nat = \"3s\"\nmove = { node = \"host4\", to = \"10.9.0.4\" }\n\n[[fault]]\nat = \"4s\"\nfor = \"5s\"\nmove = { node = \"host5\", to = \"10.9.0.5:7946\" }\n\n[[fault]]\nat = \"5s\"\nmove = { node = \"host6\", to = \"nowhere\", form = 1 }\n";
    moves_after_leaves: "[[work]]\nat = \"5s\"\nleave = [\"host3\"]\n\n[[fault]]\nat = \"9s\"\nmove = { node = \"host3\", to = \"10.9.0.3\" }\n";
    taken_addresses: "[[node]]\nname = \"stranger\"\ntakes = \"host3\"\nat = \"20s\"\naddr = \"10.9.0.1\"\n\n[[node]]\nname = \"second\"\ntakes = \"host4\"\nat = \"20s\"\nclaims = \"host5\"\n\n[[node]]\nname = \"host6\"\ntakes = \"host5\"\n";
    addresses_in_use: "[[node]]\nname = \"early\"\ntakes = \"host3\"\nat = \"20s\"\n\n[[node]]\nname = \"late\"\ntakes = \"host4\"\nat = \"20s\"\n\n[[node]]\nname = \"third\"\ntakes = \"host4\"\nat = \"25s\"\n\n[[fault]]\nat = \"10s\"\ncrash = [\"host4\"]\n\n[[fault]]\nat = \"20s\"\ncrash = [\"host3\"]\n\n[[fault]]\nat = \"30s\"\nrestart = [\"host4\"]\n\n[[fault]]\nat = \"40s\"\nmove = { node = \"host5\", to = \"10.0.0.4\" }\n";
    strangers_are_no_members: "[[node]]\nname = \"stranger\"\ntakes = \"host3\"\nat = \"20s\"\n\n[[fault]]\nat = \"10s\"\ncrash = [\"host3\"]\n\n[[fault]]\nat = \"30s\"\nmove = { node = \"stranger\", to = \"10.9.0.1\" }\n\n[[expect]]\nstate_at = { at = \"50s\", subject = \"stranger\", state = \"failed\" }\n";
    other_keys: "[[fault]]\nat = \"1s\"\nrekey = { nodes = [\"host1\"], keys = [\"AAEC\"] }\n\n[[fault]]\nat = \"1s\"\nrekey = { nodes = [\"host1\"], key = \"AAECAwQFBgcICQoLDA0ODw==\" }\n";
}

#[test]
fn what_is_left_of_a_snapshot_has_two_spellings() {
    let scenario = read(
        "[[fault]]\nat = \"1s\"\nrestart = [\"host1..host2\"]\nevery = \"1s\"\nkeep_state = true\n\n\
         [[fault]]\nat = \"9s\"\nrestart = [\"host1\"]\nevery = \"1s\"\nsnapshot = \"stale\"\n",
    );
    let left: Vec<_> = scenario
        .faults
        .iter()
        .map(|fault| {
            let FaultKind::Restart { snapshot, .. } = &fault.kind else { panic!("a restart") };
            *snapshot
        })
        .collect();
    assert_eq!(left, [OnDisk::Kept, OnDisk::Kept, OnDisk::Stale]);
    assert!(scenario.config.snapshot);
}

#[test]
fn a_cycle_is_read_in_nanoseconds_and_a_vacated_address_may_be_moved_to() {
    let scenario = read(
        "[[fault]]\nat = \"1s\"\nblock = [\"host1\"]\ncycle = { on = \"512ms\", off = \"64ms\" }\n\n\
         [[fault]]\nat = \"2s\"\nmove = { node = \"host3\", to = \"10.9.0.3\" }\n\n\
         [[fault]]\nat = \"3s\"\nmove = { node = \"host4\", to = \"10.0.0.3\" }\n",
    );
    let FaultKind::Block { cycle, .. } = &scenario.faults[0].kind else { panic!("a block") };
    assert_eq!(*cycle, Some(Cycle { on: 512_000_000, off: 64_000_000 }));
}
