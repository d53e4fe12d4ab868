//! Model files and the folder of models: what is refused, and which version is in use.

use pql::model::file::FORMAT;

use crate::project::{Project, Run};

fn inspect(project: &Project, bytes: &[u8]) -> Run {
    project.write("bad.pql", bytes);
    let run = project.pql(&["inspect", "bad.pql"]);
    let score = project.pql(&[
        "score",
        "--model",
        "bad.pql",
        "--features",
        "matrix.csv",
        "-o",
        "scores.csv",
    ]);
    assert_eq!((score.code, &score.err), (run.code, &run.err), "every command refuses it alike");
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
fn a_bad_model_file_is_refused_by_what_is_wrong_with_it() {
    let project = Project::trained_matrix();
    let good = project.read("models/m/0001/model.pql");
    inspect(&project, &good[..good.len() - 7])
        .refused(4, &["`bad.pql` is damaged: the header promises", "hint: restore the file"]);
    inspect(&project, &good[..9]).refused(4, &["`bad.pql` is damaged: it ends after 9 bytes"]);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    inspect(&project, &flipped).refused(
        4,
        &["`bad.pql` is damaged: its hash does not match its content", "hint: restore"],
    );
    inspect(&project, &project.read("matrix.csv")).refused(4, &["`bad.pql` is not a pql model"]);
    inspect(&project, b"").refused(4, &["`bad.pql` is not a pql model"]);
    let payload = &good[16..good.len() - 32];
    let newer = sealed(FORMAT + 1, payload);
    inspect(&project, &newer).refused(
        4,
        &[
            &format!(
                "`bad.pql` is of model format {}, this version of pql reads up to {FORMAT}",
                FORMAT + 1
            ),
            "hint: update pql",
        ],
    );
    inspect(&project, &sealed(1, payload)).refused(
        4,
        &[
            "`bad.pql` is of model format 1, from before the first release",
            "hint: train the model again",
        ],
    );
    inspect(&project, &sealed(FORMAT, &payload[..payload.len() - 1]))
        .refused(4, &["`bad.pql` is damaged"]);
    inspect(&project, &sealed(FORMAT, &[payload, b"x"].concat()))
        .refused(4, &["`bad.pql` is damaged: 1 bytes are left over"]);
}

#[test]
fn a_model_that_is_not_there_offers_the_nearest() {
    let project = Project::trained_matrix();
    project.pql(&["train", "--name", "trial", "--features", "matrix.csv"]).done();
    project
        .pql(&["inspect", "trail"])
        .refused(4, &["there is no model `trail` in `models`", "hint: did you mean `trial`?"]);
    project
        .pql(&["inspect", "trial/0009"])
        .refused(4, &["there is no model `trial/0009` in `models`"]);
    project
        .pql(&["inspect", "no/such/model.pql"])
        .refused(4, &["there is no model `no/such/model.pql`"]);
    project
        .pql(&["inspect", "trial", "--models", "elsewhere"])
        .refused(4, &["there is no model `trial` in `elsewhere`"]);
    for command in [["score", "-o", "-", "--model"], ["features", "-o", "-", "--model"]] {
        project
            .pql(&[command.as_slice(), &["trail"]].concat())
            .refused(4, &["there is no model `trail`"]);
    }
    project
        .pql(&["evaluate", "trail", "--features", "matrix.csv"])
        .refused(4, &["there is no model `trail`"]);
}

#[cfg(unix)]
#[test]
fn a_model_file_that_cannot_be_read_is_a_bad_model() {
    let project = Project::trained_matrix();
    let model = project.path("models/m/0001/model.pql");
    std::fs::remove_file(&model).unwrap();
    project.pql(&["inspect", "m"]).refused(4, &["there is no model `m`"]);
}

#[test]
fn a_model_of_a_matrix_does_not_score_events() {
    let project = Project::trained_matrix();
    for args in [["score", "-o", "-", "--model", "m"], ["features", "-o", "-", "--model", "m"]] {
        project
            .pql(&args)
            .refused(2, &["was trained on a feature matrix", "hint: give `--features FILE`"]);
    }
    project.pql(&["evaluate", "m"]).refused(2, &["was trained on a feature matrix"]);
}

#[test]
fn the_same_run_twice_gives_the_same_bytes_as_the_next_version() {
    let project = Project::trial();
    let first = project.train(&[]).done();
    assert!(
        first.out.contains("Model t/0001, the champion: models/t/0001/model.pql"),
        "{}",
        first.out
    );
    let second = project.train(&[]).done();
    assert!(second.out.contains("Model t/0002: models/t/0002/model.pql"), "{}", second.out);
    assert_eq!(project.text("models/t/champion"), "0001\n");
    for file in ["model.pql", "model.json", "test.parquet"] {
        assert_eq!(
            project.read(&format!("models/t/0001/{file}")),
            project.read(&format!("models/t/0002/{file}")),
            "{file}"
        );
    }
    let third = project.train(&["--promote", "--no-rows"]).done();
    assert!(third.out.contains("Model t/0003, the champion"), "{}", third.out);
    assert_eq!(project.text("models/t/champion"), "0003\n");
    assert_eq!(
        project.names("models/t"),
        ["0001", "0002", "0003", "champion"],
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
        project.pql(&["score", "--model", model, "--features", "matrix.csv", "-o", "-"]).done().out
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
fn a_model_file_names_no_place_and_no_clock() {
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
fn what_the_model_owns_is_taken_from_it_and_a_difference_is_named() {
    let project = Project::trial();
    project.train(&[]).done();
    let score = |args: &[&str]| {
        project
            .pql(&[&["score", "--model", "t", "--at", "2025-04-01", "-o", "-"], args].concat())
            .done()
    };
    let expected = score(&[]).out;
    let other = score(&[
        "--set",
        "observation.age=10d",
        "--set",
        "features.counts=1",
        "--set",
        "roles.value=[\"report\"]",
    ]);
    assert_eq!(other.out, expected);
    other.says(&[
        "observation.age = \"10d\", the model has \"7d\"",
        "features.counts = 1, the model has 3",
        "roles.value",
    ]);
}

#[test]
fn of_several_trainings_at_once_one_is_the_champion() {
    let project = Project::trained_matrix();
    std::fs::remove_dir_all(project.path("models")).unwrap();
    let champions = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| project.train(&["--features", "matrix.csv"]).done()))
            .collect();
        runs.into_iter()
            .map(|run| run.join().unwrap())
            .filter(|run| run.out.contains("the champion"))
            .count()
    });
    assert_eq!(champions, 1);
}

#[test]
fn a_folder_of_a_version_is_a_model_and_versions_that_exist_are_named() {
    let project = Project::trained_matrix();
    project.pql(&["inspect", "models/m/0001"]).done();
    project
        .pql(&["inspect", "m/0007"])
        .refused(4, &["there is no model `m/0007`", "hint: there are `m/0001`"]);
}
