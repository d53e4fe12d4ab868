//! PQL definitions through the command line.

use crate::project::Project;

/// A trial with definitions after its project file.
fn project(definitions: &str) -> Project {
    let project = Project::trial();
    let config = project.text("pql.toml");
    project.write("pql.toml", format!("{config}\n{definitions}"));
    project
}

const TWO: &str = "[[definition]]\nname = \"three reports\"\nwithin = \"14d\"\nall = [{ event = \"report\", at_least = 3 }]\n\n\
                   [[definition]]\nname = \"a team\"\ntype = \"limit\"\nany = [{ users = 3 }, { active_days = 20 }]\n";

#[test]
fn definitions_are_listed_with_their_counts() {
    let run = project(TWO).pql(&["definitions"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[1].contains("three reports") && lines[1].contains("criteria"), "{}", run.out);
    assert!(lines[2].contains("a team") && lines[2].contains("limit"), "{}", run.out);
    let json: serde_json::Value =
        serde_json::from_str(&project(TWO).pql(&["definitions", "--json"]).done().out).unwrap();
    assert_eq!(json[0]["accounts"], 240);
    let pqls = json[0]["pqls"].as_u64().unwrap();
    assert!(pqls > 0 && pqls < 240);
    let strict = TWO.replace("at_least = 3", "at_least = 6");
    let json: serde_json::Value =
        serde_json::from_str(&project(&strict).pql(&["definitions", "--json"]).done().out).unwrap();
    assert!(json[0]["pqls"].as_u64().unwrap() < pqls);
}

#[test]
fn an_unknown_event_is_named_with_file_line_and_the_nearest_name() {
    let wrong = TWO.replace("\"report\"", "\"reprot\"");
    let line =
        project(&wrong).text("pql.toml").lines().position(|l| l == "[[definition]]").unwrap() + 1;
    let run = project(&wrong).pql(&["definitions"]);
    run.refused(
        2,
        &[
            "pql.toml",
            &format!("line {line}"),
            "`three reports` counts the event `reprot`",
            "did you mean `report`?",
        ],
    );
    Project::trial().pql(&["definitions"]).refused(2, &["has no `[[definition]]`"]);
}

/// The cells of a CSV by column name, row by row.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader
        .headers()
        .unwrap()
        .iter()
        .position(|h| h == name)
        .unwrap_or_else(|| panic!("no column {name}"));
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

const SCORE: [&str; 7] = ["score", "--model", "t", "--at", "2025-04-01", "-o", "-"];

#[test]
fn scores_say_which_definitions_held_since_when_and_who_qualifies_by_what() {
    let project = project(TWO);
    project.train(&[]).done();
    let run = project.pql(&SCORE).done().says(&["are PQLs by a definition"]);
    let [probability, qualified, by, types, at] =
        ["probability", "qualified", "qualified_by", "pql_types", "pql_at"]
            .map(|name| column(&run.out, name));
    assert!(
        types.iter().any(|t| t == "criteria;limit") && types.iter().any(String::is_empty),
        "{types:?}"
    );
    for row in 0..types.len() {
        assert_eq!(at[row].is_empty(), types[row].is_empty());
        assert!(
            at[row].as_str() < "2025-04-01",
            "a definition that held before the end of the log"
        );
        let expected = match (by[row].as_str(), qualified[row].as_str()) {
            ("both" | "definition", "true") => !types[row].is_empty(),
            ("model", "true") => types[row].is_empty() && !probability[row].is_empty(),
            ("", "false") => types[row].is_empty(),
            ("", "") => types[row].is_empty() && probability[row].is_empty(),
            _ => false,
        };
        assert!(expected, "{} {} {}", by[row], qualified[row], types[row]);
    }
}

#[test]
fn what_makes_an_account_qualified_is_said_in_the_project_file() {
    let project =
        project(&TWO.replace("at_least = 3", "at_least = 6").replace("users = 3", "users = 30"));
    project.train(&[]).done();
    let qualified = |by: &str| {
        let csv =
            project.pql(&[&SCORE[..], &["--set", &format!("qualify.by={by}")]].concat()).done().out;
        let is = |cell: &String| cell == "true";
        column(&csv, "qualified").iter().map(is).collect::<Vec<_>>()
    };
    let [model, definition, either, both] =
        ["model", "definition", "either", "both"].map(qualified);
    for row in 0..model.len() {
        assert_eq!(either[row], model[row] || definition[row]);
        assert_eq!(both[row], model[row] && definition[row]);
    }
    assert!(definition.contains(&true) && definition != either);
}

#[test]
fn a_model_keeps_its_definitions_and_a_matrix_has_none() {
    let project = project(TWO);
    project.train(&[]).done();
    let with = project.pql(&SCORE).done().out;
    project.write("pql.toml", crate::project::TRIAL);
    assert_eq!(project.pql(&SCORE).done().out, with);
    project.pql(&["features", "-o", "features.csv", "--model", "t", "--at", "2025-04-01"]).done();
    let of_matrix = ["score", "--model", "t", "--features", "features.csv", "-o", "-"];
    let run =
        project.pql(&of_matrix).done().says(&["a matrix has no events for definitions to count"]);
    assert!(column(&run.out, "pql_types").iter().all(String::is_empty));
    project.write("pql.toml", format!("{}\n{TWO}", crate::project::TRIAL));
    let by_definition = [&of_matrix[..], &["--set", "qualify.by=definition"]].concat();
    project.pql(&by_definition).refused(2, &["qualify by definition, and a matrix has no events"]);
    let both = self::project(TWO);
    both.train(&["--set", "qualify.by=both"]).done();
    both.write("features.csv", project.read("features.csv"));
    both.write("pql.toml", crate::project::TRIAL);
    both.pql(&of_matrix).refused(2, &["qualify by both, and a matrix has no events"]);
}

#[test]
fn a_batch_without_an_event_that_a_definition_counts_is_scored_with_a_warning() {
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
        .says(&["`three reports` counts the event `report`, which no usage in the log has"]);
    assert!(!column(&run.out, "pql_types").iter().any(|types| types.contains("criteria")));
    project.train(&[]).refused(2, &["counts the event `report`"]);
}

#[test]
fn a_definition_is_judged_beside_the_model_at_equal_volume() {
    let project = project(TWO);
    let told = project.train(&[]).done();
    assert!(
        told.out.contains("the definition `") || told.out.contains("the base rate"),
        "{}",
        told.out
    );
    let run = project.pql(&["evaluate", "t", "--definition", "three reports"]).done();
    assert!(run.out.contains("The definition `three reports` has held for"), "{}", run.out);
    let difference = run
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("model less definition"))
        .unwrap();
    assert_eq!(difference.matches(['+', '-']).count(), 7, "each number has its sign: {difference}");
    let json =
        project.pql(&["evaluate", "t", "--definition", "three reports", "--json"]).done().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let of = &json["definition"];
    let held: u64 =
        of["by_cutoff"].as_array().unwrap().iter().map(|at| at["held"].as_u64().unwrap()).sum();
    assert_eq!((of["held"].as_u64(), of["rows"].as_u64()), (Some(held), json["n"].as_u64()));
    assert!(of["precision_difference_interval"].is_object() && of["model_needs"].is_u64());
    let without: serde_json::Value =
        serde_json::from_str(&project.pql(&["evaluate", "t", "--json"]).done().out).unwrap();
    assert!(without.get("definition").is_none());
    let wrong = ["evaluate", "t", "--definition", "three repots"];
    project
        .pql(&wrong)
        .refused(2, &["no definition is named `three repots`", "did you mean `three reports`?"]);
    project
        .pql(&[&wrong[..], &["--features", "x.csv"]].concat())
        .refused(2, &["cannot be used with"]);
}

