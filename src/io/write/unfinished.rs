//! Unfinished files and folders: written under a temporary name, then renamed. A signal removes
//! them, and the next run removes those of a program that was killed.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::{Builder, NamedTempFile, TempDir};

use super::without_path;

/// Prefix and suffix of temporary names.
const PREFIX: &str = ".pql-";
const SUFFIX: &str = ".tmp";

/// The unfinished files and folders of the process. A signal stops the whole process, so they are
/// known to the whole process.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all unfinished files and folders of the process, which must end while the returned value
/// exists: until then nothing is created or renamed.
pub(crate) fn remove_unfinished() -> impl Sized {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // What was renamed or removed in the meantime is no longer there.
        let is_folder = fs::symlink_metadata(path).is_ok_and(|there| there.is_dir());
        let _ = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    unfinished
}

/// An entry of [`UNFINISHED`].
#[derive(Debug)]
struct Entry(PathBuf);

impl Entry {
    fn new(path: &Path, unfinished: &mut BTreeSet<PathBuf>) -> Self {
        unfinished.insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// A file with a temporary name; removed when it is dropped.
pub(crate) struct UnfinishedFile {
    // Dropped before the entry.
    temporary: NamedTempFile,
    _entry: Entry,
}

impl UnfinishedFile {
    /// Creates a file in a folder, from which files of killed programs are removed.
    ///
    /// # Arguments
    /// * `permissions` – those of the file that will be replaced; `None`: those of a new file
    pub(super) fn create(folder: &Path, permissions: Option<Permissions>) -> io::Result<Self> {
        let file = Self::create_with(folder, 0o666)?;
        if let Some(permissions) = permissions {
            file.file().set_permissions(permissions)?;
        }
        Ok(file)
    }

    /// Creates a file that only its owner can read.
    pub(crate) fn create_private(folder: &Path) -> io::Result<Self> {
        Self::create_with(folder, 0o600)
    }

    /// Creates a file with the permissions of a mode, before the umask.
    fn create_with(folder: &Path, mode: u32) -> io::Result<Self> {
        remove_abandoned(folder, Metadata::is_file);
        let (temporary, entry) = loop {
            let mut unfinished = unfinished();
            let temporary = builder(mode).tempfile_in(folder).map_err(without_path)?;
            let entry = Entry::new(temporary.path(), &mut unfinished);
            drop(unfinished);
            if hold(temporary.as_file(), temporary.path()) {
                break (temporary, entry);
            }
        };
        Ok(Self { temporary, _entry: entry })
    }

    pub(crate) fn file(&self) -> &File {
        self.temporary.as_file()
    }

    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Renames the file.
    pub(super) fn rename(self, path: &Path) -> io::Result<()> {
        // A signal waits until the file is renamed.
        let _unfinished = unfinished();
        self.temporary.persist(path).map(drop).map_err(|e| e.error)
    }
}

/// A folder with a temporary name; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct UnfinishedFolder {
    // Dropped before the entry.
    temporary: TempDir,
    _entry: Entry,
    _locked: Option<File>,
}

impl UnfinishedFolder {
    /// Creates a folder in another one, from which files of killed programs are removed.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        Self::create_with(folder, 0o777)
    }

    /// Creates a folder that only its owner can read.
    pub(crate) fn create_private(folder: &Path) -> io::Result<Self> {
        Self::create_with(folder, 0o700)
    }

