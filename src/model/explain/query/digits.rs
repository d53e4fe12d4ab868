//! The digits of numbers, by the arithmetic of [`Number`](super::super::number::Number).

use super::phrases::LIMITS;
use super::values::VALUES;
use super::{Place, ReasonRows, position, stage};
use crate::model::explain::number::{
    FINER_UNITS, FROM_MILLIONS, HALF, LARGEST, MILLIONS, MORE_MILLIONS, TINY, TO_MILLIONS,
    UNITS_BELOW_1, UNITS_OF_SMALL, UNITS_OF_TINY,
};
use crate::model::explain::wording::Unit;
use crate::query::{Expression, Function, JoinKind, Select, Source, Stage, Type};

const SHOWN: &str = "shown_values";
const ROUNDED: &str = "rounded_values";
const PRECISE: &str = "precise_values";
const UNITS: &str = "units";
const DIGITS: &str = "digits";
/// Stage of the numbers as texts.
pub(super) const NUMBERS: &str = "numbers";

fn double(value: f64) -> Expression {
    Expression::double(value)
}

impl ReasonRows<'_> {
    /// Writes the stages that turn the values of the reasons into texts.
    pub(super) fn number_stages(&self, phrases: &Stage, notes: &Stage) -> [Stage; 6] {
        let each = |from: &str, add: &dyn Fn(Select, &Place) -> Select| {
            self.places.iter().fold(Select::extending(from), add)
        };
        [
            stage(
                SHOWN,
                "Values in the unit of the sentence, such as percent, whether they have a note, and the earlier count of a growth.",
                each(VALUES, &|select, place| {
                    let select = select.column(&place.name("shown"), self.shown(place));
                    self.add_growth(place.add_side(select, phrases), place)
                }),
            ),
            stage(
                ROUNDED,
                "Units per 1 to which values are rounded; large values are counted in millions.",
                each(SHOWN, &|select, place| {
                    let select = place.add_noted(place.add_precision(select, phrases), notes);
                    place.add_before(select, SHOWN)
                }),
            ),
            stage(
                PRECISE,
                "More digits where different numbers of a sentence would look the same.",
                each(ROUNDED, &|select, place| {
                    let select = select.column(&place.name("fine"), place.fine_precision());
                    place.add_counts(select, ROUNDED)
                }),
            ),
            stage(
                UNITS,
                "Values as whole numbers of units.",
                each(PRECISE, &|select, place| {
                    let per_1 = ["precision", "fine"].map(|name| place.double(PRECISE, name));
                    let per_1 = Expression::call(Function::Greatest, per_1.into());
                    let units = place.units(PRECISE, &per_1).cast(Type::Integer);
                    let select = select
                        .column(&place.name("units"), units)
                        .column(&place.name("units_per_1"), per_1.cast(Type::Integer));
                    place.add_whole_counts(select, PRECISE)
                }),
            ),
            stage(
                DIGITS,
                "Whole part and decimal places.",
                each(UNITS, &|select, place| place.add_digits(select)),
            ),
            stage(
                NUMBERS,
                "Numbers as text, with thousands separators.",
                each(DIGITS, &|select, place| select.column(&place.name("number"), place.number())),
            ),
        ]
    }

    /// Returns a value in the unit of its sentence.
    fn shown(&self, place: &Place) -> Expression {
        let value = place.double(VALUES, "value");
        let mut units: Vec<(Unit, Vec<Expression>)> = Vec::new();
        for feature in &self.used {
            let unit = self.templates.template(*feature).unit;
            match units.iter_mut().find(|(known, _)| *known == unit) {
                Some((_, features)) => features.push(position(*feature)),
                None => units.push((unit, vec![position(*feature)])),
            }
        }
        let branches = units.into_iter().filter_map(|(unit, features)| {
            let shown = match unit {
                Unit::Factor(1.0) => return None,
                Unit::Factor(factor) => double(factor).multiply(value.clone()),
                Unit::Exponential => Expression::call(Function::Exp, vec![value.clone()]),
            };
            Some((place.integer(VALUES, "feature").is_in(features), shown))
        });
        Expression::case(branches.collect(), value.clone())
    }
}

