use std::path::Path;

use super::*;
use crate::time::TimeSpan;

fn parse(text: &str, sets: &[&str]) -> Result<Config> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Config::parse(text, Path::new("dir/pql.toml"), &sets)
}

fn problem(text: &str, sets: &[&str]) -> String {
    let error = parse(text, sets).expect_err("a configuration that cannot be");
    assert_eq!(error.exit_code(), 2);
    format!("{error}; {}", error.hint().unwrap_or_default())
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.observation.horizon, TimeSpan::days(30));
    assert_eq!(config.roles.login, ["login"]);
}

#[test]
fn an_unknown_key_names_the_line_and_the_nearest_key() {
    let message = problem("[observation]\nhorizn = \"30d\"\n", &[]);
    assert!(
        message.contains("line 2")
            && message.contains("unknown key `horizn`")
            && message.contains("did you mean `horizon`?"),
        "{message}"
    );
}

#[test]
fn a_wrong_value_names_its_line() {
    let message = problem("[observation]\nevery = \"7d\"\nhorizon = \"30\"\n", &[]);
    assert!(message.contains("line 3") && message.contains("found `30`"), "{message}");
    let message = problem("[model]\n\ntest = 1.5\n", &[]);
    assert!(message.contains("line 3") && message.contains("`model.test` is 1.5"), "{message}");
}

#[test]
fn a_set_overrides_the_file() {
    let config = parse(
        "[model]\npenalty = \"l2\"\n",
        &[
            "model.penalty=none",
            "model.alpha=3",
            "observation.until=2022-10-21",
            "features.windows=[\"7d\"]",
        ],
    )
    .unwrap();
    assert_eq!(config.model.penalty, PenaltyKind::None);
    assert_eq!(config.model.alpha, Alpha::Fixed(3.0));
    assert_eq!(config.observation.until, "2022-10-21".parse().ok());
    assert_eq!(config.features.windows, [TimeSpan::days(7)]);
    let message = problem("", &["model.penaltie=none"]);
    assert!(
        message.contains("--set model.penaltie=none")
            && message.contains("did you mean `penalty`?"),
        "{message}"
    );
    assert!(problem("", &["model"]).contains("has no `=`"));
}

#[test]
fn relative_paths_of_the_file_count_from_its_folder_and_those_of_a_set_do_not() {
    let config = parse(
        "[[events]]\npath = \"e.csv\"\n[accounts]\npath = \"a.csv\"\n",
        &["accounts.path=b.csv"],
    )
    .unwrap();
    assert_eq!(config.events[0].path, Path::new("dir/e.csv"));
    assert_eq!(config.accounts.unwrap().path, Path::new("b.csv"));
}

#[test]
fn to_qualify_by_a_definition_there_must_be_one() {
    assert!(problem("", &["qualify.by=both"]).contains("there is no `[[definition]]`"));
}

#[test]
fn what_a_model_stores_reads_back_and_names_no_path() {
    let config =
        parse("[[events]]\npath = \"secret.csv\"\n[observation]\nuntil = 2022-10-21\n", &[])
            .unwrap();
    let stored = config.stored();
    assert!(!stored.contains("secret"));
    let back = Config::from_stored(&stored, Path::new("m")).unwrap();
    assert_eq!(back, Config { events: Vec::new(), ..config });
}

#[test]
fn differences_in_what_a_model_owns_are_named() {
    let (file, model) = (
        parse("", &["observation.horizon=14d", "observation.until=2022-10-21"]).unwrap(),
        Config::default(),
    );
    let [different] = &file.differences(&model)[..] else { panic!("one key differs") };
    assert_eq!(
        [&different.key, &different.value, &different.other],
        ["observation.horizon", "\"14d\"", "\"30d\""]
    );
    let spline = parse("", &["design.spline=3", "model.penalty=none"]).unwrap();
    let keys = |one: &Config, other: &Config| {
        one.all_differences(other).into_iter().map(|of| of.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&spline, &model), ["design.spline", "model.penalty"]);
    assert_eq!(
        keys(&model, &spline),
        keys(&spline, &model),
        "a key that only one has counts as well"
    );
    assert_eq!(keys(&file, &model), ["observation.horizon", "observation.until"]);
}

#[test]
fn one_kind_of_threshold_replaces_the_default_and_two_exclude_one_another() {
    assert_eq!(parse("", &[]).unwrap().qualify.cut(), Cut::Share(0.2));
    assert_eq!(parse("", &["qualify.capacity=40"]).unwrap().qualify.cut(), Cut::Capacity(40));
    let value = parse("[qualify]\nvalue = { deal = 12000, touch = 150 }\n", &[]).unwrap();
    assert_eq!(value.qualify.cut(), Cut::Value(Worth { deal: 12_000.0, touch: 150.0 }));
    assert!(problem("[qualify]\nshare = 0.1\nprecision = 0.3\n", &[]).contains("expected one"));
    assert!(
        problem("[qualify]\nvalue = { deal = 10, touch = 150 }\n", &[])
            .contains("0 < touch < deal")
    );
    assert!(problem("", &["qualify.threshold=1.5"]).contains("a probability"));
}

#[test]
fn what_a_penalty_cannot_have_is_refused() {
    for (sets, named) in [
        (["model.penalty=l1", "model.solver=lbfgs"], "lbfgs"),
        (["model.penalty=elastic-net", "model.l1_ratio=0"], "l2"),
        (["model.test=0", "model.refit=true"], "all labelled rows"),
    ] {
        assert!(problem("", &sets).contains(named), "{}", problem("", &sets));
    }
    assert_eq!(parse("", &["model.rule=1se"]).unwrap().model.rule, PathRule::OneSe);
}
