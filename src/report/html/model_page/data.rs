//! The data: training and test set, cohorts, and rows read and dropped.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::dataset::split::SplitMethod;
use crate::dataset::split_summary::{SampleCounts, SplitSummary};
use crate::log::DataQuality;
use crate::model::Model;
use crate::model::card::Cohort;
use crate::report::charts::{Area, Axis, AxisScale, Chart, Transform};
use crate::report::format::{counted, file_name, formatter_for_counts, grouped, number, percent};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::time::parse_iso;

/// Height of the charts of this section.
const HEIGHT: f64 = 220.0;
/// Months that are named on the axis.
const MONTHS: usize = 6;

/// Returns the section about the data.
pub(super) fn data(context: &ReportContext<'_>) -> Markup {
    let counts = &context.model.split;
    let cohorts = context.page.card.map_or(&[][..], |card| &card.cohorts);
    let months: Vec<Month<'_>> = cohorts.iter().filter_map(Month::new).collect();
    let zone = context.model.zone();
    let first_test = counts.first_test.map(|cutoff| zone.local(cutoff));
    let split = MonthlySplit { months: &months, first_test };
    let figures = if months.is_empty() { Vec::new() } else { vec![split.rows(), split.rates()] };
    html! {
        section id="data" {
            h2 { "Training and test data" }
            (paragraph(&describe_split(context.model)))
            (grid(figures))
            div.pair {
                (split_table(counts))
                @if let Some(quality) = context.page.card.and_then(|card| card.data_quality.as_ref()) {
                    (quality_table(quality))
                } @else if context.model.catalog.is_none() {
                    (paragraph("The model was trained on a feature matrix, so the data quality of its source is unknown."))
                }
            }
            (unused_columns(context))
        }
    }
}

/// Returns the split into training and test set in words.
fn describe_split(model: &Model) -> String {
    let (split, zone) = (&model.split, model.zone());
    let span = |from: Option<i64>, to: Option<i64>| {
        from.zip(to).map_or(String::new(), |(from, to)| {
            format!(" with cutoffs from {} to {}", zone.day(from), zone.day(to))
        })
    };
    let mut text = format!(
        "Trained on {}{}.",
        counted(split.train.rows, "row"),
        span(split.first_train, split.last_train)
    );
    if split.method == SplitMethod::CrossValidation {
        text += " Tested by cross-validation: each row is predicted by a model of other accounts.";
    } else if split.test.rows > 0 {
        let from = split
            .first_test
            .map_or(String::new(), |first| format!(" with cutoffs from {} on", zone.day(first)));
        text += &format!(" Tested on {}{from}.", counted(split.test.rows, "held-out row"));
    }
    if split.purged > 0 {
        let (verb, whose) = if split.purged == 1 { ("is", "its") } else { ("are", "their") };
        text += &format!(
            " {} in between {verb} in neither set, because {whose} outcome period overlaps the test period.",
            counted(split.purged, "row")
        );
    }
    if let Some(refit) = &model.refit {
        text += &format!(
            " The final model is fitted on all {} with an outcome. Metrics and curves describe fits without the test rows; coefficients and example accounts describe the final model.",
            counted(refit.sample.rows, "row")
        );
    }
    if split.immature > 0 {
        text += &format!(" Not used: {} without an outcome yet.", counted(split.immature, "row"));
    }
    text
}

fn split_table(split: &SplitSummary) -> Table {
    let sets: Vec<(&str, &SampleCounts)> = [("training", &split.train), ("test", &split.test)]
        .into_iter()
        .filter(|(name, counts)| *name == "training" || counts.rows > 0)
        .collect();
    let rate =
        |counts: &SampleCounts| percent(number(counts.positive_rows) / number(counts.rows.max(1)));
    let caption = "Training and test set";
    if sets.iter().all(|(_, counts)| counts.rows == counts.accounts) {
        let row = |(name, counts): (&str, &SampleCounts)| {
            let numbers = [counts.accounts, counts.converting_accounts].map(grouped);
            [&[name.to_owned()], &numbers[..], &[rate(counts)]].concat()
        };
        let header = ["set", "accounts", "converted", "base rate"];
        return Table::new(caption, &header, sets.into_iter().map(row));
    }
    let row = |(name, counts): (&str, &SampleCounts)| {
        let numbers =
            [counts.rows, counts.accounts, counts.positive_rows, counts.converting_accounts]
                .map(grouped);
        [&[name.to_owned()], &numbers[..], &[rate(counts)]].concat()
    };
    let header = ["set", "rows", "accounts", "converted rows", "converting accounts", "base rate"];
    Table::new(caption, &header, sets.into_iter().map(row))
}

