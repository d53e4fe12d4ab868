//! The fit with its penalty, the same columns without, and why one of them does not exist.

use pql_stats::Error;
use pql_stats::glm::{Kind, Logistic, LogisticFit, Penalty, separation, wald};

use super::cross::Data;
use crate::error::Result;
use crate::model::MaximumLikelihood;
use crate::model::encoder::Preprocessor;
use crate::warning::Warning;

/// Converting accounts per design column under which Wald tests are not given.
const TESTED_PER_COLUMN: f64 = 5.0;

/// Fit; where that fails, name the columns that separate the outcomes.
pub(super) fn fit(
    logistic: &Logistic,
    preprocessor: &Preprocessor,
    data: &Data,
) -> Result<LogisticFit> {
    let fit =
        logistic.fit_groups(data.x.view(), data.y.view(), &data.group).map_err(
            |error| match error {
                Error::NotConverged { solver, iterations, gradient, .. } => {
                    let separated_by =
                        separated(preprocessor, data).map_or_else(Vec::new, |(_, columns)| columns);
                    Error::NotConverged { solver, iterations, gradient, separated_by }
                }
                other => other,
            },
        );
    Ok(fit?)
}

/// The design columns of a fit.
pub(super) struct Columns<'a> {
    pub(super) preprocessor: &'a Preprocessor,
    pub(super) data: &'a Data,
    /// Variance inflation factor of each.
    pub(super) inflation: &'a [f64],
}

/// Wald tests of the unpenalised fit of the same columns; a warning says why there are none.
pub(super) fn maximum_likelihood(
    fit: &LogisticFit,
    columns: &Columns<'_>,
    per_column: f64,
    warnings: &mut Vec<Warning>,
) -> Option<MaximumLikelihood> {
    let refitted;
    let fit = if fit.penalty == Penalty::None {
        warnings.extend(inflated(columns));
        fit
    } else {
        let start = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
        let logistic =
            Logistic { penalty: Penalty::None, start: Some(start), ..Logistic::default() };
        let Data { x, y, group, .. } = columns.data;
        let Ok(found) = logistic.fit_groups(x.view(), y.view(), group) else {
            warnings.push(no_maximum(fit.penalty, columns));
            return None;
        };
        refitted = found;
        &refitted
    };
    if per_column < TESTED_PER_COLUMN {
        warnings.push(Warning::FewForWaldTests { per_column, needed: TESTED_PER_COLUMN });
        return None;
    }
    let (tests, std_error) = (wald(fit)?, fit.std_error()?);
    let coef = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
    Some(MaximumLikelihood { coef, std_error, z: tests.z, p: tests.p })
}

/// Returns why the fit without penalty does not exist.
fn no_maximum(penalty: Penalty, columns: &Columns<'_>) -> Warning {
    match separated(columns.preprocessor, columns.data) {
        Some((kind, separating)) => Warning::SeparatedOutcomes {
            columns: separating,
            complete: kind == Kind::Complete,
            firth: penalty == Penalty::Firth,
        },
        None => Warning::NoMaximumLikelihood { columns: collinear(columns) },
    }
}

/// How far the outcomes are separated, and the names of the columns that do it; `None` where they
/// overlap.
fn separated(preprocessor: &Preprocessor, data: &Data) -> Option<(Kind, Vec<String>)> {
    let found = separation(data.x.view(), data.y.view())?;
    let names = preprocessor.columns();
    Some((found.kind, found.columns.iter().map(|at| names[*at].name.clone()).collect()))
}

/// Variance inflation from which coefficients of an unpenalised fit say nothing one by one:
/// standard errors 30 times those of columns that do not depend on each other.
const INFLATED: f64 = 1_000.0;

/// Returns a warning of columns that nearly determine each other.
fn inflated(columns: &Columns<'_>) -> Option<Warning> {
    let most = columns.inflation.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    (most > INFLATED)
        .then(|| Warning::CollinearColumns { columns: collinear(columns), inflation: most })
}

/// The columns that others nearly determine: those whose variance inflation is near the largest.
fn collinear(columns: &Columns<'_>) -> Vec<String> {
    /// Share of the largest variance inflation from which a column has part in the same
    /// combination.
    const NEAR: f64 = 1e-3;
    let most = columns.inflation.iter().copied().fold(0.0, f64::max);
    let named = columns.preprocessor.columns().into_iter().zip(columns.inflation);
    named.filter(|(_, v)| **v >= NEAR * most).map(|(column, _)| column.name).collect()
}
