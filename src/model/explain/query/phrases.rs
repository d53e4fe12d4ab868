//! The words of the sentences, and the numbers that decide on them, as constant rows.

use super::{ReasonRows, position};
use crate::escape::one_line;
use crate::model::encoder::{
    Encoding, FeatureEncoder, Limit, NumericEncoding, RawValue, first_double, last_double,
};
use crate::model::explain::number::{FINER_UNITS, Number};
use crate::model::explain::reasons::{Place, ReasonTemplate};
use crate::query::{Expression, Rows, Stage, Type};

/// Stage of the words.
pub(super) const PHRASES: &str = "phrases";

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
        let columns = rows[0].iter().map(|(name, value)| ((*name).to_owned(), value.kind));
        Stage {
            name: PHRASES.to_owned(),
            comment: "Words of the sentence of each feature, with its typical value and the limits from training.".to_owned(),
            rows: Rows::Values {
                columns: columns.collect(),
                rows: rows
                    .into_iter()
                    .map(|row| row.into_iter().map(|(_, value)| value).collect())
                    .collect(),
            },
        }
    }
}

/// Returns the typical value as text; `None` if it is missing.
fn typical_value(encoder: &FeatureEncoder) -> Option<String> {
    match encoder.typical() {
        RawValue::Number(value) => value.map(|value| value.to_string()),
        RawValue::Text(value) => value.map(str::to_owned),
    }
}

fn text(value: Option<impl AsRef<str>>) -> Expression {
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
        let signed = |index: usize| {
            double(rounded.map(|rounded| rounded.with_units(FINER_UNITS[index]).signed()))
        };
        let word = |word: &str| text(number.map(|_| one_line(word)));
        let precision = |units: f64| double(number.map(|_| units));
        let [unchanged_at, unchanged] = match &self.clause.unchanged {
            Some((at, words)) => [word(&format!("{at}")), word(words)],
            None => [(); 2].map(|()| text(None::<&str>)),
        };
        let mut columns = vec![
            ("typical", double(typical)),
            ("typical_rounded", double(rounded.map(Number::rounded))),
            ("typical_units_per_1", double(rounded.map(|rounded| rounded.units_per_1))),
            ("typical_1e2", signed(0)),
            ("typical_1e4", signed(1)),
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
        ]);
        columns.extend(number.map_or_else(no_limits, |number| self.limits(number)));
        columns
    }

    /// Returns the text of the typical value, with usual and with more digits.
    fn typical_texts(&self, typical: Option<(f64, Number)>) -> [(&'static str, String); 4] {
        let write = |units: Option<f64>| match typical {
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

    /// Returns the limits from training, with notes on values beyond them.
    fn limits(&self, number: &NumericEncoding) -> Columns {
        let exceeds = |limit: Limit| move |raw: f64| number.exceeded_limit(raw) == Some(limit);
        let note = |limit: Option<f64>, place: Place| {
            let note = self.place_note(number, place).filter(|_| limit.is_some());
            text(note.map(|note| format!("{note}; ")))
        };
        let lower = last_double(exceeds(Limit::Lower));
        let upper = first_double(exceeds(Limit::Upper));
        let [lowest, highest] = self.range.map_or([None; 2], |range| range.map(Some));
        vec![
            ("lower_limit", double(lower)),
            ("lower_note", note(lower, Place::Limited(Limit::Lower))),
            ("upper_limit", double(upper)),
            ("upper_note", note(upper, Place::Limited(Limit::Upper))),
            ("lowest", double(lowest)),
            ("lowest_note", note(lowest, Place::Below)),
            ("highest", double(highest)),
            ("highest_note", note(highest, Place::Above)),
        ]
    }
}

/// Returns the limits of a text, which has none.
fn no_limits() -> Columns {
    let limits = [
        ("lower_limit", "lower_note"),
        ("upper_limit", "upper_note"),
        ("lowest", "lowest_note"),
        ("highest", "highest_note"),
    ];
    let columns = limits.map(|(limit, note)| [(limit, double(None)), (note, text(None::<&str>))]);
    columns.into_iter().flatten().collect()
}
