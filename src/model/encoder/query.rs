//! The design columns as a query, as differences from the typical account.

use super::{
    CategoricalEncoding, DesignColumn, Encoding, FeatureEncoder, MISSING, NumericEncoding, OTHER,
    Preprocessor, Term, last_double,
};
use crate::query::{ColumnNames, Expression, Function, Inlining, Rows, Select, Stage, Type};

/// Stage of the transformed numbers.
const TRANSFORMED: &str = "transformed";
/// Stage of the design columns.
pub(crate) const ENCODED: &str = "encoded";
/// Its name in the next stage, which names its columns thousands of times.
pub(crate) const ENCODED_ALIAS: &str = "e";

/// Stages that encode features.
#[derive(Debug)]
pub(crate) struct EncodedRows {
    /// The last one also has all columns of the features.
    pub(crate) stages: Vec<Stage>,
    /// Difference of each design column from its value in the typical account, before
    /// standardization, as a column of the last stage under the name [`ENCODED_ALIAS`]; `None` for
    /// a column that is not used.
    pub(crate) differences: Vec<Option<Expression>>,
}

impl FeatureEncoder {
    /// Returns the type of the feature.
    pub(crate) fn kind(&self) -> Type {
        match self.encoding {
            Encoding::Numeric(_) => Type::Double,
            Encoding::Categorical(_) => Type::Text,
        }
    }
}

/// Writes the stages that encode features as differences from the typical account.
///
/// # Arguments
/// * `features` – a stage with one column per feature: numbers without NaN, texts that are not empty
/// * `used` – whether each design column is used, with the largest absolute factor of its value
/// * `names` – names of the columns so far
pub(crate) fn encode_stages(
    preprocessor: &Preprocessor,
    features: Select,
    used: &[Option<f64>],
    names: &mut ColumnNames,
) -> EncodedRows {
    let columns = preprocessor.columns();
    let raw = |feature: usize, relation: &str| {
        let encoder = &preprocessor.features[feature];
        Expression::column(relation, &encoder.feature, encoder.kind())
    };
    let alias = features.alias.clone();
    let mut select = Select { all_columns: true, inlining: Inlining::Avoided, ..features };
    let mut values: Vec<Option<Expression>> = Vec::new();
    for (index, encoder) in preprocessor.features.iter().enumerate() {
        let factors = columns.iter().zip(used).filter(|(column, _)| {
            column.feature == index && matches!(column.term, Term::Value | Term::Hinge(_))
        });
        let factor = factors.filter_map(|(_, factor)| *factor).reduce(f64::max);
        let (Encoding::Numeric(number), Some(factor)) = (&encoder.encoding, factor) else {
            values.push(None);
            continue;
        };
        let name = names.add(&format!("x_{}", encoder.feature));
        select = select.column(&name, number.transformed(&raw(index, &alias), factor));
        values.push(Some(Expression::column(TRANSFORMED, &name, Type::Double)));
    }
    let transformed = Stage {
        name: TRANSFORMED.to_owned(),
        comment: "Numbers as the model reads them (x_): within the limits from training, some as ln(1 + x). A missing number counts as the typical one.".to_owned(),
        rows: Rows::Select(select),
    };
    let mut select = Select::extending(TRANSFORMED);
    let mut differences = Vec::new();
    for ((column, typical), factor) in columns.iter().zip(preprocessor.typical_terms()).zip(used) {
        if factor.is_none() {
            differences.push(None);
            continue;
        }
        let inputs = (&raw(column.feature, TRANSFORMED), values[column.feature].as_ref());
        let name = names.add(&format!("d{}", differences.len() + 1));
        let encoding = &preprocessor.features[column.feature].encoding;
        select = select.column(&name, difference(column, encoding, inputs, typical));
        differences.push(Some(Expression::column(ENCODED_ALIAS, &name, Type::Double)));
    }
    let encoded = Stage {
        name: ENCODED.to_owned(),
        comment: "Differences from the typical account, for which each of these columns (d1, d2, …) is 0."
            .to_owned(),
        rows: Rows::Select(select),
    };
    EncodedRows { stages: vec![transformed, encoded], differences }
}

