//! Dependencies: every one is used, every exception of deny.toml is still needed, and the notices
//! are complete. `make supply` checks more, with tools and a network.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use crate::common::root;

fn toml(name: &str) -> Table {
    fs::read_to_string(root().join(name)).unwrap().parse().unwrap()
}

/// Returns the names of the packages in Cargo.lock.
fn locked() -> BTreeSet<String> {
    let lock = toml("Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn exceptions_have_a_date_and_a_reason_and_are_still_needed() {
    let (deny, locked) = (toml("deny.toml"), locked());
    let exceptions = deny["advisories"]["ignore"].as_array().unwrap();
    for exception in exceptions {
        let reason = exception["reason"].as_str().unwrap();
        let (head, text) = reason.split_once(": ").expect("`DATE, CRATE: REASON`");
        let (date, name) = head.split_once(", ").expect("`DATE, CRATE: REASON`");
        assert!(date.len() == 10 && pql::time::parse_iso(date).is_some(), "{reason}");
        assert!(locked.contains(name), "{name} is no longer in Cargo.lock");
        assert!(text.len() > 40, "{reason}");
    }
}

#[test]
fn the_notices_list_the_crates_of_the_program() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "-p", "pql", "-e", "normal", "--prefix", "none", "--locked", "--offline"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let is_local = |line: &&str| line.contains("(/") || line.contains("(file:");
    let linked: BTreeSet<String> = tree
        .lines()
        .filter(|line| !is_local(line))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ").replacen(" v", " ", 1))
        .collect();
    let notices = fs::read_to_string(root().join("THIRD-PARTY-NOTICES.txt")).unwrap();
    let (list, _) = notices.split_once("\n====").unwrap();
    let listed: BTreeSet<String> = list
        .lines()
        .skip_while(|line| !line.is_empty())
        .skip(1)
        .skip_while(|line| !line.is_empty())
        .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
        .collect();
    let difference: Vec<_> = linked.symmetric_difference(&listed).collect();
    assert!(linked.len() > 100 && difference.is_empty(), "run `make notices`: {difference:?}");
}

/// Returns whether the Rust files of a folder contain a text.
fn mentions(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            mentions(&path, text)
        } else {
            path.extension().is_some_and(|extension| extension == "rs")
                && fs::read_to_string(&path).unwrap().contains(text)
        }
    })
}

#[test]
fn every_dependency_is_used() {
    for package in [".", "crates/pql-stats"] {
        let manifest = toml(&format!("{package}/Cargo.toml"));
        let names = |section: &str| -> Vec<String> {
            let table = manifest.get(section).and_then(Value::as_table);
            table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
        };
        let folder = root().join(package);
        for (section, folders) in
            [("dependencies", &["src"][..]), ("dev-dependencies", &["src", "tests", "benches"])]
        {
            for name in names(section) {
                let path = name.replace('-', "_") + "::";
                let is_used = folders
                    .iter()
                    .map(|name| folder.join(name))
                    .any(|folder| folder.is_dir() && mentions(&folder, &path));
                assert!(is_used, "{package}: `{name}` of [{section}] is not used");
            }
        }
    }
}
