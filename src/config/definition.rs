//! `[[definition]]`: rules over what an account does after its sign-up.

use serde::{Deserialize, Serialize};

use super::mistake::Mistake;
use crate::time::{DAY, TimeSpan, Timestamp, iso};

/// What kind of PQL a definition makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionKind {
    /// It uses the product as those that buy do.
    #[default]
    Criteria,
    /// It asks for sales.
    HandRaise,
    /// It hits a limit of the free plan.
    Limit,
    /// It buys by itself.
    SelfServe,
}

impl DefinitionKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Criteria, Self::HandRaise, Self::Limit, Self::SelfServe];

    /// The kind as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Criteria => "criteria",
            Self::HandRaise => "hand_raise",
            Self::Limit => "limit",
            Self::SelfServe => "self_serve",
        }
    }
}

/// A PQL definition: the moment it first holds is the PQL time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefinitionRule {
    /// What it is called.
    pub name: String,
    /// What kind of PQL it makes (`criteria`).
    #[serde(rename = "type")]
    pub kind: DefinitionKind,
    /// Time after sign-up in which it has to hold; without it any time.
    pub within: Option<TimeSpan>,
    /// The log from which it was found ended here, where it was found and not thought of.
    pub found_until: Option<Timestamp>,
    /// Conditions that must hold together.
    pub all: Vec<Condition>,
    /// Conditions of which one must hold.
    pub any: Vec<Condition>,
}

/// One of: events of a name, the sum of a property of them, distinct users, event names or active
/// days; or a group of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// Name of the events that are counted.
    pub event: Option<String>,
    /// A numeric property that is summed over these events.
    pub sum: Option<String>,
    /// How many of these events, or what sum (1 event).
    pub at_least: Option<f64>,
    /// How many distinct users.
    pub users: Option<u64>,
    /// How many distinct event names.
    pub features: Option<u64>,
    /// How many distinct days (UTC) with an event.
    pub active_days: Option<u64>,
    /// Conditions that must hold together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Condition>,
    /// Conditions of which one must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Condition>,
}

impl DefinitionRule {
    /// The block as it stands in `pql.toml`.
    #[must_use]
    pub fn block(&self) -> String {
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut lines = vec![
            "[[definition]]".to_owned(),
            format!("name = {}", text(&self.name)),
            format!("type = {}", text(self.kind.name())),
        ];
        lines.extend(self.within.map(|within| format!("within = {}", text(&within.to_string()))));
        lines
            .extend(self.found_until.map(|until| format!("found_until = {}", text(&iso(until.0)))));
        for (key, conditions) in [("all", &self.all), ("any", &self.any)] {
            if !conditions.is_empty() {
                lines.push(format!("{key} = {}", list(conditions)));
            }
        }
        lines.join("\n") + "\n"
    }
}

fn list(conditions: &[Condition]) -> String {
    format!("[{}]", conditions.iter().map(Condition::inline).collect::<Vec<_>>().join(", "))
}

/// The key under which a definition's mistakes are looked for.
const SECTION: &str = "definition";

