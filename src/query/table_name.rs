//! Names of tables as users write them.

use super::TableName;

/// Characters that open and close a quoted part.
const QUOTES: [char; 2] = ['"', '`'];

impl TableName {
    /// Parses parts that are joined by points, such as `catalog.schema."odd name"`.
    ///
    /// A part in double quotes or backticks may have any characters; a quote in it is doubled. A
    /// part without quotes has neither white space nor quotes.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        loop {
            let (part, after) = match rest.chars().next().filter(|c| QUOTES.contains(c)) {
                Some(quote) => quoted_part(&rest[quote.len_utf8()..], quote)?,
                None => plain_part(rest)?,
            };
            parts.push(part);
            if after.is_empty() {
                return Ok(Self(parts));
            }
            rest = after.strip_prefix('.').ok_or_else(|| {
                format!("found `{after}` after a quoted part, expected a point or the end")
            })?;
        }
    }
}

/// Returns the part that a quote has opened, and what follows the closing quote.
fn quoted_part(text: &str, quote: char) -> Result<(String, &str), String> {
    let (mut part, mut rest) = (String::new(), text);
    loop {
        let (before, after) =
            rest.split_once(quote).ok_or_else(|| format!("found no closing `{quote}`"))?;
        part += before;
        match after.strip_prefix(quote) {
            Some(after) => {
                part.push(quote);
                rest = after;
            }
            None if part.is_empty() => return Err("found an empty part".to_owned()),
            None => return Ok((part, after)),
        }
    }
}

/// Returns the part up to the next point, and what follows from the point on.
fn plain_part(text: &str) -> Result<(String, &str), String> {
    let (part, after) = text.split_at(text.find('.').unwrap_or(text.len()));
    if part.is_empty() {
        return Err("found an empty part".to_owned());
    }
    if part.contains(|c: char| c.is_whitespace() || QUOTES.contains(&c)) {
        return Err(format!("found `{part}`, expected quotes around a part with this character"));
    }
    Ok((part.to_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_separated_by_points_outside_of_quotes() {
        for (text, parts) in [
            ("events", &["events"][..]),
            ("analytics.events", &["analytics", "events"]),
            ("my-project.data.events$1", &["my-project", "data", "events$1"]),
            ("catalog.schema.\"odd name\"", &["catalog", "schema", "odd name"]),
            ("`a``b.c`.\"d\"\"e\"", &["a`b.c", "d\"e"]),
            ("größe.\"北京 🦆\"", &["größe", "北京 🦆"]),
            ("\" \"", &[" "]),
        ] {
            assert_eq!(TableName::parse(text).unwrap().0, parts, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "\"\"", "\"a", "`a\"", "\"a\"b", "a b", " a", "a\"b\"",
            "a\n",
        ] {
            assert!(TableName::parse(text).is_err(), "{text:?}");
        }
    }
}
