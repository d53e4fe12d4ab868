//! Posting of alerts to a webhook, one JSON object each or one digest. Messages show only the host
//! of the URL because its path and query can contain secrets.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;

use super::{Alert, AlertDigest, SentAlerts};
use crate::error::{Error, Result};
use crate::escape::chat;

/// Timeout of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Delay before the second attempt; it doubles with each further attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest accepted `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u64 = 60;

/// Webhook that receives alerts.
pub struct Webhook {
    agent: Agent,
    uri: Uri,
    host: String,
    /// Number of attempts after the first.
    retries: u32,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.host)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// Cause of a failed attempt.
enum PostError {
    /// The server rejects this alert but may accept others.
    AlertRejected(String),
    /// The server rejects all alerts.
    EndpointRejected(String),
    /// A later attempt may succeed; with the seconds of `Retry-After`.
    Temporary(String, Option<u64>),
}

impl Webhook {
    /// Parses a URL. Sends nothing.
    ///
    /// # Errors
    /// * [`Error::Usage`]: not an `http` or `https` URL with a host
    pub fn new(url: &str, retries: u32) -> Result<Self> {
        let usage = |problem: &str| Error::Usage {
            problem: format!(
                "found a webhook URL {problem}, expected an `https://` or `http://` URL"
            ),
            hint: Some("example: https://hooks.example.com/services/…".to_owned()),
        };
        let uri: Uri = url.parse().map_err(|_| usage("that cannot be parsed"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(usage("with another scheme"));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| usage("without a host"))?
            .to_owned();
        if !has_valid_port(&uri) {
            return Err(usage("whose port is not a number from 1 to 65535"));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false);
        let agent = config
            .http_status_as_error(false)
            .user_agent(concat!("pql/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, uri, host, retries })
    }

    /// Returns the host of the URL.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Posts alerts one after another and records each accepted alert at once. A rejected alert
    /// does not stop the others.
    ///
    /// # Errors
    /// * [`Error::WebhookFailed`]: an alert was not accepted; accepted ones are recorded
    /// * [`Error::Write`]: sent alerts cannot be recorded
    pub fn deliver(
        &self,
        alerts: &[Alert],
        sent: &mut SentAlerts,
        done: &mut dyn FnMut(),
    ) -> Result<()> {
        let (mut accepted, mut failure) = (0, None);
        for alert in alerts {
            match self.post(&alert.id, alert, &alert.text) {
                Ok(()) => {
                    sent.record(std::slice::from_ref(alert))?;
                    accepted += 1;
                    done();
                }
                Err(PostError::AlertRejected(problem)) => drop(failure.get_or_insert(problem)),
                Err(PostError::EndpointRejected(problem) | PostError::Temporary(problem, _)) => {
                    failure = Some(problem);
                    break;
                }
            }
        }
        failure.map_or(Ok(()), |problem| {
            Err(Error::WebhookFailed {
                host: self.host.clone(),
                sent: accepted,
                all: alerts.len(),
                problem,
            })
        })
    }

    /// Posts one digest in place of alerts, and records all of them once it is accepted.
    ///
    /// # Errors
    /// * [`Error::WebhookFailed`]: the digest was not accepted; no alert is recorded
    /// * [`Error::Write`]: sent alerts cannot be recorded
    pub fn deliver_digest(
        &self,
        digest: &AlertDigest,
        alerts: &[Alert],
        sent: &mut SentAlerts,
    ) -> Result<()> {
        match self.post(&digest.id, digest, &digest.text) {
            Ok(()) => sent.record(alerts),
            Err(
                PostError::AlertRejected(problem)
                | PostError::EndpointRejected(problem)
                | PostError::Temporary(problem, _),
            ) => Err(Error::WebhookFailed {
                host: self.host.clone(),
                sent: 0,
                all: alerts.len(),
                problem,
            }),
        }
    }

    /// Posts one message, with retries after temporary failures.
    fn post(
        &self,
        id: &str,
        message: &impl Serialize,
        text: &str,
    ) -> std::result::Result<(), PostError> {
        let body = body(message, text).map_err(PostError::AlertRejected)?;
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.attempt(id, &body) {
                Ok(()) => break,
                Err(PostError::Temporary(problem, _)) if attempt > self.retries => {
                    return Err(PostError::Temporary(
                        format!("{problem} (attempt {attempt})"),
                        None,
                    ));
                }
                Err(PostError::Temporary(_, retry_after)) => {
                    let requested = retry_after
                        .map(|seconds| Duration::from_secs(seconds.min(MAX_RETRY_AFTER)));
                    sleep(requested.unwrap_or(pause));
                }
                Err(permanent) => return Err(permanent),
            }
            pause *= 2;
        }
        Ok(())
    }

    fn attempt(&self, id: &str, body: &str) -> std::result::Result<(), PostError> {
        let request = self
            .agent
            .post(self.uri.clone())
            .content_type("application/json")
            .header("Idempotency-Key", id);
        let response = request.send(body).map_err(|e| PostError::Temporary(describe(&e), None))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let problem = format!("the server responded with status {}", status.as_u16());
        match status.as_u16() {
            // Bad Request, Content Too Large, Unprocessable Content: RFC 9110, §15.5.
            400 | 413 | 422 => return Err(PostError::AlertRejected(problem)),
            429 => {}
            _ if !status.is_server_error() => return Err(PostError::EndpointRejected(problem)),
            _ => {}
        }
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(PostError::Temporary(problem, retry_after))
    }
}

/// Returns whether a URL has no port, or one that exists. The library would replace another one by
/// the default.
fn has_valid_port(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // An IPv6 address is in brackets, and has colons.
    let after_host = host_and_port.rsplit_once(']').map_or(host_and_port, |(_, port)| port);
    after_host.split_once(':').is_none_or(|(_, port)| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// Serializes a message as the body of a request. Account names come from customers, so its text
/// is escaped for chats.
fn body(message: &impl Serialize, text: &str) -> std::result::Result<String, String> {
    let mut body = serde_json::to_value(message).map_err(|e| e.to_string())?;
    body["text"] = Value::String(chat(text));
    serde_json::to_string(&body).map_err(|e| e.to_string())
}

/// Describes a failed request without the URL, which some messages of the library contain.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => format!("connection failed: {e}"),
        ureq::Error::Timeout(_) => format!("no response within {} s", TIMEOUT.as_secs()),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::Tls(why) => format!("TLS failed: {why}"),
        ureq::Error::Rustls(why) => format!("TLS failed: {why}"),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            "connection through the proxy failed".to_owned()
        }
        ureq::Error::Protocol(why) => format!("invalid HTTP response: {why}"),
        _ => "connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_urls_are_errors_that_do_not_show_the_url() {
        for url in [
            "ftp://host/secret",
            "hooks.example.com/secret",
            "https:///secret",
            "not a url secret",
            "",
            "file:///secret",
            "https://host:0/secret",
            "https://host:65536/secret",
            "https://host:99999999999/secret",
            "https://host:https/secret",
            "https://host:/secret",
            "https://host:+80/secret",
            "https://secret@host:0/",
            "https://[::1]:0/secret",
            "https://[::1]:x/secret",
        ] {
            let error = Webhook::new(url, 0).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let webhook = Webhook::new("https://hooks.example.com:8443/secret?key=secret", 3).unwrap();
        assert_eq!(webhook.host(), "hooks.example.com");
        assert!(!format!("{webhook:?}").contains("secret"));
        for url in ["http://host:1", "http://u:p@host:65535/", "http://[::1]:80/", "http://[::1]"] {
            assert!(Webhook::new(url, 0).is_ok(), "{url}");
        }
    }
}
