//! HTML in which every text is escaped: what comes from data can only enter as text.

/// Markup whose texts are escaped.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// A table of texts; the first column is aligned to the left, numbers to the right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Its rows, a text for each column.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(caption: &str, header: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self { caption: caption.to_owned(), header: header.iter().map(|h| (*h).to_owned()).collect(), rows }
    }
}

/// A drawing with what is said of it.
#[derive(Debug)]
pub(super) struct Figure<'a> {
    pub(super) title: &'a str,
    /// How it is to be read.
    pub(super) about: String,
    /// The drawing, as `Chart` makes it.
    pub(super) drawing: Html,
    /// What the marks are: class and words.
    pub(super) legend: Vec<(&'static str, &'a str)>,
    /// Its numbers.
    pub(super) table: Table,
}

impl Html {
    /// Put markup that stands in the sources.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Put a text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escape(text));
        self
    }

    /// Put a text in which backticks stand around code.
    pub(super) fn words(&mut self, text: &str) -> &mut Self {
        // A number and its sign stay on one line.
        let text = &text.replace(" %", "\u{a0}%");
        let parts: Vec<&str> = text.split('`').collect();
        // An odd number of backticks is no markup.
        if parts.len().is_multiple_of(2) {
            return self.text(text);
        }
        for (at, part) in parts.into_iter().enumerate() {
            if at % 2 == 1 {
                self.element("code", part);
            } else {
                self.text(part);
            }
        }
        self
    }

    /// Put other markup.
    pub(super) fn put(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Put a text in an element.
    pub(super) fn element(&mut self, tag: &'static str, text: &str) -> &mut Self {
        self.open(tag, &[]).text(text).close(tag)
    }

    /// Open an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        self.0.push('<');
        self.0.push_str(tag);
        self.attributes(attributes);
        self.0.push('>');
        self
    }

    /// Put an element without content.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        self.0.push('<');
        self.0.push_str(tag);
        self.attributes(attributes);
        self.0.push_str("/>");
        self
    }

    fn attributes(&mut self, attributes: &[(&'static str, &str)]) {
        for (name, value) in attributes {
            self.0.push_str(&format!(" {name}=\"{}\"", escape(value)));
        }
    }

    /// Close an element.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// Put a paragraph.
    pub(super) fn paragraph(&mut self, text: &str) -> &mut Self {
        self.raw("<p>").words(text).raw("</p>\n")
    }

    /// Put a list of sentences.
    pub(super) fn list<S: AsRef<str>>(&mut self, items: impl IntoIterator<Item = S>) -> &mut Self {
        self.raw("<ul>");
        for item in items {
            self.raw("<li>").words(item.as_ref()).raw("</li>\n");
        }
        self.raw("</ul>\n")
    }

    /// Begin a section, which ends with `</section>`.
    pub(super) fn section(&mut self, id: &str, title: &str) -> &mut Self {
        self.open("section", &[("id", id)]).element("h2", title).raw("\n")
    }

    /// Put a table.
    pub(super) fn table(&mut self, table: &Table) -> &mut Self {
        self.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" ").raw("aria-label=\"").text(&table.caption).raw("\"><table>");
        self.raw("<caption>").words(&table.caption).raw("</caption><thead><tr>");
        let is_text: Vec<bool> =
            (0..table.header.len()).map(|at| table.rows.iter().any(|row| row.get(at).is_some_and(|c| is_text(c)))).collect();
        let class = |at: usize| if is_text[at] { [("class", "text")] } else { [("class", "number")] };
        for (at, name) in table.header.iter().enumerate() {
            self.open("th", &[("scope", "col"), class(at)[0]]).words(name).raw("</th>");
        }
        self.raw("</tr></thead><tbody>\n");
        for row in &table.rows {
            self.raw("<tr>");
            for (at, cell) in row.iter().enumerate() {
                if at == 0 {
                    self.open("th", &[("scope", "row"), class(at)[0]]).words(cell).raw("</th>");
                } else {
                    self.open("td", &class(at)).words(cell).raw("</td>");
                }
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n")
    }

    /// Put a table that is folded up.
    pub(super) fn folded(&mut self, summary: &str, table: &Table) -> &mut Self {
        self.raw("<details><summary>").words(summary).raw("</summary>\n").table(table).raw("</details>\n")
    }

    /// Put a figure with its numbers.
    pub(super) fn figure(&mut self, figure: &Figure<'_>) -> &mut Self {
        self.raw("<figure><figcaption><h3>").words(figure.title).raw("</h3>");
        self.raw("<p>").words(&figure.about).raw("</p></figcaption>\n");
        if !figure.legend.is_empty() {
            self.raw("<ul class=\"legend\">");
            for (class, words) in &figure.legend {
                self.open("li", &[("class", class)]).words(words).close("li");
            }
            self.raw("</ul>\n");
        }
        self.put(&figure.drawing).raw("\n<details><summary>Numbers<span class=\"unseen\"> of ").words(figure.title);
        self.raw("</span></summary>\n").table(&figure.table).raw("</details></figure>\n")
    }

    /// The markup.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Whether a cell is neither a number nor empty.
fn is_text(cell: &str) -> bool {
    cell.chars().next().is_some_and(|first| !first.is_ascii_digit() && !matches!(first, '+' | '−' | '–' | '<'))
}

/// A text in which nothing is markup, in content and in quoted attributes. What HTML and SVG do not allow is replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(c),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_cannot_become_markup() {
        let hostile = "\"><script>alert('x')</script>&amp;\u{0}";
        let mut html = Html::default();
        html.open("p", &[("title", hostile)]).words(hostile).close("p");
        html.table(&Table::new(hostile, &[hostile], vec![vec![hostile.to_owned()]]));
        let html = html.into_string();
        assert!(!html.contains("<script") && !html.contains("\"><s"), "{html}");
        assert!(html.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\u{fffd}"), "{html}");
    }

    #[test]
    fn backticks_stand_around_code() {
        let of = |text| {
            let mut html = Html::default();
            html.words(text);
            html.into_string()
        };
        assert_eq!(of("set `a<b` so"), "set <code>a&lt;b</code> so");
        assert_eq!(of("a ` b"), "a ` b");
    }
}
