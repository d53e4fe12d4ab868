//! `pql funnel`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Terminal;
use super::shared::{ProjectArgs, definitions};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::write::csv_line;
use crate::io::write::{format_number, write_bytes};
use crate::log::{Log, Visitors, visitors};
use crate::names::nearest;
use crate::report::text;
use crate::rules::definition::Definition;
use crate::rules::funnel::{
    By, Funnel, Landmark, Level, Plan, Rate, Revenue, Row, USUAL_CUSTOMERS, USUAL_PQLS, funnel,
};
use crate::time::{in_days, iso};
use crate::warning::Message;

/// Follow sign-ups to PQLs to customers, by definition and cohort, PQLs against others
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Cohorts of sign-ups: `week` (from Monday on) or `month`, UTC
    #[arg(long, value_name = "SPAN", default_value = "month")]
    by: By,
    /// A definition to look at; may be repeated [default: all of the project file]
    #[arg(long, value_name = "NAME")]
    definition: Vec<String>,
    /// How to write it [default: as the ending of the output file tells, else a table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Style>,
    /// Where to write it, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// How a funnel is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// For people
    Table,
    /// A line for each definition, type and all of them, of each cohort and all
    Csv,
    /// One object
    Json,
}

impl Style {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Self::Csv,
            Some("json") => Self::Json,
            _ => Self::Table,
        }
    }
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let config = args.project.load()?;
    let places = chosen(&config, &args.definition)?;
    let visitors = config.visitors.as_ref().map(visitors).transpose()?;
    let log = args.project.training_log(&config, terminal)?;
    let all = definitions(&args.project, &config, &log)?;
    let of: Vec<Definition> = places.iter().map(|at| all[*at].clone()).collect();
    let plan = plan(&config, &log, args.by, visitors.as_ref());
    let found = funnel(&log, &of, &plan)?;
    found.report(&log, &plan, &mut terminal.sink());
    let text = match args.format.unwrap_or_else(|| Style::of(&args.output)) {
        Style::Table => text::funnel(&found, &log, &plan),
        Style::Csv => csv(&found.rows),
        Style::Json => json(&found, &log, &plan, &terminal.warnings)?,
    };
    if args.output == Path::new("-") {
        return terminal.say(&text);
    }
    write_bytes(&args.output, format!("{text}\n").as_bytes())
}

/// The funnel of all definitions by month of the sign-up, for a page; `None` where there are none.
pub(super) fn by_month(
    project: &ProjectArgs,
    config: &Config,
    log: &Log,
) -> Result<Option<Funnel>> {
    let visitors = config.visitors.as_ref().map(visitors).transpose()?;
    let definitions = definitions(project, config, log)?;
    let found = (!definitions.is_empty())
        .then(|| funnel(log, &definitions, &plan(config, log, By::Month, visitors.as_ref())));
    found.transpose()
}

/// What the funnel of a log is to tell.
fn plan<'a>(config: &Config, log: &Log, by: By, visitors: Option<&'a Visitors>) -> Plan<'a> {
    Plan { by, horizon: config.observation.horizon.0, since: log.first_day(config).0, visitors }
}

/// Places of the definitions asked for, each once, in the order of the project file; all where none
/// is.
fn chosen(config: &Config, names: &[String]) -> Result<Vec<usize>> {
    let known = || config.definition.iter().map(|rule| rule.name.as_str());
    if config.definition.is_empty() {
        let hint =
            Some("write one as in the README, or let `pql discover --write` find some".to_owned());
        return Err(Error::Usage {
            problem: "the project file has no `[[definition]]`".to_owned(),
            hint,
        });
    }
    if let Some(unknown) = names.iter().find(|name| known().all(|known| known != *name)) {
        let hint = nearest(unknown, known()).map(|near| format!("did you mean `{near}`?"));
        return Err(Error::Usage {
            problem: format!("the project file has no definition `{unknown}`"),
            hint,
        });
    }
    Ok(known()
        .enumerate()
        .filter(|(_, known)| names.is_empty() || names.iter().any(|name| name == known))
        .map(|(at, _)| at)
        .collect())
}

