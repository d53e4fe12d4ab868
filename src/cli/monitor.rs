//! `pql monitor`

use std::path::PathBuf;

use serde::Serialize;

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::paths::local_path;
use super::shared::{BatchArgs, ModelArgs, PageArgs, ProjectArgs};
use crate::error::{Error, Result};
use crate::io::write::{OutputFile, write_bytes};
use crate::model::Model;
use crate::operations::monitor::{
    EarlierScores, MonitorTarget, MonitoringReport, monitor_log, monitor_matrix,
};
use crate::report::format::counted;
use crate::report::{MonitorPage, text};
use crate::warning::Message;

/// Check whether a model still fits today's accounts
///
/// Compares features and scores with the training data, looks for missing and renamed events, and
/// compares earlier scores with what happened since. Alarms come first; any alarm sets exit code 5.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    batch: BatchArgs,
    /// Compare the probabilities with the outcomes in the feature matrix
    #[arg(long, requires = "features", help_heading = "Input")]
    outcomes: bool,
    /// Folder of scores from `pql score --ledger`, to compare with outcomes in the log
    #[arg(long, value_name = "DIR", conflicts_with = "features", help_heading = "Input", value_parser = local_path())]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Ignore this feature when raising alarms; repeatable
    #[arg(long, value_name = "FEATURE", help_heading = "Model")]
    ignore: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    page: PageArgs,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json];

/// The JSON output.
#[derive(Serialize)]
struct MonitorOutput<'a> {
    #[serde(flatten)]
    monitoring: &'a MonitoringReport,
    warnings: &'a [Message],
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let page = args.page.file_beside_result(&terminal.files)?;
    args.ledger.as_deref().map_or(Ok(()), |ledger| terminal.files.add_ledger(ledger))?;
    let (model, location) = args.model.load(terminal)?;
    let target = MonitorTarget { model: &model, label: &location.label, ignore: &args.ignore };
    let monitoring = match args.batch.path(&terminal.files)? {
        Some(path) => {
            let matrix = (path, &args.project.load(&terminal.files)?.matrix);
            monitor_matrix(target, matrix, args.outcomes, &mut terminal.sink())?
        }
        None => from_log(args, target, terminal)?,
    };
    if output.format == OutputFormat::Json {
        let warnings = std::mem::take(&mut terminal.warnings);
        let result = MonitorOutput { monitoring: &monitoring, warnings: &warnings };
        output.write_json(&result, terminal)?;
    } else {
        output.write(&text::monitoring(&monitoring, terminal.verbose), terminal)?;
    }
    if let Some(file) = &page {
        write_page(&monitoring, &model, file, terminal)?;
    }
    match monitoring.alarms.len() {
        0 => Ok(()),
        alarms => Err(Error::CheckFailed { check: counted(alarms as u64, "alarm"), hint: None }),
    }
}

/// Monitors the accounts of the log.
fn from_log(
    args: &Args,
    target: MonitorTarget<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<MonitoringReport> {
    target.model.usage_features(target.label)?;
    let config =
        target.model.project_config(&args.project.load(&terminal.files)?, &mut terminal.sink())?;
    let log = args.project.model_log(&config, target.model, args.batch.at, terminal)?;
    let earlier = args
        .ledger
        .as_deref()
        .map(|ledger| EarlierScores { ledger, models: &args.model.folder.models });
    let monitoring = monitor_log(target, &config, &log, earlier, &mut terminal.sink())?;
    if monitoring.realized.is_none() {
        terminal.note(match args.ledger {
            None => "Earlier scores are not checked: add `--ledger DIR`",
            Some(_) => {
                "Earlier scores are not checked: no run in the ledger has a completed horizon"
            }
        });
    }
    Ok(monitoring)
}

/// Writes the HTML report.
fn write_page(
    monitoring: &MonitoringReport,
    model: &Model,
    file: &OutputFile,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    write_bytes(file, MonitorPage { monitoring, model }.html()?.as_bytes())?;
    terminal.note(&format!("Wrote {}", file.path().display()));
    Ok(())
}
