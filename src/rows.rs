//! Rows to learn from and to judge by, from a log or a matrix.

use std::collections::BTreeSet;

use polars::prelude::*;

use crate::config::{Config, DesignRule};
use crate::design::{LeftOut, Preprocessor, numbers, texts};
use crate::error::{Error, Result};
use crate::features::{Catalogue, Feature, FeatureKind};
use crate::finding::Finding;
use crate::ingest::{Log, Names};
use crate::matrix::Matrix;
use crate::model::{Extent, Side};
use crate::observe::{Observations, Outcome, Split, rows_of, split_by_time, stable_share};

/// Converting training accounts wanted for each design column: with fewer coefficients are hardly known (Peduzzi et al. 1996).
pub(crate) const PER_COLUMN: u32 = 10;

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
    pub left_out: Vec<LeftOut>,
    /// Signs of leakage in the log behind the rows.
    pub findings: Vec<Finding>,
    /// PQL definitions; none beside a matrix.
    pub held: Vec<Held>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

impl Rows {
    /// Rows of a log.
    #[must_use]
    pub fn of_log(log: Log, observations: Observations, catalogue: Catalogue, features: DataFrame) -> Self {
        let mut warnings = log.warnings;
        if !log.listed {
            warnings.push("without an account list the base rate is among accounts with at least one event".to_owned());
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

    /// Rows of a matrix: split by its own column, else by time, else by a stable hash of the account.
    ///
    /// # Arguments
    /// * `test` – share held out, 0: all labelled rows train
    #[must_use]
    pub fn of_matrix(matrix: Matrix, config: &Config) -> Self {
        let mut names: Vec<Box<str>> = matrix.account.iter().map(|a| a.as_str().into()).collect();
        names.sort_unstable();
        names.dedup();
        let names = Names::from_sorted(names);
        let code = |account: &String| u32::try_from(names.code(account).expect("it was listed")).expect("accounts have u32 codes");
        let account: Vec<u32> = matrix.account.iter().map(code).collect();
        let labelled: Vec<bool> = matrix.y.iter().map(Option::is_some).collect();
        let test = config.model.test;
        let span = config.observation.gap.0 + config.observation.horizon.0;
        let first_of =
            |split: &[Split], cutoff: &[i64]| split.iter().zip(cutoff).filter(|(s, _)| **s == Split::Test).map(|(_, c)| *c).min();
        let (split, first_test) = match (&matrix.split, &matrix.cutoff) {
            _ if test == 0.0 => (vec![Split::Train; labelled.len()], None),
            (Some(split), cutoff) => (split.clone(), cutoff.as_ref().and_then(|c| first_of(split, c))),
            (None, Some(cutoff)) => split_by_time(cutoff, &labelled, span, test),
            (None, None) => {
                let held_out = |a: &String| stable_share("split", config.model.seed, a) < test;
                (matrix.account.iter().map(|a| if held_out(a) { Split::Test } else { Split::Train }).collect(), None)
            }
        };
        let split = split.into_iter().zip(&labelled).map(|(s, labelled)| if *labelled { s } else { Split::Unused }).collect();
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
    pub fn without(mut self, left_out: Vec<LeftOut>) -> Self {
        self.kinds.retain(|feature| feature.kind == FeatureKind::Given || left_out.iter().all(|l| l.column != feature.measure));
        self.left_out = left_out;
        self
    }

    /// What was left out of the table, too.
    pub(crate) fn not_computed(&self) -> Vec<LeftOut> {
        let computed = self.catalogue.as_ref().map(Catalogue::features).unwrap_or_default();
        self.left_out.iter().filter(|l| computed.iter().all(|f| f.measure != l.column)).cloned().collect()
    }

    /// The same with as many event names counted as leave 10 converting training accounts for each design column, those that most
    /// training accounts used.
    ///
    /// Nothing is lowered where `design.use` names the columns, and where no model can be trained.
    /// # Errors
    /// * [`Error::Unsuitable`]: a feature has no column
    pub fn with_fewer_counts(mut self, config: &Config) -> Result<Self> {
        let train = self.of(Split::Train);
        let side = self.side(&train);
        let trains = (1..side.rows).contains(&side.positive_rows) && side.converting_accounts >= config.model.min_conversions as u64;
        let allowed = usize::try_from(side.converting_accounts).unwrap_or(usize::MAX) / PER_COLUMN as usize;
        if !trains || !config.design.keep.is_empty() || self.most_columns(config)? <= allowed {
            return Ok(self);
        }
        // What cannot be prepared is refused, and explained, later on.
        let Ok(by_rank) = self.columns_by_rank(config, &train) else { return Ok(self) };
        let (all, counted): (usize, usize) = (by_rank.iter().sum(), by_rank.len() - 1);
        let (mut counts, mut columns) = (counted, all);
        while counts > 0 && columns > allowed {
            columns -= by_rank[counts];
            counts -= 1;
        }
        if counts < counted {
            self.warnings.push(format!(
                "`features.counts` lowered from {} to {counts}: {} converting training accounts are fewer than {PER_COLUMN} for each of {all} design columns",
                config.features.counts, side.converting_accounts
            ));
            self.count_only(counts)?;
        }
        Ok(self)
    }

    /// A bound of the number of design columns: a number and whether it is missing, and all levels of a text.
    fn most_columns(&self, config: &Config) -> Result<usize> {
        let unsuitable = |e: PolarsError| Error::Unsuitable { problem: e.to_string(), hint: None };
        let most = |feature: &Feature| {
            let column = self.features.column(&feature.name).map_err(unsuitable)?;
            let is_text = column.dtype() == &DataType::String || config.design.categories.contains(&feature.name);
            if is_text { column.n_unique().map_err(unsuitable) } else { Ok(2) }
        };
        self.kinds.iter().map(most).sum()
    }

    /// How many design columns there are without counts, and how many more by each counted event name, the one that most accounts used first.
    ///
    /// Counts stand last: since a column is left out by those before it alone, one fit tells of any number of counts.
    fn columns_by_rank(&self, config: &Config, train: &[u32]) -> Result<Vec<usize>> {
        let counted = self.catalogue.as_ref().map_or(&[][..], |c| &c.counted);
        let rank = |f: &Feature| counted.iter().position(|n| f.is_count_of(n)).map_or(0, |rank| rank + 1);
        let mut order = self.kinds.clone();
        order.sort_by_key(rank);
        // Jumps and knots of a spline do not count: the penalty holds them near 0.
        let straight = DesignRule { spline: 0, ..config.design.clone() };
        let (preprocessor, _) = Preprocessor::fit(&self.features, &order, train, &straight)?;
        let mut by_rank = vec![0; counted.len() + 1];
        for column in preprocessor.columns() {
            let name = &preprocessor.features[column.feature].feature;
            by_rank[order.iter().find(|f| f.name == *name).map_or(0, rank)] += 1;
        }
        Ok(by_rank)
    }

    /// Take away the columns of all but the first counted event names.
    fn count_only(&mut self, counts: usize) -> Result<()> {
        let Some(catalogue) = &mut self.catalogue else { return Ok(()) };
        let dropped = catalogue.counted.split_off(counts);
        for feature in self.kinds.extract_if(.., |feature| dropped.iter().any(|name| feature.is_count_of(name))) {
            self.features.drop_in_place(&feature.name).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        }
        Ok(())
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

    fn side(&self, rows: &[u32]) -> Side {
        let accounts: BTreeSet<u32> = self.accounts(rows).into_iter().collect();
        let positive: Vec<u32> = rows.iter().copied().filter(|r| self.y[*r as usize] == Some(true)).collect();
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

/// BLAKE3 of the training matrix: column names, then each column's values in row order, keys and outcomes.
pub(crate) fn fingerprint(rows: &Rows, train: &[u32]) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, t: &str| {
        hasher.update(&(t.len() as u64).to_le_bytes()).update(t.as_bytes());
    };
    for feature in &rows.kinds {
        text(&mut hasher, &feature.name);
    }
    for feature in &rows.kinds {
        let column = rows.features.column(&feature.name).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        if column.dtype() == &DataType::Float64 {
            for value in numbers(column, Some(train))? {
                hasher.update(&[u8::from(value.is_some())]).update(&value.unwrap_or(0.0).to_le_bytes());
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
        hasher.update(&rows.cutoff.as_ref().map_or(i64::MIN, |c| c[at]).to_le_bytes()).update(&[u8::from(rows.y[at] == Some(true))]);
    }
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureKind;

    /// A log's rows of 200 accounts, of which so many convert: four columns, counts of `a`, `b` and `c` among them.
    fn rows(converting: u32, b_is_a: bool) -> Rows {
        let mut catalogue = Catalogue {
            windows: vec![7],
            roles: Vec::new(),
            counted: Vec::new(),
            sums: Vec::new(),
            attributes: Vec::new(),
            seats: false,
            known: Vec::new(),
            known_rows: 0,
        };
        catalogue.counted = ["a", "b", "c"].map(str::to_owned).to_vec();
        let kinds: Vec<Feature> = ["events", "count_a", "count_b", "count_c"]
            .map(|measure| Feature {
                name: format!("{measure}_7d"),
                measure: measure.to_owned(),
                window: Some(7),
                kind: FeatureKind::Count,
            })
            .to_vec();
        let value = |at: u32, row: u32| f64::from((row * (at + 3) * 37 + at * 11) % 23);
        let column = |(at, feature): (u32, &Feature)| {
            let at = if b_is_a && at == 2 { 1 } else { at };
            Column::new(feature.name.as_str().into(), (0..200).map(|row| value(at, row)).collect::<Vec<_>>())
        };
        Rows {
            features: DataFrame::new(200, (0..).zip(&kinds).map(column).collect()).unwrap(),
            kinds,
            catalogue: Some(catalogue),
            account: (0..200).collect(),
            names: Names::default(),
            cutoff: None,
            y: (0..200).map(|row| Some(row < converting)).collect(),
            split: vec![Split::Train; 200],
            first_test: None,
            left_out: Vec::new(),
            findings: Vec::new(),
            held: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn lowered(rows: Rows, config: &Config) -> (Vec<String>, Vec<String>) {
        let lowered = rows.with_fewer_counts(config).unwrap();
        let names: Vec<&str> = lowered.features.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
        assert_eq!(names, lowered.kinds.iter().map(|f| f.name.as_str()).collect::<Vec<_>>());
        (lowered.catalogue.unwrap().counted, lowered.warnings)
    }

    #[test]
    fn counts_are_lowered_to_the_largest_number_that_leaves_ten_converting_accounts_a_column() {
        for (converting, counts) in [(40, 3), (39, 2), (30, 2), (29, 1), (20, 1), (19, 0), (10, 0)] {
            let (counted, warnings) = lowered(rows(converting, false), &Config::default());
            assert_eq!(counted, ["a", "b", "c"][..counts], "{converting} convert");
            assert_eq!(warnings.len(), usize::from(counts < 3));
        }
        let (_, warnings) = lowered(rows(29, false), &Config::default());
        assert_eq!(
            warnings,
            ["`features.counts` lowered from 20 to 1: 29 converting training accounts are fewer than 10 for each of 4 design columns"]
        );
        assert_eq!(lowered(rows(30, true), &Config::default()).0.len(), 3, "a column that repeats another is none");
    }

    #[test]
    fn counts_stay_where_columns_are_named_or_no_model_is_to_be_had() {
        let mut config = Config::default();
        assert_eq!(lowered(rows(9, false), &config).0.len(), 3, "fewer than `min_conversions`");
        config.model.min_conversions = 0;
        assert_eq!(lowered(rows(0, false), &config).0.len(), 3, "one class");
        assert_eq!(lowered(rows(9, false), &config).0.len(), 0);
        config.design.keep = vec!["events_7d".to_owned(), "count_c_7d".to_owned()];
        assert_eq!(lowered(rows(10, false), &config).0.len(), 3);
    }
}
