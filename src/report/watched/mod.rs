//! The page of a batch held against the training rows.

mod features;
mod outcomes;

use crate::error::Result;
use crate::model::Model;
use crate::monitor::{EventNames, Monitoring, NameUse, Realised};
use crate::report::head::{Head, Kind, Tile, Verdict, beware};
use crate::report::html::{Html, Table};
use crate::report::words::{between, counted, four, number, percent, three};

/// What the page is about.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// What there is to say of the batch.
    pub monitoring: &'a Monitoring,
    /// The model.
    pub model: &'a Model,
}

/// How the marks of the training rows and of the batch look.
const CLASSES: [&str; 2] = ["train", "yes"];

impl Watched<'_> {
    /// The page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot be read
    pub fn html(&self) -> Result<String> {
        let of = self.monitoring;
        let mut body = Html::default();
        let at = of.at.as_ref().map_or(String::new(), |at| format!(", batch of {}", &at[..10]));
        let head = Head {
            kicker: format!("Model `{}`{at}", of.model),
            title: "Does the model still see what it was trained on?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        head.put(&mut body);
        beware(&self.doubts()?, &mut body);
        features::scores(of, &mut body);
        features::features(of, &mut body);
        if let Some(events) = &of.events {
            names(events, &mut body);
        }
        if let Some(realised) = &of.realised {
            outcomes::outcomes(realised, &mut body);
        }
        Ok(crate::report::page(&format!("pql monitor: {}", of.model), body))
    }

    fn verdict(&self) -> Verdict {
        let of = self.monitoring;
        let (kind, lead) = match of.alarms.len() {
            0 => (Kind::Good, "Yes: nothing is to be seen to.".to_owned()),
            n => (Kind::Doubt, format!("No: {} to be seen to.", counted(n as u64, "thing"))),
        };
        let held = format!(
            "{} held against {} of {}.",
            counted(of.rows, "row"),
            counted(of.training_rows, "training row"),
            counted(of.training_accounts, "account")
        );
        Verdict { kind, lead, why: held }
    }

    fn tiles(&self) -> Vec<Tile<'static>> {
        let of = self.monitoring;
        let watched = of.features.iter().filter(|drift| drift.watched).count();
        let mut tiles = vec![Tile {
            name: "Features that drifted",
            metric: "drifted",
            value: Some(number(of.drifted())),
            shown: of.drifted().to_string(),
            note: format!("of {watched} that are watched"),
        }];
        if let Some(scores) = &of.scores {
            tiles.push(Tile {
                name: "Mean probability",
                metric: "mean_now",
                value: Some(scores.mean_now),
                shown: percent(scores.mean_now),
                note: format!("{} of the training rows; PSI {}", percent(scores.mean_then), three(scores.shift.psi)),
            });
            tiles.push(Tile {
                name: "Reach the threshold",
                metric: "reach_now",
                value: Some(scores.reach_now),
                shown: percent(scores.reach_now),
                note: format!("{} of the training rows", percent(scores.reach_then)),
            });
        }
        if let Some(e) = of.realised.as_ref().map(|realised| &realised.evaluation) {
            tiles.push(Tile {
                name: "Converted, of those scored before",
                metric: "base_rate",
                value: Some(e.base_rate),
                shown: percent(e.base_rate),
                note: format!(
                    "{} of {}; {} predicted, ROC AUC {}",
                    e.conversions,
                    counted(e.n, "row"),
                    percent(e.expected_conversions / number(e.n)),
                    three(e.roc_auc)
                ),
            });
        }
        tiles
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let known =
            [("#scores-now", "Scores"), ("#features", "Features"), ("#events", "Event names"), ("#outcomes", "What became of them")];
        let there = |(href, _): &(&str, &str)| match *href {
            "#events" => self.monitoring.events.is_some(),
            "#outcomes" => self.monitoring.realised.is_some(),
            _ => !self.monitoring.features.is_empty(),
        };
        known.into_iter().filter(there).collect()
    }

    /// What is to be seen to, and what a reader should know.
    fn doubts(&self) -> Result<Vec<String>> {
        let of = self.monitoring;
        let mut said = of.alarms.clone();
        if of.not_finite > 0 {
            said.push(format!("{} rows were not scored, since a value is not finite", of.not_finite));
        }
        let ignored: Vec<String> =
            of.features.iter().filter(|drift| drift.drifted && !drift.watched).map(|drift| format!("`{}`", drift.feature)).collect();
        if !ignored.is_empty() {
            said.push(format!("drifted, and raises no alarm as asked: {}", ignored.join(", ")));
        }
        said.extend(of.realised.iter().flat_map(Realised::left_out));
        if of.realised.is_some() && self.model.config()?.qualify.holdout == 0.0 {
            said.push("where scores were acted upon, outcomes are no longer those of being left alone: `qualify.holdout` keeps accounts to compare with".to_owned());
        }
        Ok(said)
    }
}

/// Put the event names.
fn names(of: &EventNames, body: &mut Html) {
    let rows = counted(of.rows, "row");
    body.section("events", "Event names").paragraph(&format!("In the {} days before the cutoffs of {rows}.", of.days));
    if of.new.is_empty() && of.gone.is_empty() {
        body.paragraph("None is new, and none is gone.").raw("</section>\n");
        return;
    }
    let row = |kind: &str, name: &NameUse| {
        let last = name.last_seen.clone().unwrap_or_else(|| "never".to_owned());
        vec![format!("`{}`", name.event), kind.to_owned(), percent(name.then), percent(name.now), last]
    };
    let rows = of.gone.iter().map(|name| row("gone", name)).chain(of.new.iter().map(|name| row("new", name))).collect();
    body.table(&Table::new("Names that are gone or new", &["event", "", "of training rows", "of the batch", "last seen"], rows));
    body.list(of.renamed.iter().map(|renamed| format!("`{}` may have become `{}`: {}", renamed.from, renamed.to, renamed.because)));
    body.raw("</section>\n");
}
