//! What can go wrong: one variant for each thing a user can fix.

use std::path::{Path, PathBuf};

use crate::time;

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
    #[error("no cutoff fits: the log covers {} to {}, and {needed}", time::iso(*since), time::iso(*until))]
    NoCutoff {
        /// First instant of the log, µs UTC.
        since: i64,
        /// End of the log, µs UTC, exclusive.
        until: i64,
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
    /// Every training row has the same outcome.
    #[error("one class only: all {rows} training rows {}", if *converted { "converted" } else { "did not convert" })]
    OneClass {
        /// Number of training rows.
        rows: usize,
        /// The outcome they share.
        converted: bool,
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
    /// A batch to be scored lacks a feature of the model.
    #[error("`{}` lacks the feature `{feature}` of the model", path.display())]
    MissingFeature {
        /// The batch.
        path: PathBuf,
        /// The feature.
        feature: String,
        /// The column in the batch with the nearest name.
        near: Option<String>,
    },
    /// The input does not suit the model or the command.
    #[error("{problem}")]
    Unsuitable {
        /// What was found and what was expected.
        problem: String,
        /// The next step, where there is one.
        hint: Option<String>,
    },
    /// The solver ended without reaching the optimum.
    #[error("the fit ({solver}) did not converge{}", ended(*iterations, *gradient, separated_by))]
    NotConverged {
        /// The solver.
        solver: &'static str,
        /// Iterations done; 0 where the solver does not report them.
        iterations: usize,
        /// Largest absolute gradient entry / n.
        gradient: f64,
        /// Design columns that separate the outcomes.
        separated_by: Vec<String>,
    },
    /// The leakage audit named something, where it was asked to name nothing.
    #[error("the leakage audit names what seems to know the outcome, so that `--strict` stores no model:{}", leaks(findings))]
    Leak {
        /// What it named, in sentences.
        findings: Vec<String>,
    },
    /// A check that was asked for did not hold.
    #[error("the check did not hold that {check}")]
    NotHeld {
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
    Undelivered {
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
    /// The exit code of a program that ends with this error: 1 failed, 2 usage, 3 input data, 4 model file,
    /// 5 a check asked for did not hold.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::NotConverged { .. } | Self::Write { .. } | Self::Undelivered { .. } => 1,
            Self::Config { .. } | Self::Usage { .. } => 2,
            Self::Read { .. }
            | Self::Malformed { .. }
            | Self::Empty { .. }
            | Self::MissingColumn { .. }
            | Self::BadValue { .. }
            | Self::DuplicateAccount { .. }
            | Self::NoCutoff { .. }
            | Self::NoTrainingRows { .. }
            | Self::OneClass { .. }
            | Self::TooFewConversions { .. }
            | Self::NoFeatures { .. }
            | Self::MissingFeature { .. }
            | Self::Unsuitable { .. } => 3,
            Self::NoModel { .. }
            | Self::UnreadableModel { .. }
            | Self::NotAModel { .. }
            | Self::DamagedModel { .. }
            | Self::NewerModel { .. }
            | Self::OldModel { .. } => 4,
            Self::Leak { .. } | Self::NotHeld { .. } => 5,
        }
    }

    /// Say of a missing column what it is needed for.
    pub(crate) fn needed_for(self, role: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::MissingColumn { path, column, near, .. } => Self::MissingColumn { role: role(&column), path, column, near },
            other => other,
        }
    }

    /// The next step for the user, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let near = |near: &Option<String>| near.as_ref().map(|n| format!("did you mean `{n}`?"));
        match self {
            Self::Config { hint, .. }
            | Self::Usage { hint, .. }
            | Self::Unsuitable { hint, .. }
            | Self::NoModel { hint, .. }
            | Self::NotHeld { hint, .. } => hint.clone(),
            Self::MissingColumn { near: n, .. } | Self::MissingFeature { near: n, .. } => near(n),
            Self::NoCutoff { longest, .. } => Some(match longest {
                Some(longest) => format!("the longest `observation.horizon` that fits is {longest}"),
                None => "a longer log is needed".to_owned(),
            }),
            Self::OneClass { converted: false, .. } => Some(
                "say where conversions stand: `accounts.converted` or `roles.converted`, of a matrix `matrix.label` and `matrix.positive`"
                    .to_owned(),
            ),
            Self::TooFewConversions { .. } => Some(
                "give a longer log or a longer `observation.horizon`, or lower `model.min_conversions` knowing that the model will be weak"
                    .to_owned(),
            ),
            Self::NotConverged { separated_by, .. } => Some(if separated_by.is_empty() {
                "without a penalty this is what nearly collinear columns look like: set `model.penalty = \"l2\"`".to_owned()
            } else {
                format!(
                    "{} the outcomes, so that no finite coefficients fit best: set `model.penalty = \"firth\"` or \"l2\", or name the other features in `design.use`",
                    quoted(separated_by, ["separates", "separate"])
                )
            }),
            Self::DuplicateAccount { .. } => Some("the account list has one row per account".to_owned()),
            Self::BadValue { .. } => Some("mend the value, or name another column or format in pql.toml".to_owned()),
            Self::Leak { .. } => Some("leave out what does know it; without `--strict` the model is stored with these findings".to_owned()),
            Self::NewerModel { .. } => Some("update pql".to_owned()),
            Self::OldModel { .. } => Some("train the model again".to_owned()),
            Self::Undelivered { .. } => {
                Some("run it again later: it goes on with those that did not go out; once there is a newer run, with `--since`".to_owned())
            }
            Self::DamagedModel { .. } => Some("restore the file from where it was copied, or train again".to_owned()),
            _ => None,
        }
    }
}

