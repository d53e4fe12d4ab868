//! The page about a model.

mod accounts;
mod answer;
mod contacts;
mod context;
mod correlation;
mod cutoffs;
mod data;
mod effects;
mod funnel;
mod penalty;
mod performance;
mod provenance;
mod ranking;
mod weights;

pub use context::Report;
use context::ReportContext;
use maud::html;

use super::elements::document;
use crate::error::Result;

impl Report<'_> {
    /// Returns the page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot
    ///   be read
    /// * [`Error::MissingFeature`](crate::Error::MissingFeature): the test rows do not fit the
    ///   model
    pub fn html(&self) -> Result<String> {
        let context = ReportContext::new(*self)?;
        let sections = html! {
            (answer::answer(&context))
            (data::data(&context))
            (performance::performance(&context))
            (cutoffs::cutoffs(&context))
            (weights::weights(&context)?)
            (accounts::accounts(&context)?)
            (funnel::funnel(&context))
            (provenance::provenance(&context))
        };
        Ok(document(&format!("pql report: {}", self.label), &sections))
    }
}
