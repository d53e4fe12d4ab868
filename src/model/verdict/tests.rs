use super::*;
use crate::names::enumerated;

/// Metrics of a test set in which each account has one row.
fn metrics(
    auc: (f64, f64),
    difference: (f64, f64),
    (converting, others): (u64, u64),
) -> Evaluation {
    let n = converting + others;
    Evaluation {
        n,
        accounts: n,
        conversions: converting,
        converting_accounts: converting,
        other_accounts: others,
        base_rate: share(converting, n),
        independent_rows: pql_stats::counts::count(n),
        roc_auc: Some(Estimate::normal(auc.0, Some(auc.1))),
        log_loss_difference: estimated(difference),
        ..Evaluation::default()
    }
}

fn estimated((difference, std_error): (f64, f64)) -> Difference {
    Difference {
        difference,
        std_error: Some(std_error),
        interval: Some(Interval::normal(difference, std_error)),
    }
}

fn rule(name: &str, difference: (f64, f64)) -> Baseline {
    Baseline {
        name: name.to_owned(),
        rule: BaselineRule::Definition { definition: name.to_owned(), matching: 0.5, other: 0.1 },
        difference: estimated(difference),
    }
}

fn verdict(metrics: &Evaluation, baselines: &[Baseline], suspects: Vec<Suspect>) -> Verdict {
    let &Evaluation { n, accounts, converting_accounts, conversions, .. } = metrics;
    Verdict {
        conclusion: conclude(metrics, baselines, suspects),
        test: Some(TestSize {
            rows: n,
            accounts,
            converting_accounts,
            converted_rows: conversions,
        }),
        too_few: None,
        base_rates: None,
        source: EvaluatedRows::TestSet,
    }
}

const GOOD: ((f64, f64), (f64, f64), (u64, u64)) = ((0.84, 0.016), (-0.084, 0.01), (140, 1_200));

fn suspect() -> Suspect {
    Suspect { name: "paid".to_owned(), code: "leak-high-auc" }
}

#[test]
fn an_interval_that_includes_one_half_is_no_skill() {
    // 0.42 with an interval from 0.20 to 0.63.
    let judged = verdict(&metrics((0.42, 0.11), (0.05, 0.02), (7, 38)), &[], Vec::new());
    assert_eq!(judged.code(), "no-skill");
    assert_eq!(
        judged.to_string(),
        "No skill: on 45 held-out accounts (7 converted) the model ranks no better than chance (ROC AUC 0.42, 95% CI 0.20 to 0.64)"
    );
    let details = judged.details().join(" ");
    assert!(
        details.starts_with("About ")
            && details.ends_with(
                "more conversions are needed to detect an AUC of 0.60. See docs/guide/no-skill.md."
            ),
        "{details}"
    );
    assert!(judged.is_poor() && !judged.meets(Requirement::Skill));
    let worse = verdict(&metrics((0.3, 0.05), (0.05, 0.02), (70, 380)), &[], Vec::new());
    assert!(worse.to_string().contains("ranks worse than chance"), "{worse}");
}

#[test]
fn enough_conversions_without_a_ranking_are_said_to_be_enough() {
    let judged = verdict(&metrics((0.51, 0.01), (0.0, 0.001), (2_000, 9_000)), &[], Vec::new());
    let details = judged.details().join(" ");
    assert!(details.starts_with("2,000 conversions suffice to detect an AUC of 0.60"), "{details}");
}

#[test]
fn a_ranking_whose_probabilities_do_not_beat_the_base_rate_is_no_skill() {
    let judged = verdict(&metrics((0.7, 0.05), (-0.01, 0.02), (60, 400)), &[], Vec::new());
    assert_eq!(judged.code(), "no-skill");
    assert_eq!(
        judged.to_string(),
        "No skill: on 460 held-out accounts (60 converted) the probabilities are no better than the base rate (difference in log loss -0.010, 95% CI -0.049 to +0.029)"
    );
    assert!(judged.details()[0].starts_with("Its ranking is better than chance (ROC AUC 0.70"));
    let worse = verdict(&metrics((0.7, 0.05), (0.1, 0.02), (60, 400)), &[], Vec::new());
    assert!(worse.to_string().contains("are worse than the base rate"), "{worse}");
}

