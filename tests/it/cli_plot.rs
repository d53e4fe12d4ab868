//! Plots in the terminal: as wide as the terminal, plain in a pipe, and only on request.

use std::process::Command;

use unicode_width::UnicodeWidthStr;

use crate::common::python;
use crate::common::succeed;
use crate::project::Project;

/// Commands with plots, for the model `t` of a trial.
const DRAWING: [&[&str]; 2] = [&["inspect", "t"], &["evaluate", "t", "--all"]];

fn trained() -> Project {
    let project = Project::trial();
    project.train(&[]).done();
    project
}

/// Runs a command with these variables and without others that affect plots.
fn stdout(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = project.command(env!("CARGO_BIN_EXE_pql"), args);
    ["COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"].into_iter().for_each(|name| {
        command.env_remove(name);
    });
    succeed(command.envs(variables.iter().copied())).0
}

/// Returns the text that `--plot always` adds at the end.
fn drawn(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> String {
    let plain = stdout(project, args, &[]);
    let all = stdout(project, &[args, &["--plot", "always"]].concat(), variables);
    all.strip_prefix(&plain).unwrap_or_else(|| panic!("the text is unchanged: {all}")).to_owned()
}

#[test]
fn a_pipe_gets_no_plot_by_default() {
    let project = trained();
    for args in DRAWING {
        let plain = stdout(&project, args, &[("LC_ALL", "C.UTF-8"), ("TERM", "xterm")]);
        assert_eq!(
            stdout(&project, &[args, &["--plot", "never"]].concat(), &[("COLUMNS", "40")]),
            plain
        );
        assert!(!plain.contains("Gains: ") && !plain.contains('●'));
    }
    for args in [
        ["inspect", "t", "--format", "csv"].as_slice(),
        &["inspect", "t", "--regularization-path"],
        &["evaluate", "t", "--all", "--format", "json"],
    ] {
        assert_eq!(drawn(&project, args, &[]), "", "only tables have plots");
    }
}

#[test]
fn no_line_of_a_plot_is_longer_than_the_terminal() {
    let project = trained();
    for args in DRAWING {
        for (locale, unicode) in [("C.UTF-8", true), ("C", false)] {
            let mut longest = Vec::new();
            for columns in ["40", "80", "120"] {
                let plot = drawn(
                    &project,
                    args,
                    &[("COLUMNS", columns), ("LC_ALL", locale), ("TERM", "xterm")],
                );
                let widest = plot.lines().map(UnicodeWidthStr::width).max().unwrap();
                assert!(widest <= columns.parse().unwrap(), "{columns}: {widest}\n{plot}");
                assert!(plot.lines().count() > 12 && plot.is_ascii() != unicode, "{plot}");
                assert!(!plot.contains('\u{1b}'), "a pipe has no colors");
                longest.push(widest);
            }
            assert!(longest.is_sorted_by(|a, b| a < b), "{longest:?}");
        }
        assert_eq!(drawn(&project, args, &[("COLUMNS", "20")]), "", "too narrow for a plot");
        assert_eq!(
            drawn(&project, args, &[]),
            drawn(&project, args, &[("COLUMNS", "80"), ("LANG", "C")])
        );
    }
}

#[test]
fn plots_show_the_numbers_of_their_tables() {
    let project = trained();
    let plot = drawn(&project, DRAWING[0], &[]);
    let csv = stdout(&project, &["inspect", "t", "--format", "csv"], &[]);
    let coefficients = csv.lines().skip(2).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0], cells[1].parse::<f64>().unwrap())
    });
    let (name, coef) = coefficients.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap();
    let first = plot.lines().find(|line| line.contains('o') && line.contains(name)).unwrap();
    assert!(first.ends_with(&format!("{coef:+.3}")), "{first}");
    let plots = drawn(&project, DRAWING[1], &[]);
    assert!(
        plots.contains("Reliability by mean predicted probability")
            && plots.contains("Gains: share of all conversions")
    );
    let last = plots.lines().find(|line| line.contains("top 100%")).unwrap();
    assert!(last.ends_with("1.0000") && last.contains("####") && !last.contains("# "), "{last}");
}

#[cfg(unix)]
#[test]
#[ignore = "needs Python: `make python`"]
fn a_terminal_gets_plots_of_its_width_with_colors_unless_no_color_is_set() {
    /// Runs a command on a terminal of 60 columns and prints its output.
    const ON_TERMINAL: &str = "import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    said += part
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let python = python();
    let project = trained();
    let on_terminal = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command: Command = project
            .command(python.to_str().unwrap(), &["-c", ON_TERMINAL, env!("CARGO_BIN_EXE_pql")]);
        command
            .args(["inspect", "t", "--quiet"])
            .args(more)
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR");
        succeed(
            command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").envs(variables.iter().copied()),
        )
        .0
    };
    let plain = on_terminal(&[], &[("NO_COLOR", "1")]);
    let title = "Coefficients per standard deviation";
    // The table of coefficients has the same title.
    let plot = &plain[plain.rfind(title).unwrap()..];
    assert_eq!(plot.lines().map(UnicodeWidthStr::width).max(), Some(60), "{plot}");
    assert!(plot.contains('●') && !plain.contains('\u{1b}'), "{plot}");
    let colored = on_terminal(&[], &[]);
    assert!(colored.contains("\u{1b}[36m●\u{1b}[0m") || colored.contains("\u{1b}[33m●\u{1b}[0m"));
    assert!(!on_terminal(&[], &[("TERM", "dumb")]).contains('\u{1b}'));
    assert_eq!(on_terminal(&["--plot", "never"], &[]).matches(title).count(), 1);
}
