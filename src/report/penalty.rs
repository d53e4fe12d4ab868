//! The strengths of the penalty that were tried.

use super::Seen;
use super::chart::{About, Area, Axis, Chart, Scale, Spread};
use super::html::{Figure, Table};
use super::words::{fine, four, short};
use crate::fit::{Path, PathPoint};

const HEIGHT: f64 = 240.0;

fn title_of(point: &PathPoint) -> String {
    let spread = point.excess_se.map_or(String::new(), |se| format!(" ± {}", short(se)));
    format!(
        "alpha {}: log loss {}, {}{spread} above the least; {:.0} columns",
        short(point.alpha),
        four(point.log_loss),
        short(point.excess),
        point.non_zero
    )
}

/// A tick of the strengths, which span many powers of ten.
fn power(alpha: f64) -> String {
    if (0.01..10_000.0).contains(&alpha) { short(alpha) } else { format!("{alpha:.0e}") }
}

fn strengths(path: &Path) -> Axis {
    let ends = path.points.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p.alpha), high.max(p.alpha)));
    Axis::new("strength of the penalty (alpha)", Scale::new(Spread::Log, ends.0, ends.1), power, false)
}

fn table(path: &Path) -> Table {
    let row = |(at, p): (usize, &PathPoint)| {
        let numbers = [four(p.log_loss), four(p.excess), four(p.excess_se), format!("{:.1}", p.non_zero)];
        let chosen = if at == path.chosen { "chosen" } else { "" };
        std::iter::once(format!("{:.3e}", p.alpha)).chain(numbers).chain([chosen.to_owned()]).collect()
    };
    let header = ["alpha", "log loss", "above the least", "standard error", "columns", ""];
    Table::new("Strengths of the penalty, cross-validated", &header, path.points.iter().enumerate().map(row).collect())
}

/// The cross-validated log loss of each strength.
pub(super) fn losses(seen: &Seen<'_>) -> Option<Figure<'static>> {
    let path = seen.model.path.as_ref().filter(|path| path.points.iter().all(|p| p.alpha > 0.0))?;
    let least = path.points.iter().map(|p| p.log_loss).fold(f64::INFINITY, f64::min);
    let ends = |p: &PathPoint| [p.log_loss - p.excess_se.unwrap_or(0.0), p.log_loss + p.excess_se.unwrap_or(0.0)];
    let high = path.points.iter().map(|p| ends(p)[1]).fold(least, f64::max);
    let low = path.points.iter().map(|p| ends(p)[0]).fold(least, f64::min);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &strengths(path),
        &Axis::new("log loss of rows held out", Scale::rounded(low, high), fine(high - low), true),
    );
    let points: Vec<(f64, f64)> = path.points.iter().map(|p| (p.alpha, p.log_loss)).collect();
    chart.line(&points, "plain");
    for (at, (point, p)) in points.iter().zip(&path.points).enumerate() {
        let class = if at == path.chosen { "chosen" } else { "yes" };
        let [low, high] = ends(p);
        chart.stroke((p.alpha, low), (p.alpha, high), "plain");
        chart.dot(*point, class, &title_of(p));
    }
    let title = "Choice of the penalty";
    let about = About {
        id: "penalty",
        title,
        description: "Cross-validated log loss against the strength of the penalty; the chosen strength is marked.",
    };
    Some(Figure {
        title,
        about: "Cross-validated by account. To the right nothing is learned but the base rate, to the left chance is learned by heart. Bars: a standard error of the difference from the least.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "tried"), ("dot chosen", "chosen")],
        table: table(path),
    })
}

/// Columns of the path that are drawn, and those whose name is written.
const DRAWN: [usize; 2] = [12, 6];
/// Least distance of two names, as a share of the axis.
const NAME_GAP: f64 = 0.1;

