//! Wrong usage: pql.toml, `--set` and flags, each with exit code 2 and the place of the mistake.

use crate::project::{Project, TRIAL};

/// Train with another project file.
fn train(toml: &str) -> crate::project::Run {
    let project = Project::trial();
    project.write("pql.toml", toml);
    project.train(&[])
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_key() {
    train(&TRIAL.replace("horizon", "horizn"))
        .refused(2, &["pql.toml, line 12: unknown key `horizn`", "hint: did you mean `horizon`?"]);
    train(&TRIAL.replace("values", "value"))
        .refused(2, &["pql.toml, line 3: unknown key `value`", "hint: did you mean `values`?"]);
    train(&TRIAL.replace("[observation]", "[observations]")).refused(
        2,
        &["pql.toml, line 9: unknown key `observations`", "hint: did you mean `observation`?"],
    );
    train(&TRIAL.replace("attributes", "atributes"))
        .refused(2, &["pql.toml, line 7: unknown key `atributes`", "did you mean `attributes`?"]);
}

#[test]
fn a_wrong_value_names_its_line() {
    train(&TRIAL.replace("\"14d\"", "\"14\""))
        .refused(2, &["pql.toml, line 12", "found `14`, expected a duration"]);
    train(&TRIAL.replace("\"age\"", "\"sometimes\""))
        .refused(2, &["pql.toml, line 10", "`sometimes`", "`snapshot`", "`age`"]);
    train(&TRIAL.replace("counts = 3", "counts = \"three\""))
        .refused(2, &["pql.toml, line 16", "three"]);
    train(&TRIAL.replace("[\"7d\"]", "[\"36h\"]"))
        .refused(2, &["pql.toml, line 15", "`features.windows` has 36h", "whole days"]);
    train(&(TRIAL.to_owned() + "[model]\ntest = 1\n"))
        .refused(2, &["pql.toml, line 18", "`model.test` is 1"]);
    train(&(TRIAL.to_owned() + "[design]\nwinsorize = [0.9, 0.1]\n"))
        .refused(2, &["pql.toml, line 18", "`design.winsorize`"]);
    train(&(TRIAL.to_owned() + "[qualify]\nshare = 1.5\n"))
        .refused(2, &["pql.toml, line 18", "`qualify.share` is 1.5"]);
    train("[[events]\n").refused(2, &["pql.toml, line 1"]);
    train(&TRIAL.replace("[features]", "[observation]"))
        .refused(2, &["pql.toml, line 14", "duplicate key"]);
}

#[test]
fn a_mistake_in_a_source_names_its_line() {
    train(&TRIAL.replace("path = \"events.csv\"\n", ""))
        .refused(2, &["pql.toml, line 1", "`[[events]]` has no `path`"]);
    train(&TRIAL.replace("path = \"accounts.csv\"\n", ""))
        .refused(2, &["pql.toml, line 5", "`[accounts]` has no `path`"]);
    train(&TRIAL.replace("values =", "event = \"event\"\nevent_name = \"x\"\nvalues =")).refused(
        2,
        &["pql.toml, line 3", "`event`, `event_name` and `unpivot` exclude one another"],
    );
    let second = "[[events]]\npath = \"more.csv\"\nevent_name = \"exam\"\nunpivot = [\"exams\"]\n\n[accounts]";
    train(&TRIAL.replace("[accounts]", second))
        .refused(2, &["pql.toml, line 5", "`event_name` and `unpivot` exclude one another"]);
    let second = "[[events]]\nevent_name = \"exam\"\n\n[accounts]";
    train(&TRIAL.replace("[accounts]", second))
        .refused(2, &["pql.toml, line 5", "`[[events]]` has no `path`"]);
}

#[test]
fn without_a_source_the_next_step_is_named() {
    let project = Project::new();
    project.train(&[]).refused(2, &["no source of events", "hint: ", "`--features FILE`"]);
}

#[test]
fn a_project_file_that_is_not_there_is_named() {
    let project = Project::trial();
    project
        .train(&["-c", "absent.toml"])
        .refused(2, &["absent.toml", "cannot be read", "No such file", "hint: "]);
}

#[test]
fn an_attribute_that_holds_the_outcome_is_refused() {
    for column in ["converted_at", "churned_at", "account_id", "signed_up_at", "mrr"] {
        train(&TRIAL.replace("[\"industry\"]", &format!("[\"{column}\"]"))).refused(
            2,
            &[
                "pql.toml, line 7",
                &format!("`{column}` is taken as `accounts."),
                "cannot be an attribute",
            ],
        );
    }
    let named = TRIAL
        .replace("attributes", "converted = \"paid_at\"\nattributes")
        .replace("[\"industry\"]", "[\"paid_at\"]");
    train(&named).refused(2, &["pql.toml, line 8", "`paid_at` is taken as `accounts.converted`"]);
}

#[test]
fn an_attribute_with_the_name_of_a_usage_feature_is_refused() {
    let project = Project::trial();
    for name in ["tenure_days", "events_7d", "count_login_7d", "sum_minutes_7d"] {
        project.write("accounts.csv", project.text("accounts.csv"));
        let header = project.text("accounts.csv").lines().next().unwrap().to_owned();
        let last = header.rsplit(',').next().unwrap().to_owned();
        project.replace("accounts.csv", &last, name);
        project
            .train(&["--set", &format!("accounts.attributes=[\"{name}\"]")])
            .refused(2, &[&format!("two features are named `{name}`"), "hint: rename the column"]);
    }
}

#[test]
fn a_column_with_the_name_of_a_key_of_the_matrix_is_refused() {
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
        run.refused(
            2,
            &[&format!("a feature cannot be named `{name}`"), "hint: rename the column"],
        );
    }
}

