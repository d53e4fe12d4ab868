//! Performance curves of both models.

use maud::{Markup, html};
use pql_stats::metrics::{CutoffMetrics, GainsPoint, gains_curve};

use super::metrics::{equal_volume, metrics};
use super::{CLASSES, ComparisonPage};
use crate::report::charts::{Area, Axis, AxisScale, Chart, HEIGHT};
use crate::report::format::{
    counted, denser_at_start, four, grouped, interval_range, number, percent, probability, three,
};
use crate::report::html::calibration::{BinSeries, calibration_curves};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Points of a drawn curve, points with a tooltip, and rows of the table.
const POINTS: [usize; 3] = [300, 40, 12];

/// Returns the section about performance.
pub(super) fn performance(page: &ComparisonPage<'_>) -> Markup {
    let e = page.evaluations()[0];
    let points = [&page.rows.challenger, &page.rows.champion].map(|p| gains_curve(&page.rows.y, p));
    let curves = (e.conversions > 0 && e.conversions < e.n)
        .then(|| [roc(page, &points), gains(page, &points)]);
    let bins = [&page.comparison.challenger.reliability, &page.comparison.champion.reliability];
    let names = ["challenger", "champion"];
    let series = [0, 1].map(|model| BinSeries {
        name: names[model],
        class: CLASSES[model],
        bins: bins[model],
    });
    html! {
        section id="performance" {
            h2 { "Performance on the same rows" }
            (paragraph("All intervals are 95% confidence intervals (95% CI). They account for repeated rows of the same account. Differences are paired, since both models score the same rows."))
            (grid(curves.into_iter().flatten().chain([calibration_curves(&series)])))
            div.pair { (metrics(page)) (equal_volume(page)) }
        }
    }
}

/// Draws a curve of each model, with tooltips.
fn draw(
    page: &ComparisonPage<'_>,
    chart: &mut Chart,
    points: &[Vec<GainsPoint>; 2],
    place: impl Fn(&GainsPoint) -> (f64, f64),
) {
    for (side, points) in points.iter().enumerate() {
        let line: Vec<(f64, f64)> =
            std::iter::once((0.0, 0.0)).chain(points.iter().map(&place)).collect();
        chart.line(&denser_at_start(&line, POINTS[0]), CLASSES[side]);
        let tooltip = |p: &GainsPoint| {
            format!(
                "{}, threshold {}: {} selected, {} converted",
                page.labels[side],
                percent(p.threshold),
                counted(p.rows, "row"),
                grouped(p.conversions)
            )
        };
        let titles: Vec<((f64, f64), String)> =
            points.iter().map(|p| (place(p), tooltip(p))).collect();
        chart.hover_dots(&denser_at_start(&titles, POINTS[1]));
    }
}

fn table(
    page: &ComparisonPage<'_>,
    caption: &str,
    names: [&str; 2],
    points: &[Vec<GainsPoint>; 2],
    place: impl Fn(&GainsPoint) -> (f64, f64),
) -> Table {
    let mut rows = Vec::new();
    for (label, points) in page.labels.iter().zip(points) {
        rows.extend(denser_at_start(points, POINTS[2]).iter().map(|p| {
            let (x, y) = place(p);
            vec![
                (*label).to_owned(),
                probability(p.threshold),
                grouped(p.rows),
                grouped(p.conversions),
                four(x),
                four(y),
            ]
        }));
    }
    Table::new(
        caption,
        &["model", "threshold", "rows selected", "converted", names[0], names[1]],
        rows,
    )
}

