//! The values at which the effect of a number is drawn and tabulated.

use crate::model::encoder::NumericEncoding;
use crate::model::profile::{Bins, FeatureProfile};
use crate::report::charts::{AxisScale, Transform};
use crate::report::format::{number as float, short};

/// Points of a curve, and rows of its table.
const POINTS: [usize; 2] = [49, 9];
/// Most whole numbers that are all tabulated.
const MAX_WHOLE_ROWS: usize = 12;

/// The values at which the effect of a number is drawn: those that the training rows have, up to
/// the bounds beyond which all values count alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EffectValues {
    /// Whether all values of the feature are whole.
    pub(super) is_whole: bool,
    pub(super) scale: AxisScale,
    /// Values of the curve, ascending.
    pub(super) points: Vec<f64>,
    /// Values of the table, ascending, with the typical one.
    pub(super) rows: Vec<f64>,
    /// What smaller and larger values of the training rows count as; `None` if there are none.
    counted_as: [Option<f64>; 2],
}

impl EffectValues {
    /// # Arguments
    /// * `profile` – distribution of the training rows
    /// * `test` – values of the test rows
    pub(super) fn new(
        number: &NumericEncoding,
        profile: Option<&FeatureProfile>,
        test: &[f64],
    ) -> Self {
        let (edges, range) = match profile.map(|profile| &profile.bins) {
            Some(Bins::Numbers { edges, range: Some(range) }) => (edges.as_slice(), *range),
            _ => (&[][..], assumed_range(number)),
        };
        // Deciles of whole numbers lie between two of them at times.
        let observed = if test.is_empty() { edges } else { test };
        let is_whole =
            range.iter().chain(&number.typical).chain(observed).all(|v| v.fract() == 0.0);
        let counted_as = range.map(|end| number.counted_as(end).map(without_noise));
        let [mut low, mut high] = [0, 1].map(|end| counted_as[end].unwrap_or(range[end]));
        if is_whole {
            (low, high) = (low.floor(), high.ceil());
        }
        let transform = if number.log1p { Transform::Log1p } else { Transform::Linear };
        let scale = AxisScale::new(transform, low, high);
        let grid = |count: usize| {
            let values = scale.values(count).into_iter();
            values.map(move |v| if is_whole { v.round() } else { v })
        };
        let inside = |values: Vec<f64>| sorted(values, low, high);
        // A few whole numbers are all drawn, also where the axis is dense.
        let few = (0..POINTS[0]).map(|step| low + float(step)).filter(|_| is_whole);
        let mut points =
            inside(grid(POINTS[0]).chain(few).chain(number.typical).chain([low, high]).collect());
        let mut rows: Vec<f64> = if is_whole && points.len() <= MAX_WHOLE_ROWS {
            points.clone()
        } else if is_whole || edges.is_empty() {
            grid(POINTS[1]).collect()
        } else {
            edges.to_vec()
        };
        rows.extend(number.typical.into_iter().chain([low, high]));
        if !is_whole {
            points = inside(points.into_iter().chain(around_jump(number)).collect());
        }
        let mut rows = inside(rows);
        rows.dedup_by(|a, b| short(*a) == short(*b));
        Self { is_whole, scale: scale.with_room(0.03), points, rows, counted_as }
    }

    /// Returns a value as the table and the tooltips name it, such as `40 or more`.
    pub(super) fn name(&self, value: f64) -> String {
        let ends = [self.points.first(), self.points.last()].map(|end| end == Some(&value));
        match (self.counted_as, ends) {
            ([Some(_), _], [true, _]) => format!("{} or less", short(value)),
            ([_, Some(_)], [_, true]) => format!("{} or more", short(value)),
            _ => short(value),
        }
    }

    /// Says as what the values beyond the curve count; empty if there are none.
    pub(super) fn note(&self) -> String {
        let note = |end: usize, word: &str| {
            self.counted_as[end].map(|bound| {
                let bound = short(bound);
                format!(" Values {word} {bound} count as {bound}.")
            })
        };
        [note(0, "below"), note(1, "above")].into_iter().flatten().collect()
    }
}

