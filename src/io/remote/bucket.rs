//! Objects of S3, Google Cloud Storage and Azure Blob Storage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig,
};
use tokio::runtime;

use super::connector::UreqConnector;
use super::problem::explain;
use super::{Object, ObjectUrl, lock};

/// Maximum number of times that a request is sent again.
const MAX_RETRIES: usize = 5;

/// Time after which a failed request is not sent again.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);

/// Size of the parts of a large output, in bytes. A smaller output is sent at once.
const UPLOAD_BYTES: u64 = 16 << 20;

/// Maximum number of parts of an object in S3.
const MAX_PARTS: u64 = 10_000;

/// The stores of the process, by scheme and bucket: each keeps its credentials and connections.
static STORES: Mutex<BTreeMap<(String, String), Arc<dyn ObjectStore>>> =
    Mutex::new(BTreeMap::new());

/// Objects that were listed, so that none is asked for its size again.
static LISTED: Mutex<BTreeMap<ObjectUrl, Object>> = Mutex::new(BTreeMap::new());

/// Waits for a result. Requests block the thread; the runtime only waits before they are repeated.
fn wait<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime::Builder::new_current_thread().enable_time().build()?.block_on(work))
}

/// Returns the store of a URL, with the settings of the usual environment variables.
fn store(url: &ObjectUrl) -> io::Result<Arc<dyn ObjectStore>> {
    let mut stores = lock(&STORES);
    let name = (url.scheme.clone(), url.bucket.clone());
    if let Some(store) = stores.get(&name) {
        return Ok(store.clone());
    }
    let retry = RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let address = format!("{}://{}", url.scheme, url.bucket);
    let built: object_store::Result<Arc<dyn ObjectStore>> = match url.scheme.as_str() {
        "gs" => GoogleCloudStorageBuilder::from_env()
            .with_url(address)
            .with_retry(retry)
            .with_http_connector(UreqConnector)
            .build()
            .map(|store| Arc::new(store) as _),
        "az" | "abfss" => MicrosoftAzureBuilder::from_env()
            .with_url(address)
            .with_retry(retry)
            .with_http_connector(UreqConnector)
            .build()
            .map(|store| Arc::new(store) as _),
        _ => AmazonS3Builder::from_env()
            .with_url(address)
            .with_retry(retry)
            .with_http_connector(UreqConnector)
            .build()
            .map(|store| Arc::new(store) as _),
    };
    let store = built.map_err(|error| explain(url, "read", &error))?;
    stores.insert(name, store.clone());
    Ok(store)
}

