//! Data that no model can be learned from, and batches that a model cannot score, each with its
//! reason.

use polars::prelude::{Column, DataFrame};

use crate::project::{Project, Run, dice, lines};

/// Rows of a CSV by their first cell, as the cells of one column.
fn column(csv: &str, name: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    reader.records().map(|r| r.unwrap()).map(|r| (r[0].to_owned(), r[at].to_owned())).collect()
}

fn score(project: &Project, batch: &str) -> Run {
    project.write("batch.csv", batch);
    project.pql(&["score", "--model", "m", "--features", "batch.csv", "-o", "-"])
}

#[test]
fn no_cutoff_that_fits_names_the_span_and_the_longest_horizon() {
    for kind in ["age", "snapshot"] {
        let project = Project::trial();
        let at = format!("observation.at={kind}");
        let train = |horizon: i64| {
            project.train(&[
                "--set",
                &at,
                "--set",
                &format!("observation.horizon={horizon}d"),
                "--set",
                "model.test=0",
            ])
        };
        let run = train(400).refused(
            3,
            &[
                "no cutoff fits: the log covers 2025-01-01T",
                "to 2025-0",
                "a horizon of 400d",
                "the longest `observation.horizon` that fits is ",
            ],
        );
        let longest: i64 = run
            .err
            .rsplit("fits is ")
            .next()
            .unwrap()
            .trim()
            .trim_end_matches('d')
            .parse()
            .unwrap();
        train(longest + 1).refused(3, &["no cutoff fits"]);
        let run = train(longest);
        assert!(!run.err.contains("no cutoff fits"), "{kind}, {longest}d: {}", run.err);
    }
    let project = Project::trial();
    project
        .train(&["--set", "observation.age=400d"])
        .refused(3, &["no cutoff fits", "an age of 400d", "hint: a longer log is needed"]);
}

#[test]
fn no_training_row_after_the_purge_says_where_the_rows_are() {
    let project = Project::trial();
    project.train(&["--set", "observation.horizon=100d"]).refused(
        3,
        &[
            "no training row is left",
            "test rows",
            "rows whose horizon reaches into the test rows",
            "a smaller `model.test`",
        ],
    );
}

#[test]
fn one_class_only_is_refused() {
    let project = Project::trial();
    let rows: Vec<String> = project.text("accounts.csv").lines().map(str::to_owned).collect();
    let none: Vec<String> = rows
        .iter()
        .map(|l| {
            l.split(',')
                .enumerate()
                .map(|(at, c)| if at == 2 && c.contains('Z') { "" } else { c })
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect();
    project.write("accounts.csv", none.join("\n") + "\n");
    project.train(&[]).refused(
        3,
        &["one class only: all ", "did not convert", "hint: say where conversions stand"],
    );
    let project = Project::matrix();
    let all = project.text("matrix.csv").replace(",0\n", ",1\n");
    project.write("matrix.csv", all);
    project
        .train(&["--features", "matrix.csv"])
        .refused(3, &["one class only: all 200 training rows converted"]);
}

#[test]
fn too_few_conversions_are_refused() {
    let project = Project::trial();
    project.train(&["--set", "model.min_conversions=500"]).refused(
        3,
        &[
            "training accounts convert; `model.min_conversions` asks for 500",
            "hint: give a longer log",
        ],
    );
    assert!(!project.path("models").exists(), "a run that failed leaves nothing");
}

#[test]
fn a_constant_feature_is_left_out_and_named() {
    let project = Project::matrix();
    let text = project.text("matrix.csv");
    let wide: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, l)| {
            if at == 0 {
                format!("{l},same,empty,again")
            } else {
                format!("{l},5,,{}", l.split(',').nth(1).unwrap())
            }
        })
        .collect();
    project.write("matrix.csv", wide.join("\n") + "\n");
    let run = project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    run.says(&[
        "left out: `same` is the same in all training rows",
        "left out: `empty` is missing in all training rows",
        "left out: `again` repeats `usage`",
    ]);
    let table = project.pql(&["inspect", "m"]).done().out;
    assert!(table.contains("left out: `same` is the same in all training rows"), "{table}");
    let card: serde_json::Value =
        serde_json::from_slice(&project.read("models/m/0001/model.json")).unwrap();
    assert_eq!(
        (card["left_out"][0]["column"].as_str(), card["left_out"].as_array().map(Vec::len)),
        (Some("same"), Some(3)),
        "{card}"
    );
    score(&project, "account_id,usage,plan\na,0.5,pro\n").done();
}

