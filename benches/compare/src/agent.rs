//! One agent process: its addresses, its directory, its life.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::failure::Failure;
use crate::own::Own;
use crate::rpc::Client;

/// How long a single agent may take until it answers.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(20);
/// Ports tried before the address counts as taken.
const PORT_ATTEMPTS: usize = 20;

/// An agent with fixed addresses and directory, running or not.
#[derive(Debug)]
pub(crate) struct Agent {
    program: PathBuf,
    /// `n0`, `n1`, …: unique in its cluster.
    pub(crate) name: String,
    /// Where it gossips.
    pub(crate) gossip: SocketAddr,
    /// Where it answers RPC.
    pub(crate) rpc: SocketAddr,
    dir: PathBuf,
    own: Own,
    id: Option<u32>,
}

impl Agent {
    /// Picks free ports of `ip`; the agent does not run yet. Its files will be in `home/NAME`.
    pub(crate) fn new(
        program: &Path,
        name: String,
        ip: Ipv4Addr,
        home: &Path,
        own: &Own,
    ) -> Result<Self, Failure> {
        let dir = home.join(&name);
        std::fs::create_dir_all(&dir).map_err(Failure::system(dir.display().to_string()))?;
        let free = || free_port(ip).map_err(Failure::system(format!("free port of {ip}")));
        let gossip = free()?;
        let mut rpc = free()?;
        while rpc == gossip {
            rpc = free()?;
        }
        let program = program.to_owned();
        Ok(Self { program, name, gossip, rpc, dir, own: own.clone(), id: None })
    }

    /// Starts the process and does not wait for anything.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        let log = self.dir.join("log");
        let what = || Failure::system(log.display().to_string());
        let out = File::options().create(true).append(true).open(&log).map_err(what())?;
        let err = out.try_clone().map_err(what())?;
        let mut command = Command::new(&self.program);
        command
            .arg("agent")
            .arg(format!("-node={}", self.name))
            .arg(format!("-bind={}", self.gossip))
            .arg(format!("-rpc-addr={}", self.rpc))
            .arg("-snapshot=snapshot")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        self.id = Some(self.own.start(&mut command)?);
        Ok(())
    }

    /// A connection to the agent, which may still be starting.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        Client::connect(self.rpc, START_WITHIN).map_err(|failure| match self.last_words() {
            words if words.is_empty() => failure,
            words => {
                Failure::Answer { agent: self.name.clone(), what: format!("{failure}; {words}") }
            }
        })
    }

    /// The end of its log, for a message about its failure.
    fn last_words(&self) -> String {
        let log = std::fs::read(self.dir.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let mut lines: Vec<&str> =
            text.lines().rev().filter(|line| !line.is_empty()).take(3).collect();
        lines.reverse();
        lines.join(" | ")
    }

    /// Id of the running process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.id
    }

    /// Sends SIGKILL; [`Agent::end`] must follow.
    pub(crate) fn kill(&self) {
        if let Some(id) = self.id {
            self.own.kill(id);
        }
    }

    /// Kills the process if it runs and waits for its end.
    pub(crate) fn end(&mut self) {
        if let Some(id) = self.id.take() {
            self.own.end(id);
        }
    }

    /// The exit status if the process has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.own.ended(self.id?)?;
        self.id = None;
        Some(status)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port of `ip` that is free for TCP and UDP at this moment.
fn free_port(ip: Ipv4Addr) -> io::Result<SocketAddr> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_ATTEMPTS {
        let addr = TcpListener::bind((ip, 0))?.local_addr()?;
        match UdpSocket::bind(addr) {
            Ok(_) => return Ok(addr),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// `127.NET.CLUSTER.HOST`: every run, cluster and agent has an address of its own.
pub(crate) fn loopback(net: u8, cluster: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, net, cluster, host)
}
