//! `pql help`: the commands by group.

/// The first line of the overview.
pub(super) const ABOUT: &str =
    "Predict which trial and freemium accounts will convert, and explain why";

/// The groups of commands, in the order of use.
pub(super) const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Set up",
        &["init", "simulate", "ingest", "features", "schema", "completions", "man", "selftest"],
    ),
    ("Train", &["doctor", "train", "evaluate", "compare", "models"]),
    ("Score", &["score"]),
    ("Explain", &["explain", "inspect", "report", "export"]),
    ("Rules", &["discover", "funnel"]),
    ("Operate", &["monitor", "alerts"]),
];

/// Returns the overview that `pql help` prints.
pub(super) fn overview() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: pql COMMAND [OPTIONS]\n\n");
    for (group, commands) in GROUPS {
        text += &format!("{group:<9} {}\n", commands.join("  "));
    }
    text + "\nRun `pql help COMMAND` for the options of a command.\n\
        Guide: docs/guide/tutorial.md  Exit codes: docs/reference/exit-codes.md\n"
}
