//! Reasons why a row of a source, an account or a feature is not used.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::escape::OneLine;
use crate::names::{agree, backticked, counted};
use crate::time::Day;

/// Reason why a row of a source is not used as an event or account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// No account in the row.
    AccountMissing,
    /// No event type in the row.
    EventMissing,
    /// No time in the row.
    TimeMissing,
    /// All event columns of a daily table are 0.
    NoEvent,
    /// Later than now.
    InTheFuture,
    /// At or after the end of the log.
    AfterUntil,
    /// No user in the row.
    UserMissing,
    /// The email address names neither a company nor a person.
    InvalidAddress,
    /// The address of a user is at a free-mail, relay or disposable provider.
    PersonalAddress,
    /// The user joins two accounts at the same time.
    UserInTwoAccounts,
    /// The files of users lack the user.
    UnknownUser,
    /// The user has no account at the time of the event.
    UserWithoutAccount,
    /// A repeated event id.
    RepeatedId,
    /// Not in the account list.
    UnknownAccount,
    /// The account converts or churns before it signs up.
    OutcomeBeforeSignUp,
    /// The account signs up at or after the end of the log.
    NotYetSignedUp,
    /// Its account was dropped.
    AccountDropped,
    /// A conversion, used as an outcome.
    RoleConverted,
    /// A churn, used as an outcome.
    RoleChurned,
    /// Excluded by `roles.exclude`.
    RoleExclude,
    /// The user is own staff or a test user.
    InternalUser,
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
            Self::UserMissing => "user-missing",
            Self::InvalidAddress => "invalid-address",
            Self::PersonalAddress => "personal-address",
            Self::UserInTwoAccounts => "user-in-two-accounts",
            Self::UnknownUser => "unknown-user",
            Self::UserWithoutAccount => "user-without-account",
            Self::RepeatedId => "repeated-id",
            Self::UnknownAccount => "unknown-account",
            Self::OutcomeBeforeSignUp => "outcome-before-sign-up",
            Self::NotYetSignedUp => "not-yet-signed-up",
            Self::AccountDropped => "account-dropped",
            Self::RoleConverted => "role-converted",
            Self::RoleChurned => "role-churned",
            Self::RoleExclude => "role-exclude",
            Self::InternalUser => "internal-user",
        }
    }

    /// Returns whether the project file or the end of the log asks for the drop, so that the row is
    /// not defective.
    #[must_use]
    pub fn is_intended(self) -> bool {
        matches!(
            self,
            Self::NoEvent
                | Self::AfterUntil
                | Self::NotYetSignedUp
                | Self::RoleConverted
                | Self::RoleChurned
                | Self::RoleExclude
                | Self::InternalUser
                | Self::PersonalAddress
        )
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountMissing => "account missing",
            Self::EventMissing => "event type missing",
            Self::TimeMissing => "time missing",
            Self::NoEvent => "all event columns are 0",
            Self::InTheFuture => "in the future",
            Self::AfterUntil => "at or after the end of the log",
            Self::UserMissing => "user missing",
            Self::InvalidAddress => "invalid email address",
            Self::PersonalAddress => "personal email address",
            Self::UserInTwoAccounts => "user in two accounts at once",
            Self::UnknownUser => "unknown user",
            Self::UserWithoutAccount => "user without account",
            Self::RepeatedId => "repeated id",
            Self::UnknownAccount => "unknown account",
            Self::OutcomeBeforeSignUp => "converts or churns before sign-up",
            Self::NotYetSignedUp => "signs up at or after the end of the log",
            Self::AccountDropped => "account dropped",
            Self::RoleConverted => "conversion (an outcome, not usage)",
            Self::RoleChurned => "churn (an outcome, not usage)",
            Self::RoleExclude => "excluded by `roles.exclude`",
            Self::InternalUser => "internal user",
        })
    }
}

/// Anomaly of records that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// Events before the sign-up of their account.
    EventBeforeSignUp,
    /// Accounts without events.
    SilentAccount,
    /// Accounts that signed up before the log starts.
    AccountBeforeLog,
    /// Churn times equal to the last event of the account.
    ChurnAtLastEvent,
    /// Conversion and churn times that mean never.
    TimeMeansNever,
}

impl Anomaly {
    /// Returns the stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::EventBeforeSignUp => "event-before-sign-up",
            Self::SilentAccount => "silent-account",
            Self::AccountBeforeLog => "account-before-log",
            Self::ChurnAtLastEvent => "churn-at-last-event",
            Self::TimeMeansNever => "time-means-never",
        }
    }
}