/// Returns the name of an object or a prefix.
fn parse_key(key: &str) -> io::Result<Key> {
    Key::parse(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
}

impl From<ObjectMeta> for Object {
    fn from(found: ObjectMeta) -> Self {
        Self { size: found.size, version: found.e_tag }
    }
}

/// Finds an object.
///
/// # Errors
/// It does not exist, access is denied, or the store does not answer.
pub(super) fn find(url: &ObjectUrl) -> io::Result<Object> {
    if let Some(object) = lock(&LISTED).get(url) {
        return Ok(object.clone());
    }
    let (store, key) = (store(url)?, parse_key(&url.key)?);
    let found = wait(store.head(&key))?.map_err(|error| explain(url, "read", &error))?;
    let object = Object::from(found);
    lock(&LISTED).insert(url.clone(), object.clone());
    Ok(object)
}

/// Returns the folders above a key.
fn folders(key: &str) -> impl Iterator<Item = String> {
    key.match_indices('/').map(|(end, _)| key[..end].to_owned())
}

/// Lists the keys below a prefix that ends with `/` or is empty, except markers of folders: empty
/// objects, whose names lose their final `/` here.
pub(super) fn list(url: &ObjectUrl, prefix: &str) -> io::Result<Vec<String>> {
    let (store, parsed) = (store(url)?, parse_key(prefix)?);
    let mut listed = Vec::new();
    wait(async {
        let mut objects = store.list((!prefix.is_empty()).then_some(&parsed));
        while let Some(object) = objects.next().await {
            listed.push(object?);
        }
        Ok(())
    })?
    .map_err(|error| explain(url, "list", &error))?;
    let names: BTreeSet<String> =
        listed.iter().flat_map(|object| folders(object.location.as_ref())).collect();
    let is_folder = |key: &str| key == prefix.trim_end_matches('/') || names.contains(key);
    let mut known = lock(&LISTED);
    let mut keys = Vec::new();
    for object in listed {
        let key = object.location.to_string();
        let is_marker = object.size == 0 && is_folder(&key);
        if !is_marker {
            known.insert(ObjectUrl { key: key.clone(), ..url.clone() }, object.into());
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Returns the first key below a prefix; `None` if there is none or none can be listed.
pub(super) fn first(url: &ObjectUrl, prefix: &str) -> Option<String> {
    let (store, prefix) = (store(url).ok()?, parse_key(prefix).ok()?);
    let first = wait(async { store.list(Some(&prefix)).next().await }).ok()??;
    Some(first.ok()?.location.to_string())
}

/// Reads a range of an object.
///
/// # Arguments
/// * `version` – the version that must still be there
pub(super) fn read(
    url: &ObjectUrl,
    range: Range<u64>,
    version: Option<&str>,
) -> io::Result<Vec<u8>> {
    let (store, key) = (store(url)?, parse_key(&url.key)?);
    let options = GetOptions {
        range: Some(range.into()),
        if_match: version.map(str::to_owned),
        ..GetOptions::default()
    };
    let bytes = wait(async { store.get_opts(&key, options).await?.bytes().await })?;
    bytes.map(Vec::from).map_err(|error| explain(url, "read", &error))
}

/// Checks that the bucket of an output exists and answers. Whether the output may be written is
/// known only when it is.
pub(super) fn check_destination(url: &ObjectUrl) -> io::Result<()> {
    let (store, key) = (store(url)?, parse_key(&url.key)?);
    if key.as_ref().is_empty() || url.key.ends_with('/') {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let first = wait(async { store.list(Some(&key)).next().await })?;
    match first {
        // To write does not need the permission to list.
        None | Some(Ok(_) | Err(object_store::Error::PermissionDenied { .. })) => Ok(()),
        Some(Err(error)) => Err(explain(url, "write", &error)),
    }
}

/// Writes an object, which appears when it is complete.
pub(super) fn write(url: &ObjectUrl, mut file: &File) -> io::Result<()> {
    let (store, key) = (store(url)?, parse_key(&url.key)?);
    let size = file.metadata()?.len();
    file.rewind()?;
    if size <= UPLOAD_BYTES {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let sent = wait(store.put(&key, PutPayload::from(bytes)))?;
        return sent.map(drop).map_err(|error| explain(url, "write", &error));
    }
    let part_bytes = UPLOAD_BYTES.max(size.div_ceil(MAX_PARTS));
    let started = wait(store.put_multipart(&key))?;
    let mut upload = started.map_err(|error| explain(url, "write", &error))?;
    let sent = send_parts(&mut *upload, file, part_bytes).and_then(|sent| match sent {
        Ok(()) => wait(upload.complete()).map(|completed| completed.map(drop)),
        Err(error) => Ok(Err(error)),
    });
    let failure = match sent {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => explain(url, "write", &error),
        Err(error) => error,
    };
    // The parts that were sent are removed; the first error counts.
    let _ = wait(upload.abort());
    Err(failure)
}

/// Sends a file in parts.
fn send_parts(
    upload: &mut dyn MultipartUpload,
    file: &File,
    part_bytes: u64,
) -> io::Result<object_store::Result<()>> {
    loop {
        let mut bytes = Vec::new();
        file.take(part_bytes).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(Ok(()));
        }
        if let Err(error) = wait(upload.put_part(PutPayload::from(bytes)))? {
            return Ok(Err(error));
        }
    }
}
