//! `pql funnel`

use clap::builder::{PossibleValuesParser, TypedValueParser};
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Terminal;
use super::output::{CsvArgs, OutputArgs, OutputFormat, csv_text, limit_formats};
use super::shared::{ProjectArgs, definitions};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::io::write::format_number;
use crate::log::{Log, Visitors, visitors};
use crate::names::suggest;
use crate::report::format::{grouped, shorten_end};
use crate::report::text;
use crate::rules::definition::{Definition, DefinitionSummary, summarize_definitions};
use crate::rules::funnel::{
    CohortPeriod, Funnel, FunnelLevel, FunnelOptions, FunnelRow, LandmarkComparison, PqlRevenue,
    Rate, TYPICAL_CUSTOMER_SHARE, TYPICAL_PQL_SHARE, funnel,
};
use crate::time::{in_days, iso};
use crate::warning::Message;

/// Measure the funnel from sign-up to PQL to customer, by definition and cohort
///
/// Also shows how many accounts match each PQL definition of the project file.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Length of a sign-up cohort; a week starts on Monday
    #[arg(
        long,
        value_name = "SPAN",
        default_value = "month",
        value_parser = period_parser(),
        help_heading = "Input"
    )]
    by: CohortPeriod,
    /// PQL definition to include; repeatable [default: all in the project file]
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    definition: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    csv: CsvArgs,
}

/// Returns a parser of cohort periods that lists them in the help.
fn period_parser() -> impl TypedValueParser<Value = CohortPeriod> {
    PossibleValuesParser::new(["week", "month"])
        .map(|name| name.parse().expect("the possible values are cohort periods"))
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv];

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let config = args.project.load(&terminal.files)?;
    let places = definition_indices(&config, &args.definition)?;
    let visitors = visitors(&config, &mut terminal.sink())?;
    let log = args.project.training_log(&config, terminal)?;
    let all = definitions(&args.project, &config, &log)?;
    let definitions: Vec<Definition> = places.iter().map(|place| all[*place].clone()).collect();
    let plan = plan(&config, &log, args.by, visitors.as_ref());
    let found = funnel(&log, &definitions, &plan)?;
    found.report(&log, &plan, &mut terminal.sink());
    let text = match output.format {
        OutputFormat::Csv => funnel_csv(&found.rows, args.csv),
        OutputFormat::Json => json(
            &found,
            &summarize_definitions(&definitions, &log)?,
            (&log, &plan),
            &terminal.warnings,
        )?,
        _ => format!(
            "{}\n\n{}",
            definitions_table(&summarize_definitions(&definitions, &log)?),
            text::funnel(&found, &log, &plan)
        ),
    };
    output.write(&text, terminal)
}

/// Returns how many accounts match each definition, as a table.
fn definitions_table(counts: &[DefinitionSummary]) -> String {
    let header =
        ["definition", "type", "matches", "share", "median days", "before", "after", "never"];
    let row = |counts: &DefinitionSummary| {
        let days = counts.median_days.map(|days| format_number((days * 10.0).round() / 10.0));
        let numbers =
            [counts.converted_before, counts.converted_after, counts.converted_without_match];
        [
            shorten_end(&counts.name, 28),
            counts.kind.to_owned(),
            grouped(counts.pqls),
            format!("{:.1}%", 100.0 * counts.share),
            days.unwrap_or_default(),
        ]
        .into_iter()
        .chain(numbers.map(grouped))
        .collect()
    };
    format!(
        "Definitions\n{}\nmatches: accounts that match, with their share of all accounts and the days until they match.\n\
        before, after: customers that converted before or after they matched. never: without a match.",
        text::table(&header, counts.iter().map(row).collect(), 2..8)
    )
}

/// Computes the funnel of all definitions by month of sign-up; `None` without definitions.
pub(super) fn by_month(
    project: &ProjectArgs,
    config: &Config,
    log: &Log,
    sink: &mut Sink<'_>,
) -> Result<Option<Funnel>> {
    let visitors = visitors(config, sink)?;
    let definitions = definitions(project, config, log)?;
    let found = (!definitions.is_empty()).then(|| {
        funnel(log, &definitions, &plan(config, log, CohortPeriod::Month, visitors.as_ref()))
    });
    found.transpose()
}

