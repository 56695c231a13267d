//! Small values that name things: members, profiles, versions, addresses, streams, operations.

use core::net::IpAddr;

/// A stream's number. Even: dialed by the node. Odd: accepted, numbered by the driver. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Why a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StreamFailure {
    /// Nobody listens there.
    Refused,
    /// The peer reset it.
    Reset,
    /// The driver gave up (unreachable, resources).
    Unreachable,
}

/// A command's number, chosen by the caller; comes back once, in `Output::Done`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct OpId(pub u64);

/// Names a query: unique while its Lamport time is within the query buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
pub struct QueryId {
    /// Query-clock Lamport time.
    pub ltime: u64,
    /// Random number of the asker.
    pub id: u32,
}

/// Index of a member name. Dense, private to one process, never on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The id as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a member profile in the pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProfileId(pub u32);

/// The six version bytes: protocol min, max, current; delegate min, max, current.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Vsn(pub [u8; 6]);

impl Vsn {
    /// Lowest memberlist protocol understood.
    #[must_use]
    pub const fn protocol_min(self) -> u8 {
        self.0[0]
    }
    /// Highest memberlist protocol understood; switches features per peer.
    #[must_use]
    pub const fn protocol_max(self) -> u8 {
        self.0[1]
    }
    /// Memberlist protocol spoken.
    #[must_use]
    pub const fn protocol_current(self) -> u8 {
        self.0[2]
    }
    /// Lowest delegate (Serf) protocol understood.
    #[must_use]
    pub const fn delegate_min(self) -> u8 {
        self.0[3]
    }
    /// Highest delegate (Serf) protocol understood.
    #[must_use]
    pub const fn delegate_max(self) -> u8 {
        self.0[4]
    }
    /// Delegate (Serf) protocol spoken.
    #[must_use]
    pub const fn delegate_current(self) -> u8 {
        self.0[5]
    }
}

/// A member's address exactly as the wire carries it: 4 or 16 bytes. Compared by bytes, so a v4-mapped IPv6 address
/// differs from the IPv4 address it maps; see memberlist, byte forms of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WireAddr {
    bytes: [u8; 16],
    len: u8,
}

impl WireAddr {
    /// The address in received bytes, if there are 4 or 16 of them.
    #[must_use]
    pub fn from_wire(raw: &[u8]) -> Option<Self> {
        if let Ok(v4) = <[u8; 4]>::try_from(raw) {
            return Some(Self::from(IpAddr::from(v4)));
        }
        <[u8; 16]>::try_from(raw).ok().map(|bytes| Self { bytes, len: 16 })
    }

    /// The 4 or 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The address to open sockets with and to show: v4-mapped addresses are unmapped here and only here.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self.bytes {
            [a, b, c, d, ..] if self.len == 4 => IpAddr::from([a, b, c, d]),
            bytes => IpAddr::from(bytes).to_canonical(),
        }
    }
}

impl From<IpAddr> for WireAddr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&v4.octets());
                Self { bytes, len: 4 }
            }
            IpAddr::V6(v6) => Self { bytes: v6.octets(), len: 16 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_differ_on_the_wire_and_reach_the_same_host() {
        let plain = WireAddr::from_wire(&[10, 0, 0, 2]).expect("4 bytes");
        let mut raw = [0; 16];
        raw[10..].copy_from_slice(&[255, 255, 10, 0, 0, 2]);
        let mapped = WireAddr::from_wire(&raw).expect("16 bytes");
        assert_ne!(plain, mapped);
        assert_eq!(plain.ip(), mapped.ip());
        assert_eq!(mapped.as_bytes(), raw);
        assert_eq!(WireAddr::from_wire(&[1, 2, 3]), None);
    }
}
