//! What holds of every log, whatever comes after its cutoffs.

use super::*;

#[test]
fn training_until_x_is_training_on_the_log_cut_at_x() {
    for kind in KINDS {
        let world = World::new(kind, X);
        let (whole, cut) = (world.write(), world.cut(X).write());
        for at in AT {
            let model = whole.train(at, X, at);
            same_model(&model, &cut.train(at, X, at), &format!("{kind:?}, {at}"));
            let card = std::fs::read_to_string(model.with_file_name("model.json")).unwrap();
            assert!(card.contains("\"event\": \"receipt\""), "{kind:?}, {at}: {card}");
        }
    }
}

#[test]
fn features_until_x_are_those_of_the_log_cut_at_x() {
    for kind in KINDS {
        let world = World::new(kind, X);
        let (whole, cut) = (world.write(), world.cut(X).write());
        for at in AT {
            // Where the columns of the design are named, no counts are left out.
            let sets = [
                format!("observation.until={}", iso(X)),
                format!("observation.at={at}"),
                "design.use=[\"tenure_days\"]".to_owned(),
            ];
            let features = |files: &Files| {
                let out = ["features", "-q", "-c", text(&files.path("pql.toml")), "-o", "-"]
                    .map(str::to_owned);
                run(out
                    .into_iter()
                    .chain(sets.iter().flat_map(|s| ["--set".to_owned(), s.clone()])))
            };
            let (features, of_cut) = (features(&whole), features(&cut));
            assert!(features.lines().next().unwrap().contains("count_open_7d"), "{kind:?}, {at}");
            assert!(features == of_cut, "{kind:?}, {at}: {}", difference(&features, &of_cut));
        }
    }
}

#[test]
fn scoring_at_t_is_scoring_the_log_cut_at_t() {
    for kind in KINDS {
        let world = World::new(kind, T);
        let (whole, cut) = (world.write(), world.cut(T).write());
        for at in AT {
            let model = whole.train(at, X, at);
            let (scores, of_cut) = (whole.score(&model, T), cut.score(&model, T));
            assert!(scores.lines().count() > 40, "{scores}");
            assert!(scores == of_cut, "{kind:?}, {at}: {}", difference(&scores, &of_cut));
            let (features, of_cut) = (whole.features(&model, T), cut.features(&model, T));
            assert!(features == of_cut, "{kind:?}, {at}: {}", difference(&features, &of_cut));
        }
    }
}

#[test]
fn events_after_the_cutoff_change_nothing() {
    for kind in KINDS {
        let world = World::new(kind, T);
        let (whole, more) = (world.write(), world.with_more_after(T).write());
        for at in AT {
            let model = whole.train(at, X, at);
            let (scores, of_more) = (whole.score(&model, T), more.score(&model, T));
            assert!(scores == of_more, "{kind:?}, {at}: {}", difference(&scores, &of_more));
            let (features, of_more) = (whole.features(&model, T), more.features(&model, T));
            assert!(features == of_more, "{kind:?}, {at}: {}", difference(&features, &of_more));
            same_model(&model, &more.train(at, X, at), &format!("{kind:?}, {at}"));
        }
    }
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    for kind in KINDS {
        let world = World::new(kind, T).cut(T);
        let (whole, shuffled) = (world.write(), world.shuffled(3).write());
        for at in AT {
            let model = whole.train(at, X, at);
            same_model(&model, &shuffled.train(at, X, at), &format!("{kind:?}, {at}"));
            let (scores, of_shuffled) = (whole.score(&model, T), shuffled.score(&model, T));
            assert!(scores == of_shuffled, "{kind:?}, {at}: {}", difference(&scores, &of_shuffled));
        }
    }
}

#[test]
fn a_training_row_is_what_scoring_would_have_seen_at_its_cutoff() {
    for kind in KINDS {
        let whole = World::new(kind, T).write();
        for at in AT {
            let model = whole.train(at, X, at);
            let out = whole.path("rows.csv");
            let until = format!("observation.until={}", iso(X));
            run([
                "features",
                "-q",
                "-c",
                text(&whole.path("pql.toml")),
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
                let path = whole.path("then.csv");
                std::fs::write(&path, whole.features(&model, time)).unwrap();
                for then in csv_rows(&path) {
                    let same = |r: &&std::collections::BTreeMap<String, String>| {
                        r["account_id"] == then["account_id"] && r["cutoff"] == then["cutoff"]
                    };
                    let Some(row) = rows.iter().find(same) else { continue };
                    found += 1;
                    let known = |name: &str| ["outcome", "converted", "split"].contains(&name);
                    for (name, value) in row.iter().filter(|(name, _)| !known(name)) {
                        assert_eq!(
                            &then[name], value,
                            "{kind:?}, {at}: {name} of {} at {cutoff}",
                            row["account_id"]
                        );
                    }
                }
            }
            assert!(found >= 5, "{kind:?}, {at}: {found} rows");
        }
    }
}

#[test]
fn one_thread_gives_the_bytes_of_two() {
    let whole = World::new(Kind::Listed, T).write();
    let outputs: Vec<(Vec<u8>, String)> = ["1", "2"]
        .into_iter()
        .map(|threads| {
            let models = whole.path(threads);
            let config = whole.path("pql.toml");
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
                "--model",
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
