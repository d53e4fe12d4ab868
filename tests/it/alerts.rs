//! `pql alerts`: changes between two runs, each sent once.

mod definitions;
mod runs;
mod webhook;

use std::path::Path;

use pql::registry::ledger::Ledger;
use serde_json::Value;

use self::runs::{NEW, OLD, store_run, two_runs};
use crate::ledger::{score, weekly};
use crate::project::{Project, Run};

fn alerts(project: &Project, args: &[&str]) -> Run {
    let posts = ["--webhook", "--webhook-file", "--prime"];
    let writes = !args.iter().any(|arg| posts.contains(arg));
    let format: &[&str] = if writes { &["--format", "ndjson"] } else { &[] };
    project.pql(&[&["alerts", "--ledger", "led"], format, args].concat())
}

/// Returns `kind account` of each alert on stdout.
fn changes(run: &Run) -> Vec<String> {
    let one = |line: &str| {
        let alert: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", alert["kind"].as_str().unwrap(), alert["account_id"].as_str().unwrap())
    };
    run.out.lines().map(one).collect()
}

#[test]
fn each_account_gets_one_alert_of_the_first_kind() {
    let project = two_runs();
    let run = alerts(&project, &["--dry-run"]).done();
    assert_eq!(
        changes(&run),
        ["qualified f", "qualified a", "qualified g", "rose c", "fell d", "fell i"]
    );
    run.stderr_has(&[
        "2025-05-08 (t/0001) with 2025-05-01 (t/0001)",
        "6 alerts: 3 qualified, 1 rose, 2 fell",
        "Skipped 1 alert of the holdout",
    ]);
    let kinds = |kinds: &str| changes(&alerts(&project, &["--dry-run", "--kind", kinds]).done());
    assert_eq!(kinds("rose"), ["rose a", "rose c"]);
    assert_eq!(kinds("unqualified,fell"), ["unqualified i", "fell d"]);
    alerts(&project, &["--kind", "risen"]).fails_with(2, &["possible values: qualified"]);
    let all = changes(&alerts(&project, &["--dry-run", "--include-holdout"]).done());
    assert_eq!(all[..2], ["qualified f", "qualified e"]);
}

#[test]
fn alerts_have_current_and_previous_values() {
    let project = two_runs();
    let run = alerts(&project, &["--dry-run"]).done();
    let alert: Value = serde_json::from_str(run.out.lines().nth(1).unwrap()).unwrap();
    let expected = serde_json::json!({
        "id": alert["id"],
        "kind": "qualified",
        "account_id": "a",
        "text": "a newly qualifies by the model and the PQL definition \"hits a limit\": 60.0% likely to convert (10.0% on 2025-05-01), tier A (was C). \
            8 invites in the last 28 days, typical 0: +0.53; plan <gold>: +0.10",
        "cutoff": "2025-05-08T00:00:00Z",
        "previous_cutoff": "2025-05-01T00:00:00Z",
        "probability": 0.6,
        "previous_probability": 0.1,
        "percentile": 60.0,
        "previous_percentile": 10.0,
        "tier": "A",
        "previous_tier": "C",
        "qualified": true,
        "qualified_by": "both",
        "pql_types": ["criteria", "limit"],
        "pql_definitions": ["hits a limit"],
        "pql_at": "2025-05-08T00:00:00Z",
        "holdout": false,
        "reasons": ["8 invites in the last 28 days, typical 0: +0.53", "plan <gold>: +0.10"],
        "model": "t/0001",
        "previous_model": "t/0001",
    });
    assert_eq!(alert, expected);
    assert_eq!(alert["id"].as_str().unwrap().len(), 32);
}

#[test]
fn alerts_are_sent_once_and_a_dry_run_sends_none() {
    let project = two_runs();
    let dry = alerts(&project, &["--dry-run"]).done().out;
    assert_eq!(
        project.names("led/cutoff=2025-05-08"),
        ["t@0001.parquet"],
        "a dry run records nothing"
    );
    assert_eq!(alerts(&project, &["-o", "a.ndjson"]).done().out, "");
    assert_eq!(project.text("a.ndjson"), dry);
    let again = alerts(&project, &[]).done().stderr_has(&["0 new alerts (6 reported earlier)"]);
    assert_eq!(again.out, "");
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    store_run(&project, "t/0002", "2025-05-08", &NEW);
    let other = alerts(&project, &[]).done().stderr_has(&[
        "(t/0002) with 2025-05-01 (t/0001)",
        "warning: the previous run used another model",
    ]);
    assert_eq!(other.out, "", "another version at the same time sends no alert again");
    assert_eq!(changes(&alerts(&project, &["--include-holdout"]).done()), ["qualified e"]);
    store_run(&project, "t/0002", "2025-05-15", &OLD);
    assert_eq!(
        changes(&alerts(&project, &[]).done()),
        ["qualified i", "rose d", "fell c", "fell a"]
    );
}

