//! Statistics of binary outcomes on plain arrays, without data frames or files.
//!
//! * [`glm`] fits logistic regressions: maximum likelihood, l1, l2 and elastic net, Firth; with
//!   standard errors and regularization paths
//! * [`calibration`] maps log-odds to calibrated probabilities
//! * [`metrics`] computes metrics with intervals that allow for several rows per account
//! * [`daily`] forecasts daily counts, [`deviation`] finds days far from them
//! * [`intervals`], [`quantile`], [`chi_squared`], [`contingency`], [`multiplicity`], [`power`],
//!   [`survival`] and [`counts`] have confidence intervals, quantiles, tests, corrections for
//!   multiple tests, sample sizes, Kaplan-Meier curves and shares

pub mod calibration;
pub mod chi_squared;
pub mod contingency;
pub mod counts;
pub mod daily;
pub mod deviation;
mod error;
pub mod glm;
pub mod intervals;
pub mod metrics;
pub mod multiplicity;
pub mod power;
pub mod quantile;
pub mod survival;

pub use error::{Error, Result};

/// Microseconds per day. Durations are in microseconds, and times in microseconds since 1970-01-01
/// 00:00 UTC.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Runs the Rust blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
