//! What the types of a configuration do not say.

use super::mistake::Mistake;
use super::{
    AccountSource, Alpha, Config, Cut, DesignRule, EventSource, FeatureRule, ModelRule,
    ObservationRule, PenaltyKind, Qualify, QualifyBy, SolverKind, Winsorize, Worth, definition,
};
use crate::time::DAY;

impl Config {
    /// Check what the types do not say.
    pub(super) fn validate(&self) -> std::result::Result<(), Mistake> {
        let refuse = |key: &'static str, problem: String| Err((key, problem).into());
        for (at, source) in self.events.iter().enumerate() {
            source.validate().map_err(|(key, problem)| Mistake { key, source: at, problem })?;
        }
        if let Some(accounts) = &self.accounts {
            accounts.validate()?;
        }
        if let Some(visitors) = &self.visitors {
            ensure(!visitors.path.as_os_str().is_empty(), "visitors", || {
                "`[visitors]` has no `path`".to_owned()
            })?;
        }
        for (role, names) in self.roles.usage() {
            for (other, left_out) in self.roles.not_usage() {
                if let Some(name) = names.iter().find(|n| left_out.contains(n)) {
                    return refuse(
                        "roles",
                        format!(
                            "`{name}` has the role `{role}` and the role `{other}`, whose events are no usage"
                        ),
                    );
                }
            }
        }
        self.observation.validate()?;
        self.features.validate()?;
        self.design.validate()?;
        self.model.validate()?;
        self.qualify.validate()?;
        definition::validate(&self.definition)?;
        if self.definition.is_empty()
            && matches!(self.qualify.by, QualifyBy::Definition | QualifyBy::Both)
        {
            return refuse(
                "qualify.by",
                format!(
                    "`qualify.by` is \"{}\", but there is no `[[definition]]`",
                    self.qualify.by.name()
                ),
            );
        }
        Ok(())
    }
}

