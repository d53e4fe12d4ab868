//! Text files, decompressed while they are read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{Compression, empty, stdin, unreadable};
use crate::config::MaxLine;
use crate::error::{Error, Result};

/// Size of the buffers before and after decompression, in bytes.
const BUFFER: usize = 1 << 17;

/// An open text file.
pub(super) enum TextSource {
    Plain(File),
    Gz(Box<MultiGzDecoder<BufReader<File>>>),
    Zst(zstd::Decoder<'static, BufReader<File>>),
}

impl Read for TextSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gz(decoder) => decoder.read(buffer),
            Self::Zst(decoder) => decoder.read(buffer),
        }
    }
}

/// Opens a file with a buffer, skips its byte order mark, and checks that it is not empty.
pub(super) fn open(file: &Path, compression: Compression) -> Result<BufReader<TextSource>> {
    let read_error = |source| unreadable(file, source);
    let opened = stdin::open(file).map_err(read_error)?;
    let metadata = opened.metadata().map_err(read_error)?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(empty(file));
    }
    let source = match compression {
        Compression::Plain => TextSource::Plain(opened),
        Compression::Gz => {
            TextSource::Gz(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, opened))))
        }
        Compression::Zst => TextSource::Zst(
            zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, opened))
                .map_err(read_error)?,
        ),
    };
    let mut source = BufReader::with_capacity(BUFFER, source);
    let start = source.fill_buf().map_err(|e| failure(file, compression, None, e))?;
    if start.is_empty() {
        return Err(empty(file));
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(Error::malformed(file, "found UTF-16 text, expected UTF-8", None));
    }
    if start.starts_with(b"\xef\xbb\xbf") {
        source.consume(3);
    }
    Ok(source)
}

/// A line or row of a text file that exceeds `input.max_line`, inside an error of the system.
#[derive(Debug, thiserror::Error)]
#[error("found a line of more than {0}, expected a shorter one (`input.max_line`)")]
pub(super) struct LineTooLong(pub(super) MaxLine);

impl From<LineTooLong> for io::Error {
    fn from(error: LineTooLong) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Returns the error of a failed read: a long line, damaged data, or an error of the system.
pub(super) fn failure(
    file: &Path,
    compression: Compression,
    row: Option<u64>,
    error: io::Error,
) -> Error {
    if let Some(problem) = error.get_ref().and_then(|inner| inner.downcast_ref::<LineTooLong>()) {
        return Error::malformed_row(file, row, problem.to_string());
    }
    let format = match compression {
        Compression::Plain => None,
        Compression::Gz => Some("gzip"),
        Compression::Zst => Some("zstd"),
    };
    match format {
        Some(format) if error.raw_os_error().is_none() => {
            let damage = if error.kind() == io::ErrorKind::UnexpectedEof {
                "ends too early"
            } else {
                "is damaged"
            };
            Error::malformed_row(file, row, format!("the {format} data {damage} ({error})"))
        }
        _ => unreadable(file, error),
    }
}
