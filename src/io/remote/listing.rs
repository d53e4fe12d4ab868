//! Objects of a URL, prefix or glob.

use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{Location, ObjectUrl, bucket};
use crate::error::{Error, Result};
use crate::io::lake::LakeTable;

/// `*` and `?` do not match `/`.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The objects of a URL.
#[derive(Debug)]
pub(crate) enum Found {
    /// One file.
    File,
    /// The objects below a prefix or of a glob, as URLs; `kind` is a noun for messages.
    Objects { files: Vec<PathBuf>, kind: &'static str },
    /// A part of a table of a lake.
    Lake(LakeTable),
}

/// Lists the objects of a URL.
///
/// # Errors
/// * [`Error::Read`]: the URL is invalid, does not exist or cannot be read
/// * [`Error::Malformed`]: the glob is invalid
pub(crate) fn list(path: &Path) -> Result<Found> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let url = match Location::parse(path).map_err(read_error)? {
        Location::Web(_) if path.to_string_lossy().ends_with(['/', '*']) => {
            let problem = "found a folder or glob of a web server, expected the URL of one file";
            return Err(Error::malformed(path, problem, None));
        }
        Location::Web(_) => return Ok(Found::File),
        Location::Bucket(url) => url,
    };
    let is_glob = url.key.contains(GLOB);
    let mut not_found = None;
    if !is_glob && !url.key.is_empty() && !url.key.ends_with('/') {
        match bucket::find(&url) {
            Ok(_) => return Ok(Found::File),
            // It may be the prefix of objects.
            Err(error) if error.kind() == io::ErrorKind::NotFound => not_found = Some(error),
            Err(error) => return Err(read_error(error)),
        }
    }
    let pattern = is_glob.then(|| glob_pattern(path, &url.key)).transpose()?;
    let prefix = prefix(&url.key);
    let keys = bucket::list(&url, &prefix).map_err(read_error)?;
    if let Some(error) = not_found.filter(|_| keys.is_empty()) {
        return Err(read_error(error));
    }
    let explicit: Vec<u8> =
        url.key.split('/').map(str::as_bytes).filter_map(hidden_initial).collect();
    let is_listed = |key: &&String| {
        let inside = key.strip_prefix(&prefix).unwrap_or(key);
        let mut hidden = inside.split('/').map(str::as_bytes).filter_map(hidden_initial);
        pattern.as_ref().is_none_or(|pattern| matches(pattern, key))
            && hidden.all(|first| is_glob && explicit.contains(&first))
    };
    let listed: Vec<&String> = keys.iter().filter(is_listed).collect();
    let mut tables: Vec<LakeTable> =
        keys.iter().filter_map(|key| LakeTable::from_log_file(key)).collect();
    tables.dedup();
    let mut around = listed.iter().filter_map(|key| tables.iter().find(|t| t.contains(key)));
    if let Some(table) = around.next().cloned().or_else(|| table_above(&url, &prefix)) {
        let folder = url.with_key(&table.folder.to_string_lossy());
        return Ok(Found::Lake(LakeTable { folder, ..table }));
    }
    let files = listed.into_iter().map(|key| url.with_key(key)).collect();
    Ok(Found::Objects { files, kind: if is_glob { "glob" } else { "prefix" } })
}

/// Returns the first character of a hidden name, one that starts with `.` or `_`.
pub(crate) fn hidden_initial(name: &[u8]) -> Option<u8> {
    name.first().copied().filter(|first| matches!(first, b'.' | b'_'))
}

/// Characters of globs.
const GLOB: [char; 3] = ['*', '?', '['];

fn glob_pattern(path: &Path, key: &str) -> Result<Pattern> {
    Pattern::new(key).map_err(|error| {
        let problem = format!("invalid glob at character {}: {}", error.pos + 1, error.msg);
        Error::malformed(path, problem, None)
    })
}

/// Returns the part of a key before its first folder with a glob, with a final `/` unless it is
/// empty.
fn prefix(key: &str) -> String {
    match key.find(GLOB) {
        Some(start) => key[..start].rfind('/').map_or("", |end| &key[..=end]).to_owned(),
        None if key.is_empty() || key.ends_with('/') => key.to_owned(),
        None => format!("{key}/"),
    }
}

/// Returns whether a glob matches an object, or a folder around it.
fn matches(pattern: &Pattern, key: &str) -> bool {
    let folders = key.match_indices('/').map(|(end, _)| &key[..end]);
    folders.chain([key]).any(|name| pattern.matches_with(name, OPTIONS))
}

/// Returns the table that a prefix is a part of.
fn table_above(url: &ObjectUrl, prefix: &str) -> Option<LakeTable> {
    let mut folders = prefix.match_indices('/').map(|(end, _)| &prefix[..end]);
    // The prefix itself is listed already.
    folders.next_back();
    folders.find_map(|folder| {
        let delta = bucket::first(url, &format!("{folder}/_delta_log/"));
        let iceberg = || bucket::list(url, &format!("{folder}/metadata/")).unwrap_or_default();
        let mut log = delta.into_iter().chain(iceberg());
        log.find_map(|key| LakeTable::from_log_file(&key))
    })
}

/// Returns whether an input is, or may list, a file that is written.
pub(crate) fn covers(input: &Path, output: &Path) -> bool {
    if input == output {
        return true;
    }
    let (Ok(Location::Bucket(input)), Ok(Location::Bucket(output))) =
        (Location::parse(input), Location::parse(output))
    else {
        return false;
    };
    if input.scheme != output.scheme || input.bucket != output.bucket {
        return false;
    }
    if input.key.contains(GLOB) {
        return Pattern::new(&input.key).is_ok_and(|pattern| matches(&pattern, &output.key));
    }
    output.key == input.key || output.key.starts_with(&prefix(&input.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_key_ends_before_its_first_glob() {
        for (key, expected) in [
            ("", ""),
            ("a", "a/"),
            ("a/", "a/"),
            ("a/b*.csv", "a/"),
            ("*.csv", ""),
            ("a/[x]/b", "a/"),
        ] {
            assert_eq!(prefix(key), expected, "{key}");
        }
    }

    #[test]
    fn globs_match_objects_and_folders() {
        let matched = |glob: &str, key: &str| matches(&Pattern::new(glob).unwrap(), key);
        assert!(matched("a/*.csv", "a/x.csv") && !matched("a/*.csv", "a/b/x.csv"));
        assert!(matched("a/**/*.csv", "a/b/c/x.csv") && matched("a/day=*", "a/day=1/x.csv"));
        assert!(!matched("a/x", "a/xy.csv"));
    }

    #[test]
    fn an_output_that_an_input_may_list_is_recognized() {
        let covers = |input: &str, output: &str| covers(Path::new(input), Path::new(output));
        assert!(covers("s3://b/in", "s3://b/in/x.csv") && covers("s3://b/in/", "s3://b/in/x.csv"));
        assert!(covers("s3://b/*.csv", "s3://b/x.csv") && covers("s3://b", "s3://b/x.csv"));
        assert!(covers("https://h/x.csv", "https://h/x.csv"));
        assert!(!covers("s3://b/in", "s3://b/inside.csv") && !covers("s3://b/x", "s3://c/x"));
        assert!(!covers("s3://b/*.csv", "s3://b/x.parquet") && !covers("/tmp", "s3://b/x"));
    }
}
