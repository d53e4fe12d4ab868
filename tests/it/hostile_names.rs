//! Names and values that attack the reader of an output: terminals, Markdown, HTML and
//! spreadsheets.

use std::fs;

use crate::common::csv_rows;
use crate::project::{Project, Run, TRIAL};

/// What each hostile name contains: a color, a forged line, reversed and hidden text, and markup.
const ATTACK: &str = "\u{1b}[31m\r\n error: forged \u{202e}\u{200b}<script>|`";

/// Returns a hostile name that is different for each kind.
fn hostile(kind: &str) -> String {
    format!("{kind}{ATTACK}")
}

/// Returns a TOML string.
fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap()
}

/// The time at which the hostile account can be scored.
const AT: &str = "2025-05-10";

/// Creates a log in which an account, an event type, a column, its values, a definition and a file
/// have hostile names, with a model `t`.
fn project() -> Project {
    let project = Project::trial();
    let (account, event, column) = (hostile("account"), hostile("event"), hostile("column"));
    let accounts = project
        .text("accounts.csv")
        .replace("00119,", &format!("\"{account}\","))
        .replace(",industry", &format!(",\"{column}\""))
        .replace(",media", &format!(",\"{}\"", hostile("level")));
    let events = project
        .text("events.csv")
        .replace("00119,", &format!("\"{account}\","))
        .replace(",report,", &format!(",\"{event}\","));
    project.write(&format!("{}.csv", file_name()), accounts);
    project.write("events.csv", events);
    let config = TRIAL
        .replace("\"accounts.csv\"", &quoted(&format!("{}.csv", file_name())))
        .replace("[\"industry\"]", &format!("[{}]", quoted(&column)));
    let definition = format!(
        "\n[[definition]]\nname = {}\ntype = \"limit\"\nany = [{{ event = {}, at_least = 2 }}]\n",
        quoted(&hostile("definition")),
        quoted(&event)
    );
    project.write("pql.toml", config + &definition);
    project
}

/// Returns a hostile file name, without the slash of a tag.
fn file_name() -> String {
    hostile("file")
}

/// Returns whether a character is invisible or moves others; line breaks belong to the output.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{200b}' | '\u{202e}')
}

/// Checks that a text has no hidden characters.
#[track_caller]
fn check_characters(place: &str, text: &str) {
    let hidden = text.find(is_hidden).map(|at| text[at..].chars().take(40).collect::<String>());
    assert_eq!(hidden, None, "{place}");
}

/// Checks that a text shows hostile names without being attacked by them.
#[track_caller]
fn check_text(place: &str, text: &str) {
    check_characters(place, text);
    let forged = text.lines().find(|line| line.trim_start().starts_with("error: forged"));
    assert!(forged.is_none(), "{place}: {text}");
}

#[track_caller]
fn check_run(args: &[&str], run: Run) -> Run {
    check_text(&format!("{args:?}, stdout"), &run.out);
    check_text(&format!("{args:?}, stderr"), &run.err);
    assert!(!run.err.contains("panicked"), "{}", run.err);
    run
}

#[track_caller]
fn check_page(project: &Project, name: &str) {
    let page = project.text(name);
    // Line breaks have no meaning in a page, except in the project file that it shows.
    check_characters(name, &page);
    assert!(page.contains("forged") && !page.contains("<script"), "{name}");
}

#[test]
fn no_output_for_people_is_attacked_by_names() {
    let project = project();
    let account = hostile("account");
    let succeeds = |args: &[&str]| {
        let run = check_run(args, project.pql(args));
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.err);
        run
    };
    let shows = |args: &[&str]| {
        let run = succeeds(args);
        assert!((run.out + &run.err).contains("\\u{1b}"), "{args:?} shows no hostile name");
    };
    succeeds(&["train", "--name", "t", "--report", "train.html"]);
    shows(&["train", "--name", "t", "-v"]);
    shows(&["inspect", "t"]);
    shows(&["inspect", "t", "-v"]);
    shows(&["inspect", "t", "--format", "md"]);
    shows(&["evaluate", "t", "--by", &hostile("column")]);
    succeeds(&["compare", "t/0002", "t/0001", "--all"]);
    shows(&["explain", "t", &account, "--at", AT]);
    shows(&["explain", "t", &account, "--at", AT, "-v"]);
    shows(&["explain", "t", &account, "--at", AT, "--since", "2025-05-09"]);
    succeeds(&["models", "list"]);
    succeeds(&["models", "list", "--format", "md"]);
    shows(&["funnel"]);
    succeeds(&["discover", "-v"]);
    succeeds(&["score", "t", "--at", "2025-05-03", "--ledger", "ledger"]);
    succeeds(&["score", "t", "--at", AT, "--ledger", "ledger", "-o", "scores.csv"]);
    shows(&["alerts", "--ledger", "ledger", "--dry-run", "--max", "1000"]);
    succeeds(&["monitor", "t", "--at", AT, "--report", "monitor.html"]);
    succeeds(&["monitor", "t", "--at", AT, "-v"]);
    shows(&["ingest", "-o", "ingested"]);
    succeeds(&["report", "t", "-o", "report.html"]);
    succeeds(&["export", "notebook", "t"]);
    ["train.html", "report.html"].iter().for_each(|page| check_page(&project, page));
    check_characters("monitor.html", &project.text("monitor.html"));

    let outside = format!("{}.pql", file_name());
    fs::copy(project.path("models/t/0001/model.pql"), project.path(&outside)).unwrap();
    shows(&["inspect", &outside]);
}

