//! Random expressions of the columns `b`, `i`, `d` and `t`.

use proptest::prelude::*;

use crate::query::{Binary, Expression, Function, Type};

/// Texts whose order by bytes is not alphabetic, with characters that SQL treats in its own way.
pub(super) const TEXTS: [&str; 14] = [
    "",
    "a",
    "B",
    "b",
    "é",
    "É",
    "Zoë",
    "a b",
    " \tpad\n",
    "it's",
    "a\\nb",
    "\"q\" `t`",
    "😀",
    "\u{ff5e}",
];

/// Returns expressions of a type.
pub(super) fn expressions(kind: Type) -> BoxedStrategy<Expression> {
    nested(kind, 4)
}

fn leaf(kind: Type) -> BoxedStrategy<Expression> {
    let name = match kind {
        Type::Boolean => "b",
        Type::Integer => "i",
        Type::Double => "d",
        Type::Text => "t",
        Type::Timestamp | Type::Raw => panic!("times are no part of random expressions"),
    };
    let column = Just(Expression::column("input", name, kind));
    let literal = match kind {
        Type::Boolean => any::<bool>().prop_map(Expression::boolean).boxed(),
        Type::Integer => prop_oneof![-5_i64..5, Just(2_000_000_000), Just(-2_000_000_000)]
            .prop_map(Expression::integer)
            .boxed(),
        Type::Double => prop_oneof![
            (-8_i32..8).prop_map(|n| f64::from(n) / 4.0),
            Just(1e-300),
            Just(0.1),
            Just(1e17)
        ]
        .prop_map(Expression::double)
        .boxed(),
        _ => proptest::sample::select(&TEXTS[..]).prop_map(Expression::text).boxed(),
    };
    prop_oneof![
        3 => column,
        3 => literal,
        1 => Just(Expression::null(kind)),
    ]
    .boxed()
}

fn nested(kind: Type, depth: u32) -> BoxedStrategy<Expression> {
    if depth == 0 {
        return leaf(kind);
    }
    let of = |kind| nested(kind, depth - 1);
    let any_kind =
        prop_oneof![Just(Type::Boolean), Just(Type::Integer), Just(Type::Double), Just(Type::Text)];
    let cases = (proptest::collection::vec((of(Type::Boolean), of(kind)), 1..3), of(kind))
        .prop_map(|(branches, otherwise)| Expression::case(branches, otherwise));
    let null_if = (of(kind), of(kind)).prop_map(|(a, b)| call(Function::NullIf, vec![a, b]));
    let coalesce = (of(kind), of(kind)).prop_map(|(a, b)| call(Function::Coalesce, vec![a, b]));
    let own = match kind {
        Type::Boolean => conditions(any_kind.boxed(), depth),
        Type::Integer => integers(depth),
        Type::Double => doubles(depth),
        _ => texts(depth),
    };
    prop_oneof![
        2 => leaf(kind),
        1 => cases,
        1 => null_if,
        1 => coalesce,
        8 => own,
    ]
    .boxed()
}

fn call(function: Function, arguments: Vec<Expression>) -> Expression {
    Expression::call(function, arguments)
}

fn binary(operator: Binary, a: Expression, b: Expression) -> Expression {
    match operator {
        Binary::Add => a.add(b),
        Binary::Subtract => a.subtract(b),
        Binary::Multiply => a.multiply(b),
        Binary::Divide => a.divide(call(Function::NullIf, vec![b, Expression::double(0.0)])),
        Binary::DivideWhole => {
            let positive = |value| call(Function::Abs, vec![value]);
            positive(a).divide_whole(positive(b).add(Expression::integer(1)))
        }
        Binary::And => a.and(b),
        Binary::Or => a.or(b),
        Binary::Equal => a.equal(b),
        Binary::NotEqual => a.not_equal(b),
        Binary::Less => a.less(b),
        Binary::LessEqual => a.less_equal(b),
        Binary::Greater => a.greater(b),
        Binary::GreaterEqual => a.greater_equal(b),
    }
}

