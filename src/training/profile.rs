//! Computes the reference profile of the training rows.

use rayon::prelude::*;

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::{RowSubset, SortedFeatures};
use crate::dataset::split_summary::SampleCounts;
use crate::error::Result;
use crate::model::encoder::{Encoding, FeatureEncoder, Preprocessor};
use crate::model::profile::{FeatureProfile, ReferenceProfile, RowBands, ScoreProfile};
use crate::model::tenure::{TENURE, TenureBands};

/// The training rows and their scores.
pub(super) struct ProfileRows<'a> {
    pub(super) rows: &'a Rows,
    /// The features of the rows, sorted.
    pub(super) sorted: &'a SortedFeatures<'a>,
    pub(super) train: &'a [u32],
    pub(super) sample: &'a SampleCounts,
    /// Probability of each training row.
    pub(super) probabilities: &'a [f64],
    pub(super) threshold: f64,
}

/// Computes the distributions of the features and scores of the training rows.
///
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature): a feature has no column
pub(super) fn profile(
    preprocessor: &Preprocessor,
    profiled: &ProfileRows<'_>,
) -> Result<ReferenceProfile> {
    let ProfileRows { rows, sorted, train, sample, probabilities, threshold } = *profiled;
    let subset = RowSubset::new(train, rows.y.len());
    let (tenure, bands) = tenure_bands(preprocessor, profiled)?;
    let feature_profile = |encoder: &FeatureEncoder| {
        let name = encoder.feature.as_str();
        let column = feature_column(&rows.features, name)?;
        Ok(match encoder.encoding {
            Encoding::Numeric(_) => {
                let ascending = sorted.ascending(name, &subset)?;
                let ascending: Vec<f64> = ascending.into_iter().map(|(_, value)| value).collect();
                let values = numbers(column, Some(train))?;
                FeatureProfile::from_sorted(name, (&values, &ascending), &bands)
            }
            Encoding::Categorical(_) => {
                FeatureProfile::from_texts(name, &texts(column, Some(train))?, &bands)
            }
        })
    };
    Ok(ReferenceProfile {
        rows: sample.rows,
        accounts: sample.accounts,
        features: preprocessor.features.par_iter().map(feature_profile).collect::<Result<_>>()?,
        scores: ScoreProfile::from_probabilities(probabilities, threshold, &bands),
        tenure,
        activity: rows.activity.clone(),
    })
}

/// Returns bands of account age and the band of each training row. Rows of a feature matrix have
/// ages only if the model uses them.
fn tenure_bands(
    preprocessor: &Preprocessor,
    ProfileRows { rows, train, sample, .. }: &ProfileRows<'_>,
) -> Result<(TenureBands, RowBands)> {
    let is_used = || preprocessor.features.iter().any(|encoder| encoder.feature == TENURE);
    let has_ages = (rows.catalog.is_some() || is_used())
        && rows.features.column(TENURE).is_ok_and(|column| column.dtype().is_primitive_numeric());
    let ages: Option<Vec<f64>> = if has_ages {
        numbers(feature_column(&rows.features, TENURE)?, Some(train))?.into_iter().collect()
    } else {
        None
    };
    let Some(ages) = ages else {
        let bands = TenureBands::single(sample.rows, sample.accounts);
        return Ok((bands, RowBands::single(train.len())));
    };
    let account: Vec<u32> = train.iter().map(|row| rows.account[*row as usize]).collect();
    let bands = TenureBands::from_rows(&ages, &account);
    let band = |age: &f64| bands.band(*age).expect("the bands are from these ages");
    let of_row = RowBands { count: bands.len(), of_row: ages.iter().map(band).collect() };
    Ok((bands, of_row))
}
