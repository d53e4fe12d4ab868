//! Runs emitted statements in every engine and compares their rows with values computed in Rust.

mod definitions;
mod evaluate;
#[path = "../../../tests/it/engines/harness.rs"]
mod harness;
mod random;
mod relations;
mod split;

use std::path::PathBuf;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use self::evaluate::{Cell, evaluate};
use self::harness::{Engine, Statement, Table};
use super::dialect::Dialect;
use super::emit::write_query;
use crate::query::{Expression, Function, Query, Rows, Select, Stage, Type};

const TYPES: [(&str, Type); 4] =
    [("b", Type::Boolean), ("i", Type::Integer), ("d", Type::Double), ("t", Type::Text)];

fn dialect(engine: Engine) -> Dialect {
    match engine {
        Engine::DuckDb => Dialect::DuckDb,
        Engine::Postgres => Dialect::Postgres,
        Engine::Spark => Dialect::Spark,
        Engine::BigQuery => Dialect::BigQuery,
        Engine::Snowflake => Dialect::Snowflake,
    }
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::Double => "double",
        Type::Text => "text",
        Type::Timestamp => "timestamp",
        Type::Raw => unreachable!("columns of sources have no type of their own"),
    }
}

fn column(name: &str) -> Expression {
    let kind = TYPES.iter().find(|(column, _)| *column == name).unwrap().1;
    Expression::column("input", name, kind)
}

/// Returns rows with and without missing values.
fn input_rows() -> Vec<Vec<Cell>> {
    let text = |text: &str| Cell::Text(text.to_owned());
    vec![
        vec![Cell::Boolean(true), Cell::Integer(3), Cell::Double(0.25), text("a")],
        vec![Cell::Boolean(false), Cell::Integer(-2), Cell::Double(-1.5), text("B")],
        vec![Cell::Null, Cell::Integer(0), Cell::Null, text("é")],
        vec![Cell::Boolean(true), Cell::Null, Cell::Double(2.0), Cell::Null],
        vec![Cell::Null, Cell::Integer(7), Cell::Double(0.1), text("it's \"q\"")],
    ]
}

/// Returns a stage of constant rows with their position.
fn input_stage() -> Stage {
    let mut columns = vec![("row".to_owned(), Type::Integer)];
    columns.extend(TYPES.map(|(name, kind)| (name.to_owned(), kind)));
    let rows = (1..).zip(input_rows()).map(|(position, cells)| {
        let mut row = vec![Expression::integer(position)];
        row.extend(cells.iter().zip(TYPES).map(|(cell, (_, kind))| cell.to_literal(kind)));
        row
    });
    let rows = Rows::Values { columns, rows: rows.collect() };
    Stage { name: "input".to_owned(), comment: "Rows of the test \\".to_owned(), rows }
}

/// Returns a query of the columns of a selection, in the order of their first column.
fn query(stages: Vec<Stage>, select: Select) -> Query {
    let order_by = vec![select.columns[0].value.clone().ascending()];
    Query { comment: vec!["A test \\".to_owned()], stages, select, order_by }
}

/// Runs a query in an engine.
fn rows_of(engine: Engine, query: &Query, tables: Vec<(Vec<&str>, PathBuf)>) -> Table {
    let sql = write_query(query, dialect(engine));
    let statement = Statement { sql: sql.clone(), tables, ..Statement::default() };
    engine.run(&statement).unwrap_or_else(|error| panic!("{}: {error}\n{sql}", engine.name()))
}

