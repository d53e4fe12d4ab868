//! Events by day: by event type, by source, and by how round their times are.

use pql_stats::counts::share;

use super::Names;
use super::raw_events::RawEvents;
use super::raw_source::NO_EVENT;
use crate::time::{DAY, SECOND};

/// Most days that are counted, 26 weeks: enough for eight weeks before a silence of four months.
const MAX_DAYS: usize = 182;
/// Most counts of days and event types, 4 MB; with more than 5,761 event types fewer days are
/// counted.
const MAX_CELLS: usize = 1 << 20;

/// Newest days of which round times are counted by event type.
const ROUND_DAYS: usize = 63;
/// Most event types of which round times are counted, 3 MB.
const MAX_ROUND_NAMES: usize = 4_096;

/// Granularities of times: whole minutes, whole hours and whole days.
pub(crate) const GRANULARITIES: [(&str, i64); 3] =
    [("minutes", 60 * SECOND), ("hours", 3_600 * SECOND), ("days", DAY)];

/// Counts by day of the events that are not dropped, including those of the roles `converted`,
/// `churned` and `exclude`, on the days before the end of the log.
///
/// The day of an event is the local day on which it became known, so that the counts of past days
/// are final.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DailyCounts {
    /// Number of the local day after the last complete one, in days since 1970-01-01.
    pub(crate) end: i64,
    /// Names of the event types.
    pub(crate) names: Names,
    /// By event type.
    pub(crate) events: Vec<EventDays>,
    /// By source.
    pub(crate) sources: Vec<SourceDays>,
}

/// The events of one type.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventDays {
    /// Events by complete day, oldest first.
    pub(crate) by_day: Vec<u32>,
    /// Events on the incomplete last day.
    pub(crate) today: u32,
    /// Events before the counted days.
    pub(crate) before: u64,
    /// Local day of the last event, in days since 1970-01-01.
    pub(crate) last: i64,
    /// By source, all events.
    pub(crate) by_source: Vec<u64>,
    /// By complete day, newest 63 days only, events at times of each of [`GRANULARITIES`]; empty
    /// with more than 4,096 event types.
    pub(crate) round: Vec<[u32; 3]>,
}

impl EventDays {
    /// Returns the share of the events of the type that are from a source.
    pub(crate) fn share_from(&self, source: usize) -> f64 {
        share(self.by_source.get(source).copied().unwrap_or(0), self.by_source.iter().sum::<u64>())
    }
}

/// The events of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceDays {
    /// Path of the source.
    pub(crate) name: String,
    /// Events by complete day, oldest first.
    pub(crate) by_day: Vec<u32>,
    /// Events on the incomplete last day.
    pub(crate) today: u32,
    /// By day, events at times of each of [`GRANULARITIES`].
    pub(crate) round: Vec<[u32; 3]>,
}

impl DailyCounts {
    /// Returns the number of complete days.
    pub(crate) fn days(&self) -> usize {
        self.sources.first().map_or(0, |source| source.by_day.len())
    }

    /// Returns the number of a counted local day in days since 1970-01-01.
    pub(crate) fn day_number(&self, index: usize) -> i64 {
        self.end - days_number(self.days()) + days_number(index)
    }

    /// Returns the events of all sources by complete day, oldest first.
    pub(crate) fn total(&self) -> Vec<u32> {
        let mut total = vec![0; self.days()];
        for source in &self.sources {
            total.iter_mut().zip(&source.by_day).for_each(|(sum, count)| *sum += count);
        }
        total
    }
}

/// Converts a number of counted days, at most 182.
pub(crate) fn days_number(days: usize) -> i64 {
    i64::try_from(days).unwrap_or(i64::MAX)
}

/// The counted days.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedDays {
    /// Number of the first counted day.
    first: i64,
    /// Number of complete days.
    days: usize,
    /// Number of event names.
    names: usize,
    /// Number of newest complete days of which round times are counted by event name.
    round_days: usize,
}

impl CountedDays {
    /// Returns the days before the local day on which the log ends, as many as can be counted.
    pub(super) fn new(end: i64, names: usize) -> Self {
        let days = (MAX_CELLS / names.max(1)).clamp(1, MAX_DAYS);
        let round_days = if names > MAX_ROUND_NAMES { 0 } else { days.min(ROUND_DAYS) };
        Self { first: end - days_number(days), days, names, round_days }
    }
}

/// Counts of one source, or of a share of its blocks.
#[derive(Debug, Clone)]
pub(super) struct DayTally {
    counted: CountedDays,
    /// By day, then event name code; the last day is the incomplete one.
    cells: Vec<u32>,
    /// By event name code, events before the counted days.
    before: Vec<u64>,
    /// By event name code, day of the last event.
    last: Vec<i64>,
    round: Vec<[u32; 3]>,
    /// By day of `round_days`, then event name code; round times.
    round_cells: Vec<[u32; 3]>,
}

impl DayTally {
    pub(super) fn new(counted: CountedDays) -> Self {
        let CountedDays { days, names, round_days, .. } = counted;
        Self {
            counted,
            cells: vec![0; (days + 1) * names],
            before: vec![0; names],
            last: vec![i64::MIN; names],
            round: vec![[0; 3]; days + 1],
            round_cells: vec![[0; 3]; round_days * names],
        }
    }

