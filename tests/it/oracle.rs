//! Compares every usage feature with a direct implementation of its definition, which scans all
//! events for each row.

mod definitions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use definitions::{count, float, lifetime, one_window, users, within};
use polars::prelude::DataFrame;
use pql::config::Config;
use pql::dataset::features::{FeatureCatalog, compute};
use pql::dataset::observations::{Observations, Outcome, observe};
use pql::dataset::split::{Split, SplitOptions};
use pql::io::progress::Progress;
use pql::log::{ColumnTypes, Log, LogBounds, LogSources, ingest};
use pql::time::iso;

use crate::common::{DAY, Lcg, NEW_YEAR, close, csv_rows, root, run, text};

const MINUTE: i64 = 60_000_000;

/// An event of the file.
#[derive(Debug, Clone)]
struct Event {
    account: String,
    user: Option<String>,
    name: &'static str,
    time: i64,
    received: Option<i64>,
    minutes: Option<f64>,
    credits: Option<f64>,
}

impl Event {
    /// Returns the time when the event became known.
    fn known_at(&self) -> i64 {
        self.received.map_or(self.time, |r| r.max(self.time))
    }
}

/// An account of the file.
#[derive(Debug, Clone)]
struct Account {
    id: String,
    signed_up: i64,
    converted: Option<i64>,
    seats: Option<f64>,
}

/// Event names by role.
const LOGIN: [&str; 2] = ["login", "sso"];
const VALUE: [&str; 1] = ["report"];
const INVITE: [&str; 2] = ["invite", "login"];
const LIMIT: [&str; 1] = ["limit"];
const HAND_RAISE: [&str; 1] = ["ask \"sales\", now"];
const NO_USAGE: [&str; 2] = ["paid", "invoice"];
const NAMES: [&str; 9] =
    ["login", "sso", "report", "invite", "limit", "ask \"sales\", now", "open", "paid", "invoice"];

