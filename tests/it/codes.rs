//! `docs/reference/codes.md` lists all message codes.

use std::fs;

use crate::common::root;

/// Returns the codes in the `code` functions of `src/warning` and of verdicts.
fn codes_in_source() -> Vec<String> {
    let mut codes = Vec::new();
    let folders = ["src/warning", "src/model/verdict"];
    for entry in folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap()) {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for function in text.split("fn code(").skip(1) {
            let body = function.split("\n    }\n").next().unwrap();
            codes.extend(body.lines().filter_map(|line| {
                Some(line.split_once("=> \"")?.1.split('"').next()?.to_owned())
            }));
        }
    }
    codes
}

/// Returns the codes in the first column of the tables.
fn codes_in_docs() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/reference/codes.md")).unwrap();
    text.lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect()
}

#[test]
fn the_docs_list_exactly_the_codes_of_the_program() {
    let (mut source, mut docs) = (codes_in_source(), codes_in_docs());
    source.sort();
    docs.sort();
    assert!(source.windows(2).all(|pair| pair[0] != pair[1]), "duplicate code: {source:?}");
    assert!(source.len() > 80, "{source:?}");
    assert_eq!(source, docs);
    assert!(source.iter().all(|code| {
        code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }));
}
