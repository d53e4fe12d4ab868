//! The verdict on a model: what its evaluation proves, computed once and shown everywhere.

mod advice;
mod leak;
#[cfg(test)]
mod tests;
mod text;

pub use advice::Remedy;
pub use leak::Suspect;
use pql_stats::counts::share;
use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::{BaseRate, Difference, Evaluation};
use pql_stats::power::{accounts_to_decide, conversions_for_auc, random_auc_std_error};
use serde::Serialize;
pub use text::VerdictCard;
pub(crate) use text::difference_text;

use super::{Baseline, BaselineRule, Model};
use crate::dataset::split::MIN_TEST_ACCOUNTS;
use crate::warning::Warning;

/// ROC AUC of a weak but useful ranking, for which the needed conversions are computed.
pub const WEAK_AUC: f64 = 0.6;
/// Negligible difference in log loss, as a share of the log loss of the base rate: about 0.01 in
/// ROC AUC.
pub const MARGIN: f64 = 0.02;
/// Significance level at which base rates differ beyond chance.
const SIGNIFICANCE: f64 = 0.05;

/// The verdict on a model, from its evaluation on rows that it was not fitted on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What the evaluation proves.
    pub conclusion: Conclusion,
    /// Size of the test set; `None` without one.
    pub test: Option<TestSize>,
    /// Set if the test set is too small to judge reliably.
    pub too_few: Option<TooFew>,
    /// Set if the base rates of training and test set differ beyond chance.
    pub base_rates: Option<BaseRates>,
    /// Where the evaluated rows come from.
    pub source: EvaluatedRows,
}

/// Where the rows of an evaluation come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluatedRows {
    /// They are the test set of the training, whose size is a setting.
    TestSet,
    /// They are newer than the training data.
    Newer,
    /// Some are test rows, on which the baselines were also fitted.
    IncludesTestSet,
    /// The model may have been trained on some of them.
    MayIncludeTraining,
}

/// What an evaluation proves. The first conclusion that holds, in this order, is the verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// The ranking was not evaluated.
    NotEvaluated(Unevaluated),
    /// The leakage audit suspects columns or events that the model uses.
    LeakSuspected(Vec<Suspect>),
    /// The model does not rank better than chance, or predicts no better than the base rate.
    NoSkill(NoSkill),
    /// The model does not predict better than a simpler rule.
    NoBetterThanBaselines {
        /// The rules that it does not beat.
        unbeaten: Vec<UnbeatenRule>,
        /// Names of the baselines that it beats, the base rate first.
        beaten: Vec<String>,
    },
    /// The model predicts better than every baseline.
    BetterThanBaselines {
        /// Names of the baselines, the base rate first.
        beaten: Vec<String>,
    },
}

/// Why a ranking was not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unevaluated {
    /// There are no test rows.
    NoTestSet,
    /// All test rows have the same outcome.
    OneOutcome,
}

/// Sizes of a test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TestSize {
    /// Number of rows.
    pub rows: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of accounts with a row that converted.
    pub converting_accounts: u64,
    /// Number of rows that converted.
    #[serde(skip)]
    pub converted_rows: u64,
}

/// A test set that is too small to judge reliably.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TooFew {
    /// Accounts with the rarer outcome.
    pub accounts: u64,
    /// Whether the rarer outcome is the conversion.
    pub converting: bool,
    /// Number of accounts needed.
    pub needed: u64,
    /// What gives the test set more of them.
    pub remedy: Remedy,
}

/// Base rates that differ beyond chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BaseRates {
    /// Share of training rows that converted.
    pub training: f64,
    /// Share of test rows that converted.
    pub test: f64,
    /// p-value of equal base rates, by account.
    pub p_value: f64,
}

/// Evidence that a model has no skill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoSkill {
    /// Area under the ROC curve.
    pub roc_auc: Estimate,
    /// Log loss minus that of the base rate of the test set.
    pub log_loss_difference: Difference,
    /// Whether the model ranks better than chance.
    pub ranks: bool,
    /// Converting test accounts with which an AUC of 0.60 is detected with a probability of 80%.
    pub conversions_for_weak_auc: Option<u64>,
}

