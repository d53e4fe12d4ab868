//! Email address → account: the registrable domain, or the address of a personal account.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::config::is_domain;

/// Domains of free-mail, relay and disposable providers.
const PERSONAL_DOMAINS: &str = include_str!("personal_domains.txt");

/// What an email address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AddressAccount {
    /// A company: its registrable domain in lower case.
    Company(String),
    /// A person: the address in lower case.
    Person(String),
    /// Nothing: it has no `@`, or its domain is not below a public suffix.
    Invalid,
}

/// The domains of free-mail, relay and disposable providers, in lower case.
pub(super) struct PersonalDomains(HashSet<String, RandomState>);

impl PersonalDomains {
    /// Returns the domains of the list of pql and further ones.
    pub(super) fn new(further: &[String]) -> Self {
        let shipped = PERSONAL_DOMAINS.lines().filter(|line| !line.starts_with('#'));
        let domains = shipped.chain(further.iter().map(String::as_str)).map(str::trim);
        Self(domains.filter(|domain| !domain.is_empty()).map(str::to_lowercase).collect())
    }

    /// Returns whether a domain or one above it is in the list.
    fn contains(&self, domain: &str) -> bool {
        let dots = domain.match_indices('.').map(|(index, _)| index + 1);
        std::iter::once(0).chain(dots).any(|start| self.0.contains(&domain[start..]))
    }

    /// Returns what an address names.
    pub(super) fn account(&self, address: &str) -> AddressAccount {
        let address = address.trim().to_lowercase();
        let Some((local, domain)) = address.rsplit_once('@') else {
            return AddressAccount::Invalid;
        };
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let is_local = !local.is_empty()
            && !local.chars().any(|c| c == '@' || c.is_whitespace() || c.is_control());
        if !is_local || !is_domain(domain) {
            return AddressAccount::Invalid;
        }
        if self.contains(domain) {
            return AddressAccount::Person(format!("{local}@{domain}"));
        }
        registrable_domain(domain)
            .map_or(AddressAccount::Invalid, |domain| AddressAccount::Company(domain.to_owned()))
    }
}

/// Returns the part of a domain in lower case that its owner has registered: one label and a suffix
/// of the public suffix list.
fn registrable_domain(domain: &str) -> Option<&str> {
    let registrable = psl::domain(domain.as_bytes()).filter(|d| d.suffix().is_known())?;
    std::str::from_utf8(registrable.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(domain: &str) -> AddressAccount {
        AddressAccount::Company(domain.to_owned())
    }

    #[test]
    fn the_account_of_a_company_address_is_its_registrable_domain() {
        let domains = PersonalDomains::new(&[]);
        for (address, domain) in [
            ("ann@acme.com", "acme.com"),
            (" Ann.Lee+test@Mail.EU.Acme.CO.UK ", "acme.co.uk"),
            ("a@acme.com.", "acme.com"),
            ("a@shop.github.io", "shop.github.io"),
            ("a@city.kawasaki.jp", "city.kawasaki.jp"),
            ("a@www.müller.de", "müller.de"),
            ("a@xn--mller-kva.de", "xn--mller-kva.de"),
            ("a@пример.рф", "пример.рф"),
            ("a@notgmail.com", "notgmail.com"),
        ] {
            assert_eq!(domains.account(address), company(domain), "{address}");
        }
    }

    #[test]
    fn personal_addresses_are_those_of_listed_domains_and_below_them() {
        let domains = PersonalDomains::new(&["Uni.example.edu".to_owned()]);
        for (address, account) in [
            ("Ann@GMail.com", "ann@gmail.com"),
            ("a@privaterelay.appleid.com", "a@privaterelay.appleid.com"),
            ("a@sub.mailinator.com", "a@sub.mailinator.com"),
            ("a@cs.uni.example.edu", "a@cs.uni.example.edu"),
        ] {
            let person = AddressAccount::Person(account.to_owned());
            assert_eq!(domains.account(address), person, "{address}");
        }
        assert_eq!(domains.account("a@appleid.com"), company("appleid.com"));
        assert_eq!(domains.account("a@example.edu"), company("example.edu"));
        assert_eq!(PersonalDomains::new(&[]).account("a@uni.example.edu"), company("example.edu"));
    }

    #[test]
    fn an_address_without_a_registrable_domain_is_invalid() {
        let domains = PersonalDomains::new(&[]);
        let long = format!("a@{}.com", "x".repeat(64));
        for address in [
            "",
            "ann",
            "acme.com",
            "@acme.com",
            "a@",
            "a@com",
            "a@co.uk",
            "a@localhost",
            "a@acme.internal",
            "a@10.0.0.1",
            "a@[10.0.0.1]",
            "a@acme..com",
            "a@.acme.com",
            "a b@acme.com",
            "a@b@acme.com",
            "Ann <ann@acme.com>",
            "a@ac me.com",
            long.as_str(),
        ] {
            assert_eq!(domains.account(address), AddressAccount::Invalid, "{address}");
        }
    }

    #[test]
    fn the_list_has_each_domain_once_and_in_lower_case() {
        let lines =
            PERSONAL_DOMAINS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let lines: Vec<&str> = lines.collect();
        let distinct: HashSet<&str> = lines.iter().copied().collect();
        assert_eq!(lines.len(), distinct.len());
        for line in lines {
            assert!(is_domain(line) && line == line.to_lowercase() && line.contains('.'), "{line}");
            let above = line.split_once('.').unwrap().1;
            assert!(!distinct.contains(above), "{line} is below {above}");
            assert!(psl::domain(line.as_bytes()).is_some(), "{line} is a public suffix");
        }
    }
}
