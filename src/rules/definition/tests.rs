use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::log::{NO_USER, Names};
use crate::time::{DAY, SECOND};

/// An event: hours after the start, hours until it is known, name, user, value.
type Row = (i64, i64, u16, u32, f64);

const SIGNED_UP: i64 = 5 * 3_600 * SECOND;

/// A log of one account.
fn usage(mut rows: Vec<Row>) -> Usage {
    rows.sort_by_key(|row| row.0);
    let hours = |hours: i64| hours * 3_600 * SECOND;
    let events = Events {
        accounts: 0..1,
        start: vec![0, rows.len()],
        time: rows.iter().map(|row| hours(row.0)).collect(),
        seen: Some(rows.iter().map(|row| hours(row.0 + row.1)).collect()),
        event: rows.iter().map(|row| row.2).collect(),
        user: rows.iter().map(|row| if row.3 == 3 { NO_USER } else { row.3 }).collect(),
        values: vec![rows.iter().map(|row| row.4).collect()],
        user_start: vec![0, 3],
        users: vec![0, 1, 2],
    };
    let mut usage = Usage::of(Names::from_sorted(["a", "b", "c"].map(Box::from).to_vec()), events);
    usage.values = vec!["minutes".to_owned()];
    usage
}

fn rules(text: &str) -> Vec<DefinitionRule> {
    Config::parse(
        &format!("[[definition]]\nname = \"d\"\n{text}"),
        std::path::Path::new("pql.toml"),
        &[],
    )
    .unwrap()
    .definition
}

fn holds_at(text: &str, rows: Vec<Row>) -> Option<i64> {
    let usage = usage(rows);
    let definition = Definition::compile(&rules(text), &usage).unwrap().remove(0);
    usage.map(|events| definition.holds_at(events, 0, SIGNED_UP)).unwrap()[0]
}

/// Whether a condition holds of some events, counted anew.
fn holds(condition: &Condition, usage: &Usage, events: &Events, of: &[usize]) -> bool {
    let distinct =
        |keys: Vec<i64>| keys.into_iter().collect::<std::collections::HashSet<_>>().len() as u64;
    if !condition.all.is_empty() {
        return condition.all.iter().all(|c| holds(c, usage, events, of));
    }
    if !condition.any.is_empty() {
        return condition.any.iter().any(|c| holds(c, usage, events, of));
    }
    if let Some(least) = condition.users {
        return distinct(
            of.iter()
                .filter(|at| events.user[**at] != NO_USER)
                .map(|at| i64::from(events.user[*at]))
                .collect(),
        ) >= least;
    }
    if let Some(least) = condition.features {
        return distinct(of.iter().map(|at| i64::from(events.event[*at])).collect()) >= least;
    }
    if let Some(least) = condition.active_days {
        return distinct(
            of.iter().map(|at| events.time[*at].max(SIGNED_UP).div_euclid(DAY)).collect(),
        ) >= least;
    }
    let code = usage.names.code(condition.event.as_ref().unwrap()).unwrap();
    let of_name: Vec<usize> =
        of.iter().copied().filter(|at| usize::from(events.event[*at]) == code).collect();
    let amount = match &condition.sum {
        None => f64::from(u32::try_from(of_name.len()).unwrap()),
        Some(_) => of_name.iter().map(|at| events.values[0][*at]).filter(|v| !v.is_nan()).sum(),
    };
    amount >= condition.at_least.unwrap_or(1.0)
}

/// The same by trying every event as the last one.
fn by_force(rule: &DefinitionRule, usage: &Usage, events: &Events) -> Option<i64> {
    let end = rule.within.map_or(i64::MAX, |within| SIGNED_UP + within.0);
    let known = |at: usize| events.seen_at(at).max(SIGNED_UP);
    let mut order: Vec<usize> = events.of(0).filter(|at| known(*at) < end).collect();
    order.sort_by_key(|at| (known(*at), *at));
    let whole = Condition { all: rule.all.clone(), any: rule.any.clone(), ..Condition::default() };
    (1..=order.len())
        .find(|len| holds(&whole, usage, events, &order[..*len]))
        .map(|len| known(order[len - 1]))
}

