//! The client's side of RPC, for the command line.
//!
//! One request at a time. Streams, monitors and queries stay open and give records until the connection ends.

mod answers;
mod dial;
mod objects;
pub mod syntax;

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use uwasa_core::coordinate::Coordinate;
use uwasa_core::wire::msgpack::{DecodeError, Dialect, Writer};

pub use answers::{Header, KeyReport, Member, QueryRecord, Stats, Texts};
use dial::Wire;
use objects::Objects;

/// Longest time for the writing of one request.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);

/// The only version of the protocol.
const VERSION: i64 = 1;

/// Errors after which no body follows, whatever the command.
const WITHOUT_BODY: [&str; 3] =
    ["Handshake required", "Authentication required", "Unsupported command"];

/// Why a request failed, in the words that Serf's client has for it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("{0}")]
    Dial(String),
    /// The agent refused.
    #[error("{0}")]
    Agent(String),
    /// The connection ended before an answer.
    #[error("client closed")]
    Closed,
    /// The connection ended between the two parts of an answer.
    #[error("EOF")]
    End,
    /// The connection ended inside of an answer.
    #[error("unexpected EOF")]
    Cut,
    /// An answer that cannot be read.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// An answer of more than 64 MiB.
    #[error("the agent's answer is too large")]
    TooLarge,
}

/// A query to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query<'a> {
    /// Name.
    pub name: &'a str,
    /// Payload.
    pub payload: Option<&'a [u8]>,
    /// Only these nodes; empty: all.
    pub nodes: &'a [String],
    /// Only nodes whose tags match; `None` and empty mean the same, but are written differently.
    pub tags: Option<&'a Texts>,
    /// Ask for acks.
    pub ack: bool,
    /// Members that pass on each answer besides the direct copy.
    pub relay_factor: u8,
    /// How long the agent waits, in nanoseconds; 0: its default.
    pub timeout: i64,
}

/// What to do with the cluster's keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyRequest<'a> {
    /// Count the keys.
    List,
    /// Add a key, in base64.
    Install(&'a str),
    /// Make a key primary.
    Use(&'a str),
    /// Remove a key.
    Remove(&'a str),
}

/// What arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The answer to a request.
    Answer(Header),
    /// A record of a stream, monitor or query that is open.
    Record {
        /// The request that opened it.
        seq: u64,
        /// Its content.
        body: Bytes,
    },
}

/// A connection to an agent.
pub struct Client {
    wire: Box<dyn Wire>,
    objects: Objects,
    /// The last request's number; the first one has 1.
    seq: u64,
    /// A request that opens a stream if the answer to it is no error.
    opening: Option<u64>,
    open: Vec<u64>,
    /// The stream whose record comes next: its header has been read.
    record_of: Option<u64>,
    /// Whether the connection is known to be useless.
    ended: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("seq", &self.seq).field("open", &self.open).finish()
    }
}

impl Client {
    /// Connects to `addr` (`host:port` or `unix:PATH`); shows the token `auth` unless it is empty.
    ///
    /// # Errors
    /// No connection, or the agent refuses it.
    pub async fn connect(addr: &str, auth: &str) -> Result<Self, ClientError> {
        let wire = dial::dial(addr).await.map_err(ClientError::Dial)?;
        Self::start(wire, auth).await
    }

    async fn start(wire: Box<dyn Wire>, auth: &str) -> Result<Self, ClientError> {
        let mut client = Self {
            wire,
            objects: Objects::new(),
            seq: 0,
            opening: None,
            open: Vec::new(),
            record_of: None,
            ended: false,
        };
        client
            .command("handshake", |body| {
                body.fixed_map(1);
                body.text("Version");
                body.signed(VERSION);
            })
            .await?;
        if !auth.is_empty() {
            client.command("auth", |body| texts(body, [("AuthKey", auth)])).await?;
        }
        Ok(client)
    }

