//! `pql init`: a project file guessed from the names and values of columns, and tried on the data.

mod accounts;
mod columns;
mod observation;
mod paths;
mod roles;
mod sample;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use accounts::ListColumns;
use columns::{EventColumns, Naming};
use observation::Chosen;
use roles::quoted;
use sample::Sample;
use tally::Tally;
use text::{List, Plan, Source};
use times::{Reading, order};

use crate::config::Config;
use crate::dataset::features::Catalogue;
use crate::dataset::observations::observe;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::io::progress::Progress;
use crate::log::{Clip, Log, MEMORY, Sources, ingest};

/// A project file, and what is to be known about it.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The text of pql.toml.
    pub toml: String,
    /// What was guessed and why, a line each.
    pub remarks: Vec<String>,
}

/// Guess a project file from the first rows and the event names of sources, and try it on them.
///
/// # Arguments
/// * `events` – sources of events: files, globs or folders
/// * `accounts` – the account list, where there is one
/// * `now` – events later than this are mistakes, µs UTC
/// * `folder` – where the project file will lie; paths in it count from there where that finds the
///   same files, else they are absolute
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file that cannot be read
/// * [`Error::UnrecognizedColumns`]: no column of a source looks like accounts, or none like times
/// * [`Error::Usage`]: a path that is not UTF-8
pub fn guess(
    events: &[PathBuf],
    accounts: Option<&Path>,
    folder: &Path,
    now: i64,
) -> Result<Guess> {
    let mut remarks = Vec::new();
    let samples: Vec<Sample> = events.iter().map(|path| Sample::of(path)).collect::<Result<_>>()?;
    let listed = accounts.map(Sample::of).transpose()?;
    let key = listed.as_ref().and_then(|list| columns::list_account(list, &samples));
    let list =
        listed.as_ref().map(|sample| list_of(sample, key, folder, &mut remarks)).transpose()?;
    let key = key.filter(|_| list.as_ref().is_some_and(|l| l.columns.is_some()));
    let mut sources = Vec::new();
    for sample in &samples {
        let mut columns = EventColumns::of(sample, key, &mut remarks)?;
        let named = sample.path.display().to_string();
        settle(&mut columns.reading, &[(sample, &columns.timestamp)], &named, &mut remarks)?;
        let tally = Tally::of(sample, &columns)?;
        remarks.push(told(&named, &columns, &tally));
        sources.push(Source {
            path: paths::written(&sample.path, folder, &sample.files)?,
            columns,
            tally,
        });
    }
    let names = all_names(&sources);
    let by_list =
        list.as_ref().and_then(|l| l.columns.as_ref()).is_some_and(|c| c.converted.is_some());
    let roles = roles::guess(
        &names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        by_list,
        &mut remarks,
    );
    for (role, names) in
        roles.usage().into_iter().chain(roles.not_usage()).filter(|(_, names)| !names.is_empty())
    {
        remarks.push(format!("roles.{role}: {}", quoted(names)));
    }
    let mut plan = Plan { sources, list, roles, names, observation: Chosen::usual() };
    if plan.sources.iter().all(|s| s.tally.whole) {
        rehearse(&mut plan, folder, now, &mut remarks);
    } else {
        remarks.push(format!(
            "more than {} rows: the observation has its defaults and was not tried on the log",
            tally::ROWS
        ));
        if !by_list && plan.roles.converted.is_empty() {
            remarks
                .push("no conversion was found: name a column of times as `accounts.converted`, or events as `roles.converted`".to_owned());
        }
    }
    Ok(Guess { toml: plan.text(), remarks })
}

/// The account list, its columns and why.
fn list_of(
    sample: &Sample,
    key: Option<&sample::Column>,
    folder: &Path,
    remarks: &mut Vec<String>,
) -> Result<List> {
    let named = sample.path.display().to_string();
    let mut columns = key.and_then(|key| ListColumns::of(sample, key, remarks));
    match &mut columns {
        None => remarks.push(format!(
            "`{named}` is not used: no column looks like an account and a sign-up; it has {}",
            sample.listed()
        )),
        Some(columns) => {
            let times: Vec<String> =
                [Some(&columns.signed_up), columns.converted.as_ref(), columns.churned.as_ref()]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect();
            let times: Vec<(&Sample, &String)> = times.iter().map(|name| (sample, name)).collect();
            settle(&mut columns.reading, &times, &named, remarks)?;
            remarks.push(told_list(&named, columns));
            let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (name, reason) in &columns.left_out {
                by_reason.entry(reason).or_default().push(name.clone());
            }
            remarks.extend(
                by_reason
                    .iter()
                    .map(|(reason, names)| format!("no attribute: {} ({reason})", quoted(names))),
            );
            if let Some(seats) = &columns.seats {
                remarks.push(format!("seats: `{seats}` must be those granted at sign-up; if it changes on conversion, remove it"));
            }
        }
    }
    Ok(List { path: paths::written(&sample.path, folder, &sample.files)?, columns })
}

