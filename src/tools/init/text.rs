//! The text of the project file.

use std::fmt::Write as _;

use super::accounts::ListColumns;
use super::columns::{EventColumns, Naming};
use super::observation::Chosen;
use super::tally::Tally;
use super::times::{Reading, order};
use crate::config::{Config, Roles};

/// Column in which comments begin.
const COMMENT: usize = 40;
/// Event names listed.
const NAMES: usize = 40;

/// A source of events and what was guessed about it.
#[derive(Debug)]
pub(super) struct Source {
    /// As it is written.
    pub(super) path: String,
    pub(super) columns: EventColumns,
    pub(super) tally: Tally,
}

/// The account list and what was guessed about it.
#[derive(Debug)]
pub(super) struct List {
    /// As it is written.
    pub(super) path: String,
    /// `None` where it has no column of sign-ups.
    pub(super) columns: Option<ListColumns>,
}

/// Everything the project file says.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sources: Vec<Source>,
    pub(super) list: Option<List>,
    pub(super) roles: Roles,
    /// Event names over all sources, the most frequent first.
    pub(super) names: Vec<(String, u64)>,
    pub(super) observation: Chosen,
}

impl Plan {
    /// Write the project file.
    pub(super) fn text(&self) -> String {
        let mut page = Page::default();
        page.say("What pql reads and how, guessed from the files by `pql init`: change what was guessed wrong.");
        page.say("Paths count from the folder of this file, times are UTC, durations are a whole number and w, d, h or m.");
        page.say("A key that is not here has its default.");
        for source in &self.sources {
            page.source(source);
        }
        page.list(self.list.as_ref());
        page.roles(&self.roles, &self.names);
        page.observation(&self.observation);
        page.rest(&self.observation);
        page.0
    }
}

