//! The simulated log as files.

use std::path::{Path, PathBuf};

use polars::prelude::*;
use rayon::prelude::*;

use super::account::{Account, Event, LARGEST_TEAM};
use super::product::NAMES;
use super::truth::{self, Truth};
use super::{START, Simulated, World};
use crate::error::{Error, Result};
use crate::io::write::{self, Format, TableWriter};
use crate::time::iso_day;

/// The project file, with places for what depends on the simulation.
const PROJECT: &str = include_str!("project.toml");

/// A project file that somebody wrote stays.
pub(super) fn refuse_foreign_project(dir: &Path) -> Result<()> {
    let path = dir.join("pql.toml");
    let own = PROJECT.lines().next();
    match std::fs::read_to_string(&path) {
        Ok(text) if text.lines().next() != own => Err(Error::Usage {
            problem: format!(
                "`{}` was not written by a simulation and is not replaced",
                path.display()
            ),
            hint: Some("give another folder".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// The files while they are written.
pub(super) struct Files {
    dir: PathBuf,
    events: TableWriter,
    accounts: TableWriter,
    /// Lines of `truth.json`.
    lines: Vec<u8>,
    written: Simulated,
}

impl Files {
    pub(super) fn create(dir: &Path, world: &World) -> Result<Self> {
        let create = |name: &str, frame: &DataFrame| {
            TableWriter::create(&dir.join(name), Format::Parquet, frame.schema())
        };
        Ok(Self {
            dir: dir.to_owned(),
            events: create("events.parquet", &events_table(&[], world)?)?,
            accounts: create("accounts.parquet", &accounts_table(&[], world)?)?,
            lines: Vec::new(),
            written: Simulated::default(),
        })
    }

    /// Write settled accounts with their events, as they stand at the end of the log.
    pub(super) fn write(
        &mut self,
        accounts: &[Account],
        probability: &[Option<f64>],
        world: &World,
    ) -> Result<()> {
        self.events.write(&events_table(accounts, world)?)?;
        self.accounts.write(&accounts_table(accounts, world)?)?;
        for (account, probability) in accounts.iter().zip(probability) {
            if let Some(probability) = probability {
                truth::write_account(&mut self.lines, &world.id(account.number), *probability);
                self.written.observed += 1;
            }
            self.written.accounts += 1;
            self.written.events += account.events.len() as u64;
            self.written.conversions += u64::from(account.converted < world.until);
        }
        Ok(())
    }

    /// Let the files appear, and write those that describe them.
    pub(super) fn finish(self, truth: &Truth, world: &World) -> Result<Simulated> {
        self.events.finish()?;
        self.accounts.finish()?;
        let features: Vec<String> =
            truth.terms.iter().map(|t| format!("\"{}\"", t.feature)).collect();
        let project = PROJECT
            .replace("{since}", &iso_day(START))
            .replace("{until}", &iso_day(world.until))
            .replace("{features}", &features.join(", "));
        write::write_bytes(&self.dir.join("pql.toml"), project.as_bytes())?;
        truth.write(&self.dir.join("truth.json"), &self.lines)?;
        Ok(self.written)
    }
}

/// The id of a member of a team, which no other account has.
fn user(number: u64, member: usize) -> String {
    format!("u{}", (number - 1) * LARGEST_TEAM as u64 + member as u64)
}

/// Events of all accounts in order of time.
fn events_table(accounts: &[Account], world: &World) -> Result<DataFrame> {
    let mut order: Vec<(u32, Event)> =
        (0..).zip(accounts).flat_map(|(at, a)| a.events.iter().map(move |e| (at, *e))).collect();
    order.par_sort_by_key(|(account, event)| (event.time, *account));
    let ids: Vec<String> = accounts.iter().map(|a| world.id(a.number)).collect();
    let members =
        |a: &Account| (0..a.habits.team.len()).map(|member| user(a.number, member)).collect();
    let users: Vec<Vec<String>> = accounts.par_iter().map(members).collect();
    let member = |at: u32, event: &Event| {
        users[at as usize].get(usize::from(event.user)).map(String::as_str)
    };
    let spent =
        |event: &Event| Some(f64::from(event.half_minutes) / 2.0).filter(|minutes| *minutes > 0.0);
    let columns: [&(dyn Fn() -> Column + Sync); 5] = [
        &|| text("account_id", order.iter().map(|(at, _)| Some(ids[*at as usize].as_str()))),
        &|| text("user_id", order.iter().map(|(at, event)| member(*at, event))),
        &|| text("event", order.iter().map(|(_, event)| Some(NAMES[event.action as usize]))),
        &|| write::time_column("timestamp", order.iter().map(|(_, event)| Some(event.time))),
        &|| numbers("minutes", order.iter().map(|(_, event)| spent(event))),
    ];
    table(order.len(), columns.par_iter().map(|column| column()).collect())
}

/// The account list; what comes at or after `until` is not known.
fn accounts_table(accounts: &[Account], world: &World) -> Result<DataFrame> {
    let ids: Vec<String> = accounts.iter().map(|a| world.id(a.number)).collect();
    let known = |t: i64| Some(t).filter(|t| *t < world.until);
    let columns = vec![
        text("account_id", ids.iter().map(|id| Some(id.as_str()))),
        write::time_column("signed_up_at", accounts.iter().map(|a| Some(a.signed_up))),
        write::time_column("converted_at", accounts.iter().map(|a| known(a.converted))),
        write::time_column("churned_at", accounts.iter().map(|a| known(a.churned))),
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
