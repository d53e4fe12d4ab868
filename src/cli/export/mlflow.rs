//! `pql export mlflow`

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Terminal;
use crate::cli::paths::local_path;
use crate::cli::shared::ModelArgs;
use crate::error::{Error, Result};
use crate::export::mlflow;
use crate::io::write::{OutputFile, write_bytes};

/// Export a model as an MLflow model, which predicts from a DataFrame of features
///
/// The folder has MLmodel, the ONNX file of `pql export onnx`, a signature and an input example.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Output folder [default: mlflow-export/NAME-VERSION]
    #[arg(short, long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    output: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, location) = args.model.load(terminal)?;
    let default = || Path::new("mlflow-export").join(location.label.replace('/', "-"));
    let folder = args.output.clone().unwrap_or_else(default);
    let files = mlflow::mlflow(&model, &location.label)?;
    let output = |name: &str| terminal.files.output(&folder.join(name));
    let outputs: Vec<OutputFile> =
        files.iter().map(|(name, _)| output(name)).collect::<Result<_>>()?;
    for (output, (_, bytes)) in outputs.iter().zip(&files) {
        let parent = output.path().parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .map_err(|source| Error::Write { path: parent.to_owned(), source })?;
        write_bytes(output, bytes)?;
    }
    terminal.note(&format!("Wrote {}", folder.display()));
    Ok(())
}
