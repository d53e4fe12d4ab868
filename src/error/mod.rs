//! Errors: one variant for each problem that a user can fix.

mod constructors;
mod exit_code;
mod hints;
mod message;
mod phrases;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use phrases::{
    all_drops, batch_file, counts, end, file_and_line, file_and_row, more_levels, no_observations,
    one_class, project_file,
};

use crate::names::{backticked, counted, grouped};
use crate::time::{Day, TimeSpan, ZonedTime};
use crate::warning::{DropReason, Finding, ObservationDrop, OnlyNewLevels};

/// An error of another crate, kept as the source of an [`Error`].
type ForeignError = Box<dyn std::error::Error + Send + Sync>;

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The rows of a source that were dropped, when too few are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDrops {
    /// Path of the source, as in the project file.
    pub source: PathBuf,
    /// `events` or `accounts`.
    pub kind: &'static str,
    /// Number of rows read.
    pub rows: u64,
    /// Number of rows dropped, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}

/// An error of pql, with the data of its message. [`Error::hint`] returns the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid key or value in the project file or in `--set`.
    #[error("{}: {problem}", file_and_line(path, *line))]
    Config {
        /// The project file, or `--set`.
        path: PathBuf,
        /// Line in the file, counted from 1.
        line: Option<usize>,
        /// What was found and what was expected, by key.
        problem: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// Options that conflict, or that name something that does not exist.
    #[error("{problem}")]
    Usage {
        /// What was found and what was expected.
        problem: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// A file or folder that is missing or unreadable.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file that does not have the format of its extension, or is damaged.
    #[error("{}: {problem}", file_and_row(path, *row))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Row in the file, counted from 1 without the header.
        row: Option<u64>,
        /// What was found and what was expected.
        problem: String,
        /// The error of the library for the format.
        #[source]
        source: Option<ForeignError>,
    },
    /// A file or folder without rows.
    #[error("`{}` is empty: {expected}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What was expected.
        expected: String,
    },
    /// A required column that is missing.
    #[error("`{}`: missing column `{column}` ({role})", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its purpose.
        role: String,
        /// The column of the file with the most similar name.
        suggestion: Option<String>,
    },
    /// An invalid value in a column.
    #[error("{}, column `{column}`: found `{found}`, expected {expected}", file_and_row(path, *row))]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Row in the file, counted from 1 without the header.
        row: Option<u64>,
        /// The column.
        column: String,
        /// The value in the file.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An id that was rounded in the file, because it is stored as a float.
    #[error("{}, column `{column}`: found the decimal number `{found}`, expected text or an integer", file_and_row(path, Some(*row)))]
    RoundedId {
        /// The file.
        path: PathBuf,
        /// Row in the file, counted from 1 without the header.
        row: u64,
        /// The column of ids.
        column: String,
        /// The id in the file.
        found: String,
    },
    /// A duplicate account in the account list.
    #[error("{}: duplicate account `{account}`", file_and_row(path, Some(*row)))]
    DuplicateAccount {
        /// The account list.
        path: PathBuf,
        /// Row of the duplicate, counted from 1 without the header.
        row: u64,
        /// The account.
        account: String,
    },
    /// The log is too short for a cutoff with a complete horizon after it.
    #[error("the log is too short: it covers {} to {}, and {needed}", since.day(), until.last_day_before())]
    NoCutoff {
        /// Start of the log.
        since: ZonedTime,
        /// End of the log, exclusive.
        until: ZonedTime,
        /// What an observation requires.
        needed: String,
        /// The key that sets the age of an observation.
        age_key: &'static str,
        /// The longest possible horizon, as a duration.
        longest: Option<String>,
    },
    /// No account of the log has an observation.
    #[error("no observations: {}", no_observations(*accounts, dropped))]
    NoObservations {
        /// Accounts of the log.
        accounts: u64,
        /// Accounts without an observation by reason, most accounts first.
        dropped: Vec<(ObservationDrop, u64)>,
        /// Age of the oldest account at the end of the log.
        oldest: TimeSpan,
    },
    /// There are no training rows.
    #[error(
        "no training rows: found {}, {} and {} whose horizon overlaps the test period",
        counted(*test, "test row"), counted(*immature, "immature row"), counted(*purged, "row")
    )]
    NoTrainingRows {
        /// Number of test rows.
        test: u64,
        /// Number of rows whose horizon is not over at the end of the log.
        immature: u64,
        /// Number of rows whose horizon overlaps the test period.
        purged: u64,
    },
    /// All training rows have the same outcome.
    #[error("one class only: {}", one_class(*rows, *converted))]
    OneClass {
        /// Number of training rows.
        rows: u64,
        /// Their outcome.
        converted: bool,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// There are too few converting accounts for a model.
    #[error(
        "too few conversions: found {}, expected at least {needed} (`model.min_conversions`)",
        counted(*found as u64, "converting training account")
    )]
    TooFewConversions {
        /// Converting training accounts.
        found: usize,
        /// The minimum.
        needed: usize,
    },
    /// No feature is left after constant and duplicate columns were dropped.
    #[error("no usable feature: {problem}")]
    NoFeatures {
        /// Why the columns were dropped.
        problem: String,
    },
    /// A table that polars cannot build or read.
    #[error("cannot process {table}")]
    Table {
        /// The table or column.
        table: String,
        /// The error of polars.
        #[source]
        source: ForeignError,
    },
    /// A value that cannot be written as JSON.
    #[error("cannot write {value} as JSON")]
    Json {
        /// The value.
        value: &'static str,
        /// The error of the JSON library.
        #[source]
        source: serde_json::Error,
    },
    /// A column with an unsupported type.
    #[error("column `{column}`: unsupported type {found}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The error of polars.
        #[source]
        source: ForeignError,
    },
    /// A project file without a source of events.
    #[error("{}: found no `[[events]]`, expected at least one source of events", project_file(path.as_deref()))]
    NoEventSource {
        /// The project file; `None`: the default one.
        path: Option<PathBuf>,
    },
    /// A source to read that has only a table of a database.
    #[error(
        "{section}: found only the table `{table}`, expected `path` to read the source from files"
    )]
    OnlyTable {
        /// The section of the project file.
        section: &'static str,
        /// The table, as in the project file.
        table: String,
    },
    /// The log has neither events nor accounts before its end.
    #[error("the log is empty: no events and no accounts are left before {}", end(*until))]
    EmptyLog {
        /// End of the log, exclusive.
        until: ZonedTime,
        /// Rows dropped in each source.
        sources: Vec<SourceDrops>,
    },
    /// All event rows were dropped.
    #[error("no usage events left after dropping rows: {}", counts(&all_drops(sources)))]
    NoUsage {
        /// Rows dropped in each source.
        sources: Vec<SourceDrops>,
        /// An account id of the events that is not in the account list, and one of the account
        /// list.
        example: Option<(String, String)>,
    },
    /// From some day on, most events are of accounts that are not in the account list.
    #[error(
        "`{}`: the account ids change on {day}: {:.0}% of the events of the 7 days from then on are of accounts that are not in the account list, and {:.0}% before. Ids before: {}; from then on: {}",
        path.display(), share_after * 100.0, share_before * 100.0, backticked(known), backticked(unknown)
    )]
    AccountIdsChange {
        /// The source of events.
        path: PathBuf,
        /// The day.
        day: Day,
        /// Accounts of the list with events before the day.
        known: Vec<String>,
        /// Accounts that are not in the list, with events from the day on; if these are other
        /// writings of known ids, in the same order.
        unknown: Vec<String>,
        /// Share of events of unknown accounts in the 7 days before.
        share_before: f64,
        /// Share of events of unknown accounts in the 7 days from then on.
        share_after: f64,
    },
    /// A column of event types with more values than supported.
    #[error("too many event types: found more than 65,534")]
    TooManyEventNames,
    /// A log that lacks a numeric property of the model.
    #[error(
        "the log lacks the numeric property `{property}` (`events.values`), which the model requires"
    )]
    MissingProperty {
        /// The property.
        property: String,
    },
    /// A log that lacks the seats, which the model uses.
    #[error("the account list lacks seats (`accounts.seats`), which the model requires")]
    MissingSeats,
    /// An account list that lacks an attribute of the model.
    #[error("the account list lacks the attribute `{attribute}`, which the model requires")]
    MissingAttribute {
        /// The attribute.
        attribute: String,
        /// The attribute with the most similar name.
        suggestion: Option<String>,
    },
    /// A feature matrix without the default column of outcomes.
    #[error("`{}`: missing column `converted` (the outcome, `matrix.label`)", path.display())]
    MissingLabel {
        /// The file.
        path: PathBuf,
        /// The column with the most similar name.
        suggestion: Option<String>,
        /// Columns that may have the outcomes, the likeliest first, with the value that means
        /// converted unless it is 1 or true.
        candidates: Vec<(String, Option<String>)>,
    },
    /// A feature matrix without an account column, which a ledger requires.
    #[error("`{}`: missing column `account_id`, which a ledger requires", path.display())]
    MissingAccountColumn {
        /// The feature matrix.
        path: PathBuf,
        /// The column with the most similar name.
        suggestion: Option<String>,
    },
    /// A positive value that does not occur in the feature matrix.
    #[error("no outcome equals `{positive}` (`matrix.positive`)")]
    NoPositiveOutcome {
        /// The positive value.
        positive: String,
        /// The most similar value of the matrix.
        suggestion: Option<String>,
    },
    /// A log without sign-ups, and so without cohorts.
    #[error("no cohorts: every account signed up before the log starts ({})", since)]
    NoSignUps {
        /// Start of the log.
        since: ZonedTime,
    },
    /// No account is old enough for rule discovery.
    #[error(
        "no account to discover rules on: each needs its landmark and a complete horizon before the newer accounts ({newer_from})"
    )]
    NoOlderAccounts {
        /// Sign-up time of the first newer account.
        newer_from: ZonedTime,
    },
    /// Rows that lack a feature of the model.
    #[error("{}: missing feature `{feature}` of the model", batch_file(path.as_deref()))]
    MissingFeature {
        /// The file of the rows, if any.
        path: Option<PathBuf>,
        /// The feature.
        feature: String,
        /// The column with the most similar name.
        suggestion: Option<String>,
    },
    /// A categorical feature whose values are all new.
    #[error(
        "feature `{}`: found only new levels ({}) in {}, expected {}{}",
        .0.feature, backticked(&.0.found), counted(.0.rows, "row"), backticked(&.0.expected),
        more_levels(.0.more)
    )]
    OnlyNewLevels(OnlyNewLevels),
    /// A feature with another type than in training.
    #[error("feature `{feature}`: found type {found}, expected a number as in training")]
    FeatureType {
        /// The feature.
        feature: String,
        /// Its type.
        found: String,
    },
    /// A feature with an infinite value in a training row.
    #[error("feature `{feature}`: found {found}, expected finite numbers")]
    NotFinite {
        /// The feature.
        feature: String,
        /// Its value.
        found: f64,
    },
    /// Test rows with an infinite feature.
    #[error("found {} with infinite values, expected finite numbers", counted(*rows as u64, "test row"))]
    NotFiniteTestRows {
        /// Number of these rows.
        rows: usize,
    },
    /// A row without a score because a design column is infinite.
    #[error("`{column}` is not finite")]
    NotFiniteColumn {
        /// The column.
        column: String,
    },
    /// A model without test rows.
    #[error("the model has no test rows")]
    NoTestRows,
    /// A model without stored test rows.
    #[error("the test rows of the model are not stored: missing `{}`", path.display())]
    MissingTestRows {
        /// Their file.
        path: PathBuf,
    },
    /// A feature matrix other than the training matrix.
    #[error(
        "the matrix is not the training matrix of the model: found {} with {}, expected {} with {}",
        counted(*found_rows, "training row"),
        counted(*found_conversions, "conversion"),
        grouped(*rows),
        grouped(*conversions)
    )]
    TrainingRowsDiffer {
        /// Training rows of the matrix.
        found_rows: u64,
        /// Conversions among them.
        found_conversions: u64,
        /// Training rows of the model.
        rows: u64,
        /// Conversions among them.
        conversions: u64,
    },
    /// No labeled row that was not used for training.
    #[error("no labeled rows for the evaluation")]
    NoLabeledRows {
        /// Training rows.
        old: usize,
    },
    /// No labeled row that neither of two models was trained on.
    #[error("no labeled rows are outside the training data of both models")]
    NoNewerRows,
    /// Two models that predict different outcomes.
    #[error(
        "the models predict different outcomes: {key} is {challenger} in the challenger and {champion} in the champion"
    )]
    TargetsDiffer {
        /// The key that differs.
        key: &'static str,
        /// Its value in the challenger.
        challenger: String,
        /// Its value in the champion.
        champion: String,
    },
    /// Test rows whose features have another definition in the other model.
    #[error(
        "the test rows of `{challenger}` have other features than `{champion}`: `{key}` differs"
    )]
    RolesDiffer {
        /// The model of the test rows.
        challenger: String,
        /// The other model.
        champion: String,
        /// The key that differs.
        key: String,
        /// Options that provide other rows.
        other_rows: &'static str,
    },
    /// Test rows that lack a feature of the other model.
    #[error("the test rows of `{challenger}` lack `{feature}`, which `{champion}` requires")]
    MissingTestFeature {
        /// The model of the test rows.
        challenger: String,
        /// The other model.
        champion: String,
        /// The feature.
        feature: String,
        /// Options that provide other rows.
        other_rows: &'static str,
    },
    /// A model that is too large for a model file.
    #[error("cannot store the model: {} is too large", counted(*bytes as u64, "byte"))]
    ModelTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A model that cannot be encoded.
    #[error("cannot encode the model")]
    EncodeModel {
        /// The error of the encoder.
        #[source]
        source: ForeignError,
    },
    /// A fit, calibration or metric that does not exist for the data.
    #[error(transparent)]
    Statistics(#[from] pql_stats::Error),
    /// The leakage audit has findings, and `--strict` is set.
    #[error("leakage audit failed; no model stored (`--strict`)")]
    Leak {
        /// The findings.
        findings: Vec<Finding>,
    },
    /// A requested check that failed.
    #[error("check failed: {check}")]
    CheckFailed {
        /// The requirement.
        check: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// An output that cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A webhook that did not accept an alert.
    #[error("webhook `{host}` failed after {sent} of {}: {problem}", counted(*all as u64, "alert"))]
    WebhookFailed {
        /// The host. The rest of the URL may be secret.
        host: String,
        /// Alerts sent before.
        sent: usize,
        /// Alerts in total.
        all: usize,
        /// Its response, or why there was none.
        problem: String,
    },
    /// Standard output was closed by its reader.
    #[error("standard output was closed")]
    BrokenPipe,
    /// A model that does not exist.
    #[error("model `{model}` not found in `{}`", models.display())]
    NoModel {
        /// The requested name.
        model: String,
        /// The folder of models.
        models: PathBuf,
        /// The model with the most similar name, or the available versions.
        hint: Option<String>,
    },
    /// A model name without a champion, or whose champion cannot be used.
    #[error("{problem}")]
    UnusableChampion {
        /// What is wrong with the champion.
        problem: String,
        /// How to choose another champion.
        hint: Option<String>,
    },
    /// A model file that cannot be read.
    #[error("cannot read the model `{}`", path.display())]
    UnreadableModel {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not a pql model.
    #[error("`{}` is not a pql model", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
    },
    /// A model file with a wrong length, hash or content.
    #[error("`{}` is damaged: {problem}", path.display())]
    DamagedModel {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        problem: String,
        /// The error of the decoder.
        #[source]
        source: Option<ForeignError>,
    },
    /// A model file written by a newer version of pql.
    #[error("`{}`: found model format {found}, expected at most {known}", path.display())]
    NewerModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
        /// The newest supported format number.
        known: u32,
    },
    /// A model file of an unsupported earlier format.
    #[error("`{}`: model format {found} is no longer supported", path.display())]
    OldModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
    },
}
