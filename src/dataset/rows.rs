//! Training and test rows, from a log or a feature matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::*;

use crate::config::{Config, SplitScheme};
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Feature, FeatureCatalog, FeatureKind};
use crate::dataset::identifiers::find_unasked;
use crate::dataset::matrix::Matrix;
use crate::dataset::observations::{Observations, Outcome, stable_share};
use crate::dataset::split::{
    RowsToSplit, Split, SplitAssignment, SplitMethod, SplitOptions, rows_in_split,
};
use crate::dataset::split_summary::{SampleCounts, SplitSummary};
use crate::error::{Error, Result};
use crate::log::{Log, Names, NumberFormat, TrainingActivity};
use crate::names::nearest;
use crate::warning::{DroppedFeature, Finding, SplitProblem, Warning};

/// The rows that match a PQL definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionMatches {
    /// Name of the definition.
    pub name: String,
    /// End of the log on which the definition was discovered, µs UTC; `None` for a definition that
    /// was written by hand.
    pub found_until: Option<i64>,
    /// Whether the account of each row matched the definition before the cutoff.
    pub matches: Vec<bool>,
}

/// Rows with features, accounts and outcomes, from a log or a feature matrix.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The features, one column each; other columns are ignored.
    pub features: DataFrame,
    /// Descriptions of the features available to the design, in the order of the catalog.
    pub design_features: Vec<Feature>,
    /// The catalog of usage features; `None` for a feature matrix.
    pub catalog: Option<FeatureCatalog>,
    /// Account of each row, a code in `names`.
    pub account: Vec<u32>,
    /// Ids of the accounts.
    pub names: Names,
    /// Cutoff of each row, µs UTC; `None` for a feature matrix without cutoffs.
    pub cutoff: Option<Vec<i64>>,
    /// Whether each row converted; `None` where immature.
    pub y: Vec<Option<bool>>,
    /// Training set, test set or neither, for each row.
    pub split: Vec<Split>,
    /// First cutoff of the test set, µs UTC; `None` without test cutoffs.
    pub first_test: Option<i64>,
    /// How the test rows were chosen.
    pub split_method: SplitMethod,
    /// Why they are not the configured test set, if they are not.
    pub split_problem: Option<SplitProblem>,
    /// Measures without enough support among the training accounts.
    pub dropped: Vec<DroppedFeature>,
    /// Possible leaks found in the log.
    pub findings: Vec<Finding>,
    /// PQL definitions and the rows that match them; empty for a feature matrix.
    pub definitions: Vec<DefinitionMatches>,
    /// Warnings about the rows.
    pub warnings: Vec<Warning>,
    /// Formats of numbers other than decimal points, as in [`ColumnTypes::formats`].
    ///
    /// [`ColumnTypes::formats`]: crate::log::ColumnTypes::formats
    pub formats: BTreeMap<String, NumberFormat>,
    /// Events of the last days of the log; `None` for a feature matrix.
    pub activity: Option<TrainingActivity>,
}

impl Rows {
    /// Creates training rows of a feature matrix without cutoffs, one for each outcome.
    #[cfg(test)]
    pub(crate) fn for_tests(features: DataFrame, y: Vec<Option<bool>>) -> Self {
        let names = features.get_column_names().into_iter();
        Self {
            design_features: names.map(|name| Feature::external(name)).collect(),
            catalog: None,
            account: (0..).take(y.len()).collect(),
            names: Names::default(),
            cutoff: None,
            split: vec![Split::Train; y.len()],
            first_test: None,
            split_method: SplitMethod::None,
            split_problem: None,
            dropped: Vec::new(),
            findings: Vec::new(),
            definitions: Vec::new(),
            warnings: Vec::new(),
            formats: BTreeMap::new(),
            activity: None,
            features,
            y,
        }
    }

    /// Creates rows from the observations of a log.
    #[must_use]
    pub fn from_log(
        log: Log,
        observations: Observations,
        catalog: FeatureCatalog,
        features: DataFrame,
    ) -> Self {
        let mut warnings = log.warnings;
        if !log.listed {
            warnings.push(Warning::NoAccountList);
        }
        Self {
            features,
            design_features: catalog.features(),
            catalog: Some(catalog),
            account: observations.account,
            names: log.accounts.id,
            cutoff: Some(observations.cutoff),
            y: observations.outcome.into_iter().map(Outcome::label).collect(),
            split: observations.split,
            first_test: observations.first_test,
            split_method: observations.split_method,
            split_problem: observations.split_problem,
            dropped: Vec::new(),
            findings: Vec::new(),
            definitions: Vec::new(),
            warnings,
            formats: log.formats,
            activity: Some(log.daily.activity()),
        }
    }

