//! Which rows a score table has, and their order.

use crate::error::Result;
use crate::io::write::{OutputTable, RowOrder, TableSorter};

/// Order of the rows of a score table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScoreOrder {
    /// Highest probability first; of equal ones by account, then cutoff. Rows without a probability
    /// come last.
    #[default]
    Probability,
    /// By account, then cutoff.
    Account,
}

/// Rows of a score table, and their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScoreRows {
    /// Order of the rows.
    pub order: ScoreOrder,
    /// Whether rows without a probability are included.
    pub all: bool,
}

/// Selects and sorts the rows of a score table.
#[derive(Debug)]
pub(crate) struct ScoreSorter {
    all: bool,
    sorter: TableSorter,
}

impl ScoreSorter {
    /// Creates a sorter.
    ///
    /// # Arguments
    /// * `memory` – memory for rows in bytes; more rows go to temporary files
    pub(crate) fn new(rows: ScoreRows, memory: u64) -> Self {
        let highest_first = (rows.order == ScoreOrder::Probability).then_some("probability");
        let order = RowOrder { highest_first, text: "account_id", time: "cutoff" };
        Self { all: rows.all, sorter: TableSorter::new(order, memory) }
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, table: &OutputTable) -> Result<()> {
        self.sorter.push(if self.all { table.clone() } else { scored_rows(table) })
    }

    /// Passes on all rows in order, in several tables.
    pub(crate) fn finish(self, emit: &mut dyn FnMut(OutputTable) -> Result<()>) -> Result<()> {
        self.sorter.finish(emit)
    }
}

/// Returns the rows with a probability.
fn scored_rows(table: &OutputTable) -> OutputTable {
    let probability = table.column("probability").expect("a score table has probabilities");
    if probability.null_count() == 0 {
        return table.clone();
    }
    let scored = probability.is_not_null();
    let rows = (0..).zip(scored.iter()).filter(|(_, scored)| *scored == Some(true));
    table.take(&rows.map(|(row, _)| row).collect::<Vec<u32>>())
}
