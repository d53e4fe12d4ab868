//! `pql discover`

use std::collections::BTreeSet;

use pql_stats::contingency::{ContingencyTable, OddsRatio};
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Terminal;
use super::output::{Output, OutputArgs, OutputFormat, limit_formats};
use super::shared::{ProjectArgs, refuse_existing, whole_number};
use crate::dataset::observations::{Observations, observe};
use crate::dataset::split::SplitOptions;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::report::format::{agree, counted, grouped, p_value, shorten_middle};
use crate::report::text::{self, fixed, percent};
use crate::rules::discover::{
    Discovery, LEVEL, LandmarkCounts, RiskSet, Rule, SearchOptions, discover,
};
use crate::time::{TimeSpan, Timestamp, ZonedTime};
use crate::training::audit;
use crate::warning::{Finding, Notice};

/// Discover rules that predict conversion, and confirm them on newer cohorts
///
/// Rules are found on older cohorts and tested on newer ones. `--format toml` writes the confirmed
/// rules as `[[definition]]` blocks for pql.toml.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Days after sign-up at which rules are evaluated, separated by commas
    #[arg(
        long,
        value_name = "DAYS",
        value_delimiter = ',',
        default_value = "1,3,7,14,28",
        value_parser = clap::value_parser!(i64).range(1..=365),
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    days: Vec<i64>,
    /// Minimum number of accounts a rule must match
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30,
        value_parser = whole_number::<u64>,
        allow_negative_numbers = true,
        help_heading = "Input"
    )]
    min_accounts: u64,
    /// Maximum number of rules to show or write, best first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    top: usize,
    #[command(flatten)]
    output: OutputArgs,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Toml];

/// Minimum number of conversions among the accounts that match a rule.
const MIN_CONVERSIONS: u64 = 10;

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    if let (OutputFormat::Toml, Some(file)) = (output.format, &output.file) {
        refuse_existing(
            file.path(),
            "choose another file, and copy the blocks you want into the project file",
        )?;
    }
    let config = args.project.load(&terminal.files)?;
    let log = args.project.training_log(&config, terminal)?;
    let observations =
        observe(&log, &config.observation, SplitOptions::newest(config.model.test_size))?;
    let newer_from = observations.first_test.ok_or_else(|| Error::Usage {
        problem: "no newer accounts to confirm rules on: the test set is empty".to_owned(),
        hint: Some("set `model.test_size` above 0".to_owned()),
    })?;
    let mut days = args.days.clone();
    days.sort_unstable();
    days.dedup();
    let search = SearchOptions {
        days,
        horizon: config.observation.horizon.0,
        min_accounts: args.min_accounts,
        min_conversions: MIN_CONVERSIONS,
        since: log.first_day(&config).0,
        newer_from,
        excluded_events: leaking_event_types(
            &log,
            &observations,
            config.observation.gap,
            terminal,
        )?,
    };
    let mut found = discover(&log, &search)?;
    if found.before_log > 0 {
        terminal.note(
            &Notice::EarlyAccountsSkipped {
                accounts: found.before_log,
                since: ZonedTime::new(search.since, log.zone),
            }
            .to_string(),
        );
    }
    for rule in &mut found.rules {
        rule.definition.found_until = Some(Timestamp(newer_from));
    }
    let newer_from = log.zone.day(newer_from).to_string();
    match output.format {
        OutputFormat::Json => output.write_json(&DiscoverOutput::new(&found, newer_from), terminal),
        OutputFormat::Toml => write_definitions(&output, &found.rules, args.top, terminal),
        _ => output.write(&table(&found, &newer_from, args.top, terminal.verbose), terminal),
    }
}

/// Returns the event types that follow or announce conversions: rules made of them would leak the
/// outcome.
fn leaking_event_types(
    log: &Log,
    observations: &Observations,
    gap: TimeSpan,
    terminal: &mut Terminal<'_>,
) -> Result<BTreeSet<usize>> {
    let mut codes = BTreeSet::new();
    for finding in audit::events(&audit::event_timing(log, observations)?, gap) {
        if let Finding::AfterConversion { event, .. }
        | Finding::JustBeforeConversion { event, .. } = &finding
        {
            terminal.note(&format!("Skipped: {finding}"));
            codes.extend(log.events.names.code(event));
        }
    }
    Ok(codes)
}

