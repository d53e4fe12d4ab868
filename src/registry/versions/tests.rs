use super::*;
use crate::io::write::{OutputFile, write_bytes};

fn one_byte(folder: &Path) -> Result<()> {
    write_bytes(&OutputFile::managed(&folder.join(MODEL_FILE)), &[1])
}

/// Accepts every model file.
#[expect(clippy::unnecessary_wraps, reason = "it has the type of a check")]
fn any(_: &Path) -> Result<()> {
    Ok(())
}

/// Accepts no model file.
fn bad(path: &Path) -> Result<()> {
    Err(Error::NotAModel { path: path.to_owned() })
}

fn labels(locations: &[ModelLocation]) -> Vec<&str> {
    locations.iter().map(|location| location.label.as_str()).collect()
}

/// Returns the labels of all versions.
fn stored(models: &Path) -> Vec<String> {
    list(models, None).unwrap().into_iter().map(|version| version.location.label).collect()
}

#[test]
fn versions_count_up_and_the_first_is_champion_until_one_is_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let add = |promotion| add(dir.path(), "trial", one_byte, promotion).unwrap();
    assert_eq!((add(Promotion::IfFirst).1, add(Promotion::IfFirst).1), (true, false));
    assert_eq!(find("trial", dir.path()).unwrap().label, "trial/0001");
    assert!(add(Promotion::Always).1);
    assert!(!add(Promotion::Never).1);
    assert_eq!(find("trial", dir.path()).unwrap().label, "trial/0003");
    assert_eq!(find("trial/0002", dir.path()).unwrap().label, "trial/0002");
    let file = dir.path().join("trial/0002").join(MODEL_FILE);
    assert_eq!(find(file.to_str().unwrap(), dir.path()).unwrap().label, "trial/0002");
}

#[test]
fn versions_are_listed_and_one_is_promoted() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["trial", "matrix", "trial"] {
        add(dir.path(), name, one_byte, Promotion::IfFirst).unwrap();
    }
    let listed = |name| {
        let stored = list(dir.path(), name).unwrap();
        let label_and_champion = |v: StoredVersion| (v.location.label, v.is_champion);
        stored.into_iter().map(label_and_champion).collect::<Vec<_>>()
    };
    let all = ["matrix/0001", "trial/0001", "trial/0002"].map(str::to_owned);
    assert_eq!(listed(None), all.clone().into_iter().zip([true, true, false]).collect::<Vec<_>>());
    promote(dir.path(), &find("trial/0002", dir.path()).unwrap()).unwrap();
    assert_eq!(
        listed(Some("trial")),
        all[1..].iter().cloned().zip([false, true]).collect::<Vec<_>>()
    );
    assert_eq!(list(dir.path(), Some("trail")).unwrap_err().exit_code(), 4);
    let elsewhere = ModelLocation { path: dir.path().join("model.pql"), label: "model".to_owned() };
    assert_eq!(promote(dir.path(), &elsewhere).unwrap_err().exit_code(), 2);
}

#[test]
fn an_unknown_model_suggests_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    let hint = |name: &str| {
        let error = find(name, models).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        error.hint().unwrap()
    };
    assert_eq!(hint("trail"), "`pql train --name NAME` stores a model");
    add(models, "trial", one_byte, Promotion::IfFirst).unwrap();
    assert_eq!(hint("trail"), "did you mean `trial`?");
    assert_eq!(hint("x"), "`trial` is the only stored model");
    assert_eq!(hint("trial/0009"), "the only version is `trial/0001`");
    // Folders without a model file are no models.
    for folder in ["trial/0099", "trail/0001", "x"] {
        fs::create_dir_all(models.join(folder)).unwrap();
    }
    assert_eq!(hint("trail"), "did you mean `trial`?");
    assert_eq!(hint("x"), "`trial` is the only stored model");
    assert_eq!(hint("trial/0099"), "the only version is `trial/0001`");
    assert_eq!(list(models, Some("x")).unwrap_err().exit_code(), 4);
    assert_eq!(add(models, "../x", one_byte, Promotion::IfFirst).unwrap_err().exit_code(), 2);
}

