//! Checks of the log: rows, accounts, users, the age of the newest events, and what training needs.

use std::collections::HashSet;

use super::{CheckStatus, ProjectCheck};
use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::dataset::split::{MIN_TEST_ACCOUNTS, Split, SplitMethod};
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::{DroppedRows, Log, NO_USER, ReadOptions, SourceQuality};
use crate::names::{agree, counted, file_name, grouped, outcome_words, percent, plural};
use crate::time::{DAY, Timestamp};
use crate::tools::init::describe_split;
use crate::training::{TrainingSetup, prepare_log};
use crate::warning::{DropReason, Warning};

/// Share of rows above which dropped ones have a warning.
const DROPPED: f64 = 0.05;

/// Shares of matched records below which there is a warning or a problem.
const MATCHED: [f64; 2] = [0.95, 0.5];

/// Reasons why an event belongs to no account of the list.
const UNMATCHED: [DropReason; 4] = [
    DropReason::UnknownAccount,
    DropReason::UnknownUser,
    DropReason::UserWithoutAccount,
    DropReason::UserInTwoAccounts,
];

/// Age of the newest events above which they have a warning, in days: an export of each night is
/// up to a day and a half old.
const MAX_AGE: i64 = 2;

/// Checks a log that was read.
pub(super) fn check_log(
    (config, options): (&Config, &ReadOptions),
    log: Log,
    reference: Timestamp,
    sink: &mut Sink<'_>,
) -> Vec<ProjectCheck> {
    let mut checks: Vec<ProjectCheck> = log.quality.sources.iter().map(check_rows).collect();
    checks.extend(check_matches(&log));
    match coverage(&log) {
        Ok(coverage) => checks.extend(check_coverage(&log, coverage)),
        Err(error) => checks.push(ProjectCheck::failed("log", "users", &error)),
    }
    checks.push(check_freshness(options, &log, reference));
    let warnings = log.warnings.clone();
    checks.extend(warnings.iter().map(|warning| ProjectCheck::warned("log", warning)));
    checks.extend(check_training(config, log, &warnings, sink));
    checks
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Checks how many rows of a source are kept, and why the others are not; all of them have valid
/// times and numbers.
fn check_rows(source: &SourceQuality) -> ProjectCheck {
    let label = file_name(&source.source);
    let check = ProjectCheck::ok(&label, "rows", describe_rows(source));
    let defective = source.dropped.iter().filter(|rows| !rows.reason.is_intended());
    let Some(most) = defective.clone().max_by_key(|rows| rows.count) else { return check };
    let dropped: u64 = defective.map(|rows| rows.count).sum();
    let first = format!("look at {}, row {}", file_name(&most.first_file), most.first_row);
    if source.is_lost() {
        check.with(CheckStatus::Problem, first)
    } else if share(dropped, source.records) > DROPPED {
        check.with(CheckStatus::Warning, first)
    } else {
        check
    }
}

/// Describes the rows of a source, such as `600 rows: 590 kept, 10 dropped (unknown account: 8, time
/// missing: 2)`. The numbers add up.
fn describe_rows(source: &SourceQuality) -> String {
    let mut text = counted(source.rows, "row");
    if source.records != source.rows {
        let noun = if source.kind == "accounts" { "account" } else { "event" };
        text += &format!(" with {}", counted(source.records, noun));
    }
    text += &format!(": {} kept", grouped(source.kept));
    if source.dropped.is_empty() {
        return text;
    }
    let dropped: u64 = source.dropped.iter().map(|rows| rows.count).sum();
    text += &format!(", {} dropped", grouped(dropped));
    if let [only] = &source.dropped[..] {
        return format!("{text}: {}", only.reason);
    }
    let mut reasons: Vec<&DroppedRows> = source.dropped.iter().collect();
    reasons.sort_by_key(|rows| std::cmp::Reverse(rows.count));
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|rows| format!("{}: {}", rows.reason, grouped(rows.count)))
        .collect();
    format!("{text} ({})", reasons.join(", "))
}

/// Checks the share of events whose account is in the account list; `None` without a list.
fn check_matches(log: &Log) -> Option<ProjectCheck> {
    let events = log.quality.sources.iter().filter(|source| source.kind == "events");
    let (all, unknown) = events.fold((0, 0), |(all, unknown), source| {
        let unmatched = UNMATCHED.iter().map(|reason| source.count(*reason)).sum::<u64>();
        (all + source.records, unknown + unmatched)
    });
    log.listed.then(|| {
        let matched = share(all - unknown, all);
        let found = format!(
            "{} of {} are of accounts in the list ({})",
            grouped(all - unknown),
            counted(all, "event"),
            percent(matched)
        );
        let check = ProjectCheck::ok("log", "matched accounts", found);
        let action =
            "compare the ids of events, users and accounts, and export the missing accounts";
        match MATCHED.map(|limit| matched < limit) {
            [_, true] => check.with(CheckStatus::Problem, action),
            [true, false] => check.with(CheckStatus::Warning, action),
            [false, false] => check,
        }
    })
}

/// Accounts and events with a property that features need.
struct Coverage {
    /// Accounts that have events.
    active: u64,
    /// Events that have a user.
    with_user: u64,
}

fn coverage(log: &Log) -> Result<Coverage> {
    let partitions = log.events.map(|events| {
        let active = events.start.windows(2).filter(|bounds| bounds[0] < bounds[1]).count();
        let with_user = events.user.iter().filter(|user| **user != NO_USER).count();
        (active as u64, with_user as u64)
    })?;
    let active = partitions.iter().map(|(active, _)| active).sum();
    let with_user = partitions.iter().map(|(_, with_user)| with_user).sum();
    Ok(Coverage { active, with_user })
}

