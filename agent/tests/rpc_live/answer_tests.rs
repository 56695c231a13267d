//! Tests of the comparison of answers: what it lets pass and what it does not.

use libtest_mimic::{Failed, Trial};

use crate::answers::{alike, messages, take_objects};
use crate::bytes;

struct Sample {
    name: &'static str,
    expected: &'static str,
    same: &'static [&'static str],
    different: &'static [&'static str],
}

/// `{"Error": "", "Seq": 1}`.
macro_rules! header {
    ($($rest:literal)*) => { concat!("82a54572726f72a0a353657101", $($rest),*) };
}

const SAMPLES: &[Sample] = &[
    Sample {
        name: "answers/header",
        expected: header!(),
        same: &[],
        different: &[
            "82a353657101a54572726f72a0",
            "82a54572726f72a0a3536571cc01",
            "82a54572726f72a0a353657102",
            "82a54572726f72a178a353657101",
            header!("80"),
        ],
    },
    Sample {
        name: "answers/tags",
        expected: header!("81a45461677382a161a162a163a164"),
        same: &[header!("81a45461677382a163a164a161a162")],
        different: &[
            header!(),
            header!("81a45461677382a163a164a161a163"),
            header!("81a45461677381a163a164"),
            header!("81a45461677382a163a164a161c40162"),
        ],
    },
    Sample {
        name: "answers/event",
        expected: header!("82a54c54696d6505a75061796c6f6164c40161"),
        same: &[header!("82a54c54696d6507a75061796c6f6164c40161")],
        different: &[
            header!("82a54c54696d6507a75061796c6f6164a161"),
            header!("82a54c54696d65fba75061796c6f6164c40161"),
            header!("82a75061796c6f6164c40161a54c54696d6505"),
        ],
    },
    Sample {
        name: "answers/members",
        expected: header!("81a74d656d626572739281a44e616d65a16181a44e616d65a162"),
        same: &[header!("81a74d656d626572739281a44e616d65a16281a44e616d65a161")],
        different: &[
            header!("81a74d656d626572739181a44e616d65a162"),
            header!("81a74d656d626572739281a44e616d65a16281a44e616d65a162"),
        ],
    },
    Sample {
        name: "answers/unknown-coordinate",
        expected: header!("82a5436f6f726481a3566563c0a24f6bc2"),
        same: &[],
        different: &[
            header!("82a5436f6f726481a356656390a24f6bc2"),
            header!("82a5436f6f726481a3566563c0a24f6bc3"),
        ],
    },
    Sample {
        name: "answers/log",
        expected: header!("81a34c6f67bc323032362f31312f32322030383a35363a3232205b494e464f5d2078"),
        same: &[header!("81a34c6f67bc323032372f31312f32322030383a35363a3232205b494e464f5d2079")],
        different: &[header!("81a34c6f67a178")],
    },
];

/// One trial per sample.
pub(crate) fn trials() -> Vec<Trial> {
    SAMPLES.iter().map(|sample| Trial::test(sample.name, move || check(sample))).collect()
}

fn check(sample: &Sample) -> Result<(), Failed> {
    let read = |hex: &str| messages(take_objects(&mut bytes(hex)));
    let expected = read(sample.expected);
    let passes = |hex: &str| {
        let seen = read(hex);
        seen.len() == expected.len() && expected.iter().zip(&seen).all(|(e, s)| alike(e, s))
    };
    for hex in sample.same.iter().chain([&sample.expected]) {
        if !passes(hex) {
            return Err(format!("does not pass: {hex}").into());
        }
    }
    for hex in sample.different {
        if passes(hex) {
            return Err(format!("passes, but must not: {hex}").into());
        }
    }
    Ok(())
}
