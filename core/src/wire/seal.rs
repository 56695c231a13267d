//! AES-GCM sealing of datagrams and stream frames (memberlist protocol, sealed blob; associated data).
//!
//! A sealed blob is `version | nonce (12) | ciphertext | tag (16)`. Version 1 seals the plaintext as it is, version 0
//! pads it to whole blocks first. The primary key seals, every key opens.

use std::sync::Arc;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::aes::cipher::consts::U12;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, Nonce, Tag};
use smallvec::SmallVec;
use thiserror::Error;

use crate::keyring::{Key, Keyring};
use crate::rng::Rng;

/// Nonce length in bytes.
pub const NONCE_BYTES: usize = 12;
/// Tag length in bytes.
const TAG_BYTES: usize = 16;
/// Block length that version 0 pads to.
const BLOCK_BYTES: u8 = 16;

/// A blob that no key opens, or whose version, length or padding is wrong. Nothing more is told, on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("cannot be opened with any key")]
pub struct OpenError;

/// The ring's keys, ready for use. Cloning shares the key schedules.
#[derive(Clone, Default)]
pub struct Sealer(Option<Arc<[Cipher]>>);

impl core::fmt::Debug for Sealer {
    /// Never prints the keys.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sealer({} keys)", self.ciphers().len())
    }
}

impl Sealer {
    /// Expands every key of `keyring`, in its order. An empty ring gives a disabled sealer.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        let ciphers: Arc<[Cipher]> = keyring.keys().iter().map(Cipher::new).collect();
        Self((!ciphers.is_empty()).then_some(ciphers))
    }

    /// Whether there is a key.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Appends `plaintext`, sealed with the primary key and a nonce drawn from `rng`, to `out`. The associated data is
    /// the concatenation of `aad`. `version` is 0 or 1. Panics if the sealer is disabled.
    pub fn seal(
        &self,
        version: u8,
        rng: &mut Rng,
        aad: [&[u8]; 2],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce);
        self.seal_with_nonce(version, nonce, aad, plaintext, out);
    }

    /// As [`Sealer::seal`] with a given nonce, which must never be used twice with one key: for known-answer tests.
    pub fn seal_with_nonce(
        &self,
        version: u8,
        nonce: [u8; NONCE_BYTES],
        aad: [&[u8]; 2],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) {
        assert!(version <= 1, "encryption version {version} does not exist");
        let primary = self.ciphers().first().expect("sealing needs a key");
        out.push(version);
        out.extend_from_slice(&nonce);
        let body = out.len();
        out.extend_from_slice(plaintext);
        if version == 0 {
            let pad = padding(plaintext.len());
            out.resize(out.len() + usize::from(pad), pad);
        }
        let (_, text) = out.split_at_mut(body);
        let tag = primary.encrypt(&nonce, &join(aad), text);
        out.extend_from_slice(&tag);
    }

    /// Appends the plaintext of `blob` to `out`, trying every key in ring order.
    ///
    /// # Errors
    /// [`OpenError`]; `out` is unchanged.
    pub fn open(&self, blob: &[u8], aad: [&[u8]; 2], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let (&version, rest) = blob.split_first().ok_or(OpenError)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenError)?;
        if version > 1 || (version == 0 && text.len() < usize::from(BLOCK_BYTES)) {
            return Err(OpenError);
        }
        let start = out.len();
        out.resize(start + text.len(), 0);
        let aad = join(aad);
        for cipher in self.ciphers() {
            let (_, plain) = out.split_at_mut(start);
            if !cipher.decrypt(nonce, &aad, text, plain, tag) {
                continue;
            }
            if version == 1 {
                return Ok(());
            }
            if let Some(pad) = pad_len(plain) {
                out.truncate(out.len() - pad);
                return Ok(());
            }
            break;
        }
        out.truncate(start);
        Err(OpenError)
    }

    fn ciphers(&self) -> &[Cipher] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Bytes that packing reserves for sealing: 29 for version 1, 45 (with the most padding) for version 0.
#[must_use]
pub const fn overhead(version: u8) -> usize {
    if version == 0 { 45 } else { 29 }
}

/// Length of the sealed blob for `plaintext_bytes` bytes.
#[must_use]
pub fn sealed_len(version: u8, plaintext_bytes: usize) -> usize {
    let pad = if version == 0 { usize::from(padding(plaintext_bytes)) } else { 0 };
    overhead(1) + plaintext_bytes + pad
}

/// Padding that version 0 appends: 1 to 16 bytes.
fn padding(len: usize) -> u8 {
    let filled = u8::try_from(len % usize::from(BLOCK_BYTES)).expect("a remainder of 16 fits");
    BLOCK_BYTES - filled
}

/// Length of valid PKCS#7 padding at the end of `plain`.
fn pad_len(plain: &[u8]) -> Option<usize> {
    let &pad = plain.last()?;
    let (_, tail) = plain.split_at_checked(plain.len().checked_sub(pad.into())?)?;
    ((1..=BLOCK_BYTES).contains(&pad) && tail.iter().all(|&byte| byte == pad)).then_some(pad.into())
}

/// Frame header and label in one piece.
fn join(parts: [&[u8]; 2]) -> SmallVec<[u8; 64]> {
    let mut aad = SmallVec::new();
    for part in parts {
        aad.extend_from_slice(part);
    }
    aad
}

/// One expanded key.
enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

impl Cipher {
    fn new(key: &Key) -> Self {
        let bytes = key.as_bytes();
        match bytes.len() {
            16 => Self::Aes128(Box::new(expand(bytes))),
            24 => Self::Aes192(Box::new(expand(bytes))),
            _ => Self::Aes256(Box::new(expand(bytes))),
        }
    }

    fn encrypt(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = Nonce::from(*nonce);
        let text = InOutBuf::from(text);
        let tag = match self {
            Self::Aes128(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
            Self::Aes192(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
            Self::Aes256(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
        };
        tag.expect("AES-GCM takes up to 64 GiB").into()
    }

    /// Whether the tag is right; `plain` must be as long as `text` and holds the plaintext then.
    fn decrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        text: &[u8],
        plain: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
        let text = InOutBuf::new(text, plain).expect("output is sized to the input");
        match self {
            Self::Aes128(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
            Self::Aes192(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
            Self::Aes256(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
        }
        .is_ok()
    }
}

fn expand<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("key lengths are checked when a key is made")
}

#[cfg(test)]
mod tests;
