//! The head of a page: the answer in a sentence and a few numbers.

use super::html::Html;

/// What comes before all sections.
pub(super) struct Head<'a> {
    /// What the page is about, in which backticks stand around names.
    pub(super) kicker: String,
    /// The question.
    pub(super) title: String,
    /// The answer.
    pub(super) verdict: Verdict,
    pub(super) tiles: Vec<Tile<'a>>,
    /// The sections, with what they are called.
    pub(super) links: Vec<(&'static str, &'static str)>,
}

/// Whether an answer is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    Doubt,
    None,
}

/// An answer in a few words, and why.
pub(super) struct Verdict {
    pub(super) kind: Kind,
    pub(super) lead: String,
    pub(super) why: String,
}

/// A number of the head of the page.
pub(super) struct Tile<'a> {
    pub(super) name: &'a str,
    /// What the card calls it.
    pub(super) metric: &'a str,
    pub(super) value: Option<f64>,
    pub(super) shown: String,
    pub(super) note: String,
}

impl Head<'_> {
    /// Put it.
    pub(super) fn put(&self, body: &mut Html) {
        let class = match self.verdict.kind {
            Kind::Good => "verdict good",
            Kind::Doubt => "verdict doubt",
            Kind::None => "verdict none",
        };
        body.raw("<header id=\"answer\"><p class=\"kicker\">").words(&self.kicker).raw("</p>");
        body.raw("<h1>").words(&self.title).raw("</h1>\n");
        body.open("p", &[("class", class), ("id", "verdict")])
            .element("strong", &self.verdict.lead)
            .text(" ")
            .words(&self.verdict.why)
            .close("p")
            .raw("\n");
        if !self.tiles.is_empty() {
            self.put_tiles(body);
        }
        body.raw("<nav aria-label=\"Sections\">");
        for (href, words) in &self.links {
            body.open("a", &[("href", href)]).text(words).close("a").raw(" ");
        }
        body.raw("</nav>\n</header>\n");
    }

    fn put_tiles(&self, body: &mut Html) {
        body.raw("<dl class=\"tiles\">\n");
        for tile in &self.tiles {
            body.raw("<div><dt>").words(tile.name).raw("</dt><dd>");
            let value = tile.value.map_or(String::new(), |v| v.to_string());
            body.open("data", &[("id", tile.metric), ("value", &value)]).text(&tile.shown).close("data");
            body.raw("<small>").words(&tile.note).raw("</small></dd></div>\n");
        }
        body.raw("</dl>\n");
    }
}

/// Put what a reader should know before trusting the page, where there is something.
pub(super) fn beware(said: &[String], body: &mut Html) {
    if said.is_empty() {
        return;
    }
    body.raw("<aside aria-labelledby=\"beware\"><h2 id=\"beware\">To bear in mind</h2>\n")
        .list(said.iter().map(|text| begun(text)))
        .raw("</aside>\n");
}

/// A sentence with its first letter large, unless that is of a name.
fn begun(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