/// Requires that every engine computes certain values, to the last digit.
#[track_caller]
fn check_values(cases: &[(Expression, Cell)]) {
    let mut select =
        Select::from_stage("one").column("n", Expression::column("one", "n", Type::Integer));
    let columns = vec![("n".to_owned(), Type::Integer)];
    let rows = Rows::Values { columns, rows: vec![vec![Expression::integer(1)]] };
    let one = Stage { name: "one".to_owned(), comment: "One row".to_owned(), rows };
    for (index, (expression, _)) in cases.iter().enumerate() {
        select = select.column(&format!("c{index}"), expression.clone());
    }
    let query = query(vec![one], select);
    let mut faults = Vec::new();
    for engine in Engine::selected() {
        let found = rows_of(engine, &query, Vec::new());
        for (index, (expression, expected)) in cases.iter().enumerate() {
            let (kind, value) = (&found.columns[index + 1].1, &found.rows[0][index + 1]);
            if kind != type_name(expression.kind) || *value != expected.to_json() {
                let sql = &query.select.columns[index + 1].value;
                faults.push(format!(
                    "{}: {value} of {kind}, expected {expected:?}: {sql:?}",
                    engine.name()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn call(function: Function, arguments: Vec<Expression>) -> Expression {
    Expression::call(function, arguments)
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn numbers_arrive_with_every_digit() {
    let doubles = [
        0.0,
        1.0,
        -1.0,
        1e-300,
        -1e-300,
        5e-324,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        0.1,
        1.0 / 3.0,
        0.1 + 0.2,
        123_456_789.123_456_79,
        1e15,
        1e16,
        1e17,
        1e21,
        9_007_199_254_740_993.0,
        -2.5e-7,
    ];
    let integers = [
        0,
        1,
        -1,
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        i64::MIN + 1,
        2_147_483_647,
        2_147_483_648,
        -2_147_483_648,
    ];
    let doubles = doubles.map(|value| (Expression::double(value), Cell::Double(value)));
    let integers = integers.map(|value| (Expression::integer(value), Cell::Integer(value)));
    let negative_zero = (Expression::double(-0.0), Cell::Double(0.0));
    let cases: Vec<_> = doubles.into_iter().chain(integers).chain([negative_zero]).collect();
    check_values(&cases);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn texts_arrive_with_every_character() {
    let mut texts: Vec<String> =
        (1_u8..128).map(|byte| format!("<{}>", char::from(byte))).collect();
    let hostile = [
        "",
        " ",
        "'",
        "''",
        "\\",
        "\\\\",
        "\\'",
        "it's",
        "a\nb",
        "a\r\nb",
        "\\n",
        "\\u0041",
        "%_\\%",
        "${x} $$ $1",
        "{{ x }} {% y %}",
        ":name @name ?",
        "-- no comment",
        "/* none */",
        "é",
        "e\u{301}",
        "日本語",
        "😀👩\u{200d}🚀",
        "\u{feff}",
        "\u{85}\u{2028}",
        "\u{10ffff}",
        "x'; DROP TABLE y; --",
        "${env:PATH}",
        "${spark.app.name}",
    ];
    texts.extend(hostile.map(str::to_owned));
    let of_text = |text: String| (Expression::text(&text), Cell::Text(text));
    check_values(&texts.into_iter().map(of_text).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn functions_have_one_meaning() {
    let double = Expression::double;
    let text = Expression::text;
    let of = |text: &str| Cell::Text(text.to_owned());
    let mut cases = vec![
        (call(Function::Floor, vec![double(-1.5)]), Cell::Double(-2.0)),
        (call(Function::Floor, vec![double(1e18)]), Cell::Double(1e18)),
        (call(Function::Ln, vec![double(1.0)]), Cell::Double(0.0)),
        (call(Function::Exp, vec![double(0.0)]), Cell::Double(1.0)),
        (call(Function::Sqrt, vec![double(2.0)]), Cell::Double(2.0_f64.sqrt())),
        (call(Function::Trim, vec![text(" \t a b\r\n")]), of("a b")),
        (call(Function::Lower, vec![text("ÀÉ Straße")]), of("àé straße")),
        (text("-9223372036854775808").cast(Type::Integer), Cell::Integer(i64::MIN)),
        (text("1.5e-3").cast(Type::Double), Cell::Double(0.0015)),
        (Expression::integer(i64::MAX).cast(Type::Text), of("9223372036854775807")),
        (double(-3.0).cast(Type::Integer), Cell::Integer(-3)),
        (
            Expression::integer(2_000_000_000).add(Expression::integer(2_000_000_000)),
            Cell::Integer(4_000_000_000),
        ),
        (Expression::integer(7).divide_whole(Expression::integer(2)), Cell::Integer(3)),
        (
            Expression::integer(86_399_999_999).divide_whole(Expression::integer(86_400_000_000)),
            Cell::Integer(0),
        ),
        (double(1.0).divide(double(3.0)), Cell::Double(1.0 / 3.0)),
    ];
    // SHA-256 of "" and "abc": FIPS 180-4, examples; of the others: sha256sum.
    let hashes = [
        ("", 0x000e_3b0c_4429_8fc1),
        ("abc", 0x000b_a781_6bf8_f01c),
        ("é😀", 0x0001_184d_1f60_8158),
        ("holdout/7/it's", 0x0002_5094_faff_6471),
    ];
    cases.extend(
        hashes.map(|(of, hash)| (call(Function::HashPrefix, vec![text(of)]), Cell::Integer(hash))),
    );
    check_values(&cases);
    // Not equal to the last digit in every library.
    let one = |value: Expression| {
        let select = Select::from_stage("input")
            .column("row", Expression::column("input", "row", Type::Integer));
        query(
            vec![input_stage()],
            select.column("x", value).filter(column("i").equal(Expression::integer(3))),
        )
    };
    for (value, expected) in [
        (call(Function::Ln, vec![double(10.0)]), std::f64::consts::LN_10),
        (call(Function::Exp, vec![double(1.0)]), std::f64::consts::E),
        (call(Function::Exp, vec![double(-1e300)]), (-700.0_f64).exp()),
        (call(Function::Exp, vec![double(1e300)]), 700.0_f64.exp()),
        (call(Function::Ln, vec![double(1e-300)]), 1e-300_f64.ln()),
    ] {
        for engine in Engine::selected() {
            let table = rows_of(engine, &one(value.clone()), Vec::new());
            let found = table.rows[0][1].as_f64().unwrap();
            assert!(
                (found / expected - 1.0).abs() < 1e-14,
                "{}: {found}, {expected}",
                engine.name()
            );
        }
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn random_expressions_have_the_values_that_rust_computes() {
    let mut runner = TestRunner::deterministic();
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let rows: Vec<Vec<(&str, Cell)>> =
        input_rows().into_iter().map(|cells| names.iter().copied().zip(cells).collect()).collect();
    let mut cases: Vec<(Expression, Vec<Cell>)> = Vec::new();
    while cases.len() < 200 {
        let (_, kind) = TYPES[cases.len() % TYPES.len()];
        let expression = random::expressions(kind).new_tree(&mut runner).unwrap().current();
        let values: Option<Vec<Cell>> = rows.iter().map(|row| evaluate(&expression, row)).collect();
        cases.extend(values.map(|values| (expression, values)));
    }
    let position = Expression::column("input", "row", Type::Integer);
    let mut select = Select::from_stage("input").column("row", position);
    for (index, (expression, _)) in cases.iter().enumerate() {
        select = select.column(&format!("c{index}"), expression.clone());
    }
    let query = query(vec![input_stage()], select);
    let mut faults = Vec::new();
    for engine in Engine::selected() {
        let found = rows_of(engine, &query, Vec::new());
        for (index, (expression, values)) in cases.iter().enumerate() {
            let expected: Vec<Value> = values.iter().map(Cell::to_json).collect();
            let of_case: Vec<Value> = found.rows.iter().map(|row| row[index + 1].clone()).collect();
            if of_case != expected || found.columns[index + 1].1 != type_name(expression.kind) {
                let mut only = query.clone();
                only.select.columns = vec![only.select.columns[index + 1].clone()];
                let sql = write_query(&only, dialect(engine));
                let sql = sql.split_once("\n\n").map_or("", |(_, sql)| sql);
                faults.push(format!(
                    "{}: {of_case:?} of {}, expected {expected:?}\n{sql}",
                    engine.name(),
                    found.columns[index + 1].1
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults[..faults.len().min(12)].join("\n")
    );
}
