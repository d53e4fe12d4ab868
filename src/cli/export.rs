//! `pql export`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Terminal;
use super::shared::ModelArgs;
use crate::error::{Error, Result};
use crate::export::{NOTEBOOK, Notebook, notebook};
use crate::model::Model;
use crate::model::card;
use crate::registry::versions::CARD_FILE;
use crate::training::test_set::TestRows;

/// Write a model in another form
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    form: Form,
}

#[derive(Debug, Subcommand)]
enum Form {
    /// A folder with test rows, scores, coefficients, the model card, and a Python notebook that
    /// goes on from there
    ///
    /// The notebook redraws the plots, rebuilds the probabilities from the coefficients, and fits
    /// the model again with scikit-learn and statsmodels. It needs the test rows beside the
    /// model, which `pql train --no-rows` leaves out.
    Notebook(NotebookArgs),
}

#[derive(Debug, clap::Args)]
struct NotebookArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder to write [default: notebooks-export/NAME-VERSION]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Feature matrix with the training rows, as `pql features` writes it: the fit itself is
    /// checked, not its test rows alone
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Write over an earlier export, its notebook included
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    match &args.form {
        Form::Notebook(args) => write_notebook(args, terminal),
    }
}

fn write_notebook(args: &NotebookArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.model.load()?;
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| Path::new("notebooks-export").join(found.label.replace('/', "-")));
    let path = folder.join(NOTEBOOK);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(Error::Usage {
            problem: format!("`{}` is there already and is not overwritten", path.display()),
            hint: Some("name another folder with `-o`, or give `--force`".to_owned()),
        });
    }
    let test = TestRows::beside(&found.path, &model)?;
    let training = args
        .features
        .as_deref()
        .map(|file| model.read_matrix(file, model.config()?.matrix))
        .transpose()?;
    let card = card(&model, &found.path)?;
    notebook(
        &Notebook {
            model: &model,
            label: &found.label,
            test: &test,
            training: training.as_ref(),
            card: &card,
        },
        &folder,
    )?;
    terminal.note(&format!("wrote `{}`; next: `jupyter lab {}`", folder.display(), path.display()));
    Ok(())
}

/// The card beside the model, which knows data quality and cohorts, else one of the model alone.
fn card(model: &Model, file: &Path) -> Result<Vec<u8>> {
    let path = file.with_file_name(CARD_FILE);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            card::json(model, Vec::new(), None)
        }
        read => read.map_err(|source| Error::Read { path, source }),
    }
}
