//! Names of the stages that other stages read.

/// One row: `log_end`, the end of the events that count, µs UTC.
pub(crate) const LOG_END: &str = "log_end";
/// One row: `scored_at`, the time of scoring, µs UTC.
pub(crate) const SCORING_TIME: &str = "scoring_time";
/// Accounts that signed up before the end of the log: `account_id`, `signed_up`, `converted`,
/// `churned`, `seats`, `attribute_{name}`.
pub(crate) const ACCOUNT_LIST: &str = "account_list";
/// Usage events of these accounts: `account_id`, `user_id`, `event`, `time`, `known_at`,
/// `value_{name}`.
pub(crate) const CLEAN_EVENTS: &str = "clean_events";
/// Rows to compute features of: `account_id`, `cutoff`, and for scoring `unscored`, `scored_at`.
pub(crate) const OBSERVATIONS: &str = "observations";
/// `account_id`, `cutoff` and the features.
pub(crate) const FEATURES: &str = "features";
/// Accounts that match a PQL definition: `account_id`, `pql_types`, `pql_at`, `pql_definitions`.
pub(crate) const DEFINITION_MATCHES: &str = "definition_matches";
