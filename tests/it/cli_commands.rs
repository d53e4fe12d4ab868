//! The command line as a whole: help, formats, versions of models, and the size of screens.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use pql::cli::Cli;
use serde_json::Value;

use crate::common::{root, text};
use crate::project::Project;

/// Widest line of a table.
const WIDTH: usize = 100;

/// Most lines of the summary of a training.
const SUMMARY_LINES: usize = 25;

/// Creates a project with two versions of the model `t`; the first is the champion.
fn two_versions() -> Project {
    let project = Project::trial();
    project.train(&[]).done();
    project.train(&["--set", "model.penalty=l2", "--set", "model.alpha=50"]).done();
    project
}

fn champion(project: &Project) -> String {
    let versions: Value =
        serde_json::from_str(&project.pql(&["models", "list", "--format", "json"]).done().out)
            .unwrap();
    let champions = versions.as_array().unwrap().iter().filter(|v| v["champion"] == true);
    champions.map(|version| version["model"].as_str().unwrap()).collect()
}

#[test]
fn help_lists_every_command_in_a_group() {
    let project = Project::new();
    let overview = project.pql(&["help"]).done().out;
    assert_eq!(project.pql(&["--help"]).done().out, overview);
    assert_eq!(project.pql(&["-h"]).done().out, overview);
    project.pql(&[]).fails_with(2, &[overview.trim()]);
    let groups = ["Set up", "Train", "Score", "Explain", "Rules", "Operate"];
    for group in groups {
        assert!(overview.lines().any(|line| line.starts_with(group)), "{group}: {overview}");
    }
    let listed: BTreeSet<&str> = overview
        .lines()
        .filter(|line| groups.iter().any(|group| line.starts_with(group)))
        .flat_map(|line| line[9..].split_whitespace())
        .collect();
    let command = Cli::command();
    let commands: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(listed, commands);
    for name in commands {
        let help = project.pql(&["help", name]).done().out;
        assert!(help.contains(&format!("Usage: pql {name}")), "{name}: {help}");
        assert_eq!(project.pql(&[name, "--help"]).done().out, help, "{name}");
    }
}

#[test]
fn every_command_with_a_result_writes_its_formats() {
    let project = two_versions();
    project.pql(&["score", "t", "--at", "2025-04-15", "--ledger", "led"]).done();
    project.pql(&["score", "t", "--at", "2025-05-01", "--ledger", "led"]).done();
    let definition =
        "\n[[definition]]\nname = \"reports\"\nall = [{ event = \"report\", at_least = 2 }]\n";
    project.write("rules.toml", project.text("pql.toml") + definition);
    let scores = project.pql(&["score", "t", "--at", "2025-04-15", "-o", "-"]).done().out;
    let account =
        scores.lines().find(|l| l.contains(",t/0001") && !l.contains("not scored")).unwrap();
    let account = account.split(',').next().unwrap();
    let alerts = ["alerts", "--ledger", "led", "--dry-run"];
    let commands: [(&[&str], &[&str]); 11] = [
        (&["train", "--name", "t"], &["table", "json"]),
        (&["evaluate", "t", "--all"], &["table", "json"]),
        (&["compare", "t/0002", "t/0001"], &["table", "json"]),
        (&["models", "list"], &["table", "json", "csv", "md"]),
        (&["explain", "t", account, "--at", "2025-04-15"], &["table", "json"]),
        (&["inspect", "t"], &["table", "json", "csv", "md"]),
        (&["inspect", "t/0002"], &["table", "json", "csv", "md"]),
        (&["discover", "--days", "7"], &["table", "json", "toml"]),
        (&["funnel", "-c", "rules.toml"], &["table", "json", "csv"]),
        (&["monitor", "t", "--at", "2025-04-15"], &["table", "json"]),
        (&alerts, &["table", "ndjson", "json"]),
    ];
    for (command, formats) in commands {
        for format in ["table", "json", "csv", "md", "toml", "parquet", "ndjson"] {
            let run = project.pql(&[command, &["--format", format]].concat());
            if !formats.contains(&format) {
                run.fails_with(2, &["--format <FORMAT>", &formats.join(", ")]);
                continue;
            }
            assert!([Some(0), Some(5)].contains(&run.code), "{command:?}: {}", run.err);
            match format {
                "json" => drop(serde_json::from_str::<Value>(&run.out).unwrap()),
                "ndjson" => run
                    .out
                    .lines()
                    .for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap())),
                "md" => assert!(run.out.starts_with("| ") && run.out.contains("\n|---|")),
                "csv" => assert!(run.out.lines().next().unwrap().contains(',')),
                _ => {}
            }
            // Every training stores another version.
            if command[0] == "train" || run.out.is_empty() {
                continue;
            }
            let extension = if format == "table" { "txt" } else { format };
            let name = format!("out-{}-{format}.{extension}", command[0]);
            let file = project.pql(&[command, &["-o", &name]].concat());
            assert_eq!((file.code, file.out.as_str()), (run.code, ""), "{command:?}");
            assert_eq!(project.text(&name), run.out, "{command:?} by extension");
            file.stderr_has(&[&format!("Wrote {name}")]);
            std::fs::remove_file(project.path(&name)).unwrap();
        }
    }
    project
        .pql(&["evaluate", "t", "--all", "-o", "metrics.csv"])
        .fails_with(2, &["`metrics.csv`", "expected .txt or .json", "hint: "]);
    for command in [["score", "t"].as_slice(), &["features"]] {
        project
            .pql(&[command, &["-o", "-", "--format", "json"]].concat())
            .fails_with(2, &["parquet, csv, ndjson"]);
    }
}

