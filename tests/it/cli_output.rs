//! Output: stdout, stderr, atomic files and closed pipes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::project::{Project, lines};

const PQL: &str = env!("CARGO_BIN_EXE_pql");

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let project = Project::trial();
    let train = project.train(&[]).done();
    for word in ["base rate", "ROC AUC", "Most important features", "Stored as t/0001"] {
        assert!(train.out.contains(word), "{word}: {}", train.out);
    }
    for word in ["Data quality", "warning", "Read "] {
        assert!(!train.out.contains(word), "{word}: {}", train.out);
    }
    train.stderr_has(&["Data quality", "Read "]);
    let score = project.pql(&["score", "t", "--at", "2025-04-01", "-o", "scores.csv"]).done();
    assert_eq!(score.out, "");
    score.stderr_has(&["accounts scored as of", "reach the threshold", "Wrote scores.csv"]);
    assert_eq!(project.pql(&["ingest", "-o", "clean"]).done().out, "");
    assert_eq!(project.pql(&["features", "-o", "f.parquet"]).done().out, "");
    assert_eq!(project.pql(&["inspect", "t"]).done().err, "");
    for version in ["--version", "--help"] {
        let run = project.pql(&[version]).done();
        assert!(run.out.contains("pql") && run.err.is_empty());
    }
}

#[test]
fn quiet_prints_only_errors_to_stderr() {
    let project = Project::trial();
    for args in [
        ["train", "--name", "t", "-q"].as_slice(),
        &["-q", "score", "t", "-o", "-"],
        &["--quiet", "features", "-o", "-"],
        &["ingest", "-o", "clean", "-q"],
        &["evaluate", "t", "-q"],
    ] {
        assert_eq!(project.pql(args).done().err, "", "{args:?}");
    }
    assert_eq!(project.pql_score(&["-q", "t", "-o", "-"]).done().err, "");
    project.pql(&["-q", "inspect", "none"]).fails_with(4, &["model `none` not found"]);
}

#[test]
fn score_writes_the_documented_columns() {
    let project = Project::trial();
    project.train(&[]).done();
    let args = ["score", "t", "--at", "2025-04-01", "-o", "-", "--all", "--sort", "account"];
    let run = project.pql(&args).done();
    let run = run.stderr_has(&["accounts skipped: converted or churned already"]);
    let header = "account_id,cutoff,probability,probability_low,probability_high,percentile,tier,qualified,qualified_by,pql_types,pql_at,holdout,reason_1,reason_2,reason_3,concern_1,pql_definitions,horizon_end,model";
    assert_eq!(run.out.lines().next(), Some(header));
    let young = run
        .out
        .lines()
        .find(|l| l.contains("too young"))
        .expect("accounts of a week of age are not all");
    assert!(
        young.contains(",2025-04-01T00:00:00Z,,,,,,,,,,false,not scored: too young,,,,,,t/0001"),
        "{young}"
    );
    assert!(run.out.lines().any(|l| l.contains("not scored: the horizon is over")), "{}", run.out);
    let codes: Vec<&str> = run.out.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
    assert!(codes.is_sorted() && codes.len() > 50);
    // The trials are scored at 7 days, with a horizon of 14 days from then on.
    let micros = |time: &str| pql::time::parse_iso(time).unwrap();
    for line in run.out.lines().skip(1).filter(|line| !line.contains("not scored: ")) {
        let cells: Vec<&str> = line.split(',').collect();
        let horizon_end = cells[cells.len() - 2];
        assert_eq!(micros(horizon_end) - micros(cells[1]), 14 * pql::time::DAY, "{line}");
    }
}

/// Returns the cells of each row of a CSV, without the header.
fn records(csv: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(csv.as_bytes()).records().map(|row| row.unwrap()).collect()
}

