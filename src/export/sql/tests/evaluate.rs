//! Values of expressions, computed in Rust.

use serde_json::{Value, json};

use crate::query::{Binary, Expression, Function, Node, Type};

/// A value of a row.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(super) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
}

use Cell::Null;

impl Cell {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Null => Value::Null,
            Self::Boolean(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Double(value) => json!(value),
            Self::Text(value) => json!(value),
        }
    }

    /// Returns the cell as a literal.
    pub(super) fn to_literal(&self, kind: Type) -> Expression {
        match self {
            Null => Expression::null(kind),
            Self::Boolean(value) => Expression::boolean(*value),
            Self::Integer(value) => Expression::integer(*value),
            Self::Double(value) => Expression::double(*value),
            Self::Text(value) => Expression::text(value),
        }
    }
}

/// Evaluates an expression of the columns of a row; `None` if a number in it is too large or small.
pub(super) fn evaluate(expression: &Expression, row: &[(&str, Cell)]) -> Option<Cell> {
    let value = |expression: &Expression| evaluate(expression, row);
    Some(match &expression.node {
        Node::Column { name, .. } => row.iter().find(|(column, _)| column == name)?.1.clone(),
        Node::Null => Null,
        Node::Boolean(value) => Cell::Boolean(*value),
        Node::Integer(value) => Cell::Integer(*value),
        Node::Double(value) => Cell::Double(*value),
        Node::Text(value) => Cell::Text(value.clone()),
        Node::Not(of) => match value(of)? {
            Cell::Boolean(value) => Cell::Boolean(!value),
            _ => Null,
        },
        Node::IsNull(of) => Cell::Boolean(value(of)? == Null),
        Node::Binary(operator, a, b) => binary(*operator, value(a)?, value(b)?)?,
        Node::Cast(of) => cast(value(of)?, expression.kind)?,
        Node::In(of, list) => {
            let of = value(of)?;
            let list = list.iter().map(value).collect::<Option<Vec<Cell>>>()?;
            match of {
                Null => Null,
                of if list.contains(&of) => Cell::Boolean(true),
                _ if list.contains(&Null) => Null,
                _ => Cell::Boolean(false),
            }
        }
        Node::Case { branches, otherwise } => {
            for (condition, result) in branches {
                if value(condition)? == Cell::Boolean(true) {
                    return value(result);
                }
            }
            value(otherwise)?
        }
        Node::Call(function, arguments) => {
            call(*function, arguments.iter().map(value).collect::<Option<Vec<Cell>>>()?)?
        }
        Node::Parameter(_) | Node::ParseTime(..) | Node::Aggregate { .. } | Node::Window { .. } => {
            return None;
        }
    })
}

fn binary(operator: Binary, a: Cell, b: Cell) -> Option<Cell> {
    use Binary as B;
    match (operator, &a, &b) {
        (B::And, Cell::Boolean(false), _) | (B::And, _, Cell::Boolean(false)) => {
            return Some(Cell::Boolean(false));
        }
        (B::Or, Cell::Boolean(true), _) | (B::Or, _, Cell::Boolean(true)) => {
            return Some(Cell::Boolean(true));
        }
        (_, Null, _) | (_, _, Null) => return Some(Null),
        _ => {}
    }
    let compared = match operator {
        B::And => return Some(Cell::Boolean(true)),
        B::Or => return Some(Cell::Boolean(false)),
        B::Equal => Some(a == b),
        B::NotEqual => Some(a != b),
        B::Less => Some(a < b),
        B::LessEqual => Some(a <= b),
        B::Greater => Some(a > b),
        B::GreaterEqual => Some(a >= b),
        _ => None,
    };
    if let Some(compared) = compared {
        return Some(Cell::Boolean(compared));
    }
    Some(match (a, b) {
        (Cell::Integer(a), Cell::Integer(b)) => Cell::Integer(match operator {
            B::Add => a.checked_add(b)?,
            B::Subtract => a.checked_sub(b)?,
            B::Multiply => a.checked_mul(b)?,
            _ => a.checked_div(b)?,
        }),
        (Cell::Double(a), Cell::Double(b)) => {
            let value = match operator {
                B::Add => a + b,
                B::Subtract => a - b,
                B::Multiply => a * b,
                _ => a / b,
            };
            // PostgreSQL refuses a product or quotient that is too small.
            let underflows = matches!(operator, B::Multiply | B::Divide)
                && a != 0.0
                && b != 0.0
                && value.abs() < f64::MIN_POSITIVE;
            (value.is_finite() && !underflows).then_some(Cell::Double(value))?
        }
        pair => panic!("{operator:?} of {pair:?}"),
    })
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as in SQL")]
fn cast(value: Cell, kind: Type) -> Option<Cell> {
    Some(match (value, kind) {
        (Null, _) => Null,
        (Cell::Integer(value), Type::Double) => Cell::Double(value as f64),
        (Cell::Integer(value), Type::Text) => Cell::Text(value.to_string()),
        (Cell::Double(value), Type::Integer) if value.abs() < 9e15 => Cell::Integer(value as i64),
        (Cell::Double(_), Type::Integer) => return None,
        pair => panic!("cast of {pair:?}"),
    })
}

fn call(function: Function, mut arguments: Vec<Cell>) -> Option<Cell> {
    match function {
        Function::Coalesce => {
            return Some(arguments.into_iter().find(|value| *value != Null).unwrap_or(Null));
        }
        Function::NullIf if arguments[0] == arguments[1] => return Some(Null),
        Function::NullIf => return Some(arguments.swap_remove(0)),
        _ if arguments.contains(&Null) => return Some(Null),
        _ => {}
    }
    let order = |a: &Cell, b: &Cell| a.partial_cmp(b).expect("finite values of one type");
    Some(match (function, &arguments[0]) {
        (Function::Abs, Cell::Integer(value)) => Cell::Integer(value.checked_abs()?),
        (Function::Abs, Cell::Double(value)) => Cell::Double(value.abs()),
        (Function::Floor, Cell::Double(value)) => Cell::Double(value.floor()),
        (Function::Sqrt, Cell::Double(value)) => Cell::Double(value.sqrt()),
        (Function::Greatest, _) => arguments.into_iter().max_by(order)?,
        (Function::Least, _) => arguments.into_iter().min_by(order)?,
        (Function::Lower, Cell::Text(text)) => Cell::Text(text.to_lowercase()),
        (Function::Trim, Cell::Text(text)) => {
            Cell::Text(text.trim_matches([' ', '\t', '\n', '\r']).to_owned())
        }
        (Function::Concat, _) => Cell::Text(
            arguments
                .into_iter()
                .map(|text| if let Cell::Text(text) = text { text } else { String::new() })
                .collect(),
        ),
        pair => panic!("call of {pair:?}"),
    })
}
