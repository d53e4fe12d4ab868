//! The fit, Wald tests of an unpenalized fit of the same columns, and the reasons why a fit fails.

use pql_stats::Error;
use pql_stats::glm::{Logistic, LogisticFit, Penalty, SeparationKind, separation, wald};

use super::cross::TrainingData;
use crate::error::Result;
use crate::model::MaximumLikelihood;
use crate::model::encoder::Preprocessor;
use crate::warning::Warning;

/// Converting accounts per design column below which Wald tests are omitted.
const MIN_PER_COLUMN: f64 = 5.0;

/// Fits the model; an error lists the columns that separate the outcomes.
pub(super) fn fit(
    logistic: &Logistic,
    preprocessor: &Preprocessor,
    data: &TrainingData,
) -> Result<LogisticFit> {
    let fit =
        logistic.fit_groups(data.x.view(), data.y.view(), &data.group).map_err(
            |error| match error {
                Error::NotConverged { solver, iterations, gradient, .. } => {
                    let separated_by = separating_columns(preprocessor, data)
                        .map_or_else(Vec::new, |(_, columns)| columns);
                    Error::NotConverged { solver, iterations, gradient, separated_by }
                }
                other => other,
            },
        );
    Ok(fit?)
}

/// The design columns of a fit with their variance inflation.
pub(super) struct Columns<'a> {
    pub(super) preprocessor: &'a Preprocessor,
    pub(super) data: &'a TrainingData,
    /// Variance inflation factor of each column.
    pub(super) inflation: &'a [f64],
}

/// Computes Wald tests of an unpenalized fit; `None` with a warning if it fails or has too few
/// converting accounts.
pub(super) fn maximum_likelihood(
    fit: &LogisticFit,
    columns: &Columns<'_>,
    per_column: f64,
    warnings: &mut Vec<Warning>,
) -> Option<MaximumLikelihood> {
    let refitted;
    let fit = if fit.penalty == Penalty::None {
        warnings.extend(collinearity_warning(columns));
        fit
    } else {
        let start = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
        let logistic =
            Logistic { penalty: Penalty::None, start: Some(start), ..Logistic::default() };
        let TrainingData { x, y, group, .. } = columns.data;
        let Ok(unpenalized) = logistic.fit_groups(x.view(), y.view(), group) else {
            warnings.push(no_estimate_warning(fit.penalty, columns));
            return None;
        };
        refitted = unpenalized;
        &refitted
    };
    if per_column < MIN_PER_COLUMN {
        warnings.push(Warning::FewForWaldTests { per_column, needed: MIN_PER_COLUMN });
        return None;
    }
    let (tests, std_error) = (wald(fit)?, fit.std_error()?);
    let coef = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
    Some(MaximumLikelihood { coef, std_error, z: tests.z, p: tests.p })
}

/// Returns a warning that explains why the unpenalized fit does not exist.
fn no_estimate_warning(penalty: Penalty, columns: &Columns<'_>) -> Warning {
    match separating_columns(columns.preprocessor, columns.data) {
        Some((kind, separating)) => Warning::SeparatedOutcomes {
            columns: separating,
            complete: kind == SeparationKind::Complete,
            firth: penalty == Penalty::Firth,
        },
        None => Warning::NoMaximumLikelihood { columns: collinear(columns) },
    }
}

/// Returns the kind of separation and the columns that separate the outcomes; `None` if they
/// overlap.
fn separating_columns(
    preprocessor: &Preprocessor,
    data: &TrainingData,
) -> Option<(SeparationKind, Vec<String>)> {
    let found = separation(data.x.view(), data.y.view())?;
    let names = preprocessor.columns();
    Some((found.kind, found.columns.iter().map(|column| names[*column].name.clone()).collect()))
}

/// Variance inflation above which single coefficients of an unpenalized fit are meaningless:
/// standard errors are 30 times those of independent columns.
const INFLATED: f64 = 1_000.0;

/// Returns a warning about columns that nearly determine each other.
fn collinearity_warning(columns: &Columns<'_>) -> Option<Warning> {
    let max = columns.inflation.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    (max > INFLATED)
        .then(|| Warning::CollinearColumns { columns: collinear(columns), inflation: max })
}

/// Returns the collinear columns: those whose variance inflation is close to the largest.
fn collinear(columns: &Columns<'_>) -> Vec<String> {
    /// Share of the largest variance inflation above which a column belongs to the same
    /// combination.
    const CLOSE: f64 = 1e-3;
    let max = columns.inflation.iter().copied().fold(0.0, f64::max);
    let named = columns.preprocessor.columns().into_iter().zip(columns.inflation);
    named.filter(|(_, v)| **v >= CLOSE * max).map(|(column, _)| column.name).collect()
}
