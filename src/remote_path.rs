//! Paths of remote tables, such as `s3://bucket/events/*.parquet`.
//!
//! A URL may contain secrets: the query of a signed URL, or a user with a password. They are kept
//! apart, and the rest of pql sees the path without them, so that no message or file shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Whole URLs by the paths that are shown instead.
static WHOLE_URLS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Returns whether a path is a URL.
pub(crate) fn is_remote(path: &Path) -> bool {
    split(path).is_some()
}

/// Splits a URL into its scheme and the rest.
pub(crate) fn split(path: &Path) -> Option<(&str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once("://")?;
    let is_scheme = scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// Returns whether a scheme is one of web servers.
pub(crate) fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Returns a path as it is shown: a URL without its query and without its user.
pub(crate) fn without_secrets(path: &Path) -> PathBuf {
    let Some((scheme, rest)) = split(path) else { return path.to_owned() };
    // In a bucket, `?` is part of a glob unless parameters follow, and `@` separates the container
    // from the account of Azure.
    let is_web = is_web(scheme);
    let is_query = is_web || rest.split_once('?').is_some_and(|(_, query)| query.contains('='));
    let shown = if is_query { rest.split(['?', '#']).next().unwrap_or_default() } else { rest };
    let (authority, file) = shown.split_at(shown.find('/').unwrap_or(shown.len()));
    let host = match authority.rsplit_once('@') {
        Some((_, host)) if !scheme.starts_with("abfs") => host,
        _ => authority,
    };
    let has_secrets = host.len() + file.len() < rest.len();
    if !has_secrets && !is_web {
        return path.to_owned();
    }
    let whole = format!("{scheme}://{rest}");
    let mut known = WHOLE_URLS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains_key(&whole) {
        // A path that was returned before.
        return path.to_owned();
    }
    let numbered = |number: usize| match number {
        1 => format!("{scheme}://{host}{file}"),
        // URLs that differ only in their query are different tables.
        _ => format!("{scheme}://{host}/;{number}{file}"),
    };
    let is_other = |shown: &String| known.get(shown).is_some_and(|other| *other != whole);
    let mut number = 1;
    while is_other(&numbered(number)) {
        number += 1;
    }
    let shown = numbered(number);
    known.insert(shown.clone(), whole);
    shown.into()
}

/// Returns the whole URL of a path that [`without_secrets`] returned.
pub(crate) fn whole_url(path: &Path) -> String {
    let shown = path.to_string_lossy().into_owned();
    let known = WHOLE_URLS.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(&shown).cloned().unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_remote_and_other_paths_are_not() {
        for path in ["s3://b/x", "https://h", "abfss://c@a.dfs.core.windows.net/x"] {
            assert!(is_remote(Path::new(path)), "{path}");
        }
        for path in ["", "-", "a.csv", "s3:/b", "C://x", "a b://x", "/data/x", "://x"] {
            assert!(!is_remote(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn the_query_and_the_user_of_a_url_are_kept_apart() {
        let shown = |text: &str| without_secrets(Path::new(text)).to_str().unwrap().to_owned();
        for path in ["a?b.csv", "s3://b/a?.csv", "https://h/a.csv", "abfss://c@a/x.csv"] {
            assert_eq!(shown(path), path);
        }
        for (whole, expected) in [
            ("https://h1/a.csv?X-Signature=1", "https://h1/a.csv"),
            ("https://h1/a.csv?X-Signature=2", "https://h1/;2/a.csv"),
            ("https://user:password@h1/b.csv#part", "https://h1/b.csv"),
            ("s3://key:secret@bucket1/x@y.csv", "s3://bucket1/x@y.csv"),
            ("https://h1?token=1", "https://h1"),
            ("HTTPS://h2/a.csv?X-Signature=1", "HTTPS://h2/a.csv"),
            ("az://c/e.csv?sv=1&sig=secret", "az://c/e.csv"),
        ] {
            // The same URL keeps its path.
            for _ in 0..2 {
                assert_eq!(shown(whole), expected);
            }
            assert_eq!(whole_url(Path::new(expected)), whole);
        }
        assert_eq!(whole_url(Path::new("https://h1/c.csv")), "https://h1/c.csv");
    }

    #[test]
    fn a_url_and_the_same_one_with_a_query_are_two_tables() {
        let shown = |text: &str| without_secrets(Path::new(text));
        let plain = shown("https://h3/e.csv");
        let part = shown("https://h3/e.csv?part=2");
        assert_eq!(whole_url(&plain), "https://h3/e.csv");
        assert_eq!(whole_url(&part), "https://h3/e.csv?part=2");
    }
}
