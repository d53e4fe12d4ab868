//! `accounts.history`: several rows per account, of which features use the newest before the
//! cutoff.

use std::fmt::Write as _;

use crate::common::csv_rows;
use crate::project::Project;

/// A project whose accounts change their plan at times; the list without a history is the same as
/// of the beginning.
fn project() -> Project {
    let project = Project::trial();
    let config = project.text("pql.toml").replace("cutoffs = \"age\"\nage = \"7d\"\n", "");
    let config = config.replace(
        "attributes = [\"industry\"]",
        "attributes = [\"industry\", \"plan\"]\nhistory = true",
    );
    project.write("pql.toml", config);
    let mut list = "account_id,signed_up_at,converted_at,industry,plan,valid_from\n".to_owned();
    for (number, line) in project.text("accounts.csv").lines().skip(1).enumerate() {
        writeln!(list, "{line},free,").unwrap();
        if number % 2 == 0 {
            writeln!(list, "{line},pro,2025-03-10").unwrap();
        }
        if number % 4 == 0 {
            writeln!(list, "{line},free,2025-04-14").unwrap();
        }
    }
    project.write("accounts.csv", list);
    project
}

/// Returns the plan of each account and cutoff.
fn plans(project: &Project) -> Vec<(usize, String, String)> {
    let until = "observation.until=2025-05-01";
    project.pql(&["features", "-q", "-o", "features.csv", "--set", until]).done();
    let rows = csv_rows(&project.path("features.csv"));
    assert!(rows.len() > 200, "{}", rows.len());
    let row = |row: &std::collections::BTreeMap<String, String>| {
        let account = row["account_id"].parse().unwrap();
        (account, row["cutoff"][..10].to_owned(), row["plan"].clone())
    };
    rows.iter().map(row).collect()
}

#[test]
fn features_use_the_newest_row_before_the_cutoff() {
    let rows = plans(&project());
    let mut found = std::collections::BTreeSet::new();
    for (account, cutoff, plan) in rows {
        let cutoff = cutoff.as_str();
        let expected = match account % 4 {
            // A cutoff is at midnight, when a row from that day does not count yet.
            0 if cutoff > "2025-04-14" => "free",
            0 | 2 if cutoff > "2025-03-10" => "pro",
            _ => "free",
        };
        assert_eq!(plan, expected, "{account} at {cutoff}");
        found.insert((account % 4, plan));
    }
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn later_rows_change_no_feature_before_them() {
    let full = project();
    let truncated = project();
    let kept: String = truncated
        .text("accounts.csv")
        .lines()
        .filter(|line| !line.ends_with("2025-04-14"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    truncated.write("accounts.csv", kept);
    let until = ["--set", "observation.until=2025-04-10"];
    assert_eq!(full.features(&until), truncated.features(&until));
    let mut lines: Vec<String> = full.text("accounts.csv").lines().map(str::to_owned).collect();
    lines[1..].reverse();
    let shuffled = project();
    shuffled.write("accounts.csv", lines.join("\n"));
    assert_eq!(full.features(&until), shuffled.features(&until), "the order of the rows");
}

#[test]
fn a_list_of_one_row_per_account_gives_the_same_features_with_and_without_history() {
    let with = Project::trial();
    let without = with.features(&[]);
    let list = with.text("accounts.csv");
    let line = |(number, line): (usize, &str)| match number {
        0 => format!("{line},valid_from\n"),
        _ => format!("{line},\n"),
    };
    with.write("accounts.csv", list.lines().enumerate().map(line).collect::<String>());
    with.replace("pql.toml", "[observation]", "history = true\n\n[observation]");
    let config = with.text("pql.toml");
    with.write("pql.toml", config.replace("\n\nhistory", "\nhistory"));
    assert_eq!(with.features(&[]), without);
}

#[test]
fn the_audit_warns_of_attributes_that_change_later() {
    let project = project();
    let run = project.train(&["--set", "observation.until=2025-05-01"]).done();
    let text = run.unwrapped_messages() + &run.out.replace("\n  ", " ");
    assert!(
        text.contains("the newest value of `plan` differs from its value at the cutoff"),
        "{text}"
    );
    assert!(!text.contains("the newest value of `industry`"), "{text}");
}

#[test]
fn a_cleaned_list_keeps_its_history() {
    let project = project();
    let until = "observation.until=2025-05-01";
    project.pql(&["ingest", "-o", "clean", "--set", until]).done();
    let features = project.features(&["--set", until]);
    project.replace("pql.toml", "events.csv", "clean/events.parquet");
    project.replace("pql.toml", "accounts.csv", "clean/accounts.parquet");
    assert_eq!(project.features(&["--set", until]), features);
}

#[test]
fn invalid_histories_are_refused() {
    let project = project();
    let features = |set: &str| project.pql(&["features", "-o", "-", "--set", set]);
    features("accounts.history=false")
        .fails_with(3, &["duplicate account `00000`", "accounts.history = true"]);
    features("accounts.valid_from=since")
        .fails_with(3, &["missing column `since` (`accounts.valid_from`"]);
    let off = ["--set", "accounts.history=false", "--set", "accounts.valid_from=valid_from"];
    project
        .pql(&[&["features", "-o", "-"], &off[..]].concat())
        .fails_with(2, &["`accounts.valid_from` requires `accounts.history = true`"]);
    let twice = project.text("accounts.csv").lines().nth(2).unwrap().to_owned();
    project.write("accounts.csv", project.text("accounts.csv") + &twice + "\n");
    features("observation.until=2025-05-01").fails_with(3, &["duplicate account `00000`"]);
}
