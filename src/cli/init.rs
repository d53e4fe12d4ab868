//! `pql init`.

use std::path::{Path, PathBuf};

use crate::cli::Terminal;
use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::time::Timestamp;
use crate::tools::init::guess;

/// Read the headers of given files and write a commented pql.toml
///
/// Columns, roles and the observation are guessed from names and values, and tried on the data;
/// what was guessed is said on stderr. A file that exists is never overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Events: files, globs or folders of Parquet, CSV or NDJSON; each is a source of its own
    #[arg(long, required = true, value_name = "PATH", num_args = 1..)]
    events: Vec<PathBuf>,
    /// The account list: a row per account, with its sign-up
    #[arg(long, value_name = "PATH")]
    accounts: Option<PathBuf>,
    /// The project file to be written, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "pql.toml")]
    output: PathBuf,
}

/// Guess a project file and write it.
///
/// # Errors
/// * [`Error::Usage`]: the project file is there already
/// * whatever [`guess`] and writing return
pub(crate) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let stdout = args.output == Path::new("-");
    refuse_existing(&args.output)?;
    let folder = if stdout { Path::new("") } else { args.output.parent().unwrap_or(Path::new("")) };
    let guess = guess(&args.events, args.accounts.as_deref(), folder, Timestamp::now().0)?;
    write_bytes(&args.output, guess.toml.as_bytes())?;
    for remark in &guess.remarks {
        terminal.note(remark);
    }
    if !stdout {
        terminal.note(&format!(
            "wrote `{}`; next: `pql train -c {} --name NAME`",
            args.output.display(),
            args.output.display()
        ));
    }
    Ok(())
}

/// Refuse a project file that is there already; standard output never is.
fn refuse_existing(output: &Path) -> Result<()> {
    if output == Path::new("-") || output.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::Usage {
        problem: format!("`{}` is there already and is not overwritten", output.display()),
        hint: Some("name another file with `-o`, or move it away".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pql.toml");
        assert!(refuse_existing(&path).is_ok() && refuse_existing(Path::new("-")).is_ok());
        std::fs::write(&path, "").unwrap();
        let error = refuse_existing(&path).unwrap_err();
        assert_eq!((error.exit_code(), error.hint().is_some()), (2, true));
    }
}
