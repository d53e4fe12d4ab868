//! The catalogue in the codes of one log.

use super::catalogue::{Catalogue, LIFETIME, PER_WINDOW};
use crate::error::{Error, Result};
use crate::log::{Accounts, Log};

pub(super) const LOGIN: u8 = 1;
pub(super) const VALUE: u8 = 2;
pub(super) const INVITE: u8 = 4;
pub(super) const LIMIT: u8 = 8;
pub(super) const HAND_RAISE: u8 = 16;

/// The catalogue in the codes of one log.
pub(super) struct Plan<'a> {
    pub(super) accounts: &'a Accounts,
    /// Windows in days, ascending.
    pub(super) windows: Vec<i64>,
    /// Roles of each event name.
    pub(super) roles: Vec<u8>,
    /// Codes of the event names with counts of their own; `None`: not in this log.
    pub(super) counted: Vec<Option<u16>>,
    /// Numeric properties that are summed, by their place in the log.
    pub(super) sums: Vec<usize>,
    pub(super) seats: Option<&'a [f64]>,
    /// Event names of the log.
    pub(super) names: usize,
    /// By day before the cutoff, the smallest window it belongs to, up to the longest.
    pub(super) window_of: Vec<usize>,
    /// By day before the cutoff, the windows whose window before it belongs to, up to twice the
    /// longest.
    pub(super) previous_of: Vec<Vec<usize>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(catalogue: &Catalogue, log: &'a Log) -> Result<Self> {
        let names = &log.events.names;
        let mut roles = vec![0; names.len()];
        for (role, bit) in [
            ("login", LOGIN),
            ("value", VALUE),
            ("invite", INVITE),
            ("limit", LIMIT),
            ("hand_raise", HAND_RAISE),
        ] {
            for code in catalogue.role(role).iter().filter_map(|name| names.code(name)) {
                roles[code] |= bit;
            }
        }
        let sum = |name: &String| {
            let found = log.events.values.iter().position(|n| n == name);
            found.ok_or_else(|| Error::MissingProperty { property: name.clone() })
        };
        let seats = match (&log.accounts.seats, catalogue.seats) {
            (Some(seats), true) => Some(seats.as_slice()),
            (None, true) => return Err(Error::MissingSeats),
            (_, false) => None,
        };
        let windows: Vec<i64> = catalogue.windows.iter().map(|w| i64::from(*w)).collect();
        let longest = windows[windows.len() - 1];
        let previous = |day: i64| {
            (0..windows.len()).filter(|w| (windows[*w]..2 * windows[*w]).contains(&day)).collect()
        };
        Ok(Self {
            accounts: &log.accounts,
            window_of: (0..longest).map(|day| windows.partition_point(|w| *w <= day)).collect(),
            previous_of: (0..2 * longest).map(previous).collect(),
            windows,
            roles,
            counted: catalogue
                .counted
                .iter()
                .map(|n| names.code(n).and_then(|c| u16::try_from(c).ok()))
                .collect(),
            sums: catalogue.sums.iter().map(sum).collect::<Result<_>>()?,
            seats,
            names: names.len(),
        })
    }

    /// Numbers in a row.
    pub(super) fn width(&self) -> usize {
        LIFETIME.len() + self.windows.len() * self.window_width()
    }

    pub(super) fn window_width(&self) -> usize {
        PER_WINDOW.len() + usize::from(self.seats.is_some()) + self.counted.len() + self.sums.len()
    }
}
