//! A few accounts explained: how their probabilities come about.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::error::Result;
use crate::model::score::{Explanation, Scorer};
use crate::report::charts::{Area, Axis, Chart, FOOT, Scale, Spread, WIDTH};
use crate::report::format::{between, number, percent, signed};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::time::iso_day;
use crate::training::test_set::TestRows;

/// Contributions that are drawn one by one.
const STEPS: usize = 8;
/// Height of a step with its words.
const ROW: f64 = 30.0;

/// Returns the explanations of a high, a middling and a surprising account.
pub(super) fn accounts(context: &ReportContext<'_>) -> Result<Markup> {
    let Some(rows) = context.report.rows.filter(|rows| !rows.y.is_empty()) else {
        return Ok(Markup::default());
    };
    let content = match rows.lacks(context.model) {
        Some(feature) => paragraph(&format!(
            "The stored test rows lack the feature `{feature}`, so that none can be explained."
        )),
        None => explanations(context, rows)?,
    };
    Ok(html! { section id="accounts" { h2 { "Accounts explained" } (content) } })
}

fn explanations(context: &ReportContext<'_>, rows: &TestRows) -> Result<Markup> {
    let scorer = Scorer::new(context.model, context.report.label)?;
    let mut explained = Vec::new();
    for (at, (kind, row)) in chosen(rows, context.model.threshold).into_iter().enumerate() {
        let explanation =
            rows.explain(&scorer, u32::try_from(row).expect("rows have u32 numbers"))?;
        let name = if context.report.mask {
            format!("account {}", at + 1)
        } else {
            rows.account[row].clone()
        };
        let became = if rows.y[row] { "It converted" } else { "It did not convert" };
        let cutoff = rows
            .cutoff
            .as_ref()
            .map_or(String::new(), |cutoff| format!(", seen on {}", iso_day(cutoff[row])));
        let (id, title, outcome) =
            (format!("account-{at}"), format!("{kind}: {name}"), format!("{became}{cutoff}."));
        explained.push(ExplainedAccount { id, title, outcome, explanation });
    }
    Ok(html! {
        (paragraph("From the log-odds of the average training account each measure moves an account up or down; the sum is its score. `pql explain` does it for any account."))
        (grid(explained.iter().map(ExplainedAccount::figure)))
    })
}

/// Returns the rows to explain: the likeliest that converted, the one nearest to the threshold, and
/// the one with the least likely outcome.
fn chosen(rows: &TestRows, threshold: f64) -> Vec<(&'static str, usize)> {
    let p = |row: usize| rows.probability[row];
    let all = || 0..rows.y.len();
    let least = |key: &dyn Fn(usize) -> f64, taken: &[usize]| {
        all().filter(|row| !taken.contains(row)).min_by(|a, b| key(*a).total_cmp(&key(*b)))
    };
    let missed = |row: usize| if rows.y[row] { p(row) } else { 1.0 - p(row) };
    let kinds: [(&'static str, &dyn Fn(usize) -> f64); 3] = [
        // Where nothing converted the likeliest of all.
        ("High", &|row| f64::from(u8::from(!rows.y[row])) * 2.0 - p(row)),
        ("At the threshold", &|row| (p(row) - threshold).abs()),
        ("A surprise", &missed),
    ];
    let mut taken = Vec::new();
    let mut found = Vec::new();
    for (kind, key) in kinds {
        if let Some(row) = least(key, &taken) {
            taken.push(row);
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

/// A move of the log-odds, in words.
struct Step {
    words: String,
    by: f64,
}

impl ExplainedAccount {
    /// Returns the largest moves, and all others together.
    fn steps(&self) -> Vec<Step> {
        let all = &self.explanation.contributions;
        let words =
            |reason: &str| reason.rsplit_once(": ").map_or(reason, |(words, _)| words).to_owned();
        let mut steps: Vec<Step> = all
            .iter()
            .take(STEPS)
            .map(|c| Step { words: words(&c.reason), by: c.contribution })
            .collect();
        if all.len() > STEPS {
            let by = all[STEPS..].iter().map(|c| c.contribution).sum();
            steps.push(Step { words: format!("{} other measures", all.len() - STEPS), by });
        }
        steps.extend(
            self.explanation.calibration.map(|by| Step { words: "calibration".to_owned(), by }),
        );
        steps
    }

    fn figure(&self) -> Figure<'_> {
        let e = &self.explanation;
        let steps = self.steps();
        // Where each step begins, and where the last one ends.
        let mut ends = vec![e.base];
        steps.iter().for_each(|step| ends.push(ends[ends.len() - 1] + step.by));
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let room = 0.08 * (high - low).max(0.5);
        let height = ROW * number(steps.len()) + 66.0;
        let [p_low, p_high] = [low - room, high + room].map(|eta| 1.0 / (1.0 + (-eta).exp()));
        let ticks = Scale::new(Spread::Logit, p_low, p_high).ticks(0.13);
        let ticks = ticks.into_iter().map(|p| ((p / (1.0 - p)).ln(), percent(p))).collect();
        let x = Axis {
            label: "probability, by its log-odds".to_owned(),
            scale: Scale::new(Spread::Linear, low - room, high + room),
            ticks,
        };
        let area = Area { left: 8.0, right: WIDTH - 8.0, top: 24.0, bottom: height - FOOT };
        let mut chart = Chart::new(area, &x, &Axis::rows(steps.len()));
        chart.vertical_line_below_label(
            e.base,
            &format!("average account {}", percent(1.0 / (1.0 + (-e.base).exp()))),
        );
        let mut names = Vec::new();
        for (row, (step, from)) in steps.iter().zip(&ends).enumerate() {
            let (y, to) = (-number(row), from + step.by);
            let class = if step.by >= 0.0 { "yes" } else { "no" };
            chart.bar(
                [*from, to],
                [y - 0.1, y - 0.36],
                (class, &format!("{}: {}", step.words, signed(step.by, 2))),
            );
            chart.stroke((to, y - 0.36), (to, y - 1.1), "thin");
            names.push((number(row) - 0.22, format!("{}  {}", signed(step.by, 2), step.words)));
        }
        // Over the lines that they cross.
        names.iter().for_each(|(row, name)| chart.row_heading(*row, name));
        chart.dot(
            (e.log_odds, 0.42 - number(steps.len())),
            "chosen",
            &format!("probability {}", percent(e.probability)),
        );
        let range = between(e.probability_interval, percent);
        let sum =
            format!("Probability {} (95 % {range}), tier {}.", percent(e.probability), e.tier);
        Figure {
            id: &self.id,
            title: &self.title,
            caption: format!("{sum} {}", self.outcome),
            alt_text: sum,
            drawing: chart.drawing(height),
            legend: vec![
                ("bar yes", "raises it"),
                ("bar no", "lowers it"),
                ("dot chosen", "its score"),
            ],
            table: self.table(),
        }
    }

    fn table(&self) -> Table {
        let e = &self.explanation;
        let line = |words: &str, by: f64| vec![words.to_owned(), signed(by, 2)];
        let mut rows = vec![line("average training account", e.base)];
        rows.extend(e.contributions.iter().map(|c| {
            line(
                &c.reason.rsplit_once(": ").map_or(c.reason.clone(), |(words, _)| words.to_owned()),
                c.contribution,
            )
        }));
        rows.extend(e.calibration.map(|by| line("calibration", by)));
        rows.push(line("log-odds", e.log_odds));
        Table::new("What moves the log-odds", &["because", "by"], rows)
    }
}
