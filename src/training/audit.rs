//! The leakage audit of a training: signs that the training rows, or the log behind them, know the
//! outcome.
//!
//! The thresholds are those of honest data seen so far, where no measure alone reaches them; none
//! of them is a proof.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{Column, DataType};
use pql_stats::counts::share;
use pql_stats::metrics::roc_auc;
use rayon::prelude::*;

use crate::config::DesignRule;
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Catalogue, Feature, FeatureKind};
use crate::dataset::observations::{Observations, Split};
use crate::dataset::rows::Rows;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::model::encoder::MISSING;
use crate::time::{DAY, TimeSpan};
use crate::warning::{Finding, MeasureImportance, Origin};

/// AUC alone up to which, or from which on, a column is named.
const ALONE: [f64; 2] = [0.10, 0.90];
/// Distinct accounts of an outcome below which a column tells nothing.
const ACCOUNTS: usize = 10;
/// Share of the rows with something from which on "hardly any but those that convert" holds.
const MARKS: f64 = 0.90;
/// Base rate from which on such a share is nothing special.
const COMMON: f64 = 0.50;
/// Occurrences in converting accounts below which an event tells nothing.
const OCCURRENCES: u64 = 20;
/// Share of them at or after the conversion from which on an event follows from it.
const FOLLOWS: f64 = 0.95;
/// Share of the accounts with an event that convert from which on it can follow from the conversion
/// alone: what many others do, too, is use of the product that paying accounts have longer to go on
/// with.
const OF_CONVERTING: f64 = 0.90;
/// Share of the occurrences before a conversion in the last day from which on an event comes with
/// it.
const ANNOUNCES: f64 = 0.50;
/// Cross-validated AUC from which on a model is named.
const MODEL: f64 = 0.95;
/// Measures named with it.
const HEAVIEST: usize = 3;

/// Outcomes and accounts of the training rows.
struct Outcomes {
    y: Vec<bool>,
    account: Vec<u32>,
    positive: usize,
}

/// A column under suspicion.
struct Suspect<'a> {
    name: &'a str,
    origin: Origin,
}

