//! Contributions to the log-odds, summed by measure.

use ndarray::{ArrayView2, Axis};

use crate::model::encoder::{BLOCK, Preprocessor};

/// The design columns of each measure.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Names of the measures, in the order of their first column.
    pub names: Vec<String>,
    /// Design columns of each measure.
    columns: Vec<Vec<usize>>,
    /// Features of each measure with their design columns, in the order of their first column.
    features: Vec<Vec<(usize, Vec<usize>)>>,
}

impl Measures {
    /// Groups the design columns by measure.
    #[must_use]
    pub fn new(preprocessor: &Preprocessor) -> Self {
        let mut measures = Self { names: Vec::new(), columns: Vec::new(), features: Vec::new() };
        for (index, column) in preprocessor.columns().iter().enumerate() {
            let name = &preprocessor.features[column.feature].measure;
            let measure = measures.names.iter().position(|n| n == name).unwrap_or_else(|| {
                measures.names.push(name.clone());
                measures.columns.push(Vec::new());
                measures.features.push(Vec::new());
                measures.names.len() - 1
            });
            measures.columns[measure].push(index);
            let features = &mut measures.features[measure];
            match features.iter_mut().find(|(feature, _)| *feature == column.feature) {
                Some((_, columns)) => columns.push(index),
                None => features.push((column.feature, vec![index])),
            }
        }
        measures
    }

    /// Sums the contributions `coefⱼ·xⱼ` of each row for one measure; Σ over measures + intercept =
    /// log-odds.
    ///
    /// # Arguments
    /// * `x` – the design columns of the rows, shape (p, n)
    pub fn contributions(
        &self,
        measure: usize,
        coef: &[f64],
        x: ArrayView2<'_, f64>,
        into: &mut [f64],
    ) {
        into.fill(0.0);
        for &column in &self.columns[measure] {
            into.iter_mut().zip(x.row(column)).for_each(|(sum, x)| *sum += coef[column] * x);
        }
    }

    /// Returns the contribution of a measure to one row with design columns `x(j)`, to the last
    /// digit equal to that of [`Measures::contributions`].
    #[must_use]
    pub fn contribution(&self, measure: usize, coef: &[f64], x: impl Fn(usize) -> f64) -> f64 {
        self.columns[measure].iter().fold(0.0, |sum, &column| sum + coef[column] * x(column))
    }

    /// Returns the design columns of a measure.
    #[must_use]
    pub fn columns(&self, measure: usize) -> &[usize] {
        &self.columns[measure]
    }

    /// Returns the feature of a measure that contributes most to a row with design columns `x(j)`:
    /// the one that a reason names.
    #[must_use]
    pub fn largest_feature(&self, measure: usize, coef: &[f64], x: impl Fn(usize) -> f64) -> usize {
        if let [(feature, _)] = &self.features[measure][..] {
            return *feature;
        }
        let size = |columns: &[usize]| {
            columns.iter().map(|column| coef[*column] * x(*column)).sum::<f64>().abs()
        };
        let sizes =
            self.features[measure].iter().map(|(feature, columns)| (*feature, size(columns)));
        sizes.rev().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a measure has a column").0
    }
}

/// Computes the importance of each measure, largest first: the standard deviation of its
/// contribution over the rows of a design.
///
/// # Arguments
/// * `x` – standardized design, shape (n, p): its columns are centered, so that the mean square of
///   a contribution is its variance
#[must_use]
pub fn importance(
    preprocessor: &Preprocessor,
    coef: &[f64],
    x: ArrayView2<'_, f64>,
) -> Vec<(String, f64)> {
    let measures = Measures::new(preprocessor);
    let (mut sums, mut squares) = (vec![0.0; BLOCK], vec![0.0; measures.names.len()]);
    for block in x.axis_chunks_iter(Axis(0), BLOCK) {
        let sums = &mut sums[..block.nrows()];
        for (measure, squares) in squares.iter_mut().enumerate() {
            measures.contributions(measure, coef, block.t(), sums);
            sums.iter().for_each(|sum| *squares += sum * sum);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let n = x.nrows() as f64;
    let mut importance: Vec<(String, f64)> =
        measures.names.into_iter().zip(squares.iter().map(|q| (q / n).sqrt())).collect();
    importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    importance
}
