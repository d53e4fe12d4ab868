//! Laws of the model file.

use std::path::Path;

use pql::Model;
use pql::model::file::FORMAT;

/// A file that loads is written again byte for byte.
///
/// The input is tried as a file, and as the payload of a file with a valid header and hash, so that
/// mutations reach the decoder.
pub(crate) fn model(data: &[u8]) -> bool {
    [data.to_vec(), sealed(data)].iter().any(|bytes| {
        let Ok(model) = Model::from_bytes(bytes, Path::new("m.pql")) else { return false };
        let written = model.to_bytes().expect("a model that loads can be stored");
        assert!(&written == bytes, "the file is not the one that loads");
        true
    })
}

/// Returns a file with a payload and its valid length and hash.
#[must_use]
fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"PQLM".to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}
