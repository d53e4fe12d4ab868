//! README, docs, help and messages are in plain American English; links and commands in them work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use pql::cli::{Cli, ScoreCli};
use regex::Regex;
use serde_json::Value;

use crate::common::root;

/// Patterns of habits to avoid, and what to write instead.
const HABITS: &[(&str, &str)] = &[
    (r"[\d}] %", "20%, without a space"),
    (r"(?i)\b(behaviou|colou|favou|honou|labou|neighbou)r", "American spelling: -or"),
    (r"(?i)\b(label|model|cancel|travel|signal)l(ed|ing)\b", "American spelling: one l"),
    (
        r"(?i)\b(analy|character|initial|maxim|minim|normal|optim|organ|penal|prioriti|real|recogn|regular|serial|standard|summar|util|visual)is(e|es|ed|ing|ation)\b",
        "American spelling: -ize",
    ),
    (r"(?i)\b(centre|licence|programme|judgement|whilst|artefact|fulfil)s?\b", "American spelling"),
    (r"(?i)\bto be seen to\b", "say what to do"),
    (r"(?i)\b(hold|holds|held|set|sets) [^.;:]{0,40}\bagainst\b", "compare with"),
    (r"(?i)\b(is|are|was|were|be|being) told\b", "report, show"),
    (r"(?i)\btells? of\b", "report"),
    (r"(?i)\b(is|are) said\b", "report, warn"),
    (r"(?i)\bno such\b", "unknown, missing"),
    (r"(?i)\bthere (is|are) none\b|\bis none\b", "say what there is"),
    (r"(?i)\bgo(es)? on with\b", "continue"),
    (r"(?i)\bending of (the|a|an) (\w+ )?file\b", "file extension"),
    (r"(?i)\bwould-be\b", "name the thing"),
    (r"(?i)\bas you like\b", "at your option"),
    (r"(?i)\b(lie|lies|lay|stand|stands|stood) (beside|there)\b", "is next to, is in"),
    (r"(?i)\bmend(s|ed|ing)?\b", "fix"),
    (r"(?i)\bfor want of\b", "without"),
    (r"(?i)\bbear in mind\b", "warning"),
    (r"(?i)\b(write|writes|written|writing) over\b", "overwrite"),
    (r"(?i), too([.;:,)]|$| \|)", "also"),
    (r"(?i)\bsurely\b", "significantly"),
    (r"(?i)\bby heart\b", "overfitting"),
    (r"(?i)\bhardly any", "few, almost no"),
    (r"(?i)\bsmells?\b", "suggests"),
    (r"(?i)\bweighs? (most|more|less)\b|\bheaviest\b|\bweighty\b", "important"),
    (r"(?i)\b(anew|thereof|whereof|whereupon)\b", "plain words"),
    (
        r"(?i)(^|[\s(`])1 (accounts|rows|events|users|columns|conversions|alerts|alarms|models|days)\b",
        "singular",
    ),
    (
        r"(?i)\bwhat (\w+ ){1,6}(is|are) (shown|written|listed|left|told|meant)\b",
        "name the subject",
    ),
];

/// Most words in a sentence of the docs.
const WORDS: usize = 40;
/// Most bytes of the README.
const README: usize = 9 * 1024;

/// Returns the Markdown files that people read, relative to the root.
fn documents() -> Vec<String> {
    let mut documents: Vec<String> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "crates/pql-stats/README.md",
        "data/demo/README.md",
        "models/README.md",
        "notebooks-export/README.md",
    ]
    .map(str::to_owned)
    .to_vec();
    documents.extend(files("docs", "md"));
    documents
}

