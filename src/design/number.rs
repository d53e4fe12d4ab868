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
    /// The step at the least treated value; `None` without `design.spline`, or where too few rows lie on one side.
    pub jump: Option<Jump>,
    /// Where the slope changes, ascending.
    pub hinges: Vec<Hinge>,
    /// The 0/1 column that tells a null; `None` without nulls or where it was left out.
    pub missing: Option<Scale>,
    /// Median of the raw training values.
    pub typical: f64,
}

impl Number {
    /// The value after log1p, bounds and fill, before it is standardised; NaN counts as null, and an infinite value becomes NaN, so that nothing
    /// is scored by it.
    #[must_use]
    pub fn treat(&self, raw: Option<f64>) -> f64 {
        raw.filter(|raw| !raw.is_nan()).map_or(self.fill, |raw| {
            let mut value = [0.0];
            self.treat_all(&[raw], &mut value, |value| value);
            value[0]
        })
    }

    /// Treat raw values that are there, and do what is then to be done to each.
    fn treat_all(&self, raw: &[f64], values: &mut [f64], then: impl Fn(f64) -> f64) {
        let (low, high) = self.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let finite = |raw: f64| if raw.is_finite() { raw } else { f64::NAN };
        // Comparisons instead of `max` and `min`, which would take a bound for NaN.
        let from = |low: f64, value: f64| if value < low { low } else { value };
        let upto = |high: f64, value: f64| if value > high { high } else { value };
        let pairs = values.iter_mut().zip(raw);
        if self.log1p {
            let whole = &*LN_1P;
            let log1p = |x: f64| of_whole(x, whole).unwrap_or_else(|| x.ln_1p());
            pairs.for_each(|(value, raw)| *value = then(upto(high, from(low, log1p(from(0.0, finite(*raw)))))));
        } else {
            pairs.for_each(|(value, raw)| *value = then(upto(high, from(low, finite(*raw)))));
        }
    }

    /// Whether the way is a straight line in the raw value, but for a jump.
    #[must_use]
    pub fn linear(&self) -> bool {
        !self.log1p && self.bounds.is_none() && self.hinges.iter().all(|hinge| hinge.scale.is_none())
    }
}

/// Whole numbers of which there are tables, from 0 on: most features are counts.
const WHOLE: u16 = 1_024;
/// ln(1 + x) of these.
static LN_1P: LazyLock<Vec<f64>> = LazyLock::new(|| (0..WHOLE).map(|x| f64::from(x).ln_1p()).collect());

/// What a table has for `x`, where it is a whole number of the table.
fn of_whole(x: f64, table: &[f64]) -> Option<f64> {
    /// 2⁵²: numbers from here to its double are whole, and their last bits count them.
    const FIRST: f64 = 4_503_599_627_370_496.0;
    let raised = x + FIRST;
    let place = raised.to_bits().wrapping_sub(FIRST.to_bits());
    if raised - FIRST == x { usize::try_from(place).ok().and_then(|at| table.get(at)).copied() } else { None }
}

/// A number's treatment made ready for many values.
pub(super) struct Treatment<'a> {
    pub(super) number: &'a Number,
    /// By what the treated values are standardised at once; `None`: they stay as they are.
    pub(super) scale: Option<Scale>,
    /// What the first whole numbers become; empty where a table does not pay.
    whole: Vec<f64>,
}

impl<'a> Treatment<'a> {
    /// Make ready for so many rows.
    pub(super) fn new(number: &'a Number, scale: Option<Scale>, rows: usize) -> Self {
        let mut treatment = Self { number, scale, whole: Vec::new() };
        if number.log1p && rows > WHOLE.into() {
            let raw: Vec<f64> = (0..WHOLE).map(f64::from).collect();
            let mut whole = vec![0.0; raw.len()];
            treatment.of(&raw, &mut whole);
            treatment.whole = whole;
        }
        treatment
    }

    /// Treat raw values that are there.
    pub(super) fn of(&self, raw: &[f64], values: &mut [f64]) {
        match self.scale {
            Some(scale) => self.all(raw, values, |value| scale.apply(value)),
            None => self.all(raw, values, |value| value),
        }
    }

    fn all(&self, raw: &[f64], values: &mut [f64], then: impl Fn(f64) -> f64 + Copy) {
        if self.whole.is_empty() {
            return self.number.treat_all(raw, values, then);
        }
        for (value, raw) in values.iter_mut().zip(raw) {
            match of_whole(*raw, &self.whole) {
                Some(known) => *value = known,
                None => self.number.treat_all(&[*raw], std::slice::from_mut(value), then),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_are_treated_as_each_alone() {
        let scale = Some(Scale { mean: 1.5, rest: 1e-17, sd: 0.7 });
        let raw: Vec<f64> = (0..3_000).map(f64::from).chain([-1.0, -0.0, -0.5, 0.5, 1_023.5, 1e300, f64::INFINITY]).collect();
        for (log1p, bounds) in [(true, None), (true, Some((0.5, 6.0))), (false, None), (false, Some((2.0, 900.0)))] {
            let number = Number { log1p, bounds, fill: 1.0, value: scale, jump: None, hinges: Vec::new(), missing: None, typical: 1.0 };
            for scale in [scale, None] {
                let mut all = vec![0.0; raw.len()];
                Treatment::new(&number, scale, raw.len()).of(&raw, &mut all);
                for (raw, all) in raw.iter().zip(all) {
                    let alone = number.treat(Some(*raw));
                    let alone = scale.map_or(alone, |scale| scale.apply(alone));
                    assert_eq!(all.to_bits(), alone.to_bits(), "{raw} of {number:?}");
                }
            }
        }
    }

    #[test]
    fn a_table_has_whole_numbers_alone() {
        let table = [10.0, 11.0, 12.0];
        let found = [0.0, -0.0, 2.0, 3.0, -1.0, 0.5, 2.0_f64.powi(52), f64::MAX, f64::INFINITY, f64::NAN].map(|x| of_whole(x, &table));
        assert_eq!(found, [Some(10.0), Some(10.0), Some(12.0), None, None, None, None, None, None, None]);
    }
}
