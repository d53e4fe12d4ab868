//! Texts that fit into a width: lines broken between words, shortened names.

use crate::escape::one_line;

/// Most characters of a line of prose on a terminal.
pub(crate) const PROSE_WIDTH: usize = 100;

/// Breaks a line between words into lines of at most [`PROSE_WIDTH`] characters, longer only for a
/// long word. Hidden characters are escaped.
///
/// # Arguments
/// * `indent` – start of the further lines
pub(crate) fn wrap(line: &str, indent: &str) -> String {
    wrapped_lines(line, PROSE_WIDTH, indent).join("\n")
}

/// Breaks each line of a text like [`wrap`].
pub(crate) fn wrap_lines(text: &str, indent: &str) -> String {
    text.lines().map(|line| wrap(line, indent)).collect::<Vec<_>>().join("\n")
}

/// Breaks a line between words into lines of at most `width` characters. Hidden characters are
/// escaped.
pub(crate) fn wrapped_lines(line: &str, width: usize, indent: &str) -> Vec<String> {
    let line = one_line(line);
    if line.chars().count() <= width {
        return vec![line.into_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Shortens a text to a number of character cells, ending in an ellipsis after a whole word.
pub(crate) fn shorten_at_word(text: &str, width: usize) -> String {
    let short = shorten_end(text, width);
    let Some(start) = short.strip_suffix('…').filter(|_| short != text) else { return short };
    if text[start.len()..].starts_with(' ') {
        return short;
    }
    match start.rsplit_once(' ') {
        Some((words, _)) => format!("{} …", words.trim_end_matches([':', ',', ' '])),
        None => short,
    }
}

/// Shortens a text to a number of character cells, ending in an ellipsis.
pub(crate) fn shorten_end(text: &str, width: usize) -> String {
    // Chinese, Japanese and Korean characters are twice as wide.
    let wide =
        |c: char| if c < '\u{1100}' || ('\u{2000}'..'\u{2e80}').contains(&c) { 1 } else { 2 };
    if text.chars().map(wide).sum::<usize>() <= width {
        return text.to_owned();
    }
    // The ellipsis takes one cell.
    let mut used = 1;
    let fits = text.chars().take_while(|c| {
        used += wide(*c);
        used <= width
    });
    fits.chain(['…']).collect()
}

/// Shortens a text to a number of character cells with an ellipsis in its middle, because similar
/// names often differ at the end.
pub(crate) fn shorten_middle(text: &str, width: usize) -> String {
    if shorten_end(text, width) == text {
        return text.to_owned();
    }
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let end = reversed(&shorten_end(&reversed(text), width / 2));
    shorten_end(text, width - width / 2) + end.trim_start_matches('…')
}

/// Shortens names to a number of character cells; different names stay different.
///
/// A name is shortened in its middle. If names look alike then, the ellipsis moves to a place that
/// shows where they differ; names that differ in several places get numbers.
pub(crate) fn shorten_distinct(names: &[&str], width: usize) -> Vec<String> {
    let mut shown: Vec<String> = names.iter().map(|name| shorten_middle(name, width)).collect();
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        let alike: Vec<usize> =
            (0..names.len()).filter(|other| shown[*other] == shorten_middle(name, width)).collect();
        if seen.contains(name) || alike.iter().all(|other| names[*other] == *name) {
            continue;
        }
        let group: Vec<&str> = alike.iter().map(|index| names[*index]).collect();
        seen.extend(&group);
        let labels = (1..width).chain([0]).map(|head| cut_after(&group, head, width));
        let labels = labels.chain((3..longest(&group)).map(|start| excerpts(&group, start, width)));
        let is_distinct = |labels: &Vec<String>| {
            let differ = |a: usize, b: usize| group[a] == group[b] || labels[a] != labels[b];
            (0..group.len()).all(|a| {
                (0..a).all(|b| differ(a, b))
                    && (0..names.len())
                        .all(|other| alike.contains(&other) || shown[other] != labels[a])
            })
        };
        let labels =
            labels.into_iter().find(is_distinct).unwrap_or_else(|| numbered(&group, width));
        alike.into_iter().zip(labels).for_each(|(index, label)| shown[index] = label);
    }
    shown
}

/// Returns the characters of the longest name.
fn longest(names: &[&str]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0)
}

/// Shortens names to `head` cells, an ellipsis, and the end of the name.
fn cut_after(names: &[&str], head: usize, width: usize) -> Vec<String> {
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let cut = |name: &&str| {
        let end = reversed(&shorten_end(&reversed(name), width - head));
        shorten_end(name, head + 1).trim_end_matches('…').to_owned() + &end
    };
    names.iter().map(cut).collect()
}

/// Shortens names to their first two characters, an ellipsis, and what follows from `start`.
fn excerpts(names: &[&str], start: usize, width: usize) -> Vec<String> {
    let excerpt = |name: &&str| {
        let head: String = name.chars().take(2).collect();
        let rest: String = name.chars().skip(start).collect();
        shorten_end(&format!("{head}…{rest}"), width)
    };
    names.iter().map(excerpt).collect()
}

/// Shortens names in their middle and numbers the different ones.
fn numbered(names: &[&str], width: usize) -> Vec<String> {
    let number = |name: &&str| {
        let first = names.iter().position(|other| other == name).unwrap_or(0);
        let suffix = format!(" ({})", first + 1);
        shorten_middle(name, width.saturating_sub(suffix.len()).max(2)) + &suffix
    };
    names.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words() {
        let text = ["word"; 30].join(" ");
        let lines = wrap(&text, "  ");
        assert!(lines.lines().all(|line| line.chars().count() <= PROSE_WIDTH), "{lines}");
        assert_eq!(lines.replace("\n  ", " "), text);
        assert_eq!(wrap_lines("one\ntwo", "  "), "one\ntwo");
        assert_eq!(wrap("one\ntwo", "  "), "one\\ntwo");
        assert_eq!(
            shorten_at_word("growth in logins: 3.04 (typical: 0)", 20),
            "growth in logins …"
        );
        assert_eq!(shorten_at_word("two words", 9), "two words");
        assert_eq!(shorten_at_word("unbroken", 5), "unbr…");
    }

    #[test]
    fn texts_are_shortened_to_cells() {
        assert_eq!(
            (shorten_end("abcdef", 4), shorten_end("abcd", 4)),
            ("abc…".to_owned(), "abcd".to_owned())
        );
        assert_eq!(shorten_end("日本語の", 6), "日本…");
        assert_eq!(
            (shorten_middle("abcdefghij", 7), shorten_middle("abcdefg", 7)),
            ("abc…ij".to_owned(), "abcdefg".to_owned())
        );
    }

    #[test]
    fn shortened_names_stay_different() {
        let shorten = |names: &[&str]| shorten_distinct(names, 20);
        assert_eq!(shorten(&["short", "short"]), ["short", "short"]);
        let check = |names: &[&str]| {
            let shown = shorten(names);
            assert!(shown.iter().all(|name| name.chars().count() <= 20), "{shown:?}");
            for (a, b) in (0..names.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                assert_eq!(names[a] == names[b], shown[a] == shown[b], "{shown:?}");
            }
            shown
        };
        // At the end, at the start, in the middle, and in several places.
        let shown = check(&["workspace_dashboard_export_pdf", "workspace_dashboard_export_csv"]);
        assert_eq!(shown[0], "workspace…xport_pdf");
        check(&["a_workspace_dashboard_export", "b_workspace_dashboard_export"]);
        let shown = check(&["count_project_alpha_created_28d", "count_project_gamma_created_28d"]);
        assert!(shown[0].contains("alpha"), "{shown:?}");
        let long = ["x", "y"].map(|middle| format!("{0}{middle}{0}", "name_of_an_event".repeat(4)));
        let shown = check(&[&long[0], &long[1], "logins", &long[0]]);
        assert!(shown[0].contains('x') && shown[1].contains('y'), "{shown:?}");
        let places = |a: &str, b: &str| format!("{0}{a}{0}{b}{0}", "name_of_an_event".repeat(3));
        let names = [places("x", "x"), places("x", "y"), places("y", "x"), places("y", "y")];
        check(&names.each_ref().map(String::as_str));
    }
}
