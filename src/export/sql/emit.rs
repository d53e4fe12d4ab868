//! Writes a query as the SQL of an engine.

use std::collections::BTreeMap;

use super::dialect::Dialect;
use super::names;
use crate::query::{
    Aggregate, Binary, Expression, Function, JoinKind, Node, Order, Query, Rows, Select, Source,
    Stage, TableName, Type, WindowFunction,
};

/// Width up to which an expression stays on one line.
const WIDTH: usize = 100;

/// Writes a query as one statement, without a semicolon at its end.
pub(crate) fn write_query(query: &Query, dialect: Dialect) -> String {
    let writer = Writer {
        dialect,
        renamed_columns: names::distinct(query, dialect),
        renamed_stages: names::apart_from_tables(query),
    };
    let mut sql = String::new();
    for line in &query.comment {
        push_comment(&mut sql, line);
    }
    for (index, stage) in query.stages.iter().enumerate() {
        sql += if index == 0 { "WITH\n" } else { ",\n\n" };
        writer.stage(stage, &mut sql);
    }
    sql += if query.stages.is_empty() { "" } else { "\n\n" };
    sql += &writer.select(&query.select, 0);
    if !query.order_by.is_empty() {
        sql += &format!("\nORDER BY {}", writer.order(&query.order_by));
    }
    sql.push('\n');
    sql
}

/// Writes a comment; no line of it can end the comment.
fn push_comment(sql: &mut String, text: &str) {
    for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        // In Spark, a backslash at the end of a line continues the comment.
        let end = if line.ends_with('\\') { "." } else { "" };
        *sql += &format!("-- {line}{end}\n");
    }
}

struct Writer {
    dialect: Dialect,
    /// New names of columns whose names the engine could confuse.
    renamed_columns: BTreeMap<String, String>,
    /// New names of stages that have the name of a table.
    renamed_stages: BTreeMap<String, String>,
}

fn spaces(indent: usize) -> String {
    " ".repeat(indent)
}

impl Writer {
    fn name(&self, name: &str) -> String {
        self.dialect.name_of(name)
    }

    /// Writes the name of a column of a stage.
    fn column(&self, name: &str) -> String {
        self.name(self.renamed_columns.get(name).map_or(name, String::as_str))
    }

    /// Writes the name of a stage, or the name of another relation in a selection.
    fn relation(&self, name: &str) -> String {
        self.name(self.renamed_stages.get(name).map_or(name, String::as_str))
    }

    fn table(&self, TableName(parts): &TableName) -> String {
        parts.iter().map(|part| self.name(part)).collect::<Vec<_>>().join(".")
    }

    fn source(&self, source: &Source, alias: &str) -> String {
        let name = match source {
            Source::Table(table) => self.table(table),
            Source::Stage(stage) => self.relation(stage),
        };
        let alias = self.relation(alias);
        if name == alias { name } else { format!("{name} AS {alias}") }
    }

    fn stage(&self, stage: &Stage, sql: &mut String) {
        push_comment(sql, &stage.comment);
        *sql += &self.relation(&stage.name);
        match &stage.rows {
            Rows::Select(select) => *sql += &format!(" AS (\n{}\n)", self.select(select, 2)),
            Rows::Union(selects) => {
                let selects: Vec<String> =
                    selects.iter().map(|select| self.select(select, 2)).collect();
                *sql += &format!(" AS (\n{}\n)", selects.join("\n  UNION ALL\n"));
            }
            Rows::Values { columns, rows } => *sql += &self.values(columns, rows),
        }
    }

    fn values(&self, columns: &[(String, Type)], rows: &[Vec<Expression>]) -> String {
        let row = |row: &Vec<Expression>| {
            row.iter().map(|value| self.inline(value)).collect::<Vec<_>>().join(", ")
        };
        if self.dialect.has_values() {
            let names: Vec<String> = columns.iter().map(|(name, _)| self.column(name)).collect();
            // The first row decides the types.
            let first = |values: &Vec<Expression>| {
                values.iter().map(|value| self.wide(value)).collect::<Vec<_>>().join(", ")
            };
            let line = |(index, values): (usize, &Vec<Expression>)| {
                format!("    ({})", if index == 0 { first(values) } else { row(values) })
            };
            let rows: Vec<String> = rows.iter().enumerate().map(line).collect();
            return format!(
                " AS (\n  SELECT * FROM (VALUES\n{}\n  ) AS v ({})\n)",
                rows.join(",\n"),
                names.join(", ")
            );
        }
        // Without VALUES, the first row names the columns.
        let named = |values: &Vec<Expression>| {
            let named = values.iter().zip(columns).map(|(value, (name, _))| {
                format!("{} AS {}", self.inline(value), self.column(name))
            });
            named.collect::<Vec<_>>().join(", ")
        };
        let rows: Vec<String> = rows
            .iter()
            .enumerate()
            .map(|(index, values)| {
                format!("  SELECT {}", if index == 0 { named(values) } else { row(values) })
            })
            .collect();
        format!(" AS (\n{}\n)", rows.join(" UNION ALL\n"))
    }

