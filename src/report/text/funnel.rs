//! The funnel from sign-up to PQL to customer, by definition and cohort.

use pql_stats::intervals::Interval;

use super::{fixed, lift, percent, percent_range, range, table};
use crate::io::write::format_number;
use crate::log::Log;
use crate::report::format::{counted, grouped, whole_percent_range, wrap_lines};
use crate::rules::funnel::{
    ALL, Funnel, FunnelOptions, FunnelRow, LandmarkComparison, PqlRevenue, Rate,
    TYPICAL_CUSTOMER_SHARE, TYPICAL_PQL_SHARE,
};
use crate::time::TimeSpan;

/// Describes all cohorts together, then each cohort.
pub(crate) fn funnel(funnel: &Funnel, log: &Log, plan: &FunnelOptions<'_>) -> String {
    let shown: Vec<&FunnelRow> = funnel.rows.iter().filter(|row| row.is_distinct()).collect();
    let all: Vec<&FunnelRow> = shown.iter().copied().filter(|row| row.cohort == ALL).collect();
    let horizon = crate::report::format::span(TimeSpan(plan.horizon));
    let mut parts = vec![
        summary(&all, log, plan, &horizon),
        rates(&all, &horizon),
        landmarks(&all, &horizon),
        time_to_customer(&all),
        counts(&all),
    ];
    parts.extend(revenue(&all));
    let first = shown.iter().copied().filter(|r| {
        r.cohort != ALL && all.first().is_some_and(|a| (a.level, &a.name) == (r.level, &r.name))
    });
    parts.extend(visitors(&first.collect::<Vec<_>>()));
    for row in &all {
        let cohorts: Vec<&FunnelRow> = shown
            .iter()
            .copied()
            .filter(|r| r.cohort != ALL && (r.level, &r.name) == (row.level, &row.name))
            .collect();
        parts.push(format!("{}, by {} of sign-up\n{}", row.title(), plan.by, by_cohort(&cohorts)));
    }
    parts.join("\n\n")
}

/// Returns a share and its interval in percent.
fn rate_cells(rate: &Rate) -> [String; 2] {
    [percent(rate.share), percent_range(rate.interval)]
}

/// Returns a lift and its interval.
fn lift_cells(landmark: Option<&LandmarkComparison>) -> [String; 2] {
    [lift(landmark.and_then(|l| l.lift)), range(landmark.and_then(|l| l.lift_interval), 1)]
}

fn summary(all: &[&FunnelRow], log: &Log, plan: &FunnelOptions<'_>, horizon: &str) -> String {
    let Some(row) = all.first() else { return String::new() };
    let (metrics, converted) = (&row.metrics, &row.metrics.sign_up_to_customer);
    let mut text = format!(
        "{} from {} to {}",
        counted(metrics.sign_ups, "sign-up"),
        log.zone.day(plan.since),
        log.zone.day(log.until - 1)
    );
    if converted.mature > 0 {
        let [share, interval] = rate_cells(converted);
        text += &format!(
            "\n{share} (95% CI {interval}) of the {} at least {horizon} old converted within {horizon}",
            counted(converted.mature, "account")
        );
    }
    if let Some(traffic) = &row.visitors {
        text += &format!(
            "\n{} on {}",
            counted(traffic.visitors, "visitor"),
            counted(traffic.days, "day")
        );
        if traffic.share.is_some() {
            text += &format!(
                "; {} of them signed up (95% CI {})",
                percent(traffic.share),
                percent_range(traffic.interval)
            );
        }
    }
    text
}

