//! `pql funnel`: against lifelines, statsmodels and scipy, and through the command line.

use std::fmt::Write as _;

use pql::rules::funnel::{AccountJourney, FunnelMetrics, FunnelWindow};
use serde_json::Value;

use crate::common::{DAY, root};
use crate::project::Project;

/// Asserts that two numbers are equal, or both absent.
fn same(found: Option<f64>, expected: &Value) {
    let (Some(found), Some(expected)) = (found, expected.as_f64()) else {
        assert_eq!(found.map(|f| f.to_string()), expected.as_f64().map(|e| e.to_string()));
        return;
    };
    assert!(
        (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{found} is not {expected}"
    );
}

fn golden() -> Value {
    serde_json::from_str(
        &std::fs::read_to_string(root().join("crates/pql-stats/tests/golden/survival.json"))
            .unwrap(),
    )
    .unwrap()
}

#[test]
fn lift_intervals_match_scipy() {
    let journey = |matches: bool, converts: bool| AccountJourney {
        signed_up: 0,
        first_match: matches.then_some(DAY),
        converted: if converts { 8 * DAY } else { i64::MAX },
        churned: i64::MAX,
        revenue: f64::NAN,
        first_revenue: f64::NAN,
    };
    for case in golden()["ratios"].as_array().unwrap() {
        let [a, n, b, m] = [0, 1, 2, 3].map(|i| case[i].as_u64().unwrap());
        let groups = [(true, a, n), (false, b, m)];
        let journeys: Vec<AccountJourney> = groups
            .iter()
            .flat_map(|(matches, k, n)| (0..*n).map(move |i| journey(*matches, i < *k)))
            .collect();
        let metrics = FunnelMetrics::compute(
            &journeys,
            &FunnelWindow {
                zone: pql::time::Zone::default(),
                within: Some(7 * DAY),
                horizon: 10 * DAY,
                until: 100 * DAY,
                date_only: false,
            },
            false,
        );
        let landmark = metrics.landmark.unwrap();
        let ends = [
            landmark.lift_interval.map(|interval| interval.low),
            landmark.lift_interval.map(|interval| interval.high),
        ];
        for (found, expected) in
            std::iter::once(landmark.lift).chain(ends).zip(case[4].as_array().unwrap())
        {
            same(found, expected);
        }
    }
}

const TWO: &str = "[[definition]]\nname = \"three reports\"\nwithin = \"7d\"\nall = [{ event = \"report\", at_least = 3 }]\n\n\
                   [[definition]]\nname = \"a team\"\ntype = \"limit\"\nany = [{ users = 3 }]\n";

/// Creates a trial with two definitions and more text in its project file.
fn project(more: &str) -> Project {
    let project = Project::trial();
    let config = project.text("pql.toml");
    project.write("pql.toml", format!("{config}\n{TWO}\n{more}"));
    project
}

fn json(project: &Project, args: &[&str]) -> Value {
    serde_json::from_str(&project.pql(&[&["funnel", "--format", "json"], args].concat()).done().out)
        .unwrap()
}

fn row<'a>(answer: &'a Value, level: &str, name: &str, cohort: &str) -> &'a Value {
    let matches =
        |row: &&Value| row["level"] == level && row["name"] == name && row["cohort"] == cohort;
    answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(matches)
        .unwrap_or_else(|| panic!("{level} {name} {cohort}"))
}

#[test]
fn the_table_starts_with_all_cohorts() {
    let project = project("");
    let run = project.pql(&["funnel"]).done();
    for words in [
        "240 sign-ups from 2025-01-01",
        "three reports",
        "a team",
        "any definition",
        "15% to 25%",
        "20% to 40%",
        "cohort",
    ] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    assert!(run.out.contains("a team: no comparison, because it has no `within`"), "{}", run.out);
    let weeks =
        project.pql(&["funnel", "--by", "week", "--definition", "three reports"]).done().out;
    assert!(
        weeks.contains("2024-12-30")
            && !weeks.contains("a team")
            && !weeks.contains("any definition"),
        "{weeks}"
    );
}