    fn select(&self, select: &Select, indent: usize) -> String {
        let (pad, inner) = (spaces(indent), indent + 2);
        let all = select
            .all_columns
            .then(|| format!("{}{}.*", spaces(inner), self.relation(&select.alias)));
        let columns = select.columns.iter().map(|column| {
            let value = if self.is_narrow(&column.value) {
                self.widened(&column.value)
            } else {
                self.expression(&column.value, inner)
            };
            let name = self.column(&column.name);
            let is_same =
                matches!(&column.value.node, Node::Column { name, .. } if *name == column.name);
            let alias = if is_same { String::new() } else { format!(" AS {name}") };
            format!("{}{value}{alias}", spaces(inner))
        });
        let columns: Vec<String> = all.into_iter().chain(columns).collect();
        let distinct = if select.distinct { " DISTINCT" } else { "" };
        let mut sql = format!(
            "{pad}SELECT{distinct}\n{}\n{pad}FROM {}",
            columns.join(",\n"),
            self.source(&select.from, &select.alias)
        );
        for join in &select.joins {
            let source = self.source(&join.source, &join.alias);
            let on = || self.expression(&join.on, inner);
            sql += &match join.kind {
                JoinKind::Inner => format!("\n{pad}JOIN {source} ON {}", on()),
                JoinKind::Left => format!("\n{pad}LEFT JOIN {source} ON {}", on()),
                JoinKind::Cross => format!("\n{pad}CROSS JOIN {source}"),
            };
        }
        if let Some(filter) = &select.filter {
            sql += &format!("\n{pad}WHERE {}", self.expression(filter, inner));
        }
        if !select.group_by.is_empty() {
            let keys: Vec<String> = select.group_by.iter().map(|key| self.inline(key)).collect();
            sql += &format!("\n{pad}GROUP BY {}", keys.join(", "));
        }
        if select.computed_once {
            sql += &self.dialect.barrier().map_or(String::new(), |end| format!("\n{pad}{end}"));
        }
        sql
    }

    fn order(&self, order: &[Order]) -> String {
        let by = |Order { by, descending }: &Order| {
            let collation = self.collation(by);
            let direction = if *descending { " DESC" } else { "" };
            format!("{}{collation}{direction} NULLS LAST", self.inline(by))
        };
        order.iter().map(by).collect::<Vec<_>>().join(", ")
    }

    /// Returns what follows an expression whose values are put in order.
    fn collation(&self, of: &Expression) -> &'static str {
        if of.kind == Type::Text { self.dialect.byte_order() } else { "" }
    }

    /// Writes an expression, over several lines if it is long; later lines are indented.
    fn expression(&self, expression: &Expression, indent: usize) -> String {
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

    /// Writes an expression on one line.
    fn inline(&self, expression: &Expression) -> String {
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
    fn is_narrow(&self, expression: &Expression) -> bool {
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
    fn wide(&self, expression: &Expression) -> String {
        if self.is_narrow(expression) { self.widened(expression) } else { self.inline(expression) }
    }

    fn widened(&self, expression: &Expression) -> String {
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
            Aggregate::CountRows | Aggregate::Count => format!("COUNT({value})"),
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Returns the word between the operands.
fn word(operator: Binary) -> &'static str {
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

/// Returns whether an alternative is null as without ELSE; another branch decides the type.
fn is_default(branches: &[(Expression, Expression)], otherwise: &Expression) -> bool {
    let is_null = |value: &Expression| matches!(value.node, Node::Null);
    is_null(otherwise) && branches.iter().any(|(_, value)| !is_null(value))
}

/// Returns whether a dialect writes a function as an operator.
fn is_operator(function: Function) -> bool {
    matches!(function, Function::FromMicros | Function::Like)
}

/// Returns whether nothing can bind more tightly than the expression.
fn is_atom(expression: &Expression) -> bool {
    match &expression.node {
        Node::Not(_) | Node::IsNull(_) | Node::Binary(..) | Node::In(..) => false,
        Node::Call(function, _) => !is_operator(*function),
        _ => true,
    }
}

/// Returns whether an operand needs parentheses. Only what everybody reads the same way has none:
/// chains of one operator, products in sums, comparisons in conditions.
fn needs_parentheses(operand: &Expression, operator: Binary, side: Side) -> bool {
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
