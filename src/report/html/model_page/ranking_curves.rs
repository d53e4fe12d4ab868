//! Curves of the ranking: ROC, precision and recall, cumulative gains and lift.

use pql_stats::metrics::{Decile, EvaluationReport, GainsPoint};

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, AxisScale, Chart, HEIGHT, Transform};
use crate::report::format::{
    counted, denser_at_start, four, grouped, number, one_decimal, percent, probability, short,
    three,
};
use crate::report::html::elements::{Figure, Table};

/// Points of a drawn curve, points with a tooltip, and rows of the table.
const POINTS: [usize; 3] = [300, 40, 20];

/// A point of a curve, and the threshold that it belongs to.
struct CurvePoint {
    x: f64,
    y: f64,
    cut: GainsPoint,
}

/// Returns the curves that depend on the ranking of the rows.
pub(super) fn ranking_curves(
    context: &ReportContext<'_>,
    evaluation: &EvaluationReport,
) -> Vec<Figure<'static>> {
    let mut figures = Vec::new();
    let e = &evaluation.metrics;
    if e.conversions > 0 && e.conversions < e.n && !context.points.is_empty() {
        figures.push(roc(context, evaluation));
        figures.push(precision_recall(context, evaluation));
    }
    if e.conversions > 0 {
        figures.push(gains(context, evaluation));
        figures.push(lift(&evaluation.gains));
    }
    figures
}

/// Draws a curve with tooltips and the threshold of the model.
fn draw(
    context: &ReportContext<'_>,
    chart: &mut Chart,
    points: &[CurvePoint],
    start: Option<(f64, f64)>,
) {
    let line: Vec<(f64, f64)> =
        start.into_iter().chain(points.iter().map(|p| (p.x, p.y))).collect();
    chart.line(&denser_at_start(&line, POINTS[0]), "yes");
    let titles: Vec<((f64, f64), String)> = points
        .iter()
        .map(|p| {
            ((p.x, p.y), format!("threshold {}: {}", percent(p.cut.threshold), selection(&p.cut)))
        })
        .collect();
    chart.hover_dots(&denser_at_start(&titles, POINTS[1]));
    if let Some(chosen) = points.iter().rev().find(|p| p.cut.threshold >= context.model.threshold) {
        chart.dot(
            (chosen.x, chosen.y),
            "chosen",
            &format!(
                "threshold of the model {}: {}",
                percent(context.model.threshold),
                selection(&chosen.cut)
            ),
        );
    }
}

/// Returns the smallest number of rows for which a share is drawn: shares of fewer rows are noisy
/// and would determine the scale.
pub(super) fn first_drawn(rows: u64) -> u64 {
    (rows / 500).max(1)
}

/// Describes the rows at or above a threshold.
fn selection(cut: &GainsPoint) -> String {
    format!("{} selected, {} converted", counted(cut.rows, "row"), grouped(cut.conversions))
}

/// Returns the data of a curve.
fn table(caption: &str, names: [&str; 2], points: &[CurvePoint]) -> Table {
    let chosen: Vec<usize> = denser_at_start(&(0..points.len()).collect::<Vec<_>>(), POINTS[2]);
    let row = |p: &CurvePoint| {
        vec![
            probability(p.cut.threshold),
            grouped(p.cut.rows),
            grouped(p.cut.conversions),
            four(p.x),
            four(p.y),
        ]
    };
    let header = ["threshold", "rows selected", "converted", names[0], names[1]];
    Table::new(caption, &header, chosen.into_iter().map(|index| row(&points[index])))
}

fn roc(context: &ReportContext<'_>, evaluation: &EvaluationReport) -> Figure<'static> {
    let e = &evaluation.metrics;
    let [yes, no] = [number(e.conversions), number(e.n - e.conversions)];
    let point = |p: &GainsPoint| CurvePoint {
        x: number(p.rows - p.conversions) / no,
        y: number(p.conversions) / yes,
        cut: *p,
    };
    let points: Vec<CurvePoint> = context.points.iter().map(point).collect();
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::shares("false positive rate", false),
        &Axis::shares("true positive rate (recall)", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(context, &mut chart, &points, Some((0.0, 0.0)));
    Figure {
        id: "roc",
        title: "ROC curve",
        alt_text: format!(
            "ROC curve with an area of {}; 0.5 is chance, 1 is perfect.",
            three(e.roc_auc.map(|auc| auc.value))
        ),
        caption: format!(
            "As the threshold falls, more conversions are selected (up), but also more rows that did not convert (right). The area under the curve is {}; 0.5 is chance, 1 is perfect.",
            three(e.roc_auc.map(|auc| auc.value))
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "model"),
            ("line reference", "chance"),
            ("dot chosen", "threshold"),
        ],
        table: table("ROC curve", ["false positive rate", "true positive rate"], &points),
    }
}

fn precision_recall(context: &ReportContext<'_>, evaluation: &EvaluationReport) -> Figure<'static> {
    let e = &evaluation.metrics;
    let point = |p: &GainsPoint| CurvePoint {
        x: number(p.conversions) / number(e.conversions),
        y: number(p.conversions) / number(p.rows),
        cut: *p,
    };
    let points: Vec<CurvePoint> =
        context.points.iter().filter(|p| p.rows >= first_drawn(e.n)).map(point).collect();
    let max = points.iter().map(|p| p.y).fold(e.base_rate, f64::max);
    let precision =
        Axis::new("precision (share that converted)", AxisScale::rounded(0.0, max), percent, true);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::shares("recall (share of all conversions)", false),
        &precision,
    );
    chart.horizontal_line(e.base_rate, "line reference");
    draw(context, &mut chart, &points, None);
    Figure {
        id: "precision-recall",
        title: "Precision and recall",
        alt_text: format!(
            "Precision at each recall. Average precision is {}; chance is the base rate, {}.",
            three(e.average_precision),
            three(e.base_rate)
        ),
        caption: format!(
            "As the threshold falls, the selected rows include more of all conversions (recall), but a smaller share of them converted (precision). Average precision is {}; chance is {}.",
            three(e.average_precision),
            three(e.base_rate)
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "model"),
            ("line reference", "base rate"),
            ("dot chosen", "threshold"),
        ],
        table: table("Precision and recall", ["recall", "precision"], &points),
    }
}

