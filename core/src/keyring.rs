//! Encryption keys: an ordered ring whose first key seals, while every key may open.

use core::fmt;

use thiserror::Error;

/// One AES key of 16, 24 or 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Checks the length.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `bytes` is 16, 24 or 32 bytes long.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes.into())),
            len => Err(KeyError::Length { len }),
        }
    }

    /// The raw key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    /// Never prints the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

/// A refused key operation; the ring is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    /// Wrong length.
    #[error("key is {len} bytes, it must be 16, 24 or 32 bytes")]
    Length {
        /// Length found.
        len: usize,
    },
    /// Not in the ring.
    #[error("the key is not in the keyring: install it first")]
    Unknown,
    /// The primary key cannot be removed.
    #[error("the primary key cannot be removed: make another key primary first")]
    RemovePrimary,
}

/// Ordered keys; index 0 is primary. An empty ring means no encryption.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A ring with one primary key.
    #[must_use]
    pub fn with_primary(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// Whether encryption is on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The sealing key.
    #[must_use]
    pub fn primary(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// All keys, primary first: the order in which opening tries them.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Appends `key`; it becomes primary only if the ring was empty. No effect if present.
    pub fn install(&mut self, key: Key) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Makes an installed key primary; the others keep their order.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn make_primary(&mut self, key: &Key) -> Result<(), KeyError> {
        let index = self.keys.iter().position(|known| known == key).ok_or(KeyError::Unknown)?;
        self.keys[..=index].rotate_right(1);
        Ok(())
    }

    /// Removes a key that is not primary; an absent key is no error.
    ///
    /// # Errors
    /// [`KeyError::RemovePrimary`].
    pub fn remove(&mut self, key: &Key) -> Result<(), KeyError> {
        if self.primary() == Some(key) {
            return Err(KeyError::RemovePrimary);
        }
        self.keys.retain(|known| known != key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 16]).expect("16 bytes are a key")
    }

    #[test]
    fn only_three_lengths_are_keys() {
        assert_eq!(Key::new(&[0; 15]), Err(KeyError::Length { len: 15 }));
        for len in [16, 24, 32] {
            assert!(Key::new(&vec![0; len]).is_ok());
        }
    }

    #[test]
    fn make_primary_moves_to_the_front_and_keeps_the_rest_in_order() {
        let mut ring = Keyring::default();
        for byte in 1..=3 {
            ring.install(key(byte));
        }
        ring.install(key(2));
        ring.make_primary(&key(3)).expect("installed");
        assert_eq!(ring.keys(), [key(3), key(1), key(2)]);
        assert_eq!(ring.make_primary(&key(9)), Err(KeyError::Unknown));
    }

    #[test]
    fn the_primary_stays() {
        let mut ring = Keyring::with_primary(key(1));
        ring.install(key(2));
        assert_eq!(ring.remove(&key(1)), Err(KeyError::RemovePrimary));
        assert_eq!(ring.remove(&key(2)), Ok(()));
        assert_eq!(ring.remove(&key(2)), Ok(()));
        assert_eq!(ring.keys(), [key(1)]);
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", key(1)), "Key(16 bytes)");
    }
}
