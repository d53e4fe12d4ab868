//! Challenger against champion, on the same rows, of which neither has learned.

mod contenders;

pub use contenders::Contender;
use pql_stats::metrics::{AgainstRule, Difference, Judged, Judgement, Paired, against_rule};
use serde::Serialize;

use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::score::{Scorer, TIERS, tier};
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// Rows with an outcome, and what both models say of them.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` where a matrix has none.
    pub cutoff: Option<Vec<i64>>,
    /// Outcomes.
    pub y: Vec<bool>,
    /// Probabilities by the challenger.
    pub challenger: Vec<f64>,
    /// Probabilities by the champion.
    pub champion: Vec<f64>,
}

/// A row of one table and the row of another that it is paired with.
type Pair = (u32, u32);

impl Common {
    /// The test rows of the challenger, with the probabilities it was judged by and those of the
    /// champion.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the rows lack a feature of the champion
    pub fn of_test_rows(rows: &TestRows, champion: &Scorer<'_>) -> Result<Self> {
        Ok(Self {
            account: rows.account.clone(),
            cutoff: rows.cutoff.clone(),
            y: rows.y.clone(),
            challenger: rows.probability.clone(),
            champion: rows.probabilities(champion)?,
        })
    }

    /// Rows that both have and score, those of a matrix by their place, those of a log by account
    /// and cutoff; outcomes are the challenger's.
    ///
    /// # Arguments
    /// * `challenger`, `champion` – its rows, with its own features, and what it says of them
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn of_rows(
        challenger: (&Rows, &Scorer<'_>),
        champion: (&Rows, &Scorer<'_>),
    ) -> Result<(Self, Unlike)> {
        let (rows, others) = (challenger.0, champion.0);
        let pairs = pairs(rows, others);
        let (one, other) = (
            challenger.1.probabilities(&rows.features)?,
            champion.1.probabilities(&others.features)?,
        );
        let labelled = pairs.into_iter().filter(|(row, _)| rows.y[*row as usize].is_some());
        let (known, not_finite): (Vec<Pair>, Vec<Pair>) = labelled.partition(|pair| {
            one[pair.0 as usize].is_finite() && other[pair.1 as usize].is_finite()
        });
        let outcomes = known
            .iter()
            .filter(|(row, other)| rows.y[*row as usize] != others.y[*other as usize])
            .count();
        let row = |pair: &Pair| pair.0 as usize;
        let common = Self {
            account: known
                .iter()
                .map(|pair| rows.names[rows.account[row(pair)] as usize].to_owned())
                .collect(),
            cutoff: rows
                .cutoff
                .as_ref()
                .map(|cutoff| known.iter().map(|pair| cutoff[row(pair)]).collect()),
            y: known.iter().map(|pair| rows.y[row(pair)].expect("it was asked for")).collect(),
            challenger: known.iter().map(|pair| one[pair.0 as usize]).collect(),
            champion: known.iter().map(|pair| other[pair.1 as usize]).collect(),
        };
        Ok((common, Unlike { outcomes, not_finite: not_finite.len() }))
    }

    /// The rows after a cutoff, and how many others there are; without cutoffs all.
    #[must_use]
    pub fn after(&self, last: i64) -> (Self, usize) {
        let Some(cutoff) = &self.cutoff else { return (self.clone(), 0) };
        let kept: Vec<usize> = (0..self.y.len()).filter(|row| cutoff[*row] > last).collect();
        let of = |values: &[f64]| kept.iter().map(|row| values[*row]).collect();
        let newer = Self {
            account: kept.iter().map(|row| self.account[*row].clone()).collect(),
            cutoff: Some(kept.iter().map(|row| cutoff[*row]).collect()),
            y: kept.iter().map(|row| self.y[*row]).collect(),
            challenger: of(&self.challenger),
            champion: of(&self.champion),
        };
        (newer, self.y.len() - kept.len())
    }

    /// Number the accounts: equal numbers are one account.
    fn group(&self) -> Vec<u32> {
        crate::training::test_set::numbered(&self.account)
    }
}

/// Rows of one account and cutoff in both tables, both sorted by them.
fn pairs(rows: &Rows, others: &Rows) -> Vec<Pair> {
    let key = |rows: &'_ Rows, row: usize| {
        (
            rows.names[rows.account[row] as usize].to_owned(),
            rows.cutoff.as_ref().map(|cutoff| cutoff[row]),
        )
    };
    let (n, m) = (rows.y.len(), others.y.len());
    if rows.catalogue.is_none() {
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

/// Check that two models predict the same thing, so that one outcome judges both.
///
/// # Errors
/// * [`Error::TargetsDiffer`]: one reads a log and the other a matrix, or their horizons, lead
///   times, labels or the values of these that mean converted differ
pub fn check_alike(challenger: &Model, champion: &Model) -> Result<()> {
    let different = |key: &'static str, one: &str, other: &str| {
        Err(Error::TargetsDiffer { key, challenger: one.to_owned(), champion: other.to_owned() })
    };
    let (one, other): (Config, Config) = (challenger.config()?, champion.config()?);
    if challenger.catalogue.is_some() != champion.catalogue.is_some() {
        let of = |model: &Model| if model.catalogue.is_some() { "a log" } else { "a matrix" };
        return different("what they read", of(challenger), of(champion));
    }
    if challenger.catalogue.is_none() {
        // A label of 1 and 0 may have been `Yes` and `No` before: two values alone contradict each
        // other.
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
    for ((what, a), (_, b)) in spans(&one).into_iter().zip(spans(&other)) {
        if a != b {
            return different(what, &a.to_string(), &b.to_string());
        }
    }
    Ok(())
}

/// Rows of two models that are unlike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlike {
    /// Rows with another outcome.
    pub outcomes: usize,
    /// Rows that one of them does not score, since a value is not finite.
    pub not_finite: usize,
}

/// Rows of either outcome that a verdict needs: with fewer the interval, which is that of many,
/// tells nothing, and of two models the one that says less wins where nobody converts.
const LEAST: u64 = 10;

/// Which of the two is better by log loss, so far as the rows tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The challenger: the whole interval of the difference lies below 0.
    Better,
    /// The champion: it lies above 0.
    Worse,
    /// The rows do not tell.
    Undecided,
}

/// Rows of a tier of the challenger and one of the champion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Rows.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
}

