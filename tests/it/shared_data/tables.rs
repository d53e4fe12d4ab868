//! Trains on the shared tables with `pql train --features` and compares coefficients and standard
//! errors with their published values.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::shared;
use crate::project::Project;
use crate::spline::{card, loss};

/// Maximum relative error at which twelve printed digits agree.
const PRINTED: f64 = 5e-12;

/// Folder, project file and data file of each table.
const TABLES: [(&str, &str, &str); 4] = [
    ("ucla_admit", "ucla.toml", "admit.csv"),
    ("telco_churn", "telco.toml", "Telco-Customer-Churn.csv"),
    ("online_shoppers", "shoppers.toml", "online_shoppers_intention.csv"),
    ("ds365_ml", "ds365_ml.toml", "ml_datasource.csv"),
];

/// Returns columns of a CSV by the name in its first column.
fn columns(csv: &str, names: [&str; 2]) -> BTreeMap<String, [f64; 2]> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let indices = names.map(|name| header.iter().position(|h| h == name).unwrap());
    reader
        .records()
        .map(|r| r.unwrap())
        .map(|r| (r[0].to_owned(), indices.map(|p| r[p].parse().unwrap())))
        .collect()
}

fn toml(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name).to_str().unwrap().to_owned()
}

/// Trains on a table; returns the project and the messages of training.
fn train(table: &str, config: &str, file: &str, args: &[&str]) -> (Project, String) {
    let path = shared("data").join(table).join(file);
    let project = Project::new();
    let config = toml(config);
    let run = project
        .train(&[&["-c", &config, "--features", path.to_str().unwrap()], args].concat())
        .done();
    (project, run.err)
}

fn compare(solver: &str, tolerance: f64) {
    for (table, config, file) in TABLES {
        let (project, _) =
            train(table, config, file, &["--set", &format!("model.solver={solver}")]);
        let reference =
            std::fs::read_to_string(shared("data").join(table).join("reference_logit.csv"))
                .unwrap();
        let expected = columns(&reference, ["coef", "std_err"]);
        let found = columns(
            &project.pql(&["inspect", "t", "--format", "csv"]).done().out,
            ["coef_raw", "std_error_raw"],
        );
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{table}"
        );
        for (term, expected) in &expected {
            for (found, expected) in found[term].iter().zip(expected) {
                let off = ((found - expected) / expected).abs();
                assert!(
                    off < tolerance,
                    "{table}, {term}: {found}, expected {expected}, off by {off:e}"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs ../shared/data"]
fn newton_reproduces_the_published_coefficients_and_standard_errors() {
    compare("newton", PRINTED);
}

#[test]
#[ignore = "needs ../shared/data"]
fn lbfgs_matches_the_published_values_within_its_gradient_tolerance() {
    compare("lbfgs", 1e-4);
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_full_telco_table_reports_the_dropped_columns() {
    let args = ["--set", "design.include=[]", "--set", "model.penalty=l2"];
    let (project, messages) = train("telco_churn", "telco.toml", "Telco-Customer-Churn.csv", &args);
    let messages = messages.split_whitespace().collect::<Vec<_>>().join(" ");
    for column in [
        "OnlineSecurity",
        "OnlineBackup",
        "DeviceProtection",
        "TechSupport",
        "StreamingTV",
        "StreamingMovies",
    ] {
        assert!(messages.contains(&format!("`{column}=No internet service`")), "{messages}");
    }
    assert!(
        messages.contains("dropped 6 columns, each of which duplicates `InternetService=No`"),
        "{messages}"
    );
    assert!(
        messages.contains("dropped: `MultipleLines=No phone service` duplicates `PhoneService=No`"),
        "{messages}"
    );
    let coefficients = project.pql(&["inspect", "t", "--format", "csv"]).done().out;
    assert!(!coefficients.contains("OnlineBackup=No internet service"));
    assert!(
        coefficients.contains("\nInternetService=No,")
            && coefficients.contains("\nMonthlyCharges,")
    );
    assert!(!coefficients.contains("NaN") && !coefficients.contains("inf"), "{coefficients}");
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_full_telco_table_without_a_penalty_is_separated_by_one_column() {
    let path = shared("data/telco_churn/Telco-Customer-Churn.csv");
    let header = std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
    let names = header
        .trim()
        .split(',')
        .filter(|name| !["customerID", "Churn", "TotalCharges"].contains(name));
    let include = format!(
        "design.include=[{}]",
        names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",")
    );
    let (config, file) = ("telco.toml", "Telco-Customer-Churn.csv");
    let (_, messages) = train("telco_churn", config, file, &["--set", &include]);
    assert!(messages.contains("each of which duplicates `InternetService=No`"), "{messages}");
    // None of the 11 customers without total charges churned, so that the likelihood of this column
    // has no maximum.
    let args =
        ["-c", &toml(config), "--features", path.to_str().unwrap(), "--set", "design.include=[]"];
    Project::new().train(&args).fails_with(
        1,
        &[
            "did not converge",
            "`missing_TotalCharges` separates the outcomes",
            "duplicates `InternetService=No`",
        ],
    );
}

#[test]
#[ignore = "needs ../shared/data"]
fn splines_reduce_the_held_out_loss_of_the_telco_table() {
    let path = shared("data/telco_churn/Telco-Customer-Churn.csv");
    let project = Project::new();
    project.write(
        "pql.toml",
        "[matrix]\nlabel = \"Churn\"\npositive = \"Yes\"\naccount = \"customerID\"\n",
    );
    let args = ["--features", path.to_str().unwrap()];
    let (straight, bent) = (card(&project, 0, &args).0, card(&project, 3, &args).0);
    assert!(loss(&bent) < loss(&straight), "{} and {}", loss(&bent), loss(&straight));
}
