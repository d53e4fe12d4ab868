//! The answer first: what is predicted, for whom, how well, and what to beware of.

use super::Seen;
use super::html::Html;
use super::words::{between, counted, four, number, percent, short, span, three};
use crate::config::At;
use crate::evaluate::{Difference, Evaluation};
use crate::model::Baseline;

/// Put the head of the page.
pub(super) fn answer(seen: &Seen<'_>, body: &mut Html) {
    body.raw("<header id=\"answer\"><p class=\"kicker\">").words(&format!("Model `{}`", seen.report.label)).raw("</p>");
    body.raw("<h1>").words(&predicted(seen)).raw("</h1>\n");
    let verdict = Verdict::of(seen);
    body.open("p", &[("class", verdict.class), ("id", "verdict")])
        .element("strong", verdict.lead)
        .text(" ")
        .words(&verdict.why)
        .close("p")
        .raw("\n");
    tiles(seen, body);
    links(seen, body);
    body.raw("</header>\n");
    warnings(seen, body);
}

/// What is predicted, and for whom.
fn predicted(seen: &Seen<'_>) -> String {
    let rule = &seen.config.observation;
    if seen.model.catalogue.is_none() {
        let label = seen.config.matrix.label.as_deref().unwrap_or("converted");
        return format!("How likely is `{label}`, from the columns of a feature matrix?");
    }
    let gap = if rule.gap.0 > 0 { format!(", after a lead time of {}", span(rule.gap)) } else { String::new() };
    let horizon = span(rule.horizon);
    match rule.at {
        At::Age => format!("Which accounts convert in the {horizon} that follow their first {}{gap}?", span(rule.age)),
        At::Snapshot => format!("Which open accounts convert within the next {horizon}{gap}?"),
    }
}

/// Whether the model beats simple rules, in a few words, and how sure that is.
struct Verdict {
    class: &'static str,
    lead: &'static str,
    why: String,
}

impl Verdict {
    fn of(seen: &Seen<'_>) -> Self {
        let Some(judgement) = &seen.model.judgement else {
            let why = "There were no test rows to judge it by.".to_owned();
            return Self { class: "verdict none", lead: "Nobody knows yet how good this model is.", why };
        };
        let e = &judgement.evaluation;
        let on = format!("{} held-out {}s", e.n, seen.unit());
        let ranked = match e.roc_auc {
            Some(auc) => format!("On {on} one that converts ranks above one that does not {} of the time.", percent(auc)),
            None => format!("On {on} there is one outcome only, so that its ranking cannot be judged."),
        };
        let (beaten, unbeaten): (Vec<&Baseline>, Vec<&Baseline>) = seen.model.baselines.iter().partition(|b| b.difference.better());
        let names =
            |of: &[&Baseline]| of.iter().map(|b| format!("{} ({})", b.name, against(&b.difference))).collect::<Vec<_>>().join(" and ");
        let beats = if beaten.is_empty() { String::new() } else { format!(" It beats {}.", names(&beaten)) };
        if unbeaten.is_empty() {
            return Self { class: "verdict good", lead: "It beats the simple rules it was set against.", why: ranked + &beats };
        }
        let lead =
            if beaten.is_empty() { "It does not surely beat simple rules." } else { "Useful, but not surely better than one simple rule." };
        let only = counted(e.conversions, "conversion");
        Self {
            class: "verdict doubt",
            lead,
            why: format!("{ranked}{beats} It does not surely beat {}; {only} tell no more.", names(&unbeaten)),
        }
    }
}

/// A difference in log loss, with its interval.
fn against(difference: &Difference) -> String {
    let interval = difference.low.zip(difference.high).map(|(low, high)| [low, high]);
    format!("log loss {}, 95 % {}", four(difference.difference), between(interval, four))
}

/// A number of the head of the page.
struct Tile<'a> {
    name: &'a str,
    /// What the card calls it.
    metric: &'a str,
    value: Option<f64>,
    shown: String,
    note: String,
}

