//! Events by day: where the log starts and ends.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use super::LogBounds;
use super::cells::NO_TIME;
use super::raw_events::RawEvents;
use super::raw_source::{
    Disposition, NO_EVENT, RawBlock, RawSource, is_unknown, missing_account, unknown_number,
};
use crate::config::Roles;
use crate::error::Result;
use crate::time::{DAY, Day, LocalDays, Zone};
use crate::warning::Warning;

/// The events of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DayCounts {
    /// Usage events of known accounts that happened on the day.
    pub(super) happened: u64,
    /// Usage events of known accounts that became known on the day.
    pub(super) usage: u64,
    /// Events of known accounts that became known on the day.
    pub(super) known: u64,
    /// Events of unknown accounts that became known on the day.
    pub(super) unknown: u64,
    /// Events received on the day that happened more than a day before.
    pub(super) late: u64,
}

impl DayCounts {
    fn add(&mut self, other: &Self) {
        self.happened += other.happened;
        self.usage += other.usage;
        self.known += other.known;
        self.unknown += other.unknown;
        self.late += other.late;
    }
}

/// The events of each source by day.
pub(super) struct DailyVolume {
    zone: Zone,
    pub(super) days: LocalDays,
    /// Number of the first day, counted from 1970-01-01.
    first: i64,
    /// By source, one entry per day.
    pub(super) sources: Vec<Vec<DayCounts>>,
}

/// Which days of a log are covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CoveredDays {
    /// Index of the first and last covered day.
    first: usize,
    last: usize,
}

impl DailyVolume {
    /// Counts the events of all sources by day, without those after `now`.
    pub(super) fn count(raw: &RawEvents, now: i64, roles: &Roles, zone: Zone) -> Result<Self> {
        let by_name = raw.role_dispositions(roles);
        let range = |block: &RawBlock| {
            let times = block.event_times(&raw.spill)?;
            let known = (0..block.len()).filter(|index| times.time[*index] != NO_TIME);
            let (mut first, mut last) = (i64::MAX, i64::MIN);
            for index in known.filter(|index| times.known_at(*index) <= now) {
                first = first.min(times.time[index]);
                last = last.max(times.known_at(index));
            }
            Ok((first, last))
        };
        let blocks = raw.sources.par_iter().flat_map(|source| &source.blocks);
        let ranges: Vec<(i64, i64)> = blocks.map(range).collect::<Result<_>>()?;
        let (first, last) = ranges
            .into_iter()
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .filter(|(first, last)| first <= last)
            .unwrap_or((0, 0));
        let days = LocalDays::new(zone, first, last);
        let (first, len) = (days.day(first), (days.day(last) - days.day(first) + 1).unsigned_abs());
        let mut volume = Self { zone, days, first, sources: Vec::new() };
        let len = usize::try_from(len).expect("the days of 400 years");
        let counted: Vec<_> =
            raw.sources.iter().map(|s| volume.source(raw, s, now, &by_name, len)).collect();
        volume.sources = counted.into_iter().collect::<Result<_>>()?;
        Ok(volume)
    }

