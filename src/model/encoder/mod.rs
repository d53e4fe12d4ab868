//! Encodes features as design columns. Fitted on training rows, stored in the model, and shared by
//! training, scoring and export.

mod boundary;
mod fit;
mod independent;
mod inputs;
mod number;
mod query;
mod scale;
mod spline;
mod value_counts;

use std::collections::BTreeMap;

pub(crate) use boundary::{first_double, last_double};
pub(crate) use fit::{check_names, check_reference_levels};
pub use inputs::RawValue;
pub(crate) use inputs::{BLOCK, Inputs};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis};
pub use number::{Limit, NumericEncoding};
use polars::prelude::DataFrame;
pub(crate) use query::{ENCODED, ENCODED_ALIAS, EncodedRows, encode_stages};
pub use scale::Scale;
use serde::{Deserialize, Serialize};
pub use spline::{Hinge, Jump};
pub use value_counts::ValueCounts;

use crate::error::Result;
use crate::log::ValueKind;

/// Level of missing texts.
pub const MISSING: &str = "(missing)";
/// Level of rare and unseen texts.
pub const OTHER: &str = "(other)";

/// Encoding of a text feature as 0/1 columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalEncoding {
    /// Reference level, which has no column.
    pub reference_level: String,
    /// Levels, ascending, with their standardized columns; `None`: the column was dropped.
    pub levels: Vec<(String, Option<Scale>)>,
    /// Levels too rare for a column of their own, ascending.
    pub rare_levels: Vec<String>,
    /// Column of the rare levels; `None` without rare levels, or if it was dropped.
    pub other: Option<Scale>,
    /// Most frequent level of the training rows.
    pub mode: String,
}

/// Encoding of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Encoding {
    /// Encoding of a number.
    Numeric(NumericEncoding),
    /// Encoding of a text.
    Categorical(CategoricalEncoding),
}

/// Encodes one feature as design columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureEncoder {
    /// Name of the feature.
    pub feature: String,
    /// Name of its measure.
    pub measure: String,
    /// Days of its window; `None` without a window.
    pub window: Option<u32>,
    /// Its encoding.
    pub encoding: Encoding,
    /// Share of the training rows in which it is missing.
    pub missing_share: f64,
}

/// The function of a feature that a design column computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term<'a> {
    /// The transformed value.
    Value,
    /// Whether the transformed value is above this value.
    Jump(f64),
    /// Excess of the transformed value over this knot, at least 0.
    Hinge(f64),
    /// Whether the value is missing.
    Missing,
    /// Whether the text is this level.
    Level(&'a str),
}

/// A design column.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignColumn<'a> {
    /// Name: `{feature}`, `{feature}>{minimum}`, `{feature} from {knot}`, `missing_{feature}` or
    /// `{feature}={level}`.
    pub name: String,
    /// Index of its feature in [`Preprocessor::features`].
    pub feature: usize,
    /// Function of the feature.
    pub term: Term<'a>,
    /// Mean and standard deviation in the training rows.
    pub scale: Scale,
}

impl DesignColumn<'_> {
    /// Returns the standardized value of most rows: that of 0 for a 0/1 column that is 1 in few
    /// training rows; `None` for other columns.
    #[must_use]
    pub fn modal_value(&self) -> Option<f64> {
        /// Share of ones up to which most of eight rows, which are scored together, are 0.
        const FEW: f64 = 0.125;
        let is_flag = matches!(self.term, Term::Jump(_) | Term::Missing | Term::Level(_));
        (is_flag && self.scale.mean <= FEW).then(|| self.scale.apply(0.0))
    }
}

/// Turns feature columns into the standardized design matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    /// Encoders of the features with at least one design column, in the order of the catalog.
    pub features: Vec<FeatureEncoder>,
}

/// A design matrix, with counts of values.
#[derive(Debug, Clone)]
pub struct Design {
    /// Shape (rows, columns), standardized, without intercept column.
    pub x: Array2<f64>,
    /// Values of each feature.
    pub values: BTreeMap<String, ValueCounts>,
}

impl FeatureEncoder {
    /// Returns the typical value: the lower median or most frequent level of the training rows.
    #[must_use]
    pub fn typical(&self) -> RawValue<'_> {
        match &self.encoding {
            Encoding::Numeric(number) => RawValue::Number(number.typical),
            Encoding::Categorical(text) => {
                RawValue::Text(Some(text.mode.as_str()).filter(|mode| *mode != MISSING))
            }
        }
    }

    /// Returns the design columns, in order.
    fn columns(&self, feature: usize) -> Vec<DesignColumn<'_>> {
        let column = |name: String, term, scale: Option<Scale>| {
            scale.map(|scale| DesignColumn { name, feature, term, scale })
        };
        match &self.encoding {
            Encoding::Numeric(number) => {
                let value = column(self.feature.clone(), Term::Value, number.value);
                let missing =
                    column(format!("missing_{}", self.feature), Term::Missing, number.missing);
                let bends = number
                    .spline_terms(&self.feature)
                    .into_iter()
                    .filter_map(|(name, term, scale)| column(name, term, scale));
                value.into_iter().chain(bends).chain(missing).collect()
            }
            Encoding::Categorical(text) => {
                let level = |(level, scale): &'_ (String, Option<Scale>)| (level.clone(), *scale);
                let named: Vec<(String, Option<Scale>)> = text.levels.iter().map(level).collect();
                let mut columns = Vec::new();
                for ((name, scale), (stored, _)) in named.into_iter().zip(&text.levels) {
                    columns.extend(column(
                        format!("{}={name}", self.feature),
                        Term::Level(stored),
                        scale,
                    ));
                }
                columns.extend(column(
                    format!("{}={OTHER}", self.feature),
                    Term::Level(OTHER),
                    text.other,
                ));
                columns
            }
        }
    }
}

