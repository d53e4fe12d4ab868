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
/// Lines of features with their heading that are shown in any case: three features and the number
/// of the others, or four.
const MIN_FEATURE_LINES: usize = 5;
/// Most lines of features with their heading.
const MAX_FEATURE_LINES: usize = 7;
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

impl TrainingSummary<'_> {
    /// Returns the options that commands on stored models need, after a blank; may be empty.
    fn models_option(&self) -> String {
        let start = self.options.find("--models ");
        start.map_or_else(String::new, |start| format!(" {}", &self.options[start..]))
    }
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
/// model is stored and what to run next. If there are more, features beyond the first three go
/// first, then whole warnings, then details of the verdict, then notes on columns. A line names
/// what shows the rest.
pub(crate) fn training_summary(summary: &TrainingSummary<'_>) -> String {
    let TrainingSummary { model, data, .. } = *summary;
    let mut data = vec![data.to_owned()];
    let rows: Vec<String> = split(model).lines().map(str::to_owned).collect();
    let (mut verdict, details) = verdict_lines(&model.verdict());
    let metrics: Vec<String> = model
        .evaluation
        .as_ref()
        .map(|evaluation| metrics(&evaluation.metrics).lines().map(str::to_owned).collect())
        .unwrap_or_default();
    let tail = stored(summary);
    let warnings = warning_texts(model);
    let notes = column_notes(model);
    let features = features(model);
    let others = format!("pql inspect {}{}", summary.label, summary.models_option());
    let least = feature_lines(&features, MIN_FEATURE_LINES, &others);
    // Each part but the first comes after a blank line. Notes, details and warnings need at least
    // one line.
    let count = |parts: &[&Vec<String>]| -> usize {
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.len() + 1).sum()
    };
    let reserved = [&notes, &details, &warnings].map(|part| usize::from(!part.is_empty()));
    let always = data.len() + rows.len() + count(&[&verdict, &metrics, &least, &tail]);
    let used = always + reserved.iter().sum::<usize>() + reserved[2];
    let least = least.len().saturating_sub(used.saturating_sub(MAX_LINES));
    let mut room = MAX_LINES.saturating_sub(used);
    let mut fill = |lines: Vec<String>, reserved: usize| {
        let lines = first_lines(lines, room + reserved);
        room = (room + reserved).saturating_sub(lines.len());
        lines
    };
    data.extend(fill(notes, reserved[0]));
    data.extend(rows);
    verdict.extend(fill(details, reserved[1]));
    let warnings = whole_warnings(&warnings, room + reserved[2]);
    room = (room + reserved[2]).saturating_sub(warnings.len());
    let features = feature_lines(&features, least + room, &others);
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
    parts.push(super::feature_importance(model, MAX_FEATURES_VERBOSE));
    Ok(parts.join("\n\n"))
}

/// Returns which rows trained and tested the model.
fn split(model: &Model) -> String {
    let (train, test) = (&model.split.train, &model.split.test);
    let mut text = format!("Trained on {}", train.describe());
    if model.split.method == SplitMethod::CrossValidation {
        return text + ", tested by cross-validation over accounts";
    }
    if test.rows > 0 {
        let newest = if model.split.first_test.is_some() { "the newest " } else { "" };
        let sample = if test.rows == test.accounts {
            let converted = grouped(test.converting_accounts);
            format!("{} ({converted} converted)", grouped(test.accounts))
        } else {
            test.describe()
        };
        text += &format!(", tested on {newest}{sample}");
    }
    if let Some(refit) = &model.refit {
        text += &format!(", then refitted on all {}", grouped(refit.sample.rows));
    }
    if text.chars().count() > PROSE_WIDTH {
        text = text.replacen(", tested on", ",\n  tested on", 1);
    }
    let last = text.lines().last().map_or(0, |line| line.chars().count());
    if last > PROSE_WIDTH {
        text = text.replacen(", then refitted", ",\n  then refitted", 1);
    }
    text
}

/// Returns the lines of the verdict: a caution, the headline and its details.
pub(crate) fn verdict(verdict: &Verdict) -> Vec<String> {
    let (headline, details) = verdict_lines(verdict);
    [headline, details].concat()
}

