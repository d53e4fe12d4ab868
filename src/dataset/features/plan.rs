//! The catalog translated to the codes of a log.

use super::catalog::{FeatureCatalog, LIFETIME, PER_WINDOW, VELOCITIES};
use crate::error::{Error, Result};
use crate::log::{Accounts, Log};

pub(super) const LOGIN: u8 = 1;
pub(super) const VALUE: u8 = 2;
pub(super) const INVITE: u8 = 4;
pub(super) const LIMIT: u8 = 8;
pub(super) const HAND_RAISE: u8 = 16;

/// The catalog translated to the codes of a log, and lookup tables for its windows.
pub(super) struct Plan<'a> {
    pub(super) accounts: &'a Accounts,
    /// Windows in days, ascending.
    pub(super) windows: Vec<i64>,
    /// Whether each window has velocities, and a trend.
    pub(super) has_velocities: Vec<bool>,
    pub(super) has_trend: Vec<bool>,
    /// Role bits of each event name.
    pub(super) roles: Vec<u8>,
    /// Codes of the event names that have a count; `None` where the log lacks the name.
    pub(super) counted: Vec<Option<u16>>,
    /// Indices of the numeric properties that are summed.
    pub(super) sums: Vec<usize>,
    pub(super) seats: Option<&'a [f64]>,
    /// Number of event names of the log.
    pub(super) names: usize,
    /// The shortest window that contains each day before the cutoff, up to the longest window.
    pub(super) window_of: Vec<usize>,
    /// The windows whose preceding window contains each day before the cutoff, up to twice the
    /// longest window.
    pub(super) previous_of: Vec<Vec<usize>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(catalog: &FeatureCatalog, log: &'a Log) -> Result<Self> {
        let names = &log.events.names;
        let mut roles = vec![0; names.len()];
        for (role, bit) in [
            ("login", LOGIN),
            ("value", VALUE),
            ("invite", INVITE),
            ("limit", LIMIT),
            ("hand_raise", HAND_RAISE),
        ] {
            for code in catalog.role(role).iter().filter_map(|name| names.code(name)) {
                roles[code] |= bit;
            }
        }
        let sum = |name: &String| {
            let found = log.events.values.iter().position(|n| n == name);
            found.ok_or_else(|| Error::MissingProperty { property: name.clone() })
        };
        let seats = match (&log.accounts.seats, catalog.has_seats) {
            (Some(seats), true) => Some(seats.as_slice()),
            (None, true) => return Err(Error::MissingSeats),
            (_, false) => None,
        };
        let is_in = |some: &[u32]| catalog.windows.iter().map(|w| some.contains(w)).collect();
        let windows: Vec<i64> = catalog.windows.iter().map(|w| i64::from(*w)).collect();
        let longest = windows[windows.len() - 1];
        let previous = |day: i64| {
            (0..windows.len()).filter(|w| (windows[*w]..2 * windows[*w]).contains(&day)).collect()
        };
        Ok(Self {
            accounts: &log.accounts,
            window_of: (0..longest).map(|day| windows.partition_point(|w| *w <= day)).collect(),
            previous_of: (0..2 * longest).map(previous).collect(),
            windows,
            has_velocities: is_in(&catalog.velocity_windows),
            has_trend: is_in(&catalog.trend_windows),
            roles,
            counted: catalog
                .counted_events
                .iter()
                .map(|n| names.code(n).and_then(|c| u16::try_from(c).ok()))
                .collect(),
            sums: catalog.summed_properties.iter().map(sum).collect::<Result<_>>()?,
            seats,
            names: names.len(),
        })
    }

    /// Returns the number of computed features.
    pub(super) fn width(&self) -> usize {
        let windows = 0..self.windows.len();
        LIFETIME.len() + windows.map(|w| self.window_width(w)).sum::<usize>()
    }

    /// Returns the number of features of one window.
    pub(super) fn window_width(&self, w: usize) -> usize {
        PER_WINDOW.len()
            + if self.has_velocities[w] { VELOCITIES.len() } else { 0 }
            + usize::from(self.has_trend[w])
            + usize::from(self.seats.is_some())
            + self.counted.len()
            + self.sums.len()
    }
}
