//! Tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::Terminal;
use crate::calibrate::Calibration;
use crate::config::{PathRule, PenaltyKind};
use crate::design::LeftOut;
use crate::evaluate::Evaluation;
use crate::ingest::Log;
use crate::model::{Baseline, Extent, Model, Side};
use crate::time::{NEVER, iso, iso_day};

/// A table without lines; the columns of `numbers` are aligned to the right.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: std::ops::Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Widest bar, in characters.
const BAR: usize = 12;

/// A table with a bar for the size of each row at its end, where it is `drawn`; a size of 0 has none.
pub(super) fn with_bars(
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
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "at most 96 eighths")]
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// What was read, kept and dropped, to stderr.
pub(super) fn quality(log: &Log, terminal: &mut Terminal<'_>) {
    let mut rows = Vec::new();
    for source in &log.quality.sources {
        let path = source.source.display().to_string();
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![path, format!("{}{dates}", source.kind), "read".to_owned(), source.rows.to_string(), String::new()]);
        if source.made != source.rows {
            rows.push(vec![String::new(), String::new(), "events in them".to_owned(), source.made.to_string(), String::new()]);
        }
        let blank = || (String::new(), String::new());
        for dropped in &source.dropped {
            let (path, kind) = blank();
            let file = dropped.file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            rows.push(vec![
                path,
                kind,
                dropped.reason.words().to_owned(),
                dropped.count.to_string(),
                format!("{file}, row {}", dropped.row),
            ]);
        }
        let (path, kind) = blank();
        rows.push(vec![path, kind, "kept".to_owned(), source.kept.to_string(), String::new()]);
    }
    terminal.note("Data quality");
    let mut table = table(&["source", "kind", "rows", "count", "first"], rows, 3..4);
    table.push('\n');
    for kept in &log.quality.kept {
        table += &format!("kept: {} {}\n", kept.count, kept.what);
    }
    terminal.note(&table);
    terminal.note(&format!(
        "Log: {} {}, {} events of {} accounts",
        iso(log.since),
        if log.until == NEVER { "on".to_owned() } else { format!("to {}", iso(log.until)) },
        log.events.len(),
        log.accounts.id.len()
    ));
    for warning in &log.warnings {
        terminal.note(&format!("warning: {warning}"));
    }
}

/// How many rows and accounts train and test.
pub(super) fn extent(extent: &Extent) -> String {
    let row = |name: &str, side: &Side| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = 100.0 * side.positive_rows as f64 / side.rows.max(1) as f64;
        let mut cells = vec![name.to_owned()];
        cells.extend([side.rows, side.accounts, side.positive_rows, side.converting_accounts].map(|n| n.to_string()));
        cells.push(format!("{rate:.2} %"));
        cells
    };
    let mut rows = vec![row("train", &extent.train)];
    if extent.test.rows > 0 {
        rows.push(row("test", &extent.test));
    }
    let mut text = table(&["", "rows", "accounts", "positive rows", "converting accounts", "base rate"], rows, 1..6);
    let span = |from: Option<i64>, to: Option<i64>| {
        from.zip(to).map_or(String::new(), |(a, b)| format!(" at cutoffs {} to {}", iso_day(a), iso_day(b)))
    };
    text += &format!("\n{} rows without outcome, {} purged between training and test", extent.open, extent.purged);
    if extent.first_train.is_some() {
        text += &format!("\ntrained{}", span(extent.first_train, extent.last_train));
    }
    if let Some(first) = extent.first_test {
        text += &format!(", tested from {} on", iso_day(first));
    }
    text
}

