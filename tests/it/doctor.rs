//! `pql doctor`: checks of files, columns, times, rows, accounts, freshness and conversions.

use serde_json::Value;

use crate::project::{Project, Run};

/// Returns the checks of a project as JSON, and the run.
fn checks(project: &Project, args: &[&str]) -> (Vec<Value>, Run) {
    let run = project.pql(&[&["doctor", "--json"], args].concat());
    let output: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    (output["checks"].as_array().unwrap().clone(), run)
}

/// Returns the check of a source as (status, found, action).
#[track_caller]
fn find(checks: &[Value], source: &str, check: &str) -> (String, String, String) {
    let is_it = |found: &&Value| found["source"] == source && found["check"] == check;
    let found =
        checks.iter().find(is_it).unwrap_or_else(|| panic!("{source}, {check}: {checks:?}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("found"), text("action"))
}

const AT: [&str; 2] = ["--at", "2025-06-01"];

#[test]
fn a_sound_project_has_no_problem_and_the_numbers_of_the_training() {
    let project = Project::trial();
    let (checks, run) = checks(&project, &AT);
    run.done();
    let sources = ["events.csv", "accounts.csv"];
    for (source, check) in
        sources.iter().flat_map(|s| ["files", "columns", "times", "rows"].map(|c| (s, c)))
    {
        assert_eq!(find(&checks, source, check).0, "ok", "{source}, {check}");
    }
    assert_eq!(find(&checks, "events.csv", "files").1, "1 file");
    assert_eq!(find(&checks, "events.csv", "times").1, "`timestamp`: with an offset or as epoch");
    let columns = find(&checks, "accounts.csv", "columns").1;
    assert_eq!(columns, "`account_id`, `converted_at`, `industry`, `signed_up_at`");
    let train = project.train(&["--set", "observation.until=2025-06-01"]).done();
    let conversions = find(&checks, "training", "conversions").1;
    let rows = conversions.split(' ').nth(2).unwrap();
    assert!(train.unwrapped_messages().contains(rows) || train.out.contains(rows), "{conversions}");
    assert!(find(&checks, "training", "horizon").1.starts_with("14d after each cutoff"));
    let (status, found, _) = find(&checks, "log", "matched accounts");
    assert!(status == "ok" && found.ends_with("of accounts in the list (100.0%)"), "{found}");
    assert_eq!(find(&checks, "log", "accounts").1, "240 of 240 accounts have events");
    let (status, found, _) = find(&checks, "log", "users");
    assert!(status == "ok" && found.ends_with("have a user"), "{found}");
    let table = project.pql(&[&["doctor"], &AT[..]].concat()).done().out;
    assert!(table.lines().next().unwrap().contains("found, and what to do"), "{table}");
    let csv = project.pql(&[&["doctor", "--format", "csv"], &AT[..]].concat()).done().out;
    assert_eq!(csv.lines().count(), checks.len() + 1, "{csv}");
}

#[test]
fn rows_kept_and_dropped_add_up() {
    let project = Project::trial();
    let events = project.text("events.csv");
    let rows = events.lines().count() - 1;
    let extra = "nobody,,login,2025-02-01T00:00:00Z,1\n,,login,2025-02-01T00:00:00Z,1\n\
                 nobody,,login,2025-02-02T00:00:00Z,1\n";
    project.write("events.csv", format!("{events}{extra}"));
    let (checks, run) = checks(&project, &["--at", "2025-04-01"]);
    run.done();
    let (_, found, _) = find(&checks, "events.csv", "rows");
    let numbers: Vec<usize> = found
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .filter_map(|digits| digits.replace(',', "").parse().ok())
        .collect();
    let [read, kept, dropped, reasons @ ..] = &numbers[..] else { panic!("{found}") };
    assert_eq!((*read, kept + dropped), (rows + 3, rows + 3), "{found}");
    assert_eq!(reasons.iter().sum::<usize>(), *dropped, "{found}");
    for reason in ["unknown account: 2", "account missing: 1", "at or after the end of the log: "] {
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn a_test_set_with_few_accounts_of_an_outcome_is_a_warning() {
    let project = Project::trial();
    let accounts = project.text("accounts.csv");
    let mut converting = 0;
    let few = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let is_conversion = cells[2].starts_with("20");
        converting += usize::from(is_conversion);
        let converted = if is_conversion && converting > 15 { "" } else { cells[2] };
        format!("{},{},{converted},{}\n", cells[0], cells[1], cells[3])
    };
    project.write("few.csv", accounts.lines().map(few).collect::<String>());
    let sets = ["--set", "accounts.path=few.csv", "--set", "model.min_conversions=5"];
    let (found, run) = checks(&project, &[&AT[..], &sets].concat());
    run.done();
    let (status, text, action) = find(&found, "training", "outcomes");
    assert!(status == "warning" && action.contains("longer log"), "{action}");
    assert!(
        text.starts_with("only ") && text.ends_with(" converted; a reliable verdict needs 20"),
        "{text}"
    );
}

#[test]
fn events_of_unknown_users_match_no_account() {
    let project = Project::trial();
    let event = |row: usize| format!("u{},login,2025-01-{:02}T08:00:00Z\n", row % 10, 1 + row / 10);
    let events: String = (0..100).map(event).collect();
    project.write("used.csv", format!("user_id,event,timestamp\n{events}"));
    project.write("users.csv", "user_id,account_id\nu0,a0\n");
    project.write("list.csv", "account_id,signed_up_at\na0,2025-01-01T00:00:00Z\n");
    project.write(
        "users.toml",
        "[[events]]\npath = \"used.csv\"\n\n[users]\npath = \"users.csv\"\n\n[accounts]\npath = \"list.csv\"\nsigned_up = \"signed_up_at\"\n",
    );
    let (checks, run) = checks(&project, &["-c", "users.toml", "--at", "2025-01-11"]);
    assert_eq!(run.code, Some(5));
    let (status, found, _) = find(&checks, "log", "matched accounts");
    assert_eq!(
        (status.as_str(), found.as_str()),
        ("problem", "10 of 100 events are of accounts in the list (10.0%)")
    );
}

#[test]
fn the_age_of_the_newest_events_is_a_warning_from_three_days_on() {
    let project = Project::trial();
    let status = |args: &[&str]| {
        let (checks, run) = checks(&project, args);
        run.done();
        find(&checks, "log", "freshness")
    };
    let (state, found, action) = status(&["--now", "2026-01-01"]);
    assert_eq!((state.as_str(), action.contains("`--at`")), ("warning", true), "{found}");
    assert!(found.contains("before 2026-01-01"), "{found}");
    let (state, found, action) = status(&["--at", "2025-05-20"]);
    assert_eq!((state.as_str(), action.as_str()), ("ok", ""), "{found}");
    assert!(
        found.contains("the newest events are of 2025-05-19, 1 day before 2025-05-20"),
        "{found}"
    );
}

#[test]
fn problems_name_what_to_do_and_set_exit_code_5() {
    let project = Project::trial();
    project.replace("accounts.csv", "signed_up_at", "sign_up");
    project.replace("pql.toml", "events.csv", "absent.csv");
    let (found, run) = checks(&project, &[]);
    assert_eq!(run.code, Some(5));
    run.stderr_has(&["check failed: 2 problems", "hint: fix the problems in the table"]);
    let (status, text, _) = find(&found, "absent.csv", "files");
    assert!(status == "problem" && text.contains("No such file"), "{text}");
    let (status, text, action) = find(&found, "accounts.csv", "columns");
    assert!(status == "problem" && text.contains("signed_up_at"), "{text}");
    assert!(action.contains("did you mean `sign_up`?"), "{action}");
    let table = project.pql(&["doctor"]);
    assert_eq!(table.code, Some(5));
    assert!(table.out.contains("→ did you mean `sign_up`?"), "{}", table.out);
    project.pql(&["doctor", "-c", "none.toml"]).stderr_has(&["cannot read the project file"]);
}

#[test]
fn values_matches_zones_and_conversions_are_checked() {
    let project = Project::trial();
    let events = project.text("events.csv");
    project.write("events.csv", format!("{events}00001,,login,yesterday,1\n"));
    let (found, run) = checks(&project, &[]);
    assert_eq!(run.code, Some(5));
    let (status, text, _) = find(&found, "log", "values");
    assert!(status == "problem" && text.contains("found `yesterday`"), "{text}");
    // Most accounts are not in the list; it keeps the first 40.
    let accounts = project.text("accounts.csv");
    let few: Vec<&str> = accounts.lines().take(41).collect();
    project.write("few.csv", few.join("\n") + "\n");
    project.write("events.csv", &events);
    let (found, run) = checks(&project, &["--set", "accounts.path=few.csv"]);
    assert_eq!(run.code, Some(5));
    let (status, text, action) = find(&found, "log", "matched accounts");
    assert!(status == "problem" && action.contains("compare the ids"), "{text}");
    assert_eq!(find(&found, "events.csv", "rows").0, "warning");
    // Without conversions there is nothing to learn.
    let never: Vec<String> = accounts
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            let converted = if index == 0 { cells[2] } else { "" };
            format!("{},{},{converted},{}\n", cells[0], cells[1], cells[3])
        })
        .collect();
    project.write("never.csv", never.concat());
    let (found, run) = checks(&project, &["--set", "accounts.path=never.csv"]);
    assert_eq!(run.code, Some(5));
    let (status, _, action) = find(&found, "training", "conversions");
    assert!(status == "problem" && action.contains("accounts.converted"), "{action}");
    // Local times in one source and times with an offset in the other.
    project.write("local.csv", events.replace('Z', ""));
    let (found, run) = checks(&project, &["--set", "events.0.path=local.csv"]);
    run.done();
    let times = find(&found, "local.csv", "times").1;
    assert_eq!(times, "`timestamp`: without an offset, read as UTC (`input.timezone`)");
    let (status, _, action) = find(&found, "log", "time zones");
    assert!(status == "warning" && action.contains("`input.timezone`"), "{action}");
}

#[test]
fn the_checks_go_to_a_file_that_is_no_input() {
    let project = Project::trial();
    project.pql(&["doctor", "--at", "2025-06-01", "-o", "doctor.json.gz"]).done();
    let mut text = String::new();
    let bytes = project.read("doctor.json.gz");
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*bytes), &mut text).unwrap();
    let output: Value = serde_json::from_str(&text).unwrap();
    assert!(output["status"] == "ok" || output["status"] == "warning", "{text}");
    project
        .pql(&["doctor", "-o", "events.csv", "--format", "csv"])
        .fails_with(2, &["refusing to overwrite an input file"]);
}
