//! How well the order is: ROC, precision and recall, gains and lift.

use pql_stats::metrics::{Decile, FromTop, Judgement};

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, Chart, HEIGHT, Scale, Spread};
use crate::report::format::{four, number, percent, short, thinned_out, three};
use crate::report::html::elements::{Figure, Table};

/// Points that a curve is drawn through, that can be pointed at, and that a table has.
const POINTS: [usize; 3] = [300, 40, 20];

/// A point of a curve, and the cut that it stands for.
struct Point {
    x: f64,
    y: f64,
    cut: FromTop,
}

/// Returns the curves that depend on the order of the rows.
pub(super) fn curves(context: &ReportContext<'_>, judgement: &Judgement) -> Vec<Figure<'static>> {
    let mut figures = Vec::new();
    let e = &judgement.evaluation;
    if e.conversions > 0 && e.conversions < e.n && !context.points.is_empty() {
        figures.push(roc(context, judgement));
        figures.push(precision_recall(context, judgement));
    }
    if e.conversions > 0 {
        figures.push(gains(context, judgement));
        figures.push(lift(&judgement.gains));
    }
    figures
}

/// Draws a curve, its points, and the threshold on it.
fn draw(
    context: &ReportContext<'_>,
    chart: &mut Chart,
    points: &[Point],
    start: Option<(f64, f64)>,
) {
    let line: Vec<(f64, f64)> =
        start.into_iter().chain(points.iter().map(|p| (p.x, p.y))).collect();
    chart.line(&thinned_out(&line, POINTS[0]), "yes");
    let titles: Vec<((f64, f64), String)> = points
        .iter()
        .map(|p| {
            (
                (p.x, p.y),
                format!(
                    "from {} on: {} rows, {} convert",
                    short(p.cut.threshold),
                    p.cut.rows,
                    p.cut.conversions
                ),
            )
        })
        .collect();
    chart.hover_dots(&thinned_out(&titles, POINTS[1]));
    if let Some(chosen) = points.iter().rev().find(|p| p.cut.threshold >= context.model.threshold) {
        chart.dot(
            (chosen.x, chosen.y),
            "chosen",
            &format!(
                "the threshold {}: {} rows, {} convert",
                short(context.model.threshold),
                chosen.cut.rows,
                chosen.cut.conversions
            ),
        );
    }
}

/// Returns the number of rows from which on a share is drawn: that of fewer rows jumps about, and
/// would set the scale.
pub(super) fn first_drawn(rows: u64) -> u64 {
    (rows / 500).max(1)
}

/// Returns the numbers behind a curve.
fn table(caption: &str, names: [&str; 2], points: &[Point]) -> Table {
    let chosen: Vec<usize> = thinned_out(&(0..points.len()).collect::<Vec<_>>(), POINTS[2]);
    let row = |p: &Point| {
        vec![
            four(p.cut.threshold),
            p.cut.rows.to_string(),
            p.cut.conversions.to_string(),
            four(p.x),
            four(p.y),
        ]
    };
    let header = ["probability from", "rows", "converted", names[0], names[1]];
    Table::new(caption, &header, chosen.into_iter().map(|at| row(&points[at])))
}

fn roc(context: &ReportContext<'_>, judgement: &Judgement) -> Figure<'static> {
    let e = &judgement.evaluation;
    let [yes, no] = [number(e.conversions), number(e.n - e.conversions)];
    let point = |p: &FromTop| Point {
        x: number(p.rows - p.conversions) / no,
        y: number(p.conversions) / yes,
        cut: *p,
    };
    let points: Vec<Point> = context.points.iter().map(point).collect();
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::shares("others above the cut (false positive rate)", false),
        &Axis::shares("conversions above the cut (recall)", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(context, &mut chart, &points, Some((0.0, 0.0)));
    Figure {
        id: "roc",
        title: "ROC curve",
        alt_text: format!(
            "ROC curve: area {}, where 0.5 is chance and 1 is perfect.",
            three(e.roc_auc.map(|auc| auc.value))
        ),
        caption: format!(
            "Area under the curve {}. From the lower left the cut falls from the highest probability to the lowest.",
            three(e.roc_auc.map(|auc| auc.value))
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "model"),
            ("line reference", "chance"),
            ("dot chosen", "threshold"),
        ],
        table: table("ROC curve", ["others", "conversions"], &points),
    }
}

fn precision_recall(context: &ReportContext<'_>, judgement: &Judgement) -> Figure<'static> {
    let e = &judgement.evaluation;
    let point = |p: &FromTop| Point {
        x: number(p.conversions) / number(e.conversions),
        y: number(p.conversions) / number(p.rows),
        cut: *p,
    };
    let points: Vec<Point> =
        context.points.iter().filter(|p| p.rows >= first_drawn(e.n)).map(point).collect();
    let most = points.iter().map(|p| p.y).fold(e.base_rate, f64::max);
    let precision =
        Axis::new("share that converts (precision)", Scale::rounded(0.0, most), percent, true);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::shares("share of all conversions found (recall)", false),
        &precision,
    );
    chart.horizontal_line(e.base_rate, "line reference");
    draw(context, &mut chart, &points, None);
    Figure {
        id: "precision-recall",
        title: "Precision and recall",
        alt_text: format!(
            "Precision against recall: average precision {}, where the base rate {} is chance.",
            three(e.average_precision),
            three(e.base_rate)
        ),
        caption: format!(
            "Average precision {}. How many of those above the cut convert, against how many of all conversions they are.",
            three(e.average_precision)
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

/// Returns the share of conversions found against share of rows taken; of the deciles where the
/// rows are not stored.
fn gains(context: &ReportContext<'_>, judgement: &Judgement) -> Figure<'static> {
    let e = &judgement.evaluation;
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::shares("share of the rows taken from the top", false),
        &Axis::shares("share of conversions found", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let point = |p: &FromTop| Point {
        x: number(p.rows) / number(e.n),
        y: number(p.conversions) / number(e.conversions),
        cut: *p,
    };
    let points: Vec<Point> = context.points.iter().map(point).collect();
    draw(context, &mut chart, &points, Some((0.0, 0.0)));
    let mut taken = 0;
    for decile in &judgement.gains {
        taken += decile.rows;
        let title = format!(
            "the top {}: {} of all conversions",
            percent(number(taken) / number(e.n)),
            percent(decile.gain.unwrap_or(0.0))
        );
        chart.dot((number(taken) / number(e.n), decile.gain.unwrap_or(0.0)), "yes", &title);
    }
    let half = judgement.gains.iter().find(|d| d.gain.is_some_and(|gain| gain >= 0.5));
    let half = half.map_or(String::new(), |d| {
        format!(
            " The top {} % of the rows hold {} of all conversions.",
            10 * d.decile,
            percent(d.gain.unwrap_or(0.0))
        )
    });
    let row = |d: &Decile| {
        vec![
            d.decile.to_string(),
            d.rows.to_string(),
            four(d.lowest),
            format!("{:.1}", d.conversions),
            four(d.gain),
            four(d.cumulative_lift),
        ]
    };
    Figure {
        id: "gains",
        title: "Cumulative gains",
        alt_text: format!("Share of all conversions among the rows of highest probability.{half}"),
        caption: format!(
            "How many of all conversions are met when so many rows are worked through from the top.{half}"
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "model, deciles"),
            ("line reference", "without order"),
            ("dot chosen", "threshold"),
        ],
        table: Table::new(
            "Gains by decile",
            &["decile", "rows", "probability from", "converted", "gain", "lift so far"],
            judgement.gains.iter().map(row),
        ),
    }
}

/// Returns the rate of each decile against the base rate.
fn lift(deciles: &[Decile]) -> Figure<'static> {
    let most = deciles.iter().filter_map(|d| d.lift).fold(1.0, f64::max);
    let ticks = deciles.iter().map(|d| (f64::from(d.decile), d.decile.to_string())).collect();
    let x = Axis {
        label: "decile, 1 has the highest probabilities".to_owned(),
        scale: Scale::new(Spread::Linear, 0.5, 10.5),
        ticks,
    };
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &x,
        &Axis::new(
            "times the base rate",
            Scale::rounded(0.0, most),
            |v| format!("{}×", short(v)),
            true,
        ),
    );
    for decile in deciles {
        let (at, lift) = (f64::from(decile.decile), decile.lift.unwrap_or(0.0));
        let title = format!(
            "decile {}: {:.1} of {} convert, {:.1} expected, lift {lift:.2}",
            decile.decile, decile.conversions, decile.rows, decile.expected
        );
        chart.bar([at - 0.4, at + 0.4], [0.0, lift], ("yes", &title));
    }
    chart.horizontal_line(1.0, "line reference");
    let row = |d: &Decile| {
        vec![
            d.decile.to_string(),
            d.rows.to_string(),
            format!("{:.1}", d.expected),
            format!("{:.1}", d.conversions),
            four(d.rate),
            four(d.lift),
        ]
    };
    Figure {
        id: "lift",
        title: "Lift by decile",
        alt_text: "Share that converts in each tenth of the rows, divided by the base rate."
            .to_owned(),
        caption: "The bars should fall from left to right; at 1 a tenth is like the average."
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