/// Returns the difference of a design column from its value in the typical account.
///
/// # Arguments
/// * `raw`, `transformed` – the feature, and the transformed number
fn difference(
    column: &DesignColumn<'_>,
    encoding: &Encoding,
    (raw, transformed): (&Expression, Option<&Expression>),
    typical: f64,
) -> Expression {
    let transformed = || transformed.expect("a used column has its number").clone();
    let flag = |condition: Expression| {
        Expression::case(
            vec![(condition, Expression::double(1.0 - typical))],
            Expression::double(0.0 - typical),
        )
    };
    match (column.term, encoding) {
        (Term::Value, _) => minus(transformed(), typical),
        (Term::Hinge(knot), _) => {
            let excess = vec![minus(transformed(), knot), Expression::double(0.0)];
            minus(Expression::call(Function::Greatest, excess), typical)
        }
        (Term::Missing, _) => flag(raw.clone().is_null()),
        (Term::Jump(above), Encoding::Numeric(number)) => flag(number.is_above(raw, above)),
        (Term::Level(level), Encoding::Categorical(text)) => flag(text.has_level(raw, level)),
        (term, _) => unreachable!("the feature has another type than {term:?}"),
    }
}

/// Subtracts a constant.
fn minus(value: Expression, constant: f64) -> Expression {
    if constant == 0.0 { value } else { value.subtract(Expression::double(constant)) }
}

impl NumericEncoding {
    /// Returns the transformed number.
    ///
    /// # Arguments
    /// * `factor` – largest absolute factor of the number in the log-odds
    fn transformed(&self, raw: &Expression, factor: f64) -> Expression {
        let double = Expression::double;
        let mut value = raw.clone();
        if self.log1p {
            let positive = Expression::call(Function::Greatest, vec![value, double(0.0)]);
            value = ln_1p(positive, factor);
        }
        if let Some((low, high)) = self.bounds {
            let capped = Expression::call(Function::Least, vec![value, double(high)]);
            value = Expression::call(Function::Greatest, vec![capped, double(low)]);
        }
        Expression::case(vec![(raw.clone().is_null(), double(self.fill))], value)
    }

    /// Returns whether the transformed number is above a value, by the raw number: logarithms
    /// differ between engines in the last bit.
    fn is_above(&self, raw: &Expression, value: f64) -> Expression {
        let above = match last_double(|raw| self.transform_present(raw) <= value) {
            Some(last) => raw.clone().greater(Expression::double(last)),
            None => raw.clone().is_not_null(),
        };
        if self.fill > value { above.or(raw.clone().is_null()) } else { above }
    }
}

/// Returns ln(1 + x) of a number of at least 0.
fn ln_1p(x: Expression, factor: f64) -> Expression {
    /// Factor up to which the rounding error of 1 + x, at most 1.1e-16, is negligible.
    const LARGE: f64 = 1e5;
    let sum = Expression::double(1.0).add(x.clone());
    let logarithm = Expression::call(Function::Ln, vec![sum.clone()]);
    if factor <= LARGE {
        return logarithm;
    }
    // Goldberg, "What every computer scientist should know about floating-point arithmetic", ACM
    // Computing Surveys 23 (1991), theorem 4.
    let rounded = sum.clone().subtract(Expression::double(1.0));
    let is_tiny = sum.equal(Expression::double(1.0));
    Expression::case(vec![(is_tiny, x.clone())], logarithm.multiply(x).divide(rounded))
}

impl CategoricalEncoding {
    /// Returns whether a text has a level with a column.
    fn has_level(&self, raw: &Expression, level: &str) -> Expression {
        let equals = |level: &str| {
            let equal = raw.clone().equal(Expression::text(level));
            if level == MISSING { equal.or(raw.clone().is_null()) } else { equal }
        };
        let is_known = self.levels.iter().any(|(known, _)| known == level);
        if level != OTHER || (is_known && self.rare_levels.is_empty()) {
            return equals(level);
        }
        let (missing, texts): (Vec<&str>, Vec<&str>) =
            self.known_levels().filter(|own| *own != OTHER).partition(|own| *own == MISSING);
        let texts = texts.into_iter().map(Expression::text).collect();
        let other = raw.clone().is_in(texts).negate();
        match missing[..] {
            [] => other.or(raw.clone().is_null()),
            _ => other.and(raw.clone().not_equal(Expression::text(MISSING))),
        }
    }
}
