//! `pql report`

use std::path::{Path, PathBuf};

use super::Terminal;
use super::funnel::by_month;
use super::paths::file_path;
use super::shared::{ModelArgs, ProjectArgs, writable};
use crate::error::Result;
use crate::io::write::{OutputFile, write_bytes};
use crate::model::card::CardContext;
use crate::report::ModelPage;
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// Generate an HTML report about a model
///
/// One page without external files. With `-c FILE` it also shows the funnel of the PQL definitions
/// in the log of that project.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Output file (`-`: standard output)
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "report.html",
        help_heading = "Output", value_parser = file_path())]
    output: PathBuf,
    /// Replace account names by numbers
    #[arg(long, help_heading = "Output")]
    mask: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = writable(&args.output, &terminal.files)?;
    let (model, location) = args.model.load(terminal)?;
    terminal.warn_of_verdict(&model, &location.label);
    let card = CardContext::read(&location.path, &model)?;
    let rows = TestRows::load(&location.path, &model)?;
    if rows.is_none() && model.evaluation.is_some() {
        terminal.warn(&Warning::NoStoredTestRows);
    }
    let funnel =
        if args.project.path().is_some() { funnel_of_log(&args.project, terminal)? } else { None };
    let report = ModelPage {
        model: &model,
        label: &location.label,
        card: card.as_ref(),
        rows: rows.as_ref(),
        funnel: funnel.as_ref(),
        mask: args.mask,
    };
    write(&report, &output, terminal)
}

/// Computes the funnel of the definitions of a project file in its log.
fn funnel_of_log(project: &ProjectArgs, terminal: &mut Terminal<'_>) -> Result<Option<Funnel>> {
    let config = project.load(&terminal.files)?;
    if config.definition.is_empty() {
        terminal.warn(&Warning::NoDefinitions);
        return Ok(None);
    }
    let log = project.training_log(&config, terminal)?;
    by_month(project, &config, &log, &mut terminal.sink())
}

/// Writes the page of a model.
pub(super) fn write(
    report: &ModelPage<'_>,
    file: &OutputFile,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let page = report.html()?;
    write_bytes(file, page.as_bytes())?;
    if file.path() != Path::new("-") {
        terminal.note(&format!("Wrote {}", file.path().display()));
    }
    Ok(())
}
