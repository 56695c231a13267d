//! Addresses as users write them, read as Go reads them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

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

/// Splits `host:port`; IPv6 hosts are in brackets.
///
/// # Errors
///
/// Go's text.
pub fn split_host_port(text: &str) -> Result<(&str, &str), String> {
    let fail = |why: &str| Err(format!("address {text}: {why}"));
    let Some(colon) = text.rfind(':') else { return fail("missing port in address") };
    let (host, hosts_rest, ports_rest) = if let Some(rest) = text.strip_prefix('[') {
        let Some(end) = text.find(']') else { return fail("missing ']' in address") };
        if end + 1 != colon {
            let many = text[end + 1..].starts_with(':');
            let why = if many { "too many colons in address" } else { "missing port in address" };
            return fail(why);
        }
        (&text[1..end], rest, &text[end + 1..])
    } else {
        let host = &text[..colon];
        if host.contains(':') {
            return fail("too many colons in address");
        }
        (host, text, text)
    };
    if hosts_rest.contains('[') {
        return fail("unexpected '[' in address");
    }
    if ports_rest.contains(']') {
        return fail("unexpected ']' in address");
    }
    Ok((host, &text[colon + 1..]))
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

/// Reads a port: a number or the name of a service.
///
/// # Errors
///
/// Go's text.
pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = if text.starts_with('-') { None } else { digits.parse().ok() };
        return number.ok_or_else(|| format!("address {text}: invalid port"));
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    service(&services, text).ok_or_else(|| format!("address tcp/{text}: unknown port"))
}

/// The TCP port of a service by a list in the form of `/etc/services`.
fn service(list: &str, name: &str) -> Option<u16> {
    list.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (first, port) = (words.next()?, words.next()?);
        let port = port.strip_suffix("/tcp")?;
        let named = first == name || words.any(|alias| alias == name);
        named.then(|| port.parse().ok()).flatten()
    })
}

/// The address of a host; IPv4 is preferred. Blocks while a name is looked up.
///
/// # Errors
///
/// Go's text.
pub(crate) fn lookup(host: &str) -> Result<IpAddr, String> {
    // A zone is read and not used, as in Serf.
    let plain = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(ip) = plain.parse::<IpAddr>() {
        return Ok(ip.to_canonical());
    }
    let no_such_host = || format!("lookup {host}: no such host");
    if !is_domain_name(host) {
        return Err(no_such_host());
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| match error.to_string() {
        text if text.contains("Name or service not known") => no_such_host(),
        text => {
            let text = text.rsplit(": ").next().unwrap_or_default().to_lowercase();
            format!("lookup {host}: {text}")
        }
    })?;
    let found: Vec<IpAddr> = found.map(|addr| addr.ip()).collect();
    let v4 = found.iter().find(|ip| ip.is_ipv4());
    v4.or(found.first()).copied().ok_or_else(no_such_host)
}

/// Whether a name may be looked up. The system's resolver would take `127.1` and `0x7f.1` for addresses; Go does not.
fn is_domain_name(host: &str) -> bool {
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let sound = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let numeric =
        |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    labels.clone().all(sound) && !labels.next_back().is_some_and(numeric)
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

    #[test]
    fn services_are_found_by_name_and_alias() {
        let list = "# services\nhttp\t80/tcp www # WorldWideWeb\ndomain 53/udp\ndomain 53/tcp\n";
        assert_eq!(service(list, "www"), Some(80));
        assert_eq!(service(list, "domain"), Some(53));
        assert_eq!(service(list, "ftp"), None);
    }
}