    /// Counts the events of one source.
    fn source(
        &self,
        raw: &RawEvents,
        source: &RawSource,
        now: i64,
        by_name: &[Disposition],
        len: usize,
    ) -> Result<Vec<DayCounts>> {
        let index = |t: i64| usize::try_from(self.days.day(t) - self.first).unwrap_or(0);
        let add_block = |mut counts: Vec<DayCounts>, block: &RawBlock| {
            let (account, event) = (block.account.get(&raw.spill)?, block.event.get(&raw.spill)?);
            let times = block.event_times(&raw.spill)?;
            let received = block.received.len() > 0;
            for row in 0..block.len() {
                let (time, known_at) = (times.time[row], times.known_at(row));
                let named = event[row] != NO_EVENT && missing_account(account[row]).is_none();
                if time == NO_TIME || known_at > now || !named {
                    continue;
                }
                let day = &mut counts[index(known_at)];
                day.late += u64::from(received && known_at - time > DAY);
                if is_unknown(account[row]) {
                    day.unknown += 1;
                    continue;
                }
                day.known += 1;
                if block.is_usage(row, by_name[usize::from(event[row])]) {
                    day.usage += 1;
                    counts[index(time)].happened += 1;
                }
            }
            Ok(counts)
        };
        let none = || vec![DayCounts::default(); len];
        let add = |mut a: Vec<DayCounts>, b: Vec<DayCounts>| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.add(b));
            Ok(a)
        };
        source.blocks.par_iter().try_fold(none, add_block).try_reduce(none, add)
    }

    /// Returns the number of usage events by day, over all sources.
    fn totals(&self, count: impl Fn(&DayCounts) -> u64) -> Vec<u64> {
        let mut totals = vec![0; self.sources.first().map_or(0, Vec::len)];
        for source in &self.sources {
            totals.iter_mut().zip(source).for_each(|(total, day)| *total += count(day));
        }
        totals
    }

    /// Returns the covered days; `None` without usage events of known accounts.
    ///
    /// # Arguments
    /// * `until` – end of the log if it is set, µs UTC; later days do not count, unless the log has
    ///   no others
    pub(super) fn covered(&self, until: Option<i64>) -> Option<CoveredDays> {
        let usage = self.totals(|day| day.usage);
        let before_end = &usage[..self.days_before(until)];
        let last = last_covered(before_end).or_else(|| last_covered(&usage))?;
        let mut happened = self.totals(|day| day.happened);
        happened.truncate(last + 1);
        happened.reverse();
        let first = last_covered(&happened).map_or(0, |from_last| last - from_last);
        Some(CoveredDays { first, last })
    }

    /// Returns the number of days that start before the end of the log; all if it is not set.
    pub(super) fn days_before(&self, until: Option<i64>) -> usize {
        let days = self.sources.first().map_or(0, Vec::len);
        let is_after = |day: &usize| until.is_some_and(|until| self.start_of(*day) >= until);
        (0..days).find(is_after).unwrap_or(days)
    }

    /// Returns the end of a log with these days: the start of the last one, which is incomplete, µs
    /// UTC.
    pub(super) fn end(&self, covered: CoveredDays) -> i64 {
        self.start_of(covered.last)
    }

    /// Returns the start of the first covered day if there are events before it, µs UTC.
    pub(super) fn start(&self, covered: CoveredDays) -> Option<i64> {
        self.before(covered).map(|_| self.start_of(covered.first))
    }

    /// Returns warnings of events outside of the covered days, of unknown accounts after the last
    /// known one, and of history that was received at once.
    pub(super) fn warnings(
        &self,
        covered: CoveredDays,
        bounds: &LogBounds,
        raw: &RawEvents,
    ) -> Result<Vec<Warning>> {
        let mut warnings = Vec::new();
        if let Some((events, last)) = self.after(covered).filter(|_| bounds.until.is_none()) {
            warnings.push(Warning::EventsAfterEnd {
                events,
                last,
                end: self.local_day(covered.last),
            });
        }
        if let Some((events, first)) = self.before(covered).filter(|_| bounds.since.is_none()) {
            let start = self.local_day(covered.first);
            warnings.push(Warning::EventsBeforeStart { events, first, start });
        }
        if let Some((events, day)) = self.unknown_at_end(bounds.until) {
            let (since, example) = (self.local_day(day), self.unknown_since(raw, day)?);
            warnings.push(Warning::UnknownAccountsAtEnd { events, since, example });
        }
        for (number, source) in raw.sources.iter().enumerate() {
            let days = &self.sources[number][..self.days_before(bounds.until)];
            if let Some((share, day)) = self.received_at_once(days) {
                let path = source.quality.source.clone();
                warnings.push(Warning::ReceivedAtOnce { path, share, day });
            }
        }
        Ok(warnings)
    }

    /// Returns the start of a day, µs UTC.
    pub(super) fn start_of(&self, day: usize) -> i64 {
        self.zone.to_utc((self.first + i64::try_from(day).unwrap_or(0)) * DAY)
    }

    /// Returns the local day with an index.
    pub(super) fn local_day(&self, day: usize) -> Day {
        self.zone.day(self.start_of(day))
    }

    /// Returns the usage events after the last covered day, and the last day with one.
    fn after(&self, covered: CoveredDays) -> Option<(u64, Day)> {
        let usage = self.totals(|day| day.usage);
        self.stray(&usage, covered.last + 1..=usage.len().checked_sub(1)?, true)
    }

    /// Returns the usage events before the first covered day, and the first day with one.
    fn before(&self, covered: CoveredDays) -> Option<(u64, Day)> {
        let happened = self.totals(|day| day.happened);
        self.stray(&happened, 0..=covered.first.checked_sub(1)?, false)
    }

    fn stray(
        &self,
        counts: &[u64],
        days: RangeInclusive<usize>,
        newest: bool,
    ) -> Option<(u64, Day)> {
        let mut with_events = days.clone().filter(|day| counts[*day] > 0);
        let day = if newest { with_events.next_back() } else { with_events.next() }?;
        Some((days.map(|day| counts[day]).sum(), self.local_day(day)))
    }

    /// Returns the number of events of unknown accounts after the day of the last event of a known
    /// account, and the first day with one; `None` without such events.
    ///
    /// # Arguments
    /// * `until` – end of the log if it is set, µs UTC; later days do not count
    fn unknown_at_end(&self, until: Option<i64>) -> Option<(u64, usize)> {
        let (known, unknown) = (self.totals(|day| day.known), self.totals(|day| day.unknown));
        let next = known.iter().rposition(|count| *count > 0)? + 1;
        let days = next..self.days_before(until);
        let first = days.clone().find(|day| unknown[*day] > 0)?;
        Some((days.map(|day| unknown[day]).sum(), first))
    }

    /// Returns an unknown account with an event on a day or later.
    fn unknown_since(&self, raw: &RawEvents, day: usize) -> Result<String> {
        let start = self.start_of(day);
        for block in raw.sources.iter().flat_map(|source| &source.blocks) {
            let (accounts, times) =
                (block.account.get(&raw.spill)?, block.event_times(&raw.spill)?);
            let numbers = accounts.iter().enumerate().filter_map(|(index, account)| {
                unknown_number(*account).filter(|_| times.known_at(index) >= start)
            });
            if let Some(number) = numbers.min().filter(|n| (*n as usize) < raw.unknown.len()) {
                return Ok(raw.unknown.name(number).to_owned());
            }
        }
        Ok(String::new())
    }

    /// Returns the day on which the largest share of the events of some days of a source was
    /// received more than a day late, and this share.
    fn received_at_once(&self, days: &[DayCounts]) -> Option<(f64, Day)> {
        /// Minimum share for a backfill; outages of a pipeline delay less.
        const MIN_SHARE: f64 = 0.1;
        let all: u64 = days.iter().map(|day| day.known + day.unknown).sum();
        let (day, counts) =
            days.iter().enumerate().rev().max_by_key(|(_, day)| day.late).filter(|_| all > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = counts.late as f64 / all as f64;
        (share >= MIN_SHARE).then(|| (share, self.local_day(day)))
    }
}

