//! Scores and features of the batch compared with those of the training rows.

use maud::{Markup, html};

use super::CLASSES;
use crate::operations::monitor::{
    BinShare, DistributionShift, FeatureDrift, LARGE, MODERATE, ScoreShift,
};
use crate::report::charts::{Area, Axis, AxisScale, Chart, FOOT, WIDTH};
use crate::report::format::{counted, four, number, p_value, percent, short, three, with_minus};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

const HEIGHT: f64 = 240.0;
/// Features in one chart.
const DRAWN: usize = 24;
/// Minimum and maximum number of features with a distribution chart.
const DISTRIBUTIONS: [usize; 2] = [2, 8];
/// Minimum distance of ticks, as a share of the axis.
const TICK_GAP: f64 = 0.2;
/// Height of a row.
const ROW: f64 = 17.0;
/// Bins that are drawn; the rarest others are in the table.
const BINS: usize = 12;

/// Returns the section about scores.
///
/// # Arguments
/// * `compared` – number of compared rows
pub(super) fn scores(scores: &ScoreShift, compared: u64) -> Markup {
    let caption = format!(
        "Each bin has one tenth of all training rows. The bars show the compared rows of the batch, and training rows of the same account ages. PSI {}; {} conversions expected among the {}.",
        three(scores.shift.psi),
        short(scores.expected_conversions),
        counted(compared, "compared row")
    );
    let figure = distribution(
        ("scores-distribution", "Distribution of probabilities"),
        &scores.shift,
        caption,
    );
    html! { section id="scores-now" { h2 { "Scores" } (grid([figure])) } }
}

/// Returns the section about features: their PSI, and distributions of those that drifted most.
pub(super) fn features(features: &[FeatureDrift]) -> Markup {
    let drifted = features.iter().filter(|drift| drift.drifted).count();
    let shown = features.iter().take(drifted.clamp(DISTRIBUTIONS[0], DISTRIBUTIONS[1])).enumerate();
    html! {
        section id="features" {
            h2 { "Features" }
            (paragraph("Each feature is compared with training rows of the same account age. It has drifted if its distribution differs significantly (p below 1% after Holm's correction) and its population stability index (PSI) is at least 0.1."))
            div.grid {
                (indices(features))
                @for (index, drift) in shown { (feature_distribution(&format!("feature-{index}"), drift)) }
            }
        }
    }
}

fn feature_distribution<'a>(id: &'a str, drift: &'a FeatureDrift) -> Figure<'a> {
    let means =
        drift.reference_mean.zip(drift.current_mean).map_or(String::new(), |(training, batch)| {
            format!(" Mean: {} in the batch, {} in training.", short(batch), short(training))
        });
    let caption = format!(
        "PSI {}{}.{means}",
        three(drift.shift.psi),
        if drift.drifted { ": drifted" } else { "" }
    );
    distribution((id, &drift.feature), &drift.shift, caption)
}

