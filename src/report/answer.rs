//! The answer first: what is predicted, for whom, how well, and what to beware of.

use super::Seen;
use super::head::{Head, Kind, Tile, Verdict, beware};
use super::html::Html;
use super::words::{between, counted, four, number, percent, short, span, three};
use crate::config::At;
use crate::evaluate::{Difference, Evaluation};
use crate::model::Baseline;

/// Put the head of the page.
pub(super) fn answer(seen: &Seen<'_>, body: &mut Html) {
    let head = Head {
        kicker: format!("Model `{}`", seen.report.label),
        title: predicted(seen),
        verdict: verdict(seen),
        tiles: tiles(seen),
        links: links(seen),
    };
    head.put(body);
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
fn verdict(seen: &Seen<'_>) -> Verdict {
    let Some(judgement) = &seen.model.judgement else {
        let why = "There were no test rows to judge it by.".to_owned();
        return Verdict { kind: Kind::None, lead: "Nobody knows yet how good this model is.".to_owned(), why };
    };
    let e = &judgement.evaluation;
    let on = format!("{} held-out {}s", e.n, seen.unit());
    let ranked = match e.roc_auc {
        Some(auc) => format!("On {on} one that converts ranks above one that does not {} of the time.", percent(auc)),
        None => format!("On {on} there is one outcome only, so that its ranking cannot be judged."),
    };
    let (beaten, unbeaten): (Vec<&Baseline>, Vec<&Baseline>) = seen.model.baselines.iter().partition(|b| b.difference.better());
    let names = |of: &[&Baseline]| of.iter().map(|b| format!("{} ({})", b.name, against(&b.difference))).collect::<Vec<_>>().join(" and ");
    let beats = if beaten.is_empty() { String::new() } else { format!(" It beats {}.", names(&beaten)) };
    if unbeaten.is_empty() {
        return Verdict { kind: Kind::Good, lead: "It beats the simple rules it was set against.".to_owned(), why: ranked + &beats };
    }
    let lead =
        if beaten.is_empty() { "It does not surely beat simple rules." } else { "Useful, but not surely better than one simple rule." };
    let only = counted(e.conversions, "conversion");
    Verdict {
        kind: Kind::Doubt,
        lead: lead.to_owned(),
        why: format!("{ranked}{beats} It does not surely beat {}; {only} tell no more.", names(&unbeaten)),
    }
}

/// A difference in log loss, with its interval.
fn against(difference: &Difference) -> String {
    let interval = difference.low.zip(difference.high).map(|(low, high)| [low, high]);
    format!("log loss {}, 95 % {}", four(difference.difference), between(interval, four))
}

fn tiles(seen: &Seen<'_>) -> Vec<Tile<'static>> {
    let Some(judgement) = &seen.model.judgement else { return Vec::new() };
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
    vec![auc, conversions(e), lift, qualified]
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

/// The sections that there are.
fn links(seen: &Seen<'_>) -> Vec<(&'static str, &'static str)> {
    let known = [
        ("#data", "Data"),
        ("#performance", "How good"),
        ("#cutoffs", "By cutoff"),
        ("#weights", "What weighs"),
        ("#accounts", "Accounts explained"),
        ("#funnel", "PQLs"),
        ("#made", "How it was made"),
    ];
    let there = |(href, _): &(&str, &str)| match *href {
        "#performance" => seen.model.judgement.is_some(),
        "#cutoffs" => seen.model.judgement.as_ref().is_some_and(|j| j.by_cutoff.len() > 1),
        "#accounts" => seen.report.rows.is_some(),
        "#funnel" => seen.report.funnel.is_some(),
        _ => true,
    };
    known.into_iter().filter(there).collect()
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
    beware(&said, body);
}
