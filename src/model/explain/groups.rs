//! Design columns in groups, and the contributions of a group to the log-odds.

use ndarray::{ArrayView2, Axis};

use super::families::Family;
use crate::model::Model;
use crate::model::encoder::{BLOCK, Preprocessor};

/// Size up to which a contribution to the log-odds is negligible: it is neither a reason nor a
/// concern, and `pql explain` adds it to the others. It changes the odds by at most 5%, and a
/// probability by at most 1.25 percentage points.
pub const MIN_CONTRIBUTION: f64 = 0.05;

/// Features whose contributions are added: a measure with its windows, or a family of measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The measures, most important first.
    pub measures: Vec<String>,
    /// Design columns, in order.
    pub columns: Vec<usize>,
    /// Features with their design columns, in the order of their first column.
    pub features: Vec<(usize, Vec<usize>)>,
}

impl Group {
    /// Returns a group for each measure, in the order of its first column.
    #[must_use]
    pub fn by_measure(preprocessor: &Preprocessor) -> Vec<Self> {
        let mut measures: Vec<Vec<String>> = Vec::new();
        for feature in &preprocessor.features {
            if !measures.iter().any(|known| known[0] == feature.measure) {
                measures.push(vec![feature.measure.clone()]);
            }
        }
        measures.into_iter().map(|measures| Self::new(preprocessor, measures)).collect()
    }

    /// Returns the group of some measures.
    #[must_use]
    pub fn new(preprocessor: &Preprocessor, measures: Vec<String>) -> Self {
        let mut group = Self { measures, columns: Vec::new(), features: Vec::new() };
        for (index, column) in preprocessor.columns().iter().enumerate() {
            if !group.measures.contains(&preprocessor.features[column.feature].measure) {
                continue;
            }
            group.columns.push(index);
            match group.features.iter_mut().find(|(feature, _)| *feature == column.feature) {
                Some((_, columns)) => columns.push(index),
                None => group.features.push((column.feature, vec![index])),
            }
        }
        group
    }
}

/// Contributions to the log-odds relative to the typical account: `coefⱼ · (xⱼ − typicalⱼ)` of each
/// design column, summed by family. A feature at its typical value contributes exactly 0.
#[derive(Debug, Clone)]
pub struct Contributions {
    /// The families, in the order of the model.
    pub families: Vec<Group>,
    /// Coefficient of each design column, on the scale of the calibrated log-odds.
    pub coef: Vec<f64>,
    /// Design row of the typical account.
    pub typical: Vec<f64>,
}

impl Contributions {
    /// Prepares the contributions of a model.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let slope = model.calibration.intercept_and_slope().1;
        let family = |family: &Family| Group::new(&model.preprocessor, family.measures.clone());
        Self {
            families: model.families.iter().map(family).collect(),
            coef: model.fit.coef.iter().map(|coef| slope * coef).collect(),
            typical: model.preprocessor.typical_row(),
        }
    }

    /// Returns the contribution of a column with value `x`.
    #[must_use]
    pub fn column(&self, column: usize, x: f64) -> f64 {
        // Adding 0 removes the sign of −0.
        self.coef[column] * (x - self.typical[column]) + 0.0
    }

    /// Returns the sum over columns of a row with values `x(j)`, added from the first to the last.
    #[must_use]
    pub fn sum(&self, columns: &[usize], x: impl Fn(usize) -> f64) -> f64 {
        columns.iter().fold(0.0, |sum, &column| sum + self.column(column, x(column)))
    }

    /// Returns the feature of a family that explains most of a sum over the family: the one with
    /// the largest value of the same sign; of equal ones the first.
    ///
    /// # Arguments
    /// * `raises` – whether the sum is above 0
    /// * `value` – part of the sum that its design columns make up
    #[must_use]
    pub fn leading_feature(family: &Group, raises: bool, value: impl Fn(&[usize]) -> f64) -> usize {
        let mut leading = (f64::NEG_INFINITY, 0);
        for (feature, columns) in &family.features {
            let size = if raises { value(columns) } else { -value(columns) };
            if size > leading.0 {
                leading = (size, *feature);
            }
        }
        leading.1
    }
}

/// Computes the importance of each measure, largest first: the standard deviation of its
/// contribution over the rows of a design.
///
/// # Arguments
/// * `x` – standardized design, shape (n, p)
#[must_use]
pub fn importance(
    preprocessor: &Preprocessor,
    coef: &[f64],
    x: ArrayView2<'_, f64>,
) -> Vec<(String, f64)> {
    let groups = Group::by_measure(preprocessor);
    let deviations = deviations(&groups, coef, x);
    let names = groups.into_iter().flat_map(|group| group.measures);
    let mut importance: Vec<(String, f64)> = names.zip(deviations).collect();
    importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    importance
}

/// Computes the standard deviation of the contribution of each group over the rows of a design.
///
/// # Arguments
/// * `x` – standardized design, shape (n, p): its columns are centered, so that the mean square of
///   `Σ coefⱼ·xⱼ` is its variance
pub(super) fn deviations(groups: &[Group], coef: &[f64], x: ArrayView2<'_, f64>) -> Vec<f64> {
    let (mut sums, mut squares) = (vec![0.0; BLOCK], vec![0.0; groups.len()]);
    for block in x.axis_chunks_iter(Axis(0), BLOCK) {
        let sums = &mut sums[..block.nrows()];
        for (group, squares) in groups.iter().zip(&mut squares) {
            sums.fill(0.0);
            for &column in &group.columns {
                let column = (coef[column], block.column(column));
                sums.iter_mut().zip(column.1).for_each(|(sum, x)| *sum += column.0 * x);
            }
            sums.iter().for_each(|sum| *squares += sum * sum);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let n = x.nrows() as f64;
    squares.iter().map(|squares| (squares / n).sqrt()).collect()
}
