//! One agent: how it is started, what it shows, what it is told, and what its handler heard.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::{Said, Terminal, command, run};
use super::{GOSSIP_PORT, KEY, Kind, RPC_PORT, Wire, World, free_port, wait_for};

/// Notes each event in a line: type, name, Lamport time, standard input in hex.
const RECORDER: &str = r#"line="$SERF_EVENT|$SERF_USER_EVENT$SERF_QUERY_NAME|$SERF_USER_LTIME$SERF_QUERY_LTIME|"
echo "$line$(od -An -v -tx1 | tr -d ' \n')" >> "$1"
"#;

/// An agent to be.
pub(crate) struct Spec<'w> {
    world: &'w World,
    kind: Kind,
    name: String,
    gossip: SocketAddr,
    rpc: SocketAddr,
    words: Vec<OsString>,
    keyring: bool,
}

impl<'w> Spec<'w> {
    pub(super) fn new(world: &'w World, kind: Kind, name: &str, ip: IpAddr) -> Self {
        let [gossip, rpc] = [GOSSIP_PORT, RPC_PORT].map(|port| (ip, port).into());
        let name = name.to_owned();
        Self { world, kind, name, gossip, rpc, words: Vec::new(), keyring: false }
    }

    pub(crate) fn with(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// At the address that another agent had, under its name or not.
    pub(crate) fn at(mut self, ip: IpAddr) -> Self {
        self.gossip.set_ip(ip);
        self.rpc.set_ip(ip);
        self
    }

    /// At the one IPv6 loopback address, with ports of its own.
    pub(crate) fn on_ipv6(mut self) -> Self {
        let ip = IpAddr::V6(Ipv6Addr::LOCALHOST);
        self.gossip = (ip, free_port(ip)).into();
        self.rpc = (ip, free_port(ip)).into();
        self
    }

    pub(crate) fn tag(self, tag: &str) -> Self {
        self.with("-tag").with(tag)
    }

    pub(crate) fn handler(self, handler: &str) -> Self {
        self.with("-event-handler").with(handler)
    }

    /// With the keys in a file of the agent's own, first the one to send with.
    pub(crate) fn keyring(self, keys: &[&str]) -> Self {
        let text = serde_json::to_string(keys).expect("JSON");
        let path = self.world.write(&format!("{}.keyring", self.name), &text);
        self.keyring_file(path)
    }

    /// With the keys in a file that is there already.
    pub(crate) fn keyring_file(mut self, path: PathBuf) -> Self {
        self.keyring = true;
        self.with("-keyring-file").with(path)
    }

    pub(crate) fn joining(self, agent: &Agent) -> Self {
        let address = format!("-join={}", agent.gossip);
        self.with(address)
    }

    /// With a handler that notes every event; see [`Agent::heard`].
    pub(crate) fn recording(self) -> Self {
        let script = self.world.write("record.sh", RECORDER);
        let notes = self.world.path(&format!("{}.heard", self.name));
        let handler = format!("sh {} {}", script.display(), notes.display());
        self.handler(&handler)
    }

    /// The words after `serf`.
    fn command_line(&self) -> Vec<OsString> {
        let Self { name, gossip, rpc, .. } = self;
        let mut words: Vec<OsString> = ["agent", "-log-level=debug"].map(OsString::from).to_vec();
        words.push(format!("-node={name}").into());
        words.push(format!("-bind={gossip}").into());
        words.push(format!("-rpc-addr={rpc}").into());
        match self.world.wire {
            Wire::Encrypted if !self.keyring => words.push(format!("-encrypt={KEY}").into()),
            Wire::Uncompressed => words.push("-disable-compression".into()),
            Wire::Plain | Wire::Encrypted => {}
        }
        words.extend(self.words.iter().cloned());
        words
    }

    /// Starts it without waiting for anything.
    pub(crate) fn launch(self) -> Agent {
        let terminal =
            Terminal::open(self.world.folder(), command(self.kind, &self.command_line()));
        Agent {
            kind: self.kind,
            ip: self.gossip.ip(),
            gossip: self.gossip,
            rpc: self.rpc,
            folder: self.world.folder().to_owned(),
            notes: self.world.path(&format!("{}.heard", self.name)),
            name: self.name,
            terminal,
        }
    }

    /// Starts it and waits until it has joined and obeys signals.
    pub(crate) fn start(self) -> Agent {
        let mut agent = self.launch();
        let what = format!("the start of {}", agent.name);
        wait_for(&what, || {
            let shown = agent.terminal.shown();
            if let Some(status) = agent.terminal.ended() {
                panic!("{} ended with {status}: {shown}", agent.name);
            }
            // The record that signals the end of the start comes out of the buffer after the headline.
            if shown.contains("agent: Serf agent starting") { Ok(()) } else { Err(shown) }
        });
        agent
    }

    /// Runs it to its end: for agents that cannot start.
    pub(crate) fn run(self) -> Said {
        run(self.world.folder(), command(self.kind, &self.command_line()))
    }
}

/// An event that a recording handler heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    pub(crate) event: String,
    pub(crate) name: String,
    pub(crate) ltime: Option<u64>,
    pub(crate) input: Vec<u8>,
}

