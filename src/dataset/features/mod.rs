//! Usage features: the catalog of features, and their computation ([`compute`]).

mod catalog;
mod kernel;
mod plan;
pub(crate) mod query;
mod support;
mod window;
mod window_counts;

use std::ops::Range;

pub(crate) use catalog::role_measures;
pub use catalog::{Feature, FeatureCatalog, FeatureKind, check_names};
use kernel::Kernel;
use plan::Plan;
use polars::prelude::*;
use rayon::prelude::*;

use crate::dataset::observations::Observations;
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::log::{Log, cells};
use crate::names::{grouped, nearest};

/// Number of rows buffered before they are copied to their columns; they fit into the cache of a
/// core.
const TILE: usize = 64;

/// Maximum number of values of a feature table; they take 34 GB.
const MAX_VALUES: u64 = 1 << 32;

/// Computes the features of every observation from the events before its cutoff.
///
/// Returns one row per observation, in order, with the columns of [`FeatureCatalog::features`]:
/// `Float64` with nulls; attributes are `Float64` or `String`. `docs/reference/features.md` defines
/// each column.
///
/// # Errors
/// * [`Error::MissingProperty`], [`Error::MissingSeats`], [`Error::MissingAttribute`]: the log
///   lacks a column of the catalog
/// * [`Error::Usage`]: the table has too many values
/// * [`Error::Write`]: the temporary file of a large log cannot be read
pub fn compute(
    catalog: &FeatureCatalog,
    log: &Log,
    observations: &Observations,
    progress: &Progress,
) -> Result<DataFrame> {
    let plan = Plan::new(catalog, log)?;
    let attributes = attributes(catalog, log, observations)?;
    let n = observations.len();
    check_size(n as u64, plan.width() as u64)?;
    let mut columns: Vec<Vec<f64>> = (0..plan.width()).map(|_| vec![0.0; n]).collect();
    let stage = progress.stage("Computing features", Some(n as u64));
    let work = |(partition, mut columns): (usize, Vec<&mut [f64]>)| {
        log.events.with_partition(partition, |events| {
            let rows = observations.account_rows(&events.accounts);
            stage.advance(rows.len() as u64);
            fill(&mut columns, Kernel::new(&plan, events), observations, rows);
        })
    };
    split_by_partition(&mut columns, log, observations).into_par_iter().try_for_each(work)?;
    let names: Vec<Feature> = catalog.features().split_off(attributes.len());
    let numeric: Vec<Column> = names
        .par_iter()
        .zip(columns)
        .map(|(feature, values)| cells::nullable(&feature.name, values))
        .collect();
    let frame = attributes.into_iter().chain(numeric).collect();
    DataFrame::new(n, frame).map_err(|e| Error::table("the features", e))
}

/// Checks the number of values before memory is taken for them.
fn check_size(rows: u64, features: u64) -> Result<()> {
    if rows.saturating_mul(features) <= MAX_VALUES {
        return Ok(());
    }
    let [rows, features, limit] = [rows, features, MAX_VALUES].map(grouped);
    Err(Error::Usage {
        problem: format!("found {rows} rows with {features} features, expected at most {limit} values"),
        hint: Some(
            "set a longer `observation.every`, or fewer `features.windows` or `features.event_types`"
                .to_owned(),
        ),
    })
}

/// Splits all columns by the rows of each partition of the log.
fn split_by_partition<'a>(
    columns: &'a mut [Vec<f64>],
    log: &Log,
    observations: &Observations,
) -> Vec<(usize, Vec<&'a mut [f64]>)> {
    let mut rest: Vec<&mut [f64]> = columns.iter_mut().map(Vec::as_mut_slice).collect();
    let mut partition_rows = |partition: usize| {
        let rows = observations.account_rows(&log.events.accounts(partition)).len();
        rest.iter_mut()
            .map(|column| column.split_off_mut(..rows).expect("every row is in one partition"))
            .collect()
    };
    (0..log.events.partition_count())
        .map(|partition| (partition, partition_rows(partition)))
        .collect()
}

/// Writes the features of some rows to their columns.
fn fill(
    columns: &mut [&mut [f64]],
    mut kernel: Kernel<'_>,
    observations: &Observations,
    rows: Range<usize>,
) {
    let width = kernel.plan.width();
    let (mut tile, mut from, mut next) = (Vec::new(), 0, rows.start);
    for account_rows in observations.account[rows.clone()].chunk_by(|a, b| a == b) {
        let start = tile.len();
        tile.resize(start + account_rows.len() * width, 0.0);
        let cutoffs = &observations.cutoff[next..next + account_rows.len()];
        kernel.account_rows(account_rows[0] as usize, cutoffs, &mut tile[start..]);
        next += account_rows.len();
        if tile.len() >= TILE * width || next == rows.end {
            for (index, column) in columns.iter_mut().enumerate() {
                column[from..]
                    .iter_mut()
                    .zip(tile.chunks_exact(width))
                    .for_each(|(value, row)| *value = row[index]);
            }
            from = next - rows.start;
            tile.clear();
        }
    }
}

fn attributes(
    catalog: &FeatureCatalog,
    log: &Log,
    observations: &Observations,
) -> Result<Vec<Column>> {
    let known = &log.accounts.attributes;
    let rows = match &log.accounts.history {
        None => IdxCa::from_slice("".into(), &observations.account),
        Some(history) => {
            let rows = observations.account.iter().zip(&observations.cutoff);
            let rows = rows.map(|(account, cutoff)| history.row(*account, *cutoff));
            IdxCa::from_iter_options("".into(), rows)
        }
    };
    let take = |name: &String| {
        let lacking = |_| Error::MissingAttribute {
            attribute: name.clone(),
            suggestion: nearest(name, known.get_column_names().iter().map(|n| n.as_str())),
        };
        let column = known.column(name).map_err(lacking)?;
        column.take(&rows).map_err(|e| Error::table(format!("the attribute `{name}`"), e))
    };
    catalog.attributes.iter().map(take).collect()
}
