//! Typed expressions of a query.

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
    /// Number of values that are not null.
    Count,
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

#[expect(clippy::wrong_self_convention, reason = "an expression is built from parts, not asked")]
impl Expression {
    fn new(node: Node, kind: Type) -> Self {
        Self { node, kind }
    }

    /// Returns a column of a relation.
    pub(crate) fn column(relation: &str, name: &str, kind: Type) -> Self {
        Self::new(Node::Column { relation: relation.to_owned(), name: name.to_owned() }, kind)
    }

    /// Returns a column of a source table, whose type is unknown.
    pub(crate) fn raw(relation: &str, name: &str) -> Self {
        Self::column(relation, name, Type::Raw)
    }

    /// Returns a parameter of the statement.
    pub(crate) fn parameter(name: &str, kind: Type) -> Self {
        Self::new(Node::Parameter(name.to_owned()), kind)
    }

    /// Returns a missing value.
    pub(crate) fn null(kind: Type) -> Self {
        Self::new(Node::Null, kind)
    }

    /// Returns a literal.
    pub(crate) fn boolean(value: bool) -> Self {
        Self::new(Node::Boolean(value), Type::Boolean)
    }

    /// Returns a literal.
    pub(crate) fn integer(value: i64) -> Self {
        Self::new(Node::Integer(value), Type::Integer)
    }

    /// Returns a literal; the value is finite.
    pub(crate) fn double(value: f64) -> Self {
        assert!(value.is_finite(), "engines have no common literal of {value}");
        Self::new(Node::Double(value), Type::Double)
    }

    /// Returns a literal.
    pub(crate) fn text(value: &str) -> Self {
        Self::new(Node::Text(value.to_owned()), Type::Text)
    }

    fn binary(self, operator: Binary, other: Self, kind: Type) -> Self {
        assert_eq!(self.kind, other.kind, "{operator:?} of {self:?} and {other:?}");
        Self::new(Node::Binary(operator, Box::new(self), Box::new(other)), kind)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let kind = self.kind;
        self.binary(Binary::Add, other, kind)
    }

    pub(crate) fn subtract(self, other: Self) -> Self {
        let kind = self.kind;
        self.binary(Binary::Subtract, other, kind)
    }

    pub(crate) fn multiply(self, other: Self) -> Self {
        let kind = self.kind;
        self.binary(Binary::Multiply, other, kind)
    }

    /// Adds at least one double. Long sums are sums of shorter ones, so that no engine meets deeply
    /// nested expressions.
    pub(crate) fn sum(terms: Vec<Self>) -> Self {
        /// Largest number of terms without parentheses.
        const CHAIN: usize = 16;
        if terms.len() <= CHAIN {
            return terms.into_iter().reduce(Self::add).expect("a sum has terms");
        }
        let chunks = terms.chunks(CHAIN).map(|chunk| Self::sum(chunk.to_vec()));
        Self::sum(chunks.collect())
    }

    /// Divides doubles.
    pub(crate) fn divide(self, other: Self) -> Self {
        assert_eq!(self.kind, Type::Double, "division of {self:?}");
        self.binary(Binary::Divide, other, Type::Double)
    }

    /// Divides integers, neither negative, rounding down.
    pub(crate) fn divide_whole(self, other: Self) -> Self {
        assert_eq!(self.kind, Type::Integer, "division of {self:?}");
        self.binary(Binary::DivideWhole, other, Type::Integer)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        self.binary(Binary::And, other, Type::Boolean)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        self.binary(Binary::Or, other, Type::Boolean)
    }

