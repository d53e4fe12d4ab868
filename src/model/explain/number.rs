//! Numbers in sentences: rounded by arithmetic that every SQL engine repeats to the last digit.

use crate::names::grouped;

/// Added to a number of units before it is rounded down. It is slightly more than a half, so that
/// numbers near a half are rounded up in every engine, whatever their last bits.
pub(super) const HALF: f64 = 0.500_000_001;
/// Size from which numbers are written in millions.
pub(super) const FROM_MILLIONS: f64 = 999_999_999.5;
/// Factor from a number to millions.
pub(super) const TO_MILLIONS: f64 = 1e-6;
/// Largest number that is written, of ones and of millions.
pub(super) const LARGEST: u32 = 999_999_999;
/// What follows a number of millions, and the largest one.
pub(super) const MILLIONS: &str = " million";
pub(super) const MORE_MILLIONS: &str = " million or more";
/// Units per 1 with which two numbers are written that look the same with fewer.
pub(super) const FINER_UNITS: [f64; 3] = [1e2, 1e4, 1e8];
/// Units per 1 of numbers below 1.
pub(super) const UNITS_BELOW_1: f64 = 1e2;
/// Units per 1 of small numbers.
pub(super) const UNITS_OF_SMALL: f64 = 1e6;
/// Size below which small numbers are tiny.
pub(super) const TINY: f64 = 0.000_05;
/// Units per 1 of tiny numbers.
pub(super) const UNITS_OF_TINY: f64 = 1e8;

/// Units per 1 to which the numbers of a sentence are rounded: three significant digits, but at
/// most two decimal places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Precision {
    /// From 10 to 100.
    pub(super) from_10: f64,
    /// From 1 to 10.
    pub(super) from_1: f64,
    /// Size below which a number is small, and has more decimal places.
    pub(super) small: f64,
}

impl Default for Precision {
    fn default() -> Self {
        Self { from_10: 1e1, from_1: 1e2, small: 0.005 }
    }
}

impl Precision {
    /// Returns the units per 1 of a number, in millions if it is that large.
    fn units(self, scaled: f64) -> f64 {
        match scaled {
            _ if scaled >= 100.0 => 1.0,
            _ if scaled >= 10.0 => self.from_10,
            _ if scaled >= 1.0 => self.from_1,
            _ if scaled >= self.small => UNITS_BELOW_1,
            _ if scaled >= TINY => UNITS_OF_SMALL,
            _ => UNITS_OF_TINY,
        }
    }
}

/// A rounded number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// The number without its sign, in millions if it is that large.
    scaled: f64,
    pub(super) is_negative: bool,
    pub(super) magnitude: Magnitude,
    /// Units per 1 of `scaled`.
    pub(super) units_per_1: f64,
}

/// Returns the least units per 1 with which all numbers of a sentence that differ are written
/// differently; `None` if their usual units do that.
///
/// # Arguments
/// * `numbers` – exact values, and how they are written
#[expect(clippy::float_cmp, reason = "rounded numbers are equal or not")]
pub(super) fn distinct_units(numbers: &[(f64, Number)]) -> Option<f64> {
    let look_alike = |units: f64| {
        let is_like = |a: &(f64, Number), b: &(f64, Number)| {
            a.0 != b.0 && a.1.with_units(units).rounded() == b.1.with_units(units).rounded()
        };
        numbers.iter().enumerate().any(|(i, a)| numbers[..i].iter().any(|b| is_like(a, b)))
    };
    let finer = || FINER_UNITS.into_iter().find(|units| !look_alike(*units));
    look_alike(0.0).then(|| finer().unwrap_or(FINER_UNITS[2]))
}

/// Whether a number is written in millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Magnitude {
    Ones,
    Millions,
}

impl Number {
    /// Rounds a number that is not NaN.
    pub(super) fn new(value: f64, precision: Precision) -> Self {
        let size = value.abs();
        let is_small = size < FROM_MILLIONS;
        let scaled = (if is_small { size } else { size * TO_MILLIONS }).min(f64::from(LARGEST));
        let magnitude = if is_small { Magnitude::Ones } else { Magnitude::Millions };
        let is_negative = value < 0.0;
        Self { scaled, is_negative, magnitude, units_per_1: precision.units(scaled) }
    }

    /// Returns the number with at least some units per 1.
    pub(super) fn with_units(self, least: f64) -> Self {
        Self { units_per_1: self.units_per_1.max(least), ..self }
    }

    /// Returns the number of units, without a sign.
    pub(super) fn units(self) -> f64 {
        (self.scaled * self.units_per_1 + HALF).floor()
    }

