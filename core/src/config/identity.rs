//! Who a node is.

use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use thiserror::Error;

use super::{META_BYTES_MAX, Options};

/// Who a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Unique name.
    pub name: Box<str>,
    /// Announced address.
    pub addr: IpAddr,
    /// Announced port.
    pub port: u16,
    /// Port this node listens on; stands in for a received port of 0.
    pub bind_port: u16,
    /// Initial metadata: encoded tags, as `wire::tags` writes them.
    pub meta: Bytes,
}

impl Identity {
    /// An identity announcing `addr`, listening on the same port, without tags.
    ///
    /// # Errors
    /// [`IdentityError`] if the name is empty or longer than 255 bytes, the port is 0, or the address unspecified.
    pub fn new(name: &str, addr: SocketAddr) -> Result<Self, IdentityError> {
        if name.is_empty() || name.len() > OWN_NAME_BYTES_MAX {
            return Err(IdentityError::Name { len: name.len() });
        }
        if addr.port() == 0 {
            return Err(IdentityError::Port);
        }
        if addr.ip().is_unspecified() {
            return Err(IdentityError::Unspecified { addr: addr.ip() });
        }
        Ok(Self {
            name: name.into(),
            addr: addr.ip(),
            port: addr.port(),
            bind_port: addr.port(),
            meta: Bytes::from_static(NO_TAGS),
        })
    }

    /// Whether the name keeps the rules of `options`.
    ///
    /// # Errors
    /// [`IdentityError::Strict`] if `validate_node_names` is on and the name has other characters or is too long.
    pub fn check_name(&self, options: &Options) -> Result<(), IdentityError> {
        if options.validate_node_names && !is_strict_name(&self.name) {
            return Err(IdentityError::Strict { name: self.name.clone() });
        }
        Ok(())
    }

    /// The same identity with metadata.
    ///
    /// # Errors
    /// [`IdentityError::Meta`] if `meta` is longer than 512 bytes.
    pub fn with_meta(self, meta: Bytes) -> Result<Self, IdentityError> {
        if meta.len() > META_BYTES_MAX {
            return Err(IdentityError::Meta { len: meta.len() });
        }
        Ok(Self { meta, ..self })
    }
}

const OWN_NAME_BYTES_MAX: usize = 255;
/// Longest name under `validate_node_names`.
const STRICT_NAME_BYTES_MAX: usize = 128;
/// Metadata of a member without tags: the mark of encoded tags and an empty map.
const NO_TAGS: &[u8] = b"\xff\x80";

/// Whether a name keeps the rule of `validate_node_names`. The empty name does.
#[must_use]
pub fn is_strict_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    name.len() <= STRICT_NAME_BYTES_MAX && name.bytes().all(allowed)
}

/// A refused identity.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum IdentityError {
    /// Empty or too long.
    #[error("node name is {len} bytes, it must be 1 to 255 bytes")]
    Name {
        /// Length found.
        len: usize,
    },
    /// Breaks the rule of `validate_node_names`.
    #[error("node name \"{name}\" may only have A-Z, a-z, 0-9, - and ., and at most 128 bytes")]
    Strict {
        /// The name.
        name: Box<str>,
    },
    /// Port 0 cannot be announced.
    #[error("the announced port is 0: choose the port that peers can reach")]
    Port,
    /// The unspecified address cannot be announced.
    #[error("{addr} cannot be announced: choose the address that peers can reach")]
    Unspecified {
        /// The address.
        addr: IpAddr,
    },
    /// Too large.
    #[error("metadata is {len} bytes, the limit is 512 bytes")]
    Meta {
        /// Length found.
        len: usize,
    },
}
