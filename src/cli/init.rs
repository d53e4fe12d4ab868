//! `pql init`.

use std::path::{Path, PathBuf};

use super::Terminal;
use super::paths::{file_path, local_path};
use super::shared::{refuse_existing, writable};
use crate::error::Result;
use crate::escape::one_line;
use crate::io::write::write_bytes;
use crate::time::Timestamp;
use crate::tools::init::{InitOptions, guess};

/// Guess a commented pql.toml from your data
///
/// Guesses columns, event roles and the observation from names and values, trains a model with them
/// without storing it, and explains each guess on stderr. Lines with `FIXME` mark the decisions
/// that are left to you. Never overwrites an existing file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events: Parquet, CSV, NDJSON or Arrow files, globs or folders; each becomes a source
    #[arg(long, required = true, value_name = "PATH", num_args = 1.., help_heading = "Input", value_parser = file_path())]
    events: Vec<PathBuf>,
    /// Account list, with one row per account and its sign-up time
    #[arg(long, value_name = "PATH", help_heading = "Input", value_parser = file_path())]
    accounts: Option<PathBuf>,
    /// Users and the accounts that they belong to, for events that have only a user
    #[arg(long, value_name = "PATH", help_heading = "Input", value_parser = file_path())]
    users: Option<PathBuf>,
    /// Column of accounts, instead of the one that fits best
    #[arg(long = "account", value_name = "COLUMN", help_heading = "Input")]
    account: Option<String>,
    /// Column of the times of events, instead of the one that fits best
    #[arg(long = "time", value_name = "COLUMN", help_heading = "Input")]
    time: Option<String>,
    /// Project file to write (`-`: standard output)
    #[arg(short, long, value_name = "FILE", default_value = "pql.toml", help_heading = "Output", value_parser = local_path())]
    output: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let stdout = args.output == Path::new("-");
    refuse_existing(&args.output, "choose another file with `-o`, or move it away")?;
    args.events
        .iter()
        .chain(&args.accounts)
        .chain(&args.users)
        .try_for_each(|path| terminal.files.add_tables(path))?;
    let output = writable(&args.output, &terminal.files)?;
    let folder = if stdout { Path::new("") } else { args.output.parent().unwrap_or(Path::new("")) };
    let options = InitOptions {
        users: args.users.clone(),
        account: args.account.clone(),
        time: args.time.clone(),
    };
    let accounts = args.accounts.as_deref();
    let guess = guess(&args.events, accounts, folder, &options, Timestamp::now().0)?;
    write_bytes(&output, guess.toml.as_bytes())?;
    guess.remarks.iter().for_each(|remark| terminal.note(remark));
    guess.tasks.iter().for_each(|task| terminal.note(&format!("FIXME: {task}")));
    if !stdout {
        let path = args.output.display();
        terminal.note(&format!("Wrote {path}"));
        if guess.tasks.is_empty() {
            let features = guess.features.as_ref().map_or_else(String::new, |table| {
                format!(" --features {}", one_line(&table.display().to_string()))
            });
            terminal.note(&format!("Next: pql train -c {path}{features} --name NAME"));
        } else {
            terminal.note(&format!("Next: fix the lines with FIXME in {path}"));
        }
    }
    Ok(())
}
