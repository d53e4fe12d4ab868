//! Measures false alarms on every night of logs without faults, and which injected faults are found.
//!
//! `make monitoring` runs it on simulated and real logs and prints the table of
//! docs/reference/statistics.md.

#![expect(clippy::print_stdout, reason = "prints the measured rates")]
#![expect(clippy::cast_precision_loss, reason = "counts of events, days and faults")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::doubled::DailyCopies;
use super::series::Context;
use super::{TrainingActivity, Watch, faults};
use crate::config::Config;
use crate::io::sink::Sink;
use crate::log::daily::{DailyCounts, days_number};
use crate::log::event_store::CopyCounts;
use crate::log::{Log, ReadOptions};
use crate::warning::LogFault;

/// Counted days before the first night.
const FIRST_NIGHT: usize = 70;
/// Days before the first injected fault, and days between two.
const FAULT_DAYS: [usize; 2] = [84, 13];
/// Nights on which a fault is looked for.
const NIGHTS: usize = 7;
/// Fewest events a day of a changed event type or source.
const MIN_PER_DAY: f64 = 8.0;

/// Daily counts of a log, with the copies of each day.
#[derive(Clone)]
struct History {
    daily: DailyCounts,
    /// From the first counted day on.
    copies: DailyCopies,
}

/// How the events of an injected fault are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// Half are lost at random, on all days since.
    Half,
    /// One day is missing.
    Missing,
    /// One day is there twice.
    Twice,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Log,
    Source(usize),
    Event(usize),
}

impl History {
    fn read(project: &Path) -> Self {
        let config = Config::load(Some(project), &[]).unwrap();
        let log = Log::read(&config, &ReadOptions::default(), &mut Sink::silent()).unwrap();
        let names = &log.events.names;
        let (first, days) = (log.daily.day_number(0), log.daily.days());
        let counts = log.events.copies(first, days).unwrap();
        let by_day = counts.chunks(names.len()).map(|counts| {
            let count =
                |name: &str| names.code(name).map_or_else(CopyCounts::default, |code| counts[code]);
            log.daily.names.iter().map(count).collect()
        });
        let copies = DailyCopies { first: 0, days: by_day.collect() };
        Self { daily: log.daily, copies }
    }

    /// Returns the history that is known at a night.
    fn until(&self, night: usize) -> Self {
        let mut known = self.clone();
        let missing = known.daily.days() - night;
        known.daily.end -= days_number(missing);
        for event in &mut known.daily.events {
            event.today = 0;
            event.round = Vec::new();
            event.by_day.truncate(night);
            if let Some(last) = event.by_day.iter().rposition(|count| *count > 0) {
                event.last = known.daily.end - days_number(night - last);
            }
        }
        for source in &mut known.daily.sources {
            source.today = 0;
            // Times are not changed, so that their counts would not fit.
            source.round = vec![[0; 3]; night];
            source.by_day.truncate(night);
        }
        known.copies.days.truncate(night);
        known
    }

    /// Returns the source of an event type: in these logs each type has one.
    fn source_of(&self, event: usize) -> usize {
        let by_source = &self.daily.events[event].by_source;
        (0..by_source.len()).max_by_key(|source| by_source[*source]).unwrap_or(0)
    }

    fn events_of(&self, part: Part) -> Vec<usize> {
        let is_of = |event: &usize| match part {
            Part::Log => true,
            Part::Source(source) => self.source_of(*event) == source,
            Part::Event(other) => *event == other,
        };
        (0..self.daily.events.len()).filter(is_of).collect()
    }