#[test]
fn a_missing_or_deleted_champion_is_reported_with_the_newest_version() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for _ in 0..2 {
        add(models, "trial", one_byte, Promotion::IfFirst).unwrap();
    }
    for (history, problem) in
        [("0007\n", "champion `trial/0007` has been deleted"), ("", "`trial` has no champion")]
    {
        fs::write(models.join("trial/champion"), history).unwrap();
        for error in [find("trial", models), rollback(models, "trial", any)].map(Result::unwrap_err)
        {
            assert_eq!((error.exit_code(), error.to_string().as_str()), (4, problem));
            let hint = "choose one with `pql models promote trial/0002`";
            assert_eq!(error.hint().as_deref(), Some(hint));
        }
    }
    assert!(list(models, None).unwrap().iter().all(|version| !version.is_champion));
    fs::write(models.join("trial/champion"), "0007\n0001\n").unwrap();
    assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0001");
}

#[test]
fn the_number_of_a_deleted_champion_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for promotion in [Promotion::IfFirst, Promotion::Always] {
        add(models, "trial", one_byte, promotion).unwrap();
    }
    fs::remove_dir_all(models.join("trial/0002")).unwrap();
    let (location, is_champion) = add(models, "trial", one_byte, Promotion::IfFirst).unwrap();
    assert_eq!((location.label.as_str(), is_champion), ("trial/0003", false));
    assert!(find("trial", models).unwrap_err().to_string().contains("has been deleted"));
}

#[test]
fn rollback_restores_the_previous_champion_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    let champion = || find("trial", models).unwrap().label;
    let promote = |label| promote(models, &find(label, models).unwrap()).unwrap();
    for promotion in [Promotion::IfFirst, Promotion::Always, Promotion::Always] {
        add(models, "trial", one_byte, promotion).unwrap();
    }
    promote("trial/0003");
    let history = fs::read_to_string(models.join("trial/champion")).unwrap();
    assert_eq!(history, "0003\n0002\n0001\n", "promoting the champion again adds no line");
    assert_eq!(rollback(models, "trial", bad).unwrap_err().exit_code(), 4);
    assert_eq!(champion(), "trial/0003", "an unreadable version does not become the champion");
    assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0002");
    assert_eq!(champion(), "trial/0002");
    assert_eq!(rollback(models, "trial/", any).unwrap().label, "trial/0001");
    let error = rollback(models, "trial", any).unwrap_err();
    assert!(error.to_string().contains("only `trial/0001` has been promoted"), "{error}");
    assert_eq!((error.exit_code(), champion().as_str()), (4, "trial/0001"));
    for label in ["trial/0002", "trial/0003", "trial/0001"] {
        promote(label);
    }
    fs::remove_dir_all(models.join("trial/0003")).unwrap();
    assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0002");
    promote("trial/0001");
    fs::remove_dir_all(models.join("trial/0002")).unwrap();
    let error = rollback(models, "trial", any).unwrap_err();
    assert!(error.to_string().contains("former champions have been deleted"), "{error}");
    assert_eq!((error.exit_code(), champion().as_str()), (4, "trial/0001"));
    for (name, code) in [("trail", 4), ("trial/0001", 2), ("../trial", 2), ("", 4)] {
        assert_eq!(rollback(models, name, any).unwrap_err().exit_code(), code, "{name}");
    }
}

#[test]
fn rollback_ignores_a_history_that_leaves_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), "trial", one_byte, Promotion::IfFirst).unwrap();
    add(dir.path(), "other", one_byte, Promotion::IfFirst).unwrap();
    fs::write(dir.path().join("trial/champion"), "0001\n../other/0001\n").unwrap();
    assert_eq!(rollback(dir.path(), "trial", any).unwrap_err().exit_code(), 4);
}

#[test]
fn prune_keeps_the_newest_versions_and_both_champions() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for name in ["trial", "trial", "trial", "trial", "trial", "push", "push"] {
        add(models, name, one_byte, Promotion::IfFirst).unwrap();
    }
    promote(models, &find("push/0002", models).unwrap()).unwrap();
    let prune = |name, keep| prune(models, name, keep, any).unwrap();
    assert!(prune(None, 4).deleted.is_empty());
    let pruned = prune(Some("trial"), 3);
    assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
    assert_eq!(labels(&pruned.kept_champions), ["trial/0001"]);
    promote(models, &find("trial/0003", models).unwrap()).unwrap();
    let pruned = prune(None, 1);
    assert_eq!(labels(&pruned.deleted), ["trial/0004"]);
    assert_eq!(labels(&pruned.kept_champions), ["trial/0003"]);
    assert_eq!(labels(&pruned.kept_previous_champions), ["trial/0001"]);
    let kept = ["push/0001", "push/0002", "trial/0001", "trial/0003", "trial/0005"];
    assert_eq!(stored(models), kept, "push/0001 is the previous champion");
    assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0001");
    let error = super::prune(models, None, 0, any).unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().contains("--keep")), (2, true));
    let left = fs::read_dir(models.join("trial")).unwrap().count();
    assert_eq!(left, 5, "nothing but three versions, the champion file and the lock");
}