    /// Joins conditions; true without any.
    pub(crate) fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        conditions.into_iter().reduce(Self::and).unwrap_or_else(|| Self::boolean(true))
    }

    pub(crate) fn equal(self, other: Self) -> Self {
        self.binary(Binary::Equal, other, Type::Boolean)
    }

    pub(crate) fn not_equal(self, other: Self) -> Self {
        self.binary(Binary::NotEqual, other, Type::Boolean)
    }

    pub(crate) fn less(self, other: Self) -> Self {
        self.binary(Binary::Less, other, Type::Boolean)
    }

    pub(crate) fn less_equal(self, other: Self) -> Self {
        self.binary(Binary::LessEqual, other, Type::Boolean)
    }

    pub(crate) fn greater(self, other: Self) -> Self {
        self.binary(Binary::Greater, other, Type::Boolean)
    }

    pub(crate) fn greater_equal(self, other: Self) -> Self {
        self.binary(Binary::GreaterEqual, other, Type::Boolean)
    }

    pub(crate) fn negate(self) -> Self {
        Self::new(Node::Not(Box::new(self)), Type::Boolean)
    }

    pub(crate) fn is_null(self) -> Self {
        Self::new(Node::IsNull(Box::new(self)), Type::Boolean)
    }

    pub(crate) fn is_not_null(self) -> Self {
        self.is_null().negate()
    }

    /// Converts to another type: an integer or a text to a double, an integer to a text, a text or
    /// a whole double to an integer. A value that cannot be converted ends the statement.
    pub(crate) fn cast(self, kind: Type) -> Self {
        if self.kind == kind { self } else { Self::new(Node::Cast(Box::new(self)), kind) }
    }

    /// Parses a text as a time.
    ///
    /// # Arguments
    /// * `format` – strftime format that the dialect supports
    pub(crate) fn parse_time(self, format: &str) -> Self {
        Self::new(Node::ParseTime(Box::new(self), format.to_owned()), Type::Timestamp)
    }

    /// Returns whether the value is in a list; false for an empty list.
    pub(crate) fn is_in(self, list: Vec<Self>) -> Self {
        if list.is_empty() {
            return Self::boolean(false);
        }
        Self::new(Node::In(Box::new(self), list), Type::Boolean)
    }

    /// Returns the value of the first branch whose condition is true.
    pub(crate) fn case(branches: Vec<(Self, Self)>, otherwise: Self) -> Self {
        if branches.is_empty() {
            return otherwise;
        }
        let kind = otherwise.kind;
        assert!(branches.iter().all(|(_, value)| value.kind == kind), "branches of {kind:?}");
        Self::new(Node::Case { branches, otherwise: Box::new(otherwise) }, kind)
    }

    /// Calls a function.
    pub(crate) fn call(function: Function, arguments: Vec<Self>) -> Self {
        let kind = match function {
            Function::Floor
            | Function::Ln
            | Function::Exp
            | Function::Sqrt
            | Function::NullIfNan => Type::Double,
            Function::Concat
            | Function::Lower
            | Function::Trim
            | Function::WholeNumber
            | Function::Substring
            | Function::TrimZeros => Type::Text,
            Function::ToMicros | Function::HashPrefix => Type::Integer,
            Function::Like => Type::Boolean,
            Function::FromMicros | Function::Now => Type::Timestamp,
            Function::Abs
            | Function::Greatest
            | Function::Least
            | Function::Coalesce
            | Function::NullIf => arguments[0].kind,
        };
        Self::new(Node::Call(function, arguments), kind)
    }

    /// Aggregates an expression over the rows of a group.
    pub(crate) fn aggregate(function: Aggregate, of: Self) -> Self {
        let kind = match function {
            Aggregate::CountRows | Aggregate::Count => Type::Integer,
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => of.kind,
        };
        Self::new(Node::Aggregate { function, of: Box::new(of), filter: None }, kind)
    }

    /// Counts the rows of a group.
    pub(crate) fn count_rows() -> Self {
        Self::aggregate(Aggregate::CountRows, Self::integer(1))
    }

    /// Limits an aggregate to the rows that meet a condition.
    pub(crate) fn filter(self, condition: Self) -> Self {
        let Node::Aggregate { function, of, filter: None } = self.node else {
            panic!("only an aggregate without filter takes one: {:?}", self.node);
        };
        Self::new(Node::Aggregate { function, of, filter: Some(Box::new(condition)) }, self.kind)
    }

    /// Returns the position of a row in its partition, from 1.
    pub(crate) fn row_number(partition: Vec<Self>, order: Vec<Order>) -> Self {
        Self::new(
            Node::Window { function: WindowFunction::RowNumber, partition, order },
            Type::Integer,
        )
    }

    /// Returns the value of the previous row of the partition.
    pub(crate) fn lag(self, partition: Vec<Self>, order: Vec<Order>) -> Self {
        let kind = self.kind;
        let function = WindowFunction::Lag(Box::new(self));
        Self::new(Node::Window { function, partition, order }, kind)
    }

    /// Aggregates an expression over a whole partition.
    pub(crate) fn over(function: Aggregate, of: Self, partition: Vec<Self>) -> Self {
        let kind = Self::aggregate(function, of.clone()).kind;
        let function = WindowFunction::Aggregate(function, Box::new(of));
        Self::new(Node::Window { function, partition, order: Vec::new() }, kind)
    }

    /// Aggregates this expression over the rows of the partition up to this one, with all rows that
    /// are equal to it in the order.
    pub(crate) fn running(
        self,
        function: Aggregate,
        partition: Vec<Self>,
        order: Vec<Order>,
    ) -> Self {
        let kind = Self::aggregate(function, self.clone()).kind;
        let function = WindowFunction::Aggregate(function, Box::new(self));
        Self::new(Node::Window { function, partition, order }, kind)
    }

    /// Sorts by this expression, smallest first; nulls are last.
    pub(crate) fn ascending(self) -> Order {
        Order { by: self, descending: false }
    }

    /// Sorts by this expression, largest first; nulls are last.
    pub(crate) fn descending(self) -> Order {
        Order { by: self, descending: true }
    }
}
