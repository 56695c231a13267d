//! Addresses of the machine's network interfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

/// The machine's interfaces by name, with their addresses in the system's order.
pub(crate) type Interfaces = BTreeMap<String, Vec<IpAddr>>;

/// Lists the interfaces. Those without addresses are listed too. Empty if the system refuses.
#[must_use]
pub(crate) fn list() -> Interfaces {
    let mut interfaces = Interfaces::new();
    for interface in getifaddrs().into_iter().flatten() {
        let addrs = interfaces.entry(interface.interface_name).or_default();
        let Some(storage) = interface.address else { continue };
        if let Some(v4) = storage.as_sockaddr_in() {
            addrs.push(IpAddr::V4(v4.ip()));
        } else if let Some(v6) = storage.as_sockaddr_in6() {
            addrs.push(IpAddr::V6(v6.ip()));
        }
    }
    interfaces
}

/// Whether an address holds on one link only.
#[must_use]
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether an address is in a private network.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// The address to advertise when listening on all addresses: the first private IPv4 address, else the first private
/// IPv6 address.
#[must_use]
pub(crate) fn private_address(interfaces: &Interfaces) -> Option<IpAddr> {
    let private = || interfaces.values().flatten().copied().filter(|&ip| is_private(ip));
    private().find(IpAddr::is_ipv4).or_else(|| private().next())
}

/// Whether one of the machine's interfaces has the address.
#[must_use]
pub(crate) fn owns(interfaces: &Interfaces, ip: IpAddr) -> bool {
    let loopback = ip.is_loopback() && ip.is_ipv4();
    loopback || interfaces.values().flatten().any(|&own| own == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(pairs: &[(&str, &[&str])]) -> Interfaces {
        let addrs = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        pairs.iter().map(|&(name, list)| (name.to_owned(), addrs(list))).collect()
    }

    #[test]
    fn the_loopback_interface_is_found() {
        assert!(list().values().flatten().any(IpAddr::is_loopback));
    }

    #[test]
    fn the_first_private_address_is_advertised_ipv4_before_ipv6() {
        let some = interfaces(&[("a", &["127.0.0.1", "8.8.8.8", "fd00::2"]), ("b", &["10.0.0.1"])]);
        assert_eq!(private_address(&some), Some("10.0.0.1".parse().unwrap()));
        let v6 = interfaces(&[("a", &["127.0.0.1", "fe80::1", "fd00::2"])]);
        assert_eq!(private_address(&v6), Some("fd00::2".parse().unwrap()));
        let none = interfaces(&[("a", &["127.0.0.1", "::1", "169.254.0.1", "8.8.8.8"])]);
        assert_eq!(private_address(&none), None);
        let shared = interfaces(&[("a", &["100.64.0.1", "100.128.0.1"])]);
        assert_eq!(private_address(&shared), Some("100.64.0.1".parse().unwrap()));
    }

    #[test]
    fn own_addresses_are_known() {
        let some = interfaces(&[("a", &["10.0.0.1", "::1"])]);
        assert!(owns(&some, "10.0.0.1".parse().unwrap()));
        assert!(owns(&some, "127.9.9.9".parse().unwrap()));
        assert!(!owns(&some, "10.0.0.2".parse().unwrap()));
    }
}
