//! What the model learned from: rows read and dropped, cohorts, and the split by time.

use super::Seen;
use super::chart::{About, Area, Axis, Chart, Scale, Spread};
use super::html::{Figure, Html, Table};
use super::words::{counted, number, percent};
use crate::card::Cohort;
use crate::ingest::Quality;
use crate::model::{Extent, Side};
use crate::time::{iso_day, parse_iso};

/// Height of the charts of this section.
const HEIGHT: f64 = 220.0;
/// Months that are named on the axis.
const MONTHS: usize = 6;

/// Put what is known of the data.
pub(super) fn data(seen: &Seen<'_>, body: &mut Html) {
    body.section("data", "What it learned from");
    body.paragraph(&split(&seen.model.extent)).raw("<div class=\"grid\">\n");
    let cohorts = seen.report.beside.map_or(&[][..], |beside| &beside.cohorts);
    let months: Vec<Month<'_>> = cohorts.iter().filter_map(Month::of).collect();
    if !months.is_empty() {
        let split = Split { months: &months, first_test: seen.model.extent.first_test };
        body.figure(&split.rows()).figure(&split.rates());
    }
    body.raw("</div>\n<div class=\"pair\">").table(&sides(&seen.model.extent));
    match seen.report.beside.and_then(|beside| beside.data_quality.as_ref()) {
        Some(quality) => body.table(&read(quality)),
        None if seen.model.catalogue.is_none() => {
            body.paragraph("A feature matrix was given: what became of the rows behind it is not known.")
        }
        None => body,
    };
    body.raw("</div>\n");
    left_out(seen, body);
    body.raw("</section>\n");
}

/// The split in words.
fn split(extent: &Extent) -> String {
    let span = |from: Option<i64>, to: Option<i64>| {
        from.zip(to).map_or(String::new(), |(from, to)| format!(" with cutoffs from {} to {}", iso_day(from), iso_day(to)))
    };
    let mut text = format!("Learned on {} rows{}", extent.train.rows, span(extent.first_train, extent.last_train));
    if extent.test.rows > 0 {
        let from = extent.first_test.map_or(String::new(), |first| format!(" from {} on", iso_day(first)));
        text += &format!("; judged on {} rows{from} that it has not seen", extent.test.rows);
    }
    text.push('.');
    if extent.purged > 0 {
        text += &format!(" {} whose horizon reaches into the test rows are left out.", counted(extent.purged, "row"));
    }
    if extent.open > 0 {
        text += &format!(" {} without outcome yet.", counted(extent.open, "row"));
    }
    text
}

fn sides(extent: &Extent) -> Table {
    let row = |name: &str, side: &Side| {
        let counts = [side.rows, side.accounts, side.positive_rows, side.converting_accounts].map(|n| n.to_string());
        let rate = percent(number(side.positive_rows) / number(side.rows.max(1)));
        std::iter::once(name.to_owned()).chain(counts).chain([rate]).collect()
    };
    let test = (extent.test.rows > 0).then(|| row("test", &extent.test));
    let rows = std::iter::once(row("training", &extent.train)).chain(test).collect();
    Table::new("Training and test rows", &["", "rows", "accounts", "rows that convert", "accounts that convert", "base rate"], rows)
}

/// What became of every row read.
fn read(quality: &Quality) -> Table {
    let mut rows = Vec::new();
    for source in &quality.sources {
        let name = source.source.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![format!("{name} ({}{dates})", source.kind), "read".to_owned(), source.rows.to_string()]);
        if source.made != source.rows {
            rows.push(vec![String::new(), "events in them".to_owned(), source.made.to_string()]);
        }
        for dropped in &source.dropped {
            let first = format!("dropped: {}, first in row {}", dropped.reason.words(), dropped.row);
            rows.push(vec![String::new(), first, dropped.count.to_string()]);
        }
        rows.push(vec![String::new(), "kept".to_owned(), source.kept.to_string()]);
    }
    rows.extend(quality.kept.iter().map(|kept| vec![String::new(), format!("kept, but odd: {}", kept.what), kept.count.to_string()]));
    Table::new("What was read, kept and dropped", &["source", "what", "rows"], rows)
}

