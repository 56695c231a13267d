//! The gossip sockets: TCP and UDP on one address and port.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::address::Endpoint;
use crate::go::errors::os_text;

/// Connections that wait to be accepted, as far as the system allows.
const BACKLOG: i32 = 4_096;
/// Room for datagrams that arrive while the node is busy, as far as the system allows.
const UDP_RECEIVE_BYTES: usize = 2 << 20;
/// Ports tried when the system may choose one, as TCP's choice can be taken for UDP.
const TRIES: usize = 10;

/// Bound, nonblocking sockets.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Listening.
    pub(crate) tcp: TcpListener,
    /// On the same address.
    pub(crate) udp: UdpSocket,
    /// Their port.
    pub(crate) port: u16,
}

/// Binds the sockets.
///
/// # Errors
///
/// Serf's text.
pub(crate) fn bind(endpoint: Endpoint) -> Result<Bound, String> {
    let mut tries = if endpoint.port == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_once(endpoint) {
            Ok(bound) => return Ok(bound),
            Err(_) if tries > 0 => {}
            Err(error) => {
                return Err(format!(
                    "Could not set up network transport: failed to obtain an address: {error}"
                ));
            }
        }
    }
}

fn bind_once(endpoint: Endpoint) -> Result<Bound, String> {
    let failed = |kind: &str, port: u16, error: &io::Error| {
        let host = endpoint.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let place = Endpoint { port, ..endpoint };
        format!(
            "Failed to start {} listener on \"{host}\" port {port}: listen {kind} {place}: bind: {}",
            kind.to_uppercase(),
            os_text(error)
        )
    };
    let tcp = on_any_family(endpoint.listen_ip(), endpoint.port, listen_tcp)
        .map_err(|error| failed("tcp", endpoint.port, &error))?;
    let port = tcp.local_addr().map_err(|error| failed("tcp", endpoint.port, &error))?.port();
    let udp = on_any_family(endpoint.listen_ip(), port, bind_udp)
        .map_err(|error| failed("udp", port, &error))?;
    Ok(Bound { tcp, udp, port })
}

/// Opens a socket for all addresses of both families if `ip` stands for all addresses, as Go does; machines without
/// IPv6 get the address as it is.
fn on_any_family<T>(ip: IpAddr, port: u16, open: fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    if ip.is_unspecified() {
        let both = open(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
        let no_ipv6 = [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL].map(|errno| Some(errno as i32));
        match both {
            Err(error) if ip.is_ipv4() && no_ipv6.contains(&error.raw_os_error()) => {}
            both => return both,
        }
    }
    open(SocketAddr::new(ip, port))
}

fn socket(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(addr, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(addr, Type::DGRAM, Protocol::UDP)?;
    socket.set_broadcast(true)?;
    // A smaller buffer loses datagrams under load, which gossip survives.
    let _ = socket.set_recv_buffer_size(UDP_RECEIVE_BYTES);
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: Some(ip.parse().unwrap()), port }
    }

    #[test]
    fn both_sockets_share_the_port_that_the_system_chose() {
        let bound = bind(endpoint("127.0.0.1", 0)).unwrap();
        let addr = SocketAddr::new("127.0.0.1".parse().unwrap(), bound.port);
        assert_ne!(bound.port, 0);
        assert_eq!(bound.tcp.local_addr().unwrap(), addr);
        assert_eq!(bound.udp.local_addr().unwrap(), addr);
    }

    #[test]
    fn busy_ports_are_told_in_serf_s_words() {
        let first = bind(endpoint("127.0.0.1", 0)).unwrap();
        let port = first.port;
        let error = |kind: &str, lower: &str| {
            format!(
                "Could not set up network transport: failed to obtain an address: Failed to start {kind} listener on \
                 \"127.0.0.1\" port {port}: listen {lower} 127.0.0.1:{port}: bind: address already in use"
            )
        };
        assert_eq!(bind(endpoint("127.0.0.1", port)).unwrap_err(), error("TCP", "tcp"));
        drop(first.tcp);
        assert_eq!(bind(endpoint("127.0.0.1", port)).unwrap_err(), error("UDP", "udp"));
    }

    #[test]
    fn all_addresses_means_those_of_ipv4_in_any_case() {
        for ip in ["0.0.0.0", "::"] {
            let Ok(bound) = bind(endpoint(ip, 0)) else { continue };
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.send_to(b"x", ("127.0.0.1", bound.port)).unwrap();
            bound.udp.set_nonblocking(false).unwrap();
            assert_eq!(bound.udp.recv(&mut [0; 4]).unwrap(), 1, "{ip}");
        }
    }
}
