//! Addresses to join, as users write them: `ip`, `ip:port`, `[v6]:port`, `v6`, `host`, `host:port`, `name/…`.

use std::net::{IpAddr, SocketAddr};

use crate::go::address::{is_domain_name, no_such_host};

/// Finds the addresses behind one word; `port` is for words without one.
///
/// # Errors
///
/// Go's text, without the word itself.
pub(super) async fn resolve(word: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = split(word, port)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if !is_domain_name(host) {
        return Err(no_such_host(host));
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| no_such_host(host))?;
    let mut addrs: Vec<_> = found.collect();
    addrs.dedup();
    if addrs.is_empty() { Err(no_such_host(host)) } else { Ok(addrs) }
}

/// Splits a word into host and port.
fn split(word: &str, default_port: u16) -> Result<(&str, u16), String> {
    let word = word.split_once('/').map_or(word, |(_, address)| address);
    let (host, port) = match word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None if word.matches(':').count() == 1 => {
            let (host, port) = word.split_once(':').unwrap_or((word, ""));
            (host, Some(port))
        }
        None => (word, None),
    };
    let Some(port) = port else { return Ok((host, default_port)) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = if digits { "value out of range" } else { "invalid syntax" };
    let number = port.parse().ok().filter(|_| digits);
    let number = number.ok_or_else(|| format!("strconv.ParseUint: parsing \"{port}\": {wrong}"))?;
    Ok((host, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_into_host_and_port_as_memberlist_splits_them() {
        let cases = [
            ("127.0.0.1", Ok(("127.0.0.1", 7946))),
            ("127.0.0.1:1", Ok(("127.0.0.1", 1))),
            ("j2/127.0.0.1:1", Ok(("127.0.0.1", 1))),
            ("[::1]:7950", Ok(("::1", 7950))),
            ("[::1]", Ok(("::1", 7946))),
            ("::1", Ok(("::1", 7946))),
            ("bad:port:x", Ok(("bad:port:x", 7946))),
            (":7947", Ok(("", 7947))),
            ("", Ok(("", 7946))),
            ("j2/", Ok(("", 7946))),
            ("h:x", Err("strconv.ParseUint: parsing \"x\": invalid syntax".to_owned())),
            ("h:", Err("strconv.ParseUint: parsing \"\": invalid syntax".to_owned())),
            ("h:+1", Err("strconv.ParseUint: parsing \"+1\": invalid syntax".to_owned())),
            ("h:70000", Err("strconv.ParseUint: parsing \"70000\": value out of range".to_owned())),
        ];
        for (word, expected) in cases {
            assert_eq!(split(word, 7946), expected, "{word:?}");
        }
    }
}