/// The coefficients at each strength, of the columns that weigh most at the chosen one.
pub(super) fn coefficients(seen: &Seen<'_>) -> Option<Figure<'static>> {
    let along = seen.model.coefficient_path.as_ref()?;
    let path =
        seen.model.path.as_ref().filter(|path| path.points.len() == along.coef.len() && path.points.iter().all(|p| p.alpha > 0.0))?;
    let at_choice = &along.coef[path.chosen];
    let mut heaviest: Vec<usize> = (0..along.columns.len()).collect();
    heaviest.sort_by(|a, b| at_choice[*b].abs().total_cmp(&at_choice[*a].abs()));
    heaviest.truncate(DRAWN[0]);
    let of = |column: usize| -> Vec<(f64, f64)> { path.points.iter().zip(&along.coef).map(|(p, coef)| (p.alpha, coef[column])).collect() };
    let values = || heaviest.iter().flat_map(|column| of(*column)).map(|(_, coef)| coef);
    let (low, high) = values().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let y = Axis::new("coefficient per standard deviation", Scale::rounded(low, high), short, true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &strengths(path), &y);
    chart.level(0.0, "zero");
    for column in heaviest.iter().rev() {
        let class = if at_choice[*column] >= 0.0 { "yes" } else { "no" };
        let (points, name) = (of(*column), &along.columns[*column]);
        chart.line(&points, class);
        let titles: Vec<_> = points.iter().map(|p| (*p, format!("{name} at alpha {}: {}", short(p.0), four(p.1)))).collect();
        chart.hovered(&titles);
    }
    chart.upright(path.points[path.chosen].alpha, "chosen");
    let weakest = path.points.len() - 1;
    let mut named: Vec<f64> = Vec::new();
    for column in heaviest.iter().take(DRAWN[1]) {
        let coef = along.coef[weakest][*column];
        if named.iter().all(|other| (y.scale.place(*other) - y.scale.place(coef)).abs() >= NAME_GAP) {
            chart.note((path.points[weakest].alpha, coef), &along.columns[*column]);
            named.push(coef);
        }
    }
    let header: Vec<String> =
        std::iter::once("alpha".to_owned()).chain(heaviest.iter().map(|c| format!("`{}`", along.columns[*c]))).collect();
    let row = |(p, coef): (&PathPoint, &Vec<f64>)| {
        std::iter::once(format!("{:.3e}", p.alpha)).chain(heaviest.iter().map(|c| four(coef[*c]))).collect()
    };
    let title = "Path of the coefficients";
    let about = About {
        id: "coefficient-path",
        title,
        description: "Coefficients of the weightiest columns against the strength of the penalty; the chosen strength is marked.",
    };
    Some(Figure {
        title,
        about: format!(
            "From the right, where the penalty holds all at 0, to the left, where columns that move together drift apart. Drawn are the {} that weigh most at the chosen strength.",
            heaviest.len()
        ),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("line yes", "raises the odds"), ("line no", "lowers them")],
        table: Table::new(
            "Coefficients along the path",
            &header.iter().map(String::as_str).collect::<Vec<_>>(),
            path.points.iter().zip(&along.coef).map(row).collect(),
        ),
    })
}

/// How many columns each strength leaves, where it selects.
pub(super) fn columns(seen: &Seen<'_>) -> Option<Figure<'static>> {
    let path = seen.model.path.as_ref()?;
    let most = path.points.iter().map(|p| p.non_zero).fold(0.0, f64::max);
    if path.points.iter().all(|p| p.non_zero >= most) || path.points.iter().any(|p| p.alpha <= 0.0) {
        return None;
    }
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &strengths(path),
        &Axis::new("columns, mean of the folds", Scale::rounded(0.0, most), short, true),
    );
    let points: Vec<(f64, f64)> = path.points.iter().map(|p| (p.alpha, p.non_zero)).collect();
    chart.line(&points, "plain");
    for (at, (point, p)) in points.iter().zip(&path.points).enumerate() {
        chart.dot(*point, if at == path.chosen { "chosen" } else { "yes" }, &title_of(p));
    }
    let title = "Columns that stay";
    let about = About { id: "penalty-columns", title, description: "How many coefficients are not 0 at each strength of the penalty." };
    Some(Figure {
        title,
        about: "The stronger the penalty, the fewer columns have a weight at all.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "tried"), ("dot chosen", "chosen")],
        table: table(path),
    })
}
