//! Columns as numbers or categories, by their values or as decided in the training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use polars::prelude::*;

use super::format::NumberFormat;
use super::marks::{MarkCounts, NullMarks};
use super::numbers::{NumberReader, TextColumnKind, infer_kind, plain_numbers};
use super::{CellLocation, ValueKind, levels, nullable};
use crate::config::{Config, MaxLine};
use crate::error::{Error, Result};
use crate::time::Zone;
use crate::warning::{MarkedColumn, Warning};

/// How the columns of a table are read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnTypes {
    /// Kinds by column; those of other columns are inferred from their values.
    pub kinds: BTreeMap<String, ValueKind>,
    /// Formats of numbers by column, from the training; other columns have
    /// [`NumberFormat::Plain`]. `None`: inferred from the values. Properties of events have the
    /// prefix `events.`, and other numbers of the account list have the name of their setting.
    pub formats: Option<BTreeMap<String, NumberFormat>>,
    /// Texts that mean a missing number or time.
    pub null: NullMarks,
    /// Zone of times without an offset.
    pub zone: Zone,
    /// Maximum length of a line of a text file.
    pub max_line: MaxLine,
}

impl ColumnTypes {
    /// Returns the types for training: the columns of `design.categorical` are categories.
    #[must_use]
    pub fn for_training(config: &Config) -> Self {
        let text = |name: &String| (name.clone(), ValueKind::Text);
        Self {
            kinds: config.design.categorical.iter().map(text).collect(),
            formats: None,
            null: NullMarks::new(&config.input.null),
            zone: config.input.timezone,
            max_line: config.input.max_line,
        }
    }

    /// Returns a reader of a column of numbers.
    pub(crate) fn reader(&self, column: &str) -> NumberReader {
        let format = |formats: &BTreeMap<String, NumberFormat>| {
            formats.get(column).copied().unwrap_or_default()
        };
        NumberReader::new(self.formats.as_ref().map(format))
    }

    /// Converts a column to `Float64`, or to `String` with levels in canonical form.
    ///
    /// # Errors
    /// * [`Error::BadValue`]: a value of a numeric column is not a number
    pub(crate) fn convert(
        &self,
        column: &Column,
        location: CellLocation<'_>,
    ) -> Result<TypedColumn> {
        let texts = column.str().ok();
        let kind = self.kinds.get(column.name().as_str()).copied();
        let kind = kind.or_else(|| match column.dtype() {
            DataType::String => None,
            t if t.is_primitive_numeric() || t == &DataType::Boolean || t == &DataType::Null => {
                Some(ValueKind::Number)
            }
            _ => Some(ValueKind::Text),
        });
        let name = column.name();
        match (kind, texts) {
            (Some(ValueKind::Number), _) => self.numbers(column, self.reader(name), location),
            (Some(ValueKind::Text), _) => TypedColumn::from_levels(column),
            (None, Some(texts)) => {
                if let Some(numbers) = plain_numbers(texts, &self.null) {
                    return Ok(TypedColumn::from_numbers(name, numbers));
                }
                match infer_kind(texts, &self.null) {
                    TextColumnKind::Numbers(format) => {
                        self.numbers(column, NumberReader::new(Some(format)), location)
                    }
                    TextColumnKind::Texts => TypedColumn::from_levels(column),
                    TextColumnKind::NumbersWithUnit { first: (index, found) } => {
                        let (column_name, row) = (name.to_string(), location.row(index));
                        let mixed = Warning::NumbersWithUnit { column: column_name, found, row };
                        let typed = TypedColumn::from_levels(column)?;
                        Ok(TypedColumn { mixed: Some(mixed), ..typed })
                    }
                    TextColumnKind::NearlyNumbers { numbers, values, odd: (index, found) } => {
                        let mixed = Warning::MixedColumn {
                            column: name.to_string(),
                            numbers,
                            values,
                            found,
                            row: location.row(index),
                        };
                        let typed = TypedColumn::from_levels(column)?;
                        Ok(TypedColumn { mixed: Some(mixed), ..typed })
                    }
                }
            }
            (None, None) => unreachable!("a column without a kind has texts"),
        }
    }

    fn numbers(
        &self,
        column: &Column,
        mut reader: NumberReader,
        location: CellLocation<'_>,
    ) -> Result<TypedColumn> {
        let numbers = reader.read(column, &self.null, location)?;
        let typed = TypedColumn::from_numbers(column.name(), numbers);
        Ok(TypedColumn { reader, ..typed })
    }
}

/// A converted column.
#[derive(Debug)]
pub(crate) struct TypedColumn {
    /// The values, `Float64` or `String`.
    pub(crate) column: Column,
    /// The reader of its numbers.
    reader: NumberReader,
    /// Warning about numbers in a column of categories.
    mixed: Option<Warning>,
}

impl TypedColumn {
    fn from_numbers(name: &str, numbers: Vec<f64>) -> Self {
        let reader = NumberReader::from_plain(numbers.len());
        Self { column: nullable(name, numbers), reader, mixed: None }
    }

