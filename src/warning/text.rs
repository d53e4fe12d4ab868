//! The texts of warnings.

use std::fmt::{self, Write as _};

use super::{SplitProblem, Unscored, Warning};
use crate::escape::OneLine;
use crate::names::{agree, backticked, counted, file_name, grouped, outcome_words, quoted};

impl fmt::Display for Warning {
    /// Writes what happened, why it matters and what to do.
    #[expect(clippy::too_many_lines, reason = "a sentence for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        match self {
            Self::UnknownRoleEvent { event, role, suggestion } => {
                write!(f, "`roles.{role}` lists `{event}`, which does not occur before the end of the log")?;
                suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; did you mean `{suggestion}`?"))
            }
            Self::RepeatedEvents { source, repeats, events } => {
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let percent = 100.0 * *repeats as f64 / *events as f64;
                write!(
                    f,
                    "`{}`: {} of {} ({percent:.0}%) repeat another one in every column that is read, as if a file was read twice. Set `id` in [[events]] to drop duplicates.",
                    source.display(),
                    grouped(*repeats),
                    counted(*events, "event"),
                )
            }
            Self::FilesNotRead { source, unread, files, first } => write!(
                f,
                "`{}`: {} of {} not read (the first is `{}`), so rows are missing. Convert {them} to a supported format, or move {them} elsewhere.",
                source.display(),
                grouped(*unread as u64),
                format_args!("{} {}", counted((unread + files) as u64, "file"), agree(*unread as u64, ["is", "are"])),
                file_name(first),
                them = agree(*unread as u64, ["it", "them"])
            ),
            Self::ColumnAbsent { source, column, absent, files, first } => {
                let source = source.display();
                if absent == files {
                    return write!(
                        f,
                        "`{source}` has no column `{column}`, so it is missing in every row. Check its name in the project file."
                    );
                }
                write!(
                    f,
                    "`{source}`: {} of {} {} the column `{column}` (the first is `{}`), so it is missing in their rows. Check the export of these files.",
                    grouped(*absent as u64),
                    counted(*files as u64, "file"),
                    agree(*absent as u64, ["lacks", "lack"]),
                    file_name(first)
                )
            }
            Self::NoRows { path } => write!(
                f,
                "`{}` has 0 rows, so nothing was scored. Check its export.",
                path.display()
            ),
            Self::SignedUpBeforeLog { accounts, since } => write!(
                f,
                "{} signed up before the log starts ({}), so features since sign-up count only from that day. Export the earlier events if you have them.",
                counted(*accounts, "account"),
                since
            ),
            Self::EventsAfterEnd { events, last, end } => write!(
                f,
                "{} up to {last} {} ignored: after {end} there are almost no events. The log ends at 00:00 on that day, so its last complete day is {}. Set `observation.until` for another end.",
                counted(*events, "event"),
                agree(*events, ["is", "are"]),
                end.previous()
            ),
            Self::EventsBeforeStart { events, first, start } => write!(
                f,
                "{} from {first} on {} long before the others, so the log starts on {start}. Set `observation.since` for another start.",
                counted(*events, "event"),
                agree(*events, ["is", "are"])
            ),
            Self::UnknownAccountsAtEnd { events, since, example } => write!(
                f,
                "every event from {since} on ({}) is of an account that is not in the account list, such as `{example}`. Export the account list again.",
                grouped(*events)
            ),
            Self::ReceivedAtOnce { path, share, day } => write!(
                f,
                "`{}`: {:.0}% of the events were received on {day}, more than a day after they happened, as in a backfill, so they count as unknown before. Remove `received` from [[events]] if they were known in time.",
                path.display(),
                share * 100.0
            ),
            Self::TimesMeanNever { column, values, example } => write!(
                f,
                "`{column}`: {} such as `{example}` read as missing. Leave such times empty.",
                counted(*values, "time")
            ),
            Self::BackDatedChurn { at_last_event, churned } => write!(
                f,
                "{} of {} {} back-dated: the time of the last event. Provide the time at which the churn became known.",
                grouped(*at_last_event),
                counted(*churned as u64, "churn time"),
                agree(*at_last_event, ["looks", "look"])
            ),
            Self::LogEndsEarly { days } => write!(
                f,
                "the last event is {} before the cutoff. Check that the log is complete.",
                counted(days.unsigned_abs(), "day")
            ),
            Self::CountedEventsMissing { events } => write!(
                f,
                "the log lacks {} that the model counts: {}. Check the export, and list renamed events in [roles].",
                agree(events.len() as u64, ["an event type", "event types"]),
                backticked(events)
            ),
            Self::NoAccountList => f.write_str(
                "no account list: the base rate covers only accounts with at least one event. Add [accounts] to count all of them.",
            ),
            Self::UnknownInDefinition { definition, missing } => {
                write!(f, "definition `{definition}` {missing}")
            }
            Self::DefinitionSawTestData { definitions, more, first_test } => {
                let rest = if *more > 0 { format!(" and {} more", grouped(*more as u64)) } else { String::new() };
                write!(
                    f,
                    "discovered on data after the first test cutoff ({}), so test results are too good: {}{rest}",
                    first_test,
                    backticked(definitions)
                )
            }
            Self::FewerEventCounts { configured, counted: used, accounts, per_column, columns } => write!(
                f,
                "`features.event_types` is reduced from {configured} to {used}: {} would need {} ({per_column} each), and there are {}. No change is needed; more conversions allow more event types.",
                counted(*columns as u64, "design column"),
                counted(*columns as u64 * u64::from(*per_column), "converting account"),
                grouped(*accounts)
            ),
            Self::TestSetChanged { test_size, problem } => {
                match test_size {
                    Some(size) => write!(
                        f,
                        "the test set is only the newest {} of the cutoff days: ",
                        format_args!("{:.0}%", size * 100.0)
                    )?,
                    None => f.write_str(
                        "tested by cross-validation over accounts, not on newer ones, so changes over time are not tested: ",
                    )?,
                }
                let SplitProblem { test_size, test_conversions, training_rows, rows } = problem;
                write!(
                    f,
                    "with `model.test_size = {test_size}` the test set would have {}, and {} of {} would remain for training. Use a longer log, or set `model.split = \"time\"` to test on that set.",
                    counted(*test_conversions, "converting account"),
                    grouped(*training_rows),
                    counted(*rows, "row")
                )
            }
            Self::NoTestRows => f.write_str(
                "no test rows, so the model was not evaluated. Use a longer log, or a larger `model.test_size`.",
            ),
            Self::TestRowsOneClass => {
                f.write_str("all test rows have the same outcome, so the ranking cannot be evaluated. Use a longer log, or a larger `model.test_size`.")
            }
            Self::UnpenalizedFold => f.write_str(
                "an unpenalized fold did not converge; calibration and percentiles use the weakest penalty of the grid instead. Set `model.penalty`.",
            ),
            Self::CrossFittingFailed { problem } => write!(
                f,
                "cross-fitting failed ({problem}), so probabilities are not calibrated and percentiles come from in-sample scores. Use more rows, or set `model.penalty`."
            ),
            Self::NotCalibrated { separated: true } => {
                f.write_str("not calibrated: the cross-fitted log-odds separate the outcomes perfectly. Check for columns that contain the outcome.")
            }
            Self::NotCalibrated { separated: false } => f.write_str(
                "not calibrated: the cross-fitted log-odds do not increase with the outcome, so the model has no skill",
            ),
            Self::FewForIsotonic { accounts, needed } => write!(
                f,
                "isotonic calibration may overfit with {} (recommended: {}). Set `model.calibration = \"platt\"`.",
                counted(*accounts, "converting account"),
                grouped(*needed)
            ),
            Self::FewPerColumn { per_column, needed } => write!(
                f,
                "{per_column:.1} converting accounts per design column (recommended: {needed}), so the model may overfit. List fewer features in `design.include`."
            ),
            Self::AlphaAtEnd { strongest: true, alpha } => write!(
                f,
                "cross-validation chose the strongest penalty (alpha = {alpha:.3e}), so the features predict almost nothing. Use other features, or more data."
            ),
            Self::AlphaAtEnd { strongest: false, alpha } => write!(
                f,
                "cross-validation chose the weakest penalty (alpha = {alpha:.3e}), so an even weaker one may fit better. With many rows this is usually harmless."
            ),
            Self::ThresholdNotReached { threshold } => write!(
                f,
                "no training row reaches the threshold of {threshold:.4}, so almost no account will qualify. Lower the threshold in [qualify]."
            ),
            Self::SeparatedOutcomes { columns, complete, firth } => {
                let rows = if *complete { "" } else { " of some rows" };
                let advice = if *firth {
                    "Firth's estimates are finite nevertheless."
                } else {
                    "Set `model.penalty = \"firth\"` for finite estimates."
                };
                write!(
                    f,
                    "no z and p values: {} the outcomes{rows} perfectly, so unpenalized coefficients are infinite. {advice}",
                    quoted(columns, ["separates", "separate"])
                )
            }
            Self::NoMaximumLikelihood { columns } => write!(
                f,
                "no z and p values: {} nearly collinear, so the unpenalized fit does not exist. List only one of them in `design.include`.",
                quoted(columns, ["is", "are"])
            ),
            Self::FewForWaldTests { per_column, needed } => write!(
                f,
                "no z and p values: {per_column:.1} converting accounts per design column, and {needed} are required. List fewer features in `design.include`."
            ),
            Self::CollinearColumns { columns, inflation } => write!(
                f,
                "{} nearly collinear (variance inflation factor up to {inflation:.0}), so only their joint effect is reliable. Set a penalty to share it among them.",
                quoted(columns, ["is", "are"])
            ),
            Self::ConfigDiffers { key, value, model } => write!(
                f,
                "`{key}` is {value} in the project file and {model} in the model, whose value is used. Train again to use the new value."
            ),
            Self::DefinitionsNeedEvents => f.write_str(
                "definitions need events, which a feature matrix lacks; accounts qualify by the model only",
            ),
            Self::NoAccountColumn { path, suggestion } => {
                write!(
                    f,
                    "`{}` has no column `account_id` (`matrix.account`), so rows are identified by their number",
                    path.display()
                )?;
                suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; did you mean `{suggestion}`?"))
            }
            Self::NoneScored => {
                f.write_str("no account was scored, so nothing was added to the ledger")
            }
            Self::UnseenLevels { rows, feature } => write!(
                f,
                "{} a value of `{feature}` that is not in the training data",
                rows_have(*rows)
            ),
            Self::NewlyMissing { feature, missing, rows } => {
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let percent = 100.0 * *missing as f64 / *rows as f64;
                write!(
                    f,
                    "{} of {} ({percent:.2}%) {} no `{feature}`, which all training rows have. Check its source.",
                    grouped(*missing),
                    counted(*rows, "row"),
                    if *missing == 1 { "has" } else { "have" }
                )
            }
            Self::RowsNotScored { rows, reason } => {
                // In a log each account has one row.
                let noun = if matches!(reason, Unscored::NotFinite { .. }) { "row" } else { "account" };
                write!(f, "{} {reason}", counted(*rows, noun))
            }
            Self::RowsNotEligible { rows, all } => write!(
                f,
                "{} of {} {} not eligible for scoring: the account is too young, too old or past its horizon",
                grouped(*rows as u64),
                counted(*all as u64, "row"),
                agree(*rows as u64, ["is", "are"])
            ),
            Self::RowsNotFinite { rows } => {
                write!(f, "{} skipped because a value is not finite", counted(*rows as u64, "row"))
            }
            Self::NoCutoffs => f.write_str(
                "the rows have no cutoffs, so training rows cannot be excluded and results may be too good. Add a column of cutoffs (`matrix.cutoff`).",
            ),
            Self::NoCutoffsInComparison => f.write_str(
                "the rows have no cutoffs, so training rows cannot be excluded and favor the model trained on them. Add a column of cutoffs (`matrix.cutoff`).",
            ),
            Self::TrainingRowsLeftOut { rows } => write!(
                f,
                "{} skipped because a model may have been trained on them (`--all` keeps them)",
                counted(*rows as u64, "row")
            ),
            Self::TrainingRowsKept { rows } => write!(
                f,
                "{} may have been used to train one of the models, which favors that model (`--all`)",
                counted(*rows as u64, "row")
            ),
            Self::OutcomesDiffer { rows } => write!(
                f,
                "{} different outcomes under the roles of the two models; using those of the challenger",
                rows_have(*rows as u64)
            ),
            Self::FewToCompare { accounts, converting, needed } => write!(
                f,
                "no verdict: {} {}, and {needed} accounts of each outcome are required. Differences have no interval, because it would be unreliable. Compare on more cohorts.",
                if *accounts == 0 { "no account".to_owned() } else { format!("only {}", counted(*accounts, "account")) },
                outcome_words(*accounts, *converting)
            ),
            Self::AlertsNotSent { alerts, since } => {
                write!(
                    f,
                    "{} of earlier runs {} not sent; run with `--since {since}` to include them",
                    counted(*alerts as u64, "alert"),
                    agree(*alerts as u64, ["was", "were"])
                )
            }
            Self::CausesMissing { problem } => write!(
                f,
                "the causes of changes since the run before are not stored: {problem}. `pql alerts` shows reasons and concerns instead."
            ),
            Self::OtherModel => f.write_str(
                "the previous run used another model, so probabilities and tiers may differ for that reason alone",
            ),
            Self::ScoresLeftOut { model, problem } => {
                write!(f, "scores of {model} are skipped: {problem}")
            }
            Self::NoStoredTestRows => f.write_str(
                "the test rows are not stored with the model, so figures based on them are missing. Train without `--no-test-rows` to have them.",
            ),
            Self::NoDefinitions => {
                f.write_str("the project file has no [[definition]], so the page has no funnel")
            }
            Self::FunnelWithoutAccountList => f.write_str(
                "no account list: the first event counts as sign-up, even for accounts older than the log",
            ),
            Self::SameDayCustomers { same_day, customers, definition } => write!(
                f,
                "{} of {} of `{definition}` converted on the day they became a PQL; dates do not show which came first",
                grouped(*same_day),
                counted(*customers, "customer")
            ),
            Self::MoreSignUpsThanVisitors { visitors, sign_ups } => write!(
                f,
                "more sign-ups than visitors on the same days ({} and {}); check the visitor file",
                grouped(*sign_ups),
                grouped(*visitors)
            ),
            Self::VisitorDaysMissing { sign_ups } => write!(
                f,
                "the visitor file lacks the days of {}, which are left out of the visitor conversion",
                counted(*sign_ups, "sign-up")
            ),
            Self::PoorVerdict { model, verdict: _, headline } => write!(
                f,
                "scores of {model} are not proven to help. {headline}. `pql inspect {model}` shows the evaluation."
            ),
            Self::MissingMarks { columns } => {
                let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
                write!(f, "Read as missing: {}", columns.join(", "))
            }
            Self::NumberFormat { columns, format } => {
                write!(f, "{} {format}", quoted(columns, ["has", "have"]))
            }
            Self::MixedColumn { column, numbers, values, found, row } => write!(
                f,
                "`{column}` is read as text: {} of {} are numbers, and row {row} is `{found}`. Add `{found}` to `input.null` to read it as missing, or `{column}` to `design.categorical`.",
                grouped(*numbers),
                counted(*values, "value")
            ),
            Self::NumbersWithUnit { column, found, row } => write!(
                f,
                "`{column}` is read as text: its values are numbers with a unit, such as `{found}` in row {row}. Write the numbers alone, or add `{column}` to `design.categorical`."
            ),
            Self::LogFault(fault) => {
                let text = fault.to_string();
                let text = text.strip_prefix("The ").map_or(text.clone(), |rest| format!("the {rest}"));
                write!(f, "{text} Features and scores may be wrong: {}", fault.advice())
            }
            Self::UnreadableVersion { model, problem } | Self::BrokenModel { model, problem } => {
                write!(f, "{model}: {problem}")
            }
            Self::AttributeChanged { attribute, changed, accounts } => write!(
                f,
                "the newest value of `{attribute}` differs from its value at the cutoff for {} of {}. Features use the value at the cutoff; without `accounts.history` they would know the later one",
                grouped(*changed),
                counted(*accounts, "account")
            ),
        }
    }
}

/// Returns a number of rows and their verb: `1 row has`, `2 rows have`.
fn rows_have(rows: u64) -> String {
    format!("{} {}", counted(rows, "row"), agree(rows, ["has", "have"]))
}
