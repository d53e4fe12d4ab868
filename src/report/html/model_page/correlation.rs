//! Correlations of the most important columns on the test rows.

use pql_stats::glm::correlation as correlations;

use super::context::ReportContext;
use crate::error::Result;
use crate::model::explain::cluster_order;
use crate::report::charts::{Area, Axis, AxisScale, Chart, Transform, WIDTH};
use crate::report::format::{minus, number, shorten_distinct};
use crate::report::html::elements::{Figure, Table};

/// Maximum numbers of drawn columns and of rows used.
const MAX_COLUMNS_AND_ROWS: [usize; 2] = [24, 20_000];
/// Characters of a name next to its number.
const NAME_CHARACTERS: usize = 19;
/// Height of a row.
const ROW: f64 = 15.0;
/// Pairs in the table.
const PAIRS: usize = 20;

/// Returns a heat map of correlations, with correlated columns next to each other.
pub(super) fn correlation(
    context: &ReportContext<'_>,
    names: &[&str],
) -> Result<Option<Figure<'static>>> {
    let Some(rows) = context.page.rows.filter(|rows| rows.missing_feature(context.model).is_none())
    else {
        return Ok(None);
    };
    let all = context.model.preprocessor.columns();
    let drawn: Vec<usize> = names
        .iter()
        .take(MAX_COLUMNS_AND_ROWS[0])
        .filter_map(|name| all.iter().position(|column| column.name == **name))
        .collect();
    if drawn.len() < 2 {
        return Ok(None);
    }
    let every = rows.y.len().div_ceil(MAX_COLUMNS_AND_ROWS[1]).max(1);
    let some: Vec<u32> =
        (0..u32::try_from(rows.y.len()).unwrap_or(u32::MAX)).step_by(every).collect();
    let x = rows.design(context.model, &some)?.select(ndarray::Axis(1), &drawn);
    let r = correlations(x.view());
    let order = cluster_order(&r);
    let names: Vec<&str> = order.iter().map(|index| all[drawn[*index]].name.as_str()).collect();
    let values: Vec<Vec<f64>> =
        order.iter().map(|a| order.iter().map(|b| r[[*a, *b]]).collect()).collect();
    Ok(Some(figure(&names, &values)))
}

fn figure(names: &[&str], r: &[Vec<f64>]) -> Figure<'static> {
    let n = names.len();
    let height = ROW * number(n) + 30.0;
    let area = Area { left: 168.0, right: WIDTH - 4.0, top: 6.0, bottom: height - 24.0 };
    let ticks = (0..n)
        .map(|index| {
            (
                number(index),
                if n > 12 && index % 3 != 0 { String::new() } else { (index + 1).to_string() },
            )
        })
        .collect();
    let x = Axis {
        label: String::new(),
        scale: AxisScale::new(Transform::Linear, -0.5, number(n) - 0.5),
        ticks,
    };
    let mut chart = Chart::new(area, &x, &Axis::rows(n));
    // Even without the numbers, no two names look alike.
    let names_shown = shorten_distinct(names, NAME_CHARACTERS);
    let labels = names_shown.iter().enumerate().map(|(row, name)| format!("{} {name}", row + 1));
    chart.row_names(&labels.collect::<Vec<_>>());
    for (row, values) in r.iter().enumerate() {
        for (column, value) in values.iter().enumerate().take(row + 1) {
            let (sign, size) =
                (if *value >= 0.0 { "yes" } else { "no" }, (10.0 * value.abs()).round());
            let (x, y) = (number(column), -number(row));
            let title =
                format!("{} and {}: {}", names[row], names[column], minus(format!("{value:.2}")));
            chart.bar(
                [x - 0.48, x + 0.48],
                [y - 0.48, y + 0.48],
                (&format!("{sign} o{size}"), &title),
            );
        }
    }
    let mut pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    pairs.sort_by(|p, q| r[q.0][q.1].abs().total_cmp(&r[p.0][p.1].abs()));
    let row = |(a, b): &(usize, usize)| {
        vec![
            format!("`{}`", names[*a]),
            format!("`{}`", names[*b]),
            minus(format!("{:.2}", r[*a][*b])),
        ]
    };
    Figure {
        id: "correlations",
        title: "Correlations",
        alt_text: format!("Correlations of {n} columns on the test rows, with correlated columns next to each other."),
        caption: "Correlations of the most important columns on the test rows, after transformation. Columns in a dark block are similar, so their separate effects are uncertain.".to_owned(),
        drawing: chart.drawing(height),
        legend: vec![("bar yes", "positive"), ("bar no", "negative")],
        table: Table::new("Most correlated pairs", &["column", "other column", "correlation"], pairs.iter().take(PAIRS).map(row)),
    }
}
