//! Days and times as people of a zone read them.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{DAY, NEVER, Zone, calendar, iso, no_time};

/// A day of the calendar, as `2025-06-30`. [`Zone::day`] returns the day of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Creates a day from the number of days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Creates the day of a local time in µs.
    #[must_use]
    pub const fn from_local(local: i64) -> Self {
        Self(local.div_euclid(DAY))
    }

    /// Returns the day before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Returns the month as `2025-06`.
    #[must_use]
    pub fn month(self) -> String {
        self.to_string().chars().take("2025-06".len()).collect()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The day of a time that is never reached.
        let is_never = *self == Self::from_local(NEVER);
        let start = if is_never { NEVER } else { self.0.saturating_mul(DAY) };
        match calendar(start) {
            Some(time) => f.pad(&time.format("%Y-%m-%d").to_string()),
            None => f.pad(no_time(start)),
        }
    }
}

impl FromStr for Day {
    type Err = String;

    /// Parses a date; a time of day after it is ignored.
    fn from_str(text: &str) -> Result<Self, String> {
        let date = text.split('T').next().unwrap_or_default();
        NaiveDate::parse_from_str(date, "%Y-%m-%d")
            .map(|date| Self(date.signed_duration_since(NaiveDate::default()).num_days()))
            .map_err(|_| format!("found `{text}`, expected a date such as `2025-06-30`"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A time that people read in their zone, and programs in UTC.
///
/// As text it is the local day if it is the start of that day, else the local time with its
/// offset. In JSON it is ISO 8601 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZonedTime {
    /// The time, µs UTC.
    time: i64,
    /// The zone of its readers.
    zone: Zone,
}

impl ZonedTime {
    /// Creates the time of readers in a zone, from µs UTC.
    #[must_use]
    pub const fn new(time: i64, zone: Zone) -> Self {
        Self { time, zone }
    }

    /// Returns the time in µs UTC.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.time
    }

    /// Returns the zone of its readers.
    #[must_use]
    pub const fn zone(self) -> Zone {
        self.zone
    }

    /// Returns the local day.
    #[must_use]
    pub fn day(self) -> Day {
        self.zone.day(self.time)
    }

    /// Returns the last local day with times before this one: the last day of a log that ends then.
    #[must_use]
    pub fn last_day_before(self) -> Day {
        self.zone.day(self.time - 1)
    }

    /// Formats the time with its time of day, as `2025-06-30 00:00`: the end of the day before.
    #[must_use]
    pub fn with_time_of_day(self) -> String {
        if self.zone.is_midnight(self.time) {
            format!("{} 00:00", self.day())
        } else {
            self.to_string()
        }
    }

    /// Returns the name of the local weekday.
    #[must_use]
    pub fn weekday(self) -> &'static str {
        /// 1970-01-01 was a Thursday.
        const NAMES: [&str; 7] =
            ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
        let days = self.zone.day_number(self.time).rem_euclid(7);
        NAMES[usize::try_from(days).expect("0 to 6")]
    }
}

impl fmt::Display for ZonedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.zone.short(self.time))
    }
}

impl Serialize for ZonedTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&iso(self.time))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse_iso, parse_written};
    use super::*;

    #[test]
    fn people_read_the_local_time_and_programs_utc() {
        let time = |text: &str, zone: &str| {
            ZonedTime::new(parse_iso(text).unwrap(), zone.parse().unwrap())
        };
        for (utc, zone, expected) in [
            ("2025-06-30", "UTC", "2025-06-30"),
            ("2025-06-30T12:00Z", "UTC", "2025-06-30T12:00:00Z"),
            ("2025-06-29T15:00Z", "Asia/Tokyo", "2025-06-30"),
            ("2025-06-29T23:30Z", "Asia/Tokyo", "2025-06-30T08:30:00+09:00"),
            ("2025-07-01T03:59:59Z", "America/New_York", "2025-06-30T23:59:59-04:00"),
            ("2025-06-29T18:30:00.25Z", "Asia/Kolkata", "2025-06-30T00:00:00.250000+05:30"),
        ] {
            let time = time(utc, zone);
            assert_eq!(
                (time.to_string(), time.day().to_string()),
                (expected.to_owned(), "2025-06-30".to_owned())
            );
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("{:?}", iso(time.micros())));
            // The text means the same time when it is read back.
            assert_eq!(parse_written(expected).unwrap().in_zone(time.zone), time.micros());
        }
    }

    #[test]
    fn a_log_that_ends_at_midnight_ends_with_the_day_before() {
        for (utc, zone, moment, last, weekday) in [
            ("2025-07-01", "UTC", "2025-07-01 00:00", "2025-06-30", "Tuesday"),
            ("2025-06-30T15:00Z", "Asia/Tokyo", "2025-07-01 00:00", "2025-06-30", "Tuesday"),
            ("2025-06-30T12:00Z", "UTC", "2025-06-30T12:00:00Z", "2025-06-30", "Monday"),
            ("1970-01-01", "UTC", "1970-01-01 00:00", "1969-12-31", "Thursday"),
            ("1969-12-31", "UTC", "1969-12-31 00:00", "1969-12-30", "Wednesday"),
        ] {
            let time = ZonedTime::new(parse_iso(utc).unwrap(), zone.parse().unwrap());
            let found = [time.with_time_of_day(), time.last_day_before().to_string()];
            assert_eq!(found, [moment, last]);
            assert_eq!(time.weekday(), weekday);
        }
        assert_eq!("2025-03-01".parse::<Day>().unwrap().previous().to_string(), "2025-02-28");
    }

    #[test]
    fn a_day_survives_a_round_trip() {
        for text in ["1970-01-01", "2025-06-30", "1969-12-31", "0001-01-01", "9999-12-31"] {
            let day: Day = text.parse().unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(serde_json::to_string(&day).unwrap(), format!("\"{text}\""));
            assert_eq!(format!("{text}T00:00:00Z").parse(), Ok(day));
        }
        assert_eq!("2025-06-30".parse::<Day>().unwrap().month(), "2025-06");
        assert!("30/06/2025".parse::<Day>().is_err());
    }

    #[test]
    fn days_beyond_the_calendar_are_described() {
        for (day, text) in [
            (Day::from_local(NEVER), "never"),
            (Day::from_local(i64::MIN), "no time"),
            (Day::from_local(NEVER - DAY), "a time after the year 9999"),
        ] {
            assert_eq!(day.to_string(), text);
        }
    }
}