#[test]
fn a_matrix_of_which_no_column_is_left_is_refused() {
    let project = Project::matrix();
    let same: Vec<String> = project
        .text("matrix.csv")
        .lines()
        .enumerate()
        .map(|(at, l)| {
            if at == 0 {
                "same,converted".to_owned()
            } else {
                format!("5,{}", l.rsplit(',').next().unwrap())
            }
        })
        .collect();
    project.write("matrix.csv", same.join("\n") + "\n");
    project
        .train(&["--features", "matrix.csv"])
        .refused(3, &["no usable feature column", "`same` is the same"]);
    project.write("matrix.csv", "account_id,converted\na,1\n");
    project.train(&["--features", "matrix.csv"]).refused(3, &["no usable feature column"]);
}

#[test]
fn a_new_category_is_kept_counted_and_scored_as_the_base() {
    let project = Project::trained_matrix();
    let base = project.pql(&["inspect", "m", "--format", "csv"]).done().out;
    let base = ["basic", "pro", "team"]
        .into_iter()
        .find(|plan| !base.contains(&format!("plan={plan},")))
        .unwrap();
    let run = score(
        &project,
        &format!("account_id,usage,plan\na,0.5,gold\nb,0.5,{base}\nc,0.5,silver\n"),
    )
    .done();
    let p = column(&run.out, "probability");
    assert_eq!(p.len(), 3);
    assert_eq!((&p[0].1, &p[2].1), (&p[1].1, &p[1].1));
    run.says(&["warning: 2 rows have a value of `plan` that no training row had"]);
}

#[test]
fn a_new_category_is_scored_as_the_pooled_ones_where_there_are_any() {
    let project = Project::matrix();
    let text: Vec<String> = project
        .text("matrix.csv")
        .lines()
        .enumerate()
        .map(|(at, l)| {
            if at > 0 && at % 25 == 0 {
                l.replace("basic", "odd").replace("pro", "rare").replace("team", "odd")
            } else {
                l.to_owned()
            }
        })
        .collect();
    project.write("matrix.csv", text.join("\n") + "\n");
    project
        .pql(&["train", "--name", "m", "--features", "matrix.csv", "--set", "design.rare=0.1"])
        .done();
    assert!(project.pql(&["inspect", "m", "--format", "csv"]).done().out.contains("plan=(other)"));
    let run =
        score(&project, "account_id,usage,plan\na,0.5,gold\nb,0.5,odd\nc,0.5,rare\nd,0.5,pro\n")
            .done();
    let p = column(&run.out, "probability");
    assert_eq!((&p[1].1, &p[2].1), (&p[0].1, &p[0].1));
    assert_ne!(p[3].1, p[0].1);
    run.says(&["warning: 1 rows have a value of `plan`"]);
}

#[test]
fn a_new_category_of_an_attribute_is_scored_too() {
    let project = Project::trial();
    project.train(&[]).done();
    project.write("accounts.csv", project.text("accounts.csv").replace(",media\n", ",mining\n"));
    let run = project.pql(&["score", "--model", "t", "--at", "2025-04-01", "-o", "-"]).done();
    assert!(run.out.lines().count() > 10, "{}", run.out);
    run.says(&["rows have a value of `industry` that no training row had"]);
}

#[test]
fn a_batch_that_lacks_a_feature_is_refused() {
    let project = Project::trained_matrix();
    score(&project, "account_id,usgae,plan\na,0.5,pro\n").refused(
        3,
        &["`batch.csv` lacks the feature `usage` of the model", "did you mean `usgae`?"],
    );
    project.pql(&["evaluate", "m", "--features", "batch.csv"]).refused(3, &["`batch.csv`"]);
    let project = Project::trial();
    project.train(&[]).done();
    project
        .pql(&["score", "--model", "t", "-o", "-", "--set", "accounts.attributes=[]"])
        .refused(3, &["the account list has no attribute `industry`", "`accounts.attributes`"]);
}

