//! Times (µs since 1970, UTC) and time spans: parsing and formatting.

mod day;
mod zone;

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};
pub use day::{Day, ZonedTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
pub(crate) use zone::LocalTimes;
pub use zone::{LocalDays, Zone};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY: i64 = pql_stats::MICROS_PER_DAY;
/// Converts a span in µs to days.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "spans of many years stay below 2⁵³ µs")]
pub fn in_days(span: i64) -> f64 {
    span as f64 / DAY as f64
}

/// A time that is never reached: not converted, not churned.
pub const NEVER: i64 = i64::MAX;
/// Years of valid times: no log is older, and differences of later times would overflow.
pub(crate) const YEARS: std::ops::RangeInclusive<i64> = 1900..=2262;
/// The range of valid times, µs.
const PLAUSIBLE: std::ops::Range<i64> = -2_208_988_800 * SECOND..9_246_182_400 * SECOND;

/// Returns the last 00:00 UTC at or before `t`.
#[must_use]
pub fn midnight(t: i64) -> i64 {
    t.div_euclid(DAY) * DAY
}

/// Formats a time as `2025-06-30T00:00:00Z`, with microseconds only if they are not 0; [`NEVER`]
/// and other limits of the number type, which are no times, in words.
#[must_use]
pub fn iso(t: i64) -> String {
    match calendar(t) {
        Some(time) if t % SECOND == 0 => time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        None => no_time(t).to_owned(),
    }
}

/// Returns the date and time of day in UTC; `None` beyond the year 9999, as for the limits of the
/// number type.
fn calendar(t: i64) -> Option<DateTime<chrono::Utc>> {
    let is_year = |time: &DateTime<chrono::Utc>| (0..=9_999).contains(&time.year());
    DateTime::from_timestamp_micros(t).filter(is_year)
}

/// Describes a number that is not a time of the calendar.
fn no_time(t: i64) -> &'static str {
    match t {
        NEVER => "never",
        i64::MIN => "no time",
        _ if t < 0 => "a time before the year 0",
        _ => "a time after the year 9999",
    }
}

/// A time as written: with an offset it is a point in time, without one a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenTime {
    /// The time that clocks show, µs.
    local: i64,
    /// Local time minus UTC, µs; `None` without an offset.
    offset: Option<i64>,
}

impl WrittenTime {
    /// Returns whether the time has an offset from UTC.
    pub(crate) fn has_offset(self) -> bool {
        self.offset.is_some()
    }

    /// Returns the time in µs UTC; without an offset it is a local time of the zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> i64 {
        self.offset.map_or_else(|| zone.to_utc(self.local), |offset| self.local - offset)
    }

    /// Returns the time in µs UTC as [`WrittenTime::in_zone`].
    pub(crate) fn to_utc(self, zone: &mut LocalTimes) -> i64 {
        self.offset.map_or_else(|| zone.utc(self.local), |offset| self.local - offset)
    }
}

/// Parses ISO 8601: `2025-06-30` or `20250630`, optionally with a time of day after `T` or a space,
/// and with `Z` or an offset (default: UTC).
#[must_use]
pub fn parse_iso(text: &str) -> Option<i64> {
    parse_written(text).map(|time| time.in_zone(Zone::default()))
}

/// Parses ISO 8601 as [`parse_iso`], without assuming an offset.
#[must_use]
pub fn parse_written(text: &str) -> Option<WrittenTime> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = parse_date(text)?;
    if rest.is_empty() {
        return Some(WrittenTime { local: date, offset: None });
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let split = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(split);
    let offset = match zone.trim_start() {
        "" => None,
        zone => Some(parse_offset(zone)?),
    };
    Some(WrittenTime { local: date + parse_clock(clock)?, offset })
}

/// Parses a time in a strftime format; the default time of day is 00:00, the default offset that of
/// the zone.
#[must_use]
pub fn parse_with(text: &str, format: &str, zone: Zone) -> Option<i64> {
    let text = text.trim();
    let local = |time: NaiveDateTime| zone.to_utc(time.and_utc().timestamp_micros());
    DateTime::parse_from_str(text, format)
        .map(|t| t.timestamp_micros())
        .or_else(|_| NaiveDateTime::parse_from_str(text, format).map(local))
        .or_else(|_| {
            NaiveDate::parse_from_str(text, format).map(|d| local(d.and_time(NaiveTime::MIN)))
        })
        .ok()
        .filter(|t| plausible(*t))
}

/// Returns 00:00 UTC of a date given as the number `YYYYMMDD`.
#[must_use]
pub fn from_yyyymmdd(number: i64) -> Option<i64> {
    days_micros(number / 10_000, number / 100 % 100, number % 100)
}

/// Numbers of digits of a date, with hours, with minutes, and with seconds.
const CALENDAR_DIGITS: [u32; 4] = [8, 10, 12, 14];

