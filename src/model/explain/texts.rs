//! Texts of reasons, each written once.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;

use super::growth::ChangeForm;
use super::number::Magnitude;
use super::reasons::{Place, ReasonTemplates};
use crate::model::encoder::RawValue;

/// Why a row has its score: a feature and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason<'a> {
    /// Index of the feature.
    pub feature: usize,
    /// Its value.
    pub value: RawValue<'a>,
    /// Count of the same window, if it is a growth or a trend; `None` if unknown.
    pub count: Option<f64>,
}

/// Identifies the text of a reason by the rounded number in it: reasons with equal keys have equal
/// texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ReasonKey {
    feature: u32,
    /// The rounded number; `None` where it is missing.
    number: Option<RoundedNumber>,
    place: Place,
    form: ChangeForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RoundedNumber {
    units: u64,
    units_per_1: u64,
    magnitude: Magnitude,
    /// Whether the value is negative before it is converted to the unit of the sentence.
    is_negative: bool,
}

impl ReasonKey {
    /// Returns `None` for texts, which have their own cache.
    fn new(templates: &ReasonTemplates, reason: &Reason<'_>) -> Option<Self> {
        let feature = u32::try_from(reason.feature).ok()?;
        let RawValue::Number(value) = reason.value else { return None };
        let Some(value) = value else {
            let (place, form) = (Place::Inside, ChangeForm::default());
            return Some(Self { feature, number: None, place, form });
        };
        let (number, place, form) = templates.key(reason, value)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole numbers of at most 1e17"
        )]
        let [units, units_per_1] = [number.units(), number.units_per_1].map(|whole| whole as u64);
        let magnitude = number.magnitude;
        let number = RoundedNumber { units, units_per_1, magnitude, is_negative: value < 0.0 };
        Some(Self { feature, number: Some(number), place, form })
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
    /// By feature and level; a missing level is empty.
    by_level: HashMap<usize, HashMap<Box<str>, u32>>,
    by_text: HashMap<Arc<str>, u32>,
}

impl ReasonTexts {
    /// Returns the index of the text of a reason, which is that of [`ReasonTemplates::reason`].
    pub fn intern(&mut self, templates: &ReasonTemplates, reason: &Reason<'_>) -> u32 {
        let text = || templates.reason(reason);
        if let RawValue::Text(level) = reason.value {
            let level = level.unwrap_or_default();
            if let Some(known) = self.by_level.get(&reason.feature).and_then(|l| l.get(level)) {
                return *known;
            }
            let index = self.intern_text(&text());
            self.by_level.entry(reason.feature).or_default().insert(level.into(), index);
            return index;
        }
        let Some(key) = ReasonKey::new(templates, reason) else {
            return self.intern_text(&text());
        };
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
