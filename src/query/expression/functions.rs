//! Cases, functions, aggregates and windows.

use super::{Aggregate, Expression, Function, Node, Order, Type, WindowFunction};

impl Expression {
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
            Aggregate::CountRows => Type::Integer,
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
