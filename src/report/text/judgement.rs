//! How good a model is, for people.

use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::{
    AtCutoff, AtThreshold, Bin, Decile, Evaluation, Judgement, Part, TopShare,
};

use super::table;
use crate::model::{Baseline, Model};
use crate::time::{iso, iso_day};

/// Cutoffs shown after training: so many of the first, and so many of the last.
const CUTOFFS_SHOWN: (usize, usize) = (4, 8);

/// What the model does not surely beat, as the first line of results.
pub(crate) fn defeat(model: &Model) -> Option<String> {
    let unbeaten: Vec<String> =
        model.baselines.iter().filter(|b| !b.difference.better()).map(against).collect();
    let accounts = model.extent.test.converting_accounts;
    let only = unbeaten.join("; nor ");
    (!unbeaten.is_empty())
        .then(|| format!("The model does not beat {only} ({accounts} converting test accounts)"))
}

/// A baseline with the difference in log loss.
fn against(baseline: &Baseline) -> String {
    let difference = &baseline.difference;
    let interval = difference
        .interval
        .map_or(String::new(), |Interval { low, high }| format!(" (95 % {low:+.4} to {high:+.4})"));
    format!("{}: log loss {:+.4}{interval}", baseline.name, difference.difference)
}

/// The metrics of a model on its test rows, on those of accounts it had not met, from its threshold
/// on, and by cutoff.
pub(crate) fn held_out(model: &Model) -> Option<String> {
    let judgement = model.judgement.as_ref()?;
    let mut text = format!("\nOn the held-out test rows\n{}", evaluation(&judgement.evaluation));
    if let Some(new) = &model.new_accounts {
        text += &format!(
            "\nof these {} rows of accounts without training rows: {} of them converted, ROC AUC {}, log loss {:.4}",
            new.n,
            new.conversions,
            shown(new.roc_auc.map(|auc| auc.value)),
            new.log_loss.value
        );
    }
    for baseline in model.baselines.iter().filter(|b| b.difference.better()) {
        text += &format!("\nThe model beats {}", against(baseline));
    }
    if let Some(refit) = &model.refit {
        text += &format!(
            "\nThen learned again on all {} rows with an outcome: the metrics, and the threshold they go with, are those of the fit before",
            refit.learned.rows
        );
    }
    text += &format!("\n{}", at_threshold(&judgement.at_threshold));
    let (first, last) = CUTOFFS_SHOWN;
    let cutoffs = &judgement.by_cutoff;
    match cutoffs.len() {
        0 | 1 => {}
        n if n <= first + last => text += &format!("\n\nBy cutoff\n{}", by_cutoff(cutoffs, 0)),
        n => {
            let shown = [&cutoffs[..first], &cutoffs[n - last..]].concat();
            text += &format!(
                "\n\nBy cutoff, the first {first} and the last {last} of {n}\n{}",
                by_cutoff(&shown, first)
            );
        }
    }
    Some(text)
}

/// All that is known about labelled rows.
pub(crate) fn whole(judgement: &Judgement) -> String {
    let mut text = evaluation(&judgement.evaluation);
    text += &format!("\n{}", at_threshold(&judgement.at_threshold));
    text += &format!("\n\nTop of the ranking\n{}", tops(&judgement.evaluation));
    text +=
        &format!("\n\nReliability, bins of equal size\n{}", reliability(&judgement.reliability));
    text += &format!("\n\nGains by decile\n{}", gains(&judgement.gains));
    if !judgement.by_cutoff.is_empty() {
        text += &format!("\n\nBy cutoff\n{}", by_cutoff(&judgement.by_cutoff, 0));
    }
    text
}

/// The metrics that decide, with their intervals and what to hold them against.
fn evaluation(e: &Evaluation) -> String {
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>, note: String| {
        vec![name.to_owned(), shown(value), between(interval), note]
    };
    let estimate = |name: &str, estimate: Option<Estimate>, note: String| {
        row(
            name,
            estimate.map(|estimate| estimate.value),
            estimate.and_then(|estimate| estimate.interval),
            note,
        )
    };
    let alone = |value: f64| format!("{value:.4} for the base rate alone");
    let top = e.top_share(10);
    let mut rows = vec![
        row(
            "base rate",
            Some(e.base_rate),
            None,
            format!("{} of {} rows converted", e.conversions, e.n),
        ),
        estimate("ROC AUC", e.roc_auc, "0.5 is chance".to_owned()),
        row("average precision", e.average_precision, None, "the base rate is chance".to_owned()),
        estimate("log loss", Some(e.log_loss), alone(entropy(e.base_rate))),
        estimate("Brier", Some(e.brier), alone(e.brier_parts.uncertainty)),
        row(
            "lift, top 10 %",
            top.and_then(|top| top.lift),
            None,
            top.map_or_else(String::new, |top| {
                format!(
                    "{:.4} of them convert, 95 % {}",
                    top.precision,
                    between(Some(top.precision_interval))
                )
            }),
        ),
        estimate("calibration in the large", e.calibration_in_the_large, "0 is right".to_owned()),
        estimate("calibration slope", e.calibration_slope, "1 is right".to_owned()),
        row(
            "calibration error",
            Some(e.calibration_error.value),
            e.calibration_error.interval,
            format!("{:.4} by chance alone", e.calibration_error.expected),
        ),
    ];
    // The horizons of an account's rows overlap, so that their conversions are not to be summed.
    if e.accounts == e.n {
        let expected = format!("{:.1}", e.expected_conversions);
        let range = e
            .expected_conversions_interval
            .map_or(String::new(), |Interval { low, high }| format!("{low:.1} to {high:.1}"));
        rows.push(vec![
            "expected conversions".to_owned(),
            expected,
            range,
            format!("{} observed", e.conversions),
        ]);
    }
    table(&["metric", "value", "95 %", ""], rows, 1..2)
}

