//! Conditions one by one, then pairs of the best.

use std::collections::BTreeSet;

use pql_stats::contingency::ContingencyTable;
use pql_stats::multiplicity::benjamini_hochberg;
use rayon::prelude::*;

use super::count::{AtLeast, Counts, Measure, rule};
use super::{AtRisk, LEVEL, Risk, Rule, Search, Side};
use crate::log::Log;

/// Conditions of a landmark that are tried in pairs: the best of each measure, best first.
const BEAM: usize = 20;
/// Share of the accounts of two rules that both hold for from which on they say the same.
const ALIKE: f64 = 0.9;
/// Quantile of a count up to which thresholds are tried.
const HIGHEST: f64 = 0.99;

/// A rule that was tried on the older accounts.
struct Tried {
    landmark: usize,
    of: Vec<(usize, AtLeast)>,
    table: ContingencyTable,
    phi: f64,
    /// Whether each of its conditions tells something where the others hold.
    more: bool,
}

/// What was found.
pub(super) struct Found {
    /// Rules tried.
    pub(super) tried: u64,
    /// The best of each measure or pair that hold against chance, best first.
    pub(super) rules: Vec<Rule>,
    /// How many such rules hold for nearly the same accounts as a better one.
    pub(super) alike: u64,
}

/// Try all rules.
pub(super) fn run(log: &Log, search: &Search, counts: &Counts, risks: &[Risk]) -> Found {
    let ground = Ground { log, search, counts, risks };
    let tried: Vec<Tried> =
        (0..risks.len()).into_par_iter().flat_map_iter(|at| ground.of_landmark(at)).collect();
    let p: Vec<f64> = tried.par_iter().map(|tried| tried.table.fisher()).collect();
    let q = benjamini_hochberg(&p);
    let mut holding: Vec<(&Tried, f64)> = tried
        .iter()
        .zip(q)
        .filter(|(tried, q)| *q < LEVEL && tried.phi > 0.0 && tried.more)
        .collect();
    holding.sort_by(|a, b| b.0.phi.total_cmp(&a.0.phi));
    let mut met: BTreeSet<Vec<Measure>> = BTreeSet::new();
    let (mut rules, mut sets, mut alike) = (Vec::new(), Vec::new(), 0);
    for (tried, q) in holding {
        let mut measures: Vec<Measure> =
            tried.of.iter().map(|(_, condition)| condition.measure).collect();
        measures.sort_unstable();
        if !met.insert(measures) {
            continue;
        }
        let set = Set::of(tried, counts, &risks[tried.landmark].older);
        if sets.iter().any(|other| set.is_like(other)) {
            alike += 1;
            continue;
        }
        rules.push(ground.confirm(tried, q));
        sets.push(set);
    }
    Found { tried: p.len() as u64, rules, alike }
}

/// The older accounts at risk for which a rule holds, a bit each.
struct Set {
    landmark: usize,
    size: u64,
    words: Vec<u64>,
}

impl Set {
    fn of(tried: &Tried, counts: &Counts, side: &Side) -> Self {
        let columns = tried.columns(counts);
        let bit = |(at, row): (usize, &u32)| {
            u64::from(columns.iter().all(|(of, n)| of[*row as usize] >= *n)) << at
        };
        let words =
            side.rows.chunks(64).map(|rows| rows.iter().enumerate().map(bit).sum()).collect();
        Self { landmark: tried.landmark, size: tried.table.holds(), words }
    }

    /// Whether nine tenths of the accounts of either are accounts of both.
    ///
    /// # Source
    /// Jaccard, *New Phytologist* 11 (1912)
    #[expect(clippy::cast_precision_loss, reason = "counts of accounts")]
    fn is_like(&self, other: &Self) -> bool {
        let enough = |both: u64| both as f64 >= ALIKE * (self.size + other.size - both) as f64;
        let both = || {
            self.words.iter().zip(&other.words).map(|(a, b)| u64::from((a & b).count_ones())).sum()
        };
        self.landmark == other.landmark && enough(self.size.min(other.size)) && enough(both())
    }
}

/// What is searched, and by what.
struct Ground<'a> {
    log: &'a Log,
    search: &'a Search,
    counts: &'a Counts,
    risks: &'a [Risk],
}

