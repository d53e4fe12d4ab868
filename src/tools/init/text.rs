//! Text of the guessed project file.

use super::accounts::GuessedAccountColumns;
use super::by_reason;
use super::columns::GuessedEventColumns;
use super::draft::{AccountsGuess, ProjectDraft, SourceGuess};
use super::event_types::EventTypeCounts;
use super::naming::EventTypeSource;
use super::observation::ObservationGuess;
use super::times::{TimeFormat, order};
use super::toml_page::{TomlPage, one_line, string, strings};
use super::users::UsersGuess;
use crate::config::schema::SCHEMA_URL;
use crate::config::{Config, QualifyConfig, Roles};
use crate::names::{counted, grouped};

/// Maximum number of event types listed.
const LISTED: usize = 40;

impl ProjectDraft {
    /// Returns the project file as TOML.
    pub(super) fn to_toml(&self) -> String {
        let mut page = TomlPage(format!("#:schema {SCHEMA_URL}\n"));
        page.comment("Project file, guessed from the data by `pql init`. Check the guesses and correct them.");
        page.comment("Paths are relative to this file. Times without an offset are UTC (`[input] timezone`).");
        page.comment("Durations are a number and w, d, h or m.");
        page.comment("Missing keys have their defaults.");
        for task in &self.tasks {
            page.comment(&format!("FIXME: {}", one_line(task)));
        }
        for source in &self.sources {
            page.source(source);
        }
        page.list(self.list.as_ref());
        self.users.iter().for_each(|users| page.users(users));
        page.roles(&self.roles, &self.names, &self.sources);
        page.observation(&self.observation);
        page.defaults(&self.observation);
        page.0
    }
}

impl TomlPage {
    fn source(&mut self, source: &SourceGuess) {
        let SourceGuess { path, columns, event_types, sampled } = source;
        self.section("[[events]]");
        if let Some(rows) = sampled {
            self.comment(&format!(
                "Columns were guessed from the first {}.",
                counted(*rows as u64, "row")
            ));
        }
        self.key("path", &string(path), "file, glob or folder: Parquet, CSV, NDJSON");
        self.chosen("account", &columns.account, "the account, which converts or not");
        if !columns.other_accounts.is_empty() {
            self.comment(&format!("Other candidates: {}", strings(&columns.other_accounts)));
        }
        self.column("user", columns.user.as_ref(), "user_id", "the user within the account");
        self.naming(columns, event_types);
        self.chosen(
            "timestamp",
            &columns.timestamp,
            if columns.time_format.format.is_some() { "time of the event" } else { STANDARD_TIMES },
        );
        self.format(&columns.time_format);
        self.column(
            "received",
            columns.received.as_ref(),
            "received_at",
            "time of receipt: an event counts from the later time",
        );
        let rejected = columns.other_times.iter().map(|(name, reason)| (name, reason.as_str()));
        for (reason, names) in by_reason(rejected) {
            self.comment(&format!(
                "Not the time of the event: {} ({})",
                strings(&names),
                one_line(reason)
            ));
        }
        self.column("id", columns.id.as_ref(), "message_id", "unique id; duplicates are dropped");
        if !columns.values.is_empty() {
            self.commented_key(
                "values",
                &strings(&columns.values),
                "numeric properties; uncomment to sum them per window",
            );
        }
    }

    fn naming(&mut self, columns: &GuessedEventColumns, event_types: &EventTypeCounts) {
        let first = if event_types.whole {
            String::new()
        } else {
            format!(" in the first {}", counted(event_types.rows, "row"))
        };
        let types = counted(event_types.names.len() as u64, "distinct value");
        match &columns.naming {
            EventTypeSource::Column(name) => {
                self.key("event", &string(name), &format!("event type, with {types}{first}"));
            }
            EventTypeSource::Stages(name) => {
                let comment =
                    format!("stage of the deal, with {types}{first}; counts from its close");
                self.key("event", &string(name), &comment);
            }
            EventTypeSource::One(name) => self.key(
                "event_name",
                &string(name),
                "no event type column: every row is this event",
            ),
            EventTypeSource::Unpivot { columns, counts } => {
                self.key(
                    "unpivot",
                    &strings(columns),
                    "each column is an event type, which occurs where it is not 0",
                );
                if !counts.is_empty() {
                    self.key("values", &strings(counts), "their counts are summed per window");
                }
            }
        }
    }

