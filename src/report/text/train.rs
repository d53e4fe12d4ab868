//! The summary that `pql train` prints by default, and the details that `--verbose` adds.

use std::path::Path;

use pql_stats::intervals::Estimate;
use pql_stats::metrics::Evaluation;

use super::evaluation::held_out;
use super::{decimal, lift, range, table};
use crate::dataset::split::SplitMethod;
use crate::error::Result;
use crate::escape::one_line;
use crate::log::{DataQuality, Log};
use crate::model::Model;
use crate::model::explain::{Direction, describe_measure, direction, is_count};
use crate::model::verdict::{Requirement, Verdict, entropy};
use crate::report::format::{PROSE_WIDTH, counted, grouped, percent, wrapped_lines};
use crate::time::NEVER;
use crate::warning::{Warning, unasked_features};

/// Most lines of the summary.
const MAX_LINES: usize = 25;
/// Features shown, as far as there is room.
const MAX_FEATURES: usize = 5;
/// Warnings shown; possible leaks come first.
const MAX_WARNINGS: usize = 2;
/// Features shown by `--verbose`.
const MAX_FEATURES_VERBOSE: usize = 10;

/// Inputs of the summary of a training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrainingSummary<'a> {
    /// The new model.
    pub(crate) model: &'a Model,
    /// The line about the data: [`log_summary`] or [`matrix_summary`].
    pub(crate) data: &'a str,
    /// `NAME/VERSION` of the new model.
    pub(crate) label: &'a str,
    /// Its file.
    pub(crate) path: &'a Path,
    /// `NAME/VERSION` of the champion after the training, equal to `label` if the model became it;
    /// `None` if there is no champion.
    pub(crate) champion: Option<&'a str>,
    /// The requirement that the model does not meet, if any.
    pub(crate) unmet: Option<Requirement>,
    /// Options that the suggested commands need, such as `-c pql.toml`; may be empty.
    pub(crate) options: &'a str,
}

/// Summarizes the log, in one line.
pub(crate) fn log_summary(log: &Log) -> String {
    // Without an end, as in `pql ingest`, the log ends at its last event.
    let end = if log.until == NEVER { log.events.last() } else { Some(log.until - 1) };
    let end = end.unwrap_or(log.since);
    let accounts = log.accounts.id.len() as u64;
    let mut text = format!(
        "Read {} of {}, {} to {}",
        counted(log.events.len() as u64, "event"),
        counted(accounts, "account"),
        log.zone.day(log.since),
        log.zone.day(end.max(log.zone.midnight(log.since)))
    );
    let dropped = defective_rows(&log.quality);
    if dropped > 0 {
        text += &format!(" ({} dropped)", counted(dropped, "row"));
    }
    text
}

/// Returns the number of rows dropped because they are defective; outcomes, excluded events and
/// rows after the end of the log are left out as intended.
fn defective_rows(quality: &DataQuality) -> u64 {
    let dropped = quality.sources.iter().flat_map(|source| &source.dropped);
    dropped.filter(|rows| !rows.reason.is_intended()).map(|rows| rows.count).sum()
}

/// Summarizes a feature matrix, in one line.
pub(crate) fn matrix_summary(rows: usize, columns: usize, path: &Path) -> String {
    format!(
        "Read {} and {} from {}",
        counted(rows as u64, "row"),
        counted(columns as u64, "feature"),
        one_line(&path.display().to_string())
    )
}

