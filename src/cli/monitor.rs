//! `pql monitor`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Terminal;
use super::shared::{ModelArgs, ProjectArgs, check_page};
use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::model::Model;
use crate::operations::monitor::{
    EarlierScores, Monitored, Monitoring, monitor_log, monitor_matrix,
};
use crate::report::{MonitorPage, text};
use crate::time::Timestamp;
use crate::warning::Message;

/// Hold a batch against the training rows: drift, event names, scores, and what became of accounts
/// scored before
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
    /// Look at the accounts as they stood at this time, a date being its midnight, UTC [default:
    /// the end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Folder that `pql score --ledger` kept scores in: those whose horizon is over are set
    /// against the outcomes in the log
    #[arg(long, value_name = "DIR", conflicts_with = "features")]
    ledger: Option<PathBuf>,
    /// Let a feature raise no alarm, such as `tenure_days` of a product that grows older; may be
    /// repeated
    #[arg(long, value_name = "FEATURE")]
    ignore: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Draw it on one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    monitoring: &'a Monitoring,
    warnings: &'a [Message],
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    check_page(args.report.as_deref())?;
    let (model, found) = args.model.load()?;
    let of = Monitored { model: &model, label: &found.label, ignore: &args.ignore };
    let monitoring = match &args.features {
        Some(path) => monitor_matrix(of, path, &args.project.load()?.matrix, args.outcomes)?,
        None => from_log(args, of, terminal)?,
    };
    if args.json {
        let warnings = std::mem::take(&mut terminal.warnings);
        terminal.say_json(&Answer { monitoring: &monitoring, warnings: &warnings })?;
    } else {
        terminal.say(&text::monitoring(&monitoring))?;
    }
    if let Some(path) = &args.report {
        draw(&monitoring, &model, path, terminal)?;
    }
    let alarms: Vec<String> = monitoring.alarms.iter().map(ToString::to_string).collect();
    match alarms.join("; ") {
        alarms if alarms.is_empty() => Ok(()),
        alarms => Err(Error::CheckFailed {
            check: format!("nothing is to be seen to: {alarms}"),
            hint: None,
        }),
    }
}

fn from_log(args: &Args, of: Monitored<'_>, terminal: &mut Terminal<'_>) -> Result<Monitoring> {
    of.model.usage_features(of.label)?;
    let config = of.model.project_config(&args.project.load()?, &mut terminal.sink())?;
    let log = args.project.model_log(&config, of.model, args.at, terminal)?;
    let given = args
        .ledger
        .as_deref()
        .map(|ledger| EarlierScores { ledger, models: &args.model.folder.models });
    let monitoring = monitor_log(of, &config, &log, given, &mut terminal.sink())?;
    if monitoring.realised.is_none() {
        terminal.note(match args.ledger {
            None => "without `--ledger` nothing is known of what became of accounts scored before",
            Some(_) => "no horizon of the scores in the ledger is over",
        });
    }
    Ok(monitoring)
}

fn draw(
    monitoring: &Monitoring,
    model: &Model,
    path: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    write_bytes(path, MonitorPage { monitoring, model }.html()?.as_bytes())?;
    terminal.note(&format!("report of the batch: {}", path.display()));
    Ok(())
}
