//! Each fault is reported once, of the series that explains it best.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]

use super::doubled::DailyCopies;
use super::series::{Affected, Context};
use super::{Watch, silence, volume};
use crate::log::Names;
use crate::log::daily::{DailyCounts, EventDays, SourceDays};
use crate::log::event_store::CopyCounts;
use crate::warning::LogFault;

/// Counted days, 18 weeks.
const DAYS: usize = 126;
/// The newest of them, a Sunday.
const LAST: usize = DAYS - 1;

/// An event type in a source: events on a working day.
type Cell = (&'static str, usize, u32);

const CELLS: [Cell; 5] =
    [("a", 0, 400), ("b", 0, 60), ("c", 1, 300), ("d", 1, 90), ("shared", 0, 100)];

const SOURCES: [&str; 3] = ["app.csv", "web.csv", "crm.csv"];

/// Returns daily counts with half as many events at weekends, and some noise.
///
/// # Arguments
/// * `change` – changes the count of a cell on a day
fn counts(cells: &[Cell], change: impl Fn(Cell, usize, u32) -> u32) -> DailyCounts {
    let count = |(index, cell): (usize, &Cell), day: usize| {
        let weekend = day % 7 > 4;
        let level = if weekend { cell.2 / 2 } else { cell.2 };
        // Multiples of an irrational number are spread evenly: ±8%.
        let noise = ((day * 7 + index * 3) as f64 * 0.618_034).fract() * 0.16 + 0.92;
        change(*cell, day, (f64::from(level) * noise).round() as u32)
    };
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.0).collect();
    names.sort_unstable();
    names.dedup();
    let by_day = |matches: &dyn Fn(&Cell) -> bool| -> Vec<u32> {
        let of_day = |day: usize| {
            cells
                .iter()
                .enumerate()
                .filter(|(_, cell)| matches(cell))
                .map(|cell| count(cell, day))
                .sum()
        };
        (0..DAYS).map(of_day).collect()
    };
    let sources = cells.iter().map(|cell| cell.1 + 1).max().unwrap_or(0).max(2);
    let sum = |counts: Vec<u32>| counts.into_iter().map(u64::from).sum::<u64>();
    let event = |name: &&str| EventDays {
        by_day: by_day(&|cell| cell.0 == *name),
        by_source: (0..sources)
            .map(|source| sum(by_day(&|cell| cell.0 == *name && cell.1 == source)))
            .collect(),
        ..EventDays::default()
    };
    let source = |(number, name): (usize, &str)| SourceDays {
        name: name.to_owned(),
        by_day: by_day(&|cell| cell.1 == number),
        ..SourceDays::default()
    };
    DailyCounts {
        end: 20_000,
        events: names.iter().map(event).collect(),
        names: Names::from_sorted(names.into_iter().map(Box::from).collect()),
        sources: SOURCES[..sources].iter().copied().enumerate().map(source).collect(),
    }
}

/// Returns code and series of the missing days and drops of a log.
fn faults(daily: &DailyCounts) -> Vec<String> {
    let named = daily.names.iter().map(str::to_owned).collect();
    let context = Context::new(daily, Watch { reference: None, named: &named });
    let (mut silent, mut faults): (Vec<Affected>, Vec<LogFault>) =
        silence::ended_sources(&context).into_iter().unzip();
    let (missing, of_days): (Vec<Affected>, Vec<LogFault>) =
        silence::missing_days(&context, &silent).into_iter().unzip();
    silent.extend(missing);
    faults.extend(of_days);
    faults.extend(volume::drops(&context, &silent));
    let described = faults.iter().map(|fault| match fault {
        LogFault::VolumeDrop { source, event, .. } | LogFault::DayMissing { source, event, .. } => {
            let series = event.as_ref().or(source.as_ref());
            format!("{} {}", fault.code(), series.map_or("log", String::as_str))
        }
        LogFault::SourceEnded { source, .. } => format!("{} {source}", fault.code()),
        other => other.code().to_owned(),
    });
    described.collect()
}

/// Returns the faults if half of the matching events are lost on the newest three working days.
fn halved(cells: &[Cell], matches: impl Fn(Cell) -> bool) -> Vec<String> {
    let lost = LAST - 4..LAST - 1;
    faults(&counts(
        cells,
        |cell, day, count| {
            if matches(cell) && lost.contains(&day) { count / 2 } else { count }
        },
    ))
}

/// Returns the faults if the matching events are lost on one working day.
fn missing(matches: impl Fn(Cell) -> bool) -> Vec<String> {
    faults(&counts(
        &CELLS,
        |cell, day, count| {
            if matches(cell) && day == LAST - 3 { 0 } else { count }
        },
    ))
}

