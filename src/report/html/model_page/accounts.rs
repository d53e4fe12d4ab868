//! Example accounts: probabilities as sums of contributions.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::error::Result;
use crate::model::explain::MIN_CONTRIBUTION;
use crate::model::score::{Explanation, Scorer};
use crate::report::charts::{
    Area, Axis, AxisScale, Chart, FOOT, NAME_HEIGHT, Transform, WIDTH, label_lines,
};
use crate::report::format::{
    counted, number, percent, percent_range, rounded_terms, signed, with_minus,
};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::training::test_set::TestRows;

/// Contributions drawn separately.
const STEPS: usize = 8;
/// Start of the bars, to the right of the labels.
const LEFT: f64 = 212.0;
/// Minimum distance of ticks, as a share of the axis.
const TICK_GAP: f64 = 0.32;

/// Returns the explanations of three accounts: a high score, one near the threshold, and one with
/// a surprising outcome.
pub(super) fn accounts(context: &ReportContext<'_>) -> Result<Markup> {
    let Some(rows) = context.page.rows.filter(|rows| !rows.y.is_empty()) else {
        return Ok(Markup::default());
    };
    let content = match rows.missing_feature(context.model) {
        Some(feature) => paragraph(&format!(
            "The stored test rows have no column `{feature}`, so no account can be explained."
        )),
        None => explanations(context, rows)?,
    };
    Ok(html! { section id="accounts" { h2 { "Example accounts" } (content) } })
}

fn explanations(context: &ReportContext<'_>, rows: &TestRows) -> Result<Markup> {
    let scorer = Scorer::new(context.model, context.page.label)?;
    let (mut explained, zone) = (Vec::new(), context.model.zone());
    for (index, (kind, row)) in examples(rows, context.model.threshold).into_iter().enumerate() {
        let explanation =
            rows.explain(&scorer, u32::try_from(row).expect("rows have u32 numbers"))?;
        let name = if context.page.mask {
            format!("account {}", index + 1)
        } else {
            rows.account[row].clone()
        };
        let result = if rows.y[row] { "Converted" } else { "Did not convert" };
        let cutoff = rows
            .cutoff
            .as_ref()
            .map_or(String::new(), |cutoff| format!(" (cutoff {})", zone.day(cutoff[row])));
        let (id, title, outcome) =
            (format!("account-{index}"), format!("{kind}: {name}"), format!("{result}{cutoff}."));
        explained.push(ExplainedAccount { id, title, outcome, explanation });
    }
    Ok(html! {
        (paragraph(&format!(
            "Each chart starts at the log-odds of a typical account. Each bar moves them up or down by the features that differ from the typical account, and the sum gives the probability. Features that carry the same information share one bar, labeled by the one that explains most of it. Explain any account with `pql explain {} ACCOUNT`.",
            context.page.label
        )))
        (grid(explained.iter().map(ExplainedAccount::figure)))
    })
}

