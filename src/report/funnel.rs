//! From sign-up to PQL to customer, by definition and by cohort.

use super::Seen;
use super::chart::{About, Area, Axis, Chart, FOOT, Scale, Spread, WIDTH};
use super::html::{Figure, Html, Table};
use super::words::{between, counted, number, percent};
use crate::funnel::{ALL, Landmark, Rate, Row, USUAL_CUSTOMERS, USUAL_PQLS};

const HEIGHT: f64 = 240.0;
/// Height of a definition with its two sides.
const ROW: f64 = 34.0;
/// Cohorts that are named on the axis.
const NAMED: usize = 5;

/// Put what became of the sign-ups, where there are definitions.
pub(super) fn funnel(seen: &Seen<'_>, body: &mut Html) {
    let Some(found) = seen.report.funnel else { return };
    let all: Vec<&Row> = found.rows.iter().filter(|row| row.cohort == ALL && row.tells_more()).collect();
    body.section("funnel", "From sign-up to PQL to customer");
    body.paragraph(&format!(
        "What the PQL definitions of the project file find in its log. It is usual that {} of trials qualify and {} of PQLs pay.",
        range(USUAL_PQLS),
        range(USUAL_CUSTOMERS)
    ));
    body.raw("<div class=\"grid\">\n");
    let compared: Vec<(&Row, &Landmark)> = all.iter().filter_map(|row| Some((*row, row.figures.landmark.as_ref()?))).collect();
    if !compared.is_empty() {
        body.figure(&against_others(&compared));
    }
    if let Some(widest) = all.last() {
        let cohorts: Vec<&Row> = found.rows.iter().filter(|row| is_cohort_of(row, widest)).collect();
        if cohorts.len() > 1 {
            body.figure(&by_cohort(&cohorts, &widest.title()));
        }
    }
    body.raw("</div>\n").table(&table("Funnel", &all, Row::title)).raw("</section>\n");
}

fn is_cohort_of(row: &Row, all: &Row) -> bool {
    row.cohort != ALL && (row.level, &row.name) == (all.level, &all.name)
}

fn range([low, high]: [f64; 2]) -> String {
    format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high)
}

fn share(rate: &Rate) -> String {
    rate.share.map_or_else(|| "–".to_owned(), percent)
}

fn interval(rate: &Rate) -> String {
    between(rate.low.zip(rate.high).map(|(low, high)| [low, high]), percent)
}

fn table(caption: &str, rows: &[&Row], named: impl Fn(&Row) -> String) -> Table {
    let row = |row: &&Row| {
        let of = &row.figures;
        let mut cells = vec![named(row)];
        cells.extend([of.sign_ups, of.pqls, of.customers].map(|n| n.to_string()));
        cells.extend([&of.sign_up_to_pql, &of.pql_to_customer].into_iter().flat_map(|rate| [share(rate), interval(rate)]));
        let lift = of.landmark.as_ref().and_then(|l| l.lift).map_or_else(|| "–".to_owned(), |lift| format!("{lift:.2}"));
        let ends = of.landmark.as_ref().and_then(|l| l.lift_low.zip(l.lift_high)).map(|(low, high)| [low, high]);
        cells.extend([lift, between(ends, |v| format!("{v:.2}"))]);
        cells
    };
    let header = ["", "sign-ups", "PQLs", "customers", "qualify", "95 %", "of PQLs pay", "95 %", "lift", "95 %"];
    Table::new(caption, &header, rows.iter().map(row).collect())
}

