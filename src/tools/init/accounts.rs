//! Columns of the account list: keys and attributes.

use super::sample::{Column, ColumnKind, Sample};
use super::times::TimeFormat;
use super::words::{any, rank};

const SIGNED_UP: [&str; 20] = [
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
    "datecreated",
    "creationdate",
    "joinedat",
    "joindate",
    "trialstartedat",
    "trialstart",
    "startdate",
];
const SIGNED_UP_WORDS: [&str; 8] =
    ["signup*", "sign*_up", "regist*", "creat*", "join*", "trial_start*", "start*", "since"];
const CONVERTED: [&str; 14] = [
    "convertedat",
    "conversiondate",
    "converted",
    "paidat",
    "subscribedat",
    "upgradedat",
    "firstpurchase",
    "firstpurchaseat",
    "firstpaidat",
    "firstpayment",
    "firstpaymentat",
    "becamecustomerat",
    "customersince",
    "purchasedat",
];
const CONVERTED_WORDS: [&str; 9] = [
    "convert*",
    "conversion*",
    "paid",
    "subscri*_start*",
    "subscribed",
    "upgrade*",
    "purchase*",
    "first_payment*",
    "customer_since",
];
const CHURNED: [&str; 8] = [
    "churnedat",
    "churndate",
    "churned",
    "cancelledat",
    "canceledat",
    "cancellationdate",
    "deletedat",
    "closedat",
];
const CHURNED_WORDS: [&str; 5] = ["churn*", "cancel*", "delet*", "deactivat*", "clos*"];
/// Words of times that change, so that they are not first times.
const MOVING: [&str; 7] = ["last", "latest", "next", "renew*", "end*", "expir*", "updat*"];
const SEATS: [&str; 7] = [
    "seats",
    "seatcount",
    "seatsatsignup",
    "numseats",
    "numberofseats",
    "licenses",
    concat!("licen", "ces"),
];
const REVENUE: [&str; 9] =
    ["mrr", "mrramount", "monthlyrevenue", "revenue", "arr", "arramount", "acv", "amount", "ltv"];

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
const OUTCOME_VALUES: [&str; 9] =
    ["paid", "paying", "free", "premium", "trial", "churned", "converted", "subscribe*", "cancel*"];
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

/// Guessed columns of the account list.
#[derive(Debug, Clone)]
pub(super) struct GuessedAccountColumns {
    pub(super) account: String,
    pub(super) signed_up: String,
    pub(super) time_format: TimeFormat,
    pub(super) converted: Option<String>,
    pub(super) churned: Option<String>,
    pub(super) seats: Option<String>,
    pub(super) revenue: Option<String>,
    pub(super) attributes: Vec<String>,
    pub(super) rejected: Vec<RejectedColumn>,
}

impl GuessedAccountColumns {
    /// Guesses the columns of the account list, and adds remarks. Returns `None` without a sign-up
    /// column.
    pub(super) fn guess(
        list: &Sample,
        account: &Column,
        remarks: &mut Vec<String>,
    ) -> Option<Self> {
        let others = || list.columns.iter().filter(|c| c.name != account.name);
        let times: Vec<(&Column, TimeFormat)> = others()
            .filter_map(|c| Some((c, c.time_format()?)))
            .filter(|(c, _)| is_time(c))
            .collect();
        let (signed_up, time_format) = signed_up(&times)?;
        let outcome = |whole: &[&str], part: &[&str]| {
            let rank_of = |c: &Column| {
                rank(&c.words, whole, part)
                    .filter(|_| c.name != signed_up.name && !any(&c.words, &MOVING))
            };
            times
                .iter()
                .filter_map(|(c, r)| Some((rank_of(c)?, c, r)))
                .min_by_key(|(rank, ..)| *rank)
                .map(|(_, c, r)| (*c, r))
        };
        let churned = outcome(&CHURNED, &CHURNED_WORDS);
        let mut converted = outcome(&CONVERTED, &CONVERTED_WORDS)
            .filter(|(c, _)| churned.is_none_or(|(other, _)| other.name != c.name));
        if let Some((column, _)) = converted.take_if(|(c, _)| nearly_full(c)) {
            let why = "has a value for almost every account and is not used as conversion time";
            remarks.push(format!(
                "accounts: `{}` {why}; set `accounts.converted` if it is one",
                column.name
            ));
        }
        let mut same_format = |found: Option<(&Column, &TimeFormat)>| {
            let (column, other) = found?;
            if other.format == time_format.format {
                return Some(column.name.clone());
            }
            let why = "has another time format than the sign-ups and is not used";
            remarks.push(format!("accounts: `{}` {why}", column.name));
            None
        };
        let (converted, churned) = (same_format(converted), same_format(churned));
        let number = |whole: &[&str]| {
            let ranked =
                others().filter(|c| c.kind == ColumnKind::Number || c.kind == ColumnKind::Flag);
            ranked
                .filter_map(|c| Some((rank(&c.words, whole, &[])?, c)))
                .min_by_key(|(r, _)| *r)
                .map(|(_, c)| c.name.clone())
        };
        let mut columns = Self {
            account: account.name.clone(),
            signed_up: signed_up.name.clone(),
            time_format: time_format.clone(),
            converted,
            churned,
            seats: number(&SEATS),
            revenue: number(&REVENUE),
            attributes: Vec::new(),
            rejected: Vec::new(),
        };
        columns.choose_attributes(list, &times);
        Some(columns)
    }

