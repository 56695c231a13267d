//! Single events: how fast they reach the agents.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Bench, Values, float, reached};
use crate::failure::Failure;
use crate::pace::EVENT_LIMIT;
use crate::watch::{Told, Watch, payload};

/// Between two events. Not a multiple of a gossip interval, so that events meet different phases.
const PAUSE: Duration = Duration::from_millis(437);
/// Senders are this far apart in the list: near no divisor of usual cluster sizes.
const STRIDE: usize = 7;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let cluster = bench.take()?;
    let wanted = cluster.agents.len();
    let mut clients = cluster.clients()?;
    let watch = Watch::open(&cluster)?;
    let (mut half, mut most, mut all, mut came) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (sent, number) in (0..bench.pace.events).zip(0_u64..) {
        sleep(PAUSE);
        let begin = Instant::now();
        clients[sent * STRIDE % wanted].event("spread", &payload(number))?;
        let times =
            watch.until(begin, EVENT_LIMIT, wanted, |arrival| arrival.told == Told::Event(number));
        came += times.len();
        let ms = |percent| reached(&times, wanted, percent, EVENT_LIMIT) * 1e3;
        half.push(ms(50));
        most.push(ms(95));
        all.push(ms(100));
    }
    values.set_median("spread.half", &half);
    values.set_median("spread.most", &most);
    values.set_median("spread.all", &all);
    values.set("spread.coverage", 100.0 * float(came) / float(wanted * bench.pace.events));
    drop(watch);
    bench.give_back(cluster);
    Ok(())
}
