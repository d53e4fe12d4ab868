//! Counts as floating-point numbers.

/// Converts a count to a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
#[must_use]
pub fn count(n: impl TryInto<u64>) -> f64 {
    n.try_into().unwrap_or(u64::MAX) as f64
}

/// Computes `part / whole`; 0 if the whole is 0.
#[must_use]
pub fn share(part: impl TryInto<u64>, whole: impl TryInto<u64>) -> f64 {
    count(part) / count(whole).max(1.0)
}
