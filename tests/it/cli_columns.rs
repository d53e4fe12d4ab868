//! Columns of feature matrices and account lists: numbers with odd cells, columns that are no
//! features, and values that are equal however they are written.

use polars::prelude::{AnyValue, Column, DataFrame, DataType, ParquetWriter};

use crate::project::{Project, dice, lines};

/// Rows of the matrices.
const ROWS: u32 = 120;

/// Creates a project whose matrix has the columns `x` and `plan`; `x` is written by `format`.
fn project(format: impl Fn(u64, f64) -> String) -> Project {
    let project = Project::new();
    project.write("pql.toml", "[model]\nmin_conversions = 5\nalpha = 1\n");
    project.write("m.csv", matrix(&format));
    project
}

fn matrix(format: &dyn Fn(u64, f64) -> String) -> String {
    let rows = lines(ROWS.into(), |i| {
        let x = value(i);
        let plan = pick(i, ["free", "pro", "NA"]);
        format!("a{i},\"{}\",{plan},{}", format(i, x), u8::from(dice(i, 2) < 0.2 + x / 5_000.0))
    });
    format!("account_id,x,plan,converted\n{rows}")
}

/// Returns one of three values in turn.
fn pick<T: Copy>(i: u64, values: [T; 3]) -> T {
    values[usize::from(i % 3 == 1) + 2 * usize::from(i % 3 == 2)]
}

/// The number of a row, with one decimal place.
fn value(i: u64) -> f64 {
    (dice(i, 1) * 20_000.0).round() / 10.0 + 1_000.0
}

/// Trains on the matrix and returns its summary and the design columns.
fn train(project: &Project, args: &[&str]) -> (String, Vec<String>) {
    let args = [&["train", "--name", "m", "--promote", "--features", "m.csv"], args].concat();
    let run = project.pql(&args).done();
    let table = project.pql(&["inspect", "m", "--format", "csv"]).done().out;
    let mut columns: Vec<String> =
        table.lines().skip(2).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    columns.sort();
    (run.out, columns)
}

#[test]
fn a_column_with_a_missing_mark_stays_a_number_and_says_so() {
    for mark in ["NA", "null", r"\N", "#N/A", "-", " ", "nan", "None"] {
        let project = project(|i, x| if i == 7 { mark.to_owned() } else { x.to_string() });
        let (out, columns) = train(&project, &[]);
        assert_eq!(columns, ["missing_x", "plan=free", "plan=pro", "x"], "{mark}: {out}");
        let shown = if mark == " " { "blank".to_owned() } else { format!("`{mark}`") };
        assert!(out.contains(&format!("Read as missing: `x` ({shown}, 1 of 120 values)")), "{out}");
        project.write("batch.csv", format!("account_id,x,plan\nb,{mark},pro\n"));
        project
            .pql(&["score", "m", "--features", "batch.csv", "-o", "-"])
            .done()
            .stderr_has(&[&format!("Read as missing: `x` ({shown}, 1 of 1 value)")]);
    }
}

#[test]
fn the_marks_can_be_set() {
    let project = project(|i, x| if i == 7 { "unknown".to_owned() } else { x.to_string() });
    let (out, columns) = train(&project, &["--set", "input.null=[\"unknown\"]"]);
    assert!(columns.contains(&"x".to_owned()), "{out}");
    let run = project.pql(&["train", "--name", "n", "--features", "m.csv", "-v"]).done();
    assert!(
        run.unwrapped_messages().contains(
            "`x` is read as text: 119 of 120 values are numbers, and row 8 is `unknown`."
        ),
        "{}",
        run.err
    );
}

