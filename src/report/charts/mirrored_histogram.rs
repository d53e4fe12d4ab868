//! Distribution of a feature among rows that converted (upward) and other rows (downward).

use super::{AxisScale, Chart};
use crate::report::format::{counted, grouped, number, percent};

/// Counts of values in bars of equal width.
pub(in crate::report) struct MirroredHistogram {
    edges: Vec<f64>,
    /// Counts of rows that did not convert and of rows that did.
    counts: [Vec<u64>; 2],
    /// Smallest and largest value in each bar.
    extremes: Vec<[f64; 2]>,
}

impl MirroredHistogram {
    /// Counts values; those outside the axis count in the bar at its end.
    ///
    /// # Arguments
    /// * `values` – of rows that did not convert and of rows that did
    pub(in crate::report) fn new(values: &[Vec<f64>; 2], scale: AxisScale, bars: usize) -> Self {
        let mut counts = [vec![0; bars], vec![0; bars]];
        let mut extremes = vec![[f64::INFINITY, f64::NEG_INFINITY]; bars];
        for (counts, values) in counts.iter_mut().zip(values) {
            for value in values {
                let bar = bar_index(scale.position(*value), bars);
                counts[bar] += 1;
                extremes[bar] = [extremes[bar][0].min(*value), extremes[bar][1].max(*value)];
            }
        }
        Self { edges: scale.values(bars + 1), counts, extremes }
    }

    /// Returns the share of the rows with one outcome that are in a bar.
    fn share(&self, side: usize, bar: usize) -> f64 {
        number(self.counts[side][bar]) / number(self.counts[side].iter().sum::<u64>().max(1))
    }

    /// Returns the largest share.
    pub(in crate::report) fn tallest(&self) -> f64 {
        let shares =
            (0..self.edges.len() - 1).flat_map(|bar| [self.share(0, bar), self.share(1, bar)]);
        shares.fold(0.01, f64::max)
    }

    fn span(&self, bar: usize, format: &dyn Fn(f64) -> String) -> String {
        format!("{} to {}", format(self.edges[bar]), format(self.edges[bar + 1]))
    }

    /// Names the values in a bar that is not empty.
    fn observed(&self, bar: usize, format: &dyn Fn(f64) -> String) -> String {
        let [low, high] = self.extremes[bar].map(format);
        if low == high { low } else { format!("{low} to {high}") }
    }

    /// Draws the bars on both sides of 0; their tooltips name the values in them.
    pub(in crate::report) fn draw(&self, chart: &mut Chart, format: &dyn Fn(f64) -> String) {
        for bar in 0..self.edges.len() - 1 {
            for (side, (class, words)) in
                [("no", "that did not convert"), ("yes", "that converted")].into_iter().enumerate()
            {
                let (count, share) = (self.counts[side][bar], self.share(side, bar));
                if count > 0 {
                    let title = format!(
                        "{}: {}, {} of those {words}",
                        self.observed(bar, format),
                        counted(count, "row"),
                        percent(share)
                    );
                    let height = if side == 1 { share } else { -share };
                    chart.bar(
                        [self.edges[bar], self.edges[bar + 1]],
                        [0.0, height],
                        (class, &title),
                    );
                }
            }
        }
        chart.horizontal_line(0.0, "zero");
    }

    /// Returns a row for each bar: its range, conversions and other rows.
    pub(in crate::report) fn rows(&self, format: &dyn Fn(f64) -> String) -> Vec<Vec<String>> {
        let row = |bar: usize| {
            vec![self.span(bar, format), grouped(self.counts[1][bar]), grouped(self.counts[0][bar])]
        };
        (0..self.edges.len() - 1).map(row).collect()
    }
}

/// Returns the bar for a position on an axis.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below the number of bars"
)]
pub(in crate::report) fn bar_index(position: f64, bars: usize) -> usize {
    ((position * number(bars)) as usize).min(bars - 1)
}
