//! Fits of a dense matrix: one fit, a regularization path, and linfa-logistic.

use std::path::Path;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use pql::Result;
use pql_stats::glm::{Fold, Folds, Logistic, Penalty, alpha_grid, cross_fit, sigmoid};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::{Value, json};

use crate::timed;

/// Number of folds of the path.
const FOLDS: usize = 5;
/// Gradient tolerance per row for linfa-logistic: with its default, the line search stalls.
const LINFA_GRADIENT: f64 = 1e-8;

/// A standardized matrix and its outcomes.
pub(crate) struct Data {
    pub(crate) x: Array2<f64>,
    pub(crate) y: Array1<bool>,
}

impl Data {
    /// Reads `x.f64`, little-endian by rows, and `y.u8`.
    pub(crate) fn read(folder: &Path, columns: usize) -> Self {
        let bytes =
            |name: &str| std::fs::read(folder.join(name)).expect("x.f64 and y.u8 in the folder");
        let y: Array1<bool> = bytes("y.u8").into_iter().map(|byte| byte != 0).collect();
        let values =
            bytes("x.f64").as_chunks().0.iter().map(|value| f64::from_le_bytes(*value)).collect();
        Self {
            x: Array2::from_shape_vec((y.len(), columns), values)
                .expect("a value for each row and column"),
            y,
        }
    }

    /// Generates columns with correlations of one third, and outcomes that depend on their sum.
    pub(crate) fn make(rows: usize, columns: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut x = Array2::zeros((rows, columns));
        for mut row in x.rows_mut() {
            let shared: f64 = random.sample(StandardNormal);
            row.mapv_inplace(|_: f64| {
                (0.5_f64.sqrt() * shared + random.sample::<f64, _>(StandardNormal)) / 1.5_f64.sqrt()
            });
        }
        let y = x
            .rows()
            .into_iter()
            .map(|row| random.random_bool(sigmoid(row.sum() / 12.0 - 2.0)))
            .collect();
        Self { x, y }
    }

    /// Returns a fold that holds out every fifth row, starting with row `number`.
    fn fold(&self, number: usize) -> Fold {
        let (out, inside): (Vec<usize>, Vec<usize>) =
            (0..self.y.len()).partition(|row| row % FOLDS == number);
        let x = |rows: &[usize]| self.x.select(Axis(0), rows);
        Fold { x: x(&inside), y: self.y.select(Axis(0), &inside), x_out: x(&out), out }
    }
}

/// Times one fit with an alpha of 1 (`fit`), a path of 20 alphas over 5 folds (`path`), or
/// linfa-logistic with an alpha of 1 (`linfa`).
pub(crate) fn fits(data: &Data, name: &str) -> Result<Value> {
    let (x, y) = (data.x.view(), data.y.view());
    Ok(match name {
        "fit" => {
            let (fit, seconds) = timed(|| Ok(Logistic::default().fit_rows(x, y)?))?;
            json!({ "seconds": seconds, "gradient": fit.gradient, "iterations": fit.iterations })
        }
        "path" => {
            let alphas = alpha_grid(Penalty::L2, x, y);
            let fold = |number| Ok::<_, pql::Error>(data.fold(number));
            let folds = Folds { rows: y.len(), count: FOLDS, fold: &fold };
            let (_, seconds) = timed(|| cross_fit(&Logistic::default(), &alphas, &folds))?;
            json!({ "seconds": seconds, "alphas": alphas })
        }
        "linfa" => linfa_logistic(data)?,
        _ => panic!("found {name}, expected fit, path or linfa"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
fn linfa_logistic(data: &Data) -> Result<Value> {
    let n = data.y.len() as f64;
    let settings = LogisticRegression::default()
        .alpha(1.0)
        .gradient_tolerance(n * LINFA_GRADIENT)
        .max_iterations(10_000);
    let (fit, seconds) = timed(|| {
        Ok(settings
            .fit(&DatasetBase::new(data.x.view(), data.y.view()))
            .expect("an optimum exists"))
    })?;
    // In linfa-logistic the majority class is positive.
    let sign = if fit.labels().pos.class { 1.0 } else { -1.0 };
    let coef = fit.params().mapv(|b| sign * b);
    let residual: Array1<f64> = (data.x.dot(&coef) + sign * fit.intercept())
        .iter()
        .zip(&data.y)
        .map(|(eta, y)| sigmoid(*eta) - f64::from(u8::from(*y)))
        .collect();
    let largest = |values: ArrayView1<'_, f64>| values.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let gradient = largest((data.x.t().dot(&residual) + coef).view()).max(residual.sum().abs()) / n;
    Ok(json!({ "seconds": seconds, "gradient": gradient }))
}
