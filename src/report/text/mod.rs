//! Tables and sentences of the terminal: the answer first, then the evidence.

mod comparison;
mod definition;
mod evaluation;
pub(crate) mod explanation;
mod fit;
mod funnel;
mod monitoring;
pub(crate) mod plot;
mod train;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
pub(crate) use comparison::comparison;
pub(crate) use definition::definition_comparison;
pub(crate) use evaluation::{by_value, evaluation_report, held_out};
pub(crate) use fit::{alpha, fit};
pub(crate) use funnel::funnel;
pub(crate) use monitoring::monitoring;
use pql_stats::intervals::Interval;
pub(crate) use train::{
    TrainingSummary, log_summary, matrix_summary, stored, training_details, training_summary,
    verdict,
};

use crate::dataset::split::SplitMethod;
use crate::dataset::split_summary::{SampleCounts, SplitSummary};
use crate::escape::one_line;
use crate::log::Log;
use crate::model::Model;
use crate::model::explain::{Direction, coefficients, direction};
use crate::names;
pub(crate) use crate::names::{decimal, signed_decimal};
use crate::report::format::{counted, file_name, grouped};
use crate::time::Zone;

/// Formats a table without rules; the columns in `numbers` are aligned to the right. Hidden
/// characters are escaped.
pub(crate) fn table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if header.iter().any(|name| !name.is_empty()) {
        table.set_header(header.iter().map(|name| one_line(name)));
    }
    let escaped = |cells: Vec<String>| {
        cells.into_iter().map(|cell| one_line(&cell).into_owned()).collect::<Vec<_>>()
    };
    table.add_rows(rows.into_iter().map(escaped));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Widest bar, in characters.
const BAR_WIDTH: usize = 12;

/// Formats a table with a bar for the size of each row at its end, if `bars` is set; a size of 0
/// has no bar.
pub(crate) fn table_with_bars(
    header: &[&str],
    mut rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
    sizes: &[f64],
    bars: bool,
) -> String {
    if !bars {
        return table(header, rows, numbers);
    }
    let largest = sizes.iter().fold(0.0_f64, |largest, size| largest.max(size.abs()));
    rows.iter_mut().zip(sizes).for_each(|(row, size)| row.push(bar(size.abs() / largest)));
    let header: Vec<&str> = header.iter().copied().chain([""]).collect();
    table(&header, rows, numbers)
}

/// Draws a bar for a share of the largest, in eighths of a character.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most 96 eighths"
)]
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR_WIDTH) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// Formats a count that may be a mean: a decimal place only if it is not whole.
pub(crate) fn count(value: f64) -> String {
    /// Larger than the rounding errors of sums of shares.
    const TOLERANCE: f64 = 1e-6;
    decimal(value, usize::from((value - value.round()).abs() > TOLERANCE))
}

/// Formats a lift, such as `3.9×`; a dash for `None`.
pub(crate) fn lift(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| decimal(value, 1) + "×")
}

/// Formats a number with fixed decimal places; a dash for `None`.
pub(crate) fn fixed(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| decimal(value, places))
}

/// Formats an interval as `low to high`; empty for `None`.
pub(crate) fn range(interval: Option<Interval>, places: usize) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| {
        format!("{} to {}", decimal(low, places), decimal(high, places))
    })
}

/// Formats an interval with signs as `-0.02 to +0.01`; empty for `None`.
pub(crate) fn signed_range(interval: Option<Interval>, places: usize) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| {
        format!("{} to {}", signed_decimal(low, places), signed_decimal(high, places))
    })
}

/// Formats a number with its interval, such as `0.840 (0.808 to 0.872)`.
fn with_range(value: Option<f64>, interval: Option<Interval>, places: usize) -> String {
    let range = interval.map(|interval| format!(" ({})", range(Some(interval), places)));
    fixed(value, places) + &range.unwrap_or_default()
}

/// Formats a share in percent with one decimal place, two below 1%; a dash for `None`.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), names::percent)
}

/// Formats an interval of shares as `10.1% to 14.6%`; empty for `None`.
fn percent_range(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| names::percent_range(low, high))
}

/// Formats an odds ratio, with an exponent if it is extreme.
pub(crate) fn odds_ratio(value: f64, places: usize) -> String {
    if (1e-4..1e5).contains(&value) { format!("{value:.places$}") } else { format!("{value:.1e}") }
}