    fn format(&mut self, time_format: &TimeFormat) {
        let Some(format) = &time_format.format else { return };
        match &time_format.other {
            None => self.key("format", &string(format), "format of the times"),
            Some(other) => {
                self.key(
                    "format",
                    &string(format),
                    &format!("{}; AMBIGUOUS: all times also fit the next line", order(format)),
                );
                self.commented_key("format", &string(other), order(other));
            }
        }
    }

    fn list(&mut self, list: Option<&AccountsGuess>) {
        let Some(AccountsGuess { path, columns: Some(columns) }) = list else {
            self.no_list(list);
            return;
        };
        let times = &columns.times;
        self.section("[accounts]");
        self.key("path", &string(path), "one row per account");
        let comment = columns.repeated.as_ref().map_or_else(
            || "the account, as in [[events]]".to_owned(),
            |task| format!("FIXME: {}", one_line(task)),
        );
        self.key("account", &string(&columns.account), &comment);
        self.key(
            "signed_up",
            &string(&times.signed_up),
            if times.time_format.format.is_some() { "time of sign-up" } else { STANDARD_TIMES },
        );
        if !times.other_sign_ups.is_empty() {
            self.comment(&format!("Other candidates: {}", strings(&times.other_sign_ups)));
        }
        self.format(&times.time_format);
        self.conversion(columns);
        self.column(
            "churned",
            times.churned.as_ref(),
            "churned_at",
            "time at which the churn became known",
        );
        self.column(
            "seats",
            columns.seats.as_ref(),
            "seats",
            "seats at sign-up; remove if they change on conversion (leakage)",
        );
        self.column("revenue", columns.revenue.as_ref(), "mrr", "never a feature");
        self.key(
            "attributes",
            &strings(&columns.attributes),
            "must be known at sign-up and never change",
        );
        for (name, reason) in &columns.rejected {
            self.comment(&format!("Not an attribute: {} ({reason})", string(name)));
        }
    }

    fn users(&mut self, users: &UsersGuess) {
        self.section("[users]");
        self.key("path", &string(&users.path), "the users and their accounts");
        self.key("user", &string(&users.user), "the user, as in [[events]]");
        let account = "the account, as in [accounts]";
        self.column("account", users.account.as_ref(), "account_id", account);
        if users.email.is_some() || users.account.is_none() {
            let email = "address; its domain is the account where that is missing";
            self.column("email", users.email.as_ref(), "email", email);
        }
        let joined = "time at which the user joined the account";
        self.column("from", users.joined.as_ref(), "joined_at", joined);
    }

    fn conversion(&mut self, columns: &GuessedAccountColumns) {
        let times = &columns.times;
        let comment = "time of conversion, empty if not converted";
        let comment = columns
            .converted_evidence
            .as_ref()
            .map_or_else(|| comment.to_owned(), |evidence| format!("{comment}; {evidence}"));
        self.column("converted", times.converted.as_ref(), "converted_at", &comment);
        for (name, evidence) in &times.possible {
            self.commented_key("converted", &string(name), &format!("possible: {evidence}"));
        }
        for (name, reason) in &times.rejected {
            self.comment(&format!("Not used: {} ({reason})", string(name)));
        }
        if !times.flags.is_empty() {
            self.comment(&format!(
                "Not a time of conversion: {} (no times)",
                strings(&times.flags)
            ));
        }
    }

    fn no_list(&mut self, list: Option<&AccountsGuess>) {
        self.0.push('\n');
        if let Some(AccountsGuess { path, .. }) = list {
            self.comment(&format!("{} is not used.", string(path)));
        } else {
            self.comment("No account list: accounts sign up with their first event.");
        }
        self.comment("[accounts]");
        self.commented_key(
            "path",
            &list.map_or_else(|| string("accounts.csv"), |l| string(&l.path)),
            "",
        );
        self.commented_key("account", &string("account_id"), "");
        self.commented_key("signed_up", &string("signed_up_at"), "");
        self.commented_key("converted", &string("converted_at"), "");
    }