#[test]
fn no_error_is_forged_by_names() {
    let project = project();
    project.train(&[]).done();
    let name = hostile("x");
    let file = format!("{}.csv", file_name());
    project.write("bad.toml", format!("[model]\n{} = 1\n", quoted(&name)));
    project.write("value.toml", format!("[model]\npenalty = {}\n", quoted(&name)));
    project.write("list.toml", TRIAL.replace("\"accounts.csv\"", &quoted(&file)));
    let times = format!("a,t\n\"{name}\",\"{name}\"\n");
    project.write(&file, &times);
    project.write(
        "times.toml",
        format!("[[events]]\npath = {}\naccount = \"a\"\ntimestamp = \"t\"\n", quoted(&file)),
    );
    project.write("matrix.csv", format!("account_id,\"{name}\",converted\na,1,\"{name}\"\n"));
    let set = format!("model.penalty={name}");
    let what_if = format!("{name}=1");
    for args in [
        &["explain", "t", name.as_str()][..],
        &["explain", "t", "00118", "--at", AT, "--what-if", &what_if],
        &["score", &name, "-o", "x.csv"],
        &["score", "t", "-c", &name, "-o", "x.csv"],
        &["score", "t", "-o", &name],
        &["score", "t", "--features", &name, "-o", "x.csv"],
        &["train", "--name", &name],
        &["train", "--name", "u", "--features", "matrix.csv"],
        &["train", "--name", "u", "--set", &set],
        &["train", "--name", "u", "-c", "bad.toml"],
        &["train", "--name", "u", "-c", "value.toml"],
        &["train", "--name", "u", "-c", "list.toml"],
        &["train", "--name", "u", "-c", "times.toml"],
        &["evaluate", "t", "--definition", &name],
        &["evaluate", "t", "--by", &name],
        &["score", "t", "--at", &name],
        &["score", "t", &format!("--{name}")],
        &["models", "promote", &name],
        &["alerts", "--ledger", &name],
        &["init", "--events", &name, "-o", "init.toml"],
        &[&name],
    ] {
        let run = check_run(args, project.pql(args));
        assert!(matches!(run.code, Some(2..=4)), "{args:?}: {:?} {}", run.code, run.err);
        assert!(run.err.contains("forged"), "{args:?}: {}", run.err);
    }
    let run = project.pql(&["init", "--events", &file, "-o", "init.toml"]);
    assert_eq!(check_run(&["init"], run).code, Some(0));
    check_text("init.toml", &project.text("init.toml"));
}

#[test]
fn data_keep_exact_names_and_spreadsheets_get_no_formulas() {
    let project = project();
    let (account, formula) = (hostile("account"), "=HYPERLINK(\"http://x\")");
    for file in ["events.csv".to_owned(), format!("{}.csv", file_name())] {
        let text = project.text(&file);
        let text = text.replace("00118,", &format!("\"{}\",", formula.replace('"', "\"\"")));
        project.write(&file, text.replace("00117,", "'=x,"));
    }
    project.train(&[]).done();
    let accounts = |name: &str| -> Vec<String> {
        csv_rows(&project.path(name)).iter().map(|row| row["account_id"].clone()).collect()
    };
    project.pql(&["score", "t", "--at", AT, "-o", "scores.csv"]).done();
    let safe = accounts("scores.csv");
    let cells = [account.clone(), format!("'{formula}"), "''=x".to_owned()];
    assert!(cells.iter().all(|cell| safe.contains(cell)), "{safe:?}");
    project.pql(&["score", "t", "--at", AT, "-o", "exact.csv", "--csv-safe", "false"]).done();
    let exact = accounts("exact.csv");
    assert!([&account, formula, "'=x"].iter().all(|id| exact.contains(&(*id).to_owned())));

    // A matrix is read back with the names of the log.
    project.pql(&["features", "-o", "matrix.csv", "--model", "t", "--at", AT]).done();
    assert!(accounts("matrix.csv").contains(&"''=x".to_owned()));
    project.pql(&["score", "t", "--features", "matrix.csv", "-o", "again.csv"]).done();
    let again = accounts("again.csv");
    assert!(cells.iter().all(|cell| again.contains(cell)), "{again:?}");
    let json = ["explain", "t", formula, "--features", "matrix.csv", "--format", "json"];
    let json: serde_json::Value = serde_json::from_str(&project.pql(&json).done().out).unwrap();
    assert_eq!(json["account_id"], formula);

    let json = project.pql(&["inspect", "t", "--format", "json"]).done().out;
    check_text("JSON", &json);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    let exact = hostile("column");
    let has_exact = |row: &serde_json::Value| row["feature"].as_str().unwrap().contains(&exact);
    assert!(rows.as_array().unwrap().iter().any(has_exact), "{rows}");
}
