//! A batch compared with the training data: alarms first, then the numbers behind them.

use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::SubsetMetrics;

use super::{decimal, fixed, range, table};
use crate::log::NewEvent;
use crate::names::{backticked, distinct, percents};
use crate::operations::monitor::{
    EventNameDrift, FeatureDrift, MonitoringReport, RealizedPerformance, RunPerformance,
};
use crate::report::format::{counted, grouped, p_value, wrapped_lines};
use crate::time::ZonedTime;
use crate::warning::Alarm;

/// Least and most features shown; drifted ones come first.
const FEATURES_SHOWN: [usize; 2] = [8, 12];
/// Width of the text of an alarm.
const ALARM_WIDTH: usize = 80;

/// Describes the alarms of a batch and what was compared.
///
/// # Arguments
/// * `verbose` – whether the tables of scores, features, event names and outcomes follow
pub(crate) fn monitoring(report: &MonitoringReport, verbose: bool) -> String {
    let mut text = alarms(report);
    if report.rows == 0 {
        text += "\n\nWithout scored rows, nothing was compared with the training set";
    } else {
        let at = report.compared_at.filter(|time| report.as_of != Some(*time));
        let when =
            at.map_or_else(String::new, |time| format!(" as of {}", time.with_time_of_day()));
        let all = if report.not_compared > 0 {
            format!("{} of ", grouped(report.compared_rows()))
        } else {
            String::new()
        };
        text += &format!(
            "\n\nCompared {all}{}{when} with {} of {} in the training set",
            counted(report.rows, "row"),
            counted(report.training_rows, "row"),
            counted(report.training_accounts, "account"),
        );
        if let Some(weekday) = at.map(ZonedTime::weekday) {
            text += &format!(
                "\nThe newest {weekday} is compared, because the training cutoffs are on {weekday}s"
            );
        }
    }
    if report.not_finite > 0 {
        text +=
            &format!("\n{} not scored: a value is not finite", counted(report.not_finite, "row"));
    }
    if report.not_compared > 0 {
        text += &format!(
            "\n{} could not be compared, because no training row is as old",
            counted(report.not_compared, "row")
        );
    }
    text += &unchanged(report);
    if !verbose {
        return text + "\nDetails: -v";
    }
    if report.rows > 0 {
        text += &scores(report);
    }
    if !report.features.is_empty() {
        text += &format!("\n\n{}", features(report));
    }
    report.events.as_ref().map(event_names).into_iter().for_each(|names| text += &names);
    report.realized.as_ref().map(realized).into_iter().for_each(|realized| text += &realized);
    text
}

/// Describes each alarm with its code.
fn alarms(report: &MonitoringReport) -> String {
    let when = report.as_of.map_or(String::new(), |time| {
        format!(" for the accounts as of {}", time.with_time_of_day())
    });
    if report.alarms.is_empty() {
        return format!("No alarms{when}");
    }
    let codes = report.alarms.iter().map(|alarm| alarm.code().len());
    let width = codes.max().unwrap_or(0) + 2;
    let mut text = format!("{}{when}\n", counted(report.alarms.len() as u64, "alarm"));
    for alarm in &report.alarms {
        let lines = wrapped_lines(&alarm.to_string(), ALARM_WIDTH, "").into_iter();
        let advice = wrapped_lines(&format!("Do: {}.", alarm.advice()), ALARM_WIDTH, "    ");
        for (i, line) in lines.chain(advice).enumerate() {
            let code = if i == 0 { alarm.code() } else { "" };
            text += &format!("\n{code:width$}{line}");
        }
    }
    text
}

/// Lists the comparisons without an alarm, in one sentence.
fn unchanged(report: &MonitoringReport) -> String {
    let is_alarm = |codes: &[&str]| report.alarms.iter().any(|alarm| codes.contains(&alarm.code()));
    let is_fault = report
        .alarms
        .iter()
        .any(|alarm| matches!(alarm, Alarm::LogFault(fault) if fault.code() != "event-gone"));
    let parts = [
        ("features", !report.features.is_empty() && !is_alarm(&["feature-drift"])),
        ("scores", report.scores.is_some() && !is_alarm(&["score-shift"])),
        ("event volume", report.events.is_some() && !is_fault),
        ("event names", report.events.is_some() && !is_alarm(&["event-gone"])),
        ("outcomes of earlier scores", report.realized.is_some() && !is_alarm(&["miscalibration"])),
    ];
    let names: Vec<&str> =
        parts.into_iter().filter(|(_, unchanged)| *unchanged).map(|(name, _)| name).collect();
    let names = match names.split_last() {
        None => return String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, names)) => format!("{} and {last}", names.join(", ")),
    };
    format!("\nChecked without an alarm: {names}")
}

fn scores(report: &MonitoringReport) -> String {
    let Some(scores) = &report.scores else { return String::new() };
    let row = |name: &str, reference: f64, current: f64| {
        [name.to_owned()].into_iter().chain(percents(&[reference, current])).collect()
    };
    let rows = vec![
        row("mean probability", scores.reference_mean, scores.current_mean),
        row(
            "at or above the threshold",
            scores.reference_above_threshold,
            scores.current_above_threshold,
        ),
    ];
    format!(
        "\n\nScores of the {} (training: rows of the same account ages)\n{} conversions expected, PSI {:.3}, p {}\n{}",
        counted(report.compared_rows(), "compared row"),
        decimal(scores.expected_conversions, 1),
        scores.shift.psi,
        p_value(scores.shift.p),
        table(&["", "training", "now"], rows, 1..3)
    )
}

