//! Outcomes of a feature matrix.

use std::collections::BTreeSet;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::log::NullMarks;
use crate::log::cells::{self, CellLocation, MarkCounts};
use crate::names::nearest;

/// Maximum number of outcome values kept for suggestions.
const MAX_VALUES: usize = 1_000;

/// Parts of the names of columns with outcomes, in lower case.
const LABEL_NAMES: [&str; 9] = [
    "convert",
    "conversion",
    "churn",
    "label",
    "target",
    "outcome",
    "purchase",
    "response",
    "paid",
];

/// Returns the columns of a table that may have the outcomes, the likeliest first, with the value
/// that means converted unless it is 1 or true.
///
/// They have two values, such as 1 and 0, or yes and no. Those with a name such as `churn` come
/// first, then the last columns of the table.
pub(super) fn find_labels(table: &DataFrame) -> Result<Vec<(String, Option<String>)>> {
    let mut found = Vec::new();
    for column in table.columns().iter().rev() {
        let texts = cells::text(column)?;
        let Some([low, high]) = two_values(&texts) else { continue };
        let levels = [low, high].map(|value| cells::level(value).to_lowercase());
        let positive = match levels.each_ref().map(String::as_str) {
            ["0", "1"] | ["false", "true"] => None,
            ["no", "yes"] | ["n", "y"] => Some(high.to_owned()),
            _ => continue,
        };
        found.push((column.name().to_string(), positive));
    }
    let is_named = |name: &str| LABEL_NAMES.iter().any(|part| name.to_lowercase().contains(part));
    found.sort_by_key(|(name, _)| !is_named(name));
    Ok(found)
}

/// Returns the values of a column that has two, in byte order.
fn two_values(texts: &StringChunked) -> Option<[&str; 2]> {
    let mut values = BTreeSet::new();
    for text in texts.iter().flatten().map(str::trim).filter(|text| !text.is_empty()) {
        values.insert(text);
        if values.len() > 2 {
            return None;
        }
    }
    let mut values = values.into_iter();
    values.next().zip(values.next()).map(|(low, high)| [low, high])
}

/// Outcomes, collected batch by batch.
pub(super) struct Labels<'a> {
    /// The value that means converted, in canonical form; `None`: 1 or true.
    positive: Option<String>,
    null: &'a NullMarks,
    /// Whether each row converted; `None` where unknown.
    y: Vec<Option<bool>>,
    /// Rows with a text that means a missing value, and these texts.
    marked: Vec<usize>,
    marks: MarkCounts,
    /// Whether any row has another value than the positive one.
    has_negative: bool,
    /// Some of the values, for suggestions.
    values: BTreeSet<String>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(positive: Option<&str>, null: &'a NullMarks) -> Self {
        Self {
            positive: positive.map(|positive| cells::level(positive).into_owned()),
            null,
            y: Vec::new(),
            marked: Vec::new(),
            marks: MarkCounts::default(),
            has_negative: false,
            values: BTreeSet::new(),
        }
    }

    /// Adds a batch of outcomes.
    ///
    /// # Errors
    /// * [`Error::BadValue`]: a value is not 1/0 or true/false, without `matrix.positive`
    pub(super) fn push(&mut self, column: &Column, location: CellLocation<'_>) -> Result<()> {
        let texts = cells::text(column)?;
        for (index, text) in texts.iter().enumerate() {
            let text = text.map_or("", str::trim);
            let label = if text.is_empty() { None } else { self.label(index, text, location)? };
            self.has_negative |= label == Some(false);
            self.y.push(label);
        }
        Ok(())
    }

    /// Returns the outcome of a text without blanks around it.
    fn label(
        &mut self,
        index: usize,
        text: &str,
        location: CellLocation<'_>,
    ) -> Result<Option<bool>> {
        // Numbers and true/false are equal however they are written.
        let flag = |text: &str| cells::parse_bool(text).or_else(|| cells::parse_number(text));
        let (label, is_known) = match &self.positive {
            None => {
                let flag = flag(text);
                (flag == Some(1.0), flag == Some(1.0) || flag == Some(0.0))
            }
            Some(positive) => {
                let is_positive = *cells::level(text) == **positive
                    || flag(text).is_some_and(|value| flag(positive) == Some(value));
                (is_positive, is_positive || !self.null.contains(text))
            }
        };
        if is_known {
            if !label && self.values.len() < MAX_VALUES && !self.values.contains(text) {
                self.values.insert(text.to_owned());
            }
            return Ok(Some(label));
        }
        if self.null.contains(text) {
            self.marked.push(self.y.len());
            self.marks.add(text);
            return Ok(None);
        }
        let expected = "1/0 or true/false (for other values set `matrix.positive`)";
        Err(location.bad_value(index, text, expected))
    }

    /// Returns the outcomes, and the counts of missing ones by mark.
    ///
    /// If a mark is the only value besides `matrix.positive`, it means not converted.
    ///
    /// # Errors
    /// * [`Error::NoPositiveOutcome`]: no row has the positive value, which is probably misspelled
    pub(super) fn finish(mut self) -> Result<(Vec<Option<bool>>, MarkCounts)> {
        if let Some(positive) = &self.positive {
            if !self.y.contains(&Some(true)) {
                return Err(Error::NoPositiveOutcome {
                    positive: positive.clone(),
                    suggestion: nearest(positive, self.values.iter().map(String::as_str)),
                });
            }
            if !self.has_negative {
                self.marked.iter().for_each(|row| self.y[*row] = Some(false));
                self.marks = MarkCounts::default();
            }
        }
        Ok((self.y, self.marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_two_values_may_have_the_outcomes() {
        let table = DataFrame::new(
            3,
            vec![
                Column::new("Churned".into(), ["No", "Yes", ""]),
                Column::new("gender".into(), ["f", "m", "f"]),
                Column::new("n".into(), ["0", "1", "2"]),
                Column::new("same".into(), ["1", "1", "1"]),
                Column::new("won".into(), [0.0, 1.0, 1.0]),
                Column::new("open".into(), [true, false, true]),
            ],
        );
        let yes = Some("Yes".to_owned());
        let expected = [("Churned", yes), ("open", None), ("won", None)];
        let expected = expected.map(|(name, positive)| (name.to_owned(), positive));
        assert_eq!(find_labels(&table.unwrap()).unwrap(), expected);
    }
}
