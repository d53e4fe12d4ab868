//! Linear splines of numeric features: a jump at the minimum, and knots where the slope changes.

use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

use super::scale::{count_distinct, scale};
use super::{NumericEncoding, Scale, Term};
use crate::io::write::format_number;

/// Range of the share of training rows above the minimum in which the jump has a column. Outside,
/// one side has too few rows to estimate it.
const JUMP_SHARE: std::ops::RangeInclusive<f64> = 0.02..=0.98;
/// Minimum number of significant digits of a knot in a column name; whole numbers keep all digits.
const MIN_DIGITS: usize = 3;
/// Significant digits that distinguish any two numbers.
const ALL_DIGITS: usize = 17;

/// A jump at the smallest transformed value of the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jump {
    /// Transformed value above which the column is 1, else 0.
    pub above: f64,
    /// Scale of the column; `None`: the column was dropped.
    pub scale: Option<Scale>,
}

/// A change of slope.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hinge {
    /// Knot: the column is max(transformed value − knot, 0).
    pub knot: f64,
    /// Scale of the column; `None`: the column was dropped.
    pub scale: Option<Scale>,
}

/// Fits the jump and the knots of a feature.
///
/// The knots are the type-7 quantiles i/(`knots` + 1) of the values above the minimum. Counts are
/// mostly 0, so that quantiles of all values would be the minimum itself.
/// # Arguments
/// * `present` – transformed values of the training rows without missing values, ascending
/// * `transformed` – transformed values of all training rows, missing values filled
/// * `knots` – number of knots; 0: neither jump nor knots
/// # Source
/// Hinges max(x − t, 0): Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd
/// ed. (2009), §5.2 and §9.4
pub(super) fn fit_spline(
    present: &[f64],
    transformed: &[f64],
    knots: u32,
) -> (Option<Jump>, Vec<Hinge>) {
    let [min, .., max] = present else { return (None, Vec::new()) };
    if knots == 0 || count_distinct(present) <= 2 {
        return (None, Vec::new());
    }
    let column = |term: Term<'_>| {
        scale(&transformed.iter().map(|v| term.evaluate(*v, false)).collect::<Vec<_>>())
    };
    let jump = column(Term::Jump(*min)).filter(|scale| JUMP_SHARE.contains(&scale.mean));
    let jump = jump.map(|scale| Jump { above: *min, scale: Some(scale) });
    let above = &present[present.partition_point(|v| v <= min)..];
    let knot = |i: u32| quantile(above, f64::from(i) / f64::from(knots + 1));
    let mut knots: Vec<f64> = (1..=knots).filter_map(knot).filter(|knot| knot < max).collect();
    knots.dedup();
    (jump, knots.into_iter().map(|knot| Hinge { knot, scale: column(Term::Hinge(knot)) }).collect())
}

impl Term<'_> {
    /// Computes the column before standardization; NaN if the transformed value is NaN.
    ///
    /// # Arguments
    /// * `transformed` – result of [`NumericEncoding::transform`]
    /// * `missing` – whether the raw value is missing
    #[must_use]
    pub fn evaluate(self, transformed: f64, missing: bool) -> f64 {
        match self {
            // Levels belong to text features.
            Self::Value | Self::Level(_) => transformed,
            Self::Missing => f64::from(u8::from(missing)),
            Self::Jump(_) if transformed.is_nan() => transformed,
            Self::Jump(above) => f64::from(u8::from(transformed > above)),
            Self::Hinge(knot) if transformed.is_nan() || transformed > knot => transformed - knot,
            Self::Hinge(_) => 0.0,
        }
    }

    /// Returns whether the term is a jump or a hinge of a spline.
    #[must_use]
    pub fn is_spline_term(self) -> bool {
        matches!(self, Self::Jump(_) | Self::Hinge(_))
    }
}

impl NumericEncoding {
    /// Returns the columns of the jump and the hinges: name, term and scale.
    ///
    /// The names do not depend on which columns were dropped.
    pub(super) fn spline_terms(
        &self,
        feature: &str,
    ) -> Vec<(String, Term<'static>, Option<Scale>)> {
        let jump =
            self.jump.iter().map(|jump| (">", jump.above, Term::Jump(jump.above), jump.scale));
        let hinges = self
            .hinges
            .iter()
            .map(|hinge| (" from ", hinge.knot, Term::Hinge(hinge.knot), hinge.scale));
        let terms: Vec<_> = jump.chain(hinges).collect();
        let raw = |knot: f64| if self.log1p { knot.exp_m1() } else { knot };
        let labels = distinct_labels(&terms.iter().map(|term| raw(term.1)).collect::<Vec<_>>());
        terms
            .into_iter()
            .zip(labels)
            .map(|((sign, _, term, scale), label)| (format!("{feature}{sign}{label}"), term, scale))
            .collect()
    }

