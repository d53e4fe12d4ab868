//! The columns of a file, and where the values of a requested column come from.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{ArrowDataType, ArrowSchema};

use super::folder_keys::folder_keys;
use super::{FileFormat, FileOptions, arrow, delimited, ndjson, parquet, scalars, struct_column};
use crate::error::Result;

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileColumns {
    pub(super) format: FileFormat,
    /// Names of the columns, in order; for NDJSON the keys of all objects.
    stored: Vec<String>,
    /// Names of which the file has several columns.
    repeated: BTreeSet<String>,
    /// Columns from the names of folders, unless the file has a column of that name.
    folder_keys: Vec<(String, Option<String>)>,
    /// Values inside struct columns of Parquet and Arrow.
    fields: Vec<String>,
    /// Columns of text, which may be JSON.
    texts: BTreeSet<String>,
    /// Columns of lists in Parquet and Arrow, inside which nothing can be read.
    lists: Vec<String>,
}

/// The columns of a Parquet or Arrow file, by their use.
pub(super) struct FileSchema {
    /// Names of all columns.
    pub(super) names: Vec<String>,
    /// Dotted names of the values inside struct columns that can be read.
    pub(super) fields: Vec<String>,
    /// Names of text columns.
    pub(super) texts: Vec<String>,
    /// Names of columns of lists and maps, inside which nothing can be read.
    lists: Vec<String>,
}

impl FileSchema {
    /// Sorts the columns of a schema by their use.
    pub(super) fn new(names: Vec<String>, schema: &ArrowSchema) -> Self {
        let texts = schema.iter_values().filter(|field| scalars::is_text(&field.dtype));
        let texts = texts.map(|field| field.name.to_string()).collect();
        let fields = schema.iter_values().flat_map(struct_column::fields).collect();
        let lists = schema.iter_values().filter(|field| {
            let is_struct = matches!(field.dtype, ArrowDataType::Struct(_));
            field.dtype.is_nested() && !is_struct
        });
        let lists = lists.map(|field| field.name.to_string()).collect();
        Self { names, fields, texts, lists }
    }
}

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A column, or a value inside one that the format reads itself.
    Stored,
    /// A value inside the JSON of a text column: the column, and the path inside.
    Json { column: String, path: String },
    /// A folder; `None`: missing.
    Folder(Option<String>),
}

impl FileColumns {
    /// Reads the columns of a file.
    pub(crate) fn read(file: &Path, options: FileOptions) -> Result<Self> {
        Self::read_format(file, options.format(file)?, options)
    }

    /// Reads the columns of a file of a feature matrix: in CSV, the apostrophes that pql writes
    /// before formulas are removed.
    pub(super) fn read_matrix(file: &Path, options: FileOptions) -> Result<Self> {
        let mut format = options.format(file)?;
        if let FileFormat::Delimited(delimited) = &mut format {
            delimited.has_spreadsheet_cells = true;
        }
        Self::read_format(file, format, options)
    }

    fn read_format(file: &Path, format: FileFormat, options: FileOptions) -> Result<Self> {
        let max_line = options.max_line;
        let (mut fields, mut texts, mut lists) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut typed = |schema: FileSchema| {
            (fields, texts) = (schema.fields, schema.texts.into_iter().collect());
            lists = schema.lists;
            schema.names
        };
        let all = match format {
            FileFormat::Parquet => typed(parquet::schema(file)?),
            FileFormat::Arrow => typed(arrow::schema(file)?),
            FileFormat::Delimited(delimited) => delimited::columns(file, delimited, max_line)?,
            FileFormat::Ndjson(compression) => ndjson::columns(file, compression, max_line)?,
        };
        let (mut stored, mut seen, mut repeated) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for name in all {
            if seen.insert(name.clone()) {
                stored.push(name);
            } else {
                repeated.insert(name);
            }
        }
        // Columns without a name, as of lines that end in separators, cannot be named.
        if repeated.remove("") {
            stored.retain(|name| !name.is_empty());
        }
        if matches!(format, FileFormat::Delimited(_)) {
            texts.clone_from(&seen);
        }
        let mut folder_keys = folder_keys(file);
        folder_keys.retain(|(name, _)| !seen.contains(name));
        Ok(Self { format, stored, repeated, folder_keys, fields, texts, lists })
    }

    /// Iterates over the names of all columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.stored.iter().chain(self.folder_keys.iter().map(|(name, _)| name))
    }

    /// Returns whether several columns have this name.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.contains(name)
    }

    /// Returns whether a column may be missing in all rows although it is known to the writer, as a
    /// key of NDJSON.
    pub(crate) fn has_optional_keys(&self) -> bool {
        matches!(self.format, FileFormat::Ndjson(_))
    }

    /// Returns the column of lists around a dotted name.
    pub(super) fn list_around(&self, name: &str) -> Option<&str> {
        let around = |list: &&String| {
            name.strip_prefix(list.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.lists.iter().find(around).map(String::as_str)
    }

    /// Returns whether the file has a column, or one in which a dotted name may have a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.origin(name).is_some()
    }

    /// Returns where the values of a column come from; `None`: the file lacks it.
    pub(super) fn origin(&self, name: &str) -> Option<Origin> {
        let stored = |name: &str| self.stored.iter().any(|other| other == name);
        if stored(name) {
            return Some(Origin::Stored);
        }
        if let Some((_, value)) = self.folder_keys.iter().find(|(other, _)| other == name) {
            return Some(Origin::Folder(value.clone()));
        }
        let splits = name.match_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]));
        let splits: Vec<(&str, &str)> =
            splits.filter(|(key, rest)| !key.is_empty() && !rest.is_empty()).collect();
        // The longest name of a column wins.
        splits.into_iter().rev().filter(|(column, _)| stored(column)).find_map(|(column, path)| {
            match self.format {
                FileFormat::Ndjson(_) => Some(Origin::Stored),
                _ if self.fields.iter().any(|field| field == name) => Some(Origin::Stored),
                _ => self
                    .texts
                    .contains(column)
                    .then(|| Origin::Json { column: column.to_owned(), path: path.to_owned() }),
            }
        })
    }
}
