//! Quantiles of samples.

/// Computes a quantile of sorted values by linear interpolation; `None` without values.
///
/// # Arguments
/// * `sorted` – ascending, without NaN
/// * `q` – from 0 to 1
/// # Source
/// Hyndman, Fan, "Sample quantiles in statistical packages", *The American Statistician* 50 (1996):
/// type 7
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q * last as f64;
    let (low, high) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    Some(low + (high - low) * position.fract())
}

/// Computes the median; the mean of the two middle values for an even number of values; `None`
/// without values.
///
/// # Arguments
/// * `values` – in any order, without NaN
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty())
        .then(|| f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]))
}
