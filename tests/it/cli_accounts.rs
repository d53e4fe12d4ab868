//! The account list: valid and invalid lists, and projects without one.

use std::fmt::Write as _;

use polars::prelude::*;

use crate::project::{Project, counted};

#[test]
fn a_missing_or_misspelled_column_suggests_the_nearest_name() {
    for (from, to, column) in [
        ("account_id,", "acount_id,", "account_id"),
        ("signed_up_at", "signedup_at", "signed_up_at"),
    ] {
        let project = Project::trial();
        project.replace("accounts.csv", from, to);
        let near = format!("did you mean `{}`?", to.trim_end_matches(','));
        project
            .train(&[])
            .fails_with(3, &[&format!("`accounts.csv`: missing column `{column}`"), &near]);
    }
    let project = Project::trial();
    for key in ["account", "signed_up", "converted", "churned", "seats", "revenue"] {
        let words = [
            format!("`accounts.csv`: missing column `industri` (`accounts.{key}`"),
            "did you mean `industry`?".to_owned(),
        ];
        project
            .train(&["--set", &format!("accounts.{key}=industri")])
            .fails_with(3, &words.each_ref().map(String::as_str));
    }
    let words = [
        "`accounts.csv`: missing column `industri` (`accounts.attributes`",
        "did you mean `industry`?",
    ];
    project.train(&["--set", "accounts.attributes=[\"industri\"]"]).fails_with(3, &words);
}

#[test]
fn a_duplicate_account_is_reported() {
    let project = Project::trial();
    let first = project.text("accounts.csv").lines().nth(3).unwrap().to_owned();
    project.write("accounts.csv", project.text("accounts.csv") + &first + "\n");
    project
        .train(&[])
        .fails_with(3, &["`accounts.csv`, row 241: duplicate account `00002`", "hint: "]);
}

#[test]
fn a_text_instead_of_a_time_or_number_is_reported() {
    let accounts = "account_id,signed_up_at,converted_at,churned_at,seats,mrr\na,2025-01-01,,,3,\nb,2025-01-02,,,,10\n";
    for (from, to, column, found) in [
        ("b,2025-01-02", "b,later", "signed_up_at", "later"),
        ("2025-01-02,,", "2025-01-02,never,", "converted_at", "never"),
        ("2025-01-02,,,", "2025-01-02,,no,", "churned_at", "no"),
        (",10", "many,10", "seats", "many"),
        (",10", ",free", "mrr", "free"),
    ] {
        let project = Project::trial();
        project.write("accounts.csv", accounts.replace(from, to));
        let words =
            [format!("`accounts.csv`, row 2, column `{column}`: found `{found}`, expected a")];
        project
            .train(&["--set", "accounts.attributes=[]"])
            .fails_with(3, &words.each_ref().map(String::as_str));
    }
}

#[test]
fn a_conversion_before_the_sign_up_drops_the_account_and_is_counted() {
    let project = Project::trial();
    let text = project.text("accounts.csv");
    let line = text.lines().nth(8).unwrap();
    let cells: Vec<&str> = line.split(',').collect();
    project.replace(
        "accounts.csv",
        line,
        &format!("{},{},2024-12-01T00:00:00Z,{}", cells[0], cells[1], cells[3]),
    );
    let run = project.pql(&["features", "-v", "-o", "-"]).done();
    assert_eq!(
        counted(&run.err, "converts or churns before sign-up"),
        (1, "accounts.csv, row 8".to_owned())
    );
    assert!(!run.out.contains(&format!("\n{},", cells[0])) && run.out.contains("\n00008,"));
}

#[test]
fn na_is_a_value_and_an_empty_text_is_missing() {
    let project = Project::trial();
    project.train(&[]).done();
    let coefficients = project.pql(&["inspect", "t", "--format", "csv"]).done().out;
    let levels = coefficients.lines().filter(|l| l.starts_with("industry=")).count();
    assert_eq!(levels, 2, "NA, media and retail without the base: {coefficients}");
    assert!(!coefficients.contains("(missing)"), "{coefficients}");
    project.write("accounts.csv", project.text("accounts.csv").replace(",NA\n", ",\n"));
    project.train(&["--set", "design.reference_levels={industry=\"media\"}"]).done();
    let coefficients = project.pql(&["inspect", "t/0002", "--format", "csv"]).done().out;
    assert!(coefficients.contains("\nindustry=(missing),"), "{coefficients}");
}

