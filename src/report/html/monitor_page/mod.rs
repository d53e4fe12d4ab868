//! The page about a batch compared with the training rows.

mod features;
mod outcomes;

use maud::{Markup, html};

use crate::error::Result;
use crate::model::Model;
use crate::operations::monitor::{EventNames, Monitoring, NameUse, Realised};
use crate::report::format::{counted, number, percent, three};
use crate::report::html::elements::{Table, document, list, paragraph};
use crate::report::html::header::{PageHeader, Tile, Tone, Verdict, warnings};

/// What the page is about.
#[derive(Debug, Clone, Copy)]
pub struct MonitorPage<'a> {
    /// What there is to say of the batch.
    pub monitoring: &'a Monitoring,
    /// The model.
    pub model: &'a Model,
}

/// How the marks of the training rows and of the batch look.
const CLASSES: [&str; 2] = ["train", "yes"];

impl MonitorPage<'_> {
    /// Returns the page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot
    ///   be read
    pub fn html(&self) -> Result<String> {
        let monitoring = self.monitoring;
        let at =
            monitoring.at.as_ref().map_or(String::new(), |at| format!(", batch of {}", &at[..10]));
        let header = PageHeader {
            kicker: format!("Model `{}`{at}", monitoring.model),
            title: "Does the model still see what it was trained on?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        let content = html! {
            (header)
            (warnings(&self.warning_texts()?))
            @if let Some(scores) = &monitoring.scores { (features::scores(scores)) }
            @if !monitoring.features.is_empty() { (features::features(&monitoring.features)) }
            @if let Some(events) = &monitoring.events { (event_names(events)) }
            @if let Some(realised) = &monitoring.realised { (outcomes::outcomes(realised)) }
        };
        Ok(document(&format!("pql monitor: {}", monitoring.model), &content))
    }

    fn verdict(&self) -> Verdict {
        let monitoring = self.monitoring;
        let (tone, lead) = match monitoring.alarms.len() {
            0 => (Tone::Good, "Yes: nothing is to be seen to.".to_owned()),
            n => (Tone::Doubt, format!("No: {} to be seen to.", counted(n as u64, "thing"))),
        };
        let reasons = format!(
            "{} held against {} of {}.",
            counted(monitoring.rows, "row"),
            counted(monitoring.training_rows, "training row"),
            counted(monitoring.training_accounts, "account")
        );
        Verdict { tone, lead, reasons }
    }

    fn tiles(&self) -> Vec<Tile<'static>> {
        let monitoring = self.monitoring;
        let watched = monitoring.features.iter().filter(|drift| drift.watched).count();
        let mut tiles = vec![Tile {
            name: "Features that drifted",
            metric: "drifted",
            value: Some(number(monitoring.drifted())),
            formatted: monitoring.drifted().to_string(),
            note: format!("of {watched} that are watched"),
        }];
        if let Some(scores) = &monitoring.scores {
            tiles.push(Tile {
                name: "Mean probability",
                metric: "mean_now",
                value: Some(scores.mean_now),
                formatted: percent(scores.mean_now),
                note: format!(
                    "{} of the training rows; PSI {}",
                    percent(scores.mean_then),
                    three(scores.shift.psi)
                ),
            });
            tiles.push(Tile {
                name: "Reach the threshold",
                metric: "reach_now",
                value: Some(scores.reach_now),
                formatted: percent(scores.reach_now),
                note: format!("{} of the training rows", percent(scores.reach_then)),
            });
        }
        if let Some(e) = monitoring.realised.as_ref().map(|realised| &realised.evaluation) {
            tiles.push(Tile {
                name: "Converted, of those scored before",
                metric: "base_rate",
                value: Some(e.base_rate),
                formatted: percent(e.base_rate),
                note: format!(
                    "{} of {}; {} predicted, ROC AUC {}",
                    e.conversions,
                    counted(e.n, "row"),
                    percent(e.expected_conversions / number(e.n)),
                    three(e.roc_auc.map(|auc| auc.value))
                ),
            });
        }
        tiles
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let known = [
            ("#scores-now", "Scores"),
            ("#features", "Features"),
            ("#events", "Event names"),
            ("#outcomes", "What became of them"),
        ];
        let there = |(href, _): &(&str, &str)| match *href {
            "#events" => self.monitoring.events.is_some(),
            "#outcomes" => self.monitoring.realised.is_some(),
            _ => !self.monitoring.features.is_empty(),
        };
        known.into_iter().filter(there).collect()
    }

    /// Returns the alarms, and what a reader should know.
    fn warning_texts(&self) -> Result<Vec<String>> {
        let monitoring = self.monitoring;
        let mut texts: Vec<String> = monitoring.alarms.iter().map(ToString::to_string).collect();
        if monitoring.not_finite > 0 {
            texts.push(format!(
                "{} rows were not scored, since a value is not finite",
                monitoring.not_finite
            ));
        }
        let ignored: Vec<String> = monitoring
            .features
            .iter()
            .filter(|drift| drift.drifted && !drift.watched)
            .map(|drift| format!("`{}`", drift.feature))
            .collect();
        if !ignored.is_empty() {
            texts.push(format!("drifted, and raises no alarm as asked: {}", ignored.join(", ")));
        }
        texts.extend(
            monitoring
                .realised
                .iter()
                .flat_map(Realised::left_out)
                .map(|(reason, rows)| format!("{rows} rows left out {reason}")),
        );
        if monitoring.realised.is_some() && self.model.config()?.qualify.holdout == 0.0 {
            texts.push("where scores were acted upon, outcomes are no longer those of being left alone: `qualify.holdout` keeps accounts to compare with".to_owned());
        }
        Ok(texts)
    }
}

/// Returns the event names that are gone or new.
fn event_names(names: &EventNames) -> Markup {
    let row = |kind: &str, name: &NameUse| {
        let last = name.last_seen.clone().unwrap_or_else(|| "never".to_owned());
        vec![
            format!("`{}`", name.event),
            kind.to_owned(),
            percent(name.then),
            percent(name.now),
            last,
        ]
    };
    let rows = names
        .gone
        .iter()
        .map(|name| row("gone", name))
        .chain(names.new.iter().map(|name| row("new", name)));
    let renamed = names.renamed.iter().map(|renamed| {
        format!("`{}` may have become `{}`: {}", renamed.from, renamed.to, renamed.because)
    });
    html! {
        section id="events" {
            h2 { "Event names" }
            (paragraph(&format!("In the {} days before the cutoffs of {}.", names.days, counted(names.rows, "row"))))
            @if names.new.is_empty() && names.gone.is_empty() {
                (paragraph("None is new, and none is gone."))
            } @else {
                (Table::new("Names that are gone or new", &["event", "", "of training rows", "of the batch", "last seen"], rows))
                (list(renamed))
            }
        }
    }
}
