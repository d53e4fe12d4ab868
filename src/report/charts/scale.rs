//! Maps values to positions on an axis and chooses its ticks.

use crate::report::format::number;

/// Transformation of the values before they are placed on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Transform {
    /// None.
    Linear,
    /// ln x.
    Log,
    /// ln(1 + x).
    Log1p,
    /// Log-odds of a probability.
    Logit,
}

impl Transform {
    fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log => x.ln(),
            Self::Log1p => x.ln_1p(),
            Self::Logit => (x / (1.0 - x)).ln(),
        }
    }

    fn invert(self, position: f64) -> f64 {
        match self {
            Self::Linear => position,
            Self::Log => position.exp(),
            Self::Log1p => position.exp_m1(),
            Self::Logit => 1.0 / (1.0 + (-position).exp()),
        }
    }
}

/// The values of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct AxisScale {
    transform: Transform,
    low: f64,
    high: f64,
}

impl AxisScale {
    /// Returns an axis from `low` to `high`, both in the domain of the transformation; widens it if
    /// they are equal.
    pub(in crate::report) fn new(transform: Transform, low: f64, high: f64) -> Self {
        let [a, b] = [low, high].map(|end| transform.apply(end));
        if b > a {
            return Self { transform, low, high };
        }
        let half = 0.5 * (1.0 + a.abs() * 0.1);
        Self { transform, low: transform.invert(a - half), high: transform.invert(a + half) }
    }

    /// Returns a linear axis that ends at ticks.
    pub(in crate::report) fn rounded(low: f64, high: f64) -> Self {
        let Self { low, high, .. } = Self::new(Transform::Linear, low, high);
        let step = step(high - low);
        Self::new(
            Transform::Linear,
            (low / step + 1e-9).floor() * step,
            (high / step - 1e-9).ceil() * step,
        )
    }

    /// Returns the axis with margins at both ends, as a share of the axis.
    pub(in crate::report) fn with_room(self, share: f64) -> Self {
        let [low, high] = [self.low, self.high].map(|v| self.transform.apply(v));
        let room = share * (high - low);
        Self {
            low: self.transform.invert(low - room),
            high: self.transform.invert(high + room),
            ..self
        }
    }

    /// Returns the position of a value: 0 at the low end, 1 at the high end; values outside are
    /// placed at the nearer end.
    pub(in crate::report) fn position(&self, value: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|v| self.transform.apply(v));
        let position = (value - low) / (high - low);
        if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
    }

    /// Returns values at equal distances on the axis, including the ends.
    pub(in crate::report) fn values(&self, count: usize) -> Vec<f64> {
        let [low, high] = [self.low, self.high].map(|v| self.transform.apply(v));
        let share = |index: usize| number(index) / number(count - 1);
        (0..count).map(|index| self.transform.invert(low + (high - low) * share(index))).collect()
    }

    /// Returns round values at distances of at least `gap`, as a share of the axis.
    pub(in crate::report) fn ticks(&self, gap: f64) -> Vec<f64> {
        let mut ticks: Vec<f64> = Vec::new();
        for tick in self.candidates() {
            let far = |other: &f64| (self.position(*other) - self.position(tick)).abs() >= gap;
            if (self.low..=self.high).contains(&tick) && ticks.iter().all(far) {
                ticks.push(tick);
            }
        }
        ticks.sort_by(f64::total_cmp);
        ticks
    }

    /// Returns round values, the most important first.
    fn candidates(&self) -> Vec<f64> {
        let tens = |digits: &[f64]| {
            digits
                .iter()
                .flat_map(|d| (-6..9).map(move |ten| d * 10_f64.powi(ten)))
                .collect::<Vec<f64>>()
        };
        match self.transform {
            Transform::Linear => {
                let step = step(self.high - self.low);
                let first = (self.low / step).ceil();
                (0..50)
                    .map(|index| (first + f64::from(index)) * step + 0.0)
                    .take_while(|tick| *tick <= self.high + step * 1e-9)
                    .map(|t| t.min(self.high))
                    .collect()
            }
            Transform::Log => [
                vec![1.0],
                tens(&[1.0]),
                tens(&[2.0, 5.0]),
                vec![1.5, 0.75, 0.9, 1.1, 1.25, 1.05, 0.95],
            ]
            .concat(),
            Transform::Log1p => [vec![0.0], tens(&[1.0]), tens(&[3.0]), tens(&[2.0, 5.0])].concat(),
            Transform::Logit => {
                let few = [0.5, 0.1, 0.01, 0.9, 0.99, 0.001, 0.999, 0.0001, 0.05, 0.2, 0.8, 0.95];
                [
                    &few[..],
                    &[
                        0.3, 0.7, 0.02, 0.005, 0.98, 0.15, 0.4, 0.6, 0.03, 0.07, 1e-5, 0.002,
                        0.0005, 0.0002, 5e-5,
                    ],
                ]
                .concat()
            }
        }
    }
}

/// Returns 1, 2 or 5 times a power of ten that divides a range into four to nine parts.
fn step(range: f64) -> f64 {
    let ten = 10_f64.powf((range / 4.0).log10().floor());
    let digit = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|digit| digit * ten * 4.0 <= range * (1.0 + 1e-9))
        .unwrap_or(1.0);
    digit * ten
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_keep_their_distance() {
        assert_eq!(
            AxisScale::new(Transform::Linear, 0.0, 1.0).ticks(0.1),
            [0.0, 0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 1.0]
        );
        assert_eq!(
            AxisScale::rounded(0.0, 335.0).ticks(0.1),
            [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0]
        );
        assert_eq!(AxisScale::new(Transform::Log, 0.4, 3.0).ticks(0.15), [0.5, 1.0, 2.0]);
        assert_eq!(
            AxisScale::new(Transform::Log1p, 0.0, 120.0).ticks(0.14),
            [0.0, 1.0, 3.0, 10.0, 30.0, 100.0]
        );
        assert!(AxisScale::new(Transform::Logit, 0.004, 0.7).ticks(0.1).contains(&0.5));
        for scale in [
            AxisScale::rounded(7.0, 7.0),
            AxisScale::new(Transform::Linear, 1e-7, 1e-7),
            AxisScale::rounded(-3.0, 1e6),
        ] {
            assert!(
                (2..=10).contains(&scale.ticks(0.05).len()),
                "{scale:?} {:?}",
                scale.ticks(0.05)
            );
        }
    }

    #[test]
    fn positions_are_between_0_and_1() {
        let scale = AxisScale::new(Transform::Log, 0.1, 10.0);
        assert!((scale.position(1.0) - 0.5).abs() < 1e-12);
        assert_eq!(
            (scale.position(0.001), scale.position(1e9), scale.position(f64::NAN)),
            (0.0, 1.0, 0.0)
        );
        assert!((scale.values(3)[1] - 1.0).abs() < 1e-12);
    }
}
