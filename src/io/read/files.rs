//! Resolves a path, glob or folder to files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{FileFormat, SUPPORTED_EXTENSIONS, file_format, stdin, unreadable};
use crate::config::TableFormat;
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::lake::LakeSearch;
use crate::io::remote::{self, Found, hidden_initial, is_remote};

/// The files of a path, glob or folder, in byte order of their paths.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files that can be read.
    pub(super) files: Vec<PathBuf>,
    /// Files that cannot: their extension is unknown, or they are no regular files.
    pub(super) unread: Vec<PathBuf>,
}

impl Listing {
    fn add(&mut self, path: PathBuf, format: Option<TableFormat>) {
        let has_format = format.is_some() || FileFormat::from_path(&path).is_some();
        let is_table = has_format && (is_remote(&path) || path.is_file());
        if is_table { self.files.push(path) } else { self.unread.push(path) }
    }

    fn sort(&mut self) {
        for paths in [&mut self.files, &mut self.unread] {
            paths.sort_by(|a, b| bytes(a).cmp(bytes(b)));
            paths.dedup();
        }
    }
}

/// Returns the files of a path, glob or folder, in byte order of their paths.
///
/// A folder, or a folder that a glob matches, stands for all its files with supported extensions,
/// including subfolders. Names that start with `.` or `_` are skipped, unless the path or glob
/// contains that first character. The path `-` is standard input. A path may be the URL of an
/// object, a prefix or a glob, such as `s3://bucket/events/`.
///
/// # Errors
/// * [`Error::Read`]: the file does not exist, or a folder or an object store cannot be read
/// * [`Error::Empty`]: the folder or glob has no file with a supported extension
/// * [`Error::Malformed`]: the extension of a single file is not supported, or the glob is invalid
/// * [`Error::Usage`]: the path is a named pipe, a device, a socket, or `-` with a terminal, or the
///   folder is, or belongs to, a table of Delta Lake or Iceberg
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    table_files(path, None)
}

/// Returns the files of a path, glob or folder like [`files`], all of one format if it is given.
pub(crate) fn table_files(path: &Path, format: Option<TableFormat>) -> Result<Vec<PathBuf>> {
    Ok(list(path, format)?.files)
}

/// Returns the files of a path, glob or folder like [`files`], and those that cannot be read.
///
/// # Arguments
/// * `format` – the format of all files, whatever their extension
pub(super) fn list(path: &Path, format: Option<TableFormat>) -> Result<Listing> {
    let mut found = Listing::default();
    let source = if database::is_table(path) {
        database::copy(path)?;
        found.files.push(path.to_owned());
        return Ok(found);
    } else if stdin::is_stdin(path) {
        stdin::copy()?;
        found.files.push(path.to_owned());
        return Ok(found);
    } else if is_remote(path) {
        match remote::list(path)? {
            Found::File => {
                if format.is_none() {
                    file_format(path)?;
                }
                found.files.push(path.to_owned());
                return Ok(found);
            }
            Found::Objects { files, kind } => {
                files.into_iter().for_each(|file| found.add(file, format));
                kind
            }
            Found::Lake(table) => return Err(table.refuse(path)),
        }
    } else if path.is_dir() {
        walk(vec![path.to_owned()], format, &mut found)?;
        "folder"
    } else if path.exists() || !path.to_string_lossy().contains(['*', '?', '[']) {
        check_regular(path)?;
        if format.is_none() {
            file_format(path)?;
        }
        found.files.push(path.to_owned());
        return Ok(found);
    } else {
        expand_glob(path, format, &mut found)?;
        "glob"
    };
    if found.files.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
            expected: format!("expected a {source} with files of type {SUPPORTED_EXTENSIONS}"),
        });
    }
    found.sort();
    refuse_lake_tables(path, &found)?;
    Ok(found)
}

/// Refuses local files that belong to a table with a log.
fn refuse_lake_tables(path: &Path, found: &Listing) -> Result<()> {
    let mut search = LakeSearch::default();
    let local = found.files.iter().filter(|file| !is_remote(file));
    let mut folders = local.filter_map(|file| file.parent());
    folders.find_map(|folder| search.find(folder)).map_or(Ok(()), |table| Err(table.refuse(path)))
}

