//! Scores rows block by block, and builds the columns of the score table.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use polars::prelude::*;
use pql_stats::intervals::Interval;

use super::largest::TopFamilies;
use super::qualified::{QUALIFIED_BY, qualification};
use super::{CONCERN, REASON_COLUMNS, Scorer, ScoringBatch, ScoringSummary, TIERS, tier};
use crate::dataset::observations::stable_share;
use crate::error::{Error, Result};
use crate::io::write::{ColumnValues, DictionaryColumn, OutputTable, bool_column, time_column};
use crate::log::cells;
use crate::model::encoder::{BLOCK, Inputs, ValueCounts};
use crate::model::explain::{Contributions, ReasonTexts};
use crate::rules::definition::{DefinitionKinds, Pql};
use crate::warning::{IneligibleReasons, Unscored};

/// Score of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowScore {
    pub(super) probability: f64,
    pub(super) interval: Option<Interval>,
}

impl Scorer<'_> {
    /// Computes the score of a row from its log-odds and their variance.
    pub(super) fn row_score(&self, eta: f64, variance: Option<f64>) -> RowScore {
        let calibration = &self.model.calibration;
        RowScore {
            probability: calibration.probability(eta),
            interval: variance.map(|variance| calibration.interval(eta, variance)),
        }
    }

    /// Returns the end of the horizon of each row with a probability.
    fn horizon_ends(&self, cutoff: &[Option<i64>], probability: &[f64]) -> Vec<Option<i64>> {
        let rows = cutoff.iter().zip(probability);
        rows.map(|(cutoff, p)| Some((*cutoff)? + self.horizon?).filter(|_| !p.is_nan())).collect()
    }

    /// Returns why a row cannot be scored: a value is infinite, and so are its log-odds.
    pub(super) fn not_finite(&self, eta: f64, x: ArrayView1<'_, f64>) -> Option<Unscored> {
        let column = if eta.is_finite() { None } else { x.iter().position(|v| !v.is_finite()) };
        column.map(|column| Unscored::NotFinite {
            column: self.model.preprocessor.columns()[column].name.clone(),
        })
    }
}

/// Columns of the score table; NaN if a row has no value.
struct ScoreColumns {
    probability: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Indices of the texts of the reasons, and of the concern.
    reasons: [Vec<u32>; REASON_COLUMNS.len()],
}

impl ScoreColumns {
    fn with_capacity(n: usize) -> Self {
        let column = || Vec::with_capacity(n);
        Self {
            probability: column(),
            low: column(),
            high: column(),
            reasons: [(); REASON_COLUMNS.len()].map(|()| vec![DictionaryColumn::NULL; n]),
        }
    }

    fn push(&mut self, row: Option<&RowScore>) {
        let interval = row.and_then(|row| row.interval);
        self.probability.push(row.map_or(f64::NAN, |row| row.probability));
        self.low.push(interval.map_or(f64::NAN, |interval| interval.low));
        self.high.push(interval.map_or(f64::NAN, |interval| interval.high));
    }
}

/// Returns the columns `eligible` and `ineligible_reason`.
fn eligibility_columns(reasons: &[IneligibleReasons]) -> [(&'static str, ColumnValues); 2] {
    let eligible: Vec<Option<bool>> =
        reasons.iter().map(|reasons| Some(reasons.is_eligible())).collect();
    let texts = (0..IneligibleReasons::SETS).map(IneligibleReasons::from_code);
    let texts = texts.map(|reasons| Arc::from(reasons.to_string())).collect();
    let place = |reasons: &IneligibleReasons| {
        if reasons.is_eligible() { DictionaryColumn::NULL } else { u32::from(reasons.set_code()) }
    };
    let places = reasons.iter().map(place).collect();
    [
        ("eligible", ColumnValues::Plain(bool_column("eligible", &eligible))),
        (
            "ineligible_reason",
            ColumnValues::Dictionary(DictionaryColumn::new(Arc::new(texts), places)),
        ),
    ]
}

impl ScoringSummary {
    /// Adds the scored rows of accounts that are not eligible.
    fn count_ineligible(&mut self, reasons: &[IneligibleReasons], is_scored: &[bool]) {
        let scored = reasons.iter().zip(is_scored).filter(|(_, is_scored)| **is_scored);
        for (reasons, _) in scored.filter(|(reasons, _)| !reasons.is_eligible()) {
            self.ineligible += 1;
            for reason in reasons.iter() {
                *self.ineligible_by.entry(reason).or_default() += 1;
            }
        }
    }

    /// Adds a scored row.
    fn count(&mut self, scorer: &Scorer<'_>, probability: f64) {
        self.scored += 1;
        self.expected_conversions += probability;
        if probability >= scorer.model.threshold {
            self.above_threshold += 1;
            self.expected_above_threshold += probability;
            if let (Some(value), Some(contact)) = (&mut self.expected_value, scorer.contact_value) {
                *value += probability * contact.revenue - contact.cost;
            }
        }
    }
}

/// Scores a chunk of a batch on one thread.
pub(super) struct ChunkScorer<'a> {
    scorer: &'a Scorer<'a>,
    inputs: Inputs<'a>,
    unscored: &'a [Option<Unscored>],
    reasons: ReasonTexts,
    scores: ScoreColumns,
    summary: ScoringSummary,
}

