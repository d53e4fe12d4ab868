//! Alerts sent to a webhook.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use pql::registry::ledger::Ledger;
use serde_json::Value;

use super::runs::{OLD, store_run, two_runs};
use super::{alerts, changes};
use crate::project::run as run_command;

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
        let run =
            alerts(&project, &["--webhook", url]).fails_with(2, &["found a webhook URL", "hint: "]);
        assert!(!run.err.contains("secret"), "{}", run.err);
    }
    alerts(&project, &["--webhook", "http://host", "-o", "x"]).fails_with(2, &["--output"]);
    assert_eq!(Ledger::open(&project.path("led")).unwrap().runs(None).unwrap().len(), 2);
}

#[test]
fn an_invalid_port_is_a_usage_error_and_not_shown() {
    let project = two_runs();
    for port in ["0", "65536", "https", "", "+80"] {
        let url = format!("http://127.0.0.1:{port}/secret");
        let run = alerts(&project, &["--webhook", &url]).fails_with(2, &["webhook URL", "hint: "]);
        assert!(!run.err.contains("secret"), "{}", run.err);
    }
}

#[test]
fn the_url_comes_from_a_file_or_the_environment() {
    let project = two_runs();
    let (url, posted) = server(&[OK; 6]);
    project.write("url", format!("{url}\n"));
    let run = alerts(&project, &["--webhook-file", "url", "--kind", "qualified"]);
    run.done().stderr_has(&["Sent 3 alerts to 127.0.0.1"]);
    let with_variable = |url: &str, args: &[&str]| {
        let args = [&["alerts", "--ledger", "led"], args].concat();
        let mut command = project.command(env!("CARGO_BIN_EXE_pql"), &args);
        run_command(command.env("PQL_WEBHOOK", url))
    };
    // A command that prints sends nothing.
    with_variable(&url, &["--format", "ndjson", "--dry-run"]).done();
    assert_eq!(posted.try_iter().count(), 3);
    with_variable(&url, &[]).done().stderr_has(&["Sent 3 alerts to 127.0.0.1"]);
    assert_eq!(posted.try_iter().count(), 3);
    with_variable("", &[]).done();
    let run = with_variable("http://host:0/secret", &[]).fails_with(2, &["found a webhook URL"]);
    assert!(!run.err.contains("secret"), "{}", run.err);
    project.write("url", "ftp://host/secret");
    let run = alerts(&project, &["--webhook-file", "url"]).fails_with(2, &["found a webhook URL"]);
    assert!(!run.err.contains("secret"), "{}", run.err);
    project.write("url", vec![b'x'; 1 << 17]);
    alerts(&project, &["--webhook-file", "url"]).fails_with(3, &["at most 65536 bytes"]);
    alerts(&project, &["--webhook-file", "absent"]).fails_with(3, &["absent"]);
}

#[cfg(unix)]
#[test]
fn nothing_is_sent_that_cannot_be_recorded() {
    use std::os::unix::fs::symlink;

    let project = two_runs();
    let (url, posted) = server(&[OK; 6]);
    let record = project.path("led/cutoff=2025-05-08/sent.ndjson");
    let lock = project.path("led/.alerts.lock");
    project.write("other", "content");
    for place in [&record, &lock] {
        std::fs::remove_file(place).ok();
        symlink(project.path("other"), place).unwrap();
        alerts(&project, &["--webhook", &url]).fails_with(1, &["found a symbolic link"]);
        alerts(&project, &[]).fails_with(1, &["found a symbolic link"]);
        std::fs::remove_file(place).unwrap();
    }
    assert_eq!(project.text("other"), "content");
    // A full disk.
    let pql = env!("CARGO_BIN_EXE_pql");
    let script = format!("ulimit -f 0; exec {pql} alerts --ledger led --webhook '{url}'");
    run_command(&mut project.command("sh", &["-c", &script]))
        .fails_with(1, &["cannot write `led/cutoff=2025-05-08/sent.ndjson`"]);
    assert_eq!(posted.try_iter().count(), 0);
    alerts(&project, &["--webhook", &url]).done();
    assert_eq!(posted.try_iter().count(), 6);
    assert_eq!(project.text("led/cutoff=2025-05-08/sent.ndjson").lines().count(), 6);
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
