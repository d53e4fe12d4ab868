//! The answer first: what is predicted, for whom, how well, and what to beware of.

use maud::{Markup, html};
use pql_stats::metrics::{Difference, Evaluation};

use super::context::ReportContext;
use crate::config::At;
use crate::model::Baseline;
use crate::report::format::{between, counted, four, number, percent, short, span, three};
use crate::report::html::header::{PageHeader, Tile, Tone, Verdict, warnings};

/// Returns the header of the page and the warnings.
pub(super) fn answer(context: &ReportContext<'_>) -> Markup {
    let header = PageHeader {
        kicker: format!("Model `{}`", context.report.label),
        title: predicted(context),
        verdict: verdict(context),
        tiles: tiles(context),
        links: links(context),
    };
    html! { (header) (warnings(&warning_texts(context))) }
}

/// Returns the question that the model answers.
fn predicted(context: &ReportContext<'_>) -> String {
    let rule = &context.config.observation;
    if context.model.catalogue.is_none() {
        let label = context.config.matrix.label.as_deref().unwrap_or("converted");
        return format!("How likely is `{label}`, from the columns of a feature matrix?");
    }
    let gap = if rule.gap.0 > 0 {
        format!(", after a lead time of {}", span(rule.gap))
    } else {
        String::new()
    };
    let horizon = span(rule.horizon);
    match rule.at {
        At::Age => format!(
            "Which accounts convert in the {horizon} that follow their first {}{gap}?",
            span(rule.age)
        ),
        At::Snapshot => format!("Which open accounts convert within the next {horizon}{gap}?"),
    }
}

/// Returns the comparison with simple baselines in a few words.
fn verdict(context: &ReportContext<'_>) -> Verdict {
    let Some(judgement) = &context.model.judgement else {
        let reasons = "There were no test rows to judge it by.".to_owned();
        return Verdict {
            tone: Tone::Neutral,
            lead: "Nobody knows yet how good this model is.".to_owned(),
            reasons,
        };
    };
    let e = &judgement.evaluation;
    let on = format!("{} held-out {}s", e.n, context.unit());
    let ranked = match e.roc_auc {
        Some(auc) => format!(
            "On {on} one that converts ranks above one that does not {} of the time.",
            percent(auc.value)
        ),
        None => format!("On {on} there is one outcome only, so that its ranking cannot be judged."),
    };
    let (beaten, unbeaten): (Vec<&Baseline>, Vec<&Baseline>) =
        context.model.baselines.iter().partition(|b| b.difference.better());
    let names = |baselines: &[&Baseline]| {
        baselines
            .iter()
            .map(|b| format!("{} ({})", b.name, against(&b.difference)))
            .collect::<Vec<_>>()
            .join(" and ")
    };
    let beats =
        if beaten.is_empty() { String::new() } else { format!(" It beats {}.", names(&beaten)) };
    if unbeaten.is_empty() {
        return Verdict {
            tone: Tone::Good,
            lead: "It beats the simple rules it was set against.".to_owned(),
            reasons: ranked + &beats,
        };
    }
    let lead = if beaten.is_empty() {
        "It does not surely beat simple rules."
    } else {
        "Useful, but not surely better than one simple rule."
    };
    let only = counted(e.conversions, "conversion");
    Verdict {
        tone: Tone::Doubt,
        lead: lead.to_owned(),
        reasons: format!(
            "{ranked}{beats} It does not surely beat {}; {only} tell no more.",
            names(&unbeaten)
        ),
    }
}

/// Returns a difference in log loss, with its interval.
fn against(difference: &Difference) -> String {
    format!("log loss {}, 95 % {}", four(difference.difference), between(difference.interval, four))
}

fn tiles(context: &ReportContext<'_>) -> Vec<Tile<'static>> {
    let Some(judgement) = &context.model.judgement else { return Vec::new() };
    let (e, at) = (&judgement.evaluation, &judgement.at_threshold);
    let top = e.top_share(10);
    let lift = top.and_then(|top| top.lift);
    let lift = Tile {
        name: "Lift of the top 10 %",
        metric: "lift_top_10pct",
        value: lift,
        formatted: lift.map_or("–".to_owned(), |lift| format!("{lift:.1}×")),
        note: top.map_or_else(String::new, |top| {
            format!(
                "{} of them convert, 95 % {}",
                percent(top.precision),
                between(Some(top.precision_interval), percent)
            )
        }),
    };
    let auc = e.roc_auc.map(|auc| auc.value);
    let auc = Tile {
        name: "ROC AUC",
        metric: "roc_auc",
        value: auc,
        formatted: three(auc),
        note: format!(
            "95 % {}; 0.5 is chance",
            between(e.roc_auc.and_then(|auc| auc.interval), three)
        ),
    };
    let qualified = Tile {
        name: "Of those qualified convert",
        metric: "precision",
        value: at.precision,
        formatted: at.precision.map_or("–".to_owned(), percent),
        note: format!(
            "{} of {} {}s reach the threshold {}, with {} of all conversions",
            at.qualified,
            e.n,
            context.unit(),
            short(at.threshold),
            at.recall.map_or("–".to_owned(), percent)
        ),
    };
    vec![auc, conversions(e), lift, qualified]
}

/// Returns conversions expected and observed; of accounts with several rows the shares, since their
/// horizons overlap.
fn conversions(e: &Evaluation) -> Tile<'static> {
    if e.accounts == e.n {
        return Tile {
            name: "Conversions expected",
            metric: "expected_conversions",
            value: Some(e.expected_conversions),
            formatted: format!("{:.1}", e.expected_conversions),
            note: format!(
                "{} observed; expected 95 % of the time: {}",
                e.conversions,
                between(e.expected_conversions_interval, |v| format!("{v:.1}"))
            ),
        };
    }
    Tile {
        name: "Share observed to convert",
        metric: "base_rate",
        value: Some(e.base_rate),
        formatted: percent(e.base_rate),
        note: format!(
            "{} expected on average; conversions by cutoff below",
            percent(e.expected_conversions / number(e.n))
        ),
    }
}

/// Returns the sections of this page.
fn links(context: &ReportContext<'_>) -> Vec<(&'static str, &'static str)> {
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
        "#performance" => context.model.judgement.is_some(),
        "#cutoffs" => context.model.judgement.as_ref().is_some_and(|j| j.by_cutoff.len() > 1),
        "#accounts" => context.report.rows.is_some(),
        "#funnel" => context.report.funnel.is_some(),
        _ => true,
    };
    known.into_iter().filter(there).collect()
}

/// Returns the warnings that a reader should know before trusting the page.
fn warning_texts(context: &ReportContext<'_>) -> Vec<String> {
    let model = context.model;
    let mut texts: Vec<String> =
        model.findings.iter().map(|finding| format!("Leak? {finding}")).collect();
    texts.extend(model.warnings.iter().map(ToString::to_string));
    if let Some(refit) = &model.refit {
        texts.push(format!(
            "after the evaluation the model was learned again on all {} rows with an outcome: metrics and curves are those of the fit before, weights and explained accounts those of the new one",
            refit.learned.rows
        ));
    }
    if model.judgement.is_some() && context.report.rows.is_none() {
        texts.push(
            "the test rows were not stored (`--no-rows`), so that ROC and precision-recall curves, score distributions, what contacting brings, correlations and explained accounts are missing here"
                .to_owned(),
        );
    }
    if context.report.beside.is_none() {
        texts.push("the model card is not beside the model, so that data quality and cohorts are missing here".to_owned());
    }
    texts
}