impl<'a> ChunkScorer<'a> {
    /// Scores some rows of a batch.
    pub(super) fn score(
        scorer: &'a Scorer<'a>,
        batch: &ScoringBatch<'a>,
        rows: Range<usize>,
    ) -> Result<(OutputTable, ScoringSummary)> {
        let (preprocessor, n) = (&scorer.model.preprocessor, rows.len());
        let start = i64::try_from(rows.start).expect("rows are in memory");
        let mut chunk = Self {
            scorer,
            inputs: preprocessor.inputs(&batch.features.slice(start, n), None)?,
            unscored: batch.unscored.get(rows.clone()).unwrap_or_default(),
            reasons: scorer.take_reason_texts(),
            scores: ScoreColumns::with_capacity(n),
            summary: ScoringSummary {
                expected_value: scorer.contact_value.map(|_| 0.0),
                ..ScoringSummary::default()
            },
        };
        let mut x = Array2::zeros((scorer.contributions.coef.len(), BLOCK.min(n)));
        let mut values = vec![ValueCounts::default(); preprocessor.features.len()];
        for first in (0..n).step_by(BLOCK) {
            let block = first..n.min(first + BLOCK);
            let mut x = x.slice_axis_mut(Axis(1), Slice::from(..block.len()));
            let counts = chunk.inputs.fill(&block, &mut x);
            values.iter_mut().zip(counts).for_each(|(sum, counts)| sum.add(counts));
            chunk.score_block(first, x.view());
        }
        chunk.summary.values = chunk.inputs.named(values);
        let pqls = batch.pqls.get(rows.clone()).unwrap_or_default();
        let ineligible = batch.ineligible.get(rows.clone()).unwrap_or_default();
        chunk.into_table(&batch.account.slice(start, n), &batch.cutoff[rows], (pqls, ineligible))
    }

    /// Scores the rows from `first` on; `x` are their design columns, shape (columns, rows).
    fn score_block(&mut self, first: usize, x: ArrayView2<'_, f64>) {
        let scorer = self.scorer;
        let log_odds = scorer.model.fit.log_odds_by_column(x);
        let variances = scorer.variances.as_ref().map(|variances| variances.evaluate_rows(x));
        let top = (scorer.reasons > 0).then(|| TopFamilies::find(&scorer.contributions, x));
        for (index, eta) in log_odds.into_iter().enumerate() {
            let unscored = self.unscored.get(first + index).cloned().flatten();
            if let Some(reason) = unscored.or_else(|| scorer.not_finite(eta, x.column(index))) {
                self.scores.push(None);
                self.scores.reasons[0][first + index] =
                    self.reasons.intern_text(&reason.to_string());
                *self.summary.unscored.entry(reason).or_default() += 1;
                continue;
            }
            let row = scorer.row_score(eta, variances.as_ref().map(|v| v[index]));
            self.summary.count(scorer, row.probability);
            self.scores.push(Some(&row));
            let Some(top) = &top else { continue };
            let raising = top.raising(index).into_iter().take(scorer.reasons).enumerate();
            let lowering = (CONCERN, top.lowering(index));
            for (column, family) in raising.chain([lowering]) {
                let Some(family) = family else { continue };
                self.add_reason(column, family, first + index, x.column(index));
            }
        }
    }

    /// Adds the reason of a family to a row with design columns `x`.
    fn add_reason(&mut self, column: usize, family: usize, row: usize, x: ArrayView1<'_, f64>) {
        let Scorer { contributions, reason_templates, .. } = self.scorer;
        let family = &contributions.families[family];
        let sum = |columns: &[usize]| contributions.sum(columns, |column| x[column]);
        let feature = Contributions::leading_feature(family, column != CONCERN, sum);
        let reason = reason_templates.find(feature, |feature| self.inputs.raw(feature, row));
        self.scores.reasons[column][row] = self.reasons.intern(reason_templates, &reason);
    }