fn tiles(seen: &Seen<'_>, body: &mut Html) {
    let Some(judgement) = &seen.model.judgement else { return };
    let (e, at) = (&judgement.evaluation, &judgement.at_threshold);
    let lift = Tile {
        name: "Lift of the top 10 %",
        metric: "lift_top_10pct",
        value: e.lift_top_10pct,
        shown: e.lift_top_10pct.map_or("–".to_owned(), |lift| format!("{lift:.1}×")),
        note: format!("{} of them convert, 95 % {}", percent(e.precision_top_10pct), between(Some(e.precision_top_10pct_95), percent)),
    };
    let auc = Tile {
        name: "ROC AUC",
        metric: "roc_auc",
        value: e.roc_auc,
        shown: three(e.roc_auc),
        note: format!("95 % {}; 0.5 is chance", between(e.roc_auc_95, three)),
    };
    let qualified = Tile {
        name: "Of those qualified convert",
        metric: "precision",
        value: at.precision,
        shown: at.precision.map_or("–".to_owned(), percent),
        note: format!(
            "{} of {} {}s reach the threshold {}, with {} of all conversions",
            at.qualified,
            e.n,
            seen.unit(),
            short(at.threshold),
            at.recall.map_or("–".to_owned(), percent)
        ),
    };
    body.raw("<dl class=\"tiles\">\n");
    for tile in [auc, conversions(e), lift, qualified] {
        body.raw("<div><dt>").words(tile.name).raw("</dt><dd>");
        let value = tile.value.map_or(String::new(), |v| v.to_string());
        body.open("data", &[("id", tile.metric), ("value", &value)]).text(&tile.shown).close("data");
        body.raw("<small>").words(&tile.note).raw("</small></dd></div>\n");
    }
    body.raw("</dl>\n");
}

/// Conversions expected and observed; of accounts with several rows the shares, since their horizons overlap.
fn conversions(e: &Evaluation) -> Tile<'static> {
    if e.accounts == e.n {
        return Tile {
            name: "Conversions expected",
            metric: "expected_conversions",
            value: Some(e.expected_conversions),
            shown: format!("{:.1}", e.expected_conversions),
            note: format!(
                "{} observed; expected 95 % of the time: {}",
                e.conversions,
                between(e.expected_conversions_95, |v| format!("{v:.1}"))
            ),
        };
    }
    Tile {
        name: "Share observed to convert",
        metric: "base_rate",
        value: Some(e.base_rate),
        shown: percent(e.base_rate),
        note: format!("{} expected on average; conversions by cutoff below", percent(e.expected_conversions / number(e.n))),
    }
}

fn links(seen: &Seen<'_>, body: &mut Html) {
    let known: [(&str, &str); 7] = [
        ("#data", "Data"),
        ("#performance", "How good"),
        ("#cutoffs", "By cutoff"),
        ("#weights", "What weighs"),
        ("#accounts", "Accounts explained"),
        ("#funnel", "PQLs"),
        ("#made", "How it was made"),
    ];
    body.raw("<nav aria-label=\"Sections\">");
    for (href, words) in known {
        let there = match href {
            "#performance" => seen.model.judgement.is_some(),
            "#cutoffs" => seen.model.judgement.as_ref().is_some_and(|j| j.by_cutoff.len() > 1),
            "#accounts" => seen.report.rows.is_some(),
            "#funnel" => seen.report.funnel.is_some(),
            _ => true,
        };
        if there {
            body.open("a", &[("href", href)]).text(words).close("a").raw(" ");
        }
    }
    body.raw("</nav>\n");
}

/// What a reader should know before trusting the page.
fn warnings(seen: &Seen<'_>, body: &mut Html) {
    let model = seen.model;
    let mut said: Vec<String> = model.findings.iter().map(|finding| format!("Leak? {finding}")).collect();
    said.extend(model.warnings.iter().cloned());
    if let Some(refit) = &model.refit {
        said.push(format!(
            "after the evaluation the model was learned again on all {} rows with an outcome: metrics and curves are those of the fit before, weights and explained accounts those of the new one",
            refit.learned.rows
        ));
    }
    if model.judgement.is_some() && seen.report.rows.is_none() {
        said.push(
            "the test rows were not stored (`--no-rows`), so that ROC and precision-recall curves, score distributions, what contacting brings, correlations and explained accounts are missing here"
                .to_owned(),
        );
    }
    if seen.report.beside.is_none() {
        said.push("the model card is not beside the model, so that data quality and cohorts are missing here".to_owned());
    }
    if said.is_empty() {
        return;
    }
    body.raw("<aside aria-labelledby=\"beware\"><h2 id=\"beware\">To bear in mind</h2>\n")
        .list(said.iter().map(|text| begun(text)))
        .raw("</aside>\n");
}

/// A sentence with its first letter large, unless that is of a name.
fn begun(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
