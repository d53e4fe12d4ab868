//! Inputs and outputs in object stores and on web servers, and tables of a lake.

#[cfg(feature = "cloud")]
mod moto;
#[cfg(feature = "cloud")]
mod s3;
mod server;

use std::sync::atomic::Ordering;

use polars::prelude::{Column, DataFrame, ParquetWriter};
use pql::io::read::read;
use server::{Answer, Web};

use crate::common::Lcg;
use crate::project::Project;

/// The arguments that read the events and the accounts from other paths.
fn paths(events: &str, accounts: &str) -> [String; 2] {
    [format!("--set=events.0.path={events}"), format!("--set=accounts.path={accounts}")]
}

/// Returns the events as Parquet, with a column of 4 MB that is not read.
fn wide_events(project: &Project) -> Vec<u8> {
    let mut table = DataFrame::default();
    read(&project.path("events.csv"), None, &mut |_, batch| {
        table.vstack_mut(&batch).unwrap();
        Ok(())
    })
    .unwrap();
    let (mut random, letters) = (Lcg::new(1), ('!'..='~').collect::<Vec<char>>());
    let length = 4_000_000 / table.height();
    let text = (0..table.height())
        .map(|_| (0..length).map(|_| *random.pick(&letters)).collect::<String>());
    let text = Column::new("note".into(), text.collect::<Vec<_>>());
    table.with_column(text).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_row_group_size(Some(500)).finish(&mut table).unwrap();
    bytes
}

#[test]
fn a_web_server_gives_the_rows_of_a_local_file_and_its_secrets_are_hidden() {
    let project = Project::trained_matrix();
    let expected = project.pql(&["score", "m", "--features", "matrix.csv", "-o", "-"]).done().out;
    for answer in [Answer::Range, Answer::Whole] {
        let web = Web::start(project.read("matrix.csv"), answer);
        let url = format!("http://127.0.0.1:{}/x/matrix.csv?signature=hidden", web.port);
        let run = project.pql(&["score", "m", "-v", "--features", &url, "-o", "-"]).done();
        assert!(run.out == expected && !run.err.contains("hidden"), "{}", run.err);
        let requests = web.requests.lock().unwrap();
        assert!(requests.iter().all(|request| request.line.contains("?signature=hidden")));
    }
    let web = Web::start(Vec::new(), Answer::Status("403 Forbidden", ""));
    let url = format!("http://127.0.0.1:{}/x/matrix.csv", web.port);
    let run =
        project.pql(&["score", "m", "--features", &format!("{url}?signature=hidden"), "-o", "-"]);
    assert!(!run.err.contains("hidden"), "{}", run.err);
    run.fails_with(3, &[&format!("cannot read `{url}`"), "HTTP status 403"]);
}

#[test]
fn a_web_server_sends_the_ranges_of_parquet_that_are_used() {
    let project = Project::trial();
    let expected = project.features(&[]);
    let wide = wide_events(&project);
    let web = Web::start(wide.clone(), Answer::Range);
    let url = format!("http://127.0.0.1:{}/wide.parquet", web.port);
    let [events, accounts] = paths(&url, "accounts.csv");
    let run = project.pql(&["features", "-o", "-", &events, &accounts]).done();
    assert!(run.out == expected, "{}", run.err);
    let sent = web.sent.load(Ordering::SeqCst);
    assert!(sent * 2 < wide.len() as u64, "sent {sent} of {} bytes", wide.len());
}

#[test]
fn an_output_is_put_to_a_web_server() {
    let project = Project::trained_matrix();
    let args = ["score", "m", "--features", "matrix.csv", "-o"];
    project.pql(&[&args[..], &["s.csv"]].concat()).done();
    let web = Web::start(Vec::new(), Answer::Whole);
    let url = format!("http://127.0.0.1:{}/s.csv?signature=1", web.port);
    project.pql(&[&args[..], &[&url]].concat()).done();
    let requests = web.requests.lock().unwrap();
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(request.line, "PUT /s.csv?signature=1 HTTP/1.1");
    assert!(request.body == project.read("s.csv"));
}

#[test]
fn local_tables_of_a_lake_are_refused() {
    let project = Project::trained_matrix();
    let matrix = project.read("matrix.csv");
    for (log, data) in [
        ("delta/_delta_log/00000000000000000000.json", "delta/p=1/a.csv"),
        ("ice/metadata/v1.metadata.json", "ice/data/a.csv"),
    ] {
        project.write(log, "{}");
        project.write(data, &matrix);
    }
    for (path, name, function) in [
        ("delta", "Delta Lake", "delta_scan("),
        ("delta/p=1", "Delta Lake", "delta_scan("),
        ("delta/*/*.csv", "Delta Lake", "delta_scan("),
        ("ice", "Iceberg", "iceberg_scan("),
        ("i*", "Iceberg", "iceberg_scan("),
    ] {
        project
            .pql(&["score", "m", "--features", path, "-o", "-"])
            .fails_with(2, &[&format!("`{path}`: found a {name} table"), function]);
    }
    // A single file is read as it is.
    project.pql(&["score", "m", "--features", "delta/p=1/a.csv", "-o", "s.csv"]).done();
}
