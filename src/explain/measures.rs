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
    /// Feature of each design column.
    feature: Vec<usize>,
}

impl Measures {
    /// Group the design columns by measure.
    #[must_use]
    pub fn of(preprocessor: &Preprocessor) -> Self {
        let columns = preprocessor.columns();
        let mut names: Vec<String> = Vec::new();
        let of = |feature: usize| {
            let measure = &preprocessor.features[feature].measure;
            names.iter().position(|n| n == measure).unwrap_or_else(|| {
                names.push(measure.clone());
                names.len() - 1
            })
        };
        let of_column = columns.iter().map(|c| c.feature).map(of).collect();
        Self { names, of_column, feature: columns.iter().map(|c| c.feature).collect() }
    }

    /// Sum the contributions `coefⱼ·xⱼ` of a row by measure; Σ + intercept = log-odds.
    pub fn contributions(&self, coef: &[f64], x: impl Iterator<Item = f64>, into: &mut Vec<f64>) {
        into.clear();
        into.resize(self.names.len(), 0.0);
        for ((measure, coef), x) in self.of_column.iter().zip(coef).zip(x) {
            into[*measure] += coef * x;
        }
    }

    /// The design columns of a measure.
    pub fn columns(&self, measure: usize) -> impl Iterator<Item = usize> {
        self.of_column.iter().enumerate().filter(move |(_, of)| **of == measure).map(|(column, _)| column)
    }

    /// Sum the contributions of a row's columns of one measure by feature.
    fn feature_contributions(&self, measure: usize, coef: &[f64], x: &[f64]) -> Vec<(usize, f64)> {
        let mut sums: Vec<(usize, f64)> = Vec::new();
        for at in self.columns(measure) {
            match sums.iter_mut().find(|(feature, _)| *feature == self.feature[at]) {
                Some((_, sum)) => *sum += coef[at] * x[at],
                None => sums.push((self.feature[at], coef[at] * x[at])),
            }
        }
        sums
    }

    /// The feature of a measure that contributes most to a row: the one whose value a reason names.
    #[must_use]
    pub fn heaviest(&self, measure: usize, coef: &[f64], x: &[f64]) -> usize {
        let sums = self.feature_contributions(measure, coef, x);
        let heaviest = sums.iter().rev().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        heaviest.expect("a measure has a column").0
    }
}

/// Standard deviation of each measure's joint contribution over the rows of a design, largest first.
///
/// # Arguments
/// * `x` – standardised design, shape (n, p): its columns are centred, so that the mean square of a contribution is its variance
#[must_use]
pub fn importance(preprocessor: &Preprocessor, coef: &[f64], x: ArrayView2<'_, f64>) -> Vec<(String, f64)> {
    let measures = Measures::of(preprocessor);
    let (mut sums, mut squares) = (Vec::new(), vec![0.0; measures.names.len()]);
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