/// Decide between day and month first by the whole columns, where the first rows do not tell.
fn settle(
    reading: &mut Reading,
    columns: &[(&Sample, &String)],
    named: &str,
    remarks: &mut Vec<String>,
) -> Result<()> {
    let (Some(format), Some(other)) = (reading.format.clone(), reading.other.clone()) else {
        return Ok(());
    };
    let fits = |format: &str| -> Result<bool> {
        for (sample, column) in columns {
            if !tally::all_fit(sample, column, format)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match (fits(&format)?, fits(&other)?) {
        (false, true) => *reading = Reading { format: Some(other), other: None },
        (true, true) => remarks.push(format!(
            "`{named}`: times are read {} (`{format}`), but every one also fits `{other}`: check this, or all times are wrong",
            order(&format)
        )),
        _ => reading.other = None,
    }
    Ok(())
}

fn told(source: &str, columns: &EventColumns, tally: &Tally) -> String {
    let naming = match &columns.naming {
        Naming::Column(name) => format!("event = `{name}` ({} names)", tally.names.len()),
        Naming::One(name) => format!("no column names events, so all are `{name}`"),
        Naming::Unpivot(names) => format!("a daily table, each of {} an event", quoted(names)),
    };
    let user = columns.user.as_ref().map_or("no user".to_owned(), |u| format!("user = `{u}`"));
    let format =
        columns.reading.format.as_ref().map(|f| format!(" written as `{f}`")).unwrap_or_default();
    format!(
        "`{source}`: account = `{}`, {user}, {naming}, timestamp = `{}`{format}",
        columns.account, columns.timestamp
    )
}

fn told_list(named: &str, columns: &ListColumns) -> String {
    let optional = |key: &str, name: &Option<String>| {
        name.as_ref().map_or(format!(", no {key}"), |n| format!(", {key} = `{n}`"))
    };
    let attributes =
        if columns.attributes.is_empty() { "none".to_owned() } else { quoted(&columns.attributes) };
    format!(
        "`{named}`: account = `{}`, signed_up = `{}`{}{}, attributes: {attributes}",
        columns.account,
        columns.signed_up,
        optional("converted", &columns.converted),
        optional("churned", &columns.churned)
    )
}

/// The event names of all sources, the most frequent first, then by bytes.
fn all_names(sources: &[Source]) -> Vec<(String, u64)> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (name, n) in sources.iter().flat_map(|s| &s.tally.names) {
        *counts.entry(name).or_default() += n;
    }
    let mut names: Vec<(String, u64)> =
        counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    names.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    names
}

/// Read the data as the project file says, and fit the observation to it.
fn rehearse(plan: &mut Plan, folder: &Path, now: i64, remarks: &mut Vec<String>) {
    let read = Config::parse(&plan.text(), &folder.join("pql.toml"), &[])
        .and_then(|config| Ok((read(&config, now)?, config)));
    let tried = read.and_then(|(log, config)| {
        plan.observation =
            observation::choose(&log, config.model.min_conversions, config.model.test, remarks);
        // An attribute may have the name of a usage feature; other than that nothing is learned
        // here.
        if let Ok(observations) = observe(&log, &plan.observation.rule, config.model.test) {
            Catalogue::learn(&log, &observations, &config.features, &config.roles)?;
        }
        Ok(())
    });
    if let Err(error) = tried {
        let whole = error.with_sources();
        let hint = error.hint().map(|h| format!(" ({h})")).unwrap_or_default();
        remarks.push(format!("it will not train yet: {whole}{hint}"));
    }
}

fn read(config: &Config, now: i64) -> Result<Log> {
    let sources = Sources {
        events: &config.events,
        accounts: config.accounts.as_ref(),
        roles: &config.roles,
        kinds: &BTreeMap::new(),
        memory: MEMORY,
    };
    ingest(&sources, Clip { now, since: None, until: None }, &Progress::silent())
}
