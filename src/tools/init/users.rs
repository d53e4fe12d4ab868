//! A table that maps the users of events to accounts.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::keys::{self, COVERED, ListKey, Overlap, SIMILAR};
use super::paths;
use super::sample::{Column, ColumnKind, Sample};
use super::words::any;
use crate::error::Result;
use crate::names::file_name;
use crate::report::format::percent;

/// Minimum share of the users of a table with one account, so that it maps users to accounts.
const ONE_ACCOUNT: f64 = 0.95;

/// A table with users and their accounts or addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserTable<'a> {
    sample: &'a Sample,
    user: &'a Column,
    account: Option<&'a Column>,
    email: Option<&'a Column>,
    joined: Option<&'a Column>,
}

/// The users and their accounts, as the project file has them.
#[derive(Debug, Clone)]
pub(super) struct UsersGuess {
    /// Path in the project file.
    pub(super) path: String,
    pub(super) user: String,
    pub(super) account: Option<String>,
    pub(super) email: Option<String>,
    pub(super) joined: Option<String>,
}

impl<'a> UserTable<'a> {
    /// Recognizes a table of users: a column of users, and one of accounts or of email addresses.
    ///
    /// # Arguments
    /// * `samples` – the sources of events
    /// * `key` – the account column of the account list
    pub(super) fn recognize(
        sample: &'a Sample,
        samples: &[Sample],
        key: Option<ListKey<'_>>,
    ) -> Option<Self> {
        let columns = || sample.columns.iter().filter(|column| column.kind != ColumnKind::Empty);
        let is_address = |column: &Column| {
            any(&column.words, &["email", "mail"]) && column.texts().any(|text| text.contains('@'))
        };
        let email = columns().find(|column| is_address(column));
        let user = user_column(sample, samples)?;
        let others = || columns().filter(|column| column.name != user.name);
        let known: Option<HashSet<&str>> = key.map(|key| key.column.texts().collect());
        let account = if let Some((key, known)) = key.zip(known.as_ref()) {
            keys::best_match(sample, key.column, known)
                .map(|(column, _)| column)
                .filter(|column| column.name != user.name)
        } else {
            let named = others().filter_map(|c| Some((keys::named_account(c)?, c)));
            named.min_by_key(|(rank, _)| *rank).map(|(_, column)| column)
        };
        let joined =
            others().find(|c| any(&c.words, &["join*", "added*"]) && c.time_format().is_some());
        (account.is_some() || email.is_some()).then_some(Self {
            sample,
            user,
            account,
            email,
            joined,
        })
    }

    /// Finds a table that maps ids of events without an account to the accounts of the list.
    pub(super) fn find(
        samples: &'a [Sample],
        list: (&Sample, ListKey<'_>),
        named: Option<&str>,
    ) -> Option<Self> {
        let (list, key) = list;
        let without = samples
            .iter()
            .filter(|s| keys::source_key(s, Some(key), named).is_none() && s.rows > 0);
        for sample in without {
            let others = samples.iter().filter(|o| o.path != sample.path && o.path != list.path);
            let links =
                others.filter_map(|other| Some((other, keys::linked(sample, other, key.column)?)));
            for (other, link) in links {
                let table = Self {
                    sample: other,
                    user: link.user,
                    account: Some(link.account),
                    email: None,
                    joined: None,
                };
                if table.has_one_account_each() {
                    return Some(table);
                }
            }
        }
        None
    }

    /// Returns whether almost all users of the first rows have one account.
    fn has_one_account_each(&self) -> bool {
        let Some(account) = self.account else { return true };
        let mut accounts: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (user, account) in self.user.head.iter().zip(&account.head) {
            if let (Some(user), Some(account)) = (user, account) {
                accounts.entry(user).or_default().insert(account);
            }
        }
        let single = accounts.values().filter(|accounts| accounts.len() == 1).count();
        pql_stats::counts::share(single, accounts.len()) >= ONE_ACCOUNT
    }

    /// Returns the column of a source whose values are users of the table, and the evidence.
    pub(super) fn link<'s>(&self, sample: &'s Sample) -> Option<(&'s Column, String)> {
        let known: HashSet<&str> = self.user.texts().collect();
        let overlaps = sample.columns.iter().filter_map(|column| {
            let overlap = keys::may_be_id(column).then(|| Overlap::between(column, &known))?;
            (overlap.found >= COVERED).then_some((overlap.agreement(), overlap.found, column))
        });
        let (_, found, column) = overlaps.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let evidence = format!(
            "{} of its values occur in `{}` of `{}`",
            percent(found),
            self.user.name,
            file_name(&self.sample.path)
        );
        Some((column, evidence))
    }

    /// Returns the columns with the path in the project file.
    pub(super) fn guess(&self, folder: &Path) -> Result<UsersGuess> {
        let name = |column: Option<&Column>| column.map(|column| column.name.clone());
        let Self { sample, user, account, email, joined } = self;
        Ok(UsersGuess {
            path: paths::to_project_path(&sample.path, folder, &sample.files)?,
            user: user.name.clone(),
            account: name(*account),
            email: name(*email),
            joined: name(*joined),
        })
    }
}

/// Returns the column of users: of those with values of the events, the one with the likeliest name.
fn user_column<'a>(sample: &'a Sample, samples: &[Sample]) -> Option<&'a Column> {
    let agreement = |column: &Column| {
        let known: HashSet<&str> = column.texts().collect();
        let columns = samples.iter().flat_map(|sample| &sample.columns);
        columns
            .filter(|other| keys::may_be_id(other))
            .map(|other| Overlap::between(other, &known))
            .filter(|overlap| overlap.found >= COVERED)
            .map(Overlap::agreement)
            .fold(0.0, f64::max)
    };
    let rank = |column: &Column| {
        let id = || (column.words == ["id"]).then_some(0);
        keys::user_rank(column).or_else(id).unwrap_or(usize::MAX)
    };
    let ids = sample.columns.iter().filter(|column| keys::may_be_id(column));
    let rated: Vec<(f64, usize, &Column)> =
        ids.map(|column| (agreement(column), rank(column), column)).collect();
    let best = rated.iter().map(|(agreement, ..)| *agreement).fold(0.0, f64::max);
    let similar = rated.into_iter().filter(|(agreement, rank, column)| {
        *agreement >= SIMILAR * best
            && (best > 0.0 || *rank < usize::MAX)
            && keys::named_account(column).is_none()
    });
    similar.min_by_key(|(_, rank, _)| *rank).map(|(.., column)| column)
}

impl UsersGuess {
    /// Describes the table.
    pub(super) fn describe(&self) -> String {
        let columns = [("account", &self.account), ("email", &self.email), ("from", &self.joined)];
        let columns = columns.into_iter().filter_map(|(key, name)| Some((key, name.as_ref()?)));
        let columns: Vec<String> =
            columns.map(|(key, name)| format!(", {key} = `{name}`")).collect();
        format!("users: `{}`: user = `{}`{}", self.path, self.user, columns.concat())
    }
}
