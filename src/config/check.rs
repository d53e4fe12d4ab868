//! Validation of settings beyond their types.

use std::path::Path;

use super::domains::check_domains;
use super::problem::InvalidSetting;
use super::{
    AccountSource, Alpha, Config, ContactValue, DesignConfig, EligibilityConfig, EventSource,
    FeatureConfig, ModelConfig, ObservationConfig, PenaltyKind, QualifyBy, QualifyConfig,
    SolverKind, ThresholdRule, UserSource, Winsorize, definition,
};
use crate::query::TableName;
use crate::time::DAY;

impl Config {
    /// Checks values and combinations of keys.
    pub(super) fn validate(&self) -> std::result::Result<(), InvalidSetting> {
        let invalid = |key: &'static str, message: String| Err((key, message).into());
        self.check_connections()?;
        for (section_index, source) in self.events.iter().enumerate() {
            source.validate().map_err(|(key, message)| InvalidSetting {
                key: key.to_owned(),
                section_index,
                message,
            })?;
        }
        if let Some(accounts) = &self.accounts {
            accounts.validate()?;
        }
        if let Some(users) = &self.users {
            users.validate()?;
        }
        if let Some(visitors) = &self.visitors {
            let has_source = visitors.connection.is_some() || !visitors.path.as_os_str().is_empty();
            ensure(has_source, "visitors", || "missing key `path` in [visitors]".to_owned())?;
            check_table("visitors.table", visitors.table.as_deref())?;
        }
        self.check_standard_input()?;
        for (role, names) in self.roles.usage() {
            for (other, excluded) in self.roles.not_usage() {
                if let Some(name) = names.iter().find(|n| excluded.contains(n)) {
                    return invalid(
                        "roles",
                        format!(
                            "event `{name}`: found in `roles.{role}` and `roles.{other}`, expected only one of them"
                        ),
                    );
                }
            }
        }
        self.observation.validate()?;
        self.features.validate()?;
        check_table("matrix.table", self.matrix.table.as_deref())?;
        self.design.validate()?;
        self.model.validate()?;
        self.qualify.validate()?;
        if let Some(eligibility) = &self.eligibility {
            eligibility.validate(self.accounts.as_ref())?;
        }
        ensure(self.alerts.within.0 > 0, "alerts.within", || {
            format!(
                "`alerts.within`: found {}, expected a duration above 0, such as 14d",
                self.alerts.within
            )
        })?;
        definition::validate(&self.definition)?;
        if self.definition.is_empty()
            && matches!(self.qualify.by, QualifyBy::Definition | QualifyBy::Both)
        {
            return invalid(
                "qualify.by",
                format!(
                    "`qualify.by = \"{}\"` requires a `[[definition]]`, found none",
                    self.qualify.by.name()
                ),
            );
        }
        Ok(())
    }
}

impl Config {
    /// Checks that at most one source is standard input.
    fn check_standard_input(&self) -> std::result::Result<(), InvalidSetting> {
        let events = self.events.iter().enumerate();
        let events = events.map(|(index, source)| ("events.path", index, &source.path));
        let accounts = self.accounts.iter().map(|source| ("accounts.path", 0, &source.path));
        let visitors = self.visitors.iter().map(|source| ("visitors.path", 0, &source.path));
        let users = self.users.iter().map(|source| ("users.path", 0, &source.path));
        let alias = self.users.iter().flat_map(|source| &source.alias);
        let alias = alias.map(|path| ("users.alias", 0, path));
        let deals = self.eligibility.iter().flat_map(|section| &section.deals);
        let deals = deals.map(|path| ("eligibility.deals", 0, path));
        let contacts = self.eligibility.iter().flat_map(|section| &section.contacts);
        let contacts = contacts.map(|path| ("eligibility.contacts", 0, path));
        let lists = accounts.chain(visitors).chain(users).chain(alias);
        let all = events.chain(lists).chain(deals).chain(contacts);
        let mut inputs = all.filter(|(.., path)| path.as_os_str() == "-");
        let Some((key, section_index, _)) = inputs.nth(1) else { return Ok(()) };
        let message = format!(
            "`{key}`: found `-` in a second source, expected at most one source from standard input"
        );
        Err(InvalidSetting { key: key.to_owned(), section_index, message })
    }
}