#[test]
fn train_writes_the_model_card_as_json() {
    let project = Project::trial();
    let out = project.pql(&["train", "--name", "t", "--format", "json"]).done().out;
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        found["stored"],
        serde_json::json!({
            "model": "t/0001", "path": "models/t/0001/model.pql", "is_champion": true
        })
    );
    assert!(found["warnings"].is_array());
    let card: Value = serde_json::from_str(&project.text("models/t/0001/model.json")).unwrap();
    assert_eq!(found["evaluation"], card["evaluation"]);
}

#[test]
fn the_summary_of_a_training_has_at_most_25_lines() {
    let project = Project::trial();
    let trial = project.pql(&["train", "--name", "t"]).done();
    let matrix = Project::matrix();
    let matrix = matrix.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    let demo = root().join("data/demo/pql.toml");
    let demo = project.pql(&["train", "--name", "demo", "-c", text(&demo)]).done();
    for run in [&trial, &matrix, &demo] {
        assert_eq!(run.err, "", "the summary includes the warnings");
        let lines: Vec<&str> = run.out.lines().collect();
        assert!((5..=SUMMARY_LINES).contains(&lines.len()), "{}", run.out);
        let commands = lines.iter().position(|line| line.starts_with("Next: pql ")).unwrap();
        let mut text = lines[..commands].iter();
        assert!(text.all(|line| line.chars().count() <= WIDTH), "{}", run.out);
        let mut more = lines[commands + 1..].iter();
        assert!(more.all(|line| line.starts_with("      pql ")), "{}", run.out);
    }
    let details = project.train(&[]).done();
    assert!(details.out.lines().count() > SUMMARY_LINES && details.err.contains("Data quality"));
    assert!(details.out.contains("Stored as t/0002"), "{}", details.out);
    assert_eq!(project.train(&["-q"]).done().err, "");
}

#[test]
fn tables_of_the_demo_fit_into_100_columns() {
    let project = Project::new();
    let demo = root().join("data/demo/pql.toml");
    let demo = ["-c", text(&demo)];
    project.pql(&[&["train", "--name", "t", "-v"], &demo[..]].concat()).done();
    let fewer = ["train", "--name", "t", "--set", "model.penalty=l1"];
    project.pql(&[&fewer[..], &demo].concat()).done();
    let scores = project.pql(&[&["score", "t", "-o", "-"], &demo[..]].concat()).done().out;
    let account =
        scores.lines().find(|l| l.contains(",t/0001") && !l.contains("not scored")).unwrap();
    let account = account.split(',').next().unwrap().to_owned();
    project.pql(&[&["score", "t", "--ledger", "led"], &demo[..]].concat()).done();
    let with_demo = |command: &[&str]| project.pql(&[command, &demo[..]].concat());
    let runs = [
        with_demo(&["train", "--name", "t", "-v"]),
        with_demo(&["evaluate", "t", "--all"]),
        with_demo(&["explain", "t", &account]),
        with_demo(&["explain", "t", &account, "-v"]),
        with_demo(&["explain", "t", &account, "--what-if", "active_users_7d=0"]),
        with_demo(&["monitor", "t"]),
        with_demo(&["monitor", "t", "-v"]),
        with_demo(&["discover"]),
        with_demo(&["discover", "-v"]),
        with_demo(&["funnel"]),
        project.pql(&["compare", "t/0002", "t/0001"]),
        project.pql(&["models", "list"]),
        project.pql(&["inspect", "t"]),
        project.pql(&["inspect", "t", "-v"]),
        project.pql(&["inspect", "t/0002", "--regularization-path"]),
        project.pql(&["alerts", "--ledger", "led", "--dry-run"]),
    ];
    for run in runs {
        assert!([Some(0), Some(5)].contains(&run.code), "{}", run.err);
        // Commands to run next may be longer, so that they can be copied.
        let mut text = run.out.lines().filter(|line| !line.contains("pql "));
        let wide = text.find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None, "{}\n{}", run.out, run.err);
    }
}

