//! A log that exceeds the memory budget gives the same results as one in memory.

use crate::project::Project;

/// Creates a log with several partitions.
fn large_project() -> Project {
    Project::simulated(4_000, 3)
}

#[test]
fn a_log_beyond_the_memory_budget_gives_the_same_features_and_model() {
    let project = large_project();
    for memory in ["4GB", "10MB", "1MB"] {
        let messages = project
            .pql(&["features", "--memory", memory, "-o", &format!("{memory}.parquet")])
            .done()
            .err;
        assert!(messages.contains("events of 4,000 accounts"), "{messages}");
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
fn numeric_times_ids_and_late_events_are_spilled_correctly() {
    let project = Project::trial();
    let events = project.text("events.csv");
    let (header, rows) = events.split_once('\n').unwrap();
    let mut log = format!("{header},received_at,message_id\n");
    for copy in 0..300_u64 {
        for (index, row) in rows.lines().enumerate() {
            // In every third copy, the rows repeat the ids of the first copy.
            let id = if copy % 3 == 0 { format!("{index}") } else { format!("{index}-{copy}") };
            log += &format!(
                "{row},{},{id}\n",
                1_735_689_600_000 + 3_600_000 * (index as u64 * 7 % 2_000)
            );
        }
    }
    project.write("events.csv", log);
    let received = ["--set", "events.0.received=received_at"];
    let expected = project.features(&received);
    assert!(expected.lines().count() > 100);
    let small = [&received[..], &["--memory", "1MB"]].concat();
    assert_eq!(project.features(&small), expected);
}

#[test]
fn the_size_of_the_memory_needs_a_unit() {
    let project = Project::trial();
    for bad in ["4", "4XB", "GB", "12KB", "1.2.3GB"] {
        project.pql(&["features", "--memory", bad, "-o", "-"]).fails_with(2, &["--memory"]);
    }
    project.pql(&["features", "--memory", "1.5 GiB", "-o", "-"]).done();
}
