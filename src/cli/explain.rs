//! `pql explain`

use std::path::PathBuf;

use polars::prelude::*;
use serde::Serialize;

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::paths::local_path;
use super::shared::{BatchArgs, ModelArgs, ProjectArgs};
use super::since::{self, RecordedScore, Since};
use crate::dataset::observations::Eligibility;
use crate::error::{Error, Result};
use crate::escape::one_line;
use crate::log::canonical;
use crate::log::cells::level;
use crate::model::Model;
use crate::model::encoder::Encoding;
use crate::model::explain::describe_measure;
use crate::model::score::{AccountRow, Explanation, Scorer};
use crate::names::suggest;
use crate::report::format::{alternatives, wrap};
use crate::report::text::explanation::{
    adjusted_values, contributions, describe_score, named_contributions, what_if,
};
use crate::time::{WrittenTime, ZonedTime};
use crate::warning::{IneligibleReasons, Message};

/// Explain a score as an exact sum of contributions
///
/// With `--since` explains the change since that date instead.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Account
    #[arg(value_name = "ACCOUNT", value_parser = parse_account, help_heading = "Input", display_order = 0)]
    account: String,
    #[command(flatten)]
    batch: BatchArgs,
    /// Recompute with this value, such as `active_users_7d=5` (empty: missing); repeatable
    #[arg(long, value_name = "FEATURE=VALUE", help_heading = "Input")]
    what_if: Vec<String>,
    /// Explain the change of the score since this time
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with_all = ["features", "what_if"],
        help_heading = "Input"
    )]
    since: Option<WrittenTime>,
    /// Folder of scores: also show the score recorded at the time of `--since`
    #[arg(long, value_name = "DIR", requires = "since", help_heading = "Input", value_parser = local_path())]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json];

/// Values beyond the training rows that are listed without `-v`.
const MAX_ADJUSTED: usize = 3;

/// The JSON output.
#[derive(Serialize)]
struct ExplainOutput<'a> {
    account_id: &'a str,
    cutoff: Option<ZonedTime>,
    model: &'a str,
    threshold: f64,
    /// Whether the account may be contacted; null without `[eligibility]`.
    eligible: Option<bool>,
    /// The codes of the reasons, as in the column of `pql score`; null if it is eligible.
    ineligible_reason: Option<String>,
    /// Reason for a missing probability.
    not_scored: Option<Message>,
    explanation: Option<&'a Explanation>,
    what_if: Option<&'a Explanation>,
    since: Option<&'a Since>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    args.ledger.as_deref().map_or(Ok(()), |ledger| terminal.files.add_ledger(ledger))?;
    let (model, location) = args.model.load(terminal)?;
    let replacements = args
        .what_if
        .iter()
        .map(|replacement| replacement_column(&model, replacement))
        .collect::<Result<Vec<_>>>()?;
    let query = Query { args, model: &model, label: &location.label };
    let row = match args.batch.path(&terminal.files)? {
        Some(path) => {
            let matrix = (path, args.project.load(&terminal.files)?.matrix);
            AccountRow::from_matrix(&model, matrix, &args.account, &mut terminal.sink())?
        }
        None => query.log_row(args.batch.at, terminal)?,
    };
    let scorer = Scorer::new(&model, &location.label)?;
    let since = args.since.map(|since| query.since(since, &row, &scorer, terminal)).transpose()?;
    let not_scored = row.not_scored().as_ref().map(Message::from);
    let (mut explanation, mut what_if) = (None, None);
    if not_scored.is_none() {
        explanation = Some(scorer.explain(&row.features, 0)?);
        if !replacements.is_empty() {
            let mut features = row.features.clone();
            for column in &replacements {
                features
                    .with_column(column.clone())
                    .map_err(|e| Error::table("the changed features", e))?;
            }
            what_if = Some(scorer.explain(&features, 0)?);
        }
    }
    let excluded = row.ineligible.filter(|reasons| !reasons.is_eligible());
    let result = ExplainOutput {
        account_id: &args.account,
        cutoff: row.cutoff,
        model: &location.label,
        threshold: model.threshold,
        eligible: row.ineligible.map(IneligibleReasons::is_eligible),
        ineligible_reason: excluded.map(|reasons| reasons.to_string()),
        not_scored,
        explanation: explanation.as_ref(),
        what_if: what_if.as_ref(),
        since: since.as_ref(),
    };
    if output.format == OutputFormat::Json {
        return output.write_json(&result, terminal);
    }
    let cutoff = row.cutoff.map(|cutoff| cutoff.to_string());
    let bars = output.is_on_terminal(terminal);
    let mut text = query.text(&result, cutoff.as_deref(), (bars, terminal.verbose));
    if let Some(reasons) = excluded {
        text += &format!("\n\n{}", wrap(&not_eligible(&one_line(&args.account), reasons), "  "));
    }
    output.write(&text, terminal)
}