/// Returns the lines of a caution with the headline, and those of the details.
fn verdict_lines(verdict: &Verdict) -> (Vec<String>, Vec<String>) {
    let headline = verdict.caution().into_iter().chain([verdict.to_string()]);
    let details = verdict.details().into_iter().map(|line| format!("  {line}"));
    (
        headline.flat_map(|line| wrapped_lines(&line, PROSE_WIDTH, "  ")).collect(),
        details.flat_map(|line| wrapped_lines(&line, PROSE_WIDTH, "    ")).collect(),
    )
}

/// Returns the first lines, with what shows the others instead of the last one if they are more
/// than `most`.
fn first_lines(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most.saturating_sub(1));
        lines.push("  More: rerun with `-v`".to_owned());
    }
    lines
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

/// Returns the families, most important first, each with the direction of its strongest member.
fn features(model: &Model) -> Vec<[String; 2]> {
    let families = model.families.iter().filter_map(|family| {
        let [measure, others @ ..] = family.measures.as_slice() else { return None };
        Some((measure, others.len(), direction(model, measure)?))
    });
    families
        .map(|(measure, others, direction)| {
            let related = match others {
                0 => String::new(),
                1 => " (stronger of 2 related features)".to_owned(),
                others => format!(" (strongest of {} related features)", others + 1),
            };
            let direction = describe_direction(&direction, is_count(&model.preprocessor, measure));
            [describe_measure(&model.preprocessor, measure), direction + &related]
        })
        .collect()
}

/// Returns as many features as fit into `most` lines, at most [`MAX_FEATURE_LINES`], below a
/// heading. If there are more, the last line has their number and the command that lists them.
///
/// # Arguments
/// * `features` – names and directions, most important first
/// * `others` – the command
fn feature_lines(features: &[[String; 2]], most: usize, others: &str) -> Vec<String> {
    let room = most.min(MAX_FEATURE_LINES).saturating_sub(1);
    if features.is_empty() || room == 0 {
        return Vec::new();
    }
    let shown = if features.len() <= room { features.len() } else { (room - 1).max(1) };
    let width = features[..shown].iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
    let mut lines = vec!["Most important features".to_owned()];
    lines.extend(
        features[..shown].iter().map(|[name, direction]| format!("  {name:width$}   {direction}")),
    );
    if shown < features.len() {
        lines.push(format!("  and {} more: {others}", grouped((features.len() - shown) as u64)));
    }
    lines.iter().map(|line| one_line(line).into_owned()).collect()
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

/// Returns the texts of warnings, possible leaks first.
fn warning_texts(model: &Model) -> Vec<String> {
    let leaks = model.findings.iter().map(|finding| format!("Possible leak: {finding}"));
    // A command prints warnings about lost input before its summary.
    let shown = |warning: &&Warning| !warning.is_expected() && !warning.is_about_lost_input();
    let warned = model.warnings.iter().filter(shown);
    leaks.chain(warned.map(|warning| format!("Warning: {warning}"))).collect()
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
    let models = summary.models_option();
    let features = if model.catalog.is_some() { "" } else { " --features FILE" };
    let folder = path.parent().unwrap_or(path).display().to_string();
    let (folder, options, models) = (one_line(&folder), one_line(&options), one_line(&models));
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
    fn features_that_are_left_out_are_counted() {
        let features: Vec<[String; 2]> =
            (0..9).map(|i| [format!("f{i}"), "more raises the score".to_owned()]).collect();
        let lines = |n: usize, most: usize| feature_lines(&features[..n], most, "pql inspect m/1");
        let three = lines(9, MIN_FEATURE_LINES);
        assert_eq!(three[..2], ["Most important features", "  f0   more raises the score"]);
        assert_eq!((three.len(), three[4].as_str()), (5, "  and 6 more: pql inspect m/1"));
        let four = lines(4, MIN_FEATURE_LINES);
        assert_eq!((four.len(), four[4].as_str()), (5, "  f3   more raises the score"));
        let most = lines(9, 100);
        assert_eq!((most.len(), most[6].as_str()), (7, "  and 4 more: pql inspect m/1"));
        assert_eq!(lines(0, 9), [""; 0]);
        let texts = || (0..4).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(first_lines(texts(), 4), texts());
        assert_eq!(first_lines(texts(), 2), ["0", "  More: rerun with `-v`"]);
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
