//! Export of a dbt package: models of features, scores and training rows, their documentation and
//! tests.

mod files;
mod yaml;

use std::path::Path;

use serde_json::{Value, json};

use self::yaml::yaml;
use super::sql::{Dialect, SqlForm, SqlOptions, SqlPart, SqlTime, export_sql};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::query::table_name;
use crate::model::Model;
use crate::query::TableName;

/// Variable of dbt with the time of scoring.
const TIME_VARIABLE: &str = "pql_scored_at";

/// Variable of dbt that adds the training rows.
const TRAINING_VARIABLE: &str = "pql_training";

/// Word that stands for the time of scoring in a statement until dbt sets it.
const TIME_PLACEHOLDER: &str = "pql_dbt_time_of_scoring";

/// Word, followed by a number, that stands for a table in a statement until dbt names it.
const TABLE_PLACEHOLDER: &str = "pql_dbt_table_";

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Path in the folder of the package, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Inputs of a package.
#[derive(Debug, Clone, Copy)]
pub struct PackageInput<'a> {
    /// The model.
    pub model: &'a Model,
    /// Name and version of the model.
    pub label: &'a str,
    /// The project file, which names the tables.
    pub file: &'a Config,
    /// The engines for which the package has statements.
    pub dialects: &'a [Dialect],
}

/// Returns the files of a dbt package that computes features, scores and training rows.
///
/// The models of features and scores are incremental: each run adds the rows of one time of scoring.
/// The training rows are a table that a run replaces if a variable is set.
///
/// # Errors
/// Those of [`export_sql`]
pub fn export_dbt(input: &PackageInput<'_>, sink: &mut Sink<'_>) -> Result<Vec<PackageFile>> {
    let names = Names::new(input.label);
    let tables = Tables::new(input.file)?;
    let file = |path: String, text: String| PackageFile { path, text };
    let mut files = vec![
        file("README.md".to_owned(), files::readme(&names, input.label)),
        file("dbt_project.yml".to_owned(), files::project(&names)),
        file("models/sources.yml".to_owned(), tables.sources(&names)),
        file("models/schema.yml".to_owned(), files::schema(&names, input)?),
        file("models/exposures.yml".to_owned(), files::exposures(&names, input.label)),
    ];
    for (part, name) in [
        (SqlPart::Features, &names.features),
        (SqlPart::Scores { interval: true }, &names.scores),
        (SqlPart::Training, &names.training),
    ] {
        files.push(file(format!("models/{name}.sql"), files::model(&names, name)));
        for dialect in input.dialects {
            let folder = dialect.key();
            let statement = tables.statement(input, *dialect, part, &names, sink)?;
            let text =
                format!("{{% macro {folder}__{name}_sql() %}}\n{statement}{{% endmacro %}}\n");
            files.push(file(format!("macros/{folder}/{name}.sql"), text));
        }
    }
    let tests = files::tests(&names);
    files.extend(tests.map(|(path, text)| file(path, text)));
    Ok(files)
}

/// Names of the package and its models.
struct Names {
    package: String,
    features: String,
    scores: String,
    training: String,
}

impl Names {
    fn new(label: &str) -> Self {
        let name = label.split('/').next().unwrap_or(label);
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let slug: String =
            name.to_lowercase().chars().map(|c| if is_word(c) { c } else { '_' }).collect();
        Self {
            package: format!("pql_{slug}"),
            features: format!("pql_{slug}_features"),
            scores: format!("pql_{slug}_scores"),
            training: format!("pql_{slug}_training"),
        }
    }
}

/// The tables of a project file.
struct Tables {
    /// Each table once; its position is part of its placeholder.
    tables: Vec<TableName>,
    /// The project file, with placeholders instead of tables.
    config: Config,
}

