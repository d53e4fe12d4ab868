//! Features that compare windows which begin before the sign-up of an account.

use std::collections::BTreeMap;

use crate::common::{csv_rows, text};
use crate::project::Project;

type Row = BTreeMap<String, String>;

/// Creates a project with windows of 7 and 28 days, in which accounts are observed weekly.
fn weekly() -> Project {
    let project = Project::trial();
    project.replace("pql.toml", "windows = [\"7d\"]", "windows = [\"7d\", \"28d\"]");
    project.replace(
        "pql.toml",
        "cutoffs = \"age\"\nage = \"7d\"\n",
        "cutoffs = \"snapshot\"\nmax_age = \"90d\"\n",
    );
    project
}

fn features(project: &Project, more: &[&str]) -> (Vec<Row>, String) {
    let file = project.path("features.csv");
    let args = [&["features", "-o", text(&file)], more].concat();
    let run = project.pql(&args).done();
    (csv_rows(&file), run.err)
}

const VELOCITIES: [&str; 4] =
    ["events_velocity", "logins_velocity", "users_velocity", "breadth_velocity"];

#[test]
fn velocities_and_trends_are_missing_for_accounts_younger_than_their_windows() {
    let (rows, _) = features(&weekly(), &[]);
    let mut young = 0;
    for row in &rows {
        let age: f64 = row["tenure_days"].parse().unwrap();
        for window in [7.0, 28.0] {
            for measure in VELOCITIES {
                let value = &row[&format!("{measure}_{window}d")];
                assert_eq!(value.is_empty(), age < 2.0 * window - 1.0 / 24.0, "{age} {value}");
            }
            let trend = &row[&format!("events_trend_{window}d")];
            assert_eq!(trend.is_empty(), age < window - 1.0 / 24.0, "{age} {trend}");
            let total: f64 = row[&format!("events_{window}d")].parse().unwrap();
            assert!(age > window || total.to_string() == row["events_total"], "{row:?}");
            young += usize::from(age < window);
        }
    }
    assert!(young > 50 && young < rows.len(), "{young} of {}", rows.len());
}

#[test]
fn windows_longer_than_the_age_of_all_accounts_have_no_velocities() {
    let project = Project::trial();
    project.replace("pql.toml", "windows = [\"7d\"]", "windows = [\"3d\", \"7d\", \"28d\"]");
    let (rows, messages) = features(&project, &[]);
    let names: Vec<&String> = rows[0].keys().collect();
    let has = |name: &str| names.iter().any(|known| *known == name);
    for measure in VELOCITIES {
        assert!(has(&format!("{measure}_3d")), "{names:?}");
        assert!(!has(&format!("{measure}_7d")) && !has(&format!("{measure}_28d")), "{names:?}");
    }
    assert!(has("events_trend_7d") && !has("events_trend_28d"), "{names:?}");
    assert!(rows.iter().all(|row| !row["events_velocity_3d"].is_empty()));
    let lines: Vec<&str> = messages.lines().filter(|line| line.contains("dropped")).collect();
    assert!(lines.len() <= 3, "a line for each reason: {messages}");
    let words = messages.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("dropped 4 columns, each of which requires accounts of at least 14 days; 0 training accounts are that old at a cutoff (10 required)"),
        "{messages}"
    );
    project.train(&[]).done();
    let include = "design.include=[\"events_3d\", \"events_velocity_28d\"]";
    project.train(&["--set", include]).done();
    let inspected = project.pql(&["inspect", "t", "-v"]).done();
    let words = inspected.out + &inspected.err;
    assert!(words.contains("`events_velocity_28d`"), "{words}");
}

#[test]
fn a_young_account_is_not_said_to_grow() {
    let project = weekly();
    project.train(&["--set", "model.min_conversions=5"]).done();
    let out = project.pql(&["score", "t", "-o", "-", "--at", "2025-05-04"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let list = project.text("accounts.csv");
    let (young, old): (Vec<String>, Vec<String>) =
        reader.records().map(|row| row.unwrap()[0].to_owned()).partition(|account| {
            let line = list.lines().find(|line| line.starts_with(account.as_str())).unwrap();
            line.split(',').nth(1).unwrap() > "2025-04-27"
        });
    assert!(young.len() > 2, "{young:?}");
    let compares = |account: &String| {
        let args = ["explain", "t", account, "--at", "2025-05-04", "--format", "json"];
        let explained = project.pql(&args).done().out;
        explained.contains(" days before") || explained.contains("ratio of")
    };
    assert!(!young.iter().any(compares));
    assert!(old.iter().any(compares), "the old accounts are compared");
}