#[test]
fn a_perfect_ranking_of_few_accounts_is_judged_by_chance() {
    let perfect = |converting| metrics((1.0, 0.0), (-0.3, 0.01), (converting, 10));
    assert_eq!(verdict(&perfect(1), &[], Vec::new()).code(), "no-skill");
    assert_eq!(verdict(&perfect(8), &[], Vec::new()).code(), "better-than-baselines");
    let unknown = Evaluation { roc_auc: Some(Estimate::normal(1.0, None)), ..perfect(8) };
    assert_eq!(verdict(&unknown, &[], Vec::new()).code(), "no-skill");
}

#[test]
fn the_first_conclusion_in_order_is_the_verdict() {
    let (auc, difference, sizes) = GOOD;
    let [lost, beaten] = [rule("rule a", (0.002, 0.004)), rule("rule b", (-0.05, 0.01))];
    let code = |metrics: &Evaluation, baselines: &[Baseline], suspects| {
        verdict(metrics, baselines, suspects).code()
    };
    let none = Evaluation { roc_auc: None, ..metrics(auc, difference, sizes) };
    let blind = metrics((0.5, 0.1), difference, sizes);
    let good = metrics(auc, difference, sizes);
    let both = [lost, beaten.clone()];
    assert_eq!(code(&none, &both, vec![suspect()]), "not-evaluated");
    assert_eq!(code(&blind, &both, vec![suspect()]), "leak-suspected");
    assert_eq!(code(&blind, &both, Vec::new()), "no-skill");
    assert_eq!(code(&good, &both, Vec::new()), "no-better-than-baselines");
    assert_eq!(code(&good, &[beaten], Vec::new()), "better-than-baselines");
}

#[test]
fn rules_that_are_not_beaten_are_worse_equivalent_or_undecided() {
    let (auc, difference, sizes) = GOOD;
    // The margin is 2% of 0.335: 0.0067.
    let judge = |rules: &[(f64, f64)]| {
        let rules: Vec<Baseline> = rules
            .iter()
            .zip(["a", "b"])
            .map(|(difference, name)| rule(name, *difference))
            .collect();
        verdict(&metrics(auc, difference, sizes), &rules, Vec::new())
    };
    let equivalent = judge(&[(0.0, 0.003)]);
    assert_eq!(equivalent.to_string(), "No better than a simpler rule: a (equivalent)");
    assert_eq!(
        equivalent.details(),
        [
            "Equivalent to a (difference in log loss 0.000, 95% CI -0.006 to +0.006): the difference is negligible. Use the rule instead.",
            "Better than the base rate.",
        ]
    );
    let undecided = judge(&[(-0.005, 0.01)]);
    assert_eq!(undecided.to_string(), "No better than a simpler rule: a (undecided)");
    let details = undecided.details().join(" ");
    // 140 · ((2.8016 · 0.01 / 0.005)² − 1) = 4,255
    assert!(details.contains("About 4,300 more conversions would decide it."), "{details}");
    let worse = judge(&[(0.0, 0.003), (0.02, 0.005)]);
    assert_eq!(worse.to_string(), "Worse than a simpler rule: b");
    assert!(worse.meets(Requirement::Skill) && !worse.meets(Requirement::Baseline));
    let two = judge(&[(0.0, 0.003), (-0.005, 0.01)]);
    assert_eq!(two.to_string(), "No better than simpler rules: a and b");
}

#[test]
fn a_model_that_beats_everything_names_what_it_beats() {
    let (auc, difference, sizes) = GOOD;
    let rules =
        [rule("`logins_7d` alone", (-0.05, 0.01)), rule("the definition `x`", (-0.06, 0.01))];
    let judged = verdict(&metrics(auc, difference, sizes), &rules, Vec::new());
    assert_eq!(
        judged.to_string(),
        "Better than the baselines: the base rate, `logins_7d` alone and the definition `x`"
    );
    assert!(judged.details().is_empty() && !judged.is_poor());
    assert!(judged.meets(Requirement::Baseline));
    let alone = verdict(&metrics(auc, difference, sizes), &[], Vec::new());
    assert_eq!(alone.to_string(), "Better than the baseline: the base rate");
}

#[test]
fn a_leak_names_the_first_three_suspects() {
    let (auc, difference, sizes) = GOOD;
    let names = ["a", "b", "c", "d"];
    let suspects = names.map(|name| Suspect { name: name.to_owned(), ..suspect() }).to_vec();
    let judged = verdict(&metrics(auc, difference, sizes), &[], suspects);
    assert_eq!(
        judged.to_string(),
        "Leak suspected: `a`, `b`, `c` and 1 more may contain the outcome"
    );
    assert!(judged.is_poor() && !judged.meets(Requirement::Skill));
}

