//! What the model learned from: rows read and dropped, cohorts, and the split by time.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::dataset::counts::{Extent, Side};
use crate::log::Quality;
use crate::model::card::Cohort;
use crate::report::charts::{Area, Axis, Chart, Scale, Spread};
use crate::report::format::{counted, number, percent};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::time::{iso_day, parse_iso};

/// Height of the charts of this section.
const HEIGHT: f64 = 220.0;
/// Months that are named on the axis.
const MONTHS: usize = 6;

/// Returns what is known of the data.
pub(super) fn data(context: &ReportContext<'_>) -> Markup {
    let extent = &context.model.extent;
    let cohorts = context.report.beside.map_or(&[][..], |beside| &beside.cohorts);
    let months: Vec<Month<'_>> = cohorts.iter().filter_map(Month::new).collect();
    let split = Split { months: &months, first_test: extent.first_test };
    let figures = if months.is_empty() { Vec::new() } else { vec![split.rows(), split.rates()] };
    html! {
        section id="data" {
            h2 { "What it learned from" }
            (paragraph(&split_in_words(extent)))
            (grid(figures))
            div.pair {
                (sides(extent))
                @if let Some(quality) = context.report.beside.and_then(|beside| beside.data_quality.as_ref()) {
                    (rows_read(quality))
                } @else if context.model.catalogue.is_none() {
                    (paragraph("A feature matrix was given: what became of the rows behind it is not known."))
                }
            }
            (left_out(context))
        }
    }
}

/// Returns the split in words.
fn split_in_words(extent: &Extent) -> String {
    let span = |from: Option<i64>, to: Option<i64>| {
        from.zip(to).map_or(String::new(), |(from, to)| {
            format!(" with cutoffs from {} to {}", iso_day(from), iso_day(to))
        })
    };
    let mut text = format!(
        "Learned on {} rows{}",
        extent.train.rows,
        span(extent.first_train, extent.last_train)
    );
    if extent.test.rows > 0 {
        let from =
            extent.first_test.map_or(String::new(), |first| format!(" from {} on", iso_day(first)));
        text += &format!("; judged on {} rows{from} that it has not seen", extent.test.rows);
    }
    text.push('.');
    if extent.purged > 0 {
        text += &format!(
            " {} whose horizon reaches into the test rows are left out.",
            counted(extent.purged, "row")
        );
    }
    if extent.open > 0 {
        text += &format!(" {} without outcome yet.", counted(extent.open, "row"));
    }
    text
}

fn sides(extent: &Extent) -> Table {
    let row = |name: &str, side: &Side| {
        let counts = [side.rows, side.accounts, side.positive_rows, side.converting_accounts]
            .map(|n| n.to_string());
        let rate = percent(number(side.positive_rows) / number(side.rows.max(1)));
        std::iter::once(name.to_owned()).chain(counts).chain([rate]).collect()
    };
    let test = (extent.test.rows > 0).then(|| row("test", &extent.test));
    let rows = std::iter::once(row("training", &extent.train)).chain(test);
    Table::new(
        "Training and test rows",
        &["", "rows", "accounts", "rows that convert", "accounts that convert", "base rate"],
        rows,
    )
}

/// Returns the rows read, kept and dropped of each source.
fn rows_read(quality: &Quality) -> Table {
    let mut rows = Vec::new();
    for source in &quality.sources {
        let name = source
            .source
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![
            format!("{name} ({}{dates})", source.kind),
            "read".to_owned(),
            source.rows.to_string(),
        ]);
        if source.made != source.rows {
            rows.push(vec![String::new(), "events in them".to_owned(), source.made.to_string()]);
        }
        for dropped in &source.dropped {
            let first = format!("dropped: {}, first in row {}", dropped.reason, dropped.row);
            rows.push(vec![String::new(), first, dropped.count.to_string()]);
        }
        rows.push(vec![String::new(), "kept".to_owned(), source.kept.to_string()]);
    }
    rows.extend(quality.kept.iter().map(|kept| {
        vec![String::new(), format!("kept, but odd: {}", kept.what), kept.count.to_string()]
    }));
    Table::new("What was read, kept and dropped", &["source", "what", "rows"], rows)
}

fn left_out(context: &ReportContext<'_>) -> Markup {
    let left_out = &context.model.left_out;
    let rows = left_out.iter().map(|l| vec![format!("`{}`", l.column), l.reason.to_string()]);
    html! {
        @if !left_out.is_empty() {
            details {
                summary { (counted(left_out.len() as u64, "column")) " left out of the model" }
                (Table::new("Columns left out", &["column", "why: it"], rows))
            }
        }
    }
}

