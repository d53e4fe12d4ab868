//! `pql ingest`

use std::path::PathBuf;

use super::Terminal;
use super::shared::{ProjectArgs, spare_data};
use crate::error::{Error, Result};
use crate::io::write::{Format, TableWriter, write_table};
use crate::log::{ReadOptions, accounts_table, events_tables};
use crate::time::{NEVER, Timestamp};

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
    let [events, accounts] =
        ["events.parquet", "accounts.parquet"].map(|name| args.output.join(name));
    [&events, &accounts].into_iter().try_for_each(|output| spare_data(&config, output))?;
    // Without an end of the log all of it is written, so that the same end is derived when it is
    // read back.
    let until = config.observation.until.or(Some(Timestamp(NEVER)));
    let log = args.project.log(
        &config,
        ReadOptions { until, ..ReadOptions::for_training(&config) },
        terminal,
    )?;
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
    terminal.note(&format!("{} rows to {}", log.events.len(), events.display()));
    let table = accounts_table(&log)?;
    write_table(&accounts, Format::Parquet, &table)?;
    terminal.note(&format!("{} rows to {}", table.height(), accounts.display()));
    Ok(())
}