/// Check that definitions say something, each under a name of its own.
pub(super) fn validate(definitions: &[DefinitionRule]) -> std::result::Result<(), Mistake> {
    for (source, rule) in definitions.iter().enumerate() {
        let mistake = |key, problem| Mistake { key, source, problem };
        if rule.name.trim().is_empty() {
            return Err(mistake(SECTION, "`[[definition]]` has no `name`".to_owned()));
        }
        if definitions[..source].iter().any(|other| other.name == rule.name) {
            return Err(mistake(
                "definition.name",
                format!("two definitions are named `{}`", rule.name),
            ));
        }
        let said = |problem: String| format!("the definition `{}` {problem}", rule.name);
        if rule.within.is_some_and(|within| within.0 <= 0) {
            return Err(mistake(
                "definition.within",
                said("has no time: `within` is 0, expected such as \"14d\"".to_owned()),
            ));
        }
        let (key, conditions) = match (rule.all.is_empty(), rule.any.is_empty()) {
            (false, true) => ("definition.all", &rule.all),
            (true, false) => ("definition.any", &rule.any),
            (true, true) => {
                return Err(mistake(
                    SECTION,
                    said("has no condition: expected `all = [...]` or `any = [...]`".to_owned()),
                ));
            }
            (false, false) => {
                return Err(mistake(
                    SECTION,
                    said("has `all` and `any`: put one into the other".to_owned()),
                ));
            }
        };
        conditions
            .iter()
            .try_for_each(|c| c.validate(true))
            .map_err(|problem| mistake(key, said(problem)))?;
        if let Some(within) = rule.within {
            conditions
                .iter()
                .try_for_each(|c| c.fits(within))
                .map_err(|problem| mistake(key, said(problem)))?;
        }
    }
    Ok(())
}

