//! Metrics of a model on labeled rows.

use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::{
    Bin, CutoffMetrics, Decile, Evaluation, EvaluationReport, SubsetMetrics, ThresholdMetrics,
    TopShare,
};

use super::{count, decimal, fixed, lift, percent, percent_range, range, table, with_range};
use crate::escape::one_line;
use crate::model::Model;
use crate::model::verdict::{difference_text, entropy};
use crate::report::format::{agree, counted, grouped, percent as short_percent, wrap};
use crate::time::Zone;

/// Cutoffs shown after a training: the first and the last ones.
const CUTOFFS_SHOWN: (usize, usize) = (4, 8);
/// Mark after a number that is outside of the interval next to it.
const OUTSIDE: &str = " *";
const OUTSIDE_NOTE: &str = "* outside the 95% interval";
/// Column of the mark in the table of cutoffs.
const MARK_COLUMN: usize = 4;

/// Describes the performance on the test set: metrics, new accounts, baselines, threshold and
/// cutoffs; `None` without a test set.
pub(crate) fn held_out(model: &Model) -> Option<String> {
    let evaluation = model.evaluation.as_ref()?;
    let mut text = format!("Performance on the test set\n{}", metrics(&evaluation.metrics));
    if let Some(new) = &model.new_accounts {
        text += &format!(
            "\nAccounts without training rows: {}, {} converted, ROC AUC {}, log loss {:.4}",
            counted(new.n, "row"),
            grouped(new.conversions),
            fixed(new.roc_auc.map(|auc| auc.value), 3),
            new.log_loss.value
        );
    }
    for baseline in &model.baselines {
        let line =
            format!("Compared with {}: {}", baseline.name, difference_text(&baseline.difference));
        text += &format!("\n{}", wrap(&line, "  "));
    }
    text += &format!("\n\n{}", at_threshold(&evaluation.at_threshold));
    if let Some(refit) = &model.refit {
        let line = format!(
            "The final model is fitted on all {} with a known outcome; the metrics are those of fits without the test rows.",
            counted(refit.sample.rows, "row")
        );
        text += &format!("\n{}", wrap(&line, "  "));
    }
    let (first, last) = CUTOFFS_SHOWN;
    let cutoffs = &evaluation.by_cutoff;
    match cutoffs.len() {
        0 | 1 => {}
        n if n <= first + last => {
            text += &format!("\n\nBy cutoff\n{}", by_cutoff(cutoffs, 0, model.zone()));
        }
        n => {
            let shown = [&cutoffs[..first], &cutoffs[n - last..]].concat();
            text += &format!(
                "\n\nBy cutoff: the first {first} and last {last} of {n}\n{}",
                by_cutoff(&shown, first, model.zone())
            );
        }
    }
    Some(text)
}

/// Describes the performance on labeled rows in full: metrics, threshold, top of the ranking,
/// reliability, gains and cutoffs.
pub(crate) fn evaluation_report(evaluation: &EvaluationReport, zone: Zone) -> String {
    let mut text = metrics(&evaluation.metrics);
    text += &format!("\n\n{}", at_threshold(&evaluation.at_threshold));
    text += &format!("\n\nTop of the ranking\n{}", top_shares(&evaluation.metrics));
    text += &format!(
        "\n\nReliability, in bins of equal size\n{}",
        reliability(&evaluation.reliability)
    );
    text += &format!("\n\nGains by decile\n{}", gains(&evaluation.gains));
    if !evaluation.by_cutoff.is_empty() {
        text += &format!("\n\nBy cutoff\n{}", by_cutoff(&evaluation.by_cutoff, 0, zone));
    }
    text
}

