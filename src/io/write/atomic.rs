//! Atomic files: written to a temporary file in the same folder, synced, then renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::unfinished::UnfinishedFile;
use super::{OutputFile, sync_folder, write_error};
use crate::error::Result;
use crate::io::remote::{self, is_remote};

/// Size of the write buffer, in bytes.
const BUFFER: usize = 1 << 17;

/// Number of bytes after which a file is synced in the background, so that little remains at the
/// end. Smaller files, which are most, need no thread.
const SYNC_INTERVAL: usize = 1 << 26;

/// The destination of an output.
pub(super) enum Target {
    /// A temporary file, renamed to `path` at the end. Boxed, because it is much larger than the
    /// other variants.
    Atomic { path: PathBuf, temporary: Box<UnfinishedFile> },
    /// A device or a pipe, written directly.
    Direct { path: PathBuf, file: File },
    /// A temporary file that is sent to an object store or a web server at the end.
    Remote { path: PathBuf, temporary: Box<UnfinishedFile> },
    /// Standard output.
    Stdout,
}

/// Writes bytes to a [`Target`].
pub(super) enum TargetWriter {
    Atomic(SyncingWriter),
    Direct(BufWriter<File>),
    Stdout(BufWriter<Stdout>),
}

/// A file that is synced in the background while it is written.
pub(super) struct SyncingWriter {
    file: BufWriter<File>,
    /// Number of bytes between syncs.
    sync_interval: usize,
    /// Number of bytes since the last sync.
    unsynced: usize,
    sync: Option<JoinHandle<io::Result<()>>>,
}

impl SyncingWriter {
    fn new(file: File, sync_interval: usize) -> Self {
        Self {
            file: BufWriter::with_capacity(BUFFER, file),
            sync_interval,
            unsynced: 0,
            sync: None,
        }
    }

    /// Waits for the running sync; the system reports an error only once.
    fn join_sync(&mut self) -> io::Result<()> {
        self.sync
            .take()
            .map_or(Ok(()), |sync| sync.join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Write for SyncingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unsynced >= self.sync_interval {
            self.unsynced = 0;
            self.join_sync()?;
            let file = self.file.get_ref().try_clone()?;
            // Without a thread, everything is synced at the end.
            self.sync = thread::Builder::new().spawn(move || file.sync_data()).ok();
        }
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.join_sync()
    }
}

impl Write for TargetWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Atomic(file) => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
            Self::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Atomic(file) => file.flush(),
            Self::Direct(file) => file.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

impl Target {
    /// Opens an output. This is the only place that opens one, so that none replaces an input.
    pub(super) fn create(output: &OutputFile) -> Result<Self> {
        let path = output.path();
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        output.check()?;
        if is_remote(path) {
            let temporary = UnfinishedFile::create_private(&std::env::temp_dir());
            let temporary = Box::new(temporary.map_err(|e| write_error(path, e))?);
            return Ok(Self::Remote { path: path.to_owned(), temporary });
        }
        Self::file(path, !output.is_managed()).map_err(|e| write_error(path, e))
    }

    fn file(path: &Path, follow_links: bool) -> io::Result<Self> {
        // Of an output, a symbolic link is kept: the file that it points to is replaced.
        let resolved = || fs::canonicalize(path).ok();
        let path = follow_links.then(resolved).flatten().unwrap_or_else(|| path.to_owned());
        let there = if follow_links { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        let mut permissions = None;
        match there {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if there.is_file() => permissions = Some(there.permissions()),
            Ok(_) if follow_links => {
                let file = File::options().write(true).open(&path)?;
                return Ok(Self::Direct { path, file });
            }
            _ => {}
        }
        if path.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let temporary = Box::new(UnfinishedFile::create(folder(&path), permissions)?);
        Ok(Self::Atomic { path, temporary })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Atomic { path, .. } | Self::Direct { path, .. } | Self::Remote { path, .. } => {
                path
            }
            Self::Stdout => Path::new("-"),
        }
    }

    /// Returns a writer, which must be flushed and dropped before [`Target::finish`].
    pub(super) fn writer(&self) -> Result<TargetWriter> {
        let again = |file: &File| file.try_clone().map_err(|e| write_error(self.path(), e));
        Ok(match self {
            Self::Atomic { temporary, .. } => {
                TargetWriter::Atomic(SyncingWriter::new(again(temporary.file())?, SYNC_INTERVAL))
            }
            Self::Remote { temporary, .. } => {
                TargetWriter::Direct(BufWriter::with_capacity(BUFFER, again(temporary.file())?))
            }
            Self::Direct { file, .. } => {
                TargetWriter::Direct(BufWriter::with_capacity(BUFFER, again(file)?))
            }
            Self::Stdout => TargetWriter::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())),
        })
    }

    /// Renames the temporary file to its final path, or sends it there.
    pub(super) fn finish(self) -> Result<()> {
        let (path, temporary) = match self {
            Self::Atomic { path, temporary } => (path, temporary),
            Self::Remote { path, temporary } => {
                return remote::send(temporary.file(), &path).map_err(|e| write_error(&path, e));
            }
            Self::Direct { .. } | Self::Stdout => return Ok(()),
        };
        temporary.file().sync_all().map_err(|e| write_error(&path, e))?;
        temporary.rename(&path).map_err(|e| write_error(&path, e))?;
        sync_folder(folder(&path));
        Ok(())
    }
}

/// Removes the name of a temporary file, which `tempfile` appends to an error: messages name the
/// output.
pub(crate) fn without_path(error: io::Error) -> io::Error {
    match error.to_string().rsplit_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause.to_owned()),
        None => error,
    }
}

/// Returns the folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_output_and_not_its_temporary_file() {
        let Err(error) = Target::create(&OutputFile::managed(Path::new("absent/x.csv"))) else {
            panic!("no folder")
        };
        let message = error.with_sources();
        assert!(message.starts_with("cannot write `absent/x.csv`: No such file"), "{message}");
        assert!(!message.contains(".pql-"), "{message}");
    }

    #[test]
    fn background_syncs_keep_the_content_and_report_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut to = SyncingWriter::new(File::create(&path).unwrap(), 1_000);
        let part: Vec<u8> = (0..=u8::MAX).collect();
        for _ in 0..100 {
            to.write_all(&part).unwrap();
        }
        to.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), part.repeat(100));
        let failing = || Some(thread::spawn(|| Err(io::ErrorKind::StorageFull.into())));
        to.sync = failing();
        assert_eq!(to.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        (to.sync, to.unsynced) = (failing(), 1_000);
        assert_eq!(to.write(&part).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