impl Heard {
    fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.split('|').collect();
        let [event, name, ltime, input] = fields[..] else { panic!("four fields: {line}") };
        let byte = |pair: &[u8]| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hex")
        };
        Self {
            event: event.to_owned(),
            name: name.to_owned(),
            ltime: ltime.parse().ok(),
            input: input.as_bytes().chunks(2).map(byte).collect(),
        }
    }

    /// Whether this is a member event of that type about that member.
    pub(crate) fn tells(&self, event: &str, member: &str) -> bool {
        let text = String::from_utf8_lossy(&self.input);
        self.event == event && text.lines().any(|line| line.split('\t').next() == Some(member))
    }
}

/// A running agent. Dropping it kills the process; after a failure its output is shown.
pub(crate) struct Agent {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    pub(crate) gossip: SocketAddr,
    pub(crate) rpc: SocketAddr,
    pub(crate) terminal: Terminal,
    folder: PathBuf,
    notes: PathBuf,
}

impl Agent {
    /// Runs a command of that program against this agent.
    pub(crate) fn told_by<S: AsRef<OsStr>>(&self, kind: Kind, words: &[S]) -> Said {
        run(&self.folder, self.command(kind, words))
    }

    /// Runs a command of the agent's own program against it.
    pub(crate) fn told(&self, words: &[&str]) -> Said {
        self.told_by(self.kind, words)
    }

    /// The same; it must succeed.
    pub(crate) fn does(&self, words: &[&str]) -> String {
        self.told(words).well()
    }

    /// Starts a command that somebody looks at while it runs.
    pub(crate) fn terminal_of(&self, kind: Kind, words: &[&str]) -> Terminal {
        Terminal::open(&self.folder, self.command(kind, words))
    }

    fn command<S: AsRef<OsStr>>(&self, kind: Kind, words: &[S]) -> std::process::Command {
        let mut command = command(kind, words);
        command.env("SERF_RPC_ADDR", self.rpc.to_string());
        command
    }

    /// The members by name, as the agent tells them.
    pub(crate) fn members(&self) -> BTreeMap<String, Value> {
        self.ask_members().unwrap_or_else(|said| panic!("members of {}: {said:?}", self.name))
    }

    fn ask_members(&self) -> Result<BTreeMap<String, Value>, Said> {
        let said = self.told(&["members", "-format=json"]);
        if said.code != Some(0) {
            return Err(said);
        }
        let told: Value = serde_json::from_str(&said.stdout).expect("JSON");
        let members = told["members"].as_array().cloned().unwrap_or_default();
        let name = |member: &Value| member["name"].as_str().expect("a name").to_owned();
        Ok(members.into_iter().map(|member| (name(&member), member)).collect())
    }

    /// Waits until a member has a status here; "gone" for one that must not be in the list.
    pub(crate) fn sees(&self, name: &str, status: &str) {
        let what = format!("{name} is {status} at {} ({:?})", self.name, self.kind);
        wait_for(&what, || {
            let members = self.ask_members().map_err(|said| format!("{said:?}"))?;
            let told = members.get(name).map_or("gone", |it| it["status"].as_str().expect("text"));
            if told == status { Ok(()) } else { Err(told.to_owned()) }
        });
    }

    /// Waits until a member has these tags here, and no others.
    pub(crate) fn sees_tags(&self, name: &str, tags: &[(&str, &str)]) {
        let want: Value = tags.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
        let what = format!("{name} has the tags {tags:?} at {} ({:?})", self.name, self.kind);
        wait_for(&what, || {
            let members = self.members();
            let told = members.get(name).map_or(&Value::Null, |member| &member["tags"]);
            if *told == want { Ok(()) } else { Err(told.clone()) }
        });
    }

    /// The events that the recording handler heard up to now.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let notes = std::fs::read_to_string(&self.notes).unwrap_or_default();
        notes.lines().map(Heard::parse).collect()
    }

    /// The user events and queries of a name among them.
    pub(crate) fn heard_of(&self, name: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.name == name).collect()
    }

    /// Waits until that many user events of a name were heard; more are not wanted either.
    pub(crate) fn hears(&self, name: &str, times: usize) -> Vec<Heard> {
        let what = format!("{times} events {name:?} heard by {} ({:?})", self.name, self.kind);
        let heard = wait_for(&what, || {
            let heard = self.heard_of(name);
            if heard.len() >= times { Ok(heard) } else { Err(heard) }
        });
        assert_eq!(heard.len(), times, "{what}: {heard:?}");
        heard
    }

    /// Waits until the handler heard a member event about a member.
    pub(crate) fn hears_member(&self, event: &str, member: &str) {
        let what = format!("{event} of {member} heard by {} ({:?})", self.name, self.kind);
        wait_for(&what, || {
            let heard = self.heard();
            if heard.iter().any(|it| it.tells(event, member)) { Ok(()) } else { Err(heard) }
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.terminal.signal(signal);
    }

    /// Ctrl-C, and the exit status that follows.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        self.signal(Signal::SIGINT);
        self.terminal.ends()
    }

    /// Ends it so that nobody is told.
    pub(crate) fn halt(&mut self) {
        self.terminal.kill();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { kind, name, .. } = self;
            let shown = self.terminal.shown();
            let errors = self.terminal.shown_as_error();
            let mut err = std::io::stderr().lock();
            let _ = writeln!(err, "--- {name} ({kind:?}) wrote:\n{shown}{errors}---");
        }
    }
}
