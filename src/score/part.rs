//! The arithmetic of rows, block by block, and their columns of the table.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis, Slice};
use polars::prelude::*;

use super::{Batch, REASONS, Scorer, Summary, TIERS, tier};
use crate::design::{BLOCK, Inputs};
use crate::error::{Error, Result};
use crate::explain::Reasons;
use crate::model::Model;
use crate::observe::stable_share;
use crate::output::{Coded, Table, Values, time_column};

/// What the numbers of a row give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Log-odds of the fit.
    pub(super) eta: f64,
    pub(super) probability: f64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) percentile: f64,
}

impl Scorer<'_> {
    /// Score one row of a design.
    ///
    /// # Errors
    /// * why it is not scored, where a value is not finite
    pub(super) fn row(&self, x: &[f64], variance: Option<f64>) -> std::result::Result<Row, String> {
        let Model { fit, calibration, reference, .. } = self.model;
        let eta = fit.intercept + ArrayView1::from(x).dot(&ArrayView1::from(&fit.coef));
        // What is not finite makes the sum so, whatever its coefficient.
        if !eta.is_finite()
            && let Some(at) = x.iter().position(|v| !v.is_finite())
        {
            return Err(format!("`{}` is not finite", self.model.preprocessor.columns()[at].name));
        }
        let probability = calibration.probability(eta);
        let interval = variance.map(|variance| calibration.interval(eta, variance));
        Ok(Row { eta, probability, interval, percentile: reference.percentile(probability) })
    }
}

/// Columns of the table; NaN where a row has no number.
#[derive(Default)]
struct Scores {
    probability: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    percentile: Vec<f64>,
    reasons: [Vec<Option<u32>>; REASONS],
}

impl Scores {
    fn push(&mut self, row: Option<&Row>, reasons: [Option<u32>; REASONS]) {
        let interval = row.and_then(|row| row.interval);
        self.probability.push(row.map_or(f64::NAN, |row| row.probability));
        self.low.push(interval.map_or(f64::NAN, |interval| interval.0));
        self.high.push(interval.map_or(f64::NAN, |interval| interval.1));
        self.percentile.push(row.map_or(f64::NAN, |row| row.percentile));
        for (column, reason) in self.reasons.iter_mut().zip(reasons) {
            column.push(reason);
        }
    }
}

/// Rows of a batch that one thread scores.
pub(super) struct Part<'a> {
    scorer: &'a Scorer<'a>,
    inputs: Inputs<'a>,
    unscored: &'a [Option<&'static str>],
    reasons: Reasons<'a>,
    scores: Scores,
    summary: Summary,
    /// Contributions of a row by measure.
    sums: Vec<f64>,
}

