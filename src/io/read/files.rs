//! From a path, glob or folder to the files it means.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{ENDINGS, Kind, kind, unreadable};
use crate::error::{Error, Result};

/// Name the files that a path, glob or folder means, in byte order of their paths.
///
/// A folder means all its files of known endings, subfolders too; so does a folder that a glob
/// matches. Names starting with `.` or `_` are passed over, unless the path or the glob itself
/// spells that first character.
///
/// # Errors
/// * [`Error::Read`]: there is no such file, or a folder cannot be read
/// * [`Error::Empty`]: the folder or glob holds no file of a known ending
/// * [`Error::Malformed`]: the ending of a single file is unknown, or the glob is none
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, what) = if path.is_dir() {
        let mut found = Vec::new();
        walk(path, &mut BTreeSet::new(), &mut found)?;
        (found, "folder")
    } else if path.exists() || !path.to_string_lossy().contains(['*', '?', '[']) {
        fs::metadata(path).map_err(|source| unreadable(path, source))?;
        kind(path)?;
        return Ok(vec![path.to_owned()]);
    } else {
        (matches(path)?, "match of this glob")
    };
    if found.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
            expected: format!("expected a {what} with files ending in {ENDINGS}"),
        });
    }
    found.sort_by(|a, b| bytes(a).cmp(bytes(b)));
    found.dedup();
    Ok(found)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Gather the files of a folder; `above` are the folders it lies in, so that a link to one of them
/// ends the way.
fn walk(folder: &Path, above: &mut BTreeSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let real = fs::canonicalize(folder).map_err(|source| unreadable(folder, source))?;
    if !above.insert(real.clone()) {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let path = entry.path();
        if hidden(&entry.file_name()).is_some() {
            continue;
        }
        if path.is_dir() {
            walk(&path, above, found)?;
        } else if Kind::of(&path).is_some() {
            found.push(path);
        }
    }
    above.remove(&real);
    Ok(())
}

fn matches(path: &Path) -> Result<Vec<PathBuf>> {
    let problem = |problem: String| Error::malformed(path, problem, None);
    let pattern =
        path.to_str().ok_or_else(|| problem("found a glob that is not UTF-8".to_owned()))?;
    let spelled: Vec<u8> = names(path).filter_map(hidden).collect();
    let mut found = Vec::new();
    for entry in glob::glob(pattern).map_err(|e| {
        problem(format!("found a glob with an error at character {}: {}", e.pos + 1, e.msg))
    })? {
        let entry = entry.map_err(|e| {
            let path = e.path().to_owned();
            unreadable(&path, e.into())
        })?;
        if names(&entry).filter_map(hidden).any(|first| !spelled.contains(&first)) {
            continue;
        }
        if entry.is_dir() {
            walk(&entry, &mut BTreeSet::new(), &mut found)?;
        } else if Kind::of(&entry).is_some() {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The names a path is made of, without `..` and the root.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// The first character of a name that is passed over.
fn hidden(name: &OsStr) -> Option<u8> {
    name.as_encoded_bytes().first().copied().filter(|first| matches!(first, b'.' | b'_'))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("files").tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a\n1\n").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, path: &str) -> Vec<String> {
        let strip =
            |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        files(&folder.path().join(path)).unwrap().iter().map(strip).collect()
    }

    #[test]
    fn a_folder_means_its_known_files_in_byte_order() {
        let folder = folder(&[
            "b.csv",
            "B.CSV.GZ",
            "a/z.parquet",
            "a-b.jsonl",
            ".x.csv",
            "_y.csv",
            "_tmp/q.csv",
            ".git/r.csv",
            "notes.txt",
        ]);
        assert_eq!(found(&folder, ""), ["B.CSV.GZ", "a-b.jsonl", "a/z.parquet", "b.csv"]);
    }

    #[test]
    fn a_glob_passes_over_hidden_names_unless_it_spells_them() {
        let folder = folder(&[
            "d1/a.csv",
            "d2/_b.csv",
            "d2/c.tsv",
            "_d3/e.csv",
            "d1/readme.md",
            "d4/x/y.ndjson",
        ]);
        assert_eq!(found(&folder, "*/*.csv"), ["d1/a.csv"]);
        assert_eq!(found(&folder, "**/*.csv"), ["d1/a.csv"]);
        assert_eq!(found(&folder, "d*"), ["d1/a.csv", "d2/c.tsv", "d4/x/y.ndjson"]);
        assert_eq!(found(&folder, "_d3/*.csv"), ["_d3/e.csv"]);
    }

    #[test]
    fn a_name_that_looks_like_a_glob_is_a_file_where_it_exists() {
        let folder = folder(&["log[1].csv", "log1.csv"]);
        assert_eq!(found(&folder, "log[1].csv"), ["log[1].csv"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = folder(&["notes.txt", "x.parquet.gz", "sub/.hidden.csv"]);
        let error = |path: &str| files(&folder.path().join(path)).unwrap_err();
        assert!(
            matches!(error("absent.csv"), Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
        );
        assert!(matches!(error(""), Error::Empty { .. }));
        assert!(matches!(error("*.csv"), Error::Empty { .. }));
        assert!(error("notes.txt").to_string().contains("`.parquet`, `.csv`"));
        assert!(error("x.parquet.gz").to_string().contains("unpack it"));
        assert!(matches!(error("[.csv"), Error::Malformed { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_ends_the_way() {
        let folder = folder(&["a/b.csv"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
        assert_eq!(found(&folder, ""), ["a/b.csv"]);
    }
}
