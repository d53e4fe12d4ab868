//! Expressions on one line.

use super::Writer;
use super::operators::{Side, is_atom, is_default, is_operator, needs_parentheses, word};
use crate::query::{Aggregate, Binary, Expression, Function, Node, Order, Type, WindowFunction};

impl Writer {
    /// Writes an expression on one line.
    pub(super) fn inline(&self, expression: &Expression) -> String {
        let dialect = self.dialect;
        match &expression.node {
            Node::Column { relation, name } if expression.kind == Type::Raw => {
                format!("{}.{}", self.relation(relation), self.name(name))
            }
            Node::Column { relation, name } => {
                format!("{}.{}", self.relation(relation), self.column(name))
            }
            Node::Parameter(name) => dialect.parameter(name),
            Node::Null => format!("CAST(NULL AS {})", dialect.type_name(expression.kind)),
            Node::Boolean(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
            Node::Integer(value) if *value < 0 => format!("({value})"),
            Node::Integer(value) => value.to_string(),
            Node::Double(value) => dialect.double(*value),
            Node::Text(value) => dialect.text(value),
            Node::Not(of) => match &of.node {
                Node::IsNull(of) => format!("{} IS NOT NULL", self.operand(of)),
                Node::In(of, list) => format!("{} NOT IN ({})", self.operand(of), self.list(list)),
                _ => format!("NOT {}", self.operand(of)),
            },
            Node::IsNull(of) => format!("{} IS NULL", self.operand(of)),
            Node::Binary(operator, a, b) => self.binary(*operator, a, b),
            Node::Cast(of) => {
                format!("CAST({} AS {})", self.inline(of), dialect.type_name(expression.kind))
            }
            Node::ParseTime(of, format) => dialect.parse_time(&self.inline(of), format),
            Node::In(of, list) => format!("{} IN ({})", self.operand(of), self.list(list)),
            Node::Case { branches, otherwise } => {
                let whens: Vec<String> = branches
                    .iter()
                    .map(|(condition, value)| {
                        format!("WHEN {} THEN {}", self.inline(condition), self.inline(value))
                    })
                    .collect();
                let otherwise = if is_default(branches, otherwise) {
                    String::new()
                } else {
                    format!(" ELSE {}", self.inline(otherwise))
                };
                format!("CASE {}{otherwise} END", whens.join(" "))
            }
            Node::Call(function, arguments) => {
                let is_order = matches!(function, Function::Greatest | Function::Least);
                let collation = if is_order { self.collation(expression) } else { "" };
                let mut arguments: Vec<String> =
                    arguments.iter().map(|argument| self.argument(argument, *function)).collect();
                arguments.first_mut().into_iter().for_each(|first| *first += collation);
                dialect.call(*function, &arguments)
            }
            Node::Aggregate { function, of, filter } => {
                self.aggregate(*function, of, filter.as_deref(), expression.kind)
            }
            Node::Window { function, partition, order } => self.window(function, partition, order),
        }
    }

    fn binary(&self, operator: Binary, a: &Expression, b: &Expression) -> String {
        let is_arithmetic = matches!(
            operator,
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::DivideWhole
        );
        let overflows = is_arithmetic && self.is_narrow(a) && self.is_narrow(b);
        let first = |operand: &dyn Fn() -> String| {
            if overflows { self.widened(a) } else { operand() }
        };
        if operator == Binary::DivideWhole {
            let (a, b) = (first(&|| self.operand(a)), self.operand(b));
            return self.dialect.divide_whole(&a, &b);
        }
        let is_order = matches!(
            operator,
            Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual
        );
        let collation = if is_order { self.collation(a) } else { "" };
        let a = first(&|| self.side(a, operator, Side::Left));
        format!("{a} {} {}{collation}", word(operator), self.side(b, operator, Side::Right))
    }

    /// Returns whether the engine gives an integer expression a type of 32 bits, as small literals
    /// have in some engines.
    pub(super) fn is_narrow(&self, expression: &Expression) -> bool {
        if expression.kind != Type::Integer || !self.dialect.has_narrow_integers() {
            return false;
        }
        match &expression.node {
            Node::Integer(value) => i32::try_from(*value).is_ok(),
            Node::Case { branches, otherwise } => {
                branches.iter().all(|(_, value)| self.is_narrow(value))
                    && (is_default(branches, otherwise) || self.is_narrow(otherwise))
            }
            // NULLIF has the type of its first argument.
            Node::Call(Function::NullIf, arguments) => self.is_narrow(&arguments[0]),
            Node::Call(function, arguments) => {
                let is_choice = matches!(
                    function,
                    Function::Abs | Function::Greatest | Function::Least | Function::Coalesce
                );
                is_choice && arguments.iter().all(|argument| self.is_narrow(argument))
            }
            Node::Aggregate { function: Aggregate::Min | Aggregate::Max, of, .. }
            | Node::Window {
                function:
                    WindowFunction::Lag(of)
                    | WindowFunction::Aggregate(Aggregate::Min | Aggregate::Max, of),
                ..
            } => self.is_narrow(of),
            _ => false,
        }
    }

    /// Writes a value on one line; an integer has 64 bits.
    pub(super) fn wide(&self, expression: &Expression) -> String {
        if self.is_narrow(expression) { self.widened(expression) } else { self.inline(expression) }
    }

    /// Writes a literal of a row of `VALUES`, whose type the first row decides.
    pub(super) fn typed_above(&self, expression: &Expression) -> String {
        match expression.node {
            Node::Double(value) => self.dialect.double_below_another(value),
            _ => self.inline(expression),
        }
    }

    pub(super) fn widened(&self, expression: &Expression) -> String {
        format!("CAST({} AS {})", self.inline(expression), self.dialect.type_name(Type::Integer))
    }

    /// Writes an argument; functions written as operators get operands.
    fn argument(&self, argument: &Expression, function: Function) -> String {
        if function == Function::Concat || is_operator(function) {
            self.operand(argument)
        } else {
            self.inline(argument)
        }
    }

    fn aggregate(
        &self,
        function: Aggregate,
        of: &Expression,
        filter: Option<&Expression>,
        kind: Type,
    ) -> String {
        let has_clause = self.dialect.has_filter_clause();
        let value = match (function, filter) {
            (Aggregate::CountRows, Some(filter)) if !has_clause => {
                format!("CASE WHEN {} THEN 1 END", self.inline(filter))
            }
            (Aggregate::CountRows, _) => "*".to_owned(),
            (_, Some(filter)) if !has_clause => {
                format!("CASE WHEN {} THEN {} END", self.inline(filter), self.inline(of))
            }
            _ => self.inline(of),
        };
        let call = match function {
            Aggregate::CountRows => format!("COUNT({value})"),
            Aggregate::Sum => format!("SUM({value})"),
            Aggregate::Min => format!("MIN({value}{})", self.collation(of)),
            Aggregate::Max => format!("MAX({value}{})", self.collation(of)),
        };
        let call = match filter {
            Some(filter) if has_clause => format!("{call} FILTER (WHERE {})", self.inline(filter)),
            _ => call,
        };
        self.plain_sum(function, kind, call)
    }

    /// Converts the sum of integers, which some engines return as a wider type, to an integer.
    fn plain_sum(&self, function: Aggregate, kind: Type, call: String) -> String {
        if function == Aggregate::Sum && kind == Type::Integer {
            format!("CAST({call} AS {})", self.dialect.type_name(Type::Integer))
        } else {
            call
        }
    }

    fn window(
        &self,
        function: &WindowFunction,
        partition: &[Expression],
        order: &[Order],
    ) -> String {
        let mut over = Vec::new();
        if !partition.is_empty() {
            over.push(format!("PARTITION BY {}", self.list(partition)));
        }
        if !order.is_empty() {
            over.push(format!("ORDER BY {}", self.order(order)));
        }
        let over = format!("OVER ({})", over.join(" "));
        match function {
            WindowFunction::RowNumber => format!("ROW_NUMBER() {over}"),
            WindowFunction::Lag(of) => format!("LAG({}) {over}", self.inline(of)),
            WindowFunction::Aggregate(function, of) => {
                let call = self.aggregate(*function, of, None, Type::Double);
                self.plain_sum(*function, of.kind, format!("{call} {over}"))
            }
        }
    }

    fn list(&self, expressions: &[Expression]) -> String {
        expressions.iter().map(|item| self.inline(item)).collect::<Vec<_>>().join(", ")
    }

    /// Writes one side of an operator.
    fn side(&self, operand: &Expression, operator: Binary, side: Side) -> String {
        if needs_parentheses(operand, operator, side) {
            format!("({})", self.inline(operand))
        } else {
            self.inline(operand)
        }
    }

    /// Writes an expression so that any operator may follow or precede it.
    fn operand(&self, expression: &Expression) -> String {
        if is_atom(expression) {
            self.inline(expression)
        } else {
            format!("({})", self.inline(expression))
        }
    }
}
