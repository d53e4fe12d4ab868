//! `pql init`: guesses a project file from column names and values, and tries it on the data.

mod accounts;
mod columns;
mod event_types;
mod observation;
mod paths;
mod roles;
mod sample;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use accounts::GuessedAccountColumns;
use columns::{EventTypeSource, GuessedEventColumns};
use event_types::EventTypeCounts;
use observation::ObservationGuess;
use sample::Sample;
use text::{AccountsGuess, ProjectDraft, SourceGuess};
use times::{TimeFormat, order};

use crate::config::Config;
use crate::dataset::features::FeatureCatalog;
use crate::dataset::observations::observe;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::io::progress::Progress;
use crate::log::{DEFAULT_MEMORY, Log, LogBounds, LogSources, ingest};
use crate::names::{backticked, counted, grouped};

/// A guessed project file with remarks.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The text of pql.toml.
    pub toml: String,
    /// What was guessed and why, one line each.
    pub remarks: Vec<String>,
    /// Whether a model can be trained with it, as far as known.
    pub trainable: bool,
}

/// Guesses a project file from the first rows and the event types of sources, and tries it on them.
///
/// # Arguments
/// * `events` – sources of events: files, globs or folders
/// * `accounts` – account list, if any
/// * `folder` – folder of the project file; paths are relative to it if that finds the same files,
///   else absolute
/// * `now` – events later than this are invalid, µs UTC
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file that cannot be read
/// * [`Error::UnrecognizedColumns`]: a source without a recognizable account or time column
/// * [`Error::Usage`]: a path that is not UTF-8
pub fn guess(
    events: &[PathBuf],
    accounts: Option<&Path>,
    folder: &Path,
    now: i64,
) -> Result<Guess> {
    let mut remarks = Vec::new();
    let samples: Vec<Sample> =
        events.iter().map(|path| Sample::read(path)).collect::<Result<_>>()?;
    let account_sample = accounts.map(Sample::read).transpose()?;
    let key = account_sample.as_ref().and_then(|list| columns::list_account(list, &samples));
    let list = account_sample
        .as_ref()
        .map(|sample| guess_accounts(sample, key, folder, &mut remarks))
        .transpose()?;
    let key = key.filter(|_| list.as_ref().is_some_and(|l| l.columns.is_some()));
    let mut sources = Vec::new();
    for sample in &samples {
        let mut columns = GuessedEventColumns::guess(sample, key, &mut remarks)?;
        let named = sample.path.display().to_string();
        resolve_day_order(
            &mut columns.time_format,
            &[(sample, &columns.timestamp)],
            &named,
            &mut remarks,
        )?;
        let event_types = EventTypeCounts::count(sample, &columns)?;
        remarks.push(describe_source(&named, &columns, &event_types));
        sources.push(SourceGuess {
            path: paths::to_project_path(&sample.path, folder, &sample.files)?,
            columns,
            event_types,
        });
    }
    let names = count_event_types(&sources);
    let listed =
        list.as_ref().and_then(|l| l.columns.as_ref()).is_some_and(|c| c.converted.is_some());
    let roles = roles::guess(
        &names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        listed,
        &mut remarks,
    );
    for (role, names) in
        roles.usage().into_iter().chain(roles.not_usage()).filter(|(_, names)| !names.is_empty())
    {
        remarks.push(format!("roles.{role}: {}", backticked(names)));
    }
    let mut draft =
        ProjectDraft { sources, list, roles, names, observation: ObservationGuess::default() };
    if draft.sources.iter().all(|s| s.event_types.whole) {
        dry_run(&mut draft, folder, now, &mut remarks);
    } else {
        remarks.push(format!(
            "more than {} rows: [observation] has its defaults and was not tried on the log",
            grouped(event_types::ROWS)
        ));
        if !listed && draft.roles.converted.is_empty() {
            draft.observation.trainable = false;
            remarks
                .push("no conversions found: set `accounts.converted` to a time column or `roles.converted` to event types".to_owned());
        }
    }
    Ok(Guess { toml: draft.to_toml(), remarks, trainable: draft.observation.trainable })
}

/// Guesses the columns of the account list.
fn guess_accounts(
    sample: &Sample,
    key: Option<&sample::Column>,
    folder: &Path,
    remarks: &mut Vec<String>,
) -> Result<AccountsGuess> {
    let named = sample.path.display().to_string();
    let mut columns = key.and_then(|key| GuessedAccountColumns::guess(sample, key, remarks));
    match &mut columns {
        None => remarks.push(format!(
            "`{named}` is not used: cannot recognize an account and a sign-up column among {}",
            sample.column_list()
        )),
        Some(columns) => {
            let times: Vec<String> =
                [Some(&columns.signed_up), columns.converted.as_ref(), columns.churned.as_ref()]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect();
            let times: Vec<(&Sample, &String)> = times.iter().map(|name| (sample, name)).collect();
            resolve_day_order(&mut columns.time_format, &times, &named, remarks)?;
            remarks.push(describe_accounts(&named, columns));
            let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (name, reason) in &columns.rejected {
                by_reason.entry(reason).or_default().push(name.clone());
            }
            remarks.extend(by_reason.iter().map(|(reason, names)| {
                format!("not an attribute: {} ({reason})", backticked(names))
            }));
            if let Some(seats) = &columns.seats {
                remarks.push(format!("seats: check that `{seats}` is the number at sign-up; remove it if it changes on conversion"));
            }
        }
    }
    Ok(AccountsGuess {
        path: paths::to_project_path(&sample.path, folder, &sample.files)?,
        columns,
    })
}

