//! docs/reference/commands.md has the help of every command; `make docs` writes it.

use std::fs;

use clap::{Command, CommandFactory};
use pql::cli::{Cli, ScoreCli};

use crate::common::root;

/// Path of the reference.
const REFERENCE: &str = "docs/reference/commands.md";

/// Columns of the help in the reference.
const WIDTH: usize = 100;

/// Collects a command and all below it, each with its full name.
fn collect(command: &Command, before: &str, commands: &mut Vec<(String, Command)>) {
    let name = format!("{before}{}", command.get_name());
    commands.push((name.clone(), command.clone()));
    for below in
        command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
    {
        collect(below, &format!("{name} "), commands);
    }
}

/// Returns all commands of both programs, with their full names.
fn commands() -> Vec<(String, Command)> {
    let mut commands = Vec::new();
    for mut program in [Cli::command(), ScoreCli::command()] {
        program = program.term_width(WIDTH);
        program.build();
        collect(&program, "", &mut commands);
    }
    commands
}

/// Returns the reference in Markdown.
fn reference() -> String {
    let commands = commands();
    let mut text = "# Commands\n\n\
        After reading this page you know the arguments and options of every command. \
        `make docs` generates it from the help texts.\n\n"
        .to_owned();
    for (name, command) in &commands {
        let help = command.get_about().map(ToString::to_string).unwrap_or_default();
        // `pql score` and `pql-score` have the same anchor; the second one gets a number.
        let anchor = name.replace(' ', "-");
        let number =
            if *name == anchor && text.contains(&format!("(#{anchor})")) { "-1" } else { "" };
        text += &format!("- [`{name}`](#{anchor}{number}): {}\n", help.trim_end_matches('.'));
    }
    for (name, mut command) in commands {
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text += &format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    }
    text
}

#[test]
fn the_reference_has_the_help_of_every_command() {
    let (generated, path) = (reference(), root().join(REFERENCE));
    if std::env::var_os("PQL_DOCS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let difference = found.lines().zip(generated.lines()).find(|(found, new)| found != new);
    assert!(
        found == generated,
        "{REFERENCE} is out of date: run `make docs`; first difference: {difference:?}"
    );
    assert!(generated.lines().all(|line| line.chars().count() <= 160), "help is wrapped");
}

#[test]
fn help_lists_options_under_the_four_headings_in_order() {
    for (name, mut command) in commands() {
        if command.has_subcommands() {
            continue;
        }
        let help = command.render_long_help().to_string();
        let headings: Vec<&str> = help
            .lines()
            .filter(|line| line.ends_with(':') && !line.starts_with([' ', '\t']))
            .collect();
        let known = ["Input:", "Model:", "Output:", "General:"];
        let places: Vec<Option<usize>> =
            headings.iter().map(|heading| known.iter().position(|name| name == heading)).collect();
        assert!(places.iter().all(Option::is_some), "{name}: {headings:?}");
        assert!(places.is_sorted(), "{name}: {headings:?}");
    }
}

#[test]
fn help_texts_are_short_imperative_sentences() {
    for (name, command) in commands() {
        let help = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!((1..=80).contains(&help.chars().count()), "{name}: {help}");
        assert!(!help.ends_with('.'), "{name}: {help}");
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.chars().count() <= 100, "{name} {}: {help}", arg.get_id());
            assert!(
                help.starts_with(|c: char| c.is_uppercase()),
                "{name} {}: {help}",
                arg.get_id()
            );
        }
    }
}
