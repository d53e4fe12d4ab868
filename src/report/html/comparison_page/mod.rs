//! The page that compares a challenger with the champion.

mod curves;
mod differences;
mod metrics;

use maud::html;
use metrics::{format_difference, format_interval};
use pql_stats::metrics::Evaluation;

use crate::dataset::split::MIN_TEST_ACCOUNTS;
use crate::error::Result;
use crate::model::Model;
use crate::operations::compare::{Comparison, ComparisonVerdict, PairedScores};
use crate::report::format::{counted, enumerated, four, grouped, one_decimal, signed_count, three};
use crate::report::html::elements::{Table, document};
use crate::report::html::header::{MetricTile, PageHeader, PageVerdict, Tone, notices};
use crate::report::html::training_facts::training_facts;
use crate::time::Zone;
use crate::warning::Warning;

/// Inputs of the page; arrays have the challenger first.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonPage<'a> {
    /// The result of the comparison.
    pub comparison: &'a Comparison,
    /// The rows they were compared on.
    pub rows: &'a PairedScores,
    /// The models.
    pub models: [&'a Model; 2],
    /// Names and versions of the models.
    pub labels: [&'a str; 2],
    /// Warnings about the rows.
    pub notes: &'a [Warning],
    /// Replaces account ids by numbers.
    pub mask: bool,
}

/// CSS classes of the challenger and the champion.
const CLASSES: [&str; 2] = ["yes", "no"];

impl ComparisonPage<'_> {
    /// Returns the time zone of its days.
    fn zone(&self) -> Zone {
        self.models[0].zone()
    }

    /// Renders the page as HTML.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in a model cannot
    ///   be read
    pub fn html(&self) -> Result<String> {
        let [challenger, champion] = self.labels;
        let header = PageHeader {
            subject: format!("Challenger `{challenger}`, champion `{champion}`"),
            title: "Should the challenger replace the champion?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        let content = html! {
            (header)
            (notices("Warnings", &self.warning_texts()?))
            (curves::performance(self))
            (differences::cutoffs(self))
            (differences::features(self))
            (differences::disagreement(self))
            section id="models" { h2 { "How the models were trained" } (self.training_table()?) }
        };
        Ok(document(&format!("pql compare: {challenger} and {champion}"), &content))
    }

    /// Returns the evaluations, challenger first.
    fn evaluations(&self) -> [&Evaluation; 2] {
        [&self.comparison.challenger.metrics, &self.comparison.champion.metrics]
    }

    fn verdict(&self) -> PageVerdict {
        let e = self.evaluations()[0];
        let rows = if e.n == e.accounts {
            counted(e.accounts, "account")
        } else {
            format!("{} of {}", counted(e.n, "row"), counted(e.accounts, "account"))
        };
        let difference = &self.comparison.log_loss;
        let by = format!(
            "Log loss of the challenger minus that of the champion is {} (95% CI {}; below 0, the challenger is better).",
            format_difference(difference),
            format_interval(difference)
        );
        let (tone, lead) = match self.comparison.verdict() {
            ComparisonVerdict::Better => {
                (Tone::Good, "Yes: the challenger is significantly better.".to_owned())
            }
            ComparisonVerdict::Worse => {
                (Tone::Doubt, "No: the challenger is significantly worse.".to_owned())
            }
            _ if self.comparison.identical => (
                Tone::Neutral,
                "No difference: both models give every row the same probability.".to_owned(),
            ),
            ComparisonVerdict::Undecided => (
                Tone::Neutral,
                "Undecided: the difference in log loss is not significant.".to_owned(),
            ),
            ComparisonVerdict::NoVerdict => {
                let shortage = self.comparison.shortage().unwrap_or_default();
                (Tone::Neutral, format!("No verdict: {shortage}."))
            }
        };
        let sample =
            format!("The compared rows have {} among {rows}", counted(e.conversions, "conversion"));
        let reasons = match self.comparison.verdict() {
            _ if self.comparison.identical => format!("{sample}."),
            ComparisonVerdict::Undecided => {
                format!("{by} {sample}, too few conversions to confirm a difference of this size.")
            }
            ComparisonVerdict::NoVerdict => format!(
                "{sample}. A verdict needs {MIN_TEST_ACCOUNTS} accounts with each outcome. With fewer, confidence intervals of differences are unreliable and left out."
            ),
            _ => format!("{by} {sample}."),
        };
        PageVerdict { tone, lead, reasons }
    }

    fn tiles(&self) -> Vec<MetricTile<'static>> {
        let (comparison, [one, other]) = (self.comparison, self.evaluations());
        let volume = &comparison.at_equal_volume;
        let auc = comparison.roc_auc.as_ref();
        let more = volume.model.conversions - volume.baseline.conversions;
        vec![
            MetricTile {
                name: "Difference in log loss",
                metric: "log_loss",
                value: Some(comparison.log_loss.difference),
                formatted: format_difference(&comparison.log_loss),
                note: format!(
                    "challenger {}, champion {}; below 0 favors the challenger",
                    four(one.log_loss.value),
                    four(other.log_loss.value)
                ),
            },
            MetricTile {
                name: "Difference in ROC AUC",
                metric: "roc_auc",
                value: auc.map(|d| d.difference),
                formatted: auc.map_or("–".to_owned(), format_difference),
                note: format!(
                    "challenger {}, champion {}; 95% CI {}",
                    three(one.roc_auc.map(|auc| auc.value)),
                    three(other.roc_auc.map(|auc| auc.value)),
                    auc.map_or("–".to_owned(), format_interval)
                ),
            },
            MetricTile {
                name: "Extra conversions",
                metric: "conversions_at_equal_volume",
                value: Some(more),
                formatted: signed_count(more),
                note: format!(
                    "challenger {}, champion {}, each in its {} best rows",
                    one_decimal(volume.model.conversions),
                    one_decimal(volume.baseline.conversions),
                    grouped(volume.matched)
                ),
            },
            MetricTile {
                name: "Rank correlation",
                metric: "rank_correlation",
                value: comparison.rank_correlation,
                formatted: three(comparison.rank_correlation),
                note: "Spearman; 1 means identical rankings".to_owned(),
            },
        ]
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let sections = [
            ("#performance", "Performance"),
            ("#cutoffs", "Cohorts"),
            ("#features", "Features"),
            ("#disagreement", "Disagreement"),
            ("#models", "Training details"),
        ];
        sections
            .into_iter()
            .filter(|(href, _)| *href != "#cutoffs" || self.comparison.by_cutoff.len() > 1)
            .collect()
    }

    /// Returns how each model was trained.
    fn training_table(&self) -> Result<Table> {
        let [one, other] = [
            training_facts(self.models[0], &self.models[0].config()?),
            training_facts(self.models[1], &self.models[1].config()?),
        ];
        let rows = one
            .into_iter()
            .zip(other)
            .map(|((name, one), (_, other))| vec![name.to_owned(), one, other]);
        Ok(Table::new("Training details", &["property", self.labels[0], self.labels[1]], rows))
    }

    /// Returns warnings about the rows, differences in configuration, and a missing holdout.
    fn warning_texts(&self) -> Result<Vec<String>> {
        let mut texts: Vec<String> = self.notes.iter().map(ToString::to_string).collect();
        let verdicts = self.labels.iter().zip(&self.comparison.model_verdicts);
        texts.extend(verdicts.filter(|(_, verdict)| verdict.is_poor()).map(|(label, verdict)| {
            format!("`{label}` on its own test set: {}", verdict.headline())
        }));
        let without_skill = self.comparison.without_skill(self.labels);
        texts.extend(
            without_skill.iter().map(|label| format!("`{label}` has no skill on these rows")),
        );
        if let Some((first, last)) = self
            .rows
            .cutoff
            .as_ref()
            .and_then(|cutoff| cutoff.iter().min().zip(cutoff.iter().max()))
        {
            let days = [*first, *last].map(|cutoff| self.zone().day(cutoff));
            let span = if days[0] == days[1] {
                format!("are from {}", days[0])
            } else {
                format!("range from {} to {}", days[0], days[1])
            };
            texts.push(format!("the cutoffs {span}. At other times the result may differ"));
        }
        let [one, other] = [self.models[0].config()?, self.models[1].config()?];
        let settings: Vec<String> = one
            .all_differences(&other)
            .iter()
            .map(|setting| {
                format!(
                    "`{}` (challenger {}, champion {})",
                    setting.key, setting.value, setting.other
                )
            })
            .collect();
        if !settings.is_empty() {
            texts.push(format!("the configurations differ in {}", enumerated(&settings)));
        }
        if one.qualify.holdout.max(other.qualify.holdout) == 0.0 {
            texts.push(
                "if sales acts on the champion's scores, the outcomes favor the champion. To avoid this, compare on a holdout (`qualify.holdout`)".to_owned(),
            );
        }
        Ok(texts)
    }
}
