//! How probabilities and outcomes agree in size: log loss and calibration.

use super::accounts::Codes;
use super::sum;
use crate::counts::count;
use crate::glm::sigmoid;

/// Probabilities are held this far from 0 and 1 where their logarithm is taken, as in scikit-learn.
const EDGE: f64 = f64::EPSILON;
fn inside(p: f64) -> f64 {
    p.clamp(EDGE, 1.0 - EDGE)
}

/// Log loss of a probability.
pub(super) fn log_loss(y: bool, p: f64) -> f64 {
    let p = inside(p);
    if y { -p.ln() } else { -(-p).ln_1p() }
}

/// Log-odds of a probability.
pub(super) fn log_odds(p: f64) -> f64 {
    let p = inside(p);
    (p / (1.0 - p)).ln()
}

/// The `s` at which `Σ σ(η + s)` is the number of conversions.
pub(super) fn shift(y: &[bool], eta: &[f64]) -> Option<f64> {
    let positive = y.iter().filter(|&&y| y).count();
    if positive == 0 || positive == y.len() {
        return None;
    }
    let conversions = count(positive);
    let excess = |s: f64| sum(eta.iter().map(|eta| sigmoid(eta + s))) - conversions;
    // At -max(η) + logit(ȳ) every row is at most ȳ, at -min(η) + logit(ȳ) at least.
    let base = (conversions / (count(y.len()) - conversions)).ln();
    let mut low = base - eta.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut high = base - eta.iter().copied().fold(f64::INFINITY, f64::min);
    let mut s = 0.0_f64.clamp(low, high);
    // Newton, or the middle where it would leave the bracket; 200 halvings are more than a double
    // has bits.
    for _ in 0..200 {
        let off = excess(s);
        *if off > 0.0 { &mut high } else { &mut low } = s;
        let slope = sum(eta.iter().map(|eta| sigmoid(eta + s) * sigmoid(-eta - s)));
        let newton = s - off / slope;
        let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
        if (next - s).abs() <= 1e-14 * (1.0 + s.abs()) {
            return Some(next);
        }
        s = next;
    }
    Some(s)
}

/// Standard error of the shift: the inverse information Σ μ(1 − μ), and between two of these the
/// squared residuals by account where accounts repeat.
pub(super) fn shift_error(y: &[bool], eta: &[f64], shift: f64, groups: &Codes) -> f64 {
    let information = sum(eta.iter().map(|eta| sigmoid(eta + shift) * sigmoid(-eta - shift)));
    if !groups.repeated() {
        return information.sqrt().recip();
    }
    // Residuals have mean 0, so the error of their mean is that of their sum.
    let residuals =
        groups.mean(y.iter().zip(eta).map(|(&y, eta)| f64::from(y) - sigmoid(eta + shift)));
    count(y.len()) * residuals.se().expect("there are several accounts") / information
}
