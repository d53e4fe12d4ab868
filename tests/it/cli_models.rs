//! Model files and the folder of models: invalid files, versions and champions.

use pql::model::file::FORMAT;

use crate::project::{Project, Run};

fn inspect(project: &Project, bytes: &[u8]) -> Run {
    project.write("bad.pql", bytes);
    let run = project.pql(&["inspect", "bad.pql"]);
    let score = project.pql(&["score", "bad.pql", "--features", "matrix.csv", "-o", "scores.csv"]);
    assert_eq!(
        (score.code, &score.err),
        (run.code, &run.err),
        "every command gives the same error"
    );
    assert!(!project.path("scores.csv").exists());
    run
}

fn sealed(format: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        [b"PQLM".as_slice(), &format.to_le_bytes(), &(payload.len() as u64).to_le_bytes(), payload]
            .concat();
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

#[test]
fn an_invalid_model_file_is_refused_with_its_problem() {
    let project = Project::trained_matrix();
    let good = project.read("models/m/0001/model.pql");
    inspect(&project, &good[..good.len() - 7])
        .fails_with(4, &["`bad.pql` is damaged: found ", "hint: restore the file"]);
    inspect(&project, &good[..9])
        .fails_with(4, &["`bad.pql` is damaged: the file ends after 9 bytes"]);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    inspect(&project, &flipped).fails_with(
        4,
        &["`bad.pql` is damaged: the hash does not match the content", "hint: restore"],
    );
    inspect(&project, &project.read("matrix.csv")).fails_with(4, &["`bad.pql` is not a pql model"]);
    inspect(&project, b"").fails_with(4, &["`bad.pql` is not a pql model"]);
    let payload = &good[16..good.len() - 32];
    let newer = sealed(FORMAT + 1, payload);
    inspect(&project, &newer).fails_with(
        4,
        &[
            &format!("`bad.pql`: found model format {}, expected at most {FORMAT}", FORMAT + 1),
            "hint: update pql",
        ],
    );
    inspect(&project, &sealed(1, payload)).fails_with(
        4,
        &["`bad.pql`: model format 1 is no longer supported", "hint: train the model again"],
    );
    inspect(&project, &sealed(FORMAT, &payload[..payload.len() - 1]))
        .fails_with(4, &["`bad.pql` is damaged"]);
    inspect(&project, &sealed(FORMAT, &[payload, b"x"].concat()))
        .fails_with(4, &["`bad.pql` is damaged: 1 unexpected byte after the content"]);
}

#[test]
fn a_missing_model_suggests_the_nearest_name() {
    let project = Project::trained_matrix();
    project.pql(&["train", "--name", "trial", "--features", "matrix.csv"]).done();
    project
        .pql(&["inspect", "trail"])
        .fails_with(4, &["model `trail` not found in `models`", "hint: did you mean `trial`?"]);
    project
        .pql(&["inspect", "trial/0009"])
        .fails_with(4, &["model `trial/0009` not found in `models`"]);
    project
        .pql(&["inspect", "no/such/model.pql"])
        .fails_with(4, &["model `no/such/model.pql` not found"]);
    project
        .pql(&["inspect", "trial", "--models", "elsewhere"])
        .fails_with(4, &["model `trial` not found in `elsewhere`"]);
    for command in [["score", "-o", "-"].as_slice(), &["features", "-o", "-", "--model"]] {
        project.pql(&[command, &["trail"]].concat()).fails_with(4, &["model `trail` not found"]);
    }
    project
        .pql(&["evaluate", "trail", "--features", "matrix.csv"])
        .fails_with(4, &["model `trail` not found"]);
}

#[cfg(unix)]
#[test]
fn an_unreadable_model_file_is_a_model_error() {
    let project = Project::trained_matrix();
    let model = project.path("models/m/0001/model.pql");
    std::fs::remove_file(&model).unwrap();
    project.pql(&["inspect", "m"]).fails_with(4, &["model `m` not found"]);
}

#[test]
fn a_model_of_a_matrix_does_not_score_events() {
    let project = Project::trained_matrix();
    for args in [["score", "-o", "-", "m"].as_slice(), &["features", "-o", "-", "--model", "m"]] {
        project
            .pql(args)
            .fails_with(2, &["was trained on a feature matrix", "hint: add `--features FILE`"]);
    }
    project.pql(&["evaluate", "m"]).fails_with(2, &["was trained on a feature matrix"]);
}

#[test]
fn a_repeated_run_stores_the_same_bytes_as_the_next_version() {
    let project = Project::trial();
    let first = project.train(&[]).done();
    assert!(
        first.out.contains("Stored as t/0001, now the champion (models/t/0001)"),
        "{}",
        first.out
    );
    let second = project.train(&[]).done();
    assert!(
        second.out.contains("Stored as t/0002 (models/t/0002); the champion is still t/0001"),
        "{}",
        second.out
    );
    assert_eq!(project.text("models/t/champion"), "0001\n");
    for file in ["model.pql", "model.json", "test.parquet"] {
        assert_eq!(
            project.read(&format!("models/t/0001/{file}")),
            project.read(&format!("models/t/0002/{file}")),
            "{file}"
        );
    }
    let third = project.train(&["--promote", "--no-test-rows"]).done();
    assert!(third.out.contains("Stored as t/0003, now the champion"), "{}", third.out);
    assert_eq!(project.text("models/t/champion"), "0003\n0001\n");
    assert_eq!(
        project.names("models/t"),
        [".lock", "0001", "0002", "0003", "champion"],
        "nothing else is left there"
    );
    assert_eq!(project.names("models/t/0003"), ["model.json", "model.pql"]);
    assert_eq!(project.names("models/t/0002"), ["model.json", "model.pql", "test.parquet"]);
}

#[test]
fn the_champion_is_the_model_in_use() {
    let project = Project::trained_matrix();
    project
        .pql(&[
            "train",
            "--name",
            "m",
            "--features",
            "matrix.csv",
            "--set",
            "model.penalty=l2",
            "--set",
            "model.alpha=50",
        ])
        .done();
    let score = |model: &str| {
        project.pql(&["score", model, "--features", "matrix.csv", "-o", "-"]).done().out
    };
    assert_eq!(score("m"), score("m/0001"));
    assert_ne!(score("m"), score("m/0002"));
    assert_eq!(score("models/m/0002/model.pql"), score("m/0002"));
    project.write("models/m/champion", "0002\n");
    assert_eq!(score("m"), score("m/0002"));
    std::fs::copy(project.path("models/m/0001/model.pql"), project.path("copy.pql")).unwrap();
    assert!(score("copy.pql").contains(",copy\n"));
}

#[test]
fn a_model_file_depends_on_neither_its_folder_nor_the_time() {
    let (a, b) = (Project::trial(), Project::trial());
    a.train(&[]).done();
    b.train(&["--now", "2025-12-01"]).done();
    let same = |models: &str, how: &str| {
        for file in ["model.pql", "model.json", "test.parquet"] {
            assert!(
                a.read(&format!("models/t/0001/{file}"))
                    == b.read(&format!("{models}/t/0001/{file}")),
                "{file} {how}"
            );
        }
    };
    same("models", "at another place and time");
    let mut one =
        b.command(env!("CARGO_BIN_EXE_pql"), &["train", "--name", "t", "--models", "other"]);
    crate::project::run(one.env("RAYON_NUM_THREADS", "1").env("POLARS_MAX_THREADS", "1")).done();
    same("other", "on one thread");
}

#[test]
fn keys_of_the_model_override_the_project_file_with_a_warning() {
    let project = Project::trial();
    project.train(&[]).done();
    let score = |args: &[&str]| {
        project.pql(&[&["score", "t", "--at", "2025-04-01", "-o", "-"], args].concat()).done()
    };
    let expected = score(&[]).out;
    let other = score(&[
        "--set",
        "observation.age=10d",
        "--set",
        "features.event_types=1",
        "--set",
        "roles.value=[\"report\"]",
    ]);
    assert_eq!(other.out, expected);
    other.stderr_has(&[
        "`observation.age` is \"10d\" in the project file and \"7d\" in the model",
        "`features.event_types` is 1 in the project file and 3 in the model",
        "roles.value",
    ]);
}

#[test]
fn exactly_one_of_several_simultaneous_trainings_becomes_the_champion() {
    let project = Project::trained_matrix();
    std::fs::remove_dir_all(project.path("models")).unwrap();
    let champions = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| project.train(&["--features", "matrix.csv"]).done()))
            .collect();
        runs.into_iter()
            .map(|run| run.join().unwrap())
            .filter(|run| run.out.contains("now the champion"))
            .count()
    });
    assert_eq!(champions, 1);
}

