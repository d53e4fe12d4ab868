//! Operators that turn the design matrix into scores and contributions.

use pql_stats::calibration::{Calibration, Isotonic, SMALLEST};
use pql_stats::intervals::Z_95;

use super::graph::{GraphBuilder, Value};
use super::proto::ElementType;
use super::{SCORES, contribution_name, reason_name};
use crate::model::Model;
use crate::model::explain::{Contributions, Group, MIN_CONTRIBUTION};
use crate::model::score::REASONS;

/// Adds all outputs.
///
/// # Arguments
/// * `x` – standardized design matrix
pub(super) fn add_outputs(graph: &mut GraphBuilder, model: &Model, x: &Value) {
    let eta = log_odds(graph, model, x);
    let (intercept, slope) = model.calibration.intercept_and_slope();
    let (intercept, slope) = (graph.double(intercept), graph.double(slope));
    let center = graph.node("Mul", &[&eta, &slope]);
    let center = graph.node("Add", &[&center, &intercept]);
    let half = match model.fit.covariance.as_deref() {
        Some(covariance) => {
            let variance = variance(graph, covariance, x);
            half_width(graph, &model.calibration, &eta, &variance)
        }
        // NaN makes both ends NaN.
        None => graph.doubles(&[f64::NAN], &[1, 1]),
    };
    let low = graph.node("Sub", &[&center, &half]);
    let high = graph.node("Add", &[&center, &half]);
    let ends = graph.beside(&[center, low, high]);
    let ends = graph.finite(&ends);
    let (probabilities, log_odds) = probabilities(graph, &model.calibration, &ends);
    for (index, (name, doc)) in SCORES.iter().enumerate() {
        let (source, column) = if index < 3 { (&probabilities, index) } else { (&log_odds, 0) };
        let value = graph.column(source, column);
        graph.output(name, ElementType::Double, &value, doc);
    }
    add_contributions(graph, model, x, &eta);
}

/// Adds the log-odds of the fit as a column; NaN if they are not finite.
fn log_odds(graph: &mut GraphBuilder, model: &Model, x: &Value) -> Value {
    let coef = graph.doubles(&model.fit.coef, &[model.fit.coef.len(), 1]);
    let intercept = graph.double(model.fit.intercept);
    let sum = graph.node("MatMul", &[x, &coef]);
    let eta = graph.node("Add", &[&sum, &intercept]);
    graph.finite(&eta)
}

/// Adds the variance of the log-odds, (1, x)ᵀV(1, x), as a column.
///
/// # Arguments
/// * `covariance` – V, (p + 1)² values by rows, intercept first
fn variance(graph: &mut GraphBuilder, covariance: &[f64], x: &Value) -> Value {
    let p = covariance.len().isqrt() - 1;
    let inner: Vec<f64> =
        covariance.chunks_exact(p + 1).skip(1).flat_map(|row| &row[1..]).copied().collect();
    let twice: Vec<f64> = covariance[1..=p].iter().map(|value| 2.0 * value).collect();
    let (inner, twice) = (graph.doubles(&inner, &[p, p]), graph.row(&twice));
    let (constant, zero) = (graph.double(covariance[0]), graph.double(0.0));
    let products = graph.node("MatMul", &[x, &inner]);
    let products = graph.node("Add", &[&products, &twice]);
    let products = graph.node("Mul", &[&products, x]);
    let form = graph.row_sums(&products);
    let form = graph.node("Add", &[&form, &constant]);
    // Only rounding makes a variance negative.
    graph.at_least(&zero, &form)
}

/// Adds half the width of the interval of the calibrated log-odds, as
/// [`Calibration::interval`] computes it.
fn half_width(
    graph: &mut GraphBuilder,
    calibration: &Calibration,
    eta: &Value,
    variance: &Value,
) -> Value {
    let mut variance = variance.clone();
    if let Calibration::Platt(platt) = calibration {
        let [a, ab, _, b] = platt.covariance;
        let [square, a, twice, b, zero] =
            [platt.slope.powi(2), a, 2.0 * ab, b, 0.0].map(|value| graph.double(value));
        let line = graph.node("Mul", &[eta, &b]);
        let line = graph.node("Add", &[&line, &twice]);
        let line = graph.node("Mul", &[&line, eta]);
        let line = graph.node("Add", &[&line, &a]);
        let scaled = graph.node("Mul", &[&variance, &square]);
        let sum = graph.node("Add", &[&scaled, &line]);
        variance = graph.at_least(&zero, &sum);
    }
    let root = graph.node("Sqrt", &[&variance]);
    let factor = graph.double(Z_95);
    graph.node("Mul", &[&root, &factor])
}

/// Adds the probabilities of calibrated log-odds, and the log-odds of the unclamped probabilities.
///
/// # Arguments
/// * `log_odds` – matrix without infinite values
fn probabilities(
    graph: &mut GraphBuilder,
    calibration: &Calibration,
    log_odds: &Value,
) -> (Value, Value) {
    let (smallest, largest) = (graph.double(SMALLEST), graph.double(1.0 - SMALLEST));
    let (probability, log_odds) = match calibration {
        Calibration::None | Calibration::Platt(_) => (sigmoid(graph, log_odds), log_odds.clone()),
        Calibration::Isotonic(isotonic) => {
            let probability = interpolate(graph, isotonic, log_odds);
            let one = graph.double(1.0);
            let other = graph.node("Sub", &[&one, &probability]);
            let odds = graph.node("Div", &[&probability, &other]);
            let log_odds = graph.node("Log", &[&odds]);
            (probability, log_odds)
        }
    };
    let probability = graph.at_least(&smallest, &probability);
    (graph.at_most(&largest, &probability), log_odds)
}