impl Place {
    /// Adds the side of the training rows on which a value is: the position of its note.
    fn add_side(&self, select: Select, phrases: &Stage) -> Select {
        let alias = self.name("phrase");
        let value = || self.double(VALUES, "value");
        let [lower, upper, lowest, highest] =
            LIMITS.map(|limit| Expression::column(&alias, limit, Type::Double));
        let conditions = [
            value().less_equal(lower),
            value().greater_equal(upper),
            value().less(lowest),
            value().greater(highest),
        ];
        let branches = conditions.into_iter().enumerate();
        let branches = branches.map(|(side, is_beyond)| (is_beyond, position(side))).collect();
        let side = Expression::case(branches, Expression::null(Type::Integer));
        let feature = Expression::column(&alias, "feature", Type::Integer);
        let is_own = feature.equal(self.integer(VALUES, "feature"));
        select
            .join(JoinKind::Left, Source::Stage(phrases.name.clone()), &alias, is_own)
            .column(&self.name("side"), side)
    }

    /// Joins the note on a value, if it has one.
    pub(super) fn join_note(&self, select: Select, from: &str, notes: &Stage) -> Select {
        let alias = self.name("note");
        let is_equal = |name: &str| {
            Expression::column(&alias, name, Type::Integer).equal(self.integer(from, name))
        };
        let is_own = is_equal("feature").and(is_equal("side"));
        select.join(JoinKind::Left, Source::Stage(notes.name.clone()), &alias, is_own)
    }

    /// Adds what the number of a note has to compare.
    fn add_noted(&self, select: Select, notes: &Stage) -> Select {
        let alias = self.name("note");
        let select = self.join_note(select, SHOWN, notes);
        let add = |select: Select, (name, kind): (&str, Type)| {
            select.column(&self.name(name), Expression::column(&alias, name, kind))
        };
        let numbers = ["noted", "noted_rounded", "noted_1e2", "noted_1e4"];
        let select = numbers.into_iter().map(|name| (name, Type::Double)).fold(select, add);
        ["apart", "apart_1e2", "apart_1e4"]
            .into_iter()
            .map(|name| (name, Type::Integer))
            .fold(select, add)
    }

    /// Adds the precision of a number, and what the typical number has to compare.
    fn add_precision(&self, select: Select, phrases: &Stage) -> Select {
        let alias = self.name("phrase");
        let phrase = |name: &str, kind| Expression::column(&alias, name, kind);
        let size = Expression::call(Function::Abs, vec![self.double(SHOWN, "shown")]);
        let is_from = |limit: Expression| size.clone().greater_equal(limit);
        let precision = Expression::case(
            vec![
                (is_from(double(100.0)), double(1.0)),
                (is_from(double(10.0)), phrase("units_from_10", Type::Double)),
                (is_from(double(1.0)), phrase("units_from_1", Type::Double)),
                (is_from(phrase("small", Type::Double)), double(UNITS_BELOW_1)),
                (is_from(double(TINY)), double(UNITS_OF_SMALL)),
            ],
            double(UNITS_OF_TINY),
        );
        let scale = Expression::case(
            vec![(is_from(double(FROM_MILLIONS)), double(TO_MILLIONS))],
            double(1.0),
        );
        let is_own = phrase("feature", Type::Integer).equal(self.integer(SHOWN, "feature"));
        let select = select
            .join(JoinKind::Left, Source::Stage(phrases.name.clone()), &alias, is_own)
            .column(&self.name("precision"), precision)
            .column(&self.name("scale"), scale);
        ["typical", "typical_rounded", "typical_1e2", "typical_1e4"]
            .into_iter()
            .fold(select, |select, name| {
                select.column(&self.name(name), phrase(name, Type::Double))
            })
    }

    /// Returns the number of units, without a sign.
    fn units(&self, stage: &str, units_per_1: &Expression) -> Expression {
        let size = Expression::call(Function::Abs, vec![self.double(stage, "shown")]);
        let scaled = size.multiply(self.double(stage, "scale"));
        let capped = Expression::call(Function::Least, vec![scaled, double(f64::from(LARGEST))]);
        let units = capped.multiply(units_per_1.clone()).add(double(HALF));
        Expression::call(Function::Floor, vec![units])
    }

    /// Returns the number of units with its sign.
    fn signed_units(&self, units_per_1: &Expression) -> Expression {
        let is_negative = self.double(ROUNDED, "shown").less(double(0.0));
        let sign = Expression::case(vec![(is_negative, double(-1.0))], double(1.0));
        sign.multiply(self.units(ROUNDED, units_per_1))
    }

