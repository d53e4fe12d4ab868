//! A version in the list of `pql models list`.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::PenaltyKind;
use crate::error::Result;
use crate::model::verdict::{TooFew, VerdictCard};
use crate::model::{Model, card};
use crate::registry::versions::StoredVersion;
use crate::report::format::grouped;
use crate::report::text::fixed;
use crate::time::ZonedTime;

/// A version in the list.
#[derive(Serialize)]
pub(super) struct ListedVersion {
    pub(super) model: String,
    champion: bool,
    path: PathBuf,
    /// Reason why the file cannot be read.
    pub(super) problem: Option<String>,
    /// Reason why its card cannot be used.
    #[serde(skip)]
    pub(super) card_problem: Option<String>,
    #[serde(flatten)]
    details: Option<VersionDetails>,
}

/// Facts from the file of a version.
#[derive(Serialize)]
struct VersionDetails {
    verdict: VerdictCard,
    /// The verdict in a few words.
    #[serde(skip)]
    short_verdict: String,
    /// Rows of the final fit, with the test rows after a refit.
    training_rows: u64,
    converting_training_accounts: u64,
    last_training_cutoff: Option<ZonedTime>,
    /// Whether the model was fitted again after its test, on all rows including the test rows.
    refit: bool,
    columns: usize,
    penalty: Penalty,
    alpha: f64,
    threshold: f64,
    /// Metrics of versions are comparable only if their test sets are the same.
    test: Option<TestSet>,
}

/// The penalty of a fit.
#[derive(Serialize)]
struct Penalty {
    kind: PenaltyKind,
    /// Share of the L1 penalty; null unless the kind is `elastic-net`.
    l1_ratio: Option<f64>,
}

/// A test set with the metrics on it.
#[derive(Serialize)]
pub(super) struct TestSet {
    /// Identifies accounts, cutoffs and outcomes.
    pub(super) id: String,
    rows: u64,
    accounts: u64,
    converting_accounts: u64,
    /// Rows that converted.
    #[serde(skip)]
    conversions: u64,
    first_cutoff: Option<ZonedTime>,
    last_cutoff: Option<ZonedTime>,
    roc_auc: Option<f64>,
    log_loss: f64,
}

impl TestSet {
    /// Returns the test set of a model; `None` without one.
    fn new(model: &Model) -> Option<Self> {
        let evaluation = model.evaluation.as_ref()?;
        let (cutoffs, zone) = (|| evaluation.by_cutoff.iter(), model.zone());
        let zoned = |cutoff: i64| ZonedTime::new(cutoff, zone);
        Some(Self {
            id: blake3::Hash::from_bytes(model.test_fingerprint?).to_hex()[..16].to_owned(),
            rows: evaluation.metrics.n,
            accounts: evaluation.metrics.accounts,
            converting_accounts: evaluation.metrics.converting_accounts,
            conversions: evaluation.metrics.conversions,
            first_cutoff: cutoffs().next().map(|cutoff| zoned(cutoff.first)),
            last_cutoff: cutoffs().next_back().map(|cutoff| zoned(cutoff.last)),
            roc_auc: evaluation.metrics.roc_auc.map(|auc| auc.value),
            log_loss: evaluation.metrics.log_loss.value,
        })
    }

    /// Returns the days of its first and last cutoff, the latter without the year if it is the same;
    /// a dash without cutoffs.
    fn period(&self) -> String {
        let days = self.first_cutoff.zip(self.last_cutoff).map(|(first, last)| {
            let [first, last] = [first, last].map(|time| time.day().to_string());
            let year = first.split_once('-').map(|(year, _)| year);
            let end = match last.split_once('-') {
                Some((same, day)) if year == Some(same) => day,
                _ => &last,
            };
            if first == last { first } else { format!("{first} to {end}") }
        });
        days.unwrap_or_else(|| "–".to_owned())
    }
}

impl VersionDetails {
    fn new(model: &Model) -> Result<Self> {
        let learned = model.refit.map_or(model.split.train, |refit| refit.sample);
        let config = model.config()?.model;
        let is_mixed = config.penalty == PenaltyKind::ElasticNet;
        let verdict = model.verdict();
        Ok(Self {
            verdict: VerdictCard::from(&verdict),
            short_verdict: match verdict.too_few {
                Some(TooFew { converting: true, .. }) => {
                    format!("{} (few conversions)", verdict.short())
                }
                Some(_) => format!("{} (few others)", verdict.short()),
                None => verdict.short().to_owned(),
            },
            training_rows: learned.rows,
            converting_training_accounts: learned.converting_accounts,
            last_training_cutoff: model
                .last_training_cutoff()
                .map(|cutoff| ZonedTime::new(cutoff, model.zone())),
            refit: model.refit.is_some(),
            columns: model.fit.coef.len(),
            penalty: Penalty {
                kind: config.penalty,
                l1_ratio: is_mixed.then_some(config.l1_ratio),
            },
            alpha: model.fit.alpha,
            threshold: model.threshold,
            test: TestSet::new(model),
        })
    }
}

impl VersionDetails {
    /// Returns the day of the last training cutoff, with a star if test rows are among the training
    /// rows.
    fn trained_to(&self) -> String {
        let day = self.last_training_cutoff.map(|time| time.day().to_string());
        match (day, self.refit) {
            (Some(day), true) => format!("{day}*"),
            (None, true) => "*".to_owned(),
            (day, false) => day.unwrap_or_else(|| "–".to_owned()),
        }
    }
}

impl ListedVersion {
    /// Reads the file of a stored version.
    pub(super) fn read(stored: StoredVersion) -> Self {
        let path = stored.location.path;
        let read = Model::load(&path)
            .and_then(|model| Ok((VersionDetails::new(&model)?, card::read(&path, &model).err())));
        let (details, problem, card_problem) = match read {
            Ok((details, card)) => (Some(details), None, card.map(|error| error.with_sources())),
            Err(error) => (None, Some(error.with_sources()), None),
        };
        Self {
            model: stored.location.label,
            champion: stored.is_champion,
            path,
            problem,
            card_problem,
            details,
        }
    }

    /// Returns the test set; `None` without one, or if the file cannot be read.
    pub(super) fn test(&self) -> Option<&TestSet> {
        self.details.as_ref()?.test.as_ref()
    }

    /// Returns whether the model was fitted again after its test.
    pub(super) fn is_refitted(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.refit)
    }

    /// Returns the cells of the list, with the ROC AUC if `with_auc`.
    pub(super) fn cells(&self, with_auc: bool) -> Vec<String> {
        let champion = if self.champion { "champion" } else { "" };
        let dash = || "–".to_owned();
        let mut cells = vec![self.model.clone(), champion.to_owned()];
        let Some(details) = &self.details else {
            cells.push("unreadable".to_owned());
            return cells;
        };
        let test = |cell: &dyn Fn(&TestSet) -> String| self.test().map_or_else(dash, cell);
        cells.extend([
            details.short_verdict.clone(),
            details.trained_to(),
            test(&|test| test.period()),
            test(&|test| grouped(test.rows)),
            test(&|test| grouped(test.conversions)),
        ]);
        if with_auc {
            cells.push(test(&|test| fixed(test.roc_auc, 3)));
        }
        cells
    }
}
