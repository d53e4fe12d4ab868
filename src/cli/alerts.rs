//! `pql alerts`

use std::path::PathBuf;

use super::Terminal;
use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::operations::alerts::{Alert, Changes, Kind, Sent, Wanted, Webhook};
use crate::registry::ledger::{Ledger, Run};
use crate::time::{DAY, Timestamp, iso, iso_day};
use crate::warning::Warning;

/// Tell of accounts that newly qualified, rose or fell a tier since the run before
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of scores that `pql score --ledger` keeps
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// Model, NAME (of whatever version) or NAME/VERSION [default: the only one in the ledger]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Compare with the newest run at or before this time [default: the run before]
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Changes to tell of: qualified, unqualified, rose, fell
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "qualified,rose,fell")]
    kind: Vec<Kind>,
    /// Tell of the accounts of the holdout, too, which are to be left alone for comparison
    #[arg(long)]
    with_holdout: bool,
    /// Write one JSON object a line, `-` for stdout; a file is written anew each time
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Post each alert as a JSON object to this URL
    #[arg(long, value_name = "URL", conflicts_with = "output")]
    webhook: Option<String>,
    /// Further attempts where the webhook does not answer, or with status 429 or 5xx
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=10), requires = "webhook")]
    retries: u32,
    /// Write what would be sent, post nothing and remember nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let webhook = args.webhook.as_ref().map(|url| Webhook::new(url, args.retries)).transpose()?;
    let ledger = Ledger::open(&args.ledger)?;
    let wanted = Wanted {
        model: args.model.clone(),
        since: args.since.map(|since| since.0),
        until: None,
        kinds: args.kind.clone(),
        with_holdout: args.with_holdout,
    };
    let mut changes = Changes::find(&ledger, &wanted)?;
    let mut sent =
        if args.dry_run { Sent::look(&changes.run)? } else { Sent::open(&ledger, &changes.run)? };
    let found = changes.alerts.len();
    changes.alerts.retain(|alert| !sent.has(alert));
    report(&changes, found, terminal);
    if args.since.is_none()
        && let Some((unsent, since)) = changes.unsent_before(&ledger, &wanted)?
    {
        terminal.warn(&Warning::AlertsNotSent { alerts: unsent, since: Timestamp(since) });
    }
    let alerts = &changes.alerts;
    if let Some(webhook) = webhook.filter(|_| !args.dry_run) {
        let stage = terminal.progress.stage("alerts", Some(alerts.len() as u64));
        webhook.deliver(alerts, &mut sent, &mut || stage.advance(1))?;
        drop(stage);
        terminal.note(&format!("{} sent to {}", counted(alerts.len()), webhook.host()));
        return Ok(());
    }
    write_bytes(&args.output, lines(alerts)?.as_bytes())?;
    if !args.dry_run && !alerts.is_empty() {
        sent.remember(alerts)?;
    }
    Ok(())
}

/// A JSON object a line.
fn lines(alerts: &[Alert]) -> Result<String> {
    let mut lines = String::new();
    for alert in alerts {
        lines += &serde_json::to_string(alert)
            .map_err(|source| Error::Json { what: "the alert", source })?;
        lines.push('\n');
    }
    Ok(lines)
}

/// Say which runs were compared and what was found.
fn report(changes: &Changes, found: usize, terminal: &mut Terminal<'_>) {
    let run = |run: &Run| format!("{} ({})", said(run.at), run.label);
    match &changes.before {
        Some(before) => terminal.note(&format!("{} against {}", run(&changes.run), run(before))),
        None => terminal.note(&format!(
            "{}, the first run: everything that qualifies newly does",
            run(&changes.run)
        )),
    }
    if changes.other_model() {
        terminal.warn(&Warning::OtherModel);
    }
    let mut said = vec![counted(changes.alerts.len())];
    for kind in Kind::ALL {
        let count = changes.alerts.iter().filter(|alert| alert.kind == kind).count();
        if count > 0 {
            said.push(format!("{count} {}", kind.name()));
        }
    }
    let before = found - changes.alerts.len();
    if before > 0 {
        said.push(format!("{before} more were sent before"));
    }
    terminal.note(&said.join(", "));
    if changes.held_out > 0 {
        terminal.note(&format!(
            "{} of accounts of the holdout left out: they are to be left alone",
            counted(changes.held_out)
        ));
    }
}

/// A time as `--since` takes it.
fn said(at: i64) -> String {
    if at % DAY == 0 { iso_day(at) } else { iso(at) }
}

fn counted(alerts: usize) -> String {
    format!("{alerts} {}", if alerts == 1 { "alert" } else { "alerts" })
}