impl Anomaly {
    /// Describes a number of such rows: `1 account without events`.
    #[must_use]
    pub fn describe(self, count: u64) -> String {
        let (noun, rest) = match self {
            Self::EventBeforeSignUp => ("event", "before the sign-up of the account"),
            Self::SilentAccount => ("account", "without events"),
            Self::AccountBeforeLog => ("account", "that signed up before the log starts"),
            Self::ChurnAtLastEvent => ("churn time", "equal to the last event of the account"),
            Self::TimeMeansNever => ("conversion or churn time", "read as never"),
        };
        format!("{} {rest}", counted(count, noun))
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventBeforeSignUp => "events before the sign-up of the account",
            Self::SilentAccount => "accounts without events",
            Self::AccountBeforeLog => "accounts that signed up before the log starts",
            Self::ChurnAtLastEvent => "churn times equal to the last event of the account",
            Self::TimeMeansNever => "conversion or churn times read as never",
        })
    }
}

/// Reason why an account has no observation at a cutoff.
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
    /// Its cutoff is before the start of the log.
    BeforeLog,
    /// It is younger than the minimum age at every cutoff.
    BelowMinAge,
    /// It is older than the maximum age at every cutoff.
    AboveMaxAge,
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
            Self::BeforeLog => "before-log",
            Self::BelowMinAge => "below-min-age",
            Self::AboveMaxAge => "above-max-age",
        }
    }
}

impl fmt::Display for ObservationDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedBeforeCutoff => "converted or churned before the cutoff",
            Self::ClosedInGap => "converted or churned in the gap",
            Self::SignedUpAfterCutoff => "signed up at or after the cutoff",
            Self::TooYoung => "younger than `observation.age` at the end of the log",
            Self::BeforeLog => "observed before the log starts (`observation.since`)",
            Self::BelowMinAge => "younger than `observation.min_age` at the cutoff",
            Self::AboveMaxAge => "older than `observation.max_age` at the cutoff",
        })
    }
}

/// Reason why an account is not scored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unscored {
    /// A feature is NaN or infinite.
    #[serde(rename = "not-scored-not-finite")]
    NotFinite {
        /// The design column.
        column: String,
    },
    /// Its horizon, which starts at the configured age, is over.
    #[serde(rename = "not-scored-horizon-over")]
    HorizonOver,
    /// It is older than the training accounts.
    #[serde(rename = "not-scored-too-old")]
    TooOld,
    /// It is younger than the training accounts.
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
        let f = &mut OneLine(f);
        match self {
            Self::TooYoung => f.write_str("not scored: too young"),
            Self::TooOld => f.write_str("not scored: too old"),
            Self::HorizonOver => f.write_str("not scored: the horizon is over"),
            Self::NotFinite { column } => write!(f, "not scored: `{column}` is not finite"),
        }
    }
}

/// Reason why a feature or design column is not in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureDrop {
    /// All training values are missing.
    AllMissing,
    /// All training values are equal.
    Constant,
    /// Standardizing overflows.
    OutOfRange,
    /// All levels are rare.
    RareLevels {
        /// Number of levels.
        levels: usize,
        /// Minimum share of rows of a level, as text.
        needed: String,
    },
    /// It numbers the rows of a feature matrix.
    RowNumber,
    /// It has times.
    Time,
    /// It has almost as many values as there are accounts.
    Identifier {
        /// Number of different values.
        distinct: u64,
    },
    /// The column duplicates others.
    Repeats {
        /// The columns that stay.
        columns: Vec<String>,
    },
    /// Other columns determine it.
    LinearCombination {
        /// The columns that stay.
        columns: Vec<String>,
    },
    /// Too few training accounts have the event.
    FewAccounts {
        /// Accounts with the event before their cutoff.
        accounts: u32,
        /// Accounts required.
        needed: u32,
    },
    /// The event first occurred too late for the older training rows.
    TooRecent {
        /// The day of its first occurrence.
        first: Day,
        /// The day of the median training cutoff.
        median: Day,
    },
    /// Too few events have the required role.
    RoleTooRare {
        /// The role.
        role: String,
        /// The reason for the role.
        reason: Box<FeatureDrop>,
    },
    /// Further rare event types, which are not listed individually.
    OtherEvents {
        /// Number of event types.
        events: usize,
    },
    /// Its windows begin before the sign-up of almost all training accounts.
    YoungAccounts {
        /// Age from which an account has a value, in days.
        days: u32,
        /// Accounts of this age at a training cutoff.
        accounts: u32,
        /// Accounts required.
        needed: u32,
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
            Self::RowNumber => "row-number",
            Self::Time => "time-column",
            Self::Identifier { .. } => "identifier",
            Self::Repeats { .. } => "repeats",
            Self::LinearCombination { .. } => "linear-combination",
            Self::FewAccounts { .. } => "few-accounts",
            Self::TooRecent { .. } => "too-recent",
            Self::RoleTooRare { .. } => "role-too-rare",
            Self::OtherEvents { .. } => "other-events",
            Self::YoungAccounts { .. } => "young-accounts",
        }
    }
}

