//! Usage errors: pql.toml, `--set` and options, each with exit code 2 and the place of the error.

use crate::project::{Project, TRIAL};

/// Trains the trial with another project file.
fn train(toml: &str) -> crate::project::Run {
    let project = Project::trial();
    project.write("pql.toml", toml);
    project.train(&[])
}

#[test]
fn an_unknown_key_is_reported_with_its_line_and_the_nearest_key() {
    train(&TRIAL.replace("horizon", "horizn")).fails_with(
        2,
        &["pql.toml, line 12: unknown key `horizn`", "hint: did you mean `horizon`?"],
    );
    train(&TRIAL.replace("values", "value"))
        .fails_with(2, &["pql.toml, line 3: unknown key `value`", "hint: did you mean `values`?"]);
    train(&TRIAL.replace("[observation]", "[observations]")).fails_with(
        2,
        &["pql.toml, line 9: unknown key `observations`", "hint: did you mean `observation`?"],
    );
    train(&TRIAL.replace("attributes", "atributes")).fails_with(
        2,
        &["pql.toml, line 7: unknown key `atributes`", "did you mean `attributes`?"],
    );
}

#[test]
fn a_wrong_value_is_reported_with_its_line() {
    train(&TRIAL.replace("\"14d\"", "\"14\""))
        .fails_with(2, &["pql.toml, line 12", "found `14`, expected a duration"]);
    train(&TRIAL.replace("\"age\"", "\"sometimes\""))
        .fails_with(2, &["pql.toml, line 10", "`sometimes`", "`snapshot`", "`age`"]);
    train(&TRIAL.replace("event_types = 3", "event_types = \"three\""))
        .fails_with(2, &["pql.toml, line 16", "three"]);
    train(&TRIAL.replace("[\"7d\"]", "[\"36h\"]"))
        .fails_with(2, &["pql.toml, line 15", "`features.windows`: found 36h", "whole days"]);
    train(&(TRIAL.to_owned() + "[model]\ntest_size = 1\n"))
        .fails_with(2, &["pql.toml, line 18", "`model.test_size`: found 1"]);
    train(&(TRIAL.to_owned() + "[design]\nwinsorize = [0.9, 0.1]\n"))
        .fails_with(2, &["pql.toml, line 18", "`design.winsorize`"]);
    train(&(TRIAL.to_owned() + "[qualify]\nshare = 1.5\n"))
        .fails_with(2, &["pql.toml, line 18", "`qualify.share`: found 1.5"]);
    train("[[events]\n").fails_with(2, &["pql.toml, line 1"]);
    train(&TRIAL.replace("[features]", "[observation]"))
        .fails_with(2, &["pql.toml, line 14", "duplicate key"]);
}

#[test]
fn an_error_in_a_source_is_reported_with_its_line() {
    train(&TRIAL.replace("path = \"events.csv\"\n", ""))
        .fails_with(2, &["pql.toml, line 1", "missing key `path` in [[events]]"]);
    train(&TRIAL.replace("path = \"accounts.csv\"\n", ""))
        .fails_with(2, &["pql.toml, line 5", "missing key `path` in [accounts]"]);
    train(&TRIAL.replace("values =", "event = \"event\"\nevent_name = \"x\"\nvalues ="))
        .fails_with(
            2,
            &[
                "pql.toml, line 3",
                "found 2 of `event`, `event_name` and `unpivot`, expected at most one",
            ],
        );
    let second = "[[events]]\npath = \"more.csv\"\nevent_name = \"exam\"\nunpivot = [\"exams\"]\n\n[accounts]";
    train(&TRIAL.replace("[accounts]", second)).fails_with(
        2,
        &["pql.toml, line 5", "of `event`, `event_name` and `unpivot`, expected at most one"],
    );
    let second = "[[events]]\nevent_name = \"exam\"\n\n[accounts]";
    train(&TRIAL.replace("[accounts]", second))
        .fails_with(2, &["pql.toml, line 5", "missing key `path` in [[events]]"]);
}

