//! A numeric feature in straight pieces: a jump at its minimum, and knots from which on the slope
//! is another.

use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

use super::scale::{distinct, scale};
use super::{Number, Part, Scale};
use crate::io::write::format_number;

/// Shares of the training rows above the minimum between which the jump there has a column: with
/// fewer rows on one side its height is hardly known.
const JUMP: std::ops::RangeInclusive<f64> = 0.02..=0.98;
/// Significant digits of the fewest with which names say where a line bends; whole numbers keep
/// theirs.
const DIGITS: usize = 3;
/// Significant digits that tell any two numbers apart.
const ALL_DIGITS: usize = 17;

/// A step at the least treated value of the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jump {
    /// The treated value above which its column is 1, else 0.
    pub above: f64,
    /// The standardised column; `None` where it was left out.
    pub scale: Option<Scale>,
}

/// A change of slope.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hinge {
    /// The treated value from which on its column rises by 1 with each unit, before it is 0.
    pub knot: f64,
    /// The standardised column; `None` where it was left out.
    pub scale: Option<Scale>,
}

/// Learn where a feature jumps and bends.
///
/// The knots are the type-7 quantiles i/(`knots` + 1) of the values above the minimum: counts are
/// mostly 0, and quantiles of all values would be the minimum itself.
/// # Arguments
/// * `present` – treated values of the training rows that have one, ascending
/// * `treated` – treated values of all training rows, nulls filled
/// * `knots` – how many; 0: neither jump nor knots
/// # Source
/// Hinges max(x − t, 0): Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd
/// ed. (2009), §5.2 and §9.4
pub(super) fn learn(present: &[f64], treated: &[f64], knots: u32) -> (Option<Jump>, Vec<Hinge>) {
    let [min, .., max] = present else { return (None, Vec::new()) };
    if knots == 0 || distinct(present) <= 2 {
        return (None, Vec::new());
    }
    let column =
        |part: Part<'_>| scale(&treated.iter().map(|v| part.of(*v, false)).collect::<Vec<_>>());
    let jump = column(Part::Jump(*min)).filter(|scale| JUMP.contains(&scale.mean));
    let jump = jump.map(|scale| Jump { above: *min, scale: Some(scale) });
    let above = &present[present.partition_point(|v| v <= min)..];
    let at = |i: u32| quantile(above, f64::from(i) / f64::from(knots + 1));
    let mut knots: Vec<f64> = (1..=knots).filter_map(at).filter(|knot| knot < max).collect();
    knots.dedup();
    (jump, knots.into_iter().map(|knot| Hinge { knot, scale: column(Part::Hinge(knot)) }).collect())
}

impl Part<'_> {
    /// The value of the column before it is standardised; NaN where the treated value is.
    ///
    /// # Arguments
    /// * `treated` – what [`Number::treat`] answers
    /// * `missing` – whether the raw value is null
    #[must_use]
    pub fn of(self, treated: f64, missing: bool) -> f64 {
        match self {
            // A text has its own way.
            Self::Value | Self::Level(_) => treated,
            Self::Missing => f64::from(u8::from(missing)),
            Self::Jump(_) if treated.is_nan() => treated,
            Self::Jump(above) => f64::from(u8::from(treated > above)),
            Self::Hinge(knot) if treated.is_nan() || treated > knot => treated - knot,
            Self::Hinge(_) => 0.0,
        }
    }

    /// Whether it is a jump or a change of slope, which stand beside the straight line.
    #[must_use]
    pub fn bends(self) -> bool {
        matches!(self, Self::Jump(_) | Self::Hinge(_))
    }
}

impl Number {
    /// The columns of jump and hinges: their names after `feature`, what they are, and how they
    /// were standardised.
    ///
    /// The names stay the same whichever columns are left out.
    pub(super) fn bends(&self, feature: &str) -> Vec<(String, Part<'static>, Option<Scale>)> {
        let jump =
            self.jump.iter().map(|jump| (">", jump.above, Part::Jump(jump.above), jump.scale));
        let hinges = self
            .hinges
            .iter()
            .map(|hinge| (" from ", hinge.knot, Part::Hinge(hinge.knot), hinge.scale));
        let bends: Vec<_> = jump.chain(hinges).collect();
        let raw = |at: f64| if self.log1p { at.exp_m1() } else { at };
        let at = apart(&bends.iter().map(|bend| raw(bend.1)).collect::<Vec<_>>());
        bends
            .into_iter()
            .zip(at)
            .map(|((sign, _, part, scale), at)| (format!("{feature}{sign}{at}"), part, scale))
            .collect()
    }

