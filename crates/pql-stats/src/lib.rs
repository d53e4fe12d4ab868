//! Statistics of binary outcomes, from numbers alone: no data frames, no files.
//!
//! * [`glm`] fits logistic regressions: maximum likelihood, l1, l2 and elastic net, Firth; with
//!   standard errors and regularization paths
//! * [`calibration`] maps log-odds to calibrated probabilities
//! * [`metrics`] computes metrics with intervals that allow for several rows per account
//! * [`counts`], [`intervals`], [`quantile`], [`chi_squared`], [`contingency`], [`multiplicity`]
//!   and [`survival`] hold what these and others share

pub mod calibration;
pub mod chi_squared;
pub mod contingency;
pub mod counts;
mod error;
pub mod glm;
pub mod intervals;
pub mod metrics;
pub mod multiplicity;
pub mod quantile;
pub mod survival;

pub use error::{Error, Result};

/// Microseconds in a day: times are whole microseconds here, instants those since 1970-01-01 00:00
/// UTC.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
