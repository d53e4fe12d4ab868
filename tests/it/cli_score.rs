//! Scores of large batches from the command line: options, and independence of threads and files.

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

/// Returns a column of a CSV.
fn cells(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let index = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    reader.records().map(|row| row.unwrap()[index].to_owned()).collect()
}

#[test]
fn reasons_limits_the_number_of_reasons() {
    let project = Project::trained_matrix();
    project.parquet("batch.parquet", rows(0..2_000));
    let args = ["m", "--features", "batch.parquet", "-o", "-"];
    let score =
        |reasons: &[&str]| project.pql(&[&["score"], args.as_slice(), reasons].concat()).done().out;
    let all = score(&[]);
    assert_eq!(score(&["--reasons", "3"]), all);
    let any = |name: &str| cells(&all, name).iter().any(|reason| reason.contains("(typical: "));
    assert!(any("reason_2") && any("concern_1"), "{all}");
    for reasons in [0, 1, 2] {
        let some = score(&["--reasons", &reasons.to_string()]);
        assert_eq!(some == all, reasons == 2, "the model has two measures");
        let concerns = cells(&some, "concern_1");
        assert!(
            concerns
                == if reasons > 0 {
                    cells(&all, "concern_1")
                } else {
                    vec![String::new(); concerns.len()]
                }
        );
        for name in ["account_id", "probability", "probability_low", "percentile", "tier", "model"]
        {
            assert_eq!(cells(&some, name), cells(&all, name), "{name}");
        }
        for (i, name) in ["reason_1", "reason_2", "reason_3"].into_iter().enumerate() {
            let (limited, full) = (cells(&some, name), cells(&all, name));
            let kept = |row: usize| i < reasons || full[row].starts_with("not scored");
            assert!(
                (0..limited.len())
                    .all(|row| limited[row] == if kept(row) { full[row].as_str() } else { "" }),
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
        .fails_with(2, &["4 is not in 0..=3"]);
}

#[test]
fn scores_do_not_depend_on_the_number_of_threads() {
    let project = Project::trained_matrix();
    project.parquet("batch.parquet", rows(0..ROWS));
    for name in ["scores.parquet", "scores.csv"] {
        let scores = ["1", "2"].map(|threads| {
            let args = ["score", "m", "--features", "batch.parquet", "-o", name];
            let mut command = project.command(env!("CARGO_BIN_EXE_pql"), &args);
            let scored =
                run(command.env("RAYON_NUM_THREADS", threads).env("POLARS_MAX_THREADS", threads))
                    .done();
            (
                scored
                    .stderr_has(&[
                        "299,700 accounts scored",
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
fn sorting_in_temporary_files_gives_the_same_scores() {
    let project = Project::trained_matrix();
    project.parquet("batch.parquet", rows(0..ROWS));
    let score = |args: &[&str]| {
        let all = [&["score", "m", "--features", "batch.parquet", "-o", "s.csv"], args].concat();
        project.pql(&all).done();
        project.read("s.csv")
    };
    for args in [&[][..], &["--all"], &["--sort", "account", "--all"]] {
        let in_memory = score(args);
        assert!(in_memory == score(&[args, &["--memory", "1MB"]].concat()), "{args:?}");
    }
    let csv = String::from_utf8(score(&[])).unwrap();
    let probability: Vec<f64> =
        cells(&csv, "probability").iter().map(|cell| cell.parse().unwrap()).collect();
    assert!(probability.len() > 299_000 && probability.is_sorted_by(|a, b| a >= b));
}

#[test]
fn scores_do_not_depend_on_the_files_of_a_batch() {
    let project = Project::trained_matrix();
    project.parquet("whole.parquet", rows(0..ROWS));
    for (number, part) in [0..1, 1..40_000, 40_000..290_000, 290_000..ROWS].into_iter().enumerate()
    {
        project.parquet(&format!("part-{number}.parquet"), rows(part));
    }
    let scores = ["whole.parquet", "part-*.parquet"].map(|batch| {
        project.pql(&["score", "m", "--features", batch, "-o", "scores.parquet"]).done();
        project.read("scores.parquet")
    });
    assert!(scores[0] == scores[1]);
}

#[test]
fn a_matrix_without_accounts_is_numbered_and_not_added_to_a_ledger() {
    let project = Project::matrix();
    project.train(&["--features", "matrix.csv"]).done();
    project.replace("matrix.csv", "account_id,", "Account_ID,");
    let score = ["score", "t", "--features", "matrix.csv", "-o", "-"];
    let words = [
        "warning: `matrix.csv` has no column `account_id`",
        "rows are identified by their number; did you mean `Account_ID`?",
    ];
    project.pql(&score).done().stderr_has(&words);
    project
        .pql(&[&score[..], &["--ledger", "led"]].concat())
        .fails_with(3, &["missing column `account_id`, which a ledger requires", "`Account_ID`"]);
    assert!(
        !project
            .pql(&[&score[..], &["--set", "matrix.account=Account_ID"]].concat())
            .done()
            .err
            .contains("warning: `matrix.csv`")
    );
}

#[test]
fn features_of_a_time_report_how_many_rows_are_not_scored() {
    let project = Project::trial();
    project.train(&[]).done();
    let args = ["--at", "2025-05-01", "-o", "-"];
    let scores = project.pql(&[&["score", "t", "--all"][..], &args].concat()).done().out;
    let unscored = scores.lines().filter(|line| line.contains("not scored: ")).count();
    assert!(unscored > 0 && unscored < scores.lines().count() - 1);
    let words = format!(
        "warning: {unscored} of {} rows are not eligible for scoring",
        scores.lines().count() - 1
    );
    project.pql(&[&["features", "--model", "t"][..], &args].concat()).done().stderr_has(&[&words]);
}

#[test]
fn a_batch_without_rows_is_written_with_a_warning() {
    let project = Project::trained_matrix();
    project.write("none.csv", "account_id,usage,plan\n");
    let run = project
        .pql(&["score", "m", "--features", "none.csv", "-o", "scores.csv"])
        .done()
        .stderr_has(&[
            "warning: `none.csv` has 0 rows, so nothing was scored",
            "0 accounts scored",
        ]);
    assert!(!run.err.contains("reach the threshold"), "{}", run.err);
    assert_eq!(project.text("scores.csv").lines().count(), 1, "the header");
    project
        .pql_score(&["m", "--features", "none.csv", "-o", "-"])
        .done()
        .stderr_has(&["warning: `none.csv` has 0 rows"]);
    project
        .pql(&["monitor", "m", "--features", "none.csv"])
        .stderr_has(&["warning: `none.csv` has 0 rows"]);
}