/// Days that show what is usual, and the length from which a stretch has to be sparse.
const USUAL_DAYS: usize = 28;

/// Returns the last covered day: the last one with events, without a stretch at the end in which
/// the volume has fallen to nothing.
///
/// The days after a day e are such a stretch if all of this holds:
/// * They are at least two.
/// * The 28 days up to e (at least 7) let expect at least 20 events, without the last day, which is
///   incomplete. The expectation of a day is the mean of the same days of the week, where the two
///   largest days count as the third largest, so that bulk imports are not usual.
/// * They have one event, or at most 2% of the expected events and, per day, at most 2% of the
///   median day with events up to e.
/// * From 28 days on, at most a fifth of them have events.
///
/// The latest such e is taken, and the rule is applied again until no stretch is left.
fn last_covered(counts: &[u64]) -> Option<usize> {
    let mut last = counts.iter().rposition(|count| *count > 0)?;
    let first = counts.iter().position(|count| *count > 0)?;
    while let Some(end) = end_before_stretch(&counts[first..=last]) {
        last = first + end;
    }
    Some(last)
}

/// Returns the latest day before a stretch at the end of the days in which the volume has fallen to
/// nothing; see [`last_covered`].
fn end_before_stretch(counts: &[u64]) -> Option<usize> {
    /// Minimum number of days that show what is usual.
    const MIN_DAYS: usize = 7;
    /// Expected events from which one event is as good as none.
    const MIN_EXPECTED: f64 = 20.0;
    /// Share of the usual events up to which a stretch is empty.
    const MAX_SHARE: f64 = 0.02;
    let last = counts.len() - 1;
    let (mut events, mut days_with_events) = (0, 0);
    for end in (MIN_DAYS - 1..last).rev() {
        events += counts[end + 1];
        days_with_events += usize::from(counts[end + 1] > 0);
        let days = last - end;
        let is_sparse = days < USUAL_DAYS || days_with_events * 5 <= days;
        if days < 2 || counts[end] == 0 || !is_sparse {
            continue;
        }
        let expected = expected_events(counts, end);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let is_below = |usual: f64| events as f64 <= MAX_SHARE * usual;
        let is_empty = || {
            events <= 1 || (is_below(expected) && is_below(days_like_median(&counts[..=end], days)))
        };
        if expected >= MIN_EXPECTED && is_empty() {
            return Some(end);
        }
    }
    None
}