#[test]
fn the_same_attribute_twice_is_refused() {
    let run = train(&TRIAL.replace("[\"industry\"]", "[\"industry\", \"industry\"]"));
    run.refused(2, &["pql.toml, line 7", "`accounts.attributes` names `industry` twice"]);
}

#[test]
fn an_event_of_usage_that_is_none_is_refused() {
    let roles = "[roles]\nvalue = [\"report\"]\nexclude = [\"report\"]\n";
    train(&(TRIAL.to_owned() + roles))
        .refused(2, &["pql.toml, line 17", "`report` has the role `value` and the role `exclude`"]);
}

#[test]
fn a_set_that_cannot_be_names_itself() {
    let project = Project::trial();
    for (set, words) in [
        ("model.penalty", ["has no `=`", "hint: write `--set section.key=value`"]),
        ("=3", ["has no key", "hint: write `--set"]),
        (
            "model.penaltie=none",
            ["--set model.penaltie=none: unknown key `penaltie`", "did you mean `penalty`?"],
        ),
        (
            "modle.penalty=none",
            ["--set modle.penalty=none: unknown key `modle`", "did you mean `model`?"],
        ),
        ("model.alpha=strong", ["--set model.alpha=strong", "expected a number"]),
        ("model.test=2", ["--set model.test=2", "`model.test` is 2"]),
        ("observation.horizon=0d", ["--set observation.horizon=0d", "`observation.horizon` is 0"]),
        ("features.windows=7d", ["--set features.windows=7d", "expected a sequence"]),
        ("events.3.path=x.csv", ["--set events.3.path=x.csv", "there is no `events.3`"]),
        ("model.seed=-1", ["--set model.seed=-1", "-1"]),
    ] {
        let run = project.train(&["--set", set]).refused(2, &words);
        assert!(!run.err.contains("pql.toml, line"), "{set}: {}", run.err);
    }
}

#[test]
fn a_mistake_is_the_files_unless_it_came_with_a_set() {
    let project = Project::trial();
    project.write("pql.toml", TRIAL.to_owned() + "[model]\ntest = 0.2\n");
    project
        .train(&["--set", "model.seed=3", "--set", "model.test=2"])
        .refused(2, &["error: --set model.test=2: `model.test` is 2"]);
    project.write("pql.toml", TRIAL.to_owned() + "[model]\ntest = 2\n");
    project.train(&["--set", "model.seed=3"]).refused(2, &["pql.toml, line 18: `model.test` is 2"]);
    project.train(&["--set", "model.test=0.2"]).done();
}

#[test]
fn a_set_goes_over_the_file_and_a_flag_over_the_default() {
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
fn relative_paths_of_the_file_count_from_its_folder() {
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
        "of a set from the working folder"
    );
}

