//! Where clients come in: a TCP port, or a Unix socket that belongs to its owner alone.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, UnixListener, lookup_host};

use super::outlet::WriteHalf;
use super::session::ReadHalf;
use crate::go::address;
use crate::go::errors::os_text;

/// Clients that may wait to be accepted, as far as the system allows. Whoever finds no room tries again after a second.
const BACKLOG: u16 = 4_096;
/// How often a silent TCP client is asked whether it is still there; the system does that.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// An open listener.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Box<str>),
}

/// One client that came in.
pub(super) struct Client {
    pub(super) reader: ReadHalf,
    pub(super) writer: WriteHalf,
    /// Its address, as the log shows it.
    pub(super) label: Box<str>,
    /// The own address it came to; `None` for a Unix socket.
    pub(super) local: Option<SocketAddr>,
}

impl Listener {
    /// Listens on `host:port`, or on `unix:PATH`; the file of the latter is to be kept as long as the listener.
    ///
    /// # Errors
    /// The system's, in the words of Go.
    pub(super) async fn bind(addr: &str) -> io::Result<(Self, Option<SocketFile>)> {
        match addr.strip_prefix("unix:") {
            Some(path) => {
                let (listener, file) = bind_unix(Path::new(path))
                    .map_err(|error| explained(&format!("listen unix {path}: bind"), &error))?;
                Ok((Self::Unix(listener, format!("@{path}").into()), Some(file)))
            }
            None => Ok((Self::Tcp(bind_tcp(addr).await?), None)),
        }
    }

    /// The next client. Safe to cancel.
    ///
    /// # Errors
    /// The system's; the listener is still good.
    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Neither is worth refusing a client for.
                let _ = stream.set_nodelay(true);
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                let canonical =
                    |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
                let local = stream.local_addr().ok().map(canonical);
                let (reader, writer) = stream.into_split();
                Ok(Client {
                    local,
                    reader: Box::new(reader),
                    writer: Box::new(writer),
                    label: canonical(peer).to_string().into(),
                })
            }
            Self::Unix(listener, label) => {
                let (stream, _) = listener.accept().await?;
                let (reader, writer) = stream.into_split();
                let label = label.clone();
                let (reader, writer) = (Box::new(reader), Box::new(writer));
                Ok(Client { reader, writer, label, local: None })
            }
        }
    }
}

async fn bind_tcp(addr: &str) -> io::Result<TcpListener> {
    let invalid = |reason: String| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("listen tcp: {reason}"))
    };
    let (host, port) = address::split_host_port(addr).map_err(invalid)?;
    let port = address::parse_port(port).map_err(invalid)?;
    let mut last = invalid(format!("address {addr}: no suitable address found"));
    for candidate in candidates(host, port).await.map_err(invalid)? {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = explained(&format!("listen tcp {candidate}: bind"), &error),
        }
    }
    Err(last)
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG.into())
}

/// Where to listen for a host.
async fn candidates(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    // As in Go, no host means every address of both families, or of the only one there is.
    if host.is_empty() {
        let all = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        return Ok(all.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    // An address with a zone is for the system alone to read.
    if host.contains(':') && host.contains('%') {
        let found = lookup_host((host, port)).await;
        return Ok(found.map_err(|error| format!("lookup {host}: {error}"))?.collect());
    }
    // Nothing to look up, and no thread to look it up with.
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_owned();
    let found = tokio::task::spawn_blocking(move || address::lookup(&name)).await;
    let ip = found.map_err(|error| format!("lookup {host}: {error}"))??;
    Ok(vec![SocketAddr::new(ip, port)])
}

/// The system's error as Go words it.
fn explained(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {}", os_text(error)))
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::new(path)?;
    // Before anybody can connect.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG.into())?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Removes the socket that an agent left behind when it was killed. A socket that somebody answers on stays, and
/// whatever is no socket.
fn remove_stale(path: &Path) {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        let answer = StdUnixStream::connect(path);
        if answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // If that fails, binding will say why.
            let _ = fs::remove_file(path);
        }
    }
}

/// The file of a Unix socket; removed when dropped, unless another took its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode)) {
            // Nothing is left to be done about a file that stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}
