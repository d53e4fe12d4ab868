//! Escapes of names and values from data, so that they cannot attack who reads them: a terminal, a
//! Markdown table, a chat or a spreadsheet.
//!
//! A sentence of pql is one line. Its `Display` implementation writes through [`OneLine`], or its
//! whole text passes [`one_line`], so that a value can neither start a line nor hide or reorder
//! text. JSON, CSV and Parquet keep the exact values.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Returns whether a character is invisible or changes how others are shown: controls, marks of
/// writing direction, and characters without width.
///
/// The joiners U+200C and U+200D belong to words of many scripts and to emoji; they are hidden only
/// after ASCII characters.
///
/// # Source
/// Unicode Standard Annex #9 (directional formatting), and `Default_Ignorable_Code_Point` of
/// Annex #44
pub(crate) fn is_hidden(c: char, previous: char) -> bool {
    c.is_control()
        || match c {
            '\u{200c}' | '\u{200d}' => previous.is_ascii(),
            '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}' => true,
            _ => false,
        }
}

/// Replaces the hidden characters that `keep` does not keep by what `replacement` writes.
fn replace_hidden(
    text: &str,
    keep: impl Fn(char) -> bool,
    replacement: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.bytes().all(is_plain) {
        return text.into();
    }
    let mut escaped = String::new();
    let (mut copied, mut previous) = (0, ' ');
    for (position, c) in text.char_indices() {
        if is_hidden(c, previous) && !keep(c) {
            escaped.push_str(&text[copied..position]);
            replacement(c, &mut escaped);
            copied = position + c.len_utf8();
        }
        previous = c;
    }
    if copied == 0 {
        return text.into();
    }
    escaped.push_str(&text[copied..]);
    escaped.into()
}

/// Writes a character as `\n`, `\r`, `\t` or `\u{…}`.
fn push_escaped(c: char, text: &mut String) {
    text.extend(c.escape_default());
}

/// Returns a text as one line without hidden characters: these become `\n`, `\r`, `\t` or `\u{…}`.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    replace_hidden(text, |_| false, push_escaped)
}

/// Returns a text without hidden characters other than line breaks.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replace_hidden(text, |c| c == '\n', push_escaped)
}

/// Returns a text as [`lines`] does, except that some sequences, which begin with ESC, stay.
pub(crate) fn lines_with(sequences: &[&str], text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut escaped = lines(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let kept = sequences.iter().find_map(|sequence| {
            let rest = part.strip_prefix(sequence.strip_prefix('\u{1b}')?)?;
            Some((*sequence, rest))
        });
        if let Some((sequence, rest)) = kept {
            escaped.push_str(sequence);
            escaped.push_str(&lines(rest));
        } else {
            push_escaped('\u{1b}', &mut escaped);
            escaped.push_str(&lines(part));
        }
    }
    escaped
}

/// Returns JSON whose hidden characters, which occur only in its strings, are written as `\uXXXX`.
/// It has the same values.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    replace_hidden(
        text,
        |c| c == '\n',
        |c, json| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(json, "\\u{unit:04x}").expect("writing to a String succeeds");
            }
        },
    )
}

/// Writes to a formatter through [`one_line`].
pub(crate) struct OneLine<'a, 'b>(pub(crate) &'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&one_line(text))
    }
}

/// Returns a text as a cell of a Markdown table, shown as it is.
pub(crate) fn markdown_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '|' | '\\' | '`' | '*' | '[' | ']' | '~' => cell.extend(['\\', c]),
            _ => cell.push(c),
        }
    }
    cell
}

/// Returns a text for a chat, in which it is neither a mention nor a link or markup.
///
/// `&`, `<` and `>` are escaped as Slack requires. A space without width breaks mentions
/// (`@channel`), addresses (`https://…`) and domains (`evil.example`). Look-alikes replace the marks
/// of bold, struck and code, because chats differ in how these are escaped.
///
/// # Source
/// Slack, *Formatting text for app surfaces*, "Escaping text"
pub(crate) fn chat(text: &str) -> String {
    let mut message = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '&' => message.push_str("&amp;"),
            '<' => message.push_str("&lt;"),
            '>' => message.push_str("&gt;"),
            '@' if !previous.is_alphanumeric() => message.push_str("@\u{200b}"),
            '/' if previous == ':' => message.push_str("\u{200b}/"),
            '(' if previous == ']' => message.push_str("\u{200b}("),
            // The dots that browsers accept in a domain. A number keeps its decimal point.
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}'
                if previous.is_alphanumeric()
                    && rest.clone().next().is_some_and(char::is_alphabetic) =>
            {
                message.extend([c, '\u{200b}']);
            }
            '*' => message.push('∗'),
            '~' => message.push('∼'),
            '`' => message.push('ˋ'),
            _ => message.push(c),
        }
        previous = c;
    }
    message
}

