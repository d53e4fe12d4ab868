//! `pql explain`

use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde::Serialize;

use super::Terminal;
use super::features::matrix_only;
use super::shared::{ModelsArgs, ProjectArgs, matrix_rule, with_model};
use super::since::{self, Recorded, Since};
use super::tables;
use crate::design::Way;
use crate::error::{Error, Result, nearest};
use crate::features::compute;
use crate::matrix;
use crate::model::Model;
use crate::observe::{Observations, Standing, observe_at, scored_at};
use crate::score::{Explanation, Scorer};
use crate::time::{Instant, iso};

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
    /// Explain the account as it stood at this time, a date being its midnight, UTC [default: the end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Instant>,
    /// What if a feature had another value, such as `active_users_7d=5`, nothing after `=` being missing; may be repeated
    #[arg(long, value_name = "FEATURE=VALUE")]
    what_if: Vec<String>,
    /// Say why the probability has moved since the account stood as at this time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["features", "what_if"])]
    since: Option<Instant>,
    /// Folder of scores: what was recorded at that time stands beside what is computed
    #[arg(long, value_name = "DIR", requires = "since")]
    ledger: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The row of features to be explained.
struct Row {
    features: DataFrame,
    cutoff: Option<i64>,
    standing: Standing,
    /// The time that scoring looks back from, µs UTC; `None` for a row of a matrix.
    at: Option<i64>,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    account_id: &'a str,
    cutoff: Option<String>,
    model: &'a str,
    threshold: f64,
    /// Why there is no probability.
    not_scored: Option<&'static str>,
    explanation: Option<&'a Explanation>,
    what_if: Option<&'a Explanation>,
    since: Option<&'a Since>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.folder.load(&args.model)?;
    let changes = args.what_if.iter().map(|change| changed(&model, change)).collect::<Result<Vec<_>>>()?;
    let asked = Asked { args, model: &model, label: &found.label };
    let row = match &args.features {
        Some(path) => asked.matrix_row(path)?,
        None => asked.log_row(args.at, terminal)?,
    };
    let scorer = Scorer::new(&model, &found.label)?;
    let since = args.since.map(|since| asked.since(since, &row, &scorer, terminal)).transpose()?;
    let not_scored = row.standing.reason();
    let (mut explanation, mut what_if) = (None, None);
    if not_scored.is_none() {
        explanation = Some(scorer.explain(&row.features, 0)?);
        if !changes.is_empty() {
            let mut features = row.features.clone();
            for column in &changes {
                let unsuitable = |e: PolarsError| Error::Unsuitable { problem: e.to_string(), hint: None };
                features.with_column(column.clone()).map_err(unsuitable)?;
            }
            what_if = Some(scorer.explain(&features, 0)?);
        }
    }
    let answer = Answer {
        account_id: &args.account,
        cutoff: row.cutoff.map(iso),
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
            return terminal.say(&format!("{}{at}: {}", args.account, answer.not_scored.unwrap_or_default()));
        };
        let then = answer.since.and_then(|since| since.cutoff.as_ref());
        if let (Some(since), Some(then)) = (answer.since, then) {
            if since.moved.is_some() {
                terminal.say(&format!("{}{at}, since {then}, model {label}", args.account))?;
                return since::say(explanation, since, terminal);
            }
            terminal.say(&format!("{} at {then}: {}", args.account, since.not_scored.unwrap_or_default()))?;
        }
        terminal.say(&format!("{}{at}, model {label}", args.account))?;
        say(explanation, model, terminal)?;
        match answer.what_if {
            Some(changed) => say_changed(explanation, changed, &args.what_if, terminal),
            None => Ok(()),
        }
    }

    /// Set the account against what it was at an earlier time.
    fn since(&self, since: Instant, row: &Row, scorer: &Scorer<'_>, terminal: &mut Terminal<'_>) -> Result<Since> {
        // What the log is like has been said.
        let quiet = std::mem::replace(&mut terminal.quiet, true);
        let then = self.log_row(Some(since), terminal);
        terminal.quiet = quiet;
        let then = then?;
        if let (Some(then), Some(now)) = (then.at, row.at)
            && then >= now
        {
            let problem = format!("`--since` is {}, which is not before {}", iso(then), iso(now));
            return Err(Error::Usage { problem, hint: None });
        }
        if then.cutoff == row.cutoff && row.standing == Standing::Scored {
            terminal.note("the account is observed once, at its age: both times its features are the same");
        }
        let recorded = match (&self.args.ledger, then.at) {
            (Some(dir), Some(at)) => Recorded::find(dir, self.label, (&self.args.account, at), terminal)?,
            _ => None,
        };
        let both = then.standing == Standing::Scored && row.standing == Standing::Scored;
        Ok(Since {
            cutoff: then.cutoff.map(iso),
            not_scored: then.standing.reason(),
            moved: if both { Some(scorer.moved(&then.features, &row.features)?) } else { None },
            recorded,
        })
    }

    /// The account's newest row of a matrix.
    fn matrix_row(&self, path: &Path) -> Result<Row> {
        let Self { args, model, .. } = self;
        let rule = matrix_rule(args.project.load()?.matrix, model)?;
        let mut newest: Option<(Option<i64>, DataFrame)> = None;
        matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
            let accounts = batch.account.str().map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
            for (at, account) in accounts.iter().enumerate() {
                if account == Some(args.account.as_str()) && newest.as_ref().is_none_or(|(cutoff, _)| *cutoff <= batch.cutoff[at]) {
                    let index = i64::try_from(at).unwrap_or(i64::MAX);
                    newest = Some((batch.cutoff[at], batch.features.slice(index, 1)));
                }
            }
            Ok(())
        })?;
        let (cutoff, features) = newest.ok_or_else(|| Error::Usage {
            problem: format!("`{}` has no row of the account `{}`", path.display(), args.account),
            hint: None,
        })?;
        Ok(Row { features, cutoff, standing: Standing::Scored, at: None })
    }

    /// The account as it stands at a time, or at the end of the log.
    fn log_row(&self, at: Option<Instant>, terminal: &mut Terminal<'_>) -> Result<Row> {
        let Self { args, model, label } = self;
        let catalogue = model.catalogue.as_ref().ok_or_else(|| matrix_only(label))?;
        let config = with_model(&args.project.load()?, model, terminal)?;
        let until = at.or(config.observation.until).map(|t| t.0);
        let log = args.project.log(&config, until, &model.preprocessor.kinds(), terminal)?;
        let names = &log.accounts.id;
        let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
        let code = names.code(&args.account).ok_or_else(|| {
            let near = nearest(&args.account, names.iter()).map(|n| format!("did you mean `{n}`?"));
            usage(format!("there is no account `{}` before {}", args.account, iso(log.until)), near)
        })?;
        let (all, standings) = observe_at(&log, &config.observation);
        let at = all.account.iter().position(|account| *account as usize == code).ok_or_else(|| {
            let why = "it converted or churned before, or signed up on that day";
            usage(format!("`{}` is not scored at {}: {why}", args.account, iso(log.until)), None)
        })?;
        let one = Observations {
            account: vec![all.account[at]],
            cutoff: vec![all.cutoff[at]],
            outcome: vec![all.outcome[at]],
            split: vec![all.split[at]],
            ..Observations::default()
        };
        let features = compute(catalogue, &log, &one, &terminal.progress)?;
        Ok(Row { features, cutoff: Some(all.cutoff[at]), standing: standings[at], at: Some(scored_at(&log)) })
    }
}

