//! Stores a trained model with its card and test rows as a new version.

use std::path::{Path, PathBuf};

use super::versions::{self, MODEL_FILE, Promotion};
use crate::error::Result;
use crate::io::write::{Format, OutputFile, write_bytes, write_table};
use crate::model::card::{self, CARD_FILE};
use crate::training::TrainedModel;
use crate::training::test_set::TEST_ROWS_FILE;

/// Options of storing a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// When the new version becomes the champion (default: if it is the first version).
    pub promotion: Promotion,
    /// Whether to store the test rows (default: yes).
    pub test_rows: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { promotion: Promotion::IfFirst, test_rows: true }
    }
}

/// A stored version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredModel {
    /// The model file.
    pub path: PathBuf,
    /// Label: `NAME/VERSION`.
    pub label: String,
    /// Whether this version is the champion of its name.
    pub is_champion: bool,
}

/// Stores a model as the next version of its name.
///
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): the name cannot be a folder name
/// * [`Error::Write`](crate::Error::Write): the folder cannot be written
pub fn store_model(
    models: &Path,
    name: &str,
    trained: &TrainedModel,
    options: StoreOptions,
) -> Result<StoredModel> {
    let card = card::json(&trained.model, trained.cohorts.clone(), trained.quality.as_ref())?;
    let bytes = trained.model.to_bytes()?;
    let write = |folder: &Path| {
        let file = |name: &str| OutputFile::managed(&folder.join(name));
        write_bytes(&file(MODEL_FILE), &bytes)?;
        write_bytes(&file(CARD_FILE), &card)?;
        if options.test_rows && trained.test_rows.height() > 0 {
            write_table(&file(TEST_ROWS_FILE), Format::Parquet, &trained.test_rows)?;
        }
        Ok(())
    };
    let (location, is_champion) = versions::add(models, name, write, options.promotion)?;
    Ok(StoredModel { path: location.path, label: location.label, is_champion })
}
