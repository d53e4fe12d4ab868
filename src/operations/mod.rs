//! What happens after training: [`scoring`] with a ledger, [`evaluation`] on newer cohorts,
//! [`monitor`] a model, [`compare`] it with a challenger, send [`alerts`].

pub mod alerts;
pub mod compare;
pub mod evaluation;
pub mod monitor;
pub mod scoring;
