//! Reasons as sentences.

use super::growth::{ChangeForm, TypicalGrowth, WindowCounts};
use super::number::{Number, Precision, distinct_units};
use super::phrase::{Phrase, counted_as, level, phrase, unseen};
use super::texts::Reason;
use super::wording::{Unit, Wording, precision};
use crate::escape::one_line;
use crate::model::encoder::{
    Encoding, FeatureEncoder, Limit, NumericEncoding, Preprocessor, RawValue,
};
use crate::model::profile::{Bins, FeatureProfile};

/// Writes the sentences that name one feature.
#[derive(Debug, Clone)]
pub(super) struct ReasonTemplate {
    pub(super) feature: String,
    /// The feature that counts the same window, for a growth or a trend.
    pub(super) count: Option<usize>,
    /// Days that a growth or a trend compares: of a younger account it is missing.
    compared_days: Option<u32>,
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
    /// # Arguments
    /// * `encoders` – encoders of all features
    fn new(
        encoder: &FeatureEncoder,
        encoders: &[FeatureEncoder],
        profiles: &[FeatureProfile],
    ) -> Self {
        let phrase = match &encoder.encoding {
            Encoding::Categorical(_) => Phrase::Named(encoder.feature.clone()),
            Encoding::Numeric(_) => phrase(&encoder.measure, encoder.window.is_some()),
        };
        let profile = profiles.iter().find(|p| p.feature == encoder.feature);
        let range = profile.and_then(|profile| match profile.bins {
            Bins::Numbers { range, .. } => range,
            Bins::Texts(_) => None,
        });
        let is_count = |other: &FeatureEncoder| {
            Some(other.measure.as_str()) == phrase.count_measure()
                && other.window == encoder.window
                && matches!(other.encoding, Encoding::Numeric(_))
        };
        Self {
            feature: encoder.feature.clone(),
            count: encoders.iter().position(is_count),
            compared_days: phrase.compared_windows().zip(encoder.window).map(|(n, days)| n * days),
            clause: Wording::of_clause(&phrase, encoder.window),
            value: Wording::of_value(&phrase, encoder.window),
            unit: Unit::new(&phrase, encoder.window),
            precision: precision(&phrase),
            encoding: encoder.encoding.clone(),
            range,
        }
    }

    /// Returns the form of a sentence on a change.
    fn form(&self, value: f64, count: Option<f64>) -> ChangeForm {
        let Encoding::Numeric(number) = &self.encoding else { return ChangeForm::default() };
        match &self.clause.growth {
            Some(_) => ChangeForm {
                counts: count.and_then(|count| WindowCounts::recover(value, count)),
                is_empty: false,
                typical: number.typical.map(|typical| TypicalGrowth::new(value, typical)),
            },
            None => ChangeForm { is_empty: count == Some(0.0), ..ChangeForm::default() },
        }
    }

    /// Writes the value, such as `12 active users in the last 7 days`.
    fn value_clause(&self, value: RawValue<'_>, count: Option<f64>) -> String {
        match (value, &self.encoding) {
            (RawValue::Number(Some(value)), Encoding::Numeric(number)) => {
                let form = self.form(value, count);
                match (&self.clause.growth, form.counts, &self.clause.no_events) {
                    (Some(words), Some(counts), _) => words.write(counts),
                    (_, _, Some(words)) if form.is_empty => words.clone(),
                    _ => {
                        self.clause.write(value, self.number(value, self.fine_units(number, value)))
                    }
                }
            }
            (RawValue::Text(Some(value)), _) => format!("{}{value}", self.clause.before),
            // A number of a text feature does not occur: `Inputs` reads the type of the encoding.
            _ => self.clause.missing.clone(),
        }
    }

    /// Writes the value and the typical value, such as
    /// `12 active users in the last 7 days (typical: 4)`.
    fn reason(&self, value: RawValue<'_>, count: Option<f64>) -> String {
        let clause = self.value_clause(value, count);
        if let (RawValue::Number(None), Some(typical)) = (value, self.clause.typical_of_missing) {
            return format!("{clause} (typical: {typical})");
        }
        let typical = match (&self.encoding, value) {
            (Encoding::Numeric(number), RawValue::Number(Some(value))) => {
                self.typical_next_to(number, value)
            }
            (Encoding::Numeric(number), _) => self.write(number.typical, None),
            (Encoding::Categorical(text), _) => level(&text.mode).to_owned(),
        };
        let note = self.note(value).map_or(String::new(), |note| format!("{note}; "));
        format!("{clause} ({note}typical: {typical})")
    }

