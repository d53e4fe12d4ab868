//! The words around the number of a sentence, in pieces that SQL joins in the same way.

use super::growth::GrowthWords;
use super::number::{Number, Precision};
use super::phrase::{Phrase, days_words, window_words};

/// The words around a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wording {
    /// Before the number.
    pub(super) before: String,
    /// Before the number if the value is negative, unless it is rounded to 0.
    pub(super) before_negative: String,
    /// After the number.
    pub(super) after: String,
    /// After the number 1.
    pub(super) after_one: String,
    /// A number that is not written, and the text in place of it.
    pub(super) unchanged: Option<(f64, String)>,
    /// Text of a missing value.
    pub(super) missing: String,
    /// The typical value next to this text, if it is not the usual one.
    pub(super) typical_of_missing: Option<&'static str>,
    /// The words around the counts of a growth, which replace its number where they are known.
    pub(super) growth: Option<GrowthWords>,
    /// Text of a trend without events.
    pub(super) no_events: Option<String>,
}

/// The typical sign-up, next to one in the last days.
const EARLIER: &str = "earlier";

/// Returns why a comparison of days is missing: the account is younger than these days.
fn signed_up_within(days: u32) -> String {
    format!("signed up in the last {}", days_words(days))
}

impl Wording {
    /// Returns the clause with a value, such as `12 active users in the last 7 days`.
    pub(super) fn of_clause(phrase: &Phrase, window: Option<u32>) -> Self {
        let days = window.unwrap_or(0);
        let previous = window.map_or(String::new(), days_words);
        let window = window_words(window);
        let counted = |one: &str, many: &str, missing: String| {
            Self::around("", [&format!(" {many}{window}"), &format!(" {one}{window}")], missing)
        };
        match phrase {
            Phrase::Counted { one, many } => counted(one, many, format!("{many}{window}: missing")),
            Phrase::Days { one, many, missing } => counted(one, many, format!("{missing}{window}")),
            Phrase::Growth { one, many, .. } => Self {
                typical_of_missing: Some(EARLIER),
                growth: Some(GrowthWords::new(one, many, days)),
                ..Self::around(
                    &format!("ratio of {many}{window} to the {previous} before: "),
                    [""; 2],
                    signed_up_within(days.saturating_mul(2)),
                )
                .without_sign()
            },
            Phrase::Trend { counts, none, .. } => Self {
                before: format!("{counts} rose by "),
                before_negative: format!("{counts} fell by "),
                unchanged: Some((0.0, format!("{counts} steady over the last {previous}"))),
                typical_of_missing: Some(EARLIER),
                no_events: Some(format!("{none}{window}")),
                ..Self::around(
                    "",
                    [&format!(" over the last {previous}"); 2],
                    signed_up_within(days),
                )
            },
            Phrase::Share { clause, missing, .. } => {
                Self::around("", [&format!("% {clause}{window}"); 2], format!("{missing}{window}"))
            }
            Phrase::Variety => Self::around(
                "activity spread over about ",
                [&format!(" kinds of events{window}"), &format!(" kind of events{window}")],
                format!("variety of events{window}: missing"),
            )
            .without_sign(),
            Phrase::Labeled(label) => {
                let missing = format!("{label}{window}: missing");
                Self::around(&format!("{label}{window}: "), [""; 2], missing)
            }
            Phrase::Named(name) => {
                Self::around(&format!("{name} = "), [""; 2], format!("{name} is missing"))
            }
        }
    }

    /// Returns the words of a value without its noun, such as `a rise of 14 per day`.
    pub(super) fn of_value(phrase: &Phrase, window: Option<u32>) -> Self {
        let days = window.unwrap_or(0);
        let missing = match phrase {
            Phrase::Days { missing, .. } | Phrase::Share { missing, .. } => (*missing).to_owned(),
            Phrase::Growth { .. } => signed_up_within(days.saturating_mul(2)),
            Phrase::Trend { .. } => signed_up_within(days),
            _ => "missing".to_owned(),
        };
        let around = |before: &str, after: &str| Self::around(before, [after; 2], missing.clone());
        match phrase {
            Phrase::Growth { .. } => around("a ratio of ", "").without_sign(),
            Phrase::Trend { .. } => Self {
                before: "a rise of ".to_owned(),
                before_negative: "a fall of ".to_owned(),
                unchanged: Some((0.0, "no change".to_owned())),
                ..around("", " per day")
            },
            Phrase::Share { .. } => around("", "%"),
            Phrase::Variety => around("", "").without_sign(),
            _ => around("", ""),
        }
    }

    /// Removes the sign of a negative value whose exponential is written.
    fn without_sign(self) -> Self {
        Self { before_negative: self.before.clone(), ..self }
    }

    /// # Arguments
    /// * `after` – text after numbers, and after 1
    fn around(before: &str, [after, after_one]: [&str; 2], missing: String) -> Self {
        Self {
            before: before.to_owned(),
            before_negative: format!("{before}-"),
            after: after.to_owned(),
            after_one: after_one.to_owned(),
            unchanged: None,
            missing,
            typical_of_missing: None,
            growth: None,
            no_events: None,
        }
    }

    /// Writes a value.
    ///
    /// # Arguments
    /// * `raw` – the value before it was converted to the unit of the sentence
    #[expect(clippy::float_cmp, reason = "a rounded number is equal or not")]
    pub(super) fn write(&self, raw: f64, number: Number) -> String {
        let rounded = number.rounded();
        if let Some((_, text)) = self.unchanged.as_ref().filter(|(number, _)| *number == rounded) {
            return text.clone();
        }
        let is_negative = raw < 0.0 && number.units() > 0.0;
        let before = if is_negative { &self.before_negative } else { &self.before };
        let after = if rounded.abs() == 1.0 { &self.after_one } else { &self.after };
        format!("{before}{}{after}", number.digits())
    }
}

/// A number in the unit of a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    /// The exponential of the value.
    Exponential,
    /// The value times a factor.
    Factor(f64),
}

impl Unit {
    /// Returns the unit of a phrase.
    pub(super) fn new(phrase: &Phrase, window: Option<u32>) -> Self {
        match phrase {
            // The exponential of an entropy is a number of types: Jost, "Entropy and diversity",
            // *Oikos* 113 (2006).
            Phrase::Growth { .. } | Phrase::Variety => Self::Exponential,
            Phrase::Share { .. } => Self::Factor(100.0),
            // The slope of a line is the change per day.
            Phrase::Trend { .. } => Self::Factor(f64::from(window.unwrap_or(1))),
            _ => Self::Factor(1.0),
        }
    }

    /// Converts a value.
    pub(super) fn convert(self, value: f64) -> f64 {
        match self {
            Self::Exponential => value.exp(),
            Self::Factor(factor) => factor * value,
        }
    }
}

/// Returns the precision of the numbers of a phrase.
pub(super) fn precision(phrase: &Phrase) -> Precision {
    let usual = Precision::default();
    match phrase {
        // A day has 24 hours: a second decimal place would be less than half of one.
        Phrase::Days { .. } | Phrase::Variety => Precision { from_1: 1e1, ..usual },
        Phrase::Share { .. } => Precision { from_10: 1.0, ..usual },
        // A tiny change reads as none.
        Phrase::Trend { .. } => Precision { small: 0.0, ..usual },
        _ => usual,
    }
}
