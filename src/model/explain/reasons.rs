//! Reasons as sentences.

use super::number::{Number, Precision, distinct_units};
use super::phrase::{Phrase, phrase};
use super::wording::{Unit, Wording, precision};
use crate::escape::one_line;
use crate::model::encoder::{
    CategoricalEncoding, Encoding, FeatureEncoder, Limit, MISSING, NumericEncoding, OTHER,
    Preprocessor, RawValue,
};
use crate::model::profile::{Bins, FeatureProfile};

/// Writes the sentences that name one feature.
#[derive(Debug, Clone)]
pub(super) struct ReasonTemplate {
    pub(super) feature: String,
    pub(super) clause: Wording,
    /// A value without its noun.
    pub(super) value: Wording,
    pub(super) unit: Unit,
    pub(super) precision: Precision,
    pub(super) encoding: Encoding,
    /// Smallest and largest value of the training rows.
    pub(super) range: Option<[f64; 2]>,
}

/// Place of a value relative to those of the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// It counts as it is.
    Inside,
    /// It exceeds a limit, and counts as this limit.
    Limited(Limit),
    /// It counts as it is, but is smaller than all values of the training rows.
    Below,
    /// It counts as it is, but is larger than all values of the training rows.
    Above,
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
            clause: Wording::of_clause(&phrase, encoder.window),
            value: Wording::of_value(&phrase),
            unit: Unit::new(&phrase, encoder.window),
            precision: precision(&phrase),
            encoding: encoder.encoding.clone(),
            range,
        }
    }

    /// Writes the value, such as `12 active users in the last 7 days`.
    fn value_clause(&self, value: RawValue<'_>) -> String {
        match (value, &self.encoding) {
            (RawValue::Number(Some(value)), Encoding::Numeric(number)) => {
                self.clause.write(value, self.number(value, self.fine_units(number, value)))
            }
            (RawValue::Text(Some(value)), _) => format!("{}{value}", self.clause.before),
            // A number of a text feature does not occur: `Inputs` reads the type of the encoding.
            _ => self.clause.missing.clone(),
        }
    }

    /// Writes the value and the typical value, such as
    /// `12 active users in the last 7 days (typical: 4)`.
    fn reason(&self, value: RawValue<'_>) -> String {
        if let (RawValue::Number(None), Some(typical)) = (value, self.clause.typical_of_missing) {
            return format!("{} (typical: {typical})", self.value_clause(value));
        }
        let typical = match (&self.encoding, value) {
            (Encoding::Numeric(number), RawValue::Number(Some(value))) => {
                self.write(number.typical, self.fine_units(number, value))
            }
            (Encoding::Numeric(number), _) => self.write(number.typical, None),
            (Encoding::Categorical(text), _) => level(&text.mode).to_owned(),
        };
        let note = self.note(value).map_or(String::new(), |note| format!("{note}; "));
        format!("{} ({note}typical: {typical})", self.value_clause(value))
    }

    /// Says as what the value counts, if it is another value than the account's.
    fn adjustment(&self, value: RawValue<'_>) -> Option<String> {
        let note = self.note(value)?;
        let shown = match value {
            RawValue::Number(value) => self.write(value, self.units_of(value)),
            RawValue::Text(value) => value.unwrap_or("missing").to_owned(),
        };
        Some(format!("`{}` = {shown}: {note}", self.feature))
    }

    /// Returns the place of a number relative to the training rows.
    pub(super) fn place(&self, value: f64) -> Place {
        let Encoding::Numeric(number) = &self.encoding else { return Place::Inside };
        if let Some(limit) = number.exceeded_limit(value) {
            return Place::Limited(limit);
        }
        match self.range {
            Some([low, _]) if value < low => Place::Below,
            Some([_, high]) if value > high => Place::Above,
            _ => Place::Inside,
        }
    }

    /// Says as what a value counts, or that no training row has such a value.
    fn note(&self, value: RawValue<'_>) -> Option<String> {
        match (value, &self.encoding) {
            (RawValue::Number(Some(value)), Encoding::Numeric(number)) => {
                let place = self.place(value);
                self.place_note(number, place, self.fine_units(number, value))
            }
            (RawValue::Text(value), Encoding::Categorical(text)) => unseen(text, value),
            _ => None,
        }
    }

    /// Describes a place; `None` inside.
    ///
    /// # Arguments
    /// * `units` – units per 1 of its number, if they are not the usual ones
    pub(super) fn place_note(
        &self,
        number: &NumericEncoding,
        place: Place,
        units: Option<f64>,
    ) -> Option<String> {
        let value = self.write(Some(self.noted(number, place)?), units);
        Some(match place {
            Place::Inside => return None,
            Place::Limited(Limit::Lower) => {
                format!("counted as {value}, the lower limit from training")
            }
            Place::Limited(Limit::Upper) => {
                format!("counted as {value}, the upper limit from training")
            }
            Place::Below => format!("below the lowest in training, {value}"),
            Place::Above => format!("above the highest in training, {value}"),
        })
    }

    /// Returns the number in the description of a place.
    pub(super) fn noted(&self, number: &NumericEncoding, place: Place) -> Option<f64> {
        match place {
            Place::Inside => None,
            Place::Limited(limit) => number.limit(limit),
            Place::Below => self.range.map(|[low, _]| low),
            Place::Above => self.range.map(|[_, high]| high),
        }
    }

    /// Writes a number without its noun.
    ///
    /// # Arguments
    /// * `units` – units per 1, if they are not the usual ones
    fn write(&self, value: Option<f64>, units: Option<f64>) -> String {
        match value {
            Some(value) => self.value.write(value, self.number(value, units)),
            None => self.value.missing.clone(),
        }
    }

    /// Rounds a number.
    ///
    /// # Arguments
    /// * `units` – units per 1, if they are not the usual ones
    pub(super) fn number(&self, value: f64, units: Option<f64>) -> Number {
        let number = Number::new(self.unit.convert(value), self.precision);
        units.map_or(number, |units| number.with_units(units))
    }

    /// Returns the units per 1 that distinguish a value, its typical value and the number of its note;
    /// `None` if their usual units do.
    fn fine_units(&self, number: &NumericEncoding, value: f64) -> Option<f64> {
        let noted = self.noted(number, self.place(value));
        self.distinct_units([Some(value), number.typical, noted])
    }

    /// Returns the units per 1 that distinguish several values.
    pub(super) fn distinct_units<const N: usize>(&self, values: [Option<f64>; N]) -> Option<f64> {
        let numbers: Vec<(f64, Number)> =
            values.into_iter().flatten().map(|value| (value, self.number(value, None))).collect();
        distinct_units(&numbers)
    }

    /// Returns the units per 1 of a value in a reason, if they are not the usual ones.
    fn units_of(&self, value: Option<f64>) -> Option<f64> {
        match &self.encoding {
            Encoding::Numeric(number) => self.fine_units(number, value?),
            Encoding::Categorical(_) => None,
        }
    }
}