/// Formats the metrics with their intervals and reference values.
fn metrics(e: &Evaluation) -> String {
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>, note: String| {
        vec![name.to_owned(), fixed(value, 4), range(interval, 4), note]
    };
    let estimate = |name: &str, estimate: Option<Estimate>, note: String| {
        row(
            name,
            estimate.map(|estimate| estimate.value),
            estimate.and_then(|estimate| estimate.interval),
            note,
        )
    };
    let roc_auc = e.roc_auc.and_then(|auc| auc.interval);
    let alone = |value: f64| format!("base rate alone: {value:.4}");
    let top = e.top_share(10);
    let mut rows = vec![
        row(
            "Base rate",
            Some(e.base_rate),
            None,
            format!("{} of {} converted", grouped(e.conversions), counted(e.n, "row")),
        ),
        vec![
            "ROC AUC".to_owned(),
            fixed(e.roc_auc.map(|auc| auc.value), 3),
            range(roc_auc, 3),
            "chance: 0.5".to_owned(),
        ],
        row("Average precision", e.average_precision, None, "chance: the base rate".to_owned()),
        estimate("Log loss", Some(e.log_loss), alone(entropy(e.base_rate))),
        estimate("Brier score", Some(e.brier), alone(e.brier_parts.uncertainty)),
        row(
            "Precision, top 10%",
            top.map(|top| top.precision),
            top.map(|top| top.precision_interval),
            String::new(),
        ),
        vec![
            "Lift, top 10%".to_owned(),
            lift(top.and_then(|top| top.lift)),
            String::new(),
            "precision divided by the base rate".to_owned(),
        ],
        estimate(
            "Calibration-in-the-large",
            e.calibration_in_the_large,
            "perfect: 0 (log-odds)".to_owned(),
        ),
        estimate("Calibration slope", e.calibration_slope, "perfect: 1".to_owned()),
        row(
            "Expected calibration error",
            Some(e.calibration_error.value),
            e.calibration_error.interval,
            format!("if perfectly calibrated: {:.4}", e.calibration_error.expected),
        ),
    ];
    // The horizons of an account's rows overlap, so their conversions cannot be added up.
    if e.accounts == e.n {
        rows.push(vec![
            "Expected conversions".to_owned(),
            decimal(e.expected_conversions, 1),
            range(e.expected_conversions_interval, 1),
            format!("observed: {}", grouped(e.conversions)),
        ]);
    }
    table(&["metric", "value", "95% CI", ""], rows, 1..2)
}

