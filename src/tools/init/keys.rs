//! Account columns, chosen by the values that events and account list share.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use pql_stats::counts::share;

use super::naming;
use super::sample::{Column, ColumnKind, Sample};
use super::words::any;
use crate::names::{backticked, file_name};

/// Words for accounts, likeliest first, in American and British spelling.
const ACCOUNTS: [&str; 17] = [
    "account",
    "workspace",
    "company",
    "organization",
    concat!("organi", "sation"),
    "org",
    "team",
    "tenant",
    "customer",
    "client",
    "group",
    "shop",
    "store",
    "site",
    "student",
    "subscriber",
    "subscription",
];

/// Words for users, likeliest first; the last ones also number visitors who are not known.
const USERS: [&str; 14] = [
    "user",
    "member",
    "person",
    "learner",
    "player",
    "profile",
    "distinct",
    "contact",
    "actor",
    "visitor",
    "pseudo",
    "amplitude",
    "anonymous",
    "device",
];

/// Words of ids of other things.
const NOT_ACCOUNTS: [&str; 6] = ["invit*", "referr*", "parent", "owner", "created", "modified"];

/// Sample size, rows, below which a column may be constant.
pub(super) const FEW_ROWS: usize = 50;
/// Minimum share of the values of an event column in the account list to treat both as accounts.
const SHARED: f64 = 0.2;
/// Minimum share of the account list in an event column to treat both as accounts, even if most
/// events are of other accounts.
pub(super) const COVERED: f64 = 0.5;
/// Minimum share of the best agreement with the account list at which the name decides.
pub(super) const SIMILAR: f64 = 0.7;
/// Minimum share of rows with an account; an account column with fewer is a last resort.
const FILLED: f64 = 0.5;
/// Minimum share of distinct values of the account column of a list with a few repeated rows.
const NEARLY_UNIQUE: f64 = 0.98;
/// Rank added to a user column among account columns.
const USER_RANK: usize = 1_000;

/// Ranks a name as an id of one of the things, 0 is the likeliest.
fn id_rank(words: &[String], things: &[&str]) -> Option<usize> {
    let key = words.concat();
    let rank = |i: usize, thing: &str| {
        let rest = key.strip_prefix(thing);
        let ends =
            words.len() > 2 && words[words.len() - 2] == thing && words[words.len() - 1] == "id";
        match rest {
            Some("id") => Some(i),
            Some("uuid" | "guid" | "key" | "no" | "number" | "code" | "ref") => Some(100 + i),
            Some("") => Some(200 + i),
            // Salesforce and HubSpot number the kinds of groups: `$group_0`.
            Some("0") if thing == "group" => Some(200 + i),
            _ => ends.then_some(300 + i),
        }
    };
    things.iter().enumerate().filter_map(|(i, thing)| rank(i, thing)).min()
}

/// Returns whether the values can be ids: text or whole numbers, and no times, flags or amounts.
fn holds_ids(column: &Column) -> bool {
    if naming::is_quantity(column) {
        return false;
    }
    let whole = || column.texts().all(|v| v.bytes().all(|b| b.is_ascii_digit()));
    match column.kind {
        ColumnKind::Text => column.time_format().is_none(),
        ColumnKind::Number => whole(),
        ColumnKind::Flag => column.rows < FEW_ROWS && whole(),
        ColumnKind::Empty => column.rows == 0,
    }
}

/// Ranks a column as account column by its name; a user is an account if nothing better is known.
fn account_rank(column: &Column) -> Option<usize> {
    let varies = column.distinct() > 1 || column.rows < FEW_ROWS;
    let user = || user_rank(column).map(|rank| USER_RANK + rank);
    let rank = id_rank(&column.words, &ACCOUNTS).or_else(user)?;
    let other = if any(&column.words, &NOT_ACCOUNTS) { 4 * USER_RANK } else { 0 };
    let sparse = if share(column.present, column.rows) < FILLED { 2 * USER_RANK } else { 0 };
    (varies && holds_ids(column)).then_some(rank + 400 * column.depth + other + sparse)
}

/// Ranks a column as account column by its name; `None` for a user.
pub(super) fn named_account(column: &Column) -> Option<usize> {
    account_rank(column).filter(|_| id_rank(&column.words, &ACCOUNTS).is_some())
}

/// Returns whether the values of a column can be ids.
pub(super) fn may_be_id(column: &Column) -> bool {
    column.present > 0 && column.distinct() > 1 && holds_ids(column)
}

/// Ranks a column as user column by its name.
pub(super) fn user_rank(column: &Column) -> Option<usize> {
    let mail =
        || any(&column.words, &["email", "mail", "username", "user_name", "uid"]).then_some(500);
    let rank = id_rank(&column.words, &USERS).or_else(mail)?;
    let other = if any(&column.words, &NOT_ACCOUNTS) { 4 * USER_RANK } else { 0 };
    (column.present > 0 || column.rows == 0).then_some(rank + 400 * column.depth + other)
}

/// How the values of an event column agree with those of a column of the account list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Overlap {
    /// Share of the distinct values of the event column that the list has.
    pub(super) found: f64,
    /// Share of the distinct values of the list that the event column has.
    covered: f64,
}