/// Writes the confirmed rules as `[[definition]]` blocks.
fn write_definitions(
    output: &Output,
    rules: &[Rule],
    top: usize,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let confirmed = rules.iter().filter(|rule| rule.is_confirmed()).take(top);
    let blocks: Vec<String> = confirmed.map(|rule| rule.definition.to_toml()).collect();
    if blocks.is_empty() {
        terminal.note("No rule was confirmed; nothing to write");
        return Ok(());
    }
    output.write(blocks.join("\n").trim_end(), terminal)?;
    let all = rules.iter().filter(|rule| rule.is_confirmed()).count() as u64;
    terminal.note(&format!(
        "Wrote {} of {}",
        grouped(blocks.len() as u64),
        counted(all, "confirmed rule")
    ));
    Ok(())
}

/// Returns the rules as tables for people.
fn table(found: &Discovery, newer_from: &str, top: usize, verbose: bool) -> String {
    let landmark = |landmark: &LandmarkCounts| {
        let converted = |counts: RiskSet| {
            format!("{} of {}", grouped(counts.conversions), grouped(counts.accounts))
        };
        vec![
            format!("{}d", landmark.days),
            converted(landmark.older),
            converted(landmark.newer),
            grouped(landmark.converted_before),
        ]
    };
    let mut text = format!(
        "Conversions by account age; newer accounts are those from {newer_from} on\n{}\n\n{}",
        text::table(
            &["age", "older", "newer", "converted earlier"],
            found.landmarks.iter().map(landmark).collect(),
            1..4,
        ),
        verdict(found)
    );
    if found.rules.is_empty() {
        return text;
    }
    let rules: Vec<&Rule> = found.rules.iter().take(top).collect();
    if rules.len() < found.rules.len() {
        text += &format!(
            "\nShown: {} of {}, best first (`--top`)",
            grouped(rules.len() as u64),
            counted(found.rules.len() as u64, "significant rule")
        );
    }
    text += "\n\n";
    text += &short_table(&rules, verbose);
    text += "\n";
    if verbose {
        text += &format!("\n{}\n\n", details_table(&rules));
    }
    text += "Counts in rules are minimums. converted earlier: accounts that converted before that age.\n\
        match: share of accounts that match the rule. precision: share of these that converted.\n\
        recall: share of converting accounts that match. lift: precision divided by the base rate.";
    text
}

/// Returns whether a rule was confirmed on newer accounts, in a word.
fn confirmation(rule: &Rule) -> String {
    let confirmed = match rule.newer.total() {
        0 => "untested",
        _ if rule.is_confirmed() => "yes",
        _ => "no",
    };
    confirmed.to_owned()
}

/// Returns the most important columns, at most 100 characters wide.
fn short_table(rules: &[&Rule], verbose: bool) -> String {
    let header = ["rule", "match", "precision", "recall", "lift", "newer", "confirmed"];
    let row = |rule: &&Rule| {
        let cells = vec![
            percent(rule.older.support()),
            percent(rule.older.precision()),
            percent(rule.older.recall()),
            text::lift(rule.older.lift()),
            percent(rule.newer.precision()),
            confirmation(rule),
        ];
        rule_rows(&rule.definition.name, cells)
    };
    let table = text::table(&header, rules.iter().flat_map(row).collect(), 1..6);
    let more = if verbose { "" } else { " More columns: -v" };
    format!("{table}\n\nnewer: precision among newer accounts.{more}")
}

/// The width that the other columns leave for a rule.
const NAME_WIDTH: usize = 48;

/// Returns the rows of a rule: its name and cells, and the second condition of a long name below.
fn rule_rows(name: &str, cells: Vec<String>) -> Vec<Vec<String>> {
    let row = |name: &str, cells| {
        [shorten_middle(name, NAME_WIDTH)].into_iter().chain(cells).collect::<Vec<_>>()
    };
    match name.split_once(" and ") {
        Some((one, other)) if name.chars().count() > NAME_WIDTH => {
            vec![row(one, cells), row(&format!("  and {other}"), Vec::new())]
        }
        _ => vec![row(name, cells)],
    }
}

/// Returns the other columns: significance on older accounts, and the numbers of newer accounts.
fn details_table(rules: &[&Rule]) -> String {
    let header = ["rule", "phi", "q", "newer: match", "recall", "lift", "p"];
    let row = |rule: &&Rule| {
        let cells = vec![
            fixed(rule.older.phi(), 2),
            p_value(Some(rule.q)),
            percent(rule.newer.support()),
            percent(rule.newer.recall()),
            text::lift(rule.newer.lift()),
            p_value(Some(rule.p)),
        ];
        rule_rows(&rule.definition.name, cells)
    };
    text::table(&header, rules.iter().flat_map(row).collect(), 1..7)
}

