//! Elements of the pages: the document, paragraphs, lists, tables and figures.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use pql_stats::intervals::{Estimate, Interval};

use crate::escape;
use crate::report::charts::Drawing;
use crate::report::format::{four, interval_range};

const STYLE: &str = include_str!("style.css");

/// A table of texts: the first column and texts are left-aligned, numbers right-aligned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) caption: String,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Rows, with one cell per column.
    pub(super) rows: Vec<Vec<String>>,
}

/// A drawing of one or more charts, with its caption, legend and data.
#[derive(Debug)]
pub(super) struct Figure<'a> {
    /// Id of the drawing.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// Description for readers who do not see the drawing.
    pub(super) alt_text: String,
    /// How to read the drawing.
    pub(super) caption: String,
    pub(super) drawing: Drawing,
    /// CSS class of each kind of mark, and its meaning.
    pub(super) legend: Vec<(&'static str, &'a str)>,
    /// The data behind the drawing.
    pub(super) table: Table,
}

/// Returns a row of a table of metrics: name, value, 95% confidence interval, note.
pub(super) fn metric_row(
    name: &str,
    value: Option<f64>,
    interval: Option<Interval>,
    note: &str,
) -> Vec<String> {
    vec![name.to_owned(), four(value), interval_range(interval, four), note.to_owned()]
}

/// Returns a row of a table of metrics for an estimate.
pub(super) fn estimate_row(
    name: &str,
    estimate: impl Into<Option<Estimate>>,
    note: &str,
) -> Vec<String> {
    let estimate = estimate.into();
    let interval = estimate.and_then(|estimate| estimate.interval);
    metric_row(name, estimate.map(|estimate| estimate.value), interval, note)
}

/// Returns a complete HTML document.
#[must_use]
pub fn document(title: &str, content: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
                title { (title) }
            }
            body {
                a.skip href="#summary" { "Skip to the summary" }
                main { (content) }
            }
        }
    };
    // HTML and SVG forbid control characters, which names in data may contain.
    escape::lines(&document.into_string()).into_owned()
}

/// Returns a text as markup: names in backticks become code.
#[must_use]
pub fn rich_text(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    html! {
        // An unpaired backtick is plain text.
        @if parts.len().is_multiple_of(2) { (text) }
        @else {
            @for (place, part) in parts.iter().enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            }
        }
    }
}

/// Returns a paragraph.
pub(super) fn paragraph(text: &str) -> Markup {
    html! { p { (rich_text(text)) } }
}

/// Returns a bulleted list.
pub(super) fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Markup {
    html! { ul { @for item in items { li { (rich_text(item.as_ref())) } "\n" } } }
}

/// Returns figures side by side.
pub(super) fn grid<'a>(figures: impl IntoIterator<Item = Figure<'a>>) -> Markup {
    html! { div.grid { @for figure in figures { (figure) } } }
}

impl Table {
    pub(super) fn new(
        caption: &str,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Self { caption: caption.to_owned(), header, rows: rows.into_iter().collect() }
    }

    /// Returns the CSS class of a column.
    fn column_class(&self, column: usize) -> &'static str {
        let has_text =
            self.rows.iter().any(|row| row.get(column).is_some_and(|cell| is_text(cell)));
        if has_text { "text" } else { "number" }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        let classes: Vec<&str> =
            (0..self.header.len()).map(|column| self.column_class(column)).collect();
        html! {
            // Such tables are wider than a phone.
            @if self.header.len() > 4 { p.scroll-hint { "Scroll the table sideways to see all columns." } }
            div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (rich_text(&self.caption)) }
                    thead {
                        tr { @for (name, class) in self.header.iter().zip(&classes) { th scope="col" class=(class) { (rich_text(name)) } } }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (column, (cell, class)) in row.iter().zip(&classes).enumerate() {
                                    @if column == 0 { th scope="row" class=(class) { (rich_text(cell)) } }
                                    @else { td class=(class) { (rich_text(cell)) } }
                                }
                            }
                            "\n"
                        }
                    }
                }
            }
        }
    }
}

impl Render for Figure<'_> {
    fn render(&self) -> Markup {
        html! {
            figure {
                figcaption { h3 { (rich_text(self.title)) } (paragraph(&self.caption)) }
                @if !self.legend.is_empty() {
                    ul.legend { @for (class, meaning) in &self.legend { li class=(class) { (rich_text(meaning)) } } }
                }
                (self.drawing.svg(self.id, self.title, &self.alt_text))
                details {
                    summary { "Show data" span.visually-hidden { " of " (rich_text(self.title)) } }
                    (self.table)
                }
            }
            "\n"
        }
    }
}

/// Returns whether a cell has text rather than a number.
fn is_text(cell: &str) -> bool {
    cell.chars().next().is_some_and(|first| {
        !first.is_ascii_digit() && !matches!(first, '+' | '−' | '–' | '<' | '>')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped() {
        let hostile = "\"><script>alert('x')</script>&amp;\u{0}";
        let table = Table::new(hostile, &[hostile], vec![vec![hostile.to_owned()]]);
        let page = document(hostile, &html! { p title=(hostile) { (rich_text(hostile)) } (table) });
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(
            page.matches("&quot;&gt;&lt;script&gt;alert('x')&lt;/script&gt;&amp;amp;\\u{0}")
                .count(),
            7,
            "{page}"
        );
    }

    #[test]
    fn paired_backticks_become_code() {
        assert_eq!(rich_text("set `a<b` so").into_string(), "set <code>a&lt;b</code> so");
        assert_eq!(rich_text("a ` b").into_string(), "a ` b");
    }
}