impl Overlap {
    pub(super) fn between(column: &Column, list: &HashSet<&str>) -> Self {
        let matched = column.texts().filter(|v| list.contains(v)).count();
        Self { found: share(matched, column.distinct()), covered: share(matched, list.len()) }
    }

    /// Small numbers occur among all ids, so that both shares count.
    pub(super) fn agreement(self) -> f64 {
        self.found * self.covered
    }
}

/// The account column of the account list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListKey<'a> {
    pub(super) column: &'a Column,
    /// Whether each account has one row.
    pub(super) unique: bool,
}

/// Returns the column of a source that agrees best with values of the list; of similar ones, that
/// with the likeliest name.
pub(super) fn best_match<'a>(
    sample: &'a Sample,
    key: &Column,
    list: &HashSet<&str>,
) -> Option<(&'a Column, Overlap)> {
    let candidates: Vec<(&Column, Overlap)> = sample
        .columns
        .iter()
        .filter(|column| column.present > 0 && holds_ids(column))
        .map(|column| (column, Overlap::between(column, list)))
        .filter(|(_, overlap)| overlap.found >= SHARED || overlap.covered >= COVERED)
        .collect();
    let best = candidates.iter().map(|(_, o)| o.agreement()).fold(0.0, f64::max);
    let by_name = |column: &Column| match account_rank(column) {
        _ if column.words == key.words && column.words != ["id"] => 0,
        Some(rank) => 1 + rank,
        None => usize::MAX,
    };
    let similar = candidates.into_iter().filter(|(_, o)| o.agreement() >= SIMILAR * best);
    similar.min_by_key(|(column, _)| by_name(column))
}

/// Returns the account column of the account list: one row for each account, and preferably values
/// that the events have.
pub(super) fn list_key<'a>(
    list: &'a Sample,
    sources: &[Sample],
    named: Option<&str>,
) -> Option<ListKey<'a>> {
    let name_rank = |column: &Column| match account_rank(column) {
        Some(rank) => Some(rank),
        None if column.words.last().is_some_and(|word| word == "id") => Some(3 * USER_RANK),
        None => None,
    };
    let candidates = list.columns.iter().filter(|column| match named {
        Some(name) if list.column(name).is_some() => column.name == name,
        _ => holds_ids(column) && (column.present > 0 || column.rows == 0),
    });
    let rated = candidates.filter_map(|column| {
        let known: HashSet<&str> = column.texts().collect();
        let matches: Vec<Overlap> = sources
            .iter()
            .filter_map(|source| best_match(source, column, &known))
            .map(|(_, overlap)| overlap)
            .collect();
        let unique = column.distinct() == column.present;
        let nearly = share(column.distinct(), column.present) >= NEARLY_UNIQUE;
        let agreement: f64 = matches.iter().map(|overlap| overlap.agreement()).sum();
        // Without the name of an id, a column must number the rows.
        let numbers = nearly && !matches.is_empty();
        let rank = name_rank(column).or(numbers.then_some(usize::MAX))?;
        let order = (matches.is_empty(), !nearly, Reverse(rounded(agreement)), rank);
        Some((order, ListKey { column, unique }))
    });
    rated.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, key)| key)
}

/// Returns a share in steps of 5%, so that names decide between equal columns.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn rounded(share: f64) -> u64 {
    (share * 20.0).round() as u64
}

/// The account column of a source of events.
#[derive(Debug, Clone)]
pub(super) struct SourceKey<'a> {
    pub(super) column: &'a Column,
    /// How its values agree with the account list, if there is one.
    pub(super) overlap: Option<Overlap>,
    /// Other columns whose names or values could be accounts.
    pub(super) others: Vec<String>,
}

/// Returns the account column of a source: by its values if there is an account list, else by its
/// name. With a list, a column without its values is not an account column.
pub(super) fn source_key<'a>(
    sample: &'a Sample,
    list: Option<ListKey<'_>>,
    named: Option<&str>,
) -> Option<SourceKey<'a>> {
    let known: Option<HashSet<&str>> = list.map(|key| key.column.texts().collect());
    let chosen = named.and_then(|name| sample.column(name));
    let (column, overlap) = match (chosen, list.zip(known.as_ref())) {
        (Some(column), Some((_, known))) => (column, Some(Overlap::between(column, known))),
        (Some(column), None) => (column, None),
        (None, Some((key, known))) => best_match(sample, key.column, known)
            .map(|(column, overlap)| (column, Some(overlap)))?,
        (None, None) => (by_name(sample)?, None),
    };
    let others = sample
        .columns
        .iter()
        .filter(|other| other.name != column.name && account_rank(other).is_some())
        .map(|other| other.name.clone())
        .collect();
    Some(SourceKey { column, overlap, others })
}

/// Returns the likeliest account column by name.
fn by_name(sample: &Sample) -> Option<&Column> {
    let ranked = sample.columns.iter().filter_map(|column| Some((account_rank(column)?, column)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, column)| column)
}

