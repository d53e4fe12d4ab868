//! A funnel for people.

use pql_stats::intervals::Interval;

use super::table;
use crate::io::write::format_number;
use crate::log::Log;
use crate::rules::funnel::{
    ALL, Funnel, Landmark, Plan, Rate, Revenue, Row, USUAL_CUSTOMERS, USUAL_PQLS,
};
use crate::time::{TimeSpan, iso_day};

/// All cohorts together first, then each.
pub(crate) fn funnel(found: &Funnel, log: &Log, plan: &Plan<'_>) -> String {
    let shown: Vec<&Row> = found.rows.iter().filter(|row| row.tells_more()).collect();
    let all: Vec<&Row> = shown.iter().copied().filter(|row| row.cohort == ALL).collect();
    let horizon = TimeSpan(plan.horizon).to_string();
    let mut parts = vec![
        head(&all, log, plan, &horizon),
        rates(&all, &horizon),
        landmarks(&all, &horizon),
        after(&all),
        times(&all),
    ];
    parts.extend(revenue(&all));
    for row in &all {
        let cohorts: Vec<&Row> = shown
            .iter()
            .copied()
            .filter(|of| of.cohort != ALL && (of.level, &of.name) == (row.level, &row.name))
            .collect();
        parts.push(format!(
            "{}, by {} of the sign-up\n{}",
            row.title(),
            plan.by,
            by_cohort(&cohorts)
        ));
    }
    parts.join("\n\n")
}

/// A share in per cent, a small one with a digit more.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "–".to_owned(),
        |share| {
            if share > 0.0 && share < 0.01 {
                format!("{:.2}", 100.0 * share)
            } else {
                format!("{:.1}", 100.0 * share)
            }
        },
    )
}

fn between(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| {
        format!("{} to {}", percent(Some(low)), percent(Some(high)))
    })
}