#[test]
fn a_number_of_a_batch_that_is_none_is_named() {
    let project = Project::trained_matrix();
    score(&project, "account_id,usage,plan\na,0.5,pro\nb,much,pro\n")
        .refused(3, &["`batch.csv`, row 2, column `usage`: found `much`, expected a number"]);
    score(&project, "account_id,usage,plan\na,0.5,pro\n,0.4,pro\n")
        .refused(3, &["`batch.csv`, row 2, column `account_id`", "an account"]);
    score(&project, "account_id,usage,plan,cutoff\na,0.5,pro,soon\n")
        .refused(3, &["`batch.csv`, row 1, column `cutoff`: found `soon`"]);
}

#[test]
fn a_missing_number_is_scored_where_training_had_some() {
    let project = Project::trained_matrix();
    let run = score(&project, "account_id,usage,plan\na,,pro\nb,0.5,\n").done();
    assert!(column(&run.out, "probability").iter().all(|(_, p)| !p.is_empty()), "{}", run.out);
}

#[test]
fn outcomes_of_a_matrix_that_are_none_are_named() {
    let project = Project::matrix();
    let train = || project.train(&["--features", "matrix.csv"]);
    let text = project.text("matrix.csv");
    project.write("matrix.csv", text.replacen("converted", "convrted", 1));
    train().refused(
        3,
        &[
            "`matrix.csv` has no column `converted` (the outcome, `matrix.label`)",
            "did you mean `convrted`?",
        ],
    );
    let broken = text
        .lines()
        .enumerate()
        .map(|(at, l)| if at == 4 { l[..l.len() - 1].to_owned() + "maybe" } else { l.to_owned() })
        .collect::<Vec<_>>();
    project.write("matrix.csv", broken.join("\n") + "\n");
    train().refused(
        3,
        &[
            "`matrix.csv`, row 4, column `converted`: found `maybe`, expected 1/0 or true/false",
            "`matrix.positive`",
        ],
    );
    project.write("matrix.csv", text.replacen("usage", "split", 1));
    train().refused(
        3,
        &["`matrix.csv`, row 1, column `split`", "expected `train`, `test` or nothing"],
    );
    project.write("matrix.csv", text.replacen("usage", "cutoff", 1).replacen("m0,0", "m0,x0", 1));
    train().refused(3, &["`matrix.csv`, row 1, column `cutoff`: found `x0", "expected a time"]);
    project.write("matrix.csv", text);
    project
        .train(&["--features", "matrix.csv", "--set", "matrix.account=acount"])
        .refused(3, &["has no column `acount` (`matrix.account`)", "did you mean `account_id`?"]);
}

#[test]
fn a_positive_value_that_no_row_has_is_refused() {
    let project = Project::matrix();
    project
        .train(&["--features", "matrix.csv", "--set", "matrix.positive=yes"])
        .refused(3, &["no outcome is `yes` (`matrix.positive`)"]);
}

#[test]
fn separated_outcomes_without_a_penalty_do_not_converge() {
    let project = Project::new();
    let rows = lines(100, |i| {
        format!("{},{}", dice(i, 1) + f64::from(u8::from(i % 2 == 0)), u8::from(i % 2 == 0))
    });
    project.write("matrix.csv", format!("x,converted\n{rows}"));
    let args = ["--features", "matrix.csv", "--set", "model.penalty=none", "--set", "model.test=0"];
    project.train(&args).refused(
        1,
        &[
            "did not converge",
            "hint: `x` separates the outcomes",
            "`model.penalty = \"firth\"` or \"l2\"",
        ],
    );
    assert!(!project.path("models").exists());
    // With a penalty there is a model, which tells.
    let args = ["--features", "matrix.csv", "--set", "model.test=0"];
    let told = project.train(&args).done().err;
    assert!(
        told.contains("z and p are null: `x` separates the outcomes completely")
            && told.contains("`model.penalty = \"firth\"`"),
        "{told}"
    );
    let card = project.text("models/t/0001/model.json");
    assert!(card.contains("`x` separates the outcomes completely"), "{card}");
}