fn conditions(any_kind: BoxedStrategy<Type>, depth: u32) -> BoxedStrategy<Expression> {
    let of = move |kind| nested(kind, depth - 1);
    let comparison = proptest::sample::select(
        &[
            Binary::Equal,
            Binary::NotEqual,
            Binary::Less,
            Binary::LessEqual,
            Binary::Greater,
            Binary::GreaterEqual,
        ][..],
    );
    let compared = (any_kind.clone(), comparison)
        .prop_flat_map(move |(kind, operator)| (Just(operator), of(kind), of(kind)))
        .prop_map(|(operator, a, b)| binary(operator, a, b));
    let is_null = any_kind.clone().prop_flat_map(of).prop_map(Expression::is_null);
    let is_not_null = any_kind.clone().prop_flat_map(of).prop_map(Expression::is_not_null);
    let listed = any_kind
        .prop_flat_map(move |kind| (of(kind), proptest::collection::vec(leaf(kind), 1..4)))
        .prop_map(|(value, list)| value.is_in(list));
    let junction = proptest::sample::select(&[Binary::And, Binary::Or][..]);
    let joined = (junction, of(Type::Boolean), of(Type::Boolean))
        .prop_map(|(operator, a, b)| binary(operator, a, b));
    prop_oneof![
        3 => compared,
        1 => is_null,
        1 => is_not_null,
        2 => listed.clone(),
        1 => listed.prop_map(Expression::negate),
        3 => joined,
        2 => of(Type::Boolean).prop_map(Expression::negate),
    ]
    .boxed()
}

fn integers(depth: u32) -> BoxedStrategy<Expression> {
    let of = |kind| nested(kind, depth - 1);
    let operator = proptest::sample::select(
        &[Binary::Add, Binary::Subtract, Binary::Multiply, Binary::DivideWhole][..],
    );
    prop_oneof![
        6 => (operator, of(Type::Integer), of(Type::Integer)).prop_map(|(o, a, b)| binary(o, a, b)),
        1 => of(Type::Integer).prop_map(|value| call(Function::Abs, vec![value])),
        1 => of(Type::Double).prop_map(|value| call(Function::Floor, vec![value]).cast(Type::Integer)),
        1 => extremes(Type::Integer, depth),
    ]
    .boxed()
}

fn doubles(depth: u32) -> BoxedStrategy<Expression> {
    let of = |kind| nested(kind, depth - 1);
    let operator = proptest::sample::select(
        &[Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide][..],
    );
    prop_oneof![
        6 => (operator, of(Type::Double), of(Type::Double)).prop_map(|(o, a, b)| binary(o, a, b)),
        1 => of(Type::Double).prop_map(|value| call(Function::Floor, vec![value])),
        1 => of(Type::Double)
            .prop_map(|value| call(Function::Sqrt, vec![call(Function::Abs, vec![value])])),
        1 => of(Type::Integer).prop_map(|value| value.cast(Type::Double)),
        1 => extremes(Type::Double, depth),
    ]
    .boxed()
}

fn texts(depth: u32) -> BoxedStrategy<Expression> {
    let of = |kind| nested(kind, depth - 1);
    let concat = proptest::collection::vec(of(Type::Text), 2..4).prop_map(|texts| {
        let known = |text| call(Function::Coalesce, vec![text, Expression::text("?")]);
        call(Function::Concat, texts.into_iter().map(known).collect())
    });
    prop_oneof![
        3 => concat,
        1 => of(Type::Text).prop_map(|text| call(Function::Lower, vec![text])),
        1 => of(Type::Text).prop_map(|text| call(Function::Trim, vec![text])),
        1 => of(Type::Integer).prop_map(|value| value.cast(Type::Text)),
        1 => extremes(Type::Text, depth),
    ]
    .boxed()
}

/// Returns largest and smallest values.
fn extremes(kind: Type, depth: u32) -> BoxedStrategy<Expression> {
    let function = proptest::sample::select(&[Function::Greatest, Function::Least][..]);
    (function, proptest::collection::vec(nested(kind, depth - 1), 2..4))
        .prop_map(move |(function, values)| {
            let fallback = match kind {
                Type::Integer => Expression::integer(1),
                Type::Double => Expression::double(1.0),
                _ => Expression::text("m"),
            };
            let known = |value| call(Function::Coalesce, vec![value, fallback.clone()]);
            call(function, values.into_iter().map(known).collect())
        })
        .boxed()
}