#[test]
fn a_small_test_set_and_changed_base_rates_have_their_own_sentences() {
    let few = TooFew { accounts: 7, converting: true, needed: 20, remedy: Remedy::TestSize(0.4) };
    let base_rates = compare_base_rates(
        BaseRate { rate: 0.51, independent_rows: 177.0 },
        BaseRate { rate: 0.16, independent_rows: 45.0 },
    );
    let (auc, difference, sizes) = GOOD;
    let judged = Verdict {
        too_few: Some(few),
        base_rates,
        ..verdict(&metrics(auc, difference, sizes), &[], Vec::new())
    };
    assert_eq!(
        judged.caution().unwrap(),
        "Only 7 test accounts converted; a reliable verdict needs 20. Set `model.test_size = 0.4`."
    );
    assert_eq!(judged.headline(), format!("{} {judged}", judged.caution().unwrap()));
    assert_eq!(
        judged.details(),
        ["The share of converting rows fell from 51% in training to 16% in the test set."]
    );
    let similar = BaseRate { rate: 0.45, independent_rows: 45.0 };
    assert_eq!(compare_base_rates(BaseRate { rate: 0.51, independent_rows: 177.0 }, similar), None);
    let none = TooFew { accounts: 0, converting: false, remedy: Remedy::LongerLog, ..few };
    assert_eq!(
        none.to_string(),
        "No test account has rows that did not convert; a reliable verdict needs 20. Use a longer log."
    );
}

#[test]
fn the_card_has_code_sentences_and_data() {
    let judged = verdict(&metrics((0.42, 0.11), (0.05, 0.02), (7, 38)), &[], Vec::new());
    let card = serde_json::to_value(VerdictCard::from(&judged)).unwrap();
    assert_eq!(card["code"], "no-skill");
    assert_eq!(card["text"], judged.to_string());
    assert_eq!(card["data"]["roc_auc"]["value"], 0.42);
    assert_eq!(card["test"]["converting_accounts"], 7);
    let none = Verdict {
        conclusion: Conclusion::NotEvaluated(Unevaluated::NoTestSet),
        test: None,
        ..judged
    };
    let card = serde_json::to_value(VerdictCard::from(&none)).unwrap();
    assert_eq!(
        (card["code"].as_str(), card["data"].as_str()),
        (Some("not-evaluated"), Some("no-test-set"))
    );
    assert_eq!(enumerated(&none.details()), "");
}

#[test]
fn a_verdict_describes_the_evaluated_rows() {
    let base_rates = Some(BaseRates { training: 0.5, test: 0.1, p_value: 0.01 });
    let judged = |source| Verdict {
        base_rates,
        source,
        ..verdict(&metrics((0.42, 0.11), (0.05, 0.02), (7, 38)), &[], Vec::new())
    };
    let test_set = judged(EvaluatedRows::TestSet);
    assert!(test_set.to_string().contains("on 45 held-out accounts (7 converted)"), "{test_set}");
    assert!(test_set.details()[0].ends_with("10% in the test set."));
    let newer = judged(EvaluatedRows::Newer);
    assert_eq!(newer.to_string(), test_set.to_string());
    assert!(newer.details()[0].ends_with("10% in the evaluated rows."));
    let mixed = judged(EvaluatedRows::IncludesTestSet);
    assert!(mixed.details().join(" ").contains("The simpler rules were fitted on"));
    let trained = judged(EvaluatedRows::MayIncludeTraining);
    assert!(trained.to_string().contains("on 45 accounts (7 converted)"), "{trained}");
    assert!(trained.details()[0].starts_with("The model may have been trained on"));
}

#[test]
fn the_limits_of_an_interval_do_not_look_equal() {
    let difference = |difference: f64, low: f64, high: f64| Difference {
        difference,
        std_error: Some((high - low) / 3.92),
        interval: Some(Interval { low, high }),
    };
    assert_eq!(
        difference_text(&difference(-0.0012, -0.0014, -0.0010)),
        "difference in log loss -0.0012, 95% CI -0.0014 to -0.0010"
    );
    assert_eq!(
        difference_text(&difference(-0.0004, -0.0010, 0.0002)),
        "difference in log loss -0.0004, 95% CI -0.0010 to +0.0002"
    );
    assert_eq!(
        difference_text(&difference(-0.012, -0.020, -0.004)),
        "difference in log loss -0.012, 95% CI -0.020 to -0.004"
    );
}
