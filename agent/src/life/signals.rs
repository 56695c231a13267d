//! Signals to the agent.

use std::io::{self, Write as _};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::metrics::Telemetry;
use crate::task;

/// The status with which a Go program ends on SIGQUIT.
const QUIT_STATUS: i32 = 2;

/// A signal that the agent acts upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caught {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
}

impl Caught {
    /// As Serf names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Terminate => "terminated",
            Self::Hangup => "hangup",
        }
    }
}

/// The signals that the agent acts upon. Until it exists they do what the system does by default.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes over the signals.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Safe to cancel.
    pub(super) async fn next(&mut self) -> Caught {
        tokio::select! {
            biased;
            Some(()) = self.interrupt.recv() => Caught::Interrupt,
            Some(()) = self.terminate.recv() => Caught::Terminate,
            Some(()) = self.hangup.recv() => Caught::Hangup,
            else => std::future::pending().await,
        }
    }
}

/// From now on SIGUSR1 shows telemetry on standard error, and SIGQUIT ends the process at once.
pub(super) fn watch_early(telemetry: Telemetry) -> io::Result<()> {
    let mut dump = signal(SignalKind::user_defined1())?;
    let mut quit = signal(SignalKind::quit())?;
    task::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = dump.recv() => {
                    // Nobody is there to be told.
                    let _ = io::stderr().lock().write_all(telemetry.dump().as_bytes());
                }
                Some(()) = quit.recv() => {
                    let _ = io::stderr().lock().write_all(b"SIGQUIT: quit\n");
                    std::process::exit(QUIT_STATUS);
                }
                else => return,
            }
        }
    });
    Ok(())
}
