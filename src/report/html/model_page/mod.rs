//! The page about a model.

mod accounts;
mod coefficients;
mod contacts;
mod context;
mod correlation;
mod cutoffs;
mod data;
mod effect_values;
mod effects;
mod funnel;
mod performance;
mod provenance;
mod ranking_curves;
mod regularization;
mod summary;

pub use context::ModelPage;
use context::ReportContext;
use maud::html;

use super::elements::document;
use crate::error::Result;

impl ModelPage<'_> {
    /// Renders the page as HTML.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot
    ///   be read
    /// * [`Error::MissingFeature`](crate::Error::MissingFeature): the test rows do not fit the
    ///   model
    pub fn html(&self) -> Result<String> {
        let context = ReportContext::new(*self)?;
        let sections = html! {
            (summary::summary(&context))
            (data::data(&context))
            (performance::performance(&context))
            (cutoffs::cutoffs(&context))
            (coefficients::features(&context)?)
            (accounts::accounts(&context)?)
            (funnel::funnel(&context))
            (provenance::provenance(&context))
        };
        Ok(document(&format!("pql report: {}", self.label), &sections))
    }
}