/// Returns an account id as it is in the log, whatever the form in which it was typed.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a value parser")]
fn parse_account(text: &str) -> std::result::Result<String, std::convert::Infallible> {
    Ok(canonical(text).into_owned())
}

/// Says why an account must not be contacted.
fn not_eligible(account: &str, reasons: IneligibleReasons) -> String {
    format!(
        "{account} is not eligible and does not qualify, whatever its score: {} (`[eligibility]`)",
        reasons.clauses()
    )
}

/// An account to explain by a model.
struct Query<'a> {
    args: &'a Args,
    model: &'a Model,
    label: &'a str,
}

impl Query<'_> {
    /// Returns the result as text for people.
    ///
    /// # Arguments
    /// * `(bars, verbose)` – whether bars are drawn and the names of the features are listed
    fn text(
        &self,
        result: &ExplainOutput<'_>,
        cutoff: Option<&str>,
        (bars, verbose): (bool, bool),
    ) -> String {
        let Self { args, model, .. } = self;
        let time =
            cutoff.map_or(String::new(), |cutoff| format!(" {} {cutoff}", preposition(cutoff)));
        let account = one_line(&args.account);
        let title = format!("{account}{time}");
        let Some(explanation) = result.explanation else {
            return format!("{title}: {}", message_text(result.not_scored.as_ref()));
        };
        let mut text = String::new();
        let earlier = result.since.and_then(|since| Some((since, since.cutoff?)));
        if let Some((since, then)) = earlier {
            if since.change.is_some() {
                return since::text(&title, explanation, since, bars);
            }
            text += &format!(
                "{account} {} {}: {}\n",
                preposition(&then.to_string()),
                then,
                message_text(since.not_scored.as_ref())
            );
        }
        let score = describe_score(explanation, Some(model.threshold));
        text += &format!("{}\n\n", wrap(&format!("{title}: {score}"), "  "));
        text += &if verbose {
            named_contributions(explanation)
        } else {
            contributions(model, explanation, bars)
        };
        let values: Vec<&String> = explanation.adjusted_values.iter().collect();
        text += &adjusted_values(&values, if verbose { usize::MAX } else { MAX_ADJUSTED });
        if let Some(changed) = result.what_if {
            text += &what_if(model, explanation, changed, &args.what_if);
        }
        text
    }

    /// Compares the account with an earlier time.
    fn since(
        &self,
        since: WrittenTime,
        row: &AccountRow,
        scorer: &Scorer<'_>,
        terminal: &mut Terminal<'_>,
    ) -> Result<Since> {
        // The notices about the log were printed before.
        let then = terminal.silenced(|terminal| self.log_row(Some(since), terminal))?;
        if let (Some(then), Some(now)) = (then.time, row.time)
            && then.micros() >= now.micros()
        {
            let problem = format!("`--since`: found {then}, expected a time before {now}");
            return Err(Error::Usage { problem, hint: None });
        }
        if then.cutoff == row.cutoff && row.eligibility == Eligibility::Scored {
            terminal.note(
                "The model observes each account once, at a fixed age: \
                 its features are the same at both times",
            );
        }
        let recorded = match (&self.args.ledger, then.time) {
            (Some(dir), Some(time)) => {
                RecordedScore::find(dir, self.label, (&self.args.account, time), terminal)?
            }
            _ => None,
        };
        let both =
            then.eligibility == Eligibility::Scored && row.eligibility == Eligibility::Scored;
        Ok(Since {
            cutoff: then.cutoff,
            not_scored: then.not_scored().as_ref().map(Message::from),
            change: if both {
                Some(scorer.explain_change(&then.features, &row.features)?)
            } else {
                None
            },
            recorded,
        })
    }

    /// Returns the account as of a time, or of the end of the log.
    fn log_row(
        &self,
        time: Option<WrittenTime>,
        terminal: &mut Terminal<'_>,
    ) -> Result<AccountRow> {
        let Self { args, model, label } = self;
        model.usage_features(label)?;
        let config =
            model.project_config(&args.project.load(&terminal.files)?, &mut terminal.sink())?;
        let log = args.project.model_log(&config, model, time, terminal);
        let is_absent = match &log {
            Ok(log) => log.accounts.id.code(&args.account).is_none(),
            Err(error) => matches!(error, Error::EmptyLog { .. }),
        };
        if let Some(time) = time.filter(|_| is_absent) {
            // Accounts that sign up later are not in the log as of that time.
            let time = time.in_zone(config.input.timezone);
            let all = terminal.silenced(|t| args.project.model_log(&config, model, None, t));
            if let Ok(all) = all
                && let Some(error) = AccountRow::not_signed_up(&all, &args.account, time)
            {
                return Err(error);
            }
        }
        let log = log?;
        AccountRow::from_log((model, label), &config, &log, &args.account, &terminal.sink())
    }
}

