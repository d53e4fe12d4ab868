//! `pql discover`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pql_stats::contingency::{ContingencyTable, OddsRatio};
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Terminal;
use super::shared::ProjectArgs;
use crate::dataset::observations::{Observations, observe};
use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::log::Log;
use crate::report::text;
use crate::rules::discover::{AtRisk, DAYS, Discovery, LEVEL, Landmark, Rule, Search, discover};
use crate::time::{TimeSpan, Timestamp, iso_day};
use crate::training::audit;
use crate::warning::{Finding, Notice};

/// Find rules that tell who converts, on older cohorts, and confirm them on newer ones
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Days after the sign-up that are tried, with commas between them
    #[arg(long, value_name = "DAYS,…", value_delimiter = ',', default_values_t = DAYS, value_parser = clap::value_parser!(i64).range(1..=365))]
    days: Vec<i64>,
    /// Accounts for which a rule must hold, at least
    #[arg(long, value_name = "N", default_value_t = 30)]
    support: u64,
    /// Rules shown and written, best first
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write the confirmed rules as `[[definition]]` blocks to a new file, or `-`
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Accounts that must convert where a rule holds, at least.
const CONVERSIONS: u64 = 10;

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    if args.json && args.write.as_deref() == Some(Path::new("-")) {
        let hint = Some("each rule in the JSON has its `definition`".to_owned());
        return Err(Error::Usage {
            problem: "`--json` and `--write -` would go both to standard output".to_owned(),
            hint,
        });
    }
    if let Some(path) = args.write.as_ref().filter(|path| path.exists()) {
        let hint = Some("name another file, and paste what you want into pql.toml".to_owned());
        return Err(Error::Usage {
            problem: format!("`{}` is there already", path.display()),
            hint,
        });
    }
    let config = args.project.load()?;
    let log = args.project.training_log(&config, terminal)?;
    let observations = observe(&log, &config.observation, config.model.test)?;
    let newer_from = observations.first_test.ok_or_else(|| Error::Usage {
        problem: "without test cutoffs there are no newer accounts to confirm a rule on".to_owned(),
        hint: Some("give `model.test` a share above 0".to_owned()),
    })?;
    let mut days = args.days.clone();
    days.sort_unstable();
    days.dedup();
    let search = Search {
        days,
        horizon: config.observation.horizon.0,
        support: args.support,
        conversions: CONVERSIONS,
        since: log.first_day(&config).0,
        newer_from,
        leave_out: suspects(&log, &observations, config.observation.gap, terminal)?,
    };
    let mut found = discover(&log, &search)?;
    if found.before_log > 0 {
        terminal.note(
            &Notice::EarlyAccountsSkipped {
                accounts: found.before_log,
                since: Timestamp(search.since),
            }
            .to_string(),
        );
    }
    for rule in &mut found.rules {
        rule.definition.found_until = Some(Timestamp(newer_from));
    }
    if args.json {
        terminal.say_json(&Answer::of(&found, newer_from))?;
    } else {
        say(&found, newer_from, args.top, terminal)?;
    }
    match &args.write {
        Some(path) => write(path, &found.rules, args.top, terminal),
        None => Ok(()),
    }
}

/// Events that follow from conversions or announce them, which make rules that know the outcome.
fn suspects(
    log: &Log,
    observations: &Observations,
    gap: TimeSpan,
    terminal: &mut Terminal<'_>,
) -> Result<BTreeSet<usize>> {
    let mut codes = BTreeSet::new();
    for finding in audit::events(&audit::around(log, observations)?, gap) {
        if let Finding::AfterConversion { event, .. } | Finding::BeforeConversion { event, .. } =
            &finding
        {
            terminal.note(&format!("left out: {finding}"));
            codes.extend(log.events.names.code(event));
        }
    }
    Ok(codes)
}

fn write(path: &Path, rules: &[Rule], top: usize, terminal: &mut Terminal<'_>) -> Result<()> {
    let blocks: Vec<String> = rules
        .iter()
        .filter(|rule| rule.is_confirmed())
        .take(top)
        .map(|rule| rule.definition.block())
        .collect();
    let count = blocks.len();
    if count == 0 {
        terminal.note("no rule is confirmed: nothing to write");
        return Ok(());
    }
    let text = blocks.join("\n");
    if path == Path::new("-") {
        return terminal.say(text.trim_end());
    }
    write_bytes(path, text.as_bytes())?;
    terminal.note(&format!("{count} confirmed definitions to {}", path.display()));
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1}", 100.0 * share))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.2}"))
}

/// A p value; what no number is small enough for is said to be less.
fn small(p: f64) -> String {
    if p > 0.0 { format!("{p:.0e}") } else { "<1e-300".to_owned() }
}