fn left_out(seen: &Seen<'_>, body: &mut Html) {
    let left_out = &seen.model.left_out;
    if left_out.is_empty() {
        return;
    }
    let rows = left_out.iter().map(|l| vec![format!("`{}`", l.column), l.reason.clone()]).collect();
    let summary = format!("{} left out of the model", counted(left_out.len() as u64, "column"));
    body.folded(&summary, &Table::new("Columns left out", &["column", "why: it"], rows));
}

/// A cohort, and when it begins and ends.
struct Month<'a> {
    cohort: &'a Cohort,
    from: f64,
    to: f64,
}

impl<'a> Month<'a> {
    fn of(cohort: &'a Cohort) -> Option<Self> {
        let (year, month) = cohort.month.split_once('-')?;
        let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let [from, to] = [(year, month), (next_year, next)].map(|(year, month)| parse_iso(&format!("{year:04}-{month:02}-01")));
        #[expect(clippy::cast_precision_loss, reason = "µs of this century")]
        Some(Self { cohort, from: from? as f64, to: to? as f64 })
    }

    fn rate(&self) -> f64 {
        number(self.cohort.conversions) / number(self.cohort.rows.max(1))
    }

    fn title(&self) -> String {
        let Cohort { month, rows, conversions, train, test } = self.cohort;
        format!("{month}: {rows} rows, {train} training, {test} test; {conversions} convert ({})", percent(self.rate()))
    }
}

/// Months and where the test rows begin.
struct Split<'a> {
    months: &'a [Month<'a>],
    first_test: Option<i64>,
}

impl Split<'_> {
    fn axes(&self, label: &str, most: f64, of: impl Fn(f64) -> String) -> Chart {
        let ends = [self.months[0].from, self.months[self.months.len() - 1].to];
        let every = self.months.len().div_ceil(MONTHS);
        let ticks = self.months.iter().step_by(every).map(|month| (0.5 * (month.from + month.to), month.cohort.month.clone()));
        let x =
            Axis { label: "month of the cutoff".to_owned(), scale: Scale::new(Spread::Linear, ends[0], ends[1]), ticks: ticks.collect() };
        Chart::new(Area::of_height(HEIGHT), &x, &Axis::new(label, Scale::rounded(0.0, most), of, true))
    }

    #[expect(clippy::cast_precision_loss, reason = "µs of this century")]
    fn mark(&self, chart: &mut Chart) {
        if let Some(first) = self.first_test {
            chart.upright(first as f64, "test from here");
        }
    }

    fn table(&self) -> Table {
        let row = |month: &Month<'_>| {
            let Cohort { month: name, rows, conversions, train, test } = month.cohort;
            let counts = [*rows, *train, *test, *conversions].map(|n| n.to_string());
            std::iter::once(name.clone()).chain(counts).chain([percent(month.rate())]).collect()
        };
        Table::new("Cohorts", &["month", "rows", "training", "test", "convert", "share"], self.months.iter().map(row).collect())
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
            for (count, class) in [(train, "train"), (rows - train - test, "purged"), (test, "test")] {
                if count > 0 {
                    chart.bar(ends, [floor, floor + number(count)], (class, &month.title()));
                }
                floor += number(count);
            }
        }
        self.mark(&mut chart);
        let title = "Rows by month";
        let description = format!("Rows with an outcome in {} months, split by time into training and test rows.", self.months.len());
        let about = About { id: "rows-by-month", title, description: &description };
        Figure {
            title,
            about: "The newest cohorts are held out. Rows between, whose horizon reaches into the test, serve neither.".to_owned(),
            drawing: chart.drawing(HEIGHT, &about),
            legend: vec![("train", "training"), ("purged", "neither"), ("test", "test")],
            table: self.table(),
        }
    }

    fn rates(&self) -> Figure<'static> {
        let most = self.months.iter().map(Month::rate).fold(0.01, f64::max);
        let mut chart = self.axes("share that converts", most, percent);
        let points: Vec<(f64, f64)> = self.months.iter().map(|month| (0.5 * (month.from + month.to), month.rate())).collect();
        chart.line(&points, "yes");
        for (point, month) in points.iter().zip(self.months) {
            chart.dot(*point, "yes", &month.title());
        }
        self.mark(&mut chart);
        let title = "Base rate by month";
        let about = About { id: "rate-by-month", title, description: "Share of the rows of each month that convert." };
        Figure {
            title,
            about: "Where it drifts, the model's probabilities drift away from what happens.".to_owned(),
            drawing: chart.drawing(HEIGHT, &about),
            legend: Vec::new(),
            table: self.table(),
        }
    }
}
