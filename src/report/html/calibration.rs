//! The calibration curve of one or more models.

use pql_stats::metrics::Bin;

use crate::report::charts::{Area, Axis, AxisScale, Chart, HEIGHT};
use crate::report::format::{counted, four, grouped, interval_range, percent};
use crate::report::html::elements::{Figure, Table};

/// The bins of one model, with its name and CSS class.
pub(super) struct BinSeries<'a> {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) bins: &'a [Bin],
}

/// Returns the calibration curves of all series.
pub(super) fn calibration_curves(all: &[BinSeries<'_>]) -> Figure<'static> {
    let ends = all
        .iter()
        .flat_map(|series| series.bins)
        .map(|bin| bin.observed_rate_interval.high.max(bin.mean_probability));
    let scale = AxisScale::rounded(0.0, ends.fold(0.0, f64::max).min(1.0));
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::new("predicted probability", scale, percent, false),
        &Axis::new("share that converted", scale, percent, true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let mut rows = Vec::new();
    for series in all {
        chart.line(
            &series
                .bins
                .iter()
                .map(|bin| (bin.mean_probability, bin.observed_rate))
                .collect::<Vec<_>>(),
            series.class,
        );
        for bin in series.bins {
            let shares = [bin.mean_probability, bin.observed_rate].map(percent);
            let title = format!(
                "{}: {} with a mean probability of {}, {} converted",
                series.name,
                counted(bin.rows, "row"),
                shares[0],
                shares[1]
            );
            chart.estimate(
                (bin.mean_probability, bin.observed_rate),
                Some(bin.observed_rate_interval),
                series.class,
                &title,
            );
            let numbers = [
                four(bin.mean_probability),
                four(bin.observed_rate),
                interval_range(Some(bin.observed_rate_interval), four),
            ];
            rows.push(
                [series.name.to_owned(), grouped(bin.rows)].into_iter().chain(numbers).collect(),
            );
        }
    }
    let dots = all
        .iter()
        .map(|series| (if series.class == "yes" { "dot yes" } else { "dot no" }, series.name));
    Figure {
        id: "reliability",
        title: "Calibration",
        alt_text: "Predicted probability and observed conversion rate in ten bins of equal size, with 95% confidence intervals. The diagonal is perfect calibration.".to_owned(),
        caption: "Of rows with a probability of 10%, one in ten should convert. About 95% of the intervals should cross the diagonal.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: dots.chain([("line reference", "perfect calibration")]).collect(),
        table: Table::new("Calibration in bins of equal size", &["series", "rows", "mean probability", "converted", "95% CI"], rows),
    }
}
