//! Which module may import which, and which dependency is at home where: read from the sources themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From left to right: a module may import those to its left.
const ORDER: [&str; 39] = [
    "time",
    "error",
    "config",
    "progress",
    "output",
    "table",
    "ingest",
    "observe",
    "matrix",
    "definition",
    "features",
    "design",
    "fit",
    "calibrate",
    "evaluate",
    "qualify",
    "finding",
    "profile",
    "model",
    "rows",
    "explain",
    "score",
    "audit",
    "train",
    "card",
    "store",
    "evidence",
    "discover",
    "funnel",
    "compare",
    "ledger",
    "alerts",
    "monitor",
    "init",
    "simulate",
    "export",
    "report",
    "cli",
    "main",
];

/// Dependencies with few homes, each with them; `csv` and `polars` write tables in `output`, too.
const HOMES: [(&str, &[&str]); 14] = [
    ("linfa", &["fit"]),
    ("linfa_logistic", &["fit"]),
    ("bincode", &["model"]),
    ("toml", &["config"]),
    ("indicatif", &["progress"]),
    ("clap", &["cli"]),
    ("comfy_table", &["cli"]),
    ("terminal_size", &["cli"]),
    ("unicode_width", &["cli"]),
    ("csv", &["table", "output"]),
    ("flate2", &["table"]),
    ("zstd", &["table"]),
    ("glob", &["table"]),
    ("ureq", &["alerts"]),
];

/// Modules that see numbers or a stored model, never frames.
const WITHOUT_POLARS: [&str; 8] = ["fit", "calibrate", "evaluate", "profile", "model", "explain", "export", "report"];

/// Modules that see numbers alone.
const NUMBERS_ALONE: [&str; 3] = ["fit", "calibrate", "evaluate"];

/// A place in the sources.
struct Line {
    module: String,
    place: String,
    code: String,
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            into.push(path);
        }
    }
}

/// The code of all modules, without comments, literals and tests.
fn code() -> Vec<Line> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let name = file.strip_prefix(&src).unwrap().with_extension("");
        let module = name.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        if module == "bin" || module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (at, line) in text.lines().enumerate() {
            let place = format!("src/{}.rs:{}", name.display(), at + 1);
            lines.push(Line { module: module.clone(), place, code: plain(line) });
        }
    }
    lines
}

/// A line without its comment and without what stands in quotes.
fn plain(line: &str) -> String {
    let unquoted: String = line.replace("\\\"", "").split('"').step_by(2).collect();
    unquoted.split("//").next().unwrap().to_owned()
}

/// The names that follow `prefix` as paths, such as the modules after `crate::`; `crate::{a::x, b}` gives both.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => names.push(name(rest)),
            Some(group) => {
                let mut depth = 0;
                let parts = group.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                names.extend(parts.map(|part| name(part.trim())));
            }
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

/// The crates that a line names: `use polars::…`, `bincode::serde::…`, `derive(clap::Args)`.
fn crates(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let name: String = code[..at].chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let before = code[..at - name.len()].chars().next_back();
        if before != Some(':') {
            names.insert(name.chars().rev().collect());
        }
    }
    names
}

fn rank(module: &str) -> usize {
    ORDER.iter().position(|m| *m == module).unwrap_or_else(|| panic!("module `{module}` has no place in the order"))
}

#[test]
fn a_module_imports_only_modules_to_its_left() {
    let mut wrong = Vec::new();
    for line in code() {
        for name in names_after(&line.code, "crate::") {
            if ORDER.contains(&name.as_str()) && name != line.module && rank(&name) > rank(&line.module) {
                wrong.push(format!("{}: `{}` imports `{name}`", line.place, line.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_place_in_the_order() {
    let modules: BTreeSet<String> = code().into_iter().map(|line| line.module).collect();
    for module in &modules {
        rank(module);
    }
    assert!(modules.len() > 15, "{modules:?}");
}

#[test]
fn no_module_reaches_the_others_past_crate() {
    let mut wrong = Vec::new();
    for line in code() {
        let top = line.place.matches('/').count() == 1 || line.place.contains("/mod.rs");
        if line.code.contains("super::super::") || (top && line.code.contains("super::")) {
            wrong.push(line.place);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_has_one_home() {
    let homes: BTreeMap<&str, &[&str]> = HOMES.into_iter().collect();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for line in code() {
        for name in crates(&line.code) {
            let strange = homes.get(name.as_str()).is_some_and(|homes| !homes.contains(&line.module.as_str()));
            if strange || (name == "polars" && WITHOUT_POLARS.contains(&line.module.as_str())) {
                wrong.push(format!("{}: `{name}`", line.place));
            }
            used.insert(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in homes.keys() {
        assert!(used.contains(*name), "`{name}` is used nowhere: does this test still see the sources?");
    }
}

#[test]
fn stages_of_numbers_know_neither_files_nor_configuration() {
    let mut wrong = Vec::new();
    for line in code().into_iter().filter(|line| NUMBERS_ALONE.contains(&line.module.as_str())) {
        let imports = names_after(&line.code, "crate::").into_iter().filter(|n| ORDER.contains(&n.as_str()));
        let strange = imports.filter(|n| n != "error" && !NUMBERS_ALONE.contains(&n.as_str()));
        wrong.extend(strange.map(|n| format!("{}: `{n}`", line.place)));
        if line.code.contains("std::fs") || line.code.contains("std::path") {
            wrong.push(line.place);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_found_in_every_writing() {
    assert_eq!(names_after("use crate::{error::{Error, Result}, model, time::DAY};", "crate::"), ["error", "model", "time"]);
    assert_eq!(names_after("pub(crate) use crate::fit;", "crate::"), ["fit"]);
    assert_eq!(plain("let x = \"crate::cli\"; // crate::cli"), "let x = ; ");
    assert!(crates("#[derive(Debug, clap::Args)]").contains("clap"));
    assert!(!crates("use crate::table::csv::x;").contains("csv"));
}