/// A random log with many edge cases.
#[expect(clippy::struct_excessive_bools, reason = "each is an optional column or file")]
struct World {
    events: Vec<Event>,
    accounts: Vec<Account>,
    listed: bool,
    seats: bool,
    received: bool,
    users: bool,
    windows: &'static [i64],
    counts: usize,
    /// End of the log.
    until: i64,
    age: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut lcg = Lcg::new(seed);
        let until = NEW_YEAR + 100 * DAY + if lcg.chance(50) { 0 } else { lcg.below(DAY) };
        let windows: &[i64] = [&[1_i64, 7][..], &[7, 14, 28], &[1], &[28, 3], &[2, 5, 7, 14]]
            [usize::try_from(seed % 5).unwrap()];
        let mut world = Self {
            events: Vec::new(),
            accounts: Vec::new(),
            listed: !seed.is_multiple_of(3),
            seats: lcg.chance(70),
            received: lcg.chance(60),
            users: lcg.chance(85),
            windows,
            counts: usize::try_from(lcg.below(7)).unwrap(),
            until,
            age: 1 + lcg.below(20),
        };
        // Every log has at least this account.
        world.accounts.push(Account {
            id: "quiet".to_owned(),
            signed_up: NEW_YEAR,
            converted: None,
            seats: None,
        });
        let first = Event {
            account: "quiet".to_owned(),
            user: None,
            name: "open",
            time: NEW_YEAR,
            received: None,
            minutes: None,
            credits: None,
        };
        world.events.push(first);
        for number in 0..2 + lcg.below(7) {
            let signed_up =
                NEW_YEAR + lcg.below(70) * DAY + if lcg.chance(30) { 0 } else { lcg.below(DAY) };
            let converted = lcg.chance(40).then(|| signed_up + lcg.below(90 * DAY));
            let seats = match lcg.below(4) {
                0 => None,
                1 => Some(0.0),
                n => Some(f64::from(i32::try_from(n * 3).unwrap()) / 2.0),
            };
            world.accounts.push(Account { id: format!("a{number}"), signed_up, converted, seats });
            world.add_events(number, signed_up, &mut lcg);
        }
        lcg.shuffle(&mut world.events);
        world
    }

    fn add_events(&mut self, number: i64, signed_up: i64, lcg: &mut Lcg) {
        let mut times = Vec::new();
        let most = if lcg.chance(20) { 2 } else { 120 };
        for _ in 0..lcg.below(most) {
            let time = match lcg.below(7) {
                // At or next to the boundary of a window or day.
                0 | 1 => self.border(signed_up, lcg) - lcg.below(60) * DAY + (lcg.below(3) - 1),
                // A session across a boundary, or one that barely ends.
                2 => {
                    self.border(signed_up, lcg) - *lcg.pick(self.windows) * DAY
                        + (lcg.below(7) - 3) * 10 * MINUTE
                }
                3 if !times.is_empty() => *lcg.pick(&times) + 30 * MINUTE - lcg.below(2),
                // At the same time as another event.
                4 if !times.is_empty() => *lcg.pick(&times),
                5 if !times.is_empty() => *lcg.pick(&times) + lcg.below(40 * MINUTE),
                _ => signed_up - 5 * DAY + lcg.below(80 * DAY),
            };
            times.push(time);
            let late = self.received && lcg.chance(25);
            self.events.push(Event {
                account: format!("a{number}"),
                user: (self.users && lcg.chance(80)).then(|| format!("u{}", lcg.below(4))),
                name: lcg.pick::<&str>(&NAMES),
                time,
                received: late.then(|| time + lcg.below(12 * DAY) - DAY),
                minutes: lcg.chance(70).then(|| float(lcg.below(1_000)) / 7.0 - 20.0),
                credits: lcg.chance(50).then(|| float(lcg.below(10))),
            });
        }
    }

    /// Returns a cutoff of either scheme.
    fn border(&self, signed_up: i64, lcg: &mut Lcg) -> i64 {
        if lcg.chance(50) {
            signed_up + self.age * DAY
        } else {
            self.until - 10 * DAY - lcg.below(8) * 7 * DAY
        }
    }

    fn write(&self, dir: &Path) -> Config {
        let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
        let number = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
        let mut file = String::from("account_id,event,timestamp,minutes,credits");
        file.push_str(if self.users { ",user_id" } else { "" });
        file.push_str(if self.received { ",received_at\n" } else { "\n" });
        for e in &self.events {
            let mut cells = vec![
                e.account.clone(),
                quoted(e.name),
                iso(e.time),
                number(e.minutes),
                number(e.credits),
            ];
            cells.extend(self.users.then(|| e.user.clone().unwrap_or_default()));
            cells.extend(self.received.then(|| e.received.map_or(String::new(), iso)));
            writeln!(file, "{}", cells.join(",")).unwrap();
        }
        std::fs::write(dir.join("events.csv"), file).unwrap();
        let mut list = format!(
            "account_id,signed_up_at,converted_at{}\n",
            if self.seats { ",seats" } else { "" }
        );
        for a in &self.accounts {
            let mut cells =
                vec![a.id.clone(), iso(a.signed_up), a.converted.map_or(String::new(), iso)];
            cells.extend(self.seats.then(|| number(a.seats)));
            writeln!(list, "{}", cells.join(",")).unwrap();
        }
        std::fs::write(dir.join("accounts.csv"), list).unwrap();
        let windows: Vec<String> = self.windows.iter().map(|w| format!("\"{w}d\"")).collect();
        let toml = format!(
            "[[events]]\npath = \"events.csv\"\nvalues = [\"minutes\", \"credits\"]\n{}{}\n[roles]\nlogin = {LOGIN:?}\nvalue = {VALUE:?}\n\
             invite = {INVITE:?}\nlimit = {LIMIT:?}\nhand_raise = {HAND_RAISE:?}\nconverted = [\"paid\"]\nexclude = [\"invoice\"]\n\
             [observation]\nuntil = \"{}\"\nhorizon = \"10d\"\nage = \"{}d\"\n[features]\nwindows = [{}]\nevent_types = {}\n",
            if self.received { "received = \"received_at\"\n" } else { "" },
            if self.listed { "[accounts]\npath = \"accounts.csv\"\n" } else { "" },
            iso(self.until),
            self.age,
            windows.join(", "),
            self.counts
        );
        Config::parse(&toml, &dir.join("pql.toml"), &[]).unwrap()
    }

    /// Returns the sign-up and seats of an account; without a list, the sign-up is the time at
    /// which the first event became known.
    fn account(&self, id: &str) -> (i64, Option<f64>) {
        if self.listed {
            let account = self.accounts.iter().find(|a| a.id == id).unwrap();
            return (account.signed_up, account.seats.filter(|_| self.seats));
        }
        let first = self
            .events
            .iter()
            .filter(|e| e.account == id && e.known_at() < self.until)
            .map(Event::known_at)
            .min();
        (first.unwrap(), None)
    }

    /// Computes all features of a row, by name.
    fn features(&self, id: &str, cutoff: i64, counted: &[String]) -> BTreeMap<String, Option<f64>> {
        let (signed_up, seats) = self.account(id);
        let known = |e: &&Event| {
            e.account == id
                && e.time < cutoff
                && e.known_at() < cutoff
                && !NO_USAGE.contains(&e.name)
        };
        let seen: Vec<&Event> = self.events.iter().filter(known).collect();
        let mut row = lifetime(&seen, signed_up, cutoff);
        for window in self.windows {
            let mut put = |measure: &str, value: Option<f64>| {
                row.insert(format!("{measure}_{window}d"), value)
            };
            one_window(&seen, (signed_up, cutoff), *window, &mut put);
            if self.listed && self.seats {
                let users = users(&within(&seen, cutoff - window * DAY, cutoff));
                put("seat_utilization", seats.filter(|s| *s > 0.0).map(|s| count(users.len()) / s));
            }
            for name in counted {
                let of_name = |e: &&&Event| e.name == name;
                put(
                    &format!("count_{name}"),
                    Some(count(
                        within(&seen, cutoff - window * DAY, cutoff).iter().filter(of_name).count(),
                    )),
                );
            }
        }
        row
    }

    /// Returns the event names that most training accounts used before the first test cutoff.
    fn most_used(&self, log: &Log, observations: &Observations) -> Vec<String> {
        let all: BTreeSet<u32> = observations.account.iter().copied().collect();
        let train: BTreeSet<u32> = observations
            .split_rows(Split::Train)
            .iter()
            .map(|r| observations.account[*r as usize])
            .collect();
        let (accounts, before) = if train.is_empty() {
            (all, self.until)
        } else {
            (train, observations.first_test.unwrap_or(self.until))
        };
        let mut ranks = Vec::new();
        for name in NAMES.iter().filter(|n| !NO_USAGE.contains(n)) {
            let uses = |a: &&u32| {
                let id = &log.accounts.id[**a as usize];
                self.events
                    .iter()
                    .any(|e| e.account == *id && e.name == *name && e.known_at() < before)
            };
            ranks.push((
                -i64::try_from(accounts.iter().filter(uses).count()).unwrap(),
                (*name).to_owned(),
            ));
        }
        ranks.sort();
        ranks.into_iter().filter(|(n, _)| *n < 0).map(|(_, name)| name).take(self.counts).collect()
    }
}

