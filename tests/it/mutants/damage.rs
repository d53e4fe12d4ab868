//! Damages texts, compressed files and model files so that they reach the code behind the first
//! checks: cells and settings get extreme values, a compressed or hashed file stays valid.

use pql::model::file::FORMAT;
use rand::Rng;
use rand::seq::IndexedRandom as _;

use crate::project::{gz, zst};

/// Cells and values at which readers fail.
const VALUES: &[&str] = &[
    "",
    "\"",
    "'",
    "null",
    "true",
    "NaN",
    "inf",
    "-1",
    "0",
    "-0",
    "1e400",
    "1e-400",
    "0x10",
    "1,5",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "4294967296",
    "0.1",
    "[]",
    "{}",
    "[[[[1]]]]",
    "{\"a\":{\"a\":{\"a\":1}}}",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"a\"",
    "[\"a\", \"a\"]",
    "\"1m\"",
    "\"100000d\"",
    "\"0d\"",
    "\"-1d\"",
    "0001-01-01",
    "1677-09-21T00:12:43Z",
    "2262-04-11T23:47:17Z",
    "9999-12-31T23:59:59.999999Z",
    "2025-02-30",
    "1735689600",
    "1735689600000000000000",
    "=1+1",
    "\u{feff}",
    "\u{202e}x",
    "\u{0}",
    "\u{1b}[31m",
    "*",
    "..",
    "/dev/zero",
    "account_id",
    "timestamp",
];

/// Bytes that begin long numbers of bincode, and others at which decoders fail.
const BYTES: &[u8] = &[0, 1, 0x7f, 0x80, 250, 251, 252, 253, 254, 255];

/// Returns a damaged text of cells or settings.
///
/// # Arguments
/// * `separators` – characters between its values; lines are separate in any case
pub(super) fn text(text: &str, separators: &[char], rng: &mut impl Rng) -> Vec<u8> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..=4) {
        let line = rng.random_range(0..lines.len());
        match rng.random_range(0..10) {
            0 => lines.insert(line, lines[rng.random_range(0..lines.len())].clone()),
            1 if lines.len() > 1 => drop(lines.remove(line)),
            2 => {
                let other = rng.random_range(0..lines.len());
                lines.swap(line, other);
            }
            3 => {
                let next = lines[rng.random_range(0..lines.len())].clone();
                lines[line].push_str(&next);
            }
            _ => lines[line] = replace_value(&lines[line], separators, rng),
        }
    }
    let line_end = ["\n", "\n", "\n", "\r\n", "\r"].choose(rng).unwrap();
    let mut bytes = lines.join(line_end).into_bytes();
    if rng.random_ratio(1, 3) {
        bytes = damaged_bytes(&bytes, rng);
    }
    bytes
}

/// Replaces a value of a line.
fn replace_value(line: &str, separators: &[char], rng: &mut impl Rng) -> String {
    let ends = line.match_indices(separators).map(|(position, _)| position);
    let mut cuts: Vec<usize> = ends.chain([0, line.len()]).collect();
    cuts.sort_unstable();
    let chosen = rng.random_range(0..cuts.len() - 1);
    let start = cuts[chosen];
    let separator = line[start..].chars().next().filter(|c| separators.contains(c));
    let start = start + separator.map_or(0, char::len_utf8);
    let end = cuts[chosen + 1].max(start);
    let value = match rng.random_range(0..12) {
        0 => "x".repeat(rng.random_range(0..20_000)),
        1 => "[".repeat(rng.random_range(0..2_000)),
        2 => line[start..end].repeat(2),
        3 => format!("{}{}", rng.random_range(-9_i64..10), line[start..end].trim()),
        4 => rng.random::<i64>().to_string(),
        _ => (*VALUES.choose(rng).unwrap()).to_owned(),
    };
    format!("{}{value}{}", &line[..start], &line[end..])
}

/// Returns a copy with some bytes replaced, inserted, removed or repeated.
fn damaged_bytes(bytes: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..16)).min(bytes.len());
        match rng.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 if at < bytes.len() => bytes[at] = *BYTES.choose(rng).unwrap(),
            3 => bytes.insert(at, *BYTES.choose(rng).unwrap()),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            6 if rng.random_ratio(1, 4) => bytes.truncate(at),
            _ => drop(bytes.splice(at..end, rng.random::<u64>().to_le_bytes())),
        }
    }
    bytes
}

/// Returns a file as gzip or zstd: its damaged content compressed, or its compressed bytes damaged.
pub(super) fn compressed(content: &str, extension: &str, rng: &mut impl Rng) -> Vec<u8> {
    let compress = |text: &str| if extension == "gz" { gz(text) } else { zst(text) };
    match rng.random_range(0..4) {
        0 => {
            let damaged = text(content, &[',', ':'], rng);
            compress(&String::from_utf8_lossy(&damaged))
        }
        // A second part, as concatenated files have.
        1 => {
            let (first, second) = (compress(content), compress(content));
            [first, damaged_bytes(&second, rng)].concat()
        }
        _ => damaged_bytes(&compress(content), rng),
    }
}

/// Returns a damaged model file; most have a valid length and hash, so that they are decoded.
pub(super) fn model(file: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    const HEADER: usize = 16;
    const HASH: usize = 32;
    if rng.random_ratio(1, 8) {
        return damaged_bytes(file, rng);
    }
    let payload = damaged_bytes(&file[HEADER..file.len() - HASH], rng);
    let mut bytes = b"PQLM".to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}
