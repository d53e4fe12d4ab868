//! Files of a package that have no statement of pql.

use serde_json::{Value, json};

use super::yaml::yaml;
use super::{Names, PackageInput, TIME_VARIABLE, TRAINING_VARIABLE};
use crate::error::Result;
use crate::model::explain::describe_feature;

/// Columns of the scores with their meaning; `true`: never null.
const SCORE_COLUMNS: [(&str, bool, &str); 19] = [
    ("account_id", true, "The account"),
    ("cutoff", true, "Time as of which the account is observed"),
    (
        "probability",
        true,
        "Calibrated probability that the account converts within the horizon after the cutoff",
    ),
    ("probability_low", false, "Lower end of the 95% confidence interval of the probability"),
    ("probability_high", false, "Upper end of the 95% confidence interval of the probability"),
    (
        "percentile",
        true,
        "Share of the training rows with a lower probability, plus half the share with the same one, from 0 to 100",
    ),
    ("tier", true, "A from percentile 95, B from 80, C from 50, D below"),
    ("qualified", true, "Whether the account is a product-qualified lead (PQL)"),
    ("qualified_by", false, "`model`, `definition` or `both`; null if it does not qualify"),
    ("pql_types", false, "Types of the definitions that the account has matched"),
    ("pql_at", false, "When it first matched a definition"),
    ("holdout", true, "Whether to leave this account alone, for comparison"),
    ("reason_1", false, "What raises the probability most, compared with the typical account"),
    ("reason_2", false, "What raises the probability second most"),
    ("reason_3", false, "What raises the probability third most"),
    ("concern_1", false, "What lowers the probability most"),
    ("pql_definitions", false, "Names of the definitions that the account has matched"),
    ("horizon_end", false, "End of the period in which the account converts with this probability"),
    ("model", true, "Name and version of the model"),
];

/// Columns of training rows between the keys and the features; `true`: never null.
const LABEL_COLUMNS: [(&str, bool, &str); 3] = [
    ("outcome", true, "`converted`, `not_converted` or `immature`"),
    ("converted", false, "1 if the account converted within the horizon, else 0; null if immature"),
    ("split", false, "`train`, `test` or `cross-validated`; null if the row is in neither set"),
];

/// Returns `dbt_project.yml`.
pub(super) fn project(names: &Names) -> String {
    yaml(&json!({
        "name": names.package,
        "version": "1.0.0",
        "config-version": 2,
        "require-dbt-version": ">=1.8.0",
        "profile": names.package,
    }))
}

/// Returns a model: rows of one time of scoring, which replace earlier rows of the same time, or all
/// training rows.
pub(super) fn model(names: &Names, name: &str) -> String {
    let config = if name == names.training {
        format!("config(materialized='table', {})", if_training())
    } else {
        "config(materialized='incremental', unique_key=['account_id', 'cutoff'], on_schema_change='append_new_columns')".to_owned()
    };
    format!("{{{{ {config} }}}}\n{{{{ adapter.dispatch('{name}_sql', '{}')() }}}}\n", names.package)
}

/// Returns the setting that enables a part of the package only for training.
fn if_training() -> String {
    format!("enabled=var('{TRAINING_VARIABLE}', false)")
}

/// Returns `models/schema.yml`.
pub(super) fn schema(names: &Names, input: &PackageInput<'_>) -> Result<String> {
    let label = input.label;
    let key = "One row per account and cutoff";
    let described = |columns: &[(&str, bool, &str)]| -> Vec<Value> {
        columns.iter().map(|(name, known, text)| column(name, text, *known)).collect()
    };
    let catalog = input.model.usage_features(label)?;
    let preprocessor = &input.model.preprocessor;
    let describe = |name: &String| {
        let position = preprocessor.features.iter().position(|known| known.feature == *name);
        let text = position.map(|position| describe_feature(preprocessor, position));
        text.unwrap_or_else(|| format!("{name}, which the model does not use"))
    };
    let features = catalog.features();
    let columns = features.iter().map(|feature| &feature.name);
    // dbt would take other names for expressions.
    let plain = columns.filter(|name| super::escape(name) == **name);
    let columns: Vec<Value> = plain.map(|name| column(name, &describe(name), false)).collect();
    let keys = described(&SCORE_COLUMNS[..2]);
    let joined = |parts: &[&Vec<Value>]| -> Vec<Value> {
        parts.iter().copied().flatten().cloned().collect()
    };
    Ok(yaml(&json!({
        "version": 2,
        "models": [
            {
                "name": names.features,
                "description": format!("Usage features of open accounts for the model {label}. {key}."),
                "columns": joined(&[&keys, &columns]),
            },
            {
                "name": names.scores,
                "description": format!("Probabilities, tiers and reasons of open accounts by the model {label}. {key}."),
                "columns": described(&SCORE_COLUMNS),
            },
            {
                "name": names.training,
                "description": format!("Usage features, outcomes and split of all accounts at all cutoffs, for pql train --features FILE --like {label}. {key}. Only with the variable {TRAINING_VARIABLE}."),
                "columns": joined(&[&keys, &described(&LABEL_COLUMNS), &columns]),
            },
        ],
    })))
}

