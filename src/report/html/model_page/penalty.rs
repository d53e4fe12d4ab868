//! The strengths of the penalty that were tried.

use pql_stats::glm::{Path, PathPoint};

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, Chart, Scale, Spread};
use crate::report::format::{fine, four, short};
use crate::report::html::elements::{Figure, Table};

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

/// Returns a tick of the strengths, which span many powers of ten.
fn power(alpha: f64) -> String {
    if (0.01..10_000.0).contains(&alpha) { short(alpha) } else { format!("{alpha:.0e}") }
}

fn strengths(path: &Path) -> Axis {
    let ends = path
        .points
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p.alpha), high.max(p.alpha)));
    Axis::new(
        "strength of the penalty (alpha)",
        Scale::new(Spread::Log, ends.0, ends.1),
        power,
        false,
    )
}

fn table(path: &Path) -> Table {
    let row = |(at, p): (usize, &PathPoint)| {
        let numbers =
            [four(p.log_loss), four(p.excess), four(p.excess_se), format!("{:.1}", p.non_zero)];
        let chosen = if at == path.chosen { "chosen" } else { "" };
        std::iter::once(format!("{:.3e}", p.alpha))
            .chain(numbers)
            .chain([chosen.to_owned()])
            .collect()
    };
    let header = ["alpha", "log loss", "above the least", "standard error", "columns", ""];
    Table::new(
        "Strengths of the penalty, cross-validated",
        &header,
        path.points.iter().enumerate().map(row),
    )
}

/// Returns the cross-validated log loss of each strength.
pub(super) fn losses(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let path =
        context.model.path.as_ref().filter(|path| path.points.iter().all(|p| p.alpha > 0.0))?;
    let least = path.points.iter().map(|p| p.log_loss).fold(f64::INFINITY, f64::min);
    let ends = |p: &PathPoint| {
        [p.log_loss - p.excess_se.unwrap_or(0.0), p.log_loss + p.excess_se.unwrap_or(0.0)]
    };
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
    Some(Figure {
        id: "penalty",
        title: "Choice of the penalty",
        alt_text: "Cross-validated log loss against the strength of the penalty; the chosen strength is marked.".to_owned(),
        caption: "Cross-validated by account. To the right nothing is learned but the base rate, to the left chance is learned by heart. Bars: a standard error of the difference from the least.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "tried"), ("dot chosen", "chosen")],
        table: table(path),
    })
}

/// Columns of the path that are drawn, and those whose name is written.
const DRAWN: [usize; 2] = [12, 6];
/// Least distance of two names, as a share of the axis.
const NAME_GAP: f64 = 0.1;

/// Returns the coefficients at each strength, of the columns that weigh most at the chosen one.
pub(super) fn coefficients(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let coefficients = context.model.coefficient_path.as_ref()?;
    let path = context.model.path.as_ref().filter(|path| {
        path.points.len() == coefficients.coef.len() && path.points.iter().all(|p| p.alpha > 0.0)
    })?;
    let at_choice = &coefficients.coef[path.chosen];
    let mut heaviest: Vec<usize> = (0..coefficients.columns.len()).collect();
    heaviest.sort_by(|a, b| at_choice[*b].abs().total_cmp(&at_choice[*a].abs()));
    heaviest.truncate(DRAWN[0]);
    let curve = |column: usize| -> Vec<(f64, f64)> {
        path.points
            .iter()
            .zip(&coefficients.coef)
            .map(|(p, coef)| (p.alpha, coef[column]))
            .collect()
    };
    let values = || heaviest.iter().flat_map(|column| curve(*column)).map(|(_, coef)| coef);
    let (low, high) = values().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let y = Axis::new("coefficient per standard deviation", Scale::rounded(low, high), short, true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &strengths(path), &y);
    chart.horizontal_line(0.0, "zero");
    for column in heaviest.iter().rev() {
        let class = if at_choice[*column] >= 0.0 { "yes" } else { "no" };
        let (points, name) = (curve(*column), &coefficients.columns[*column]);
        chart.line(&points, class);
        let titles: Vec<_> = points
            .iter()
            .map(|p| (*p, format!("{name} at alpha {}: {}", short(p.0), four(p.1))))
            .collect();
        chart.hover_dots(&titles);
    }
    chart.vertical_line(path.points[path.chosen].alpha, "chosen");
    let weakest = path.points.len() - 1;
    let mut named: Vec<f64> = Vec::new();
    for column in heaviest.iter().take(DRAWN[1]) {
        let coef = coefficients.coef[weakest][*column];
        if named.iter().all(|other| (y.scale.place(*other) - y.scale.place(coef)).abs() >= NAME_GAP)
        {
            chart.annotate((path.points[weakest].alpha, coef), &coefficients.columns[*column]);
            named.push(coef);
        }
    }
    let header: Vec<String> = std::iter::once("alpha".to_owned())
        .chain(heaviest.iter().map(|c| format!("`{}`", coefficients.columns[*c])))
        .collect();
    let row = |(p, coef): (&PathPoint, &Vec<f64>)| {
        std::iter::once(format!("{:.3e}", p.alpha))
            .chain(heaviest.iter().map(|c| four(coef[*c])))
            .collect()
    };
    Some(Figure {
        id: "coefficient-path",
        title: "Path of the coefficients",
        alt_text: "Coefficients of the weightiest columns against the strength of the penalty; the chosen strength is marked.".to_owned(),
        caption: format!(
            "From the right, where the penalty holds all at 0, to the left, where columns that move together drift apart. Drawn are the {} that weigh most at the chosen strength.",
            heaviest.len()
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "raises the odds"), ("line no", "lowers them")],
        table: Table::new(
            "Coefficients along the path",
            &header.iter().map(String::as_str).collect::<Vec<_>>(),
            path.points.iter().zip(&coefficients.coef).map(row),
        ),
    })
}

/// Returns the number of columns left by each strength, if the penalty selects columns.
pub(super) fn columns(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let path = context.model.path.as_ref()?;
    let most = path.points.iter().map(|p| p.non_zero).fold(0.0, f64::max);
    if path.points.iter().all(|p| p.non_zero >= most) || path.points.iter().any(|p| p.alpha <= 0.0)
    {
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
    Some(Figure {
        id: "penalty-columns",
        title: "Columns that stay",
        alt_text: "How many coefficients are not 0 at each strength of the penalty.".to_owned(),
        caption: "The stronger the penalty, the fewer columns have a weight at all.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "tried"), ("dot chosen", "chosen")],
        table: table(path),
    })
}
