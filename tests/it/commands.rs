//! docs/commands.md says what `--help` says; `make docs` writes it anew.

use std::fs;

use clap::{Command, CommandFactory};
use pql::cli::{Cli, ScoreCli};

use crate::common::root;

/// Columns of the help in the reference.
const WIDTH: usize = 100;

/// A command and all below it, each with its whole name.
fn all(command: &Command, before: &str, found: &mut Vec<(String, Command)>) {
    let name = format!("{before}{}", command.get_name());
    found.push((name.clone(), command.clone()));
    for below in
        command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
    {
        all(below, &format!("{name} "), found);
    }
}

/// The reference, in Markdown.
fn reference() -> String {
    let mut commands = Vec::new();
    for mut program in [Cli::command(), ScoreCli::command()] {
        program = program.term_width(WIDTH);
        program.build();
        all(&program, "", &mut commands);
    }
    let mut text =
        "# Commands\n\nWhat `--help` says of each command. `make docs` writes this file.\n\n"
            .to_owned();
    for (name, command) in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        // `pql score` and `pql-score` would have the same: of equal ones the later is numbered.
        let anchor = name.replace(' ', "-");
        let again =
            if *name == anchor && text.contains(&format!("(#{anchor})")) { "-1" } else { "" };
        text += &format!("- [`{name}`](#{anchor}{again}): {}\n", about.trim_end_matches('.'));
    }
    for (name, mut command) in commands {
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text += &format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    }
    text
}

#[test]
fn the_reference_of_commands_is_what_help_says() {
    let (made, path) = (reference(), root().join("docs/commands.md"));
    if std::env::var_os("PQL_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(made.lines()).find(|(found, made)| found != made);
    assert!(
        found == made,
        "docs/commands.md is out of date, `make docs` writes it anew; first difference: {differs:?}"
    );
    assert!(made.lines().all(|line| line.chars().count() <= 160), "help is wrapped");
}