/// Returns the files of a folder with an extension, relative to the root, in order.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
        if root().join(&name).is_dir() {
            found.extend(files(&name, extension));
        } else if name.ends_with(&format!(".{extension}")) {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Panics with the problems, if there are any.
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

/// Returns a line for each habit found in a text.
fn habits(patterns: &[(Regex, &str)], place: &str, text: &str) -> Vec<String> {
    let found = |(pattern, advice): &(Regex, &str)| {
        pattern.find(text).map(|hit| format!("{place}: `{}`: {advice}", hit.as_str()))
    };
    patterns.iter().filter_map(found).collect()
}

fn patterns() -> Vec<(Regex, &'static str)> {
    HABITS.iter().map(|&(pattern, advice)| (Regex::new(pattern).unwrap(), advice)).collect()
}

/// Returns the string literals of Rust source code, each with its line, without those of tests.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap();
    let (chars, mut found) = (source.chars().collect::<Vec<_>>(), Vec::new());
    let (mut index, mut line) = (0, 1);
    while let Some(&c) = chars.get(index) {
        let start = index;
        let next = chars.get(index + 1).copied();
        match c {
            '/' if next == Some('/') => index = end(&chars, index, "\n"),
            '/' if next == Some('*') => index = end(&chars, index, "*/") + 2,
            // A character is '\…' or one character in quotes; else it is a lifetime.
            '\'' if next == Some('\\') => index = end(&chars, index + 3, "'") + 1,
            '\'' if chars.get(index + 2) == Some(&'\'') => index += 3,
            'r' if matches!(next, Some('"' | '#')) && !is_word(&chars, index) => {
                let hashes = chars[index + 1..].iter().take_while(|&&c| c == '#').count();
                if chars.get(index + 1 + hashes) == Some(&'"') {
                    let close = format!("\"{}", "#".repeat(hashes));
                    let from = index + 2 + hashes;
                    index = end(&chars, from, &close) + close.len();
                    let until = (index - close.len()).min(chars.len());
                    found.push((line, chars[from..until].iter().collect()));
                } else {
                    index += 1;
                }
            }
            '"' => {
                let (text, until) = literal(&chars, index + 1);
                found.push((line, text));
                index = until;
            }
            _ => index += 1,
        }
        index = index.min(chars.len());
        line += chars[start..index].iter().filter(|&&c| c == '\n').count();
    }
    found
}

/// Returns where a text is found from an index on, or the end.
fn end(chars: &[char], from: usize, text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    (from..chars.len()).find(|&index| chars[index..].starts_with(&text)).unwrap_or(chars.len())
}

/// Returns whether a character continues a word.
fn is_word(chars: &[char], index: usize) -> bool {
    index > 0 && (chars[index - 1].is_alphanumeric() || chars[index - 1] == '_')
}

/// Returns a string literal with its escapes replaced, and the index after its closing quote.
fn literal(chars: &[char], mut index: usize) -> (String, usize) {
    let mut text = String::new();
    while index < chars.len() && chars[index] != '"' {
        if chars[index] == '\\' && chars.get(index + 1) == Some(&'\n') {
            index += 2;
            while chars.get(index).is_some_and(|c| c.is_whitespace()) {
                index += 1;
            }
        } else if chars[index] == '\\' {
            text.push(if chars.get(index + 1) == Some(&'n') { '\n' } else { ' ' });
            index += 2;
        } else {
            text.push(chars[index]);
            index += 1;
        }
    }
    (text, index + 1)
}

/// A paragraph or list item of a Markdown page, with its first line.
struct Paragraph {
    line: usize,
    text: String,
}

/// Returns the prose of a page: no code blocks, tables, headings, comments and link definitions.
fn prose(page: &str) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let (mut is_code, mut is_open) = (false, false);
    for (index, line) in page.lines().enumerate() {
        let (text, indent) = (line.trim(), line.len() - line.trim_start().len());
        if text.starts_with("```") {
            is_code = !is_code;
        }
        let is_markup = text.is_empty()
            || ["```", "|", "#", "<!--", "![", ">"].iter().any(|start| text.starts_with(start))
            || (text.starts_with('[') && text.contains("]: "));
        let is_prose = !is_code && !is_markup && (indent < 4 || is_open);
        if !is_prose {
            is_open = false;
        } else if is_open && !text.starts_with("- ") {
            let paragraph = paragraphs.last_mut().unwrap();
            paragraph.text += " ";
            paragraph.text += text;
        } else {
            paragraphs.push(Paragraph { line: index + 1, text: text.to_owned() });
            is_open = true;
        }
    }
    paragraphs
}

