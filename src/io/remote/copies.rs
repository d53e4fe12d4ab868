//! Temporary copies of remote files. A copy has the size of the file, and only the ranges that were
//! fetched have content.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use super::ranges::{ByteRanges, split};
use super::{Location, bucket, lock, web};
use crate::io::write::UnfinishedFile;

/// Number of bytes of a request: large enough that its latency does not matter.
const PART_BYTES: u64 = 8 << 20;

/// Number of bytes between two ranges that cost less than a request of their own.
const GAP_BYTES: u64 = 256 << 10;

/// Number of requests at a time.
const REQUESTS: usize = 8;

/// A copy of a file.
struct Copy {
    location: Location,
    temporary: UnfinishedFile,
    size: u64,
    /// Identifies the content, so that ranges of two versions are not mixed.
    version: Option<String>,
    present: ByteRanges,
}

/// A copy, once it was started; it is locked while it is changed.
type CopyEntry = Arc<Mutex<Option<Copy>>>;

/// The copies of the process, by path.
static COPIES: Mutex<BTreeMap<PathBuf, CopyEntry>> = Mutex::new(BTreeMap::new());

/// Removes all copies.
pub(crate) fn remove_copies() {
    lock(&COPIES).clear();
}

/// Opens the copy of a file, with the content of the ranges that `wanted` returns for its size.
pub(super) fn open(path: &Path, wanted: impl FnOnce(u64) -> Vec<Range<u64>>) -> io::Result<File> {
    let entry = lock(&COPIES).entry(path.to_owned()).or_default().clone();
    let mut started = lock(&entry);
    let copy = match &mut *started {
        Some(copy) => copy,
        none => none.insert(Copy::start(path)?),
    };
    let wanted = wanted(copy.size);
    copy.fetch(wanted)?;
    // A file of its own, with a position of its own.
    File::open(copy.temporary.path())
}

impl Copy {
    fn start(path: &Path) -> io::Result<Self> {
        let location = Location::parse(path)?;
        let temporary = UnfinishedFile::create_private(&std::env::temp_dir())?;
        let mut present = ByteRanges::default();
        let (size, version) = match &location {
            Location::Bucket(url) => {
                let object = bucket::find(url)?;
                (object.size, object.version)
            }
            Location::Web(url) => {
                let start = web::start(url, temporary.file())?;
                present.add(0..start.present);
                (start.size, start.version)
            }
        };
        temporary.file().set_len(size)?;
        Ok(Self { location, temporary, size, version, present })
    }

    /// Fetches the content of ranges, unless it is present.
    fn fetch(&mut self, ranges: Vec<Range<u64>>) -> io::Result<()> {
        let mut missing = ByteRanges::default();
        for range in ranges {
            let range = range.start.min(self.size)..range.end.min(self.size);
            self.present.missing(range).into_iter().for_each(|range| missing.add(range));
        }
        let missing = missing.without_gaps(GAP_BYTES);
        let parts: Vec<_> =
            missing.iter().flat_map(|range| split(range.clone(), PART_BYTES)).collect();
        let version = self.version.as_deref();
        let read = |part: Range<u64>| {
            let bytes = match &self.location {
                Location::Bucket(url) => bucket::read(url, part.clone(), version)?,
                Location::Web(url) => web::read(url, part.clone(), self.size, version)?,
            };
            if bytes.len() as u64 == part.end - part.start { Ok(bytes) } else { Err(truncated()) }
        };
        download(parts, &read, self.temporary.file())?;
        missing.iter().for_each(|range| self.present.add(range.clone()));
        Ok(())
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server returned fewer bytes than requested")
}

/// Reads parts, several at a time, and writes them to a file.
fn download(
    parts: Vec<Range<u64>>,
    read: &(dyn Fn(Range<u64>) -> io::Result<Vec<u8>> + Sync),
    file: &File,
) -> io::Result<()> {
    let workers = parts.len().min(REQUESTS);
    let (parts, file) = (Mutex::new(parts.into_iter()), Mutex::new(file));
    let work = || loop {
        let Some(part) = lock(&parts).next() else { return Ok(()) };
        let write = |bytes: Vec<u8>| {
            let mut file = lock(&file);
            file.seek(SeekFrom::Start(part.start))?;
            file.write_all(&bytes)
        };
        if let Err(error) = read(part.clone()).and_then(write) {
            // The other threads stop, too.
            lock(&parts).by_ref().for_each(drop);
            return Err(error);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        outcomes.fold(Ok(()), Result::and)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn parts_are_written_to_their_positions_and_the_first_error_is_returned() {
        let mut file = tempfile::tempfile().unwrap();
        let parts: Vec<_> = split(0..100, 7).collect();
        let read =
            |part: Range<u64>| Ok(part.map(|position| u8::try_from(position).unwrap()).collect());
        download(parts.clone(), &read, &file).unwrap();
        let mut content = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content, (0..100).collect::<Vec<u8>>());
        let fail = |part: Range<u64>| {
            if part.start == 49 { Err(io::Error::other("refused")) } else { Ok(Vec::new()) }
        };
        assert_eq!(download(parts, &fail, &file).unwrap_err().to_string(), "refused");
    }
}
