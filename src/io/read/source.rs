//! The bytes of a text file, unpacked while they are read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{Packing, empty, unreadable};
use crate::error::{Error, Result};

/// Size of the buffers on both sides of the unpacking, in bytes.
const BUFFER: usize = 1 << 17;

/// An open text file.
pub(super) enum Source {
    Plain(File),
    Gz(Box<MultiGzDecoder<BufReader<File>>>),
    Zst(zstd::Decoder<'static, BufReader<File>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gz(unpacked) => unpacked.read(buffer),
            Self::Zst(unpacked) => unpacked.read(buffer),
        }
    }
}

/// Open a file behind a buffer, past its byte order mark, and see that there is something in it.
pub(super) fn open(file: &Path, packing: Packing) -> Result<BufReader<Source>> {
    let read_error = |source| unreadable(file, source);
    let opened = File::open(file).map_err(read_error)?;
    let metadata = opened.metadata().map_err(read_error)?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(empty(file));
    }
    let source = match packing {
        Packing::Plain => Source::Plain(opened),
        Packing::Gz => {
            Source::Gz(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, opened))))
        }
        Packing::Zst => Source::Zst(
            zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, opened))
                .map_err(read_error)?,
        ),
    };
    let mut source = BufReader::with_capacity(BUFFER, source);
    let start = source.fill_buf().map_err(|e| failure(file, packing, None, e))?;
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

/// The error of a failed read: damaged where the unpacking fails, unreadable where the system does.
pub(super) fn failure(file: &Path, packing: Packing, row: Option<u64>, error: io::Error) -> Error {
    let kind = match packing {
        Packing::Plain => None,
        Packing::Gz => Some("gzip"),
        Packing::Zst => Some("zstd"),
    };
    match kind {
        Some(kind) if error.raw_os_error().is_none() => {
            let damage = if error.kind() == io::ErrorKind::UnexpectedEof {
                "ends too early"
            } else {
                "is damaged"
            };
            Error::malformed_row(file, row, format!("the {kind} data {damage} ({error})"))
        }
        _ => unreadable(file, error),
    }
}
