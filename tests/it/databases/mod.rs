//! Sources that are tables and queries of a database, read by the drivers of `make engines`.

mod harness;
mod loads;
mod problems;
mod values;

use std::thread;
use std::time::Duration;

pub(crate) use self::harness::{Database, Kind, TYPES};
use crate::project::{Project, TRIAL};

const ALL: [Kind; 3] = [Kind::Postgres, Kind::Sqlite, Kind::DuckDb];

/// Returns the project file of the trial log in a database.
fn trial_in(database: &Database) -> String {
    let from = |table: &str| format!("connection = \"warehouse\"\ntable = \"{table}\"");
    let trial = TRIAL
        .replace("path = \"events.csv\"", &from("events"))
        .replace("path = \"accounts.csv\"", &from("accounts"));
    format!("{trial}\n{}", database.section())
}

/// Creates the trial log in files and in a database, with `db.toml`.
fn trial(kind: Kind) -> (Project, Database) {
    let project = Project::trial();
    let mut database = Database::start(kind, &project);
    database.load_trial(&project);
    project.write("db.toml", trial_in(&database));
    (project, database)
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_model_of_tables_equals_that_of_files_byte_for_byte() {
    for kind in ALL {
        let (project, database) = trial(kind);
        project.train(&["--models", "files"]).done();
        let args = ["train", "-c", "db.toml", "--name", "t", "--models", "tables"];
        database.pql(&project, &args).done();
        for file in ["model.pql", "test.parquet"] {
            let [files, tables] =
                ["files", "tables"].map(|dir| project.read(&format!("{dir}/t/0001/{file}")));
            assert!(files == tables, "{kind:?}: {file}");
        }
        let score = |config: &str, out: &str| {
            let args = ["score", "t", "--models", "files", "-c", config, "-o", out];
            database.pql(&project, &args).done();
            project.text(out)
        };
        assert_eq!(score("db.toml", "tables.csv"), score("pql.toml", "files.csv"), "{kind:?}");
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_query_reads_the_period_of_the_log() {
    for kind in ALL {
        let (project, database) = trial(kind);
        let query = "select account_id, user_id, event, timestamp, minutes from events where timestamp >= {since} and timestamp < {until}";
        project.replace("db.toml", "table = \"events\"", &format!("query = \"\"\"{query}\"\"\""));
        let rows = |args: &[&str]| {
            let args = [&["ingest", "-c", "db.toml", "-o", "out"], args].concat();
            let out = database.pql(&project, &args).done();
            let text = out.unwrapped_messages() + &out.out;
            text.lines().find(|line| line.contains("events query")).unwrap().to_owned()
        };
        let all = rows(&[]);
        let part = rows(&[
            "--set",
            "observation.since=2025-03-01",
            "--set",
            "observation.until=2025-04-01",
        ]);
        let events = project.text("events.csv");
        let count = events.lines().filter(|line| line.contains(",2025-03-")).count();
        assert!(part.contains(&pql_number(count)), "{kind:?}: {part}, expected {count}");
        assert!(all.contains(&pql_number(events.lines().count() - 1)), "{kind:?}: {all}");
    }
}

/// Returns a count with thousands separators.
fn pql_number(count: usize) -> String {
    if count < 1_000 {
        count.to_string()
    } else {
        format!("{},{:03}", count / 1_000, count % 1_000)
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn tables_are_read_in_one_state_of_the_database() {
    let (project, mut database) = trial(Kind::Postgres);
    let columns = "account_id, user_id, event, timestamp, minutes";
    // The account list is read first; it waits while an event is added.
    let query = "select a.* from accounts a, (select pg_advisory_lock(7)) l";
    project.replace("db.toml", "table = \"accounts\"", &format!("query = \"{query}\""));
    let args = ["features", "-c", "db.toml", "--set", "observation.until=2025-06-01", "-o"];
    let before = database.pql(&project, &[&args[..], &["-"]].concat()).done().out;
    database.sql("select pg_advisory_lock(7)");
    let mut waiting = database.command(&project, &[&args[..], &["after.csv"]].concat());
    let waiting = thread::spawn(move || waiting.output().unwrap());
    let is_waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    while database.sql(is_waiting)[0][0] == 0 {
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished(), "{:?}", waiting.join());
    }
    let event =
        "select account_id, 'new', 'login', signed_up_at + interval '1 hour', 1 from accounts";
    database.sql(&format!("insert into events ({columns}) {event}"));
    database.sql("select pg_advisory_unlock(7)");
    let output = waiting.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(project.text("after.csv"), before);
    let now = database.pql(&project, &[&args[..], &["-"]].concat()).done().out;
    assert_ne!(now, before);
}
