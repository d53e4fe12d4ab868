//! Rows to learn from and to judge by, from a log or a matrix.

use std::collections::BTreeSet;

use polars::prelude::*;

use crate::config::Config;
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::counts::{Extent, Side};
use crate::dataset::features::{Catalogue, Feature, FeatureKind};
use crate::dataset::matrix::Matrix;
use crate::dataset::observations::{
    Observations, Outcome, Split, rows_of, split_by_time, stable_share,
};
use crate::error::Result;
use crate::log::{Log, Names};
use crate::warning::{DroppedFeature, Finding, Warning};

/// A PQL definition beside rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The definition's name.
    pub name: String,
    /// The log from which it was found ended here, µs UTC; `None` where it was thought of.
    pub found_until: Option<i64>,
    /// Whether it has held before the cutoff of each row.
    pub rows: Vec<bool>,
}

/// Rows with features, accounts and outcomes, from a log or a matrix.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The features, a column each; other columns are passed over.
    pub features: DataFrame,
    /// What each feature of the design is, in the order of the catalogue.
    pub kinds: Vec<Feature>,
    /// Which usage features there are; `None` where a matrix was given.
    pub catalogue: Option<Catalogue>,
    /// Account of each row, a code in `names`.
    pub account: Vec<u32>,
    /// Names of the accounts.
    pub names: Names,
    /// Cutoff of each row, µs UTC; `None` where a matrix has none.
    pub cutoff: Option<Vec<i64>>,
    /// Outcome of each row; `None` where open.
    pub y: Vec<Option<bool>>,
    /// What each row is used for.
    pub split: Vec<Split>,
    /// The first test cutoff, where there is one.
    pub first_test: Option<i64>,
    /// Measures that too few training accounts have, or too late.
    pub left_out: Vec<DroppedFeature>,
    /// Signs of leakage in the log behind the rows.
    pub findings: Vec<Finding>,
    /// PQL definitions; none beside a matrix.
    pub held: Vec<Held>,
    /// What a user should know.
    pub warnings: Vec<Warning>,
}

impl Rows {
    /// Rows of a log.
    #[must_use]
    pub fn of_log(
        log: Log,
        observations: Observations,
        catalogue: Catalogue,
        features: DataFrame,
    ) -> Self {
        let mut warnings = log.warnings;
        if !log.listed {
            warnings.push(Warning::NoAccountList);
        }
        Self {
            features,
            kinds: catalogue.features(),
            catalogue: Some(catalogue),
            account: observations.account,
            names: log.accounts.id,
            cutoff: Some(observations.cutoff),
            y: observations.outcome.into_iter().map(Outcome::label).collect(),
            split: observations.split,
            first_test: observations.first_test,
            left_out: Vec::new(),
            findings: Vec::new(),
            held: Vec::new(),
            warnings,
        }
    }

