//! Two-by-two tables of a rule and an outcome: lift, odds ratio, correlation and Fisher's exact
//! test.

use std::ops::RangeInclusive;

use serde::Serialize;
use statrs::function::factorial::ln_factorial;

use crate::counts::{count, share};
use crate::intervals::Interval;

/// Accounts by whether they match a rule and whether they convert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ContingencyTable {
    /// Match the rule and convert.
    pub both: u64,
    /// Match the rule and do not convert.
    pub rule_only: u64,
    /// Convert and do not match the rule.
    pub outcome_only: u64,
    /// Neither match nor convert.
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

/// Computes a share; `None` if the whole is 0.
fn checked_share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| share(part, whole))
}

impl ContingencyTable {
    /// Creates a table from the number of matches, matches that convert, conversions and accounts.
    #[must_use]
    pub fn from_margins(matches: u64, both: u64, converted: u64, total: u64) -> Self {
        let (rule_only, outcome_only) = (matches - both, converted - both);
        Self { both, rule_only, outcome_only, neither: total - both - rule_only - outcome_only }
    }

    /// Returns the number of accounts that match the rule.
    #[must_use]
    pub fn matches(&self) -> u64 {
        self.both + self.rule_only
    }

    /// Returns the number of accounts that convert.
    #[must_use]
    pub fn converted(&self) -> u64 {
        self.both + self.outcome_only
    }

    /// Returns the number of accounts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.matches() + self.outcome_only + self.neither
    }

    /// Computes the support: the share of the accounts that match the rule.
    #[must_use]
    pub fn support(&self) -> Option<f64> {
        checked_share(self.matches(), self.total())
    }

    /// Computes the precision: the share of the matching accounts that convert.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        checked_share(self.both, self.matches())
    }

    /// Computes the recall: the share of the converting accounts that match.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        checked_share(self.both, self.converted())
    }

    /// Computes the lift: precision divided by the base rate.
    #[must_use]
    pub fn lift(&self) -> Option<f64> {
        Some(self.precision()? / checked_share(self.converted(), self.total())?)
            .filter(|lift| lift.is_finite())
    }

    /// Computes the correlation of rule and outcome; `None` if one of them is constant.
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

    /// Computes the odds ratio with its 95% interval; adds 0.5 to each cell if one is empty.
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

    /// Computes the two-sided p-value of Fisher's exact test: the probability of all tables with
    /// these margins that are at most as likely.
    ///
    /// # Source
    /// Fisher, *Statistical Methods for Research Workers*, 5th ed. (1934), §21.02; two-sided as in
    /// R and scipy
    #[must_use]
    pub fn fisher(&self) -> f64 {
        /// Tolerance for equally likely tables.
        const ROUNDING: f64 = 1e-7;
        let observed = self.log_likelihood(self.both);
        self.sum_tables(|log| log <= observed + ROUNDING)
    }

    /// Computes the one-sided p-value of Fisher's exact test: at least as many accounts in `both`.
    #[must_use]
    pub fn fisher_greater(&self) -> f64 {
        (self.both..=*self.range().end())
            .map(|both| self.log_likelihood(both).exp())
            .sum::<f64>()
            .min(1.0)
    }

    /// Returns the possible values of `both` with these margins.
    fn range(&self) -> RangeInclusive<u64> {
        (self.matches() + self.converted()).saturating_sub(self.total())
            ..=self.matches().min(self.converted())
    }

    fn sum_tables(&self, include: impl Fn(f64) -> bool) -> f64 {
        self.range()
            .map(|both| self.log_likelihood(both))
            .filter(|log| include(*log))
            .map(f64::exp)
            .sum::<f64>()
            .min(1.0)
    }

    /// Computes the log of the hypergeometric probability of a value of `both`.
    fn log_likelihood(&self, both: u64) -> f64 {
        let choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
        let (matches, converted, total) = (self.matches(), self.converted(), self.total());
        choose(converted, both) + choose(total - converted, matches - both) - choose(total, matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "found {a}, expected {b}");
    }

    #[test]
    fn fishers_tea_tasting_table_matches_scipy() {
        // scipy.stats.fisher_exact([[3, 1], [1, 3]]): two-sided 34/70, greater 17/70.
        let tea = ContingencyTable { both: 3, rule_only: 1, outcome_only: 1, neither: 3 };
        near(tea.fisher(), 34.0 / 70.0);
        near(tea.fisher_greater(), 17.0 / 70.0);
        near(tea.phi().unwrap(), 0.5);
        near(tea.lift().unwrap(), 1.5);
        near(tea.odds_ratio().value, 9.0);
    }

    #[test]
    fn a_large_table_matches_scipy_and_statsmodels() {
        // statsmodels Table2x2.oddsratio_confint, scipy.stats.fisher_exact with both alternatives.
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
    fn empty_margins_have_no_metrics() {
        let none = ContingencyTable::from_margins(0, 0, 5, 10);
        assert_eq!((none.precision(), none.phi(), none.lift()), (None, None, None));
        near(none.fisher(), 1.0);
        let OddsRatio { value, interval } = none.odds_ratio();
        assert!([value, interval.low, interval.high].iter().all(|ratio| ratio.is_finite()));
    }
}
