//! The words of the sentences, and the numbers that decide on them, as constant rows.

use super::{ReasonRows, position};
use crate::escape::one_line;
use crate::model::encoder::{
    Encoding, FeatureEncoder, Limit, NumericEncoding, RawValue, first_double, last_double,
};
use crate::model::explain::growth::TypicalGrowth;
use crate::model::explain::number::{FINER_UNITS, Number, distinct_units};
use crate::model::explain::reasons::{Place, ReasonTemplate};
use crate::query::{Expression, Rows, Stage, Type};

/// Stage of the words.
pub(super) const PHRASES: &str = "phrases";
/// Stage of the notes on values beyond those of the training rows.
const NOTES: &str = "notes";
/// Texts of a number: with usual units, and with [`FINER_UNITS`].
const TEXTS: [&str; 4] = ["text", "text_1e2", "text_1e4", "text_1e8"];

/// Columns of a row.
type Columns = Vec<(&'static str, Expression)>;

impl ReasonRows<'_> {
    /// Writes the words of each feature.
    pub(super) fn phrases(&self) -> Stage {
        let row = |feature: &usize| {
            let encoder = &self.preprocessor.features[*feature];
            let own = vec![
                ("feature", position(*feature)),
                ("measure", Expression::text(&encoder.measure)),
                ("typical_value", text(typical_value(encoder))),
            ];
            own.into_iter().chain(self.templates.template(*feature).columns()).collect()
        };
        let rows: Vec<Columns> = self.used.iter().map(row).collect();
        values_stage(
            PHRASES,
            "Words of the sentence of each feature, with its typical value and the limits from training.",
            rows,
        )
    }
}

/// The places that have a note, in the order of the columns of their limits.
const PLACES: [Place; 4] =
    [Place::Limited(Limit::Lower), Place::Limited(Limit::Upper), Place::Below, Place::Above];

impl ReasonRows<'_> {
    /// Writes the notes on values beyond those of the training rows, one row for each place.
    pub(super) fn notes(&self) -> Stage {
        let note = |feature: usize| {
            let template = self.templates.template(feature);
            PLACES.into_iter().enumerate().filter_map(move |(side, place)| {
                let key = [("feature", position(feature)), ("side", position(side))];
                Some(key.into_iter().chain(template.note_columns(place)?).collect())
            })
        };
        let mut rows: Vec<Columns> = self.used.iter().copied().flat_map(note).collect();
        if rows.is_empty() {
            rows.push(no_note());
        }
        values_stage(
            NOTES,
            "Notes on values beyond those of the training rows, with the number in them, and whether it differs from the typical one.",
            rows,
        )
    }
}

/// Returns a row that no value has.
fn no_note() -> Columns {
    let number = |name| (name, double(None));
    let integer = |name| (name, Expression::integer(0));
    let texts = TEXTS.map(|name| (name, text(None::<&str>)));
    [("feature", Expression::integer(0)), ("side", Expression::integer(0))]
        .into_iter()
        .chain(["noted", "noted_rounded", "noted_1e2", "noted_1e4"].map(number))
        .chain(["apart", "apart_1e2", "apart_1e4"].map(integer))
        .chain(texts)
        .collect()
}

/// Returns a stage of constant rows, of which there is at least one.
fn values_stage(name: &str, comment: &str, rows: Vec<Columns>) -> Stage {
    let columns = rows[0].iter().map(|(name, value)| ((*name).to_owned(), value.kind)).collect();
    let values =
        rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect()).collect();
    Stage {
        name: name.to_owned(),
        comment: comment.to_owned(),
        rows: Rows::Values { columns, rows: values },
    }
}

/// Returns the typical value as text; `None` if it is missing.
fn typical_value(encoder: &FeatureEncoder) -> Option<String> {
    match encoder.typical() {
        RawValue::Number(value) => value.map(|value| value.to_string()),
        RawValue::Text(value) => value.map(str::to_owned),
    }
}

pub(super) fn text(value: Option<impl AsRef<str>>) -> Expression {
    value.map_or(Expression::null(Type::Text), |value| Expression::text(value.as_ref()))
}

fn double(value: Option<f64>) -> Expression {
    value.map_or(Expression::null(Type::Double), Expression::double)
}

