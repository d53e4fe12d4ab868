//! Each stage from a log to scores alone, on a simulated log, and the fits on a matrix.

use std::collections::BTreeMap;
use std::hint::black_box;

use polars::prelude::Column;
use pql::config::Config;
use pql::dataset::features::{Catalogue, compute};
use pql::dataset::observations::observe;
use pql::io::progress::Progress;
use pql::log::{Clip, Log, MEMORY, Sources, ingest};
use pql::model::score::{Batch, Scorer};
use pql::tools::simulate::{Simulation, simulate};
use pql::training::{prepare, train};
use pql::{Result, Rows};

use crate::matrix::{Data, fits};
use crate::{Size, timed};

/// Columns of the matrix that is fitted.
const COLUMNS: usize = 40;
const SILENT: Progress = Progress::silent();

/// Time the stages that are named, or all.
pub(crate) fn run(names: &[String], size: Size) -> Result<()> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let stages = Stages { wanted: &wanted, runs: size.runs };
    if ["ingest", "compute", "transform", "score"].into_iter().any(wanted) {
        stages.of_log(size.accounts)?;
    }
    if ["fit", "path", "linfa"].into_iter().any(wanted) {
        stages.of_matrix(size.rows)?;
    }
    Ok(())
}

struct Stages<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    runs: usize,
}

impl Stages<'_> {
    /// Print the fastest run, and what that is for each of `count` things.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
    fn time<T>(
        &self,
        name: &str,
        count: usize,
        of: &str,
        mut work: impl FnMut() -> Result<T>,
    ) -> Result<()> {
        if !(self.wanted)(name) {
            return Ok(());
        }
        let mut fastest = f64::INFINITY;
        for _ in 0..self.runs {
            let (made, seconds) = timed(&mut work)?;
            black_box(made);
            fastest = fastest.min(seconds);
        }
        println!(
            "{name:<10} {:>10.3} ms   {:>8.1} ns for each of {count} {of}",
            fastest * 1e3,
            fastest * 1e9 / count as f64
        );
        Ok(())
    }

    fn of_log(&self, accounts: usize) -> Result<()> {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let made = simulate(
            &Simulation { accounts, seed: 1, ..Simulation::default() },
            folder.path(),
            &SILENT,
        )?;
        let sets =
            ["features.windows=[\"7d\", \"14d\", \"28d\"]", "features.counts=10", "model.alpha=1"]
                .map(str::to_owned);
        let config = Config::load(Some(&folder.path().join("pql.toml")), &sets)?;
        let events = usize::try_from(made.events).expect("they are in memory");
        self.time("ingest", events, "events", || read(&config))?;
        let log = read(&config)?;
        let observations = observe(&log, &config.observation, config.model.test)?;
        let (catalogue, left_out) =
            Catalogue::learn(&log, &observations, &config.features, &config.roles)?;
        self.time("compute", observations.len(), "rows", || {
            compute(&catalogue, &log, &observations, &SILENT)
        })?;
        let features = compute(&catalogue, &log, &observations, &SILENT)?;
        let rows = Rows::of_log(log, observations, catalogue, features).without(left_out);
        self.of_rows(&config, &rows)
    }

    fn of_rows(&self, config: &Config, rows: &Rows) -> Result<()> {
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
        let batch = Batch {
            features: &rows.features,
            account: &account,
            cutoff: &cutoff,
            unscored: &unscored,
            pqls: &[],
        };
        self.time("score", n, "rows", || scorer.score(&batch))
    }

    fn of_matrix(&self, rows: usize) -> Result<()> {
        let data = Data::make(rows, COLUMNS);
        for what in ["fit", "path", "linfa"] {
            self.time(what, rows, "rows", || fits(&data, what))?;
        }
        Ok(())
    }
}

fn read(config: &Config) -> Result<Log> {
    let (accounts, kinds) = (config.accounts.as_ref(), BTreeMap::new());
    let sources = Sources {
        events: &config.events,
        accounts,
        roles: &config.roles,
        kinds: &kinds,
        memory: MEMORY,
    };
    let clip = Clip {
        now: i64::MAX,
        since: config.observation.since.map(|t| t.0),
        until: config.observation.until.map(|t| t.0),
    };
    ingest(&sources, clip, &SILENT)
}