/// Formats the data-quality table: rows read, dropped and kept, by source.
pub(crate) fn quality(log: &Log) -> String {
    let blank = String::new;
    let mut rows = Vec::new();
    for source in &log.quality.sources {
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![
            file_name(&source.source),
            format!("{}{dates}", source.kind),
            "read".to_owned(),
            grouped(source.rows),
            blank(),
        ]);
        if source.records != source.rows {
            let derived = format!("{} derived", source.kind);
            rows.push(vec![blank(), blank(), derived, grouped(source.records), blank()]);
        }
        for dropped in &source.dropped {
            let file = file_name(&dropped.first_file);
            rows.push(vec![
                blank(),
                blank(),
                dropped.reason.to_string(),
                grouped(dropped.count),
                format!("{file}, row {}", dropped.first_row),
            ]);
        }
        rows.push(vec![blank(), blank(), "kept".to_owned(), grouped(source.kept), blank()]);
        if let Some(first) = source.unread.first() {
            let name = file_name(first);
            let count = grouped(source.unread.len() as u64);
            rows.push(vec![blank(), blank(), "files not read".to_owned(), count, name]);
        }
    }
    let mut text = format!(
        "Data quality\n{}\n",
        table(&["source", "kind", "rows", "count", "first such row"], rows, 3..4)
    );
    for kept in &log.quality.anomalies {
        text += &format!("Kept, but unusual: {}\n", kept.anomaly.describe(kept.count));
    }
    text + "\n" + &log_summary(log)
}

/// Formats the rows, accounts, conversions and base rate of training and test set.
pub(crate) fn split_summary(summary: &SplitSummary, zone: Zone) -> String {
    let row = |name: &str, sample: &SampleCounts| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = sample.positive_rows as f64 / sample.rows.max(1) as f64;
        let counts =
            [sample.rows, sample.accounts, sample.positive_rows, sample.converting_accounts];
        std::iter::once(name.to_owned())
            .chain(counts.map(grouped))
            .chain([percent(Some(rate))])
            .collect::<Vec<_>>()
    };
    let mut rows = vec![row("training set", &summary.train)];
    let cross_validated = summary.method == SplitMethod::CrossValidation;
    if summary.test.rows > 0 && !cross_validated {
        rows.push(row("test set", &summary.test));
    }
    let mut text = table(
        &["", "rows", "accounts", "converted rows", "converting accounts", "base rate"],
        rows,
        1..6,
    );
    if let Some((first, last)) = summary.first_train.zip(summary.last_train) {
        text += &format!("\nTraining cutoffs {} to {}", zone.day(first), zone.day(last));
        if let Some(first) = summary.first_test {
            text += &format!("; test cutoffs from {}", zone.day(first));
        }
    }
    if cross_validated {
        text += "\nTested by cross-validation: each row by a model of other accounts";
    }
    if summary.immature + summary.purged > 0 {
        text += &format!(
            "\nSkipped: {} without a known outcome yet, {} between training and test set (purged)",
            counted(summary.immature, "row"),
            counted(summary.purged, "row")
        );
    }
    text
}

/// Formats the most important measures with their direction and largest column, below a heading
/// with their number.
pub(crate) fn feature_importance(model: &Model, most: usize) -> String {
    let coefficients = coefficients(model);
    let mut rows = Vec::new();
    for (measure, importance) in model.importance.iter().take(most) {
        let columns = coefficients.iter().filter(|c| c.measure == *measure);
        let Some(largest) = columns.max_by(|a, b| a.coef.abs().total_cmp(&b.coef.abs())) else {
            continue;
        };
        rows.push(vec![
            measure.clone(),
            direction(model, measure).as_ref().map_or_else(|| "none".to_owned(), short_direction),
            largest.feature.clone(),
            decimal(*importance, 3),
            signed_decimal(largest.coef, 3),
            odds_ratio(largest.odds_ratio, 3),
        ]);
    }
    let header = ["feature", "score", "largest column", "importance", "coef", "odds ratio"];
    let all = model.importance.len();
    let which = if all > rows.len() {
        format!(", {} of {all} (all: `pql inspect`)", rows.len())
    } else {
        String::new()
    };
    format!("Most important features{which}\n{}", table(&header, rows, 3..6))
}

/// Returns the direction in which a feature changes the score, in a word or two.
fn short_direction(direction: &Direction) -> String {
    let verb = |raises: bool| if raises { "raises" } else { "lowers" };
    match direction {
        Direction::Raises => verb(true).to_owned(),
        Direction::Lowers => verb(false).to_owned(),
        Direction::Varies => "varies".to_owned(),
        Direction::Level { level, raises } => format!("{level} {}", verb(*raises)),
        Direction::Missing { raises } => format!("missing {}", verb(*raises)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_no_negative_zero() {
        let numbers = [1234.5, -1_233.956, -0.0004, 0.5, 999.96].map(|x| decimal(x, 1));
        assert_eq!(numbers, ["1,234.5", "-1,234.0", "0.0", "0.5", "1,000.0"]);
        let signed = [0.001, -0.001, 0.25, -0.25].map(|x| signed_decimal(x, 2));
        assert_eq!(signed, ["0.00", "0.00", "+0.25", "-0.25"]);
        assert_eq!([131.0, 130.5, 2_000.0].map(count), ["131", "130.5", "2,000"]);
        assert_eq!((lift(Some(3.9163)), lift(None)), ("3.9×".to_owned(), "–".to_owned()));
        assert_eq!([decimal(f64::NAN, 1), decimal(f64::INFINITY, 1)], ["NaN", "inf"]);
    }
}
