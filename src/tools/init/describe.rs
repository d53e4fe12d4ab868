//! What was guessed and why, in lines for the screen.

use super::accounts::GuessedAccountColumns;
use super::by_reason;
use super::columns::{Choice, GuessedEventColumns};
use super::event_types::EventTypeCounts;
use super::naming::EventTypeSource;
use super::sample::Sample;
use crate::names::{backticked, counted};

/// Adds remarks about a source of events.
pub(super) fn describe_source(
    sample: &Sample,
    columns: &GuessedEventColumns,
    event_types: &EventTypeCounts,
    remarks: &mut Vec<String>,
) {
    let source = sample.label();
    let naming = match &columns.naming {
        EventTypeSource::Column(name) | EventTypeSource::Stages(name) => {
            format!("event = `{name}` ({})", counted(event_types.names.len() as u64, "type"))
        }
        EventTypeSource::One(name) => format!("no event type column (every row is `{name}`)"),
        EventTypeSource::Unpivot { columns, .. } => {
            format!("a daily table with the event types {}", backticked(columns))
        }
    };
    let user =
        columns.user.as_ref().map_or("no user column".to_owned(), |u| format!("user = `{u}`"));
    let format =
        columns.time_format.format.as_ref().map(|f| format!(" (format `{f}`)")).unwrap_or_default();
    let received =
        columns.received.as_ref().map(|name| format!(", received = `{name}`")).unwrap_or_default();
    remarks.push(format!(
        "`{source}`: {}, {user}, {naming}, {}{format}{received}",
        choice("account", &columns.account),
        choice("timestamp", &columns.timestamp)
    ));
    describe_repeated(sample, remarks);
    if !columns.other_accounts.is_empty() && columns.account.name().is_some() {
        remarks
            .push(format!("`{source}`: not the account: {}", backticked(&columns.other_accounts)));
    }
    let rejected = columns.other_times.iter().map(|(name, reason)| (name, reason.as_str()));
    for (reason, names) in by_reason(rejected) {
        remarks.push(format!(
            "`{source}`: not the time of the event: {} ({reason})",
            backticked(&names)
        ));
    }
}

/// Adds a remark about columns that cannot be used because others have the same name.
fn describe_repeated(sample: &Sample, remarks: &mut Vec<String>) {
    if !sample.repeated.is_empty() {
        remarks.push(format!(
            "`{}`: not used: {} (several columns have this name)",
            sample.label(),
            backticked(&sample.repeated)
        ));
    }
}

fn choice(key: &str, choice: &Choice) -> String {
    match choice {
        Choice::Column { name, evidence } if evidence.is_empty() => format!("{key} = `{name}`"),
        Choice::Column { name, evidence } => format!("{key} = `{name}` ({evidence})"),
        Choice::OfUser { user, evidence } => {
            format!("{key} of the user in `{user}` ({evidence})")
        }
        Choice::Undecided { .. } => format!("{key} undecided"),
    }
}

/// Adds remarks about the account list.
pub(super) fn describe_accounts(
    sample: &Sample,
    columns: &GuessedAccountColumns,
    remarks: &mut Vec<String>,
) {
    let optional = |key: &str, name: &Option<String>| {
        name.as_ref().map_or(format!(", no {key} column"), |n| format!(", {key} = `{n}`"))
    };
    let attributes = if columns.attributes.is_empty() {
        "none".to_owned()
    } else {
        backticked(&columns.attributes)
    };
    let times = &columns.times;
    remarks.push(format!(
        "`{}`: account = `{}`, signed_up = `{}`{}{}, attributes: {attributes}",
        sample.label(),
        columns.account,
        times.signed_up,
        optional("converted", &times.converted),
        optional("churned", &times.churned)
    ));
    describe_repeated(sample, remarks);
    if !times.other_sign_ups.is_empty() {
        let others = backticked(&times.other_sign_ups);
        remarks.push(format!("accounts.signed_up: {others} could also be the sign-up"));
    }
    for (name, reason) in &times.rejected {
        remarks.push(format!("accounts: `{name}` is not used ({reason})"));
    }
    let rejected = columns.rejected.iter().map(|(name, reason)| (name, *reason));
    for (reason, names) in by_reason(rejected) {
        remarks.push(format!("not an attribute: {} ({reason})", backticked(&names)));
    }
    if let Some(seats) = &columns.seats {
        remarks.push(format!("seats: check that `{seats}` is the number at sign-up; remove it if it changes on conversion"));
    }
}
