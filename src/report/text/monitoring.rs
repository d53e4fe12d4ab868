//! A batch against the training rows, for people.

use pql_stats::intervals::{Estimate, Interval};

use super::judgement::{between, shown};
use super::table;
use crate::operations::monitor::{Drift, EventNames, Monitoring, NameUse, Realised, RunOutcome};

/// Features shown, and how many of those that have drifted.
const FEATURES: [usize; 2] = [8, 12];

/// What is to be seen to, and the numbers behind it.
pub(crate) fn monitoring(of: &Monitoring) -> String {
    let at = of.at.as_ref().map_or(String::new(), |at| format!(" at {at}"));
    let mut text = match of.alarms.len() {
        0 => format!("Nothing is to be seen to in the batch{at}"),
        n => {
            let alarms: Vec<String> = of.alarms.iter().map(ToString::to_string).collect();
            format!("{n} to be seen to in the batch{at}:\n  {}", alarms.join("\n  "))
        }
    };
    text += &format!(
        "\n{} rows scored, held against {} training rows of {} accounts",
        of.rows, of.training_rows, of.training_accounts
    );
    if of.not_finite > 0 {
        text += &format!("; {} not, since a value is not finite", of.not_finite);
    }
    if let Some(scores) = &of.scores {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let rows = vec![
            vec![
                "mean probability".to_owned(),
                percent(scores.mean_then),
                percent(scores.mean_now),
            ],
            vec![
                "reach the threshold".to_owned(),
                percent(scores.reach_then),
                percent(scores.reach_now),
            ],
        ];
        text += &format!(
            "\n\nScores: PSI {:.3}, p {}; {:.1} conversions expected\n{}",
            scores.shift.psi,
            p(scores.shift.p),
            scores.expected_conversions,
            table(&["", "training", "batch"], rows, 1..3)
        );
    }
    if !of.features.is_empty() {
        text += &format!("\n\n{}", features(of));
    }
    of.events.as_ref().map(names).into_iter().for_each(|names| text += &names);
    of.realised.as_ref().map(realised).into_iter().for_each(|realised| text += &realised);
    text
}

fn p(value: Option<f64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |p| if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") },
    )
}

fn features(of: &Monitoring) -> String {
    let drifted = of.features.iter().filter(|of| of.drifted).count();
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let row = |drift: &Drift| {
        let means = [drift.mean_then, drift.mean_now]
            .map(|mean| mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.3}")));
        let note = match (drift.drifted, drift.watched) {
            (true, true) => "drifted",
            (true, false) => "drifted, ignored",
            _ => "",
        };
        let numbers = [format!("{:.3}", drift.shift.psi), p(drift.p_holm)];
        let shares = [
            percent(drift.missing_then),
            percent(drift.missing_now),
            percent(drift.beyond),
            note.to_owned(),
        ];
        std::iter::once(drift.feature.clone()).chain(numbers).chain(means).chain(shares).collect()
    };
    let shown: Vec<Vec<String>> =
        of.features.iter().take(drifted.clamp(FEATURES[0], FEATURES[1])).map(row).collect();
    let rest = if shown.len() < of.features.len() {
        format!(", the furthest {} of {}", shown.len(), of.features.len())
    } else {
        String::new()
    };
    let header =
        ["feature", "PSI", "p, Holm", "mean then", "now", "missing % then", "now", "beyond %", ""];
    format!("Features{rest}\n{}", table(&header, shown, 1..8))
}

fn names(of: &EventNames) -> String {
    if of.new.is_empty() && of.gone.is_empty() {
        return format!(
            "\n\nEvent names: none new, none gone in the {} days before the cutoffs of {} rows",
            of.days, of.rows
        );
    }
    let row = |kind: &str, name: &NameUse| {
        let shares = [name.then, name.now].map(|share| format!("{:.1}", 100.0 * share));
        let last = name.last_seen.clone().unwrap_or_else(|| "never".to_owned());
        [kind.to_owned(), name.event.clone()].into_iter().chain(shares).chain([last]).collect()
    };
    let rows = of
        .gone
        .iter()
        .map(|name| row("gone", name))
        .chain(of.new.iter().map(|name| row("new", name)))
        .collect();
    let header = ["", "event", "% of training rows", "% of the batch", "last seen"];
    let mut text = format!(
        "\n\nEvent names in the {} days before the cutoffs of {} rows\n{}",
        of.days,
        of.rows,
        table(&header, rows, 2..4)
    );
    for renamed in &of.renamed {
        text +=
            &format!("\n`{}` may have become `{}`: {}", renamed.from, renamed.to, renamed.because);
    }
    text
}

fn realised(of: &Realised) -> String {
    let e = &of.evaluation;
    let mut text = format!(
        "\n\nWhat became of {} rows of {} accounts that were scored before\n",
        e.n, e.accounts
    );
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>, note: &str| {
        vec![name.to_owned(), shown(value), between(interval), note.to_owned()]
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
        row("predicted", Some(predicted), None, "mean probability"),
        row("converted", Some(e.base_rate), None, &format!("{} rows", e.conversions)),
        estimate("calibration in the large", e.calibration_in_the_large, "0 is right"),
        estimate("calibration slope", e.calibration_slope, "1 is right"),
        estimate("ROC AUC", e.roc_auc, "0.5 is chance"),
        estimate("log loss", Some(e.log_loss), ""),
    ];
    text += &table(&["", "value", "95 %", ""], rows, 1..2);
    if of.runs.len() > 1 {
        let row = |run: &RunOutcome| {
            let part = &run.part;
            let at = run.at.clone().unwrap_or_default();
            let counts = [
                part.rows.to_string(),
                format!("{:.1}", part.expected),
                part.conversions.to_string(),
            ];
            let range = part.expected_interval.map_or_else(
                || "–".to_owned(),
                |Interval { low, high }| format!("{low:.1} to {high:.1}"),
            );
            let [rows, expected, observed] = counts;
            vec![at, run.model.clone(), rows, expected, range, observed, shown(part.roc_auc)]
        };
        let header = ["scored at", "model", "rows", "expected", "95 %", "observed", "ROC AUC"];
        text += &format!("\n\n{}", table(&header, of.runs.iter().map(row).collect(), 2..7));
    }
    if let Some([held, others]) = &of.holdout {
        let share = |part: &pql_stats::metrics::Part| {
            format!(
                "{} predicted, {} converted of {} rows",
                shown(part.probability),
                shown(part.converted),
                part.rows
            )
        };
        text += &format!(
            "\nLeft alone (holdout): {}\nOthers, on which scores may have been acted: {}",
            share(held),
            share(others)
        );
    } else {
        text += "\nWhere scores were acted upon, outcomes are no longer those of being left alone: `qualify.holdout` keeps accounts to compare with";
    }
    of.left_out()
        .iter()
        .for_each(|(reason, rows)| text += &format!("\n{rows} rows left out {reason}"));
    text
}
