use std::path::Path;

use super::*;
use crate::time::TimeSpan;

fn parse(text: &str, sets: &[&str]) -> Result<Config> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Config::parse(text, Path::new("dir/pql.toml"), &sets)
}

fn problem(text: &str, sets: &[&str]) -> String {
    let error = parse(text, sets).expect_err("an invalid configuration");
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
fn an_unknown_key_is_reported_with_its_line_and_the_nearest_key() {
    let message = problem("[observation]\nhorizn = \"30d\"\n", &[]);
    assert!(
        message.contains("line 2")
            && message.contains("unknown key `horizn` in [observation]")
            && message.contains("did you mean `horizon`?"),
        "{message}"
    );
}

#[test]
fn an_invalid_value_is_reported_with_its_line() {
    let message = problem("[observation]\nevery = \"7d\"\nhorizon = \"30\"\n", &[]);
    assert!(message.contains("line 3") && message.contains("found `30`"), "{message}");
    let message = problem("[model]\n\ntest_size = 1.5\n", &[]);
    assert!(
        message.contains("line 3") && message.contains("`model.test_size`: found 1.5"),
        "{message}"
    );
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
    assert!(problem("", &["model"]).contains("found no `=`"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file_except_in_a_set() {
    let config = parse(
        "[[events]]\npath = \"e.csv\"\n[accounts]\npath = \"a.csv\"\n",
        &["accounts.path=b.csv"],
    )
    .unwrap();
    assert_eq!(config.events[0].path, Path::new("dir/e.csv"));
    assert_eq!(config.accounts.unwrap().path, Path::new("b.csv"));
}

#[test]
fn qualifying_by_definitions_requires_a_definition() {
    assert!(problem("", &["qualify.by=both"]).contains("requires a `[[definition]]`"));
}

#[test]
fn the_stored_configuration_round_trips_and_has_no_path() {
    let config =
        parse("[[events]]\npath = \"secret.csv\"\n[observation]\nuntil = 2022-10-21\n", &[])
            .unwrap();
    let stored = config.stored();
    assert!(!stored.contains("secret"));
    let with_table =
        parse("[matrix]\ntable = \"secret\"\nlabel = \"paid\"\n", &[]).unwrap().stored();
    assert!(with_table.contains("paid") && !with_table.contains("secret"));
    let reread = Config::from_stored(&stored, Path::new("m")).unwrap();
    assert_eq!(reread, Config { events: Vec::new(), ..config });
}

#[test]
fn differences_from_the_model_are_listed_by_key() {
    let (file, model) = (
        parse("", &["observation.horizon=14d", "observation.until=2022-10-21"]).unwrap(),
        Config::default(),
    );
    let [difference] = &file.differences(&model)[..] else { panic!("one key differs") };
    assert_eq!(
        [&difference.key, &difference.value, &difference.other],
        ["observation.horizon", "\"14d\"", "\"30d\""]
    );
    let spline = parse("", &["design.spline=3", "model.penalty=none"]).unwrap();
    let keys = |one: &Config, other: &Config| {
        one.all_differences(other).into_iter().map(|difference| difference.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&spline, &model), ["design.spline", "model.penalty"]);
    assert_eq!(keys(&model, &spline), keys(&spline, &model), "keys that only one has are included");
    assert_eq!(keys(&file, &model), ["observation.horizon", "observation.until"]);
}

#[test]
fn one_threshold_rule_replaces_the_default_and_two_are_refused() {
    assert_eq!(parse("", &[]).unwrap().qualify.threshold_rule(), ThresholdRule::Share(0.2));
    assert_eq!(
        parse("", &["qualify.capacity=40"]).unwrap().qualify.threshold_rule(),
        ThresholdRule::Capacity(40)
    );
    let value = parse("[qualify]\nvalue = { revenue = 12000, cost = 150 }\n", &[]).unwrap();
    assert_eq!(
        value.qualify.threshold_rule(),
        ThresholdRule::Value(ContactValue { revenue: 12_000.0, cost: 150.0 })
    );
    assert!(
        problem("[qualify]\nshare = 0.1\nprecision = 0.3\n", &[]).contains("expected at most one")
    );
    assert!(
        problem("[qualify]\nvalue = { revenue = 10, cost = 150 }\n", &[])
            .contains("0 < cost < revenue")
    );
    assert!(problem("", &["qualify.threshold=1.5"]).contains("a probability"));
}

#[test]
fn incompatible_model_settings_are_refused() {
    for (sets, named) in [
        (["model.penalty=l1", "model.solver=lbfgs"], "lbfgs"),
        (["model.penalty=elastic-net", "model.l1_ratio=0"], "l2"),
    ] {
        assert!(problem("", &sets).contains(named), "{}", problem("", &sets));
    }
    assert_eq!(
        parse("", &["model.alpha_selection=1se"]).unwrap().model.alpha_selection,
        AlphaSelection::OneSe
    );
}

#[test]
fn a_renamed_key_is_reported_with_its_new_name() {
    for (text, line, hint) in [
        ("[observation]\nat = \"age\"\n", 2, "rename `at` to `cutoffs`"),
        ("[features]\ncounts = 3\n", 2, "rename `counts` to `event_types`"),
        ("[design]\nuse = []\n", 2, "rename `use` to `include`"),
        ("[design]\nbase = { a = \"b\" }\n", 2, "rename `base` to `reference_levels`"),
        ("[design]\n\ncategories = []\n", 3, "rename `categories` to `categorical`"),
        ("[model]\nrule = \"1se\"\n", 2, "rename `rule` to `alpha_selection`"),
        ("[model]\ntest = 0\n", 2, "rename `test` to `test_size`"),
        ("[qualify]\nvalue = { deal = 9, cost = 1 }\n", 2, "rename `deal` to `revenue`"),
        ("[qualify]\nvalue = { revenue = 9, touch = 1 }\n", 2, "rename `touch` to `cost`"),
    ] {
        let message = problem(text, &[]);
        assert!(message.contains("unknown key") && message.contains(hint), "{message}");
        assert!(message.contains(&format!("line {line}")), "{message}");
    }
    assert!(problem("", &["model.test=0"]).contains("rename `test` to `test_size`"));
}

#[test]
fn messages_of_the_toml_parser_have_the_usual_form() {
    for (text, expected) in [
        (
            "[model]\npenalty = \"l3\"\n",
            "`model.penalty`: found `l3`, expected one of `none`, `l2`",
        ),
        ("[model]\npenalty = 1\n", "`model.penalty`: found number `1`, expected text"),
        (
            "[model]\nseed = \"x\"\n",
            "`model.seed`: found text \"x\", expected a whole number from 0",
        ),
        (
            "[model]\nseed = 99999999999999999999\n",
            "`model.seed`: found a number that is too large",
        ),
        (
            "[features]\nwindows = \"7d\"\n",
            "`features.windows`: found text \"7d\", expected a list",
        ),
        ("[features]\nwindows = { a = 1 }\n", "`features.windows`: found a table, expected a list"),
        (
            "[features]\nwindows = [\n  \"7d\",\n  28,\n]\n",
            "`features.windows`: found number `28`, expected a duration",
        ),
        ("[model]\nalpha = \"x\"\n", "`model.alpha`: found \"x\", expected a number or \"cv\""),
        ("[observation]\nsince = \"x\"\n", "`observation.since`: found `x`, expected a date"),
        (
            "[accounts]\npath = 3\n",
            "`accounts.path`: found number `3`, expected the path of a file",
        ),
        ("[events]\npath = \"a.csv\"\n", "`events`: found [events], expected [[events]]"),
        ("[qualify]\nvalue = 3\n", "`qualify.value`: found number `3`, expected a table"),
        ("[qualify]\nvalue = [0.5, 0.2]\n", "`qualify.value`: found a list, expected a table"),
        (
            "[qualify]\nvalue = { revenue = 5, cost = \"x\" }\n",
            "`qualify.value.cost`: found text \"x\", expected a number",
        ),
        (
            "[[definition]]\nname = \"x\"\nall = [{ users = \"x\" }]\n",
            "`definition.all.users`: found text \"x\", expected a whole number from 0",
        ),
        (
            "[[definition]]\nname = \"x\"\nall = [3]\n",
            "`definition.all`: found number `3`, expected a table",
        ),
        ("[qualify]\nvalue = { revenue = 5 }\n", "missing key `cost`"),
        ("modell = 1\n", "unknown key `modell`"),
        ("[model]\nzzz = 1\n", "use one of `penalty`, `alpha`"),
    ] {
        let message = problem(text, &[]);
        assert!(message.contains(expected) && message.contains("line"), "{message}");
    }
}

#[test]
fn the_age_of_definition_matches_in_alerts_is_a_positive_duration() {
    assert_eq!(parse("", &[]).unwrap().alerts.within, TimeSpan::days(14));
    assert_eq!(parse("[alerts]\nwithin = \"3d\"\n", &[]).unwrap().alerts.within, TimeSpan::days(3));
    let message = problem("[alerts]\nwithin = \"0d\"\n", &[]);
    assert!(
        message.contains("line 2") && message.contains("`alerts.within`: found 0"),
        "{message}"
    );
    let stored = parse("[alerts]\nwithin = \"3d\"\n", &[]).unwrap().stored();
    assert_eq!(stored, Config::default().stored(), "alerts do not change a model");
}

#[test]
fn a_time_zone_has_a_known_name() {
    let config = parse("[input]\ntimezone = \"America/New_York\"\n", &[]).unwrap();
    assert_eq!(config.input.timezone.to_string(), "America/New_York");
    assert!(Config::default().input.timezone.is_utc());
    assert!(config.stored().contains("America/New_York"));
    let message = problem("[input]\ntimezone = \"America/NewYork\"\n", &[]);
    let expected = "`input.timezone`: found `America/NewYork`, expected a time zone; did you mean `America/New_York`?";
    assert!(message.contains("line 2") && message.contains(expected), "{message}");
    let message = problem("", &["input.timezone=somewhere"]);
    assert!(message.contains("such as `America/New_York`"), "{message}");
}

#[test]
fn one_source_at_most_is_standard_input() {
    let events = "[[events]]\npath = \"-\"\n";
    assert!(parse(events, &[]).is_ok());
    for second in [
        "[accounts]\npath = \"-\"\n",
        "[users]\npath = \"-\"\n",
        "[users]\npath = \"users.csv\"\nalias = \"-\"\n",
        "[eligibility]\ndeals = \"-\"\n",
        "[eligibility]\ncontacts = \"-\"\n",
    ] {
        let message = problem(&format!("{events}\n{second}"), &[]);
        assert!(message.contains("found `-` in a second source"), "{second}{message}");
    }
}
