//! Which accounts sales may contact.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::POSITIVE_DURATION;
use crate::time::TimeSpan;

/// Which accounts sales may contact. The others are scored, but never qualify and give no alert;
/// their scores have the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EligibilityConfig {
    /// Own domains. An account is internal if its id is such a domain, is below it, or is an
    /// address at it. Accounts are also internal if all of their users are (`users.internal`).
    #[schemars(extend("uniqueItems" = true))]
    pub internal_domains: Vec<String>,
    /// Column of the account list that is true for internal and test accounts. Default: none.
    pub internal: Option<String>,
    /// File, glob or folder of deals, one row per deal, or a table such as `warehouse:crm.deals`. An account is not eligible while a deal is
    /// open. Default: the account list, if `deal_opened` is set.
    pub deals: Option<PathBuf>,
    /// Column of account ids in `deals`. Default: `account_id`.
    pub deal_account: Option<String>,
    /// Column of the times at which deals were opened. Default: `opened_at`.
    pub deal_opened: Option<String>,
    /// Column of the times at which deals were closed, empty while they are open. Default:
    /// `closed_at`.
    pub deal_closed: Option<String>,
    /// File, glob or folder of contacts, one row per contact, or a table such as
    /// `warehouse:crm.contacts`. An account is not eligible for
    /// `contacted_within` after a contact. Default: none.
    pub contacts: Option<PathBuf>,
    /// Column of account ids in `contacts`. Default: `account_id`.
    pub contact_account: Option<String>,
    /// Column of the times of contacts. Default: `contacted_at`.
    pub contacted_at: Option<String>,
    /// Time after a contact in which an account is not eligible.
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub contacted_within: TimeSpan,
    /// Minimum number of users that were active within `users_within`.
    pub min_users: u64,
    /// Time in which active users are counted.
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub users_within: TimeSpan,
    /// Allowed values by column of the account list, such as `{ country = ["DE", "AT"] }`.
    /// Accounts with another or no value are outside the territory.
    pub territory: BTreeMap<String, Vec<String>>,
    /// strftime format of the times, if not ISO 8601.
    pub format: Option<String>,
}

impl Default for EligibilityConfig {
    fn default() -> Self {
        Self {
            internal_domains: Vec::new(),
            internal: None,
            deals: None,
            deal_account: None,
            deal_opened: None,
            deal_closed: None,
            contacts: None,
            contact_account: None,
            contacted_at: None,
            contacted_within: TimeSpan::days(30),
            min_users: 0,
            users_within: TimeSpan::days(28),
            territory: BTreeMap::new(),
            format: None,
        }
    }
}
