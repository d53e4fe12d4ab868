//! A log that does not fit into the memory allowed gives what it gives in memory.

use crate::project::Project;

/// A log of several parts.
fn large() -> Project {
    let project = Project::new();
    project.pql(&["simulate", "-o", ".", "--accounts", "4000", "--seed", "3", "-q"]).done();
    project
}

#[test]
fn a_log_larger_than_the_memory_gives_the_same_features_and_model() {
    let project = large();
    for memory in ["4GB", "10MB", "1MB"] {
        let said = project
            .pql(&["features", "--memory", memory, "-o", &format!("{memory}.parquet")])
            .done()
            .err;
        assert!(said.contains("events of 4000 accounts"), "{said}");
        project.pql(&["ingest", "--memory", memory, "-o", memory]).done();
        project
            .pql(&["train", "--name", memory, "--memory", memory, "--set", "model.alpha=10"])
            .done();
    }
    for memory in ["10MB", "1MB"] {
        for name in ["4GB.parquet", "4GB/events.parquet", "models/4GB/0001/model.pql"] {
            assert!(
                project.read(name) == project.read(&name.replace("4GB", memory)),
                "{name} with {memory}"
            );
        }
    }
}

#[test]
fn numbers_as_times_ids_and_late_events_wait_in_the_file_as_well() {
    let project = Project::trial();
    let events = project.text("events.csv");
    let (header, rows) = events.split_once('\n').unwrap();
    let mut log = format!("{header},received_at,message_id\n");
    for copy in 0..300_u64 {
        for (at, row) in rows.lines().enumerate() {
            // Of every third copy all rows but the first are repeats of an id.
            let id = if copy % 3 == 0 { format!("{at}") } else { format!("{at}-{copy}") };
            log += &format!(
                "{row},{},{id}\n",
                1_735_689_600_000 + 3_600_000 * (at as u64 * 7 % 2_000)
            );
        }
    }
    project.write("events.csv", log);
    let expected = project.features(&[]);
    assert!(expected.lines().count() > 100);
    assert_eq!(project.features(&["--memory", "1MB"]), expected);
}

#[test]
fn the_size_of_the_memory_needs_a_unit() {
    let project = Project::trial();
    for bad in ["4", "4XB", "GB", "12KB", "1.2.3GB"] {
        project.pql(&["features", "--memory", bad, "-o", "-"]).refused(2, &["--memory"]);
    }
    project.pql(&["features", "--memory", "1.5 GiB", "-o", "-"]).done();
}
