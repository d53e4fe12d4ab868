//! Errors of this crate.

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a fit or an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// All rows have the same outcome.
    #[error("one class only: found {rows} {}, and {} converted", if *rows == 1 { "row" } else { "rows" }, if *converted { "all" } else { "none" })]
    OneClass {
        /// Number of rows.
        rows: usize,
        /// Their outcome.
        converted: bool,
    },
    /// The solver stopped before it reached the optimum.
    #[error("the fit ({solver}) did not converge{}", stopped_at(*iterations, *gradient, separated_by))]
    NotConverged {
        /// The solver.
        solver: &'static str,
        /// Number of iterations; 0 if the solver does not report them.
        iterations: usize,
        /// Largest absolute gradient entry per row.
        gradient: f64,
        /// Design columns that separate the outcomes.
        separated_by: Vec<String>,
    },
    /// No rows.
    #[error("no rows to {purpose}")]
    NoRows {
        /// Purpose of the rows: `fit` or `evaluate`.
        purpose: &'static str,
    },
    /// Two arguments have different lengths.
    #[error("`{name}`: found {found} values, expected {expected}")]
    LengthMismatch {
        /// The argument.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length of the other argument.
        expected: usize,
    },
    /// A number outside of its range.
    #[error("{name}: found {found}, expected a number {range}")]
    OutOfRange {
        /// Name of the number.
        name: &'static str,
        /// The number.
        found: f64,
        /// The valid range, such as `from 0 to 1`.
        range: &'static str,
    },
    /// A NaN or an infinite number.
    #[error("{name}: found a value that is not finite, expected finite numbers")]
    NotFinite {
        /// The argument.
        name: &'static str,
    },
    /// Clustered standard errors with only one group.
    #[error("standard errors by account: found 1 account, expected at least 2")]
    OneGroup,
    /// A penalty that the solver does not support.
    #[error("solver `lbfgs`: found an l1, elastic net or Firth penalty, expected l2 or no penalty")]
    UnsupportedPenalty,
    /// A row that two folds hold out, or that is out of range.
    #[error("cross-validation folds: row {row} is held out twice or out of range ({rows} rows)")]
    HeldOutTwice {
        /// Index of the row.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// A row that no fold holds out.
    #[error("cross-validation folds: row {row} of {rows} is never held out")]
    NotHeldOut {
        /// Index of the row.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// linfa rejected its input.
    #[error("linfa rejected the data")]
    Linfa(#[from] linfa::Error),
}

/// Describes where a fit stopped. With separated outcomes the gradient vanishes, so it is omitted.
fn stopped_at(iterations: usize, gradient: f64, separated_by: &[String]) -> String {
    if separated_by.is_empty() {
        format!(
            ": after {iterations} iterations the largest gradient entry per row is {gradient:.1e}"
        )
    } else {
        ": the outcomes are separated".to_owned()
    }
}
