//! How far a run has come: a bar on a terminal, now and then a plain line when piped, nothing when quiet.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::grouped;
use crate::runner::Progress;
use crate::scenario::{Nanos, Scenario};

const BAR_PERIOD: Duration = Duration::from_millis(100);
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Runs `work` while another thread shows how far it is.
pub(super) fn shown<T>(
    scenario: &Scenario,
    seeds: usize,
    quiet: bool,
    work: impl FnOnce(&Progress) -> T,
) -> T {
    let progress = Progress::default();
    if quiet {
        return work(&progress);
    }
    let terminal = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        let view = View::new(scenario, seeds, &progress);
        scope.spawn(move || {
            let period = if terminal { BAR_PERIOD } else { LINE_PERIOD };
            let bar = terminal.then(|| view.bar());
            while let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(period) {
                match &bar {
                    Some(bar) => view.draw(bar),
                    None => view.line(),
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        let result = work(&progress);
        // Also on a panic: dropping the sender ends the thread that shows.
        drop(done);
        result
    })
}

struct View<'a> {
    name: &'a str,
    seeds: usize,
    /// Virtual time of the whole run.
    total: Nanos,
    started: Instant,
    progress: &'a Progress,
}

impl<'a> View<'a> {
    fn new(scenario: &'a Scenario, seeds: usize, progress: &'a Progress) -> Self {
        let total = scenario.duration.saturating_mul(seeds as u64);
        Self { name: &scenario.name, seeds, total, started: Instant::now(), progress }
    }

    fn bar(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(self.name.to_owned());
        bar
    }

    fn draw(&self, bar: &ProgressBar) {
        bar.set_message(self.words());
        bar.set_position(self.progress.virtual_nanos());
    }

    fn line(&self) {
        // A closed standard error is no reason to stop simulating.
        let _closed = writeln!(std::io::stderr().lock(), "{}: {}", self.name, self.words());
    }

    fn words(&self) -> String {
        let done = self.progress.seeds_done();
        let elapsed_ms = self.started.elapsed().as_millis().max(1);
        let per_second = u128::from(self.progress.virtual_nanos()) / elapsed_ms / 1_000_000;
        let percent =
            u128::from(self.progress.virtual_nanos()) * 100 / u128::from(self.total.max(1));
        format!(
            "{done} of {} seeds, {percent} %, {} virtual s per s",
            self.seeds,
            grouped(u64::try_from(per_second).unwrap_or(u64::MAX))
        )
    }
}