/// Returns the settings of the funnel of a log.
fn plan<'a>(
    config: &Config,
    log: &Log,
    by: CohortPeriod,
    visitors: Option<&'a Visitors>,
) -> FunnelOptions<'a> {
    FunnelOptions {
        by,
        horizon: config.observation.horizon.0,
        since: log.first_day(config).0,
        visitors,
    }
}

/// Returns the places of the chosen definitions in the order of the project file; all if no name is
/// given.
fn definition_indices(config: &Config, names: &[String]) -> Result<Vec<usize>> {
    let known = || config.definition.iter().map(|rule| rule.name.as_str());
    if config.definition.is_empty() {
        let hint = "write one (docs/reference/definitions.md), or find some with `pql discover`";
        return Err(Error::Usage {
            problem: "the project file has no `[[definition]]`".to_owned(),
            hint: Some(hint.to_owned()),
        });
    }
    if let Some(unknown) = names.iter().find(|name| known().all(|known| known != *name)) {
        let hint = suggest(unknown, known());
        return Err(Error::Usage {
            problem: format!("the project file has no definition `{unknown}`"),
            hint,
        });
    }
    Ok(known()
        .enumerate()
        .filter(|(_, known)| names.is_empty() || names.iter().any(|name| name == known))
        .map(|(place, _)| place)
        .collect())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The JSON output.
#[derive(Serialize)]
struct FunnelOutput<'a> {
    since: String,
    until: String,
    horizon_days: f64,
    by: String,
    typical_sign_up_to_pql: Interval,
    typical_pql_to_customer: Interval,
    signed_up_before_log: u64,
    #[serde(skip_serializing_if = "is_zero")]
    not_eligible: u64,
    warnings: &'a [Message],
    definitions: &'a [DefinitionSummary],
    rows: &'a [FunnelRow],
}