#[test]
fn ids_are_kept_as_written() {
    let project = Project::trial();
    assert!(project.features(&[]).contains("\n00001,"));
    project.write("other.csv", project.text("events.csv").replace("\n00001,", "\n1,"));
    let run =
        project.pql(&["features", "-v", "-o", "-", "--set", "events.0.path=other.csv"]).done();
    assert!(counted(&run.err, "unknown account").0 > 0, "1 is not 00001: {}", run.err);
}

#[test]
fn whole_numbers_are_one_id_in_every_format_and_spelling() {
    let project = Project::new();
    // The last id is beyond 2^53, where floats are no longer exact.
    let number = [7_i64, 1_000, 9_007_199_254_740_993];
    let spelled = |end: &str| number.map(|n| format!("{n}{end}"));
    let table = |id: Column| {
        let id = id.with_name("account_id".into());
        let rows = id.len();
        let time = Column::new("timestamp".into(), vec!["2025-01-01T08:00:00Z"; rows]);
        let event = Column::new("event".into(), vec!["login"; rows]);
        DataFrame::new(rows, vec![id, event, time]).unwrap()
    };
    let column = |name: &str, id: Column| project.parquet(name, table(id));
    let text = |end: &str| Column::new("id".into(), spelled(end).to_vec());
    column("integer.parquet", Column::new("id".into(), number));
    column("float.parquet", Column::new("id".into(), [7.0, 1e3]));
    column("decimal.parquet", text("").cast(&DataType::Decimal(38, 0)).unwrap());
    column("scaled.parquet", text("").cast(&DataType::Decimal(38, 9)).unwrap());
    column("text.parquet", text(".00"));
    let lines = |ids: [String; 3]| {
        ids.map(|id| {
            format!("{{\"account_id\":{id},\"event\":\"login\",\"timestamp\":1735718400}}\n")
        })
        .concat()
    };
    project.write("number.ndjson", lines(spelled("")));
    project.write("string.ndjson", lines(spelled(".0").map(|id| format!("\" {id} \""))));
    let csv = |ids: [String; 3]| {
        let rows = ids.map(|id| format!("{id},login,2025-01-01T08:00:00Z\n"));
        format!("account_id,event,timestamp\n{}", rows.concat())
    };
    project.write("point.csv", csv(spelled(".0")));
    project.write("blanks.csv", csv(spelled("\t").map(|id| format!(" {id}"))));
    let list = |end: &str| {
        format!(
            "account_id,signed_up_at\n{}\n",
            spelled(end).map(|t| format!("{t},2025-01-01")).join("\n")
        )
    };
    for (list, files) in [
        (list(""), &["integer.parquet", "float.parquet", "decimal.parquet", "scaled.parquet"][..]),
        (list(".0"), &["text.parquet", "number.ndjson", "string.ndjson", "point.csv"]),
        (list(" "), &["blanks.csv", "integer.parquet"]),
    ] {
        project.write("accounts.csv", list);
        for file in files {
            project.write(
                "pql.toml",
                format!("[[events]]\npath = \"{file}\"\n[accounts]\npath = \"accounts.csv\"\n"),
            );
            let run = project.pql(&["ingest", "-o", "out", "-v"]).done();
            assert!(!run.err.contains("unknown account"), "{file}: {}", run.err);
            let ids = project
                .pql(&["features", "-o", "-", "--set", "observation.until=2025-03-01"])
                .done()
                .out;
            assert!(ids.contains("\n7,") && ids.contains("\n9007199254740993,"), "{file}: {ids}");
        }
    }
}

#[test]
fn an_account_can_be_named_in_every_spelling() {
    let project = Project::trial();
    for name in ["accounts.csv", "events.csv"] {
        let ids = project.text(name).replace("\n00", "\n1");
        project.write(name, ids.replace("\n1001,", "\n1001.0,"));
    }
    project.train(&[]).done();
    for account in ["1001", "1001.0", " 1001"] {
        let run = project.pql(&["explain", "t", account, "--format", "json"]).done();
        assert!(run.out.contains("\"account_id\": \"1001\""), "{}", run.out);
    }
}

