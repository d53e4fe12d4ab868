//! `pql init` on exports in the shape of well-known tools: the project file trains unchanged, or
//! the output names the table to join.

use std::fs;

use serde_json::Value;

use crate::common::{root, text};
use crate::project::Project;

/// An export of tests/fixtures/exports.
struct Export {
    folder: &'static str,
    events: &'static [&'static str],
    accounts: Option<&'static str>,
    /// Keys of the project file that must be right.
    keys: &'static [&'static str],
}

const EXPORTS: [Export; 12] = [
    Export {
        folder: "segment_warehouse",
        events: &["tracks.csv.gz"],
        accounts: Some("users.csv"),
        keys: &[
            "account = \"user_id\"",
            "timestamp = \"timestamp\"",
            "received = \"received_at\"",
            "event = \"event\"",
            "id = \"id\"",
            "converted = \"first_paid_at\"",
        ],
    },
    Export {
        folder: "segment_raw",
        events: &["2025.json.gz"],
        accounts: None,
        keys: &[
            "account = \"context.groupId\"",
            "user = \"userId\"",
            "timestamp = \"timestamp\"",
            "event = \"event\"",
            "id = \"messageId\"",
            "converted = [\"Subscription Started\"]",
        ],
    },
    Export {
        folder: "rudderstack",
        events: &["tracks.parquet"],
        accounts: Some("companies.csv"),
        keys: &[
            "account = \"context_traits_company_id\"",
            "user = \"user_id\"",
            "timestamp = \"timestamp\"",
            "account = \"id\"",
            "converted = \"plan_changed_at\"",
        ],
    },
    Export {
        folder: "amplitude",
        events: &["123456_2025.json.gz"],
        accounts: None,
        keys: &[
            "account = \"user_id\"",
            "event = \"event_type\"",
            "timestamp = \"event_time\"",
            "received = \"server_received_time\"",
            "id = \"$insert_id\"",
        ],
    },
    Export {
        folder: "mixpanel",
        events: &["export.json.gz"],
        accounts: None,
        keys: &[
            "account = \"properties.distinct_id\"",
            "event = \"event\"",
            "timestamp = \"properties.time\"",
            "id = \"properties.$insert_id\"",
        ],
    },
    Export {
        folder: "posthog",
        events: &["events.csv.gz"],
        accounts: Some("groups.csv"),
        keys: &[
            "account = \"properties.$group",
            "timestamp = \"timestamp\"",
            "event = \"event\"",
            "account = \"group_key\"",
            "converted = \"subscribed_at\"",
        ],
    },
    Export {
        folder: "snowplow",
        events: &["atomic_events.tsv.gz"],
        accounts: None,
        keys: &[
            "account = \"user_id\"",
            "event = \"event_name\"",
            "timestamp = \"derived_tstamp\"",
            "received = \"collector_tstamp\"",
            "id = \"event_id\"",
        ],
    },
    Export {
        folder: "ga4",
        events: &["events_2025.json.gz"],
        accounts: None,
        keys: &[
            "account = \"user_id\"",
            "event = \"event_name\"",
            "timestamp = \"event_timestamp\"",
            "converted = [\"purchase\"]",
        ],
    },
    Export {
        folder: "stripe",
        events: &["product_events.csv.gz", "subscriptions.csv"],
        accounts: Some("customers.csv"),
        keys: &[
            "account = \"stripe_customer\"",
            "account = \"Customer ID\"",
            "account = \"id\"",
            "timestamp = \"occurred_at\"",
            "signed_up = \"Created (UTC)\"",
            "converted = [\"subscriptions\"]",
        ],
    },
    Export {
        folder: "hubspot",
        events: &["product_events.csv.gz", "deals.csv"],
        accounts: Some("companies.csv"),
        keys: &[
            "account = \"hubspot_company\"",
            "account = \"Associated Company IDs\"",
            "account = \"Record ID\"",
            "signed_up = \"Create Date\"",
            "converted = \"Became a Customer Date\"",
            "attributes = [\"Country/Region\", \"Industry\", \"Number of Employees\"]",
        ],
    },
    Export {
        folder: "salesforce",
        events: &["product_events.csv.gz", "opportunities.csv"],
        accounts: Some("accounts.csv"),
        keys: &[
            "account = \"crm_account\"",
            "account = \"AccountId\"",
            "account = \"Id\"",
            "event = \"StageName\"",
            "timestamp = \"CloseDate\"",
            "converted = [\"Closed Won\"]",
        ],
    },
    Export {
        folder: "daily_counts",
        events: &["usage"],
        accounts: Some("workspaces.csv"),
        keys: &[
            "account = \"workspace_id\"",
            "account = \"external_id\"",
            "unpivot = [\"logins\", \"reports_viewed\", \"invites_sent\"]",
            "values = [",
            "format = \"%d.%m.%Y\"",
            "converted = \"first_payment_at\"",
        ],
    },
];

