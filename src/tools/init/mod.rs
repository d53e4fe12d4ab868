//! `pql init`: guesses a project file from column names and values, and tries it on the data.

mod account_times;
mod accounts;
mod attributes;
mod clock;
mod columns;
mod describe;
mod draft;
mod dry_run;
mod event_types;
mod feature_table;
mod keys;
mod naming;
mod observation;
mod paths;
mod roles;
mod sample;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod toml_page;
mod users;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use accounts::GuessedAccountColumns;
use columns::{GuessedEventColumns, NamedColumns};
use describe::{describe_accounts, describe_source};
use draft::{AccountsGuess, ProjectDraft, SourceGuess};
pub(in crate::tools) use dry_run::describe_split;
use event_types::EventTypeCounts;
use feature_table::FeatureTable;
use keys::ListKey;
use naming::EventTypeSource;
use observation::ObservationGuess;
use sample::Sample;
use times::{TimeFormat, order};
use users::{UserTable, UsersGuess};

use crate::config::Roles;
use crate::error::{Error, Result};
use crate::names::{backticked, capitalized, file_name, nearest};

/// A guessed project file with remarks.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The text of pql.toml.
    pub toml: String,
    /// What was guessed and why, one line each.
    pub remarks: Vec<String>,
    /// What to decide in the file before it can be used, one line each; `FIXME` marks the places.
    /// Empty only if a model was trained on the whole data.
    pub tasks: Vec<String>,
    /// The feature matrix to train on, if the data are a table of features instead of events.
    pub features: Option<PathBuf>,
}

/// Tables and columns that the user names instead of leaving them to `pql init`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitOptions {
    /// Table of users and their accounts.
    pub users: Option<PathBuf>,
    /// Column of accounts, in each table that has it.
    pub account: Option<String>,
    /// Column of the times of events, in each source that has it.
    pub time: Option<String>,
}

/// Guesses a project file from the first rows and the event types of sources, and tries it on all
/// of their data.
///
/// # Arguments
/// * `events` – sources of events: files, globs or folders
/// * `accounts` – account list, if any
/// * `folder` – folder of the project file; paths are relative to it if that finds the same files,
///   else absolute
/// * `now` – events later than this are invalid, µs UTC
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file that cannot be read
/// * [`Error::Usage`]: a path that is not UTF-8, or no table has a column of the options
pub fn guess(
    events: &[PathBuf],
    accounts: Option<&Path>,
    folder: &Path,
    options: &InitOptions,
    now: i64,
) -> Result<Guess> {
    let samples: Vec<Sample> =
        events.iter().map(|path| Sample::read(path)).collect::<Result<_>>()?;
    let list = accounts.map(Sample::read_list).transpose()?;
    let users = options.users.as_deref().map(Sample::read_list).transpose()?;
    let tables: Vec<&Sample> = samples.iter().chain(&list).chain(&users).collect();
    check_named("--account", options.account.as_deref(), &tables)?;
    check_named("--time", options.time.as_deref(), &samples.iter().collect::<Vec<_>>())?;
    let mut remarks = Vec::new();
    let inputs = Inputs { samples: &samples, list: list.as_ref(), users: users.as_ref() };
    let mut draft = guess_columns(inputs, folder, options, &mut remarks)?;
    if let Some(table) = FeatureTable::recognize(&samples, list.as_ref(), &draft, options) {
        return Ok(table.guess(folder));
    }
    if !draft.is_incomplete() {
        dry_run::dry_run(&mut draft, folder, now, &mut remarks);
    }
    Ok(Guess { toml: draft.to_toml(), remarks, tasks: draft.tasks, features: None })
}

/// Checks that a table has a column that the user names.
fn check_named(option: &str, name: Option<&str>, tables: &[&Sample]) -> Result<()> {
    let Some(name) = name.filter(|name| tables.iter().all(|table| table.column(name).is_none()))
    else {
        return Ok(());
    };
    let columns: Vec<&str> =
        tables.iter().flat_map(|table| &table.columns).map(|column| column.name.as_str()).collect();
    let hint = nearest(name, columns.iter().copied()).map_or_else(
        || {
            let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            format!("the columns are {}", backticked(&names))
        },
        |near| format!("did you mean `{near}`?"),
    );
    Err(Error::Usage {
        problem: format!("`{option}`: found `{name}`, expected the name of a column"),
        hint: Some(hint),
    })
}

/// The sampled tables.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    samples: &'a [Sample],
    list: Option<&'a Sample>,
    /// The table of `--users`.
    users: Option<&'a Sample>,
}