    fn roles(&mut self, roles: &Roles, names: &[(String, u64)], sources: &[SourceGuess]) {
        self.section("[roles]");
        for remark in sources.iter().filter_map(|source| source.trial_remark(roles)) {
            self.comment(&format!("Check {}", one_line(&remark)));
        }
        self.comment("Event types by meaning. All others are ordinary usage.");
        let usage = |name: &&String| {
            !roles
                .usage()
                .into_iter()
                .chain(roles.not_usage())
                .any(|(_, in_role)| in_role.contains(name))
        };
        let value = names.iter().map(|(name, _)| name).find(usage);
        let comments = [
            ("login", "logins"),
            ("value", "core action, the value metric"),
            ("invite", "invitations of teammates"),
            ("limit", "reaching a limit of the free plan"),
            ("hand_raise", "requests for contact with sales"),
            ("converted", "conversions, if they are events"),
            ("churned", "churns, if they are events"),
            ("exclude", "not usage: would leak the outcome"),
        ];
        for ((role, in_role), (key, comment)) in
            roles.usage().into_iter().chain(roles.not_usage()).zip(comments)
        {
            debug_assert_eq!(role, key);
            let comment = match value.filter(|_| role == "value") {
                Some(value) => format!("{comment}, such as [{}]", string(value)),
                None if role == "login" && in_role.is_empty() => {
                    format!("{comment}; none found")
                }
                None => comment.to_owned(),
            };
            self.key(role, &strings(in_role), &comment);
        }
        self.comment("");
        self.comment(&format!(
            "Event types found{}, most frequent first:",
            if names.len() > LISTED {
                format!(" ({LISTED} of {})", grouped(names.len() as u64))
            } else {
                String::new()
            }
        ));
        for (name, n) in names.iter().take(LISTED) {
            self.comment(&format!("{:>10}  {}", grouped(*n), string(name)));
        }
    }

    fn observation(&mut self, guess: &ObservationGuess) {
        let config = &guess.config;
        let duration = |d: &dyn std::fmt::Display| string(&d.to_string());
        self.section("[observation]");
        self.key("cutoffs", "\"snapshot\"", "or \"age\": each account once, `age` after sign-up");
        self.key("every", &duration(&config.every), "time between two snapshots");
        self.commented_key("age", &duration(&config.age), "only for cutoffs = \"age\"");
        self.key("min_age", &duration(&config.min_age), "minimum age of accounts");
        self.key(
            "max_age",
            &duration(&config.max_age),
            "maximum age of accounts; older ones are not scored",
        );
        self.key(
            "horizon",
            &duration(&config.horizon),
            "predict conversion in this time after the cutoff",
        );
        self.key("gap", &duration(&config.gap), "lead time between cutoff and horizon");
        let (since, until) = guess
            .span
            .clone()
            .unwrap_or_else(|| ("2025-01-01".to_owned(), "2025-12-31".to_owned()));
        self.commented_key(
            "since",
            &string(&since),
            "start of the complete log; default: first covered day",
        );
        self.commented_key(
            "until",
            &string(&until),
            "end of the complete log, exclusive; default: last covered day",
        );
    }

    fn defaults(&mut self, guess: &ObservationGuess) {
        let default = Config::default();
        let windows: Vec<String> = guess
            .windows
            .as_ref()
            .unwrap_or(&default.features.windows)
            .iter()
            .map(ToString::to_string)
            .collect();
        self.section("[features]");
        self.key("windows", &strings(&windows), "windows before the cutoff, whole days");
        self.key(
            "event_types",
            &default.features.event_types.to_string(),
            "number of event types with their own counts",
        );
        self.section("[model]");
        self.key(
            "test_size",
            &default.model.test_size.to_string(),
            "share of cutoff days in the test set, newest first",
        );
        match guess.min_conversions {
            None => self.key(
                "min_conversions",
                &default.model.min_conversions.to_string(),
                "minimum number of converting training accounts",
            ),
            Some(n) => {
                let comment = format!(
                    "reduced from {}: few conversions, expect a weak model",
                    default.model.min_conversions
                );
                self.key("min_conversions", &n.to_string(), &comment);
            }
        }
        self.key("seed", &default.model.seed.to_string(), "seed of random choices");
        self.section("[qualify]");
        self.key(
            "share",
            &QualifyConfig::DEFAULT_SHARE.to_string(),
            "share of accounts that qualify",
        );
    }
}

/// Time formats that are read without `format`.
const STANDARD_TIMES: &str = "time in ISO 8601, YYYYMMDD or epoch";