/// Returns the column that a `--what-if` puts in place of the account's own.
fn replacement_column(model: &Model, replacement: &str) -> Result<Column> {
    let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
    let (name, value) = replacement.split_once('=').ok_or_else(|| {
        usage(
            format!("`--what-if {replacement}`: no `=` found"),
            Some("write FEATURE=VALUE".to_owned()),
        )
    })?;
    let features = &model.preprocessor.features;
    let Some(prepared) = features.iter().find(|p| p.feature == name) else {
        let matching = features_named(model, name);
        if !matching.is_empty() {
            let problem = format!("the model has no feature `{name}`");
            return Err(usage(problem, Some(format!("use {}", alternatives(&matching)))));
        }
        let dropped = model.dropped_features.iter().find(|dropped| dropped.column == name);
        let why = dropped.map(|dropped| format!("it was dropped: it {}", dropped.reason));
        let suggestion = || suggest(name, features.iter().map(|p| p.feature.as_str()));
        return Err(usage(format!("the model has no feature `{name}`"), why.or_else(suggestion)));
    };
    let value = Some(value.trim()).filter(|value| !value.is_empty());
    match prepared.encoding {
        Encoding::Categorical(_) => Ok(Column::new(name.into(), [value.map(|value| level(value))])),
        Encoding::Numeric(_) => {
            let number =
                value.map(|v| v.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or(v)).transpose();
            let number = number.map_err(|found| {
                usage(format!("`--what-if {name}`: found `{found}`, expected a number"), None)
            })?;
            Ok(Column::new(name.into(), [number]))
        }
    }
}

/// Returns the features, in backticks, whose measure has this name or description.
fn features_named(model: &Model, name: &str) -> Vec<String> {
    let preprocessor = &model.preprocessor;
    let features = preprocessor.features.iter();
    features
        .filter(|p| p.measure == name || describe_measure(preprocessor, &p.measure) == name)
        .map(|p| format!("`{}`", p.feature))
        .collect()
}

/// Returns the preposition of a date or a time.
fn preposition(time: &str) -> &'static str {
    if time.contains('T') { "at" } else { "on" }
}

fn message_text(message: Option<&Message>) -> &str {
    message.map_or("", |message| &message.text)
}
