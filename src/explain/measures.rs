//! Contributions to the log-odds, added up by measure.

use ndarray::ArrayView2;

use crate::design::Preprocessor;

/// Which design columns make up a measure, for contributions.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Names, in the order of their first column.
    pub names: Vec<String>,
    /// Measure of each design column.
    of_column: Vec<usize>,
    /// Features of each measure in the order of their first columns, each with its design columns.
    features: Vec<Vec<(usize, Vec<usize>)>>,
}

impl Measures {
    /// Group the design columns by measure.
    #[must_use]
    pub fn of(preprocessor: &Preprocessor) -> Self {
        let mut measures = Self { names: Vec::new(), of_column: Vec::new(), features: Vec::new() };
        for (at, column) in preprocessor.columns().iter().enumerate() {
            let name = &preprocessor.features[column.feature].measure;
            let measure = measures.names.iter().position(|n| n == name).unwrap_or_else(|| {
                measures.names.push(name.clone());
                measures.features.push(Vec::new());
                measures.names.len() - 1
            });
            measures.of_column.push(measure);
            let features = &mut measures.features[measure];
            match features.iter_mut().find(|(feature, _)| *feature == column.feature) {
                Some((_, columns)) => columns.push(at),
                None => features.push((column.feature, vec![at])),
            }
        }
        measures
    }

    /// Sum the contributions `coefⱼ·xⱼ` of a row by measure; Σ + intercept = log-odds.
    pub fn contributions(&self, coef: &[f64], x: impl Iterator<Item = f64>, into: &mut [f64]) {
        into.fill(0.0);
        for ((measure, coef), x) in self.of_column.iter().zip(coef).zip(x) {
            into[*measure] += coef * x;
        }
    }

    /// The design columns of a measure.
    pub fn columns(&self, measure: usize) -> impl Iterator<Item = usize> {
        self.of_column.iter().enumerate().filter(move |(_, of)| **of == measure).map(|(column, _)| column)
    }

    /// The feature of a measure that contributes most to a row: the one whose value a reason names.
    #[must_use]
    pub fn heaviest(&self, measure: usize, coef: &[f64], x: &[f64]) -> usize {
        if let [(feature, _)] = &self.features[measure][..] {
            return *feature;
        }
        let size = |columns: &[usize]| columns.iter().map(|at| coef[*at] * x[*at]).sum::<f64>().abs();
        let sizes = self.features[measure].iter().map(|(feature, columns)| (*feature, size(columns)));
        sizes.rev().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a measure has a column").0
    }
}

/// Standard deviation of each measure's joint contribution over the rows of a design, largest first.
///
/// # Arguments
/// * `x` – standardised design, shape (n, p): its columns are centred, so that the mean square of a contribution is its variance
#[must_use]
pub fn importance(preprocessor: &Preprocessor, coef: &[f64], x: ArrayView2<'_, f64>) -> Vec<(String, f64)> {
    let measures = Measures::of(preprocessor);
    let (mut sums, mut squares) = (vec![0.0; measures.names.len()], vec![0.0; measures.names.len()]);
    for row in x.rows() {
        measures.contributions(coef, row.iter().copied(), &mut sums);
        squares.iter_mut().zip(&sums).for_each(|(q, s)| *q += s * s);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let n = x.nrows() as f64;
    let mut importance: Vec<(String, f64)> = measures.names.into_iter().zip(squares.iter().map(|q| (q / n).sqrt())).collect();
    importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    importance
}