/// Says as what a text counts that does not occur in the training rows.
fn unseen(text: &CategoricalEncoding, value: Option<&str>) -> Option<String> {
    let found = text.level(value);
    found.unseen.then(|| counted_as(found.name))
}

/// Says as which level a text counts that does not occur in the training rows.
fn counted_as(name: &str) -> String {
    let counted = if name == OTHER { "a rare value" } else { level(name) };
    format!("not in training, counted as {counted}")
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
                let units = template.distinct_units([a, b]);
                [a, b].map(|value| template.write(value, units))
            }
            values => values.map(|value| match value {
                RawValue::Text(value) => value.unwrap_or("missing").to_owned(),
                RawValue::Number(value) => template.write(value, None),
            }),
        }
    }

    /// Returns the sentences of a feature.
    pub(super) fn template(&self, feature: usize) -> &ReasonTemplate {
        &self.0[feature]
    }

    /// Returns what is written before and after a text of the training rows, then before and after
    /// another one.
    pub(super) fn around_level(&self, feature: usize) -> [[String; 2]; 2] {
        let template = &self.0[feature];
        let Encoding::Categorical(text) = &template.encoding else {
            unreachable!("the feature is a text")
        };
        let typical = format!("typical: {})", level(&text.mode));
        let unseen = format!(" ({}; {typical}", counted_as(text.unknown_level()));
        [format!(" ({typical}"), unseen]
            .map(|after| [template.clause.before.clone(), after].map(|t| one_line(&t).into_owned()))
    }

    /// Returns the rounded number of a sentence, and the place of the value relative to the training
    /// rows: if both are equal, so are the sentences. `None` for a text.
    pub(super) fn key(&self, feature: usize, value: f64) -> Option<(Number, Place)> {
        let template = &self.0[feature];
        let Encoding::Numeric(number) = &template.encoding else { return None };
        let units = template.fine_units(number, value);
        Some((template.number(value, units), template.place(value)))
    }
}