    /// Returns the scales of [`NumericEncoding::spline_terms`], in the same order.
    pub(super) fn spline_scales(&mut self) -> impl Iterator<Item = &mut Option<Scale>> {
        let jump = self.jump.iter_mut().map(|jump| &mut jump.scale);
        jump.chain(self.hinges.iter_mut().map(|hinge| &mut hinge.scale))
    }
}

/// Returns the feature of a spline column with this name; `None` for other names.
pub(super) fn spline_feature(name: &str) -> Option<&str> {
    let split = |sign| {
        name.rsplit_once(sign).filter(|(_, knot): &(&str, &str)| knot.parse::<f64>().is_ok())
    };
    [">", " from "].into_iter().find_map(split).map(|(feature, _)| feature)
}

/// Formats ascending numbers with the fewest digits that distinguish them, but at least
/// [`MIN_DIGITS`].
fn distinct_labels(numbers: &[f64]) -> Vec<String> {
    let with = |digits| numbers.iter().map(|x| rounded(*x, digits)).collect::<Vec<_>>();
    let are_distinct = |texts: &Vec<String>| texts.windows(2).all(|pair| pair[0] != pair[1]);
    (MIN_DIGITS..ALL_DIGITS).map(with).find(are_distinct).unwrap_or_else(|| with(ALL_DIGITS))
}

