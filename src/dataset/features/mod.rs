//! The catalogue of usage features, and [`compute`], the only place where one becomes a number.

mod catalogue;
mod kernel;
mod plan;
mod recent;
mod support;
mod tally;
mod window;

use std::ops::Range;

pub use catalogue::{Catalogue, Feature, FeatureKind, KNOWN, check_names};
use kernel::Kernel;
use plan::Plan;
use polars::prelude::*;
use rayon::prelude::*;
pub(crate) use recent::Recent;

use crate::dataset::observations::Observations;
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::log::{Log, cells};
use crate::names::nearest;

/// Rows that wait to be put into their columns: they stay in a core's own cache.
const TILE: usize = 64;

/// Compute the features of every observation from the events before its cutoff.
///
/// Answers one row per observation, in their order, with the columns of [`Catalogue::features`]:
/// `Float64` with nulls, attributes `Float64` or `String`. Exact meaning of each column:
/// `docs/features.md`.
///
/// # Errors
/// * [`Error::MissingProperty`], [`Error::MissingSeats`], [`Error::MissingAttribute`]: the log
///   lacks a column that the catalogue needs
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn compute(
    catalogue: &Catalogue,
    log: &Log,
    observations: &Observations,
    progress: &Progress,
) -> Result<DataFrame> {
    let plan = Plan::new(catalogue, log)?;
    let attributes = attributes(catalogue, log, observations)?;
    let n = observations.len();
    let mut columns: Vec<Vec<f64>> = (0..plan.width()).map(|_| vec![0.0; n]).collect();
    let stage = progress.stage("computing features", Some(n as u64));
    let work = |(part, mut columns): (usize, Vec<&mut [f64]>)| {
        log.events.with_part(part, |events| {
            let rows = observations.rows_of(&events.accounts);
            stage.advance(rows.len() as u64);
            fill(&mut columns, Kernel::new(&plan, events), observations, rows);
        })
    };
    by_part(&mut columns, log, observations).into_par_iter().try_for_each(work)?;
    let names: Vec<Feature> = catalogue.features().split_off(attributes.len());
    let numeric: Vec<Column> = names
        .par_iter()
        .zip(columns)
        .map(|(feature, values)| cells::nullable(&feature.name, values))
        .collect();
    let frame = attributes.into_iter().chain(numeric).collect();
    DataFrame::new(n, frame).map_err(|e| Error::table("the features do not form a table", e))
}

/// The rows of each part of the log in all columns.
fn by_part<'a>(
    columns: &'a mut [Vec<f64>],
    log: &Log,
    observations: &Observations,
) -> Vec<(usize, Vec<&'a mut [f64]>)> {
    let mut rest: Vec<&mut [f64]> = columns.iter_mut().map(Vec::as_mut_slice).collect();
    let mut of_part = |part: usize| {
        let rows = observations.rows_of(&log.events.accounts(part)).len();
        rest.iter_mut()
            .map(|column| column.split_off_mut(..rows).expect("every row is in one part"))
            .collect()
    };
    (0..log.events.parts()).map(|part| (part, of_part(part))).collect()
}

/// Put the features of some rows into their columns.
fn fill(
    columns: &mut [&mut [f64]],
    mut kernel: Kernel<'_>,
    observations: &Observations,
    rows: Range<usize>,
) {
    let width = kernel.plan.width();
    let (mut tile, mut from, mut at) = (Vec::new(), 0, rows.start);
    for of_account in observations.account[rows.clone()].chunk_by(|a, b| a == b) {
        let start = tile.len();
        tile.resize(start + of_account.len() * width, 0.0);
        let cutoffs = &observations.cutoff[at..at + of_account.len()];
        kernel.account_rows(of_account[0] as usize, cutoffs, &mut tile[start..]);
        at += of_account.len();
        if tile.len() >= TILE * width || at == rows.end {
            for (place, column) in columns.iter_mut().enumerate() {
                column[from..]
                    .iter_mut()
                    .zip(tile.chunks_exact(width))
                    .for_each(|(value, row)| *value = row[place]);
            }
            from = at - rows.start;
            tile.clear();
        }
    }
}

fn attributes(
    catalogue: &Catalogue,
    log: &Log,
    observations: &Observations,
) -> Result<Vec<Column>> {
    let known = &log.accounts.attributes;
    let rows = IdxCa::from_slice("".into(), &observations.account);
    let take = |name: &String| {
        let lacking = |_| Error::MissingAttribute {
            attribute: name.clone(),
            near: nearest(name, known.get_column_names().iter().map(|n| n.as_str())),
        };
        let column = known.column(name).map_err(lacking)?;
        column.take(&rows).map_err(|e| Error::table(format!("attribute `{name}`"), e))
    };
    catalogue.attributes.iter().map(take).collect()
}