    /// Rows of a matrix: split by its own column, else by time, else by a stable hash of the
    /// account.
    ///
    /// # Arguments
    /// * `test` – share held out, 0: all labelled rows train
    #[must_use]
    pub fn of_matrix(matrix: Matrix, config: &Config) -> Self {
        let mut names: Vec<Box<str>> = matrix.account.iter().map(|a| a.as_str().into()).collect();
        names.sort_unstable();
        names.dedup();
        let names = Names::from_sorted(names);
        let code = |account: &String| {
            u32::try_from(names.code(account).expect("it was listed"))
                .expect("accounts have u32 codes")
        };
        let account: Vec<u32> = matrix.account.iter().map(code).collect();
        let labelled: Vec<bool> = matrix.y.iter().map(Option::is_some).collect();
        let test = config.model.test;
        let span = config.observation.gap.0 + config.observation.horizon.0;
        let first_of = |split: &[Split], cutoff: &[i64]| {
            split.iter().zip(cutoff).filter(|(s, _)| **s == Split::Test).map(|(_, c)| *c).min()
        };
        let (split, first_test) = match (&matrix.split, &matrix.cutoff) {
            _ if test == 0.0 => (vec![Split::Train; labelled.len()], None),
            (Some(split), cutoff) => {
                (split.clone(), cutoff.as_ref().and_then(|c| first_of(split, c)))
            }
            (None, Some(cutoff)) => split_by_time(cutoff, &labelled, span, test),
            (None, None) => {
                let held_out = |a: &String| stable_share("split", config.model.seed, a) < test;
                (
                    matrix
                        .account
                        .iter()
                        .map(|a| if held_out(a) { Split::Test } else { Split::Train })
                        .collect(),
                    None,
                )
            }
        };
        let split = split
            .into_iter()
            .zip(&labelled)
            .map(|(s, labelled)| if *labelled { s } else { Split::Unused })
            .collect();
        Self {
            kinds: matrix.features.get_column_names().iter().map(|n| Feature::given(n)).collect(),
            features: matrix.features,
            catalogue: None,
            account,
            names,
            cutoff: matrix.cutoff,
            y: matrix.y,
            split,
            first_test,
            left_out: Vec::new(),
            findings: Vec::new(),
            held: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The same without measures of usage in the design; their columns stay in the table.
    #[must_use]
    pub fn without(mut self, left_out: Vec<DroppedFeature>) -> Self {
        self.kinds.retain(|feature| {
            feature.kind == FeatureKind::Given
                || left_out.iter().all(|l| l.column != feature.measure)
        });
        self.left_out = left_out;
        self
    }

    /// What was left out of the table, too.
    pub(crate) fn not_computed(&self) -> Vec<DroppedFeature> {
        let computed = self.catalogue.as_ref().map(Catalogue::features).unwrap_or_default();
        self.left_out
            .iter()
            .filter(|l| computed.iter().all(|f| f.measure != l.column))
            .cloned()
            .collect()
    }

    pub(crate) fn of(&self, split: Split) -> Vec<u32> {
        rows_of(&self.split, split)
    }

    pub(crate) fn outcomes(&self, rows: &[u32]) -> Vec<bool> {
        rows.iter().map(|r| self.y[*r as usize] == Some(true)).collect()
    }

    pub(crate) fn accounts(&self, rows: &[u32]) -> Vec<u32> {
        rows.iter().map(|r| self.account[*r as usize]).collect()
    }

    pub(crate) fn cutoffs(&self, rows: &[u32]) -> Option<Vec<i64>> {
        self.cutoff.as_ref().map(|cutoff| rows.iter().map(|r| cutoff[*r as usize]).collect())
    }

    pub(crate) fn side(&self, rows: &[u32]) -> Side {
        let accounts: BTreeSet<u32> = self.accounts(rows).into_iter().collect();
        let positive: Vec<u32> =
            rows.iter().copied().filter(|r| self.y[*r as usize] == Some(true)).collect();
        let converting: BTreeSet<u32> = self.accounts(&positive).into_iter().collect();
        Side {
            rows: rows.len() as u64,
            accounts: accounts.len() as u64,
            positive_rows: positive.len() as u64,
            converting_accounts: converting.len() as u64,
        }
    }

    pub(crate) fn extent(&self, train: &[u32], test: &[u32]) -> Extent {
        let open = self.y.iter().filter(|y| y.is_none()).count();
        let cutoffs = || self.cutoff.iter().flat_map(|c| train.iter().map(|r| c[*r as usize]));
        Extent {
            train: self.side(train),
            test: self.side(test),
            open: open as u64,
            purged: (self.y.len() - open - train.len() - test.len()) as u64,
            first_train: cutoffs().min(),
            last_train: cutoffs().max(),
            first_test: self.first_test,
        }
    }
}

/// BLAKE3 of the training matrix: column names, then each column's values in row order, keys and
/// outcomes.
pub(crate) fn fingerprint(rows: &Rows, train: &[u32]) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, t: &str| {
        hasher.update(&(t.len() as u64).to_le_bytes()).update(t.as_bytes());
    };
    for feature in &rows.kinds {
        text(&mut hasher, &feature.name);
    }
    for feature in &rows.kinds {
        let column = feature_column(&rows.features, &feature.name)?;
        if column.dtype() == &DataType::Float64 {
            for value in numbers(column, Some(train))? {
                hasher
                    .update(&[u8::from(value.is_some())])
                    .update(&value.unwrap_or(0.0).to_le_bytes());
            }
        } else {
            for value in texts(column, Some(train))? {
                hasher.update(&[u8::from(value.is_some())]);
                text(&mut hasher, value.as_deref().unwrap_or(""));
            }
        }
    }
    for row in train {
        let at = *row as usize;
        text(&mut hasher, &rows.names[rows.account[at] as usize]);
        hasher
            .update(&rows.cutoff.as_ref().map_or(i64::MIN, |c| c[at]).to_le_bytes())
            .update(&[u8::from(rows.y[at] == Some(true))]);
    }
    Ok(*hasher.finalize().as_bytes())
}
