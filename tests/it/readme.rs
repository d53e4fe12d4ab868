//! The commands in README and tutorial print what these pages show; `TRYCMD=overwrite` updates them
//! in a copy, whose path the test prints.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;

/// Copies a page to a folder and returns it with the folder in which its commands run.
fn copy_page(name: &str, folder: &Path) -> (PathBuf, PathBuf) {
    let page = folder.join(Path::new(name).file_name().unwrap());
    fs::copy(root().join(name), &page).unwrap();
    let working_folder = page.with_extension("in");
    fs::create_dir_all(&working_folder).unwrap();
    (page, working_folder)
}

/// Runs the commands of a page; with `TRYCMD=overwrite` the page gets the new outputs.
fn run(name: &str, page: &Path) {
    trycmd::TestCases::new()
        .register_bin("pql", Path::new(env!("CARGO_BIN_EXE_pql")))
        .case(page)
        .run();
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::copy(page, root().join(name)).unwrap();
    }
}

#[test]
fn readme_commands_print_the_documented_output() {
    let folder = tempfile::tempdir().unwrap();
    let (page, working_folder) = copy_page("README.md", folder.path());
    fs::create_dir_all(working_folder.join("data/demo")).unwrap();
    for file in ["events.parquet", "accounts.parquet", "pql.toml"] {
        let file = Path::new("data/demo").join(file);
        fs::copy(root().join(&file), working_folder.join(&file)).unwrap();
    }
    run("README.md", &page);
}

#[test]
fn tutorial_commands_print_the_documented_output() {
    let folder = tempfile::tempdir().unwrap();
    let name = "docs/guide/tutorial.md";
    run(name, &copy_page(name, folder.path()).0);
}
