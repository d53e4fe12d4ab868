//! Alarms of monitoring: a batch that differs from the training data, or scores that differ from
//! the outcomes.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::LogFault;
use crate::escape::OneLine;
use crate::names::{agree, backticked, counted, percent, percents, whole_percents};

/// Maximum number of features listed in an alarm.
const LISTED: usize = 3;

/// A reason to check a batch before using its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Alarm {
    /// No row of the batch was scored.
    NoRowScored,
    /// The newest days of the log have a fault.
    LogFault(LogFault),
    /// Features have drifted.
    FeatureDrift {
        /// The features, largest drift first.
        features: Vec<String>,
        /// Number of features of the model.
        total: usize,
    },
    /// All values of a text feature are new, as after a change of its meaning or spelling.
    OnlyNewLevels(OnlyNewLevels),
    /// The scores have shifted.
    ScoreShift {
        /// Mean probability in the training data.
        reference_mean: f64,
        /// Mean probability in the batch.
        current_mean: f64,
        /// Share at or above the threshold in the training data.
        reference_above_threshold: f64,
        /// Share at or above the threshold in the batch.
        current_above_threshold: f64,
        /// The bin whose share changed most.
        largest_shift: Option<ShiftedBin>,
    },
    /// More or fewer accounts converted than predicted.
    Miscalibration {
        /// Share of rows that converted.
        converted: f64,
        /// Mean probability.
        expected: f64,
        /// Whether more converted.
        more: bool,
    },
}

/// A text feature with only values that do not occur in the training rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlyNewLevels {
    /// The feature.
    pub feature: String,
    /// Rows with a value.
    pub rows: u64,
    /// Some of the values.
    pub found: Vec<String>,
    /// The first levels of the training rows.
    pub expected: Vec<String>,
    /// Number of further levels of the training rows.
    pub more: usize,
}

/// A bin of scores whose share changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftedBin {
    /// Description of the bin.
    pub name: String,
    /// Share of the training data.
    pub reference: f64,
    /// Share of the batch.
    pub current: f64,
}

impl Alarm {
    /// Returns the stable code of the alarm.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRowScored => "no-row-scored",
            Self::LogFault(fault) => fault.code(),
            Self::FeatureDrift { .. } => "feature-drift",
            Self::OnlyNewLevels(_) => "only-new-levels",
            Self::ScoreShift { .. } => "score-shift",
            Self::Miscalibration { .. } => "miscalibration",
        }
    }

    /// Returns what to do about it, as an imperative without a full stop.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoRowScored => "check `--at` and the age limits in [observation]",
            Self::LogFault(fault) => fault.advice(),
            Self::FeatureDrift { .. } => {
                "check the source of these features; if the change is real, watch the outcomes and retrain"
            }
            Self::OnlyNewLevels(_) => {
                "check the meaning and the spelling of this feature; `pql score` refuses such a batch"
            }
            Self::ScoreShift { .. } => "check the features that changed most (-v)",
            Self::Miscalibration { .. } => {
                "retrain on newer cohorts, then compare before you promote"
            }
        }
    }

    /// Returns the position among alarms listed by seriousness, most serious first.
    #[must_use]
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::NoRowScored => 0,
            Self::LogFault(fault) => 1 + fault.rank(),
            Self::OnlyNewLevels(_) => 19,
            Self::Miscalibration { .. } => 20,
            Self::ScoreShift { .. } => 21,
            Self::FeatureDrift { .. } => 22,
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        match self {
            Self::NoRowScored => f.write_str("No row was scored."),
            Self::LogFault(fault) => write!(f, "{fault}"),
            Self::FeatureDrift { features, total } => {
                let names = listed(features.iter().map(|name| format!("`{name}`")));
                let verb = agree(features.len() as u64, ["has", "have"]);
                write!(
                    f,
                    "{} of {} {verb} drifted among accounts of the same age: {names}.",
                    features.len(),
                    counted(*total as u64, "feature")
                )
            }
            Self::OnlyNewLevels(OnlyNewLevels { feature, rows, found, .. }) => write!(
                f,
                "`{feature}` has only values that are not in the training data: {}, in {}.",
                backticked(found),
                counted(*rows, "row")
            ),
            Self::ScoreShift {
                reference_mean,
                current_mean,
                reference_above_threshold,
                current_above_threshold,
                largest_shift,
            } => {
                let change = |name: &str, reference: f64, current: f64| {
                    let verb = if current < reference { "fell" } else { "rose" };
                    let [before, now] = [reference, current].map(percent);
                    (before != now).then(|| format!("{name} {verb} from {before} to {now}"))
                };
                let above = change(
                    "the share above the threshold",
                    *reference_above_threshold,
                    *current_above_threshold,
                );
                let mean = change("the mean probability", *reference_mean, *current_mean);
                let bin = largest_shift.as_ref().map(|bin| {
                    let shares = whole_percents(&[bin.current, bin.reference]);
                    let range = probability_range(&bin.name);
                    format!("{} are {range}, compared with {} in training", shares[0], shares[1])
                });
                let same_age = "Among accounts of the same age,";
                match (above, mean, bin) {
                    (Some(above), Some(mean), _) => write!(f, "{same_age} {above}, and {mean}."),
                    (Some(change), None, None) | (None, Some(change), None) => {
                        write!(f, "{same_age} {change}.")
                    }
                    (Some(change), None, Some(bin)) | (None, Some(change), Some(bin)) => {
                        write!(f, "{same_age} {change}. {bin}.")
                    }
                    (None, None, Some(bin)) => write!(f, "{same_age} {bin}."),
                    (None, None, None) => write!(f, "{same_age} the probabilities have shifted."),
                }
            }
            Self::Miscalibration { converted, expected, more } => {
                let more = if *more { "More" } else { "Fewer" };
                let shares = percents(&[*converted, *expected]);
                write!(
                    f,
                    "{more} accounts converted than predicted: {}, {} expected.",
                    shares[0], shares[1]
                )
            }
        }
    }
}

/// Describes a bin of probabilities: `up to 0.65%` as `below 0.65%`, `2% to 5%` as `between 2% and
/// 5%`.
fn probability_range(name: &str) -> String {
    match (name.strip_prefix("up to "), name.split_once(" to ")) {
        (Some(edge), _) => format!("below {edge}"),
        (None, Some((low, high))) => format!("between {low} and {high}"),
        (None, None) => name.to_owned(),
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let rest = names.len().saturating_sub(LISTED);
    let some: Vec<String> = names.take(LISTED).collect();
    if rest > 0 { format!("{} and {rest} more", some.join(", ")) } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_shift_is_described_in_two_sentences() {
        let alarm = |above: f64, bin: &str| Alarm::ScoreShift {
            reference_mean: 0.0037,
            current_mean: 0.002,
            reference_above_threshold: 0.098,
            current_above_threshold: above,
            largest_shift: Some(ShiftedBin { name: bin.to_owned(), reference: 0.1, current: 0.26 }),
        };
        assert_eq!(
            alarm(0.031, "up to 0.047%").to_string(),
            "Among accounts of the same age, the share above the threshold fell from 9.8% to 3.1%, \
             and the mean probability fell from 0.37% to 0.20%."
        );
        assert_eq!(
            alarm(0.098, "up to 0.047%").to_string(),
            "Among accounts of the same age, the mean probability fell from 0.37% to 0.20%. \
             26% are below 0.047%, compared with 10% in training."
        );
        assert!(alarm(0.098, "2% to 5%").to_string().contains("are between 2% and 5%,"));
        assert!(alarm(0.098, "above 9%").to_string().contains("are above 9%,"));
    }
}
