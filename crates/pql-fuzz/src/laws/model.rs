//! Laws of the model file.

use std::path::Path;

use pql::Model;
use pql::model::file::FORMAT;

/// A file that loads is stored in a form that loads and is stored alike.
///
/// A file of pql is stored byte for byte. Others may write a number with more bytes than it needs.
///
/// The input is tried as a file, and as the payload of a file with a valid header and hash, so that
/// mutations reach the decoder.
pub(crate) fn model(data: &[u8]) -> bool {
    [data.to_vec(), sealed(data)].iter().any(|bytes| {
        let Ok(model) = Model::from_bytes(bytes, Path::new("m.pql")) else { return false };
        let stored = model.to_bytes().expect("a model that loads can be stored");
        let again = Model::from_bytes(&stored, Path::new("m.pql")).expect("stored by `to_bytes`");
        assert!(again.to_bytes().is_ok_and(|bytes| bytes == stored), "stored differently");
        assert!(stored.len() <= bytes.len(), "stored in more bytes");
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
