//! Errors of object stores, in sentences that name the setting to change.

use std::error::Error as StdError;
use std::io;

use object_store::Error;

use super::ObjectUrl;
use super::connector::TransportError;

/// Words of a store in messages.
struct StoreWords {
    /// The noun of a bucket.
    bucket: &'static str,
    /// The variables with credentials.
    credentials: &'static str,
    /// The setting for stores without credentials.
    public: &'static str,
    /// The setting that allows `http://`.
    http: &'static str,
}

const S3: StoreWords = StoreWords {
    bucket: "bucket",
    credentials: "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`",
    public: "`AWS_SKIP_SIGNATURE=true`",
    http: "`AWS_ALLOW_HTTP=true`",
};

const GOOGLE: StoreWords = StoreWords {
    bucket: "bucket",
    credentials: "`GOOGLE_APPLICATION_CREDENTIALS` or `GOOGLE_SERVICE_ACCOUNT`",
    public: "`GOOGLE_SKIP_SIGNATURE=true`",
    http: "`https://`",
};

const AZURE: StoreWords = StoreWords {
    bucket: "container",
    credentials: "`AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ACCOUNT_KEY`",
    public: "`AZURE_SKIP_SIGNATURE=true`",
    http: "`AZURE_ALLOW_HTTP=true`",
};

/// Codes of stores for a bucket that does not exist.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not"];

/// Codes of stores for credentials that are not valid.
const INVALID_CREDENTIALS: [&str; 7] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "TokenRefreshRequired",
];

/// Returns the problem of a request to a store.
///
/// Only known texts, the status and the code of the answer are shown: the texts of the store may
/// contain signatures and parts of keys.
///
/// # Arguments
/// * `action` – `read`, `list` or `write`
pub(super) fn explain(url: &ObjectUrl, action: &str, error: &Error) -> io::Error {
    let words = match url.scheme.as_str() {
        "gs" => GOOGLE,
        "az" | "abfss" => AZURE,
        _ => S3,
    };
    let StoreWords { bucket, credentials, public, http } = words;
    let text = error.to_string();
    let has_code = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    let name = &url.bucket;
    let (kind, problem) = match transport(error) {
        Some(TransportError::NoCredentials) => (
            io::ErrorKind::PermissionDenied,
            format!(
                "found no credentials, expected {credentials} ({public} for a public {bucket})"
            ),
        ),
        Some(TransportError::Unencrypted) => (
            io::ErrorKind::PermissionDenied,
            format!("found an endpoint with `http://`, expected `https://` or {http}"),
        ),
        Some(problem @ TransportError::NoConnection { .. }) => {
            (io::ErrorKind::NotConnected, problem.to_string())
        }
        None if has_code(&NO_BUCKET) => {
            (io::ErrorKind::NotFound, format!("the {bucket} `{name}` does not exist"))
        }
        None if has_code(&INVALID_CREDENTIALS) => (
            io::ErrorKind::PermissionDenied,
            format!("the credentials are not valid (`{}`); check {credentials}", code(&text)),
        ),
        None if text.contains("redirect without LOCATION") => (
            io::ErrorKind::InvalidInput,
            format!("the {bucket} `{name}` is in another region; set `AWS_REGION`"),
        ),
        None => refused(error, &text, (action, bucket, credentials)),
    };
    io::Error::new(kind, problem)
}

/// Returns the problem of a request that the store refused.
fn refused(
    error: &Error,
    text: &str,
    (action, bucket, credentials): (&str, &str, &str),
) -> (io::ErrorKind, String) {
    match error {
        Error::NotFound { .. } => {
            (io::ErrorKind::NotFound, format!("the object does not exist in the {bucket}"))
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (
            io::ErrorKind::PermissionDenied,
            format!(
                "access denied; the credentials ({credentials}) need the permission to {action} in this {bucket}"
            ),
        ),
        Error::Precondition { .. } | Error::NotModified { .. } => (
            io::ErrorKind::InvalidData,
            "the object changed while it was read; run the command again".to_owned(),
        ),
        _ if text.contains("Account must be specified") => (
            io::ErrorKind::InvalidInput,
            "found no storage account, expected `AZURE_STORAGE_ACCOUNT_NAME`".to_owned(),
        ),
        _ => (io::ErrorKind::Other, format!("the store refused the request: {}", code(text))),
    }
}

/// Returns the error of the connection that caused an error.
fn transport(error: &Error) -> Option<&TransportError> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// Returns the code and the status in the text of an error.
fn code(text: &str) -> String {
    let between = |start: &str, end: &str| {
        let (_, rest) = text.split_once(start)?;
        Some(rest.split_once(end)?.0.trim().to_owned()).filter(|found| found.len() < 100)
    };
    let status = between("status code: ", ":");
    match (between("<Code>", "</Code>"), status) {
        (Some(code), Some(status)) => format!("{code}, {status}"),
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) => "unknown reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(scheme: &str, error: &Error) -> String {
        let [scheme, bucket, key] = [scheme, "b", "x.csv"].map(str::to_owned);
        explain(&ObjectUrl { scheme, bucket, key }, "list", error).to_string()
    }

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn problems_name_the_variable_to_set() {
        let transport =
            |problem: TransportError| Error::Generic { store: "S3", source: problem.into() };
        let no_credentials = || transport(TransportError::NoCredentials);
        assert!(explained("s3", &no_credentials()).contains("`AWS_ACCESS_KEY_ID`"));
        assert!(explained("gs", &no_credentials()).contains("`GOOGLE_APPLICATION_CREDENTIALS`"));
        assert!(explained("az", &no_credentials()).contains("`AZURE_STORAGE_ACCOUNT_KEY`"));
        assert!(
            explained("s3", &transport(TransportError::Unencrypted)).contains("AWS_ALLOW_HTTP")
        );
        assert!(explained("az", &generic("Account must be specified")).contains("ACCOUNT_NAME`"));
        assert!(explained("s3", &generic("redirect without LOCATION")).contains("`AWS_REGION`"));
    }

    #[test]
    fn only_the_code_and_the_status_of_an_answer_are_shown() {
        let answer = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><StringToSign>secret</StringToSign></Error>";
        let text = explained("s3", &generic(answer));
        assert!(text.contains("`SignatureDoesNotMatch, 403 Forbidden`"), "{text}");
        assert!(text.contains("`AWS_SECRET_ACCESS_KEY`") && !text.contains("secret"), "{text}");
        let text = explained("s3", &generic("status code: 500 Internal: <Code>X</Code> secret"));
        assert_eq!(text, "the store refused the request: X, 500 Internal");
        assert!(!explained("s3", &generic("secret")).contains("secret"));
    }
}