#[test]
fn columns_that_separate_only_together_are_named_together() {
    let project = Project::new();
    let rows = lines(200, |i| {
        let (a, b, c) = ((10.0 * dice(i, 1)).floor(), (10.0 * dice(i, 2)).floor(), dice(i, 3));
        let y = if a == b { c < 0.5 } else { a > b };
        format!("{a},{b},{},{}", dice(i, 4), u8::from(y))
    });
    project.write("matrix.csv", format!("a,b,c,converted\n{rows}"));
    let plain = [
        "--features",
        "matrix.csv",
        "--set",
        "model.test=0",
        "--set",
        "design.winsorize=\"never\"",
    ];
    project
        .train(&[&plain[..], &["--set", "model.penalty=none"]].concat())
        .refused(1, &["hint: `a`, `b` separate the outcomes, so"]);
    let told = project.train(&plain).done().err;
    assert!(
        told.contains("z and p are null: `a`, `b` separate the outcomes of some rows"),
        "{told}"
    );
}

#[test]
fn an_infinite_number_is_refused_by_name() {
    use polars::prelude::*;
    let project = Project::new();
    let y: Vec<i64> = (0..100).map(|i| i64::from(dice(i, 2) < 0.4)).collect();
    let mut x: Vec<f64> = (0..100).map(|i| dice(i, 1)).collect();
    x[3] = f64::INFINITY;
    let frame =
        DataFrame::new(100, vec![Column::new("x".into(), x), Column::new("converted".into(), y)])
            .unwrap();
    project.parquet("matrix.parquet", frame);
    project
        .train(&["--features", "matrix.parquet", "--set", "model.test=0"])
        .refused(3, &["feature `x` holds inf, expected finite numbers", "hint: "]);
}

#[test]
fn an_evaluation_without_labelled_rows_is_refused() {
    let project = Project::trained_matrix();
    project.write("open.csv", "account_id,usage,plan,converted\na,0.5,pro,\n");
    project
        .pql(&["evaluate", "m", "--features", "open.csv"])
        .refused(3, &["no labelled row is left to judge by"]);
}

#[test]
fn a_row_that_cannot_be_scored_is_kept_counted_and_says_why() {
    use polars::prelude::*;
    let project = Project::trained_matrix();
    let usage = Column::new("usage".into(), [0.5, f64::INFINITY]);
    let columns = vec![
        Column::new("account_id".into(), ["a", "b"]),
        usage,
        Column::new("plan".into(), ["pro", "pro"]),
    ];
    project.parquet("batch.parquet", DataFrame::new(2, columns).unwrap());
    let run =
        project.pql(&["score", "--model", "m", "--features", "batch.parquet", "-o", "-"]).done();
    assert_eq!(
        run.out.lines().nth(2),
        Some("b,,,,,,,,,,,false,not scored: `usage` is not finite,,,m/0001")
    );
    run.says(&["warning: 1 rows not scored: `usage` is not finite", "1 accounts scored"]);
}

#[test]
fn a_row_with_a_feature_that_is_not_finite_is_not_scored_and_says_so() {
    let project = Project::trained_matrix();
    let usage = [f64::INFINITY, 1.0];
    let batch = DataFrame::new(
        2,
        vec![Column::new("usage".into(), usage), Column::new("plan".into(), ["pro", "pro"])],
    )
    .unwrap();
    project.parquet("batch.parquet", batch);
    let run =
        project.pql(&["score", "--model", "m", "--features", "batch.parquet", "-o", "-"]).done();
    let rows: Vec<&str> = run.out.lines().skip(1).collect();
    assert!(
        rows[0].starts_with("1,,,,,,,,,,,false,not scored: `usage` is not finite,"),
        "{}",
        rows[0]
    );
    assert!(rows[1].starts_with("2,,0."), "{}", rows[1]);
    assert!(run.err.contains("1 rows not scored"), "{}", run.err);
}