    /// Creates rows from a feature matrix, split by its column `split`, else by time, else by a
    /// stable hash of the account.
    ///
    /// With `model.test_size = 0`, all labeled rows are training rows.
    ///
    /// Row numbers, times and identifiers are no features, unless `[design]` names them.
    ///
    /// # Errors
    /// * [`Error::Table`]: a column is neither `Float64` nor `String`
    pub fn from_matrix(matrix: Matrix, config: &Config) -> Result<Self> {
        let mut names: Vec<Box<str>> = matrix.account.iter().map(|a| a.as_str().into()).collect();
        names.sort_unstable();
        names.dedup();
        let names = Names::from_sorted(names);
        let code = |account: &String| {
            u32::try_from(names.code(account).expect("it was listed"))
                .expect("accounts have u32 codes")
        };
        let account: Vec<u32> = matrix.account.iter().map(code).collect();
        let split = split_matrix(&matrix, &account, config);
        let dropped = find_unasked(&matrix.features, names.len(), &config.design)?;
        let columns = matrix.features.get_column_names();
        let used = columns.iter().filter(|n| dropped.iter().all(|d| d.column != n.as_str()));
        Ok(Self {
            design_features: used.map(|n| Feature::external(n)).collect(),
            features: matrix.features,
            catalog: None,
            account,
            names,
            cutoff: matrix.cutoff,
            y: matrix.y,
            split: split.split,
            first_test: split.first_test,
            split_method: split.method,
            split_problem: split.problem,
            dropped,
            findings: Vec::new(),
            definitions: Vec::new(),
            warnings: matrix.warnings,
            formats: matrix.formats,
            activity: None,
        })
    }

    /// Creates rows from a feature matrix with the usage features of a log, in the order of rows of
    /// a log. Other columns are refused, since a log cannot give their values.
    ///
    /// # Arguments
    /// * `path` – the matrix, for messages
    /// # Errors
    /// * [`Error::MissingFeature`]: the matrix lacks a usage feature
    /// * [`Error::MissingColumn`]: the matrix lacks accounts or cutoffs
    /// * [`Error::Usage`]: the matrix has another column
    pub fn from_usage_matrix(
        matrix: Matrix,
        config: &Config,
        catalog: FeatureCatalog,
        path: &Path,
    ) -> Result<Self> {
        let design_features = catalog.features();
        check_usage_columns(&matrix, &design_features, path)?;
        let mut rows = Self::from_matrix(matrix, config)?;
        let cutoff = rows.cutoff.as_ref().expect("the cutoffs were checked");
        let mut order: Vec<u32> = (0..).take(rows.account.len()).collect();
        order.sort_by_key(|row| (rows.account[*row as usize], cutoff[*row as usize]));
        let features: Vec<Column> = design_features
            .iter()
            .map(|feature| feature_column(&rows.features, &feature.name).cloned())
            .collect::<Result<_>>()?;
        let failed = |e| Error::table("the feature matrix", e);
        let features = DataFrame::new(order.len(), features).map_err(failed)?;
        let index = IdxCa::from_vec("row".into(), order.clone());
        rows.features = features.take(&index).map_err(failed)?;
        rows.cutoff = Some(in_order(cutoff, &order));
        rows.account = in_order(&rows.account, &order);
        rows.y = in_order(&rows.y, &order);
        rows.split = in_order(&rows.split, &order);
        (rows.catalog, rows.design_features) = (Some(catalog), design_features);
        rows.dropped.clear();
        Ok(rows)
    }

    /// Removes usage measures from the design; their columns remain in the table.
    #[must_use]
    pub fn drop_measures(mut self, dropped: Vec<DroppedFeature>) -> Self {
        self.design_features.retain(|feature| {
            feature.kind == FeatureKind::External
                || dropped.iter().all(|d| d.column != feature.measure)
        });
        self.dropped = dropped;
        self
    }

    /// Returns the dropped measures that are not in the table either.
    pub(crate) fn uncomputed_measures(&self) -> Vec<DroppedFeature> {
        let computed = self.catalog.as_ref().map(FeatureCatalog::features).unwrap_or_default();
        self.dropped
            .iter()
            .filter(|d| computed.iter().all(|f| f.measure != d.column))
            .cloned()
            .collect()
    }

    /// Returns the indices of the rows of one split.
    pub(crate) fn split_rows(&self, split: Split) -> Vec<u32> {
        rows_in_split(&self.split, split)
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

    /// Counts rows, accounts and conversions of some rows.
    pub(crate) fn sample_counts(&self, rows: &[u32]) -> SampleCounts {
        let accounts: BTreeSet<u32> = self.accounts(rows).into_iter().collect();
        let positive: Vec<u32> =
            rows.iter().copied().filter(|r| self.y[*r as usize] == Some(true)).collect();
        let converting: BTreeSet<u32> = self.accounts(&positive).into_iter().collect();
        SampleCounts {
            rows: rows.len() as u64,
            accounts: accounts.len() as u64,
            positive_rows: positive.len() as u64,
            converting_accounts: converting.len() as u64,
        }
    }

    /// Summarizes the training and test rows.
    pub(crate) fn split_summary(&self, train: &[u32], test: &[u32]) -> SplitSummary {
        let immature = self.y.iter().filter(|y| y.is_none()).count();
        let cutoffs = || self.cutoff.iter().flat_map(|c| train.iter().map(|r| c[*r as usize]));
        SplitSummary {
            train: self.sample_counts(train),
            test: self.sample_counts(test),
            immature: immature as u64,
            purged: self.purged(),
            first_train: cutoffs().min(),
            last_train: cutoffs().max(),
            first_test: self.first_test,
            method: self.split_method,
        }
    }

    /// Counts the rows with an outcome that are in neither set.
    fn purged(&self) -> u64 {
        let unused = |(split, y): &(&Split, &Option<bool>)| **split == Split::Unused && y.is_some();
        self.split.iter().zip(&self.y).filter(unused).count() as u64
    }
}

/// Returns the values of rows in an order.
fn in_order<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|row| values[*row as usize]).collect()
}