#[test]
fn a_definition_found_on_test_rows_is_named() {
    let later = TWO.replace("within = \"14d\"", "within = \"14d\"\nfound_until = \"2026-01-01\"");
    let project = project(&later);
    project
        .train(&[])
        .done()
        .says(&["found on data from after the first test cutoff", "flatter them: `three reports`"]);
    project.pql(&["evaluate", "t"]).done().says(&["flatter them: `three reports`"]);
}

#[test]
fn discovery_writes_definitions_that_can_be_pasted() {
    let project = Project::new();
    project.pql(&["simulate", "-o", ".", "--accounts", "3000", "--seed", "3"]).done();
    let json = project.pql(&["discover", "--json", "--days", "7,14"]).done();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let rules = json["rules"].as_array().unwrap();
    assert!(json["tried"].as_u64().unwrap() > 100 && !rules.is_empty());
    let confirmed: Vec<&serde_json::Value> =
        rules.iter().filter(|rule| rule["confirmed"] == true).collect();
    assert!(!confirmed.is_empty());
    let at_risk = |json: &serde_json::Value| {
        let of = |side: &str| json["landmarks"][0][side]["accounts"].as_u64().unwrap();
        of("older") + of("newer")
    };
    let since = project
        .pql(&["discover", "--json", "--days", "7,14", "--set", "observation.since=2025-03-01"])
        .done();
    let since =
        since.says(&["accounts left out: they signed up before the log begins at 2025-03-01"]);
    let since: serde_json::Value = serde_json::from_str(&since.out).unwrap();
    assert_eq!(json["signed_up_before_log"], 0);
    assert!(
        since["signed_up_before_log"].as_u64() > Some(100)
            && at_risk(&since) + 100 < at_risk(&json)
    );
    let table = project
        .pql(&["discover", "--days", "7,14", "--top", "1000", "--write", "found.toml"])
        .done();
    assert!(
        table.out.contains("Benjamini-Hochberg") && table.out.contains("converted before"),
        "{}",
        table.out
    );
    let found = project.text("found.toml");
    assert_eq!(found.matches("[[definition]]").count(), confirmed.len());
    assert!(found.contains("found_until = "));
    let config = project.text("pql.toml");
    project.write("pql.toml", format!("{config}\n{found}"));
    let listed = project.pql(&["definitions", "--json"]).done().out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed.as_array().unwrap().len(),
        confirmed.len() + config.matches("[[definition]]").count()
    );
    project.pql(&["discover", "--days", "7,14", "--top", "1", "--write", "one.toml"]).done();
    assert_eq!(project.text("one.toml").matches("[[definition]]").count(), 1);
    project.pql(&["discover", "--json", "--write", "-"]).refused(2, &["both to standard output"]);
    project
        .pql(&["discover", "--days", "7", "--support", "5000", "--write", "none.toml"])
        .done()
        .says(&["nothing to write"]);
    assert!(!project.path("none.toml").exists());
    project.pql(&["discover", "--write", "found.toml"]).refused(2, &["is there already"]);
    project.pql(&["discover", "--set", "observation.horizon=3000d"]).refused(3, &[]);
    project.pql(&["discover", "--days", "0"]).refused(2, &["0 is not in 1..=365"]);
    project.pql(&["discover", "--set", "model.test=0"]).refused(2, &["no newer accounts"]);
}
