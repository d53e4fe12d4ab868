use std::path::Path;

use super::*;

#[test]
fn exit_codes_are_3_for_input_4_for_models_and_5_for_leaks() {
    assert_eq!(Error::from(pql_stats::Error::OneClass { rows: 3, converted: true }).exit_code(), 3);
    assert_eq!(Error::NotAModel { path: "x".into() }.exit_code(), 4);
    assert_eq!(Error::Leak { findings: Vec::new() }.exit_code(), 5);
}

#[test]
fn sources_follow_the_message() {
    let source = std::io::Error::other("no space");
    assert_eq!(
        Error::table("the features", source).with_sources(),
        "cannot process the features: no space"
    );
    assert_eq!(
        Error::malformed(Path::new("a.csv"), "no table", None).with_sources(),
        "`a.csv`: no table"
    );
}
