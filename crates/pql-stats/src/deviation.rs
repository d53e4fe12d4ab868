//! Runs of days with far fewer or more events than their forecast.
//!
//! A run is compared with the runs of the same length in past weeks, each with the forecast made
//! from the weeks before it. Common changes of all series, such as holidays and campaigns, are
//! removed by comparing a series with the rest of the log.

use std::ops::Range;

use crate::daily::{DailyForecast, ForecastDay};
use crate::quantile::median;

/// A median absolute deviation times this is the standard deviation of a normal distribution.
const MAD_TO_SD: f64 = 1.4826;

/// The days after a history, with the forecast made from this history.
#[derive(Debug, Clone, Copy)]
pub struct DailySeries<'a> {
    /// Forecast of the days.
    pub forecast: &'a DailyForecast,
    /// Events by day, oldest first.
    pub counts: &'a [u32],
}

/// Whether a run has fewer or more events than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Fewer events.
    Fewer,
    /// More events.
    More,
}

/// Conditions of a deviating run.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviationRule {
    /// Whether fewer or more events deviate.
    pub direction: Direction,
    /// Largest (fewer) or smallest (more) ratio of found to expected events.
    pub ratio: f64,
    /// Smallest number of expected events.
    pub min_expected: f64,
    /// Smallest distance from the forecast in standard deviations of past runs.
    pub min_deviation: f64,
    /// Lengths of runs, in days.
    pub lengths: Range<usize>,
    /// Whether a run must include the last day.
    pub ongoing: bool,
}

/// A run of days that deviates from its forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviatingRun {
    /// The days, 0 for the first after the history.
    pub days: Range<usize>,
    /// Expected events.
    pub expected: f64,
    /// Distance from the forecast in standard deviations of past runs, positive.
    pub deviation: f64,
    /// Events by which the run is beyond the middle between the limit of the rule and the forecast.
    /// It is largest for the run that has all deviating days and no other.
    pub margin: f64,
}

/// Returns the run with the largest margin of those that satisfy a rule; `None` if no run does.
///
/// The deviation is the smaller one of two scales:
/// * ln(found + ½) − ln(expected + ½), divided by the robust standard deviation of past runs: for
///   series whose spread is proportional to their level
/// * 2·√(found + ⅜) − 2·√(expected + ⅜), divided by the robust standard deviation of past runs, at
///   least 1: the standard deviation of a Poisson distribution, for small counts
///
/// A run counts only if no past run was as far away in the same direction.
///
/// # Arguments
/// * `rest` – the other series of the log on the same days, with the same history: the forecast is
///   multiplied by their ratio of found to expected events. The ratio of a run must satisfy the
///   rule with and without this factor
/// * `skipped` – days that belong to no run, ascending
/// # Source
/// Square root: Anscombe, "The transformation of Poisson, binomial and negative-binomial data",
/// *Biometrika* 35 (1948). Robust standard deviation: median absolute deviation, Huber, Ronchetti,
/// *Robust Statistics*, 2nd ed. (2009), §5.1
#[must_use]
pub fn largest_deviation(
    series: DailySeries<'_>,
    rest: Option<DailySeries<'_>>,
    skipped: &[usize],
    rule: &DeviationRule,
) -> Option<DeviatingRun> {
    let own_days = series.days();
    let expected = adjusted(&own_days, rest.map(|rest| rest.days()).as_deref());
    let past_rest = rest.map(|rest| rest.forecast.past());
    let past = adjusted(series.forecast.past(), past_rest);
    let daily = Spread::of_runs(&past);
    let mut best: Option<DeviatingRun> = None;
    for length in rule.lengths.clone() {
        if length == 0 || length > own_days.len() {
            continue;
        }
        let past = runs(&past, length);
        let spread = Spread::of_runs(&past).at_least(&daily, length);
        let extreme = rule.direction.extreme(&past);
        for (first, (own, run)) in
            runs(&own_days, length).iter().zip(runs(&expected, length)).enumerate()
        {
            let days = first..first + length;
            let residual = run.log_residual();
            if (rule.ongoing && days.end < own_days.len())
                || skipped.iter().any(|day| days.contains(day))
                || own.expected < rule.min_expected
                || !rule.direction.satisfies(own, &run, rule.ratio)
                || extreme.is_some_and(|extreme| rule.direction.is_beyond(extreme, residual))
            {
                continue;
            }
            let deviation =
                (residual.abs() / spread.log).min(run.root_residual().abs() / spread.root);
            let margin = (f64::midpoint(rule.ratio, 1.0) * run.expected - run.count).abs();
            if deviation >= rule.min_deviation
                && best.as_ref().is_none_or(|best| margin > best.margin)
            {
                let expected = rule.direction.cautious(own.expected, run.expected);
                best = Some(DeviatingRun { days, expected, deviation, margin });
            }
        }
    }
    best
}

impl DailySeries<'_> {
    fn days(&self) -> Vec<ForecastDay> {
        let counts = self.counts.iter().copied().map(f64::from).enumerate();
        counts
            .map(|(day, count)| ForecastDay { expected: self.forecast.expected(day), count })
            .collect()
    }
}

impl Direction {
    /// Returns whether the ratio of found to expected events is far from 1.
    fn satisfies(self, own: &ForecastDay, adjusted: &ForecastDay, ratio: f64) -> bool {
        let limit = ratio * self.cautious(own.expected, adjusted.expected);
        match self {
            Self::Fewer => own.count <= limit,
            Self::More => own.count >= limit,
        }
    }