/// Guesses everything that does not need the whole data.
fn guess_columns(
    Inputs { samples, list, users }: Inputs<'_>,
    folder: &Path,
    options: &InitOptions,
    remarks: &mut Vec<String>,
) -> Result<ProjectDraft> {
    let key = list.and_then(|list| keys::list_key(list, samples, options.account.as_deref()));
    let mut tasks = Vec::new();
    let mut guessed_list =
        list.map(|sample| guess_accounts(sample, key, folder, remarks)).transpose()?;
    let used = guessed_list.as_ref().is_some_and(|list| list.columns.is_some());
    let list_key = list.zip(key).filter(|_| used);
    let tables: Vec<&Sample> = samples.iter().chain(list).chain(users).collect();
    let user_table = match users {
        Some(sample) => UserTable::recognize(sample, samples, list_key.map(|(_, key)| key)),
        None => {
            list_key.and_then(|list| UserTable::find(samples, list, options.account.as_deref()))
        }
    };
    tasks.extend(users.filter(|_| user_table.is_none()).map(unused_users));
    let named = NamedColumns { account: options.account.as_deref(), time: options.time.as_deref() };
    let mut sources = Vec::new();
    for sample in samples {
        let mut columns =
            GuessedEventColumns::guess(sample, list_key, (&tables, user_table), named);
        if let Some(timestamp) = columns.timestamp.name().map(str::to_owned) {
            let times = [(sample, &timestamp)];
            resolve_day_order(&mut columns.time_format, &times, &sample.label(), remarks)?;
        }
        let event_types = EventTypeCounts::count(sample, &columns)?;
        describe_source(sample, &columns, &event_types, remarks);
        tasks.extend(columns.tasks());
        let path = paths::to_project_path(&sample.path, folder, &sample.files)?;
        let sampled = (!sample.whole).then_some(sample.rows);
        sources.push(SourceGuess { path, columns, event_types, sampled });
    }
    let users = user_table.map(|table| table.guess(folder)).transpose()?;
    remarks.extend(users.as_ref().map(UsersGuess::describe));
    let names = count_event_types(&sources);
    let roles = guess_roles(&sources, &names, guessed_list.as_mut(), remarks);
    let columns = guessed_list.as_ref().and_then(|list| list.columns.as_ref());
    tasks.extend(list.filter(|_| columns.is_none()).map(unused_list));
    tasks.extend(columns.and_then(|columns| columns.repeated.clone()));
    let has_conversions = columns.is_some_and(|c| c.times.converted.is_some());
    let is_used = list.is_none() || columns.is_some();
    if is_used && !has_conversions && roles.converted.is_empty() {
        tasks.push(conversion_task(columns, &roles));
    }
    let observation = ObservationGuess::default();
    Ok(ProjectDraft { sources, list: guessed_list, users, roles, names, observation, tasks })
}

/// Guesses the columns of the account list.
fn guess_accounts(
    sample: &Sample,
    key: Option<ListKey<'_>>,
    folder: &Path,
    remarks: &mut Vec<String>,
) -> Result<AccountsGuess> {
    let mut columns = key.and_then(|key| GuessedAccountColumns::guess(sample, key));
    if let Some(columns) = &mut columns {
        let times = &mut columns.times;
        let names: Vec<String> =
            [Some(&times.signed_up), times.converted.as_ref(), times.churned.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
        let names: Vec<(&Sample, &String)> = names.iter().map(|name| (sample, name)).collect();
        resolve_day_order(&mut times.time_format, &names, &sample.label(), remarks)?;
        describe_accounts(sample, columns, remarks);
    }
    Ok(AccountsGuess {
        path: paths::to_project_path(&sample.path, folder, &sample.files)?,
        columns,
    })
}

/// Returns what to do about an account list that cannot be used.
fn unused_list(list: &Sample) -> String {
    let name = file_name(&list.path);
    if list.rows == 0 {
        return format!("`{name}` has no rows: export the accounts again");
    }
    format!(
        "`{name}` is not used: no column of accounts and of sign-ups was recognized among {}",
        list.column_list()
    )
}

/// Returns what to do about a table of users that cannot be used.
fn unused_users(users: &Sample) -> String {
    format!(
        "`{}` is not used: no column of users, and of accounts or email addresses, was recognized among {}; set it in [users]",
        file_name(&users.path),
        users.column_list()
    )
}

/// Guesses the roles of event types; stages of deals are no usage. Without any conversion, the only
/// time of the account list that by its values could be one is used.
fn guess_roles(
    sources: &[SourceGuess],
    names: &[(String, u64)],
    list: Option<&mut AccountsGuess>,
    remarks: &mut Vec<String>,
) -> Roles {
    let mut columns = list.and_then(|list| list.columns.as_mut());
    let listed = columns.as_ref().is_some_and(|c| c.times.converted.is_some());
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let stages: Vec<&str> = sources
        .iter()
        .filter(|source| matches!(source.columns.naming, EventTypeSource::Stages(_)))
        .flat_map(|source| &source.event_types.names)
        .map(|(name, _)| name.as_str())
        .collect();
    let roles = roles::guess(&names, &stages, listed, remarks);
    if let Some(columns) = columns.as_mut().filter(|_| !listed && roles.converted.is_empty()) {
        columns.take_possible_conversion(remarks);
    }
    for source in sources {
        remarks.extend(source.trial_remark(&roles));
    }
    for (role, names) in
        roles.usage().into_iter().chain(roles.not_usage()).filter(|(_, names)| !names.is_empty())
    {
        remarks.push(format!("roles.{role}: {}", backticked(names)));
    }
    roles
}

/// Returns what to do because there are no conversions.
fn conversion_task(columns: Option<&GuessedAccountColumns>, roles: &Roles) -> String {
    let such_as = match &roles.exclude[..] {
        [] => String::new(),
        excluded => format!(" (are {} conversions?)", backticked(excluded)),
    };
    let task = columns.map_or_else(
        || "pass an account list with the time of conversion".to_owned(),
        GuessedAccountColumns::conversion_task,
    );
    format!(
        "no model can be trained yet, because there are no conversions. {}, or list their events in `roles.converted`{such_as}",
        capitalized(&task)
    )
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

/// Groups names by the reason that they share.
fn by_reason<'a, R: AsRef<str> + Ord + ?Sized + 'a>(
    rejected: impl Iterator<Item = (&'a String, &'a R)>,
) -> BTreeMap<&'a R, Vec<String>> {
    let mut groups: BTreeMap<&R, Vec<String>> = BTreeMap::new();
    for (name, reason) in rejected {
        groups.entry(reason).or_default().push(name.clone());
    }
    groups
}