/// Describes the rows at or above the threshold.
fn at_threshold(metrics: &ThresholdMetrics) -> String {
    let mut text = format!(
        "At the threshold of {}: {} ({}) {}",
        short_percent(metrics.threshold),
        counted(metrics.qualified, "row"),
        percent(Some(metrics.share)),
        agree(metrics.qualified, ["qualifies", "qualify"])
    );
    let rows = [
        metrics.precision.map(|precision| {
            (
                "Precision",
                fixed(Some(precision), 4),
                range(metrics.precision_interval, 4),
                "share of them that converted",
            )
        }),
        metrics.recall.map(|recall| {
            ("Recall", fixed(Some(recall), 4), String::new(), "share of all conversions among them")
        }),
        metrics.lift.map(|value| {
            ("Lift", lift(Some(value)), String::new(), "precision divided by the base rate")
        }),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .flatten()
        .map(|(name, value, interval, note)| {
            vec![name.to_owned(), value, interval, note.to_owned()]
        })
        .collect();
    if !rows.is_empty() {
        text += &format!("\n{}", table(&["metric", "value", "95% CI", ""], rows, 1..2));
    }
    text
}

fn top_shares(e: &Evaluation) -> String {
    let row = |top: &TopShare| {
        let TopShare { percent, precision, precision_interval, recall, lift: top_lift } = *top;
        let rows = (e.n * u64::from(percent)).div_ceil(100);
        vec![
            format!("{percent}%"),
            grouped(rows),
            fixed(Some(precision), 4),
            range(Some(precision_interval), 4),
            fixed(recall, 4),
            lift(top_lift),
        ]
    };
    table(
        &["top", "rows", "precision", "95% CI", "recall", "lift"],
        e.top.iter().map(row).collect(),
        0..6,
    )
}

fn reliability(bins: &[Bin]) -> String {
    let mut any_outside = false;
    let mut row = |bin: &Bin| {
        let outside = !bin.observed_rate_interval.contains(bin.mean_probability);
        any_outside |= outside;
        vec![
            grouped(bin.rows),
            range(Some(Interval { low: bin.lowest, high: bin.highest }), 4),
            fixed(Some(bin.mean_probability), 4),
            fixed(Some(bin.observed_rate), 4),
            range(Some(bin.observed_rate_interval), 4) + if outside { OUTSIDE } else { "" },
        ]
    };
    let rows = bins.iter().map(&mut row).collect();
    let header = ["rows", "probabilities", "mean predicted", "observed rate", "95% CI"];
    noted(
        table(&header, rows, 0..4),
        any_outside.then_some("* does not contain the mean predicted probability"),
    )
}

fn gains(deciles: &[Decile]) -> String {
    let row = |d: &Decile| {
        vec![
            d.decile.to_string(),
            grouped(d.rows),
            fixed(Some(d.lowest), 4),
            decimal(d.expected, 1),
            count(d.conversions),
            fixed(Some(d.rate), 4),
            fixed(d.gain, 4),
            lift(d.lift),
            lift(d.cumulative_lift),
        ]
    };
    let header = [
        "decile",
        "rows",
        "lowest score",
        "expected",
        "observed",
        "rate",
        "gain",
        "lift",
        "cumulative lift",
    ];
    let text = table(&header, deciles.iter().map(row).collect(), 0..9);
    text + "\ngain: share of all conversions in this decile and those above"
}

/// Formats conversions expected and observed by cutoff, with an ellipsis after `gap` rows (0:
/// none).
fn by_cutoff(cutoffs: &[CutoffMetrics], gap: usize, zone: Zone) -> String {
    let mut any_outside = false;
    let mut row = |metrics: &CutoffMetrics| {
        let SubsetMetrics { rows, conversions, expected, expected_interval, .. } = metrics.metrics;
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let outside =
            expected_interval.is_some_and(|interval| !interval.contains(conversions as f64));
        any_outside |= outside;
        vec![
            cutoff_range(metrics.first, metrics.last, zone),
            grouped(rows),
            with_range(Some(expected), expected_interval, usize::from(expected < 100.0)),
            grouped(conversions),
            if outside { OUTSIDE.trim() } else { "" }.to_owned(),
            fixed(metrics.metrics.log_loss, 4),
            with_range(metrics.metrics.roc_auc, metrics.metrics.roc_auc_interval, 3),
        ]
    };
    let mut rows: Vec<Vec<String>> = cutoffs.iter().map(&mut row).collect();
    let mut header =
        vec!["cutoff", "rows", "expected (95% CI)", "observed", "", "log loss", "ROC AUC (95% CI)"];
    if !any_outside {
        rows.iter_mut().for_each(|row| drop(row.remove(MARK_COLUMN)));
        header.remove(MARK_COLUMN);
    }
    if gap > 0 {
        rows.insert(gap, vec!["…".to_owned()]);
    }
    noted(table(&header, rows, 1..4), any_outside.then_some(OUTSIDE_NOTE))
}

/// Adds a note below a table.
fn noted(table: String, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("{table}\n{note}"),
        None => table,
    }
}

/// Formats the cutoff, or the first and the last one.
pub(super) fn cutoff_range(first: i64, last: i64, zone: Zone) -> String {
    if first == last { zone.short(first) } else { zone.days(first, last) }
}

/// Formats the performance for each value of a column. Shares, not sums: the horizons of an
/// account's rows overlap.
pub(crate) fn by_value(column: &str, parts: &[(String, SubsetMetrics)]) -> String {
    let mut any_outside = false;
    let mut row = |(value, part): &(String, SubsetMetrics)| {
        let outside = part
            .mean_probability
            .zip(part.observed_rate_interval)
            .is_some_and(|(p, interval)| !interval.contains(p));
        any_outside |= outside;
        vec![
            value.clone(),
            grouped(part.rows),
            grouped(part.accounts),
            percent(part.mean_probability),
            percent(part.observed_rate) + if outside { OUTSIDE } else { "" },
            percent_range(part.observed_rate_interval),
            with_range(part.roc_auc, part.roc_auc_interval, 3),
        ]
    };
    let rows = parts.iter().map(&mut row).collect();
    let header =
        [column, "rows", "accounts", "predicted", "converted", "95% CI", "ROC AUC (95% CI)"];
    let note = "* the 95% interval does not contain the predicted rate";
    let table = noted(table(&header, rows, 1..4), any_outside.then_some(note));
    format!("\nBy `{}`\n{table}", one_line(column))
}
