//! Reports for people: tables of the terminal, SVG charts and self-contained HTML pages.

mod charts;
pub(crate) mod format;
mod html;
pub(crate) mod text;

pub use html::{ComparisonPage, ModelPage, MonitorPage, document, rich_text};