    fn from_levels(column: &Column) -> Result<Self> {
        let column = levels(column)?.into_column();
        Ok(Self { column, reader: NumberReader::default(), mixed: None })
    }
}

impl From<Column> for TypedColumn {
    /// Wraps a column that needs no conversion.
    fn from(column: Column) -> Self {
        Self { reader: NumberReader::from_plain(column.len()), column, mixed: None }
    }
}

/// Replaces the file and row of an error about a value of a table of several files.
///
/// # Arguments
/// * `locate` – returns the file of a row of the table, and its row there, all from 1
pub(crate) fn located(error: Error, locate: impl FnOnce(u64) -> (PathBuf, u64)) -> Error {
    match error {
        Error::BadValue { row: Some(row), column, found, expected, .. } => {
            let (path, row) = locate(row);
            Error::BadValue { path, row: Some(row), column, found, expected }
        }
        other => other,
    }
}

impl TypedColumn {
    /// Replaces the row of its warning.
    pub(crate) fn locate(mut self, locate: impl FnOnce(u64) -> u64) -> Self {
        if let Some(Warning::MixedColumn { row, .. } | Warning::NumbersWithUnit { row, .. }) =
            &mut self.mixed
        {
            *row = locate(*row);
        }
        self
    }
}

/// What was noticed while columns were converted.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnNotes {
    /// Formats of numbers by key, other than [`NumberFormat::Plain`].
    pub(crate) formats: BTreeMap<String, NumberFormat>,
    /// The same by column.
    formatted: BTreeMap<String, NumberFormat>,
    /// Numbers of values, and of missing ones by mark, by column of numbers.
    marks: BTreeMap<String, (u64, MarkCounts)>,
    mixed: Vec<Warning>,
}

impl ColumnNotes {
    /// Notes a converted column, and returns its values.
    pub(crate) fn note(&mut self, typed: TypedColumn) -> Column {
        let TypedColumn { column, reader, mixed } = typed;
        self.note_numbers(column.name(), column.name(), &reader);
        self.mixed.extend(mixed);
        column
    }

    /// Notes a column of numbers.
    ///
    /// # Arguments
    /// * `key` – key of its format in [`ColumnTypes::formats`]
    pub(crate) fn note_numbers(&mut self, key: &str, column: &str, reader: &NumberReader) {
        if reader.format() != NumberFormat::Plain {
            self.formats.insert(key.to_owned(), reader.format());
            self.formatted.insert(column.to_owned(), reader.format());
        }
        self.note_marks(column, reader.cells(), reader.marks().clone());
    }

    /// Notes values of a column of which some are missing.
    pub(crate) fn note_marks(&mut self, column: &str, values: u64, marks: MarkCounts) {
        let (cells, counts) = self.marks.entry(column.to_owned()).or_default();
        *cells += values;
        counts.merge(marks);
    }

    /// Returns the notes on missing values alone; formats are known from the training.
    pub(crate) fn marks_only(self) -> Self {
        Self { marks: self.marks, ..Self::default() }
    }

    /// Adds the notes on other columns.
    pub(crate) fn merge(&mut self, other: Self) {
        self.formats.extend(other.formats);
        self.formatted.extend(other.formatted);
        for (column, (cells, marks)) in other.marks {
            let (sum, counts) = self.marks.entry(column).or_default();
            *sum += cells;
            counts.merge(marks);
        }
        self.mixed.extend(other.mixed);
    }

