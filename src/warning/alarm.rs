//! What monitoring raises: a batch that no longer looks like the training rows, or scores that
//! outcomes contradict.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Features or event names that an alarm lists; the others are a number.
const LISTED: usize = 3;

/// An event name that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneEvent {
    /// The name.
    pub event: String,
    /// The name that it may have now.
    pub renamed_to: Option<String>,
}

/// Mean age of accounts, in days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanAge {
    /// Of the training rows.
    pub reference: f64,
    /// Of the batch.
    pub current: f64,
}

/// Something that needs attention before the scores of a batch are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Alarm {
    /// No row of the batch was scored.
    NoRowScored,
    /// Features have drifted.
    FeatureDrift {
        /// The features, the furthest first.
        features: Vec<String>,
        /// How many features the model reads.
        all: usize,
        /// Mean age of accounts, where the batch is older.
        mean_age: Option<MeanAge>,
    },
    /// The scores have shifted.
    ScoreShift {
        /// Mean probability of the training rows.
        reference_mean: f64,
        /// Mean probability of the batch.
        current_mean: f64,
        /// The bin that moved most.
        most: Option<ShiftedBin>,
    },
    /// Event names that training accounts had are gone.
    EventGone {
        /// The names.
        events: Vec<GoneEvent>,
    },
    /// More or fewer accounts converted than predicted.
    Miscalibration {
        /// Share of the rows that converted.
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
    /// What it holds, in words.
    pub name: String,
    /// Share of the training rows.
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
            Self::NoRowScored => f.write_str("no row was scored"),
            Self::FeatureDrift { features, all, mean_age } => {
                let names = listed(features.iter().map(|name| format!("`{name}`")));
                write!(f, "{} of {all} features have drifted: {names}", features.len())?;
                mean_age.map_or(Ok(()), |MeanAge { reference, current }| {
                    write!(f, "; accounts are {current:.0} days old on average, in training {reference:.0}, and most measures move with their age")
                })
            }
            Self::ScoreShift { reference_mean, current_mean, most } => {
                let [then, now] = [reference_mean, current_mean].map(|mean| 100.0 * mean);
                write!(
                    f,
                    "the scores have shifted: on average {now:.1} %, of the training rows {then:.1} %"
                )?;
                most.as_ref().map_or(Ok(()), |bin| {
                    let [now, then] = [bin.current, bin.reference].map(|share| 100.0 * share);
                    write!(f, "; most of all {}: {now:.0} % of the rows, {then:.0} % of those of training", bin.name)
                })
            }
            Self::EventGone { events } => {
                let name = |gone: &GoneEvent| {
                    let guess = gone
                        .renamed_to
                        .as_ref()
                        .map_or_else(String::new, |to| format!(", which may have become `{to}`"));
                    format!("`{}`{guess}", gone.event)
                };
                write!(
                    f,
                    "event names that training accounts had are gone: {}",
                    listed(events.iter().map(name))
                )
            }
            Self::Miscalibration { converted, expected, more } => {
                let more = if *more { "more" } else { "fewer" };
                let [converted, expected] = [converted, expected].map(|share| 100.0 * share);
                write!(
                    f,
                    "{more} accounts converted than predicted: {converted:.1} % of the rows, {expected:.1} % expected"
                )
            }
        }
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let rest = names.len().saturating_sub(LISTED);
    let some: Vec<String> = names.take(LISTED).collect();
    if rest > 0 { format!("{} and {rest} more", some.join(", ")) } else { some.join(", ") }
}
