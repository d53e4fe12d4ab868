//! `pql alerts`

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::shared::ModelsArgs;
use crate::error::{Error, Result};
use crate::operations::alerts::{Alert, AlertKind, AlertQuery, RunDiff, SentAlerts, Webhook};
use crate::registry::ledger::{Ledger, Run};
use crate::report::format::{counted, grouped, shorten_at_word};
use crate::report::text;
use crate::time::{DAY, Timestamp, iso, iso_day};
use crate::warning::Warning;

/// Report accounts that newly qualified or changed tier
///
/// Compares the newest run in the ledger with the previous one, and reports each change once.
/// Printing also records alerts as reported; use `--dry-run` to look.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
#[command(mut_arg("output", |arg| arg.conflicts_with("webhook")))]
pub(super) struct Args {
    /// Folder of scores that `pql score --ledger` wrote
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    ledger: PathBuf,
    /// Compare with the newest run at or before this time [default: the previous run]
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    since: Option<Timestamp>,
    /// Model: NAME (any version) or NAME/VERSION [default: the only one in the ledger]
    #[arg(value_name = "MODEL", help_heading = "Model", display_order = 0)]
    model: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Changes to report, separated by commas
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        default_value = "qualified,rose,fell",
        value_parser = kind_parser(),
        help_heading = "Output"
    )]
    kind: Vec<AlertKind>,
    /// Also report accounts of the holdout, which must stay uncontacted for comparison
    #[arg(long, help_heading = "Output")]
    include_holdout: bool,
    #[command(flatten)]
    output: OutputArgs,
    /// Post each alert as a JSON object to this URL
    #[arg(long, value_name = "URL", help_heading = "Output")]
    webhook: Option<String>,
    /// Number of retries if the webhook does not answer, or answers with status 429 or 5xx
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(0..=10),
        allow_negative_numbers = true,
        requires = "webhook",
        help_heading = "Output"
    )]
    retries: u32,
    /// Show the alerts, but neither post them nor record them as reported
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Ndjson, OutputFormat::Json];

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS)?;
    let webhook = args.webhook.as_ref().map(|url| Webhook::new(url, args.retries)).transpose()?;
    let ledger = Ledger::open(&args.ledger)?;
    let query = AlertQuery {
        model: args.model.clone(),
        since: args.since.map(|since| since.0),
        until: None,
        kinds: args.kind.clone(),
        include_holdout: args.include_holdout,
    };
    let mut changes = RunDiff::compute(&ledger, &query)?;
    let mut sent = if args.dry_run {
        SentAlerts::read(&changes.run)?
    } else {
        SentAlerts::open(&ledger, &changes.run)?
    };
    let found = changes.alerts.len();
    changes.alerts.retain(|alert| !sent.contains(alert));
    report(&changes, found, terminal);
    // The scores are in the ledger, the verdict in the model, which may be elsewhere.
    if let Ok((model, location)) = args.folder.load(&changes.run.label) {
        terminal.warn_of_verdict(&model, &location.label);
    }
    if args.since.is_none()
        && let Some((unsent, since)) = changes.earlier_unsent(&ledger, &query)?
    {
        terminal.warn(&Warning::AlertsNotSent { alerts: unsent, since: Timestamp(since) });
    }
    let alerts = &changes.alerts;
    if let Some(webhook) = webhook.filter(|_| !args.dry_run) {
        let stage = terminal.progress.stage("alerts", Some(alerts.len() as u64));
        webhook.deliver(alerts, &mut sent, &mut || stage.advance(1))?;
        drop(stage);
        terminal.note(&format!(
            "Sent {} to {}",
            counted(alerts.len() as u64, "alert"),
            webhook.host()
        ));
        return Ok(());
    }
    match output.format {
        OutputFormat::Json => output.write_json(alerts, terminal)?,
        OutputFormat::Ndjson => output.write(&ndjson(alerts)?, terminal)?,
        _ => output.write(&table(alerts), terminal)?,
    }
    if !args.dry_run && !alerts.is_empty() {
        // An alert that could not be printed has not been sent.
        terminal.flush()?;
        sent.record(alerts)?;
    }
    Ok(())
}