impl ReasonTemplate {
    /// Returns the words of a number; all null for a text.
    fn columns(&self) -> Columns {
        let number = match &self.encoding {
            Encoding::Numeric(number) => Some(number),
            Encoding::Categorical(_) => None,
        };
        let typical = number.and_then(|number| number.typical);
        let rounded = typical.map(|typical| self.number(typical, None));
        let word = |word: &str| text(number.map(|_| one_line(word)));
        let precision = |units: f64| double(number.map(|_| units));
        let [unchanged_at, unchanged] = match &self.clause.unchanged {
            Some((at, words)) => [word(&format!("{at}")), word(words)],
            None => [(); 2].map(|()| text(None::<&str>)),
        };
        let mut columns = vec![
            ("typical", double(typical)),
            ("typical_rounded", double(rounded.map(Number::rounded))),
            ("typical_1e2", finer(rounded, 0)),
            ("typical_1e4", finer(rounded, 1)),
        ];
        columns.extend(
            self.typical_texts(typical.zip(rounded)).map(|(name, typical)| (name, word(&typical))),
        );
        columns.extend([
            ("units_from_10", precision(self.precision.from_10)),
            ("units_from_1", precision(self.precision.from_1)),
            ("small", precision(self.precision.small)),
            ("before_number", word(&self.clause.before)),
            ("before_negative", word(&self.clause.before_negative)),
            ("after_number", word(&self.clause.after)),
            ("after_one", word(&self.clause.after_one)),
            ("unchanged_at", unchanged_at),
            ("unchanged", unchanged),
            ("missing", word(&self.clause.missing)),
            ("typical_of_missing", text(self.clause.typical_of_missing)),
        ]);
        columns.extend(self.change_columns());
        columns.extend(number.map_or_else(no_limits, |number| self.limits(number)));
        columns
    }

    /// Returns the text of the typical value, with usual and with more digits.
    fn typical_texts(&self, typical: Option<(f64, Number)>) -> [(&'static str, String); 4] {
        let write = |units: Option<f64>| match typical {
            Some((raw, _)) if self.clause.growth.is_some() => {
                TypicalGrowth::Other.words(raw).to_owned()
            }
            Some((raw, rounded)) => {
                self.value.write(raw, units.map_or(rounded, |units| rounded.with_units(units)))
            }
            None => self.value.missing.clone(),
        };
        [
            ("typical_text", write(None)),
            ("typical_text_1e2", write(Some(FINER_UNITS[0]))),
            ("typical_text_1e4", write(Some(FINER_UNITS[1]))),
            ("typical_text_1e8", write(Some(FINER_UNITS[2]))),
        ]
    }

    /// Returns the limits from training.
    fn limits(&self, number: &NumericEncoding) -> Columns {
        LIMITS.into_iter().zip(self.limit_values(number).map(double)).collect()
    }

    /// Returns the values from which on a number is in each of [`PLACES`].
    fn limit_values(&self, number: &NumericEncoding) -> [Option<f64>; 4] {
        let exceeds = |limit: Limit| move |raw: f64| number.exceeded_limit(raw) == Some(limit);
        let [lowest, highest] = self.range.map_or([None; 2], |range| range.map(Some));
        let (lower, upper) =
            (last_double(exceeds(Limit::Lower)), first_double(exceeds(Limit::Upper)));
        [lower, upper, lowest, highest]
    }

    /// Returns the note on values in a place, and how its number compares with the typical one;
    /// `None` if no value is in this place.
    fn note_columns(&self, place: Place) -> Option<Columns> {
        let Encoding::Numeric(number) = &self.encoding else { return None };
        let index = PLACES.into_iter().position(|other| other == place)?;
        self.limit_values(number)[index]?;
        let noted = self.noted(number, place)?;
        let rounded = self.number(noted, None);
        let is_apart = |units: Option<f64>| {
            let pair = [Some(noted), number.typical].into_iter().flatten();
            let pair: Vec<(f64, Number)> = pair.map(|v| (v, self.number(v, units))).collect();
            Expression::integer(i64::from(distinct_units(&pair).is_none()))
        };
        let note = |units: Option<f64>| {
            let note = self.place_note(number, place, units)?;
            Some(format!("{note}; "))
        };
        let finer_units = FINER_UNITS.map(Some);
        let units = [None, finer_units[0], finer_units[1], finer_units[2]];
        let texts = TEXTS.into_iter().zip(units).map(|(name, units)| (name, text(note(units))));
        let mut columns = vec![
            ("noted", double(Some(noted))),
            ("noted_rounded", double(Some(rounded.rounded()))),
            ("noted_1e2", finer(Some(rounded), 0)),
            ("noted_1e4", finer(Some(rounded), 1)),
            ("apart", is_apart(None)),
            ("apart_1e2", is_apart(finer_units[0])),
            ("apart_1e4", is_apart(finer_units[1])),
        ];
        columns.extend(texts);
        Some(columns)
    }
}

/// Columns of the limits from training, in the order of [`PLACES`].
pub(super) const LIMITS: [&str; 4] = ["lower_limit", "upper_limit", "lowest", "highest"];

/// Returns the limits of a text, which has none.
fn no_limits() -> Columns {
    LIMITS.map(|limit| (limit, double(None))).into()
}

/// Returns a number rounded to finer units.
fn finer(number: Option<Number>, index: usize) -> Expression {
    double(number.map(|number| number.with_units(FINER_UNITS[index]).rounded()))
}