#[test]
fn scores_are_sorted_and_accounts_without_a_probability_are_written_on_request() {
    let project = Project::trial();
    project.train(&[]).done();
    let score = |args: &[&str]| {
        let all = [&["score", "t", "--at", "2025-04-01", "-o", "-"][..], args].concat();
        project.pql(&all).done()
    };
    let key = |row: &csv::StringRecord| {
        (-row[2].parse::<f64>().unwrap_or(-1.0), row[0].to_owned(), row[1].to_owned())
    };
    let run = score(&[]).stderr_has(&[
        "Each account is scored at the age of 7 days",
        "at most",
        "The score does not change until this horizon ends.",
    ]);
    let scored = records(&run.out);
    assert!(scored.len() > 20 && scored.iter().all(|row| !row[2].is_empty()));
    assert!(scored.iter().map(key).is_sorted_by(|a, b| a < b));
    let all = records(&score(&["--all"]).out);
    assert_eq!(all[..scored.len()], scored, "those without a probability are last");
    assert!(all.len() > scored.len());
    for row in &all[scored.len()..] {
        assert!(row[2].is_empty() && row[7].is_empty() && row[12].starts_with("not scored: "));
    }
    let mut by_account = records(&score(&["--sort", "account"]).out);
    assert!(by_account.is_sorted_by(|a, b| a[0] < b[0]));
    by_account.sort_by_key(|row| (key(row).0.to_bits(), row[0].to_owned()));
    let mut same = scored;
    same.sort_by_key(|row| (key(row).0.to_bits(), row[0].to_owned()));
    assert_eq!(by_account, same);
    for name in ["s.csv", "s.ndjson", "s.parquet"] {
        let args = ["score", "t", "--at", "2025-04-01", "-o", name];
        project
            .pql(&args)
            .done()
            .stderr_has(&[&format!("Wrote {name}, highest probability first")]);
    }
    assert_eq!(project.text("s.csv"), run.out);
    assert_eq!(project.text("s.ndjson").lines().count(), run.out.lines().count() - 1);
    assert!(run.err.lines().all(|line| line.chars().count() <= 100), "{}", run.err);
}

#[test]
fn options_that_would_have_no_effect_are_refused() {
    let project = Project::trained_matrix();
    let matrix = ["score", "m", "--features", "matrix.csv", "-o", "-"];
    for option in [["--at", "2025-04-01"], ["--now", "2025-04-01"]] {
        project.pql(&[&matrix[..], &option].concat()).fails_with(2, &["cannot be used with"]);
    }
    for option in [&["--all"][..], &["--sort", "account"], &["--format", "csv"]] {
        let args = ["score", "m", "--features", "matrix.csv", "--ledger", "led"];
        project.pql(&[&args[..], option].concat()).fails_with(2, &["--output <FILE>"]);
    }
    for option in [["--now", "2025-04-01"], ["--memory", "1GB"]] {
        let args = ["train", "--name", "x", "--features", "matrix.csv"];
        project.pql(&[&args[..], &option].concat()).fails_with(2, &["cannot be used with"]);
    }
}

#[test]
fn both_programs_write_the_same_scores() {
    let project = Project::trial();
    project.train(&[]).done();
    for name in ["a.csv", "a.parquet", "a.ndjson"] {
        let args = ["t", "--at", "2025-04-01", "-o"];
        project.pql(&[&["score"], args.as_slice(), &[name]].concat()).done();
        let alone = format!("alone-{name}");
        project.pql_score(&[args.as_slice(), &[&alone]].concat()).done();
        assert_eq!(project.read(name), project.read(&alone), "{name}");
    }
    let args = ["t", "-o", "-"];
    assert_eq!(
        project.pql_score(&args).done().out,
        project.pql(&[&["score"], args.as_slice()].concat()).done().out
    );
    project.pql_score(&["none", "-o", "-"]).fails_with(4, &["model `none` not found"]);
    project.pql_score(&["t"]).fails_with(2, &["--output <FILE>"]);
}

#[test]
fn the_format_is_the_option_or_the_file_extension() {
    let project = Project::trained_matrix();
    let score =
        |args: &[&str]| project.pql(&[&["score", "m", "--features", "matrix.csv"], args].concat());
    let csv = score(&["-o", "-"]).done().out;
    assert_eq!(csv.lines().count(), 201);
    for name in ["s.csv", "s.CSV"] {
        score(&["-o", name]).done();
        assert_eq!(project.text(name), csv);
    }
    score(&["-o", "s.txt", "--format", "csv"]).done();
    assert_eq!(project.text("s.txt"), csv);
    let json = score(&["-o", "-", "--format", "ndjson"]).done().out;
    assert!(
        json.starts_with("{\"account_id\":\"m")
            && json.contains(",\"cutoff\":null,\"probability\":0."),
        "{json}"
    );
    score(&["-o", "s.jsonl"]).done();
    assert_eq!(project.text("s.jsonl"), json);
    score(&["-o", "s.parquet"]).done();
    assert!(project.read("s.parquet").starts_with(b"PAR1"));
    let parquet = project
        .command(PQL, &["score", "m", "--features", "matrix.csv", "-o", "-", "--format", "parquet"])
        .output()
        .unwrap();
    assert_eq!(parquet.stdout, project.read("s.parquet"));
    score(&["-o", "s.txt"]).fails_with(
        2,
        &["`s.txt`: unsupported file extension", "hint: ", "`--format parquet|csv|ndjson|arrow`"],
    );
    score(&["-o", "-", "--format", "xml"]).fails_with(2, &["'xml'", "parquet, csv, ndjson"]);
}