/// A cohort, and when it begins and ends.
struct Month<'a> {
    cohort: &'a Cohort,
    from: f64,
    to: f64,
}

impl<'a> Month<'a> {
    fn new(cohort: &'a Cohort) -> Option<Self> {
        let (year, month) = cohort.month.split_once('-')?;
        let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let [from, to] = [(year, month), (next_year, next)]
            .map(|(year, month)| parse_iso(&format!("{year:04}-{month:02}-01")));
        #[expect(clippy::cast_precision_loss, reason = "µs of this century")]
        Some(Self { cohort, from: from? as f64, to: to? as f64 })
    }

    fn rate(&self) -> f64 {
        number(self.cohort.conversions) / number(self.cohort.rows.max(1))
    }

    fn title(&self) -> String {
        let Cohort { month, rows, conversions, train, test } = self.cohort;
        format!(
            "{month}: {rows} rows, {train} training, {test} test; {conversions} convert ({})",
            percent(self.rate())
        )
    }
}

/// Months and where the test rows begin.
struct Split<'a> {
    months: &'a [Month<'a>],
    first_test: Option<i64>,
}

impl Split<'_> {
    fn axes(&self, label: &str, most: f64, format: impl Fn(f64) -> String) -> Chart {
        let ends = [self.months[0].from, self.months[self.months.len() - 1].to];
        let every = self.months.len().div_ceil(MONTHS);
        let ticks = self
            .months
            .iter()
            .step_by(every)
            .map(|month| (0.5 * (month.from + month.to), month.cohort.month.clone()));
        let x = Axis {
            label: "month of the cutoff".to_owned(),
            scale: Scale::new(Spread::Linear, ends[0], ends[1]),
            ticks: ticks.collect(),
        };
        Chart::new(
            Area::of_height(HEIGHT),
            &x,
            &Axis::new(label, Scale::rounded(0.0, most), format, true),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "µs of this century")]
    fn mark(&self, chart: &mut Chart) {
        if let Some(first) = self.first_test {
            chart.vertical_line(first as f64, "test from here");
        }
    }

    fn table(&self) -> Table {
        let row = |month: &Month<'_>| {
            let Cohort { month: name, rows, conversions, train, test } = month.cohort;
            let counts = [*rows, *train, *test, *conversions].map(|n| n.to_string());
            std::iter::once(name.clone()).chain(counts).chain([percent(month.rate())]).collect()
        };
        Table::new(
            "Cohorts",
            &["month", "rows", "training", "test", "convert", "share"],
            self.months.iter().map(row),
        )
    }

    fn rows(&self) -> Figure<'static> {
        let most = self.months.iter().map(|month| month.cohort.rows).max().unwrap_or(1);
        let mut chart = self.axes("rows with an outcome", number(most), |v| v.to_string());
        for month in self.months {
            let Cohort { rows, train, test, .. } = *month.cohort;
            // A gap between the bars.
            let room = 0.08 * (month.to - month.from);
            let ends = [month.from + room, month.to - room];
            let mut floor = 0.0;
            for (count, class) in
                [(train, "train"), (rows - train - test, "purged"), (test, "test")]
            {
                if count > 0 {
                    chart.bar(ends, [floor, floor + number(count)], (class, &month.title()));
                }
                floor += number(count);
            }
        }
        self.mark(&mut chart);
        Figure {
            id: "rows-by-month",
            title: "Rows by month",
            alt_text: format!("Rows with an outcome in {} months, split by time into training and test rows.", self.months.len()),
            caption: "The newest cohorts are held out. Rows between, whose horizon reaches into the test, serve neither.".to_owned(),
            drawing: chart.drawing(HEIGHT),
            legend: vec![("train", "training"), ("purged", "neither"), ("test", "test")],
            table: self.table(),
        }
    }

    fn rates(&self) -> Figure<'static> {
        let most = self.months.iter().map(Month::rate).fold(0.01, f64::max);
        let mut chart = self.axes("share that converts", most, percent);
        let points: Vec<(f64, f64)> =
            self.months.iter().map(|month| (0.5 * (month.from + month.to), month.rate())).collect();
        chart.line(&points, "yes");
        for (point, month) in points.iter().zip(self.months) {
            chart.dot(*point, "yes", &month.title());
        }
        self.mark(&mut chart);
        Figure {
            id: "rate-by-month",
            title: "Base rate by month",
            alt_text: "Share of the rows of each month that convert.".to_owned(),
            caption: "Where it drifts, the model's probabilities drift away from what happens."
                .to_owned(),
            drawing: chart.drawing(HEIGHT),
            legend: Vec::new(),
            table: self.table(),
        }
    }
}