    fn choose_attributes(&mut self, list: &Sample, times: &[(&Column, TimeFormat)]) {
        let named =
            [&self.converted, &self.churned, &self.seats, &self.revenue].into_iter().flatten();
        let named: Vec<String> = named.chain([&self.account, &self.signed_up]).cloned().collect();
        for column in list.columns.iter().filter(|c| !named.contains(&c.name)) {
            let is_time = times.iter().any(|(c, _)| c.name == column.name);
            match rejection(column, is_time, &list.columns) {
                None => self.attributes.push(column.name.clone()),
                Some(reason) => self.rejected.push((column.name.clone(), reason)),
            }
        }
    }
}

/// Returns whether a column of possible times has times: numbers require a matching name.
fn is_time(column: &Column) -> bool {
    let time_words = ["at", "date", "time", "timestamp", "ts", "on", "since", "day"];
    let lists: [&[&str]; 4] = [&time_words, &SIGNED_UP_WORDS, &CONVERTED_WORDS, &CHURNED_WORDS];
    column.kind == ColumnKind::Text || lists.iter().any(|words| any(&column.words, words))
}

/// Returns whether almost no value is missing, which is implausible for conversions.
fn nearly_full(column: &Column) -> bool {
    column.rows >= 20 && column.present * 20 > column.rows * 19
}

/// Returns the sign-up column: by name, else the only text column with times.
fn signed_up<'a, 'b>(
    times: &'b [(&'a Column, TimeFormat)],
) -> Option<(&'a Column, &'b TimeFormat)> {
    let mostly = || times.iter().filter(|(c, _)| c.present * 2 > c.rows);
    let named =
        mostly().filter_map(|(c, r)| Some((rank(&c.words, &SIGNED_UP, &SIGNED_UP_WORDS)?, *c, r)));
    let only = || {
        let mut texts = mostly()
            .filter(|(c, _)| !any(&c.words, &CONVERTED_WORDS) && !any(&c.words, &CHURNED_WORDS));
        texts.next().filter(|_| texts.next().is_none()).map(|(c, r)| (*c, r))
    };
    named.min_by_key(|(rank, ..)| *rank).map(|(_, c, r)| (c, r)).or_else(only)
}

/// Returns why a column is not an attribute; `None` if it is one.
fn rejection(column: &Column, is_time: bool, all: &[Column]) -> Option<&'static str> {
    let early = any(&column.words, &AT_SIGN_UP);
    if column.distinct() < 2 {
        return Some("constant");
    }
    if is_time {
        return Some("a time");
    }
    if identifies(column) {
        return Some("identifies accounts");
    }
    if !early && (any(&column.words, &OUTCOME) || is_status(column, all)) {
        return Some("its name suggests that it records the outcome");
    }
    if !early
        && column.kind == ColumnKind::Text
        && column.texts().any(|v| any(&super::words::split(v), &OUTCOME_VALUES))
    {
        return Some("its values suggest that it records the outcome");
    }
    let known = early
        || column.kind == ColumnKind::Text
        || column.kind == ColumnKind::Number && any(&column.words, &FIRMOGRAPHIC);
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
fn identifies(column: &Column) -> bool {
    let shared = column.distinct() * 4 <= column.present && any(&column.words, &["name"]);
    let varied = column.distinct() > LEVELS
        || column.distinct() > 20 && column.distinct() * 2 > column.present;
    any(&column.words, &IDENTIFYING) && !shared || varied && column.kind == ColumnKind::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Sample) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, text).unwrap();
        let sample = Sample::read(&file).unwrap();
        (folder, sample)
    }

    fn guess(text: &str) -> (GuessedAccountColumns, Vec<String>) {
        let (_folder, sample) = list(text);
        let mut remarks = Vec::new();
        let columns =
            GuessedAccountColumns::guess(&sample, &sample.columns[0], &mut remarks).unwrap();
        (columns, remarks)
    }

    #[test]
    fn columns_that_record_the_outcome_are_not_attributes() {
        let (columns, _) = guess(
            "account_id,account_name,industry,country,signup_date,plan_tier,signup_plan,seats,is_trial,churn_flag,employees,logins,segment,kind\n\
             a,A,x,US,2024-01-01,Basic,P1,3,True,False,5,7,paid,k\n\
             b,B,y,DE,2024-01-02,Pro,P2,4,False,True,6,8,free,k\n",
        );
        assert_eq!(columns.signed_up, "signup_date");
        assert_eq!(columns.seats.as_deref(), Some("seats"));
        assert_eq!((columns.converted.clone(), columns.churned.clone()), (None, None));
        assert_eq!(columns.attributes, ["industry", "country", "signup_plan", "employees"]);
        let names: Vec<&str> = columns.rejected.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["account_name", "plan_tier", "is_trial", "churn_flag", "logins", "segment", "kind"]
        );
    }

    #[test]
    fn outcome_columns_need_the_time_format_of_the_sign_ups() {
        let (columns, remarks) = guess(
            "id,created_at,first_purchase,cancelled_at,converted,last_payment_at\n\
             a,2024-01-01,2024-02-01,13/02/2024,1,2024-05-01\n\
             b,2024-01-02,,,0,\n",
        );
        assert_eq!(columns.converted.as_deref(), Some("first_purchase"));
        assert_eq!(columns.churned, None);
        assert!(remarks[0].contains("`cancelled_at` has another time format"), "{remarks:?}");
        assert!(columns.attributes.is_empty());
    }

    #[test]
    fn an_account_list_needs_a_sign_up_column() {
        let (_folder, sample) = list("id,industry\na,x\nb,y\n");
        assert!(
            GuessedAccountColumns::guess(&sample, &sample.columns[0], &mut Vec::new()).is_none()
        );
    }
}
