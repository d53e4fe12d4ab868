//! `pql explain`

use std::path::PathBuf;

use polars::prelude::*;
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Terminal;
use super::shared::{ModelsArgs, ProjectArgs};
use super::since::{self, Recorded, Since};
use crate::dataset::observations::Standing;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::encoder::Way;
use crate::model::score::{AccountRow, Explanation, Scorer};
use crate::names::nearest;
use crate::report::text;
use crate::time::{Timestamp, iso};
use crate::warning::Message;

/// Explain one account's probability as a sum of contributions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Account
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(long, value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Take the account's newest row of a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    features: Option<PathBuf>,
    /// Explain the account as it stood at this time, a date being its midnight, UTC [default: the
    /// end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What if a feature had another value, such as `active_users_7d=5`, nothing after `=` being
    /// missing; may be repeated
    #[arg(long, value_name = "FEATURE=VALUE")]
    what_if: Vec<String>,
    /// Say why the probability has moved since the account stood as at this time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["features", "what_if"])]
    since: Option<Timestamp>,
    /// Folder of scores: what was recorded at that time stands beside what is computed
    #[arg(long, value_name = "DIR", requires = "since")]
    ledger: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    account_id: &'a str,
    cutoff: Option<String>,
    model: &'a str,
    threshold: f64,
    /// Why there is no probability.
    not_scored: Option<Message>,
    explanation: Option<&'a Explanation>,
    what_if: Option<&'a Explanation>,
    since: Option<&'a Since>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.folder.load(&args.model)?;
    let changes =
        args.what_if.iter().map(|change| changed(&model, change)).collect::<Result<Vec<_>>>()?;
    let asked = Asked { args, model: &model, label: &found.label };
    let row = match &args.features {
        Some(path) => {
            AccountRow::from_matrix(&model, path, args.project.load()?.matrix, &args.account)?
        }
        None => asked.log_row(args.at, terminal)?,
    };
    let scorer = Scorer::new(&model, &found.label)?;
    let since = args.since.map(|since| asked.since(since, &row, &scorer, terminal)).transpose()?;
    let not_scored = row.not_scored().as_ref().map(Message::from);
    let (mut explanation, mut what_if) = (None, None);
    if not_scored.is_none() {
        explanation = Some(scorer.explain(&row.features, 0)?);
        if !changes.is_empty() {
            let mut features = row.features.clone();
            for column in &changes {
                features
                    .with_column(column.clone())
                    .map_err(|e| Error::table("the changed features", e))?;
            }
            what_if = Some(scorer.explain(&features, 0)?);
        }
    }
    let answer = Answer {
        account_id: &args.account,
        cutoff: row.cutoff.map(|cutoff| iso(cutoff.0)),
        model: &found.label,
        threshold: model.threshold,
        not_scored,
        explanation: explanation.as_ref(),
        what_if: what_if.as_ref(),
        since: since.as_ref(),
    };
    if args.json { terminal.say_json(&answer) } else { asked.say(&answer, terminal) }
}

/// Who asks of which model.
struct Asked<'a> {
    args: &'a Args,
    model: &'a Model,
    label: &'a str,
}

impl Asked<'_> {
    /// Print the answer for people.
    fn say(&self, answer: &Answer<'_>, terminal: &mut Terminal<'_>) -> Result<()> {
        let Self { args, model, label } = self;
        let at = answer.cutoff.as_ref().map_or(String::new(), |cutoff| format!(" at {cutoff}"));
        let Some(explanation) = answer.explanation else {
            return terminal.say(&format!(
                "{}{at}: {}",
                args.account,
                text_of(answer.not_scored.as_ref())
            ));
        };
        let then = answer.since.and_then(|since| since.cutoff.as_ref());
        if let (Some(since), Some(then)) = (answer.since, then) {
            if since.moved.is_some() {
                terminal.say(&format!("{}{at}, since {then}, model {label}", args.account))?;
                return since::say(explanation, since, terminal);
            }
            terminal.say(&format!(
                "{} at {then}: {}",
                args.account,
                text_of(since.not_scored.as_ref())
            ))?;
        }
        terminal.say(&format!("{}{at}, model {label}", args.account))?;
        say(explanation, model, terminal)?;
        match answer.what_if {
            Some(changed) => say_changed(explanation, changed, &args.what_if, terminal),
            None => Ok(()),
        }
    }

    /// Set the account against what it was at an earlier time.
    fn since(
        &self,
        since: Timestamp,
        row: &AccountRow,
        scorer: &Scorer<'_>,
        terminal: &mut Terminal<'_>,
    ) -> Result<Since> {
        // The notices about the log were printed before.
        let then = terminal.silenced(|terminal| self.log_row(Some(since), terminal))?;
        if let (Some(then), Some(now)) = (then.at, row.at)
            && then >= now
        {
            let problem =
                format!("`--since` is {}, which is not before {}", iso(then.0), iso(now.0));
            return Err(Error::Usage { problem, hint: None });
        }
        if then.cutoff == row.cutoff && row.standing == Standing::Scored {
            terminal.note(
                "the account is observed once, at its age: both times its features are the same",
            );
        }
        let recorded = match (&self.args.ledger, then.at) {
            (Some(dir), Some(at)) => {
                Recorded::find(dir, self.label, (&self.args.account, at.0), terminal)?
            }
            _ => None,
        };
        let both = then.standing == Standing::Scored && row.standing == Standing::Scored;
        Ok(Since {
            cutoff: then.cutoff.map(|cutoff| iso(cutoff.0)),
            not_scored: then.not_scored().as_ref().map(Message::from),
            moved: if both { Some(scorer.moved(&then.features, &row.features)?) } else { None },
            recorded,
        })
    }

    /// Returns the account at a time, or at the end of the log.
    fn log_row(&self, at: Option<Timestamp>, terminal: &mut Terminal<'_>) -> Result<AccountRow> {
        let Self { args, model, label } = self;
        model.usage_features(label)?;
        let config = model.project_config(&args.project.load()?, &mut terminal.sink())?;
        let log = args.project.model_log(&config, model, at, terminal)?;
        AccountRow::from_log((model, label), &config, &log, &args.account, &terminal.sink())
    }
}

