//! Steps after training: [`scoring`] with a ledger, [`evaluation`] on newer cohorts, [`monitor`],
//! comparison with a challenger ([`compare`]), and [`alerts`].

pub mod alerts;
pub mod compare;
pub mod evaluation;
pub mod monitor;
pub mod scoring;
