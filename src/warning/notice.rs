//! Messages of a running pipeline.

use std::fmt;

use super::{DroppedFeature, FeatureDrop, Finding, ObservationDrop, Warning};
use crate::escape::one_line;
use crate::names::{counted, grouped};
use crate::time::ZonedTime;

/// A message of a running pipeline. Results repeat those that matter later.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A warning.
    Warning(Warning),
    /// A finding of the leakage audit.
    Finding(Finding),
    /// Accounts without an observation for training or evaluation.
    ObservationsDropped {
        /// Number of them.
        count: u64,
        /// The reason.
        reason: ObservationDrop,
    },
    /// Accounts without a row to score.
    AccountsDropped {
        /// Number of them.
        count: u64,
        /// The reason.
        reason: ObservationDrop,
    },
    /// Features that are not in the model.
    FeaturesDropped(Vec<DroppedFeature>),
    /// The project file has no definitions, so those of the model are used.
    ModelDefinitions,
    /// Rows that the model may have been trained on were skipped in an evaluation.
    TrainingRowsSkipped {
        /// Number of them.
        rows: usize,
    },
    /// An evaluation uses held-out probabilities of test rows, because the final model was refitted
    /// on them.
    HeldOutRows {
        /// Number of them.
        rows: usize,
    },
    /// A funnel leaves out internal and test accounts, and those outside of the territory.
    IneligibleAccountsSkipped {
        /// Number of them.
        accounts: u64,
    },
    /// Rows are of accounts that were not eligible at the cutoff, and count all the same.
    IneligibleRowsKept {
        /// Number of them.
        rows: u64,
        /// All rows with an outcome.
        all: u64,
    },
    /// Accounts that signed up before the log starts were skipped.
    EarlyAccountsSkipped {
        /// Number of them.
        accounts: u64,
        /// Start of the log.
        since: ZonedTime,
    },
}

/// Maximum number of features listed in a line of a summary.
const LISTED: usize = 5;

impl Notice {
    /// Returns the stable code, for a warning or finding its own.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Warning(warning) => warning.code(),
            Self::Finding(finding) => finding.code(),
            Self::ObservationsDropped { reason, .. } | Self::AccountsDropped { reason, .. } => {
                reason.code()
            }
            Self::FeaturesDropped(_) => "features-dropped",
            Self::ModelDefinitions => "model-definitions",
            Self::TrainingRowsSkipped { .. } => "training-rows-skipped",
            Self::HeldOutRows { .. } => "held-out-rows",
            Self::IneligibleAccountsSkipped { .. } => "ineligible-accounts-skipped",
            Self::IneligibleRowsKept { .. } => "ineligible-rows-kept",
            Self::EarlyAccountsSkipped { .. } => "early-accounts-skipped",
        }
    }
}

impl From<Warning> for Notice {
    fn from(warning: Warning) -> Self {
        Self::Warning(warning)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning(warning) if warning.is_expected() => write!(f, "{warning}"),
            Self::Warning(warning) => write!(f, "warning: {warning}"),
            Self::Finding(finding) => write!(f, "warning: possible leak: {finding}"),
            Self::ObservationsDropped { count, reason } => {
                write!(f, "{} skipped: {reason}", counted(*count, "observation"))
            }
            Self::AccountsDropped { count, reason: ObservationDrop::ClosedBeforeCutoff } => {
                write!(f, "{} skipped: converted or churned already", counted(*count, "account"))
            }
            Self::AccountsDropped { count, reason } => {
                write!(f, "{} skipped: {reason}", counted(*count, "account"))
            }
            Self::FeaturesDropped(features) => f.write_str(&dropped_features(features).join("\n")),
            Self::ModelDefinitions => {
                f.write_str("the project file has no [[definition]]; using those of the model")
            }
            Self::TrainingRowsSkipped { rows } => {
                write!(
                    f,
                    "{} skipped because the model was trained on them (`--all` keeps them)",
                    counted(*rows as u64, "row")
                )
            }
            Self::HeldOutRows { rows } => {
                write!(
                    f,
                    "{} of the test set evaluated with the probabilities from before the final refit",
                    counted(*rows as u64, "row")
                )
            }
            Self::IneligibleAccountsSkipped { accounts } => {
                write!(
                    f,
                    "{} skipped: internal or test accounts, or outside the territory (`[eligibility]`). Others count, even if they are not eligible today",
                    counted(*accounts, "account")
                )
            }
            Self::IneligibleRowsKept { rows, all } => {
                write!(
                    f,
                    "{} of {} are of accounts that were not eligible at the cutoff (`[eligibility]`). They count in all metrics, but never qualify",
                    grouped(*rows),
                    counted(*all, "row")
                )
            }
            Self::EarlyAccountsSkipped { accounts, since } => {
                write!(
                    f,
                    "{} skipped: signed up before the log starts ({since})",
                    counted(*accounts, "account")
                )
            }
        }
    }
}

/// Lists the features that are used only if `design.include` lists them; `None` without such
/// features.
#[must_use]
pub fn unasked_features(features: &[DroppedFeature]) -> Option<String> {
    let name = |feature: &DroppedFeature| {
        Some(format!("{} ({})", feature.quoted_column(), feature.reason.unasked_kind()?))
    };
    let mut names: Vec<String> = features.iter().filter_map(name).collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        format!("Not features unless `design.include` lists them: {}{more}", names.join(", "))
    })
}

/// Lists dropped features, one line per reason.
#[must_use]
pub fn dropped_features(features: &[DroppedFeature]) -> Vec<String> {
    let mut reasons: Vec<(&FeatureDrop, Vec<String>)> = Vec::new();
    for feature in features {
        let column = feature.quoted_column();
        match reasons.iter_mut().find(|(reason, _)| **reason == feature.reason) {
            Some((_, columns)) => columns.push(column),
            None => reasons.push((&feature.reason, vec![column])),
        }
    }
    let line = |(reason, columns): (&FeatureDrop, Vec<String>)| {
        let columns = columns.iter().map(|column| one_line(column)).collect::<Vec<_>>();
        match columns.len() {
            1 => format!("dropped: {} {reason}", columns[0]),
            n => format!("dropped {n} columns, each of which {reason}: {}", columns.join(", ")),
        }
    };
    reasons.into_iter().map(line).collect()
}
