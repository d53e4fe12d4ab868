//! The sentences of the reasons.

use super::digits::NUMBERS;
use super::{Place, REASONS, ReasonRows, stage};
use crate::model::explain::number::FINER_UNITS;
use crate::query::{Expression, Function, JoinKind, Select, Source, Stage, Type};

impl ReasonRows<'_> {
    /// Writes the stage of the reasons.
    pub(super) fn sentences(&self, phrases: &Stage, notes: &Stage) -> Stage {
        let select = self.places.iter().fold(Select::extending(NUMBERS), |select, place| {
            let words = Words { place, alias: place.name("phrase"), phrases };
            let is_own = words.phrase("feature").equal(place.integer(NUMBERS, "feature"));
            let is_found = place.integer(NUMBERS, "feature").is_not_null();
            let contribution = Expression::case(
                vec![(is_found, place.double(NUMBERS, "largest"))],
                Expression::null(Type::Double),
            );
            let select = select.join(
                JoinKind::Left,
                Source::Stage(phrases.name.clone()),
                &words.alias,
                is_own,
            );
            place
                .join_note(select, NUMBERS, notes)
                .column(&place.name("text"), words.sentence())
                .column(&place.name("measure"), words.phrase("measure"))
                .column(&place.name("value_text"), words.value())
                .column(&place.name("typical_text"), words.phrase("typical_value"))
                .column(&place.name("contribution"), contribution)
        });
        stage(REASONS, "Reasons as sentences.", select)
    }
}

/// The words of one reason.
struct Words<'a> {
    place: &'a Place,
    /// Name of the joined words.
    alias: String,
    phrases: &'a Stage,
}

impl Words<'_> {
    fn phrase(&self, name: &str) -> Expression {
        Expression::column(&self.alias, name, self.phrases.output(name).kind)
    }

    /// Returns the value as text.
    fn value(&self) -> Expression {
        let number = self.place.double(NUMBERS, "value").cast(Type::Text);
        let number = Expression::call(Function::WholeNumber, vec![number]);
        Expression::call(Function::Coalesce, vec![self.place.text(NUMBERS, "level"), number])
    }

    /// Returns the sentence; null without a reason.
    fn sentence(&self) -> Expression {
        let text = Expression::text;
        let parts = vec![
            self.clause(),
            text(" ("),
            self.note(),
            text("typical: "),
            self.typical(),
            text(")"),
        ];
        let of_number = Expression::call(Function::Concat, parts);
        let of_text = self.place.text(NUMBERS, "sentence");
        Expression::case(vec![(of_text.clone().is_not_null(), of_text)], of_number)
    }

    /// Returns the clause with the value.
    fn clause(&self) -> Expression {
        let (value, number) =
            (self.place.double(NUMBERS, "value"), self.place.text(NUMBERS, "number"));
        let is_not_0 = self.place.integer(NUMBERS, "units").greater(Expression::integer(0));
        let is_negative = value.clone().less(Expression::double(0.0)).and(is_not_0);
        let before = Expression::case(
            vec![(is_negative, self.phrase("before_negative"))],
            self.phrase("before_number"),
        );
        let is_one = number.clone().equal(Expression::text("1"));
        let after =
            Expression::case(vec![(is_one, self.phrase("after_one"))], self.phrase("after_number"));
        let is_unchanged = number.clone().equal(self.phrase("unchanged_at"));
        let [growth, no_events] = self.place.change_clauses(|word| self.phrase(word));
        Expression::case(
            vec![
                (value.is_null(), self.phrase("missing")),
                growth,
                no_events,
                (is_unchanged, self.phrase("unchanged")),
            ],
            Expression::call(Function::Concat, vec![before, number, after]),
        )
    }

    /// Returns the note on a value beyond those of the training rows; else an empty text.
    fn note(&self) -> Expression {
        let alias = self.place.name("note");
        let note = self.with_digits(|name| Expression::column(&alias, name, Type::Text));
        let side = self.place.integer(NUMBERS, "side");
        Expression::case(vec![(side.is_null(), Expression::text(""))], note)
    }

    /// Returns the text of the typical value.
    fn typical(&self) -> Expression {
        let usual = self.with_digits(|name| self.phrase(&format!("typical_{name}")));
        let of_missing = self.phrase("typical_of_missing");
        let is_missing = self.place.double(NUMBERS, "value").is_null();
        let is_other = is_missing.and(of_missing.clone().is_not_null());
        let growth = self.place.typical_growth(|word| self.phrase(word));
        Expression::case(vec![(is_other, of_missing), growth], usual)
    }

    /// Returns the text of a number with as many digits as the value has.
    fn with_digits(&self, text: impl Fn(&str) -> Expression) -> Expression {
        let fine = self.place.double(NUMBERS, "fine");
        let is = |units: f64| fine.clone().equal(Expression::double(units));
        let value = self.place.double(NUMBERS, "value");
        Expression::case(
            vec![
                (value.is_null().or(is(0.0)), text("text")),
                (is(FINER_UNITS[0]), text("text_1e2")),
                (is(FINER_UNITS[1]), text("text_1e4")),
            ],
            text("text_1e8"),
        )
    }
}
