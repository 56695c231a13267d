//! Connecting to an agent, with the address rules and the error texts of Go's dialer.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::go::address::{canonical, is_domain_name, no_such_host, parse_port, split_host_port};
use crate::go::errors::os_text;

/// Longest time for the whole of dialing: the look-up and every address it gave.
const DIAL_TIME_MAX: Duration = Duration::from_secs(10);

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
    Err(first_error.unwrap_or_else(|| unknown(host)))
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
        let addr = canonical(SocketAddr::new(ip, port));
        return Ok(vec![(addr.to_string(), addr)]);
    }
    // An IPv6 address with a zone is for the system to read.
    if !is_domain_name(host) && !host.contains(':') {
        return Err(unknown(host));
    }
    match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut found: Vec<_> = found.map(|addr| (addr.to_string(), addr)).collect();
            found.sort_by_key(|(_, addr)| addr.is_ipv6());
            Ok(found)
        }
        Ok(Err(_)) => Err(unknown(host)),
        Err(_) => Err(format!("dial tcp: lookup {host}: i/o timeout")),
    }
}

fn unknown(host: &str) -> String {
    format!("dial tcp: {}", no_such_host(host))
}

/// Reads `host:port`.
fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    if address.is_empty() {
        return Err("missing address".to_owned());
    }
    let (host, port) = split_host_port(address)?;
    Ok((host, parse_port(port)?))
}

#[cfg(test)]
mod tests;
