//! Why a row of a source, an account or a feature is not used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why a row of a source is not used as an event or account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// No account in the row.
    AccountMissing,
    /// No event name in the row.
    EventMissing,
    /// No time in the row.
    TimeMissing,
    /// No column of a daily table is other than 0.
    NoEvent,
    /// Later than now.
    InTheFuture,
    /// At or after the end of the log.
    AfterUntil,
    /// An id that was read before.
    RepeatedId,
    /// Not in the account list.
    UnknownAccount,
    /// The account converts or churns before it signs up.
    OutcomeBeforeSignUp,
    /// The account signs up at or after the end of the log.
    NotYetSignedUp,
    /// Its account was dropped.
    AccountDropped,
    /// A conversion, kept as an outcome.
    RoleConverted,
    /// A churn, kept as an outcome.
    RoleChurned,
    /// Excluded by `roles.exclude`.
    RoleExclude,
}

impl DropReason {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AccountMissing => "account-missing",
            Self::EventMissing => "event-missing",
            Self::TimeMissing => "time-missing",
            Self::NoEvent => "no-event",
            Self::InTheFuture => "in-the-future",
            Self::AfterUntil => "after-until",
            Self::RepeatedId => "repeated-id",
            Self::UnknownAccount => "unknown-account",
            Self::OutcomeBeforeSignUp => "outcome-before-sign-up",
            Self::NotYetSignedUp => "not-yet-signed-up",
            Self::AccountDropped => "account-dropped",
            Self::RoleConverted => "role-converted",
            Self::RoleChurned => "role-churned",
            Self::RoleExclude => "role-exclude",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountMissing => "account missing",
            Self::EventMissing => "event name missing",
            Self::TimeMissing => "time missing",
            Self::NoEvent => "no event in the row",
            Self::InTheFuture => "in the future",
            Self::AfterUntil => "at or after the end of the log",
            Self::RepeatedId => "repeated id",
            Self::UnknownAccount => "unknown account",
            Self::OutcomeBeforeSignUp => "converts or churns before sign-up",
            Self::NotYetSignedUp => "signs up at or after the end of the log",
            Self::AccountDropped => "its account was dropped",
            Self::RoleConverted => "conversion (an outcome, no usage)",
            Self::RoleChurned => "churn (an outcome, no usage)",
            Self::RoleExclude => "excluded by `roles.exclude`",
        })
    }
}

/// What is kept in a log, and counted because it looks odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// Events before the sign-up of their account.
    EventBeforeSignUp,
    /// Accounts without any event.
    SilentAccount,
    /// Accounts that signed up before the log begins.
    AccountBeforeLog,
    /// Churn times that equal the last event of the account.
    ChurnAtLastEvent,
}

impl Oddity {
    /// Returns the stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::EventBeforeSignUp => "event-before-sign-up",
            Self::SilentAccount => "silent-account",
            Self::AccountBeforeLog => "account-before-log",
            Self::ChurnAtLastEvent => "churn-at-last-event",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventBeforeSignUp => "events before the sign-up of their account",
            Self::SilentAccount => "accounts without events",
            Self::AccountBeforeLog => "accounts that signed up before the log begins",
            Self::ChurnAtLastEvent => "churn times that equal the account's last event",
        })
    }
}

/// Why an account gives no observation at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObservationDrop {
    /// It converted or churned before the cutoff.
    ClosedBeforeCutoff,
    /// It converted or churned between the cutoff and the end of the gap.
    ClosedInGap,
    /// It signed up at or after the cutoff.
    SignedUpAfterCutoff,
    /// It has not reached the age at which accounts are observed.
    TooYoung,
}

impl ObservationDrop {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ClosedBeforeCutoff => "closed-before-cutoff",
            Self::ClosedInGap => "closed-in-gap",
            Self::SignedUpAfterCutoff => "signed-up-after-cutoff",
            Self::TooYoung => "too-young",
        }
    }
}

impl fmt::Display for ObservationDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedBeforeCutoff => "converted or churned before the cutoff",
            Self::ClosedInGap => "converted or churned inside the gap",
            Self::SignedUpAfterCutoff => "signed up at or after the cutoff",
            Self::TooYoung => "younger than `observation.age` at the end of the log",
        })
    }
}

/// Why an observed account gets no score.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unscored {
    /// A feature is NaN or infinite.
    #[serde(rename = "not-scored-not-finite")]
    NotFinite {
        /// The design column.
        column: String,
    },
    /// It was observed at its age, and the horizon after that is over.
    #[serde(rename = "not-scored-horizon-over")]
    HorizonOver,
    /// It is older than the accounts that the model learned from.
    #[serde(rename = "not-scored-too-old")]
    TooOld,
    /// It is younger than the accounts that the model learned from.
    #[serde(rename = "not-scored-too-young")]
    TooYoung,
}

impl Unscored {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooYoung => "not-scored-too-young",
            Self::TooOld => "not-scored-too-old",
            Self::HorizonOver => "not-scored-horizon-over",
            Self::NotFinite { .. } => "not-scored-not-finite",
        }
    }
}

