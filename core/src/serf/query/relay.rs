//! Relays: copies of acks and answers that other members pass on, against loss on the direct way.

use core::net::SocketAddr;

use bytes::Bytes;

use super::MESSAGE_BYTES_MAX;
use super::answer::Asked;
use crate::command::OpError;
use crate::msg::serf::{RelayHeader, SerfMessageType};
use crate::pool::{Pool, ProfileId, WireAddr};
use crate::serf::Serf;
use crate::stats::{DropReason, bump};
use crate::swim::{Send, Swim, SwimCx, UserSend};
use crate::trace::{MemberStatus, Trace};
use crate::wire::serf::{decode_query_response, decode_relay, encode_relay, relay_len};

/// Lowest announced protocol maximum of a peer that relays.
const RELAY_PROTOCOL: u8 = 5;

impl Serf {
    /// A message to be passed on arrived; `body` is what follows the Serf type byte.
    ///
    /// Only acks and answers are passed on; Go passes on anything to anywhere.
    pub(crate) fn on_relay_message(&self, body: &[u8], swim: &Swim, cx: &mut SwimCx<'_>) {
        let Ok((header, inner)) = decode_relay(body) else {
            cx.stats.drop(DropReason::Decode);
            return;
        };
        let Some((_, to)) = reachable(header.addr, header.port).filter(|_| is_reply(inner)) else {
            cx.stats.drop(DropReason::Relay);
            return;
        };
        bump(&mut cx.stats.relayed);
        cx.trace(Trace::Relayed);
        let member = addressee(header.node, to, swim, cx.pool);
        cx.send(Send::User(Box::new(UserSend {
            to,
            member,
            message: Bytes::copy_from_slice(inner),
        })));
    }
}

fn is_reply(message: &[u8]) -> bool {
    message.len() <= MESSAGE_BYTES_MAX
        && message.split_first().is_some_and(|(&number, body)| {
            number == SerfMessageType::QueryResponse as u8 && decode_query_response(body).is_ok()
        })
}

/// Hands copies of an ack or answer to random members, as many as the asker wants.
pub(super) fn relay(
    asked: &Asked,
    inner: &[u8],
    swim: &Swim,
    cx: &mut SwimCx<'_>,
) -> Result<(), OpError> {
    let factor = usize::from(asked.relay_factor);
    // Members in every status count, though only those alive can be chosen.
    if factor == 0 || swim.records_len() < factor + 1 {
        return Ok(());
    }
    let header =
        RelayHeader { addr: asked.addr.as_bytes(), port: asked.to.port(), node: &asked.source };
    let (size, limit) = (relay_len(&header, inner.len()), cx.config.query_response_bytes_max);
    if size > limit {
        return Err(OpError::RelayTooLarge { size, limit });
    }
    let mut message = Vec::with_capacity(size);
    encode_relay(&header, inner, &mut message);
    let (message, pool) = (Bytes::from(message), &*cx.pool);
    let relays = swim.random_members(factor, cx.rng, |id, record| {
        id != swim.me()
            && record.status == MemberStatus::Alive
            && pool.profile(record.profile).vsn.protocol_max() >= RELAY_PROTOCOL
    });
    for profile in relays.into_iter().filter_map(|id| Some(swim.record(id)?.profile)) {
        let to = cx.pool.profile(profile).socket_addr();
        cx.send(Send::User(Box::new(UserSend {
            to,
            member: Some(profile),
            message: message.clone(),
        })));
    }
    Ok(())
}

/// The place that 4 or 16 bytes and a port name, if a datagram can be sent to one host there.
pub(super) fn reachable(addr: &[u8], port: u16) -> Option<(WireAddr, SocketAddr)> {
    let addr = WireAddr::from_wire(addr)?;
    let to = SocketAddr::new(addr.ip(), port);
    let sane = port != 0 && !to.ip().is_unspecified() && !to.ip().is_multicast();
    sane.then_some((addr, to))
}

/// The member a message is for, if the name is known and belongs to the address.
pub(super) fn addressee(name: &str, to: SocketAddr, swim: &Swim, pool: &Pool) -> Option<ProfileId> {
    let profile = swim.record(pool.find(name)?)?.profile;
    (pool.profile(profile).socket_addr() == to).then_some(profile)
}
