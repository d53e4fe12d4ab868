//! `pql monitor`: clean batches are let pass, shifted ones are not, and what became of accounts is
//! held against what was said.

use polars::prelude::*;
use pql::io::write::{Format, write_table};
use serde_json::Value;

use crate::project::{Project, dice, lines};

/// The mean of the numbers in the column `x` and of the outcomes.
struct Drawn {
    seed: u64,
    shift: f64,
}

/// Rows of a matrix: a number, a count with many zeros, a text, and an outcome that goes by the
/// number.
fn matrix(of: &Drawn, rows: u64) -> String {
    let line = |row: u64| {
        let u = |which: u64| dice(row + 1_000_000 * of.seed, which);
        let x = u(1) + of.shift;
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
    project.write("train.csv", matrix(&Drawn { seed: 1, shift: 0.0 }, 2_000));
    project
        .pql(&["train", "--name", "m", "--features", "train.csv", "--set", "model.test=0"])
        .done();
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn clean_batches_hardly_ever_alarm_and_a_shifted_one_does() {
    let project = trained();
    let mut alarms = 0;
    for seed in 2..22 {
        project.write("batch.csv", matrix(&Drawn { seed, shift: 0.0 }, 400));
        let run = project.pql(&["monitor", "m", "--features", "batch.csv"]);
        alarms += usize::from(run.code != Some(0));
    }
    assert!(alarms <= 1, "{alarms} of 20 clean batches");
    project.write("batch.csv", matrix(&Drawn { seed: 2, shift: 0.3 }, 400));
    let run = project.pql(&["monitor", "m", "--features", "batch.csv", "--json"]);
    assert_eq!(run.code, Some(5));
    let found =
        json(&run.says(&["the check did not hold", "1 of 3 features have drifted: `x`"]).out);
    assert_eq!(
        (found["features"][0]["feature"].as_str(), found["features"][0]["drifted"].as_bool()),
        (Some("x"), Some(true))
    );
    assert!(found["features"][0]["beyond"].as_f64().unwrap() > 0.2);
    let quiet = project.pql(&["monitor", "m", "--features", "batch.csv", "--ignore", "x"]);
    assert!(
        quiet.out.contains("drifted, ignored") && !quiet.err.contains("features have drifted"),
        "{}",
        quiet.err
    );
    project
        .pql(&["monitor", "m", "--features", "batch.csv", "--ignore", "xx"])
        .refused(2, &["reads no feature `xx`"]);
}

#[test]
fn the_index_is_that_of_numpy_s_definition() {
    let project = trained();
    project.write("batch.csv", matrix(&Drawn { seed: 3, shift: 0.1 }, 500));
    let found = json(&project.pql(&["monitor", "m", "--features", "batch.csv", "--json"]).out);
    let rows = |name: &str| -> Vec<f64> {
        project
            .text(name)
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(1).unwrap().parse().unwrap())
            .collect()
    };
    let (mut then, now) = (rows("train.csv"), rows("batch.csv"));
    then.sort_by(f64::total_cmp);
    let number = |n: usize| f64::from(u32::try_from(n).unwrap());
    let edge = |decile: usize| {
        let (low, rest) = (decile * (then.len() - 1) / 10, decile * (then.len() - 1) % 10);
        then[low] + number(rest) / 10.0 * (then[low + 1] - then[low])
    };
    let edges: Vec<f64> = (1..10).map(edge).collect();
    let share = |of: &[f64], cell: usize| {
        let count =
            of.iter().filter(|v| edges.iter().filter(|e| **e < **v).count() == cell).count();
        (number(count) + 0.5) / (number(of.len()) + 5.0)
    };
    let psi: f64 = (0..10)
        .map(|cell| {
            (share(&now, cell) - share(&then, cell)) * (share(&now, cell) / share(&then, cell)).ln()
        })
        .sum();
    let x = found["features"].as_array().unwrap().iter().find(|of| of["feature"] == "x").unwrap();
    assert!((x["psi"].as_f64().unwrap() - psi).abs() < 1e-9, "{psi} and {}", x["psi"]);
}

#[test]
fn outcomes_of_a_matrix_are_held_against_the_probabilities() {
    let project = trained();
    project.write("batch.csv", matrix(&Drawn { seed: 4, shift: 0.0 }, 800));
    let args = ["monitor", "m", "--features", "batch.csv", "--outcomes", "--json"];
    let found = json(&project.pql(&args).done().out);
    let judged =
        json(&project.pql(&["evaluate", "m", "--features", "batch.csv", "--json"]).done().out);
    for metric in ["n", "roc_auc", "log_loss", "calibration_in_the_large"] {
        assert_eq!(found["realised"]["evaluation"][metric], judged[metric], "{metric}");
    }
    // Everybody converts half as often as before.
    let half = |line: &str| {
        let (row, y) = line.rsplit_once(',').unwrap();
        let odd = row.split(',').next().unwrap().ends_with(['1', '3', '5', '7', '9']);
        format!("{row},{}\n", if y == "1" && odd { "0" } else { y })
    };
    project.write("batch.csv", project.text("batch.csv").lines().map(half).collect::<String>());
    project.pql(&args).says(&["fewer accounts converted than predicted"]);
}

#[test]
fn rows_with_a_value_that_is_not_finite_are_counted_and_not_judged() {
    let project = trained();
    let text = matrix(&Drawn { seed: 4, shift: 0.0 }, 800);
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
        &project.path("batch.parquet"),
        Format::Parquet,
        &DataFrame::new(800, columns).unwrap(),
    )
    .unwrap();
    let found = json(
        &project.pql(&["monitor", "m", "--features", "batch.parquet", "--outcomes", "--json"]).out,
    );
    assert_eq!(
        (found["not_finite"].as_u64(), found["realised"]["evaluation"]["n"].as_u64()),
        (Some(3), Some(797))
    );
    let judged = project.pql(&["evaluate", "m", "--features", "batch.parquet", "--json"]).done();
    judged.says(&["warning: 3 rows left out, since a value is not finite"]);
}

