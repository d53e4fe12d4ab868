use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::log::{NO_USER, Names};
use crate::time::{DAY, SECOND};

/// An event: hours after the start, hours until it is known, name, user, value.
pub(crate) type Row = (i64, i64, u16, u32, f64);

pub(crate) const SIGNED_UP: i64 = 5 * 3_600 * SECOND;

/// Creates a log of one account.
pub(crate) fn event_store(mut rows: Vec<Row>) -> EventStore {
    rows.sort_by_key(|row| row.0);
    let hours = |hours: i64| hours * 3_600 * SECOND;
    let events = Events {
        accounts: 0..1,
        start: vec![0, rows.len()],
        time: rows.iter().map(|row| hours(row.0)).collect(),
        known_at: Some(rows.iter().map(|row| hours(row.0 + row.1)).collect()),
        event: rows.iter().map(|row| row.2).collect(),
        user: rows.iter().map(|row| if row.3 == 3 { NO_USER } else { row.3 }).collect(),
        values: vec![rows.iter().map(|row| row.4).collect()],
        user_start: vec![0, 3],
        users: vec![0, 1, 2],
        days: crate::time::LocalDays::default(),
    };
    let mut store = EventStore::from_events(
        Names::from_sorted(["a", "b", "c"].map(Box::from).to_vec()),
        events,
    );
    store.values = vec!["minutes".to_owned()];
    store
}

pub(crate) fn configs(text: &str) -> Vec<DefinitionConfig> {
    Config::parse(
        &format!("[[definition]]\nname = \"d\"\n{text}"),
        std::path::Path::new("pql.toml"),
        &[],
    )
    .unwrap()
    .definition
}

fn first_match(text: &str, rows: Vec<Row>) -> Option<i64> {
    let usage = event_store(rows);
    let definition = Definition::compile(&configs(text), &usage).unwrap().remove(0);
    usage.map(|events| definition.first_match(events, 0, SIGNED_UP)).unwrap()[0]
}

/// Returns whether some events meet a condition, by direct counting.
fn is_met(condition: &Condition, usage: &EventStore, events: &Events, rows: &[usize]) -> bool {
    let distinct =
        |keys: Vec<i64>| keys.into_iter().collect::<std::collections::HashSet<_>>().len() as u64;
    if !condition.all.is_empty() {
        return condition.all.iter().all(|c| is_met(c, usage, events, rows));
    }
    if !condition.any.is_empty() {
        return condition.any.iter().any(|c| is_met(c, usage, events, rows));
    }
    if let Some(least) = condition.users {
        return distinct(
            rows.iter()
                .filter(|row| events.user[**row] != NO_USER)
                .map(|row| i64::from(events.user[*row]))
                .collect(),
        ) >= least;
    }
    if let Some(least) = condition.features {
        return distinct(rows.iter().map(|row| i64::from(events.event[*row])).collect()) >= least;
    }
    if let Some(least) = condition.active_days {
        return distinct(
            rows.iter().map(|row| events.time[*row].max(SIGNED_UP).div_euclid(DAY)).collect(),
        ) >= least;
    }
    let code = usage.names.code(condition.event.as_ref().unwrap()).unwrap();
    let named: Vec<usize> =
        rows.iter().copied().filter(|row| usize::from(events.event[*row]) == code).collect();
    let amount = match &condition.sum {
        None => f64::from(u32::try_from(named.len()).unwrap()),
        Some(_) => named.iter().map(|row| events.values[0][*row]).filter(|v| !v.is_nan()).sum(),
    };
    amount >= condition.at_least.unwrap_or(1.0)
}

/// Computes the first match by trying every event as the last one.
fn first_match_by_brute_force(
    rule: &DefinitionConfig,
    usage: &EventStore,
    events: &Events,
) -> Option<i64> {
    let end = rule.within.map_or(i64::MAX, |within| SIGNED_UP + within.0);
    let known = |row: usize| events.known_at(row).max(SIGNED_UP);
    let mut order: Vec<usize> = events.account_range(0).filter(|row| known(*row) < end).collect();
    order.sort_by_key(|row| (known(*row), *row));
    let whole = Condition { all: rule.all.clone(), any: rule.any.clone(), ..Condition::default() };
    // Events that become known together count together.
    let is_last =
        |len: &usize| order.get(*len).is_none_or(|next| known(*next) > known(order[len - 1]));
    (1..=order.len())
        .filter(is_last)
        .find(|len| is_met(&whole, usage, events, &order[..*len]))
        .map(|len| known(order[len - 1]))
}

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..3_usize, 1..6_u32).prop_map(|(name, n)| format!(
            "{{ event = \"{}\", at_least = {n} }}",
            ["a", "b", "c"][name]
        )),
        (0..3_usize, 1..9_u32).prop_map(|(name, n)| format!(
            "{{ event = \"{}\", sum = \"minutes\", at_least = {n}.5 }}",
            ["a", "b", "c"][name]
        )),
        (1..4_u32).prop_map(|n| format!("{{ users = {n} }}")),
        (1..4_u32).prop_map(|n| format!("{{ features = {n} }}")),
        (1..5_u32).prop_map(|n| format!("{{ active_days = {n} }}")),
    ]
}