fn rates(all: &[&FunnelRow], horizon: &str) -> String {
    let row = |row: &&FunnelRow| {
        let metrics = &row.metrics;
        let mut cells = vec![row.title()];
        for rate in [&metrics.sign_up_to_pql, &metrics.pql_to_customer] {
            cells.extend([grouped(rate.mature)].into_iter().chain(rate_cells(rate)));
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let blank = String::new;
    rows.push(vec![
        "typical in the industry".to_owned(),
        blank(),
        blank(),
        whole_percent_range(TYPICAL_PQL_SHARE),
        blank(),
        blank(),
        whole_percent_range(TYPICAL_CUSTOMER_SHARE),
    ]);
    let header = ["", "sign-ups", "PQL rate", "95% CI", "PQLs", "conversion", "95% CI"];
    format!(
        "Conversion rates\n{}\n{}",
        table(&header, rows, 1..7),
        wrap_lines(
            &format!(
                "PQL rate: share of sign-ups that qualify in time.\nconversion: share of PQLs that convert within {horizon}. Both count only accounts that are old enough."
            ),
            "  "
        )
    )
}

/// Compares PQLs with other accounts of the same age.
fn landmarks(all: &[&FunnelRow], horizon: &str) -> String {
    let (mut rows, mut notes): (Vec<Vec<String>>, Vec<String>) = (Vec::new(), Vec::new());
    for row in all {
        let note = match row.metrics.landmark.as_ref().zip(row.within_days) {
            Some((landmark, within)) => {
                let age = format!("{}d", format_number(within));
                let young = landmark.pqls.immature + landmark.others.immature;
                rows.extend(comparison_rows(row.title(), &age, landmark));
                format!(
                    "At {age}: {} had converted before, {} had churned, {} too young",
                    counted(landmark.converted_before, "account"),
                    grouped(landmark.churned_before),
                    grouped(young)
                )
            }
            None if row.definitions > 1 => format!(
                "{}: no comparison, because not all of its definitions have a `within`",
                row.title()
            ),
            None => format!("{}: no comparison, because it has no `within`", row.title()),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let header = ["", "age", "group", "accounts", "converted", "95% CI", "lift", "95% CI"];
    let text =
        if rows.is_empty() { String::new() } else { format!("\n{}", table(&header, rows, 3..8)) };
    format!(
        "PQLs compared with other unconverted accounts of the same age\nconverted: share that converted in the next {horizon}{text}\n{}",
        wrap_lines(&notes.join("\n"), "  ")
    )
}

fn comparison_rows(name: String, age: &str, landmark: &LandmarkComparison) -> [Vec<String>; 2] {
    let cells = |first: [String; 2], group: &str, rate: &Rate| {
        let group = [group.to_owned(), grouped(rate.mature)];
        first.into_iter().chain(group).chain(rate_cells(rate)).collect::<Vec<_>>()
    };
    let mut pqls = cells([name, age.to_owned()], "PQLs", &landmark.pqls);
    pqls.extend(lift_cells(Some(landmark)));
    [pqls, cells([String::new(), String::new()], "others", &landmark.others)]
}

fn time_to_customer(all: &[&FunnelRow]) -> String {
    let rows = |row: &&FunnelRow| {
        let after = &row.metrics.converted_after;
        let shares = after.iter().map(|after| percent(after.share));
        let intervals = after.iter().map(|after| percent_range(after.interval));
        [
            std::iter::once(row.title()).chain(shares).collect::<Vec<_>>(),
            std::iter::once("  95% CI".to_owned()).chain(intervals).collect(),
        ]
    };
    let days = all.first().map_or(&[][..], |row| &row.metrics.converted_after);
    let names: Vec<String> = days.iter().map(|after| counted(after.days.into(), "day")).collect();
    let header: Vec<&str> = [""].into_iter().chain(names.iter().map(String::as_str)).collect();
    let text = table(&header, all.iter().flat_map(rows).collect(), 1..header.len());
    format!("Share of PQLs that are customers by time since qualifying (Kaplan-Meier)\n{text}")
}

fn counts(all: &[&FunnelRow]) -> String {
    let row = |row: &&FunnelRow| {
        let metrics = &row.metrics;
        let counts = [
            metrics.pqls,
            metrics.customers,
            metrics.customers_same_day,
            metrics.already_customers,
            metrics.customers_without_match,
        ];
        let medians = [metrics.median_days_to_pql, metrics.median_days_to_customer];
        std::iter::once(row.title())
            .chain(counts.map(grouped))
            .chain(medians.map(|days| fixed(days, 1)))
            .collect::<Vec<_>>()
    };
    let header =
        ["", "PQLs", "customers", "same day", "before PQL", "never PQL", "to PQL", "to customer"];
    let text = table(&header, all.iter().map(row).collect(), 1..8);
    format!(
        "Counts, and median days to PQL and to customer\n{text}\ncustomers: PQLs that converted. same day: those that converted on the day they qualified.\nbefore PQL: other customers that converted before they qualified. never PQL: without a match."
    )
}

/// Describes the revenue of PQLs; `None` without a revenue column.
fn revenue(all: &[&FunnelRow]) -> Option<String> {
    let revenues =
        || all.iter().filter_map(|row| row.metrics.revenue.map(|revenue| (row.title(), revenue)));
    let expands = revenues().any(|(_, revenue)| revenue.expansion.is_some());
    let row = |(name, revenue): (String, PqlRevenue)| {
        let means = [revenue.per_pql, revenue.per_customer, revenue.per_other_customer];
        let means = means.into_iter().chain(expands.then_some(revenue.expansion));
        [name, grouped(revenue.customers)]
            .into_iter()
            .chain(means.map(|value| fixed(value, 2)))
            .collect::<Vec<_>>()
    };
    let mut header = vec!["", "customers", "per PQL", "per customer", "per other customer"];
    header.extend(expands.then_some("expansion"));
    let rows: Vec<Vec<String>> = revenues().map(row).collect();
    (!rows.is_empty()).then(|| format!("Revenue\n{}", table(&header, rows, 1..header.len())))
}

fn by_cohort(cohorts: &[&FunnelRow]) -> String {
    let row = |row: &&FunnelRow| {
        let metrics = &row.metrics;
        let mut cells = vec![row.cohort.clone()];
        cells.extend([metrics.sign_ups, metrics.pqls].map(grouped));
        for rate in [&metrics.sign_up_to_pql, &metrics.pql_to_customer] {
            cells.extend([percent(rate.share), narrow_range(rate.interval)]);
        }
        cells.extend(lift_cells(metrics.landmark.as_ref()));
        cells
    };
    let header = [
        "cohort",
        "sign-ups",
        "PQLs",
        "PQL rate",
        "95% CI",
        "conversion",
        "95% CI",
        "lift",
        "95% CI",
    ];
    table(&header, cohorts.iter().map(row).collect(), 1..header.len())
}

/// Formats the visitors and the share of them that signed up, by cohort; `None` without visitors.
fn visitors(rows: &[&FunnelRow]) -> Option<String> {
    let row = |row: &&FunnelRow| {
        let traffic = row.visitors.as_ref()?;
        Some(vec![
            row.cohort.clone(),
            grouped(traffic.visitors),
            grouped(traffic.sign_ups),
            percent(traffic.share),
            percent_range(traffic.interval),
        ])
    };
    let rows: Vec<Vec<String>> = rows.iter().filter_map(row).collect();
    let header = ["cohort", "visitors", "sign-ups", "sign-up rate", "95% CI"];
    (!rows.is_empty()).then(|| format!("Visitors\n{}", table(&header, rows, 1..5)))
}

/// Formats an interval of shares as `10.1 to 14.6%`, for wide tables.
fn narrow_range(interval: Option<Interval>) -> String {
    percent_range(interval).replacen("% to", " to", 1)
}
