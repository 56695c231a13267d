//! From texts to what they stand for: addresses, key and profile.

use uwasa_core::config::Options;

use super::Config;
use super::address::{self, Endpoint};
use super::interface::{Interfaces, is_link_local};
use crate::go;

/// What the texts of a configuration stand for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Resolved {
    /// Gossip address to listen on.
    pub bind: Endpoint,
    /// Gossip address that others are told, if it was given.
    pub advertise: Option<Endpoint>,
    /// Bytes of the encryption key, of any length.
    pub key: Option<Vec<u8>>,
    /// Timing profile.
    pub profile: Options,
}

/// What came of [`resolve`].
#[derive(Debug)]
pub(crate) struct Resolution {
    /// What the user is told in any case.
    pub notices: Vec<String>,
    /// The values, or every problem in Serf's order; the first is the one that Serf tells.
    pub outcome: Result<Resolved, Vec<String>>,
}

/// Resolves addresses, key and profile. Blocks while host names are looked up.
#[must_use]
pub(crate) fn resolve(config: &Config, interfaces: &Interfaces) -> Resolution {
    let mut notices = Vec::new();
    let mut problems = Vec::new();
    let bind = address::resolve(&config.bind)
        .map_err(|error| format!("Invalid bind address: {error}"))
        .and_then(|bind| on_interface(&config.interface, bind, interfaces, &mut notices));
    let bind = keep(bind, &mut problems);
    let advertise = (!config.advertise.is_empty()).then(|| {
        address::resolve(&config.advertise)
            .map_err(|error| format!("Invalid advertise address: {error}"))
    });
    let advertise = keep(advertise.transpose(), &mut problems);
    let key = (!config.encrypt_key.is_empty()).then(|| {
        go::base64::decode(&config.encrypt_key)
            .map_err(|error| format!("Invalid encryption key: {error}"))
    });
    let key = keep(key.transpose(), &mut problems);
    let profile = keep(profile(&config.profile), &mut problems);
    let outcome = match (bind, advertise, key, profile) {
        (Some(bind), Some(advertise), Some(key), Some(profile)) => {
            Ok(Resolved { bind, advertise, key, profile })
        }
        _ => Err(problems),
    };
    Resolution { notices, outcome }
}

fn keep<T>(result: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// The core's settings for a timing profile.
///
/// # Errors
///
/// Serf's text for a name that is none.
pub(crate) fn profile(name: &str) -> Result<Options, String> {
    match name {
        "lan" => Ok(Options::lan()),
        "wan" => Ok(Options::wan()),
        "local" => Ok(Options::local()),
        other => Err(format!("Unknown profile: {other}")),
    }
}

/// The address to listen on when an interface is named: an address of it, which must be `bind` if that is one address.
fn on_interface(
    name: &str,
    bind: Endpoint,
    interfaces: &Interfaces,
    notices: &mut Vec<String>,
) -> Result<Endpoint, String> {
    if name.is_empty() {
        return Ok(bind);
    }
    // One that does not exist was told of before.
    let Some(addrs) = interfaces.get(name) else { return Ok(bind) };
    if addrs.is_empty() {
        return Err(format!("Interface '{name}' has no addresses"));
    }
    if bind.is_any_v4() {
        let usable = addrs.iter().copied().find(|&ip| !is_link_local(ip));
        let ip = usable
            .ok_or_else(|| format!("Failed to find usable address for interface '{name}'"))?;
        notices.push(format!("Using interface '{name}' address '{ip}'"));
        return Ok(Endpoint { ip: Some(ip), ..bind });
    }
    if bind.ip.is_none_or(|ip| !addrs.contains(&ip)) {
        return Err(format!("Interface '{name}' has no '{}' address", bind.host_text()));
    }
    Ok(bind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Interfaces {
        let ip = |text: &str| text.parse().unwrap();
        [
            ("lo".to_owned(), vec![ip("127.0.0.1"), ip("::1")]),
            ("eth".to_owned(), vec![ip("169.254.1.1"), ip("10.0.0.1")]),
            ("link".to_owned(), vec![ip("fe80::1")]),
            ("none".to_owned(), vec![]),
        ]
        .into()
    }

    fn with(change: impl FnOnce(&mut Config)) -> Resolution {
        let mut config = Config::defaults();
        change(&mut config);
        resolve(&config, &interfaces())
    }

    fn bound(interface: &str, bind: &str) -> Result<String, String> {
        let resolution = with(|config| {
            config.interface = interface.into();
            config.bind = bind.into();
        });
        resolution
            .outcome
            .map(|resolved| resolved.bind.to_string())
            .map_err(|problems| problems.join("; "))
    }

    #[test]
    fn defaults_resolve() {
        let resolved = with(|_| {}).outcome.unwrap();
        assert_eq!(resolved.bind.to_string(), "0.0.0.0:7946");
        assert_eq!((resolved.advertise, resolved.key), (None, None));
        assert_eq!(resolved.profile, Options::lan());
    }

    #[test]
    fn an_interface_stands_for_its_first_address_that_is_not_link_local() {
        assert_eq!(bound("eth", "0.0.0.0:7999").unwrap(), "10.0.0.1:7999");
        let resolution = with(|config| config.interface = "lo".into());
        assert_eq!(resolution.notices, ["Using interface 'lo' address '127.0.0.1'"]);
        assert_eq!(bound("lo", "[::1]").unwrap(), "[::1]:7946");
        for (interface, bind, error) in [
            ("lo", "10.0.0.1", "Interface 'lo' has no '10.0.0.1' address"),
            ("lo", ":7999", "Interface 'lo' has no '<nil>' address"),
            ("lo", "[::]", "Interface 'lo' has no '::' address"),
            ("none", "0.0.0.0", "Interface 'none' has no addresses"),
            ("link", "0.0.0.0", "Failed to find usable address for interface 'link'"),
        ] {
            assert_eq!(bound(interface, bind).unwrap_err(), error);
        }
    }

    #[test]
    fn all_problems_are_told_in_serf_s_order() {
        let resolution = with(|config| {
            config.profile = "fast".into();
            config.encrypt_key = "notbase64!".into();
            config.advertise = "x:y:z".into();
            config.bind = "::1".into();
        });
        assert_eq!(
            resolution.outcome.unwrap_err(),
            [
                "Invalid bind address: address ::1: too many colons in address",
                "Invalid advertise address: address x:y:z: too many colons in address",
                "Invalid encryption key: illegal base64 data at input byte 9",
                "Unknown profile: fast",
            ]
        );
    }
}
