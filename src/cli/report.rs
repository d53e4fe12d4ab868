//! `pql report`

use std::path::{Path, PathBuf};

use super::Terminal;
use super::shared::load_model;
use crate::card::Beside;
use crate::error::Result;
use crate::evidence::TestRows;
use crate::model::Model;
use crate::output::write_bytes;
use crate::report::Report;
use crate::store::CARD_FILE;

/// Draw a model on one self-contained HTML page
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(value_name = "MODEL")]
    model: String,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The page, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Number accounts instead of naming them
    #[arg(long)]
    mask: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = load_model(&args.model, &args.models)?;
    let beside = Beside::read(&found.path.with_file_name(CARD_FILE), &model)?;
    let rows = TestRows::find(&found.path, &model)?;
    if rows.is_none() && model.judgement.is_some() {
        terminal.note("warning: the test rows are not beside the model: what is drawn from them is missing");
    }
    let report = Report { model: &model, label: &found.label, beside: beside.as_ref(), rows: rows.as_ref(), extra: &[], mask: args.mask };
    write(&report, &args.output, terminal)
}

/// Write the page of a model.
pub(super) fn write(report: &Report<'_>, path: &Path, terminal: &mut Terminal<'_>) -> Result<()> {
    let page = report.html()?;
    write_bytes(path, page.as_bytes())?;
    if path != Path::new("-") {
        terminal.note(&format!("report of {}: {}", report.label, path.display()));
    }
    Ok(())
}

/// Write the page of a model that was trained just now.
pub(super) fn of_training(
    model: &Model,
    (label, path): (&str, &Path),
    (beside, rows): (&Beside, Option<&TestRows>),
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    write(&Report { model, label, beside: Some(beside), rows, extra: &[], mask: false }, path, terminal)
}
