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
    let json: serde_json::Value = serde_json::from_str(&project(TWO).pql(&["definitions", "--json"]).done().out).unwrap();
    assert_eq!(json[0]["accounts"], 240);
    let pqls = json[0]["pqls"].as_u64().unwrap();
    assert!(pqls > 0 && pqls < 240);
    let strict = TWO.replace("at_least = 3", "at_least = 6");
    let json: serde_json::Value = serde_json::from_str(&project(&strict).pql(&["definitions", "--json"]).done().out).unwrap();
    assert!(json[0]["pqls"].as_u64().unwrap() < pqls);
}

#[test]
fn an_unknown_event_is_named_with_file_line_and_the_nearest_name() {
    let wrong = TWO.replace("\"report\"", "\"reprot\"");
    let line = project(&wrong).text("pql.toml").lines().position(|l| l == "[[definition]]").unwrap() + 1;
    let run = project(&wrong).pql(&["definitions"]);
    run.refused(2, &["pql.toml", &format!("line {line}"), "`three reports` counts the event `reprot`", "did you mean `report`?"]);
    Project::trial().pql(&["definitions"]).refused(2, &["has no `[[definition]]`"]);
}