/// Audit every candidate column on the training rows: each number, each level of a text, and
/// whether it is missing.
///
/// A number ranks over the rows in which it is not null; that it is null is a column of its own, as
/// in the design. An outcome that fewer than 10 distinct accounts have among these rows tells
/// nothing.
///
/// # Arguments
/// * `train` – indices of the training rows, of both outcomes
/// * `rule` – which columns are candidates, and which numbers are taken for texts
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature), [`FeatureType`](crate::Error::FeatureType):
///   a column is absent or of a type that no feature has
pub fn columns(rows: &Rows, train: &[u32], rule: &DesignRule) -> Result<Vec<Finding>> {
    let y = rows.outcomes(train);
    let outcomes =
        Outcomes { positive: y.iter().filter(|y| **y).count(), account: rows.accounts(train), y };
    let candidate = |f: &&Feature| rule.keep.is_empty() || rule.keep.contains(&f.name);
    let candidates: Vec<&Feature> = rows.kinds.iter().filter(candidate).collect();
    let of_column = |feature: &&Feature| {
        let column = feature_column(&rows.features, &feature.name)?;
        let origin = origin(feature, rows.catalogue.as_ref());
        if column.dtype() == &DataType::String || rule.categories.contains(&feature.name) {
            outcomes.text(&Suspect { name: &feature.name, origin }, column, train)
        } else {
            outcomes.number(&Suspect { name: &feature.name, origin }, column, train)
        }
    };
    let found: Vec<Vec<Finding>> = candidates.par_iter().map(of_column).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn origin(feature: &Feature, catalogue: Option<&Catalogue>) -> Origin {
    let Some(catalogue) = catalogue else { return Origin::Matrix };
    let named = |prefix, names: &[String]| {
        feature
            .measure
            .strip_prefix(prefix)
            .filter(|n| names.iter().any(|name| name == n))
            .map(str::to_owned)
    };
    match feature.kind {
        FeatureKind::Given => Origin::Attribute(feature.name.clone()),
        FeatureKind::Count => {
            named("count_", &catalogue.counted).map_or(Origin::Usage, Origin::Event)
        }
        FeatureKind::Sum => named("sum_", &catalogue.sums).map_or(Origin::Usage, Origin::Property),
        FeatureKind::Shape if feature.measure == "seat_utilization" => Origin::Seats,
        FeatureKind::Span | FeatureKind::Shape => Origin::Usage,
    }
}

impl Outcomes {
    fn number(
        &self,
        suspect: &Suspect<'_>,
        column: &Column,
        train: &[u32],
    ) -> Result<Vec<Finding>> {
        let values = numbers(column, Some(train))?;
        let (mut y, mut known, mut missing, mut present) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, value) in values.iter().enumerate() {
            match value {
                None => missing.push(row),
                Some(value) => {
                    y.push(self.y[row]);
                    known.push(*value);
                    if *value != 0.0 {
                        present.push(row);
                    }
                }
            }
        }
        let auc = roc_auc(&y, &known)
            .filter(|auc| extreme(*auc) && self.known_of_both(|row| values[row].is_some()));
        let mut found: Vec<Finding> = auc.map(|auc| suspect.ranks(auc)).into_iter().collect();
        found.extend(self.marks(suspect, &present));
        let name = format!("missing_{}", suspect.name);
        found.extend(
            self.indicator(&Suspect { name: &name, origin: suspect.origin.clone() }, &missing),
        );
        Ok(found)
    }

    fn text(&self, suspect: &Suspect<'_>, column: &Column, train: &[u32]) -> Result<Vec<Finding>> {
        let values = texts(column, Some(train))?;
        let mut levels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, value) in values.iter().enumerate() {
            levels.entry(value.as_deref().unwrap_or(MISSING)).or_default().push(row);
        }
        let mut found = Vec::new();
        for (level, present) in levels {
            let name = format!("{}={level}", suspect.name);
            found.extend(
                self.indicator(&Suspect { name: &name, origin: suspect.origin.clone() }, &present),
            );
        }
        Ok(found)
    }

    /// A 0/1 column that is 1 in some rows: half of 1 + its share in the positive rows − its share
    /// in the others is its AUC.
    fn indicator(&self, suspect: &Suspect<'_>, present: &[usize]) -> Vec<Finding> {
        if present.is_empty() {
            return Vec::new();
        }
        let positive = present.iter().filter(|row| self.y[**row]).count();
        let auc = 0.5
            + (share(positive, self.positive)
                - share(present.len() - positive, self.y.len() - self.positive))
                / 2.0;
        let ranks = (extreme(auc) && self.known_of_both(|_| true)).then(|| suspect.ranks(auc));
        ranks.into_iter().chain(self.marks(suspect, present)).collect()
    }

    /// Name a column when most rows that have it convert.
    fn marks(&self, suspect: &Suspect<'_>, present: &[usize]) -> Option<Finding> {
        let positive: Vec<usize> = present.iter().copied().filter(|row| self.y[*row]).collect();
        let base_rate = share(self.positive, self.y.len());
        if base_rate >= COMMON
            || positive.len() < ACCOUNTS
            || share(positive.len(), present.len()) < MARKS
        {
            return None;
        }
        let accounts = self.accounts(positive.iter().copied());
        (accounts >= ACCOUNTS).then(|| Finding::NearPure {
            column: suspect.name.to_owned(),
            origin: suspect.origin.clone(),
            rows: present.len() as u64,
            positive: positive.len() as u64,
            accounts: accounts as u64,
            base_rate,
        })
    }

    /// Whether enough distinct accounts have either outcome in the rows that hold.
    fn known_of_both(&self, holds: impl Fn(usize) -> bool) -> bool {
        let rows = || (0..self.y.len()).filter(|row| holds(*row));
        [true, false]
            .iter()
            .all(|outcome| self.accounts(rows().filter(|row| self.y[*row] == *outcome)) >= ACCOUNTS)
    }

    fn accounts(&self, rows: impl Iterator<Item = usize>) -> usize {
        rows.map(|row| self.account[row]).collect::<BTreeSet<u32>>().len()
    }
}

impl Suspect<'_> {
    fn ranks(&self, auc: f64) -> Finding {
        Finding::HighAuc { column: self.name.to_owned(), origin: self.origin.clone(), auc }
    }
}