/// Compares every value of a feature table with the oracle; returns the number of values.
fn compare(
    world: &World,
    log: &Log,
    rows: &Observations,
    catalog: &FeatureCatalog,
    frame: &DataFrame,
    label: &str,
) -> usize {
    assert_eq!(frame.height(), rows.len());
    let mut compared = 0;
    let columns: Vec<(String, Vec<Option<f64>>)> = frame
        .columns()
        .iter()
        .map(|c| (c.name().to_string(), c.f64().unwrap().iter().collect()))
        .collect();
    for row in 0..rows.len() {
        let (id, cutoff) = (&log.accounts.id[rows.account[row] as usize], rows.cutoff[row]);
        let mut expected = world.features(id, cutoff, &catalog.counted_events);
        for (name, values) in &columns {
            let expected_value = expected
                .remove(name)
                .unwrap_or_else(|| panic!("{label}: unknown feature `{name}`"));
            let value = values[row];
            assert!(
                close(value, expected_value),
                "{label}: {name} of {id} at {}: found {value:?}, expected {expected_value:?}",
                iso(cutoff)
            );
            compared += 1;
        }
        assert!(expected.is_empty(), "{label}: missing columns {expected:?}");
    }
    compared
}

/// Adds velocities and trends of windows that no account is old enough for.
fn with_all_windows(catalog: &mut FeatureCatalog) {
    catalog.velocity_windows.clone_from(&catalog.windows);
    catalog.trend_windows.clone_from(&catalog.windows);
}

fn read(config: &Config, until: i64) -> Log {
    let types = ColumnTypes::default();
    let sources = LogSources {
        events: &config.events,
        accounts: config.accounts.as_ref(),
        users: config.users.as_ref(),
        roles: &config.roles,
        types: &types,
        memory: pql::log::DEFAULT_MEMORY,
        names_dropped: false,
    };
    ingest(
        &sources,
        LogBounds {
            now: i64::MAX,
            since: None,
            until: Some(until),
            zone: pql::time::Zone::default(),
        },
        &Progress::silent(),
    )
    .unwrap()
}