impl FeatureDrop {
    /// Returns whether too few events or accounts support the feature.
    pub(crate) fn is_support(&self) -> bool {
        matches!(
            self,
            Self::FewAccounts { .. }
                | Self::TooRecent { .. }
                | Self::RoleTooRare { .. }
                | Self::OtherEvents { .. }
                | Self::YoungAccounts { .. }
        )
    }

    /// Returns what the column has, if it is a feature once `design.include` lists it.
    #[must_use]
    pub fn unasked_kind(&self) -> Option<&'static str> {
        match self {
            Self::RowNumber => Some("row number"),
            Self::Time => Some("times"),
            Self::Identifier { .. } => Some("identifier"),
            _ => None,
        }
    }
}

impl fmt::Display for FeatureDrop {
    /// Writes a verb phrase with the feature as its subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        match self {
            Self::AllMissing => f.write_str("is missing in all training rows"),
            Self::Constant => f.write_str("is constant in the training rows"),
            Self::OutOfRange => f.write_str("has values too large or too small to standardize"),
            Self::RareLevels { levels, needed } => {
                write!(
                    f,
                    "has only rare levels ({levels}, each in less than {needed} of the training rows)"
                )
            }
            Self::RowNumber => f.write_str("numbers the rows"),
            Self::Time => f.write_str("has times"),
            Self::Identifier { distinct } => {
                write!(f, "is an identifier ({})", counted(*distinct, "different value"))
            }
            Self::Repeats { columns } => write!(f, "duplicates {}", backticked(columns)),
            Self::LinearCombination { columns } => {
                write!(f, "is a linear combination of {}", backticked(columns))
            }
            Self::FewAccounts { accounts, needed } => {
                write!(
                    f,
                    "occurs in {} before the cutoff ({needed} required)",
                    counted(u64::from(*accounts), "training account")
                )
            }
            Self::TooRecent { first, median } if first == median => {
                write!(
                    f,
                    "first occurs on {first}, later on that day than half of the training cutoffs"
                )
            }
            Self::TooRecent { first, median } => write!(
                f,
                "first occurs on {first}, after half of the training cutoffs ({median} or before)"
            ),
            Self::RoleTooRare { role, reason } => {
                write!(f, "requires the role `{role}`, which {reason}")
            }
            Self::OtherEvents { events } => write!(
                f,
                "of {} is too rare as well",
                counted(*events as u64, "further event type")
            ),
            Self::YoungAccounts { days, accounts, needed } => write!(
                f,
                "requires accounts of at least {}; {} {} that old at a cutoff ({needed} required)",
                counted(u64::from(*days), "day"),
                counted(u64::from(*accounts), "training account"),
                agree(u64::from(*accounts), ["is", "are"])
            ),
        }
    }
}

/// A feature or design column that is not in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFeature {
    /// The feature or design column, or a measure for its columns of all windows.
    pub column: String,
    /// The reason.
    pub reason: FeatureDrop,
}

impl DroppedFeature {
    pub(crate) fn new(column: &str, reason: FeatureDrop) -> Self {
        Self { column: column.to_owned(), reason }
    }

    /// Returns the name of the column in backticks.
    pub(super) fn quoted_column(&self) -> String {
        if self.column.trim().is_empty() {
            "(no name)".to_owned()
        } else {
            format!("`{}`", self.column)
        }
    }

    /// Returns whether it covers a feature: the feature itself, or its measure in one window.
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
        let f = &mut OneLine(f);
        write!(f, "{} {}", self.quoted_column(), self.reason)
    }
}

/// Reason why a scored row is excluded when scores are compared with outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeDrop {
    /// Its horizon is not over.
    HorizonOpen,
    /// It was scored long after its cutoff.
    ScoredLate,
    /// Its account is not in the log.
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
    /// Writes the reason as a phrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HorizonOpen => "horizon is not over",
            Self::ScoredLate => "scored late, so early conversions are missing",
            Self::AccountNotInLog => "account is not in the log",
        })
    }
}
