//! Runs of days with far fewer events than their forecast.
//!
//! A run is compared with the runs of the same length in past weeks, each with the forecast made
//! from the days before it. Common changes of all series, such as holidays, are removed by comparing
//! a series with the rest of the log. Medians of past residuals measure the spread, so that one
//! campaign or holiday in the past does not hide a fault.

use std::ops::Range;

use statrs::function::erf::erfc_inv;

use crate::daily::{ForecastRun, RollingForecasts};
use crate::quantile::median;

/// A median absolute deviation times this is the standard deviation of a normal distribution.
const MAD_TO_SD: f64 = 1.4826;
/// Largest ratio of found to usual events of a run, by the lower median of six weeks: the days after
/// a campaign are low only in comparison with the campaign.
const MAX_USUAL: f64 = 0.9;
/// Days between two past episodes.
const EPISODE_GAP: usize = 7;
/// Smallest residual of a past run that is nearly as low as a run, in relation to the residual of the
/// run.
const NEARLY: f64 = 0.8;
/// Past episodes that are nearly as low as a run, at most: one outage or holiday is no pattern.
const MAX_EPISODES: usize = 1;

/// Conditions of a deviating run.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviationRule {
    /// Largest ratio of found to expected events.
    pub ratio: f64,
    /// Smallest number of expected events.
    pub min_expected: f64,
    /// Smallest distance from the forecast in standard deviations of past runs.
    pub min_deviation: f64,
    /// Number of newest days that are checked.
    pub days: usize,
    /// Lengths of runs, in days.
    pub lengths: Range<usize>,
    /// Whether a run must include the last day.
    pub ongoing: bool,
}

/// A run of days that deviates from its forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviatingRun {
    /// Indices of the days.
    pub days: Range<usize>,
    /// Expected events.
    pub expected: f64,
    /// Distance from the forecast in standard deviations of past runs, positive.
    pub deviation: f64,
    /// Events by which the run is below the middle between the limit of the rule and the forecast.
    /// It is largest for the run that has all deviating days and no other.
    pub margin: f64,
}

/// Returns the number of standard deviations that a normal variable exceeds with a probability.
#[must_use]
pub fn normal_deviation(probability: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * probability)
}

/// Returns the run with the largest margin of those that satisfy a rule; `None` if no run does.
///
/// The deviation is the smaller one of two scales:
/// * ln(expected + ½) − ln(found + ½), divided by the robust standard deviation of past runs: for
///   series whose spread is proportional to their level
/// * 2·√(expected + ⅜) − 2·√(found + ⅜), divided by the robust standard deviation of past runs, at
///   least 1: the standard deviation of a Poisson distribution, for small counts
///
/// A run counts only if it is also below the usual level of six weeks, and if at most one past
/// episode had runs of its length that were nearly as low.
///
/// # Arguments
/// * `rest` – the other series of the log on the same days: the forecast is multiplied by their
///   ratio of found to expected events where this lowers it
/// * `skipped` – days that belong to no run
/// # Source
/// Square root: Anscombe, "The transformation of Poisson, binomial and negative-binomial data",
/// *Biometrika* 35 (1948). Robust standard deviation: median absolute deviation, Huber, Ronchetti,
/// *Robust Statistics*, 2nd ed. (2009), §5.1
#[must_use]
pub fn largest_drop(
    series: &RollingForecasts<'_>,
    rest: Option<&RollingForecasts<'_>>,
    skipped: &[usize],
    rule: &DeviationRule,
) -> Option<DeviatingRun> {
    let first = series.days().checked_sub(rule.days)?;
    let mut candidates: Vec<DeviatingRun> = rule
        .lengths
        .clone()
        .filter(|length| (1..=rule.days).contains(length))
        .flat_map(|length| (first..=series.days() - length).map(move |day| day..day + length))
        .filter(|days| !rule.ongoing || days.end == series.days())
        .filter(|days| !skipped.iter().any(|day| days.contains(day)))
        .filter_map(|days| low_run(series, rest, days, rule))
        .collect();
    // The spread is computed for the few runs that are low enough.
    candidates.sort_by(|a, b| b.margin.total_cmp(&a.margin));
    let mut past = PastRuns { series, rest, first, by_length: Vec::new() };
    candidates.into_iter().find_map(|run| {
        let count: f64 = series.run(run.days.clone()).map(|day| day.count).sum();
        let found = ForecastRun { expected: run.expected, count };
        let deviation = past.deviation(&found, run.days.len())?;
        (deviation >= rule.min_deviation).then_some(DeviatingRun { deviation, ..run })
    })
}

