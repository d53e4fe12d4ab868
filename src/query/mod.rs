//! Typed relational form of a statement: what a table means, computed by any engine.
//!
//! Next to the code that computes a table, a `query` module builds the same table from these
//! types. [`export::sql`](crate::export::sql) writes them in the dialect of an engine.

mod expression;
mod names;
mod select;
pub(crate) mod stages;
mod table_name;

pub(crate) use expression::{
    Aggregate, Binary, Expression, Function, Node, Order, Type, WindowFunction,
};
pub(crate) use names::ColumnNames;
pub(crate) use select::{
    Inlining, JoinKind, Output, Query, Rows, Select, Source, Stage, TableName,
};