/// What the challenger gains at a cutoff, or at several near each other.
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
    /// Log loss of the challenger less that of the champion.
    pub log_loss: Difference,
}

/// A challenger against a champion.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The challenger on the rows, from all sides.
    pub challenger: Judgement,
    /// The champion on them.
    pub champion: Judgement,
    /// Which is better.
    pub verdict: Verdict,
    /// Whether both give every row the same probability.
    pub alike: bool,
    /// Log loss of the challenger less that of the champion.
    pub log_loss: Difference,
    /// Brier score of the challenger less that of the champion.
    pub brier: Difference,
    /// ROC AUC of the challenger less that of the champion; `None` with one outcome.
    pub roc_auc: Option<Difference>,
    /// Spearman's correlation of the two rankings.
    pub rank_correlation: Option<f64>,
    /// The rows that the champion qualifies by its threshold, against as many of the challenger's
    /// best at each cutoff.
    pub at_equal_volume: AgainstRule,
    /// Rows by tier of the champion (outer, A first) and of the challenger.
    pub tiers: [[Move; TIERS.len()]; TIERS.len()],
    /// The difference by cutoff, the oldest first; none without cutoffs.
    pub by_cutoff: Vec<GainAtCutoff>,
}

impl Comparison {
    /// Set two models against each other.
    ///
    /// # Errors
    /// * [`Error::Statistics`]: there is no row, or a probability is none
    pub fn of(challenger: &Model, champion: &Model, rows: &Common) -> Result<Self> {
        let group = rows.group();
        let judged = |probability| Judged {
            y: &rows.y,
            probability,
            group: &group,
            cutoff: rows.cutoff.as_deref(),
        };
        let paired = Paired {
            y: &rows.y,
            group: &group,
            probability: &rows.challenger,
            other: &rows.champion,
        };
        let log_loss = paired.log_loss()?;
        let picked: Vec<bool> = rows.champion.iter().map(|p| *p >= champion.threshold).collect();
        let judgement = Judgement::of(judged(&rows.challenger), challenger.threshold)?;
        Ok(Self {
            verdict: match &log_loss {
                _ if too_few(&judgement) => Verdict::Undecided,
                difference if difference.better() => Verdict::Better,
                difference if difference.worse() => Verdict::Worse,
                _ => Verdict::Undecided,
            },
            alike: rows.challenger == rows.champion,
            log_loss,
            brier: paired.brier()?,
            roc_auc: paired.roc_auc()?,
            rank_correlation: paired.rank_correlation(),
            at_equal_volume: against_rule(
                judged(&rows.challenger),
                &picked,
                challenger.config()?.model.seed,
            )?,
            tiers: tiers(challenger, champion, rows),
            by_cutoff: by_cutoff(&judgement, &paired, rows.cutoff.as_deref())?,
            champion: Judgement::of(judged(&rows.champion), champion.threshold)?,
            challenger: judgement,
        })
    }
}

