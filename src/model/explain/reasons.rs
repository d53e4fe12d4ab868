//! Reasons as sentences.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;

use crate::model::encoder::{Encoding, FeatureEncoder, Preprocessor, RawValue};

/// The text of the reasons that name one feature, around its value.
#[derive(Debug, Clone)]
struct ReasonTemplate {
    before: String,
    /// After the value 1.
    after_one: String,
    /// After any other value.
    after: String,
    /// Instead of all three, if the value is missing.
    missing: String,
}

impl ReasonTemplate {
    fn new(preprocessor: &Preprocessor, feature: usize) -> Self {
        let prepared = &preprocessor.features[feature];
        match &prepared.encoding {
            Encoding::Categorical(text) => {
                let typical = format!(" (typical: {})", text.mode);
                Self {
                    before: format!("{} = ", prepared.feature),
                    after_one: typical.clone(),
                    missing: format!("{} is missing{typical}", prepared.feature),
                    after: typical,
                }
            }
            Encoding::Numeric(number) => {
                let typical = format!(" (typical: {})", short(number.median));
                let window = window_words(prepared.window);
                match phrase(&prepared.measure, prepared.window.is_some()) {
                    Phrase::Counted { one, many } => Self {
                        before: String::new(),
                        after_one: format!(" {one}{window}{typical}"),
                        missing: format!("{many}{window}: unknown{typical}"),
                        after: format!(" {many}{window}{typical}"),
                    },
                    Phrase::Labeled(label) => Self {
                        before: format!("{label}{window}: "),
                        after_one: typical.clone(),
                        missing: format!("{label}{window}: unknown{typical}"),
                        after: typical,
                    },
                    Phrase::Named(name) => Self {
                        before: format!("{name} = "),
                        after_one: typical.clone(),
                        missing: format!("{name} is missing{typical}"),
                        after: typical,
                    },
                }
            }
        }
    }

    /// Writes the value, the typical value and the contribution to the log-odds.
    fn reason(&self, value: RawValue<'_>, contribution: f64) -> String {
        let value = match value {
            RawValue::Number(value) => value.map(short),
            RawValue::Text(value) => value.map(str::to_owned),
        };
        let Some(value) = value else { return format!("{}: {contribution:+.2}", self.missing) };
        let after = if value == "1" { &self.after_one } else { &self.after };
        format!("{}{value}{after}: {contribution:+.2}", self.before)
    }
}

/// Why a row has its score: one feature, its value and its contribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason<'a> {
    /// Index of the feature.
    pub feature: usize,
    /// Its value.
    pub value: RawValue<'a>,
    /// Contribution of its measure to the log-odds.
    pub contribution: f64,
}

/// Writes a reason: the value, the typical value and the contribution to the log-odds, such as
/// `12 active users in the last 7 days (typical: 4): +1.21`.
#[must_use]
pub fn reason(
    preprocessor: &Preprocessor,
    feature: usize,
    value: RawValue<'_>,
    contribution: f64,
) -> String {
    ReasonTemplate::new(preprocessor, feature).reason(value, contribution)
}

/// Returns a reason without its contribution, for tables that have a column for it.
#[must_use]
pub fn without_contribution(reason: &str) -> &str {
    reason.rsplit_once(": ").map_or(reason, |(text, _)| text)
}

/// Describes a feature, such as `active users in the last 7 days`.
#[must_use]
pub fn describe_feature(preprocessor: &Preprocessor, feature: usize) -> String {
    let prepared = &preprocessor.features[feature];
    match &prepared.encoding {
        Encoding::Categorical(_) => prepared.feature.clone(),
        Encoding::Numeric(_) => {
            let name = phrase(&prepared.measure, prepared.window.is_some()).into_name();
            name + &window_words(prepared.window)
        }
    }
}

/// Describes a measure over all of its windows, such as `active users`.
#[must_use]
pub fn describe_measure(preprocessor: &Preprocessor, measure: &str) -> String {
    let windowed =
        |prepared: &&FeatureEncoder| prepared.measure == measure && prepared.window.is_some();
    phrase(measure, preprocessor.features.iter().any(|prepared| windowed(&prepared))).into_name()
}