fn column(name: &str, description: &str, is_known: bool) -> Value {
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let mut column = json!({"name": name, "description": super::escape(description)});
    if !is_plain {
        column["quote"] = json!(true);
    }
    if is_known {
        column["data_tests"] = json!(["not_null"]);
    }
    column
}

/// Returns `models/exposures.yml`.
pub(super) fn exposures(names: &Names, label: &str) -> String {
    yaml(&json!({
        "version": 2,
        "exposures": [{
            "name": format!("{}_call_list", names.package),
            "label": format!("Call list of {label}"),
            "type": "application",
            "maturity": "medium",
            "description": "Where people read the scores. Set owner, type and url.",
            "depends_on": [format!("ref('{}')", names.scores)],
            "owner": {"name": "Sales operations", "email": "sales-operations@example.com"},
        }],
    }))
}

/// Returns the tests of rows; each selects the rows that are wrong.
pub(super) fn tests(names: &Names) -> impl Iterator<Item = (String, String)> {
    let unique = |model: &String| {
        let config = if *model == names.training {
            format!("{{{{ config({}) }}}}\n", if_training())
        } else {
            String::new()
        };
        let sql = format!(
            "{config}SELECT account_id, cutoff, COUNT(*) AS copies\nFROM {{{{ ref('{model}') }}}}\n\
             GROUP BY account_id, cutoff\nHAVING COUNT(*) > 1\n"
        );
        (format!("tests/{model}_have_one_row_per_account_and_cutoff.sql"), sql)
    };
    let scores = &names.scores;
    let range = format!(
        "SELECT *\nFROM {{{{ ref('{scores}') }}}}\nWHERE probability < 0 OR probability > 1\n  \
         OR probability_low > probability OR probability_high < probability\n  \
         OR percentile < 0 OR percentile > 100\n  OR tier NOT IN ('A', 'B', 'C', 'D')\n"
    );
    [
        unique(&names.features),
        unique(scores),
        unique(&names.training),
        (format!("tests/{scores}_are_in_their_ranges.sql"), range),
    ]
    .into_iter()
}

/// Returns `README.md`.
pub(super) fn readme(names: &Names, label: &str) -> String {
    let Names { package, features, scores, training } = names;
    format!(
        "# {package}\n\nFeatures, scores and training rows of the model {label}, written by `pql export dbt`.\n\n\
         | model | rows |\n|---|---|\n\
         | `{features}` | usage features of open accounts |\n\
         | `{scores}` | probability, tier, qualification and reasons of open accounts |\n\
         | `{training}` | features, outcomes and split of all accounts at all cutoffs; only with the variable `{TRAINING_VARIABLE}` |\n\n\
         Each run adds the features and scores of one time of scoring, and replaces earlier rows with the same account and cutoff.\n\n\
         ```sh\n\
         dbt build                                           # as of 00:00 UTC today\n\
         dbt build --vars '{TIME_VARIABLE}: \"2026-01-31\"'    # as of another time\n\
         dbt build --vars '{TRAINING_VARIABLE}: true' --select {training}    # training rows of the log up to 00:00 UTC today\n\
         ```\n\n\
         To use it in another project, add the folder to `packages.yml` and run `dbt deps`:\n\n\
         ```yaml\npackages:\n  - local: {package}\n```\n\n\
         The input tables are in `models/sources.yml`. Export the package again after you train a new version.\n"
    )
}
