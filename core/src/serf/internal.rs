//! Internal queries: those whose names start with `_serf_`, asked and answered by the nodes themselves.
//!
//! Source: Serf, internal queries; key manager. The application sees none of them, known or not.

mod conflict;
mod keyring;
mod keys;

pub(super) use conflict::Vote;
use keyring::KeyChange;
use keys::KeyOps;
pub(super) use keys::KeyTask;

use crate::ids::OpId;
use crate::serf::Serf;
use crate::serf::query::Asked;
use crate::swim::{Swim, SwimCx};

/// State behind the own internal queries.
#[derive(Debug, Default)]
pub(crate) struct Internal {
    key_ops: KeyOps,
    /// A vote about the own name is under way.
    voting: bool,
}

impl Internal {
    /// The node stops: the commands that were not started.
    pub(super) fn abort(&mut self) -> impl Iterator<Item = OpId> {
        self.key_ops.abort()
    }
}

impl Serf {
    /// A query named `_serf_` and `name` passed its filters.
    pub(super) fn internal_query(
        &mut self,
        asked: Asked,
        name: &str,
        payload: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        match name {
            "conflict" => conflict::answer(&asked, payload, swim, cx),
            "install-key" => self.change_keyring(asked, KeyChange::Install, payload, swim, cx),
            "use-key" => self.change_keyring(asked, KeyChange::Use, payload, swim, cx),
            "remove-key" => self.change_keyring(asked, KeyChange::Remove, payload, swim, cx),
            "list-keys" => self.list_keys(&asked, swim, cx),
            // A ping wants its ack only, and unknown ones are nobody's.
            _ => {}
        }
    }
}
