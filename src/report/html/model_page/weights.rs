//! What weighs: odds ratios, effects, what moves together, and how strong the penalty is.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use super::{correlation, effects, penalty};
use crate::error::Result;
use crate::model::explain::{Coefficient, coefficients};
use crate::report::charts::{Area, Axis, Chart, FOOT, Scale, Spread, WIDTH};
use crate::report::format::{between, counted, four, number, short, three};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Columns that are drawn, and those that a table has.
const COLUMNS: [usize; 2] = [24, 200];
/// Columns of one measure that are drawn: a text may have very many levels.
const OF_MEASURE: usize = 4;
/// Height of a row.
const ROW: f64 = 17.0;
/// Odds ratios beyond which nothing is drawn.
const MOST: f64 = 100.0;

/// Returns the weights.
pub(super) fn weights(context: &ReportContext<'_>) -> Result<Markup> {
    let columns = by_importance(context);
    let names: Vec<&str> = drawn(&columns).into_iter().map(|c| c.feature.as_str()).collect();
    let path =
        [penalty::losses(context), penalty::coefficients(context), penalty::columns(context)];
    let correlation = correlation::correlation(context, &names)?;
    let figures = [forest(context, &columns)]
        .into_iter()
        .chain(path.into_iter().flatten())
        .chain(correlation);
    Ok(html! {
        section id="weights" {
            h2 { "What weighs" }
            (paragraph("How accounts of such values converted, all else equal: not what changing a value would do. Columns that move together share their weight."))
            (grid(figures))
            (effects::effects(context, &columns)?)
        }
    })
}

/// Returns the columns of the design by the importance of their measure, inside of one by size.
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

/// Returns the columns that are drawn.
fn drawn(columns: &[Coefficient]) -> Vec<&Coefficient> {
    let measures = columns.chunk_by(|a, b| a.measure == b.measure);
    measures
        .flat_map(|columns| &columns[..columns.len().min(OF_MEASURE)])
        .take(COLUMNS[0])
        .collect()
}

fn title_of(c: &Coefficient) -> String {
    format!(
        "{}: odds × {} per standard deviation, 95 % {}",
        c.feature,
        three(c.odds_ratio),
        between(odds_ratio_interval(c), three)
    )
}

/// Returns the interval of the odds ratio.
fn odds_ratio_interval(c: &Coefficient) -> Option<Interval> {
    c.interval.map(|interval| interval.map(f64::exp))
}

/// Returns odds ratios with their intervals, a row for each column.
fn forest(context: &ReportContext<'_>, columns: &[Coefficient]) -> Figure<'static> {
    let drawn = drawn(columns);
    let height = ROW * number(drawn.len().max(1)) + 56.0;
    let inside = |v: f64| v.clamp(1.0 / MOST, MOST);
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
        Scale::new(Spread::Log, 1.0 / reach, reach),
        short,
        false,
    );
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 8.0, bottom: height - FOOT };
    let mut chart = Chart::new(area, &x, &Axis::rows(drawn.len().max(1)));
    chart.stroke((1.0, 0.5), (1.0, 0.5 - number(drawn.len())), "zero");
    for (row, column) in drawn.iter().enumerate() {
        let class = if column.coef > 0.0 { "yes" } else { "no" };
        let at = -number(row);
        chart.row_name(number(row), &column.feature);
        if let Some(Interval { low, high }) = odds_ratio_interval(column) {
            chart.stroke((low, at), (high, at), class);
        }
        chart.dot((column.odds_ratio, at), class, &title_of(column));
    }
    let penalised =
        if context.model.fit.alpha > 0.0 { " The penalty draws them towards 1." } else { "" };
    let missing = if context.model.fit.covariance.is_none() {
        " There are no intervals after a selection."
    } else {
        ""
    };
    let rest = if columns.len() > drawn.len() {
        format!(" Drawn are {} of {} columns.", drawn.len(), columns.len())
    } else {
        String::new()
    };
    Figure {
        id: "odds-ratios",
        title: "Odds ratios",
        alt_text: format!(
            "Odds ratio per standard deviation of {}, with 95 % intervals, the weightiest measures first.",
            counted(drawn.len() as u64, "column")
        ),
        caption: format!(
            "How the odds of converting change with one standard deviation more.{penalised}{missing}{rest}"
        ),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "raises the odds"), ("dot no", "lowers them")],
        table: table(columns),
    }
}

fn table(columns: &[Coefficient]) -> Table {
    let row = |c: &Coefficient| {
        let ratio = [
            three(c.odds_ratio),
            between(odds_ratio_interval(c), three),
            four(c.coef),
            four(c.std_error),
            three(c.p),
        ];
        let raw = [
            c.odds_ratio_raw.map_or("–".to_owned(), four),
            c.vif.map_or("–".to_owned(), |v| format!("{v:.1}")),
        ];
        std::iter::once(format!("`{}`", c.feature)).chain(ratio).chain(raw).collect()
    };
    let header = [
        "column",
        "odds ratio",
        "95 %",
        "coefficient",
        "standard error",
        "p",
        "odds ratio per unit",
        "VIF",
    ];
    let caption = if columns.len() > COLUMNS[1] {
        "Weights, the first 200; the model card has all"
    } else {
        "Weights"
    };
    Table::new(caption, &header, columns.iter().take(COLUMNS[1]).map(row))
}
