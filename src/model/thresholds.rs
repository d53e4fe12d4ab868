//! The threshold from which on an account qualifies: one number, fixed in training, never taken
//! from a batch.

use pql_stats::counts::{self, count};

use crate::config::{At, Cut};
use crate::error::{Error, Result};
use crate::time::DAY;

/// Training cutoffs over which newly qualified accounts are counted.
const CUTOFFS: usize = 8;
/// Days in a week.
const WEEK: i64 = 7;

/// The training rows as the reference population sees them.
#[derive(Debug, Clone, Copy)]
pub struct Population<'a> {
    /// Probability of each row by a model that did not see its account; at least one.
    pub probability: &'a [f64],
    /// Account of each row.
    pub account: &'a [u32],
    /// Cutoff of each row, µs UTC, where there are cutoffs.
    pub cutoff: Option<&'a [i64]>,
    /// Kind of the cutoffs.
    pub at: At,
}

/// Find the threshold that a rule asks for; above all reference probabilities where ties leave
/// none.
///
/// * share: the smallest reference probability t with P(p ≥ t) ≤ share
/// * capacity: the smallest that at most so many accounts newly reach per 7 days, counted over the
///   newest 8 training cutoffs but the first (for cutoffs at an age over the newest 8 weeks)
/// * precision: the smallest from which up the mean reference probability reaches it
/// * value: touch / deal, where a contact pays
/// # Errors
/// * [`Error::Usage`]: no probability is as high as the precision asked for, or a capacity without
///   at least two cutoffs
pub fn threshold(cut: Cut, population: &Population<'_>) -> Result<f64> {
    let mut sorted = population.probability.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let above_all = || sorted.last().map_or(1.0, |p| p.next_up());
    match cut {
        Cut::Threshold(threshold) => Ok(threshold),
        Cut::Value(worth) => Ok(worth.touch / worth.deal),
        Cut::Share(share) => {
            let n = sorted.len();
            let fits = |t: f64| counts::share(n - sorted.partition_point(|p| *p < t), n) <= share;
            Ok(sorted.iter().copied().find(|t| fits(*t)).unwrap_or_else(above_all))
        }
        Cut::Precision(precision) => of_precision(&sorted, precision),
        Cut::Capacity(accounts) => {
            let newly = Newly::of(population)?;
            Ok(sorted
                .iter()
                .copied()
                .find(|t| newly.per_week(*t) <= count(accounts))
                .unwrap_or_else(above_all))
        }
    }
}

fn of_precision(sorted: &[f64], precision: f64) -> Result<f64> {
    let (mut sum, mut found) = (0.0, None);
    let mut rows = 0;
    for (at, p) in sorted.iter().enumerate().rev() {
        (sum, rows) = (sum + p, rows + 1);
        // Equal probabilities qualify together.
        if at > 0 && sorted[at - 1] == *p {
            continue;
        }
        // The mean falls with the threshold.
        if sum / count(rows) < precision {
            break;
        }
        found = Some(*p);
    }
    found.ok_or_else(|| Error::Usage {
        problem: format!(
            "`qualify.precision = {precision}` cannot be reached: the highest reference probability is {:.4}",
            sorted.last().copied().unwrap_or(f64::NAN)
        ),
        hint: Some("ask for less, or take `qualify.share`".to_owned()),
    })
}

/// Rises of accounts from one cutoff to the next, each an interval (before, after] of the
/// thresholds that are newly reached by it.
struct Newly {
    before: Vec<f64>,
    after: Vec<f64>,
    weeks: f64,
}

impl Newly {
    fn of(population: &Population<'_>) -> Result<Self> {
        let few = || {
            Error::Usage {
            problem: "`qualify.capacity` counts accounts that newly qualify, which needs at least two training cutoffs".to_owned(),
            hint: Some("take `qualify.share`".to_owned()),
        }
        };
        let cutoff = population.cutoff.ok_or_else(few)?;
        let mut distinct = cutoff.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let newest = *distinct.last().ok_or_else(few)?;
        let first = match population.at {
            At::Snapshot => distinct[distinct.len().saturating_sub(CUTOFFS)],
            At::Age => {
                distinct[0].max(newest - i64::try_from(CUTOFFS).unwrap_or(i64::MAX) * WEEK * DAY)
            }
        };
        if first == newest {
            return Err(few());
        }
        let mut rows: Vec<usize> = (0..cutoff.len()).collect();
        rows.sort_by_key(|row| (population.account[*row], cutoff[*row]));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut last: Option<usize> = None;
        for row in rows {
            let same = last.filter(|last| population.account[*last] == population.account[row]);
            let was = same.map_or(f64::NEG_INFINITY, |last| population.probability[last]);
            let is = population.probability[row];
            if cutoff[row] > first && is > was {
                before.push(was);
                after.push(is);
            }
            last = Some(row);
        }
        before.sort_unstable_by(f64::total_cmp);
        after.sort_unstable_by(f64::total_cmp);
        Ok(Self { before, after, weeks: weeks(newest - first) })
    }