#[test]
fn a_source_that_is_only_a_table_is_not_read() {
    let tables = |events: &str, accounts: &str| {
        TRIAL.replace("path = \"events.csv\"", events).replace("path = \"accounts.csv\"", accounts)
    };
    let (file, other) = ("path = \"events.csv\"", "path = \"accounts.csv\"");
    let hint = "hint: set `connection` to read the table, export it and set `path`, or compute the scores where the table is: `pql export sql MODEL`";
    train(&tables("table = \"analytics.events\"", other))
        .fails_with(2, &["[[events]]: found only the table `analytics.events`", hint]);
    train(&tables(file, "table = 'crm.\"all accounts\"'"))
        .fails_with(2, &["[accounts]: found only the table `crm.\"all accounts\"`", hint]);
    train(&tables(&format!("table = \"events\"\n{file}"), &format!("{other}\ntable = \"a\"")))
        .done();
    train(&tables("table = \"analytics..events\"", other))
        .fails_with(2, &["pql.toml, line 2", "`events.table`: found an empty part"]);
}

#[test]
fn a_missing_source_is_reported_with_the_next_step() {
    let project = Project::new();
    project
        .train(&[])
        .fails_with(2, &["pql.toml: found no `[[events]]`", "hint: ", "`--features FILE`"]);
    project.write("other.toml", "[model]\nseed = 1\n");
    project
        .train(&["-c", "other.toml"])
        .fails_with(2, &["error: other.toml: found no `[[events]]`"]);
}

#[test]
fn a_missing_project_file_is_reported() {
    let project = Project::trial();
    project
        .train(&["-c", "absent.toml"])
        .fails_with(2, &["absent.toml", "cannot read the project file", "No such file", "hint: "]);
}

#[test]
fn an_attribute_that_records_the_outcome_is_refused() {
    for column in ["converted_at", "churned_at", "account_id", "signed_up_at", "mrr"] {
        train(&TRIAL.replace("[\"industry\"]", &format!("[\"{column}\"]"))).fails_with(
            2,
            &[
                "pql.toml, line 7",
                &format!("`accounts.attributes`: found `{column}`, which is already `accounts."),
            ],
        );
    }
    let named = TRIAL
        .replace("attributes", "converted = \"paid_at\"\nattributes")
        .replace("[\"industry\"]", "[\"paid_at\"]");
    train(&named).fails_with(
        2,
        &["pql.toml, line 8", "found `paid_at`, which is already `accounts.converted`"],
    );
}

#[test]
fn an_attribute_named_like_a_usage_feature_is_refused() {
    let project = Project::trial();
    for name in ["tenure_days", "events_7d", "count_login_7d", "sum_minutes_7d"] {
        project.write("accounts.csv", project.text("accounts.csv"));
        let header = project.text("accounts.csv").lines().next().unwrap().to_owned();
        let last = header.rsplit(',').next().unwrap().to_owned();
        project.replace("accounts.csv", &last, name);
        project.train(&["--set", &format!("accounts.attributes=[\"{name}\"]")]).fails_with(
            2,
            &[&format!("duplicate feature name `{name}`"), "hint: rename the column"],
        );
    }
}

#[test]
fn a_column_named_like_a_matrix_key_is_refused() {
    for name in ["outcome", "split", "cutoff", "converted"] {
        let project = Project::trial();
        project.replace("accounts.csv", "industry", name);
        project.replace("accounts.csv", "converted_at", "paid_at");
        let sets = [
            "--set",
            "accounts.converted=paid_at",
            "--set",
            &format!("accounts.attributes=[\"{name}\"]"),
        ];
        let run = project.pql(&[&["features", "-o", "-"], sets.as_slice()].concat());
        run.fails_with(2, &[&format!("feature name `{name}`"), "hint: rename the column"]);
    }
}