/// What `--format json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    since: String,
    until: String,
    horizon_days: f64,
    by: String,
    usual_sign_up_to_pql: Interval,
    usual_pql_to_customer: Interval,
    signed_up_before_log: u64,
    warnings: &'a [Message],
    rows: &'a [Row],
}

fn json(found: &Funnel, log: &Log, plan: &Plan<'_>, warnings: &[Message]) -> Result<String> {
    let answer = Answer {
        since: iso(plan.since),
        until: iso(log.until),
        horizon_days: in_days(plan.horizon),
        by: plan.by.to_string(),
        usual_sign_up_to_pql: USUAL_PQLS,
        usual_pql_to_customer: USUAL_CUSTOMERS,
        signed_up_before_log: found.before_log,
        warnings,
        rows: &found.rows,
    };
    serde_json::to_string_pretty(&answer)
        .map_err(|source| Error::Json { what: "the funnel", source })
}

/// A header, then a line for each row; what is unknown is empty.
fn csv(rows: &[Row]) -> String {
    let rows: Vec<Vec<(String, String)>> = rows.iter().map(cells).collect();
    let header = rows
        .iter()
        .take(1)
        .map(|row| csv_line(&row.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()));
    let body = rows
        .iter()
        .map(|row| csv_line(&row.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>()));
    header.chain(body).collect::<Vec<_>>().join("\n")
}

/// Names and values of a row, the same names for each.
fn cells(row: &Row) -> Vec<(String, String)> {
    let figures = &row.figures;
    let mut cells = Cells::default();
    cells.of_whom(row);
    for (name, count) in [
        ("sign_ups", figures.sign_ups),
        ("pqls", figures.pqls),
        ("customers", figures.customers),
        ("customers_same_day", figures.customers_same_day),
        ("already_customers", figures.already_customers),
        ("customers_without", figures.customers_without),
    ] {
        cells.count(name, Some(count));
    }
    cells.rate("sign_up_to_pql", Some(&figures.sign_up_to_pql));
    cells.interval("sign_up_to_pql_usual", Some(USUAL_PQLS));
    cells.rate("pql_to_customer", Some(&figures.pql_to_customer));
    cells.interval("pql_to_customer_usual", Some(USUAL_CUSTOMERS));
    cells.rate("sign_up_to_customer", Some(&figures.sign_up_to_customer));
    cells.landmark(figures.landmark.as_ref());
    for after in &figures.converted_after {
        let name = format!("converted_{}d", after.days);
        cells.share(&name, after.share, after.interval);
        cells.count(&format!("{name}_at_risk"), Some(after.at_risk));
        cells.number(&format!("{name}_if_none_churned"), after.if_none_churned);
    }
    cells.number("median_days_to_pql", figures.median_days_to_pql);
    cells.number("median_days_to_customer", figures.median_days_to_customer);
    cells.revenue(figures.revenue.as_ref());
    cells.0
}

/// Names and values that are gathered.
#[derive(Default)]
struct Cells(Vec<(String, String)>);

impl Cells {
    fn of_whom(&mut self, row: &Row) {
        let level = match row.level {
            Level::Definition => "definition",
            Level::Type => "type",
            Level::Any => "any",
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

    fn landmark(&mut self, landmark: Option<&Landmark>) {
        self.rate("landmark_pqls", landmark.map(|l| &l.pqls));
        self.rate("landmark_others", landmark.map(|l| &l.others));
        self.count("landmark_converted_before", landmark.map(|l| l.converted_before));
        self.count("landmark_churned_before", landmark.map(|l| l.churned_before));
        self.number("lift", landmark.and_then(|l| l.lift));
        self.interval("lift", landmark.and_then(|l| l.lift_interval));
    }

    fn revenue(&mut self, revenue: Option<&Revenue>) {
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
        self.count(&format!("{name}_of"), rate.map(|r| r.of));
        self.count(&format!("{name}_not_mature"), rate.map(|r| r.not_mature));
        self.share(name, rate.and_then(|r| r.share), rate.and_then(|r| r.interval));
    }
}
