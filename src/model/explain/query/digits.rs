//! The digits of numbers, by the arithmetic of [`Number`](super::super::number::Number).

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
    pub(super) fn number_stages(&self, phrases: &Stage) -> [Stage; 6] {
        let each = |from: &str, add: &dyn Fn(Select, &Place) -> Select| {
            self.places.iter().fold(Select::extending(from), add)
        };
        [
            stage(
                SHOWN,
                "Values in the unit of the sentence, such as percent.",
                each(VALUES, &|select, place| {
                    select.column(&place.name("shown"), self.shown(place))
                }),
            ),
            stage(
                ROUNDED,
                "Units per 1 to which values are rounded; large values are counted in millions.",
                each(SHOWN, &|select, place| place.add_precision(select, phrases)),
            ),
            stage(
                PRECISE,
                "More digits where a value would look like the typical one.",
                each(ROUNDED, &|select, place| {
                    select.column(&place.name("fine"), place.fine_precision())
                }),
            ),
            stage(
                UNITS,
                "Values as whole numbers of units.",
                each(PRECISE, &|select, place| {
                    let fine = place.double(PRECISE, "fine");
                    let units = place.units(PRECISE, &fine).cast(Type::Integer);
                    select
                        .column(&place.name("units"), units)
                        .column(&place.name("units_per_1"), fine.cast(Type::Integer))
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
        ["typical", "typical_rounded", "typical_units_per_1", "typical_1e2", "typical_1e4"]
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

    /// Returns the units per 1 that distinguish a number from the typical one.
    fn fine_precision(&self) -> Expression {
        let column = |name: &str| self.double(ROUNDED, name);
        let precision = column("precision");
        let rounded =
            self.signed_units(&precision).divide(precision.clone()).divide(column("scale"));
        let looks_typical = rounded.equal(column("typical_rounded"));
        let differs = column("value").not_equal(column("typical"));
        let usual = Expression::call(
            Function::Greatest,
            vec![precision.clone(), column("typical_units_per_1")],
        );
        let branches = [("typical_1e2", FINER_UNITS[0]), ("typical_1e4", FINER_UNITS[1])].map(
            |(typical, units)| {
                let is_finer = usual.clone().less(double(units));
                let units = double(units);
                let is_other = self.signed_units(&units).not_equal(column(typical));
                (is_finer.and(is_other), units)
            },
        );
        let finer = Expression::case(branches.into(), double(FINER_UNITS[2]));
        Expression::case(vec![(differs.and(looks_typical), finer)], precision)
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
fn grouped(whole: &Expression) -> Expression {
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
