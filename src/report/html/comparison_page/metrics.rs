//! Metrics of both models, and their differences.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{CapturedConversions, Difference, Evaluation};

use super::ComparisonPage;
use crate::names::counted;
use crate::report::format::{four, interval_range, one_decimal, percent, signed, signed_count};
use crate::report::html::elements::Table;

/// Returns a difference with its sign.
pub(super) fn format_difference(difference: &Difference) -> String {
    signed(difference.difference, difference.places())
}

/// Returns the 95% confidence interval of a difference.
pub(super) fn format_interval(difference: &Difference) -> String {
    interval_range(difference.interval, |v| signed(v, difference.places()))
}

/// Returns the metrics of both and their differences.
pub(super) fn metrics(page: &ComparisonPage<'_>) -> Table {
    let [one, other] = page.evaluations();
    let row =
        |name: &str, metric: fn(&Evaluation) -> Option<f64>, difference: Option<&Difference>| {
            let (a, b) = (metric(one), metric(other));
            let gap = a.zip(b).map_or("–".to_owned(), |(a, b)| signed(a - b, 4));
            vec![
                name.to_owned(),
                four(a),
                four(b),
                difference.map_or(gap, format_difference),
                difference.map_or("–".to_owned(), format_interval),
            ]
        };
    let rows = vec![
        row("Log loss", |e| Some(e.log_loss.value), Some(&page.comparison.log_loss)),
        row("Brier score", |e| Some(e.brier.value), Some(&page.comparison.brier)),
        row("ROC AUC", |e| e.roc_auc.map(|auc| auc.value), page.comparison.roc_auc.as_ref()),
        row("Average precision", |e| e.average_precision, None),
        row("Precision in the top 1%", |e| e.top_share(1).map(|top| top.precision), None),
        row("Precision in the top 10%", |e| e.top_share(10).map(|top| top.precision), None),
        row(
            "Calibration in the large",
            |e| e.calibration_in_the_large.map(|shift| shift.value),
            None,
        ),
        row("Calibration slope", |e| e.calibration_slope.map(|slope| slope.value), None),
        row("Expected calibration error", |e| Some(e.calibration_error.value), None),
    ];
    Table::new(
        "Metrics on the same rows",
        &["metric", page.labels[0], page.labels[1], "difference", "95% CI"],
        rows,
    )
}

/// Returns the conversions that both models capture in the same number of rows.
pub(super) fn equal_volume(page: &ComparisonPage<'_>) -> Table {
    let against = &page.comparison.at_equal_volume;
    let share = |value: Option<f64>| value.map_or("–".to_owned(), percent);
    let row = |who: &str, found: &CapturedConversions| {
        vec![
            who.to_owned(),
            one_decimal(found.conversions),
            share(found.precision),
            share(found.recall),
        ]
    };
    let points = |value: Option<f64>, interval: Option<Interval>| {
        let point = |v: f64| format!("{} points", signed(100.0 * v, 1));
        value.map_or("–".to_owned(), |v| {
            format!("{} (95% CI {})", point(v), interval_range(interval, |v| signed(100.0 * v, 1)))
        })
    };
    let difference = vec![
        "difference".to_owned(),
        signed_count(against.model.conversions - against.baseline.conversions),
        points(against.precision_difference, against.precision_difference_interval),
        points(against.recall_difference, against.recall_difference_interval),
    ];
    let caption = format!(
        "Conversions at equal volume: {} per model, as many at each cutoff as the champion qualifies",
        counted(against.matched, "row")
    );
    Table::new(
        &caption,
        &["model", "conversions", "precision", "recall"],
        vec![
            row(page.labels[0], &against.model),
            row(page.labels[1], &against.baseline),
            difference,
        ],
    )
}
