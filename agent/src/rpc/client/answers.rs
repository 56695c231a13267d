//! What agents answer, as values.
//!
//! Fields may come in any order, be missing or nil (the zero value), and have unknown neighbours. Text that is not UTF-8
//! is kept as far as it is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::BTreeMap;

use uwasa_core::coordinate::Coordinate;
use uwasa_core::wire::coordinate::decode_ping_payload;
use uwasa_core::wire::msgpack::{DecodeError, Reader};

use crate::go;

/// Text by text.
pub type Texts = BTreeMap<String, String>;

/// The sections of figures that an agent shows about itself.
pub type Stats = BTreeMap<String, Texts>;

/// A member as an agent describes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Address: 4 or 16 bytes, or whatever the agent sent.
    pub addr: Vec<u8>,
    /// Gossip port.
    pub port: u16,
    /// Tags.
    pub tags: Texts,
    /// Status word.
    pub status: String,
    /// Serf protocol: smallest, largest and present version.
    pub delegate: [u8; 3],
}

impl Member {
    /// `address:port` as Serf prints it; what is no address is shown as Go shows it.
    #[must_use]
    pub fn socket(&self) -> String {
        let ip: Option<IpAddr> = match *self.addr.as_slice() {
            [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).into()),
            ref bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        };
        match ip {
            Some(ip) => SocketAddr::new(ip.to_canonical(), self.port).to_string(),
            None if self.addr.is_empty() => format!(":{}", self.port),
            None => {
                let hex: String = self.addr.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("?{hex}:{}", self.port)
            }
        }
    }
}

/// How a key operation ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyReport {
    /// What went wrong; empty: nothing.
    pub error: String,
    /// What nodes had to say.
    pub messages: Texts,
    /// On how many nodes each key is installed.
    pub keys: BTreeMap<String, i64>,
    /// Nodes in the cluster.
    pub nodes: i64,
}

/// One record of a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QueryRecord {
    /// A node received it.
    Ack(String),
    /// A node answered.
    Response(String, Vec<u8>),
    /// Something of a kind that this program does not know.
    Other,
    /// Its time is over.
    Done,
}

/// The header before every answer and every record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The request that it belongs to.
    pub seq: u64,
    /// What went wrong; empty: nothing.
    pub error: String,
}

pub(super) fn header(body: &[u8]) -> Result<Header, DecodeError> {
    let mut header = Header::default();
    Reader::new(body).structure(&["Seq", "Error"], |reader, key| {
        match key {
            b"Seq" => header.seq = reader.unsigned()?,
            b"Error" => header.error = text(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(header)
}

pub(super) fn members(body: &[u8]) -> Result<Vec<Member>, DecodeError> {
    let mut members = Vec::new();
    Reader::new(body).structure(&["Members"], |reader, key| {
        if key != b"Members" {
            return reader.skip();
        }
        members.clear();
        for _ in 0..reader.array()? {
            members.push(member(reader)?);
        }
        Ok(())
    })?;
    Ok(members)
}

/// Fields of a member in the order of their declaration.
const MEMBER: [&str; 11] = [
    "Name",
    "Addr",
    "Port",
    "Tags",
    "Status",
    "ProtocolMin",
    "ProtocolMax",
    "ProtocolCur",
    "DelegateMin",
    "DelegateMax",
    "DelegateCur",
];

fn member(reader: &mut Reader<'_>) -> Result<Member, DecodeError> {
    let mut member = Member::default();
    let [min, max, current] = &mut member.delegate;
    reader.structure(&MEMBER, |reader, key| {
        match key {
            b"Name" => member.name = text(reader)?,
            b"Addr" => member.addr = reader.bytes_or_empty()?.to_vec(),
            b"Port" => member.port = reader.u16()?,
            b"Tags" => member.tags = texts(reader)?,
            b"Status" => member.status = text(reader)?,
            b"DelegateMin" => *min = reader.u8()?,
            b"DelegateMax" => *max = reader.u8()?,
            b"DelegateCur" => *current = reader.u8()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(member)
}

pub(super) fn joined(body: &[u8]) -> Result<i64, DecodeError> {
    let mut count = 0;
    Reader::new(body).structure(&["Num"], |reader, key| {
        match key {
            b"Num" => count = reader.signed()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(count)
}

pub(super) fn stats(body: &[u8]) -> Result<Stats, DecodeError> {
    map(&mut Reader::new(body), texts)
}

/// The report of a key operation without its error, which is in the header.
pub(super) fn key_report(body: &[u8]) -> Result<KeyReport, DecodeError> {
    let mut report = KeyReport::default();
    let declared = ["Messages", "Keys", "NumNodes", "NumErr", "NumResp"];
    Reader::new(body).structure(&declared, |reader, key| {
        match key {
            b"Messages" => report.messages = texts(reader)?,
            b"Keys" => report.keys = map(reader, Reader::signed)?,
            b"NumNodes" => report.nodes = reader.signed()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(report)
}

/// `None`: the agent has no coordinate of that node.
pub(super) fn coordinate(body: &[u8]) -> Result<Option<Coordinate>, DecodeError> {
    let (mut known, mut bytes) = (false, vec![1]);
    Reader::new(body).structure(&["Coord", "Ok"], |reader, key| {
        match key {
            b"Ok" => known = reader.boolean()?,
            b"Coord" => {
                let start = reader.rest();
                reader.skip()?;
                let len = start.len() - reader.rest().len();
                bytes.extend_from_slice(start.get(..len).unwrap_or_default());
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    // The same structure goes with an ack, behind a version byte.
    known.then(|| decode_ping_payload(&bytes)).transpose()
}

pub(super) fn query_record(body: &[u8]) -> Result<QueryRecord, DecodeError> {
    let (mut kind, mut from, mut payload) = (Vec::new(), String::new(), Vec::new());
    Reader::new(body).structure(&["Type", "From", "Payload"], |reader, key| {
        match key {
            b"Type" => kind = reader.raw()?.unwrap_or_default().to_vec(),
            b"From" => from = text(reader)?,
            b"Payload" => payload = reader.bytes_or_empty()?.to_vec(),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(match kind.as_slice() {
        // Serf's agent can send one without a sender when the time is over; its client takes that for the end.
        _ if from.is_empty() => QueryRecord::Done,
        b"ack" => QueryRecord::Ack(from),
        b"response" => QueryRecord::Response(from, payload),
        b"done" => QueryRecord::Done,
        _ => QueryRecord::Other,
    })
}

/// The line of a log record.
pub(super) fn log_line(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut line = Vec::new();
    Reader::new(body).structure(&["Log"], |reader, key| {
        match key {
            b"Log" => line = reader.raw()?.unwrap_or_default().to_vec(),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(line)
}

fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(go::json::lossy(reader.raw()?.unwrap_or_default()))
}

fn texts(reader: &mut Reader<'_>) -> Result<Texts, DecodeError> {
    map(reader, text)
}

fn map<'a, V>(
    reader: &mut Reader<'a>,
    mut value: impl FnMut(&mut Reader<'a>) -> Result<V, DecodeError>,
) -> Result<BTreeMap<String, V>, DecodeError> {
    let mut map = BTreeMap::new();
    for _ in 0..reader.map()? {
        let key = text(reader)?;
        map.insert(key, value(reader)?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
