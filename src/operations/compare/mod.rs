//! Comparison of a challenger with the champion on rows that neither was trained on.

mod contenders;

pub use contenders::Contender;
use pql_stats::metrics::{
    Difference, EqualVolumeComparison, EvaluationReport, LabeledScores, PairedProbabilities,
    compare_at_equal_volume,
};
use serde::Serialize;

use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::dataset::split::MIN_TEST_ACCOUNTS;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::score::{Scorer, TIERS, tier};
use crate::model::verdict::{Verdict, has_skill};
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// Rows with an outcome and the probabilities of both models.
#[derive(Debug, Clone, Default)]
pub struct PairedScores {
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` for a matrix without cutoffs.
    pub cutoff: Option<Vec<i64>>,
    /// Outcomes.
    pub y: Vec<bool>,
    /// Probabilities from the challenger.
    pub challenger: Vec<f64>,
    /// Probabilities from the champion.
    pub champion: Vec<f64>,
}

/// A row of the challenger and the matching row of the champion.
type RowPair = (u32, u32);

impl PairedScores {
    /// Takes the test rows of the challenger with the probabilities of its out-of-time test.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the rows lack a feature of the champion
    pub fn from_test_rows(rows: &TestRows, champion: &Scorer<'_>) -> Result<Self> {
        Ok(Self {
            account: rows.account.clone(),
            cutoff: rows.cutoff.clone(),
            y: rows.y.clone(),
            challenger: rows.probability.clone(),
            champion: rows.probabilities(champion)?,
        })
    }

    /// Pairs the rows that both models score. Rows of a matrix are paired by position, rows of a
    /// log by account and cutoff. Outcomes are those of the challenger's rows.
    ///
    /// # Arguments
    /// * `challenger`, `champion` – rows with the features of the model, and its scorer
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn from_rows(
        challenger: (&Rows, &Scorer<'_>),
        champion: (&Rows, &Scorer<'_>),
    ) -> Result<(Self, Mismatches)> {
        let (rows, others) = (challenger.0, champion.0);
        let pairs = pair_rows(rows, others);
        let (one, other) = (
            challenger.1.probabilities(&rows.features)?,
            champion.1.probabilities(&others.features)?,
        );
        let labeled = pairs.into_iter().filter(|(row, _)| rows.y[*row as usize].is_some());
        let (known, not_finite): (Vec<RowPair>, Vec<RowPair>) = labeled.partition(|pair| {
            one[pair.0 as usize].is_finite() && other[pair.1 as usize].is_finite()
        });
        let outcomes = known
            .iter()
            .filter(|(row, other)| rows.y[*row as usize] != others.y[*other as usize])
            .count();
        let row = |pair: &RowPair| pair.0 as usize;
        let paired = Self {
            account: known
                .iter()
                .map(|pair| rows.names[rows.account[row(pair)] as usize].to_owned())
                .collect(),
            cutoff: rows
                .cutoff
                .as_ref()
                .map(|cutoff| known.iter().map(|pair| cutoff[row(pair)]).collect()),
            y: known
                .iter()
                .map(|pair| rows.y[row(pair)].expect("rows without an outcome were filtered out"))
                .collect(),
            challenger: known.iter().map(|pair| one[pair.0 as usize]).collect(),
            champion: known.iter().map(|pair| other[pair.1 as usize]).collect(),
        };
        Ok((paired, Mismatches { outcomes, not_finite: not_finite.len() }))
    }

    /// Returns the number of the account of each row.
    fn group(&self) -> Vec<u32> {
        crate::training::test_set::group_numbers(&self.account)
    }
}

/// Pairs the rows of the same account and cutoff. Both tables are sorted by account and cutoff.
fn pair_rows(rows: &Rows, others: &Rows) -> Vec<RowPair> {
    let key = |rows: &'_ Rows, row: usize| {
        (
            rows.names[rows.account[row] as usize].to_owned(),
            rows.cutoff.as_ref().map(|cutoff| cutoff[row]),
        )
    };
    let (n, m) = (rows.y.len(), others.y.len());
    if rows.catalog.is_none() {
        return (0..).zip(0..).take(n.min(m)).collect();
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < n && b < m {
        let order = key(rows, a).cmp(&key(others, b));
        if order.is_eq() {
            let code = |row: usize| u32::try_from(row).expect("rows have u32 codes");
            pairs.push((code(a), code(b)));
        }
        a += usize::from(order.is_le());
        b += usize::from(order.is_ge());
    }
    pairs
}

/// Checks that two models predict the same outcome.
///
/// # Errors
/// * [`Error::TargetsDiffer`]: one model reads a log and the other a matrix, or their horizons,
///   gaps, label columns or positive labels differ
pub fn check_same_target(challenger: &Model, champion: &Model) -> Result<()> {
    let different = |key: &'static str, one: &str, other: &str| {
        Err(Error::TargetsDiffer { key, challenger: one.to_owned(), champion: other.to_owned() })
    };
    let (one, other): (Config, Config) = (challenger.config()?, champion.config()?);
    if challenger.catalog.is_some() != champion.catalog.is_some() {
        let input = |model: &Model| if model.catalog.is_some() { "a log" } else { "a matrix" };
        return different("the input", input(challenger), input(champion));
    }
    if challenger.catalog.is_none() {
        // Labels 0 and 1 may be encoded `Yes` and `No`, so only two explicit values conflict.
        if let (Some(a), Some(b)) = (&one.matrix.positive, &other.matrix.positive)
            && a != b
        {
            return different("`matrix.positive`", &format!("{a:?}"), &format!("{b:?}"));
        }
        let label = |config: &Config| {
            format!("{:?}", config.matrix.label.as_deref().unwrap_or("converted"))
        };
        return if label(&one) == label(&other) {
            Ok(())
        } else {
            different("`matrix.label`", &label(&one), &label(&other))
        };
    }
    let spans = |config: &Config| {
        [
            ("`observation.horizon`", config.observation.horizon),
            ("`observation.gap`", config.observation.gap),
        ]
    };
    for ((key, a), (_, b)) in spans(&one).into_iter().zip(spans(&other)) {
        if a != b {
            return different(key, &a.to_string(), &b.to_string());
        }
    }
    Ok(())
}

/// Numbers of rows that differ between two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatches {
    /// Rows with different outcomes.
    pub outcomes: usize,
    /// Rows that one model cannot score because a value is not finite.
    pub not_finite: usize,
}

/// Result of the comparison of the log losses of two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonVerdict {
    /// The challenger: the interval of the difference is below 0.
    Better,
    /// The champion: the interval is above 0.
    Worse,
    /// The difference is not significant.
    Undecided,
    /// Too few accounts converted, or too few did not: fewer than [`MIN_TEST_ACCOUNTS`]. Intervals
    /// are unreliable then: without conversions, the model with lower probabilities always wins.
    NoVerdict,
}

/// Rows in one tier of the champion and one tier of the challenger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TierTransition {
    /// Rows.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
}

/// Difference in log loss at a cutoff or a range of cutoffs.
#[derive(Debug, Clone, PartialEq)]
pub struct GainAtCutoff {
    /// First cutoff, µs UTC.
    pub first: i64,
    /// Last cutoff, µs UTC.
    pub last: i64,
    /// Rows.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Log loss of the challenger minus that of the champion.
    pub log_loss: Difference,
}

/// Comparison of a challenger with a champion.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Metrics of the challenger.
    pub challenger: EvaluationReport,
    /// Metrics of the champion.
    pub champion: EvaluationReport,
    /// Verdicts on the challenger and the champion, each from its own test set.
    pub model_verdicts: [Verdict; 2],
    /// Whether all probabilities are identical.
    pub identical: bool,
    /// Log loss of the challenger minus that of the champion. Like every difference, it has no
    /// standard error and no interval if there are too few rows for a verdict.
    pub log_loss: Difference,
    /// Brier score of the challenger minus that of the champion.
    pub brier: Difference,
    /// ROC AUC of the challenger minus that of the champion; `None` with a single outcome.
    pub roc_auc: Option<Difference>,
    /// Spearman correlation of the two rankings.
    pub rank_correlation: Option<f64>,
    /// Rows that the champion qualifies by its threshold, compared with the same number of the
    /// challenger's highest-ranked rows at each cutoff.
    pub at_equal_volume: EqualVolumeComparison,
    /// Rows by tier of the champion (rows, A first) and of the challenger (columns).
    pub tiers: [[TierTransition; TIERS.len()]; TIERS.len()],
    /// Difference by cutoff, oldest first; empty without cutoffs.
    pub by_cutoff: Vec<GainAtCutoff>,
}

impl Comparison {
    /// Compares two models.
    ///
    /// # Errors
    /// * [`Error::Statistics`]: there is no row, or a probability is not between 0 and 1
    pub fn compute(challenger: &Model, champion: &Model, rows: &PairedScores) -> Result<Self> {
        let group = rows.group();
        let zone = challenger.zone();
        let local = rows.cutoff.as_ref().map(|cutoff| zone.local_times(cutoff));
        let labeled = |probability| LabeledScores {
            y: &rows.y,
            probability,
            group: &group,
            cutoff: rows.cutoff.as_deref(),
            local_cutoff: local.as_deref(),
        };
        let paired = PairedProbabilities {
            y: &rows.y,
            group: &group,
            probability: &rows.challenger,
            other: &rows.champion,
        };
        let champion_qualified: Vec<bool> =
            rows.champion.iter().map(|p| *p >= champion.threshold).collect();
        let evaluation =
            EvaluationReport::compute(labeled(&rows.challenger), challenger.threshold)?;
        let champion_evaluation =
            EvaluationReport::compute(labeled(&rows.champion), champion.threshold)?;
        let mut comparison = Self {
            model_verdicts: [challenger.verdict(), champion.verdict()],
            identical: rows.challenger == rows.champion,
            log_loss: paired.log_loss()?,
            brier: paired.brier()?,
            roc_auc: paired.roc_auc()?,
            rank_correlation: paired.rank_correlation(),
            at_equal_volume: compare_at_equal_volume(
                labeled(&rows.challenger),
                &champion_qualified,
                challenger.config()?.model.seed,
            )?,
            tiers: tiers(challenger, champion, rows),
            by_cutoff: by_cutoff(&evaluation, &paired, rows.cutoff.as_deref())?,
            champion: champion_evaluation,
            challenger: evaluation,
        };
        if comparison.insufficient_data().is_some() {
            comparison.remove_intervals();
        }
        Ok(comparison)
    }

    /// Returns the better model, if the difference is significant.
    #[must_use]
    pub fn verdict(&self) -> ComparisonVerdict {
        match &self.log_loss {
            _ if self.insufficient_data().is_some() => ComparisonVerdict::NoVerdict,
            difference if difference.is_better() => ComparisonVerdict::Better,
            difference if difference.is_worse() => ComparisonVerdict::Worse,
            _ => ComparisonVerdict::Undecided,
        }
    }

    /// Returns whether the challenger and the champion have skill on these rows: they rank better
    /// than chance and predict better than the base rate. `None` if there are too few rows for a
    /// verdict.
    #[must_use]
    pub fn have_skill(&self) -> Option<[bool; 2]> {
        let evaluations = [&self.challenger, &self.champion];
        self.insufficient_data()
            .is_none()
            .then(|| evaluations.map(|evaluation| has_skill(&evaluation.metrics)))
    }

    /// Returns the models without skill on these rows.
    ///
    /// # Arguments
    /// * `labels` – labels of the challenger and the champion
    pub(crate) fn without_skill(&self, labels: [&str; 2]) -> Vec<String> {
        let have_skill = self.have_skill().unwrap_or([true; 2]);
        let without = labels.into_iter().zip(have_skill).filter(|(_, has_skill)| !has_skill);
        without.map(|(label, _)| label.to_owned()).collect()
    }

    /// Returns what there is too little of for a verdict; `None` if there is enough.
    pub(crate) fn shortage(&self) -> Option<&'static str> {
        match self.insufficient_data()? {
            Warning::FewToCompare { converting: false, .. } => {
                Some("too few accounts with rows that did not convert")
            }
            _ => Some("too few conversions"),
        }
    }

    /// Returns a warning if too few accounts have one of the outcomes for a verdict.
    #[must_use]
    pub fn insufficient_data(&self) -> Option<Warning> {
        let e = &self.challenger.metrics;
        let converting = e.converting_accounts <= e.other_accounts;
        let accounts = e.converting_accounts.min(e.other_accounts);
        (accounts < MIN_TEST_ACCOUNTS).then_some(Warning::FewToCompare {
            accounts,
            converting,
            needed: MIN_TEST_ACCOUNTS,
        })
    }

    /// Removes the intervals of the differences, so that none of them looks like a result.
    fn remove_intervals(&mut self) {
        let by_cutoff = self.by_cutoff.iter_mut().map(|gain| &mut gain.log_loss);
        let all = [&mut self.log_loss, &mut self.brier].into_iter().chain(&mut self.roc_auc);
        all.chain(by_cutoff).for_each(Difference::remove_interval);
        self.at_equal_volume.remove_intervals();
    }
}

/// Counts rows by the tiers of both models. Each model uses its own reference distribution.
fn tiers(
    challenger: &Model,
    champion: &Model,
    rows: &PairedScores,
) -> [[TierTransition; TIERS.len()]; TIERS.len()] {
    let mut tiers = [[TierTransition::default(); TIERS.len()]; TIERS.len()];
    let tier_of = |model: &Model, p: f64| tier(model.reference.percentile(p));
    for ((y, one), other) in rows.y.iter().zip(&rows.challenger).zip(&rows.champion) {
        let cell = &mut tiers[tier_of(champion, *other)][tier_of(challenger, *one)];
        cell.rows += 1;
        cell.conversions += u64::from(*y);
    }
    tiers
}

/// Computes the difference in log loss for each cutoff of the challenger's evaluation.
fn by_cutoff(
    evaluation: &EvaluationReport,
    paired: &PairedProbabilities<'_>,
    cutoff: Option<&[i64]>,
) -> Result<Vec<GainAtCutoff>> {
    let cutoff = cutoff.unwrap_or_default();
    let difference = |part: &pql_stats::metrics::CutoffMetrics| {
        let rows: Vec<usize> = (0..cutoff.len())
            .filter(|row| (part.first..=part.last).contains(&cutoff[*row]))
            .collect();
        let select = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
        let (y, group): (Vec<bool>, Vec<u32>) =
            rows.iter().map(|row| (paired.y[*row], paired.group[*row])).unzip();
        let (probability, other) = (select(paired.probability), select(paired.other));
        let log_loss =
            PairedProbabilities { y: &y, group: &group, probability: &probability, other: &other }
                .log_loss()?;
        Ok(GainAtCutoff {
            first: part.first,
            last: part.last,
            rows: part.metrics.rows,
            conversions: part.metrics.conversions,
            log_loss,
        })
    };
    evaluation.by_cutoff.iter().map(difference).collect()
}
