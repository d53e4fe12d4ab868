//! Reads and writes model files.
//!
//! Layout: magic `PQLM`, format number (u32), payload length (u64), payload, BLAKE3 hash of all
//! preceding bytes (32 bytes); integers are little-endian. The payload is the [`Model`] in bincode
//! 2. It has no path, version, thread count, time or host name: the same input and configuration
//! give the same bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pql_stats::calibration::Calibration;

use super::{Model, QUANTILES};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::read::read_limited;
use crate::names::counted;

const MAGIC: [u8; 4] = *b"PQLM";
/// The model format that this version writes.
pub const FORMAT: u32 = 8;
/// The oldest model format that this version reads.
const OLDEST: u32 = 8;
/// Bytes before the payload.
const HEADER: usize = 16;
/// Bytes after the payload.
const HASH: usize = 32;
/// Maximum size of the payload, which also limits allocations for forged lengths inside it.
const LIMIT: usize = 64 << 20;

impl Model {
    /// Encodes the model file.
    ///
    /// # Errors
    /// * [`Error::EncodeModel`], [`Error::ModelTooLarge`], [`Error::DamagedModel`]: the model
    ///   cannot be encoded, is larger than 64 MiB, or cannot be read back
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = self.encode()?;
        // Never store a file that cannot be read.
        Self::from_bytes(&bytes, Path::new("the new model"))?;
        Ok(bytes)
    }

    /// Returns the hash at the end of the file of the model, in hexadecimal digits.
    ///
    /// # Errors
    /// Those of [`Model::to_bytes`]
    pub(crate) fn hash(&self) -> Result<String> {
        Ok(format_hash(&self.encode()?))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let payload = bincode::serde::encode_to_vec(self, bincode::config::standard())
            .map_err(|e| Error::EncodeModel { source: e.into() })?;
        if payload.len() > LIMIT {
            return Err(Error::ModelTooLarge { bytes: payload.len() });
        }
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + HASH);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(&payload);
        let hash = blake3::hash(&bytes);
        bytes.extend(hash.as_bytes());
        Ok(bytes)
    }

    /// Decodes a model file.
    ///
    /// # Arguments
    /// * `path` – for error messages
    /// # Errors
    /// In the order of the checks:
    /// * [`Error::NotAModel`]: the file does not begin with the magic bytes
    /// * [`Error::DamagedModel`]: length or hash is wrong
    /// * [`Error::NewerModel`], [`Error::OldModel`]: this version does not read the format
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
            return Err(Error::NotAModel { path: path.to_owned() });
        }
        let damaged =
            |problem: String| Error::DamagedModel { path: path.to_owned(), problem, source: None };
        if bytes.len() < HEADER + HASH {
            return Err(damaged(format!(
                "the file ends after {} bytes, inside the header",
                bytes.len()
            )));
        }
        let format = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
        let length = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes"));
        let size = bytes.len() - HEADER - HASH;
        if length != size as u64 {
            return Err(damaged(format!(
                "found {size} bytes of content, the header expects {length}"
            )));
        }
        let (content, hash) = bytes.split_at(HEADER + size);
        // `blake3::Hash` compares in constant time.
        if blake3::hash(content)
            != blake3::Hash::from_bytes(hash.try_into().expect("the rest is the hash"))
        {
            return Err(damaged("the hash does not match the content".to_owned()));
        }
        if format > FORMAT {
            return Err(Error::NewerModel { path: path.to_owned(), found: format, known: FORMAT });
        }
        if format < OLDEST {
            return Err(Error::OldModel { path: path.to_owned(), found: format });
        }
        let config = bincode::config::standard().with_limit::<LIMIT>();
        let (model, read): (Self, usize) =
            bincode::serde::decode_from_slice(&content[HEADER..], config).map_err(|e| {
                Error::DamagedModel {
                    path: path.to_owned(),
                    problem: "the content cannot be decoded".to_owned(),
                    source: Some(e.into()),
                }
            })?;
        if read != size {
            let unexpected = counted((size - read) as u64, "unexpected byte");
            return Err(damaged(format!("{unexpected} after the content")));
        }
        model.check().map_err(damaged)?;
        Config::from_stored(&model.config, path)?;
        Ok(model)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`], and [`Error::UnreadableModel`]: the file cannot be read
    pub fn load(path: &Path) -> Result<Self> {
        let largest = (HEADER + LIMIT + HASH) as u64;
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes));
        match read {
            Err(source) => Err(Error::UnreadableModel { path: path.to_owned(), source }),
            Ok(read) if read as u64 > largest => Err(Error::NotAModel { path: path.to_owned() }),
            Ok(_) => Self::from_bytes(&bytes, path),
        }
    }

    /// Checks the sizes that other code relies on.
    fn check(&self) -> std::result::Result<(), String> {
        let p = self.preprocessor.columns().len();
        let k = p + 1;
        let steps = match &self.calibration {
            Calibration::Isotonic(steps) => [steps.log_odds.len(), steps.probability.len()],
            Calibration::None | Calibration::Platt(_) => [1, 1],
        };
        if self.regularization_path.as_ref().is_some_and(|path| path.chosen >= path.points.len()) {
            return Err("the chosen alpha is beyond the end of the regularization path".to_owned());
        }
        if let Some(coefficients) = &self.coefficient_path {
            let points = self.regularization_path.as_ref().map_or(0, |path| path.points.len());
            if coefficients.coef.len() != points
                || coefficients.coef.iter().any(|coef| coef.len() != coefficients.columns.len())
            {
                return Err(
                    "the coefficient path does not have one value per column and alpha".to_owned()
                );
            }
        }
        if !self.profile.has_consistent_sizes() {
            return Err("the reference profile does not have one count per bin and band".to_owned());
        }
        let measures = |name: &str| self.preprocessor.features.iter().any(|f| f.measure == name);
        let mut members: Vec<&String> = self.families.iter().flat_map(|f| &f.measures).collect();
        let named = members.len();
        members.sort();
        members.dedup();
        if members.len() != named
            || !members.iter().all(|name| measures(name))
            || !self.preprocessor.features.iter().all(|f| members.contains(&&f.measure))
        {
            return Err("the families do not contain each measure once".to_owned());
        }
        if steps[0] == 0 {
            return Err("the isotonic calibration is empty".to_owned());
        }
        let sizes = [
            ("calibrated probabilities", steps[1], steps[0]),
            ("covariance roots", self.fit.root.as_ref().map_or(k * k, Vec::len), k * k),
            ("coefficients", self.fit.coef.len(), p),
            ("covariances", self.fit.covariance.as_ref().map_or(k * k, Vec::len), k * k),
            ("variance inflation factors", self.vif.len(), p),
            ("quantiles", self.reference.quantiles.len(), QUANTILES),
        ];
        let tests =
            self.maximum_likelihood.iter().flat_map(|m| [&m.coef, &m.std_error, &m.z, &m.p]);
        let tests = tests.map(|values| ("values of Wald tests", values.len(), k));
        let windows = self.catalog.as_ref().map(|c| &c.windows);
        if windows.is_some_and(|w| w.is_empty() || !w.is_sorted_by(|a, b| a < b)) {
            return Err("the windows are not in ascending order".to_owned());
        }
        match sizes.into_iter().chain(tests).find(|(_, found, expected)| found != expected) {
            Some((name, found, expected)) => {
                Err(format!("found {found} {name}, expected {expected}"))
            }
            None => Ok(()),
        }
    }
}
/// Returns the hash at the end of a model file, in hexadecimal digits.
///
/// # Errors
/// * [`Error::UnreadableModel`]: the file cannot be read
pub(crate) fn stored_hash(path: &Path) -> Result<String> {
    let limit = (HEADER + LIMIT + HASH) as u64;
    let bytes = read_limited(path, limit)
        .map_err(|source| Error::UnreadableModel { path: path.to_owned(), source })?;
    Ok(format_hash(&bytes))
}

/// Formats the last bytes of a model file, which are its hash.
fn format_hash(bytes: &[u8]) -> String {
    let hash = bytes.last_chunk::<HASH>();
    hash.map_or_else(String::new, |hash| blake3::Hash::from_bytes(*hash).to_hex().to_string())
}
