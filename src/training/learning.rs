//! Learns coefficients and their calibration from rows.

use ndarray::{Array1, ArrayView2};
use pql_stats::Error as Statistics;
use pql_stats::calibration::Calibration;
use pql_stats::counts::share;
use pql_stats::glm::{Logistic, LogisticFit, Penalty, Solver, alpha_grid};
use pql_stats::metrics::{BaseRate, roc_auc};

use super::audit;
use super::cross::{CrossFitting, TrainingData, TunedAlpha};
use super::likelihood::fit;
use crate::config::{Alpha, CalibrationKind, Config, ModelConfig, PenaltyKind, SolverKind};
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::SortedFeatures;
use crate::dataset::split_summary::SampleCounts;
use crate::error::{Error, Result};
use crate::io::progress::Stage;
use crate::model::encoder::Preprocessor;
use crate::model::explain::importance;
use crate::warning::{DroppedFeature, Finding, Warning};

/// Learns from rows.
pub(super) struct Trainer<'a> {
    pub(super) config: &'a Config,
    pub(super) rows: &'a Rows,
    /// The features of the rows, sorted.
    pub(super) sorted: &'a SortedFeatures<'a>,
    pub(super) stage: &'a Stage,
}

/// Coefficients with their calibration, and the rows from which they were learned.
pub(super) struct Learned {
    pub(super) preprocessor: Preprocessor,
    pub(super) data: TrainingData,
    /// Counts of the rows.
    pub(super) sample: SampleCounts,
    pub(super) tuned: TunedAlpha,
    pub(super) fit: LogisticFit,
    pub(super) calibration: Calibration,
    /// Warnings about the fit and its calibration.
    pub(super) warnings: Vec<Warning>,
}

impl Learned {
    /// Computes the probability of each row of a standardized design matrix; NaN if a value is not
    /// finite.
    pub(super) fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        self.fit.log_odds(x).iter().map(|eta| self.calibration.probability(*eta)).collect()
    }

    /// Returns the base rate of the rows.
    pub(super) fn base_rate(&self) -> BaseRate {
        BaseRate::compute(&self.data.y.to_vec(), &self.data.group)
    }

    /// Returns a finding if the cross-fitted ranking is too good.
    pub(super) fn finding(&self) -> Option<Finding> {
        let TrainingData { x, y, group, .. } = &self.data;
        let log_odds = self.tuned.log_odds.as_ref()?;
        let importance = || importance(&self.preprocessor, &self.fit.coef, x.view());
        audit::model(&y.to_vec(), log_odds, group, importance)
    }
}

