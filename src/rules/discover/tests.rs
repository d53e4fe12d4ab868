use polars::prelude::DataFrame;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::log::{
    Accounts, DailyCounts, DataQuality, EventStore, Events, MemberTimes, NO_USER, Names,
};
use crate::time::NEVER;

const NAMES: [&str; 4] = ["export", "invite", "login", "share"];

/// Simulates accounts that sign up over 400 days. `chance` maps the days of the events after
/// sign-up, by name, to the probability of a conversion between day 10 and day 40.
fn log(seed: u64, accounts: usize, chance: impl Fn(&[Vec<i64>; 4]) -> f64) -> Log {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut events =
        Events { accounts: 0..accounts, start: vec![0], user_start: vec![0], ..Events::default() };
    let (mut signed_up, mut converted) = (Vec::new(), Vec::new());
    for _ in 0..accounts {
        let start = random.random_range(0..400 * DAY);
        let mut rows: Vec<(i64, u16)> = Vec::new();
        let mut by_name: [Vec<i64>; 4] = Default::default();
        for name in 0..4_u16 {
            for _ in 0..random.random_range(0..14) {
                let time = random.random_range(0..20 * DAY);
                by_name[usize::from(name)].push(time / DAY);
                rows.push((start + time, name));
            }
        }
        rows.sort_unstable();
        let converts = random.random_bool(chance(&by_name));
        signed_up.push(start);
        converted.push(if converts {
            start + random.random_range(14 * DAY..30 * DAY)
        } else {
            NEVER
        });
        events.time.extend(rows.iter().map(|e| e.0));
        events.event.extend(rows.iter().map(|e| e.1));
        events.user.extend(rows.iter().map(|_| NO_USER));
        events.start.push(events.time.len());
        events.user_start.push(0);
    }
    Log {
        zone: crate::time::Zone::default(),
        events: EventStore::from_events(Names::from_sorted(NAMES.map(Box::from).to_vec()), events),
        accounts: Accounts {
            id: Names::from_sorted(
                (0..accounts).map(|a| format!("{a:06}").into_boxed_str()).collect(),
            ),
            signed_up,
            converted,
            churned: vec![NEVER; accounts],
            seats: None,
            revenue: None,
            first_revenue: None,
            attributes: DataFrame::empty_with_height(accounts),
            history: None,
        },
        since: 0,
        until: 460 * DAY,
        date_only: false,
        listed: true,
        quality: DataQuality::default(),
        warnings: Vec::new(),
        formats: std::collections::BTreeMap::new(),
        daily: DailyCounts::default(),
        members: MemberTimes::default(),
        dropped_accounts: std::collections::HashMap::default(),
        exclusions: None,
    }
}

/// Adds an event `twin` for each event `share`.
fn with_twin(usage: &EventStore) -> EventStore {
    let twins = |events: &Events| {
        let mut twin = Events {
            accounts: events.accounts.clone(),
            start: vec![0],
            user_start: vec![0],
            ..Events::default()
        };
        for account in events.accounts.clone() {
            for row in events.account_range(account) {
                let names =
                    if events.event[row] == 3 { vec![3, 4] } else { vec![events.event[row]] };
                twin.time.extend(names.iter().map(|_| events.time[row]));
                twin.user.extend(names.iter().map(|_| NO_USER));
                twin.event.extend(names);
            }
            twin.start.push(twin.time.len());
            twin.user_start.push(0);
        }
        twin
    };
    let names = NAMES.into_iter().chain(["twin"]).map(Box::from).collect();
    EventStore::from_events(Names::from_sorted(names), usage.map(twins).unwrap().remove(0))
}

fn search(days: &[i64]) -> SearchOptions {
    SearchOptions {
        days: days.to_vec(),
        horizon: 30 * DAY,
        min_accounts: 30,
        min_conversions: 10,
        since: 0,
        newer_from: 300 * DAY,
        excluded_events: BTreeSet::new(),
    }
}

#[test]
fn a_planted_rule_of_seven_events_in_ten_days_is_confirmed() {
    for seed in 0..5 {
        let log = log(seed, 4_000, |by_name| {
            if by_name[3].iter().filter(|day| **day < 10).count() >= 7 { 0.4 } else { 0.05 }
        });
        let found = discover(&log, &search(&[1, 3, 7, 10, 14, 28])).unwrap();
        let best = &found.rules[0];
        assert_eq!(best.definition.name, "share 7 times within 10 days", "seed {seed}");
        assert!(best.is_confirmed() && best.newer.lift().unwrap() > 2.0);
        let only_days = discover(&log, &search(&DAYS)).unwrap();
        assert!(
            only_days.rules[0].definition.name.contains("share"),
            "{}",
            only_days.rules[0].definition.name
        );
    }
}

#[test]
fn a_planted_pair_is_found() {
    let log = log(7, 6_000, |by_name| {
        let early = |name: usize| by_name[name].iter().filter(|day| **day < 7).count();
        if early(1) >= 2 && early(3) >= 2 { 0.4 } else { 0.04 }
    });
    let found = discover(&log, &search(&DAYS)).unwrap();
    assert_eq!(found.rules[0].definition.name, "invite 2 times and share 2 times within 7 days");
    assert!(found.rules[0].is_confirmed());
}

#[test]
fn no_rule_is_confirmed_without_signal() {
    let confirmed = |seed: u64| {
        let found = discover(&log(1_000 + seed, 1_500, |_| 0.1), &search(&DAYS)).unwrap();
        assert!(found.tried > 50, "{}", found.tried);
        found.rules.iter().any(Rule::is_confirmed)
    };
    let wrong = (0..100).filter(|seed| confirmed(*seed)).count();
    assert!(wrong <= 2, "{wrong} of 100");
}

#[test]
fn conversions_before_the_landmark_are_excluded() {
    // All conversions happen at day 14 or later, half of them before a landmark of 28 days.
    let log = log(3, 3_000, |_| 0.3);
    let found = discover(&log, &search(&[7, 28])).unwrap();
    assert_eq!(found.landmarks[0].converted_before, 0);
    let late = found.landmarks[1];
    assert!(
        late.converted_before > 500
            && late.older.conversions < found.landmarks[0].older.conversions
    );
}

#[test]
fn excluded_event_names_are_not_in_rules() {
    let log = log(0, 4_000, |by_name| if by_name[3].len() >= 7 { 0.5 } else { 0.05 });
    let without = SearchOptions { excluded_events: BTreeSet::from([3]), ..search(&DAYS) };
    let found = discover(&log, &without).unwrap();
    assert!(found.rules.iter().all(|rule| !rule.definition.name.contains("share")));
}

#[test]
fn near_duplicate_rules_are_dropped() {
    let mut log = log(4, 4_000, |by_name| if by_name[3].len() >= 7 { 0.5 } else { 0.05 });
    let found = discover(&log, &search(&[28])).unwrap();
    let plain = found.rules.len();
    log.events = with_twin(&log.events);
    let twice = discover(&log, &search(&[28])).unwrap();
    assert!(
        twice.near_duplicates > found.near_duplicates && twice.rules.len() <= plain + 1,
        "{} {} {plain}",
        twice.near_duplicates,
        twice.rules.len()
    );
    let shares = twice
        .rules
        .iter()
        .filter(|rule| rule.conditions == 1 && rule.definition.name.contains("share"));
    assert_eq!(shares.count(), 1);
}
