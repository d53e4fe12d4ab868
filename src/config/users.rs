//! The users of a project file: which account a user belongs to, and when.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{TABLE_NAME, without_table};

/// Accounts of users at free-mail, relay and disposable providers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PersonalAddresses {
    /// Each address is an account of its own: the address in lower case.
    #[default]
    Own,
    /// They have no account, and their events are dropped.
    Drop,
}

/// Users and the accounts that they belong to. An event without an account belongs to the account
/// of its user at the time of the event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "if" = without_table(),
    "then" = { "required": ["path"] },
    "dependencies" = { "query": ["connection"], "table": ["connection"] }
))]
pub struct UserSource {
    /// File, glob or folder: Parquet, CSV, NDJSON or Arrow, text also compressed (.gz, .zst). May be a
    /// URL such as `s3://bucket/users/`.
    /// Relative paths start at the folder of the project file. Default: none; required without
    /// `table` and `query`.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Table of `connection`, such as `app.users`. Default: none.
    #[schemars(extend("pattern" = TABLE_NAME))]
    pub table: Option<String>,
    /// Database of `[connections]` from which `table` or `query` is read. Default: none.
    pub connection: Option<String>,
    /// Statement of SQL whose rows are read from `connection`. Default: none.
    pub query: Option<String>,
    /// Column of user ids. Default: `user_id`.
    pub user: Option<String>,
    /// Column of account ids. Default: `account_id`.
    pub account: Option<String>,
    /// Column of email addresses. Where the account is missing, it is the registrable domain of
    /// the address in lower case, such as `acme.co.uk` for `Ann@mail.acme.co.uk`. Default: `email`.
    pub email: Option<String>,
    /// Column of the times at which users joined their account. The newest row up to the time of
    /// an event counts; a row without a time counts from the start. Default: `joined_at`.
    pub from: Option<String>,
    /// Column of roles in the account. Default: `role`.
    pub role: Option<String>,
    /// Column that is true for own staff and test users. Their events are not usage. Default:
    /// `internal`.
    pub internal: Option<String>,
    /// Values of `role` that make a user internal, such as `"support"`.
    #[schemars(extend("uniqueItems" = true))]
    pub internal_roles: Vec<String>,
    /// Accounts of users at free-mail, relay and disposable providers.
    pub personal: PersonalAddresses,
    /// Further domains of such providers, in addition to the list of pql.
    #[schemars(extend("uniqueItems" = true))]
    pub personal_domains: Vec<String>,
    /// Add the accounts of users that the account list lacks. They sign up with their first member
    /// or event.
    pub add_accounts: bool,
    /// File, glob or folder of merged user ids, one row per old id, or a table such as
    /// `warehouse:app.merges`. Default: none.
    pub alias: Option<PathBuf>,
    /// Column of old ids in `alias`. Default: `old_id`.
    pub alias_old: Option<String>,
    /// Column of new ids in `alias`, which may be merged again. Default: `new_id`.
    pub alias_new: Option<String>,
    /// Column of the times of the merges in `alias`. Earlier events keep the old id; a row without
    /// a time counts from the start. Default: `merged_at`.
    pub alias_from: Option<String>,
    /// strftime format of the times, if not ISO 8601.
    pub format: Option<String>,
}