#[test]
fn a_complete_log_has_no_fault() {
    assert_eq!(faults(&counts(&CELLS, |_, _, count| count)), [""; 0]);
    // A growing log, a campaign in all series, and an event type that is used more and more.
    let grown = |_, day: usize, count: u32| count * (100 + day as u32) / 100;
    assert_eq!(faults(&counts(&CELLS, grown)), [""; 0]);
    let campaign = |_, day: usize, count: u32| if day / 7 == 15 { 3 * count } else { count };
    assert_eq!(faults(&counts(&CELLS, campaign)), [""; 0]);
    let adopted = |cell: Cell, day: usize, count: u32| {
        if cell.0 == "d" { count * day as u32 / 40 } else { count }
    };
    assert_eq!(faults(&counts(&CELLS, adopted)), [""; 0]);
}

#[test]
fn half_of_an_event_type_of_a_source_or_of_the_log_is_reported_once() {
    assert_eq!(halved(&CELLS, |cell| cell.0 == "a"), ["volume-drop a"]);
    assert_eq!(halved(&CELLS, |cell| cell.0 == "d"), ["volume-drop d"]);
    assert_eq!(halved(&CELLS, |cell| cell.1 == 0), ["volume-drop app.csv"]);
    assert_eq!(halved(&CELLS, |cell| cell.1 == 1), ["volume-drop web.csv"]);
    assert_eq!(halved(&CELLS, |_| true), ["volume-drop log"]);
    // A source with one event type.
    let one = [("a", 0, 400), ("b", 0, 60), ("c", 1, 300)];
    assert_eq!(halved(&one, |cell| cell.0 == "c"), ["volume-drop web.csv"]);
}

#[test]
fn the_loss_of_a_source_explains_the_loss_of_an_event_type_of_two_sources() {
    let mut cells = CELLS.to_vec();
    cells.push(("shared", 1, 100));
    assert_eq!(halved(&cells, |cell| cell.1 == 1), ["volume-drop web.csv"]);
    assert_eq!(halved(&cells, |cell| cell.0 == "shared"), ["volume-drop shared"]);
}

#[test]
fn a_missing_day_is_reported_once() {
    assert_eq!(missing(|cell| cell.0 == "b"), ["day-missing b"]);
    assert_eq!(missing(|cell| cell.0 == "a"), ["day-missing a"]);
    assert_eq!(missing(|cell| cell.1 == 1), ["day-missing web.csv"]);
    assert_eq!(missing(|_| true), ["day-missing log"]);
    let ended = |cell: Cell, day, count| if cell.1 == 1 && day > LAST - 5 { 0 } else { count };
    assert_eq!(faults(&counts(&CELLS, ended)), ["source-ended web.csv"]);
}

#[test]
fn a_holiday_is_no_loss_of_each_part() {
    // A third of the usual events on one day: a loss of the log that cannot be told apart.
    let holiday = |_, day: usize, count: u32| if day == LAST - 3 { count / 3 } else { count };
    assert_eq!(faults(&counts(&CELLS, holiday)), ["volume-drop log"]);
    // One holiday among the weeks before is no pattern. With two, no alarm.
    let holidays = |days: &[usize]| {
        faults(&counts(&CELLS, |_, day, count| if days.contains(&day) { count / 3 } else { count }))
    };
    assert_eq!(holidays(&[LAST - 3, LAST - 31]), ["volume-drop log"]);
    assert_eq!(holidays(&[LAST - 3, LAST - 31, LAST - 59]), [""; 0]);
}

/// Returns daily counts with a campaign of four days, eight weeks before the end.
fn after_campaign(change: impl Fn(Cell, usize, u32) -> u32) -> DailyCounts {
    counts(&CELLS, |cell, day, count| {
        let count = if (LAST - 56..LAST - 52).contains(&day) { 4 * count } else { count };
        change(cell, day, count)
    })
}

#[test]
fn a_campaign_in_the_history_hides_no_fault() {
    assert_eq!(faults(&after_campaign(|_, _, count| count)), [""; 0]);
    for (event, name) in [(None, "log"), (Some("a"), "a"), (Some("d"), "d")] {
        let is_lost = |cell: Cell, day| {
            event.is_none_or(|event| cell.0 == event) && (LAST - 4..LAST - 1).contains(&day)
        };
        let halved = |cell: Cell, day, count| if is_lost(cell, day) { count / 2 } else { count };
        assert_eq!(faults(&after_campaign(halved)), [format!("volume-drop {name}")]);
    }
    // The days after a campaign are not low.
    let campaign =
        |end: usize, length: usize| {
            faults(&counts(&CELLS, |_, day, count| {
                if (end - length..end).contains(&day) { 3 * count } else { count }
            }))
        };
    for end in LAST - 10..=LAST {
        assert_eq!([campaign(end, 4), campaign(end, 12)], [[""; 0]; 2], "{end}");
    }
}