/// Decides between day and month first by whole columns if the first rows fit both.
fn resolve_day_order(
    time_format: &mut TimeFormat,
    columns: &[(&Sample, &String)],
    named: &str,
    remarks: &mut Vec<String>,
) -> Result<()> {
    let (Some(format), Some(other)) = (time_format.format.clone(), time_format.other.clone())
    else {
        return Ok(());
    };
    let fits = |format: &str| -> Result<bool> {
        for (sample, column) in columns {
            if !event_types::all_fit(sample, column, format)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match (fits(&format)?, fits(&other)?) {
        (false, true) => *time_format = TimeFormat { format: Some(other), other: None },
        (true, true) => remarks.push(format!(
            "`{named}`: times are read {} (`{format}`), but all of them also fit `{other}`; check which is right",
            order(&format)
        )),
        _ => time_format.other = None,
    }
    Ok(())
}

fn describe_source(
    source: &str,
    columns: &GuessedEventColumns,
    event_types: &EventTypeCounts,
) -> String {
    let naming = match &columns.naming {
        EventTypeSource::Column(name) => {
            format!("event = `{name}` ({})", counted(event_types.names.len() as u64, "type"))
        }
        EventTypeSource::One(name) => format!("no event type column (every row is `{name}`)"),
        EventTypeSource::Unpivot(names) => {
            format!("a daily table with the event types {}", backticked(names))
        }
    };
    let user =
        columns.user.as_ref().map_or("no user column".to_owned(), |u| format!("user = `{u}`"));
    let format =
        columns.time_format.format.as_ref().map(|f| format!(" (format `{f}`)")).unwrap_or_default();
    format!(
        "`{source}`: account = `{}`, {user}, {naming}, timestamp = `{}`{format}",
        columns.account, columns.timestamp
    )
}

fn describe_accounts(named: &str, columns: &GuessedAccountColumns) -> String {
    let optional = |key: &str, name: &Option<String>| {
        name.as_ref().map_or(format!(", no {key} column"), |n| format!(", {key} = `{n}`"))
    };
    let attributes = if columns.attributes.is_empty() {
        "none".to_owned()
    } else {
        backticked(&columns.attributes)
    };
    format!(
        "`{named}`: account = `{}`, signed_up = `{}`{}{}, attributes: {attributes}",
        columns.account,
        columns.signed_up,
        optional("converted", &columns.converted),
        optional("churned", &columns.churned)
    )
}

/// Counts the event types of all sources, most frequent first, then by bytes.
fn count_event_types(sources: &[SourceGuess]) -> Vec<(String, u64)> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (name, n) in sources.iter().flat_map(|s| &s.event_types.names) {
        *counts.entry(name).or_default() += n;
    }
    let mut names: Vec<(String, u64)> =
        counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    names.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    names
}

/// Reads the data with the project file and chooses an observation for it.
fn dry_run(draft: &mut ProjectDraft, folder: &Path, now: i64, remarks: &mut Vec<String>) {
    let parsed = Config::parse(&draft.to_toml(), &folder.join("pql.toml"), &[])
        .and_then(|config| Ok((read_log(&config, now)?, config)));
    let tried = parsed.and_then(|(log, config)| {
        draft.observation = observation::choose(
            &log,
            config.model.min_conversions,
            config.model.test_size,
            remarks,
        );
        // This fails if an attribute has the name of a usage feature.
        if let Ok(observations) = observe(&log, &draft.observation.config, config.model.test_size) {
            FeatureCatalog::fit(&log, &observations, &config.features, &config.roles)?;
        }
        Ok(())
    });
    if let Err(error) = tried {
        let problem = error.with_sources();
        let hint = error.hint().map(|h| format!(" ({h})")).unwrap_or_default();
        remarks.push(format!("`pql train` will fail: {problem}{hint}"));
        draft.observation.trainable = false;
    }
}

fn read_log(config: &Config, now: i64) -> Result<Log> {
    let sources = LogSources {
        events: &config.events,
        accounts: config.accounts.as_ref(),
        roles: &config.roles,
        kinds: &BTreeMap::new(),
        memory: DEFAULT_MEMORY,
    };
    ingest(&sources, LogBounds { now, since: None, until: None }, &Progress::silent())
}