/// What is wrong with a section: the key and the problem.
type Checked = std::result::Result<(), (&'static str, String)>;

fn ensure(holds: bool, key: &'static str, problem: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err((key, problem())) }
}

impl EventSource {
    fn validate(&self) -> Checked {
        ensure(!self.path.as_os_str().is_empty(), "events", || {
            "`[[events]]` has no `path`".to_owned()
        })?;
        let kinds = usize::from(self.event.is_some())
            + usize::from(self.event_name.is_some())
            + usize::from(!self.unpivot.is_empty());
        ensure(kinds <= 1, "events.event", || {
            "`event`, `event_name` and `unpivot` exclude one another".to_owned()
        })
    }
}

impl AccountSource {
    fn validate(&self) -> Checked {
        ensure(!self.path.as_os_str().is_empty(), "accounts", || {
            "`[accounts]` has no `path`".to_owned()
        })?;
        let taken = [
            ("account", &self.account, "account_id"),
            ("signed_up", &self.signed_up, "signed_up_at"),
            ("converted", &self.converted, "converted_at"),
            ("churned", &self.churned, "churned_at"),
            ("revenue", &self.revenue, "mrr"),
            ("first_revenue", &self.first_revenue, "first_mrr"),
        ];
        for (at, name) in self.attributes.iter().enumerate() {
            if let Some((key, ..)) =
                taken.iter().find(|(_, named, usual)| named.as_deref().unwrap_or(usual) == name)
            {
                return Err((
                    "accounts.attributes",
                    format!("`{name}` is taken as `accounts.{key}` and cannot be an attribute"),
                ));
            }
            ensure(!self.attributes[..at].contains(name), "accounts.attributes", || {
                format!("`accounts.attributes` names `{name}` twice")
            })?;
        }
        Ok(())
    }
}

impl ObservationRule {
    fn validate(&self) -> Checked {
        ensure(self.every.0 > 0, "observation.every", || "`observation.every` is 0".to_owned())?;
        ensure(self.horizon.0 > 0, "observation.horizon", || {
            "`observation.horizon` is 0".to_owned()
        })?;
        ensure(self.min_age <= self.max_age, "observation.min_age", || {
            format!(
                "`observation.min_age` ({}) is above `max_age` ({})",
                self.min_age, self.max_age
            )
        })?;
        let span = self.since.zip(self.until);
        ensure(span.is_none_or(|(since, until)| since < until), "observation.since", || {
            "`observation.since` is not before `until`".to_owned()
        })
    }
}

impl FeatureRule {
    fn validate(&self) -> Checked {
        ensure(!self.windows.is_empty(), "features.windows", || {
            "`features.windows` is empty".to_owned()
        })?;
        for w in &self.windows {
            let days = (1..=3_650).contains(&(w.0 / DAY)) && w.0 % DAY == 0;
            ensure(days, "features.windows", || {
                format!("`features.windows` has {w}: expected whole days, 1d to 3650d")
            })?;
        }
        let mut sorted = self.windows.clone();
        sorted.dedup();
        ensure(sorted.len() == self.windows.len(), "features.windows", || {
            "`features.windows` names a window twice".to_owned()
        })
    }
}

impl DesignRule {
    fn validate(&self) -> Checked {
        ensure((0.0..1.0).contains(&self.rare), "design.rare", || {
            format!("`design.rare` is {}: expected a share from 0 to below 1", self.rare)
        })?;
        ensure(self.spline <= 10, "design.spline", || {
            format!("`design.spline` is {}: expected 0 to 10 knots", self.spline)
        })?;
        if let Winsorize::At(low, high) = self.winsorize {
            ensure(0.0 <= low && low < high && high <= 1.0, "design.winsorize", || {
                format!(
                    "`design.winsorize` is [{low}, {high}]: expected two rising quantiles from 0 to 1, or \"never\""
                )
            })?;
        }
        Ok(())
    }
}

impl ModelRule {
    fn validate(&self) -> Checked {
        if let Alpha::Fixed(alpha) = self.alpha {
            ensure(alpha.is_finite() && alpha >= 0.0, "model.alpha", || {
                format!("`model.alpha` is {alpha}: expected a number from 0, or \"cv\"")
            })?;
        }
        let smooth = matches!(self.penalty, PenaltyKind::None | PenaltyKind::L2);
        ensure(smooth || self.solver == SolverKind::Newton, "model.solver", || {
            "`model.solver = \"lbfgs\"` fits `penalty = \"none\"` and `\"l2\"` alone".to_owned()
        })?;
        ensure((0.0..=1.0).contains(&self.l1_ratio), "model.l1_ratio", || {
            format!("`model.l1_ratio` is {}: expected 0 to 1", self.l1_ratio)
        })?;
        ensure(
            self.penalty != PenaltyKind::ElasticNet || self.l1_ratio > 0.0,
            "model.l1_ratio",
            || "`model.l1_ratio` is 0: that is `penalty = \"l2\"`".to_owned(),
        )?;
        ensure((0.0..1.0).contains(&self.test), "model.test", || {
            format!("`model.test` is {}: expected a share from 0 to below 1", self.test)
        })?;
        ensure(!self.refit || self.test > 0.0, "model.refit", || {
            "`model.refit = true` with `test = 0`: all labelled rows train already".to_owned()
        })
    }
}

impl Qualify {
    fn validate(&self) -> Checked {
        let given = self.kinds().into_iter().flatten().count();
        ensure(given <= 1, "qualify", || {
            format!(
                "{given} of `share`, `threshold`, `capacity`, `precision` and `value` are given: expected one"
            )
        })?;
        match self.cut() {
            Cut::Share(share) => inside(share, "qualify.share", "a share between 0 and 1")?,
            Cut::Threshold(threshold) => {
                inside(threshold, "qualify.threshold", "a probability between 0 and 1")?;
            }
            Cut::Precision(precision) => {
                inside(precision, "qualify.precision", "a share between 0 and 1")?;
            }
            Cut::Capacity(accounts) => {
                ensure(accounts > 0, "qualify.capacity", || {
                    "`qualify.capacity` is 0: expected accounts a week".to_owned()
                })?;
            }
            Cut::Value(Worth { deal, touch }) => {
                ensure(deal.is_finite() && touch > 0.0 && touch < deal, "qualify.value", || {
                    format!(
                        "`qualify.value` has a deal of {deal} and a touch of {touch}: expected 0 < touch < deal"
                    )
                })?;
            }
        }
        ensure((0.0..=1.0).contains(&self.holdout), "qualify.holdout", || {
            format!("`qualify.holdout` is {}: expected a share from 0 to 1", self.holdout)
        })
    }
}

fn inside(value: f64, key: &'static str, expected: &str) -> Checked {
    ensure(value > 0.0 && value < 1.0, key, || format!("`{key}` is {value}: expected {expected}"))
}