/// The metrics that decide, with the base rate beside them.
///
/// Over the overlapping horizons of one account's cutoffs expected conversions are not summed.
pub(super) fn evaluation(evaluation: &Evaluation, overlapping: bool) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
    let interval = evaluation.roc_auc_95.map_or(String::new(), |[low, high]| format!("95 % {low:.3} to {high:.3}"));
    let mut rows = vec![
        vec![
            "base rate".to_owned(),
            shown(Some(evaluation.base_rate)),
            format!("{} of {} rows converted", evaluation.conversions, evaluation.n),
        ],
        vec!["ROC AUC".to_owned(), shown(evaluation.roc_auc), interval],
        vec!["average precision".to_owned(), shown(evaluation.average_precision), "the base rate is chance".to_owned()],
        vec![
            "log loss".to_owned(),
            shown(Some(evaluation.log_loss)),
            format!("{:.4} for the base rate alone", entropy(evaluation.base_rate)),
        ],
        vec![
            "Brier".to_owned(),
            shown(Some(evaluation.brier)),
            format!("{:.4} for the base rate alone", evaluation.base_rate * (1.0 - evaluation.base_rate)),
        ],
        vec![
            "lift, top 10 %".to_owned(),
            shown(evaluation.lift_top_10pct),
            format!("{:.4} of them convert", evaluation.precision_top_10pct),
        ],
        vec!["calibration in the large".to_owned(), shown(evaluation.calibration_in_the_large), "0 is right".to_owned()],
        vec!["calibration slope".to_owned(), shown(evaluation.calibration_slope), "1 is right".to_owned()],
    ];
    if !overlapping {
        rows.push(vec![
            "expected conversions".to_owned(),
            format!("{:.1}", evaluation.expected_conversions),
            format!("{} observed", evaluation.conversions),
        ]);
    }
    table(&["metric", "value", ""], rows, 1..2)
}

/// What the model does not surely beat, as the first line of results.
pub(super) fn defeat(model: &Model) -> Option<String> {
    let unbeaten: Vec<String> = model.baselines.iter().filter(|b| !b.beaten()).map(against).collect();
    let accounts = model.extent.test.converting_accounts;
    let only = unbeaten.join("; nor ");
    (!unbeaten.is_empty()).then(|| format!("The model does not beat {only} ({accounts} converting test accounts)"))
}

/// A baseline with the difference in log loss.
fn against(baseline: &Baseline) -> String {
    let difference = &baseline.difference;
    let interval = difference.low.zip(difference.high);
    let interval = interval.map_or(String::new(), |(low, high)| format!(" (95 % {low:+.4} to {high:+.4})"));
    format!("{}: log loss {:+.4}{interval}", baseline.name, difference.difference)
}

/// The metrics of a model on its test rows, and on those of accounts it had not met.
pub(super) fn judgement(model: &Model) -> Option<String> {
    let all = model.evaluation.as_ref()?;
    let mut text = format!("\nOn the held-out test rows\n{}", evaluation(all, model.extent.test.rows > model.extent.test.accounts));
    if let Some(new) = &model.new_accounts {
        let auc = new.roc_auc.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
        text += &format!(
            "\nof these {} rows of accounts without training rows: {} conversions, ROC AUC {auc}, log loss {:.4}",
            new.n, new.conversions, new.log_loss
        );
    }
    for baseline in model.baselines.iter().filter(|b| b.beaten()) {
        text += &format!("\nthe model beats {}", against(baseline));
    }
    if let Some(refit) = &model.refit {
        text +=
            &format!("\nthen learned again on all {} rows with an outcome: the metrics are those of the fit before", refit.learned.rows);
    }
    Some(text)
}

/// Log loss of the base rate itself: −p ln p − (1 − p) ln(1 − p).
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}

