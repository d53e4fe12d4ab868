//! Runs of the ledger `led` made of a few rows.

use polars::prelude::*;
use pql::io::write::{OutputTable, RunFiles, time_column};
use pql::registry::ledger::RunWriter;
use pql::time::{DAY, parse_iso};

use crate::project::Project;

/// A row of a run: account, probability, tier, whether it qualifies, whether it is in the holdout.
pub(super) type Row = (&'static str, Option<f64>, Option<&'static str>, Option<bool>, bool);

pub(super) const OLD: [Row; 7] = [
    ("a", Some(0.1), Some("C"), Some(false), false),
    ("b", Some(0.5), Some("A"), Some(true), false),
    ("c", Some(0.2), Some("B"), Some(false), false),
    ("d", Some(0.4), Some("A"), Some(true), false),
    ("e", Some(0.1), Some("C"), Some(false), true),
    ("g", None, None, None, false),
    ("i", Some(0.4), Some("B"), Some(true), false),
];

pub(super) const NEW: [Row; 8] = [
    ("a", Some(0.6), Some("A"), Some(true), false),
    ("b", Some(0.5), Some("A"), Some(true), false),
    ("c", Some(0.25), Some("A"), Some(false), false),
    ("d", Some(0.3), Some("B"), Some(true), false),
    ("e", Some(0.7), Some("A"), Some(true), true),
    ("f", Some(0.8), Some("A"), Some(true), false),
    ("g", Some(0.3), Some("B"), Some(true), false),
    ("i", Some(0.01), Some("D"), Some(false), false),
];

/// A row of a run, with the columns that differ between tests.
#[derive(Default)]
struct LedgerRow {
    account: &'static str,
    probability: Option<f64>,
    tier: Option<&'static str>,
    qualified: Option<bool>,
    qualified_by: Option<&'static str>,
    pql_types: Option<&'static str>,
    pql_at: Option<i64>,
    holdout: bool,
    reasons: [Option<&'static str>; 2],
    concern: Option<&'static str>,
    definitions: Option<&'static str>,
}

/// Writes a run of the model `label` at a time, whose rows have a cutoff.
fn write_run(project: &Project, label: &str, time: i64, cutoff: i64, rows: &[LedgerRow]) {
    let text = |name: &str, value: &dyn Fn(&LedgerRow) -> Option<&'static str>| {
        rows.iter().map(value).collect::<StringChunked>().with_name(name.into()).into_column()
    };
    let number = |name: &str, value: &dyn Fn(&LedgerRow) -> Option<f64>| {
        rows.iter().map(value).collect::<Float64Chunked>().with_name(name.into()).into_column()
    };
    let flag = |name: &str, value: &dyn Fn(&LedgerRow) -> Option<bool>| {
        rows.iter().map(value).collect::<BooleanChunked>().with_name(name.into()).into_column()
    };
    let model = rows.iter().map(|_| Some(label)).collect::<StringChunked>();
    let columns = vec![
        text("account_id", &|row| Some(row.account)),
        time_column("cutoff", rows.iter().map(|_| Some(cutoff))),
        number("probability", &|row| row.probability),
        number("probability_low", &|row| row.probability.map(|p| p / 2.0)),
        number("probability_high", &|_| None),
        number("percentile", &|row| row.probability.map(|p| 100.0 * p)),
        text("tier", &|row| row.tier),
        flag("qualified", &|row| row.qualified),
        text("qualified_by", &|row| row.qualified_by),
        text("pql_types", &|row| row.pql_types),
        time_column("pql_at", rows.iter().map(|row| row.pql_at)),
        flag("holdout", &|row| Some(row.holdout)),
        text("reason_1", &|row| row.reasons[0]),
        text("reason_2", &|row| row.reasons[1]),
        text("reason_3", &|_| None),
        text("concern_1", &|row| row.concern),
        text("pql_definitions", &|row| row.definitions),
        time_column("horizon_end", rows.iter().map(|_| Some(cutoff + 30 * DAY))),
        model.with_name("model".into()).into_column(),
    ];
    let frame = DataFrame::new(rows.len(), columns).unwrap();
    let mut run = RunWriter::create(&project.path("led"), label, frame.schema()).unwrap();
    run.write(OutputTable::from(&frame)).unwrap();
    run.finish(time, &RunFiles::default()).unwrap();
}

/// Stores a run of a model.
pub(super) fn store_run(project: &Project, label: &str, time: &str, rows: &[Row]) {
    let time = parse_iso(time).unwrap();
    let row = |&(account, probability, tier, qualified, holdout): &Row| {
        let qualifies = qualified == Some(true);
        LedgerRow {
            account,
            probability,
            tier,
            qualified,
            qualified_by: qualifies.then_some("both"),
            pql_types: qualifies.then_some("criteria;limit"),
            pql_at: qualifies.then_some(time),
            holdout,
            reasons: [
                Some("8 invites in the last 28 days, typical 0: +0.53"),
                Some("plan <gold>: +0.10"),
            ],
            concern: Some("no login yet (typical: 2)"),
            definitions: qualifies.then_some("hits a limit"),
        }
    };
    let rows: Vec<LedgerRow> = rows.iter().map(row).collect();
    write_run(project, label, time, time, &rows);
}

/// Creates a ledger of two runs.
pub(super) fn two_runs() -> Project {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    project
}

/// A row of a run: account, probability, what qualifies it, day of May of its first match.
pub(super) type Match = (&'static str, Option<f64>, Option<&'static str>, Option<i64>);

pub(super) const BY_DEFINITION: Option<&str> = Some("definition");

/// Stores a run at a day of May 2025; accounts have the cutoff of the run, or of an earlier day.
pub(super) fn store_matches(project: &Project, day: i64, cutoff: Option<i64>, rows: &[Match]) {
    let may = |day: i64| parse_iso("2025-05-01").unwrap() + (day - 1) * DAY;
    let row = |&(account, probability, qualified_by, matched): &Match| LedgerRow {
        account,
        probability,
        tier: probability.map(|p| if p < 0.5 { "D" } else { "B" }),
        qualified: probability.map(|_| qualified_by.is_some()),
        qualified_by,
        pql_types: matched.map(|_| "limit"),
        pql_at: matched.map(may),
        definitions: matched.map(|_| "hits a limit"),
        ..LedgerRow::default()
    };
    let rows: Vec<LedgerRow> = rows.iter().map(row).collect();
    write_run(project, "t/0001", may(day), may(cutoff.unwrap_or(day)), &rows);
}
