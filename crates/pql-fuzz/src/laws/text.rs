//! Laws of texts: times, `pql.toml`, cells of files, pages.

use std::path::Path;

use pql::config::Config;
use pql::io::write::{csv_line, format_number};
use pql::report::{document, rich_text};
use pql::time::{Day, TimeSpan, Zone, iso, parse_iso, parse_with, plausible};

/// A parsed time has one text, which is the same time; so has a time span.
pub(crate) fn timestamp(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (format, rest) = text.split_once('\n').unwrap_or(("%Y-%m-%d", &text));
    let times = [parse_iso(rest), parse_with(rest, format, Zone::default())];
    for time in times.into_iter().flatten() {
        let written = iso(time);
        if plausible(time) {
            assert_eq!(parse_iso(&written), Some(time), "{written}");
            assert!(written.starts_with(&Day::from_local(time).to_string()), "{written}");
        }
    }
    let span = rest.parse::<TimeSpan>();
    if let Ok(span) = span {
        let written = span.to_string();
        assert_eq!(written.parse::<TimeSpan>(), Ok(span), "{written}");
    }
    times.iter().any(Option::is_some) || span.is_ok()
}

/// A valid project file is stored as TOML that gives the same configuration.
pub(crate) fn config(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(config) = Config::parse(text, Path::new("pql.toml"), &[]) else { return false };
    let stored = config.stored();
    let again = Config::from_stored(&stored, Path::new("m.pql")).expect("stored by `stored`");
    assert_eq!(again.stored(), stored);
    let differences = config.all_differences(&again);
    assert!(differences.is_empty(), "{differences:?}");
    true
}

/// A definition is written as TOML that gives the same definition.
pub(crate) fn definition(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parse = |text: &str| Config::parse(text, Path::new("pql.toml"), &[]);
    let Ok(config) = parse(&format!("[[definition]]\n{text}")) else { return false };
    for definition in &config.definition {
        let written = definition.to_toml();
        let again = parse(&written).expect("written by `to_toml`");
        assert_eq!(again.definition.len(), 1, "{written}");
        assert_eq!(&again.definition[0], definition, "{written}");
    }
    true
}

/// Another CSV reader reads the same cells; a number is read back exactly.
pub(crate) fn score_writer(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let cells: Vec<String> = text.split('\0').map(str::to_owned).collect();
    // A line of one empty cell is a blank line, which readers skip.
    if cells.iter().any(|cell| !cell.is_empty()) {
        let line = csv_line(&cells);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let records: Vec<csv::StringRecord> =
            reader.records().map(|record| record.expect("one valid line")).collect();
        assert_eq!(records.len(), 1, "{line:?}");
        assert_eq!(records[0].iter().collect::<Vec<_>>(), cells, "{line:?}");
    }
    for bytes in data.as_chunks::<8>().0 {
        let number = f64::from_le_bytes(*bytes);
        let written = format_number(number);
        if number.is_finite() {
            assert_eq!(written.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{written}");
        } else {
            assert_eq!(written, "");
        }
    }
    true
}

/// A text in a page adds no tag but `code`, and a browser shows a text without hidden characters.
pub(crate) fn html(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let page = document(&text, &rich_text(&text));
    let between = |start: &str, end: &str| {
        let (_, rest) = page.split_once(start).expect("every page has the tag");
        let (inside, _) = rest.rsplit_once(end).expect("every page closes the tag");
        inside.to_owned()
    };
    // Backticks in pairs become `code`.
    let is_code = text.matches('`').count().is_multiple_of(2);
    let main = between("<main>", "</main>");
    let main = if is_code { main.replace("<code>", "").replace("</code>", "") } else { main };
    let shown = [plain(&between("<title>", "</title>")), plain(&main)];
    assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{page:?}");
    // Others may be hidden characters, which are shown as their code.
    if text.chars().all(|c| matches!(c, ' '..='~' | '\n')) {
        let content: String = text.chars().filter(|c| !is_code || *c != '`').collect();
        assert_eq!(shown, [text.into_owned(), content]);
    }
    true
}

/// Returns the text that a browser shows for markup without tags.
fn plain(markup: &str) -> String {
    assert!(!markup.contains(['<', '>', '"']), "{markup}");
    let text = markup.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}
