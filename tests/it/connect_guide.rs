//! The guide to databases trains and scores from the tables of PostgreSQL as it says.

use std::fs;

use crate::common::root;
use crate::databases::{Database, Kind, TYPES};
use crate::project::Project;

/// Returns the blocks of a section of the guide: their language, and their lines.
fn blocks(section: &str) -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/guide/connect.md")).unwrap();
    let section = page.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    let block = |text: &str| text.split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned()));
    blocks.map(|text| block(text).unwrap()).collect()
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn the_commands_for_postgres_lead_to_scores() {
    let project = Project::new();
    project.simulate("data", 400, 1);
    let mut database = Database::start(Kind::Postgres, &project);
    database.sql("create schema analytics");
    for table in ["events", "accounts"] {
        let names = (&*format!("data/{table}.parquet"), &*format!("analytics.{table}"));
        database.load_file(&project, names, &TYPES);
    }
    let mut commands = Vec::new();
    for (language, lines) in blocks("PostgreSQL").into_iter().chain(blocks("Write scores back")) {
        match language.as_str() {
            "toml" => project.write("pql.toml", lines),
            "sh" => commands.extend(lines.lines().map(str::to_owned)),
            other => panic!("a block of {other:?}"),
        }
    }
    let is_ours = |command: &&String| command.starts_with("pql ");
    let ours: Vec<&String> = commands.iter().filter(is_ours).collect();
    assert!(ours.len() >= 5 && commands.len() - ours.len() == 2, "{commands:?}");
    for command in ours {
        let args: Vec<&str> = command.split(' ').skip(1).collect();
        let run = database.pql(&project, &args);
        assert_eq!(run.code, Some(0), "{command}\n{}\n{}", run.out, run.err);
    }
    let scored = project.text("scores.csv").lines().count() - 1;
    for table in ["pql_scores", "pql_current"] {
        let rows = database.sql(&format!("select count(*) from analytics.{table}"));
        assert_eq!(rows[0][0], scored, "{table}");
    }
}