/// Returns the population stability index of each feature.
fn indices(features: &[FeatureDrift]) -> Figure<'static> {
    let drawn = &features[..features.len().min(DRAWN)];
    let height = ROW * number(drawn.len()) + 56.0;
    let max = drawn.iter().map(|drift| drift.shift.psi).fold(LARGE * 1.1, f64::max);
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 24.0, bottom: height - FOOT + 16.0 };
    let mut chart = Chart::new(
        area,
        &Axis::new("PSI", AxisScale::rounded(0.0, max), short, false),
        &Axis::rows(drawn.len()),
    );
    chart.vertical_line(MODERATE, "0.1");
    chart.row_names(&drawn.iter().map(|drift| &drift.feature).collect::<Vec<_>>());
    for (row, drift) in drawn.iter().enumerate() {
        let (y, class) = (-number(row), if drift.drifted { "yes" } else { "train" });
        let title = format!(
            "{}: PSI {}, adjusted p {}",
            drift.feature,
            three(drift.shift.psi),
            p_value(drift.p_holm)
        );
        chart.bar([0.0, drift.shift.psi], [y - 0.32, y + 0.32], (class, &title));
    }
    let row = |drift: &FeatureDrift| {
        let means = [drift.reference_mean, drift.current_mean]
            .map(|mean| mean.map_or("–".to_owned(), short));
        let shares =
            [drift.reference_missing, drift.current_missing, drift.out_of_range].map(percent);
        let note = match (drift.drifted, drift.monitored) {
            (true, true) => "drifted",
            (true, false) => "drifted, ignored",
            _ => "",
        };
        let numbers =
            [format!("`{}`", drift.feature), three(drift.shift.psi), p_value(drift.p_holm)];
        numbers.into_iter().chain(means).chain(shares).chain([note.to_owned()]).collect()
    };
    let rest = if drawn.len() < features.len() {
        format!(" Shown: {} of {} features, largest PSI first.", drawn.len(), features.len())
    } else {
        String::new()
    };
    let header = [
        "feature",
        "PSI",
        "adjusted p",
        "mean in training",
        "mean in batch",
        "missing in training",
        "missing in batch",
        "outside training range",
        "status",
    ];
    Figure {
        id: "indices",
        title: "Drift by feature (PSI)",
        alt_text: "Population stability index (PSI) of each feature, largest first; 0.1 or more is a relevant change.".to_owned(),
        caption: format!("A PSI of 0.1 or more is a relevant change. If there are few rows, a large PSI can be due to chance. It is then not marked as drifted.{rest}"),
        drawing: chart.drawing(height + 16.0),
        legend: vec![("bar yes", "drifted"), ("bar train", "not significant, or small")],
        table: Table::new("Features", &header, features.iter().map(row)),
    }
}

/// Returns the distribution of the training rows and of the batch over bins.
fn distribution<'a>(
    (id, title): (&'a str, &'a str),
    shift: &DistributionShift,
    caption: String,
) -> Figure<'a> {
    // If not all bins fit, keep the combined ones, which include new values.
    let (combined, single): (Vec<&BinShare>, Vec<&BinShare>) =
        shift.bins.iter().partition(|bin| ["others", "missing"].contains(&bin.name.as_str()));
    let drawn: Vec<&BinShare> =
        single.into_iter().take(BINS - combined.len()).chain(combined).collect();
    let height = 30.0 * number(drawn.len().max(1)) + 56.0;
    let height = if drawn.len() < 4 { height.max(HEIGHT / 2.0) } else { height };
    let max = drawn.iter().map(|bin| bin.reference.max(bin.current)).fold(0.01, f64::max);
    let area = Area { left: 122.0, right: WIDTH - 14.0, top: 8.0, bottom: height - FOOT };
    let scale = AxisScale::rounded(0.0, max);
    let ticks = scale.ticks(TICK_GAP).into_iter().map(|tick| (tick, percent(tick))).collect();
    let x = Axis { label: "share of the rows".to_owned(), scale, ticks };
    let mut chart = Chart::new(area, &x, &Axis::rows(drawn.len().max(1)));
    chart.row_names(&drawn.iter().map(|bin| &bin.name).collect::<Vec<_>>());
    for (row, bin) in drawn.iter().enumerate() {
        let y = -number(row);
        for (class, value, from) in
            [(CLASSES[0], bin.reference, 0.04), (CLASSES[1], bin.current, -0.36)]
        {
            let who = if class == CLASSES[0] { "training rows" } else { "batch" };
            chart.bar(
                [0.0, value],
                [y + from, y + from + 0.32],
                (class, &format!("{}: {} of the {who}", with_minus(&bin.name), percent(value))),
            );
        }
    }
    let row = |bin: &BinShare| vec![with_minus(&bin.name), four(bin.reference), four(bin.current)];
    Figure {
        id,
        title,
        alt_text: format!(
            "Share of the training rows and of the batch in each of {}.",
            counted(drawn.len() as u64, "bin")
        ),
        caption,
        drawing: chart.drawing(height),
        legend: vec![("bar train", "training rows"), ("bar yes", "batch")],
        table: Table::new(title, &["bin", "training rows", "batch"], shift.bins.iter().map(row)),
    }
}