/// Rounds a number to significant digits, or to a whole number if that has more digits.
fn rounded(x: f64, digits: usize) -> String {
    let significant: f64 = format!("{x:.*e}", digits - 1).parse().unwrap_or(x);
    // Adding 0 removes the sign of −0.
    format_number(if significant.fract() == 0.0 { x.round() } else { significant } + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values of the spline columns before standardization.
    fn columns(number: &NumericEncoding, raw: &[Option<f64>]) -> Vec<(String, Vec<f64>)> {
        let values = |term: Term<'_>| {
            raw.iter().map(|v| term.evaluate(number.transform(*v), v.is_none())).collect()
        };
        number.spline_terms("x").into_iter().map(|(name, term, _)| (name, values(term))).collect()
    }

    fn number(log1p: bool, present: &[f64], nulls: usize, knots: u32) -> NumericEncoding {
        let mut sorted: Vec<f64> =
            present.iter().map(|v| if log1p { v.ln_1p() } else { *v }).collect();
        sorted.sort_by(f64::total_cmp);
        let fill = quantile(&sorted, 0.5).unwrap_or(0.0);
        let transformed = [sorted.clone(), vec![fill; nulls]].concat();
        let (jump, hinges) = fit_spline(&sorted, &transformed, knots);
        NumericEncoding {
            log1p,
            bounds: None,
            fill,
            value: scale(&transformed),
            jump,
            hinges,
            missing: None,
            typical: Some(fill),
        }
    }

    #[test]
    fn knots_are_quantiles_of_the_values_above_the_minimum() {
        // Above the minimum 0 lie 1, 2, 3, 4, 9: their quartiles are 2, 3, 4.
        let x = number(false, &[0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0], 0, 3);
        let found = columns(&x, &[Some(0.0), Some(1.0), Some(3.5), Some(9.0)]);
        let expected = [
            ("x>0", [0.0, 1.0, 1.0, 1.0]),
            ("x from 2", [0.0, 0.0, 1.5, 7.0]),
            ("x from 3", [0.0, 0.0, 0.5, 6.0]),
            ("x from 4", [0.0, 0.0, 0.0, 5.0]),
        ];
        assert_eq!(found, expected.map(|(name, values)| (name.to_owned(), values.to_vec())));
        let jump = x.jump.unwrap().scale.unwrap();
        assert_eq!((jump.mean, jump.sd), (0.625, 0.234_375_f64.sqrt()));
    }

    #[test]
    fn repeated_knots_and_those_at_the_maximum_are_dropped() {
        // Above 0: 1, 1, 1, 1, 5, 5, with quartiles 1, 1, 4: two knots of three stay.
        let x = number(false, &[0.0, 1.0, 1.0, 1.0, 1.0, 5.0, 5.0], 0, 3);
        assert_eq!(x.hinges.iter().map(|hinge| hinge.knot).collect::<Vec<_>>(), [1.0, 4.0]);
        // Above 0: 1, 5, 5, 5, with quartiles 4, 5, 5: those at the maximum fall.
        let x = number(false, &[0.0, 1.0, 5.0, 5.0, 5.0], 0, 3);
        assert_eq!(x.hinges.iter().map(|hinge| hinge.knot).collect::<Vec<_>>(), [4.0]);
    }

    #[test]
    fn two_distinct_values_or_no_knots_give_no_spline() {
        for (present, knots) in [
            (&[0.0, 1.0, 1.0][..], 3),
            (&[2.0][..], 3),
            (&[][..], 3),
            (&[0.0, 1.0, 2.0, 3.0][..], 0),
        ] {
            let x = number(false, present, 1, knots);
            assert!(x.jump.is_none() && x.hinges.is_empty(), "{present:?}");
        }
    }

    #[test]
    fn a_jump_needs_rows_on_both_sides() {
        let at_minimum =
            |rows: usize| [vec![0.0; rows], vec![1.0; 100 - rows], vec![2.0, 3.0]].concat();
        assert!(number(false, &at_minimum(1), 0, 3).jump.is_none());
        assert!(number(false, &at_minimum(3), 0, 3).jump.is_some());
        assert!(
            number(false, &[vec![0.0; 200], vec![1.0, 2.0, 3.0]].concat(), 0, 3).jump.is_none()
        );
        assert!(number(false, &[vec![0.0; 90], vec![1.0, 2.0, 3.0]].concat(), 0, 3).jump.is_some());
    }

    #[test]
    fn missing_values_do_not_change_the_knots_and_are_filled() {
        let present = [0.0, 0.0, 1.0, 2.0, 3.0, 8.0];
        let (x, without) = (number(false, &present, 3, 1), number(false, &present, 0, 1));
        assert_eq!(x.hinges[0].knot, without.hinges[0].knot);
        // The median is 1.5: above the minimum, below the knot 2.5. Four of six and three nulls lie
        // above the minimum.
        assert_eq!(
            columns(&x, &[None]),
            [("x>0".to_owned(), vec![1.0]), ("x from 2.5".to_owned(), vec![0.0])]
        );
        assert_eq!(x.jump.unwrap().scale.unwrap().mean, 7.0 / 9.0);
    }

    #[test]
    fn values_outside_the_training_range_continue_the_outer_segments() {
        let x = number(false, &[1.0, 1.0, 2.0, 3.0, 4.0], 0, 1);
        let found =
            columns(&x, &[Some(-7.0), Some(100.0), Some(f64::NEG_INFINITY), Some(f64::INFINITY)]);
        assert_eq!(found[0].0, "x>1");
        assert_eq!((&found[0].1[..2], &found[1].1[..2]), (&[0.0, 1.0][..], &[0.0, 97.0][..]));
        assert!(
            found.iter().all(|(_, values)| values[2].is_nan() && values[3].is_nan()),
            "infinite values are not scored"
        );
    }

    #[test]
    fn names_are_in_the_raw_unit_with_enough_digits() {
        let names = |x: &NumericEncoding| {
            x.spline_terms("x").into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&number(true, &[0.0, 0.0, 7.0, 20.0, 33.0, 90.0, 400.0], 0, 3)),
            ["x>0", "x from 20", "x from 33", "x from 90"]
        );
        assert_eq!(
            distinct_labels(&[0.0, 0.012_345, 1.0, 2.5, 99.96, 1_234.5]),
            ["0", "0.0123", "1", "2.5", "100", "1235"]
        );
        assert_eq!(distinct_labels(&[2001.0, 2001.25, 2001.5]), ["2001", "2001.2", "2001.5"]);
        assert_eq!(distinct_labels(&[-0.0, 1.0 / 3.0, 1e300]), ["0", "0.333", "1e300"]);
        assert_eq!(distinct_labels(&[1.0, 1.0_f64.next_up()]), ["1", "1.0000000000000002"]);
    }

    #[test]
    fn names_of_spline_columns_are_recognized() {
        assert_eq!(spline_feature("x>0"), Some("x"));
        assert_eq!(spline_feature("a>b from 2.5"), Some("a>b"));
        assert_eq!(spline_feature("a from 3>1"), Some("a from 3"));
        assert_eq!(
            (spline_feature("x>many"), spline_feature("from 7"), spline_feature("x=1")),
            (None, None, None)
        );
    }
}
