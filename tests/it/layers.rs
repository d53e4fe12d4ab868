//! Modules import only modules before them, and each dependency is used only by its home modules.

use std::fs;
use std::path::Path;

use crate::common::root;

/// The modules of `src`; each imports only those to its left.
const ORDER: &str = "time remote_path escape names query warning error config io log dataset rules model training registry operations export report tools cli";

/// Dependencies and the only modules that use them.
const HOMES: [(&str, &str); 30] = [
    ("adbc_core", "io"),
    ("adbc_driver_manager", "io"),
    ("arrow_array", "io"),
    ("arrow_ipc", "io"),
    ("arrow_schema", "io"),
    ("bincode", "model"),
    ("chrono_tz", "time"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("comfy_table", "report"),
    ("csv", "io"),
    ("csv_core", "io"),
    ("flate2", "io"),
    ("glob", "io"),
    ("indicatif", "io"),
    ("libc", "io"),
    ("maud", "report"),
    ("polars", "io log dataset rules model training registry operations tools cli"),
    ("polars_parquet", "io"),
    ("prost", "export"),
    ("psl", "log"),
    ("schemars", "config export"),
    ("sha2", "dataset"),
    ("signal_hook", "cli"),
    ("terminal_size", "report"),
    ("toml", "config"),
    ("unicode_width", "report"),
    ("ureq", "io operations"),
    ("zstd", "io"),
];

/// Collects each line of code outside of tests with its place, such as `src/io/mod.rs:7`.
fn collect_code(folder: &Path, lines: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_code(&path, lines);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let place =
                |number| format!("{}:{number}", path.strip_prefix(root()).unwrap().display());
            let uncommented = |line: &str| line.split("//").next().unwrap().to_owned();
            lines.extend(
                text.lines().enumerate().map(|(index, line)| (place(index + 1), uncommented(line))),
            );
        }
    }
}

/// Returns the forbidden import in a line of a module, if any.
fn forbidden_import(module: &str, line: &str) -> Option<String> {
    let rank = |name: &str| ORDER.split(' ').position(|other| other == name);
    let is_allowed = |path: &str| match path.split("::").collect::<Vec<_>>()[..] {
        ["super", "super", ..] => false,
        ["super", imported, ..] => rank(imported) <= rank(module),
        ["crate", imported, ..] => rank(imported).is_some() && rank(imported) <= rank(module),
        [name, _, ..] => HOMES.iter().all(|(dependency, homes)| {
            *dependency != name || homes.split(' ').any(|home| home == module)
        }),
        _ => true,
    };
    let mut paths = line.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
    paths.find(|path| !is_allowed(path)).map(|path| format!("`{module}` must not use `{path}`"))
}

#[test]
fn modules_import_only_modules_to_their_left_and_their_own_dependencies() {
    let mut lines = Vec::new();
    collect_code(&root().join("src"), &mut lines);
    assert!(
        HOMES
            .iter()
            .all(|(name, _)| lines.iter().any(|(_, line)| line.contains(&format!("{name}::")))),
        "a dependency in the list is not used"
    );
    let mut problems = Vec::new();
    for (place, line) in &lines {
        let module = place.split(['/', '.']).nth(1).unwrap();
        if !["bin", "lib", "main"].contains(&module) {
            problems
                .extend(forbidden_import(module, line).map(|import| format!("{place}: {import}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
