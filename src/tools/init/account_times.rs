//! Times of the account list: sign-up, conversion and churn, by name and by value.

use pql_stats::counts::share;

use super::sample::{Column, ColumnKind, Sample};
use super::times::{TimeFormat, parse};
use super::words::{self, any, rank};
use crate::report::format::percent;
use crate::time::midnight;

const SIGNED_UP: [&str; 22] = [
    "signedupat",
    "signupat",
    "signupdate",
    "signedup",
    "signup",
    "signuptime",
    "signuptimestamp",
    "registeredat",
    "dateregistered",
    "registrationdate",
    "registration",
    "createdat",
    "created",
    "createddate",
    "createdate",
    "datecreated",
    "creationdate",
    "creationtime",
    "joinedat",
    "joindate",
    "trialstartedat",
    "startdate",
];
const SIGNED_UP_WORDS: [&str; 8] =
    ["signup*", "sign*_up", "regist*", "creat*", "join*", "trial_start*", "start*", "since"];
const CONVERTED: [&str; 15] = [
    "convertedat",
    "conversiondate",
    "converted",
    "paidat",
    "firstpaidat",
    "subscribedat",
    "upgradedat",
    "firstpurchase",
    "firstpurchaseat",
    "firstpayment",
    "firstpaymentat",
    "becamecustomerat",
    "becameacustomerdate",
    "customersince",
    "purchasedat",
];
const CONVERTED_WORDS: [&str; 12] = [
    "convert*",
    "conversion*",
    "paid",
    "subscri*_start*",
    "subscribed",
    "upgrade*",
    "purchase*",
    "first_payment*",
    "customer_since",
    "became* customer",
    "closed_won",
    "activated_plan",
];
const CHURNED: [&str; 9] = [
    "churnedat",
    "churndate",
    "churned",
    "cancelledat",
    "canceledat",
    "cancellationdate",
    "deletedat",
    "closedat",
    "endedat",
];
const CHURNED_WORDS: [&str; 5] = ["churn*", "cancel*", "delet*", "deactivat*", "closed"];
/// Words of times that change, so that they are not first times.
const MOVING: [&str; 12] = [
    "last", "latest", "next", "renew*", "end*", "expir*", "updat*", "modif*", "current*",
    "recent*", "modstamp", "sync*",
];
/// Words of times that are not conversions although only some accounts have one.
const NOT_CONVERTED: [&str; 16] = [
    "trial*", "invit*", "verif*", "confirm*", "login*", "seen", "activity", "contact*", "email*",
    "birth*", "onboard*", "received", "loaded", "session*", "deal", "meeting*",
];
/// Words of columns that record a conversion without its time.
const OUTCOME_FLAGS: [&str; 9] = [
    "convert*",
    "paid",
    "paying",
    "premium",
    "subscri*",
    "upgrad*",
    "customer",
    "purchased",
    "won",
];

/// Largest share of accounts with a time of conversion found only by its values.
const SOME: f64 = 0.9;
/// Smallest share of conversion times at or after the sign-up.
const AFTER: f64 = 0.95;

/// A time column of the account list and its format.
pub(super) type TimeColumn<'a> = (&'a Column, TimeFormat);

/// The times of the account list.
#[derive(Debug, Clone)]
pub(super) struct AccountTimes {
    pub(super) signed_up: String,
    pub(super) time_format: TimeFormat,
    /// Other columns that could be the sign-up.
    pub(super) other_sign_ups: Vec<String>,
    pub(super) converted: Option<String>,
    /// Columns that only by their values could be the conversion, with the evidence.
    pub(super) possible: Vec<(String, String)>,
    /// Columns that record a conversion without its time.
    pub(super) flags: Vec<String>,
    pub(super) churned: Option<String>,
    /// Times that are not used, and why.
    pub(super) rejected: Vec<(String, String)>,
}

/// Returns the columns with times; numbers require a matching name.
pub(super) fn times<'a>(list: &'a Sample, account: &str) -> Vec<TimeColumn<'a>> {
    let others = list.columns.iter().filter(|c| c.name != account);
    others.filter(|c| may_be_time(c)).filter_map(|c| Some((c, c.time_format()?))).collect()
}

