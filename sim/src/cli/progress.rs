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

/// What there is to do.
pub(super) struct Work {
    /// What it is called.
    pub(super) name: String,
    /// What is counted: `seeds`.
    pub(super) noun: &'static str,
    /// How many.
    pub(super) runs: usize,
    /// Virtual time of all of them; 0: not known before the end.
    pub(super) total: Nanos,
}

/// Runs the seeds of a scenario while another thread shows how far they are.
pub(super) fn shown<T>(
    scenario: &Scenario,
    seeds: usize,
    quiet: bool,
    work: impl FnOnce(&Progress) -> T,
) -> T {
    let total = scenario.duration.saturating_mul(seeds as u64);
    let todo = Work { name: scenario.name.clone(), noun: "seeds", runs: seeds, total };
    shown_work(todo, quiet, work)
}

/// Runs `work` while another thread shows how far it is.
pub(super) fn shown_work<T>(todo: Work, quiet: bool, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if quiet {
        return work(&progress);
    }
    let terminal = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        let view = View { todo, started: Instant::now(), progress: &progress };
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
    todo: Work,
    started: Instant,
    progress: &'a Progress,
}

impl View<'_> {
    fn bar(&self) -> ProgressBar {
        let bar =
            ProgressBar::with_draw_target(Some(self.todo.total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(self.todo.name.clone());
        bar
    }

    fn draw(&self, bar: &ProgressBar) {
        bar.set_message(self.words());
        bar.set_position(self.progress.virtual_nanos());
    }

    fn line(&self) {
        // A closed standard error is no reason to stop simulating.
        let _closed = writeln!(std::io::stderr().lock(), "{}: {}", self.todo.name, self.words());
    }

    fn words(&self) -> String {
        let done = self.progress.seeds_done();
        let elapsed_ms = self.started.elapsed().as_millis().max(1);
        let per_second = u128::from(self.progress.virtual_nanos()) / elapsed_ms / 1_000_000;
        let percent = (u128::from(self.progress.virtual_nanos()) * 100)
            .checked_div(self.todo.total.into())
            .map_or_else(String::new, |percent| format!(", {percent} %"));
        format!(
            "{done} of {} {}{percent}, {} virtual s per s",
            self.todo.runs,
            self.todo.noun,
            grouped(u64::try_from(per_second).unwrap_or(u64::MAX))
        )
    }
}
