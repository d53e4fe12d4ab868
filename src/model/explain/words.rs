//! Reasons in words.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;

use crate::model::encoder::{Preprocessor, Raw, Way};

/// The words for the values of one feature, but for the value itself.
#[derive(Debug, Clone)]
struct Wording {
    before: String,
    after: String,
    /// Said instead where a number is missing.
    missing: String,
}

impl Wording {
    fn of(preprocessor: &Preprocessor, feature: usize) -> Self {
        let prepared = &preprocessor.features[feature];
        match &prepared.way {
            Way::Text(text) => {
                let (before, after) =
                    (format!("{} = ", prepared.feature), format!(", typical {}", text.typical));
                Self { missing: format!("{before}missing{after}"), before, after }
            }
            Way::Number(number) => {
                let typical = format!(", typical {}", short(number.typical));
                let missing = |words: &str| {
                    format!("{}: none known{typical}", words.trim_end_matches([':', '=', ' ']))
                };
                match phrase(&prepared.measure, prepared.window) {
                    Phrase::After(words) => Self {
                        missing: missing(&words),
                        before: String::new(),
                        after: format!(" {words}{typical}"),
                    },
                    Phrase::Before(words) => Self {
                        missing: missing(&words),
                        before: format!("{words} "),
                        after: typical,
                    },
                }
            }
        }
    }

    /// The value in words, the typical one, and the contribution to the log-odds.
    fn reason(&self, value: Raw<'_>, contribution: f64) -> String {
        let value = match value {
            Raw::Number(value) => value.map(short),
            Raw::Text(value) => value.map(str::to_owned),
        };
        match value {
            Some(value) => format!("{}{value}{}: {contribution:+.2}", self.before, self.after),
            None => format!("{}: {contribution:+.2}", self.missing),
        }
    }
}

/// What a reason tells of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason<'a> {
    /// The feature it names.
    pub feature: usize,
    /// Its value.
    pub value: Raw<'a>,
    /// What its measure adds to the log-odds.
    pub contribution: f64,
}

/// Put a reason in words: the value, the typical one and the contribution to the log-odds.
#[must_use]
pub fn reason(
    preprocessor: &Preprocessor,
    feature: usize,
    value: Raw<'_>,
    contribution: f64,
) -> String {
    Wording::of(preprocessor, feature).reason(value, contribution)
}

/// What a feature is, in words.
#[must_use]
pub fn what(preprocessor: &Preprocessor, feature: usize) -> String {
    let prepared = &preprocessor.features[feature];
    match (&prepared.way, phrase(&prepared.measure, prepared.window)) {
        (Way::Text(_), _) => prepared.feature.clone(),
        (Way::Number(_), Phrase::After(words) | Phrase::Before(words)) => {
            words.trim_end_matches([':', '=', ' ']).to_owned()
        }
    }
}

/// A value as a reason says it.
#[must_use]
pub fn said(value: Raw<'_>) -> String {
    match value {
        Raw::Number(value) => value.map(short),
        Raw::Text(value) => value.map(str::to_owned),
    }
    .unwrap_or_else(|| "none known".to_owned())
}

