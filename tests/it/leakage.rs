//! Nothing at or after a cutoff changes anything before it: byte for byte, through the command
//! line.
//!
//! A log *cut* at T has no event known and no account signed up at or after T, and conversions and
//! churns from T on are blank.

mod laws;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pql::time::{iso, iso_day};
use tempfile::TempDir;

use crate::common::{DAY, Lcg, NEW_YEAR, csv_rows, pql, run, succeed, text};

const HOUR: i64 = DAY / 24;

/// The end of what models learn from, and the time of scoring; after each of them things appear
/// that were never there before.
const X: i64 = NEW_YEAR + 150 * DAY + 7 * HOUR;
const T: i64 = NEW_YEAR + 170 * DAY + 13 * HOUR;

#[derive(Debug, Clone)]
struct Event {
    account: String,
    user: Option<String>,
    name: &'static str,
    time: i64,
    received: Option<i64>,
    id: String,
    minutes: Option<i64>,
}

impl Event {
    fn seen(&self) -> i64 {
        self.received.map_or(self.time, |r| r.max(self.time))
    }
}

#[derive(Debug, Clone)]
struct Account {
    id: String,
    signed_up: i64,
    converted: Option<i64>,
    churned: Option<i64>,
    seats: Option<i64>,
    size: String,
    industry: &'static str,
}

/// What a log looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// An account list in CSV, times of receipt, repeated ids.
    Listed,
    /// No account list: accounts, conversions and churns come from events.
    Derived,
    /// Dates without a time of day; the account list is NDJSON.
    Dates,
    /// Events have dates alone, the account list has times of day.
    DatedEvents,
}

const KINDS: [Kind; 4] = [Kind::Listed, Kind::Derived, Kind::Dates, Kind::DatedEvents];
const AT: [&str; 2] = ["snapshot", "age"];

#[derive(Debug, Clone)]
struct World {
    kind: Kind,
    odd: i64,
    events: Vec<Event>,
    accounts: Vec<Account>,
}

impl World {
    /// A log in which attributes have odd values from `odd` on, and events new names from X and
    /// from T on.
    fn new(kind: Kind, odd: i64) -> Self {
        let mut world = Self { kind, odd, events: Vec::new(), accounts: Vec::new() };
        let mut lcg = Lcg::new(7);
        for number in 0..300 {
            world.add_account(number, &mut lcg);
        }
        if kind != Kind::Derived {
            world.repeat_events(&mut lcg);
            world.add_oddities();
        }
        lcg.shuffle(&mut world.events);
        lcg.shuffle(&mut world.accounts);
        world
    }

    /// An account whose use tells whether it converts.
    fn add_account(&mut self, number: i64, lcg: &mut Lcg) {
        let id = format!("a{number:03}");
        let signed_up = self.listed(NEW_YEAR + lcg.below(185 * DAY));
        let keen = lcg.below(100);
        let converted =
            (lcg.below(130) < keen).then(|| self.listed(signed_up + 3 * DAY + lcg.below(50 * DAY)));
        let churned = (converted.is_none() && lcg.chance(20))
            .then(|| self.listed(signed_up + 5 * DAY + lcg.below(60 * DAY)));
        self.accounts.push(Account {
            id: id.clone(),
            signed_up,
            converted,
            churned,
            seats: lcg.chance(80).then(|| lcg.below(6)),
            size: if signed_up < self.odd { lcg.below(50).to_string() } else { "many".to_owned() },
            industry: if lcg.chance(70) {
                "retail"
            } else {
                lcg.pick::<&str>(&["law", "farming", ""])
            },
        });
        // It follows from the conversion, which the audit finds by what is known before the first
        // test cutoff.
        self.events.extend(converted.map(|t| event(&id, "receipt", self.moment(t + HOUR))));
        for _ in 0..2 + keen / 4 + lcg.below(10) {
            let time = self.moment(signed_up - DAY + lcg.below(45 * DAY));
            self.add_event(&id, time, lcg);
        }
        if self.kind == Kind::Derived {
            for (name, time) in
                [("signed_up", Some(signed_up)), ("upgraded", converted), ("left", churned)]
            {
                self.events.extend(time.map(|time| event(&id, name, time)));
            }
        }
    }

    fn add_event(&mut self, account: &str, time: i64, lcg: &mut Lcg) {
        let mut names = vec!["login", "report", "invite", "open", "export", "invoice"];
        // Names that nothing has before the end of learning, and before the time of scoring.
        names.extend(if time >= X { vec!["beta", "wall"] } else { Vec::new() });
        names.extend(if time >= T { vec!["gamma", "plea"] } else { Vec::new() });
        let late = !self.dated() && lcg.chance(20);
        self.events.push(Event {
            user: lcg.chance(85).then(|| format!("u{}", lcg.below(3))),
            name: lcg.pick::<&str>(&names),
            received: late.then(|| time + lcg.below(12 * DAY)),
            minutes: lcg.chance(60).then(|| lcg.below(90)),
            ..event(account, "", time)
        });
        let id = self.events.len();
        self.events.last_mut().unwrap().id =
            if id.is_multiple_of(3) { format!("m{id}") } else { String::new() };
    }

