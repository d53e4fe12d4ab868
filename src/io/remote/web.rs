//! Files on web servers: `https://`, also signed URLs of object stores.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// Number of bytes of the first request, which shows the size of the file.
const START_BYTES: u64 = 1 << 20;

/// Time after which a server that does not answer is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Time without a byte after which a transfer is given up.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Pauses before a request is sent again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Maximum number of redirects.
const MAX_REDIRECTS: u32 = 10;

static AGENT: LazyLock<Agent> = LazyLock::new(|| new_agent(MAX_REDIRECTS));

/// Returns a client; it uses the proxy of the usual environment variables.
pub(super) fn new_agent(max_redirects: u32) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(max_redirects)
        .max_redirects_will_error(false)
        .accept_encoding("identity")
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_per_read(Some(STALL_TIMEOUT))
        .timeout_per_write(Some(STALL_TIMEOUT));
    config.build().into()
}

/// Returns the problem of a request without its URL, which may have secrets.
pub(super) fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::Tls(problem) => format!("TLS failed: {problem}"),
        ureq::Error::Rustls(problem) => format!("TLS failed: {problem}"),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            "connection through the proxy failed".to_owned()
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the URL is invalid".to_owned(),
        ureq::Error::Protocol(problem) => format!("invalid answer: {problem}"),
        _ => "connection failed".to_owned(),
    }
}

/// The start of a file, once it was read.
#[derive(Debug)]
pub(super) struct WebStart {
    /// Size of the file in bytes.
    pub(super) size: u64,
    /// Identifies its content.
    pub(super) version: Option<String>,
    /// Number of bytes that were written to the copy: all, if the server has no ranges.
    pub(super) present: u64,
}

/// Reads the start of a file to its copy.
pub(super) fn start(url: &str, mut copy: &File) -> io::Result<WebStart> {
    repeat(|| {
        copy.rewind()?;
        let response = get(url, &(0..START_BYTES))?;
        let version = version(&response);
        let size = total_size(&response);
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(WebStart { size: 0, version, present: 0 });
        }
        expect_success(status, "read")?;
        let present = io::copy(&mut response.into_body().into_reader(), &mut copy)?;
        copy.flush()?;
        let size =
            if status == StatusCode::PARTIAL_CONTENT { size.unwrap_or(present) } else { present };
        Ok(WebStart { size, version, present })
    })
}

/// Reads a range of a file.
///
/// # Arguments
/// * `size`, `version` – those that the file must still have
pub(super) fn read(
    url: &str,
    range: Range<u64>,
    size: u64,
    version: Option<&str>,
) -> io::Result<Vec<u8>> {
    repeat(|| {
        let response = get(url, &range)?;
        expect_success(response.status(), "read")?;
        let is_same =
            total_size(&response) == Some(size) && self::version(&response).as_deref() == version;
        if response.status() != StatusCode::PARTIAL_CONTENT || !is_same {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file changed while it was read; run the command again",
            ));
        }
        let mut bytes = Vec::new();
        response.into_body().into_reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// Sends a file by `PUT`.
pub(super) fn write(url: &str, mut file: &File) -> io::Result<()> {
    repeat(|| {
        file.rewind()?;
        let response = AGENT.put(url).send(file).map_err(|error| failure(&error))?;
        expect_success(response.status(), "write")
    })
}

fn get(url: &str, range: &Range<u64>) -> io::Result<Response<Body>> {
    let bytes = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    AGENT.get(url).header(header::RANGE, bytes).call().map_err(|error| failure(&error))
}

/// Repeats a request after errors that may pass.
fn repeat<T>(mut request: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let may_pass = |error: &io::Error| {
        !matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::StorageFull
        )
    };
    for pause in PAUSES {
        match request() {
            Err(error) if may_pass(&error) => thread::sleep(pause),
            outcome => return outcome,
        }
    }
    request()
}

fn failure(error: &ureq::Error) -> io::Error {
    let kind = match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => io::ErrorKind::InvalidInput,
        ureq::Error::Timeout(_) => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::NotConnected,
    };
    io::Error::new(kind, describe(error))
}

/// Returns the size of the whole file of an answer with a part of it.
fn total_size(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit_once('/')?.1.parse().ok()
}

/// Returns what identifies the content of a file.
fn version(response: &Response<Body>) -> Option<String> {
    let headers = response.headers();
    let found = headers.get(header::ETAG).or_else(|| headers.get(header::LAST_MODIFIED))?;
    found.to_str().ok().map(str::to_owned)
}

/// Returns an error unless a server fulfilled a request.
fn expect_success(status: StatusCode, action: &str) -> io::Result<()> {
    if status.is_success() {
        return Ok(());
    }
    let (kind, problem) = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            (io::ErrorKind::NotFound, "the file does not exist on the server".to_owned())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            io::ErrorKind::PermissionDenied,
            format!(
                "the server denies permission to {action} the file (HTTP status {}); a signed URL may have expired",
                status.as_u16()
            ),
        ),
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => (
            io::ErrorKind::Other,
            format!("the server failed with HTTP status {}", status.as_u16()),
        ),
        _ => (
            io::ErrorKind::InvalidInput,
            format!("the server refused to {action} the file with HTTP status {}", status.as_u16()),
        ),
    };
    Err(io::Error::new(kind, problem))
}
