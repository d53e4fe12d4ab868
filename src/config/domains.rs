//! Lists of domains.

/// Longest domain and longest label of it (RFC 1035).
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// Returns whether a text is written as a domain.
pub(crate) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_character = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
        (1..=MAX_LABEL).contains(&label.len()) && label.chars().all(is_character)
    };
    text.len() <= MAX_DOMAIN
        && text.split('.').all(is_label)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Checks a list of domains, each of which has a dot. Blanks around a domain do not matter.
///
/// Returns the message about the first invalid one.
pub(super) fn check_domains(key: &str, domains: &[String]) -> Result<(), String> {
    let is_valid = |domain: &str| domain.contains('.') && is_domain(domain);
    match domains.iter().position(|domain| !is_valid(domain.trim())) {
        None => Ok(()),
        Some(index) => Err(format!(
            "`{key}`, item {}: found `{}`, expected a domain such as `example.com`",
            index + 1,
            domains[index]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_labels_and_a_dot() {
        let check = |domain: &str| check_domains("users.personal_domains", &[domain.to_owned()]);
        for domain in ["example.com", " Mail.Example.co.uk ", "m\u{fc}ller.de", "a_b.x-y.org"] {
            assert_eq!(check(domain), Ok(()), "{domain}");
        }
        for domain in [
            "",
            "acme",
            "@",
            "@acme.com",
            "http://x",
            "https://x.com",
            "acme.com/",
            "*.acme.com",
            ".acme.com",
            "acme.com.",
            "acme..com",
            "a b.com",
            "ann@acme.com",
            "acme.com:443",
        ] {
            assert!(check(domain).is_err(), "{domain}");
        }
        let domains = ["a.com", "x"].map(str::to_owned);
        assert_eq!(
            check_domains("eligibility.internal_domains", &domains).unwrap_err(),
            "`eligibility.internal_domains`, item 2: found `x`, expected a domain such as `example.com`"
        );
    }
}
