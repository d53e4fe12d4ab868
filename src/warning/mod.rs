//! Every sentence that pql says about data and models, by kind: warnings here, alarms of
//! monitoring, findings of the leakage audit, and the reasons why something is not used. Each has
//! data, a text and a stable code; `docs/codes.md` lists the codes.

mod alarm;
mod drop_reason;
mod finding;
mod message;
mod notice;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::alarm::{Alarm, GoneEvent, MeanAge, ShiftedBin};
pub use self::drop_reason::{
    DropReason, DroppedFeature, FeatureDrop, ObservationDrop, Oddity, OutcomeDrop, Unscored,
};
pub use self::finding::{Finding, MeasureImportance, Origin};
pub use self::message::Message;
pub use self::notice::{Notice, dropped_features};
use crate::names::quoted;
use crate::time::Timestamp;

/// What a definition needs and a log lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefinitionLack {
    /// An event name.
    Event {
        /// The name.
        event: String,
        /// The nearest name in the log.
        near: Option<String>,
    },
    /// A numeric property.
    Property {
        /// The property.
        property: String,
        /// The nearest property that is read.
        near: Option<String>,
    },
    /// So many event names.
    EventNames {
        /// How many the definition asks for.
        asked: u64,
        /// How many the log has.
        known: usize,
    },
    /// Users.
    Users,
}

impl DefinitionLack {
    /// Returns the nearest name that the log has.
    #[must_use]
    pub fn near(&self) -> Option<&str> {
        match self {
            Self::Event { near, .. } | Self::Property { near, .. } => near.as_deref(),
            Self::EventNames { .. } | Self::Users => None,
        }
    }
}

impl fmt::Display for DefinitionLack {
    /// Writes the end of a sentence that begins with the definition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { event, .. } => {
                write!(f, "counts the event `{event}`, which no usage in the log has")
            }
            Self::Property { property, .. } => {
                write!(f, "sums `{property}`, which is not among `events.values`")
            }
            Self::EventNames { asked, known } => {
                write!(f, "asks for {asked} features, and the log has {known} event names")
            }
            Self::Users => f.write_str("counts users, and no event in the log has one"),
        }
    }
}

