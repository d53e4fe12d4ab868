//! The README's commands print what it says.

use std::fs;
use std::path::Path;

#[test]
fn the_commands_of_the_readme_print_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("README.in/data/demo");
    fs::create_dir_all(&data).unwrap();
    for file in ["events.parquet", "accounts.parquet", "pql.toml"] {
        fs::copy(root.join("data/demo").join(file), data.join(file)).unwrap();
    }
    let readme = dir.path().join("README.md");
    fs::copy(root.join("README.md"), &readme).unwrap();
    trycmd::TestCases::new().register_bin("pql", Path::new(env!("CARGO_BIN_EXE_pql"))).case(&readme).run();
}
