//! `pql train`

use std::path::{Path, PathBuf};

use super::Terminal;
use super::funnel::by_month;
use super::shared::{ModelsArgs, ProjectArgs, definitions};
use crate::config::Config;
use crate::dataset::matrix;
use crate::dataset::rows::Rows;
use crate::error::Result;
use crate::io::write::check_writable;
use crate::model::Model;
use crate::model::card::Beside;
use crate::registry::store::{StoreOptions, store_model};
use crate::registry::versions;
use crate::report::{Report, text};
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;
use crate::training::{TrainOptions, Trained, train_on_log, train_on_rows};

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
    versions::check_name(&args.name)?;
    // The model is stored before its page is drawn.
    args.report.as_deref().map_or(Ok(()), check_writable)?;
    let config = args.project.load()?;
    let (trained, funnel) = train(args, &config, terminal)?;
    let options = StoreOptions { promote: args.promote, test_rows: !args.no_rows };
    let stored = store_model(&args.folder.models, &args.name, &trained, options)?;
    if let Some(path) = &args.report {
        draw(&trained, &stored.label, funnel.as_ref(), path, terminal)?;
    }
    say(&trained.model, terminal)?;
    let champion = if stored.is_champion { ", the champion" } else { "" };
    terminal.say(&format!("\nModel {}{champion}: {}", stored.label, stored.path.display()))
}

/// Trains on the log or the matrix, and follows the funnel where a page is to show it.
fn train(
    args: &Args,
    config: &Config,
    terminal: &mut Terminal<'_>,
) -> Result<(Trained, Option<Funnel>)> {
    let options = TrainOptions { strict: args.strict };
    if let Some(path) = &args.features {
        let matrix = matrix::read(path, &config.matrix, &config.design.categories)?;
        terminal.note(&format!(
            "{} rows, {} columns from {}",
            matrix.account.len(),
            matrix.features.width(),
            path.display()
        ));
        return Ok((
            train_on_rows(config, &Rows::of_matrix(matrix, config), options, &mut terminal.sink())?,
            None,
        ));
    }
    let log = args.project.training_log(config, terminal)?;
    definitions(&args.project, config, &log)?;
    let funnel = if args.report.is_some() { by_month(&args.project, config, &log)? } else { None };
    Ok((train_on_log(config, log, options, &mut terminal.sink())?, funnel))
}

/// Draws the page of the new model.
fn draw(
    trained: &Trained,
    label: &str,
    funnel: Option<&Funnel>,
    path: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let Trained { model, test_rows, cohorts, quality } = trained;
    let rows = (test_rows.height() > 0)
        .then(|| TestRows::of(test_rows.clone(), path, model))
        .transpose()?;
    let beside = Beside::of(model, cohorts.clone(), quality.clone());
    let report =
        Report { model, label, beside: Some(&beside), rows: rows.as_ref(), funnel, mask: false };
    super::report::write(&report, path, terminal)
}

/// Prints what was learned, and how good it is.
fn say(model: &Model, terminal: &mut Terminal<'_>) -> Result<()> {
    if let Some(defeat) = text::defeat(model) {
        terminal.say(&defeat)?;
    }
    terminal.say(&text::extent(&model.extent))?;
    if let Some(judgement) = text::held_out(model) {
        terminal.say(&judgement)?;
    }
    terminal.say(&format!("\n{}", text::fit(model)?))?;
    terminal.say(&format!("\nWhat weighs most\n{}", text::weights(model, WEIGHTS_SHOWN)))
}