#[test]
fn rollback_restores_the_previous_champion() {
    let project = two_versions();
    assert_eq!(champion(&project), "t/0001");
    project
        .pql(&["models", "rollback", "t"])
        .fails_with(4, &["`t` has no previous champion: only `t/0001` has been promoted"]);
    project
        .pql(&["models", "promote", "t/0002"])
        .done()
        .stderr_has(&["t/0002 is now the champion"]);
    assert_eq!(champion(&project), "t/0002");
    project.pql(&["models", "rollback", "t"]).done().stderr_has(&["t/0001 is the champion again"]);
    assert_eq!(champion(&project), "t/0001");
    project.pql(&["models", "rollback", "nope"]).fails_with(4, &["model `nope` not found"]);
    project.pql(&["models"]).fails_with(2, &["list", "promote", "rollback", "prune"]);
}

#[test]
fn the_csv_list_of_models_has_the_values_of_the_json() {
    let project = two_versions();
    let out = |format: &str| project.pql(&["models", "list", "--format", format]).done().out;
    let json: Vec<Value> = serde_json::from_str(&out("json")).unwrap();
    let csv = out("csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().map(|row| row.unwrap()).collect();
    assert_eq!((rows.len(), rows[0].len()), (2, 24));
    for (row, json) in rows.iter().zip(&json) {
        for (column, found) in row {
            let key = match column.as_str() {
                "verdict" => "/verdict/code".to_owned(),
                "penalty" => "/penalty/kind".to_owned(),
                "l1_ratio" => "/penalty/l1_ratio".to_owned(),
                name => match name.split_once('_') {
                    Some((part @ ("verdict" | "test"), key)) => format!("/{part}/{key}"),
                    _ => format!("/{name}"),
                },
            };
            let expected = match json.pointer(&key).unwrap_or_else(|| panic!("{key}: {json}")) {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            assert_eq!(*found, expected, "{column}");
        }
    }
    project
        .pql(&["models", "list", "r"])
        .fails_with(4, &["model `r` not found in `models`", "`t` is the only stored model"]);
}

#[test]
fn a_champion_as_challenger_suggests_the_other_versions_of_its_name() {
    let project = two_versions();
    project.pql(&["train", "--name", "other"]).done();
    let run = project.pql(&["compare", "t"]);
    let run =
        run.fails_with(2, &["`t/0001` is already the champion", "hint: compare one of `t/0002`"]);
    assert!(!run.err.contains("other"), "{}", run.err);
}

#[test]
fn prune_deletes_old_versions_but_never_the_champion() {
    let project = two_versions();
    for _ in 0..3 {
        project.train(&[]).done();
    }
    project.pql(&["models", "prune", "t"]).fails_with(2, &["--keep <N>"]);
    project.pql(&["models", "prune", "t", "--keep", "0"]).fails_with(2, &["`--keep`"]);
    let pruned = project.pql(&["models", "prune", "t", "--keep", "2"]).done();
    pruned.stderr_has(&["Deleted t/0002", "Deleted t/0003", "Kept t/0001, the champion"]);
    assert_eq!(project.names("models/t"), [".lock", "0001", "0004", "0005", "champion"]);
    assert_eq!(champion(&project), "t/0001");
    project.pql(&["score", "t", "--at", "2025-04-15", "-o", "-"]).done();
    project.pql(&["models", "prune", "--keep", "2"]).done().stderr_has(&["No version was deleted"]);
}

#[test]
fn completions_manual_pages_and_schema_are_written() {
    let project = Project::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = project.pql(&["completions", shell]).done().out;
        assert!(script.contains("pql") && script.contains("rollback"), "{shell}: {script}");
    }
    project.pql(&["completions", "csh"]).fails_with(2, &["bash"]);
    project.pql(&["man", "pages/man1"]).done().stderr_has(&["Wrote manual pages to pages/man1"]);
    let pages = project.names("pages/man1");
    for page in ["pql.1", "pql-train.1", "pql-models-prune.1", "pql-export-notebook.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(project.text("pages/man1/pql-train.1").contains("leakage audit"));
    let schema = project.pql(&["schema"]).done().out;
    let parsed: Value = serde_json::from_str(&schema).unwrap();
    assert!(parsed["properties"]["observation"].is_object(), "{schema}");
    project.pql(&["schema", "-o", "schema.json"]).done();
    assert_eq!(project.text("schema.json"), schema);
}
