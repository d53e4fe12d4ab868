//! Loading of rows into a table of a database, in one transaction.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::connection::OpenConnection;
use super::databases;
use crate::error::{Error, Result};
use crate::io::write::{OutputFile, UnfinishedFolder};
use crate::query::TableName;

/// File of the rows before they are loaded.
const FILE: &str = "rows.arrows";

/// What happens to the rows of a table that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadMode {
    /// Rows of the same model and cutoff are replaced; the others remain.
    Append,
    /// All rows are replaced.
    Replace,
    /// Rows of the same accounts are replaced; the others remain.
    Upsert,
}

/// Rows that are collected in a temporary file, to be loaded into a table.
pub(crate) struct TableLoad {
    path: PathBuf,
    table: TableName,
    mode: LoadMode,
    connection: OpenConnection,
    folder: UnfinishedFolder,
}

impl TableLoad {
    /// Connects to the database of a path such as `warehouse:analytics.pql_scores`.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the name of the table is invalid, or a driver or variable is missing
    /// * [`Error::Database`]: the database refuses the connection
    /// * [`Error::Write`]: the folder for temporary files is not writable
    pub(crate) fn new(path: &Path, mode: LoadMode) -> Result<Self> {
        let text = path.to_string_lossy();
        let (name, table) = text.split_once(':').unwrap_or_default();
        let table = TableName::parse(table).map_err(|problem| Error::Usage {
            problem: format!("`{text}`: {problem}"),
            hint: Some("name a table, such as `warehouse:analytics.pql_scores`".to_owned()),
        })?;
        let config = databases().connections[name].clone();
        let connection = OpenConnection::for_writing(name, &config)?;
        let temporary = std::env::temp_dir();
        let folder = UnfinishedFolder::create_private(&temporary)
            .map_err(|source| Error::Write { path: temporary, source })?;
        Ok(Self { path: path.to_owned(), table, mode, connection, folder })
    }

    /// Returns the file to which the rows are written as a stream of Arrow IPC.
    pub(crate) fn file(&self) -> OutputFile {
        OutputFile::managed(&self.folder.path().join(FILE))
    }

    /// Loads the rows of the file and returns the address of the table, which is created if it does
    /// not exist.
    ///
    /// # Errors
    /// * [`Error::Database`]: the load fails; the table is as before
    pub(crate) fn finish(mut self) -> Result<String> {
        let path = self.folder.path().join(FILE);
        let rows = File::open(&path).map_err(|source| Error::Read { path, source })?;
        self.connection.load(&self.path, &self.table, self.mode, rows)?;
        Ok(self.path.display().to_string())
    }
}
