//! Search over single conditions, then over pairs of the best ones.

use std::collections::BTreeSet;

use pql_stats::contingency::ContingencyTable;
use pql_stats::multiplicity::benjamini_hochberg;
use rayon::prelude::*;

use super::count::{Measure, MeasureCounts, MinimumCondition, rule};
use super::{AccountSample, LEVEL, LandmarkSample, RiskSet, Rule, SearchOptions};
use crate::log::Log;

/// Number of conditions per landmark that are combined in pairs: the best of each measure.
const MAX_PAIRED: usize = 20;
/// Jaccard similarity of the matched accounts from which two rules are near duplicates.
const NEAR_DUPLICATE: f64 = 0.9;
/// Quantile of a count up to which thresholds are tried.
const MAX_QUANTILE: f64 = 0.99;

/// A rule evaluated on older accounts.
struct CandidateRule {
    landmark: usize,
    /// Index of the measure, and the condition.
    conditions: Vec<(usize, MinimumCondition)>,
    table: ContingencyTable,
    phi: f64,
    /// Whether each condition is predictive among accounts that meet the other one.
    is_minimal: bool,
}

/// Result of the search.
pub(super) struct SearchResult {
    /// Number of rules tried.
    pub(super) tried: u64,
    /// The best significant rule of each measure or pair of measures, best first.
    pub(super) rules: Vec<Rule>,
    /// Number of dropped rules that match nearly the same accounts as a better rule.
    pub(super) near_duplicates: u64,
}

/// Evaluates all rules.
pub(super) fn run(
    log: &Log,
    search: &SearchOptions,
    counts: &MeasureCounts,
    samples: &[LandmarkSample],
) -> SearchResult {
    let rule_search = RuleSearch { log, search, counts, samples };
    let candidates: Vec<CandidateRule> = (0..samples.len())
        .into_par_iter()
        .flat_map_iter(|landmark| rule_search.search_landmark(landmark))
        .collect();
    let p: Vec<f64> = candidates.par_iter().map(|candidate| candidate.table.fisher()).collect();
    let q = benjamini_hochberg(&p);
    let mut significant: Vec<(&CandidateRule, f64)> = candidates
        .iter()
        .zip(q)
        .filter(|(candidate, q)| *q < LEVEL && candidate.phi > 0.0 && candidate.is_minimal)
        .collect();
    significant.sort_by(|a, b| b.0.phi.total_cmp(&a.0.phi));
    let mut seen: BTreeSet<Vec<Measure>> = BTreeSet::new();
    let (mut rules, mut sets, mut near_duplicates) = (Vec::new(), Vec::new(), 0);
    for (candidate, q) in significant {
        let mut measures: Vec<Measure> =
            candidate.conditions.iter().map(|(_, condition)| condition.measure).collect();
        measures.sort_unstable();
        if !seen.insert(measures) {
            continue;
        }
        let set = MatchedAccounts::new(candidate, counts, &samples[candidate.landmark].older);
        if sets.iter().any(|other| set.is_near_duplicate(other)) {
            near_duplicates += 1;
            continue;
        }
        rules.push(rule_search.confirm(candidate, q));
        sets.push(set);
    }
    SearchResult { tried: p.len() as u64, rules, near_duplicates }
}

/// Bit set of the older accounts at risk that a rule matches.
struct MatchedAccounts {
    landmark: usize,
    size: u64,
    words: Vec<u64>,
}

impl MatchedAccounts {
    fn new(candidate: &CandidateRule, counts: &MeasureCounts, accounts: &AccountSample) -> Self {
        let columns = candidate.columns(counts);
        let bit = |(index, row): (usize, &u32)| {
            u64::from(columns.iter().all(|(counts, n)| counts[*row as usize] >= *n)) << index
        };
        let words =
            accounts.rows.chunks(64).map(|rows| rows.iter().enumerate().map(bit).sum()).collect();
        Self { landmark: candidate.landmark, size: candidate.table.matches(), words }
    }

