//! The curves of both models over each other.

use super::{CLASSES, Versus, metrics, volume};
use crate::evaluate::{AtCutoff, FromTop, from_top};
use crate::report::chart::{About, Area, Axis, Chart, Scale};
use crate::report::html::{Figure, Html, Table};
use crate::report::performance::HEIGHT;
use crate::report::reliability::{Side, reliability};
use crate::report::words::{between, four, number, short, thinned_out, three};
use crate::report::{cutoffs, ranking};

/// Points that a curve is drawn through, that can be pointed at, and that a table has.
const POINTS: [usize; 3] = [300, 40, 12];

/// Put the curves and the metrics.
pub(super) fn performance(of: &Versus<'_>, body: &mut Html) {
    body.section("performance", "How good both are on the same rows");
    body.paragraph("Every interval is a 95 % interval by account, and every difference is paired: both are judged on the same rows.");
    body.raw("<div class=\"grid\">\n");
    let e = of.evaluations()[0];
    if e.conversions > 0 && e.conversions < e.n {
        let points = [&of.rows.challenger, &of.rows.champion].map(|p| from_top(&of.rows.y, p));
        body.figure(&roc(of, &points)).figure(&gains(of, &points));
    }
    let sides = [&of.comparison.challenger.reliability, &of.comparison.champion.reliability];
    let names = ["challenger", "champion"];
    body.figure(&reliability(&[0, 1].map(|side| Side { name: names[side], class: CLASSES[side], bins: sides[side] })));
    body.raw("</div>\n<div class=\"pair\">").table(&metrics(of)).table(&volume(of)).raw("</div></section>\n");
}

/// A curve of each model from the rows taken from the top, and the table of both.
fn draw(of: &Versus<'_>, chart: &mut Chart, points: &[Vec<FromTop>; 2], place: impl Fn(&FromTop) -> (f64, f64)) {
    for (side, points) in points.iter().enumerate() {
        let line: Vec<(f64, f64)> = std::iter::once((0.0, 0.0)).chain(points.iter().map(&place)).collect();
        chart.line(&thinned_out(&line, POINTS[0]), CLASSES[side]);
        let said = |p: &FromTop| format!("{}, from {} on: {} rows, {} convert", of.labels[side], short(p.threshold), p.rows, p.conversions);
        let titles: Vec<((f64, f64), String)> = points.iter().map(|p| (place(p), said(p))).collect();
        chart.hovered(&thinned_out(&titles, POINTS[1]));
    }
}

fn table(of: &Versus<'_>, caption: &str, names: [&str; 2], points: &[Vec<FromTop>; 2], place: impl Fn(&FromTop) -> (f64, f64)) -> Table {
    let mut rows = Vec::new();
    for (label, points) in of.labels.iter().zip(points) {
        rows.extend(thinned_out(points, POINTS[2]).iter().map(|p| {
            let (x, y) = place(p);
            vec![(*label).to_owned(), four(p.threshold), p.rows.to_string(), p.conversions.to_string(), four(x), four(y)]
        }));
    }
    Table::new(caption, &["model", "probability from", "rows", "converted", names[0], names[1]], rows)
}

fn roc(of: &Versus<'_>, points: &[Vec<FromTop>; 2]) -> Figure<'static> {
    let e = of.evaluations()[0];
    let [yes, no] = [number(e.conversions), number(e.n - e.conversions)];
    let place = |p: &FromTop| (number(p.rows - p.conversions) / no, number(p.conversions) / yes);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &ranking::shares("others above the cut (false positive rate)", false),
        &ranking::shares("conversions above the cut (recall)", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(of, &mut chart, points, place);
    let [a, b] = of.evaluations().map(|e| three(e.roc_auc));
    let title = "ROC curves";
    let description = format!("ROC curves of both models: area {a} of the challenger, {b} of the champion; 0.5 is chance.");
    let about = About { id: "roc", title, description: &description };
    Figure {
        title,
        about: format!("Area {a} of the challenger, {b} of the champion. The higher curve ranks better at that volume."),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("line yes", "challenger"), ("line no", "champion"), ("line reference", "chance")],
        table: table(of, "ROC curves", ["others", "conversions"], points, place),
    }
}

fn gains(of: &Versus<'_>, points: &[Vec<FromTop>; 2]) -> Figure<'static> {
    let e = of.evaluations()[0];
    let place = |p: &FromTop| (number(p.rows) / number(e.n), number(p.conversions) / number(e.conversions));
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &ranking::shares("share of the rows taken from the top", false),
        &ranking::shares("share of conversions found", true),
    );
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    draw(of, &mut chart, points, place);
    let title = "Cumulative gains";
    let about = About {
        id: "gains",
        title,
        description: "Share of all conversions that each model finds among so many rows of its highest probabilities.",
    };
    Figure {
        title,
        about: "How many of all conversions are met when so many rows are worked through from the top.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("line yes", "challenger"), ("line no", "champion"), ("line reference", "without order")],
        table: table(of, "Cumulative gains", ["rows taken", "conversions found"], points, place),
    }
}

/// The ranking of both inside of each cohort.
pub(super) fn auc(of: &Versus<'_>) -> Figure<'static> {
    let sides = [&of.comparison.challenger.by_cutoff, &of.comparison.champion.by_cutoff];
    let low = |at: &AtCutoff| at.part.roc_auc_95.map(|[low, _]| low).or(at.part.roc_auc);
    let lowest = sides.iter().flat_map(|of| of.iter()).filter_map(low).fold(0.5, f64::min);
    let y = Axis::new("ROC AUC", Scale::rounded(lowest, 1.0), |v| format!("{v:.1}"), true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &cutoffs::across(sides[0]), &y);
    chart.level(0.5, "line reference");
    let mut rows = Vec::new();
    for (place, at) in sides[0].iter().enumerate() {
        let mut row = vec![cutoffs::span(at), at.part.rows.to_string(), at.part.conversions.to_string()];
        for (side, class) in CLASSES.into_iter().enumerate() {
            let part = &sides[side][place].part;
            let x = number(place) + if side == 0 { -0.12 } else { 0.12 };
            if let Some([low, high]) = part.roc_auc_95 {
                chart.stroke((x, low), (x, high), class);
            }
            if let Some(auc) = part.roc_auc {
                let range = between(part.roc_auc_95, three);
                chart.dot((x, auc), class, &format!("{}, {}: ROC AUC {}, 95 % {range}", of.labels[side], cutoffs::span(at), three(auc)));
            }
            row.extend([four(part.roc_auc), between(part.roc_auc_95, four)]);
        }
        rows.push(row);
    }
    let title = "Ranking by cutoff";
    let about =
        About { id: "cutoff-auc", title, description: "ROC AUC of both models inside of each cohort, with 95 % intervals; 0.5 is chance." };
    Figure {
        title,
        about: "How well each ranks inside of each cohort; with few conversions the intervals are wide.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "challenger"), ("dot no", "champion"), ("line reference", "chance")],
        table: Table::new("ROC AUC by cutoff", &["cutoff", "rows", "converted", of.labels[0], "95 %", of.labels[1], "95 %"], rows),
    }
}
