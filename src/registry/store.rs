//! Stores a trained model with its card and test rows as a new version.

use std::path::{Path, PathBuf};

use super::versions::{self, CARD_FILE, MODEL_FILE};
use crate::error::Result;
use crate::io::write::{Format, write_bytes, write_table};
use crate::model::card;
use crate::training::Trained;
use crate::training::test_set::ROWS_FILE;

/// How a model is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether the new version becomes the champion; the first version of a name always does (no).
    pub promote: bool,
    /// Whether the test rows are stored, too (yes).
    pub test_rows: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { promote: false, test_rows: true }
    }
}

/// A stored version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredModel {
    /// The model file.
    pub path: PathBuf,
    /// What scores call it: `NAME/VERSION`.
    pub label: String,
    /// Whether its name alone means this version.
    pub is_champion: bool,
}

/// Stores a model as the next version of its name.
///
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): the name is not one of a folder
/// * [`Error::Write`](crate::Error::Write): the folder cannot be written
pub fn store_model(
    models: &Path,
    name: &str,
    trained: &Trained,
    options: StoreOptions,
) -> Result<StoredModel> {
    let card = card::json(&trained.model, trained.cohorts.clone(), trained.quality.as_ref())?;
    let bytes = trained.model.to_bytes()?;
    let write = |folder: &Path| {
        write_bytes(&folder.join(MODEL_FILE), &bytes)?;
        write_bytes(&folder.join(CARD_FILE), &card)?;
        if options.test_rows && trained.test_rows.height() > 0 {
            write_table(&folder.join(ROWS_FILE), Format::Parquet, &trained.test_rows)?;
        }
        Ok(())
    };
    let (found, is_champion) = versions::add(models, name, write, options.promote)?;
    Ok(StoredModel { path: found.path, label: found.label, is_champion })
}