/// Returns the number of digits of `YYYYMMDD`, `YYYYMMDDHH`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`;
/// `None` for a number that is no such date.
#[must_use]
pub fn calendar_digits(number: i64) -> Option<u32> {
    let digits = number.checked_ilog10()? + 1;
    from_calendar_digits(number, digits).map(|_| digits)
}

/// Returns the local time of a date of that many digits, as for [`calendar_digits`], in µs.
#[must_use]
pub fn from_calendar_digits(number: i64, digits: u32) -> Option<i64> {
    let known = CALENDAR_DIGITS.contains(&digits) && (0..10_i64.pow(digits)).contains(&number);
    let clock = known.then(|| digits - 8)?;
    let day = from_yyyymmdd(number / 10_i64.pow(clock))?;
    let clock = number % 10_i64.pow(clock) * 10_i64.pow(6 - clock);
    let (hours, minutes, seconds) = (clock / 10_000, clock / 100 % 100, clock % 100);
    (hours < 24 && minutes < 60 && seconds < 60)
        .then_some(day + ((hours * 60 + minutes) * 60 + seconds) * SECOND)
}

/// Returns whether a time is within the years of product logs, 1900 to 2262.
#[must_use]
pub fn plausible(t: i64) -> bool {
    PLAUSIBLE.contains(&t)
}

fn parse_date(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        8 => Some((from_yyyymmdd(text[..8].parse().ok()?)?, &text[8..])),
        4 => {
            let bytes = text.as_bytes();
            if bytes.len() < 10
                || bytes[4] != b'-'
                || bytes[7] != b'-'
                || !text.is_char_boundary(10)
            {
                return None;
            }
            Some((
                days_micros(number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?)?,
                &text[10..],
            ))
        }
        _ => None,
    }
}

fn days_micros(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )?;
    YEARS.contains(&year).then(|| date.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
}

fn parse_clock(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let [hour, minute, second] = digit_pairs(whole)?;
    // Digits beyond microseconds are dropped.
    let digits = &fraction[..fraction.len().min(6)];
    let unit = 10_i64.pow(6 - u32::try_from(digits.len()).ok()?);
    let micros = if digits.is_empty() { 0 } else { number(digits)? * unit };
    let fits =
        hour < 24 && minute < 60 && second <= 60 && fraction.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(((hour * 60 + minute) * 60 + second) * SECOND + micros)
}

fn parse_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let [hours, minutes, seconds] = digit_pairs(zone.strip_prefix(['+', '-'])?)?;
    (hours < 24 && minutes < 60 && seconds == 0)
        .then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

