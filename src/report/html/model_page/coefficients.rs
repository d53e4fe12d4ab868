//! The features: odds ratios, effects, correlations and the regularization path.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use super::{correlation, effects, regularization};
use crate::error::Result;
use crate::model::explain::{Coefficient, coefficients};
use crate::report::charts::{Area, Axis, AxisScale, Chart, FOOT, Transform, WIDTH};
use crate::report::format::{counted, four, interval_range, number, p_value, short, three};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Columns in the chart, and rows of its table.
const COLUMNS: [usize; 2] = [24, 200];
/// Drawn columns per measure: a text may have very many levels.
const OF_MEASURE: usize = 4;
/// Height of a row.
const ROW: f64 = 17.0;
/// Largest drawn odds ratio; its inverse is the smallest.
const MAX_ODDS_RATIO: f64 = 100.0;

/// Returns the section about features.
pub(super) fn features(context: &ReportContext<'_>) -> Result<Markup> {
    let columns = by_importance(context);
    let names: Vec<&str> = drawn(&columns).into_iter().map(|c| c.feature.as_str()).collect();
    let path = [
        regularization::losses(context),
        regularization::coefficients(context),
        regularization::selected_columns(context),
    ];
    let correlation = correlation::correlation(context, &names)?;
    let figures = [forest(context, &columns)]
        .into_iter()
        .chain(path.into_iter().flatten())
        .chain(correlation);
    Ok(html! {
        section id="features" {
            h2 { "What drives the score" }
            (paragraph("Coefficients describe how accounts with these values converted, other features being equal. They are not causal: changing a value need not change the outcome. Correlated features share their effect."))
            (grid(figures))
            (effects::effects(context, &columns)?)
        }
    })
}

/// Returns the design columns by importance of their measure, then by size of their coefficient.
fn by_importance(context: &ReportContext<'_>) -> Vec<Coefficient> {
    let rank = |measure: &str| {
        context.model.importance.iter().position(|(name, _)| name == measure).unwrap_or(usize::MAX)
    };
    let mut columns: Vec<Coefficient> =
        coefficients(context.model).into_iter().skip(1).filter(|c| c.coef != 0.0).collect();
    columns.sort_by(|a, b| {
        rank(&a.measure).cmp(&rank(&b.measure)).then_with(|| b.coef.abs().total_cmp(&a.coef.abs()))
    });
    columns
}

/// Returns the columns to draw.
fn drawn(columns: &[Coefficient]) -> Vec<&Coefficient> {
    let measures = columns.chunk_by(|a, b| a.measure == b.measure);
    measures
        .flat_map(|columns| &columns[..columns.len().min(OF_MEASURE)])
        .take(COLUMNS[0])
        .collect()
}

fn tooltip(c: &Coefficient) -> String {
    format!(
        "{}: odds ratio {} per standard deviation (95% CI {})",
        c.feature,
        three(c.odds_ratio),
        interval_range(odds_ratio_interval(c), three)
    )
}

/// Returns the interval of the odds ratio.
fn odds_ratio_interval(c: &Coefficient) -> Option<Interval> {
    c.interval.map(|interval| interval.map(f64::exp))
}

/// Returns a forest plot: odds ratios with their intervals, one row per column.
fn forest(context: &ReportContext<'_>, columns: &[Coefficient]) -> Figure<'static> {
    let drawn = drawn(columns);
    let height = ROW * number(drawn.len().max(1)) + 56.0;
    let inside = |v: f64| v.clamp(1.0 / MAX_ODDS_RATIO, MAX_ODDS_RATIO);
    let reach = drawn
        .iter()
        .flat_map(|c| {
            odds_ratio_interval(c)
                .map_or([c.odds_ratio; 2], |interval| [interval.low, interval.high])
        })
        .map(|v| inside(v).ln().abs())
        .fold(0.02, f64::max)
        .exp();
    let x = Axis::new(
        "odds ratio per standard deviation",
        AxisScale::new(Transform::Log, 1.0 / reach, reach),
        short,
        false,
    );
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 8.0, bottom: height - FOOT };
    let mut chart = Chart::new(area, &x, &Axis::rows(drawn.len().max(1)));
    chart.stroke((1.0, 0.5), (1.0, 0.5 - number(drawn.len())), "zero");
    chart.row_names(&drawn.iter().map(|column| &column.feature).collect::<Vec<_>>());
    for (row, column) in drawn.iter().enumerate() {
        let class = if column.coef > 0.0 { "yes" } else { "no" };
        let y = -number(row);
        if let Some(Interval { low, high }) = odds_ratio_interval(column) {
            chart.stroke((low, y), (high, y), class);
        }
        chart.dot((column.odds_ratio, y), class, &tooltip(column));
    }
    let penalized = if context.model.fit.alpha > 0.0 {
        " Regularization shrinks odds ratios toward 1."
    } else {
        ""
    };
    let missing = if context.model.fit.covariance.is_none() {
        " There are no intervals, because this penalty also selects the columns."
    } else {
        ""
    };
    let rest = if columns.len() > drawn.len() {
        format!(" Shown: {} of {} columns.", drawn.len(), columns.len())
    } else {
        String::new()
    };
    Figure {
        id: "odds-ratios",
        title: "Odds ratios",
        alt_text: format!(
            "Odds ratio per standard deviation of {}, with 95% confidence intervals, most important features first.",
            counted(drawn.len() as u64, "column")
        ),
        caption: format!(
            "Factor by which one standard deviation more multiplies the odds of converting.{penalized}{missing}{rest}"
        ),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "raises the odds"), ("dot no", "lowers the odds")],
        table: table(columns),
    }
}

/// Returns a variance inflation factor; the size of a very large one has no meaning.
fn vif(value: f64) -> String {
    if value > 1000.0 { ">1,000".to_owned() } else { format!("{value:.1}") }
}

fn table(columns: &[Coefficient]) -> Table {
    let row = |c: &Coefficient| {
        let ratio = [
            three(c.odds_ratio),
            interval_range(odds_ratio_interval(c), three),
            four(c.coef),
            four(c.std_error),
            p_value(c.p_unpenalized),
        ];
        let raw =
            [c.odds_ratio_raw.map_or("–".to_owned(), four), c.vif.map_or("–".to_owned(), vif)];
        std::iter::once(format!("`{}`", c.feature)).chain(ratio).chain(raw).collect()
    };
    let header = [
        "column",
        "odds ratio",
        "95% CI",
        "coefficient",
        "standard error",
        "p (unpenalized)",
        "odds ratio per unit",
        "VIF",
    ];
    let caption = if columns.len() > COLUMNS[1] {
        "Coefficients (the first 200; the model card has all). "
    } else {
        "Coefficients. "
    };
    let caption = format!(
        "{caption}p (unpenalized) belongs to a fit of the same columns without penalty. The VIF (variance inflation factor) shows how similar a column is to the others; above 10, its coefficient is uncertain."
    );
    Table::new(&caption, &header, columns.iter().take(COLUMNS[1]).map(row))
}
