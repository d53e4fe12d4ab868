//! Tables of lakes: folders with data files and a log that lists which of them belong to the newest
//! version. Their files are never read as one table, because replaced and deleted rows are in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Name of the folder with the log of a Delta Lake table.
const DELTA_LOG: &str = "_delta_log";

/// Name of the folder with the log of an Iceberg table, and the end of the names of its files.
const ICEBERG_LOG: &str = "metadata";
const ICEBERG_METADATA: &str = ".metadata.json";

/// The format of a table of a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LakeFormat {
    /// Delta Lake.
    Delta,
    /// Apache Iceberg.
    Iceberg,
}

/// A table of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LakeTable {
    /// Its folder; in an object store, its prefix.
    pub(crate) folder: PathBuf,
    pub(crate) format: LakeFormat,
}

impl LakeTable {
    /// Returns the table whose log has a file.
    ///
    /// # Arguments
    /// * `file` – a path with `/`
    pub(crate) fn from_log_file(file: &str) -> Option<Self> {
        let rooted = format!("/{file}");
        let table =
            |folder: &str, format| Self { folder: folder.trim_start_matches('/').into(), format };
        if let Some((folder, _)) = rooted.split_once(&format!("/{DELTA_LOG}/")) {
            return Some(table(folder, LakeFormat::Delta));
        }
        let (folder, name) = rooted.rsplit_once(&format!("/{ICEBERG_LOG}/"))?;
        let is_metadata = name.ends_with(ICEBERG_METADATA) && !name.contains('/');
        is_metadata.then(|| table(folder, LakeFormat::Iceberg))
    }

    /// Returns whether a file is in the folder of the table.
    pub(crate) fn contains(&self, file: &str) -> bool {
        Path::new(file).starts_with(&self.folder)
    }

    /// Returns the error of reading the files of the table at `path`.
    pub(crate) fn refuse(&self, path: &Path) -> Error {
        let (name, function) = match self.format {
            LakeFormat::Delta => ("Delta Lake", "delta_scan"),
            LakeFormat::Iceberg => ("Iceberg", "iceberg_scan"),
        };
        let folder = self.folder.display();
        let mut problem = format!("`{}`: found a {name} table", path.display());
        if self.folder != path {
            problem += &format!(" (`{folder}`)");
        }
        problem +=
            ", expected data files; the folder also contains rows that were replaced or deleted";
        Error::Usage {
            problem,
            hint: Some(format!(
                "read its newest version with DuckDB: set `connection` and `query = \"from {function}('{folder}')\"` instead of `path` (see the guide `connect.md`)"
            )),
        }
    }
}

/// Finds the tables that local folders are a part of.
#[derive(Debug, Default)]
pub(crate) struct LakeSearch {
    /// Folders without a log, and without one above them.
    searched: BTreeSet<PathBuf>,
}

impl LakeSearch {
    /// Returns the table of a folder, or of one above it.
    pub(crate) fn find(&mut self, folder: &Path) -> Option<LakeTable> {
        let folder = fs::canonicalize(folder).ok()?;
        for above in folder.ancestors() {
            if !self.searched.insert(above.to_owned()) {
                return None;
            }
            if let Some(format) = log_format(above) {
                return Some(LakeTable { folder: above.to_owned(), format });
            }
        }
        None
    }
}

/// Returns the format of the log in a folder.
fn log_format(folder: &Path) -> Option<LakeFormat> {
    if folder.join(DELTA_LOG).is_dir() {
        return Some(LakeFormat::Delta);
    }
    let files = fs::read_dir(folder.join(ICEBERG_LOG)).ok()?;
    let mut names = files.flatten().map(|file| file.file_name());
    names
        .any(|name| name.to_string_lossy().ends_with(ICEBERG_METADATA))
        .then_some(LakeFormat::Iceberg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_tables_are_recognized() {
        let table = |file: &str| {
            let table = LakeTable::from_log_file(file)?;
            Some(format!("{} {:?}", table.folder.display(), table.format))
        };
        assert_eq!(table("a/t/_delta_log/0.json").unwrap(), "a/t Delta");
        assert_eq!(table("_delta_log/0.json").unwrap(), " Delta");
        assert_eq!(table("t/metadata/v1.metadata.json").unwrap(), "t Iceberg");
        for file in ["t/metadata/notes.json", "t/data/x.parquet", "t/metadata/x/v1.metadata.json"] {
            assert_eq!(table(file), None, "{file}");
        }
    }

    #[test]
    fn tables_are_found_around_folders() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        for folder in
            ["delta/_delta_log", "delta/day=1", "ice/metadata", "ice/data", "plain/metadata"]
        {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        fs::write(top.join("ice/metadata/v1.metadata.json"), "{}").unwrap();
        let mut search = LakeSearch::default();
        for (folder, expected) in [
            ("delta", Some(("delta", LakeFormat::Delta))),
            ("delta/day=1", Some(("delta", LakeFormat::Delta))),
            ("ice/data", Some(("ice", LakeFormat::Iceberg))),
            ("plain", None),
            ("absent", None),
        ] {
            let expected =
                expected.map(|(folder, format)| LakeTable { folder: top.join(folder), format });
            // A table is found for each folder in it.
            assert_eq!(LakeSearch::default().find(&top.join(folder)), expected, "{folder}");
            if expected.is_none() {
                assert_eq!(search.find(&top.join(folder)), None);
            }
        }
    }
}
