//! Differences between engines: names, literals, types and functions.

use crate::query::{Function, Inlining, Type};

/// An engine whose SQL pql writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB 1.1 and newer.
    DuckDb,
    /// PostgreSQL 15 and newer.
    Postgres,
    /// Apache Spark 3.5 and newer, and Databricks.
    Spark,
    /// Google BigQuery.
    BigQuery,
    /// Snowflake.
    Snowflake,
}

/// Words that at least one engine reserves.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "alter", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof",
    "assert_rows_modified", "asymmetric", "at", "authorization", "between", "binary", "both", "by",
    "case", "cast", "check", "collate", "collation", "column", "concurrently", "connect",
    "constraint", "contains", "create", "cross", "cube", "current", "current_catalog",
    "current_database", "current_date", "current_path", "current_role", "current_schema",
    "current_time", "current_timestamp", "current_user", "date", "default", "deferrable", "define",
    "delete", "desc", "describe", "distinct", "do", "drop", "else", "end", "enum", "escape",
    "except", "exclude", "exists", "extract", "false", "fetch", "filter", "following", "for",
    "foreign", "freeze", "from", "full", "glob", "grant", "group", "groups", "hash", "having", "if",
    "ignore", "ilike", "in", "increment", "initially", "inner", "insert", "intersect", "interval",
    "into", "is", "isnull", "join", "lambda", "lateral", "leading", "left", "like", "limit",
    "localtime", "localtimestamp", "lookup", "merge", "minus", "natural", "new", "no", "not",
    "notnull", "null", "nulls", "of", "offset", "on", "only", "or", "order", "outer", "over",
    "overlaps", "partition", "pivot", "pivot_longer", "pivot_wider", "placing", "positional",
    "preceding", "primary", "proto", "qualify", "range", "recursive", "references", "regexp",
    "respect", "returning", "revoke", "right", "rlike", "rollup", "row", "rows", "sample", "select",
    "semi", "session_user", "set", "show", "similar", "some", "start", "struct", "summarize",
    "symmetric", "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat",
    "trigger", "true", "try_cast", "unbounded", "union", "unique", "unnest", "unpack", "unpivot",
    "update", "user", "using", "values", "variadic", "verbose", "view", "when", "whenever", "where",
    "window", "with", "within",
];