#[test]
fn small_logs_that_have_not_changed_hardly_ever_alarm() {
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

/// A simulated log with a model of its first months.
pub(crate) fn log() -> Project {
    let project = Project::new();
    project.pql(&["simulate", "-o", ".", "--accounts", "3000", "--seed", "11"]).done();
    project.train(&["--set", "observation.until=\"2025-08-01\""]).done();
    project
}

#[test]
fn a_batch_of_the_same_product_passes_and_scores_are_held_against_what_became_of_the_accounts() {
    let project = log();
    for day in (1..29).step_by(3) {
        project
            .pql(&[
                "score",
                "--model",
                "t",
                "--at",
                &format!("2025-08-{day:02}"),
                "--ledger",
                "ledger",
            ])
            .done();
    }
    let run = project
        .pql(&["monitor", "t", "--ledger", "ledger", "--json", "--report", "page.html"])
        .done();
    let found = json(&run.says(&["report of the batch: page.html"]).out);
    assert!(found["alarms"].as_array().unwrap().is_empty());
    let (realised, rows) =
        (&found["realised"], found["realised"]["evaluation"]["n"].as_u64().unwrap());
    assert!(rows > 100 && realised["runs"].as_array().unwrap().len() > 5, "{realised}");
    assert_eq!(
        realised["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["rows"].as_u64().unwrap())
            .sum::<u64>(),
        rows
    );
    // Of each account that was of the age for too long when it was first scored, once.
    let late = realised["late"].as_u64().unwrap();
    assert!(late > 20 && late + rows < 3_000, "{late} late, {rows} on time");
    assert!(
        project
            .text("page.html")
            .contains(&format!("{late} rows left out of accounts that had been of the age"))
    );
    let [low, high] = ["low", "high"].map(|end| {
        realised["evaluation"]["calibration_in_the_large"]["interval"][end].as_f64().unwrap()
    });
    assert!(low < 0.0 && high > 0.0, "{low} to {high}");
    let page = project.text("page.html");
    for id in ["scores-spread", "indices", "feature-0", "reliability", "runs"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
    let mean = found["scores"]["mean_now"].as_f64().unwrap();
    assert!(
        page.contains(&format!("<data id=\"mean_now\" value=\"{mean}\"")) && page.len() < 500_000
    );
    // As of a day before the horizons were over nothing is known yet.
    project
        .pql(&["monitor", "t", "--ledger", "ledger", "--at", "2025-08-20"])
        .says(&["no horizon of the scores in the ledger is over"]);
}

#[test]
fn event_names_that_are_gone_new_or_renamed_are_told() {
    let project = Project::trial();
    project.train(&[]).done();
    let events = project.text("events.csv");
    project.write("events.csv", events.replace(",report,", ",report_viewed,"));
    let run = project.pql(&["monitor", "t", "--at", "2025-04-20", "--json"]);
    assert_eq!(run.code, Some(5), "{}", run.err);
    let found = json(&run.says(&["event names that training accounts had are gone: `report`"]).out);
    let names = &found["events"];
    assert_eq!(
        (&names["gone"][0]["event"], &names["new"][0]["event"]),
        (&"report".into(), &"report_viewed".into())
    );
    assert_eq!(
        (&names["renamed"][0]["to"], &names["gone"][0]["last_seen"]),
        (&"report_viewed".into(), &Value::Null)
    );
    let run = project.pql(&["monitor", "t", "--at", "2025-04-20"]);
    assert!(
        run.out.contains("`report` may have become `report_viewed`: the names are alike"),
        "{}",
        run.out
    );
    project.write("events.csv", events);
    let found = json(&project.pql(&["monitor", "t", "--at", "2025-04-20", "--json"]).out);
    assert_eq!(
        (
            found["events"]["gone"].as_array().map(Vec::len),
            found["events"]["new"].as_array().map(Vec::len)
        ),
        (Some(0), Some(0))
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let project = Project::trial();
    project.train(&[]).done();
    project.pql(&["monitor", "t", "--ledger", "none"]).refused(2, &["there is no ledger `none`"]);
    project
        .pql(&["monitor", "t", "--features", "f.csv", "--ledger", "x"])
        .refused(2, &["cannot be used with"]);
    project.pql(&["monitor", "t", "--outcomes"]).refused(2, &["--features"]);
    project
        .pql(&["monitor", "t", "--json", "--report", "-"])
        .refused(2, &["the page needs a file"]);
    project.pql(&["monitor", "u"]).refused(4, &["there is no model `u`"]);
    let matrix = Project::trained_matrix();
    matrix.pql(&["monitor", "m"]).refused(2, &["matrix"]);
    matrix.pql(&["monitor", "m", "--features", "matrix.csv"]).done();
}

#[test]
fn events_that_happen_once_are_not_gone_among_older_accounts() {
    // Twelve events of which each is had by some accounts, and only in their first days.
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
    let found = json(&project.pql(&["monitor", "t", "--at", "2025-10-01", "--json"]).out);
    assert_eq!(found["events"]["gone"].as_array().map(Vec::len), Some(0), "{}", found["events"]);
}
