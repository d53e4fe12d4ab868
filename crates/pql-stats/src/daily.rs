//! Daily counts: robust forecasts with a weekday pattern, and the probability of days without
//! events.
//!
//! The level is a weighted median over the last two weeks and the weekday pattern a trimmed mean
//! over eight, so that a campaign, a holiday or an outage of a few days changes neither. The spread
//! comes from forecasts of past days, each made from the days before it.

use std::ops::Range;

use crate::quantile::weighted_median;

/// Days of a week.
const WEEK: usize = 7;
/// Fewest weeks of history for a forecast.
pub const MIN_WEEKS: usize = 4;
/// Fewest days before a past day whose forecast is compared with its events.
const MIN_PAST_DAYS: usize = 3 * WEEK;
/// Most weeks of history for a forecast.
pub const MAX_WEEKS: usize = 8;
/// Newest pairs of days whose weighted median is the level. More days resist longer bursts, fewer
/// follow growth more closely. A day alone has too few events for a median if the series is small.
const LEVEL_PAIRS: usize = WEEK;
/// Newest weeks whose lower median total is the usual level: up to three weeks with a campaign do not
/// raise it.
const USUAL_WEEKS: usize = 6;
/// Counts above this multiple of their forecast do not raise the dispersion further: bursts say
/// little about how likely a silent day is.
const BURST: f64 = 2.0;
/// Newest days with a past forecast that determine the dispersion.
const DISPERSION_DAYS: usize = (MAX_WEEKS - 2) * WEEK;
/// Newest days with a past forecast that determine the spread, 14 weeks.
const PAST_DAYS: usize = 14 * WEEK;

/// Events of some days, with the forecast made before them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ForecastRun {
    /// Expected events.
    pub(crate) expected: f64,
    /// Events.
    pub(crate) count: f64,
}

/// A forecast of the days after a history of daily counts.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyForecast {
    /// Expected events on the first to seventh day after the history, and so on weekly.
    by_weekday: [f64; WEEK],
    /// Usual events per expected event: the level of six weeks divided by that of two.
    usual_ratio: f64,
}

impl DailyForecast {
    /// Fits a forecast to the last 4 to 8 weeks of a history; `None` for a shorter history.
    ///
    /// # Arguments
    /// * `history` – events by day, oldest first
    #[must_use]
    pub fn fit(history: &[u32]) -> Option<Self> {
        (history.len() >= MIN_WEEKS * WEEK).then(|| Self::from_days(history))
    }

    /// Fits a forecast to at least one week.
    fn from_days(history: &[u32]) -> Self {
        let shares = weekday_shares(history);
        let level = level(history, &shares);
        let mut totals: Vec<f64> = history.rchunks_exact(WEEK).take(USUAL_WEEKS).map(sum).collect();
        totals.sort_unstable_by(f64::total_cmp);
        let usual = totals.get(totals.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
        let usual_ratio = if level > 0.0 { usual / level } else { 1.0 };
        Self { by_weekday: shares.map(|share| level * share), usual_ratio }
    }

    /// Returns the expected number of events on a day, 0 for the first day after the history.
    #[must_use]
    pub fn expected(&self, day: usize) -> f64 {
        self.by_weekday[day % WEEK]
    }

    /// Returns the number of events on a day by the usual level, the lower median of six weeks.
    pub(crate) fn usual(&self, day: usize) -> f64 {
        self.usual_ratio * self.expected(day)
    }
}

/// Returns the variance of daily counts beyond the Poisson distribution:
/// `variance = mean + dispersion · mean²`.
///
/// # Arguments
/// * `history` – events by day, oldest first, at least 22 days
/// # Source
/// Moment estimate of the negative binomial distribution, Cameron, Trivedi, *Regression Analysis of
/// Count Data*, 2nd ed. (2013), §3.3
#[must_use]
pub fn dispersion(history: &[u32]) -> f64 {
    let n = history.len();
    let newest = MIN_PAST_DAYS.max(n.saturating_sub(DISPERSION_DAYS))..n;
    let (mut excess, mut squares) = (0.0, 0.0);
    for day in newest {
        let expected = DailyForecast::from_days(&history[..day]).expected(0);
        let count = f64::from(history[day]).min(BURST * expected);
        excess += (count - expected).powi(2) - expected;
        squares += expected * expected;
    }
    if squares > 0.0 { (excess / squares).max(0.0) } else { 0.0 }
}

/// Returns the probability of no events on all of some days, by a negative binomial distribution
/// for each day.
///
/// # Arguments
/// * `expected` – expected events of each day
/// * `dispersion` – see [`dispersion`]
#[must_use]
pub fn silence_probability(expected: impl IntoIterator<Item = f64>, dispersion: f64) -> f64 {
    let log_probability = |mean: f64| {
        if dispersion * mean < 1e-9 { -mean } else { -(dispersion * mean).ln_1p() / dispersion }
    };
    expected.into_iter().map(log_probability).sum::<f64>().exp()
}

/// Daily counts with the forecasts made before each of the newest days.
#[derive(Debug, Clone, PartialEq)]
pub struct RollingForecasts<'a> {
    /// Events by day, oldest first.
    counts: &'a [u32],
    /// Index of the day of the first forecast.
    start: usize,
    /// Forecasts from the days before each day.
    forecasts: Vec<DailyForecast>,
}

