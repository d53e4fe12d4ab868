//! Standard input as a file: pql reads a file more than once, so the data are copied to a temporary
//! file first.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Compression, Delimited, FileFormat, compressed_table, decompress, unreadable};
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::remote::{self, is_remote};
use crate::io::write::UnfinishedFile;

/// The copy of standard input, once it was read. A process has one standard input.
static COPY: Mutex<Option<UnfinishedFile>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<UnfinishedFile>> {
    COPY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a file; for `-`, the copy of standard input; for a table of a database, its rows. A remote
/// file is fetched as a whole.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if let Some(rows) = database::open(path) {
        return rows;
    }
    if is_remote(path) {
        return remote::open(path);
    }
    if !is_stdin(path) {
        return File::open(path);
    }
    copy().map_err(|error| io::Error::other(error.with_sources()))?;
    match &*lock() {
        Some(copy) => File::open(copy.path()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Opens a file like [`open`], but fetches only the first bytes and the end of a remote file.
pub(super) fn open_ends(path: &Path) -> io::Result<File> {
    if is_remote(path) { remote::open_ends(path) } else { open(path) }
}

/// Fetches ranges of a remote file that is open already. Other files are complete.
pub(super) fn fetch(path: &Path, ranges: impl FnOnce() -> Vec<Range<u64>>) -> io::Result<()> {
    if is_remote(path) { remote::fetch(path, ranges()) } else { Ok(()) }
}

/// Copies standard input to a temporary file, unless it is copied already. Only its owner can read
/// the file.
///
/// # Errors
/// * [`Error::Usage`]: standard input is a terminal
/// * [`Error::Read`]: standard input cannot be read
/// * [`Error::Write`]: the folder for temporary files is full or not writable
pub(super) fn copy() -> Result<()> {
    let mut copy = lock();
    if copy.is_some() {
        return Ok(());
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Error::Usage {
            problem: "`-`: found a terminal as standard input, expected data".to_owned(),
            hint: Some("pipe the data into pql, such as `zcat events.csv.gz | pql …`".to_owned()),
        });
    }
    let folder = std::env::temp_dir();
    let write_error = |source| Error::Write { path: folder.clone(), source };
    let file = UnfinishedFile::create_private(&folder).map_err(write_error)?;
    let (mut from, mut to) = (stdin.lock(), file.file());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(Path::new("-"), error)),
        };
        io::Write::write_all(&mut to, &buffer[..length]).map_err(write_error)?;
    }
    *copy = Some(file);
    Ok(())
}

/// Removes the copies of standard input and of remote files.
pub(crate) fn remove_copies() {
    drop(lock().take());
    remote::remove_copies();
}

/// Returns the compression of a file by its first bytes.
pub(super) fn compression(file: &Path) -> Result<Compression> {
    let read_error = |source| unreadable(file, source);
    let mut start = Vec::new();
    open(file).map_err(read_error)?.take(4).read_to_end(&mut start).map_err(read_error)?;
    Ok(match start[..] {
        [0x1f, 0x8b, ..] => Compression::Gz,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zst,
        _ => Compression::Plain,
    })
}

/// Returns the format of a file by its first bytes.
///
/// # Errors
/// * [`Error::Empty`]: the file is empty
/// * [`Error::Malformed`]: it is compressed, but no text
pub(super) fn detect_format(file: &Path) -> Result<FileFormat> {
    let compression = compression(file)?;
    let mut source = decompress::open(file, compression)?;
    let start = source.fill_buf().map_err(|e| decompress::failure(file, compression, None, e))?;
    let binary = if start.starts_with(b"PAR1") || start.starts_with(b"PARE") {
        Some(FileFormat::Parquet)
    } else if [b"ARROW1".as_slice(), b"FEA1", &[0xff; 4]].iter().any(|m| start.starts_with(m)) {
        Some(FileFormat::Arrow)
    } else {
        None
    };
    match binary {
        Some(format) if compression == Compression::Plain => Ok(format),
        Some(_) => Err(compressed_table(file)),
        None if matches!(start.trim_ascii_start().first(), Some(b'{' | b'[')) => {
            Ok(FileFormat::Ndjson(compression))
        }
        None => Ok(FileFormat::Delimited(Delimited { compression, has_spreadsheet_cells: false })),
    }
}
