//! Which address the others are told, and what may be wrong with it.

use std::net::SocketAddr;

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
    use std::net::IpAddr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
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