/// The column that a `--what-if` puts in place of the account's own.
fn changed(model: &Model, change: &str) -> Result<Column> {
    let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
    let (name, value) =
        change.split_once('=').ok_or_else(|| usage(format!("`--what-if {change}` has no `=`"), Some("write FEATURE=VALUE".to_owned())))?;
    let features = &model.preprocessor.features;
    let Some(prepared) = features.iter().find(|p| p.feature == name) else {
        let left_out = model.left_out.iter().find(|left_out| left_out.column == name).map(|left_out| format!("it {}", left_out.reason));
        let near = || nearest(name, features.iter().map(|p| p.feature.as_str())).map(|n| format!("did you mean `{n}`?"));
        return Err(usage(format!("`{name}` is no feature of the model"), left_out.or_else(near)));
    };
    let value = Some(value.trim()).filter(|v| !v.is_empty());
    match prepared.way {
        Way::Text(_) => Ok(Column::new(name.into(), [value])),
        Way::Number(_) => {
            let number = value.map(|v| v.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or(v)).transpose();
            let number = number.map_err(|found| usage(format!("`--what-if {name}`: found `{found}`, expected a number"), None))?;
            Ok(Column::new(name.into(), [number]))
        }
    }
}

fn summary(explanation: &Explanation) -> String {
    let interval = explanation.probability_low.zip(explanation.probability_high);
    let interval = interval.map_or(String::new(), |(low, high)| format!(" (95 % {low:.4} to {high:.4})"));
    format!("{:.4}{interval}, percentile {:.1}, tier {}", explanation.probability, explanation.percentile, explanation.tier)
}

fn say(explanation: &Explanation, model: &Model, terminal: &mut Terminal<'_>) -> Result<()> {
    let reached = if explanation.reaches_threshold { "at or above" } else { "below" };
    terminal.say(&format!("probability {}, {reached} the threshold of {:.4}\n", summary(explanation), model.threshold))?;
    let line = |name: &str, value: f64, words: &str| vec![name.to_owned(), format!("{value:+.4}"), words.to_owned()];
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
    terminal.say(&tables::with_bars(&header, rows, 1..2, &sizes, terminal.drawn))
}

fn say_changed(before: &Explanation, after: &Explanation, changes: &[String], terminal: &mut Terminal<'_>) -> Result<()> {
    terminal.say(&format!("\nWhat if {}: probability {}", changes.join(", "), summary(after)))?;
    let mut rows = Vec::new();
    for part in &after.contributions {
        let was = before.contributions.iter().find(|b| b.measure == part.measure).map_or(0.0, |b| b.contribution);
        if part.contribution != was {
            rows.push(vec![part.measure.clone(), format!("{was:+.4}"), format!("{:+.4}", part.contribution)]);
        }
    }
    rows.push(vec!["log-odds".to_owned(), format!("{:+.4}", before.log_odds), format!("{:+.4}", after.log_odds)]);
    terminal.say(&tables::table(&["measure", "as it is", "what if"], rows, 1..3))?;
    terminal.say("what accounts of such values did, all else equal: not the effect of changing them")
}
