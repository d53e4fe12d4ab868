//! PQL definitions through the command line.

use crate::project::Project;

/// Creates a trial with definitions in its project file.
fn project(definitions: &str) -> Project {
    let project = Project::trial();
    let config = project.text("pql.toml");
    project.write("pql.toml", format!("{config}\n{definitions}"));
    project
}

const TWO: &str = "[[definition]]\nname = \"three reports\"\nwithin = \"14d\"\nall = [{ event = \"report\", at_least = 3 }]\n\n\
                   [[definition]]\nname = \"a team\"\ntype = \"limit\"\nany = [{ users = 3 }, { active_days = 20 }]\n";

#[test]
fn funnel_lists_the_definitions_with_their_counts() {
    let run = project(TWO).pql(&["funnel"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[2].contains("three reports") && lines[2].contains("criteria"), "{}", run.out);
    assert!(lines[3].contains("a team") && lines[3].contains("limit"), "{}", run.out);
    let json: serde_json::Value =
        serde_json::from_str(&project(TWO).pql(&["funnel", "--format", "json"]).done().out)
            .unwrap();
    assert_eq!(json["definitions"][0]["accounts"], 240);
    let pqls = json["definitions"][0]["pqls"].as_u64().unwrap();
    assert!(pqls > 0 && pqls < 240);
    let strict = TWO.replace("at_least = 3", "at_least = 6");
    let json: serde_json::Value =
        serde_json::from_str(&project(&strict).pql(&["funnel", "--format", "json"]).done().out)
            .unwrap();
    assert!(json["definitions"][0]["pqls"].as_u64().unwrap() < pqls);
}

#[test]
fn an_unknown_event_is_reported_with_its_line_and_a_suggestion() {
    let wrong = TWO.replace("\"report\"", "\"reprot\"");
    let line =
        project(&wrong).text("pql.toml").lines().position(|l| l == "[[definition]]").unwrap() + 1;
    let run = project(&wrong).pql(&["funnel"]);
    run.fails_with(
        2,
        &[
            "pql.toml",
            &format!("line {line}"),
            "`three reports` counts `reprot`",
            "did you mean `report`?",
        ],
    );
    Project::trial().pql(&["funnel"]).fails_with(2, &["has no `[[definition]]`"]);
}

/// Returns the cells of a column of a CSV.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let index = reader
        .headers()
        .unwrap()
        .iter()
        .position(|h| h == name)
        .unwrap_or_else(|| panic!("no column {name}"));
    reader.records().map(|row| row.unwrap()[index].to_owned()).collect()
}

/// Scores all accounts in an order that does not depend on their scores.
const SCORE: [&str; 9] =
    ["score", "t", "--at", "2025-04-01", "-o", "-", "--all", "--sort", "account"];

#[test]
fn scores_have_the_matched_definitions_and_the_reason_to_qualify() {
    let project = project(TWO);
    project.train(&[]).done();
    let run = project.pql(&SCORE).done().stderr_has(&[" scored accounts qualify: "]);
    let [probability, qualified, by, types, times, names] =
        ["probability", "qualified", "qualified_by", "pql_types", "pql_at", "pql_definitions"]
            .map(|name| column(&run.out, name));
    assert!(
        (0..types.len()).any(|row| probability[row].is_empty() && !types[row].is_empty()),
        "an account that matches without a probability"
    );
    assert!(
        types.iter().any(|t| t == "criteria;limit") && types.iter().any(String::is_empty),
        "{types:?}"
    );
    for row in 0..types.len() {
        assert_eq!(times[row].is_empty(), types[row].is_empty());
        assert!(times[row].as_str() < "2025-04-01", "matches are before the end of the log");
        assert_eq!(names[row].is_empty(), types[row].is_empty());
        assert_eq!(names[row].contains(';'), types[row].contains(';'), "{}", names[row]);
        let expected = match (by[row].as_str(), qualified[row].as_str()) {
            ("both" | "definition", "true") => !types[row].is_empty(),
            ("model", "true") => types[row].is_empty() && !probability[row].is_empty(),
            ("", "false") => types[row].is_empty(),
            // Without a probability no account qualifies, also not by a definition.
            ("", "") => probability[row].is_empty(),
            _ => false,
        };
        assert!(expected, "{} {} {}", by[row], qualified[row], types[row]);
    }
}