fn group(node: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (any::<bool>(), proptest::collection::vec(node, 1..4)).prop_map(|(all, nodes)| {
        format!("{} = [{}]", if all { "all" } else { "any" }, nodes.join(", "))
    })
}

pub(crate) fn rule() -> impl Strategy<Value = String> {
    let node = prop_oneof![3 => condition(), 1 => group(condition()).prop_map(|inner| format!("{{ {inner} }}"))];
    (group(node), proptest::option::of(49..200_u32)).prop_map(|(group, within)| match within {
        Some(hours) => format!("within = \"{hours}h\"\n{group}\n"),
        None => format!("{group}\n"),
    })
}

pub(crate) fn row() -> impl Strategy<Value = Row> {
    let value = prop_oneof![Just(f64::NAN), (-3..6_i32).prop_map(f64::from)];
    (0..240_i64, prop_oneof![Just(0), Just(0), 0..72_i64], 0..3_u16, 0..4_u32, value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn first_match_equals_brute_force(text in rule(), rows in proptest::collection::vec(row(), 0..40)) {
        let (usage, configs) = (event_store(rows), configs(&text));
        let definition = Definition::compile(&configs, &usage).unwrap().remove(0);
        usage.map(|events| assert_eq!(definition.first_match(events, 0, SIGNED_UP), first_match_by_brute_force(&configs[0], &usage, events), "{text}")).unwrap();
    }
}

#[test]
fn first_match_is_the_time_of_the_completing_event() {
    let hour = 3_600 * SECOND;
    let rows =
        || vec![(6, 0, 0, 0, 1.0), (7, 0, 1, 0, 1.0), (8, 0, 0, 1, 1.0), (200, 0, 2, 2, 1.0)];
    assert_eq!(
        first_match("all = [{ event = \"a\", at_least = 2 }, { event = \"b\" }]", rows()),
        Some(8 * hour)
    );
    assert_eq!(
        first_match("any = [{ event = \"a\", at_least = 2 }, { event = \"b\" }]", rows()),
        Some(7 * hour)
    );
    assert_eq!(first_match("all = [{ users = 3 }]", rows()), Some(200 * hour));
    assert_eq!(
        first_match("within = \"195h\"\nall = [{ users = 3 }]", rows()),
        None,
        "the time limit is exclusive"
    );
    assert_eq!(first_match("within = \"196h\"\nall = [{ users = 3 }]", rows()), Some(200 * hour));
    assert_eq!(
        first_match("all = [{ event = \"a\" }]", vec![(1, 0, 0, 0, 1.0)]),
        Some(SIGNED_UP),
        "events before the sign-up count from the sign-up"
    );
    assert_eq!(
        first_match("all = [{ event = \"a\" }]", vec![(6, 10, 0, 0, 1.0)]),
        Some(16 * hour),
        "events count from the time they are known"
    );
}

#[test]
fn a_sum_counts_all_events_of_a_moment_and_tolerates_rounding_errors() {
    let sum = |at_least: f64| {
        format!("all = [{{ event = \"a\", sum = \"minutes\", at_least = {at_least:?} }}]")
    };
    let rows = || vec![(6, 0, 0, 0, 3.0), (6, 0, 0, 0, -2.0), (7, 0, 0, 0, 1.5)];
    let hour = 3_600 * SECOND;
    assert_eq!(first_match(&sum(3.0), rows()), None, "the sum is 1 and then 2.5");
    assert_eq!(first_match(&sum(2.0), rows()), Some(7 * hour));
    let tenths = |n: usize| (0..n).map(|i| (6 + i64::try_from(i).unwrap(), 0, 0, 0, 0.1)).collect();
    assert_eq!(first_match(&sum(1.0), tenths(10)), Some(15 * hour));
    assert_eq!(first_match(&sum(1.0), tenths(9)), None);
}

#[test]
fn names_missing_in_the_log_are_errors_with_a_suggestion() {
    let usage = event_store(Vec::new());
    let unknown = |text: &str| Definition::compile(&configs(text), &usage).unwrap_err();
    let problem = |unknown: &UnknownName| Warning::from(unknown.clone()).to_string();
    let of_event = unknown("any = [{ event = \"B\" }]");
    assert!(problem(&of_event).contains("`B`"), "{of_event:?}");
    let of_value = unknown("any = [{ event = \"b\", sum = \"minute\", at_least = 1 }]");
    assert!(
        problem(&of_value).contains("`d` sums `minute`")
            && of_value.missing.suggestion() == Some("minutes"),
        "{of_value:?}"
    );
}