    /// Creates a folder with the permissions of a mode, before the umask.
    fn create_with(folder: &Path, mode: u32) -> io::Result<Self> {
        remove_abandoned(folder, |there| there.is_file() || there.is_dir());
        loop {
            let mut unfinished = unfinished();
            let temporary = builder(mode).tempdir_in(folder).map_err(without_path)?;
            let entry = Entry::new(temporary.path(), &mut unfinished);
            drop(unfinished);
            // Some systems cannot open folders, nor lock them.
            let file = File::open(temporary.path()).ok();
            // The folder may be gone before it is opened, or before it is locked.
            let exists = match &file {
                Some(file) => hold(file, temporary.path()),
                None => temporary.path().exists(),
            };
            if exists {
                return Ok(Self { temporary, _entry: entry, _locked: file });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Removes the folder and reports a failure.
    pub(crate) fn close(self) -> io::Result<()> {
        self.temporary.close()
    }

    /// Renames the folder.
    pub(crate) fn rename(&self, path: &Path) -> io::Result<()> {
        // A signal waits until the folder is renamed.
        let _unfinished = unfinished();
        fs::rename(self.path(), path)
    }
}

/// Returns a builder of temporary files with the permissions of any new file, before the umask; by
/// default, only the owner could read them.
fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Locks a temporary file or folder as long as the program lives. Returns whether it still exists:
/// another run may have removed it before it was locked.
fn hold(file: &File, path: &Path) -> bool {
    // Without locks, others wait for a day.
    let _ = file.lock();
    path.exists()
}

/// Removes temporary files and folders of programs that were killed. Errors are ignored; the next
/// run tries again.
///
/// # Arguments
/// * `matches` – whether to remove an entry: files, or also folders
fn remove_abandoned(folder: &Path, matches: impl Fn(&Metadata) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some(there) = entry.metadata().ok().filter(&matches) else { continue };
        if !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
            continue;
        }
        let path = entry.path();
        // The lock is held until the file is gone.
        let Some(_claim) = claim(&path, &there) else { continue };
        let _ = if there.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

/// A lock on what a killed program left behind; `None` where the system has no locks.
struct Claim(#[expect(dead_code, reason = "held until it is dropped")] Option<File>);

/// Locks what a killed program left behind; `None` if a program still writes it.
fn claim(path: &Path, there: &Metadata) -> Option<Claim> {
    /// Age above which the program is assumed to be dead, without locks.
    const MAX_AGE: Duration = Duration::from_hours(24);
    let is_old = || {
        let age = there.modified().ok().and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > MAX_AGE)
    };
    if cfg!(unix)
        && let Ok(file) = File::open(path)
    {
        match file.try_lock() {
            Ok(()) => return Some(Claim(Some(file))),
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(_)) => {}
        }
    }
    is_old().then_some(Claim(None))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_nobody_writes_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let own = UnfinishedFile::create(folder.path(), None).unwrap();
        let staged = UnfinishedFolder::create(folder.path()).unwrap();
        // A day does not matter as long as a program has the lock.
        own.file().set_modified(SystemTime::now() - Duration::from_hours(48)).unwrap();
        for name in [".pql-killed.tmp", "other.tmp", ".pql-other"] {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path(".pql-folder.tmp")).unwrap();
        fs::write(path(".pql-folder.tmp").join("scores.parquet"), "").unwrap();
        drop(UnfinishedFile::create(folder.path(), None).unwrap());
        assert!(!path(".pql-killed.tmp").exists());
        assert!(path(".pql-folder.tmp").exists(), "a folder may belong to somebody else");
        drop(UnfinishedFolder::create(folder.path()).unwrap());
        assert!(!path(".pql-folder.tmp").exists());
        assert!(own.temporary.path().exists() && staged.path().exists());
        assert!(path("other.tmp").exists() && path(".pql-other").exists());
    }

    #[test]
    fn renamed_and_dropped_files_are_no_longer_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let is_known = || unfinished().iter().any(|path| path.starts_with(folder.path()));
        let file = UnfinishedFile::create(folder.path(), None).unwrap();
        assert!(is_known());
        file.rename(&folder.path().join("a")).unwrap();
        assert!(!is_known() && folder.path().join("a").exists());
        let staged = UnfinishedFolder::create(folder.path()).unwrap();
        assert!(is_known());
        staged.rename(&folder.path().join("b")).unwrap();
        drop(staged);
        assert!(!is_known() && folder.path().join("b").exists());
        drop(UnfinishedFile::create(folder.path(), None).unwrap());
        assert!(!is_known());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