/// Returns the sentences of a paragraph; code and link targets count as one word.
fn sentences(text: &str) -> Vec<String> {
    let code = Regex::new("`[^`]*`").unwrap();
    let link = Regex::new(r"\]\([^)]*\)").unwrap();
    let text = code.replace_all(text, "CODE");
    let text = link.replace_all(&text, "]");
    let mut sentences = vec![String::new()];
    for word in text.split_whitespace() {
        let sentence = sentences.last_mut().unwrap();
        sentence.push_str(word);
        sentence.push(' ');
        let bare = word.trim_end_matches(['*', ')', '"', ']']);
        if bare.ends_with(['.', '?', '!']) && !["e.g.", "i.e.", "vs.", "ed."].contains(&bare) {
            sentences.push(String::new());
        }
    }
    sentences
}

/// Returns the anchors of the headings of a page, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let (mut anchors, mut counts) = (Vec::new(), BTreeMap::<String, usize>::new());
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if is_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let anchor: String =
            title.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        let count = counts.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// Returns the code of a page: its blocks as lines, and its spans.
fn code(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut spans, mut language) = (Vec::new(), Vec::new(), None::<String>);
    let span = Regex::new("`([^`]+)`").unwrap();
    for line in page.lines() {
        if let Some(name) = line.trim().strip_prefix("```") {
            language = if language.is_some() { None } else { Some(name.to_owned()) };
        } else if let Some(language) = &language {
            if language == "sh" {
                lines.push(line.to_owned());
            } else if let Some(command) = line.strip_prefix("$ ") {
                lines.push(command.to_owned());
            }
        } else {
            spans.extend(span.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    (lines, spans)
}

/// Splits a command as a shell does: quotes, backslashes, comments.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_open) = (Vec::new(), String::new(), None, false);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.extend(chars.next()),
            ('"' | '\'', None) => (quote, is_open) = (Some(c), true),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) if word.is_empty() && !is_open => break,
            (c, None) if c.is_whitespace() => {
                if is_open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => word.push(c),
        }
    }
    if is_open || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Returns the help of a command and of all commands below it.
fn helps(command: &Command, name: &str, found: &mut Vec<(String, String)>) {
    let name = format!("{name} {}", command.get_name());
    found.push((name.clone(), command.clone().render_long_help().to_string()));
    for below in command.get_subcommands() {
        helps(below, &name, found);
    }
}

#[test]
fn docs_avoid_bad_habits() {
    let (patterns, mut problems) = (patterns(), Vec::new());
    let code = Regex::new("`[^`\n]*`").unwrap();
    for name in documents() {
        let mut page = read(&name);
        if name == "CHANGELOG.md" {
            // It quotes old names.
            page = code.replace_all(&page, "CODE").into_owned();
        }
        for (index, line) in page.lines().enumerate() {
            problems.extend(habits(&patterns, &format!("{name}:{}", index + 1), line));
        }
        for paragraph in prose(&page) {
            let place = format!("{name}:{}", paragraph.line);
            problems.extend(habits(&patterns, &place, &paragraph.text));
        }
    }
    problems.dedup();
    assert_none(&problems);
}

#[test]
fn help_avoids_bad_habits() {
    let (patterns, mut problems, mut texts) = (patterns(), Vec::new(), Vec::new());
    for mut program in [Cli::command(), ScoreCli::command()] {
        program.build();
        helps(&program, "help of", &mut texts);
    }
    for (name, text) in texts {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        problems.extend(habits(&patterns, &name, &text));
    }
    assert_none(&problems);
}