    /// Injects a fault.
    fn changed(&self, part: Part, change: Change, day: usize, random: &mut ChaCha8Rng) -> Self {
        let mut changed = self.clone();
        for event in self.events_of(part) {
            let days = if change == Change::Half { day..self.daily.days() } else { day..day + 1 };
            for day in days {
                let count = self.daily.events[event].by_day[day];
                let copies = &mut changed.copies.days[day][event];
                let now = match change {
                    Change::Half => (0..count).filter(|_| random.random_bool(0.5)).count(),
                    Change::Missing => 0,
                    Change::Twice => {
                        (copies.events, copies.multiplied) = (2 * copies.events, copies.distinct);
                        2 * count as usize
                    }
                };
                let now = u32::try_from(now).unwrap();
                if now == 0 {
                    *copies = CopyCounts::default();
                }
                changed.daily.events[event].by_day[day] = now;
                let of_source = &mut changed.daily.sources[self.source_of(event)].by_day[day];
                *of_source = *of_source - count + now;
            }
        }
        changed
    }

    /// Returns the faults at a night.
    fn faults(&self, reference: &TrainingActivity, night: usize) -> Vec<LogFault> {
        let known = self.until(night);
        let none = BTreeSet::new();
        let watch = Watch { reference: Some(reference), named: &none };
        let context = Context::new(&known.daily, watch);
        faults(&context, watch, known.copies.faults(&context))
    }

    /// Returns the parts that are changed, with a description each.
    fn parts(&self, history: Range<usize>) -> Vec<(Part, String)> {
        let per_day = |part: Part| {
            let days = self.events_of(part).into_iter();
            let sum = |event: usize| -> u32 {
                self.daily.events[event].by_day[history.clone()].iter().sum()
            };
            f64::from(days.map(sum).sum::<u32>()) / history.len() as f64
        };
        let sources = (0..self.daily.sources.len()).map(Part::Source);
        let sources: Vec<Part> = if sources.len() > 1 { sources.collect() } else { Vec::new() };
        let events = (0..self.daily.events.len()).map(Part::Event);
        let parts = [Part::Log].into_iter().chain(sources).chain(events);
        parts
            .filter(|part| per_day(*part) >= MIN_PER_DAY)
            .map(|part| {
                let size = match per_day(part) {
                    n if n < 20.0 => "8 to 20 a day",
                    n if n < 60.0 => "20 to 60 a day",
                    _ => "60 a day or more",
                };
                let name = match part {
                    Part::Log => "log".to_owned(),
                    Part::Source(_) => format!("source, {size}"),
                    Part::Event(_) => format!("event type, {size}"),
                };
                (part, name)
            })
            .collect()
    }
}

/// A night, by the number of days before it, and the faults at it.
type Night = (usize, Vec<LogFault>);

/// How many of the injected faults of one kind are found.
#[derive(Default)]
struct Found {
    faults: usize,
    /// Found on the first night, on one of the first three, and on one of seven.
    within: [usize; 3],
    /// Alarms on the first night with one.
    alarms: usize,
    /// The alarms of a fault that has several.
    example: Option<String>,
}

/// Measures one log: false alarms, and by kind of fault which are found.
fn measure(history: &History) -> (Vec<Night>, BTreeMap<(Change, String), Found>) {
    let days = history.daily.days();
    let reference = history.until(FIRST_NIGHT).daily.activity();
    let clean: Vec<Night> = (FIRST_NIGHT..=days)
        .into_par_iter()
        .map(|night| (night, history.faults(&reference, night)))
        .collect();
    let cases: Vec<(usize, Part, String, Change)> = (FAULT_DAYS[0]..=days - NIGHTS)
        .step_by(FAULT_DAYS[1])
        .flat_map(|day| history.parts(day - 28..day).into_iter().map(move |part| (day, part)))
        .flat_map(|(day, (part, name))| {
            [Change::Half, Change::Missing, Change::Twice]
                .map(|change| (day, part, name.clone(), change))
        })
        .collect();
    let results = cases.into_par_iter().map(|(day, part, name, change)| {
        let mut random = ChaCha8Rng::seed_from_u64(day as u64);
        let changed = history.changed(part, change, day, &mut random);
        let found = (1..=NIGHTS).find_map(|after| {
            let night = day + after;
            let usual = &clean[night - FIRST_NIGHT].1;
            let mut new = changed.faults(&reference, night);
            new.retain(|fault| !usual.contains(fault));
            (!new.is_empty()).then_some((after, new))
        });
        ((change, name), found)
    });
    let mut by_kind: BTreeMap<(Change, String), Found> = BTreeMap::new();
    for (kind, found) in results.collect::<Vec<_>>() {
        let sum = by_kind.entry(kind).or_default();
        sum.faults += 1;
        if let Some((after, alarms)) = found {
            let within = [1, 3, NIGHTS].map(|nights| usize::from(after <= nights));
            sum.within.iter_mut().zip(within).for_each(|(sum, found)| *sum += found);
            sum.alarms += alarms.len();
            if alarms.len() > 1 && sum.example.is_none() {
                let texts: Vec<String> = alarms.iter().map(ToString::to_string).collect();
                sum.example = Some(texts.join(" "));
            }
        }
    }
    (clean, by_kind)
}