#[test]
fn accounts_without_events_are_rows_and_are_counted() {
    let project = Project::trial();
    project.write(
        "accounts.csv",
        project.text("accounts.csv") + "silent,2025-02-01T08:00:00Z,,media\n",
    );
    let run = project.pql(&["features", "-v", "-o", "-"]).done();
    let row = run.out.lines().find(|l| l.starts_with("silent,")).expect("a row of its own");
    assert!(row.contains("not_converted,0,"), "{row}");
    run.stderr_has(&["unusual: 1 account without events"]);
}

#[test]
fn unusual_rows_are_kept_with_a_warning() {
    let project = Project::trial();
    let text = project.text("accounts.csv");
    let mut lines = vec!["account_id,signed_up_at,converted_at,industry,churned_at".to_owned()];
    let events = project.text("events.csv");
    for (row, line) in text.lines().skip(1).enumerate() {
        let id = &line[..5];
        let last =
            events.lines().rfind(|e| e.starts_with(id)).map(|e| e.split(',').nth(3).unwrap());
        let converted = !line.split(',').nth(2).unwrap().is_empty();
        lines.push(format!(
            "{line},{}",
            if row % 2 == 0 && !converted { last.unwrap_or("") } else { "" }
        ));
    }
    lines.push("old,2024-06-01T08:00:00Z,,media,".to_owned());
    project.write("accounts.csv", lines.join("\n") + "\n");
    project.write("events.csv", events + "00009,u0,login,2024-12-31T23:00:00Z,1\n");
    project.pql(&["features", "-v", "-o", "-"]).done().stderr_has(&[
        "1 account signed up before the log starts",
        "look back-dated",
        "unusual: 1 event before the sign-up",
    ]);
}

/// Creates a trial without an account list, in which conversions are events.
fn derived() -> Project {
    let project = Project::trial();
    let mut events = project.text("events.csv");
    for line in project.text("accounts.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if !cells[2].is_empty() {
            writeln!(events, "{},,paid,{},", cells[0], cells[2]).unwrap();
        }
    }
    project.write("events.csv", events);
    let toml = project.text("pql.toml").replace(
        "[accounts]\npath = \"accounts.csv\"\nattributes = [\"industry\"]\n",
        "[roles]\nconverted = [\"paid\"]\n",
    );
    project.write("pql.toml", toml);
    project
}

#[test]
fn without_an_account_list_the_first_event_is_the_sign_up() {
    let project = derived();
    let run = project.train(&[]).done();
    assert!(counted(&run.err, "conversion (an outcome, not usage)").0 > 20, "{}", run.err);
    run.stderr_has(&[
        "no account list: the base rate covers only accounts with at least one event",
    ]);
    let features = project.features(&[]);
    let header: Vec<&str> = features.lines().next().unwrap().split(',').collect();
    assert!(!header.iter().any(|name| name.contains("paid")), "an outcome is no usage: {header:?}");
    let first = project
        .text("events.csv")
        .lines()
        .find(|l| l.starts_with("00003,"))
        .unwrap()
        .split(',')
        .nth(3)
        .unwrap()
        .to_owned();
    let cutoff = features
        .lines()
        .find(|l| l.starts_with("00003,"))
        .unwrap()
        .split(',')
        .nth(1)
        .unwrap()
        .to_owned();
    let days = |t: &str| pql::time::parse_iso(t).unwrap();
    assert_eq!(days(&cutoff) - days(&first), 7 * pql::time::DAY);
    let coefficients = project.pql(&["inspect", "t", "--format", "csv"]).done().out;
    assert!(!coefficients.contains("paid"), "{coefficients}");
}

#[test]
fn the_earliest_time_of_account_list_and_roles_counts() {
    let project = Project::trial();
    let features = project.features(&[]);
    let open = features.lines().find(|l| l.contains(",not_converted,0,train,")).unwrap();
    let cells: Vec<&str> = open.split(',').collect();
    let paid = pql::time::iso(pql::time::parse_iso(cells[1]).unwrap() + pql::time::DAY);
    project
        .write("events.csv", project.text("events.csv") + &format!("{},,paid,{paid},\n", cells[0]));
    let with_role = project.features(&["--set", "roles.converted=[\"paid\"]"]);
    let row = with_role.lines().find(|l| l.starts_with(&format!("{},", cells[0]))).unwrap();
    assert!(row.contains(",converted,1,train,"), "{row}");
    assert_eq!(row.replace(",converted,1,", ",not_converted,0,"), open, "nothing else changes");
}
