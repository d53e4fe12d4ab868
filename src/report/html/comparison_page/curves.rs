//! The curves of both models over each other.

use maud::{Markup, html};
use pql_stats::metrics::{AtCutoff, FromTop, from_top};

use super::metrics::{equal_volume, metrics};
use super::{CLASSES, ComparisonPage};
use crate::report::charts::{Area, Axis, Chart, HEIGHT, Scale};
use crate::report::format::{between, four, number, short, thinned_out, three};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::report::html::reliability::{BinSeries, reliability};

/// Points that a curve is drawn through, that can be pointed at, and that a table has.
const POINTS: [usize; 3] = [300, 40, 12];

/// Returns the curves and the metrics.
pub(super) fn performance(page: &ComparisonPage<'_>) -> Markup {
    let e = page.evaluations()[0];
    let points = [&page.rows.challenger, &page.rows.champion].map(|p| from_top(&page.rows.y, p));
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
            h2 { "How good both are on the same rows" }
            (paragraph("Every interval is a 95 % interval by account, and every difference is paired: both are judged on the same rows."))
            (grid(curves.into_iter().flatten().chain([reliability(&series)])))
            div.pair { (metrics(page)) (equal_volume(page)) }
        }
    }
}

/// Draws a curve of each model from the rows taken from the top.
fn draw(
    page: &ComparisonPage<'_>,
    chart: &mut Chart,
    points: &[Vec<FromTop>; 2],
    place: impl Fn(&FromTop) -> (f64, f64),
) {
    for (side, points) in points.iter().enumerate() {
        let line: Vec<(f64, f64)> =
            std::iter::once((0.0, 0.0)).chain(points.iter().map(&place)).collect();
        chart.line(&thinned_out(&line, POINTS[0]), CLASSES[side]);
        let said = |p: &FromTop| {
            format!(
                "{}, from {} on: {} rows, {} convert",
                page.labels[side],
                short(p.threshold),
                p.rows,
                p.conversions
            )
        };
        let titles: Vec<((f64, f64), String)> =
            points.iter().map(|p| (place(p), said(p))).collect();
        chart.hover_dots(&thinned_out(&titles, POINTS[1]));
    }
}

fn table(
    page: &ComparisonPage<'_>,
    caption: &str,
    names: [&str; 2],
    points: &[Vec<FromTop>; 2],
    place: impl Fn(&FromTop) -> (f64, f64),
) -> Table {
    let mut rows = Vec::new();
    for (label, points) in page.labels.iter().zip(points) {
        rows.extend(thinned_out(points, POINTS[2]).iter().map(|p| {
            let (x, y) = place(p);
            vec![
                (*label).to_owned(),
                four(p.threshold),
                p.rows.to_string(),
                p.conversions.to_string(),
                four(x),
                four(y),
            ]
        }));
    }
    Table::new(
        caption,
        &["model", "probability from", "rows", "converted", names[0], names[1]],
        rows,
    )
}

fn roc(page: &ComparisonPage<'_>, points: &[Vec<FromTop>; 2]) -> Figure<'static> {
    let e = page.evaluations()[0];
    let [yes, no] = [number(e.conversions), number(e.n - e.conversions)];
    let place = |p: &FromTop| (number(p.rows - p.conversions) / no, number(p.conversions) / yes);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::shares("others above the cut (false positive rate)", false),
        &Axis::shares("conversions above the cut (recall)", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(page, &mut chart, points, place);
    let [a, b] = page.evaluations().map(|e| three(e.roc_auc.map(|auc| auc.value)));
    Figure {
        id: "roc",
        title: "ROC curves",
        alt_text: format!(
            "ROC curves of both models: area {a} of the challenger, {b} of the champion; 0.5 is chance."
        ),
        caption: format!(
            "Area {a} of the challenger, {b} of the champion. The higher curve ranks better at that volume."
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("line yes", "challenger"),
            ("line no", "champion"),
            ("line reference", "chance"),
        ],
        table: table(page, "ROC curves", ["others", "conversions"], points, place),
    }
}

fn gains(page: &ComparisonPage<'_>, points: &[Vec<FromTop>; 2]) -> Figure<'static> {
    let e = page.evaluations()[0];
    let place =
        |p: &FromTop| (number(p.rows) / number(e.n), number(p.conversions) / number(e.conversions));
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::shares("share of the rows taken from the top", false),
        &Axis::shares("share of conversions found", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(page, &mut chart, points, place);
    Figure {
        id: "gains",
        title: "Cumulative gains",
        alt_text: "Share of all conversions that each model finds among so many rows of its highest probabilities.".to_owned(),
        caption: "How many of all conversions are met when so many rows are worked through from the top.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "challenger"), ("line no", "champion"), ("line reference", "without order")],
        table: table(page, "Cumulative gains", ["rows taken", "conversions found"], points, place),
    }
}

/// Returns the ranking of both inside of each cohort.
pub(super) fn auc(page: &ComparisonPage<'_>) -> Figure<'static> {
    let sides = [&page.comparison.challenger.by_cutoff, &page.comparison.champion.by_cutoff];
    let low =
        |at: &AtCutoff| at.part.roc_auc_interval.map(|interval| interval.low).or(at.part.roc_auc);
    let lowest =
        sides.iter().flat_map(|cutoffs| cutoffs.iter()).filter_map(low).fold(0.5, f64::min);
    let y = Axis::new("ROC AUC", Scale::rounded(lowest, 1.0), |v| format!("{v:.1}"), true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &cutoff_axis(sides[0]), &y);
    chart.horizontal_line(0.5, "line reference");
    let mut rows = Vec::new();
    for (place, at) in sides[0].iter().enumerate() {
        let mut row =
            vec![cutoff_span(at), at.part.rows.to_string(), at.part.conversions.to_string()];
        for (side, class) in CLASSES.into_iter().enumerate() {
            let part = &sides[side][place].part;
            let x = number(place) + if side == 0 { -0.12 } else { 0.12 };
            if let Some(auc) = part.roc_auc {
                let range = between(part.roc_auc_interval, three);
                let title = format!(
                    "{}, {}: ROC AUC {}, 95 % {range}",
                    page.labels[side],
                    cutoff_span(at),
                    three(auc)
                );
                chart.estimate((x, auc), part.roc_auc_interval, class, &title);
            }
            row.extend([four(part.roc_auc), between(part.roc_auc_interval, four)]);
        }
        rows.push(row);
    }
    Figure {
        id: "cutoff-auc",
        title: "Ranking by cutoff",
        alt_text: "ROC AUC of both models inside of each cohort, with 95 % intervals; 0.5 is chance.".to_owned(),
        caption: "How well each ranks inside of each cohort; with few conversions the intervals are wide.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "challenger"), ("dot no", "champion"), ("line reference", "chance")],
        table: Table::new("ROC AUC by cutoff", &["cutoff", "rows", "converted", page.labels[0], "95 %", page.labels[1], "95 %"], rows),
    }
}
