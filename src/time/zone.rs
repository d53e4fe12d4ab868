//! Time zones: the times that clocks show at a place, and its days.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::{DAY, Day, SECOND};

/// A time zone of the IANA database, which interprets times without an offset and defines days.
/// Default: UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl Zone {
    /// Returns whether local times are UTC.
    #[must_use]
    pub fn is_utc(self) -> bool {
        self.0 == Tz::UTC
    }

    /// Returns the names of all time zones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// Returns what must be added to a UTC time to get the local time, µs.
    #[must_use]
    pub fn offset(self, t: i64) -> i64 {
        if self.is_utc() {
            return 0;
        }
        DateTime::from_timestamp_micros(t).map_or(0, |time| {
            let local = self.0.offset_from_utc_datetime(&time.naive_utc());
            i64::from(local.fix().local_minus_utc()) * SECOND
        })
    }

    /// Returns the local time of a UTC time, both in µs.
    #[must_use]
    pub fn local(self, t: i64) -> i64 {
        t + self.offset(t)
    }

    /// Returns the local times of many UTC times, in µs.
    #[must_use]
    pub fn local_times(self, times: &[i64]) -> Vec<i64> {
        let ends = times.iter().min().zip(times.iter().max());
        let days = ends
            .map_or_else(LocalDays::default, |(first, last)| LocalDays::new(self, *first, *last));
        times.iter().map(|t| days.local(*t)).collect()
    }

    /// Converts a local time to UTC, both in µs.
    ///
    /// When clocks are turned back, a local time occurs twice and means the first of the two. When
    /// they are turned forward, a skipped local time means the same time span after midnight, as if
    /// the clocks had not been turned yet.
    #[must_use]
    pub fn to_utc(self, local: i64) -> i64 {
        if self.is_utc() {
            return local;
        }
        // Offsets are less than a day and change at most once in two days: these are the offsets
        // before and after a change near this time. The earlier offset gives the first of two
        // times, and the time as if the clocks had not been turned.
        let (before, after) = (self.offset(local - DAY), self.offset(local + DAY));
        let first = local - before;
        if self.offset(first) == before || self.offset(local - after) != after {
            first
        } else {
            local - after
        }
    }

    /// Returns the start of the local day of a time, µs UTC.
    #[must_use]
    pub fn midnight(self, t: i64) -> i64 {
        self.to_utc(super::midnight(self.local(t)))
    }

    /// Returns whether a time is the start of a local day.
    #[must_use]
    pub fn is_midnight(self, t: i64) -> bool {
        self.midnight(t) == t
    }

    /// Adds a span to the time that clocks show, so that whole days end at the same time of day.
    #[must_use]
    pub fn add(self, t: i64, span: i64) -> i64 {
        self.to_utc(self.local(t) + span)
    }

    /// Returns the number of the local day of a time, counted from 1970-01-01.
    #[must_use]
    pub fn day_number(self, t: i64) -> i64 {
        self.local(t).div_euclid(DAY)
    }

    /// Formats a time at local midnight as its day, and others as ISO 8601 with the local offset.
    #[must_use]
    pub fn short(self, t: i64) -> String {
        if self.is_midnight(t) { self.day(t).to_string() } else { self.iso(t) }
    }

    /// Formats a time as ISO 8601 with the local offset: `2025-06-30T09:00:00+09:00`.
    fn iso(self, t: i64) -> String {
        let (utc, offset) = (super::iso(self.local(t)), self.offset(t) / (60 * SECOND));
        match utc.strip_suffix('Z') {
            Some(local) if !self.is_utc() => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.abs();
                format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            _ => utc,
        }
    }

    /// Formats the local days of two times as `2025-06-30 to 2025-07-02`, or as one day.
    #[must_use]
    pub fn days(self, first: i64, last: i64) -> String {
        let [first, last] = [first, last].map(|t| self.day(t));
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    }

    /// Returns the local day of a time.
    #[must_use]
    pub fn day(self, t: i64) -> Day {
        Day::from_local(self.local(t))
    }
}

