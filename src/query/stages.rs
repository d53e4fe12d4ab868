//! Names of the stages that other stages read.

/// One row: `log_end`, the end of the events that count, µs UTC.
pub(crate) const LOG_END: &str = "log_end";
/// One row: `scored_at`, the time of scoring, µs UTC.
pub(crate) const SCORING_TIME: &str = "scoring_time";
/// One row: `dates_only`, whether a table has dates without a time of day.
pub(crate) const TIME_PRECISION: &str = "precision_of_times";
/// One row: `log_start`, the start of the log of a training, µs UTC.
pub(crate) const LOG_START: &str = "log_start";
/// Accounts that signed up before the end of the log: `account_id`, `signed_up`, `converted`,
/// `churned`, `seats`, `attribute_{name}`.
pub(crate) const ACCOUNT_LIST: &str = "account_list";
/// Usage events of these accounts: `account_id`, `user_id` as in the table, `event`, `time`,
/// `known_at`, `value_{name}`.
pub(crate) const CLEAN_EVENTS: &str = "clean_events";
/// Accounts of a training: `account_id`, `signed_up`, `converted`, `churned`.
pub(crate) const ACCOUNT_OUTCOMES: &str = "account_outcomes";
/// Rows to compute features of: `account_id`, `cutoff`; for scoring `unscored`, `scored_at`; for
/// training `converted`, 1 or 0, null for an immature row.
pub(crate) const OBSERVATIONS: &str = "observations";
/// `account_id`, `cutoff` and the features.
pub(crate) const FEATURES: &str = "features";
/// One row: `first_test`, the first cutoff of the test set of a training, µs UTC; null without one.
pub(crate) const TEST_PERIOD: &str = "test_period";
/// Accounts that match a PQL definition: `account_id`, `pql_types`, `pql_at`, `pql_definitions`.
pub(crate) const DEFINITION_MATCHES: &str = "definition_matches";
