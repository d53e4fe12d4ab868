//! Invariants of results with respect to data after the cutoffs.

use super::*;

#[test]
fn training_until_x_equals_training_on_the_log_truncated_at_x() {
    for form in LOG_FORMS {
        let world = World::new(form, X);
        let (full, truncated) = (world.write(), world.truncate(X).write());
        for scheme in SCHEMES {
            let model = full.train(scheme, X, scheme);
            assert_same_model(
                &model,
                &truncated.train(scheme, X, scheme),
                &format!("{form:?}, {scheme}"),
            );
            let card = std::fs::read_to_string(model.with_file_name("model.json")).unwrap();
            assert!(card.contains("\"event\": \"receipt\""), "{form:?}, {scheme}: {card}");
        }
    }
}

#[test]
fn features_until_x_equal_features_of_the_log_truncated_at_x() {
    for form in LOG_FORMS {
        let world = World::new(form, X);
        let (full, truncated) = (world.write(), world.truncate(X).write());
        for scheme in SCHEMES {
            // With `design.include`, all counts are computed.
            let sets = [
                format!("observation.until={}", iso(X)),
                format!("observation.cutoffs={scheme}"),
                "design.include=[\"tenure_days\"]".to_owned(),
            ];
            let features = |files: &Files| {
                let out = ["features", "-q", "-c", text(&files.path("pql.toml")), "-o", "-"]
                    .map(str::to_owned);
                run(out
                    .into_iter()
                    .chain(sets.iter().flat_map(|s| ["--set".to_owned(), s.clone()])))
            };
            let (features, of_truncated) = (features(&full), features(&truncated));
            assert!(
                features.lines().next().unwrap().contains("count_open_7d"),
                "{form:?}, {scheme}"
            );
            assert!(
                features == of_truncated,
                "{form:?}, {scheme}: {}",
                difference(&features, &of_truncated)
            );
        }
    }
}

#[test]
fn scoring_at_t_equals_scoring_the_log_truncated_at_t() {
    for form in LOG_FORMS {
        let world = World::new(form, T);
        let (full, truncated) = (world.write(), world.truncate(T).write());
        for scheme in SCHEMES {
            let model = full.train(scheme, X, scheme);
            let (scores, of_truncated) = (full.score(&model, T), truncated.score(&model, T));
            assert!(scores.lines().count() > 40, "{scores}");
            assert!(
                scores == of_truncated,
                "{form:?}, {scheme}: {}",
                difference(&scores, &of_truncated)
            );
            let (features, of_truncated) =
                (full.features(&model, T), truncated.features(&model, T));
            assert!(
                features == of_truncated,
                "{form:?}, {scheme}: {}",
                difference(&features, &of_truncated)
            );
        }
    }
}

#[test]
fn events_after_the_cutoff_change_nothing() {
    for form in LOG_FORMS {
        let world = World::new(form, T);
        let (full, more) = (world.write(), world.with_more_after(T).write());
        for scheme in SCHEMES {
            let model = full.train(scheme, X, scheme);
            let (scores, of_more) = (full.score(&model, T), more.score(&model, T));
            assert!(scores == of_more, "{form:?}, {scheme}: {}", difference(&scores, &of_more));
            let (features, of_more) = (full.features(&model, T), more.features(&model, T));
            assert!(features == of_more, "{form:?}, {scheme}: {}", difference(&features, &of_more));
            assert_same_model(
                &model,
                &more.train(scheme, X, scheme),
                &format!("{form:?}, {scheme}"),
            );
        }
    }
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    for form in LOG_FORMS {
        let world = World::new(form, T).truncate(T);
        let (full, shuffled) = (world.write(), world.shuffled(3).write());
        for scheme in SCHEMES {
            let model = full.train(scheme, X, scheme);
            assert_same_model(
                &model,
                &shuffled.train(scheme, X, scheme),
                &format!("{form:?}, {scheme}"),
            );
            let (scores, of_shuffled) = (full.score(&model, T), shuffled.score(&model, T));
            assert!(
                scores == of_shuffled,
                "{form:?}, {scheme}: {}",
                difference(&scores, &of_shuffled)
            );
        }
    }
}

#[test]
fn training_rows_equal_scoring_rows_at_the_same_cutoff() {
    for form in LOG_FORMS {
        let full = World::new(form, T).write();
        for scheme in SCHEMES {
            let model = full.train(scheme, X, scheme);
            let out = full.path("rows.csv");
            let until = format!("observation.until={}", iso(X));
            run([
                "features",
                "-q",
                "-c",
                text(&full.path("pql.toml")),
                "--model",
                text(&model),
                "--set",
                &until,
                "-o",
                text(&out),
            ]);
            let rows = csv_rows(&out);
            let mut cutoffs: Vec<&String> = rows.iter().map(|r| &r["cutoff"]).collect();
            cutoffs.sort_unstable();
            cutoffs.dedup();
            let mut found = 0;
            for cutoff in cutoffs.iter().step_by(cutoffs.len().div_ceil(5)) {
                let time = pql::time::parse_iso(cutoff).unwrap();
                let path = full.path("scored.csv");
                std::fs::write(&path, full.features(&model, time)).unwrap();
                for scored in csv_rows(&path) {
                    let same = |r: &&std::collections::BTreeMap<String, String>| {
                        r["account_id"] == scored["account_id"] && r["cutoff"] == scored["cutoff"]
                    };
                    let Some(row) = rows.iter().find(same) else { continue };
                    found += 1;
                    let known = |name: &str| ["outcome", "converted", "split"].contains(&name);
                    for (name, value) in row.iter().filter(|(name, _)| !known(name)) {
                        assert_eq!(
                            &scored[name], value,
                            "{form:?}, {scheme}: {name} of {} at {cutoff}",
                            row["account_id"]
                        );
                    }
                }
            }
            assert!(found >= 5, "{form:?}, {scheme}: {found} rows");
        }
    }
}

#[test]
fn one_thread_and_two_give_identical_bytes() {
    let full = World::new(LogForm::Listed, T).write();
    let outputs: Vec<(Vec<u8>, String)> = ["1", "2"]
        .into_iter()
        .map(|threads| {
            let models = full.path(threads);
            let config = full.path("pql.toml");
            let command = |args: &[&str]| {
                let mut command = pql();
                command
                    .env("RAYON_NUM_THREADS", threads)
                    .env("POLARS_MAX_THREADS", threads)
                    .args(args);
                succeed(&mut command).0
            };
            let until = format!("observation.until={}", iso(X));
            command(&[
                "train",
                "-q",
                "-c",
                text(&config),
                "--name",
                "m",
                "--models",
                text(&models),
                "--set",
                &until,
            ]);
            let model = models.join("m/0001/model.pql");
            let scores = command(&[
                "score",
                "-q",
                "-c",
                text(&config),
                "m/0001",
                "--models",
                text(&models),
                "--at",
                &iso(T),
                "-o",
                "-",
            ]);
            (bytes(&model), scores)
        })
        .collect();
    assert!(outputs[0].0 == outputs[1].0, "the models differ");
    assert!(outputs[0].1 == outputs[1].1, "{}", difference(&outputs[0].1, &outputs[1].1));
}