/// Something that still allows a result, and that a reader of the result should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Warning {
    /// A role names an event that the log does not have.
    UnknownRoleEvent {
        /// The event name.
        event: String,
        /// The role.
        role: String,
        /// The nearest event name in the log.
        near: Option<String>,
    },
    /// Many events equal another in every column, as if a file was read twice.
    RepeatedEvents {
        /// Share of the events.
        share: f64,
        /// Events that were looked at.
        events: usize,
    },
    /// Accounts signed up before the log begins.
    SignedUpBeforeLog {
        /// How many.
        accounts: u64,
        /// Begin of the log.
        since: Timestamp,
    },
    /// Churn times look back-dated.
    BackDatedChurn {
        /// Churn times that equal the last event of the account.
        at_last_event: u64,
        /// All churn times.
        churned: usize,
    },
    /// The log ends long before the cutoff.
    LogEndsEarly {
        /// Days without events.
        days: i64,
    },
    /// The log lacks events that the model counts.
    CountedEventsMissing {
        /// The event names.
        events: Vec<String>,
    },
    /// There is no account list.
    NoAccountList,
    /// A definition needs what the log does not have.
    UnknownInDefinition {
        /// The definition.
        definition: String,
        /// What is lacking.
        lack: DefinitionLack,
    },
    /// Definitions were found on data that they are tested on.
    DefinitionSawTestData {
        /// The first three definitions.
        definitions: Vec<String>,
        /// How many more there are.
        more: usize,
        /// The first test cutoff.
        first_test: Timestamp,
    },
    /// Fewer event names are counted than configured.
    FewerEventCounts {
        /// `features.counts`.
        configured: usize,
        /// Event names that are counted.
        counted: usize,
        /// Converting training accounts.
        accounts: u64,
        /// Accounts wanted for each column.
        per_column: u32,
        /// Design columns with all counts.
        columns: usize,
    },
    /// Nothing was evaluated.
    NoTestRows,
    /// All test rows have the same outcome.
    TestRowsOneClass,
    /// An unpenalized fold did not converge.
    UnpenalizedFold,
    /// Cross-fitting failed.
    CrossFittingFailed {
        /// Why.
        problem: String,
    },
    /// The cross-fitted log-odds allow no calibration.
    NotCalibrated {
        /// Whether they separate the outcomes.
        separated: bool,
    },
    /// Isotonic calibration has little data.
    FewForIsotonic {
        /// Converting training accounts.
        accounts: u64,
        /// Accounts wanted.
        needed: u64,
    },
    /// There are many columns for the converting accounts.
    FewPerColumn {
        /// Converting training accounts for each design column.
        per_column: f64,
        /// Accounts wanted.
        needed: u32,
    },
    /// The best alpha is at an end of the regularization path.
    AlphaAtEnd {
        /// Whether it is the strongest.
        strongest: bool,
        /// The regularization strength.
        alpha: f64,
    },
    /// The threshold lies above all scores of the training rows.
    ThresholdNotReached {
        /// The threshold.
        threshold: f64,
    },
    /// Columns separate the outcomes, so that there are no Wald tests.
    SeparatedOutcomes {
        /// The columns.
        columns: Vec<String>,
        /// Whether they separate all rows.
        complete: bool,
        /// Whether the fit is Firth's.
        firth: bool,
    },
    /// Columns are so collinear that there are no Wald tests.
    NoMaximumLikelihood {
        /// The columns.
        columns: Vec<String>,
    },
    /// Too few accounts convert for Wald tests.
    FewForWaldTests {
        /// Converting training accounts for each design column.
        per_column: f64,
        /// Accounts needed.
        needed: f64,
    },
    /// Columns nearly determine each other.
    CollinearColumns {
        /// The columns.
        columns: Vec<String>,
        /// The largest variance inflation factor.
        inflation: f64,
    },
    /// A key of the project file differs from the model.
    ConfigDiffers {
        /// The key.
        key: String,
        /// Its value in the project file.
        value: String,
        /// Its value in the model.
        model: String,
    },
    /// A matrix has no events that definitions could count.
    DefinitionsNeedEvents,
    /// A matrix has no column of accounts.
    NoAccountColumn {
        /// The file.
        path: PathBuf,
        /// The column with the nearest name.
        near: Option<String>,
    },
    /// No account was scored.
    NoneScored,
    /// Rows have a level that no training row had.
    UnseenLevels {
        /// How many rows.
        rows: u64,
        /// The feature.
        feature: String,
    },
    /// Rows were not scored.
    RowsNotScored {
        /// How many rows.
        rows: u64,
        /// Why.
        reason: Unscored,
    },
    /// Rows of a matrix that `pql score` would not score.
    RowsNotEligible {
        /// How many.
        rows: usize,
        /// All rows.
        all: usize,
    },
    /// Rows are left out because a value is not finite.
    RowsNotFinite {
        /// How many rows.
        rows: usize,
    },
    /// Rows have no cutoffs, so rows that the model learned from are included.
    NoCutoffs,
    /// Rows to compare two models on have no cutoffs.
    NoCutoffsInComparison,
    /// Rows are left out because the model may have learned from them.
    TrainingRowsLeftOut {
        /// How many rows.
        rows: usize,
    },
    /// Rows that a model learned from are kept, as asked (`--all`).
    TrainingRowsKept {
        /// How many rows.
        rows: usize,
    },
    /// Two models see different outcomes.
    OutcomesDiffer {
        /// How many rows.
        rows: usize,
    },
    /// There are few conversions to compare two models on.
    FewToCompare {
        /// Rows that converted.
        conversions: u64,
        /// All rows.
        rows: u64,
        /// Rows needed of either outcome.
        needed: u64,
    },
    /// Earlier alerts were not sent.
    AlertsNotSent {
        /// How many.
        alerts: usize,
        /// The time of the run before them.
        since: Timestamp,
    },
    /// Two runs were scored by different models.
    OtherModel,
    /// Scores of another version do not count.
    ScoresLeftOut {
        /// The version.
        model: String,
        /// Why.
        problem: String,
    },
    /// The test rows are not stored beside the model.
    NoStoredTestRows,
    /// The project file has no definition.
    NoDefinitions,
    /// Sign-ups come from events, since there is no account list.
    FunnelWithoutAccountList,
    /// With dates alone the order of PQL and conversion is unknown.
    SameDayCustomers {
        /// Customers that converted on the day of their PQL time.
        same_day: u64,
        /// All customers of the definition.
        customers: u64,
        /// The definition.
        definition: String,
    },
    /// The visitors' file has fewer visitors than there are sign-ups.
    MoreSignUpsThanVisitors {
        /// Visitors.
        visitors: u64,
        /// Sign-ups on the same days.
        sign_ups: u64,
    },
    /// The visitors' file lacks days with sign-ups.
    VisitorDaysMissing {
        /// Sign-ups on these days.
        sign_ups: u64,
    },
    /// A stored version cannot be read.
    UnreadableVersion {
        /// The version.
        model: String,
        /// Why.
        problem: String,
    },
}