/// Summarizes a training in at most 25 lines: data, verdict, metrics, features, warnings, where the
/// model is stored and what to run next. If there are more, features go first, then whole warnings,
/// then details of the verdict.
pub(crate) fn training_summary(summary: &TrainingSummary<'_>) -> String {
    let TrainingSummary { model, data, .. } = *summary;
    let rows = split(model);
    let data: Vec<String> = std::iter::once(data.to_owned())
        .chain(column_notes(model))
        .chain(rows.lines().map(str::to_owned))
        .collect();
    let mut verdict = verdict(&model.verdict());
    let metrics: Vec<String> = model
        .evaluation
        .as_ref()
        .map(|evaluation| metrics(&evaluation.metrics).lines().map(str::to_owned).collect())
        .unwrap_or_default();
    let tail = stored(summary);
    let lines = |parts: &[&Vec<String>]| -> usize {
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.len() + 1).sum::<usize>() - 1
    };
    // A blank line comes before the warnings.
    let room = MAX_LINES.saturating_sub(lines(&[&data, &verdict, &metrics, &tail]) + 1);
    let warnings = warnings(model, room);
    let surplus = lines(&[&data, &verdict, &metrics, &warnings, &tail]).saturating_sub(MAX_LINES);
    if surplus > 0 {
        verdict.truncate(verdict.len().saturating_sub(surplus + 1));
        verdict.push("  More: rerun with `-v`".to_owned());
    }
    // A blank line and a heading come before the features.
    let used = lines(&[&data, &verdict, &metrics, &warnings, &tail]) + 2;
    let features = features(model, MAX_FEATURES.min(MAX_LINES.saturating_sub(used)));
    [data, verdict, metrics, features, warnings, tail]
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.join("\n"))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Describes all results: every metric, cutoffs, the fit and the features.
///
/// # Errors
/// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration is unreadable
pub(crate) fn training_details(model: &Model) -> Result<String> {
    let mut parts = vec![
        verdict(&model.verdict()).join("\n"),
        format!("Training and test set\n{}", super::split_summary(&model.split, model.zone())),
    ];
    parts.extend(held_out(model));
    parts.push(format!("Fit\n{}", super::fit(model)?));
    parts.push(format!(
        "Most important features\n{}",
        super::feature_importance(model, MAX_FEATURES_VERBOSE)
    ));
    Ok(parts.join("\n\n"))
}

/// Returns which rows trained and tested the model.
fn split(model: &Model) -> String {
    let (train, test) = (&model.split.train, &model.split.test);
    let rows = |rows: u64, accounts: u64, noun: &str| {
        if rows == accounts {
            noun.to_owned()
        } else {
            format!("{} of {noun}", counted(rows, "row"))
        }
    };
    let mut text = format!(
        "Trained on {} ({} converted)",
        rows(train.rows, train.accounts, &counted(train.accounts, "account")),
        grouped(train.converting_accounts)
    );
    if model.split.method == SplitMethod::CrossValidation {
        return text + ", tested by cross-validation over accounts";
    }
    if test.rows > 0 {
        let newest = if model.split.first_test.is_some() { "the newest " } else { "" };
        let count = if test.rows == test.accounts {
            format!("{newest}{}", grouped(test.accounts))
        } else {
            format!(
                "{newest}{} of {}",
                counted(test.rows, "row"),
                counted(test.accounts, "account")
            )
        };
        text += &format!(", tested on {count} ({} converted)", grouped(test.converting_accounts));
    }
    if let Some(refit) = &model.refit {
        text += &format!(", then refitted on all {}", grouped(refit.sample.rows));
    }
    if text.chars().count() > PROSE_WIDTH {
        text = text.replacen(", tested on", ",\n  tested on", 1);
    }
    text
}

/// Returns the lines of the verdict: a caution, the headline and its details.
pub(crate) fn verdict(verdict: &Verdict) -> Vec<String> {
    let headline = verdict.caution().into_iter().chain([verdict.to_string()]);
    headline
        .flat_map(|line| wrapped_lines(&line, PROSE_WIDTH, "  "))
        .chain(
            verdict
                .details()
                .iter()
                .flat_map(|line| wrapped_lines(&format!("  {line}"), PROSE_WIDTH, "    ")),
        )
        .collect()
}

