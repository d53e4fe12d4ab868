//! The scorer in the docs computes the scores of `pql score` from the exported JSON.

use std::fs;

use serde_json::Value;

use super::cases;
use crate::common::{python, root, succeed, text};
use crate::schema::{assert_generated, violation};

/// Most lines of the scorer, without blank ones.
const LINES: usize = 60;

/// Returns the scorer in the docs.
fn scorer() -> String {
    let page = fs::read_to_string(root().join("docs/reference/export-json.md")).unwrap();
    page.split("```python\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
#[ignore = "needs Python: `make python`"]
fn the_scorer_in_the_docs_computes_the_scores_of_every_kind_of_model() {
    assert!(scorer().lines().filter(|line| !line.trim().is_empty()).count() <= LINES);
    let schema: Value = serde_json::from_str(&pql::export::json::json_schema()).unwrap();
    for (name, case) in cases() {
        case.export("json", &["-o", "model.json"]);
        let model = serde_json::from_str(&case.project.text("model.json")).unwrap();
        assert_eq!(violation(&model, &schema, &schema, name), None);
        case.project.write("scorer.py", scorer());
        let files = ["scorer.py", "model.json", "matrix.csv"];
        let (out, _) = succeed(&mut case.project.command(text(&python()), &files));
        case.project.write("found.csv", out);
        assert!(case.compare("found.csv") >= 200, "{name}");
    }
}

#[test]
fn the_schema_of_exported_models_is_current() {
    assert_generated("export.schema.json", &pql::export::json::json_schema());
}