fn may_be_time(column: &Column) -> bool {
    let time_words = ["at", "date", "time", "timestamp", "ts", "on", "since", "day"];
    let lists: [&[&str]; 4] = [&time_words, &SIGNED_UP_WORDS, &CONVERTED_WORDS, &CHURNED_WORDS];
    column.kind == ColumnKind::Text || lists.iter().any(|words| any(&column.words, words))
}

impl AccountTimes {
    /// Chooses the times of the account list. Returns `None` without a sign-up.
    pub(super) fn choose(list: &Sample, times: &[TimeColumn<'_>]) -> Option<Self> {
        let (signed_up, time_format) = signed_up(times)?;
        let others = || times.iter().filter(|(c, _)| c.name != signed_up.name);
        let mut chosen = Self {
            signed_up: signed_up.name.clone(),
            time_format: time_format.clone(),
            other_sign_ups: others()
                .filter(|(c, _)| sign_up_rank(c).is_some() && nearly_full(c))
                .map(|(c, _)| c.name.clone())
                .collect(),
            converted: None,
            possible: Vec::new(),
            flags: Vec::new(),
            churned: None,
            rejected: Vec::new(),
        };
        let named = |whole: &[&str], part: &[&str]| {
            let mut ranked: Vec<(usize, &TimeColumn<'_>)> = others()
                .filter(|(c, _)| {
                    !any(&c.words, &MOVING) || whole.contains(&c.words.concat().as_str())
                })
                .filter_map(|time| {
                    Some((rank(&time.0.words, whole, part)? + 50 * time.0.depth, time))
                })
                .collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            ranked.into_iter().map(|(_, time)| time)
        };
        for time in named(&CHURNED, &CHURNED_WORDS) {
            if chosen.accepts(time, "churn", None) {
                chosen.churned.get_or_insert(time.0.name.clone());
            }
        }
        for time in named(&CONVERTED, &CONVERTED_WORDS) {
            let taken = chosen.churned.as_ref() == Some(&time.0.name);
            if !taken && chosen.accepts(time, "conversion", Some(signed_up)) {
                chosen.converted.get_or_insert(time.0.name.clone());
            }
        }
        chosen.reject_times_that_mean_never(list);
        chosen.find_by_value(signed_up, others());
        if chosen.converted.is_none() {
            let flags = list.columns.iter().filter(|c| {
                let is_time = times.iter().any(|(time, _)| time.name == c.name);
                !is_time && any(&c.words, &OUTCOME_FLAGS) && c.distinct() > 1 && c.distinct() <= 20
            });
            chosen.flags = flags.map(|c| c.name.clone()).collect();
        }
        Some(chosen)
    }

    /// Notes columns of conversions all of whose times mean never.
    fn reject_times_that_mean_never(&mut self, list: &Sample) {
        let is_conversion = |c: &&Column| rank(&c.words, &CONVERTED, &CONVERTED_WORDS).is_some();
        // A flag of zeros alone is no time.
        let is_time = |c: &&Column| c.kind == ColumnKind::Text;
        let columns = list.columns.iter().filter(|c| c.never_has_a_time());
        for column in columns.filter(is_conversion).filter(is_time) {
            let example = column.texts().next().unwrap_or_default();
            let problem = format!("all of its times mean never, such as {example}");
            self.rejected.push((column.name.clone(), problem));
        }
    }

    /// Returns the first column of conversions by name that is not used, and why.
    pub(super) fn rejected_conversion(&self) -> Option<&(String, String)> {
        self.rejected
            .iter()
            .find(|(name, _)| rank(&words::of_path(name).0, &CONVERTED, &CONVERTED_WORDS).is_some())
    }

    /// Returns whether a column can be a conversion or churn; else notes why not.
    fn accepts(
        &mut self,
        (column, format): &TimeColumn<'_>,
        what: &str,
        signed_up: Option<&Column>,
    ) -> bool {
        let before = signed_up
            .map(|signed_up| after_sign_up(signed_up, &self.time_format, (column, format)))
            .and_then(|after| after.filter(|after| *after < 0.5));
        let problem = if format.format != self.time_format.format {
            format!("another time format than `{}`", self.signed_up)
        } else if any(&column.words, &["trial*"]) {
            format!("accounts that never pay also have one; not a time of {what}")
        } else if nearly_full(column) {
            format!("almost every account has a value; not a time of {what}")
        } else if let Some(after) = before {
            format!("before the sign-up of {} of accounts", percent(1.0 - after))
        } else {
            return true;
        };
        self.rejected.push((column.name.clone(), problem));
        false
    }

    /// Finds times that some accounts have, at or after their sign-up.
    fn find_by_value<'a>(
        &mut self,
        signed_up: &Column,
        others: impl Iterator<Item = &'a TimeColumn<'a>>,
    ) {
        if self.converted.is_some() {
            return;
        }
        for (column, format) in others {
            let filled = share(column.times_present(), column.rows);
            let excluded = [&MOVING[..], &NOT_CONVERTED, &CHURNED_WORDS];
            let known = self.rejected.iter().any(|(name, _)| *name == column.name);
            if known
                || self.churned.as_ref() == Some(&column.name)
                || filled > SOME
                || column.present == 0
                || format.format != self.time_format.format
                || excluded.iter().any(|words| any(&column.words, words))
            {
                continue;
            }
            let after = after_sign_up(signed_up, &self.time_format, (column, format));
            if after.is_some_and(|after| after >= AFTER) {
                let evidence =
                    format!("{} of accounts have one, at or after the sign-up", percent(filled));
                self.possible.push((column.name.clone(), evidence));
            }
        }
    }

    /// Uses the only time that by its values could be the conversion; returns its evidence.
    pub(super) fn take_possible(&mut self) -> Option<(String, String)> {
        if self.converted.is_some() || self.possible.len() != 1 {
            return None;
        }
        let (name, evidence) = self.possible.pop()?;
        self.converted = Some(name.clone());
        Some((name, evidence))
    }
}

/// Returns whether almost no value is missing, which is implausible for conversions.
fn nearly_full(column: &Column) -> bool {
    column.rows >= 20 && column.times_present() * 20 > column.rows * 19
}

fn mostly_filled(column: &Column) -> bool {
    column.times_present() * 2 > column.rows
}

fn sign_up_rank(column: &Column) -> Option<usize> {
    let rank = rank(&column.words, &SIGNED_UP, &SIGNED_UP_WORDS)?;
    (!any(&column.words, &MOVING) && !any(&column.words, &CONVERTED_WORDS))
        .then_some(rank + 50 * column.depth)
}

/// Returns the sign-up column: by name, else the earliest time that almost all accounts have.
fn signed_up<'a, 'b>(times: &'b [TimeColumn<'a>]) -> Option<(&'a Column, &'b TimeFormat)> {
    let mostly = || times.iter().filter(|(c, _)| mostly_filled(c));
    let named = mostly().filter_map(|(c, format)| Some((sign_up_rank(c)?, *c, format)));
    let other = || {
        let texts: Vec<&TimeColumn<'a>> = mostly()
            .filter(|(c, _)| {
                let excluded = [&MOVING[..], &CONVERTED_WORDS, &CHURNED_WORDS];
                !excluded.iter().any(|words| any(&c.words, words))
            })
            .collect();
        let first = |(a, format): &TimeColumn<'_>| {
            texts.iter().all(|(b, other)| {
                a.name == b.name || after_sign_up(a, format, (b, other)).unwrap_or(0.0) >= AFTER
            })
        };
        texts.iter().find(|time| first(time)).map(|(c, format)| (*c, format))
    };
    named.min_by_key(|(rank, ..)| *rank).map(|(_, c, format)| (c, format)).or_else(other)
}

/// Returns the share of times on or after the day of the sign-up, where both are present.
fn after_sign_up(
    signed_up: &Column,
    format: &TimeFormat,
    (column, other): (&Column, &TimeFormat),
) -> Option<f64> {
    let pairs: Vec<(i64, i64)> = parse(&signed_up.head, format)
        .into_iter()
        .zip(parse(&column.head, other))
        .filter_map(|(signed_up, time)| Some((signed_up?, time?)))
        .collect();
    let after = pairs.iter().filter(|(signed_up, time)| *time >= midnight(*signed_up)).count();
    (!pairs.is_empty()).then(|| share(after, pairs.len()))
}
