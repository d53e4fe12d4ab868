//! Messages about data and models: warnings, alarms of monitoring, findings of the leakage audit,
//! and reasons why data is not used. Each has data, a text and a stable code, which
//! `docs/reference/codes.md` lists.

mod alarm;
mod codes;
mod drop_reason;
mod finding;
mod ineligible;
mod log_fault;
mod marked_column;
mod message;
mod missing_input;
mod notice;
mod text;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::alarm::{Alarm, OnlyNewLevels, ShiftedBin};
pub use self::drop_reason::{
    Anomaly, DropReason, DroppedFeature, FeatureDrop, ObservationDrop, OutcomeDrop, Unscored,
};
pub use self::finding::{Finding, MeasureImportance, Origin};
pub use self::ineligible::{IneligibleReason, IneligibleReasons};
pub use self::log_fault::{LogFault, Replacement};
pub use self::marked_column::MarkedColumn;
pub use self::message::Message;
pub use self::missing_input::MissingInput;
pub use self::notice::{Notice, dropped_features, unasked_features};
use crate::time::Day;

/// Why the configured test set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitProblem {
    /// `model.test_size`.
    pub test_size: f64,
    /// Converting accounts that the test set would have.
    pub test_conversions: u64,
    /// Rows that the training set would have.
    pub training_rows: u64,
    /// All rows with an outcome.
    pub rows: u64,
}