/// Runs `pql init` and returns what it printed.
fn init(project: &Project, folder: &str, events: &[&str], accounts: Option<&str>) -> String {
    let path = |name: &str| root().join("tests/fixtures/exports").join(folder).join(name);
    let mut args = vec!["init".to_owned(), "--events".to_owned()];
    args.extend(events.iter().map(|name| text(&path(name)).to_owned()));
    if let Some(name) = accounts {
        args.extend(["--accounts".to_owned(), text(&path(name)).to_owned()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    project.pql(&args).done().err
}

/// Returns the line of `pql init` about the sets of a trained model.
fn sets(card: &Value) -> String {
    let part = |name: &str| {
        let counts = &card[name];
        let count = |key: &str| counts[key].as_u64().unwrap();
        format!(
            "{} rows ({} converted) of {} accounts ({} converted)",
            count("rows"),
            count("positive_rows"),
            count("accounts"),
            count("converting_accounts")
        )
    };
    if card["split_method"] == "cross-validation" {
        return format!("training set: {}, tested by cross-validation", part("train"));
    }
    format!("training set: {}; test set: {}", part("train"), part("test"))
}

#[test]
fn the_project_file_of_each_export_trains_unchanged_with_the_numbers_that_init_reports() {
    for export in &EXPORTS {
        let project = Project::new();
        let err = init(&project, export.folder, export.events, export.accounts);
        let toml = fs::read_to_string(project.path("pql.toml")).unwrap();
        assert!(!toml.contains("FIXME"), "{}: {err}\n{toml}", export.folder);
        for key in export.keys {
            let found = toml.lines().any(|line| line.starts_with(key));
            assert!(found, "{}: no `{key}` in\n{toml}", export.folder);
        }
        assert!(err.contains("Next: pql train -c pql.toml --name NAME"), "{err}");
        let train = ["train", "-c", "pql.toml", "--name", "m", "--format", "json"];
        let card: Value = serde_json::from_str(&project.pql(&train).done().out).unwrap();
        let sets = sets(&card);
        assert!(err.contains(&sets), "{}: `{sets}` is not in\n{err}", export.folder);
    }
}

#[test]
fn users_without_the_accounts_of_the_list_need_the_table_between_them() {
    let project = Project::new();
    let err = init(&project, "segment_groups", &["tracks.csv.gz"], Some("workspaces.csv"));
    assert!(err.contains("join a table that maps `user_id` to accounts"), "{err}");
    assert!(!err.contains("pql train"), "{err}");
    let toml = fs::read_to_string(project.path("pql.toml")).unwrap();
    assert!(toml.contains("account = \"FIXME\""), "{toml}");
    fs::remove_file(project.path("pql.toml")).unwrap();
    let both = ["tracks.csv.gz", "groups.csv"];
    let err = init(&project, "segment_groups", &both, Some("workspaces.csv"));
    assert!(err.contains("groups.csv`: user = `user_id`, account = `group_id`"), "{err}");
    let train = ["train", "-c", "pql.toml", "--name", "m", "--format", "json"];
    let card: Value = serde_json::from_str(&project.pql(&train).done().out).unwrap();
    assert!(err.contains(&sets(&card)), "{err}");
}
