//! The page of a challenger against the champion.

mod curves;
mod differences;

use crate::compare::{Common, Comparison, Verdict as Answer};
use crate::error::Result;
use crate::evaluate::{Difference, Evaluation};
use crate::model::Model;
use crate::report::head::{Head, Kind, Tile, Verdict, beware};
use crate::report::html::{Html, Table};
use crate::report::made::facts;
use crate::report::words::{between, counted, four, percent, three};
use crate::time::iso_day;

/// What the page is about; of two the challenger comes first.
#[derive(Debug, Clone, Copy)]
pub struct Versus<'a> {
    /// Who is better, and by what.
    pub comparison: &'a Comparison,
    /// The rows they were compared on.
    pub rows: &'a Common,
    /// The models.
    pub models: [&'a Model; 2],
    /// What they are called.
    pub labels: [&'a str; 2],
    /// What a reader should know of the rows.
    pub notes: &'a [String],
    /// Whether accounts are numbered instead of named.
    pub mask: bool,
}

/// How the marks of challenger and champion look.
const CLASSES: [&str; 2] = ["yes", "no"];

impl Versus<'_> {
    /// The page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in a model cannot be read
    pub fn html(&self) -> Result<String> {
        let mut body = Html::default();
        let head = Head {
            kicker: format!("Challenger `{}` against champion `{}`", self.labels[0], self.labels[1]),
            title: "Should the challenger take the place of the champion?".to_owned(),
            verdict: self.verdict(),
            tiles: self.tiles(),
            links: self.links(),
        };
        head.put(&mut body);
        beware(&self.doubts()?, &mut body);
        curves::performance(self, &mut body);
        differences::cutoffs(self, &mut body);
        differences::weights(self, &mut body);
        differences::disagreement(self, &mut body);
        body.section("models", "The two models").table(&self.made()?).raw("</section>\n");
        Ok(crate::report::page(&format!("pql compare: {} and {}", self.labels[0], self.labels[1]), body))
    }

    /// The judgements, the challenger's first.
    fn evaluations(&self) -> [&Evaluation; 2] {
        [&self.comparison.challenger.evaluation, &self.comparison.champion.evaluation]
    }

    fn verdict(&self) -> Verdict {
        let e = self.evaluations()[0];
        let on = format!("{} of {}", counted(e.n, "row"), counted(e.accounts, "account"));
        let difference = &self.comparison.log_loss;
        let by = format!("Its log loss less that of the champion is {}, 95 % {}.", less(difference), interval(difference));
        let (kind, lead) = match self.comparison.verdict {
            Answer::Better => (Kind::Good, "Yes: it is surely better."),
            Answer::Worse => (Kind::Doubt, "No: it is surely worse."),
            Answer::Undecided if self.comparison.alike => (Kind::None, "Both give every row the same probability."),
            Answer::Undecided => (Kind::None, "Nobody can tell yet."),
        };
        let few = format!("{} on {on}", counted(e.conversions, "conversion"));
        let why = match self.comparison.verdict {
            Answer::Undecided if self.comparison.alike => format!("There are {few}."),
            Answer::Undecided => format!("{by} {few} tell no more."),
            _ => format!("{by} There are {few}."),
        };
        Verdict { kind, lead: lead.to_owned(), why }
    }

    fn tiles(&self) -> Vec<Tile<'static>> {
        let (of, [one, other]) = (self.comparison, self.evaluations());
        let volume = &of.at_equal_volume;
        let auc = of.roc_auc.as_ref();
        let more = volume.model.conversions - volume.rule.conversions;
        vec![
            Tile {
                name: "Log loss, difference",
                metric: "log_loss",
                value: Some(of.log_loss.difference),
                shown: less(&of.log_loss),
                note: format!("{} against {}; below 0 the challenger is better", four(one.log_loss), four(other.log_loss)),
            },
            Tile {
                name: "ROC AUC, difference",
                metric: "roc_auc",
                value: auc.map(|d| d.difference),
                shown: auc.map_or("–".to_owned(), |d| signed(d.difference, 3)),
                note: format!(
                    "{} against {}; 95 % {}",
                    three(one.roc_auc),
                    three(other.roc_auc),
                    between(auc.and_then(ends), |v| signed(v, 3))
                ),
            },
            Tile {
                name: "Conversions more at equal volume",
                metric: "conversions_at_equal_volume",
                value: Some(more),
                shown: signed(more, 1),
                note: format!(
                    "{:.1} against {:.1} among the {} rows that the champion qualifies, cutoff by cutoff",
                    volume.model.conversions, volume.rule.conversions, volume.held
                ),
            },
            Tile {
                name: "Correlation of the rankings",
                metric: "rank_correlation",
                value: of.rank_correlation,
                shown: three(of.rank_correlation),
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
        known.into_iter().filter(|(href, _)| *href != "#cutoffs" || self.comparison.by_cutoff.len() > 1).collect()
    }

    /// What each has learned from, and how.
    fn made(&self) -> Result<Table> {
        let [one, other] = [facts(self.models[0], &self.models[0].config()?), facts(self.models[1], &self.models[1].config()?)];
        let rows = one.into_iter().zip(other).map(|((name, one), (_, other))| vec![name.to_owned(), one, other]).collect();
        Ok(Table::new("What each has learned from, and how", &["", self.labels[0], self.labels[1]], rows))
    }

    /// What a reader should know before trusting the page.
    fn doubts(&self) -> Result<Vec<String>> {
        let mut said = self.notes.to_vec();
        if let Some((first, last)) = self.rows.cutoff.as_ref().and_then(|cutoff| cutoff.iter().min().zip(cutoff.iter().max())) {
            let days = [*first, *last].map(iso_day);
            let span = if days[0] == days[1] { format!("of {}", days[0]) } else { format!("from {} to {}", days[0], days[1]) };
            said.push(format!("the rows are those of the cutoffs {span}: other times may favour the other"));
        }
        let [one, other] = [self.models[0].config()?, self.models[1].config()?];
        let differ = one.all_differences(&other);
        if !differ.is_empty() {
            let keys = differ.iter().map(|of| format!("`{}` is {} in the challenger, {} in the champion", of.key, of.value, of.other));
            said.push(format!("the two were set up differently: {}", keys.collect::<Vec<_>>().join("; ")));
        }
        if one.qualify.holdout.max(other.qualify.holdout) == 0.0 {
            said.push(
                "where sales acts on the champion's scores, the outcomes favour it: compare on a holdout (`qualify.holdout`)".to_owned(),
            );
        }
        Ok(said)
    }
}

/// The ends of a difference.
fn ends(difference: &Difference) -> Option<[f64; 2]> {
    difference.low.zip(difference.high).map(|(low, high)| [low, high])
}

/// A difference with its sign.
fn less(difference: &Difference) -> String {
    signed(difference.difference, difference.places())
}

/// The 95 % interval of a difference.
fn interval(difference: &Difference) -> String {
    between(ends(difference), |v| signed(v, difference.places()))
}

/// A number with its sign.
fn signed(value: f64, places: usize) -> String {
    let text = format!("{value:+.places$}");
    text.replacen('-', "−", 1)
}

/// Metrics of both, and what lies between them.
fn metrics(of: &Versus<'_>) -> Table {
    let [one, other] = of.evaluations();
    let row = |name: &str, metric: fn(&Evaluation) -> Option<f64>, difference: Option<&Difference>| {
        let (a, b) = (metric(one), metric(other));
        let gap = a.zip(b).map_or("–".to_owned(), |(a, b)| signed(a - b, 4));
        vec![name.to_owned(), four(a), four(b), difference.map_or(gap, less), difference.map_or("–".to_owned(), interval)]
    };
    let rows = vec![
        row("log loss", |e| Some(e.log_loss), Some(&of.comparison.log_loss)),
        row("Brier score", |e| Some(e.brier), Some(&of.comparison.brier)),
        row("ROC AUC", |e| e.roc_auc, of.comparison.roc_auc.as_ref()),
        row("average precision", |e| e.average_precision, None),
        row("precision, top 1 %", |e| Some(e.precision_top_1pct), None),
        row("precision, top 10 %", |e| Some(e.precision_top_10pct), None),
        row("calibration in the large", |e| e.calibration_in_the_large, None),
        row("calibration slope", |e| e.calibration_slope, None),
        row("calibration error", |e| Some(e.ece_10_equal_mass), None),
    ];
    Table::new("Metrics on the same rows", &["metric", of.labels[0], of.labels[1], "difference", "95 %"], rows)
}

/// What both find among as many rows.
fn volume(of: &Versus<'_>) -> Table {
    let against = &of.comparison.at_equal_volume;
    let share = |value: Option<f64>| value.map_or("–".to_owned(), percent);
    let row = |who: &str, found: &crate::evaluate::Found| {
        vec![who.to_owned(), format!("{:.1}", found.conversions), share(found.precision), share(found.recall)]
    };
    let points = |value: Option<f64>, interval: Option<[f64; 2]>| {
        let point = |v: f64| format!("{} points", signed(100.0 * v, 1));
        value.map_or("–".to_owned(), |v| format!("{} (95 % {})", point(v), between(interval, |v| signed(100.0 * v, 1))))
    };
    let difference = vec![
        "difference".to_owned(),
        signed(against.model.conversions - against.rule.conversions, 1),
        points(against.precision_difference, against.precision_difference_95),
        points(against.recall_difference, against.recall_difference_95),
    ];
    let caption =
        format!("Among the {} rows that the champion qualifies, and as many of the challenger's best at each cutoff", against.held);
    Table::new(
        &caption,
        &["", "conversions", "of the rows", "of all conversions"],
        vec![row(of.labels[0], &against.model), row(of.labels[1], &against.rule), difference],
    )
}