/// A lift with its interval.
fn lift(landmark: Option<&Landmark>) -> [String; 2] {
    let interval = landmark.and_then(|l| l.lift_interval);
    let interval = interval
        .map_or_else(String::new, |Interval { low, high }| format!("{low:.2} to {high:.2}"));
    [number(landmark.and_then(|l| l.lift), 2), interval]
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

fn share(rate: &Rate) -> [String; 2] {
    [percent(rate.share), between(rate.interval)]
}

fn marks(Interval { low, high }: Interval) -> String {
    format!("{:.0} to {:.0}", 100.0 * low, 100.0 * high)
}

fn head(all: &[&Row], log: &Log, plan: &Plan<'_>, horizon: &str) -> String {
    let Some(row) = all.first() else { return String::new() };
    let (figures, paying) = (&row.figures, &row.figures.sign_up_to_customer);
    let mut text = format!(
        "{} sign-ups from {} to {}",
        figures.sign_ups,
        iso_day(plan.since),
        iso_day(log.until - 1)
    );
    if paying.of > 0 {
        let [share, interval] = share(paying);
        text += &format!(
            "\n{share} % (95 % {interval}) of the {} with {horizon} behind them converted in that time",
            paying.of
        );
    }
    if let Some(traffic) = &row.visitors {
        text += &format!("\n{} visitors on {} days", traffic.visitors, traffic.days);
        if traffic.share.is_some() {
            text += &format!(
                ", of whom {} % (95 % {}) signed up",
                percent(traffic.share),
                between(traffic.interval)
            );
        }
    }
    text
}

fn rates(all: &[&Row], horizon: &str) -> String {
    let row = |row: &&Row| {
        let figures = &row.figures;
        let mut cells = vec![row.title()];
        cells.extend([figures.sign_ups, figures.pqls, figures.customers].map(|n| n.to_string()));
        for rate in [&figures.sign_up_to_pql, &figures.pql_to_customer] {
            cells.extend(share(rate));
            cells.push(rate.of.to_string());
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let blank = String::new;
    rows.push(vec![
        "usual in the field".to_owned(),
        blank(),
        blank(),
        blank(),
        blank(),
        marks(USUAL_PQLS),
        blank(),
        blank(),
        marks(USUAL_CUSTOMERS),
    ]);
    let header =
        ["", "sign-ups", "PQLs", "customers", "% PQL", "95 %", "of", "% pay", "95 %", "of"];
    let text = table(&header, rows, 1..10);
    format!(
        "Funnel\n{text}\n% PQL: qualified in time, of the sign-ups old enough; % pay: converted within {horizon} of it, of the PQLs old enough"
    )
}

/// PQLs against others, and why some accounts are in neither.
fn landmarks(all: &[&Row], horizon: &str) -> String {
    let (mut rows, mut notes): (Vec<Vec<String>>, Vec<String>) = (Vec::new(), Vec::new());
    for row in all {
        let note = match row.figures.landmark.as_ref().zip(row.within_days) {
            Some((landmark, within)) => {
                let at = format!("{}d", format_number(within));
                let young = landmark.pqls.not_mature + landmark.others.not_mature;
                let (converted, churned) = (landmark.converted_before, landmark.churned_before);
                rows.push(compared(row.title(), &at, landmark));
                format!(
                    "At {at}: {converted} accounts had converted before, {churned} had churned, {young} are too young"
                )
            }
            None if row.definitions > 1 => {
                format!(
                    "Not each definition of {} has a `within`: there is no moment at which to compare",
                    row.title()
                )
            }
            None => {
                format!("{} has no `within`, and so no moment at which to compare", row.title())
            }
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let header = ["", "at", "PQLs", "%", "95 %", "others", "%", "95 %", "lift", "95 %"];
    let text =
        if rows.is_empty() { String::new() } else { format!("\n{}", table(&header, rows, 1..10)) };
    format!(
        "PQLs against others: free so long after the sign-up, converted in the {horizon} that follow{text}\n{}",
        notes.join("\n")
    )
}

fn compared(name: String, at: &str, landmark: &Landmark) -> Vec<String> {
    let mut cells = vec![name, at.to_owned()];
    for rate in [&landmark.pqls, &landmark.others] {
        cells.push(rate.of.to_string());
        cells.extend(share(rate));
    }
    cells.extend(lift(Some(landmark)));
    cells
}

fn after(all: &[&Row]) -> String {
    let row = |row: &&Row| {
        let mut cells = vec![row.title()];
        for after in &row.figures.converted_after {
            cells.extend([percent(after.share), between(after.interval)]);
        }
        cells
    };
    let header = ["", "7 days", "95 %", "14 days", "95 %", "30 days", "95 %", "90 days", "95 %"];
    let text = table(&header, all.iter().map(row).collect(), 1..9);
    format!("% of PQLs that are customers so long after the PQL time (Kaplan-Meier)\n{text}")
}

fn times(all: &[&Row]) -> String {
    let row = |row: &&Row| {
        let figures = &row.figures;
        let medians = [figures.median_days_to_pql, figures.median_days_to_customer]
            .map(|days| number(days, 1));
        let mut cells = vec![row.title()];
        cells.extend(medians);
        cells.extend(
            [figures.customers_same_day, figures.already_customers, figures.customers_without]
                .map(|n| n.to_string()),
        );
        cells
    };
    let header = ["", "days to PQL", "days to customer", "same day", "before", "never PQLs"];
    let text = table(&header, all.iter().map(row).collect(), 1..6);
    let head = "Median days to PQL and from there to customer, of those who got there; customers on the day of it, before it and without";
    format!("{head}\n{text}")
}

/// What PQLs are worth; nothing without a revenue column.
fn revenue(all: &[&Row]) -> Option<String> {
    let of =
        || all.iter().filter_map(|row| row.figures.revenue.map(|revenue| (row.title(), revenue)));
    let expands = of().any(|(_, revenue)| revenue.expansion.is_some());
    let row = |(name, revenue): (String, Revenue)| {
        let mut cells = vec![name, revenue.customers.to_string()];
        let means = [revenue.per_pql, revenue.per_customer, revenue.per_other_customer];
        cells.extend(
            means
                .into_iter()
                .chain(expands.then_some(revenue.expansion))
                .map(|value| number(value, 2)),
        );
        cells
    };
    let mut header = vec!["", "customers", "per PQL", "per customer", "per other customer"];
    header.extend(expands.then_some("expansion"));
    let rows: Vec<Vec<String>> = of().map(row).collect();
    (!rows.is_empty()).then(|| format!("Revenue\n{}", table(&header, rows, 1..header.len())))
}

fn by_cohort(cohorts: &[&Row]) -> String {
    let visitors = cohorts.iter().any(|row| row.visitors.is_some());
    let row = |row: &&Row| {
        let figures = &row.figures;
        let mut cells = vec![row.cohort.clone()];
        if let Some(traffic) = &row.visitors {
            cells.extend([traffic.visitors.to_string(), percent(traffic.share)]);
        }
        cells.extend([figures.sign_ups, figures.pqls, figures.customers].map(|n| n.to_string()));
        for rate in [&figures.sign_up_to_pql, &figures.pql_to_customer] {
            cells.extend(share(rate));
            cells.push(rate.of.to_string());
        }
        cells.extend(lift(figures.landmark.as_ref()));
        cells
    };
    let traffic: &[&str] = if visitors { &["visitors", "% sign up"] } else { &[] };
    let rest = [
        "sign-ups",
        "PQLs",
        "customers",
        "% PQL",
        "95 %",
        "of",
        "% pay",
        "95 %",
        "of",
        "lift",
        "95 %",
    ];
    let header: Vec<&str> =
        ["cohort"].into_iter().chain(traffic.iter().copied()).chain(rest).collect();
    table(&header, cohorts.iter().map(row).collect(), 1..header.len())
}
