//! Export as ONNX: one graph from raw features to probability, interval and contributions, in
//! double precision and with standard operators only.

mod encode;
mod graph;
mod proto;
mod score;

use prost::Message as _;
use proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use serde_json::json;

use self::graph::GraphBuilder;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::encoder::{Encoding, FeatureEncoder};
use crate::model::explain::{Contributions, Group};
use crate::model::score::REASONS;

/// Version of the standard operators: the first in which `Equal` compares texts.
const OPERATORS: i64 = 19;
/// Version of the file format that came with [`OPERATORS`].
const IR_VERSION: i64 = 9;

/// How categories enter the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CategoryInput {
    /// As texts; the empty text is missing.
    Text,
    /// As the index of the level in the metadata, for runtimes without texts; another number for
    /// all other values.
    Code,
}

/// Names of the outputs before the contributions, with their descriptions.
const SCORES: [(&str, &str); 4] = [
    ("probability", "Calibrated probability to convert; NaN if a number is infinite"),
    ("probability_low", "Lower end of the 95% interval; NaN after l1 and elastic net"),
    ("probability_high", "Upper end of the 95% interval; NaN after l1 and elastic net"),
    ("log_odds", "Log-odds of the probability"),
];

/// Returns the names of the outputs that are numbers: the scores, then the contributions.
pub(super) fn number_outputs(model: &Model) -> Vec<String> {
    let scores = SCORES.iter().map(|(name, _)| (*name).to_owned());
    scores.chain((0..model.families.len()).map(contribution_name)).collect()
}

/// Returns the names of the outputs that are indices of families, most important first.
pub(super) fn index_outputs() -> Vec<String> {
    (1..=REASONS).map(reason_name).collect()
}

/// Returns the name of the output with the contribution of a family.
fn contribution_name(family: usize) -> String {
    format!("contribution_{family}")
}

/// Returns the name of the output with the index of a family, from rank 1.
fn reason_name(rank: usize) -> String {
    format!("reason_{rank}")
}

/// Returns a model as an ONNX file.
///
/// # Arguments
/// * `label` – name and version of the model
/// # Errors
/// * [`Error::Usage`]: a feature has the name of an output
/// * [`Error::EncodeModel`]: the model has no hash
pub fn onnx(model: &Model, label: &str, category_input: CategoryInput) -> Result<Vec<u8>> {
    let outputs = [number_outputs(model), index_outputs()].concat();
    let names = || model.preprocessor.features.iter().map(|encoder| encoder.feature.as_str());
    if let Some(feature) = names().find(|name| outputs.iter().any(|output| output == name)) {
        return Err(Error::Usage {
            problem: format!("the feature `{feature}` has the name of an output of the graph"),
            hint: Some("rename the column, then train again".to_owned()),
        });
    }
    let reserved: Vec<&str> = names().chain(outputs.iter().map(String::as_str)).collect();
    let mut graph = GraphBuilder::new("pql", &reserved);
    let x = encode::design(&mut graph, &model.preprocessor, category_input);
    score::add_outputs(&mut graph, model, &x);
    let contributions = Contributions::new(model);
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "pql".to_owned(),
        doc_string: format!("Model {label}: features to probability, interval and reasons"),
        graph: Some(graph.finish()),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATORS }],
        metadata_props: metadata(model, label, &contributions.families)?,
    };
    Ok(file.encode_to_vec())
}

/// Returns the metadata: name and hash of the model, threshold, features and families.
fn metadata(model: &Model, label: &str, families: &[Group]) -> Result<Vec<StringStringEntryProto>> {
    let feature = |encoder: &FeatureEncoder| match &encoder.encoding {
        Encoding::Numeric(_) => json!({ "name": encoder.feature, "kind": "number" }),
        Encoding::Categorical(text) => {
            let levels: Vec<&str> = text.known_levels().collect();
            json!({ "name": encoder.feature, "kind": "category", "levels": levels })
        }
    };
    let features: Vec<_> = model.preprocessor.features.iter().map(feature).collect();
    let families: Vec<_> = families.iter().map(|family| &family.measures).collect();
    let entries = [
        ("pql.model", label.to_owned()),
        ("pql.hash", model.hash()?),
        ("pql.threshold", json!(model.threshold).to_string()),
        ("pql.features", json!(features).to_string()),
        ("pql.families", json!(families).to_string()),
    ];
    let entry =
        |(key, value): (&str, String)| StringStringEntryProto { key: key.to_owned(), value };
    Ok(entries.map(entry).to_vec())
}
