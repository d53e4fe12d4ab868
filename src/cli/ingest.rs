//! `pql ingest`

use std::path::PathBuf;

use super::Terminal;
use super::shared::ProjectArgs;
use crate::error::{Error, Result};
use crate::ingest::tables;
use crate::output::{Format, write_table};
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
    let (events, accounts) = tables(&log)?;
    std::fs::create_dir_all(&args.output).map_err(|source| Error::Write { path: args.output.clone(), source })?;
    for (name, table) in [("events.parquet", &events), ("accounts.parquet", &accounts)] {
        let path = args.output.join(name);
        write_table(&path, Format::Parquet, table)?;
        terminal.note(&format!("{} rows to {}", table.height(), path.display()));
    }
    Ok(())
}