/// Identifies the words of a reason by the numbers in them: reasons with equal keys have equal
/// words.
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
    /// Returns `None` for texts and for numbers that are rounded only by writing them.
    fn new(reason: &Reason<'_>) -> Option<Self> {
        let (digits, value) = match reason.value {
            Raw::Text(_) => return None,
            Raw::Number(None) => (None, 0),
            Raw::Number(Some(x)) => {
                let digits = places(x)?;
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

/// The nearest whole number; `None` where that is no matter of course: next to a half, far out, and
/// at 0, which has a sign.
fn rounded(x: f64) -> Option<i32> {
    /// From here on to a half, rounding of the product could matter.
    const CLEAR: f64 = 0.499_999;
    #[expect(clippy::cast_possible_truncation, reason = "what is too large is too far from it")]
    let whole = (x + 0.5_f64.copysign(x)) as i32;
    let is_clear = (x - f64::from(whole)).abs() < CLEAR;
    (is_clear && (whole != 0 || x == 0.0 && x.is_sign_positive())).then_some(whole)
}

/// The words for the features of a model.
#[derive(Debug)]
pub struct Words(Vec<Wording>);

impl Words {
    /// Find the words.
    #[must_use]
    pub fn of(preprocessor: &Preprocessor) -> Self {
        Self(
            (0..preprocessor.features.len())
                .map(|feature| Wording::of(preprocessor, feature))
                .collect(),
        )
    }
}

/// Texts that are remembered from one batch of rows to the next: some 10 MB of them.
const KNOWN: usize = 1 << 17;

/// The texts of the reasons of rows: each is put into words once, however many rows have it.
#[derive(Debug, Default)]
pub struct Reasons {
    /// Shared with the tables that were made: it is copied where a text is added while one of
    /// these lives.
    texts: Arc<Vec<Arc<str>>>,
    by_key: HashMap<ReasonKey, u32>,
    by_text: HashMap<Arc<str>, u32>,
}

impl Reasons {
    /// The place among the texts of a reason, as [`reason`] puts it.
    pub fn place(&mut self, words: &Words, reason: &Reason<'_>) -> u32 {
        let text = || words.0[reason.feature].reason(reason.value, reason.contribution);
        let Some(key) = ReasonKey::new(reason) else { return self.place_of(&text()) };
        let next = next_place(&self.texts);
        match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                Arc::make_mut(&mut self.texts).push(text().into());
                *new.insert(next)
            }
        }
    }

    /// The place of any text.
    pub fn place_of(&mut self, text: &str) -> u32 {
        if let Some(place) = self.by_text.get(text) {
            return *place;
        }
        let (next, text) = (next_place(&self.texts), Arc::<str>::from(text));
        Arc::make_mut(&mut self.texts).push(text.clone());
        self.by_text.insert(text, next);
        next
    }

    /// The texts in their places; some may be equal.
    #[must_use]
    pub fn texts(&self) -> Arc<Vec<Arc<str>>> {
        self.texts.clone()
    }

    /// The same for rows that come later, with the texts that are known already unless they are too
    /// many.
    #[must_use]
    pub fn kept(self) -> Self {
        if self.texts.len() > KNOWN { Self::default() } else { self }
    }
}

fn next_place(texts: &[Arc<str>]) -> u32 {
    u32::try_from(texts.len()).expect("fewer than 2³² rows are worded at once")
}

/// A number as a person would say it.
fn short(x: f64) -> String {
    let Some(places) = places(x) else {
        return if x.is_finite() { format!("{x:.1e}") } else { "unknown".to_owned() };
    };
    let rounded = format!("{x:.*}", usize::from(places));
    if rounded.contains('.') {
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        rounded
    }
}

/// Places after the point with which a number is said; `None` where it has an exponent or is not
/// finite.
fn places(x: f64) -> Option<u8> {
    match x.abs() {
        0.0 => Some(2),
        size if !(0.005..1e9).contains(&size) => None,
        size if size >= 100.0 => Some(0),
        size if size >= 10.0 => Some(1),
        _ => Some(2),
    }
}

/// Words for a measure, standing after or before its value.
enum Phrase {
    After(String),
    Before(String),
}

fn phrase(measure: &str, window: Option<u32>) -> Phrase {
    let span = window.map_or(String::new(), |w| format!(" in the last {w} days"));
    let after = |words: &str| Phrase::After(format!("{words}{span}"));
    let before = |words: &str| Phrase::Before(format!("{words}{span}:"));
    if window.is_none() {
        return match measure {
            "tenure_days" => after("days since sign-up"),
            "events_total" => after("events so far"),
            "active_users_total" => after("users so far"),
            "features_used_total" => after("features used so far"),
            "days_since_last_event" => after("days since the last event"),
            "days_since_last_login" => after("days since the last login"),
            "days_to_first_value" => after("days from sign-up to the first core action"),
            other => Phrase::Before(format!("{other} =")),
        };
    }
    match measure {
        "events" | "logins" | "sessions" | "invites" => after(measure),
        "login_days" => after("days with a login"),
        "active_days" => after("active days"),
        "active_users" => after("active users"),
        "features_used" => after("features used"),
        "limit_hits" => after("hits of a plan limit"),
        "hand_raises" => after("requests for sales"),
        "feature_entropy" => before("spread of use over features"),
        "top_user_share" => before("share of the busiest user"),
        "events_velocity" => before("growth of events"),
        "logins_velocity" => before("growth of logins"),
        "users_velocity" => before("growth of active users"),
        "breadth_velocity" => before("growth of features used"),
        "events_trend" => before("daily trend of events"),
        "seat_utilization" => before("share of seats in use"),
        other => match (other.strip_prefix("count_"), other.strip_prefix("sum_")) {
            (Some(event), _) => after(&format!("× {event}")),
            (_, Some(value)) => before(&format!("sum of {value}")),
            _ => before(other),
        },
    }
}