/// Checks the accounts with events, and the events with users.
fn check_coverage(log: &Log, Coverage { active, with_user }: Coverage) -> [ProjectCheck; 2] {
    let accounts = log.accounts.id.len() as u64;
    let found = format!(
        "{} of {} {} events",
        grouped(active),
        counted(accounts, "account"),
        agree(active, ["has", "have"])
    );
    let mut of_accounts = ProjectCheck::ok("log", "accounts", found);
    if share(active, accounts) < MATCHED[1] {
        let action = "check that the events cover the time since the accounts signed up";
        of_accounts = of_accounts.with(CheckStatus::Warning, action);
    }
    let events = log.events.len() as u64;
    let found = format!(
        "{} of {} {} a user",
        grouped(with_user),
        counted(events, "event"),
        agree(with_user, ["has", "have"])
    );
    let mut of_users = ProjectCheck::ok("log", "users", found);
    if with_user == 0 {
        let action = "set `events.user` to the column of users, for features of teams";
        of_users = of_users.with(CheckStatus::Warning, action);
    }
    [of_accounts, of_users]
}

/// Checks the age of the newest events, in local days.
fn check_freshness(options: &ReadOptions, log: &Log, reference: Timestamp) -> ProjectCheck {
    // Without an end of its own, the log ends at 00:00 of the day of its last event.
    let last = match options.until {
        None => log.until,
        Some(_) => log.events.last().unwrap_or(log.since),
    };
    let age = (log.zone.midnight(reference.0) - log.zone.midnight(last)).div_euclid(DAY);
    let found = format!(
        "the newest events are of {}, {} before {}",
        log.zone.day(last),
        counted(age.unsigned_abs(), "day"),
        log.zone.day(reference.0)
    );
    let check = ProjectCheck::ok("log", "freshness", found);
    if age <= MAX_AGE {
        return check;
    }
    check.with(CheckStatus::Warning, "check the export, or set the time of the data with `--at`")
}

/// Checks the rows of a training, without fitting a model.
fn check_training(
    config: &Config,
    log: Log,
    reported: &[Warning],
    sink: &mut Sink<'_>,
) -> Vec<ProjectCheck> {
    let mut silent = Sink::new(sink.progress().clone(), |_| ());
    prepare_log(config, log, &mut silent, |rows, setup| check_setup(config, rows, setup, reported))
        .unwrap_or_else(|error| vec![ProjectCheck::failed("training", "conversions", &error)])
}

/// Checks that the test rows have enough accounts of both outcomes for a verdict; `None` if they do.
fn check_outcomes(rows: &Rows) -> Option<ProjectCheck> {
    let tested = |row: &usize| rows.split[*row].is_in(Split::Test);
    let accounts = |converting: bool| {
        let rows_with = (0..rows.y.len()).filter(|row| rows.y[*row] == Some(converting));
        rows_with.filter(tested).map(|row| rows.account[row]).collect::<HashSet<u32>>().len() as u64
    };
    let counts = [true, false].map(|converting| (accounts(converting), converting));
    let (count, converting) = counts.into_iter().min()?;
    if count >= MIN_TEST_ACCOUNTS || rows.split_method == SplitMethod::None {
        return None;
    }
    let number = if count == 0 { "no".to_owned() } else { format!("only {}", grouped(count)) };
    let found = format!(
        "{number} test {} {}; a reliable verdict needs {MIN_TEST_ACCOUNTS}",
        plural(count.max(1), "account"),
        outcome_words(count, converting)
    );
    let both_few = counts.iter().all(|(count, _)| *count < MIN_TEST_ACCOUNTS);
    let action = if converting || both_few {
        "use a longer log, or a longer `observation.horizon`"
    } else {
        "check `accounts.converted` and `roles.converted`: almost all accounts convert"
    };
    let check = ProjectCheck::ok("training", "outcomes", found);
    Some(check.with(CheckStatus::Warning, action))
}

/// Checks the split of the rows, their outcomes, and the leakage audit.
fn check_setup(
    config: &Config,
    rows: &Rows,
    setup: &TrainingSetup<'_>,
    reported: &[Warning],
) -> Vec<ProjectCheck> {
    let split = setup.split();
    let mut check = ProjectCheck::ok("training", "conversions", describe_split(split));
    if split.method == SplitMethod::CrossValidation {
        let action = "add older data or wait for more conversions, for a separate test set";
        check = check.with(CheckStatus::Warning, action);
    }
    let mut horizon = format!("{} after each cutoff", config.observation.horizon);
    if split.immature > 0 {
        let immature = counted(split.immature, "row");
        horizon += &format!("; it is not over yet for {immature}, whose outcome is not known");
    }
    let mut checks = vec![check];
    checks.extend(check_outcomes(rows));
    checks.push(ProjectCheck::ok("training", "horizon", horizon));
    let warnings = setup.warnings(config, rows);
    let new = warnings.iter().filter(|warning| !reported.contains(warning));
    checks.extend(new.map(|warning| ProjectCheck::warned("training", warning)));
    let leaks = setup.findings.iter().map(|finding| {
        ProjectCheck::ok("training", "leaks", finding.to_string())
            .with(CheckStatus::Warning, "exclude it if it records the outcome (`roles.exclude`)")
    });
    checks.extend(leaks);
    checks
}
