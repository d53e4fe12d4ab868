//! What can go wrong in the statistics.

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with the data that a message needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every row has the same outcome.
    #[error("one class only: all {rows} training rows {}", if *converted { "converted" } else { "did not convert" })]
    OneClass {
        /// Number of rows.
        rows: usize,
        /// The outcome they share.
        converted: bool,
    },
    /// The solver ended without reaching the optimum.
    #[error("the fit ({solver}) did not converge{}", ended(*iterations, *gradient, separated_by))]
    NotConverged {
        /// The solver.
        solver: &'static str,
        /// Iterations done; 0 where the solver does not report them.
        iterations: usize,
        /// Largest absolute gradient entry / n.
        gradient: f64,
        /// Design columns that separate the outcomes.
        separated_by: Vec<String>,
    },
    /// There is no row to compute from.
    #[error("there is no row to {purpose}")]
    NoRows {
        /// What rows are needed for: `fit` or `evaluate`.
        purpose: &'static str,
    },
    /// Two arguments that go row by row have different lengths.
    #[error("`{name}` has {found} values, expected {expected}")]
    LengthMismatch {
        /// The argument.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length of the other argument.
        expected: usize,
    },
    /// A number outside of its range.
    #[error("{name} is {found}, expected a number {range}")]
    OutOfRange {
        /// What the number is.
        name: &'static str,
        /// The number.
        found: f64,
        /// Where it should lie, such as `from 0 to 1`.
        range: &'static str,
    },
    /// A NaN or an infinite number.
    #[error("{name} hold a value that is not finite")]
    NotFinite {
        /// The argument.
        name: &'static str,
    },
    /// Standard errors by group of rows that are all of one group.
    #[error("all rows are of one account: standard errors by account need at least two")]
    OneGroup,
    /// A penalty that the solver cannot fit.
    #[error(
        "the solver `lbfgs` fits without penalty or with l2 alone, not with l1, elastic net or Firth's"
    )]
    UnsupportedPenalty,
    /// A row that two folds hold out, or that does not exist.
    #[error("row {row} of {rows} is held out a second time, or does not exist")]
    HeldOutTwice {
        /// Index of the row.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// A row that no fold holds out.
    #[error("row {row} of {rows} is not held out by any fold")]
    NotHeldOut {
        /// Index of the row.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// linfa refused its input.
    #[error("linfa refused the data")]
    Linfa(#[from] linfa::Error),
}

/// Returns how far a fit came that did not converge; where outcomes are separated the gradient
/// vanishes and says nothing.
fn ended(iterations: usize, gradient: f64, separated_by: &[String]) -> String {
    if separated_by.is_empty() {
        format!(
            ": after {iterations} iterations the largest gradient entry per row is {gradient:.1e}"
        )
    } else {
        ": the outcomes are separated".to_owned()
    }
}
