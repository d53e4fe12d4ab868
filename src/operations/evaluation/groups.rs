//! Rows grouped by what a column says.

use std::collections::BTreeMap;

use polars::prelude::DataType;
use pql_stats::quantile::quantile;

use crate::dataset::columns::{numbers, texts};
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::encoder::{MISSING, OTHER};
use crate::names::nearest;
use crate::time::iso_day;

/// Name of the calendar months of the cutoffs.
const COHORT: &str = "cohort";
/// Distinct numbers above which a column is cut into quarters.
const NUMBERS: usize = 10;
/// Distinct texts above which the rarest are pooled.
const TEXTS: usize = 20;

/// Which group each row is in.
pub(super) struct Groups {
    /// What each group is called, in the order in which they are shown.
    pub(super) names: Vec<String>,
    /// Number of the group of each row.
    pub(super) of_row: Vec<usize>,
}

/// Group the rows `kept` by a column of the features, or `cohort`.
pub(super) fn groups(rows: &Rows, kept: &[u32], column: &str) -> Result<Groups> {
    let Ok(values) = rows.features.column(column) else {
        if column == COHORT {
            return cohorts(rows, kept);
        }
        let names = rows.features.get_column_names();
        let near = nearest(column, names.iter().map(|n| n.as_str()).chain([COHORT]));
        return Err(Error::Usage {
            problem: format!(
                "`--by {column}`: the rows have no column `{column}`, expected an attribute, a feature or `{COHORT}`"
            ),
            hint: near.map(|n| format!("did you mean `{n}`?")),
        });
    };
    if values.dtype() == &DataType::String {
        return Ok(by_text(&texts(values, Some(kept))?));
    }
    Ok(by_number(&numbers(values, Some(kept))?))
}

fn cohorts(rows: &Rows, kept: &[u32]) -> Result<Groups> {
    let Some(cutoff) = &rows.cutoff else {
        let problem = format!("`--by {COHORT}`: the rows have no cutoffs");
        return Err(Error::Usage {
            problem,
            hint: Some("name their column in `matrix.cutoff`".to_owned()),
        });
    };
    let months: Vec<String> =
        kept.iter().map(|row| iso_day(cutoff[*row as usize])[..7].to_owned()).collect();
    let mut names = months.clone();
    names.sort();
    names.dedup();
    Ok(Groups { of_row: months.iter().map(|m| names.partition_point(|n| n < m)).collect(), names })
}

/// A group for each text, the most frequent first; the rarest are pooled.
fn by_text(values: &[Option<String>]) -> Groups {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| MISSING.to_owned());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    values.iter().for_each(|value| *counts.entry(text(value)).or_default() += 1);
    let mut names: Vec<(String, usize)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let pooled = names.len() > TEXTS;
    names.truncate(if pooled { TEXTS - 1 } else { TEXTS });
    let at: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let of_row = values
        .iter()
        .map(|value| at.get(text(value).as_str()).copied().unwrap_or(names.len()))
        .collect();
    let mut names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    if pooled {
        names.push(OTHER.to_owned());
    }
    Groups { names, of_row }
}

/// A group for each number where there are few, else for each quarter of the rows; missing ones
/// come last.
fn by_number(values: &[Option<f64>]) -> Groups {
    // Adding 0 makes one zero of -0 and 0.
    let mut sorted: Vec<f64> =
        values.iter().flatten().filter(|v| !v.is_nan()).map(|v| v + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    // The highest number of each group but the last.
    let bounds: Vec<f64> = if distinct.len() <= NUMBERS {
        distinct.iter().copied().take(distinct.len().saturating_sub(1)).collect()
    } else {
        let mut bounds: Vec<f64> =
            [0.25, 0.5, 0.75].iter().filter_map(|q| quantile(&sorted, *q)).collect();
        bounds.dedup();
        bounds.retain(|bound| sorted.last().is_some_and(|last| bound < last));
        bounds
    };
    let group = |value: f64| bounds.partition_point(|bound| *bound < value);
    let name = |of: &[f64]| {
        if of[0] == of[of.len() - 1] {
            of[0].to_string()
        } else {
            format!("{} to {}", of[0], of[of.len() - 1])
        }
    };
    let mut names: Vec<String> = sorted.chunk_by(|a, b| group(*a) == group(*b)).map(name).collect();
    let missing = names.len();
    let of_row: Vec<usize> =
        values.iter().map(|value| value.filter(|v| !v.is_nan()).map_or(missing, group)).collect();
    if of_row.contains(&missing) {
        names.push(MISSING.to_owned());
    }
    Groups { names, of_row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_are_groups_of_their_own_and_many_are_quarters() {
        let few = by_number(&[Some(2.0), None, Some(-0.0), Some(0.5), Some(0.0), Some(f64::NAN)]);
        assert_eq!(few.names, ["0", "0.5", "2", MISSING]);
        assert_eq!(few.of_row, [2, 3, 0, 1, 0, 3]);
        let many: Vec<Option<f64>> = (0..12).map(|v| Some(f64::from(v))).collect();
        let quarters = by_number(&many);
        assert_eq!(quarters.names, ["0 to 2", "3 to 5", "6 to 8", "9 to 11"]);
        assert_eq!(quarters.of_row, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        let mostly_zero: Vec<Option<f64>> =
            (0..60).map(|v| Some(f64::from((v - 48).max(0)))).collect();
        assert_eq!(by_number(&mostly_zero).names, ["0", "1 to 11"], "equal quarters are one");
        assert_eq!(by_number(&[None, None]).names, [MISSING]);
    }

    #[test]
    fn texts_stand_by_number_of_rows_and_the_rarest_are_pooled() {
        let of = |text: &str| Some(text.to_owned());
        let few = by_text(&[of("b"), of("a"), None, of("b")]);
        assert_eq!(
            (few.names, few.of_row),
            (vec!["b".to_owned(), MISSING.to_owned(), "a".to_owned()], vec![0, 2, 1, 0])
        );
        let many: Vec<Option<String>> =
            (0..30).map(|at| Some(format!("{at:02}"))).chain([of("29")]).collect();
        let pooled = by_text(&many);
        assert_eq!(
            (pooled.names.len(), pooled.names[0].as_str(), pooled.names[19].as_str()),
            (20, "29", OTHER)
        );
        assert_eq!(
            (pooled.of_row[0], pooled.of_row[18], pooled.of_row[28], pooled.of_row[30]),
            (1, 19, 19, 0)
        );
    }
}
