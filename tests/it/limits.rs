//! Sizes beyond the documented limits are refused with the number and the limit.

use std::fmt::Write as _;

use crate::project::Project;

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
    train("one.csv", "100")
        .fails_with(2, &["`100`, expected a size from 1KB to 2GB, such as 16MB"]);
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