fn leaks(findings: &[String]) -> String {
    findings.iter().fold(String::new(), |text, finding| text + "\nleak? " + finding)
}

fn place(path: &Path, line: Option<usize>) -> String {
    line.map_or_else(|| path.display().to_string(), |line| format!("{}, line {line}", path.display()))
}

/// How far a fit came that did not converge; where outcomes are separated the gradient vanishes and tells nothing.
fn ended(iterations: usize, gradient: f64, separated_by: &[String]) -> String {
    if separated_by.is_empty() {
        format!(": after {iterations} iterations the largest gradient entry per row is {gradient:.1e}")
    } else {
        ": the outcomes are separated".to_owned()
    }
}

fn at_row(path: &Path, row: Option<u64>) -> String {
    row.map_or_else(|| format!("`{}`", path.display()), |row| format!("`{}`, row {row}", path.display()))
}

/// Names in backticks, the first five and how many more, and their verb for one or several.
pub(crate) fn quoted(names: &[String], verb: [&str; 2]) -> String {
    /// Names that are read; the rest is a number.
    const SAID: usize = 5;
    let said: Vec<String> = names.iter().take(SAID).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SAID);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} {}", said.join(", "), verb[usize::from(names.len() != 1)])
}

/// The name in `known` that is nearest to `name`, if one is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Jaro-Winkler similarity from which two names are taken for one another; 0.8 catches two-letter slips in short names.
    const NEAR: f64 = 0.8;
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, k)| k.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("acount_id", ["account_id", "event"]).as_deref(), Some("account_id"));
        assert_eq!(nearest("zzz", ["account_id", "event"]), None);
    }

    #[test]
    fn names_are_quoted_and_not_more_than_five() {
        let names: Vec<String> = ('a'..='g').map(String::from).collect();
        assert_eq!(quoted(&names[..1], ["separates", "separate"]), "`a` separates");
        assert_eq!(quoted(&names, ["separates", "separate"]), "`a`, `b`, `c`, `d`, `e` and 2 more separate");
    }

    #[test]
    fn bad_input_exits_with_3_a_bad_model_with_4_and_a_leak_with_5() {
        assert_eq!(Error::OneClass { rows: 3, converted: true }.exit_code(), 3);
        assert_eq!(Error::NotAModel { path: "x".into() }.exit_code(), 4);
        assert_eq!(Error::Leak { findings: Vec::new() }.exit_code(), 5);
    }
}