/// Returns whether a measure counts something, so that a larger value means more of it.
#[must_use]
pub fn is_count(preprocessor: &Preprocessor, measure: &str) -> bool {
    let windowed = preprocessor.features.iter().any(|p| p.measure == measure && p.window.is_some());
    matches!(phrase(measure, windowed), Phrase::Counted { .. })
}

/// Formats a raw value as reasons do.
#[must_use]
pub fn format_value(value: RawValue<'_>) -> String {
    match value {
        RawValue::Number(value) => value.map(short),
        RawValue::Text(value) => value.map(str::to_owned),
    }
    .unwrap_or_else(|| "unknown".to_owned())
}

/// Identifies the text of a reason by the numbers in it: reasons with equal keys have equal texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ReasonKey {
    feature: u32,
    /// Digits after the decimal point of the value; `None` where it is missing.
    digits: Option<u8>,
    /// The value in units of its last digit.
    value: i32,
    /// The contribution in hundredths.
    contribution: i32,
}

impl ReasonKey {
    /// Returns `None` for texts, and for numbers whose rounding is known only after formatting.
    fn new(reason: &Reason<'_>) -> Option<Self> {
        let (digits, value) = match reason.value {
            RawValue::Text(_) => return None,
            RawValue::Number(None) => (None, 0),
            RawValue::Number(Some(x)) => {
                let digits = decimal_places(x)?;
                (Some(digits), rounded(x * [1.0, 10.0, 100.0][usize::from(digits)])?)
            }
        };
        Some(Self {
            feature: u32::try_from(reason.feature).ok()?,
            digits,
            value,
            contribution: rounded(reason.contribution * 100.0)?,
        })
    }
}

/// Returns the nearest whole number; `None` if it is uncertain: near a half, beyond `i32`, and for
/// a signed 0.
fn rounded(x: f64) -> Option<i32> {
    /// Largest distance at which rounding errors of the product cannot change the result.
    const CLEAR: f64 = 0.499_999;
    #[expect(clippy::cast_possible_truncation, reason = "a saturated value is too far from `x`")]
    let whole = (x + 0.5_f64.copysign(x)) as i32;
    let is_clear = (x - f64::from(whole)).abs() < CLEAR;
    (is_clear && (whole != 0 || x == 0.0 && x.is_sign_positive())).then_some(whole)
}

/// The reason templates of all features of a model.
#[derive(Debug)]
pub struct ReasonTemplates(Vec<ReasonTemplate>);

impl ReasonTemplates {
    /// Writes the templates.
    #[must_use]
    pub fn new(preprocessor: &Preprocessor) -> Self {
        let features = 0..preprocessor.features.len();
        Self(features.map(|feature| ReasonTemplate::new(preprocessor, feature)).collect())
    }
}

/// Most texts that are kept from one batch of rows to the next: about 10 MB.
const MAX_RETAINED: usize = 1 << 17;

/// The distinct texts of the reasons of rows: each is written once, however many rows have it.
#[derive(Debug, Default)]
pub struct ReasonTexts {
    /// Shared with the tables built so far: adding a text while one of them exists copies it.
    texts: Arc<Vec<Arc<str>>>,
    by_key: HashMap<ReasonKey, u32>,
    by_text: HashMap<Arc<str>, u32>,
}

impl ReasonTexts {
    /// Returns the index of the text of a reason, which is that of [`reason`].
    pub fn intern(&mut self, templates: &ReasonTemplates, reason: &Reason<'_>) -> u32 {
        let text = || templates.0[reason.feature].reason(reason.value, reason.contribution);
        let Some(key) = ReasonKey::new(reason) else { return self.intern_text(&text()) };
        let next = next_index(&self.texts);
        match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                Arc::make_mut(&mut self.texts).push(text().into());
                *new.insert(next)
            }
        }
    }

    /// Returns the index of any text.
    pub fn intern_text(&mut self, text: &str) -> u32 {
        if let Some(index) = self.by_text.get(text) {
            return *index;
        }
        let (next, text) = (next_index(&self.texts), Arc::<str>::from(text));
        Arc::make_mut(&mut self.texts).push(text.clone());
        self.by_text.insert(text, next);
        next
    }

    /// Returns the texts by index; some may be equal.
    #[must_use]
    pub fn texts(&self) -> Arc<Vec<Arc<str>>> {
        self.texts.clone()
    }

    /// Returns these texts for later rows, or none of them if there are too many.
    #[must_use]
    pub fn retained(self) -> Self {
        if self.texts.len() > MAX_RETAINED { Self::default() } else { self }
    }
}

