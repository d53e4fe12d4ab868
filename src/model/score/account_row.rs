//! The feature row of one account, from a log or a matrix.

use std::path::Path;

use polars::prelude::DataFrame;

use super::{Explanation, Scorer};
use crate::config::{Config, MatrixConfig};
use crate::dataset::features::compute;
use crate::dataset::matrix;
use crate::dataset::observations::{Eligibility, Observations, observe_for_scoring, scoring_time};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::Log;
use crate::model::Model;
use crate::names::nearest_id;
use crate::time::ZonedTime;
use crate::warning::{IneligibleReasons, Unscored};

/// The feature row of one account.
#[derive(Debug, Clone)]
pub struct AccountRow {
    pub(crate) features: DataFrame,
    pub(crate) cutoff: Option<ZonedTime>,
    pub(crate) eligibility: Eligibility,
    /// The scoring time; `None` for a row of a matrix.
    pub(crate) time: Option<ZonedTime>,
    /// Why the account must not be contacted; `None` without `[eligibility]`.
    pub(crate) ineligible: Option<IneligibleReasons>,
}

impl AccountRow {
    /// Observes an account at the end of a log.
    ///
    /// # Arguments
    /// * `config` – configuration from [`Model::project_config`]
    /// # Errors
    /// * [`Error::Usage`]: the account is not in the log, or it is not open: it converted, churned
    ///   or signs up later
    pub fn from_log(
        (model, label): (&Model, &str),
        config: &Config,
        log: &Log,
        account: &str,
        sink: &Sink<'_>,
    ) -> Result<Self> {
        let names = &log.accounts.id;
        let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
        let code = names.code(account).ok_or_else(|| {
            let nearest = nearest_id(account, names.iter());
            let suggestion = nearest.map(|id| format!("did you mean `{id}`?"));
            usage(
                format!("account `{account}` not found before {}", log.zone.short(log.until)),
                suggestion,
            )
        })?;
        let (all, eligibility) = observe_for_scoring(log, &config.observation);
        let row =
            all.account.iter().position(|account| *account as usize == code).ok_or_else(|| {
                let problem = format!(
                    "account `{account}` is not open at {}: it {}",
                    log.zone.short(log.until),
                    why_not_open(log, code)
                );
                usage(problem, None)
            })?;
        let one = Observations {
            account: vec![all.account[row]],
            cutoff: vec![all.cutoff[row]],
            outcome: vec![all.outcome[row]],
            split: vec![all.split[row]],
            ..Observations::default()
        };
        let features = compute(model.usage_features(label)?, log, &one, sink.progress())?;
        let cutoff = Some(ZonedTime::new(all.cutoff[row], log.zone));
        let ineligible = log.exclusions.as_ref().map(|exclusions| {
            let reasons = exclusions.reasons(log, &one.account, &[scoring_time(log)])?;
            Ok::<_, Error>(reasons[0])
        });
        Ok(Self {
            features,
            cutoff,
            eligibility: eligibility[row],
            time: Some(ZonedTime::new(scoring_time(log), log.zone)),
            ineligible: ineligible.transpose()?,
        })
    }

    /// Reads the newest row of an account from a matrix.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the account is not in the matrix
    /// * those of [`matrix::batches`]
    pub fn from_matrix(
        model: &Model,
        (path, file): (&Path, MatrixConfig),
        account: &str,
        sink: &mut Sink<'_>,
    ) -> Result<Self> {
        let rule = model.matrix_config(file)?;
        let mut newest: Option<(Option<i64>, DataFrame)> = None;
        let types = model.column_types(&model.config()?);
        matrix::batches((path, &rule), &types, sink, &mut |batch| {
            let accounts = batch.account.str().map_err(|e| Error::table("the accounts", e))?;
            for (index, found) in accounts.iter().enumerate() {
                if found == Some(account)
                    && newest.as_ref().is_none_or(|(cutoff, _)| *cutoff <= batch.cutoff[index])
                {
                    let offset = i64::try_from(index).unwrap_or(i64::MAX);
                    newest = Some((batch.cutoff[index], batch.features.slice(offset, 1)));
                }
            }
            Ok(())
        })?;
        let (cutoff, features) = newest.ok_or_else(|| Error::Usage {
            problem: format!("account `{account}` not found in `{}`", path.display()),
            hint: None,
        })?;
        Ok(Self {
            features,
            cutoff: cutoff.map(|cutoff| ZonedTime::new(cutoff, model.zone())),
            eligibility: Eligibility::Scored,
            time: None,
            ineligible: None,
        })
    }

    /// Returns the error for an account that signs up at or after a time.
    ///
    /// # Arguments
    /// * `all` – a log that goes on after this time
    #[must_use]
    pub fn not_signed_up(all: &Log, account: &str, time: i64) -> Option<Error> {
        let signed_up = all.accounts.signed_up[all.accounts.id.code(account)?];
        let problem = format!(
            "account `{account}` signed up {}, so it has no score {}",
            on(&all.zone.short(signed_up)),
            on(&all.zone.short(time))
        );
        let hint = Some("use a later time".to_owned());
        (signed_up >= time).then_some(Error::Usage { problem, hint })
    }

    /// Returns why the account is not scored; `None` if it is.
    #[must_use]
    pub fn not_scored(&self) -> Option<Unscored> {
        self.eligibility.reason()
    }

    /// Explains the score as an exact sum of contributions.
    ///
    /// # Arguments
    /// * `label` – label of the model
    /// # Errors
    /// Those of [`Scorer::explain`]
    pub fn explain(&self, model: &Model, label: &str) -> Result<Explanation> {
        Scorer::new(model, label)?.explain(&self.features, 0)
    }
}

/// Says why an account has no row at the end of a log, with the account as the subject.
fn why_not_open(log: &Log, code: usize) -> String {
    let now = scoring_time(log);
    let times =
        [("converted", log.accounts.converted[code]), ("churned", log.accounts.churned[code])];
    match times.into_iter().filter(|(_, time)| *time < now).min_by_key(|(_, time)| *time) {
        Some((verb, time)) => format!("{verb} {}", on(&log.zone.short(time))),
        None => format!("signed up {}", on(&log.zone.short(log.accounts.signed_up[code]))),
    }
}

/// Returns a date or a time with its preposition.
fn on(time: &str) -> String {
    format!("{} {time}", if time.contains('T') { "at" } else { "on" })
}
