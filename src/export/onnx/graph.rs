//! Builds a graph of ONNX operators.

use super::proto::{
    AttributeProto, DimensionProto, ElementType, GraphProto, INT_ATTRIBUTE, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// Name of the number of rows.
const ROWS: &str = "N";

/// A value in a graph: an input, a constant or an output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// A graph under construction.
#[derive(Debug)]
pub(super) struct GraphBuilder {
    graph: GraphProto,
    /// Start of the names of inner values, which no input or output has.
    prefix: String,
}

impl GraphBuilder {
    /// Starts a graph.
    ///
    /// # Arguments
    /// * `reserved` – names of the inputs and outputs
    pub(super) fn new(name: &str, reserved: &[&str]) -> Self {
        let mut prefix = "/".to_owned();
        while reserved.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('/');
        }
        Self { graph: GraphProto { name: name.to_owned(), ..GraphProto::default() }, prefix }
    }

    /// Returns the finished graph.
    pub(super) fn finish(self) -> GraphProto {
        self.graph
    }

    /// Adds an input with one value per row.
    pub(super) fn input(&mut self, name: &str, element: ElementType) -> Value {
        self.graph.input.push(value_info(name, element, ""));
        Value(name.to_owned())
    }

    /// Adds a value of shape (rows) as an output with a description.
    pub(super) fn output(&mut self, name: &str, element: ElementType, value: &Value, doc: &str) {
        self.graph.output.push(value_info(name, element, doc));
        self.push("Identity", &[value], &[], name.to_owned());
    }

    /// Adds an operator with one output.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.node_with(operator, inputs, &[])
    }

    /// Adds an operator with parameters and one output.
    pub(super) fn node_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        parameters: &[(&str, i64)],
    ) -> Value {
        let output = self.inner_name(operator);
        self.push(operator, inputs, parameters, output)
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        parameters: &[(&str, i64)],
        output: String,
    ) -> Value {
        let attribute = |&(name, value): &(&str, i64)| AttributeProto {
            name: name.to_owned(),
            i: Some(value),
            r#type: INT_ATTRIBUTE,
        };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: operator.to_owned(),
            attribute: parameters.iter().map(attribute).collect(),
        });
        Value(output)
    }

    /// Adds the `count` largest values of each row of a matrix. Returns values and column indices;
    /// of equal values the first column is first.
    pub(super) fn largest(&mut self, matrix: &Value, count: usize) -> (Value, Value) {
        let count = self.int64s(&[signed(count)], &[1]);
        let (values, indices) = (self.inner_name("Largest"), self.inner_name("LargestIndex"));
        self.push("TopK", &[matrix, &count], &[("axis", 1)], values.clone());
        if let Some(node) = self.graph.node.last_mut() {
            node.output.push(indices.clone());
        }
        (Value(values), Value(indices))
    }

    /// Returns an unused name.
    fn inner_name(&self, operator: &str) -> String {
        let number = self.graph.node.len() + self.graph.initializer.len();
        format!("{}{operator}_{number}", self.prefix)
    }

    fn constant(&mut self, tensor: TensorProto) -> Value {
        let name = self.inner_name("Constant");
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        Value(name)
    }

    /// Adds constant numbers.
    ///
    /// # Arguments
    /// * `shape` – empty for a single number
    pub(super) fn doubles(&mut self, values: &[f64], shape: &[usize]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(tensor(ElementType::Double, shape, bytes))
    }

    /// Adds a constant number.
    pub(super) fn double(&mut self, value: f64) -> Value {
        self.doubles(&[value], &[])
    }

    /// Adds a constant row of numbers.
    pub(super) fn row(&mut self, values: &[f64]) -> Value {
        self.doubles(values, &[1, values.len()])
    }

    /// Adds constant whole numbers.
    pub(super) fn int64s(&mut self, values: &[i64], shape: &[usize]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(tensor(ElementType::Int64, shape, bytes))
    }

    /// Adds a constant row of truth values.
    pub(super) fn bools(&mut self, values: &[bool]) -> Value {
        let bytes = values.iter().map(|value| u8::from(*value)).collect();
        self.constant(tensor(ElementType::Bool, &[1, values.len()], bytes))
    }

    /// Adds a constant row of texts.
    pub(super) fn strings(&mut self, values: &[&str]) -> Value {
        let mut strings = tensor(ElementType::String, &[1, values.len()], Vec::new());
        strings.string_data = values.iter().map(|text| text.as_bytes().to_vec()).collect();
        self.constant(strings)
    }

    /// Converts truth values to 1 and 0.
    pub(super) fn indicator(&mut self, condition: &Value) -> Value {
        self.node_with("Cast", &[condition], &[("to", ElementType::Double as i64)])
    }

    /// Joins matrices side by side.
    pub(super) fn beside(&mut self, matrices: &[Value]) -> Value {
        match matrices {
            [only] => only.clone(),
            _ => self.node_with("Concat", &matrices.iter().collect::<Vec<_>>(), &[("axis", 1)]),
        }
    }

    /// Takes columns of a matrix.
    pub(super) fn columns(&mut self, matrix: &Value, columns: &[usize]) -> Value {
        let columns: Vec<i64> = columns.iter().map(|column| signed(*column)).collect();
        let indices = self.int64s(&columns, &[columns.len()]);
        self.node_with("Gather", &[matrix, &indices], &[("axis", 1)])
    }

    /// Takes a column of a matrix, as a vector.
    pub(super) fn column(&mut self, matrix: &Value, column: usize) -> Value {
        let index = self.int64s(&[signed(column)], &[]);
        self.node_with("Gather", &[matrix, &index], &[("axis", 1)])
    }

    /// Finds NaN, the only value that does not equal itself. The operator for it has the wrong type
    /// in tract.
    pub(super) fn is_nan(&mut self, value: &Value) -> Value {
        let is_number = self.node("Equal", &[value, value]);
        self.node("Not", &[&is_number])
    }

    /// Replaces infinite values by NaN.
    pub(super) fn finite(&mut self, value: &Value) -> Value {
        let (infinity, nan) = (self.double(f64::INFINITY), self.double(f64::NAN));
        let size = self.node("Abs", &[value]);
        let is_infinite = self.node("Equal", &[&size, &infinity]);
        self.node("Where", &[&is_infinite, &nan, value])
    }

    /// Raises values to at least a bound; NaN stays NaN.
    pub(super) fn at_least(&mut self, bound: &Value, value: &Value) -> Value {
        let is_below = self.node("Less", &[value, bound]);
        self.node("Where", &[&is_below, bound, value])
    }

    /// Lowers values to at most a bound; NaN stays NaN.
    pub(super) fn at_most(&mut self, bound: &Value, value: &Value) -> Value {
        let is_above = self.node("Greater", &[value, bound]);
        self.node("Where", &[&is_above, bound, value])
    }

    /// Adds the values of each row of a matrix, as a column.
    pub(super) fn row_sums(&mut self, matrix: &Value) -> Value {
        let axes = self.int64s(&[1], &[1]);
        self.node_with("ReduceSum", &[matrix, &axes], &[("keepdims", 1)])
    }
}

/// Returns a constant without a name.
fn tensor(element: ElementType, shape: &[usize], raw_data: Vec<u8>) -> TensorProto {
    let dims = shape.iter().map(|size| signed(*size)).collect();
    TensorProto { dims, data_type: element as i32, raw_data, ..TensorProto::default() }
}

/// Describes an input or output of shape (rows).
fn value_info(name: &str, element: ElementType, doc: &str) -> ValueInfoProto {
    let dim = vec![DimensionProto { dim_param: ROWS.to_owned() }];
    let shape = Some(TensorShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type: element as i32, shape });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type }),
        doc_string: doc.to_owned(),
    }
}

/// Converts an index or a size.
fn signed(index: usize) -> i64 {
    i64::try_from(index).expect("sizes are below 2⁶³")
}
