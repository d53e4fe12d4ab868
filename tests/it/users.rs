//! `[users]`: events without an account belong to the account of their user at that time.

use std::fmt::Write as _;
use std::fs::File;

use polars::prelude::*;
use pql::time::iso;

use crate::project::{Project, counted};

const CONFIG: &str = "\
[[events]]
path = \"events.csv\"

[observation]
until = \"2025-01-22\"

[users]
path = \"users.csv\"
";

const EVENTS: &str = "\
user_id,event,timestamp
ann,login,2025-01-01T08:00:00Z
bob,login,2025-01-02T08:00:00Z
ann,report,2025-01-05T08:00:00Z
ann,login,2025-01-10T08:00:00Z
bob,report,2025-01-11T08:00:00Z
eve,login,2025-01-12T08:00:00Z
ann,login,2025-01-20T08:00:00Z
bob,login,2025-01-21T08:00:00Z
";

const MOVES: &str = "\
user_id,account_id,joined_at
ann,acme,2025-01-01
ann,beta,2025-01-10T08:00:00Z
bob,beta,2025-01-05
eve,acme,2025-01-01
";

fn project(users: &str, keys: &str) -> Project {
    let project = Project::new();
    project.write("pql.toml", format!("{CONFIG}{keys}"));
    project.write("events.csv", EVENTS);
    project.write("users.csv", users);
    project
}

/// Returns a column of a table that `pql ingest` wrote.
fn column(table: &DataFrame, name: &str) -> Vec<String> {
    let column = table.column(name).unwrap();
    let cell = |row: usize| match column.dtype() {
        DataType::String => column.str().unwrap().get(row).unwrap_or_default().to_owned(),
        DataType::Float64 => {
            column.f64().unwrap().get(row).map_or(String::new(), |v| format!("{v:?}"))
        }
        _ => column.datetime().unwrap().physical().get(row).map_or(String::new(), iso),
    };
    (0..table.height()).map(cell).collect()
}

fn table(project: &Project, name: &str) -> DataFrame {
    ParquetReader::new(File::open(project.path("out").join(name)).unwrap()).finish().unwrap()
}

/// Cleans the log; returns `account/user day` of each event in the order of their times, and the
/// quality table.
fn ingested(project: &Project) -> (Vec<String>, String) {
    let err = project.pql(&["ingest", "-v", "-o", "out"]).done().err;
    let events = table(project, "events.parquet");
    let [account, user, time] = ["account_id", "user_id", "timestamp"].map(|n| column(&events, n));
    let mut rows: Vec<(&String, String)> = (0..account.len())
        .map(|row| (&time[row], format!("{}/{} {}", account[row], user[row], &time[row][8..10])))
        .collect();
    rows.sort();
    (rows.into_iter().map(|(_, row)| row).collect(), err)
}

/// Returns `account day` of each sign-up.
fn sign_ups(project: &Project) -> Vec<String> {
    let accounts = table(project, "accounts.parquet");
    let (account, time) = (column(&accounts, "account_id"), column(&accounts, "signed_up_at"));
    account.iter().zip(time).map(|(account, time)| format!("{account} {}", &time[8..10])).collect()
}

#[test]
fn an_event_belongs_to_the_account_of_its_user_at_that_time() {
    let project = project(MOVES, "");
    let (events, quality) = ingested(&project);
    let expected = [
        "acme/ann 01",
        "acme/ann 05",
        "beta/ann 10",
        "beta/bob 11",
        "acme/eve 12",
        "beta/ann 20",
        "beta/bob 21",
    ];
    assert_eq!(events, expected);
    assert_eq!(counted(&quality, "user without account"), (1, "events.csv, row 2".to_owned()));
    assert_eq!(sign_ups(&project), ["acme 01", "beta 10"], "accounts sign up with an event");
}

#[test]
fn memberships_without_a_time_always_count() {
    let project = project("user_id,account_id\nann,acme\nbob,beta\neve,acme\n", "");
    let (events, _) = ingested(&project);
    let accounts = "acme beta acme acme beta acme acme beta";
    let found: Vec<&str> = events.iter().map(|e| e.split('/').next().unwrap()).collect();
    assert_eq!(found.join(" "), accounts);
    project.write(
        "users.csv",
        "user_id,account_id,joined_at\nann,acme,\nann,beta,2025-01-10\nbob,beta,\neve,acme,\n",
    );
    assert_eq!(ingested(&project).0[2..4], ["acme/ann 05", "beta/ann 10"], "an empty time as well");
}

