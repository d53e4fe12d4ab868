//! Operators: their words, and where operands need parentheses.

use crate::query::{Binary, Expression, Function, Node};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Returns the word between the operands.
pub(super) fn word(operator: Binary) -> &'static str {
    match operator {
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::DivideWhole => unreachable!("it has no word in common"),
        Binary::And => "AND",
        Binary::Or => "OR",
        Binary::Equal => "=",
        Binary::NotEqual => "<>",
        Binary::Less => "<",
        Binary::LessEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterEqual => ">=",
    }
}

/// Returns whether an alternative is null as without ELSE; another branch decides the type.
pub(super) fn is_default(branches: &[(Expression, Expression)], otherwise: &Expression) -> bool {
    let is_null = |value: &Expression| matches!(value.node, Node::Null);
    is_null(otherwise) && branches.iter().any(|(_, value)| !is_null(value))
}

/// Returns whether a dialect writes a function as an operator.
pub(super) fn is_operator(function: Function) -> bool {
    matches!(function, Function::FromMicros | Function::Like)
}

/// Returns whether nothing can bind more tightly than the expression.
pub(super) fn is_atom(expression: &Expression) -> bool {
    match &expression.node {
        Node::Not(_) | Node::IsNull(_) | Node::Binary(..) | Node::In(..) => false,
        Node::Call(function, _) => !is_operator(*function),
        _ => true,
    }
}

/// Returns whether an operand needs parentheses. Only what everybody reads the same way has none:
/// chains of one operator, products in sums, comparisons in conditions.
pub(super) fn needs_parentheses(operand: &Expression, operator: Binary, side: Side) -> bool {
    let Node::Binary(inner, ..) = &operand.node else {
        // NOT, IS NULL and IN bind more tightly than AND and OR.
        return !is_atom(operand) && !matches!(operator, Binary::And | Binary::Or);
    };
    let is_sum = |operator| matches!(operator, Binary::Add | Binary::Subtract);
    match operator {
        Binary::And | Binary::Or if matches!(inner, Binary::And | Binary::Or) => {
            *inner != operator || side == Side::Right
        }
        Binary::And | Binary::Or => false,
        Binary::Add | Binary::Subtract if is_sum(*inner) => side == Side::Right,
        Binary::Add | Binary::Subtract => *inner != Binary::Multiply,
        Binary::Multiply if *inner == Binary::Multiply => side == Side::Right,
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessEqual
        | Binary::Greater
        | Binary::GreaterEqual => !is_sum(*inner) && *inner != Binary::Multiply,
        _ => true,
    }
}
