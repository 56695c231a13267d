//! Stream sessions: stream pings, push/pull both ways, user messages.
//!
//! A stream carries one request and at most one reply. A stream that we dialed is forgotten with our `Finish`; one that a
//! peer opened is kept until the peer has finished too, or its deadline, so that pending replies stay bounded.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use super::{Node, Turn, packet_rules};
use crate::command::JoinFailure;
use crate::io::{Scratch, StreamAction, StreamId, StreamInput};
use crate::msg::swim::{Ack, ErrorReply, MessageType, Ping};
use crate::pool::ProfileId;
use crate::stats::{DropReason, bump_by};
use crate::time::Instant;
use crate::timers::TimerKind;
use crate::wire::stream::{StreamError, StreamMessage, StreamReader, encode_stream, goes_plain};
use crate::wire::swim;

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// We ping the member; its ack counts for the running probe.
    Ping { target: ProfileId, seq_no: u32 },
    /// We exchange state with one random member.
    PushPull,
    /// We join: exchange state with one seed of the current join.
    Join,
    /// We try to reach a failed member: a join nobody asked for.
    Reconnect,
    /// We try to reach a member that the snapshot remembers: a join nobody asked for.
    Rejoin,
    /// A peer opened it.
    Inbound,
    /// A peer opened it and has its reply, but has not finished yet.
    Closing { push_pull: bool },
}

impl Role {
    /// Whether the exchange says that it is a join.
    fn is_join(self) -> bool {
        matches!(self, Self::Join | Self::Reconnect | Self::Rejoin)
    }
}

/// Push/pulls that are answered at once; a further one is closed without a reply. Source: memberlist, limits.
const PUSH_PULLS_MAX: usize = 127;
/// Bytes of incomplete messages kept over all streams that peers opened.
const BUFFERED_BYTES_MAX: usize = 256 * 1_024 * 1_024;

#[derive(Debug)]
struct Session {
    role: Role,
    reader: StreamReader,
    deadline: Instant,
}

/// All open sessions of one node.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sessions: BTreeMap<StreamId, Session>,
    dialed: u64,
    /// Bytes in the readers of all sessions.
    buffered: usize,
}

impl Streams {
    /// The profiles of members that are being pinged.
    pub(super) fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        self.sessions.values().filter_map(|session| match session.role {
            Role::Ping { target, .. } => Some(target),
            Role::PushPull
            | Role::Join
            | Role::Reconnect
            | Role::Rejoin
            | Role::Inbound
            | Role::Closing { .. } => None,
        })
    }

    /// Sessions that peers opened.
    fn inbound_len(&self) -> usize {
        let opened = |role| matches!(role, Role::Inbound | Role::Closing { .. });
        self.sessions.values().filter(|session| opened(session.role)).count()
    }

    /// Push/pulls that were answered and are not over.
    fn push_pulls_len(&self) -> usize {
        let closing = Role::Closing { push_pull: true };
        self.sessions.values().filter(|session| session.role == closing).count()
    }
}

impl Node {
    pub(super) fn dial_ping(
        &mut self,
        target: ProfileId,
        seq_no: u32,
        deadline: Instant,
        turn: &mut Turn<'_>,
    ) {
        let to = turn.pool.profile(target).socket_addr();
        self.dial(Role::Ping { target, seq_no }, to, deadline, turn);
    }

    pub(super) fn dial_push_pull(&mut self, to: ProfileId, turn: &mut Turn<'_>) {
        let to = turn.pool.profile(to).socket_addr();
        let deadline = self.now + self.config.tcp_timeout;
        self.dial(Role::PushPull, to, deadline, turn);
    }

    pub(super) fn dial_join(&mut self, to: SocketAddr, turn: &mut Turn<'_>) {
        let deadline = self.now + self.config.tcp_timeout;
        self.dial(Role::Join, to, deadline, turn);
    }

    pub(super) fn dial_reconnect(&mut self, to: SocketAddr, turn: &mut Turn<'_>) {
        let deadline = self.now + self.config.tcp_timeout;
        self.dial(Role::Reconnect, to, deadline, turn);
    }

    pub(super) fn dial_rejoin(&mut self, to: SocketAddr, turn: &mut Turn<'_>) {
        let deadline = self.now + self.config.tcp_timeout;
        self.dial(Role::Rejoin, to, deadline, turn);
    }

