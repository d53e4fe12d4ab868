//! The regularization path: log loss, coefficients and selected columns by strength.

use pql_stats::glm::{PathPoint, RegularizationPath};

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, AxisScale, Chart, Transform, WIDTH};
use crate::report::format::{formatter_for_range, four, minus, short};
use crate::report::html::elements::{Figure, Table};

const HEIGHT: f64 = 240.0;

fn tooltip(point: &PathPoint) -> String {
    let spread = point.excess_std_error.map_or(String::new(), |se| format!(" ± {}", short(se)));
    format!(
        "alpha {}: log loss {}, {}{spread} above the minimum, {:.0} columns",
        short(point.alpha),
        four(point.log_loss),
        short(point.excess),
        point.nonzero
    )
}

/// Formats a tick of the alpha axis, which spans many powers of ten.
fn alpha_tick(alpha: f64) -> String {
    if (0.01..10_000.0).contains(&alpha) { short(alpha) } else { minus(format!("{alpha:.0e}")) }
}

fn alpha_axis(path: &RegularizationPath) -> Axis {
    let ends = path
        .points
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p.alpha), high.max(p.alpha)));
    Axis::new(
        "regularization strength (alpha)",
        AxisScale::new(Transform::Log, ends.0, ends.1),
        alpha_tick,
        false,
    )
}

fn table(path: &RegularizationPath) -> Table {
    let row = |(index, p): (usize, &PathPoint)| {
        let numbers = [
            four(p.log_loss),
            four(p.excess),
            four(p.excess_std_error),
            format!("{:.1}", p.nonzero),
        ];
        let chosen = if index == path.chosen { "chosen" } else { "" };
        std::iter::once(minus(format!("{:.3e}", p.alpha)))
            .chain(numbers)
            .chain([chosen.to_owned()])
            .collect()
    };
    let header = ["alpha", "log loss", "above the minimum", "standard error", "columns", "choice"];
    Table::new(
        "Regularization path (cross-validated)",
        &header,
        path.points.iter().enumerate().map(row),
    )
}

/// Returns the cross-validated log loss by regularization strength.
pub(super) fn losses(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let path = context
        .model
        .regularization_path
        .as_ref()
        .filter(|path| path.points.iter().all(|p| p.alpha > 0.0))?;
    let min = path.points.iter().map(|p| p.log_loss).fold(f64::INFINITY, f64::min);
    let ends = |p: &PathPoint| {
        [
            p.log_loss - p.excess_std_error.unwrap_or(0.0),
            p.log_loss + p.excess_std_error.unwrap_or(0.0),
        ]
    };
    let high = path.points.iter().map(|p| ends(p)[1]).fold(min, f64::max);
    let low = path.points.iter().map(|p| ends(p)[0]).fold(min, f64::min);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &alpha_axis(path),
        &Axis::new(
            "cross-validated log loss",
            AxisScale::rounded(low, high),
            formatter_for_range(high - low),
            true,
        ),
    );
    let points: Vec<(f64, f64)> = path.points.iter().map(|p| (p.alpha, p.log_loss)).collect();
    chart.line(&points, "plain");
    for (index, (point, p)) in points.iter().zip(&path.points).enumerate() {
        let class = if index == path.chosen { "chosen" } else { "yes" };
        let [low, high] = ends(p);
        chart.stroke((p.alpha, low), (p.alpha, high), "plain");
        chart.dot(*point, class, &tooltip(p));
    }
    Some(Figure {
        id: "penalty",
        title: "Regularization strength",
        alt_text: "Cross-validated log loss by regularization strength (alpha). The chosen strength is marked.".to_owned(),
        caption: "Lower is better. Left: overfitting. Right: underfitting, up to the base rate alone. Vertical bars: one standard error of the difference from the minimum. Folds are split by account.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "evaluated"), ("dot chosen", "chosen")],
        table: table(path),
    })
}

/// Drawn columns, and labeled columns.
const DRAWN: [usize; 2] = [12, 6];
/// Minimum distance of two values of alpha, as a share of the axis.
const TICK_GAP: f64 = 0.22;

