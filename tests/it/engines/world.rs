//! Random logs with many edge cases, as files and as tables of an engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pql::config::Config;
use pql::dataset::features::FeatureCatalog;
use pql::export::sql::{SqlForm, SqlOptions, SqlPart, SqlTime, export_features, export_training};
use pql::io::sink::Sink;
use pql::log::{ColumnTypes, Log, ReadOptions, ValueKind};
use pql::time::{Timestamp, iso};

use super::harness::Engine;
use super::{parquet_of_csv, run_statement, text_rows};
use crate::common::{DAY, Lcg, NEW_YEAR};

const MINUTE: i64 = 60_000_000;

/// A column of a CSV table: its name and its type in DuckDB.
type Column = (&'static str, &'static str);

/// A CSV table; cells are text, null where empty.
struct Table {
    file: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn write(&self, dir: &Path) {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let cell = |cell: &String| if cell.is_empty() { String::new() } else { quoted(cell) };
        let header: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let mut file = header.join(",") + "\n";
        for row in &self.rows {
            writeln!(file, "{}", row.iter().map(cell).collect::<Vec<_>>().join(",")).unwrap();
        }
        fs::write(dir.join(self.file), file).unwrap();
    }
}

/// Names of files, columns and event types that need quotes.
const EVENTS: &str = "Ereignisse \"neu\" `1`.csv";
const EXAMS: &str = "event_rows.csv";
const DAILY: &str = "täglich.csv";
const ACCOUNTS: &str = "select.csv";
const ACCOUNT: &str = "Konto\"`id";
const MINUTES: &str = "Minuten 'é'";
const NAMES: [&str; 7] =
    ["login", "Login", "it's \"here\" \\ `x`", "報告", "limit\n2", "ask", "invoice"];

/// Ids of accounts, as they are written in the events.
const IDS: [&str; 9] = ["a", "7", "7.0", " 7 ", "007", "b'c", "élan", "unknown", ""];

/// A random log with many edge cases.
pub(super) struct World {
    tables: Vec<Table>,
    pub(super) config: Config,
    pub(super) catalog: FeatureCatalog,
    /// Time of scoring, or the end of the log of a training, µs UTC.
    pub(super) at: i64,
    dir: tempfile::TempDir,
}

fn days_of(lcg: &mut Lcg, dates_only: bool) -> i64 {
    let day = NEW_YEAR + lcg.below(60) * DAY;
    match lcg.below(4) {
        _ if dates_only => day,
        0 => day,
        1 => day + 12 * 60 * MINUTE + (lcg.below(7) - 3) * 10 * MINUTE,
        _ => day + lcg.below(DAY),
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut lcg = Lcg::new(seed);
        let dates_only = seed % 5 == 4;
        let at = NEW_YEAR + 60 * DAY + if seed.is_multiple_of(3) { lcg.below(DAY) } else { 0 };
        let listed = !seed.is_multiple_of(4);
        let received = lcg.chance(60);
        let mut tables = vec![
            events(&mut lcg, dates_only, received),
            exams(&mut lcg, dates_only),
            daily(&mut lcg),
        ];
        let days = AccountDays { all: dates_only || seed % 7 == 3, outcomes: seed % 3 == 1 };
        tables.extend(listed.then(|| accounts(&mut lcg, days)));
        let (config, catalog) = settings(seed, listed, received);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        tables.iter().for_each(|table| table.write(path));
        for table in &tables {
            parquet_of_csv(&path.join(table.file), &table.columns);
        }
        let config = Config::parse(&config, &path.join("pql.toml"), &[]).unwrap();
        Self { tables, config, catalog, at, dir }
    }

    /// Returns how the attributes are read.
    fn types(&self) -> ColumnTypes {
        let kinds =
            [("Branche".to_owned(), ValueKind::Text), ("size".to_owned(), ValueKind::Number)];
        ColumnTypes {
            kinds: kinds.into_iter().collect(),
            formats: Some(BTreeMap::new()),
            ..ColumnTypes::for_training(&self.config)
        }
    }

    /// Reads the files.
    pub(super) fn log(&self) -> Log {
        let options = ReadOptions {
            until: Some(Timestamp(self.at)),
            types: self.types(),
            ..ReadOptions::default()
        };
        Log::read(&self.config, &options, &mut Sink::stderr()).unwrap()
    }

    /// Exports a statement and runs it in an engine.
    pub(super) fn found(
        &self,
        engine: Engine,
        (part, time): (SqlPart, SqlTime),
        parameters: &[(&str, &str)],
    ) -> Vec<BTreeMap<String, String>> {
        let options = SqlOptions { dialect: engine.dialect(), time, part, form: SqlForm::Query };
        let export = if part == SqlPart::Training { export_training } else { export_features };
        let sql = export(&self.catalog, "random/0001", &self.config, &self.types(), &options);
        let tables = self.tables.iter().map(|table| {
            let name = table.file.strip_suffix(".csv").unwrap();
            (vec![name], self.dir.path().join(table.file).with_extension("table.parquet"))
        });
        text_rows(&run_statement(engine, &sql.unwrap(), &tables.collect(), parameters))
    }
}

