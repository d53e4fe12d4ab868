//! Requests to object stores by ureq, which pql also uses for alerts: no second HTTP client and no
//! second TLS library are compiled.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService,
};
use ureq::Agent;
use ureq::http::{Method, Request, Response};

use super::web::{describe, new_agent};

/// Hosts that give credentials to programs in the cloud. Elsewhere they do not exist.
const METADATA_HOSTS: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal", "metadata"];

/// Timeout of connections to [`METADATA_HOSTS`], which answer at once or never.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// A request that could not be sent or answered, without the secrets of its URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    /// No credentials are configured, and the metadata service of the cloud does not answer.
    #[error("no credentials")]
    NoCredentials,
    /// The endpoint has no TLS.
    #[error("found an endpoint with `http://`")]
    Unencrypted,
    /// No answer of a host.
    #[error("no connection to `{host}`: {problem}")]
    NoConnection { host: String, problem: String },
}

/// Makes [`UreqService`]s.
#[derive(Debug)]
pub(super) struct UreqConnector;

impl HttpConnector for UreqConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allow_http = options.get_config_value(&ClientConfigKey::AllowHttp);
        let metadata = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(METADATA_TIMEOUT * 2))
            .timeout_connect(Some(METADATA_TIMEOUT))
            .build();
        Ok(HttpClient::new(UreqService {
            // A redirect means the wrong region; it cannot be followed, because the signature
            // contains the host.
            agent: new_agent(0),
            metadata: metadata.into(),
            allow_http: allow_http.as_deref() == Some("true"),
        }))
    }
}

/// Sends requests and waits for their responses: each thread that reads has its own runtime, which
/// may block.
#[derive(Debug)]
struct UreqService {
    agent: Agent,
    /// For [`METADATA_HOSTS`].
    metadata: Agent,
    allow_http: bool,
}

#[async_trait]
impl HttpService for UreqService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let host = parts.uri.host().unwrap_or_default().to_owned();
        let is_metadata = METADATA_HOSTS.contains(&host.as_str());
        if !self.allow_http && !is_metadata && parts.uri.scheme_str() == Some("http") {
            return Err(HttpError::new(HttpErrorKind::Unknown, TransportError::Unencrypted));
        }
        let agent = if is_metadata { &self.metadata } else { &self.agent };
        let has_body = matches!(parts.method, Method::PUT | Method::POST | Method::PATCH);
        let sent = if has_body {
            agent.run(Request::from_parts(parts, &body[..]))
        } else {
            agent.run(Request::from_parts(parts, ()))
        };
        let received = sent.and_then(|response| {
            let (parts, body) = response.into_parts();
            let bytes = body.into_with_config().limit(u64::MAX).read_to_vec()?;
            Ok(Response::from_parts(parts, Bytes::from(bytes).into()))
        });
        match received {
            // The machine has no role, or belongs to another cloud.
            Ok(response) if is_metadata && !response.status().is_success() => Err(no_credentials()),
            Ok(response) => Ok(response),
            Err(_) if is_metadata => Err(no_credentials()),
            Err(error) => {
                let problem = describe(&error);
                let error_kind = kind(&error);
                Err(HttpError::new(error_kind, TransportError::NoConnection { host, problem }))
            }
        }
    }
}

/// Returns the error of a metadata service that does not exist; it is not tried again.
fn no_credentials() -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, TransportError::NoCredentials)
}

/// Returns whether, and when, a failed request is sent again.
fn kind(error: &ureq::Error) -> HttpErrorKind {
    match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => HttpErrorKind::Connect,
            io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
            _ => HttpErrorKind::Interrupted,
        },
        _ => HttpErrorKind::Unknown,
    }
}