#[test]
fn a_duplicate_attribute_is_refused() {
    let run = train(&TRIAL.replace("[\"industry\"]", "[\"industry\", \"industry\"]"));
    run.fails_with(2, &["pql.toml, line 7", "`accounts.attributes`: duplicate `industry`"]);
}

#[test]
fn an_event_with_two_roles_is_refused() {
    let roles = "[roles]\nvalue = [\"report\"]\nexclude = [\"report\"]\n";
    train(&(TRIAL.to_owned() + roles)).fails_with(
        2,
        &["pql.toml, line 17", "event `report`: found in `roles.value` and `roles.exclude`"],
    );
}

#[test]
fn an_invalid_set_is_reported() {
    let project = Project::trial();
    for (set, words) in [
        ("model.penalty", ["found no `=`", "hint: write `--set section.key=value`"]),
        ("=3", ["found no key", "hint: write `--set"]),
        (
            "model.penaltie=none",
            ["--set model.penaltie=none: unknown key `penaltie`", "did you mean `penalty`?"],
        ),
        (
            "modle.penalty=none",
            ["--set modle.penalty=none: unknown key `modle`", "did you mean `model`?"],
        ),
        ("model.alpha=strong", ["--set model.alpha=strong", "expected a number"]),
        ("model.test_size=2", ["--set model.test_size=2", "`model.test_size`: found 2"]),
        (
            "observation.horizon=0d",
            ["--set observation.horizon=0d", "`observation.horizon`: found 0"],
        ),
        ("features.windows=7d", ["--set features.windows=7d", "expected a list"]),
        (
            "model.penalty=lasso",
            [
                "--set model.penalty=lasso: `model.penalty`: found `lasso`",
                "expected one of `none`, `l2`",
            ],
        ),
        (
            "model.penalty=1",
            ["--set model.penalty=1: `model.penalty`", "found number `1`, expected text"],
        ),
        ("qualify.value=3", ["`qualify.value`: found number `3`", "expected a table"]),
        ("qualify.value=[0.5,0.2]", ["`qualify.value`: found a list", "expected a table"]),
        ("events=[3]", ["`events`: found number `3`", "expected a table"]),
        ("model=3", ["`model`: found number `3`", "expected a table"]),
        ("design.exclude=[]", ["unknown key `exclude`", "hint: use one of `log1p`"]),
        ("events.3.path=x.csv", ["--set events.3.path=x.csv", "found index 3"]),
        ("model.seed=-1", ["--set model.seed=-1", "-1"]),
    ] {
        let run = project.train(&["--set", set]).fails_with(2, &words);
        assert!(!run.err.contains("pql.toml, line"), "{set}: {}", run.err);
    }
}

#[test]
fn errors_refer_to_the_file_unless_a_set_caused_them() {
    let project = Project::trial();
    project.write("pql.toml", TRIAL.to_owned() + "[model]\ntest_size = 0.2\n");
    project
        .train(&["--set", "model.seed=3", "--set", "model.test_size=2"])
        .fails_with(2, &["error: --set model.test_size=2: `model.test_size`: found 2"]);
    project.write("pql.toml", TRIAL.to_owned() + "[model]\ntest_size = 2\n");
    project
        .train(&["--set", "model.seed=3"])
        .fails_with(2, &["pql.toml, line 18: `model.test_size`: found 2"]);
    project.train(&["--set", "model.test_size=0.2"]).done();
}

#[test]
fn a_set_overrides_the_file_and_a_flag_the_default() {
    let project = Project::trial();
    let seven = project.features(&[]);
    let both = project.features(&["--set", "features.windows=[\"7d\",\"14d\"]"]);
    assert!(
        seven.contains("events_7d") && !seven.contains("events_14d") && both.contains("events_14d")
    );
    project.write("other.toml", TRIAL.replace("7d", "3d"));
    assert!(project.features(&["-c", "other.toml"]).contains("events_3d"));
}