#[test]
fn every_feature_matches_its_definition_for_both_cutoff_schemes() {
    let mut compared = 0;
    for seed in 0..60 {
        let world = World::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut config = world.write(dir.path());
        let log = read(&config, world.until);
        for scheme in [pql::config::CutoffScheme::Snapshot, pql::config::CutoffScheme::Age] {
            config.observation.cutoffs = scheme;
            // A small log may have no account of the age.
            let Ok(rows) = observe(&log, &config.observation, SplitOptions::newest(0.3)) else {
                continue;
            };
            let (mut catalog, dropped) =
                FeatureCatalog::fit(&log, &rows, &config.features, &config.roles).unwrap();
            let (names, sums) =
                (world.most_used(&log, &rows), ["minutes", "credits"].map(str::to_owned).to_vec());
            // These logs never have the ten training accounts that a feature requires; without any
            // training accounts, no support is required.
            if rows.split_rows(Split::Train).is_empty() {
                assert_eq!(
                    (&catalog.counted_events, &catalog.summed_properties),
                    (&names, &sums),
                    "log {seed}, {scheme:?}"
                );
            } else {
                assert!(
                    catalog.counted_events.is_empty() && catalog.summed_properties.is_empty(),
                    "log {seed}, {scheme:?}"
                );
                for name in &names {
                    assert!(
                        dropped.iter().any(|l| l.column == format!("count_{name}")),
                        "log {seed}, {scheme:?}: {dropped:?}"
                    );
                }
            }
            (catalog.counted_events, catalog.summed_properties) = (names, sums);
            with_all_windows(&mut catalog);
            let frame = compute(&catalog, &log, &rows, &Progress::silent()).unwrap();
            compared +=
                compare(&world, &log, &rows, &catalog, &frame, &format!("log {seed}, {scheme:?}"));
        }
    }
    assert!(compared > 50_000, "{compared}");
}

#[test]
fn every_feature_matches_its_definition_at_many_cutoffs_of_an_account() {
    let mut compared = 0;
    for seed in 100..140 {
        let world = World::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let config = world.write(dir.path());
        let log = read(&config, world.until);
        let mut lcg = Lcg::new(seed);
        let mut rows = Observations::default();
        for account in 0..log.accounts.id.len() {
            // Cutoffs at and next to events, near and far from each other, with duplicates.
            let of_account = |events: &pql::log::Events| {
                events
                    .accounts
                    .contains(&account)
                    .then(|| events.time[events.account_range(account)].to_vec())
            };
            let times = log
                .events
                .map(of_account)
                .unwrap()
                .into_iter()
                .flatten()
                .flatten()
                .chain([log.accounts.signed_up[account]]);
            let times: Vec<i64> = times.collect();
            let mut cutoffs: Vec<i64> = (0..30)
                .map(|_| {
                    *lcg.pick(&times)
                        + *lcg.pick(&[0, 1, 30 * MINUTE, DAY, 7 * DAY, 14 * DAY, 40 * DAY])
                })
                .collect();
            cutoffs.sort_unstable();
            for cutoff in cutoffs.into_iter().filter(|c| *c <= world.until) {
                rows.account.push(u32::try_from(account).unwrap());
                rows.cutoff.push(cutoff);
                rows.outcome.push(Outcome::Immature);
                rows.split.push(Split::Unused);
            }
        }
        let (mut catalog, _) =
            FeatureCatalog::fit(&log, &rows, &config.features, &config.roles).unwrap();
        with_all_windows(&mut catalog);
        let frame = compute(&catalog, &log, &rows, &Progress::silent()).unwrap();
        compared += compare(&world, &log, &rows, &catalog, &frame, &format!("log {seed}"));
    }
    assert!(compared > 50_000, "{compared}");
}

#[test]
fn the_worked_example_matches_manual_results() {
    let folder = root().join("tests/fixtures/golden_log");
    let dir = tempfile::tempdir().unwrap();
    for (scheme, expected) in [("snapshot", "expected_snapshot.csv"), ("age", "expected_age.csv")] {
        let out = dir.path().join(expected);
        run([
            "features",
            "-c",
            text(&folder.join("pql.toml")),
            "--set",
            &format!("observation.cutoffs={scheme}"),
            "--set",
            "model.split=time",
            "-o",
            text(&out),
        ]);
        let (found, expected) = (csv_rows(&out), csv_rows(&folder.join(expected)));
        assert_eq!(found.len(), expected.len(), "{scheme}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{scheme}"
            );
            for (name, expected_value) in expected {
                let (value, row) = (&found[name], (&expected["account_id"], &expected["cutoff"]));
                let same = match (value.parse::<f64>(), expected_value.parse::<f64>()) {
                    (Ok(value), Ok(expected_value)) => close(Some(value), Some(expected_value)),
                    _ => value == expected_value,
                };
                assert!(
                    same,
                    "{scheme}: {name} of {row:?}: `{value}`, expected `{expected_value}`"
                );
            }
        }
    }
}