fn next_index(texts: &[Arc<str>]) -> u32 {
    u32::try_from(texts.len()).expect("fewer than 2³² reasons in a batch")
}

/// Formats a number with at most three significant digits after the leading ones, without trailing
/// zeros.
fn short(x: f64) -> String {
    let Some(places) = decimal_places(x) else {
        return if x.is_finite() { format!("{x:.1e}") } else { "unknown".to_owned() };
    };
    let rounded = format!("{x:.*}", usize::from(places));
    if rounded.contains('.') {
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        rounded
    }
}

/// Returns the decimal places of a number in a reason; `None` if it is written with an exponent or
/// not finite.
fn decimal_places(x: f64) -> Option<u8> {
    match x.abs() {
        0.0 => Some(2),
        size if !(0.005..1e9).contains(&size) => None,
        size if size >= 100.0 => Some(0),
        size if size >= 10.0 => Some(1),
        _ => Some(2),
    }
}

/// Form in which a sentence names a measure next to its value.
enum Phrase {
    /// The value, then a noun: `3 logins`.
    Counted {
        /// The noun for a value of 1.
        one: String,
        /// The noun for other values.
        many: String,
    },
    /// A label, then the value: `share of seats in use: 0.4`.
    Labeled(String),
    /// The name of a column: `employees = 50`.
    Named(String),
}

impl Phrase {
    fn counted(one: &str, many: &str) -> Self {
        Self::Counted { one: one.to_owned(), many: many.to_owned() }
    }

    /// Returns the name without a value.
    fn into_name(self) -> String {
        match self {
            Self::Counted { many: name, .. } | Self::Labeled(name) | Self::Named(name) => name,
        }
    }
}

/// Returns ` in the last 7 days`; empty without a window.
fn window_words(window: Option<u32>) -> String {
    match window {
        None => String::new(),
        Some(1) => " in the last day".to_owned(),
        Some(days) => format!(" in the last {days} days"),
    }
}

fn phrase(measure: &str, has_window: bool) -> Phrase {
    let counted = Phrase::counted;
    let labeled = |label: &str| Phrase::Labeled(label.to_owned());
    if !has_window {
        return match measure {
            "tenure_days" => counted("day since sign-up", "days since sign-up"),
            "events_total" => counted("event since sign-up", "events since sign-up"),
            "active_users_total" => counted("user since sign-up", "users since sign-up"),
            "features_used_total" => {
                counted("feature used since sign-up", "features used since sign-up")
            }
            "days_since_last_event" => {
                counted("day since the last event", "days since the last event")
            }
            "days_since_last_login" => {
                counted("day since the last login", "days since the last login")
            }
            "days_to_first_value" => {
                counted("day to first core action", "days to first core action")
            }
            other => Phrase::Named(other.to_owned()),
        };
    }
    match measure {
        "events" => counted("event", "events"),
        "logins" => counted("login", "logins"),
        "sessions" => counted("session", "sessions"),
        "invites" => counted("invite", "invites"),
        "login_days" => counted("day with a login", "days with a login"),
        "active_days" => counted("active day", "active days"),
        "active_users" => counted("active user", "active users"),
        "features_used" => counted("feature used", "features used"),
        "limit_hits" => counted("plan limit hit", "plan limit hits"),
        "hand_raises" => counted("sales request", "sales requests"),
        "feature_entropy" => labeled("event variety (entropy)"),
        "top_user_share" => labeled("busiest user's share of events"),
        "events_velocity" => labeled("growth in events"),
        "logins_velocity" => labeled("growth in logins"),
        "users_velocity" => labeled("growth in active users"),
        "breadth_velocity" => labeled("growth in features used"),
        "events_trend" => labeled("trend in daily events"),
        "seat_utilization" => labeled("share of seats in use"),
        other => match (other.strip_prefix("count_"), other.strip_prefix("sum_")) {
            (Some(event), _) => {
                Phrase::Counted { one: format!("{event} event"), many: format!("{event} events") }
            }
            (_, Some(property)) => labeled(&format!("sum of {property}")),
            _ => labeled(other),
        },
    }
}
