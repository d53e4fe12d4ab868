//! A model file that is not what was written is refused, whatever happened to it.

use std::path::Path;
use std::time::Instant;

use pql::error::{Error, Result};
use pql::model::Model;
use pql::model::file::FORMAT;
use rayon::prelude::*;

use crate::project::{Project, run};

/// Bytes before the payload: magic, format, length.
const HEADER: usize = 16;
/// Bytes after it.
const HASH: usize = 32;

fn load(bytes: &[u8]) -> Result<Model> {
    Model::from_bytes(bytes, Path::new("m.pql"))
}

/// A model file as `pql train` writes it.
fn real() -> Vec<u8> {
    let project = Project::trial();
    project.train(&[]).done();
    let bytes = project.read("models/t/0001/model.pql");
    load(&bytes).unwrap();
    bytes
}

/// A file with a right length and hash around any payload.
fn sealed(format: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"PQLM".to_vec();
    bytes.extend(format.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

fn payload(bytes: &[u8]) -> &[u8] {
    &bytes[HEADER..bytes.len() - HASH]
}

#[track_caller]
fn problem(bytes: &[u8]) -> String {
    let error = load(bytes).expect_err("a file that is not what was written");
    assert_eq!(error.exit_code(), 4, "{error}");
    error.to_string()
}

#[test]
fn what_is_written_reads_back_and_is_written_the_same() {
    let bytes = real();
    assert_eq!(load(&bytes).unwrap().to_bytes().unwrap(), bytes);
    assert_eq!(sealed(FORMAT, payload(&bytes)), bytes);
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = real();
    (0..bytes.len()).into_par_iter().for_each_init(
        || bytes.clone(),
        |copy, at| {
            for bit in 0..8 {
                copy[at] ^= 1 << bit;
                let error = load(copy).expect_err("a flipped bit");
                let expected = if at < 4 {
                    matches!(error, Error::NotAModel { .. })
                } else {
                    matches!(error, Error::DamagedModel { .. })
                };
                assert!(expected, "byte {at}, bit {bit}: {error}");
                copy[at] ^= 1 << bit;
            }
        },
    );
}

#[test]
fn every_truncation_is_refused() {
    let bytes = real();
    for length in 0..bytes.len() {
        let error = load(&bytes[..length]).expect_err("a truncated file");
        let expected = if length < 4 {
            matches!(error, Error::NotAModel { .. })
        } else {
            matches!(error, Error::DamagedModel { .. })
        };
        assert!(expected, "{length} bytes: {error}");
    }
}

#[test]
fn bytes_before_or_after_are_refused() {
    let bytes = real();
    for more in [1, 8, 4_096] {
        assert!(
            problem(&[bytes.as_slice(), &vec![0; more]].concat()).contains("the header promises"),
            "{more}"
        );
        assert!(
            problem(&[&vec![0; more], bytes.as_slice()].concat()).contains("is not a pql model"),
            "{more}"
        );
    }
    assert!(
        problem(&[bytes.as_slice(), bytes.as_slice()].concat()).contains("the header promises")
    );
}

#[test]
fn left_over_bytes_with_a_right_hash_are_refused() {
    let bytes = real();
    for more in [1, 9, 1_000] {
        let padded = sealed(FORMAT, &[payload(&bytes), &vec![0; more]].concat());
        assert!(problem(&padded).contains(&format!("{more} bytes are left over")));
    }
}

#[test]
fn every_shorter_payload_with_a_right_hash_is_refused() {
    let bytes = real();
    let payload = payload(&bytes);
    (0..payload.len()).into_par_iter().for_each(|length| {
        assert!(
            matches!(load(&sealed(FORMAT, &payload[..length])), Err(Error::DamagedModel { .. })),
            "{length} bytes"
        );
    });
}

#[test]
fn other_formats_are_named_once_the_hash_is_right() {
    let bytes = real();
    let payload = payload(&bytes);
    assert!(
        matches!(load(&sealed(FORMAT + 1, payload)), Err(Error::NewerModel { found, known, .. }) if (found, known) == (FORMAT + 1, FORMAT))
    );
    assert!(matches!(load(&sealed(u32::MAX, b"anything")), Err(Error::NewerModel { .. })));
    assert!(matches!(load(&sealed(0, payload)), Err(Error::OldModel { found: 0, .. })));
    let mut unsealed = sealed(FORMAT + 1, payload);
    unsealed[HEADER + 3] ^= 1;
    assert!(
        matches!(load(&unsealed), Err(Error::DamagedModel { .. })),
        "damage is told before the format"
    );
}

#[test]
fn a_forged_length_of_the_payload_is_refused() {
    let bytes = real();
    let held = payload(&bytes).len() as u64;
    for forged in [0, held - 1, held + 1, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = bytes.clone();
        bytes[8..16].copy_from_slice(&forged.to_le_bytes());
        let content = bytes.len() - HASH;
        let hash = blake3::hash(&bytes[..content]);
        bytes[content..].copy_from_slice(hash.as_bytes());
        assert!(problem(&bytes).contains(&format!("the header promises {forged} bytes")));
    }
}

/// Where the payload has the length of the configuration, its last field.
fn place_of_last_length(bytes: &[u8]) -> (usize, usize) {
    let payload = payload(bytes);
    let text = load(bytes).unwrap().config;
    let end = payload.len() - text.len();
    // 251: a length of two bytes follows.
    assert_eq!(payload[end - 3], 251);
    (end - 3, end)
}

#[test]
fn forged_lengths_inside_are_refused_without_taking_the_memory() {
    let bytes = real();
    let payload = payload(&bytes);
    let (from, to) = place_of_last_length(&bytes);
    let project = Project::new();
    for length in [1_u64 << 20, (64 << 20) - 1, 1 << 30, 1 << 40, u64::MAX] {
        let number = [&[253], length.to_le_bytes().as_slice()].concat();
        let forged = sealed(FORMAT, &[&payload[..from], &number, &payload[to..]].concat());
        assert!(problem(&forged).contains("is damaged"));
        project.write("m.pql", &forged);
        // Room for the threads and the limit of a payload, not for the length.
        let script = "ulimit -v 1500000; exec \"$0\" inspect m.pql";
        run(&mut project.command("sh", &["-c", script, env!("CARGO_BIN_EXE_pql")]))
            .refused(4, &["`m.pql` is damaged"]);
    }
}

#[test]
fn forged_lengths_anywhere_neither_panic_nor_stall() {
    let bytes = real();
    let payload = payload(&bytes);
    let number = [&[253], u64::MAX.to_le_bytes().as_slice()].concat();
    let start = Instant::now();
    (0..payload.len()).into_par_iter().for_each(|at| {
        // Where a float stood, the file may still be a model, another one; what counts is that this
        // returns.
        let _ = load(&sealed(FORMAT, &[&payload[..at], &number, &payload[at + 1..]].concat()));
        if at + number.len() <= payload.len() {
            let _ = load(&sealed(
                FORMAT,
                &[&payload[..at], &number, &payload[at + number.len()..]].concat(),
            ));
        }
    });
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Makes a model one that no training gives.
type Change = fn(&mut Model);

fn less(values: &mut Vec<f64>) {
    values.pop();
}

#[test]
fn sizes_that_do_not_fit_one_another_are_refused() {
    let project = Project::trained_matrix();
    let model = load(&project.read("models/m/0001/model.pql")).unwrap();
    let changes: [(&str, Change); 12] = [
        ("a coefficient less", |m| less(&mut m.fit.coef)),
        ("a coefficient more", |m| m.fit.coef.push(1.0)),
        ("a covariance less", |m| less(m.fit.covariance.as_mut().unwrap())),
        ("an inflation factor less", |m| less(&mut m.vif)),
        ("a quantile less", |m| less(&mut m.reference.quantiles)),
        ("no quantile", |m| m.reference.quantiles.clear()),
        ("a feature less", |m| m.preprocessor.features.truncate(1)),
        ("a z less", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().z)),
        ("a p less", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().p)),
        ("a tested coefficient less", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().coef)),
        ("a tested error less", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().std_error)),
        ("a tested error more", |m| m.maximum_likelihood.as_mut().unwrap().std_error.push(1.0)),
    ];
    for (what, change) in changes {
        let mut other = model.clone();
        change(&mut other);
        assert!(
            matches!(
                other.to_bytes().and_then(|bytes| load(&bytes)),
                Err(Error::DamagedModel { .. })
            ),
            "{what} passes"
        );
    }
    let other = Model { config: "model = 3".to_owned(), ..model };
    assert!(other.to_bytes().is_err_and(|e| e.exit_code() == 4));
}

#[test]
fn the_model_that_comes_with_the_program_is_of_this_build() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    let version = std::fs::read_to_string(folder.join("champion")).unwrap();
    let model = Model::load(&folder.join(version.trim()).join("model.pql")).unwrap();
    assert!(model.path.is_some() && model.judgement.is_some());
}
