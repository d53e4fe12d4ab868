//! A rule against an outcome: the two-by-two table and what it tells.

use std::ops::RangeInclusive;

use serde::Serialize;
use statrs::function::factorial::ln_factorial;

use crate::counts::{count, share};
use crate::intervals::Interval;

/// Accounts by whether a rule holds and whether they convert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ContingencyTable {
    /// It holds and they convert.
    pub both: u64,
    /// It holds and they do not.
    pub rule_only: u64,
    /// They convert without it.
    pub outcome_only: u64,
    /// Neither.
    pub neither: u64,
}

/// An odds ratio and its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OddsRatio {
    /// The odds ratio.
    pub value: f64,
    /// Its 95% interval.
    pub interval: Interval,
}

/// Returns the share that a part has of a whole; `None` of nothing.
fn share_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| share(part, whole))
}

impl ContingencyTable {
    /// A table from how many a rule holds for and how many convert, of them and of all.
    #[must_use]
    pub fn from_margins(holds: u64, both: u64, converted: u64, all: u64) -> Self {
        let (rule_only, outcome_only) = (holds - both, converted - both);
        Self { both, rule_only, outcome_only, neither: all - both - rule_only - outcome_only }
    }

    /// Accounts for which the rule holds.
    #[must_use]
    pub fn holds(&self) -> u64 {
        self.both + self.rule_only
    }

    /// Accounts that convert.
    #[must_use]
    pub fn converted(&self) -> u64 {
        self.both + self.outcome_only
    }

    /// All accounts.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.holds() + self.outcome_only + self.neither
    }

    /// Share of the accounts for which the rule holds.
    #[must_use]
    pub fn support(&self) -> Option<f64> {
        share_of(self.holds(), self.all())
    }

    /// Share that converts where the rule holds: how far it suffices.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share_of(self.both, self.holds())
    }

    /// Share of those that convert for which the rule holds: how far it is necessary.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share_of(self.both, self.converted())
    }

    /// Precision against the share of all that converts.
    #[must_use]
    pub fn lift(&self) -> Option<f64> {
        Some(self.precision()? / share_of(self.converted(), self.all())?)
            .filter(|lift| lift.is_finite())
    }

    /// Correlation of rule and outcome; `None` where one of them is the same for all.
    ///
    /// # Source
    /// Yule, On the methods of measuring association between two attributes, *Journal of the Royal
    /// Statistical Society* 75 (1912)
    #[must_use]
    pub fn phi(&self) -> Option<f64> {
        let [a, b, c, d] = self.cells();
        let size = ((a + b) * (c + d) * (a + c) * (b + d)).sqrt();
        (size > 0.0).then(|| (a * d - b * c) / size)
    }

    fn cells(&self) -> [f64; 4] {
        [self.both, self.rule_only, self.outcome_only, self.neither].map(count)
    }

    /// Odds ratio with its 95 % interval; half an account is added to each cell where one is empty.
    ///
    /// # Source
    /// Woolf, *Annals of Human Genetics* 19 (1955); the half: Haldane, *Annals of Human Genetics*
    /// 20 (1956)
    #[must_use]
    pub fn odds_ratio(&self) -> OddsRatio {
        let cells = self.cells();
        let add = if cells.contains(&0.0) { 0.5 } else { 0.0 };
        let [a, b, c, d] = cells.map(|cell| cell + add);
        let (log, error) = (
            (a * d / (b * c)).ln(),
            cells.map(|cell| 1.0 / (cell + add)).iter().sum::<f64>().sqrt(),
        );
        OddsRatio { value: log.exp(), interval: Interval::normal(log, error).map(f64::exp) }
    }

    /// Two-sided p of Fisher's exact test: all tables with these margins that are at most as
    /// likely.
    ///
    /// # Source
    /// Fisher, *Statistical Methods for Research Workers*, 5th ed. (1934), §21.02; two-sided as in
    /// R and scipy
    #[must_use]
    pub fn fisher(&self) -> f64 {
        /// Tables as likely but for rounding count as equal.
        const ROUNDING: f64 = 1e-7;
        let seen = self.log_likelihood(self.both);
        self.sum_of(|log| log <= seen + ROUNDING)
    }

    /// One-sided p of Fisher's exact test: at least so many for which both hold.
    #[must_use]
    pub fn fisher_greater(&self) -> f64 {
        (self.both..=*self.range().end())
            .map(|both| self.log_likelihood(both).exp())
            .sum::<f64>()
            .min(1.0)
    }

    /// Fewest and most for which both can hold with these margins.
    fn range(&self) -> RangeInclusive<u64> {
        (self.holds() + self.converted()).saturating_sub(self.all())
            ..=self.holds().min(self.converted())
    }

    fn sum_of(&self, counts: impl Fn(f64) -> bool) -> f64 {
        self.range()
            .map(|both| self.log_likelihood(both))
            .filter(|log| counts(*log))
            .map(f64::exp)
            .sum::<f64>()
            .min(1.0)
    }

    /// Log of the hypergeometric probability that both hold for so many.
    fn log_likelihood(&self, both: u64) -> f64 {
        let choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
        let (holds, converted, all) = (self.holds(), self.converted(), self.all());
        choose(converted, both) + choose(all - converted, holds - both) - choose(all, holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "{a} for {b}");
    }

    #[test]
    fn the_lady_tasting_tea() {
        // scipy.stats.fisher_exact([[3, 1], [1, 3]]): two-sided 34/70, greater 17/70.
        let tea = ContingencyTable { both: 3, rule_only: 1, outcome_only: 1, neither: 3 };
        near(tea.fisher(), 34.0 / 70.0);
        near(tea.fisher_greater(), 17.0 / 70.0);
        near(tea.phi().unwrap(), 0.5);
        near(tea.lift().unwrap(), 1.5);
        near(tea.odds_ratio().value, 9.0);
    }

    #[test]
    fn a_large_table_is_as_in_scipy() {
        // statsmodels Table2x2.oddsratio_confint, scipy.stats.fisher_exact and its alternative
        // "greater".
        let table =
            ContingencyTable { both: 120, rule_only: 880, outcome_only: 300, neither: 8_700 };
        let expected = [3.954_545_454_545_454_6, 3.164_836_920_675_953_5, 4.941_306_659_404_758];
        let OddsRatio { value, interval } = table.odds_ratio();
        [value, interval.low, interval.high]
            .into_iter()
            .zip(expected)
            .for_each(|(found, expected)| near(found, expected));
        assert!((table.fisher() / 4.102_996_987_094_601e-28 - 1.0).abs() < 1e-6);
        assert!((table.fisher_greater() / 4.102_996_987_094_601e-28 - 1.0).abs() < 1e-6);
        let weak = ContingencyTable { both: 12, rule_only: 188, outcome_only: 60, neither: 1_740 };
        near(weak.fisher(), 0.068_740_879_014_478);
        near(weak.fisher_greater(), 0.049_727_245_663_265_83);
        assert_eq!(
            (table.support(), table.precision(), table.recall()),
            (Some(0.1), Some(0.12), Some(120.0 / 420.0))
        );
    }

    #[test]
    fn empty_margins_tell_nothing() {
        let none = ContingencyTable::from_margins(0, 0, 5, 10);
        assert_eq!((none.precision(), none.phi(), none.lift()), (None, None, None));
        near(none.fisher(), 1.0);
        let OddsRatio { value, interval } = none.odds_ratio();
        assert!([value, interval.low, interval.high].iter().all(|ratio| ratio.is_finite()));
    }
}
