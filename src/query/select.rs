//! Relational form of a statement: named stages, each a selection from tables and earlier stages.

use super::expression::{Expression, Order, Type};

/// A table of the engine: its name, with schema and catalog before it, each a part of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName(pub(crate) Vec<String>);

/// A relation that a stage reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// A table of the engine.
    Table(TableName),
    /// An earlier stage.
    Stage(String),
}

/// How two relations are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    /// Only pairs that meet the condition.
    Inner,
    /// Also rows of the first relation without a partner.
    Left,
    /// All pairs.
    Cross,
}

/// A relation joined to those before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) source: Source,
    /// Its name in expressions.
    pub(crate) alias: String,
    /// The condition; not used by a cross join.
    pub(crate) on: Expression,
}

/// An output column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) value: Expression,
}

/// Whether planners may replace the uses of a column by its expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inlining {
    /// As the planner likes.
    Allowed,
    /// Each column is computed once, however often the next stage uses it.
    Avoided,
    /// Not even for a moment: where each stage uses the columns of the previous one many times,
    /// the expressions would grow without limit.
    Forbidden,
}

/// A selection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    /// Whether all columns of `from` come before `columns`.
    pub(crate) all_columns: bool,
    pub(crate) columns: Vec<Output>,
    pub(crate) distinct: bool,
    pub(crate) from: Source,
    /// Name of `from` in expressions.
    pub(crate) alias: String,
    pub(crate) joins: Vec<Join>,
    /// Condition of rows.
    pub(crate) filter: Option<Expression>,
    /// Keys of groups; empty with aggregates in `columns`: one group of all rows.
    pub(crate) group_by: Vec<Expression>,
    /// Whether planners may replace the uses of a column by its expression.
    pub(crate) inlining: Inlining,
}

/// Rows of a stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    /// A selection.
    Select(Select),
    /// The rows of several selections with the same columns.
    Union(Vec<Select>),
    /// Constant rows: names and types of the columns, then at least one row of literals.
    Values { columns: Vec<(String, Type)>, rows: Vec<Vec<Expression>> },
}

/// A named stage of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// A sentence that says what its rows are.
    pub(crate) comment: String,
    pub(crate) rows: Rows,
}

/// A statement: its stages and the rows that it returns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    /// Lines at its top, such as the name of the model.
    pub(crate) comment: Vec<String>,
    pub(crate) stages: Vec<Stage>,
    /// The returned rows.
    pub(crate) select: Select,
    pub(crate) order_by: Vec<Order>,
}

impl Select {
    /// Selects from a relation without changing its rows; columns are added later.
    pub(crate) fn from(source: Source, alias: &str) -> Self {
        Self {
            all_columns: false,
            columns: Vec::new(),
            distinct: false,
            from: source,
            alias: alias.to_owned(),
            joins: Vec::new(),
            filter: None,
            group_by: Vec::new(),
            inlining: Inlining::Allowed,
        }
    }

    /// Selects from an earlier stage, under its own name.
    pub(crate) fn from_stage(stage: &str) -> Self {
        Self::from(Source::Stage(stage.to_owned()), stage)
    }

    /// Adds columns to all those of an earlier stage. Their expressions may be long: the next stage
    /// uses them as often as it likes.
    pub(crate) fn extending(stage: &str) -> Self {
        Self::extending_as(stage, stage)
    }

    /// Adds columns as [`Select::extending`], with a name for the stage in their expressions.
    pub(crate) fn extending_as(stage: &str, alias: &str) -> Self {
        let select = Self::from(Source::Stage(stage.to_owned()), alias);
        Self { all_columns: true, inlining: Inlining::Avoided, ..select }
    }

    /// Keeps all planners from replacing a column by its expression.
    #[must_use]
    pub(crate) fn opaque(self) -> Self {
        Self { inlining: Inlining::Forbidden, ..self }
    }

    /// Selects some columns of an earlier stage; others are added as by [`Select::extending`].
    pub(crate) fn keeping(stage: &str, columns: &[(String, Type)]) -> Self {
        let select = Self { inlining: Inlining::Avoided, ..Self::from_stage(stage) };
        columns.iter().fold(select, |select, (name, kind)| {
            select.column(name, Expression::column(stage, name, *kind))
        })
    }

    /// Adds an output column.
    #[must_use]
    pub(crate) fn column(mut self, name: &str, value: Expression) -> Self {
        self.columns.push(Output { name: name.to_owned(), value });
        self
    }

    /// Adds a column that is a key of the groups.
    #[must_use]
    pub(crate) fn key(mut self, name: &str, value: Expression) -> Self {
        self.group_by.push(value.clone());
        self.column(name, value)
    }

    /// Joins a stage under its own name.
    #[must_use]
    pub(crate) fn join_stage(self, kind: JoinKind, stage: &str, on: Expression) -> Self {
        self.join(kind, Source::Stage(stage.to_owned()), stage, on)
    }

    /// Joins a relation.
    #[must_use]
    pub(crate) fn join(
        mut self,
        kind: JoinKind,
        source: Source,
        alias: &str,
        on: Expression,
    ) -> Self {
        self.joins.push(Join { kind, source, alias: alias.to_owned(), on });
        self
    }

    /// Keeps the rows that meet a condition, in addition to earlier conditions.
    #[must_use]
    pub(crate) fn filter(mut self, condition: Expression) -> Self {
        self.filter = Some(match self.filter {
            Some(earlier) => earlier.and(condition),
            None => condition,
        });
        self
    }
}

impl Stage {
    /// Returns a column of this stage under the stage's own name.
    ///
    /// # Panics
    /// If the stage has no such column.
    pub(crate) fn output(&self, name: &str) -> Expression {
        let kind = match &self.rows {
            Rows::Select(select) => select_type(select, name),
            Rows::Union(selects) => select_type(&selects[0], name),
            Rows::Values { columns, .. } => {
                columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind)
            }
        };
        let kind = kind.unwrap_or_else(|| panic!("stage `{}` has no column `{name}`", self.name));
        Expression::column(&self.name, name, kind)
    }
}

fn select_type(select: &Select, name: &str) -> Option<Type> {
    select.columns.iter().find(|column| column.name == name).map(|column| column.value.kind)
}