/// Parses one to three pairs of digits, with or without `:` between them; absent pairs are 0.
fn digit_pairs(text: &str) -> Option<[i64; 3]> {
    let (mut values, mut rest) = ([0; 3], text);
    let has_colons = text.contains(':');
    for value in &mut values {
        *value = number(rest.get(..2)?)?;
        rest = &rest[2..];
        if rest.is_empty() {
            return Some(values);
        }
        if has_colons {
            rest = rest.strip_prefix(':')?;
        }
    }
    None
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A time span in µs, written as an integer and a unit: `w`, `d`, `h` or `m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub i64);

impl TimeSpan {
    /// Creates a span of whole days.
    #[must_use]
    pub const fn days(days: i64) -> Self {
        Self(days * DAY)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR: i64 = 3_600 * SECOND;
        match self.0 {
            t if t % DAY == 0 => write!(f, "{}d", t / DAY),
            t if t % HOUR == 0 => write!(f, "{}h", t / HOUR),
            t => write!(f, "{}m", t / (60 * SECOND)),
        }
    }
}

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "found `{text}`, expected a duration such as `14d`: a whole number and a unit (`w`, `d`, `h` or `m`), at most 100000d"
            )
        };
        let unit = match text.chars().last() {
            Some('w') => 7 * DAY,
            Some('d') => DAY,
            Some('h') => 3_600 * SECOND,
            Some('m') => 60 * SECOND,
            _ => return Err(expected()),
        };
        let count =
            number(&text[..text.len() - 1]).filter(|_| text.len() > 1).ok_or_else(expected)?;
        count.checked_mul(unit).filter(|t| *t <= 100_000 * DAY).map(Self).ok_or_else(expected)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct TimeSpanVisitor;

impl de::Visitor<'_> for TimeSpanVisitor {
    type Value = TimeSpan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30d\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeSpan, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeSpanVisitor)
    }
}

/// A time in a project file or an option, µs UTC; written in ISO 8601, where a date means 00:00
/// UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the current time, which is used only to drop later events as errors.
    #[must_use]
    pub fn now() -> Self {
        let micros =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros());
        Self(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&iso(self.0))
    }
}

impl FromStr for WrittenTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_written(text)
            .ok_or_else(|| format!("found `{text}`, expected a date or time such as `2025-06-30` or `2025-06-30T12:00:00Z`"))
    }
}

impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(|time: WrittenTime| Self(time.in_zone(Zone::default())))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&iso(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_8601_variants_are_parsed() {
        let noon = 1_751_284_800 * SECOND;
        for text in [
            "2025-06-30T12:00:00Z",
            "20250630 12:00:00",
            "2025-06-30 14:00+02:00",
            "2025-06-30T120000",
            "2025-06-30T12:00:00.000",
            "2025-06-30T08:00:00-0400",
        ] {
            assert_eq!(parse_iso(text), Some(noon), "{text}");
        }
        assert_eq!(parse_iso("2025-06-30"), Some(noon - DAY / 2));
        assert_eq!(parse_iso("2025-06-30T12:00:00.25Z"), Some(noon + SECOND / 4));
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in [
            "",
            "soon",
            "2025-13-01",
            "2025-02-30",
            "2025-06-30T25:00",
            "30/06/2025",
            "2025-06-30Tx",
            "2025-06-30T12:00:00+9",
            "2025-06-3é",
        ] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn other_formats_are_parsed_with_strftime() {
        let utc = Zone::default();
        let berlin = "Europe/Berlin".parse().unwrap();
        let expected = parse_iso("2014-11-09T12:05Z");
        assert_eq!(parse_with("9.11.2014 13:05", "%d.%m.%Y %H:%M", berlin), expected);
        let offset = "%Y-%m-%d %H:%M %z";
        assert_eq!(parse_with("2014-11-09 07:05 -0500", offset, berlin), expected);
        assert_eq!(
            parse_with("11/9/2014 13:05", "%m/%d/%Y %H:%M", utc),
            parse_iso("2014-11-09T13:05")
        );
        assert_eq!(parse_with("09.11.2014", "%d.%m.%Y", utc), parse_iso("2014-11-09"));
        assert_eq!(parse_with("2014-11-09", "%d.%m.%Y", utc), None);
    }

    #[test]
    fn only_times_without_an_offset_are_local() {
        let new_york = "America/New_York".parse().unwrap();
        let utc = |text: &str| parse_written(text).map(|time| iso(time.in_zone(new_york)));
        assert_eq!(utc("2025-01-15").as_deref(), Some("2025-01-15T05:00:00Z"));
        assert_eq!(utc("2025-01-15 08:00").as_deref(), Some("2025-01-15T13:00:00Z"));
        assert_eq!(utc("2025-01-15T08:00Z").as_deref(), Some("2025-01-15T08:00:00Z"));
        assert_eq!(utc("2025-01-15T08:00+01:00").as_deref(), Some("2025-01-15T07:00:00Z"));
    }

    #[test]
    fn digits_of_a_date_are_a_local_time() {
        for (number, text) in [
            (20_250_102, "2025-01-02"),
            (2_025_010_210, "2025-01-02T10:00"),
            (202_501_021_030, "2025-01-02T10:30"),
            (20_250_102_103_059, "2025-01-02T10:30:59"),
        ] {
            let digits = calendar_digits(number).unwrap();
            assert_eq!(from_calendar_digits(number, digits), parse_iso(text), "{text}");
        }
        for number in [0, -20_250_102, 20_251_301, 2_025_010_224, 202_501_021_060, 1_735_689_600] {
            assert_eq!(calendar_digits(number), None, "{number}");
        }
        assert_eq!(calendar_digits(i64::MAX), None);
    }

    #[test]
    fn limits_of_the_number_type_are_never_shown() {
        for t in [NEVER, i64::MIN, NEVER - 1, i64::MIN + 1, NEVER - DAY, 1 << 62] {
            let local = ZonedTime::new(t, Zone::default());
            for text in [iso(t), local.to_string(), local.day().to_string()] {
                assert!(text.len() < 30 && !text.contains("922337"), "{text}");
            }
        }
        assert_eq!((iso(NEVER), iso(i64::MIN)), ("never".to_owned(), "no time".to_owned()));
    }

    #[test]
    fn time_spans_survive_a_round_trip() {
        for text in ["14d", "12h", "90m", "0d"] {
            assert_eq!(text.parse::<TimeSpan>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("2w".parse(), Ok(TimeSpan::days(14)));
        for text in ["14", "d", "-1d", "1.5d", "1y", "99999999999999999d"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_times_from_1900_to_2262_are_plausible() {
        assert!(
            plausible(parse_iso("1900-01-01").unwrap())
                && plausible(parse_iso("2262-12-31T23:59:59").unwrap())
        );
        assert!(!plausible(PLAUSIBLE.start - 1) && !plausible(PLAUSIBLE.end));
        assert_eq!(
            (iso(PLAUSIBLE.start), iso(PLAUSIBLE.end)),
            ("1900-01-01T00:00:00Z".to_owned(), "2263-01-01T00:00:00Z".to_owned())
        );
    }

    #[test]
    fn microseconds_are_written_only_if_they_are_not_zero() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1), "1970-01-01T00:00:00.000001Z");
    }
}
