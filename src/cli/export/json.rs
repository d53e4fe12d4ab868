//! `pql export json`

use std::path::{Path, PathBuf};

use crate::cli::Terminal;
use crate::cli::paths::file_path;
use crate::cli::shared::{ModelArgs, writable};
use crate::error::Result;
use crate::export::json;
use crate::io::write::write_bytes;

/// Export a model as JSON, from which a short program computes scores
///
/// The file has the encoding of each feature, coefficients, covariance, calibration, quantiles and
/// families. A JSON Schema and a scorer in Python are in docs/reference/export-json.md.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Output file (`-`: standard output)
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output", value_parser = file_path())]
    output: PathBuf,
}

pub(in crate::cli) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = writable(&args.output, &terminal.files)?;
    let (model, location) = args.model.load(terminal)?;
    write_bytes(&output, json::json(&model, &location.label)?.as_bytes())?;
    if output.path() != Path::new("-") {
        terminal.note(&format!("Wrote {}", output.path().display()));
    }
    Ok(())
}