/// Number of days whose offsets are kept: more than a year, for files that are not sorted by time.
const KEPT_DAYS: usize = 512;

/// Converts many local times of a zone to UTC.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalTimes {
    zone: Zone,
    /// Local days without a change of the offset, by their number, and the offset in µs. A day has
    /// its place by its number; empty until the first time of another zone than UTC.
    days: Vec<Option<(i64, i64)>>,
}

impl LocalTimes {
    pub(crate) fn new(zone: Zone) -> Self {
        Self { zone, days: Vec::new() }
    }

    pub(crate) fn zone(&self) -> Zone {
        self.zone
    }

    pub(crate) fn is_utc(&self) -> bool {
        self.zone.is_utc()
    }

    /// Converts a local time to UTC, both in µs, as [`Zone::to_utc`].
    pub(crate) fn utc(&mut self, local: i64) -> i64 {
        if self.zone.is_utc() {
            return local;
        }
        let day = local.div_euclid(DAY);
        let place = usize::try_from(day.unsigned_abs()).unwrap_or(0) % KEPT_DAYS;
        self.days.resize(KEPT_DAYS, None);
        if let Some((_, offset)) = self.days[place].filter(|(known, _)| *known == day) {
            return local - offset;
        }
        let [before, after] = [day - 1, day + 2].map(|day| self.zone.offset(day * DAY));
        if before != after {
            return self.zone.to_utc(local);
        }
        self.days[place] = Some((day, before));
        local - before
    }
}

/// The days of a zone, for many times: its offsets are looked up once.
#[derive(Debug, Clone, Default)]
pub struct LocalDays {
    /// From when each offset holds, µs UTC, and the offset, µs; empty for UTC.
    offsets: Vec<(i64, i64)>,
}

impl LocalDays {
    /// Looks up the offsets of a zone between two times, µs UTC.
    #[must_use]
    pub fn new(zone: Zone, from: i64, until: i64) -> Self {
        let mut offsets: Vec<(i64, i64)> = Vec::new();
        if !zone.is_utc() && from <= until {
            let (mut t, mut offset) = (from, zone.offset(from));
            offsets.push((from, offset));
            while t < until {
                let next = (t + DAY).min(until);
                if zone.offset(next) != offset {
                    let (mut before, mut after) = (t, next);
                    while after - before > 1 {
                        let middle = before + (after - before) / 2;
                        let half =
                            if zone.offset(middle) == offset { &mut before } else { &mut after };
                        *half = middle;
                    }
                    offset = zone.offset(after);
                    offsets.push((after, offset));
                }
                t = next;
            }
        }
        Self { offsets }
    }

    /// Returns the local time of a time, µs.
    #[must_use]
    pub fn local(&self, t: i64) -> i64 {
        match self.offsets.as_slice() {
            [] => t,
            offsets => t + offsets[offsets.partition_point(|(from, _)| *from <= t).max(1) - 1].1,
        }
    }

    /// Returns the number of the local day of a time, counted from 1970-01-01.
    #[must_use]
    pub fn day(&self, t: i64) -> i64 {
        self.local(t).div_euclid(DAY)
    }

