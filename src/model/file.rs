//! The one file that a model is stored in.
//!
//! The file: magic `PQLM`, format number (u32), payload length (u64), payload, BLAKE3 of all before
//! it (32 bytes); integers little-endian. The payload is the [`Model`] in bincode 2. It names no
//! path, version, thread count, clock or host, so that the same input and configuration give the
//! same bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pql_stats::calibration::Calibration;

use super::{Model, QUANTILES};
use crate::config::Config;
use crate::error::{Error, Result};

const MAGIC: [u8; 4] = *b"PQLM";
/// The format this version writes.
pub const FORMAT: u32 = 5;
/// The oldest format this version reads: others are of before the first release.
const OLDEST: u32 = 5;
/// Bytes before the payload.
const HEADER: usize = 16;
/// Bytes after it.
const HASH: usize = 32;
/// Largest payload; it also keeps a forged length inside the payload from being allocated.
const LIMIT: usize = 64 << 20;

impl Model {
    /// The bytes of the model file.
    ///
    /// # Errors
    /// * [`Error::EncodeModel`], [`Error::ModelTooLarge`], [`Error::DamagedModel`]: the model has
    ///   no encoding, is larger than 64 MiB, or could not be read back
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
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
        // What cannot be read back must not be stored.
        Self::from_bytes(&bytes, Path::new("the new model"))?;
        Ok(bytes)
    }

    /// Read the bytes of a model file; `path` serves messages.
    ///
    /// # Errors
    /// In the order of the checks:
    /// * [`Error::NotAModel`]: the bytes do not begin like a model
    /// * [`Error::DamagedModel`]: length or hash is not what was written
    /// * [`Error::NewerModel`], [`Error::OldModel`]: a format that this version does not read
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
            return Err(Error::NotAModel { path: path.to_owned() });
        }
        let damaged =
            |problem: String| Error::DamagedModel { path: path.to_owned(), problem, source: None };
        if bytes.len() < HEADER + HASH {
            return Err(damaged(format!("it ends after {} bytes, inside the header", bytes.len())));
        }
        let format = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
        let length = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes"));
        let held = bytes.len() - HEADER - HASH;
        if length != held as u64 {
            return Err(damaged(format!(
                "the header promises {length} bytes of content, the file has {held}"
            )));
        }
        let (content, hash) = bytes.split_at(HEADER + held);
        // Comparing hashes takes the same time wherever they differ; that is a property of
        // `blake3::Hash`.
        if blake3::hash(content)
            != blake3::Hash::from_bytes(hash.try_into().expect("the rest is the hash"))
        {
            return Err(damaged("its hash does not match its content".to_owned()));
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
                    problem: "its content cannot be decoded".to_owned(),
                    source: Some(e.into()),
                }
            })?;
        if read != held {
            return Err(damaged(format!("{} bytes are left over", held - read)));
        }
        model.check().map_err(damaged)?;
        Config::from_stored(&model.config, path)?;
        Ok(model)
    }

    /// Read a model file.
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

    /// Sizes that the rest of the program relies on.
    fn check(&self) -> std::result::Result<(), String> {
        let p = self.preprocessor.columns().len();
        let k = p + 1;
        let steps = match &self.calibration {
            Calibration::Isotonic(steps) => [steps.log_odds.len(), steps.probability.len()],
            Calibration::None | Calibration::Platt(_) => [1, 1],
        };
        if self.path.as_ref().is_some_and(|path| path.chosen >= path.points.len()) {
            return Err("its path of penalties ends before the one chosen".to_owned());
        }
        if let Some(along) = &self.coefficient_path {
            let points = self.path.as_ref().map_or(0, |path| path.points.len());
            if along.coef.len() != points
                || along.coef.iter().any(|coef| coef.len() != along.columns.len())
            {
                return Err(
                    "its coefficients along the path are not one for each column and strength"
                        .to_owned(),
                );
            }
        }
        if self.profile.features.iter().any(|of| of.counts.len() != of.names().len()) {
            return Err("the cells of a feature and their counts are not one for one".to_owned());
        }
        if steps[0] == 0 {
            return Err("its calibration has no step".to_owned());
        }
        let sizes = [
            ("probabilities of the calibration", steps[1], steps[0]),
            ("roots of the covariance", self.fit.root.as_ref().map_or(k * k, Vec::len), k * k),
            ("coefficients", self.fit.coef.len(), p),
            ("covariances", self.fit.covariance.as_ref().map_or(k * k, Vec::len), k * k),
            ("inflation factors", self.vif.len(), p),
            ("quantiles", self.reference.quantiles.len(), QUANTILES),
        ];
        let tests =
            self.maximum_likelihood.iter().flat_map(|m| [&m.coef, &m.std_error, &m.z, &m.p]);
        let tests = tests.map(|values| ("tested coefficients", values.len(), k));
        let windows = self.catalogue.as_ref().map(|c| &c.windows);
        if windows.is_some_and(|w| w.is_empty() || !w.is_sorted_by(|a, b| a < b)) {
            return Err("its windows do not ascend".to_owned());
        }
        match sizes.into_iter().chain(tests).find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => {
                Err(format!("it holds {found} {what}, expected {expected}"))
            }
            None => Ok(()),
        }
    }
}
