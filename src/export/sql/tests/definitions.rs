//! The first matches of random definitions in random logs, in every engine.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::harness::Engine;
use super::{query, rows_of};
use crate::config::{DefinitionConfig, DefinitionKind};
use crate::query::stages::{ACCOUNT_LIST, CLEAN_EVENTS, DEFINITION_MATCHES};
use crate::query::{Expression, Query, Rows, Select, Stage, Type};
use crate::rules::definition::Definition;
use crate::rules::definition::query::definition_stages;
use crate::rules::definition::tests::{Row, SIGNED_UP, configs, event_store, row, rule};
use crate::time::SECOND;

const ACCOUNTS: usize = 40;
const NAMES: [&str; 4] = ["it's", "a;b", "\"ü\" \\", "plain"];
const HOUR: i64 = 3_600 * SECOND;

fn stage(name: &str, columns: &[(&str, Type)], rows: Vec<Vec<Expression>>) -> Stage {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let rows = Rows::Values { columns, rows };
    Stage { name: name.to_owned(), comment: "Rows of the test".to_owned(), rows }
}

fn id(account: usize) -> String {
    format!("a{account:02}")
}

/// Returns an event as literals, in an order of columns.
fn event(account: usize, (time, delay, event, user, value): Row) -> Vec<Expression> {
    let user = Some(user).filter(|user| *user != 3).map(|user| Expression::text(&user.to_string()));
    let value = Some(value).filter(|value| !value.is_nan()).map(Expression::double);
    vec![
        Expression::text(&id(account)),
        user.unwrap_or_else(|| Expression::null(Type::Text)),
        Expression::text(["a", "b", "c"][usize::from(event)]),
        Expression::integer(time * HOUR),
        Expression::integer((time + delay) * HOUR),
        value.unwrap_or_else(|| Expression::null(Type::Double)),
    ]
}

/// Returns the query of the matching accounts of a log.
fn matches(definitions: &[DefinitionConfig], log: &[Vec<Row>]) -> Query {
    let events = log.iter().enumerate();
    let mut events: Vec<Vec<Expression>> = events
        .flat_map(|(account, rows)| rows.iter().map(move |row| event(account, *row)))
        .collect();
    // Whatever the order of the rows.
    events.reverse();
    let columns = [
        ("account_id", Type::Text),
        ("user_id", Type::Text),
        ("event", Type::Text),
        ("time", Type::Integer),
        ("known_at", Type::Integer),
        ("value_minutes", Type::Double),
    ];
    let mut stages = vec![stage(CLEAN_EVENTS, &columns, events)];
    let account = |account| vec![Expression::text(&id(account)), Expression::integer(SIGNED_UP)];
    let columns = [("account_id", Type::Text), ("signed_up", Type::Integer)];
    stages.push(stage(ACCOUNT_LIST, &columns, (0..ACCOUNTS).map(account).collect()));
    stages.extend(definition_stages(definitions, &["minutes".to_owned()]));
    let columns = [
        ("account_id", Type::Text),
        ("pql_types", Type::Text),
        ("pql_at", Type::Integer),
        ("pql_definitions", Type::Text),
    ];
    let select =
        columns.iter().fold(Select::from_stage(DEFINITION_MATCHES), |select, (name, kind)| {
            select.column(name, Expression::column(DEFINITION_MATCHES, name, *kind))
        });
    query(stages, select)
}

/// Returns what an account matches, as a row of the query.
fn expected(
    definitions: &[DefinitionConfig],
    account: usize,
    rows: Vec<Row>,
) -> Option<Vec<Value>> {
    let usage = event_store(rows);
    let compiled = Definition::compile_lenient(definitions, &usage).0;
    let first_match = |definition: &Definition| {
        usage.map(|events| definition.first_match(events, 0, SIGNED_UP)).unwrap()[0]
    };
    let times: Vec<Option<i64>> = compiled.iter().map(first_match).collect();
    let matched: Vec<&DefinitionConfig> =
        definitions.iter().zip(&times).filter(|(_, time)| time.is_some()).map(|(d, _)| d).collect();
    let kinds = DefinitionKind::ALL.iter().filter(|kind| matched.iter().any(|d| d.kind == **kind));
    let kinds: Vec<&str> = kinds.map(|kind| kind.name()).collect();
    let names: Vec<String> = matched.iter().map(|d| d.name.replace(';', ",")).collect();
    let first = times.iter().flatten().min()?;
    Some(vec![json!(id(account)), json!(kinds.join(";")), json!(first), json!(names.join(";"))])
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn first_matches_are_those_of_rust() {
    let mut runner = TestRunner::deterministic();
    let rules = proptest::collection::vec(rule(), 1..5);
    let logs =
        proptest::collection::vec(proptest::collection::vec(row(), 0..30), ACCOUNTS..=ACCOUNTS);
    for case in 0..12 {
        let rules = rules.new_tree(&mut runner).unwrap().current();
        let log = logs.new_tree(&mut runner).unwrap().current();
        let mut definitions: Vec<DefinitionConfig> = Vec::new();
        for (number, text) in rules.iter().enumerate() {
            let kind = DefinitionKind::ALL[(number + case) % DefinitionKind::ALL.len()];
            let name = NAMES[number].to_owned();
            definitions.extend(configs(text).into_iter().map(|d| DefinitionConfig {
                name: name.clone(),
                kind,
                ..d
            }));
        }
        let rows = log.iter().enumerate();
        let expected: Vec<Vec<Value>> = rows
            .filter_map(|(account, rows)| expected(&definitions, account, rows.clone()))
            .collect();
        let query = matches(&definitions, &log);
        for engine in Engine::selected() {
            let found = rows_of(engine, &query, Vec::new());
            assert_eq!(found.rows, expected, "{}: {rules:?}", engine.name());
        }
    }
}
