//! The leakage audit on real tables and logs.

use std::process::Command;

use crate::audit::leaks;
use crate::common::{python, root, shared, succeed, text};
use crate::project::Project;

/// Returns the findings for a table or log of tests/real.
fn real(config: &str, args: &[&str]) -> Vec<String> {
    let config = root().join("tests/real").join(config);
    leaks(&Project::new().train(&[&["-c", text(&config)], args].concat()).done())
}

/// Returns the findings for a feature matrix.
fn real_matrix(config: &str, file: &str, args: &[&str]) -> Vec<String> {
    real(config, &[&["--features", text(&shared(file))], args].concat())
}

#[test]
#[ignore = "needs ../shared/data"]
fn findings_on_real_tables_are_limited_to_actual_leaks() {
    let honest = [
        ("ucla.toml", "data/ucla_admit/admit.csv"),
        ("telco.toml", "data/telco_churn/Telco-Customer-Churn.csv"),
        ("shoppers.toml", "data/online_shoppers/online_shoppers_intention.csv"),
    ];
    for (config, file) in honest {
        for args in [&[][..], &["--set", "design.include=[]", "--set", "model.penalty=l2"]] {
            assert_eq!(real_matrix(config, file, args), Vec::<String>::new(), "{file}");
        }
    }
    // The days on the platform stop counting at the purchase.
    let found = real_matrix("ds365_ml.toml", "data/ds365_ml/ml_datasource.csv", &[]);
    assert!(found.iter().any(|f| f.starts_with("`days_on_platform` alone predicts")), "{found:?}");
    assert!(found.iter().any(|f| f.contains("cross-validated AUC")), "{found:?}");
}

#[test]
#[ignore = "needs ../shared/data, and Python: `make python`"]
fn real_logs_have_no_findings_but_all_time_features_do() {
    for config in ["ds365.toml", "ravenstack.toml", "sparkify.toml"] {
        assert_eq!(real(config, &[]), Vec::<String>::new(), "{config}");
    }
    let project = Project::new();
    let converted = |script: &str, from: &std::path::Path, to: &str| {
        succeed(
            Command::new(python())
                .arg(root().join("tests/real").join(script))
                .arg(from)
                .arg(project.path(to)),
        );
        project.path(to)
    };
    let list = format!(
        "accounts.path={}",
        converted("cdnow_accounts.py", &shared("data/cdnow/CDNOW_master.csv"), "list.csv")
            .display()
    );
    assert_eq!(real("cdnow.toml", &["--set", &list]), Vec::<String>::new());
    let matrix = converted("ds365_all_time.py", &shared("data/ds365"), "all_time.csv");
    project.write("pql.toml", "[matrix]\nlabel = \"purchased\"\n");
    let found = leaks(&project.train(&["--features", text(&matrix)]).done());
    assert!(
        found.len() == 2
            && found[0].starts_with("`minutes` alone predicts")
            && found[1].starts_with("`days` alone predicts"),
        "{found:?}"
    );
}
