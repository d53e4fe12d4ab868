//! Secrets of a connection, removed from the messages of drivers.

use crate::config::{is_secret_name, parameters};

/// Text in place of a secret.
const MASK: &str = "***";

/// Length from which a secret is removed inside of words, in characters.
const LONG: usize = 4;

/// Characters between the parts of an address. A driver may split a password at them.
const SEPARATORS: [char; 6] = ['@', ':', '/', '?', '#', '&'];

/// Names of parameters whose value is a user.
const USERS: [&str; 3] = ["user", "username", "uid"];

/// The secrets of a connection, the longest first.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Adds an address with its user and password, in all forms that a driver may repeat.
    pub(super) fn add_address(&mut self, address: &str) {
        self.add(address);
        let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
        if let Some((user, _)) = after_scheme.rsplit_once('@') {
            self.add(user);
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            [user, password].into_iter().for_each(|secret| self.add(secret));
            password.split(SEPARATORS).for_each(|part| self.add(part));
        }
        let is_user = |name: &str| USERS.iter().any(|user| name.eq_ignore_ascii_case(user));
        for (name, value) in parameters(address) {
            if is_user(name) || is_secret_name(name) {
                self.add(value);
                // As without the characters that protect a quote.
                self.add(&value.replace("\\'", "'").replace("\\\\", "\\"));
                self.add(&value.replace("''", "'").replace("}}", "}"));
            }
        }
        // Values between semicolons may have spaces.
        for (name, value) in address.split(';').filter_map(|part| part.split_once('=')) {
            if address.contains(';') && is_secret_name(name) {
                self.add(value.trim());
            }
        }
    }

    /// Adds a secret, also as decoded by percent-encoding.
    pub(super) fn add(&mut self, secret: &str) {
        for secret in [secret.to_owned(), percent_decoded(secret)] {
            if !secret.is_empty() && !self.0.contains(&secret) {
                self.0.push(secret);
            }
        }
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// Returns a text without the secrets. A short secret is removed only as a whole word.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| mask(&text, secret))
    }
}

fn mask(text: &str, secret: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let is_long = secret.chars().count() >= LONG;
    let (mut masked, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(secret) {
        let last = before.chars().next_back().or_else(|| masked.chars().next_back());
        let is_part = is_word(last) || is_word(after.chars().next());
        masked += before;
        masked += if is_long || !is_part { MASK } else { secret };
        rest = after;
    }
    masked + rest
}

/// Decodes `%41` as `A`.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| *first == b'%').and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(address: &str, text: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.add_address(address);
        secrets.mask(text)
    }

    #[test]
    fn the_address_its_user_and_its_password_are_masked() {
        let address = "postgresql://ann:s%40fe-w0rd@host:5432/db";
        for (text, expected) in [
            (address, "***"),
            ("for user \"ann\"", "for user \"***\""),
            ("cannot read the banner of ann", "cannot read the banner of ***"),
            ("password s@fe-w0rd of host", "password *** of host"),
            ("s%40fe-w0rd", "***"),
            ("connection to host failed", "connection to host failed"),
        ] {
            assert_eq!(masked(address, text), expected, "{text}");
        }
    }

    #[test]
    fn parts_of_a_password_that_a_driver_takes_for_a_host_are_masked() {
        let address = "postgresql://ann:left@right/more@host/db";
        let text = "could not translate host name \"right\" to address";
        assert_eq!(masked(address, text), "could not translate host name \"***\" to address");
    }

    #[test]
    fn values_of_key_words_are_masked() {
        for address in
            ["host=h user=ann password='s3cret' dbname=d", "h/d?user=ann&password=s3cret"]
        {
            assert_eq!(masked(address, "ann: s3cret, d"), "***: ***, d", "{address}");
        }
    }

    #[test]
    fn values_with_spaces_and_quotes_are_masked_whole() {
        for (address, text) in [
            ("host=h password = s3cret", "bad s3cret"),
            ("host=h password='two words'", "bad two words"),
            (r"host=h password='it\'s two'", "bad it's two"),
            ("Server=h;PWD={a;b}", "bad a;b"),
            ("Server=h;PWD=two words;Database=d", "bad two words"),
            ("https://h/?passcode=s3cret", "bad s3cret"),
        ] {
            assert_eq!(masked(address, text), "bad ***", "{address}");
        }
    }
}
