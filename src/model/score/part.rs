//! The arithmetic of rows, block by block, and their columns of the table.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use polars::prelude::*;
use pql_stats::intervals::Interval;

use super::largest::Largest;
use super::qualified::{WORDS, of_row};
use super::{Batch, REASONS, Scorer, Summary, TIERS, tier};
use crate::dataset::observations::stable_share;
use crate::error::{Error, Result};
use crate::io::write::{Coded, Table, Values, time_column, truth_column};
use crate::log::cells;
use crate::model::encoder::{BLOCK, Inputs};
use crate::model::explain::{Reason, Reasons};
use crate::rules::definition::{Kinds, Pql};
use crate::warning::Unscored;

/// What the numbers of a row give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) probability: f64,
    pub(super) interval: Option<Interval>,
}

impl Scorer<'_> {
    /// Score a row by its log-odds and their variance.
    pub(super) fn row(&self, eta: f64, variance: Option<f64>) -> Row {
        let calibration = &self.model.calibration;
        Row {
            probability: calibration.probability(eta),
            interval: variance.map(|variance| calibration.interval(eta, variance)),
        }
    }

    /// Why a row is not scored: a value is infinite, which makes its log-odds so, whatever the
    /// coefficient.
    pub(super) fn not_finite(&self, eta: f64, x: ArrayView1<'_, f64>) -> Option<Unscored> {
        let at = if eta.is_finite() { None } else { x.iter().position(|v| !v.is_finite()) };
        at.map(|at| Unscored::NotFinite {
            column: self.model.preprocessor.columns()[at].name.clone(),
        })
    }
}

/// Columns of the table; NaN where a row has no number.
struct Scores {
    probability: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Places among the texts of the reasons.
    reasons: [Vec<u32>; REASONS],
}

impl Scores {
    fn with_capacity(n: usize) -> Self {
        let column = || Vec::with_capacity(n);
        Self {
            probability: column(),
            low: column(),
            high: column(),
            reasons: [(); REASONS].map(|()| vec![Coded::NONE; n]),
        }
    }

    fn push(&mut self, row: Option<&Row>) {
        let interval = row.and_then(|row| row.interval);
        self.probability.push(row.map_or(f64::NAN, |row| row.probability));
        self.low.push(interval.map_or(f64::NAN, |interval| interval.low));
        self.high.push(interval.map_or(f64::NAN, |interval| interval.high));
    }
}

impl Summary {
    /// Add a scored row.
    fn count(&mut self, scorer: &Scorer<'_>, probability: f64) {
        self.scored += 1;
        self.expected_conversions += probability;
        if probability >= scorer.model.threshold {
            self.reached += 1;
            self.expected_of_reached += probability;
            if let (Some(value), Some(worth)) = (&mut self.expected_value, scorer.worth) {
                *value += probability * worth.deal - worth.touch;
            }
        }
    }
}

/// Rows of a batch that one thread scores.
pub(super) struct Part<'a> {
    scorer: &'a Scorer<'a>,
    inputs: Inputs<'a>,
    unscored: &'a [Option<Unscored>],
    reasons: Reasons,
    scores: Scores,
    summary: Summary,
}

impl<'a> Part<'a> {
    /// Score some rows of a batch.
    pub(super) fn score(
        scorer: &'a Scorer<'a>,
        batch: &Batch<'a>,
        rows: Range<usize>,
    ) -> Result<(Table, Summary)> {
        let (preprocessor, n) = (&scorer.model.preprocessor, rows.len());
        let start = i64::try_from(rows.start).expect("rows are in memory");
        let mut part = Self {
            scorer,
            inputs: preprocessor.inputs(&batch.features.slice(start, n), None)?,
            unscored: batch.unscored.get(rows.clone()).unwrap_or_default(),
            reasons: scorer.reasons_before(),
            scores: Scores::with_capacity(n),
            summary: Summary { expected_value: scorer.worth.map(|_| 0.0), ..Summary::default() },
        };
        let mut x = Array2::zeros((scorer.coef.len(), BLOCK.min(n)));
        let mut unseen = vec![0; preprocessor.features.len()];
        for first in (0..n).step_by(BLOCK) {
            let block = first..n.min(first + BLOCK);
            let mut x = x.slice_axis_mut(Axis(1), Slice::from(..block.len()));
            let counts = part.inputs.fill(&block, &mut x);
            unseen.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            part.block(first, x.view());
        }
        part.summary.unseen = part.inputs.named(&unseen).collect();
        let pqls = batch.pqls.get(rows.clone()).unwrap_or_default();
        part.table(&batch.account.slice(start, n), &batch.cutoff[rows], pqls)
    }