/// Returns the metrics that matter most.
fn metrics(e: &Evaluation) -> String {
    let estimate = |name: &str, estimate: Estimate, places: usize, note: String| {
        let value = decimal(estimate.value, places);
        vec![name.to_owned(), value, range(estimate.interval, places), note]
    };
    let mut rows = Vec::new();
    rows.extend(e.roc_auc.map(|auc| estimate("ROC AUC", auc, 3, "chance: 0.5".to_owned())));
    let places = places_of_log_loss(e.log_loss.value);
    rows.push(estimate(
        "Log loss",
        e.log_loss,
        places,
        format!("base rate alone: {}", decimal(entropy(e.base_rate), places)),
    ));
    if let Some(top) = e.top_share(10).filter(|top| top.lift.is_some()) {
        rows.push(vec![
            "Lift".to_owned(),
            lift(top.lift),
            String::new(),
            format!("in the top 10%, where {} convert", percent(top.precision)),
        ]);
    }
    // The horizons of an account's rows overlap, so their conversions cannot be added up.
    let conversions = (e.accounts == e.n).then(|| {
        let expected = decimal(e.expected_conversions, 0);
        format!("  {expected} expected, {} observed", grouped(e.conversions))
    });
    if conversions.is_some() {
        rows.push(vec!["Conversions".to_owned()]);
    }
    // A sentence in the last row would widen the column of numbers.
    table(&["", "test", "95% CI", "note"], rows, 1..2) + &conversions.unwrap_or_default()
}

/// Returns the decimal places that show three significant digits of a log loss below 1.
fn places_of_log_loss(log_loss: f64) -> usize {
    match log_loss {
        size if size < 0.001 => 6,
        size if size < 0.01 => 5,
        size if size < 0.1 => 4,
        _ => 3,
    }
}

