use polars::prelude::DataFrame;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::log::{Accounts, Events, NO_USER, Names, Quality, Usage};
use crate::time::NEVER;

const NAMES: [&str; 4] = ["export", "invite", "login", "share"];

/// Accounts that sign up over 400 days; `chance` tells from the days of the events after sign-up,
/// by name, how likely one converts between day 10 and day 40.
fn log(seed: u64, accounts: usize, chance: impl Fn(&[Vec<i64>; 4]) -> f64) -> Log {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut events =
        Events { accounts: 0..accounts, start: vec![0], user_start: vec![0], ..Events::default() };
    let (mut signed_up, mut converted) = (Vec::new(), Vec::new());
    for _ in 0..accounts {
        let start = random.random_range(0..400 * DAY);
        let mut of: Vec<(i64, u16)> = Vec::new();
        let mut by_name: [Vec<i64>; 4] = Default::default();
        for name in 0..4_u16 {
            for _ in 0..random.random_range(0..14) {
                let at = random.random_range(0..20 * DAY);
                by_name[usize::from(name)].push(at / DAY);
                of.push((start + at, name));
            }
        }
        of.sort_unstable();
        let converts = random.random_bool(chance(&by_name));
        signed_up.push(start);
        converted.push(if converts {
            start + random.random_range(14 * DAY..30 * DAY)
        } else {
            NEVER
        });
        events.time.extend(of.iter().map(|e| e.0));
        events.event.extend(of.iter().map(|e| e.1));
        events.user.extend(of.iter().map(|_| NO_USER));
        events.start.push(events.time.len());
        events.user_start.push(0);
    }
    Log {
        events: Usage::of(Names::from_sorted(NAMES.map(Box::from).to_vec()), events),
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
        },
        since: 0,
        until: 460 * DAY,
        date_only: false,
        listed: true,
        quality: Quality::default(),
        warnings: Vec::new(),
    }
}

/// The same log with a "twin" beside each "share".
fn with_twin(usage: &Usage) -> Usage {
    let twins = |events: &Events| {
        let mut twin = Events {
            accounts: events.accounts.clone(),
            start: vec![0],
            user_start: vec![0],
            ..Events::default()
        };
        for account in events.accounts.clone() {
            for at in events.of(account) {
                let names = if events.event[at] == 3 { vec![3, 4] } else { vec![events.event[at]] };
                twin.time.extend(names.iter().map(|_| events.time[at]));
                twin.user.extend(names.iter().map(|_| NO_USER));
                twin.event.extend(names);
            }
            twin.start.push(twin.time.len());
            twin.user_start.push(0);
        }
        twin
    };
    let names = NAMES.into_iter().chain(["twin"]).map(Box::from).collect();
    Usage::of(Names::from_sorted(names), usage.map(twins).unwrap().remove(0))
}

fn search(days: &[i64]) -> Search {
    Search {
        days: days.to_vec(),
        horizon: 30 * DAY,
        support: 30,
        conversions: 10,
        since: 0,
        newer_from: 300 * DAY,
        leave_out: BTreeSet::new(),
    }
}

#[test]
fn a_planted_seven_in_ten_days_is_found_and_confirmed() {
    for seed in 0..5 {
        let log = log(seed, 4_000, |by_name| {
            if by_name[3].iter().filter(|day| **day < 10).count() >= 7 { 0.4 } else { 0.05 }
        });
        let found = discover(&log, &search(&[1, 3, 7, 10, 14, 28])).unwrap();
        let best = &found.rules[0];
        assert_eq!(best.definition.name, "7 share in 10 days", "seed {seed}");
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
    assert_eq!(found.rules[0].definition.name, "2 invite and 2 share in 7 days");
    assert!(found.rules[0].is_confirmed());
}

#[test]
fn where_nothing_is_nothing_is_confirmed() {
    let confirmed = |seed: u64| {
        let found = discover(&log(1_000 + seed, 1_500, |_| 0.1), &search(&DAYS)).unwrap();
        assert!(found.tried > 50, "{}", found.tried);
        found.rules.iter().any(Rule::is_confirmed)
    };
    let wrong = (0..100).filter(|seed| confirmed(*seed)).count();
    assert!(wrong <= 2, "{wrong} of 100");
}

#[test]
fn who_converts_before_the_landmark_tells_nothing_of_it() {
    // All conversions come at day 14 or later: at a landmark of 28 days half of them are over.
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
fn a_name_that_is_left_out_is_no_candidate() {
    let log = log(0, 4_000, |by_name| if by_name[3].len() >= 7 { 0.5 } else { 0.05 });
    let without = Search { leave_out: BTreeSet::from([3]), ..search(&DAYS) };
    let found = discover(&log, &without).unwrap();
    assert!(found.rules.iter().all(|rule| !rule.definition.name.contains("share")));
}

#[test]
fn one_rule_under_two_names_is_told_once() {
    let mut log = log(4, 4_000, |by_name| if by_name[3].len() >= 7 { 0.5 } else { 0.05 });
    let found = discover(&log, &search(&[28])).unwrap();
    let plain = found.rules.len();
    log.events = with_twin(&log.events);
    let twice = discover(&log, &search(&[28])).unwrap();
    assert!(
        twice.alike > found.alike && twice.rules.len() <= plain + 1,
        "{} {} {plain}",
        twice.alike,
        twice.rules.len()
    );
    let shares = twice
        .rules
        .iter()
        .filter(|rule| rule.conditions == 1 && rule.definition.name.contains("share"));
    assert_eq!(shares.count(), 1);
}
