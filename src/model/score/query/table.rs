//! Features from a table of the engine, such as one that `pql features` wrote.

use crate::log::NullMarks;
use crate::log::query::{level, present, source_number};
use crate::model::encoder::{Encoding, FeatureEncoder, Preprocessor};
use crate::query::stages::FEATURES;
use crate::query::{Expression, Function, Inlining, Rows, Select, Source, Stage, TableName, Type};

/// Columns of a table of features.
#[derive(Debug, Clone)]
pub(crate) struct FeatureTable {
    /// Its name.
    pub(crate) name: TableName,
    /// Column of the account.
    pub(crate) account: String,
    /// Column of the cutoff, a time; `None` without cutoffs.
    pub(crate) cutoff: Option<String>,
}

/// Writes the features of a table as a stage: NaN and blank texts are missing.
///
/// # Arguments
/// * `null` – numbers that mean a missing value
pub(crate) fn feature_stage(
    preprocessor: &Preprocessor,
    table: &FeatureTable,
    null: &NullMarks,
) -> Stage {
    const ALIAS: &str = "source";
    let raw = |column: &str| Expression::raw(ALIAS, column);
    let cutoff = table.cutoff.as_ref().map_or(Expression::null(Type::Integer), |column| {
        Expression::call(Function::ToMicros, vec![raw(column)])
    });
    let mut select = Select::from(Source::Table(table.name.clone()), ALIAS)
        .column("account_id", present(&raw(&table.account).cast(Type::Text)))
        .column("cutoff", cutoff);
    for encoder in &preprocessor.features {
        let value = match encoder.encoding {
            Encoding::Numeric(_) => source_number(&raw(&encoder.feature), null),
            Encoding::Categorical(_) => level(&raw(&encoder.feature).cast(Type::Text)),
        };
        select = select.column(&encoder.feature, value);
    }
    Stage {
        name: FEATURES.to_owned(),
        comment: "One row per account and cutoff, with the features of the model.".to_owned(),
        rows: Rows::Select(Select { inlining: Inlining::Avoided, ..select }),
    }
}

/// Returns the condition of rows whose features are finite: `pql score` leaves out the others.
pub(crate) fn are_finite(preprocessor: &Preprocessor) -> Expression {
    let is_numeric = |encoder: &&FeatureEncoder| matches!(encoder.encoding, Encoding::Numeric(_));
    let conditions = preprocessor.features.iter().filter(is_numeric).map(|encoder| {
        let value = Expression::column(FEATURES, &encoder.feature, Type::Double);
        let size = Expression::call(Function::Abs, vec![value.clone()]);
        value.is_null().or(size.less_equal(Expression::double(f64::MAX)))
    });
    Expression::all(conditions)
}
