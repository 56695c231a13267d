//! Requests as clients write them: headers, and bodies in as many forms as Go's codec reads.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use uwasa_core::command::{QueryParams, TagFilter};
use uwasa_core::tags::Tags;
use uwasa_core::wire::msgpack::{DecodeErrorKind, Reader};

use super::wording::{Refusal, Wanted};
use crate::agent::KeyRequest;

/// Most elements of a list or a map in a request.
const ELEMENTS_MAX: u32 = 65_536;
/// A longer command name is none, and its memory is not kept for the next header.
const COMMAND_BYTES_KEPT: usize = 64;

/// The header of a request. What a header leaves out is as in the one before, as with Go's decoder.
#[derive(Debug, Default)]
pub(super) struct Header {
    command: Vec<u8>,
    /// Chosen by the client; names its response.
    pub(super) seq: u64,
}

impl Header {
    /// Reads the next header of the connection.
    ///
    /// # Errors
    /// What is no map, no array and not nil, and fields of other types.
    pub(super) fn update(&mut self, object: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(object);
        if reader.literal(&[0xc0]) {
            *self = Self::default();
            return Ok(());
        }
        fields(&mut reader, &["Command", "Seq"], |value, key| {
            match key {
                b"Command" => {
                    let name = raw(value)?;
                    if self.command.capacity() > COMMAND_BYTES_KEPT {
                        self.command = Vec::new();
                    }
                    self.command.clear();
                    self.command.extend_from_slice(name);
                }
                b"Seq" => self.seq = unsigned(value)?,
                _ => value.skip()?,
            }
            Ok(())
        })
    }

    /// The command, if there is one of this name.
    pub(super) fn command(&self) -> Option<Command> {
        Command::named(&self.command)
    }

    /// The command as it was written, for the log.
    pub(super) fn written(&self) -> String {
        String::from_utf8_lossy(&self.command).into_owned()
    }
}

macro_rules! commands {
    ($($name:literal $variant:ident,)*) => {
        /// What a client may ask for.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Command {
            $(#[doc = $name] $variant,)*
        }

        impl Command {
            fn named(name: &[u8]) -> Option<Self> {
                $(if name == $name.as_bytes() { return Some(Self::$variant); })*
                None
            }
        }
    };
}

commands! {
    "members" Members,
    "stats" Stats,
    "members-filtered" MembersFiltered,
    "handshake" Handshake,
    "auth" Auth,
    "event" Event,
    "force-leave" ForceLeave,
    "join" Join,
    "tags" Tags,
    "stream" Stream,
    "monitor" Monitor,
    "stop" Stop,
    "leave" Leave,
    "query" Query,
    "respond" Respond,
    "install-key" InstallKey,
    "use-key" UseKey,
    "remove-key" RemoveKey,
    "list-keys" ListKeys,
    "get-coordinate" GetCoordinate,
}

impl Command {
    /// Whether a body follows the header.
    pub(super) fn has_body(self) -> bool {
        !matches!(self, Self::Members | Self::Stats | Self::Leave | Self::ListKeys)
    }
}

/// Which members a client wants; all conditions are regular expressions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MemberFilter {
    pub(super) tags: BTreeMap<String, String>,
    /// Empty: any.
    pub(super) status: String,
    /// Empty: any.
    pub(super) name: String,
}

/// A whole request.
#[derive(Debug)]
pub(super) enum Request {
    Handshake { version: i32 },
    Auth { token: Vec<u8> },
    Event { name: String, payload: Bytes, coalesce: bool },
    ForceLeave { node: String, prune: bool },
    Join { addresses: Vec<String>, replay: bool },
    Members,
    MembersFiltered(MemberFilter),
    Tags { set: Tags, delete: Vec<String> },
    Stream { filter: String },
    Monitor { level: String },
    Stop { seq: u64 },
    Leave,
    Query(QueryParams),
    Respond { id: u64, payload: Bytes },
    Keys(KeyRequest),
    Stats,
    Coordinate { node: String },
}

impl Request {
    /// Reads the body of `command`; it is empty if the command has none.
    ///
    /// # Errors
    /// Fields of other types or out of range.
    pub(super) fn decode(command: Command, body: &[u8]) -> Result<Self, Refusal> {
        let body = &mut Reader::new(body);
        Ok(match command {
            Command::Members => Self::Members,
            Command::Stats => Self::Stats,
            Command::Leave => Self::Leave,
            Command::ListKeys => Self::Keys(KeyRequest::List),
            Command::InstallKey => Self::Keys(KeyRequest::Install(text_field(body, "Key")?)),
            Command::UseKey => Self::Keys(KeyRequest::Use(text_field(body, "Key")?)),
            Command::RemoveKey => Self::Keys(KeyRequest::Remove(text_field(body, "Key")?)),
            Command::Stream => Self::Stream { filter: text_field(body, "Type")? },
            Command::Monitor => Self::Monitor { level: text_field(body, "LogLevel")? },
            Command::GetCoordinate => Self::Coordinate { node: text_field(body, "Node")? },
            Command::Handshake => {
                Self::Handshake { version: one_field(body, "Version", version)?.unwrap_or(0) }
            }
            Command::Auth => Self::Auth {
                token: one_field(body, "AuthKey", |value| Ok(raw(value)?.to_vec()))?
                    .unwrap_or_default(),
            },
            Command::Stop => Self::Stop { seq: one_field(body, "Stop", unsigned)?.unwrap_or(0) },
            Command::Event => event(body)?,
            Command::ForceLeave => force_leave(body)?,
            Command::Join => join(body)?,
            Command::Tags => tags(body)?,
            Command::Respond => respond(body)?,
            Command::MembersFiltered => Self::MembersFiltered(member_filter(body)?),
            Command::Query => Self::Query(query(body)?),
        })
    }
}