impl fmt::Display for Unscored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooYoung => f.write_str("not scored: too young"),
            Self::TooOld => f.write_str("not scored: too old"),
            Self::HorizonOver => f.write_str("not scored: its horizon is over"),
            Self::NotFinite { column } => write!(f, "not scored: `{column}` is not finite"),
        }
    }
}

/// Why a feature or design column is not in a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureDrop {
    /// No training row has a value.
    AllMissing,
    /// All training rows have the same value.
    Constant,
    /// Standardizing overflows.
    OutOfRange,
    /// Every level is too rare for a column.
    RareLevels {
        /// How many levels there are.
        levels: usize,
        /// Share of the rows that a level needs, as written.
        needed: String,
    },
    /// The column equals others.
    Repeats {
        /// The columns that stay.
        columns: Vec<String>,
    },
    /// Other columns determine it.
    LinearCombination {
        /// The columns that stay.
        columns: Vec<String>,
    },
    /// Too few training accounts have it.
    FewAccounts {
        /// How many have it before their cutoffs.
        accounts: u32,
        /// How many are needed.
        needed: u32,
    },
    /// It began too late to be known for older training rows.
    TooRecent {
        /// When it first occurred.
        first: Timestamp,
        /// The median training cutoff.
        median: Timestamp,
    },
    /// The role that it needs lacks support.
    RoleTooRare {
        /// The role.
        role: String,
        /// What the role lacks.
        reason: Box<FeatureDrop>,
    },
    /// More event names that lack support, not listed one by one.
    OtherEvents {
        /// How many.
        events: usize,
    },
}

impl FeatureDrop {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AllMissing => "all-missing",
            Self::Constant => "constant",
            Self::OutOfRange => "out-of-range",
            Self::RareLevels { .. } => "rare-levels",
            Self::Repeats { .. } => "repeats",
            Self::LinearCombination { .. } => "linear-combination",
            Self::FewAccounts { .. } => "few-accounts",
            Self::TooRecent { .. } => "too-recent",
            Self::RoleTooRare { .. } => "role-too-rare",
            Self::OtherEvents { .. } => "other-events",
        }
    }
}

impl fmt::Display for FeatureDrop {
    /// Writes the end of a sentence that begins with the name of the feature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |columns: &[String]| {
            columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::AllMissing => f.write_str("is missing in all training rows"),
            Self::Constant => f.write_str("is the same in all training rows"),
            Self::OutOfRange => f.write_str("has values too large or too small to be standardised"),
            Self::RareLevels { levels, needed } => {
                write!(f, "has {levels} levels, each in less than {needed} of the training rows")
            }
            Self::Repeats { columns } => write!(f, "repeats {}", listed(columns)),
            Self::LinearCombination { columns } => {
                write!(f, "is a linear combination of {}", listed(columns))
            }
            Self::FewAccounts { accounts, needed } => {
                write!(
                    f,
                    "occurs in {accounts} training accounts before their cutoffs, where {needed} are needed"
                )
            }
            Self::TooRecent { first, median } => {
                let same_day = first.day() == median.day();
                let time = |t: &Timestamp| if same_day { t.to_string() } else { t.day() };
                write!(
                    f,
                    "first occurs on {}, not before the median training cutoff of {}",
                    time(first),
                    time(median)
                )
            }
            Self::RoleTooRare { role, reason } => {
                write!(f, "needs events of the role `{role}`, which {reason}")
            }
            Self::OtherEvents { events } => write!(
                f,
                "of {events} more event names, which fewer accounts use, lacks such support too"
            ),
        }
    }
}

/// A feature or design column that is not in a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFeature {
    /// The feature or design column; a measure stands for its columns of all windows.
    pub column: String,
    /// Why.
    pub reason: FeatureDrop,
}

impl DroppedFeature {
    pub(crate) fn new(column: &str, reason: FeatureDrop) -> Self {
        Self { column: column.to_owned(), reason }
    }

    /// Returns whether it stands for this feature: the feature itself, or its measure in a window.
    pub(crate) fn covers(&self, feature: &str) -> bool {
        let window = feature
            .strip_prefix(self.column.as_str())
            .map(|rest| rest.strip_prefix('_').and_then(|w| w.strip_suffix('d')));
        match window {
            Some(Some(days)) => !days.is_empty() && days.bytes().all(|b| b.is_ascii_digit()),
            Some(None) => feature == self.column,
            None => false,
        }
    }
}

impl fmt::Display for DroppedFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.column, self.reason)
    }
}

/// Why a scored row does not count when scores are compared with outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeDrop {
    /// Its horizon is not over.
    HorizonOpen,
    /// It was scored long after its cutoff.
    ScoredLate,
    /// The log does not have its account.
    AccountNotInLog,
}

impl OutcomeDrop {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::HorizonOpen => "horizon-open",
            Self::ScoredLate => "scored-late",
            Self::AccountNotInLog => "account-not-in-log",
        }
    }
}

impl fmt::Display for OutcomeDrop {
    /// Writes the end of a sentence that begins with a number of rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HorizonOpen => "whose horizon is not over",
            Self::ScoredLate => {
                "of accounts that had been of the age for more than a twentieth of the horizon: those that converted first are lacking"
            }
            Self::AccountNotInLog => "of accounts that the log does not have",
        })
    }
}
