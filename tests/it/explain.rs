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
        [&["explain", "t", account, "--at", "2025-04-20", "--format", "json"], more].concat();
    serde_json::from_str(&project.pql(&args).done().out).unwrap()
}

/// Returns the scored accounts with their probabilities.
fn scored(project: &Project) -> Vec<(String, f64)> {
    let out = project.pql(&["score", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
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
                let features = part["features"].as_array().unwrap();
                let sum: f64 = features.iter().map(|member| number(&member["contribution"])).sum();
                assert!((sum - number(&part["contribution"])).abs() < 1e-12);
                for member in features {
                    let columns = member["columns"].as_array().unwrap().iter();
                    let sum: f64 = columns.map(|column| number(&column["contribution"])).sum();
                    assert!((sum - number(&member["contribution"])).abs() < 1e-12);
                }
            }
        }
    }
}

/// Returns the typical value in a reason: `4` in `12 logins (typical: 4)`.
fn typical(reason: &str) -> &str {
    reason.rsplit_once("typical: ").unwrap().1.trim_end_matches(')')
}

#[test]
fn the_typical_account_has_the_base_as_log_odds() {
    for calibration in ["platt", "isotonic"] {
        let project = Project::matrix();
        let set = format!("model.calibration={calibration}");
        project.pql(&["train", "--name", "m", "--features", "matrix.csv", "--set", &set]).done();
        let explain = |more: &[&str]| -> Value {
            let args = ["explain", "m", "m7", "--features", "matrix.csv", "--format", "json"];
            serde_json::from_str(&project.pql(&[&args, more].concat()).done().out).unwrap()
        };
        let before = explain(&[]);
        let parts = before["explanation"]["contributions"].as_array().unwrap();
        let features = parts.iter().flat_map(|part| part["features"].as_array().unwrap());
        let values: Vec<String> = features
            .map(|member| {
                let typical = match &member["typical"] {
                    Value::String(level) => level.clone(),
                    Value::Null => String::new(),
                    number => number.to_string(),
                };
                format!("{}={typical}", member["feature"].as_str().unwrap())
            })
            .collect();
        let sets: Vec<&str> = values.iter().flat_map(|value| ["--what-if", value]).collect();
        let after = explain(&sets)["what_if"].clone();
        assert_eq!(after["log_odds"], after["base"], "{calibration} {after}");
        for part in after["contributions"].as_array().unwrap() {
            assert_eq!(part["contribution"].to_string(), "0.0", "{part}");
            assert!(part["feature"].is_null());
        }
        assert!(after["calibration"].is_null() || after["calibration"] == 0.0);
        assert_ne!(before["explanation"]["log_odds"], after["log_odds"]);
    }
}

