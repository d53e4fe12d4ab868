//! How the numbers of a feature are treated before they are standardised.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Scale;
use super::spline::{Hinge, Jump};

/// How a numeric feature becomes a design column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// Whether ln(1 + max(x, 0)) is taken first.
    pub log1p: bool,
    /// Bounds between which the value is kept, after log1p.
    pub bounds: Option<(f64, f64)>,
    /// What stands for a null: the median of the values so treated.
    pub fill: f64,
    /// The standardised column; `None` where it was left out.
    pub value: Option<Scale>,
    /// The step at the least treated value; `None` without `design.spline`, or where too few rows
    /// lie on one side.
    pub jump: Option<Jump>,
    /// Where the slope changes, ascending.
    pub hinges: Vec<Hinge>,
    /// The 0/1 column that tells a null; `None` without nulls or where it was left out.
    pub missing: Option<Scale>,
    /// Median of the raw training values.
    pub typical: f64,
}

impl Number {
    /// The value after log1p, bounds and fill, before it is standardised; NaN counts as null, and
    /// an infinite value becomes NaN, so that nothing is scored by it.
    #[must_use]
    pub fn treat(&self, raw: Option<f64>) -> f64 {
        raw.filter(|raw| !raw.is_nan()).map_or(self.fill, |raw| self.treat_known(raw))
    }

    /// Returns [`Number::treat`] of a value that is not null; NaN stays NaN.
    #[inline]
    pub(super) fn treat_known(&self, raw: f64) -> f64 {
        let (low, high) = self.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        // Comparisons instead of `max` and `min`, which would take a bound for NaN.
        let at_least = |low: f64, value: f64| if value < low { low } else { value };
        let finite = if raw.is_finite() { raw } else { f64::NAN };
        let value = at_least(low, if self.log1p { ln_1p(at_least(0.0, finite)) } else { finite });
        if value > high { high } else { value }
    }

    /// Whether the way is a straight line in the raw value, but for a jump.
    #[must_use]
    pub fn linear(&self) -> bool {
        !self.log1p
            && self.bounds.is_none()
            && self.hinges.iter().all(|hinge| hinge.scale.is_none())
    }
}

/// ln(1 + x) of the first whole numbers: most features are counts.
static LN_1P: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..1_024_u16).map(|x| f64::from(x).ln_1p()).collect());

/// Returns ln(1 + x).
#[inline]
fn ln_1p(x: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is not a whole number of the table is found by the next line"
    )]
    let whole = x as u16;
    if f64::from(whole) == x
        && let Some(known) = LN_1P.get(usize::from(whole))
    {
        *known
    } else {
        x.ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_of_counts_are_those_of_other_numbers() {
        for x in (0..3_000).map(f64::from).chain([-0.5, 0.5, 1_023.5, 1e300, f64::INFINITY]) {
            assert_eq!(ln_1p(x).to_bits(), x.ln_1p().to_bits(), "{x}");
        }
        assert!(ln_1p(-0.0) == 0.0 && ln_1p(f64::NAN).is_nan());
    }
}