fn events(lcg: &mut Lcg, dates_only: bool, received: bool) -> Table {
    let mut rows = Vec::new();
    for number in 0..600 {
        // Some ids occur twice. Files keep the first of two deliveries at one time, SQL any of them.
        let repeats = !dates_only && lcg.chance(90);
        let time = days_of(lcg, dates_only) + if repeats { number } else { 0 };
        let late = lcg.chance(20) && !dates_only;
        let mut row = vec![
            (*lcg.pick(&IDS)).to_owned(),
            (*lcg.pick(&["u1", "u2", "u2.0", "3", "3.0", "", " "])).to_owned(),
            match lcg.below(200) {
                0 => "paid".to_owned(),
                1 => "left".to_owned(),
                2..5 => String::new(),
                _ => (*lcg.pick::<&str>(&NAMES)).to_owned(),
            },
            if lcg.chance(2) { String::new() } else { iso(time) },
            if lcg.chance(60) { format!("{}", lcg.below(1_000)) } else { String::new() },
            if repeats { format!("m{}", lcg.below(2_000)) } else { String::new() },
        ];
        if received {
            let known = time + if late { lcg.below(12 * DAY) } else { -lcg.below(DAY) };
            row.push(if lcg.chance(80) { iso(known + number) } else { String::new() });
        }
        rows.push(row);
    }
    let mut columns = vec![
        (ACCOUNT, "VARCHAR"),
        ("user", "VARCHAR"),
        ("Event", "VARCHAR"),
        ("time", "TIMESTAMP"),
        (MINUTES, "DOUBLE"),
        ("id", "VARCHAR"),
    ];
    columns.extend(received.then_some(("received_at", "TIMESTAMP")));
    Table { file: EVENTS, columns, rows }
}

fn exams(lcg: &mut Lcg, dates_only: bool) -> Table {
    let row = |number| {
        let time = days_of(lcg, dates_only) + if dates_only { 0 } else { number };
        let id = if dates_only { number } else { lcg.below(40) };
        vec![(*lcg.pick(&IDS)).to_owned(), iso(time), format!("{id}")]
    };
    let columns =
        vec![("account_id", "VARCHAR"), ("timestamp", "TIMESTAMP"), ("message_id", "BIGINT")];
    Table { file: EXAMS, columns, rows: (0..80).map(row).collect() }
}

fn daily(lcg: &mut Lcg) -> Table {
    let row = |_| {
        let time = days_of(lcg, true);
        let count = |lcg: &mut Lcg| match lcg.below(3) {
            0 => String::new(),
            n => format!("{}", n - 1),
        };
        vec![
            (*lcg.pick(&IDS)).to_owned(),
            iso(time)[..10].to_owned(),
            count(lcg),
            count(lcg),
            format!("{}", lcg.below(9)),
        ]
    };
    let columns = vec![
        ("account_id", "VARCHAR"),
        ("day", "DATE"),
        ("quizzes", "INTEGER"),
        ("Übung`\"en", "INTEGER"),
        (MINUTES, "INTEGER"),
    ];
    Table { file: DAILY, columns, rows: (0..120).map(row).collect() }
}

/// Which times of the account list are dates.
#[derive(Debug, Clone, Copy)]
struct AccountDays {
    all: bool,
    outcomes: bool,
}

