//! `[[definition]]`: rules on the usage of an account after its sign-up.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::problem::InvalidSetting;
use super::schema::{POSITIVE_DURATION, condition, group_of, only_group, single_condition};
use crate::time::{DAY, TimeSpan, Timestamp, iso};

/// Type of PQL that a definition identifies.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionKind {
    /// Usage like that of accounts that convert.
    #[default]
    Criteria,
    /// A request for contact with sales.
    HandRaise,
    /// A limit of the free plan was reached.
    Limit,
    /// Self-serve purchase.
    SelfServe,
}

impl DefinitionKind {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Criteria, Self::HandRaise, Self::Limit, Self::SelfServe];

    /// Returns the type as written in the project file.
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

/// A PQL definition. An account becomes a PQL when it first matches. Set exactly one of `all` and
/// `any`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"], "oneOf" = [only_group("all", "any"), only_group("any", "all")]))]
pub struct DefinitionConfig {
    /// Unique name.
    #[schemars(extend("pattern" = "\\S"))]
    pub name: String,
    /// Type of PQL.
    #[serde(rename = "type")]
    pub kind: DefinitionKind,
    /// Time after sign-up in which the account must match. Default: any time.
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub within: Option<TimeSpan>,
    /// End of the log in which `pql discover` found the definition.
    pub found_until: Option<Timestamp>,
    /// Conditions that must all be met.
    #[schemars(extend("items" = condition()))]
    pub all: Vec<Condition>,
    /// Conditions of which at least one must be met.
    #[schemars(extend("items" = condition()))]
    pub any: Vec<Condition>,
}

/// A minimum number of events, a minimum sum of an event property, a minimum number of users, event
/// types or active days, or a group of conditions. Set exactly one of `event`, `users`, `features`,
/// `active_days`, `all` and `any`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [
        { "required": ["event"] },
        { "required": ["users"] },
        { "required": ["features"] },
        { "required": ["active_days"] },
        group_of("all"),
        group_of("any")
    ],
    "dependencies" = { "at_least": ["event"], "sum": ["event", "at_least"] },
    "if" = { "not": { "required": ["sum"] } },
    "then" = { "properties": { "at_least": { "multipleOf": 1 } } }
))]
pub struct Condition {
    /// Event type to count.
    pub event: Option<String>,
    /// Numeric property to sum over these events, instead of counting them.
    pub sum: Option<String>,
    /// Minimum number of events, or minimum sum. Default: 1 event.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub at_least: Option<f64>,
    /// Minimum number of distinct users.
    #[schemars(range(min = 1))]
    pub users: Option<u64>,
    /// Minimum number of distinct event types.
    #[schemars(range(min = 1))]
    pub features: Option<u64>,
    /// Minimum number of distinct days (of `input.timezone`) with an event.
    #[schemars(range(min = 1))]
    pub active_days: Option<u64>,
    /// Conditions that must all be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = single_condition()))]
    pub all: Vec<Condition>,
    /// Conditions of which at least one must be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = single_condition()))]
    pub any: Vec<Condition>,
}

impl Config {
    /// Returns the event types of all roles and definitions.
    #[must_use]
    pub fn event_names(&self) -> BTreeSet<String> {
        fn collect(conditions: &[Condition], names: &mut BTreeSet<String>) {
            for condition in conditions {
                names.extend(condition.event.clone());
                collect(&condition.all, names);
                collect(&condition.any, names);
            }
        }
        let (usage, others) = (self.roles.usage(), self.roles.not_usage());
        let roles = usage.into_iter().chain(others);
        let mut names = roles.flat_map(|(_, names)| names.iter().cloned()).collect();
        for definition in &self.definition {
            collect(&definition.all, &mut names);
            collect(&definition.any, &mut names);
        }
        names
    }
}

impl DefinitionConfig {
    /// Returns the properties that conditions sum.
    pub(crate) fn summed_properties(&self) -> BTreeSet<String> {
        fn collect(conditions: &[Condition], properties: &mut BTreeSet<String>) {
            for condition in conditions {
                properties.extend(condition.sum.clone());
                collect(&condition.all, properties);
                collect(&condition.any, properties);
            }
        }
        let mut properties = BTreeSet::new();
        collect(&self.all, &mut properties);
        collect(&self.any, &mut properties);
        properties
    }

