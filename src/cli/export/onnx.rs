//! `pql export onnx`

use std::path::{Path, PathBuf};

use crate::cli::Terminal;
use crate::cli::paths::file_path;
use crate::cli::shared::ModelArgs;
use crate::error::Result;
use crate::export::onnx::{self, CategoryInput};
use crate::io::write::write_bytes;

/// Export a model as ONNX: from raw features to probability, interval and reasons
///
/// Each feature is an input with one value per row: a double (NaN is missing) or a text (empty is
/// missing). docs/reference/exports.md lists the outputs.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Output file (`-`: standard output) [default: NAME-VERSION.onnx]
    #[arg(short, long, value_name = "FILE", help_heading = "Output", value_parser = file_path())]
    output: Option<PathBuf>,
    /// Take categories as indices of their levels in the metadata, for runtimes without texts
    #[arg(long, help_heading = "Output")]
    category_codes: bool,
}

pub(in crate::cli) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, location) = args.model.load(terminal)?;
    let default = || format!("{}.onnx", location.label.replace('/', "-")).into();
    let output = terminal.files.output(&args.output.clone().unwrap_or_else(default))?;
    let category_input =
        if args.category_codes { CategoryInput::Code } else { CategoryInput::Text };
    write_bytes(&output, &onnx::onnx(&model, &location.label, category_input)?)?;
    if output.path() != Path::new("-") {
        terminal.note(&format!("Wrote {}", output.path().display()));
    }
    Ok(())
}