/// Returns one JSON object per line.
fn ndjson(alerts: &[Alert]) -> Result<String> {
    let line = |alert: &Alert| {
        serde_json::to_string(alert).map_err(|source| Error::Json { value: "the alert", source })
    };
    Ok(alerts.iter().map(line).collect::<Result<Vec<_>>>()?.join("\n"))
}

/// Returns a table for people; empty without alerts.
fn table(alerts: &[Alert]) -> String {
    /// The widest table.
    const WIDTH: usize = 100;
    /// The width of the columns between the account and the reason.
    const MIDDLE: usize = 41;
    /// The narrowest reason.
    const MIN_REASON: usize = 20;
    if alerts.is_empty() {
        return String::new();
    }
    let widest = alerts.iter().map(|alert| alert.account_id.chars().count()).max().unwrap_or(0);
    let reason_width = WIDTH.saturating_sub(widest.max("account".len()) + MIDDLE).max(MIN_REASON);
    let change = |before: Option<String>, now: Option<String>| match (before, now) {
        (Some(before), Some(now)) => format!("{before} to {now}"),
        (_, now) => now.unwrap_or_default(),
    };
    let row = |alert: &Alert| {
        let [before, now] = [alert.previous_probability, alert.probability]
            .map(|probability| probability.map(|p| text::percent(Some(p))));
        let reason = alert.reasons.first().map_or("", String::as_str);
        vec![
            alert.account_id.clone(),
            alert.kind.name().to_owned(),
            change(before, now),
            change(alert.previous_tier.clone(), alert.tier.clone()),
            shorten_at_word(reason, reason_width),
        ]
    };
    let header = ["account", "change", "probability", "tier", "first reason"];
    text::table(&header, alerts.iter().map(row).collect(), 0..0)
}

/// Prints which runs were compared, and the number of alerts.
fn report(changes: &RunDiff, found: usize, terminal: &mut Terminal<'_>) {
    let run = |run: &Run| format!("{} ({})", short_time(run.time), run.label);
    match &changes.previous {
        Some(before) => {
            terminal.note(&format!("Compared {} with {}", run(&changes.run), run(before)));
        }
        None => terminal.note(&format!(
            "{} is the first run: all qualifying accounts are reported",
            run(&changes.run)
        )),
    }
    if changes.model_changed() {
        terminal.warn(&Warning::OtherModel);
    }
    terminal.note(&counts(changes, (found - changes.alerts.len()) as u64));
    if changes.skipped_holdout > 0 {
        terminal.note(&format!(
            "Skipped {} of the holdout, which must stay uncontacted",
            counted(changes.skipped_holdout as u64, "alert")
        ));
    }
}

/// Describes the number of alerts, by kind, and of those reported earlier.
fn counts(changes: &RunDiff, reported: u64) -> String {
    let noun = if reported > 0 { "new alert" } else { "alert" };
    let mut text = counted(changes.alerts.len() as u64, noun);
    let kinds: Vec<String> = AlertKind::ALL
        .into_iter()
        .map(|kind| (kind, changes.alerts.iter().filter(|alert| alert.kind == kind).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{} {}", grouped(count as u64), kind.name()))
        .collect();
    if !kinds.is_empty() {
        text += &format!(": {}", kinds.join(", "));
    }
    if reported > 0 {
        text += &format!(" ({} reported earlier)", grouped(reported));
    }
    text
}

/// Returns a parser of kinds of changes that lists them in the help.
fn kind_parser() -> impl TypedValueParser<Value = AlertKind> {
    PossibleValuesParser::new(AlertKind::ALL.map(AlertKind::name))
        .map(|name| name.parse().expect("the possible values are kinds of changes"))
}

/// Returns a time as `--since` takes it: a date if it is 00:00 UTC.
fn short_time(time: i64) -> String {
    if time % DAY == 0 { iso_day(time) } else { iso(time) }
}
