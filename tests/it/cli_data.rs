//! Data that cannot train a model, and batches that a model cannot score, each with its error.

use polars::prelude::{Column, DataFrame};

use crate::project::{Project, Run, dice, lines};

/// Rows of a CSV by their first cell, as the cells of one column.
fn column(csv: &str, name: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let index = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    reader.records().map(|r| r.unwrap()).map(|r| (r[0].to_owned(), r[index].to_owned())).collect()
}

fn score(project: &Project, batch: &str) -> Run {
    project.write("batch.csv", batch);
    project.pql(&["score", "m", "--features", "batch.csv", "-o", "-", "--sort", "account"])
}

#[test]
fn a_log_too_short_for_any_cutoff_is_refused_with_the_longest_horizon() {
    for kind in ["age", "snapshot"] {
        let project = Project::trial();
        let index = format!("observation.cutoffs={kind}");
        let train = |horizon: i64| {
            project.train(&[
                "--set",
                &index,
                "--set",
                &format!("observation.horizon={horizon}d"),
                "--set",
                "model.test_size=0",
            ])
        };
        let run = train(400).fails_with(
            3,
            &[
                "the log is too short: it covers 2025-01-01",
                "to 2025-0",
                "a horizon of 400d",
                "set `observation.horizon` to at most ",
            ],
        );
        let longest: i64 = run
            .err
            .rsplit("at most ")
            .next()
            .unwrap()
            .trim()
            .trim_end_matches('d')
            .parse()
            .unwrap();
        train(longest + 1).fails_with(3, &["the log is too short"]);
        let run = train(longest);
        assert!(!run.err.contains("the log is too short"), "{kind}, {longest}d: {}", run.err);
    }
    let project = Project::trial();
    project.train(&["--set", "observation.age=400d"]).fails_with(
        3,
        &["240 younger than `observation.age`", "hint: set `observation.age` to less"],
    );
}

#[test]
fn no_training_rows_after_the_purge_are_explained() {
    let project = Project::trial();
    project
        .train(&["--set", "observation.horizon=100d", "--set", "model.split=time"])
        .fails_with(3, &["no training rows", "`model.test_size`"]);
}