#[test]
fn to_qualify_by_definitions_there_must_be_some() {
    let project = Project::trial();
    for by in ["both", "definition"] {
        let set = format!("qualify.by={by}");
        project
            .train(&["--set", &set])
            .refused(2, &[&format!("`qualify.by` is \"{by}\", but there is no `[[definition]]`")]);
    }
}

#[test]
fn statistical_keys_that_do_not_go_together_are_refused_with_their_line() {
    let with = |keys: &str| train(&(TRIAL.to_owned() + keys));
    with("[model]\npenalty = \"ridge\"\n")
        .refused(2, &["pql.toml, line 18", "`none`, `l2`, `l1`, `elastic-net`, `firth`"]);
    with("[model]\nsolver = \"lbfgs\"\npenalty = \"l1\"\n")
        .refused(2, &["pql.toml, line 18", "`penalty = \"none\"` and `\"l2\"` alone"]);
    with("[model]\nl1_ratio = 0\npenalty = \"elastic-net\"\n")
        .refused(2, &["pql.toml, line 18", "that is `penalty = \"l2\"`"]);
    with("[model]\ntest = 0\nrefit = true\n")
        .refused(2, &["pql.toml, line 19", "all labelled rows train already"]);
    with("[qualify]\nshare = 0.1\ncapacity = 9\n")
        .refused(2, &["pql.toml, line 17", "2 of `share`"]);
    with("[qualify]\nthreshold = 2\n").refused(
        2,
        &["pql.toml, line 18", "`qualify.threshold` is 2", "a probability between 0 and 1"],
    );
    with("[qualify]\nvalue = { deal = 5, touch = 10 }\n")
        .refused(2, &["pql.toml, line 18", "0 < touch < deal"]);
    with("[qualify]\nprecision = 0.9999\n").refused(
        2,
        &["`qualify.precision = 0.9999` cannot be reached", "highest reference probability"],
    );
    with("[qualify]\nvalue = { deal = 5 }\n").refused(2, &["pql.toml, line 18", "touch"]);
}

#[test]
fn unknown_flags_and_commands_are_refused() {
    let project = Project::trial();
    project.train(&["--promot"]).refused(2, &["'--promot'", "--promote"]);
    project.pql(&["trian"]).refused(2, &["trian", "train"]);
    project.pql(&["train"]).refused(2, &["--name <NAME>"]);
    project.pql(&["score", "--model", "m"]).refused(2, &["--output <FILE>"]);
    project.pql(&[]).refused(2, &["Usage: pql"]);
    project
        .train(&["--now", "tomorrow"])
        .refused(2, &["'--now <TIME>'", "found `tomorrow`, expected a date or time"]);
    project
        .pql(&["score", "--model", "m", "-o", "-", "--at", "soon"])
        .refused(2, &["'--at <TIME>'", "found `soon`"]);
    project
        .pql(&["inspect", "m", "--format", "xml"])
        .refused(2, &["'xml'", "table, csv, json, md"]);
    project
        .pql(&["score", "--model", "m", "-o", "-", "--at", "2025-01-01", "--features", "m.csv"])
        .refused(2, &["cannot be used with"]);
}

#[test]
fn names_of_no_feature_offer_the_nearest() {
    let project = Project::trial();
    for (set, words) in [
        (
            "design.use=[\"event_7d\"]",
            ["`design.use` names `event_7d`, which is no feature", "did you mean `events_7d`?"],
        ),
        (
            "design.categories=[\"industri\"]",
            ["`design.categories` names `industri`", "did you mean `industry`?"],
        ),
        (
            "design.base={industri=\"NA\"}",
            ["`design.base` names `industri`", "did you mean `industry`?"],
        ),
        (
            "design.base={industry=\"retial\"}",
            ["the level `retial` of `industry`", "did you mean `retail`?"],
        ),
    ] {
        project.train(&["--set", set]).refused(2, &words);
    }
}

#[test]
fn a_name_that_cannot_be_a_folder_is_refused() {
    let project = Project::trial();
    for name in ["", "../x", "a/b", ".x", "a b"] {
        project
            .pql(&["train", "--name", name])
            .refused(2, &["cannot be the name of a model", "hint: "]);
    }
}
