//! `pql explain`: one account's probability as a sum of contributions.

use serde_json::Value;

use crate::project::Project;

fn trained(sets: &[&str]) -> Project {
    let project = Project::trial();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    project.train(&sets).done();
    project
}

fn explain(project: &Project, account: &str, more: &[&str]) -> Value {
    let args = [&["explain", account, "--model", "t", "--at", "2025-04-20", "--json"], more].concat();
    serde_json::from_str(&project.pql(&args).done().out).unwrap()
}

/// Accounts of a run of scoring with their probabilities.
fn scored(project: &Project) -> Vec<(String, f64)> {
    let out = project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let rows = reader.records().map(|row| row.unwrap());
    rows.filter(|row| !row[2].is_empty()).map(|row| (row[0].to_owned(), row[2].parse().unwrap())).collect()
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
    let answer = explain(&project, &account, &["--what-if", "events_total=50", "--what-if", "industry=retail"]);
    let parts = |of: &str| answer[of]["contributions"].as_array().unwrap().clone();
    let before = parts("explanation");
    for after in parts("what_if") {
        let was = before.iter().find(|part| part["measure"] == after["measure"]).unwrap();
        let named = ["events_total", "industry"].contains(&after["measure"].as_str().unwrap());
        assert!(named || was["contribution"] == after["contribution"], "{after}");
    }
    assert_ne!(answer["explanation"]["probability"], answer["what_if"]["probability"]);
    let said = project.pql(&["explain", &account, "--model", "t", "--at", "2025-04-20", "--what-if", "events_total=50"]).done().out;
    for words in ["the average training account", "events so far", "What if events_total=50: probability", "not the effect"] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let project = trained(&[]);
    let account = scored(&project)[0].0.clone();
    let ask = |account: &str, more: &[&str]| project.pql(&[&["explain", account, "--model", "t", "--at", "2025-04-20"], more].concat());
    ask("nobody", &[]).refused(2, &["there is no account `nobody` before 2025-04-20T00:00:00Z"]);
    ask("0000", &[]).refused(2, &["did you mean `0000"]);
    ask(&account, &["--what-if", "event_total=3"])
        .refused(2, &["`event_total` is no feature of the model", "did you mean `events_total`?"]);
    ask(&account, &["--what-if", "events_7d=3"]).refused(2, &["`events_7d` is no feature of the model", "it repeats `events_total`"]);
    ask(&account, &["--what-if", "events_total=many"]).refused(2, &["found `many`, expected a number"]);
    ask(&account, &["--what-if", "events_total"]).refused(2, &["has no `=`"]);
    let table = project.text("accounts.csv");
    let (converted, at) = table.lines().skip(1).find_map(|l| l.split(',').nth(2).filter(|c| !c.is_empty()).map(|c| (l, c))).unwrap();
    let name = converted.split(',').next().unwrap();
    let day: String = at.chars().take(10).collect();
    assert!(day.as_str() < "2025-04-20");
    ask(name, &[]).refused(2, &[&format!("`{name}` is not scored at"), "converted or churned before"]);
    let young = project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
    let young = young.lines().find(|l| l.contains("too young")).unwrap().split(',').next().unwrap().to_owned();
    assert!(ask(&young, &[]).done().out.contains("not scored: too young"));
    assert!(explain(&project, &young, &[])["explanation"].is_null());
}

#[test]
fn the_newest_row_of_a_matrix_is_explained() {
    let project = Project::trained_matrix();
    let answer: Value =
        serde_json::from_str(&project.pql(&["explain", "m7", "--model", "m", "--features", "matrix.csv", "--json"]).done().out).unwrap();
    let scores = project.pql(&["score", "--model", "m", "--features", "matrix.csv", "-o", "-"]).done().out;
    let line = scores.lines().find(|l| l.starts_with("m7,")).unwrap();
    assert_eq!(answer["explanation"]["probability"].as_f64().unwrap().to_string(), line.split(',').nth(2).unwrap());
    project.pql(&["explain", "m999", "--model", "m", "--features", "matrix.csv"]).refused(2, &["has no row of the account `m999`"]);
    project.pql(&["explain", "m7", "--model", "m"]).refused(2, &["trained on a feature matrix"]);
}