/// Whether too few rows converted, or did not, for a verdict.
fn too_few(judgement: &Judgement) -> bool {
    let e = &judgement.evaluation;
    e.conversions.min(e.n - e.conversions) < LEAST
}

impl Comparison {
    /// What keeps the rows from telling anything, in words; `None`: nothing.
    #[must_use]
    pub fn lack(&self) -> Option<Warning> {
        let e = &self.challenger.evaluation;
        too_few(&self.challenger).then_some(Warning::FewToCompare {
            conversions: e.conversions,
            rows: e.n,
            needed: LEAST,
        })
    }
}

/// Count rows by the tiers that both models give, each by its own reference population.
fn tiers(
    challenger: &Model,
    champion: &Model,
    rows: &Common,
) -> [[Move; TIERS.len()]; TIERS.len()] {
    let mut tiers = [[Move::default(); TIERS.len()]; TIERS.len()];
    let of = |model: &Model, p: f64| tier(model.reference.percentile(p));
    for ((y, one), other) in rows.y.iter().zip(&rows.challenger).zip(&rows.champion) {
        let cell = &mut tiers[of(champion, *other)][of(challenger, *one)];
        cell.rows += 1;
        cell.conversions += u64::from(*y);
    }
    tiers
}

/// The difference in log loss of each part that the challenger was judged by.
fn by_cutoff(
    judgement: &Judgement,
    paired: &Paired<'_>,
    cutoff: Option<&[i64]>,
) -> Result<Vec<GainAtCutoff>> {
    let cutoff = cutoff.unwrap_or_default();
    let of = |part: &pql_stats::metrics::AtCutoff| {
        let rows: Vec<usize> = (0..cutoff.len())
            .filter(|row| (part.first..=part.last).contains(&cutoff[*row]))
            .collect();
        let values = |of: &[f64]| rows.iter().map(|row| of[*row]).collect::<Vec<f64>>();
        let (y, group): (Vec<bool>, Vec<u32>) =
            rows.iter().map(|row| (paired.y[*row], paired.group[*row])).unzip();
        let (probability, other) = (values(paired.probability), values(paired.other));
        let log_loss =
            Paired { y: &y, group: &group, probability: &probability, other: &other }.log_loss()?;
        Ok(GainAtCutoff {
            first: part.first,
            last: part.last,
            rows: part.part.rows,
            conversions: part.part.conversions,
            log_loss,
        })
    };
    judgement.by_cutoff.iter().map(of).collect()
}
