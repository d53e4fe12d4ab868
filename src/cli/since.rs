//! `pql explain --since`: what moved an account's probability between two times.

use std::path::Path;

use serde::Serialize;

use super::Terminal;
use crate::error::Result;
use crate::model::score::{Explanation, Moved};
use crate::operations::alerts::Standings;
use crate::registry::ledger::{Ledger, Run};
use crate::registry::versions::name_of;
use crate::report::text;
use crate::time::iso;
use crate::warning::Message;

/// What `--json` says of the earlier time.
#[derive(Serialize)]
pub(super) struct Since {
    pub(super) cutoff: Option<String>,
    /// Why there was no probability.
    pub(super) not_scored: Option<Message>,
    pub(super) moved: Option<Moved>,
    /// What a ledger says of that time.
    pub(super) recorded: Option<Recorded>,
}

/// The probability that was recorded.
#[derive(Serialize)]
pub(super) struct Recorded {
    probability: Option<f64>,
    model: String,
    /// Whether that is another version than the one that explains.
    other_model: bool,
}

impl Recorded {
    /// Look up what a ledger has of an account at a time, µs UTC, by this version of the model or
    /// else by another.
    pub(super) fn find(
        dir: &Path,
        label: &str,
        (account, at): (&str, i64),
        terminal: &mut Terminal<'_>,
    ) -> Result<Option<Self>> {
        let name = name_of(label);
        let runs = Ledger::open(dir)?.runs(Some(name))?;
        let mut then: Vec<&Run> = runs.iter().filter(|run| run.at == at).collect();
        let same = then.iter().position(|run| run.label == label);
        let Some(run) = same.map(|at| then[at]).or_else(|| then.pop()) else {
            let newest = runs
                .iter()
                .rfind(|run| run.at < at)
                .map_or(String::new(), |run| format!("; the newest before is of {}", iso(run.at)));
            terminal.note(&format!(
                "`{}` has no run of `{name}` at {}{newest}",
                dir.display(),
                iso(at)
            ));
            return Ok(None);
        };
        let standings = Standings::of(run)?;
        let Some(standing) = standings.of_account(account) else {
            terminal.note(&format!("`{}` has no row of `{account}`", run.path.display()));
            return Ok(None);
        };
        Ok(Some(Self {
            probability: standing.probability,
            model: run.label.clone(),
            other_model: run.label != label,
        }))
    }

    fn in_words(&self, then: f64) -> String {
        /// Probabilities that differ by less are taken for the same.
        const SAME: f64 = 1e-9;
        let Self { probability, model, other_model } = self;
        let remark = match probability {
            _ if *other_model => ", another version of the model",
            Some(probability) if (probability - then).abs() > SAME => {
                ": the log says something else of that time today"
            }
            _ => "",
        };
        let probability = probability.map_or("no probability".to_owned(), |p| format!("{p:.4}"));
        format!("recorded then: {probability} by {model}{remark}")
    }
}

/// Print what moved.
pub(super) fn say(now: &Explanation, since: &Since, terminal: &mut Terminal<'_>) -> Result<()> {
    let Some(moved) = &since.moved else { return Ok(()) };
    let then = &moved.then;
    let one = |of: &Explanation| {
        format!("{:.4}, percentile {:.1}, tier {}", of.probability, of.percentile, of.tier)
    };
    terminal.say(&format!("probability {}; then {}", one(now), one(then)))?;
    if let Some(recorded) = &since.recorded {
        terminal.say(&recorded.in_words(then.probability))?;
    }
    let line = |name: &str, moved: f64, [then, now]: [String; 2], words: &str| {
        vec![name.to_owned(), format!("{moved:+.4}"), then, now, words.to_owned()]
    };
    let (mut rows, mut sizes) = (Vec::new(), Vec::new());
    for of in moved.measures.iter().filter(|of| of.difference != 0.0) {
        rows.push(line(&of.measure, of.difference, of.said.clone(), &of.what));
        sizes.push(of.difference);
    }
    if let Some(steps) = moved.calibration {
        rows.push(line(
            "calibration",
            steps,
            [String::new(), String::new()],
            "from the fit's log-odds to the calibrated ones",
        ));
    }
    rows.push(line(
        "log-odds",
        moved.log_odds,
        [then, now].map(|of| format!("{:+.4}", of.log_odds)),
        "the sum",
    ));
    sizes.resize(rows.len(), 0.0);
    terminal.say("")?;
    terminal.say(&text::with_bars(
        &["measure", "moved by", "then", "now", "what"],
        rows,
        1..4,
        &sizes,
        terminal.drawn,
    ))
}