#[test]
fn a_version_folder_is_a_model_and_the_existing_versions_are_listed() {
    let project = Project::trained_matrix();
    project.pql(&["inspect", "models/m/0001"]).done();
    project
        .pql(&["inspect", "m/0007"])
        .fails_with(4, &["model `m/0007` not found", "the only version is `m/0001`"]);
}

#[test]
fn a_training_without_a_usable_champion_is_stored_under_a_new_number() {
    let project = Project::trial();
    for options in [[].as_slice(), &["--promote"]] {
        project.train(options).done();
    }
    std::fs::remove_dir_all(project.path("models/t/0002")).unwrap();
    let run = project.train(&[]).done();
    assert!(
        run.out.contains("Stored as t/0003 (models/t/0003); `t` has no champion"),
        "{}",
        run.out
    );
    assert!(run.out.contains("Next: pql models promote t/0003"), "{}", run.out);
    let deleted = ["champion `t/0002` has been deleted", "`pql models promote t/0003`"];
    project.pql(&["score", "t", "-o", "-"]).fails_with(4, &deleted);
    project.pql(&["models", "promote", "t"]).fails_with(4, &deleted);
    project.pql(&["models", "prune", "--keep", "1"]).fails_with(4, &deleted);
    project.pql(&["models", "list"]).done().stderr_has(&deleted);
    std::fs::remove_file(project.path("models/t/champion")).unwrap();
    let none = ["`t` has no champion", "`pql models promote t/0003`"];
    project.pql(&["models", "rollback", "t"]).fails_with(4, &none);
    project.pql(&["models", "list"]).done().stderr_has(&none);
}

