//! The header of a page: a question, the verdict as the headline, key metrics, and notices.

use maud::{Markup, Render, html};

use super::elements::{list, paragraph, rich_text};
use crate::names::capitalized;

/// The top of a page, before all sections.
pub(super) struct PageHeader<'a> {
    /// Subject of the page; backticks enclose names.
    pub(super) subject: String,
    /// The question that the page answers.
    pub(super) title: String,
    pub(super) verdict: PageVerdict,
    pub(super) tiles: Vec<MetricTile<'a>>,
    /// Anchors of the sections and their short names.
    pub(super) links: Vec<(&'static str, &'static str)>,
}

/// Tone of a verdict, which sets its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Doubt,
    Neutral,
}

/// The answer to the question of a page, and its reasons; backticks enclose names.
pub(super) struct PageVerdict {
    pub(super) tone: Tone,
    pub(super) lead: String,
    pub(super) reasons: String,
}

/// A key metric.
pub(super) struct MetricTile<'a> {
    pub(super) name: &'a str,
    /// Its key in the JSON output.
    pub(super) metric: &'a str,
    pub(super) value: Option<f64>,
    /// The value as text.
    pub(super) formatted: String,
    pub(super) note: String,
}

impl Render for PageHeader<'_> {
    fn render(&self) -> Markup {
        html! {
            header id="summary" {
                p.subject { (rich_text(&self.subject)) }
                p.question { (rich_text(&self.title)) }
                (self.verdict)
                @if !self.tiles.is_empty() {
                    dl.tiles { @for tile in &self.tiles { (tile) } }
                }
                nav aria-label="Sections" { @for (address, name) in &self.links { a href=(address) { (name) } " " } }
            }
            "\n"
        }
    }
}

impl Render for PageVerdict {
    fn render(&self) -> Markup {
        let class = match self.tone {
            Tone::Good => "verdict good",
            Tone::Doubt => "verdict doubt",
            Tone::Neutral => "verdict none",
        };
        html! {
            div class=(class) id="verdict" {
                h1 { (rich_text(&self.lead)) }
                (paragraph(&self.reasons))
            }
        }
    }
}

impl Render for MetricTile<'_> {
    fn render(&self) -> Markup {
        let value = self.value.map_or(String::new(), |value| value.to_string());
        html! {
            div {
                dt { (rich_text(self.name)) }
                dd { data id=(self.metric) value=(value) { (self.formatted) } small { (rich_text(&self.note)) } }
            }
        }
    }
}

/// Returns a box with a title and a list of texts; nothing without texts.
pub(super) fn notices(title: &str, texts: &[String]) -> Markup {
    let id = title.to_lowercase();
    html! {
        @if !texts.is_empty() {
            aside aria-labelledby=(id) {
                h2 id=(id) { (title) }
                (list(texts.iter().map(|text| sentence(text))))
            }
        }
    }
}

/// Returns a text with a capital first letter and a period at its end.
fn sentence(text: &str) -> String {
    let text = capitalized(text);
    if text.ends_with(['.', '?', '!', ':']) { text } else { text + "." }
}
