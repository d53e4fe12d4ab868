//! Tables for people.

mod comparison;
mod fit;
mod funnel;
mod judgement;
mod monitoring;
pub(crate) mod plot;
mod rule;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
pub(crate) use comparison::comparison;
pub(crate) use fit::{fit, penalty, strength};
pub(crate) use funnel::funnel;
pub(crate) use judgement::{by_value, defeat, held_out, whole};
pub(crate) use monitoring::monitoring;
pub(crate) use rule::against_definition;

use crate::dataset::counts::{Extent, Side};
use crate::log::Log;
use crate::model::Model;
use crate::time::{NEVER, iso, iso_day};

/// A table without lines; the columns of `numbers` are aligned to the right.
pub(crate) fn table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Widest bar, in characters.
const BAR: usize = 12;

/// A table with a bar for the size of each row at its end, where it is `drawn`; a size of 0 has
/// none.
pub(crate) fn with_bars(
    header: &[&str],
    mut rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
    sizes: &[f64],
    drawn: bool,
) -> String {
    if !drawn {
        return table(header, rows, numbers);
    }
    let largest = sizes.iter().fold(0.0_f64, |largest, size| largest.max(size.abs()));
    rows.iter_mut().zip(sizes).for_each(|(row, size)| row.push(bar(size.abs() / largest)));
    let header: Vec<&str> = header.iter().copied().chain([""]).collect();
    table(&header, rows, numbers)
}

/// A bar for a share of the largest, in eighths of a character.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most 96 eighths"
)]
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// Returns what was read, kept and dropped, as a table, and the log in a line.
pub(crate) fn quality(log: &Log) -> String {
    let mut rows = Vec::new();
    for source in &log.quality.sources {
        let path = source.source.display().to_string();
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![
            path,
            format!("{}{dates}", source.kind),
            "read".to_owned(),
            source.rows.to_string(),
            String::new(),
        ]);
        if source.made != source.rows {
            rows.push(vec![
                String::new(),
                String::new(),
                "events in them".to_owned(),
                source.made.to_string(),
                String::new(),
            ]);
        }
        for dropped in &source.dropped {
            let file = dropped
                .file
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            rows.push(vec![
                String::new(),
                String::new(),
                dropped.reason.to_string(),
                dropped.count.to_string(),
                format!("{file}, row {}", dropped.row),
            ]);
        }
        rows.push(vec![
            String::new(),
            String::new(),
            "kept".to_owned(),
            source.kept.to_string(),
            String::new(),
        ]);
    }
    let mut text = format!(
        "Data quality\n{}\n",
        table(&["source", "kind", "rows", "count", "first"], rows, 3..4)
    );
    for kept in &log.quality.kept {
        text += &format!("kept: {} {}\n", kept.count, kept.what);
    }
    text += &format!(
        "\nLog: {} {}, {} events of {} accounts",
        iso(log.since),
        if log.until == NEVER { "on".to_owned() } else { format!("to {}", iso(log.until)) },
        log.events.len(),
        log.accounts.id.len()
    );
    text
}

/// How many rows and accounts train and test.
pub(crate) fn extent(extent: &Extent) -> String {
    let row = |name: &str, side: &Side| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = 100.0 * side.positive_rows as f64 / side.rows.max(1) as f64;
        let mut cells = vec![name.to_owned()];
        cells.extend(
            [side.rows, side.accounts, side.positive_rows, side.converting_accounts]
                .map(|n| n.to_string()),
        );
        cells.push(format!("{rate:.2} %"));
        cells
    };
    let mut rows = vec![row("train", &extent.train)];
    if extent.test.rows > 0 {
        rows.push(row("test", &extent.test));
    }
    let mut text = table(
        &["", "rows", "accounts", "positive rows", "converting accounts", "base rate"],
        rows,
        1..6,
    );
    let span = |from: Option<i64>, to: Option<i64>| {
        from.zip(to)
            .map_or(String::new(), |(a, b)| format!(" at cutoffs {} to {}", iso_day(a), iso_day(b)))
    };
    text += &format!(
        "\n{} rows without outcome, {} purged between training and test",
        extent.open, extent.purged
    );
    if extent.first_train.is_some() {
        text += &format!("\ntrained{}", span(extent.first_train, extent.last_train));
    }
    if let Some(first) = extent.first_test {
        text += &format!(", tested from {} on", iso_day(first));
    }
    text
}

/// An odds ratio, short also where it is beyond all reason.
pub(crate) fn ratio(value: f64, digits: usize) -> String {
    if (1e-4..1e5).contains(&value) { format!("{value:.digits$}") } else { format!("{value:.1e}") }
}

/// The measures that weigh most, with their heaviest column.
pub(crate) fn weights(model: &Model, most: usize) -> String {
    let coefficients = crate::model::explain::coefficients(model);
    let mut rows = Vec::new();
    for (measure, importance) in model.importance.iter().take(most) {
        let of_measure = coefficients.iter().filter(|c| c.measure == *measure);
        let Some(heaviest) = of_measure.max_by(|a, b| a.coef.abs().total_cmp(&b.coef.abs())) else {
            continue;
        };
        let numbers = [
            format!("{importance:.3}"),
            format!("{:+.3}", heaviest.coef),
            ratio(heaviest.odds_ratio, 3),
        ];
        rows.push([measure.clone(), heaviest.feature.clone()].into_iter().chain(numbers).collect());
    }
    table(&["measure", "heaviest column", "importance", "coef", "odds ratio"], rows, 2..5)
}
