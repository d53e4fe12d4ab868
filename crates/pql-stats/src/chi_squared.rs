//! The χ² distribution.

use statrs::function::gamma::gamma_ur;

/// Computes the probability that χ² with `df` degrees of freedom is at least `value`, with full
/// relative precision in the tail.
#[must_use]
pub fn chi_squared_tail(df: f64, value: f64) -> f64 {
    if value > 0.0 { gamma_ur(0.5 * df, 0.5 * value) } else { 1.0 }
}