    /// Returns whether the Jaccard similarity of the two sets is at least 0.9.
    ///
    /// # Source
    /// Jaccard, *New Phytologist* 11 (1912)
    #[expect(clippy::cast_precision_loss, reason = "counts of accounts")]
    fn is_near_duplicate(&self, other: &Self) -> bool {
        let enough =
            |both: u64| both as f64 >= NEAR_DUPLICATE * (self.size + other.size - both) as f64;
        let both = || {
            self.words.iter().zip(&other.words).map(|(a, b)| u64::from((a & b).count_ones())).sum()
        };
        self.landmark == other.landmark && enough(self.size.min(other.size)) && enough(both())
    }
}

/// Inputs of the search.
struct RuleSearch<'a> {
    log: &'a Log,
    search: &'a SearchOptions,
    counts: &'a MeasureCounts,
    samples: &'a [LandmarkSample],
}

impl RuleSearch<'_> {
    /// Evaluates the rules of one landmark.
    fn search_landmark(&self, landmark: usize) -> Vec<CandidateRule> {
        let mut singles: Vec<CandidateRule> = Vec::new();
        let mut best: Vec<(f64, usize)> = Vec::new();
        for place in 0..self.counts.measures.len() {
            let thresholds = self.thresholds(landmark, place);
            let strongest =
                thresholds.iter().enumerate().max_by(|a, b| a.1.phi.total_cmp(&b.1.phi));
            best.extend(strongest.map(|(index, candidate)| (candidate.phi, singles.len() + index)));
            singles.extend(thresholds);
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(MAX_PAIRED);
        let mut pairs = Vec::new();
        for (index, (_, a)) in best.iter().enumerate() {
            for (_, b) in &best[index + 1..] {
                pairs.extend(self.pair(&singles[*a], &singles[*b]));
            }
        }
        singles.extend(pairs);
        singles
    }

    /// Evaluates all thresholds of one measure that enough accounts reach, by cumulative counts.
    fn thresholds(&self, landmark: usize, place: usize) -> Vec<CandidateRule> {
        let sample = &self.samples[landmark].older;
        let counts = self.counts.get(landmark, place);
        let RiskSet { accounts: all, conversions: converted } = sample.size();
        let most = sample.rows.iter().map(|row| counts[*row as usize]).max().unwrap_or(0);
        // By count: accounts with exactly this count, and conversions among them.
        let mut exactly = vec![(0_u64, 0_u64); usize::from(most) + 1];
        for (row, y) in sample.rows.iter().zip(&sample.y) {
            let (accounts, converting) = &mut exactly[usize::from(counts[*row as usize])];
            *accounts += 1;
            *converting += u64::from(*y);
        }
        let mut found = Vec::new();
        let (mut matched, mut matched_conversions) = (0, 0);
        let mut last = 0;
        for n in (1..=most).rev() {
            let (accounts, converting) = exactly[usize::from(n)];
            (matched, matched_conversions) = (matched + accounts, matched_conversions + converting);
            let enough = matched >= self.search.min_accounts
                && matched_conversions >= self.search.min_conversions
                && is_below_max_quantile(matched, all);
            // A threshold reached by as many accounts as the next one is equivalent.
            if enough && matched < all && matched != last {
                let table =
                    ContingencyTable::from_margins(matched, matched_conversions, converted, all);
                let condition = MinimumCondition { measure: self.counts.measures[place], n };
                found.push(CandidateRule {
                    landmark,
                    conditions: vec![(place, condition)],
                    table,
                    phi: table.phi().unwrap_or(0.0),
                    is_minimal: true,
                });
            }
            last = matched;
        }
        found
    }

    /// Combines two conditions if enough accounts meet both.
    ///
    /// Each condition must be predictive among the accounts that meet the other one (one-sided,
    /// 5%). Otherwise, a single condition is the simpler rule.
    fn pair(&self, a: &CandidateRule, b: &CandidateRule) -> Option<CandidateRule> {
        let (search, sample) = (self.search, &self.samples[a.landmark].older);
        let mut conditions: Vec<(usize, MinimumCondition)> =
            a.conditions.iter().chain(&b.conditions).copied().collect();
        conditions.sort_unstable_by_key(|(place, _)| *place);
        let [meets_a, meets_b] = [a, b].map(|candidate| candidate.columns(self.counts));
        let meets = |columns: &[(&[u16], u16)], row: u32| {
            columns.iter().all(|(counts, n)| counts[row as usize] >= *n)
        };
        // Accounts and conversions: both conditions met, only the first, only the second.
        let mut cells = [(0, 0); 3];
        for (row, y) in sample.rows.iter().zip(&sample.y) {
            let cell = match (meets(&meets_a, *row), meets(&meets_b, *row)) {
                (true, true) => &mut cells[0],
                (true, false) => &mut cells[1],
                (false, true) => &mut cells[2],
                (false, false) => continue,
            };
            *cell = (cell.0 + 1, cell.1 + u64::from(*y));
        }
        let [(matched, matched_conversions), rest @ ..] = cells;
        let RiskSet { accounts: all, conversions: converted } = sample.size();
        let table = ContingencyTable::from_margins(matched, matched_conversions, converted, all);
        let is_predictive = |(accounts, conversions): (u64, u64)| {
            ContingencyTable::from_margins(
                matched,
                matched_conversions,
                matched_conversions + conversions,
                matched + accounts,
            )
            .fisher_greater()
                < LEVEL
        };
        let enough =
            matched >= search.min_accounts && matched_conversions >= search.min_conversions;
        let phi = table.phi().unwrap_or(0.0);
        enough.then(|| CandidateRule {
            landmark: a.landmark,
            conditions,
            table,
            phi,
            is_minimal: phi > a.phi.max(b.phi) && rest.into_iter().all(is_predictive),
        })
    }

    /// Evaluates a rule on newer accounts.
    fn confirm(&self, candidate: &CandidateRule, q: f64) -> Rule {
        let (sample, counts) = (&self.samples[candidate.landmark], self.counts);
        let newer = count_matches(&sample.newer, |row| {
            candidate
                .conditions
                .iter()
                .all(|(place, c)| counts.get(candidate.landmark, *place)[row as usize] >= c.n)
        });
        let conditions: Vec<MinimumCondition> =
            candidate.conditions.iter().map(|(_, condition)| *condition).collect();
        Rule {
            definition: rule(&conditions, sample.days, self.log),
            conditions: conditions.len(),
            days: sample.days,
            older: candidate.table,
            q,
            newer,
            p: newer.fisher_greater(),
        }
    }
}

/// Counts matches and conversions of a rule in a sample.
fn count_matches(sample: &AccountSample, matches: impl Fn(u32) -> bool) -> ContingencyTable {
    let RiskSet { accounts: all, conversions: converted } = sample.size();
    let matched = || sample.rows.iter().zip(&sample.y).filter(|(row, _)| matches(**row));
    ContingencyTable::from_margins(
        matched().count() as u64,
        matched().filter(|(_, y)| **y).count() as u64,
        converted,
        all,
    )
}

/// Returns whether a threshold reached by this many accounts is within the 99% that are tried.
#[expect(clippy::cast_precision_loss, reason = "a share of accounts")]
fn is_below_max_quantile(matched: u64, all: u64) -> bool {
    matched as f64 >= (1.0 - MAX_QUANTILE) * all as f64
}

impl CandidateRule {
    /// Returns the counts and the threshold of each condition.
    fn columns<'a>(&self, counts: &'a MeasureCounts) -> Vec<(&'a [u16], u16)> {
        self.conditions
            .iter()
            .map(|(place, condition)| (counts.get(self.landmark, *place), condition.n))
            .collect()
    }
}
