//! `pql alerts`: changes between two runs, each sent once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use polars::prelude::*;
use pql::io::write::{OutputTable, time_column};
use pql::registry::ledger::{Ledger, RunWriter};
use pql::time::{DAY, parse_iso};
use serde_json::Value;

use crate::ledger::{score, weekly};
use crate::project::{Project, Run};

/// A row of a run: account, probability, tier, whether it qualifies, whether it is in the holdout.
type Row = (&'static str, Option<f64>, Option<&'static str>, Option<bool>, bool);

const OLD: [Row; 7] = [
    ("a", Some(0.1), Some("C"), Some(false), false),
    ("b", Some(0.5), Some("A"), Some(true), false),
    ("c", Some(0.2), Some("B"), Some(false), false),
    ("d", Some(0.4), Some("A"), Some(true), false),
    ("e", Some(0.1), Some("C"), Some(false), true),
    ("g", None, None, None, false),
    ("i", Some(0.4), Some("B"), Some(true), false),
];

const NEW: [Row; 8] = [
    ("a", Some(0.6), Some("A"), Some(true), false),
    ("b", Some(0.5), Some("A"), Some(true), false),
    ("c", Some(0.25), Some("A"), Some(false), false),
    ("d", Some(0.3), Some("B"), Some(true), false),
    ("e", Some(0.7), Some("A"), Some(true), true),
    ("f", Some(0.8), Some("A"), Some(true), false),
    ("g", Some(0.3), Some("B"), Some(true), false),
    ("i", Some(0.01), Some("D"), Some(false), false),
];

/// Stores scores in the ledger `led`.
fn store_run(project: &Project, label: &str, time: &str, rows: &[Row]) {
    let time = parse_iso(time).unwrap();
    let text = |name: &str, value: &dyn Fn(&Row) -> Option<String>| {
        rows.iter().map(value).collect::<StringChunked>().with_name(name.into()).into_column()
    };
    let number = |name: &str, value: &dyn Fn(&Row) -> Option<f64>| {
        rows.iter().map(value).collect::<Float64Chunked>().with_name(name.into()).into_column()
    };
    let flag = |name: &str, value: &dyn Fn(&Row) -> Option<bool>| {
        rows.iter().map(value).collect::<BooleanChunked>().with_name(name.into()).into_column()
    };
    let columns = vec![
        text("account_id", &|row| Some(row.0.to_owned())),
        time_column("cutoff", rows.iter().map(|_| Some(time))),
        number("probability", &|row| row.1),
        number("probability_low", &|row| row.1.map(|p| p / 2.0)),
        number("probability_high", &|_| None),
        number("percentile", &|row| row.1.map(|p| 100.0 * p)),
        text("tier", &|row| row.2.map(str::to_owned)),
        flag("qualified", &|row| row.3),
        text("qualified_by", &|row| row.3.filter(|q| *q).map(|_| "both".to_owned())),
        text("pql_types", &|row| row.3.filter(|q| *q).map(|_| "criteria;limit".to_owned())),
        time_column("pql_at", rows.iter().map(|row| row.3.filter(|q| *q).map(|_| time))),
        flag("holdout", &|row| Some(row.4)),
        text("reason_1", &|_| Some("8 invites in the last 28 days, typical 0: +0.53".to_owned())),
        text("reason_2", &|_| Some("plan <gold>: +0.10".to_owned())),
        text("reason_3", &|_| None),
        text("pql_definitions", &|row| row.3.filter(|q| *q).map(|_| "hits a limit".to_owned())),
        time_column("horizon_end", rows.iter().map(|_| Some(time + 30 * DAY))),
        text("model", &|_| Some(label.to_owned())),
    ];
    let frame = DataFrame::new(rows.len(), columns).unwrap();
    let mut entry = RunWriter::create(&project.path("led"), label, frame.schema()).unwrap();
    entry.write(OutputTable::from(&frame)).unwrap();
    entry.finish(time).unwrap();
}

/// Creates a ledger of two runs.
fn two_runs() -> Project {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    project
}

