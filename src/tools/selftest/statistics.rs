//! Logistic regressions compared with 60-digit arithmetic.

use ndarray::{Array2, ArrayView1};
use pql_stats::glm::{Logistic, Penalty};
use serde::Deserialize;

/// Data and expected numbers of `tests/golden/certified/make.py`: Spector and Mazzeo (1980), Finney
/// (1947), and the Challenger space shuttle (Dalal and others, 1989).
const CASES: [&str; 3] = [
    include_str!("../../../tests/golden/certified/spector.json"),
    include_str!("../../../tests/golden/certified/finney.json"),
    include_str!("../../../tests/golden/certified/challenger.json"),
];

/// Required number of correct digits.
const DIGITS: f64 = 10.0;

#[derive(Deserialize)]
struct Case {
    x: Vec<Vec<f64>>,
    y: Vec<u8>,
    coef_raw: Vec<String>,
    std_error_raw: Vec<String>,
    log_likelihood: Vec<String>,
}

/// Fits each data set, and compares the coefficients, standard errors and log-likelihoods.
pub(super) fn check() -> Result<String, String> {
    let mut digits = f64::INFINITY;
    for case in CASES {
        digits = digits.min(correct_digits(case)?);
    }
    if digits < DIGITS {
        return Err(format!("found {digits:.1} correct digits, expected at least {DIGITS}"));
    }
    Ok(format!("{} fits, at least {DIGITS} correct digits", CASES.len()))
}

/// Returns the number of correct digits of the worst number.
fn correct_digits(case: &str) -> Result<f64, String> {
    let case: Case = serde_json::from_str(case).map_err(|e| e.to_string())?;
    let x =
        Array2::from_shape_fn((case.y.len(), case.x.len()), |(row, column)| case.x[column][row]);
    let y: Vec<bool> = case.y.iter().map(|y| *y == 1).collect();
    let logistic = Logistic { penalty: Penalty::None, alpha: 0.0, ..Logistic::default() };
    let fit = logistic.fit_rows(x.view(), ArrayView1::from(&y[..])).map_err(|e| e.to_string())?;
    let std_error = fit.std_error().ok_or("found no standard errors")?;
    let found = std::iter::once(fit.intercept)
        .chain(fit.coef.iter().copied())
        .chain(std_error)
        .chain([fit.log_likelihood]);
    let expected = case.coef_raw.iter().chain(&case.std_error_raw).chain(&case.log_likelihood);
    let mut digits = f64::INFINITY;
    for (found, expected) in found.zip(expected) {
        let expected: f64 = expected.parse().map_err(|_| format!("`{expected}` is no number"))?;
        digits = digits.min(-((found - expected) / expected).abs().log10());
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digit_is_found() {
        let case = CASES[0];
        assert!(correct_digits(case).unwrap() > DIGITS);
        let coefficient = &serde_json::from_str::<Case>(case).unwrap().coef_raw[1];
        let wrong = format!("{}9", &coefficient[..8]);
        assert!(correct_digits(&case.replacen(coefficient.as_str(), &wrong, 1)).unwrap() < DIGITS);
    }
}
