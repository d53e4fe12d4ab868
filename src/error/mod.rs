//! What can go wrong: one variant for each thing a user can fix.

mod hints;
mod phrases;

use std::path::{Path, PathBuf};

use phrases::{at_row, batch, counts, leaks, list, place};

use crate::time::Timestamp;
use crate::warning::{DropReason, Finding};

/// An error of another crate, kept as the source of one of ours.
type ForeignError = Box<dyn std::error::Error + Send + Sync>;

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with the data a message needs; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The project file, or a `--set`, says something that cannot be.
    #[error("{}: {problem}", place(path, *line))]
    Config {
        /// The project file, or `--set`.
        path: PathBuf,
        /// Line in the file, counted from 1.
        line: Option<usize>,
        /// Key, what was found and what was expected.
        problem: String,
        /// The next step, where there is one.
        hint: Option<String>,
    },
    /// Flags that do not go together, or name something that does not exist.
    #[error("{problem}")]
    Usage {
        /// What was found and what was expected.
        problem: String,
        /// The next step, where there is one.
        hint: Option<String>,
    },
    /// A file or folder that is absent or cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not of the format its ending names, or is damaged.
    #[error("{}: {problem}", at_row(path, *row))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Row in the file, counted from 1 without the header.
        row: Option<u64>,
        /// What was found and what was expected.
        problem: String,
        /// What the library that reads the format reported.
        #[source]
        source: Option<ForeignError>,
    },
    /// A file or folder without any row.
    #[error("`{}` is empty: {expected}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What it should hold.
        expected: String,
    },
    /// A column that is needed and absent.
    #[error("`{}` has no column `{column}` ({role})", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column looked for.
        column: String,
        /// What it is needed for.
        role: String,
        /// The column in the file with the nearest name.
        near: Option<String>,
    },
    /// A value that cannot be what its column should hold.
    #[error("{}, column `{column}`: found `{found}`, expected {expected}", at_row(path, *row))]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Row in the file, counted from 1 without the header.
        row: Option<u64>,
        /// The column.
        column: String,
        /// The value as it stands in the file.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// An account that stands twice in the account list.
    #[error("`{}`, row {row}: account `{account}` stands there a second time", path.display())]
    DuplicateAccount {
        /// The account list.
        path: PathBuf,
        /// Row of the second one, counted from 1 without the header.
        row: u64,
        /// The account.
        account: String,
    },
    /// No cutoff lies inside the log with a whole horizon after it.
    #[error("no cutoff fits: the log covers {} to {}, and {needed}", since, until)]
    NoCutoff {
        /// First instant of the log, µs UTC.
        since: Timestamp,
        /// End of the log, µs UTC, exclusive.
        until: Timestamp,
        /// What an observation needs.
        needed: String,
        /// The longest horizon that would fit, as a duration.
        longest: Option<String>,
    },
    /// No row is left to train on.
    #[error("no training row is left: {problem}")]
    NoTrainingRows {
        /// Which rows there were, and why none trains.
        problem: String,
    },
    /// Too few accounts convert for a model.
    #[error("only {found} training accounts convert; `model.min_conversions` asks for {needed}")]
    TooFewConversions {
        /// Distinct converting training accounts.
        found: usize,
        /// The minimum.
        needed: usize,
    },
    /// Nothing is left to learn from once constant and repeated columns are gone.
    #[error("no usable feature column: {problem}")]
    NoFeatures {
        /// What became of the columns.
        problem: String,
    },
    /// A table that polars cannot build or read.
    #[error("{what}")]
    Table {
        /// The table or column.
        what: String,
        /// What polars reported.
        #[source]
        source: ForeignError,
    },
    /// A value without a JSON form.
    #[error("{what} cannot be written as JSON")]
    Json {
        /// The value.
        what: &'static str,
        /// What the JSON library reported.
        #[source]
        source: serde_json::Error,
    },
    /// A column of a type that cannot be read as what it should hold.
    #[error("column `{column}` is of type {found}, which cannot be read here")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What polars reported.
        #[source]
        source: ForeignError,
    },
    /// No event and no account before the end of the log.
    #[error("neither an event nor an account is left of what came before {}", until.day())]
    EmptyLog {
        /// End of the log, µs UTC, exclusive.
        until: Timestamp,
    },
    /// Rows of events of which none is usage.
    #[error("no event of usage is left: {}", counts(dropped))]
    NoUsage {
        /// Why rows were dropped, and how many.
        dropped: Vec<(DropReason, u64)>,
        /// An account of the events that is not in the account list, and one of the account list.
        example: Option<(String, String)>,
    },
    /// A column of event names with more values than a log can have.
    #[error("more than 65,534 event names")]
    TooManyEventNames,
    /// A log without a numeric property that the model uses.
    #[error(
        "the log has no numeric property `{property}` (`events.values`), which the model needs"
    )]
    MissingProperty {
        /// The property.
        property: String,
    },
    /// A log without the seats that the model uses.
    #[error("the log has no column of seats (`accounts.seats`), which the model needs")]
    MissingSeats,
    /// An account list without an attribute that the model uses.
    #[error("the account list has no attribute `{attribute}`, which is a feature of the model")]
    MissingAttribute {
        /// The attribute.
        attribute: String,
        /// The attribute with the nearest name.
        near: Option<String>,
    },
    /// A feature matrix without accounts, where a ledger keeps scores by account.
    #[error("`{}` has no column `account_id`, and a ledger keeps scores by account", path.display())]
    MissingAccountColumn {
        /// The feature matrix.
        path: PathBuf,
        /// The column with the nearest name.
        near: Option<String>,
    },
    /// A source of events in which no column can be recognized as a key.
    #[error("no column of `{}` looks like {key}: it has {}", path.display(), list(columns))]
    UnrecognizedColumns {
        /// The source.
        path: PathBuf,
        /// The key looked for.
        key: &'static str,
        /// The columns of the source.
        columns: Vec<String>,
    },
    /// A positive value that no row of a feature matrix has.
    #[error("no outcome is `{positive}` (`matrix.positive`)")]
    NoPositiveOutcome {
        /// The positive value.
        positive: String,
        /// The value in the matrix that is nearest to it.
        near: Option<String>,
    },
    /// A log in which no account signs up, so that no cohort can be counted.
    #[error(
        "every account signed up before the log begins at {}: nothing is known of its first days",
        since
    )]
    NoSignUps {
        /// Begin of the log, µs UTC.
        since: Timestamp,
    },
    /// No account is old enough for rules to be discovered.
    #[error("no account has its landmark and a whole horizon before the newer accounts begin")]
    NoOlderAccounts {
        /// Begin of the newer accounts, µs UTC.
        newer_from: Timestamp,
    },
    /// Rows that lack a feature of the model.
    #[error("{} lacks the feature `{feature}` of the model", batch(path.as_deref()))]
    MissingFeature {
        /// The file of the rows, where they come from one.
        path: Option<PathBuf>,
        /// The feature.
        feature: String,
        /// The column with the nearest name.
        near: Option<String>,
    },
    /// A feature of another type than in training.
    #[error("the feature `{feature}` is no number here, but it was when the model was trained")]
    FeatureType {
        /// The feature.
        feature: String,
        /// Its type.
        found: String,
    },
    /// A feature that is infinite in a training row.
    #[error("feature `{feature}` holds {found}, expected finite numbers")]
    NotFinite {
        /// The feature.
        feature: String,
        /// Its value.
        found: f64,
    },
    /// Test rows with a feature that is infinite.
    #[error("a test row has a feature that is not finite")]
    NotFiniteTestRows {
        /// How many test rows have one.
        rows: usize,
    },
    /// A row that has no score since a column of its design is infinite.
    #[error("`{column}` is not finite")]
    NotFiniteColumn {
        /// The column.
        column: String,
    },
    /// A model without test rows.
    #[error("the model has no test rows")]
    NoTestRows,
    /// A model whose test rows are not stored.
    #[error("the test rows of the model are not there: no `{}`", path.display())]
    MissingTestRows {
        /// The file they would be in.
        path: PathBuf,
    },
    /// A feature matrix that is not the one the model was trained on.
    #[error(
        "the training rows of the matrix are not those of the model: {found_rows} rows with {found_conversions} conversions, expected {rows} with {conversions}"
    )]
    TrainingRowsDiffer {
        /// Training rows of the matrix.
        found_rows: u64,
        /// Those of them that convert.
        found_conversions: u64,
        /// Training rows of the model.
        rows: u64,
        /// Those of them that convert.
        conversions: u64,
    },
    /// No row with an outcome that the model has not learned from.
    #[error("no labelled row is left to judge by")]
    NoLabelledRows {
        /// Rows with an outcome at or before the last training cutoff.
        old: usize,
    },
    /// No row with an outcome that neither of two models has learned from.
    #[error("no row with an outcome is newer than what both have learned from")]
    NoNewerRows {
        /// Whether the rows are the test rows of the challenger.
        test_rows: bool,
    },
    /// Two models that predict different outcomes.
    #[error(
        "the two models do not predict the same thing: {key} is {challenger} in the challenger and {champion} in the champion"
    )]
    TargetsDiffer {
        /// What differs.
        key: &'static str,
        /// Its value in the challenger.
        challenger: String,
        /// Its value in the champion.
        champion: String,
    },
    /// Test rows whose features mean something else to the other model.
    #[error(
        "the features of `{champion}` mean something else in the test rows of `{challenger}`: `{key}` differs"
    )]
    RolesDiffer {
        /// The model of the test rows.
        challenger: String,
        /// The other model.
        champion: String,
        /// The key that differs.
        key: String,
        /// The flags that give other rows.
        other_rows: &'static str,
    },
    /// Test rows that lack a feature of the other model.
    #[error("the test rows of `{challenger}` have no `{feature}`, which `{champion}` needs")]
    MissingTestFeature {
        /// The model of the test rows.
        challenger: String,
        /// The other model.
        champion: String,
        /// The feature.
        feature: String,
        /// The flags that give other rows.
        other_rows: &'static str,
    },
    /// A model larger than a model file can be.
    #[error("the model cannot be stored: it takes {bytes} bytes")]
    ModelTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A model that cannot be encoded.
    #[error("the model cannot be stored")]
    EncodeModel {
        /// What the encoder reported.
        #[source]
        source: ForeignError,
    },
    /// A fit, calibration or metric that does not exist for the data.
    #[error(transparent)]
    Statistics(#[from] pql_stats::Error),
    /// The leakage audit named something, where it was asked to name nothing.
    #[error(
        "the leakage audit names what seems to know the outcome, so that `--strict` stores no model:{}",
        leaks(findings)
    )]
    Leak {
        /// What it named.
        findings: Vec<Finding>,
    },
    /// A check that was asked for did not hold.
    #[error("the check did not hold that {check}")]
    CheckFailed {
        /// What was to hold.
        check: String,
        /// What to do, if known.
        hint: Option<String>,
    },
    /// An output that cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A webhook that did not take an alert.
    #[error("`{host}` did not take an alert: {problem}; {sent} of {all} went out")]
    WebhookFailed {
        /// The host, without the rest of the URL, which is as good as a password.
        host: String,
        /// Alerts that it took before.
        sent: usize,
        /// Alerts there were.
        all: usize,
        /// What it answered, or why it did not.
        problem: String,
    },
    /// The reader of standard output went away.
    #[error("the reader of standard output went away")]
    BrokenPipe,
    /// A model that does not exist.
    #[error("there is no model `{model}` in `{}`", models.display())]
    NoModel {
        /// The name asked for.
        model: String,
        /// The folder looked in.
        models: PathBuf,
        /// The model with the nearest name, or the versions there are.
        hint: Option<String>,
    },
    /// A model file that cannot be read.
    #[error("cannot read the model `{}`", path.display())]
    UnreadableModel {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not a pql model.
    #[error("`{}` is not a pql model", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
    },
    /// A model file whose length, hash or content is not what was written.
    #[error("`{}` is damaged: {problem}", path.display())]
    DamagedModel {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        problem: String,
        /// What the decoder reported.
        #[source]
        source: Option<ForeignError>,
    },
    /// A model file written by a newer version of pql.
    #[error("`{}` is of model format {found}, this version of pql reads up to {known}", path.display())]
    NewerModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
        /// The newest format number that can be read.
        known: u32,
    },
    /// A model file of a format from before the first release.
    #[error("`{}` is of model format {found}, from before the first release", path.display())]
    OldModel {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
    },
}