fn leaf() -> impl Strategy<Value = String> {
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

fn group(of: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (any::<bool>(), proptest::collection::vec(of, 1..4))
        .prop_map(|(all, of)| format!("{} = [{}]", if all { "all" } else { "any" }, of.join(", ")))
}

fn rule() -> impl Strategy<Value = String> {
    let node =
        prop_oneof![3 => leaf(), 1 => group(leaf()).prop_map(|inner| format!("{{ {inner} }}"))];
    (group(node), proptest::option::of(49..200_u32)).prop_map(|(group, within)| match within {
        Some(hours) => format!("within = \"{hours}h\"\n{group}\n"),
        None => format!("{group}\n"),
    })
}

fn row() -> impl Strategy<Value = Row> {
    let value = prop_oneof![Just(f64::NAN), (-3..6_i32).prop_map(f64::from)];
    (0..240_i64, prop_oneof![Just(0), Just(0), 0..72_i64], 0..3_u16, 0..4_u32, value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn a_definition_holds_when_it_holds_counted_anew(text in rule(), rows in proptest::collection::vec(row(), 0..40)) {
        let (usage, rules) = (usage(rows), rules(&text));
        let definition = Definition::compile(&rules, &usage).unwrap().remove(0);
        usage.map(|events| assert_eq!(definition.holds_at(events, 0, SIGNED_UP), by_force(&rules[0], &usage, events), "{text}")).unwrap();
    }
}

#[test]
fn the_event_that_completes_it_tells_the_time() {
    let hour = 3_600 * SECOND;
    let rows =
        || vec![(6, 0, 0, 0, 1.0), (7, 0, 1, 0, 1.0), (8, 0, 0, 1, 1.0), (200, 0, 2, 2, 1.0)];
    assert_eq!(
        holds_at("all = [{ event = \"a\", at_least = 2 }, { event = \"b\" }]", rows()),
        Some(8 * hour)
    );
    assert_eq!(
        holds_at("any = [{ event = \"a\", at_least = 2 }, { event = \"b\" }]", rows()),
        Some(7 * hour)
    );
    assert_eq!(holds_at("all = [{ users = 3 }]", rows()), Some(200 * hour));
    assert_eq!(
        holds_at("within = \"195h\"\nall = [{ users = 3 }]", rows()),
        None,
        "the time is over at that instant"
    );
    assert_eq!(holds_at("within = \"196h\"\nall = [{ users = 3 }]", rows()), Some(200 * hour));
    assert_eq!(
        holds_at("all = [{ event = \"a\" }]", vec![(1, 0, 0, 0, 1.0)]),
        Some(SIGNED_UP),
        "what comes before counts from there on"
    );
    assert_eq!(
        holds_at("all = [{ event = \"a\" }]", vec![(6, 10, 0, 0, 1.0)]),
        Some(16 * hour),
        "from when it is known on"
    );
}

#[test]
fn a_name_that_the_log_does_not_have_is_an_error_with_the_nearest() {
    let usage = usage(Vec::new());
    let unknown = |text: &str| Definition::compile(&rules(text), &usage).unwrap_err();
    let problem = |unknown: &Unknown| Warning::from(unknown.clone()).to_string();
    let of_event = unknown("any = [{ event = \"B\" }]");
    assert!(problem(&of_event).contains("`d` counts the event `B`"), "{of_event:?}");
    let of_value = unknown("any = [{ event = \"b\", sum = \"minute\", at_least = 1 }]");
    assert!(
        problem(&of_value).contains("`d` sums `minute`") && of_value.lack.near() == Some("minutes"),
        "{of_value:?}"
    );
}
