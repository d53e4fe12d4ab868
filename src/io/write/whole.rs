//! A file that appears whole or not at all: written beside its place, synced, then renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::write_error;
use crate::error::Result;

/// How the names of unfinished files begin and end.
const PREFIX: &str = ".pql-";
const SUFFIX: &str = ".tmp";

/// Age from which an unfinished file is taken for one of a program that was killed, and removed.
const ORPHAN: Duration = Duration::from_hours(24);

/// Size of the buffer before the system, in bytes.
const BUFFER: usize = 1 << 17;

/// Bytes after which a file goes on its way to the disk while more is written: little is left to
/// wait for at the end, and small files, which most are, need no thread.
const STRIDE: usize = 1 << 26;

/// The end of the way of an output.
pub(super) enum Target {
    /// A file of its own, renamed to `path` at the end. Boxed: it is far larger than the others.
    Whole { path: PathBuf, temporary: Box<NamedTempFile> },
    /// A device or a pipe, which is written as it is.
    Direct { path: PathBuf, file: File },
    /// Standard output.
    Stdout,
}

/// Takes the bytes of a [`Target`].
pub(super) enum Writer {
    Whole(ToDisk),
    Direct(BufWriter<File>),
    Stdout(BufWriter<Stdout>),
}

/// A file that is sent to the disk while it is written.
pub(super) struct ToDisk {
    file: BufWriter<File>,
    /// Bytes after which it is sent.
    stride: usize,
    /// Bytes since it was sent last.
    written: usize,
    sending: Option<JoinHandle<io::Result<()>>>,
}

impl ToDisk {
    fn new(file: File, stride: usize) -> Self {
        Self { file: BufWriter::with_capacity(BUFFER, file), stride, written: 0, sending: None }
    }

    /// Wait until what was sent is there: the system tells of a failure only once.
    fn arrived(&mut self) -> io::Result<()> {
        self.sending
            .take()
            .map_or(Ok(()), |sending| sending.join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Write for ToDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written >= self.stride {
            self.written = 0;
            self.arrived()?;
            let file = self.file.get_ref().try_clone()?;
            // Where there is no thread for it, all is sent at the end.
            self.sending = thread::Builder::new().spawn(move || file.sync_data()).ok();
        }
        let written = self.file.write(bytes)?;
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.arrived()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Whole(file) => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
            Self::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(file) => file.flush(),
            Self::Direct(file) => file.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

impl Target {
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        Self::file(path).map_err(|e| write_error(path, e))
    }

    fn file(path: &Path) -> io::Result<Self> {
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                let file = File::options().write(true).open(&path)?;
                return Ok(Self::Direct { path, file });
            }
            _ => {}
        }
        if path.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let folder = folder(&path);
        sweep(folder);
        let temporary = Box::new(beside().tempfile_in(folder)?);
        Ok(Self::Whole { path, temporary })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Whole { path, .. } | Self::Direct { path, .. } => path,
            Self::Stdout => Path::new("-"),
        }
    }

    /// A writer to the end of this way; it has to be flushed and dropped before [`Target::finish`].
    pub(super) fn writer(&self) -> Result<Writer> {
        let again = |file: &File| file.try_clone().map_err(|e| write_error(self.path(), e));
        Ok(match self {
            Self::Whole { temporary, .. } => {
                Writer::Whole(ToDisk::new(again(temporary.as_file())?, STRIDE))
            }
            Self::Direct { file, .. } => {
                Writer::Direct(BufWriter::with_capacity(BUFFER, again(file)?))
            }
            Self::Stdout => Writer::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())),
        })
    }

    /// Let the file appear.
    pub(super) fn finish(self) -> Result<()> {
        let Self::Whole { path, temporary } = self else { return Ok(()) };
        temporary.as_file().sync_all().map_err(|e| write_error(&path, e))?;
        temporary.persist(&path).map_err(|e| write_error(&path, e.error))?;
        // The file is in its place; that a file system cannot sync folders is no reason to say that
        // it is not.
        if let Ok(folder) = File::open(folder(&path)) {
            folder.sync_all().ok();
        }
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Names and rights of a temporary file: those of any new file, where tempfile would let only the
/// owner read.
fn beside() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Remove what programs that were killed have left. Whatever fails here is tried again next time.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let old = |metadata: fs::Metadata| {
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        metadata.is_file() && age.is_some_and(|age| age > ORPHAN)
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && entry.metadata().is_ok_and(old) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_sent_in_parts_is_whole_and_a_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut to = ToDisk::new(File::create(&path).unwrap(), 1_000);
        let part: Vec<u8> = (0..=u8::MAX).collect();
        for _ in 0..100 {
            to.write_all(&part).unwrap();
        }
        to.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), part.repeat(100));
        let failing = || Some(thread::spawn(|| Err(io::ErrorKind::StorageFull.into())));
        to.sending = failing();
        assert_eq!(to.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        (to.sending, to.written) = (failing(), 1_000);
        assert_eq!(to.write(&part).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