impl Error {
    /// The exit code of a program that ends with this error: 1 failed, 2 usage, 3 input data, 4
    /// model file, 5 a check asked for did not hold.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Statistics(pql_stats::Error::NotConverged { .. })
            | Self::Write { .. }
            | Self::WebhookFailed { .. } => 1,
            Self::Config { .. } | Self::Usage { .. } => 2,
            Self::NoModel { .. }
            | Self::UnreadableModel { .. }
            | Self::NotAModel { .. }
            | Self::DamagedModel { .. }
            | Self::NewerModel { .. }
            | Self::OldModel { .. } => 4,
            Self::Leak { .. } | Self::CheckFailed { .. } => 5,
            _ => 3,
        }
    }

    /// Returns the message followed by those of all sources, each after `: `.
    #[must_use]
    pub fn with_sources(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        text
    }

    /// Returns the error for a table or column that polars cannot build or read.
    pub(crate) fn table(what: impl Into<String>, source: impl Into<ForeignError>) -> Self {
        Self::Table { what: what.into(), source: source.into() }
    }

    /// Returns the error for a file with another content than expected; `source` is what the
    /// library that reads it reported.
    pub(crate) fn malformed(
        path: &Path,
        problem: impl Into<String>,
        source: Option<ForeignError>,
    ) -> Self {
        Self::Malformed { path: path.to_owned(), row: None, problem: problem.into(), source }
    }

    /// Returns the error for a row of a file that is not as expected.
    pub(crate) fn malformed_row(path: &Path, row: Option<u64>, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), row, problem: problem.into(), source: None }
    }

    /// Returns the error for a file whose table polars cannot use.
    pub(crate) fn unexpected_table(path: &Path, source: impl Into<ForeignError>) -> Self {
        Self::malformed(path, "unexpected table", Some(source.into()))
    }

    /// Say of a missing column what it is needed for.
    pub(crate) fn needed_for(self, role: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::MissingColumn { path, column, near, .. } => {
                Self::MissingColumn { role: role(&column), path, column, near }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_exits_with_3_a_bad_model_with_4_and_a_leak_with_5() {
        assert_eq!(
            Error::from(pql_stats::Error::OneClass { rows: 3, converted: true }).exit_code(),
            3
        );
        assert_eq!(Error::NotAModel { path: "x".into() }.exit_code(), 4);
        assert_eq!(Error::Leak { findings: Vec::new() }.exit_code(), 5);
    }

    #[test]
    fn sources_follow_the_message() {
        let source = std::io::Error::other("no space");
        assert_eq!(Error::table("the features", source).with_sources(), "the features: no space");
        assert_eq!(
            Error::malformed(Path::new("a.csv"), "no table", None).with_sources(),
            "`a.csv`: no table"
        );
    }
}
