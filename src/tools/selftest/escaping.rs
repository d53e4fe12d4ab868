//! Names that attack the reader of an output.

use std::borrow::Cow;

use crate::escape;

/// A name that colors, forges and hides text, and is markup.
const NAME: &str = "=\u{1b}[31m\r\nerror: \u{202e}\u{200b}<script>|`*@all";

/// Escapes the name for each kind of output.
pub(super) fn check() -> Result<String, String> {
    let cases: [(&str, Cow<'_, str>, &str); 6] = [
        (
            "a line",
            escape::one_line(NAME),
            "=\\u{1b}[31m\\r\\nerror: \\u{202e}\\u{200b}<script>|`*@all",
        ),
        ("lines", escape::lines(NAME), "=\\u{1b}[31m\\r\nerror: \\u{202e}\\u{200b}<script>|`*@all"),
        ("JSON", escape::json(NAME), "=\\u001b[31m\\u000d\nerror: \\u202e\\u200b<script>|`*@all"),
        (
            "Markdown",
            escape::markdown_cell(NAME).into(),
            "=\\\\u{1b}\\[31m\\\\r\\\\nerror: \\\\u{202e}\\\\u{200b}&lt;script>\\|\\`\\*@all",
        ),
        ("a chat", escape::chat("<b>*@all").into(), "&lt;b&gt;∗@\u{200b}all"),
        ("a spreadsheet", escape::spreadsheet_cell("=1"), "'=1"),
    ];
    for (output, found, expected) in &cases {
        if found != expected {
            return Err(format!("{output}: found {found:?}, expected {expected:?}"));
        }
    }
    Ok(format!("{} kinds of output", cases.len()))
}
