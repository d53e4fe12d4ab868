//! Computes the reference profile of the training rows.

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::rows::Rows;
use crate::dataset::split_summary::SampleCounts;
use crate::error::Result;
use crate::model::encoder::{Encoding, FeatureEncoder, Preprocessor};
use crate::model::profile::{FeatureProfile, ReferenceProfile, ScoreProfile};

/// Computes the distributions of the features and scores of the training rows.
///
/// # Arguments
/// * `sample`, `scores` – counts and scores of the training rows
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature): a feature has no column
pub(super) fn profile(
    preprocessor: &Preprocessor,
    rows: &Rows,
    train: &[u32],
    (sample, scores): (&SampleCounts, ScoreProfile),
) -> Result<ReferenceProfile> {
    let feature_profile = |encoder: &FeatureEncoder| {
        let name = encoder.feature.as_str();
        let column = feature_column(&rows.features, name)?;
        Ok(match encoder.encoding {
            Encoding::Numeric(_) => {
                FeatureProfile::from_numbers(name, &numbers(column, Some(train))?)
            }
            Encoding::Categorical(_) => {
                FeatureProfile::from_texts(name, &texts(column, Some(train))?)
            }
        })
    };
    let features = preprocessor.features.iter().map(feature_profile).collect::<Result<_>>()?;
    Ok(ReferenceProfile { rows: sample.rows, accounts: sample.accounts, features, scores })
}