/// Returns the number of rows read, kept and dropped of each source.
fn quality_table(quality: &DataQuality) -> Table {
    let mut rows = Vec::new();
    for source in &quality.sources {
        let name = file_name(&source.source);
        let dates = if source.date_only { ", dates only" } else { "" };
        rows.push(vec![
            format!("{name} ({}{dates})", source.kind),
            "read".to_owned(),
            grouped(source.rows),
        ]);
        if source.records != source.rows {
            rows.push(vec![
                String::new(),
                "events in these rows".to_owned(),
                grouped(source.records),
            ]);
        }
        for dropped in &source.dropped {
            let first = format!("dropped: {} (first: row {})", dropped.reason, dropped.first_row);
            rows.push(vec![String::new(), first, grouped(dropped.count)]);
        }
        rows.push(vec![String::new(), "kept".to_owned(), grouped(source.kept)]);
        if let Some(first) = source.unread.first() {
            let name = file_name(first);
            let count = grouped(source.unread.len() as u64);
            rows.push(vec![String::new(), format!("files not read (first: {name})"), count]);
        }
    }
    rows.extend(quality.anomalies.iter().map(|odd| {
        vec![String::new(), format!("kept, but unusual: {}", odd.anomaly), grouped(odd.count)]
    }));
    Table::new("Rows read, kept and dropped", &["source", "step", "rows"], rows)
}

fn unused_columns(context: &ReportContext<'_>) -> Markup {
    let left_out = &context.model.dropped_features;
    let rows = left_out.iter().map(|l| vec![format!("`{}`", l.column), l.reason.to_string()]);
    html! {
        @if !left_out.is_empty() {
            details {
                summary { (counted(left_out.len() as u64, "column")) " not used by the model" }
                (Table::new("Unused columns", &["column", "reason"], rows))
            }
        }
    }
}

/// A monthly cohort, with the start and end of its month in µs of local time.
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
        let Cohort { month, rows, conversions, training_rows: train, test_rows: test } =
            self.cohort;
        format!(
            "{month}: {} ({} training, {} test), {} converted ({})",
            counted(*rows, "row"),
            grouped(*train),
            grouped(*test),
            grouped(*conversions),
            percent(self.rate())
        )
    }
}

/// All months, and the start of the test set.
struct MonthlySplit<'a> {
    months: &'a [Month<'a>],
    /// Local time, µs.
    first_test: Option<i64>,
}

impl MonthlySplit<'_> {
    fn axes(&self, label: &str, max: f64, format: impl Fn(f64) -> String) -> Chart {
        let ends = [self.months[0].from, self.months[self.months.len() - 1].to];
        let every = self.months.len().div_ceil(MONTHS);
        let ticks = self
            .months
            .iter()
            .step_by(every)
            .map(|month| (0.5 * (month.from + month.to), month.cohort.month.clone()));
        let x = Axis {
            label: "month of the cutoff".to_owned(),
            scale: AxisScale::new(Transform::Linear, ends[0], ends[1]),
            ticks: ticks.collect(),
        };
        Chart::new(
            Area::below_label(HEIGHT),
            &x,
            &Axis::new(label, AxisScale::rounded(0.0, max), format, true),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "µs of this century")]
    fn mark(&self, chart: &mut Chart) {
        if let Some(first) = self.first_test {
            chart.vertical_line(first as f64, "test set starts");
        }
    }

    fn table(&self) -> Table {
        let row = |month: &Month<'_>| {
            let Cohort { month: name, rows, conversions, training_rows: train, test_rows: test } =
                month.cohort;
            let counts = [*rows, *train, *test, *conversions].map(grouped);
            std::iter::once(name.clone()).chain(counts).chain([percent(month.rate())]).collect()
        };
        Table::new(
            "Cohorts",
            &["month", "rows", "training", "test", "converted", "base rate"],
            self.months.iter().map(row),
        )
    }

    fn rows(&self) -> Figure<'static> {
        let max = self.months.iter().map(|month| month.cohort.rows).max().unwrap_or(1);
        let mut chart =
            self.axes("rows with an outcome", number(max), formatter_for_counts(number(max)));
        for month in self.months {
            let Cohort { rows, training_rows: train, test_rows: test, .. } = *month.cohort;
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
            alt_text: format!("Rows with an outcome by month, split by time into training and test set, for {}.", counted(self.months.len() as u64, "month")),
            caption: "The newest cohorts are the test set. Rows in neither set have an outcome period that overlaps the test period.".to_owned(),
            drawing: chart.drawing(HEIGHT),
            legend: vec![("train", "training"), ("purged", "in neither set"), ("test", "test")],
            table: self.table(),
        }
    }

    fn rates(&self) -> Figure<'static> {
        let max = self.months.iter().map(Month::rate).fold(0.01, f64::max);
        let mut chart = self.axes("share that converted", max, percent);
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
            alt_text: "Share of the rows of each month that converted.".to_owned(),
            caption: "Share of rows that converted. If it changes over time, the predicted probabilities become too high or too low."
                .to_owned(),
            drawing: chart.drawing(HEIGHT),
            legend: Vec::new(),
            table: self.table(),
        }
    }
}
