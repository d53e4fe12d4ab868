//! `pql export`

mod dbt;
mod json;
mod mlflow;
mod onnx;
mod sql;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Terminal;
use super::paths::{file_path, local_path};
use super::shared::ModelArgs;
use crate::error::{Error, Result};
use crate::export::{NOTEBOOK_FILE, NotebookInput, export_notebook};
use crate::model::card;
use crate::training::test_set::TestRows;

/// Export a model to another format
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dbt(dbt::Args),
    Json(json::Args),
    Mlflow(mlflow::Args),
    Notebook(NotebookArgs),
    Onnx(onnx::Args),
    Sql(sql::Args),
}

/// Export test rows, scores, coefficients, the model card and a Python notebook
///
/// The notebook draws the plots, recomputes the probabilities from the coefficients, and refits
/// the model with scikit-learn and statsmodels. It needs the stored test rows, which
/// `pql train --no-test-rows` does not write.
#[derive(Debug, clap::Args)]
struct NotebookArgs {
    /// Feature matrix of the training rows, from `pql features`, to reproduce the fit as well
    #[arg(long, value_name = "FILE", help_heading = "Input", value_parser = file_path())]
    features: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Output folder [default: notebooks-export/NAME-VERSION]
    #[arg(short, long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    output: Option<PathBuf>,
    /// Overwrite an earlier export, including its notebook
    #[arg(long, help_heading = "Output")]
    force: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    match &args.command {
        Command::Dbt(args) => dbt::run(args, terminal),
        Command::Json(args) => json::run(args, terminal),
        Command::Mlflow(args) => mlflow::run(args, terminal),
        Command::Notebook(args) => write_notebook(args, terminal),
        Command::Onnx(args) => onnx::run(args, terminal),
        Command::Sql(args) => sql::run(args, terminal),
    }
}

fn write_notebook(args: &NotebookArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, location) = args.model.load(terminal)?;
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| Path::new("notebooks-export").join(location.label.replace('/', "-")));
    let path = folder.join(NOTEBOOK_FILE);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(Error::Usage {
            problem: format!("refusing to overwrite `{}`: the file exists", path.display()),
            hint: Some("choose another folder with `-o`, or add `--force`".to_owned()),
        });
    }
    args.features.as_deref().map_or(Ok(()), |path| terminal.files.add_tables(path))?;
    let test = TestRows::require(&location.path, &model)?;
    let training = args
        .features
        .as_deref()
        .map(|file| model.read_matrix(file, model.config()?.matrix, &mut terminal.sink()))
        .transpose()?;
    // The stored card also has data quality and cohorts.
    let card = match card::read(&location.path, &model)? {
        Some((bytes, _)) => bytes,
        None => card::json(&model, Vec::new(), None)?,
    };
    export_notebook(
        &NotebookInput {
            model: &model,
            label: &location.label,
            test_set: &test,
            training: training.as_ref(),
            card: &card,
        },
        &folder,
        &terminal.files,
    )?;
    terminal.note(&format!("Wrote {}", folder.display()));
    terminal.note(&format!("Next: jupyter lab {}", path.display()));
    Ok(())
}