#[test]
fn unreadable_versions_do_not_count_as_kept() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for _ in 0..5 {
        add(models, "trial", one_byte, Promotion::IfFirst).unwrap();
    }
    let unreadable =
        ["0002", "0004", "0005"].map(|v| models.join("trial").join(v).join(MODEL_FILE));
    let check = |path: &Path| if unreadable.iter().any(|u| u == path) { bad(path) } else { Ok(()) };
    let pruned = prune(models, None, 1, check).unwrap();
    assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
    assert_eq!(labels(&pruned.unreadable), ["trial/0005", "trial/0004"]);
    assert_eq!(stored(models), ["trial/0001", "trial/0003", "trial/0004", "trial/0005"]);
}

#[test]
fn a_name_without_a_usable_champion_is_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for name in ["bad", "lost", "trial"] {
        for _ in 0..3 {
            add(models, name, one_byte, Promotion::IfFirst).unwrap();
        }
    }
    fs::write(models.join("lost/champion"), "0007\n").unwrap();
    let check = |path: &Path| if path.starts_with(models.join("bad")) { bad(path) } else { Ok(()) };
    let pruned = prune(models, None, 1, check).unwrap();
    assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
    assert_eq!(stored(models).len(), 8);
    let error = pruned.check_failures().unwrap_err();
    assert_eq!(error.exit_code(), 4);
    for part in [
        "`bad` was not pruned: champion `bad/0001` cannot be read: ",
        "; `lost` was not pruned: champion `lost/0007` has been deleted",
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(prune(models, Some("trial"), 1, check).unwrap().check_failures().is_ok());
    for (name, code) in [("trail", 4), ("trial/0001", 2), ("", 4)] {
        let error = prune(models, Some(name), 1, any).unwrap_err();
        assert_eq!(error.exit_code(), code, "{name}");
    }
}

#[test]
fn simultaneous_changes_keep_the_champion() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    add(models, "trial", one_byte, Promotion::IfFirst).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for turn in 0..15 {
                    let promotion =
                        if turn % 2 == 0 { Promotion::Always } else { Promotion::IfFirst };
                    add(models, "trial", one_byte, promotion).unwrap();
                }
            });
            scope.spawn(|| {
                for _ in 0..30 {
                    // Prune may delete a version before it is promoted.
                    let versions = list(models, Some("trial")).unwrap();
                    let _ = promote(models, &versions[versions.len() / 2].location);
                }
            });
            scope.spawn(|| {
                for _ in 0..30 {
                    let pruned = prune(models, Some("trial"), 1, any).unwrap();
                    pruned.check_failures().unwrap();
                    // A second rollback in a row may find no former champion.
                    let _ = rollback(models, "trial", any);
                }
            });
        }
    });
    assert!(find("trial", models).unwrap().path.is_file());
}

#[test]
fn two_rollbacks_go_back_two_steps() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path();
    for _ in 0..3 {
        add(models, "trial", one_byte, Promotion::Always).unwrap();
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| rollback(models, "trial", any).unwrap());
        }
    });
    assert_eq!(find("trial", models).unwrap().label, "trial/0001");
}

#[test]
fn a_version_that_is_never_promoted_is_stored_without_becoming_champion() {
    let dir = tempfile::tempdir().unwrap();
    let (location, is_champion) = add(dir.path(), "trial", one_byte, Promotion::Never).unwrap();
    assert_eq!((location.label.as_str(), is_champion), ("trial/0001", false));
    assert!(find("trial", dir.path()).unwrap_err().to_string().contains("has no champion"));
    assert!(add(dir.path(), "trial", one_byte, Promotion::IfFirst).unwrap().1);
}
