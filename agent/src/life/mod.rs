//! The life of an agent that is a process of its own: start, signals, reload, leave, and how it ends.

mod advertise;
pub(crate) mod bind;
mod join;
mod signals;
mod start;
mod ui;

use std::process::ExitCode;
use std::time::Duration;

use tracing::{Dispatch, dispatcher};
use uwasa_core::tags::Tags;

use crate::agent::Agent;
use crate::config::interface::{self, Interfaces};
use crate::config::resolve::{Resolved, resolve};
use crate::config::{Config, LoadError, Loaded, level, load};
use crate::descriptors;
use crate::go::flags::FlagError;
use crate::handlers::{Runner, Settings as HandlerSettings};
use crate::log::{Format, Log, Syslog};
use crate::mdns::{self, Discovery};
use crate::metrics::{self, Sinks};
use crate::rpc::server::Server;
use crate::task;
use signals::{Caught, Signals};
use start::Started;
use ui::Ui;

/// How long a graceful leave may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// How the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// As it was asked to: status 0.
    Success,
    /// Anything else: status 1.
    Failure,
}

/// Runs an agent with the words behind `agent` on the command line until it ends.
///
/// # Errors
///
/// Words that are no flags of the agent; nothing was printed yet.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, FlagError> {
    let interfaces = interface::list();
    let loaded = match load(words, &interfaces) {
        Ok(loaded) => loaded,
        Err(LoadError::Flags(error)) => return Err(error),
        Err(LoadError::Problems(problems)) => return Ok(fail(&problems)),
    };
    for warning in &loaded.warnings {
        Ui.output(warning);
    }
    Ok(run_loaded(words, loaded, &interfaces))
}

fn fail<S: AsRef<str>>(problems: &[S]) -> ExitCode {
    for problem in problems {
        Ui.output(problem.as_ref());
    }
    ExitCode::FAILURE
}

fn run_loaded(words: &[String], loaded: Loaded, interfaces: &Interfaces) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&[format!("Error starting the runtime: {error}")]),
    };
    let code = match prepare(&loaded.config) {
        Err(problems) => {
            let later = resolve(&loaded.config, interfaces).outcome.err().unwrap_or_default();
            fail(&[problems, later].concat())
        }
        Ok((log, dispatch)) => {
            let life = Life { words, interfaces, loaded, log };
            let end = dispatcher::with_default(&dispatch, || runtime.block_on(life.run()));
            match end {
                Ok(End::Success) => ExitCode::SUCCESS,
                Ok(End::Failure) => ExitCode::FAILURE,
                Err(problems) => fail(&problems),
            }
        }
    };
    // Scripts and lookups that still run hold up nothing.
    runtime.shutdown_background();
    code
}

/// Makes the log.
fn prepare(config: &Config) -> Result<(Log, Dispatch), Vec<String>> {
    let level = level(&config.log_level).map_err(|problem| vec![problem])?;
    let format = if config.log_format == "json" { Format::Json } else { Format::Serf };
    let (log, dispatch) = Log::new(level, format);
    if config.enable_syslog {
        let syslog = Syslog::connect(&config.syslog_facility)
            .map_err(|error| vec![format!("Syslog setup failed: {error}")])?;
        log.attach_syslog(syslog);
    }
    Ok((log, dispatch))
}

/// An agent on its way up.
struct Life<'a> {
    words: &'a [String],
    interfaces: &'a Interfaces,
    loaded: Loaded,
    log: Log,
}

impl Life<'_> {
    /// Starts, runs and ends the agent. Problems are those of the start.
    async fn run(self) -> Result<End, Vec<String>> {
        let one = |problem: String| vec![problem];
        let config = self.loaded.config.clone();
        descriptors::raise_limit();
        let telemetry = metrics::start(&sinks(&config)).map_err(|error| one(error.to_string()))?;
        let resolution = resolve(&config, self.interfaces);
        for notice in &resolution.notices {
            Ui.output(notice);
        }
        let resolved = resolution.outcome?;
        signals::watch_early(telemetry)
            .map_err(|error| one(format!("Error setting up signals: {error}")))?;
        Ui.output("Starting Serf agent...");
        let handlers = self.loaded.handlers.clone();
        let started =
            start::start(&config, resolved.clone(), &handlers, self.interfaces).map_err(one)?;
        let agent = started.agent.clone();
        let runner = Runner::start(&agent, handlers, handler_settings(&config)).await;
        advertise::watch(&agent).await;
        let discovery = discovery(&agent, &config)
            .await
            .map_err(|error| one(format!("Error starting mDNS listener: {error}")))?;
        let server = Server::start(&config.rpc_addr, &config.rpc_auth, &agent, &self.log)
            .await
            .map_err(|error| one(format!("Error starting RPC listener: {error}")))?;
        Ui.output("Starting Serf agent RPC...");
        banner(&config, &resolved, &started);
        start_join(&agent, &config).await.map_err(one)?;
        Ui.blank();
        Ui.output("Log data will now stream in as it occurs:\n");
        self.log.release();
        let end = Running {
            words: self.words,
            interfaces: self.interfaces,
            config,
            log: self.log,
            agent: &agent,
            runner,
        }
        .run()
        .await;
        drop(server);
        agent.shut_down().await;
        drop(discovery);
        Ok(end)
    }
}

fn sinks(config: &Config) -> Sinks {
    let set = |address: &String| (!address.is_empty()).then(|| address.clone());
    Sinks {
        statsd: set(&config.statsd_addr),
        statsite: set(&config.statsite_addr),
        prometheus: set(&config.metrics_addr),
        hostname: true,
    }
}

