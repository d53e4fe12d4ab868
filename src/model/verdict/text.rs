//! The words of a verdict.

use std::fmt::{self, Write as _};

use pql_stats::intervals::Interval;
use pql_stats::metrics::Difference;
use serde::Serialize;

use super::{
    BaseRates, Conclusion, EvaluatedRows, NoSkill, Relation, Remedy, Requirement, Suspect,
    TestSize, TooFew, UnbeatenRule, Unevaluated, Verdict,
};
use crate::dataset::split_summary::SampleCounts;
use crate::escape::OneLine;
use crate::names::{
    agree, counted, distinct, enumerated, grouped, outcome_words, places_of_small, plural,
    signed_decimal,
};

/// Page about models without skill.
const GUIDE: &str = "docs/guide/no-skill.md";
/// Maximum number of suspects in a headline.
const LISTED: usize = 3;

impl Conclusion {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEvaluated(_) => "not-evaluated",
            Self::LeakSuspected(_) => "leak-suspected",
            Self::NoSkill(_) => "no-skill",
            Self::NoBetterThanBaselines { .. } => "no-better-than-baselines",
            Self::BetterThanBaselines { .. } => "better-than-baselines",
        }
    }
}

impl Requirement {
    /// Returns the requirement as written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Baseline => "baseline",
        }
    }
}

impl Verdict {
    /// Returns the stable code of the conclusion.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.conclusion.code()
    }

    /// Returns the conclusion in a few words, for a table.
    #[must_use]
    pub fn short(&self) -> &'static str {
        match &self.conclusion {
            Conclusion::NotEvaluated(_) => "not evaluated",
            Conclusion::LeakSuspected(_) => "leak suspected",
            Conclusion::NoSkill(_) => "no skill",
            Conclusion::NoBetterThanBaselines { unbeaten, .. } => {
                if unbeaten.iter().any(|rule| rule.relation == Relation::Worse) {
                    "worse than a rule"
                } else {
                    "no better than a rule"
                }
            }
            Conclusion::BetterThanBaselines { .. } => "better than baselines",
        }
    }

    /// Returns the sentence that comes before the headline if the test set is too small.
    #[must_use]
    pub fn caution(&self) -> Option<String> {
        self.too_few.as_ref().map(ToString::to_string)
    }

    /// Returns the caution, if any, and the verdict in one line, without a final period.
    #[must_use]
    pub fn headline(&self) -> String {
        let caution = self.caution().map_or_else(String::new, |caution| format!("{caution} "));
        format!("{caution}{self}")
    }

    /// Returns the sentences after the headline: base rates, comparisons, needed conversions.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let about_rows = match self.source {
            EvaluatedRows::TestSet | EvaluatedRows::Newer => None,
            EvaluatedRows::IncludesTestSet => Some(
                "The simpler rules were fitted on the test rows among these rows, which favors them slightly.",
            ),
            EvaluatedRows::MayIncludeTraining => {
                Some("The model may have been trained on some of these rows, which favors it.")
            }
        };
        let mut sentences: Vec<String> = about_rows.into_iter().map(str::to_owned).collect();
        sentences.extend(self.base_rates.map(|rates| rates.sentence(self.source)));
        match &self.conclusion {
            Conclusion::NotEvaluated(_) | Conclusion::BetterThanBaselines { .. } => {}
            Conclusion::LeakSuspected(_) => sentences.push(
                "All metrics may be too good. Exclude what is not known at the cutoff, and train again."
                    .to_owned(),
            ),
            Conclusion::NoSkill(no_skill) => sentences.push(self.after_no_skill(no_skill)),
            Conclusion::NoBetterThanBaselines { unbeaten, beaten } => {
                sentences.extend(unbeaten.iter().map(UnbeatenRule::sentence));
                sentences.push(format!("Better than {}.", enumerated(beaten)));
            }
        }
        sentences
    }

    /// Returns the size of the evaluated rows, such as `45 held-out accounts (7 converted)`.
    fn sample(&self) -> String {
        let Some(test) = self.test else { return "the test set".to_owned() };
        let kind = if self.source == EvaluatedRows::MayIncludeTraining { "" } else { "held-out " };
        let TestSize { rows, accounts, converting_accounts, converted_rows } = test;
        let positive_rows = converted_rows;
        SampleCounts { rows, accounts, positive_rows, converting_accounts }.describe_as(kind)
    }

    /// Returns what helps a model without skill.
    fn after_no_skill(&self, no_skill: &NoSkill) -> String {
        let converting = self.test.map_or(0, |test| test.converting_accounts);
        let text = match no_skill.conversions_for_weak_auc {
            _ if no_skill.ranks => format!(
                "Its ranking is better than chance (ROC AUC {}).",
                with_interval(no_skill.roc_auc.value, no_skill.roc_auc.interval)
            ),
            Some(needed) if needed > converting => format!(
                "About {} {} needed to detect an AUC of 0.60.",
                more_conversions(needed - converting),
                agree(needed - converting, ["is", "are"])
            ),
            Some(_) => format!(
                "{} suffice to detect an AUC of 0.60, so more data of this kind will not help.",
                counted(converting, "conversion")
            ),
            None => String::new(),
        };
        format!("{text} See {GUIDE}.").trim_start().to_owned()
    }
}