#[test]
fn every_number_format_gives_the_same_model() {
    /// Returns thousands, the other whole digits, and the decimal place.
    fn grouped(x: f64) -> [String; 3] {
        let text = format!("{x:.1}");
        let (whole, tenth) = text.split_once('.').unwrap();
        let (thousands, rest) = whole.split_at(whole.len() - 3);
        [thousands, rest, tenth].map(str::to_owned)
    }
    let plain = project(|_, x| x.to_string());
    train(&plain, &[]);
    let model = |project: &Project| {
        let table = project.pql(&["inspect", "m", "--format", "csv"]).done().out;
        let card = project.pql(&["inspect", "m", "--format", "json"]).done().out;
        assert!(!card.is_empty());
        table
    };
    let english = project(|_, x| {
        let [thousands, rest, tenth] = grouped(x);
        format!("{thousands},{rest}.{tenth}")
    });
    let (out, _) = train(&english, &[]);
    assert!(out.contains("`x` has thousands separators (`1,234.5`)"), "{out}");
    let european = project(|_, x| {
        let [thousands, rest, tenth] = grouped(x);
        format!("{thousands}.{rest},{tenth}")
    });
    let (out, _) = train(&european, &[]);
    assert!(out.contains("`x` has decimal commas (`1.234,5`)"), "{out}");
    assert_eq!(model(&english), model(&plain));
    assert_eq!(model(&european), model(&plain));
    // The format of the training is kept: another one is refused, not read with another meaning.
    for (project, batch, expected) in [
        (
            &plain,
            "\"1,500\"",
            "found `1,500`, expected a number such as 1234.5, as in the training data",
        ),
        (&english, "\"1500,5\"", "found `1500,5`, expected a number such as 1,234.5"),
        (&european, "1500.5", "found `1500.5`, expected a number such as 1.234,5"),
    ] {
        project.write("batch.csv", format!("account_id,x,plan\nb,{batch},pro\n"));
        project
            .pql(&["score", "m", "--features", "batch.csv", "-o", "-"])
            .fails_with(3, &[expected, "input.null"]);
    }
    let scores = |project: &Project, value: &str| {
        project.write("batch.csv", format!("account_id,x,plan\nb,{value},pro\n"));
        project.pql(&["score", "m", "--features", "batch.csv", "-o", "-"]).done().out
    };
    assert_eq!(scores(&english, "\"1,500\""), scores(&plain, "1500"));
    assert_eq!(scores(&european, "1.500"), scores(&plain, "1500"));
}

#[test]
fn row_numbers_times_and_identifiers_are_features_only_if_asked_for() {
    let project = project(|_, x| x.to_string());
    let text = project.text("m.csv");
    let extended = text.lines().enumerate().map(|(i, line)| match i {
        0 => format!(",{line},user_id,created_at,contact"),
        _ => format!("{},{line},{},2025-01-{:02},name {i}", i - 1, i * 7_919 % 10_007, i % 28 + 1),
    });
    let extended: Vec<String> = extended.collect();
    project.write("m.csv", extended.join("\n") + "\n");
    let (out, columns) = train(&project, &[]);
    assert_eq!(columns, ["plan=free", "plan=pro", "x"], "{out}");
    assert!(out.contains("Read 120 rows and 2 features"), "{out}");
    let note = "Not features unless `design.include` lists them: (no name) (row number), `user_id` \
        (identifier), `created_at` (times), `contact` (identifier)";
    assert!(out.replace("\n  ", " ").contains(note), "{out}");
    let run = project.pql(&["train", "-v", "--name", "n", "--features", "m.csv"]).done();
    run.stderr_has(&[
        "dropped: (no name) numbers the rows",
        "`created_at` has times",
        "is an identifier (120 different values): `user_id`, `contact`",
    ]);
    let (_, columns) = train(&project, &["--set", "design.include=[\"x\", \"user_id\"]"]);
    assert_eq!(columns, ["user_id", "x"]);
}

#[test]
fn labels_are_equal_however_they_are_written() {
    let base = project(|_, x| x.to_string());
    train(&base, &[]);
    let expected = base.pql(&["inspect", "m", "--format", "csv"]).done().out;
    let relabeled = |yes: &str, no: &str, set: &[&str]| {
        let project = project(|_, x| x.to_string());
        let text: Vec<String> = project
            .text("m.csv")
            .lines()
            .map(|line| match line.rsplit_once(',') {
                Some((row, "1")) => format!("{row},{yes}"),
                Some((row, "0")) => format!("{row},{no}"),
                _ => line.to_owned(),
            })
            .collect();
        project.write("m.csv", text.join("\n") + "\n");
        train(&project, set);
        project.pql(&["inspect", "m", "--format", "csv"]).done().out
    };
    for (yes, no, positive) in [
        ("1.0", "0.0", ""),
        ("TRUE", "FALSE", ""),
        ("True", "False", ""),
        ("1", "0", "1"),
        ("1.0", "0.0", "1"),
        (" 1", "0 ", "\"1.0\""),
        ("TRUE", "FALSE", "true"),
        ("True", "False", "\"TRUE\""),
        ("Yes ", "No", "Yes"),
        ("yes", "None", "yes"),
        ("7.0", "8", "7"),
    ] {
        let set = format!("matrix.positive={positive}");
        let set = ["--set", &set];
        let set = if positive.is_empty() { &[][..] } else { &set[..] };
        assert_eq!(relabeled(yes, no, set), expected, "{yes} {no} {positive}");
    }
}

