//! Alerts posted to a URL, one JSON object each. Of the URL only the host is ever told: its path
//! and query are as good as a password.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;

use super::{Alert, Sent};
use crate::error::{Error, Result};

/// Longest time that one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time before the second attempt; each later one waits twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time that a server may ask to wait for (`Retry-After`).
const LONGEST: u64 = 60;

/// Where alerts are posted.
pub struct Webhook {
    agent: Agent,
    uri: Uri,
    host: String,
    /// Attempts after the first.
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

/// Why an attempt failed.
enum Failed {
    /// Another one would, too, but other alerts may be taken.
    OfThisOne(String),
    /// Every other one would, too.
    Refused(String),
    /// Another one may do better, after the seconds that the server asks for.
    Busy(String, Option<u64>),
}

impl Webhook {
    /// Take a URL; nothing is sent yet.
    ///
    /// # Errors
    /// * [`Error::Usage`]: it is no `http` or `https` URL with a host
    pub fn new(url: &str, retries: u32) -> Result<Self> {
        let usage = |problem: &str| Error::Usage {
            problem: format!("the URL of `--webhook` {problem}"),
            hint: Some("it looks like https://hooks.example.com/services/…".to_owned()),
        };
        let uri: Uri = url.parse().map_err(|_| usage("cannot be read"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(usage("begins with neither `https://` nor `http://`"));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| usage("has no host"))?
            .to_owned();
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

    /// The host that alerts go to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Post alerts one after another; each is remembered as soon as it has been taken. One that is
    /// refused for what it says does not keep back those behind it.
    ///
    /// # Errors
    /// * [`Error::WebhookFailed`]: one was not taken; those that were are remembered
    /// * [`Error::Write`]: what was sent cannot be remembered
    pub fn deliver(&self, alerts: &[Alert], sent: &mut Sent, done: &mut dyn FnMut()) -> Result<()> {
        let (mut taken, mut refused) = (0, None);
        for alert in alerts {
            match self.post(alert) {
                Ok(()) => {
                    sent.remember(std::slice::from_ref(alert))?;
                    taken += 1;
                    done();
                }
                Err(Failed::OfThisOne(problem)) => drop(refused.get_or_insert(problem)),
                Err(Failed::Refused(problem) | Failed::Busy(problem, _)) => {
                    refused = Some(problem);
                    break;
                }
            }
        }
        refused.map_or(Ok(()), |problem| {
            Err(Error::WebhookFailed {
                host: self.host.clone(),
                sent: taken,
                all: alerts.len(),
                problem,
            })
        })
    }

    /// Post one alert, several times where that may help.
    fn post(&self, alert: &Alert) -> std::result::Result<(), Failed> {
        let body = body(alert).map_err(Failed::OfThisOne)?;
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.attempt(alert, &body) {
                Ok(()) => break,
                Err(Failed::Busy(problem, _)) if attempt > self.retries => {
                    return Err(Failed::Busy(format!("{problem} (attempt {attempt})"), None));
                }
                Err(Failed::Busy(_, asked)) => {
                    sleep(asked.map_or(pause, |seconds| Duration::from_secs(seconds.min(LONGEST))));
                }
                Err(lasting) => return Err(lasting),
            }
            pause *= 2;
        }
        Ok(())
    }

    fn attempt(&self, alert: &Alert, body: &str) -> std::result::Result<(), Failed> {
        let request = self
            .agent
            .post(self.uri.clone())
            .content_type("application/json")
            .header("Idempotency-Key", &alert.id);
        let response = request.send(body).map_err(|e| Failed::Busy(problem(&e), None))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let problem = format!("it answered with status {}", status.as_u16());
        match status.as_u16() {
            // Bad Request, Content Too Large, Unprocessable Content: RFC 9110, §15.5.
            400 | 413 | 422 => return Err(Failed::OfThisOne(problem)),
            429 => {}
            _ if !status.is_server_error() => return Err(Failed::Refused(problem)),
            _ => {}
        }
        let asked = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(Failed::Busy(problem, asked))
    }
}

/// An alert as it is posted.
///
/// In messages of Slack and its like `<…>` is a link or a call to everyone, and account names are
/// what customers write: the three signs that begin such things are escaped in `text`, as they ask
/// for.
///
/// # Source
/// Slack, *Formatting text for app surfaces*, "Escaping text"
fn body(alert: &Alert) -> std::result::Result<String, String> {
    let mut body = serde_json::to_value(alert).map_err(|e| e.to_string())?;
    body["text"] =
        Value::String(alert.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    serde_json::to_string(&body).map_err(|e| e.to_string())
}

/// Why there was no answer, without the URL, which some of the library's messages have.
fn problem(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => format!("it cannot be reached: {e}"),
        ureq::Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        ureq::Error::Tls(why) => format!("no secure connection: {why}"),
        ureq::Error::Rustls(why) => format!("no secure connection: {why}"),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            "the proxy cannot be used".to_owned()
        }
        ureq::Error::Protocol(why) => format!("it does not answer in HTTP: {why}"),
        _ => "it cannot be reached".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused_and_never_told() {
        for url in [
            "ftp://host/secret",
            "hooks.example.com/secret",
            "https:///secret",
            "not a url secret",
            "",
            "file:///secret",
        ] {
            let error = Webhook::new(url, 0).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let webhook = Webhook::new("https://hooks.example.com:8443/secret?key=secret", 3).unwrap();
        assert_eq!(webhook.host(), "hooks.example.com");
        assert!(!format!("{webhook:?}").contains("secret"));
    }
}