/// The column that a `--what-if` puts in place of the account's own.
fn changed(model: &Model, change: &str) -> Result<Column> {
    let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
    let (name, value) = change.split_once('=').ok_or_else(|| {
        usage(format!("`--what-if {change}` has no `=`"), Some("write FEATURE=VALUE".to_owned()))
    })?;
    let features = &model.preprocessor.features;
    let Some(prepared) = features.iter().find(|p| p.feature == name) else {
        let left_out = model
            .left_out
            .iter()
            .find(|left_out| left_out.column == name)
            .map(|left_out| format!("it {}", left_out.reason));
        let near = || {
            nearest(name, features.iter().map(|p| p.feature.as_str()))
                .map(|n| format!("did you mean `{n}`?"))
        };
        return Err(usage(format!("`{name}` is no feature of the model"), left_out.or_else(near)));
    };
    let value = Some(value.trim()).filter(|v| !v.is_empty());
    match prepared.way {
        Way::Text(_) => Ok(Column::new(name.into(), [value])),
        Way::Number(_) => {
            let number =
                value.map(|v| v.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or(v)).transpose();
            let number = number.map_err(|found| {
                usage(format!("`--what-if {name}`: found `{found}`, expected a number"), None)
            })?;
            Ok(Column::new(name.into(), [number]))
        }
    }
}

fn summary(explanation: &Explanation) -> String {
    let interval = explanation
        .probability_interval
        .map_or(String::new(), |Interval { low, high }| format!(" (95 % {low:.4} to {high:.4})"));
    format!(
        "{:.4}{interval}, percentile {:.1}, tier {}",
        explanation.probability, explanation.percentile, explanation.tier
    )
}

fn say(explanation: &Explanation, model: &Model, terminal: &mut Terminal<'_>) -> Result<()> {
    let reached = if explanation.reaches_threshold { "at or above" } else { "below" };
    terminal.say(&format!(
        "probability {}, {reached} the threshold of {:.4}\n",
        summary(explanation),
        model.threshold
    ))?;
    let line = |name: &str, value: f64, words: &str| {
        vec![name.to_owned(), format!("{value:+.4}"), words.to_owned()]
    };
    let mut rows = vec![line("base", explanation.base, "the average training account")];
    let mut sizes = vec![0.0];
    for part in &explanation.contributions {
        let words = part.reason.rsplit_once(": ").map_or(part.reason.as_str(), |(words, _)| words);
        rows.push(line(&part.measure, part.contribution, words));
        sizes.push(part.contribution);
    }
    if let Some(steps) = explanation.calibration {
        rows.push(line("calibration", steps, "from the fit's log-odds to the calibrated ones"));
    }
    rows.push(line("log-odds", explanation.log_odds, "the sum"));
    sizes.resize(rows.len(), 0.0);
    let header = ["measure", "contribution", "because"];
    terminal.say(&text::with_bars(&header, rows, 1..2, &sizes, terminal.drawn))
}

fn say_changed(
    before: &Explanation,
    after: &Explanation,
    changes: &[String],
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    terminal.say(&format!("\nWhat if {}: probability {}", changes.join(", "), summary(after)))?;
    let mut rows = Vec::new();
    for part in &after.contributions {
        let was = before
            .contributions
            .iter()
            .find(|b| b.measure == part.measure)
            .map_or(0.0, |b| b.contribution);
        if part.contribution != was {
            rows.push(vec![
                part.measure.clone(),
                format!("{was:+.4}"),
                format!("{:+.4}", part.contribution),
            ]);
        }
    }
    rows.push(vec![
        "log-odds".to_owned(),
        format!("{:+.4}", before.log_odds),
        format!("{:+.4}", after.log_odds),
    ]);
    terminal.say(&text::table(&["measure", "as it is", "what if"], rows, 1..3))?;
    terminal
        .say("what accounts of such values did, all else equal: not the effect of changing them")
}

fn text_of(message: Option<&Message>) -> &str {
    message.map_or("", |message| &message.text)
}