fn say(found: &Discovery, newer_from: i64, top: usize, terminal: &mut Terminal<'_>) -> Result<()> {
    terminal.say(&format!(
        "Accounts at risk at each landmark; the newer ones have theirs from {} on",
        iso_day(newer_from)
    ))?;
    let landmark = |l: &Landmark| {
        let of = |side: AtRisk| format!("{} of {} convert", side.conversions, side.accounts);
        vec![format!("{}d", l.days), of(l.older), of(l.newer), l.converted_before.to_string()]
    };
    terminal.say(&text::table(
        &["days", "older", "newer", "converted before"],
        found.landmarks.iter().map(landmark).collect(),
        1..4,
    ))?;
    terminal.say(&format!("\n{}", verdict(found)))?;
    if found.rules.is_empty() {
        return Ok(());
    }
    let header = [
        "rule",
        "hold",
        "precision",
        "recall",
        "lift",
        "phi",
        "q",
        "newer: hold",
        "precision",
        "recall",
        "lift",
        "p",
        "confirmed",
    ];
    let side = |table: &ContingencyTable| {
        [
            percent(table.support()),
            percent(table.precision()),
            percent(table.recall()),
            number(table.lift()),
        ]
    };
    let row = |rule: &Rule| {
        let mut cells = vec![rule.definition.name.clone()];
        cells.extend(side(&rule.found));
        cells.extend([number(rule.found.phi()), small(rule.q)]);
        cells.extend(side(&rule.newer));
        let confirmed = if rule.newer.all() == 0 {
            "untested"
        } else {
            ["no", "yes"][usize::from(rule.is_confirmed())]
        };
        cells.extend([small(rule.p), confirmed.to_owned()]);
        cells
    };
    terminal.say(&text::table(&header, found.rules.iter().take(top).map(row).collect(), 1..12))?;
    terminal.say("In %. Precision: how many convert where it holds (it suffices); recall: for how many of those that convert it holds (it is necessary)")
}

/// How much was tried and what of it holds.
fn verdict(found: &Discovery) -> String {
    if found.tried == 0 {
        return format!(
            "No rule could be tried: at no landmark are there {CONVERSIONS} older accounts that convert and meet one"
        );
    }
    let confirmed = found.rules.iter().filter(|rule| rule.is_confirmed()).count();
    let mut text = format!(
        "{} rules tried; of {} measures and pairs the best holds against chance (Benjamini-Hochberg, {:.0} %), {confirmed} are confirmed",
        found.tried,
        found.rules.len(),
        100.0 * LEVEL
    );
    if found.alike > 0 {
        text += &format!("\n{} more hold for nearly the same accounts as one of them", found.alike);
    }
    if found.landmarks.iter().all(|landmark| landmark.newer.accounts == 0) {
        text += "\nNo newer account has its horizon behind it, so that nothing can be confirmed";
    }
    text
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    newer_from: String,
    signed_up_before_log: u64,
    tried: u64,
    alike: u64,
    landmarks: &'a [Landmark],
    rules: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    rule: &'a str,
    days: i64,
    conditions: usize,
    q: f64,
    found: Numbers,
    newer: Numbers,
    p_one_sided: f64,
    confirmed: bool,
    definition: String,
}

/// A table and what it tells.
#[derive(Serialize)]
struct Numbers {
    table: ContingencyTable,
    support: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    lift: Option<f64>,
    phi: Option<f64>,
    odds_ratio: f64,
    odds_ratio_interval: Interval,
    p_two_sided: f64,
}

impl Numbers {
    fn of(table: &ContingencyTable) -> Self {
        let OddsRatio { value: odds_ratio, interval: odds_ratio_interval } = table.odds_ratio();
        Self {
            table: *table,
            support: table.support(),
            precision: table.precision(),
            recall: table.recall(),
            lift: table.lift(),
            phi: table.phi(),
            odds_ratio,
            odds_ratio_interval,
            p_two_sided: table.fisher(),
        }
    }
}

impl<'a> Answer<'a> {
    fn of(found: &'a Discovery, newer_from: i64) -> Self {
        let told = |rule: &'a Rule| Told {
            rule: &rule.definition.name,
            days: rule.days,
            conditions: rule.conditions,
            q: rule.q,
            found: Numbers::of(&rule.found),
            newer: Numbers::of(&rule.newer),
            p_one_sided: rule.p,
            confirmed: rule.is_confirmed(),
            definition: rule.definition.block(),
        };
        Self {
            newer_from: iso_day(newer_from),
            signed_up_before_log: found.before_log,
            tried: found.tried,
            alike: found.alike,
            landmarks: &found.landmarks,
            rules: found.rules.iter().map(told).collect(),
        }
    }
}