/// Reads a structure field by field; a field that is not known is to be skipped.
fn fields<'a>(
    body: &mut Reader<'a>,
    declared: &[&str],
    mut field: impl FnMut(&mut Reader<'a>, &[u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let start = body.clone();
    let mut refused = None;
    let walked = body.structure(declared, |value, key| {
        let place = value.clone();
        field(value, key).map_err(|refusal| {
            refused = Some(refusal);
            place.error(DecodeErrorKind::Type)
        })
    });
    walked.map_err(|error| refused.unwrap_or_else(|| Wanted::Structure.refusal(&start, error)))
}

/// A body with a single known field.
fn one_field<'a, T>(
    body: &mut Reader<'a>,
    name: &str,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    let mut found = None;
    fields(body, &[name], |value, key| {
        if key == name.as_bytes() {
            found = Some(read(value)?);
            Ok(())
        } else {
            Ok(value.skip()?)
        }
    })?;
    Ok(found)
}

fn text_field(body: &mut Reader<'_>, name: &str) -> Result<String, Refusal> {
    Ok(one_field(body, name, text)?.unwrap_or_default())
}

fn version(value: &mut Reader<'_>) -> Result<i32, Refusal> {
    // What does not fit is cut off, as in Go; it is no version either way.
    Ok(i32::try_from(signed(value)?).unwrap_or(-1))
}

