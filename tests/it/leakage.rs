//! Data at or after a cutoff never changes results before it, byte for byte, through the command
//! line.
//!
//! A log *truncated* at T has no events that became known and no accounts that signed up at or
//! after T; conversions and churns from T on are blank.

mod laws;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pql::time::{Day, iso};
use tempfile::TempDir;

use crate::common::{DAY, Lcg, NEW_YEAR, csv_rows, pql, run, succeed, text};

const HOUR: i64 = DAY / 24;

/// The end of the training data, and the scoring time; new event names and values appear after each
/// of them.
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
    fn known_at(&self) -> i64 {
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

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LogForm {
    /// An account list in CSV, receipt times and repeated ids.
    Listed,
    /// No account list: accounts, conversions and churns are derived from events.
    Derived,
    /// Dates without a time of day; the account list is NDJSON.
    Dates,
    /// Dates without a time of day in the events only.
    DatedEvents,
    /// No account column: users join accounts and move between them, and their ids are merged.
    Users,
}

const LOG_FORMS: [LogForm; 5] =
    [LogForm::Listed, LogForm::Derived, LogForm::Dates, LogForm::DatedEvents, LogForm::Users];
/// The sections of the users.
const USERS: &str = "[users]\npath = \"users.csv\"\nalias = \"merged.csv\"\nadd_accounts = true\n";
const SCHEMES: [&str; 2] = ["snapshot", "age"];

#[derive(Debug, Clone)]
struct World {
    form: LogForm,
    odd: i64,
    events: Vec<Event>,
    accounts: Vec<Account>,
    memberships: Vec<Membership>,
    merges: Vec<Merge>,
}

/// A user joins an account.
#[derive(Debug, Clone)]
struct Membership {
    user: String,
    account: String,
    from: i64,
}

/// An id becomes another one.
#[derive(Debug, Clone)]
struct Merge {
    old: String,
    new: String,
    from: i64,
}

impl World {
    /// Creates a log in which attributes have odd values from `odd` on, and events have new names
    /// from X and T on.
    fn new(form: LogForm, odd: i64) -> Self {
        let mut world = Self::empty(form, odd);
        let mut lcg = Lcg::new(7);
        for number in 0..300 {
            world.add_account(number, &mut lcg);
        }
        if form != LogForm::Derived {
            world.repeat_events(&mut lcg);
            world.add_oddities();
        }
        if form == LogForm::Users {
            world.add_users(&mut lcg);
        }
        lcg.shuffle(&mut world.events);
        lcg.shuffle(&mut world.accounts);
        world
    }

    fn empty(form: LogForm, odd: i64) -> Self {
        let (events, accounts) = (Vec::new(), Vec::new());
        Self { form, odd, events, accounts, memberships: Vec::new(), merges: Vec::new() }
    }

    /// Adds the memberships of all users, some of whom move to another account, and merged ids.
    fn add_users(&mut self, lcg: &mut Lcg) {
        let accounts: Vec<String> = self.accounts.iter().map(|a| a.id.clone()).collect();
        for account in &accounts {
            for number in -1..3 {
                let user = format!("{account}-{number}");
                // Some join after their first events.
                let from = NEW_YEAR - 30 * DAY + lcg.below(60) * i64::from(number > 0) * 3 * DAY;
                self.join(&user, account, from);
                if number > 0 && lcg.chance(30) {
                    let other = lcg.pick(&accounts);
                    self.join(&user, other, NEW_YEAR + lcg.below(190 * DAY));
                }
                if number > 0 && lcg.chance(10) {
                    // Only into users with a higher number, so that there is no circle.
                    let (new, from) = (lcg.pick(&accounts).clone() + "-3", lcg.below(190 * DAY));
                    self.merges.push(Merge { old: user, new, from: NEW_YEAR + from });
                }
            }
            self.join(&format!("{account}-3"), account, NEW_YEAR - 30 * DAY);
        }
        lcg.shuffle(&mut self.memberships);
    }

    fn join(&mut self, user: &str, account: &str, from: i64) {
        let (user, account) = (user.to_owned(), account.to_owned());
        self.memberships.push(Membership { user, account, from });
    }

    /// Adds an account whose usage predicts its conversion.
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
        // An event that follows the conversion, which the leakage audit must find.
        self.events.extend(converted.map(|t| event(&id, "receipt", self.moment(t + HOUR))));
        for _ in 0..2 + keen / 4 + lcg.below(10) {
            let time = self.moment(signed_up - DAY + lcg.below(45 * DAY));
            self.add_event(&id, time, lcg);
        }
        if self.form == LogForm::Derived {
            for (name, time) in
                [("signed_up", Some(signed_up)), ("upgraded", converted), ("left", churned)]
            {
                self.events.extend(time.map(|time| event(&id, name, time)));
            }
        }
    }

    fn add_event(&mut self, account: &str, time: i64, lcg: &mut Lcg) {
        let mut names = vec!["login", "report", "invite", "open", "export", "invoice"];
        // Names that first occur after the training data and after the scoring time.
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

    /// Adds repeated deliveries of events: immediate ones, and ones that become known only after
    /// the training data or the scoring time.
    fn repeat_events(&mut self, lcg: &mut Lcg) {
        let mut copies = Vec::new();
        for event in self.events.iter().filter(|e| !e.id.is_empty()) {
            if lcg.chance(70) {
                continue;
            }
            let mut copy = event.clone();
            match lcg.below(3) {
                0 => {}
                n if matches!(self.form, LogForm::Listed | LogForm::Users) => {
                    copy.received =
                        Some(copy.known_at().max(if n == 1 { X } else { T }) + lcg.below(9 * DAY));
                }
                // Without receipt times, the repeat has a later event time.
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

    /// Adds records of the full log that must not affect earlier results.
    fn add_oddities(&mut self) {
        // Events of an account that signs up later, with a time of day where all other events have
        // dates only.
        let tomorrow = self.accounts.iter().find(|a| a.signed_up >= T).unwrap().id.clone();
        for time in [X - 20 * DAY, X + 12 * HOUR, T + HOUR] {
            self.events.push(event(&tomorrow, "trace", time / HOUR * HOUR + HOUR / 2));
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

    /// Returns whether the account list has an account; it lacks some accounts of users.
    fn lists(&self, account: &str) -> bool {
        self.form != LogForm::Users || !account.ends_with(['0', '5'])
    }

    fn dated(&self) -> bool {
        matches!(self.form, LogForm::Dates | LogForm::DatedEvents)
    }

    /// Returns a time in the precision of events.
    fn moment(&self, time: i64) -> i64 {
        if self.dated() { time / DAY * DAY } else { time }
    }

    /// Returns a time in the precision of the account list.
    fn listed(&self, time: i64) -> i64 {
        if self.form == LogForm::Dates { time / DAY * DAY } else { time }
    }

    fn truncate(&self, end: i64) -> Self {
        let before = |time: Option<i64>| time.filter(|t| *t < end);
        let known = |a: &Account| Account {
            converted: before(a.converted),
            churned: before(a.churned),
            ..a.clone()
        };
        Self {
            events: self.events.iter().filter(|e| e.known_at() < end).cloned().collect(),
            accounts: self.accounts.iter().filter(|a| a.signed_up < end).map(known).collect(),
            memberships: self.memberships.iter().filter(|m| m.from < end).cloned().collect(),
            merges: self.merges.iter().filter(|m| m.from < end).cloned().collect(),
            ..*self
        }
    }

    /// Returns the log with its rows in another order.
    fn shuffled(&self, seed: u64) -> Self {
        let (mut other, mut lcg) = (self.clone(), Lcg::new(seed));
        lcg.shuffle(&mut other.events);
        lcg.shuffle(&mut other.accounts);
        lcg.shuffle(&mut other.memberships);
        lcg.shuffle(&mut other.merges);
        other
    }

    /// Returns the log with more data at or after `start`: events, late events, repeats, accounts
    /// and conversions.
    fn with_more_after(&self, start: i64) -> Self {
        let (mut other, mut lcg) = (self.clone(), Lcg::new(11));
        for number in 300..330 {
            let mut new = Self::empty(self.form, self.odd);
            new.add_account(number, &mut lcg);
            let shift = (start - new.accounts[0].signed_up).max(0) / DAY * DAY + DAY + DAY;
            new.events.iter_mut().for_each(|e| e.time += shift);
            new.events.iter_mut().for_each(|e| e.received = e.received.map(|r| r + shift));
            new.accounts[0].signed_up += shift;
            other.events.extend(new.events);
            other.accounts.extend(new.accounts);
        }
        for account in &self.accounts {
            for _ in 0..3 {
                let time = self.moment(start + DAY + lcg.below(20 * DAY));
                other.add_event(&account.id, time, &mut lcg);
                other
                    .events
                    .push(Event { received: Some(time), ..event(&account.id, "login", time) });
            }
        }
        other.events.push(event(&self.accounts[0].id, "login", start));
        let again: Vec<Event> = self.events.iter().filter(|e| !e.id.is_empty()).cloned().collect();
        other.events.extend(again.into_iter().map(|e| Event {
            time: self.moment(start + DAY),
            received: None,
            ..e
        }));
        for account in other.accounts.iter_mut().filter(|a| a.signed_up < start) {
            let open = |time: Option<i64>| time.is_none_or(|t| t >= start);
            if open(account.converted) && open(account.churned) {
                (account.converted, account.churned) = (Some(self.listed(start + DAY)), None);
            }
        }
        if self.form == LogForm::Users {
            other.move_users_after(start, &mut lcg);
        }
        lcg.shuffle(&mut other.events);
        other
    }

    /// Moves every user to another account and merges some, at or after `start`.
    fn move_users_after(&mut self, start: i64, lcg: &mut Lcg) {
        let users: Vec<String> = self.memberships.iter().map(|m| m.user.clone()).collect();
        let accounts: Vec<String> = self.accounts.iter().map(|a| a.id.clone()).collect();
        for user in users {
            let from = start + lcg.below(9) * DAY;
            self.join(&user, lcg.pick::<String>(&accounts), from);
            if lcg.chance(30) && !user.ends_with("-3") {
                let new = lcg.pick(&accounts).clone() + "-3";
                let is_known = |m: &Merge| m.old == user && m.from == from;
                if !self.merges.iter().any(is_known) {
                    self.merges.push(Merge { old: user, new, from });
                }
            }
        }
        for account in self.accounts.clone().into_iter().skip(300) {
            for number in -1..3 {
                self.join(&format!("{}-{number}", account.id), &account.id, start);
            }
        }
    }

    /// Writes the log and its project file to a temporary folder.
    fn write(&self) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        // Dates are written without a time of day where possible.
        let time = |t: i64| {
            if self.dated() && t % DAY == 0 { Day::from_local(t).to_string() } else { iso(t) }
        };
        let maybe = |t: Option<i64>| t.map_or(String::new(), time);
        let number = |n: Option<i64>| n.map_or(String::new(), |n| n.to_string());
        let mut events =
            String::from("account_id,user_id,event,timestamp,message_id,minutes,received_at\n");
        // Accounts that the list lacks have no known conversions, and so no receipts.
        let is_known = |e: &&Event| e.name != "receipt" || self.lists(&e.account);
        for e in self.events.iter().filter(is_known) {
            let user = e.user.as_deref().unwrap_or("");
            let (account, name, happened, minutes, received) =
                (&e.account, e.name, time(e.time), number(e.minutes), maybe(e.received));
            let (account, user) = if self.form == LogForm::Users {
                let number = user.strip_prefix('u').unwrap_or("-1");
                ("", format!("{account}-{number}"))
            } else {
                (account.as_str(), user.to_owned())
            };
            writeln!(events, "{account},{user},{name},{happened},{},{minutes},{received}", e.id)
                .unwrap();
        }
        put("events.csv", events);
        self.put_users(&put);
        let mut list =
            String::from("account_id,signed_up_at,converted_at,churned_at,seats,size,industry\n");
        let mut lines = String::new();
        for a in self.accounts.iter().filter(|a| self.lists(&a.id)) {
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
            // The odd value is a number written as text.
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
        let (name, list) = if self.form == LogForm::Dates {
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
                "[[events]]\npath = \"events.csv\"\nvalues = [\"minutes\"]\nreceived = \"received_at\"\n{}\n[roles]\nvalue = [\"report\"]\ninvite = [\"invite\"]\n\
                 limit = [\"wall\"]\nhand_raise = [\"plea\"]\nconverted = [\"upgraded\"]\nchurned = [\"left\"]\nexclude = [\"invoice\", \"signed_up\"]\n\
                 [observation]\nhorizon = \"20d\"\nage = \"10d\"\nevery = \"10d\"\n[model]\nalpha = 5.0\n",
                match self.form {
                    LogForm::Derived => String::new(),
                    LogForm::Users => source + USERS,
                    _ => source,
                }
            ),
        );
        Files { dir }
    }

    /// Writes the users and the merged ids.
    fn put_users(&self, put: &dyn Fn(&str, String)) {
        let mut users = String::from("user_id,account_id,joined_at\n");
        for Membership { user, account, from } in &self.memberships {
            writeln!(users, "{user},{account},{}", iso(*from)).unwrap();
        }
        put("users.csv", users);
        let mut merges = String::from("old_id,new_id,merged_at\n");
        for Merge { old, new, from } in &self.merges {
            writeln!(merges, "{old},{new},{}", iso(*from)).unwrap();
        }
        put("merged.csv", merges);
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

    /// Trains on the data before `until` and returns the path of the model.
    fn train(&self, name: &str, until: i64, scheme: &str) -> PathBuf {
        let sets =
            [format!("observation.until={}", iso(until)), format!("observation.cutoffs={scheme}")];
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

    fn score(&self, model: &Path, time: i64) -> String {
        run([
            "score",
            "-q",
            "--all",
            "-c",
            text(&self.path("pql.toml")),
            text(model),
            "--at",
            &iso(time),
            "-o",
            "-",
        ])
    }

    fn features(&self, model: &Path, time: i64) -> String {
        let out = self.path("features.csv");
        run([
            "features",
            "-q",
            "-c",
            text(&self.path("pql.toml")),
            "--model",
            text(model),
            "--at",
            &iso(time),
            "-o",
            text(&out),
        ]);
        std::fs::read_to_string(out).unwrap()
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Returns the numbers of lines and the first line in which two texts differ.
fn difference(a: &str, b: &str) -> String {
    let lines = || a.lines().zip(b.lines());
    let first = lines().find(|(a, b)| a != b).map_or(String::new(), |(a, b)| format!("\n{a}\n{b}"));
    format!("{} and {} lines{first}", a.lines().count(), b.lines().count())
}

/// Compares two models; a difference is shown by their model cards, which are readable.
fn assert_same_model(a: &Path, b: &Path, label: &str) {
    if bytes(a) != bytes(b) {
        let card =
            |path: &Path| std::fs::read_to_string(path.with_file_name("model.json")).unwrap();
        panic!("{label}: the models differ; their cards: {}", difference(&card(a), &card(b)));
    }
}
