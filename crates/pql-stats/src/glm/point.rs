//! One row's loss and its derivatives by η, written without a branch, so that several rows are
//! computed at once.

use pulp::Arch;

/// One row's loss and its derivatives by η.
pub(super) struct Point {
    /// Log loss `ln(1 + exp η) − y·η`.
    pub(super) loss: f64,
    /// `μ − y`.
    pub(super) residual: f64,
    /// `μ(1 − μ)`.
    pub(super) weight: f64,
}

impl Point {
    /// All from `exp(−|η|)`, which cannot overflow, and without a difference of nearly equal
    /// numbers.
    #[inline(always)]
    pub(super) fn at(eta: f64, y: bool) -> Self {
        let e = exp_of_minus(eta.abs());
        let likely = 1.0 / (1.0 + e);
        let unlikely = e * likely;
        let right = (eta >= 0.0) == y;
        let miss = if right { unlikely } else { likely };
        let far = if right { 0.0 } else { eta.abs() };
        Self {
            loss: ln_1p(e) + far,
            residual: if y { -miss } else { miss },
            weight: likely * unlikely,
        }
    }
}

/// Do some work in code that is compiled for this machine's widest registers; what is to profit
/// must be inlined into it.
///
/// The sums come out the same on each machine: no order of additions is changed and no product is
/// fused with one.
#[inline(always)]
pub(super) fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Compute `exp(−a)` for a ≥ 0 with an error of one unit in the last place; NaN stays NaN.
///
/// `a = −n·ln 2 − r` with n whole and `|r| ≤ ½ ln 2`, where Taylor's polynomial has an error below
/// 1e-17; `ln 2` in two parts, of which n times the first is exact.
/// # Source
/// Muller, *Elementary Functions*, 3rd ed. (2016), §11.2 (Cody, Waite)
#[inline(always)]
fn exp_of_minus(a: f64) -> f64 {
    /// Where powers of two end to be normal numbers; 3e-308 counts as 0 beyond it.
    const LAST: f64 = 708.0;
    /// Added to a number, its last bit counts ones: what is added is rounded, and stands in its
    /// last bits.
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
    let within = if a > LAST { LAST } else { a };
    let rounded = ROUND - within * std::f64::consts::LOG2_E;
    let n = rounded - ROUND;
    let r = -within - n * LN_2[0] - n * LN_2[1];
    let power = f64::from_bits((rounded.to_bits() << 52).wrapping_add(1.0_f64.to_bits()));
    let value = power + power * (r * TAYLOR.iter().rev().fold(0.0, |sum, c| sum * r + c));
    if a > LAST { 0.0 } else { value }
}

/// Compute `ln(1 + e)` for e from 0 to 1 with an error of two units in the last place:
/// `2·artanh(e/(2 + e))` by its series.
///
/// # Source
/// Abramowitz, Stegun, *Handbook of Mathematical Functions* (1964), 4.1.27
#[inline(always)]
fn ln_1p(e: f64) -> f64 {
    /// The first term left out is below 1e-18.
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
    fn exponential_and_logarithm_have_all_digits() {
        let right = |found: f64, expected: f64| {
            assert!((found - expected).abs() <= 4.5e-16 * expected, "{found} is not {expected}");
        };
        for i in 0..=70_799 {
            let a = f64::from(i) / 100.0 + f64::from(i % 97) * 1e-4;
            right(exp_of_minus(a), (-a).exp());
            right(ln_1p((-a).exp()), (-a).exp().ln_1p());
        }
        assert_eq!(
            (exp_of_minus(0.0), ln_1p(0.0), exp_of_minus(708.1), exp_of_minus(f64::INFINITY)),
            (1.0, 0.0, 0.0, 0.0)
        );
        assert!(exp_of_minus(f64::NAN).is_nan() && ln_1p(f64::NAN).is_nan());
        right(ln_1p(1.0), std::f64::consts::LN_2);
    }
}
