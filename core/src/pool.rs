//! Interned names and member profiles: one pool per process, shared by every node in it.

use core::hash::BuildHasher as _;
use core::net::SocketAddr;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

pub use crate::ids::{NodeId, ProfileId, Vsn, WireAddr};
use crate::msg::swim::{Alive, PushPullNode};
use crate::wire::swim::{NodeTemplate, encode_node_template};

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

/// Whose the forgotten profiles are: a use of one fails loudly.
const NOBODY: NodeId = NodeId(u32::MAX);

/// Interned names and profiles.
#[derive(Debug)]
pub struct Pool {
    hasher: FixedState,
    names: Vec<Box<str>>,
    by_name: HashTable<u32>,
    profiles: Vec<Profile>,
    /// Places in `profiles` that may be taken again.
    free: Vec<u32>,
    by_profile: HashTable<u32>,
    /// Push/pull entries of profiles back to back, incarnation and state cut out.
    templates: Vec<u8>,
    cuts: Vec<Cuts>,
}

/// Where one template lies in `Pool::templates`, and where its cuts are.
#[derive(Clone, Copy, Debug)]
struct Cuts {
    start: usize,
    incarnation: usize,
    state: usize,
    end: usize,
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
            free: Vec::new(),
            by_profile: HashTable::new(),
            templates: Vec::new(),
            cuts: Vec::new(),
        }
    }

    /// Number of names.
    #[must_use]
    pub fn names_len(&self) -> usize {
        self.names.len()
    }

    /// Number of profiles that were not forgotten.
    #[must_use]
    pub fn profiles_len(&self) -> usize {
        self.profiles.len() - self.free.len()
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

    /// Whether `profile` was interned.
    #[must_use]
    pub fn has_profile(&self, profile: &Profile) -> bool {
        let hash = self.hasher.hash_one(profile);
        self.by_profile.find(hash, |&index| self.profiles[index as usize] == *profile).is_some()
    }

    /// The id of `profile`, interning it if new.
    pub fn intern_profile(&mut self, profile: Profile) -> ProfileId {
        let hash = self.hasher.hash_one(&profile);
        let found =
            self.by_profile.find(hash, |&index| self.profiles[index as usize] == profile).copied();
        if let Some(index) = found {
            return ProfileId(index);
        }
        let index = self.place(profile);
        let cuts = self.write_template(ProfileId(index));
        match self.cuts.get_mut(index as usize) {
            Some(place) => *place = cuts,
            None => self.cuts.push(cuts),
        }
        let (profiles, hasher) = (&self.profiles, &self.hasher);
        self.by_profile
            .insert_unique(hash, index, |&other| hasher.hash_one(&profiles[other as usize]));
        ProfileId(index)
    }

    /// Puts a profile where one was forgotten, or at the end.
    fn place(&mut self, profile: Profile) -> u32 {
        if let Some(index) = self.free.pop() {
            self.profiles[index as usize] = profile;
            return index;
        }
        let index = u32::try_from(self.profiles.len()).expect("fewer than 2^32 profiles");
        self.profiles.push(profile);
        index
    }

    /// Forgets all profiles but those in `used`, whose ids stay what they are. The ids of the others will be given
    /// again, so `used` must hold every id that anybody still has.
    pub fn retain_profiles(&mut self, used: impl IntoIterator<Item = ProfileId>) {
        let mut keep = vec![false; self.profiles.len()];
        for id in used {
            keep[id.0 as usize] = true;
        }
        self.by_profile.retain(|&mut index| keep[index as usize]);
        self.free.clear();
        self.templates.clear();
        for (index, keep) in (0..).zip(keep) {
            if keep {
                self.cuts[index as usize] = self.write_template(ProfileId(index));
            } else {
                let forgotten = &mut self.profiles[index as usize];
                (forgotten.node, forgotten.meta) = (NOBODY, Bytes::new());
                self.free.push(index);
            }
        }
        self.templates.shrink_to_fit();
    }

    fn write_template(&mut self, id: ProfileId) -> Cuts {
        let start = self.templates.len();
        let mut templates = core::mem::take(&mut self.templates);
        let alive = self.alive_message(id, 0);
        let node = PushPullNode {
            name: alive.node,
            addr: alive.addr,
            port: alive.port,
            meta: alive.meta,
            incarnation: 0,
            state: 0,
            vsn: alive.vsn,
        };
        let [incarnation, state] = encode_node_template(&node, &mut templates);
        let cuts = Cuts { start, incarnation, state, end: templates.len() };
        self.templates = templates;
        cuts
    }

    /// The push/pull entry of a profile, ready to be completed by incarnation and state.
    #[must_use]
    pub fn template(&self, id: ProfileId) -> NodeTemplate<'_> {
        let Cuts { start, incarnation, state, end } = self.cuts[id.0 as usize];
        NodeTemplate {
            head: &self.templates[start..incarnation],
            middle: &self.templates[incarnation..state],
            tail: &self.templates[state..end],
        }
    }

    /// A 64-bit hash of any bytes; stable for the life of the pool, and not foreseeable from outside.
    pub(crate) fn hash_bytes(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// A 64-bit hash of any name, interned or not; stable for the life of the pool.
    #[must_use]
    pub fn hash_name(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

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
    fn equal_profiles_share_an_id() {
        let mut pool = Pool::new(1);
        let node = pool.intern("a");
        let first = pool.intern_profile(profile(node, 1));
        assert_eq!(pool.intern_profile(profile(node, 1)), first);
        assert_ne!(pool.intern_profile(profile(node, 2)), first);
        assert_eq!(pool.profiles_len(), 2);
    }

    #[test]
    fn forgotten_profiles_make_room_and_the_others_stay() {
        let mut pool = Pool::new(1);
        let node = pool.intern("a");
        let ids: Vec<_> = (1..=100).map(|port| pool.intern_profile(profile(node, port))).collect();
        let kept = [ids[3], ids[99]];
        let entries = kept.map(|id| pool.template(id).middle.to_vec());
        let heads = kept.map(|id| pool.template(id).head.to_vec());
        let bytes = pool.templates.len();
        for round in 1..=50_u16 {
            pool.retain_profiles(kept);
            assert_eq!(pool.profiles_len(), 2);
            assert!(!pool.has_profile(&profile(node, 1)), "forgotten");
            for port in 0..98 {
                let id = pool.intern_profile(profile(node, 1_000 * round + port));
                assert!(!kept.contains(&id));
            }
        }
        assert_eq!((pool.profiles.len(), pool.templates.len()), (100, bytes + 98 * 2));
        assert_eq!(kept.map(|id| pool.profile(id).port), [4, 100]);
        assert_eq!(kept.map(|id| pool.template(id).middle.to_vec()), entries);
        assert_eq!(kept.map(|id| pool.template(id).head.to_vec()), heads);
        assert_eq!(pool.intern_profile(profile(node, 4)), kept[0]);
    }
}
