//! The conversion funnel by PQL definition and by cohort.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, AxisScale, Chart, FOOT, WIDTH};
use crate::report::format::{
    counted, grouped, interval_range, number, percent, percent_range, whole_percent_range,
};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::rules::funnel::{
    ALL, FunnelRow, LandmarkComparison, Rate, TYPICAL_CUSTOMER_SHARE, TYPICAL_PQL_SHARE,
};

const HEIGHT: f64 = 240.0;
/// Height of a definition with its two groups.
const ROW: f64 = 34.0;

/// Returns the section about the funnel; nothing without definitions.
pub(super) fn funnel(context: &ReportContext<'_>) -> Markup {
    let Some(found) = context.page.funnel else { return Markup::default() };
    let all: Vec<&FunnelRow> =
        found.rows.iter().filter(|row| row.cohort == ALL && row.is_distinct()).collect();
    let compared: Vec<(&FunnelRow, &LandmarkComparison)> =
        all.iter().filter_map(|row| Some((*row, row.metrics.landmark.as_ref()?))).collect();
    let others = (!compared.is_empty()).then(|| against_others(&compared));
    let cohorts = all.last().and_then(|widest| {
        let cohorts: Vec<&FunnelRow> =
            found.rows.iter().filter(|row| is_cohort_of(row, widest)).collect();
        (cohorts.len() > 1).then(|| by_cohort(&cohorts, &widest.title()))
    });
    html! {
        section id="funnel" {
            h2 { "From sign-up to PQL to customer" }
            (paragraph(&format!(
                "Conversion funnel for the PQL definitions in the project file. A sign-up that matches a definition is a PQL. Published benchmarks: {} of trials become PQLs, and {} of PQLs become customers.",
                whole_percent_range(TYPICAL_PQL_SHARE),
                whole_percent_range(TYPICAL_CUSTOMER_SHARE)
            )))
            (grid(others.into_iter().chain(cohorts)))
            (table("Funnel by definition", "definition", &all, FunnelRow::title))
        }
    }
}

fn is_cohort_of(row: &FunnelRow, all: &FunnelRow) -> bool {
    row.cohort != ALL && (row.level, &row.name) == (all.level, &all.name)
}

fn share(rate: &Rate) -> String {
    rate.share.map_or_else(|| "–".to_owned(), percent)
}

fn share_interval(rate: &Rate) -> String {
    percent_range(rate.interval)
}

fn table(
    caption: &str,
    first_column: &str,
    rows: &[&FunnelRow],
    title: impl Fn(&FunnelRow) -> String,
) -> Table {
    let row = |row: &&FunnelRow| {
        let metrics = &row.metrics;
        let mut cells = vec![title(row)];
        cells.extend([metrics.sign_ups, metrics.pqls, metrics.customers].map(grouped));
        cells.extend(
            [&metrics.sign_up_to_pql, &metrics.pql_to_customer]
                .into_iter()
                .flat_map(|rate| [share(rate), share_interval(rate)]),
        );
        let lift = metrics
            .landmark
            .as_ref()
            .and_then(|l| l.lift)
            .map_or_else(|| "–".to_owned(), |lift| format!("{lift:.2}"));
        let interval = metrics.landmark.as_ref().and_then(|l| l.lift_interval);
        cells.extend([lift, interval_range(interval, |v| format!("{v:.2}"))]);
        cells
    };
    let header = [
        first_column,
        "sign-ups",
        "PQLs",
        "customers",
        "sign-up to PQL",
        "95% CI",
        "PQL to customer",
        "95% CI",
        "lift",
        "95% CI",
    ];
    Table::new(caption, &header, rows.iter().map(row))
}

