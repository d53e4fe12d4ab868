//! The page that compares a batch with the training data.

mod features;
mod outcomes;

use maud::{Markup, html};

use crate::error::Result;
use crate::log::NewEvent;
use crate::model::Model;
use crate::operations::monitor::{EventNameDrift, MonitoringReport, RealizedPerformance};
use crate::report::format::{counted, grouped, number, percents, short, three};
use crate::report::html::elements::{Table, document, list, paragraph};
use crate::report::html::header::{MetricTile, PageHeader, PageVerdict, Tone, notices};

/// Inputs of the page.
#[derive(Debug, Clone, Copy)]
pub struct MonitorPage<'a> {
    /// The result of monitoring the batch.
    pub monitoring: &'a MonitoringReport,
    /// The model.
    pub model: &'a Model,
}

/// CSS classes of the training rows and of the batch.
const CLASSES: [&str; 2] = ["train", "yes"];

impl MonitorPage<'_> {
    /// Renders the page as HTML.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot
    ///   be read
    pub fn html(&self) -> Result<String> {
        let monitoring = self.monitoring;
        let time = monitoring
            .as_of
            .as_ref()
            .map_or(String::new(), |time| format!(", batch of {}", time.day()));
        let header = PageHeader {
            subject: format!("Model `{}`{time}", monitoring.model),
            title: "Does the model still fit today's accounts?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        let content = html! {
            (header)
            (notices("Alarms", &self.alarm_texts()))
            (notices("Warnings", &self.warning_texts()?))
            @if let Some(scores) = &monitoring.scores { (features::scores(scores, monitoring.compared_rows())) }
            @if !monitoring.features.is_empty() { (features::features(&monitoring.features)) }
            @if let Some(events) = &monitoring.events { (event_names(events)) }
            @if let Some(realized) = &monitoring.realized { (outcomes::outcomes(realized)) }
        };
        Ok(document(&format!("pql monitor: {}", monitoring.model), &content))
    }

    fn verdict(&self) -> PageVerdict {
        let monitoring = self.monitoring;
        let (tone, lead) = match monitoring.alarms.len() {
            0 => (Tone::Good, "Yes: there are no alarms.".to_owned()),
            n => (Tone::Doubt, format!("No: {}.", counted(n as u64, "alarm"))),
        };
        let rows = counted(monitoring.rows, "row");
        let reasons = match (monitoring.compared_rows(), monitoring.not_compared) {
            (0, 0) => "The batch has no scored rows.".to_owned(),
            (0, _) => format!("None of the {rows} of the batch was compared."),
            (compared, not_compared) => {
                let all = if not_compared > 0 {
                    format!("{} of ", grouped(compared))
                } else {
                    String::new()
                };
                format!(
                    "{all}{rows} of the batch were compared with {} of {}.",
                    counted(monitoring.training_rows, "training row"),
                    counted(monitoring.training_accounts, "account")
                )
            }
        };
        PageVerdict { tone, lead, reasons }
    }

    fn tiles(&self) -> Vec<MetricTile<'static>> {
        let monitoring = self.monitoring;
        let watched = monitoring.features.iter().filter(|drift| drift.monitored).count();
        let mut tiles = vec![MetricTile {
            name: "Drifted features",
            metric: "drifted",
            value: Some(number(monitoring.drifted())),
            formatted: monitoring.drifted().to_string(),
            note: format!("of {watched} monitored"),
        }];
        if let Some(scores) = &monitoring.scores {
            let compared = format!("of {}", counted(monitoring.compared_rows(), "compared row"));
            let means = percents(&[scores.current_mean, scores.reference_mean]);
            let above =
                percents(&[scores.current_above_threshold, scores.reference_above_threshold]);
            tiles.push(MetricTile {
                name: "Mean probability",
                metric: "current_mean",
                value: Some(scores.current_mean),
                formatted: means[0].clone(),
                note: format!(
                    "{compared}; training: {}; PSI {}",
                    means[1],
                    three(scores.shift.psi)
                ),
            });
            tiles.push(MetricTile {
                name: "Qualified",
                metric: "current_above_threshold",
                value: Some(scores.current_above_threshold),
                formatted: above[0].clone(),
                note: format!("{compared}; training: {}", above[1]),
            });
        }
        if let Some(e) = monitoring.realized.as_ref().map(|realized| &realized.evaluation) {
            let rates = percents(&[e.base_rate, e.expected_conversions / number(e.n)]);
            tiles.push(MetricTile {
                name: "Conversion rate of earlier scores",
                metric: "base_rate",
                value: Some(e.base_rate),
                formatted: rates[0].clone(),
                note: format!(
                    "{} of {}; predicted: {}{}",
                    grouped(e.conversions),
                    counted(e.n, "row"),
                    rates[1],
                    e.roc_auc
                        .map_or(String::new(), |auc| format!("; ROC AUC {}", three(auc.value)))
                ),
            });
        }
        tiles
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let sections = [
            ("#scores-now", "Scores"),
            ("#features", "Features"),
            ("#events", "Event names"),
            ("#outcomes", "Outcomes"),
        ];
        let has_section = |(href, _): &(&str, &str)| match *href {
            "#events" => self.monitoring.events.is_some(),
            "#outcomes" => self.monitoring.realized.is_some(),
            _ => !self.monitoring.features.is_empty(),
        };
        sections.into_iter().filter(has_section).collect()
    }

    fn alarm_texts(&self) -> Vec<String> {
        let alarms = self.monitoring.alarms.iter();
        alarms.map(|alarm| format!("{alarm} Do: {}", alarm.advice())).collect()
    }

    /// Returns skipped rows, ignored features, and a missing holdout.
    fn warning_texts(&self) -> Result<Vec<String>> {
        let monitoring = self.monitoring;
        let mut texts = Vec::new();
        if monitoring.not_finite > 0 {
            texts.push(format!(
                "{} not scored, because a value is not finite",
                counted(monitoring.not_finite, "row")
            ));
        }
        if monitoring.not_compared > 0 {
            texts.push(format!(
                "{} of {} not compared, because no training row is as old",
                grouped(monitoring.not_compared),
                counted(monitoring.rows, "row")
            ));
        }
        let ignored: Vec<String> = monitoring
            .features
            .iter()
            .filter(|drift| drift.drifted && !drift.monitored)
            .map(|drift| format!("`{}`", drift.feature))
            .collect();
        if !ignored.is_empty() {
            texts.push(format!("drifted, but ignored as requested: {}", ignored.join(", ")));
        }
        texts.extend(monitoring.realized.iter().flat_map(RealizedPerformance::dropped_rows).map(
            |(reason, rows)| format!("{} of earlier runs dropped: {reason}", counted(rows, "row")),
        ));
        if monitoring.realized.is_some() && self.model.config()?.qualify.holdout == 0.0 {
            texts.push("if sales acted on the scores, the outcomes are no longer those of uncontacted accounts. Set `qualify.holdout` to keep a comparison group".to_owned());
        }
        Ok(texts)
    }
}

/// Returns the section about missing and new event names.
fn event_names(names: &EventNameDrift) -> Markup {
    let row = |new: &NewEvent| {
        let first = new.first_seen.map_or_else(|| "–".to_owned(), |day| day.to_string());
        vec![format!("`{}`", new.event), first, short(new.per_day)]
    };
    let known = counted(names.known as u64, "event type");
    html! {
        section id="events" {
            h2 { "Event names" }
            @if names.gone.is_empty() {
                (paragraph(&format!("None of the {known} of the last training days has stopped.")))
            } @else {
                (paragraph(&format!("Of the {known} of the last training days, these have stopped:")))
                (list(names.gone.iter().map(|name| format!("`{name}`"))))
            }
            @if !names.new.is_empty() {
                (paragraph("Event types unknown in training, with at least 1% of the events of the last seven days:"))
                (Table::new("New event names", &["event", "first seen", "events per day"], names.new.iter().map(row)))
            }
        }
    }
}