    /// How the columns of [`Number::bends`] were standardised, in their order.
    pub(super) fn bend_scales(&mut self) -> impl Iterator<Item = &mut Option<Scale>> {
        let jump = self.jump.iter_mut().map(|jump| &mut jump.scale);
        jump.chain(self.hinges.iter_mut().map(|hinge| &mut hinge.scale))
    }
}

/// Whether a name is that of a jump or hinge of a feature: that feature.
pub(super) fn bend_of(name: &str) -> Option<&str> {
    let split =
        |sign| name.rsplit_once(sign).filter(|(_, at): &(&str, &str)| at.parse::<f64>().is_ok());
    [">", " from "].into_iter().find_map(split).map(|(feature, _)| feature)
}

/// Ascending numbers with as few digits as keep them apart, but not fewer than [`DIGITS`].
fn apart(numbers: &[f64]) -> Vec<String> {
    let with = |digits| numbers.iter().map(|x| rounded(*x, digits)).collect::<Vec<_>>();
    let told = |texts: &Vec<String>| texts.windows(2).all(|pair| pair[0] != pair[1]);
    (DIGITS..ALL_DIGITS).map(with).find(told).unwrap_or_else(|| with(ALL_DIGITS))
}

/// A number with so many significant digits, or as a whole number where that has more.
fn rounded(x: f64, digits: usize) -> String {
    let significant: f64 = format!("{x:.*e}", digits - 1).parse().unwrap_or(x);
    // Adding 0 takes the sign of −0.
    format_number(if significant.fract() == 0.0 { x.round() } else { significant } + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and columns of rows, as they are before they are standardised.
    fn columns(number: &Number, raw: &[Option<f64>]) -> Vec<(String, Vec<f64>)> {
        let of =
            |part: Part<'_>| raw.iter().map(|v| part.of(number.treat(*v), v.is_none())).collect();
        number.bends("x").into_iter().map(|(name, part, _)| (name, of(part))).collect()
    }

    fn number(log1p: bool, present: &[f64], nulls: usize, knots: u32) -> Number {
        let mut sorted: Vec<f64> =
            present.iter().map(|v| if log1p { v.ln_1p() } else { *v }).collect();
        sorted.sort_by(f64::total_cmp);
        let fill = quantile(&sorted, 0.5).unwrap_or(0.0);
        let treated = [sorted.clone(), vec![fill; nulls]].concat();
        let (jump, hinges) = learn(&sorted, &treated, knots);
        Number {
            log1p,
            bounds: None,
            fill,
            value: scale(&treated),
            jump,
            hinges,
            missing: None,
            typical: fill,
        }
    }

    #[test]
    fn knots_are_quantiles_of_what_lies_above_the_minimum() {
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
    fn two_values_and_no_knots_give_nothing() {
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
    fn nulls_move_no_knot_and_take_their_fill() {
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
    fn values_outside_of_the_training_rows_go_on_as_the_last_piece() {
        let x = number(false, &[1.0, 1.0, 2.0, 3.0, 4.0], 0, 1);
        let found =
            columns(&x, &[Some(-7.0), Some(100.0), Some(f64::NEG_INFINITY), Some(f64::INFINITY)]);
        assert_eq!(found[0].0, "x>1");
        assert_eq!((&found[0].1[..2], &found[1].1[..2]), (&[0.0, 1.0][..], &[0.0, 97.0][..]));
        assert!(
            found.iter().all(|(_, values)| values[2].is_nan() && values[3].is_nan()),
            "what is infinite is not scored"
        );
    }

    #[test]
    fn names_are_in_the_raw_unit_with_digits_that_tell_them_apart() {
        let names =
            |x: &Number| x.bends("x").into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
        assert_eq!(
            names(&number(true, &[0.0, 0.0, 7.0, 20.0, 33.0, 90.0, 400.0], 0, 3)),
            ["x>0", "x from 20", "x from 33", "x from 90"]
        );
        assert_eq!(
            apart(&[0.0, 0.012_345, 1.0, 2.5, 99.96, 1_234.5]),
            ["0", "0.0123", "1", "2.5", "100", "1235"]
        );
        assert_eq!(apart(&[2001.0, 2001.25, 2001.5]), ["2001", "2001.2", "2001.5"]);
        assert_eq!(apart(&[-0.0, 1.0 / 3.0, 1e300]), ["0", "0.333", "1e300"]);
        assert_eq!(apart(&[1.0, 1.0_f64.next_up()]), ["1", "1.0000000000000002"]);
    }

    #[test]
    fn a_name_of_a_bend_is_known() {
        assert_eq!(bend_of("x>0"), Some("x"));
        assert_eq!(bend_of("a>b from 2.5"), Some("a>b"));
        assert_eq!(bend_of("a from 3>1"), Some("a from 3"));
        assert_eq!((bend_of("x>many"), bend_of("from 7"), bend_of("x=1")), (None, None, None));
    }
}