fn extreme(auc: f64) -> bool {
    auc <= ALONE[0] || auc >= ALONE[1]
}

/// How the occurrences of an event lie around the conversions of the training accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// Its name.
    pub event: String,
    /// Training accounts that have it.
    pub accounts: u64,
    /// Those of them that convert.
    pub converting: u64,
    /// Occurrences before the conversion.
    pub before: u64,
    /// Those of them in the last 24 hours before it.
    pub last_day: u64,
    /// Occurrences at or after it.
    pub after: u64,
}

impl Around {
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.converting += other.converting;
        self.before += other.before;
        self.last_day += other.last_day;
        self.after += other.after;
    }
}

/// Count how events lie around conversions, by event name, from what was known before the first
/// test cutoff alone.
///
/// An event counts from when it was seen on. A conversion known by its day alone counts from 00:00
/// UTC on, as everywhere: what happens on that day is at or after it, and the 24 hours before it
/// are the day before.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn around(log: &Log, observations: &Observations) -> Result<Vec<Around>> {
    let until = observations.first_test.unwrap_or(log.until);
    let mut accounts: Vec<u32> = observations
        .rows(Split::Train)
        .iter()
        .map(|row| observations.account[*row as usize])
        .collect();
    accounts.dedup();
    let mut all: Vec<Around> = log
        .events
        .names
        .iter()
        .map(|name| Around { event: name.to_owned(), ..Around::default() })
        .collect();
    let parts = log.events.map(|events| {
        let place = |code: usize| accounts.partition_point(|account| (*account as usize) < code);
        let accounts = &accounts[place(events.accounts.start)..place(events.accounts.end)];
        around_part(log, events, accounts, until)
    })?;
    for part in parts {
        all.iter_mut().zip(&part).for_each(|(all, of)| all.add(of));
    }
    Ok(all)
}

/// The counts of some accounts of one part of the log.
fn around_part(log: &Log, events: &Events, accounts: &[u32], until: i64) -> Vec<Around> {
    let mut counts = vec![Around::default(); log.events.names.len()];
    let mut met = vec![u32::MAX; counts.len()];
    for &account in accounts {
        let converted = Some(log.accounts.converted[account as usize]).filter(|t| *t < until);
        for at in events.of(account as usize) {
            let seen = events.seen_at(at);
            if seen >= until {
                continue;
            }
            let event = usize::from(events.event[at]);
            let counts = &mut counts[event];
            if std::mem::replace(&mut met[event], account) != account {
                counts.accounts += 1;
                counts.converting += u64::from(converted.is_some());
            }
            if let Some(converted) = converted {
                counts.after += u64::from(seen >= converted);
                counts.before += u64::from(seen < converted);
                counts.last_day += u64::from(seen < converted && seen >= converted - DAY);
            }
        }
    }
    counts
}

/// Name the events that follow from conversions, and those that come with them.
///
/// # Arguments
/// * `gap` – lead time between cutoff and horizon: from 24 hours on no row knows of the last day
///   before its conversion
#[must_use]
pub fn events(around: &[Around], gap: TimeSpan) -> Vec<Finding> {
    let of = |part: u64, whole: u64, least: f64| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = part as f64 / whole as f64;
        share >= least
    };
    let mut found = Vec::new();
    for Around { event, accounts, converting, before, last_day, after } in around {
        let occurrences = before + after;
        if occurrences >= OCCURRENCES
            && of(*after, occurrences, FOLLOWS)
            && of(*converting, *accounts, OF_CONVERTING)
        {
            found.push(Finding::AfterConversion {
                event: event.clone(),
                occurrences,
                after: *after,
            });
        }
        if gap.0 < DAY && *before >= OCCURRENCES && of(*last_day, *before, ANNOUNCES) {
            found.push(Finding::BeforeConversion {
                event: event.clone(),
                before: *before,
                last_day: *last_day,
            });
        }
    }
    found
}