impl Warning {
    /// Returns the stable code of the warning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRoleEvent { .. } => "unknown-role-event",
            Self::RepeatedEvents { .. } => "repeated-events",
            Self::SignedUpBeforeLog { .. } => "signed-up-before-log",
            Self::BackDatedChurn { .. } => "back-dated-churn",
            Self::LogEndsEarly { .. } => "log-ends-early",
            Self::CountedEventsMissing { .. } => "counted-events-missing",
            Self::NoAccountList => "no-account-list",
            Self::UnknownInDefinition { .. } => "unknown-in-definition",
            Self::DefinitionSawTestData { .. } => "definition-saw-test-data",
            Self::FewerEventCounts { .. } => "fewer-event-counts",
            Self::NoTestRows => "no-test-rows",
            Self::TestRowsOneClass => "test-rows-one-class",
            Self::UnpenalizedFold => "unpenalized-fold",
            Self::CrossFittingFailed { .. } => "cross-fitting-failed",
            Self::NotCalibrated { .. } => "not-calibrated",
            Self::FewForIsotonic { .. } => "few-for-isotonic",
            Self::FewPerColumn { .. } => "few-per-column",
            Self::AlphaAtEnd { .. } => "alpha-at-end",
            Self::ThresholdNotReached { .. } => "threshold-not-reached",
            Self::SeparatedOutcomes { .. } => "separated-outcomes",
            Self::NoMaximumLikelihood { .. } => "no-maximum-likelihood",
            Self::FewForWaldTests { .. } => "few-for-wald-tests",
            Self::CollinearColumns { .. } => "collinear-columns",
            Self::ConfigDiffers { .. } => "config-differs",
            Self::DefinitionsNeedEvents => "definitions-need-events",
            Self::NoAccountColumn { .. } => "no-account-column",
            Self::NoneScored => "none-scored",
            Self::UnseenLevels { .. } => "unseen-levels",
            Self::RowsNotScored { .. } => "rows-not-scored",
            Self::RowsNotEligible { .. } => "rows-not-eligible",
            Self::RowsNotFinite { .. } => "rows-not-finite",
            Self::NoCutoffs => "no-cutoffs",
            Self::NoCutoffsInComparison => "no-cutoffs-in-comparison",
            Self::TrainingRowsLeftOut { .. } => "training-rows-left-out",
            Self::TrainingRowsKept { .. } => "training-rows-kept",
            Self::OutcomesDiffer { .. } => "outcomes-differ",
            Self::FewToCompare { .. } => "few-to-compare",
            Self::AlertsNotSent { .. } => "alerts-not-sent",
            Self::OtherModel => "other-model",
            Self::ScoresLeftOut { .. } => "scores-left-out",
            Self::NoStoredTestRows => "no-stored-test-rows",
            Self::NoDefinitions => "no-definitions",
            Self::FunnelWithoutAccountList => "funnel-without-account-list",
            Self::SameDayCustomers { .. } => "same-day-customers",
            Self::MoreSignUpsThanVisitors { .. } => "more-sign-ups-than-visitors",
            Self::VisitorDaysMissing { .. } => "visitor-days-missing",
            Self::UnreadableVersion { .. } => "unreadable-version",
        }
    }
}