#[test]
fn metrics_are_consistent() {
    let answer = json(&project(""), &[]);
    let rows = answer["rows"].as_array().unwrap();
    let count = |row: &Value, key: &str| row["metrics"][key].as_u64().unwrap();
    let customers = |row: &Value| {
        count(row, "customers")
            + count(row, "already_customers")
            + count(row, "customers_without_match")
    };
    for (level, name) in [
        ("definition", "three reports"),
        ("definition", "a team"),
        ("type", "limit"),
        ("any", "any"),
    ] {
        let all = row(&answer, level, name, "all");
        let cohorts: Vec<&Value> = rows
            .iter()
            .filter(|r| r["level"] == level && r["name"] == name && r["cohort"] != "all")
            .collect();
        for key in ["sign_ups", "pqls", "customers", "already_customers", "customers_without_match"]
        {
            assert_eq!(
                cohorts.iter().map(|row| count(row, key)).sum::<u64>(),
                count(all, key),
                "{name}: {key}"
            );
        }
        assert_eq!((count(all, "sign_ups"), customers(all)), (240, customers(&rows[0])));
        assert!(count(all, "pqls") >= count(all, "customers"));
    }
    let (reports, any) =
        (row(&answer, "definition", "three reports", "all"), row(&answer, "any", "any", "all"));
    assert!(count(any, "pqls") > count(reports, "pqls"));
    assert_eq!((&reports["within_days"], &any["within_days"]), (&Value::from(7.0), &Value::Null));
    assert!(reports["metrics"]["landmark"]["lift"].as_f64().unwrap() > 1.0);
    assert_eq!(any["metrics"]["landmark"], Value::Null);
    assert_eq!(answer["typical_sign_up_to_pql"], serde_json::json!({ "low": 0.15, "high": 0.25 }));
}

#[test]
fn csv_output_has_one_line_per_row() {
    let project = project("");
    let rows = json(&project, &[])["rows"].as_array().unwrap().len();
    project.pql(&["funnel", "-o", "funnel.csv"]).done();
    let text = project.text("funnel.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert!(
        ["level", "sign_up_to_pql_low", "landmark_others_mature", "lift", "converted_30d_share"]
            .iter()
            .all(|c| header.iter().any(|h| h == *c))
    );
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), rows);
    let share = header.iter().position(|h| h == "sign_up_to_pql_share").unwrap();
    assert_eq!(
        lines[0][share].parse::<f64>().ok(),
        json(&project, &[])["rows"][0]["metrics"]["sign_up_to_pql"]["share"].as_f64()
    );
    assert_eq!(project.pql(&["funnel", "--format", "csv"]).done().out, text);
}

#[test]
fn maturity_depends_on_the_horizon_and_the_end_of_the_log() {
    let project = project("");
    let counts = |args: &[&str]| {
        let answer = json(&project, args);
        let rate =
            &row(&answer, "definition", "three reports", "all")["metrics"]["pql_to_customer"];
        (rate["mature"].as_u64().unwrap(), rate["immature"].as_u64().unwrap())
    };
    let (some, none) = (
        counts(&["--set", "observation.horizon=60d"]),
        counts(&["--set", "observation.horizon=7d"]),
    );
    assert_eq!(some.0 + some.1, none.0 + none.1);
    assert!(some.1 > none.1, "{some:?} {none:?}");
    assert!(counts(&["--set", "observation.until=2025-03-01"]).0 < none.0);
}

#[test]
fn accounts_from_before_the_log_are_skipped() {
    let project = project("");
    let run = project
        .pql(&["funnel", "--format", "json", "--set", "observation.since=2025-02-01"])
        .done();
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    let left_out = answer["signed_up_before_log"].as_u64().unwrap();
    assert_eq!(left_out + answer["rows"][0]["metrics"]["sign_ups"].as_u64().unwrap(), 240);
    assert!(
        left_out > 0
            && answer["rows"].as_array().unwrap().iter().all(|row| row["cohort"] != "2025-01")
    );
    run.stderr_has(&["accounts skipped: signed up before the log starts"]);
    project
        .pql(&["funnel", "--set", "observation.since=2025-05-25"])
        .fails_with(3, &["signed up before the log starts", "observation.since"]);
}

/// Returns a visitor file with each day from 2025-01-01.
fn visitors(days: i64) -> String {
    let mut text = "date,visitors\n".to_owned();
    for day in 0..days {
        writeln!(text, "{},40", pql::time::Day::from_local(crate::common::NEW_YEAR + day * DAY))
            .unwrap();
    }
    text
}

