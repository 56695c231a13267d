//! A probe round: direct ping, indirect pings with nacks, stream ping, verdict.
//!
//! Source: memberlist, failure detection; SWIM 2002 section 3; Lifeguard, LHA-Probe. The health score scales the window,
//! and the rest of the period only if it is set so.

use crate::config::Mutant;
use crate::pool::{NodeId, ProfileId};
use crate::stats::{DropReason, bump};
use crate::swim::{Member, Name, Send, Swim, SwimCx};
use crate::time::{Instant, duration_nanos};
use crate::timers::TimerKind;
use crate::trace::{Cause, MemberState, ProbeOutcome, Trace};

/// Lowest announced protocol maximum of a peer that understands stream pings.
const STREAM_PING_PROTOCOL: u8 = 3;
/// Lowest announced protocol maximum of a relay that can send nacks.
const NACK_PROTOCOL: u8 = 4;

/// The one probe in flight.
#[derive(Debug)]
pub(super) struct ProbeRound {
    target: NodeId,
    /// The record when the round began: the verdict is about this incarnation.
    member: Member,
    seq_no: u32,
    started: Instant,
    window_end: Instant,
    /// Relays and stream were asked: the direct wait is over.
    indirect: bool,
    nacks_expected: u32,
    nacks_received: u32,
    stream_acked: bool,
}

impl ProbeRound {
    /// The profile that is probed.
    pub(super) fn profile(&self) -> ProfileId {
        self.member.profile
    }
}

impl Swim {
    /// Whether a probe is in flight.
    pub(crate) fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// The probe ticker fired. At most one probe runs; one missed tick is remembered, further ones are lost.
    pub(super) fn on_probe_tick(&mut self, due: Instant, cx: &mut SwimCx<'_>) {
        let interval = duration_nanos(cx.config.probe_interval);
        // After a long sleep the ticks in between are skipped, the phase is kept.
        let behind = cx.now.nanos_since(due) / interval;
        cx.timers.set(TimerKind::ProbeTick, due.plus_nanos(interval.saturating_mul(behind + 1)));
        if self.probe.is_some() {
            self.probe_missed = true;
        } else {
            self.start_probe(cx);
        }
    }

    fn start_probe(&mut self, cx: &mut SwimCx<'_>) {
        let Some((target, member)) = self.pick_target(cx) else { return };
        let seq_no = self.next_seq_no();
        let scale = u64::from(self.awareness.score()) + 1;
        let window = duration_nanos(cx.config.probe_interval) * scale;
        let mut wait = duration_nanos(cx.config.probe_timeout);
        if cx.config.lifeguard.scaled_period {
            wait *= scale;
            cx.timers.set(TimerKind::ProbeTick, cx.now.plus_nanos(window));
        }
        self.probe = Some(ProbeRound {
            target,
            member,
            seq_no,
            started: cx.now,
            window_end: cx.now.plus_nanos(window),
            indirect: false,
            nacks_expected: 0,
            nacks_received: 0,
            stream_acked: false,
        });
        bump(&mut cx.stats.probes);
        cx.trace(Trace::ProbeStarted { target, seq_no });
        if member.state == MemberState::Suspect && cx.config.lifeguard.buddy {
            let incarnation = member.incarnation;
            cx.send(Send::PingSuspect { target: member.profile, seq_no, incarnation });
        } else {
            cx.send(Send::Ping { target: member.profile, seq_no });
        }
        cx.timers.set(TimerKind::ProbeWindow, cx.now.plus_nanos(wait));
    }

    /// The next member of the ring worth probing. A wrap counts as one look, so tiny clusters skip some ticks.
    fn pick_target(&mut self, cx: &mut SwimCx<'_>) -> Option<(NodeId, Member)> {
        let mut looked = 0;
        while looked < self.table.len() {
            let Some(id) = self.table.next_in_ring() else {
                self.wrap_ring(cx);
                looked += 1;
                continue;
            };
            if cx.config.is_mutant(Mutant::ProbeSkipsLast)
                && self.table.iter().last().is_some_and(|(last, _)| last == id)
            {
                looked += 1;
                continue;
            }
            match self.table.get(id) {
                Some(member) if id != self.me && member.state <= MemberState::Suspect => {
                    return Some((id, member));
                }
                _ => looked += 1,
            }
        }
        None
    }

    fn wrap_ring(&mut self, cx: &mut SwimCx<'_>) {
        let age_max = duration_nanos(cx.config.gossip_to_the_dead);
        for (subject, member) in self.table.wrap(self.me, cx.now, age_max, cx.pool, cx.rng) {
            cx.trace(Trace::Edge {
                subject,
                from: Some(member.state),
                to: None,
                incarnation: member.incarnation,
                cause: Cause::Reap,
            });
        }
    }

    /// The direct wait or the whole window of the running probe is over.
    pub(super) fn on_probe_window(&mut self, cx: &mut SwimCx<'_>) {
        match &self.probe {
            Some(round) if !round.indirect => self.ask_others(cx),
            Some(_) => self.judge(cx),
            None => cx.timers.clear(TimerKind::ProbeWindow),
        }
    }