#[test]
fn the_order_of_memberships_changes_nothing() {
    let (one, other) = (project(MOVES, ""), project(MOVES, ""));
    let mut lines: Vec<&str> = MOVES.lines().collect();
    lines[1..].reverse();
    other.write("users.csv", lines.join("\n"));
    assert_eq!(ingested(&one).0, ingested(&other).0);
}

#[test]
fn an_account_of_the_event_takes_precedence() {
    let project = project(MOVES, "");
    let mut with_accounts = String::new();
    for (row, line) in EVENTS.lines().enumerate() {
        let account = match row {
            0 => "account_id",
            1 | 2 => "zeta",
            _ => "",
        };
        writeln!(with_accounts, "{account},{line}").unwrap();
    }
    project.write("events.csv", with_accounts);
    let (events, quality) = ingested(&project);
    assert_eq!(events[..3], ["zeta/ann 01", "zeta/bob 02", "acme/ann 05"]);
    assert!(!quality.contains("account missing"), "{quality}");
}

#[test]
fn features_by_user_equal_features_by_account() {
    let by_account = Project::trial();
    let by_user = Project::trial();
    let (mut events, mut users) = (String::new(), "uid,team\n".to_owned());
    for (row, line) in by_account.text("events.csv").lines().enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        // An event without a user gets one of its own, which both logs have.
        let user = match (row, cells[1]) {
            (0, _) => "user_id".to_owned(),
            (_, user) => format!("{}-{user}", cells[0]),
        };
        events += &format!("{},{user},{}\n", cells[0], cells[2..].join(","));
        if row > 0 {
            users += &format!("{user},{}\n", cells[0]);
        }
    }
    by_account.write("events.csv", &events);
    let without = |line: &str| line.split_once(',').unwrap().1.to_owned() + "\n";
    by_user.write("events.csv", events.lines().map(without).collect::<String>());
    by_user.write("users.csv", users);
    let keys = "\n[users]\npath = \"users.csv\"\nuser = \"uid\"\naccount = \"team\"\n";
    by_user.write("pql.toml", by_user.text("pql.toml") + keys);
    let features = by_account.features(&[]);
    assert!(features.lines().count() > 100, "{features}");
    assert_eq!(by_user.features(&[]), features);
    for project in [&by_account, &by_user] {
        project.train(&[]).done();
    }
    let model = |project: &Project| project.read("models/t/0001/model.pql");
    assert!(model(&by_account) == model(&by_user), "the models differ");
}

#[test]
fn without_an_account_the_registrable_domain_of_the_address_counts() {
    let users = "user_id,email\nann,Ann@Mail.ACME.co.uk\nbob,bob@beta.com\neve,eve@acme.co.uk\n";
    let (events, _) = ingested(&project(users, ""));
    assert_eq!(events[..3], ["acme.co.uk/ann 01", "beta.com/bob 02", "acme.co.uk/ann 05"]);
    assert_eq!(events[5], "acme.co.uk/eve 12");
    // An account in the row takes precedence over the address.
    let users = "user_id,email,account_id\nann,ann@acme.com,a1\nbob,bob@beta.com,\neve,,e1\n";
    let (events, _) = ingested(&project(users, ""));
    assert_eq!(events[..2], ["a1/ann 01", "beta.com/bob 02"]);
}

#[test]
fn personal_addresses_are_accounts_of_their_own_or_dropped() {
    let users = "user_id,email\nann,Ann@GMail.com\nbob,bob@beta.com\neve,eve@yopmail.com\n";
    let (events, _) = ingested(&project(users, ""));
    assert_eq!(events[..2], ["ann@gmail.com/ann 01", "beta.com/bob 02"]);
    assert_eq!(events[5], "eve@yopmail.com/eve 12");
    let (events, quality) = ingested(&project(users, "personal = \"drop\"\n"));
    assert_eq!(events, ["beta.com/bob 02", "beta.com/bob 11", "beta.com/bob 21"]);
    let drops = quality.matches("personal email address").count();
    assert_eq!(drops, 2, "rows of the users and events: {quality}");
    assert_eq!(counted(&quality, "personal email address").0, 2, "the users are listed first");
    let keys = "personal_domains = [\"beta.com\"]\n";
    assert_eq!(ingested(&project(users, keys)).0[1], "bob@beta.com/bob 02");
}