impl<'a> Part<'a> {
    /// Score some rows of a batch.
    pub(super) fn score(scorer: &'a Scorer<'a>, batch: &Batch<'a>, rows: Range<usize>) -> Result<(Table, Summary)> {
        let (preprocessor, n) = (&scorer.model.preprocessor, rows.len());
        let start = i64::try_from(rows.start).expect("rows are in memory");
        let mut part = Self {
            scorer,
            inputs: preprocessor.inputs(&batch.features.slice(start, n), None)?,
            unscored: batch.unscored.get(rows.clone()).unwrap_or_default(),
            reasons: Reasons::new(&scorer.words),
            scores: Scores::default(),
            summary: Summary { expected_value: scorer.worth.map(|_| 0.0), ..Summary::default() },
            sums: vec![0.0; scorer.measures.names.len()],
        };
        let mut x = Array2::zeros((BLOCK.min(n), scorer.coef.len()));
        let mut unseen = vec![0; preprocessor.features.len()];
        for first in (0..n).step_by(BLOCK) {
            let block = x.slice_axis_mut(Axis(0), Slice::from(..BLOCK.min(n - first)));
            let counts = part.block(first, block);
            unseen.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        part.summary.unseen = part.inputs.named(&unseen).collect();
        part.table(&batch.account.slice(start, n), &batch.cutoff[rows])
    }

    /// Score the rows from `first` on, as many as `x` has; answers for each feature how many texts were unseen.
    fn block(&mut self, first: usize, mut x: ArrayViewMut2<'_, f64>) -> Vec<u64> {
        let unseen = self.inputs.fill(first, &mut x);
        let variances = self.scorer.model.fit.variances(x.view());
        for (at, x) in x.rows().into_iter().enumerate() {
            let x = x.to_slice().expect("a block is by rows");
            let row = match self.unscored.get(first + at) {
                Some(Some(why)) => Err((*why).to_owned()),
                _ => self.scorer.row(x, variances.as_ref().map(|v| v[at])).map_err(|why| format!("not scored: {why}")),
            };
            match row {
                Ok(row) => self.take(first + at, x, &row),
                Err(why) => {
                    self.scores.push(None, [Some(self.reasons.place_of(why.clone())), None, None]);
                    *self.summary.unscored.entry(why).or_default() += 1;
                }
            }
        }
        unseen
    }

    /// Take in a scored row.
    fn take(&mut self, at: usize, x: &[f64], row: &Row) {
        let Self { scorer, inputs, reasons, scores, summary, sums, .. } = self;
        summary.scored += 1;
        summary.expected_conversions += row.probability;
        if row.probability >= scorer.model.threshold {
            summary.qualified += 1;
            summary.expected_of_qualified += row.probability;
            if let (Some(value), Some(worth)) = (&mut summary.expected_value, scorer.worth) {
                *value += row.probability * worth.deal - worth.touch;
            }
        }
        scorer.measures.contributions(&scorer.coef, x.iter().copied(), sums);
        let mut say = |measure: usize| {
            let feature = scorer.measures.heaviest(measure, &scorer.coef, x);
            reasons.place(feature, inputs.raw(feature, at), sums[measure])
        };
        let mut largest = largest(sums);
        largest[scorer.reasons..].fill(None);
        scores.push(Some(row), largest.map(|measure| measure.map(&mut say)));
    }

    /// The columns of the table.
    fn table(self, account: &Column, cutoff: &[Option<i64>]) -> Result<(Table, Summary)> {
        let Self { scorer, scores, reasons, summary, .. } = self;
        let account = account.as_materialized_series().str().map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        let holdout = |account: Option<&str>| {
            let share = |account| stable_share("holdout", scorer.seed, account);
            Some(scorer.holdout > 0.0 && account.is_some_and(|account| share(account) < scorer.holdout))
        };
        let holdout: BooleanChunked = account.iter().map(holdout).collect();
        let reach = |p: &f64| Some(*p >= scorer.model.threshold).filter(|_| !p.is_nan());
        let qualified: BooleanChunked = scores.probability.iter().map(reach).collect();
        let place = |p: &f64| u32::try_from(tier(*p)).ok().filter(|_| !p.is_nan());
        let tiers = Coded::new(Arc::new(TIERS.map(str::to_owned).to_vec()), scores.percentile.iter().map(place));
        let label = Coded::new(Arc::new(vec![scorer.label.clone()]), cutoff.iter().map(|_| Some(0)));
        let texts = Arc::new(reasons.texts());
        let plain = |column: Column| Values::Plain(column);
        let mut columns = vec![
            ("account_id", plain(account.clone().into_column().with_name("account_id".into()))),
            ("cutoff", plain(time_column("cutoff", cutoff.iter().copied()))),
            ("probability", plain(nullable("probability", scores.probability))),
            ("probability_low", plain(nullable("probability_low", scores.low))),
            ("probability_high", plain(nullable("probability_high", scores.high))),
            ("percentile", plain(nullable("percentile", scores.percentile))),
            ("tier", Values::Coded(tiers)),
            ("qualified", plain(qualified.into_column().with_name("qualified".into()))),
            ("holdout", plain(holdout.into_column().with_name("holdout".into()))),
        ];
        for (name, places) in ["reason_1", "reason_2", "reason_3"].into_iter().zip(scores.reasons) {
            columns.push((name, Values::Coded(Coded::new(texts.clone(), places.into_iter()))));
        }
        columns.push(("model", Values::Coded(label)));
        Ok((Table::new(cutoff.len(), columns), summary))
    }
}

/// A column in which NaN stands for null.
fn nullable(name: &str, values: Vec<f64>) -> Column {
    if values.iter().any(|v| v.is_nan()) {
        values.into_iter().map(|v| Some(v).filter(|v| !v.is_nan())).collect::<Float64Chunked>().with_name(name.into()).into_column()
    } else {
        Float64Chunked::from_vec(name.into(), values).into_column()
    }
}

/// The measures of the largest sums but 0, the largest first, of equal ones the first.
fn largest(sums: &[f64]) -> [Option<usize>; REASONS] {
    let mut found = [(0.0, None); REASONS];
    for (measure, sum) in sums.iter().enumerate() {
        let size = sum.abs();
        if size > found[REASONS - 1].0 {
            let at = found.iter().position(|(least, _)| size > *least).unwrap_or(REASONS - 1);
            found[at..].rotate_right(1);
            found[at] = (size, Some(measure));
        }
    }
    found.map(|(_, measure)| measure)
}
