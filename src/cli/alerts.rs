//! `pql alerts`

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::paths::local_path;
use super::shared::{ConfigArgs, ModelsArgs};
use crate::error::{Error, Result};
use crate::io::read::read_limited;
use crate::io::write::RunFiles;
use crate::names::percents;
use crate::operations::alerts::{
    Alert, AlertDigest, AlertKind, AlertQuery, RunDiff, SentAlerts, Webhook,
};
use crate::registry::ledger::{Ledger, Run};
use crate::report::format::{agree, counted, grouped, shorten_at_word, span, wrap};
use crate::report::text;
use crate::time::{TimeSpan, WrittenTime};
use crate::warning::Warning;

/// Report accounts that newly qualified or changed tier
///
/// Compares the newest run in the ledger with the previous one, and reports each change once.
/// Printing also records alerts as reported; use `--dry-run` to look.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| {
    limit_formats(arg, FORMATS).conflicts_with_all(["webhook", "webhook_file", "prime"])
}))]
#[command(mut_arg("output", |arg| arg.conflicts_with_all(["webhook", "webhook_file", "prime"])))]
#[command(mut_arg("config", |arg| {
    arg.help("Project file with `[alerts]` [default: ./pql.toml if it exists]")
}))]
#[command(mut_arg("set", |arg| {
    arg.help("Override a key of the project file, such as `alerts.within=7d`; repeatable")
}))]
pub(super) struct Args {
    /// Folder of scores that `pql score --ledger` wrote
    #[arg(long, value_name = "DIR", help_heading = "Input", value_parser = local_path())]
    ledger: PathBuf,
    /// Compare with the newest run at or before this time [default: the previous run]
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    since: Option<WrittenTime>,
    /// Model: NAME (any version) or NAME/VERSION [default: the only one in the ledger]
    #[arg(value_name = "MODEL", help_heading = "Model", display_order = 0)]
    model: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    #[command(flatten)]
    project: ConfigArgs,
    /// Changes to report, separated by commas [default: qualified,rose,fell; at an age: qualified]
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = kind_parser(),
        help_heading = "Output"
    )]
    kind: Vec<AlertKind>,
    /// Also report accounts of the holdout, which must stay uncontacted for comparison
    #[arg(long, help_heading = "Output")]
    include_holdout: bool,
    /// Maximum number of alerts; more are posted or shown as one digest. JSON lists all of them
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..),
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    max: u32,
    #[command(flatten)]
    output: OutputArgs,
    /// Post each alert as a JSON object to this URL [default: `PQL_WEBHOOK`, if it is set]
    #[arg(long, value_name = "URL", help_heading = "Output")]
    webhook: Option<String>,
    /// Read the URL from this file
    #[arg(long, value_name = "FILE", conflicts_with = "webhook", help_heading = "Output", value_parser = local_path())]
    webhook_file: Option<PathBuf>,
    /// Number of retries if the webhook does not answer, or answers with status 429 or 5xx
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(0..=10),
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    retries: u32,
    /// Show the alerts, but neither post them nor record them as reported
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
    /// Record the alerts of the newest run as reported, without showing or sending them
    #[arg(
        long,
        conflicts_with_all = ["webhook", "webhook_file", "dry_run", "since"],
        help_heading = "Output"
    )]
    prime: bool,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Ndjson, OutputFormat::Json];