#[test]
fn merged_ids_are_followed_from_the_time_of_the_merge() {
    let users = "user_id,account_id\nann,acme\nbob,beta\n";
    let project = project(users, "alias = \"merged.csv\"\n");
    project.write("merged.csv", "old_id,new_id,merged_at\neve,tmp,2025-01-01\ntmp,ann,\n");
    assert_eq!(ingested(&project).0[5], "acme/ann 12", "a chain");
    project.write("merged.csv", "old_id,new_id,merged_at\neve,ann,2025-01-13\n");
    let (events, quality) = ingested(&project);
    assert!(!events.iter().any(|event| event.ends_with("12")), "merged later: {events:?}");
    assert_eq!(counted(&quality, "unknown user"), (1, "events.csv, row 6".to_owned()));
    // Before the merge, the id has its own memberships.
    project.write("users.csv", format!("{users}eve,zeta\n"));
    assert_eq!(ingested(&project).0[5], "zeta/eve 12");
    let keys = "alias_old = \"a\"\nalias_new = \"b\"\nalias_from = \"t\"\n";
    project.write("pql.toml", format!("{CONFIG}alias = \"merged.csv\"\n{keys}"));
    project.write("merged.csv", "a,b,t\neve,ann,2025-01-12T08:00:00Z\nann,ann,\n,bob,\n");
    let (events, quality) = ingested(&project);
    assert_eq!(events[5], "acme/ann 12");
    assert_eq!(counted(&quality, "user missing"), (1, "merged.csv, row 3".to_owned()));
}

#[test]
fn circles_and_two_new_ids_at_once_are_errors() {
    let project = project(MOVES, "alias = \"merged.csv\"\n");
    project.write("merged.csv", "old_id,new_id\nx,ann\nann,bob\nbob,x\n");
    project
        .pql(&["ingest", "-o", "out"])
        .fails_with(3, &["`merged.csv`, row ", "column `new_id`: found ", "again"]);
    project.write("merged.csv", "old_id,new_id\neve,ann\neve,bob\n");
    project.pql(&["ingest", "-o", "out"]).fails_with(
        3,
        &["`merged.csv`, row 2, column `new_id`: found `bob`, expected one new id of `eve` at a time; another row has `ann`"],
    );
}

#[test]
fn events_of_internal_users_are_not_usage() {
    let users = "user_id,account_id,internal,role\nann,acme,,admin\nbob,beta,true,admin\neve,acme,no,support\n";
    let (events, quality) = ingested(&project(users, ""));
    assert!(!events.iter().any(|event| event.contains("bob")), "{events:?}");
    assert_eq!(counted(&quality, "internal user"), (3, "events.csv, row 2".to_owned()));
    let (events, quality) = ingested(&project(users, "internal_roles = [\"support\"]\n"));
    assert!(!events.iter().any(|event| event.contains("eve")), "{events:?}");
    assert_eq!(counted(&quality, "internal user").0, 4);
    let other = project(&users.replace("true", "maybe"), "");
    other.pql(&["ingest", "-o", "out"]).fails_with(
        3,
        &["`users.csv`, row 2, column `internal`: found `maybe`, expected true or false"],
    );
}

#[test]
fn conversions_of_internal_users_count() {
    let users = "user_id,account_id,internal\nann,acme,\nbob,beta,true\neve,acme,\n";
    let project = project(users, "\n[roles]\nconverted = [\"report\"]\n");
    ingested(&project);
    let accounts = table(&project, "accounts.parquet");
    let converted = column(&accounts, "converted_at");
    assert_eq!(converted.iter().map(|t| &t[8..10]).collect::<Vec<_>>(), ["05", "11"]);
}

#[test]
fn accounts_of_users_are_added_only_if_asked() {
    let list = "account_id,signed_up_at,seats,plan\nacme,2024-12-30,3,pro\n";
    let keys = "\n[accounts]\npath = \"accounts.csv\"\nattributes = [\"plan\"]\n";
    let users = format!("{MOVES}zoe,gamma,2025-01-15\nmax,delta,2025-02-01\n");
    let listed = project(&users, keys);
    listed.write("accounts.csv", list);
    let (events, quality) = ingested(&listed);
    assert_eq!(events, ["acme/ann 01", "acme/ann 05", "acme/eve 12"]);
    assert_eq!(counted(&quality, "unknown account").0, 4);
    let added = project(&users, &format!("add_accounts = true\n{keys}"));
    added.write("accounts.csv", list);
    assert_eq!(ingested(&added).0.len(), 7);
    assert_eq!(sign_ups(&added), ["acme 30", "beta 05", "gamma 15"]);
    let accounts = table(&added, "accounts.parquet");
    assert_eq!(column(&accounts, "plan"), ["pro", "", ""]);
    assert_eq!(column(&accounts, "seats"), ["3.0", "", ""]);
    // Without a list, memberships are sign-ups as well.
    let derived = project(&users, "add_accounts = true\n");
    ingested(&derived);
    assert_eq!(sign_ups(&derived), ["acme 01", "beta 05", "gamma 15"]);
}

