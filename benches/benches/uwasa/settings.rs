//! How long is measured, and the members that most subjects share.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use uwasa_core::config::{Config, Identity, Options};
use uwasa_core::io::{Cx, Input, Outbox, Output};
use uwasa_core::node::{Node, WarmView};
use uwasa_core::pool::Pool;
use uwasa_core::time::Instant;

/// Settings for operations of nanoseconds to milliseconds, overridden by the command line.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(50)
        .configure_from_args()
}

/// Settings for operations that take so long that ten samples must do.
pub(crate) fn long(group: &mut BenchmarkGroup<'_, WallTime>) {
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(5));
}

/// The LAN profile with packets as they are and no timers but probes, so that a bench knows what happens next.
pub(crate) fn config() -> Arc<Config> {
    let options =
        Options { compression: false, push_pull_interval: Duration::ZERO, ..Options::lan() };
    Arc::new(options.validate().expect("the LAN profile is valid"))
}

/// Member number `index` of a cluster: `host1` at 10.0.0.1, and so on.
pub(crate) fn identity(index: u32) -> Identity {
    let [a, b, c, d] = (0x0a00_0001 + index).to_be_bytes();
    let addr = SocketAddr::from((Ipv4Addr::new(a, b, c, d), 7946));
    Identity::new(&format!("host{}", index + 1), addr).expect("a valid name and address")
}

/// A converged view of `count` members in a new pool.
pub(crate) fn view(count: u32) -> (WarmView, Pool) {
    let mut pool = Pool::new(1);
    let members: Vec<_> = (0..count).map(identity).collect();
    let view = WarmView::new(&config(), &members, &mut pool);
    (view, pool)
}

/// One warm node with what it needs to run.
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) pool: Pool,
    pub(crate) out: Outbox,
    pub(crate) now: Instant,
}

impl Host {
    /// Member 0 of a converged cluster of `count`.
    pub(crate) fn new(count: u32) -> Self {
        let (view, mut pool) = view(count);
        let (mut out, now) = (Outbox::new(), Instant::ZERO);
        let mut cx = Cx { now, pool: &mut pool, out: &mut out };
        let node = Node::warm(config(), &identity(0), [7; 32], &view, &mut cx);
        let mut host = Self { node, pool, out, now };
        host.drain(|_| ());
        host
    }

    /// One input, with its effects left in the outbox.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
    }

    /// Takes every effect out of the outbox.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(&Output<'_>)) {
        while let Some(output) = self.out.pop() {
            each(&output);
        }
    }

    /// One datagram from member 1, effects discarded.
    pub(crate) fn datagram(&mut self, bytes: &[u8]) {
        self.handle(Input::Datagram { from: identity_addr(1), bytes });
        self.drain(|_| ());
    }
}

/// The address of member number `index`.
pub(crate) fn identity_addr(index: u32) -> SocketAddr {
    let identity = identity(index);
    SocketAddr::new(identity.addr, identity.port)
}