impl<'a> RollingForecasts<'a> {
    /// Fits the forecasts of the checked days and of the 14 weeks before; `None` with fewer than
    /// four weeks before the checked days.
    ///
    /// # Arguments
    /// * `counts` – events by day, oldest first, with the checked days
    /// * `checked` – number of newest days that are checked
    #[must_use]
    pub fn fit(counts: &'a [u32], checked: usize) -> Option<Self> {
        let history = counts.len().checked_sub(checked)?;
        if history < MIN_WEEKS * WEEK {
            return None;
        }
        let start = MIN_PAST_DAYS.max(history.saturating_sub(PAST_DAYS));
        let forecasts =
            (start..counts.len()).map(|day| DailyForecast::from_days(&counts[..day])).collect();
        Some(Self { counts, start, forecasts })
    }

    /// Returns the number of days.
    pub(crate) fn days(&self) -> usize {
        self.counts.len()
    }

    /// Returns the first day with a forecast.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns consecutive days with the forecast made before the first of them.
    pub(crate) fn run(&self, days: Range<usize>) -> impl Iterator<Item = ForecastRun> {
        let forecast = &self.forecasts[days.start - self.start];
        self.counts[days].iter().enumerate().map(|(day, count)| ForecastRun {
            expected: forecast.expected(day),
            count: f64::from(*count),
        })
    }

    /// Returns the events on consecutive days by the usual level before the first of them.
    pub(crate) fn usual(&self, days: Range<usize>) -> f64 {
        let forecast = &self.forecasts[days.start - self.start];
        (0..days.len()).map(|day| forecast.usual(day)).sum()
    }
}

fn sum(days: &[u32]) -> f64 {
    days.iter().copied().map(f64::from).sum()
}

/// Returns the share of a week's events on the first to seventh day after a history: over the newest
/// eight weeks, the mean of the middle half of their shares.
fn weekday_shares(history: &[u32]) -> [f64; WEEK] {
    let weeks = history.rchunks_exact(WEEK).take(MAX_WEEKS);
    let used: Vec<(&[u32], f64)> =
        weeks.map(|week| (week, sum(week))).filter(|(_, total)| *total > 0.0).collect();
    let mut shares = [0.0; WEEK];
    for (day, share) in shares.iter_mut().enumerate() {
        *share =
            middle_mean(used.iter().map(|(week, total)| f64::from(week[day]) / total).collect());
    }
    let total: f64 = shares.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "the number 7")]
    let even = 1.0 / WEEK as f64;
    shares.map(|share| if total > 0.0 { share / total } else { even })
}

/// Returns the weekly level of the newest two weeks: the median over pairs of days of their events
/// divided by their share of a week, weighted by this share.
fn level(history: &[u32], shares: &[f64; WEEK]) -> f64 {
    let share = |days_back: usize| shares[(WEEK - days_back % WEEK) % WEEK];
    let pairs = history.rchunks_exact(2).take(LEVEL_PAIRS).enumerate();
    let ratios = pairs.filter_map(|(pair, days)| {
        let weight = share(2 * pair + 2) + share(2 * pair + 1);
        (weight > 0.0).then(|| (sum(days) / weight, weight))
    });
    weighted_median(ratios.collect()).unwrap_or(0.0)
}

/// Returns the mean without the smallest and the largest quarter of the values.
#[expect(clippy::cast_precision_loss, reason = "a number of weeks")]
fn middle_mean(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let dropped = values.len() / 4;
    let kept = &values[dropped..values.len() - dropped];
    kept.iter().sum::<f64>() / (kept.len() as f64).max(1.0)
}

