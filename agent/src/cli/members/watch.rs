//! The live view of the members.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::{sleep, timeout};

use super::View;
use crate::cli::rpc::{self, Outcome, Stop};
use crate::rpc::client::{Client, ClientError, Member};

/// Longest time to wait for an agent's answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Shows the members until the user interrupts.
pub(super) async fn watch(
    view: &View<'_>,
    endpoint: &(String, String),
    pause: Duration,
) -> Outcome {
    let mut interrupts = rpc::interrupts()?;
    tokio::select! {
        outcome = show(view, endpoint, pause) => outcome,
        _ = interrupts.recv() => Ok(()),
    }
}

async fn show(view: &View<'_>, endpoint: &(String, String), pause: Duration) -> Outcome {
    let mut screen = Screen { terminal: io::stdout().is_terminal(), drawn: false };
    let mut client = None;
    loop {
        let frame = match timeout(ANSWER_TIME_MAX, fetch(view, endpoint, &mut client)).await {
            Ok(Ok(members)) => frame(view, &members)?,
            Ok(Err(error)) => {
                client = None;
                error
            }
            Err(_) => {
                client = None;
                format!("No answer from {} within 10 s", endpoint.0)
            }
        };
        screen.draw(&frame)?;
        sleep(pause).await;
    }
}

/// Asks the agent, over a new connection if there is none.
async fn fetch(
    view: &View<'_>,
    (addr, auth): &(String, String),
    client: &mut Option<Client>,
) -> Result<Vec<Member>, String> {
    let connecting = |error: ClientError| format!("Error connecting to Serf agent: {error}");
    let mut connected = match client.take() {
        Some(client) => client,
        None => Client::connect(addr, auth).await.map_err(connecting)?,
    };
    let members = view.fetch(&mut connected).await;
    let members = members.map_err(|error| format!("Error retrieving members: {error}"))?;
    *client = Some(connected);
    Ok(members)
}

/// The table, and below it the time and the number of members of each status.
fn frame(view: &View<'_>, members: &[Member]) -> Result<String, Stop> {
    let table = view.render(members)?;
    if view.format == "json" {
        return Ok(table);
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for member in members {
        *counts.entry(&member.status).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let shown = if counts.is_empty() { "no members".to_owned() } else { counts.join(", ") };
    Ok(format!("{table}\n\n{shown} at {}", clock(SystemTime::now())))
}

/// The time of day, in UTC.
fn clock(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// Where the frames go: over each other on a terminal, one below the other elsewhere.
struct Screen {
    terminal: bool,
    drawn: bool,
}

impl Screen {
    fn draw(&mut self, frame: &str) -> io::Result<()> {
        let drawing = self.drawing(frame);
        self.drawn = true;
        let mut out = io::stdout().lock();
        out.write_all(drawing.as_bytes())?;
        out.flush()
    }

    /// The first frame clears the screen; the others clear only what they leave over, so that nothing flickers.
    fn drawing(&self, frame: &str) -> String {
        match (self.terminal, self.drawn) {
            (true, false) => format!("\x1b[H\x1b[2J{frame}\n"),
            (true, true) => format!("\x1b[H{}\x1b[K\n\x1b[J", frame.replace('\n', "\x1b[K\n")),
            (false, false) => format!("{frame}\n"),
            (false, true) => format!("\n{frame}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_replace_each_other_on_a_terminal_only() {
        let screen = |terminal, drawn| Screen { terminal, drawn }.drawing("a\nb");
        assert_eq!(screen(true, false), "\x1b[H\x1b[2Ja\nb\n");
        assert_eq!(screen(true, true), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(screen(false, false), "a\nb\n");
        assert_eq!(screen(false, true), "\na\nb\n");
    }

    #[test]
    fn the_clock_shows_the_time_of_day() {
        assert_eq!(clock(UNIX_EPOCH), "00:00:00 UTC");
        assert_eq!(clock(UNIX_EPOCH + Duration::from_secs(86_400 + 3_661)), "01:01:01 UTC");
    }
}
