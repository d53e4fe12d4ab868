//! Mean probability against the share that converted, of one or more models.

use pql_stats::metrics::Bin;

use crate::report::charts::{Area, Axis, Chart, HEIGHT, Scale};
use crate::report::format::{between, four, percent};
use crate::report::html::elements::{Figure, Table};

/// Bins of one model, and how they are drawn.
pub(super) struct BinSeries<'a> {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) bins: &'a [Bin],
}

/// Draws all series over the diagonal.
pub(super) fn reliability(all: &[BinSeries<'_>]) -> Figure<'static> {
    let ends = all
        .iter()
        .flat_map(|series| series.bins)
        .map(|bin| bin.converted_interval.high.max(bin.probability));
    let scale = Scale::rounded(0.0, ends.fold(0.0, f64::max).min(1.0));
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::new("probability", scale, percent, false),
        &Axis::new("share that converted", scale, percent, true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let mut rows = Vec::new();
    for series in all {
        chart.line(
            &series.bins.iter().map(|bin| (bin.probability, bin.converted)).collect::<Vec<_>>(),
            series.class,
        );
        for bin in series.bins {
            let shares = [bin.probability, bin.converted].map(percent);
            let title = format!(
                "{}: {} rows at {} on average, {} convert",
                series.name, bin.rows, shares[0], shares[1]
            );
            chart.estimate(
                (bin.probability, bin.converted),
                Some(bin.converted_interval),
                series.class,
                &title,
            );
            let numbers = [
                four(bin.probability),
                four(bin.converted),
                between(Some(bin.converted_interval), four),
            ];
            rows.push(
                [series.name.to_owned(), bin.rows.to_string()].into_iter().chain(numbers).collect(),
            );
        }
    }
    let dots = all
        .iter()
        .map(|series| (if series.class == "yes" { "dot yes" } else { "dot no" }, series.name));
    Figure {
        id: "reliability",
        title: "Reliability",
        alt_text: "Ten bins of equal size: mean probability against the share that converted, with 95 % intervals.".to_owned(),
        caption: "The points should lie on the diagonal, give or take their intervals.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: dots.chain([("line reference", "as it should be")]).collect(),
        table: Table::new("Reliability, bins of equal size", &["", "rows", "probability", "converted", "95 %"], rows),
    }
}
