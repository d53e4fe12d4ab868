//! `pql monitor`

use std::path::{Path, PathBuf};

use polars::prelude::{IntoColumn, StringChunked};

use super::Terminal;
use super::features::matrix_only;
use super::score::doubts;
use super::shared::{ModelArgs, ProjectArgs, check_page, matrix_rows, matrix_rule, with_model};
use super::tables;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::features::compute;
use crate::ingest::Log;
use crate::ledger::Ledger;
use crate::matrix;
use crate::model::Model;
use crate::monitor::{EventNames, Monitoring, Outcomes, Realised, Watch};
use crate::observe::{observe_newest, scored_at};
use crate::output::write_bytes;
use crate::report::Watched;
use crate::score::Scorer;
use crate::store::name_of;
use crate::time::{Instant, iso};

/// Hold a batch against the training rows: drift, event names, scores, and what became of accounts scored before
///
/// Ends with exit code 5 where something is to be seen to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Look at a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    features: Option<PathBuf>,
    /// The matrix has outcomes: set the probabilities against them
    #[arg(long, requires = "features")]
    outcomes: bool,
    /// Look at the accounts as they stood at this time, a date being its midnight, UTC [default: the end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Instant>,
    /// Folder that `pql score --ledger` kept scores in: those whose horizon is over are set against the outcomes in the log
    #[arg(long, value_name = "DIR", conflicts_with = "features")]
    ledger: Option<PathBuf>,
    /// Let a feature raise no alarm, such as `tenure_days` of a product that grows older; may be repeated
    #[arg(long, value_name = "FEATURE")]
    ignore: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Draw it on one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    check_page(args.report.as_deref())?;
    let (model, found) = args.model.load()?;
    let scorer = Scorer::new(&model, &found.label)?;
    let watch = Watch::new(&model, &scorer, &found.label);
    let monitoring = match &args.features {
        Some(path) => of_matrix(args, path, watch, (&model, &scorer))?,
        None => of_log(args, watch, &model, terminal)?,
    };
    if args.json {
        terminal.say_json(&monitoring)?;
    } else {
        terminal.say(&tables::monitoring(&monitoring))?;
    }
    if let Some(path) = &args.report {
        draw(&monitoring, &model, path, terminal)?;
    }
    match monitoring.alarms.join("; ") {
        alarms if alarms.is_empty() => Ok(()),
        alarms => Err(Error::NotHeld { check: format!("nothing is to be seen to: {alarms}"), hint: None }),
    }
}

fn of_matrix(args: &Args, path: &Path, mut watch: Watch<'_>, (model, scorer): (&Model, &Scorer<'_>)) -> Result<Monitoring> {
    let file = args.project.load()?.matrix;
    let rule = matrix_rule(file.clone(), model)?;
    let mut newest: Option<i64> = None;
    matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
        newest = newest.max(batch.cutoff.iter().flatten().max().copied());
        watch.take(&batch.features, &batch.account)
    })?;
    let mut outcomes = None;
    if args.outcomes {
        let rows = matrix_rows(path, file, model)?;
        let all = scorer.probabilities(&rows.features)?;
        // Of a row with a value that is not finite there is no probability that could be judged; it is counted with the batch.
        let judged = |row: &u32| rows.y[*row as usize].is_some() && all[*row as usize].is_finite();
        let known: Vec<u32> = (0..).take(all.len()).filter(judged).collect();
        let account = rows.accounts(&known).iter().map(|account| rows.names[*account as usize].to_owned()).collect();
        let probability = known.iter().map(|row| all[*row as usize]).collect();
        outcomes = Outcomes::of_rows(account, rows.outcomes(&known), probability, &args.model.name).judge()?;
    }
    Ok(watch.finish(newest.map(iso), &args.ignore)?.with_outcomes(outcomes))
}

fn of_log(args: &Args, mut watch: Watch<'_>, model: &Model, terminal: &mut Terminal<'_>) -> Result<Monitoring> {
    let catalogue = model.catalogue.as_ref().ok_or_else(|| matrix_only(&args.model.name))?;
    let config = with_model(&args.project.load()?, model, terminal)?;
    let until = args.at.or(config.observation.until).map(|t| t.0);
    let log = args.project.log(&config, until, &model.preprocessor.kinds(), terminal)?;
    for doubt in doubts(&log, catalogue) {
        terminal.note(&format!("warning: {doubt}"));
    }
    let observations = observe_newest(&log, &config.observation);
    let account: StringChunked = observations.account.iter().map(|account| Some(&log.accounts.id[*account as usize])).collect();
    watch.take(&compute(catalogue, &log, &observations, &terminal.progress)?, &account.into_column())?;
    let events = EventNames::of(catalogue, &log, &observations)?;
    let monitoring = watch.finish(Some(iso(scored_at(&log))), &args.ignore)?.with_events(events);
    let outcomes = realised(args, (&log, &config), &monitoring.model, terminal)?;
    if outcomes.is_none() {
        terminal.note(match args.ledger {
            None => "without `--ledger` nothing is known of what became of accounts scored before",
            Some(_) => "no horizon of the scores in the ledger is over",
        });
    }
    Ok(monitoring.with_outcomes(outcomes))
}

/// What became of the accounts that versions of the model scored; those that predicted something else are left out.
fn realised(args: &Args, (log, config): (&Log, &Config), label: &str, terminal: &mut Terminal<'_>) -> Result<Option<Realised>> {
    let Some(dir) = &args.ledger else { return Ok(None) };
    let mut runs = Ledger::open(dir)?.runs(Some(name_of(label)))?;
    // Later runs are not known at this time.
    runs.retain(|run| run.at <= log.until);
    let mut labels: Vec<String> = runs.iter().map(|run| run.label.clone()).filter(|of| of != label).collect();
    labels.sort_unstable();
    labels.dedup();
    for other in labels {
        let spans = |config: &Config| (config.observation.at, config.observation.age, config.observation.gap, config.observation.horizon);
        let same = args.model.folder.load(&other).and_then(|(model, _)| Ok(spans(&model.config()?) == spans(config)));
        if same.as_ref().is_ok_and(|same| *same) {
            continue;
        }
        let why = same.map_or_else(|error| error.to_string(), |_| "it observed at another age, gap or horizon".to_owned());
        terminal.note(&format!("warning: the scores of {other} are left out: {why}"));
        runs.retain(|run| run.label != other);
    }
    Outcomes::of_runs(&runs, log, &config.observation)?.judge()
}

fn draw(monitoring: &Monitoring, model: &Model, path: &Path, terminal: &mut Terminal<'_>) -> Result<()> {
    write_bytes(path, Watched { monitoring, model }.html()?.as_bytes())?;
    terminal.note(&format!("report of the batch: {}", path.display()));
    Ok(())
}