#[test]
fn relative_paths_in_the_file_start_at_its_folder() {
    let project = Project::trial();
    let expected = project.features(&[]);
    project.write(
        "sub/pql.toml",
        TRIAL
            .replace("= \"events.csv\"", "= \"../events.csv\"")
            .replace("= \"accounts.csv\"", "= \"../accounts.csv\""),
    );
    assert_eq!(project.features(&["-c", "sub/pql.toml"]), expected);
    assert_eq!(
        project.features(&["-c", "sub/pql.toml", "--set", "events.0.path=events.csv"]),
        expected,
        "a path of a set starts at the working folder"
    );
}

#[test]
fn qualifying_by_definitions_requires_a_definition() {
    let project = Project::trial();
    for by in ["both", "definition"] {
        let set = format!("qualify.by={by}");
        project
            .train(&["--set", &set])
            .fails_with(2, &[&format!("`qualify.by = \"{by}\"` requires a `[[definition]]`")]);
    }
}

#[test]
fn incompatible_statistical_keys_are_refused_with_their_line() {
    let with = |keys: &str| train(&(TRIAL.to_owned() + keys));
    with("[model]\npenalty = \"ridge\"\n")
        .fails_with(2, &["pql.toml, line 18", "`none`, `l2`, `l1`, `elastic-net`, `firth`"]);
    with("[model]\nsolver = \"lbfgs\"\npenalty = \"l1\"\n")
        .fails_with(2, &["pql.toml, line 18", "requires `penalty = \"none\"` or `\"l2\"`"]);
    with("[model]\nl1_ratio = 0\npenalty = \"elastic-net\"\n")
        .fails_with(2, &["pql.toml, line 18", "for 0, set `penalty = \"l2\"`"]);
    with("[qualify]\nshare = 0.1\ncapacity = 9\n")
        .fails_with(2, &["pql.toml, line 17", "found 2 of `share`"]);
    with("[qualify]\nthreshold = 2\n").fails_with(
        2,
        &["pql.toml, line 18", "`qualify.threshold`: found 2", "a probability between 0 and 1"],
    );
    with("[qualify]\nvalue = { revenue = 5, cost = 10 }\n")
        .fails_with(2, &["pql.toml, line 18", "0 < cost < revenue"]);
    with("[qualify]\nprecision = 0.9999\n").fails_with(
        2,
        &["`qualify.precision`: found 0.9999, expected at most", "highest reference probability"],
    );
    with("[qualify]\nvalue = { revenue = 5 }\n").fails_with(2, &["pql.toml, line 18", "cost"]);
}

#[test]
fn unknown_options_and_commands_are_refused() {
    let project = Project::trial();
    project.train(&["--promot"]).fails_with(2, &["'--promot'", "--promote"]);
    project.pql(&["trian"]).fails_with(2, &["trian", "train"]);
    project.pql(&["train"]).fails_with(2, &["--name <NAME>"]);
    project.pql(&["score", "m"]).fails_with(2, &["--output <FILE>"]);
    project.pql(&[]).fails_with(2, &["Usage: pql", "Set up", "Operate"]);
    project
        .train(&["--now", "tomorrow"])
        .fails_with(2, &["'--now <TIME>'", "found `tomorrow`, expected a date or time"]);
    project
        .pql(&["score", "m", "-o", "-", "--at", "soon"])
        .fails_with(2, &["'--at <TIME>'", "found `soon`"]);
    project
        .pql(&["inspect", "m", "--format", "xml"])
        .fails_with(2, &["'xml'", "table, json, csv, md"]);
    project
        .pql(&["score", "m", "-o", "-", "--at", "2025-01-01", "--features", "m.csv"])
        .fails_with(2, &["cannot be used with"]);
}