#[test]
fn a_single_class_is_refused() {
    let project = Project::trial();
    let rows: Vec<String> = project.text("accounts.csv").lines().map(str::to_owned).collect();
    let none: Vec<String> = rows
        .iter()
        .map(|l| {
            l.split(',')
                .enumerate()
                .map(|(index, c)| if index == 2 && c.contains('Z') { "" } else { c })
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect();
    project.write("accounts.csv", none.join("\n") + "\n");
    project.train(&[]).fails_with(
        3,
        &[
            "one class only: none of the ",
            " training rows converted",
            "hint: set `accounts.converted`",
        ],
    );
    let project = Project::trial();
    project.train(&["--set", "observation.horizon=1m"]).fails_with(
        3,
        &[
            "none of the ",
            " training rows converted",
            "hint: the conversions of the log are outside",
        ],
    );
    let project = Project::matrix();
    let all = project.text("matrix.csv").replace(",0\n", ",1\n");
    project.write("matrix.csv", all);
    project
        .train(&["--features", "matrix.csv"])
        .fails_with(3, &["one class only: all 200 training rows converted"]);
}

#[test]
fn too_few_conversions_are_refused() {
    let project = Project::trial();
    project.train(&["--set", "model.min_conversions=500"]).fails_with(
        3,
        &[
            "converting training accounts, expected at least 500 (`model.min_conversions`)",
            "hint: set a longer `observation.horizon`",
        ],
    );
    assert!(!project.path("models").exists(), "a failed run stores nothing");
}

#[test]
fn a_constant_feature_is_dropped_and_listed() {
    let project = Project::matrix();
    let text = project.text("matrix.csv");
    let wide: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(index, l)| {
            if index == 0 {
                format!("{l},same,empty,again")
            } else {
                format!("{l},5,,{}", l.split(',').nth(1).unwrap())
            }
        })
        .collect();
    project.write("matrix.csv", wide.join("\n") + "\n");
    let run = project.pql(&["train", "--name", "m", "-v", "--features", "matrix.csv"]).done();
    run.stderr_has(&[
        "dropped: `same` is constant in the training rows",
        "dropped: `empty` is missing in all training rows",
        "dropped: `again` duplicates `usage`",
    ]);
    let table = project.pql(&["inspect", "m"]).done().out;
    assert!(table.contains("dropped: `same` is constant in the training rows"), "{table}");
    let card: serde_json::Value =
        serde_json::from_slice(&project.read("models/m/0001/model.json")).unwrap();
    assert_eq!(
        (
            card["dropped_features"][0]["column"].as_str(),
            card["dropped_features"].as_array().map(Vec::len)
        ),
        (Some("same"), Some(3)),
        "{card}"
    );
    score(&project, "account_id,usage,plan\na,0.5,pro\n").done();
}

#[test]
fn a_matrix_without_usable_columns_is_refused() {
    let project = Project::matrix();
    let same: Vec<String> = project
        .text("matrix.csv")
        .lines()
        .enumerate()
        .map(|(index, l)| {
            if index == 0 {
                "same,converted".to_owned()
            } else {
                format!("5,{}", l.rsplit(',').next().unwrap())
            }
        })
        .collect();
    project.write("matrix.csv", same.join("\n") + "\n");
    project.train(&["--features", "matrix.csv"]).fails_with(3, &["no usable feature", "`same`"]);
    project.write("matrix.csv", "account_id,converted\na,1\n");
    project.train(&["--features", "matrix.csv"]).fails_with(3, &["no usable feature"]);
}

#[test]
fn a_new_category_is_counted_and_scored_as_the_reference_level() {
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
    run.stderr_has(&["warning: 2 rows have a value of `plan` that is not in the training data"]);
}

#[test]
fn a_new_category_is_scored_as_the_rare_levels_if_there_are_any() {
    let project = Project::matrix();
    let text: Vec<String> = project
        .text("matrix.csv")
        .lines()
        .enumerate()
        .map(|(index, l)| {
            if index > 0 && index % 25 == 0 {
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
    run.stderr_has(&["warning: 1 row has a value of `plan`"]);
}

#[test]
fn a_new_category_of_an_attribute_is_scored_too() {
    let project = Project::trial();
    project.train(&[]).done();
    project.write("accounts.csv", project.text("accounts.csv").replace(",media\n", ",mining\n"));
    let run = project.pql(&["score", "t", "--at", "2025-04-01", "-o", "-"]).done();
    assert!(run.out.lines().count() > 10, "{}", run.out);
    run.stderr_has(&["rows have a value of `industry` that is not in the training data"]);
}

#[test]
fn a_batch_without_a_feature_is_refused() {
    let project = Project::trained_matrix();
    score(&project, "account_id,usgae,plan\na,0.5,pro\n").fails_with(
        3,
        &["`batch.csv`: missing feature `usage` of the model", "did you mean `usgae`?"],
    );
    project.pql(&["evaluate", "m", "--features", "batch.csv"]).fails_with(3, &["`batch.csv`"]);
    let project = Project::trial();
    project.train(&[]).done();
    project.pql(&["score", "t", "-o", "-", "--set", "accounts.attributes=[]"]).fails_with(
        3,
        &["the account list lacks the attribute `industry`", "`accounts.attributes`"],
    );
}

#[test]
fn an_invalid_number_of_a_batch_is_reported() {
    let project = Project::trained_matrix();
    score(&project, "account_id,usage,plan\na,0.5,pro\nb,much,pro\n")
        .fails_with(3, &["`batch.csv`, row 2, column `usage`: found `much`, expected a number"]);
    score(&project, "account_id,usage,plan\na,0.5,pro\n,0.4,pro\n")
        .fails_with(3, &["`batch.csv`, row 2, column `account_id`", "an account"]);
    score(&project, "account_id,usage,plan,cutoff\na,0.5,pro,soon\n")
        .fails_with(3, &["`batch.csv`, row 1, column `cutoff`: found `soon`"]);
}

#[test]
fn a_missing_number_is_scored_if_training_had_missing_numbers() {
    let project = Project::trained_matrix();
    let run = score(&project, "account_id,usage,plan\na,,pro\nb,0.5,\n").done();
    assert!(column(&run.out, "probability").iter().all(|(_, p)| !p.is_empty()), "{}", run.out);
}

#[test]
fn invalid_outcomes_of_a_matrix_are_reported() {
    let project = Project::matrix();
    let train = || project.train(&["--features", "matrix.csv"]);
    let text = project.text("matrix.csv");
    project.write("matrix.csv", text.replacen("converted", "convrted", 1));
    train().fails_with(
        3,
        &[
            "`matrix.csv`: missing column `converted` (the outcome, `matrix.label`)",
            "did you mean `convrted`?",
        ],
    );
    project.write("matrix.csv", text.replacen("converted", "Churn", 1));
    train().fails_with(
        3,
        &[
            "`matrix.csv`: missing column `converted` (the outcome, `matrix.label`)",
            "hint: set `matrix.label = \"Churn\"` if this column has the outcomes",
        ],
    );
    let broken = text
        .lines()
        .enumerate()
        .map(
            |(index, l)| {
                if index == 4 { l[..l.len() - 1].to_owned() + "maybe" } else { l.to_owned() }
            },
        )
        .collect::<Vec<_>>();
    project.write("matrix.csv", broken.join("\n") + "\n");
    train().fails_with(
        3,
        &[
            "`matrix.csv`, row 4, column `converted`: found `maybe`, expected 1/0 or true/false",
            "`matrix.positive`",
        ],
    );
    project.write("matrix.csv", text.replacen("usage", "split", 1));
    train().fails_with(
        3,
        &[
            "`matrix.csv`, row 1, column `split`",
            "expected `train`, `test`, `cross-validated` or nothing",
        ],
    );
    project.write("matrix.csv", text.replacen("usage", "cutoff", 1).replacen("m0,0", "m0,x0", 1));
    train().fails_with(3, &["`matrix.csv`, row 1, column `cutoff`: found `x0", "expected a time"]);
    project.write("matrix.csv", text);
    project.train(&["--features", "matrix.csv", "--set", "matrix.account=acount"]).fails_with(
        3,
        &["missing column `acount` (`matrix.account`)", "did you mean `account_id`?"],
    );
}

#[test]
fn an_unknown_positive_value_is_refused() {
    let project = Project::matrix();
    project
        .train(&["--features", "matrix.csv", "--set", "matrix.positive=yes"])
        .fails_with(3, &["no outcome equals `yes` (`matrix.positive`)"]);
}

#[test]
fn separated_outcomes_without_a_penalty_do_not_converge() {
    let project = Project::new();
    let rows = lines(100, |i| {
        format!("{},{}", dice(i, 1) + f64::from(u8::from(i % 2 == 0)), u8::from(i % 2 == 0))
    });
    project.write("matrix.csv", format!("x,converted\n{rows}"));
    let args =
        ["--features", "matrix.csv", "--set", "model.penalty=none", "--set", "model.test_size=0"];
    project.train(&args).fails_with(
        1,
        &[
            "did not converge",
            "`x` separates the outcomes perfectly",
            "`model.penalty = \"firth\"`",
        ],
    );
    assert!(!project.path("models").exists());
    // With a penalty there is a model, with a warning.
    let args = ["--features", "matrix.csv", "--set", "model.test_size=0"];
    let warnings = project.train(&args).done().err;
    assert!(
        warnings.contains("no z and p values: `x` separates the outcomes perfectly")
            && warnings.contains("`model.penalty = \"firth\"`"),
        "{warnings}"
    );
    let card = project.text("models/t/0001/model.json");
    assert!(card.contains("`x` separates the outcomes perfectly"), "{card}");
}

#[test]
fn columns_that_separate_only_jointly_are_reported_together() {
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
        "model.test_size=0",
        "--set",
        "design.winsorize=\"never\"",
    ];
    project
        .train(&[&plain[..], &["--set", "model.penalty=none"]].concat())
        .fails_with(1, &["`a`, `b` separate the outcomes perfectly"]);
    let warnings = project.train(&plain).done().err;
    assert!(
        warnings.contains("no z and p values: `a`, `b` separate the outcomes of some rows"),
        "{warnings}"
    );
}

#[test]
fn an_infinite_number_is_refused_with_its_feature() {
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
        .train(&["--features", "matrix.parquet", "--set", "model.test_size=0"])
        .fails_with(3, &["feature `x`: found inf, expected finite numbers", "hint: "]);
}

#[test]
fn an_evaluation_without_labeled_rows_is_refused() {
    let project = Project::trained_matrix();
    project.write("open.csv", "account_id,usage,plan,converted\na,0.5,pro,\n");
    project
        .pql(&["evaluate", "m", "--features", "open.csv"])
        .fails_with(3, &["no labeled rows for the evaluation"]);
}

#[test]
fn an_unscored_row_is_kept_counted_and_explained() {
    use polars::prelude::*;
    let project = Project::trained_matrix();
    let usage = Column::new("usage".into(), [0.5, f64::INFINITY]);
    let columns = vec![
        Column::new("account_id".into(), ["a", "b"]),
        usage,
        Column::new("plan".into(), ["pro", "pro"]),
    ];
    project.parquet("batch.parquet", DataFrame::new(2, columns).unwrap());
    let args = ["score", "m", "--features", "batch.parquet", "-o", "-", "--all"];
    let run = project.pql(&args).done();
    assert_eq!(
        run.out.lines().nth(2),
        Some("b,,,,,,,,,,,false,not scored: `usage` is not finite,,,,,,m/0001")
    );
    run.stderr_has(&["warning: 1 row not scored: `usage` is not finite", "1 account scored"]);
}

#[test]
fn a_row_with_an_infinite_feature_is_not_scored() {
    let project = Project::trained_matrix();
    let usage = [f64::INFINITY, 1.0];
    let batch = DataFrame::new(
        2,
        vec![Column::new("usage".into(), usage), Column::new("plan".into(), ["pro", "pro"])],
    )
    .unwrap();
    project.parquet("batch.parquet", batch);
    let args = ["score", "m", "--features", "batch.parquet", "-o", "-", "--all"];
    let run = project.pql(&args).done();
    let rows: Vec<&str> = run.out.lines().skip(1).collect();
    assert!(
        rows[1].starts_with("1,,,,,,,,,,,false,not scored: `usage` is not finite,"),
        "{}",
        rows[1]
    );
    assert!(rows[0].starts_with("2,,0."), "{}", rows[0]);
    assert!(run.err.contains("1 row not scored"), "{}", run.err);
}