    /// Counts an event.
    ///
    /// # Arguments
    /// * `time`, `known_at` – local times at which it happened and became known, µs
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "checked before")]
    pub(super) fn add(&mut self, event: u16, time: i64, known_at: i64) {
        debug_assert!(event != NO_EVENT, "events without a name are dropped");
        let (day, event) = (known_at.div_euclid(DAY), usize::from(event));
        self.last[event] = self.last[event].max(day);
        let index = day - self.counted.first;
        if index < 0 {
            self.before[event] += 1;
            return;
        }
        let CountedDays { days, names, round_days, .. } = self.counted;
        let index = (index as usize).min(days);
        self.cells[index * names + event] += 1;
        let round_day = (index + round_days).checked_sub(days).filter(|day| *day < round_days);
        let mut of_event = round_day.map(|day| &mut self.round_cells[day * names + event]);
        for (which, (_, unit)) in GRANULARITIES.iter().enumerate() {
            // Times of coarser units are also of finer ones.
            if time % unit != 0 {
                break;
            }
            self.round[index][which] += 1;
            of_event.iter_mut().for_each(|round| round[which] += 1);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(sum, count)| *sum += count);
        self.before.iter_mut().zip(&other.before).for_each(|(sum, count)| *sum += count);
        self.last.iter_mut().zip(&other.last).for_each(|(last, day)| *last = (*last).max(*day));
        let round = self.round.iter_mut().chain(&mut self.round_cells);
        let other = other.round.iter().chain(&other.round_cells);
        for (sum, count) in round.flatten().zip(other.flatten()) {
            *sum += count;
        }
    }

    /// Returns the number of events of a name.
    fn of_name(&self, code: usize) -> u64 {
        let by_day = self.cells.iter().skip(code).step_by(self.counted.names);
        self.before[code] + by_day.map(|count| u64::from(*count)).sum::<u64>()
    }
}

/// Combines the counts of all sources.
///
/// # Arguments
/// * `tallies` – by source
/// * `present` – by event name code, whether any event has the name
pub(super) fn daily_counts(raw: &RawEvents, tallies: &[DayTally], present: &[bool]) -> DailyCounts {
    let Some(counted) = tallies.first().map(|tally| tally.counted) else {
        return DailyCounts::default();
    };
    let (names, _) = raw.names.ranks(|code| present[code as usize]);
    let event_days = |name: &str| {
        let code = raw.names.get(name).expect("it was interned") as usize;
        let on_day = |day: usize| -> u32 {
            tallies.iter().map(|tally| tally.cells[day * counted.names + code]).sum()
        };
        EventDays {
            by_day: (0..counted.days).map(on_day).collect(),
            today: on_day(counted.days),
            before: tallies.iter().map(|tally| tally.before[code]).sum(),
            last: tallies.iter().map(|tally| tally.last[code]).max().unwrap_or(i64::MIN),
            by_source: tallies.iter().map(|tally| tally.of_name(code)).collect(),
            round: (0..counted.round_days).map(|day| round_on(tallies, day, code)).collect(),
        }
    };
    let events = names.iter().map(|name| event_days(name)).collect();
    let source_days = |(tally, source): (&DayTally, &super::raw_source::RawSource)| {
        let mut by_day: Vec<u32> =
            tally.cells.chunks(counted.names.max(1)).map(|day| day.iter().sum()).collect();
        by_day.resize(counted.days + 1, 0);
        let today = by_day.pop().unwrap_or(0);
        SourceDays {
            name: source.quality.source.display().to_string(),
            by_day,
            today,
            round: tally.round[..counted.days].to_vec(),
        }
    };
    DailyCounts {
        end: counted.first + days_number(counted.days),
        names: Names::from_sorted(names),
        events,
        sources: tallies.iter().zip(&raw.sources).map(source_days).collect(),
    }
}

/// Returns the round times of an event name on one of the newest days.
fn round_on(tallies: &[DayTally], day: usize, code: usize) -> [u32; 3] {
    let cell = |tally: &DayTally| tally.round_cells[day * tally.counted.names + code];
    std::array::from_fn(|which| tallies.iter().map(|tally| cell(tally)[which]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_the_day_on_which_they_became_known() {
        let mut tally = DayTally::new(CountedDays::new(1_000, 2));
        let hour = 3_600 * SECOND;
        tally.add(0, 998 * DAY + hour, 999 * DAY + 1);
        tally.add(0, 999 * DAY + 60 * SECOND, 999 * DAY + 60 * SECOND);
        tally.add(1, 1_000 * DAY, 1_000 * DAY);
        tally.add(1, 10 * DAY, 10 * DAY);
        let mut other = DayTally::new(CountedDays::new(1_000, 2));
        other.add(0, 997 * DAY + 1, 997 * DAY + 1);
        tally.merge(&other);
        let of_day = |day: usize| [tally.cells[2 * day], tally.cells[2 * day + 1]];
        assert_eq!([179, 180, 181, 182].map(of_day), [[1, 0], [0, 0], [2, 0], [0, 1]]);
        assert_eq!((tally.round[181], tally.round[182]), ([2, 1, 0], [1, 1, 1]));
        // The newest of 63 complete days; the incomplete day is not among them.
        assert_eq!([0, 1].map(|code| round_on(&[tally.clone()], 62, code)), [[2, 1, 0], [0, 0, 0]]);
        assert_eq!((tally.before, tally.last), (vec![0, 1], vec![999, 1_000]));
        assert_eq!([other.of_name(0), other.of_name(1)], [1, 0]);
    }

    #[test]
    fn many_event_types_leave_fewer_days() {
        assert_eq!(CountedDays::new(0, 100).days, 182);
        assert_eq!(CountedDays::new(0, 65_000).days, 16);
    }
}