/// Returns whether a run of days without events is longer than all but one earlier run.
///
/// Only weekdays count on which at least half of the newest eight weeks have events, so that
/// weekends are no gaps of an event of working days. Without such weekdays, every day counts. One
/// longer run is allowed, because a single outage is no pattern.
///
/// # Arguments
/// * `history` – events by day, oldest first
/// * `silent` – silent days after it, 0 for the first
#[must_use]
pub fn exceeds_past_gaps(history: &[u32], silent: &[usize]) -> bool {
    let n = history.len();
    let weekday = |days_back: usize| (WEEK - days_back % WEEK) % WEEK;
    let (mut days, mut with_events) = ([0_u32; WEEK], [0_u32; WEEK]);
    for days_back in 1..=n.min(MAX_WEEKS * WEEK) {
        days[weekday(days_back)] += 1;
        with_events[weekday(days_back)] += u32::from(history[n - days_back] > 0);
    }
    let mut is_active: [bool; WEEK] =
        std::array::from_fn(|day| days[day] > 0 && 2 * with_events[day] >= days[day]);
    if !is_active.contains(&true) {
        is_active = [true; WEEK];
    }
    let first = history.iter().position(|count| *count > 0).unwrap_or(n);
    let active: Vec<u32> =
        (first..n).filter(|day| is_active[weekday(n - day)]).map(|day| history[day]).collect();
    let mut runs: Vec<usize> = active
        .chunk_by(|a, b| (*a == 0) == (*b == 0))
        .filter(|run| run[0] == 0)
        .map(<[u32]>::len)
        .collect();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    let silent = silent.iter().filter(|day| is_active[*day % WEEK]).count();
    silent > runs.get(1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight weeks of 10, 20, …, 50 events from Monday to Friday and none at weekends.
    fn working_days(weeks: usize) -> Vec<u32> {
        [10, 20, 30, 40, 50, 0, 0].repeat(weeks)
    }

    #[test]
    fn a_regular_week_is_forecast_exactly() {
        let forecast = DailyForecast::fit(&working_days(8)).unwrap();
        let expected: Vec<f64> = (0..8).map(|day| forecast.expected(day).round()).collect();
        assert_eq!(expected, [10.0, 20.0, 30.0, 40.0, 50.0, 0.0, 0.0, 10.0]);
        // Without dispersion the distribution is Poisson.
        assert!(dispersion(&working_days(8)).abs() < 1e-12);
        let p = silence_probability([1.5, 2.0], 0.0);
        assert!((p - (-3.5_f64).exp()).abs() < 1e-12, "{p}");
        assert_eq!(DailyForecast::fit(&working_days(3)), None);
    }

    #[test]
    fn bursts_and_gaps_do_not_change_the_level() {
        let mut history = working_days(8);
        history[30] = 5_000;
        history[43..46].fill(0);
        let forecast = DailyForecast::fit(&history).unwrap();
        let level: f64 = (0..7).map(|day| forecast.expected(day)).sum();
        assert!((140.0..=155.0).contains(&level), "{level}");
    }

    #[test]
    fn a_campaign_changes_neither_the_level_nor_the_weekdays() {
        let weekdays = [10, 20, 30, 40, 50, 6, 4];
        for end in [43, 46, 49, 53, 56] {
            let mut history = weekdays.repeat(8);
            history[end - 4..end].iter_mut().for_each(|count| *count *= 3);
            let forecast = DailyForecast::fit(&history).unwrap();
            for (day, count) in weekdays.into_iter().enumerate() {
                let ratio = forecast.expected(day) / f64::from(count);
                assert!((ratio - 1.0).abs() < 0.02, "{end}: {ratio} on day {day}");
            }
        }
    }

    #[test]
    fn the_level_follows_growth_within_eleven_days() {
        // 2% more events each day.
        let growing = std::iter::successors(Some(1_000_u32), |count| Some(count + count / 50));
        let history: Vec<u32> = growing.take(71).collect();
        let forecast = DailyForecast::fit(&history[..70]).unwrap();
        let ratio = forecast.expected(0) / f64::from(history[70]);
        // 1.02⁻¹¹ = 0.804.
        assert!((0.804..0.9).contains(&ratio), "{ratio}");
        // The usual level is that of the fourth week before.
        let usual = forecast.usual(0) / forecast.expected(0) * ratio;
        assert!((0.5..0.6).contains(&usual), "{usual}");
    }

    #[test]
    fn silence_is_likelier_with_dispersion() {
        // Alternating 2 and 18 around a mean of 10: variance 64 = 10 + 0.54 · 10².
        let history: Vec<u32> = (0..56).map(|day| if day % 2 == 0 { 2 } else { 18 }).collect();
        let found = dispersion(&history);
        assert!((0.4..0.7).contains(&found), "{found}");
        let p = silence_probability([10.0], 0.54);
        let expected = (-(1.0 + 0.54 * 10.0_f64).ln() / 0.54).exp();
        assert!((p / expected - 1.0).abs() < 1e-12 && p > (-10.0_f64).exp() * 100.0);
    }

    #[test]
    fn weekends_are_no_gaps_of_an_event_of_working_days() {
        let history = working_days(8);
        // Saturday and Sunday follow; Monday is day 0.
        assert!(exceeds_past_gaps(&history, &[0]) && !exceeds_past_gaps(&history, &[5, 6]));
        // An event of Saturdays.
        let saturdays = [0, 0, 0, 0, 0, 7, 0].repeat(8);
        assert!(!exceeds_past_gaps(&saturdays, &[0, 1, 2, 3, 4]));
        assert!(exceeds_past_gaps(&saturdays, &[0, 1, 2, 3, 4, 5]));
        // An event once in twenty days has gaps of 19 days on all days.
        let rare: Vec<u32> = (0..160).map(|day| u32::from(day % 20 == 19)).collect();
        let days = |n| (0..n).collect::<Vec<usize>>();
        assert!(!exceeds_past_gaps(&rare, &days(19)) && exceeds_past_gaps(&rare, &days(20)));
    }

    #[test]
    fn one_outage_is_no_pattern() {
        let mut history = vec![9; 56];
        history[20..30].fill(0);
        assert!(exceeds_past_gaps(&history, &[0]));
        history[40..42].fill(0);
        assert!(!exceeds_past_gaps(&history, &[0, 1]) && exceeds_past_gaps(&history, &[0, 1, 2]));
    }
}
