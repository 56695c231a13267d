//! Sockets of multicast DNS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// The port of multicast DNS.
const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// A network interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    index: u32,
    v4: Option<Ipv4Addr>,
}

/// The two kinds of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Interface {
    /// The interface with this name.
    ///
    /// # Errors
    ///
    /// There is none, or the system does not tell.
    pub(super) fn find(name: &str) -> io::Result<Self> {
        let index = if_nametoindex(name)?;
        let v4 = getifaddrs()?
            .filter(|found| found.interface_name == name)
            .find_map(|found| found.address?.as_sockaddr_in().map(|addr| addr.ip()));
        Ok(Self { index, v4 })
    }
}

impl Family {
    /// Where questions go.
    pub(super) fn group(self) -> SocketAddr {
        match self {
            Self::V4 => SocketAddr::new(IpAddr::V4(GROUP_V4), PORT),
            Self::V6 => SocketAddr::new(IpAddr::V6(GROUP_V6), PORT),
        }
    }

    /// As Go calls it.
    pub(super) fn network(self) -> &'static str {
        match self {
            Self::V4 => "udp4",
            Self::V6 => "udp6",
        }
    }

    fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    fn socket(self) -> io::Result<Socket> {
        let domain = match self {
            Self::V4 => Domain::IPV4,
            Self::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if self == Self::V6 {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    }

    /// A socket to ask from, on a free port.
    ///
    /// # Errors
    ///
    /// The system refuses: it has no such IP, for instance.
    pub(super) fn asker(self, interface: Option<Interface>) -> io::Result<UdpSocket> {
        let socket = self.socket()?;
        socket.bind(&SocketAddr::new(self.any(), 0).into())?;
        if let Some(Interface { index, v4 }) = interface {
            match (self, v4) {
                (Self::V4, Some(address)) => socket.set_multicast_if_v4(&address)?,
                (Self::V4, None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
                (Self::V6, _) => socket.set_multicast_if_v6(index)?,
            }
        }
        UdpSocket::from_std(socket.into())
    }

    fn listener(self, interface: Option<Interface>) -> io::Result<UdpSocket> {
        let socket = self.socket()?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::new(self.any(), PORT).into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let index = interface.map_or(0, |interface| interface.index);
        let groups = SockRef::from(&socket);
        match self {
            Self::V4 => {
                groups.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
            }
            Self::V6 => groups.join_multicast_v6(&GROUP_V6, index)?,
        }
        Ok(socket)
    }
}

/// The sockets on port 5353 that could be opened, one for each IP.
pub(super) fn listeners(interface: Option<Interface>) -> Vec<UdpSocket> {
    let mut listeners = Vec::new();
    for family in [Family::V4, Family::V6] {
        match family.listener(interface) {
            Ok(socket) => listeners.push(socket),
            Err(error) => {
                tracing::debug!(
                    target: "agent.mdns",
                    "Not listening on {}: {error}",
                    family.group(),
                );
            }
        }
    }
    listeners
}
