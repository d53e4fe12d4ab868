//! The fit with its penalty, the same columns without, and why one of them does not exist.

use super::cross::Data;
use crate::design::Preprocessor;
use crate::error::{Error, Result, quoted};
use crate::fit::{Kind, Logistic, LogisticFit, Penalty, separation, wald};
use crate::model::MaximumLikelihood;

/// Converting accounts per design column under which Wald tests are not given.
const TESTED_PER_COLUMN: f64 = 5.0;

/// Fit; where that fails, name the columns that separate the outcomes.
pub(super) fn fit(logistic: &Logistic, preprocessor: &Preprocessor, data: &Data) -> Result<LogisticFit> {
    logistic.fit_groups(data.x.view(), data.y.view(), &data.group).map_err(|error| match error {
        Error::NotConverged { solver, iterations, gradient, .. } => {
            let separated_by = separated(preprocessor, data).map_or_else(Vec::new, |(_, columns)| columns);
            Error::NotConverged { solver, iterations, gradient, separated_by }
        }
        other => other,
    })
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
    warnings: &mut Vec<String>,
) -> Option<MaximumLikelihood> {
    let refitted;
    let fit = if fit.penalty == Penalty::None {
        warnings.extend(inflated(columns));
        fit
    } else {
        let start = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
        let logistic = Logistic { penalty: Penalty::None, start: Some(start), ..Logistic::default() };
        let Data { x, y, group, .. } = columns.data;
        let Ok(found) = logistic.fit_groups(x.view(), y.view(), group) else {
            warnings.push(format!("z and p are null: {}", no_maximum(fit.penalty, columns)));
            return None;
        };
        refitted = found;
        &refitted
    };
    if per_column < TESTED_PER_COLUMN {
        warnings
            .push(format!("z and p are null: {per_column:.1} converting accounts per design column, where {TESTED_PER_COLUMN} are needed"));
        return None;
    }
    let (tests, std_error) = (wald(fit)?, fit.std_error()?);
    let coef = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
    Some(MaximumLikelihood { coef, std_error, z: tests.z, p: tests.p })
}

/// Why the fit without penalty does not exist, and what to do about it.
fn no_maximum(penalty: Penalty, columns: &Columns<'_>) -> String {
    match separated(columns.preprocessor, columns.data) {
        Some((kind, separating)) => {
            let far = if kind == Kind::Complete { "completely" } else { "of some rows" };
            let advice = match penalty {
                Penalty::Firth => "; Firth's are finite all the same",
                _ => ", and with it they are as large as `model.alpha` lets them be: set `model.penalty = \"firth\"`",
            };
            format!(
                "{} the outcomes {far}, so that without a penalty no finite coefficients fit best{advice}",
                quoted(&separating, ["separates", "separate"])
            )
        }
        None => format!(
            "without a penalty the fit does not exist: the outcomes overlap, but {} nearly collinear, so that only their sum is known: name one of them in `design.use`",
            quoted(&collinear(columns), ["is", "are"])
        ),
    }
}

/// How far the outcomes are separated, and the names of the columns that do it; `None` where they overlap.
fn separated(preprocessor: &Preprocessor, data: &Data) -> Option<(Kind, Vec<String>)> {
    let found = separation(data.x.view(), data.y.view())?;
    let names = preprocessor.columns();
    Some((found.kind, found.columns.iter().map(|at| names[*at].name.clone()).collect()))
}

/// Variance inflation from which coefficients of an unpenalised fit say nothing one by one: standard errors 30 times those of columns
/// that do not depend on each other.
const INFLATED: f64 = 1_000.0;

/// What is to be said of columns that nearly determine each other.
fn inflated(columns: &Columns<'_>) -> Option<String> {
    let most = columns.inflation.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    (most > INFLATED).then(|| {
        let columns = quoted(&collinear(columns), ["is", "are"]);
        format!("{columns} nearly collinear (variance inflation up to {most:.0}): only their joint effect is known, a penalty would share it out")
    })
}

/// The columns that others nearly determine: those whose variance inflation is near the largest.
fn collinear(columns: &Columns<'_>) -> Vec<String> {
    /// Share of the largest variance inflation from which a column has part in the same combination.
    const NEAR: f64 = 1e-3;
    let most = columns.inflation.iter().copied().fold(0.0, f64::max);
    let named = columns.preprocessor.columns().into_iter().zip(columns.inflation);
    named.filter(|(_, v)| **v >= NEAR * most).map(|(column, _)| column.name).collect()
}