/// Returns the most important families with the direction of their strongest member, below a
/// heading.
fn features(model: &Model, most: usize) -> Vec<String> {
    let rows: Vec<Vec<String>> = model
        .families
        .iter()
        .filter_map(|family| {
            let [measure, others @ ..] = family.measures.as_slice() else { return None };
            Some((measure, others.len(), direction(model, measure)?))
        })
        .take(most)
        .map(|(measure, others, direction)| {
            let related = match others {
                0 => String::new(),
                1 => " (stronger of 2 related features)".to_owned(),
                others => format!(" (strongest of {} related features)", others + 1),
            };
            let direction = describe_direction(&direction, is_count(&model.preprocessor, measure));
            vec![
                format!("  {}", describe_measure(&model.preprocessor, measure)),
                direction + &related,
            ]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    let line =
        |row: &Vec<String>| one_line(&format!("{:width$}   {}", row[0], row[1])).into_owned();
    std::iter::once("Most important features".to_owned()).chain(rows.iter().map(line)).collect()
}

/// Describes a direction, such as `more raises the score`.
fn describe_direction(direction: &Direction, is_count: bool) -> String {
    let verb = |raises: bool| if raises { "raises" } else { "lowers" };
    let larger = if is_count { "more" } else { "higher value" };
    match direction {
        Direction::Raises => format!("{larger} raises the score"),
        Direction::Lowers => format!("{larger} lowers the score"),
        Direction::Varies => "windows differ in direction".to_owned(),
        Direction::Level { level, raises } => format!("`{level}` {} the score", verb(*raises)),
        Direction::Missing { raises } => format!("a missing value {} the score", verb(*raises)),
    }
}

/// Returns how columns were read, if not as usual, and which of them are no features.
fn column_notes(model: &Model) -> Vec<String> {
    let read = model.warnings.iter().filter(|warning| warning.is_expected());
    let notes = unasked_features(&model.dropped_features).into_iter();
    let notes = notes.chain(read.map(ToString::to_string));
    notes.flat_map(|note| wrapped_lines(&note, PROSE_WIDTH, "  ")).collect()
}

/// Returns whole warnings, possible leaks first, as far as they fit into a number of lines, and how
/// many more there are.
fn warnings(model: &Model, room: usize) -> Vec<String> {
    let leaks = model.findings.iter().map(|finding| format!("Possible leak: {finding}"));
    // A command prints warnings about lost input before its summary.
    let shown = |warning: &&Warning| !warning.is_expected() && !warning.is_about_lost_input();
    let warned = model.warnings.iter().filter(shown);
    let all: Vec<String> =
        leaks.chain(warned.map(|warning| format!("Warning: {warning}"))).collect();
    whole_warnings(&all, room)
}

/// Returns at most [`MAX_WARNINGS`] texts that fit into `room` lines, broken into lines, then the
/// number of the others. A text is never cut, because what to do comes last in it.
fn whole_warnings(texts: &[String], room: usize) -> Vec<String> {
    let (mut lines, mut shown) = (Vec::new(), 0);
    for text in texts.iter().take(MAX_WARNINGS) {
        let text = wrapped_lines(text, PROSE_WIDTH, "  ");
        let line_for_others = usize::from(shown + 1 < texts.len());
        if lines.len() + text.len() + line_for_others > room {
            break;
        }
        lines.extend(text);
        shown += 1;
    }
    let more = (texts.len() - shown) as u64;
    if more > 0 {
        let noun = if shown > 0 { "more warning" } else { "warning" };
        lines.push(format!("{}: rerun with `-v`", counted(more, noun)));
    }
    lines
}

/// Returns where the model is stored, which model is the champion, and what to run next.
pub(crate) fn stored(summary: &TrainingSummary<'_>) -> Vec<String> {
    let TrainingSummary { model, label, path, champion, options, .. } = *summary;
    let name = label.split_once('/').map_or(label, |(name, _)| name);
    let is_champion = champion == Some(label);
    let options = if options.is_empty() { String::new() } else { format!(" {options}") };
    // Commands on stored models need the folder alone.
    let models = options.find(" --models ").map_or("", |start| &options[start..]);
    let features = if model.catalog.is_some() { "" } else { " --features FILE" };
    let folder = path.parent().unwrap_or(path).display().to_string();
    let (folder, options) = (one_line(&folder), one_line(&options));
    if let Some(unmet) = summary.unmet {
        let champion = champion.map_or_else(
            || format!("`{name}` has no champion"),
            |champion| format!("the champion is still {champion}"),
        );
        return vec![
            format!(
                "Stored as {label} ({folder}), not promoted: `--require {}` is not met",
                unmet.name()
            ),
            format!("  {champion}"),
        ];
    }
    if is_champion {
        return vec![
            format!("Stored as {label}, now the champion ({folder})"),
            format!("Next: pql score {name}{options}{features} -o scores.csv"),
            format!("      pql report {name}{options}"),
        ];
    }
    let Some(champion) = champion else {
        return vec![
            format!("Stored as {label} ({folder}); `{name}` has no champion"),
            format!("Next: pql models promote {label}{models}"),
        ];
    };
    vec![
        format!("Stored as {label} ({folder}); the champion is still {champion}"),
        format!("Next: pql compare {label}{options}"),
        format!("      pql models promote {label}{models}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_whole_or_only_counted() {
        let long = format!("{}. Do this.", ["word"; 50].join(" "));
        let texts = [long, "short".to_owned(), "another".to_owned()];
        let lines = whole_warnings(&texts, 5);
        assert_eq!(lines.len(), 5);
        assert!(lines[2].ends_with("Do this.") && lines[3] == "short", "{lines:?}");
        assert_eq!(lines[4], "1 more warning: rerun with `-v`");
        assert_eq!(whole_warnings(&texts, 3), ["3 warnings: rerun with `-v`"]);
        assert_eq!(whole_warnings(&texts[1..], 2), ["short", "another"]);
    }

    #[test]
    fn counts_have_more_and_other_features_higher_values() {
        let describe = |direction, is_count| describe_direction(&direction, is_count);
        assert_eq!(describe(Direction::Raises, true), "more raises the score");
        assert_eq!(describe(Direction::Lowers, false), "higher value lowers the score");
        let level = Direction::Level { level: "AU".to_owned(), raises: true };
        assert_eq!(describe(level, false), "`AU` raises the score");
        assert_eq!([0.0115, 0.34, 0.0012].map(places_of_log_loss), [4, 3, 5]);
    }
}