#[test]
fn qualify_by_selects_the_reason_to_qualify() {
    let project =
        project(&TWO.replace("at_least = 3", "at_least = 4").replace("users = 3", "users = 30"));
    project.train(&[]).done();
    let qualified = |by: &str| {
        let csv =
            project.pql(&[&SCORE[..], &["--set", &format!("qualify.by={by}")]].concat()).done().out;
        let is_true = |cell: &String| cell == "true";
        column(&csv, "qualified").iter().map(is_true).collect::<Vec<_>>()
    };
    let [model, definition, either, both] =
        ["model", "definition", "either", "both"].map(qualified);
    for row in 0..model.len() {
        assert_eq!(either[row], model[row] || definition[row]);
        assert_eq!(both[row], model[row] && definition[row]);
    }
    assert!(definition.contains(&true) && definition != either, "{definition:?}");
}

#[test]
fn a_model_stores_its_definitions_and_a_matrix_cannot_match_them() {
    let project = project(TWO);
    project.train(&[]).done();
    let with = project.pql(&SCORE).done().out;
    project.write("pql.toml", crate::project::TRIAL);
    assert_eq!(project.pql(&SCORE).done().out, with);
    project.pql(&["features", "-o", "features.csv", "--model", "t", "--at", "2025-04-01"]).done();
    let score_matrix = ["score", "t", "--features", "features.csv", "-o", "-"];
    let run = project
        .pql(&score_matrix)
        .done()
        .stderr_has(&["definitions need events, which a feature matrix lacks"]);
    assert!(column(&run.out, "pql_types").iter().all(String::is_empty));
    project.write("pql.toml", format!("{}\n{TWO}", crate::project::TRIAL));
    let by_definition = [&score_matrix[..], &["--set", "qualify.by=definition"]].concat();
    project
        .pql(&by_definition)
        .fails_with(2, &["`qualify.by` is `definition`, but a feature matrix has no events"]);
    let both = self::project(TWO);
    both.train(&["--set", "qualify.by=both"]).done();
    both.write("features.csv", project.read("features.csv"));
    both.write("pql.toml", crate::project::TRIAL);
    both.pql(&score_matrix)
        .fails_with(2, &["`qualify.by` is `both`, but a feature matrix has no events"]);
}

#[test]
fn a_batch_without_the_event_of_a_definition_is_scored_with_a_warning() {
    let project = project(TWO);
    project.train(&[]).done();
    let events = project.text("events.csv");
    project.write(
        "events.csv",
        events.lines().filter(|line| !line.contains(",report,")).collect::<Vec<_>>().join("\n")
            + "\n",
    );
    let run = project
        .pql(&SCORE)
        .done()
        .stderr_has(&["`three reports` counts `report`, which is not a usage event of the log"]);
    assert!(!column(&run.out, "pql_types").iter().any(|types| types.contains("criteria")));
    project.train(&[]).fails_with(2, &["counts `report`"]);
}

#[test]
fn a_definition_is_compared_with_the_model_at_equal_volume() {
    let project = project(TWO);
    project.train(&[]).done();
    let run = project.pql(&["evaluate", "t", "--definition", "three reports"]).done();
    assert!(run.out.contains("The definition matches "), "{}", run.out);
    let difference =
        run.out.lines().find(|line| line.trim_start().starts_with("model - definition")).unwrap();
    // One sign in the label, and one of each number that is not 0.
    assert_eq!(difference.matches(['+', '-']).count(), 6, "{difference}");
    let json = project
        .pql(&["evaluate", "t", "--definition", "three reports", "--format", "json"])
        .done()
        .out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let definition = &json["definition"];
    let cutoffs = definition["by_cutoff"].as_array().unwrap();
    let matched: u64 = cutoffs.iter().map(|cutoff| cutoff["matched"].as_u64().unwrap()).sum();
    assert_eq!(
        (definition["matched"].as_u64(), definition["rows"].as_u64()),
        (Some(matched), json["n"].as_u64())
    );
    assert!(
        definition["precision_difference_interval"].is_object()
            && definition["model_needs"].is_u64()
    );
    let without: serde_json::Value =
        serde_json::from_str(&project.pql(&["evaluate", "t", "--format", "json"]).done().out)
            .unwrap();
    assert!(without.get("definition").is_none());
    let wrong = ["evaluate", "t", "--definition", "three repots"];
    project
        .pql(&wrong)
        .fails_with(2, &["unknown definition `three repots`", "did you mean `three reports`?"]);
    project
        .pql(&[&wrong[..], &["--features", "x.csv"]].concat())
        .fails_with(2, &["cannot be used with"]);
}