#[test]
fn visitors_are_compared_with_sign_ups() {
    let project = project("[visitors]\npath = \"visitors.csv\"\n");
    project.write("visitors.csv", visitors(90));
    let run = project
        .pql(&["funnel", "--format", "json"])
        .done()
        .stderr_has(&["the visitor file lacks the days of 60 sign-ups"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    let traffic = |cohort: &str| row(&answer, "definition", "a team", cohort)["visitors"].clone();
    assert_eq!(
        (traffic("all")["visitors"].as_u64(), traffic("2025-01")["visitors"].as_u64()),
        (Some(90 * 40), Some(31 * 40))
    );
    assert_eq!(
        (traffic("all")["sign_ups"].as_u64(), traffic("all")["share"].as_f64()),
        (Some(180), Some(0.05))
    );
    assert!(project.pql(&["funnel"]).done().out.contains("3,600 visitors on 90 days"));
    project.replace(
        "pql.toml",
        "path = \"visitors.csv\"",
        "path = \"visitors.csv\"\ndate = \"day\"\nvisitors = \"sessions\"\nformat = \"%d.%m.%Y\"",
    );
    project.write("visitors.csv", "day;sessions\n01.01.2025;1\n02.01.2025;2\n");
    let run = project
        .pql(&["funnel"])
        .done()
        .stderr_has(&["more sign-ups than visitors on the same days"]);
    assert!(run.out.contains("3 visitors on 2 days\n"), "{}", run.out);
}

#[test]
fn visitors_are_read_as_the_project_file_says() {
    let project = project("[visitors]\npath = \"v\"\n[input]\nnull = [\"-1\"]\n");
    project.write("v/1.csv", visitors(40).replace(",40", ",\"1,040\""));
    project.write("v/2.csv.bz2", "x");
    project
        .pql(&["funnel"])
        .done()
        .stderr_has(&["`2.csv.bz2`", "`visitors` has thousands separators"]);
    project.write("v/1.csv", "date,visitors\n2025-01-01,NA\n");
    project.pql(&["funnel"]).fails_with(3, &["row 1", "`visitors`", "found `NA`"]);
    project.write("v/1.csv", "date,visitors\n2025-01-01,-1\n");
    project.pql(&["funnel"]).fails_with(3, &["row 1", "`visitors`", "found ``"]);
}

#[test]
fn invalid_visitors_are_reported_with_their_row() {
    let project = project("[visitors]\npath = \"visitors.csv\"\n");
    for (text, words) in [
        ("date,visitors\n2025-01-01,4\nsoon,5\n", ["row 2", "`date`", "`soon`"]),
        ("date,visitors\n2025-01-01,-4\n", ["row 1", "`visitors`", "non-negative integer"]),
        ("date,visitors\n2025-01-01,4.5\n", ["row 1", "`visitors`", "`4.5`"]),
        ("date,visitors\n2025-01-01,\n", ["row 1", "`visitors`", "non-negative integer"]),
        ("date,visitors\n2025-01-01,many\n", ["row 1", "`visitors`", "`many`"]),
        ("date,visitors\n,4\n", ["row 1", "`date`", "a date"]),
        ("date,visitors\n2025-01-01,4\n2025-01-01,4\n", ["row 2", "`2025-01-01`", "each day once"]),
        ("dates,visitors\n2025-01-01,4\n", ["missing column `date`", "visitors.date", "`dates`"]),
        ("date,visitors\n", ["is empty", "visitors.csv", "one row per day"]),
    ] {
        project.write("visitors.csv", text);
        project.pql(&["funnel"]).fails_with(3, &words);
    }
    project.replace("pql.toml", "path = \"visitors.csv\"", "date = \"day\"");
    project.pql(&["funnel"]).fails_with(2, &["missing key `path` in [visitors]"]);
    project.replace("pql.toml", "date = \"day\"", "path = \"nowhere.csv\"");
    project.pql(&["funnel"]).fails_with(3, &["nowhere.csv"]);
}

#[test]
fn unknown_arguments_are_errors() {
    let project = project("");
    project
        .pql(&["funnel", "--definition", "three report"])
        .fails_with(2, &["no definition `three report`", "did you mean `three reports`?"]);
    project.pql(&["funnel", "--by", "day"]).fails_with(2, &["[possible values: week, month]"]);
    Project::trial().pql(&["funnel"]).fails_with(2, &["has no `[[definition]]`"]);
    project.pql(&["funnel", "-o", "nowhere/funnel.csv"]).fails_with(1, &["nowhere/funnel.csv"]);
}

#[test]
fn revenue_and_its_expansion_need_columns() {
    let project = project("");
    assert_eq!(json(&project, &[])["rows"][0]["metrics"]["revenue"], Value::Null);
    let with: String = project.text("accounts.csv").lines().enumerate().fold(
        String::new(),
        |text, (row, line)| {
            let more = if row == 0 { "mrr,start" } else { "60,50" };
            text + &format!("{line},{more}\n")
        },
    );
    project.write("accounts.csv", with);
    project.replace(
        "pql.toml",
        "path = \"accounts.csv\"",
        "path = \"accounts.csv\"\nfirst_revenue = \"start\"",
    );
    let answer = json(&project, &[]);
    let metrics = &row(&answer, "definition", "three reports", "all")["metrics"];
    let share = metrics["pql_to_customer"]["share"].as_f64().unwrap();
    assert_eq!(metrics["revenue"]["per_customer"], 60.0);
    assert!((metrics["revenue"]["per_pql"].as_f64().unwrap() - 60.0 * share).abs() < 1e-9);
    assert_eq!(metrics["revenue"]["expansion"], 1.2);
    assert!(project.pql(&["funnel"]).done().out.contains("per other customer"));
    project.replace("pql.toml", "first_revenue = \"start\"", "first_revenue = \"strat\"");
    project
        .pql(&["funnel"])
        .fails_with(3, &["missing column `strat`", "`accounts.first_revenue`", "`start`"]);
}
