//! `pql train`

use std::path::PathBuf;

use super::Terminal;
use super::funnel::by_month;
use super::shared::{ModelsArgs, ProjectArgs, Purpose, definitions, observed_rows};
use super::tables;
use crate::card::{self, Beside};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::evidence::{ROWS_FILE, TestRows};
use crate::finding::Finding;
use crate::funnel::Funnel;
use crate::ingest::Quality;
use crate::matrix;
use crate::model::Model;
use crate::output::{Format, check_writable, write_bytes, write_table};
use crate::report::Report;
use crate::rows::Rows;
use crate::store::{self, CARD_FILE, MODEL_FILE};
use crate::train::{Trained, prepare, train};

/// Train a model: data quality, evaluation on the newest cohorts, weights
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Name of the model
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Train on a feature matrix instead of events
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Make the new version the champion
    #[arg(long)]
    promote: bool,
    /// Store no model, and exit with 5, when the leakage audit names anything
    #[arg(long)]
    strict: bool,
    /// Do not store the test rows beside the model
    #[arg(long)]
    no_rows: bool,
    /// Draw the model on a self-contained HTML page, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Measures shown after training.
const WEIGHTS_SHOWN: usize = 10;

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    store::check_name(&args.name)?;
    // The model is stored before its page is drawn.
    args.report.as_deref().map_or(Ok(()), check_writable)?;
    let config = args.project.load()?;
    let (rows, quality, funnel) = rows(args, &config, terminal)?;
    let cohorts = card::cohorts(&rows);
    let setup = prepare(&config, &rows)?;
    for line in tables::left_out(&setup.left_out) {
        terminal.note(&line);
    }
    let audited = setup.findings.len();
    report(args, &setup.findings, terminal)?;
    let Trained { model, test_rows } = train(&config, &rows, setup, &terminal.progress)?;
    report(args, &model.findings[audited..], terminal)?;
    let card = card::json(&model, cohorts.clone(), quality.as_ref())?;
    let bytes = model.to_bytes()?;
    let write = |folder: &std::path::Path| {
        write_bytes(&folder.join(MODEL_FILE), &bytes)?;
        write_bytes(&folder.join(CARD_FILE), &card)?;
        if !args.no_rows && test_rows.height() > 0 {
            write_table(&folder.join(ROWS_FILE), Format::Parquet, &test_rows)?;
        }
        Ok(())
    };
    let (stored, is_champion) = store::add(&args.folder.models, &args.name, write, args.promote)?;
    if let Some(path) = &args.report {
        let test_rows = (test_rows.height() > 0).then(|| TestRows::of(test_rows, path, &model)).transpose()?;
        let beside = Beside::of(&model, cohorts, quality);
        let report = Report {
            model: &model,
            label: &stored.label,
            beside: Some(&beside),
            rows: test_rows.as_ref(),
            funnel: funnel.as_ref(),
            mask: false,
        };
        super::report::write(&report, path, terminal)?;
    }
    for warning in model.warnings.iter().filter(|w| !rows.warnings.contains(w)) {
        terminal.note(&format!("warning: {warning}"));
    }
    say(&model, terminal)?;
    let champion = if is_champion { ", the champion" } else { "" };
    terminal.say(&format!("\nModel {}{champion}: {}", stored.label, stored.path.display()))
}

/// Say what was learned, and how good it is.
fn say(model: &Model, terminal: &mut Terminal<'_>) -> Result<()> {
    if let Some(defeat) = tables::defeat(model) {
        terminal.say(&defeat)?;
    }
    terminal.say(&tables::extent(&model.extent))?;
    if let Some(judgement) = tables::held_out(model) {
        terminal.say(&judgement)?;
    }
    terminal.say(&format!("\n{}", tables::fit(model)?))?;
    terminal.say(&format!("\nWhat weighs most\n{}", tables::weights(model, WEIGHTS_SHOWN)))
}

/// Say what the leakage audit names; with `--strict` it ends the command.
fn report(args: &Args, findings: &[Finding], terminal: &mut Terminal<'_>) -> Result<()> {
    if args.strict && !findings.is_empty() {
        return Err(Error::Leak { findings: findings.iter().map(ToString::to_string).collect() });
    }
    for finding in findings {
        terminal.note(&tables::leak(finding));
    }
    Ok(())
}

/// The rows, and of a log its data quality, and the funnel where a page is to show it.
fn rows(args: &Args, config: &Config, terminal: &mut Terminal<'_>) -> Result<(Rows, Option<Quality>, Option<Funnel>)> {
    if let Some(path) = &args.features {
        let matrix = matrix::read(path, &config.matrix, &config.design.categories)?;
        terminal.note(&format!("{} rows, {} columns from {}", matrix.account.len(), matrix.features.width(), path.display()));
        Ok((Rows::of_matrix(matrix, config), None, None))
    } else {
        let log = args.project.training_log(config, terminal)?;
        let quality = log.quality.clone();
        definitions(&args.project, config, &log)?;
        let funnel = if args.report.is_some() { by_month(&args.project, config, &log)? } else { None };
        Ok((observed_rows(config, log, Purpose::Training, terminal)?, Some(quality), funnel))
    }
}
