//! What to do about an error.

use super::Error;
use crate::names::quoted;

impl Error {
    /// Returns the next step for the user, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let near = |near: &Option<String>| near.as_ref().map(|n| format!("did you mean `{n}`?"));
        match self {
            Self::Config { hint, .. } | Self::Usage { hint, .. } | Self::NoModel { hint, .. } | Self::CheckFailed { hint, .. } => {
                hint.clone()
            }
            Self::MissingColumn { near: n, .. } | Self::MissingFeature { near: n, .. } | Self::NoPositiveOutcome { near: n, .. } => near(n),
            Self::MissingAttribute { near: n, .. } => near(n).or_else(|| Some("name it in `accounts.attributes`".to_owned())),
            Self::MissingAccountColumn { near: n, .. } => {
                let near = near(n).map_or_else(String::new, |near| format!("; {near}"));
                Some(format!("name the column of accounts in `matrix.account`{near}"))
            }
            Self::EmptyLog { .. } => {
                Some("`--at` or `observation.until` lies before the log, or `roles` takes every event away".to_owned())
            }
            Self::NoUsage { example, .. } => example
                .as_ref()
                .map(|(event, list)| format!("the events have accounts such as `{event}`, the account list such as `{list}`")),
            Self::TooManyEventNames => Some("the column of event names seems to hold ids; name another one as `events.event`".to_owned()),
            Self::UnrecognizedColumns { .. } => {
                Some("write pql.toml by hand, naming the columns in `[[events]]`: every event needs an account and a time".to_owned())
            }
            Self::NoSignUps { .. } => Some("give `observation.since` an earlier time, if the log is complete from it on".to_owned()),
            Self::NoOlderAccounts { .. } => Some("give a shorter `observation.horizon`, or a longer log".to_owned()),
            Self::NotFinite { .. } | Self::NotFiniteTestRows { .. } => Some("leave such values empty".to_owned()),
            Self::NoTestRows => Some("train it with `model.test` above 0".to_owned()),
            Self::MissingTestRows { .. } => Some("train it again without `--no-rows`".to_owned()),
            Self::TrainingRowsDiffer { .. } => {
                Some("give the matrix it was trained on, or what `pql features` writes with the same pql.toml".to_owned())
            }
            Self::NoLabelledRows { old } => (*old > 0).then(|| "`--all` keeps rows at or before the last training cutoff".to_owned()),
            Self::NoNewerRows { test_rows: true } => {
                Some("the champion has learned from the test rows of the challenger: compare on a newer log, `-c pql.toml`".to_owned())
            }
            Self::NoNewerRows { test_rows: false } => {
                Some("newer cohorts are needed whose horizon is over; `--all` keeps the others".to_owned())
            }
            Self::TargetsDiffer { .. } => Some("train one of them again with the `pql.toml` of the other".to_owned()),
            Self::RolesDiffer { other_rows, .. } | Self::MissingTestFeature { other_rows, .. } => {
                Some(format!("compare on other rows: `{other_rows}`"))
            }
            Self::ModelTooLarge { .. } | Self::EncodeModel { .. } => Some("a feature with very many levels should not be one".to_owned()),
            Self::NoCutoff { longest, .. } => Some(match longest {
                Some(longest) => format!("the longest `observation.horizon` that fits is {longest}"),
                None => "a longer log is needed".to_owned(),
            }),
            Self::Statistics(pql_stats::Error::OneClass { converted: false, .. }) => Some(
                "say where conversions stand: `accounts.converted` or `roles.converted`, of a matrix `matrix.label` and `matrix.positive`"
                    .to_owned(),
            ),
            Self::TooFewConversions { .. } => Some(
                "give a longer log or a longer `observation.horizon`, or lower `model.min_conversions` knowing that the model will be weak"
                    .to_owned(),
            ),
            Self::Statistics(pql_stats::Error::UnsupportedPenalty) => {
                Some("take the solver `newton`, which knows all penalties".to_owned())
            }
            Self::Statistics(pql_stats::Error::NotConverged { separated_by, .. }) => Some(if separated_by.is_empty() {
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
            Self::WebhookFailed { .. } => {
                Some("run it again later: it goes on with those that did not go out; once there is a newer run, with `--since`".to_owned())
            }
            Self::DamagedModel { .. } => Some("restore the file from where it was copied, or train again".to_owned()),
            _ => None,
        }
    }
}
