//! Attributes of the account list: columns that are known at sign-up and never change.

use super::sample::{Column, ColumnKind, TrainedKind};
use super::words::any;

/// Words of values known at sign-up.
const AT_SIGN_UP: [&str; 5] = ["signup", "sign_up", "initial*", "original*", "at_registration"];

/// Words of columns that record the outcome or change on conversion.
const OUTCOME: [&str; 60] = [
    "plan*",
    "tier*",
    "paid",
    "pay*",
    "premium",
    "pro",
    "free",
    "churn*",
    "status*",
    "arr",
    "mrr",
    "acv",
    "revenue",
    "amount*",
    "ltv",
    "bill*",
    "invoice*",
    "subscri*",
    "convert*",
    "conver*",
    "cancel*",
    "trial*",
    "upgrad*",
    "downgrad*",
    "renew*",
    "active",
    "activat*",
    "last",
    "latest",
    "current*",
    "total*",
    "lifecycle*",
    "stage",
    "health*",
    "score",
    "nps",
    "csat",
    "usage",
    "customer",
    "deal*",
    "contract*",
    "owner",
    "csm",
    "sales",
    "won",
    "lost",
    "discount*",
    "coupon*",
    "card",
    "expir*",
    "end*",
    "updat*",
    "package",
    "licen*",
    "edition",
    "purchase*",
    "spen*",
    "delet*",
    "closed",
    "refund*",
];

/// Words of values that record the outcome.
const OUTCOME_VALUES: [&str; 12] = [
    "paid",
    "paying",
    "free",
    "premium",
    "trial",
    "churned",
    "converted",
    "subscribe*",
    "cancel*",
    "customer*",
    "prospect*",
    "opportunity",
];
/// Words of places, which are no outcomes even where they are billing addresses.
const PLACES: [&str; 3] = ["country", "region", "continent"];

const IDENTIFYING: [&str; 27] = [
    "id",
    "uuid",
    "guid",
    "key",
    "name",
    "email*",
    "mail",
    "phone*",
    "url",
    "website",
    "domain*",
    "address",
    "street",
    "zip",
    "postal",
    "postcode",
    "ip",
    "token",
    "description",
    "note",
    "notes",
    "comment*",
    "feedback",
    "firstname",
    "lastname",
    "hash",
    "slug",
];

/// Words of numbers that are usually known at sign-up.
const FIRMOGRAPHIC: [&str; 11] = [
    "employee*",
    "headcount",
    "size",
    "company_size",
    "founded",
    "funding",
    "age",
    "birth*",
    "population",
    "staff",
    "offices",
];

/// Maximum number of levels of an attribute.
const LEVELS: usize = 300;

/// A column that is not an attribute, and the reason.
pub(super) type RejectedColumn = (String, &'static str);

/// Returns why a column is not an attribute; `None` if it is one.
pub(super) fn rejection(column: &Column, is_time: bool, all: &[Column]) -> Option<&'static str> {
    let early = any(&column.words, &AT_SIGN_UP);
    let kind = column.trained_kind();
    if column.distinct() < 2 {
        return Some("constant");
    }
    if is_time {
        return Some("a time");
    }
    if identifies(column, kind) {
        return Some("identifies accounts");
    }
    if kind == TrainedKind::NearlyNumber && varies(column) {
        return Some("most values are numbers, but not all");
    }
    let place = any(&column.words, &PLACES);
    if !early && !place && (any(&column.words, &OUTCOME) || is_status(column, all)) {
        return Some("its name suggests that it records the outcome");
    }
    if !early
        && kind != TrainedKind::Number
        && column.texts().any(|v| any(&super::words::split(v), &OUTCOME_VALUES))
    {
        return Some("its values suggest that it records the outcome");
    }
    let known = early
        || kind != TrainedKind::Number
        || column.kind != ColumnKind::Flag && any(&column.words, &FIRMOGRAPHIC);
    (!known).then_some("may change after sign-up; add it to `attributes` if not")
}

/// Returns whether `state` is a status: a region has two-letter codes, or a country or city beside
/// it.
fn is_status(column: &Column, all: &[Column]) -> bool {
    let code = |v: &str| v.len() == 2 && v.chars().all(|c| c.is_ascii_uppercase());
    let place = all.iter().any(|c| any(&c.words, &["country", "city", "region"]));
    any(&column.words, &["state"]) && !place && !column.texts().all(code)
}

/// Returns whether a column identifies accounts or people, by its name or number of values. A name
/// with few values, such as `country_name`, does not.
fn identifies(column: &Column, kind: TrainedKind) -> bool {
    let shared = column.distinct() * 4 <= column.present && any(&column.words, &["name"]);
    any(&column.words, &IDENTIFYING) && !shared || varies(column) && kind == TrainedKind::Text
}

/// Returns whether a column has too many values for levels.
fn varies(column: &Column) -> bool {
    column.distinct() > LEVELS || column.distinct() > 20 && column.distinct() * 2 > column.present
}
