//! From sign-up to PQL to customer, by definition and by cohort.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, Chart, FOOT, Scale, WIDTH};
use crate::report::format::{between, counted, number, percent};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::rules::funnel::{ALL, Landmark, Rate, Row, USUAL_CUSTOMERS, USUAL_PQLS};

const HEIGHT: f64 = 240.0;
/// Height of a definition with its two sides.
const ROW: f64 = 34.0;

/// Returns what became of the sign-ups, where there are definitions.
pub(super) fn funnel(context: &ReportContext<'_>) -> Markup {
    let Some(found) = context.report.funnel else { return Markup::default() };
    let all: Vec<&Row> =
        found.rows.iter().filter(|row| row.cohort == ALL && row.tells_more()).collect();
    let compared: Vec<(&Row, &Landmark)> =
        all.iter().filter_map(|row| Some((*row, row.figures.landmark.as_ref()?))).collect();
    let others = (!compared.is_empty()).then(|| against_others(&compared));
    let cohorts = all.last().and_then(|widest| {
        let cohorts: Vec<&Row> =
            found.rows.iter().filter(|row| is_cohort_of(row, widest)).collect();
        (cohorts.len() > 1).then(|| by_cohort(&cohorts, &widest.title()))
    });
    html! {
        section id="funnel" {
            h2 { "From sign-up to PQL to customer" }
            (paragraph(&format!(
                "What the PQL definitions of the project file find in its log. It is usual that {} of trials qualify and {} of PQLs pay.",
                range(USUAL_PQLS),
                range(USUAL_CUSTOMERS)
            )))
            (grid(others.into_iter().chain(cohorts)))
            (table("Funnel", &all, Row::title))
        }
    }
}

fn is_cohort_of(row: &Row, all: &Row) -> bool {
    row.cohort != ALL && (row.level, &row.name) == (all.level, &all.name)
}

fn range(Interval { low, high }: Interval) -> String {
    format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high)
}

fn share(rate: &Rate) -> String {
    rate.share.map_or_else(|| "–".to_owned(), percent)
}

fn share_interval(rate: &Rate) -> String {
    between(rate.interval, percent)
}

fn table(caption: &str, rows: &[&Row], named: impl Fn(&Row) -> String) -> Table {
    let row = |row: &&Row| {
        let figures = &row.figures;
        let mut cells = vec![named(row)];
        cells.extend([figures.sign_ups, figures.pqls, figures.customers].map(|n| n.to_string()));
        cells.extend(
            [&figures.sign_up_to_pql, &figures.pql_to_customer]
                .into_iter()
                .flat_map(|rate| [share(rate), share_interval(rate)]),
        );
        let lift = figures
            .landmark
            .as_ref()
            .and_then(|l| l.lift)
            .map_or_else(|| "–".to_owned(), |lift| format!("{lift:.2}"));
        let interval = figures.landmark.as_ref().and_then(|l| l.lift_interval);
        cells.extend([lift, between(interval, |v| format!("{v:.2}"))]);
        cells
    };
    let header = [
        "",
        "sign-ups",
        "PQLs",
        "customers",
        "qualify",
        "95 %",
        "of PQLs pay",
        "95 %",
        "lift",
        "95 %",
    ];
    Table::new(caption, &header, rows.iter().map(row))
}

/// Returns PQLs and others at the same age, a definition to a row.
fn against_others(compared: &[(&Row, &Landmark)]) -> Figure<'static> {
    let most = compared
        .iter()
        .flat_map(|(_, l)| [l.pqls.interval, l.others.interval])
        .flatten()
        .map(|interval| interval.high)
        .fold(0.05, f64::max);
    let height = ROW * number(compared.len()) + 64.0;
    let area = Area { left: 16.0, right: WIDTH - 19.0, top: 8.0, bottom: height - FOOT };
    let x = Axis::new(
        "share that converts after the landmark",
        Scale::rounded(0.0, most),
        percent,
        false,
    );
    let mut chart = Chart::new(area, &x, &Axis::rows(compared.len()));
    for (at, (row, landmark)) in compared.iter().enumerate() {
        let row_at = number(at);
        chart.row_heading(row_at - 0.28, &row.title());
        for (rate, class, who, below) in
            [(&landmark.pqls, "yes", "PQLs", 0.08), (&landmark.others, "no", "others", 0.3)]
        {
            let y = -(row_at + below);
            let (Some(value), Some(Interval { low, high })) = (rate.share, rate.interval) else {
                continue;
            };
            chart.stroke((low, y), (high, y), class);
            let title = format!(
                "{}, {who}: {} of {} convert, {}, 95 % {}",
                row.title(),
                rate.count,
                rate.of,
                share(rate),
                share_interval(rate)
            );
            chart.dot((value, y), class, &title);
        }
    }
    let cells = |(row, l): &(&Row, &Landmark)| {
        let side = |rate: &Rate| [rate.of.to_string(), share(rate), share_interval(rate)];
        std::iter::once(row.title()).chain(side(&l.pqls)).chain(side(&l.others)).collect()
    };
    Figure {
        id: "pqls-against-others",
        title: "PQLs against others",
        alt_text: "Share of accounts that converts in the horizon after the landmark, PQLs and others that are free at the same age, with \
                      95 % intervals."
            .to_owned(),
        caption: "Both still free at the end of the definition's time: what the rule tells, not what reaching it does.".to_owned(),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "PQLs, 95 %"), ("dot no", "others, 95 %")],
        table: Table::new("At the landmark", &["", "PQLs", "convert", "95 %", "others", "convert", "95 %"], compared.iter().map(cells)),
    }
}

/// Returns the share of each cohort that qualifies, and the share of its PQLs that pays.
fn by_cohort(cohorts: &[&Row], name: &str) -> Figure<'static> {
    let most = cohorts
        .iter()
        .flat_map(|row| [row.figures.sign_up_to_pql.interval, row.figures.pql_to_customer.interval])
        .flatten()
        .map(|interval| interval.high)
        .fold(0.05, f64::max);
    let x =
        Axis::items("sign-up", &cohorts.iter().map(|row| row.cohort.clone()).collect::<Vec<_>>());
    let y = Axis::new("share", Scale::rounded(0.0, most), percent, true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &x, &y);
    for (at, row) in cohorts.iter().enumerate() {
        let sides = [
            (&row.figures.sign_up_to_pql, "yes", "sign-ups qualify", -0.14),
            (&row.figures.pql_to_customer, "no", "PQLs pay", 0.14),
        ];
        for (rate, class, what, beside) in sides {
            let Some(value) = rate.share else { continue };
            let place = number(at) + beside;
            let title = format!(
                "{}: {} of {} {what}, {}, 95 % {}",
                row.cohort,
                rate.count,
                rate.of,
                share(rate),
                share_interval(rate)
            );
            chart.estimate((place, value), rate.interval, class, &title);
        }
    }
    Figure {
        id: "funnel-cohorts",
        title: "Cohorts of sign-ups",
        alt_text: format!(
            "For {} of sign-ups the share that qualifies and the share of its PQLs that pays.",
            counted(cohorts.len() as u64, "cohort")
        ),
        caption: format!(
            "By {name}; only those old enough to tell count, so that young cohorts do not look worse."
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "sign-ups that qualify"), ("dot no", "PQLs that pay")],
        table: table("By cohort", cohorts, |row| row.cohort.clone()),
    }
}
