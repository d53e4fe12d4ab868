//! Loading of rows into a table of a database, in one transaction.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::connection::OpenConnection;
use super::{databases, disconnect, table_of};
use crate::error::{Error, Result};
use crate::io::write::{OutputFile, UnfinishedFolder};
use crate::query::TableName;

/// File of the rows before they are loaded.
const FILE: &str = "rows.arrows";

/// What happens to the rows of a table that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadMode {
    /// Rows of the same account, model and cutoff are replaced; the others remain.
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
    connection: RefCell<OpenConnection>,
    folder: UnfinishedFolder,
}

impl fmt::Debug for TableLoad {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableLoad").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TableLoad {
    /// Connects to the database of a path such as `warehouse:analytics.pql_scores`.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the name of the table is invalid, or a driver or variable is missing
    /// * [`Error::Database`]: the database refuses the connection
    /// * [`Error::Write`]: the folder for temporary files is not writable
    pub(crate) fn new(path: &Path, mode: LoadMode) -> Result<Self> {
        let (name, table) = table_of(path)?;
        let table = TableName::parse(table).expect("the name was checked");
        let config = databases().connections[name].clone();
        let connection = OpenConnection::for_writing(name, &config)?.into();
        let temporary = std::env::temp_dir();
        let folder = UnfinishedFolder::create_private(&temporary)
            .map_err(|source| Error::Write { path: temporary, source })?;
        Ok(Self { path: path.to_owned(), table, mode, connection, folder })
    }

    /// Returns the file to which the rows are written as a stream of Arrow IPC.
    pub(crate) fn file(&self) -> OutputFile {
        OutputFile::managed(&self.folder.path().join(FILE))
    }

    /// Returns the path of the table.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Loads the rows of the file into the table, which is created if it does not exist.
    ///
    /// # Errors
    /// * [`Error::Database`]: the load fails; the table is as before
    pub(crate) fn finish(&self) -> Result<()> {
        let path = self.folder.path().join(FILE);
        let rows = File::open(&path).map_err(|source| Error::Read { path, source })?;
        // A transaction that reads could block the load, or be blocked by it.
        disconnect();
        self.connection.borrow_mut().load(&self.path, &self.table, self.mode, rows)
    }
}