impl fmt::Display for Warning {
    #[expect(clippy::too_many_lines, reason = "a sentence for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRoleEvent { event, role, near } => {
                write!(f, "no event is named `{event}` (`roles.{role}`)")?;
                near.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
            }
            Self::RepeatedEvents { share, events } => write!(
                f,
                "{:.0} % of {events} events repeat another in every column that is read: is a file read twice? `id` in `[[events]]` names a column of which repeats are dropped",
                100.0 * share
            ),
            Self::SignedUpBeforeLog { accounts, since } => write!(
                f,
                "{accounts} accounts signed up before the log begins ({}): their lifetime measures begin with it",
                since.day()
            ),
            Self::BackDatedChurn { at_last_event, churned } => write!(
                f,
                "{at_last_event} of {churned} churn times equal the account's last event: they look back-dated, give the time at which the churn became known"
            ),
            Self::LogEndsEarly { days } => write!(f, "the last event is {days} days before the cutoff: is the log complete?"),
            Self::CountedEventsMissing { events } => {
                let names: Vec<String> = events.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "no event is named {}, which the model counts", names.join(", "))
            }
            Self::NoAccountList => f.write_str("without an account list the base rate is among accounts with at least one event"),
            Self::UnknownInDefinition { definition, lack } => write!(f, "the definition `{definition}` {lack}"),
            Self::DefinitionSawTestData { definitions, more, first_test } => {
                let named: Vec<String> = definitions.iter().map(|name| format!("`{name}`")).collect();
                let rest = if *more > 0 { format!(" and {more} more") } else { String::new() };
                write!(
                    f,
                    "found on data from after the first test cutoff of {}, so that test rows flatter them: {}{rest}",
                    first_test.day(),
                    named.join(", ")
                )
            }
            Self::FewerEventCounts { configured, counted, accounts, per_column, columns } => write!(
                f,
                "`features.counts` lowered from {configured} to {counted}: {accounts} converting training accounts are fewer than {per_column} for each of {columns} design columns"
            ),
            Self::NoTestRows => f.write_str("there is no test row, so nothing was evaluated"),
            Self::TestRowsOneClass => f.write_str("the test rows have one outcome only, so that ranking cannot be judged"),
            Self::UnpenalizedFold => f.write_str(
                "without a penalty the fit of a fold does not exist: for calibration and percentiles the weakest penalty of the grid stands in",
            ),
            Self::CrossFittingFailed { problem } => write!(
                f,
                "not calibrated, and percentiles refer to the training rows themselves, since cross-fitting failed: {problem}"
            ),
            Self::NotCalibrated { separated } => {
                let what =
                    if *separated { "separate the outcomes" } else { "do not rise with the outcome, so the model tells nothing" };
                write!(f, "not calibrated: the cross-fitted log-odds {what}")
            }
            Self::FewForIsotonic { accounts, needed } => write!(
                f,
                "isotonic calibration on {accounts} converting accounts, where {needed} are wanted: take `model.calibration = \"platt\"`"
            ),
            Self::FewPerColumn { per_column, needed } => write!(
                f,
                "{per_column:.1} converting training accounts per design column, where {needed} are wanted: name the features in `design.use`"
            ),
            Self::AlphaAtEnd { strongest, alpha } => {
                let what =
                    if *strongest { "strongest penalty tried: the features tell next to nothing" } else { "weakest penalty tried" };
                write!(f, "the cross-validated log loss is least at the {what} (alpha = {alpha:.3e})")
            }
            Self::ThresholdNotReached { threshold } => write!(f, "no training row reaches the threshold of {threshold:.4}: `[qualify]` will qualify hardly anyone"),
            Self::SeparatedOutcomes { columns, complete, firth } => {
                let far = if *complete { "completely" } else { "of some rows" };
                let advice = if *firth {
                    "; Firth's are finite all the same"
                } else {
                    ", and with it they are as large as `model.alpha` lets them be: set `model.penalty = \"firth\"`"
                };
                write!(
                    f,
                    "z and p are null: {} the outcomes {far}, so that without a penalty no finite coefficients fit best{advice}",
                    quoted(columns, ["separates", "separate"])
                )
            }
            Self::NoMaximumLikelihood { columns } => write!(
                f,
                "z and p are null: without a penalty the fit does not exist: the outcomes overlap, but {} nearly collinear, so that only their sum is known: name one of them in `design.use`",
                quoted(columns, ["is", "are"])
            ),
            Self::FewForWaldTests { per_column, needed } => write!(f, "z and p are null: {per_column:.1} converting accounts per design column, where {needed} are needed"),
            Self::CollinearColumns { columns, inflation } => write!(
                f,
                "{} nearly collinear (variance inflation up to {inflation:.0}): only their joint effect is known, a penalty would share it out",
                quoted(columns, ["is", "are"])
            ),
            Self::ConfigDiffers { key, value, model } => write!(f, "{key} = {value}, the model has {model}; the model's own is used"),
            Self::DefinitionsNeedEvents => f.write_str("a matrix has no events for definitions to count: accounts qualify by the model alone"),
            Self::NoAccountColumn { path, near } => {
                write!(f, "`{}` has no column `account_id` (`matrix.account`): rows go by their numbers", path.display())?;
                near.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
            }
            Self::NoneScored => f.write_str("no account was scored: the ledger keeps nothing of this run"),
            Self::UnseenLevels { rows, feature } => write!(f, "{rows} rows have a value of `{feature}` that no training row had"),
            Self::RowsNotScored { rows, reason } => write!(f, "{rows} rows {reason}"),
            Self::RowsNotEligible { rows, all } => write!(
                f,
                "{rows} of {all} rows are of accounts that `pql score --at` does not score, being too young, too old, or past their horizon"
            ),
            Self::RowsNotFinite { rows } => write!(f, "{rows} rows left out, since a value is not finite"),
            Self::NoCutoffs => f.write_str("without cutoffs rows that the model has learned from cannot be told apart and count too"),
            Self::NoCutoffsInComparison => f.write_str(
                "without cutoffs rows that a model has learned from cannot be told apart and count too: they favour it",
            ),
            Self::TrainingRowsLeftOut { rows } => write!(
                f,
                "{rows} rows at or before the last cutoff that one of them learned from are left out (`--all` keeps them)"
            ),
            Self::TrainingRowsKept { rows } => write!(
                f,
                "{rows} rows at or before the last cutoff that one of them learned from count too, as asked: they favour it"
            ),
            Self::OutcomesDiffer { rows } => write!(f, "{rows} rows have another outcome by the roles of the champion; the challenger's is used"),
            Self::FewToCompare { conversions, rows, needed } => write!(
                f,
                "{conversions} of {rows} rows converted, and a verdict needs {needed} that did and {needed} that did not"
            ),
            Self::AlertsNotSent { alerts, since } => {
                let noun = if *alerts == 1 { "alert" } else { "alerts" };
                let since = since.short();
                write!(f, "{alerts} {noun} of earlier runs did not go out: `--since {since}` tells what has changed since")
            }
            Self::OtherModel => f.write_str("the model is another than in the run before: probabilities and tiers may have moved for that alone"),
            Self::ScoresLeftOut { model, problem } => write!(f, "the scores of {model} are left out: {problem}"),
            Self::NoStoredTestRows => f.write_str("the test rows are not beside the model: what is drawn from them is missing"),
            Self::NoDefinitions => f.write_str("the project file has no `[[definition]]`, and the page no funnel"),
            Self::FunnelWithoutAccountList => f.write_str(
                "without an account list a sign-up is an account's first event, also where the account is older than the log",
            ),
            Self::SameDayCustomers { same_day, customers, definition } => write!(
                f,
                "{same_day} of the {customers} customers of `{definition}` converted on the day of their PQL time: with dates alone nobody knows which came first"
            ),
            Self::MoreSignUpsThanVisitors { visitors, sign_ups } => {
                write!(f, "{visitors} visitors, but {sign_ups} sign-ups on the same days")
            }
            Self::VisitorDaysMissing { sign_ups } => {
                write!(f, "the visitors' file lacks the days of {sign_ups} sign-ups, which count in no share of visitors")
            }
            Self::UnreadableVersion { model, problem } => write!(f, "{model}: {problem}"),
        }
    }
}