fn handler_settings(config: &Config) -> HandlerSettings {
    let queue = usize::try_from(config.handler_queue).unwrap_or(0);
    HandlerSettings {
        timeout: config.handler_timeout(),
        queue: if queue == 0 { HandlerSettings::default().queue } else { queue },
    }
}

async fn discovery(agent: &Agent, config: &Config) -> std::io::Result<Option<Discovery>> {
    if config.discover.is_empty() {
        return Ok(None);
    }
    let own = &config.mdns.interface;
    let interface = if own.is_empty() { &config.interface } else { own };
    let settings = mdns::Settings {
        cluster: config.discover.clone(),
        addr: agent.addr(),
        interface: (!interface.is_empty()).then(|| interface.clone()),
        disable_ipv4: config.mdns.disable_ipv4,
        disable_ipv6: config.mdns.disable_ipv6,
        replay: config.replay_on_join,
    };
    Discovery::start(agent, settings).await.map(Some)
}

fn banner(config: &Config, resolved: &Resolved, started: &Started) {
    Ui.output("Serf agent running!");
    let line = |label: &str, value: String| Ui.info(&format!("{label:>27}: {value}"));
    line("Node name", format!("'{}'", config.node_name));
    line("Bind addr", format!("'{}'", resolved.bind));
    if let Some(advertise) = resolved.advertise {
        // Serf does not align this one.
        Ui.info(&format!("Advertise addr: '{advertise}'"));
    }
    line("RPC addr", format!("'{}'", config.rpc_addr));
    line("Encrypted", started.encrypted.to_string());
    line("Snapshot", (!config.snapshot_path.is_empty()).to_string());
    line("Profile", config.profile.clone());
    line("Message Compression Enabled", config.enable_compression.to_string());
    if !config.discover.is_empty() {
        line("mDNS cluster", config.discover.clone());
    }
}

/// Joins before the agent is up; that nobody can be joined is fatal.
async fn start_join(agent: &Agent, config: &Config) -> Result<(), String> {
    if config.start_join.is_empty() {
        return Ok(());
    }
    Ui.output(&format!("Joining cluster...(replay: {})", config.replay_on_join));
    let joined = agent.join(&config.start_join, config.replay_on_join).await;
    if let Some(error) = joined.error {
        return Err(error.to_string());
    }
    Ui.info(&format!("Join completed. Synced with {} initial agents", joined.contacted));
    Ok(())
}

/// An agent that is up.
struct Running<'a> {
    words: &'a [String],
    interfaces: &'a Interfaces,
    config: Config,
    log: Log,
    agent: &'a Agent,
    runner: Runner,
}

impl Running<'_> {
    async fn run(mut self) -> End {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                Ui.output(&format!("Error setting up signals: {error}"));
                return End::Failure;
            }
        };
        let config = self.config.clone();
        let retry = async {
            if config.retry_join.is_empty() || join::retry(self.agent, &config).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(retry);
        loop {
            let agent = self.agent;
            let caught = tokio::select! {
                caught = signals.next() => caught,
                () = &mut retry => return End::Failure,
                () = agent.shutdown_requested() => return End::Success,
                () = agent.gossip_stopped() => {
                    tracing::warn!(target: "agent", "Serf shutdown detected, quitting");
                    return End::Success;
                }
            };
            Ui.output(&format!("Caught signal: {}", caught.name()));
            let graceful = match caught {
                Caught::Hangup => {
                    self.reload().await;
                    continue;
                }
                Caught::Interrupt => !self.config.skip_leave_on_interrupt,
                Caught::Terminate => self.config.leave_on_terminate,
            };
            return if graceful { leave(agent, &mut signals).await } else { End::Failure };
        }
    }

    /// Reads the configuration again and takes over what may change while the agent runs.
    async fn reload(&mut self) {
        Ui.output("Reloading configuration...");
        let loaded = match load(self.words, self.interfaces) {
            Ok(loaded) => loaded,
            Err(error) => {
                let problems = match error {
                    LoadError::Problems(problems) => problems,
                    LoadError::Flags(error) => vec![error.to_string()],
                };
                fail(&problems);
                Ui.output("Failed to reload configs");
                return;
            }
        };
        for warning in &loaded.warnings {
            Ui.output(warning);
        }
        self.config = loaded.config;
        match level(&self.config.log_level) {
            Ok(level) => self.log.set_level(level),
            Err(problem) => Ui.output(&problem),
        }
        self.runner.replace(loaded.handlers);
        let tags: Tags = self.config.tags.iter().collect();
        if let Err(error) = self.agent.set_tags(tags).await {
            Ui.output(&format!("Failed to update tags: {error}"));
        }
    }
}

/// Leaves the cluster, unless that takes too long or the user loses patience.
async fn leave(agent: &Agent, signals: &mut Signals) -> End {
    Ui.output("Gracefully shutting down agent...");
    let leaver = agent.clone();
    let mut leaving = task::spawn(async move { leaver.leave().await });
    let limit = tokio::time::sleep(LEAVE_LIMIT);
    tokio::pin!(limit);
    let mut failed = false;
    loop {
        tokio::select! {
            left = &mut leaving, if !failed => match left {
                Ok(Ok(())) => return End::Success,
                Ok(Err(error)) => {
                    Ui.output(&format!("Error: {error}"));
                    failed = true;
                }
                Err(_) => failed = true,
            },
            _ = signals.next() => return End::Failure,
            () = &mut limit => return End::Failure,
        }
    }
}
