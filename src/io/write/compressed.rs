//! Output that is compressed according to its file extension.

use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use super::atomic::TargetWriter;
use crate::io::compression::Compression;

/// Writes bytes, compressed or not.
pub(super) enum CompressedWriter {
    Plain(TargetWriter),
    Gz(Box<GzEncoder<TargetWriter>>),
    Zst(zstd::Encoder<'static, TargetWriter>),
}

impl CompressedWriter {
    /// Compresses text according to the extension of its path: `.gz` or `.zst`.
    pub(super) fn by_extension(path: &Path, to: TargetWriter) -> io::Result<Self> {
        Ok(match Compression::from_path(path) {
            Compression::Plain => Self::Plain(to),
            Compression::Gz => {
                Self::Gz(Box::new(GzEncoder::new(to, flate2::Compression::default())))
            }
            Compression::Zst => Self::Zst(zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    /// Writes the end of the compressed data, and all that is buffered.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(to) => Ok(to),
            Self::Gz(encoder) => encoder.finish(),
            Self::Zst(encoder) => encoder.finish(),
        }?
        .flush()
    }
}

impl Write for CompressedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Gz(encoder) => encoder.write(bytes),
            Self::Zst(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gz(encoder) => encoder.flush(),
            Self::Zst(encoder) => encoder.flush(),
        }
    }
}
