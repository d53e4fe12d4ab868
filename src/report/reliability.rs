//! Mean probability against the share that converted, of one or more sides.

use super::chart::{About, Area, Axis, Chart, Scale};
use super::html::{Figure, Table};
use super::performance::HEIGHT;
use super::words::{between, four, percent};
use crate::evaluate::Bin;

/// Bins of one side, and how they are drawn.
pub(super) struct Side<'a> {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) bins: &'a [Bin],
}

/// Draw all sides over the diagonal.
pub(super) fn reliability(sides: &[Side<'_>]) -> Figure<'static> {
    let ends = sides.iter().flat_map(|side| side.bins).map(|bin| bin.converted_95[1].max(bin.probability));
    let scale = Scale::rounded(0.0, ends.fold(0.0, f64::max).min(1.0));
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::new("probability", scale, percent, false),
        &Axis::new("share that converted", scale, percent, true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let mut rows = Vec::new();
    for side in sides {
        chart.line(&side.bins.iter().map(|bin| (bin.probability, bin.converted)).collect::<Vec<_>>(), side.class);
        for bin in side.bins {
            let [low, high] = bin.converted_95;
            chart.stroke((bin.probability, low), (bin.probability, high), side.class);
            let shares = [bin.probability, bin.converted].map(percent);
            let title = format!("{}: {} rows at {} on average, {} convert", side.name, bin.rows, shares[0], shares[1]);
            chart.dot((bin.probability, bin.converted), side.class, &title);
            let numbers = [four(bin.probability), four(bin.converted), between(Some(bin.converted_95), four)];
            rows.push([side.name.to_owned(), bin.rows.to_string()].into_iter().chain(numbers).collect());
        }
    }
    let title = "Reliability";
    let description = "Ten bins of equal size: mean probability against the share that converted, with 95 % intervals.";
    let about = About { id: "reliability", title, description };
    let dots = sides.iter().map(|side| (if side.class == "yes" { "dot yes" } else { "dot no" }, side.name));
    Figure {
        title,
        about: "The points should lie on the diagonal, give or take their intervals.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: dots.chain([("line reference", "as it should be")]).collect(),
        table: Table::new("Reliability, bins of equal size", &["", "rows", "probability", "converted", "95 %"], rows),
    }
}
