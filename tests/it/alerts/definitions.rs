//! Alerts on definitions, the first run, and accounts that have no probability.

use serde_json::Value;

use super::runs::{BY_DEFINITION, NEW, OLD, Row, store_matches, store_run};
use super::{alerts, changes};
use crate::project::Project;

#[test]
fn a_definition_gives_an_alert_when_it_first_held() {
    let project = Project::new();
    let old = ("old", Some(0.1), BY_DEFINITION, Some(1));
    store_matches(
        &project,
        20,
        None,
        &[
            old,
            ("new", Some(0.1), BY_DEFINITION, Some(6)),
            ("model", Some(0.9), Some("model"), None),
            ("young", None, None, Some(19)),
            ("open", Some(0.1), None, None),
        ],
    );
    let first = alerts(&project, &[]).done().stderr_has(&[
        "is the first run, so accounts that already qualify are reported",
        "Skipped 1 account that first matched a definition more than 14 days ago (`alerts.within`)",
    ]);
    assert_eq!(changes(&first), ["qualified model", "qualified new"]);
    let month = alerts(&project, &["--set", "alerts.within=30d"]).done();
    assert_eq!(changes(&month), ["qualified old"]);
    project.write("pql.toml", "[alerts]\nwithin = \"1h\"\n");
    std::fs::remove_file(project.path("led/cutoff=2025-05-20/sent.ndjson")).unwrap();
    assert_eq!(changes(&alerts(&project, &["--dry-run"]).done()), ["qualified model"]);
    project.write("pql.toml", "");

    // The next night: a match since the run, one that arrived late, and an account that is old
    // enough now.
    let second = [
        old,
        ("open", Some(0.1), BY_DEFINITION, Some(20)),
        ("late", Some(0.1), BY_DEFINITION, Some(3)),
        ("young", Some(0.1), BY_DEFINITION, Some(19)),
        ("back", Some(0.1), None, None),
    ];
    store_matches(&project, 21, None, &second);
    let run = alerts(&project, &[])
        .done()
        .stderr_has(&["Skipped 1 account that first matched a definition before the previous run"]);
    assert_eq!(changes(&run), ["qualified open", "qualified young"]);

    // After a gap of the runs, everything since the last run counts. One run lacked an account.
    store_matches(&project, 22, None, &second[..4]);
    assert_eq!(changes(&alerts(&project, &[]).done()), [""; 0]);
    store_matches(
        &project,
        60,
        None,
        &[
            ("open", Some(0.1), BY_DEFINITION, Some(20)),
            ("back", Some(0.1), BY_DEFINITION, Some(21)),
            ("gone", Some(0.1), BY_DEFINITION, Some(25)),
        ],
    );
    let run = alerts(&project, &[]).done();
    assert_eq!(changes(&run), ["qualified back", "qualified gone"]);
    let back: Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
    assert_eq!(back["previous_cutoff"], "2025-05-21T00:00:00Z", "the run that scored it");
}

#[test]
fn an_account_that_one_run_did_not_score_gives_no_second_alert() {
    let project = Project::new();
    let hot = ("hot", Some(0.9), Some("model"), None);
    store_matches(&project, 1, None, &[hot, ("cold", Some(0.1), None, None)]);
    store_matches(&project, 2, None, &[("hot", None, None, None)]);
    store_matches(&project, 3, None, &[hot, ("cold", Some(0.9), Some("model"), None)]);
    let run = alerts(&project, &[]).done();
    assert_eq!(changes(&run), ["qualified cold"]);
    assert_eq!(changes(&alerts(&project, &["--kind", "rose"]).done()), ["rose cold"]);
}

