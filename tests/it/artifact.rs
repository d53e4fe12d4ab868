//! Every kind of damage to a model file is detected.

use std::path::Path;
use std::time::Instant;

use pql::error::{Error, Result};
use pql::model::Model;
use pql::model::file::FORMAT;
use rayon::prelude::*;

use crate::project::{Project, run};

/// Bytes before the payload: magic, format, length.
const HEADER: usize = 16;
/// Bytes after the payload.
const HASH: usize = 32;

fn load(bytes: &[u8]) -> Result<Model> {
    Model::from_bytes(bytes, Path::new("m.pql"))
}

/// Returns a model file of `pql train`.
fn real() -> Vec<u8> {
    let project = Project::trial();
    project.train(&[]).done();
    let bytes = project.read("models/t/0001/model.pql");
    load(&bytes).unwrap();
    bytes
}

/// Returns a file with a payload and its valid length and hash.
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
    let error = load(bytes).expect_err("a damaged file");
    assert_eq!(error.exit_code(), 4, "{error}");
    error.to_string()
}

#[test]
fn a_model_round_trips_byte_for_byte() {
    let bytes = real();
    assert_eq!(load(&bytes).unwrap().to_bytes().unwrap(), bytes);
    assert_eq!(sealed(FORMAT, payload(&bytes)), bytes);
}

#[test]
fn every_flipped_bit_is_rejected() {
    let bytes = real();
    (0..bytes.len()).into_par_iter().for_each_init(
        || bytes.clone(),
        |copy, position| {
            for bit in 0..8 {
                copy[position] ^= 1 << bit;
                let error = load(copy).expect_err("a flipped bit");
                let expected = if position < 4 {
                    matches!(error, Error::NotAModel { .. })
                } else {
                    matches!(error, Error::DamagedModel { .. })
                };
                assert!(expected, "byte {position}, bit {bit}: {error}");
                copy[position] ^= 1 << bit;
            }
        },
    );
}

#[test]
fn every_truncation_is_rejected() {
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
fn bytes_before_or_after_are_rejected() {
    let bytes = real();
    for more in [1, 8, 4_096] {
        assert!(
            problem(&[bytes.as_slice(), &vec![0; more]].concat()).contains("the header expects"),
            "{more}"
        );
        assert!(
            problem(&[&vec![0; more], bytes.as_slice()].concat()).contains("is not a pql model"),
            "{more}"
        );
    }
    assert!(problem(&[bytes.as_slice(), bytes.as_slice()].concat()).contains("the header expects"));
}

#[test]
fn extra_bytes_with_a_valid_hash_are_rejected() {
    let bytes = real();
    for more in [1, 9, 1_000] {
        let padded = sealed(FORMAT, &[payload(&bytes), &vec![0; more]].concat());
        assert!(problem(&padded).contains("unexpected byte"), "{more}");
    }
}

#[test]
fn every_shorter_payload_with_a_valid_hash_is_rejected() {
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
fn other_formats_are_errors_after_the_hash_is_checked() {
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
        "damage is reported before the format"
    );
}

#[test]
fn a_forged_payload_length_is_rejected() {
    let bytes = real();
    let size = payload(&bytes).len() as u64;
    for forged in [0, size - 1, size + 1, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = bytes.clone();
        bytes[8..16].copy_from_slice(&forged.to_le_bytes());
        let content = bytes.len() - HASH;
        let hash = blake3::hash(&bytes[..content]);
        bytes[content..].copy_from_slice(hash.as_bytes());
        assert!(problem(&bytes).contains(&format!("the header expects {forged}")));
    }
}

/// Returns the range of the length of the configuration, the last field of the payload.
fn range_of_last_length(bytes: &[u8]) -> (usize, usize) {
    let payload = payload(bytes);
    let text = load(bytes).unwrap().config;
    let end = payload.len() - text.len();
    // 251: a length of two bytes follows.
    assert_eq!(payload[end - 3], 251);
    (end - 3, end)
}

#[test]
fn forged_lengths_inside_are_rejected_without_allocation() {
    let bytes = real();
    let payload = payload(&bytes);
    let (from, to) = range_of_last_length(&bytes);
    let project = Project::new();
    for length in [1_u64 << 20, (64 << 20) - 1, 1 << 30, 1 << 40, u64::MAX] {
        let number = [&[253], length.to_le_bytes().as_slice()].concat();
        let forged = sealed(FORMAT, &[&payload[..from], &number, &payload[to..]].concat());
        assert!(problem(&forged).contains("is damaged"));
        project.write("m.pql", &forged);
        // Enough memory for the threads and the maximum payload, but not for the forged length.
        let script = "ulimit -v 1500000; exec \"$0\" inspect m.pql";
        run(&mut project.command("sh", &["-c", script, env!("CARGO_BIN_EXE_pql")]))
            .fails_with(4, &["`m.pql` is damaged"]);
    }
}

#[test]
fn forged_lengths_anywhere_neither_panic_nor_stall() {
    let bytes = real();
    let payload = payload(&bytes);
    let number = [&[253], u64::MAX.to_le_bytes().as_slice()].concat();
    let start = Instant::now();
    (0..payload.len()).into_par_iter().for_each(|position| {
        // In place of a float, the file may still be a valid model; loading must return in any
        // case.
        let _ = load(&sealed(
            FORMAT,
            &[&payload[..position], &number, &payload[position + 1..]].concat(),
        ));
        if position + number.len() <= payload.len() {
            let _ = load(&sealed(
                FORMAT,
                &[&payload[..position], &number, &payload[position + number.len()..]].concat(),
            ));
        }
    });
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Makes a model inconsistent.
type Change = fn(&mut Model);

fn less(values: &mut Vec<f64>) {
    values.pop();
}

#[test]
fn inconsistent_sizes_are_rejected() {
    let project = Project::trained_matrix();
    let model = load(&project.read("models/m/0001/model.pql")).unwrap();
    let changes: [(&str, Change); 12] = [
        ("a coefficient missing", |m| less(&mut m.fit.coef)),
        ("a coefficient more", |m| m.fit.coef.push(1.0)),
        ("a covariance missing", |m| less(m.fit.covariance.as_mut().unwrap())),
        ("an inflation factor missing", |m| less(&mut m.vif)),
        ("a quantile missing", |m| less(&mut m.reference.quantiles)),
        ("no quantile", |m| m.reference.quantiles.clear()),
        ("a feature missing", |m| m.preprocessor.features.truncate(1)),
        ("a z missing", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().z)),
        ("a p missing", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().p)),
        ("a tested coefficient missing", |m| {
            less(&mut m.maximum_likelihood.as_mut().unwrap().coef);
        }),
        ("a tested error missing", |m| less(&mut m.maximum_likelihood.as_mut().unwrap().std_error)),
        ("a tested error more", |m| m.maximum_likelihood.as_mut().unwrap().std_error.push(1.0)),
    ];
    for (name, change) in changes {
        let mut other = model.clone();
        change(&mut other);
        assert!(
            matches!(
                other.to_bytes().and_then(|bytes| load(&bytes)),
                Err(Error::DamagedModel { .. })
            ),
            "{name} passes"
        );
    }
    let other = Model { config: "model = 3".to_owned(), ..model };
    assert!(other.to_bytes().is_err_and(|e| e.exit_code() == 4));
}

#[test]
fn the_demo_model_has_the_current_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    let version = std::fs::read_to_string(folder.join("champion")).unwrap();
    let model =
        Model::load(&folder.join(version.lines().next().unwrap()).join("model.pql")).unwrap();
    assert!(model.regularization_path.is_some() && model.evaluation.is_some());
}
