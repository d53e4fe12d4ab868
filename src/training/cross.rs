//! Cross-fitting by account: the log-odds of each training row by fits that did not see its
//! account, and the strength of the penalty.

use ndarray::{Array1, Array2};
use pql_stats::glm::{self, Fold, Logistic, Path, Rule, cross_fit, extension, grid};

use crate::config::{Config, PathRule};
use crate::dataset::observations::folds;
use crate::dataset::rows::Rows;
use crate::error::Result;
use crate::model::encoder::Preprocessor;

/// Folds of the cross-fitting.
const FOLDS: u8 = 5;

/// The rows that a model learns from, as numbers.
pub(super) struct Data {
    /// Standardised design.
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<bool>,
    /// Account of each row.
    pub(super) group: Vec<u32>,
    /// Where they stand among all rows.
    pub(super) rows: Vec<u32>,
}

/// What the cross-fitting found.
pub(super) struct Tuned {
    /// Strength of the penalty.
    pub(super) alpha: f64,
    /// The strengths tried; `None` where it was given, or there is no penalty to be tuned.
    pub(super) path: Option<Path>,
    /// Log-odds of each row at that strength; `None` where the cross-fitting failed.
    pub(super) log_odds: Option<Vec<f64>>,
}

/// Parts of the training rows by account, each with a preprocessor learned outside of it.
pub(super) struct Parts<'a> {
    config: &'a Config,
    rows: &'a Rows,
    train: &'a [u32],
    of_row: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(config: &'a Config, rows: &'a Rows, train: &'a [u32]) -> Self {
        let of_row = folds(
            &rows.accounts(train),
            &rows.outcomes(train),
            |a| &rows.names[a as usize],
            config.model.seed,
            FOLDS,
        );
        Self { config, rows, train, of_row }
    }

    /// The design of the rows outside of a part and of those inside, learned on the rows outside.
    fn fold(&self, fold: usize) -> Result<Fold> {
        let part = |inside: bool| {
            (0..self.train.len())
                .filter(|at| (usize::from(self.of_row[*at]) == fold) == inside)
                .collect::<Vec<_>>()
        };
        let out = part(true);
        let rows_of =
            |part: &[usize]| -> Vec<u32> { part.iter().map(|at| self.train[*at]).collect() };
        let (learned, judged) = (rows_of(&part(false)), rows_of(&out));
        let Rows { features, kinds, .. } = self.rows;
        let (preprocessor, _) = Preprocessor::fit(features, kinds, &learned, &self.config.design)?;
        let design =
            |rows: &[u32]| preprocessor.transform(features, Some(rows)).map(|design| design.x);
        Ok(Fold {
            x: design(&learned)?,
            y: Array1::from(self.rows.outcomes(&learned)),
            x_out: design(&judged)?,
            out,
        })
    }

    /// Choose the strength of the penalty, and answer the log-odds at it.
    ///
    /// # Arguments
    /// * `given` – the strength, where it is not to be looked for
    /// * `done` – called with each fold
    pub(super) fn tune(
        &self,
        base: &Logistic,
        given: Option<f64>,
        data: &Data,
        done: &dyn Fn(),
    ) -> Result<Tuned> {
        let fold = |fold| {
            done();
            self.fold(fold)
        };
        let folds = glm::Folds { rows: self.train.len(), count: usize::from(FOLDS), fold: &fold };
        if let Some(alpha) = given {
            let mut crossed = cross_fit(base, &[alpha], &folds)?;
            return Ok(Tuned { alpha, path: None, log_odds: crossed.log_odds.pop() });
        }
        let rule = if self.config.model.rule == PathRule::OneSe { Rule::OneSe } else { Rule::Min };
        let y = data.y.to_vec();
        let mut crossed =
            cross_fit(base, &grid(base.penalty, data.x.view(), data.y.view()), &folds)?;
        let mut path = crossed.path(&y, &data.group, rule);
        if let Some(more) = extension(base.penalty, &path) {
            crossed = crossed.with(cross_fit(base, &more, &folds)?);
            path = crossed.path(&y, &data.group, rule);
        }
        let alpha = path.points[path.chosen].alpha;
        let at = crossed
            .alphas
            .iter()
            .position(|tried| *tried == alpha)
            .expect("the chosen strength is one of those tried");
        Ok(Tuned { alpha, log_odds: Some(crossed.log_odds.swap_remove(at)), path: Some(path) })
    }
}
