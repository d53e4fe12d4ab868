//! The two counts behind a growth, and its words: `16 events in the last 28 days, none in the 28 days
//! before`.

use super::number::LARGEST;
use super::phrase::days_words;
use crate::names::grouped;

/// Largest distance of the recovered number from a count. Rounding errors of counts below 10⁹ are
/// smaller.
pub(super) const TOLERANCE: f64 = 1e-3;

/// Counts of a window and of the days before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct WindowCounts {
    pub(super) current: u32,
    pub(super) before: u32,
}

impl WindowCounts {
    /// Recovers the counts from a growth, ln((current + 1) / (before + 1)), and the current count.
    /// `None` if no two counts have it, as with values of `--what-if`.
    pub(super) fn recover(growth: f64, current: f64) -> Option<Self> {
        let current = whole(current)?;
        let before_plus_1 = (f64::from(current) + 1.0) * (-growth).exp();
        let before = (before_plus_1 + 0.5).floor() - 1.0;
        let is_near = (before_plus_1 - 1.0 - before).abs() <= TOLERANCE;
        let before = whole(before).filter(|_| is_near)?;
        Some(Self { current, before })
    }

    /// Writes the counts without their nouns: `16 after none`.
    pub(super) fn write_short(self) -> String {
        let written = |count: u32| match count {
            0 => "none".to_owned(),
            count => grouped(u64::from(count)),
        };
        format!("{} after {}", written(self.current), written(self.before))
    }
}

/// Converts a count of at most [`LARGEST`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
pub(super) fn whole(count: f64) -> Option<u32> {
    let is_count = count >= 0.0 && count <= f64::from(LARGEST) && count.fract() == 0.0;
    is_count.then_some(count as u32)
}

/// The words around the counts of a growth.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GrowthWords {
    /// After the current count.
    pub(super) after_current: String,
    /// After a current count of 1.
    pub(super) after_one: String,
    /// After the count before.
    pub(super) after_before: String,
    /// Instead of two counts of 0.
    pub(super) nothing: String,
}

/// What is written instead of a count of 0 before.
pub(super) const NONE_BEFORE: &str = "none";

impl GrowthWords {
    /// # Arguments
    /// * `one`, `many` – nouns for a count of 1 and for other counts
    /// * `days` – length of the window
    pub(super) fn new(one: &str, many: &str, days: u32) -> Self {
        let [window, both] = [days, days.saturating_mul(2)].map(days_words);
        let after = |noun: &str| format!(" {noun} in the last {window}, ");
        Self {
            after_current: after(many),
            after_one: after(one),
            after_before: format!(" in the {window} before"),
            nothing: format!("no {many} in the last {both}"),
        }
    }

    /// Writes the counts.
    pub(super) fn write(&self, counts: WindowCounts) -> String {
        let WindowCounts { current, before } = counts;
        let written = |count: u32| grouped(u64::from(count));
        let first = match current {
            0 if before == 0 => return self.nothing.clone(),
            0 => format!("no{}", self.after_current),
            1 => format!("1{}", self.after_one),
            _ => written(current) + &self.after_current,
        };
        let second = if before == 0 { NONE_BEFORE.to_owned() } else { written(before) };
        format!("{first}{second}{}", self.after_before)
    }
}

/// The form of the sentence on a growth or a trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct ChangeForm {
    /// Counts of a growth, which are written instead of its ratio.
    pub(super) counts: Option<WindowCounts>,
    /// Whether a trend has no events.
    pub(super) is_empty: bool,
    /// The typical growth; `None` if unknown.
    pub(super) typical: Option<TypicalGrowth>,
}

/// The typical growth next to the growth of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TypicalGrowth {
    /// Of another direction, or none.
    Other,
    /// Of the same size.
    Equal,
    /// Of the same direction, and smaller.
    Smaller,
    /// Of the same direction, and larger.
    Larger,
}

impl TypicalGrowth {
    #[expect(clippy::float_cmp, reason = "the same number, or another one")]
    pub(super) fn new(growth: f64, typical: f64) -> Self {
        if growth == typical {
            Self::Equal
        } else if !((growth > 0.0 && typical > 0.0) || (growth < 0.0 && typical < 0.0)) {
            Self::Other
        } else if growth.abs() > typical.abs() {
            Self::Smaller
        } else {
            Self::Larger
        }
    }

    /// Returns the words of a typical growth.
    pub(super) fn words(self, typical: f64) -> &'static str {
        match (self, typical > 0.0) {
            _ if typical == 0.0 => "no change",
            (Self::Equal, _) => "the same",
            (Self::Other, true) => "a rise",
            (Self::Other, false) => "a fall",
            (Self::Smaller, true) => "a smaller rise",
            (Self::Smaller, false) => "a smaller fall",
            (Self::Larger, true) => "a larger rise",
            (Self::Larger, false) => "a larger fall",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_recovered_from_their_growth() {
        for current in [0_u32, 1, 2, 7, 16, 1_000, 123_456, LARGEST] {
            for before in [0_u32, 1, 3, 16, 999, 654_321, LARGEST] {
                let ratio = (f64::from(current) + 1.0) / (f64::from(before) + 1.0);
                let found = WindowCounts::recover(ratio.ln(), f64::from(current));
                assert_eq!(found, Some(WindowCounts { current, before }));
            }
        }
        let unknown =
            [(0.3, 5.0), (3.0, 1.0), (0.0, 2.5), (0.0, -1.0), (0.0, 1e10), (f64::INFINITY, 1.0)];
        for (growth, current) in unknown {
            assert_eq!(WindowCounts::recover(growth, current), None, "{growth} {current}");
        }
    }

    #[test]
    fn a_typical_growth_never_reads_like_that_of_the_account() {
        let words = |growth: f64, typical: f64| TypicalGrowth::new(growth, typical).words(typical);
        assert_eq!([words(1.0, 0.0), words(0.0, 0.0)], ["no change", "no change"]);
        assert_eq!([words(1.0, 0.5), words(1.0, 1.5)], ["a smaller rise", "a larger rise"]);
        assert_eq!([words(-1.0, -0.5), words(-1.0, -1.5)], ["a smaller fall", "a larger fall"]);
        assert_eq!([words(-1.0, 0.5), words(0.0, -0.5)], ["a rise", "a fall"]);
        assert_eq!(words(0.5, 0.5), "the same");
    }

    #[test]
    fn both_counts_are_written() {
        let words = GrowthWords::new("event", "events", 28);
        let write = |current, before| words.write(WindowCounts { current, before });
        assert_eq!(write(16, 0), "16 events in the last 28 days, none in the 28 days before");
        assert_eq!(write(1, 1_234), "1 event in the last 28 days, 1,234 in the 28 days before");
        assert_eq!(write(0, 5), "no events in the last 28 days, 5 in the 28 days before");
        assert_eq!(write(3, 3), "3 events in the last 28 days, 3 in the 28 days before");
        assert_eq!(write(0, 0), "no events in the last 56 days");
        assert_eq!(WindowCounts { current: 16, before: 0 }.write_short(), "16 after none");
        let daily = GrowthWords::new("login", "logins", 1);
        let counts = WindowCounts { current: 2, before: 1 };
        assert_eq!(daily.write(counts), "2 logins in the last day, 1 in the day before");
    }
}