/// A verdict in JSON output: its code, sentences and data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictCard {
    /// The stable code of the conclusion.
    pub code: &'static str,
    /// The headline.
    pub text: String,
    /// A sentence about a test set that is too small; null if it is large enough.
    pub caution: Option<String>,
    /// The sentences after the headline.
    pub details: Vec<String>,
    /// Numbers and names of the conclusion.
    pub data: serde_json::Value,
    /// Size of the test set; null without one.
    pub test: Option<TestSize>,
    /// Numbers of the caution.
    pub too_few: Option<TooFew>,
    /// Base rates of training and test set, if they differ beyond chance.
    pub base_rates: Option<BaseRates>,
}

impl From<&Verdict> for VerdictCard {
    fn from(verdict: &Verdict) -> Self {
        // The only key of the object is the variant.
        let data = match serde_json::to_value(&verdict.conclusion) {
            Ok(serde_json::Value::Object(variant)) => {
                variant.into_iter().next().map_or(serde_json::Value::Null, |(_, data)| data)
            }
            _ => serde_json::Value::Null,
        };
        Self {
            code: verdict.code(),
            text: verdict.to_string(),
            caution: verdict.caution(),
            details: verdict.details(),
            data,
            test: verdict.test,
            too_few: verdict.too_few,
            base_rates: verdict.base_rates,
        }
    }
}

impl fmt::Display for Verdict {
    /// Writes the headline, a sentence without a period.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        match &self.conclusion {
            Conclusion::NotEvaluated(Unevaluated::NoTestSet) => {
                f.write_str("Not evaluated: there is no test set (`model.test_size`)")
            }
            Conclusion::NotEvaluated(Unevaluated::OneOutcome) => f.write_str(
                "Not evaluated: all test rows have the same outcome, so the ranking cannot be judged",
            ),
            Conclusion::LeakSuspected(suspects) => write_leak(f, suspects),
            Conclusion::NoSkill(no_skill) => write_no_skill(f, no_skill, &self.sample()),
            Conclusion::NoBetterThanBaselines { unbeaten, .. } => write_no_better(f, unbeaten),
            Conclusion::BetterThanBaselines { beaten } => {
                write!(f, "Better than the {}: {}", plural(beaten.len() as u64, "baseline"), enumerated(beaten))
            }
        }
    }
}

fn write_leak(f: &mut OneLine<'_, '_>, suspects: &[Suspect]) -> fmt::Result {
    let mut names: Vec<String> =
        suspects.iter().take(LISTED).map(|suspect| format!("`{}`", suspect.name)).collect();
    if suspects.len() > LISTED {
        names.push(format!("{} more", suspects.len() - LISTED));
    }
    write!(f, "Leak suspected: {} may contain the outcome", enumerated(&names))
}

fn write_no_skill(f: &mut OneLine<'_, '_>, no_skill: &NoSkill, sample: &str) -> fmt::Result {
    if no_skill.ranks {
        return write!(
            f,
            "No skill: on {sample} the probabilities are {} than the base rate ({})",
            if no_skill.log_loss_difference.is_worse() { "worse" } else { "no better" },
            difference_text(&no_skill.log_loss_difference)
        );
    }
    let auc = no_skill.roc_auc;
    let is_worse = auc.interval.is_some_and(|interval| interval.high < 0.5);
    write!(
        f,
        "No skill: on {sample} the model ranks {} than chance (ROC AUC {})",
        if is_worse { "worse" } else { "no better" },
        with_interval(auc.value, auc.interval)
    )
}

