//! Export as an MLflow model: a folder with the ONNX file, its signature and an input example.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::onnx::{CategoryInput, index_outputs, number_outputs, onnx};
use crate::error::Result;
use crate::model::Model;
use crate::model::encoder::{Encoding, FeatureEncoder, RawValue};

/// The Python module that MLflow loads.
const LOADER: &str = include_str!("pql_model.py");
/// Python packages that the model needs, with the first versions that have its operators.
const REQUIREMENTS: &str = "mlflow\nnumpy\nonnx>=1.14\nonnxruntime>=1.17\npandas\n";
/// Settings of a virtual environment.
const PYTHON_ENVIRONMENT: &str =
    "build_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n";

/// Returns the files of a model: name in the folder, and content.
///
/// # Arguments
/// * `label` – name and version of the model
/// # Errors
/// Those of [`onnx`]
pub fn mlflow(model: &Model, label: &str) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let example = example(model);
    let serving = json!({ "dataframe_split": example });
    Ok(vec![
        ("model.onnx", onnx(model, label, CategoryInput::Text)?),
        ("code/pql_model.py", LOADER.into()),
        ("requirements.txt", REQUIREMENTS.into()),
        ("python_env.yaml", PYTHON_ENVIRONMENT.into()),
        ("input_example.json", format!("{example}\n").into_bytes()),
        ("serving_input_example.json", format!("{serving:#}\n").into_bytes()),
        // The last file: a folder without it is no model.
        ("MLmodel", description(model, label)?.into_bytes()),
    ])
}

/// Returns the file `MLmodel`, as YAML.
///
/// # Source
/// <https://mlflow.org/docs/latest/ml/model/>
fn description(model: &Model, label: &str) -> Result<String> {
    let hash = model.hash()?;
    let mut text = "\
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_version: 1.14.0
    providers:
    - CPUExecutionProvider
  python_function:
    code: code
    data: model.onnx
    env:
      virtualenv: python_env.yaml
    loader_module: pql_model
"
    .to_owned();
    let metadata = [("pql_model", label), ("pql_hash", hash.as_str())];
    text.push_str("metadata:\n");
    for (key, value) in metadata {
        writeln!(text, "  {key}: {}", yaml_text(value)).expect("a string grows");
    }
    // MLflow needs 32 digits.
    writeln!(text, "model_uuid: {}", yaml_text(&hash[..32])).expect("a string grows");
    text.push_str(
        "saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
",
    );
    let (inputs, outputs) = signature(model);
    for (key, value) in [("inputs", inputs), ("outputs", outputs)] {
        writeln!(text, "  {key}: {}", yaml_text(&value.to_string())).expect("a string grows");
    }
    text.push_str("  params: null\n");
    Ok(text)
}

/// Returns the columns of features and of scores.
fn signature(model: &Model) -> (Value, Value) {
    let column = |name: &str, kind: &str| json!({ "type": kind, "name": name, "required": true });
    let input = |encoder: &FeatureEncoder| match encoder.encoding {
        Encoding::Numeric(_) => column(&encoder.feature, "double"),
        Encoding::Categorical(_) => column(&encoder.feature, "string"),
    };
    let inputs: Vec<Value> = model.preprocessor.features.iter().map(input).collect();
    let numbers = number_outputs(model).into_iter().map(|name| column(&name, "double"));
    let indices = index_outputs().into_iter().map(|name| column(&name, "long"));
    (inputs.into(), numbers.chain(indices).collect::<Vec<_>>().into())
}

/// Returns the features of the typical account as a frame of one row.
fn example(model: &Model) -> Value {
    let features = &model.preprocessor.features;
    let columns: Vec<&str> = features.iter().map(|encoder| encoder.feature.as_str()).collect();
    let value = |encoder: &FeatureEncoder| match encoder.typical() {
        RawValue::Text(text) => json!(text.unwrap_or_default()),
        number @ RawValue::Number(_) => number.into_json(),
    };
    let row: Vec<Value> = features.iter().map(value).collect();
    json!({ "columns": columns, "data": [row] })
}

/// Quotes a text for YAML, in ASCII.
fn yaml_text(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => write!(quoted, "\\U{:08x}", u32::from(c)).expect("a string grows"),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_has_every_character() {
        assert_eq!(yaml_text("a \"b\\ é\n"), "\"a \\\"b\\\\ \\U000000e9\\U0000000a\"");
    }
}
