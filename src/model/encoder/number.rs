//! Transforms numbers before they are standardized.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Scale;
use super::spline::{Hinge, Jump};

/// Encoding of a numeric feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericEncoding {
    /// Whether to apply ln(1 + max(x, 0)) first.
    pub log1p: bool,
    /// Lower and upper bound, applied after log1p.
    pub bounds: Option<(f64, f64)>,
    /// Value for missing numbers: the transformed lower median, so that a missing value has no
    /// effect if the median is typical.
    pub fill: f64,
    /// Column of the transformed value; `None`: it was dropped.
    pub value: Option<Scale>,
    /// Jump at the smallest transformed value; `None` without `design.spline`, or with too few
    /// rows on one side.
    pub jump: Option<Jump>,
    /// Changes of slope, by ascending knot.
    pub hinges: Vec<Hinge>,
    /// 0/1 column of missing values; `None` without missing values, or if it was dropped.
    pub missing: Option<Scale>,
    /// Typical raw value: the lower median of the training rows, which is a value of one of them;
    /// `None` if it is missing in more than half of them.
    pub typical: Option<f64>,
}

/// A limit of the values that count as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The lower one.
    Lower,
    /// The upper one.
    Upper,
}

impl NumericEncoding {
    /// Applies log1p, bounds and fill. NaN counts as missing; an infinite value becomes NaN, so
    /// that the row is not scored.
    #[must_use]
    pub fn transform(&self, raw: Option<f64>) -> f64 {
        raw.filter(|raw| !raw.is_nan()).map_or(self.fill, |raw| self.transform_present(raw))
    }

    /// Computes [`NumericEncoding::transform`] of a value that is not missing; NaN stays NaN.
    #[inline]
    pub(super) fn transform_present(&self, raw: f64) -> f64 {
        let (low, high) = self.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        // `max` and `min` would replace NaN by a bound.
        let at_least = |low: f64, value: f64| if value < low { low } else { value };
        let finite = if raw.is_finite() { raw } else { f64::NAN };
        let value = at_least(low, if self.log1p { ln_1p(at_least(0.0, finite)) } else { finite });
        if value > high { high } else { value }
    }

    /// Returns the raw value as which another one counts: the limit that it exceeds. `None` if it
    /// counts as it is.
    #[must_use]
    pub fn counted_as(&self, raw: f64) -> Option<f64> {
        self.exceeded_limit(raw).and_then(|limit| self.limit(limit))
    }

    /// Returns the limit that a raw value exceeds.
    #[must_use]
    pub fn exceeded_limit(&self, raw: f64) -> Option<Limit> {
        let value = if self.log1p { ln_1p(raw.max(0.0)) } else { raw };
        let (low, high) = self.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        match value {
            _ if value < low => Some(Limit::Lower),
            _ if value > high => Some(Limit::Upper),
            _ => (self.log1p && raw < 0.0).then_some(Limit::Lower),
        }
    }

    /// Returns a limit as a raw value; `None` without a limit.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> Option<f64> {
        let raw_unit = |value: f64| if self.log1p { value.exp_m1() } else { value };
        match limit {
            Limit::Upper => self.bounds.map(|(_, high)| raw_unit(high)),
            // Logarithms are those of numbers of at least 0.
            Limit::Lower if self.log1p => {
                Some(self.bounds.map_or(0.0, |(low, _)| raw_unit(low).max(0.0)))
            }
            Limit::Lower => self.bounds.map(|(low, _)| low),
        }
    }

    /// Returns whether the encoding is linear in the raw value, apart from a jump.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        !self.log1p
            && self.bounds.is_none()
            && self.hinges.iter().all(|hinge| hinge.scale.is_none())
    }
}

/// ln(1 + x) of small whole numbers: most features are counts.
static LN_1P: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..1_024_u16).map(|x| f64::from(x).ln_1p()).collect());

/// Computes ln(1 + x), with a table for small whole numbers.
#[inline]
fn ln_1p(x: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the next line checks that x is a whole number of the table"
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
    fn values_beyond_the_bounds_count_as_the_bounds() {
        let mut number = NumericEncoding {
            log1p: false,
            bounds: Some((1.0, 20.0)),
            fill: 0.0,
            value: None,
            jump: None,
            hinges: Vec::new(),
            missing: None,
            typical: Some(4.0),
        };
        let counted = |number: &NumericEncoding| {
            [-3.0, 0.0, 1.0, 20.0, 20.5].map(|raw| number.counted_as(raw))
        };
        assert_eq!(counted(&number), [Some(1.0), Some(1.0), None, None, Some(20.0)]);
        number.bounds = None;
        assert_eq!(counted(&number), [None; 5]);
        number.log1p = true;
        assert_eq!(counted(&number), [Some(0.0), None, None, None, None]);
        number.bounds = Some((0.0, 20.0_f64.ln_1p()));
        assert_eq!(number.exceeded_limit(1e6), Some(Limit::Upper));
        assert!((number.counted_as(1e6).unwrap() - 20.0).abs() < 1e-12);
    }

    #[test]
    fn tabulated_logarithms_equal_computed_ones() {
        for x in (0..3_000).map(f64::from).chain([-0.5, 0.5, 1_023.5, 1e300, f64::INFINITY]) {
            assert_eq!(ln_1p(x).to_bits(), x.ln_1p().to_bits(), "{x}");
        }
        assert!(ln_1p(-0.0) == 0.0 && ln_1p(f64::NAN).is_nan());
    }
}