fn alerts(project: &Project, args: &[&str]) -> Run {
    let writes = !args.contains(&"--webhook") && !args.contains(&"--prime");
    let format: &[&str] = if writes { &["--format", "ndjson"] } else { &[] };
    project.pql(&[&["alerts", "--ledger", "led"], format, args].concat())
}

/// Returns `kind account` of each alert on stdout.
fn changes(run: &Run) -> Vec<String> {
    let one = |line: &str| {
        let alert: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", alert["kind"].as_str().unwrap(), alert["account_id"].as_str().unwrap())
    };
    run.out.lines().map(one).collect()
}

/// A request to the webhook.
#[derive(Debug)]
struct Posted {
    head: String,
    body: Value,
}

/// Starts a server that responds to each request with the next status line and then stops. Returns
/// its URL and the received requests.
fn server(answers: &'static [&'static str]) -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/secret?token=hidden", listener.local_addr().unwrap());
    let (sender, posted) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0);
            }
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            sender.send(Posted { head, body: serde_json::from_slice(&body).unwrap() }).unwrap();
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }
    });
    (url, posted)
}

const OK: &str = "200 OK";

fn names(posted: &Receiver<Posted>) -> Vec<String> {
    posted.try_iter().map(|posted| posted.body["account_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_account_gets_one_alert_of_the_first_kind() {
    let project = two_runs();
    let run = alerts(&project, &["--dry-run"]).done();
    assert_eq!(
        changes(&run),
        ["qualified f", "qualified a", "qualified g", "rose c", "fell d", "fell i"]
    );
    run.stderr_has(&[
        "2025-05-08 (t/0001) with 2025-05-01 (t/0001)",
        "6 alerts: 3 qualified, 1 rose, 2 fell",
        "Skipped 1 alert of the holdout",
    ]);
    let kinds = |kinds: &str| changes(&alerts(&project, &["--dry-run", "--kind", kinds]).done());
    assert_eq!(kinds("rose"), ["rose a", "rose c"]);
    assert_eq!(kinds("unqualified,fell"), ["unqualified i", "fell d"]);
    alerts(&project, &["--kind", "risen"]).fails_with(2, &["possible values: qualified"]);
    let all = changes(&alerts(&project, &["--dry-run", "--include-holdout"]).done());
    assert_eq!(all[..2], ["qualified f", "qualified e"]);
}

#[test]
fn alerts_have_current_and_previous_values() {
    let project = two_runs();
    let run = alerts(&project, &["--dry-run"]).done();
    let alert: Value = serde_json::from_str(run.out.lines().nth(1).unwrap()).unwrap();
    let expected = serde_json::json!({
        "id": alert["id"],
        "kind": "qualified",
        "account_id": "a",
        "text": "a newly qualifies by the model and the PQL definition \"hits a limit\": 60.0% likely to convert (10.0% on 2025-05-01), tier A (was C). \
            8 invites in the last 28 days, typical 0: +0.53; plan <gold>: +0.10",
        "cutoff": "2025-05-08T00:00:00Z",
        "previous_cutoff": "2025-05-01T00:00:00Z",
        "probability": 0.6,
        "previous_probability": 0.1,
        "percentile": 60.0,
        "previous_percentile": 10.0,
        "tier": "A",
        "previous_tier": "C",
        "qualified": true,
        "qualified_by": "both",
        "pql_types": ["criteria", "limit"],
        "pql_definitions": ["hits a limit"],
        "pql_at": "2025-05-08T00:00:00Z",
        "holdout": false,
        "reasons": ["8 invites in the last 28 days, typical 0: +0.53", "plan <gold>: +0.10"],
        "model": "t/0001",
        "previous_model": "t/0001",
    });
    assert_eq!(alert, expected);
    assert_eq!(alert["id"].as_str().unwrap().len(), 32);
}

#[test]
fn alerts_are_sent_once_and_a_dry_run_sends_none() {
    let project = two_runs();
    let dry = alerts(&project, &["--dry-run"]).done().out;
    assert_eq!(
        project.names("led/cutoff=2025-05-08"),
        ["t@0001.parquet"],
        "a dry run records nothing"
    );
    assert_eq!(alerts(&project, &["-o", "a.ndjson"]).done().out, "");
    assert_eq!(project.text("a.ndjson"), dry);
    let again = alerts(&project, &[]).done().stderr_has(&["0 new alerts (6 reported earlier)"]);
    assert_eq!(again.out, "");
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    store_run(&project, "t/0002", "2025-05-08", &NEW);
    let other = alerts(&project, &[]).done().stderr_has(&[
        "(t/0002) with 2025-05-01 (t/0001)",
        "warning: the previous run used another model",
    ]);
    assert_eq!(other.out, "", "another version at the same time sends no alert again");
    assert_eq!(changes(&alerts(&project, &["--include-holdout"]).done()), ["qualified e"]);
    store_run(&project, "t/0002", "2025-05-15", &OLD);
    assert_eq!(
        changes(&alerts(&project, &[]).done()),
        ["qualified i", "rose d", "fell c", "fell a"]
    );
}

#[test]
fn the_first_run_and_a_chosen_previous_run() {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    let first = alerts(&project, &["--dry-run"])
        .done()
        .stderr_has(&["2025-05-01 (t/0001) is the first run"]);
    assert_eq!(changes(&first), ["qualified b", "qualified d", "qualified i"]);
    assert!(first.out.contains("\"previous_cutoff\":null"));
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    store_run(&project, "t/0001", "2025-05-15", &NEW);
    assert_eq!(alerts(&project, &["--dry-run"]).done().out, "");
    let since = alerts(&project, &["--dry-run", "--since", "2025-05-07"])
        .done()
        .stderr_has(&["2025-05-15 (t/0001) with 2025-05-01 (t/0001)"]);
    assert_eq!(changes(&since).len(), 6);
    alerts(&project, &["--since", "2025-04-01"])
        .fails_with(2, &["no run of `t` at or before 2025-04-01"]);
}

#[test]
fn with_several_models_one_must_be_named() {
    let project = two_runs();
    store_run(&project, "other", "2025-05-08", &OLD);
    alerts(&project, &[]).fails_with(2, &["`led` has runs of several models: `other`, `t`"]);
    assert_eq!(changes(&alerts(&project, &["t", "--dry-run"]).done()).len(), 6);
    assert_eq!(changes(&alerts(&project, &["other", "--dry-run"]).done()).len(), 3);
    alerts(&project, &["others"]).fails_with(2, &["no run of `others`", "did you mean `other`?"]);
    project.pql(&["alerts", "--ledger", "absent"]).fails_with(2, &["ledger not found: `absent`"]);
    std::fs::create_dir(project.path("empty")).unwrap();
    project.pql(&["alerts", "--ledger", "empty"]).fails_with(2, &["has no scores"]);
}

#[test]
fn a_webhook_receives_one_object_per_alert() {
    let project = two_runs();
    let dry = alerts(&project, &["--dry-run"]).done().out;
    let (url, posted) = server(&[OK; 6]);
    let run =
        alerts(&project, &["--webhook", &url]).done().stderr_has(&["Sent 6 alerts to 127.0.0.1"]);
    assert!(
        run.out.is_empty() && !run.err.contains("secret") && !run.err.contains("hidden"),
        "{}",
        run.err
    );
    let posted: Vec<Posted> = posted.try_iter().collect();
    assert_eq!(posted.len(), 6);
    for (posted, line) in posted.iter().zip(dry.lines()) {
        let head = posted.head.to_lowercase();
        assert!(head.starts_with("post /services/secret?token=hidden http/1.1"), "{head}");
        assert!(
            head.contains("content-type: application/json") && head.contains("user-agent: pql/"),
            "{head}"
        );
        assert!(
            head.contains(&format!("idempotency-key: {}", posted.body["id"].as_str().unwrap())),
            "{head}"
        );
        let mut expected: Value = serde_json::from_str(line).unwrap();
        expected["text"] =
            Value::String(expected["text"].as_str().unwrap().replace("<gold>", "&lt;gold&gt;"));
        assert_eq!(posted.body, expected);
    }
    alerts(&project, &["--webhook", "http://127.0.0.1:9"])
        .done()
        .stderr_has(&["0 new alerts (6 reported earlier)", "Sent 0 alerts"]);
}

#[test]
fn temporary_failures_are_retried() {
    let project = two_runs();
    let (url, posted) =
        server(&[OK, "429 Slow\r\nRetry-After: 0", "500 Broken", OK, OK, OK, OK, OK]);
    alerts(&project, &["--webhook", &url]).done();
    assert_eq!(names(&posted), ["f", "a", "a", "a", "g", "c", "d", "i"]);
}

#[test]
fn after_a_failure_the_remaining_alerts_are_sent_later() {
    let project = two_runs();
    let (url, posted) = server(&[OK, OK, "404 Gone"]);
    let words = [
        "webhook `127.0.0.1` failed after 2 of 6 alerts: ",
        "hint: rerun to send the remaining alerts",
    ];
    let run = alerts(&project, &["--webhook", &url]).fails_with(1, &words);
    assert!(!run.err.contains("secret"), "{}", run.err);
    assert_eq!(names(&posted), ["f", "a", "g"]);
    let words = ["failed after 0 of 4 alerts: ", "(attempt 2)"];
    let run = alerts(&project, &["--webhook", &url, "--retries", "1"]).fails_with(1, &words);
    assert!(!run.err.contains("secret"), "{}", run.err);
    let (url, posted) = server(&[OK; 4]);
    alerts(&project, &["--webhook", &url])
        .done()
        .stderr_has(&["4 new alerts: 1 qualified, 1 rose, 2 fell (2 reported earlier)"]);
    assert_eq!(names(&posted), ["g", "c", "d", "i"]);
    let (url, posted) = server(&["307 There\r\nLocation: http://127.0.0.1:9/"]);
    store_run(&project, "t/0001", "2025-05-15", &OLD);
    alerts(&project, &["--webhook", &url]).fails_with(1, &["status 307"]);
    assert_eq!(names(&posted).len(), 1);
}

#[test]
fn a_rejected_alert_does_not_stop_the_others() {
    let project = two_runs();
    let (url, posted) = server(&[OK, "400 Bad", OK, OK, OK, OK]);
    alerts(&project, &["--webhook", &url]).fails_with(1, &["failed after 5 of 6 alerts: "]);
    assert_eq!(names(&posted), ["f", "a", "g", "c", "d", "i"]);
    let (url, posted) = server(&[OK]);
    alerts(&project, &["--webhook", &url]).done();
    assert_eq!(names(&posted), ["a"]);
}

#[test]
fn unsent_alerts_of_earlier_runs_are_counted() {
    let project = two_runs();
    assert!(
        !alerts(&project, &["--dry-run"]).done().err.contains("not sent"),
        "the first run has no earlier runs"
    );
    store_run(&project, "t/0001", "2025-05-15", &OLD);
    let words = [
        "warning: 6 alerts of earlier runs were not sent; run with `--since 2025-05-01` to include them",
    ];
    alerts(&project, &["--dry-run"]).done().stderr_has(&words);
    assert!(
        !alerts(&project, &["--dry-run", "--since", "2025-05-01"]).done().err.contains("not sent")
    );
    // Another run with unsent alerts and a run without alerts do not hide the unsent alerts.
    store_run(&project, "t/0001", "2025-05-22", &OLD);
    store_run(&project, "t/0001", "2025-05-29", &NEW);
    alerts(&project, &["--dry-run"])
        .done()
        .stderr_has(&["of earlier runs were not sent; run with `--since 2025-05-01`"]);
    alerts(&project, &["--since", "2025-05-01"]).done();
    store_run(&project, "t/0001", "2025-06-05", &OLD);
    assert!(
        !alerts(&project, &["--dry-run"]).done().err.contains("not sent"),
        "alerts sent with `--since` count as sent"
    );
    for later in ["05-15", "05-22", "05-29", "06-05"] {
        std::fs::remove_dir_all(project.path(&format!("led/cutoff=2025-{later}"))).unwrap();
    }
    alerts(&project, &[]).done();
    store_run(&project, "t/0001", "2025-05-15", &OLD);
    assert!(!alerts(&project, &[]).done().err.contains("not sent"), "all alerts were sent");
}

#[test]
fn an_incomplete_line_is_written_again() {
    let project = two_runs();
    alerts(&project, &[]).done();
    let file = "led/cutoff=2025-05-08/sent.ndjson";
    let text = project.text(file);
    assert_eq!(text.lines().count(), 6);
    let last = text.lines().last().unwrap();
    project.write(file, &text[..text.len() - last.len() / 2]);
    assert_eq!(changes(&alerts(&project, &[]).done()), ["fell i"]);
    assert_eq!(project.text(file), text);
    project.write(file, "{}\n");
    alerts(&project, &[])
        .fails_with(3, &["sent.ndjson`, row 1: expected a JSON object with the `id`"]);
}

#[test]
fn concurrent_processes_send_each_alert_once() {
    let project = two_runs();
    let (url, posted) = server(&[OK; 6]);
    let start = || {
        let args = ["alerts", "--ledger", "led", "--webhook", &url, "--retries", "0"];
        project.command(env!("CARGO_BIN_EXE_pql"), &args).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(names(&posted), ["f", "a", "g", "c", "d", "i"]);
}

#[cfg(unix)]
#[test]
fn a_killed_process_does_not_repeat_alerts() {
    let project = two_runs();
    let (url, posted) = server(&[OK, OK, "503 Later\r\nRetry-After: 60"]);
    let args = ["alerts", "--ledger", "led", "--webhook", &url];
    let mut child =
        project.command(env!("CARGO_BIN_EXE_pql"), &args).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..3 {
        posted.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        changes(&alerts(&project, &[]).done()),
        ["qualified g", "rose c", "fell d", "fell i"]
    );
}

#[test]
fn invalid_urls_are_usage_errors_and_not_shown() {
    let project = two_runs();
    for url in ["ftp://host/secret", "/secret", "http://"] {
        let run = alerts(&project, &["--webhook", url])
            .fails_with(2, &["`--webhook`: found a URL", "hint: "]);
        assert!(!run.err.contains("secret"), "{}", run.err);
    }
    alerts(&project, &["--webhook", "http://host", "-o", "x"]).fails_with(2, &["--output"]);
    assert_eq!(Ledger::open(&project.path("led")).unwrap().runs(None).unwrap().len(), 2);
}

#[test]
fn newly_qualified_accounts_of_two_real_runs() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    score(&project, "2025-05-08", &[]);
    let run = alerts(&project, &[]).done();
    let table = |folder: &str| {
        let run = Ledger::open(&project.path("led"))
            .unwrap()
            .runs(None)
            .unwrap()
            .into_iter()
            .find(|run| run.path.starts_with(project.path(folder)));
        let rows = run.unwrap().rows().unwrap();
        let (account, qualified) =
            (rows.column("account_id").unwrap().clone(), rows.column("qualified").unwrap().clone());
        let pairs = account
            .str()
            .unwrap()
            .iter()
            .zip(qualified.bool().unwrap().iter())
            .map(|(a, q)| (a.unwrap().to_owned(), q == Some(true)));
        pairs.collect::<std::collections::BTreeMap<String, bool>>()
    };
    let (old, new) = (table("led/cutoff=2025-05-01"), table("led/cutoff=2025-05-08"));
    let newly: Vec<&String> =
        new.iter().filter(|(a, q)| **q && old.get(*a) != Some(&true)).map(|(a, _)| a).collect();
    let mut found: Vec<String> = changes(&run)
        .iter()
        .filter_map(|line| line.strip_prefix("qualified ").map(str::to_owned))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    assert_eq!(found.iter().collect::<Vec<_>>(), newly);
    assert!(Path::new(&project.path("led/cutoff=2025-05-08/sent.ndjson")).exists());
}

/// A row of a run: account, probability, what qualifies it, day of May of its first match.
type Match = (&'static str, Option<f64>, Option<&'static str>, Option<i64>);

/// Stores a run at a day of May 2025; accounts have the cutoff of the run, or of an earlier day.
fn store_matches(project: &Project, day: i64, cutoff: Option<i64>, rows: &[Match]) {
    let may = |day: i64| parse_iso("2025-05-01").unwrap() + (day - 1) * DAY;
    let text = |name: &str, value: &dyn Fn(&Match) -> Option<String>| {
        rows.iter().map(value).collect::<StringChunked>().with_name(name.into()).into_column()
    };
    let number = |name: &str, value: &dyn Fn(&Match) -> Option<f64>| {
        rows.iter().map(value).collect::<Float64Chunked>().with_name(name.into()).into_column()
    };
    let flag = |name: &str, value: &dyn Fn(&Match) -> Option<bool>| {
        rows.iter().map(value).collect::<BooleanChunked>().with_name(name.into()).into_column()
    };
    let name = |row: &Match| row.3.map(|_| "hits a limit".to_owned());
    let cutoff = may(cutoff.unwrap_or(day));
    let columns = vec![
        text("account_id", &|row| Some(row.0.to_owned())),
        time_column("cutoff", rows.iter().map(|_| Some(cutoff))),
        number("probability", &|row| row.1),
        number("probability_low", &|_| None),
        number("probability_high", &|_| None),
        number("percentile", &|row| row.1.map(|p| 100.0 * p)),
        text("tier", &|row| row.1.map(|p| if p < 0.5 { "D" } else { "B" }.to_owned())),
        flag("qualified", &|row| row.1.map(|_| row.2.is_some())),
        text("qualified_by", &|row| row.2.map(str::to_owned)),
        text("pql_types", &|row| row.3.map(|_| "limit".to_owned())),
        time_column("pql_at", rows.iter().map(|row| row.3.map(may))),
        flag("holdout", &|_| Some(false)),
        text("reason_1", &|_| None),
        text("reason_2", &|_| None),
        text("reason_3", &|_| None),
        text("pql_definitions", &name),
        time_column("horizon_end", rows.iter().map(|_| Some(cutoff + 30 * DAY))),
        text("model", &|_| Some("t/0001".to_owned())),
    ];
    let frame = DataFrame::new(rows.len(), columns).unwrap();
    let mut entry = RunWriter::create(&project.path("led"), "t/0001", frame.schema()).unwrap();
    entry.write(OutputTable::from(&frame)).unwrap();
    entry.finish(may(day)).unwrap();
}

const BY_DEFINITION: Option<&str> = Some("definition");

#[test]
fn a_definition_gives_an_alert_when_it_first_held() {
    let project = Project::new();
    let old = ("old", Some(0.1), BY_DEFINITION, Some(1));
    store_matches(
        &project,
        20,
        None,
        &[
            old,
            ("new", Some(0.1), BY_DEFINITION, Some(6)),
            ("model", Some(0.9), Some("model"), None),
            ("young", None, None, Some(19)),
            ("open", Some(0.1), None, None),
        ],
    );
    let first = alerts(&project, &[]).done().stderr_has(&[
        "first run: all accounts that qualify are reported",
        "Skipped 1 account whose definition has held for more than 14 days (`alerts.within`)",
    ]);
    assert_eq!(changes(&first), ["qualified model", "qualified new"]);
    let month = alerts(&project, &["--set", "alerts.within=30d"]).done();
    assert_eq!(changes(&month), ["qualified old"]);
    project.write("pql.toml", "[alerts]\nwithin = \"1h\"\n");
    std::fs::remove_file(project.path("led/cutoff=2025-05-20/sent.ndjson")).unwrap();
    assert_eq!(changes(&alerts(&project, &["--dry-run"]).done()), ["qualified model"]);
    project.write("pql.toml", "");

    // The next night: a match since the run, one that arrived late, and an account that is old
    // enough now.
    let second = [
        old,
        ("open", Some(0.1), BY_DEFINITION, Some(20)),
        ("late", Some(0.1), BY_DEFINITION, Some(3)),
        ("young", Some(0.1), BY_DEFINITION, Some(19)),
        ("back", Some(0.1), None, None),
    ];
    store_matches(&project, 21, None, &second);
    let run = alerts(&project, &[])
        .done()
        .stderr_has(&["Skipped 1 account whose definition has held since before the previous run"]);
    assert_eq!(changes(&run), ["qualified open", "qualified young"]);

    // After a gap of the runs, everything since the last run counts. One run lacked an account.
    store_matches(&project, 22, None, &second[..4]);
    assert_eq!(changes(&alerts(&project, &[]).done()), [""; 0]);
    store_matches(
        &project,
        60,
        None,
        &[
            ("open", Some(0.1), BY_DEFINITION, Some(20)),
            ("back", Some(0.1), BY_DEFINITION, Some(21)),
            ("gone", Some(0.1), BY_DEFINITION, Some(25)),
        ],
    );
    let run = alerts(&project, &[]).done();
    assert_eq!(changes(&run), ["qualified back", "qualified gone"]);
    let back: Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
    assert_eq!(back["previous_cutoff"], "2025-05-21T00:00:00Z", "the run that scored it");
}

#[test]
fn an_account_that_one_run_did_not_score_gives_no_second_alert() {
    let project = Project::new();
    let hot = ("hot", Some(0.9), Some("model"), None);
    store_matches(&project, 1, None, &[hot, ("cold", Some(0.1), None, None)]);
    store_matches(&project, 2, None, &[("hot", None, None, None)]);
    store_matches(&project, 3, None, &[hot, ("cold", Some(0.9), Some("model"), None)]);
    let run = alerts(&project, &[]).done();
    assert_eq!(changes(&run), ["qualified cold"]);
    assert_eq!(changes(&alerts(&project, &["--kind", "rose"]).done()), ["rose cold"]);
}

#[test]
fn without_a_probability_there_is_no_alert() {
    let project = Project::new();
    store_matches(&project, 1, None, &[("a", Some(0.1), None, None)]);
    // Earlier versions stored such accounts as qualified.
    let rows: [Row; 2] =
        [("a", None, None, Some(true), false), ("b", None, None, Some(true), false)];
    store_run(&project, "t/0001", "2025-05-02", &rows);
    let run = alerts(&project, &["--kind", "qualified,unqualified,rose,fell"]).done();
    assert_eq!(changes(&run), [""; 0]);
}

#[test]
fn scores_at_an_age_cannot_rise_or_fall() {
    let project = Project::new();
    store_matches(&project, 10, Some(1), &[("a", Some(0.1), None, None)]);
    let now = [
        ("a", Some(0.9), Some("model"), None),
        // It matched long ago, and is old enough since the last run.
        ("b", Some(0.1), BY_DEFINITION, Some(-30)),
    ];
    store_matches(&project, 12, Some(11), &now);
    assert_eq!(changes(&alerts(&project, &[]).done()), ["qualified a", "qualified b"]);
    for kind in ["rose", "qualified,fell", "unqualified"] {
        alerts(&project, &["--kind", kind]).fails_with(
            2,
            &["`observation.cutoffs = \"age\"`", "hint: use `--kind qualified`", "`--kind "],
        );
    }
    // A matrix can have rows of several cutoffs and no horizon.
    let project = Project::trained_matrix();
    for (day, usage) in [(1, 0.1), (8, 0.9)] {
        let rows = format!(
            "account_id,cutoff,usage,plan\na,2025-01-0{day},{usage},pro\nb,2025-01-01,0.2,pro\n"
        );
        project.write("dated.csv", rows);
        project.pql(&["score", "m", "--features", "dated.csv", "--ledger", "led"]).done();
    }
    alerts(&project, &["--kind", "rose,fell"]).done();
}

#[test]
fn prime_records_the_first_run_without_sending() {
    let project = Project::new();
    store_run(&project, "t/0001", "2025-05-01", &OLD);
    let run = alerts(&project, &["--prime"])
        .done()
        .stderr_has(&["Recorded 3 alerts as reported; nothing was sent"]);
    assert_eq!(run.out, "");
    assert_eq!(project.text("led/cutoff=2025-05-01/sent.ndjson").lines().count(), 3);
    let again = alerts(&project, &[]).done().stderr_has(&["0 new alerts (3 reported earlier)"]);
    assert_eq!(again.out, "");
    store_run(&project, "t/0001", "2025-05-08", &NEW);
    assert_eq!(changes(&alerts(&project, &[]).done()).len(), 6);
    for other in
        [&["--webhook", "http://127.0.0.1:9"][..], &["--dry-run"], &["--since", "2025-05-01"]]
    {
        alerts(&project, &[&["--prime"], other].concat()).fails_with(2, &["cannot be used with"]);
    }
}

#[test]
fn many_alerts_become_one_digest() {
    let project = two_runs();
    let (url, posted) = server(&["503 Later", "503 Later"]);
    let args = ["--webhook", &url, "--max", "5", "--retries", "1"];
    alerts(&project, &args).fails_with(1, &["failed after 0 of 6 alerts"]);
    let failed: Vec<Posted> = posted.try_iter().collect();
    assert!(!project.path("led/cutoff=2025-05-08/sent.ndjson").exists(), "nothing was accepted");

    // One alert of the six has been sent alone; the others follow as a digest.
    let (url, posted) = server(&[OK, "404 Gone"]);
    alerts(&project, &["--webhook", &url]).fails_with(1, &["failed after 1 of 6 alerts"]);
    assert_eq!(names(&posted), ["f", "a"]);
    let (url, posted) = server(&[OK]);
    alerts(&project, &["--webhook", &url, "--max", "4"])
        .done()
        .stderr_has(&["Sent 5 alerts to 127.0.0.1, as one digest"]);
    let digest = posted.try_iter().next().unwrap();
    let body = &digest.body;
    assert_eq!(body["kind"], "digest");
    assert_eq!(body["alerts"], 5);
    assert_eq!(body["counts"], serde_json::json!({ "qualified": 2, "rose": 1, "fell": 2 }));
    assert_eq!(body["top"][0]["account_id"], "a");
    assert!(body["text"].as_str().unwrap().contains("plan &lt;gold&gt;"), "{body}");
    assert!(digest.head.to_lowercase().contains(body["id"].as_str().unwrap()));
    assert_eq!(failed[0].body, failed[1].body);
    assert_ne!(failed[0].body["id"], body["id"], "another set of alerts");
    alerts(&project, &[]).done().stderr_has(&["0 new alerts (6 reported earlier)"]);
}

#[test]
fn the_table_shows_what_qualifies_an_account_and_at_most_a_digest() {
    let project = Project::new();
    let rows = [
        ("a", Some(0.9), Some("model"), None),
        ("b", Some(0.8), Some("both"), Some(10)),
        ("c", Some(0.1), BY_DEFINITION, Some(10)),
    ];
    store_matches(&project, 11, None, &rows);
    let table = |args: &[&str]| {
        project.pql(&[&["alerts", "--ledger", "led", "--dry-run"], args].concat()).done()
    };
    let all = table(&[]);
    let lines: Vec<&str> = all.out.lines().collect();
    assert!(lines[0].contains("by "), "{}", all.out);
    for (line, by) in
        lines[1..].iter().zip([" threshold ", " threshold, hits a limit ", " hits a limit "])
    {
        assert!(line.contains(by), "{}", all.out);
    }
    let digest = table(&["--max", "2"]).stderr_has(&["3 alerts: 3 qualified"]);
    assert!(!digest.err.contains("Showed the first"), "{}", digest.err);
    assert_eq!(digest.out, all.out, "a digest lists up to ten accounts");
    let json = table(&["--max", "2", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap().as_array().unwrap().len(), 3);
    table(&[]);
    project.pql(&["alerts", "--ledger", "led", "--max", "0"]).fails_with(2, &["--max"]);
}