/// Environment variable with the URL of the webhook, which other users cannot see there.
const WEBHOOK_VARIABLE: &str = "PQL_WEBHOOK";

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let url = webhook_url(args, &terminal.files)?;
    let webhook = url.map(|url| Webhook::new(&url, args.retries)).transpose()?;
    let config = args.project.load(&terminal.files)?;
    terminal.files.add_ledger(&args.ledger)?;
    let ledger = Ledger::open(&args.ledger)?;
    let query = AlertQuery {
        model: args.model.clone(),
        since: args.since.map(|since| since.in_zone(config.input.timezone)),
        until: None,
        kinds: args.kind.clone(),
        within: config.alerts.within,
        include_holdout: args.include_holdout,
        zone: config.input.timezone,
    };
    let mut changes = RunDiff::compute(&ledger, &query)?;
    let mut sent = if args.dry_run {
        SentAlerts::read(&changes.run)?
    } else {
        SentAlerts::open(&ledger, &changes.run)?
    };
    let found = changes.alerts.len();
    changes.alerts.retain(|alert| !sent.contains(alert));
    report(&changes, found, config.alerts.within, terminal);
    // The scores are in the ledger, the verdict in the model, which may be elsewhere.
    match args.folder.load(&changes.run.label, terminal) {
        Ok((model, location)) => terminal.warn_of_verdict(&model, &location.label),
        // The output is one of the files of the model.
        Err(error @ Error::Usage { .. }) => return Err(error),
        Err(_) => {}
    }
    if args.since.is_none()
        && let Some((unsent, since)) = changes.earlier_unsent(&ledger, &query)?
    {
        terminal.warn(&Warning::AlertsNotSent { alerts: unsent, since: changes.zone.short(since) });
    }
    let alerts = &changes.alerts;
    if !args.dry_run && !alerts.is_empty() {
        // An alert that cannot be recorded must not be sent.
        sent.reserve(alerts)?;
    }
    if args.prime {
        sent.record(alerts)?;
        let number = counted(alerts.len() as u64, "alert");
        terminal.note(&format!("Recorded {number} as reported; nothing was sent"));
        return Ok(());
    }
    let digest = (alerts.len() > args.max as usize).then(|| AlertDigest::new(&changes));
    if let Some(webhook) = webhook.filter(|_| !args.dry_run) {
        return send(&webhook, &changes, digest.as_ref(), &mut sent, terminal);
    }
    match (output.format, &digest) {
        (OutputFormat::Json, _) => output.write_json(alerts, terminal)?,
        (OutputFormat::Ndjson, _) => output.write(&ndjson(alerts)?, terminal)?,
        (_, Some(digest)) => {
            output.write(&table(&digest.top), terminal)?;
            if digest.top.len() < digest.alerts {
                let others = if args.dry_run {
                    "`--format json` lists all of them"
                } else {
                    "all are recorded as reported. `--dry-run --format json` lists all of a run before"
                };
                terminal.note(&format!(
                    "Showed the first {} of {} (more than `--max`); {others}",
                    digest.top.len(),
                    counted(digest.alerts as u64, "alert")
                ));
            }
        }
        (_, None) => output.write(&table(alerts), terminal)?,
    }
    if !args.dry_run && !alerts.is_empty() {
        // An alert that could not be printed has not been sent.
        terminal.flush()?;
        sent.record(alerts)?;
    }
    Ok(())
}

/// Returns the URL of the webhook: the option, the content of the file, or the environment variable
/// unless the output goes elsewhere.
fn webhook_url(args: &Args, files: &RunFiles) -> Result<Option<String>> {
    /// Largest file of a URL, in bytes.
    const MAX_SIZE: u64 = 1 << 16;
    if let Some(path) = &args.webhook_file {
        files.add_input(path)?;
        let failed = |source| Error::Read { path: path.clone(), source };
        let bytes = read_limited(path, MAX_SIZE).map_err(failed)?;
        // An invalid URL is an error that does not repeat it.
        return Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()));
    }
    let from_environment = || {
        let goes_elsewhere = args.prime || args.output.is_given();
        std::env::var(WEBHOOK_VARIABLE).ok().filter(|url| !url.is_empty() && !goes_elsewhere)
    };
    Ok(args.webhook.clone().or_else(from_environment))
}