    fn dial(&mut self, role: Role, to: SocketAddr, deadline: Instant, turn: &mut Turn<'_>) {
        self.streams.dialed += 1;
        let id = StreamId(self.streams.dialed * 2);
        self.open(id, Session { role, reader: StreamReader::outbound(), deadline });
        turn.out.stream(id, &StreamAction::Dial { to });
    }

    fn open(&mut self, id: StreamId, session: Session) {
        self.timers.add(session.deadline, TimerKind::Stream(id));
        self.streams.sessions.insert(id, session);
    }

    /// Ends a session here. What the stream itself needs (finish or reset) is the caller's business.
    fn close(&mut self, id: StreamId) -> Option<Role> {
        let session = self.streams.sessions.remove(&id)?;
        self.timers.cancel(session.deadline, TimerKind::Stream(id));
        self.streams.buffered -= session.reader.buffered();
        Some(session.role)
    }

    pub(super) fn on_stream(&mut self, id: StreamId, event: StreamInput<'_>, turn: &mut Turn<'_>) {
        match event {
            StreamInput::Accepted { from: _ } => self.on_accepted(id, turn),
            StreamInput::Connected => self.on_connected(id, turn),
            StreamInput::Data(bytes) => {
                bump_by(&mut self.stats.stream_bytes_in, bytes.len());
                self.on_data(id, bytes, turn);
            }
            StreamInput::Finished => {
                let Some(role) = self.close(id) else { return };
                if !matches!(role, Role::Closing { .. }) {
                    // It ended before its message was complete.
                    turn.out.stream(id, &StreamAction::Reset);
                    self.on_session_failed(role, JoinFailure::Closed, turn);
                }
            }
            StreamInput::Failed(failure) => {
                if let Some(role) = self.close(id) {
                    self.on_session_failed(role, JoinFailure::Stream(failure), turn);
                }
            }
        }
    }

    /// A session's deadline passed.
    pub(super) fn on_stream_timeout(&mut self, id: StreamId, turn: &mut Turn<'_>) {
        if let Some(role) = self.close(id) {
            turn.out.stream(id, &StreamAction::Reset);
            self.on_session_failed(role, JoinFailure::TimedOut, turn);
        }
    }

    fn on_accepted(&mut self, id: StreamId, turn: &mut Turn<'_>) {
        let known = self.streams.sessions.contains_key(&id);
        if known || self.streams.inbound_len() >= self.config.streams_max {
            self.stats.drop(DropReason::StreamsFull);
            turn.out.stream(id, &StreamAction::Reset);
            return;
        }
        let deadline = self.now + self.config.tcp_timeout;
        self.open(id, Session { role: Role::Inbound, reader: StreamReader::inbound(), deadline });
    }

    fn on_connected(&mut self, id: StreamId, turn: &mut Turn<'_>) {
        let Some(role) = self.streams.sessions.get(&id).map(|session| session.role) else { return };
        match role {
            Role::Ping { target, seq_no } => {
                let node = turn.pool.name(turn.pool.profile(target).node);
                let ping = Ping { seq_no, node, source: self.source(turn.pool) };
                turn.scratch.message.clear();
                swim::encode_ping(&ping, &mut turn.scratch.message);
                self.send_message(id, true, turn);
            }
            Role::PushPull | Role::Join | Role::Reconnect | Role::Rejoin => {
                self.renew_deadline(id);
                self.send_state(id, true, role.is_join(), turn);
            }
            Role::Inbound | Role::Closing { .. } => {}
        }
    }

    fn renew_deadline(&mut self, id: StreamId) {
        let deadline = self.now + self.config.tcp_timeout;
        if let Some(session) = self.streams.sessions.get_mut(&id) {
            self.timers.cancel(session.deadline, TimerKind::Stream(id));
            session.deadline = deadline;
            self.timers.add(deadline, TimerKind::Stream(id));
        }
    }

    /// Wraps and sends what is in the message buffer.
    fn send_message(&mut self, id: StreamId, initiator: bool, turn: &mut Turn<'_>) {
        let rules = packet_rules(&self.config, &self.sealer);
        let message = &turn.scratch.message;
        let sent = turn.out.stream_send(id, |out| {
            encode_stream(message, &rules, initiator, &mut self.rng, out);
        });
        bump_by(&mut self.stats.stream_bytes_out, sent);
    }