#[test]
fn inspect_writes_every_format() {
    let project = Project::trained_matrix();
    let inspect = |format: &str| project.pql(&["inspect", "m", "--format", format]).done().out;
    let csv = inspect("csv");
    let header = "feature,coef,std_error,z_unpenalized,p_unpenalized,low,high,odds_ratio,coef_raw,std_error_raw,odds_ratio_raw,vif,mean,sd,missing";
    assert_eq!(csv.lines().next(), Some(header));
    assert!(csv.lines().nth(1).unwrap().starts_with("intercept,"));
    let json: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&inspect("json")).unwrap();
    assert_eq!(json.len(), csv.lines().count() - 1);
    for (object, line) in json.iter().zip(csv.lines().skip(1)) {
        let cells: Vec<&str> = line.split(',').collect();
        // The ends of the interval are one object in JSON.
        assert_eq!(object.len() + 1, cells.len());
        for (name, cell) in header.split(',').zip(&cells) {
            let value = object.get(name).unwrap_or_else(|| &object["interval"][name]);
            let same = value
                .as_f64()
                .map_or(value.as_str().unwrap_or("") == *cell, |v| cell.parse::<f64>() == Ok(v));
            assert!(same, "{value} {cell}");
        }
    }
    let markdown = inspect("md");
    assert!(
        markdown.starts_with("| feature | coef |")
            && markdown.lines().nth(1).unwrap().starts_with("|---|"),
        "{markdown}"
    );
    assert_eq!(markdown.lines().count(), csv.lines().count() + 1);
    assert!(inspect("table").contains("odds ratio"));
}

#[test]
fn evaluate_gives_one_json_object() {
    let project = Project::trained_matrix();
    let run =
        project.pql(&["evaluate", "m", "--features", "matrix.csv", "--format", "json"]).done();
    let object: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    for key in ["n", "conversions", "base_rate", "average_precision"] {
        assert!(object[key].is_number(), "{key}: {object}");
    }
    for key in ["roc_auc", "log_loss", "brier", "calibration_in_the_large", "calibration_error"] {
        assert!(object[key]["value"].is_number(), "{key}: {object}");
    }
}