/// Returns the number of events expected after a day, without the last day; see [`last_covered`].
#[expect(clippy::cast_precision_loss, reason = "numbers of events in expectations")]
fn expected_events(counts: &[u64], end: usize) -> f64 {
    /// Number of days that may be bulk imports.
    const IMPORTS: usize = 2;
    let start = (end + 1).saturating_sub(USUAL_DAYS);
    let mut usual = counts[start..=end].to_vec();
    usual.sort_unstable();
    let cap = usual[usual.len() - 1 - IMPORTS];
    let mut by_weekday = [(0.0, 0.0_f64); 7];
    for day in start..=end {
        let (sum, days) = &mut by_weekday[day % 7];
        (*sum, *days) = (*sum + counts[day].min(cap) as f64, *days + 1.0);
    }
    let (stretch, mean) =
        (end + 1..counts.len() - 1, |weekday: usize| by_weekday[weekday].0 / by_weekday[weekday].1);
    stretch.map(|day| mean(day % 7)).sum()
}

/// Returns the number of events of some days like the median day with events.
#[expect(clippy::cast_precision_loss, reason = "numbers of events in expectations")]
fn days_like_median(counts: &[u64], days: usize) -> f64 {
    let mut usual: Vec<u64> = counts.iter().copied().filter(|count| *count > 0).collect();
    let middle = usual.len() / 2;
    *usual.select_nth_unstable(middle).1 as f64 * days as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(days: usize, count: u64) -> Vec<u64> {
        vec![count; days]
    }

    /// Adds single events on days after the end.
    fn with_late(mut counts: Vec<u64>, days: &[usize]) -> Vec<u64> {
        let end = counts.len() - 1;
        for day in days {
            counts.resize(counts.len().max(end + day + 1), 0);
            counts[end + day] += 1;
        }
        counts
    }

    #[test]
    fn late_events_do_not_extend_the_log() {
        for counts in
            [steady(60, 100), steady(10, 50), steady(300, 3), [steady(40, 80), vec![5]].concat()]
        {
            let last = counts.len() - 1;
            assert_eq!(last_covered(&counts), Some(last));
            for late in [&[41][..], &[10], &[12, 90], &[10, 400], &[4_000]] {
                assert_eq!(last_covered(&with_late(counts.clone(), late)), Some(last), "{late:?}");
            }
        }
        assert_eq!(last_covered(&with_late(steady(60, 100), &[2])), Some(59));
        assert_eq!(last_covered(&with_late(steady(60, 100), &[3, 4, 5, 6, 7])), Some(59));
    }

    #[test]
    fn an_incomplete_last_day_and_free_days_are_covered() {
        assert_eq!(last_covered(&with_late(steady(60, 1_000), &[1])), Some(60));
        let week = [90, 100, 110, 100, 80, 0, 0];
        let mut counts = week.repeat(8);
        counts.push(1);
        assert_eq!(last_covered(&counts), Some(56), "a Monday after a weekend without events");
    }

    #[test]
    fn low_and_falling_volume_is_covered() {
        let fading: Vec<u64> = (0..400).map(|day| 5_000 / (day + 1) + 1).collect();
        assert_eq!(last_covered(&fading), Some(399));
        let sparse: Vec<u64> = (0..200).map(|day| u64::from(day % 9 == 0)).collect();
        assert_eq!(last_covered(&sparse), Some(198));
        let outage = [steady(60, 100), steady(15, 0), steady(30, 90)].concat();
        assert_eq!(last_covered(&outage), Some(104));
        assert_eq!(last_covered(&[]), None);
        assert_eq!(last_covered(&[0, 3, 0]), Some(1));
        assert_eq!(last_covered(&with_late(vec![1], &[60])), Some(60));
    }

    #[test]
    fn bulk_imports_are_not_usual() {
        for (imports, days) in [(1, [0, 3, 8, 30]), (3, [0, 50, 70, 90]), (10, [0, 1, 2, 3])] {
            for import in days {
                let mut counts = steady(100, 40);
                counts[import..import + imports].fill(1_000_000);
                assert_eq!(last_covered(&counts), Some(99), "{imports} from {import}");
            }
        }
    }

    #[test]
    fn weekly_volume_has_an_end() {
        let weekly: Vec<u64> = (0..100).map(|day| if day % 7 == 1 { 50 } else { 0 }).collect();
        assert_eq!(last_covered(&weekly), Some(99));
        assert_eq!(last_covered(&with_late(weekly, &[41])), Some(99));
    }
}