    /// Events delivered again: at once, or with one copy known only after the end of learning or
    /// the time of scoring.
    fn repeat_events(&mut self, lcg: &mut Lcg) {
        let mut copies = Vec::new();
        for event in self.events.iter().filter(|e| !e.id.is_empty()) {
            if lcg.chance(70) {
                continue;
            }
            let mut copy = event.clone();
            match lcg.below(3) {
                0 => {}
                n if self.kind == Kind::Listed => {
                    copy.received =
                        Some(copy.seen().max(if n == 1 { X } else { T }) + lcg.below(9 * DAY));
                }
                // Without times of receipt the repeat is one that comes with a later time.
                n => {
                    copy.time = copy
                        .time
                        .max(if n == 1 { X } else { T } / DAY * DAY + DAY * (1 + lcg.below(9)));
                }
            }
            copies.push(copy);
        }
        self.events.extend(copies);
    }

    /// What exists in the whole log and must not tell that it does.
    fn add_oddities(&mut self) {
        // An account of tomorrow already left a trace, at a time of day where all others have dates
        // alone.
        let tomorrow = self.accounts.iter().find(|a| a.signed_up >= T).unwrap().id.clone();
        for at in [X - 20 * DAY, X + 12 * HOUR, T + HOUR] {
            self.events.push(event(&tomorrow, "trace", at / HOUR * HOUR + HOUR / 2));
        }
        let soon = self
            .accounts
            .iter()
            .find(|a| (X + DAY..T - DAY).contains(&a.signed_up))
            .unwrap()
            .id
            .clone();
        self.events.push(event(&soon, "trace", self.moment(X - 20 * DAY)));
        self.events.push(event("unknown", "open", X - 30 * DAY));
    }

    fn dated(&self) -> bool {
        matches!(self.kind, Kind::Dates | Kind::DatedEvents)
    }

    /// A time as events have it.
    fn moment(&self, time: i64) -> i64 {
        if self.dated() { time / DAY * DAY } else { time }
    }

    /// A time as the account list has it.
    fn listed(&self, time: i64) -> i64 {
        if self.kind == Kind::Dates { time / DAY * DAY } else { time }
    }

    fn cut(&self, at: i64) -> Self {
        let before = |time: Option<i64>| time.filter(|t| *t < at);
        let known = |a: &Account| Account {
            converted: before(a.converted),
            churned: before(a.churned),
            ..a.clone()
        };
        Self {
            events: self.events.iter().filter(|e| e.seen() < at).cloned().collect(),
            accounts: self.accounts.iter().filter(|a| a.signed_up < at).map(known).collect(),
            ..*self
        }
    }

    /// Rows in another order.
    fn shuffled(&self, seed: u64) -> Self {
        let (mut other, mut lcg) = (self.clone(), Lcg::new(seed));
        lcg.shuffle(&mut other.events);
        lcg.shuffle(&mut other.accounts);
        other
    }

    /// More of everything at or after `at`: events, late news of events, repeats, accounts,
    /// conversions.
    fn with_more_after(&self, at: i64) -> Self {
        let (mut other, mut lcg) = (self.clone(), Lcg::new(11));
        for number in 300..330 {
            let mut new = Self { events: Vec::new(), accounts: Vec::new(), ..*self };
            new.add_account(number, &mut lcg);
            let shift = (at - new.accounts[0].signed_up).max(0) / DAY * DAY + DAY + DAY;
            new.events.iter_mut().for_each(|e| e.time += shift);
            new.events.iter_mut().for_each(|e| e.received = e.received.map(|r| r + shift));
            new.accounts[0].signed_up += shift;
            other.events.extend(new.events);
            other.accounts.extend(new.accounts);
        }
        for account in &self.accounts {
            for _ in 0..3 {
                let time = self.moment(at + DAY + lcg.below(20 * DAY));
                other.add_event(&account.id, time, &mut lcg);
                other
                    .events
                    .push(Event { received: Some(time), ..event(&account.id, "login", time) });
            }
        }
        other.events.push(event(&self.accounts[0].id, "login", at));
        let again: Vec<Event> = self.events.iter().filter(|e| !e.id.is_empty()).cloned().collect();
        other.events.extend(again.into_iter().map(|e| Event {
            time: self.moment(at + DAY),
            received: None,
            ..e
        }));
        for account in other.accounts.iter_mut().filter(|a| a.signed_up < at) {
            let open = |time: Option<i64>| time.is_none_or(|t| t >= at);
            if open(account.converted) && open(account.churned) {
                (account.converted, account.churned) = (Some(self.listed(at + DAY)), None);
            }
        }
        lcg.shuffle(&mut other.events);
        other
    }