    /// Returns the warnings about the columns.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for format in [NumberFormat::Thousands, NumberFormat::DecimalComma] {
            let columns = self.formatted.iter().filter(|(_, found)| **found == format);
            let columns: Vec<String> = columns.map(|(column, _)| column.clone()).collect();
            if !columns.is_empty() {
                let format = format.describe().to_owned();
                warnings.push(Warning::NumberFormat { columns, format });
            }
        }
        let marked = |(column, (values, counts)): (&String, &(u64, MarkCounts))| MarkedColumn {
            column: column.clone(),
            missing: counts.cells(),
            values: *values,
            marks: counts.marks(),
        };
        let found = self.marks.iter().filter(|(_, (_, counts))| !counts.is_empty());
        let columns: Vec<MarkedColumn> = found.map(marked).collect();
        if !columns.is_empty() {
            warnings.push(Warning::MissingMarks { columns });
        }
        warnings.extend(self.mixed.iter().cloned());
        warnings
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns the type and values of a converted column, and its warnings.
    fn convert(types: &ColumnTypes, values: &[&str]) -> (String, Vec<String>) {
        let location =
            CellLocation { path: Path::new("f.csv"), column: "x", first_row: 1, rows: &[] };
        let mut notes = ColumnNotes::default();
        let column = match types.convert(&Column::new("x".into(), values), location) {
            Ok(typed) => notes.note(typed),
            Err(error) => return (error.to_string(), Vec::new()),
        };
        let shown = match column.f64() {
            Ok(numbers) => format!("{:?}", numbers.iter().collect::<Vec<_>>()),
            Err(_) => format!("{:?}", column.str().unwrap().iter().collect::<Vec<_>>()),
        };
        (shown, notes.warnings().iter().map(ToString::to_string).collect())
    }

    fn inferred(values: &[&str]) -> (String, Vec<String>) {
        convert(&ColumnTypes::default(), values)
    }

    #[test]
    fn a_column_is_numeric_if_every_value_is_a_number_of_one_format() {
        for (values, expected, warnings) in [
            (
                &["1", " 2.5 ", "", "-1e3"][..],
                "[Some(1.0), Some(2.5), None, Some(-1000.0)]",
                &[][..],
            ),
            (&["TRUE", "false", "True"], "[Some(1.0), Some(0.0), Some(1.0)]", &[]),
            (&["", ""], "[None, None]", &[]),
            (
                &["1,234", "5"],
                "[Some(1234.0), Some(5.0)]",
                &["`x` has thousands separators (`1,234.5`)"],
            ),
            (
                &["1,234", "3,5"],
                "[Some(1.234), Some(3.5)]",
                &["`x` has decimal commas (`1.234,5`)"],
            ),
            (
                &["1.234,5", "1.000"],
                "[Some(1234.5), Some(1000.0)]",
                &["`x` has decimal commas (`1.234,5`)"],
            ),
            (&["007", "12"], r#"[Some("007"), Some("12")]"#, &[]),
            (&["1", "true"], r#"[Some("1"), Some("true")]"#, &[]),
            (&["3.5", "3,5"], r#"[Some("3.5"), Some("3,5")]"#, &[]),
            (
                &["7.0", "a", " a ", "True"],
                r#"[Some("7"), Some("a"), Some("a"), Some("true")]"#,
                &[],
            ),
        ] {
            assert_eq!(
                inferred(values),
                (expected.to_owned(), warnings.iter().map(|w| (*w).to_owned()).collect())
            );
        }
    }

    #[test]
    fn marks_are_missing_numbers_but_levels_of_texts() {
        let (shown, warnings) = inferred(&["1", "NA", "null", "-", " ", "", r"\N", "na"]);
        assert_eq!(shown, "[Some(1.0), None, None, None, None, None, None, None]");
        let marks =
            "Read as missing: `x` (blank or `-` or `NA` or `\\N` or `na` or `null`, 6 of 8 values)";
        assert_eq!(warnings, [marks]);
        assert_eq!(inferred(&["US", "NA", "DE"]).0, r#"[Some("US"), Some("NA"), Some("DE")]"#);
        let types = |marks: &[&str]| ColumnTypes {
            null: NullMarks::new(&marks.iter().map(|mark| (*mark).to_owned()).collect::<Vec<_>>()),
            ..ColumnTypes::default()
        };
        assert_eq!(
            convert(&types(&["?", "-999"]), &["1", "?", "-999"]).0,
            "[Some(1.0), None, None]"
        );
        assert_eq!(convert(&types(&[]), &["1", "NA"]).0, r#"[Some("1"), Some("NA")]"#);
    }

    #[test]
    fn a_few_other_values_are_reported_with_the_first_one() {
        let mut values = vec!["12"; 9];
        values.push("twelve");
        assert_eq!(
            inferred(&values).1,
            [
                "`x` is read as text: 9 of 10 values are numbers, and row 10 is `twelve`. Add `twelve` to `input.null` to read it as missing, or `x` to `design.categorical`."
            ]
        );
        values.extend(["a", "b"]);
        assert_eq!(inferred(&values).1, Vec::<String>::new(), "a quarter is not a few");
    }

    #[test]
    fn numbers_with_a_unit_are_reported_with_the_first_one() {
        for values in [["12%", "3.5%", "NA"], ["-$1,200", "$5", "$ 7.5"], ["3,5 €", "", "2 €"]]
        {
            let warning = format!(
                "`x` is read as text: its values are numbers with a unit, such as `{}` in row 1. Write the numbers alone, or add `x` to `design.categorical`.",
                values[0]
            );
            assert_eq!(inferred(&values).1, [warning]);
        }
        let texts = ["a%", "$", "12 kg", "plan 5", "100%"];
        assert_eq!(inferred(&texts).1, Vec::<String>::new());
    }

    #[test]
    fn the_format_of_the_training_is_kept() {
        let types = |format: Option<NumberFormat>| ColumnTypes {
            kinds: BTreeMap::from([("x".to_owned(), ValueKind::Number)]),
            formats: Some(format.map(|format| ("x".to_owned(), format)).into_iter().collect()),
            ..ColumnTypes::default()
        };
        let comma = types(Some(NumberFormat::DecimalComma));
        assert_eq!(convert(&comma, &["1,234"]).0, "[Some(1.234)]");
        assert_eq!(
            convert(&comma, &["3.5"]).0,
            "`f.csv`, row 1, column `x`: found `3.5`, expected a number such as 1.234,5, as in the training data"
        );
        assert_eq!(
            convert(&types(None), &["5", "1,234"]).0,
            "`f.csv`, row 2, column `x`: found `1,234`, expected a number such as 1234.5, as in the training data"
        );
        assert!(convert(&types(None), &["a"]).0.ends_with("found `a`, expected a number"));
    }
}