/// Returns how many rules were tried, and how many are significant and confirmed.
fn verdict(found: &Discovery) -> String {
    if found.tried == 0 {
        return format!(
            "No rule was tried: no rule matches {MIN_CONVERSIONS} older converting accounts at any age"
        );
    }
    let confirmed = found.rules.iter().filter(|rule| rule.is_confirmed()).count() as u64;
    let mut text = format!(
        "{} tried: {} significant, {} confirmed on newer accounts\n\
        (Benjamini-Hochberg, false discovery rate {:.0}%)",
        counted(found.tried, "rule"),
        grouped(found.rules.len() as u64),
        grouped(confirmed),
        100.0 * LEVEL
    );
    if found.near_duplicates > 0 {
        text += &format!(
            "\nNot shown: {} that match{} nearly the same accounts as one of them",
            counted(found.near_duplicates, "rule"),
            agree(found.near_duplicates, ["es", ""])
        );
    }
    let newer = || found.landmarks.iter().map(|landmark| landmark.newer);
    let most = newer().map(|newer| newer.conversions).max().unwrap_or(0);
    if newer().all(|newer| newer.accounts == 0) {
        text += "\nNothing can be confirmed: no newer account has completed its horizon";
    } else if most == 0 {
        text += "\nNothing can be confirmed: no newer account has converted";
    } else if most < MIN_CONVERSIONS {
        text += &format!(
            "\nFew rules can be confirmed: newer accounts have at most {} at any age",
            counted(most, "conversion")
        );
    }
    text
}

/// The JSON output.
#[derive(Serialize)]
struct DiscoverOutput<'a> {
    newer_from: String,
    signed_up_before_log: u64,
    tried: u64,
    near_duplicates: u64,
    landmarks: &'a [LandmarkCounts],
    rules: Vec<DiscoveredRule<'a>>,
}

/// A rule with its measures on older and newer accounts.
#[derive(Serialize)]
struct DiscoveredRule<'a> {
    rule: &'a str,
    days: i64,
    conditions: usize,
    q: f64,
    older: RuleMeasures,
    newer: RuleMeasures,
    p_one_sided: f64,
    confirmed: bool,
    definition: String,
}

/// A contingency table and its measures.
#[derive(Serialize)]
struct RuleMeasures {
    table: ContingencyTable,
    match_share: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    lift: Option<f64>,
    phi: Option<f64>,
    odds_ratio: f64,
    odds_ratio_interval: Interval,
    p_two_sided: f64,
}

impl RuleMeasures {
    fn new(table: &ContingencyTable) -> Self {
        let OddsRatio { value: odds_ratio, interval: odds_ratio_interval } = table.odds_ratio();
        Self {
            table: *table,
            match_share: table.support(),
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

impl<'a> DiscoverOutput<'a> {
    fn new(found: &'a Discovery, newer_from: String) -> Self {
        let rule = |rule: &'a Rule| DiscoveredRule {
            rule: &rule.definition.name,
            days: rule.days,
            conditions: rule.conditions,
            q: rule.q,
            older: RuleMeasures::new(&rule.older),
            newer: RuleMeasures::new(&rule.newer),
            p_one_sided: rule.p,
            confirmed: rule.is_confirmed(),
            definition: rule.definition.to_toml(),
        };
        Self {
            newer_from,
            signed_up_before_log: found.before_log,
            tried: found.tried,
            near_duplicates: found.near_duplicates,
            landmarks: &found.landmarks,
            rules: found.rules.iter().map(rule).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::rules::discover::DAYS;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_default_days_are_those_of_the_search() {
        assert_eq!(Command::parse_from(["discover"]).args.days, DAYS);
    }

    #[test]
    fn a_long_rule_is_on_two_lines() {
        let short = "login 8 times and 6 active days within 14 days";
        let names = |name| {
            let rows = rule_rows(name, vec!["1".to_owned()]);
            assert!(rows[0][1] == "1" && rows[1..].iter().all(|row| row.len() == 1));
            rows.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>()
        };
        assert_eq!(names(short), [short]);
        assert_eq!(
            names("dashboard_viewed 7 times and limit_reached 2 times within 28 days"),
            ["dashboard_viewed 7 times", "  and limit_reached 2 times within 28 days"]
        );
    }
}
