//! The features that reasons name, with their values.

use super::ranking::{FamilyColumns, RANKED};
use super::{CONCERN, ReasonRows, position, stage};
use crate::escape::one_line;
use crate::model::encoder::{CategoricalEncoding, Encoding, RawValue};
use crate::model::explain::texts::Reason;
use crate::query::{ColumnNames, Expression, Function, Select, Stage, Type};

/// Stage of the features that reasons name.
const NAMED: &str = "named_features";
/// Stage of their values.
pub(super) const VALUES: &str = "named_values";

impl ReasonRows<'_> {
    /// Writes the stages that find the feature of each reason, and its value.
    pub(super) fn value_stages(
        &self,
        families: &FamilyColumns,
        kept: &[(String, Type)],
        names: &mut ColumnNames,
    ) -> [Stage; 2] {
        let mut select = Select::extending(RANKED);
        for (index, place) in self.places.iter().enumerate() {
            let family = place.integer(RANKED, "family");
            let feature = families.leading_feature(&family, index != CONCERN);
            select = select.column(&place.name("feature"), feature);
        }
        let mut sentences = Vec::new();
        for feature in self.texts() {
            let encoder = &self.preprocessor.features[feature];
            let name = names.add(&format!("s_{}", encoder.feature));
            select = select.column(&name, self.level_sentence(feature));
            sentences.push((feature, name));
        }
        let comment =
            "Positions of the features that the reasons name, and the sentences of texts (s_).";
        let named = stage(NAMED, comment, select);
        [named, self.values(kept, &sentences)]
    }

    /// Returns the used features that are numbers.
    fn numbers(&self) -> impl Iterator<Item = usize> {
        self.used.iter().copied().filter(|feature| {
            matches!(self.preprocessor.features[*feature].encoding, Encoding::Numeric(_))
        })
    }

    /// Returns the used features that are texts.
    fn texts(&self) -> impl Iterator<Item = usize> {
        self.used.iter().copied().filter(|feature| {
            matches!(self.preprocessor.features[*feature].encoding, Encoding::Categorical(_))
        })
    }

    /// Writes the values of the features.
    fn values(&self, kept: &[(String, Type)], sentences: &[(usize, String)]) -> Stage {
        let mut select = Select::keeping(NAMED, kept);
        for place in &self.places {
            let feature = place.integer(NAMED, "feature");
            let pick = |features: &mut dyn Iterator<Item = (usize, &str)>, kind| {
                let branches = features.map(|(index, name)| {
                    let value = Expression::column(NAMED, name, kind);
                    (feature.clone().equal(position(index)), value)
                });
                Expression::case(branches.collect(), Expression::null(kind))
            };
            let name = |index: usize| (index, self.preprocessor.features[index].feature.as_str());
            let counting = |(index, count): (usize, usize)| (index, name(count).1);
            let mut sentences = sentences.iter().map(|(index, name)| (*index, name.as_str()));
            select = select
                .column(&place.name("largest"), place.double(NAMED, "largest"))
                .column(&place.name("feature"), feature.clone())
                .column(&place.name("value"), pick(&mut self.numbers().map(name), Type::Double))
                .column(&place.name("count"), pick(&mut self.counts().map(counting), Type::Double))
                .column(&place.name("level"), pick(&mut self.texts().map(name), Type::Text))
                .column(&place.name("sentence"), pick(&mut sentences, Type::Text));
        }
        stage(VALUES, "Values of these features, with the sentences of texts.", select)
    }

    /// Returns the sentence of a text.
    fn level_sentence(&self, feature: usize) -> Expression {
        let encoder = &self.preprocessor.features[feature];
        let Encoding::Categorical(text) = &encoder.encoding else {
            unreachable!("the feature is a text")
        };
        let raw = Expression::column(RANKED, &encoder.feature, Type::Text);
        let sentence = |value| {
            self.templates.reason(&Reason { feature, value: RawValue::Text(value), count: None })
        };
        let mut branches = vec![(raw.clone().is_null(), Expression::text(&sentence(None)))];
        // A known text with hidden characters has a sentence of its own.
        let (plain, hidden): (Vec<&str>, Vec<&str>) =
            known_levels(text).partition(|level| one_line(level) == *level);
        branches.extend(hidden.into_iter().map(|level| {
            let is_level = raw.clone().equal(Expression::text(level));
            (is_level, Expression::text(&sentence(Some(level))))
        }));
        let around = |[before, after]: [String; 2]| {
            let parts = vec![Expression::text(&before), raw.clone(), Expression::text(&after)];
            Expression::call(Function::Concat, parts)
        };
        let [known, unseen] = self.templates.around_level(feature);
        if !plain.is_empty() {
            let levels = plain.into_iter().map(Expression::text).collect();
            branches.push((raw.clone().is_in(levels), around(known)));
        }
        Expression::case(branches, around(unseen))
    }
}

/// Returns the texts of the training rows.
fn known_levels(text: &CategoricalEncoding) -> impl Iterator<Item = &str> {
    text.known_levels().chain(text.rare_levels.iter().map(String::as_str))
}
