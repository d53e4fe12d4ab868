//! How values are spread among rows that converted, upwards, and among the others, downwards.

use super::chart::{Chart, Scale};
use super::words::{number, percent};

/// Counts of values in bars of equal width on an axis.
pub(super) struct Mirror {
    edges: Vec<f64>,
    /// Of rows that did not convert, and of those that did.
    counts: [Vec<u64>; 2],
}

impl Mirror {
    /// Count values; what lies beyond the axis counts in the bar at its end.
    ///
    /// # Arguments
    /// * `values` – those of rows that did not convert, and those of rows that did
    pub(super) fn of(values: &[Vec<f64>; 2], scale: Scale, bars: usize) -> Self {
        let mut counts = [vec![0; bars], vec![0; bars]];
        for (counts, values) in counts.iter_mut().zip(values) {
            values.iter().for_each(|value| counts[bar_of(scale.place(*value), bars)] += 1);
        }
        Self { edges: scale.values(bars + 1), counts }
    }

    /// Share of the rows of one outcome that are in a bar.
    fn share(&self, side: usize, bar: usize) -> f64 {
        number(self.counts[side][bar]) / number(self.counts[side].iter().sum::<u64>().max(1))
    }

    /// The largest share.
    pub(super) fn tallest(&self) -> f64 {
        let shares = (0..self.edges.len() - 1).flat_map(|bar| [self.share(0, bar), self.share(1, bar)]);
        shares.fold(0.01, f64::max)
    }

    fn span(&self, bar: usize, of: &dyn Fn(f64) -> String) -> String {
        format!("{} to {}", of(self.edges[bar]), of(self.edges[bar + 1]))
    }

    /// Draw the bars on both sides of 0.
    pub(super) fn draw(&self, chart: &mut Chart, of: &dyn Fn(f64) -> String) {
        for bar in 0..self.edges.len() - 1 {
            for (side, (class, words)) in [("no", "that did not convert"), ("yes", "that converted")].into_iter().enumerate() {
                let (count, share) = (self.counts[side][bar], self.share(side, bar));
                if count > 0 {
                    let title = format!("{}: {count} rows, {} of those {words}", self.span(bar, of), percent(share));
                    let height = if side == 1 { share } else { -share };
                    chart.bar([self.edges[bar], self.edges[bar + 1]], [0.0, height], (class, &title));
                }
            }
        }
        chart.level(0.0, "zero");
    }

    /// A row for each bar: where it is, how many converted and how many did not.
    pub(super) fn rows(&self, of: &dyn Fn(f64) -> String) -> Vec<Vec<String>> {
        let row = |bar: usize| vec![self.span(bar, of), self.counts[1][bar].to_string(), self.counts[0][bar].to_string()];
        (0..self.edges.len() - 1).map(row).collect()
    }
}

/// The bar for a place on an axis.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of bars")]
pub(super) fn bar_of(place: f64, bars: usize) -> usize {
    ((place * number(bars)) as usize).min(bars - 1)
}