fn write_no_better(f: &mut OneLine<'_, '_>, unbeaten: &[UnbeatenRule]) -> fmt::Result {
    let is_worse = unbeaten.iter().any(|rule| rule.relation == Relation::Worse);
    let named = unbeaten.iter().filter(|rule| !is_worse || rule.relation == Relation::Worse);
    let names: Vec<String> = named.map(|rule| rule.name.clone()).collect();
    let rules = agree(names.len() as u64, ["a simpler rule", "simpler rules"]);
    let start = if is_worse { "Worse than" } else { "No better than" };
    write!(f, "{start} {rules}: {}", enumerated(&names))?;
    match unbeaten {
        [rule] if !is_worse => write!(f, " ({})", rule.relation),
        _ => Ok(()),
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worse => "worse",
            Self::Equivalent => "equivalent",
            Self::Undecided => "undecided",
        })
    }
}

impl UnbeatenRule {
    /// Describes the difference from the rule and what it proves.
    fn sentence(&self) -> String {
        let Self { name, difference, relation, more_conversions: needed } = self;
        let difference = difference_text(difference);
        match relation {
            Relation::Worse => {
                format!("Worse than {name} ({difference}). Use the rule instead.")
            }
            Relation::Equivalent => format!(
                "Equivalent to {name} ({difference}): the difference is negligible. Use the rule instead."
            ),
            Relation::Undecided => {
                let needed = needed.map_or_else(String::new, |more| {
                    format!(" About {} would decide it.", more_conversions(more))
                });
                format!("Undecided compared with {name} ({difference}).{needed}")
            }
        }
    }
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only =
            if self.accounts == 0 { "No".to_owned() } else { format!("Only {}", self.accounts) };
        let accounts = plural(self.accounts.max(1), "test account");
        write!(
            f,
            "{only} {accounts} {}; a reliable verdict needs {}. {}",
            outcome_words(self.accounts, self.converting),
            self.needed,
            self.remedy
        )
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TestSize(share) => write!(f, "Set `model.test_size = {share}`."),
            Self::AutoSplit => f.write_str(
                "Set `model.split = \"auto\"` to test by cross-validation if no test period suffices.",
            ),
            Self::ShorterHorizon => f.write_str(
                "Set a shorter `observation.horizon`: most rows overlap the test period and are skipped.",
            ),
            Self::LongerLog => f.write_str("Use a longer log."),
            Self::MoreRows => f.write_str("Use more rows."),
        }
    }
}

impl BaseRates {
    /// Describes the change.
    fn sentence(self, source: EvaluatedRows) -> String {
        let rates = distinct(&[self.training, self.test], percent);
        format!(
            "The share of converting rows {} from {} in training to {} in the {}.",
            if self.test < self.training { "fell" } else { "rose" },
            rates[0],
            rates[1],
            if source == EvaluatedRows::TestSet { "test set" } else { "evaluated rows" }
        )
    }
}

/// Returns the difference in log loss with its interval, such as `difference in log loss -0.012,
/// 95% CI -0.020 to -0.004`.
pub(crate) fn difference_text(difference: &Difference) -> String {
    // Three decimal places, more for small differences and for limits that would look equal.
    let look_equal = |places: usize| {
        difference.interval.is_some_and(|Interval { low, high }| {
            low < high && signed_decimal(low, places) == signed_decimal(high, places)
        })
    };
    let places = difference.places() - 1;
    let places = places + usize::from(look_equal(places));
    let bounds = difference.interval.map(|Interval { low, high }| [low, high]);
    let places = places_of_small(bounds.as_ref().map_or(&[][..], |bounds| &bounds[..]), places);
    let interval = difference.interval.map_or_else(String::new, |Interval { low, high }| {
        format!(", 95% CI {} to {}", signed_decimal(low, places), signed_decimal(high, places))
    });
    format!("difference in log loss {}{interval}", signed_decimal(difference.difference, places))
}

/// Returns an AUC with its interval.
fn with_interval(value: f64, interval: Option<Interval>) -> String {
    let interval = interval.map_or_else(String::new, |Interval { low, high }| {
        format!(", 95% CI {low:.2} to {high:.2}")
    });
    format!("{value:.2}{interval}")
}

/// Returns a share in percent: whole percents from 10% on, else about two significant digits.
///
/// # Arguments
/// * `more` – number of decimal places that are added
fn percent(share: f64, more: usize) -> String {
    let percent = 100.0 * share;
    let places = match percent {
        size if size >= 10.0 || size == 0.0 => 0,
        size if size >= 1.0 => 1,
        _ => 2,
    };
    format!("{percent:.places$}%", places = places + more)
}

/// Returns a number of further conversions, rounded up to two significant digits.
fn more_conversions(more: u64) -> String {
    let more = rounded_up(more);
    format!("{} more {}", grouped(more), plural(more, "conversion"))
}

/// Rounds a count up to two significant digits.
fn rounded_up(count: u64) -> u64 {
    let unit = 10_u64.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    count.div_ceil(unit).saturating_mul(unit)
}
