//! Evaluation by cross-validation over accounts, for data that is too short for a test period.
//!
//! The rows of each fifth of the accounts are predicted by a model that was trained on the other
//! accounts in full: encoding, regularization strength, fit, calibration and baselines.

use pql_stats::counts::share;

use super::baseline::{compare_predicted, fit_rules, predict};
use super::cross::FOLDS;
use super::learning::{Learned, Trainer};
use super::test_evaluation::{TestEvaluation, TestSet};
use crate::dataset::observations::assign_folds;
use crate::error::Result;
use crate::model::BaselineRule;
use crate::model::encoder::Preprocessor;

/// Predictions of rows, each by a fit without its account.
struct HeldOutPredictions {
    probability: Vec<f64>,
    /// The baselines fitted on all rows, with the predictions of those fitted in the folds.
    baselines: Vec<(String, BaselineRule, Vec<f64>)>,
}

/// Evaluates a fit of all rows by cross-validation.
///
/// # Errors
/// * [`Error::Statistics`](crate::Error::Statistics): a fit did not converge, or all outcomes in a
///   fold are equal
pub(super) fn cross_validate(trainer: &Trainer<'_>, learned: &Learned) -> Result<TestEvaluation> {
    let predictions = predict_held_out(trainer, learned)?;
    let set = TestSet::new(trainer.rows, &learned.data.rows, predictions.probability)?;
    let baselines = predictions
        .baselines
        .into_iter()
        .map(|(name, rule, predicted)| compare_predicted(name, rule, &predicted, set.scores()))
        .collect::<Result<_>>()?;
    Ok(TestEvaluation { set, baselines, new_accounts: None })
}

/// Predicts the rows of each fold by a fit of the other folds.
fn predict_held_out(trainer: &Trainer<'_>, learned: &Learned) -> Result<HeldOutPredictions> {
    let (rows, data) = (trainer.rows, &learned.data);
    let name = |account: u32| &rows.names[account as usize];
    let seed = trainer.config.model.seed;
    let folds = assign_folds(&data.group, &data.y.to_vec(), name, seed, FOLDS);
    let unknown = || vec![f64::NAN; data.rows.len()];
    let rules = fit_rules(&learned.preprocessor, rows, data);
    let mut predictions = HeldOutPredictions {
        probability: unknown(),
        baselines: rules.into_iter().map(|(name, rule)| (name, rule, unknown())).collect(),
    };
    for fold in 0..FOLDS {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..data.rows.len()).partition(|row| folds[*row] == fold);
        let select = |indices: &[usize]| -> Vec<u32> {
            indices.iter().map(|index| data.rows[*index]).collect()
        };
        if !inside.is_empty() {
            predictions.add_fold(trainer, &inside, (&select(&inside), &select(&outside)))?;
        }
    }
    // The base rate of the evaluated rows themselves, as for every test set.
    for (_, rule, predicted) in &mut predictions.baselines {
        if *rule == BaselineRule::BaseRate {
            *predicted = predict(rule, rows, &data.rows)?.unwrap_or_default();
        }
    }
    Ok(predictions)
}

impl HeldOutPredictions {
    /// Adds the predictions of the rows of one fold.
    ///
    /// # Arguments
    /// * `inside` – positions of the rows of the fold
    /// * `held_out`, `others` – rows of the fold, and all other rows
    fn add_fold(
        &mut self,
        trainer: &Trainer<'_>,
        inside: &[usize],
        (held_out, others): (&[u32], &[u32]),
    ) -> Result<()> {
        let (config, rows) = (trainer.config, trainer.rows);
        let (preprocessor, _) =
            Preprocessor::fit(trainer.sorted, &rows.design_features, others, &config.design)?;
        // Warnings of the fit of all rows cover those of the folds.
        let learned = trainer.learn(others, preprocessor, config.model.alpha)?;
        let x = learned.preprocessor.transform(&rows.features, Some(held_out))?.x;
        for (index, probability) in inside.iter().zip(learned.probabilities(x.view())) {
            self.probability[*index] = probability;
        }
        let rules = fit_rules(&learned.preprocessor, rows, &learned.data);
        let base_rate =
            share(usize::try_from(learned.sample.positive_rows).unwrap_or(0), others.len());
        for (_, rule, predicted) in &mut self.baselines {
            let fitted = rules.iter().find(|(_, other)| other.is_like(rule));
            let found = fitted.map(|(_, rule)| predict(rule, rows, held_out)).transpose()?;
            // A fold without such a rule predicts its base rate.
            let found = found.flatten().unwrap_or_else(|| vec![base_rate; held_out.len()]);
            for (index, value) in inside.iter().zip(found) {
                predicted[*index] = value;
            }
        }
        Ok(())
    }
}
