//! Operators that turn features into the standardized design matrix.

use super::CategoryInput;
use super::graph::{GraphBuilder, Value};
use super::proto::ElementType;
use crate::model::encoder::{
    CategoricalEncoding, DesignColumn, Encoding, FeatureEncoder, NumericEncoding, Preprocessor,
    Term,
};

/// Adds the inputs and the standardized design matrix, shape (rows, columns).
pub(super) fn design(
    graph: &mut GraphBuilder,
    preprocessor: &Preprocessor,
    category_input: CategoryInput,
) -> Value {
    let columns = preprocessor.columns();
    let inputs = inputs(graph, preprocessor, category_input);
    let mut parts = Parts::default();
    let mut numbers = Vec::new();
    for (index, (encoder, input)) in preprocessor.features.iter().zip(&inputs).enumerate() {
        match &encoder.encoding {
            Encoding::Numeric(number) => numbers.push((index, number, input.clone())),
            Encoding::Categorical(text) => {
                let is_own = |(_, column): &(usize, &DesignColumn<'_>)| column.feature == index;
                let (places, own): (Vec<usize>, Vec<&DesignColumn<'_>>) =
                    columns.iter().enumerate().filter(is_own).unzip();
                let values = level_columns(graph, input, text, &own, category_input);
                parts.add(values, places);
            }
        }
    }
    if !numbers.is_empty() {
        Numbers::transform(graph, &numbers).add_terms(graph, &columns, &mut parts);
    }
    let values = parts.in_order(graph);
    standardize(graph, &values, &columns)
}

/// Adds an input for each feature, and returns them with shape (rows, 1).
fn inputs(
    graph: &mut GraphBuilder,
    preprocessor: &Preprocessor,
    category_input: CategoryInput,
) -> Vec<Value> {
    let add = |encoder: &FeatureEncoder| {
        let element = match (&encoder.encoding, category_input) {
            (Encoding::Numeric(_), _) => ElementType::Double,
            (Encoding::Categorical(_), CategoryInput::Text) => ElementType::String,
            (Encoding::Categorical(_), CategoryInput::Code) => ElementType::Int64,
        };
        graph.input(&encoder.feature, element)
    };
    let inputs: Vec<Value> = preprocessor.features.iter().map(add).collect();
    let shape = graph.int64s(&[-1, 1], &[2]);
    inputs.iter().map(|input| graph.node("Reshape", &[input, &shape])).collect()
}

/// Design columns before standardization, in groups.
#[derive(Default)]
struct Parts {
    values: Vec<Value>,
    /// Index in the design matrix of each column.
    columns: Vec<usize>,
}

impl Parts {
    fn add(&mut self, values: Value, columns: Vec<usize>) {
        self.values.push(values);
        self.columns.extend(columns);
    }

    /// Joins the columns in the order of the design matrix.
    fn in_order(&self, graph: &mut GraphBuilder) -> Value {
        let joined = graph.beside(&self.values);
        if self.columns.is_sorted() {
            return joined;
        }
        let mut places: Vec<usize> = (0..self.columns.len()).collect();
        places.sort_by_key(|place| self.columns[*place]);
        graph.columns(&joined, &places)
    }
}

/// The numeric features of a model.
struct Numbers {
    /// Indices of the features.
    features: Vec<usize>,
    /// Transformed values, shape (rows, features).
    transformed: Value,
    /// Whether the raw values are missing, as 1 and 0.
    missing: Value,
}

impl Numbers {
    /// Applies log1p, bounds and fill, as [`NumericEncoding::transform`] does.
    ///
    /// # Arguments
    /// * `features` – index, encoding and input of each feature
    fn transform(graph: &mut GraphBuilder, features: &[(usize, &NumericEncoding, Value)]) -> Self {
        let raw: Vec<Value> = features.iter().map(|(.., input)| input.clone()).collect();
        let raw = &graph.beside(&raw);
        let numbers: Vec<&NumericEncoding> =
            features.iter().map(|(_, number, _)| *number).collect();
        let is_missing = graph.is_nan(raw);
        let mut value = graph.finite(raw);
        if numbers.iter().any(|number| number.log1p) {
            let has_logarithm: Vec<bool> = numbers.iter().map(|number| number.log1p).collect();
            let has_logarithm = graph.bools(&has_logarithm);
            let logarithm = log1p(graph, &value);
            value = graph.node("Where", &[&has_logarithm, &logarithm, &value]);
        }
        if numbers.iter().any(|number| number.bounds.is_some()) {
            let bounds = |number: &&NumericEncoding| {
                number.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY))
            };
            let (low, high): (Vec<f64>, Vec<f64>) = numbers.iter().map(bounds).unzip();
            let (low, high) = (graph.row(&low), graph.row(&high));
            value = graph.at_least(&low, &value);
            value = graph.at_most(&high, &value);
        }
        let fill: Vec<f64> = numbers.iter().map(|number| number.fill).collect();
        let fill = graph.row(&fill);
        let transformed = graph.node("Where", &[&is_missing, &fill, &value]);
        let features = features.iter().map(|(index, ..)| *index).collect();
        Self { features, transformed, missing: graph.indicator(&is_missing) }
    }

    /// Adds the columns of each kind of term.
    fn add_terms(&self, graph: &mut GraphBuilder, columns: &[DesignColumn<'_>], parts: &mut Parts) {
        for kind in [TermKind::Value, TermKind::Jump, TermKind::Hinge, TermKind::Missing] {
            let is_own =
                |(_, column): &(usize, &DesignColumn<'_>)| TermKind::new(column.term) == kind;
            let (places, own): (Vec<usize>, Vec<&DesignColumn<'_>>) =
                columns.iter().enumerate().filter(is_own).unzip();
            if own.is_empty() {
                continue;
            }
            let source = if kind == TermKind::Missing { &self.missing } else { &self.transformed };
            let index = |column: &&DesignColumn<'_>| {
                self.features.iter().position(|feature| *feature == column.feature)
            };
            let source = graph.columns(source, &own.iter().filter_map(index).collect::<Vec<_>>());
            let knots: Vec<f64> = own.iter().map(|column| knot(column.term)).collect();
            let values = match kind {
                TermKind::Jump => {
                    let [zero, one, nan] = [0.0, 1.0, f64::NAN].map(|value| graph.double(value));
                    let knots = graph.row(&knots);
                    let is_above = graph.node("Greater", &[&source, &knots]);
                    let above = graph.node("Where", &[&is_above, &one, &nan]);
                    let is_below = graph.node("LessOrEqual", &[&source, &knots]);
                    graph.node("Where", &[&is_below, &zero, &above])
                }
                TermKind::Hinge => {
                    let (zero, knots) = (graph.double(0.0), graph.row(&knots));
                    let excess = graph.node("Sub", &[&source, &knots]);
                    graph.at_least(&zero, &excess)
                }
                _ => source,
            };
            parts.add(values, places);
        }
    }
}

/// The kind of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TermKind {
    Value,
    Jump,
    Hinge,
    Missing,
    Level,
}

impl TermKind {
    fn new(term: Term<'_>) -> Self {
        match term {
            Term::Value => Self::Value,
            Term::Jump(_) => Self::Jump,
            Term::Hinge(_) => Self::Hinge,
            Term::Missing => Self::Missing,
            Term::Level(_) => Self::Level,
        }
    }
}

/// Returns the knot of a jump or hinge; 0 for other terms.
fn knot(term: Term<'_>) -> f64 {
    match term {
        Term::Jump(knot) | Term::Hinge(knot) => knot,
        Term::Value | Term::Missing | Term::Level(_) => 0.0,
    }
}

/// Computes ln(1 + max(x, 0)) without loss of digits for small x: ONNX has no operator for it.
///
/// With u = 1 + x rounded, it is ln(u) · x / (u − 1): the rounding error of u cancels.
/// # Source
/// Goldberg, "What every computer scientist should know about floating-point arithmetic", *ACM
/// Computing Surveys* 23 (1991), theorem 4
fn log1p(graph: &mut GraphBuilder, value: &Value) -> Value {
    let (zero, one) = (graph.double(0.0), graph.double(1.0));
    let x = graph.at_least(&zero, value);
    let u = graph.node("Add", &[&x, &one]);
    let logarithm = graph.node("Log", &[&u]);
    let rounded = graph.node("Sub", &[&u, &one]);
    let correction = graph.node("Div", &[&x, &rounded]);
    let corrected = graph.node("Mul", &[&logarithm, &correction]);
    let is_tiny = graph.node("Equal", &[&u, &one]);
    graph.node("Where", &[&is_tiny, &x, &corrected])
}

/// Adds the 0/1 columns of a text, shape (rows, columns).
///
/// A known text selects a row of a matrix; all others have the row of the level of unknown texts.
fn level_columns(
    graph: &mut GraphBuilder,
    input: &Value,
    text: &CategoricalEncoding,
    columns: &[&DesignColumn<'_>],
    category_input: CategoryInput,
) -> Value {
    let indicators = |level: &str| -> Vec<f64> {
        let is_level = |column: &&DesignColumn<'_>| column.term == Term::Level(level);
        columns.iter().map(|column| f64::from(u8::from(is_level(column)))).collect()
    };
    let unknown = indicators(text.unknown_level());
    let mut levels: Vec<&str> = text.known_levels().collect();
    let mut rows: Vec<Vec<f64>> = levels.iter().map(|level| indicators(level)).collect();
    let known = match category_input {
        CategoryInput::Text => {
            // The empty text is missing.
            levels.push("");
            rows.push(indicators(text.level(None).name));
            graph.strings(&levels)
        }
        CategoryInput::Code => {
            let codes: Vec<i64> = (0..).take(levels.len()).collect();
            graph.int64s(&codes, &[1, levels.len()])
        }
    };
    let difference = rows.iter().flatten().zip(unknown.iter().cycle()).map(|(row, u)| row - u);
    let difference = graph.doubles(&difference.collect::<Vec<_>>(), &[levels.len(), columns.len()]);
    let is_level = graph.node("Equal", &[input, &known]);
    let is_level = graph.indicator(&is_level);
    let difference = graph.node("MatMul", &[&is_level, &difference]);
    let unknown = graph.row(&unknown);
    graph.node("Add", &[&difference, &unknown])
}

/// Subtracts the means and divides by the standard deviations.
fn standardize(graph: &mut GraphBuilder, values: &Value, columns: &[DesignColumn<'_>]) -> Value {
    let number =
        |value: fn(&DesignColumn<'_>) -> f64| columns.iter().map(value).collect::<Vec<_>>();
    let mean = graph.row(&number(|column| column.scale.mean));
    let mean_low = graph.row(&number(|column| column.scale.mean_low));
    let sd = graph.row(&number(|column| column.scale.sd));
    let centered = graph.node("Sub", &[values, &mean]);
    let centered = graph.node("Sub", &[&centered, &mean_low]);
    graph.node("Div", &[&centered, &sd])
}
