//! Small files that are read as a whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Reads a regular file of limited size.
///
/// # Arguments
/// * `limit` – maximum size in bytes
/// # Errors
/// The file does not exist or cannot be read, is not a regular file, or is larger.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    // Opening a pipe would wait for its writer.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(invalid("found a device or pipe, expected a file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(invalid(format!("expected at most {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_limited(&path, 4).unwrap(), b"1234");
        let error = read_limited(&path, 3).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 3 bytes");
        assert_eq!(read_limited(folder.path(), 4).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let absent = read_limited(&folder.path().join("b"), 4).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        if cfg!(target_os = "linux") {
            assert!(read_limited(Path::new("/dev/zero"), 4).is_err());
        }
    }
}
