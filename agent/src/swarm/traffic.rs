//! Datagrams of a swarm, counted by way of the agents' own metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// How many datagrams, and their bytes.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl CounterFn for Count {
    fn increment(&self, bytes: u64) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {}
}

/// A recorder that keeps what agents send. It is to be the local one while an agent starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: Arc<Count>,
}

impl Recorder for Traffic {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "memberlist.udp.sent" => Counter::from_arc(Arc::clone(&self.sent)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
