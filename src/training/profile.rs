//! The training rows as later batches are held against them.

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::counts::Side;
use crate::dataset::rows::Rows;
use crate::error::Result;
use crate::model::encoder::{Prepared, Preprocessor, Way};
use crate::model::profile::{FeatureProfile, Profile, ScoreProfile};

/// Count the values of the features that a model reads.
///
/// # Arguments
/// * `trained` – the training rows, and how the model scores them
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature): a feature has no column
pub(super) fn profile(
    preprocessor: &Preprocessor,
    rows: &Rows,
    train: &[u32],
    (side, scores): (&Side, ScoreProfile),
) -> Result<Profile> {
    let of = |prepared: &Prepared| {
        let name = prepared.feature.as_str();
        let column = feature_column(&rows.features, name)?;
        Ok(match prepared.way {
            Way::Number(_) => FeatureProfile::of_numbers(name, &numbers(column, Some(train))?),
            Way::Text(_) => FeatureProfile::of_texts(name, &texts(column, Some(train))?),
        })
    };
    let features = preprocessor.features.iter().map(of).collect::<Result<_>>()?;
    Ok(Profile { rows: side.rows, accounts: side.accounts, features, scores })
}
