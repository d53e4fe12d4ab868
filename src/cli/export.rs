//! `pql export`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Terminal;
use super::shared::ModelArgs;
use crate::error::{Error, Result};
use crate::export::{NOTEBOOK_FILE, NotebookInput, export_notebook};
use crate::model::Model;
use crate::model::card;
use crate::registry::versions::CARD_FILE;
use crate::training::test_set::TestRows;

/// Export a model to another format
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Notebook(NotebookArgs),
}

/// Export test rows, scores, coefficients, the model card and a Python notebook
///
/// The notebook draws the plots, recomputes the probabilities from the coefficients, and refits
/// the model with scikit-learn and statsmodels. It needs the stored test rows, which
/// `pql train --no-test-rows` does not write.
#[derive(Debug, clap::Args)]
struct NotebookArgs {
    /// Feature matrix of the training rows, from `pql features`, to reproduce the fit as well
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    features: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Output folder [default: notebooks-export/NAME-VERSION]
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Overwrite an earlier export, including its notebook
    #[arg(long, help_heading = "Output")]
    force: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    match &args.command {
        Command::Notebook(args) => write_notebook(args, terminal),
    }
}

fn write_notebook(args: &NotebookArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, location) = args.model.load()?;
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
    let test = TestRows::require(&location.path, &model)?;
    let training = args
        .features
        .as_deref()
        .map(|file| model.read_matrix(file, model.config()?.matrix))
        .transpose()?;
    let card = card(&model, &location.path)?;
    export_notebook(
        &NotebookInput {
            model: &model,
            label: &location.label,
            test_set: &test,
            training: training.as_ref(),
            card: &card,
        },
        &folder,
    )?;
    terminal.note(&format!("Wrote {}\nNext: jupyter lab {}", folder.display(), path.display()));
    Ok(())
}

/// Returns the stored model card, which includes data quality and cohorts, or else a new one.
fn card(model: &Model, file: &Path) -> Result<Vec<u8>> {
    let path = file.with_file_name(CARD_FILE);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            card::json(model, Vec::new(), None)
        }
        read => read.map_err(|source| Error::Read { path, source }),
    }
}
