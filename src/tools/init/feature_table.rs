//! A table of features with outcomes, one row per account, in place of events.

use std::path::{Path, PathBuf};

use super::draft::ProjectDraft;
use super::dry_run::describe_split;
use super::sample::Sample;
use super::toml_page::{TomlPage, one_line, string};
use super::{Guess, InitOptions};
use crate::config::schema::SCHEMA_URL;
use crate::config::{Config, MatrixConfig};
use crate::dataset::matrix;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::ColumnTypes;
use crate::names::{backticked, file_name};
use crate::report::text::matrix_summary;
use crate::training::{TrainOptions, train_on_rows};

/// A table of features with outcomes.
pub(super) struct FeatureTable {
    path: PathBuf,
    account: Option<String>,
    label: String,
    /// Value that means converted, unless it is 1 or true.
    positive: Option<String>,
    /// Other columns that may have the outcomes.
    other_labels: Vec<String>,
}

impl FeatureTable {
    /// Recognizes a table of features: a single source without times, without an account in two
    /// rows, and with a column of two values such as yes and no.
    pub(super) fn recognize(
        samples: &[Sample],
        list: Option<&Sample>,
        draft: &ProjectDraft,
        options: &InitOptions,
    ) -> Option<Self> {
        let ([sample], None, None) = (samples, list, &options.time) else { return None };
        let columns = &draft.sources.first()?.columns;
        let has_times = columns.timestamp.name().is_some() || !columns.other_times.is_empty();
        if has_times || sample.rows < 2 {
            return None;
        }
        let account = columns.account.name().and_then(|name| sample.column(name));
        if account.is_some_and(|account| account.distinct() < account.rows) {
            return None;
        }
        let account = account.map(|account| account.name.clone());
        let config = MatrixConfig { account: account.clone(), ..MatrixConfig::default() };
        let types = ColumnTypes::for_training(&Config::default());
        let mut labels = match matrix::read(&sample.path, &config, &types) {
            Ok(_) => vec![("converted".to_owned(), None)],
            Err(Error::MissingLabel { candidates, .. }) => candidates,
            Err(_) => Vec::new(),
        }
        .into_iter();
        let (label, positive) = labels.next()?;
        let other_labels = labels.map(|(label, _)| label).collect();
        Some(Self { path: sample.path.clone(), account, label, positive, other_labels })
    }

    /// Returns the project file with the columns of the table, and tries it like `pql train`.
    pub(super) fn guess(self, folder: &Path) -> Guess {
        let mut remarks = vec![self.kind(), self.outcome()];
        let tasks = match self.try_training(folder, &mut remarks) {
            Ok(()) => Vec::new(),
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                vec![format!("`pql train` fails with this file: {}{hint}", error.with_sources())]
            }
        };
        Guess { toml: self.to_toml(&tasks), remarks, tasks, features: Some(self.path) }
    }

    /// Describes the table.
    fn kind(&self) -> String {
        let row = match &self.account {
            Some(account) => format!("one row per account (`{account}`)"),
            None => "no column of accounts".to_owned(),
        };
        format!(
            "`{}` is a table of features, not a log of events: it has {row} and no column of times",
            file_name(&self.path)
        )
    }

    /// Names the column of outcomes.
    fn outcome(&self) -> String {
        let positive = self.positive.as_ref();
        let value = positive.map_or_else(|| "1 or true".to_owned(), |value| format!("`{value}`"));
        let others = match &self.other_labels[..] {
            [] => String::new(),
            others => format!("; other columns with two values: {}", backticked(others)),
        };
        format!("matrix.label: `{}`, the outcome, converted if {value}{others}", self.label)
    }

    fn to_toml(&self, tasks: &[String]) -> String {
        let mut page = TomlPage(format!("#:schema {SCHEMA_URL}\n"));
        page.comment("Project file, guessed from the data by `pql init`. Check the guesses and correct them.");
        page.comment(&one_line(&self.kind()));
        page.comment("Training and scoring read such a table with `--features FILE`.");
        for task in tasks {
            page.comment(&format!("FIXME: {}", one_line(task)));
        }
        page.section("[matrix]");
        let others = match &self.other_labels[..] {
            [] => String::new(),
            others => format!("; other columns with two values: {}", others.join(", ")),
        };
        let comment = one_line(&format!("the outcome{others}"));
        page.key("label", &string(&self.label), &comment);
        match &self.positive {
            Some(value) => page.key("positive", &string(value), "its value that means converted"),
            None => page.commented_key("positive", "\"1\"", "default: 1 or true means converted"),
        }
        page.column("account", self.account.as_ref(), "account_id", "one account per row");
        page.0
    }

    fn try_training(&self, folder: &Path, remarks: &mut Vec<String>) -> Result<()> {
        let config = Config::parse(&self.to_toml(&[]), &folder.join("pql.toml"), &[])?;
        let types = ColumnTypes::for_training(&config);
        let rows = Rows::from_matrix(matrix::read(&self.path, &config.matrix, &types)?, &config)?;
        remarks.push(matrix_summary(rows.account.len(), rows.design_features.len(), &self.path));
        remarks.extend(rows.warnings.iter().map(|warning| format!("warning: {warning}")));
        let trained = train_on_rows(&config, &rows, TrainOptions::default(), &mut Sink::silent())?;
        remarks.push(describe_split(&trained.model.split));
        for finding in &trained.model.findings {
            remarks.push(format!("possible leak: {finding}"));
        }
        Ok(())
    }
}
