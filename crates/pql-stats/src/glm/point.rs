//! The loss of a row and its derivatives by η, without branches, so that the compiler vectorizes
//! over rows.

use pulp::Arch;

/// The loss of a row and its derivatives by η.
pub(super) struct Point {
    /// Log loss `ln(1 + exp η) − y·η`.
    pub(super) loss: f64,
    /// `μ − y`.
    pub(super) residual: f64,
    /// `μ(1 − μ)`.
    pub(super) weight: f64,
}

impl Point {
    /// Computes all values from `exp(−|η|)`, without overflow or cancellation.
    #[inline(always)]
    pub(super) fn new(eta: f64, y: bool) -> Self {
        let e = exp_of_minus(eta.abs());
        let larger = 1.0 / (1.0 + e);
        let smaller = e * larger;
        let predicted = (eta >= 0.0) == y;
        let error = if predicted { smaller } else { larger };
        let distance = if predicted { 0.0 } else { eta.abs() };
        Self {
            loss: ln_1p(e) + distance,
            residual: if y { -error } else { error },
            weight: larger * smaller,
        }
    }
}

/// Runs code that is compiled for the widest vector registers of the machine. Only functions
/// inlined into `work` benefit.
///
/// The results are equal on every machine: additions keep their order, and products are not fused
/// with them.
#[inline(always)]
pub(super) fn with_simd<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Computes `exp(−a)` for a ≥ 0 with an error of one unit in the last place; NaN for NaN.
///
/// `a = −n·ln 2 − r` with an integer n and `|r| ≤ ½ ln 2`, where the Taylor polynomial has an error
/// below 1e-17. `ln 2` is split in two parts, so that n times the first is exact.
/// # Source
/// Muller, *Elementary Functions*, 3rd ed. (2016), §11.2 (Cody, Waite)
#[inline(always)]
fn exp_of_minus(a: f64) -> f64 {
    /// Largest `a` for which the power of two is a normal number; beyond it the result, below
    /// 3e-308, is 0.
    const MAX_EXPONENT: f64 = 708.0;
    /// Adding this number rounds to an integer, which is then in the last bits of the sum.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const TAYLOR: [f64; 13] = [
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    let within = if a > MAX_EXPONENT { MAX_EXPONENT } else { a };
    let rounded = ROUND - within * std::f64::consts::LOG2_E;
    let n = rounded - ROUND;
    let r = -within - n * LN_2[0] - n * LN_2[1];
    let power = f64::from_bits((rounded.to_bits() << 52).wrapping_add(1.0_f64.to_bits()));
    let value = power + power * (r * TAYLOR.iter().rev().fold(0.0, |sum, c| sum * r + c));
    if a > MAX_EXPONENT { 0.0 } else { value }
}

/// Computes `ln(1 + e)` for e from 0 to 1 with an error of two units in the last place, by the
/// series of `2·artanh(e/(2 + e))`.
///
/// # Source
/// Abramowitz, Stegun, *Handbook of Mathematical Functions* (1964), 4.1.27
#[inline(always)]
fn ln_1p(e: f64) -> f64 {
    /// Coefficients of the odd powers; the first omitted term is below 1e-18.
    const ODD: [f64; 18] = [
        1.0,
        1.0 / 3.0,
        1.0 / 5.0,
        1.0 / 7.0,
        1.0 / 9.0,
        1.0 / 11.0,
        1.0 / 13.0,
        1.0 / 15.0,
        1.0 / 17.0,
        1.0 / 19.0,
        1.0 / 21.0,
        1.0 / 23.0,
        1.0 / 25.0,
        1.0 / 27.0,
        1.0 / 29.0,
        1.0 / 31.0,
        1.0 / 33.0,
        1.0 / 35.0,
    ];
    let s = e / (2.0 + e);
    let square = s * s;
    2.0 * s * ODD.iter().rev().fold(0.0, |sum, c| sum * square + c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_and_logarithm_are_accurate_to_the_last_digits() {
        let assert_near = |found: f64, expected: f64| {
            assert!((found - expected).abs() <= 4.5e-16 * expected, "{found} is not {expected}");
        };
        for i in 0..=70_799 {
            let a = f64::from(i) / 100.0 + f64::from(i % 97) * 1e-4;
            assert_near(exp_of_minus(a), (-a).exp());
            assert_near(ln_1p((-a).exp()), (-a).exp().ln_1p());
        }
        assert_eq!(
            (exp_of_minus(0.0), ln_1p(0.0), exp_of_minus(708.1), exp_of_minus(f64::INFINITY)),
            (1.0, 0.0, 0.0, 0.0)
        );
        assert!(exp_of_minus(f64::NAN).is_nan() && ln_1p(f64::NAN).is_nan());
        assert_near(ln_1p(1.0), std::f64::consts::LN_2);
    }
}
