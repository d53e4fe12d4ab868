//! Texts that mean a missing number or time, such as `NA`.

use std::collections::BTreeMap;

use super::parse_number;
use crate::config::InputConfig;

/// Texts that mean a missing number or time. They are compared without regard to ASCII case.
#[derive(Debug, Clone, PartialEq)]
pub struct NullMarks {
    texts: Vec<String>,
    /// Marks that are numbers, such as -999.
    numbers: Vec<f64>,
}

impl Default for NullMarks {
    fn default() -> Self {
        Self::new(&InputConfig::default().null)
    }
}

impl NullMarks {
    /// Creates the marks from the texts of `input.null`.
    #[must_use]
    pub fn new(marks: &[String]) -> Self {
        let texts: Vec<String> = marks.iter().map(|mark| mark.trim().to_owned()).collect();
        let numbers = texts.iter().filter_map(|mark| parse_number(mark)).collect();
        Self { texts, numbers }
    }

    /// Returns whether a text without blanks around it is a mark.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.texts.iter().any(|mark| mark.eq_ignore_ascii_case(text))
            || !self.numbers.is_empty()
                && parse_number(text).is_some_and(|number| self.contains_number(number))
    }

    /// Returns whether a number is a mark.
    pub(crate) fn contains_number(&self, number: f64) -> bool {
        self.numbers.contains(&number)
    }

    /// Returns the marks.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns the marks that are numbers.
    pub(crate) fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// Returns whether any mark is a number.
    pub(crate) fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }
}

/// Number of cells with each mark. Blank cells have the empty mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MarkCounts(BTreeMap<String, u64>);

impl MarkCounts {
    /// Counts a cell.
    pub(crate) fn add(&mut self, mark: &str) {
        match self.0.get_mut(mark) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(mark.to_owned(), 1)),
        }
    }

    /// Adds the counts of other cells.
    pub(crate) fn merge(&mut self, other: Self) {
        for (mark, count) in other.0 {
            *self.0.entry(mark).or_default() += count;
        }
    }

    /// Returns whether no cell was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of cells.
    pub(crate) fn cells(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the marks, most frequent first.
    pub(crate) fn marks(&self) -> Vec<String> {
        let mut marks: Vec<(&String, &u64)> = self.0.iter().collect();
        marks.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        marks.into_iter().map(|(mark, _)| mark.clone()).collect()
    }
}