#[test]
fn the_first_run_and_a_chosen_previous_run() {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    let first = alerts(&project, &["--dry-run"])
        .done()
        .stderr_has(&["2025-05-01 (t/0001) is the first run"]);
    assert_eq!(changes(&first), ["qualified b", "qualified d", "qualified i"]);
    assert!(first.out.contains("\"previous_cutoff\":null"));
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    store_run(&project, "t/0001", "2025-05-15", &NEW);
    assert_eq!(alerts(&project, &["--dry-run"]).done().out, "");
    let since = alerts(&project, &["--dry-run", "--since", "2025-05-07"])
        .done()
        .stderr_has(&["2025-05-15 (t/0001) with 2025-05-01 (t/0001)"]);
    assert_eq!(changes(&since).len(), 6);
    alerts(&project, &["--since", "2025-04-01"])
        .fails_with(2, &["no run of `t` at or before 2025-04-01"]);
}

#[test]
fn with_several_models_one_must_be_named() {
    let project = two_runs();
    store_run(&project, "other", "2025-05-08", &OLD);
    alerts(&project, &[]).fails_with(2, &["`led` has runs of several models: `other`, `t`"]);
    assert_eq!(changes(&alerts(&project, &["t", "--dry-run"]).done()).len(), 6);
    assert_eq!(changes(&alerts(&project, &["other", "--dry-run"]).done()).len(), 3);
    alerts(&project, &["others"]).fails_with(2, &["no run of `others`", "did you mean `other`?"]);
    project.pql(&["alerts", "--ledger", "absent"]).fails_with(2, &["ledger not found: `absent`"]);
    std::fs::create_dir(project.path("empty")).unwrap();
    project.pql(&["alerts", "--ledger", "empty"]).fails_with(2, &["has no scores"]);
}

#[test]
fn unsent_alerts_of_earlier_runs_are_counted() {
    let project = two_runs();
    assert!(
        !alerts(&project, &["--dry-run"]).done().err.contains("not sent"),
        "the first run has no earlier runs"
    );
    store_run(&project, "t/0001", "2025-05-15", &OLD);
    let words = [
        "warning: 6 alerts of earlier runs were not sent; run with `--since 2025-05-01` to include them",
    ];
    alerts(&project, &["--dry-run"]).done().stderr_has(&words);
    assert!(
        !alerts(&project, &["--dry-run", "--since", "2025-05-01"]).done().err.contains("not sent")
    );
    // Another run with unsent alerts and a run without alerts do not hide the unsent alerts.
    store_run(&project, "t/0001", "2025-05-22", &OLD);
    store_run(&project, "t/0001", "2025-05-29", &NEW);
    alerts(&project, &["--dry-run"])
        .done()
        .stderr_has(&["of earlier runs were not sent; run with `--since 2025-05-01`"]);
    alerts(&project, &["--since", "2025-05-01"]).done();
    store_run(&project, "t/0001", "2025-06-05", &OLD);
    assert!(
        !alerts(&project, &["--dry-run"]).done().err.contains("not sent"),
        "alerts sent with `--since` count as sent"
    );
    for later in ["05-15", "05-22", "05-29", "06-05"] {
        std::fs::remove_dir_all(project.path(&format!("led/cutoff=2025-{later}"))).unwrap();
    }
    alerts(&project, &[]).done();
    store_run(&project, "t/0001", "2025-05-15", &OLD);
    assert!(!alerts(&project, &[]).done().err.contains("not sent"), "all alerts were sent");
}

#[test]
fn an_incomplete_line_is_written_again() {
    let project = two_runs();
    alerts(&project, &[]).done();
    let file = "led/cutoff=2025-05-08/sent.ndjson";
    let text = project.text(file);
    assert_eq!(text.lines().count(), 6);
    let last = text.lines().last().unwrap();
    project.write(file, &text[..text.len() - last.len() / 2]);
    assert_eq!(changes(&alerts(&project, &[]).done()), ["fell i"]);
    assert_eq!(project.text(file), text);
    project.write(file, "{}\n");
    alerts(&project, &[])
        .fails_with(3, &["sent.ndjson`, row 1: expected a JSON object with the `id`"]);
}

#[test]
fn newly_qualified_accounts_of_two_real_runs() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    score(&project, "2025-05-08", &[]);
    let run = alerts(&project, &[]).done();
    let table = |folder: &str| {
        let run = Ledger::open(&project.path("led"))
            .unwrap()
            .runs(None)
            .unwrap()
            .into_iter()
            .find(|run| run.path.starts_with(project.path(folder)));
        let rows = run.unwrap().rows().unwrap();
        let (account, qualified) =
            (rows.column("account_id").unwrap().clone(), rows.column("qualified").unwrap().clone());
        let pairs = account
            .str()
            .unwrap()
            .iter()
            .zip(qualified.bool().unwrap().iter())
            .map(|(a, q)| (a.unwrap().to_owned(), q == Some(true)));
        pairs.collect::<std::collections::BTreeMap<String, bool>>()
    };
    let (old, new) = (table("led/cutoff=2025-05-01"), table("led/cutoff=2025-05-08"));
    let newly: Vec<&String> =
        new.iter().filter(|(a, q)| **q && old.get(*a) != Some(&true)).map(|(a, _)| a).collect();
    let mut found: Vec<String> = changes(&run)
        .iter()
        .filter_map(|line| line.strip_prefix("qualified ").map(str::to_owned))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    assert_eq!(found.iter().collect::<Vec<_>>(), newly);
    assert!(Path::new(&project.path("led/cutoff=2025-05-08/sent.ndjson")).exists());
}
