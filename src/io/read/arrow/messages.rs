//! The messages of Arrow IPC data: metadata, which are read, and a body, which stays in the file.
//!
//! Source: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use crate::io::read::guard::damage;
use crate::names::grouped;

/// Maximum size of the metadata of a message, in bytes: those of 20,000 columns with notes of their
/// own take about 10 MB.
const MAX_METADATA: u64 = 1 << 24;

/// Marks the start of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// First and last bytes of a file; a stream has none.
const MAGIC: &[u8; 6] = b"ARROW1";

/// Size of the magic bytes at the start of a file, which are padded.
const START: u64 = 8;

/// Size of the length of the footer and the magic bytes at the end of a file.
const END: u64 = 10;

/// Reads the messages of a stream, or of the stream inside a file.
pub(super) struct Messages {
    pub(super) file: File,
    position: u64,
    end: u64,
    /// Whether an end marker must follow the last message, as in a stream.
    has_end_marker: bool,
}

impl Messages {
    /// Starts at the first message.
    ///
    /// # Errors
    /// An error of the system, or the problem as the text of an error of invalid data
    pub(super) fn new(mut file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let mut magic = Vec::new();
        (&file).take(6).read_to_end(&mut magic)?;
        if magic.starts_with(b"FEA1") {
            return Err(damage("found Feather version 1, expected version 2, which is Arrow IPC"));
        }
        if magic != MAGIC {
            return Ok(Self { file, position: 0, end: bytes, has_end_marker: true });
        }
        let mut tail = [0; 10];
        if bytes >= START + END {
            file.seek(SeekFrom::End(-10))?;
            file.read_exact(&mut tail)?;
        }
        let footer = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let end = bytes.checked_sub(END + u64::from(footer)).filter(|end| *end >= START);
        let Some(end) = end.filter(|_| &tail[4..] == MAGIC) else {
            return Err(damage("it is truncated: it has no footer"));
        };
        Ok(Self { file, position: START, end, has_end_marker: false })
    }

    /// Returns the number of bytes of all messages.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Reads the metadata of the next message; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.position == self.end && !self.has_end_marker {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        let mut length = self.word()?;
        // Writers before Arrow 0.15 leave the marker out.
        if length == CONTINUATION {
            length = self.word()?;
        }
        let length = u64::from(u32::from_le_bytes(length));
        if length == 0 {
            return Ok(None);
        }
        let left = self.end - self.position;
        if length > MAX_METADATA.min(left) {
            let (length, limit) = (grouped(length), grouped(MAX_METADATA.min(left)));
            return Err(damage(format!(
                "found {length} bytes of metadata of a message, expected at most {limit}"
            )));
        }
        let mut metadata = Vec::new();
        (&self.file).take(length).read_to_end(&mut metadata)?;
        self.position += length;
        Ok(Some(metadata))
    }

    /// Returns the positions of the start and end of the body of a message, after which the next
    /// message starts.
    pub(super) fn body(&mut self, length: i64) -> io::Result<Range<u64>> {
        let left = self.end - self.position;
        let valid = u64::try_from(length).ok().filter(|length| *length <= left);
        let length = valid.ok_or_else(|| {
            damage(format!(
                "found a message with a body of {length} bytes in the last {}; it may be truncated",
                grouped(left)
            ))
        })?;
        let start = self.position;
        self.position += length;
        Ok(start..self.position)
    }

    /// Reads four bytes.
    fn word(&mut self) -> io::Result<[u8; 4]> {
        let mut word = [0; 4];
        if self.end - self.position < 4 {
            let problem = "it is truncated: it has no end marker, as if its writer was interrupted";
            return Err(damage(problem));
        }
        self.file.read_exact(&mut word)?;
        self.position += 4;
        Ok(word)
    }
}