    fn ask_others(&mut self, cx: &mut SwimCx<'_>) {
        let Some(mut round) = self.probe.take() else { return };
        let (me, target) = (self.me, round.target);
        let relays = self.table.random(cx.config.indirect_checks as usize, cx.rng, |table, id| {
            id != me
                && id != target
                && table.get(id).is_some_and(|member| member.state == MemberState::Alive)
        });
        let (seq_no, profile) = (round.seq_no, round.member.profile);
        for &relay in &relays {
            let relay = self.table.get(relay).map_or(profile, |member| member.profile);
            let understands = cx.pool.profile(relay).vsn.protocol_max() >= NACK_PROTOCOL;
            let nack = understands && cx.config.lifeguard.local_health;
            round.nacks_expected += u32::from(nack);
            cx.send(Send::IndirectPing { relay, target: profile, seq_no, nack });
        }
        let stream = cx.config.tcp_pings
            && cx.pool.profile(profile).vsn.protocol_max() >= STREAM_PING_PROTOCOL;
        if stream {
            cx.send(Send::StreamPing { target: profile, seq_no, deadline: round.window_end });
        }
        bump(&mut cx.stats.probes_indirect);
        let relays = u32::try_from(relays.len()).expect("at most 64 relays");
        cx.trace(Trace::ProbeIndirect { target, seq_no, relays, stream });
        round.indirect = true;
        cx.timers.set(TimerKind::ProbeWindow, round.window_end);
        self.probe = Some(round);
    }

    /// The window is over without a datagram ack: the stream decides, then the nacks.
    fn judge(&mut self, cx: &mut SwimCx<'_>) {
        let Some(round) = self.probe.take() else { return };
        if round.stream_acked {
            self.end_probe(&round, ProbeOutcome::Stream, -1, cx);
            return;
        }
        let missing = round.nacks_expected.saturating_sub(round.nacks_received);
        let delta = if round.nacks_expected > 0 { i64::from(missing) } else { 1 };
        let outcome = ProbeOutcome::Failed {
            nacks_expected: round.nacks_expected,
            nacks_received: round.nacks_received,
        };
        bump(&mut cx.stats.probes_failed);
        let cause = Cause::Probe { seq_no: round.seq_no };
        let from = Name::Known(self.me);
        cx.timers.clear(TimerKind::ProbeWindow);
        self.trace_end(&round, outcome, cx);
        if cx.config.is_mutant(Mutant::DeadWithoutSuspicion) {
            self.on_dead(round.target, round.member.incarnation, &from, cause, cx);
        } else {
            self.on_suspect(round.target, round.member.incarnation, &from, cause, cx);
        }
        self.change_health(delta, cx);
        self.catch_up(cx);
    }

    fn end_probe(
        &mut self,
        round: &ProbeRound,
        outcome: ProbeOutcome,
        delta: i64,
        cx: &mut SwimCx<'_>,
    ) {
        cx.timers.clear(TimerKind::ProbeWindow);
        self.trace_end(round, outcome, cx);
        self.change_health(delta, cx);
        self.catch_up(cx);
    }

    fn trace_end(&self, round: &ProbeRound, outcome: ProbeOutcome, cx: &mut SwimCx<'_>) {
        cx.trace(Trace::ProbeEnded { target: round.target, seq_no: round.seq_no, outcome });
    }

    fn catch_up(&mut self, cx: &mut SwimCx<'_>) {
        if core::mem::take(&mut self.probe_missed) {
            self.start_probe(cx);
        }
    }

    /// An ack datagram arrived: for the running probe, or for one relayed for somebody else. Returns whom it came from
    /// and the round-trip time in nanoseconds if it answers a direct ping in time.
    pub(crate) fn on_ack(&mut self, seq_no: u32, cx: &mut SwimCx<'_>) -> Option<(NodeId, u64)> {
        match self.probe.take() {
            Some(round) if round.seq_no == seq_no => {
                let rtt = cx.now.nanos_since(round.started);
                let outcome =
                    if round.indirect { ProbeOutcome::Late } else { ProbeOutcome::Direct { rtt } };
                self.end_probe(&round, outcome, -1, cx);
                (!round.indirect).then_some((round.target, rtt))
            }
            other => {
                self.probe = other;
                if !self.on_relayed_ack(seq_no, cx) {
                    cx.stats.drop(DropReason::UnknownSeqNo);
                }
                None
            }
        }
    }

    /// A relay reports that it heard nothing: the path to the relay works.
    pub(crate) fn on_nack(&mut self, seq_no: u32, cx: &mut SwimCx<'_>) {
        match &mut self.probe {
            Some(round) if round.seq_no == seq_no => {
                round.nacks_received = round.nacks_received.saturating_add(1);
            }
            _ => cx.stats.drop(DropReason::UnknownSeqNo),
        }
    }

    /// The stream ping was answered. It counts only when the window ends, so a datagram ack has priority.
    pub(crate) fn on_stream_ack(&mut self, seq_no: u32) {
        if let Some(round) = &mut self.probe
            && round.seq_no == seq_no
        {
            round.stream_acked = true;
        }
    }
}