    /// Sends a user event.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn event(
        &mut self,
        name: &str,
        payload: Option<&[u8]>,
        coalesce: bool,
    ) -> Result<(), ClientError> {
        self.command("event", |body| {
            body.fixed_map(3);
            body.text("Coalesce");
            body.boolean(coalesce);
            body.text("Name");
            body.text(name);
            body.text("Payload");
            body.bytes(payload);
        })
        .await
    }

    /// Declares a failed node to have left; `prune`: forgets it.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn force_leave(&mut self, node: &str, prune: bool) -> Result<(), ClientError> {
        self.command("force-leave", |body| {
            body.fixed_map(2);
            body.text("Node");
            body.text(node);
            body.text("Prune");
            body.boolean(prune);
        })
        .await
    }

    /// Joins by way of these addresses; returns how many answered.
    ///
    /// # Errors
    /// The agent's, if none answered, or the connection's.
    pub async fn join(&mut self, addresses: &[String], replay: bool) -> Result<i64, ClientError> {
        let body = self
            .question("join", |body| {
                body.fixed_map(2);
                body.text("Existing");
                list(body, addresses);
                body.text("Replay");
                body.boolean(replay);
            })
            .await?;
        Ok(answers::joined(&body)?)
    }

    /// All members.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn members(&mut self) -> Result<Vec<Member>, ClientError> {
        let body = self.question("members", |_| {}).await?;
        Ok(answers::members(&body)?)
    }

    /// The members that match regular expressions for tags, status and name.
    ///
    /// # Errors
    /// The agent's or the connection's; [`ClientError::Closed`] for a bad expression.
    pub async fn members_filtered(
        &mut self,
        tags: &Texts,
        status: &str,
        name: &str,
    ) -> Result<Vec<Member>, ClientError> {
        let body = self
            .question("members-filtered", |body| {
                body.fixed_map(3);
                body.text("Name");
                body.text(name);
                body.text("Status");
                body.text(status);
                body.text("Tags");
                texts(body, tags);
            })
            .await?;
        Ok(answers::members(&body)?)
    }

    /// Changes the agent's tags: deletes first, then sets.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn tags(&mut self, set: &Texts, delete: &[String]) -> Result<(), ClientError> {
        self.command("tags", |body| {
            body.fixed_map(2);
            body.text("DeleteTags");
            list(body, delete);
            body.text("Tags");
            texts(body, set);
        })
        .await
    }

    /// What the agent tells about itself.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn stats(&mut self) -> Result<Stats, ClientError> {
        let body = self.question("stats", |_| {}).await?;
        Ok(answers::stats(&body)?)
    }

    /// A node's coordinate; `None` if the agent does not know it.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn coordinate(&mut self, node: &str) -> Result<Option<Coordinate>, ClientError> {
        let body = self.question("get-coordinate", |body| texts(body, [("Node", node)])).await?;
        Ok(answers::coordinate(&body)?)
    }

    /// Asks all nodes to do something with their keys. What the agent says is wrong is in the report.
    ///
    /// # Errors
    /// The connection's.
    pub async fn keys(&mut self, request: KeyRequest<'_>) -> Result<KeyReport, ClientError> {
        let (command, key) = match request {
            KeyRequest::List => ("list-keys", None),
            KeyRequest::Install(key) => ("install-key", Some(key)),
            KeyRequest::Use(key) => ("use-key", Some(key)),
            KeyRequest::Remove(key) => ("remove-key", Some(key)),
        };
        let seq = self
            .send(command, |body| {
                if let Some(key) = key {
                    texts(body, [("Key", key)]);
                }
            })
            .await?;
        let error = self.answer(seq).await?.error;
        if WITHOUT_BODY.contains(&error.as_str()) {
            return Err(ClientError::Agent(error));
        }
        let body = self.objects.next(&mut self.wire).await?;
        Ok(KeyReport { error, ..answers::key_report(&body)? })
    }

    /// Has the agent leave the cluster, and waits until it has.
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn leave(&mut self) -> Result<(), ClientError> {
        self.command("leave", |_| {}).await
    }

    /// Asks for a stream of events; the answer and the records come from [`Client::next`].
    ///
    /// # Errors
    /// The connection's.
    pub async fn stream(&mut self, filter: &str) -> Result<u64, ClientError> {
        self.open("stream", |body| texts(body, [("Type", filter)])).await
    }

    /// Asks for the agent's log; the answer and the records come from [`Client::next`].
    ///
    /// # Errors
    /// The connection's.
    pub async fn monitor(&mut self, level: &str) -> Result<u64, ClientError> {
        self.open("monitor", |body| texts(body, [("LogLevel", level)])).await
    }

    /// Ends a stream or a monitor.
    ///
    /// # Errors
    /// The connection's.
    pub async fn stop(&mut self, seq: u64) -> Result<(), ClientError> {
        self.command("stop", |body| {
            body.fixed_map(1);
            body.text("Stop");
            body.unsigned(seq);
        })
        .await
    }

    /// Sends a query; its records come from [`Client::query_record`].
    ///
    /// # Errors
    /// The agent's or the connection's.
    pub async fn query(&mut self, query: &Query<'_>) -> Result<(), ClientError> {
        let seq = self
            .open("query", |body| {
                body.fixed_map(7);
                body.text("FilterNodes");
                list(body, query.nodes);
                body.text("FilterTags");
                match query.tags {
                    Some(tags) => texts(body, tags),
                    None => body.nil(),
                }
                body.text("Name");
                body.text(query.name);
                body.text("Payload");
                body.bytes(query.payload);
                body.text("RelayFactor");
                body.unsigned(query.relay_factor.into());
                body.text("RequestAck");
                body.boolean(query.ack);
                body.text("Timeout");
                body.signed(query.timeout);
            })
            .await?;
        refused(self.answer(seq).await?)
    }

    /// The next record of the query. A connection that ends, ends the query. Safe to cancel.
    pub async fn query_record(&mut self) -> QueryRecord {
        loop {
            match self.next().await {
                Ok(Incoming::Record { body, .. }) => {
                    return answers::query_record(&body).unwrap_or(QueryRecord::Done);
                }
                Ok(Incoming::Answer(_)) => {}
                Err(_) => return QueryRecord::Done,
            }
        }
    }

    /// What arrives next. Safe to cancel.
    ///
    /// # Errors
    /// The connection's.
    pub async fn next(&mut self) -> Result<Incoming, ClientError> {
        let seq = match self.record_of {
            Some(seq) => seq,
            None => {
                let header = self.header().await?;
                if self.opening == Some(header.seq) {
                    self.opening = None;
                    if header.error.is_empty() {
                        self.open.push(header.seq);
                    }
                    return Ok(Incoming::Answer(header));
                }
                if !self.open.contains(&header.seq) {
                    return Ok(Incoming::Answer(header));
                }
                self.record_of = Some(header.seq);
                header.seq
            }
        };
        let body = self.objects.next(&mut self.wire).await;
        self.ended |= body.is_err();
        let body = body?;
        self.record_of = None;
        Ok(Incoming::Record { seq, body })
    }

    /// Sends a request that opens a stream.
    async fn open(
        &mut self,
        command: &str,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> Result<u64, ClientError> {
        let seq = self.send(command, body).await?;
        self.opening = Some(seq);
        Ok(seq)
    }

    /// A request whose answer has no body.
    async fn command(
        &mut self,
        command: &str,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), ClientError> {
        let seq = self.send(command, body).await?;
        refused(self.answer(seq).await?)
    }

    /// A request whose answer has a body. That of an error is not waited for; it is skipped as an unknown answer.
    async fn question(
        &mut self,
        command: &str,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> Result<Bytes, ClientError> {
        self.command(command, body).await?;
        self.objects.next(&mut self.wire).await
    }

    async fn send(
        &mut self,
        command: &str,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> Result<u64, ClientError> {
        if self.ended {
            return Err(ClientError::Closed);
        }
        self.seq += 1;
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Dialect::Rpc);
        writer.fixed_map(2);
        writer.text("Command");
        writer.text(command);
        writer.text("Seq");
        writer.unsigned(self.seq);
        body(&mut writer);
        match timeout(WRITE_TIME_MAX, self.wire.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(self.seq),
            Ok(Err(_)) | Err(_) => Err(ClientError::Closed),
        }
    }

    /// The answer to a request; what else arrives is of no interest.
    async fn answer(&mut self, seq: u64) -> Result<Header, ClientError> {
        loop {
            if let Incoming::Answer(header) = self.next().await?
                && header.seq == seq
            {
                return Ok(header);
            }
        }
    }

    async fn header(&mut self) -> Result<Header, ClientError> {
        let object = self.objects.next(&mut self.wire).await.ok();
        let header = object.and_then(|object| answers::header(&object).ok());
        self.ended |= header.is_none();
        header.ok_or(ClientError::Closed)
    }
}

/// The line of a log record.
///
/// # Errors
/// It is none.
pub fn log_line(record: &[u8]) -> Result<Vec<u8>, DecodeError> {
    answers::log_line(record)
}

fn refused(answer: Header) -> Result<(), ClientError> {
    if answer.error.is_empty() { Ok(()) } else { Err(ClientError::Agent(answer.error)) }
}

/// Writes a map of texts; the caller gives them in the order of their keys.
fn texts<K: AsRef<str>, V: AsRef<str>>(
    writer: &mut Writer<'_>,
    map: impl IntoIterator<Item = (K, V), IntoIter: ExactSizeIterator>,
) {
    let map = map.into_iter();
    writer.map(map.len());
    for (key, value) in map {
        writer.text(key.as_ref());
        writer.text(value.as_ref());
    }
}

/// Writes a list of texts, an empty one as nil.
fn list(writer: &mut Writer<'_>, texts: &[String]) {
    if texts.is_empty() {
        return writer.nil();
    }
    writer.array(texts.len());
    for text in texts {
        writer.text(text);
    }
}
