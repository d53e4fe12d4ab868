//! Searches for inputs that violate a law: `PQL_FUZZ_TARGET=csv pql-fuzz CORPUS`; see
//! `crates/pql-fuzz/README.md`.
#![no_main]

use std::sync::OnceLock;

use pql_fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("PQL_FUZZ_TARGET").unwrap_or_default();
        name.parse().unwrap_or_else(|problem| panic!("PQL_FUZZ_TARGET: {problem}"))
    });
    let _ = target.check(data);
});
