//! Connections of a build without the feature `adbc`: none can be opened.

use std::convert::Infallible;
use std::fs::File;
use std::path::Path;

use super::CopySummary;
use super::load::LoadMode;
use crate::config::ConnectionConfig;
use crate::error::{Error, Result};
use crate::query::TableName;

/// A connection, which a build without drivers cannot open.
pub(super) struct OpenConnection(Infallible);

impl OpenConnection {
    pub(super) fn for_writing(name: &str, config: &ConnectionConfig) -> Result<Self> {
        Self::for_reading(name, config)
    }

    pub(super) fn load(&mut self, _: &Path, _: &TableName, _: LoadMode, _: File) -> Result<()> {
        match self.0 {}
    }

    pub(super) fn for_reading(name: &str, _: &ConnectionConfig) -> Result<Self> {
        Err(Error::Usage {
            problem: format!("connection `{name}`: this pql was built without databases"),
            hint: Some(
                "install it with `--features adbc`, or export the tables to files".to_owned(),
            ),
        })
    }

    pub(super) fn read(&mut self, _: &Path, _: &str, _: &File) -> Result<CopySummary> {
        match self.0 {}
    }
}