/// Posts the alerts one by one, or the digest in their place.
fn send(
    webhook: &Webhook,
    changes: &RunDiff,
    digest: Option<&AlertDigest>,
    sent: &mut SentAlerts,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let alerts = &changes.alerts;
    let stage = terminal.progress.stage("alerts", Some(alerts.len() as u64));
    match digest {
        Some(digest) => webhook.deliver_digest(digest, alerts, sent)?,
        None => webhook.deliver(alerts, sent, &mut || stage.advance(1))?,
    }
    drop(stage);
    let form = digest.map_or("", |_| ", as one digest");
    let number = counted(alerts.len() as u64, "alert");
    terminal.note(&format!("Sent {number} to {}{form}", webhook.host()));
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
    /// The width of the columns between the account and the reason, without `by`.
    const MIDDLE: usize = 43;
    /// The narrowest reason.
    const MIN_REASON: usize = 20;
    /// The widest name of definitions.
    const MAX_BY: usize = 24;
    if alerts.is_empty() {
        return String::new();
    }
    let widest = alerts.iter().map(|alert| alert.account_id.chars().count()).max().unwrap_or(0);
    let by = |alert: &Alert| shorten_at_word(&alert.qualified_by_text(), MAX_BY);
    let widest_by = alerts.iter().map(|alert| by(alert).chars().count()).max().unwrap_or(0);
    let widths = widest.max("account".len()) + widest_by.max("by".len()) + MIDDLE;
    let reason_width = WIDTH.saturating_sub(widths).max(MIN_REASON);
    let change = |before: Option<String>, now: Option<String>| match (before, now) {
        (Some(before), Some(now)) => format!("{before} to {now}"),
        (_, now) => now.unwrap_or_default(),
    };
    let row = |alert: &Alert| {
        let [before, now] = [alert.previous_probability, alert.probability];
        let shares: Vec<f64> = before.into_iter().chain(now).collect();
        let mut percents = percents(&shares).into_iter();
        let [before, now] = [before, now].map(|share| share.and_then(|_| percents.next()));
        let reason = alert.shown_reasons().first().copied().unwrap_or_default();
        vec![
            alert.account_id.clone(),
            alert.kind.name().to_owned(),
            by(alert),
            change(before, now),
            change(alert.previous_tier.clone(), alert.tier.clone()),
            shorten_at_word(reason, reason_width),
        ]
    };
    let header = ["account", "change", "by", "probability", "tier", "reason"];
    text::table(&header, alerts.iter().map(row).collect(), 0..0)
}

/// Prints which runs were compared, and the number of alerts.
fn report(changes: &RunDiff, found: usize, within: TimeSpan, terminal: &mut Terminal<'_>) {
    let run = |run: &Run| format!("{} ({})", changes.zone.short(run.time), run.label);
    match &changes.previous {
        Some(before) => {
            terminal.note(&format!("Compared {} with {}", run(&changes.run), run(before)));
        }
        None => terminal.note(&format!(
            "{} is the first run, so accounts that already qualify are reported",
            run(&changes.run)
        )),
    }
    if changes.model_changed() {
        terminal.warn(&Warning::OtherModel);
    }
    terminal.note(&counts(changes, (found - changes.alerts.len()) as u64));
    if changes.skipped_matches > 0 {
        let number = counted(changes.skipped_matches as u64, "account");
        let reason = if changes.previous.is_some() {
            "before the previous run".to_owned()
        } else {
            format!("more than {} ago (`alerts.within`)", span(within))
        };
        let note = format!("Skipped {number} that first matched a definition {reason}");
        terminal.note_lines(&wrap(&note, "  "));
    }
    // Without an earlier run, no account that is not eligible has stopped qualifying.
    if changes.previous.is_none() && changes.ineligible > 0 {
        let ineligible = changes.ineligible as u64;
        terminal.note(&format!(
            "{} {} not eligible and {} no alert ([eligibility])",
            counted(ineligible, "scored account"),
            agree(ineligible, ["is", "are"]),
            agree(ineligible, ["gives", "give"])
        ));
    }
    if changes.skipped_ineligible > 0 {
        terminal.note(&format!(
            "Skipped {} of accounts that are not eligible ([eligibility])",
            counted(changes.skipped_ineligible as u64, "alert")
        ));
    }
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
