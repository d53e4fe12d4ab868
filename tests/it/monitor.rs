//! `pql monitor`: alarms for shifted batches only, and earlier scores compared with outcomes.

use polars::prelude::*;
use pql::io::write::{Format, OutputFile, write_table};
use serde_json::Value;

use crate::project::{Project, dice, lines};

/// Parameters of a simulated matrix: `shift` is added to the column `x`.
struct Sample {
    seed: u64,
    shift: f64,
}

/// Simulates a matrix with a number, a count with many zeros, a text, and an outcome that depends
/// on the number.
fn matrix(sample: &Sample, rows: u64) -> String {
    let line = |row: u64| {
        let u = |which: u64| dice(row + 1_000_000 * sample.seed, which);
        let x = u(1) + sample.shift;
        let count = if u(2) < 0.6 { 0.0 } else { (u(3) * 9.0).floor() };
        let level = ["a", "b", "c"][usize::from(u(4) > 0.5) + usize::from(u(4) > 0.9)];
        let y = u8::from(u(5) < 0.1 + 0.4 * u(1));
        format!("{row},{x:.6},{count},{level},{y}")
    };
    format!("account_id,x,count,level,converted\n{}", lines(rows, line))
}

fn trained() -> Project {
    let project = Project::new();
    project.write("pql.toml", "");
    project.write("train.csv", matrix(&Sample { seed: 1, shift: 0.0 }, 2_000));
    project
        .pql(&["train", "--name", "m", "--features", "train.csv", "--set", "model.test_size=0"])
        .done();
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn only_a_shifted_batch_raises_an_alarm() {
    let project = trained();
    let mut alarms = 0;
    for seed in 2..22 {
        project.write("batch.csv", matrix(&Sample { seed, shift: 0.0 }, 400));
        let run = project.pql(&["monitor", "m", "--features", "batch.csv"]);
        alarms += usize::from(run.code != Some(0));
    }
    assert!(alarms <= 1, "{alarms} of 20 clean batches");
    project.write("batch.csv", matrix(&Sample { seed: 2, shift: 0.3 }, 400));
    let run = project.pql(&["monitor", "m", "--features", "batch.csv", "--format", "json"]);
    assert_eq!(run.code, Some(5));
    let found = json(&run.stderr_has(&["check failed: 2 alarms"]).out);
    assert_eq!(
        (found["features"][0]["feature"].as_str(), found["features"][0]["drifted"].as_bool()),
        (Some("x"), Some(true))
    );
    assert!(found["features"][0]["out_of_range"].as_f64().unwrap() > 0.2);
    let table = project.pql(&["monitor", "m", "--features", "batch.csv"]).out;
    assert!(
        table.contains("1 of 3 features has drifted among accounts of the same age: `x`"),
        "{table}"
    );
    let quiet = project.pql(&["monitor", "m", "--features", "batch.csv", "--ignore", "x", "-v"]);
    assert!(
        quiet.out.contains("ignored") && !quiet.out.contains("features has drifted"),
        "{}",
        quiet.out
    );
    project
        .pql(&["monitor", "m", "--features", "batch.csv", "--ignore", "xx"])
        .fails_with(2, &["`--ignore`: found `xx`"]);
}

#[test]
fn psi_matches_a_direct_computation() {
    let project = trained();
    project.write("batch.csv", matrix(&Sample { seed: 3, shift: 0.1 }, 500));
    let found =
        json(&project.pql(&["monitor", "m", "--features", "batch.csv", "--format", "json"]).out);
    let rows = |name: &str| -> Vec<f64> {
        project
            .text(name)
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(1).unwrap().parse().unwrap())
            .collect()
    };
    let (mut reference, current) = (rows("train.csv"), rows("batch.csv"));
    reference.sort_by(f64::total_cmp);
    let number = |n: usize| f64::from(u32::try_from(n).unwrap());
    let edge = |decile: usize| {
        let (low, rest) =
            (decile * (reference.len() - 1) / 10, decile * (reference.len() - 1) % 10);
        reference[low] + number(rest) / 10.0 * (reference[low + 1] - reference[low])
    };
    let edges: Vec<f64> = (1..10).map(edge).collect();
    let share = |values: &[f64], bin: usize| {
        let count =
            values.iter().filter(|v| edges.iter().filter(|e| **e < **v).count() == bin).count();
        (number(count) + 0.5) / (number(values.len()) + 5.0)
    };
    let psi: f64 = (0..10)
        .map(|bin| {
            let (p, q) = (share(&reference, bin), share(&current, bin));
            (q - p) * (q / p).ln()
        })
        .sum();
    let x =
        found["features"].as_array().unwrap().iter().find(|drift| drift["feature"] == "x").unwrap();
    assert!((x["psi"].as_f64().unwrap() - psi).abs() < 1e-9, "{psi} and {}", x["psi"]);
}

