//! Model + features → probabilities with percentile, tier and reasons.

mod account;

use std::collections::BTreeMap;

use ndarray::ArrayView1;
use polars::prelude::*;
use rayon::prelude::*;

use crate::config::{Config, Cut, Worth};
use crate::design::{Way, numbers, texts};
use crate::error::{Error, Result};
use crate::explain::{Measures, Raw, reason};
use crate::model::Model;
use crate::observe::stable_share;
use crate::output::time_column;
pub use account::{ColumnShare, Contribution, Explanation};

/// Reasons given for each account.
const REASONS: usize = 3;

/// Batch to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The features, a column each.
    pub features: &'a DataFrame,
    /// Account of each row.
    pub account: &'a [String],
    /// Cutoff of each row, µs UTC, where known.
    pub cutoff: &'a [Option<i64>],
    /// Why a row is not scored, in words; `None`: it is.
    pub unscored: &'a [Option<&'static str>],
}

/// What a run of scoring prints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows with a probability.
    pub scored: u64,
    /// Rows without, by reason.
    pub unscored: BTreeMap<String, u64>,
    /// Rows from the threshold up.
    pub qualified: u64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// Sum of the probabilities of those that qualify.
    pub expected_of_qualified: f64,
    /// What contacting those that qualify brings, where `qualify.value` says what a conversion is worth.
    pub expected_value: Option<f64>,
    /// Texts that no training row had: how many rows, by feature.
    pub unseen: BTreeMap<String, u64>,
}

impl Summary {
    /// Add the numbers of another batch.
    pub fn add(&mut self, other: Self) {
        self.scored += other.scored;
        self.qualified += other.qualified;
        self.expected_conversions += other.expected_conversions;
        self.expected_of_qualified += other.expected_of_qualified;
        self.expected_value = match (self.expected_value, other.expected_value) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        for (to, from) in [(&mut self.unscored, other.unscored), (&mut self.unseen, other.unseen)] {
            for (key, count) in from {
                *to.entry(key).or_default() += count;
            }
        }
    }
}

/// A model made ready for scoring.
#[derive(Debug)]
pub struct Scorer<'a> {
    model: &'a Model,
    measures: Measures,
    /// Coefficients as they act on the reported log-odds.
    coef: Vec<f64>,
    label: String,
    holdout: f64,
    seed: u64,
    worth: Option<Worth>,
}

/// The score of one row; NaN where there is none.
struct Score {
    probability: f64,
    interval: Option<(f64, f64)>,
    reasons: Vec<String>,
}

impl Score {
    fn none(why: String) -> Self {
        Self { probability: f64::NAN, interval: None, reasons: vec![why] }
    }
}

impl<'a> Scorer<'a> {
    /// Make a model ready; `label` is what the column `model` says.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the configuration in the model cannot be read
    pub fn new(model: &'a Model, label: &str) -> Result<Self> {
        let config: Config = model.config()?;
        let slope = model.calibration.base_and_slope().1;
        Ok(Self {
            model,
            measures: Measures::of(&model.preprocessor),
            coef: model.fit.coef.iter().map(|coef| slope * coef).collect(),
            label: label.to_owned(),
            holdout: config.qualify.holdout,
            seed: config.model.seed,
            worth: if let Cut::Value(worth) = config.qualify.cut() { Some(worth) } else { None },
        })
    }

    /// Compute the probability of each row, and nothing else; NaN where a feature is not finite.
    ///
    /// # Errors
    /// * [`Error::Unsuitable`]: a feature is absent or of another type
    pub fn probabilities(&self, features: &DataFrame) -> Result<Vec<f64>> {
        Ok(self.model.probabilities(self.model.preprocessor.transform(features, None)?.x.view()))
    }

    /// Score rows: a table in the order of the rows, and what to print about it.
    ///
    /// Columns: `account_id, cutoff, probability, probability_low, probability_high, percentile, tier, qualified, holdout, reason_1,
    /// reason_2, reason_3, model`. A row that is not scored has null probability and the reason why in `reason_1`. The 95 % interval is
    /// the uncertainty of the estimate; it is null after l1 and elastic net.
    /// # Errors
    /// * [`Error::Unsuitable`]: a feature is absent or of another type
    pub fn score(&self, rows: &Batch<'_>) -> Result<(DataFrame, Summary)> {
        let design = self.model.preprocessor.transform(rows.features, None)?;
        let raw = self.raw_columns(rows.features, None)?;
        let scores: Vec<Score> = (0..rows.account.len())
            .into_par_iter()
            .map_init(Vec::new, |sums, row| match rows.unscored[row] {
                Some(why) => Score::none(why.to_owned()),
                None => self.score_row(design.x.row(row), &raw, row, sums),
            })
            .collect();
        let summary = Summary { unseen: design.unseen, ..self.summary(&scores) };
        Ok((self.table(rows, &scores)?, summary))
    }

