//! `pql explain --since`: explains the change of a probability between two times.

use std::path::Path;

use serde::Serialize;

use super::Terminal;
use crate::error::Result;
use crate::model::explain::MIN_CONTRIBUTION;
use crate::model::score::{ContributionChange, Explanation, ScoreChange};
use crate::operations::alerts::RunScores;
use crate::registry::ledger::{Ledger, Run};
use crate::registry::versions::model_name;
use crate::report::format::{counted, percents, rounded_terms, shorten_end, wrap};
use crate::report::text;
use crate::report::text::explanation::describe_score;
use crate::time::ZonedTime;
use crate::warning::Message;

/// The account at the earlier time.
#[derive(Serialize)]
pub(super) struct Since {
    pub(super) cutoff: Option<ZonedTime>,
    /// Reason for a missing probability.
    pub(super) not_scored: Option<Message>,
    pub(super) change: Option<ScoreChange>,
    /// The score in the ledger of that time.
    pub(super) recorded: Option<RecordedScore>,
}

/// A recorded probability.
#[derive(Serialize)]
pub(super) struct RecordedScore {
    probability: Option<f64>,
    model: String,
    /// Whether it is from another version than the explained model.
    other_model: bool,
}

impl RecordedScore {
    /// Finds the score of an account at a time, by this version of the model or else by another
    /// one.
    pub(super) fn find(
        dir: &Path,
        label: &str,
        (account, time): (&str, ZonedTime),
        terminal: &mut Terminal<'_>,
    ) -> Result<Option<Self>> {
        let name = model_name(label);
        let runs = Ledger::open(dir)?.runs(Some(name))?;
        let mut then: Vec<&Run> = runs.iter().filter(|run| run.time == time.micros()).collect();
        let same = then.iter().position(|run| run.label == label);
        let Some(run) = same.map(|index| then[index]).or_else(|| then.pop()) else {
            let earlier = runs.iter().rfind(|run| run.time < time.micros());
            let earlier = earlier.map_or(String::new(), |run| {
                format!("; the newest earlier run is {}", ZonedTime::new(run.time, time.zone()))
            });
            terminal
                .note(&format!("`{}` has no run of `{name}` at {time}{earlier}", dir.display()));
            return Ok(None);
        };
        let scores = RunScores::read(run)?;
        let Some(state) = scores.account(account) else {
            terminal.note(&format!("`{}` has no row for `{account}`", run.path.display()));
            return Ok(None);
        };
        Ok(Some(Self {
            probability: state.probability,
            model: run.label.clone(),
            other_model: run.label != label,
        }))
    }

    /// Describes the recorded score next to the one computed today.
    fn describe(&self, computed: f64) -> String {
        /// Probabilities that differ by less are the same.
        const TOLERANCE: f64 = 1e-9;
        let Self { probability, model, other_model } = self;
        let remark = match probability {
            _ if *other_model => ", another version of the model)",
            Some(probability) if (probability - computed).abs() > TOLERANCE => {
                "); the log for that time has changed since"
            }
            _ => ")",
        };
        // The score computed today is in the line before.
        let probability = probability.map_or("no probability".to_owned(), |probability| {
            percents(&[probability, computed]).swap_remove(0)
        });
        format!("recorded then: {probability} ({model}{remark}")
    }
}

/// Describes the change for people.
pub(super) fn text(title: &str, now: &Explanation, since: &Since, bars: bool) -> String {
    /// The widest name of a feature.
    const NAME_WIDTH: usize = 48;
    let Some(change) = &since.change else { return String::new() };
    let then = &change.previous;
    let earlier = since.cutoff.map_or("earlier".to_owned(), |cutoff| cutoff.to_string());
    let mut text = format!(
        "{}\n{}\n",
        wrap(&format!("{title}: {}", describe_score(now, None)), "  "),
        wrap(&format!("{earlier}: {}", describe_score(then, None)), "  ")
    );
    if let Some(recorded) = &since.recorded {
        text += &format!("{}\n", recorded.describe(then.probability));
    }
    let line = |name: &str, change: f64, [then, now]: [String; 2]| {
        vec![shorten_end(name, NAME_WIDTH), then, now, text::signed_decimal(change, 2)]
    };
    let (mut rows, mut sizes) = (Vec::new(), Vec::new());
    let changed: Vec<&ContributionChange> =
        change.contributions.iter().filter(|part| part.difference != 0.0).collect();
    if changed.is_empty() {
        return text + "\nNo feature of the account changed";
    }
    let (parts, rest): (Vec<&ContributionChange>, Vec<&ContributionChange>) =
        changed.into_iter().partition(|part| part.difference.abs() > MIN_CONTRIBUTION);
    let negligible: f64 = rest.iter().map(|part| part.difference).sum();
    let terms: Vec<f64> = parts.iter().map(|part| part.difference).collect();
    let terms = [&[negligible], &terms[..], change.calibration.as_slice()].concat();
    let rounded = rounded_terms(&terms, change.log_odds);
    for (part, difference) in parts.into_iter().zip(&rounded[1..]) {
        rows.push(line(&part.description, *difference, part.formatted.clone()));
        sizes.push(part.difference);
    }
    let blank = || [String::new(), String::new()];
    if !rest.is_empty() {
        let number = counted(rest.len() as u64, "negligible change");
        rows.push(line(&number, rounded[0], blank()));
    }
    if change.calibration.is_some() {
        rows.push(line("calibration", rounded[rounded.len() - 1], blank()));
    }
    let sums = [then, now].map(|explanation| text::signed_decimal(explanation.log_odds, 2));
    rows.push(line("sum of log-odds", change.log_odds, sums));
    sizes.resize(rows.len(), 0.0);
    let header = ["", "then", "now", "change in log-odds"];
    text + "\n" + &text::table_with_bars(&header, rows, 1..4, &sizes, bars)
}