#[test]
fn the_reasons_of_a_score_are_the_largest_contributions_that_raise_it() {
    let project = trained(&[]);
    let out = project.pql(&["score", "t", "-o", "-", "--at", "2025-04-20"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let index = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let mut concerns = 0;
    for row in rows.iter().filter(|row| !row[2].is_empty()).take(12) {
        let answer = explain(&project, &row[0], &[]);
        let parts = answer["explanation"]["contributions"].as_array().unwrap().clone();
        let reasons = |raises: bool| {
            let sign = if raises { 1.0 } else { -1.0 };
            let all = parts.iter();
            let found = all.filter(|part| sign * part["contribution"].as_f64().unwrap() > 0.05);
            found.map(|part| part["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut expected = reasons(true);
        expected.resize(3, String::new());
        let found = ["reason_1", "reason_2", "reason_3"].map(|name| row[index(name)].to_owned());
        assert_eq!(found.as_slice(), expected, "{}", &row[0]);
        let concern = reasons(false).into_iter().next().unwrap_or_default();
        assert_eq!(&row[index("concern_1")], concern);
        concerns += usize::from(!concern.is_empty());
        for reason in found.iter().chain([&concern]).filter(|reason| !reason.is_empty()) {
            let (value, _) = reason.split_once(" (").unwrap();
            let value = value.rsplit(' ').next().unwrap();
            assert_ne!(value, typical(reason), "{reason}");
            assert!(!reason.starts_with(&format!("{} ", typical(reason))), "{reason}");
        }
    }
    assert!(concerns > 3, "{concerns}");
}

#[test]
fn what_if_changes_only_the_contributions_of_its_measure() {
    let project = trained(&[]);
    let account = scored(&project).last().unwrap().0.clone();
    let answer = explain(
        &project,
        &account,
        &["--what-if", "events_total=50", "--what-if", "industry=retail"],
    );
    let parts = |key: &str| answer[key]["contributions"].as_array().unwrap().clone();
    let before = parts("explanation");
    for after in parts("what_if") {
        let was = before.iter().find(|part| part["family"] == after["family"]).unwrap();
        let features = |part: &Value| part["features"].as_array().unwrap().clone();
        for (was, after) in features(was).iter().zip(features(&after)) {
            let named = ["events_total", "industry"].contains(&after["feature"].as_str().unwrap());
            assert!(named || was["contribution"] == after["contribution"], "{after}");
        }
    }
    assert_ne!(answer["explanation"]["probability"], answer["what_if"]["probability"]);
    let out = project
        .pql(&["explain", "t", &account, "--at", "2025-04-20", "--what-if", "events_total=50"])
        .done()
        .out;
    for words in
        ["typical account", "events since sign-up", "With events_total=50: ", "not the effect"]
    {
        assert!(out.contains(words), "`{words}` is not in {out}");
    }
}

#[test]
fn accounts_and_values_that_cannot_be_explained_are_errors() {
    let project = trained(&[]);
    let account = scored(&project)[0].0.clone();
    let ask = |account: &str, more: &[&str]| {
        project.pql(&[&["explain", "t", account, "--at", "2025-04-20"], more].concat())
    };
    ask("nobody", &[]).fails_with(2, &["account `nobody` not found before 2025-04-20"]);
    let number = ask("0000", &[]).fails_with(2, &["account `0000` not found before 2025-04-20"]);
    assert!(!number.err.contains("did you mean"), "another number is another account");
    ask(&account, &["--what-if", "event_total=3"])
        .fails_with(2, &["the model has no feature `event_total`", "did you mean `events_total`?"]);
    ask(&account, &["--what-if", "events_7d=3"])
        .fails_with(2, &["the model has no feature `events_7d`", "it duplicates `events_total`"]);
    ask(&account, &["--what-if", "events_total=many"])
        .fails_with(2, &["found `many`, expected a number"]);
    ask(&account, &["--what-if", "events_total"]).fails_with(2, &["no `=` found"]);
    let table = project.text("accounts.csv");
    let (converted, time) = table
        .lines()
        .skip(1)
        .find_map(|l| l.split(',').nth(2).filter(|c| !c.is_empty()).map(|c| (l, c)))
        .unwrap();
    let name = converted.split(',').next().unwrap();
    let day: String = time.chars().take(10).collect();
    assert!(day.as_str() < "2025-04-20");
    ask(name, &[]).fails_with(
        2,
        &[&format!("account `{name}` is not open at 2025-04-20: it converted at {day}T")],
    );
    let args = ["score", "t", "-o", "-", "--all", "--at", "2025-04-20"];
    let young = project.pql(&args).done().out;
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
            .pql(&["explain", "m", "m7", "--features", "matrix.csv", "--format", "json"])
            .done()
            .out,
    )
    .unwrap();
    let scores = project.pql(&["score", "m", "--features", "matrix.csv", "-o", "-"]).done().out;
    let line = scores.lines().find(|l| l.starts_with("m7,")).unwrap();
    assert_eq!(
        answer["explanation"]["probability"].as_f64().unwrap().to_string(),
        line.split(',').nth(2).unwrap()
    );
    project
        .pql(&["explain", "m", "m999", "--features", "matrix.csv"])
        .fails_with(2, &["account `m999` not found in"]);
    project.pql(&["explain", "m", "m7"]).fails_with(2, &["trained on a feature matrix"]);
}

/// Returns the accounts with a probability at both times, with both probabilities.
fn scored_twice(project: &Project, [then, now]: [&str; 2]) -> Vec<(String, [f64; 2])> {
    let scores = |time: &str| {
        let out = project.pql(&["score", "t", "-o", "-", "--at", time]).done().out;
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        rows.into_iter()
            .filter(|row| !row[2].is_empty())
            .map(|row| (row[0].to_owned(), row[2].parse::<f64>().unwrap()))
    };
    let before: std::collections::BTreeMap<String, f64> = scores(then).collect();
    scores(now)
        .filter_map(|(account, now)| before.get(&account).map(|then| (account, [*then, now])))
        .collect()
}

const TIMES: [&str; 2] = ["2025-04-20", "2025-05-04"];

fn since(project: &Project, account: &str, more: &[&str]) -> Value {
    let args = [
        &["explain", "t", account, "--at", TIMES[1], "--since", TIMES[0], "--format", "json"],
        more,
    ]
    .concat();
    serde_json::from_str(&project.pql(&args).done().out).unwrap()
}

#[test]
fn changes_add_up_to_the_difference_of_the_log_odds() {
    for calibration in ["none", "platt", "isotonic"] {
        let project = weekly_with(&[&format!("model.calibration={calibration}")]);
        for (account, [then, now]) in scored_twice(&project, TIMES).into_iter().step_by(9).take(4) {
            let answer = since(&project, &account, &[]);
            let change = &answer["since"]["change"];
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            assert_eq!(
                (
                    number(&change["previous"]["probability"]),
                    number(&answer["explanation"]["probability"])
                ),
                (then, now)
            );
            let measures = change["contributions"].as_array().unwrap();
            let sum: f64 = measures.iter().map(|part| number(&part["difference"])).sum();
            let total = sum + number(&change["calibration"]);
            let difference = number(&answer["explanation"]["log_odds"])
                - number(&change["previous"]["log_odds"]);
            assert!(
                (total - difference).abs() < 1e-12 && difference == number(&change["log_odds"]),
                "{calibration}: {total}, {difference}"
            );
            assert_eq!(change["calibration"].is_null(), calibration != "isotonic");
            for part in measures {
                let difference =
                    number(&part["current_contribution"]) - number(&part["previous_contribution"]);
                assert_eq!(difference, number(&part["difference"]), "{part}");
                assert!(
                    part["previous_value"] != part["current_value"] || difference == 0.0,
                    "{part}"
                );
            }
            let args = ["explain", "t", &account, "--at", TIMES[0], "--format", "json"];
            let alone: Value = serde_json::from_str(&project.pql(&args).done().out).unwrap();
            assert_eq!(change["previous"], alone["explanation"]);
        }
    }
}

#[test]
fn changes_are_printed_with_both_values() {
    let project = weekly();
    let (account, _) = scored_twice(&project, TIMES)
        .into_iter()
        .find(|(_, [then, now])| (then - now).abs() > 0.01)
        .unwrap();
    let answer = since(&project, &account, &[]);
    let args = ["explain", "t", &account, "--at", TIMES[1], "--since", TIMES[0]];
    let run = project.pql(&args).done();
    let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = &answer["since"]["change"]["contributions"][0];
    let start = format!("{account} on 2025-05-04: ");
    assert!(out.starts_with(&start) && out.contains(" 2025-04-20: "), "{out}");
    let difference = format!("{:+.2}", first["difference"].as_f64().unwrap());
    // A long description is cut.
    let description: String = first["description"].as_str().unwrap().chars().take(20).collect();
    assert!(
        out.contains(&difference) && out.contains(&description),
        "{description} {difference} is not in {out}"
    );
    assert!(run.err.matches("Data quality").count() <= 1, "{}", run.err);
}

#[test]
fn the_recorded_score_is_printed_with_the_change() {
    let project = weekly();
    let (account, [then, _]) = scored_twice(&project, TIMES).remove(0);
    let ask = |more: &[&str]| {
        let args = [
            "explain",
            "t/0001",
            account.as_str(),
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
    ask(&[]).stderr_has(&[
        "`led` has no run of `t` at 2025-04-20; the newest earlier run is 2025-04-13",
    ]);
    score(&project, TIMES[0], &[]);
    let recorded = since(&project, &account, &["--ledger", "led"])["since"]["recorded"].clone();
    assert_eq!(
        recorded,
        serde_json::json!({ "probability": then, "model": "t/0001", "other_model": false })
    );
    let out = ask(&[]).out;
    assert!(out.contains("recorded then: ") && out.contains("% (t/0001)\n"), "{out}");
    let events = project.text("events.csv");
    let late = lines(20, |hour| format!("{account},u9,share,2025-04-19T{hour:02}:00:00Z,5"));
    project.write("events.csv", events + &late);
    assert!(ask(&[]).out.contains("the log for that time has changed since"));
    project.train(&["--set", "model.min_conversions=5", "--set", "model.penalty=none"]).done();
    std::fs::remove_dir_all(project.path("led")).unwrap();
    project.pql(&["score", "t/0002", "--at", TIMES[0], "--ledger", "led"]).done();
    assert!(ask(&[]).out.contains("(t/0002, another version of the model)"));
}

#[test]
fn times_that_cannot_be_compared_are_reported() {
    let project = weekly();
    let account = scored_twice(&project, TIMES).pop().unwrap().0;
    let ask = |more: &[&str]| {
        project.pql(&[&["explain", "t", &account, "--at", TIMES[1]], more].concat())
    };
    ask(&["--since", TIMES[1]])
        .fails_with(2, &["`--since`: found 2025-05-04, expected a time before 2025-05-04"]);
    ask(&["--since", TIMES[0], "--what-if", "events_7d=1"]).fails_with(2, &["--what-if"]);
    ask(&["--ledger", "led"]).fails_with(2, &["--since"]);
    let table = project.text("accounts.csv");
    let signed_up =
        table.lines().find(|line| line.starts_with(&account)).unwrap().split(',').nth(1).unwrap();
    let day: String = signed_up.chars().take(10).collect();
    for early in ["2024-01-01", "2025-01-03", &day] {
        let words =
            format!("account `{account}` signed up at {signed_up}, so it has no score on {early}");
        ask(&["--since", early]).fails_with(2, &[&words, "use a later time"]);
        let at = project.pql(&["explain", "t", &account, "--at", early]);
        at.fails_with(2, &[&words]);
    }
    let hour = pql::time::iso(pql::time::parse_iso(signed_up).unwrap() + pql::time::DAY / 24);
    let out = ask(&["--since", &hour]).done().out;
    assert!(
        out.starts_with(&format!(
            "{account} at {hour}: not scored: too young\n{account} on 2025-05-04"
        )),
        "{out}"
    );
    let trial = trained(&[]);
    let run = |time: &str| trial.pql(&["score", "t", "-o", "-", "--at", time]).done().out;
    let scored = |out: &str| -> Vec<String> {
        out.lines()
            .filter(|line| line.contains(",t/0001") && !line.contains("not scored"))
            .map(|line| line[..5].to_owned())
            .collect()
    };
    let (then, now) = (scored(&run("2025-04-20")), scored(&run("2025-04-24")));
    let both = now.iter().find(|account| then.contains(account)).unwrap();
    let run =
        trial.pql(&["explain", "t", both, "--at", "2025-04-24", "--since", "2025-04-20"]).done();
    run.stderr_has(&["its features are the same at both times"]);
}
