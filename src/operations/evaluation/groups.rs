//! Groups of rows by the values of a column.

use std::collections::BTreeMap;

use polars::prelude::DataType;
use pql_stats::quantile::quantile;

use crate::dataset::columns::{numbers, texts};
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::encoder::{MISSING, OTHER};
use crate::names::suggest;
use crate::time::Zone;

/// Pseudo-column: calendar month of the cutoff.
const COHORT: &str = "cohort";
/// Largest number of distinct numbers that are groups of their own; more are cut at the quartiles.
const MAX_NUMBERS: usize = 10;
/// Largest number of text groups; the rarest texts are pooled.
const MAX_TEXTS: usize = 20;

/// Group of each row.
pub(super) struct Groups {
    /// Label of each group, in display order.
    pub(super) names: Vec<String>,
    /// Index of the group of each row.
    pub(super) group_of_row: Vec<usize>,
}

/// Groups the rows `kept` by a feature column or by `cohort`, the month of the cutoff in a zone.
pub(super) fn groups(rows: &Rows, kept: &[u32], column: &str, zone: Zone) -> Result<Groups> {
    let Ok(values) = rows.features.column(column) else {
        if column == COHORT {
            return cohorts(rows, kept, zone);
        }
        let names = rows.features.get_column_names();
        let hint = suggest(column, names.iter().map(|n| n.as_str()).chain([COHORT]));
        return Err(Error::Usage {
            problem: format!(
                "`--by`: found `{column}`, expected an attribute, a feature or `{COHORT}`"
            ),
            hint,
        });
    };
    if values.dtype() == &DataType::String {
        return Ok(by_text(&texts(values, Some(kept))?));
    }
    Ok(by_number(&numbers(values, Some(kept))?))
}

fn cohorts(rows: &Rows, kept: &[u32], zone: Zone) -> Result<Groups> {
    let Some(cutoff) = &rows.cutoff else {
        let problem = format!("`--by {COHORT}`: found rows without cutoffs");
        return Err(Error::Usage {
            problem,
            hint: Some("set `matrix.cutoff` to the name of their column".to_owned()),
        });
    };
    let months: Vec<String> =
        kept.iter().map(|row| zone.day(cutoff[*row as usize]).month()).collect();
    let mut names = months.clone();
    names.sort();
    names.dedup();
    Ok(Groups {
        group_of_row: months.iter().map(|m| names.partition_point(|n| n < m)).collect(),
        names,
    })
}

/// Makes a group of each text, the most frequent first. The rarest texts are pooled.
fn by_text(values: &[Option<String>]) -> Groups {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| MISSING.to_owned());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    values.iter().for_each(|value| *counts.entry(text(value)).or_default() += 1);
    let mut names: Vec<(String, usize)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let pooled = names.len() > MAX_TEXTS;
    names.truncate(if pooled { MAX_TEXTS - 1 } else { MAX_TEXTS });
    let index: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
    let group_of_row = values
        .iter()
        .map(|value| index.get(text(value).as_str()).copied().unwrap_or(names.len()))
        .collect();
    let mut names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    if pooled {
        names.push(OTHER.to_owned());
    }
    Groups { names, group_of_row }
}

/// Makes a group of each number, or of each quarter of the rows if there are many numbers. Missing
/// values come last.
fn by_number(values: &[Option<f64>]) -> Groups {
    // Adding 0 turns -0 into 0.
    let mut sorted: Vec<f64> =
        values.iter().flatten().filter(|v| !v.is_nan()).map(|v| v + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    // The largest number of each group except the last.
    let bounds: Vec<f64> = if distinct.len() <= MAX_NUMBERS {
        distinct.iter().copied().take(distinct.len().saturating_sub(1)).collect()
    } else {
        let mut bounds: Vec<f64> =
            [0.25, 0.5, 0.75].iter().filter_map(|q| quantile(&sorted, *q)).collect();
        bounds.dedup();
        bounds.retain(|bound| sorted.last().is_some_and(|last| bound < last));
        bounds
    };
    let group = |value: f64| bounds.partition_point(|bound| *bound < value);
    let name = |values: &[f64]| {
        let (low, high) = (values[0], values[values.len() - 1]);
        if low == high { low.to_string() } else { format!("{low} to {high}") }
    };
    let mut names: Vec<String> = sorted.chunk_by(|a, b| group(*a) == group(*b)).map(name).collect();
    let missing = names.len();
    let group_of_row: Vec<usize> =
        values.iter().map(|value| value.filter(|v| !v.is_nan()).map_or(missing, group)).collect();
    if group_of_row.contains(&missing) {
        names.push(MISSING.to_owned());
    }
    Groups { names, group_of_row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_are_groups_and_many_are_cut_at_quartiles() {
        let few = by_number(&[Some(2.0), None, Some(-0.0), Some(0.5), Some(0.0), Some(f64::NAN)]);
        assert_eq!(few.names, ["0", "0.5", "2", MISSING]);
        assert_eq!(few.group_of_row, [2, 3, 0, 1, 0, 3]);
        let many: Vec<Option<f64>> = (0..12).map(|v| Some(f64::from(v))).collect();
        let quarters = by_number(&many);
        assert_eq!(quarters.names, ["0 to 2", "3 to 5", "6 to 8", "9 to 11"]);
        assert_eq!(quarters.group_of_row, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        let mostly_zero: Vec<Option<f64>> =
            (0..60).map(|v| Some(f64::from((v - 48).max(0)))).collect();
        assert_eq!(by_number(&mostly_zero).names, ["0", "1 to 11"], "equal quarters are merged");
        assert_eq!(by_number(&[None, None]).names, [MISSING]);
    }

    #[test]
    fn texts_are_sorted_by_frequency_and_the_rarest_are_pooled() {
        let some = |text: &str| Some(text.to_owned());
        let few = by_text(&[some("b"), some("a"), None, some("b")]);
        assert_eq!(
            (few.names, few.group_of_row),
            (vec!["b".to_owned(), MISSING.to_owned(), "a".to_owned()], vec![0, 2, 1, 0])
        );
        let many: Vec<Option<String>> =
            (0..30).map(|i| Some(format!("{i:02}"))).chain([some("29")]).collect();
        let pooled = by_text(&many);
        assert_eq!(
            (pooled.names.len(), pooled.names[0].as_str(), pooled.names[19].as_str()),
            (20, "29", OTHER)
        );
        assert_eq!(
            (
                pooled.group_of_row[0],
                pooled.group_of_row[18],
                pooled.group_of_row[28],
                pooled.group_of_row[30]
            ),
            (1, 19, 19, 0)
        );
    }
}