/// What is found from the threshold on, in a line.
fn at_threshold(at: &AtThreshold) -> String {
    let share = 100.0 * at.share;
    let mut text =
        format!("From the threshold {:.4} on: {} rows ({share:.1} %)", at.threshold, at.qualified);
    if let Some((precision, interval)) = at.precision.zip(at.precision_interval) {
        text += &format!(", of which {precision:.4} convert (95 % {})", between(Some(interval)));
    }
    if let Some(recall) = at.recall {
        text += &format!("; {recall:.4} of all conversions");
    }
    if let Some(lift) = at.lift {
        text += &format!("; lift {lift:.2}");
    }
    text
}

fn tops(e: &Evaluation) -> String {
    let row = |top: &TopShare| {
        let TopShare { percent, precision, precision_interval, recall, lift } = *top;
        let rows = (e.n * u64::from(percent)).div_ceil(100).to_string();
        vec![
            format!("{percent} %"),
            rows,
            format!("{precision:.4}"),
            between(Some(precision_interval)),
            shown(recall),
            shown(lift),
        ]
    };
    table(
        &["top", "rows", "precision", "95 %", "recall", "lift"],
        e.top.iter().map(row).collect(),
        0..6,
    )
}

fn reliability(bins: &[Bin]) -> String {
    let row = |bin: &Bin| {
        let numbers =
            [bin.lowest, bin.highest, bin.probability, bin.converted].map(|v| format!("{v:.4}"));
        let inside = bin.converted_interval.contains(bin.probability);
        let note = if inside { "" } else { "outside" };
        let rest = [between(Some(bin.converted_interval)), note.to_owned()];
        std::iter::once(bin.rows.to_string()).chain(numbers).chain(rest).collect()
    };
    table(
        &["rows", "from", "to", "probability", "converted", "95 %", ""],
        bins.iter().map(row).collect(),
        0..6,
    )
}

fn gains(deciles: &[Decile]) -> String {
    let row = |d: &Decile| {
        let counts = [d.decile.to_string(), d.rows.to_string(), format!("{:.4}", d.lowest)];
        let found = [
            format!("{:.1}", d.expected),
            format!("{:.1}", d.conversions),
            format!("{:.4}", d.rate),
        ];
        let shares = [d.gain, d.lift, d.cumulative_lift].map(shown);
        counts.into_iter().chain(found).chain(shares).collect()
    };
    let header =
        ["decile", "rows", "from", "expected", "converted", "rate", "gain", "lift", "lift so far"];
    table(&header, deciles.iter().map(row).collect(), 0..9)
}

/// Conversions expected and observed by cutoff; `gap` rows stand before a gap.
fn by_cutoff(cutoffs: &[AtCutoff], gap: usize) -> String {
    let row = |at: &AtCutoff| {
        let Part { rows, conversions, expected, expected_interval, .. } = at.part;
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let outside =
            expected_interval.is_some_and(|interval| !interval.contains(conversions as f64));
        let range = expected_interval.map_or_else(
            || "–".to_owned(),
            |Interval { low, high }| format!("{low:.1} to {high:.1}"),
        );
        let note = if outside { "outside" } else { "" };
        let counts = [
            span(at.first, at.last),
            rows.to_string(),
            format!("{expected:.1}"),
            range,
            conversions.to_string(),
            note.to_owned(),
        ];
        counts
            .into_iter()
            .chain([
                shown(at.part.log_loss),
                shown(at.part.roc_auc),
                between(at.part.roc_auc_interval),
            ])
            .collect()
    };
    let mut rows: Vec<Vec<String>> = cutoffs.iter().map(row).collect();
    if gap > 0 {
        rows.insert(gap, vec!["…".to_owned()]);
    }
    table(
        &["cutoff", "rows", "expected", "95 %", "observed", "", "log loss", "ROC AUC", "95 %"],
        rows,
        1..9,
    )
}

/// The cutoff, or the first and the last one.
pub(crate) fn span(first: i64, last: i64) -> String {
    let midnight = |t: i64| iso(t).ends_with("T00:00:00Z");
    match (first, last) {
        (first, last) if first == last && midnight(first) => iso_day(first),
        (first, last) if first == last => iso(first),
        (first, last) if iso_day(first) == iso_day(last) => iso_day(first),
        (first, last) => format!("{} to {}", iso_day(first), iso_day(last)),
    }
}

/// A part of the rows for each value of a column. Shares, not sums: horizons of an account's rows
/// overlap.
pub(crate) fn by_value(column: &str, parts: &[(String, Part)]) -> String {
    let row = |(value, part): &(String, Part)| {
        let counts = [value.clone(), part.rows.to_string(), part.accounts.to_string()];
        let shares =
            [shown(part.probability), shown(part.converted), between(part.converted_interval)];
        let outside = part
            .probability
            .zip(part.converted_interval)
            .is_some_and(|(p, interval)| !interval.contains(p));
        let note = if outside { "outside" } else { "" };
        let rest = [
            note.to_owned(),
            shown(part.log_loss),
            shown(part.roc_auc),
            between(part.roc_auc_interval),
        ];
        counts.into_iter().chain(shares).chain(rest).collect()
    };
    let header = [
        column,
        "rows",
        "accounts",
        "probability",
        "converted",
        "95 %",
        "",
        "log loss",
        "ROC AUC",
        "95 %",
    ];
    format!("\nBy {column}\n{}", table(&header, parts.iter().map(row).collect(), 1..10))
}

pub(crate) fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"))
}

pub(crate) fn between(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| format!("{low:.4} to {high:.4}"))
}

/// Log loss of the base rate itself: −p ln p − (1 − p) ln(1 − p).
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}
