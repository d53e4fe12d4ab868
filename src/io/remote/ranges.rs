//! Ranges of bytes of a file that are present.

use std::ops::Range;

/// Ranges that do not touch each other, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ByteRanges(Vec<Range<u64>>);

impl ByteRanges {
    /// Adds a range.
    pub(super) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (touching, mut apart): (Vec<_>, Vec<_>) = self
            .0
            .drain(..)
            .partition(|other| other.start <= range.end && range.start <= other.end);
        let merged = touching
            .iter()
            .fold(range, |merged, other| merged.start.min(other.start)..merged.end.max(other.end));
        apart.push(merged);
        apart.sort_by_key(|range| range.start);
        self.0 = apart;
    }

    /// Iterates over the ranges.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }

    /// Returns the parts of a range that are not present.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut start = range.start;
        for present in &self.0 {
            if start < present.start.min(range.end) {
                missing.push(start..present.start.min(range.end));
            }
            start = start.max(present.end);
        }
        if start < range.end {
            missing.push(start..range.end);
        }
        missing
    }

    /// Returns the ranges with all gaps up to a length filled.
    pub(super) fn without_gaps(&self, length: u64) -> Self {
        let mut filled: Vec<Range<u64>> = Vec::new();
        for range in &self.0 {
            match filled.last_mut() {
                Some(last) if range.start - last.end <= length => last.end = range.end,
                _ => filled.push(range.clone()),
            }
        }
        Self(filled)
    }
}

/// Splits a range into parts of a maximum length.
pub(super) fn split(range: Range<u64>, length: u64) -> impl Iterator<Item = Range<u64>> {
    let step = usize::try_from(length).unwrap_or(usize::MAX);
    let end = range.end;
    range.step_by(step).map(move |start| start..end.min(start.saturating_add(length)))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
mod tests {
    use super::*;

    fn ranges(list: &[Range<u64>]) -> ByteRanges {
        let mut ranges = ByteRanges::default();
        list.iter().cloned().for_each(|range| ranges.add(range));
        ranges
    }

    #[test]
    fn ranges_that_touch_are_merged() {
        assert_eq!(ranges(&[5..7, 0..2, 2..3, 9..9]).0, [0..3, 5..7]);
        assert_eq!(ranges(&[0..2, 4..6, 1..5]).0, [0..6]);
    }

    #[test]
    fn the_missing_parts_of_a_range_are_found() {
        let present = ranges(&[2..4, 6..8]);
        assert_eq!(present.missing(0..10), [0..2, 4..6, 8..10]);
        assert_eq!(present.missing(3..7), [4..6]);
        assert_eq!(present.missing(0..1), [0..1]);
        assert_eq!(present.missing(9..12), [9..12]);
        assert!(present.missing(2..4).is_empty() && present.missing(7..7).is_empty());
        assert_eq!(ByteRanges::default().missing(1..3), [1..3]);
    }

    #[test]
    fn small_gaps_are_filled_and_large_ranges_split() {
        assert_eq!(ranges(&[0..2, 4..5, 9..10]).without_gaps(2).0, [0..5, 9..10]);
        assert_eq!(split(1..8, 3).collect::<Vec<_>>(), [1..4, 4..7, 7..8]);
        assert_eq!(split(3..3, 3).count(), 0);
    }
}