/// Name a model that is too good, with its heaviest measures.
///
/// # Arguments
/// * `auc` – ROC AUC of the training rows, each ranked by a model that did not see its account
/// * `importance` – measures with their importance, largest first
#[must_use]
pub fn model(auc: Option<f64>, importance: &[(String, f64)]) -> Option<Finding> {
    let named = |(measure, importance): &(String, f64)| MeasureImportance {
        measure: measure.clone(),
        importance: *importance,
    };
    let heaviest = || importance.iter().take(HEAVIEST).map(named).collect();
    auc.filter(|auc| *auc >= MODEL).map(|auc| Finding::ModelAuc { auc, heaviest: heaviest() })
}

#[cfg(test)]
mod tests {
    use polars::prelude::DataFrame;

    use super::*;
    use crate::log::Names;

    /// Of 100 rows the first 20 convert.
    fn rows(columns: Vec<Column>, account: Vec<u32>) -> Rows {
        Rows {
            kinds: columns.iter().map(|c| Feature::given(c.name())).collect(),
            features: DataFrame::new(100, columns).unwrap(),
            catalogue: None,
            account,
            names: Names::default(),
            cutoff: None,
            y: (0..100).map(|row| Some(row < 20)).collect(),
            split: vec![Split::Train; 100],
            first_test: None,
            left_out: Vec::new(),
            findings: Vec::new(),
            held: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The columns that are named, each with whether it is for its ranking.
    fn named_by(columns: Vec<Column>, account: Vec<u32>, rule: &DesignRule) -> Vec<(String, bool)> {
        let train: Vec<u32> = (0..100).collect();
        let found = super::columns(&rows(columns, account), &train, rule).unwrap();
        let name = |finding| match finding {
            Finding::HighAuc { column, .. } => (column, true),
            Finding::NearPure { column, .. } => (column, false),
            other => panic!("{other}"),
        };
        found.into_iter().map(name).collect()
    }

    fn named(column: Column) -> Vec<(String, bool)> {
        named_by(vec![column], (0..100).collect(), &DesignRule::default())
    }

    fn column(value: impl Fn(u32) -> Option<f64>) -> Column {
        Column::new("x".into(), (0..100).map(value).collect::<Vec<_>>())
    }

    /// Converting rows stand above so many of the 80 others.
    fn above(others: u32) -> Column {
        column(|row| Some(if row < 20 { f64::from(others) + 0.5 } else { f64::from(row) - 19.0 }))
    }

    #[test]
    fn a_column_that_ranks_the_rows_alone_is_named_from_its_threshold_on() {
        let ranks = || vec![("x".to_owned(), true)];
        assert_eq!((named(above(72)), named(above(71))), (ranks(), vec![]), "AUC 0.9 and 0.8875");
        assert_eq!((named(above(8)), named(above(9))), (ranks(), vec![]), "AUC 0.1 and 0.1125");
    }

    #[test]
    fn a_ranking_counts_over_known_values_of_ten_accounts_of_either_outcome() {
        let known_to = |last: u32| {
            column(move |row| {
                (row < last || row >= 40).then(|| f64::from(u8::from(row < last)) - 1.0)
            })
        };
        assert_eq!(named(known_to(10)), [("x".to_owned(), true)]);
        assert_eq!(named(known_to(9)), []);
        let account: Vec<u32> = (0..100).map(|row| row / 2).collect();
        assert_eq!(
            named_by(vec![known_to(18)], account.clone(), &DesignRule::default()),
            [],
            "nine accounts of two rows each"
        );
        assert_eq!(
            named_by(vec![known_to(20)], account, &DesignRule::default()),
            [("x".to_owned(), true)]
        );
    }

    #[test]
    fn that_a_value_is_missing_is_a_column_of_its_own() {
        let found = named(column(|row| (row < 36).then_some(1.0)));
        assert_eq!(
            found,
            [("missing_x".to_owned(), true)],
            "64 of 80 others lack it: an AUC of 0.1"
        );
        assert_eq!(named(column(|row| (row < 37).then_some(1.0))), []);
        let found = named(column(|row| (row >= 10).then_some(1.0)));
        assert_eq!(found, [("missing_x".to_owned(), false)], "only converting rows lack it");
    }

    #[test]
    fn what_hardly_any_but_converting_rows_have_is_named() {
        let flag = |positive: u32, others: u32| {
            column(move |row| {
                Some(f64::from(u8::from(row < positive || (20..20 + others).contains(&row))))
            })
        };
        assert_eq!(named(flag(10, 1)), [("x".to_owned(), false)]);
        assert_eq!(
            (named(flag(10, 2)), named(flag(9, 0))),
            (vec![], vec![]),
            "10 of 12, and of nine accounts"
        );
        let one_twice: Vec<u32> = (0..100).map(|row| row.max(1)).collect();
        assert_eq!(
            named_by(vec![flag(10, 0)], one_twice, &DesignRule::default()),
            [],
            "ten rows of nine accounts"
        );
        let train: Vec<u32> = (0..40).collect();
        assert_eq!(
            super::columns(
                &rows(vec![flag(10, 1)], (0..100).collect()),
                &train,
                &DesignRule::default()
            )
            .unwrap(),
            [],
            "a base rate of 50 %"
        );
    }

    #[test]
    fn levels_are_columns_and_the_rule_tells_which_columns_are_candidates() {
        let plan = || {
            Column::new(
                "plan".into(),
                (0..100).map(|row| if row < 12 { Some("paid") } else { None }).collect::<Vec<_>>(),
            )
        };
        let all: Vec<u32> = (0..100).collect();
        let found = |rule: DesignRule| {
            named_by(
                vec![plan(), column(|row| Some(if row < 12 { 3.0 } else { 4.0 }))],
                all.clone(),
                &rule,
            )
        };
        assert_eq!(found(DesignRule::default()), [("plan=paid".to_owned(), false)]);
        let categories = vec!["x".to_owned()];
        assert_eq!(
            found(DesignRule { categories, ..DesignRule::default() }),
            [("plan=paid".to_owned(), false), ("x=3".to_owned(), false)]
        );
        assert_eq!(found(DesignRule { keep: vec!["x".to_owned()], ..DesignRule::default() }), []);
    }

    /// What is found of an event by (accounts, converting, before, last day, after).
    fn event(counts: [u64; 5], gap: TimeSpan) -> Vec<&'static str> {
        let [accounts, converting, before, last_day, after] = counts;
        let found = events(
            &[Around { event: "e".to_owned(), accounts, converting, before, last_day, after }],
            gap,
        );
        found
            .iter()
            .map(
                |f| {
                    if matches!(f, Finding::AfterConversion { .. }) {
                        "follows"
                    } else {
                        "announces"
                    }
                },
            )
            .collect()
    }

    #[test]
    fn an_event_follows_or_announces_a_conversion_from_the_thresholds_on() {
        let event_of = |counts| event(counts, TimeSpan(0));
        assert_eq!(event_of([10, 9, 1, 0, 19]), ["follows"]);
        assert!(event_of([10, 9, 1, 0, 18]).is_empty(), "19 occurrences");
        assert!(event_of([20, 19, 2, 0, 37]).is_empty(), "37 of 39");
        assert!(event_of([10, 8, 0, 0, 50]).is_empty(), "a fifth of its accounts do not convert");
        assert_eq!(event_of([90, 9, 20, 10, 0]), ["announces"]);
        assert!(event_of([90, 9, 20, 9, 0]).is_empty());
        assert!(event_of([90, 9, 19, 19, 0]).is_empty());
        assert!(event([90, 9, 20, 20, 0], TimeSpan(DAY)).is_empty(), "a gap hides the last day");
        assert_eq!(event([90, 9, 20, 20, 0], TimeSpan(DAY - 1)), ["announces"]);
    }

    #[test]
    fn a_model_is_named_with_its_three_heaviest_measures() {
        let importance: Vec<(String, f64)> =
            ["a", "b", "c", "d"].iter().map(|m| ((*m).to_owned(), 1.0)).collect();
        assert_eq!((model(None, &importance), model(Some(0.949), &importance)), (None, None));
        assert_eq!(
            model(Some(0.95), &importance),
            Some(Finding::ModelAuc {
                auc: 0.95,
                heaviest: importance[..3]
                    .iter()
                    .map(|(measure, importance)| MeasureImportance {
                        measure: measure.clone(),
                        importance: *importance
                    })
                    .collect()
            })
        );
    }
}