/// Returns the share of all conversions by share of rows selected; only the deciles if the test
/// rows are not stored.
fn gains(context: &ReportContext<'_>, evaluation: &EvaluationReport) -> Figure<'static> {
    let e = &evaluation.metrics;
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::shares("share of rows, highest scores first", false),
        &Axis::shares("share of all conversions", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let point = |p: &GainsPoint| CurvePoint {
        x: number(p.rows) / number(e.n),
        y: number(p.conversions) / number(e.conversions),
        cut: *p,
    };
    let points: Vec<CurvePoint> = context.points.iter().map(point).collect();
    draw(context, &mut chart, &points, Some((0.0, 0.0)));
    let mut rows_so_far = 0;
    for decile in &evaluation.gains {
        rows_so_far += decile.rows;
        let title = format!(
            "top {}: {} of all conversions",
            percent(number(rows_so_far) / number(e.n)),
            percent(decile.gain.unwrap_or(0.0))
        );
        chart.dot((number(rows_so_far) / number(e.n), decile.gain.unwrap_or(0.0)), "yes", &title);
    }
    let half = evaluation.gains.iter().find(|d| d.gain.is_some_and(|gain| gain >= 0.5));
    let half = half.map_or(String::new(), |d| {
        format!(
            " The top {}% of the rows include {} of all conversions.",
            10 * d.decile,
            percent(d.gain.unwrap_or(0.0))
        )
    });
    let row = |d: &Decile| {
        vec![
            d.decile.to_string(),
            grouped(d.rows),
            probability(d.lowest),
            // Tied rows share their conversions, so that a decile can have a part of one.
            one_decimal(d.conversions).trim_end_matches(".0").to_owned(),
            d.gain.map_or("–".to_owned(), percent),
            four(d.cumulative_lift),
        ]
    };
    Figure {
        id: "gains",
        title: "Cumulative gains",
        alt_text: format!("Share of all conversions among the rows with the highest scores.{half}"),
        caption: format!(
            "If you work through the rows from the highest score down, you reach this share of all conversions.{half}"
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "model (dots: deciles)"),
            ("line reference", "random order"),
            ("dot chosen", "threshold"),
        ],
        table: Table::new(
            "Gains by decile",
            &[
                "decile",
                "rows",
                "lowest probability",
                "converted",
                "cumulative gain",
                "cumulative lift",
            ],
            evaluation.gains.iter().map(row),
        ),
    }
}

/// Returns the conversion rate of each decile divided by the base rate.
fn lift(deciles: &[Decile]) -> Figure<'static> {
    let max = deciles.iter().filter_map(|d| d.lift).fold(1.0, f64::max);
    let ticks = deciles.iter().map(|d| (f64::from(d.decile), d.decile.to_string())).collect();
    let x = Axis {
        label: "decile (1: highest scores)".to_owned(),
        scale: AxisScale::new(Transform::Linear, 0.5, 10.5),
        ticks,
    };
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &x,
        &Axis::new(
            "lift (times the base rate)",
            AxisScale::rounded(0.0, max),
            |v| format!("{}×", short(v)),
            true,
        ),
    );
    for decile in deciles {
        let (x, lift) = (f64::from(decile.decile), decile.lift.unwrap_or(0.0));
        let title = format!(
            "decile {}: {:.1} of {} converted, {:.1} expected, lift {lift:.2}",
            decile.decile,
            decile.conversions,
            counted(decile.rows, "row"),
            decile.expected
        );
        chart.bar([x - 0.4, x + 0.4], [0.0, lift], ("yes", &title));
    }
    chart.horizontal_line(1.0, "line reference");
    let row = |d: &Decile| {
        vec![
            d.decile.to_string(),
            grouped(d.rows),
            one_decimal(d.expected),
            one_decimal(d.conversions),
            four(d.rate),
            four(d.lift),
        ]
    };
    Figure {
        id: "lift",
        title: "Lift by decile",
        alt_text: "Conversion rate of each tenth of the rows, divided by the base rate.".to_owned(),
        caption: "Conversion rate of each tenth of the rows, divided by the base rate. A lift of 1 is average. The bars should fall from left to right."
            .to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("bar yes", "model"), ("line reference", "base rate")],
        table: Table::new(
            "Lift by decile",
            &["decile", "rows", "expected", "converted", "rate", "lift"],
            deciles.iter().map(row),
        ),
    }
}
