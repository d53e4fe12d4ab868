//! Inputs and outputs in S3, with moto as its server.

use std::sync::atomic::Ordering;

use super::moto::S3;
use super::server::{Answer, Web};
use super::{paths, wide_events};
use crate::common::root;
use crate::project::{Project, gz, run};

/// Splits a CSV file after half of its lines; both parts have the header.
fn halves(csv: &str) -> [String; 2] {
    let (header, rows) = csv.split_once('\n').unwrap();
    let middle = rows[..rows.len() / 2].rfind('\n').unwrap() + 1;
    [&rows[..middle], &rows[middle..]].map(|rows| format!("{header}\n{rows}"))
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn objects_prefixes_and_globs_give_the_features_of_local_files() {
    let (s3, project) = (S3::start(), Project::trial());
    let expected = project.features(&[]);
    assert!(expected.lines().count() > 100);
    let [first, second] = halves(&project.text("events.csv"));
    s3.put("acme/in/events/a.csv", first.as_bytes());
    s3.put("acme/in/events/b%20c.csv.gz", &gz(&second));
    s3.put("acme/in/events/_d.csv", b"not,events\n");
    // The marker of a folder, as consoles create it.
    s3.put("acme/in/events/", b"");
    s3.put("acme/in/notes.txt", b"");
    s3.put("acme/in/accounts.csv", &project.read("accounts.csv"));
    let accounts = "s3://acme/in/accounts.csv";
    for events in [
        "s3://acme/in/events",
        "s3://acme/in/events/",
        "s3://acme/in/events/*.csv*",
        "s3://acme/*/ev*",
        "s3://acme/in/**/[ab][. ]*csv*",
    ] {
        let [events, accounts] = paths(events, accounts);
        let run = s3.pql(&project, &["features", "-o", "-", &events, &accounts]).done();
        assert!(run.out == expected, "{events}: {}", run.err);
        assert!(!run.err.contains("hidden-secret"), "{}", run.err);
    }
    let doctor = s3
        .pql(&project, &["doctor", "-c", "pql.toml", "--set", "events.0.path=s3://acme/in/events"]);
    assert!(doctor.out.contains("2 files"), "{}\n{}", doctor.out, doctor.err);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn only_the_columns_of_a_parquet_object_that_are_used_are_fetched() {
    let (s3, project) = (S3::start(), Project::trial());
    let expected = project.features(&[]);
    let wide = wide_events(&project);
    s3.put("acme/wide.parquet", &wide);
    let before = s3.proxy.sent.load(Ordering::SeqCst);
    let [events, accounts] = paths("s3://acme/wide.parquet", "accounts.csv");
    let run = s3.pql(&project, &["features", "-o", "-", &events, &accounts]).done();
    let fetched = s3.proxy.sent.load(Ordering::SeqCst) - before;
    assert!(run.out == expected, "{}", run.err);
    assert!(fetched * 4 < wide.len() as u64, "fetched {fetched} of {} bytes", wide.len());
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn outputs_are_the_bytes_of_local_files_and_appear_as_a_whole() {
    let (s3, project) = (S3::start(), Project::trained_matrix());
    let matrix = project.text("matrix.csv");
    let (header, rows) = matrix.split_once('\n').unwrap();
    // A large output is sent in parts.
    project
        .write("large.csv", format!("{header}\n{}", rows.repeat(150_000 / rows.lines().count())));
    for (input, name) in
        [("matrix.csv", "s.csv"), ("matrix.csv", "s.parquet"), ("large.csv", "l.csv")]
    {
        let local = ["score", "m", "--features", input, "-o", name];
        project.pql(&local).done();
        let remote = format!("s3://acme/out/{name}");
        s3.pql(&project, &["score", "m", "--features", input, "-o", &remote]).done();
        let (local, remote) = (project.read(name), s3.get(&format!("acme/out/{name}")).unwrap());
        assert!(local == remote, "{name}: {} and {} bytes", local.len(), remote.len());
    }
    assert!(project.read("l.csv").len() > 17 << 20, "{}", project.read("l.csv").len());
    assert!(!s3.has_unfinished_uploads());
    let page = ["report", "m", "-o", "s3://acme/out/report.html"];
    s3.pql(&project, &page).done();
    assert!(s3.get("acme/out/report.html").unwrap().starts_with(b"<!DOCTYPE html>"));
    // A failed run leaves the object as it is.
    let before = s3.get("acme/out/s.csv").unwrap();
    project.write("broken.csv", format!("{matrix}x,y\n"));
    let broken = ["score", "m", "--features", "broken.csv", "-o", "s3://acme/out/s.csv"];
    assert_ne!(s3.pql(&project, &broken).code, Some(0));
    assert!(s3.get("acme/out/s.csv").unwrap() == before && !s3.has_unfinished_uploads());
    assert!(s3.get("acme/out/absent.csv").is_none());
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn an_output_never_replaces_an_object_that_the_run_reads() {
    let (s3, project) = (S3::start(), Project::trained_matrix());
    s3.put("acme/in/matrix.csv", &project.read("matrix.csv"));
    for (input, output) in [
        ("s3://acme/in/matrix.csv", "s3://acme/in/matrix.csv"),
        ("s3://acme/in", "s3://acme/in/new.csv"),
        ("s3://acme/in/*.csv", "s3://acme/in/matrix.csv"),
    ] {
        s3.pql(&project, &["score", "m", "--features", input, "-o", output])
            .fails_with(2, &["refusing to overwrite an input file", output]);
    }
    let two = ["score", "m", "--features", "matrix.csv", "-o", "s3://acme/o.csv"];
    s3.pql(&project, &two).done();
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn problems_of_a_store_name_the_url_and_the_setting() {
    let (s3, project) = (S3::start(), Project::trained_matrix());
    let program = env!("CARGO_BIN_EXE_pql");
    let denied = Web::start(
        Vec::new(),
        Answer::Status("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"),
    );
    let denied = format!("http://127.0.0.1:{}", denied.port);
    let fails = |url: &str, env: &[(&str, &str)], words: &[&str]| {
        let mut command =
            s3.command(&project, program, &["score", "m", "--features", url, "-o", "-"]);
        for (name, value) in env {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let run = run(&mut command);
        assert!(!run.err.contains("hidden-secret"), "{}", run.err);
        run.fails_with(3, &[&[url], words].concat());
    };
    fails("s3://absent/x.csv", &[], &["the bucket `absent` does not exist"]);
    fails("s3://acme/x.csv", &[], &["the object does not exist"]);
    fails("s3://acme/x/*.csv", &[], &["is empty"]);
    let credentials = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    fails("s3://acme/x.csv", &credentials, &["found no credentials", "`AWS_ACCESS_KEY_ID`"]);
    fails("s3://acme/x.csv", &[("AWS_ALLOW_HTTP", "")], &["or `AWS_ALLOW_HTTP=true`"]);
    let closed = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    fails("s3://acme/x.csv", &closed, &["no connection to `127.0.0.1`", "refused"]);
    fails("s3://acme/x.csv", &[("AWS_ENDPOINT_URL", &denied)], &["access denied"]);
    let output = ["score", "m", "--features", "matrix.csv", "-o", "s3://absent/x.csv"];
    s3.pql(&project, &output)
        .fails_with(1, &["cannot write `s3://absent/x.csv`", "does not exist"]);
    for folder in [
        ["score", "m", "--models", "s3://acme/models", "-o", "-"],
        ["score", "m", "--ledger", "s3://acme/l", "-o", "-"],
    ] {
        s3.pql(&project, &folder).fails_with(2, &["expected a path on this machine"]);
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn tables_of_a_lake_in_a_store_are_refused() {
    let (s3, project) = (S3::start(), Project::trained_matrix());
    let matrix = project.read("matrix.csv");
    for key in ["delta/_delta_log/00000000000000000000.json", "ice/metadata/00000-a.metadata.json"]
    {
        s3.put(&format!("acme/{key}"), b"{}");
    }
    for key in ["delta/p=1/a.csv", "ice/data/a.csv"] {
        s3.put(&format!("acme/{key}"), &matrix);
    }
    for (path, table, function) in [
        ("s3://acme/delta", "s3://acme/delta", "delta_scan"),
        ("s3://acme/delta/p=1/", "s3://acme/delta", "delta_scan"),
        ("s3://acme/delta/*/*.csv", "s3://acme/delta", "delta_scan"),
        ("s3://acme/ice/data", "s3://acme/ice", "iceberg_scan"),
    ] {
        let hint = format!("{function}('{table}')");
        s3.pql(&project, &["score", "m", "--features", path, "-o", "-"])
            .fails_with(2, &[path, &hint]);
    }
}

/// Returns the commands of a section of a guide, and runs them.
#[test]
#[ignore = "needs the engines of `make engines`"]
fn the_guide_leads_from_credentials_to_scores_in_s3() {
    let guide = std::fs::read_to_string(root().join("docs/guide/connect.md")).unwrap();
    let section = guide.split("\n## Amazon S3").nth(1).expect("a section about S3");
    let commands = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(commands.lines().count() <= 10, "{commands}");
    let (s3, project) = (S3::start(), Project::new());
    for name in ["events.parquet", "accounts.parquet"] {
        let content = std::fs::read(root().join("data/demo").join(name)).unwrap();
        s3.put(&format!("acme/usage/{name}"), &content);
    }
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_pql")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut shell = s3.command(&project, "sh", &["-euc", commands]);
    let run = run(shell.env("PATH", path)).done();
    let scores =
        s3.get("acme/scores/trial.csv").unwrap_or_else(|| panic!("{}{}", run.out, run.err));
    assert!(String::from_utf8(scores).unwrap().lines().count() > 10);
}
