//! A swarm on standard output: a live table on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use super::Audience;
use super::report::{About, Departure, End, Record, Sample, Spread};

/// Plain lines show every sample of the first seconds, and then one in ten.
const EVERY: f64 = 10.0;

/// Shows a swarm. A reader that goes away ends the output, not the swarm.
#[derive(Debug)]
pub struct Show {
    terminal: bool,
    closed: bool,
    /// Lines of the table that stand on the terminal.
    drawn: usize,
    shown_at: f64,
}

impl Default for Show {
    fn default() -> Self {
        Self::new(io::stdout().is_terminal())
    }
}

impl Show {
    fn new(terminal: bool) -> Self {
        Self { terminal, closed: false, drawn: 0, shown_at: f64::NEG_INFINITY }
    }

    fn print(&mut self, text: &str) {
        if !self.closed {
            let mut out = io::stdout().lock();
            self.closed = out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
        }
    }

    /// What a record puts on the output.
    fn drawing(&mut self, record: &Record) -> String {
        if let Record::Sample(sample) = record {
            return self.sample(sample);
        }
        // The table goes; the next sample draws it again below the line.
        format!("{}{}\n", self.wipe(), line(record))
    }

    fn sample(&mut self, sample: &Sample) -> String {
        if self.terminal {
            let table = table(sample);
            let drawing = format!("{}{table}", self.wipe());
            self.drawn = table.lines().count();
            return drawing;
        }
        if sample.at_s < self.shown_at + EVERY && sample.at_s > EVERY {
            return String::new();
        }
        self.shown_at = sample.at_s;
        format!("{}\n", short(sample))
    }

    fn wipe(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

impl Audience for Show {
    fn told(&mut self, record: &Record) {
        let drawing = self.drawing(record);
        self.print(&drawing);
    }

    fn trouble(&mut self, text: &str) {
        let drawing = format!("{}{text}\n", self.wipe());
        self.print(&drawing);
    }
}

fn table(sample: &Sample) -> String {
    let [least, median, most] = sample.seen;
    let rows = [
        ("Time", format!("{:.0} s", sample.at_s)),
        ("Agents up / down", format!("{} / {}", sample.up, sample.down)),
        ("Members seen (min / median / max)", format!("{least} / {median} / {most}")),
        ("False failures", sample.false_failures.to_string()),
        ("Events delivered", sample.events.to_string()),
        ("Packets / s", format!("{:.0}", sample.packets_per_s)),
        ("Kilobytes / s", format!("{:.0}", sample.bytes_per_s / 1e3)),
        ("CPU", format!("{:.1} %", sample.cpu_percent)),
        ("Resident memory", format!("{} MiB", mebibytes(sample.resident))),
        ("Open files", sample.files.to_string()),
        ("Tasks", sample.tasks.to_string()),
    ];
    rows.iter().map(|(name, value)| format!("  {name:<34} {value:>20}\n")).collect()
}

fn short(sample: &Sample) -> String {
    let [least, median, most] = sample.seen;
    format!(
        "{:>7.1} s  up {} down {}  sees {least}/{median}/{most}  events {}  packets/s {:.0}  cpu {:.1} %  rss {} MiB  \
         files {}  tasks {}",
        sample.at_s,
        sample.up,
        sample.down,
        sample.events,
        sample.packets_per_s,
        sample.cpu_percent,
        mebibytes(sample.resident),
        sample.files,
        sample.tasks
    )
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

fn line(record: &Record) -> String {
    match record {
        Record::Swarm(about) => start(about),
        Record::Sample(sample) => short(sample),
        Record::Settled { at_s, took_s, agents } => {
            format!(
                "{at_s:>7.1} s  settled: all {agents} agents see each other, {took_s:.2} s after the last change"
            )
        }
        Record::Event(spread) => event(spread),
        Record::Departure(departure) => gone(departure),
        Record::End(end) => ended(end),
    }
}

fn start(about: &About) -> String {
    let encrypted = if about.encrypted { ", encrypted" } else { "" };
    format!(
        "{} agents from {} on, profile {}{encrypted}, {} threads",
        about.nodes, about.base_addr, about.profile, about.threads
    )
}

fn event(spread: &Spread) -> String {
    let last = spread.delays_s.last().copied().unwrap_or(0.0);
    format!(
        "{:>7.1} s  event {:?} of {}: {} of {} agents have it, the last after {last:.2} s",
        spread.at_s,
        spread.name,
        spread.from,
        spread.delays_s.len(),
        spread.audience
    )
}

fn gone(departure: &Departure) -> String {
    let first = departure.delays_s.first().copied().unwrap_or(0.0);
    let last = departure.delays_s.last().copied().unwrap_or(0.0);
    let word = if departure.how == "crash" { "failed" } else { "left" };
    let mistaken = match departure.mistaken {
        0 => String::new(),
        count => format!(", {count} took it for the other"),
    };
    format!(
        "{:>7.1} s  {} of {}: {} of {} agents marked it {word} after {first:.2} to {last:.2} s{mistaken}",
        departure.at_s,
        departure.how,
        departure.node,
        departure.delays_s.len(),
        departure.observers
    )
}

fn ended(end: &End) -> String {
    format!(
        "{:>7.1} s  ended: {} tasks and {} open files left, {} false failures, {} failed starts",
        end.at_s, end.tasks, end.files, end.false_failures, end.failed_starts
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: f64) -> Record {
        Record::Sample(Sample { at_s, up: 5, down: 1, seen: [4, 5, 6], ..Sample::default() })
    }

    #[test]
    fn a_terminal_has_one_table() {
        let mut show = Show::new(true);
        let first = show.drawing(&sample(1.0));
        assert!(!first.contains('\x1b') && first.contains("4 / 5 / 6"), "{first}");
        let lines = first.lines().count();
        assert!(show.drawing(&sample(2.0)).starts_with(&format!("\x1b[{lines}A\x1b[J  Time")));
        let settled = Record::Settled { at_s: 2.5, took_s: 0.5, agents: 5 };
        assert!(show.drawing(&settled).starts_with(&format!("\x1b[{lines}A\x1b[J    2.5 s")));
        assert!(show.drawing(&sample(3.0)).starts_with("  Time"));
    }

    #[test]
    fn elsewhere_lines_become_rare() {
        let mut show = Show::new(false);
        let shown: Vec<u32> =
            (1..=40).filter(|&at| !show.drawing(&sample(at.into())).is_empty()).collect();
        assert_eq!(shown, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40]);
    }
}