/// A simpler rule that a model does not beat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnbeatenRule {
    /// Name for people, such as "`logins_7d` alone".
    pub name: String,
    /// Log loss of the model minus that of the rule.
    pub difference: Difference,
    /// What the difference proves.
    pub relation: Relation,
    /// More converting test accounts that would decide it with a probability of 80%; `None` unless
    /// it is undecided.
    pub more_conversions: Option<u64>,
}

/// How a model compares with a simpler rule that it does not beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// Significantly worse.
    Worse,
    /// The whole 95% interval of the difference is negligible.
    Equivalent,
    /// Better or negligibly different: the test set cannot decide.
    Undecided,
}

/// Requirement for a model to be promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// No leak is suspected, and the model has skill.
    Skill,
    /// The model is also better than every baseline.
    Baseline,
}

/// What a verdict is computed from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The evaluated model.
    pub(crate) model: &'a Model,
    /// Metrics on rows that the model was not fitted on; `None` without such rows.
    pub(crate) metrics: Option<&'a Evaluation>,
    /// Comparisons with simpler rules on the same rows; that with the base rate is not used.
    pub(crate) baselines: &'a [Baseline],
    /// Base rate of the rows that the model was fitted on.
    pub(crate) training: BaseRate,
    /// Where the evaluated rows come from.
    pub(crate) source: EvaluatedRows,
}

impl Model {
    /// Returns the verdict on the model, from its test set.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::compute(&Evidence {
            model: self,
            metrics: self.evaluation.as_ref().map(|evaluation| &evaluation.metrics),
            baselines: &self.baselines,
            training: self.training_base_rate,
            source: EvaluatedRows::TestSet,
        })
    }
}

impl Verdict {
    /// Judges a model.
    pub(crate) fn compute(evidence: &Evidence<'_>) -> Self {
        let Some(metrics) = evidence.metrics else {
            return Self {
                conclusion: Conclusion::NotEvaluated(Unevaluated::NoTestSet),
                test: None,
                too_few: None,
                base_rates: None,
                source: evidence.source,
            };
        };
        let &Evaluation { n, accounts, converting_accounts, conversions, .. } = metrics;
        Self {
            conclusion: conclude(metrics, evidence.baselines, leak::suspects(evidence.model)),
            test: Some(TestSize {
                rows: n,
                accounts,
                converting_accounts,
                converted_rows: conversions,
            }),
            too_few: too_few(metrics, evidence),
            base_rates: compare_base_rates(evidence.training, metrics.base_rate()),
            source: evidence.source,
        }
    }

    /// Returns whether scores of the model need a warning: a leak is suspected, or it is not known
    /// to be better than simpler rules.
    #[must_use]
    pub fn is_poor(&self) -> bool {
        matches!(
            self.conclusion,
            Conclusion::LeakSuspected(_)
                | Conclusion::NoSkill(_)
                | Conclusion::NoBetterThanBaselines { .. }
        )
    }

    /// Returns the warning that goes with scores of a model; `None` unless the verdict is poor.
    ///
    /// # Arguments
    /// * `label` – label of the model
    #[must_use]
    pub fn warning(&self, label: &str) -> Option<Warning> {
        self.is_poor().then(|| Warning::PoorVerdict {
            model: label.to_owned(),
            verdict: self.code().to_owned(),
            headline: self.headline(),
        })
    }

    /// Returns whether the model meets a requirement.
    #[must_use]
    pub fn meets(&self, requirement: Requirement) -> bool {
        match self.conclusion {
            Conclusion::BetterThanBaselines { .. } => true,
            Conclusion::NoBetterThanBaselines { .. } => requirement == Requirement::Skill,
            Conclusion::NotEvaluated(_) | Conclusion::LeakSuspected(_) | Conclusion::NoSkill(_) => {
                false
            }
        }
    }
}

