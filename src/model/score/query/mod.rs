//! Scores as a query: the columns of `pql score`, from features and the constants of a model.

mod output;
mod percentile;
mod probability;
mod table;

use std::collections::BTreeSet;

use output::OutputColumns;
use percentile::{block, percentile, reference_stage};
use probability::{LinearPredictor, double_column, linear, margin, probability};
pub(crate) use table::{FeatureTable, are_finite, feature_stage};

use crate::config::QualifyBy;
use crate::error::Result;
use crate::model::Model;
use crate::model::encoder::{ENCODED, ENCODED_ALIAS, EncodedRows, encode_stages};
use crate::model::explain::ReasonTemplates;
use crate::model::explain::query::{ScoredStage, reason_stages};
use crate::query::{ColumnNames, Expression, JoinKind, Order, Rows, Select, Stage, Type};

/// Stage of the contributions to the log-odds.
const CONTRIBUTIONS: &str = "contributions";
/// Stage of the log-odds.
const LOG_ODDS: &str = "log_odds";
/// Stage of the probabilities.
const PROBABILITIES: &str = "probabilities";
/// Stage of the intervals.
const INTERVALS: &str = "intervals";
/// Stage of the percentiles.
const RANKED: &str = "ranked";

/// Scores of accounts as a query.
#[derive(Debug)]
pub(crate) struct ScoreQuery<'a> {
    /// The model.
    pub(crate) model: &'a Model,
    /// Value of the column `model`.
    pub(crate) label: &'a str,
    /// How accounts qualify.
    pub(crate) qualify_by: QualifyBy,
    /// Time from the cutoff to the end of the horizon, µs; `None` for a feature matrix.
    pub(crate) horizon: Option<i64>,
    /// Whether to compute intervals.
    pub(crate) with_interval: bool,
    /// Stage of the definitions that accounts match; `None` without definitions.
    pub(crate) definitions: Option<&'a Stage>,
}

/// The last part of a statement.
#[derive(Debug)]
pub(crate) struct ScoredRows {
    /// Stages after the features.
    pub(crate) stages: Vec<Stage>,
    /// The columns of `pql score`.
    pub(crate) select: Select,
    /// The order of `pql score`.
    pub(crate) order_by: Vec<Order>,
}

/// Names of the columns that the stages add to those of the features.
struct Added {
    /// Contribution of each feature to the log-odds; `None` if it is always 0.
    contributions: Vec<Option<String>>,
    /// Linear functions whose squares add up to the variance of the log-odds.
    uncertainty: Vec<String>,
    log_odds: String,
    probability: String,
    /// Half the width of the interval of the log-odds.
    margin: String,
    low: String,
    high: String,
    /// Block of the reference distribution.
    block: String,
    percentile: String,
}

impl Added {
    fn new(names: &mut ColumnNames) -> Self {
        Self {
            contributions: Vec::new(),
            uncertainty: Vec::new(),
            log_odds: names.add("log_odds"),
            probability: names.add("probability"),
            margin: names.add("margin"),
            low: names.add("probability_low"),
            high: names.add("probability_high"),
            block: names.add("reference_block"),
            percentile: names.add("percentile"),
        }
    }
}

impl Added {
    /// Returns the scored rows for the reasons.
    fn scored<'a>(&self, stage: &'a str) -> ScoredStage<'a> {
        let double = |name: &String| (name.clone(), Type::Double);
        let mut columns = vec![
            ("account_id".to_owned(), Type::Text),
            ("cutoff".to_owned(), Type::Integer),
            double(&self.probability),
            double(&self.percentile),
        ];
        if !self.uncertainty.is_empty() {
            columns.extend([double(&self.low), double(&self.high)]);
        }
        ScoredStage { name: stage, columns }
    }
}

/// Names a stage and its comment.
fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

