//! The catalogue of usage features, and [`compute`], the only place where one becomes a number.

mod catalogue;
mod kernel;
mod plan;
mod recent;
mod support;
mod window;

pub use catalogue::{Catalogue, Feature, FeatureKind, KNOWN, check_names};
pub(crate) use recent::Recent;
pub use support::LeftOut;

use polars::prelude::*;
use rayon::prelude::*;

use crate::error::{Error, Result, nearest};
use crate::ingest::Log;
use crate::observe::Observations;
use crate::progress::Progress;
use kernel::Kernel;
use plan::Plan;

/// Parts of the log whose rows are held in memory at once before they are transposed into columns.
const GROUP: usize = 16;
/// Numbers in a line of a cache: so many columns are filled at once from row after row.
const LINE: usize = 8;

/// Compute the features of every observation from the events before its cutoff.
///
/// Answers one row per observation, in their order, with the columns of [`Catalogue::features`]: `Float64` with nulls,
/// attributes `Float64` or `String`. Exact meaning of each column: `docs/features.md`.
///
/// # Errors
/// * [`Error::Unsuitable`]: the log lacks a column that the catalogue needs
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn compute(catalogue: &Catalogue, log: &Log, observations: &Observations, progress: &Progress) -> Result<DataFrame> {
    let plan = Plan::new(catalogue, log)?;
    let attributes = attributes(catalogue, log, observations)?;
    let n = observations.len();
    let mut columns: Vec<Vec<f64>> = (0..plan.width()).map(|_| Vec::with_capacity(n)).collect();
    let stage = progress.stage("computing features", Some(n as u64));
    let parts: Vec<usize> = (0..log.events.parts()).collect();
    for group in parts.chunks(GROUP) {
        let of_part = |part: &usize| {
            log.events.with_part(*part, |events| {
                let rows = block(&mut Kernel::new(&plan, events), observations, &events.accounts);
                stage.advance((rows.len() / plan.width()) as u64);
                rows
            })
        };
        let blocks: Vec<Vec<f64>> = group.par_iter().map(of_part).collect::<Result<_>>()?;
        columns.par_chunks_mut(LINE).enumerate().for_each(|(at, columns)| {
            for row in blocks.iter().flat_map(|block| block.chunks_exact(plan.width())) {
                columns.iter_mut().zip(&row[at * LINE..]).for_each(|(column, value)| column.push(*value));
            }
        });
    }
    let names: Vec<Feature> = catalogue.features().split_off(attributes.len());
    let numeric: Vec<Column> = names.par_iter().zip(columns).map(|(feature, values)| nullable(&feature.name, values)).collect();
    let frame = attributes.into_iter().chain(numeric).collect();
    DataFrame::new(n, frame).map_err(|e| Error::Unsuitable { problem: format!("the features do not form a table: {e}"), hint: None })
}

/// Features of the rows of some accounts, row by row.
fn block(kernel: &mut Kernel<'_>, observations: &Observations, accounts: &std::ops::Range<usize>) -> Vec<f64> {
    let rows = observations.rows_of(accounts);
    let width = kernel.plan.width();
    let mut out = vec![0.0; rows.len() * width];
    let mut at = rows.start;
    while at < rows.end {
        let account = observations.account[at];
        let len = observations.account[at..rows.end].partition_point(|a| *a == account);
        let into = &mut out[(at - rows.start) * width..(at + len - rows.start) * width];
        kernel.account_rows(account as usize, &observations.cutoff[at..at + len], into);
        at += len;
    }
    out
}

/// A column in which NaN stands for null.
fn nullable(name: &str, values: Vec<f64>) -> Column {
    if values.iter().any(|v| v.is_nan()) {
        Float64Chunked::from_iter_options(name.into(), values.into_iter().map(|v| Some(v).filter(|v| !v.is_nan()))).into_column()
    } else {
        Float64Chunked::from_vec(name.into(), values).into_column()
    }
}

fn attributes(catalogue: &Catalogue, log: &Log, observations: &Observations) -> Result<Vec<Column>> {
    let known = &log.accounts.attributes;
    let rows = IdxCa::from_slice("".into(), &observations.account);
    let take = |name: &String| {
        let lacking = |_| Error::Unsuitable {
            problem: format!("the account list has no attribute `{name}`, which is a feature of the model"),
            hint: nearest(name, known.get_column_names().iter().map(|n| n.as_str()))
                .map(|n| format!("did you mean `{n}`?"))
                .or_else(|| Some("name it in `accounts.attributes`".to_owned())),
        };
        let column = known.column(name).map_err(lacking)?;
        column.take(&rows).map_err(|e| Error::Unsuitable { problem: format!("attribute `{name}`: {e}"), hint: None })
    };
    catalogue.attributes.iter().map(take).collect()
}