#[test]
fn without_a_probability_there_is_no_alert() {
    let project = Project::new();
    store_matches(&project, 1, None, &[("a", Some(0.1), None, None)]);
    // Earlier versions stored such accounts as qualified.
    let rows: [Row; 2] =
        [("a", None, None, Some(true), false), ("b", None, None, Some(true), false)];
    store_run(&project, "t/0001", "2025-05-02", &rows);
    let run = alerts(&project, &["--kind", "qualified,unqualified,rose,fell"]).done();
    assert_eq!(changes(&run), [""; 0]);
}

#[test]
fn scores_at_an_age_cannot_rise_or_fall() {
    let project = Project::new();
    store_matches(&project, 10, Some(1), &[("a", Some(0.1), None, None)]);
    let now = [
        ("a", Some(0.9), Some("model"), None),
        // It matched long ago, and is old enough since the last run.
        ("b", Some(0.1), BY_DEFINITION, Some(-30)),
    ];
    store_matches(&project, 12, Some(11), &now);
    assert_eq!(changes(&alerts(&project, &[]).done()), ["qualified a", "qualified b"]);
    for kind in ["rose", "qualified,fell", "unqualified"] {
        alerts(&project, &["--kind", kind]).fails_with(
            2,
            &["`observation.cutoffs = \"age\"`", "hint: use `--kind qualified`", "`--kind "],
        );
    }
    // A matrix can have rows of several cutoffs and no horizon.
    let project = Project::trained_matrix();
    for (day, usage) in [(1, 0.1), (8, 0.9)] {
        let rows = format!(
            "account_id,cutoff,usage,plan\na,2025-01-0{day},{usage},pro\nb,2025-01-01,0.2,pro\n"
        );
        project.write("dated.csv", rows);
        project.pql(&["score", "m", "--features", "dated.csv", "--ledger", "led"]).done();
    }
    alerts(&project, &["--kind", "rose,fell"]).done();
}

#[test]
fn prime_records_the_first_run_without_sending() {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    let run = alerts(&project, &["--prime"])
        .done()
        .stderr_has(&["Recorded 3 alerts as reported; nothing was sent"]);
    assert_eq!(run.out, "");
    assert_eq!(project.text("led/cutoff=2025-05-01/sent.ndjson").lines().count(), 3);
    let again = alerts(&project, &[]).done().stderr_has(&["0 new alerts (3 reported earlier)"]);
    assert_eq!(again.out, "");
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    assert_eq!(changes(&alerts(&project, &[]).done()).len(), 6);
    for other in
        [&["--webhook", "http://127.0.0.1:9"][..], &["--dry-run"], &["--since", "2025-05-01"]]
    {
        alerts(&project, &[&["--prime"], other].concat()).fails_with(2, &["cannot be used with"]);
    }
}

#[test]
fn the_table_shows_what_qualifies_an_account_and_at_most_a_digest() {
    let project = Project::new();
    let rows = [
        ("a", Some(0.9), Some("model"), None),
        ("b", Some(0.8), Some("both"), Some(10)),
        ("c", Some(0.1), BY_DEFINITION, Some(10)),
    ];
    store_matches(&project, 11, None, &rows);
    let table = |args: &[&str]| {
        project.pql(&[&["alerts", "--ledger", "led", "--dry-run"], args].concat()).done()
    };
    let all = table(&[]);
    let lines: Vec<&str> = all.out.lines().collect();
    assert!(lines[0].contains("by "), "{}", all.out);
    for (line, by) in
        lines[1..].iter().zip([" threshold ", " threshold, hits a limit ", " hits a limit "])
    {
        assert!(line.contains(by), "{}", all.out);
    }
    let digest = table(&["--max", "2"]).stderr_has(&["3 alerts: 3 qualified"]);
    assert!(!digest.err.contains("Showed the first"), "{}", digest.err);
    assert_eq!(digest.out, all.out, "a digest lists up to ten accounts");
    let json = table(&["--max", "2", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap().as_array().unwrap().len(), 3);
    table(&[]);
    project.pql(&["alerts", "--ledger", "led", "--max", "0"]).fails_with(2, &["--max"]);
}