#[test]
fn tips_for_unknown_options_and_commands_are_similar_names() {
    let project = Project::trial();
    for args in
        [["models", "list", "--json"], ["inspect", "m", "--path"], ["inspect", "m", "--flat"]]
    {
        let run = project.pql(&args).fails_with(2, &["unexpected argument"]);
        assert!(!run.err.contains("tip:"), "{args:?}: {}", run.err);
    }
    let run = project.pql(&["definitions"]).fails_with(2, &["unrecognized subcommand"]);
    assert!(!run.err.contains("tip:"), "{}", run.err);
    project.train(&["--promot"]).fails_with(2, &["tip: ", "'--promote'"]);
    project.pql(&["trian"]).fails_with(2, &["tip: ", "'train'"]);
}

#[test]
fn negative_numbers_are_refused_with_the_range() {
    let project = Project::new();
    for (args, words) in [
        (&["simulate", "-o", "x", "--signal", "-11"][..], "found -11"),
        (&["simulate", "-o", "x", "--days", "-1"], "'-1' for '--days <N>'"),
        (&["simulate", "-o", "x", "--accounts", "-1"], "expected a whole number from 0"),
        (&["models", "prune", "--keep", "-1"], "expected a whole number from 0"),
        (&["discover", "--min-accounts", "-1"], "expected a whole number from 0"),
        (&["discover", "--days", "-1"], "-1 is not in 1..=365"),
    ] {
        project.pql(args).fails_with(2, &[words]);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_reported_before_the_log_is_read() {
    let project = Project::trial();
    project.replace("events.csv", "minutes", "seconds");
    for args in [
        &["train", "--name", "m", "-o", "absent/x.txt"][..],
        &["features", "-o", "absent/x.csv"],
        &["funnel", "-o", "absent/x.csv"],
        &["init", "--events", "events.csv", "-o", "absent/pql.toml"],
    ] {
        let run = project.pql(args).fails_with(1, &["cannot write `absent/", "No such file"]);
        assert!(!run.err.contains(".pql-"), "{}", run.err);
    }
}

#[test]
fn init_suggests_training_only_if_a_model_can_be_trained() {
    let project = Project::trial();
    let run = project.pql(&["init", "--events", "events.csv", "-o", "a.toml"]).done();
    let run = run.stderr_has(&["no model can be trained yet", "Wrote a.toml"]);
    assert!(run.err.contains("Next: fix the lines with FIXME in a.toml"), "{}", run.err);
    assert!(!run.err.contains("pql train"), "{}", run.err);
    let sources = ["init", "--events", "events.csv", "--accounts", "accounts.csv", "-o", "b.toml"];
    project.pql(&sources).done().stderr_has(&["Next: pql train -c b.toml --name NAME"]);
}

#[test]
fn unknown_names_in_the_design_suggest_the_nearest_name() {
    let project = Project::trial();
    for (set, words) in [
        (
            "design.include=[\"event_7d\"]",
            [
                "`design.include`: found `event_7d`, expected the name of a feature",
                "did you mean `events_7d`?",
            ],
        ),
        (
            "design.categorical=[\"industri\"]",
            ["`design.categorical`: found `industri`", "did you mean `industry`?"],
        ),
        (
            "design.categorical=[\"zzz\"]",
            ["`design.categorical`: found `zzz`", "hint: use one of `"],
        ),
        (
            "design.reference_levels={industri=\"NA\"}",
            ["`design.reference_levels`: found `industri`", "did you mean `industry`?"],
        ),
        (
            "design.reference_levels={industry=\"retial\"}",
            ["the level `retial` of `industry`", "did you mean `retail`?"],
        ),
    ] {
        project.train(&["--set", set]).fails_with(2, &words);
    }
}

#[test]
fn an_invalid_folder_name_is_refused() {
    let project = Project::trial();
    for name in ["", "../x", "a/b", ".x", "a b"] {
        project
            .pql(&["train", "--name", name])
            .fails_with(2, &["is not a valid model name", "hint: "]);
    }
}
