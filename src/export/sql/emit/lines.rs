//! Expressions over several lines.

use super::operators::{Side, is_default, needs_parentheses, word};
use super::{Writer, spaces};
use crate::query::{Binary, Expression, Node};

/// Width up to which an expression stays on one line.
const WIDTH: usize = 100;

impl Writer {
    /// Writes an expression, over several lines if it is long; later lines are indented.
    pub(super) fn expression(&self, expression: &Expression, indent: usize) -> String {
        let line = self.inline(expression);
        if line.chars().count() + indent <= WIDTH {
            return line;
        }
        let (pad, inner) = (spaces(indent), indent + 2);
        match &expression.node {
            Node::Case { branches, otherwise } => {
                let mut sql = "CASE".to_owned();
                for (condition, value) in branches {
                    sql += &format!(
                        "\n{}WHEN {} THEN {}",
                        spaces(inner),
                        self.expression(condition, inner + 2),
                        self.expression(value, inner + 2)
                    );
                }
                if !is_default(branches, otherwise) {
                    let otherwise = self.expression(otherwise, inner);
                    sql += &format!("\n{}ELSE {otherwise}", spaces(inner));
                }
                sql + &format!("\n{pad}END")
            }
            Node::Binary(operator, ..) if chain_word(*operator).is_some() => {
                let word = chain_word(*operator).expect("the operator has a word");
                let mut operands = Vec::new();
                flatten(expression, *operator, &mut operands);
                let operands: Vec<String> = operands
                    .into_iter()
                    .map(|operand| self.operand_lines(operand, *operator, inner))
                    .collect();
                if *operator == Binary::Add {
                    return fill(&operands, indent);
                }
                operands.join(&format!("\n{}{word} ", spaces(indent)))
            }
            _ => line,
        }
    }

    /// Writes an operand of a chain of one operator, over several lines if it is long.
    fn operand_lines(&self, operand: &Expression, operator: Binary, indent: usize) -> String {
        if needs_parentheses(operand, operator, Side::Right) {
            format!("({})", self.expression(operand, indent))
        } else {
            self.expression(operand, indent)
        }
    }
}

/// Returns the word of an operator whose long chains are written over several lines.
fn chain_word(operator: Binary) -> Option<&'static str> {
    matches!(operator, Binary::Add | Binary::And | Binary::Or).then(|| word(operator))
}

/// Writes a sum over as few lines as fit the width.
fn fill(operands: &[String], indent: usize) -> String {
    let mut sum = String::new();
    let mut width = indent;
    for operand in operands {
        let length = operand.chars().count() + " + ".len();
        if sum.is_empty() {
            width += length;
        } else if width + length > WIDTH || operand.contains('\n') {
            sum += &format!("\n{}+ ", spaces(indent));
            width = indent + length;
        } else {
            sum += " + ";
            width += length;
        }
        sum += operand;
    }
    sum
}

/// Collects the operands of a chain; a sum keeps its order of addition.
fn flatten<'a>(expression: &'a Expression, operator: Binary, into: &mut Vec<&'a Expression>) {
    match &expression.node {
        Node::Binary(inner, a, b) if *inner == operator => {
            flatten(a, operator, into);
            into.push(b);
        }
        _ => into.push(expression),
    }
}
