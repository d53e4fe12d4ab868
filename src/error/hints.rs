//! Hints: the next step after an error.

use super::Error;
use super::phrases::all_drops;
use crate::names::{backticked, quoted};
use crate::time::TimeSpan;
use crate::warning::{DropReason, ObservationDrop};

impl Error {
    /// Returns the next step, if known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let did_you_mean =
            |name: &Option<String>| name.as_ref().map(|name| format!("did you mean `{name}`?"));
        match self {
            Self::Config { hint, .. } | Self::Database { hint, .. } | Self::Usage { hint, .. } | Self::OneClass { hint, .. } | Self::NoModel { hint, .. } | Self::UnusableChampion { hint, .. } | Self::CheckFailed { hint, .. } => {
                hint.clone()
            }
            Self::MissingColumn { suggestion, .. }
            | Self::MissingFeature { suggestion, .. }
            | Self::NoPositiveOutcome { suggestion, .. } => did_you_mean(suggestion),
            Self::MissingAttribute { suggestion, .. } => did_you_mean(suggestion).or_else(|| Some("add it to `accounts.attributes`".to_owned())),
            Self::MissingLabel { suggestion, candidates, .. } => Some(match did_you_mean(suggestion) {
                Some(question) => format!("set `matrix.label`; {question}"),
                None => label_hint(candidates),
            }),
            Self::MissingAccountColumn { suggestion, .. } => {
                let question = did_you_mean(suggestion).map_or_else(String::new, |text| format!("; {text}"));
                Some(format!("set `matrix.account` to the account column{question}"))
            }
            Self::EmptyLog { sources, .. } => {
                // Without accounts there are no events either.
                let accounts = sources.iter().find(|source| source.kind == "accounts");
                drop_hint(accounts.or(sources.first()).map(|source| source.dropped.as_slice()))
            }
            Self::NoUsage { example: None, sources } => {
                drop_hint(Some(&all_drops(sources)))
                    .or_else(|| Some("check the export, and that the roles leave some event types for usage".to_owned()))
            }
            Self::NoUsage { example, .. } => example
                .as_ref()
                .map(|(event, list)| format!("use the same account ids in both sources: found `{event}` in the events and `{list}` in the account list")),
            Self::AccountIdsChange { day, .. } => Some(format!(
                "write the ids as in the account list, or export the list again; to use only the log before, set `observation.until = \"{day}\"`"
            )),
            Self::NoEventSource { .. } => Some(
                "run `pql init --events FILE` to write a project file, or pass a feature matrix with `--features FILE`".to_owned(),
            ),
            Self::OnlyTable { .. } => Some(
                "set `connection` to read the table, export it and set `path`, or compute the scores where the table is: `pql export sql MODEL`".to_owned(),
            ),
            Self::TooManyEventNames => Some("set `events.event` to another column; this one seems to contain ids".to_owned()),
            Self::NoSignUps { .. } => Some("set `observation.since` to the time from which the log is complete".to_owned()),
            Self::NoOlderAccounts { .. } => Some("set a shorter `observation.horizon`".to_owned()),
            Self::NotFinite { .. } | Self::NotFiniteTestRows { .. } => Some("leave these values empty".to_owned()),
            Self::NoTestRows => Some("train with `model.test_size` above 0".to_owned()),
            Self::MissingTestRows { .. } => Some("train again without `--no-test-rows`".to_owned()),
            Self::TrainingRowsDiffer { .. } => {
                Some("pass the training matrix, or the output of `pql features` with the same project file".to_owned())
            }
            Self::NoLabeledRows { old } => (*old > 0).then(|| "pass `--all` to include training rows".to_owned()),
            Self::NoNewerRows => {
                Some("compare on a newer log (`-c pql.toml`), or pass `--all` to include training rows".to_owned())
            }
            Self::TargetsDiffer { .. } => Some("train one of them again with the project file of the other".to_owned()),
            Self::RolesDiffer { other_rows, .. } | Self::MissingTestFeature { other_rows, .. } => {
                Some(format!("compare on other rows with `{other_rows}`"))
            }
            Self::ModelTooLarge { .. } | Self::EncodeModel { .. } => Some("remove features with a very large number of levels".to_owned()),
            Self::NoCutoff { longest, age_key, .. } => Some(match longest {
                Some(longest) => format!("set `observation.horizon` to at most {longest}"),
                None => format!("set a smaller `{age_key}`"),
            }),
            Self::NoObservations { dropped, oldest, .. } => {
                dropped.first().map(|(reason, _)| observation_hint(*reason, *oldest))
            }
            Self::NoTrainingRows { purged, .. } => Some(if *purged > 0 {
                "set a shorter `observation.horizon` or a smaller `model.test_size`".to_owned()
            } else {
                "set a smaller `model.test_size`".to_owned()
            }),
            Self::TooFewConversions { .. } => Some(
                "set a longer `observation.horizon`, or reduce `model.min_conversions` and expect a weak model"
                    .to_owned(),
            ),
            Self::Statistics(pql_stats::Error::UnsupportedPenalty) => {
                Some("set `model.solver = \"newton\"`, which supports all penalties".to_owned())
            }
            Self::Statistics(pql_stats::Error::NotConverged { separated_by, .. }) => Some(if separated_by.is_empty() {
                "set `model.penalty = \"l2\"`; without a penalty, nearly collinear columns prevent convergence".to_owned()
            } else {
                format!(
                    "set `model.penalty = \"firth\"` or `\"l2\"`, or list other features in `design.include`: {} the outcomes perfectly",
                    quoted(separated_by, ["separates", "separate"])
                )
            }),
            Self::DuplicateAccount { .. } => Some("provide one row per account, or set `accounts.history = true` for one row per account and `valid_from`".to_owned()),
            Self::OnlyNewLevels(_) => Some("check that the column still has the meaning and the spelling of the training data; train again if the categories have changed".to_owned()),
            Self::BadValue { .. } => Some("fix the value, or set another column, `format` or `input.null` in the project file".to_owned()),
            Self::RoundedId { .. } => Some("decimal numbers of this size are rounded, so that different ids become equal; export the column as text or as 64-bit integers (in pandas: `astype(\"Int64\")` where the ids are read)".to_owned()),
            Self::Leak { .. } => Some("exclude these columns and events, or train without `--strict` to store the model with these findings".to_owned()),
            Self::NewerModel { .. } => Some("update pql".to_owned()),
            Self::OldModel { .. } => Some("train the model again".to_owned()),
            Self::WebhookFailed { .. } => {
                Some("rerun to send the remaining alerts; after a newer run, add `--since`".to_owned())
            }
            Self::DamagedModel { .. } => Some("restore the file from a copy, or train again".to_owned()),
            _ => None,
        }
    }
}

