//! Days that people read are days of `[input] timezone`.
//!
//! The times of a log without offsets are local times. Under another time zone all of its times
//! shift alike, so every screen and page is the same, unless it shows a UTC day.

use crate::project::{Project, Run, TRIAL};

/// Zones without daylight saving time, one on each side of UTC, and their offsets.
const ZONES: [(&str, &str); 3] =
    [("UTC", "Z"), ("Asia/Tokyo", "+09:00"), ("America/Phoenix", "-07:00")];

/// Definitions, counts of which are shown by the funnel and in comparisons.
const DEFINITIONS: &str = "
[[definition]]
name = \"reports\"
type = \"limit\"
all = [{ event = \"report\", at_least = 2 }]

[input]
timezone = \"ZONE\"
";

/// What people read of a project whose times have no offset, by command.
struct Screens {
    project: Project,
    zone: &'static str,
    offset: &'static str,
    texts: Vec<(String, String)>,
}

impl Screens {
    fn new((zone, offset): (&'static str, &'static str)) -> Self {
        let project = Project::trial();
        for file in ["events.csv", "accounts.csv"] {
            let text = project.text(file);
            let local: Vec<String> = text.lines().map(without_offset).collect();
            project.write(file, local.join("\n") + "\n");
        }
        project.write("pql.toml", TRIAL.to_owned() + &DEFINITIONS.replace("ZONE", zone));
        Self { project, zone, offset, texts: Vec::new() }
    }

    /// Runs a command and keeps its texts.
    fn run(&mut self, args: &str) {
        let words: Vec<&str> = args.split(' ').collect();
        let Run { code, out, err } = self.project.pql(&words);
        assert!(matches!(code, Some(0 | 5)), "{args}: {err}");
        self.keep(args, &format!("{out}\n{err}"));
    }

    /// Keeps a written page.
    fn page(&mut self, name: &str) {
        let text = self.project.text(name);
        self.keep(name, &text);
    }

    fn keep(&mut self, name: &str, text: &str) {
        let text = without_run_folders(text).replace(self.offset, "Z").replace(self.zone, "UTC");
        // The fingerprint of the training rows includes their cutoffs in UTC.
        let lines = text.lines().filter(|line| !line.contains("fingerprint"));
        self.texts.push((name.to_owned(), lines.collect::<Vec<_>>().join("\n")));
    }
}

/// Removes the `Z` of each time in a line of CSV.
fn without_offset(line: &str) -> String {
    let cells: Vec<&str> =
        line.split(',').map(|cell| cell.strip_suffix('Z').unwrap_or(cell)).collect();
    cells.join(",")
}

/// Removes the names of the folders of a ledger, which are times in UTC.
fn without_run_folders(text: &str) -> String {
    let mut parts = text.split("cutoff=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_ascii_digit() || "-TZ".contains(c))
    })
}

fn screens(zone: (&'static str, &'static str)) -> Vec<(String, String)> {
    let mut screens = Screens::new(zone);
    for args in [
        "train --name age -v --report age.html",
        "train --name old -v --set observation.cutoffs=snapshot --set observation.every=7d",
        "train --name old -v --set observation.cutoffs=snapshot --set observation.every=7d --set model.alpha=1",
        "evaluate age -c pql.toml -v",
        "evaluate old/0001 -c pql.toml --all --by cohort --definition reports --set observation.cutoffs=snapshot --set observation.every=7d",
        "inspect age -v",
        "inspect old -v",
        "models list",
        "compare old/0002 old/0001 --report compare.html",
        "score old -c pql.toml --at 2025-03-10 -o first.csv --ledger ledger",
        "score old -c pql.toml --at 2025-03-30 -o second.csv --ledger ledger",
        "alerts --ledger ledger -c pql.toml --dry-run",
        "alerts --ledger ledger -c pql.toml --dry-run --since 2025-03-10",
        "monitor old -c pql.toml -v --ledger ledger --report monitor.html",
        "report old -c pql.toml -o report.html",
        "funnel --by week",
        "discover --days 7 --min-accounts 10",
    ] {
        screens.run(args);
    }
    for page in ["age.html", "compare.html", "monitor.html", "report.html"] {
        screens.page(page);
    }
    screens.texts
}

#[test]
fn every_day_that_people_read_is_a_day_of_the_configured_zone() {
    let [utc, others @ ..] = ZONES.map(screens);
    assert!(utc.iter().any(|(_, text)| text.contains("2025-03-10")));
    for other in others {
        for ((name, expected), (_, found)) in utc.iter().zip(&other) {
            for (expected, found) in expected.lines().zip(found.lines()) {
                assert_eq!(found, expected, "{name}");
            }
            assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
        }
    }
}
