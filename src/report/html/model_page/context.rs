//! Inputs of a model page, and the context that its sections share.

use pql_stats::metrics::{GainsPoint, gains_curve};

use crate::config::Config;
use crate::error::Result;
use crate::model::Model;
use crate::model::card::CardContext;
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;

/// A page about a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelPage<'a> {
    /// The model.
    pub model: &'a Model,
    /// Name and version of the model.
    pub label: &'a str,
    /// Facts that only the model card has; `None` without a card.
    pub card: Option<&'a CardContext>,
    /// The test rows; `None` if they were not stored.
    pub rows: Option<&'a TestRows>,
    /// Conversion funnel of the PQL definitions; `None` without definitions or a log.
    pub funnel: Option<&'a Funnel>,
    /// Replaces account ids by numbers.
    pub mask: bool,
}

/// The context that all sections of the page share.
pub(super) struct ReportContext<'a> {
    pub(super) page: ModelPage<'a>,
    pub(super) model: &'a Model,
    pub(super) config: Config,
    /// Cumulative test rows and conversions by descending probability; empty without test rows.
    pub(super) points: Vec<GainsPoint>,
}

impl<'a> ReportContext<'a> {
    pub(super) fn new(page: ModelPage<'a>) -> Result<Self> {
        let points =
            page.rows.map_or_else(Vec::new, |rows| gains_curve(&rows.y, &rows.probability));
        Ok(Self { page, model: page.model, config: page.model.config()?, points })
    }

    /// Returns the noun for a row of the test set: `account`, or `row` if accounts repeat.
    pub(super) fn unit(&self) -> &'static str {
        let evaluation = self.model.evaluation.as_ref().map(|evaluation| &evaluation.metrics);
        if evaluation.is_none_or(|e| e.accounts == e.n) { "account" } else { "row" }
    }
}