/// Returns the rows to explain: the converted row with the highest probability, the row nearest to
/// the threshold, and the row with the least likely outcome.
fn examples(rows: &TestRows, threshold: f64) -> Vec<(&'static str, usize)> {
    let p = |row: usize| rows.probability[row];
    let all = || 0..rows.y.len();
    let smallest = |key: &dyn Fn(usize) -> f64, selected: &[usize]| {
        all().filter(|row| !selected.contains(row)).min_by(|a, b| key(*a).total_cmp(&key(*b)))
    };
    let outcome_probability = |row: usize| if rows.y[row] { p(row) } else { 1.0 - p(row) };
    let kinds: [(&'static str, &dyn Fn(usize) -> f64); 3] = [
        // If no row converted, the highest probability of all.
        ("High score", &|row| f64::from(u8::from(!rows.y[row])) * 2.0 - p(row)),
        ("Near the threshold", &|row| (p(row) - threshold).abs()),
        ("Surprising outcome", &outcome_probability),
    ];
    let mut selected = Vec::new();
    let mut found = Vec::new();
    for (kind, key) in kinds {
        if let Some(row) = smallest(key, &selected) {
            selected.push(row);
            found.push((kind, row));
        }
    }
    found
}

/// An account and its explanation.
struct ExplainedAccount {
    id: String,
    title: String,
    outcome: String,
    explanation: Explanation,
}

/// A contribution to the log-odds, and its label.
struct WaterfallStep {
    label: String,
    /// The label with the typical value.
    detail: String,
    contribution: f64,
}

impl ExplainedAccount {
    /// Returns the largest contributions, and the sum of all others.
    fn steps(&self) -> Vec<WaterfallStep> {
        let all = &self.explanation.contributions;
        let sizes = all.iter().map(|c| c.contribution.abs());
        let shown = sizes.take_while(|size| *size > MIN_CONTRIBUTION).count().min(STEPS);
        let mut steps: Vec<WaterfallStep> = all[..shown]
            .iter()
            .map(|c| WaterfallStep {
                label: with_minus(&c.value),
                detail: with_minus(&c.reason),
                contribution: c.contribution,
            })
            .collect();
        if all.len() > shown {
            let contribution = all[shown..].iter().map(|c| c.contribution).sum();
            let others = counted((all.len() - shown) as u64, "other contribution");
            steps.push(WaterfallStep { detail: others.clone(), label: others, contribution });
        }
        steps.extend(self.explanation.calibration.map(|contribution| WaterfallStep {
            label: "calibration".to_owned(),
            detail: "calibration".to_owned(),
            contribution,
        }));
        steps
    }

    fn figure(&self) -> Figure<'_> {
        let e = &self.explanation;
        let steps = self.steps();
        // The start of each step, and the end of the last one.
        let mut ends = vec![e.base];
        steps.iter().for_each(|step| ends.push(ends[ends.len() - 1] + step.contribution));
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let room = 0.08 * (high - low).max(0.5);
        let lines = steps.iter().map(|step| label_lines(&step.label, LEFT)).fold(2, usize::max);
        let height = (NAME_HEIGHT * number(lines) + 6.0) * number(steps.len()) + 66.0;
        let [p_low, p_high] = [low - room, high + room].map(|eta| 1.0 / (1.0 + (-eta).exp()));
        let ticks = AxisScale::new(Transform::Logit, p_low, p_high).ticks(TICK_GAP);
        let ticks = ticks.into_iter().map(|p| ((p / (1.0 - p)).ln(), percent(p))).collect();
        let x = Axis {
            label: "probability (log-odds scale)".to_owned(),
            scale: AxisScale::new(Transform::Linear, low - room, high + room),
            ticks,
        };
        let area = Area { left: LEFT, right: WIDTH - 14.0, top: 24.0, bottom: height - FOOT };
        let mut chart = Chart::new(area, &x, &Axis::rows(steps.len()));
        chart.vertical_line(
            e.base,
            &format!("typical account {}", percent(1.0 / (1.0 + (-e.base).exp()))),
        );
        for (row, (step, from)) in steps.iter().zip(&ends).enumerate() {
            let (y, to) = (-number(row), from + step.contribution);
            let class = if step.contribution >= 0.0 { "yes" } else { "no" };
            let amount = signed(step.contribution, 2);
            chart.bar(
                [*from, to],
                [y + 0.25, y - 0.25],
                (class, &format!("{}: {amount}", step.detail)),
            );
            chart.stroke((to, y - 0.25), (to, y - 0.75), "thin");
            chart.row_label(number(row), &step.label, &amount);
        }
        chart.dot(
            (e.log_odds, 0.5 - number(steps.len())),
            "chosen",
            &format!("probability {}", percent(e.probability)),
        );
        let range = percent_range(e.probability_interval);
        let sum =
            format!("Probability {} (95% CI {range}), tier {}.", percent(e.probability), e.tier);
        Figure {
            id: &self.id,
            title: &self.title,
            caption: format!("{sum} {}", self.outcome),
            alt_text: sum,
            drawing: chart.drawing(height),
            legend: vec![
                ("bar yes", "raises the probability"),
                ("bar no", "lowers it"),
                ("dot chosen", "result"),
            ],
            table: self.table(),
        }
    }

    fn table(&self) -> Table {
        let e = &self.explanation;
        let line = |label: &str, log_odds: f64| vec![label.to_owned(), signed(log_odds, 2)];
        let terms: Vec<f64> = e.contributions.iter().map(|c| c.contribution).collect();
        let terms = [&[e.base], &terms[..], e.calibration.as_slice()].concat();
        let names = std::iter::once("typical account".to_owned())
            .chain(e.contributions.iter().map(|c| with_minus(&c.reason)))
            .chain(e.calibration.map(|_| "calibration".to_owned()));
        let rounded = rounded_terms(&terms, e.log_odds);
        let mut rows: Vec<Vec<String>> =
            names.zip(rounded).map(|(name, term)| line(&name, term)).collect();
        rows.push(line("sum", e.log_odds));
        Table::new("Contributions to the log-odds", &["feature", "log-odds"], rows)
    }
}
