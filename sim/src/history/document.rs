//! The file that a history is kept in: `history.json.gz`, columns of numbers in JSON.
//!
//! The same bytes are the data of the page. Sentences are built from [`Document::forms`], by the page and by `sim why`
//! alike, so that both tell the same.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Name of the file in a report folder.
pub const FILE: &str = "history.json.gz";
/// Version of the format; readers refuse any other.
pub const VERSION: u32 = 1;
const FORMAT: &str = "uwasa-history";
/// Most bytes of JSON that are read.
const BYTES_MAX: u64 = 1 << 30;

/// How an observer sees a subject after a row.
pub mod view {
    /// No record.
    pub const NONE: u8 = 0;
    /// A member that answers.
    pub const ALIVE: u8 = 1;
    /// Under suspicion.
    pub const SUSPECT: u8 = 2;
    /// Declared dead.
    pub const FAILED: u8 = 3;
    /// About to leave.
    pub const LEAVING: u8 = 4;
    /// Left, or forced out.
    pub const LEFT: u8 = 5;
    /// The row changes no view.
    pub const SAME: u8 = 6;
    /// The observer's process begins or ends: it knows nobody.
    pub const RESET: u8 = 7;
    /// The words for these numbers, the first six.
    pub const WORDS: [&str; 6] = ["unknown", "alive", "suspect", "failed", "leaving", "left"];
}

/// Everything that is told about one run. Times are in microseconds of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// `uwasa-history`.
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Trace hash of the run, 16 hexadecimal digits.
    pub trace_hash: String,
    /// Length of the run.
    pub duration: u64,
    /// How many of `names` are hosts: those come first.
    pub hosts: u32,
    /// How many of the hosts are members with a name of their own: those come first.
    pub members: u32,
    /// Names of hosts, then other names that were heard of.
    pub names: Vec<String>,
    /// Whether all members knew each other from the start.
    pub warm: bool,
    /// Whether first contacts were left out, so that a pair without a row counts as acquainted.
    pub assumed: bool,
    /// What the limit left out, as sentences; empty: nothing.
    pub omitted: String,
    /// Patterns of sentences.
    pub forms: Vec<String>,
    /// Parts of sentences.
    pub texts: Vec<String>,
    /// What happened, in order.
    pub rows: Rows,
    /// By row: rows that had a part in it, besides its cause.
    pub notes: BTreeMap<u32, Vec<u32>>,
    /// By row: lines that come before it, each a time and an index into `texts`.
    pub details: BTreeMap<u32, Vec<(u64, u32)>>,
    /// Processes: host, start, end, how it ended (empty: it did not).
    pub lives: Vec<(u32, u64, u64, String)>,
    /// Pauses: host, start, end.
    pub pauses: Vec<(u32, u64, u64)>,
    /// Local health: host, time, new score.
    pub health: Vec<(u32, u64, u32)>,
    /// What the scenario did: time and words.
    pub happenings: Vec<(u64, String)>,
    /// News whose spread can be drawn.
    pub messages: Vec<Message>,
}

/// Columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Time since the row before.
    pub at: Vec<u64>,
    /// Who.
    pub node: Vec<u32>,
    /// About whom: an index into the names plus one; 0: nobody.
    pub subject: Vec<u32>,
    /// From whom: an index into the names plus one; 0: nobody.
    pub teller: Vec<u32>,
    /// Number of the datagram; 0: none.
    pub serial: Vec<u64>,
    /// How long it was on its way, until its receiver took it.
    pub delay: Vec<u64>,
    /// How many rows before is the cause; 0: none.
    pub cause: Vec<u32>,
    /// Index of the pattern.
    pub form: Vec<u8>,
    /// Index into `texts`.
    pub text: Vec<u32>,
    /// What the node thinks of the subject after it; see [`view`].
    pub view: Vec<u8>,
}

/// One piece of news, and who heard it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What.
    pub title: String,
    /// `event`, `query`, `leave`, `death`, `refutation`, `suspicion` or `join`.
    pub kind: String,
    /// Rows in order, each as the distance from the one before.
    pub rows: Vec<u32>,
}

/// Why a file is no history.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// It cannot be unpacked.
    #[error("it cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    /// It is no JSON of this form.
    #[error("it is not what `sim run` writes: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by another version.
    #[error(
        "its format is `{format}` version {version}, this program reads `{FORMAT}` version {VERSION}: run the scenario \
         again"
    )]
    Version {
        /// Found format.
        format: String,
        /// Found version.
        version: u32,
    },
    /// Its numbers contradict each other.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Document {
    /// An empty one of this version.
    pub(crate) fn new() -> Self {
        Self { format: FORMAT.into(), version: VERSION, ..Self::default() }
    }

    /// The bytes of the file; equal documents give equal bytes.
    ///
    /// # Errors
    ///
    /// None in practice: writing into memory fails only when memory does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HistoryError> {
        let mut packer =
            GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
        packer.write_all(&serde_json::to_vec(self)?)?;
        Ok(packer.finish()?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if it is none, of another version, or contradicts itself.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HistoryError> {
        let mut json = Vec::new();
        GzDecoder::new(bytes).take(BYTES_MAX).read_to_end(&mut json)?;
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let Head { format, version } = serde_json::from_slice(&json)?;
        if format != FORMAT || version != VERSION {
            return Err(HistoryError::Version { format, version });
        }
        let document: Self = serde_json::from_slice(&json)?;
        document.check().map_err(HistoryError::Damaged)?;
        Ok(document)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.at.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.at.is_empty()
    }

    fn check(&self) -> Result<(), &'static str> {
        let (rows, len, names) = (&self.rows, self.len(), self.names.len());
        let lengths = [
            rows.node.len(),
            rows.subject.len(),
            rows.teller.len(),
            rows.serial.len(),
            rows.delay.len(),
            rows.cause.len(),
            rows.form.len(),
            rows.text.len(),
            rows.view.len(),
        ];
        if lengths.iter().any(|it| *it != len) {
            return Err("its columns differ in length");
        }
        let named = |it: &u32| (*it as usize) < names;
        let maybe_named = |it: &u32| *it as usize <= names;
        if self.hosts as usize > names
            || self.members > self.hosts
            || !rows.node.iter().all(named)
            || !rows.subject.iter().chain(&rows.teller).all(maybe_named)
        {
            return Err("it speaks of nodes that have no name");
        }
        if !rows.form.iter().all(|it| usize::from(*it) < self.forms.len())
            || !rows.text.iter().all(|it| (*it as usize) < self.texts.len())
        {
            return Err("it has no words for some of its rows");
        }
        if rows.cause.iter().enumerate().any(|(index, back)| *back as usize > index) {
            return Err("something comes before its cause");
        }
        let known = |it: u32| (it as usize) < len;
        let notes =
            self.notes.iter().all(|(row, all)| known(*row) && all.iter().all(|it| it < row));
        let details = self.details.iter().all(|(row, lines)| {
            known(*row) && lines.iter().all(|(_, text)| (*text as usize) < self.texts.len())
        });
        if notes && details { Ok(()) } else { Err("it explains rows that it does not have") }
    }
}
