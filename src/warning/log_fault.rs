//! Faults of the log: events, days or sources that are missing, repeated or rounded.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::escape::OneLine;
use crate::names::{agree, counted, grouped, plural, whole_percents};
use crate::time::Day;

/// An event type that began when another one stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replacement {
    /// The new event type.
    pub event: String,
    /// Its first day; `None` if it is in the log from its beginning.
    pub first_seen: Option<Day>,
    /// Its events per day.
    pub per_day: f64,
    /// Expected events per day of the event type that stopped.
    pub expected_per_day: f64,
}

/// A fault of the log that changes features and scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LogFault {
    /// An event type no longer occurs.
    EventGone {
        /// The event type.
        event: String,
        /// Day of its last event; `None` if the log has none.
        last_seen: Option<Day>,
        /// Days since then.
        days: usize,
        /// Expected events on these days.
        expected: u64,
        /// The event type that may have replaced it.
        replacement: Option<Replacement>,
    },
    /// Days have no events.
    DayMissing {
        /// The source; without one and without an event type, the whole log.
        source: Option<String>,
        /// First day without events.
        from: Day,
        /// Last day without events.
        to: Day,
        /// Expected events on these days.
        expected: u64,
        /// The event type.
        event: Option<String>,
    },
    /// A source ends before the others.
    SourceEnded {
        /// The source.
        source: String,
        /// Its last day with events; `None`: before the counted days.
        last_seen: Option<Day>,
        /// Last day of the log.
        log_end: Day,
        /// Expected events since.
        expected: u64,
    },
    /// Days have far fewer events than expected.
    VolumeDrop {
        /// The source; without one and without an event type, the whole log.
        source: Option<String>,
        /// First such day.
        from: Day,
        /// Last such day.
        to: Day,
        /// Events on these days.
        events: u64,
        /// Expected events on these days.
        expected: u64,
        /// The event type.
        event: Option<String>,
    },
    /// The days before the end of training have another number of events than in training.
    HistoryChanged {
        /// First of these days.
        from: Day,
        /// Last of these days.
        to: Day,
        /// Events of these days in this log.
        events: u64,
        /// Events of these days in the training log.
        reference: u64,
        /// The event type; `None`: the whole log.
        event: Option<String>,
    },
    /// A day has its events twice.
    DayDoubled {
        /// The day.
        day: Day,
        /// Events on this day.
        events: u64,
        /// Expected events; `None` with less than four weeks of history.
        expected: Option<u64>,
        /// Share of the events that repeat another one in every column.
        repeats: f64,
        /// This share on the days before.
        usual_repeats: f64,
        /// The source; without one and without an event type, the whole log.
        source: Option<String>,
        /// The event type.
        event: Option<String>,
    },
    /// Times suddenly fall on whole minutes, hours or days.
    RoundTimes {
        /// The source; without one and without an event type, the whole log.
        source: Option<String>,
        /// First such day.
        from: Day,
        /// `minutes`, `hours` or `days`.
        unit: String,
        /// Share of such times since then.
        share: f64,
        /// Share of such times before.
        reference: f64,
        /// The event type.
        event: Option<String>,
    },
}

