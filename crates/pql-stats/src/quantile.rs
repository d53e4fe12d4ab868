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

/// Computes the weighted median, the value at which the weights of smaller values are half of all:
/// the mean of two values if the weights up to the first are exactly half; `None` without a positive
/// weight.
///
/// # Arguments
/// * `values` – each with its weight, at least 0; in any order, without NaN
#[must_use]
pub fn weighted_median(mut values: Vec<(f64, f64)>) -> Option<f64> {
    /// Relative rounding error of a sum of weights.
    const ROUNDING: f64 = 1e-12;
    values.retain(|(_, weight)| *weight > 0.0);
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * values.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    for (index, (value, weight)) in values.iter().enumerate() {
        sum += weight;
        if sum >= half * (1.0 - ROUNDING) {
            let next = values.get(index + 1).filter(|_| sum <= half * (1.0 + ROUNDING));
            return Some(next.map_or(*value, |next| f64::midpoint(*value, next.0)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weighted_median_has_half_of_the_weights_below() {
        let values = |weights: [f64; 4]| [4.0, 1.0, 3.0, 2.0].into_iter().zip(weights).collect();
        assert_eq!(weighted_median(values([1.0; 4])), Some(2.5));
        assert_eq!(weighted_median(values([9.0, 1.0, 1.0, 1.0])), Some(4.0));
        // 0.1 + 0.2 is half of the weights, but for rounding.
        assert_eq!(weighted_median(values([0.0, 0.1, 0.3, 0.2])), Some(2.5));
        assert_eq!(weighted_median(values([0.0; 4])), None);
    }
}