/// Returns the first conclusion that holds.
fn conclude(metrics: &Evaluation, baselines: &[Baseline], suspects: Vec<Suspect>) -> Conclusion {
    let Some(roc_auc) = metrics.roc_auc else {
        return Conclusion::NotEvaluated(Unevaluated::OneOutcome);
    };
    if !suspects.is_empty() {
        return Conclusion::LeakSuspected(suspects);
    }
    if !has_skill(metrics) {
        let base_rate = share(metrics.converting_accounts, metrics.accounts);
        return Conclusion::NoSkill(NoSkill {
            roc_auc,
            log_loss_difference: metrics.log_loss_difference,
            ranks: ranks_better_than_chance(roc_auc, metrics),
            conversions_for_weak_auc: conversions_for_auc(WEAK_AUC, base_rate),
        });
    }
    let is_rule = |baseline: &&Baseline| !matches!(baseline.rule, BaselineRule::BaseRate);
    let (better, unbeaten): (Vec<&Baseline>, Vec<&Baseline>) =
        baselines.iter().filter(is_rule).partition(|baseline| baseline.difference.is_better());
    let beaten = std::iter::once(BASE_RATE.to_owned())
        .chain(better.into_iter().map(|baseline| baseline.name.clone()))
        .collect();
    if unbeaten.is_empty() {
        return Conclusion::BetterThanBaselines { beaten };
    }
    let mut unbeaten: Vec<UnbeatenRule> =
        unbeaten.into_iter().map(|baseline| UnbeatenRule::new(baseline, metrics)).collect();
    unbeaten.sort_by_key(|rule| rule.relation);
    Conclusion::NoBetterThanBaselines { unbeaten, beaten }
}

/// Returns whether a model ranks better than chance and predicts better than the base rate.
pub(crate) fn has_skill(metrics: &Evaluation) -> bool {
    metrics.roc_auc.is_some_and(|auc| ranks_better_than_chance(auc, metrics))
        && metrics.log_loss_difference.is_better()
}

/// Name of the base rate as a baseline.
pub(crate) const BASE_RATE: &str = "the base rate";

/// Returns whether the 95% interval of the ROC AUC is above 0.5. A perfect ranking has a standard
/// error of 0, however few accounts there are; that of a random ranking is used instead.
fn ranks_better_than_chance(auc: Estimate, metrics: &Evaluation) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts of accounts")]
    let accounts = [metrics.converting_accounts, metrics.other_accounts].map(|n| n as f64);
    let interval = match auc.std_error {
        Some(std_error) if std_error > 0.0 => auc.interval,
        Some(_) => {
            Some(Interval::normal(auc.value, random_auc_std_error(accounts[0], accounts[1])))
        }
        None => None,
    };
    interval.is_some_and(|interval| interval.low > 0.5)
}

impl UnbeatenRule {
    fn new(baseline: &Baseline, metrics: &Evaluation) -> Self {
        let difference = baseline.difference;
        let margin = MARGIN * entropy(metrics.base_rate);
        let is_negligible = difference
            .interval
            .is_some_and(|interval| interval.low > -margin && interval.high < margin);
        let relation = match () {
            () if difference.is_worse() => Relation::Worse,
            () if is_negligible => Relation::Equivalent,
            () => Relation::Undecided,
        };
        let more_conversions = difference
            .std_error
            .filter(|_| relation == Relation::Undecided)
            .and_then(|std_error| accounts_to_decide(difference.difference, std_error, margin))
            .map(|factor| more_accounts(metrics.converting_accounts, factor));
        Self { name: baseline.name.clone(), difference, relation, more_conversions }
    }
}

/// Returns how many accounts are missing to a multiple of them, at least 1.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of accounts; a conversion to an integer saturates"
)]
fn more_accounts(accounts: u64, factor: f64) -> u64 {
    (accounts as f64 * (factor - 1.0)).ceil().max(1.0) as u64
}

/// Returns the log loss of a base rate for itself: −p ln p − (1 − p) ln(1 − p).
pub(crate) fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}

/// Returns what is missing if one outcome occurs in too few accounts.
fn too_few(metrics: &Evaluation, evidence: &Evidence<'_>) -> Option<TooFew> {
    let converting = metrics.converting_accounts <= metrics.other_accounts;
    let accounts = metrics.converting_accounts.min(metrics.other_accounts);
    (accounts < MIN_TEST_ACCOUNTS).then(|| TooFew {
        accounts,
        converting,
        needed: MIN_TEST_ACCOUNTS,
        remedy: advice::TrainingSplit::new(evidence.model)
            .filter(|_| evidence.source == EvaluatedRows::TestSet)
            .map_or(Remedy::MoreRows, |split| split.remedy(accounts, converting)),
    })
}

/// Compares the base rates of training and test set.
fn compare_base_rates(training: BaseRate, test: BaseRate) -> Option<BaseRates> {
    let p_value = training.p_value(&test);
    (p_value < SIGNIFICANCE).then_some(BaseRates {
        training: training.rate,
        test: test.rate,
        p_value,
    })
}
