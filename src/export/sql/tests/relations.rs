//! Stages: constant rows, unions, joins, groups, windows, orders, names and times.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::{Engine, Statement, Table, difference, write_parquet};
use super::{call, column, dialect, input_stage, query, rows_of};
use crate::export::sql::emit::write_query;
use crate::query::{
    Aggregate, Expression, Function, JoinKind, Query, Rows, Select, Source, Stage, TableName, Type,
};

/// Requires that every engine returns certain rows.
#[track_caller]
fn check_rows(query: &Query, columns: &[(&str, &str)], rows: &[Value]) {
    let expected = table(columns, rows);
    let faults: Vec<String> = Engine::selected()
        .into_iter()
        .filter_map(|engine| {
            let found = rows_of(engine, query, Vec::new());
            let difference = difference(&found, &expected)?;
            let sql = write_query(query, dialect(engine));
            Some(format!("{}: {difference}\n{sql}", engine.name()))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn table(columns: &[(&str, &str)], rows: &[Value]) -> Table {
    Table {
        columns: columns
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()))
            .collect(),
        rows: rows.iter().map(|row| row.as_array().unwrap().clone()).collect(),
    }
}

/// Returns a stage of rows of one text, with repeats, nulls and bytes that are not alphabetic.
fn texts_stage() -> Stage {
    let row = |group: i64, text: Option<&str>| {
        vec![
            Expression::integer(group),
            text.map_or(Expression::null(Type::Text), Expression::text),
        ]
    };
    let rows = vec![
        row(1, Some("b")),
        row(1, Some("B")),
        row(1, Some("é")),
        row(1, Some("a")),
        row(1, None),
        row(2, Some("_")),
        row(2, Some("a")),
        row(2, Some("a")),
        row(3, None),
    ];
    let columns = vec![("kind".to_owned(), Type::Integer), ("text".to_owned(), Type::Text)];
    let rows = Rows::Values { columns, rows };
    Stage { name: "texts".to_owned(), comment: "Texts".to_owned(), rows }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn texts_are_compared_by_their_bytes_and_nulls_are_last() {
    let texts = texts_stage();
    let (kind, text) = (texts.output("kind"), texts.output("text"));
    let number = |order| Expression::row_number(Vec::new(), vec![order, kind.clone().descending()]);
    let above = call(
        Function::Greatest,
        vec![
            call(Function::Coalesce, vec![text.clone(), Expression::text("B")]),
            Expression::text("_"),
        ],
    );
    let select = Select::from_stage("texts")
        .column("n", number(text.clone().ascending()))
        .column("down", number(text.clone().descending()))
        .column("kind", kind.clone())
        .column("text", text.clone())
        .column("above", above)
        .column("before_b", text.clone().less(Expression::text("a")));
    let mut sorted = query(vec![texts.clone()], select);
    sorted.order_by = vec![
        text.clone().descending(),
        kind.clone().ascending(),
        Expression::column("texts", "text", Type::Text).ascending(),
    ];
    let columns = [
        ("n", "integer"),
        ("down", "integer"),
        ("kind", "integer"),
        ("text", "text"),
        ("above", "text"),
        ("before_b", "boolean"),
    ];
    let found: Vec<Value> =
        rows_of(Engine::DuckDb, &sorted, Vec::new()).rows.into_iter().map(Value::from).collect();
    let order: Vec<&Value> = found.iter().map(|row| &row[3]).collect();
    assert_eq!(
        order,
        [
            &json!("é"),
            &json!("b"),
            &json!("a"),
            &json!("a"),
            &json!("a"),
            &json!("_"),
            &json!("B"),
            &Value::Null,
            &Value::Null
        ]
    );
    let above: Vec<&Value> = found.iter().map(|row| &row[4]).collect();
    assert_eq!(above, ["é", "b", "a", "a", "a", "_", "_", "_", "_"]);
    assert_eq!(found[5][5], true);
    // Equal rows may come in any order: only their number differs.
    sorted.select.columns.drain(..2);
    let rows: Vec<Value> =
        found.iter().map(|row| Value::from(row.as_array().unwrap()[2..].to_vec())).collect();
    check_rows(&sorted, &columns[2..], &rows);

    let select = Select::from_stage("texts")
        .key("kind", kind)
        .column("first", Expression::aggregate(Aggregate::Min, text.clone()))
        .column("last", Expression::aggregate(Aggregate::Max, text.clone()))
        .column("rows", Expression::count_rows())
        .column("known", Expression::count_rows().filter(text.is_not_null()));
    let columns = [
        ("kind", "integer"),
        ("first", "text"),
        ("last", "text"),
        ("rows", "integer"),
        ("known", "integer"),
    ];
    let rows =
        [json!([1, "B", "é", 5, 4]), json!([2, "_", "a", 3, 3]), json!([3, null, null, 1, 0])];
    check_rows(&query(vec![texts_stage()], select), &columns, &rows);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn aggregates_with_filters_are_null_or_zero_without_rows() {
    let is = |value: i64| column("i").equal(Expression::integer(value));
    let of = |function, name| Expression::aggregate(function, column(name));
    let none = || is(99);
    let select = Select::from_stage("input")
        .column("all", Expression::count_rows())
        .column("none", Expression::count_rows().filter(none()))
        .column("true", Expression::count_rows().filter(column("b")))
        .column("not_true", Expression::count_rows().filter(column("b").negate()))
        .column("sum", of(Aggregate::Sum, "i"))
        .column("sum_none", of(Aggregate::Sum, "i").filter(none()))
        .column("sum_d", of(Aggregate::Sum, "d").filter(is(3).or(is(-2))))
        .column("max_none", of(Aggregate::Max, "d").filter(none()))
        .column("min", of(Aggregate::Min, "d"));
    let columns = [
        ("all", "integer"),
        ("none", "integer"),
        ("true", "integer"),
        ("not_true", "integer"),
        ("sum", "integer"),
        ("sum_none", "integer"),
        ("sum_d", "double"),
        ("max_none", "double"),
        ("min", "double"),
    ];
    let rows = [json!([5, 0, 2, 1, 8, null, -1.25, null, -1.5])];
    let mut query = query(vec![input_stage()], select);
    query.order_by.clear();
    check_rows(&query, &columns, &rows);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn windows_see_their_partition_in_its_order() {
    let number = Expression::column("input", "row", Type::Integer);
    let partition =
        || vec![call(Function::Coalesce, vec![column("b"), Expression::boolean(false)])];
    let by_number = || vec![Expression::column("input", "row", Type::Integer).ascending()];
    let select = Select::from_stage("input")
        .column("row", number.clone())
        .column(
            "position",
            Expression::row_number(
                partition(),
                vec![column("d").descending(), number.clone().ascending()],
            ),
        )
        .column("previous", number.clone().lag(partition(), by_number()))
        .column("text", column("t").lag(Vec::new(), by_number()))
        .column("sum", Expression::over(Aggregate::Sum, column("i"), partition()))
        .column(
            "share",
            column("d").divide(Expression::over(Aggregate::Max, column("d"), Vec::new())),
        )
        .column("count", Expression::over(Aggregate::CountRows, column("i"), partition()))
        .column("least", Expression::over(Aggregate::Min, column("t"), Vec::new()));
    let columns = [
        ("row", "integer"),
        ("position", "integer"),
        ("previous", "integer"),
        ("text", "text"),
        ("sum", "integer"),
        ("share", "double"),
        ("count", "integer"),
        ("least", "text"),
    ];
    let rows = [
        json!([1, 2, null, null, 3, 0.125, 2, "B"]),
        json!([2, 2, null, "a", 5, -0.75, 3, "B"]),
        json!([3, 3, 2, "B", 5, null, 3, "B"]),
        json!([4, 1, 1, "é", 3, 1.0, 2, "B"]),
        json!([5, 1, 3, null, 5, 0.05, 3, "B"]),
    ];
    check_rows(&query(vec![input_stage()], select), &columns, &rows);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn unions_and_joins_keep_types_and_missing_partners() {
    let input = input_stage();
    let part = |value: Expression, text: Expression| {
        Select::from_stage("input")
            .column("key", input.output("row"))
            .column("value", value)
            .column("text", text)
    };
    let union = Stage {
        name: "both".to_owned(),
        comment: "Two selections".to_owned(),
        rows: Rows::Union(vec![
            part(Expression::integer(1), Expression::null(Type::Text)).filter(column("b")),
            part(column("i"), column("t")).filter(column("i").is_not_null()),
        ]),
    };
    let on = union.output("key").equal(input.output("row"));
    let mut select = Select::from_stage("input")
        .column("row", input.output("row"))
        .column("value", union.output("value"))
        .column("text", union.output("text"))
        .join_stage(
            JoinKind::Left,
            "both",
            on.clone().and(union.output("value").greater(Expression::integer(0))),
        );
    let columns = [("row", "integer"), ("value", "integer"), ("text", "text")];
    let rows = [
        json!([1, 1, null]),
        json!([1, 3, "a"]),
        json!([2, null, null]),
        json!([3, null, null]),
        json!([4, 1, null]),
        json!([5, 7, "it's \"q\""]),
    ];
    let stages = vec![input.clone(), union.clone()];
    let mut left = query(stages.clone(), select.clone());
    left.order_by.push(union.output("value").ascending());
    check_rows(&left, &columns, &rows);

    select.joins.clear();
    select.distinct = true;
    select.columns.remove(2);
    let inner = select.clone().join_stage(JoinKind::Inner, "both", on);
    check_rows(
        &{
            let mut inner = query(stages.clone(), inner);
            inner.order_by.push(union.output("value").ascending());
            inner
        },
        &columns[..2],
        &[
            json!([1, 1]),
            json!([1, 3]),
            json!([2, -2]),
            json!([3, 0]),
            json!([4, 1]),
            json!([5, 7]),
        ],
    );

    select.columns.truncate(1);
    select.distinct = false;
    let cross =
        select.key("row", input.output("row")).column("rows", Expression::count_rows()).join(
            JoinKind::Cross,
            Source::Stage("both".to_owned()),
            "other",
            Expression::boolean(true),
        );
    let mut cross = query(stages, cross);
    cross.select.columns.remove(0);
    let rows: Vec<Value> = (1..=5).map(|row| json!([row, 6])).collect();
    check_rows(&cross, &[("row", "integer"), ("rows", "integer")], &rows);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn opaque_selections_keep_their_joins_conditions_and_columns() {
    let input = input_stage();
    let double = Expression::double;
    let size = |value: Expression| call(Function::Coalesce, vec![value, double(-1.0)]);
    let select = Select::extending("input")
        .opaque()
        .column("order", column("d"))
        .column("size", size(column("d")))
        .column("shown", call(Function::Concat, vec![column("t"), Expression::text("!")]))
        .column("partner", input.output("row").add(Expression::integer(1)))
        .join(
            JoinKind::Left,
            Source::Stage("input".to_owned()),
            "other",
            Expression::column("other", "i", Type::Integer).equal(input.output("row")),
        )
        .filter(column("t").is_not_null().and(input.output("row").less(Expression::integer(5))));
    let opaque = Stage {
        name: "opaque".to_owned(),
        comment: "Columns that are computed once".to_owned(),
        rows: Rows::Select(select),
    };
    let kinds = [
        ("row", Type::Integer),
        ("order", Type::Double),
        ("size", Type::Double),
        ("shown", Type::Text),
        ("partner", Type::Integer),
    ];
    // Each column is used twice.
    let select = kinds.into_iter().fold(Select::from_stage("opaque"), |select, (name, kind)| {
        let value = Expression::column("opaque", name, kind);
        select.column(name, call(Function::Coalesce, vec![value.clone(), value]))
    });
    let columns = [
        ("row", "integer"),
        ("order", "double"),
        ("size", "double"),
        ("shown", "text"),
        ("partner", "integer"),
    ];
    let rows = [
        json!([1, 0.25, 0.25, "a!", 2]),
        json!([2, -1.5, -1.5, "B!", 3]),
        json!([3, null, -1.0, "é!", 4]),
    ];
    check_rows(&query(vec![input, opaque], select), &columns, &rows);
}

/// Returns a query of a stage and two columns with a certain name, which is also an alias.
fn named(name: &str) -> Query {
    let columns = vec![(name.to_owned(), Type::Integer), ("of it".to_owned(), Type::Integer)];
    let rows =
        Rows::Values { columns, rows: vec![vec![Expression::integer(1), Expression::integer(2)]] };
    let stage = Stage { name: name.to_owned(), comment: name.to_owned(), rows };
    let (key, value) = (stage.output(name), stage.output("of it"));
    let select =
        Select::from_stage(name).column(name, value).filter(key.equal(Expression::integer(1)));
    let copy =
        Stage { name: format!("{name} 2"), comment: String::new(), rows: Rows::Select(select) };
    let of = |name: &str| Expression::column("other", name, Type::Integer);
    let select = Select::from(Source::Stage(copy.name.clone()), "other").key(name, of(name));
    query(vec![stage, copy], select)
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn any_name_of_a_table_or_column_is_kept() {
    let hostile = [
        "Name",
        "select",
        "user",
        "a b",
        "it's",
        "\"quoted\"",
        "`ticked`",
        "back\\slash",
        "$1",
        ":name",
        "@x",
        "?",
        "%s",
        "{{ x }}",
        "é",
        "日本語",
        "😀",
        "9lives",
        "-- x",
        "/*",
        "a;b",
        "[x]",
        "tab\t",
        "line\nbreak",
        "true",
        "null",
        "date",
        "timestamp",
        "value",
        "count",
    ];
    for name in hostile {
        check_rows(&named(name), &[(name, "integer")], &[json!([2])]);
    }
    // In BigQuery, a dot in a name separates two names.
    let dotted = table(&[("a.b", "integer")], &[json!([2])]);
    for engine in Engine::selected().into_iter().filter(|engine| *engine != Engine::BigQuery) {
        let found = rows_of(engine, &named("a.b"), Vec::new());
        assert_eq!(difference(&found, &dotted), None, "{}", engine.name());
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn words_that_an_engine_reserves_are_quoted() {
    let lists = [
        (Engine::DuckDb, "SELECT keyword_name AS word FROM duckdb_keywords()"),
        (Engine::Postgres, "SELECT word FROM pg_get_keywords()"),
        (Engine::Spark, "SELECT keyword AS word FROM sql_keywords()"),
    ];
    for (engine, sql) in lists.into_iter().filter(|(engine, _)| Engine::selected().contains(engine))
    {
        let words = engine.run(&Statement { sql: sql.to_owned(), ..Statement::default() }).unwrap();
        let words: Vec<String> =
            words.rows.iter().map(|row| row[0].as_str().unwrap().to_lowercase()).collect();
        let words: Vec<String> = BTreeSet::from_iter(words).into_iter().collect();
        assert!(words.len() > 200, "{engine:?}: {} words", words.len());
        // All words as names of columns of one statement, each read from and written to.
        let columns: Vec<(String, Type)> =
            words.iter().map(|word| (word.clone(), Type::Integer)).collect();
        let values = (0..).zip(&words).map(|(index, _)| Expression::integer(index)).collect();
        let rows = Rows::Values { columns, rows: vec![values] };
        let stage = Stage { name: "words".to_owned(), comment: String::new(), rows };
        let mut select = Select::from_stage("words");
        for word in &words {
            select = select.column(word, stage.output(word)).join(
                JoinKind::Cross,
                Source::Stage("one".to_owned()),
                word,
                Expression::boolean(true),
            );
        }
        let joins = std::mem::take(&mut select.joins);
        let one = Stage {
            name: "one".to_owned(),
            comment: String::new(),
            rows: Rows::Values {
                columns: vec![("n".to_owned(), Type::Integer)],
                rows: vec![vec![Expression::integer(5)]],
            },
        };
        let found = rows_of(engine, &query(vec![stage], select), Vec::new());
        assert_eq!(found.rows[0], (0..words.len()).map(|index| json!(index)).collect::<Vec<_>>());
        // Each word as the name of a relation.
        for joins in joins.chunks(40) {
            let mut select = Select::from_stage("one");
            for join in joins {
                select =
                    select.column(&join.alias, Expression::column(&join.alias, "n", Type::Integer));
            }
            select.joins = joins.to_vec();
            let found = rows_of(engine, &query(vec![one.clone()], select), Vec::new());
            assert!(found.rows[0].iter().all(|value| *value == json!(5)), "{engine:?}");
        }
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn times_are_microseconds_in_every_type_of_column() {
    let micros = [
        // 1900: pql reads no earlier time.
        -2_208_988_800_000_001_i64,
        -86_400_000_001,
        -86_400_000_000,
        -1,
        0,
        1,
        999_999,
        1_735_689_599_999_999,
        4_102_444_800_000_001,
    ];
    let days = micros.map(|micros| micros.div_euclid(86_400_000_000));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("times.parquet");
    let rows: Vec<String> = micros.iter().map(|micros| format!("({micros})")).collect();
    write_parquet(
        &path,
        &format!(
            "SELECT m, make_timestamp(m) AS naive, make_timestamp(m)::TIMESTAMPTZ AS zoned, \
             make_timestamp(m - m % 1000)::TIMESTAMP_MS AS millis, make_timestamp(m)::DATE AS day \
             FROM (VALUES {}) AS v (m)",
            rows.join(", ")
        ),
    );
    let of = |name: &str| Expression::column("times", name, Type::Timestamp);
    let micros_of = |value| call(Function::ToMicros, vec![value]);
    let number = Expression::column("times", "m", Type::Integer);
    let source = Source::Table(TableName(vec!["times".to_owned()]));
    let day = |number: Expression| call(Function::FromMicros, vec![number]);
    let select = Select::from(source, "times")
        .column("m", number.clone())
        .column("naive", micros_of(of("naive")))
        .column("zoned", micros_of(of("zoned")))
        .column("millis", micros_of(of("millis")))
        .column("day", micros_of(of("day")))
        .column("back", micros_of(day(number.clone())))
        .column("time", day(number.clone()))
        .column("later", micros_of(of("naive")).subtract(micros_of(of("day"))))
        .column("same", day(number.clone()).equal(day(number)));
    let integers = ["m", "naive", "zoned", "millis", "day", "back"].map(|name| (name, "integer"));
    let mut columns = integers.to_vec();
    columns.extend([("time", "timestamp"), ("later", "integer"), ("same", "boolean")]);
    let rows = micros.iter().zip(days).map(|(micros, day)| {
        let (millis, day) = (micros / 1000 * 1000, day * 86_400_000_000);
        json!([micros, micros, micros, millis, day, micros, micros, micros - day, true])
    });
    let expected = table(&columns, &rows.collect::<Vec<_>>());
    let query = query(Vec::new(), select);
    for engine in Engine::selected() {
        let found = rows_of(engine, &query, vec![(vec!["times"], path.clone())]);
        let sql = write_query(&query, dialect(engine));
        assert_eq!(difference(&found, &expected), None, "{}\n{sql}", engine.name());
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn tables_of_a_schema_keep_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.parquet");
    write_parquet(
        &path,
        "SELECT * FROM (VALUES (1, 'a', 'NaN'::DOUBLE), (2, '', 1.5), (3, NULL, NULL)) AS v (\"Id\", \"a b\", d)",
    );
    let name = vec!["my_schema".to_owned(), "select".to_owned()];
    let of = |name: &str, kind| Expression::column("events", name, kind);
    let select = Select::from(Source::Table(TableName(name)), "events")
        .column("id", of("Id", Type::Integer))
        .column("text", of("a b", Type::Text))
        .column("nan", call(Function::NullIfNan, vec![of("d", Type::Double)]).is_null());
    let columns = [("id", "integer"), ("text", "text"), ("nan", "boolean")];
    let expected =
        table(&columns, &[json!([1, "a", true]), json!([2, "", false]), json!([3, null, true])]);
    let query = query(Vec::new(), select);
    for engine in Engine::selected() {
        let found = rows_of(engine, &query, vec![(vec!["my_schema", "select"], path.clone())]);
        assert_eq!(difference(&found, &expected), None, "{}", engine.name());
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn parameters_are_set_by_the_caller() {
    let number = Expression::column("input", "row", Type::Integer);
    let select = Select::from_stage("input")
        .column("row", number.clone())
        .filter(number.greater(Expression::parameter("scored_after", Type::Integer)));
    let query = query(vec![input_stage()], select);
    for engine in Engine::selected() {
        let sql = write_query(&query, dialect(engine));
        let parameters = vec![("scored_after", json!(3))];
        let statement = Statement { sql, parameters, ..Statement::default() };
        let found = engine.run(&statement).unwrap();
        assert_eq!(found.rows, [[json!(4)], [json!(5)]], "{}", engine.name());
    }
}
