//! Interned names and member profiles: one pool per process, shared by every node in it.

use core::hash::BuildHasher as _;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::msg::swim::Alive;

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

/// Index of a [`Profile`].
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

/// What a member says about itself, apart from its incarnation. Immutable and deduplicated.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Profile {
    /// Whose profile.
    pub node: NodeId,
    /// Address exactly as received.
    pub addr: WireAddr,
    /// Port.
    pub port: u16,
    /// Version bytes.
    pub vsn: Vsn,
    /// Metadata; absent and empty are the same.
    pub meta: Bytes,
}

impl Profile {
    /// Where to send to.
    #[must_use]
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.addr.ip(), self.port)
    }
}

/// Interned names and profiles.
#[derive(Debug)]
pub struct Pool {
    hasher: FixedState,
    names: Vec<Box<str>>,
    by_name: HashTable<u32>,
    profiles: Vec<Profile>,
    by_profile: HashTable<u32>,
}

impl Pool {
    /// An empty pool. `seed` keys its hash tables, so that peers cannot choose colliding names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            names: Vec::new(),
            by_name: HashTable::new(),
            profiles: Vec::new(),
            by_profile: HashTable::new(),
        }
    }

    /// Number of names.
    #[must_use]
    pub fn names_len(&self) -> usize {
        self.names.len()
    }

    /// Number of profiles.
    #[must_use]
    pub fn profiles_len(&self) -> usize {
        self.profiles.len()
    }

    /// The name behind `id`.
    #[must_use]
    pub fn name(&self, id: NodeId) -> &str {
        &self.names[id.index()]
    }

    /// The profile behind `id`.
    #[must_use]
    pub fn profile(&self, id: ProfileId) -> &Profile {
        &self.profiles[id.0 as usize]
    }

    /// The alive message about a profile at some incarnation.
    #[must_use]
    pub fn alive_message(&self, id: ProfileId, incarnation: u32) -> Alive<'_> {
        let profile = self.profile(id);
        Alive {
            incarnation,
            node: self.name(profile.node),
            addr: Some(profile.addr.as_bytes()),
            port: profile.port,
            meta: Some(&*profile.meta).filter(|meta| !meta.is_empty()),
            vsn: Some(&profile.vsn.0),
        }
    }

    /// The id of `name`, if it was interned.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let hash = self.hash_name(name);
        self.by_name.find(hash, |&index| *self.names[index as usize] == *name).copied().map(NodeId)
    }

    /// Like [`Pool::find`], trying `guess` first: push/pull lists are mostly in the order of ids.
    #[must_use]
    pub fn find_near(&self, name: &str, guess: NodeId) -> Option<NodeId> {
        if self.names.get(guess.index()).is_some_and(|known| **known == *name) {
            return Some(guess);
        }
        self.find(name)
    }

    /// The id of `name`, interning it if new. Only an accepted `alive` may cause this.
    pub fn intern(&mut self, name: &str) -> NodeId {
        let hash = self.hash_name(name);
        if let Some(&index) = self.by_name.find(hash, |&index| *self.names[index as usize] == *name)
        {
            return NodeId(index);
        }
        let index = u32::try_from(self.names.len()).expect("fewer than 2^32 names");
        self.names.push(name.into());
        let (names, hasher) = (&self.names, &self.hasher);
        self.by_name.insert_unique(hash, index, |&other| hasher.hash_one(&*names[other as usize]));
        NodeId(index)
    }

    /// The id of `profile`, interning it if new.
    pub fn intern_profile(&mut self, profile: Profile) -> ProfileId {
        let hash = self.hasher.hash_one(&profile);
        let found =
            self.by_profile.find(hash, |&index| self.profiles[index as usize] == profile).copied();
        if let Some(index) = found {
            return ProfileId(index);
        }
        let index = u32::try_from(self.profiles.len()).expect("fewer than 2^32 profiles");
        self.profiles.push(profile);
        let (profiles, hasher) = (&self.profiles, &self.hasher);
        self.by_profile
            .insert_unique(hash, index, |&other| hasher.hash_one(&profiles[other as usize]));
        ProfileId(index)
    }

    /// A 64-bit hash of any name, interned or not; stable for the life of the pool.
    #[must_use]
    pub fn hash_name(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(node: NodeId, port: u16) -> Profile {
        Profile {
            node,
            addr: WireAddr::from(IpAddr::from([10, 0, 0, 1])),
            port,
            vsn: Vsn::default(),
            meta: Bytes::new(),
        }
    }

    #[test]
    fn interning_twice_gives_the_same_id() {
        let mut pool = Pool::new(1);
        let first = pool.intern("host1");
        let second = pool.intern("host2");
        assert_ne!(first, second);
        assert_eq!(pool.intern("host1"), first);
        assert_eq!(pool.find("host2"), Some(second));
        assert_eq!(pool.find("host3"), None);
        assert_eq!(pool.name(first), "host1");
    }

    #[test]
    fn a_wrong_guess_still_finds_the_name() {
        let mut pool = Pool::new(1);
        let first = pool.intern("a");
        let second = pool.intern("b");
        assert_eq!(pool.find_near("b", first), Some(second));
        assert_eq!(pool.find_near("b", NodeId(77)), Some(second));
        assert_eq!(pool.find_near("c", first), None);
    }

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

    #[test]
    fn equal_profiles_share_an_id() {
        let mut pool = Pool::new(1);
        let node = pool.intern("a");
        let first = pool.intern_profile(profile(node, 1));
        assert_eq!(pool.intern_profile(profile(node, 1)), first);
        assert_ne!(pool.intern_profile(profile(node, 2)), first);
        assert_eq!(pool.profiles_len(), 2);
    }
}
