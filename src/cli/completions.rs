//! `pql completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Terminal};
use crate::error::Result;

/// Print shell completions
///
/// For bash: `pql completions bash > ~/.local/share/bash-completion/completions/pql`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell
    #[arg(value_name = "SHELL", help_heading = "Input", display_order = 0)]
    shell: Shell,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pql", &mut script);
    terminal.print(&[&String::from_utf8_lossy(&script)])
}