#[test]
fn outcomes_of_a_matrix_are_compared_with_the_probabilities() {
    let project = trained();
    project.write("batch.csv", matrix(&Sample { seed: 4, shift: 0.0 }, 800));
    let args = ["monitor", "m", "--features", "batch.csv", "--outcomes", "--format", "json"];
    let found = json(&project.pql(&args).done().out);
    let evaluated = json(
        &project.pql(&["evaluate", "m", "--features", "batch.csv", "--format", "json"]).done().out,
    );
    for metric in ["n", "roc_auc", "log_loss", "calibration_in_the_large"] {
        assert_eq!(found["realized"]["evaluation"][metric], evaluated[metric], "{metric}");
    }
    // Half of the conversions are removed.
    let half = |line: &str| {
        let (row, y) = line.rsplit_once(',').unwrap();
        let odd = row.split(',').next().unwrap().ends_with(['1', '3', '5', '7', '9']);
        format!("{row},{}\n", if y == "1" && odd { "0" } else { y })
    };
    project.write("batch.csv", project.text("batch.csv").lines().map(half).collect::<String>());
    let table = project.pql(&["monitor", "m", "--features", "batch.csv", "--outcomes"]).out;
    assert!(table.contains("Fewer accounts converted than predicted"), "{table}");
}

#[test]
fn rows_with_non_finite_values_are_counted_but_not_evaluated() {
    let project = trained();
    let text = matrix(&Sample { seed: 4, shift: 0.0 }, 800);
    let cells: Vec<Vec<&str>> =
        text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let numbers = |place: usize| -> Vec<f64> {
        cells.iter().map(|row| row[place].parse().unwrap()).collect()
    };
    let texts = |place: usize| -> Vec<&str> { cells.iter().map(|row| row[place]).collect() };
    let mut x = numbers(1);
    (x[3], x[4], x[700]) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY);
    let columns = vec![
        Column::new("account_id".into(), texts(0)),
        Column::new("x".into(), x),
        Column::new("count".into(), numbers(2)),
        Column::new("level".into(), texts(3)),
        Column::new("converted".into(), numbers(4)),
    ];
    write_table(
        &OutputFile::managed(&project.path("batch.parquet")),
        Format::Parquet,
        &DataFrame::new(800, columns).unwrap(),
    )
    .unwrap();
    let found = json(
        &project
            .pql(&["monitor", "m", "--features", "batch.parquet", "--outcomes", "--format", "json"])
            .out,
    );
    assert_eq!(
        (found["not_finite"].as_u64(), found["realized"]["evaluation"]["n"].as_u64()),
        (Some(3), Some(797))
    );
    let evaluated =
        project.pql(&["evaluate", "m", "--features", "batch.parquet", "--format", "json"]).done();
    evaluated.stderr_has(&["warning: 3 rows skipped because a value is not finite"]);
}

#[test]
fn small_unchanged_logs_rarely_raise_alarms() {
    let mut alarms = Vec::new();
    for seed in ["5", "103", "112", "115", "124", "131", "140", "152", "163", "170"] {
        let project = Project::new();
        project
            .pql(&[
                "simulate",
                "-o",
                ".",
                "--accounts",
                "1500",
                "--base-rate",
                "0.1",
                "--events-per-account",
                "30",
                "--seed",
                seed,
            ])
            .done();
        project.train(&["--set", "observation.until=\"2025-09-01\""]).done();
        let run = project.pql(&["monitor", "t"]);
        alarms.extend((run.code != Some(0)).then_some(run.err));
    }
    assert!(alarms.len() <= 1, "{alarms:?}");
}

/// Simulates a log and trains a model on its first months.
pub(crate) fn log() -> Project {
    let project = Project::simulated(3_000, 11);
    project.train(&["--set", "observation.until=\"2025-08-01\""]).done();
    project
}

