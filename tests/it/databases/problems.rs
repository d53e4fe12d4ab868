//! Problems with databases: each has a message with the next step, and none has a secret.

use super::harness::{Database, Kind};
use super::trial;
use crate::project::{Project, TRIAL};

/// Returns a project file with other keys in `[[events]]` and other sections.
fn config(events: &str, sections: &str) -> String {
    TRIAL.replace("path = \"events.csv\"", events) + "\n" + sections
}

#[test]
fn keys_that_exclude_or_require_each_other_are_refused() {
    let project = Project::trial();
    let connection = "[connections.warehouse]\ndriver = \"postgresql\"\n";
    for (events, problem) in [
        ("query = \"select 1\"", "`events.query` requires `events.connection`, found none"),
        ("connection = \"warehouse\"", "`events.connection` requires `table` or `query`"),
        (
            "connection = \"warehouse\"\ntable = \"e\"\nquery = \"select 1\"",
            "found `table` and `query` in [[events]], expected only one of them",
        ),
        (
            "connection = \"warehouse\"\nquery = \"select 1\"\npath = \"events.csv\"",
            "found `path` and `connection` in [[events]], expected only one of them",
        ),
        ("connection = \"warehose\"\ntable = \"e\"", "did you mean `warehouse`?"),
        ("connection = \"warehouse\"\nquery = \" \"", "`events.query`: found an empty text"),
        (
            "connection = \"warehouse\"\ntable = \"e\"\nfile_format = \"csv\"",
            "found `file_format` and `connection` in [[events]]",
        ),
        ("connection = \"warehouse\"\ntable = \"a b\"", "`events.table`: found `a b`"),
    ] {
        project.write("pql.toml", config(events, connection));
        project.train(&[]).fails_with(2, &["pql.toml", problem]);
    }
    for keys in ["users", "visitors"] {
        let section = format!("[{keys}]\ntable = \"t\"\n");
        project.write("pql.toml", format!("{TRIAL}\n{section}"));
        let problem = format!("`{keys}.table` requires `{keys}.connection`, found none");
        project.train(&[]).fails_with(2, &["pql.toml, line 19: ", &problem]);
    }
}

#[test]
fn secrets_in_the_project_file_are_refused_and_not_printed() {
    let project = Project::trial();
    for setting in [
        "uri = \"postgresql://ann:hunter2@host/db\"",
        "uri = \"host=h password=hunter2\"",
        "uri = [\"hunter2\"]",
        "uri = { env = \"A\", value = \"hunter2\" }",
        "options = { \"adbc.snowflake.sql.auth.token\" = \"hunter2\" }",
    ] {
        let text =
            format!("{TRIAL}\n[connections.warehouse]\ndriver = \"postgresql\"\n{setting}\n");
        project.write("pql.toml", text);
        let run = project
            .train(&[])
            .fails_with(2, &["pql.toml, line 20: `connections.warehouse.", "env = "]);
        assert!(!run.err.contains("hunter2"), "{}", run.err);
    }
    for section in [
        "[connections]\nwarehouse = \"postgresql://ann:hunter2@host/db\"",
        "[connections.warehouse]\noptions = \"password=hunter2\"",
        "[connections.warehouse]\ndriver = [\"hunter2\"]",
        "[connections.warehouse]\nentrypoint = { a = \"hunter2\" }",
    ] {
        project.write("pql.toml", format!("{TRIAL}\n{section}\n"));
        let words = ["pql.toml, line 19: `connections.warehouse", ": found ", ", expected "];
        let run = project.train(&[]).fails_with(2, &words);
        assert!(!run.err.contains("hunter2"), "{}", run.err);
    }
    project.write("pql.toml", format!("connections = \"hunter2\"\n{TRIAL}"));
    let run = project.train(&[]).fails_with(2, &["`connections`: found text, expected a table"]);
    assert!(!run.err.contains("hunter2"), "{}", run.err);
    project.write("pql.toml", format!("{TRIAL}\n[connections.s3]\ndriver = \"sqlite\"\n"));
    let problem = "found the name `s3`, expected one that does not begin URLs";
    project.train(&[]).fails_with(2, &[problem]);
    project.write("pql.toml", TRIAL);
    let set = "connections.warehouse.uri=postgresql://ann:hunter2@host/db";
    let run = project.train(&["--set", set]);
    assert_eq!(run.code, Some(2));
    assert!(!run.err.contains("hunter2"), "{}", run.err);
}