/// Writes the matrix of a table to a file in the format of its extension.
fn write(project: &Project, name: &str, mut table: DataFrame) {
    let mut bytes = Vec::new();
    match name.rsplit_once('.').unwrap().1 {
        "parquet" => drop(ParquetWriter::new(&mut bytes).finish(&mut table).unwrap()),
        "csv" => {
            let rows = table_rows(&table);
            let header = names(&table).join(",");
            let line = |row: &Vec<String>| row.join(",");
            bytes = format!("{header}\n{}\n", rows.iter().map(line).collect::<Vec<_>>().join("\n"))
                .into_bytes();
        }
        _ => {
            let names = names(&table);
            for row in table_rows(&table) {
                let cells: Vec<String> = names
                    .iter()
                    .zip(&row)
                    .map(|(name, cell)| {
                        match (cell.as_str(), table.column(name).unwrap().dtype()) {
                            ("", _) => format!("\"{name}\":null"),
                            (cell, DataType::String) => format!("\"{name}\":\"{cell}\""),
                            (cell, _) => format!("\"{name}\":{cell}"),
                        }
                    })
                    .collect();
                bytes.extend(format!("{{{}}}\n", cells.join(",")).bytes());
            }
        }
    }
    project.write(name, bytes);
}

fn names(table: &DataFrame) -> Vec<&str> {
    table.get_column_names().iter().map(|name| name.as_str()).collect()
}

/// Returns the cells as text, empty where missing.
fn table_rows(table: &DataFrame) -> Vec<Vec<String>> {
    let text = |column: &Column, row: usize| match column.get(row).unwrap() {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::Float64(number) => format!("{number:?}"),
        other => other.to_string(),
    };
    let row = |row| table.columns().iter().map(|column| text(column, row)).collect();
    (0..table.height()).map(row).collect()
}

#[test]
fn the_same_table_gives_the_same_model_and_scores_in_every_format() {
    let column = |name: &str, values: Vec<f64>, dtype: &DataType| {
        Column::new(name.into(), values).strict_cast(dtype).unwrap()
    };
    let region = |dtype: &DataType| {
        let values: Vec<f64> = (0..ROWS).map(|i| pick(i.into(), [7.0, 8.0, 12.0])).collect();
        column("region", values, dtype)
    };
    let seats = |dtype: &DataType| {
        column("seats", (0..ROWS).map(|i| (dice(i.into(), 5) * 40.0).floor()).collect(), dtype)
    };
    let flag: Vec<bool> = (0..ROWS).map(|i| dice(i.into(), 4) < 0.5).collect();
    let table = |dtype: &DataType, flags_as_text: bool| {
        let y: Vec<f64> = (0..ROWS).map(|i| f64::from(u8::from(dice(i.into(), 2) < 0.3))).collect();
        let id: Vec<f64> = (0..ROWS).map(|i| f64::from(i) + 100.0).collect();
        let flags = if flags_as_text {
            let texts: Vec<&str> = flag.iter().map(|f| if *f { "True" } else { "False" }).collect();
            Column::new("beta".into(), texts)
        } else {
            Column::new("beta".into(), flag.clone())
        };
        let plan: Vec<String> = (0..ROWS).map(|i| format!("p{}", i % 4)).collect();
        let columns = vec![
            column("account_id", id, dtype),
            region(dtype),
            seats(dtype),
            flags,
            Column::new("plan".into(), plan),
            column("converted", y, dtype),
        ];
        DataFrame::new(ROWS as usize, columns).unwrap()
    };
    let project = Project::new();
    project.write(
        "pql.toml",
        "[model]\nmin_conversions = 5\n[design]\ncategorical = [\"region\", \"beta\"]\nreference_levels = { region = 8 }\n",
    );
    let mut first: Option<(Vec<u8>, String)> = None;
    for (name, dtype, flags_as_text) in [
        ("int.parquet", DataType::Int64, false),
        ("float.parquet", DataType::Float64, false),
        ("text.parquet", DataType::String, true),
        ("int.csv", DataType::Int64, true),
        ("float.csv", DataType::Float64, true),
        ("int.ndjson", DataType::Int64, false),
        ("float.ndjson", DataType::Float64, true),
        ("text.ndjson", DataType::String, true),
    ] {
        let from = if dtype == DataType::String { DataType::Int64 } else { dtype.clone() };
        let mut table = table(&from, flags_as_text);
        if dtype == DataType::String {
            let columns = table.columns().iter().map(|c| c.strict_cast(&dtype).unwrap()).collect();
            table = DataFrame::new(ROWS as usize, columns).unwrap();
        }
        write(&project, name, table);
        let model = name.replace('.', "-");
        project.pql(&["train", "--name", &model, "--features", name]).done();
        let bytes = project.read(&format!("models/{model}/0001/model.pql"));
        // One model scores every format.
        let scores =
            project.pql(&["score", "int-parquet", "--features", name, "-o", "-", "-q"]).done().out;
        match &first {
            None => first = Some((bytes, scores)),
            Some((expected, expected_scores)) => {
                assert!(&bytes == expected, "{name}: another model");
                assert_eq!(&scores, expected_scores, "{name}");
            }
        }
    }
}

