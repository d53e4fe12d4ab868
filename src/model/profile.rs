//! What the training rows looked like, feature by feature, so that later batches can be held
//! against them.

use std::collections::BTreeMap;

use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

/// Bins that the numbers of a feature are divided into, where they allow it.
const BINS: u32 = 10;
/// Texts that are counted by themselves.
const LEVELS: usize = 50;

/// The features of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// Distinct accounts.
    pub accounts: u64,
    /// The features that the model reads, in its order.
    pub features: Vec<FeatureProfile>,
    /// How the model itself scores these rows.
    pub scores: ScoreProfile,
}

/// How a model scores the rows that it was trained on.
///
/// A later batch is scored by the same fit: held against rows that were scored by others, such as
/// those of cross-fitting, whose probabilities lie closer together or further apart, it would seem
/// to have shifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreProfile {
    /// The probabilities, in percent.
    pub percent: FeatureProfile,
    /// Rows that reach the threshold.
    pub reached: u64,
}

impl ScoreProfile {
    /// Count the probabilities of rows.
    #[must_use]
    pub fn of(probabilities: &[f64], threshold: f64) -> Self {
        let percent: Vec<Option<f64>> = probabilities.iter().map(|p| Some(100.0 * p)).collect();
        let reached = probabilities.iter().filter(|p| **p >= threshold).count() as u64;
        Self { percent: FeatureProfile::of_numbers("probability", &percent), reached }
    }
}

/// How the values of a feature are spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureProfile {
    /// The feature.
    pub feature: String,
    /// What its values are divided into.
    pub cells: Cells,
    /// Rows in each cell.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
    /// Mean of the numbers; `None` of texts, and where all are missing.
    pub mean: Option<f64>,
}

/// What the values of a feature are divided into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Cells {
    /// Numbers: up to the first edge, from each edge (not included) up to the next, and beyond the
    /// last.
    Numbers {
        /// The inner edges, ascending.
        edges: Vec<f64>,
        /// Least and largest value; `None` where all are missing.
        range: Option<[f64; 2]>,
    },
    /// Texts: each of these, and all others together.
    Texts(Vec<String>),
}

impl FeatureProfile {
    /// Divide the numbers of a feature by their deciles; equal ones are one edge.
    ///
    /// # Arguments
    /// * `values` – finite where there is one
    /// # Source
    /// Hyndman, Fan, "Sample quantiles in statistical packages", *The American Statistician* 50
    /// (1996): type 7
    #[must_use]
    pub fn of_numbers(feature: &str, values: &[Option<f64>]) -> Self {
        let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| quantile(&sorted, share);
        let mut edges: Vec<f64> =
            (1..BINS).filter_map(|decile| at(f64::from(decile) / f64::from(BINS))).collect();
        edges.dedup();
        // Nothing lies beyond the largest value.
        edges.retain(|edge| sorted.last().is_some_and(|last| edge < last));
        let range = sorted.first().zip(sorted.last()).map(|(low, high)| [*low, *high]);
        let mut profile = Self {
            feature: feature.to_owned(),
            counts: vec![0; edges.len() + 1],
            cells: Cells::Numbers { edges, range },
            missing: 0,
            mean: mean(values),
        };
        (profile.counts, profile.missing) = profile.count_numbers(values);
        profile
    }

    /// Divide the texts of a feature: the 50 most frequent by themselves, ties by their bytes.
    #[must_use]
    pub fn of_texts(feature: &str, values: &[Option<String>]) -> Self {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        values.iter().flatten().for_each(|value| *counts.entry(value).or_default() += 1);
        let mut levels: Vec<(&str, u64)> = counts.into_iter().collect();
        levels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let levels: Vec<String> =
            levels.into_iter().take(LEVELS).map(|(level, _)| level.to_owned()).collect();
        let mut profile = Self {
            feature: feature.to_owned(),
            counts: Vec::new(),
            cells: Cells::Texts(levels),
            missing: 0,
            mean: None,
        };
        (profile.counts, profile.missing) = profile.count_texts(values);
        profile
    }

    /// Count other numbers in the same cells, and those that are missing.
    #[must_use]
    pub fn count_numbers(&self, values: &[Option<f64>]) -> (Vec<u64>, u64) {
        let Cells::Numbers { edges, .. } = &self.cells else { return (Vec::new(), 0) };
        count(
            edges.len() + 1,
            values
                .iter()
                .map(|value| value.map(|value| edges.partition_point(|edge| *edge < value))),
        )
    }

