//! `pql report`

use std::path::{Path, PathBuf};

use super::Terminal;
use super::funnel::by_month;
use super::shared::{ModelArgs, ProjectArgs};
use crate::error::Result;
use crate::io::write::write_bytes;
use crate::model::card::Beside;
use crate::registry::versions::CARD_FILE;
use crate::report::Report;
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// Draw a model on one self-contained HTML page
///
/// With `-c FILE` the log of that project file is read, and the page shows what its PQL definitions
/// find.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// The page, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Number accounts instead of naming them
    #[arg(long)]
    mask: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.model.load()?;
    let beside = Beside::read(&found.path.with_file_name(CARD_FILE), &model)?;
    let rows = TestRows::find(&found.path, &model)?;
    if rows.is_none() && model.judgement.is_some() {
        terminal.warn(&Warning::NoStoredTestRows);
    }
    let funnel =
        if args.project.config.is_some() { of_project(&args.project, terminal)? } else { None };
    let report = Report {
        model: &model,
        label: &found.label,
        beside: beside.as_ref(),
        rows: rows.as_ref(),
        funnel: funnel.as_ref(),
        mask: args.mask,
    };
    write(&report, &args.output, terminal)
}

/// What the definitions of a project file find in its log.
fn of_project(project: &ProjectArgs, terminal: &mut Terminal<'_>) -> Result<Option<Funnel>> {
    let config = project.load()?;
    if config.definition.is_empty() {
        terminal.warn(&Warning::NoDefinitions);
        return Ok(None);
    }
    let log = project.training_log(&config, terminal)?;
    by_month(project, &config, &log)
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
