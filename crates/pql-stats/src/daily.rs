//! Daily counts: robust forecasts with a weekday pattern, and the probability of days without
//! events.
//!
//! The level is a median of weekly totals and the weekday pattern a trimmed mean, so that single
//! bursts and gaps do not change a forecast. The spread comes from forecasts of past weeks, each
//! made from the weeks before it.

use crate::quantile::median;

/// Days of a week.
const WEEK: usize = 7;
/// Fewest weeks of history for a forecast.
pub const MIN_WEEKS: usize = 4;
/// Most weeks of history for a forecast.
pub const MAX_WEEKS: usize = 8;
/// Newest weeks whose median total is the level. Fewer weeks follow growth more closely, more weeks
/// resist more bursts.
const LEVEL_WEEKS: usize = 4;
/// Counts above this multiple of their forecast do not raise the dispersion further: bursts say
/// little about how likely a silent day is.
const BURST: f64 = 2.0;
/// Most weeks of history whose days have a past forecast.
const PAST_WEEKS: usize = 16;
/// Newest days with a past forecast that determine the dispersion.
const DISPERSION_DAYS: usize = (MAX_WEEKS - 2) * WEEK;

/// A day with the forecast made before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ForecastDay {
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
    /// Variance beyond the Poisson distribution: `variance = mean + dispersion · mean²`.
    dispersion: f64,
    /// Consecutive days of past weeks, oldest first; the history ends with the last one.
    past: Vec<ForecastDay>,
}

impl DailyForecast {
    /// Fits a forecast to the last 4 to 8 weeks of a history; `None` for a shorter history.
    ///
    /// # Arguments
    /// * `history` – events by day, oldest first
    /// # Source
    /// Dispersion: moment estimate of the negative binomial distribution, Cameron, Trivedi,
    /// *Regression Analysis of Count Data*, 2nd ed. (2013), §3.3
    #[must_use]
    pub fn fit(history: &[u32]) -> Option<Self> {
        // Newest week first.
        let weeks: Vec<Vec<f64>> = history
            .rchunks_exact(WEEK)
            .take(PAST_WEEKS)
            .map(|week| week.iter().copied().map(f64::from).collect())
            .collect();
        if weeks.len() < MIN_WEEKS {
            return None;
        }
        // At least two weeks are before each past day.
        let past: Vec<ForecastDay> = (0..weeks.len() - 2)
            .rev()
            .flat_map(|week| {
                let expected = forecast(&weeks[week + 1..]).into_iter();
                let days = expected.zip(weeks[week].iter().copied());
                days.map(|(expected, count)| ForecastDay { expected, count })
            })
            .collect();
        let newest = &past[past.len().saturating_sub(DISPERSION_DAYS)..];
        let excess = |day: &ForecastDay| {
            let ForecastDay { expected, count } = *day;
            (count.min(BURST * expected) - expected).powi(2) - expected
        };
        let excess: f64 = newest.iter().map(excess).sum();
        let squares: f64 = newest.iter().map(|day| day.expected * day.expected).sum();
        Some(Self {
            by_weekday: forecast(&weeks),
            dispersion: if squares > 0.0 { (excess / squares).max(0.0) } else { 0.0 },
            past,
        })
    }

    /// Returns consecutive days of past weeks, oldest first, each with the forecast made from the
    /// weeks before it.
    pub(crate) fn past(&self) -> &[ForecastDay] {
        &self.past
    }

    /// Returns the expected number of events on a day, 0 for the first day after the history.
    #[must_use]
    pub fn expected(&self, day: usize) -> f64 {
        self.by_weekday[day % WEEK]
    }

    /// Returns the probability of no events on all of some days, by a negative binomial
    /// distribution for each day.
    ///
    /// # Arguments
    /// * `expected` – expected events of each day
    #[must_use]
    pub fn silence_probability(&self, expected: impl IntoIterator<Item = f64>) -> f64 {
        let log_probability = |mean: f64| {
            if self.dispersion * mean < 1e-9 {
                -mean
            } else {
                -(self.dispersion * mean).ln_1p() / self.dispersion
            }
        };
        expected.into_iter().map(log_probability).sum::<f64>().exp()
    }
}

/// Forecasts the next seven days from the newest eight of past weeks, newest first.
fn forecast(weeks: &[Vec<f64>]) -> [f64; WEEK] {
    let weeks = &weeks[..weeks.len().min(MAX_WEEKS)];
    let total = |week: &Vec<f64>| week.iter().sum::<f64>();
    let level = median(weeks.iter().take(LEVEL_WEEKS).map(total).collect()).unwrap_or(0.0);
    let used: Vec<&Vec<f64>> = weeks.iter().filter(|week| total(week) > 0.0).collect();
    let mut share = [0.0; WEEK];
    for (day, share) in share.iter_mut().enumerate() {
        *share = trimmed_mean(used.iter().map(|week| week[day] / total(week)).collect());
    }
    let sum: f64 = share.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "the number 7")]
    let even = 1.0 / WEEK as f64;
    share.map(|share| level * if sum > 0.0 { share / sum } else { even })
}

/// Returns the mean without the smallest and largest of at least four values.
#[expect(clippy::cast_precision_loss, reason = "a number of weeks")]
fn trimmed_mean(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let kept = if values.len() < 4 { &values[..] } else { &values[1..values.len() - 1] };
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
        let p = forecast.silence_probability([1.5, 2.0]);
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
        assert!((140.0..=151.0).contains(&level), "{level}");
    }

    #[test]
    fn silence_is_likelier_with_dispersion() {
        // Alternating 2 and 18 around a mean of 10: variance 64 = 10 + 0.54 · 10².
        let history: Vec<u32> = (0..56).map(|day| if day % 2 == 0 { 2 } else { 18 }).collect();
        let forecast = DailyForecast::fit(&history).unwrap();
        let p = forecast.silence_probability([10.0]);
        let expected = (-(1.0 + 0.54 * 10.0_f64).ln() / 0.54).exp();
        assert!(p > (-10.0_f64).exp() * 100.0 && (p / expected).ln().abs() < 1.0, "{p} {expected}");
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
