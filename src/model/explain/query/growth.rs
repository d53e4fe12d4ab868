//! The counts behind a growth, by the arithmetic of
//! [`WindowCounts`](super::super::growth::WindowCounts).

use super::digits::{NUMBERS, grouped};
use super::phrases::text;
use super::values::VALUES;
use super::{Place, ReasonRows, position};
use crate::model::explain::growth::{GrowthWords, NONE_BEFORE, TOLERANCE, TypicalGrowth};
use crate::model::explain::number::LARGEST;
use crate::model::explain::reasons::ReasonTemplate;
use crate::query::{Expression, Function, Select, Type};

/// Largest growth whose exponential is computed: with it, a product with a count is no number too
/// large for an engine. A growth of counts is below 21.
const LARGEST_GROWTH: f64 = 50.0;

fn double(value: f64) -> Expression {
    Expression::double(value)
}

fn call(function: Function, arguments: Vec<Expression>) -> Expression {
    Expression::call(function, arguments)
}

/// Returns a value where a condition is true, else null.
fn only_if(condition: Expression, value: Expression) -> Expression {
    Expression::case(vec![(condition, value)], Expression::null(Type::Double))
}

impl ReasonRows<'_> {
    /// Returns the used growths and trends, each with the feature that counts the same window.
    pub(super) fn counts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.used.iter().filter_map(|feature| Some((*feature, self.templates.count(*feature)?)))
    }

    /// Adds the earlier count plus 1 of a growth.
    pub(super) fn add_growth(&self, select: Select, place: &Place) -> Select {
        let (value, count) = (place.double(VALUES, "value"), place.double(VALUES, "count"));
        let growths: Vec<Expression> = self
            .counts()
            .filter(|(feature, _)| self.templates.template(*feature).clause.growth.is_some())
            .map(|(feature, _)| position(feature))
            .collect();
        let before_plus_1 = if growths.is_empty() {
            Expression::null(Type::Double)
        } else {
            let is_count = place
                .integer(VALUES, "feature")
                .is_in(growths)
                .and(count.clone().greater_equal(double(0.0)))
                .and(count.clone().less_equal(double(f64::from(LARGEST))))
                .and(call(Function::Floor, vec![count.clone()]).equal(count.clone()));
            let limited = call(Function::Least, vec![value, double(LARGEST_GROWTH)]);
            let limited = call(Function::Greatest, vec![limited, double(-LARGEST_GROWTH)]);
            let inverse = call(Function::Exp, vec![double(0.0).subtract(limited)]);
            only_if(is_count, count.add(double(1.0)).multiply(inverse))
        };
        select.column(&place.name("before_plus_1"), before_plus_1)
    }
}

impl Place {
    /// Adds the earlier count, if the growth has one.
    pub(super) fn add_before(&self, select: Select, from: &str) -> Select {
        let sum = self.double(from, "before_plus_1").add(double(0.5));
        let before = call(Function::Floor, vec![sum]).subtract(double(1.0));
        select.column(&self.name("before"), before)
    }

    /// Adds both counts; null where no two counts have the growth.
    pub(super) fn add_counts(&self, select: Select, from: &str) -> Select {
        let before = self.double(from, "before");
        let exact = self.double(from, "before_plus_1").subtract(double(1.0));
        let distance = call(Function::Abs, vec![exact.subtract(before.clone())]);
        let is_known = before
            .clone()
            .greater_equal(double(0.0))
            .and(before.clone().less_equal(double(f64::from(LARGEST))))
            .and(distance.less_equal(double(TOLERANCE)));
        select
            .column(
                &self.name("current_count"),
                only_if(is_known.clone(), self.double(from, "count")),
            )
            .column(&self.name("before_count"), only_if(is_known, before))
    }

    /// Adds both counts as whole numbers.
    pub(super) fn add_whole_counts(&self, select: Select, from: &str) -> Select {
        ["current", "before"].into_iter().fold(select, |select, name| {
            let count = self.double(from, &format!("{name}_count")).cast(Type::Integer);
            select.column(&self.name(&format!("{name}_whole")), count)
        })
    }

    /// Returns the branches of the clause of a growth with counts, and of a trend without events.
    ///
    /// # Arguments
    /// * `phrase` – returns a word of the sentence
    pub(super) fn change_clauses(
        &self,
        phrase: impl Fn(&str) -> Expression,
    ) -> [(Expression, Expression); 2] {
        let [current, before] =
            ["current_whole", "before_whole"].map(|name| self.integer(NUMBERS, name));
        let is = |count: &Expression, value| count.clone().equal(Expression::integer(value));
        let join = |texts| call(Function::Concat, texts);
        let first = Expression::case(
            vec![
                (is(&current, 0), join(vec![Expression::text("no"), phrase("after_current")])),
                (is(&current, 1), join(vec![Expression::text("1"), phrase("after_current_one")])),
            ],
            join(vec![grouped(&current), phrase("after_current")]),
        );
        let none = Expression::text(NONE_BEFORE);
        let second = Expression::case(vec![(is(&before, 0), none)], grouped(&before));
        let both = join(vec![first, second, phrase("after_before")]);
        let is_nothing = is(&current, 0).and(is(&before, 0));
        let is_trend = phrase("after_current").is_null().and(phrase("nothing").is_not_null());
        let is_empty = self.double(NUMBERS, "count").equal(double(0.0));
        [
            (before.is_not_null(), Expression::case(vec![(is_nothing, phrase("nothing"))], both)),
            (is_trend.and(is_empty), phrase("nothing")),
        ]
    }

    /// Returns the branch of the typical growth next to a value of the same direction.
    ///
    /// # Arguments
    /// * `phrase` – returns a word of the sentence
    pub(super) fn typical_growth(
        &self,
        phrase: impl Fn(&str) -> Expression,
    ) -> (Expression, Expression) {
        let [value, typical] = ["value", "typical"].map(|name| self.double(NUMBERS, name));
        let is_rise = |number: &Expression| number.clone().greater(double(0.0));
        let is_fall = |number: &Expression| number.clone().less(double(0.0));
        let rise = is_rise(&value).and(is_rise(&typical));
        let fall = is_fall(&value).and(is_fall(&typical));
        let is_growth = phrase("after_current").is_not_null();
        let [size, typical_size] = [value, typical].map(|number| call(Function::Abs, vec![number]));
        let is_smaller = typical_size.less(size);
        let words = |direction: f64| {
            let text = |form: TypicalGrowth| Expression::text(form.words(direction));
            let smaller = (is_smaller.clone(), text(TypicalGrowth::Smaller));
            Expression::case(vec![smaller], text(TypicalGrowth::Larger))
        };
        let words = Expression::case(vec![(rise.clone(), words(1.0))], words(-1.0));
        (is_growth.and(rise.or(fall)), words)
    }
}

impl ReasonTemplate {
    /// Returns the words of a growth, or of a trend without events; null without.
    pub(super) fn change_columns(&self) -> [(&'static str, Expression); 4] {
        let words = self.clause.growth.as_ref();
        let own = |word: fn(&GrowthWords) -> &String| text(words.map(word));
        let nothing = words.map(|words| &words.nothing).or(self.clause.no_events.as_ref());
        [
            ("after_current", own(|words| &words.after_current)),
            ("after_current_one", own(|words| &words.after_one)),
            ("after_before", own(|words| &words.after_before)),
            ("nothing", text(nothing)),
        ]
    }
}
