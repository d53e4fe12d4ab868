//! Tables in object stores and on web servers: `s3://`, `gs://`, `az://`, `https://`.
//!
//! An input is copied to a temporary file, of which only the ranges that are read have content. An
//! output is written to a temporary file, and sent when it is complete.

#[cfg(feature = "cloud")]
mod bucket;
#[cfg(not(feature = "cloud"))]
#[path = "disabled.rs"]
mod bucket;
#[cfg(feature = "cloud")]
mod connector;
mod copies;
mod listing;
#[cfg(feature = "cloud")]
mod problem;
mod ranges;
mod web;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{io, iter};

pub(crate) use copies::remove_copies;
pub(super) use listing::{Found, covers, hidden_initial, list};

pub(crate) use crate::remote_path::is_remote;
use crate::remote_path::{is_web, split, whole_url};

/// Schemes of object stores.
const BUCKET_SCHEMES: [&str; 5] = ["s3", "s3a", "gs", "az", "abfss"];

/// Number of bytes at the end of a Parquet file that are fetched with the first request: most
/// footers are smaller.
const TAIL_BYTES: u64 = 64 << 10;

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ObjectUrl {
    scheme: String,
    /// The bucket; in Azure, the container.
    bucket: String,
    /// The name of the object, a prefix or a glob.
    key: String,
}

/// The place of a remote file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    /// An object store.
    Bucket(ObjectUrl),
    /// A web server, by the whole URL.
    Web(String),
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    /// Its size in bytes.
    size: u64,
    /// Identifies its content.
    version: Option<String>,
}

impl ObjectUrl {
    /// Returns the URL of another object of the bucket.
    fn with_key(&self, key: &str) -> PathBuf {
        let Self { scheme, bucket, .. } = self;
        format!("{scheme}://{bucket}/{key}").trim_end_matches('/').into()
    }
}

impl Location {
    fn parse(path: &Path) -> io::Result<Self> {
        let invalid = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        let whole = whole_url(path);
        let Some((scheme, rest)) = split(path) else { return invalid("expected a URL".to_owned()) };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() {
            return invalid(format!("found a URL without a name after `{scheme}://`"));
        }
        let user = split(Path::new(&whole))
            .and_then(|(_, whole)| whole.split(['/', '?', '#']).next()?.split_once('@'));
        if scheme != "abfss" && user.is_some() {
            return invalid("found a user or password in the URL, expected them in environment variables (see the guide `connect.md`)".to_owned());
        }
        if is_web(scheme) {
            return Ok(Self::Web(whole));
        }
        if whole.contains('?') && !rest.contains('?') {
            return invalid("found parameters in the URL of a bucket, expected credentials in environment variables (see the guide `connect.md`)".to_owned());
        }
        if !BUCKET_SCHEMES.contains(&scheme) {
            return invalid(format!(
                "found a URL with `{scheme}://`, expected `s3://`, `gs://`, `az://` or `https://`"
            ));
        }
        let [scheme, bucket, key] = [scheme, authority, key].map(str::to_owned);
        Ok(Self::Bucket(ObjectUrl { scheme, bucket, key }))
    }
}

/// Locks a value, also after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a file with all its content.
pub(super) fn open(path: &Path) -> io::Result<File> {
    copies::open(path, |size| iter::once(0..size).collect())
}

/// Opens a file with the content of its first bytes and its end.
pub(super) fn open_ends(path: &Path) -> io::Result<File> {
    copies::open(path, |size| vec![0..4.min(size), size.saturating_sub(TAIL_BYTES)..size])
}

/// Fetches ranges of a file, which appear in all copies that are open.
pub(super) fn fetch(path: &Path, ranges: Vec<Range<u64>>) -> io::Result<()> {
    copies::open(path, |_| ranges).map(drop)
}

/// Checks that a file can probably be written: its address is valid, and its store answers.
///
/// # Errors
/// The address is invalid, credentials are missing, the bucket does not exist, or no server
/// answers.
pub(super) fn check_destination(path: &Path) -> io::Result<()> {
    match Location::parse(path)? {
        Location::Bucket(url) => bucket::check_destination(&url),
        Location::Web(_) => Ok(()),
    }
}

/// Sends a complete file to its destination, where it appears as a whole.
pub(super) fn send(file: &File, path: &Path) -> io::Result<()> {
    match Location::parse(path)? {
        Location::Bucket(url) => bucket::write(&url, file),
        Location::Web(url) => web::write(&url, file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote_path::without_secrets;

    #[test]
    fn urls_are_split_into_bucket_and_key() {
        let Location::Bucket(url) = Location::parse(Path::new("s3://b/x/y.csv")).unwrap() else {
            panic!("an object store")
        };
        assert_eq!((url.bucket.as_str(), url.key.as_str()), ("b", "x/y.csv"));
        let shown = without_secrets(Path::new("https://remote.test/a.csv?signature=1"));
        let web = Location::parse(&shown).unwrap();
        assert_eq!(web, Location::Web("https://remote.test/a.csv?signature=1".to_owned()));
    }

    #[test]
    fn invalid_urls_are_refused_without_their_secrets() {
        for (path, expected) in [
            ("ftp://h/x.csv", "`ftp://`, expected `s3://`"),
            ("s3:///x.csv", "without a name"),
            ("s3://key:secret@remote/x.csv", "environment variables"),
            ("https://user:secret@remote/x.csv", "environment variables"),
        ] {
            let error = Location::parse(&without_secrets(Path::new(path))).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{path}: {error}");
        }
    }
}
