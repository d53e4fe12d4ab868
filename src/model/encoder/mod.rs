//! Raw feature → design columns: learned on training rows, stored in the model, the same for train,
//! score and export.

mod fit;
mod independent;
mod inputs;
mod number;
mod scale;
mod spline;

use std::collections::BTreeMap;

pub(crate) use fit::{check_bases, check_names};
pub use inputs::Raw;
pub(crate) use inputs::{BLOCK, Inputs};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis};
pub use number::Number;
use polars::prelude::DataFrame;
pub use scale::Scale;
use serde::{Deserialize, Serialize};
pub use spline::{Hinge, Jump};

use crate::error::Result;
use crate::log::Kind;

/// Name of the level of missing texts.
pub const MISSING: &str = "(missing)";
/// Name of the level of rare and unseen texts.
pub const OTHER: &str = "(other)";

/// How a text feature becomes 0/1 columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// The reference level, which has no column.
    pub base: String,
    /// Levels and their standardised columns; `None` where one was left out.
    pub levels: Vec<(String, Option<Scale>)>,
    /// Levels too rare for a column of their own.
    pub pooled: Vec<String>,
    /// The column of the pooled levels; `None` without them or where it was left out.
    pub other: Option<Scale>,
    /// The most frequent level of the training rows.
    pub typical: String,
}

/// How one feature becomes design columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Way {
    /// A number.
    Number(Number),
    /// A text.
    Text(Text),
}

/// A feature that has design columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Name of the feature.
    pub feature: String,
    /// What it measures.
    pub measure: String,
    /// Days its window looks back; `None` without a window.
    pub window: Option<u32>,
    /// How it becomes design columns.
    pub way: Way,
    /// Share of training rows in which it is null.
    pub missing_share: f64,
}

/// What one design column is of its feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part<'a> {
    /// The treated value.
    Value,
    /// Whether the treated value lies above this.
    Jump(f64),
    /// By how much the treated value exceeds this, else 0.
    Hinge(f64),
    /// Whether the value is missing.
    Missing,
    /// Whether the text is this level.
    Level(&'a str),
}

/// A design column.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignColumn<'a> {
    /// Name: the feature, `{feature}>{minimum}`, `{feature} from {knot}`, `missing_{feature}` or
    /// `{feature}={level}`.
    pub name: String,
    /// Index of its feature in [`Preprocessor::features`].
    pub feature: usize,
    /// What it is of the feature.
    pub part: Part<'a>,
    /// How it was standardised.
    pub scale: Scale,
}

impl DesignColumn<'_> {
    /// The value it has in most rows, where there is one: that of a 0/1 column for 0, if few
    /// training rows have 1.
    #[must_use]
    pub fn usual(&self) -> Option<f64> {
        /// Share up to which most of eight rows, which are scored together, have 0.
        const FEW: f64 = 0.125;
        let flag = matches!(self.part, Part::Jump(_) | Part::Missing | Part::Level(_));
        (flag && self.scale.mean <= FEW).then(|| self.scale.apply(0.0))
    }
}

/// From feature columns to the standardised design matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    /// Features with at least one design column, in the order of the catalogue.
    pub features: Vec<Prepared>,
}

/// The design matrix, and what was met for the first time.
#[derive(Debug, Clone)]
pub struct Design {
    /// Shape (rows, columns), standardised, without intercept column.
    pub x: Array2<f64>,
    /// Texts that no training row had: how many rows, by feature.
    pub unseen: BTreeMap<String, u64>,
}

impl Prepared {
    /// The design columns, in their order.
    fn columns(&self, feature: usize) -> Vec<DesignColumn<'_>> {
        let column = |name: String, part, scale: Option<Scale>| {
            scale.map(|scale| DesignColumn { name, feature, part, scale })
        };
        match &self.way {
            Way::Number(number) => {
                let value = column(self.feature.clone(), Part::Value, number.value);
                let missing =
                    column(format!("missing_{}", self.feature), Part::Missing, number.missing);
                let bends = number
                    .bends(&self.feature)
                    .into_iter()
                    .filter_map(|(name, part, scale)| column(name, part, scale));
                value.into_iter().chain(bends).chain(missing).collect()
            }
            Way::Text(text) => {
                let level = |(level, scale): &'_ (String, Option<Scale>)| (level.clone(), *scale);
                let named: Vec<(String, Option<Scale>)> = text.levels.iter().map(level).collect();
                let mut columns = Vec::new();
                for ((name, scale), (stored, _)) in named.into_iter().zip(&text.levels) {
                    columns.extend(column(
                        format!("{}={name}", self.feature),
                        Part::Level(stored),
                        scale,
                    ));
                }
                columns.extend(column(
                    format!("{}={OTHER}", self.feature),
                    Part::Level(OTHER),
                    text.other,
                ));
                columns
            }
        }
    }
}

impl Text {
    /// The level a text counts as: itself, [`OTHER`] where it is rare or unseen, the base where
    /// nothing was pooled.
    #[must_use]
    pub fn level<'a>(&'a self, value: Option<&'a str>) -> Level<'a> {
        let value = value.unwrap_or(MISSING);
        if value == self.base {
            return Level { counts_as: &self.base, unseen: false };
        }
        if let Some((level, _)) = self.levels.iter().find(|(level, _)| level == value) {
            return Level { counts_as: level, unseen: false };
        }
        let unseen = self.pooled.binary_search_by(|p| p.as_str().cmp(value)).is_err();
        Level { counts_as: if self.pooled.is_empty() { &self.base } else { OTHER }, unseen }
    }
}

/// What a text counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level<'a> {
    /// A level, the base or [`OTHER`].
    pub counts_as: &'a str,
    /// Whether no training row had this text.
    pub unseen: bool,
}

impl Preprocessor {
    /// The design columns, in the order of the columns of the design matrix.
    #[must_use]
    pub fn columns(&self) -> Vec<DesignColumn<'_>> {
        self.features.iter().enumerate().flat_map(|(at, prepared)| prepared.columns(at)).collect()
    }

    /// What each feature is taken for, so that a batch is read as the training rows were.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<String, Kind> {
        let kind =
            |way: &Way| if matches!(way, Way::Number(_)) { Kind::Number } else { Kind::Text };
        self.features.iter().map(|p| (p.feature.clone(), kind(&p.way))).collect()
    }

    /// Turn features into the design matrix.
    ///
    /// # Arguments
    /// * `features` – a column per feature, numbers as `Float64` (NaN as null), texts as `String`;
    ///   other columns are passed over
    /// * `rows` – indices of the rows wanted; `None`: all
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType): a feature is absent or of another type
    pub fn transform(&self, features: &DataFrame, rows: Option<&[u32]>) -> Result<Design> {
        let inputs = self.inputs(features, rows)?;
        let n = rows.map_or(features.height(), <[u32]>::len);
        let mut x = Array2::zeros((n, self.columns().len()));
        let blocks = x.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate();
        let unseen = blocks.map(|(at, mut block)| {
            let mut columns = Array2::zeros((block.ncols(), block.nrows()));
            let unseen =
                inputs.fill(&(at * BLOCK..at * BLOCK + block.nrows()), &mut columns.view_mut());
            block.assign(&columns.t());
            unseen
        });
        let add = |a: Vec<u64>, b: Vec<u64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let unseen = unseen.reduce(|| vec![0; self.features.len()], add);
        Ok(Design { x, unseen: inputs.named(&unseen).collect() })
    }
}