/// Returns a form of an id that does not depend on leading zeros and upper case.
fn loose(id: &str) -> String {
    id.trim_start_matches('0').to_lowercase()
}

/// Returns an account as the list has it, and the column and spelling of a source, if the ids agree
/// only without leading zeros and upper case.
fn other_spelling<'a>(
    sample: &'a Sample,
    key: &'a Column,
) -> Option<(&'a str, &'a Column, &'a str)> {
    let known: HashMap<String, &str> = key.texts().map(|id| (loose(id), id)).collect();
    let ids = sample.columns.iter().filter(|column| link_rank(column).is_some());
    let spelled = ids.filter_map(|column| {
        let same: Vec<(&str, &str)> =
            column.texts().filter_map(|id| Some((*known.get(&loose(id))?, id))).collect();
        let (listed, found) = same.iter().min()?;
        (share(same.len(), column.distinct()) >= SHARED).then_some((*listed, column, *found))
    });
    spelled.min_by_key(|(_, column, _)| link_rank(column))
}

/// Returns what to do about a source whose rows have no account of the list: write the ids in one
/// way, join another table with both ids, or join a table that the user has to find.
pub(super) fn missing_join(
    sample: &Sample,
    list: (&Sample, ListKey<'_>),
    tables: &[&Sample],
) -> String {
    let (list, key) = list;
    let (source, accounts) = (file_name(&sample.path), file_name(&list.path));
    if let Some((listed, column, found)) = other_spelling(sample, key.column) {
        return format!(
            "an account is `{listed}` in `{}` of `{accounts}` and `{found}` in `{}` of `{source}`: write the ids the same way in both files",
            key.column.name, column.name
        );
    }
    let start = format!("no column of `{source}` has the accounts of `{accounts}`");
    let others = tables.iter().filter(|table| table.path != sample.path && table.path != list.path);
    let found = others.copied().find_map(|other| Some((other, linked(sample, other, key.column)?)));
    if let Some((bridge, TableLink { own, user, account })) = found {
        let (bridge, own, link, account) =
            (file_name(&bridge.path), &own.name, &user.name, &account.name);
        return format!(
            "{start}: join `{bridge}` to `{source}` (`{own}` of the events = `{link}` of `{bridge}`) and add its column `{account}`, or set `path = \"{bridge}\"`, `user = \"{link}\"` and `account = \"{account}\"` in [users]"
        );
    }
    let mut ids: Vec<(usize, &Column)> =
        sample.columns.iter().filter_map(|column| Some((link_rank(column)?, column))).collect();
    ids.sort_by_key(|(rank, _)| *rank);
    let ids: Vec<String> = ids.iter().take(3).map(|(_, column)| column.name.clone()).collect();
    let what = if ids.is_empty() { "its rows".to_owned() } else { backticked(&ids) };
    format!(
        "{start} (`{}`): join a table that maps {what} to accounts, such as groups or memberships, or set it in [users]",
        key.column.name
    )
}

/// Ranks a column that may link two tables.
fn link_rank(column: &Column) -> Option<usize> {
    // A unique id numbers the rows.
    let repeats = column.distinct() < column.present;
    let is_id = column.words.last().is_some_and(|word| word == "id");
    let id = || (is_id && repeats).then_some(3 * USER_RANK);
    account_rank(column).or_else(id).filter(|_| holds_ids(column) && column.distinct() > 1)
}

/// Columns that link a source of events to a table with accounts.
pub(super) struct TableLink<'s, 'o> {
    /// Ids in the source.
    pub(super) own: &'s Column,
    /// The same ids in the other table.
    pub(super) user: &'o Column,
    /// The accounts in the other table.
    pub(super) account: &'o Column,
}

/// Returns the columns that link a source to a table with its ids and the accounts of the list.
pub(super) fn linked<'s, 'o>(
    sample: &'s Sample,
    other: &'o Sample,
    key: &Column,
) -> Option<TableLink<'s, 'o>> {
    let known: HashSet<&str> = key.texts().collect();
    let (account, _) = best_match(other, key, &known)?;
    let links = other.columns.iter().filter(|c| c.name != account.name && link_rank(c).is_some());
    let mut pairs: Vec<(usize, TableLink<'_, '_>)> = Vec::new();
    for user in links {
        let ids: HashSet<&str> = user.texts().collect();
        for own in &sample.columns {
            let Some(rank) = link_rank(own) else { continue };
            if Overlap::between(own, &ids).found >= COVERED {
                pairs.push((rank, TableLink { own, user, account }));
            }
        }
    }
    pairs.into_iter().min_by_key(|(rank, ..)| *rank).map(|(_, link)| link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::init::words::split;

    #[test]
    fn account_ids_rank_before_customer_ids_and_user_ids() {
        let rank = |name: &str| id_rank(&split(name), &ACCOUNTS);
        assert!(
            rank("account_id") < rank("customerId")
                && rank("customerId") < rank("account")
                && rank("account") < rank("the_account_id")
        );
        assert_eq!(rank("account_name"), None);
        assert_eq!(id_rank(&split("userId"), &USERS), Some(0));
    }
}