fn roc(page: &ComparisonPage<'_>, points: &[Vec<GainsPoint>; 2]) -> Figure<'static> {
    let e = page.evaluations()[0];
    let [yes, no] = [number(e.conversions), number(e.n - e.conversions)];
    let place = |p: &GainsPoint| (number(p.rows - p.conversions) / no, number(p.conversions) / yes);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::shares("false positive rate", false),
        &Axis::shares("true positive rate (recall)", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(page, &mut chart, points, place);
    let [a, b] = page.evaluations().map(|e| three(e.roc_auc.map(|auc| auc.value)));
    Figure {
        id: "roc",
        title: "ROC curves",
        alt_text: format!(
            "ROC curves of both models. The area is {a} for the challenger and {b} for the champion; 0.5 is chance."
        ),
        caption: format!(
            "The area under the curve is {a} for the challenger and {b} for the champion; 0.5 is chance, 1 is perfect. The higher curve is better."
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "challenger"),
            ("line no", "champion"),
            ("line reference", "chance"),
        ],
        table: table(
            page,
            "ROC curves",
            ["false positive rate", "true positive rate"],
            points,
            place,
        ),
    }
}

fn gains(page: &ComparisonPage<'_>, points: &[Vec<GainsPoint>; 2]) -> Figure<'static> {
    let e = page.evaluations()[0];
    let place = |p: &GainsPoint| {
        (number(p.rows) / number(e.n), number(p.conversions) / number(e.conversions))
    };
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::shares("share of rows, highest scores first", false),
        &Axis::shares("share of all conversions", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(page, &mut chart, points, place);
    Figure {
        id: "gains",
        title: "Cumulative gains",
        alt_text: "Share of all conversions among the rows with the highest scores of each model.".to_owned(),
        caption: "If you work through the rows from the highest score down, you reach this share of all conversions.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "challenger"), ("line no", "champion"), ("line reference", "random order")],
        table: table(page, "Cumulative gains", ["share of rows", "share of conversions"], points, place),
    }
}

/// Returns the ROC AUC of both models within each cohort.
pub(super) fn auc(page: &ComparisonPage<'_>) -> Figure<'static> {
    let zone = page.zone();
    let sides = [&page.comparison.challenger.by_cutoff, &page.comparison.champion.by_cutoff];
    let low = |cohort: &CutoffMetrics| {
        cohort.metrics.roc_auc_interval.map(|interval| interval.low).or(cohort.metrics.roc_auc)
    };
    let lowest =
        sides.iter().flat_map(|cutoffs| cutoffs.iter()).filter_map(low).fold(0.5, f64::min);
    let y = Axis::new("ROC AUC", AxisScale::rounded(lowest, 1.0), |v| format!("{v:.1}"), true);
    let mut chart = Chart::new(Area::with_height(HEIGHT), &cutoff_axis(sides[0], zone), &y);
    chart.horizontal_line(0.5, "line reference");
    let mut rows = Vec::new();
    for (place, cohort) in sides[0].iter().enumerate() {
        let mut row = vec![
            cutoff_span(cohort, zone),
            grouped(cohort.metrics.rows),
            grouped(cohort.metrics.conversions),
        ];
        for (side, class) in CLASSES.into_iter().enumerate() {
            let metrics = &sides[side][place].metrics;
            let x = number(place) + if side == 0 { -0.12 } else { 0.12 };
            if let Some(auc) = metrics.roc_auc {
                let range = interval_range(metrics.roc_auc_interval, three);
                let title = format!(
                    "{}, {}: ROC AUC {} (95% CI {range})",
                    page.labels[side],
                    cutoff_span(cohort, zone),
                    three(auc)
                );
                chart.estimate((x, auc), metrics.roc_auc_interval, class, &title);
            }
            row.extend([four(metrics.roc_auc), interval_range(metrics.roc_auc_interval, four)]);
        }
        rows.push(row);
    }
    Figure {
        id: "cutoff-auc",
        title: "ROC AUC by cohort",
        alt_text: "ROC AUC of both models within each cohort, with 95% confidence intervals; 0.5 is chance.".to_owned(),
        caption: "How well each model ranks the accounts within each cohort. Intervals are wide if there are few conversions.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "challenger"), ("dot no", "champion"), ("line reference", "chance")],
        table: Table::new("ROC AUC by cohort", &["cutoff", "rows", "converted", page.labels[0], "95% CI", page.labels[1], "95% CI"], rows),
    }
}
