//! `pql explain`: one account's probability as a sum of contributions.

use serde_json::Value;

use crate::ledger::{score, weekly, weekly_with};
use crate::project::{Project, lines};

fn trained(sets: &[&str]) -> Project {
    let project = Project::trial();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    project.train(&sets).done();
    project
}

fn explain(project: &Project, account: &str, more: &[&str]) -> Value {
    let args =
        [&["explain", account, "--model", "t", "--at", "2025-04-20", "--json"], more].concat();
    serde_json::from_str(&project.pql(&args).done().out).unwrap()
}

/// Accounts of a run of scoring with their probabilities.
fn scored(project: &Project) -> Vec<(String, f64)> {
    let out = project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let rows = reader.records().map(|row| row.unwrap());
    rows.filter(|row| !row[2].is_empty())
        .map(|row| (row[0].to_owned(), row[2].parse().unwrap()))
        .collect()
}

#[test]
fn contributions_add_up_to_the_log_odds_of_the_score() {
    for calibration in ["none", "platt", "isotonic"] {
        let project = trained(&[&format!("model.calibration={calibration}")]);
        for (account, probability) in scored(&project).into_iter().take(5) {
            let answer = explain(&project, &account, &[]);
            let explanation = &answer["explanation"];
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            assert_eq!(number(&explanation["probability"]), probability);
            let parts = explanation["contributions"].as_array().unwrap();
            let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
            let total = number(&explanation["base"]) + sum + number(&explanation["calibration"]);
            let log_odds = number(&explanation["log_odds"]);
            assert!((total - log_odds).abs() < 1e-12, "{calibration}: {total} is not {log_odds}");
            assert!((log_odds - (probability / (1.0 - probability)).ln()).abs() < 1e-9);
            assert_eq!(explanation["calibration"].is_null(), calibration != "isotonic");
            for part in parts {
                let columns = part["columns"].as_array().unwrap();
                let sum: f64 = columns.iter().map(|column| number(&column["contribution"])).sum();
                assert!((sum - number(&part["contribution"])).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn a_changed_value_changes_its_own_measure_alone() {
    let project = trained(&[]);
    let account = scored(&project)[0].0.clone();
    let answer = explain(
        &project,
        &account,
        &["--what-if", "events_total=50", "--what-if", "industry=retail"],
    );
    let parts = |of: &str| answer[of]["contributions"].as_array().unwrap().clone();
    let before = parts("explanation");
    for after in parts("what_if") {
        let was = before.iter().find(|part| part["measure"] == after["measure"]).unwrap();
        let named = ["events_total", "industry"].contains(&after["measure"].as_str().unwrap());
        assert!(named || was["contribution"] == after["contribution"], "{after}");
    }
    assert_ne!(answer["explanation"]["probability"], answer["what_if"]["probability"]);
    let said = project
        .pql(&[
            "explain",
            &account,
            "--model",
            "t",
            "--at",
            "2025-04-20",
            "--what-if",
            "events_total=50",
        ])
        .done()
        .out;
    for words in [
        "the average training account",
        "events so far",
        "What if events_total=50: probability",
        "not the effect",
    ] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let project = trained(&[]);
    let account = scored(&project)[0].0.clone();
    let ask = |account: &str, more: &[&str]| {
        project.pql(&[&["explain", account, "--model", "t", "--at", "2025-04-20"], more].concat())
    };
    ask("nobody", &[]).refused(2, &["there is no account `nobody` before 2025-04-20T00:00:00Z"]);
    ask("0000", &[]).refused(2, &["did you mean `0000"]);
    ask(&account, &["--what-if", "event_total=3"])
        .refused(2, &["`event_total` is no feature of the model", "did you mean `events_total`?"]);
    ask(&account, &["--what-if", "events_7d=3"])
        .refused(2, &["`events_7d` is no feature of the model", "it repeats `events_total`"]);
    ask(&account, &["--what-if", "events_total=many"])
        .refused(2, &["found `many`, expected a number"]);
    ask(&account, &["--what-if", "events_total"]).refused(2, &["has no `=`"]);
    let table = project.text("accounts.csv");
    let (converted, at) = table
        .lines()
        .skip(1)
        .find_map(|l| l.split(',').nth(2).filter(|c| !c.is_empty()).map(|c| (l, c)))
        .unwrap();
    let name = converted.split(',').next().unwrap();
    let day: String = at.chars().take(10).collect();
    assert!(day.as_str() < "2025-04-20");
    ask(name, &[])
        .refused(2, &[&format!("`{name}` is not scored at"), "converted or churned before"]);
    let young = project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
    let young = young
        .lines()
        .find(|l| l.contains("too young"))
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    assert!(ask(&young, &[]).done().out.contains("not scored: too young"));
    assert!(explain(&project, &young, &[])["explanation"].is_null());
}

#[test]
fn the_newest_row_of_a_matrix_is_explained() {
    let project = Project::trained_matrix();
    let answer: Value = serde_json::from_str(
        &project
            .pql(&["explain", "m7", "--model", "m", "--features", "matrix.csv", "--json"])
            .done()
            .out,
    )
    .unwrap();
    let scores =
        project.pql(&["score", "--model", "m", "--features", "matrix.csv", "-o", "-"]).done().out;
    let line = scores.lines().find(|l| l.starts_with("m7,")).unwrap();
    assert_eq!(
        answer["explanation"]["probability"].as_f64().unwrap().to_string(),
        line.split(',').nth(2).unwrap()
    );
    project
        .pql(&["explain", "m999", "--model", "m", "--features", "matrix.csv"])
        .refused(2, &["has no row of the account `m999`"]);
    project.pql(&["explain", "m7", "--model", "m"]).refused(2, &["trained on a feature matrix"]);
}

/// Accounts with a probability at both times, each with both.
fn twice(project: &Project, [then, now]: [&str; 2]) -> Vec<(String, [f64; 2])> {
    let at = |at: &str| {
        let out = project.pql(&["score", "--model", "t", "-o", "-", "--at", at]).done().out;
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        rows.into_iter()
            .filter(|row| !row[2].is_empty())
            .map(|row| (row[0].to_owned(), row[2].parse::<f64>().unwrap()))
    };
    let before: std::collections::BTreeMap<String, f64> = at(then).collect();
    at(now)
        .filter_map(|(account, now)| before.get(&account).map(|then| (account, [*then, now])))
        .collect()
}

const TIMES: [&str; 2] = ["2025-04-20", "2025-05-04"];

fn since(project: &Project, account: &str, more: &[&str]) -> Value {
    let args = [
        &["explain", account, "--model", "t", "--at", TIMES[1], "--since", TIMES[0], "--json"],
        more,
    ]
    .concat();
    serde_json::from_str(&project.pql(&args).done().out).unwrap()
}

#[test]
fn what_moved_adds_up_to_the_difference_of_the_log_odds() {
    for calibration in ["none", "platt", "isotonic"] {
        let project = weekly_with(&[&format!("model.calibration={calibration}")]);
        for (account, [then, now]) in twice(&project, TIMES).into_iter().step_by(9).take(4) {
            let answer = since(&project, &account, &[]);
            let moved = &answer["since"]["moved"];
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            assert_eq!(
                (
                    number(&moved["then"]["probability"]),
                    number(&answer["explanation"]["probability"])
                ),
                (then, now)
            );
            let measures = moved["measures"].as_array().unwrap();
            let sum: f64 = measures.iter().map(|of| number(&of["difference"])).sum();
            let total = sum + number(&moved["calibration"]);
            let difference =
                number(&answer["explanation"]["log_odds"]) - number(&moved["then"]["log_odds"]);
            assert!(
                (total - difference).abs() < 1e-12 && difference == number(&moved["log_odds"]),
                "{calibration}: {total}, {difference}"
            );
            assert_eq!(moved["calibration"].is_null(), calibration != "isotonic");
            for of in measures {
                let difference = number(&of["contribution_now"]) - number(&of["contribution_then"]);
                assert_eq!(difference, number(&of["difference"]), "{of}");
                assert!(of["then"] != of["now"] || difference == 0.0, "{of}");
            }
            let args = ["explain", &account, "--model", "t", "--at", TIMES[0], "--json"];
            let alone: Value = serde_json::from_str(&project.pql(&args).done().out).unwrap();
            assert_eq!(moved["then"], alone["explanation"]);
        }
    }
}

#[test]
fn what_moved_is_said_with_the_values_then_and_now() {
    let project = weekly();
    let (account, _) = twice(&project, TIMES)
        .into_iter()
        .find(|(_, [then, now])| (then - now).abs() > 0.01)
        .unwrap();
    let answer = since(&project, &account, &[]);
    let args = ["explain", &account, "--model", "t", "--at", TIMES[1], "--since", TIMES[0]];
    let run = project.pql(&args).done();
    let said = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = &answer["since"]["moved"]["measures"][0];
    let start = format!(
        "{account} at 2025-05-04T00:00:00Z, since 2025-04-20T00:00:00Z, model t/0001 probability "
    );
    assert!(said.starts_with(&start), "{said}");
    let line = format!(
        "{} {:+.4}",
        first["measure"].as_str().unwrap(),
        first["difference"].as_f64().unwrap()
    );
    assert!(
        said.contains(&line) && said.contains(first["what"].as_str().unwrap()),
        "{line} is not in {said}"
    );
    assert_eq!(run.err.matches("Data quality").count(), 1, "the log is told of once");
}

#[test]
fn what_was_recorded_stands_beside_it() {
    let project = weekly();
    let (account, [then, _]) = twice(&project, TIMES).remove(0);
    let ask = |more: &[&str]| {
        let args = [
            "explain",
            account.as_str(),
            "--model",
            "t/0001",
            "--at",
            TIMES[1],
            "--since",
            TIMES[0],
            "--ledger",
            "led",
        ];
        project.pql(&[&args[..], more].concat()).done()
    };
    score(&project, "2025-04-13", &[]);
    ask(&[]).says(&["`led` has no run of `t` at 2025-04-20T00:00:00Z; the newest before is of 2025-04-13T00:00:00Z"]);
    score(&project, TIMES[0], &[]);
    let recorded = since(&project, &account, &["--ledger", "led"])["since"]["recorded"].clone();
    assert_eq!(
        recorded,
        serde_json::json!({ "probability": then, "model": "t/0001", "other_model": false })
    );
    assert!(ask(&[]).out.contains(&format!("recorded then: {then:.4} by t/0001\n")));
    let events = project.text("events.csv");
    let late = lines(20, |hour| format!("{account},u9,share,2025-04-19T{hour:02}:00:00Z,5"));
    project.write("events.csv", events + &late);
    assert!(ask(&[]).out.contains("the log says something else of that time today"));
    project.train(&["--set", "model.min_conversions=5", "--set", "model.penalty=none"]).done();
    std::fs::remove_dir_all(project.path("led")).unwrap();
    project.pql(&["score", "--model", "t/0002", "--at", TIMES[0], "--ledger", "led"]).done();
    assert!(ask(&[]).out.contains("by t/0002, another version of the model"));
}

#[test]
fn a_time_that_cannot_be_compared_is_said() {
    let project = weekly();
    let account = twice(&project, TIMES).pop().unwrap().0;
    let ask = |more: &[&str]| {
        project.pql(&[&["explain", &account, "--model", "t", "--at", TIMES[1]], more].concat())
    };
    ask(&["--since", TIMES[1]]).refused(
        2,
        &["`--since` is 2025-05-04T00:00:00Z, which is not before 2025-05-04T00:00:00Z"],
    );
    ask(&["--since", "2025-01-03"]).refused(2, &["there is no account"]);
    ask(&["--since", TIMES[0], "--what-if", "events_7d=1"]).refused(2, &["--what-if"]);
    ask(&["--ledger", "led"]).refused(2, &["--since"]);
    let table = project.text("accounts.csv");
    let signed_up =
        table.lines().find(|line| line.starts_with(&account)).unwrap().split(',').nth(1).unwrap();
    let hour = pql::time::iso(pql::time::parse_iso(signed_up).unwrap() + pql::time::DAY / 24);
    let said = ask(&["--since", &hour]).done().out;
    assert!(
        said.starts_with(&format!(
            "{account} at {hour}: not scored: too young\n{account} at 2025-05-04"
        )),
        "{said}"
    );
    let trial = trained(&[]);
    let run = |at: &str| trial.pql(&["score", "--model", "t", "-o", "-", "--at", at]).done().out;
    let scored = |out: &str| -> Vec<String> {
        out.lines()
            .filter(|line| line.contains(",t/0001") && !line.contains("not scored"))
            .map(|line| line[..5].to_owned())
            .collect()
    };
    let (then, now) = (scored(&run("2025-04-20")), scored(&run("2025-04-24")));
    let both = now.iter().find(|account| then.contains(account)).unwrap();
    let run = trial
        .pql(&["explain", both, "--model", "t", "--at", "2025-04-24", "--since", "2025-04-20"])
        .done();
    run.says(&["both times its features are the same"]);
}
