//! The local syslog daemon: records as datagrams (or lines of a stream) on its socket.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use metrics::counter;
use tracing::Level;

use super::clock::Wall;

/// Where the daemon listens, in the order of trying.
const PATHS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// Facilities and their codes.
const FACILITIES: [(&str, u8); 20] = [
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

/// Why syslog cannot be used, in Serf's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SyslogError {
    /// No such facility.
    #[error("invalid syslog facility: {0}")]
    Facility(String),
    /// No daemon listens.
    #[error("Unix syslog delivery error")]
    NoDaemon,
}

#[derive(Debug)]
enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

/// A connection to the syslog daemon. It never blocks: what the daemon does not take at once is dropped and counted
/// as `log.syslog.dropped`. After a restart of the daemon it connects again.
#[derive(Debug)]
pub(crate) struct Syslog {
    paths: Vec<PathBuf>,
    facility: u8,
    pid: u32,
    socket: Option<Socket>,
    buffer: String,
}

impl Syslog {
    /// Connects to the local daemon.
    ///
    /// # Errors
    ///
    /// An unknown facility (any case is accepted), or no daemon.
    pub(crate) fn connect(facility: &str) -> Result<Self, SyslogError> {
        Self::connect_to(PATHS.iter().map(PathBuf::from).collect(), facility)
    }

    /// Like [`Syslog::connect`], with other places to look for the daemon.
    ///
    /// # Errors
    ///
    /// An unknown facility, or no daemon.
    pub(crate) fn connect_to(paths: Vec<PathBuf>, facility: &str) -> Result<Self, SyslogError> {
        let name = facility.to_uppercase();
        let Some(&(_, facility)) = FACILITIES.iter().find(|(known, _)| *known == name) else {
            return Err(SyslogError::Facility(name));
        };
        let socket = open(&paths).ok_or(SyslogError::NoDaemon)?;
        let (pid, buffer) = (std::process::id(), String::new());
        Ok(Self { paths, facility, pid, socket: Some(socket), buffer })
    }

    /// Sends a record: its text without time and level.
    pub(crate) fn send(&mut self, level: Level, now: Wall, text: &str) {
        let priority = self.facility * 8 + severity(level);
        self.buffer.clear();
        let _ = write!(self.buffer, "<{priority}>");
        now.local().syslog(&mut self.buffer);
        let _ = writeln!(self.buffer, " serf[{}]: {text}", self.pid);
        if !self.deliver() {
            counter!("log.syslog.dropped").increment(1);
        }
        self.buffer.clear();
        self.buffer.shrink_to(1024);
    }

    fn deliver(&mut self) -> bool {
        if let Some(socket) = &mut self.socket {
            match write(socket, self.buffer.as_bytes()) {
                Ok(()) => return true,
                Err(error) if is_full(&error) => return false,
                Err(_) => self.socket = None,
            }
        }
        let Some(mut socket) = open(&self.paths) else { return false };
        let sent = write(&mut socket, self.buffer.as_bytes()).is_ok();
        self.socket = Some(socket);
        sent
    }
}

/// The daemon is there, but does not take this record now (or ever, if it is too long for a datagram).
fn is_full(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let full = [Errno::EAGAIN, Errno::ENOBUFS, Errno::EMSGSIZE, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|code| full.contains(&Errno::from_raw(code)))
}

fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 5,
        Level::DEBUG => 6,
        Level::TRACE => 7,
    }
}

fn open(paths: &[PathBuf]) -> Option<Socket> {
    let datagram = || paths.iter().find_map(|path| datagram(path).ok().map(Socket::Datagram));
    let stream = || paths.iter().find_map(|path| stream(path).ok().map(Socket::Stream));
    datagram().or_else(stream)
}

fn datagram(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn stream(path: &Path) -> io::Result<UnixStream> {
    let socket = UnixStream::connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One record in one write. A stream that took only a part of it is of no more use: the next record would be glued to
/// that part.
fn write(socket: &mut Socket, record: &[u8]) -> io::Result<()> {
    let written = match socket {
        Socket::Datagram(socket) => socket.send(record)?,
        Socket::Stream(socket) => socket.write(record)?,
    };
    if written == record.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces the time, which is checked elsewhere, and the process id.
    fn masked(record: &[u8]) -> String {
        let text = String::from_utf8(record.to_vec()).unwrap();
        let (priority, rest) = text.split_at(text.find('>').unwrap() + 1);
        let pid = format!("serf[{}]", std::process::id());
        let stamp = "Nov  2 08:08:09".len();
        format!("{priority}{{STAMP}}{}", rest[stamp..].replace(&pid, "serf[{PID}]"))
    }

    fn receive(daemon: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        daemon.set_nonblocking(true).unwrap();
        let length = daemon.recv(&mut buffer).unwrap();
        masked(&buffer[..length])
    }

    #[test]
    fn records_are_serfs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let missing = folder.path().join("missing");
        let mut syslog = Syslog::connect_to(vec![missing, path], "local0").unwrap();
        let cases = [
            (Level::TRACE, 135),
            (Level::DEBUG, 134),
            (Level::INFO, 133),
            (Level::WARN, 132),
            (Level::ERROR, 131),
        ];
        for (level, priority) in cases {
            syslog.send(level, Wall::now(), "agent: error joining: 1 error\n\t* E\n");
            let expected = format!(
                "<{priority}>{{STAMP}} serf[{{PID}}]: agent: error joining: 1 error\n\t* E\n\n"
            );
            assert_eq!(receive(&daemon), expected);
        }
        let mut syslog = Syslog::connect_to(vec![folder.path().join("log")], "Daemon").unwrap();
        syslog.send(Level::INFO, Wall::now(), "agent: x");
        assert_eq!(receive(&daemon), "<29>{STAMP} serf[{PID}]: agent: x\n");
    }

    #[test]
    fn errors_are_serfs() {
        let no = |facility| Syslog::connect_to(Vec::new(), facility).unwrap_err().to_string();
        assert_eq!(no("bogus"), "invalid syslog facility: BOGUS");
        assert_eq!(no("LOCAL0"), "Unix syslog delivery error");
    }

    #[test]
    fn restarted_daemon_gets_records_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let first = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::connect_to(vec![path.clone()], "USER").unwrap();
        drop(first);
        syslog.send(Level::INFO, Wall::now(), "lost");
        std::fs::remove_file(&path).unwrap();
        syslog.send(Level::INFO, Wall::now(), "lost");
        let second = UnixDatagram::bind(&path).unwrap();
        syslog.send(Level::INFO, Wall::now(), "kept");
        assert_eq!(receive(&second), "<13>{STAMP} serf[{PID}]: kept\n");
    }

    #[test]
    fn a_full_daemon_never_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::connect_to(vec![path], "USER").unwrap();
        for _ in 0..5_000 {
            syslog.send(Level::INFO, Wall::now(), "much");
        }
        assert_eq!(receive(&daemon), "<13>{STAMP} serf[{PID}]: much\n");
        syslog.send(Level::INFO, Wall::now(), &"long".repeat(1 << 20));
        assert!(syslog.buffer.capacity() <= 1024);
    }

    #[test]
    fn a_daemon_with_a_stream_gets_lines() {
        use std::io::Read as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::connect_to(vec![path], "USER").unwrap();
        syslog.send(Level::WARN, Wall::now(), "one");
        drop(syslog);
        let mut text = Vec::new();
        daemon.accept().unwrap().0.read_to_end(&mut text).unwrap();
        assert_eq!(masked(&text), "<12>{STAMP} serf[{PID}]: one\n");
    }
}
