//! Connecting to an agent, with the address rules and the error texts of Go's dialer.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::go::errors::os_text;

/// Longest time for the whole of dialing: the look-up and every address it gave.
const DIAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Where the system keeps the names of ports.
const SERVICES: &str = "/etc/services";

/// A connection of either kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Connects to `host:port` or `unix:PATH`.
///
/// # Errors
/// Go's text, such as `dial tcp 127.0.0.1:7373: connect: connection refused`.
pub(super) async fn dial(address: &str) -> Result<Box<dyn Wire>, String> {
    let deadline = Instant::now() + DIAL_TIME_MAX;
    if let Some(path) = address.strip_prefix("unix:") {
        let attempt = timeout_at(deadline, UnixStream::connect(path)).await;
        let stream = connected(attempt).map_err(|why| format!("dial unix {path}: {why}"))?;
        return Ok(Box::new(stream));
    }
    let (host, port) = host_and_port(address).map_err(|why| format!("dial tcp: {why}"))?;
    let mut first_error = None;
    for (label, addr) in resolve(host, port, deadline).await? {
        let attempt = timeout_at(deadline, TcpStream::connect(addr)).await;
        match connected(attempt) {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(why) => first_error.get_or_insert(format!("dial tcp {label}: {why}")),
        };
    }
    Err(first_error.unwrap_or_else(|| no_such_host(host)))
}

/// What an attempt to connect gave, with Go's text if it failed.
fn connected<T>(attempt: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match attempt {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("connect: {}", os_text(&error))),
        Err(_) => Err("i/o timeout".to_owned()),
    }
}

/// The addresses of a host, each with the name that error texts give it.
async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<(String, SocketAddr)>, String> {
    if host.is_empty() {
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(local.map(|ip| (format!(":{port}"), SocketAddr::new(ip, port))).to_vec());
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        let addr = SocketAddr::new(ip.to_canonical(), port);
        return Ok(vec![(addr.to_string(), addr)]);
    }
    if is_old_ipv4_notation(host) {
        return Err(no_such_host(host));
    }
    match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut found: Vec<_> = found.map(|addr| (addr.to_string(), addr)).collect();
            found.sort_by_key(|(_, addr)| addr.is_ipv6());
            Ok(found)
        }
        Ok(Err(_)) => Err(no_such_host(host)),
        Err(_) => Err(format!("dial tcp: lookup {host}: i/o timeout")),
    }
}

fn no_such_host(host: &str) -> String {
    format!("dial tcp: lookup {host}: no such host")
}

/// Whether the C library would read a name as a number (`127.1`, `0x7f000001`), which Go does not.
fn is_old_ipv4_notation(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Splits `host:port`.
fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    if address.is_empty() {
        return Err("missing address".to_owned());
    }
    let (host, port) = split(address).map_err(|why| format!("address {address}: {why}"))?;
    Ok((host, port_number(port)?))
}

fn split(address: &str) -> Result<(&str, &str), &'static str> {
    const NO_PORT: &str = "missing port in address";
    const COLONS: &str = "too many colons in address";
    let (before, port) = address.rsplit_once(':').ok_or(NO_PORT)?;
    let (host, rest) = match address.strip_prefix('[') {
        None if before.contains(':') => return Err(COLONS),
        None => (before, address),
        Some(inner) => {
            let (host, behind) = inner.split_once(']').ok_or("missing ']' in address")?;
            match behind.strip_prefix(':') {
                Some(after) if after == port => (host, behind),
                Some(_) => return Err(COLONS),
                None => return Err(NO_PORT),
            }
        }
    };
    let opening = address.strip_prefix('[').unwrap_or(address);
    if opening.contains('[') {
        return Err("unexpected '[' in address");
    }
    if rest.contains(']') {
        return Err("unexpected ']' in address");
    }
    Ok((host, port))
}

/// The number of a port that is given as one or by its name.
fn port_number(port: &str) -> Result<u16, String> {
    let digits = port.strip_prefix(['+', '-']).unwrap_or(port);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let services = std::fs::read_to_string(SERVICES).unwrap_or_default();
        return service_port(&services, &port.to_ascii_lowercase())
            .ok_or_else(|| format!("address tcp/{port}: unknown port"));
    }
    let significant = digits.trim_start_matches('0');
    match significant.parse() {
        _ if significant.is_empty() => Ok(0),
        Ok(number) if !port.starts_with('-') => Ok(number),
        _ => Err(format!("address {port}: invalid port")),
    }
}

/// Finds the TCP port of a service in the text of `/etc/services`.
fn service_port(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (service, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (service == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests;