/// Refuses what cannot be read twice: columns are found first, then read.
fn check_regular(path: &Path) -> Result<()> {
    let found = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => return Ok(()),
        Ok(metadata) => special_file(&metadata),
        Err(source) => return Err(unreadable(path, source)),
    };
    Err(Error::Usage {
        problem: format!("`{}`: found {found}, expected a file", path.display()),
        hint: Some("use `-` as the path and pipe the data into pql, or write them to a file first; pql reads them more than once".to_owned()),
    })
}

/// Returns what a path is that is neither a file nor a folder.
#[cfg(unix)]
fn special_file(metadata: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Returns what a path is that is neither a file nor a folder.
#[cfg(not(unix))]
fn special_file(_: &fs::Metadata) -> &'static str {
    "a device"
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Collects the files of folders and their subfolders. Each folder is walked once, by a path
/// without links if there is one: links may be cyclic, or double the number of paths at each level.
fn walk(mut folders: Vec<PathBuf>, format: Option<TableFormat>, found: &mut Listing) -> Result<()> {
    let (mut links, mut walked) = (BTreeSet::new(), BTreeSet::new());
    while let Some(folder) = folders.pop().or_else(|| links.pop_first()) {
        let read_error = |source| unreadable(&folder, source);
        if !walked.insert(fs::canonicalize(&folder).map_err(read_error)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            let path = entry.path();
            if hidden(&entry.file_name()).is_some() {
                continue;
            }
            if !path.is_dir() {
                found.add(path, format);
            } else if path.is_symlink() {
                links.insert(path);
            } else {
                folders.push(path);
            }
        }
    }
    Ok(())
}

fn expand_glob(path: &Path, format: Option<TableFormat>, found: &mut Listing) -> Result<()> {
    let problem = |problem: String| Error::malformed(path, problem, None);
    let pattern =
        path.to_str().ok_or_else(|| problem("found a glob that is not UTF-8".to_owned()))?;
    let explicit: Vec<u8> = names(path).filter_map(hidden).collect();
    let mut folders = Vec::new();
    for entry in glob::glob(pattern)
        .map_err(|e| problem(format!("invalid glob at character {}: {}", e.pos + 1, e.msg)))?
    {
        let entry = entry.map_err(|e| {
            let path = e.path().to_owned();
            unreadable(&path, e.into())
        })?;
        if names(&entry).filter_map(hidden).any(|first| !explicit.contains(&first)) {
            continue;
        }
        if entry.is_dir() {
            folders.push(entry);
        } else {
            found.add(entry, format);
        }
    }
    walk(folders, format, found)
}

/// Iterates over the components of a path, without `..` and the root.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// Returns the first character of a hidden name, one that starts with `.` or `_`.
fn hidden(name: &OsStr) -> Option<u8> {
    hidden_initial(name.as_encoded_bytes())
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
    fn a_folder_stands_for_its_supported_files_in_byte_order() {
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
    fn a_glob_skips_hidden_names_unless_it_contains_their_first_character() {
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
    fn missing_and_unsupported_files_are_refused() {
        let folder = folder(&["notes.txt", "x.parquet.gz", "sub/.hidden.csv"]);
        let error = |path: &str| files(&folder.path().join(path)).unwrap_err();
        assert!(
            matches!(error("absent.csv"), Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
        );
        assert!(matches!(error(""), Error::Empty { .. }));
        assert!(matches!(error("*.csv"), Error::Empty { .. }));
        assert!(error("notes.txt").to_string().contains("`.parquet`, `.csv`"));
        assert!(error("x.parquet.gz").to_string().contains("decompress the file"));
        assert!(matches!(error("[.csv"), Error::Malformed { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn cyclic_links_are_not_followed() {
        let folder = folder(&["a/b.csv"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
        assert_eq!(found(&folder, ""), ["a/b.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn linked_folders_are_walked_once() {
        let folder = folder(&["a30/b.csv"]);
        // Each folder has two links to the next one: 2³⁰ paths lead to the file.
        for level in 0..30 {
            let above = folder.path().join(format!("a{level:02}"));
            fs::create_dir(&above).unwrap();
            for link in ["x", "y"] {
                let next = folder.path().join(format!("a{:02}", level + 1));
                std::os::unix::fs::symlink(next, above.join(link)).unwrap();
            }
        }
        assert_eq!(found(&folder, ""), ["a30/b.csv"]);
        assert_eq!(found(&folder, "a00").len(), 1);
        assert_eq!(found(&folder, "a*"), ["a30/b.csv"]);
    }
}
