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
        "cause": null,
        "model": "t/0001",
        "previous_model": "t/0001",
    });
    assert_eq!(alert, expected);
    assert_eq!(alert["id"].as_str().unwrap().len(), 32);
}

/// Returns the alerts on stdout.
fn objects(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn without_a_known_change_a_fall_is_explained_by_a_concern_and_a_rise_by_reasons() {
    let project = two_runs();
    let run = alerts(&project, &["--dry-run", "--kind", "rose,fell,unqualified"]).done();
    for alert in objects(&run) {
        let text = alert["text"].as_str().unwrap();
        if alert["kind"] == "rose" {
            assert_eq!(alert["cause"], Value::Null);
            assert!(
                text.ends_with(
                    "(was B). 8 invites in the last 28 days, typical 0: +0.53; plan <gold>: +0.10"
                ) || text.contains("(was C). 8 invites"),
                "{text}"
            );
        } else {
            assert_eq!(alert["cause"], "no login yet (typical: 2)", "{text}");
            assert!(text.ends_with(". no login yet (typical: 2)"), "{text}");
        }
    }
    let table = project.pql(&["alerts", "--ledger", "led", "--dry-run", "--kind", "fell"]).done();
    assert!(table.out.lines().next().unwrap().ends_with("tier    reason"), "{}", table.out);
    assert!(table.out.contains("no login yet (typical: 2)"), "{}", table.out);
    assert!(!table.out.contains("8 invites"), "a reason raises the score: {}", table.out);
}

#[test]
fn a_rise_or_fall_has_the_cause_that_explain_shows() {
    let project = weekly();
    for time in ["2025-04-24", "2025-05-01", "2025-05-08"] {
        score(&project, time, &[]);
    }
    assert_eq!(
        project.names("led/cutoff=2025-05-08"),
        ["t@0001.causes.ndjson", "t@0001.parquet"],
        "a ledger may have files of causes"
    );
    let kinds = ["--dry-run", "--kind", "rose,fell,unqualified"];
    let (mut caused, mut kinds_found) = (0, std::collections::BTreeSet::new());
    for alert in objects(&alerts(&project, &kinds).done()) {
        let account = alert["account_id"].as_str().unwrap();
        let since = &alert["previous_cutoff"].as_str().unwrap()[..10];
        let args = ["explain", "t", account, "--at", "2025-05-08", "--since", since];
        let explained = project.pql(&[&args[..], &["--format", "json"]].concat()).done().out;
        let explained: Value = serde_json::from_str(&explained).unwrap();
        let change = &explained["since"]["change"];
        let sign = if alert["kind"] == "rose" { 1.0 } else { -1.0 };
        let size = |part: &Value| sign * part["difference"].as_f64().unwrap();
        let mut parts = change["contributions"].as_array().unwrap().iter();
        // The parts are sorted by size.
        let Some(part) = parts.find(|part| size(part) > 0.05) else { continue };
        let start = format!("{}: ", part["description"].as_str().unwrap());
        let cause = alert["cause"].as_str().unwrap();
        let feature = part["feature"].as_str().unwrap();
        if feature.contains("_velocity") || feature.contains("_trend") {
            let ends = [" (was: ", " (not known before the account was "];
            assert!(ends.iter().any(|end| cause.contains(end)), "{cause}");
            let numbers = ["days before", "in the last", "over the last"];
            assert!(numbers.iter().any(|words| cause.contains(words)), "{cause}");
            assert!(!cause.contains("unchanged") && !cause.contains("new account"), "{cause}");
        } else {
            assert!(cause.starts_with(&start) && cause.contains(" (was "), "{cause} is not {part}");
        }
        assert!(alert["text"].as_str().unwrap().ends_with(&format!(". {cause}")), "{alert}");
        caused += 1;
        kinds_found.insert(alert["kind"].as_str().unwrap().to_owned());
    }
    assert!(caused > 3 && kinds_found.len() > 1, "{caused} {kinds_found:?}");
    // The causes are those since the previous run.
    let earlier = [&kinds[..], &["--since", "2025-04-24"]].concat();
    for alert in objects(&alerts(&project, &earlier).done()) {
        let cause = alert["cause"].as_str();
        let fell = alert["kind"] != "rose";
        assert!(
            cause.is_none_or(|cause| fell
                && !cause.contains(" (was")
                && !cause.contains("known since")),
            "{alert}"
        );
    }
}

#[test]
fn a_damaged_ledger_keeps_no_causes_and_the_scores_are_stored() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    project.write("led/cutoff=2025-05-01/t@0001.parquet", "damaged");
    let messages = score(&project, "2025-05-08", &[]);
    assert!(
        messages.contains("the causes of changes since the run before are not stored"),
        "{messages}"
    );
    assert_eq!(project.names("led/cutoff=2025-05-08"), ["t@0001.parquet"]);
    std::fs::remove_dir_all(project.path("led/cutoff=2025-05-01")).unwrap();
    score(&project, "2025-05-01", &[]);
    score(&project, "2025-05-08", &[]);
    project.write("led/cutoff=2025-05-08/t@0001.causes.ndjson", "{}\n");
    alerts(&project, &[]).fails_with(3, &["expected a JSON object with the cause of a change"]);
    score(&project, "2025-05-08", &[]);
    alerts(&project, &[]).done();
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