/// Returns the part of a text after its leading apostrophes, if a spreadsheet could take that for a
/// formula.
fn formula(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('\'');
    rest.starts_with(['=', '+', '-', '@', '\t', '\r']).then_some(rest)
}

/// Returns a text as a cell that no spreadsheet takes for a formula: a text that begins with `=`,
/// `+`, `-`, `@`, a tab or a carriage return, or with apostrophes before one of these, gets an
/// apostrophe in front.
pub(crate) fn spreadsheet_cell(text: &str) -> Cow<'_, str> {
    if formula(text).is_some() { format!("'{text}").into() } else { text.into() }
}

/// Returns the text of a cell that [`spreadsheet_cell`] wrote.
pub(crate) fn from_spreadsheet_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if formula(text).is_some() => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_characters_become_visible_and_others_stay() {
        for (text, shown) in [
            ("plain, naïve 日本 👍🏽 `x`", "plain, naïve 日本 👍🏽 `x`"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\r\n error: forged", "a\\r\\n error: forged"),
            ("\u{202e}txt.\u{200b}exe\u{2066}", "\\u{202e}txt.\\u{200b}exe\\u{2066}"),
            ("\u{9b}31m\u{0}\u{7f}\u{feff}", "\\u{9b}31m\\u{0}\\u{7f}\\u{feff}"),
            ("\u{2028}\u{e0041}", "\\u{2028}\\u{e0041}"),
            // A joiner within an emoji and a word, and one that hides in a Latin name.
            ("👩\u{200d}💻 می\u{200c}خواهم", "👩\u{200d}💻 می\u{200c}خواهم"),
            ("ac\u{200d}me", "ac\\u{200d}me"),
        ] {
            assert_eq!(one_line(text), shown);
            assert_eq!(one_line(&one_line(text)), shown, "twice");
        }
        assert_eq!(lines("a\r\nb\u{1b}"), "a\\r\nb\\u{1b}");
        let red = "\u{1b}[31m";
        assert_eq!(
            lines_with(&[red], "a\u{7}\u{1b}[31mb\u{1b}[32mc\u{7}"),
            "a\\u{7}\u{1b}[31mb\\u{1b}[32mc\\u{7}"
        );
    }

    #[test]
    fn markdown_cells_show_their_text() {
        assert_eq!(
            markdown_cell("a|b `c` <script>*[x](y)\n&"),
            "a\\|b \\`c\\` &lt;script>\\*\\[x\\](y)\\\\n&amp;"
        );
    }

    #[test]
    fn chats_get_neither_mentions_nor_links_nor_markup() {
        for (text, message) in [
            ("acme qualifies: 20.0%", "acme qualifies: 20.0%"),
            ("@channel a@b.com", "@\u{200b}channel a@b.\u{200b}com"),
            (
                "evil.example 日本。jp v1.2 end. Next",
                "evil.\u{200b}example 日本。\u{200b}jp v1.2 end. Next",
            ),
            ("<!here> & <http://x|y>", "&lt;!here&gt; &amp; &lt;http:\u{200b}//x|y&gt;"),
            ("[pay](https://x)", "[pay]\u{200b}(https:\u{200b}//x)"),
            ("*bold* ~gone~ `code`", "∗bold∗ ∼gone∼ ˋcodeˋ"),
        ] {
            assert_eq!(chat(text), message);
        }
    }

    #[test]
    fn formulas_get_an_apostrophe() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("'=x", "''=x"),
            ("''@x", "'''@x"),
            ("", ""),
            ("'quoted'", "'quoted'"),
            ("a=1", "a=1"),
            ("'", "'"),
        ] {
            assert_eq!(spreadsheet_cell(text), cell);
            assert_eq!(from_spreadsheet_cell(cell), text);
        }
    }

    proptest! {
        #[test]
        fn spreadsheet_cells_are_read_back_exactly(text in "['=+@\t\ra-]{0,8}|\\PC*") {
            let cell = spreadsheet_cell(&text);
            prop_assert_eq!(from_spreadsheet_cell(&cell), text.as_str());
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']));
        }

        #[test]
        fn json_keeps_its_value_and_a_line_stays_a_line(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            let shown = json(&written);
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text.clone());
            prop_assert!(!one_line(&text).contains(char::is_control));
        }
    }
}