#[test]
fn a_definition_discovered_on_test_rows_raises_a_warning() {
    let later = TWO.replace("within = \"14d\"", "within = \"14d\"\nfound_until = \"2026-01-01\"");
    let project = project(&later);
    project.train(&[]).done().stderr_has(&[
        "discovered on data after the first test cutoff",
        "too good: `three reports`",
    ]);
    project.pql(&["evaluate", "t"]).done().stderr_has(&["too good: `three reports`"]);
}

#[test]
fn discover_writes_definitions_for_the_project_file() {
    let project = Project::simulated(3_000, 3);
    let json = project.pql(&["discover", "--format", "json", "--days", "7,14"]).done();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let rules = json["rules"].as_array().unwrap();
    assert!(json["tried"].as_u64().unwrap() > 100 && !rules.is_empty());
    let confirmed: Vec<&serde_json::Value> =
        rules.iter().filter(|rule| rule["confirmed"] == true).collect();
    assert!(!confirmed.is_empty());
    let at_risk = |json: &serde_json::Value| {
        let accounts = |group: &str| json["landmarks"][0][group]["accounts"].as_u64().unwrap();
        accounts("older") + accounts("newer")
    };
    let since = project
        .pql(&[
            "discover",
            "--format",
            "json",
            "--days",
            "7,14",
            "--set",
            "observation.since=2025-03-01",
        ])
        .done();
    let since =
        since.stderr_has(&["accounts skipped: signed up before the log starts (2025-03-01"]);
    let since: serde_json::Value = serde_json::from_str(&since.out).unwrap();
    assert_eq!(json["signed_up_before_log"], 0);
    assert!(
        since["signed_up_before_log"].as_u64() > Some(100)
            && at_risk(&since) + 100 < at_risk(&json)
    );
    let table = project.pql(&["discover", "--days", "7,14"]).done();
    assert!(
        table.out.contains("Benjamini-Hochberg") && table.out.contains("converted earlier"),
        "{}",
        table.out
    );
    project.pql(&["discover", "--days", "7,14", "--top", "1000", "-o", "found.toml"]).done();
    let found = project.text("found.toml");
    assert_eq!(found.matches("[[definition]]").count(), confirmed.len());
    assert!(found.contains("found_until = "));
    let config = project.text("pql.toml");
    project.write("pql.toml", format!("{config}\n{found}"));
    let listed = project.pql(&["funnel", "--format", "json"]).done().out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed["definitions"].as_array().unwrap().len(),
        confirmed.len() + config.matches("[[definition]]").count()
    );
    project.pql(&["discover", "--days", "7,14", "--top", "1", "-o", "one.toml"]).done();
    assert_eq!(project.text("one.toml").matches("[[definition]]").count(), 1);
    project
        .pql(&["discover", "--days", "7", "--min-accounts", "5000", "-o", "none.toml"])
        .done()
        .stderr_has(&["nothing to write"]);
    assert!(!project.path("none.toml").exists());
    project
        .pql(&["discover", "-o", "found.toml"])
        .fails_with(2, &["refusing to overwrite `found.toml`"]);
    project.pql(&["discover", "--set", "observation.horizon=3000d"]).fails_with(3, &[]);
    project.pql(&["discover", "--days", "0"]).fails_with(2, &["0 is not in 1..=365"]);
    project.pql(&["discover", "--set", "model.test_size=0"]).fails_with(2, &["no newer accounts"]);
}