/// How the fit describes the training rows, as a statsmodels summary says it.
pub(super) fn fit(model: &Model) -> crate::error::Result<String> {
    let rule = model.config()?.model;
    let (fit, goodness) = (&model.fit, &model.goodness);
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
    let penalty = match rule.penalty {
        PenaltyKind::None => "none".to_owned(),
        PenaltyKind::L2 => format!("l2, alpha {:.4}", fit.alpha),
        PenaltyKind::L1 => format!("l1, alpha {:.4}", fit.alpha),
        PenaltyKind::ElasticNet => format!("elastic net, alpha {:.4}, l1_ratio {}", fit.alpha, rule.l1_ratio),
        PenaltyKind::Firth => "Firth".to_owned(),
    };
    let chosen = match (&model.path, rule.rule) {
        (Some(_), PathRule::Min) => " at the least cross-validated log loss",
        (Some(_), PathRule::OneSe) => " within a standard error of the least cross-validated log loss",
        (None, _) => "",
    };
    let calibration = match &model.calibration {
        Calibration::None => "none".to_owned(),
        Calibration::Platt(platt) => format!("Platt, log-odds {:+.3} {:+.3}·η", platt.intercept, platt.slope),
        Calibration::Isotonic(isotonic) => format!("isotonic, {} steps", isotonic.log_odds.len()),
    };
    let repeated = model.extent.train.accounts < model.extent.train.rows;
    let covariance = match (&fit.covariance, repeated && rule.penalty != PenaltyKind::Firth) {
        (None, _) => "none",
        (Some(_), true) => "by account",
        (Some(_), false) => "by row",
    };
    let pair = |a: &str, b: String, c: &str, d: String| vec![a.to_owned(), b, c.to_owned(), d];
    let rows = vec![
        pair("Rows", fit.rows.to_string(), "Log-likelihood", number(Some(fit.log_likelihood), 3)),
        pair("Columns", fit.coef.len().to_string(), "Null log-likelihood", number(Some(goodness.null_log_likelihood), 3)),
        pair("Effective df", number(Some(goodness.effective_df), 2), "McFadden R²", number(Some(goodness.mcfadden_r2), 4)),
        pair("Covariance", covariance.to_owned(), "Likelihood ratio", number(goodness.likelihood_ratio, 3)),
        pair("AIC", number(goodness.aic, 2), "its p", goodness.likelihood_ratio_p.map_or_else(|| "–".to_owned(), |p| format!("{p:.3e}"))),
        pair("BIC", number(goodness.bic, 2), "Gradient / n", format!("{:.1e}", fit.gradient)),
    ];
    Ok(format!("Penalty: {penalty}{chosen}\nCalibration: {calibration}\n{}", table(&["", "", "", ""], rows, 1..2)))
}

/// The measures that weigh most, with their heaviest column.
pub(super) fn weights(model: &Model, most: usize) -> String {
    let coefficients = crate::explain::coefficients(model);
    let mut rows = Vec::new();
    for (measure, importance) in model.importance.iter().take(most) {
        let of_measure = coefficients.iter().filter(|c| c.measure == *measure);
        let Some(heaviest) = of_measure.max_by(|a, b| a.coef.abs().total_cmp(&b.coef.abs())) else { continue };
        let numbers = [format!("{importance:.3}"), format!("{:+.3}", heaviest.coef), format!("{:.3}", heaviest.odds_ratio)];
        rows.push([measure.clone(), heaviest.feature.clone()].into_iter().chain(numbers).collect());
    }
    table(&["measure", "heaviest column", "importance", "coef", "odds ratio"], rows, 2..5)
}

/// The columns that were left out, those with one reason on one line.
pub(super) fn left_out(left_out: &[LeftOut]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for left_out in left_out {
        let column = format!("`{}`", left_out.column);
        match reasons.iter_mut().find(|(reason, _)| *reason == left_out.reason) {
            Some((_, columns)) => columns.push(column),
            None => reasons.push((&left_out.reason, vec![column])),
        }
    }
    let line = |(reason, columns): (&str, Vec<String>)| match columns.len() {
        1 => format!("left out: {} {reason}", columns[0]),
        n => format!("left out: {n} columns, of which each {reason}: {}", columns.join(", ")),
    };
    reasons.into_iter().map(line).collect()
}
