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

#[test]
fn broken_champions_versions_and_cards_are_reported_without_their_content() {
    let project = Project::trial();
    project.train(&[]).done();
    project.train(&["--set", "model.penalty=l1"]).done();
    let listed = |words: &[&str]| {
        let run = project.pql(&["models", "list"]).done().stderr_has(words);
        assert!(!run.err.contains("secret"), "{}", run.err);
    };
    let score = |words: &[&str]| {
        let run = project.pql(&["score", "t", "-o", "-"]).fails_with(4, words);
        assert!(!run.err.contains("secret"), "{}", run.err);
    };
    let unknown = "the champion of `t` is unknown: cannot read `models/t/champion`";
    let remedy = "`pql models promote t/0002`";
    let contents: [(&[u8], &str); 4] = [
        (b"secret\n0001\n", "line 1 is not a version"),
        (b"0001\n../secret/0001\n", "line 2 is not a version"),
        (b"\xffsecret", "expected text in UTF-8"),
        (&vec![b'1'; 2 << 20], "expected at most 1048576 bytes"),
    ];
    for (content, problem) in contents {
        project.write("models/t/champion", content);
        listed(&["warning: t: ", unknown, problem, remedy]);
        score(&[unknown, problem, remedy]);
        project.pql(&["models", "rollback", "t"]).fails_with(4, &[unknown]);
        project.pql(&["models", "prune", "--keep", "1"]).fails_with(4, &[unknown]);
    }
    project.write("models/t/champion", "0009\n");
    listed(&["warning: t: champion `t/0009` has been deleted", remedy]);
    project.pql(&["models", "promote", "t/0001"]).done();

    let card = project.read("models/t/0001/model.json");
    project.write("models/t/0002/model.json", &card);
    let other = "the card of another model: the hash of the model file differs";
    listed(&["warning: t/0002: ", other]);
    project.pql(&["report", "t/0002", "-o", "-"]).fails_with(3, &["model.json", other]);
    project.pql(&["export", "notebook", "t/0002"]).fails_with(3, &["model.json", other]);
    assert!(!project.path("notebooks-export").exists());
    project.write("models/t/0002/model.json", "{\"cohorts\": \"secret\"}");
    listed(&["warning: t/0002: ", "not a model card: line 1, column 20"]);
    let run = project.pql(&["export", "notebook", "t/0002"]);
    let run = run.fails_with(3, &["not a model card"]);
    assert!(!run.err.contains("secret"), "{}", run.err);
    std::fs::remove_file(project.path("models/t/0002/model.pql")).unwrap();
    listed(&["warning: t/0002: `models/t/0002/model.pql` is missing"]);
}

#[cfg(unix)]
#[test]
fn links_in_the_folder_of_models_and_in_the_ledger_are_not_followed() {
    use std::os::unix::fs::symlink;

    let project = Project::trial();
    project.train(&[]).done();
    project.write("other", "content");
    let replace_by_link = |place: &str| {
        std::fs::remove_file(project.path(place)).ok();
        symlink(project.path("other"), project.path(place)).unwrap();
    };
    replace_by_link("models/t/champion");
    project.pql(&["models", "promote", "t/0001"]).done();
    assert!(!project.path("models/t/champion").is_symlink());
    replace_by_link("models/t/.lock");
    let link = "found a symbolic link, expected a file";
    project.pql(&["models", "promote", "t/0001"]).fails_with(1, &["models/t/.lock", link]);
    project.train(&[]).fails_with(1, &["models/t/.lock", link]);
    assert_eq!(project.names("models/t"), [".lock", "0001", "champion"]);
    std::fs::create_dir(project.path("elsewhere")).unwrap();
    symlink(project.path("elsewhere"), project.path("models/u")).unwrap();
    let link = "found a symbolic link, expected a folder";
    project.pql(&["train", "--name", "u"]).fails_with(1, &["models/u", link]);

    let score = ["score", "t", "--at", "2025-04-15", "--ledger", "led"];
    project.pql(&score).done();
    let folder = project.names("led").remove(0);
    let run = format!("led/{folder}/t@0001.parquet");
    replace_by_link(&run);
    project.pql(&score).done();
    assert!(!project.path(&run).is_symlink());
    std::fs::remove_dir_all(project.path(&format!("led/{folder}"))).unwrap();
    symlink(project.path("elsewhere"), project.path(&format!("led/{folder}"))).unwrap();
    project.pql(&score).fails_with(1, &[link]);
    assert_eq!(project.names("elsewhere").len(), 0);
    assert_eq!(project.text("other"), "content");
}