impl Tables {
    fn new(file: &Config) -> Result<Self> {
        let (mut tables, mut config) = (Vec::new(), file.clone());
        let mut replace = |name: &mut Option<String>, path: &Path, section: &str| {
            let table = table_name(name.as_deref(), path, section)?;
            let position = tables.iter().position(|known| *known == table);
            let position = position.unwrap_or_else(|| {
                tables.push(table);
                tables.len() - 1
            });
            // The end makes sure that no placeholder is the start of another one.
            *name = Some(format!("{TABLE_PLACEHOLDER}{position}_"));
            Ok::<(), Error>(())
        };
        for source in &mut config.events {
            replace(&mut source.table, &source.path, "[[events]]")?;
        }
        if let Some(source) = &mut config.accounts {
            replace(&mut source.table, &source.path, "[accounts]")?;
        }
        Ok(Self { tables, config })
    }

    /// Writes a statement as a template of dbt.
    fn statement(
        &self,
        input: &PackageInput<'_>,
        dialect: Dialect,
        part: SqlPart,
        names: &Names,
        sink: &mut Sink<'_>,
    ) -> Result<String> {
        let options = SqlOptions {
            dialect,
            time: SqlTime::Parameter(TIME_PLACEHOLDER.to_owned()),
            part,
            form: SqlForm::Query,
        };
        let sql = export_sql(input.model, input.label, &self.config, &options, sink)?;
        let mut sql = escape(&sql);
        for (position, table) in self.tables.iter().enumerate() {
            let source = format!(
                "{{{{ source({}, {}) }}}}",
                literal(&self.source_name(table, names)),
                literal(table.0.last().expect("a table has a name"))
            );
            sql = sql.replace(&format!("{TABLE_PLACEHOLDER}{position}_"), &source);
        }
        let time =
            format!("'{{{{ var('{TIME_VARIABLE}', run_started_at.strftime('%Y-%m-%d')) }}}}'");
        Ok(sql.replace(&dialect.parameter(TIME_PLACEHOLDER), &time))
    }

    /// Returns the schemas of the tables, in the order of their first table.
    fn schemas(&self) -> Vec<&[String]> {
        let mut schemas: Vec<&[String]> = Vec::new();
        for TableName(parts) in &self.tables {
            let schema = &parts[..parts.len() - 1];
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        schemas
    }

    /// Returns the name of the source of a table.
    fn source_name(&self, TableName(parts): &TableName, names: &Names) -> String {
        let schema = &parts[..parts.len() - 1];
        let schemas = self.schemas();
        let position = schemas.iter().position(|known| *known == schema).unwrap_or(0);
        if position == 0 {
            format!("{}_input", names.package)
        } else {
            format!("{}_input_{}", names.package, position + 1)
        }
    }

    /// Returns `models/sources.yml`.
    fn sources(&self, names: &Names) -> String {
        let sources: Vec<Value> = self
            .schemas()
            .into_iter()
            .map(|schema| {
                let of_schema = |TableName(parts): &&TableName| parts[..parts.len() - 1] == *schema;
                let tables = self.tables.iter().filter(of_schema).map(|TableName(parts)| {
                    let name = parts.last().expect("a table has a name");
                    let quoted = Dialect::Snowflake.name_of(name) != *name;
                    json!({"name": name, "quoting": {"identifier": quoted}})
                });
                let first = self.tables.iter().find(of_schema).expect("each schema has a table");
                let mut source = json!({
                    "name": self.source_name(first, names),
                    "description": "Tables that pql.toml names",
                    "schema": schema.last().map_or("{{ target.schema }}", String::as_str),
                    "tables": tables.collect::<Vec<_>>(),
                });
                if let [database, _] = schema {
                    source["database"] = json!(database);
                }
                source
            })
            .collect();
        yaml(&json!({"version": 2, "sources": sources}))
    }
}

/// Escapes what dbt would take for an expression or a comment of its own.
fn escape(sql: &str) -> String {
    let mut escaped = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find('{') {
        let length = rest[start..].chars().take(2).map(char::len_utf8).sum::<usize>();
        let mark = &rest[start..start + length];
        escaped += &rest[..start];
        if matches!(mark, "{{" | "{%" | "{#") {
            escaped += &format!("{{{{ '{mark}' }}}}");
            rest = &rest[start + length..];
        } else {
            escaped.push('{');
            rest = &rest[start + 1..];
        }
    }
    escaped + rest
}

/// Returns a text as a literal of Jinja.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