    /// Returns the number of units.
    pub(super) fn signed(self) -> f64 {
        if self.is_negative { -self.units() } else { self.units() }
    }

    /// Returns the rounded number.
    pub(super) fn rounded(self) -> f64 {
        let rounded = self.signed() / self.units_per_1;
        if self.magnitude == Magnitude::Ones { rounded } else { rounded / TO_MILLIONS }
    }

    /// Writes the number without a sign and without trailing zeros.
    pub(super) fn digits(self) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 1e9 · 1e8 units"
        )]
        let [units, per_1] = [self.units(), self.units_per_1].map(|whole| whole as u64);
        let (whole, decimals) = (grouped(units / per_1), (per_1 + units % per_1).to_string());
        let decimals = decimals[1..].trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        let suffix = match self.magnitude {
            Magnitude::Ones => "",
            Magnitude::Millions if units / per_1 < u64::from(LARGEST) => MILLIONS,
            Magnitude::Millions => MORE_MILLIONS,
        };
        format!("{whole}{point}{decimals}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(value: f64) -> String {
        Number::new(value, Precision::default()).digits()
    }

    #[test]
    fn numbers_have_three_significant_digits_and_at_most_two_decimal_places() {
        let cases = [
            (0.0, "0"),
            (12.0, "12"),
            (1.006, "1.01"),
            (9.994, "9.99"),
            (9.995, "10"),
            (12.34, "12.3"),
            (99.95, "100"),
            (1_234.5, "1,235"),
            (999_999_999.4, "999,999,999"),
            (1e9, "1,000 million"),
            (12_345_678_901.0, "12,346 million"),
            (1e300, "999,999,999 million or more"),
            (f64::INFINITY, "999,999,999 million or more"),
            (0.005, "0.01"),
            (0.004_123, "0.004123"),
            (0.000_04, "0.00004"),
            (1e-12, "0"),
            (-2.5, "2.5"),
        ];
        for (value, text) in cases {
            assert_eq!(digits(value), text, "{value}");
        }
    }

    #[test]
    fn numbers_near_a_half_are_rounded_up_whatever_their_last_bits() {
        for value in [1.125, 9.0_f64.ln().exp() / 8.0, 1.125_f64.next_down(), 1.125_f64.next_up()] {
            assert_eq!(digits(value), "1.13");
        }
        assert_eq!(digits(2.675), "2.68");
    }

    #[test]
    fn numbers_are_written_with_as_many_digits_as_distinguish_them() {
        let write = |values: &[f64]| -> Vec<String> {
            let numbers: Vec<(f64, Number)> = values
                .iter()
                .map(|value| (*value, Number::new(*value, Precision::default())))
                .collect();
            let units = distinct_units(&numbers);
            let fine = |number: Number| units.map_or(number, |units| number.with_units(units));
            numbers.into_iter().map(|(_, number)| fine(number).digits()).collect()
        };
        let pair = |a: f64, b: f64| write(&[a, b]);
        assert_eq!(pair(0.501, 0.5), ["0.501", "0.5"]);
        assert_eq!(pair(120.4, 120.1), ["120.4", "120.1"]);
        assert_eq!(pair(120.0, 3.0), ["120", "3"]);
        assert_eq!(pair(99.97, 100.04), ["99.97", "100.04"]);
        assert_eq!(pair(10.04, 9.996), ["10.04", "10"]);
        assert_eq!(pair(1.000_000_1, 1.0), ["1.0000001", "1"]);
        assert_eq!(pair(3e9 + 4e4, 3e9), ["3,000.04 million", "3,000 million"]);
        assert_eq!(pair(5_000.0, 5e9), ["5,000", "5,000 million"]);
        assert_eq!(pair(2.0, 2.0), ["2", "2"]);
        assert_eq!(write(&[121.0, 120.6, 4.0]), ["121", "120.6", "4"]);
        assert_eq!(write(&[2.004, 2.0036, 2.0]), ["2.004", "2.0036", "2"]);
        assert_eq!(write(&[500.0, 2.004, 2.0]), ["500", "2.004", "2"]);
        assert_eq!(write(&[121.371_23, 120.6, 4.0]), ["121.37", "120.6", "4"]);
        assert_eq!(write(&[121.0, 120.6, 0.000_01]), ["121", "120.6", "0.00001"]);
        assert_eq!(
            write(&[5_000.0, 5e9, 120.4, 120.1]),
            ["5,000", "5,000 million", "120.4", "120.1"]
        );
    }
}
