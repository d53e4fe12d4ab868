//! The top of the page: the question, the verdict, key metrics and warnings.

use maud::{Markup, html};
use pql_stats::metrics::Evaluation;

use super::context::ReportContext;
use crate::config::CutoffScheme;
use crate::model::verdict::Conclusion;
use crate::report::format::{
    counted, grouped, interval_range, number, percent, percent_range, plural, span, three,
    with_minus,
};
use crate::report::html::header::{MetricTile, PageHeader, PageVerdict, Tone, notices};

/// Returns the header of the page and the warnings.
pub(super) fn summary(context: &ReportContext<'_>) -> Markup {
    let header = PageHeader {
        subject: format!("Model `{}`", context.page.label),
        title: question(context),
        verdict: verdict(context),
        tiles: tiles(context),
        links: links(context),
    };
    html! { (header) (notices("Warnings", &warning_texts(context))) }
}

/// Returns the question that the model answers.
fn question(context: &ReportContext<'_>) -> String {
    let rule = &context.config.observation;
    if context.model.catalog.is_none() {
        let label = context.config.matrix.label.as_deref().unwrap_or("converted");
        return format!("How likely is `{label}` for each row of the feature matrix?");
    }
    let gap = if rule.gap.0 > 0 {
        format!(", after a lead time of {}", span(rule.gap))
    } else {
        String::new()
    };
    let horizon = span(rule.horizon);
    match rule.cutoffs {
        CutoffScheme::Age => format!(
            "Which accounts will convert in the {horizon} after their first {}{gap}?",
            span(rule.age)
        ),
        CutoffScheme::Snapshot => {
            format!("Which open accounts will convert in the next {horizon}{gap}?")
        }
    }
}

/// Returns the verdict on the model: a caution and the headline, then the evidence.
fn verdict(context: &ReportContext<'_>) -> PageVerdict {
    let verdict = context.model.verdict();
    let tone = match verdict.conclusion {
        Conclusion::NotEvaluated(_) => Tone::Neutral,
        Conclusion::BetterThanBaselines { .. } if verdict.too_few.is_none() => Tone::Good,
        _ => Tone::Doubt,
    };
    let ranking = context.model.evaluation.as_ref().and_then(|evaluation| {
        let (e, unit) = (&evaluation.metrics, context.unit());
        let auc = e.roc_auc?.value;
        Some(format!(
            "On {}, a converting {unit} scores higher than a non-converting one {} of the time.",
            counted(e.n, &format!("held-out {unit}")),
            percent(auc)
        ))
    });
    let reasons: Vec<String> = ranking.into_iter().chain(verdict.details()).collect();
    PageVerdict {
        tone,
        lead: with_minus(&format!("{}.", verdict.headline())),
        reasons: with_minus(&reasons.join(" ")),
    }
}

fn tiles(context: &ReportContext<'_>) -> Vec<MetricTile<'static>> {
    let Some(evaluation) = &context.model.evaluation else { return Vec::new() };
    let (e, qualification) = (&evaluation.metrics, &evaluation.at_threshold);
    let top = e.top_share(10);
    let lift = top.and_then(|top| top.lift);
    let lift = MetricTile {
        name: "Lift in the top 10%",
        metric: "lift_top_10pct",
        value: lift,
        formatted: lift.map_or("–".to_owned(), |lift| format!("{lift:.1}×")),
        note: top.map_or_else(String::new, |top| {
            format!(
                "{} of them converted (95% CI {})",
                percent(top.precision),
                percent_range(Some(top.precision_interval))
            )
        }),
    };
    let auc = e.roc_auc.map(|auc| auc.value);
    let auc = MetricTile {
        name: "ROC AUC",
        metric: "roc_auc",
        value: auc,
        formatted: three(auc),
        note: format!(
            "95% CI {}; 0.5 is chance, 1 is perfect",
            interval_range(e.roc_auc.and_then(|auc| auc.interval), three)
        ),
    };
    let qualified = MetricTile {
        name: "Conversion rate if qualified",
        metric: "precision",
        value: qualification.precision,
        formatted: qualification.precision.map_or("–".to_owned(), percent),
        note: format!(
            "{} of {} {} reach the threshold ({}), with {} of all conversions",
            grouped(qualification.qualified),
            grouped(e.n),
            plural(e.n, context.unit()),
            percent(qualification.threshold),
            qualification.recall.map_or("–".to_owned(), percent)
        ),
    };
    vec![auc, conversions(e), lift, qualified]
}

/// Returns expected and observed conversions; if accounts have several rows, the shares instead,
/// since the horizons of their rows overlap.
fn conversions(e: &Evaluation) -> MetricTile<'static> {
    if e.accounts == e.n {
        return MetricTile {
            name: "Expected conversions",
            metric: "expected_conversions",
            value: Some(e.expected_conversions),
            formatted: format!("{:.1}", e.expected_conversions),
            note: format!(
                "{} observed; 95% prediction interval {}",
                grouped(e.conversions),
                interval_range(e.expected_conversions_interval, |v| format!("{v:.1}"))
            ),
        };
    }
    MetricTile {
        name: "Observed conversion rate",
        metric: "base_rate",
        value: Some(e.base_rate),
        formatted: percent(e.base_rate),
        note: format!(
            "{} predicted on average; see the cohorts below",
            percent(e.expected_conversions / number(e.n))
        ),
    }
}

/// Returns links to the sections of this page.
fn links(context: &ReportContext<'_>) -> Vec<(&'static str, &'static str)> {
    let sections = [
        ("#data", "Data"),
        ("#performance", "Performance"),
        ("#cutoffs", "Cohorts"),
        ("#features", "Features"),
        ("#accounts", "Example accounts"),
        ("#funnel", "PQL definitions"),
        ("#provenance", "Training details"),
    ];
    let has_section = |(href, _): &(&str, &str)| match *href {
        "#performance" => context.model.evaluation.is_some(),
        "#cutoffs" => context.model.evaluation.as_ref().is_some_and(|j| j.by_cutoff.len() > 1),
        "#accounts" => context.page.rows.is_some(),
        "#funnel" => context.page.funnel.is_some(),
        _ => true,
    };
    sections.into_iter().filter(has_section).collect()
}

/// Returns possible leaks, the stored warnings of the model, and sections that are missing.
fn warning_texts(context: &ReportContext<'_>) -> Vec<String> {
    let model = context.model;
    let mut texts: Vec<String> =
        model.findings.iter().map(|finding| format!("Possible leak: {finding}")).collect();
    texts.extend(model.warnings.iter().map(ToString::to_string));
    if model.evaluation.is_some() && context.page.rows.is_none() {
        texts.push(
            "the test rows were not stored (`--no-test-rows`). ROC and precision-recall curves, score distributions, contact charts, correlations and example accounts are therefore missing. Train without that option to include them"
                .to_owned(),
        );
    }
    if context.page.card.is_none() {
        texts.push("the model card `model.json` is missing, so this page has no data quality and no cohorts. Restore it to the folder of the model".to_owned());
    }
    texts
}