    /// Sends the own state.
    fn send_state(&mut self, id: StreamId, initiator: bool, join: bool, turn: &mut Turn<'_>) {
        if goes_plain(&self.rules(), initiator) {
            let user_state = &mut turn.scratch.user_state;
            let sent = turn.out.stream_send(id, |out| {
                self.encode_state(join, turn.pool, user_state, out);
            });
            bump_by(&mut self.stats.stream_bytes_out, sent);
            return;
        }
        let Scratch { user_state, message, .. } = &mut *turn.scratch;
        message.clear();
        self.encode_state(join, turn.pool, user_state, message);
        self.send_message(id, initiator, turn);
    }

    fn on_data(&mut self, id: StreamId, bytes: &[u8], turn: &mut Turn<'_>) {
        let Some(session) = self.streams.sessions.get_mut(&id) else { return };
        if matches!(session.role, Role::Closing { .. }) {
            // Bytes after the message are ignored.
            return;
        }
        let rules = packet_rules(&self.config, &self.sealer);
        let before = session.reader.buffered();
        let read = session.reader.push(bytes, &rules);
        self.streams.buffered += session.reader.buffered();
        self.streams.buffered -= before;
        match read {
            Ok(None) if self.streams.buffered > BUFFERED_BYTES_MAX => {
                let (reason, text) = (DropReason::StreamsFull, "too many unfinished messages");
                let error = StreamError { reason, text, reply: false };
                self.on_stream_error(id, error, turn);
            }
            Ok(None) => {}
            Ok(Some(message)) => self.on_stream_message(id, &message, turn),
            Err(error) => self.on_stream_error(id, error, turn),
        }
    }

    fn on_stream_error(&mut self, id: StreamId, error: StreamError, turn: &mut Turn<'_>) {
        self.stats.drop(error.reason);
        let Some(role) = self.close(id) else { return };
        if error.reply {
            turn.scratch.message.clear();
            let reply = ErrorReply { error: error.text };
            swim::encode_error_reply(&reply, &mut turn.scratch.message);
            self.send_message(id, false, turn);
            self.finish_reply(id, false, turn);
        } else {
            turn.out.stream(id, &StreamAction::Reset);
        }
        self.on_session_failed(role, JoinFailure::Unreadable(error.text), turn);
    }

    fn on_stream_message(&mut self, id: StreamId, message: &StreamMessage, turn: &mut Turn<'_>) {
        let Some(role) = self.close(id) else { return };
        let crowded = self.streams.push_pulls_len() >= PUSH_PULLS_MAX;
        let accepted = match (role, message.kind()) {
            (Role::Inbound, MessageType::PushPull) if crowded => {
                self.stats.drop(DropReason::StreamsFull);
                false
            }
            (Role::Inbound, MessageType::Ping) => self.on_stream_ping(id, message.body(), turn),
            (Role::Inbound, MessageType::PushPull) => {
                self.on_push_pull_request(id, message.body(), turn)
            }
            (Role::Inbound, MessageType::User) => self.on_stream_user(message.body(), turn),
            (Role::Ping { seq_no, .. }, MessageType::Ack) => {
                self.on_stream_ack(seq_no, message.body())
            }
            (
                Role::PushPull | Role::Join | Role::Reconnect | Role::Rejoin,
                MessageType::PushPull,
            ) => self.on_push_pull_reply(role.is_join(), message.body(), turn),
            (Role::PushPull | Role::Join | Role::Reconnect | Role::Rejoin, _) => {
                // An error reply, mostly: the peer cannot read us, or refuses us.
                self.push_pull_ended(true, role.is_join(), false, turn);
                false
            }
            (Role::Ping { .. } | Role::Inbound | Role::Closing { .. }, _) => {
                self.stats.drop(DropReason::MessageType);
                false
            }
        };
        // What the message changed is told before the stream ends or a join is reported done.
        self.carry_out(turn);
        match (accepted, role) {
            (true, Role::Inbound) => {
                self.finish_reply(id, message.kind() == MessageType::PushPull, turn);
            }
            (true, _) => turn.out.stream(id, &StreamAction::Finish),
            (false, _) => turn.out.stream(id, &StreamAction::Reset),
        }
        match role {
            Role::Join => {
                let failure = (!accepted).then(|| join_failure(message));
                self.on_seed_done(failure, turn);
            }
            Role::Rejoin => self.on_rejoin_done(accepted, turn),
            Role::PushPull => self.rearm_push_pull(turn),
            Role::Ping { .. } | Role::Inbound | Role::Closing { .. } | Role::Reconnect => {}
        }
    }