#[test]
fn an_unwritable_output_is_reported() {
    let project = Project::trained_matrix();
    let score = |to: &str| {
        project.pql(&["score", "m", "--features", "matrix.csv", "--format", "csv", "-o", to])
    };
    score("no/such/scores.csv")
        .fails_with(1, &["cannot write `no/such/scores.csv`", "No such file"]);
    score("models").fails_with(1, &["cannot write `models`", "directory"]);
    score("matrix.csv/x.csv").fails_with(1, &["cannot write `matrix.csv/x.csv`"]);
    project.write("taken", "a file");
    project
        .pql(&["train", "--name", "m", "--features", "matrix.csv", "--models", "taken"])
        .fails_with(1, &["cannot write `taken"]);
    let project = Project::trial();
    project.write("taken", "a file");
    project.pql(&["ingest", "-o", "taken"]).fails_with(1, &["cannot write `taken`"]);
    project.pql(&["features", "-o", "no/such.csv"]).fails_with(1, &["cannot write `no/such.csv`"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_reported() {
    let project = Project::trained_matrix();
    for args in [
        ["inspect", "m"].as_slice(),
        &["inspect", "m", "--format", "csv"],
        &["score", "m", "--features", "matrix.csv", "-o", "-"],
        &["score", "m", "--features", "matrix.csv", "-o", "-", "--format", "parquet"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = project.command(PQL, args);
        let output = command
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(
            err.contains("cannot write `standard output`: No space left on device"),
            "{args:?}: {err}"
        );
    }
    let to = project.pql(&[
        "score",
        "m",
        "--features",
        "matrix.csv",
        "--format",
        "csv",
        "-o",
        "/dev/full",
    ]);
    to.fails_with(1, &["cannot write `/dev/full`", "No space left"]);
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let project = Project::trained_matrix();
    let long = lines(50_000, |i| format!("a{i},0.5,pro"));
    project.write("long.csv", format!("account_id,usage,plan\n{long}"));
    for (args, lines) in [
        (["inspect", "m"].as_slice(), 0),
        (&["inspect", "m", "--format", "csv"], 1),
        (&["score", "-q", "m", "--features", "long.csv", "-o", "-"], 1),
        (&["score", "-q", "m", "--features", "long.csv", "-o", "-", "--format", "ndjson"], 0),
        (&["score", "-q", "m", "--features", "long.csv", "-o", "-", "--format", "parquet"], 0),
    ] {
        let mut child = project
            .command(PQL, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines {
            out.read_line(&mut String::new()).unwrap();
        }
        drop(out);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_failed_run_does_not_change_the_output() {
    let project = Project::trained_matrix();
    // More rows than a batch, so that the first batch is written before the error.
    let long = lines(70_000, |i| format!("a{i},0.5,pro"));
    project.write("long.csv", format!("account_id,usage,plan\n{long}b,much,pro\n"));
    project.write("scores.csv", "as it was\n");
    let before = project.names("");
    for name in ["scores.csv", "new.csv", "new.parquet", "new.ndjson"] {
        let run = project.pql(&["score", "m", "--features", "long.csv", "-o", name]);
        run.fails_with(3, &["`long.csv`, row 70,001, column `usage`: found `much`"]);
    }
    assert_eq!(project.text("scores.csv"), "as it was\n");
    assert_eq!(project.names(""), before, "no new and no unfinished file");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_exits_with_its_code_and_keeps_the_old_output() {
    for (signal, expected) in [("-INT", 130), ("-TERM", 143)] {
        let project = Project::trained_matrix();
        project.write("scores.csv", "as it was\n");
        // The pipe stays empty, so that the program waits for the first byte of its project file.
        assert!(project.command("mkfifo", &["pipe.toml"]).status().unwrap().success());
        let before = project.names("");
        let batch = ["--features", "matrix.csv", "-c", "pipe.toml"];
        let args = [&["score", "m", "-o", "scores.csv"], &batch[..]].concat();
        let mut child = project
            .command(PQL, &args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(
            project.command("kill", &[signal, &child.id().to_string()]).status().unwrap().success()
        );
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let code = child.try_wait().unwrap().and_then(|s| s.code());
        if code.is_none() {
            child.kill().unwrap();
        }
        assert_eq!(code, Some(expected), "{signal}");
        assert_eq!(project.text("scores.csv"), "as it was\n");
        assert_eq!(project.names(""), before);
    }
}

#[test]
fn an_output_replaces_the_existing_file() {
    let project = Project::trained_matrix();
    project.write("scores.csv", "as it was\n".repeat(10_000));
    project.pql(&["score", "m", "--features", "matrix.csv", "-o", "scores.csv"]).done();
    let text = project.text("scores.csv");
    assert!(text.starts_with("account_id,") && !text.contains("as it was"));
}

#[test]
fn csv_numbers_and_texts_read_back_exactly() {
    let project = Project::matrix();
    project.write(
        "matrix.csv",
        project
            .text("matrix.csv")
            .replace(",basic,", ",\"ba\"\"s,ic\",")
            .replace("m3,", "\"m,3\","),
    );
    project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    let out = project.pql(&["score", "m", "--features", "matrix.csv", "-o", "-"]).done().out;
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(out.as_bytes()).records().map(|r| r.unwrap()).collect();
    assert_eq!(rows.len(), 200);
    assert!(rows.iter().any(|row| &row[0] == "m,3"));
    let json = project
        .pql(&["score", "m", "--features", "matrix.csv", "-o", "-", "--format", "ndjson"])
        .done()
        .out;
    for (row, line) in rows.iter().zip(json.lines()) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["account_id"].as_str(), Some(&row[0]));
        assert_eq!(object["probability"].as_f64(), row[2].parse().ok());
        assert_eq!(object["qualified"].as_bool().map(|b| b.to_string()).as_deref(), Some(&row[7]));
        assert_eq!(object["reason_1"].as_str().unwrap_or(""), &row[12]);
    }
}

#[test]
#[ignore = "needs `script` of util-linux"]
fn on_a_terminal_progress_is_drawn_and_cleared_and_the_run_ends() {
    let project = Project::trial();
    let train = format!("{PQL} train -c pql.toml --name tty");
    let output = project
        .command("timeout", &["60", "script", "-qec", &train, "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("ROC AUC") && text.contains("Stored as tty/0001, now the champion"),
        "{text}"
    );
}

#[test]
fn two_million_events_become_a_model_within_15_seconds() {
    let project = Project::new();
    project.simulate("log", 20_000, 0);
    let start = Instant::now();
    let run = project.pql(&["train", "-c", "log/pql.toml", "--name", "big"]).done();
    let seconds = start.elapsed().as_secs_f64();
    assert!(run.out.contains("Stored as big/0001"), "{}", run.out);
    assert!(seconds < 15.0, "{seconds} s");
}