#[test]
fn a_batch_in_which_every_category_is_new_is_refused() {
    let project = project(|_, x| x.to_string());
    train(&project, &[]);
    let score = |plans: &[&str]| {
        let rows = plans.iter().enumerate().map(|(i, plan)| format!("b{i},1500,{plan}\n"));
        let rows: String = rows.collect();
        project.write("batch.csv", format!("account_id,x,plan\n{rows}"));
        project.pql(&["score", "m", "--features", "batch.csv", "-o", "scores.csv"])
    };
    let words = [
        "feature `plan`: found only new levels (`Free`, `Pro`) in 3 rows, expected ",
        "`free`",
        "as in the training data",
        "hint: check that the column still has the meaning",
    ];
    score(&["Free", "Pro", "Free"]).fails_with(3, &words);
    assert!(!project.path("scores.csv").exists(), "nothing is written");
    // Monitoring reports it as an alarm.
    let monitored = project.pql(&["monitor", "m", "--features", "batch.csv", "--format", "json"]);
    assert_eq!(monitored.code, Some(5), "{}", monitored.err);
    assert!(monitored.out.contains("\"only-new-levels\""), "{}", monitored.out);
    assert!(
        monitored.out.contains(
            "`plan` has only values that are not in the training data: `Free`, `Pro`, in 3 rows."
        ),
        "{}",
        monitored.out
    );
    score(&["Free", "", "Pro"]).fails_with(3, &["found only new levels (`Free`, `Pro`) in 2 rows"]);
    score(&["Free", "pro", "Free"])
        .done()
        .stderr_has(&["2 rows have a value of `plan` that is not in the training data"]);
    score(&["Free"]).done();
    score(&["", ""]).done();
    project.write(
        "labeled.csv",
        project
            .text("m.csv")
            .replace(",pro,", ",P,")
            .replace(",free,", ",F,")
            .replace(",NA,", ",N,"),
    );
    project
        .pql(&["evaluate", "m", "--features", "labeled.csv", "--all"])
        .fails_with(3, &["found only new levels (`F`, `N`, `P`) in 120 rows"]);
}

#[test]
fn a_number_that_is_newly_missing_has_a_warning_with_its_share() {
    let project = project(|_, x| x.to_string());
    train(&project, &[]);
    project.write("batch.csv", "account_id,x,plan\na,1500,free\nb,,free\nc,,pro\nd,1700,pro\n");
    let run = project.pql(&["score", "m", "--features", "batch.csv", "-o", "-"]).done();
    run.stderr_has(&["2 of 4 rows (50.00%) have no `x`, which all training rows have."]);
}