    fn summary(&self, scores: &[Score]) -> Summary {
        let mut summary = Summary { expected_value: self.worth.map(|_| 0.0), ..Summary::default() };
        for score in scores {
            let probability = score.probability;
            if probability.is_nan() {
                *summary.unscored.entry(score.reasons[0].clone()).or_default() += 1;
                continue;
            }
            summary.scored += 1;
            summary.expected_conversions += probability;
            if probability >= self.model.threshold {
                summary.qualified += 1;
                summary.expected_of_qualified += probability;
                if let (Some(value), Some(worth)) = (&mut summary.expected_value, self.worth) {
                    *value += probability * worth.deal - worth.touch;
                }
            }
        }
        summary
    }

    /// The table of no rows, with all its columns.
    ///
    /// # Errors
    /// * [`Error::Unsuitable`]: polars cannot hold it
    pub fn empty(&self) -> Result<DataFrame> {
        self.table(&Batch { features: &DataFrame::default(), account: &[], cutoff: &[], unscored: &[] }, &[])
    }

    fn raw_columns(&self, features: &DataFrame, rows: Option<&[u32]>) -> Result<Vec<RawColumn>> {
        let read = |prepared: &crate::design::Prepared| {
            let absent = |e: PolarsError| Error::Unsuitable { problem: e.to_string(), hint: None };
            let column = features.column(&prepared.feature).map_err(absent)?;
            Ok(match prepared.way {
                Way::Number(_) => RawColumn::Numbers(numbers(column, rows)?),
                Way::Text(_) => RawColumn::Texts(texts(column, rows)?),
            })
        };
        self.model.preprocessor.features.iter().map(read).collect()
    }

    fn score_row(&self, x: ArrayView1<'_, f64>, raw: &[RawColumn], row: usize, sums: &mut Vec<f64>) -> Score {
        let Model { fit, calibration, preprocessor, .. } = self.model;
        if let Some((at, _)) = x.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Score::none(format!("not scored: `{}` is not finite", preprocessor.columns()[at].name));
        }
        let eta = fit.intercept + x.dot(&ArrayView1::from(&fit.coef));
        let x = x.to_vec();
        self.measures.contributions(&self.coef, x.iter().copied(), sums);
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|a, b| sums[*b].abs().total_cmp(&sums[*a].abs()).then(a.cmp(b)));
        let say = |measure: &usize| {
            let feature = self.measures.heaviest(*measure, &self.coef, &x);
            reason(preprocessor, feature, &raw[feature].at(row), sums[*measure])
        };
        Score {
            probability: calibration.probability(eta),
            interval: fit.variance(&x).map(|variance| calibration.interval(eta, variance)),
            reasons: order.iter().take(REASONS).filter(|m| sums[**m] != 0.0).map(say).collect(),
        }
    }

    fn table(&self, rows: &Batch<'_>, scores: &[Score]) -> Result<DataFrame> {
        let present = |s: &Score| Some(s.probability).filter(|p| !p.is_nan());
        let percentile: Vec<Option<f64>> = scores.iter().map(|s| present(s).map(|p| self.model.reference.percentile(p))).collect();
        let end =
            |name: &str, of: fn((f64, f64)) -> f64| Column::new(name.into(), scores.iter().map(|s| s.interval.map(of)).collect::<Vec<_>>());
        let text = |name: &str, values: Vec<Option<&str>>| Column::new(name.into(), values);
        let mut columns = vec![
            Column::new("account_id".into(), rows.account),
            time_column("cutoff", rows.cutoff.iter().copied()),
            Column::new("probability".into(), scores.iter().map(present).collect::<Vec<_>>()),
            end("probability_low", |interval| interval.0),
            end("probability_high", |interval| interval.1),
            Column::new("percentile".into(), percentile.clone()),
            text("tier", percentile.iter().map(|p| p.map(tier)).collect()),
            Column::new("qualified".into(), scores.iter().map(|s| present(s).map(|p| p >= self.model.threshold)).collect::<Vec<_>>()),
            Column::new(
                "holdout".into(),
                rows.account.iter().map(|a| stable_share("holdout", self.seed, a) < self.holdout).collect::<Vec<_>>(),
            ),
        ];
        for at in 0..REASONS {
            columns.push(text(&format!("reason_{}", at + 1), scores.iter().map(|s| s.reasons.get(at).map(String::as_str)).collect()));
        }
        columns.push(text("model", vec![Some(self.label.as_str()); scores.len()]));
        DataFrame::new(scores.len(), columns).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })
    }
}

enum RawColumn {
    Numbers(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

impl RawColumn {
    fn at(&self, row: usize) -> Raw {
        match self {
            Self::Numbers(values) => Raw::Number(values[row]),
            Self::Texts(values) => Raw::Text(values[row].clone()),
        }
    }
}

/// A from percentile 95, B from 80, C from 50, D below.
pub(crate) fn tier(percentile: f64) -> &'static str {
    match percentile {
        p if p >= 95.0 => "A",
        p if p >= 80.0 => "B",
        p if p >= 50.0 => "C",
        _ => "D",
    }
}