    /// Returns the `[[definition]]` block of `pql.toml`.
    #[must_use]
    pub fn to_toml(&self) -> String {
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

/// Name of the section, for the line of errors.
const SECTION: &str = "definition";

/// Checks that each definition is valid and has a unique name.
pub(super) fn validate(
    definitions: &[DefinitionConfig],
) -> std::result::Result<(), InvalidSetting> {
    for (section_index, rule) in definitions.iter().enumerate() {
        let problem =
            |key: &str, message| InvalidSetting { key: key.to_owned(), section_index, message };
        if rule.name.trim().is_empty() {
            return Err(problem(SECTION, "missing key `name` in [[definition]]".to_owned()));
        }
        if definitions[..section_index].iter().any(|other| other.name == rule.name) {
            return Err(problem(
                "definition.name",
                format!("duplicate definition name `{}`", rule.name),
            ));
        }
        let named = |message: String| format!("definition `{}`: {message}", rule.name);
        if rule.within.is_some_and(|within| within.0 <= 0) {
            return Err(problem(
                "definition.within",
                named("found `within = \"0d\"`, expected a positive duration".to_owned()),
            ));
        }
        let (key, conditions) = match (rule.all.is_empty(), rule.any.is_empty()) {
            (false, true) => ("definition.all", &rule.all),
            (true, false) => ("definition.any", &rule.any),
            (true, true) => {
                return Err(problem(
                    SECTION,
                    named("found no condition, expected `all = [...]` or `any = [...]`".to_owned()),
                ));
            }
            (false, false) => {
                return Err(problem(
                    SECTION,
                    named(
                        "found both `all` and `any`, expected one (nest the other in it)"
                            .to_owned(),
                    ),
                ));
            }
        };
        conditions
            .iter()
            .try_for_each(|c| c.validate(true))
            .map_err(|message| problem(key, named(message)))?;
        if let Some(within) = rule.within {
            conditions
                .iter()
                .try_for_each(|c| c.fits(within))
                .map_err(|message| problem(key, named(message)))?;
        }
    }
    Ok(())
}

impl Condition {
    /// Returns the condition as an inline table of `pql.toml`.
    fn inline(&self) -> String {
        let text = |text: &String| toml::Value::String(text.clone()).to_string();
        let mut keys: Vec<(&str, String)> = Vec::new();
        keys.extend(self.event.as_ref().map(|event| ("event", text(event))));
        keys.extend(self.sum.as_ref().map(|sum| ("sum", text(sum))));
        keys.extend(self.at_least.map(|minimum| ("at_least", minimum.to_string())));
        let counts =
            [("users", self.users), ("features", self.features), ("active_days", self.active_days)];
        keys.extend(
            counts
                .into_iter()
                .filter_map(|(key, count)| count.map(|count| (key, count.to_string()))),
        );
        let groups = [("all", &self.all), ("any", &self.any)];
        keys.extend(
            groups
                .into_iter()
                .filter(|(_, conditions)| !conditions.is_empty())
                .map(|(key, conditions)| (key, list(conditions))),
        );
        format!(
            "{{ {} }}",
            keys.into_iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    }

    /// Checks that `within` spans as many calendar days as `active_days` requires.
    fn fits(&self, within: TimeSpan) -> std::result::Result<(), String> {
        let days = within.0.cast_unsigned().div_ceil(DAY.cast_unsigned()) + 1;
        match self.active_days.filter(|required| *required > days) {
            Some(required) => Err(format!(
                "found `active_days = {required}`, expected at most {days} in {within}"
            )),
            None => self.all.iter().chain(&self.any).try_for_each(|c| c.fits(within)),
        }
    }

    /// Checks one condition; `outer`: it may be a group.
    fn validate(&self, outer: bool) -> std::result::Result<(), String> {
        let group = usize::from(!self.all.is_empty()) + usize::from(!self.any.is_empty());
        let counts = [self.users, self.features, self.active_days];
        let kinds = usize::from(self.event.is_some()) + counts.iter().flatten().count() + group;
        if kinds != 1 {
            let known = "`event`, `users`, `features`, `active_days`, `all` and `any`";
            return Err(format!("found a condition with {kinds} of {known}, expected one"));
        }
        if group == 1 {
            let inner = if self.all.is_empty() { &self.any } else { &self.all };
            let deeper = "found `all` or `any` nested twice, expected at most one level";
            return if outer {
                inner.iter().try_for_each(|c| c.validate(false))
            } else {
                Err(deeper.to_owned())
            };
        }
        if self.event.is_none() && (self.sum.is_some() || self.at_least.is_some()) {
            return Err("found `sum` or `at_least` without `event`".to_owned());
        }
        let no_threshold =
            || "found a minimum of 0, which every account meets, expected 1 or more".to_owned();
        if counts.iter().flatten().any(|count| *count == 0) {
            return Err(no_threshold());
        }
        match (self.at_least, &self.sum) {
            (Some(0.0), _) => Err(no_threshold()),
            (Some(minimum), _) if !minimum.is_finite() || minimum < 0.0 => {
                Err(format!("found `at_least = {minimum}`, expected a number above 0"))
            }
            (Some(minimum), None) if minimum.fract() != 0.0 => {
                Err(format!("found `at_least = {minimum}`, expected a whole number of events"))
            }
            (None, Some(sum)) => Err(format!("found `sum = \"{sum}\"` without `at_least`")),
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
        let error =
            Config::parse(&text, Path::new("pql.toml"), &[]).expect_err("an invalid definition");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn definitions_round_trip_through_toml_and_the_model() {
        let text = "[[definition]]\nname = \"shares\"\ntype = \"limit\"\nwithin = \"14d\"\nall = [{ event = \"a\", at_least = 5 }, \
                    { event = \"b\", sum = \"bytes\", at_least = 1e9 }, { any = [{ users = 3 }, { features = 4 }, { active_days = 5 }] }]\n";
        let config = Config::parse(text, Path::new("pql.toml"), &[]).unwrap();
        assert_eq!(config.definition[0].all.len(), 3);
        assert_eq!(
            Config::from_stored(&config.stored(), Path::new("m")).unwrap(),
            config,
            "stored in the model"
        );
        let reread =
            Config::parse(&config.definition[0].to_toml(), Path::new("pql.toml"), &[]).unwrap();
        assert_eq!(reread.definition, config.definition, "written and parsed again");
    }

    #[test]
    fn an_invalid_definition_is_reported_with_its_line() {
        for (text, line, words) in [
            ("all = [{ users = 1 }]", 8, "missing key `name`"),
            ("name = \"ok\"\nall = [{ users = 1 }]", 9, "duplicate definition name `ok`"),
            ("name = \"x\"", 8, "`x`: found no condition"),
            (
                "name = \"x\"\nall = [{ users = 1 }]\nany = [{ users = 1 }]",
                8,
                "found both `all` and `any`",
            ),
            ("name = \"x\"\nwithin = \"0d\"\nall = [{ users = 1 }]", 10, "found `within = \"0d\"`"),
            ("name = \"x\"\nall = [{ users = 0 }]", 10, "found a minimum of 0"),
            ("name = \"x\"\nany = [{ event = \"a\", at_least = 0 }]", 10, "found a minimum of 0"),
            (
                "name = \"x\"\nany = [{ event = \"a\", at_least = -1 }]",
                10,
                "found `at_least = -1`, expected a number above 0",
            ),
            (
                "name = \"x\"\nwithin = \"2d\"\nall = [{ active_days = 4 }]",
                11,
                "found `active_days = 4`, expected at most 3 in 2d",
            ),
            (
                "name = \"x\"\nany = [{ event = \"a\", at_least = 1.5 }]",
                10,
                "found `at_least = 1.5`, expected a whole number",
            ),
            (
                "name = \"x\"\nany = [{ event = \"a\", sum = \"b\" }]",
                10,
                "found `sum = \"b\"` without `at_least`",
            ),
            ("name = \"x\"\nany = [{ event = \"a\", users = 2 }]", 10, "expected one"),
            ("name = \"x\"\nany = [{ at_least = 2 }]", 10, "expected one"),
            ("name = \"x\"\nany = [{ users = 2, at_least = 2 }]", 10, "without `event`"),
            ("name = \"x\"\nany = [{ all = [{ any = [{ users = 1 }] }] }]", 10, "nested twice"),
        ] {
            let message = problem(text);
            assert!(
                message.contains(words) && message.contains(&format!("line {line}")),
                "{message}"
            );
        }
    }

    #[test]
    fn unknown_keys_and_types_are_reported() {
        assert!(problem("name = \"x\"\ntipe = \"limit\"\n").contains("unknown key `tipe`"));
        assert!(problem("name = \"x\"\ntype = \"limits\"\n").contains("limits"));
        assert!(problem("name = \"x\"\nany = [{ evnt = \"a\" }]\n").contains("unknown key `evnt`"));
    }
}