fn event(body: &mut Reader<'_>) -> Result<Request, Refusal> {
    let (mut name, mut payload_, mut coalesce) = (String::new(), Bytes::new(), false);
    fields(body, &["Name", "Payload", "Coalesce"], |value, key| {
        match key {
            b"Name" => name = text(value)?,
            b"Payload" => payload_ = payload(value)?,
            b"Coalesce" => coalesce = boolean(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Event { name, payload: payload_, coalesce })
}

fn force_leave(body: &mut Reader<'_>) -> Result<Request, Refusal> {
    let (mut node, mut prune) = (String::new(), false);
    fields(body, &["Node", "Prune"], |value, key| {
        match key {
            b"Node" => node = text(value)?,
            b"Prune" => prune = boolean(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::ForceLeave { node, prune })
}

fn join(body: &mut Reader<'_>) -> Result<Request, Refusal> {
    let (mut addresses, mut replay) = (Vec::new(), false);
    fields(body, &["Existing", "Replay"], |value, key| {
        match key {
            b"Existing" => addresses = texts(value)?,
            b"Replay" => replay = boolean(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Join { addresses, replay })
}

fn tags(body: &mut Reader<'_>) -> Result<Request, Refusal> {
    let (mut set, mut delete) = (Tags::new(), Vec::new());
    fields(body, &["Tags", "DeleteTags"], |value, key| {
        match key {
            b"Tags" => set = pairs(value)?.into_iter().collect(),
            b"DeleteTags" => delete = texts(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Tags { set, delete })
}

fn respond(body: &mut Reader<'_>) -> Result<Request, Refusal> {
    let (mut id, mut payload_) = (0, Bytes::new());
    fields(body, &["ID", "Payload"], |value, key| {
        match key {
            b"ID" => id = unsigned(value)?,
            b"Payload" => payload_ = payload(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Respond { id, payload: payload_ })
}

fn member_filter(body: &mut Reader<'_>) -> Result<MemberFilter, Refusal> {
    let mut filter = MemberFilter::default();
    fields(body, &["Tags", "Status", "Name"], |value, key| {
        match key {
            b"Tags" => filter.tags = pairs(value)?,
            b"Status" => filter.status = text(value)?,
            b"Name" => filter.name = text(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(filter)
}

fn query(body: &mut Reader<'_>) -> Result<QueryParams, Refusal> {
    let declared =
        ["FilterNodes", "FilterTags", "RequestAck", "RelayFactor", "Timeout", "Name", "Payload"];
    let mut query = QueryParams::default();
    fields(body, &declared, |value, key| {
        match key {
            b"FilterNodes" => {
                query.filter_nodes = texts(value)?.into_iter().map(Into::into).collect();
            }
            b"FilterTags" => {
                let filter = |(tag, expr): (String, String)| TagFilter {
                    tag: tag.into(),
                    expr: expr.into(),
                };
                query.filter_tags = pairs(value)?.into_iter().map(filter).collect();
            }
            b"RequestAck" => query.ack = boolean(value)?,
            b"RelayFactor" => query.relay_factor = Wanted::Integer.read(value, Reader::u8)?,
            b"Timeout" => {
                // A time that is over at once still needs to be one: zero means the default.
                query.timeout = Duration::from_nanos(u64::try_from(signed(value)?).unwrap_or(1));
            }
            b"Name" => query.name = text(value)?.into(),
            b"Payload" => query.payload = payload(value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(query)
}

fn unsigned(value: &mut Reader<'_>) -> Result<u64, Refusal> {
    Wanted::Integer.read(value, Reader::unsigned)
}

fn signed(value: &mut Reader<'_>) -> Result<i64, Refusal> {
    Wanted::Integer.read(value, Reader::signed)
}

fn boolean(value: &mut Reader<'_>) -> Result<bool, Refusal> {
    Wanted::Boolean.read(value, Reader::boolean)
}

fn raw<'a>(value: &mut Reader<'a>) -> Result<&'a [u8], Refusal> {
    Ok(Wanted::Text.read(value, Reader::raw)?.unwrap_or_default())
}

/// Text; bytes that are no UTF-8 are replaced, for everything behind RPC is text of Rust.
fn text(value: &mut Reader<'_>) -> Result<String, Refusal> {
    Ok(String::from_utf8_lossy(raw(value)?).into_owned())
}

/// A byte string in any form: text, bytes, or an array of integers below 256.
fn payload(value: &mut Reader<'_>) -> Result<Bytes, Refusal> {
    let mut array = value.clone();
    if let Ok(bytes) = value.bytes() {
        return Ok(Bytes::copy_from_slice(bytes.unwrap_or_default()));
    }
    let mut bytes = Vec::new();
    for _ in 0..Wanted::List.read(&mut array, Reader::array)? {
        bytes.push(Wanted::Integer.read(&mut array, Reader::u8)?);
    }
    *value = array;
    Ok(bytes.into())
}

fn limited(value: &Reader<'_>, count: u32) -> Result<u32, Refusal> {
    if count > ELEMENTS_MAX { Err(value.error(DecodeErrorKind::Limit).into()) } else { Ok(count) }
}

fn texts(value: &mut Reader<'_>) -> Result<Vec<String>, Refusal> {
    let count = Wanted::List.read(value, Reader::array)?;
    (0..limited(value, count)?).map(|_| text(value)).collect()
}

fn pairs(value: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let count = Wanted::Text.read(value, Reader::map)?;
    (0..limited(value, count)?).map(|_| Ok((text(value)?, text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(command: &str, body: &[u8]) -> Result<Request, Refusal> {
        Request::decode(Command::named(command.as_bytes()).unwrap(), body)
    }

    #[test]
    fn payloads_come_in_every_form() {
        let cases: [&[u8]; 4] =
            [b"\xa2\x01\x80", b"\xc4\x02\x01\x80", b"\x92\x01\xcc\x80", b"\xda\x00\x02\x01\x80"];
        for form in cases {
            let body = [b"\x81\xa7Payload", form].concat();
            let Ok(Request::Event { payload, .. }) = decode("event", &body) else {
                panic!("{form:?} is refused");
            };
            assert_eq!(&payload[..], [1, 0x80]);
        }
        assert!(decode("event", b"\x81\xa7Payload\x91\xcd\x01\x00").is_err());
        assert!(decode("event", b"\x81\xa7Payload\x05").is_err());
    }

    #[test]
    fn headers_keep_what_the_next_one_leaves_out() {
        let mut header = Header::default();
        header.update(b"\x82\xa7Command\xa5stats\xa3Seq\x09").unwrap();
        header.update(b"\x80").unwrap();
        assert_eq!((header.command(), header.seq), (Some(Command::Stats), 9));
        header.update(b"\x81\xa3Seq\xc0").unwrap();
        assert_eq!((header.command(), header.seq), (Some(Command::Stats), 0));
        header.update(b"\x92\xa5leave\x07").unwrap();
        assert_eq!((header.command(), header.seq), (Some(Command::Leave), 7));
        header.update(b"\x81\xa7Command\xc4\x05stats").unwrap();
        assert_eq!((header.command(), header.seq), (Some(Command::Stats), 7));
        header.update(b"\xc0").unwrap();
        assert_eq!((header.command(), header.seq), (None, 0));
        assert!(header.update(b"\xa5stats").is_err());
        assert!(header.update(b"\x81\xa3Seq\xff").is_err());
    }

    #[test]
    fn versions_that_do_not_fit_are_other_versions() {
        let body = b"\x81\xa7Version\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(decode("handshake", body), Ok(Request::Handshake { version: -1 })));
    }

    #[test]
    fn counts_are_limited_before_anything_is_read() {
        let body = b"\x81\xa8Existing\xdd\xff\xff\xff\xff";
        let refusal = decode("join", body).unwrap_err().to_string();
        assert!(refusal.contains("above its limit"), "{refusal}");
    }

    proptest! {
        #[test]
        fn random_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for command in ["query", "join", "tags", "event", "members-filtered", "handshake"] {
                let _ = decode(command, &body);
            }
        }
    }
}