    /// Ends our direction of a stream that a peer opened, and waits for the peer to end its own.
    fn finish_reply(&mut self, id: StreamId, push_pull: bool, turn: &mut Turn<'_>) {
        turn.out.stream(id, &StreamAction::Finish);
        let deadline = self.now + self.config.tcp_timeout;
        let reader = StreamReader::inbound();
        self.open(id, Session { role: Role::Closing { push_pull }, reader, deadline });
    }

    fn on_session_failed(&mut self, role: Role, failure: JoinFailure, turn: &mut Turn<'_>) {
        match role {
            // The probe's own window decides about the member.
            Role::Ping { .. } | Role::Inbound | Role::Closing { .. } => {}
            Role::PushPull => {
                self.push_pull_ended(true, false, false, turn);
                self.rearm_push_pull(turn);
            }
            Role::Join => {
                self.push_pull_ended(true, true, false, turn);
                self.on_seed_done(Some(failure), turn);
            }
            Role::Reconnect => self.push_pull_ended(true, true, false, turn),
            Role::Rejoin => {
                self.push_pull_ended(true, true, false, turn);
                self.on_rejoin_done(false, turn);
            }
        }
    }

    fn rearm_push_pull(&mut self, turn: &mut Turn<'_>) {
        let (swim, mut cx) = self.swim(turn);
        swim.schedule_push_pull(&mut cx);
    }

    fn on_stream_ping(&mut self, id: StreamId, body: &[u8], turn: &mut Turn<'_>) -> bool {
        let Ok(ping) = swim::decode_ping(body) else {
            self.stats.drop(DropReason::Decode);
            return false;
        };
        if !self.is_me(ping.node, turn) {
            self.stats.drop(DropReason::WrongName);
            return false;
        }
        turn.scratch.message.clear();
        let ack = Ack { seq_no: ping.seq_no, payload: None };
        swim::encode_ack(&ack, &mut turn.scratch.message);
        self.send_message(id, false, turn);
        true
    }

    fn on_stream_ack(&mut self, seq_no: u32, body: &[u8]) -> bool {
        match swim::decode_ack(body) {
            Ok(ack) if ack.seq_no == seq_no => {
                self.swim.on_stream_ack(seq_no);
                true
            }
            Ok(_) => {
                self.stats.drop(DropReason::UnknownSeqNo);
                false
            }
            Err(_) => {
                self.stats.drop(DropReason::Decode);
                false
            }
        }
    }

    fn on_stream_user(&mut self, body: &[u8], turn: &mut Turn<'_>) -> bool {
        let Ok((_, message)) = swim::decode_user_header(body) else {
            self.stats.drop(DropReason::Decode);
            return false;
        };
        if !message.is_empty() {
            self.on_user_message(message, turn);
        }
        true
    }

    fn on_push_pull_request(&mut self, id: StreamId, body: &[u8], turn: &mut Turn<'_>) -> bool {
        let Ok(state) = swim::framed_push_pull(body) else {
            self.stats.drop(DropReason::Decode);
            return false;
        };
        // Answered before merging: a joining node does not find itself in the first reply.
        let join = state.header.join;
        self.send_state(id, false, join, turn);
        let merged = self.merge(join, &state, turn);
        self.push_pull_ended(false, join, merged, turn);
        true
    }

    fn on_push_pull_reply(&mut self, join: bool, body: &[u8], turn: &mut Turn<'_>) -> bool {
        let merged = match swim::framed_push_pull(body) {
            Ok(state) => self.merge(join, &state, turn),
            Err(_) => {
                self.stats.drop(DropReason::Decode);
                false
            }
        };
        self.push_pull_ended(true, join, merged, turn);
        merged
    }
}

/// What a reply that did not lead to a merge says about the seed.
fn join_failure(message: &StreamMessage) -> JoinFailure {
    if message.kind() != MessageType::Err {
        return JoinFailure::Incompatible;
    }
    swim::decode_error_reply(message.body())
        .map_or(JoinFailure::Incompatible, |reply| JoinFailure::Refused(reply.error.into()))
}
