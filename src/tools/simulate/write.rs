//! Writing of the simulated log.

use std::path::Path;

use polars::prelude::*;
use rayon::prelude::*;

use super::account::{Account, Event, LARGEST_TEAM};
use super::product::NAMES;
use super::truth::{self, TrueModel};
use super::{START, Scenario, SimulationSummary};
use crate::error::{Error, Result};
use crate::io::write::{Format, OutputFile, RunFiles, TableWriter, time_column, write_bytes};
use crate::time::Day;

/// Template of the project file.
const PROJECT: &str = include_str!("project.toml");
/// Start of a comment by which a project file from a simulation is recognized.
const MARK: &str = "# Project file of a simulated log, written by `pql simulate`";

/// Refuses to overwrite a project file that is not from a simulation.
pub(super) fn refuse_foreign_project(dir: &Path) -> Result<()> {
    let path = dir.join("pql.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.contains(MARK) => Err(Error::Usage {
            problem: format!(
                "refusing to overwrite `{}`, which `pql simulate` did not write",
                path.display()
            ),
            hint: Some("choose another folder with `-o`".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// Output files.
pub(super) struct LogFiles {
    events: TableWriter,
    accounts: TableWriter,
    project: OutputFile,
    truth: OutputFile,
    /// Lines of `truth.json`.
    lines: Vec<u8>,
    written: SimulationSummary,
}

impl LogFiles {
    pub(super) fn create(dir: &Path, scenario: &Scenario) -> Result<Self> {
        let files = RunFiles::default();
        let create = |name: &str, frame: &DataFrame| {
            TableWriter::create(&files.output(&dir.join(name))?, Format::Parquet, frame.schema())
        };
        Ok(Self {
            events: create("events.parquet", &events_table(&[], scenario)?)?,
            accounts: create("accounts.parquet", &accounts_table(&[], scenario)?)?,
            project: files.output(&dir.join("pql.toml"))?,
            truth: files.output(&dir.join("truth.json"))?,
            lines: Vec::new(),
            written: SimulationSummary::default(),
        })
    }

    /// Writes accounts with their outcomes and events, as known at the end of the log.
    pub(super) fn write(
        &mut self,
        accounts: &[Account],
        probability: &[Option<f64>],
        scenario: &Scenario,
    ) -> Result<()> {
        self.events.write(&events_table(accounts, scenario)?)?;
        self.accounts.write(&accounts_table(accounts, scenario)?)?;
        for (account, probability) in accounts.iter().zip(probability) {
            if let Some(probability) = probability {
                truth::write_account(&mut self.lines, &scenario.id(account.number), *probability);
                self.written.observed += 1;
            }
            self.written.accounts += 1;
            self.written.events += account.events.len() as u64;
            self.written.conversions += u64::from(account.converted < scenario.until);
        }
        Ok(())
    }

    /// Finishes the tables and writes the project file and the true model.
    pub(super) fn finish(
        self,
        truth: &TrueModel,
        scenario: &Scenario,
    ) -> Result<SimulationSummary> {
        self.events.finish()?;
        self.accounts.finish()?;
        let features: Vec<String> =
            truth.terms.iter().map(|t| format!("\"{}\"", t.feature)).collect();
        let project = PROJECT
            .replace("{since}", &Day::from_local(START).to_string())
            .replace("{until}", &Day::from_local(scenario.until).to_string())
            .replace("{features}", &features.join(", "));
        write_bytes(&self.project, project.as_bytes())?;
        truth.write(&self.truth, &self.lines)?;
        Ok(self.written)
    }
}

/// Returns the user ID of a team member, unique across accounts.
fn user(number: u64, member: usize) -> String {
    format!("u{}", (number - 1) * LARGEST_TEAM as u64 + member as u64)
}

/// Builds the table of all events in time order.
fn events_table(accounts: &[Account], scenario: &Scenario) -> Result<DataFrame> {
    let mut order: Vec<(u32, Event)> = (0..)
        .zip(accounts)
        .flat_map(|(index, account)| account.events.iter().map(move |event| (index, *event)))
        .collect();
    order.par_sort_by_key(|(account, event)| (event.time, *account));
    let ids: Vec<String> = accounts.iter().map(|a| scenario.id(a.number)).collect();
    let members =
        |a: &Account| (0..a.pattern.team.len()).map(|member| user(a.number, member)).collect();
    let users: Vec<Vec<String>> = accounts.par_iter().map(members).collect();
    let member = |account: u32, event: &Event| {
        users[account as usize].get(usize::from(event.user)).map(String::as_str)
    };
    let spent =
        |event: &Event| Some(f64::from(event.half_minutes) / 2.0).filter(|minutes| *minutes > 0.0);
    let columns: [&(dyn Fn() -> Column + Sync); 5] = [
        &|| {
            text(
                "account_id",
                order.iter().map(|(account, _)| Some(ids[*account as usize].as_str())),
            )
        },
        &|| text("user_id", order.iter().map(|(account, event)| member(*account, event))),
        &|| text("event", order.iter().map(|(_, event)| Some(NAMES[event.action as usize]))),
        &|| time_column("timestamp", order.iter().map(|(_, event)| Some(event.time))),
        &|| numbers("minutes", order.iter().map(|(_, event)| spent(event))),
    ];
    table(order.len(), columns.par_iter().map(|column| column()).collect())
}

/// Builds the account list. Times at or after `until` are null.
fn accounts_table(accounts: &[Account], scenario: &Scenario) -> Result<DataFrame> {
    let ids: Vec<String> = accounts.iter().map(|a| scenario.id(a.number)).collect();
    let known = |t: i64| Some(t).filter(|t| *t < scenario.until);
    let columns = vec![
        text("account_id", ids.iter().map(|id| Some(id.as_str()))),
        time_column("signed_up_at", accounts.iter().map(|a| Some(a.signed_up))),
        time_column("converted_at", accounts.iter().map(|a| known(a.converted))),
        time_column("churned_at", accounts.iter().map(|a| known(a.churned))),
        numbers("seats", accounts.iter().map(|a| a.seats.map(f64::from))),
        numbers("mrr", accounts.iter().map(|a| known(a.converted).map(|_| f64::from(a.mrr)))),
        text("industry", accounts.iter().map(|a| Some(a.industry))),
        text("country", accounts.iter().map(|a| Some(a.country.name))),
        numbers("company_size", accounts.iter().map(|a| a.company_size)),
    ];
    table(accounts.len(), columns)
}

fn text<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

fn numbers(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Float64Chunked::from_iter_options(name.into(), values).into_column()
}

fn table(rows: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(rows, columns).map_err(|e| Error::table("the simulated log", e))
}
