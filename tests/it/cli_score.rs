//! Scores of large batches through the command line: what is asked for, and that neither threads
//! nor files leave a trace.

use polars::prelude::*;

use crate::project::{Project, dice, run};

/// Rows of a batch of more than one row group and many blocks.
const ROWS: u64 = 300_000;

/// Rows of a batch, with nulls, a plan that no training row had, and values that are not finite.
fn rows(range: std::ops::Range<u64>) -> DataFrame {
    let usage = |row: u64| match row % 1_000 {
        7 => None,
        8 => Some(f64::INFINITY),
        9 => Some(-0.0),
        _ => Some((dice(row, 3) * 8.0 - 4.0).powi(3)),
    };
    let plan = |row: u64| {
        ["basic", "pro", "team", "gold", ""][usize::try_from(row * row % 37 % 5).unwrap()]
    };
    let columns = vec![
        Column::new(
            "account_id".into(),
            range.clone().map(|row| format!("account {row}")).collect::<Vec<_>>(),
        ),
        Column::new("usage".into(), range.clone().map(usage).collect::<Vec<_>>()),
        Column::new("plan".into(), range.clone().map(plan).collect::<Vec<_>>()),
    ];
    DataFrame::new(usize::try_from(range.end - range.start).unwrap(), columns).unwrap()
}

/// A cell of each row of a CSV.
fn cells(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

#[test]
fn reasons_are_as_many_as_asked_for() {
    let project = Project::trained_matrix();
    project.parquet("batch.parquet", rows(0..2_000));
    let args = ["--model", "m", "--features", "batch.parquet", "-o", "-"];
    let score =
        |reasons: &[&str]| project.pql(&[&["score"], args.as_slice(), reasons].concat()).done().out;
    let all = score(&[]);
    assert_eq!(score(&["--reasons", "3"]), all);
    assert!(cells(&all, "reason_2")[1].ends_with(|digit: char| digit.is_ascii_digit()), "{all}");
    for reasons in [0, 1, 2] {
        let some = score(&["--reasons", &reasons.to_string()]);
        assert_eq!(some == all, reasons == 2, "the model has two measures");
        for name in ["account_id", "probability", "probability_low", "percentile", "tier", "model"]
        {
            assert_eq!(cells(&some, name), cells(&all, name), "{name}");
        }
        for (at, name) in ["reason_1", "reason_2", "reason_3"].into_iter().enumerate() {
            let (given, asked) = (cells(&some, name), cells(&all, name));
            let kept = |row: usize| at < reasons || asked[row].starts_with("not scored");
            assert!(
                (0..given.len())
                    .all(|row| given[row] == if kept(row) { asked[row].as_str() } else { "" }),
                "{name}, {reasons}"
            );
        }
        assert_eq!(
            project
                .pql_score(&[args.as_slice(), &["--reasons", &reasons.to_string()]].concat())
                .done()
                .out,
            some
        );
    }
    project
        .pql(&[&["score"], args.as_slice(), &["--reasons", "4"]].concat())
        .refused(2, &["4 is not in 0..=3"]);
}

#[test]
fn threads_leave_no_trace_in_the_scores() {
    let project = Project::trained_matrix();
    project.parquet("batch.parquet", rows(0..ROWS));
    for name in ["scores.parquet", "scores.csv"] {
        let scores = ["1", "2"].map(|threads| {
            let args = ["score", "--model", "m", "--features", "batch.parquet", "-o", name];
            let mut command = project.command(env!("CARGO_BIN_EXE_pql"), &args);
            let told =
                run(command.env("RAYON_NUM_THREADS", threads).env("POLARS_MAX_THREADS", threads))
                    .done();
            (
                told.says(&[
                    "299700 accounts scored",
                    "300 rows not scored: `usage` is not finite",
                ])
                .err,
                project.read(name),
            )
        });
        assert!(scores[0] == scores[1], "{name}");
    }
}

#[test]
fn files_of_a_batch_leave_no_trace_in_the_scores() {
    let project = Project::trained_matrix();
    project.parquet("whole.parquet", rows(0..ROWS));
    for (at, part) in [0..1, 1..40_000, 40_000..290_000, 290_000..ROWS].into_iter().enumerate() {
        project.parquet(&format!("part-{at}.parquet"), rows(part));
    }
    let scores = ["whole.parquet", "part-*.parquet"].map(|batch| {
        project.pql(&["score", "--model", "m", "--features", batch, "-o", "scores.parquet"]).done();
        project.read("scores.parquet")
    });
    assert!(scores[0] == scores[1]);
}

#[test]
fn a_matrix_without_accounts_goes_by_numbers_but_into_no_ledger() {
    let project = Project::matrix();
    project.train(&["--features", "matrix.csv"]).done();
    project.replace("matrix.csv", "account_id,", "Account_ID,");
    let score = ["score", "--model", "t", "--features", "matrix.csv", "-o", "-"];
    let words = [
        "warning: `matrix.csv` has no column `account_id`",
        "rows go by their numbers; did you mean `Account_ID`?",
    ];
    project.pql(&score).done().says(&words);
    project
        .pql(&[&score[..], &["--ledger", "led"]].concat())
        .refused(3, &["a ledger keeps scores by account", "`Account_ID`"]);
    assert!(
        !project
            .pql(&[&score[..], &["--set", "matrix.account=Account_ID"]].concat())
            .done()
            .err
            .contains("warning: `matrix.csv`")
    );
}

#[test]
fn features_of_a_time_tell_how_many_rows_are_not_scored() {
    let project = Project::trial();
    project.train(&[]).done();
    let at = ["--model", "t", "--at", "2025-05-01", "-o", "-"];
    let scores = project.pql(&[&["score"][..], &at].concat()).done().out;
    let unscored = scores.lines().filter(|line| line.contains("not scored: ")).count();
    assert!(unscored > 0 && unscored < scores.lines().count() - 1);
    let words = format!(
        "warning: {unscored} of {} rows are of accounts that `pql score --at` does not score",
        scores.lines().count() - 1
    );
    project.pql(&[&["features"][..], &at].concat()).done().says(&[&words]);
}