/// Returns a run if it has few events; its deviation is not computed yet.
fn low_run(
    series: &RollingForecasts<'_>,
    rest: Option<&RollingForecasts<'_>>,
    days: Range<usize>,
    rule: &DeviationRule,
) -> Option<DeviatingRun> {
    let own = sum(series.run(days.clone()));
    let adjusted = adjusted(series, rest, days.clone());
    // A campaign of the rest does not raise the expectation.
    let expected = own.expected.min(adjusted.expected);
    let is_low = own.expected >= rule.min_expected
        && own.count <= rule.ratio * expected
        && own.count <= MAX_USUAL * series.usual(days.clone());
    let margin = f64::midpoint(rule.ratio, 1.0) * expected - own.count;
    is_low.then_some(DeviatingRun { days, expected, deviation: f64::NAN, margin })
}

/// Returns the sum over a run, each forecast multiplied by the ratio of found to expected events of
/// the rest on its day.
fn adjusted(
    series: &RollingForecasts<'_>,
    rest: Option<&RollingForecasts<'_>>,
    days: Range<usize>,
) -> ForecastRun {
    let Some(rest) = rest else { return sum(series.run(days)) };
    let rest = rest.run(days.clone());
    sum(series.run(days).zip(rest).map(|(day, rest)| {
        let ratio = (rest.count + 0.5) / (rest.expected + 0.5);
        ForecastRun { expected: ratio * day.expected, count: day.count }
    }))
}

fn sum(days: impl Iterator<Item = ForecastRun>) -> ForecastRun {
    let zero = ForecastRun { expected: 0.0, count: 0.0 };
    days.fold(zero, |sum, day| ForecastRun {
        expected: sum.expected + day.expected,
        count: sum.count + day.count,
    })
}

/// The runs before the checked days.
struct PastRuns<'a> {
    series: &'a RollingForecasts<'a>,
    rest: Option<&'a RollingForecasts<'a>>,
    /// The first checked day.
    first: usize,
    /// By length, the residuals of all past runs.
    by_length: Vec<(usize, PastResiduals)>,
}

/// Residuals of past runs of one length, oldest first.
struct PastResiduals {
    log: Vec<f64>,
    spread: Spread,
}

impl PastRuns<'_> {
    /// Returns the deviation of a run in standard deviations; `None` if several past
    /// episodes were nearly as low.
    fn deviation(&mut self, run: &ForecastRun, length: usize) -> Option<f64> {
        let daily = self.residuals(1).spread;
        let residuals = self.residuals(length);
        let spread = residuals.spread.at_least(daily, length);
        let residual = run.log_residual();
        let low = residuals.log.iter().enumerate().filter(|(_, past)| **past <= NEARLY * residual);
        let (mut episodes, mut end) = (0, None);
        for (day, _) in low {
            episodes += usize::from(end.is_none_or(|end| day >= end + EPISODE_GAP));
            end = Some(day + length);
        }
        (episodes <= MAX_EPISODES)
            .then(|| (-residual / spread.log).min(-run.root_residual() / spread.root))
    }

    fn residuals(&mut self, length: usize) -> &PastResiduals {
        let index = self.by_length.iter().position(|(known, _)| *known == length);
        let index = index.unwrap_or_else(|| {
            let days = self.series.start()..(self.first + 1).saturating_sub(length);
            let runs: Vec<ForecastRun> =
                days.map(|day| adjusted(self.series, self.rest, day..day + length)).collect();
            let residuals = PastResiduals {
                log: runs.iter().map(ForecastRun::log_residual).collect(),
                spread: Spread::of_runs(&runs),
            };
            self.by_length.push((length, residuals));
            self.by_length.len() - 1
        });
        &self.by_length[index].1
    }
}

