//! Key queries, the answering side: the keyring changes at once, the answer may wait until it is stored.
//!
//! Source: Serf, key handlers. The texts are those of the Go programs: operators read them in the report.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::command::Reply;
use crate::ids::{OpId, QueryId};
use crate::keyring::{Key, Keyring};
use crate::msg::serf::KeyResponse;
use crate::serf::Serf;
use crate::serf::query::{Asked, Holder, response_fits, send_response};
use crate::swim::{Action, Swim, SwimCx};
use crate::trace::{KeyQuery, Trace};
use crate::wire::serf::{decode_key_request, encode_key_response};

/// Most keys in the ring. Every key is tried on every packet that no other one opens.
const KEYS_MAX: usize = 256;
/// Bytes of an answer that each listed key takes at least: base64 of 16 bytes and its length.
const LISTED_KEY_BYTES: usize = 25;

/// What a query does to the keyring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyChange {
    Install,
    Use,
    Remove,
}

impl KeyChange {
    fn query(self) -> KeyQuery {
        match self {
            Self::Install => KeyQuery::Install,
            Self::Use => KeyQuery::Use,
            Self::Remove => KeyQuery::Remove,
        }
    }
}

impl Serf {
    /// Carries out a key query and answers it, now or when the keyring is stored.
    pub(super) fn change_keyring(
        &mut self,
        asked: Asked,
        change: KeyChange,
        payload: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let result = change_ring(&mut self.keyring, change, payload);
        let (query, refused) = (change.query(), result.err());
        cx.trace(Trace::KeyQuery { query, refused });
        let changed = match result {
            Ok(changed) => changed,
            Err(message) => return send_result(&asked, message, false, swim, cx),
        };
        if !cx.config.keyring_file {
            if changed {
                let keyring = self.keyring.clone();
                cx.actions.push(Action::KeyringChanged { keyring, answers: None });
            }
            return send_result(&asked, "", true, swim, cx);
        }
        // Stored even if it did not change: it may not have been stored the last time.
        let (query, in_time) = (asked.query, cx.now <= asked.deadline);
        let kept = in_time && self.keep_open(asked, Holder::Keyring, cx);
        let (keyring, answers) = (self.keyring.clone(), kept.then_some(query));
        cx.actions.push(Action::KeyringChanged { keyring, answers });
    }

    /// Command: the keyring was stored, or could not be. The answer that waited for it is sent.
    pub(crate) fn keyring_stored(
        &mut self,
        op: OpId,
        query: QueryId,
        error: Option<&str>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let payload = key_result(error.unwrap_or_default(), error.is_none());
        let result = self.answer_open(query, Holder::Keyring, &payload, swim, cx);
        cx.actions.push(Action::Done { op, result: result.map(|()| Reply::KeyringStored) });
    }

    /// Answers with all keys, or with as many as an answer holds.
    pub(super) fn list_keys(&self, asked: &Asked, swim: &Swim, cx: &mut SwimCx<'_>) {
        if !self.keyring.is_enabled() {
            let message = "Keyring is empty (encryption not enabled)";
            cx.trace(Trace::KeyQuery { query: KeyQuery::List, refused: Some(message) });
            return send_result(asked, message, false, swim, cx);
        }
        cx.trace(Trace::KeyQuery { query: KeyQuery::List, refused: None });
        let limit = cx.config.query_response_bytes_max;
        let (query, pool, config) = (asked.query, &*cx.pool, cx.config);
        let fits = |payload: &[u8]| response_fits(query, payload, swim, pool, config).is_ok();
        if let Some(payload) = key_list(&self.keyring, limit, fits) {
            send(asked, &payload, swim, cx);
        }
    }
}

/// Whether the ring has changed, or why it must not.
fn change_ring(
    ring: &mut Keyring,
    change: KeyChange,
    payload: &[u8],
) -> Result<bool, &'static str> {
    // The type byte in front is not looked at. What cannot be read is refused without a word.
    let body = payload.get(1..).ok_or("")?;
    let bytes = decode_key_request(body).map_err(|_| "")?;
    if !ring.is_enabled() {
        return Err("No keyring to modify (encryption not enabled)");
    }
    let key = Key::new(bytes);
    let known = key.as_ref().is_ok_and(|key| ring.keys().contains(key));
    match change {
        KeyChange::Install => {
            let key = key.map_err(|_| "key size must be 16, 24 or 32 bytes")?;
            if !known && ring.keys().len() >= KEYS_MAX {
                return Err("keyring is full, remove a key first");
            }
            ring.install(key);
            Ok(!known)
        }
        KeyChange::Use => {
            const UNKNOWN: &str = "Requested key is not in the keyring";
            let key = key.map_err(|_| UNKNOWN)?;
            let changed = ring.primary() != Some(&key);
            ring.make_primary(&key).map_err(|_| UNKNOWN)?;
            Ok(changed)
        }
        KeyChange::Remove => {
            // No key has another length, and removing an absent one succeeds.
            let Ok(key) = key else { return Ok(false) };
            ring.remove(&key).map_err(|_| "Removing the primary key is not allowed")?;
            Ok(known)
        }
    }
}

/// The keys in base64, primary first; fewer and a note about it if not all of them fit. `None` if not even one does.
fn key_list(ring: &Keyring, limit: usize, fits: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let keys: Vec<String> = ring.keys().iter().map(|key| STANDARD.encode(key.as_bytes())).collect();
    let total = keys.len();
    let list = |shown: usize, message: &str| {
        let keys: Vec<&str> = keys.iter().take(shown).map(String::as_str).collect();
        let primary_key = keys.first().copied().unwrap_or_default();
        let mut payload = Vec::new();
        let response = KeyResponse { result: true, message, keys: Some(keys), primary_key };
        encode_key_response(&response, &mut payload);
        Some(payload).filter(|payload| fits(payload))
    };
    list(total, "").or_else(|| {
        (1..=total.min(limit / LISTED_KEY_BYTES)).rev().find_map(|shown| {
            let message =
                format!("truncated key list response, showing first {shown} of {total} keys");
            list(shown, &message)
        })
    })
}

fn send_result(asked: &Asked, message: &str, result: bool, swim: &Swim, cx: &mut SwimCx<'_>) {
    send(asked, &key_result(message, result), swim, cx);
}

fn key_result(message: &str, result: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    let response = KeyResponse { result, message, keys: None, primary_key: "" };
    encode_key_response(&response, &mut payload);
    payload
}

fn send(asked: &Asked, payload: &[u8], swim: &Swim, cx: &mut SwimCx<'_>) {
    // Too late, or too large for relays: the asker counts a member that did not answer.
    let _ = send_response(asked, payload, swim, cx);
}

#[cfg(test)]
mod tests;