#[test]
fn several_sources_without_events_are_missing_and_not_a_loss_of_the_log() {
    let cells = [("a", 0, 400), ("b", 1, 300), ("c", 2, 40)];
    let lost = |cell: Cell, day, count| if cell.1 < 2 && day == LAST - 3 { 0 } else { count };
    assert_eq!(faults(&counts(&cells, lost)), ["day-missing app.csv", "day-missing web.csv"]);
    // Two sources without events explain nearly all of the loss of the log.
    let low = |cell: Cell, day, count| {
        if day == LAST - 3 { u32::from(cell.1 == 2) } else { count }
    };
    assert_eq!(faults(&counts(&cells, low)), ["day-missing app.csv", "day-missing web.csv"]);
}

/// Returns series and repeats of the doubled days of a log.
///
/// # Arguments
/// * `copies` – copies of an event of a type on a day, by its number on that day
fn doubled(daily: &DailyCounts, copies: impl Fn(&str, usize, u32) -> usize) -> Vec<String> {
    let named = daily.names.iter().map(str::to_owned).collect();
    let context = Context::new(daily, Watch { reference: None, named: &named });
    let count = |day: usize, event: &EventDays, name: &str| {
        let mut counts = CopyCounts::default();
        (0..event.by_day[day]).for_each(|number| counts.add(copies(name, day, number)));
        counts
    };
    let of_day = |day| {
        let events = daily.names.iter().zip(&daily.events);
        events.map(|(name, event)| count(day, event, name)).collect()
    };
    let copies = DailyCopies { first: 0, days: (0..DAYS).map(of_day).collect() };
    let described = copies.faults(&context).into_iter().map(|fault| {
        let LogFault::DayDoubled { source, event, repeats, .. } = fault else { panic!("{fault}") };
        let series = event.or(source).unwrap_or_else(|| "log".to_owned());
        format!("{series} {:.0}%", 100.0 * repeats)
    });
    described.collect()
}

#[test]
fn a_doubled_day_is_reported_whatever_its_volume() {
    let daily = after_campaign(|_, _, count| count);
    // The counts are of distinct events, so that the volume of the doubled day is as usual.
    let on_day = |day: usize| day == LAST - 3;
    assert_eq!(doubled(&daily, |_, _, _| 1), [""; 0]);
    assert_eq!(doubled(&daily, |_, day, _| if on_day(day) { 2 } else { 1 }), ["log 50%"]);
    assert_eq!(doubled(&daily, |_, day, _| if on_day(day) { 3 } else { 1 }), ["log 67%"]);
    let one = |name: &str, day, _| if name == "d" && on_day(day) { 2 } else { 1 };
    assert_eq!(doubled(&daily, one), ["d 50%"]);
    let source = |name: &str, day, _| {
        if ["c", "d"].contains(&name) && on_day(day) { 2 } else { 1 }
    };
    assert_eq!(doubled(&daily, source), ["web.csv 50%"]);
    // A fifth of the events twice is 17% of repeats.
    let few =
        |_: &str, day, number: u32| if on_day(day) && number.is_multiple_of(5) { 2 } else { 1 };
    assert_eq!(doubled(&daily, few), [""; 0]);
}

#[test]
fn usual_repeats_are_no_doubled_day() {
    let daily = counts(&CELLS, |_, _, count| count);
    // One to three copies, so that half of the events repeat another one.
    let usual = |number: u32| 1 + number as usize % 3;
    let of_a = |factor: usize, low: usize| {
        doubled(&daily, |name, day, number| {
            let is_on = day == LAST - 3;
            let copies = if name == "a" { usual(number) } else { 1 };
            if name == "a" && is_on { factor * copies + low } else { copies }
        })
    };
    assert_eq!(of_a(1, 0), [""; 0]);
    assert_eq!(of_a(2, 0), ["a 75%"]);
    // More copies of each event, as in a campaign, but not twice as many of each.
    assert_eq!(of_a(1, 3), [""; 0]);
    // Every Monday twice.
    let mondays = |_: &str, day: usize, _| if day.is_multiple_of(7) { 2 } else { 1 };
    assert_eq!(doubled(&daily, mondays), [""; 0]);
}

#[test]
fn few_events_are_not_judged() {
    let cells = [("a", 0, 400), ("b", 0, 4), ("c", 1, 300), ("d", 1, 6)];
    assert_eq!(halved(&cells, |cell| cell.2 < 10), [""; 0]);
}