impl ScoreQuery<'_> {
    /// Writes the stages from features to scores.
    ///
    /// # Arguments
    /// * `features` – a selection from the stage of the features, with its joins and the condition
    ///   of the rows to score: `account_id`, `cutoff` in µs, and one column per feature, numbers
    ///   finite, texts not empty
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration cannot be
    ///   read
    pub(crate) fn rows(&self, features: Select) -> Result<ScoredRows> {
        let preprocessor = &self.model.preprocessor;
        let own = preprocessor.features.iter().map(|encoder| encoder.feature.as_str());
        let mut names = ColumnNames::reserving(own.chain(["account_id", "cutoff"]));
        let mut added = Added::new(&mut names);
        let predictor = LinearPredictor::new(self.model);
        let uncertainty = predictor.uncertainty().filter(|_| self.with_interval);
        let used: Vec<Option<f64>> = predictor
            .weights()
            .into_iter()
            .map(|weight| (weight != 0.0 || uncertainty.is_some()).then_some(weight.abs()))
            .collect();
        let encoded = encode_stages(preprocessor, features, &used, &mut names);
        let contributions =
            self.contributions(&predictor, uncertainty, &encoded, &mut added, &mut names);
        let mut stages = encoded.stages;
        stages.push(contributions);
        stages.push(log_odds_stage(predictor.base(), &added));
        stages.extend(self.probability_stages(&added));
        stages.extend(self.percentile_stages(&added));
        let has_reasons = added.contributions.iter().any(Option::is_some);
        let reasons = has_reasons.then(|| {
            reason_stages(self.model, &added.scored(RANKED), &added.contributions, &mut names)
        });
        let (of_reasons, reasons) = reasons.map(|found| (found.stages, found.reasons)).unzip();
        stages.extend(of_reasons.into_iter().flatten());
        let from = stages.last().expect("there are several").name.clone();
        let config = self.model.config()?;
        let output = OutputColumns { query: self, config, added: &added, from: &from, reasons };
        Ok(ScoredRows { select: output.select(), order_by: output.order(), stages })
    }

    /// Writes the contribution of each feature, and the parts of the variance.
    fn contributions(
        &self,
        predictor: &LinearPredictor<'_>,
        uncertainty: Option<Vec<(f64, Vec<f64>)>>,
        encoded: &EncodedRows,
        added: &mut Added,
        names: &mut ColumnNames,
    ) -> Stage {
        let preprocessor = &self.model.preprocessor;
        let columns = preprocessor.columns();
        let mut select = Select::extending_as(ENCODED, ENCODED_ALIAS).opaque();
        for (feature, encoder) in preprocessor.features.iter().enumerate() {
            let is_own = columns.iter().map(|column| column.feature == feature);
            let own: Vec<f64> = is_own
                .zip(predictor.weights())
                .map(|(is_own, weight)| if is_own { weight } else { 0.0 })
                .collect();
            let has_effect = own.iter().any(|weight| *weight != 0.0);
            let name = has_effect.then(|| names.add(&format!("c_{}", encoder.feature)));
            if let Some(name) = &name {
                select = select.column(name, linear(0.0, &own, &encoded.differences));
            }
            added.contributions.push(name);
        }
        let mut comment =
            "Contributions of the features to the log-odds (c_), compared with typical values"
                .to_owned();
        for (index, (constant, factors)) in uncertainty.into_iter().flatten().enumerate() {
            let name = names.add(&format!("u_{}", index + 1));
            select = select.column(&name, linear(constant, &factors, &encoded.differences));
            added.uncertainty.push(name);
        }
        if !added.uncertainty.is_empty() {
            comment += ", and linear functions whose squares add up to the variance (u_)";
        }
        stage(CONTRIBUTIONS, &format!("{comment}."), select)
    }

    /// Writes the probability and its interval.
    fn probability_stages(&self, added: &Added) -> Vec<Stage> {
        let calibration = &self.model.calibration;
        let log_odds = |stage| double_column(stage, &added.log_odds);
        let mut select = Select::keeping(LOG_ODDS, &self.kept(added))
            .column(&added.probability, probability(calibration, &log_odds(LOG_ODDS)));
        let squares: Vec<Expression> =
            added.uncertainty.iter().map(|name| double_column(LOG_ODDS, name)).collect();
        if !squares.is_empty() {
            let margin = margin(calibration, &log_odds(LOG_ODDS), squares);
            select = select.column(&added.margin, margin);
        }
        let probabilities = stage(PROBABILITIES, "Calibrated probabilities.", select);
        let below = |name: &str| double_column(PROBABILITIES, name);
        let mut select = Select::extending(PROBABILITIES)
            .column(&added.block, block(&self.model.reference, &below(&added.probability)));
        let has_interval = !added.uncertainty.is_empty();
        if has_interval {
            let (center, margin) = (log_odds(PROBABILITIES), below(&added.margin));
            let low = probability(calibration, &center.clone().subtract(margin.clone()));
            let high = probability(calibration, &center.add(margin));
            select = select.column(&added.low, low).column(&added.high, high);
        }
        let what = if has_interval { "95% intervals, and the" } else { "The" };
        let comment = format!("{what} block of the reference distribution of each probability.");
        vec![probabilities, stage(INTERVALS, &comment, select)]
    }

    /// Returns the columns after the log-odds: those of the rows, and the features with their
    /// contributions.
    fn kept(&self, added: &Added) -> Vec<(String, Type)> {
        let mut kept = vec![
            ("account_id".to_owned(), Type::Text),
            ("cutoff".to_owned(), Type::Integer),
            (added.log_odds.clone(), Type::Double),
        ];
        let Model { preprocessor, profile, .. } = self.model;
        let templates = ReasonTemplates::new(preprocessor, &profile.features);
        let used = (0..).zip(&added.contributions).filter(|(_, added)| added.is_some());
        let counts: BTreeSet<usize> =
            used.filter_map(|(feature, _)| templates.count(feature)).collect();
        for (feature, encoder) in preprocessor.features.iter().enumerate() {
            let contribution = &added.contributions[feature];
            if contribution.is_some() || counts.contains(&feature) {
                kept.push((encoder.feature.clone(), encoder.kind()));
            }
            kept.extend(contribution.clone().map(|name| (name, Type::Double)));
        }
        kept
    }

    /// Writes the percentile.
    fn percentile_stages(&self, added: &Added) -> Vec<Stage> {
        let reference = reference_stage(&self.model.reference);
        let below = |name: &str| double_column(INTERVALS, name);
        let probability = below(&added.probability);
        let block = Expression::column(INTERVALS, &added.block, Type::Integer);
        let is_block = reference.output("block").equal(block);
        let select = Select::extending(INTERVALS)
            .column(&added.percentile, percentile(&reference, &probability))
            .join_stage(JoinKind::Inner, &reference.name, is_block);
        let ranked = stage(RANKED, "Percentiles among the training rows.", select);
        vec![reference, ranked]
    }
}

/// Writes the log-odds.
fn log_odds_stage(base: f64, added: &Added) -> Stage {
    let contributions = added.contributions.iter().flatten();
    let terms = contributions.map(|name| double_column(CONTRIBUTIONS, name));
    let sum = Expression::sum(std::iter::once(Expression::double(base)).chain(terms).collect());
    let select = Select::extending(CONTRIBUTIONS).column(&added.log_odds, sum);
    stage(LOG_ODDS, "Log-odds: those of the typical account plus all contributions.", select)
}