/// Adds the logistic function, without overflow: 1/(1 + e⁻ˣ) from 0 on, eˣ/(1 + eˣ) below.
fn sigmoid(graph: &mut GraphBuilder, log_odds: &Value) -> Value {
    let (zero, one) = (graph.double(0.0), graph.double(1.0));
    let size = graph.node("Abs", &[log_odds]);
    let negative = graph.node("Neg", &[&size]);
    let e = graph.node("Exp", &[&negative]);
    let is_negative = graph.node("Less", &[log_odds, &zero]);
    let numerator = graph.node("Where", &[&is_negative, &e, &one]);
    let denominator = graph.node("Add", &[&e, &one]);
    graph.node("Div", &[&numerator, &denominator])
}

/// Adds the interpolation between the knots of an isotonic calibration.
///
/// The number of knots up to a value selects its segment: two knots, or one knot twice beyond the
/// ends.
fn interpolate(graph: &mut GraphBuilder, isotonic: &Isotonic, log_odds: &Value) -> Value {
    let last = isotonic.log_odds.len() - 1;
    let ends = |values: &[f64], segment: usize| {
        [values[segment.saturating_sub(1)], values[segment.min(last)]]
    };
    let (mut starts, mut widths, mut lows, mut rises) = (vec![], vec![], vec![], vec![]);
    for segment in 0..=isotonic.log_odds.len() {
        let [from, to] = ends(&isotonic.log_odds, segment);
        let [low, high] = ends(&isotonic.probability, segment);
        starts.push(from);
        // The rise is 0 beyond the ends; a width of 0 would make it NaN.
        widths.push(if to > from { to - from } else { 1.0 });
        lows.push(low);
        rises.push(high - low);
    }
    let axis = graph.int64s(&[2], &[1]);
    let value = graph.node("Unsqueeze", &[log_odds, &axis]);
    let knots = graph.doubles(&isotonic.log_odds, &[1, 1, last + 1]);
    let is_reached = graph.node("LessOrEqual", &[&knots, &value]);
    let is_reached = graph.node_with("Cast", &[&is_reached], &[("to", ElementType::Int64 as i64)]);
    let segment = graph.node_with("ReduceSum", &[&is_reached, &axis], &[("keepdims", 0)]);
    let [start, width, low, rise] = [starts, widths, lows, rises].map(|values| {
        let values = graph.doubles(&values, &[values.len()]);
        graph.node_with("Gather", &[&values, &segment], &[("axis", 0)])
    });
    let distance = graph.node("Sub", &[log_odds, &start]);
    let share = graph.node("Div", &[&distance, &width]);
    let step = graph.node("Mul", &[&rise, &share]);
    graph.node("Add", &[&low, &step])
}

/// Adds the contribution of each family, and the families that raise the score most.
fn add_contributions(graph: &mut GraphBuilder, model: &Model, x: &Value, eta: &Value) {
    let Contributions { families, coef, typical } = Contributions::new(model);
    // At least as many columns as reasons; those without a family are 0.
    let width = families.len().max(REASONS);
    let members = family_matrix(&families, coef.len(), width);
    let (coef, typical) = (graph.row(&coef), graph.row(&typical));
    let [nan, threshold, lowest] =
        [f64::NAN, MIN_CONTRIBUTION, f64::NEG_INFINITY].map(|value| graph.double(value));
    let members = graph.doubles(&members, &[members.len() / width, width]);
    let difference = graph.node("Sub", &[x, &typical]);
    let products = graph.node("Mul", &[&difference, &coef]);
    let sums = graph.node("MatMul", &[&products, &members]);
    let is_unscored = graph.is_nan(eta);
    let sums = graph.node("Where", &[&is_unscored, &nan, &sums]);
    for (index, family) in families.iter().enumerate() {
        let contribution = graph.column(&sums, index);
        let doc = format!("Contribution to the log-odds of: {}", family.measures.join(", "));
        graph.output(&contribution_name(index), ElementType::Double, &contribution, &doc);
    }
    let is_reason = graph.node("Greater", &[&sums, &threshold]);
    let candidates = graph.node("Where", &[&is_reason, &sums, &lowest]);
    let (values, indices) = graph.largest(&candidates, REASONS);
    let is_reason = graph.node("Greater", &[&values, &threshold]);
    let none = graph.int64s(&[-1], &[]);
    let reasons = graph.node("Where", &[&is_reason, &indices, &none]);
    for rank in 1..=REASONS {
        let reason = graph.column(&reasons, rank - 1);
        let doc =
            format!("Index of the family that raises the score {}; -1: none", RANKS[rank - 1]);
        graph.output(&reason_name(rank), ElementType::Int64, &reason, &doc);
    }
}

/// Ranks of the reasons in words.
const RANKS: [&str; REASONS] = ["most", "second most", "third most"];

/// Returns the matrix with 1 for each design column in each family, by rows.
fn family_matrix(families: &[Group], columns: usize, width: usize) -> Vec<f64> {
    let mut members = vec![0.0; columns * width];
    for (index, family) in families.iter().enumerate() {
        family.columns.iter().for_each(|column| members[column * width + index] = 1.0);
    }
    members
}
