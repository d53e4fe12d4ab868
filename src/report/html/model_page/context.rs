//! What a model page is about, and what its sections see of it.

use pql_stats::metrics::{FromTop, from_top};

use crate::config::Config;
use crate::error::Result;
use crate::model::Model;
use crate::model::card::Beside;
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;

/// A page about a model.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it is called.
    pub label: &'a str,
    /// What its card knows besides; `None` where there is no card.
    pub beside: Option<&'a Beside>,
    /// The test rows; `None` where they were not stored.
    pub rows: Option<&'a TestRows>,
    /// What PQL definitions find; `None` without definitions or a log.
    pub funnel: Option<&'a Funnel>,
    /// Whether accounts are numbered instead of named.
    pub mask: bool,
}

/// What the sections of the page see.
pub(super) struct ReportContext<'a> {
    pub(super) report: Report<'a>,
    pub(super) model: &'a Model,
    pub(super) config: Config,
    /// Test rows and conversions above each probability, the highest first; empty without test
    /// rows.
    pub(super) points: Vec<FromTop>,
}

impl<'a> ReportContext<'a> {
    pub(super) fn new(report: Report<'a>) -> Result<Self> {
        let points = report.rows.map_or_else(Vec::new, |rows| from_top(&rows.y, &rows.probability));
        Ok(Self { report, model: report.model, config: report.model.config()?, points })
    }

    /// Returns the kind of a row of the test set: an account, or an account at a cutoff.
    pub(super) fn unit(&self) -> &'static str {
        let judged = self.model.judgement.as_ref().map(|judgement| &judgement.evaluation);
        if judged.is_none_or(|e| e.accounts == e.n) { "account" } else { "row" }
    }
}
