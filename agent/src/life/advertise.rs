//! Which address the others are told, and what may be wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::config::address::Endpoint;
use crate::config::interface::{Interfaces, owns, private_address};
use crate::event::{AgentEvent, Member};
use crate::filter::Filter;
use crate::{agent::Agent, task};

/// Events that may wait for the check; it does no waiting of its own.
const EVENTS: usize = 64;

/// The address that is advertised by a node that listens on `bind`, with the port `port`.
///
/// # Errors
///
/// Serf's text.
pub(super) fn choose(
    bind: Endpoint,
    port: u16,
    advertise: Option<Endpoint>,
    interfaces: &Interfaces,
) -> Result<SocketAddr, String> {
    const FAILED: &str = "Failed to get final advertise address:";
    if let Some(advertise) = advertise {
        let ip = advertise
            .ip
            .ok_or_else(|| format!("{FAILED} Failed to parse advertise address \"<nil>\""))?;
        let port = if advertise.port == 0 { port } else { advertise.port };
        return Ok(SocketAddr::new(ip, port));
    }
    let ip = bind.listen_ip();
    if !ip.is_unspecified() {
        return Ok(SocketAddr::new(ip, port));
    }
    match private_address(interfaces) {
        Some(private) => Ok(SocketAddr::new(private, port)),
        // As in Serf, which then advertises an address that is none.
        None if !bind.is_any_v4() => Ok(SocketAddr::new(ip, port)),
        None => Err(format!("{FAILED} No private IP address found, and explicit IP not provided")),
    }
}

/// What is likely to be wrong with an advertised address.
pub(super) fn doubt(
    bind: Endpoint,
    addr: SocketAddr,
    explicit: bool,
    interfaces: &Interfaces,
) -> Option<String> {
    let ip = addr.ip();
    let why = if ip.is_unspecified() || ip.is_multicast() {
        "other nodes cannot reach it"
    } else if ip.is_loopback() && bind.listen_ip().is_unspecified() {
        "only nodes on this machine can reach it"
    } else if !explicit && !interfaces.is_empty() && !owns(interfaces, ip) {
        "no interface of this machine has it"
    } else {
        return None;
    };
    Some(format!("advertised address {addr}: {why}: check -bind, -iface and -advertise"))
}

/// Networks of special purpose (RFC 6890): everything else is public.
const SPECIAL_V4: [Ipv4Net; 14] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(240, 0, 0, 4),
];
const SPECIAL_V6: [Ipv6Net; 8] = [
    v6(0, 0, 127),
    v6(0x64, 0xff9b, 96),
    v6(0x100, 0, 64),
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    v6(0x2002, 0, 16),
    v6(0xfc00, 0, 7),
    v6(0xfe80, 0, 10),
];

const fn v4(a: u8, b: u8, c: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// Whether gossip with an advertised address may cross the internet, which asks for encryption.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|network| network.contains(&ip)),
        IpAddr::V6(ip) => !SPECIAL_V6.iter().any(|network| network.contains(&ip)),
    }
}

/// Warns once when another member advertises the address of `agent`.
pub(super) async fn watch(agent: &Agent) {
    let filters = Filter::parse_list("member-join,member-update").unwrap_or_default();
    let mut events = agent.subscribe(EVENTS, filters, "address check".to_owned()).await;
    let (name, addr) = (agent.name().to_owned(), agent.addr());
    task::spawn(async move {
        while let Some(event) = events.next().await {
            if let Some(other) = same_address(&event, &name, addr) {
                tracing::warn!(
                    target: "agent",
                    "member {:?} advertises our own address {addr}: check -bind, -iface and -advertise",
                    other.name
                );
                return;
            }
        }
    });
}

fn same_address<'a>(event: &'a AgentEvent, name: &str, addr: SocketAddr) -> Option<&'a Member> {
    let AgentEvent::Members { members, .. } = event else { return None };
    members.iter().find(|member| &*member.name != name && member.socket_addr() == Some(addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_original_warns_of_these_addresses_and_not_of_those() {
        let public = [
            "8.8.8.8",
            "224.0.0.1",
            "239.1.1.1",
            "172.32.0.1",
            "ff02::1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
        ];
        let special = [
            "203.0.113.1",
            "10.0.0.1",
            "127.0.0.1",
            "255.255.255.255",
            "2001:10::1",
            "100::1",
            "2002::1",
            "64:ff9b::1",
            "::",
            "::1",
            "198.51.100.1",
            "240.0.0.1",
            "198.18.0.1",
            "fe80::1",
            "0.0.0.0",
            "0.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.2.1",
            "192.0.0.1",
            "192.88.99.1",
            "fd00::1",
            "2001::1",
            "2001:db8::1",
            "100.64.0.1",
        ];
        for (texts, expected) in [(&public[..], true), (&special[..], false)] {
            for text in texts {
                assert_eq!(is_public(ip(text)), expected, "{text}");
            }
        }
    }

    fn endpoint(text: &str, port: u16) -> Endpoint {
        Endpoint { ip: Some(ip(text)), port }
    }

    fn machine(addrs: &[&str]) -> Interfaces {
        [("eth".to_owned(), addrs.iter().map(|addr| ip(addr)).collect())].into()
    }

    fn chosen(bind: Endpoint, advertise: Option<Endpoint>, own: &[&str]) -> Result<String, String> {
        choose(bind, 7_946, advertise, &machine(own)).map(|addr| addr.to_string())
    }

    #[test]
    fn the_bound_address_is_advertised_unless_it_is_all_or_another_is_given() {
        let any = endpoint("0.0.0.0", 7_946);
        assert_eq!(chosen(endpoint("127.0.0.9", 0), None, &[]).unwrap(), "127.0.0.9:7946");
        assert_eq!(chosen(any, Some(endpoint("1.2.3.4", 9)), &[]).unwrap(), "1.2.3.4:9");
        assert_eq!(chosen(any, Some(endpoint("1.2.3.4", 0)), &[]).unwrap(), "1.2.3.4:7946");
        assert_eq!(chosen(any, None, &["8.8.8.8", "10.1.1.1"]).unwrap(), "10.1.1.1:7946");
        assert_eq!(
            chosen(any, None, &["8.8.8.8"]).unwrap_err(),
            "Failed to get final advertise address: No private IP address found, and explicit IP not provided"
        );
        assert_eq!(
            chosen(any, Some(Endpoint { ip: None, port: 9 }), &[]).unwrap_err(),
            "Failed to get final advertise address: Failed to parse advertise address \"<nil>\""
        );
        let all = Endpoint { ip: None, port: 7_946 };
        assert_eq!(chosen(all, None, &["fd00::2"]).unwrap(), "[fd00::2]:7946");
        assert_eq!(chosen(all, None, &[]).unwrap(), "[::]:7946");
    }

    #[test]
    fn addresses_that_nobody_can_reach_are_doubted() {
        let any = endpoint("0.0.0.0", 7_946);
        let own = machine(&["10.0.0.1"]);
        let doubted = |bind, addr: &str, explicit| {
            doubt(bind, SocketAddr::new(ip(addr), 7_946), explicit, &own).is_some()
        };
        assert!(doubted(any, "127.0.0.1", true));
        assert!(doubted(any, "0.0.0.0", true));
        assert!(doubted(any, "224.0.0.1", true));
        assert!(doubted(endpoint("10.0.0.2", 1), "10.0.0.2", false));
        assert!(!doubted(any, "1.2.3.4", true));
        assert!(!doubted(any, "10.0.0.1", false));
        assert!(!doubted(endpoint("127.0.0.1", 1), "127.0.0.1", false));
    }
}