impl CategoricalEncoding {
    /// Returns the level of a text: itself, or [`OTHER`] if it is rare or unseen, or the reference
    /// level without rare levels.
    #[must_use]
    pub fn level<'a>(&'a self, value: Option<&'a str>) -> Level<'a> {
        let value = value.unwrap_or(MISSING);
        if value == self.reference_level {
            return Level { name: &self.reference_level, unseen: false };
        }
        if let Ok(index) = self.levels.binary_search_by(|(level, _)| level.as_str().cmp(value)) {
            return Level { name: &self.levels[index].0, unseen: false };
        }
        let unseen = self.rare_levels.binary_search_by(|p| p.as_str().cmp(value)).is_err();
        Level { name: self.unknown_level(), unseen }
    }

    /// Returns the level of rare and unseen texts.
    pub(crate) fn unknown_level(&self) -> &str {
        if self.rare_levels.is_empty() { &self.reference_level } else { OTHER }
    }

    /// Returns the levels that count as themselves, the reference level first.
    pub(crate) fn known_levels(&self) -> impl Iterator<Item = &str> {
        let others = self.levels.iter().map(|(level, _)| level.as_str());
        std::iter::once(self.reference_level.as_str()).chain(others)
    }
}

/// The level of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level<'a> {
    /// A level with a column, the reference level or [`OTHER`].
    pub name: &'a str,
    /// Whether the text does not occur in the training rows.
    pub unseen: bool,
}

impl Preprocessor {
    /// Returns the columns of the design matrix, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<DesignColumn<'_>> {
        self.features
            .iter()
            .enumerate()
            .flat_map(|(index, encoder)| encoder.columns(index))
            .collect()
    }

    /// Returns the design row of the typical account: each feature has its typical value. Its
    /// numbers equal those of a row with these values to the last bit.
    #[must_use]
    pub fn typical_row(&self) -> Vec<f64> {
        let columns = self.columns();
        let values = self.typical_terms();
        columns.iter().zip(values).map(|(column, value)| column.scale.apply(value)).collect()
    }

    /// Returns the design row of the typical account before standardization.
    pub(crate) fn typical_terms(&self) -> Vec<f64> {
        let value = |column: &DesignColumn<'_>| match &self.features[column.feature].encoding {
            Encoding::Numeric(number) => {
                column.term.evaluate(number.transform(number.typical), number.typical.is_none())
            }
            Encoding::Categorical(text) => {
                let level = text.level(Some(&text.mode)).name;
                f64::from(u8::from(column.term == Term::Level(level)))
            }
        };
        self.columns().iter().map(value).collect()
    }

    /// Returns the type of each feature, so that batches are read like the training rows.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<String, ValueKind> {
        let kind = |encoding: &Encoding| {
            if matches!(encoding, Encoding::Numeric(_)) {
                ValueKind::Number
            } else {
                ValueKind::Text
            }
        };
        self.features.iter().map(|p| (p.feature.clone(), kind(&p.encoding))).collect()
    }

    /// Computes the design matrix.
    ///
    /// # Arguments
    /// * `features` – one column per feature: numbers as `Float64` (NaN counts as missing), texts
    ///   as `String`; other columns are ignored
    /// * `rows` – indices of the rows; `None`: all
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType): a feature is absent or has another type
    pub fn transform(&self, features: &DataFrame, rows: Option<&[u32]>) -> Result<Design> {
        let inputs = self.inputs(features, rows)?;
        let n = rows.map_or(features.height(), <[u32]>::len);
        let mut x = Array2::zeros((n, self.columns().len()));
        let blocks = x.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate();
        let values = blocks.map(|(index, mut block)| {
            let mut columns = Array2::zeros((block.ncols(), block.nrows()));
            let values = inputs
                .fill(&(index * BLOCK..index * BLOCK + block.nrows()), &mut columns.view_mut());
            block.assign(&columns.t());
            values
        });
        let none = || vec![ValueCounts::default(); self.features.len()];
        let add = |mut a: Vec<ValueCounts>, b: Vec<ValueCounts>| {
            a.iter_mut().zip(b).for_each(|(sum, counts)| sum.add(counts));
            a
        };
        let values = values.reduce(none, add);
        Ok(Design { x, values: inputs.named(values) })
    }
}