/// How a selection keeps its columns from being replaced by their expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    /// `OFFSET 0` at its end.
    Offset,
    /// The columns are those of a row that is generated for each row.
    LateralView,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 5] =
        [Self::DuckDb, Self::Postgres, Self::Spark, Self::BigQuery, Self::Snowflake];

    /// Returns its name in options, which is also that of its adapter of dbt.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::Postgres => "postgres",
            Self::Spark => "spark",
            Self::BigQuery => "bigquery",
            Self::Snowflake => "snowflake",
        }
    }

    /// Returns the name of the engine.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "DuckDB",
            Self::Postgres => "PostgreSQL",
            Self::Spark => "Apache Spark",
            Self::BigQuery => "BigQuery",
            Self::Snowflake => "Snowflake",
        }
    }

    /// Returns the longest name of a table or column, in bytes.
    pub(crate) fn longest_name(self) -> usize {
        match self {
            // PostgreSQL cuts longer names off.
            Self::Postgres => 63,
            Self::DuckDb | Self::Spark | Self::Snowflake => 255,
            Self::BigQuery => 300,
        }
    }

    /// Returns whether names in upper and lower case are different names.
    pub(super) fn distinguishes_case(self) -> bool {
        self == Self::Postgres
    }

    /// Returns whether `COUNT(*) FILTER (WHERE …)` exists.
    pub(super) fn has_filter_clause(self) -> bool {
        matches!(self, Self::DuckDb | Self::Postgres | Self::Spark)
    }

    /// Returns whether small integer literals have 32 bits.
    pub(super) fn has_narrow_integers(self) -> bool {
        matches!(self, Self::DuckDb | Self::Postgres | Self::Spark)
    }

    /// Returns whether `VALUES` is a relation.
    pub(super) fn has_values(self) -> bool {
        self != Self::BigQuery
    }

    /// Returns how a selection keeps the planner from replacing the uses of its columns by their
    /// expressions; `None` if the planner limits this itself.
    pub(super) fn barrier(self, inlining: Inlining) -> Option<Barrier> {
        match self {
            Self::Postgres => (inlining != Inlining::Allowed).then_some(Barrier::Offset),
            // While Spark plans a join, it replaces the columns of its keys through all stages. It
            // resolves a statement in at most 100 steps, of which each view needs some.
            Self::Spark => (inlining == Inlining::Forbidden).then_some(Barrier::LateralView),
            Self::DuckDb | Self::BigQuery | Self::Snowflake => None,
        }
    }

    /// Writes a name. Lower-case words stay as they are, so that the engine may change their case;
    /// all other names are quoted.
    pub(crate) fn name_of(self, name: &str) -> String {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
            && !RESERVED.contains(&name);
        if is_plain {
            return name.to_owned();
        }
        match self {
            Self::DuckDb | Self::Postgres | Self::Snowflake => {
                format!("\"{}\"", name.replace('"', "\"\""))
            }
            Self::Spark => format!("`{}`", name.replace('`', "``")),
            Self::BigQuery => format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`")),
        }
    }

    /// Writes a text as a literal.
    pub(crate) fn text(self, text: &str) -> String {
        let escaped = match self {
            Self::DuckDb | Self::Postgres => text.replace('\'', "''"),
            Self::Snowflake => text.replace('\\', "\\\\").replace('\'', "''"),
            Self::Spark | Self::BigQuery => text
                .replace('\\', "\\\\")
                .replace('\'', "\\'")
                .replace('\n', "\\n")
                .replace('\r', "\\r")
                // Spark replaces `${name}` by a setting.
                .replace("${", "\\u0024{"),
        };
        format!("'{escaped}'")
    }

    /// Writes a finite number as a literal of double precision, never of a decimal type.
    pub(super) fn double(self, value: f64) -> String {
        let digits = format!("{:?}", value.abs());
        let has_exponent = digits.contains('e');
        let literal = match self {
            Self::DuckDb | Self::BigQuery if has_exponent => digits,
            Self::DuckDb | Self::BigQuery => format!("{digits}e0"),
            Self::Postgres => format!("{digits}::float8"),
            Self::Spark => format!("{digits}D"),
            Self::Snowflake => format!("{digits}::FLOAT"),
        };
        if value.is_sign_negative() && value != 0.0 { format!("(-{literal})") } else { literal }
    }

    /// Writes a finite number below one of double precision in the same column of `VALUES`.
    pub(super) fn double_below_another(self, value: f64) -> String {
        match self {
            // It converts the digits to the type of the column, exactly.
            Self::Postgres => format!("{value:?}"),
            _ => self.double(value),
        }
    }

    /// Returns the name of a type.
    pub(crate) fn type_name(self, kind: Type) -> &'static str {
        match (kind, self) {
            (Type::Boolean, Self::BigQuery) => "BOOL",
            (Type::Boolean, _) => "BOOLEAN",
            (Type::Integer, Self::BigQuery) => "INT64",
            (Type::Integer, _) => "BIGINT",
            (Type::Double, Self::BigQuery) => "FLOAT64",
            (Type::Double, Self::Postgres) => "DOUBLE PRECISION",
            (Type::Double, Self::Snowflake) => "FLOAT",
            (Type::Double, _) => "DOUBLE",
            (Type::Text, Self::Spark | Self::BigQuery) => "STRING",
            (Type::Text, Self::Postgres) => "TEXT",
            (Type::Text, _) => "VARCHAR",
            (Type::Raw, _) => unreachable!("nothing is converted to the type of a source"),
            (Type::Timestamp, Self::Snowflake) => "TIMESTAMP_NTZ",
            (Type::Timestamp, _) => "TIMESTAMP",
        }
    }

    /// Writes a parameter of the statement.
    pub(crate) fn parameter(self, name: &str) -> String {
        match self {
            Self::DuckDb => format!("${name}"),
            Self::Postgres | Self::Spark | Self::Snowflake => format!(":{name}"),
            Self::BigQuery => format!("@{name}"),
        }
    }

    /// Writes the conversion of a text to a time of the engine.
    ///
    /// # Panics
    /// If the dialect has no such format.
    pub(super) fn parse_time(self, text: &str, format: &str) -> String {
        let format = self.time_format(format).expect("formats were checked before");
        let format = self.text(&format);
        match self {
            Self::DuckDb => format!("STRPTIME({text}, {format})"),
            // The result has the time zone of the session, which is removed again.
            Self::Postgres => format!("CAST(TO_TIMESTAMP({text}, {format}) AS TIMESTAMP)"),
            Self::Spark => format!("TO_TIMESTAMP({text}, {format})"),
            Self::BigQuery => format!("PARSE_TIMESTAMP({format}, {text})"),
            Self::Snowflake => format!("TO_TIMESTAMP_NTZ({text}, {format})"),
        }
    }

    /// Translates a strftime format of years, months, days, hours, minutes and seconds in digits;
    /// `None` for any other format.
    pub(crate) fn time_format(self, format: &str) -> Option<String> {
        let format = format.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S");
        let (mut translated, mut letters) = (String::new(), format.chars());
        while let Some(letter) = letters.next() {
            if letter == '%' {
                translated += self.time_part(letters.next()?)?;
            } else if letter.is_ascii_alphanumeric() {
                translated += &match self {
                    Self::DuckDb | Self::BigQuery => letter.to_string(),
                    Self::Postgres | Self::Snowflake => format!("\"{letter}\""),
                    Self::Spark => format!("'{letter}'"),
                };
            } else if " -/.:,_".contains(letter) {
                translated.push(letter);
            } else {
                return None;
            }
        }
        Some(translated)
    }

    /// Returns how a format writes the part of a time with a strftime letter.
    fn time_part(self, letter: char) -> Option<&'static str> {
        const LETTERS: [(char, &str, &str, &str); 6] = [
            ('Y', "%Y", "YYYY", "yyyy"),
            ('m', "%m", "MM", "MM"),
            ('d', "%d", "DD", "dd"),
            ('H', "%H", "HH24", "HH"),
            ('M', "%M", "MI", "mm"),
            ('S', "%S", "SS", "ss"),
        ];
        let (_, strftime, oracle, java) = LETTERS.into_iter().find(|(own, ..)| *own == letter)?;
        Some(match self {
            Self::DuckDb | Self::BigQuery => strftime,
            Self::Postgres | Self::Snowflake => oracle,
            Self::Spark => java,
        })
    }

    /// Writes the quotient of two integers, neither negative, rounded down.
    pub(super) fn divide_whole(self, a: &str, b: &str) -> String {
        match self {
            Self::DuckDb => format!("{a} // {b}"),
            Self::Postgres => format!("{a} / {b}"),
            Self::Spark => format!("{a} DIV {b}"),
            Self::BigQuery => format!("DIV({a}, {b})"),
            // A quotient has at least six decimals and would be rounded.
            Self::Snowflake => format!("CAST(({a} - MOD({a}, {b})) / {b} AS BIGINT)"),
        }
    }

    /// Returns what follows a text that is compared with another, so that their bytes are compared.
    pub(super) fn byte_order(self) -> &'static str {
        if self == Self::Postgres { " COLLATE \"C\"" } else { "" }
    }

    /// Writes a call of a function.
    pub(super) fn call(self, function: Function, arguments: &[String]) -> String {
        /// Whole numbers that are written with a decimal point or as minus zero.
        const WHOLE_NUMBER: &str = "'^(-?[1-9][0-9]*|0)[.]0*$|^-(0)([.]0*)?$'";
        let list = arguments.join(", ");
        let first = arguments.first().map_or("", String::as_str);
        match (function, self) {
            (Function::Abs, _) => format!("ABS({list})"),
            // Spark's FLOOR returns an integer.
            (Function::Floor, Self::Spark) => format!("CAST(FLOOR({list}) AS DOUBLE)"),
            (Function::Floor, _) => format!("FLOOR({list})"),
            (Function::Ln, _) => format!("LN({list})"),
            // Where the result is too large or too small, some engines fail.
            (Function::Exp, _) => format!(
                "EXP(GREATEST({}, LEAST({}, {list})))",
                self.double(-700.0),
                self.double(700.0)
            ),
            (Function::Sqrt, _) => format!("SQRT({list})"),
            (Function::Greatest, _) => format!("GREATEST({list})"),
            (Function::Least, _) => format!("LEAST({list})"),
            (Function::Coalesce, _) => format!("COALESCE({list})"),
            (Function::NullIf, _) => format!("NULLIF({list})"),
            (Function::Concat, _) => format!("({})", arguments.join(" || ")),
            (Function::Lower, _) => format!("LOWER({list})"),
            (Function::Trim, Self::DuckDb) => format!("TRIM({list}, E' \\t\\n\\r')"),
            (Function::Trim, Self::Postgres) => format!("BTRIM({list}, E' \\t\\n\\r')"),
            (Function::Trim, Self::Spark) => format!("TRIM(BOTH ' \\t\\n\\r' FROM {list})"),
            (Function::Trim, Self::BigQuery | Self::Snowflake) => {
                format!("TRIM({list}, ' \\t\\n\\r')")
            }
            (Function::Like, _) => arguments.join(" LIKE "),
            (Function::WholeNumber, Self::Spark) => {
                format!("REGEXP_REPLACE({list}, {WHOLE_NUMBER}, '$1$2')")
            }
            (Function::WholeNumber, Self::BigQuery | Self::Snowflake) => {
                format!("REGEXP_REPLACE({list}, {WHOLE_NUMBER}, '\\\\1\\\\2')")
            }
            (Function::WholeNumber, _) => {
                format!("REGEXP_REPLACE({list}, {WHOLE_NUMBER}, '\\1\\2')")
            }
            (Function::NullIfNan, Self::DuckDb | Self::Spark) => {
                format!("NULLIF({list}, CAST('NaN' AS DOUBLE))")
            }
            (Function::NullIfNan, Self::Postgres) => format!("NULLIF({list}, 'NaN'::float8)"),
            (Function::NullIfNan, Self::Snowflake) => format!("NULLIF({list}, 'NaN'::FLOAT)"),
            (Function::NullIfNan, Self::BigQuery) => format!("IF(IS_NAN({list}), NULL, {list})"),
            (Function::Now, Self::BigQuery | Self::Snowflake) => "CURRENT_TIMESTAMP()".to_owned(),
            (Function::Now, _) => "CURRENT_TIMESTAMP".to_owned(),
            (Function::Substring, _) => format!("SUBSTR({list})"),
            (Function::TrimZeros, Self::Spark) => format!("TRIM(TRAILING '0' FROM {list})"),
            (Function::TrimZeros, _) => format!("RTRIM({list}, '0')"),
            // ISNAN is false for null.
            (Function::ToMicros, Self::DuckDb) => format!("EPOCH_US({list})"),
            (Function::ToMicros, Self::Postgres) => {
                format!("CAST(EXTRACT(EPOCH FROM {list}) * 1000000 AS BIGINT)")
            }
            (Function::ToMicros, Self::Spark) => format!("UNIX_MICROS(CAST({list} AS TIMESTAMP))"),
            (Function::ToMicros, Self::BigQuery) => format!("UNIX_MICROS(TIMESTAMP({list}))"),
            (Function::ToMicros, Self::Snowflake) => {
                format!("DATE_PART(EPOCH_MICROSECOND, {list})")
            }
            (Function::FromMicros, Self::DuckDb) => format!("MAKE_TIMESTAMP({list})"),
            (Function::FromMicros, Self::Postgres) => {
                format!("TIMESTAMP 'epoch' + {first} * INTERVAL '1 microsecond'")
            }
            (Function::FromMicros, Self::Spark | Self::BigQuery) => {
                format!("TIMESTAMP_MICROS({list})")
            }
            (Function::FromMicros, Self::Snowflake) => format!("TO_TIMESTAMP_NTZ({list}, 6)"),
            (Function::HashPrefix, Self::DuckDb) => {
                format!("CAST('0x' || SUBSTR(SHA256({list}), 1, 13) AS BIGINT)")
            }
            (Function::HashPrefix, Self::Postgres) => format!(
                "('x000' || SUBSTR(ENCODE(SHA256(CONVERT_TO({list}, 'UTF8')), 'hex'), 1, 13))::bit(64)::bigint"
            ),
            (Function::HashPrefix, Self::Spark) => {
                format!("CAST(CONV(SUBSTR(SHA2({list}, 256), 1, 13), 16, 10) AS BIGINT)")
            }
            (Function::HashPrefix, Self::BigQuery) => {
                format!("CAST('0x' || SUBSTR(TO_HEX(SHA256({list})), 1, 13) AS INT64)")
            }
            (Function::HashPrefix, Self::Snowflake) => {
                format!("TO_NUMBER(SUBSTR(SHA2({list}, 256), 1, 13), 'XXXXXXXXXXXXX')")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_words_stay_and_all_others_are_quoted() {
        let name = |name| Dialect::ALL.map(|dialect| dialect.name_of(name));
        assert!(name("account_id").iter().all(|name| name == "account_id"));
        assert_eq!(
            name("a\"b`c\\"),
            ["\"a\"\"b`c\\\"", "\"a\"\"b`c\\\"", "`a\"b``c\\`", "`a\"b\\`c\\\\`", "\"a\"\"b`c\\\""]
        );
        assert_eq!(Dialect::Postgres.name_of("order"), "\"order\"");
        assert_eq!(Dialect::Spark.name_of("Name"), "`Name`");
        assert_eq!(Dialect::DuckDb.name_of("naïve"), "\"naïve\"");
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn texts_keep_quotes_and_backslashes() {
        let text = |text| Dialect::ALL.map(|dialect| dialect.text(text));
        assert_eq!(text("it's"), ["'it''s'", "'it''s'", "'it\\'s'", "'it\\'s'", "'it''s'"]);
        assert_eq!(text("a\\b"), ["'a\\b'", "'a\\b'", "'a\\\\b'", "'a\\\\b'", "'a\\\\b'"]);
    }

    #[test]
    fn formats_of_times_are_translated() {
        let format = |format| Dialect::ALL.map(|dialect| dialect.time_format(format));
        let expected = [
            "%d/%m/%YT%H:%M:%S",
            "DD/MM/YYYY\"T\"HH24:MI:SS",
            "dd/MM/yyyy'T'HH:mm:ss",
            "%d/%m/%YT%H:%M:%S",
            "DD/MM/YYYY\"T\"HH24:MI:SS",
        ];
        assert_eq!(format("%d/%m/%YT%T"), expected.map(|format| Some(format.to_owned())));
        assert!(format("%b %d").iter().chain(&format("%Y%")).all(Option::is_none));
    }

    #[test]
    fn numbers_are_doubles_in_every_engine() {
        let double = |value| Dialect::ALL.map(|dialect| dialect.double(value));
        assert_eq!(double(1.5), ["1.5e0", "1.5::float8", "1.5D", "1.5e0", "1.5::FLOAT"]);
        assert_eq!(
            double(-1e-7),
            ["(-1e-7)", "(-1e-7::float8)", "(-1e-7D)", "(-1e-7)", "(-1e-7::FLOAT)"]
        );
    }
}
