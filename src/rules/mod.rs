//! PQL definitions ([`definition`]), their discovery ([`discover`]), and the funnel from sign-up to
//! customer ([`funnel`]).

pub mod definition;
pub mod discover;
pub mod funnel;