    /// Count other texts in the same cells, and those that are missing.
    #[must_use]
    pub fn count_texts(&self, values: &[Option<String>]) -> (Vec<u64>, u64) {
        let Cells::Texts(levels) = &self.cells else { return (Vec::new(), 0) };
        let cell: BTreeMap<&str, usize> =
            levels.iter().enumerate().map(|(at, level)| (level.as_str(), at)).collect();
        let place = |value: &String| cell.get(value.as_str()).copied().unwrap_or(levels.len());
        count(levels.len() + 1, values.iter().map(|value| value.as_ref().map(place)))
    }

    /// What each cell holds, in words.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match &self.cells {
            Cells::Texts(levels) => levels
                .iter()
                .map(|level| format!("`{level}`"))
                .chain(["others".to_owned()])
                .collect(),
            Cells::Numbers { edges, .. } => {
                let mut names: Vec<String> = edges
                    .first()
                    .map(|edge| format!("up to {}", brief(*edge)))
                    .into_iter()
                    .collect();
                names.extend(
                    edges
                        .windows(2)
                        .map(|ends| format!("{} to {}", brief(ends[0]), brief(ends[1]))),
                );
                names.push(
                    edges
                        .last()
                        .map_or_else(|| "all".to_owned(), |edge| format!("above {}", brief(*edge))),
                );
                names
            }
        }
    }
}

/// A number with three digits that tell something; whole ones as they are.
fn brief(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e7 {
        return x.to_string();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number of digits")]
    let digits = x.abs().log10().floor() as i32 + 1;
    match usize::try_from(3 - digits) {
        // Without places every 0 at the end tells something.
        Ok(0) | Err(_) if x.abs() < 1e7 => format!("{x:.0}"),
        Ok(places) if places <= 6 => {
            format!("{x:.places$}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{x:.1e}"),
    }
}

/// Mean of the values that there are.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let count = values.iter().flatten().count();
    (count > 0).then(|| values.iter().flatten().sum::<f64>() / count as f64)
}

fn count(cells: usize, places: impl Iterator<Item = Option<usize>>) -> (Vec<u64>, u64) {
    let (mut counts, mut missing) = (vec![0; cells], 0);
    for place in places {
        match place {
            Some(place) => counts[place] += 1,
            None => missing += 1,
        }
    }
    (counts, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_divided_by_their_deciles_and_counted_in_the_same_cells() {
        let values: Vec<Option<f64>> =
            (1..=100).map(|v| Some(f64::from(v))).chain([None]).collect();
        let profile = FeatureProfile::of_numbers("x", &values);
        assert_eq!(
            (profile.counts.clone(), profile.missing, profile.mean),
            (vec![10; 10], 1, Some(50.5))
        );
        assert_eq!(
            profile.count_numbers(&[Some(-5.0), Some(1e9), None]),
            ([&[1], &[0; 8][..], &[1]].concat(), 1)
        );
        assert_eq!(profile.names().len(), 10);
    }

    #[test]
    fn equal_deciles_are_one_edge() {
        let values: Vec<Option<f64>> = (0..100).map(|v| Some(f64::from((v - 60).max(0)))).collect();
        let profile = FeatureProfile::of_numbers("x", &values);
        assert_eq!(profile.counts, [61, 9, 10, 10, 10]);
        let same = FeatureProfile::of_numbers("x", &[Some(3.0); 4]);
        assert_eq!((same.counts.clone(), same.names()), (vec![4], vec!["all".to_owned()]));
        let none = FeatureProfile::of_numbers("x", &[None, None]);
        assert_eq!((none.counts, none.missing, none.mean), (vec![0], 2, None));
    }

    #[test]
    fn edges_have_three_digits() {
        let found =
            [0.0, 12.0, 0.05412, -2.7726, 8.6674, 99.96, 100.4, 123.45, 98_765.4, 1e9, 1e-9]
                .map(brief);
        assert_eq!(
            found,
            ["0", "12", "0.0541", "-2.77", "8.67", "100", "100", "123", "98765", "1.0e9", "1.0e-9"]
        );
    }

    #[test]
    fn texts_that_were_not_there_are_others() {
        let of = |text: &str| Some(text.to_owned());
        let profile = FeatureProfile::of_texts("t", &[of("b"), of("a"), of("b"), None]);
        assert_eq!(
            (profile.names(), profile.counts.clone(), profile.missing),
            (vec!["`b`".into(), "`a`".into(), "others".into()], vec![2, 1, 0], 1)
        );
        assert_eq!(profile.count_texts(&[of("a"), of("c"), of("d")]), (vec![0, 1, 2], 0));
    }
}