    /// Writes the typical value next to a value.
    fn typical_next_to(&self, number: &NumericEncoding, value: f64) -> String {
        match number.typical.filter(|_| self.clause.growth.is_some()) {
            Some(typical) => TypicalGrowth::new(value, typical).words(typical).to_owned(),
            None => self.write(number.typical, self.fine_units(number, value)),
        }
    }

    /// Describes a change from an earlier value.
    ///
    /// # Arguments
    /// * `description` – the name of the feature
    /// * `formatted` – both values, formatted
    fn change(
        &self,
        description: &str,
        [previous, current]: &[Reason<'_>; 2],
        formatted: &[String; 2],
    ) -> String {
        let Some(days) = self.compared_days else {
            let [was, is] = formatted;
            return format!("{description}: {is} (was {was})");
        };
        let [is, was] =
            [current, previous].map(|reason| self.value_clause(reason.value, reason.count));
        match (previous.value, current.value) {
            // The account is old enough to be compared.
            (RawValue::Number(None), RawValue::Number(Some(_))) => {
                format!("{is} (not known before the account was {days} days old)")
            }
            _ => format!("{is} (was: {was})"),
        }
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
        let encoders = &preprocessor.features;
        let template = |encoder| ReasonTemplate::new(encoder, encoders, profiles);
        Self(encoders.iter().map(template).collect())
    }

    /// Returns the reason of a feature, with the other value that its sentence needs.
    ///
    /// # Arguments
    /// * `raw` – returns the value of a feature
    pub(crate) fn find<'a>(
        &self,
        feature: usize,
        raw: impl Fn(usize) -> RawValue<'a>,
    ) -> Reason<'a> {
        let count = self.0[feature].count.and_then(|count| match raw(count) {
            RawValue::Number(count) => count,
            RawValue::Text(_) => None,
        });
        Reason { feature, value: raw(feature), count }
    }

    /// Writes a reason: the value and the typical value of a feature, such as
    /// `12 active users in the last 7 days (typical: 4)`.
    #[must_use]
    pub fn reason(&self, reason: &Reason<'_>) -> String {
        let text = self.0[reason.feature].reason(reason.value, reason.count);
        one_line(&text).into_owned()
    }

    /// Writes the value of a feature, such as `12 active users in the last 7 days`.
    #[must_use]
    pub fn value(&self, reason: &Reason<'_>) -> String {
        let text = self.0[reason.feature].value_clause(reason.value, reason.count);
        one_line(&text).into_owned()
    }

    /// Describes a change of a feature, such as `logins in the last 7 days: 2 (was 9)`.
    ///
    /// # Arguments
    /// * `description` – the name of the feature
    /// * `values` – the earlier value, then the current one
    #[must_use]
    pub fn change(&self, description: &str, values: &[Reason<'_>; 2]) -> String {
        let text = self.0[values[1].feature].change(description, values, &self.values(values));
        one_line(&text).into_owned()
    }

    /// Says as what the value of a feature counts, if it is beyond the values of the training rows;
    /// `None` otherwise.
    #[must_use]
    pub fn adjustment(&self, feature: usize, value: RawValue<'_>) -> Option<String> {
        Some(one_line(&self.0[feature].adjustment(value)?).into_owned())
    }

    /// Writes two values of a feature, with as many digits as distinguish them, and a growth as both
    /// counts.
    #[must_use]
    pub fn values(&self, values: &[Reason<'_>; 2]) -> [String; 2] {
        let template = &self.0[values[0].feature];
        let numbers = values.map(|reason| match reason.value {
            RawValue::Number(value) => value,
            RawValue::Text(_) => None,
        });
        let units = template.distinct_units(numbers);
        values.map(|reason| match reason.value {
            RawValue::Text(value) => value.unwrap_or("missing").to_owned(),
            RawValue::Number(value) => {
                let counts = value.and_then(|value| template.form(value, reason.count).counts);
                counts.map_or_else(|| template.write(value, units), WindowCounts::write_short)
            }
        })
    }

    /// Returns the feature that counts the same window as a growth or a trend.
    pub(crate) fn count(&self, feature: usize) -> Option<usize> {
        self.0[feature].count
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

    /// Returns the rounded number of a sentence, the place of the value relative to the training rows,
    /// and the form of the words: if all are equal, so are the sentences. `None` for a text.
    pub(super) fn key(
        &self,
        reason: &Reason<'_>,
        value: f64,
    ) -> Option<(Number, Place, ChangeForm)> {
        let template = &self.0[reason.feature];
        let Encoding::Numeric(number) = &template.encoding else { return None };
        let units = template.fine_units(number, value);
        let form = template.form(value, reason.count);
        Some((template.number(value, units), template.place(value), form))
    }
}