fn json(
    found: &Funnel,
    definitions: &[DefinitionSummary],
    (log, plan): (&Log, &FunnelOptions<'_>),
    warnings: &[Message],
) -> Result<String> {
    let output = FunnelOutput {
        since: iso(plan.since),
        until: iso(log.until),
        horizon_days: in_days(plan.horizon),
        by: plan.by.to_string(),
        typical_sign_up_to_pql: TYPICAL_PQL_SHARE,
        typical_pql_to_customer: TYPICAL_CUSTOMER_SHARE,
        signed_up_before_log: found.before_log,
        not_eligible: found.ineligible,
        warnings,
        definitions,
        rows: &found.rows,
    };
    serde_json::to_string_pretty(&output)
        .map_err(|source| Error::Json { value: "the funnel", source })
}

/// Returns a header and a line per row; unknown values are empty.
fn funnel_csv(rows: &[FunnelRow], csv: CsvArgs) -> String {
    let rows: Vec<Vec<(String, String)>> = rows.iter().map(cells).collect();
    let header = rows.iter().take(1).map(|row| row.iter().map(|(name, _)| name.clone()).collect());
    let body = rows.iter().map(|row| row.iter().map(|(_, value)| value.clone()).collect());
    csv_text(header.chain(body).collect(), csv)
}

/// Returns the names and values of a row; every row has the same names.
fn cells(row: &FunnelRow) -> Vec<(String, String)> {
    let metrics = &row.metrics;
    let mut cells = Cells::default();
    cells.identity(row);
    for (name, count) in [
        ("sign_ups", metrics.sign_ups),
        ("pqls", metrics.pqls),
        ("customers", metrics.customers),
        ("customers_same_day", metrics.customers_same_day),
        ("already_customers", metrics.already_customers),
        ("customers_without_match", metrics.customers_without_match),
    ] {
        cells.count(name, Some(count));
    }
    cells.rate("sign_up_to_pql", Some(&metrics.sign_up_to_pql));
    cells.interval("sign_up_to_pql_typical", Some(TYPICAL_PQL_SHARE));
    cells.rate("pql_to_customer", Some(&metrics.pql_to_customer));
    cells.interval("pql_to_customer_typical", Some(TYPICAL_CUSTOMER_SHARE));
    cells.rate("sign_up_to_customer", Some(&metrics.sign_up_to_customer));
    cells.landmark(metrics.landmark.as_ref());
    for after in &metrics.converted_after {
        let name = format!("converted_{}d", after.days);
        cells.share(&name, after.share, after.interval);
        cells.count(&format!("{name}_at_risk"), Some(after.at_risk));
        cells.number(&format!("{name}_if_none_churned"), after.if_none_churned);
    }
    cells.number("median_days_to_pql", metrics.median_days_to_pql);
    cells.number("median_days_to_customer", metrics.median_days_to_customer);
    cells.revenue(metrics.revenue.as_ref());
    cells.0
}

/// Collected names and values.
#[derive(Default)]
struct Cells(Vec<(String, String)>);

impl Cells {
    fn identity(&mut self, row: &FunnelRow) {
        let level = match row.level {
            FunnelLevel::Definition => "definition",
            FunnelLevel::Type => "type",
            FunnelLevel::Any => "any",
        };
        self.text("level", level);
        self.text("name", &row.name);
        self.text("type", row.kind.unwrap_or_default());
        self.number("within_days", row.within_days);
        self.text("cohort", &row.cohort);
        let traffic = row.visitors.as_ref();
        self.count("visitors", traffic.map(|t| t.visitors));
        self.count("visitors_sign_ups", traffic.map(|t| t.sign_ups));
        self.count("visitors_sign_ups_on_other_days", traffic.map(|t| t.sign_ups_on_other_days));
        self.share(
            "visitor_to_sign_up",
            traffic.and_then(|t| t.share),
            traffic.and_then(|t| t.interval),
        );
    }

    fn landmark(&mut self, landmark: Option<&LandmarkComparison>) {
        self.rate("landmark_pqls", landmark.map(|l| &l.pqls));
        self.rate("landmark_others", landmark.map(|l| &l.others));
        self.count("landmark_converted_before", landmark.map(|l| l.converted_before));
        self.count("landmark_churned_before", landmark.map(|l| l.churned_before));
        self.number("lift", landmark.and_then(|l| l.lift));
        self.interval("lift", landmark.and_then(|l| l.lift_interval));
    }

    fn revenue(&mut self, revenue: Option<&PqlRevenue>) {
        self.count("revenue_customers", revenue.map(|r| r.customers));
        self.count("revenue_unknown", revenue.map(|r| r.unknown));
        self.number("revenue_per_customer", revenue.and_then(|r| r.per_customer));
        self.number("revenue_per_pql", revenue.and_then(|r| r.per_pql));
        self.number("revenue_per_other_customer", revenue.and_then(|r| r.per_other_customer));
        self.number("revenue_expansion", revenue.and_then(|r| r.expansion));
    }

    fn text(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.to_owned()));
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        self.0.push((name.to_owned(), value.map_or_else(String::new, format_number)));
    }

    fn count(&mut self, name: &str, value: Option<u64>) {
        self.0.push((name.to_owned(), value.map_or_else(String::new, |value| value.to_string())));
    }

    fn share(&mut self, name: &str, share: Option<f64>, interval: Option<Interval>) {
        self.number(&format!("{name}_share"), share);
        self.interval(name, interval);
    }

    fn interval(&mut self, name: &str, interval: Option<Interval>) {
        self.number(&format!("{name}_low"), interval.map(|interval| interval.low));
        self.number(&format!("{name}_high"), interval.map(|interval| interval.high));
    }

    fn rate(&mut self, name: &str, rate: Option<&Rate>) {
        self.count(&format!("{name}_count"), rate.map(|r| r.count));
        self.count(&format!("{name}_mature"), rate.map(|r| r.mature));
        self.count(&format!("{name}_immature"), rate.map(|r| r.immature));
        self.share(name, rate.and_then(|r| r.share), rate.and_then(|r| r.interval));
    }
}