#[test]
fn a_missing_driver_or_variable_has_a_hint() {
    let project = Project::trial();
    let events = "connection = \"warehouse\"\ntable = \"events\"";
    let connection =
        "[connections.warehouse]\ndriver = \"teradata\"\nuri = { env = \"NO_SUCH_URI\" }\n";
    project.write("pql.toml", config(events, connection));
    project.train(&[]).fails_with(
        2,
        &[
            "connection `warehouse`: the environment variable `NO_SUCH_URI` is not set",
            "export NO_SUCH_URI=",
        ],
    );
    let connection = connection.replace("{ env = \"NO_SUCH_URI\" }", "\"warehouse.db\"");
    project.write("pql.toml", config(events, &connection));
    project.train(&[]).fails_with(
        2,
        &[
            "connection `warehouse`: found no ADBC driver `teradata`",
            "one of postgresql, sqlite, snowflake, bigquery, flightsql",
        ],
    );
    project.write("driver.so", "no library");
    let connection = connection.replace("\"teradata\"", "\"./driver.so\"");
    project.write("pql.toml", config(events, &connection));
    project.train(&[]).fails_with(2, &["connection `warehouse`: cannot load the driver"]);
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn problems_of_a_server_have_its_words_without_secrets() {
    let (project, mut database) = trial(Kind::Postgres);
    let fails = |database: &Database, config: &str, words: &[&str]| {
        let args = ["train", "--name", "t", "-c", config];
        let run = database.pql(&project, &args).fails_with(3, words);
        for secret in ["s3cret", "w0rd", "ann"] {
            let is_secret = |word: &str| word == secret;
            let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(is_secret);
            assert!(!words(&run.err), "{secret}: {}", run.err);
        }
    };
    let uri = database.uri.clone();
    database.uri = uri.replace("s3cret", "wr0ng");
    let refused = "connection `warehouse`: cannot connect: ";
    fails(&database, "db.toml", &[refused, "password authentication failed for user \"***\""]);
    database.uri = uri.replace(":s3cret%2Fw0rd@127.0.0.1", ":s3cret@w0rd@127.0.0.1");
    fails(&database, "db.toml", &[refused, "\"***"]);
    database.uri = format!("{uri}x");
    fails(&database, "db.toml", &[refused, "database \"postgresx\" does not exist"]);
    database.uri = "postgresql://ann:s3cret%2Fw0rd@127.0.0.1:1/postgres".to_owned();
    fails(&database, "db.toml", &[refused, "Connection refused"]);
    database.uri = uri;
    for (sql, words) in [
        (
            "table = \"nothing\"",
            &[
                "`warehouse:nothing`: the database refuses the statement",
                "relation \"nothing\" does not exist",
            ][..],
        ),
        (
            "query = \"select from where\"",
            &["`warehouse:events query`: the database refuses the statement", "syntax error"],
        ),
        (
            "query = \"select * from events where 1 = 0\"",
            &["`warehouse:events query` is empty: the query has no rows"],
        ),
        ("query = \"select 1/(n-3) as a from generate_series(1, 5) n\"", &["division by zero"]),
        ("query = \"delete from events\"", &["read-only transaction"]),
        (
            "query = \"select account_id from events\"",
            &["`warehouse:events query`: missing column `"],
        ),
    ] {
        let text = project.text("db.toml").replace("table = \"events\"", sql);
        project.write("bad.toml", text);
        fails(&database, "bad.toml", words);
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn an_address_that_is_not_secret_is_printed() {
    let (project, database) = trial(Kind::Sqlite);
    project.replace("db.toml", "{ env = \"WAREHOUSE_URI\" }", "\"no_folder/warehouse.db\"");
    let args = ["train", "--name", "t", "-c", "db.toml"];
    let words = ["no_folder/warehouse.db", "check the path of the file"];
    database.pql(&project, &args).fails_with(3, &words);
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_database_file_is_not_overwritten() {
    let (project, database) = trial(Kind::Sqlite);
    let args = ["features", "-c", "db.toml", "--format", "csv", "-o", "warehouse.db"];
    let run = database.pql(&project, &args);
    run.fails_with(2, &["refusing to overwrite an input file"]);
}
