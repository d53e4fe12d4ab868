//! Compares the features of real logs with the reference SQL, run by another engine.

use std::process::Command;

use crate::common::{print_figure, python, root, run, shared, succeed, text};

/// A project of tests/real, and the arguments of the reference for it.
struct Project {
    name: &'static str,
    attributes: &'static str,
    logins: &'static str,
}

const PROJECTS: [Project; 4] = [
    Project { name: "ds365", attributes: "student_country", logins: "" },
    Project { name: "sparkify", attributes: "", logins: "Home" },
    Project { name: "ravenstack", attributes: "industry,country,referral_source", logins: "" },
    Project { name: "cdnow", attributes: "", logins: "" },
];

#[test]
#[ignore = "needs ../shared/data, and Python: `make python`"]
fn features_of_real_logs_equal_the_reference() {
    let (reference, python) = (shared("reference/features.py"), python());
    for project in PROJECTS {
        let dir = tempfile::tempdir().unwrap();
        let config = root().join(format!("tests/real/{}.toml", project.name));
        let mut base = vec!["-q".to_owned(), "-c".to_owned(), text(&config).to_owned()];
        if project.name == "cdnow" {
            let accounts = dir.path().join("list.csv");
            let log = shared("data/cdnow/CDNOW_master.csv");
            succeed(
                Command::new(&python)
                    .arg(root().join("tests/real/cdnow_accounts.py"))
                    .arg(log)
                    .arg(&accounts),
            );
            base.extend(["--set".to_owned(), format!("accounts.path={}", accounts.display())]);
        }
        run(["ingest"]
            .into_iter()
            .chain(base.iter().map(String::as_str))
            .chain(["-o", text(dir.path())]));
        for scheme in ["snapshot", "age"] {
            let features = dir.path().join(format!("{scheme}.parquet"));
            let kind = format!("observation.cutoffs={scheme}");
            // With `design.include`, all counts are computed.
            let all = "design.include=[\"tenure_days\"]";
            let more = [
                "--set",
                &kind,
                "--set",
                "observation.every=28d",
                "--set",
                all,
                "-o",
                text(&features),
            ];
            // These accounts reach the age long before the first snapshot.
            let since = ["--set", "observation.since=1997-01-01"];
            let since = since.into_iter().filter(|_| project.name == "cdnow" && scheme == "age");
            let base = base.iter().map(String::as_str);
            run(["features"].into_iter().chain(base).chain(since).chain(more));
            let mut compare = Command::new(&python);
            compare.arg(root().join("tests/parity/compare.py")).arg(&reference);
            compare
                .args(["events.parquet", "accounts.parquet"].map(|name| dir.path().join(name)))
                .arg(&features);
            compare.args(["--attributes", project.attributes, "--logins", project.logins]);
            let (found, _) =
                succeed(compare.args(["--invites", "", "--limits", "", "--hand-raises", ""]));
            print_figure(&format!("{}, {scheme}: {}", project.name, found.trim()));
        }
    }
}
