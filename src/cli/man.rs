//! `pql man`

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::generate_to;

use super::paths::local_path;
use super::{Cli, Terminal};
use crate::error::{Error, Result};

/// Write manual pages, one for each command and subcommand
///
/// Read one with `man -l DIR/pql-train.1`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for the manual pages
    #[arg(value_name = "DIR", help_heading = "Output", display_order = 0, value_parser = local_path())]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let failed = |source| Error::Write { path: args.folder.clone(), source };
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    generate_to(Cli::command(), &args.folder).map_err(failed)?;
    terminal.note(&format!("Wrote manual pages to {}", args.folder.display()));
    Ok(())
}