    /// Builds the score table.
    fn into_table(
        self,
        account: &Column,
        cutoff: &[Option<i64>],
        (pqls, ineligible): (&[Option<Pql>], &[IneligibleReasons]),
    ) -> Result<(OutputTable, ScoringSummary)> {
        let Self { scorer, scores, reasons, mut summary, .. } = self;
        let account =
            account.as_materialized_series().str().map_err(|e| Error::table("the accounts", e))?;
        let in_holdout = |account: Option<&str>| {
            account.is_some_and(|account| {
                stable_share("holdout", scorer.seed, account) < scorer.holdout
            })
        };
        let holdout: Vec<Option<bool>> = match scorer.holdout {
            0.0 => vec![Some(false); cutoff.len()],
            _ => account.iter().map(|account| Some(in_holdout(account))).collect(),
        };
        let pqls = (0..cutoff.len()).map(|row| pqls.get(row).copied().flatten());
        let reasons_of = |row: usize| ineligible.get(row).copied().unwrap_or_default();
        let reach = |p: &f64| Some(*p >= scorer.model.threshold).filter(|_| !p.is_nan());
        let found = scores.probability.iter().map(reach).zip(pqls.clone()).enumerate().map(
            |(row, (reached, pql))| {
                let eligible = reasons_of(row).is_eligible();
                qualification(scorer.qualify_by, reached, pql.is_some(), eligible)
            },
        );
        let (qualified, by): (Vec<Option<bool>>, Vec<u32>) =
            found.map(|(qualified, by)| (qualified, by.unwrap_or(DictionaryColumn::NULL))).unzip();
        for cause in &by {
            if let Some(count) = summary.qualified_by.get_mut(*cause as usize) {
                *count += 1;
            }
        }
        let by = DictionaryColumn::new(Arc::new(QUALIFIED_BY.map(Arc::from).to_vec()), by);
        let kinds = DictionaryColumn::new(
            Arc::new(DefinitionKinds::labels().into_iter().map(Arc::from).collect()),
            pqls.clone()
                .map(|pql| pql.map_or(DictionaryColumn::NULL, |pql| pql.kinds.code()))
                .collect(),
        );
        // A separate loop, so that the searches of several rows run in parallel in the processor.
        let percentile =
            |p: &f64| if p.is_nan() { *p } else { scorer.model.reference.percentile(*p) };
        let percentile: Vec<f64> = scores.probability.iter().map(percentile).collect();
        let place = |p: &f64| {
            if p.is_nan() {
                DictionaryColumn::NULL
            } else {
                u32::try_from(tier(*p)).expect("there are four")
            }
        };
        let tiers = DictionaryColumn::new(
            Arc::new(TIERS.map(Arc::from).to_vec()),
            percentile.iter().map(place).collect(),
        );
        let label = DictionaryColumn::new(
            Arc::new(vec![scorer.label.as_str().into()]),
            vec![0; cutoff.len()],
        );
        let texts = reasons.texts();
        scorer.store_reason_texts(reasons);
        let plain = |column: Column| ColumnValues::Plain(column);
        let is_scored: Vec<bool> = scores.probability.iter().map(|p| !p.is_nan()).collect();
        let horizon_end = scorer.horizon_ends(cutoff, &scores.probability);
        let mut columns = vec![
            ("account_id", plain(account.clone().into_column().with_name("account_id".into()))),
            ("cutoff", plain(time_column("cutoff", cutoff.iter().copied()))),
            ("probability", plain(cells::nullable("probability", scores.probability))),
            ("probability_low", plain(cells::nullable("probability_low", scores.low))),
            ("probability_high", plain(cells::nullable("probability_high", scores.high))),
            ("percentile", plain(cells::nullable("percentile", percentile))),
            ("tier", ColumnValues::Dictionary(tiers)),
            ("qualified", plain(bool_column("qualified", &qualified))),
            ("qualified_by", ColumnValues::Dictionary(by)),
            ("pql_types", ColumnValues::Dictionary(kinds)),
            (
                "pql_at",
                plain(time_column(
                    "pql_at",
                    pqls.clone().map(|pql| pql.map(|pql| pql.first_match)),
                )),
            ),
            ("holdout", plain(bool_column("holdout", &holdout))),
        ];
        if scorer.with_eligibility {
            let reasons: Vec<IneligibleReasons> = (0..cutoff.len()).map(reasons_of).collect();
            summary.count_ineligible(&reasons, &is_scored);
            columns.extend(eligibility_columns(&reasons));
        }
        for (name, places) in REASON_COLUMNS.into_iter().zip(scores.reasons) {
            columns.push((
                name,
                ColumnValues::Dictionary(DictionaryColumn::new(texts.clone(), places)),
            ));
        }
        let names = DictionaryColumn::new(
            scorer.definition_names.clone(),
            pqls.map(|pql| pql.map_or(DictionaryColumn::NULL, |pql| pql.names)).collect(),
        );
        columns.push(("pql_definitions", ColumnValues::Dictionary(names)));
        columns.push(("horizon_end", plain(time_column("horizon_end", horizon_end.into_iter()))));
        columns.push(("model", ColumnValues::Dictionary(label)));
        Ok((OutputTable::new(cutoff.len(), columns), summary))
    }
}
