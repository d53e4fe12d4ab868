//! Probabilities and their intervals as queries: the fit and its calibration.

use pql_stats::calibration::{Calibration, Isotonic, SMALLEST};
use pql_stats::intervals::Z_95;

use crate::model::Model;
use crate::query::{Expression, Function, Type};

/// The log-odds as a query of the differences from the typical account.
pub(super) struct LinearPredictor<'a> {
    model: &'a Model,
    /// Design row of the typical account.
    typical: Vec<f64>,
    /// Standard deviation of each design column.
    sd: Vec<f64>,
}

impl<'a> LinearPredictor<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let columns = model.preprocessor.columns();
        Self {
            model,
            typical: model.preprocessor.typical_row(),
            sd: columns.iter().map(|column| column.scale.sd).collect(),
        }
    }

    /// Returns the factor of each difference in the calibrated log-odds; an isotonic calibration
    /// comes after them.
    pub(super) fn weights(&self) -> Vec<f64> {
        let slope = self.model.calibration.intercept_and_slope().1;
        self.model.fit.coef.iter().zip(&self.sd).map(|(coef, sd)| slope * coef / sd).collect()
    }

    /// Returns the log-odds of the typical account.
    pub(super) fn base(&self) -> f64 {
        let (intercept, slope) = self.model.calibration.intercept_and_slope();
        let sum: f64 = self.model.fit.coef.iter().zip(&self.typical).map(|(b, x)| b * x).sum();
        intercept + slope * (self.model.fit.intercept + sum)
    }

    /// Returns linear functions of the differences whose squares add up to the variance of the
    /// log-odds: constant and factors of the differences. `None` without a covariance.
    pub(super) fn uncertainty(&self) -> Option<Vec<(f64, Vec<f64>)>> {
        let slope = self.model.calibration.intercept_and_slope().1;
        let part = |row: Vec<f64>| {
            let at_typical: f64 = row[1..].iter().zip(&self.typical).map(|(r, x)| r * x).sum();
            let factors = row[1..].iter().zip(&self.sd).map(|(r, sd)| slope * r / sd).collect();
            (slope * (row[0] + at_typical), factors)
        };
        Some(self.model.fit.covariance_factor()?.into_iter().map(part).collect())
    }
}

/// Returns a constant plus a sum of columns with factors, without those of factor 0.
pub(super) fn linear(constant: f64, factors: &[f64], columns: &[Option<Expression>]) -> Expression {
    let terms = factors.iter().zip(columns).filter(|(factor, _)| **factor != 0.0);
    let terms = terms
        .filter_map(|(factor, column)| Some(Expression::double(*factor).multiply(column.clone()?)));
    let constant = (constant != 0.0).then(|| Expression::double(constant));
    let terms: Vec<Expression> = constant.into_iter().chain(terms).collect();
    if terms.is_empty() { Expression::double(0.0) } else { Expression::sum(terms) }
}

/// Returns half the width of the 95% interval of the log-odds.
///
/// # Arguments
/// * `parts` – columns whose squares add up to the variance of the log-odds before the calibration
pub(super) fn margin(
    calibration: &Calibration,
    log_odds: &Expression,
    parts: Vec<Expression>,
) -> Expression {
    let squares = parts.into_iter().map(|part| part.clone().multiply(part));
    let variance = squares.chain(line_variance(calibration, log_odds)).collect();
    let deviation = Expression::call(Function::Sqrt, vec![Expression::sum(variance)]);
    Expression::double(Z_95).multiply(deviation)
}

/// Returns the variance of the line of a Platt calibration, (1, η)·C·(1, η)ᵀ, where η are the
/// log-odds before it.
fn line_variance(calibration: &Calibration, log_odds: &Expression) -> Option<Expression> {
    let Calibration::Platt(platt) = calibration else { return None };
    let double = Expression::double;
    let [a, ab, _, b] = platt.covariance;
    let eta = log_odds.clone().subtract(double(platt.intercept)).divide(double(platt.slope));
    let inner = double(2.0 * ab).add(double(b).multiply(eta.clone()));
    let variance = double(a).add(eta.multiply(inner));
    // Rounding may make a variance slightly negative.
    Some(Expression::call(Function::Greatest, vec![variance, double(0.0)]))
}

/// Returns the probability at calibrated log-odds, between 1e-9 and 1 − 1e-9.
pub(super) fn probability(calibration: &Calibration, log_odds: &Expression) -> Expression {
    let double = Expression::double;
    let probability = match calibration {
        Calibration::Isotonic(isotonic) => interpolate(isotonic, log_odds),
        Calibration::None | Calibration::Platt(_) => {
            let negative = double(0.0).subtract(log_odds.clone());
            let odds = Expression::call(Function::Exp, vec![negative]);
            double(1.0).divide(double(1.0).add(odds))
        }
    };
    let capped = Expression::call(Function::Least, vec![double(1.0 - SMALLEST), probability]);
    Expression::call(Function::Greatest, vec![double(SMALLEST), capped])
}

/// Returns the probability by linear interpolation between the knots of the log-odds.
fn interpolate(isotonic: &Isotonic, log_odds: &Expression) -> Expression {
    let double = Expression::double;
    let knots: Vec<(f64, f64)> =
        isotonic.log_odds.iter().copied().zip(isotonic.probability.iter().copied()).collect();
    let (first, last) = (knots[0], knots[knots.len() - 1]);
    let below = |knot: f64| log_odds.clone().less(double(knot));
    let mut branches = vec![(below(first.0), double(first.1))];
    for pair in knots.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        let excess = log_odds.clone().subtract(double(from));
        let rise = double((high - low) / (to - from)).multiply(excess);
        let value = if low == high { double(low) } else { double(low).add(rise) };
        branches.push((below(to), value));
    }
    Expression::case(branches, double(last.1))
}

/// Returns the column of a stage with doubles.
pub(super) fn double_column(stage: &str, name: &str) -> Expression {
    Expression::column(stage, name, Type::Double)
}