#[test]
fn prune_stops_at_a_damaged_champion_and_prunes_the_other_models() {
    let project = Project::trained_matrix();
    project.pql(&["train", "--name", "good", "--features", "matrix.csv"]).done();
    let model = project.read("models/m/0001/model.pql");
    for name in ["good", "m"] {
        for version in ["0002", "0003"] {
            let file = format!("models/{name}/{version}/model.pql");
            std::fs::create_dir_all(project.path(&file).parent().unwrap()).unwrap();
            project.write(&file, &model);
        }
    }
    project.write("models/m/0001/model.pql", &model[..20]);
    let pruned = project.pql(&["models", "prune", "--keep", "1"]);
    pruned.fails_with(
        4,
        &["Deleted good/0002", "`m` was not pruned: champion `m/0001` cannot be read", "hint: "],
    );
    assert_eq!(project.names("models/m"), [".lock", "0001", "0002", "0003", "champion"]);
    project.pql(&["models", "promote", "m/0002"]).done();
    // The damaged version is the previous champion.
    project.pql(&["models", "prune", "--keep", "1"]).done();
    assert_eq!(project.names("models/m"), [".lock", "0001", "0002", "0003", "champion"]);
    project.pql(&["models", "rollback", "m"]).fails_with(4, &["`models/m/0001/model.pql`"]);
}
