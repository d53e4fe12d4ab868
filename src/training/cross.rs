//! Cross-fitting by account: choice of alpha, and log-odds of each training row by fits without its
//! account.

use std::cell::OnceCell;

use ndarray::{Array1, Array2};
use pql_stats::glm::{
    self, Fold, Logistic, RegularizationPath, alpha_grid, cross_fit, extended_grid,
};

use super::learning::Trainer;
use crate::config::{AlphaSelection, Config};
use crate::dataset::observations::assign_folds;
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::SortedFeatures;
use crate::error::Result;
use crate::model::encoder::Preprocessor;

/// Folds of the cross-fitting.
pub(super) const FOLDS: u8 = 5;

/// The training rows as numbers.
pub(super) struct TrainingData {
    /// Standardized design matrix.
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<bool>,
    /// Account of each row.
    pub(super) group: Vec<u32>,
    /// Index of each row among all rows.
    pub(super) rows: Vec<u32>,
}

/// Result of the cross-fitting.
pub(super) struct TunedAlpha {
    /// Regularization strength.
    pub(super) alpha: f64,
    /// Regularization path; `None` with a fixed alpha or without a penalty.
    pub(super) path: Option<RegularizationPath>,
    /// Cross-fitted log-odds of each row; `None` if the cross-fitting failed.
    pub(super) log_odds: Option<Vec<f64>>,
}

/// Splits the training rows into folds by account, and fits a preprocessor for each.
pub(super) struct CrossFitting<'a> {
    config: &'a Config,
    rows: &'a Rows,
    sorted: &'a SortedFeatures<'a>,
    train: &'a [u32],
    fold_of_row: Vec<u8>,
    /// By fold; a second grid of penalties uses those of the first.
    preprocessors: [OnceCell<Preprocessor>; FOLDS as usize],
}

impl<'a> CrossFitting<'a> {
    pub(super) fn new(trainer: &Trainer<'a>, train: &'a [u32]) -> Self {
        let Trainer { config, rows, sorted, .. } = *trainer;
        let fold_of_row = assign_folds(
            &rows.accounts(train),
            &rows.outcomes(train),
            |a| &rows.names[a as usize],
            config.model.seed,
            FOLDS,
        );
        Self { config, rows, sorted, train, fold_of_row, preprocessors: Default::default() }
    }

    /// Computes the design matrices of the rows outside and inside a fold, with the preprocessor
    /// fitted on the rows outside.
    fn fold(&self, fold: usize) -> Result<Fold> {
        let rows_where = |inside: bool| {
            (0..self.train.len())
                .filter(|row| (usize::from(self.fold_of_row[*row]) == fold) == inside)
                .collect::<Vec<_>>()
        };
        let out = rows_where(true);
        let rows_of = |indices: &[usize]| -> Vec<u32> {
            indices.iter().map(|index| self.train[*index]).collect()
        };
        let (fitted, held_out) = (rows_of(&rows_where(false)), rows_of(&out));
        let Rows { features, design_features, .. } = self.rows;
        let preprocessor = if let Some(known) = self.preprocessors[fold].get() {
            known
        } else {
            let config = &self.config.design;
            let (own, _) = Preprocessor::fit(self.sorted, design_features, &fitted, config)?;
            self.preprocessors[fold].get_or_init(|| own)
        };
        let design =
            |rows: &[u32]| preprocessor.transform(features, Some(rows)).map(|design| design.x);
        Ok(Fold {
            x: design(&fitted)?,
            y: Array1::from(self.rows.outcomes(&fitted)),
            x_out: design(&held_out)?,
            out,
        })
    }

    /// Chooses alpha and computes the cross-fitted log-odds.
    ///
    /// # Arguments
    /// * `fixed_alpha` – alpha, if it is not tuned
    /// * `done` – called for each fold
    pub(super) fn tune(
        &self,
        base: &Logistic,
        fixed_alpha: Option<f64>,
        data: &TrainingData,
        done: &dyn Fn(),
    ) -> Result<TunedAlpha> {
        let fold = |fold| {
            done();
            self.fold(fold)
        };
        let folds = glm::Folds { rows: self.train.len(), count: usize::from(FOLDS), fold: &fold };
        if let Some(alpha) = fixed_alpha {
            let mut crossed = cross_fit(base, &[alpha], &folds)?;
            return Ok(TunedAlpha { alpha, path: None, log_odds: crossed.log_odds.pop() });
        }
        let selection = match self.config.model.alpha_selection {
            AlphaSelection::OneSe => glm::AlphaSelection::OneSe,
            AlphaSelection::Min => glm::AlphaSelection::Min,
        };
        let y = data.y.to_vec();
        let mut crossed =
            cross_fit(base, &alpha_grid(base.penalty, data.x.view(), data.y.view()), &folds)?;
        let mut path = crossed.path(&y, &data.group, selection);
        if let Some(more) = extended_grid(base.penalty, &path) {
            crossed = crossed.merge(cross_fit(base, &more, &folds)?);
            path = crossed.path(&y, &data.group, selection);
        }
        let alpha = path.points[path.chosen].alpha;
        let chosen = crossed
            .alphas
            .iter()
            .position(|candidate| *candidate == alpha)
            .expect("the chosen alpha is on the path");
        Ok(TunedAlpha {
            alpha,
            log_odds: Some(crossed.log_odds.swap_remove(chosen)),
            path: Some(path),
        })
    }
}
