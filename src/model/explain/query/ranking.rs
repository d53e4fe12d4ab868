//! The families with the largest contributions.

use super::{CONCERN, Place, position, stage};
use crate::model::Model;
use crate::model::explain::{Contributions, MIN_CONTRIBUTION};
use crate::query::{ColumnNames, Expression, Function, Select, Stage, Type};

/// Stage of the contributions of families.
const FAMILIES: &str = "families";
/// Stages that find the largest contributions, one after the other.
const RANKS: [[&str; 2]; 3] =
    [["largest", "first"], ["second_largest", "second"], ["third_largest", "third"]];
/// The last stage of the ranking.
pub(super) const RANKED: &str = RANKS[2][1];

/// The families that have contributions.
pub(super) struct FamilyColumns(Vec<FamilyColumn>);

/// A family of measures.
struct FamilyColumn {
    /// Column of its contribution.
    contribution: String,
    /// Features with the columns of their contributions.
    features: Vec<(usize, String)>,
    /// Columns of a family of several features.
    several: Option<SeveralFeatures>,
}

/// Columns of a family of several features.
struct SeveralFeatures {
    /// Largest and smallest contribution of a feature.
    extremes: [String; 2],
    /// Positions of the features with these contributions.
    leading: [String; 2],
}

impl FamilyColumns {
    pub(super) fn new(
        model: &Model,
        contributions: &[Option<String>],
        names: &mut ColumnNames,
    ) -> Self {
        let mut families = Vec::new();
        for family in Contributions::new(model).families {
            let features: Vec<(usize, String)> = family
                .features
                .iter()
                .filter_map(|(feature, _)| Some((*feature, contributions[*feature].clone()?)))
                .collect();
            let measure = &family.measures[0];
            let family = match &features[..] {
                [] => continue,
                [(_, only)] => FamilyColumn { contribution: only.clone(), features, several: None },
                _ => {
                    let mut pair =
                        |ends: [&str; 2]| ends.map(|end| names.add(&format!("{end}_{measure}")));
                    let several = SeveralFeatures {
                        extremes: pair(["most", "least"]),
                        leading: pair(["raising", "lowering"]),
                    };
                    let contribution = names.add(&format!("f_{measure}"));
                    FamilyColumn { contribution, features, several: Some(several) }
                }
            };
            families.push(family);
        }
        Self(families)
    }

    /// Returns the feature that explains most of the contribution of a family.
    ///
    /// # Arguments
    /// * `family` – position of the family
    /// * `raises` – whether the contribution raises the score
    pub(super) fn leading_feature(&self, family: &Expression, raises: bool) -> Expression {
        let branches = self.0.iter().enumerate().map(|(index, column)| {
            let feature = match &column.several {
                None => position(column.features[0].0),
                Some(several) => Expression::column(
                    RANKED,
                    &several.leading[usize::from(!raises)],
                    Type::Integer,
                ),
            };
            (family.clone().equal(position(index)), feature)
        });
        Expression::case(branches.collect(), Expression::null(Type::Integer))
    }
}

/// Returns the largest or the smallest of some values.
fn extreme(function: Function, values: Vec<Expression>) -> Expression {
    match <[Expression; 1]>::try_from(values) {
        Ok([only]) => only,
        Err(values) => Expression::call(function, values),
    }
}

fn double(stage: &str, name: &str) -> Expression {
    Expression::column(stage, name, Type::Double)
}

/// Writes the contributions of families.
pub(super) fn family_stage(families: &FamilyColumns, from: &str) -> Stage {
    let mut select = Select::extending(from);
    for family in &families.0 {
        let Some(several) = &family.several else { continue };
        let parts: Vec<Expression> =
            family.features.iter().map(|(_, name)| double(from, name)).collect();
        let [most, least] =
            [Function::Greatest, Function::Least].map(|function| extreme(function, parts.clone()));
        select = select
            .column(&family.contribution, Expression::sum(parts))
            .column(&several.extremes[0], most)
            .column(&several.extremes[1], least);
    }
    let comment = "Contributions of families of measures (f_), and the largest and smallest contribution of one of their features.";
    stage(FAMILIES, comment, select)
}

/// Writes the stages that find the three families that raise the score most, and the one that
/// lowers it most; of equal ones the first.
pub(super) fn ranking_stages(families: &FamilyColumns, places: &[Place; 4]) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut from = FAMILIES;
    for (rank, [largest, found]) in RANKS.into_iter().enumerate() {
        let mut select = Select::extending(from)
            .column(&places[rank].name("largest"), families.largest(from, &places[..rank]));
        if rank == 0 {
            let smallest = families.0.iter().map(|family| double(from, &family.contribution));
            let smallest = extreme(Function::Least, smallest.collect());
            select = families.leading(select.column(&places[CONCERN].name("largest"), smallest));
        }
        let comment = [
            "The largest and the smallest contribution, and the feature that explains most of each family.",
            "The largest contribution of the other families.",
            "The largest contribution of the remaining families.",
        ][rank];
        stages.push(stage(largest, comment, select));
        let mut select = Select::extending(largest).opaque().column(
            &places[rank].name("family"),
            families.position(largest, &places[rank], &places[..rank], true),
        );
        if rank == 0 {
            let concern = families.position(largest, &places[CONCERN], &[], false);
            select = select.column(&places[CONCERN].name("family"), concern);
        }
        let comment =
            "The position of its family; null if the contribution is too small to be shown.";
        stages.push(stage(found, comment, select));
        from = found;
    }
    stages
}

impl FamilyColumns {
    /// Returns the largest contribution of the families that are not found yet.
    fn largest(&self, from: &str, found: &[Place]) -> Expression {
        let contribution = |(index, family): (usize, &FamilyColumn)| {
            let is_found = found
                .iter()
                .map(|place| place.integer(from, "family").equal(position(index)))
                .reduce(Expression::or);
            let contribution = double(from, &family.contribution);
            match is_found {
                Some(is_found) => {
                    Expression::case(vec![(is_found, Expression::double(0.0))], contribution)
                }
                None => contribution,
            }
        };
        extreme(Function::Greatest, self.0.iter().enumerate().map(contribution).collect())
    }

    /// Adds the positions of the features that explain most of a family.
    fn leading(&self, mut select: Select) -> Select {
        for family in &self.0 {
            let Some(several) = &family.several else { continue };
            for (leading, extreme) in several.leading.iter().zip(&several.extremes) {
                let branches = family.features.iter().map(|(feature, name)| {
                    let is_extreme = double(FAMILIES, name).equal(double(FAMILIES, extreme));
                    (is_extreme, position(*feature))
                });
                let feature = Expression::case(branches.collect(), Expression::null(Type::Integer));
                select = select.column(leading, feature);
            }
        }
        select
    }

    /// Returns the position of the family with the contribution of a place.
    fn position(&self, from: &str, place: &Place, found: &[Place], raises: bool) -> Expression {
        let none = || Expression::null(Type::Integer);
        let size = place.double(from, "largest");
        let is_small = if raises {
            size.clone().less_equal(Expression::double(MIN_CONTRIBUTION))
        } else {
            size.clone().greater_equal(Expression::double(-MIN_CONTRIBUTION))
        };
        let branches = self.0.iter().enumerate().map(|(index, family)| {
            let is_equal = double(from, &family.contribution).equal(size.clone());
            let is_new =
                found.iter().map(|place| place.integer(from, "family").not_equal(position(index)));
            (is_new.fold(is_equal, Expression::and), position(index))
        });
        Expression::case(std::iter::once((is_small, none())).chain(branches).collect(), none())
    }
}