#[test]
fn an_unchanged_batch_has_no_alarms_and_earlier_scores_are_compared_with_outcomes() {
    let project = log();
    for day in (1..29).step_by(3) {
        project
            .pql(&["score", "t", "--at", &format!("2025-08-{day:02}"), "--ledger", "ledger"])
            .done();
    }
    let run = project
        .pql(&["monitor", "t", "--ledger", "ledger", "--format", "json", "--report", "page.html"])
        .done();
    let found = json(&run.stderr_has(&["Wrote page.html"]).out);
    assert!(found["alarms"].as_array().unwrap().is_empty());
    let (realized, rows) =
        (&found["realized"], found["realized"]["evaluation"]["n"].as_u64().unwrap());
    assert!(rows > 100 && realized["runs"].as_array().unwrap().len() > 5, "{realized}");
    assert_eq!(
        realized["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["rows"].as_u64().unwrap())
            .sum::<u64>(),
        rows
    );
    // Accounts that were first scored too late, once each.
    let late = realized["scored_late"].as_u64().unwrap();
    assert!(late > 20 && late + rows < 3_000, "{late} late, {rows} on time");
    assert!(project.text("page.html").contains("of earlier runs dropped: scored late"));
    let [low, high] = ["low", "high"].map(|end| {
        realized["evaluation"]["calibration_in_the_large"]["interval"][end].as_f64().unwrap()
    });
    assert!(low < 0.0 && high > 0.0, "{low} to {high}");
    let page = project.text("page.html");
    for id in ["scores-distribution", "indices", "feature-0", "reliability", "runs"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
    let mean = found["scores"]["current_mean"].as_f64().unwrap();
    assert!(
        page.contains(&format!("<data id=\"current_mean\" value=\"{mean}\""))
            && page.len() < 500_000
    );
    // Before the horizons are over, no outcome is known.
    project
        .pql(&["monitor", "t", "--ledger", "ledger", "--at", "2025-08-20"])
        .stderr_has(&["no run in the ledger has a completed horizon"]);
}

#[test]
fn invalid_arguments_are_errors() {
    let project = Project::trial();
    project.train(&[]).done();
    project.pql(&["monitor", "t", "--ledger", "none"]).fails_with(2, &["ledger not found: `none`"]);
    project
        .pql(&["monitor", "t", "--features", "f.csv", "--ledger", "x"])
        .fails_with(2, &["cannot be used with"]);
    project.pql(&["monitor", "t", "--outcomes"]).fails_with(2, &["--features"]);
    project
        .pql(&["monitor", "t", "--format", "json", "--report", "-"])
        .fails_with(2, &["`--report`: found `-`, expected a file"]);
    project.pql(&["monitor", "u"]).fails_with(4, &["model `u` not found"]);
    let matrix = Project::trained_matrix();
    matrix.pql(&["monitor", "m"]).fails_with(2, &["matrix"]);
    matrix.pql(&["monitor", "m", "--features", "matrix.csv"]).done();
}

#[test]
fn one_time_events_are_not_gone_among_older_accounts() {
    // Twelve events, each of which occurs in some accounts and only in their first days.
    let project = Project::new();
    let day = |day: u64| {
        pql::time::iso(1_735_689_600_000_000 + i64::try_from(day).unwrap() * 86_400_000_000)
    };
    let signed_up = |account: u64| account % 300;
    let accounts = |account: u64| {
        let converts = dice(account, 1) < 0.3;
        let converted =
            if converts { day(signed_up(account) + 20 + account % 60) } else { String::new() };
        format!("{account},{},{converted}", day(signed_up(account)))
    };
    project.write(
        "accounts.csv",
        format!("account_id,signed_up_at,converted_at\n{}", lines(900, accounts)),
    );
    let mut events = "account_id,event,timestamp\n".to_owned();
    for account in 0..900 {
        for which in (0..12).filter(|which| dice(account, 10 + which) < 0.06) {
            events += &format!("{account},setup_{which},{}\n", day(signed_up(account) + which % 3));
        }
        for week in 0..30 {
            events +=
                &format!("{account},login,{}\n", day(signed_up(account) + 7 * week + account % 7));
        }
    }
    project.write("events.csv", events);
    project
        .write("pql.toml", "[[events]]\npath = \"events.csv\"\n[accounts]\npath = \"accounts.csv\"\n[observation]\nmax_age = \"120d\"\n");
    project.train(&["--set", "observation.until=\"2025-09-01\""]).done();
    let found = json(&project.pql(&["monitor", "t", "--at", "2025-10-01", "--format", "json"]).out);
    let gone = found["events"]["gone"].as_array().unwrap();
    // Sign-ups stop after day 299, 2025-10-26; before that the events of first days go on.
    assert!(gone.is_empty(), "{gone:?}");
}