/// A TOML string; a comment may hold it too, since it has no line break.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A TOML array of strings.
fn strings(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|t| string(t)).collect::<Vec<_>>().join(", "))
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn say(&mut self, comment: &str) {
        self.0.push_str(format!("# {comment}").trim_end());
        self.0.push('\n');
    }

    fn section(&mut self, header: &str) {
        self.0.push('\n');
        self.0.push_str(header);
        self.0.push('\n');
    }

    /// `key = value`, and a comment where there is one.
    fn key(&mut self, key: &str, value: &str, comment: &str) {
        let pair = format!("{key} = {value}");
        if comment.is_empty() {
            self.0.push_str(&pair);
        } else {
            let _ = write!(self.0, "{pair:width$}  # {comment}", width = COMMENT - 2);
        }
        self.0.push('\n');
    }

    /// A key that does not hold until its `#` is removed.
    fn idle(&mut self, key: &str, value: &str, comment: &str) {
        self.key(&format!("# {key}"), value, comment);
    }

    /// A column that was found, or the key that would name it.
    fn column(&mut self, key: &str, found: Option<&String>, usual: &str, comment: &str) {
        match found {
            Some(name) => self.key(key, &string(name), comment),
            None => self.idle(key, &string(usual), &format!("{comment}; no such column was found")),
        }
    }

    fn source(&mut self, source: &Source) {
        let Source { path, columns, tally } = source;
        self.section("[[events]]");
        self.key("path", &string(path), "file, glob or folder; Parquet, CSV, NDJSON");
        self.key("account", &string(&columns.account), "the account: what converts");
        self.column("user", columns.user.as_ref(), "user_id", "the person in it");
        match &columns.naming {
            Naming::Column(name) => {
                let first = if tally.whole {
                    String::new()
                } else {
                    format!(", in the first {} rows", tally.rows)
                };
                self.key(
                    "event",
                    &string(name),
                    &format!("column of event names, {} of them{first}", tally.names.len()),
                );
            }
            Naming::One(name) => self.key(
                "event_name",
                &string(name),
                "no column names events: every row is this one",
            ),
            Naming::Unpivot(names) => {
                self.key("unpivot", &strings(names), "each an event where it is not 0");
            }
        }
        self.key(
            "timestamp",
            &string(&columns.timestamp),
            if columns.reading.format.is_some() { "when it happened" } else { TIMES_READ },
        );
        self.format(&columns.reading);
        self.column("received", columns.received.as_ref(), "received_at", "when it became known");
        self.column("id", columns.id.as_ref(), "message_id", "repeats of an id are dropped");
        if !columns.values.is_empty() {
            self.idle(
                "values",
                &strings(&columns.values),
                "numeric properties; without the first # they are summed per window",
            );
        }
    }

    fn format(&mut self, reading: &Reading) {
        let Some(format) = &reading.format else { return };
        match &reading.other {
            None => self.key("format", &string(format), "how its times are written"),
            Some(other) => {
                self.key(
                    "format",
                    &string(format),
                    &format!("{}; AMBIGUOUS, every time also fits the other:", order(format)),
                );
                self.idle("format", &string(other), order(other));
            }
        }
    }

    fn list(&mut self, list: Option<&List>) {
        let Some(List { path, columns: Some(columns) }) = list else {
            self.0.push('\n');
            if let Some(List { path, .. }) = list {
                self.say(&format!(
                    "{} has no column that looks like sign-ups, so it is not used:",
                    string(path)
                ));
            } else {
                self.say("No account list: an account begins at its first event.");
            }
            self.say("[accounts]");
            self.idle(
                "path",
                &list.map_or_else(|| string("accounts.csv"), |l| string(&l.path)),
                "",
            );
            self.idle("account", &string("account_id"), "");
            self.idle("signed_up", &string("signed_up_at"), "");
            self.idle("converted", &string("converted_at"), "");
            return;
        };
        self.section("[accounts]");
        self.key("path", &string(path), "a row per account");
        self.key("account", &string(&columns.account), "the account, as in the events");
        self.key(
            "signed_up",
            &string(&columns.signed_up),
            if columns.reading.format.is_some() { "sign-up" } else { TIMES_READ },
        );
        self.format(&columns.reading);
        self.column(
            "converted",
            columns.converted.as_ref(),
            "converted_at",
            "time of the conversion, empty: none",
        );
        self.column(
            "churned",
            columns.churned.as_ref(),
            "churned_at",
            "when the churn became known",
        );
        self.column(
            "seats",
            columns.seats.as_ref(),
            "seats",
            "granted at sign-up: if it changes on conversion, it leaks",
        );
        self.column("revenue", columns.revenue.as_ref(), "mrr", "never a feature");
        self.key(
            "attributes",
            &strings(&columns.attributes),
            "as known at sign-up; check that none changes later",
        );
        for (name, reason) in &columns.left_out {
            self.say(&format!("{} is left out: {reason}", string(name)));
        }
    }

    fn roles(&mut self, roles: &Roles, names: &[(String, u64)]) {
        self.section("[roles]");
        self.say("What events mean; an event without a role is plain usage.");
        let usage = |name: &&String| {
            !roles
                .usage()
                .into_iter()
                .chain(roles.not_usage())
                .any(|(_, in_role)| in_role.contains(name))
        };
        let value = names.iter().map(|(name, _)| name).find(usage);
        let comments = [
            ("login", "signing in"),
            ("value", "the core action: the value metric"),
            ("invite", "bringing in teammates"),
            ("limit", "hitting a limit of the free plan"),
            ("hand_raise", "asking for sales"),
            ("converted", "conversion as an event"),
            ("churned", "churn as an event"),
            ("exclude", "never usage: would leak the outcome"),
        ];
        for ((role, in_role), (key, comment)) in
            roles.usage().into_iter().chain(roles.not_usage()).zip(comments)
        {
            debug_assert_eq!(role, key);
            let comment = match value.filter(|_| role == "value") {
                Some(value) => format!("{comment}; perhaps [{}]", string(value)),
                None if role == "login" && in_role.is_empty() => {
                    format!("{comment}; no such event was found")
                }
                None => comment.to_owned(),
            };
            self.key(role, &strings(in_role), &comment);
        }
        self.say("");
        self.say(&format!(
            "Events found{}, most frequent first:",
            if names.len() > NAMES {
                format!(", {NAMES} of {}", names.len())
            } else {
                String::new()
            }
        ));
        for (name, n) in names.iter().take(NAMES) {
            self.say(&format!("{n:>10}  {}", string(name)));
        }
    }

    fn observation(&mut self, chosen: &Chosen) {
        let rule = &chosen.rule;
        let duration = |d: &dyn std::fmt::Display| string(&d.to_string());
        self.section("[observation]");
        self.key("at", "\"snapshot\"", "or \"age\": each account once, at sign-up + age");
        self.key("every", &duration(&rule.every), "time between two snapshots");
        self.idle("age", &duration(&rule.age), "only for at = \"age\"");
        self.key("min_age", &duration(&rule.min_age), "youngest accounts observed");
        self.key(
            "max_age",
            &duration(&rule.max_age),
            "oldest accounts observed; older ones are not scored",
        );
        self.key(
            "horizon",
            &duration(&rule.horizon),
            "a conversion counts within this time after the cutoff",
        );
        self.key("gap", &duration(&rule.gap), "lead time between cutoff and horizon");
        let (since, until) = chosen
            .span
            .clone()
            .unwrap_or_else(|| ("2025-01-01".to_owned(), "2025-12-31".to_owned()));
        self.idle(
            "since",
            &string(&since),
            "the log is complete from here on; default: its first event",
        );
        self.idle(
            "until",
            &string(&until),
            "the log is complete before this day; default: the day of its last event",
        );
    }

    fn rest(&mut self, chosen: &Chosen) {
        let usual = Config::default();
        let windows: Vec<String> = chosen
            .windows
            .as_ref()
            .unwrap_or(&usual.features.windows)
            .iter()
            .map(ToString::to_string)
            .collect();
        self.section("[features]");
        self.key("windows", &strings(&windows), "trailing windows, whole days");
        self.key(
            "counts",
            &usual.features.counts.to_string(),
            "how many event names get counts of their own",
        );
        self.section("[model]");
        self.key(
            "test",
            &usual.model.test.to_string(),
            "newest share of cutoffs held out to judge the model",
        );
        match chosen.min_conversions {
            None => self.key(
                "min_conversions",
                &usual.model.min_conversions.to_string(),
                "converting training accounts asked for",
            ),
            Some(n) => {
                let comment = format!(
                    "lowered from {}: the log has so few conversions, expect a weak model",
                    usual.model.min_conversions
                );
                self.key("min_conversions", &n.to_string(), &comment);
            }
        }
        self.key("seed", &usual.model.seed.to_string(), "of folds and hashes");
        self.section("[qualify]");
        self.key(
            "share",
            &crate::config::Qualify::SHARE.to_string(),
            "share of accounts that qualify",
        );
    }
}

/// How times are read that need no pattern.
const TIMES_READ: &str = "ISO 8601, YYYYMMDD or epoch";