/// Returns how to name the column of outcomes of a matrix.
fn label_hint(candidates: &[(String, Option<String>)]) -> String {
    /// Maximum number of other columns that are named.
    const MAX_OTHERS: usize = 4;
    let Some(((column, positive), others)) = candidates.split_first() else {
        return "set `matrix.label` to the column of outcomes".to_owned();
    };
    let positive = positive.as_ref().map(|value| format!(" and `matrix.positive = \"{value}\"`"));
    let mut text = format!(
        "set `matrix.label = \"{column}\"`{} if this column has the outcomes",
        positive.unwrap_or_default()
    );
    if !others.is_empty() {
        let listed: Vec<String> =
            others.iter().take(MAX_OTHERS).map(|(column, _)| column.clone()).collect();
        let more = others.len() - listed.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("; other columns with two values: {}{more}", backticked(&listed));
    }
    text
}

/// Returns the next step when all rows of a source were dropped, by the most frequent reason.
fn drop_hint(dropped: Option<&[(DropReason, u64)]>) -> Option<String> {
    let most = dropped?.iter().rev().max_by_key(|(_, count)| *count)?.0;
    Some(
        match most {
            DropReason::AfterUntil | DropReason::NotYetSignedUp => {
                "check that `--at` and `observation.until` are after the log starts"
            }
            DropReason::InTheFuture => "check the times of the events and `--now`",
            DropReason::OutcomeBeforeSignUp => {
                "check `accounts.signed_up`, `accounts.converted` and `accounts.churned`; for local times set `input.timezone`"
            }
            DropReason::TimeMissing => "check `timestamp` in [[events]] and `accounts.signed_up`",
            DropReason::AccountMissing => "check `account` in [[events]] and [accounts]",
            DropReason::EventMissing => "check `event` in [[events]]",
            DropReason::NoEvent => "check `unpivot` in [[events]]",
            DropReason::UnknownAccount | DropReason::AccountDropped => {
                "use the same account ids in the events and in the account list"
            }
            DropReason::UserMissing => "check `user` in [users]",
            DropReason::UnknownUser => "use the same user ids in [[events]] and [users]",
            DropReason::UserWithoutAccount
            | DropReason::InvalidAddress
            | DropReason::UserInTwoAccounts => {
                "check `account`, `email` and `from` in [users], or set `account` in [[events]]"
            }
            DropReason::PersonalAddress => "set `personal = \"own\"` in [users]",
            DropReason::InternalUser => "check `internal` and `internal_roles` in [users]",
            DropReason::RepeatedId => "check `id` in [[events]]: it must differ between events",
            DropReason::RoleConverted | DropReason::RoleChurned | DropReason::RoleExclude => {
                "check that [roles] does not exclude every event"
            }
        }
        .to_owned(),
    )
}

/// Returns the next step without observations, by the most frequent reason.
///
/// # Arguments
/// * `oldest` – age of the oldest account
fn observation_hint(reason: ObservationDrop, oldest: TimeSpan) -> String {
    match reason {
        ObservationDrop::AboveMaxAge => {
            format!(
                "set `observation.max_age` to at least the age of the accounts (up to {oldest})"
            )
        }
        ObservationDrop::BelowMinAge => {
            "set a shorter `observation.horizon` or a smaller `observation.min_age`".to_owned()
        }
        ObservationDrop::TooYoung => {
            format!("set `observation.age` to less than the age of the accounts (up to {oldest})")
        }
        ObservationDrop::BeforeLog => {
            "set `observation.since` earlier, if the log is complete from then on".to_owned()
        }
        ObservationDrop::ClosedBeforeCutoff | ObservationDrop::SignedUpAfterCutoff => {
            "set an earlier cutoff: a smaller `observation.age` or `observation.min_age`".to_owned()
        }
        ObservationDrop::ClosedInGap => "set a shorter `observation.gap`".to_owned(),
    }
}