/// Result of a check: the key and the message of an invalid setting.
type CheckResult = std::result::Result<(), (&'static str, String)>;

fn ensure(valid: bool, key: &'static str, message: impl FnOnce() -> String) -> CheckResult {
    if valid { Ok(()) } else { Err((key, message())) }
}

/// Checks the name of a table.
fn check_table(key: &'static str, name: Option<&str>) -> CheckResult {
    match name.map(TableName::parse) {
        Some(Err(problem)) => Err((key, format!("`{key}`: {problem}"))),
        _ => Ok(()),
    }
}

impl EventSource {
    fn validate(&self) -> CheckResult {
        let has_source =
            self.table.is_some() || self.query.is_some() || !self.path.as_os_str().is_empty();
        ensure(has_source, "events", || "missing key `path` in [[events]]".to_owned())?;
        check_table("events.table", self.table.as_deref())?;
        let kinds = usize::from(self.event.is_some())
            + usize::from(self.event_name.is_some())
            + usize::from(!self.unpivot.is_empty());
        ensure(kinds <= 1, "events.event", || {
            format!("found {kinds} of `event`, `event_name` and `unpivot`, expected at most one")
        })
    }
}

impl AccountSource {
    fn validate(&self) -> CheckResult {
        let has_source =
            self.table.is_some() || self.query.is_some() || !self.path.as_os_str().is_empty();
        ensure(has_source, "accounts", || "missing key `path` in [accounts]".to_owned())?;
        check_table("accounts.table", self.table.as_deref())?;
        let special_columns = [
            ("account", &self.account, "account_id"),
            ("signed_up", &self.signed_up, "signed_up_at"),
            ("converted", &self.converted, "converted_at"),
            ("churned", &self.churned, "churned_at"),
            ("revenue", &self.revenue, "mrr"),
            ("first_revenue", &self.first_revenue, "first_mrr"),
        ];
        ensure(self.history || self.valid_from.is_none(), "accounts.valid_from", || {
            "`accounts.valid_from` requires `accounts.history = true`".to_owned()
        })?;
        for (i, name) in self.attributes.iter().enumerate() {
            if let Some((key, ..)) = special_columns
                .iter()
                .find(|(_, configured, default)| configured.as_deref().unwrap_or(default) == name)
            {
                return Err((
                    "accounts.attributes",
                    format!(
                        "`accounts.attributes`: found `{name}`, which is already `accounts.{key}`"
                    ),
                ));
            }
            ensure(!self.attributes[..i].contains(name), "accounts.attributes", || {
                format!("`accounts.attributes`: duplicate `{name}`")
            })?;
        }
        Ok(())
    }
}

impl UserSource {
    fn validate(&self) -> CheckResult {
        let has_source = self.connection.is_some() || !self.path.as_os_str().is_empty();
        ensure(has_source, "users", || "missing key `path` in [users]".to_owned())?;
        check_table("users.table", self.table.as_deref())?;
        let key = "users.personal_domains";
        check_domains(key, &self.personal_domains).map_err(|problem| (key, problem))?;
        let alias_columns = [
            ("users.alias_old", &self.alias_old),
            ("users.alias_new", &self.alias_new),
            ("users.alias_from", &self.alias_from),
        ];
        for (key, column) in alias_columns {
            ensure(column.is_none() || self.alias.is_some(), key, || {
                format!("`{key}` requires `users.alias`, found none")
            })?;
        }
        Ok(())
    }
}

impl EligibilityConfig {
    /// Checks the section.
    ///
    /// # Arguments
    /// * `list` – the account list
    fn validate(&self, list: Option<&AccountSource>) -> CheckResult {
        let key = "eligibility.internal_domains";
        check_domains(key, &self.internal_domains).map_err(|problem| (key, problem))?;
        let has_list = list.is_some();
        let lists_deals = self.deal_opened.is_some() && self.deals.is_none();
        let of_list = [
            ("eligibility.internal", self.internal.is_some()),
            ("eligibility.deal_opened", lists_deals),
            ("eligibility.territory", !self.territory.is_empty()),
        ];
        for (key, is_set) in of_list {
            ensure(!is_set || has_list, key, || {
                format!("`{key}` requires [accounts], found none")
            })?;
        }
        ensure(
            !lists_deals || list.is_none_or(|list| !list.history),
            "eligibility.deal_opened",
            || {
                "`eligibility.deal_opened` of an account list with `history` requires `eligibility.deals`, found none".to_owned()
            },
        )?;
        let reads_list = of_list.iter().any(|(_, is_set)| *is_set);
        let is_stdin = list.is_some_and(|list| list.path == Path::new("-"));
        ensure(!reads_list || !is_stdin, "eligibility", || {
            "[eligibility] reads the account list again: found standard input (`-`), expected a file"
                .to_owned()
        })?;
        let has_deals = self.deals.is_some() || lists_deals;
        let requires = [
            ("eligibility.deal_account", &self.deal_account, self.deals.is_some(), "deals"),
            ("eligibility.deal_closed", &self.deal_closed, has_deals, "deals"),
            (
                "eligibility.contact_account",
                &self.contact_account,
                self.contacts.is_some(),
                "contacts",
            ),
            ("eligibility.contacted_at", &self.contacted_at, self.contacts.is_some(), "contacts"),
        ];
        for (key, column, has_source, source) in requires {
            ensure(column.is_none() || has_source, key, || {
                format!("`{key}` requires `eligibility.{source}`, found none")
            })?;
        }
        for (key, within) in [
            ("eligibility.contacted_within", self.contacted_within),
            ("eligibility.users_within", self.users_within),
        ] {
            ensure(within.0 > 0, key, || {
                format!("`{key}`: found {within}, expected a duration above 0, such as 30d")
            })?;
        }
        let empty = self.territory.iter().find(|(_, values)| values.is_empty());
        empty.map_or(Ok(()), |(column, _)| {
            Err((
                "eligibility.territory",
                format!(
                    "`eligibility.territory`: found no value of `{column}`, expected at least one"
                ),
            ))
        })
    }
}

impl ObservationConfig {
    fn validate(&self) -> CheckResult {
        ensure(self.every.0 > 0, "observation.every", || {
            "`observation.every`: found 0, expected a positive duration".to_owned()
        })?;
        ensure(self.horizon.0 > 0, "observation.horizon", || {
            "`observation.horizon`: found 0, expected a positive duration".to_owned()
        })?;
        ensure(self.min_age <= self.max_age, "observation.min_age", || {
            format!(
                "`observation.min_age`: found {}, expected at most `max_age` ({})",
                self.min_age, self.max_age
            )
        })?;
        let span = self.since.zip(self.until);
        ensure(span.is_none_or(|(since, until)| since < until), "observation.since", || {
            "`observation.since`: expected a time before `until`".to_owned()
        })
    }
}

impl FeatureConfig {
    fn validate(&self) -> CheckResult {
        ensure(!self.windows.is_empty(), "features.windows", || {
            "`features.windows`: found no window, expected at least one".to_owned()
        })?;
        for w in &self.windows {
            let days = (1..=3_650).contains(&(w.0 / DAY)) && w.0 % DAY == 0;
            ensure(days, "features.windows", || {
                format!("`features.windows`: found {w}, expected whole days from 1d to 3650d")
            })?;
        }
        let mut sorted = self.windows.clone();
        sorted.sort_unstable();
        sorted.dedup();
        ensure(sorted.len() == self.windows.len(), "features.windows", || {
            "`features.windows`: duplicate window".to_owned()
        })
    }
}

impl DesignConfig {
    fn validate(&self) -> CheckResult {
        ensure((0.0..1.0).contains(&self.rare), "design.rare", || {
            format!("`design.rare`: found {}, expected a share from 0 to below 1", self.rare)
        })?;
        ensure(self.spline <= 10, "design.spline", || {
            format!("`design.spline`: found {}, expected 0 to 10 knots", self.spline)
        })?;
        if let Winsorize::Quantiles(low, high) = self.winsorize {
            ensure(0.0 <= low && low < high && high <= 1.0, "design.winsorize", || {
                format!(
                    "`design.winsorize`: found [{low}, {high}], expected two ascending quantiles from 0 to 1, or \"never\""
                )
            })?;
        }
        Ok(())
    }
}

impl ModelConfig {
    fn validate(&self) -> CheckResult {
        if let Alpha::Fixed(alpha) = self.alpha {
            ensure(alpha.is_finite() && alpha >= 0.0, "model.alpha", || {
                format!("`model.alpha`: found {alpha}, expected a number of at least 0, or \"cv\"")
            })?;
        }
        let smooth = matches!(self.penalty, PenaltyKind::None | PenaltyKind::L2);
        ensure(smooth || self.solver == SolverKind::Newton, "model.solver", || {
            "`model.solver = \"lbfgs\"` requires `penalty = \"none\"` or `\"l2\"`".to_owned()
        })?;
        ensure((0.0..=1.0).contains(&self.l1_ratio), "model.l1_ratio", || {
            format!("`model.l1_ratio`: found {}, expected 0 to 1", self.l1_ratio)
        })?;
        ensure(
            self.penalty != PenaltyKind::ElasticNet || self.l1_ratio > 0.0,
            "model.l1_ratio",
            || {
                "`model.l1_ratio`: found 0, expected a number above 0 (for 0, set `penalty = \"l2\"`)".to_owned()
            },
        )?;
        ensure((0.0..1.0).contains(&self.test_size), "model.test_size", || {
            format!(
                "`model.test_size`: found {}, expected a share from 0 to below 1",
                self.test_size
            )
        })
    }
}

impl QualifyConfig {
    fn validate(&self) -> CheckResult {
        let count = self.threshold_rules().into_iter().flatten().count();
        ensure(count <= 1, "qualify", || {
            format!(
                "`[qualify]`: found {count} of `share`, `threshold`, `capacity`, `precision` and `value`, expected at most one"
            )
        })?;
        match self.threshold_rule() {
            ThresholdRule::Share(share) => {
                ensure_between_0_and_1(share, "qualify.share", "a share between 0 and 1")?;
            }
            ThresholdRule::Threshold(threshold) => {
                ensure_between_0_and_1(
                    threshold,
                    "qualify.threshold",
                    "a probability between 0 and 1",
                )?;
            }
            ThresholdRule::Precision(precision) => {
                ensure_between_0_and_1(precision, "qualify.precision", "a share between 0 and 1")?;
            }
            ThresholdRule::Capacity(accounts) => {
                ensure(accounts > 0, "qualify.capacity", || {
                    "`qualify.capacity`: found 0, expected at least 1 account per week".to_owned()
                })?;
            }
            ThresholdRule::Value(ContactValue { revenue, cost }) => {
                ensure(
                    revenue.is_finite() && cost > 0.0 && cost < revenue,
                    "qualify.value",
                    || {
                        format!(
                            "`qualify.value`: found cost {cost} and revenue {revenue}, expected 0 < cost < revenue"
                        )
                    },
                )?;
            }
        }
        ensure((0.0..=1.0).contains(&self.holdout), "qualify.holdout", || {
            format!("`qualify.holdout`: found {}, expected a share from 0 to 1", self.holdout)
        })
    }
}

fn ensure_between_0_and_1(value: f64, key: &'static str, expected: &str) -> CheckResult {
    ensure(value > 0.0 && value < 1.0, key, || {
        format!("`{key}`: found {value}, expected {expected}")
    })
}
