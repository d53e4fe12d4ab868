//! Reasons as sentences.

use super::phrase::{Phrase, days_words, phrase, window_words};
use crate::escape::one_line;
use crate::model::encoder::{
    CategoricalEncoding, Encoding, FeatureEncoder, MISSING, NumericEncoding, OTHER, Preprocessor,
    RawValue,
};
use crate::model::profile::{Bins, FeatureProfile};
use crate::names::grouped;

/// Writes the sentences that name one feature.
#[derive(Debug, Clone)]
struct ReasonTemplate {
    feature: String,
    phrase: Phrase,
    window: Option<u32>,
    encoding: Encoding,
    /// Smallest and largest value of the training rows.
    range: Option<[f64; 2]>,
}

/// Place of a value relative to those of the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// It counts as it is.
    Inside,
    /// It counts as a larger or as a smaller value.
    Adjusted { up: bool },
    /// It counts as it is, but is smaller or larger than all values of the training rows.
    Outside { below: bool },
}

/// A number as a sentence shows it: in its unit, rounded to some decimal places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shown {
    pub(super) value: f64,
    /// `None`: written with an exponent, or not finite.
    pub(super) places: Option<u8>,
}

impl ReasonTemplate {
    fn new(encoder: &FeatureEncoder, profiles: &[FeatureProfile]) -> Self {
        let phrase = match &encoder.encoding {
            Encoding::Categorical(_) => Phrase::Named(encoder.feature.clone()),
            Encoding::Numeric(_) => phrase(&encoder.measure, encoder.window.is_some()),
        };
        let profile = profiles.iter().find(|p| p.feature == encoder.feature);
        let range = profile.and_then(|profile| match profile.bins {
            Bins::Numbers { range, .. } => range,
            Bins::Texts(_) => None,
        });
        Self {
            feature: encoder.feature.clone(),
            phrase,
            window: encoder.window,
            encoding: encoder.encoding.clone(),
            range,
        }
    }

    /// Writes the value, such as `12 active users in the last 7 days`.
    fn value_clause(&self, value: RawValue<'_>) -> String {
        match (value, &self.encoding) {
            (RawValue::Number(value), Encoding::Numeric(number)) => {
                self.clause(value, number.typical)
            }
            (RawValue::Text(Some(value)), _) => format!("{} = {value}", self.feature),
            // A number of a text feature does not occur: `Inputs` reads the type of the encoding.
            _ => format!("{} is missing", self.feature),
        }
    }

    /// Writes the value and the typical value, such as
    /// `12 active users in the last 7 days (typical: 4)`.
    fn reason(&self, value: RawValue<'_>) -> String {
        let typical = match (&self.encoding, value) {
            (Encoding::Numeric(number), RawValue::Number(value)) => {
                self.value(number.typical, value)
            }
            (Encoding::Numeric(number), RawValue::Text(_)) => self.value(number.typical, None),
            (Encoding::Categorical(text), _) => level(&text.mode).to_owned(),
        };
        let note = self.note(value).map_or(String::new(), |note| format!("{note}; "));
        format!("{} ({note}typical: {typical})", self.value_clause(value))
    }

    /// Says as what the value counts, if it is another value than the account's.
    fn adjustment(&self, value: RawValue<'_>) -> Option<String> {
        let note = self.note(value)?;
        let shown = match value {
            RawValue::Number(value) => self.value(value, None),
            RawValue::Text(value) => value.unwrap_or("missing").to_owned(),
        };
        Some(format!("`{}` = {shown}: {note}", self.feature))
    }

    /// Returns the place of a number relative to the training rows.
    fn place(&self, value: f64) -> Place {
        let Encoding::Numeric(number) = &self.encoding else { return Place::Inside };
        if let Some(counted) = number.counted_as(value) {
            return Place::Adjusted { up: counted > value };
        }
        match self.range {
            Some([low, _]) if value < low => Place::Outside { below: true },
            Some([_, high]) if value > high => Place::Outside { below: false },
            _ => Place::Inside,
        }
    }

    /// Says as what a value counts, or that no training row has such a value.
    fn note(&self, value: RawValue<'_>) -> Option<String> {
        match (value, &self.encoding) {
            (RawValue::Number(Some(value)), Encoding::Numeric(number)) => {
                self.number_note(number, value)
            }
            (RawValue::Text(value), Encoding::Categorical(text)) => unseen(text, value),
            _ => None,
        }
    }

    fn number_note(&self, number: &NumericEncoding, value: f64) -> Option<String> {
        let [low, high] = self.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Some(match self.place(value) {
            Place::Inside => return None,
            Place::Adjusted { up } => {
                let counted = self.value(number.counted_as(value), Some(value));
                let end = if up { "lower" } else { "upper" };
                format!("counted as {counted}, the {end} limit from training")
            }
            Place::Outside { below: true } => {
                format!("below the lowest in training, {}", self.value(Some(low), Some(value)))
            }
            Place::Outside { below: false } => {
                format!("above the highest in training, {}", self.value(Some(high), Some(value)))
            }
        })
    }