    /// Accounts a week that newly reach a threshold.
    fn per_week(&self, threshold: f64) -> f64 {
        let below = |ends: &[f64]| ends.partition_point(|p| *p < threshold);
        count(below(&self.before) - below(&self.after)) / self.weeks
    }
}

#[expect(clippy::cast_precision_loss, reason = "a span of years in µs")]
fn weeks(span: i64) -> f64 {
    span as f64 / (WEEK * DAY) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Worth;

    fn population<'a>(
        probability: &'a [f64],
        account: &'a [u32],
        cutoff: Option<&'a [i64]>,
    ) -> Population<'a> {
        Population { probability, account, cutoff, at: At::Snapshot }
    }

    fn of(cut: Cut, probability: &[f64]) -> Result<f64> {
        threshold(cut, &population(probability, &vec![0; probability.len()], None))
    }

    #[test]
    fn the_threshold_lets_at_most_the_share_through() {
        let reference: Vec<f64> = (1..=10).map(|p| f64::from(p) / 10.0).collect();
        assert_eq!(of(Cut::Share(0.2), &reference).unwrap(), 0.9);
        assert_eq!(of(Cut::Share(0.25), &reference).unwrap(), 0.9);
        assert!(of(Cut::Share(0.2), &[0.5; 10]).unwrap() > 0.5, "ties leave none");
    }

    #[test]
    fn the_precision_is_the_mean_probability_from_the_threshold_up() {
        let reference = [0.1, 0.2, 0.2, 0.5, 0.6];
        assert_eq!(of(Cut::Precision(0.5), &reference).unwrap(), 0.5);
        assert_eq!(
            of(Cut::Precision(0.37), &reference).unwrap(),
            0.2,
            "(0.2 + 0.2 + 0.5 + 0.6) / 4 = 0.375"
        );
        assert_eq!(of(Cut::Precision(0.38), &reference).unwrap(), 0.5, "both rows of 0.2, or none");
        let error = of(Cut::Precision(0.7), &reference).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("0.6000"), "{error}");
    }

    #[test]
    fn the_value_threshold_is_where_a_touch_pays() {
        assert_eq!(of(Cut::Value(Worth { deal: 200.0, touch: 10.0 }), &[0.5]).unwrap(), 0.05);
        assert_eq!(of(Cut::Threshold(0.3), &[0.5]).unwrap(), 0.3);
    }

    #[test]
    fn capacity_counts_the_accounts_that_newly_reach_the_threshold() {
        // Account 0 rises from 0.1 to 0.4 and stays, 1 falls from 0.9, 2 appears with 0.6 in the
        // third week.
        let account = [0, 0, 0, 1, 1, 1, 2];
        let cutoff = [0, 7, 14, 0, 7, 14, 14].map(|day| day * DAY);
        let probability = [0.1, 0.4, 0.4, 0.9, 0.5, 0.3, 0.6];
        let population = population(&probability, &account, Some(&cutoff));
        let at = |accounts| threshold(Cut::Capacity(accounts), &population).unwrap();
        // Two rises in two weeks: (0.1, 0.4] and (-inf, 0.6]; never more than one a week.
        assert_eq!(at(1), 0.1);
        let newly = Newly::of(&population).unwrap();
        assert_eq!(
            (newly.per_week(0.3), newly.per_week(0.5), newly.per_week(0.7)),
            (1.0, 0.5, 0.0)
        );
        let one = threshold(Cut::Capacity(1), &Population { cutoff: Some(&[0; 7]), ..population });
        assert_eq!(one.unwrap_err().exit_code(), 2, "one cutoff tells nothing new");
    }
}