impl LogFault {
    /// Returns the stable code of the fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EventGone { .. } => "event-gone",
            Self::DayMissing { .. } => "day-missing",
            Self::SourceEnded { .. } => "source-ended",
            Self::VolumeDrop { .. } => "volume-drop",
            Self::HistoryChanged { .. } => "history-changed",
            Self::DayDoubled { .. } => "day-doubled",
            Self::RoundTimes { .. } => "round-times",
        }
    }

    /// Returns what to do about it, as an imperative without a full stop.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::EventGone { replacement: Some(_), .. } => {
                "list both names in [roles] and retrain, or restore the old name in the export"
            }
            Self::EventGone { .. } => {
                "check the tracking of this event; if the product dropped it, retrain"
            }
            Self::DayMissing { event: Some(_), .. } | Self::VolumeDrop { event: Some(_), .. } => {
                "check the tracking and the export of this event, complete the log, then rerun"
            }
            Self::DayMissing { .. } | Self::SourceEnded { .. } | Self::VolumeDrop { .. } => {
                "complete the export, then rerun"
            }
            Self::HistoryChanged { .. } => {
                "compare the files with those of the training, then rerun"
            }
            Self::DayDoubled { .. } => {
                "remove the second copy or set `id` in [[events]], then rerun"
            }
            Self::RoundTimes { .. } => "export exact times; recency and sessions depend on them",
        }
    }

    /// Returns the position among faults listed by seriousness, most serious first.
    #[must_use]
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::DayMissing { source: None, event: None, .. } => 0,
            Self::SourceEnded { .. } => 1,
            Self::DayMissing { .. } => 2,
            Self::VolumeDrop { .. } => 3,
            Self::HistoryChanged { .. } => 4,
            Self::EventGone { .. } => 5,
            Self::DayDoubled { .. } => 6,
            Self::RoundTimes { .. } => 7,
        }
    }
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        match self {
            Self::EventGone { event, last_seen, days, expected, replacement } => {
                let were = agree(*expected, ["was", "were"]);
                let expected = counted(*expected, "event");
                match last_seen {
                    Some(day) => write!(
                        f,
                        "`{event}` was last seen on {}. {expected} {were} expected in the {} since.",
                        day,
                        counted(*days as u64, "day")
                    )?,
                    None => write!(
                        f,
                        "The log has no `{event}`. {expected} {were} expected in {}.",
                        counted(*days as u64, "day")
                    )?,
                }
                replacement.as_ref().map_or(Ok(()), |new| write!(f, " {}", renamed(new)))
            }
            Self::DayMissing { source, from, to, expected, event } => write!(
                f,
                "{} has no {} {}. {} {} expected.",
                named(source.as_deref()),
                events_named(event.as_deref(), 0),
                period(*from, *to),
                grouped(*expected),
                agree(*expected, ["was", "were"])
            ),
            Self::SourceEnded { source, last_seen, log_end, expected } => {
                let last = last_seen.map_or_else(
                    || "has no recent events".to_owned(),
                    |day| format!("ends on {day}"),
                );
                write!(
                    f,
                    "`{source}` {last}, but other sources go on until {}. {} expected from it since.",
                    log_end,
                    counted(*expected, "event") + agree(*expected, [" was", " were"])
                )
            }
            Self::VolumeDrop { source, from, to, events, expected, event } => write!(
                f,
                "{} has {} {} {}, {}% of the expected {}.",
                named(source.as_deref()),
                grouped(*events),
                events_named(event.as_deref(), *events),
                period(*from, *to),
                percent(*events, *expected),
                grouped(*expected)
            ),
            Self::HistoryChanged { from, to, events, reference, event } => write!(
                f,
                "The log has {} {} {}, {}% of the {} in training.",
                grouped(*events),
                events_named(event.as_deref(), *events),
                period(*from, *to),
                percent(*events, *reference),
                grouped(*reference)
            ),
            Self::DayDoubled { day, events, expected, repeats, usual_repeats, source, event } => {
                let place =
                    source.as_ref().map_or(String::new(), |source| format!(" in `{source}`"));
                let expected = expected.map_or(String::new(), |expected| {
                    let were = agree(expected, ["was", "were"]);
                    format!(" where {} {were} expected", grouped(expected))
                });
                let shares = whole_percents(&[*repeats, *usual_repeats]);
                write!(
                    f,
                    "{day} has {} {}{place}{expected}, and {} of them repeat another event in every column ({} on the days before). Was a file read twice?",
                    grouped(*events),
                    events_named(event.as_deref(), *events),
                    shares[0],
                    shares[1]
                )
            }
            Self::RoundTimes { source, from, unit, share, reference, event } => {
                let of_event =
                    event.as_ref().map_or(String::new(), |event| format!(" of `{event}`"));
                let place =
                    source.as_ref().map_or(String::new(), |source| format!(" in `{source}`"));
                let shares = whole_percents(&[*share, *reference]);
                write!(
                    f,
                    "{} of the times{of_event}{place} fall on whole {unit} since {from}, up from {}.",
                    shares[0], shares[1]
                )
            }
        }
    }
}

