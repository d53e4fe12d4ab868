//! The commands of README and tutorial print what these say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;

/// A document in a folder of its own, and the folder its commands run in.
fn copied(name: &str, dir: &Path) -> (PathBuf, PathBuf) {
    let document = dir.join(Path::new(name).file_name().unwrap());
    fs::copy(root().join(name), &document).unwrap();
    let inside = document.with_extension("in");
    fs::create_dir_all(&inside).unwrap();
    (document, inside)
}

fn run(document: &Path) {
    trycmd::TestCases::new()
        .register_bin("pql", Path::new(env!("CARGO_BIN_EXE_pql")))
        .case(document)
        .run();
}

#[test]
fn the_commands_of_the_readme_print_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (readme, inside) = copied("README.md", dir.path());
    fs::create_dir_all(inside.join("data/demo")).unwrap();
    for file in ["events.parquet", "accounts.parquet", "pql.toml"]
        .map(|file| Path::new("data/demo").join(file))
    {
        fs::copy(root().join(&file), inside.join(&file)).unwrap();
    }
    run(&readme);
}

#[test]
fn the_commands_of_the_tutorial_print_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    run(&copied("docs/tutorial.md", dir.path()).0);
}
