//! Values of databases: decimals, times with and without a zone, JSON, UUIDs, nulls.

use super::harness::{Database, Kind};
use crate::project::Project;

#[test]
#[ignore = "needs the databases of `make engines`"]
fn values_of_postgres_are_those_of_csv() {
    let project = Project::new();
    let mut database = Database::start(Kind::Postgres, &project);
    database.sql(
        "create table rows as select * from (values \
         (1::int2, 12.50::numeric(10, 2), 3::bigint, true, timestamptz '2025-01-02 03:04:05.5+02', \
          timestamp '2025-01-02 03:04:05', date '2025-01-02', 'basic'::varchar(10), '{\"a\": {\"n\": 1.5}}'::jsonb, \
          '00000000-0000-0000-0000-00000000002a'::uuid, array[1, 2], interval '1 day'), \
         (2, null, null, null, null, null, null, null, null, null, null, null), \
         (3, -0.25, 9007199254740993, false, '2025-01-03 23:59:59.999999Z', '2025-07-01', '2024-02-29', 'größe', \
          '{\"a\": {\"n\": null}}', 'ffffffff-ffff-ffff-ffff-ffffffffffff', null, null)) \
         as r (account_id, amount, big, flag, at, local, day, plan, doc, id, list, span)",
    );
    let query = "select account_id::text, 'login' as event, at as timestamp, amount, doc, id, big from rows";
    let source = |from: &str| {
        format!(
            "[[events]]\n{from}\nuser = \"id\"\nvalues = [\"amount\", \"doc.a.n\", \"big\"]\n[input]\ntimezone = \"Europe/Berlin\"\n"
        )
    };
    let from = format!("connection = \"warehouse\"\nquery = \"{query}\"");
    project.write("db.toml", source(&from) + &database.section());
    project.write("pql.toml", source("path = \"rows.csv\""));
    project.write(
        "rows.csv",
        "account_id,event,timestamp,amount,doc,id,big\n\
         1,login,2025-01-02T01:04:05.5Z,12.50,\"{\"\"a\"\": {\"\"n\"\": 1.5}}\",00000000-0000-0000-0000-00000000002a,3\n\
         2,login,,,,,\n\
         3,login,2025-01-03T23:59:59.999999Z,-0.25,\"{\"\"a\"\": {\"\"n\"\": null}}\",ffffffff-ffff-ffff-ffff-ffffffffffff,9007199254740993\n",
    );
    let ingest = |config: &str, out: &str| {
        database.pql(&project, &["ingest", "-c", config, "-o", out]).done();
        project.read(&format!("{out}/events.parquet"))
    };
    assert!(ingest("db.toml", "tables") == ingest("pql.toml", "files"));
    // Times without a zone are local times.
    project.replace("db.toml", "at as timestamp", "local as timestamp");
    project.write(
        "pql.toml",
        source("path = \"local.csv\"").replace("values = [\"amount\", \"doc.a.n\", \"big\"]\n", ""),
    );
    project.replace("db.toml", "values = [\"amount\", \"doc.a.n\", \"big\"]\n", "");
    project.write(
        "local.csv",
        "account_id,event,timestamp,id\n1,login,2025-01-02 03:04:05,00000000-0000-0000-0000-00000000002a\n3,login,2025-07-01,ffffffff-ffff-ffff-ffff-ffffffffffff\n",
    );
    assert!(ingest("db.toml", "local_tables") == ingest("pql.toml", "local_files"));
    for (column, found) in [("list", "List"), ("span", "Interval")] {
        project.replace("db.toml", "local as timestamp", &format!("local as timestamp, {column}"));
        let args =
            ["ingest", "-c", "db.toml", "-o", "out", "--set", &format!("events.0.user={column}")];
        database
            .pql(&project, &args)
            .fails_with(3, &[&format!("column `{column}`: found type {found}")]);
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_query_and_a_table_are_feature_matrices() {
    let project = Project::matrix();
    let mut database = Database::start(Kind::Sqlite, &project);
    database.load(&project, "matrix", &[("usage", "REAL"), ("converted", "INTEGER")]);
    let query = "[matrix]\nconnection = \"warehouse\"\nquery = \"select * from \\\"matrix\\\"\"\n";
    project.write("db.toml", project.text("pql.toml") + query + &database.section());
    let model = |database: &Database, config: &str, features: &str, dir: &str| {
        let args = ["train", "--name", "m", "-c", config, "--features", features, "--models", dir];
        database.pql(&project, &args).done();
        project.read(&format!("{dir}/m/0001/model.pql"))
    };
    let expected = model(&database, "pql.toml", "matrix.csv", "files");
    assert!(model(&database, "db.toml", "warehouse:matrix", "query") == expected);
    database.sql("alter table matrix rename to rows");
    assert!(model(&database, "db.toml", "warehouse:main.rows", "table") == expected);
}