#[test]
#[ignore = "takes minutes: `make monitoring`"]
fn clean_nights_raise_few_alarms_and_faults_are_found() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo/pql.toml");
    let others = std::env::var("PQL_LOGS").unwrap_or_default();
    let projects = std::iter::once(demo).chain(others.split_whitespace().map(PathBuf::from));
    let mut all: BTreeMap<(Change, String), Found> = BTreeMap::new();
    let (mut nights, mut with_alarm) = (0, 0);
    println!("| log | series | nights | with an alarm | alarms |\n|---|---|---|---|---|");
    for project in projects {
        let history = History::read(&project);
        let (clean, by_kind) = measure(&history);
        let alarms: Vec<&Night> = clean.iter().filter(|(_, faults)| !faults.is_empty()).collect();
        let sources = history.daily.sources.len();
        let series = 1 + history.daily.events.len() + if sources > 1 { sources } else { 0 };
        let mut texts: Vec<String> =
            alarms.iter().flat_map(|(_, faults)| faults).map(ToString::to_string).collect();
        texts.dedup_by_key(|text| text.chars().take(28).collect::<String>());
        let texts = texts.join("; ");
        let name = project.display();
        println!("| {name} | {series} | {} | {} | {texts} |", clean.len(), alarms.len());
        nights += clean.len();
        with_alarm += alarms.len();
        for (kind, found) in by_kind {
            let sum = all.entry(kind).or_default();
            sum.faults += found.faults;
            sum.alarms += found.alarms;
            sum.example = sum.example.take().or(found.example);
            sum.within.iter_mut().zip(found.within).for_each(|(sum, found)| *sum += found);
        }
    }
    println!("\n{with_alarm} of {nights} nights with an alarm\n");
    println!("| fault | of | faults | first night | 3 nights | 7 nights | alarms each |");
    println!("|---|---|---|---|---|---|---|");
    for ((change, name), found) in &all {
        let percent = |count: usize| format!("{:.0}%", 100.0 * count as f64 / found.faults as f64);
        let [first, three, seven] = found.within.map(percent);
        let each = found.alarms as f64 / found.within[2].max(1) as f64;
        println!(
            "| {change:?} | {name} | {} | {first} | {three} | {seven} | {each:.2} |",
            found.faults
        );
    }
    println!("\nFaults with several alarms:");
    for ((change, name), found) in &all {
        found.example.iter().for_each(|example| println!("- {change:?}, {name}: {example}"));
    }
    assert!(with_alarm * 100 <= nights, "{with_alarm} of {nights}");
    for change in [Change::Half, Change::Missing, Change::Twice] {
        let of_log = &all[&(change, "log".to_owned())];
        assert!(of_log.within[1] * 10 >= 9 * of_log.faults, "{change:?}: {:?}", of_log.within);
    }
}