    /// Returns the least units per 1 that distinguish the numbers of a sentence; 0 if their usual
    /// units do.
    fn fine_precision(&self) -> Expression {
        let branches = [("1e2", FINER_UNITS[0]), ("1e4", FINER_UNITS[1])].map(|(end, units)| {
            let look_alike = self.look_alike(units, [end, &format!("apart_{end}")]);
            // Without a typical value or a note, a comparison is null.
            let integer = Expression::integer;
            let look_alike = Expression::case(vec![(look_alike, integer(1))], integer(0));
            (look_alike.equal(integer(0)), double(units))
        });
        let finer = Expression::case(branches.into(), double(FINER_UNITS[2]));
        Expression::case(vec![(self.look_alike(0.0, ["rounded", "apart"]), finer)], double(0.0))
    }

    /// Returns whether different numbers of a sentence look the same.
    ///
    /// # Arguments
    /// * `least` – least units per 1
    /// * `[end, apart]` – end of the columns with the typical and the noted number in these units,
    ///   and the column of whether these two differ
    fn look_alike(&self, least: f64, [end, apart]: [&str; 2]) -> Expression {
        let column = |name: &str| self.double(ROUNDED, name);
        let units = Expression::call(Function::Greatest, vec![column("precision"), double(least)]);
        let rounded = self.signed_units(&units).divide(units).divide(column("scale"));
        let is_like = |other: &str| {
            let looks_like = rounded.clone().equal(column(&format!("{other}_{end}")));
            looks_like.and(column("value").not_equal(column(other)))
        };
        let others_look_alike = self.integer(ROUNDED, apart).equal(Expression::integer(0));
        is_like("typical").or(is_like("noted")).or(others_look_alike)
    }

    /// Adds the whole part and the decimal places.
    fn add_digits(&self, select: Select) -> Select {
        let (units, per_1) = (self.integer(UNITS, "units"), self.integer(UNITS, "units_per_1"));
        let whole = units.clone().divide_whole(per_1.clone());
        let rest = units.subtract(whole.clone().multiply(per_1.clone()));
        let decimals = after_first(per_1.add(rest));
        select
            .column(&self.name("whole"), whole)
            .column(&self.name("decimals"), Expression::call(Function::TrimZeros, vec![decimals]))
    }

    /// Returns the number as text, without a sign.
    fn number(&self) -> Expression {
        let text = Expression::text;
        let decimals = self.text(DIGITS, "decimals");
        let point = Expression::case(
            vec![(decimals.clone().equal(text("")), text(""))],
            Expression::call(Function::Concat, vec![text("."), decimals]),
        );
        let scale = self.double(DIGITS, "scale");
        let is_most =
            self.integer(DIGITS, "whole").greater_equal(Expression::integer(LARGEST.into()));
        let suffix = Expression::case(
            vec![(scale.equal(double(1.0)), text("")), (is_most, text(MORE_MILLIONS))],
            text(MILLIONS),
        );
        let whole = grouped(&self.integer(DIGITS, "whole"));
        Expression::call(Function::Concat, vec![whole, point, suffix])
    }
}

/// Returns the digits of a number after the first one.
fn after_first(number: Expression) -> Expression {
    Expression::call(Function::Substring, vec![number.cast(Type::Text), Expression::integer(2)])
}

/// Returns a whole number below 10⁹ with thousands separators.
pub(super) fn grouped(whole: &Expression) -> Expression {
    let integer = Expression::integer;
    let parts = |divisor: i64| whole.clone().divide_whole(integer(divisor));
    let rest = |divisor: i64| {
        // Three digits after a 1.
        let group = parts(divisor).subtract(parts(1_000 * divisor).multiply(integer(1_000)));
        after_first(integer(1_000).add(group))
    };
    let comma = || Expression::text(",");
    let join = |texts| Expression::call(Function::Concat, texts);
    let is_from = |limit: i64| whole.clone().greater_equal(integer(limit));
    let thousands = join(vec![parts(1_000).cast(Type::Text), comma(), rest(1)]);
    let millions =
        join(vec![parts(1_000_000).cast(Type::Text), comma(), rest(1_000), comma(), rest(1)]);
    Expression::case(
        vec![(is_from(1_000_000), millions), (is_from(1_000), thousands)],
        whole.clone().cast(Type::Text),
    )
}
