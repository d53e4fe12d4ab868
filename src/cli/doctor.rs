//! `pql doctor`

use serde::Serialize;

use super::Terminal;
use super::output::{CsvArgs, OutputArgs, OutputFormat, csv_text, limit_formats, markdown_text};
use super::shared::ProjectArgs;
use crate::error::{Error, Result};
use crate::log::ReadOptions;
use crate::names::counted;
use crate::report::format::wrapped_lines;
use crate::report::text;
use crate::time::{Timestamp, WrittenTime};
use crate::tools::doctor::{CheckStatus, ProjectCheck, examine};

/// Check the data of a project before training
///
/// Checks files, columns, times, dropped rows, matched accounts, users, the age of the newest events,
/// and the conversions and rows of a training. Fits no model. Any problem sets exit code 5.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Check the log as of this time (a date means 00:00) [default: the whole log]
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    at: Option<WrittenTime>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    csv: CsvArgs,
    /// Write JSON, like `--format json`
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
}

const FORMATS: &[OutputFormat] =
    &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv, OutputFormat::Md];

/// Width of the last column of the table, in characters.
const WIDTH: usize = 72;

/// The JSON output.
#[derive(Serialize)]
struct DoctorOutput<'a> {
    status: CheckStatus,
    checks: &'a [ProjectCheck],
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let formats: &[OutputFormat] = if args.json { &[OutputFormat::Json] } else { FORMATS };
    let output = args.output.resolve(formats, &terminal.files)?;
    let config = args.project.load(&terminal.files)?;
    if config.events.is_empty() {
        return Err(Error::NoEventSource { path: args.project.path().map(Into::into) });
    }
    let at = args.at.map(|at| Timestamp(at.in_zone(config.input.timezone)));
    let training = ReadOptions::for_training(&config);
    let options = args.project.read_options(&config, training);
    let options = ReadOptions { until: at.or(options.until), ..options };
    let reference = options.until.unwrap_or(options.now);
    let checks = examine(&config, &options, reference, &mut terminal.sink());
    let status = checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok);
    match output.format {
        OutputFormat::Json => {
            output.write_json(&DoctorOutput { status, checks: &checks }, terminal)?;
        }
        OutputFormat::Csv => output.write(&csv_text(rows(&checks), args.csv), terminal)?,
        OutputFormat::Md => output.write(&markdown_text(&rows(&checks)), terminal)?,
        _ => output.write(&table(&checks), terminal)?,
    }
    match checks.iter().filter(|check| check.status == CheckStatus::Problem).count() as u64 {
        0 => Ok(()),
        problems => Err(Error::CheckFailed {
            check: counted(problems, "problem"),
            hint: Some("fix the problems in the table, then run `pql doctor` again".to_owned()),
        }),
    }
}

/// Returns the checks as rows, the header first.
fn rows(checks: &[ProjectCheck]) -> Vec<Vec<String>> {
    let header = ["source", "check", "status", "found", "action"].map(str::to_owned).to_vec();
    let row = |check: &ProjectCheck| {
        let action = check.action.clone().unwrap_or_default();
        let status = check.status.name().to_owned();
        vec![check.source.clone(), check.check.to_owned(), status, check.found.clone(), action]
    };
    std::iter::once(header).chain(checks.iter().map(row)).collect()
}

/// Formats the checks as a table; an arrow marks what to do.
fn table(checks: &[ProjectCheck]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let mut cells = [&check.source, check.check, check.status.name()].map(str::to_owned);
        let action = check.action.iter().map(|action| format!("→ {action}"));
        let texts = std::iter::once(check.found.clone()).chain(action);
        for line in texts.flat_map(|text| wrapped_lines(&text, WIDTH, "  ")) {
            lines.push(cells.iter().cloned().chain([line]).collect());
            cells.fill(String::new());
        }
    }
    text::table(&["source", "check", "status", "found, and what to do"], lines, 0..0)
}