/// Checks that a matrix has accounts, cutoffs and exactly the usage features.
fn check_usage_columns(matrix: &Matrix, features: &[Feature], path: &Path) -> Result<()> {
    let names = || matrix.features.get_column_names().into_iter().map(PlSmallStr::as_str);
    let missing = features.iter().find(|f| names().all(|name| name != f.name));
    if let Some(Feature { name, .. }) = missing {
        return Err(Error::MissingFeature {
            path: Some(path.to_owned()),
            feature: name.clone(),
            suggestion: nearest(name, names()),
        });
    }
    if matrix.cutoff.is_none() {
        return Err(Error::MissingColumn {
            path: path.to_owned(),
            column: "cutoff".to_owned(),
            role: "`matrix.cutoff`, which `--like` requires".to_owned(),
            suggestion: nearest("cutoff", names()),
        });
    }
    match names().find(|name| features.iter().all(|f| f.name != *name)) {
        None => Ok(()),
        Some(other) => Err(Error::Usage {
            problem: format!(
                "`{}`: found the column `{other}`, expected only features of the model in `--like`",
                path.display()
            ),
            hint: Some(
                "leave the column out, or train without `--like` to score only feature matrices"
                    .to_owned(),
            ),
        }),
    }
}

/// Splits a feature matrix by its column `split`, else by time, else by a stable hash of the
/// account.
///
/// With `model.test_size = 0`, all labeled rows are training rows.
fn split_matrix(matrix: &Matrix, account: &[u32], config: &Config) -> SplitAssignment {
    let (options, seed) = (SplitOptions::from(&config.model), config.model.seed);
    let rows = RowsToSplit { account, converted: &matrix.y };
    let span = config.observation.gap.0 + config.observation.horizon.0;
    let no_test_set = options.test_size == 0.0 && options.scheme != SplitScheme::CrossValidation;
    match (&matrix.split, &matrix.cutoff) {
        (Some(split), cutoff) if !no_test_set => given_split(split, cutoff.as_deref(), &matrix.y),
        (_, Some(cutoff)) => rows.by_time((cutoff, config.input.timezone), span, options),
        (_, None) => {
            let held_out =
                |account: &String| stable_share("split", seed, account) < options.test_size;
            let held_out: Vec<bool> = matrix.account.iter().map(held_out).collect();
            rows.by_account(&held_out, options)
        }
    }
}

/// Takes the split from the column `split`; rows without an outcome are in neither set.
fn given_split(
    split: &[Split],
    cutoff: Option<&[i64]>,
    converted: &[Option<bool>],
) -> SplitAssignment {
    let labeled = split.iter().zip(converted);
    let split: Vec<Split> = labeled
        .map(|(split, converted)| if converted.is_some() { *split } else { Split::Unused })
        .collect();
    let is_test = |(split, _): &(&Split, &i64)| **split == Split::Test;
    let first_test =
        cutoff.and_then(|cutoff| split.iter().zip(cutoff).filter(is_test).map(|(_, c)| *c).min());
    let method = if split.contains(&Split::CrossValidated) {
        SplitMethod::CrossValidation
    } else {
        SplitMethod::Column
    };
    SplitAssignment { split, first_test, method, problem: None }
}

/// Computes the BLAKE3 hash of the training data: feature names, feature values column by column,
/// accounts, cutoffs and outcomes.
pub(crate) fn fingerprint(rows: &Rows, train: &[u32]) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    for feature in &rows.design_features {
        hash_text(&mut hasher, &feature.name);
    }
    for feature in &rows.design_features {
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
                hash_text(&mut hasher, value.as_deref().unwrap_or(""));
            }
        }
    }
    hash_outcomes(&mut hasher, rows, train);
    Ok(*hasher.finalize().as_bytes())
}

/// Computes the BLAKE3 hash of the accounts, cutoffs and outcomes of some rows.
pub(crate) fn rows_fingerprint(rows: &Rows, indices: &[u32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hash_outcomes(&mut hasher, rows, indices);
    *hasher.finalize().as_bytes()
}

/// Hashes a text with its length.
fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
}

/// Hashes the account, cutoff and outcome of each row.
fn hash_outcomes(hasher: &mut blake3::Hasher, rows: &Rows, indices: &[u32]) {
    for row in indices {
        let index = *row as usize;
        hash_text(hasher, &rows.names[rows.account[index] as usize]);
        hasher
            .update(&rows.cutoff.as_ref().map_or(i64::MIN, |c| c[index]).to_le_bytes())
            .update(&[u8::from(rows.y[index] == Some(true))]);
    }
}