/// Returns two standard deviations around the mean, for a model without the distribution of a
/// feature.
fn assumed_range(number: &NumericEncoding) -> [f64; 2] {
    let scale = number.value.or(number.jump.and_then(|jump| jump.scale));
    let (mean, sd) = scale.map_or((number.fill, 1.0), |scale| (scale.mean, scale.sd));
    let [low, high] = [mean - 2.0 * sd, mean + 2.0 * sd];
    // Counts start at 0.
    if number.log1p { [low.exp_m1().max(0.0), high.exp_m1()] } else { [low, high] }
}

/// Returns a value at a jump, and one above it.
fn around_jump(number: &NumericEncoding) -> impl Iterator<Item = f64> {
    let raw = number.jump.map(|jump| if number.log1p { jump.above.exp_m1() } else { jump.above });
    raw.into_iter().flat_map(|raw| [raw, raw + 1e-6 * (1.0 + raw.abs())])
}

/// Rounds a value that differs from a whole number by the error of a logarithm.
fn without_noise(value: f64) -> f64 {
    if (value - value.round()).abs() < 1e-9 * (1.0 + value.abs()) { value.round() } else { value }
}

/// Returns the values inside a range, ascending, each once.
fn sorted(mut values: Vec<f64>, low: f64, high: f64) -> Vec<f64> {
    values.retain(|v| (low..=high).contains(v));
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::RowBands;

    fn encoding(log1p: bool, bounds: Option<(f64, f64)>, typical: f64) -> NumericEncoding {
        NumericEncoding {
            log1p,
            bounds,
            fill: typical,
            value: None,
            jump: None,
            hinges: Vec::new(),
            missing: None,
            typical: Some(typical),
        }
    }

    fn profile(values: impl IntoIterator<Item = f64>) -> FeatureProfile {
        let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
        FeatureProfile::from_numbers("events", &values, &RowBands::single(values.len()))
    }

    #[test]
    fn counts_are_drawn_at_whole_numbers_up_to_the_bound() {
        let number = encoding(true, Some((0.0, 20.5_f64.ln_1p())), 7.0);
        let profile = profile((0..100).map(f64::from));
        let values = EffectValues::new(&number, Some(&profile), &[0.0, 3.0, 400.0]);
        assert!(values.is_whole);
        assert_eq!(values.points, (0..=21).map(f64::from).collect::<Vec<_>>());
        assert!(values.rows.contains(&7.0) && values.rows.iter().all(|v| v.fract() == 0.0));
        assert_eq!([0.0, 7.0, 21.0].map(|v| values.name(v)), ["0", "7", "21 or more"]);
        assert_eq!(values.note(), " Values above 20.5 count as 20.5.");
    }

    #[test]
    fn few_whole_numbers_are_all_tabulated() {
        let values = EffectValues::new(
            &encoding(false, None, 2.0),
            Some(&profile([1.0, 2.0, 2.0, 4.0])),
            &[4.0],
        );
        assert_eq!(
            (values.points, values.rows),
            (vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 2.0, 3.0, 4.0])
        );
    }

    #[test]
    fn other_numbers_are_tabulated_where_the_training_rows_have_them() {
        let number = encoding(false, Some((0.15, 0.85)), 0.4);
        let profile = profile((0..=10).map(|tenth| f64::from(tenth) / 10.0));
        let values = EffectValues::new(&number, Some(&profile), &[]);
        assert!(!values.is_whole);
        assert_eq!(
            values.rows,
            [0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85].map(|v| *values
                .rows
                .iter()
                .min_by(|a, b| (*a - v).abs().total_cmp(&(*b - v).abs()))
                .unwrap())
        );
        assert_eq!(
            [0.15, 0.4, 0.85].map(|v| values.name(v)),
            ["0.15 or less", "0.4", "0.85 or more"]
        );
        // The curve ends at the bounds: no two points have the same effect.
        let treated: Vec<f64> = values.points.iter().map(|v| number.transform(Some(*v))).collect();
        assert!(treated.windows(2).all(|pair| pair[0] < pair[1]), "{treated:?}");
    }
}