impl Condition {
    /// The condition as it stands in `pql.toml`.
    fn inline(&self) -> String {
        let text = |text: &String| toml::Value::String(text.clone()).to_string();
        let whole = |count: u64| count.to_string();
        let mut keys: Vec<(&str, String)> = Vec::new();
        keys.extend(self.event.as_ref().map(|event| ("event", text(event))));
        keys.extend(self.sum.as_ref().map(|sum| ("sum", text(sum))));
        keys.extend(self.at_least.map(|least| ("at_least", least.to_string())));
        let counts =
            [("users", self.users), ("features", self.features), ("active_days", self.active_days)];
        keys.extend(
            counts.into_iter().filter_map(|(key, count)| count.map(|count| (key, whole(count)))),
        );
        let groups = [("all", &self.all), ("any", &self.any)];
        keys.extend(
            groups.into_iter().filter(|(_, of)| !of.is_empty()).map(|(key, of)| (key, list(of))),
        );
        format!(
            "{{ {} }}",
            keys.into_iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    }

    /// Check that the time after the sign-up has as many calendar days as are asked for.
    fn fits(&self, within: TimeSpan) -> std::result::Result<(), String> {
        let days = within.0.cast_unsigned().div_ceil(DAY.cast_unsigned()) + 1;
        match self.active_days.filter(|asked| *asked > days) {
            Some(asked) => {
                Err(format!("asks for {asked} active days, of which {within} touch {days} at most"))
            }
            None => self.all.iter().chain(&self.any).try_for_each(|c| c.fits(within)),
        }
    }

    /// Check one condition; `outer`: it may be a group.
    fn validate(&self, outer: bool) -> std::result::Result<(), String> {
        let group = usize::from(!self.all.is_empty()) + usize::from(!self.any.is_empty());
        let counts = [self.users, self.features, self.active_days];
        let kinds = usize::from(self.event.is_some()) + counts.iter().flatten().count() + group;
        if kinds != 1 {
            let known = "`event`, `users`, `features`, `active_days`, `all` and `any`";
            return Err(format!("has a condition with {kinds} of {known}, expected one"));
        }
        if group == 1 {
            let inner = if self.all.is_empty() { &self.any } else { &self.all };
            let deeper = "nests `all` and `any` deeper than once";
            return if outer {
                inner.iter().try_for_each(|c| c.validate(false))
            } else {
                Err(deeper.to_owned())
            };
        }
        if self.event.is_none() && (self.sum.is_some() || self.at_least.is_some()) {
            return Err("has `sum` or `at_least` without an `event`".to_owned());
        }
        let no_threshold =
            || "asks for 0 of something, which every account has: expected 1 or more".to_owned();
        if counts.iter().flatten().any(|count| *count == 0) {
            return Err(no_threshold());
        }
        match (self.at_least, &self.sum) {
            (Some(0.0), _) => Err(no_threshold()),
            (Some(least), _) if !least.is_finite() || least < 0.0 => {
                Err(format!("asks for {least}, expected a number above 0"))
            }
            (Some(least), None) if least.fract() != 0.0 => {
                Err(format!("asks for {least} events, expected a whole number"))
            }
            (None, Some(sum)) => Err(format!("sums `{sum}` without `at_least`")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn problem(text: &str) -> String {
        let text = format!(
            "[model]\nseed = 1\n\n[[definition]]\nname = \"ok\"\nany = [{{ users = 2 }}]\n\n[[definition]]\n{text}"
        );
        let error = Config::parse(&text, Path::new("pql.toml"), &[])
            .expect_err("a definition that cannot be");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn what_a_definition_may_say() {
        let text = "[[definition]]\nname = \"shares\"\ntype = \"limit\"\nwithin = \"14d\"\nall = [{ event = \"a\", at_least = 5 }, \
                    { event = \"b\", sum = \"bytes\", at_least = 1e9 }, { any = [{ users = 3 }, { features = 4 }, { active_days = 5 }] }]\n";
        let config = Config::parse(text, Path::new("pql.toml"), &[]).unwrap();
        assert_eq!(config.definition[0].all.len(), 3);
        assert_eq!(
            Config::from_stored(&config.stored(), Path::new("m")).unwrap(),
            config,
            "a model keeps it"
        );
        let again =
            Config::parse(&config.definition[0].block(), Path::new("pql.toml"), &[]).unwrap();
        assert_eq!(again.definition, config.definition, "what is written reads back");
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, line, words) in [
            ("all = [{ users = 1 }]", 8, "has no `name`"),
            ("name = \"ok\"\nall = [{ users = 1 }]", 9, "two definitions are named `ok`"),
            ("name = \"x\"", 8, "`x` has no condition"),
            (
                "name = \"x\"\nall = [{ users = 1 }]\nany = [{ users = 1 }]",
                8,
                "has `all` and `any`",
            ),
            ("name = \"x\"\nwithin = \"0d\"\nall = [{ users = 1 }]", 10, "`within` is 0"),
            ("name = \"x\"\nall = [{ users = 0 }]", 10, "asks for 0"),
            ("name = \"x\"\nany = [{ event = \"a\", at_least = 0 }]", 10, "asks for 0"),
            (
                "name = \"x\"\nany = [{ event = \"a\", at_least = -1 }]",
                10,
                "asks for -1, expected a number above 0",
            ),
            (
                "name = \"x\"\nwithin = \"2d\"\nall = [{ active_days = 4 }]",
                11,
                "4 active days, of which 2d touch 3 at most",
            ),
            (
                "name = \"x\"\nany = [{ event = \"a\", at_least = 1.5 }]",
                10,
                "1.5 events, expected a whole number",
            ),
            (
                "name = \"x\"\nany = [{ event = \"a\", sum = \"b\" }]",
                10,
                "sums `b` without `at_least`",
            ),
            ("name = \"x\"\nany = [{ event = \"a\", users = 2 }]", 10, "expected one"),
            ("name = \"x\"\nany = [{ at_least = 2 }]", 10, "expected one"),
            ("name = \"x\"\nany = [{ users = 2, at_least = 2 }]", 10, "without an `event`"),
            ("name = \"x\"\nany = [{ all = [{ any = [{ users = 1 }] }] }]", 10, "deeper than once"),
        ] {
            let message = problem(text);
            assert!(
                message.contains(words) && message.contains(&format!("line {line}")),
                "{message}"
            );
        }
    }

    #[test]
    fn an_unknown_key_or_type_is_named() {
        assert!(problem("name = \"x\"\ntipe = \"limit\"\n").contains("unknown key `tipe`"));
        assert!(problem("name = \"x\"\ntype = \"limits\"\n").contains("limits"));
        assert!(problem("name = \"x\"\nany = [{ evnt = \"a\" }]\n").contains("unknown key `evnt`"));
    }
}
