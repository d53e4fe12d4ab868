//! Log loss and calibration of probabilities.

use super::accounts::GroupCodes;
use super::sum;
use crate::counts::count;
use crate::glm::sigmoid;

/// Distance of clipped probabilities from 0 and 1 before the logarithm, as in scikit-learn.
const CLIP: f64 = f64::EPSILON;
fn clip(p: f64) -> f64 {
    p.clamp(CLIP, 1.0 - CLIP)
}

/// Computes the log loss of a probability.
pub(super) fn log_loss(y: bool, p: f64) -> f64 {
    let p = clip(p);
    if y { -p.ln() } else { -(-p).ln_1p() }
}

/// Computes the log-odds of a probability.
pub(super) fn log_odds(p: f64) -> f64 {
    let p = clip(p);
    (p / (1.0 - p)).ln()
}

/// Solves `Σ σ(η + s)` = number of conversions for the shift `s`; `None` if all outcomes are equal.
pub(super) fn shift(y: &[bool], eta: &[f64]) -> Option<f64> {
    let positive = y.iter().filter(|&&y| y).count();
    if positive == 0 || positive == y.len() {
        return None;
    }
    let conversions = count(positive);
    let excess = |s: f64| sum(eta.iter().map(|eta| sigmoid(eta + s))) - conversions;
    // Bracket: at logit(ȳ) - max(η) every probability is at most ȳ, at logit(ȳ) - min(η) at least
    // ȳ.
    let base = (conversions / (count(y.len()) - conversions)).ln();
    let mut low = base - eta.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut high = base - eta.iter().copied().fold(f64::INFINITY, f64::min);
    let mut s = 0.0_f64.clamp(low, high);
    // Newton's method, or bisection if the step leaves the bracket; 200 halvings exceed the bits of
    // a double.
    for _ in 0..200 {
        let error = excess(s);
        *if error > 0.0 { &mut high } else { &mut low } = s;
        let slope = sum(eta.iter().map(|eta| sigmoid(eta + s) * sigmoid(-eta - s)));
        let newton = s - error / slope;
        let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
        if (next - s).abs() <= 1e-14 * (1.0 + s.abs()) {
            return Some(next);
        }
        s = next;
    }
    Some(s)
}

/// Computes the standard error of the shift from the information Σ μ(1 − μ); if accounts repeat, a
/// sandwich estimator with the residuals by account.
pub(super) fn shift_error(y: &[bool], eta: &[f64], shift: f64, groups: &GroupCodes) -> f64 {
    let information = sum(eta.iter().map(|eta| sigmoid(eta + shift) * sigmoid(-eta - shift)));
    if !groups.repeated() {
        return information.sqrt().recip();
    }
    // The residuals have mean 0, so that the variance of their mean gives that of their sum.
    let residuals =
        groups.mean(y.iter().zip(eta).map(|(&y, eta)| f64::from(y) - sigmoid(eta + shift)));
    count(y.len()) * residuals.se().expect("there are several accounts") / information
}
