//! Files and folders that pql manages: models, ledgers and their locks. Links inside them are never
//! followed, so that none leads a write to another place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for reading and writing, and creates it if necessary. Its content is kept.
///
/// # Errors
/// The path is a link, a device or a folder, or the file cannot be opened.
pub(crate) fn open_managed(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true).write(true).create(true).truncate(false))
}

/// Opens a file to lock it, and creates it if necessary.
///
/// # Errors
/// Those of [`open_managed`].
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    // Another user may have created the file.
    open_managed(path).or_else(|error| open(path, File::options().read(true)).map_err(|_| error))
}

/// Opens a regular file without following a link.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let is_link = || fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
    if is_link() {
        return Err(link_error("a file"));
    }
    // The link may appear after the check.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "found a device or pipe, expected a file"))
}

/// Creates a folder inside a managed one, unless it exists.
///
/// # Errors
/// The path is a link or a file, or the folder cannot be created.
pub(crate) fn create_managed_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) {
        return Err(link_error("a folder"));
    }
    fs::create_dir_all(path)
}

/// Syncs a folder after a rename in it. The file is complete in any case; some file systems cannot
/// sync folders, which is not an error.
pub(crate) fn sync_folder(folder: &Path) {
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
}

fn link_error(expected: &str) -> io::Error {
    let problem = format!("found a symbolic link, expected {expected}");
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("other"), "content").unwrap();
        for target in ["other", "absent"] {
            symlink(path(target), path("link")).unwrap();
            let error = open_managed(&path("link")).unwrap_err();
            assert!(error.to_string().contains("found a symbolic link"), "{error}");
            fs::remove_file(path("link")).unwrap();
        }
        assert!(!path("absent").exists());
        assert_eq!(fs::read_to_string(path("other")).unwrap(), "content");
        symlink(folder.path(), path("link")).unwrap();
        assert!(create_managed_folder(&path("link")).is_err());
        assert!(create_managed_folder(&path("new")).is_ok());
        assert!(open_managed(&path("new")).is_err());
        assert!(open_managed(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn the_content_of_an_opened_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "content").unwrap();
        open_managed(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "content");
    }
}