    /// Write the log and its project file into a folder of its own.
    fn write(&self) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        // A date is a date until a time of day is needed.
        let time = |t: i64| if self.dated() && t % DAY == 0 { iso_day(t) } else { iso(t) };
        let maybe = |t: Option<i64>| t.map_or(String::new(), time);
        let number = |n: Option<i64>| n.map_or(String::new(), |n| n.to_string());
        let mut events =
            String::from("account_id,user_id,event,timestamp,message_id,minutes,received_at\n");
        for e in &self.events {
            let user = e.user.as_deref().unwrap_or("");
            let (account, name, at, minutes, received) =
                (&e.account, e.name, time(e.time), number(e.minutes), maybe(e.received));
            writeln!(events, "{account},{user},{name},{at},{},{minutes},{received}", e.id).unwrap();
        }
        put("events.csv", events);
        let mut list =
            String::from("account_id,signed_up_at,converted_at,churned_at,seats,size,industry\n");
        let mut lines = String::new();
        for a in &self.accounts {
            let (signed_up, converted, churned) =
                (time(a.signed_up), maybe(a.converted), maybe(a.churned));
            writeln!(
                list,
                "{},{signed_up},{converted},{churned},{},{},{}",
                a.id,
                number(a.seats),
                a.size,
                a.industry
            )
            .unwrap();
            let null = |t: String| if t.is_empty() { "null".to_owned() } else { format!("{t:?}") };
            let seats = a.seats.map_or("null".to_owned(), |s| s.to_string());
            // The odd thing here is a number written as text.
            let size = if a.signed_up < self.odd { a.size.clone() } else { "\"7\"".to_owned() };
            writeln!(
                lines,
                "{{\"account_id\":{:?},\"signed_up_at\":\"{signed_up}\",\"converted_at\":{},\"churned_at\":{},\"seats\":{seats},\"size\":{size},\"industry\":{}}}",
                a.id,
                null(converted),
                null(churned),
                null(a.industry.to_owned())
            )
            .unwrap();
        }
        let (name, list) = if self.kind == Kind::Dates {
            ("accounts.ndjson", lines)
        } else {
            ("accounts.csv", list)
        };
        put(name, list);
        let source =
            format!("[accounts]\npath = \"{name}\"\nattributes = [\"size\", \"industry\"]\n");
        put(
            "pql.toml",
            format!(
                "[[events]]\npath = \"events.csv\"\nvalues = [\"minutes\"]\n{}\n[roles]\nvalue = [\"report\"]\ninvite = [\"invite\"]\n\
                 limit = [\"wall\"]\nhand_raise = [\"plea\"]\nconverted = [\"upgraded\"]\nchurned = [\"left\"]\nexclude = [\"invoice\", \"signed_up\"]\n\
                 [observation]\nhorizon = \"20d\"\nage = \"10d\"\nevery = \"10d\"\n[model]\nalpha = 5.0\n",
                if self.kind == Kind::Derived { "" } else { &source }
            ),
        );
        Files { dir }
    }
}

fn event(account: &str, name: &'static str, time: i64) -> Event {
    Event {
        account: account.to_owned(),
        user: None,
        name,
        time,
        received: None,
        id: String::new(),
        minutes: None,
    }
}

/// A log on disk.
struct Files {
    dir: TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Train on what was before `until`: the path of the model.
    fn train(&self, name: &str, until: i64, at: &str) -> PathBuf {
        let sets = [format!("observation.until={}", iso(until)), format!("observation.at={at}")];
        let models = self.path("models");
        run([
            "train",
            "-q",
            "-c",
            text(&self.path("pql.toml")),
            "--name",
            name,
            "--models",
            text(&models),
        ]
        .into_iter()
        .chain(sets.iter().flat_map(|s| ["--set", s])));
        models.join(name).join("0001").join("model.pql")
    }

    fn score(&self, model: &Path, at: i64) -> String {
        run([
            "score",
            "-q",
            "-c",
            text(&self.path("pql.toml")),
            "--model",
            text(model),
            "--at",
            &iso(at),
            "-o",
            "-",
        ])
    }

    fn features(&self, model: &Path, at: i64) -> String {
        let out = self.path("features.csv");
        run([
            "features",
            "-q",
            "-c",
            text(&self.path("pql.toml")),
            "--model",
            text(model),
            "--at",
            &iso(at),
            "-o",
            text(&out),
        ]);
        std::fs::read_to_string(out).unwrap()
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The first line in which two texts differ.
fn difference(a: &str, b: &str) -> String {
    let lines = || a.lines().zip(b.lines());
    let first = lines().find(|(a, b)| a != b).map_or(String::new(), |(a, b)| format!("\n{a}\n{b}"));
    format!("{} and {} lines{first}", a.lines().count(), b.lines().count())
}

/// The card tells better than the bytes of a model where two of them part.
fn same_model(a: &Path, b: &Path, what: &str) {
    if bytes(a) != bytes(b) {
        let card =
            |path: &Path| std::fs::read_to_string(path.with_file_name("model.json")).unwrap();
        panic!("{what}: the models differ; their cards: {}", difference(&card(a), &card(b)));
    }
}