fn renamed(new: &Replacement) -> String {
    let rate = |per_day: f64| {
        if per_day < 10.0 { format!("{per_day:.1}") } else { format!("{per_day:.0}") }
    };
    let began = new.first_seen.map_or_else(
        || format!("`{}`, unknown in training,", new.event),
        |day| format!("`{}` began on {}", new.event, day),
    );
    let [found, expected] = [rate(new.per_day), rate(new.expected_per_day)];
    let has = if new.first_seen.is_some() { "with" } else { "has" };
    format!(
        "{began} {has} {found} events a day ({expected} expected of the old one). Was the event renamed?"
    )
}

fn named(source: Option<&str>) -> String {
    source.map_or_else(|| "The log".to_owned(), |source| format!("`{source}`"))
}

/// Returns `events`, or `login` events of an event type.
fn events_named(event: Option<&str>, count: u64) -> String {
    let noun = plural(count, "event");
    event.map_or_else(|| noun.clone(), |event| format!("`{event}` {noun}"))
}

/// Describes one day, or the days from the first to the last.
fn period(from: Day, to: Day) -> String {
    if from == to { format!("on {from}") } else { format!("from {from} to {to}") }
}

#[expect(clippy::cast_precision_loss, reason = "counts of events")]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.0}", 100.0 * part as f64 / (whole as f64).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_renamed_event_is_described_with_its_replacement() {
        let fault = |replacement| LogFault::EventGone {
            event: "login".to_owned(),
            last_seen: Some(day("2014-04-01")),
            days: 5,
            expected: 312,
            replacement,
        };
        assert_eq!(
            fault(None).to_string(),
            "`login` was last seen on 2014-04-01. 312 events were expected in the 5 days since."
        );
        let new = Replacement {
            event: "user_signed_in".to_owned(),
            first_seen: Some(day("2014-04-02")),
            per_day: 64.2,
            expected_per_day: 62.4,
        };
        assert!(fault(Some(new)).to_string().ends_with(
            " `user_signed_in` began on 2014-04-02 with 64 events a day (62 expected of the old one). Was the event renamed?"
        ));
    }

    #[test]
    fn a_doubled_day_is_described_with_its_usual_repeats() {
        let doubled = |expected, usual_repeats, event| LogFault::DayDoubled {
            day: day("2022-10-10"),
            events: 354,
            expected,
            repeats: 0.849,
            usual_repeats,
            source: Some("exams.csv".to_owned()),
            event,
        };
        assert_eq!(
            doubled(Some(165), 0.7, None).to_string(),
            "2022-10-10 has 354 events in `exams.csv` where 165 were expected, and 85% of them repeat another event in every column (70% on the days before). Was a file read twice?"
        );
        assert_eq!(
            doubled(None, 0.0, Some("exam".to_owned())).to_string(),
            "2022-10-10 has 354 `exam` events in `exams.csv`, and 85% of them repeat another event in every column (0% on the days before). Was a file read twice?"
        );
    }

    #[test]
    fn days_and_sources_are_named() {
        let from = day("2025-09-03");
        let missing = |source, event, to| LogFault::DayMissing {
            source,
            from,
            to: day(to),
            expected: 1_200,
            event,
        };
        assert_eq!(
            missing(None, None, "2025-09-03").to_string(),
            "The log has no events on 2025-09-03. 1,200 were expected."
        );
        assert_eq!(
            missing(Some("crm.csv".to_owned()), None, "2025-09-04").to_string(),
            "`crm.csv` has no events from 2025-09-03 to 2025-09-04. 1,200 were expected."
        );
        assert_eq!(
            missing(None, Some("login".to_owned()), "2025-09-03").to_string(),
            "The log has no `login` events on 2025-09-03. 1,200 were expected."
        );
        let drop = |event, events| LogFault::VolumeDrop {
            source: None,
            from,
            to: from,
            events,
            expected: 1_200,
            event,
        };
        assert_eq!(
            drop(None, 590).to_string(),
            "The log has 590 events on 2025-09-03, 49% of the expected 1,200."
        );
        assert_eq!(
            drop(Some("login".to_owned()), 1).to_string(),
            "The log has 1 `login` event on 2025-09-03, 0% of the expected 1,200."
        );
    }
}