fn features(report: &MonitoringReport) -> String {
    let drifted = report.features.iter().filter(|drift| drift.drifted).count();
    let change = |shares: [f64; 2]| percents(&shares).join(" → ");
    let row = |drift: &FeatureDrift| {
        let means = drift.reference_mean.zip(drift.current_mean).map_or_else(
            || "–".to_owned(),
            |(then, now)| distinct(&[then, now], |x, more| decimal(x, 3 + more)).join(" → "),
        );
        let status = match (drift.drifted, drift.monitored) {
            (true, true) => "drifted",
            (true, false) => "ignored",
            _ => "",
        };
        vec![
            drift.feature.clone(),
            format!("{:.3}", drift.shift.psi),
            p_value(drift.p_holm),
            means,
            change([drift.reference_missing, drift.current_missing]),
            format!("{:.1}%", 100.0 * drift.out_of_range),
            status.to_owned(),
        ]
    };
    let most = drifted.clamp(FEATURES_SHOWN[0], FEATURES_SHOWN[1]);
    let shown: Vec<Vec<String>> = report.features.iter().take(most).map(row).collect();
    let which = if shown.len() < report.features.len() {
        format!(": largest drift first, {} of {}", shown.len(), report.features.len())
    } else {
        String::new()
    };
    let header = ["feature", "PSI", "p (Holm)", "mean", "missing", "out of range", ""];
    format!("Features of the compared rows, training → now{which}\n{}", table(&header, shown, 1..6))
}

fn event_names(drift: &EventNameDrift) -> String {
    let known = counted(drift.known as u64, "event type");
    let mut text = format!(
        "\n\nEvent names: {known} in the last training days; gone since: {}",
        if drift.gone.is_empty() { "none".to_owned() } else { backticked(&drift.gone) }
    );
    if !drift.new.is_empty() {
        let row = |new: &NewEvent| {
            let first = new.first_seen.map_or_else(|| "–".to_owned(), |day| day.to_string());
            vec![new.event.clone(), first, decimal(new.per_day, 1)]
        };
        let rows = drift.new.iter().map(row).collect();
        text += &format!("\n{}", table(&["new event", "first seen", "per day"], rows, 2..3));
    }
    text
}

fn realized(performance: &RealizedPerformance) -> String {
    let e = &performance.evaluation;
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>, note: &str| {
        vec![name.to_owned(), fixed(value, 4), range(interval, 4), note.to_owned()]
    };
    let estimate = |name: &str, estimate: Option<Estimate>, note: &str| {
        row(
            name,
            estimate.map(|estimate| estimate.value),
            estimate.and_then(|estimate| estimate.interval),
            note,
        )
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let predicted = e.expected_conversions / e.n as f64;
    let rows = vec![
        row("Mean predicted probability", Some(predicted), None, ""),
        row(
            "Observed conversion rate",
            Some(e.base_rate),
            None,
            &format!("{} converted", counted(e.conversions, "row")),
        ),
        estimate("Calibration-in-the-large", e.calibration_in_the_large, "perfect: 0 (log-odds)"),
        estimate("Calibration slope", e.calibration_slope, "perfect: 1"),
        vec![
            "ROC AUC".to_owned(),
            fixed(e.roc_auc.map(|auc| auc.value), 3),
            range(e.roc_auc.and_then(|auc| auc.interval), 3),
            "chance: 0.5".to_owned(),
        ],
        estimate("Log loss", Some(e.log_loss), ""),
    ];
    let mut text = format!(
        "\n\nOutcomes of earlier scores: {} of {}\n{}",
        counted(e.n, "row"),
        counted(e.accounts, "account"),
        table(&["metric", "value", "95% CI", ""], rows, 1..2)
    );
    if performance.runs.len() > 1 {
        let row = |run: &RunPerformance| {
            let metrics = &run.metrics;
            vec![
                run.scored_at.map_or_else(String::new, |time| time.to_string()),
                run.model.clone(),
                grouped(metrics.rows),
                decimal(metrics.expected, 1),
                metrics
                    .expected_interval
                    .map_or_else(|| "–".to_owned(), |interval| range(Some(interval), 1)),
                grouped(metrics.conversions),
                fixed(metrics.roc_auc, 3),
            ]
        };
        let header = ["scored at", "model", "rows", "expected", "95% CI", "observed", "ROC AUC"];
        text += &format!(
            "\n\nBy scoring run\n{}",
            table(&header, performance.runs.iter().map(row).collect(), 2..7)
        );
    }
    if let Some([holdout, others]) = &performance.holdout {
        let row = |name: &str, metrics: &SubsetMetrics| {
            vec![
                name.to_owned(),
                grouped(metrics.rows),
                fixed(metrics.mean_probability, 4),
                fixed(metrics.observed_rate, 4),
            ]
        };
        let rows = vec![row("holdout (left uncontacted)", holdout), row("others", others)];
        text += &format!(
            "\n\nHoldout\n{}",
            table(&["", "rows", "mean predicted", "observed rate"], rows, 1..4)
        );
    } else {
        text += "\nIf sales contacts qualified accounts, these outcomes include the effect of the contacts.\nSet `qualify.holdout` to keep uncontacted accounts for comparison.";
    }
    performance.dropped_rows().iter().for_each(|(reason, rows)| {
        text += &format!("\n{} skipped: {reason}", counted(*rows, "row"));
    });
    text
}
