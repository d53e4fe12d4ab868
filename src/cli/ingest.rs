//! `pql ingest`

use std::path::PathBuf;

use super::Terminal;
use super::paths::local_path;
use super::shared::ProjectArgs;
use crate::error::{Error, Result};
use crate::io::write::{Format, OutputFile, TableWriter, write_table};
use crate::log::{ReadOptions, accounts_table, events_tables};
use crate::report::format::counted;
use crate::report::text;
use crate::time::{NEVER, Timestamp};

/// Clean the event log and the account list, and count dropped rows
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Output folder for events.parquet and accounts.parquet
    #[arg(short, long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    output: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let config = args.project.load(&terminal.files)?;
    let file = |name: &str| terminal.files.output(&args.output.join(name));
    let (events, accounts) = (file("events.parquet")?, file("accounts.parquet")?);
    // Without `observation.until` the whole log is written, so that reading it back derives the
    // same end.
    let until = config.observation.until.or(Some(Timestamp(NEVER)));
    let options = ReadOptions { until, ..ReadOptions::for_training(&config) };
    let log = args.project.log_without_summary(&config, options, terminal)?;
    terminal.note_lines(&text::quality(&log));
    log.warnings.iter().for_each(|warning| terminal.warn(warning));
    std::fs::create_dir_all(&args.output)
        .map_err(|source| Error::Write { path: args.output.clone(), source })?;
    let mut writer = None;
    events_tables(&log, &mut |table| {
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(TableWriter::create(&events, Format::Parquet, table.schema())?),
        };
        writer.write(&table)
    })?;
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let wrote = |rows: usize, file: &OutputFile| {
        format!("Wrote {} to {}", counted(rows as u64, "row"), file.path().display())
    };
    terminal.note(&wrote(log.events.len(), &events));
    let table = accounts_table(&log)?;
    write_table(&accounts, Format::Parquet, &table)?;
    terminal.note(&wrote(table.height(), &accounts));
    Ok(())
}
