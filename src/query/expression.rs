//! Typed expressions of a query.

mod functions;
mod operators;

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// True or false.
    Boolean,
    /// 64-bit integer; times are µs UTC.
    Integer,
    /// 64-bit floating point number.
    Double,
    /// Unicode text, compared by its bytes.
    Text,
    /// Time of the engine: a time that people read.
    Timestamp,
    /// Whatever type a column of a source table has; it is converted before it is used.
    Raw,
}

/// An expression of one type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    pub(crate) node: Node,
    pub(crate) kind: Type,
}

/// Operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient of doubles.
    Divide,
    /// Quotient of integers, neither negative, rounded down.
    DivideWhole,
    /// Conjunction.
    And,
    /// Disjunction.
    Or,
    /// Comparison: equal.
    Equal,
    /// Comparison: not equal.
    NotEqual,
    /// Comparison: less.
    Less,
    /// Comparison: less or equal.
    LessEqual,
    /// Comparison: greater.
    Greater,
    /// Comparison: greater or equal.
    GreaterEqual,
}

/// Function of values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// Absolute value.
    Abs,
    /// Largest integer that is not greater, as a double; for values within ±9e18.
    Floor,
    /// Natural logarithm of a positive double.
    Ln,
    /// Exponential function; overflow and underflow are cut off at exp(±700).
    Exp,
    /// Square root.
    Sqrt,
    /// Largest of at least two values, none of them null.
    Greatest,
    /// Smallest of at least two values, none of them null.
    Least,
    /// First value that is not null.
    Coalesce,
    /// Null if the two values are equal, else the first one.
    NullIf,
    /// The rest of a text from a position on, from 1.
    Substring,
    /// Text without zeros at its end.
    TrimZeros,
    /// Texts in a row, none of them null.
    Concat,
    /// Lower case of a text.
    Lower,
    /// Text without blanks, tabs and line breaks at both ends.
    Trim,
    /// Whether a text matches a pattern in which `%` is any text.
    Like,
    /// Text in which a whole number has no decimal point: `7` for `7.0`, `0` for `-0`.
    WholeNumber,
    /// Null if a double is NaN, else the double.
    NullIfNan,
    /// The current time of the engine.
    Now,
    /// Time of the engine → µs UTC.
    ToMicros,
    /// µs UTC, from 1685 to 2255 → time of the engine.
    FromMicros,
    /// Text → first 13 hexadecimal digits of its SHA-256, as an integer.
    HashPrefix,
}

/// Aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// Number of rows.
    CountRows,
    /// Sum; null without values.
    Sum,
    /// Smallest value; null without values.
    Min,
    /// Largest value; null without values.
    Max,
}

/// Function of a row and its neighbors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WindowFunction {
    /// Position in the partition, from 1.
    RowNumber,
    /// Value of the previous row of the partition; null in the first one.
    Lag(Box<Expression>),
    /// Aggregate over the whole partition; with an order, over the rows up to this one and those
    /// that are equal to it in the order.
    Aggregate(Aggregate, Box<Expression>),
}

/// Order of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) by: Expression,
    /// Largest first; nulls are always last.
    pub(crate) descending: bool,
}

/// Form of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A column, with the alias of its relation.
    Column {
        relation: String,
        name: String,
    },
    /// A parameter that the caller of the statement sets.
    Parameter(String),
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    Cast(Box<Expression>),
    /// A text as a time of the engine, given its strftime format.
    ParseTime(Box<Expression>, String),
    /// Membership in a list that is not empty.
    In(Box<Expression>, Vec<Expression>),
    Case {
        branches: Vec<(Expression, Expression)>,
        otherwise: Box<Expression>,
    },
    Call(Function, Vec<Expression>),
    /// An aggregate over the rows of a group that meet a condition.
    Aggregate {
        function: Aggregate,
        of: Box<Expression>,
        filter: Option<Box<Expression>>,
    },
    Window {
        function: WindowFunction,
        partition: Vec<Expression>,
        order: Vec<Order>,
    },
}

impl Expression {
    fn new(node: Node, kind: Type) -> Self {
        Self { node, kind }
    }
}
