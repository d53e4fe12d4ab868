//! The laws of every target hold for its corpus, for inputs that once violated them, and for random
//! mutations of both.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "tests print what they measure")]

use std::fs;
use std::path::Path;

use pql_fuzz::Target;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Returns the files of a target with their names, in order.
fn corpus(target: Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name());
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Returns the number of random mutations of a target; `PQL_FUZZ_FACTOR` multiplies it.
fn mutations(target: Target) -> u64 {
    let factor = std::env::var("PQL_FUZZ_FACTOR").map_or(1, |text| text.parse().unwrap());
    factor
        * match target {
            Target::Model | Target::Csv | Target::Ndjson | Target::Parquet | Target::Arrow => {
                80_000
            }
            _ => 800_000,
        }
}

/// Numbers that programs confuse: sizes near the limits of types, and signs.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX];

/// Changes some bytes: replaces, inserts, removes, repeats, or takes some from another input.
fn mutate(data: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=data.len());
    let end = (at + rng.random_range(0..16_usize)).min(data.len());
    match rng.random_range(0..7) {
        0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
        1 if at < data.len() => data[at] = rng.random(),
        2 => data.insert(at, rng.random()),
        3 => drop(data.drain(at..end)),
        4 => {
            let copy = data[at..end].to_vec();
            data.splice(at..at, copy);
        }
        5 => {
            let number = NUMBERS.choose(rng).unwrap().to_le_bytes();
            data.splice(at..end, number[..1 << rng.random_range(0..4)].iter().copied());
        }
        _ if !other.is_empty() => {
            let from = rng.random_range(0..other.len());
            let until = (from + rng.random_range(1..32)).min(other.len());
            data.splice(at..end, other[from..until].iter().copied());
        }
        _ => {}
    }
}

#[test]
fn the_laws_hold_for_the_corpus() {
    for target in Target::ALL {
        for (name, data) in corpus(target) {
            let is_accepted = target.check(&data);
            assert!(is_accepted || name.starts_with("rejected"), "{target}/{name} is rejected");
        }
    }
}

/// Checks the laws of a target for mutations of its corpus.
fn check_mutations(target: Target) {
    let corpus = corpus(target);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut accepted = 0_u64;
    for _ in 0..mutations(target) {
        let mut data = corpus.choose(&mut rng).unwrap().1.clone();
        let other = &corpus.choose(&mut rng).unwrap().1;
        for _ in 0..rng.random_range(1..5) {
            mutate(&mut data, other, &mut rng);
        }
        accepted += u64::from(target.check(&data));
    }
    println!("{target}: {} mutations, {accepted} of them accepted", mutations(target));
    assert!(accepted > 0, "no mutation of {target} is accepted");
}

// One test for each target, so that they run at the same time.
#[test]
fn the_laws_hold_for_mutations_of_times() {
    check_mutations(Target::Timestamp);
}

#[test]
fn the_laws_hold_for_mutations_of_project_files() {
    check_mutations(Target::Config);
}

#[test]
fn the_laws_hold_for_mutations_of_definitions() {
    check_mutations(Target::Definition);
}

#[test]
fn the_laws_hold_for_mutations_of_model_files() {
    check_mutations(Target::Model);
}

#[test]
fn the_laws_hold_for_mutations_of_csv_files() {
    check_mutations(Target::Csv);
}

#[test]
fn the_laws_hold_for_mutations_of_ndjson_files() {
    check_mutations(Target::Ndjson);
}

#[test]
fn the_laws_hold_for_mutations_of_parquet_files() {
    check_mutations(Target::Parquet);
}

#[test]
fn the_laws_hold_for_mutations_of_arrow_data() {
    check_mutations(Target::Arrow);
}

#[test]
fn the_laws_hold_for_mutations_of_cells() {
    check_mutations(Target::ScoreWriter);
}

#[test]
fn the_laws_hold_for_mutations_of_pages() {
    check_mutations(Target::Html);
}