impl Ground<'_> {
    /// The rules of one landmark.
    fn of_landmark(&self, landmark: usize) -> Vec<Tried> {
        let mut singles: Vec<Tried> = Vec::new();
        let mut best: Vec<(f64, usize)> = Vec::new();
        for place in 0..self.counts.measures.len() {
            let of_measure = self.thresholds(landmark, place);
            let strongest =
                of_measure.iter().enumerate().max_by(|a, b| a.1.phi.total_cmp(&b.1.phi));
            best.extend(strongest.map(|(at, tried)| (tried.phi, singles.len() + at)));
            singles.extend(of_measure);
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(BEAM);
        let mut pairs = Vec::new();
        for (at, (_, a)) in best.iter().enumerate() {
            for (_, b) in &best[at + 1..] {
                pairs.extend(self.pair(&singles[*a], &singles[*b]));
            }
        }
        singles.extend(pairs);
        singles
    }

    /// All thresholds of one measure that enough accounts reach, by cumulative counts.
    fn thresholds(&self, landmark: usize, place: usize) -> Vec<Tried> {
        let side = &self.risks[landmark].older;
        let of = self.counts.get(landmark, place);
        let AtRisk { accounts: all, conversions: converted } = side.size();
        let most = side.rows.iter().map(|row| of[*row as usize]).max().unwrap_or(0);
        // By count: accounts with exactly so many, and those of them that convert.
        let mut exactly = vec![(0_u64, 0_u64); usize::from(most) + 1];
        for (row, y) in side.rows.iter().zip(&side.y) {
            let (accounts, converting) = &mut exactly[usize::from(of[*row as usize])];
            *accounts += 1;
            *converting += u64::from(*y);
        }
        let mut found = Vec::new();
        let (mut holds, mut both) = (0, 0);
        let mut last = 0;
        for n in (1..=most).rev() {
            let (accounts, converting) = exactly[usize::from(n)];
            (holds, both) = (holds + accounts, both + converting);
            let enough = holds >= self.search.support
                && both >= self.search.conversions
                && beyond(holds, all);
            // A threshold that as many reach as the next one says the same.
            if enough && holds < all && holds != last {
                let table = ContingencyTable::from_margins(holds, both, converted, all);
                let condition = AtLeast { measure: self.counts.measures[place], n };
                found.push(Tried {
                    landmark,
                    of: vec![(place, condition)],
                    table,
                    phi: table.phi().unwrap_or(0.0),
                    more: true,
                });
            }
            last = holds;
        }
        found
    }

    /// Two conditions together, where enough accounts meet both.
    ///
    /// Each has to tell something among those that meet the other (one-sided, 5 %): else the other
    /// alone is the simpler rule.
    fn pair(&self, a: &Tried, b: &Tried) -> Option<Tried> {
        let (search, side) = (self.search, &self.risks[a.landmark].older);
        let mut of: Vec<(usize, AtLeast)> = a.of.iter().chain(&b.of).copied().collect();
        of.sort_unstable_by_key(|(place, _)| *place);
        let [meets_a, meets_b] = [a, b].map(|tried| tried.columns(self.counts));
        let meets = |columns: &[(&[u16], u16)], row: u32| {
            columns.iter().all(|(of, n)| of[row as usize] >= *n)
        };
        // Accounts and conversions where both hold, where the first alone does, where the second
        // alone does.
        let mut cells = [(0, 0); 3];
        for (row, y) in side.rows.iter().zip(&side.y) {
            let cell = match (meets(&meets_a, *row), meets(&meets_b, *row)) {
                (true, true) => &mut cells[0],
                (true, false) => &mut cells[1],
                (false, true) => &mut cells[2],
                (false, false) => continue,
            };
            *cell = (cell.0 + 1, cell.1 + u64::from(*y));
        }
        let [(holds, both), rest @ ..] = cells;
        let AtRisk { accounts: all, conversions: converted } = side.size();
        let table = ContingencyTable::from_margins(holds, both, converted, all);
        let adds = |(accounts, conversions): (u64, u64)| {
            ContingencyTable::from_margins(holds, both, both + conversions, holds + accounts)
                .fisher_greater()
                < LEVEL
        };
        let enough = holds >= search.support && both >= search.conversions;
        let phi = table.phi().unwrap_or(0.0);
        enough.then(|| Tried {
            landmark: a.landmark,
            of,
            table,
            phi,
            more: phi > a.phi.max(b.phi) && rest.into_iter().all(adds),
        })
    }

    /// What a rule that was found finds among the newer accounts.
    fn confirm(&self, tried: &Tried, q: f64) -> Rule {
        let (risk, counts) = (&self.risks[tried.landmark], self.counts);
        let newer = table(&risk.newer, |row| {
            tried
                .of
                .iter()
                .all(|(place, c)| counts.get(tried.landmark, *place)[row as usize] >= c.n)
        });
        let conditions: Vec<AtLeast> = tried.of.iter().map(|(_, condition)| *condition).collect();
        Rule {
            definition: rule(&conditions, risk.days, self.log),
            conditions: conditions.len(),
            days: risk.days,
            found: tried.table,
            q,
            newer,
            p: newer.fisher_greater(),
        }
    }
}

/// Accounts that a rule holds for, and conversions, of one side.
fn table(side: &Side, holds: impl Fn(u32) -> bool) -> ContingencyTable {
    let AtRisk { accounts: all, conversions: converted } = side.size();
    let met = || side.rows.iter().zip(&side.y).filter(|(row, _)| holds(**row));
    ContingencyTable::from_margins(
        met().count() as u64,
        met().filter(|(_, y)| **y).count() as u64,
        converted,
        all,
    )
}

/// Whether a threshold that so many reach lies within the 99 % that are tried.
#[expect(clippy::cast_precision_loss, reason = "a share of accounts")]
fn beyond(holds: u64, all: u64) -> bool {
    holds as f64 >= (1.0 - HIGHEST) * all as f64
}

impl Tried {
    /// The counts and the threshold of each condition.
    fn columns<'a>(&self, counts: &'a Counts) -> Vec<(&'a [u16], u16)> {
        self.of
            .iter()
            .map(|(place, condition)| (counts.get(self.landmark, *place), condition.n))
            .collect()
    }
}