    /// Returns whether a time is the start of a local day.
    #[must_use]
    pub fn is_midnight(&self, t: i64) -> bool {
        self.local(t).rem_euclid(DAY) == 0
            || (!self.offsets.is_empty() && self.day(t) != self.day(t - 1))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Zone {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        name.trim().parse().map(Self).map_err(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{iso, parse_iso};
    use super::*;

    fn utc(zone: &str, local: &str) -> String {
        iso(zone.parse::<Zone>().unwrap().to_utc(parse_iso(local).unwrap()))
    }

    #[test]
    fn local_times_are_converted_to_utc() {
        for (zone, local, expected) in [
            ("UTC", "2025-01-15T12:00", "2025-01-15T12:00:00Z"),
            ("America/New_York", "2025-01-15", "2025-01-15T05:00:00Z"),
            ("America/New_York", "2025-07-15", "2025-07-15T04:00:00Z"),
            ("Asia/Kolkata", "2025-07-15", "2025-07-14T18:30:00Z"),
            ("Pacific/Auckland", "2025-01-15", "2025-01-14T11:00:00Z"),
            // Turned forward from 02:00 to 03:00: 02:30 does not exist.
            ("America/New_York", "2025-03-09T01:59", "2025-03-09T06:59:00Z"),
            ("America/New_York", "2025-03-09T02:30", "2025-03-09T07:30:00Z"),
            ("America/New_York", "2025-03-09T03:00", "2025-03-09T07:00:00Z"),
            // Turned back from 02:00 to 01:00: 01:30 occurs twice.
            ("America/New_York", "2025-11-02T00:59", "2025-11-02T04:59:00Z"),
            ("America/New_York", "2025-11-02T01:30", "2025-11-02T05:30:00Z"),
            ("America/New_York", "2025-11-02T02:00", "2025-11-02T07:00:00Z"),
            // Turned forward at midnight: the day starts at 01:00.
            ("America/Santiago", "2025-09-07", "2025-09-07T04:00:00Z"),
        ] {
            assert_eq!(utc(zone, local), expected, "{zone} {local}");
        }
    }

    #[test]
    fn many_times_are_converted_like_single_ones() {
        let zone: Zone = "America/New_York".parse().unwrap();
        let (mut times, start) = (LocalTimes::new(zone), parse_iso("2025-01-01").unwrap());
        for local in (0..365 * 48).map(|half_hours| start + half_hours * 1_800 * SECOND) {
            assert_eq!(times.utc(local), zone.to_utc(local), "{}", iso(local));
        }
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let new_york: Zone = "America/New_York".parse().unwrap();
        let t = parse_iso("2025-07-15T03:59:59Z").unwrap();
        assert_eq!(new_york.day(t).to_string(), "2025-07-14");
        assert_eq!(iso(new_york.midnight(t)), "2025-07-14T04:00:00Z");
        assert!(new_york.is_midnight(t + SECOND) && !new_york.is_midnight(t));
        assert_eq!(new_york.short(t + SECOND), "2025-07-15");
        assert_eq!(new_york.short(t), "2025-07-14T23:59:59-04:00");
        let santiago: Zone = "America/Santiago".parse().unwrap();
        let first = parse_iso("2025-09-07T04:00:00Z").unwrap();
        assert!(santiago.is_midnight(first) && santiago.midnight(first + DAY / 2) == first);
        // Every time is in the day that starts at its midnight.
        for zone in Zone::names().map(|name| name.parse::<Zone>().unwrap()) {
            for hours in (0..365 * 24).step_by(7) {
                let t = parse_iso("2025-01-01").unwrap() + hours * 3_600 * SECOND;
                let start = zone.midnight(t);
                assert!((t - 25 * 3_600 * SECOND..=t).contains(&start), "{zone} {}", iso(t));
                assert_eq!(zone.day(start), zone.day(t), "{zone} {}", iso(t));
                assert_eq!(zone.midnight(start), start, "{zone} {}", iso(t));
            }
        }
    }

    #[test]
    fn many_days_are_those_of_single_times() {
        let start = parse_iso("2024-12-25").unwrap();
        for name in
            ["UTC", "America/New_York", "Asia/Kolkata", "America/Santiago", "Africa/Casablanca"]
        {
            let zone: Zone = name.parse().unwrap();
            let days = LocalDays::new(zone, start, start + 400 * DAY);
            for t in (0..400 * 48).map(|half_hours| start + half_hours * 1_800 * SECOND) {
                assert_eq!(Day::from_number(days.day(t)), zone.day(t), "{name} {}", iso(t));
                assert_eq!(days.is_midnight(t), zone.is_midnight(t), "{name} {}", iso(t));
            }
        }
        assert_eq!(LocalDays::new(Zone::default(), i64::MIN, i64::MAX).day(DAY), 1);
    }

    #[test]
    fn unknown_zones_are_refused() {
        assert!("America/NewYork".parse::<Zone>().is_err() && "".parse::<Zone>().is_err());
    }
}