#[test]
fn string_literals_avoid_bad_habits() {
    let (patterns, mut problems) = (patterns(), Vec::new());
    for name in files("src", "rs").into_iter().chain(files("crates/pql-stats/src", "rs")) {
        if !name.ends_with("tests.rs") {
            for (line, text) in literals(&read(&name)) {
                // A single word may be a name in the data of users, such as `organisation`.
                if !text.contains(' ') {
                    continue;
                }
                problems.extend(habits(&patterns, &format!("{name}:{line}"), &text));
            }
        }
    }
    for name in ["src/tools/simulate/project.toml", "src/export/analysis.py"] {
        for (index, line) in read(name).lines().enumerate() {
            problems.extend(habits(&patterns, &format!("{name}:{}", index + 1), line));
        }
    }
    assert_none(&problems);
}

#[test]
fn sentences_of_docs_are_short() {
    let mut problems = Vec::new();
    for name in documents() {
        for Paragraph { line, text } in prose(&read(&name)) {
            for sentence in sentences(&text) {
                let count = sentence.split_whitespace().count();
                if count > WORDS {
                    problems.push(format!("{name}:{line}: {count} words: {sentence}"));
                }
                if sentence.contains("; ") && sentence.contains(": ") {
                    problems.push(format!("{name}:{line}: `;` and `:` in {sentence}"));
                }
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn pages_start_with_the_task_of_the_reader() {
    let starts = |page: &str| {
        page.lines()
            .skip(1)
            .find(|line| !line.is_empty() && !line.starts_with("<!--"))
            .is_some_and(|line| line.starts_with("After reading this page you "))
    };
    let pages = files("docs", "md");
    assert!(pages.len() >= 14, "{pages:?}");
    let problems: Vec<String> = pages.into_iter().filter(|name| !starts(&read(name))).collect();
    assert_none(&problems);
}

#[test]
fn links_resolve() {
    let link = Regex::new(r"\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]: (\S+))").unwrap();
    let mut problems = Vec::new();
    for name in documents() {
        let page = read(&name);
        for found in link.captures_iter(&page) {
            let target = found.get(1).or(found.get(2)).unwrap().as_str();
            if target.starts_with("http") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let here = root().join(&name);
            let file: PathBuf =
                if path.is_empty() { here } else { here.parent().unwrap().join(path) };
            let has_anchor = |file: &Path| {
                anchors(&fs::read_to_string(file).unwrap()).iter().any(|known| known == anchor)
            };
            if !file.exists() || !anchor.is_empty() && !has_anchor(&file) {
                problems.push(format!("{name}: {target}"));
            }
        }
    }
    assert_none(&problems);
}

/// Returns the documents that describe pql as it is: all but the changelog.
fn current_documents() -> impl Iterator<Item = String> {
    documents().into_iter().filter(|name| name != "CHANGELOG.md")
}

#[test]
fn commands_in_docs_are_valid() {
    let mut problems = Vec::new();
    for name in current_documents() {
        let (lines, spans) = code(&read(&name));
        for line in lines {
            let words = words(&line);
            let program = match words.first().map(String::as_str) {
                Some("pql") => Cli::command(),
                Some("pql-score") => ScoreCli::command(),
                _ => continue,
            };
            if let Err(error) = program.try_get_matches_from(&words) {
                problems.push(format!("{name}: {line}: {}", error.to_string().trim()));
            }
        }
        for span in spans.iter().filter(|span| span.starts_with("pql ")) {
            if let Some(unknown) = unknown_word(span) {
                problems.push(format!("{name}: `{span}`: `{unknown}` is unknown"));
            }
        }
    }
    assert_none(&problems);
}

/// Returns the first subcommand or option of a command that does not exist.
fn unknown_word(span: &str) -> Option<String> {
    let mut command = Cli::command();
    command.build();
    for word in words(span).into_iter().skip(1) {
        if let Some(option) = word.strip_prefix("--") {
            let option = option.split('=').next().unwrap();
            if !command.get_arguments().any(|known| known.get_long() == Some(option)) {
                return Some(word);
            }
        } else if command.has_subcommands() && word.chars().all(|c| c.is_ascii_lowercase()) {
            match command.find_subcommand(&word) {
                Some(below) => command = below.clone(),
                None => return Some(word),
            }
        }
    }
    None
}

#[test]
fn paths_in_docs_exist() {
    let path =
        Regex::new(r"^(benches|crates|docs|examples|models|src|tests)/[a-z0-9_./-]+$").unwrap();
    let mut problems = Vec::new();
    for name in current_documents() {
        for span in code(&read(&name)).1 {
            if path.is_match(&span) && !root().join(&span).exists() {
                problems.push(format!("{name}: `{span}`"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn config_keys_in_docs_exist() {
    let schema: Value = serde_json::from_str(&read("docs/reference/pql.schema.json")).unwrap();
    let key = Regex::new(r"^([a-z]+)\.([a-z_0-9]+)( = .*)?$").unwrap();
    let mut problems = Vec::new();
    for name in current_documents() {
        for span in code(&read(&name)).1 {
            let Some(found) = key.captures(&span) else { continue };
            let section = &schema["properties"][&found[1]];
            let is_file = ["csv", "json", "parquet", "pql", "toml"].contains(&&found[2]);
            let is_known = [section, &section["items"]]
                .iter()
                .any(|keys| !keys["properties"][&found[2]].is_null());
            if !section.is_null() && !is_file && !is_known {
                problems.push(format!("{name}: `{span}`"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_readme_is_short() {
    let size = read("README.md").len();
    assert!(size <= README, "README.md has {size} bytes, at most {README} are allowed");
}

#[test]
fn the_extraction_of_texts_works() {
    let source = "let a = \"one \\\n   two\"; // \"no\"\nlet b = ('\"', r#\"th\"ree\"#, \"4\\\"4\");\n'a: loop {}\n\
                  let d = \"5\";\n#[cfg(test)]\nmod tests { \"no\" }";
    let texts = [(1, "one two"), (3, "th\"ree"), (3, "4 4"), (5, "5")];
    assert_eq!(literals(source), texts.map(|(line, text)| (line, text.to_owned())));
    let page = "# A `b` c\n\nOne is here. Two\nis [there](x.md).\n- item\n\n```sh\n# no\n```\n    no\n\n| no |\n\n## A b c";
    let texts: Vec<String> = prose(page).into_iter().map(|paragraph| paragraph.text).collect();
    assert_eq!(texts, ["One is here. Two is [there](x.md).", "- item"]);
    assert_eq!(sentences(&texts[0]), ["One is here. ", "Two is [there]. ", ""]);
    assert_eq!(anchors(page), ["a-b-c", "a-b-c-1"]);
    assert_eq!(
        words("pql a --b 'c d' e=\\\"f\\\" \"\" # no"),
        ["pql", "a", "--b", "c d", "e=\"f\"", ""]
    );
    assert_eq!(unknown_word("pql train --name NAME"), None);
    assert_eq!(unknown_word("pql train --nome NAME").as_deref(), Some("--nome"));
    assert_eq!(unknown_word("pql trian").as_deref(), Some("trian"));
    for (bad, good) in [
        ("holds a batch against the rows", "compares a batch with the rows"),
        ("20 % of rows", "20% of rows"),
        ("1 accounts", "11 accounts"),
        ("standardised", "standardized"),
        ("what was computed is shown", "the result is shown"),
    ] {
        assert!(!habits(&patterns(), "", bad).is_empty(), "{bad}");
        assert!(habits(&patterns(), "", good).is_empty(), "{good}");
    }
}