#[test]
fn rows_without_a_usable_account_are_counted_and_end_a_membership() {
    let users = "\
user_id,account_id,email,joined_at
ann,acme,,2025-01-01
ann,,,2025-01-10
bob,beta,,2025-01-01
bob,,bob@localhost,2025-01-11
eve,acme,,2025-01-01
eve,beta,,2025-01-01
,acme,,
";
    let (events, quality) = ingested(&project(users, ""));
    assert_eq!(events, ["acme/ann 01", "beta/bob 02", "acme/ann 05"]);
    let place = |row| format!("users.csv, row {row}");
    assert_eq!(counted(&quality, "account missing"), (1, place(2)));
    assert_eq!(counted(&quality, "invalid email address"), (1, place(4)));
    assert_eq!(counted(&quality, "user in two accounts at once"), (2, place(5)));
    assert_eq!(counted(&quality, "user missing"), (1, place(7)));
    assert_eq!(counted(&quality, "user without account").0, 4);
    assert!(quality.contains("events.csv, row 6"), "the event of eve: {quality}");
}

#[test]
fn missing_columns_and_files_are_reported() {
    let project = project("id,team\nann,acme\n", "");
    let ingest = || project.pql(&["ingest", "-o", "out"]);
    ingest().fails_with(3, &["`users.csv`: missing column `user_id` (`users.user`"]);
    project.write("users.csv", "user_id,team\nann,acme\n");
    ingest().fails_with(
        3,
        &["`users.csv`: missing column `account_id` (`users.account`; or set `users.email`"],
    );
    project.write("users.csv", "user_id,account_id\nann,acme\n");
    project.write("events.csv", EVENTS.replace("user_id", "person"));
    ingest().fails_with(
        3,
        &["`events.csv`: missing column `user_id` (`events.user`; or set `account`"],
    );
    let set = |key: &str| project.pql(&["ingest", "-o", "out", "--set", key]);
    set("users.internal_roles=[\"x\"]").fails_with(3, &["missing column `role`"]);
    set("users.path=none.csv").fails_with(3, &["none.csv"]);
    set("users.personal=keep")
        .fails_with(2, &["`users.personal`: found `keep`, expected one of `own`, `drop`"]);
    set("users.personal_domains=[\"a@b\"]")
        .fails_with(2, &["`users.personal_domains`, item 1: found `a@b`, expected a domain"]);
    set("users.alias_old=x")
        .fails_with(2, &["`users.alias_old` requires `users.alias`, found none"]);
}

#[test]
fn inputs_of_users_are_never_overwritten() {
    let project = Project::trial();
    project.write("users.csv", "user_id,account_id\nu0,00001\n");
    let keys = "\n[users]\npath = \"users.csv\"\nalias = \"merged.csv\"\n";
    project.write("merged.csv", "old_id,new_id\n");
    project.write("pql.toml", project.text("pql.toml") + keys);
    for file in ["users.csv", "merged.csv"] {
        let run = project.pql(&["features", "-o", file]);
        assert_eq!(run.code, Some(2), "{}", run.err);
        assert!(run.err.contains("refusing to overwrite"), "{}", run.err);
    }
}

#[test]
fn exported_sql_names_the_view_that_it_needs() {
    let project = Project::trial();
    project.write("users.csv", "user_id,account_id\nu0,00001\n");
    project.write("pql.toml", project.text("pql.toml") + "\n[users]\npath = \"users.csv\"\n");
    project.train(&[]).done();
    let sets = ["--set", "events.0.table=e", "--set", "accounts.table=a"];
    for command in [
        &["export", "sql", "t", "--dialect", "duckdb"][..],
        &["export", "dbt", "t", "-o", "package"][..],
    ] {
        project
            .pql(&[command, &sets].concat())
            .fails_with(2, &["[users]: found `users.csv`", "create a view"]);
    }
}
