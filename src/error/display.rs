//! The texts of errors.

use std::fmt;

use super::Error;
use super::phrases::{
    batch_file, end, file_and_line, file_and_row, more_levels, no_observations, no_usage,
    one_class, project_file,
};
use crate::names::{backticked, counted, grouped};

impl fmt::Display for Error {
    /// Writes what was found and what was expected, without the sources.
    #[expect(clippy::too_many_lines, reason = "a sentence for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { path, line, problem, .. } => {
                write!(f, "{}: {problem}", file_and_line(path, *line))
            }
            Self::Usage { problem, .. } | Self::UnusableChampion { problem, .. } => {
                f.write_str(problem)
            }
            Self::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            Self::Malformed { path, row, problem, .. } => {
                write!(f, "{}: {problem}", file_and_row(path, *row))
            }
            Self::Database { place, problem, .. } => write!(f, "{place}: {problem}"),
            Self::Empty { path, expected } => {
                write!(f, "`{}` is empty: {expected}", path.display())
            }
            Self::MissingColumn { path, column, role, .. } => {
                write!(f, "`{}`: missing column `{column}` ({role})", path.display())
            }
            Self::BadValue { path, row, column, found, expected } => write!(
                f,
                "{}, column `{column}`: found `{found}`, expected {expected}",
                file_and_row(path, *row)
            ),
            Self::RoundedId { path, row, column, found } => write!(
                f,
                "{}, column `{column}`: found the decimal number `{found}`, expected text or an integer",
                file_and_row(path, Some(*row))
            ),
            Self::DuplicateAccount { path, row, account } => {
                write!(f, "{}: duplicate account `{account}`", file_and_row(path, Some(*row)))
            }
            Self::NoCutoff { since, until, needed, .. } => write!(
                f,
                "the log is too short: it covers {} to {}, and {needed}",
                since.day(),
                until.last_day_before()
            ),
            Self::NoObservations { accounts, dropped, .. } => {
                write!(f, "no observations: {}", no_observations(*accounts, dropped))
            }
            Self::NoTrainingRows { test, immature, purged } => write!(
                f,
                "no training rows: found {}, {} and {} whose horizon overlaps the test period",
                counted(*test, "test row"),
                counted(*immature, "immature row"),
                counted(*purged, "row")
            ),
            Self::OneClass { rows, converted, .. } => {
                write!(f, "one class only: {}", one_class(*rows, *converted))
            }
            Self::TooFewConversions { found, needed } => write!(
                f,
                "too few conversions: found {}, expected at least {needed} (`model.min_conversions`)",
                counted(*found as u64, "converting training account")
            ),
            Self::NoFeatures { problem } => write!(f, "no usable feature: {problem}"),
            Self::Table { table, .. } => write!(f, "cannot process {table}"),
            Self::Json { value, .. } => write!(f, "cannot write {value} as JSON"),
            Self::ColumnType { column, found, .. } => {
                write!(f, "column `{column}`: unsupported type {found}")
            }
            Self::NoEventSource { path } => write!(
                f,
                "{}: found no `[[events]]`, expected at least one source of events",
                project_file(path.as_deref())
            ),
            Self::OnlyTable { section, table } => write!(
                f,
                "{section}: found only the table `{table}`, expected `path` to read the source from files"
            ),
            Self::EmptyLog { until, .. } => write!(
                f,
                "the log is empty: no events and no accounts are left before {}",
                end(*until)
            ),
            Self::NoUsage { sources, .. } => f.write_str(&no_usage(sources)),
            Self::AccountIdsChange { path, day, known, unknown, share_before, share_after } => {
                write!(
                    f,
                    "`{}`: the account ids change on {day}: {:.0}% of the events of the 7 days from then on are of accounts that are not in the account list, and {:.0}% before. Ids before: {}; from then on: {}",
                    path.display(),
                    share_after * 100.0,
                    share_before * 100.0,
                    backticked(known),
                    backticked(unknown)
                )
            }
            Self::TooManyEventNames => f.write_str("too many event types: found more than 65,534"),
            Self::MissingProperty { property } => write!(
                f,
                "the log lacks the numeric property `{property}` (`events.values`), which the model requires"
            ),
            Self::MissingSeats => f.write_str(
                "the account list lacks seats (`accounts.seats`), which the model requires",
            ),
            Self::MissingAttribute { attribute, .. } => write!(
                f,
                "the account list lacks the attribute `{attribute}`, which the model requires"
            ),
            Self::MissingLabel { path, .. } => write!(
                f,
                "`{}`: missing column `converted` (the outcome, `matrix.label`)",
                path.display()
            ),
            Self::MissingAccountColumn { path, .. } => write!(
                f,
                "`{}`: missing column `account_id`, which a ledger requires",
                path.display()
            ),
            Self::NoPositiveOutcome { positive, .. } => {
                write!(f, "no outcome equals `{positive}` (`matrix.positive`)")
            }
            Self::NoSignUps { since } => {
                write!(f, "no cohorts: every account signed up before the log starts ({since})")
            }
            Self::NoOlderAccounts { newer_from } => write!(
                f,
                "no account to discover rules on: each needs its landmark and a complete horizon before the newer accounts ({newer_from})"
            ),
            Self::MissingFeature { path, feature, .. } => write!(
                f,
                "{}: missing feature `{feature}` of the model",
                batch_file(path.as_deref())
            ),
            Self::OnlyNewLevels(levels) => write!(
                f,
                "feature `{}`: found only new levels ({}) in {}, expected {}{}",
                levels.feature,
                backticked(&levels.found),
                counted(levels.rows, "row"),
                backticked(&levels.expected),
                more_levels(levels.more)
            ),
            Self::FeatureType { feature, found } => write!(
                f,
                "feature `{feature}`: found type {found}, expected a number as in training"
            ),
            Self::NotFinite { feature, found } => {
                write!(f, "feature `{feature}`: found {found}, expected finite numbers")
            }
            Self::NotFiniteTestRows { rows } => write!(
                f,
                "found {} with infinite values, expected finite numbers",
                counted(*rows as u64, "test row")
            ),
            Self::NotFiniteColumn { column } => write!(f, "`{column}` is not finite"),
            Self::NoTestRows => f.write_str("the model has no test rows"),
            Self::MissingTestRows { path } => {
                write!(f, "the test rows of the model are not stored: missing `{}`", path.display())
            }
            Self::TrainingRowsDiffer { found_rows, found_conversions, rows, conversions } => {
                write!(
                    f,
                    "the matrix is not the training matrix of the model: found {} with {}, expected {} with {}",
                    counted(*found_rows, "training row"),
                    counted(*found_conversions, "conversion"),
                    grouped(*rows),
                    grouped(*conversions)
                )
            }
            Self::NoLabeledRows { .. } => f.write_str("no labeled rows for the evaluation"),
            Self::NoNewerRows => {
                f.write_str("no labeled rows are outside the training data of both models")
            }
            Self::TargetsDiffer { key, challenger, champion } => write!(
                f,
                "the models predict different outcomes: {key} is {challenger} in the challenger and {champion} in the champion"
            ),
            Self::RolesDiffer { challenger, champion, key, .. } => write!(
                f,
                "the test rows of `{challenger}` have other features than `{champion}`: `{key}` differs"
            ),
            Self::MissingTestFeature { challenger, champion, feature, .. } => write!(
                f,
                "the test rows of `{challenger}` lack `{feature}`, which `{champion}` requires"
            ),
            Self::ModelTooLarge { bytes } => {
                write!(f, "cannot store the model: {} is too large", counted(*bytes as u64, "byte"))
            }
            Self::EncodeModel { .. } => f.write_str("cannot encode the model"),
            Self::Statistics(error) => {
                write!(f, "{error}")?;
                std::error::Error::source(error).map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Self::Leak { .. } => f.write_str("leakage audit failed; no model stored (`--strict`)"),
            Self::CheckFailed { check, .. } => write!(f, "check failed: {check}"),
            Self::Write { path, .. } => write!(f, "cannot write `{}`", path.display()),
            Self::WebhookFailed { host, sent, all, problem } => write!(
                f,
                "webhook `{host}` failed after {sent} of {}: {problem}",
                counted(*all as u64, "alert")
            ),
            Self::BrokenPipe => f.write_str("standard output was closed"),
            Self::NoModel { model, models, .. } => {
                write!(f, "model `{model}` not found in `{}`", models.display())
            }
            Self::UnreadableModel { path, .. } => {
                write!(f, "cannot read the model `{}`", path.display())
            }
            Self::NotAModel { path } => write!(f, "`{}` is not a pql model", path.display()),
            Self::DamagedModel { path, problem, .. } => {
                write!(f, "`{}` is damaged: {problem}", path.display())
            }
            Self::NewerModel { path, found, known } => write!(
                f,
                "`{}`: found model format {found}, expected at most {known}",
                path.display()
            ),
            Self::OldModel { path, found } => {
                write!(f, "`{}`: model format {found} is no longer supported", path.display())
            }
        }
    }
}