    /// Returns a number in the unit of the sentence.
    fn shown(&self, value: f64) -> Shown {
        let value = match self.phrase {
            // The exponential of an entropy is a number of types: Jost, "Entropy and diversity",
            // *Oikos* 113 (2006).
            Phrase::Growth(_) | Phrase::Variety => value.exp(),
            Phrase::Share { .. } => 100.0 * value,
            // The slope of a line is the change per day.
            Phrase::Trend(_) => value * f64::from(self.window.unwrap_or(1)),
            _ => value,
        };
        let places = decimal_places(value);
        match self.phrase {
            // A day has 24 hours: a second decimal place would be less than half of one.
            Phrase::Days { .. } if value.abs() >= 1.0 => {
                Shown { value, places: places.map(|places| places.min(1)) }
            }
            Phrase::Share { .. } if value.abs() >= 10.0 => Shown { value, places: Some(0) },
            Phrase::Variety => Shown { value, places: places.map(|places| places.min(1)) },
            // A tiny change reads as none.
            Phrase::Trend(_) if value.abs() < 1.0 => Shown { value, places: Some(2) },
            _ => Shown { value, places },
        }
    }

    /// Writes a number without its noun, with as many digits as distinguish it from another one.
    fn value(&self, value: Option<f64>, other: Option<f64>) -> String {
        let Some(raw) = value else {
            return match &self.phrase {
                Phrase::Days { missing, .. } | Phrase::Share { missing, .. } => {
                    (*missing).to_owned()
                }
                _ => "missing".to_owned(),
            };
        };
        let text = self.digits(raw, other);
        match &self.phrase {
            Phrase::Growth(_) if text == "1" => "unchanged".to_owned(),
            Phrase::Growth(_) => format!("{text}×"),
            Phrase::Trend(_) if text == "0" => "no change".to_owned(),
            Phrase::Trend(_) if raw > 0.0 => format!("a rise of {text}"),
            Phrase::Trend(_) => format!("a fall of {}", text.trim_start_matches('-')),
            Phrase::Share { .. } => format!("{text}%"),
            _ => text,
        }
    }

    /// Writes a number with as many digits as distinguish it from another one.
    fn digits(&self, value: f64, other: Option<f64>) -> String {
        let shown = self.shown(value);
        let Some(other) = other.filter(|other| *other != value).map(|other| self.shown(other))
        else {
            return shown.text();
        };
        let mut texts = [shown.text(), other.text()];
        for places in 2..16 {
            if texts[0] != texts[1] {
                break;
            }
            texts = [shown.value, other.value].map(|x| trimmed(&format!("{x:.places$}")));
        }
        let [text, _] = texts;
        text
    }

    /// Writes the clause with the value.
    fn clause(&self, value: Option<f64>, typical: Option<f64>) -> String {
        let window = window_words(self.window);
        let previous = self.window.map_or(String::new(), days_words);
        let Some(raw) = value else {
            return match &self.phrase {
                Phrase::Days { missing, .. } | Phrase::Share { missing, .. } => {
                    format!("{missing}{window}")
                }
                Phrase::Counted { many: name, .. } | Phrase::Labeled(name) => {
                    format!("{name}{window}: missing")
                }
                Phrase::Variety => format!("variety of events{window}: missing"),
                Phrase::Growth(counted) | Phrase::Trend(counted) => {
                    format!("change of {counted}{window}: missing")
                }
                Phrase::Named(name) => format!("{name} is missing"),
            };
        };
        let text = self.digits(raw, typical);
        match &self.phrase {
            Phrase::Counted { one, many } => {
                let noun = if text == "1" { one } else { many };
                format!("{text} {noun}{window}")
            }
            Phrase::Days { one, many, .. } => {
                let noun = if text == "1" { one } else { many };
                format!("{text} {noun}{window}")
            }
            Phrase::Growth(counted) if text == "1" => {
                format!("{counted} unchanged from the previous {previous}")
            }
            Phrase::Growth(counted) => {
                let verb = if raw > 0.0 { "rose" } else { "fell" };
                format!("{counted} {verb} to {text}× the previous {previous}")
            }
            Phrase::Trend(counted) => {
                let change = match text.trim_start_matches('-') {
                    "0" => "steady".to_owned(),
                    size if raw > 0.0 => format!("rose by {size}"),
                    size => format!("fell by {size}"),
                };
                format!("{counted} {change} over the last {previous}")
            }
            Phrase::Share { clause, .. } => format!("{text}% {clause}{window}"),
            Phrase::Variety => {
                let kinds = if text == "1" { "kind" } else { "kinds" };
                format!("activity spread over about {text} {kinds} of events{window}")
            }
            Phrase::Labeled(label) => format!("{label}{window}: {text}"),
            Phrase::Named(name) => format!("{name} = {text}"),
        }
    }
}

