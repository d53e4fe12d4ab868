//! Alarms of monitoring: a batch that differs from the training data, or scores that differ from
//! the outcomes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::counted;

/// Maximum number of features or event types listed in an alarm.
const LISTED: usize = 3;

/// An event type that no longer occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneEvent {
    /// The event type.
    pub event: String,
    /// The event type that may have replaced it.
    pub renamed_to: Option<String>,
}

/// Mean account age, in days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanAge {
    /// In the training data.
    pub reference: f64,
    /// In the batch.
    pub current: f64,
}

/// A reason to check a batch before using its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Alarm {
    /// No row of the batch was scored.
    NoRowScored,
    /// Features have drifted.
    FeatureDrift {
        /// The features, largest drift first.
        features: Vec<String>,
        /// Number of features of the model.
        total: usize,
        /// Mean account age, if the batch is older.
        mean_age: Option<MeanAge>,
    },
    /// The scores have shifted.
    ScoreShift {
        /// Mean probability in the training data.
        reference_mean: f64,
        /// Mean probability in the batch.
        current_mean: f64,
        /// The bin whose share changed most.
        largest_shift: Option<ShiftedBin>,
    },
    /// Event types of the training data no longer occur.
    EventGone {
        /// The event types.
        events: Vec<GoneEvent>,
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
            Self::FeatureDrift { .. } => "feature-drift",
            Self::ScoreShift { .. } => "score-shift",
            Self::EventGone { .. } => "event-gone",
            Self::Miscalibration { .. } => "miscalibration",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRowScored => f.write_str("No row was scored"),
            Self::FeatureDrift { features, total, mean_age } => {
                let names = listed(features.iter().map(|name| format!("`{name}`")));
                let verb = if features.len() == 1 { "has" } else { "have" };
                write!(
                    f,
                    "{} of {} {verb} drifted: {names}",
                    features.len(),
                    counted(*total as u64, "feature")
                )?;
                mean_age.map_or(Ok(()), |MeanAge { reference, current }| {
                    write!(f, ". The accounts are older than in training ({current:.0} days on average, before {reference:.0}), which changes most features.")
                })
            }
            Self::ScoreShift { reference_mean, current_mean, largest_shift } => {
                let verb = if current_mean < reference_mean { "fell" } else { "rose" };
                let [before, now] = [reference_mean, current_mean].map(|mean| percent(*mean));
                write!(f, "The mean probability {verb} from {before} to {now}.")?;
                largest_shift.as_ref().map_or(Ok(()), |bin| {
                    let [now, before] = [bin.current, bin.reference].map(|share| 100.0 * share);
                    write!(
                        f,
                        " {now:.0}% of the accounts are {}; in training {before:.0}% were.",
                        probability_range(&bin.name)
                    )
                })
            }
            Self::EventGone { events } => {
                let name = |gone: &GoneEvent| {
                    let guess = gone
                        .renamed_to
                        .as_ref()
                        .map_or_else(String::new, |to| format!(" (renamed to `{to}`?)"));
                    format!("`{}`{guess}", gone.event)
                };
                write!(
                    f,
                    "{} of the training data no longer {}: {}",
                    counted(events.len() as u64, "event type"),
                    if events.len() == 1 { "occurs" } else { "occur" },
                    listed(events.iter().map(name))
                )
            }
            Self::Miscalibration { converted, expected, more } => {
                let more = if *more { "More" } else { "Fewer" };
                let [converted, expected] = [converted, expected].map(|share| 100.0 * share);
                write!(
                    f,
                    "{more} accounts converted than predicted: {converted:.1}%, {expected:.1}% expected"
                )
            }
        }
    }
}

/// Formats a probability in percent with one decimal place, two below 1%.
fn percent(probability: f64) -> String {
    let places = if probability > 0.0 && probability < 0.01 { 2 } else { 1 };
    format!("{:.places$}%", 100.0 * probability)
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
        let alarm = |bin: &str| Alarm::ScoreShift {
            reference_mean: 0.0037,
            current_mean: 0.002,
            largest_shift: Some(ShiftedBin { name: bin.to_owned(), reference: 0.1, current: 0.26 }),
        };
        assert_eq!(
            alarm("up to 0.047%").to_string(),
            "The mean probability fell from 0.37% to 0.20%. \
             26% of the accounts are below 0.047%; in training 10% were."
        );
        assert!(alarm("2% to 5%").to_string().contains("are between 2% and 5%;"));
        assert!(alarm("above 9%").to_string().contains("are above 9%;"));
    }
}
