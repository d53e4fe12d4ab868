//! `pql simulate`

use std::path::PathBuf;

use super::Terminal;
use super::paths::local_path;
use super::shared::whole_number;
use crate::error::Result;
use crate::report::format::{agree, counted, grouped};
use crate::tools::simulate::{Simulation, simulate};

/// Simulate a usage log with known true coefficients
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of accounts that sign up
    #[arg(
        long,
        value_name = "N",
        default_value_t = Simulation::default().accounts,
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    accounts: usize,
    /// Seed; the same seed writes the same bytes
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 0,
        value_parser = whole_number::<u64>,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    seed: u64,
    /// Approximate number of events per account
    #[arg(
        long,
        value_name = "N",
        default_value_t = Simulation::default().events_per_account,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    events_per_account: f64,
    /// Multiplier of the true coefficients (0: no signal)
    #[arg(
        long,
        value_name = "X",
        default_value_t = Simulation::default().signal,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    signal: f64,
    /// Mean conversion probability of the observed accounts
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = Simulation::default().base_rate,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    base_rate: f64,
    /// Number of days over which accounts sign up
    #[arg(
        long,
        value_name = "N",
        default_value_t = Simulation::default().days,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    days: u32,
    /// Output folder for events.parquet, accounts.parquet, pql.toml and truth.json
    #[arg(short, long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    output: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let simulation = Simulation {
        accounts: args.accounts,
        seed: args.seed,
        signal: args.signal,
        base_rate: args.base_rate,
        days: args.days,
        events_per_account: args.events_per_account,
    };
    let totals = simulate(&simulation, &args.output, &terminal.progress)?;
    terminal.note(&format!(
        "Wrote {} of {} ({} converted) to {}",
        counted(totals.events, "event"),
        counted(totals.accounts, "account"),
        grouped(totals.conversions),
        args.output.display()
    ));
    terminal.note(&format!(
        "{} can be observed; truth.json has the true {} and coefficients",
        counted(totals.observed, "account"),
        agree(totals.observed, ["probability", "probabilities"])
    ));
    Ok(())
}