fn accounts(lcg: &mut Lcg, days: AccountDays) -> Table {
    let mut rows = Vec::new();
    for id in ["a", " 7 ", "007", "b'c", "élan", "silent", "young", ""] {
        let signed_up = days_of(lcg, days.all) - if lcg.chance(50) { 30 * DAY } else { 0 };
        let signed_up = if id == "young" { NEW_YEAR + 59 * DAY } else { signed_up };
        let outcome = |lcg: &mut Lcg, chance| {
            // Some are on the day of the sign-up.
            let time = signed_up + if lcg.chance(25) { 0 } else { lcg.below(60) * DAY };
            let time = if days.outcomes { time - time % DAY } else { time };
            if lcg.chance(chance) { iso(time) } else { String::new() }
        };
        rows.push(vec![
            id.to_owned(),
            if lcg.chance(5) { String::new() } else { iso(signed_up) },
            outcome(lcg, 20),
            outcome(lcg, 10),
            (*lcg.pick(&["", "0", "2.5", "4"])).to_owned(),
            (*lcg.pick(&["", "Sport", " Sport ", "7.0", "TRUE", "é'\""])).to_owned(),
            (*lcg.pick(&["", "12", "-1.5"])).to_owned(),
        ]);
    }
    let columns = vec![
        (ACCOUNT, "VARCHAR"),
        ("signed_up_at", "TIMESTAMP"),
        ("converted_at", "TIMESTAMP"),
        ("churned_at", "TIMESTAMP"),
        ("seats", "DOUBLE"),
        ("Branche", "VARCHAR"),
        ("size", "DOUBLE"),
    ];
    Table { file: ACCOUNTS, columns, rows }
}

/// Returns the project file and the catalog of a random log.
fn settings(seed: u64, listed: bool, received: bool) -> (String, FeatureCatalog) {
    let toml = |text: &str| serde_json::to_string(text).unwrap();
    let roles = [
        ("login", vec!["login", "Login"]),
        ("value", vec!["報告"]),
        ("invite", vec!["it's \"here\" \\ `x`", "login"]),
        ("limit", vec!["limit\n2"]),
        ("hand_raise", if seed.is_multiple_of(2) { vec!["ask"] } else { Vec::new() }),
    ];
    let source = |file: &str| {
        let table = format!("\"{}\"", file.trim_end_matches(".csv").replace('"', "\"\""));
        format!("path = {}\ntable = {}", toml(file), toml(&table))
    };
    let mut config = format!(
        "[[events]]\n{}\naccount = {}\nuser = \"user\"\nevent = \"Event\"\ntimestamp = \"time\"\nid = \"id\"\nvalues = [{}]\n",
        source(EVENTS),
        toml(ACCOUNT),
        toml(MINUTES)
    );
    config += if received { "received = \"received_at\"\n" } else { "" };
    config += &format!("[[events]]\n{}\nevent_name = \"exam\"\n", source(EXAMS));
    config += &format!(
        "[[events]]\n{}\ntimestamp = \"day\"\nunpivot = [\"quizzes\", {}]\nvalues = [{}]\n",
        source(DAILY),
        toml("Übung`\"en"),
        toml(MINUTES)
    );
    if listed {
        config += &format!(
            "[accounts]\n{}\naccount = {}\nattributes = [\"Branche\", \"size\"]\n",
            source(ACCOUNTS),
            toml(ACCOUNT)
        );
    }
    let scheme = if seed.is_multiple_of(2) { "age" } else { "snapshot" };
    config += &format!(
        "[observation]\ncutoffs = \"{scheme}\"\nage = \"{}h\"\nhorizon = \"30d\"\nmin_age = \"2d\"\nmax_age = \"40d\"\n[roles]\nconverted = [\"paid\"]\nchurned = [\"left\"]\nexclude = [\"invoice\", \"paid\"]\n",
        if seed.is_multiple_of(4) { 36 } else { 240 }
    );
    let windows: &[u32] =
        [&[1, 7][..], &[7, 14, 28], &[1], &[3, 20, 28]][usize::try_from(seed % 4).unwrap()];
    let catalog = FeatureCatalog {
        windows: windows.to_vec(),
        // A window may have only one of them.
        velocity_windows: windows[..windows.len().min(2)].to_vec(),
        trend_windows: windows[usize::from(windows.len() > 2)..].to_vec(),
        roles: roles
            .into_iter()
            .map(|(role, names)| (role.to_owned(), names.into_iter().map(str::to_owned).collect()))
            .collect(),
        counted_events: [
            "login",
            "Login",
            "it's \"here\" \\ `x`",
            "limit\n2",
            "exam",
            "Übung`\"en",
            "never",
        ]
        .map(str::to_owned)
        .to_vec(),
        summed_properties: vec![MINUTES.to_owned()],
        attributes: if listed { vec!["Branche".to_owned(), "size".to_owned()] } else { Vec::new() },
        has_seats: listed,
    };
    (config, catalog)
}