/// A problem that still allows a result, and that readers of the result should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Warning {
    /// A role lists an event type that does not occur before the end of the log.
    UnknownRoleEvent {
        /// The event name.
        event: String,
        /// The role.
        role: String,
        /// The most similar event type in the log.
        suggestion: Option<String>,
    },
    /// Events without an id are exact duplicates, as if a file was read twice.
    RepeatedEvents {
        /// Path of the source.
        source: PathBuf,
        /// Number of events that repeat another one.
        repeats: u64,
        /// All events of the source.
        events: u64,
    },
    /// Files of a folder or glob cannot be read.
    FilesNotRead {
        /// Path of the source.
        source: PathBuf,
        /// Number of files that are not read.
        unread: usize,
        /// Number of files that are read.
        files: usize,
        /// The first file that is not read.
        first: PathBuf,
    },
    /// Files of a source lack a column, which is read as missing there.
    ColumnAbsent {
        /// Path of the source.
        source: PathBuf,
        /// The column.
        column: String,
        /// Number of files without it.
        absent: usize,
        /// All files of the source.
        files: usize,
        /// The first file without it.
        first: PathBuf,
    },
    /// Accounts signed up before the log begins.
    SignedUpBeforeLog {
        /// Number of them.
        accounts: u64,
        /// Day on which the log starts.
        since: Day,
    },
    /// A few events are long after the others, beyond the end of the log.
    EventsAfterEnd {
        /// Number of usage events after the last covered day.
        events: u64,
        /// Day of the last of them.
        last: Day,
        /// Last covered day, on which the log ends.
        end: Day,
    },
    /// A few events are long before the others, before the start of the log.
    EventsBeforeStart {
        /// Number of usage events before the first covered day.
        events: u64,
        /// Day of the first of them.
        first: Day,
        /// First covered day, on which the log starts.
        start: Day,
    },
    /// From some day on, all events are of accounts that are not in the account list.
    UnknownAccountsAtEnd {
        /// Number of these events.
        events: u64,
        /// The first day.
        since: Day,
        /// One of the accounts.
        example: String,
    },
    /// Much history was received on one day, so that nothing was known before.
    ReceivedAtOnce {
        /// The source.
        path: PathBuf,
        /// Share of its events.
        share: f64,
        /// The day.
        day: Day,
    },
    /// Times of a column mean never, and are read as missing.
    TimesMeanNever {
        /// The column.
        column: String,
        /// Number of times.
        values: u64,
        /// The first of these times, as written.
        example: String,
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
    /// The log lacks event types that the model counts.
    CountedEventsMissing {
        /// The event types.
        events: Vec<String>,
    },
    /// There is no account list.
    NoAccountList,
    /// A definition needs an input that the log lacks.
    UnknownInDefinition {
        /// The definition.
        definition: String,
        /// The missing input.
        missing: MissingInput,
    },
    /// Definitions were discovered on data that they are tested on.
    DefinitionSawTestData {
        /// The first three definitions.
        definitions: Vec<String>,
        /// Number of further definitions.
        more: usize,
        /// The day of the first test cutoff.
        first_test: Day,
    },
    /// Fewer event types are counted than configured.
    FewerEventCounts {
        /// `features.event_types`.
        configured: usize,
        /// Event types that are counted.
        counted: usize,
        /// Converting training accounts.
        accounts: u64,
        /// Accounts recommended per column.
        per_column: u32,
        /// Design columns with all configured counts.
        columns: usize,
    },
    /// Nothing was evaluated.
    NoTestRows,
    /// The test set is not the configured one, which would not judge the model or would leave too
    /// few training rows.
    TestSetChanged {
        /// Share of the newest cutoff days that is used instead; `None` for cross-validation.
        test_size: Option<f64>,
        /// What the configured test set would leave.
        problem: SplitProblem,
    },
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
        /// Accounts recommended.
        needed: u64,
    },
    /// There are many columns for the converting accounts.
    FewPerColumn {
        /// Converting training accounts per design column.
        per_column: f64,
        /// Accounts recommended.
        needed: u32,
    },
    /// Cross-validation chose an end of the regularization path.
    AlphaAtEnd {
        /// Whether it is the strongest.
        strongest: bool,
        /// The regularization strength.
        alpha: f64,
    },
    /// The threshold is above all scores of the training rows.
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
        /// Converting training accounts per design column.
        per_column: f64,
        /// Accounts needed.
        needed: f64,
    },
    /// Columns are nearly collinear.
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
    /// A feature matrix has no events for definitions to count.
    DefinitionsNeedEvents,
    /// A feature matrix has no account column.
    NoAccountColumn {
        /// The file.
        path: PathBuf,
        /// The column with the most similar name.
        suggestion: Option<String>,
    },
    /// No account was scored.
    NoneScored,
    /// Rows have a level that is not in the training data.
    UnseenLevels {
        /// Number of rows.
        rows: u64,
        /// The feature.
        feature: String,
    },
    /// Rows have no value of a feature that all training rows have.
    NewlyMissing {
        /// The feature.
        feature: String,
        /// Rows without a value.
        missing: u64,
        /// All rows.
        rows: u64,
    },
    /// Rows were not scored.
    RowsNotScored {
        /// Number of rows.
        rows: u64,
        /// Why.
        reason: Unscored,
    },
    /// Rows of a matrix are not eligible for scoring.
    RowsNotEligible {
        /// Number of them.
        rows: usize,
        /// All rows.
        all: usize,
    },
    /// Rows were skipped because a value is not finite.
    RowsNotFinite {
        /// Number of rows.
        rows: usize,
    },
    /// Rows have no cutoffs, so training rows are not excluded.
    NoCutoffs,
    /// Rows of a comparison have no cutoffs.
    NoCutoffsInComparison,
    /// Rows were skipped because a model may have been trained on them.
    TrainingRowsLeftOut {
        /// Number of rows.
        rows: usize,
    },
    /// Rows that a model was trained on are kept (`--all`).
    TrainingRowsKept {
        /// Number of rows.
        rows: usize,
    },
    /// The roles of two models give different outcomes.
    OutcomesDiffer {
        /// Number of rows.
        rows: usize,
    },
    /// There are too few accounts of one outcome to compare two models.
    FewToCompare {
        /// Accounts with the rarer outcome.
        accounts: u64,
        /// Whether the rarer outcome is the conversion.
        converting: bool,
        /// Accounts required of each outcome.
        needed: u64,
    },
    /// Earlier alerts were not sent.
    AlertsNotSent {
        /// Number of them.
        alerts: usize,
        /// The time of the run before them, as an argument of `--since`.
        since: String,
    },
    /// Two runs were scored by different models.
    OtherModel,
    /// Scores of another version are skipped.
    ScoresLeftOut {
        /// The version.
        model: String,
        /// Why.
        problem: String,
    },
    /// The test rows are not stored with the model.
    NoStoredTestRows,
    /// The project file has no definition.
    NoDefinitions,
    /// Without an account list, first events count as sign-ups.
    FunnelWithoutAccountList,
    /// Customers converted on the day they became a PQL, in unknown order.
    SameDayCustomers {
        /// Customers that converted on the day they became a PQL.
        same_day: u64,
        /// All customers of the definition.
        customers: u64,
        /// The definition.
        definition: String,
    },
    /// There are more sign-ups than visitors.
    MoreSignUpsThanVisitors {
        /// Visitors.
        visitors: u64,
        /// Sign-ups on the same days.
        sign_ups: u64,
    },
    /// The visitor file lacks days with sign-ups.
    VisitorDaysMissing {
        /// Sign-ups on these days.
        sign_ups: u64,
    },
    /// The evaluation of a model does not prove that its scores help.
    PoorVerdict {
        /// The model.
        model: String,
        /// Code of the verdict.
        verdict: String,
        /// Caution, if any, and headline of the verdict.
        headline: String,
    },
    /// Texts in columns of numbers or times were read as missing values.
    MissingMarks {
        /// The columns.
        columns: Vec<MarkedColumn>,
    },
    /// Columns of numbers have another format than decimal points.
    NumberFormat {
        /// The columns.
        columns: Vec<String>,
        /// The format in words.
        format: String,
    },
    /// A column of categories has almost only numbers.
    MixedColumn {
        /// The column.
        column: String,
        /// Values that are numbers.
        numbers: u64,
        /// All values that are not missing.
        values: u64,
        /// The first value that is not a number.
        found: String,
        /// Its row, counted from 1.
        row: u64,
    },
    /// A column of categories has numbers with a unit.
    NumbersWithUnit {
        /// The column.
        column: String,
        /// The first of these values.
        found: String,
        /// Its row, counted from 1.
        row: u64,
    },
    /// The newest days of the log have a fault.
    LogFault(LogFault),
    /// A stored version cannot be read.
    UnreadableVersion {
        /// The version.
        model: String,
        /// Why.
        problem: String,
    },
    /// A champion, version or card of the models folder is broken.
    BrokenModel {
        /// The name or version.
        model: String,
        /// What is broken.
        problem: String,
    },
    /// The causes of changes since the run before are not in the ledger.
    CausesMissing {
        /// Why.
        problem: String,
    },
    /// The newest value of an attribute differs from its value at the cutoff.
    AttributeChanged {
        /// The attribute.
        attribute: String,
        /// Accounts with a cutoff at which the value differs.
        changed: u64,
        /// All observed accounts.
        accounts: u64,
    },
    /// A batch has a header, but no rows.
    NoRows {
        /// Path of the feature matrix.
        path: PathBuf,
    },
}