/// Standard deviations of the residuals of runs.
#[derive(Debug, Clone, Copy)]
struct Spread {
    log: f64,
    root: f64,
}

impl Spread {
    fn of_runs(runs: &[ForecastRun]) -> Self {
        Self {
            log: robust_sd(runs.iter().map(ForecastRun::log_residual)),
            root: robust_sd(runs.iter().map(ForecastRun::root_residual)).max(1.0),
        }
    }

    /// Raises the standard deviations to those of independent days: there are few past runs of
    /// several days.
    #[expect(clippy::cast_precision_loss, reason = "a number of days")]
    fn at_least(self, daily: Self, length: usize) -> Self {
        Self {
            log: self.log.max(daily.log / (length as f64).sqrt()),
            root: self.root.max(daily.root),
        }
    }
}

impl ForecastRun {
    fn log_residual(&self) -> f64 {
        ((self.count + 0.5) / (self.expected + 0.5)).ln()
    }

    fn root_residual(&self) -> f64 {
        2.0 * ((self.count + 0.375).sqrt() - (self.expected + 0.375).sqrt())
    }
}

/// Returns the standard deviation around 0 by the median of the absolute values.
fn robust_sd(residuals: impl Iterator<Item = f64>) -> f64 {
    median(residuals.map(f64::abs).collect()).map_or(f64::INFINITY, |median| MAD_TO_SD * median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fewer(lengths: Range<usize>) -> DeviationRule {
        DeviationRule {
            ratio: 2.0 / 3.0,
            min_expected: 20.0,
            min_deviation: 4.0,
            days: lengths.end - 1,
            lengths,
            ongoing: false,
        }
    }

    /// Checks the days after a history; days of the run are counted from the first of them.
    fn run(
        history: &[u32],
        counts: &[u32],
        rest: Option<(&[u32], &[u32])>,
        rule: &DeviationRule,
    ) -> Option<DeviatingRun> {
        let joined = |history: &[u32], counts: &[u32]| [history, counts].concat();
        let rule = DeviationRule { days: counts.len(), ..rule.clone() };
        let all = joined(history, counts);
        let rest = rest.map(|(history, counts)| joined(history, counts));
        let fit = |counts| RollingForecasts::fit(counts, rule.days).unwrap();
        let rest = rest.as_ref().map(|rest| fit(rest));
        let found = largest_drop(&fit(&all), rest.as_ref(), &[], &rule)?;
        let days = found.days.start - history.len()..found.days.end - history.len();
        Some(DeviatingRun { days, ..found })
    }

    /// 100 to 113 events a day.
    fn steady(days: usize) -> Vec<u32> {
        (0..days).map(|day| 100 + [0, 9, 4, 13, 2][day % 5]).collect()
    }

    #[test]
    fn one_past_episode_is_no_pattern_and_two_are() {
        let mut history = steady(112);
        let found = run(&history, &[50], None, &fewer(1..2)).unwrap();
        assert_eq!(found.days, 0..1);
        // 2·√50.375 − 2·√105.4 = −6.3.
        assert!((found.expected - 105.0).abs() < 4.0 && (5.0..7.0).contains(&found.deviation));
        assert_eq!(run(&history, &[104], None, &fewer(1..2)), None);
        history[100..102].fill(40);
        assert!(run(&history, &[50], None, &fewer(1..2)).is_some());
        history[60] = 40;
        assert_eq!(run(&history, &[50], None, &fewer(1..2)), None);
    }

    #[test]
    fn a_campaign_in_the_history_hides_no_loss() {
        for end in [56, 80, 98, 105, 111, 112] {
            let mut history = steady(112);
            history[end - 4..end].iter_mut().for_each(|count| *count *= 3);
            let found = run(&history, &[51, 49], None, &fewer(1..8)).unwrap();
            assert!(found.days == (0..2) && (200.0..220.0).contains(&found.expected), "{found:?}");
            // The days after the campaign are as usual.
            assert_eq!(run(&history, &[100, 104, 99], None, &fewer(1..8)), None, "{end}");
        }
        // A campaign of two weeks is the level of two weeks, but not the usual one.
        let mut history = steady(112);
        history[98..].iter_mut().for_each(|count| *count *= 3);
        assert_eq!(run(&history, &[100, 104, 99], None, &fewer(1..8)), None);
        assert!(run(&history, &[51, 49, 52], None, &fewer(1..8)).is_some());
    }

    #[test]
    fn several_days_show_what_one_day_cannot() {
        // 16 of 30 events are 2.9 standard deviations of a Poisson distribution.
        let history = vec![30; 56];
        let rule = fewer(1..8);
        assert_eq!(run(&history, &[16], None, &rule), None);
        let found = run(&history, &[31, 29, 16, 14], None, &rule).unwrap();
        assert_eq!((found.days, found.expected.round()), (2..4, 60.0));
    }

    #[test]
    fn small_counts_vary_as_in_a_poisson_distribution() {
        // At most 18 of 36 events have a probability of 0.0005, at most 12 of 36 of 4e-6.
        let history = vec![36; 56];
        assert_eq!(run(&history, &[18], None, &fewer(1..2)), None);
        assert!(run(&history, &[12], None, &fewer(1..2)).is_some());
        assert_eq!(run(&vec![19; 56], &[0], None, &fewer(1..2)), None);
    }

    #[test]
    fn campaigns_and_holidays_of_the_whole_log_are_no_deviation() {
        // Every third week has three times as many events in both series.
        let burst = |day: usize| if day / 7 % 3 == 1 { 3 } else { 1 };
        let series = |level: u32| -> Vec<u32> {
            (0..112).map(|day| (level + [0, 3, 1, 4][day % 4]) * burst(day)).collect()
        };
        let (history, rest) = (series(100), series(400));
        let rule = DeviationRule { min_deviation: 5.0, ..fewer(1..8) };
        // Alone, the series is too irregular.
        assert_eq!(run(&history, &[55, 56], None, &rule), None);
        let halved = run(&history, &[55, 56], Some((&rest, &[400, 402])), &rule).unwrap();
        assert!(halved.days == (0..2) && (195.0..208.0).contains(&halved.expected), "{halved:?}");
        // On a holiday the rest is low, too.
        assert_eq!(run(&history, &[55, 56], Some((&rest, &[200, 201])), &rule), None);
        // A campaign of the rest only is no loss of the series.
        assert_eq!(run(&history, &[100, 101], Some((&rest, &[900, 902])), &rule), None);
    }

    #[test]
    fn skipped_days_belong_to_no_run() {
        let counts = [steady(56), vec![40, 41, 104]].concat();
        let series = RollingForecasts::fit(&counts, 3).unwrap();
        let rule = DeviationRule { days: 3, ..fewer(1..8) };
        let found =
            |skipped: &[usize]| largest_drop(&series, None, skipped, &rule).map(|run| run.days);
        assert_eq!(
            [found(&[]), found(&[56]), found(&[56, 57])],
            [Some(56..58), Some(57..58), None]
        );
        let ongoing = DeviationRule { ongoing: true, ..rule };
        let run = largest_drop(&series, None, &[], &ongoing);
        assert_eq!(run.map(|run| run.days), Some(56..59));
    }

    #[test]
    fn deviations_have_normal_probabilities() {
        assert!((normal_deviation(0.025) - 1.959_963_984_540_054).abs() < 1e-9);
        assert!((normal_deviation(1e-5) - 4.264_890_793_922_825).abs() < 1e-9);
    }
}
