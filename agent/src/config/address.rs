//! Gossip addresses as users write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::go::address::{lookup, parse_port, split_host_port};

/// Gossip port if none is given.
pub const GOSSIP_PORT: u16 = 7_946;

/// A resolved address. Without a host it means all addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The host; `None` if it was left out.
    pub ip: Option<IpAddr>,
    /// The port; 0: any.
    pub port: u16,
}

impl Endpoint {
    /// Where a listener binds.
    #[must_use]
    pub fn listen_ip(&self) -> IpAddr {
        self.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// Whether it stands for all IPv4 addresses of the machine.
    #[must_use]
    pub fn is_any_v4(&self) -> bool {
        self.ip == Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// The host as Serf names it.
    #[must_use]
    pub fn host_text(&self) -> String {
        self.ip.map_or_else(|| "<nil>".to_owned(), |ip| ip.to_string())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, ":{}", self.port),
        }
    }
}

/// Resolves a gossip address: `host`, `host:port`, `[v6]`, `[v6]:port`, `:port`. Blocks while a name is looked up.
///
/// # Errors
///
/// Go's text.
pub fn resolve(text: &str) -> Result<Endpoint, String> {
    let with_port = format!("{text}:{GOSSIP_PORT}");
    let (host, port) = match split_host_port(text) {
        Ok(parts) => parts,
        Err(error) if error.ends_with("missing port in address") => split_host_port(&with_port)?,
        Err(error) => return Err(error),
    };
    let port = parse_port(port)?;
    if host.is_empty() {
        return Ok(Endpoint { ip: None, port });
    }
    Ok(Endpoint { ip: Some(lookup(host)?), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_the_gossip_port_unless_they_have_one() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1:7946"),
            ("127.0.0.1:", "127.0.0.1:0"),
            ("127.0.0.1:+5", "127.0.0.1:5"),
            ("[::1]", "[::1]:7946"),
            ("[::1]:5", "[::1]:5"),
            ("[127.0.0.1]", "127.0.0.1:7946"),
            ("[::ffff:127.0.0.1]", "127.0.0.1:7946"),
            ("[fe80::1%lo]", "[fe80::1]:7946"),
            (":8000", ":8000"),
            ("", ":7946"),
        ] {
            assert_eq!(resolve(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn errors_are_go_s() {
        for (text, error) in [
            ("::1", "address ::1: too many colons in address"),
            ("a:b:c", "address a:b:c: too many colons in address"),
            ("[::1", "address [::1: missing ']' in address"),
            ("[::1]x", "address [::1]x:7946: missing port in address"),
            ("[::1]:1:2", "address [::1]:1:2: too many colons in address"),
            ("a]b:1", "address a]b:1: unexpected ']' in address"),
            ("a[b:1", "address a[b:1: unexpected '[' in address"),
            ("127.0.0.1:abc", "address tcp/abc: unknown port"),
            ("127.0.0.1:7946/x", "address tcp/7946/x: unknown port"),
            ("127.0.0.1:70000", "address 70000: invalid port"),
            ("127.0.0.1:-1", "address -1: invalid port"),
            ("127.1", "lookup 127.1: no such host"),
            ("0x7f000001", "lookup 0x7f000001: no such host"),
            ("127.0.0.010", "lookup 127.0.0.010: no such host"),
            ("abc..def", "lookup abc..def: no such host"),
            ("a b:1", "lookup a b: no such host"),
        ] {
            assert_eq!(resolve(text).unwrap_err(), error, "{text}");
        }
    }
}
