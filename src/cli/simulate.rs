//! `pql simulate`

use std::path::PathBuf;

use super::Terminal;
use crate::error::Result;
use crate::tools::simulate::{Simulation, simulate};

/// Write a realistic, seeded usage log with known true coefficients
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for events.parquet, accounts.parquet, pql.toml and truth.json
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Accounts that sign up
    #[arg(long, value_name = "N", default_value_t = Simulation::default().accounts)]
    accounts: usize,
    /// Seed: the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Mean number of events of an account
    #[arg(long, value_name = "X", default_value_t = Simulation::default().events_per_account)]
    events_per_account: f64,
    /// What the true coefficients are multiplied by; 0: usage tells nothing
    #[arg(long, value_name = "X", default_value_t = Simulation::default().signal)]
    signal: f64,
    /// Mean probability of conversion of the accounts observed
    #[arg(long, value_name = "P", default_value_t = Simulation::default().base_rate)]
    base_rate: f64,
    /// Days over which accounts sign up
    #[arg(long, value_name = "N", default_value_t = Simulation::default().days)]
    days: u32,
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
    let made = simulate(&simulation, &args.output, &terminal.progress)?;
    terminal.note(&format!(
        "{} events of {} accounts, {} of them converted, to {}",
        made.events,
        made.accounts,
        made.conversions,
        args.output.display()
    ));
    terminal.note(&format!("{} accounts are observed; truth.json has their probabilities and the coefficients behind them", made.observed));
    Ok(())
}