/// Says as what a text counts that does not occur in the training rows.
fn unseen(text: &CategoricalEncoding, value: Option<&str>) -> Option<String> {
    let found = text.level(value);
    let counted = match found.name {
        OTHER => "a rare value".to_owned(),
        name => level(name).to_owned(),
    };
    found.unseen.then(|| format!("not in training, counted as {counted}"))
}

/// Returns a level in words.
fn level(name: &str) -> &str {
    if name == MISSING { "missing" } else { name }
}

/// The sentences of all features of a model, each one line without hidden characters.
#[derive(Debug)]
pub struct ReasonTemplates(Vec<ReasonTemplate>);

impl ReasonTemplates {
    /// Prepares the sentences.
    ///
    /// # Arguments
    /// * `profiles` – distributions of the features in the training rows
    #[must_use]
    pub fn new(preprocessor: &Preprocessor, profiles: &[FeatureProfile]) -> Self {
        let features = preprocessor.features.iter();
        Self(features.map(|encoder| ReasonTemplate::new(encoder, profiles)).collect())
    }

    /// Writes a reason: the value and the typical value of a feature, such as
    /// `12 active users in the last 7 days (typical: 4)`.
    #[must_use]
    pub fn reason(&self, feature: usize, value: RawValue<'_>) -> String {
        one_line(&self.0[feature].reason(value)).into_owned()
    }

    /// Writes the value of a feature, such as `12 active users in the last 7 days`.
    #[must_use]
    pub fn value(&self, feature: usize, value: RawValue<'_>) -> String {
        one_line(&self.0[feature].value_clause(value)).into_owned()
    }

    /// Says as what the value of a feature counts, if it is beyond the values of the training rows;
    /// `None` otherwise.
    #[must_use]
    pub fn adjustment(&self, feature: usize, value: RawValue<'_>) -> Option<String> {
        Some(one_line(&self.0[feature].adjustment(value)?).into_owned())
    }

    /// Writes two values of a feature, with as many digits as distinguish them.
    #[must_use]
    pub fn values(&self, feature: usize, values: [RawValue<'_>; 2]) -> [String; 2] {
        let template = &self.0[feature];
        match values {
            [RawValue::Number(a), RawValue::Number(b)] => {
                [template.value(a, b), template.value(b, a)]
            }
            values => values.map(|value| match value {
                RawValue::Text(value) => value.unwrap_or("missing").to_owned(),
                RawValue::Number(value) => template.value(value, None),
            }),
        }
    }

    /// Returns how a number is shown, and its place relative to the training rows: if both are
    /// equal and the numbers are rounded to the same, so are the sentences. `None` if it takes
    /// more digits to distinguish it from the typical value or a limit.
    pub(super) fn key(&self, feature: usize, value: f64) -> Option<(Shown, Place)> {
        let template = &self.0[feature];
        let Encoding::Numeric(number) = &template.encoding else { return None };
        let (shown, place) = (template.shown(value), template.place(value));
        let is_near = |other: Option<f64>| {
            other.is_some_and(|other| {
                let distance = shown.value - template.shown(other).value;
                distance.abs() <= NEAR * (1.0 + shown.value.abs())
            })
        };
        let limit = match place {
            Place::Inside => None,
            Place::Adjusted { .. } => number.counted_as(value),
            Place::Outside { below } => template.range.map(|range| range[usize::from(!below)]),
        };
        (!is_near(number.typical) && !is_near(limit)).then_some((shown, place))
    }
}

/// Distance, relative to 1 + the number, beyond which two numbers differ in the digits shown.
const NEAR: f64 = 0.06;

impl Shown {
    /// Writes the number without trailing zeros, and with thousands separators.
    fn text(self) -> String {
        match (self.value, self.places) {
            (x, Some(places)) => trimmed(&format!("{x:.*}", usize::from(places))),
            (x, None) if x.is_finite() => format!("{x:.1e}"),
            _ => "unknown".to_owned(),
        }
    }
}

/// Removes trailing zeros, and adds thousands separators.
fn trimmed(text: &str) -> String {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals.trim_end_matches('0');
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let whole = digits.parse().map_or_else(|_| digits.to_owned(), grouped);
    match (decimals, whole.as_str()) {
        ("", "0") => "0".to_owned(),
        ("", _) => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{decimals}"),
    }
}

/// Returns the decimal places that show three significant digits, at most two; `None` if it is
/// written with an exponent or not finite.
fn decimal_places(x: f64) -> Option<u8> {
    match x.abs() {
        0.0 => Some(2),
        size if !(0.005..1e9).contains(&size) => None,
        size if size >= 100.0 => Some(0),
        size if size >= 10.0 => Some(1),
        _ => Some(2),
    }
}
