//! `host:port` as Go splits, reads and looks it up.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

/// Where the system keeps the names of ports.
const SERVICES: &str = "/etc/services";

/// Splits `host:port`; IPv6 hosts are in brackets.
///
/// # Errors
///
/// Go's text.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, &str), String> {
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

/// Reads a port: a number or the name of a service.
///
/// # Errors
///
/// Go's text.
pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let services = std::fs::read_to_string(SERVICES).unwrap_or_default();
        return service(&services, &text.to_ascii_lowercase())
            .ok_or_else(|| format!("address tcp/{text}: unknown port"));
    }
    let significant = digits.trim_start_matches('0');
    match significant.parse() {
        // Nothing at all is 0 too, with a sign or without.
        _ if significant.is_empty() => Ok(0),
        Ok(number) if !text.starts_with('-') => Ok(number),
        _ => Err(format!("address {text}: invalid port")),
    }
}

/// The TCP port of a service by a list in the form of `/etc/services`.
fn service(list: &str, name: &str) -> Option<u16> {
    list.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (first == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
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
    if !is_domain_name(host) {
        return Err(no_such_host(host));
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| match error.to_string() {
        text if text.contains("Name or service not known") => no_such_host(host),
        text => {
            let text = text.rsplit(": ").next().unwrap_or_default().to_lowercase();
            format!("lookup {host}: {text}")
        }
    })?;
    let found: Vec<IpAddr> = found.map(|addr| addr.ip()).collect();
    let v4 = found.iter().find(|ip| ip.is_ipv4());
    v4.or(found.first()).copied().ok_or_else(|| no_such_host(host))
}

/// Whether a name may be looked up. The system's resolver would take `127.1` and `0x7f.1` for addresses; Go does not.
pub(crate) fn is_domain_name(host: &str) -> bool {
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

/// What Go says of a name without an address.
pub(crate) fn no_such_host(host: &str) -> String {
    format!("lookup {host}: no such host")
}

/// IPv4 in IPv6's clothes, as IPv4.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Result<(&str, u16), String> {
        let (host, port) = split_host_port(address)?;
        Ok((host, parse_port(port)?))
    }

    #[test]
    fn addresses_are_split_as_go_does() {
        for (address, host, port) in [
            ("127.0.0.1:7373", "127.0.0.1", 7373),
            ("[::1]:7373", "::1", 7373),
            ("[127.0.0.1]:1", "127.0.0.1", 1),
            (":1", "", 1),
            ("[]:1", "", 1),
            ("h:", "h", 0),
            ("h:+", "h", 0),
            ("h:+1", "h", 1),
            ("h:-0", "h", 0),
            ("h:00001", "h", 1),
            (" h:65535", " h", 65535),
        ] {
            assert_eq!(read(address), Ok((host, port)), "{address}");
        }
    }

    #[test]
    fn bad_addresses_have_the_texts_of_go() {
        for (address, why) in [
            ("", "missing port in address"),
            ("127.0.0.1", "missing port in address"),
            (" ", "missing port in address"),
            ("[::1]", "missing port in address"),
            ("[::1]x", "missing port in address"),
            ("[a]b]:1", "missing port in address"),
            ("::1", "too many colons in address"),
            ("a:b:c", "too many colons in address"),
            ("[::1]:1:2", "too many colons in address"),
            ("[::1", "missing ']' in address"),
            ("a]:1", "unexpected ']' in address"),
            ("a[:1", "unexpected '[' in address"),
            ("[a[]:1", "unexpected '[' in address"),
        ] {
            assert_eq!(read(address), Err(format!("address {address}: {why}")));
        }
        for port in ["99999", "65536", "-1", "99999999999999999999"] {
            assert_eq!(parse_port(port), Err(format!("address {port}: invalid port")));
        }
        for port in ["nosuchservice", "0x1", "1a", " 1"] {
            assert_eq!(parse_port(port), Err(format!("address tcp/{port}: unknown port")));
        }
    }

    #[test]
    fn services_are_found_by_name_and_alias() {
        let list = "# comment\ntftp 69/udp\nhttp\t\t80/tcp\t\twww # WorldWideWeb\nbad x/tcp\n\
                    domain 53/udp\ndomain 53/tcp\n";
        for (name, port) in [
            ("http", Some(80)),
            ("www", Some(80)),
            ("domain", Some(53)),
            ("tftp", None),
            ("bad", None),
            ("comment", None),
        ] {
            assert_eq!(service(list, name), port, "{name}");
        }
    }

    #[test]
    fn numbers_that_only_the_c_library_takes_for_addresses_are_not_looked_up() {
        for host in ["127.1", "127.1.", "0", "01.2.3.4", "256.0.0.1", "0x7f000001", "", "a b"] {
            assert!(!is_domain_name(host), "{host}");
        }
        for host in ["localhost", "n1", "a.b", "1.example", "a_b."] {
            assert!(is_domain_name(host), "{host}");
        }
    }
}
