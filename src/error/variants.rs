//! The problems that a user can fix, with the data of their messages.

use std::path::PathBuf;

use super::{ForeignError, SourceDrops};
use crate::time::{Day, TimeSpan, ZonedTime};
use crate::warning::{Finding, ObservationDrop, OnlyNewLevels};

/// An error of pql, with the data of its message. [`Error::hint`] returns the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid key or value in the project file or in `--set`.
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
    Usage {
        /// What was found and what was expected.
        problem: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// A file or folder that is missing or unreadable.
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file that does not have the format of its extension, or is damaged.
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
    /// A database that refuses a connection or a statement.
    Database {
        /// The connection, or the source in it.
        place: String,
        /// What happened, in the words of the driver without secrets.
        problem: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// A file or folder without rows.
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What was expected.
        expected: String,
    },
    /// A required column that is missing.
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
    DuplicateAccount {
        /// The account list.
        path: PathBuf,
        /// Row of the duplicate, counted from 1 without the header.
        row: u64,
        /// The account.
        account: String,
    },
    /// The log is too short for a cutoff with a complete horizon after it.
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
    NoObservations {
        /// Accounts of the log.
        accounts: u64,
        /// Accounts without an observation by reason, most accounts first.
        dropped: Vec<(ObservationDrop, u64)>,
        /// Age of the oldest account at the end of the log.
        oldest: TimeSpan,
    },
    /// There are no training rows.
    NoTrainingRows {
        /// Number of test rows.
        test: u64,
        /// Number of rows whose horizon is not over at the end of the log.
        immature: u64,
        /// Number of rows whose horizon overlaps the test period.
        purged: u64,
    },
    /// All training rows have the same outcome.
    OneClass {
        /// Number of training rows.
        rows: u64,
        /// Their outcome.
        converted: bool,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// There are too few converting accounts for a model.
    TooFewConversions {
        /// Converting training accounts.
        found: usize,
        /// The minimum.
        needed: usize,
    },
    /// No feature is left after constant and duplicate columns were dropped.
    NoFeatures {
        /// Why the columns were dropped.
        problem: String,
    },
    /// A table that polars cannot build or read.
    Table {
        /// The table or column.
        table: String,
        /// The error of polars.
        #[source]
        source: ForeignError,
    },
    /// A value that cannot be written as JSON.
    Json {
        /// The value.
        value: &'static str,
        /// The error of the JSON library.
        #[source]
        source: serde_json::Error,
    },
    /// A column with an unsupported type.
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
    NoEventSource {
        /// The project file; `None`: the default one.
        path: Option<PathBuf>,
    },
    /// A source to read that has only a table of a database.
    OnlyTable {
        /// The section of the project file.
        section: &'static str,
        /// The table, as in the project file.
        table: String,
    },
    /// The log has neither events nor accounts before its end.
    EmptyLog {
        /// End of the log, exclusive.
        until: ZonedTime,
        /// Rows dropped in each source.
        sources: Vec<SourceDrops>,
    },
    /// All event rows were dropped.
    NoUsage {
        /// Rows dropped in each source.
        sources: Vec<SourceDrops>,
        /// An account id of the events that is not in the account list, and one of the account
        /// list.
        example: Option<(String, String)>,
    },
    /// From some day on, most events are of accounts that are not in the account list.
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
    TooManyEventNames,
    /// A log that lacks a numeric property of the model.
    MissingProperty {
        /// The property.
        property: String,
    },
    /// A log that lacks the seats, which the model uses.
    MissingSeats,
    /// An account list that lacks an attribute of the model.
    MissingAttribute {
        /// The attribute.
        attribute: String,
        /// The attribute with the most similar name.
        suggestion: Option<String>,
    },
    /// A feature matrix without the default column of outcomes.
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
    MissingAccountColumn {
        /// The feature matrix.
        path: PathBuf,
        /// The column with the most similar name.
        suggestion: Option<String>,
    },
    /// A positive value that does not occur in the feature matrix.
    NoPositiveOutcome {
        /// The positive value.
        positive: String,
        /// The most similar value of the matrix.
        suggestion: Option<String>,
    },
    /// A log without sign-ups, and so without cohorts.
    NoSignUps {
        /// Start of the log.
        since: ZonedTime,
    },
    /// No account is old enough for rule discovery.
    NoOlderAccounts {
        /// Sign-up time of the first newer account.
        newer_from: ZonedTime,
    },
    /// Rows that lack a feature of the model.
    MissingFeature {
        /// The file of the rows, if any.
        path: Option<PathBuf>,
        /// The feature.
        feature: String,
        /// The column with the most similar name.
        suggestion: Option<String>,
    },
    /// A categorical feature whose values are all new.
    OnlyNewLevels(OnlyNewLevels),
    /// A feature with another type than in training.
    FeatureType {
        /// The feature.
        feature: String,
        /// Its type.
        found: String,
    },
    /// A feature with an infinite value in a training row.
    NotFinite {
        /// The feature.
        feature: String,
        /// Its value.
        found: f64,
    },
    /// Test rows with an infinite feature.
    NotFiniteTestRows {
        /// Number of these rows.
        rows: usize,
    },
    /// A row without a score because a design column is infinite.
    NotFiniteColumn {
        /// The column.
        column: String,
    },
    /// A model without test rows.
    NoTestRows,
    /// A model without stored test rows.
    MissingTestRows {
        /// Their file.
        path: PathBuf,
    },
    /// A feature matrix other than the training matrix.
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
    NoLabeledRows {
        /// Training rows.
        old: usize,
    },
    /// No labeled row that neither of two models was trained on.
    NoNewerRows,
    /// Two models that predict different outcomes.
    TargetsDiffer {
        /// The key that differs.
        key: &'static str,
        /// Its value in the challenger.
        challenger: String,
        /// Its value in the champion.
        champion: String,
    },
    /// Test rows whose features have another definition in the other model.
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
    ModelTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A model that cannot be encoded.
    EncodeModel {
        /// The error of the encoder.
        #[source]
        source: ForeignError,
    },
    /// A fit, calibration or metric that does not exist for the data.
    Statistics(pql_stats::Error),
    /// The leakage audit has findings, and `--strict` is set.
    Leak {
        /// The findings.
        findings: Vec<Finding>,
    },
    /// A requested check that failed.
    CheckFailed {
        /// The requirement.
        check: String,
        /// The next step, if known.
        hint: Option<String>,
    },
    /// An output that cannot be written.
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A webhook that did not accept an alert.
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
    BrokenPipe,
    /// A model that does not exist.
    NoModel {
        /// The requested name.
        model: String,
        /// The folder of models.
        models: PathBuf,
        /// The model with the most similar name, or the available versions.
        hint: Option<String>,
    },
    /// A model name without a champion, or whose champion cannot be used.
    UnusableChampion {
        /// What is wrong with the champion.
        problem: String,
        /// How to choose another champion.
        hint: Option<String>,
    },
    /// A model file that cannot be read.
    UnreadableModel {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not a pql model.
    NotAModel {
        /// The file.
        path: PathBuf,
    },
    /// A model file with a wrong length, hash or content.
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
    NewerModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
        /// The newest supported format number.
        known: u32,
    },
    /// A model file of an unsupported earlier format.
    OldModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
    },
}