    /// Score the rows from `first` on, `x` being their columns.
    fn block(&mut self, first: usize, x: ArrayView2<'_, f64>) {
        let scorer = self.scorer;
        let log_odds = scorer.model.fit.log_odds_by_column(x);
        let variances = scorer.variances.as_ref().map(|variances| variances.of_rows(x));
        let largest = (scorer.reasons > 0).then(|| Largest::of(&scorer.measures, &scorer.coef, x));
        for (at, eta) in log_odds.into_iter().enumerate() {
            let unscored = self.unscored.get(first + at).cloned().flatten();
            if let Some(reason) = unscored.or_else(|| scorer.not_finite(eta, x.column(at))) {
                self.scores.push(None);
                self.scores.reasons[0][first + at] = self.reasons.place_of(&reason.to_string());
                *self.summary.unscored.entry(reason).or_default() += 1;
                continue;
            }
            let row = scorer.row(eta, variances.as_ref().map(|v| v[at]));
            self.summary.count(scorer, row.probability);
            self.scores.push(Some(&row));
            let found = largest.as_ref().map_or([None; REASONS], |largest| largest.of_row(at));
            for (rank, measure) in found.into_iter().flatten().take(scorer.reasons).enumerate() {
                let contribution =
                    scorer.measures.contribution(measure, &scorer.coef, |column| x[[column, at]]);
                let feature =
                    scorer.measures.heaviest(measure, &scorer.coef, |column| x[[column, at]]);
                let reason =
                    Reason { feature, value: self.inputs.raw(feature, first + at), contribution };
                self.scores.reasons[rank][first + at] = self.reasons.place(&scorer.words, &reason);
            }
        }
    }

    /// The columns of the table.
    fn table(
        self,
        account: &Column,
        cutoff: &[Option<i64>],
        pqls: &[Option<Pql>],
    ) -> Result<(Table, Summary)> {
        let Self { scorer, scores, reasons, mut summary, .. } = self;
        let account =
            account.as_materialized_series().str().map_err(|e| Error::table("the accounts", e))?;
        let kept_out = |account: Option<&str>| {
            account.is_some_and(|account| {
                stable_share("holdout", scorer.seed, account) < scorer.holdout
            })
        };
        let holdout: Vec<Option<bool>> = match scorer.holdout {
            0.0 => vec![Some(false); cutoff.len()],
            _ => account.iter().map(|account| Some(kept_out(account))).collect(),
        };
        let pqls = (0..cutoff.len()).map(|row| pqls.get(row).copied().flatten());
        let reach = |p: &f64| Some(*p >= scorer.model.threshold).filter(|_| !p.is_nan());
        let found = scores
            .probability
            .iter()
            .map(reach)
            .zip(pqls.clone())
            .map(|(reached, pql)| of_row(scorer.by, reached, pql.is_some()));
        let (qualified, by): (Vec<Option<bool>>, Vec<u32>) =
            found.map(|(qualified, by)| (qualified, by.unwrap_or(Coded::NONE))).unzip();
        summary.pqls = pqls.clone().flatten().count() as u64;
        summary.qualified =
            qualified.iter().filter(|qualified| **qualified == Some(true)).count() as u64;
        let by = Coded::new(Arc::new(WORDS.map(Arc::from).to_vec()), by);
        let kinds = Coded::new(
            Arc::new(Kinds::all_in_words().into_iter().map(Arc::from).collect()),
            pqls.clone().map(|pql| pql.map_or(Coded::NONE, |pql| pql.kinds.code())).collect(),
        );
        // In a loop of their own the searches of several rows go on at once.
        let percentile =
            |p: &f64| if p.is_nan() { *p } else { scorer.model.reference.percentile(*p) };
        let percentile: Vec<f64> = scores.probability.iter().map(percentile).collect();
        let place = |p: &f64| {
            if p.is_nan() { Coded::NONE } else { u32::try_from(tier(*p)).expect("there are four") }
        };
        let tiers = Coded::new(
            Arc::new(TIERS.map(Arc::from).to_vec()),
            percentile.iter().map(place).collect(),
        );
        let label = Coded::new(Arc::new(vec![scorer.label.as_str().into()]), vec![0; cutoff.len()]);
        let texts = reasons.texts();
        scorer.keep(reasons);
        let plain = |column: Column| Values::Plain(column);
        let mut columns = vec![
            ("account_id", plain(account.clone().into_column().with_name("account_id".into()))),
            ("cutoff", plain(time_column("cutoff", cutoff.iter().copied()))),
            ("probability", plain(cells::nullable("probability", scores.probability))),
            ("probability_low", plain(cells::nullable("probability_low", scores.low))),
            ("probability_high", plain(cells::nullable("probability_high", scores.high))),
            ("percentile", plain(cells::nullable("percentile", percentile))),
            ("tier", Values::Coded(tiers)),
            ("qualified", plain(truth_column("qualified", &qualified))),
            ("qualified_by", Values::Coded(by)),
            ("pql_types", Values::Coded(kinds)),
            ("pql_at", plain(time_column("pql_at", pqls.map(|pql| pql.map(|pql| pql.at))))),
            ("holdout", plain(truth_column("holdout", &holdout))),
        ];
        for (name, places) in ["reason_1", "reason_2", "reason_3"].into_iter().zip(scores.reasons) {
            columns.push((name, Values::Coded(Coded::new(texts.clone(), places))));
        }
        columns.push(("model", Values::Coded(label)));
        Ok((Table::new(cutoff.len(), columns), summary))
    }
}
