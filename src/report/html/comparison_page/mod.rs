//! The page that compares a challenger with the champion.

mod curves;
mod differences;
mod metrics;

use maud::html;
use metrics::{format_difference, format_interval};
use pql_stats::metrics::Evaluation;

use crate::error::Result;
use crate::model::Model;
use crate::operations::compare::{Common, Comparison, Verdict as Answer};
use crate::report::format::{between, counted, four, signed, three};
use crate::report::html::elements::{Table, document};
use crate::report::html::header::{PageHeader, Tile, Tone, Verdict, warnings};
use crate::report::html::provenance::training_facts;
use crate::time::iso_day;
use crate::warning::Warning;

/// What the page is about; of two the challenger comes first.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonPage<'a> {
    /// Who is better, and by what.
    pub comparison: &'a Comparison,
    /// The rows they were compared on.
    pub rows: &'a Common,
    /// The models.
    pub models: [&'a Model; 2],
    /// What they are called.
    pub labels: [&'a str; 2],
    /// What a reader should know of the rows.
    pub notes: &'a [Warning],
    /// Whether accounts are numbered instead of named.
    pub mask: bool,
}

/// How the marks of challenger and champion look.
const CLASSES: [&str; 2] = ["yes", "no"];

impl ComparisonPage<'_> {
    /// Returns the page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in a model cannot
    ///   be read
    pub fn html(&self) -> Result<String> {
        let [challenger, champion] = self.labels;
        let header = PageHeader {
            kicker: format!("Challenger `{challenger}` against champion `{champion}`"),
            title: "Should the challenger take the place of the champion?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        let content = html! {
            (header)
            (warnings(&self.warning_texts()?))
            (curves::performance(self))
            (differences::cutoffs(self))
            (differences::weights(self))
            (differences::disagreement(self))
            section id="models" { h2 { "The two models" } (self.provenance()?) }
        };
        Ok(document(&format!("pql compare: {challenger} and {champion}"), &content))
    }

    /// Returns the evaluations, the challenger's first.
    fn evaluations(&self) -> [&Evaluation; 2] {
        [&self.comparison.challenger.evaluation, &self.comparison.champion.evaluation]
    }

    fn verdict(&self) -> Verdict {
        let e = self.evaluations()[0];
        let on = format!("{} of {}", counted(e.n, "row"), counted(e.accounts, "account"));
        let difference = &self.comparison.log_loss;
        let by = format!(
            "Its log loss less that of the champion is {}, 95 % {}.",
            format_difference(difference),
            format_interval(difference)
        );
        let (tone, lead) = match self.comparison.verdict {
            Answer::Better => (Tone::Good, "Yes: it is surely better."),
            Answer::Worse => (Tone::Doubt, "No: it is surely worse."),
            Answer::Undecided if self.comparison.alike => {
                (Tone::Neutral, "Both give every row the same probability.")
            }
            Answer::Undecided => (Tone::Neutral, "Nobody can tell yet."),
        };
        let few = format!("{} on {on}", counted(e.conversions, "conversion"));
        let reasons = match self.comparison.verdict {
            Answer::Undecided if self.comparison.alike => format!("There are {few}."),
            Answer::Undecided => format!("{by} {few} tell no more."),
            _ => format!("{by} There are {few}."),
        };
        Verdict { tone, lead: lead.to_owned(), reasons }
    }

    fn tiles(&self) -> Vec<Tile<'static>> {
        let (comparison, [one, other]) = (self.comparison, self.evaluations());
        let volume = &comparison.at_equal_volume;
        let auc = comparison.roc_auc.as_ref();
        let more = volume.model.conversions - volume.rule.conversions;
        vec![
            Tile {
                name: "Log loss, difference",
                metric: "log_loss",
                value: Some(comparison.log_loss.difference),
                formatted: format_difference(&comparison.log_loss),
                note: format!(
                    "{} against {}; below 0 the challenger is better",
                    four(one.log_loss.value),
                    four(other.log_loss.value)
                ),
            },
            Tile {
                name: "ROC AUC, difference",
                metric: "roc_auc",
                value: auc.map(|d| d.difference),
                formatted: auc.map_or("–".to_owned(), |d| signed(d.difference, 3)),
                note: format!(
                    "{} against {}; 95 % {}",
                    three(one.roc_auc.map(|auc| auc.value)),
                    three(other.roc_auc.map(|auc| auc.value)),
                    between(auc.and_then(|auc| auc.interval), |v| signed(v, 3))
                ),
            },
            Tile {
                name: "Conversions more at equal volume",
                metric: "conversions_at_equal_volume",
                value: Some(more),
                formatted: signed(more, 1),
                note: format!(
                    "{:.1} against {:.1} among the {} rows that the champion qualifies, cutoff by cutoff",
                    volume.model.conversions, volume.rule.conversions, volume.held
                ),
            },
            Tile {
                name: "Correlation of the rankings",
                metric: "rank_correlation",
                value: comparison.rank_correlation,
                formatted: three(comparison.rank_correlation),
                note: "Spearman's; 1: both rank alike".to_owned(),
            },
        ]
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let known = [
            ("#performance", "How good"),
            ("#cutoffs", "By cutoff"),
            ("#weights", "What weighs"),
            ("#disagreement", "Where they disagree"),
            ("#models", "The two models"),
        ];
        known
            .into_iter()
            .filter(|(href, _)| *href != "#cutoffs" || self.comparison.by_cutoff.len() > 1)
            .collect()
    }

    /// Returns what each has learned from, and how.
    fn provenance(&self) -> Result<Table> {
        let [one, other] = [
            training_facts(self.models[0], &self.models[0].config()?),
            training_facts(self.models[1], &self.models[1].config()?),
        ];
        let rows = one
            .into_iter()
            .zip(other)
            .map(|((name, one), (_, other))| vec![name.to_owned(), one, other]);
        Ok(Table::new(
            "What each has learned from, and how",
            &["", self.labels[0], self.labels[1]],
            rows,
        ))
    }

    /// Returns what a reader should know before trusting the page.
    fn warning_texts(&self) -> Result<Vec<String>> {
        let mut texts: Vec<String> = self.notes.iter().map(ToString::to_string).collect();
        if let Some((first, last)) = self
            .rows
            .cutoff
            .as_ref()
            .and_then(|cutoff| cutoff.iter().min().zip(cutoff.iter().max()))
        {
            let days = [*first, *last].map(iso_day);
            let span = if days[0] == days[1] {
                format!("of {}", days[0])
            } else {
                format!("from {} to {}", days[0], days[1])
            };
            texts.push(format!(
                "the rows are those of the cutoffs {span}: other times may favour the other"
            ));
        }
        let [one, other] = [self.models[0].config()?, self.models[1].config()?];
        let differ = one.all_differences(&other);
        if !differ.is_empty() {
            let keys = differ.iter().map(|setting| {
                format!(
                    "`{}` is {} in the challenger, {} in the champion",
                    setting.key, setting.value, setting.other
                )
            });
            texts.push(format!(
                "the two were set up differently: {}",
                keys.collect::<Vec<_>>().join("; ")
            ));
        }
        if one.qualify.holdout.max(other.qualify.holdout) == 0.0 {
            texts.push(
                "where sales acts on the champion's scores, the outcomes favour it: compare on a holdout (`qualify.holdout`)".to_owned(),
            );
        }
        Ok(texts)
    }
}