/// PQLs and others at the same age, a definition to a row.
fn against_others(compared: &[(&Row, &Landmark)]) -> Figure<'static> {
    let most = compared.iter().flat_map(|(_, l)| [l.pqls.high, l.others.high]).flatten().fold(0.05, f64::max);
    let height = ROW * number(compared.len()) + 64.0;
    let area = Area { left: 16.0, right: WIDTH - 19.0, top: 8.0, bottom: height - FOOT };
    let x = Axis::new("share that converts after the landmark", Scale::rounded(0.0, most), percent, false);
    let mut chart = Chart::new(area, &x, &Axis::rows(compared.len()));
    for (at, (row, landmark)) in compared.iter().enumerate() {
        let row_at = number(at);
        chart.row_heading(row_at - 0.28, &row.title());
        for (rate, class, who, below) in [(&landmark.pqls, "yes", "PQLs", 0.08), (&landmark.others, "no", "others", 0.3)] {
            let y = -(row_at + below);
            let (Some(value), Some(low), Some(high)) = (rate.share, rate.low, rate.high) else { continue };
            chart.stroke((low, y), (high, y), class);
            let title = format!("{}, {who}: {} of {} convert, {}, 95 % {}", row.title(), rate.count, rate.of, share(rate), interval(rate));
            chart.dot((value, y), class, &title);
        }
    }
    let about = About {
        id: "pqls-against-others",
        title: "PQLs against others",
        description: "Share of accounts that converts in the horizon after the landmark, PQLs and others that are free at the same age, with \
                      95 % intervals.",
    };
    let cells = |(row, l): &(&Row, &Landmark)| {
        let side = |rate: &Rate| [rate.of.to_string(), share(rate), interval(rate)];
        std::iter::once(row.title()).chain(side(&l.pqls)).chain(side(&l.others)).collect()
    };
    Figure {
        title: "PQLs against others",
        about: "Both still free at the end of the definition's time: what the rule tells, not what reaching it does.".to_owned(),
        drawing: chart.drawing(height, &about),
        legend: vec![("dot yes", "PQLs, 95 %"), ("dot no", "others, 95 %")],
        table: Table::new(
            "At the landmark",
            &["", "PQLs", "convert", "95 %", "others", "convert", "95 %"],
            compared.iter().map(cells).collect(),
        ),
    }
}

/// Which share of each cohort qualifies, and which of its PQLs pay.
fn by_cohort(cohorts: &[&Row], name: &str) -> Figure<'static> {
    let most =
        cohorts.iter().flat_map(|row| [row.figures.sign_up_to_pql.high, row.figures.pql_to_customer.high]).flatten().fold(0.05, f64::max);
    let every = cohorts.len().div_ceil(NAMED);
    let ticks = cohorts.iter().enumerate().step_by(every).map(|(at, row)| (number(at), row.cohort.clone())).collect();
    let x = Axis { label: "sign-up".to_owned(), scale: Scale::new(Spread::Linear, -0.5, number(cohorts.len()) - 0.5), ticks };
    let y = Axis::new("share", Scale::rounded(0.0, most), percent, true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &x, &y);
    for (at, row) in cohorts.iter().enumerate() {
        let sides =
            [(&row.figures.sign_up_to_pql, "yes", "sign-ups qualify", -0.14), (&row.figures.pql_to_customer, "no", "PQLs pay", 0.14)];
        for (rate, class, what, beside) in sides {
            let (Some(value), Some(low), Some(high)) = (rate.share, rate.low, rate.high) else { continue };
            let place = number(at) + beside;
            chart.stroke((place, low), (place, high), class);
            let title = format!("{}: {} of {} {what}, {}, 95 % {}", row.cohort, rate.count, rate.of, share(rate), interval(rate));
            chart.dot((place, value), class, &title);
        }
    }
    let description = format!(
        "For {} of sign-ups the share that qualifies and the share of its PQLs that pays.",
        counted(cohorts.len() as u64, "cohort")
    );
    let about = About { id: "funnel-cohorts", title: "Cohorts of sign-ups", description: &description };
    Figure {
        title: "Cohorts of sign-ups",
        about: format!("By {name}; only those old enough to tell count, so that young cohorts do not look worse."),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "sign-ups that qualify"), ("dot no", "PQLs that pay")],
        table: table("By cohort", cohorts, |row| row.cohort.clone()),
    }
}
