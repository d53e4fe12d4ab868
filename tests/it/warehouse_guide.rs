//! The commands and statements of the guide to warehouses print what the guide shows, in `DuckDB`;
//! `TRYCMD=overwrite` updates the guide.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{python, root, succeed, text};

const GUIDE: &str = "docs/guide/warehouse.md";

/// Runs statements, or the files of `.read`, as the shell of `DuckDB` does; prints the rows of a
/// query.
const SHELL: &str = r#"
import duckdb, re, sys
sql = re.sub(r"^\.read (.*)$", lambda found: open(found[1], encoding="utf-8").read() + ";", sys.argv[1], flags=re.M)
with duckdb.connect("warehouse.duckdb", config={"threads": 2}) as connection:
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    result = connection.execute(sql)
    if sql.startswith("SELECT"):
        table = [[column[0] for column in result.description]]
        table += [[str(value) for value in row] for row in result.fetchall()]
        widths = [max(map(len, column)) for column in zip(*table)]
        for row in table:
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))
"#;

/// Runs statements in the database of a folder.
fn run_sql(folder: &Path, sql: &str) -> String {
    succeed(Command::new(python()).args(["-c", SHELL, sql]).current_dir(folder)).0
}

/// Runs commands in a folder. A check that fails, with exit code 5, is a result.
fn run_commands(folder: &Path, commands: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_pql"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", text(program.parent().unwrap()));
    let mut shell = Command::new("sh");
    shell.args(["-ec", commands]).env("PATH", path).current_dir(folder);
    let output = shell.output().unwrap();
    let [out, err] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(matches!(output.status.code(), Some(0 | 5)), "{commands}\n{out}\n{err}");
    out
}

/// Returns lines without blanks at their ends.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
#[ignore = "needs Python with DuckDB (`make python`)"]
fn guide_prints_the_documented_output() {
    let page = fs::read_to_string(root().join(GUIDE)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run_sql(folder, "CREATE SCHEMA analytics");
    for table in ["events", "accounts"] {
        let file = root().join("data/demo").join(table).with_extension("parquet");
        run_sql(folder, &format!("CREATE TABLE analytics.{table} AS FROM '{}'", text(&file)));
    }
    // Every second part is a block: its language, then its lines.
    let mut parts: Vec<String> = page.split("\n```").map(str::to_owned).collect();
    let mut printed = String::new();
    for part in parts.iter_mut().skip(1).step_by(2) {
        let (language, lines) = part.split_once('\n').unwrap_or((part.as_str(), ""));
        match language {
            "toml" => fs::write(folder.join("pql.toml"), lines).unwrap(),
            "sh" => printed = run_commands(folder, lines),
            "sql" => printed = run_sql(folder, lines),
            "text" => *part = format!("text\n{}", trimmed(&printed)),
            // Statements of other engines.
            _ => assert!(language.contains(' '), "a block of {language:?}"),
        }
    }
    let updated = parts.join("\n```");
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::write(root().join(GUIDE), updated).unwrap();
    } else {
        assert_eq!(updated, page, "TRYCMD=overwrite updates {GUIDE}");
    }
}
