//! The training rows as later batches are held against them.

use crate::design::{Prepared, Preprocessor, Way, numbers, texts};
use crate::error::{Error, Result};
use crate::model::Side;
use crate::profile::{FeatureProfile, Profile, ScoreProfile};
use crate::rows::Rows;

/// Count the values of the features that a model reads.
///
/// # Arguments
/// * `trained` – the training rows, and how the model scores them
/// # Errors
/// * [`Error::Unsuitable`]: a feature has no column
pub(super) fn profile(preprocessor: &Preprocessor, rows: &Rows, train: &[u32], (side, scores): (&Side, ScoreProfile)) -> Result<Profile> {
    let of = |prepared: &Prepared| {
        let name = prepared.feature.as_str();
        let column = rows.features.column(name).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        Ok(match prepared.way {
            Way::Number(_) => FeatureProfile::of_numbers(name, &numbers(column, Some(train))?),
            Way::Text(_) => FeatureProfile::of_texts(name, &texts(column, Some(train))?),
        })
    };
    let features = preprocessor.features.iter().map(of).collect::<Result<_>>()?;
    Ok(Profile { rows: side.rows, accounts: side.accounts, features, scores })
}
