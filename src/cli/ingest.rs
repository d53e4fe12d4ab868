//! `pql ingest`

use std::path::PathBuf;

use super::Terminal;
use super::shared::ProjectArgs;
use crate::error::{Error, Result};
use crate::ingest::{accounts_table, events_tables};
use crate::output::{Format, TableWriter, write_table};
use crate::time::NEVER;

/// Write the event log and the account list after cleaning, and say what was dropped
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Folder for events.parquet and accounts.parquet
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let config = args.project.load()?;
    let kinds = config.design.categories.iter().map(|name| (name.clone(), crate::ingest::Kind::Text)).collect();
    // Without an end of the log all of it is written, so that the same end is derived when it is read back.
    let until = config.observation.until.map_or(NEVER, |t| t.0);
    let log = args.project.log(&config, Some(until), &kinds, terminal)?;
    std::fs::create_dir_all(&args.output).map_err(|source| Error::Write { path: args.output.clone(), source })?;
    let path = args.output.join("events.parquet");
    let mut writer = None;
    events_tables(&log, &mut |table| {
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(TableWriter::create(&path, Format::Parquet, table.schema())?),
        };
        writer.write(&table)
    })?;
    if let Some(writer) = writer {
        writer.finish()?;
    }
    terminal.note(&format!("{} rows to {}", log.events.len(), path.display()));
    let (path, accounts) = (args.output.join("accounts.parquet"), accounts_table(&log)?);
    write_table(&path, Format::Parquet, &accounts)?;
    terminal.note(&format!("{} rows to {}", accounts.height(), path.display()));
    Ok(())
}