/// Returns the coefficient path of the columns that are largest at the chosen strength.
pub(super) fn coefficients(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let coefficients = context.model.coefficient_path.as_ref()?;
    let path = context.model.regularization_path.as_ref().filter(|path| {
        path.points.len() == coefficients.coef.len() && path.points.iter().all(|p| p.alpha > 0.0)
    })?;
    let at_choice = &coefficients.coef[path.chosen];
    let mut largest: Vec<usize> = (0..coefficients.columns.len()).collect();
    largest.sort_by(|a, b| at_choice[*b].abs().total_cmp(&at_choice[*a].abs()));
    largest.truncate(DRAWN[0]);
    let curve = |column: usize| -> Vec<(f64, f64)> {
        path.points
            .iter()
            .zip(&coefficients.coef)
            .map(|(p, coef)| (p.alpha, coef[column]))
            .collect()
    };
    let values = || largest.iter().flat_map(|column| curve(*column)).map(|(_, coef)| coef);
    let (low, high) = values().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let y =
        Axis::new("coefficient per standard deviation", AxisScale::rounded(low, high), short, true);
    // Names to the left of the curves, ticks to their right.
    let area = Area { left: 132.0, right: WIDTH - 40.0, ..Area::below_label(HEIGHT) };
    let alphas = alpha_axis(path);
    let ticks = alphas.scale.ticks(TICK_GAP).into_iter().map(|tick| (tick, alpha_tick(tick)));
    let alphas = Axis { ticks: ticks.collect(), ..alphas };
    let mut chart = Chart::new(area, &alphas, &Axis::blank(y.scale));
    chart.right_ticks(&y);
    chart.horizontal_line(0.0, "zero");
    for column in largest.iter().rev() {
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
    let names: Vec<(f64, &str)> = largest
        .iter()
        .take(DRAWN[1])
        .map(|column| (coefficients.coef[weakest][*column], coefficients.columns[*column].as_str()))
        .collect();
    chart.curve_names(&names);
    let header: Vec<String> = std::iter::once("alpha".to_owned())
        .chain(largest.iter().map(|c| format!("`{}`", coefficients.columns[*c])))
        .collect();
    let row = |(p, coef): (&PathPoint, &Vec<f64>)| {
        std::iter::once(minus(format!("{:.3e}", p.alpha)))
            .chain(largest.iter().map(|c| four(coef[*c])))
            .collect()
    };
    Some(Figure {
        id: "coefficient-path",
        title: "Coefficient path",
        alt_text: "Coefficients of the largest columns by regularization strength (alpha). The chosen strength is marked.".to_owned(),
        caption: format!(
            "On the right, the penalty holds all coefficients near 0. On the left it is weak, and correlated columns diverge. Shown: the {} largest coefficients at the chosen strength.",
            largest.len()
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "raises the odds"), ("line no", "lowers the odds")],
        table: Table::new(
            "Coefficient path",
            &header.iter().map(String::as_str).collect::<Vec<_>>(),
            path.points.iter().zip(&coefficients.coef).map(row),
        ),
    })
}

/// Returns the number of columns by strength, if the penalty selects columns.
pub(super) fn selected_columns(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let path = context.model.regularization_path.as_ref()?;
    let max = path.points.iter().map(|p| p.nonzero).fold(0.0, f64::max);
    if path.points.iter().all(|p| p.nonzero >= max) || path.points.iter().any(|p| p.alpha <= 0.0) {
        return None;
    }
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &alpha_axis(path),
        &Axis::new("columns (mean of the folds)", AxisScale::rounded(0.0, max), short, true),
    );
    let points: Vec<(f64, f64)> = path.points.iter().map(|p| (p.alpha, p.nonzero)).collect();
    chart.line(&points, "plain");
    for (index, (point, p)) in points.iter().zip(&path.points).enumerate() {
        chart.dot(*point, if index == path.chosen { "chosen" } else { "yes" }, &tooltip(p));
    }
    Some(Figure {
        id: "penalty-columns",
        title: "Number of selected columns",
        alt_text: "Number of nonzero coefficients by regularization strength (alpha).".to_owned(),
        caption: "The stronger the penalty, the fewer columns the model uses.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "evaluated"), ("dot chosen", "chosen")],
        table: table(path),
    })
}