/// Returns the conversion rates of PQLs and others at the same age, one row per definition.
fn against_others(compared: &[(&FunnelRow, &LandmarkComparison)]) -> Figure<'static> {
    let max = compared
        .iter()
        .flat_map(|(_, l)| [l.pqls.interval, l.others.interval])
        .flatten()
        .map(|interval| interval.high)
        .fold(0.05, f64::max);
    let height = ROW * number(compared.len()) + 64.0;
    let area = Area { left: 16.0, right: WIDTH - 19.0, top: 8.0, bottom: height - FOOT };
    let x = Axis::new(
        "share that converted after the landmark",
        AxisScale::rounded(0.0, max),
        percent,
        false,
    );
    let mut chart = Chart::new(area, &x, &Axis::rows(compared.len()));
    let titles: Vec<String> = compared.iter().map(|(row, _)| row.title()).collect();
    let headings =
        titles.iter().enumerate().map(|(row, title)| (number(row) - 0.28, title.as_str()));
    chart.row_headings(&headings.collect::<Vec<_>>());
    for (index, (row, landmark)) in compared.iter().enumerate() {
        let row_at = number(index);
        for (rate, class, who, below) in
            [(&landmark.pqls, "yes", "PQLs", 0.08), (&landmark.others, "no", "others", 0.3)]
        {
            let y = -(row_at + below);
            let (Some(value), Some(Interval { low, high })) = (rate.share, rate.interval) else {
                continue;
            };
            chart.stroke((low, y), (high, y), class);
            let title = format!(
                "{}, {who}: {} of {} converted, {} (95% CI {})",
                row.title(),
                rate.count,
                rate.mature,
                share(rate),
                share_interval(rate)
            );
            chart.dot((value, y), class, &title);
        }
    }
    let cells = |(row, l): &(&FunnelRow, &LandmarkComparison)| {
        let side = |rate: &Rate| [grouped(rate.mature), share(rate), share_interval(rate)];
        std::iter::once(row.title()).chain(side(&l.pqls)).chain(side(&l.others)).collect()
    };
    Figure {
        id: "pqls-against-others",
        title: "PQLs compared with other accounts",
        alt_text: "Conversion rates of PQLs and of other accounts that are free at the same age, with 95% confidence intervals.".to_owned(),
        caption: "Both groups are compared at the same age (the landmark) and include only accounts that are still free. The difference shows how well the definition predicts conversion, not what causes it.".to_owned(),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "PQLs, 95% CI"), ("dot no", "others, 95% CI")],
        table: Table::new("Conversion after the landmark", &["definition", "PQLs", "converted", "95% CI", "others", "converted", "95% CI"], compared.iter().map(cells)),
    }
}

/// Returns the share of each cohort that becomes PQLs, and of its PQLs that become customers.
fn by_cohort(cohorts: &[&FunnelRow], name: &str) -> Figure<'static> {
    let max = cohorts
        .iter()
        .flat_map(|row| [row.metrics.sign_up_to_pql.interval, row.metrics.pql_to_customer.interval])
        .flatten()
        .map(|interval| interval.high)
        .fold(0.05, f64::max);
    let x = Axis::items(
        "sign-up cohort",
        &cohorts.iter().map(|row| row.cohort.clone()).collect::<Vec<_>>(),
    );
    let y = Axis::new("share", AxisScale::rounded(0.0, max), percent, true);
    let mut chart = Chart::new(Area::with_height(HEIGHT), &x, &y);
    for (index, row) in cohorts.iter().enumerate() {
        let sides = [
            (&row.metrics.sign_up_to_pql, "yes", "sign-ups became PQLs", -0.14),
            (&row.metrics.pql_to_customer, "no", "PQLs became customers", 0.14),
        ];
        for (rate, class, result, offset) in sides {
            let Some(value) = rate.share else { continue };
            let place = number(index) + offset;
            let title = format!(
                "{}: {} of {} {result}, {} (95% CI {})",
                row.cohort,
                rate.count,
                rate.mature,
                share(rate),
                share_interval(rate)
            );
            chart.estimate((place, value), rate.interval, class, &title);
        }
    }
    Figure {
        id: "funnel-cohorts",
        title: "Funnel by sign-up cohort",
        alt_text: format!(
            "Share of sign-ups that become PQLs and share of PQLs that become customers, for {}.",
            counted(cohorts.len() as u64, "cohort")
        ),
        caption: format!(
            "PQLs in this chart: {name}. Only accounts old enough to have an outcome are included, so recent cohorts do not look worse."
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![
            ("dot yes", "sign-ups that become PQLs"),
            ("dot no", "PQLs that become customers"),
        ],
        table: table("Funnel by cohort", "cohort", cohorts, |row| row.cohort.clone()),
    }
}
