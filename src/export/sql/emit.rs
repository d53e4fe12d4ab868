//! Writes a query as the SQL of an engine.

mod expression;
mod lines;
mod operators;

use std::collections::BTreeMap;

use super::dialect::{Barrier, Dialect};
use super::names;
use crate::query::{
    Expression, JoinKind, Node, Order, Output, Query, Rows, Select, Source, Stage, TableName, Type,
};

/// Name of the generated rows of a selection.
const GENERATED: &str = "computed";

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
            let other = |values: &Vec<Expression>| {
                values.iter().map(|value| self.typed_above(value)).collect::<Vec<_>>().join(", ")
            };
            let line = |(index, values): (usize, &Vec<Expression>)| {
                format!("    ({})", if index == 0 { first(values) } else { other(values) })
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
        let barrier = self.dialect.barrier(select.inlining);
        let is_generated = |column: &&Output| {
            barrier == Some(Barrier::LateralView)
                && !matches!(column.value.node, Node::Column { .. })
        };
        let (generated, direct): (Vec<&Output>, Vec<&Output>) =
            select.columns.iter().partition(is_generated);
        let generated: Vec<String> =
            generated.into_iter().map(|column| self.output(column, inner)).collect();
        let all_generated =
            (!generated.is_empty()).then(|| format!("{}{GENERATED}.*", spaces(inner)));
        let direct = direct.into_iter().map(|column| self.output(column, inner));
        let columns: Vec<String> = all.into_iter().chain(direct).chain(all_generated).collect();
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
        if !generated.is_empty() {
            let row = generated.join(",\n");
            sql +=
                &format!("\n{pad}LATERAL VIEW INLINE(ARRAY(STRUCT(\n{row}\n{pad}))) {GENERATED}");
        }
        if let Some(filter) = &select.filter {
            sql += &format!("\n{pad}WHERE {}", self.expression(filter, inner));
        }
        if !select.group_by.is_empty() {
            let keys: Vec<String> = select.group_by.iter().map(|key| self.inline(key)).collect();
            sql += &format!("\n{pad}GROUP BY {}", keys.join(", "));
        }
        if barrier == Some(Barrier::Offset) {
            sql += &format!("\n{pad}OFFSET 0");
        }
        sql
    }

    /// Writes an output column with its name.
    fn output(&self, column: &Output, indent: usize) -> String {
        let value = if self.is_narrow(&column.value) {
            self.widened(&column.value)
        } else {
            self.expression(&column.value, indent)
        };
        let name = self.column(&column.name);
        let is_same =
            matches!(&column.value.node, Node::Column { name, .. } if *name == column.name);
        let alias = if is_same { String::new() } else { format!(" AS {name}") };
        format!("{}{value}{alias}", spaces(indent))
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
}
