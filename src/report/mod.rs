//! Reports for people: numbers as text, SVG charts, and self-contained HTML pages.

mod charts;
mod format;
mod html;
pub(crate) mod text;

pub use html::{ComparisonPage, MonitorPage, Report};
