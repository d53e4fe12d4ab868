//! Content of the guessed project file.

use super::accounts::GuessedAccountColumns;
use super::columns::GuessedEventColumns;
use super::event_types::EventTypeCounts;
use super::naming::EventTypeSource;
use super::observation::ObservationGuess;
use super::users::UsersGuess;
use crate::config::Roles;
use crate::names::backticked;

/// A source of events and its guessed columns.
#[derive(Debug)]
pub(super) struct SourceGuess {
    /// Path in the project file.
    pub(super) path: String,
    pub(super) columns: GuessedEventColumns,
    pub(super) event_types: EventTypeCounts,
    /// Number of rows from which the columns were guessed, if not all.
    pub(super) sampled: Option<usize>,
}

impl SourceGuess {
    /// Returns a remark about rows of conversions that may be trials.
    pub(super) fn trial_remark(&self, roles: &Roles) -> Option<String> {
        let EventTypeSource::One(name) = &self.columns.naming else { return None };
        let converts = roles.converted.contains(name) && !self.columns.trials.is_empty();
        converts.then(|| {
            format!(
                "roles.converted: `{name}` has rows of trials ({}), which are not conversions; keep only rows of paid plans",
                backticked(&self.columns.trials)
            )
        })
    }
}

/// The account list and its guessed columns.
#[derive(Debug)]
pub(super) struct AccountsGuess {
    /// Path in the project file.
    pub(super) path: String,
    /// `None` without a sign-up column.
    pub(super) columns: Option<GuessedAccountColumns>,
}

/// Content of the guessed project file.
#[derive(Debug)]
pub(super) struct ProjectDraft {
    pub(super) sources: Vec<SourceGuess>,
    pub(super) list: Option<AccountsGuess>,
    pub(super) users: Option<UsersGuess>,
    pub(super) roles: Roles,
    /// Event types of all sources, most frequent first.
    pub(super) names: Vec<(String, u64)>,
    pub(super) observation: ObservationGuess,
    /// What to decide before a model can be trained.
    pub(super) tasks: Vec<String>,
}

impl ProjectDraft {
    /// Returns whether a column is missing that reading needs, or accounts are repeated.
    pub(super) fn is_incomplete(&self) -> bool {
        let columns = self.list.as_ref().and_then(|list| list.columns.as_ref());
        columns.is_some_and(|columns| columns.repeated.is_some())
            || self.sources.iter().any(|source| !source.columns.tasks().is_empty())
    }
}
