//! Sizes beyond the documented limits are refused with the number and the limit.

use std::fmt::Write as _;

use crate::project::{Project, TRIAL};

#[test]
fn a_long_line_is_refused_also_if_it_is_compressed() {
    let project = Project::matrix();
    let train = |file: &str, limit: &str| {
        let limit = format!("input.max_line={limit}");
        project.train(&["--features", file, "--set", &limit])
    };
    let rows = |text: &str| format!("name,converted\n{text},1\nb,0\n");
    project.write("one.csv", rows(&"a".repeat(300_000)));
    project.write("quoted.csv", rows(&format!("\"{}\"", "a\n".repeat(150_000))));
    project.write("header.csv", format!("{},converted\n1,1\n", "a".repeat(300_000)));
    let json = format!("{{\"name\": \"{}\", \"converted\": 1}}\n", "a".repeat(300_000));
    project.write("one.ndjson", json);
    for name in ["one.csv", "one.ndjson"] {
        let bytes = zstd::encode_all(&*project.read(name), 1).unwrap();
        project.write(&format!("{name}.zst"), bytes);
    }
    let message = "found a line of more than 100KB, expected a shorter one (`input.max_line`)";
    for name in
        ["one.csv", "quoted.csv", "header.csv", "one.ndjson", "one.csv.zst", "one.ndjson.zst"]
    {
        train(name, "100KB").fails_with(3, &[&format!("`{name}`"), message]);
        let larger = train(name, "1MB");
        assert!(!larger.err.contains("max_line"), "{}", larger.err);
    }
    train("one.csv", "100B")
        .fails_with(2, &["`100B`, expected a size from 1KB to 2GB, such as 16MB"]);
}

#[test]
fn the_list_of_visitors_has_the_limit_of_lines() {
    let project = Project::trial();
    let definition = "[[definition]]\nname = \"a\"\nall = [{ event = \"report\", at_least = 2 }]\n";
    let toml = format!("{TRIAL}\n[visitors]\npath = \"visitors.csv\"\n\n{definition}");
    project.write("pql.toml", toml);
    let date = format!("2025-01-01,{}", "0".repeat(300_000));
    project.write("visitors.csv", format!("date,visitors\n{date}\n"));
    let message = "found a line of more than 100KB, expected a shorter one (`input.max_line`)";
    project
        .pql(&["funnel", "--set", "input.max_line=100KB"])
        .fails_with(3, &["`visitors.csv`", message]);
}

#[test]
fn a_project_file_has_a_limit() {
    let project = Project::trial();
    project.write("pql.toml", "[".repeat(1_100_000));
    let words = ["cannot read the project file: found more than 1 MiB, expected less"];
    project.pql(&["features", "-o", "-"]).fails_with(2, &words);
}

#[test]
fn a_row_of_separators_is_refused() {
    let project = Project::matrix();
    let separators = ",".repeat(1_100_000);
    project.write("wide.csv", format!("x,converted\n{separators}\n"));
    project.write("header.csv", format!("{separators}\n1\n"));
    let message = "found more than 1,048,576 fields, expected at most 20,000";
    for name in ["wide.csv", "header.csv"] {
        project.train(&["--features", name]).fails_with(3, &[&format!("`{name}`"), message]);
    }
}

#[test]
fn too_many_columns_are_refused() {
    let project = Project::matrix();
    let names = |count: usize| (0..count).map(|n| format!("x{n}")).collect::<Vec<_>>().join(",");
    project.write("wide.csv", format!("{}\n", names(20_001)));
    let object = (0..20_001).fold(String::new(), |mut text, n| {
        let _ = write!(text, "{}\"x{n}\":1", if n == 0 { '{' } else { ',' });
        text
    });
    project.write("wide.ndjson", object + "}\n");
    for name in ["wide.csv", "wide.ndjson"] {
        let message = "found 20,001 columns, expected at most 20,000";
        project.train(&["--features", name]).fails_with(3, &[&format!("`{name}`"), message]);
    }
}

#[test]
fn settings_that_make_too_many_rows_or_columns_are_refused() {
    let project = Project::trial();
    let every = ["--set", "observation.cutoffs=snapshot", "--set", "observation.every=1m"];
    let words = ["`observation.every = \"1m\"`: found up to ", " rows of 240 accounts at "];
    project.train(&every).fails_with(2, &words);

    let project = Project::matrix();
    let mut rows = "level,x,converted\n".to_owned();
    for row in 0..5_000 {
        let _ = writeln!(rows, "level {},{},{}", row % 2_500, row % 7, row % 2);
    }
    project.write("levels.csv", rows);
    let words = [
        "found 2,500 design columns, expected at most 2,000; feature `level` has 2,499 of them",
        "hint: set a larger `design.rare`",
    ];
    project.train(&["--features", "levels.csv"]).fails_with(2, &words);
    project.train(&["--features", "levels.csv", "--set", "design.rare=0.01"]).done();
}
