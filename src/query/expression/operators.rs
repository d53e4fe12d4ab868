//! Columns, literals and operators.

use super::{Binary, Expression, Node, Type};

#[expect(clippy::wrong_self_convention, reason = "an expression is built from parts, not asked")]
impl Expression {
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
}
