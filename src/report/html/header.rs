//! The header of a page: the answer in a sentence, a few numbers, and warnings.

use maud::{Markup, Render, html};

use super::elements::{list, rich_text};

/// What comes before all sections.
pub(super) struct PageHeader<'a> {
    /// What the page is about, in which backticks enclose names.
    pub(super) kicker: String,
    /// The question.
    pub(super) title: String,
    /// The answer.
    pub(super) verdict: Verdict,
    pub(super) tiles: Vec<Tile<'a>>,
    /// Addresses of the sections, with their short names.
    pub(super) links: Vec<(&'static str, &'static str)>,
}

/// Whether an answer is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Doubt,
    Neutral,
}

/// An answer in a few words, and its reasons.
pub(super) struct Verdict {
    pub(super) tone: Tone,
    pub(super) lead: String,
    pub(super) reasons: String,
}

/// A number of the header.
pub(super) struct Tile<'a> {
    pub(super) name: &'a str,
    /// Its name in the model card.
    pub(super) metric: &'a str,
    pub(super) value: Option<f64>,
    /// The value as text.
    pub(super) formatted: String,
    pub(super) note: String,
}

impl Render for PageHeader<'_> {
    fn render(&self) -> Markup {
        html! {
            header id="answer" {
                p.kicker { (rich_text(&self.kicker)) }
                h1 { (rich_text(&self.title)) }
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

impl Render for Verdict {
    fn render(&self) -> Markup {
        let class = match self.tone {
            Tone::Good => "verdict good",
            Tone::Doubt => "verdict doubt",
            Tone::Neutral => "verdict none",
        };
        html! { p class=(class) id="verdict" { strong { (self.lead) } " " (rich_text(&self.reasons)) } }
    }
}

impl Render for Tile<'_> {
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

/// Returns what a reader should know before trusting the page; nothing without texts.
pub(super) fn warnings(texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            aside aria-labelledby="beware" {
                h2 id="beware" { "To bear in mind" }
                (list(texts.iter().map(|text| capitalized(text))))
            }
        }
    }
}

/// Returns a sentence with its first letter large, unless that is of a name.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