impl Trainer<'_> {
    /// Tunes alpha, fits the coefficients and calibrates the log-odds.
    ///
    /// # Arguments
    /// * `train` – indices of the rows
    pub(super) fn learn(
        &self,
        train: &[u32],
        preprocessor: Preprocessor,
        alpha: Alpha,
    ) -> Result<Learned> {
        let data = TrainingData {
            x: preprocessor.transform(&self.rows.features, Some(train))?.x,
            y: Array1::from(self.rows.outcomes(train)),
            group: self.rows.accounts(train),
            rows: train.to_vec(),
        };
        let mut warnings = Vec::new();
        let sample = self.rows.sample_counts(train);
        let base = logistic(&self.config.model);
        let tuned = self.tune(&base, train, alpha, &data, &mut warnings)?;
        let fit = fit(&Logistic { alpha: tuned.alpha, ..base }, &preprocessor, &data)?;
        self.stage.advance(1);
        let kind = self.config.model.calibration;
        let calibration = calibrate(kind, &tuned, &data, &sample, &mut warnings)?;
        Ok(Learned { preprocessor, data, sample, tuned, fit, calibration, warnings })
    }

    /// Learns again from all rows with an outcome; alpha grows with their number. Also returns the
    /// columns that were dropped.
    pub(super) fn refit(&self, evaluated: &Learned) -> Result<(Learned, Vec<DroppedFeature>)> {
        let Rows { design_features, y, .. } = self.rows;
        let rows: Vec<u32> =
            (0..).zip(y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect();
        let (preprocessor, dropped) =
            Preprocessor::fit(self.sorted, design_features, &rows, &self.config.design)?;
        let growth = share(rows.len(), evaluated.data.rows.len());
        let alpha = Alpha::Fixed(evaluated.fit.alpha * growth);
        Ok((self.learn(&rows, preprocessor, alpha)?, dropped))
    }

    /// Tunes alpha by cross-fitting. If it fails with a fixed alpha, training continues without it.
    fn tune(
        &self,
        base: &Logistic,
        train: &[u32],
        alpha: Alpha,
        data: &TrainingData,
        warnings: &mut Vec<Warning>,
    ) -> Result<TunedAlpha> {
        let fixed_alpha = fixed_alpha(alpha, self.config.model.penalty);
        let parts = CrossFitting::new(self, train);
        let done = || self.stage.advance(1);
        match (parts.tune(base, fixed_alpha, data, &done), fixed_alpha) {
            (Err(Error::Statistics(Statistics::NotConverged { .. })), Some(alpha))
                if base.penalty == Penalty::None =>
            {
                let weakest = alpha_grid(Penalty::L2, data.x.view(), data.y.view()).pop();
                warnings.push(Warning::UnpenalizedFold);
                Ok(TunedAlpha {
                    alpha,
                    ..parts.tune(
                        &Logistic { penalty: Penalty::L2, ..base.clone() },
                        weakest,
                        data,
                        &done,
                    )?
                })
            }
            (
                Err(
                    error @ Error::Statistics(
                        Statistics::NotConverged { .. } | Statistics::OneClass { .. },
                    ),
                ),
                Some(alpha),
            ) => {
                warnings.push(Warning::CrossFittingFailed { problem: error.to_string() });
                Ok(TunedAlpha { alpha, path: None, log_odds: None })
            }
            (tuned, _) => tuned,
        }
    }
}

/// Returns alpha if it is not tuned.
fn fixed_alpha(alpha: Alpha, penalty: PenaltyKind) -> Option<f64> {
    match alpha {
        _ if matches!(penalty, PenaltyKind::None | PenaltyKind::Firth) => Some(0.0),
        Alpha::Fixed(alpha) => Some(alpha),
        Alpha::Cv => None,
    }
}

/// Returns the regression for a configuration.
pub(super) fn logistic(config: &ModelConfig) -> Logistic {
    let penalty = match config.penalty {
        PenaltyKind::None => Penalty::None,
        PenaltyKind::L2 => Penalty::L2,
        PenaltyKind::L1 => Penalty::L1,
        PenaltyKind::ElasticNet => Penalty::ElasticNet { l1_ratio: config.l1_ratio },
        PenaltyKind::Firth => Penalty::Firth,
    };
    let solver = if config.solver == SolverKind::Lbfgs { Solver::Lbfgs } else { Solver::Newton };
    Logistic { penalty, solver, ..Logistic::default() }
}

/// Converting accounts below which isotonic calibration overfits.
const MIN_FOR_ISOTONIC: u64 = 200;

/// Fits the calibration on the cross-fitted log-odds.
fn calibrate(
    kind: CalibrationKind,
    tuned: &TunedAlpha,
    data: &TrainingData,
    train: &SampleCounts,
    warnings: &mut Vec<Warning>,
) -> Result<Calibration> {
    let Some(log_odds) = &tuned.log_odds else { return Ok(Calibration::None) };
    let y = data.y.to_vec();
    match kind {
        CalibrationKind::None => Ok(Calibration::None),
        CalibrationKind::Platt => {
            let platt = Calibration::platt(log_odds, &y, &data.group)?;
            if platt.is_none() {
                warnings
                    .push(Warning::NotCalibrated { separated: roc_auc(&y, log_odds) == Some(1.0) });
            }
            Ok(platt.map_or(Calibration::None, Calibration::Platt))
        }
        CalibrationKind::Isotonic => {
            if train.converting_accounts < MIN_FOR_ISOTONIC {
                warnings.push(Warning::FewForIsotonic {
                    accounts: train.converting_accounts,
                    needed: MIN_FOR_ISOTONIC,
                });
            }
            Ok(Calibration::Isotonic(Calibration::isotonic(log_odds, &y)))
        }
    }
}