    /// Returns the expectation that is nearer to a deviating count.
    fn cautious(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Fewer => one.min(other),
            Self::More => one.max(other),
        }
    }

    /// Returns the residual of the past run that was farthest away in this direction.
    fn extreme(self, past: &[ForecastDay]) -> Option<f64> {
        past.iter().map(ForecastDay::log_residual).reduce(match self {
            Self::Fewer => f64::min,
            Self::More => f64::max,
        })
    }

    /// Returns whether a past residual is at least as far away.
    fn is_beyond(self, past: f64, residual: f64) -> bool {
        match self {
            Self::Fewer => past <= residual,
            Self::More => past >= residual,
        }
    }
}

/// Standard deviations of the residuals of runs.
struct Spread {
    log: f64,
    root: f64,
}

impl Spread {
    fn of_runs(runs: &[ForecastDay]) -> Self {
        Self {
            log: robust_sd(runs.iter().map(ForecastDay::log_residual)),
            root: robust_sd(runs.iter().map(ForecastDay::root_residual)).max(1.0),
        }
    }

    /// Raises the standard deviations to those of independent days: there are few past runs of
    /// several days.
    #[expect(clippy::cast_precision_loss, reason = "a number of days")]
    fn at_least(self, daily: &Self, length: usize) -> Self {
        Self {
            log: self.log.max(daily.log / (length as f64).sqrt()),
            root: self.root.max(daily.root),
        }
    }
}

impl ForecastDay {
    fn log_residual(&self) -> f64 {
        ((self.count + 0.5) / (self.expected + 0.5)).ln()
    }

    fn root_residual(&self) -> f64 {
        2.0 * ((self.count + 0.375).sqrt() - (self.expected + 0.375).sqrt())
    }
}

/// Multiplies each forecast by the ratio of found to expected events of the rest on this day.
///
/// The newest days of both are the same day.
fn adjusted(days: &[ForecastDay], rest: Option<&[ForecastDay]>) -> Vec<ForecastDay> {
    let Some(rest) = rest else { return days.to_vec() };
    let n = days.len().min(rest.len());
    let newest = days[days.len() - n..].iter().zip(&rest[rest.len() - n..]);
    newest
        .map(|(day, rest)| {
            let ratio = (rest.count + 0.5) / (rest.expected + 0.5);
            ForecastDay { expected: ratio * day.expected, count: day.count }
        })
        .collect()
}

/// Returns the sums over all runs of a length.
fn runs(days: &[ForecastDay], length: usize) -> Vec<ForecastDay> {
    let sum = |run: &[ForecastDay]| ForecastDay {
        expected: run.iter().map(|day| day.expected).sum(),
        count: run.iter().map(|day| day.count).sum(),
    };
    days.windows(length).map(sum).collect()
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
            direction: Direction::Fewer,
            ratio: 2.0 / 3.0,
            min_expected: 20.0,
            min_deviation: 4.0,
            lengths,
            ongoing: false,
        }
    }

    fn more() -> DeviationRule {
        DeviationRule { direction: Direction::More, ratio: 1.4, ..fewer(1..2) }
    }

    fn run(
        history: &[u32],
        counts: &[u32],
        rest: Option<(&[u32], &[u32])>,
        rule: &DeviationRule,
    ) -> Option<DeviatingRun> {
        let fit = |history| DailyForecast::fit(history).unwrap();
        let (forecast, of_rest) = (fit(history), rest.map(|(history, _)| fit(history)));
        let rest = of_rest.as_ref().zip(rest);
        let rest = rest.map(|(forecast, (_, counts))| DailySeries { forecast, counts });
        largest_deviation(DailySeries { forecast: &forecast, counts }, rest, &[], rule)
    }

    /// 100 to 113 events a day.
    fn steady(days: usize) -> Vec<u32> {
        (0..days).map(|day| 100 + [0, 9, 4, 13, 2][day % 5]).collect()
    }

    #[test]
    fn a_day_deviates_only_if_no_past_day_did() {
        let mut history = steady(56);
        let found = run(&history, &[50], None, &fewer(1..2)).unwrap();
        assert_eq!(found.days, 0..1);
        // 2·√50.375 − 2·√105.4 = −6.3.
        assert!((found.expected - 105.0).abs() < 4.0 && (5.0..7.0).contains(&found.deviation));
        assert!(run(&history, &[210], None, &more()).is_some());
        assert_eq!(run(&history, &[104], None, &fewer(1..2)), None);
        assert_eq!(run(&history, &[104], None, &more()), None);
        history[50] = 40;
        assert_eq!(run(&history, &[50], None, &fewer(1..2)), None);
        assert!(run(&history, &[210], None, &more()).is_some());
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
        assert!(halved.days == (0..2) && (200.0..208.0).contains(&halved.expected));
        // On a holiday the rest is low, too.
        assert_eq!(run(&history, &[55, 56], Some((&rest, &[200, 201])), &rule), None);
        // A campaign of the rest only is no loss of the series.
        assert_eq!(run(&history, &[100, 101], Some((&rest, &[900, 902])), &rule), None);
    }

    #[test]
    fn skipped_days_belong_to_no_run() {
        let history = steady(56);
        let forecast = DailyForecast::fit(&history).unwrap();
        let series = DailySeries { forecast: &forecast, counts: &[40, 41, 104] };
        let found = |skipped: &[usize]| {
            largest_deviation(series, None, skipped, &fewer(1..8)).map(|run| run.days)
        };
        assert_eq!([found(&[]), found(&[0]), found(&[0, 1])], [Some(0..2), Some(1..2), None]);
        let ongoing = DeviationRule { ongoing: true, ..fewer(1..8) };
        let run = largest_deviation(series, None, &[], &ongoing);
        assert_eq!(run.map(|run| run.days), Some(0..3));
    }
}
