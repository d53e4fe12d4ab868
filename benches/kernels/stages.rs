//! Times of each stage from log to scores on a simulated log, and of fits on a matrix.

use std::hint::black_box;

use polars::prelude::Column;
use pql::config::Config;
use pql::dataset::features::{FeatureCatalog, compute};
use pql::dataset::observations::observe;
use pql::dataset::split::SplitOptions;
use pql::io::progress::Progress;
use pql::log::{ColumnTypes, DEFAULT_MEMORY, Log, LogBounds, LogSources, ingest};
use pql::model::score::{Scorer, ScoringBatch};
use pql::tools::simulate::{Simulation, simulate};
use pql::training::{prepare, train};
use pql::{Result, Rows};

use crate::matrix::{Data, fits};
use crate::{Size, timed};

/// Number of columns of the matrix.
const COLUMNS: usize = 40;
const SILENT: Progress = Progress::silent();

/// Times the named stages, or all.
pub(crate) fn run(names: &[String], size: Size) -> Result<()> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let stages = Stages { wanted: &wanted, runs: size.runs };
    if ["ingest", "compute", "transform", "score"].into_iter().any(wanted) {
        stages.time_log(size.accounts)?;
    }
    if ["fit", "path", "linfa"].into_iter().any(wanted) {
        stages.time_matrix(size.rows)?;
    }
    Ok(())
}

struct Stages<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    runs: usize,
}

impl Stages<'_> {
    /// Prints the fastest run, and its time per item.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
    fn time<T>(
        &self,
        name: &str,
        count: usize,
        unit: &str,
        mut work: impl FnMut() -> Result<T>,
    ) -> Result<()> {
        if !(self.wanted)(name) {
            return Ok(());
        }
        let mut fastest = f64::INFINITY;
        for _ in 0..self.runs {
            let (result, seconds) = timed(&mut work)?;
            black_box(result);
            fastest = fastest.min(seconds);
        }
        println!(
            "{name:<10} {:>10.3} ms   {:>8.1} ns per item, {count} {unit}",
            fastest * 1e3,
            fastest * 1e9 / count as f64
        );
        Ok(())
    }

    fn time_log(&self, accounts: usize) -> Result<()> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = simulate(
            &Simulation {
                accounts,
                seed: 1,
                base_rate: 0.1,
                events_per_account: 100.0,
                ..Simulation::default()
            },
            folder.path(),
            &SILENT,
        )?;
        let sets = [
            "features.windows=[\"7d\", \"14d\", \"28d\"]",
            "features.event_types=10",
            "model.alpha=1",
        ]
        .map(str::to_owned);
        let config = Config::load(Some(&folder.path().join("pql.toml")), &sets)?;
        let events = usize::try_from(log.events).expect("the number of events fits");
        self.time("ingest", events, "events", || read(&config))?;
        let log = read(&config)?;
        let observations = observe(&log, &config.observation, SplitOptions::from(&config.model))?;
        let (catalog, left_out) =
            FeatureCatalog::fit(&log, &observations, &config.features, &config.roles)?;
        self.time("compute", observations.len(), "rows", || {
            compute(&catalog, &log, &observations, &SILENT)
        })?;
        let features = compute(&catalog, &log, &observations, &SILENT)?;
        let rows = Rows::from_log(log, observations, catalog, features).drop_measures(left_out);
        self.time_rows(&config, &rows)
    }

    fn time_rows(&self, config: &Config, rows: &Rows) -> Result<()> {
        let trained = train(config, rows, prepare(config, rows)?, &SILENT)?;
        let n = rows.features.height();
        let preprocessor = &trained.model.preprocessor;
        self.time("transform", n, "rows", || preprocessor.transform(&rows.features, None))?;
        let scorer = Scorer::new(&trained.model, "kernels/0001")?;
        let account = Column::new(
            "account_id".into(),
            rows.account.iter().map(|code| &rows.names[*code as usize]).collect::<Vec<_>>(),
        );
        let (cutoff, unscored) = (vec![None; n], vec![None; n]);
        let batch = ScoringBatch {
            features: &rows.features,
            account: &account,
            cutoff: &cutoff,
            unscored: &unscored,
            pqls: &[],
            ineligible: &[],
        };
        self.time("score", n, "rows", || scorer.score(&batch))
    }

    fn time_matrix(&self, rows: usize) -> Result<()> {
        let data = Data::make(rows, COLUMNS);
        for name in ["fit", "path", "linfa"] {
            self.time(name, rows, "rows", || fits(&data, name))?;
        }
        Ok(())
    }
}

fn read(config: &Config) -> Result<Log> {
    let (accounts, types) = (config.accounts.as_ref(), ColumnTypes::default());
    let sources = LogSources {
        events: &config.events,
        accounts,
        users: config.users.as_ref(),
        roles: &config.roles,
        types: &types,
        memory: DEFAULT_MEMORY,
        names_dropped: false,
    };
    let bounds = LogBounds {
        now: i64::MAX,
        since: config.observation.since.map(|t| t.0),
        until: config.observation.until.map(|t| t.0),
        zone: pql::time::Zone::default(),
    };
    ingest(&sources, bounds, &SILENT)
}
